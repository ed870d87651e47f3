//! What the program that keeps the clock says: systemd-timesyncd by its files, chrony by chronyc.

use std::time::{Duration, SystemTime};

use hark_config::{Key, Kind, Section};
use hark_model::{Clock, Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, ForHost, Make, Root, gauge};
use crate::programs::Programs;

/// The kind of collector.
#[derive(Debug)]
pub struct Ntp;

/// Its settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether chronyc is run.
    pub chrony: bool,
}

const KEYS: &[Key] =
    &[Key::new("chrony", Kind::Bool, "Ask chrony, by running `chronyc`.").default("false")];

/// Clocks are set every few minutes at most.
const EVERY: Duration = Duration::from_mins(5);

/// How long chronyc may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Touched by systemd-timesyncd at each answer of a server.
const TIMESYNC: &str = "run/systemd/timesync/synchronized";

impl CollectorType for Ntp {
    fn name(&self) -> &'static str {
        "ntp"
    }

    fn manual(&self) -> &'static str {
        "What the program that keeps the clock says, every 5 minutes, as `ntp_monitor`:\n\n\
         - `since_sync_seconds`: time since a server was heard last\n\
         - `offset_seconds`: how far the clock is off now, either way; `root_dispersion_seconds`: how \
         far the servers' own clocks may be; `stratum`: how many clocks away the true one is\n\n\
         The first from the file `/run/systemd/timesync/synchronized` where systemd-timesyncd runs; all of \
         them from `chronyc -c tracking` (chronyc(1)) where `chrony` says so: the agent runs no program \
         unasked. Whether the clock is kept at all stands in `clock`."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "chrony: true\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings { chrony: section.bool("chrony", false) })
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn for_host_alone(&self) -> ForHost {
        ForHost::Keys(&["chrony"])
    }

    fn mend(&self) -> &'static str {
        "apt install chrony, and start it"
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        let (root, programs) = (root.clone(), root.programs());
        Box::new(NtpCollector { chrony: self.chrony, root, programs, first: true })
    }
}

#[derive(Debug)]
struct NtpCollector {
    chrony: bool,
    root: Root,
    programs: Programs,
    first: bool,
}

impl Collector for NtpCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let now = Clock.now().unix.seconds();
        let tracking = if self.chrony && self.root.is_system() { self.tracking()? } else { None };
        if let Some(tracking) = tracking {
            values.extend([
                since(now, tracking.reference),
                tracking.offset.abs(),
                tracking.root_dispersion,
                tracking.stratum,
            ]);
        } else {
            let path = self.root.join(TIMESYNC);
            let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
            let changed = changed.map_err(|source| Absent::Unreadable { path, source })?;
            let heard = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            values.extend([since(now, heard.as_secs_f64()), f64::NAN, f64::NAN, f64::NAN]);
        }
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let named = |metric, unit, decimals| {
            gauge(SeriesName::plain("ntp_monitor", metric), unit, decimals)
        };
        vec![
            named("since_sync_seconds", Unit::Seconds, 0),
            named("offset_seconds", Unit::Seconds, 6),
            named("root_dispersion_seconds", Unit::Seconds, 6),
            named("stratum", Unit::None, 0),
        ]
    }
}

impl NtpCollector {
    /// None if chrony has not heard of any server yet.
    fn tracking(&self) -> Result<Option<Tracking>, Absent> {
        let unreadable = |source| Absent::Unreadable { path: "chronyc".into(), source };
        let arguments = ["chronyc", "-c", "-n", "tracking"];
        let (code, finished) =
            self.programs.run("ntp", &arguments, PATIENCE).map_err(unreadable)?;
        if code != 0 {
            let said = String::from_utf8_lossy(&finished.output).trim().to_owned();
            return Err(unreadable(std::io::Error::other(said)));
        }
        Ok(parse(&finished.output).filter(|tracking| tracking.reference > 0.0))
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of some thousand years are exact")]
fn since(now: i64, then: f64) -> f64 {
    (now as f64 - then).max(0.0)
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Tracking {
    stratum: f64,
    /// Seconds since 1970.
    reference: f64,
    offset: f64,
    root_dispersion: f64,
}

/// Reads `A29FC87B,162.159.200.123,4,1763672000.123,-0.000012,…`: fields of `tracking` in their order.
fn parse(output: &[u8]) -> Option<Tracking> {
    let text = std::str::from_utf8(output).ok()?;
    let fields: Vec<&str> = text.lines().next()?.split(',').collect();
    let field = |place: usize| fields.get(place)?.parse::<f64>().ok().filter(|v| v.is_finite());
    Some(Tracking {
        stratum: field(2)?,
        reference: field(3)?,
        offset: field(4)?,
        root_dispersion: field(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_chronyc_prints() {
        let line = "A29FC87B,162.159.200.123,4,1763672000.123456789,-0.000012345,0.000001,0.0001,\
                    12.345,0.001,0.02,0.012,0.0009,1024.5,Normal\n";
        let expected = Tracking {
            stratum: 4.0,
            reference: 1_763_672_000.123_456_8,
            offset: -0.000_012_345,
            root_dispersion: 0.0009,
        };
        assert_eq!(parse(line.as_bytes()), Some(expected));
        for bad in ["", "506 Cannot talk to daemon\n", "a,b,c,d,e,f,g,h,i,j,k,l\n", "1,2,3\n"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
        assert!((since(100, 40.5) - 59.5).abs() < 1e-9 && since(100, 200.0).abs() < 1e-9);
    }

    #[test]
    fn timesyncd_is_known_by_its_file_and_without_it_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut collector = Settings::default().make(&Root::at(folder.path()));
        assert!(collector.collect(Mono(0), &mut Vec::new()).unwrap_err().is_missing());
        let file = folder.path().join(TIMESYNC);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert!((0.0..60.0).contains(&values[0]) && values[1].is_nan(), "{values:?}");
    }
}
