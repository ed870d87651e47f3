//! What this machine lets an agent see: each collector and each watched log tried once, and some
//! questions to the system, for `hark doctor`.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_logs::glob::Glob;
use hark_logs::settings::Source;
use hark_model::{Clock, Unix};
use hark_plugin::{StartError, runner};

use crate::collectors::{Absent, Configured, Root, certificates};
use crate::jobs::{Actions, JobsConfig};
use crate::logs::LogsConfig;
use crate::settings::AgentConfig;
use crate::{central, sys};

/// What an agent looks at by what its server gave last, under its host's own file.
#[derive(Debug)]
pub struct Given {
    /// The collectors.
    pub collectors: Vec<Configured>,
    /// The logs.
    pub logs: LogsConfig,
    /// Plugins, commands and programs that print JSON lines.
    pub jobs: JobsConfig,
}

/// Why what a server gave is not in force, or not known.
#[derive(Debug)]
pub enum NotInForce {
    /// Where the agent keeps it may not be read.
    Unreadable(PathBuf, io::Error),
    /// It has mistakes, maybe only together with the host's own file: in lines for people.
    Refused(String),
}

/// Returns by what the agent in `folder` goes when it starts now: its server gave it last, and it keeps it there.
/// None if no server has given it anything: by `config` alone.
///
/// # Errors
/// If it goes by `config` alone although a server gave something, or that is not known.
pub fn given_last(config: &AgentConfig, folder: &Path) -> Result<Option<Given>, NotInForce> {
    match central::kept(folder, &config.own, &config.allowed) {
        Ok(None) => Ok(None),
        Ok(Some(Ok(given))) => {
            let (collectors, logs, jobs) = (given.collectors, given.logs, given.jobs);
            Ok(Some(Given { collectors, logs, jobs }))
        }
        Ok(Some(Err(mistakes))) => Err(NotInForce::Refused(mistakes)),
        Err(error) => Err(NotInForce::Unreadable(folder.to_owned(), error)),
    }
}

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
    /// What it reads is not there, as on most machines; with words for that.
    Missing(String),
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
pub fn try_collectors<'c>(
    collectors: &'c [Configured],
    root: &Root,
) -> Vec<(&'c Configured, Tried)> {
    collectors.iter().map(|collector| (collector, try_one(collector, root))).collect()
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
    if absent.is_missing() {
        return Tried::Missing(absent.words());
    }
    match absent {
        Absent::Unreadable { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
            Tried::Refused(path)
        }
        Absent::Unreadable { path, source } => Tried::Broken { path, why: source.to_string() },
        Absent::Form { path } => Tried::Broken { path, why: "its form is not known".to_owned() },
    }
}

/// Where journald keeps what it is told, below the root: over a restart of the machine, and until it.
const JOURNALS: [&str; 2] =
    ["/var/log/journal/*/system.journal", "/run/log/journal/*/system.journal"];

/// What came of trying a watched log.
#[derive(Debug, PartialEq, Eq)]
pub enum TriedLog {
    /// So many files can be read.
    Works(usize),
    /// There is none yet.
    Missing,
    /// There is no journal on this machine.
    NoJournal,
    /// This file may not be read, or this folder not be looked into.
    Refused(PathBuf),
}

/// Tries to open what each watch of `logs` reads, as the user that runs this.
pub fn try_logs(logs: &LogsConfig, root: &Path) -> Vec<(String, TriedLog)> {
    let journals = journals();
    let tried = logs.watches.iter().map(|watch| {
        let tried = match &watch.source {
            Source::Files(globs) => try_globs(globs, root),
            Source::Journal(_) => {
                let tried = try_globs(&journals, root);
                if tried == TriedLog::Missing { TriedLog::NoJournal } else { tried }
            }
        };
        (watch.name.clone(), tried)
    });
    tried.collect()
}

/// Looks at each program that `jobs` and `actions` would run, as is done before each run, as the user that runs
/// this: name of what runs it, and why it would not be run.
pub fn try_programs(jobs: &JobsConfig, actions: &Actions) -> Vec<(String, Result<(), String>)> {
    let programs = jobs.programs().chain(actions.programs());
    let tried = programs.map(|(name, program)| {
        let looked = runner::look(program).map_err(|error| match &error {
            StartError::Untrusted(why) => match std::error::Error::source(why) {
                Some(source) => format!("{why}: {source}"),
                None => why.to_string(),
            },
            StartError::Busy | StartError::Missing(_) | StartError::System(_) => error.to_string(),
        });
        (name.to_owned(), looked)
    });
    tried.collect()
}

/// Tries to open what journald has written, as the user that runs this.
pub fn try_journal(root: &Path) -> TriedLog {
    try_globs(&journals(), root)
}

fn journals() -> Vec<Glob> {
    JOURNALS.iter().filter_map(|path| Glob::new(path).ok()).collect()
}

fn try_globs(globs: &[Glob], root: &Path) -> TriedLog {
    let mut readable = 0;
    for glob in globs.iter().filter_map(|glob| below(glob, root)) {
        let paths = if glob.is_plain() { vec![PathBuf::from(glob.as_str())] } else { glob.files() };
        let folders = if glob.is_plain() { Vec::new() } else { glob.folders() };
        for path in &paths {
            match open(path) {
                Ok(()) => readable += 1,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return TriedLog::Refused(path.clone());
                }
                // It comes later, or it is none: the agent looks again and again.
                Err(_) => {}
            }
        }
        let closed = |folder: &PathBuf| {
            let listed = std::fs::read_dir(folder);
            listed.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
        };
        if let Some(folder) = folders.into_iter().find(closed) {
            return TriedLog::Refused(folder);
        }
    }
    if readable == 0 { TriedLog::Missing } else { TriedLog::Works(readable) }
}

/// Opens a file. Nothing else is opened: a pipe would wait for its other side.
fn open(path: &Path) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    std::fs::File::open(path).map(drop)
}

/// Returns `glob` in the tree of another machine.
fn below(glob: &Glob, root: &Path) -> Option<Glob> {
    let root = root.to_str()?.trim_end_matches('/');
    if root.is_empty() {
        Some(glob.clone())
    } else {
        Glob::new(&format!("{root}{}", glob.as_str())).ok()
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
        let all = collectors::read(None);
        let tried = try_collectors(&all, &Root::at(root)).into_iter();
        tried.map(|(collector, tried)| (collector.name, tried)).collect()
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
    fn logs_are_looked_for_in_the_tree() {
        let root = tempfile::tempdir().unwrap();
        let globs = [Glob::new("/log/*.log").unwrap(), Glob::new("/log/one").unwrap()];
        assert_eq!(try_globs(&globs, root.path()), TriedLog::Missing);
        std::fs::create_dir(root.path().join("log")).unwrap();
        for name in ["a.log", "b.log", "one", "other"] {
            std::fs::write(root.path().join("log").join(name), "").unwrap();
        }
        assert_eq!(try_globs(&globs, root.path()), TriedLog::Works(3));
    }

    #[test]
    fn the_system_answers() {
        let (free, total) = room(Path::new("/")).unwrap();
        assert!(free <= total && total > 0);
        assert!(room(Path::new("/no/such/path")).is_err());
        assert_eq!(certificate_end(Path::new("/dev/null")), None);
    }
}
