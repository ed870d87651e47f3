//! Room on the disk on which state and history lie: what is written beside them must leave them theirs.

use std::io;
use std::path::{Path, PathBuf};

use hark_agent::doctor;
use hark_store::disk::LEAST_ROOM;
use thiserror::Error;

/// The room that is left on a disk.
#[derive(Debug)]
pub(crate) struct Room {
    /// A folder on it.
    dir: PathBuf,
    /// Returns how many bytes are free there.
    free: fn(&Path) -> io::Result<u64>,
}

/// Why no more may be written.
#[derive(Debug, Error)]
pub(crate) enum NoRoom {
    /// State and history would have too little left.
    #[error(
        "the disk has {} MiB left, and {} MiB of it are kept for what the server writes: make room, or ask for fewer hosts, metrics or days",
        .free >> 20,
        LEAST_ROOM >> 20
    )]
    Little {
        /// Bytes that are free.
        free: u64,
    },
    /// The system does not say.
    #[error("it is not known how much room the disk has left")]
    Unknown(#[from] io::Error),
}

impl Room {
    /// Returns that of the disk that holds the folder `dir`.
    pub(crate) fn at(dir: &Path) -> Self {
        Self::told_by(dir, |dir| doctor::room(dir).map(|(free, _)| free))
    }

    /// Returns that of which `free` knows: for tests.
    pub(crate) fn told_by(dir: &Path, free: fn(&Path) -> io::Result<u64>) -> Self {
        Self { dir: dir.to_owned(), free }
    }

    /// Returns whether so many bytes more may be written. Costs a microsecond: asked before each piece, as the
    /// server and others write on the same disk meanwhile.
    ///
    /// # Errors
    /// If they may not.
    pub(crate) fn takes(&self, bytes: usize) -> Result<(), NoRoom> {
        let free = (self.free)(&self.dir)?;
        if free.saturating_sub(bytes as u64) < LEAST_ROOM {
            return Err(NoRoom::Little { free });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_state_and_history_want_is_left_to_the_byte() {
        let room = Room::told_by(Path::new("/"), |_| Ok(LEAST_ROOM + 10));
        assert!(room.takes(0).is_ok() && room.takes(10).is_ok());
        let refused = room.takes(11).unwrap_err().to_string();
        assert!(refused.starts_with("the disk has 256 MiB left, and 256 MiB of it"), "{refused}");
        let nothing = Room::told_by(Path::new("/"), |_| Ok(0));
        assert!(matches!(nothing.takes(usize::MAX), Err(NoRoom::Little { free: 0 })));
    }

    #[test]
    fn a_folder_that_is_there_has_room_and_another_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let known = Room::at(folder.path()).takes(0);
        assert!(matches!(known, Ok(()) | Err(NoRoom::Little { .. })), "{known:?}");
        let absent = Room::at(&folder.path().join("absent")).takes(0);
        assert!(matches!(absent, Err(NoRoom::Unknown(_))), "{absent:?}");
    }
}
