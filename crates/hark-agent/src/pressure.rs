//! How long work waited for a resource, from `/proc/pressure` (Linux 4.20, Documentation/accounting/psi.rst).

use hark_model::Mono;

use crate::rate::Rate;
use crate::source::{Root, Source, lines};

/// One of the files `cpu`, `memory` and `io`.
#[derive(Debug)]
pub(crate) struct Pressure {
    source: Source,
    some: Rate,
    full: Rate,
}

/// Shares of the time since the last look, in percent; NaN where they are not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// At least one task waited.
    pub(crate) some: f64,
    /// All tasks waited: nothing useful was done.
    pub(crate) full: f64,
}

impl Pressure {
    /// Names the file: `cpu`, `memory` or `io`.
    pub(crate) fn new(root: &Root, resource: &str) -> Self {
        Self {
            source: Source::new(root, &format!("proc/pressure/{resource}")),
            some: Rate::default(),
            full: Rate::default(),
        }
    }

    /// Looks; everything is NaN on a kernel without the file, and where it was switched off.
    pub(crate) fn next(&mut self, at: Mono) -> Shares {
        let totals = self.source.read().map(parse).unwrap_or_default();
        let share = |rate: &mut Rate, total: Option<u64>| {
            // A microsecond in a second is a ten thousandth of a percent.
            total.map_or(f64::NAN, |total| percent(rate.next(at, total) / 10_000.0))
        };
        Shares {
            some: share(&mut self.some, totals.some),
            full: share(&mut self.full, totals.full),
        }
    }
}

/// The kernel's clock and ours do not tick together: a little above a hundred is a hundred.
fn percent(share: f64) -> f64 {
    if share.is_nan() { share } else { share.min(100.0) }
}

/// Microseconds since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    some: Option<u64>,
    full: Option<u64>,
}

/// Reads `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the like for `full`.
fn parse(bytes: &[u8]) -> Totals {
    let mut totals = Totals::default();
    for line in lines(bytes) {
        let mut fields = line.split_ascii_whitespace();
        let place = match fields.next() {
            Some("some") => &mut totals.some,
            Some("full") => &mut totals.full,
            _ => continue,
        };
        *place = fields.find_map(|field| field.strip_prefix("total=")?.parse().ok());
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_kernels_write() {
        let text = "some avg10=1.53 avg60=0.80 avg300=0.22 total=4571200\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=1200\n";
        assert_eq!(parse(text.as_bytes()), Totals { some: Some(4_571_200), full: Some(1200) });
        let old = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(parse(old.as_bytes()), Totals { some: Some(7), full: None }, "cpu before 5.13");
        assert_eq!(parse(b"some total=x\nfull\n\nmore total=5\n"), Totals::default());
    }

    #[test]
    fn shares_are_those_since_the_last_look() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let mut pressure = Pressure::new(&root, "io");
        assert!(pressure.next(Mono(0)).some.is_nan());
        std::fs::create_dir_all(folder.path().join("proc/pressure")).unwrap();
        let write = |some: u64, full: u64| {
            let text = format!("some avg10=0.00 total={some}\nfull avg10=0.00 total={full}\n");
            std::fs::write(folder.path().join("proc/pressure/io"), text).unwrap();
        };
        write(1000, 0);
        assert!(pressure.next(Mono(1000)).some.is_nan());
        write(2_501_000, 500_000);
        let shares = pressure.next(Mono(11_000));
        assert!((shares.some - 25.0).abs() < 1e-9 && (shares.full - 5.0).abs() < 1e-9);
        write(90_000_000, 500_000);
        assert!((pressure.next(Mono(12_000)).some - 100.0).abs() < 1e-9);
    }
}
