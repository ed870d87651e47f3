//! Load of the processors, from `/proc/stat`, and their frequency.

use std::path::PathBuf;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::levels::{Level, Levels};
use crate::pressure::Pressure;
use crate::rate::{number, percent};
use crate::source::{Short, Source, lines};

/// The kind of collector.
#[derive(Debug)]
pub struct Cpu;

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether each processor has its own series as well.
    pub per_core: bool,
}

const KEYS: &[Key] =
    &[Key::new("per_core", Kind::Bool, "Also load and frequency of each processor.")
        .default("false")];

/// Bound on processors with their own series, of the 4096 that a host may have.
const MAX_CORES: usize = 1024;

/// Bound on frequency files read each time: reading one may interrupt the processor it tells of.
const MAX_FREQUENCIES: usize = 8;

/// Bound on processors whose own frequency is read, for the same reason; whoever wants each
/// processor pays for it.
const MAX_CORE_FREQUENCIES: usize = 64;

impl CollectorType for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn manual(&self) -> &'static str {
        "Load of the processors since the last look, from `/proc/stat` (proc_stat(5)), as \
         `cpu_monitor`:\n\n\
         - `cpu_percent`: all that is neither idle nor waiting for a disk\n\
         - `user_percent` (with niced), `system_percent` (with interrupts), `iowait_percent`, \
         `steal_percent` (taken by the hypervisor)\n\
         - `cpu_count`: processors in use\n\
         - `frequency_mhz`: mean of up to 8 processors; absent where the kernel does not tell\n\
         - `pressure_percent`: share of time in which work waited for a processor, from \
         `/proc/pressure/cpu`\n\
         - with `per_core`, `cpu_monitor.cpu0.cpu_percent` and `frequency_mhz` (where the kernel \
         tells it) and so on\n\n\
         The first look after a start has no percentages."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "per_core: true\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings { per_core: section.bool("per_core", false) })
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(CpuCollector {
            settings: *self,
            stat: Source::new(root, "proc/stat"),
            frequency: Frequency::Unknown(root.clone()),
            last: Stat { root: root.clone(), all: Times::default(), cores: Vec::new() },
            levels: root.levels(),
            pressure: Pressure::new(root, "cpu"),
            first: true,
        })
    }
}

#[derive(Debug)]
struct CpuCollector {
    settings: Settings,
    stat: Source,
    frequency: Frequency,
    last: Stat,
    levels: Levels,
    pressure: Pressure,
    first: bool,
}

impl Collector for CpuCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let bytes = self.stat.read()?;
        let mut cores = 0;
        let mut changed = self.first;
        let mut all = None;
        let start = values.len();
        values.resize(start + PLAIN.len(), f64::NAN);
        for (core, times) in parse(bytes) {
            let Some(core) = core else {
                all = Some(times);
                continue;
            };
            if self.settings.per_core && cores < MAX_CORES {
                changed |= self.last.take_core(cores, core, times, values);
            }
            cores += 1;
        }
        let Some(all) = all else {
            values.truncate(start);
            return Err(self.stat.form());
        };
        let kept = cores.min(MAX_CORES);
        if self.settings.per_core && self.last.cores.len() > kept {
            self.last.cores.truncate(kept);
            changed = true;
        }
        let shares = self.last.all.shares_until(all);
        self.last.all = all;
        self.levels.set(Level::Cpu, shares.busy);
        self.first = false;
        let plain = [
            shares.busy,
            shares.user,
            shares.system,
            shares.iowait,
            shares.steal,
            number(cores as u64),
            self.frequency.megahertz(),
            self.pressure.next(at).some,
        ];
        for (place, value) in values.iter_mut().skip(start).zip(plain) {
            *place = value;
        }
        Ok(if changed { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let mut series: Vec<SeriesDef> = PLAIN
            .iter()
            .map(|(metric, unit, decimals)| {
                gauge(SeriesName::plain("cpu_monitor", metric), *unit, *decimals)
            })
            .collect();
        for core in &self.last.cores {
            let named =
                |metric| SeriesName::of("cpu_monitor", &format!("cpu{}", core.number), metric);
            series.push(gauge(named("cpu_percent"), Unit::Percent, 1));
            if core.frequency.is_some() {
                series.push(gauge(named("frequency_mhz"), Unit::Megahertz, 0));
            }
        }
        series
    }
}

/// The series that are always there.
const PLAIN: [(&str, Unit, u8); 8] = [
    ("cpu_percent", Unit::Percent, 1),
    ("user_percent", Unit::Percent, 1),
    ("system_percent", Unit::Percent, 1),
    ("iowait_percent", Unit::Percent, 1),
    ("steal_percent", Unit::Percent, 1),
    ("cpu_count", Unit::None, 0),
    ("frequency_mhz", Unit::Megahertz, 0),
    ("pressure_percent", Unit::Percent, 1),
];

/// The counters of the look before.
#[derive(Debug)]
struct Stat {
    root: Root,
    all: Times,
    cores: Vec<Core>,
}

/// A processor with series of its own.
#[derive(Debug)]
struct Core {
    number: u32,
    last: Times,
    /// None on machines whose kernel does not tell the frequency of each.
    frequency: Option<Short>,
}

impl Core {
    fn new(root: &Root, number: u32, last: Times, with_frequency: bool) -> Self {
        let path =
            root.join(&format!("sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq"));
        let frequency = (with_frequency && path.exists()).then(|| Short::new(path));
        Self { number, last, frequency }
    }

    fn push(&mut self, busy: f64, values: &mut Vec<f64>) {
        values.push(busy);
        let kilohertz = self.frequency.as_mut().map(|file| file.number().unwrap_or(f64::NAN));
        values.extend(kilohertz.map(|kilohertz| kilohertz / 1000.0));
    }
}

impl Stat {
    /// Pushes the load of the processor `core`, at place `index` of those seen; returns true if
    /// another one was at that place before (processors come and go).
    fn take_core(&mut self, index: usize, core: u32, now: Times, values: &mut Vec<f64>) -> bool {
        if let Some(known) = self.cores.get_mut(index).filter(|known| known.number == core) {
            let busy = known.last.shares_until(now).busy;
            known.last = now;
            known.push(busy, values);
            return false;
        }
        self.cores.truncate(index);
        let mut new = Core::new(&self.root, core, now, index < MAX_CORE_FREQUENCIES);
        new.push(f64::NAN, values);
        self.cores.push(new);
        true
    }
}

/// Ticks spent so far. Guests' time is part of user's in the kernel and not counted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Times {
    user: u64,
    system: u64,
    idle: u64,
    iowait: u64,
    steal: u64,
}

/// Shares in percent between two looks; all NaN if there is nothing to compare.
#[derive(Clone, Copy, Debug)]
struct Shares {
    busy: f64,
    user: f64,
    system: f64,
    iowait: f64,
    steal: f64,
}

impl Times {
    /// Returns the shares from `self` to the later `now`. Idle and I/O wait can go back by some ticks
    /// (the kernel says so); each difference is cut at zero. The first look has no past (`self` is
    /// all zero): shares since boot would be a lie about now.
    fn shares_until(self, now: Self) -> Shares {
        let known = self != Self::default();
        let user = now.user.saturating_sub(self.user);
        let system = now.system.saturating_sub(self.system);
        let idle = now.idle.saturating_sub(self.idle);
        let iowait = now.iowait.saturating_sub(self.iowait);
        let steal = now.steal.saturating_sub(self.steal);
        let total = if known { user + system + idle + iowait + steal } else { 0 };
        Shares {
            busy: percent(user + system + steal, total),
            user: percent(user, total),
            system: percent(system, total),
            iowait: percent(iowait, total),
            steal: percent(steal, total),
        }
    }
}

/// Reads the `cpu` lines of `/proc/stat`: the number of the processor, none for the sum of all.
fn parse(bytes: &[u8]) -> impl Iterator<Item = (Option<u32>, Times)> {
    lines(bytes).map_while(|line| line.strip_prefix("cpu")).filter_map(|line| {
        let (number, fields) = line.split_once(' ')?;
        let core = if number.is_empty() { None } else { Some(number.parse().ok()?) };
        let mut fields = fields.split_ascii_whitespace();
        // Kernels before 2.6.11 have fewer fields: what is missing is zero.
        let mut next = || match fields.next() {
            Some(field) => field.parse::<u64>().ok(),
            None => Some(0),
        };
        let (user, nice, system, idle) = (next()?, next()?, next()?, next()?);
        let (iowait, irq, softirq, steal) = (next()?, next()?, next()?, next()?);
        let times = Times {
            user: user.saturating_add(nice),
            system: system.saturating_add(irq).saturating_add(softirq),
            idle,
            iowait,
            steal,
        };
        Some((core, times))
    })
}

/// Where the frequency comes from, found out at the first look.
#[derive(Debug)]
enum Frequency {
    Unknown(Root),
    /// Files that follow the frequency.
    Followed(Vec<Source>),
    /// Without frequency control (virtual machines) it does not change: read once.
    Fixed(f64),
}

impl Frequency {
    fn megahertz(&mut self) -> f64 {
        match self {
            Self::Fixed(megahertz) => *megahertz,
            Self::Followed(sources) => mean(sources),
            Self::Unknown(root) => {
                let policies = policies(root);
                if policies.is_empty() {
                    let cpuinfo =
                        Source::new(root, "proc/cpuinfo").read().map_or(f64::NAN, nominal);
                    *self = Self::Fixed(cpuinfo);
                } else {
                    *self = Self::Followed(policies);
                }
                self.megahertz()
            }
        }
    }
}

fn policies(root: &Root) -> Vec<Source> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root.join("sys/devices/system/cpu/cpufreq"))
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    found.sort();
    found.retain(|path| path.join("scaling_cur_freq").exists());
    found.truncate(MAX_FREQUENCIES);
    found.iter().map(|path| Source::new(&Root::at(path), "scaling_cur_freq")).collect()
}

fn mean(sources: &mut [Source]) -> f64 {
    let (mut sum, mut count) = (0, 0_u64);
    for source in sources {
        let kilohertz = source
            .read()
            .ok()
            .and_then(|bytes| std::str::from_utf8(bytes).ok()?.trim().parse::<u64>().ok());
        if let Some(kilohertz) = kilohertz {
            sum += kilohertz;
            count += 1;
        }
    }
    if count == 0 { f64::NAN } else { number(sum) / number(count) / 1000.0 }
}

/// The first `cpu MHz` of `/proc/cpuinfo`; NaN on machines that do not tell (most of ARM).
fn nominal(bytes: &[u8]) -> f64 {
    lines(bytes)
        .find_map(|line| line.strip_prefix("cpu MHz")?.split_once(':')?.1.trim().parse().ok())
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "\
cpu  19799 4509 5891 250793 239 7 70 83 11 0
cpu0 9785 2165 2812 125775 42 0 9 39 0 0
cpu1 10013 2344 3079 125018 196 7 61 43 11 0
intr 283437 0 0
btime 1763672000
";

    #[test]
    fn parses_lines_of_all_kernels() {
        let of = |text: &str| parse(text.as_bytes()).collect::<Vec<_>>();
        let times = |user, system, idle, iowait, steal| Times { user, system, idle, iowait, steal };
        assert_eq!(
            of(STAT),
            [
                (None, times(24308, 5968, 250_793, 239, 83)),
                (Some(0), times(11950, 2821, 125_775, 42, 39)),
                (Some(1), times(12357, 3147, 125_018, 196, 43)),
            ]
        );
        assert_eq!(of("cpu  1 2 3 4\n"), [(None, times(3, 3, 4, 0, 0))], "kernel 2.4");
        assert_eq!(of("cpu  1 2 3 4 5 6 7 8 9 10 11 12\n"), [(None, times(3, 16, 4, 5, 8))]);
        assert_eq!(of("cpu  1 x 3 4\ncpu0 1 1 1 1\n"), [(Some(0), times(2, 1, 1, 0, 0))]);
        assert_eq!(of(""), []);
        assert_eq!(of("intr 5\ncpu 1 1 1 1\n"), [], "cpu lines come first in every kernel");
    }

    #[test]
    fn shares_add_up_and_counters_that_go_back_count_as_still() {
        let before = Times { user: 100, system: 50, idle: 1000, iowait: 10, steal: 0 };
        let now = Times { user: 130, system: 60, idle: 1050, iowait: 5, steal: 10 };
        let shares = before.shares_until(now);
        assert!((shares.busy - 50.0).abs() < 1e-9);
        assert!((shares.user - 30.0).abs() < 1e-9);
        assert!((shares.system - 10.0).abs() < 1e-9);
        assert!((shares.iowait - 0.0).abs() < 1e-9);
        assert!((shares.steal - 10.0).abs() < 1e-9);
        assert!(before.shares_until(before).busy.is_nan(), "no tick has passed");
        assert!(Times::default().shares_until(now).busy.is_nan(), "since boot is not now");
    }

    fn collect(collector: &mut dyn Collector) -> (Change, Vec<f64>) {
        let mut values = Vec::new();
        let change = collector.collect(Mono(0), &mut values).unwrap();
        assert_eq!(values.len(), collector.series().len());
        (change, values)
    }

    #[test]
    fn a_processor_that_comes_makes_another_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("proc/stat"), text).unwrap();
        let mut collector = Settings { per_core: true }.make(&Root::at(folder.path()));
        write("cpu  100 0 0 100\ncpu0 100 0 0 100\n");
        let (change, values) = collect(&mut *collector);
        assert_eq!((change, values.len()), (Change::Other, 9));
        assert!(values[0].is_nan());
        write("cpu  200 0 0 200\ncpu0 200 0 0 200\n");
        let (change, values) = collect(&mut *collector);
        assert_eq!(change, Change::Same);
        assert!((values[0] - 50.0).abs() < 1e-9 && (values[8] - 50.0).abs() < 1e-9);
        write("cpu  300 0 0 300\ncpu0 250 0 0 250\ncpu1 5 0 0 5\n");
        let (change, values) = collect(&mut *collector);
        assert_eq!((change, values.len()), (Change::Other, 10));
        assert_eq!(collector.series()[9].name.path(), "cpu_monitor.cpu1.cpu_percent");
        write("cpu  300 0 0 400\ncpu1 5 0 0 6\n");
        let (change, values) = collect(&mut *collector);
        assert_eq!((change, values.len()), (Change::Other, 9));
        assert_eq!(collector.series()[8].name.path(), "cpu_monitor.cpu1.cpu_percent");
    }

    #[test]
    fn each_processor_has_its_frequency_where_the_kernel_tells_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        std::fs::write(
            folder.path().join("proc/stat"),
            "cpu  1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n",
        )
        .unwrap();
        let cpufreq = folder.path().join("sys/devices/system/cpu/cpu1/cpufreq");
        std::fs::create_dir_all(&cpufreq).unwrap();
        std::fs::write(cpufreq.join("scaling_cur_freq"), "2400000\n").unwrap();
        let mut collector = Settings { per_core: true }.make(&Root::at(folder.path()));
        let (_, values) = collect(&mut *collector);
        assert_eq!(values.len(), 8 + 1 + 2);
        assert_eq!(collector.series()[10].name.path(), "cpu_monitor.cpu1.frequency_mhz");
        assert!((values[10] - 2400.0).abs() < 1e-9);
    }

    #[test]
    fn frequency_is_followed_where_it_moves_and_fixed_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        assert!(Frequency::Unknown(root.clone()).megahertz().is_nan());
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        std::fs::write(folder.path().join("proc/cpuinfo"), "a: b\ncpu MHz\t\t: 2596.122\n")
            .unwrap();
        assert!((Frequency::Unknown(root.clone()).megahertz() - 2596.122).abs() < 1e-9);
        for (policy, kilohertz) in [("policy0", "1000000\n"), ("policy4", "3000000\n")] {
            let path = folder.path().join("sys/devices/system/cpu/cpufreq").join(policy);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("scaling_cur_freq"), kilohertz).unwrap();
        }
        assert!((Frequency::Unknown(root).megahertz() - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_sum_line_it_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        std::fs::write(folder.path().join("proc/stat"), "cpu0 1 1 1 1\n").unwrap();
        let mut values = Vec::new();
        let mut collector = Settings { per_core: false }.make(&Root::at(folder.path()));
        assert!(matches!(collector.collect(Mono(0), &mut values), Err(Absent::Form { .. })));
        assert!(values.is_empty());
    }
}
