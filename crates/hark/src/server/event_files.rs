//! The stream of events as files, for other programs: one line for each event and each change of a check.
//!
//! | format | a line |
//! | --- | --- |
//! | `436` | `<local time as C writes it>%%node%%uid%%queued%%tags%%object%%text`, as Project-436 wrote it |
//! | `json` | one object |
//!
//! In the old format, `%%` and line feeds in a field become `%` and a blank, since they would make another
//! field or line of it; `object` is `NULL`, and an event without tags has its kind in their place. A host
//! that falls silent is the old `Host is inactive` line of the tag `SYSTEM`.
//!
//! What is written is on the disk of the state before: lines may be missing after a crash, and none stands
//! for what did not happen. The files are written by a thread of their own; what it has no room for is
//! lost, counted (`event_lines_lost` of the server's figures) and said once a minute. They are opened anew at each reload (SIGHUP), so that another program may have moved
//! them.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::record::JournalLine;
use hark_model::time::{Clock, Mono};
use hark_model::{CheckName, HostName, Status, Unix};
use hark_store::journal::{self, Journal};
use hark_store::state::EventRecord;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::tally::Tally;
use super::topics::Topics;

/// A file of `event_files`.
pub(crate) const KEYS: &[Key] = &[
    Key::new("path", Kind::Text, "The file.").required(),
    Key::new("format", Kind::OneOf(&["436", "json"]), "How a line is written.").default("json"),
    Key::new("max_size", Kind::Size, "Size at which it is put aside.").default("1MB"),
    Key::new(
        "every",
        Kind::Duration,
        "Age at which it is put aside, at least 1m; never if absent.",
    ),
    Key::new("keep", Kind::Integer, "Old files kept, 0 to 1000.").default("4"),
    Key::new(
        "topics",
        Kind::List(&Kind::Text),
        "Kinds and severities of events that are written; all if absent.",
    ),
    Key::new("checks", Kind::Bool, "Write changes of checks and hosts, too.").default("true"),
];

/// Lines that may wait: some seconds at a thousand a second.
const QUEUE: usize = 8192;

/// How often the age of the files is looked at, and what has gathered is written.
const LOOK: Duration = Duration::from_secs(1);

/// How long is waited for files to be named where there are none: whoever names some says so.
const NOTHING: Duration = Duration::from_hours(1);

/// How often the log says that lines are lost: they are in a storm.
const SAID_AGAIN: Duration = Duration::from_mins(1);

/// The seed's bound on a file.
const SIZE: u64 = 1_000_000;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// As Project-436 did.
    P436,
    /// As a JSON object.
    Json,
}

/// One file, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventFile {
    name: String,
    path: PathBuf,
    format: Format,
    max_size: u64,
    every: Option<Duration>,
    keep: u32,
    topics: Topics,
    checks: bool,
}

impl EventFile {
    /// Reads the section `event_files`; what is wrong is reported to the document.
    pub(crate) fn read_all(root: &Section<'_>) -> Vec<Self> {
        let mut files: Vec<Self> = Vec::new();
        for (key, section) in root.children("event_files") {
            let path = section.required("path").and_then(|value| value.str().map(PathBuf::from));
            let every = section.opt_duration("every", Bare::Seconds);
            if every.is_some_and(|every| every < Duration::from_mins(1)) {
                section.error("every", "must be at least 1m");
            }
            if path.as_ref().is_some_and(|path| files.iter().any(|file| file.path == *path)) {
                section.error("path", "another entry writes this file");
            }
            let format = section.word("format", &[("436", Format::P436), ("json", Format::Json)]);
            let keep = u32::try_from(section.u64("keep", 4, 0..=1000)).unwrap_or(4);
            let max_size = section.size("max_size", SIZE).max(4096);
            let topics = Topics::read(&section, "topics");
            let checks = section.bool("checks", true);
            section.finish(KEYS);
            let Some(path) = path else { continue };
            let format = format.unwrap_or(Format::Json);
            let name = key.value.to_owned();
            files.push(Self { name, path, format, max_size, every, keep, topics, checks });
        }
        files
    }

    /// Returns its name, and it as it is written, for people.
    pub(crate) fn show(&self) -> (String, Value) {
        let format = match self.format {
            Format::P436 => "436",
            Format::Json => "json",
        };
        let every = self.every.map(hark_config::duration::format);
        let shown = json!({
            "path": self.path, "format": format, "max_size": self.max_size, "every": every,
            "keep": self.keep, "topics": self.topics.words(), "checks": self.checks,
        });
        (self.name.clone(), shown)
    }
}

/// What reaches the thread.
#[derive(Debug)]
enum ToFiles {
    Event(Box<EventRecord>),
    Changed(Box<Changed>),
    /// There are others to be opened.
    Reopened,
}

/// A check that changed.
#[derive(Debug)]
struct Changed {
    at: Unix,
    host: HostName,
    check: CheckName,
    text: String,
}

/// Where lines are handed in; the thread that writes ends with it.
#[derive(Debug)]
pub(crate) struct EventFiles {
    queue: SyncSender<ToFiles>,
    /// Files to be opened: not in the queue, which may be full.
    files: Arc<Mutex<Option<Vec<EventFile>>>>,
    tally: Arc<Tally>,
    /// When the log said last that lines were lost.
    said: Mutex<Option<Mono>>,
}

impl EventFiles {
    /// Starts the thread that writes; lines that are lost are counted in `tally`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn start(files: Vec<EventFile>, tally: Arc<Tally>) -> std::io::Result<Self> {
        let (queue, inbox) = sync_channel(QUEUE);
        let files = Arc::new(Mutex::new(Some(files)));
        let given = Arc::clone(&files);
        std::thread::Builder::new()
            .name("hark-events".to_owned())
            .spawn(move || write(&inbox, &given))?;
        Ok(Self { queue, files, tally, said: Mutex::default() })
    }

    /// Hands in an event.
    pub(crate) fn event(&self, record: &EventRecord) {
        self.put(ToFiles::Event(Box::new(record.clone())));
    }

    /// Hands in a line about a check that changed.
    pub(crate) fn changed(&self, line: &JournalLine, host: &HostName, check: &CheckName) {
        if is_passing(&line.text) {
            return;
        }
        let (host, check) = (host.clone(), check.clone());
        let changed = Changed { at: line.at, host, check, text: line.text.clone() };
        self.put(ToFiles::Changed(Box::new(changed)));
    }

    /// Opens other files, or the same ones anew.
    pub(crate) fn reopen(&self, files: Vec<EventFile>) {
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = Some(files);
        // A queue without room wakes the thread as well.
        let _woken = self.queue.try_send(ToFiles::Reopened);
    }

    fn put(&self, line: ToFiles) {
        if self.queue.try_send(line).is_err() {
            let lost = self.tally.event_line_lost();
            if self.may_say(Clock.now().mono) {
                tracing::warn!(lost, "the event files are too slow: lines are lost");
            }
        }
    }

    fn may_say(&self, now: Mono) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let may = said.is_none_or(|said| now >= said + SAID_AGAIN);
        if may {
            *said = Some(now);
        }
        may
    }
}

/// A file that is open.
struct Open {
    file: EventFile,
    writer: Journal,
    put_aside: Mono,
}

impl Open {
    fn begin(file: EventFile) -> Option<Self> {
        let settings = journal::Settings {
            path: file.path.clone(),
            max_size: file.max_size,
            max_backups: file.keep,
        };
        match Journal::open(settings) {
            Ok(writer) => Some(Self { file, writer, put_aside: Clock.now().mono }),
            Err(error) => {
                tracing::error!(%error, file = %file.path.display(), "an event file is not written");
                None
            }
        }
    }
}

fn write(inbox: &Receiver<ToFiles>, files: &Mutex<Option<Vec<EventFile>>>) {
    let zone = TimeZone::system();
    let mut open: Vec<Open> = Vec::new();
    let mut line = Ok(ToFiles::Reopened);
    loop {
        if let Some(files) = files.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // What has gathered is written before the same file is opened again.
            open.clear();
            open = files.into_iter().filter_map(Open::begin).collect();
        }
        match line {
            Ok(ToFiles::Event(record)) => {
                for to in open.iter_mut().filter(|to| to.file.topics.want(&record.event)) {
                    to.writer.write_line(&event_line(to.file.format, &record, &zone));
                }
            }
            Ok(ToFiles::Changed(changed)) => {
                for to in open.iter_mut().filter(|to| to.file.checks) {
                    to.writer.write_line(&changed_line(to.file.format, &changed, &zone));
                }
            }
            Ok(ToFiles::Reopened) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Clock.now().mono;
        for to in &mut open {
            to.writer.flush();
            if to.file.every.is_some_and(|every| now >= to.put_aside + every) {
                to.put_aside = now;
                to.writer.put_aside_now();
            }
        }
        line = inbox.recv_timeout(if open.is_empty() { NOTHING } else { LOOK });
    }
}

fn event_line(format: Format, record: &EventRecord, zone: &TimeZone) -> String {
    let EventRecord { uid, host, event, hops, .. } = record;
    match format {
        Format::P436 => {
            let seconds = event.at.seconds();
            // Two words of digits, as the old tool counted; the second is part of ours.
            let [.., a, b, c, d] = uid.0.to_be_bytes();
            let number = u32::from_be_bytes([a, b, c, d]);
            let tags = match event.tags.as_slice() {
                [] => event.kind.word().to_owned(),
                tags => tags.join(","),
            };
            let uid = format!("{seconds}_{number}");
            old_line(
                event.at,
                zone,
                [host.as_str(), &uid, &seconds.to_string(), &tags, &event.text],
            )
        }
        Format::Json => json!({
            "at": event.at.rfc3339(), "host": host.as_str(), "kind": event.kind.word(),
            "severity": event.severity.word(), "text": event.text, "tags": event.tags,
            "uid": uid.to_string(), "hops": hops,
            "data": super::happened::data(event),
        })
        .to_string(),
    }
}

fn changed_line(format: Format, changed: &Changed, zone: &TimeZone) -> String {
    let Changed { at, host, check, text } = changed;
    match format {
        Format::P436 => {
            let seconds = at.seconds().to_string();
            let is_silent = *check == CheckName::host() && is_new_problem(text);
            let (tags, text) = if is_silent {
                ("SYSTEM".to_owned(), "Host is inactive")
            } else {
                // A tag of the old format is one word.
                let check = check.as_str().replace(char::is_whitespace, "_");
                (format!("SYSTEM,{check}"), text.as_str())
            };
            old_line(*at, zone, [host.as_str(), "000000", &seconds, &tags, text])
        }
        Format::Json => json!({
            "at": at.rfc3339(), "host": host.as_str(), "kind": "transition",
            "check": check.as_str(), "text": text,
        })
        .to_string(),
    }
}

/// Returns true if the journal's words about a check say that it is bad from now on: `is critical: …` or
/// `is critical again: …`, and not `is over: …` or `is ok for the first time`.
fn is_new_problem(text: &str) -> bool {
    let state = text.strip_prefix("is ").and_then(|rest| rest.split_once(": "));
    state.is_some_and(|(state, _)| {
        let word = state.strip_suffix(" again").unwrap_or(state);
        Status::ALL.iter().any(|status| status.is_problem() && status.word() == word)
    })
}

/// Returns true if they say only that it was seen so once, which is not believed yet.
fn is_passing(text: &str) -> bool {
    text.starts_with("looks ")
}

/// Puts a line of the old format together; `object` is always `NULL`.
fn old_line(at: Unix, zone: &TimeZone, fields: [&str; 5]) -> String {
    let [node, uid, queued, tags, text] = fields.map(field);
    let time = local(at, zone);
    format!("{time}%%{node}%%{uid}%%{queued}%%{tags}%%NULL%%{text}")
}

fn field(text: &str) -> String {
    let mut text = text.replace(['\n', '\r'], " ");
    while text.contains("%%") {
        text = text.replace("%%", "%");
    }
    text
}

/// Returns a time as C's `ctime` writes it, without the line feed: `Fri Nov 20 18:45:31 2026`.
fn local(at: Unix, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%a %b %e %H:%M:%S %Y").to_string(),
        Err(_) => at.rfc3339(),
    }
}

/// The files that are written, where there are any.
pub(crate) type Shared = Arc<arc_swap::ArcSwapOption<EventFiles>>;

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};
    use hark_model::{Event, EventKind, Severity};
    use hark_store::state::EventUid;

    use super::*;

    fn record(text: &str, tags: &[&str]) -> EventRecord {
        EventRecord {
            uid: EventUid(7),
            host: HostName::new("web1").unwrap(),
            event: Event {
                at: Unix(1_795_200_331_000),
                kind: EventKind::Other("backup".to_owned()),
                severity: Severity::Warning,
                text: text.to_owned(),
                tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
                data: None,
            },
            count: 1,
            last: Unix(1_795_200_331_000),
            hops: vec!["berlin".to_owned()],
        }
    }

    #[test]
    fn a_line_has_the_fields_of_project_436_in_their_order() {
        let line = |r: &EventRecord| event_line(Format::P436, r, &TimeZone::UTC);
        assert_eq!(
            line(&record("2026 ERROR disk full", &["APP", "P1"])),
            "Fri Nov 20 18:45:31 2026%%web1%%1795200331_7%%1795200331%%APP,P1%%NULL%%2026 ERROR disk full"
        );
        let forged = line(&record("a%%%%b\nFri Nov 20", &[]));
        assert!(forged.ends_with("%%backup%%NULL%%a%b Fri Nov 20"), "{forged}");
        assert_eq!(forged.split("%%").count(), 7);
    }

    #[test]
    fn a_silent_host_is_the_line_that_the_old_server_wrote() {
        let changed = |check: &str, text: &str| Changed {
            at: Unix(1_795_200_332_000),
            host: HostName::new("web1").unwrap(),
            check: CheckName::new(check).unwrap(),
            text: text.to_owned(),
        };
        let line = |c: &Changed| changed_line(Format::P436, c, &TimeZone::UTC);
        assert_eq!(
            line(&changed("host", "is critical: no heartbeat for 95s")),
            "Fri Nov 20 18:45:32 2026%%web1%%000000%%1795200332%%SYSTEM%%NULL%%Host is inactive"
        );
        assert!(line(&changed("host", "is critical again: silent")).ends_with("Host is inactive"));
        for alive in ["is ok for the first time", "is critical again before it counted"] {
            let alive = line(&changed("host", alive));
            assert!(!alive.contains("inactive"), "{alive}");
        }
        let check = line(&changed("cpu load", "is warning: 85"));
        let over = line(&changed("host", "is over: recovered"));
        assert!(over.ends_with("%%SYSTEM,host%%NULL%%is over: recovered"), "{over}");
        assert!(check.ends_with("%%SYSTEM,cpu_load%%NULL%%is warning: 85"), "{check}");
    }

    #[test]
    fn days_below_ten_are_padded_as_c_does() {
        assert_eq!(local(Unix(1_793_534_400_000), &TimeZone::UTC), "Sun Nov  1 12:00:00 2026");
    }

    #[test]
    fn json_lines_hold_everything() {
        let line = event_line(Format::Json, &record("x", &["a"]), &TimeZone::UTC);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["at"], "2026-11-20T18:45:31Z");
        assert_eq!((&value["kind"], &value["tags"][0]), (&json!("backup"), &json!("a")));
        assert_eq!(value["hops"], json!(["berlin"]));
    }

    #[test]
    fn data_are_in_json_lines_and_a_file_may_take_some_topics_only() {
        let mut record = record("x", &["a"]);
        record.event.data = Some(r#"{"hours":5}"#.to_owned());
        let line = event_line(Format::Json, &record, &TimeZone::UTC);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["data"], json!({"hours": 5}));
        let text = "event_files:\n  x: {path: /x, topics: [boot, CRITICAL]}\n";
        let document = Document::single(text);
        let file = EventFile::read_all(&document.root(&NoSecrets)).remove(0);
        assert_eq!(file.show().1["topics"], json!(["boot", "critical"]));
        assert!(!file.topics.want(&record.event));
        record.event.severity = Severity::Critical;
        assert!(file.topics.want(&record.event));
    }

    #[test]
    fn a_file_is_put_aside_by_size_and_one_that_was_moved_is_made_anew_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream");
        let text = format!(
            "event_files:\n  x: {{path: {}, format: '436', max_size: 4096}}\n",
            path.display()
        );
        let document = Document::single(&text);
        let files = EventFile::read_all(&document.root(&NoSecrets));
        assert_eq!(document.diagnostics().render(Style::Plain), "");
        let events = EventFiles::start(files.clone(), Arc::default()).unwrap();
        let lines = |path: &std::path::Path| {
            std::fs::read_to_string(path).unwrap_or_default().lines().count()
        };
        let wait = |what: &dyn Fn() -> bool| {
            let end = Clock.now().mono + Duration::from_secs(20);
            while !what() {
                assert!(Clock.now().mono < end, "not written in time");
                std::thread::yield_now();
            }
        };
        for n in 0..100 {
            events.event(&record(&format!("line {n}"), &["a"]));
        }
        let aside = folder.path().join("stream.1");
        wait(&|| lines(&path) + lines(&aside) >= 60 && aside.exists());
        assert!(std::fs::metadata(&aside).unwrap().len() <= 4096);
        let moved = folder.path().join("moved");
        wait(&|| std::fs::read_to_string(&path).is_ok_and(|text| text.contains("line 99")));
        std::fs::rename(&path, &moved).unwrap();
        events.reopen(files);
        events.event(&record("after", &[]));
        wait(&|| lines(&path) == 1);
        assert!(!std::fs::read_to_string(&moved).unwrap().contains("after"));
    }
    #[test]
    fn a_line_without_room_is_counted_and_said_once_a_minute() {
        let (queue, inbox) = sync_channel(1);
        let tally: Arc<Tally> = Arc::default();
        let (files, said) = (Arc::default(), Mutex::default());
        let events = EventFiles { queue, files, tally: Arc::clone(&tally), said };
        for n in 0..5 {
            events.event(&record(&format!("line {n}"), &[]));
        }
        assert_eq!(tally.totals().event_lines_lost, 4);
        let now = Clock.now().mono;
        assert!(!events.may_say(now), "it has said so");
        assert!(events.may_say(now + SAID_AGAIN + Duration::from_secs(1)));
        // Files to be opened are no line, and are not lost.
        events.reopen(Vec::new());
        assert_eq!((tally.totals().event_lines_lost, inbox.try_iter().count()), (4, 1));
        assert_eq!(events.files.lock().unwrap().as_deref(), Some(&[][..]));
    }
}
