//! What parts of the agent know of the machine that a collector does not measure itself.
//!
//! Whether it is worth a look at who uses processor and memory is known by the collectors that ran
//! before; so nobody measures twice, and nothing is looked for while nothing is wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hark_model::SeriesName;

use crate::marks::Marks;

/// Levels that parts of one agent share; NaN until they are known.
#[derive(Clone, Debug)]
pub(crate) struct Levels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    levels: [AtomicU64; 3],
    marked: Mutex<Marked>,
}

/// What the server watches of processors and memory.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    /// Its limits.
    pub(crate) marks: Marks,
    /// The newest values of the series that have some.
    pub(crate) values: BTreeMap<SeriesName, f64>,
}

/// Which level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// All processors, in percent.
    Cpu,
    /// Memory that programs cannot get any more, in percent.
    Memory,
}

impl Level {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// Returns the collector of the series that are about it.
    pub(crate) fn collector(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_monitor",
            Self::Memory => "memory_monitor",
        }
    }

    /// Returns the metric that is the level itself.
    pub(crate) fn metric(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_percent",
            Self::Memory => "percent",
        }
    }
}

impl Levels {
    /// Makes levels of which nothing is known.
    pub(crate) fn new() -> Self {
        let unknown = || AtomicU64::new(f64::NAN.to_bits());
        let levels = [unknown(), unknown(), unknown()];
        Self(Arc::new(Shared { levels, marked: Mutex::default() }))
    }

    /// Notes what was found.
    pub(crate) fn set(&self, level: Level, value: f64) {
        self.place(level).store(value.to_bits(), Ordering::Relaxed);
    }

    /// Returns what was found last.
    pub(crate) fn get(&self, level: Level) -> f64 {
        f64::from_bits(self.place(level).load(Ordering::Relaxed))
    }

    /// Notes by how many seconds this machine's clock is ahead of the server's.
    pub(crate) fn set_ahead_of_server(&self, seconds: f64) {
        let [.., ahead] = &self.0.levels;
        ahead.store(seconds.to_bits(), Ordering::Relaxed);
    }

    /// Returns that, once; NaN until it is noted again.
    pub(crate) fn take_ahead_of_server(&self) -> f64 {
        let [.., ahead] = &self.0.levels;
        f64::from_bits(ahead.swap(f64::NAN.to_bits(), Ordering::Relaxed))
    }

    /// Takes the limits that the server has on what they are measured by.
    pub(crate) fn set_marks(&self, marks: Marks) {
        *self.marked() = Marked { marks, values: BTreeMap::new() };
    }

    /// Notes values of a collector's series, as far as the server has limits on them.
    pub(crate) fn note<'s>(&self, series: impl Iterator<Item = (&'s SeriesName, f64)>) {
        let marked = &mut *self.marked();
        if marked.marks.is_empty() {
            return;
        }
        for (name, value) in series {
            match marked.values.get_mut(name) {
                Some(known) => *known = value,
                None if marked.marks.of(name).is_some() => {
                    marked.values.insert(name.clone(), value);
                }
                None => {}
            }
        }
    }

    /// Returns the limits and the newest values of the series that have some.
    pub(crate) fn marked(&self) -> MutexGuard<'_, Marked> {
        self.0.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, level: Level) -> &AtomicU64 {
        let [cpu, memory, _] = &self.0.levels;
        match level {
            Level::Cpu => cpu,
            Level::Memory => memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_limits_is_noted() {
        let levels = Levels::new();
        let [load, steal] =
            ["load_1min", "steal_percent"].map(|metric| SeriesName::plain("cpu_monitor", metric));
        let look = |one, two| levels.note([(&load, one), (&steal, two)].into_iter());
        look(1.0, 2.0);
        assert!(levels.marked().values.is_empty());
        let document = hark_config::Document::single("marks: {cpu_monitor.load_1min: ['> 8 7']}\n");
        levels.set_marks(Marks::read(&document.root(&hark_config::NoSecrets)));
        look(1.0, 2.0);
        look(9.0, 3.0);
        assert_eq!(levels.marked().values, BTreeMap::from([(load.clone(), 9.0)]));
    }

    #[test]
    fn clones_share_what_is_known() {
        let levels = Levels::new();
        assert!(levels.get(Level::Cpu).is_nan());
        levels.clone().set(Level::Memory, 81.5);
        assert!((levels.get(Level::Memory) - 81.5).abs() < 1e-9);
        assert!(levels.get(Level::Cpu).is_nan());
    }
}
