//! The machine as a whole: processor, memory, load, processes, time since boot, and what it runs.

use std::fmt;

use hark_model::{Mono, SeriesDef, SeriesName, Unit};
use sysinfo::{ProcessesToUpdate, System};

use super::Look;
use crate::collectors::gauge;
use crate::rate::{number, percent};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Some values that are always the same ones.
struct Fixed {
    system: Option<System>,
    series: fn() -> Vec<SeriesDef>,
    look: fn(&mut System, &mut Vec<f64>) -> bool,
}

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixed").field("series", &(self.series)()).finish_non_exhaustive()
    }
}

impl Look for Fixed {
    fn look(&mut self, _at: Mono, values: &mut Vec<f64>) -> bool {
        if self.system.is_none() {
            self.system = System::new().ok();
        }
        self.system.as_mut().is_some_and(|system| (self.look)(system, values))
    }

    fn series(&self) -> Vec<SeriesDef> {
        (self.series)()
    }
}

fn fixed(
    series: fn() -> Vec<SeriesDef>,
    look: fn(&mut System, &mut Vec<f64>) -> bool,
) -> Box<dyn Look> {
    Box::new(Fixed { system: None, series, look })
}

fn plain(collector: &str, metric: &str, unit: Unit, decimals: u8) -> SeriesDef {
    gauge(SeriesName::plain(collector, metric), unit, decimals)
}

/// Percent of all processors; the first look makes the base, and says nothing of use.
pub(super) fn cpu() -> Box<dyn Look> {
    fixed(
        || vec![plain("cpu_monitor", "cpu_percent", Unit::Percent, 1)],
        |system, values| {
            let has_base = !system.cpus().is_empty();
            system.refresh_cpu_usage();
            let busy = f64::from(system.global_cpu_usage());
            values.push(if has_base { busy } else { f64::NAN });
            !system.cpus().is_empty()
        },
    )
}

pub(super) fn memory() -> Box<dyn Look> {
    fixed(
        || {
            let named = |metric, unit| plain("memory_monitor", metric, unit, 1);
            vec![
                named("percent", Unit::Percent),
                named("total_mb", Unit::Mebibytes),
                named("available_mb", Unit::Mebibytes),
                named("used_mb", Unit::Mebibytes),
                named("swap_percent", Unit::Percent),
                named("swap_total_mb", Unit::Mebibytes),
                named("swap_used_mb", Unit::Mebibytes),
            ]
        },
        |system, values| {
            system.refresh_memory();
            let (total, available) = (system.total_memory(), system.available_memory());
            let used = total.saturating_sub(available);
            let (swap, swap_used) = (system.total_swap(), system.used_swap());
            let swapped = if swap == 0 { 0.0 } else { percent(swap_used, swap) };
            let mebibytes = |bytes| number(bytes) / MEBIBYTE;
            values.extend([percent(used, total), mebibytes(total), mebibytes(available)]);
            values.extend([mebibytes(used), swapped, mebibytes(swap), mebibytes(swap_used)]);
            total > 0
        },
    )
}

/// Some systems know no load.
pub(super) fn load() -> Box<dyn Look> {
    fixed(
        || {
            let named = |metric| plain("cpu_monitor", metric, Unit::None, 2);
            vec![named("load_1min"), named("load_5min"), named("load_15min")]
        },
        |_, values| {
            let Ok(load) = System::load_average() else { return false };
            values.extend([load.one, load.five, load.fifteen]);
            true
        },
    )
}

pub(super) fn processes() -> Box<dyn Look> {
    fixed(
        || vec![plain("process_monitor", "total", Unit::None, 0)],
        |system, values| {
            system.refresh_processes(ProcessesToUpdate::All, true);
            // Threads are listed as well where the system counts them as processes.
            let whole = system.processes().values().filter(|one| one.thread_kind().is_none());
            let count = whole.count();
            values.push(number(count as u64));
            count > 0
        },
    )
}

pub(super) fn uptime() -> Box<dyn Look> {
    fixed(
        || vec![plain("uptime_monitor", "uptime_seconds", Unit::Seconds, 0)],
        |_, values| {
            let Ok(seconds) = System::uptime() else { return false };
            values.push(number(seconds));
            true
        },
    )
}

/// What the machine runs.
#[derive(Debug)]
struct OsInfo;

pub(super) fn os_info() -> Box<dyn Look> {
    Box::new(OsInfo)
}

impl Look for OsInfo {
    fn look(&mut self, _at: Mono, _values: &mut Vec<f64>) -> bool {
        true
    }

    fn series(&self) -> Vec<SeriesDef> {
        Vec::new()
    }

    fn facts(&self) -> Vec<(String, String)> {
        let known = [("os", System::long_os_version()), ("kernel", System::kernel_version())];
        known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.ok()?))).collect()
    }
}
