//! What this machine lets an agent see: each collector tried once, and some questions to the system,
//! for `hark doctor`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_model::{Clock, Unix};

use crate::collectors::{Absent, Configured, Root, certificates};
use crate::sys;

/// What came of trying a collector.
#[derive(Debug)]
pub enum Tried {
    /// It measures so many series, and knows so many facts.
    Works {
        /// Series.
        series: usize,
        /// Facts.
        facts: usize,
    },
    /// What it reads is not there, as on most machines.
    Missing(PathBuf),
    /// It may not read it.
    Refused(PathBuf),
    /// It cannot read it, or does not understand it.
    Broken {
        /// What it read.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// It fell over: a fault of ours.
    Panicked,
}

/// Tries each of `collectors` once, as the user that runs this.
pub fn try_collectors(collectors: &[Configured], root: &Root) -> Vec<(&'static str, Tried)> {
    collectors.iter().map(|collector| (collector.name, try_one(collector, root))).collect()
}

fn try_one(configured: &Configured, root: &Root) -> Tried {
    let look = || {
        let mut collector = configured.make.make(root);
        collector.collect(Clock.now().mono, &mut Vec::new())?;
        Ok((collector.series().len(), collector.facts().len()))
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(Ok((series, facts))) => Tried::Works { series, facts },
        Ok(Err(absent)) => refusal(absent),
        Err(_) => Tried::Panicked,
    }
}

fn refusal(absent: Absent) -> Tried {
    let is_missing = absent.is_missing();
    match absent {
        Absent::Unreadable { path, .. } if is_missing => Tried::Missing(path),
        Absent::Unreadable { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
            Tried::Refused(path)
        }
        Absent::Unreadable { path, source } => Tried::Broken { path, why: source.to_string() },
        Absent::Form { path } => Tried::Broken { path, why: "its form is not known".to_owned() },
    }
}

/// Returns the bytes that are free for anybody and all bytes of the file system that holds `path`.
///
/// # Errors
/// What the system says.
pub fn room(path: &Path) -> io::Result<(u64, u64)> {
    sys::space(&sys::c_path(path)?).map(|space| (space.available, space.total))
}

/// Returns whether a program keeps the clock in step, and the most it can be off.
///
/// # Errors
/// What the system says.
pub fn clock() -> io::Result<(bool, Duration)> {
    sys::clock_state().map(|state| (state.synchronized, state.max_error))
}

/// Returns when the first certificate of a file ends; none if it holds none.
pub fn certificate_end(path: &Path) -> Option<Unix> {
    certificates::end_of(path).map(|seconds| Unix(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::collectors;

    fn tried(root: &Path) -> Vec<(&'static str, Tried)> {
        try_collectors(&collectors::read(None), &Root::at(root))
    }

    #[test]
    fn in_an_empty_tree_everything_is_missing_and_nothing_is_broken() {
        let root = tempfile::tempdir().unwrap();
        let tried = tried(root.path());
        assert!(tried.iter().any(|(_, t)| matches!(t, Tried::Missing(_))), "{tried:?}");
        let bad =
            |t: &Tried| matches!(t, Tried::Refused(_) | Tried::Broken { .. } | Tried::Panicked);
        assert!(!tried.iter().any(|(_, t)| bad(t)), "{tried:?}");
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_file() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let path = root.path().join("proc/loadavg");
        std::fs::write(&path, "nonsense").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let tried = tried(root.path());
        let load = &tried.iter().find(|(name, _)| name.starts_with("load")).unwrap().1;
        assert!(matches!(load, Tried::Broken { path: at, .. } if *at == path), "{load:?}");
    }

    #[test]
    fn the_system_answers() {
        let (free, total) = room(Path::new("/")).unwrap();
        assert!(free <= total && total > 0);
        assert!(room(Path::new("/no/such/path")).is_err());
        assert_eq!(certificate_end(Path::new("/dev/null")), None);
    }
}
