//! The two slots: where programs lie, and how one is put there so that it is whole or not there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::sys;

/// The program's name in a slot: what it is called among processes, too.
const PROGRAM: &str = "hark";

/// Its signature.
const SIGNATURE: &str = "hark.minisig";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    A,
    B,
}

impl Slot {
    /// Returns its name: of the folder, and in `update.json`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// Reads a name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::A, Self::B].into_iter().find(|slot| slot.name() == text)
    }

    /// Returns the other one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Returns its folder.
    pub(super) fn folder(self, data_dir: &Path) -> PathBuf {
        data_dir.join("bin").join(self.name())
    }

    /// Returns where its program lies.
    pub(super) fn program(self, data_dir: &Path) -> PathBuf {
        self.folder(data_dir).join(PROGRAM)
    }

    /// Returns where the signature lies.
    pub(super) fn signature(self, data_dir: &Path) -> PathBuf {
        self.folder(data_dir).join(SIGNATURE)
    }

    /// Empties it, so that nothing of before can be taken for what comes.
    pub(super) fn empty(self, data_dir: &Path) -> io::Result<()> {
        let folder = self.folder(data_dir);
        sys::private_folder().recursive(true).create(&folder)?;
        for folder in [data_dir.join("bin"), folder.clone()] {
            give_to_owner_of(data_dir, &folder)?;
        }
        for entry in fs::read_dir(&folder)? {
            fs::remove_file(entry?.path())?;
        }
        sys::sync_folder(&folder)
    }

    /// Puts a program there.
    pub(super) fn put_program(self, data_dir: &Path, bytes: &[u8]) -> io::Result<()> {
        write_whole(&self.folder(data_dir), PROGRAM, bytes, 0o700)
    }

    /// Puts a signature there.
    pub(super) fn put_signature(self, data_dir: &Path, text: &str) -> io::Result<()> {
        write_whole(&self.folder(data_dir), SIGNATURE, text.as_bytes(), 0o600)
    }
}

/// Writes a file that belongs to whom `folder` belongs to. It is whole or not there, and on the disk
/// when this returns.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = sys::private_file(mode).write(true).create_new(true).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Closed before it is started: a program that is open for writing cannot be.
    drop(file);
    give_to_owner_of(folder, &part)?;
    fs::rename(&part, folder.join(name))?;
    sys::sync_folder(folder)
}

/// Root may do the service's work by hand: what it makes belongs to the service.
#[cfg(unix)]
fn give_to_owner_of(folder: &Path, path: &Path) -> io::Result<()> {
    if !sys::is_root() {
        return Ok(());
    }
    let owner = fs::metadata(folder)?;
    std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid()))
}

/// What is made belongs to whom its folder belongs to, or to the administrators.
#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
fn give_to_owner_of(_folder: &Path, _path: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads a file that may not be longer than `max`.
pub(super) fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more than allowed shows that there was more.
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_emptied_before_it_is_filled() {
        let data = tempfile::tempdir().unwrap();
        let slot = Slot::B;
        slot.empty(data.path()).unwrap();
        slot.put_program(data.path(), b"old").unwrap();
        slot.put_signature(data.path(), "old").unwrap();
        fs::write(slot.folder(data.path()).join("hark.part"), "half").unwrap();
        slot.empty(data.path()).unwrap();
        assert_eq!(fs::read_dir(slot.folder(data.path())).unwrap().count(), 0);
        slot.put_program(data.path(), b"new").unwrap();
        assert_eq!(fs::read(slot.program(data.path())).unwrap(), b"new");
        assert_eq!(fs::metadata(slot.program(data.path())).unwrap().mode() & 0o777, 0o700);
        assert_eq!(Slot::parse(slot.other().name()), Some(Slot::A));
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert!(read_bounded(&path, 4).is_err());
    }
}
