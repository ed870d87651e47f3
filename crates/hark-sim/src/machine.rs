//! A simulated machine: what a host would measure, and how it misbehaves, from a seed.

use hark_model::time::Unix;
use hark_model::{MetricKind, SeriesDef, SeriesName, Unit};

use crate::random::Random;

/// How many values a simulated machine sends with each heartbeat.
pub const VALUES: usize = 33;

/// What is wrong with a machine at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Sends nothing at all.
    Silent,
    /// Its processor is busy.
    BusyCpu,
    /// Its memory is nearly full.
    FullMemory,
    /// Its root file system fills.
    FullDisk,
    /// Its values jump about, so that a check on them flaps.
    Flapping,
}

impl Trouble {
    /// Every one but [`Trouble::None`].
    pub const ALL: [Self; 5] =
        [Self::Silent, Self::BusyCpu, Self::FullMemory, Self::FullDisk, Self::Flapping];
}

/// One machine. The same seed and the same calls give the same values.
#[derive(Clone, Debug)]
pub struct Machine {
    random: Random,
    trouble: Trouble,
    trouble_until: Unix,
    booted: Unix,
    cpu: f64,
    memory: f64,
    disk: f64,
    received: f64,
    sent: f64,
    read: f64,
    written: f64,
}

impl Machine {
    /// Makes a healthy machine that booted some days before `now`.
    pub fn new(seed: u64, now: Unix) -> Self {
        let mut random = Random::new(seed);
        let days = random.below(90_000);
        Self {
            booted: Unix(now.0 - i64::try_from(days * 86_400).unwrap_or(0)),
            cpu: 5.0 + random.unit() * 40.0,
            memory: 20.0 + random.unit() * 50.0,
            disk: 20.0 + random.unit() * 55.0,
            received: random.unit() * 1e12,
            sent: random.unit() * 1e12,
            read: random.unit() * 1e12,
            written: random.unit() * 1e12,
            trouble: Trouble::None,
            trouble_until: now,
            random,
        }
    }

    /// Returns what is wrong at the moment.
    pub fn trouble(&self) -> Trouble {
        self.trouble
    }

    /// Puts the machine into `trouble` until `until`.
    pub fn suffer(&mut self, trouble: Trouble, until: Unix) {
        self.trouble = trouble;
        self.trouble_until = until;
    }

    /// Lets fate decide: on average one trouble in `hours`, each of 1 to 12 minutes, given that this
    /// is called every `interval_s` seconds.
    pub fn live(&mut self, now: Unix, interval_s: f64, hours: f64) {
        if self.trouble != Trouble::None {
            if now >= self.trouble_until {
                self.trouble = Trouble::None;
            }
            return;
        }
        if self.random.unit() < interval_s / (hours * 3600.0) {
            let pick = usize::try_from(self.random.below(Trouble::ALL.len() as u64)).unwrap_or(0);
            self.trouble = Trouble::ALL.get(pick).copied().unwrap_or(Trouble::Silent);
            let length = 60_000 + i64::try_from(self.random.below(660_000)).unwrap_or(0);
            self.trouble_until = Unix(now.0 + length);
        }
    }

    /// Measures: [`VALUES`] values in the order of [`series`]. `interval_s` is the time since the last
    /// call.
    pub fn measure(&mut self, now: Unix, interval_s: f64, values: &mut Vec<f64>) {
        self.walk(interval_s);
        let (cpu, memory, disk) = self.shown();
        let up = (now.0 - self.booted.0) as f64 / 1000.0;
        let load = cpu / 25.0;
        let rate = |r: &mut Random, top: f64| (r.unit() * top).round();
        values.clear();
        values.extend([cpu, cpu * 0.7, cpu * 0.25, cpu * 0.05, 0.0]);
        values.extend([load, load * 0.9, load * 0.8, 4.0]);
        values.extend([180.0 + rate(&mut self.random, 40.0), 1.0 + rate(&mut self.random, 3.0)]);
        let total = 16_384.0;
        values.extend([memory, total, total * (1.0 - memory / 100.0), total * memory / 100.0]);
        values.extend([total * 0.2, 0.0, 2_048.0, 0.0]);
        let size = 200.0;
        let free = size * (1.0 - disk / 100.0);
        values.extend([disk, free, free * 1024.0, size, disk / 3.0]);
        values.extend([self.read, self.written]);
        let busy = rate(&mut self.random, 30.0);
        values.push(busy);
        values.extend([self.received, self.sent, 0.0, 0.0]);
        values.extend([40.0 + rate(&mut self.random, 20.0), up.round()]);
    }

    fn walk(&mut self, interval_s: f64) {
        let r = &mut self.random;
        let mut step = |value: f64, by: f64, low: f64, high: f64| {
            (value + (r.unit() - 0.5) * by).clamp(low, high)
        };
        self.cpu = step(self.cpu, 6.0, 1.0, 70.0);
        self.memory = step(self.memory, 1.0, 15.0, 80.0);
        self.disk = step(self.disk, 0.02, 10.0, 78.0);
        for counter in [&mut self.received, &mut self.sent, &mut self.read, &mut self.written] {
            *counter += (r.unit() * 400_000.0 * interval_s).round();
        }
    }

    fn shown(&mut self) -> (f64, f64, f64) {
        let jump = self.random.unit();
        let one = |v: f64| (v * 10.0).round() / 10.0;
        match self.trouble {
            Trouble::None | Trouble::Silent => (one(self.cpu), one(self.memory), one(self.disk)),
            Trouble::BusyCpu => (one(93.0 + jump * 6.0), one(self.memory), one(self.disk)),
            Trouble::FullMemory => (one(self.cpu), one(95.0 + jump * 4.0), one(self.disk)),
            Trouble::FullDisk => (one(self.cpu), one(self.memory), one(96.0 + jump * 3.0)),
            Trouble::Flapping => {
                let cpu = if jump < 0.5 { 20.0 } else { 96.0 };
                (cpu, one(self.memory), one(self.disk))
            }
        }
    }
}

/// Returns what a simulated machine measures, in the order of [`Machine::measure`].
pub fn series() -> Vec<SeriesDef> {
    use MetricKind::{Counter, Gauge};
    let of = |collector: &str, instance: &str, metric: &str, unit, kind, decimals| SeriesDef {
        name: SeriesName::of(collector, instance, metric),
        unit,
        kind,
        decimals,
    };
    let cpu = |metric: &str, unit, decimals| of("cpu_monitor", "", metric, unit, Gauge, decimals);
    let mem =
        |metric: &str, unit, decimals| of("memory_monitor", "", metric, unit, Gauge, decimals);
    let disk =
        |metric: &str, unit, decimals| of("disk_monitor", "/", metric, unit, Gauge, decimals);
    let io = |metric: &str, unit, kind| of("diskio_monitor", "sda", metric, unit, kind, 0);
    let net = |metric: &str, unit| of("network_monitor", "eth0", metric, unit, Counter, 0);
    vec![
        cpu("cpu_percent", Unit::Percent, 1),
        cpu("user_percent", Unit::Percent, 1),
        cpu("system_percent", Unit::Percent, 1),
        cpu("iowait_percent", Unit::Percent, 1),
        cpu("steal_percent", Unit::Percent, 1),
        cpu("load_1min", Unit::None, 2),
        cpu("load_5min", Unit::None, 2),
        cpu("load_15min", Unit::None, 2),
        cpu("cpu_count", Unit::None, 0),
        cpu("processes", Unit::None, 0),
        cpu("processes_running", Unit::None, 0),
        mem("percent", Unit::Percent, 1),
        mem("total_mb", Unit::Mebibytes, 0),
        mem("available_mb", Unit::Mebibytes, 0),
        mem("used_mb", Unit::Mebibytes, 0),
        mem("cached_mb", Unit::Mebibytes, 0),
        mem("swap_percent", Unit::Percent, 1),
        mem("swap_total_mb", Unit::Mebibytes, 0),
        mem("swap_used_mb", Unit::Mebibytes, 0),
        disk("percent", Unit::Percent, 1),
        disk("free_gb", Unit::Gibibytes, 2),
        disk("free_mb", Unit::Mebibytes, 0),
        disk("total_gb", Unit::Gibibytes, 2),
        disk("inodes_percent", Unit::Percent, 1),
        io("read_bytes", Unit::Bytes, Counter),
        io("written_bytes", Unit::Bytes, Counter),
        io("busy_percent", Unit::Percent, Gauge),
        net("received_bytes", Unit::Bytes),
        net("sent_bytes", Unit::Bytes),
        net("errors_total", Unit::None),
        net("dropped_total", Unit::None),
        of("network_monitor", "", "connections", Unit::None, Gauge, 0),
        of("uptime_monitor", "", "uptime_seconds", Unit::Seconds, Gauge, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_what_it_declares() {
        let mut machine = Machine::new(7, Unix(1_800_000_000_000));
        let mut values = Vec::new();
        machine.measure(Unix(1_800_000_010_000), 10.0, &mut values);
        assert_eq!(values.len(), VALUES);
        assert_eq!(series().len(), VALUES);
        assert!(values.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn the_same_seed_measures_the_same() {
        let run = || {
            let mut machine = Machine::new(11, Unix(0));
            let mut all = Vec::new();
            let mut values = Vec::new();
            for i in 1..50i64 {
                machine.live(Unix(i * 10_000), 10.0, 0.1);
                machine.measure(Unix(i * 10_000), 10.0, &mut values);
                all.extend_from_slice(&values);
            }
            all
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn troubles_begin_and_end() {
        let mut machine = Machine::new(3, Unix(0));
        let mut seen = 0;
        let mut well_again = 0;
        let mut before = Trouble::None;
        for i in 0..100_000i64 {
            machine.live(Unix(i * 10_000), 10.0, 1.0);
            let now = machine.trouble();
            seen += u32::from(before == Trouble::None && now != Trouble::None);
            well_again += u32::from(before != Trouble::None && now == Trouble::None);
            before = now;
        }
        assert!((150..350).contains(&seen), "{seen} troubles in 278 hours");
        assert!(seen - well_again <= 1);
    }

    #[test]
    fn a_full_disk_is_seen() {
        let mut machine = Machine::new(5, Unix(0));
        machine.suffer(Trouble::FullDisk, Unix(1_000_000));
        let mut values = Vec::new();
        machine.measure(Unix(10_000), 10.0, &mut values);
        let at = series().iter().position(|s| s.name.path() == "disk_monitor./.percent").unwrap();
        assert!(values[at] >= 96.0);
    }
}
