//! Processes from `/proc`.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{MAX_PROCESSES, Process, known};
use crate::source::Absent;
use crate::sys::{Numbered, NumberedEntries};

/// The line of a process has 52 numbers and a name of 15 bytes.
const MAX_LINE: usize = 1280;

/// Bound on the command line of one process; what is longer is cut.
const MAX_COMMAND_LINE: usize = 4096;

/// Bound on the list of groups of one process; cgroup v1 has a dozen.
const MAX_CGROUP: usize = 2048;

/// The folder `proc`, kept open.
#[derive(Debug)]
pub(super) struct Lister {
    folder: PathBuf,
    entries: Option<NumberedEntries>,
}

impl Lister {
    /// Names the folder; nothing is touched yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, entries: None }
    }

    /// Adds the processes, at most [`MAX_PROCESSES`], and returns how many there are.
    ///
    /// # Errors
    /// If there is no `proc`.
    pub(super) fn list(
        &mut self,
        before: &[Process],
        processes: &mut Vec<Process>,
    ) -> Result<usize, Absent> {
        let mut total = 0;
        self.each(|entry| {
            total += 1;
            if processes.len() < MAX_PROCESSES {
                // One that ended meanwhile is none.
                processes.extend(read(entry, before));
            }
        })?;
        Ok(total)
    }

    /// Returns how many there are.
    ///
    /// # Errors
    /// If there is no `proc`.
    pub(super) fn count(&mut self) -> Result<usize, Absent> {
        let mut count = 0;
        self.each(|_| count += 1)?;
        Ok(count)
    }

    fn each(&mut self, see: impl FnMut(Numbered<'_>)) -> Result<(), Absent> {
        let unreadable = |source| Absent::Unreadable { path: self.folder.clone(), source };
        let entries = match &mut self.entries {
            Some(entries) => entries,
            none @ None => none.insert(NumberedEntries::open(&self.folder).map_err(unreadable)?),
        };
        entries.each(see).map_err(unreadable)
    }
}

/// Reads a process without allocating; `before` are those of the look before, in order.
fn read(entry: Numbered<'_>, before: &[Process]) -> Option<Process> {
    if let Some(unread) = known(before, entry.number).and_then(Process::unread) {
        return Some(unread);
    }
    let mut file = entry.open("stat").ok()?;
    let mut line = [0; MAX_LINE];
    let len = file.read(&mut line).ok()?;
    let mut process = parse(line.get(..len)?)?;
    if process.compare(before) {
        process.uid = file.metadata().ok()?.uid();
    }
    Some(process)
}

/// Reads `/proc/PID/stat`. The name is in parentheses and may have any byte in it, also a
/// parenthesis: what follows the last one are numbers.
pub(super) fn parse(line: &[u8]) -> Option<Process> {
    let open = line.iter().position(|b| *b == b'(')?;
    let close = line.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(line.get(..open)?).ok()?.trim().parse().ok()?;
    let name = line.get(open + 1..close)?;
    let mut comm = [0; 16];
    for (to, from) in comm.iter_mut().zip(name) {
        // A line feed in a name would make two lines of it wherever it is shown.
        *to = if from.is_ascii_control() { b'?' } else { *from };
    }
    let mut fields = std::str::from_utf8(line.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let ppid = fields.next()?.parse().ok()?;
    let mut after = |skip: usize| fields.nth(skip)?.parse::<i64>().ok();
    // Fields 9, 14 and 15, 20, 22, 24 of proc_pid_stat(5); the parent was field 4.
    let flags = after(4)?;
    let (user, system) = (after(4)?, after(0)?);
    let threads = after(4)?;
    let started = after(1)?;
    let rss = after(1)?;
    let positive = |value: i64| u64::try_from(value).unwrap_or(0);
    Some(Process {
        pid,
        ppid,
        comm,
        flags: positive(flags),
        state,
        threads: u32::try_from(threads).unwrap_or(0),
        ticks: positive(user).saturating_add(positive(system)),
        recent_ticks: 0,
        rss_pages: positive(rss),
        started: positive(started),
        uid: 0,
        looks: 0,
        unread: 0,
    })
}

/// Returns the arguments of a process, with a zero behind each; nothing if it has none.
pub(super) fn command_line(folder: &Path, pid: u32) -> Vec<u8> {
    read_at_most(&folder.join(pid.to_string()).join("cmdline"), MAX_COMMAND_LINE)
}

/// Returns the list of its control groups.
pub(super) fn cgroup(folder: &Path, pid: u32) -> Vec<u8> {
    read_at_most(&folder.join(pid.to_string()).join("cgroup"), MAX_CGROUP)
}

/// Returns the first bytes of a file; none if it cannot be read.
fn read_at_most(path: &Path, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(len as u64).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    bytes
}
