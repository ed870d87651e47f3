//! Sockets: TCP connections by their state, and how many there are of each kind.
//!
//! Most connections of a busy host are established or wait for their end (`TIME_WAIT`); the kernel
//! counts both by itself. Only the others are asked for one by one, and the kernel leaves the many out
//! of its answer. `/proc/net/tcp` would be a line of 150 bytes for each of a hundred thousand.

use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::{Mono, SeriesDef, SeriesName, Unit};

use super::{Absent, Change, Collector, CollectorType, Make, Root, gauge};
use crate::collectors::network::established;
use crate::netlink::Netlink;
use crate::rate::number;
use crate::source::{Source, lines};
use crate::sys;

/// The kind of collector.
#[derive(Debug)]
pub struct Sockets;

/// It has no settings of its own.
#[derive(Clone, Copy, Debug)]
pub struct Settings;

/// The kernel walks its whole table of connections, which has room for as many as the memory may hold: one
/// millisecond on an idle machine with 24 GiB, 57 with 216,000 connections (reading `/proc/net/tcp` takes 1250
/// then). How many are established is told at every heartbeat besides (`network_monitor`).
const EVERY: Duration = Duration::from_mins(5);

impl CollectorType for Sockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn manual(&self) -> &'static str {
        "TCP connections by their state, and sockets in use, every five minutes, as `socket_monitor`:\n\n\
         - `tcp_established` (`/proc/net/snmp`), `tcp_time_wait`, `tcp_orphans` (no program holds \
         them any more), `tcp_memory_mb`, `udp`, `used` (of every kind): from `/proc/net/sockstat` \
         and `sockstat6`\n\
         - `tcp_listen`, `tcp_syn_sent`, `tcp_syn_received`, `tcp_fin_wait`, `tcp_close_wait` (the \
         other side has closed, the program here has not), `tcp_last_ack`, `tcp_closing`: from \
         netlink (sock_diag(7)); where that is not there from `/proc/net/tcp` and `tcp6` while they \
         are short"
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn example(&self) -> &'static str {
        "interval: 1m\n"
    }

    fn read(&self, _section: &Section<'_>) -> Box<dyn Make> {
        Box::new(Settings)
    }

    fn default_interval(&self) -> Option<Duration> {
        Some(EVERY)
    }

    fn is_slow(&self) -> bool {
        true
    }
}

impl Make for Settings {
    fn make(&self, root: &Root) -> Box<dyn Collector> {
        Box::new(SocketCollector {
            sockstat: Source::new(root, "proc/net/sockstat"),
            sockstat6: Source::new(root, "proc/net/sockstat6"),
            snmp: Source::new(root, "proc/net/snmp"),
            states: if root.is_system() {
                States::Untried(root.clone())
            } else {
                States::text(root)
            },
            first: true,
        })
    }
}

#[derive(Debug)]
struct SocketCollector {
    sockstat: Source,
    sockstat6: Source,
    snmp: Source,
    states: States,
    first: bool,
}

impl Collector for SocketCollector {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut totals = parse(self.sockstat.read()?);
        if totals == Totals::default() {
            return Err(self.sockstat.form());
        }
        let six = self.sockstat6.read().map(parse).unwrap_or_default();
        totals.udp = totals.udp.map(|udp| udp.saturating_add(six.udp.unwrap_or(0)));
        let known = |count: Option<u64>| count.map_or(f64::NAN, number);
        let pages = totals.tcp_pages.map(|pages| pages.saturating_mul(sys::page_size()));
        values.extend([
            known(self.snmp.read().ok().and_then(established)),
            known(totals.time_wait),
            known(totals.orphans),
            known(pages) / 1024.0 / 1024.0,
            known(totals.udp),
            known(totals.used),
        ]);
        values.extend(self.states.count().map_or([f64::NAN; SEVEN], |counts| counts.map(number)));
        Ok(if std::mem::take(&mut self.first) { Change::Other } else { Change::Same })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let named = |metric| SeriesName::plain("socket_monitor", metric);
        let mut series = vec![
            gauge(named("tcp_established"), Unit::None, 0),
            gauge(named("tcp_time_wait"), Unit::None, 0),
            gauge(named("tcp_orphans"), Unit::None, 0),
            gauge(named("tcp_memory_mb"), Unit::Mebibytes, 1),
            gauge(named("udp"), Unit::None, 0),
            gauge(named("used"), Unit::None, 0),
        ];
        series.extend(ASKED.map(|(metric, _)| gauge(named(metric), Unit::None, 0)));
        series
    }
}

/// How many states are asked for.
const SEVEN: usize = 7;

/// Those states, with the numbers of the kernel (`include/net/tcp_states.h`) that are counted for
/// each.
const ASKED: [(&str, &[u8]); SEVEN] = [
    ("tcp_listen", &[10]),
    ("tcp_syn_sent", &[2]),
    // 12 is a connection for which the program has not been asked yet.
    ("tcp_syn_received", &[3, 12]),
    ("tcp_fin_wait", &[4, 5]),
    ("tcp_close_wait", &[8]),
    ("tcp_last_ack", &[9]),
    ("tcp_closing", &[11]),
];

fn count_in(counts: &mut [u64; SEVEN], state: u8) {
    for (count, (_, numbers)) in counts.iter_mut().zip(ASKED) {
        *count += u64::from(numbers.contains(&state));
    }
}

/// Where states come from.
#[derive(Debug)]
enum States {
    Untried(Root),
    Netlink(Netlink, Root),
    Text { four: Source, six: Source },
}

impl States {
    fn text(root: &Root) -> Self {
        Self::Text {
            four: Source::new(root, "proc/net/tcp"),
            six: Source::new(root, "proc/net/tcp6"),
        }
    }

    fn count(&mut self) -> Option<[u64; SEVEN]> {
        match self {
            Self::Untried(root) => {
                *self = match Netlink::open(libc::NETLINK_SOCK_DIAG) {
                    Ok(netlink) => Self::Netlink(netlink, root.clone()),
                    Err(_) => Self::text(root),
                };
                self.count()
            }
            Self::Netlink(netlink, root) => {
                if let Ok(counts) = asked(netlink) {
                    return Some(counts);
                }
                // Not allowed here, or a kernel without it: it stays so.
                *self = Self::text(root);
                self.count()
            }
            Self::Text { four, six } => {
                let mut counts = [0; SEVEN];
                count_lines(four.read().ok()?, &mut counts)?;
                // A machine without IPv6 has no such file.
                if let Ok(bytes) = six.read() {
                    count_lines(bytes, &mut counts)?;
                }
                Some(counts)
            }
        }
    }
}

/// `TCPDIAG_GETSOCK`: both families with one walk over the kernel's table. `SOCK_DIAG_BY_FAMILY`, which came
/// later, walks the whole table once for each.
const BOTH_FAMILIES: u16 = 18;

/// Bytes of `struct inet_diag_req`, and where its mask of states is: behind family, two lengths, options
/// and the numbers of one socket. Before the last number, which is for the kernel itself.
const QUESTION: usize = 60;
const STATES: usize = 52;

fn asked(netlink: &mut Netlink) -> std::io::Result<[u64; SEVEN]> {
    let mut counts = [0; SEVEN];
    let mask = ASKED.iter().flat_map(|(_, numbers)| *numbers).fold(0_u32, |mask, n| mask | 1 << n);
    // No socket in particular.
    let mut question = [0; QUESTION];
    for (to, from) in question.iter_mut().skip(STATES).zip(mask.to_ne_bytes()) {
        *to = from;
    }
    netlink.dump(BOTH_FAMILIES, &question, |contents| {
        // `struct inet_diag_msg` begins with family and state.
        if let Some(state) = contents.get(1) {
            count_in(&mut counts, *state);
        }
    })?;
    Ok(counts)
}

/// Reads `/proc/net/tcp`; none if it was cut, because then nothing is known.
fn count_lines(bytes: &[u8], counts: &mut [u64; SEVEN]) -> Option<()> {
    if !bytes.ends_with(b"\n") {
        return None;
    }
    for line in lines(bytes).skip(1) {
        let Some(state) = line.split_ascii_whitespace().nth(3) else { continue };
        count_in(counts, u8::from_str_radix(state, 16).ok()?);
    }
    Some(())
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    used: Option<u64>,
    time_wait: Option<u64>,
    orphans: Option<u64>,
    tcp_pages: Option<u64>,
    udp: Option<u64>,
}

/// Reads `/proc/net/sockstat` and `sockstat6`: `TCP: inuse 5 orphan 0 tw 3 alloc 8 mem 1`.
fn parse(bytes: &[u8]) -> Totals {
    let mut totals = Totals::default();
    for line in lines(bytes) {
        let Some((kind, rest)) = line.split_once(':') else { continue };
        let value = |name: &str| {
            let mut fields = rest.split_ascii_whitespace();
            fields.find(|field| *field == name)?;
            fields.next()?.parse().ok()
        };
        match kind {
            "sockets" => totals.used = value("used"),
            "TCP" => {
                totals.time_wait = value("tw");
                totals.orphans = value("orphan");
                totals.tcp_pages = value("mem");
            }
            "UDP" | "UDP6" => totals.udp = value("inuse"),
            _ => {}
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn parses_what_kernels_write() {
        let text = "sockets: used 139\nTCP: inuse 9 orphan 1 tw 4 alloc 12 mem 256\n\
                    UDP: inuse 3 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";
        let found = parse(text.as_bytes());
        let expected = Totals {
            used: Some(139),
            time_wait: Some(4),
            orphans: Some(1),
            tcp_pages: Some(256),
            udp: Some(3),
        };
        assert_eq!(found, expected);
        assert_eq!(parse(b"TCP6: inuse 2\nUDP6: inuse 7\n").udp, Some(7));
        assert_eq!(parse(b"TCP: tw\nsockets: used x\nUDP inuse 3\n"), Totals::default());
    }

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0100007F:A001 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:A002 0100007F:0016 08 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0100007F:A003 0100007F:0016 05 00000000:00000000 00:00000000 00000000     0        0 3 1
";

    #[test]
    fn without_netlink_the_text_is_counted_unless_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let net = folder.path().join("proc/net");
        std::fs::create_dir_all(&net).unwrap();
        std::fs::write(net.join("sockstat"), "sockets: used 9\nTCP: tw 4\n").unwrap();
        std::fs::write(net.join("tcp"), TCP).unwrap();
        let mut collector = Settings.make(&Root::at(folder.path()));
        let mut look = || {
            let mut values = Vec::new();
            collector.collect(Mono(0), &mut values).unwrap();
            let names = collector.series();
            assert_eq!(values.len(), names.len());
            move |metric: &str| values[names.iter().position(|s| s.name.metric == metric).unwrap()]
        };
        let value = look();
        assert_eq!((value("tcp_listen"), value("tcp_close_wait")), (1.0, 1.0));
        assert_eq!((value("tcp_fin_wait"), value("tcp_time_wait")), (1.0, 4.0));
        assert!(value("tcp_established").is_nan() && value("udp").is_nan());
        std::fs::write(net.join("tcp"), TCP.trim_end()).unwrap();
        assert!(look()("tcp_listen").is_nan());
    }

    #[test]
    fn the_kernel_counts_what_this_test_opens() {
        let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG).unwrap();
        let listeners: Vec<_> = (0..20)
            .map(|n| TcpListener::bind(if n < 10 { "127.0.0.1:0" } else { "[::1]:0" }).unwrap())
            .collect();
        // The far ends close, these do not: CLOSE_WAIT here, FIN_WAIT2 there.
        let near: Vec<_> = listeners
            .iter()
            .map(|listener| {
                let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                drop(listener.accept().unwrap());
                near
            })
            .collect();
        // What the far ends have said may still be on its way.
        let is_there = |with: &[u64; SEVEN]| with[0] >= 20 && with[4] >= 20 && with[3] >= 20;
        let mut with = asked(&mut netlink).unwrap();
        for _ in 0..100 {
            if is_there(&with) {
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
            with = asked(&mut netlink).unwrap();
        }
        drop((near, listeners));
        let without = asked(&mut netlink).unwrap();
        assert!(is_there(&with), "{with:?}");
        assert!(without[0] + 10 <= with[0] && without[4] + 10 <= with[4], "{with:?} {without:?}");
    }
}
