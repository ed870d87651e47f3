//! Time since boot.

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::source::Source;

/// The kind of collector.
#[derive(Debug)]
pub struct Uptime;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

impl CollectorType for Uptime {
    fn name(&self) -> &'static str {
        "uptime"
    }

    fn manual(&self) -> &'static str {
        "`uptime_monitor.uptime_seconds`: time since the machine booted, from `/proc/uptime`. \
         In a container it is the container's where the runtime says so, else the machine's."
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
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(UptimeCollector { uptime: Source::new(root, "proc/uptime"), first: true })
    }
}

#[derive(Debug)]
struct UptimeCollector {
    uptime: Source,
    first: bool,
}

impl Collector for UptimeCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let Some(seconds) = parse(self.uptime.read()?) else { return Err(self.uptime.form()) };
        values.push(seconds);
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        vec![gauge(SeriesName::plain("uptime_monitor", "uptime_seconds"), Unit::Seconds, 0)]
    }
}

/// Reads `1409.85 2507.93`.
pub(crate) fn parse(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let seconds = text.split_ascii_whitespace().next()?.parse::<f64>().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_kernels_write() {
        assert_eq!(parse(b"1409.85 2507.93\n"), Some(1409.85));
        assert_eq!(parse(b"31536000.00 0.00\n"), Some(31_536_000.0));
        assert_eq!(parse(b"7"), Some(7.0));
        for bad in ["", "\n", "x 1", "-1 2", "NaN 1"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
