//! Processes by their state, and who uses most when the machine is busy.

use std::fmt::Write as _;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, gauge};
use crate::levels::{Level, Levels};
use crate::process_table::{Look, Process, Processes};
use crate::rate::number;
use crate::sys;

/// The kind of collector.
#[derive(Debug)]
pub struct ProcessStates;

/// Its settings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// From this share of the processors on, in percent, the busiest processes are named.
    pub cpu_mark: Option<f64>,
    /// From this share of memory on, in percent, the largest processes are named.
    pub memory_mark: Option<f64>,
}

const KEYS: &[Key] = &[
    Key::new(
        "cpu_mark",
        Kind::Number,
        "Load in percent from which on the busiest are named, beside the server's limits.",
    )
    .default("80 without such a limit"),
    Key::new(
        "memory_mark",
        Kind::Number,
        "Used memory in percent from which on the largest are named, beside the server's limits.",
    )
    .default("80 without such a limit"),
];

/// Where neither the host's file nor a limit of the server says from when on.
const DEFAULT_MARK: f64 = 80.0;

/// The kind of the event that names them; the page finds it by this word beside incidents.
const BUSY: &str = "busy";

/// How many are named.
const NAMED: usize = 5;

/// A level that lasts is told again after this time: who uses most may be another by then.
const AGAIN: Duration = Duration::from_hours(1);

/// A level has to fall to this share of a mark before it can cross it again: as the server's limits do, so
/// that a limit that is crossed anew finds them named anew.
const HYSTERESIS: f64 = 0.9;

/// Bound on the command line of a named process.
const MAX_COMMAND: usize = 80;

impl CollectorType for ProcessStates {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn manual(&self) -> &'static str {
        "Processes by their state, from `/proc/PID/stat` (proc_pid_stat(5)), as `process_monitor`:\n\n\
         - `total`: all of them; `kernel`: those that are threads of the kernel\n\
         - `running` (or waiting for a processor), `blocked` (in an uninterruptible wait, mostly for \
         a disk), `zombies` (ended, and not asked for by their parent), `stopped`\n\
         - `threads`: of all of them\n\n\
         Where `cpu_monitor.cpu_percent` or `memory_monitor.percent` crosses a limit that the server \
         has on it for this host (warning or critical, also of a mean over a while), or `cpu_mark` or \
         `memory_mark`, the event `busy` names the five processes that use most: with the very sample \
         that crosses it, and each hour while it lasts. The page of an incident shows it. Nothing is looked for while nothing is crossed.\n\n\
         Processes that must run are set elsewhere, as `agent.processes`; those are \
         `process_monitor.<name>.count`, `cpu_percent` and `memory_mb`."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "cpu_mark: 90\nmemory_mark: 95\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let mark = |key| section.opt_f64(key, 1.0..=100.0);
        Box::new(Settings { cpu_mark: mark("cpu_mark"), memory_mark: mark("memory_mark") })
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(ProcessCollector {
            processes: root.processes(),
            levels: root.levels(),
            cpu: Watched::new(Level::Cpu, self.cpu_mark),
            memory: Watched::new(Level::Memory, self.memory_mark),
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct ProcessCollector {
    processes: Processes,
    levels: Levels,
    cpu: Watched,
    memory: Watched,
    noticed: Vec<Noticed>,
    first: bool,
}

impl Collector for ProcessCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut table = self.processes.lock();
        let mut look = table.look(at, Duration::ZERO)?;
        values.extend(Counts::of(look.processes).values(look.total));
        for watched in [&mut self.cpu, &mut self.memory] {
            let percent = self.levels.get(watched.level);
            if watched.is_crossed(at, percent, &self.levels.marks(watched.level)) {
                match most(watched.level, percent, &mut look) {
                    Some(text) => {
                        let severity = Severity::Info;
                        self.noticed.push(Noticed { kind: BUSY, severity, text });
                    }
                    // It is too early to know; the next look does.
                    None => watched.told = None,
                }
            }
        }
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        ["total", "kernel", "running", "blocked", "zombies", "stopped", "threads"]
            .map(|metric| gauge(SeriesName::plain("process_monitor", metric), Unit::None, 0))
            .to_vec()
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

/// A level that is watched.
#[derive(Debug)]
struct Watched {
    level: Level,
    /// The host's own mark.
    own: Option<f64>,
    /// The highest mark that it has crossed and not fallen below since, and when that was told.
    told: Option<(f64, Mono)>,
}

impl Watched {
    fn new(level: Level, own: Option<f64>) -> Self {
        Self { level, own, told: None }
    }

    /// Returns true if it is to be told now, given the server's limits: a mark is crossed that was not, or it
    /// has been for long.
    fn is_crossed(&mut self, now: Mono, percent: f64, limits: &[f64]) -> bool {
        let default = (self.own.is_none() && limits.is_empty()).then_some(DEFAULT_MARK);
        let marks = || limits.iter().copied().chain(self.own).chain(default);
        let highest = |most: f64| marks().filter(|mark| *mark <= most).reduce(f64::max);
        // It may be above the mark by nothing at all: what was crossed stays so until it fell far enough.
        let held = highest(percent / HYSTERESIS);
        self.told = self.told.and_then(|(mark, at)| Some((mark.min(held?), at)));
        let Some(crossed) = highest(percent) else { return false };
        let tell = match self.told {
            None => true,
            Some((mark, at)) => crossed > mark || now.since(at) >= AGAIN,
        };
        if tell {
            self.told = Some((crossed, now));
        }
        tell
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    kernel: u64,
    running: u64,
    blocked: u64,
    zombies: u64,
    stopped: u64,
    threads: u64,
}

impl Counts {
    fn of(processes: &[Process]) -> Self {
        let mut counts = Self::default();
        for process in processes {
            counts.kernel += u64::from(process.is_kernel());
            counts.threads += u64::from(process.threads);
            match process.state {
                b'R' => counts.running += 1,
                b'D' => counts.blocked += 1,
                b'Z' => counts.zombies += 1,
                b'T' | b't' => counts.stopped += 1,
                _ => {}
            }
        }
        counts
    }

    fn values(self, total: usize) -> [f64; 7] {
        let Self { kernel, running, blocked, zombies, stopped, threads } = self;
        [total as u64, kernel, running, blocked, zombies, stopped, threads].map(number)
    }
}

/// Names those that use most; none where no use is known (the first look has no past).
fn most(level: Level, percent: f64, look: &mut Look<'_>) -> Option<String> {
    let used = |process: &Process| match level {
        Level::Cpu => process.recent_ticks,
        Level::Memory => process.rss_pages,
    };
    let mut top: Vec<&Process> = Vec::with_capacity(NAMED + 1);
    for process in look.processes.iter().filter(|process| used(process) > 0) {
        let place = top.partition_point(|other| used(other) >= used(process));
        if place < NAMED {
            top.insert(place, process);
            top.truncate(NAMED);
        }
    }
    if top.is_empty() {
        return None;
    }
    let mut text = match level {
        Level::Cpu => format!("processors are used by {percent:.0} %, most by"),
        Level::Memory => format!("memory is used by {percent:.0} %, most by"),
    };
    for (place, process) in top.iter().enumerate() {
        let use_text = match level {
            Level::Cpu => {
                let elapsed = look.since_last?.as_secs_f64();
                let seconds = number(process.recent_ticks) / number(sys::ticks_per_second());
                // Of one processor, as `top` shows it.
                format!("{:.0} %", 100.0 * seconds / elapsed.max(0.001))
            }
            Level::Memory => format!("{:.0} MiB", number(process.rss_bytes()) / 1024.0 / 1024.0),
        };
        let unit = unit_of(look.details.cgroup(process)).unwrap_or_default().to_owned();
        let command = look.details.command_line(process);
        let command = command.get(..command.floor_char_boundary(MAX_COMMAND)).unwrap_or(command);
        let comma = if place == 0 { "" } else { "," };
        let Process { pid, uid, .. } = process;
        // Writing to a text cannot fail.
        let _written = write!(text, "{comma} {use_text} {command} (pid {pid}, user {uid}");
        if !unit.is_empty() {
            let _written = write!(text, ", {unit}");
        }
        text.push(')');
    }
    Some(text)
}

/// The service, scope or slice that a process belongs to: the last part of its group.
fn unit_of(cgroup: &str) -> Option<&str> {
    // v2 has one line `0::/…`; v1 has systemd's own hierarchy among the others.
    let wanted = |line: &&str| line.starts_with("0::") || line.contains(":name=systemd:");
    let line = cgroup.lines().find(wanted)?;
    line.rsplit('/').find(|part| !part.is_empty() && !part.contains(':'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::marks::Marks;

    fn put(root: &Path, pid: u32, ppid: u32, state: char, ticks: u64, pages: u64) {
        let folder = root.join("proc").join(pid.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let flags = if ppid == 2 || pid == 2 { 0x0420_8060 } else { 0x40_0100 };
        let line = format!(
            "{pid} (p{pid}) {state} {ppid} 1 1 0 -1 {flags} 0 0 0 0 {ticks} 0 0 0 20 0 2 0 5 0 {pages} 0\n"
        );
        std::fs::write(folder.join("stat"), line).unwrap();
        std::fs::write(folder.join("cmdline"), format!("/usr/bin/p{pid}\0-x\0")).unwrap();
        std::fs::write(folder.join("cgroup"), "0::/system.slice/app.service\n").unwrap();
    }

    #[test]
    fn counts_each_state_once() {
        let folder = tempfile::tempdir().unwrap();
        for (pid, ppid, state) in [
            (1, 0, 'S'),
            (2, 0, 'S'),
            (3, 2, 'I'),
            (10, 1, 'R'),
            (11, 1, 'D'),
            (12, 1, 'Z'),
            (13, 1, 'T'),
            (14, 1, 't'),
        ] {
            put(folder.path(), pid, ppid, state, 1, 1);
        }
        let root = Root::at(folder.path());
        let mut collector = Settings::default().make(&root);
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(5), &mut values).unwrap(), Change::Other);
        assert_eq!(values, [8.0, 2.0, 1.0, 1.0, 1.0, 2.0, 16.0]);
        assert!(collector.noticed().is_empty(), "no level is known");
    }

    #[test]
    fn the_largest_are_named_when_a_mark_is_crossed_and_not_again_before_it_fell() {
        let folder = tempfile::tempdir().unwrap();
        for pid in 10..20 {
            put(folder.path(), pid, 1, 'S', u64::from(pid), u64::from(pid) * 1000);
        }
        let root = Root::at(folder.path());
        let mut collector = Settings { cpu_mark: None, memory_mark: Some(90.0) }.make(&root);
        let mut look = |at: u64, cpu: f64, memory: f64| {
            root.levels().set(Level::Cpu, cpu);
            root.levels().set(Level::Memory, memory);
            collector.collect(Mono(at), &mut Vec::new()).unwrap();
            collector.noticed().into_iter().map(|n| n.text).collect::<Vec<_>>()
        };
        assert_eq!(look(0, 20.0, 89.9), Vec::<String>::new());
        for pid in 10..20 {
            put(folder.path(), pid, 1, 'S', u64::from(pid) + if pid == 13 { 900 } else { 0 }, 1000);
        }
        let said = look(10_000, 85.0, 50.0);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(
                "processors are used by 85 %, most by 90 % /usr/bin/p13 -x (pid 13, user "
            ),
            "{said:?}"
        );
        assert!(said[0].ends_with(", app.service)"), "{said:?}");
        assert_eq!(look(20_000, 95.0, 50.0).len(), 0, "told already");
        assert_eq!(look(30_000, 75.0, 50.0).len(), 0);
        assert_eq!(look(40_000, 85.0, 50.0).len(), 0, "it did not fall far enough");
        assert_eq!(look(50_000, 60.0, 50.0).len(), 0);
        let said = look(60_000, 60.0, 91.0);
        assert!(said[0].starts_with("memory is used by 91 %, most by 4 MiB"), "{said:?}");
        assert_eq!(said[0].matches("pid").count(), NAMED);
        assert_eq!(look(61_000, 60.0, 92.0).len(), 0);
        assert_eq!(look(60_000 + 3_600_000, 60.0, 92.0).len(), 1, "after an hour again");
    }

    #[test]
    fn the_largest_are_named_at_each_limit_of_the_server_and_not_at_eighty_then() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), 10, 1, 'S', 1, 1000);
        let root = Root::at(folder.path());
        let mut collector = Settings::default().make(&root);
        let mut look = |at: u64, memory: f64| {
            root.levels().set(Level::Memory, memory);
            collector.collect(Mono(at), &mut Vec::new()).unwrap();
            collector.noticed().len()
        };
        let given = |text: &str| {
            let document = hark_config::Document::single(text);
            root.levels().set_marks(Marks::read(&document.root(&hark_config::NoSecrets)));
            assert!(!document.has_errors());
        };
        assert_eq!(look(0, 70.0), 0, "below 80");
        given("marks: {memory: [90, 60]}\n");
        assert_eq!(look(1000, 70.0), 1, "above 60");
        assert_eq!(look(2000, 85.0), 0, "80 is no limit of this host");
        assert_eq!(look(3000, 91.0), 1, "above 90");
        assert_eq!(look(4000, 82.0), 0);
        assert_eq!(look(5000, 91.0), 0, "it did not fall far enough");
        assert_eq!(look(6000, 80.0), 0);
        assert_eq!(look(7000, 91.0), 1, "crossed anew");
        assert_eq!(look(8000, 50.0), 0);
        assert_eq!(look(9000, 60.0), 1);
        given("{}\n");
        assert_eq!(look(10_000, 79.0), 0);
        assert_eq!(look(11_000, 80.0), 1);
    }

    #[test]
    fn who_is_busy_at_the_first_look_is_named_with_the_second() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), 10, 1, 'R', 100, 1000);
        let root = Root::at(folder.path());
        let mut collector = Settings::default().make(&root);
        root.levels().set(Level::Cpu, 100.0);
        collector.collect(Mono(1000), &mut Vec::new()).unwrap();
        assert!(collector.noticed().is_empty(), "it may have been busy long ago");
        put(folder.path(), 10, 1, 'R', 200, 1000);
        collector.collect(Mono(2000), &mut Vec::new()).unwrap();
        let said = collector.noticed();
        assert!(said[0].text.contains("100 % /usr/bin/p10"), "{said:?}");
    }

    #[test]
    fn units_are_found_in_both_forms_of_groups() {
        assert_eq!(unit_of("0::/system.slice/ssh.service\n"), Some("ssh.service"));
        let old = "12:cpu,cpuacct:/x\n1:name=systemd:/user.slice/user-1000.slice/session-4.scope\n";
        assert_eq!(unit_of(old), Some("session-4.scope"));
        assert_eq!(unit_of("0::/\n"), None);
        assert_eq!(unit_of(""), None);
    }
}
