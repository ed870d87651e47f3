//! What disks say of their own health, by smartctl.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Severity, Unit};
use serde::Deserialize;

use super::{Absent, Change, Collector, CollectorType, ForHost, Make, Noticed, Root, gauge};
use crate::programs::Programs;

/// The kind of collector.
#[derive(Debug)]
pub struct Smart;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The drives.
    pub drives: Vec<String>,
}

const KEYS: &[Key] =
    &[Key::new("drives", Kind::OneOrMany(&Kind::Text), "Drives: `/dev/sda`, `/dev/nvme0n1`.")];

/// A disk does not change its mind faster.
const EVERY: Duration = Duration::from_mins(10);

/// A disk that is asked may have to end what it does first.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bound on drives.
const MAX_DRIVES: usize = 64;

impl CollectorType for Smart {
    fn name(&self) -> &'static str {
        "smart"
    }

    fn manual(&self) -> &'static str {
        "What disks say of their own health, every 10 minutes, from `smartctl --json` (smartctl(8), \
         package smartmontools), as `smart_monitor.<drive>`:\n\n\
         - `healthy`: 1 if the disk thinks it will go on working, 0 if not\n\
         - `temperature`, `power_on_hours`\n\
         - of ATA: `reallocated_sectors` (attribute 5), `pending_sectors` (197), \
         `uncorrectable_sectors` (198); of SAS, `reallocated_sectors` is the list of grown defects\n\
         - of NVMe: `wear_percent` (used up of what it was built for), `spare_percent`, `media_errors`\n\n\
         A disk that fails, and one whose alerts have cleared, is also the event `smart`. A disk that \
         sleeps is not woken: its values are absent.\n\n\
         It only runs where `drives` names some, and needs the rights to ask them: as a service with \
         `hark agent install --capability sys-rawio`, for NVMe with `--capability sys-admin` and by the \
         name of a block device (`/dev/nvme0n1`). `hark doctor` says when they are missing."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "drives: [/dev/sda, /dev/nvme0n1]\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let drive = |text: &str| {
            if text.starts_with("/dev/") && text.len() < 128 && !text.contains(char::is_whitespace)
            {
                Ok(text.to_owned())
            } else {
                Err("a drive is a path such as `/dev/sda`")
            }
        };
        let listed = section.one_or_many("drives");
        let drives: Vec<String> = listed.iter().filter_map(|value| value.parse(drive)).collect();
        if drives.len() > MAX_DRIVES {
            section.error("drives", format!("at most {MAX_DRIVES} drives are looked at"));
        }
        Box::new(Settings { drives })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_on_by_default(&self) -> bool {
        false
    }

    fn for_host_alone(&self) -> ForHost {
        ForHost::Whole
    }

    fn mend(&self) -> &'static str {
        "apt install smartmontools, and name drives of this machine: `drives`"
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        let drives = self.drives.iter().map(|path| Drive::new(path));
        Box::new(SmartCollector {
            is_here: root.is_system(),
            programs: root.programs(),
            drives: drives.collect(),
            noticed: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct SmartCollector {
    is_here: bool,
    programs: Programs,
    drives: Vec<Drive>,
    noticed: Vec<Noticed>,
    first: bool,
}

#[derive(Debug)]
struct Drive {
    path: String,
    /// What it said last.
    healthy: Option<bool>,
    /// Whether it may not be asked.
    refused: bool,
}

impl Collector for SmartCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        if !self.is_here || self.drives.is_empty() {
            return Err(Absent::nothing_at("/dev/sda".into()));
        }
        let start = values.len();
        for drive in &mut self.drives {
            let arguments =
                ["smartctl", "--json=c", "-n", "standby", "-H", "-A", "--", &drive.path];
            let run = self.programs.run("smart", &arguments, PATIENCE);
            match run {
                // The exit code says in bits what the JSON says in words.
                Ok((_, finished)) => {
                    let report = serde_json::from_slice::<Report>(&finished.output).ok();
                    drive.take(&report.unwrap_or_default(), values, &mut self.noticed);
                }
                Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                    values.truncate(start);
                    return Err(Absent::Unreadable { path: "smartctl".into(), source });
                }
                Err(error) => {
                    tracing::warn!(drive = drive.path, %error, "smartctl did not answer");
                    values.extend([f64::NAN; METRICS.len()]);
                }
            }
        }
        if let Some(first) = self.drives.first()
            && self.drives.iter().all(|drive| drive.refused)
        {
            values.truncate(start);
            let source = std::io::ErrorKind::PermissionDenied.into();
            return Err(Absent::Unreadable { path: (&first.path).into(), source });
        }
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let of = |drive: &Drive| {
            let name = drive.path.strip_prefix("/dev/").unwrap_or(&drive.path).to_owned();
            METRICS.map(|(metric, unit)| {
                gauge(SeriesName::of("smart_monitor", &name, metric), unit, 0)
            })
        };
        self.drives.iter().flat_map(of).collect()
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }
}

const METRICS: [(&str, Unit); 9] = [
    ("healthy", Unit::None),
    ("temperature", Unit::Celsius),
    ("power_on_hours", Unit::None),
    ("reallocated_sectors", Unit::None),
    ("pending_sectors", Unit::None),
    ("uncorrectable_sectors", Unit::None),
    ("wear_percent", Unit::Percent),
    ("spare_percent", Unit::Percent),
    ("media_errors", Unit::None),
];

impl Drive {
    fn new(path: &str) -> Self {
        Self { path: path.to_owned(), healthy: None, refused: false }
    }

    fn take(&mut self, report: &Report, values: &mut Vec<f64>, noticed: &mut Vec<Noticed>) {
        let healthy = report.smart_status.map(|status| status.passed);
        values.extend(report.values().map(|value| value.unwrap_or(f64::NAN)));
        let path = &self.path;
        let refused = report.is_refused();
        if refused && !self.refused {
            tracing::warn!(
                drive = path,
                "the drive may not be asked: `hark doctor` says what is missing"
            );
        }
        self.refused = refused;
        let told = match (self.healthy, healthy) {
            (None | Some(true), Some(false)) => {
                Some((Severity::Critical, format!("disk {path} says that it is failing (SMART)")))
            }
            (Some(false), Some(true)) => {
                Some((Severity::Info, format!("SMART alerts of disk {path} have cleared")))
            }
            _ => None,
        };
        noticed.extend(told.map(|(severity, text)| Noticed { kind: "smart", severity, text }));
        self.healthy = healthy.or(self.healthy);
    }
}

/// What is read of smartctl's JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    smartctl: Smartctl,
    smart_status: Option<Passed>,
    temperature: Option<Temperature>,
    power_on_time: Option<PowerOn>,
    ata_smart_attributes: Attributes,
    scsi_grown_defect_list: Option<f64>,
    nvme_smart_health_information_log: Nvme,
}

/// What the program says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Smartctl {
    messages: Vec<Message>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    string: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Passed {
    passed: bool,
}

#[derive(Debug, Deserialize)]
struct Temperature {
    current: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct PowerOn {
    hours: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    table: Vec<Attribute>,
}

#[derive(Debug, Deserialize)]
struct Attribute {
    id: u16,
    raw: Raw,
}

#[derive(Debug, Deserialize)]
struct Raw {
    value: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nvme {
    percentage_used: Option<f64>,
    available_spare: Option<f64>,
    media_errors: Option<f64>,
}

impl Report {
    /// Returns true if the drive cannot be opened or asked for want of rights.
    fn is_refused(&self) -> bool {
        // Those of EACCES and EPERM: the program says them nowhere else, and the tongue is C's, since it is
        // started with a clean environment.
        let refusals = ["Permission denied", "Operation not permitted"];
        let mut messages = self.smartctl.messages.iter();
        messages.any(|message| refusals.iter().any(|refusal| message.string.contains(refusal)))
    }

    /// In the order of [`METRICS`].
    fn values(&self) -> [Option<f64>; 9] {
        let attribute = |id: u16| {
            let table = &self.ata_smart_attributes.table;
            table.iter().find(|attribute| attribute.id == id).map(|attribute| attribute.raw.value)
        };
        let nvme = &self.nvme_smart_health_information_log;
        [
            self.smart_status.map(|status| if status.passed { 1.0 } else { 0.0 }),
            self.temperature.as_ref().and_then(|temperature| temperature.current),
            self.power_on_time.as_ref().and_then(|time| time.hours),
            attribute(5).or(self.scsi_grown_defect_list),
            attribute(197),
            attribute(198),
            // It goes on counting above 100, up to 255.
            nvme.percentage_used.map(|used| used.min(100.0)),
            nvme.available_spare,
            nvme.media_errors,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(drive: &mut Drive, json: &str) -> (Vec<f64>, Vec<String>) {
        let (mut values, mut noticed) = (Vec::new(), Vec::new());
        let report = serde_json::from_str(json).unwrap_or_default();
        drive.take(&report, &mut values, &mut noticed);
        assert_eq!(values.len(), METRICS.len());
        (values, noticed.into_iter().map(|n| n.text).collect())
    }

    fn drive() -> Drive {
        Drive::new("/dev/sda")
    }

    #[test]
    fn disks_of_all_three_kinds_are_read() {
        let (ata, said) = take(&mut drive(), include_str!("../../tests/data/smartctl-ata.json"));
        assert_eq!(ata[..6], [1.0, 34.0, 21_432.0, 8.0, 1.0, 0.0]);
        assert!(ata[6..].iter().all(|v| v.is_nan()) && said.is_empty());
        let (nvme, _) = take(&mut drive(), include_str!("../../tests/data/smartctl-nvme.json"));
        assert_eq!(nvme[..3], [1.0, 41.0, 5120.0]);
        assert!(nvme[3..6].iter().all(|v| v.is_nan()));
        assert_eq!(nvme[6..], [3.0, 100.0, 0.0]);
        let (sas, _) = take(&mut drive(), include_str!("../../tests/data/smartctl-sas.json"));
        assert_eq!(sas[..4], [1.0, 29.0, 43_210.0, 2.0]);
    }

    #[test]
    fn a_failing_disk_is_told_once_and_so_is_its_recovery() {
        let mut drive = drive();
        let good = include_str!("../../tests/data/smartctl-ata.json");
        let bad = include_str!("../../tests/data/smartctl-failing.json");
        let sleeps = include_str!("../../tests/data/smartctl-standby.json");
        assert_eq!(take(&mut drive, good).1, Vec::<String>::new());
        let (values, said) = take(&mut drive, bad);
        assert!(values[0].abs() < 1e-9);
        assert_eq!(said, ["disk /dev/sda says that it is failing (SMART)"]);
        assert_eq!(take(&mut drive, bad).1, Vec::<String>::new());
        let (values, said) = take(&mut drive, sleeps);
        assert!(values.iter().all(|v| v.is_nan()) && said.is_empty());
        assert_eq!(take(&mut drive, good).1, ["SMART alerts of disk /dev/sda have cleared"]);
    }

    #[test]
    fn a_disk_that_may_not_be_asked_and_nonsense_are_absent() {
        for text in [include_str!("../../tests/data/smartctl-refused.json"), "", "[]", "{\"a\":1}"]
        {
            let mut drive = drive();
            let (values, said) = take(&mut drive, text);
            assert!(values.iter().all(|v| v.is_nan()) && said.is_empty(), "{text}");
            assert_eq!(drive.refused, text.contains("smartctl"), "{text}");
        }
    }
}
