//! The sections about the watch on the server itself.

use std::sync::Arc;

use hark_config::{Key, Kind, Section};
use hark_notify::Receivers;

use crate::server::deadman::{self, Deadman};
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
];

/// What watches the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchSettings {
    /// Who is called.
    pub(crate) deadman: Option<Arc<Deadman>>,
    /// What `hark watchdog` does, if that is said.
    pub(crate) watchdog: Option<Arc<watchdog::Settings>>,
}

impl WatchSettings {
    /// Reads the sections; what is wrong is reported to the document of `root`.
    pub(crate) fn read(root: &Section<'_>, receivers: &Receivers) -> Self {
        Self {
            deadman: Deadman::read(root).map(Arc::new),
            watchdog: watchdog::Settings::read(root, receivers).map(Arc::new),
        }
    }
}
