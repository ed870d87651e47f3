//! Processes by their state, and who uses most when the machine is busy.

use std::fmt::Write as _;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, gauge};
use crate::levels::{Level, Levels, Marked};
use crate::marks::{Mark, Marks, Of};
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

/// A level has to fall to this share of the host's own mark before it can cross it again, as it has to for the
/// server's limits unless these say otherwise: one that is crossed anew finds them named anew.
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
         Where a series of `cpu_monitor` or `memory_monitor` crosses a limit that the server has on it for \
         this host (warning or critical, above or below, of all processors or of one, also of a mean over \
         a while; not on growth, deviation and what else is derived of a past), or where load or used \
         memory reaches `cpu_mark` or `memory_mark`, the event `busy` names the five processes that use \
         most: of processor time or of memory, with the look that crosses it, and each hour while it lasts. \
         The page of an incident shows it. Nothing is looked for while nothing is crossed.\n\n\
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
            watched: [
                Watched::new(Level::Cpu, self.cpu_mark),
                Watched::new(Level::Memory, self.memory_mark),
            ],
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct ProcessCollector {
    processes: Processes,
    levels: Levels,
    watched: [Watched; 2],
    noticed: Vec<Noticed>,
    first: bool,
}

impl Collector for ProcessCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut table = self.processes.lock();
        let mut look = table.look(at, Duration::ZERO)?;
        values.extend(Counts::of(look.processes).values(look.total));
        for watched in &mut self.watched {
            let percent = self.levels.get(watched.level);
            let Some(why) = watched.crossed(at, percent, &self.levels.marked()) else { continue };
            match most(watched.level, percent, &mut look) {
                Some(text) => {
                    let (severity, text) = (Severity::Info, format!("{why}{text}"));
                    self.noticed.push(Noticed { kind: BUSY, severity, text });
                }
                // It is too early to know; the next look does.
                None => watched.forget(at),
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

/// A level that is watched, with all that the server has limits on and that is about it.
#[derive(Debug)]
struct Watched {
    level: Level,
    /// The series that is the level itself.
    main: SeriesName,
    /// The host's own mark.
    own: Option<f64>,
    /// What was crossed and has not come back since.
    held: Vec<Held>,
}

/// A mark that is crossed.
#[derive(Clone, Debug, PartialEq)]
struct Held {
    of: Of,
    mark: Mark,
    /// When that was told last.
    told: Mono,
}

impl Watched {
    fn new(level: Level, own: Option<f64>) -> Self {
        let main = SeriesName::plain(level.collector(), level.metric());
        Self { level, main, own, held: Vec::new() }
    }

    /// Returns, if it is to be told now, why: a mark is crossed that was not, or one has been for long. Empty where
    /// it is that of the level itself, which is told anyway.
    fn crossed(&mut self, now: Mono, percent: f64, marked: &Marked) -> Option<String> {
        let was = std::mem::take(&mut self.held);
        let mut why = None;
        let about = |series: &SeriesName| {
            series.collector == self.level.collector() && *series != self.main
        };
        let others = marked.values.iter().filter(|(series, _)| about(series));
        let others = others.map(|(series, value)| (series, *value));
        for (series, value) in std::iter::once((&self.main, percent)).chain(others) {
            let held = self.marks(series, &marked.marks);
            for (of, mark) in held.into_iter().filter(|(_, mark)| mark.is_held(value)) {
                let same = |held: &&Held| held.of == of && held.mark == mark;
                let is_crossed = mark.is_crossed(value);
                let told = match was.iter().find(same).map(|held| held.told) {
                    // It may be above the mark by nothing at all: it stays so until it has come back.
                    Some(told) if !is_crossed || now.since(told) < AGAIN => told,
                    None if !is_crossed => continue,
                    Some(_) | None => {
                        why.get_or_insert_with(|| self.words(series, value));
                        now
                    }
                };
                match self.held.iter_mut().find(|held| same(&&**held)) {
                    // Another instance of the same.
                    Some(held) => held.told = held.told.max(told),
                    None => self.held.push(Held { of, mark, told }),
                }
            }
        }
        why
    }

    /// Returns the marks on a series.
    fn marks(&self, series: &SeriesName, limits: &Marks) -> Vec<(Of, Mark)> {
        let of_server = limits.of(series).into_iter();
        let mut marks: Vec<_> = of_server
            .flat_map(|(of, marks)| marks.iter().map(move |mark| (of.clone(), *mark)))
            .collect();
        if *series == self.main {
            let default = marks.is_empty().then_some(DEFAULT_MARK);
            let own = self.own.or(default).map(|mark| Mark::from(mark, mark * HYSTERESIS));
            marks.extend(own.map(|mark| (Of::One(series.clone()), mark)));
        }
        marks
    }

    fn words(&self, series: &SeriesName, value: f64) -> String {
        if *series == self.main {
            return String::new();
        }
        format!("{series} is {}; ", Unit::of_metric(&series.metric).show(value))
    }

    /// Has what was told at this look be told at the next one.
    fn forget(&mut self, told: Mono) {
        self.held.retain(|held| held.told != told);
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
        Level::Cpu => "processors are used".to_owned(),
        Level::Memory => "memory is used".to_owned(),
    };
    if !percent.is_nan() {
        // Writing to a text cannot fail.
        let _written = write!(text, " by {percent:.0} %,");
    }
    text.push_str(" most by");
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
        given("marks: {memory_monitor.percent: ['> 90 81', '> 60 54']}\n");
        assert_eq!(look(1000, 70.0), 1, "above 60");
        assert_eq!(look(2000, 85.0), 0, "80 is no limit of this host");
        assert_eq!(look(3000, 91.0), 1, "above 90");
        assert_eq!(look(4000, 82.0), 0);
        assert_eq!(look(5000, 91.0), 0, "it did not fall far enough");
        assert_eq!(look(6000, 80.0), 0);
        assert_eq!(look(7000, 91.0), 1, "crossed anew");
        assert_eq!(look(8000, 50.0), 0);
        assert_eq!(look(9000, 60.0), 0);
        assert_eq!(look(9500, 60.1), 1);
        given("{}\n");
        assert_eq!(look(10_000, 79.0), 0);
        assert_eq!(look(11_000, 80.0), 1);
    }

    #[test]
    fn the_busiest_are_named_at_limits_on_all_that_is_about_processors_and_memory() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), 10, 1, 'S', 1, 1000);
        let root = Root::at(folder.path());
        let mut collector = Settings::default().make(&root);
        let document = hark_config::Document::single(
            "marks: {cpu_monitor.load_1min: ['> 8 7.2'], cpu_monitor.cpu_percent: ['> 60 54'], \
             cpu_monitor.cpu1.cpu_percent: ['> 99 90'], memory_monitor.available_mb: ['< 500 550'], \
             memory_monitor.swap_percent: ['== 100 100']}\n",
        );
        root.levels().set_marks(Marks::read(&document.root(&hark_config::NoSecrets)));
        let mut ticks = 1;
        let mut look = |at: u64, found: &[(&str, &str, &str, f64)]| {
            ticks += 100;
            put(folder.path(), 10, 1, 'S', ticks, 1000);
            root.levels().set(Level::Cpu, 20.0);
            root.levels().set(Level::Memory, 30.0);
            let names = found.iter().map(|(collector, instance, metric, value)| {
                (SeriesName::of(collector, instance, metric), *value)
            });
            let names: Vec<_> = names.collect();
            root.levels().note(names.iter().map(|(name, value)| (name, *value)));
            collector.collect(Mono(at), &mut Vec::new()).unwrap();
            collector.noticed().into_iter().map(|noticed| noticed.text).collect::<Vec<_>>()
        };
        let load = |value| ("cpu_monitor", "", "load_1min", value);
        let core = |name, value| ("cpu_monitor", name, "cpu_percent", value);
        let free = |value| ("memory_monitor", "", "available_mb", value);
        let swap = |value| ("memory_monitor", "", "swap_percent", value);
        let none = Vec::<String>::new();
        assert_eq!(look(0, &[load(1.0), free(600.0), swap(99.0)]), none);
        let said = look(1000, &[load(8.5)]);
        assert!(
            said[0].starts_with(
                "cpu_monitor.load_1min is 8.5; processors are used by 20 %, most by 100 % /usr"
            ),
            "{said:?}"
        );
        assert_eq!((said.len(), look(2000, &[load(7.5)])), (1, none.clone()), "it is still held");
        assert_eq!(look(3000, &[load(9.0)]), none);
        assert_eq!(look(4000, &[load(7.0)]), none);
        assert_eq!(look(5000, &[load(9.0)]).len(), 1, "crossed anew");
        // Single processors: those without a limit of their own as one.
        assert_eq!(look(6000, &[core("cpu0", 50.0), core("cpu1", 70.0)]), none);
        let said = look(7000, &[core("cpu0", 61.0)]);
        assert!(said[0].starts_with("cpu_monitor.cpu0.cpu_percent is 61.0 %; proc"), "{said:?}");
        assert_eq!(look(8000, &[core("cpu2", 90.0), core("cpu0", 0.0)]), none, "one of them is");
        assert_eq!(look(9000, &[core("cpu1", 100.0)]).len(), 1, "a limit of its own");
        assert_eq!(look(10_000, &[core("cpu2", 0.0), core("cpu1", 0.0)]), none);
        assert_eq!(look(11_000, &[core("cpu2", 90.0)]).len(), 1);
        // Below, and equal.
        let said = look(12_000, &[free(499.0)]);
        let head =
            "memory_monitor.available_mb is 499.0 MiB; memory is used by 30 %, most by 4 MiB";
        assert!(said[0].starts_with(head), "{said:?}");
        assert_eq!(look(13_000, &[free(540.0)]), none);
        assert_eq!(look(14_000, &[swap(100.0), free(f64::NAN)]).len(), 1);
        assert_eq!(look(15_000, &[swap(99.0), free(400.0)]).len(), 1, "it was absent, and is back");
        assert_eq!(look(16_000 + 3_600_000, &[]).len(), 2, "both last for an hour");
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
