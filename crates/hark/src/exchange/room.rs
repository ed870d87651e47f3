//! Room on the disk on which state and history lie: what is written beside them must leave them theirs.

use std::io;
use std::path::{Path, PathBuf};

use hark_agent::doctor;
use hark_store::backup;
use hark_store::disk::LEAST_ROOM;
use thiserror::Error;

use crate::sys;

/// What to do where there is too little for an export.
pub(crate) const FEWER: &str = "ask for fewer hosts, metrics or days";

/// What to do where there is too little for a backup.
pub(crate) const ELSEWHERE: &str = "make backups on another disk";

/// The room that is left on a disk.
#[derive(Debug)]
pub(crate) struct Room {
    /// A folder on it.
    dir: PathBuf,
    /// Bytes of it that are not for what is asked here.
    kept: u64,
    /// What can be done, beside making room.
    way_out: &'static str,
    /// Returns how many bytes are free there.
    free: fn(&Path) -> io::Result<u64>,
}

/// Why no more may be written.
#[derive(Debug, Error)]
pub(crate) enum NoRoom {
    /// State and history would have too little left.
    #[error(
        "the disk has {} MiB left, {} MiB of it are kept for what the server writes, and {} MiB are wanted: make room, or {way_out}",
        .free >> 20,
        LEAST_ROOM >> 20,
        .wanted.div_ceil(1 << 20)
    )]
    Little {
        /// Bytes that are free.
        free: u64,
        /// Bytes that are asked for.
        wanted: u64,
        /// What can be done.
        way_out: &'static str,
    },
    /// It would be full.
    #[error(
        "the disk of {} has {} MiB left, and {} MiB are wanted",
        .dir.display(),
        .free >> 20,
        .wanted.div_ceil(1 << 20)
    )]
    Full {
        /// A folder on it.
        dir: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that are asked for.
        wanted: u64,
    },
    /// The system does not say.
    #[error("it is not known how much room the disk has left")]
    Unknown(#[from] io::Error),
}

impl Room {
    /// Returns that of the disk that holds the folder `dir`, on which state and history lie.
    pub(crate) fn at(dir: &Path, way_out: &'static str) -> Self {
        Self::told_by(dir, way_out, free)
    }

    /// Returns that of which `free` knows: for tests.
    pub(crate) fn told_by(
        dir: &Path,
        way_out: &'static str,
        free: fn(&Path) -> io::Result<u64>,
    ) -> Self {
        Self { dir: dir.to_owned(), kept: LEAST_ROOM, way_out, free }
    }

    /// Returns that for what is written at `to`, which may not be there yet, by or beside a server whose data lie in
    /// `data_dir`. On another disk than theirs all of it may be taken.
    pub(crate) fn beside(data_dir: &Path, to: &Path, way_out: &'static str) -> Self {
        let there = to.ancestors().find(|dir| dir.is_dir());
        // The last parent of a relative path has no name.
        let dir = there.unwrap_or(Path::new("."));
        let same = sys::is_one_disk(data_dir, dir) || is_one_pool(data_dir, dir);
        let kept = if same { LEAST_ROOM } else { 0 };
        Self { dir: dir.to_owned(), kept, way_out, free }
    }

    /// Returns whether so many bytes more may be written. Costs a microsecond: asked before each piece, as the
    /// server and others write on the same disk meanwhile.
    ///
    /// # Errors
    /// If they may not.
    pub(crate) fn takes(&self, wanted: u64) -> Result<(), NoRoom> {
        let free = (self.free)(&self.dir)?;
        if free >= wanted.saturating_add(self.kept) {
            return Ok(());
        }
        let (dir, way_out) = (self.dir.clone(), self.way_out);
        Err(match self.kept {
            0 => NoRoom::Full { dir, free, wanted },
            _ => NoRoom::Little { free, wanted, way_out },
        })
    }
}

impl backup::Room for Room {
    fn takes(&self, bytes: u64) -> Result<(), backup::NoRoom> {
        Ok(self.takes(bytes)?)
    }
}

fn free(dir: &Path) -> io::Result<u64> {
    doctor::room(dir).map(|(free, _)| free)
}

/// Returns true if both have the same room left to the byte: file systems that share it, as the subvolumes of one
/// disk, are different devices to the system.
fn is_one_pool(one: &Path, other: &Path) -> bool {
    matches!((free(one), free(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_state_and_history_want_is_left_to_the_byte() {
        let room = Room::told_by(Path::new("/"), FEWER, |_| Ok(LEAST_ROOM + 10));
        assert!(room.takes(0).is_ok() && room.takes(10).is_ok());
        let refused = room.takes(11).unwrap_err().to_string();
        assert_eq!(
            refused,
            "the disk has 256 MiB left, 256 MiB of it are kept for what the server writes, and 1 MiB are wanted: make room, or ask for fewer hosts, metrics or days"
        );
        let nothing = Room::told_by(Path::new("/"), FEWER, |_| Ok(0));
        assert!(matches!(nothing.takes(u64::MAX), Err(NoRoom::Little { free: 0, .. })));
    }

    #[test]
    fn a_folder_that_is_there_has_room_and_another_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let known = Room::at(folder.path(), FEWER).takes(0);
        assert!(matches!(known, Ok(()) | Err(NoRoom::Little { .. })), "{known:?}");
        let absent = Room::at(&folder.path().join("absent"), FEWER).takes(0);
        assert!(matches!(absent, Err(NoRoom::Unknown(_))), "{absent:?}");
    }

    #[test]
    fn room_is_kept_on_the_disk_of_the_data_and_none_on_another() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        for to in [data.join("backups"), data.join("not/there/yet.tar"), data.to_owned()] {
            let room = Room::beside(data, &to, ELSEWHERE);
            assert_eq!((room.kept, &*room.dir), (LEAST_ROOM, data), "{}", to.display());
        }
        let here = Room::beside(data, Path::new("a.tar"), ELSEWHERE);
        assert_eq!(here.dir, Path::new("."));
        let other = Room { kept: 0, ..Room::told_by(data, ELSEWHERE, |_| Ok(10)) };
        assert!(other.takes(10).is_ok());
        assert!(matches!(other.takes(11), Err(NoRoom::Full { free: 10, wanted: 11, .. })));
    }
}
