//! Events forwarded to other harks: at least once, in order, each where it has not been.
//!
//! Every event is a row of the state, written with what the engine made of it. One task for each other
//! server reads the rows behind its own cursor, brings them in batches to `POST /api/0/events` there, and
//! moves the cursor, which is in the state, too, when they are on the other one's disk. A crash on either
//! side brings some of them again; they carry a number, and whoever has seen it drops the copy. So a ring
//! of servers forwards each event once around: it also carries the servers that it has come through, and
//! is not brought to one of them.
//!
//! Rows are kept for a week and 100,000 events: what a server that is away for longer misses is counted
//! and told as a problem of this one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hark_api::events::{BroughtEvent, EventsBrought, EventsTaken};
use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_model::time::{Clock, Mono};
use hark_net::{Call, Resolver};
use hark_store::state::{EventRecord, StateReader};
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::call::{Address, CALL_KEYS};
use super::links::Links;
use super::self_report::SelfReport;
use super::store_loop::chain;
use super::targets::{self, Target as _, Tasks, end_former, write_down};
use super::topics::Topics;

/// The section `relay`.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text,
        "Name of this server among others, one word; this machine's name if absent.",
    ),
    Key::new(
        "take",
        Kind::List(&Kind::Text),
        "Kinds and severities of events that this server takes of others; all if absent.",
    ),
    Key::new("to", Kind::Named(&Kind::Section(TO_KEYS)), "Servers that events are brought to."),
];

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const TO_KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "The other server's page: https://hark.example.net:50004.")
        .required(),
    Key::new("token", Kind::Secret, "A token of an administrator there.").required(),
    Key::new(
        "topics",
        Kind::List(&Kind::Text),
        "Kinds and severities of events that are brought; all if absent.",
    ),
    CALL_KEYS[0],
    CALL_KEYS[1],
    CALL_KEYS[2],
    CALL_KEYS[3],
];

/// What a server says that it takes if events may have data.
pub(crate) const DATA: &str = "data";

/// Rows read at once.
const ROWS: u32 = 100;

/// Bytes of one call: the other side takes 64 KiB.
const MAX_CALL: usize = 48 * 1024;

/// The first wait after a failed call, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// So many calls in a row must fail until that is a problem.
const FAILURES: u32 = 3;

/// How long it is a problem that events were dropped: until somebody was told.
const LOST: Duration = Duration::from_mins(10);

/// How long it is waited for news: bounds how late an event is that nobody rang for.
const LOOK: Duration = Duration::from_secs(30);

/// Another server.
#[derive(Debug)]
pub(crate) struct Target {
    name: String,
    address: Address,
    token: Secret,
    topics: Topics,
}

/// The section, read.
#[derive(Debug, Default)]
pub(crate) struct RelaySettings {
    /// The name of this server.
    pub(crate) name: Option<String>,
    /// What it takes of others.
    pub(crate) take: Topics,
    /// Whom it brings events to.
    pub(crate) to: Vec<Arc<Target>>,
}

impl RelaySettings {
    /// Reads the section; what is wrong is reported to the document.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        let Some(section) = root.child("relay") else { return Self::default() };
        let name = section.opt_str("name").map(str::to_owned);
        if name.as_deref().is_some_and(|name| !is_word(name)) {
            section.error("name", "a name is one word of at most 64 bytes");
        }
        let mut to = Vec::new();
        for (key, target) in section.children("to") {
            let address = Address::read(&target);
            let token = target.required("token").and_then(|value| value.secret());
            let topics = Topics::read(&target, "topics");
            target.finish(TO_KEYS);
            let name = key.value.to_owned();
            if !is_word(&name) {
                drop(
                    section.diagnostics().error(key.span, "a name is one word of at most 64 bytes"),
                );
            }
            if let (Some(address), Some(token)) = (address, token) {
                to.push(Arc::new(Target { name, address, token, topics }));
            }
        }
        let take = Topics::read(&section, "take");
        section.finish(KEYS);
        Self { name, take, to }
    }

    /// Returns it as it is written, for people, without what is secret.
    pub(crate) fn show(&self) -> Value {
        let to: serde_json::Map<String, Value> = self
            .to
            .iter()
            .map(|t| {
                let shown =
                    json!({ "url": t.address.to_string(), "token": "set", "topics": t.topics.words() });
                (t.name.clone(), shown)
            })
            .collect();
        json!({ "name": self.name, "take": self.take.words(), "to": to })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl Target {
    /// Returns true if an event is of a kind or severity that is brought.
    fn wants(&self, record: &EventRecord) -> bool {
        self.topics.want(&record.event)
    }
}

impl targets::Target for Target {
    const PART: &'static str = "relay ";
    const PLACES: &'static str = "relay/";

    fn name(&self) -> &str {
        &self.name
    }

    fn is_as(&self, other: &Self) -> bool {
        let Self { name, address, token, topics } = self;
        address.goes_as(&other.address)
            && (name, token, topics) == (&other.name, &other.token, &other.topics)
    }
}

/// Brings events to every server that the configuration names at present, until the token is cancelled.
pub(super) async fn run_all(
    links: Arc<Links>,
    data_dir: PathBuf,
    resolver: Arc<Resolver>,
    stop: CancellationToken,
) {
    let mut tasks = Tasks::none();
    while !stop.is_cancelled() {
        let settings = links.relay.load_full();
        tasks.keep(&settings.to).await;
        end_former(&links, &data_dir, &settings.to).await;
        tasks.begin(&settings.to, |target, stop| {
            run(Relay::new(target, &links, &data_dir, &resolver), stop)
        });
        tokio::select! {
            () = stop.cancelled() => {}
            () = links.relay_changed.notified() => {}
        }
    }
    tasks.end().await;
}

/// Brings events to one server until the token is cancelled. Cancelling it brings at most one batch again
/// at the next start.
async fn run(mut relay: Relay, stop: CancellationToken) {
    let mut happened = relay.links.happened.subscribe();
    let mut wait = Duration::ZERO;
    loop {
        relay.report.tell();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            // A bell does not shorten the wait after a failure.
            Ok(()) = happened.changed(), if relay.failures == 0 => {}
        }
        let turned = tokio::select! {
            () = stop.cancelled() => return,
            turned = relay.turn() => turned,
        };
        wait = match turned {
            Ok(true) => Duration::ZERO,
            Ok(false) => LOOK,
            Err(error) => relay.failed(&error),
        };
    }
}

struct Relay {
    target: Arc<Target>,
    links: Arc<Links>,
    data_dir: PathBuf,
    reader: Option<StateReader>,
    resolver: Arc<Resolver>,
    report: SelfReport,
    /// When events were found to be dropped, and what to say of it.
    lost: Option<(Mono, String)>,
    /// What the other server calls itself, once it has said so.
    node: Option<String>,
    /// Whether it takes events with data, once it has said so.
    takes_data: Option<bool>,
    failures: u32,
}

impl Relay {
    fn new(
        target: &Arc<Target>,
        links: &Arc<Links>,
        data_dir: &Path,
        resolver: &Arc<Resolver>,
    ) -> Self {
        Self {
            target: Arc::clone(target),
            links: Arc::clone(links),
            data_dir: data_dir.to_owned(),
            reader: None,
            resolver: Arc::clone(resolver),
            report: SelfReport::new(target.part(), links.engine.clone()),
            lost: None,
            node: None,
            takes_data: None,
            failures: 0,
        }
    }

    /// Brings one batch; returns true if there may be more.
    async fn turn(&mut self) -> Result<bool, String> {
        let (rows, lost) = self.next_rows().await?;
        if lost > 0 {
            let whom = &self.target.name;
            let text = format!("{lost} events were dropped before {whom} took them");
            tracing::error!("{text}");
            self.lost = Some((Clock.now().mono, text));
        }
        let Some((last, _)) = rows.last() else {
            self.works();
            return Ok(false);
        };
        let (mut upto, mut more) = (*last, rows.len() as u64 >= u64::from(ROWS));
        let mut events = Vec::new();
        let mut bytes = 0;
        for (id, record) in rows {
            let has_been = self.node.as_ref().is_some_and(|node| record.hops.contains(node));
            if has_been || !self.target.wants(&record) {
                continue;
            }
            if record.event.data.is_some() && self.takes_data.is_none() {
                // Nothing is brought yet: what a server of before does not know it would refuse.
                self.bring(EventsBrought { events: Vec::new() }).await?;
            }
            let brought = brought(record, self.takes_data == Some(true));
            bytes += serde_json::to_vec(&brought).map_or(0, |text| text.len() + 1);
            if bytes > MAX_CALL && !events.is_empty() {
                (upto, more) = (id - 1, true);
                break;
            }
            events.push(brought);
        }
        if !events.is_empty() {
            self.bring(EventsBrought { events }).await?;
        }
        self.move_cursor(upto).await?;
        self.works();
        Ok(more)
    }

    /// Returns the rows behind the cursor, and how many were dropped before they could be brought.
    async fn next_rows(&mut self) -> Result<(Vec<(u64, EventRecord)>, u64), String> {
        let (reader, name) = (self.reader.take(), self.target.place());
        let data_dir = self.data_dir.clone();
        let read = tokio::task::spawn_blocking(move || {
            let opened = reader.map_or_else(|| StateReader::open(&data_dir), Ok);
            opened.map(|reader| {
                let found = look(&reader, &name);
                (reader, found)
            })
        });
        let read = read.await.map_err(|_| "reading has failed".to_owned())?;
        let (reader, found) = read.map_err(|error| chain(&error))?;
        self.reader = Some(reader);
        let (cursor, rows, lost) = found?;
        if cursor.is_none() {
            // A new target: what happened before is not its business.
            let newest = rows.last().map_or(0, |(id, _)| *id);
            self.move_cursor(newest).await?;
            return Ok((Vec::new(), 0));
        }
        Ok((rows, lost))
    }

    async fn bring(&mut self, events: EventsBrought) -> Result<(), String> {
        let body = serde_json::to_vec(&events).map_err(|e| e.to_string())?;
        let call = Call::new(Method::POST, "/api/0/events").content(JSON, body);
        let call = call.authorized("Bearer", &self.target.token).map_err(|e| e.to_string())?;
        let answer = self.target.address.call(&*self.resolver, call).await;
        let answer = answer.map_err(|e| chain(&e))?;
        let taken: EventsTaken = serde_json::from_slice(&answer)
            .map_err(|e| format!("its answer is not that of a hark: {e}"))?;
        self.node = Some(taken.node);
        self.takes_data = Some(taken.takes.iter().any(|what| what == DATA));
        Ok(())
    }

    async fn move_cursor(&mut self, to: u64) -> Result<(), String> {
        write_down(&self.links, self.target.place(), to.to_string()).await
    }

    /// Notes a failure, and returns how long to wait.
    fn failed(&mut self, error: &str) -> Duration {
        self.failures = self.failures.saturating_add(1);
        // It may be another version by now, which refuses what it does not know.
        self.takes_data = None;
        let whom = &self.target.name;
        tracing::warn!(relay = whom, failures = self.failures, error, "events are not forwarded");
        if self.failures >= FAILURES {
            let waits = format!("events wait for {whom}: {error}");
            self.report.say_if_new(Some(waits));
        }
        let doublings = self.failures.saturating_sub(1).min(16);
        (BACKOFF.0 * 2_u32.pow(doublings)).min(BACKOFF.1)
    }

    /// Notes that a turn was made whole.
    fn works(&mut self) {
        self.failures = 0;
        let now = Clock.now().mono;
        self.lost.take_if(|(at, _)| now.since(*at) >= LOST);
        self.report.say_if_new(self.lost.as_ref().map(|(_, text)| text.clone()));
    }
}

type Looked = (Option<u64>, Vec<(u64, EventRecord)>, u64);

fn look(reader: &StateReader, name: &str) -> Result<Looked, String> {
    let failed = |e| chain(&e);
    let places = reader.event_places().map_err(failed)?;
    let cursor = reader.setting(name).map_err(failed)?.and_then(|text| text.parse::<u64>().ok());
    let Some(cursor) = cursor else {
        let newest = places.map_or(0, |(_, last)| last);
        return Ok((None, reader.events_after(newest.saturating_sub(1), 1).map_err(failed)?, 0));
    };
    let rows = reader.events_after(cursor, ROWS).map_err(failed)?;
    // Places are given one after the other: a gap behind the cursor is what was pruned.
    let first = rows.first().map_or(cursor + 1, |(id, _)| *id);
    Ok((Some(cursor), rows, first.saturating_sub(cursor + 1)))
}

fn brought(record: EventRecord, with_data: bool) -> BroughtEvent {
    let EventRecord { uid, host, event, hops, .. } = record;
    BroughtEvent {
        uid: uid.to_string(),
        hops,
        host: host.to_string(),
        at_unix_s: seconds(event.at.0),
        kind: event.kind.word().to_owned(),
        severity: event.severity.word().to_owned(),
        text: event.text,
        tags: event.tags,
        data: event.data.filter(|_| with_data).and_then(|data| serde_json::from_str(&data).ok()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit 53 bits")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};
    use hark_model::{Event, EventKind, HostName, Severity, Unix};
    use hark_store::state::{Change, EventUid, State};

    use super::*;

    fn read(text: &str) -> (RelaySettings, String) {
        let document = Document::single(text);
        let settings = RelaySettings::read(&document.root(&NoSecrets));
        (settings, document.diagnostics().render(Style::Plain))
    }

    fn record(n: u128, kind: &str, severity: Severity) -> EventRecord {
        let event = Event {
            at: Unix(n.try_into().unwrap()),
            kind: EventKind::from_word(kind),
            severity,
            text: "x".to_owned(),
            tags: Vec::new(),
            data: None,
        };
        let host = HostName::new("web1").unwrap();
        let hops = vec!["berlin".to_owned()];
        EventRecord { uid: EventUid(n), host, count: 1, last: event.at, event, hops }
    }

    #[test]
    fn topics_are_kinds_and_severities_and_secrets_are_not_shown() {
        let (settings, said) = read(
            "relay:\n  name: berlin\n  to:\n    central: {url: 'https://c.example/secret', token: hark_abc, topics: [WARNING, backup]}\n    all: {url: 'https://d.example', token: hark_def}\n",
        );
        assert_eq!(said, "");
        let shown = settings.show().to_string();
        assert!(!shown.contains("hark_abc") && !shown.contains("secret"), "{shown}");
        let wants = |name: &str, record: &EventRecord| {
            settings.to.iter().find(|t| t.name == name).unwrap().wants(record)
        };
        assert!(wants("central", &record(1, "message", Severity::Warning)));
        assert!(wants("central", &record(1, "backup", Severity::Info)));
        assert!(!wants("central", &record(1, "message", Severity::Info)));
        assert!(wants("all", &record(1, "message", Severity::Info)));
    }

    #[test]
    fn a_name_of_two_words_and_a_target_without_token_are_refused() {
        let (_, said) = read("relay: {name: a b, to: {c: {url: 'https://c.example'}}}\n");
        assert!(said.contains("one word") && said.contains("token"), "{said}");
    }

    #[test]
    fn what_was_pruned_before_it_was_brought_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let events: Vec<Change> =
            (1..=5).map(|n| Change::Event(record(n, "message", Severity::Info))).collect();
        state.commit(&[], &events).unwrap();
        let reader = state.reader().unwrap();
        assert!(look(&reader, "relay/new").unwrap().0.is_none());
        let set =
            |to: &str| Change::Setting { name: "relay/a".to_owned(), value: Some(to.to_owned()) };
        state.commit(&[], &[set("1")]).unwrap();
        let (cursor, rows, lost) = look(&reader, "relay/a").unwrap();
        assert_eq!((cursor, rows.len(), lost), (Some(1), 4, 0));
        // Those of the first three milliseconds go.
        state.prune_events(Unix(4), 100).unwrap();
        let (_, rows, lost) = look(&reader, "relay/a").unwrap();
        assert_eq!((rows.len(), lost), (2, 2));
    }
}
