//! What parts of the agent know of the machine that a collector does not measure itself.
//!
//! Whether it is worth a look at who uses processor and memory is known by the collectors that ran
//! before; so nobody measures twice, and nothing is looked for while nothing is wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::marks::Marks;

/// Levels that parts of one agent share; NaN until they are known.
#[derive(Clone, Debug)]
pub(crate) struct Levels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    levels: [AtomicU64; 3],
    /// What the server watches of them.
    marks: Mutex<Marks>,
}

/// Which level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// All processors, in percent.
    Cpu,
    /// Memory that programs cannot get any more, in percent.
    Memory,
}

impl Levels {
    /// Makes levels of which nothing is known.
    pub(crate) fn new() -> Self {
        let unknown = || AtomicU64::new(f64::NAN.to_bits());
        let levels = [unknown(), unknown(), unknown()];
        Self(Arc::new(Shared { levels, marks: Mutex::default() }))
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

    /// Takes the limits that the server has on the levels.
    pub(crate) fn set_marks(&self, marks: Marks) {
        *self.0.marks.lock().unwrap_or_else(PoisonError::into_inner) = marks;
    }

    /// Returns where to look who uses most: the server's limits on a level, in no order.
    pub(crate) fn marks(&self, level: Level) -> Vec<f64> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner).of(level).to_vec()
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
    fn clones_share_what_is_known() {
        let levels = Levels::new();
        assert!(levels.get(Level::Cpu).is_nan());
        levels.clone().set(Level::Memory, 81.5);
        assert!((levels.get(Level::Memory) - 81.5).abs() < 1e-9);
        assert!(levels.get(Level::Cpu).is_nan());
    }
}
