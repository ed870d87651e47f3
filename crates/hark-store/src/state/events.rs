//! Events that happened: kept for a while so that they can be forwarded, and so that a second copy of one
//! is known as such.

use hark_model::time::Unix;
use hark_model::{Event, EventKind, HostName, Severity};
use rusqlite::{Row, Transaction, params};

use super::commit::{CommitError, int};
use super::reader::{Place, StateReader};
use super::{OpenError, State};

/// The most events that are kept: at some 300 bytes each 30 MB, and a day of one a second.
pub const MAX_EVENTS: u64 = 100_000;

/// The most events one call returns.
const MAX_ROWS: u32 = 1000;

/// The number of an event over all servers: 128 bits of chance, drawn by the one that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventUid(pub u128);

impl std::fmt::Display for EventUid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl EventUid {
    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_one.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

/// An event with what is known of its way.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// Its number over all servers.
    pub uid: EventUid,
    /// The host on which it happened.
    pub host: HostName,
    /// What happened.
    pub event: Event,
    /// How often, each copy of it being the same but for the time.
    pub count: u32,
    /// When the last of them happened.
    pub last: Unix,
    /// The servers that it has come through, the one that met it first; each at most once.
    pub hops: Vec<String>,
}

/// Puts an event in; one whose number is there already changes nothing.
pub(super) fn insert(t: &Transaction<'_>, record: &EventRecord) -> Result<(), CommitError> {
    let EventRecord { uid, host, event, count, last, hops } = record;
    // Neither tags nor names of servers have white space: a line feed divides them for ever.
    t.prepare_cached(
        "INSERT OR IGNORE INTO event (uid, host, at, last, count, kind, severity, line, tags, hops,
            data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        uid.to_string(),
        host.as_str(),
        event.at.0,
        last.0,
        count,
        event.kind.word(),
        event.severity.word(),
        event.text,
        event.tags.join("\n"),
        hops.join("\n"),
        event.data,
    ])?;
    Ok(())
}

/// Notes that an event happened again.
pub(super) fn repeat(
    t: &Transaction<'_>,
    uid: EventUid,
    count: u32,
    last: Unix,
) -> Result<(), CommitError> {
    t.prepare_cached(
        "UPDATE event SET count = max(count, ?2), last = max(last, ?3) WHERE uid = ?1",
    )?
    .execute(params![uid.to_string(), count, last.0])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<(u64, EventRecord)>> {
    let text = |at: usize| row.get::<_, String>(at);
    let words = |text: String| -> Vec<String> {
        text.split('\n').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let uid = EventUid::parse(&text(1)?);
    let (host, severity) = (HostName::new(&text(2)?).ok(), Severity::from_word(&text(7)?));
    let (Some(uid), Some(host), Some(severity)) = (uid, host, severity) else { return Ok(None) };
    let event = Event {
        at: Unix(row.get(3)?),
        kind: EventKind::from_word(&text(6)?),
        severity,
        text: text(8)?,
        tags: words(text(9)?),
        data: row.get(11)?,
    };
    let last = Unix(row.get(4)?);
    let record = EventRecord { uid, host, event, count: row.get(5)?, last, hops: words(text(10)?) };
    let id: i64 = row.get(0)?;
    Ok(Some((id.cast_unsigned(), record)))
}

const COLUMNS: &str =
    "SELECT id, uid, host, at, last, count, kind, severity, line, tags, hops, data FROM event";

impl StateReader {
    /// Returns events with their places, in the order in which they came: those behind place `after`, at
    /// most `limit`. Places are never used again.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn events_after(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, EventRecord)>, OpenError> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        self.query(
            &format!("{COLUMNS} WHERE id > ?1 ORDER BY id LIMIT ?2"),
            params![after, limit.min(MAX_ROWS)],
            read,
        )
        .map(|rows| rows.into_iter().flatten().collect())
    }

    /// Returns events with their places, from a place on; at most `limit`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn events_at(
        &self,
        place: impl Into<Place>,
        limit: u32,
    ) -> Result<Vec<(u64, EventRecord)>, OpenError> {
        let (bound, order) = place.into().terms();
        let (comparison, number) = bound.unwrap_or((">=", 0));
        self.query(
            &format!("{COLUMNS} WHERE id {comparison} ?1 ORDER BY id {order} LIMIT ?2"),
            params![number, limit.min(MAX_ROWS)],
            read,
        )
        .map(|rows| rows.into_iter().flatten().collect())
    }

    /// Returns events of a host that happened from `from` on and before `to` with their places, from a place on; at
    /// most `limit`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn events_of(
        &self,
        host: &HostName,
        (from, to): (Unix, Unix),
        place: impl Into<Place>,
        limit: u32,
    ) -> Result<Vec<(u64, EventRecord)>, OpenError> {
        let (bound, order) = place.into().terms();
        let (comparison, number) = bound.unwrap_or((">=", 0));
        self.query(
            &format!(
                "{COLUMNS} WHERE host = ?1 AND at >= ?2 AND at < ?3 AND id {comparison} ?4
                 ORDER BY id {order} LIMIT ?5"
            ),
            params![host.as_str(), from.0, to.0, number, limit.min(MAX_ROWS)],
            read,
        )
        .map(|rows| rows.into_iter().flatten().collect())
    }

    /// Returns the first and the last place of an event that is kept; `None` if there is none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn event_places(&self) -> Result<Option<(u64, u64)>, OpenError> {
        let read = |row: &Row<'_>| {
            let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(first.zip(last).map(|(a, b)| (a.cast_unsigned(), b.cast_unsigned())))
        };
        let found = self.query("SELECT min(id), max(id) FROM event", params![], read)?;
        Ok(found.into_iter().flatten().next())
    }

    /// Returns the numbers of all events that are kept, in the order in which they came.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn event_uids(&self) -> Result<Vec<EventUid>, OpenError> {
        let read = |row: &Row<'_>| Ok(EventUid::parse(&row.get::<_, String>(0)?));
        let found = self.query("SELECT uid FROM event ORDER BY id", params![], read)?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl State {
    /// Removes events that happened before `before`, and the oldest above [`MAX_EVENTS`]; at most `rows`.
    /// Returns how many.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn prune_events(&mut self, before: Unix, rows: u32) -> Result<u64, CommitError> {
        let most = int(MAX_EVENTS)?;
        self.transact(|t, _| {
            let gone = t
                .prepare_cached(
                    "DELETE FROM event WHERE id IN (SELECT id FROM event
                       WHERE id <= (SELECT max(id) FROM event) - ?3 OR last < ?1
                       ORDER BY id LIMIT ?2)",
                )?
                .execute(params![before.0, rows, most])?;
            Ok(gone as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Change;
    use super::*;

    fn record(n: u128, text: &str) -> EventRecord {
        EventRecord {
            uid: EventUid(n),
            host: HostName::new("web1").unwrap(),
            event: Event {
                at: Unix(1_000),
                kind: EventKind::Other("backup".to_owned()),
                severity: Severity::Warning,
                text: text.to_owned(),
                tags: vec!["a".to_owned(), "b:c".to_owned()],
                data: None,
            },
            count: 1,
            last: Unix(1_000),
            hops: vec!["berlin".to_owned()],
        }
    }

    #[test]
    fn events_come_back_whole_in_their_order_and_a_second_copy_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let (first, mut second) = (record(7, "one\nline"), record(1, "two"));
        second.event.data = Some(r#"{"hours":5}"#.to_owned());
        let changes = [&first, &second, &record(7, "another")].map(|r| Change::Event(r.clone()));
        state.commit(&[], &changes).unwrap();
        let again = Change::EventRepeated { uid: EventUid(7), count: 3, last: Unix(9_000) };
        state.commit(&[], &[again]).unwrap();
        let reader = state.reader().unwrap();
        let found = reader.events_after(0, 10).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, EventRecord { count: 3, last: Unix(9_000), ..first });
        assert_eq!(found[1].1, second);
        assert_eq!(reader.events_after(found[0].0, 10).unwrap().len(), 1);
        let newest_first = reader.events_at(None, 10).unwrap();
        assert_eq!(newest_first, found.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(reader.events_at(Some(newest_first[0].0), 10).unwrap(), found[..1]);
        assert_eq!(reader.events_at(Place::Oldest, 10).unwrap(), found);
        assert_eq!(reader.events_at(Place::Above(found[0].0), 10).unwrap(), found[1..]);
        assert_eq!(reader.event_uids().unwrap(), [EventUid(7), EventUid(1)]);
        assert_eq!(reader.event_places().unwrap(), Some((found[0].0, found[1].0)));
    }

    #[test]
    fn events_of_a_host_are_found_by_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let at = |uid: u128, host: &str, at: i64| {
            let mut record = record(uid, "said");
            record.host = HostName::new(host).unwrap();
            record.event.at = Unix(at);
            Change::Event(record)
        };
        let all = [at(1, "a", 1000), at(2, "b", 1500), at(3, "a", 2000), at(4, "a", 3000)];
        state.commit(&[], &all).unwrap();
        let reader = state.reader().unwrap();
        let host = HostName::new("a").unwrap();
        let found = |from: i64, to: i64, before: Option<u64>, limit: u32| -> Vec<u128> {
            let rows = reader.events_of(&host, (Unix(from), Unix(to)), before, limit).unwrap();
            rows.into_iter().map(|(_, record)| record.uid.0).collect()
        };
        assert_eq!(found(1000, 3000, None, 10), [3, 1], "the end is not among them");
        assert_eq!(found(0, i64::MAX, None, 2), [4, 3]);
        assert_eq!(found(0, i64::MAX, Some(3), 10), [1], "below a place");
        assert_eq!(found(5000, 6000, None, 10), Vec::<u128>::new());
    }

    #[test]
    fn places_are_not_used_again_when_the_newest_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        state.commit(&[], &[Change::Event(record(1, "old"))]).unwrap();
        assert_eq!(state.prune_events(Unix(1_001), 10).unwrap(), 1);
        assert_eq!(state.reader().unwrap().event_places().unwrap(), None);
        state.commit(&[], &[Change::Event(record(2, "new"))]).unwrap();
        let found = state.reader().unwrap().events_after(1, 10).unwrap();
        assert_eq!(found.len(), 1, "a cursor behind the old one finds the new one");
    }

    #[test]
    fn a_number_is_read_as_it_was_written() {
        let uid = EventUid(0xab << 64);
        assert_eq!(EventUid::parse(&uid.to_string()), Some(uid));
        for wrong in ["", "ab", "+0000000000000000000000000000001", &"g".repeat(32)] {
            assert_eq!(EventUid::parse(wrong), None, "{wrong}");
        }
    }
}
