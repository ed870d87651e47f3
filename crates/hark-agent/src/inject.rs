//! Events from programs on this host: one JSON object in one datagram to a socket in the agent's
//! folder, which only the agent's user and root can reach; on Windows to a socket of the loopback interface,
//! with a proof that the sender can read that folder.
//!
//! ```json
//! {"kind": "backup", "severity": "warning", "text": "took 3 h", "tags": ["nightly"], "data": {"hours": 3}}
//! ```
//!
//! Only `text` is needed. `data` is any JSON for the programs that get to see the event. Whoever binds a socket of his own gets one JSON object back:
//! `{"stored": true}` once the event is on the disk, or `{"error": "..."}`.

#[cfg(any(test, windows))]
mod loopback;
#[cfg(unix)]
mod unix;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::{Event, EventKind, Mono, Severity, Unix};
use hark_plugin::Waited;
use hark_proto::bucket::{Bucket, Rate};
use serde_json::{Value, json};
use thiserror::Error;

#[cfg(windows)]
use self::loopback::{Caller, Ears, ask};
#[cfg(unix)]
use self::unix::{Caller, Ears, ask};

/// The socket's name in the agent's folder; on Windows that of the file which says where the socket is.
pub const SOCKET: &str = "agent.sock";

/// Bound on one datagram: an event must fit one datagram to the server.
pub const MAX_LEN: usize = 2048;

/// Bound on a kind and on each tag.
const MAX_WORD: usize = 64;

/// Bound on the tags of one event.
const MAX_TAGS: usize = 16;

/// A program that fails in a loop must not fill the spool: what is more is refused and counted.
const RATE: Rate = Rate { burst: 100, per_second: 10 };

/// How long a program waits for the agent's answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The agent's end.
#[derive(Debug)]
pub(crate) struct Injection {
    ears: Ears,
    bucket: Bucket,
    refused: u64,
}

/// What was taken in, and who waits for an answer.
#[derive(Debug)]
pub(crate) struct Injected {
    pub(crate) event: Event,
    from: Caller,
}

impl Injection {
    /// Listens in `folder`. What was left by an agent that was killed is replaced: the folder is
    /// locked, so nobody listens there.
    pub(crate) fn listen(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            ears: Ears::listen(&folder.join(SOCKET))?,
            bucket: Bucket::full(RATE),
            refused: 0,
        })
    }

    /// Returns what can be waited on.
    pub(crate) fn descriptor(&self) -> Waited<'_> {
        self.ears.descriptor()
    }

    /// Returns the next event; none if there is none now. Those that are refused are answered here.
    pub(crate) fn receive(&mut self, mono: Mono, unix: Unix) -> Option<Injected> {
        let mut buffer = [0; MAX_LEN + 1];
        loop {
            let (len, from) = self.ears.receive(&mut buffer)?;
            let bytes = buffer.get(..len).unwrap_or_default();
            let parsed = if self.bucket.take(RATE, mono) {
                parse(bytes, unix)
            } else {
                Err("too many events: at most 10 a second are taken".to_owned())
            };
            match parsed {
                Ok(event) => return Some(Injected { event, from }),
                Err(error) => {
                    self.refused += 1;
                    if self.refused.is_power_of_two() {
                        tracing::warn!(refused = self.refused, error, "injected event refused");
                    }
                    self.answer(&from, &json!({ "error": error }));
                }
            }
        }
    }

    /// Says that the event is on the disk, or why not.
    pub(crate) fn settle(&self, injected: &Injected, synced: &io::Result<()>) {
        let answer = match synced {
            Ok(()) => json!({ "stored": true }),
            Err(error) => json!({ "error": format!("it is sent but not on the disk: {error}") }),
        };
        self.answer(&injected.from, &answer);
    }

    fn answer(&self, to: &Caller, answer: &Value) {
        if let Err(error) = self.ears.answer(to, answer.to_string().as_bytes()) {
            tracing::debug!(%error, "nobody waits for the answer to an injected event");
        }
    }
}

/// What an event may say.
const KEYS: [&str; 5] = ["kind", "severity", "text", "tags", "data"];

/// Reads one event, which happened `now`.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(bytes: &[u8], now: Unix) -> Result<Event, String> {
    if bytes.len() > MAX_LEN {
        return Err(format!("an event has at most {MAX_LEN} bytes"));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("not JSON: {e}"))?;
    let object = value.as_object().ok_or("an event is a JSON object")?;
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("unknown key {key:?}: an event has {}", KEYS.join(", ")));
    }
    let text = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{key:?} is a text")),
    };
    let kind = text("kind")?.unwrap_or("message");
    let severity = text("severity")?.unwrap_or("info");
    let tags = match object.get("tags") {
        None => Vec::new(),
        Some(Value::Array(tags)) => tags
            .iter()
            .map(|tag| tag.as_str().and_then(word).ok_or("a tag is a word of at most 64 bytes"))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("\"tags\" is a list".to_owned()),
    };
    if tags.len() > MAX_TAGS {
        return Err(format!("an event has at most {MAX_TAGS} tags"));
    }
    let message =
        text("text")?.filter(|text| !text.trim().is_empty()).ok_or("\"text\" is missing")?;
    if message.len() > Event::MAX_TEXT {
        return Err(format!("the text has at most {} bytes", Event::MAX_TEXT));
    }
    let data = object.get("data").filter(|data| !data.is_null()).map(Value::to_string);
    if data.as_ref().is_some_and(|data| data.len() > Event::MAX_DATA) {
        return Err(format!("the data have at most {} bytes", Event::MAX_DATA));
    }
    Ok(Event {
        at: now,
        kind: EventKind::from_word(&word(kind).ok_or("\"kind\" is a word of at most 64 bytes")?),
        severity: Severity::from_word(severity)
            .ok_or("\"severity\" is info, unknown, warning or critical")?,
        text: message.chars().filter(|c| !c.is_control() || *c == '\n').collect(),
        tags,
        data,
    })
}

fn word(text: &str) -> Option<String> {
    let good = !text.is_empty()
        && text.len() <= MAX_WORD
        && !text.contains(|c: char| c.is_control() || c.is_whitespace());
    good.then(|| text.to_owned())
}

/// Why an event did not reach the agent.
#[derive(Debug, Error)]
pub enum SendError {
    /// No agent runs in that folder, or it is not ours to speak to.
    #[error("no agent can be reached at {path}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The agent took it, or not, and did not say.
    #[error("the agent did not answer in time")]
    Silent(#[source] io::Error),
    /// The agent refused it.
    #[error("the agent refused the event: {0}")]
    Refused(String),
}

/// Hands an event to the agent that runs in `folder`, and waits until it is on the disk.
///
/// # Errors
/// See [`SendError`].
pub fn send(folder: &Path, event: &Event) -> Result<(), SendError> {
    let mut text = json!({
        "kind": event.kind.word(),
        "severity": event.severity.word(),
        "text": event.text,
        "tags": event.tags,
    });
    // An agent of before does not know the word, and need not if there are none.
    let data = event.data.as_deref().and_then(|data| serde_json::from_str::<Value>(data).ok());
    if let (Some(data), Some(object)) = (data, text.as_object_mut()) {
        object.insert("data".to_owned(), data);
    }
    let mut buffer = [0; MAX_LEN];
    let len = ask(folder, text.to_string().as_bytes(), &mut buffer)?;
    let answer: Value = serde_json::from_slice(buffer.get(..len).unwrap_or_default())
        .map_err(|e| SendError::Silent(io::Error::other(e)))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(SendError::Refused(error.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn reads_events_and_says_what_is_wrong() {
        let read = |text: &str| parse(text.as_bytes(), Unix(7));
        assert_eq!(
            read(
                r#"{"kind": "backup", "severity": "Warning", "text": "took\u0007 3 h", "tags": ["a:b"]}"#
            ),
            Ok(Event {
                at: Unix(7),
                kind: EventKind::Other("backup".into()),
                severity: Severity::Warning,
                text: "took 3 h".into(),
                tags: vec!["a:b".into()],
                data: None,
            })
        );
        let plain = read(r#"{"text": "hello"}"#).unwrap();
        assert_eq!((plain.kind, plain.severity), (EventKind::Message, Severity::Info));
        let with = read(r#"{"text": "hello", "data": {"b": [1, "two"], "a": null}}"#).unwrap();
        assert_eq!(with.data.as_deref(), Some(r#"{"a":null,"b":[1,"two"]}"#));
        assert_eq!(read(r#"{"text": "hello", "data": null}"#).unwrap().data, None);
        let much = format!(r#"{{"text": "a", "data": "{}"}}"#, "x".repeat(Event::MAX_DATA));
        let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(Event::MAX_TEXT + 1));
        for (text, said) in [
            ("", "not JSON"),
            ("[1]", "JSON object"),
            ("{}", "\"text\" is missing"),
            (r#"{"text": " "}"#, "\"text\" is missing"),
            (r#"{"text": 5}"#, "\"text\" is a text"),
            (r#"{"text": "a", "sevirity": "info"}"#, "unknown key \"sevirity\""),
            (r#"{"text": "a", "severity": "bad"}"#, "\"severity\" is"),
            (r#"{"text": "a", "kind": "two words"}"#, "\"kind\" is a word"),
            (r#"{"text": "a", "tags": "x"}"#, "\"tags\" is a list"),
            (r#"{"text": "a", "tags": [1]}"#, "a tag is"),
            (much.as_str(), "at most 500 bytes"),
            (long.as_str(), "at most 900 bytes"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(parse(&vec![b' '; MAX_LEN + 1], Unix(7)).unwrap_err().contains("2048 bytes"));
    }

    fn event(text: &str) -> Event {
        Event {
            at: Unix(0),
            kind: EventKind::Message,
            severity: Severity::Critical,
            text: text.to_owned(),
            tags: vec!["x".to_owned()],
            data: None,
        }
    }

    #[test]
    fn an_event_goes_in_and_its_sender_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut agent = Injection::listen(folder.path()).unwrap();
        let path = folder.path().to_owned();
        let sender = std::thread::spawn(move || {
            (send(&path, &event("good")), send(&path, &event(&"x".repeat(1000))))
        });
        let mut got = None;
        while got.is_none() {
            crate::sys::readable([Some(agent.descriptor())], PATIENCE).unwrap();
            got = agent.receive(Mono(5), Unix(9));
        }
        let got = got.unwrap();
        assert_eq!(got.event, Event { at: Unix(9), ..event("good") });
        agent.settle(&got, &Ok(()));
        while !sender.is_finished() {
            crate::sys::readable([Some(agent.descriptor())], Duration::from_millis(10)).unwrap();
            assert!(agent.receive(Mono(5), Unix(9)).is_none());
        }
        let (good, long) = sender.join().unwrap();
        good.unwrap();
        assert!(matches!(long, Err(SendError::Refused(why)) if why.contains("900 bytes")));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only the agent's socket");
    }

    #[test]
    fn a_flood_is_refused_and_the_agent_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut agent = Injection::listen(folder.path()).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        let mut taken = 0;
        for _ in 0..300 {
            socket.send_to(br#"{"text": "again"}"#, folder.path().join(SOCKET)).unwrap();
            taken += u32::from(agent.receive(Mono(1), Unix(1)).is_some());
        }
        assert_eq!(taken, RATE.burst);
        socket.send_to(br#"{"text": "later"}"#, folder.path().join(SOCKET)).unwrap();
        assert!(agent.receive(Mono(1001), Unix(1)).is_some());
    }

    #[test]
    fn without_an_agent_the_sender_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(send(folder.path(), &event("x")), Err(SendError::Unreachable { .. })));
    }

    #[test]
    fn the_socket_of_a_killed_agent_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let killed = UnixDatagram::bind(folder.path().join(SOCKET)).unwrap();
        drop(killed);
        let agent = Injection::listen(folder.path()).unwrap();
        let mode = std::fs::metadata(folder.path().join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(agent);
        assert!(!folder.path().join(SOCKET).exists());
    }
}
