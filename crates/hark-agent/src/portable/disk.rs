//! Room on file systems.

use hark_model::{Mono, SeriesDef, SeriesName, Unit};
use sysinfo::Disks;

use super::Look;
use crate::collectors::gauge;
use crate::rate::{number, percent};

const MEBIBYTE: f64 = 1024.0 * 1024.0;
const GIBIBYTE: f64 = 1024.0 * MEBIBYTE;

/// Bound on file systems: a machine with more has made them by a fault.
const MOST: usize = 64;

#[derive(Debug, Default)]
struct Rooms {
    /// None before the first look, and where the system does not tell.
    disks: Option<Disks>,
    points: Vec<String>,
}

pub(super) fn disks() -> Box<dyn Look> {
    Box::new(Rooms::default())
}

impl Look for Rooms {
    fn look(&mut self, _at: Mono, values: &mut Vec<f64>) -> bool {
        self.points.clear();
        if self.disks.is_none() {
            self.disks = Disks::new().ok();
        }
        let Some(disks) = &mut self.disks else { return false };
        disks.refresh(true);
        for disk in disks.iter().filter(|disk| disk.total_space() > 0) {
            let point = disk.mount_point().to_string_lossy().into_owned();
            if self.points.len() >= MOST || self.points.contains(&point) {
                continue;
            }
            let (total, free) = (disk.total_space(), disk.available_space());
            values.extend([
                percent(total.saturating_sub(free), total),
                number(free) / GIBIBYTE,
                number(free) / MEBIBYTE,
                number(total) / GIBIBYTE,
                f64::from(u8::from(disk.is_read_only())),
            ]);
            self.points.push(point);
        }
        !self.points.is_empty()
    }

    fn series(&self) -> Vec<SeriesDef> {
        let of = |point: &String| {
            let named = |metric, unit, decimals| {
                gauge(SeriesName::of("disk_monitor", point, metric), unit, decimals)
            };
            [
                named("percent", Unit::Percent, 1),
                named("free_gb", Unit::Gibibytes, 2),
                named("free_mb", Unit::Mebibytes, 0),
                named("total_gb", Unit::Gibibytes, 2),
                named("read_only", Unit::None, 0),
            ]
        };
        self.points.iter().flat_map(of).collect()
    }
}
