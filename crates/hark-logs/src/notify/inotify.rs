//! The kernel tells.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

use super::Changes;
use crate::sys;

/// Room for some hundred events; what does not fit is read with the next call.
const ROOM: usize = 16 * 1024;

/// Who tells of changes.
#[derive(Debug)]
pub(crate) struct Notifier {
    inotify: Option<Inotify>,
    /// By the number of the watch.
    files: BTreeMap<i32, (WatchDescriptor, PathBuf)>,
    folders: BTreeMap<i32, (WatchDescriptor, PathBuf)>,
    room: Vec<u8>,
}

impl Notifier {
    /// Begins to listen. Works without inotify, by looking.
    pub(crate) fn new() -> Self {
        let inotify = match Inotify::init() {
            Ok(inotify) => Some(inotify),
            Err(error) => {
                tracing::warn!(%error, "no inotify: logs are looked at every 2 s");
                None
            }
        };
        Self { inotify, files: BTreeMap::new(), folders: BTreeMap::new(), room: Vec::new() }
    }

    /// A notifier that can do nothing: everything is looked at now and then.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { inotify: None, files: BTreeMap::new(), folders: BTreeMap::new(), room: Vec::new() }
    }

    /// Returns what can be waited on.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(Inotify::as_fd)
    }

    /// Watches a file for what is written to it; none if it must be looked at.
    pub(crate) fn watch_file(&mut self, path: &Path) -> Option<i32> {
        let inotify = self.inotify.as_ref().filter(|_| !sys::is_remote(path))?;
        match inotify.watches().add(path, WatchMask::MODIFY) {
            Ok(watch) => {
                let number = watch.get_watch_descriptor_id();
                self.files.insert(number, (watch, path.to_owned()));
                Some(number)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, path = %path.display(), "log is looked at every 2 s");
                }
                None
            }
        }
    }

    /// Watches these folders, and no others, for names. Returns false if some of them must be
    /// looked at.
    pub(crate) fn watch_folders(&mut self, wanted: &[PathBuf]) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let mut watches = inotify.watches();
        let unwanted: Vec<i32> = self
            .folders
            .iter()
            .filter(|(_, (_, path))| !wanted.contains(path))
            .map(|(number, _)| *number)
            .collect();
        for number in unwanted {
            if let Some((watch, _)) = self.folders.remove(&number) {
                // It may be gone with its folder.
                drop(watches.remove(watch));
            }
        }
        let mask = WatchMask::CREATE
            | WatchMask::MOVED_TO
            | WatchMask::MOVED_FROM
            | WatchMask::DELETE
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        let mut all = true;
        for path in wanted {
            let known = self.folders.values().any(|(_, known)| known == path);
            all &= !sys::is_remote(path);
            if known {
                continue;
            }
            match watches.add(path, mask) {
                Ok(watch) => {
                    let number = watch.get_watch_descriptor_id();
                    self.folders.insert(number, (watch, path.clone()));
                }
                Err(error) => {
                    tracing::debug!(%error, path = %path.display(), "folder is looked at");
                    all = false;
                }
            }
        }
        all
    }

    /// Watches a file no more.
    pub(crate) fn forget_file(&mut self, number: i32) {
        if let (Some((watch, _)), Some(inotify)) = (self.files.remove(&number), &self.inotify) {
            // It may be gone with its file.
            drop(inotify.watches().remove(watch));
        }
    }

    /// Takes what has changed since the last call.
    pub(crate) fn take(&mut self) -> Changes {
        let mut changes = Changes::default();
        let Some(inotify) = &mut self.inotify else { return changes };
        self.room.resize(ROOM, 0);
        // Bounded: whoever writes all the time must not keep us here.
        for _ in 0..16 {
            let Ok(events) = inotify.read_events(&mut self.room) else { break };
            let mut any = false;
            for event in events {
                any = true;
                let number = event.wd.get_watch_descriptor_id();
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    changes.all = true;
                } else if event.mask.contains(EventMask::IGNORED) {
                    self.files.remove(&number);
                    changes.names |= self.folders.remove(&number).is_some();
                } else if self.folders.contains_key(&number) {
                    changes.names = true;
                } else if !changes.files.contains(&number) {
                    changes.files.push(number);
                }
            }
            if !any {
                break;
            }
        }
        // Between changes the room is worth more to others.
        self.room = Vec::new();
        changes
    }
}
