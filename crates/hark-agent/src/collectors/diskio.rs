//! What disks read and write, from `/proc/diskstats`.

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, counter, gauge};
use crate::pressure::Pressure;
use crate::rate::{Rate, number};
use crate::source::{Source, lines};

/// The kind of collector.
#[derive(Debug)]
pub struct DiskIo;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// Bound on disks: each is five series of the 4096 that a host may have.
const MAX_DISKS: usize = 128;

/// Names of devices that are no disks, or only another view of one.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "fd", "sr", "dm-", "md"];

/// Diskstats count in sectors of this many bytes, whatever the disk's own are.
const SECTOR: u64 = 512;

impl CollectorType for DiskIo {
    fn name(&self) -> &'static str {
        "diskio"
    }

    fn manual(&self) -> &'static str {
        "What each disk (no partitions, no RAID or mapper devices) reads and writes, from \
         `/proc/diskstats`, as `diskio_monitor.<device>`:\n\n\
         - `read_bytes`, `written_bytes`, `reads`, `writes`: counted since boot\n\
         - `busy_percent`: share of time with at least one request under way since the last look\n\n\
         and for all of them, from `/proc/pressure/io`, `diskio_monitor.pressure_percent` and \
         `pressure_full_percent`: share of time in which some work, or all of it, waited for a disk."
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "enabled: false\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(DiskIoCollector {
            root: root.clone(),
            diskstats: Source::new(root, "proc/diskstats"),
            pressure: Pressure::new(root, "io"),
            devices: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct DiskIoCollector {
    root: Root,
    diskstats: Source,
    pressure: Pressure,
    devices: Vec<Device>,
    first: bool,
}

/// A device that was seen. Those that are no disks are kept as well, so that `/sys` is only asked
/// once for each name.
#[derive(Debug)]
struct Device {
    name: String,
    is_disk: bool,
    busy: Rate,
}

impl Collector for DiskIoCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let bytes = self.diskstats.read()?;
        let mut change = std::mem::take(&mut self.first);
        if !parse(bytes).map(|(name, _)| name).eq(self.devices.iter().map(|d| d.name.as_str())) {
            let mut before = std::mem::take(&mut self.devices);
            for (name, _) in parse(bytes) {
                let device = match before.iter().position(|d| d.name == name) {
                    Some(index) => before.swap_remove(index),
                    None => Device {
                        name: name.to_owned(),
                        is_disk: is_disk(&self.root, name),
                        busy: Rate::default(),
                    },
                };
                self.devices.push(device);
            }
            change = true;
        }
        let disks = self.devices.iter_mut().zip(parse(bytes)).filter(|(d, _)| d.is_disk);
        for (device, (_, counts)) in disks.take(MAX_DISKS) {
            // Milliseconds of work in a second are a tenth of a percent each.
            let busy = device.busy.next(at, counts.busy_ms) / 10.0;
            values.extend([
                number(counts.sectors_read.saturating_mul(SECTOR)),
                number(counts.sectors_written.saturating_mul(SECTOR)),
                number(counts.reads),
                number(counts.writes),
                if busy.is_nan() { busy } else { busy.min(100.0) },
            ]);
        }
        let pressure = self.pressure.next(at);
        values.extend([pressure.some, pressure.full]);
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let plain = |metric| gauge(SeriesName::plain("diskio_monitor", metric), Unit::Percent, 1);
        let mut series = Vec::new();
        for device in self.devices.iter().filter(|d| d.is_disk).take(MAX_DISKS) {
            let named = |metric| SeriesName::of("diskio_monitor", &device.name, metric);
            series.extend([
                counter(named("read_bytes"), Unit::Bytes),
                counter(named("written_bytes"), Unit::Bytes),
                counter(named("reads"), Unit::None),
                counter(named("writes"), Unit::None),
                gauge(named("busy_percent"), Unit::Percent, 1),
            ]);
        }
        series.extend([plain("pressure_percent"), plain("pressure_full_percent")]);
        series
    }
}

/// A whole disk has its own entry in `/sys/block`; a partition stands below its disk there.
fn is_disk(root: &Root, name: &str) -> bool {
    let other = NO_DISKS.iter().any(|prefix| name.starts_with(prefix));
    // A slash in a device's name is an exclamation mark in /sys.
    !other && root.join("sys/block").join(name.replace('/', "!")).exists()
}

/// Counted since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    reads: u64,
    sectors_read: u64,
    writes: u64,
    sectors_written: u64,
    busy_ms: u64,
}

/// Reads `/proc/diskstats`; lines of kernels that tell less of partitions are left out.
fn parse(bytes: &[u8]) -> impl Iterator<Item = (&str, Counts)> {
    lines(bytes).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.nth(2)?;
        let mut after = |skip: usize| fields.nth(skip)?.parse::<u64>().ok();
        let (reads, sectors_read) = (after(0)?, after(1)?);
        let (writes, sectors_written) = (after(1)?, after(1)?);
        let busy_ms = after(2)?;
        Some((name, Counts { reads, sectors_read, writes, sectors_written, busy_ms }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = "\
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 107604 16282 6238194 121594 7696 37249 4400712 15339 0 7896 137782 5330 79 531072 819 695 28
 254       1 vda1 1 1 1 1 1 1 1 1 0 1 1
 253       0 zram0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
";

    fn machine() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["proc", "sys/block/loop0", "sys/block/vda/vda1", "sys/block/zram0"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        std::fs::write(folder.path().join("proc/diskstats"), STATS).unwrap();
        folder
    }

    #[test]
    fn parses_lines_of_all_kernels() {
        let counts = Counts {
            reads: 107_604,
            sectors_read: 6_238_194,
            writes: 7696,
            sectors_written: 4_400_712,
            busy_ms: 7896,
        };
        let vda = parse(STATS.as_bytes()).nth(1).unwrap();
        assert_eq!(vda, ("vda", counts));
        let short = "3 1 hda1 35486 38030 38030 38030\n";
        assert_eq!(parse(short.as_bytes()).count(), 0, "partitions of kernel 2.6.0 to 2.6.24");
        assert_eq!(parse(b"\n8 0\n8 0 sda x\n").count(), 0);
    }

    #[test]
    fn only_disks_are_measured_and_busy_is_a_rate() {
        let folder = machine();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(1000), &mut values).unwrap(), Change::Other);
        let names: Vec<_> = collector.series().iter().map(|s| s.name.path()).collect();
        assert_eq!(names[0], "diskio_monitor.vda.read_bytes");
        assert_eq!(names.len(), 7);
        assert_eq!(values[..4], [6_238_194.0 * 512.0, 4_400_712.0 * 512.0, 107_604.0, 7696.0]);
        assert!(values[4].is_nan());
        let later = STATS.replace(" 7896 ", " 8396 ");
        std::fs::write(folder.path().join("proc/diskstats"), later).unwrap();
        values.clear();
        assert_eq!(collector.collect(Mono(2000), &mut values).unwrap(), Change::Same);
        assert!((values[4] - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_disk_that_goes_makes_another_set() {
        let folder = machine();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut values = Vec::new();
        collector.collect(Mono(0), &mut values).unwrap();
        std::fs::write(folder.path().join("proc/diskstats"), "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n")
            .unwrap();
        values.clear();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert_eq!((values.len(), collector.series().len()), (2, 2));
    }
}
