//! Room for a backup: how much it takes, and who knows whether there is so much.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::path::Path;

use super::{BackupError, OTHERS, Order, history, open_to_read};

/// Why there is too little room, in the words of who knows.
pub type NoRoom = Box<dyn Error + Send + Sync>;

/// The room where a backup goes.
pub trait Room: Debug {
    /// Returns whether so many bytes more may be written there.
    ///
    /// # Errors
    /// If they may not.
    fn takes(&self, bytes: u64) -> Result<(), NoRoom>;
}

/// Asks for so many bytes.
pub(super) fn ask(room: &dyn Room, bytes: u64) -> Result<(), BackupError> {
    room.takes(bytes).map_err(BackupError::Room)
}

/// Returns how many bytes the files of a backup have at most.
pub(super) fn weigh(order: &Order<'_>) -> Result<u64, BackupError> {
    let state = order.data_dir.join("state.db");
    let mut bytes = used(&state).map_err(BackupError::sql(&state))?;
    for name in OTHERS {
        let path = order.data_dir.join(name);
        bytes += length(&path).map_err(BackupError::at(&path))?;
    }
    if order.with_history {
        bytes += history::weigh(&order.data_dir.join("history"))?;
    }
    Ok(bytes)
}

/// Returns how many bytes a copy of a file of `SQLite` has: what is free in it is not copied.
pub(super) fn used(path: &Path) -> rusqlite::Result<u64> {
    let file = open_to_read(path)?;
    let number =
        |pragma: &str| file.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok((pages * number("page_size")?).try_into().unwrap_or(0))
}

/// Returns how long a file is, or all files below a folder; what is not there has no length.
pub(super) fn length(path: &Path) -> io::Result<u64> {
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        found => found?,
    };
    if found.is_file() {
        return Ok(found.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += length(&entry?.path())?;
    }
    Ok(bytes)
}
