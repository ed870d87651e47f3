//! A data folder out of a backup.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use hark_model::Unix;

use super::archive::{self, Form};
use super::{BackupError, Manifest, clear, go_on, manifest_of, private_folder, sum, sync_folders};
use crate::history::Watcher;

/// The file in a restored data folder that keeps its server from telling anybody anything.
pub const MARK: &str = "quarantine.json";

/// The folder within the data folder in which it is made.
const UNFINISHED: &str = "restoring";

/// What a data folder was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup held.
    pub manifest: Manifest,
}

/// Makes the data folder `to` of the backup at `from`, a folder or an archive. `to` must be empty or not
/// there; it is there only once every file in it was found to be as it was made. The state must not be of a
/// newer program than one that knows its tables of `known_state`.
///
/// # Errors
/// If something is wrong with the backup, or there is something in the way; `to` is as it was then.
pub fn restore(
    from: &Path,
    to: &Path,
    known_state: u32,
    now: Unix,
    watcher: Watcher<'_>,
) -> Result<Restored, BackupError> {
    let is_new = !to.exists();
    if !is_new && !is_empty(to)? {
        return Err(BackupError::There(to.to_owned()));
    }
    // Within the folder: that may be a disk of its own.
    let folder = to.join(UNFINISHED);
    clear(&folder)?;
    private_folder(&folder)?;
    let restored = unpack(from, &folder, watcher).and_then(|manifest| {
        if manifest.state_version > known_state {
            return Err(BackupError::Newer { made_by: manifest.hark });
        }
        mark(&folder, from, &manifest, now)?;
        keep_owner(&folder, to)?;
        move_in(&folder, to)?;
        Ok(Restored { manifest })
    });
    clear(&folder)?;
    if restored.is_err() && is_new {
        clear(to)?;
    }
    restored
}

/// Returns true if nothing is there but what an earlier try has left.
fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    for entry in std::fs::read_dir(folder).map_err(BackupError::at(folder))? {
        let name = entry.map_err(BackupError::at(folder))?.file_name();
        // A disk of its own has that folder from the start.
        if name != UNFINISHED && name != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Moves everything to its place: the mark first and the state last, without which no server has anything
/// to tell.
fn move_in(folder: &Path, to: &Path) -> Result<(), BackupError> {
    sync_folders(folder).map_err(BackupError::at(folder))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(BackupError::at(folder))? {
        names.push(entry.map_err(BackupError::at(folder))?.file_name());
    }
    names.sort_by_key(|name| (name != MARK, name == "state.db"));
    for name in names {
        let path = to.join(&name);
        std::fs::rename(folder.join(&name), &path).map_err(BackupError::at(&path))?;
    }
    crate::disk::Disk::real().sync_dir(to).map_err(BackupError::at(to))
}

fn unpack(from: &Path, folder: &Path, watcher: Watcher<'_>) -> Result<Manifest, BackupError> {
    if let Some(form) = Form::of(from).filter(|_| from.is_file()) {
        let mut open: Option<File> = None;
        return archive::each(from, form, watcher, &mut |entry, bytes| {
            let path = folder.join(&entry.path);
            let failed = || BackupError::at(&path);
            if open.is_none() {
                open = Some(create(&path)?);
            }
            let Some(file) = &mut open else { return Ok(()) };
            file.write_all(bytes).map_err(failed())?;
            if bytes.is_empty() {
                file.sync_all().map_err(failed())?;
                open = None;
            }
            Ok(())
        });
    }
    let manifest = manifest_of(from)?;
    for entry in &manifest.files {
        go_on(watcher, &entry.path)?;
        let (source, path) = (from.join(&entry.path), folder.join(&entry.path));
        let mut file = create(&path)?;
        let copied = File::open(&source)
            .and_then(|mut source| std::io::copy(&mut source, &mut file))
            .and_then(|_| file.sync_all());
        copied.map_err(BackupError::at(&source))?;
        // Of what was written, so that both the backup and this disk are looked at.
        if sum(&path).map_err(BackupError::at(&path))? != (entry.bytes, entry.sha256.clone()) {
            return Err(BackupError::Damaged(format!("{} is not as it was", entry.path)));
        }
    }
    Ok(manifest)
}

fn create(path: &Path) -> Result<File, BackupError> {
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    let file = File::create_new(path).map_err(BackupError::at(path))?;
    super::make_private(path)?;
    Ok(file)
}

/// Writes the file that says that this is a copy of a server that may still run.
fn mark(folder: &Path, from: &Path, manifest: &Manifest, now: Unix) -> Result<(), BackupError> {
    let said = serde_json::json!({
        "restored_at_ms": now.0,
        "taken_at_ms": manifest.taken_at_ms,
        "from": from.display().to_string(),
    });
    let path = folder.join(MARK);
    let mut file = create(&path)?;
    file.write_all(said.to_string().as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(BackupError::at(&path))
}

/// Has everything belong to whom the folder belongs that it takes the place of: root restores for the user
/// of the service.
#[cfg(unix)]
fn keep_owner(folder: &Path, to: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let (Ok(wanted), Ok(own)) = (std::fs::metadata(to), std::fs::metadata(folder)) else {
        return Ok(());
    };
    if (wanted.uid(), wanted.gid()) == (own.uid(), own.gid()) {
        return Ok(());
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(path) = folders.pop() {
        chown(&path, Some(wanted.uid()), Some(wanted.gid())).map_err(BackupError::at(&path))?;
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(BackupError::at(&path))? {
                folders.push(entry.map_err(BackupError::at(&path))?.path());
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_owner(_folder: &Path, _to: &Path) -> Result<(), BackupError> {
    Ok(())
}
