//! By owners and modes.
//!
//! A program is trusted if nobody but root and the user who runs it can change it: the file itself,
//! each folder above it, and each link on the way. A folder that all may write but that has the sticky
//! bit (`/tmp`) lets nobody replace what belongs to another, so it is passed.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// Bound on links that are followed, as the kernel's own.
const MAX_LINKS: usize = 40;

/// Others may change what they own.
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;

/// Why a program is not run.
#[derive(Debug, Error)]
pub enum Untrusted {
    /// The path does not begin at the root.
    #[error("{0} is not an absolute path")]
    Relative(PathBuf),
    /// It is not there, or not to be seen.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which part of the path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else owns it.
    #[error("{path} belongs to user {owner}: it must belong to root or to the user who runs hark")]
    Owner {
        /// Which part of the path.
        path: PathBuf,
        /// Whom it belongs to.
        owner: u32,
    },
    /// Others may write to it.
    #[error("{0} can be changed by other users: remove their permission to write")]
    Writable(PathBuf),
    /// It is no file that can be run.
    #[error("{0} is not a program")]
    NotProgram(PathBuf),
    /// Links that never end.
    #[error("{0} has too many links")]
    Links(PathBuf),
}

/// Checks that only root and `user` can change what `path` leads to. Some microseconds: it is done
/// before every run.
///
/// # Errors
/// The first part of the path that cannot be trusted.
pub fn check(path: &Path, user: u32) -> Result<(), Untrusted> {
    if !path.is_absolute() {
        return Err(Untrusted::Relative(path.to_owned()));
    }
    // What is still to be walked, the next part last.
    let mut rest: Vec<OsString> = parts(path);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    let mut meta = look(&at)?;
    folder(&at, &meta, user)?;
    while let Some(part) = rest.pop() {
        if part == ".." {
            at.pop();
            meta = look(&at)?;
            continue;
        }
        let next = at.join(&part);
        let found = look(&next)?;
        owner(&next, &found, user)?;
        if found.file_type().is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(Untrusted::Links(path.to_owned()));
            }
            let target = std::fs::read_link(&next)
                .map_err(|source| Untrusted::Unreadable { path: next, source })?;
            if target.is_absolute() {
                at = PathBuf::from("/");
                meta = look(&at)?;
            }
            rest.extend(parts(&target));
            continue;
        }
        if found.is_dir() {
            folder(&next, &found, user)?;
        } else if others_write(&found) {
            return Err(Untrusted::Writable(next));
        }
        at = next;
        meta = found;
    }
    if !meta.is_file() || meta.permissions().mode() & EXECUTABLE == 0 {
        return Err(Untrusted::NotProgram(path.to_owned()));
    }
    Ok(())
}

fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    parts.collect()
}

fn look(path: &Path) -> Result<Metadata, Untrusted> {
    std::fs::symlink_metadata(path)
        .map_err(|source| Untrusted::Unreadable { path: path.to_owned(), source })
}

fn owner(path: &Path, meta: &Metadata, user: u32) -> Result<(), Untrusted> {
    let owner = meta.uid();
    if owner == 0 || owner == user {
        return Ok(());
    }
    Err(Untrusted::Owner { path: path.to_owned(), owner })
}

fn folder(path: &Path, meta: &Metadata, user: u32) -> Result<(), Untrusted> {
    owner(path, meta, user)?;
    if others_write(meta) && meta.mode() & STICKY == 0 {
        return Err(Untrusted::Writable(path.to_owned()));
    }
    Ok(())
}

/// The group of root has nobody in it who is not root.
fn others_write(meta: &Metadata) -> bool {
    meta.mode() & OTHERS_WRITE != 0 || (meta.mode() & GROUP_WRITES != 0 && meta.gid() != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{chown, symlink};

    use super::*;
    use crate::sys;

    fn script(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn said(path: &Path) -> String {
        check(path, sys::user()).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn the_systems_programs_are_trusted_and_their_links_too() {
        assert_eq!(said(Path::new("/bin/sh")), "");
        assert_eq!(said(Path::new("/usr/../usr/bin/env")), "");
    }

    #[test]
    fn what_others_can_change_is_refused_wherever_on_the_path_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, Permissions::from_mode(0o755)).unwrap();
        let path = script(&inner, "check_x");
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!((said(&path), said(&link)), (String::new(), String::new()));
        for (what, mode) in [(&path, 0o757), (&path, 0o757), (&inner, 0o777)] {
            let before = fs::metadata(what).unwrap().permissions();
            fs::set_permissions(what, Permissions::from_mode(mode)).unwrap();
            assert!(said(&path).contains("can be changed by other users"), "{what:?}");
            assert!(said(&link).contains("can be changed by other users"), "{what:?}");
            fs::set_permissions(what, before).unwrap();
        }
        // A folder as /tmp is.
        fs::set_permissions(&inner, Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(said(&path), "");
    }

    #[test]
    fn what_belongs_to_another_is_refused() {
        if sys::user() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "check_x");
        chown(&path, Some(65534), None).unwrap();
        assert!(said(&path).contains("belongs to user 65534"));
        assert!(check(&path, 65534).is_ok(), "its own user may run it: the folders are root's");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "x");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(said(&path).contains("is not a program"));
        assert!(said(folder.path()).contains("is not a program"));
        assert!(said(Path::new("bin/sh")).contains("not an absolute path"));
        assert!(said(&folder.path().join("none")).contains("No such file"));
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        symlink(&a, &b).unwrap();
        symlink(&b, &a).unwrap();
        assert!(said(&a).contains("too many links"));
    }
}
