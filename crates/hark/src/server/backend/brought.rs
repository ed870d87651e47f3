//! Events that other servers bring.

use hark_api::events::{BroughtEvent, EventsBrought, EventsTaken};
use hark_model::{Event, EventKind, HostName, Severity, Unix};
use hark_store::state::EventUid;
use hark_web::{Answer, Refused};
use tokio::sync::oneshot;

use super::{ServerBackend, ending};
use crate::server::happened::Brought;
use crate::server::messages::ToEngine;
use crate::server::relay;

/// The most servers that an event may have come through: more is a circle that somebody hides.
const MAX_HOPS: usize = 16;

/// Bounds on words and their number, as for events of this machine's programs.
const MAX_WORD: usize = 64;
const MAX_TAGS: usize = 16;

impl ServerBackend {
    /// Takes what can be an event, and waits until it is on the disk. What cannot be is counted and not
    /// refused as a whole: it would hold up all that come behind it for ever.
    pub(super) fn take_events(&self, brought: EventsBrought) -> Answer<EventsTaken> {
        let all = brought.events.len();
        let events: Vec<Brought> = brought.events.into_iter().filter_map(read).collect();
        let refused = (all - events.len()) as u64;
        let (reply, stored) = oneshot::channel();
        self.links.engine.send(ToEngine::Brought { events, reply }).map_err(|_| ending())?;
        stored.blocking_recv().map_err(|_| ending())?.map_err(Refused::Unavailable)?;
        let takes = vec![relay::DATA.to_owned()];
        Ok(EventsTaken { node: self.links.event_rules.load().node.clone(), refused, takes })
    }
}

fn read(event: BroughtEvent) -> Option<Brought> {
    let words =
        |words: &[String], most: usize| words.len() <= most && words.iter().all(|w| is_word(w));
    let is_good = words(&event.hops, MAX_HOPS)
        && !event.hops.is_empty()
        && words(&event.tags, MAX_TAGS)
        && is_word(&event.kind)
        && !event.text.trim().is_empty()
        && event.text.len() <= Event::MAX_TEXT
        && event.data.as_ref().is_none_or(|data| data.to_string().len() <= Event::MAX_DATA)
        && event.at_unix_s.is_finite();
    if !is_good {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "far out of range becomes the last moment")]
    let at = Unix((event.at_unix_s * 1000.0).round() as i64);
    Some(Brought {
        uid: EventUid::parse(&event.uid)?,
        hops: event.hops,
        host: HostName::new(&event.host).ok()?,
        event: Event {
            at,
            kind: EventKind::from_word(&event.kind),
            severity: Severity::from_word(&event.severity)?,
            text: event.text.chars().filter(|c| !c.is_control() || *c == '\n').collect(),
            tags: event.tags,
            data: event.data.filter(|data| !data.is_null()).map(|data| data.to_string()),
        },
    })
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_WORD
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> BroughtEvent {
        BroughtEvent {
            uid: "0123456789abcdef0123456789abcdef".to_owned(),
            hops: vec!["berlin".to_owned()],
            host: "web1".to_owned(),
            at_unix_s: 1.25,
            kind: "backup".to_owned(),
            severity: "warning".to_owned(),
            text: "took\u{7} long".to_owned(),
            tags: vec!["nightly".to_owned()],
            data: Some(serde_json::json!({"hours": 5})),
        }
    }

    #[test]
    fn an_event_is_read_whole_and_one_that_cannot_be_is_not() {
        let read_event = read(event()).unwrap();
        assert_eq!(read_event.event.at, Unix(1250));
        assert_eq!(read_event.event.text, "took long");
        assert_eq!(read_event.event.data.as_deref(), Some(r#"{"hours":5}"#));
        let long = "x".repeat(Event::MAX_TEXT + 1);
        let wrong = [
            BroughtEvent { uid: "7".to_owned(), ..event() },
            BroughtEvent { hops: Vec::new(), ..event() },
            BroughtEvent { hops: vec!["a".to_owned(); MAX_HOPS + 1], ..event() },
            BroughtEvent { host: "a b".to_owned(), ..event() },
            BroughtEvent { at_unix_s: f64::NAN, ..event() },
            BroughtEvent { kind: "two words".to_owned(), ..event() },
            BroughtEvent { severity: "bad".to_owned(), ..event() },
            BroughtEvent { data: Some(long.clone().into()), ..event() },
            BroughtEvent { text: long, ..event() },
            BroughtEvent { tags: vec![String::new()], ..event() },
        ];
        for event in wrong {
            let shown = format!("{event:?}");
            assert!(read(event).is_none(), "{shown}");
        }
    }
}
