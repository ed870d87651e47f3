//! Open files of the whole machine against its limit.

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::rate::{number, percent};
use crate::source::Source;

/// The kind of collector.
#[derive(Debug)]
pub struct Files;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

impl CollectorType for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn manual(&self) -> &'static str {
        "Open files of the whole machine, from `/proc/sys/fs/file-nr` (proc_sys_fs(5)), as \
         `file_monitor`:\n\n\
         - `open`: files that programs hold open; `limit`: how many the kernel allows in all\n\
         - `percent`: the first of the second"
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
        Box::new(FileCollector { file_nr: Source::new(root, "proc/sys/fs/file-nr"), first: true })
    }
}

#[derive(Debug)]
struct FileCollector {
    file_nr: Source,
    first: bool,
}

impl Collector for FileCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let Some((open, limit)) = parse(self.file_nr.read()?) else {
            return Err(self.file_nr.form());
        };
        values.extend([number(open), number(limit), percent(open, limit)]);
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let named = |metric, unit, decimals| {
            gauge(SeriesName::plain("file_monitor", metric), unit, decimals)
        };
        vec![
            named("open", Unit::None, 0),
            named("limit", Unit::None, 0),
            named("percent", Unit::Percent, 1),
        ]
    }
}

/// Reads `9344 0 9223372036854775807`: allocated, free of these (0 since Linux 2.6), limit.
fn parse(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut fields = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let mut next = || fields.next()?.parse::<u64>().ok();
    let (allocated, free, limit) = (next()?, next()?, next()?);
    Some((allocated.saturating_sub(free), limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_kernels_write() {
        assert_eq!(parse(b"9344\t0\t100000\n"), Some((9344, 100_000)));
        assert_eq!(parse(b"900 100 1000\n"), Some((800, 1000)));
        assert_eq!(parse(b"1\t0\t9223372036854775807\n"), Some((1, i64::MAX as u64)));
        for bad in ["", "1 2", "a b c", "-1 0 5"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn this_machine_has_open_files_below_its_limit() {
        let mut collector = Settings.make(&Root::system());
        let mut values = Vec::new();
        collector.collect(Mono(0), &mut values).unwrap();
        assert!(values[0] > 2.0 && values[0] < values[1] && values[2] < 100.0, "{values:?}");
    }
}
