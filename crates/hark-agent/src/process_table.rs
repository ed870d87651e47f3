//! The processes of the machine: looked at once a round, for all who want to know.
//!
//! A look costs some ten microseconds for each process, most of it in the kernel; so there is one
//! table for the collector and for the checks that count processes, and a look that is young enough
//! is used again. What costs a file more for each process (its command line, its group) is only read
//! for those that are asked for, and kept as long as the process lives: a number is given out
//! again, so that a process is its number and its start.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[path = "process_table/proc.rs"]
mod lister;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
#[path = "process_table/portable.rs"]
mod lister;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hark_model::Mono;

use self::lister::Lister;
use crate::source::Absent;
use crate::sys;

/// Bound on processes in the table: 2.5 MB, and as much for the look before. What is more is counted and
/// not looked at.
const MAX_PROCESSES: usize = 32 * 1024;

/// Whom a process belongs to is asked at its first looks, since a service drops its rights after it was
/// started, and then at every eighth: it is a call more for each process.
const USER_LOOKS: u8 = 3;
const USER_EVERY: u8 = 8;

/// A thread of the kernel that did nothing since it was read is read again at every fourth look. Where
/// little else runs they are three of four processes, and on a machine with many cores a thousand; what
/// they do is told by `/proc/stat` at every look. One that works is read at every look. Should one end and
/// its number be given to a program between two looks, that program is seen three looks late.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
const IDLE_KERNEL_EVERY: u8 = 4;

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

/// Returns the number that stands here for a user of Windows, whose own is a text: `S-1-5-18`.
pub(crate) fn number_of_user(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
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
    /// Those of them since the look before; 0 at the first look. Of one that was not read at every look, its
    /// share of those since it was read.
    pub(crate) recent_ticks: u64,
    /// Pages in memory.
    pub(crate) rss_pages: u64,
    /// Ticks from the boot to its start.
    pub(crate) started: u64,
    /// The user it runs as.
    pub(crate) uid: u32,
    /// How many looks it was there before, modulo 256.
    looks: u8,
    /// How many looks ago it was read.
    unread: u8,
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
    lister: Lister,
    processes: Vec<Process>,
    /// By number, what the look before has found.
    before: Vec<Process>,
    total: usize,
    looked: Option<Mono>,
    since_last: Option<Duration>,
    details: Details,
}

/// Returns what the look before has found of the process `pid`.
fn known(before: &[Process], pid: u32) -> Option<&Process> {
    before.get(before.binary_search_by_key(&pid, |known| known.pid).ok()?)
}

impl Process {
    /// Fills in what is known of it from `before`, the processes of the look before, in order. Returns
    /// whether its user is to be asked.
    fn compare(&mut self, before: &[Self]) -> bool {
        let known = known(before, self.pid);
        if let Some(known) = known.filter(|known| known.started == self.started) {
            let looks = u64::from(known.unread) + 1;
            self.recent_ticks = self.ticks.saturating_sub(known.ticks).div_ceil(looks);
            self.looks = known.looks.wrapping_add(1);
            self.uid = known.uid;
        } else if !before.is_empty() {
            self.recent_ticks = self.ticks;
        }
        self.looks < USER_LOOKS || self.looks.is_multiple_of(USER_EVERY)
    }

    /// Returns it as it is taken to be without being read, if it need not be read at this look. Not all
    /// are read at the same look.
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    fn unread(&self) -> Option<Self> {
        let turn = self.looks.wrapping_add(self.pid.to_le_bytes()[0]);
        let sleeps = matches!(self.state, b'S' | b'I');
        let idle = self.is_kernel() && sleeps && self.recent_ticks == 0 && self.looks > 0;
        (idle && !turn.is_multiple_of(IDLE_KERNEL_EVERY)).then(|| Self {
            looks: self.looks.wrapping_add(1),
            unread: self.unread.saturating_add(1),
            ..*self
        })
    }
}

impl ProcessTable {
    fn new(folder: PathBuf) -> Self {
        Self {
            details: Details::new(folder.clone()),
            lister: Lister::new(folder),
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
        self.lister.count()
    }

    fn scan(&mut self) -> Result<(), Absent> {
        std::mem::swap(&mut self.before, &mut self.processes);
        self.processes.clear();
        self.total = self.lister.list(&self.before, &mut self.processes)?;
        if !self.processes.is_sorted_by_key(|p| p.pid) {
            self.processes.sort_unstable_by_key(|p| p.pid);
        }
        self.details.forget_but(&self.processes);
        Ok(())
    }
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
            let mut bytes = lister::command_line(folder, process.pid);
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
            String::from_utf8_lossy(&lister::cgroup(folder, process.pid)).trim_end().to_owned()
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

#[cfg(test)]
#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod tests {
    use std::path::Path;

    use std::os::unix::fs::MetadataExt as _;

    use super::lister::parse;
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
    fn an_idle_thread_of_the_kernel_is_read_at_every_fourth_look_and_one_that_works_at_each() {
        let (folder, mut table) = table();
        let proc = folder.path().join("proc");
        let put = |state: &str, ticks: u64| {
            std::fs::create_dir_all(proc.join("4")).unwrap();
            let numbers = "2 0 0 0 -1 69238880 0 0 0 0";
            let line = format!("4 (kswapd0) {state} {numbers} {ticks} 0 0 0 -20 0 1 0 7 0 0 0\n");
            std::fs::write(proc.join("4/stat"), line).unwrap();
        };
        let mut at = 0;
        let mut look = || {
            at += 1000;
            let look = table.look(Mono(at), Duration::ZERO).unwrap();
            (look.processes[0].ticks, look.processes[0].recent_ticks)
        };
        put("S", 10);
        assert_eq!([(); 6].map(|()| look().0), [10; 6]);
        // It begins to work: within four looks that is seen, as a share of the time that was not looked at.
        put("S", 90);
        assert_eq!([(); 4].map(|()| look()), [(10, 0), (10, 0), (10, 0), (90, 20)]);
        for ticks in [100, 110, 120] {
            put("S", ticks);
            assert_eq!(look(), (ticks, 10), "read at every look while it works");
        }
        put("D", 120);
        assert_eq!(look(), (120, 0));
        put("D", 121);
        assert_eq!(look(), (121, 1), "what does not sleep is read");
        put("S", 121);
        look();
        put("S", 961);
        let shares: Vec<u64> = (0..4).map(|_| look().1).filter(|share| *share > 0).collect();
        assert_eq!(shares.len(), 1, "{shares:?}");
        assert!([840, 420, 280, 210].contains(&shares[0]), "{shares:?}");
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
