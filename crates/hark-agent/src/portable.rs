//! What a machine without `/proc` tells: the most wanted values, through the crate `sysinfo`.
//!
//! This takes the place of [`crate::collectors::COLLECTORS`] where the system is not Linux. It gives the same
//! series under the same names as far as the system tells them; what it does not tell is not there. On Linux
//! it is compiled for the tests alone, which run it beside the collectors of Linux: so that it cannot rot
//! while nobody builds it elsewhere.

mod disk;
mod machine;
mod network;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef};

use crate::collectors::{Absent, Change, Collector, CollectorType, Make, Root};

/// Every collector of such a machine.
pub(crate) const COLLECTORS: &[&dyn CollectorType] = &[
    &Portable { name: "cpu", what: "`cpu_monitor`: percent busy.", make: machine::cpu },
    &Portable { name: "memory", what: "`memory_monitor`: memory and swap.", make: machine::memory },
    &Portable { name: "processes", what: "`process_monitor`: how many.", make: machine::processes },
    &Portable { name: "load", what: "`cpu_monitor.load_1min` ...", make: machine::load },
    &Portable { name: "disk", what: "`disk_monitor`: room on file systems.", make: disk::disks },
    &Portable { name: "network", what: "`network_monitor`: rates.", make: network::interfaces },
    &Portable { name: "uptime", what: "`uptime_monitor.uptime_seconds`", make: machine::uptime },
    &Portable { name: "os_info", what: "Facts: system, version, kernel.", make: machine::os_info },
];

/// A kind of collector. None has settings of its own.
#[derive(Clone, Copy, Debug)]
struct Portable {
    name: &'static str,
    what: &'static str,
    make: fn() -> Box<dyn Look>,
}

/// One look at a part of the machine.
trait Look: Send + std::fmt::Debug {
    /// Pushes the values of [`Look::series`] as of now. Returns false if the system does not tell them.
    fn look(&mut self, at: Mono, values: &mut Vec<f64>) -> bool;
    /// Returns the series as of the last look.
    fn series(&self) -> Vec<SeriesDef>;
    /// Returns the facts as of the last look.
    fn facts(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

impl CollectorType for Portable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn manual(&self) -> &'static str {
        self.what
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 1m\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(*self)
    }
}

impl Make for Portable {
    fn make(&self, _root: &Root) -> Box<dyn Collector> {
        let look = (self.make)();
        Box::new(Looking { name: self.name, look, series: Vec::new(), facts: None })
    }
}

/// A collector at work: tells when the series or facts are others.
#[derive(Debug)]
struct Looking {
    name: &'static str,
    look: Box<dyn Look>,
    series: Vec<SeriesDef>,
    facts: Option<Vec<(String, String)>>,
}

impl Collector for Looking {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        if !self.look.look(at, values) {
            return Err(Absent::nothing_at(self.name.into()));
        }
        let (series, facts) = (self.look.series(), self.look.facts());
        let same = self.facts.as_ref() == Some(&facts) && self.series == series;
        self.series = series;
        self.facts = Some(facts);
        Ok(if same { Change::Same } else { Change::Other })
    }

    fn series(&self) -> Vec<SeriesDef> {
        self.series.clone()
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.facts.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
