//! Temperatures and fans, from `/sys/class/hwmon` and `/sys/class/thermal`.
//!
//! Some sensors are behind a slow bus, and a disk that sleeps may be woken by none of this: the
//! kernel's drivers give an error then. All of them are read on the thread for what may take long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::source::{Short, names};

/// The kind of collector.
#[derive(Debug)]
pub struct Sensors;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// Metal warms slowly.
const EVERY: Duration = Duration::from_mins(1);

/// How often it is looked for sensors that came: a disk was put in, a driver loaded.
const SEARCH: Duration = Duration::from_mins(10);

/// Bound on sensors: a server with many disks and processors has two hundred.
const MAX_SENSORS: usize = 256;

/// Bound on names in one folder of `/sys`.
const MAX_NAMES: usize = 1024;

/// What no part of a computer has, in degrees: sensors that are not wired say so.
const PLAUSIBLE: std::ops::RangeInclusive<f64> = -60.0..=200.0;

/// The fastest fans turn at a fifth of this.
const MAX_RPM: f64 = 200_000.0;

impl CollectorType for Sensors {
    fn name(&self) -> &'static str {
        "sensors"
    }

    fn manual(&self) -> &'static str {
        "Temperatures and fans each minute, from `/sys/class/hwmon` \
         (Documentation/hwmon/sysfs-interface), as `sensor_monitor.<chip>/<label>`:\n\n\
         - `temperature` in degrees Celsius; `margin`: how far it is below the mark that the part \
         itself calls critical, where it tells one\n\
         - `fan_rpm`: turns in a minute\n\n\
         and `sensor_monitor.temperature_max`, the highest of all. Several chips of one name are told \
         apart by their device (`nvme@nvme0`). Where hwmon has no temperature, the zones of \
         `/sys/class/thermal` are taken. What cannot be read or cannot be true is absent."
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

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(SensorCollector { root: root.clone(), sensors: Vec::new(), searched: None })
    }
}

#[derive(Debug)]
struct SensorCollector {
    root: Root,
    sensors: Vec<Sensor>,
    searched: Option<Mono>,
}

#[derive(Debug)]
struct Sensor {
    name: String,
    input: Short,
    kind: Sense,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sense {
    /// With the temperature that is critical for the part, where it tells one.
    Temperature {
        critical: Option<f64>,
    },
    Fan,
}

impl Collector for SensorCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut change = Change::Same;
        if self.searched.is_none_or(|then| at.since(then) >= SEARCH) {
            let found = search(&self.root);
            let same = found
                .iter()
                .map(|s| (&s.name, s.kind))
                .eq(self.sensors.iter().map(|s| (&s.name, s.kind)));
            if self.searched.is_none() || !same {
                self.sensors = found;
                change = Change::Other;
            }
            self.searched = Some(at);
        }
        if self.sensors.is_empty() {
            // Looked for again in ten minutes; then all is new.
            return Err(Absent::nothing_at(self.root.join("sys/class/hwmon")));
        }
        let start = values.len();
        values.push(f64::NAN);
        let mut highest = f64::NAN;
        for sensor in &mut self.sensors {
            match sensor.kind {
                Sense::Temperature { critical } => {
                    let degrees = degrees(&mut sensor.input);
                    // The other one of the two if one is NaN.
                    highest = highest.max(degrees);
                    values.push(degrees);
                    values.extend(critical.map(|critical| critical - degrees));
                }
                Sense::Fan => {
                    let turns = sensor.input.number();
                    let turns = turns.filter(|turns| (0.0..=MAX_RPM).contains(turns));
                    values.push(turns.unwrap_or(f64::NAN));
                }
            }
        }
        if let Some(place) = values.get_mut(start) {
            *place = highest;
        }
        Ok(change)
    }

    fn series(&self) -> Vec<SeriesDef> {
        let plain = SeriesName::plain("sensor_monitor", "temperature_max");
        let mut series = vec![gauge(plain, Unit::Celsius, 1)];
        for sensor in &self.sensors {
            let named = |metric| SeriesName::of("sensor_monitor", &sensor.name, metric);
            match sensor.kind {
                Sense::Temperature { critical } => {
                    series.push(gauge(named("temperature"), Unit::Celsius, 1));
                    if critical.is_some() {
                        series.push(gauge(named("margin"), Unit::Celsius, 1));
                    }
                }
                Sense::Fan => series.push(gauge(named("fan_rpm"), Unit::None, 0)),
            }
        }
        series
    }
}

/// Reads thousandths of a degree; NaN where that cannot be or cannot be true.
fn degrees(input: &mut Short) -> f64 {
    let degrees = input.number().map(|thousandths| thousandths / 1000.0);
    degrees.filter(|degrees| PLAUSIBLE.contains(degrees)).unwrap_or(f64::NAN)
}

fn search(root: &Root) -> Vec<Sensor> {
    let hwmon = root.join("sys/class/hwmon");
    let mut chips: Vec<(String, PathBuf)> = names(&hwmon, MAX_NAMES)
        .into_iter()
        .map(|name| hwmon.join(name))
        .filter_map(|folder| Some((Short::new(folder.join("name")).line(word)?, folder)))
        .collect();
    let all: Vec<String> = chips.iter().map(|(name, _)| name.clone()).collect();
    for (name, folder) in &mut chips {
        if all.iter().filter(|other| *other == name).count() > 1 {
            name.push('@');
            name.push_str(&device(folder));
        }
    }
    // The kernel numbers chips anew at each boot.
    chips.sort();
    let mut sensors = Vec::new();
    for (chip, folder) in &chips {
        sensors.extend(inputs(chip, folder));
    }
    if !sensors.iter().any(|sensor| matches!(sensor.kind, Sense::Temperature { .. })) {
        sensors.extend(zones(root));
    }
    sensors.truncate(MAX_SENSORS);
    for place in 0..sensors.len() {
        make_unique(&mut sensors, place);
    }
    sensors
}

/// Two sensors of one name would be one series.
fn make_unique(sensors: &mut [Sensor], place: usize) {
    let Some((before, rest)) = sensors.split_at_mut_checked(place) else { return };
    let Some(sensor) = rest.first_mut() else { return };
    let alike = |other: &&Sensor| {
        let (Sensor { name, .. }, Sensor { name: own, .. }) = (other, &*sensor);
        name == own || name.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('#'))
    };
    let same = before.iter().filter(alike).count();
    let kinds = before
        .iter()
        .filter(|other| other.name == sensor.name)
        .any(|other| matches!(other.kind, Sense::Fan) == matches!(sensor.kind, Sense::Fan));
    if kinds {
        sensor.name = format!("{}#{}", sensor.name, same + 1);
    }
}

fn word(line: &str) -> Option<String> {
    let clean: String = line.chars().filter(|c| !c.is_control()).take(40).collect();
    (!clean.is_empty()).then_some(clean)
}

/// What the chip belongs to: `nvme0`, `0000:00:18.3` ...; its number where that is not told.
fn device(folder: &Path) -> String {
    let target = std::fs::read_link(folder.join("device"));
    let name = target.as_deref().unwrap_or(folder).file_name();
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The sensors of one chip: `temp1_input`, `fan2_input` ..., in the order of their numbers.
fn inputs(chip: &str, folder: &Path) -> Vec<Sensor> {
    let mut found: Vec<(bool, u32)> = Vec::new();
    for name in names(folder, MAX_NAMES) {
        let Some(name) = name.strip_suffix("_input") else { continue };
        let fan = name.strip_prefix("fan").and_then(|number| Some((true, number.parse().ok()?)));
        let temperature =
            name.strip_prefix("temp").and_then(|number| Some((false, number.parse().ok()?)));
        found.extend(fan.or(temperature));
    }
    found.sort_unstable();
    let sensor = |(is_fan, number): (bool, u32)| {
        let stem = format!("{}{number}", if is_fan { "fan" } else { "temp" });
        let label = Short::new(folder.join(format!("{stem}_label"))).line(word);
        let critical = degrees(&mut Short::new(folder.join(format!("{stem}_crit"))));
        // Some chips give 0 or -1 where they know of none.
        let critical = Some(critical).filter(|critical| *critical > 0.0);
        Sensor {
            name: format!("{chip}/{}", label.unwrap_or_else(|| stem.clone())),
            input: Short::new(folder.join(format!("{stem}_input"))),
            kind: if is_fan { Sense::Fan } else { Sense::Temperature { critical } },
        }
    };
    found.into_iter().map(sensor).collect()
}

fn zones(root: &Root) -> Vec<Sensor> {
    let folder = root.join("sys/class/thermal");
    let zone = |name: String| {
        let zone = folder.join(name.strip_prefix("thermal_zone").map(|_| &name)?);
        let kind = Short::new(zone.join("type")).line(word)?;
        Some(Sensor {
            name: kind,
            input: Short::new(zone.join("temp")),
            kind: Sense::Temperature { critical: None },
        })
    };
    names(&folder, MAX_NAMES).into_iter().filter_map(zone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
    }

    fn look(root: &Path) -> Result<Vec<(String, f64)>, Absent> {
        let mut collector = Settings.make(&Root::at(root));
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values)?, Change::Other);
        let names = collector.series().into_iter().map(|s| s.name.path());
        assert_eq!(values.len(), collector.series().len());
        Ok(names.zip(values).collect())
    }

    fn value(found: &[(String, f64)], name: &str) -> f64 {
        found.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name}: {found:?}")).1
    }

    #[test]
    fn chips_labels_limits_and_fans_are_found_and_chips_of_one_name_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(root, "sys/class/hwmon/hwmon3/name", "coretemp");
        put(root, "sys/class/hwmon/hwmon3/temp1_label", "Package id 0");
        put(root, "sys/class/hwmon/hwmon3/temp1_input", "45500");
        put(root, "sys/class/hwmon/hwmon3/temp1_crit", "100000");
        put(root, "sys/class/hwmon/hwmon3/temp10_input", "-128000");
        for (number, disk) in [(0, "nvme1"), (7, "nvme0")] {
            let chip = format!("sys/class/hwmon/hwmon{number}");
            put(root, &format!("{chip}/name"), "nvme");
            put(root, &format!("{chip}/temp1_label"), "Composite");
            put(root, &format!("{chip}/temp1_input"), "38000");
            std::os::unix::fs::symlink(format!("../../{disk}"), root.join(&chip).join("device"))
                .unwrap();
        }
        put(root, "sys/class/hwmon/hwmon9/name", "nct6775");
        put(root, "sys/class/hwmon/hwmon9/fan1_input", "1180");
        put(root, "sys/class/hwmon/hwmon9/fan2_input", "x");
        put(root, "sys/class/hwmon/hwmon9/temp1_label", "SYSTIN");
        put(root, "sys/class/hwmon/hwmon9/temp2_label", "SYSTIN");
        put(root, "sys/class/hwmon/hwmon9/temp1_input", "30000");
        put(root, "sys/class/hwmon/hwmon9/temp2_input", "31000");
        put(root, "sys/class/thermal/thermal_zone0/type", "acpitz");
        put(root, "sys/class/thermal/thermal_zone0/temp", "99000");
        let found = look(root).unwrap();
        let of = |name: &str| value(&found, &format!("sensor_monitor.{name}"));
        assert!(
            (of("temperature_max") - 45.5).abs() < 1e-9,
            "zones only where there is nothing else"
        );
        assert!((of("coretemp/Package id 0.margin") - 54.5).abs() < 1e-9);
        assert!(of("coretemp/temp10.temperature").is_nan(), "not wired");
        assert!((of("nvme@nvme0/Composite.temperature") - 38.0).abs() < 1e-9);
        assert!((of("nvme@nvme1/Composite.temperature") - 38.0).abs() < 1e-9);
        assert!((of("nct6775/fan1.fan_rpm") - 1180.0).abs() < 1e-9);
        assert!(of("nct6775/fan2.fan_rpm").is_nan());
        assert!((of("nct6775/SYSTIN#2.temperature") - 31.0).abs() < 1e-9);
    }

    #[test]
    fn without_hwmon_the_thermal_zones_are_taken_and_without_both_it_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(look(folder.path()).unwrap_err().is_missing());
        put(folder.path(), "sys/class/thermal/thermal_zone0/type", "cpu-thermal");
        put(folder.path(), "sys/class/thermal/thermal_zone0/temp", "52078");
        put(folder.path(), "sys/class/thermal/cooling_device0/type", "fan");
        let found = look(folder.path()).unwrap();
        assert!((value(&found, "sensor_monitor.cpu-thermal.temperature") - 52.078).abs() < 1e-9);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_sensor_that_comes_is_found_within_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        assert!(collector.collect(Mono(0), &mut Vec::new()).is_err());
        put(folder.path(), "sys/class/hwmon/hwmon0/name", "k10temp");
        put(folder.path(), "sys/class/hwmon/hwmon0/temp1_input", "40000");
        assert!(collector.collect(Mono(60_000), &mut Vec::new()).is_err());
        let mut look = |at| collector.collect(Mono(at), &mut Vec::new()).unwrap();
        assert_eq!(look(600_000), Change::Other);
        assert_eq!(look(660_000), Change::Same);
        assert_eq!(look(1_300_000), Change::Same, "the same were found again");
    }
}
