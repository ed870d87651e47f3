//! Batteries and mains of this machine, from `/sys/class/power_supply`.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Noticed, Root, gauge};
use crate::source::{Short, names};

/// The kind of collector.
#[derive(Debug)]
pub struct Power;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// A battery lasts for hours; asking it may take some milliseconds.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on supplies: two batteries, mains, and what is plugged in.
const MAX_SUPPLIES: usize = 32;

impl CollectorType for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn manual(&self) -> &'static str {
        "Batteries and mains of this machine each minute, from `/sys/class/power_supply` \
         (Documentation/ABI/testing/sysfs-class-power), as `power_monitor.<supply>`:\n\n\
         - of a battery: `charge_percent`; `health_percent`: what it can still hold of what it could \
         when new; `discharging`: 1 while the machine runs on it\n\
         - of mains: `online`: 1 while there is power; a change is also the event `power`\n\n\
         Batteries of mice and keyboards are left out. For an uninterruptible supply with its own \
         program see `ups`."
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
        let (supplies, noticed) = (Vec::new(), Vec::new());
        Box::new(PowerCollector { root: root.clone(), supplies, noticed, first: true })
    }
}

#[derive(Debug)]
struct PowerCollector {
    root: Root,
    supplies: Vec<(String, Supply)>,
    noticed: Vec<Noticed>,
    first: bool,
}

#[derive(Debug)]
enum Supply {
    Battery {
        capacity: Short,
        status: Short,
        full: Short,
        new: Short,
    },
    Mains {
        online: Short,
        was: Option<bool>,
    },
    /// Of something else.
    Other,
}

impl Collector for PowerCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let found = names(&self.root.join(FOLDER), MAX_SUPPLIES);
        let mut change = std::mem::take(&mut self.first);
        if !found.iter().eq(self.supplies.iter().map(|(name, _)| name)) {
            let mut before = std::mem::take(&mut self.supplies);
            for name in found {
                let known = before.iter().position(|(other, _)| *other == name);
                self.supplies.push(match known {
                    Some(place) => before.swap_remove(place),
                    None => (name.clone(), supply(&self.root, &name)),
                });
            }
            change = true;
        }
        if self.supplies.iter().all(|(_, supply)| matches!(supply, Supply::Other)) {
            self.first = true;
            return Err(Absent::nothing_at(self.root.join(FOLDER)));
        }
        for (name, supply) in &mut self.supplies {
            supply.look(name, values, &mut self.noticed);
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let mut series = Vec::new();
        for (name, supply) in &self.supplies {
            let named = |metric| SeriesName::of("power_monitor", name, metric);
            match supply {
                Supply::Battery { .. } => series.extend([
                    gauge(named("charge_percent"), Unit::Percent, 0),
                    gauge(named("health_percent"), Unit::Percent, 1),
                    gauge(named("discharging"), Unit::None, 0),
                ]),
                Supply::Mains { .. } => series.push(gauge(named("online"), Unit::None, 0)),
                Supply::Other => {}
            }
        }
        series
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

const FOLDER: &str = "sys/class/power_supply";

fn supply(root: &Root, name: &str) -> Supply {
    let folder = root.join(FOLDER).join(name);
    let file = |name: &str| Short::new(folder.join(name));
    let word = |name: &str| file(name).line(|line| Some(line.to_owned())).unwrap_or_default();
    if word("scope") == "Device" {
        return Supply::Other;
    }
    match word("type").as_str() {
        "Battery" | "UPS" => {
            // In watt hours or in ampere hours, as the battery counts.
            let energy = folder.join("energy_full").exists();
            let unit = if energy { "energy" } else { "charge" };
            Supply::Battery {
                capacity: file("capacity"),
                status: file("status"),
                full: file(&format!("{unit}_full")),
                new: file(&format!("{unit}_full_design")),
            }
        }
        "Mains" | "USB" | "Wireless" if folder.join("online").exists() => {
            Supply::Mains { online: file("online"), was: None }
        }
        _ => Supply::Other,
    }
}

impl Supply {
    fn look(&mut self, name: &str, values: &mut Vec<f64>, noticed: &mut Vec<Noticed>) {
        match self {
            Self::Battery { capacity, status, full, new } => {
                let charge = capacity.number().filter(|charge| (0.0..=100.0).contains(charge));
                let new = new.number().filter(|new| *new > 0.0);
                let health = full.number().zip(new).map(|(full, new)| 100.0 * full / new);
                let discharging =
                    status.line(|line| Some(if line == "Discharging" { 1.0 } else { 0.0 }));
                values.extend([charge, health, discharging].map(|v| v.unwrap_or(f64::NAN)));
            }
            Self::Mains { online, was } => {
                let is = online.number().map(|online| online > 0.0);
                if let (Some(is), Some(before)) = (is, *was)
                    && is != before
                {
                    let (severity, text) = if is {
                        (Severity::Info, format!("power is back ({name})"))
                    } else {
                        (Severity::Warning, format!("power is out ({name})"))
                    };
                    noticed.push(Noticed { kind: "power", severity, text });
                }
                *was = is.or(*was);
                values.push(is.map_or(f64::NAN, |is| if is { 1.0 } else { 0.0 }));
            }
            Self::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn put(root: &Path, supply: &str, files: &[(&str, &str)]) {
        let folder = root.join(FOLDER).join(supply);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn a_notebook_says_when_power_goes_and_comes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(root, "AC", &[("type", "Mains"), ("online", "1")]);
        let battery = [
            ("type", "Battery"),
            ("capacity", "87"),
            ("status", "Charging"),
            ("energy_full", "42000000"),
            ("energy_full_design", "50000000"),
        ];
        put(root, "BAT0", &battery);
        let mouse = [("type", "Battery"), ("scope", "Device"), ("capacity", "5")];
        put(root, "hidpp_battery_0", &mouse);
        let mut collector = Settings.make(&Root::at(root));
        let mut look = || {
            let mut values = Vec::new();
            let change = collector.collect(Mono(0), &mut values).unwrap();
            assert_eq!(values.len(), collector.series().len());
            let said: Vec<_> = collector.noticed().into_iter().map(|n| n.text).collect();
            (change, values, said)
        };
        assert_eq!(look(), (Change::Other, vec![1.0, 87.0, 84.0, 0.0], Vec::new()));
        put(root, "AC", &[("online", "0")]);
        put(root, "BAT0", &[("status", "Discharging"), ("capacity", "86")]);
        let said = vec!["power is out (AC)".to_owned()];
        assert_eq!(look(), (Change::Same, vec![0.0, 86.0, 84.0, 1.0], said));
        put(root, "AC", &[("online", "1")]);
        assert_eq!(look().2, ["power is back (AC)"]);
        std::fs::remove_dir_all(root.join(FOLDER).join("BAT0")).unwrap();
        let (change, values, _) = look();
        assert_eq!((change, values), (Change::Other, vec![1.0]));
    }

    #[test]
    fn a_server_without_supplies_is_absent_and_a_battery_that_counts_charge_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        assert!(collector.collect(Mono(0), &mut Vec::new()).unwrap_err().is_missing());
        let battery = [("type", "Battery"), ("charge_full", "3"), ("charge_full_design", "4")];
        put(folder.path(), "battery", &battery);
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert!(values[0].is_nan() && values[2].is_nan());
        assert!((values[1] - 75.0).abs() < 1e-9);
    }
}
