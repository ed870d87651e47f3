//! What an agent measures: one collector, one file, one entry in [`COLLECTORS`].
//!
//! A collector looks (reads files that it keeps open) and then understands what it read with pure
//! functions over bytes; those carry the tests. What a kernel does not offer is *absent*, never zero.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub mod addresses;
pub mod certificates;
pub mod clock;
#[cfg(unix)]
pub mod containers;
pub mod cpu;
pub mod disk;
pub mod diskio;
pub mod files;
pub mod filesystem;
pub mod load;
pub mod logins;
pub mod memory;
pub mod network;
pub mod ntp;
pub mod os_info;
pub mod packages;
pub mod power;
pub mod processes;
pub mod raid;
pub mod sensors;
pub mod smart;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub mod sockets;
pub mod systemd;
pub mod ups;
pub mod uptime;
pub mod wan;
pub mod zfs;

use std::fmt::Debug;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::{MetricKind, Mono, SeriesDef, SeriesName, Severity, Unit};

pub use crate::source::{Absent, Root};

/// Every collector of this system.
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub const COLLECTORS: &[&dyn CollectorType] = crate::portable::COLLECTORS;

/// Every collector. The order is that of the manual and of the frames in a datagram.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub const COLLECTORS: &[&dyn CollectorType] = &[
    &cpu::Cpu,
    &memory::Memory,
    // After the two whose levels it goes by, and before the one that counts what it has seen.
    &processes::ProcessStates,
    &load::Load,
    &disk::Disk,
    &diskio::DiskIo,
    &network::Network,
    &sockets::Sockets,
    &files::Files,
    &sensors::Sensors,
    &power::Power,
    &ups::Ups,
    &raid::Raid,
    &zfs::Zfs,
    &clock::ClockState,
    &ntp::Ntp,
    &logins::Logins,
    &uptime::Uptime,
    &os_info::OsInfo,
    &filesystem::Filesystem,
    &addresses::Addresses,
    &wan::Wan,
    &packages::Packages,
    &systemd::Systemd,
    &smart::Smart,
    &containers::Containers,
    &certificates::Certificates,
];

/// A kind of collector: what the configuration and the manual know of it.
pub trait CollectorType: Sync + Debug {
    /// Returns the word in the configuration and in the manual.
    fn name(&self) -> &'static str;
    /// Returns what it measures, with units and sources, in markdown.
    fn manual(&self) -> &'static str;
    /// Returns its own keys, besides [`COMMON_KEYS`].
    fn keys(&self) -> &'static [Key];
    /// Returns YAML that must be accepted below its name.
    fn example(&self) -> &'static str;
    /// Reads its own keys; diagnostics are in the section.
    fn read(&self, section: &Section<'_>) -> Box<dyn Make>;
    /// Returns how often it looks if nothing else is configured: `None` is each heartbeat.
    fn default_interval(&self) -> Option<Duration> {
        None
    }
    /// Returns true if it runs where nothing is said of it: what costs nearly nothing does.
    fn is_on_by_default(&self) -> bool {
        true
    }
    /// Returns which of its settings only the host's own file may make, and not a server: those by which
    /// a program is run, or somebody else is spoken with. A server that was taken over must not reach
    /// further than it could before.
    fn for_host_alone(&self) -> ForHost {
        ForHost::Keys(&[])
    }
    /// Returns what a person who wants it does where it finds nothing to look at; empty if that says itself.
    fn mend(&self) -> &'static str {
        ""
    }
    /// Returns true if it may take long, and so looks on the thread for that.
    fn is_slow(&self) -> bool {
        false
    }
}

/// What a collector lets nobody but its host set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForHost {
    /// These keys.
    Keys(&'static [&'static str]),
    /// Everything, also whether it runs.
    Whole,
}

/// Settings that were read, ready to make the collector on the machine where it runs.
pub trait Make: Send + Sync + Debug {
    /// Makes the collector. Touches nothing yet.
    fn make(&self, root: &Root) -> Box<dyn Collector>;
}

/// A collector at work.
pub trait Collector: Send + Debug {
    /// Looks once, and pushes one value for each series of the set that holds *after* the call, in
    /// order; NaN stands for "absent". No allocation while nothing changes.
    ///
    /// # Errors
    /// If the source is missing: there is nothing to say, and nothing was pushed.
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent>;
    /// Returns the set as of the last `collect`: asked after [`Change::Other`].
    fn series(&self) -> Vec<SeriesDef>;
    /// Returns the facts as of the last `collect`: asked after [`Change::Other`].
    fn facts(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// Returns what happened since the last call: asked after each `collect` that found something.
    fn noticed(&mut self) -> Vec<Noticed> {
        Vec::new()
    }
}

/// A thing that happened, as a collector saw it: it becomes an event of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// The word that routes match on.
    pub kind: &'static str,
    /// How bad.
    pub severity: Severity,
    /// For people.
    pub text: String,
}

/// Whether the set of series (or the facts) is the one of the call before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is.
    Same,
    /// Something came, went or has another text; also after the first call.
    Other,
}

/// Keys that each collector has.
pub const COMMON_KEYS: &[Key] = &[
    Key::new("enabled", Kind::Bool, "Whether it runs.").default("true"),
    Key::new("interval", Kind::Duration, "Time between two looks; rounded to heartbeats.")
        .default("the agent's interval"),
];

/// The longest time between two looks: a day.
const MAX_INTERVAL: Duration = Duration::from_hours(24);

/// A collector as configured.
#[derive(Debug)]
pub struct Configured {
    /// Its word.
    pub name: &'static str,
    /// Time between two looks; `None` is each heartbeat.
    pub interval: Option<Duration>,
    /// Whether it looks on the thread for what may take long.
    pub is_slow: bool,
    /// Whether somebody asked for it, so that it is news if it finds nothing to look at: most run where nothing
    /// is said of them, and many machines have nothing for some of them.
    pub is_asked_for: bool,
    /// What then is to be done.
    pub mend: &'static str,
    /// How to make it.
    pub make: Box<dyn Make>,
}

/// Reads the section `collectors`: what is not named runs with its defaults.
pub fn read(section: Option<&Section<'_>>) -> Vec<Configured> {
    let empty = hark_config::Document::single("{}\n");
    let defaults = empty.root(&hark_config::NoSecrets);
    let mut configured = Vec::new();
    for kind in COLLECTORS {
        let child = section.and_then(|s| s.child(kind.name()));
        let is_on = child.is_some() || kind.is_on_by_default();
        let section = child.as_ref().unwrap_or(&defaults);
        configured.extend(read_one(*kind, section, is_on));
    }
    if let Some(section) = section {
        section.finish(&keys());
    }
    configured
}

/// Reports what stands in `section` (the section `collectors` of settings that a server gives) and is for
/// the host's own file alone.
pub(crate) fn refuse_from_server(section: &Section<'_>) {
    for kind in COLLECTORS.iter().filter(|kind| section.has(kind.name())) {
        match kind.for_host_alone() {
            ForHost::Whole => {
                let text = format!("`{}` is switched on by the host's own file alone", kind.name());
                drop(section.error(kind.name(), text));
            }
            ForHost::Keys(keys) => {
                let Some(child) = section.child(kind.name()) else { continue };
                for key in keys.iter().filter(|key| child.has(key)) {
                    drop(child.error(key, format!("`{key}` is set by the host's own file alone")));
                }
            }
        }
    }
}

/// Returns the keys of the section `collectors`.
pub fn keys() -> Vec<Key> {
    COLLECTORS.iter().map(|k| Key::new(k.name(), Kind::Any, "A collector's settings.")).collect()
}

/// Reads the settings of one collector; none if it is switched off, or `is_on` is false and nothing is
/// said of it.
fn read_one(kind: &dyn CollectorType, section: &Section<'_>, is_on: bool) -> Option<Configured> {
    let enabled = section.bool("enabled", is_on);
    let mut interval = section.opt_duration("interval", Bare::Seconds).or(kind.default_interval());
    if interval.is_some_and(|i| i.is_zero() || i > MAX_INTERVAL) {
        section.error("interval", "a collector's interval is between 1ms and 1d");
        interval = None;
    }
    let only_here = match kind.for_host_alone() {
        ForHost::Whole => true,
        ForHost::Keys(keys) => keys.iter().any(|key| section.has(key)),
    };
    let is_asked_for = section.has("enabled") || !kind.is_on_by_default() || only_here;
    let make = kind.read(section);
    let keys: Vec<Key> = COMMON_KEYS.iter().chain(kind.keys()).copied().collect();
    section.finish(&keys);
    enabled.then(|| Configured {
        name: kind.name(),
        interval,
        is_slow: kind.is_slow(),
        is_asked_for,
        mend: kind.mend(),
        make,
    })
}

/// Declares a series that goes up and down.
pub(crate) fn gauge(name: SeriesName, unit: Unit, decimals: u8) -> SeriesDef {
    SeriesDef { name, unit, kind: MetricKind::Gauge, decimals }
}

/// Declares a series that only grows.
pub(crate) fn counter(name: SeriesName, unit: Unit) -> SeriesDef {
    SeriesDef { name, unit, kind: MetricKind::Counter, decimals: 0 }
}

#[cfg(test)]
mod tests;
