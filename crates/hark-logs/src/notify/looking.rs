//! Nobody tells: every file is looked at each [`super::POLL`], and every folder.

use std::path::{Path, PathBuf};

use super::Changes;
use crate::sys::Waited;

/// Who tells of changes: nobody.
#[derive(Debug)]
pub(crate) struct Notifier;

#[expect(clippy::unused_self, reason = "as where the kernel tells")]
impl Notifier {
    /// Begins to look.
    pub(crate) fn new() -> Self {
        Self
    }

    /// As everywhere here: everything is looked at now and then.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self
    }

    /// Returns what can be waited on.
    pub(crate) fn descriptor(&self) -> Option<Waited<'_>> {
        None
    }

    /// Returns none: the file must be looked at.
    pub(crate) fn watch_file(&mut self, _path: &Path) -> Option<i32> {
        None
    }

    /// Returns false: they must be looked at.
    pub(crate) fn watch_folders(&mut self, _wanted: &[PathBuf]) -> bool {
        false
    }

    /// There is nothing to forget.
    pub(crate) fn forget_file(&mut self, _number: i32) {}

    /// Returns that nothing is known to have changed.
    pub(crate) fn take(&mut self) -> Changes {
        Changes::default()
    }
}
