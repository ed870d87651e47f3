//! The processes of the machine: looked at once a round, for all who want to know.
//!
//! A look costs some ten microseconds for each process, most of it in the kernel; so there is one
//! table for the collector and for the checks that count processes, and a look that is young enough
//! is used again. What costs a file more for each process (its command line, its group) is only read
//! for those that are asked for, and kept as long as the process lives: a number is given out
//! again, so that a process is its number and its start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hark_model::Mono;

use crate::source::Absent;
use crate::sys::{self, NumberedEntries};

/// Bound on processes in the table: 2.5 MB. What is more is counted and not looked at.
const MAX_PROCESSES: usize = 32 * 1024;

/// The line of a process has 52 numbers and a name of 15 bytes.
const MAX_LINE: usize = 1280;

/// Bound on the command line of one process; what is longer is cut.
const MAX_COMMAND_LINE: usize = 4096;

/// Bound on the list of groups of one process; cgroup v1 has a dozen.
const MAX_CGROUP: usize = 2048;

/// The table, shared by all who ask.
#[derive(Clone, Debug)]
pub(crate) struct Processes(Arc<Mutex<ProcessTable>>);

impl Processes {
    /// Names the folder `proc`; nothing is touched yet.
    pub(crate) fn new(root: &std::path::Path) -> Self {
        Self(Arc::new(Mutex::new(ProcessTable::new(root.join("proc")))))
    }

    /// Takes the table: for short, others wait.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ProcessTable> {
        // After a panic of another the table is at worst half a look: the next one makes it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A process as of the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// The number of the one that made it, or that took it over.
    pub(crate) ppid: u32,
    /// Its short name.
    comm: [u8; 16],
    /// Bits of the kernel, see `PF_` in `include/linux/sched.h`.
    flags: u64,
    /// The letter of its state: `R`, `S`, `D`, `Z` ...
    pub(crate) state: u8,
    /// How many threads it has.
    pub(crate) threads: u32,
    /// Ticks it was on a processor, in user and system mode.
    pub(crate) ticks: u64,
    /// Those of them since the look before; 0 at the first look.
    pub(crate) recent_ticks: u64,
    /// Pages in memory.
    pub(crate) rss_pages: u64,
    /// Ticks from the boot to its start.
    pub(crate) started: u64,
    /// The user it runs as.
    pub(crate) uid: u32,
}

impl Process {
    /// Returns its short name, at most 15 bytes, as the kernel has it.
    pub(crate) fn comm(&self) -> &str {
        let end = self.comm.iter().position(|b| *b == 0).unwrap_or(self.comm.len());
        let bytes = self.comm.get(..end).unwrap_or_default();
        // Cut in the middle of a letter: what is whole.
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => bytes
                .get(..error.valid_up_to())
                .and_then(|whole| std::str::from_utf8(whole).ok())
                .unwrap_or_default(),
        }
    }

    /// Returns the bytes it has in memory (resident; shared ones count for each).
    pub(crate) fn rss_bytes(&self) -> u64 {
        self.rss_pages.saturating_mul(sys::page_size())
    }

    /// Returns true for a thread of the kernel: it has no program and no memory of its own.
    pub(crate) fn is_kernel(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }
}

/// The kernel's own mark. That they all stem from process 2 only holds outside of containers.
const PF_KTHREAD: u64 = 0x0020_0000;

/// What a look gives.
#[derive(Debug)]
pub(crate) struct Look<'t> {
    /// The processes, by their number.
    pub(crate) processes: &'t [Process],
    /// How many there are in all, also those that are not in the table.
    pub(crate) total: usize,
    /// Time between this look and the one before; none at the first.
    pub(crate) since_last: Option<Duration>,
    /// More about single ones.
    pub(crate) details: &'t mut Details,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct ProcessTable {
    folder: PathBuf,
    entries: Option<NumberedEntries>,
    processes: Vec<Process>,
    /// Number, start and ticks at the look before.
    before: Vec<(u32, u64, u64)>,
    total: usize,
    looked: Option<Mono>,
    since_last: Option<Duration>,
    details: Details,
}

impl ProcessTable {
    fn new(folder: PathBuf) -> Self {
        Self {
            details: Details::new(folder.clone()),
            folder,
            entries: None,
            processes: Vec::new(),
            before: Vec::new(),
            total: 0,
            looked: None,
            since_last: None,
        }
    }

    /// Returns the processes as they are, or as they were at most `max_age` before `at`.
    ///
    /// # Errors
    /// If there is no `proc`.
    pub(crate) fn look(&mut self, at: Mono, max_age: Duration) -> Result<Look<'_>, Absent> {
        let young = self.looked.is_some_and(|then| at.since(then) <= max_age);
        if !young {
            self.scan()?;
            self.since_last = self.looked.map(|then| at.since(then));
            self.looked = Some(at);
        }
        Ok(Look {
            processes: &self.processes,
            total: self.total,
            since_last: self.since_last,
            details: &mut self.details,
        })
    }

    /// Returns how many processes there are, without a look at each unless there was one at `at`.
    ///
    /// # Errors
    /// If there is no `proc`.
    pub(crate) fn count(&mut self, at: Mono) -> Result<usize, Absent> {
        if self.looked == Some(at) {
            return Ok(self.total);
        }
        let mut count = 0;
        self.open()?.each(|_| count += 1);
        Ok(count)
    }

    fn open(&mut self) -> Result<&mut NumberedEntries, Absent> {
        let entries = if let Some(entries) = self.entries.take() {
            entries
        } else {
            let unreadable = |source| Absent::Unreadable { path: self.folder.clone(), source };
            let path = std::ffi::CString::new(self.folder.as_os_str().as_bytes())
                .map_err(|error| unreadable(error.into()))?;
            NumberedEntries::open(&path).map_err(unreadable)?
        };
        Ok(self.entries.insert(entries))
    }

    fn scan(&mut self) -> Result<(), Absent> {
        self.open()?;
        let Some(entries) = self.entries.as_mut() else { return Ok(()) };
        let first = self.looked.is_none();
        self.before.clear();
        self.before.extend(self.processes.iter().map(|p| (p.pid, p.started, p.ticks)));
        self.processes.clear();
        self.total = 0;
        let mut reader = Reader::new(&self.folder);
        let (processes, total) = (&mut self.processes, &mut self.total);
        entries.each(|pid| {
            *total += 1;
            if processes.len() < MAX_PROCESSES {
                // One that ended meanwhile is none.
                processes.extend(reader.process(pid));
            }
        });
        if !self.processes.is_sorted_by_key(|p| p.pid) {
            self.processes.sort_unstable_by_key(|p| p.pid);
        }
        if !first {
            fill_recent(&mut self.processes, &self.before);
        }
        self.details.forget_but(&self.processes);
        Ok(())
    }
}

/// Fills in what each process used since the look before; both are in order.
fn fill_recent(processes: &mut [Process], before: &[(u32, u64, u64)]) {
    let mut before = before.iter().peekable();
    for process in processes {
        while before.next_if(|(pid, ..)| *pid < process.pid).is_some() {}
        let known = before
            .peek()
            .filter(|(pid, started, _)| (*pid, *started) == (process.pid, process.started))
            .map_or(0, |(.., ticks)| *ticks);
        process.recent_ticks = process.ticks.saturating_sub(known);
    }
}

/// Reads processes without allocating for each.
struct Reader {
    path: String,
    folder: usize,
}

impl Reader {
    fn new(folder: &std::path::Path) -> Self {
        let mut path = folder.to_string_lossy().into_owned();
        path.push('/');
        Self { folder: path.len(), path }
    }

    fn process(&mut self, pid: u32) -> Option<Process> {
        self.path.truncate(self.folder);
        write!(self.path, "{pid}/stat").ok()?;
        let mut file = File::open(&self.path).ok()?;
        let mut line = [0; MAX_LINE];
        let len = file.read(&mut line).ok()?;
        let mut process = parse(line.get(..len)?)?;
        process.uid = file.metadata().ok()?.uid();
        Some(process)
    }
}

/// Reads `/proc/PID/stat`. The name is in parentheses and may have any byte in it, also a
/// parenthesis: what follows the last one are numbers.
fn parse(line: &[u8]) -> Option<Process> {
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
    })
}

/// What is only read of processes that are asked for.
#[derive(Debug)]
pub(crate) struct Details {
    folder: PathBuf,
    kept: BTreeMap<(u32, u64), Detail>,
}

#[derive(Debug, Default)]
struct Detail {
    command_line: Option<String>,
    cgroup: Option<String>,
}

impl Details {
    fn new(folder: PathBuf) -> Self {
        Self { folder, kept: BTreeMap::new() }
    }

    /// Returns the command line, its words with a blank between; the short name in brackets where
    /// there is none (threads of the kernel, zombies).
    ///
    /// It is read once: a program that writes over its arguments later is known as it began.
    pub(crate) fn command_line(&mut self, process: &Process) -> &str {
        let folder = &self.folder;
        let detail = self.kept.entry((process.pid, process.started)).or_default();
        detail.command_line.get_or_insert_with(|| {
            let path = folder.join(process.pid.to_string()).join("cmdline");
            let mut bytes = read_at_most(&path, MAX_COMMAND_LINE);
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            if bytes.is_empty() {
                return format!("[{}]", process.comm());
            }
            let text = String::from_utf8_lossy(&bytes);
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        })
    }

    /// Returns the control groups as `/proc/PID/cgroup` has them, a line each; empty where there is
    /// none. Read once, as the command line.
    pub(crate) fn cgroup(&mut self, process: &Process) -> &str {
        let folder = &self.folder;
        let detail = self.kept.entry((process.pid, process.started)).or_default();
        detail.cgroup.get_or_insert_with(|| {
            let path = folder.join(process.pid.to_string()).join("cgroup");
            String::from_utf8_lossy(&read_at_most(&path, MAX_CGROUP)).trim_end().to_owned()
        })
    }

    /// Forgets those that have ended.
    fn forget_but(&mut self, processes: &[Process]) {
        self.kept.retain(|(pid, started), _| {
            processes
                .binary_search_by_key(pid, |p| p.pid)
                .ok()
                .and_then(|place| processes.get(place))
                .is_some_and(|p| p.started == *started)
        });
    }
}

/// Returns the first bytes of a file; none if it cannot be read.
fn read_at_most(path: &std::path::Path, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(len as u64).read_to_end(&mut bytes));
    if read.is_err() {
        bytes.clear();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A process of a folder `proc` made by a test.
    fn put(proc: &Path, pid: u32, comm: &str, state: char, user: u64, started: u64) {
        let folder = proc.join(pid.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let line = format!(
            "{pid} ({comm}) {state} 1 1 1 0 -1 4194560 36 0 0 0 {user} 2 0 0 20 0 3 0 {started} \
             14843904 877 18446744073709551615 1 1 0 0 0 0 0 0 65536 0 0 0 17 0 0 0 0 0 0\n"
        );
        std::fs::write(folder.join("stat"), line).unwrap();
    }

    fn table() -> (tempfile::TempDir, ProcessTable) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        let table = ProcessTable::new(folder.path().join("proc"));
        (folder, table)
    }

    #[test]
    fn reads_lines_of_the_kernel_whatever_the_name_is() {
        let line = |name: &str| {
            format!(
                "842 ({name}) S 7 842 842 0 -1 4194624 1 0 0 0 130 25 0 0 20 0 4 0 977 33554432 \
                 2048 18446744073709551615 0 0 0"
            )
        };
        for (name, shown) in [
            ("nginx", "nginx"),
            ("a) R 1 (b", "a) R 1 (b"),
            ("tmux: server", "tmux: server"),
            ("x\ny", "x?y"),
            ("", ""),
        ] {
            let found = parse(line(name).as_bytes()).unwrap();
            assert_eq!(found.comm(), shown);
            assert_eq!((found.pid, found.ppid, found.state), (842, 7, b'S'));
            assert_eq!((found.threads, found.ticks, found.started), (4, 155, 977));
            assert_eq!(found.rss_pages, 2048);
        }
        for bad in ["", "1", "1 (x", "1 (x) S", "x (y) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 1 1"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        let cut = parse(line("aaaaaaaaaaaaaaé").as_bytes()).unwrap();
        assert_eq!(cut.comm(), "aaaaaaaaaaaaaaé", "sixteen bytes are whole");
    }

    #[test]
    fn threads_of_the_kernel_are_known_by_its_mark() {
        let line = "3 (rcu_gp) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 0 -20 1 0 7 0 0 0\n";
        assert!(parse(line.as_bytes()).unwrap().is_kernel());
        let in_a_container = line.replace("69238880", "4194560");
        assert!(!parse(in_a_container.as_bytes()).unwrap().is_kernel());
    }

    #[test]
    fn a_young_look_is_used_again_and_an_old_one_is_not() {
        let (folder, mut table) = table();
        let proc = folder.path().join("proc");
        put(&proc, 1, "init", 'S', 5, 1);
        let second = Duration::from_secs(1);
        assert_eq!(table.look(Mono(1000), second).unwrap().processes.len(), 1);
        put(&proc, 7, "late", 'R', 5, 90);
        assert_eq!(table.look(Mono(2000), second).unwrap().processes.len(), 1);
        let look = table.look(Mono(2001), second).unwrap();
        assert_eq!(look.processes.len(), 2);
        assert_eq!(look.since_last, Some(Duration::from_millis(1001)));
        assert_eq!(table.count(Mono(2001)).unwrap(), 2);
    }

    #[test]
    fn recent_time_is_that_since_the_look_before_and_a_number_given_again_is_another_process() {
        let (folder, mut table) = table();
        let proc = folder.path().join("proc");
        put(&proc, 5, "stays", 'S', 100, 1);
        put(&proc, 9, "goes", 'S', 900, 1);
        let now = Duration::ZERO;
        let first = table.look(Mono(1000), now).unwrap();
        assert_eq!(first.processes.iter().map(|p| p.recent_ticks).sum::<u64>(), 0);
        assert_eq!(first.since_last, None);
        put(&proc, 5, "stays", 'S', 130, 1);
        put(&proc, 9, "comes", 'S', 40, 777);
        let second = table.look(Mono(2000), now).unwrap();
        let recent: Vec<_> = second.processes.iter().map(|p| (p.comm(), p.recent_ticks)).collect();
        assert_eq!(recent, [("stays", 30), ("comes", 42)]);
    }

    #[test]
    fn details_are_read_once_and_forgotten_with_the_process() {
        let (folder, mut table) = table();
        let proc = folder.path().join("proc");
        put(&proc, 3, "java", 'S', 1, 1);
        std::fs::write(proc.join("3/cmdline"), "java\0-jar\0a b.jar\0").unwrap();
        std::fs::write(proc.join("3/cgroup"), "0::/system.slice/app.service\n").unwrap();
        let look = table.look(Mono(1), Duration::ZERO).unwrap();
        let process = look.processes[0];
        assert_eq!(look.details.command_line(&process), "java -jar a b.jar");
        assert_eq!(look.details.cgroup(&process), "0::/system.slice/app.service");
        std::fs::write(proc.join("3/cmdline"), "other\0").unwrap();
        let look = table.look(Mono(2), Duration::ZERO).unwrap();
        assert_eq!(look.details.command_line(&process), "java -jar a b.jar");
        put(&proc, 3, "new", 'S', 1, 99);
        let look = table.look(Mono(3), Duration::ZERO).unwrap();
        let process = look.processes[0];
        assert_eq!(look.details.command_line(&process), "other");
        assert_eq!(look.details.kept.len(), 1);
        std::fs::write(proc.join("3/cmdline"), "").unwrap();
        put(&proc, 3, "kworker/0:1", 'I', 1, 100);
        let look = table.look(Mono(4), Duration::ZERO).unwrap();
        let process = look.processes[0];
        assert_eq!(look.details.command_line(&process), "[kworker/0:1]");
        assert!(!process.is_kernel());
    }

    #[test]
    fn without_proc_it_is_absent_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = ProcessTable::new(folder.path().join("proc"));
        assert!(matches!(table.look(Mono(1), Duration::ZERO), Err(Absent::Unreadable { .. })));
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        put(&folder.path().join("proc"), 1, "init", 'S', 1, 1);
        assert_eq!(table.look(Mono(2), Duration::ZERO).unwrap().total, 1);
    }

    #[test]
    fn this_process_is_found_as_it_is() {
        let processes = Processes::new(Path::new("/"));
        let mut table = processes.lock();
        let look = table.look(Mono(1), Duration::ZERO).unwrap();
        let own = std::process::id();
        let found = *look.processes.iter().find(|p| p.pid == own).unwrap();
        assert!(found.threads >= 1 && found.rss_bytes() > 100_000, "{found:?}");
        assert_eq!(found.uid, std::fs::metadata("/proc/self").unwrap().uid());
        let first = std::env::args().next().unwrap();
        assert!(look.details.command_line(&found).starts_with(&first));
        assert!(look.processes.is_sorted_by_key(|p| p.pid));
    }
}
