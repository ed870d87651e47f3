//! Traffic of the interfaces and the number of connections.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, counter, gauge};
use crate::rate::{Rate, number};
use crate::source::{Short, Source, lines};

/// The kind of collector.
#[derive(Debug)]
pub struct Network;

/// Its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Interfaces that are left out; a `*` at the end stands for anything.
    pub exclude: Vec<String>,
}

const KEYS: &[Key] = &[Key::new(
    "exclude",
    Kind::OneOrMany(&Kind::Text),
    "Interfaces that are left out; `*` at the end stands for anything.",
)
.default("lo, veth*, ifb*, dummy*")];

/// What is left out by default: the machine talking to itself, and the many short-lived ends of
/// containers.
const EXCLUDED: &[&str] = &["lo", "veth*", "ifb*", "dummy*"];

/// The speed is asked of the driver, which may take a lock and a millisecond: now and then, and when
/// the interface goes up or down.
const SPEED_EVERY: Duration = Duration::from_mins(5);

/// Bound on interfaces: each is ten series of the 4096 that a host may have.
const MAX_INTERFACES: usize = 128;

impl CollectorType for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn manual(&self) -> &'static str {
        "Traffic of each interface, from `/proc/net/dev`, as `network_monitor.<interface>`:\n\n\
         - `received_bytes`, `sent_bytes`: counted since the interface came up\n\
         - `receive_rate`, `send_rate`: bytes a second since the last look\n\
         - `errors_total`, `dropped_total`: packets in both directions, counted; `error_rate`, \
         `drop_rate`: those a second since the last look\n\
         - `up`: 1 while it carries traffic, 0 while it is switched off or its cable is out, from \
         `/sys/class/net/<interface>/operstate` (Documentation/ABI/testing/sysfs-class-net)\n\
         - `speed_mbit`: what the cable was negotiated at, in Mbit/s; absent where there is none\n\n\
         and `network_monitor.connections`: established TCP connections, from `/proc/net/snmp`."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "exclude: [lo, \"docker*\"]\n"
    }

    fn read(&self, section: &Section<'_>) -> Box<dyn Make> {
        let exclude = if section.has("exclude") {
            let listed = section.one_or_many("exclude");
            listed.iter().filter_map(|v| v.str().map(str::to_owned)).collect()
        } else {
            EXCLUDED.iter().map(|name| (*name).to_owned()).collect()
        };
        Box::new(Settings { exclude })
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(NetworkCollector {
            exclude: self.exclude.clone(),
            dev: Source::new(root, "proc/net/dev"),
            snmp: Source::new(root, "proc/net/snmp"),
            class: root.join("sys/class/net"),
            interfaces: Vec::new(),
            first: true,
        })
    }
}

#[derive(Debug)]
struct NetworkCollector {
    exclude: Vec<String>,
    dev: Source,
    snmp: Source,
    class: PathBuf,
    interfaces: Vec<Interface>,
    first: bool,
}

#[derive(Debug)]
struct Interface {
    name: String,
    received: Rate,
    sent: Rate,
    errors: Rate,
    dropped: Rate,
    link: Link,
}

/// Whether an interface carries traffic, and how fast.
#[derive(Debug)]
struct Link {
    operstate: Short,
    speed: Short,
    /// The speed as it was told last, and when, and whether the interface was up.
    known: Option<(f64, Mono, bool)>,
}

impl Link {
    fn new(class: &Path, interface: &str) -> Self {
        let folder = class.join(interface);
        Self {
            operstate: Short::new(folder.join("operstate")),
            speed: Short::new(folder.join("speed")),
            known: None,
        }
    }

    /// Returns whether it is up (1 or 0) and its speed; NaN where it is not told.
    fn look(&mut self, at: Mono) -> [f64; 2] {
        let Some(up) = self.operstate.line(|line| Some(is_up(line))) else { return [f64::NAN; 2] };
        let old =
            |(_, then, was_up): &(f64, Mono, bool)| *was_up != up || at.since(*then) >= SPEED_EVERY;
        if self.known.as_ref().is_none_or(old) {
            // -1 is "unknown"; the file of an interface that is down gives an error.
            let speed = self.speed.number().filter(|speed| *speed > 0.0);
            self.known = Some((speed.unwrap_or(f64::NAN), at, up));
        }
        [if up { 1.0 } else { 0.0 }, self.known.map_or(f64::NAN, |(speed, ..)| speed)]
    }
}

/// Interfaces without a cable (tunnels, bridges of programs) say `unknown` while they work.
fn is_up(operstate: &str) -> bool {
    matches!(operstate, "up" | "unknown")
}

impl Collector for NetworkCollector {
    fn collect(&mut self, at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let bytes = self.dev.read()?;
        let seen = || {
            parse(bytes).filter(|(name, _)| !is_excluded(&self.exclude, name)).take(MAX_INTERFACES)
        };
        let mut change = std::mem::take(&mut self.first);
        if !seen().map(|(name, _)| name).eq(self.interfaces.iter().map(|i| i.name.as_str())) {
            let mut before = std::mem::take(&mut self.interfaces);
            for (name, _) in seen() {
                self.interfaces.push(match before.iter().position(|i| i.name == name) {
                    Some(index) => before.swap_remove(index),
                    None => Interface {
                        name: name.to_owned(),
                        received: Rate::default(),
                        sent: Rate::default(),
                        errors: Rate::default(),
                        dropped: Rate::default(),
                        link: Link::new(&self.class, name),
                    },
                });
            }
            change = true;
        }
        let start = values.len();
        values.push(f64::NAN);
        for (interface, (_, counts)) in self.interfaces.iter_mut().zip(seen()) {
            values.extend([
                number(counts.received),
                number(counts.sent),
                interface.received.next(at, counts.received),
                interface.sent.next(at, counts.sent),
                number(counts.errors),
                number(counts.dropped),
                interface.errors.next(at, counts.errors),
                interface.dropped.next(at, counts.dropped),
            ]);
            values.extend(interface.link.look(at));
        }
        let connections = self.snmp.read().ok().and_then(established);
        if let (Some(place), Some(connections)) = (values.get_mut(start), connections) {
            *place = number(connections);
        }
        Ok(if change { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let mut series =
            vec![gauge(SeriesName::plain("network_monitor", "connections"), Unit::None, 0)];
        for interface in &self.interfaces {
            let named = |metric| SeriesName::of("network_monitor", &interface.name, metric);
            series.extend([
                counter(named("received_bytes"), Unit::Bytes),
                counter(named("sent_bytes"), Unit::Bytes),
                gauge(named("receive_rate"), Unit::BytesPerSecond, 0),
                gauge(named("send_rate"), Unit::BytesPerSecond, 0),
                counter(named("errors_total"), Unit::None),
                counter(named("dropped_total"), Unit::None),
                gauge(named("error_rate"), Unit::PerSecond, 2),
                gauge(named("drop_rate"), Unit::PerSecond, 2),
                gauge(named("up"), Unit::None, 0),
                gauge(named("speed_mbit"), Unit::None, 0),
            ]);
        }
        series
    }
}

pub(super) fn is_excluded(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    })
}

/// Counted since the interface came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    received: u64,
    sent: u64,
    errors: u64,
    dropped: u64,
}

/// Reads `/proc/net/dev`. A long number may follow the colon without a blank.
fn parse(bytes: &[u8]) -> impl Iterator<Item = (&str, Counts)> {
    lines(bytes).filter_map(|line| {
        let (name, rest) = line.rsplit_once(':')?;
        let mut fields = rest.split_ascii_whitespace().map(|f| f.parse::<u64>().ok());
        let mut after = |skip: usize| fields.nth(skip)?;
        let (received, receive_errors, receive_dropped) = (after(0)?, after(1)?, after(0)?);
        let (sent, send_errors, send_dropped) = (after(4)?, after(1)?, after(0)?);
        let counts = Counts {
            received,
            sent,
            errors: receive_errors.saturating_add(send_errors),
            dropped: receive_dropped.saturating_add(send_dropped),
        };
        Some((name.trim(), counts))
    })
}

/// Reads `CurrEstab` of `/proc/net/snmp`: a line of names and one of values. Counts IPv6 as well.
pub(super) fn established(bytes: &[u8]) -> Option<u64> {
    let mut tcp = lines(bytes).filter_map(|line| line.strip_prefix("Tcp: "));
    let place = tcp.next()?.split_ascii_whitespace().position(|name| name == "CurrEstab")?;
    tcp.next()?.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 352686962   10614    1    2    0     0          0         0   600740    6055    3    4    0     0       0          0
 wg0:18446744073709551615 1 0 0 0 0 0 0 5 1 0 0 0 0 0 0
veth12: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
";

    #[test]
    fn parses_what_kernels_write() {
        let found: Vec<_> = parse(DEV.as_bytes()).collect();
        assert_eq!(found.len(), 4);
        let eth0 = Counts { received: 352_686_962, sent: 600_740, errors: 4, dropped: 6 };
        assert_eq!(found[1], ("eth0", eth0));
        assert_eq!((found[2].0, found[2].1.received), ("wg0", u64::MAX));
        let alias = "eth0:1: 5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        assert_eq!(parse(alias.as_bytes()).next().unwrap().0, "eth0:1");
        assert_eq!(parse(b"eth0: 1 2 3\n").count(), 0);
        assert_eq!(parse(b"").count(), 0);
    }

    #[test]
    fn counts_established_connections() {
        let snmp = "\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs
Tcp: 1 200 120000 -1 17 3 0 0 42 5000
Udp: InDatagrams
Udp: 5
";
        assert_eq!(established(snmp.as_bytes()), Some(42));
        assert_eq!(established(b"Tcp: A B\nTcp: 1 2\n"), None);
        assert_eq!(established(b""), None);
    }

    fn machine() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/net")).unwrap();
        std::fs::write(folder.path().join("proc/net/dev"), DEV).unwrap();
        folder
    }

    fn settings() -> Settings {
        Settings { exclude: EXCLUDED.iter().map(|s| (*s).to_owned()).collect() }
    }

    #[test]
    fn rates_follow_counters_and_a_missing_count_of_connections_is_absent() {
        let folder = machine();
        let mut collector = settings().make(&Root::at(folder.path()));
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(0), &mut values).unwrap(), Change::Other);
        assert_eq!(values.len(), 1 + 2 * 10);
        assert!(values[0].is_nan() && values[3].is_nan());
        assert_eq!(collector.series()[1].name.path(), "network_monitor.eth0.received_bytes");
        let later = DEV.replace("352686962", "352786962").replace("600740", "100");
        std::fs::write(folder.path().join("proc/net/dev"), later).unwrap();
        values.clear();
        assert_eq!(collector.collect(Mono(10_000), &mut values).unwrap(), Change::Same);
        assert!((values[3] - 10_000.0).abs() < 1e-9);
        assert!(values[4].is_nan(), "a counter that went back was reset");
    }

    #[test]
    fn an_interface_that_comes_makes_another_set_and_keeps_the_others_rates() {
        let folder = machine();
        let mut collector = settings().make(&Root::at(folder.path()));
        let mut values = Vec::new();
        collector.collect(Mono(0), &mut values).unwrap();
        let more = format!(
            "{DEV}tun0: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\nveth9: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        );
        std::fs::write(folder.path().join("proc/net/dev"), more).unwrap();
        values.clear();
        assert_eq!(collector.collect(Mono(1000), &mut values).unwrap(), Change::Other);
        assert_eq!(values.len(), 1 + 3 * 10);
        assert!((values[3] - 0.0).abs() < 1e-9, "eth0 goes on");
        assert!(values[23].is_nan(), "tun0 has no rate yet");
    }

    #[test]
    fn a_link_is_up_or_down_and_its_speed_is_asked_seldom() {
        let folder = machine();
        let class = folder.path().join("sys/class/net/eth0");
        std::fs::create_dir_all(&class).unwrap();
        let write = |name: &str, text: &str| std::fs::write(class.join(name), text).unwrap();
        write("operstate", "up\n");
        write("speed", "1000\n");
        let mut collector = settings().make(&Root::at(folder.path()));
        let mut look = |seconds: u64| {
            let mut values = Vec::new();
            collector.collect(Mono(seconds * 1000), &mut values).unwrap();
            assert!(values[19].is_nan() && values[20].is_nan(), "wg0 has no folder");
            (values[9], values[10])
        };
        assert_eq!(look(0), (1.0, 1000.0));
        write("speed", "100\n");
        assert_eq!(look(10), (1.0, 1000.0));
        assert_eq!(look(300), (1.0, 100.0));
        write("operstate", "down\n");
        write("speed", "-1\n");
        let (up, speed) = look(310);
        assert!(up.abs() < 1e-9 && speed.is_nan());
        write("operstate", "lowerlayerdown\n");
        assert!(look(320).0.abs() < 1e-9);
        write("operstate", "unknown\n");
        assert!(look(330).0 > 0.9);
    }
}
