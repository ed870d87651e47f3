//! Load averages and the number of processes.

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::process_table::Processes;
use crate::rate::number;
use crate::source::Source;

/// The kind of collector.
#[derive(Debug)]
pub struct Load;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

impl CollectorType for Load {
    fn name(&self) -> &'static str {
        "load"
    }

    fn manual(&self) -> &'static str {
        "Run queue and processes, as `cpu_monitor`, the name they have always had:\n\n\
         - `load_1min`, `load_5min`, `load_15min`: processes running or waiting for a disk, damped \
         over that time, from `/proc/loadavg`\n\
         - `processes`: how many there are; `processes_running`: threads that run or could run now"
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 1m\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(LoadCollector {
            loadavg: Source::new(root, "proc/loadavg"),
            processes: root.processes(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct LoadCollector {
    loadavg: Source,
    processes: Processes,
    first: bool,
}

impl Collector for LoadCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let Some(load) = parse(self.loadavg.read()?) else { return Err(self.loadavg.form()) };
        let processes = self.processes.lock().count(at).map_or(f64::NAN, |n| number(n as u64));
        let [one, five, fifteen, running] = load;
        values.extend([one, five, fifteen, processes, running]);
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        [
            ("load_1min", 2),
            ("load_5min", 2),
            ("load_15min", 2),
            ("processes", 0),
            ("processes_running", 0),
        ]
        .map(|(metric, decimals)| {
            gauge(SeriesName::plain("cpu_monitor", metric), Unit::None, decimals)
        })
        .to_vec()
    }
}

/// Reads `0.20 0.18 0.12 1/80 11206`: three averages and what runs; the last is NaN on kernels that
/// do not tell.
fn parse(bytes: &[u8]) -> Option<[f64; 4]> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let mut average =
        || fields.next()?.parse::<f64>().ok().filter(|load| load.is_finite() && *load >= 0.0);
    let (one, five, fifteen) = (average()?, average()?, average()?);
    let running = fields.next().and_then(|f| f.split_once('/')?.0.parse().ok()).unwrap_or(f64::NAN);
    Some([one, five, fifteen, running])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_kernels_write() {
        assert_eq!(parse(b"3.75 2.03 0.80 1/95 14268\n"), Some([3.75, 2.03, 0.8, 1.0]));
        assert_eq!(parse(b"512.00 9.1 0.00 13/2048 1\n"), Some([512.0, 9.1, 0.0, 13.0]));
        let old = parse(b"0.20 0.18 0.12\n").unwrap();
        assert!(old[3].is_nan());
        for bad in ["", "a b c", "0.1 0.2", "nan 0 0 1/1 1", "-1 0 0 1/1 1", "inf 0 0"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn this_machine_has_processes() {
        let mut collector = Settings.make(&Root::system());
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert!(values[3] >= 1.0);
        values.clear();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Same);
        assert_eq!(values.len(), collector.series().len());
    }
}
