//! The agent's folder: who it is, and nobody else in it.

use std::fs::{File, Metadata};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::sys;

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum HomeError {
    /// It cannot be made, or something in it cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a folder.
    #[error("{0} is not a folder")]
    NotFolder(PathBuf),
    /// Anybody may write to it: whoever did could take the agent's key or put another one there.
    #[error("{0} can be written to by everybody: take that right away (chmod o-w)")]
    Open(PathBuf),
    /// Somebody else owns it.
    #[error("{0} belongs to another user")]
    Foreign(PathBuf),
    /// Others may enter it, or change who may.
    #[cfg(windows)]
    #[error("the agent's folder is not its own: {0}")]
    Shared(hark_plugin::trust::Untrusted),
    /// Another agent uses it.
    #[error("another agent runs in {0}")]
    Taken(PathBuf),
}

/// A folder that was checked, and locked for as long as this lives.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes `path`, which is made if it is not there.
    pub(crate) fn take(path: &Path) -> Result<Self, HomeError> {
        let io = |source| HomeError::Io { path: path.to_owned(), source };
        sys::private_folder(path).map_err(io)?;
        // Not through a link: whoever can change the link chooses the folder.
        let found = std::fs::symlink_metadata(path).map_err(io)?;
        if !found.is_dir() {
            return Err(HomeError::NotFolder(path.to_owned()));
        }
        is_closed(path, &found)?;
        let lock_path = path.join("lock");
        let open = sys::private_file().write(true).create(true).truncate(false).open(&lock_path);
        let lock = open.map_err(|source| HomeError::Io { path: lock_path.clone(), source })?;
        #[cfg(unix)]
        is_ours(path, &found, &lock.metadata().map_err(io)?)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(HomeError::Taken(path.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => {
                Err(HomeError::Io { path: lock_path, source })
            }
        }
    }

    /// Returns the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a small file in it; none if it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<String>, HomeError> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// Removes a file in it, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), HomeError> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(HomeError::Io { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Opens or makes a file in it, readable by its owner only, to be read and written in place.
    pub(crate) fn open(&self, name: &str) -> Result<(PathBuf, File), HomeError> {
        let path = self.path.join(name);
        let mut options = sys::private_file();
        match options.read(true).write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok((path, file)),
            Err(source) => Err(HomeError::Io { path, source }),
        }
    }

    /// Brings onto the disk which files there are.
    pub(crate) fn sync(&self) -> Result<(), HomeError> {
        sys::sync_folder(&self.path)
            .map_err(|source| HomeError::Io { path: self.path.clone(), source })
    }

    /// Writes a small file in it, readable by its owner only: whole or not at all, and on the disk
    /// when this returns.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), HomeError> {
        let path = self.path.join(name);
        let new = self.path.join(format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut file =
                sys::private_file().write(true).create(true).truncate(true).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            drop(file);
            std::fs::rename(&new, &path)?;
            sys::sync_folder(&self.path)
        };
        write().map_err(|source| HomeError::Io { path: path.clone(), source })
    }
}

/// Checks that not everybody may write to the folder `path`.
#[cfg(unix)]
fn is_closed(path: &Path, found: &Metadata) -> Result<(), HomeError> {
    if found.permissions().mode() & 0o002 == 0 {
        Ok(())
    } else {
        Err(HomeError::Open(path.to_owned()))
    }
}

/// Checks that the folder `path` is for nobody but us: what is made in it inherits that.
#[cfg(windows)]
fn is_closed(path: &Path, _found: &Metadata) -> Result<(), HomeError> {
    hark_plugin::trust::check_private(path).map_err(HomeError::Shared)
}

/// Checks that a folder belongs to us. What we make does: its owner tells who we are without asking the
/// system.
#[cfg(unix)]
fn is_ours(path: &Path, found: &Metadata, made: &Metadata) -> Result<(), HomeError> {
    if found.uid() == made.uid() || found.uid() == 0 {
        return Ok(());
    }
    Err(HomeError::Foreign(path.to_owned()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn permit(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn is_made_for_its_owner_alone_and_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/agent");
        let home = Home::take(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(Home::take(&path), Err(HomeError::Taken(_))));
        drop(home);
        assert!(Home::take(&path).is_ok());
    }

    #[test]
    fn a_folder_that_everybody_can_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        permit(folder.path(), 0o777);
        assert!(matches!(Home::take(folder.path()), Err(HomeError::Open(_))));
        permit(folder.path(), 0o1777);
        assert!(matches!(Home::take(folder.path()), Err(HomeError::Open(_))));
        permit(folder.path(), 0o750);
        assert!(Home::take(folder.path()).is_ok());
    }

    #[test]
    fn a_link_or_a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(matches!(Home::take(&link), Err(HomeError::NotFolder(_))));
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Home::take(&file).is_err());
    }

    #[test]
    fn files_are_private_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::take(&folder.path().join("agent")).unwrap();
        assert_eq!(home.read("identity").unwrap(), None);
        home.write("identity", "one").unwrap();
        home.write("identity", "two").unwrap();
        assert_eq!(home.read("identity").unwrap().unwrap(), "two");
        let found = std::fs::metadata(home.path().join("identity")).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
    }
}
