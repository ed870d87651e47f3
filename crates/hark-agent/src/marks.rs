//! The limits that the server has on the load and on used memory of this host.
//!
//! They come with what the server gives, so that who uses most is looked up in the very look that crosses
//! one: a server that asked afterwards would be told of the moment after it. Nobody writes them; the server
//! makes them of its `thresholds`.

use hark_config::{Key, Kind, Section};

use crate::levels::Level;

/// What the server gives.
pub(crate) const MARKS: Key = Key::new(
    "marks",
    Kind::Section(KEYS),
    "Limits on load and memory, in percent: made of the server's `thresholds`.",
);

const KEYS: &[Key] = &[
    Key::new("cpu", Kind::OneOrMany(&Kind::Number), "Limits on `cpu_monitor.cpu_percent`."),
    Key::new("memory", Kind::OneOrMany(&Kind::Number), "Limits on `memory_monitor.percent`."),
];

/// Limits in percent, in no order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    cpu: Vec<f64>,
    memory: Vec<f64>,
}

impl Marks {
    /// Reads them; diagnostics are in the section.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let Some(section) = section.child(MARKS.name) else { return Self::default() };
        let read = |key| {
            let values = section.one_or_many(key).into_iter();
            values.filter_map(|value| value.f64(0.0..=100.0)).collect()
        };
        let marks = Self { cpu: read("cpu"), memory: read("memory") };
        section.finish(KEYS);
        marks
    }

    /// Returns those on a level.
    pub(crate) fn of(&self, level: Level) -> &[f64] {
        match level {
            Level::Cpu => &self.cpu,
            Level::Memory => &self.memory,
        }
    }
}
