//! The clock of this machine: whether it is kept in step, and how far it is off.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::levels::Levels;
use crate::sys;

/// The kind of collector.
#[derive(Debug)]
pub struct ClockState;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// A clock drifts by seconds in a day.
const EVERY: Duration = Duration::from_mins(1);

impl CollectorType for ClockState {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn manual(&self) -> &'static str {
        "The clock each minute, as `clock_monitor`:\n\n\
         - `synchronized`: 1 while a program keeps the kernel's clock in step (chrony, ntpd, \
         systemd-timesyncd), from adjtimex(2); 0 if none does, or has not for long\n\
         - `max_error_seconds`, `estimated_error_seconds`: how far off it may be, by the same program\n\
         - `server_offset_seconds`: how far it is ahead of the server's clock (below 0: behind), \
         from the last acknowledgement, true to half the time that took; absent if there was none \
         since the last look\n\n\
         For what the program itself says see `ntp`."
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
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(ClockCollector { root: root.clone(), levels: root.levels(), first: true })
    }
}

#[derive(Debug)]
struct ClockCollector {
    root: Root,
    levels: Levels,
    first: bool,
}

impl Collector for ClockCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        if !self.root.is_system() {
            // The kernel only tells of the machine that it runs.
            return Err(Absent::nothing_at(self.root.join("dev/ptp0")));
        }
        let state = sys::clock_state().map_err(|source| Absent::Unreadable {
            path: self.root.join("proc/self/timens_offsets"),
            source,
        })?;
        values.extend([
            if state.synchronized { 1.0 } else { 0.0 },
            state.max_error.as_secs_f64(),
            state.estimated_error.as_secs_f64(),
            self.levels.take_ahead_of_server(),
        ]);
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let named = |metric, unit, decimals| {
            gauge(SeriesName::plain("clock_monitor", metric), unit, decimals)
        };
        vec![
            named("synchronized", Unit::None, 0),
            named("max_error_seconds", Unit::Seconds, 4),
            named("estimated_error_seconds", Unit::Seconds, 6),
            named("server_offset_seconds", Unit::Seconds, 3),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_clock_and_an_offset_is_told_once() {
        let root = Root::system();
        let mut collector = Settings.make(&root);
        let mut look = || {
            let mut values = Vec::new();
            collector.collect(Mono(0), &mut values).unwrap();
            assert_eq!(values.len(), collector.series().len());
            values
        };
        root.levels().set_ahead_of_server(-0.25);
        let values = look();
        assert!((0.0..=1.0).contains(&values[0]) && values[1] >= 0.0 && values[2] >= 0.0);
        assert!((values[3] + 0.25).abs() < 1e-9);
        assert!(look()[3].is_nan(), "nothing was acknowledged since");
    }
}
