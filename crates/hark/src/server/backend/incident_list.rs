//! The list of incidents, page by page: filtered before a row is made, and with the same few questions
//! to the store however many rows a page has.

use std::cell::RefCell;
use std::collections::HashMap;

use hark_api::incidents::{
    IncidentField, IncidentRow, IncidentSort, IncidentsQuery, LastNotification, Told, View,
};
use hark_api::list::{Cursor, Moment, Page, Sort, TimeSort, limit};
use hark_api::sought::Sought;
use hark_model::record::{DeliveryRecord, DeliveryState, IncidentRecord};
use hark_model::{HostId, IncidentId, Severity, Status, Unix};
use hark_store::state::{IncidentFilter, JournalEntry, Place};
use hark_web::{Answer, Sight};

use super::{paging, words};

/// The most incidents that are looked at for an order that the store does not know, the newest: a fleet in which more are
/// open at once is sorted by its cause, not by a list, and of what is over the last weeks are among them.
const MOST_SORTED: usize = 10_000;

/// What the engine alone knows of an incident; of one that it has forgotten, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Until when a silence covers it.
    pub(super) silenced_until: Option<Unix>,
    /// How many open incidents follow from it.
    pub(super) symptoms: u32,
}

/// Where the list comes from. Each method is one question, but for [`Source::host_name`], which is none for most hosts.
pub(super) trait Source {
    /// Returns incidents from a place on.
    fn incidents(
        &self,
        filter: &IncidentFilter,
        place: Place,
        most: u32,
    ) -> Answer<Vec<IncidentRecord>>;
    /// Returns how the engine sees those of `incidents` that it has.
    fn standing(&self, incidents: Vec<IncidentId>) -> Answer<HashMap<IncidentId, Standing>>;
    /// Returns the newest message of each.
    fn newest_messages(&self, incidents: &[IncidentId]) -> Answer<Vec<DeliveryRecord>>;
    /// Returns the newest line that says why a message was kept back, of each.
    fn newest_withheld(&self, incidents: &[IncidentId]) -> Answer<Vec<JournalEntry>>;
    /// Returns the name of a host: from memory, that of one that is gone from the store.
    fn host_name(&self, host: HostId) -> String;
}

/// The names of the hosts of a page, each asked for once: one that is gone costs a question, and may have all the incidents.
struct Names<'a> {
    source: &'a dyn Source,
    known: RefCell<HashMap<HostId, String>>,
}

impl<'a> Names<'a> {
    fn of(source: &'a dyn Source) -> Self {
        Self { source, known: RefCell::default() }
    }

    fn name(&self, host: HostId) -> String {
        let mut known = self.known.borrow_mut();
        known.entry(host).or_insert_with(|| self.source.host_name(host)).clone()
    }
}

/// Returns one page of what `query` asks for within `sight`.
pub(super) fn page(
    source: &dyn Source,
    sight: &Sight,
    query: &IncidentsQuery,
) -> Answer<Page<IncidentRow>> {
    let open = match query.view {
        View::Open | View::Silenced => Some(true),
        View::Resolved => Some(false),
        View::All => None,
    };
    let filter = IncidentFilter { open, ..IncidentFilter::default() };
    let wanted = Wanted::of(query);
    let names = Names::of(source);
    let sort = query.sort.unwrap_or(Sort::by(IncidentField::Since).backwards());
    let found = if sort.by == IncidentField::Since {
        let sort = Some(TimeSort { by: Moment::At, is_backwards: sort.is_backwards });
        paging::scan(
            limit(query.limit),
            paging::place(query.cursor.as_ref(), sort),
            |record: &IncidentRecord| record.id.0,
            |place, most| source.incidents(&filter, place, most),
            |chunk| wanted.filter(&names, sight, chunk),
        )?
    } else {
        sorted(&names, sight, &filter, &wanted, query, sort)?
    };
    Ok(Page { items: named_rows(&names, found.items)?, next: found.next })
}

/// Returns the incidents of one page in an order that the store does not know: of so many as are looked at for it,
/// the newest, those of the page alone become rows.
fn sorted(
    names: &Names<'_>,
    sight: &Sight,
    filter: &IncidentFilter,
    wanted: &Wanted,
    query: &IncidentsQuery,
    sort: IncidentSort,
) -> Answer<Page<IncidentRecord>> {
    let (mut all, mut looked, mut place) = (Vec::new(), 0, Place::Newest);
    while looked < MOST_SORTED {
        let chunk = names.source.incidents(filter, place, paging::CHUNK)?;
        let Some(last) = chunk.last() else { break };
        place = place.beyond(last.id.0);
        looked += chunk.len();
        all.extend(wanted.filter(names, sight, chunk)?);
    }
    let key = |record: &IncidentRecord| match sort.by {
        IncidentField::Since => String::new(),
        IncidentField::State => badness(record).to_owned(),
        // No name of a host has a space, nor any letter before it.
        IncidentField::Host => format!("{} {}", names.name(record.host), record.check),
    };
    let order = |a: (&str, u64), b: (&str, u64)| {
        let order = a.0.cmp(b.0).then_with(|| b.1.cmp(&a.1));
        if sort.is_backwards { order.reverse() } else { order }
    };
    let after = query.cursor.as_ref().and_then(Cursor::name).and_then(read);
    let keyed = all
        .into_iter()
        .map(|(_, record)| (key(&record), record))
        .filter(|(key, record)| after.is_none_or(|after| order((key, record.id.0), after).is_gt()));
    let (found, more) =
        paging::first(keyed, limit(query.limit), |a, b| order((&a.0, a.1.id.0), (&b.0, b.1.id.0)));
    let last = found.last().filter(|_| more);
    let next = last.and_then(|(key, record)| Cursor::of_name(&format!("{key} {}", record.id.0)));
    Ok(Page { items: found.into_iter().map(|(_, record)| record).collect(), next })
}

/// A cursor is the key and the number.
fn read(cursor: &str) -> Option<(&str, u64)> {
    let (key, number) = cursor.rsplit_once(' ')?;
    Some((key, number.parse().ok()?))
}

fn badness(record: &IncidentRecord) -> &'static str {
    match Severity::from(shown(record)) {
        Severity::Critical => "0",
        Severity::Warning => "1",
        Severity::Unknown => "2",
        Severity::Info => "3",
    }
}

/// Returns the rows of `incidents`: three questions, whatever their number, and one for each host that is gone.
pub(super) fn rows(
    source: &dyn Source,
    incidents: Vec<IncidentRecord>,
) -> Answer<Vec<IncidentRow>> {
    named_rows(&Names::of(source), incidents)
}

fn named_rows(names: &Names<'_>, incidents: Vec<IncidentRecord>) -> Answer<Vec<IncidentRow>> {
    let source = names.source;
    if incidents.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<IncidentId> = incidents.iter().map(|record| record.id).collect();
    let messages = source.newest_messages(&ids)?;
    let mut last: HashMap<IncidentId, LastNotification> = HashMap::new();
    for entry in source.newest_withheld(&ids)? {
        last.extend(entry.line.incident.map(|id| (id, last_withheld(&entry))));
    }
    // A message tells more than what was kept back before or after it.
    for message in &messages {
        last.extend(message.notification.incident.map(|id| (id, last_notification(message))));
    }
    let standing = source.standing(ids)?;
    let row = |record: IncidentRecord| {
        let standing = standing.get(&record.id).copied().unwrap_or_default();
        let host = names.name(record.host);
        let last = last.remove(&record.id);
        row(record, host, standing, last)
    };
    Ok(incidents.into_iter().map(row).collect())
}

fn row(
    record: IncidentRecord,
    host: String,
    standing: Standing,
    last_notification: Option<LastNotification>,
) -> IncidentRow {
    IncidentRow {
        id: record.id.0,
        host,
        check: record.check.to_string(),
        state: shown(&record).into(),
        peak: record.peak.into(),
        status: record.status.into(),
        text: record.text,
        since_at: record.since.into(),
        since_unix_s: record.since.seconds(),
        resolved_at: record.resolved_at.map(Into::into),
        ack: record.ack.as_ref().map(words::ack),
        silenced_until_at: standing.silenced_until.map(Into::into),
        cause: record.cause.map(|cause| cause.0),
        caused_by_hand: record.caused_by_hand,
        symptoms: u64::from(standing.symptoms),
        last_notification,
    }
}

/// What is over is shown as the worst that it was.
fn shown(record: &IncidentRecord) -> Status {
    if record.status == Status::Ok { record.peak } else { record.status }
}

/// The filter, as far as the store does not know it.
struct Wanted {
    /// Whether what is silenced is left out, or everything else.
    silenced: Option<bool>,
    least: Option<Severity>,
    /// In small letters.
    q: Option<Sought>,
}

impl Wanted {
    fn of(query: &IncidentsQuery) -> Self {
        Self {
            silenced: match query.view {
                View::Open => Some(false),
                View::Silenced => Some(true),
                View::Resolved | View::All => None,
            },
            least: query.sev.map(Severity::from),
            q: query.q.as_deref().map(Sought::new),
        }
    }

    /// Takes what passes, with its number. The engine is asked last and once, and only if the view
    /// depends on it.
    fn filter(
        &self,
        names: &Names<'_>,
        sight: &Sight,
        mut chunk: Vec<IncidentRecord>,
    ) -> Answer<Vec<(u64, IncidentRecord)>> {
        chunk.retain(|record| {
            let host = names.name(record.host);
            sight.covers(&host) && self.severe(record) && self.mentioned(record, &host)
        });
        if let Some(silenced) = self.silenced.filter(|_| !chunk.is_empty()) {
            let standing = names.source.standing(chunk.iter().map(|record| record.id).collect())?;
            let is_silenced =
                |id: &IncidentId| standing.get(id).is_some_and(|s| s.silenced_until.is_some());
            chunk.retain(|record| is_silenced(&record.id) == silenced);
        }
        Ok(chunk.into_iter().map(|record| (record.id.0, record)).collect())
    }

    fn severe(&self, record: &IncidentRecord) -> bool {
        self.least.is_none_or(|least| Severity::from(shown(record)) >= least)
    }

    fn mentioned(&self, record: &IncidentRecord, host: &str) -> bool {
        let texts = [host, record.check.as_str(), &record.text];
        self.q.as_ref().is_none_or(|q| texts.iter().any(|text| q.is_in(text)))
    }
}

fn last_withheld(entry: &JournalEntry) -> LastNotification {
    LastNotification {
        receiver: entry.line.receiver.as_ref().map(ToString::to_string).unwrap_or_default(),
        result: Told::Withheld,
        at: entry.line.at.into(),
        text: entry.line.text.clone(),
    }
}

fn last_notification(row: &DeliveryRecord) -> LastNotification {
    let (result, at) = match row.state {
        DeliveryState::Sent { at } => (Told::Sent, at),
        DeliveryState::Dead { at } => (Told::Failed, at),
        DeliveryState::Retry { .. } => (Told::Failed, row.notification.at),
        DeliveryState::Queued | DeliveryState::Leased { .. } => (Told::Queued, row.notification.at),
        DeliveryState::Superseded { at } => (Told::Withheld, at),
    };
    let text = if row.last_error.is_empty() { &row.notification.summary } else { &row.last_error };
    LastNotification {
        receiver: row.notification.receiver.to_string(),
        result,
        at: at.into(),
        text: text.clone(),
    }
}

#[cfg(test)]
mod tests;
