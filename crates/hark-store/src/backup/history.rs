//! A history, copied while its owner works on it.
//!
//! Samples move from the log to blocks and from there to chunks, and are copied in that order. Let *cut* be
//! the highest number of a chunk after the blocks were copied. Chunks up to it are in the copies of the
//! partitions, which are made later. What chunks above it hold was in the blocks or in the log when these
//! were copied, so these chunks are left out: otherwise their coarser rows could be counted twice. The
//! catalogue comes last, so that it knows every set that anything speaks of. What was being erased when the
//! copy was begun is ordered in it too: some files may be of before that and others of after it.

use std::io::{self, Write as _};
use std::path::Path;

use rusqlite::Connection;

use super::{BackupError, Room, copy_database, go_on, open_to_read, private_folder, room};
use crate::history::Watcher;
use crate::history::files::{CATALOGUE, Orders, blocks, partitions, whole_batches};

/// Copies the history in `from` to the folder `to`; one that is not there is an empty one.
pub(super) fn copy(
    room: &dyn Room,
    from: &Path,
    to: &Path,
    watcher: Watcher<'_>,
) -> Result<(), BackupError> {
    if !from.exists() {
        return Ok(());
    }
    for folder in ["", "wal", "level0", "raw", "minutes", "hours"] {
        private_folder(&to.join(folder))?;
    }
    let list = |folder: &str| list(&from.join(folder)).map_err(BackupError::at(&from.join(folder)));
    let orders = Orders::of(from);
    for name in list("wal")? {
        go_on(watcher, &format!("history/wal/{name}"))?;
        let path = from.join("wal").join(&name);
        if let Some(bytes) = there(std::fs::read(&path)).map_err(BackupError::at(&path))? {
            write(room, &to.join("wal").join(&name), whole_batches(&bytes))?;
        }
    }
    for (index, data) in blocks(list("level0")?) {
        go_on(watcher, &format!("history/level0/{index}"))?;
        // The index first: what it speaks of is written before it. Pairs go as pairs.
        let (index_path, data_path) =
            (from.join("level0").join(&index), from.join("level0").join(&data));
        let read = |path: &Path| there(std::fs::read(path)).map_err(BackupError::at(path));
        if let (Some(index_bytes), Some(data_bytes)) = (read(&index_path)?, read(&data_path)?) {
            write(room, &to.join("level0").join(&index), &index_bytes)?;
            write(room, &to.join("level0").join(&data), &data_bytes)?;
        }
    }
    let cut = cut(from)?;
    for (folder, name) in partitions(from).map_err(BackupError::at(from))? {
        go_on(watcher, &format!("history/{folder}/{name}"))?;
        let (source, copy) = (from.join(folder).join(&name), to.join(folder).join(&name));
        // One that expired meanwhile is not missed.
        let gone =
            |error| if source.exists() { Err(BackupError::sql(&source)(error)) } else { Ok(()) };
        match room::used(&source) {
            Ok(used) => room::ask(room, used)?,
            Err(error) => {
                gone(error)?;
                continue;
            }
        }
        copy_database(&source, &copy).and_then(|()| trim(&copy, cut)).or_else(gone)?;
    }
    let (catalogue, copy) = (from.join(CATALOGUE), to.join(CATALOGUE));
    room::ask(room, room::used(&catalogue).map_err(BackupError::sql(&catalogue))?)?;
    copy_database(&catalogue, &copy).map_err(BackupError::sql(&catalogue))?;
    orders.add_to(&copy).map_err(BackupError::sql(&copy))
}

/// Returns the highest number of a chunk.
fn cut(dir: &Path) -> Result<i64, BackupError> {
    let mut cut = 0;
    for (folder, name) in partitions(dir).map_err(BackupError::at(dir))? {
        let path = dir.join(folder).join(name);
        if folder != "raw" {
            continue;
        }
        let sql = "SELECT ifnull(max(id), 0) FROM chunk";
        let highest =
            open_to_read(&path).and_then(|c| c.query_row(sql, [], |row| row.get::<_, i64>(0)));
        match highest {
            Ok(highest) => cut = highest.max(cut),
            Err(_) if !path.exists() => {}
            Err(error) => return Err(BackupError::sql(&path)(error)),
        }
    }
    Ok(cut)
}

/// Takes rows with numbers above `cut` out of a copy.
fn trim(copy: &Path, cut: i64) -> rusqlite::Result<()> {
    let connection = Connection::open(copy)?;
    connection.execute("DELETE FROM chunk WHERE id > ?1", [cut])?;
    connection.close().map_err(|(_, error)| error)
}

fn list(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let listed = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        listed => listed?,
    };
    for entry in listed {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Returns how many bytes a copy of the history in `from` has at most.
pub(super) fn weigh(from: &Path) -> Result<u64, BackupError> {
    if !from.exists() {
        return Ok(0);
    }
    let mut bytes = 0;
    for folder in ["wal", "level0"] {
        bytes += room::length(&from.join(folder)).map_err(BackupError::at(from))?;
    }
    let databases = partitions(from).map_err(BackupError::at(from))?;
    let databases = databases.into_iter().map(|(folder, name)| from.join(folder).join(name));
    for path in databases.chain([from.join(CATALOGUE)]) {
        match room::used(&path) {
            Ok(used) => bytes += used,
            Err(_) if !path.exists() => {}
            Err(error) => return Err(BackupError::sql(&path)(error)),
        }
    }
    Ok(bytes)
}

fn write(room: &dyn Room, path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    room::ask(room, bytes.len() as u64)?;
    std::fs::File::create_new(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(BackupError::at(path))
}

/// Takes a file that went meanwhile as none.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
