//! The sections about the watch on the server itself.

use std::sync::Arc;

use hark_config::{Bare, Key, Kind, Section};
use hark_notify::Receivers;
use serde_json::{Map, Value, json};

use crate::server::deadman::{self, Deadman};
use crate::server::event_files::{self, EventFile};
use crate::server::happened::{FOLD, Rules};
use crate::server::relay::{self, RelaySettings};
use crate::watchdog;

/// The keys of the root.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "deadman",
        Kind::Section(deadman::KEYS),
        "Somebody else who is called while this server works as a whole.",
    ),
    Key::new(
        "watchdog",
        Kind::Section(watchdog::KEYS),
        "What `hark watchdog` watches, and how; it tells `receivers`.",
    ),
    Key::new(
        "event_fold",
        Kind::Duration,
        "How long identical events of a host are counted before they are told again; 0 tells each.",
    )
    .default("5m"),
    Key::new(
        "event_files",
        Kind::Named(&Kind::Section(event_files::KEYS)),
        "Files with a line for each event, by name.",
    ),
    Key::new("relay", Kind::Section(relay::KEYS), "Other servers that events are brought to."),
];

/// What becomes of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventSettings {
    /// Folding, and the server's name.
    pub(crate) rules: Rules,
    /// The files that they are written to.
    pub(crate) files: Vec<EventFile>,
    /// Whom they are brought to.
    pub(crate) relay: Arc<RelaySettings>,
}

impl EventSettings {
    fn read(root: &Section<'_>) -> Self {
        let relay = RelaySettings::read(root);
        let usual = Rules::default();
        let fold = root.duration("event_fold", Bare::Seconds, FOLD);
        let node = relay.name.clone().unwrap_or(usual.node);
        let files = EventFile::read_all(root);
        let take = relay.take.clone();
        Self { rules: Rules { fold, node, take }, files, relay: Arc::new(relay) }
    }

    /// Returns it as it is written, for people, by key.
    pub(super) fn show(&self) -> [(&'static str, Value); 3] {
        let files: Map<String, Value> = self.files.iter().map(EventFile::show).collect();
        [
            ("event_fold", json!(hark_config::duration::format(self.rules.fold))),
            ("event_files", Value::Object(files)),
            ("relay", self.relay.show()),
        ]
    }
}

/// What watches the server, and what becomes of what it hears.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchSettings {
    /// Who is called.
    pub(crate) deadman: Option<Arc<Deadman>>,
    /// What becomes of events.
    pub(crate) events: EventSettings,
    /// What `hark watchdog` does, if that is said.
    pub(crate) watchdog: Option<Arc<watchdog::Settings>>,
}

impl WatchSettings {
    /// Reads the sections; what is wrong is reported to the document of `root`.
    pub(crate) fn read(root: &Section<'_>, receivers: &Receivers) -> Self {
        Self {
            events: EventSettings::read(root),
            deadman: Deadman::read(root).map(Arc::new),
            watchdog: watchdog::Settings::read(root, receivers).map(Arc::new),
        }
    }
}
