//! Memory and swap, from `/proc/meminfo`.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, counter, gauge};
use crate::levels::{Level, Levels};
use crate::pressure::Pressure;
use crate::rate::{number, percent};
use crate::source::{Source, lines};

/// The kind of collector.
#[derive(Debug)]
pub struct Memory;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// How often `/proc/vmstat` is read: the kernel adds up the figures of all processors for each of two
/// hundred lines, which takes longer than all else here together.
const KILLS_EVERY: Duration = Duration::from_mins(1);

impl CollectorType for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn manual(&self) -> &'static str {
        "Memory and swap from `/proc/meminfo`, as `memory_monitor`, in MiB:\n\n\
         - `percent`: what programs cannot get any more: total without available\n\
         - `total_mb`, `available_mb`, `used_mb` (total without available), `cached_mb` (page cache, \
         buffers and reclaimable slab)\n\
         - `swap_percent`, `swap_total_mb`, `swap_used_mb`; 0 on a machine without swap\n\
         - `pressure_percent`, `pressure_full_percent`: share of time in which some work, or all of \
         it, waited for memory, from `/proc/pressure/memory`\n\
         - `oom_kills`: processes killed because memory ran out, since boot, from `/proc/vmstat` \
         (Linux 4.13), looked at each minute; more of them are the event `oom_kill`\n\n\
         Kernels before 3.14 do not tell what is available: there it is free memory and caches."
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "enabled: true\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(MemoryCollector {
            meminfo: Source::new(root, "proc/meminfo"),
            vmstat: Source::new(root, "proc/vmstat"),
            pressure: Pressure::new(root, "memory"),
            levels: root.levels(),
            killed: None,
            asked: None,
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct MemoryCollector {
    meminfo: Source,
    vmstat: Source,
    pressure: Pressure,
    levels: Levels,
    /// Killed as of the last look at that, and when that was.
    killed: Option<u64>,
    asked: Option<Mono>,
    noticed: Vec<Noticed>,
    first: bool,
}

impl Collector for MemoryCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let Some(found) = parse(self.meminfo.read()?) else { return Err(self.meminfo.form()) };
        let used = found.total.saturating_sub(found.available);
        let swap_used = found.swap_total.saturating_sub(found.swap_free);
        let swap_percent =
            if found.swap_total == 0 { 0.0 } else { percent(swap_used, found.swap_total) };
        self.levels.set(Level::Memory, percent(used, found.total));
        values.extend([
            percent(used, found.total),
            mebibytes(found.total),
            mebibytes(found.available),
            mebibytes(used),
            mebibytes(found.cached),
            swap_percent,
            mebibytes(found.swap_total),
            mebibytes(swap_used),
        ]);
        let pressure = self.pressure.next(at);
        values.extend([pressure.some, pressure.full]);
        if self.asked.is_none_or(|then| at.since(then) >= KILLS_EVERY) {
            self.asked = Some(at);
            self.look_at_kills();
        }
        values.push(self.killed.map_or(f64::NAN, number));
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let named = |metric, unit, decimals| {
            gauge(SeriesName::plain("memory_monitor", metric), unit, decimals)
        };
        vec![
            named("percent", Unit::Percent, 1),
            named("total_mb", Unit::Mebibytes, 1),
            named("available_mb", Unit::Mebibytes, 1),
            named("used_mb", Unit::Mebibytes, 1),
            named("cached_mb", Unit::Mebibytes, 1),
            named("swap_percent", Unit::Percent, 1),
            named("swap_total_mb", Unit::Mebibytes, 1),
            named("swap_used_mb", Unit::Mebibytes, 1),
            named("pressure_percent", Unit::Percent, 1),
            named("pressure_full_percent", Unit::Percent, 1),
            counter(SeriesName::plain("memory_monitor", "oom_kills"), Unit::None),
        ]
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

impl MemoryCollector {
    fn look_at_kills(&mut self) {
        let killed = self.vmstat.read().ok().and_then(oom_kills);
        let more = killed.zip(self.killed).map_or(0, |(now, before)| now.saturating_sub(before));
        if more > 0 {
            let text = format!("memory ran out: the kernel killed {more} of the processes");
            self.noticed.push(Noticed { kind: "oom_kill", severity: Severity::Warning, text });
        }
        self.killed = killed;
    }
}

fn mebibytes(kibibytes: u64) -> f64 {
    number(kibibytes) / 1024.0
}

/// Kibibytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    total: u64,
    available: u64,
    cached: u64,
    swap_total: u64,
    swap_free: u64,
}

/// Reads `/proc/meminfo`; none if there is no total or nothing to tell what is available.
fn parse(bytes: &[u8]) -> Option<Found> {
    let (mut total, mut available, mut free) = (None, None, None);
    let (mut caches, mut swap_total, mut swap_free) = (0_u64, 0, 0);
    for line in lines(bytes) {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let value = || rest.split_ascii_whitespace().next().and_then(|n| n.parse::<u64>().ok());
        match name {
            "MemTotal" => total = value(),
            "MemFree" => free = value(),
            "MemAvailable" => available = value(),
            "Buffers" | "Cached" | "SReclaimable" => {
                caches = caches.saturating_add(value().unwrap_or(0));
            }
            "SwapTotal" => swap_total = value().unwrap_or(0),
            "SwapFree" => swap_free = value().unwrap_or(0),
            _ => {}
        }
    }
    let total = total.filter(|total| *total > 0)?;
    let available = available.or(free.map(|free| free.saturating_add(caches)))?.min(total);
    Some(Found { total, available, cached: caches, swap_total, swap_free })
}

/// Reads `/proc/vmstat`.
fn oom_kills(bytes: &[u8]) -> Option<u64> {
    lines(bytes).find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_kernels_write() {
        let new = "\
MemTotal:       24684092 kB
MemFree:        23146584 kB
MemAvailable:   24195196 kB
Buffers:            4256 kB
Cached:          1205492 kB
SwapCached:            7 kB
SwapTotal:       2097148 kB
SwapFree:        1048574 kB
SReclaimable:     122192 kB
HugePages_Total:       0
";
        assert_eq!(
            parse(new.as_bytes()),
            Some(Found {
                total: 24_684_092,
                available: 24_195_196,
                cached: 4256 + 1_205_492 + 122_192,
                swap_total: 2_097_148,
                swap_free: 1_048_574,
            })
        );
        let old = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n";
        let found = parse(old.as_bytes()).unwrap();
        assert_eq!((found.available, found.swap_total), (420, 0), "kernel before 3.14");
        let odd = "MemTotal: 1000 kB\nMemAvailable: 5000 kB\n";
        assert_eq!(parse(odd.as_bytes()).unwrap().available, 1000, "seen in containers");
        for bad in ["", "MemTotal: 0 kB\nMemFree: 0 kB\n", "MemTotal: x kB\n", "MemTotal: 5 kB\n"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn percent_matches_used_and_no_swap_is_zero() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        let text = "MemTotal: 4096 kB\nMemFree: 0 kB\nMemAvailable: 1024 kB\nSwapTotal: 0 kB\n";
        std::fs::write(folder.path().join("proc/meminfo"), text).unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert_eq!(values[..8], [75.0, 4.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(values[8..].iter().all(|v| v.is_nan()), "an old kernel does not tell");
        assert_eq!(collector.series().len(), values.len());
    }

    #[test]
    fn a_process_killed_for_memory_is_an_event_and_those_before_the_start_are_not() {
        assert_eq!(oom_kills(b"pgfault 5\noom_kill 3\nnuma_hit 1\n"), Some(3));
        assert_eq!(oom_kills(b"oom_killer 3\n"), None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        std::fs::write(folder.path().join("proc/meminfo"), "MemTotal: 8 kB\nMemFree: 4 kB\n")
            .unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut look = |minute: u64, killed: u64| {
            std::fs::write(folder.path().join("proc/vmstat"), format!("oom_kill {killed}\n"))
                .unwrap();
            let mut values = Vec::new();
            collector.collect(Mono(minute * 60_000), &mut values).unwrap();
            assert_eq!(values.len(), collector.series().len());
            (values[10], collector.noticed().into_iter().map(|n| n.text).collect::<Vec<_>>())
        };
        assert_eq!(look(0, 4), (4.0, Vec::new()));
        assert_eq!(look(1, 4), (4.0, Vec::new()));
        assert_eq!(look(1, 6), (4.0, Vec::new()), "not asked again so soon");
        let said = vec!["memory ran out: the kernel killed 2 of the processes".to_owned()];
        assert_eq!(look(2, 6), (6.0, said));
        assert_eq!(look(3, 6), (6.0, Vec::new()));
    }
}
