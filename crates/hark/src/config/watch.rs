//! The sections about the watch on the server itself.

use std::sync::Arc;

use hark_config::{Key, Kind, Section};

use crate::server::deadman::{self, Deadman};

/// The keys of the root.
pub(crate) const KEYS: &[Key] = &[Key::new(
    "deadman",
    Kind::Section(deadman::KEYS),
    "Somebody else who is called while this server works as a whole.",
)];

/// What watches the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchSettings {
    /// Who is called.
    pub(crate) deadman: Option<Arc<Deadman>>,
}

impl WatchSettings {
    /// Reads the sections; what is wrong is reported to the document of `root`.
    pub(crate) fn read(root: &Section<'_>) -> Self {
        Self { deadman: Deadman::read(root).map(Arc::new) }
    }
}
