//! What is made in the page: a file that hark writes itself, read as the last one of the configuration.
//!
//! It is YAML of the same keys as every other file, so that it is read, checked, shown and reloaded by the
//! same code, can be copied into `conf.d`, and can be mended by hand. It lies in the data folder
//! (`configuration/page.yaml`) because the files of `/etc` are not the server's to write. Each change writes
//! the version first (`configuration/history/N.yaml`), then the file; both are whole or not there. Whatever
//! the file is found to be that no version is, is kept as a version of its own before anything else.
//!
//! What files declare holds: an object of the same name in the page's file is passed over with a warning, so
//! that an export that is put into `conf.d` needs no second step; the next change in the page drops it there.
//! In lists, what was made in the page comes after what files declare.

mod diff;
mod made;
mod mistakes;
mod outline;
mod secrets;
mod sections;
mod versions;

use std::path::{Path, PathBuf};

pub(crate) use diff::diff;
pub(crate) use made::Made;
pub(crate) use mistakes::Mistake;
pub(crate) use outline::{Outlined, outline};
pub(crate) use secrets::{Hidden, parse_embedded};
pub(crate) use sections::{Editable, Shape};
pub(crate) use versions::{Note, Version, Versions};

/// The folder in the data folder.
const FOLDER: &str = "configuration";

/// The file in it.
const FILE: &str = "page.yaml";

/// Returns where the file lies.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join(FILE)
}
