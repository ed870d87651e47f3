//! Software RAID, from `/proc/mdstat`.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::rate::number;
use crate::source::{Source, lines};

/// The kind of collector.
#[derive(Debug)]
pub struct Raid;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// A rebuild takes hours, and a disk that failed is replaced by a person.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on arrays: each is five series of the 4096 that a host may have.
const MAX_ARRAYS: usize = 64;

impl CollectorType for Raid {
    fn name(&self) -> &'static str {
        "raid"
    }

    fn manual(&self) -> &'static str {
        "Arrays of disks (md(4)), from `/proc/mdstat`, as `raid_monitor.<array>`:\n\n\
         - `missing_disks`: how many of its disks do not work; above 0 the array is degraded\n\
         - `failed_disks`: disks marked as failed; `spare_disks`: disks that wait for their use\n\
         - `active`: 1, or 0 for an array that could not be started\n\
         - `sync_percent`: how far a rebuild or check has come; absent while there is none"
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 5m\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        let mdstat = Source::new(root, "proc/mdstat");
        Box::new(RaidCollector { mdstat, arrays: Vec::new(), first: true })
    }
}

#[derive(Debug)]
struct RaidCollector {
    mdstat: Source,
    arrays: Vec<String>,
    first: bool,
}

impl Collector for RaidCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let found = parse(self.mdstat.read()?);
        let mut change = std::mem::take(&mut self.first);
        if !found.iter().map(|array| array.name).eq(self.arrays.iter().map(String::as_str)) {
            self.arrays = found.iter().map(|array| array.name.to_owned()).collect();
            change = true;
        }
        for array in &found {
            values.extend([
                array.missing.map_or(f64::NAN, number),
                number(array.failed),
                number(array.spare),
                if array.active { 1.0 } else { 0.0 },
                array.sync_percent.unwrap_or(f64::NAN),
            ]);
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let mut series = Vec::with_capacity(self.arrays.len() * 5);
        for array in &self.arrays {
            let named = |metric| SeriesName::of("raid_monitor", array, metric);
            series.extend([
                gauge(named("missing_disks"), Unit::None, 0),
                gauge(named("failed_disks"), Unit::None, 0),
                gauge(named("spare_disks"), Unit::None, 0),
                gauge(named("active"), Unit::None, 0),
                gauge(named("sync_percent"), Unit::Percent, 1),
            ]);
        }
        series
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Array<'t> {
    name: &'t str,
    active: bool,
    failed: u64,
    spare: u64,
    /// None for arrays without redundancy, where the kernel does not tell.
    missing: Option<u64>,
    sync_percent: Option<f64>,
}

/// Reads `/proc/mdstat`: a line of each array with its disks, then some with blanks before them.
fn parse(bytes: &[u8]) -> Vec<Array<'_>> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    for line in lines(bytes) {
        if !line.starts_with(' ') {
            if let Some(array) = array(line).filter(|_| arrays.len() < MAX_ARRAYS) {
                arrays.push(array);
            }
            continue;
        }
        let Some(array) = arrays.last_mut() else { continue };
        if let Some(missing) = missing(line) {
            array.missing = Some(missing);
        }
        array.sync_percent = array.sync_percent.or_else(|| synced(line));
    }
    arrays
}

/// `md0 : active raid1 sdb1[1](F) sda1[0] sdc1[2](S)`
fn array(line: &str) -> Option<Array<'_>> {
    let (name, rest) = line.split_once(" : ")?;
    if !(rest.starts_with("active") || rest.starts_with("inactive")) {
        return None;
    }
    let disks = || rest.split_ascii_whitespace().filter(|word| word.contains('['));
    let count = |mark: &str| disks().filter(|disk| disk.contains(mark)).count() as u64;
    Some(Array {
        name,
        active: rest.starts_with("active"),
        failed: count("(F)"),
        spare: count("(S)"),
        ..Array::default()
    })
}

/// `1048512 blocks super 1.2 [2/1] [_U]`: wanted and working disks.
fn missing(line: &str) -> Option<u64> {
    line.split_ascii_whitespace().find_map(|word| {
        let (wanted, working) = word.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
        wanted.parse::<u64>().ok()?.checked_sub(working.parse().ok()?)
    })
}

/// `[==>......]  recovery = 12.6% (37043392/292945152) finish=127.5min`; one that waits for others to
/// end says `resync=DELAYED`.
fn synced(line: &str) -> Option<f64> {
    const ACTIONS: [&str; 5] = ["recovery", "resync", "reshape", "check", "repair"];
    let (left, right) = line.split_once(" = ")?;
    let action = left.split_ascii_whitespace().last()?;
    if !ACTIONS.contains(&action) {
        return None;
    }
    let percent: f64 = right.trim_start().split('%').next()?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MDSTAT: &str = "\
Personalities : [raid1] [raid6] [raid5] [raid4] [raid0]
md0 : active raid1 sdb1[1] sda1[0]
      1048512 blocks super 1.2 [2/2] [UU]
      bitmap: 0/1 pages [0KB], 65536KB chunk

md1 : active raid5 sdd1[3](F) sdc1[2] sdb1[1] sde1[4](S)
      292945152 blocks level 5, 512k chunk, algorithm 2 [3/2] [_UU]
      [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min speed=33440K/sec

md2 : active (auto-read-only) raid1 sdf1[0] sdg1[1]
      1048512 blocks [2/2] [UU]
      \tresync=PENDING

md3 : active raid0 sdh[0] sdi[1]
      2097024 blocks super 1.2 512k chunks

md127 : inactive sdj1[0](S)
      976630488 blocks super 1.2

unused devices: <none>
";

    #[test]
    fn reads_arrays_in_every_state() {
        let found = parse(MDSTAT.as_bytes());
        let whole = Array { name: "md0", active: true, missing: Some(0), ..Array::default() };
        let md1 = Array {
            name: "md1",
            failed: 1,
            spare: 1,
            missing: Some(1),
            sync_percent: Some(12.6),
            ..whole
        };
        let md127 = Array { name: "md127", spare: 1, ..Array::default() };
        let expected = [
            whole,
            md1,
            Array { name: "md2", ..whole },
            Array { name: "md3", missing: None, ..whole },
            md127,
        ];
        assert_eq!(found, expected);
        assert_eq!(parse(b"Personalities : \nunused devices: <none>\n"), []);
        let check = "md0 : active raid1 a[0] b[1]\n  [2/2] [UU]\n  [>..]  check =  0.2% (1/2)\n";
        assert_eq!(parse(check.as_bytes())[0].sync_percent, Some(0.2));
    }

    #[test]
    fn an_array_that_comes_makes_another_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("proc")).unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("proc/mdstat"), text).unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut look = || {
            let mut values = Vec::new();
            (collector.collect(Mono(0), &mut values).unwrap(), values, collector.series())
        };
        write("Personalities : \nunused devices: <none>\n");
        assert_eq!(look().0, Change::Other);
        assert_eq!(look().0, Change::Same);
        write(MDSTAT);
        let (change, values, series) = look();
        assert_eq!((change, values.len(), series.len()), (Change::Other, 25, 25));
        assert_eq!(series[5].name.path(), "raid_monitor.md1.missing_disks");
        assert_eq!(values[5..9], [1.0, 1.0, 1.0, 1.0]);
        assert_eq!(look().0, Change::Same);
    }
}
