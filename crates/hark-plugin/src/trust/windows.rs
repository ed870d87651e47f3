//! By owners and access lists.
//!
//! Each part of the path is opened as itself and its list judged. A link or a junction is refused, since who
//! may change where it leads is one more question; so is what does not lie on a disk of this machine, whose
//! lists somebody else keeps.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf, Prefix};

use thiserror::Error;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, READ_CONTROL,
};

use super::lists::{Fault, Role, Sid, judge};
use crate::sys;

/// Why a program is not run, or a folder not used.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// The path does not begin with a drive.
    #[error("{0} is not an absolute path")]
    Relative(PathBuf),
    /// It leads back, or has a part that stands for something else than what it says.
    #[error("{0} has a part that is no plain name")]
    Odd(PathBuf),
    /// It is on another machine, or on something that is not built in.
    #[error("{0} is not on a disk of this machine")]
    Elsewhere(PathBuf),
    /// It is not there, or not to be seen.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which part of the path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else owns it.
    #[error(
        "{path} belongs to {owner}: it must belong to the system, to the administrators or to the user who runs hark"
    )]
    Owner {
        /// Which part of the path.
        path: PathBuf,
        /// Whom it belongs to, by number.
        owner: String,
    },
    /// Others may change it.
    #[error(
        "{path} can be changed by {whom}: remove their permission to write, delete and take over"
    )]
    Writable {
        /// Which part of the path.
        path: PathBuf,
        /// Who, by number.
        whom: String,
    },
    /// It has no list: everybody may do everything.
    #[error("{0} has no access list, so that everybody can change it")]
    Unprotected(PathBuf),
    /// Its list cannot be understood.
    #[error("who can change {0} cannot be told: its access list has entries of an unknown kind")]
    Unclear(PathBuf),
    /// A link.
    #[error("{0} is a link: name the place that it leads to")]
    Link(PathBuf),
    /// It is no file that can be run without a shell.
    #[error("{0} is not a program: only .exe files are run")]
    NotProgram(PathBuf),
}

/// Checks that only the system, its administrators and `user` can change the program that `path` leads to.
///
/// # Errors
/// The first part of the path that cannot be trusted.
pub(crate) fn check(path: &Path, user: Sid) -> Result<(), Untrusted> {
    let file = walk(path, user)?;
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    if is_file && is_exe(path) { Ok(()) } else { Err(Untrusted::NotProgram(path.to_owned())) }
}

/// Checks the same of any file, for the user who runs hark.
///
/// # Errors
/// The first part of the path that cannot be trusted.
pub fn check_file(path: &Path) -> Result<(), Untrusted> {
    walk(path, sys::user()).map(drop)
}

/// Judges each part of a path, and returns the last one.
fn walk(path: &Path, user: Sid) -> Result<File, Untrusted> {
    let names = names(path)?;
    let mut at = root(path)?;
    // How many parts are behind it: the last is the file, and what holds it stands before that.
    let role = |behind: usize| match behind {
        0 => Role::Program,
        1 => Role::Holder,
        _ => Role::Above,
    };
    let mut file = look(&at, role(names.len()), user)?;
    for (nth, name) in names.iter().enumerate() {
        at.push(name);
        file = look(&at, role(names.len() - 1 - nth), user)?;
    }
    Ok(file)
}

/// Makes a folder that nobody but the system, its administrators and the user who runs hark can enter, with
/// all that will be in it. Folders above it are made as usual; one that is there is left as it is.
///
/// # Errors
/// What the system says.
pub fn make_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    match sys::make_private_folder(path, &sys::user()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Checks that a folder is nobody else's business.
///
/// # Errors
/// Why not.
pub fn check_private(path: &Path) -> Result<(), Untrusted> {
    look(path, Role::Private, sys::user()).map(drop)
}

fn is_exe(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("exe"))
}

/// Returns the names below the root.
fn names(path: &Path) -> Result<Vec<&str>, Untrusted> {
    let odd = || Untrusted::Odd(path.to_owned());
    let below = path.components().skip_while(|part| !matches!(part, Component::RootDir)).skip(1);
    below
        .map(|part| match part {
            Component::Normal(name) => name.to_str().filter(|name| is_plain(name)).ok_or_else(odd),
            Component::ParentDir
            | Component::CurDir
            | Component::Prefix(_)
            | Component::RootDir => Err(odd()),
        })
        .collect()
}

/// The system drops dots and blanks at the end of a name; a colon leads to a second content of a file.
fn is_plain(name: &str) -> bool {
    !name.ends_with(['.', ' ']) && !name.contains([':', '*', '?', '"', '<', '>', '|'])
}

fn root(path: &Path) -> Result<PathBuf, Untrusted> {
    let drive = match path.components().next() {
        Some(Component::Prefix(prefix)) if path.is_absolute() => match prefix.kind() {
            Prefix::Disk(letter) => char::from(letter),
            Prefix::Verbatim(_)
            | Prefix::VerbatimUNC(..)
            | Prefix::VerbatimDisk(_)
            | Prefix::DeviceNS(_)
            | Prefix::UNC(..) => return Err(Untrusted::Elsewhere(path.to_owned())),
        },
        _ => return Err(Untrusted::Relative(path.to_owned())),
    };
    if !drive.is_ascii_alphabetic() || !sys::is_on_own_disk(drive) {
        return Err(Untrusted::Elsewhere(path.to_owned()));
    }
    Ok(PathBuf::from(format!("{drive}:\\")))
}

/// Opens one part of a path, as itself and not what it leads to, and judges it.
fn look(path: &Path, role: Role, user: Sid) -> Result<File, Untrusted> {
    let unreadable = |source| Untrusted::Unreadable { path: path.to_owned(), source };
    let file = OpenOptions::new()
        .access_mode(READ_CONTROL | FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
        .map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if found.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(Untrusted::Link(path.to_owned()));
    }
    let descriptor = sys::security(&file).map_err(unreadable)?;
    judge(&descriptor, role, &user).map_err(|fault| match fault {
        Fault::Owner(owner) => Untrusted::Owner { path: path.to_owned(), owner: owner.to_string() },
        Fault::Changes(whom) => {
            Untrusted::Writable { path: path.to_owned(), whom: whom.to_string() }
        }
        Fault::NoList => Untrusted::Unprotected(path.to_owned()),
        Fault::Unclear => Untrusted::Unclear(path.to_owned()),
    })?;
    Ok(file)
}
