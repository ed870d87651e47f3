//! Copies of a data folder, taken beside the server that works on it, and their return.
//!
//! A backup is a folder: `manifest.json`, and below it the files as they lie in a data folder. What is in
//! it is of one moment, each part for itself:
//!
//! - the state is copied by `SQLite` in one read transaction;
//! - history goes the way of the samples, log, then blocks, then chunks: a frame that moves on meanwhile is
//!   met at least once, and twice at most, which history knows to be one. Chunks that were made after the
//!   blocks had been copied are taken out of the copy again (see `history`);
//! - the rest are small files that are replaced as a whole.
//!
//! It is written beside its place, read back in full (sums, pages, chunks), and only then has its name: a
//! folder with the name of a backup is one. An archive is that folder as `tar`, compressed or not.

mod archive;
mod history;
mod restore;
mod room;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use hark_model::Unix;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use restore::{MARK, Restored, restore};
pub use room::{NoRoom, Room};

use crate::history::Watcher;

/// The file that says what a backup holds.
pub const MANIFEST: &str = "manifest.json";

/// The version of the form of backups.
const FORMAT: u32 = 1;

/// What else of a data folder is part of a backup, beside state and history: keys, certificate, what was
/// configured in the page. Not the journal of messages, which is evidence and may be as large as history;
/// not the spool of this machine's agent, which is of this machine; not other versions of the program.
const OTHERS: [&str; 3] = ["handling.key", "tls", "configuration"];

/// The longest a path within a backup may be: what fits into the head of a `tar` file.
const MAX_PATH: usize = 100;

/// The longest a manifest is: a file a day of each tier, for many years.
const MAX_MANIFEST: u64 = 16 << 20;

/// What is to be copied.
#[derive(Clone, Debug)]
pub struct Order<'o> {
    /// The data folder.
    pub data_dir: &'o Path,
    /// Whether samples are part of it.
    pub with_history: bool,
    /// The version of the program that does it.
    pub program: &'o str,
    /// When it is done.
    pub now: Unix,
    /// The room where it goes: asked for all of it at first, and again before each piece, as others write there
    /// meanwhile.
    pub room: &'o dyn Room,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of its form.
    pub format: u32,
    /// The version of the program that made it.
    pub hark: String,
    /// When, in Unix milliseconds.
    pub taken_at_ms: i64,
    /// The version of the state's tables.
    pub state_version: u32,
    /// Whether samples are part of it.
    pub with_history: bool,
    /// What is damaged of the samples, which was so before; empty if nothing is. It is copied all the same: a
    /// chunk that cannot be read is no reason to have no copy of the state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub damage: String,
    /// Its files.
    pub files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path within the backup, with `/`.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Returns how many bytes all files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    fn read(text: &[u8]) -> Result<Self, BackupError> {
        let manifest: Self = serde_json::from_slice(text).map_err(|error| {
            BackupError::Damaged(format!("{MANIFEST} is not as it was: {error}"))
        })?;
        if manifest.format > FORMAT {
            return Err(BackupError::Newer { made_by: manifest.hark });
        }
        for file in &manifest.files {
            safe(&file.path)?;
        }
        Ok(manifest)
    }
}

/// Why there is no backup, or no data folder of one.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file or folder cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// `SQLite` failed.
    #[error("cannot copy {}", path.display())]
    Sql {
        /// Which file.
        path: PathBuf,
        /// What `SQLite` says.
        #[source]
        source: rusqlite::Error,
    },
    /// There is something where the backup or the data folder is to be.
    #[error("{} is there already{}", .0.display(), if .0.is_dir() { ", and not empty" } else { "" })]
    There(PathBuf),
    /// There is no data folder to copy.
    #[error("there is no state in {}", .0.display())]
    Empty(PathBuf),
    /// It is not what it was when it was made.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The state that was copied is damaged already.
    #[error("the state is damaged: {0}")]
    Source(String),
    /// A newer program has made it.
    #[error(
        "the backup was made by hark {made_by}, which is newer than this: restore it with that"
    )]
    Newer {
        /// By which version.
        made_by: String,
    },
    /// Nobody else would have the room that is theirs.
    #[error(transparent)]
    Room(NoRoom),
    /// Somebody has ended it.
    #[error("ended before it was whole")]
    Ended,
}

impl BackupError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    fn sql(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Sql { path, source }
    }
}

/// Says what is done next, and stops where that is wanted.
fn go_on(watcher: Watcher<'_>, what: &str) -> Result<(), BackupError> {
    match watcher(what) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(BackupError::Ended),
    }
}

/// Makes a backup at `to`, beside a server that may run on the data folder: a folder, or an archive if the
/// name ends in `.tar` or `.tar.gz`. `previous` is an older backup whose files are shared by links where they
/// are the same. It is on the disk and was read back when this returns; what was left of an earlier try is
/// taken away.
///
/// # Errors
/// If something is there already, cannot be read or written, or is damaged, or if there is too little room;
/// nothing is left at `to`.
pub fn create(
    order: &Order<'_>,
    to: &Path,
    previous: Option<&Path>,
    watcher: Watcher<'_>,
) -> Result<Manifest, BackupError> {
    if to.exists() {
        return Err(BackupError::There(to.to_owned()));
    }
    if !order.data_dir.join("state.db").exists() {
        return Err(BackupError::Empty(order.data_dir.to_owned()));
    }
    let folder = beside(to, "unfinished");
    clear(&folder)?;
    let form = archive::Form::of(to);
    // The folder is there until the archive of it is; how long a compressed one is nobody knows.
    let times = if form == Some(archive::Form::Plain) { 2 } else { 1 };
    room::ask(order.room, times * room::weigh(order)?)?;
    let made = fill(order, &folder, previous, watcher).and_then(|manifest| {
        match form {
            None => rename(&folder, to)?,
            Some(form) => pack(order.room, &folder, to, form, &manifest, watcher)?,
        }
        Ok(manifest)
    });
    clear(&folder)?;
    made
}

/// Looks whether the backup at `path` is as it was made, and returns what it holds.
///
/// # Errors
/// If it is not.
pub fn verify(path: &Path, watcher: Watcher<'_>) -> Result<Manifest, BackupError> {
    if let Some(form) = archive::Form::of(path).filter(|_| path.is_file()) {
        return archive::verify(path, form, watcher);
    }
    let manifest = manifest_of(path)?;
    for file in &manifest.files {
        go_on(watcher, &file.path)?;
        let there = path.join(&file.path);
        let (bytes, sha256) = sum(&there).map_err(BackupError::at(&there))?;
        if (bytes, &sha256) != (file.bytes, &file.sha256) {
            return Err(BackupError::Damaged(format!("{} is not as it was", file.path)));
        }
    }
    Ok(manifest)
}

/// Reads what the backup in folder `path` says that it holds.
///
/// # Errors
/// If there is none, or it cannot be understood.
pub fn manifest_of(path: &Path) -> Result<Manifest, BackupError> {
    let file = path.join(MANIFEST);
    let mut text = Vec::new();
    File::open(&file)
        .and_then(|file| file.take(MAX_MANIFEST).read_to_end(&mut text))
        .map_err(BackupError::at(&file))?;
    Manifest::read(&text)
}

/// Writes all files of a backup, its manifest last, and reads them back.
fn fill(
    order: &Order<'_>,
    folder: &Path,
    previous: Option<&Path>,
    watcher: Watcher<'_>,
) -> Result<Manifest, BackupError> {
    private_folder(folder)?;
    // Before the state: a host that is made meanwhile has a number that samples must not have before it.
    if order.with_history {
        let (from, to) = (order.data_dir.join("history"), folder.join("history"));
        history::copy(order.room, &from, &to, watcher)?;
    }
    go_on(watcher, "state.db")?;
    let state_version = copy_state(order, folder)?;
    for name in OTHERS {
        copy_small(order.room, &order.data_dir.join(name), &folder.join(name))?;
    }
    let mut damage = String::new();
    if order.with_history {
        let found = crate::history::examine(&folder.join("history"), watcher)
            .map_err(BackupError::at(folder))?;
        if !found.is_whole {
            return Err(BackupError::Ended);
        }
        if let Some(first) = found.findings.iter().find(|_| !found.is_sound()) {
            let (n, file, what) = (found.damages, &first.file, &first.what);
            damage = format!("{n} places of the history are damaged, such as {file}: {what}");
        }
    }
    let mut manifest = Manifest {
        format: FORMAT,
        hark: order.program.to_owned(),
        taken_at_ms: order.now.0,
        state_version,
        with_history: order.with_history,
        damage,
        files: Vec::new(),
    };
    let older = previous.and_then(|previous| Some((previous, manifest_of(previous).ok()?)));
    for path in files(folder).map_err(BackupError::at(folder))? {
        go_on(watcher, &path)?;
        let there = folder.join(&path);
        make_private(&there)?;
        File::open(&there).and_then(|file| file.sync_all()).map_err(BackupError::at(&there))?;
        let (bytes, sha256) = sum(&there).map_err(BackupError::at(&there))?;
        let entry = Entry { path, bytes, sha256 };
        if let Some((previous, older)) = &older
            && older.files.contains(&entry)
        {
            share(&previous.join(&entry.path), &there)?;
        }
        safe(&entry.path)?;
        manifest.files.push(entry);
    }
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other);
    let path = folder.join(MANIFEST);
    text.and_then(|text| {
        let mut file = File::create_new(&path)?;
        file.write_all(&text)?;
        file.sync_all()
    })
    .map_err(BackupError::at(&path))?;
    make_private(&path)?;
    Ok(manifest)
}

/// Copies the state as of one moment, and looks at all of the copy. Returns the version of its tables.
fn copy_state(order: &Order<'_>, folder: &Path) -> Result<u32, BackupError> {
    let (from, to) = (order.data_dir.join("state.db"), folder.join("state.db"));
    room::ask(order.room, room::used(&from).map_err(BackupError::sql(&from))?)?;
    copy_database(&from, &to).map_err(BackupError::sql(&from))?;
    let look = || -> rusqlite::Result<(u32, String)> {
        let copy = open_to_read(&to)?;
        let version = copy.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let damage = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        Ok((version, damage))
    };
    let (version, damage) = look().map_err(BackupError::sql(&to))?;
    if damage != "ok" {
        return Err(BackupError::Source(damage));
    }
    Ok(version)
}

fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// Copies a file of `SQLite` as of one moment; whoever writes it is not held up.
fn copy_database(from: &Path, to: &Path) -> rusqlite::Result<()> {
    open_to_read(from)?.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map(drop)
}

/// Copies a file or a folder of small files; what is not there is left out.
fn copy_small(room: &dyn Room, from: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = BackupError::at(from);
    let kind = match std::fs::metadata(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed)?,
    };
    if kind.is_file() {
        room::ask(room, kind.len())?;
        return std::fs::copy(from, to).map(drop).map_err(BackupError::at(from));
    }
    private_folder(to)?;
    for entry in std::fs::read_dir(from).map_err(BackupError::at(from))? {
        let path = entry.map_err(BackupError::at(from))?.path();
        // What is being written is not what is there.
        let is_part = path.extension().is_some_and(|ending| ending == "part");
        if let Some(name) = path.file_name().filter(|_| !is_part) {
            copy_small(room, &path, &to.join(name))?;
        }
    }
    Ok(())
}

/// Gives a folder that is whole its name.
fn rename(folder: &Path, to: &Path) -> Result<(), BackupError> {
    sync_folders(folder).map_err(BackupError::at(folder))?;
    std::fs::rename(folder, to).map_err(BackupError::at(to))?;
    sync_parent(to).map_err(BackupError::at(to))
}

fn pack(
    room: &dyn Room,
    folder: &Path,
    to: &Path,
    form: archive::Form,
    manifest: &Manifest,
    watcher: Watcher<'_>,
) -> Result<(), BackupError> {
    let file = beside(to, "packing");
    let made = archive::pack(room, folder, &file, form, manifest, watcher)
        .and_then(|()| archive::verify(&file, form, watcher))
        .and_then(|read| {
            if read != *manifest {
                return Err(BackupError::Damaged("it is not what was written".to_owned()));
            }
            std::fs::rename(&file, to).map_err(BackupError::at(to))?;
            sync_parent(to).map_err(BackupError::at(to))
        });
    if made.is_err() {
        drop(std::fs::remove_file(&file));
    }
    made
}

/// Has a file be the same as that of an older backup, which nobody changes: it takes no room of its own
/// then. Where the two cannot be one, it stays its own.
fn share(older: &Path, file: &Path) -> Result<(), BackupError> {
    let link = beside(file, "link");
    if std::fs::hard_link(older, &link).is_ok() {
        std::fs::rename(&link, file).map_err(BackupError::at(file))?;
    }
    Ok(())
}

/// Returns a name beside `path` for what is not finished.
fn beside(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(tail);
    PathBuf::from(name)
}

fn clear(folder: &Path) -> Result<(), BackupError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::at(folder)(error))
        }
        _ => Ok(()),
    }
}

/// Makes a folder that only its owner sees: there are keys and hashes of passwords in a backup.
fn private_folder(folder: &Path) -> Result<(), BackupError> {
    std::fs::create_dir_all(folder).map_err(BackupError::at(folder))?;
    set_mode(folder, 0o700)
}

fn make_private(file: &Path) -> Result<(), BackupError> {
    set_mode(file, 0o600)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<(), BackupError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, mode).map_err(BackupError::at(path))
}

/// What may be read there is inherited from the folder.
#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> Result<(), BackupError> {
    Ok(())
}

/// Returns the paths of all files below a folder, with `/`, in their order.
fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, name)) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{name}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), format!("{path}/")));
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Returns length and SHA-256 of a file.
fn sum(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut summed = Summed::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else {
            return Ok(summed.end());
        };
        summed.add(read);
    }
}

/// A sum that is made piece by piece.
struct Summed {
    context: ring::digest::Context,
    bytes: u64,
}

impl Default for Summed {
    fn default() -> Self {
        Self { context: ring::digest::Context::new(&ring::digest::SHA256), bytes: 0 }
    }
}

impl Summed {
    fn add(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    fn end(self) -> (u64, String) {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
        let sum = self.context.finish();
        let digits = sum.as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        (self.bytes, digits.collect())
    }
}

/// Refuses a path that leads out of the folder, or is too long for an archive.
fn safe(path: &str) -> Result<(), BackupError> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let parts = Path::new(path);
    if path.is_empty() || path.len() > MAX_PATH || !parts.components().all(is_plain) {
        return Err(BackupError::Damaged(format!("{path:?} cannot be the path of a file in it")));
    }
    Ok(())
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    crate::disk::Disk::real().sync_dir(folder)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    crate::disk::Disk::real().sync_dir(parent.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests;
