//! Local programs tell something: `StatsD` datagrams, or JSON lines.
//!
//! Nothing listens on the network: an address must be one of this machine alone, and a socket in the file
//! system has the permissions that the configuration gives it.

mod socket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{CheckName, CheckResult, Mono, Status};
use hark_plugin::statsd::Aggregate;
use hark_plugin::{Poller, Token, lines};
use hark_proto::ReportItem;

use self::socket::Socket;
use super::custom::Intake;
use super::series::Source;
use super::settings::{Reader, every};
use super::{Job, Timing, Turn};
use crate::source::Root;

/// Bound on a datagram: what the loopback carries in one piece.
const MAX_DATAGRAM: usize = 64 * 1024;

/// Datagrams taken in at once: between them the other jobs have their turn.
const MAX_AT_ONCE: usize = 512;

/// A socket that cannot be made now is tried again after this.
const AGAIN: Duration = Duration::from_secs(30);

/// What the settings of `statsd` are.
pub(super) const STATSD_KEYS: &[Key] = &[
    Key::new("listen", Kind::Text, "Address of this machine alone, for UDP.")
        .default("127.0.0.1:8125, unless there is a `socket`"),
    Key::new("socket", Kind::Text, "Path of a unix datagram socket, instead."),
    MODE,
    GROUP,
    Key::new("every", Kind::Duration, "The interval that comes to one value.").default("10s"),
    Key::new("percentiles", Kind::List(&Kind::Integer), "Percentiles of timers, 1 to 99.")
        .default("[50, 95, 99]"),
];

/// What the settings of `lines` are.
pub(super) const LINES_KEYS: &[Key] =
    &[Key::new("socket", Kind::Text, "Path of the unix datagram socket.").required(), MODE, GROUP];

const MODE: Key =
    Key::new("mode", Kind::Text, "Permissions of the socket, in octal.").default("0600");
const GROUP: Key = Key::new("group", Kind::Text, "The group that the socket belongs to.");

/// Reads both sections.
pub(super) fn read(reader: &mut Reader<'_, '_>) {
    if let Some(section) = reader.section.child("statsd") {
        let check = reader.check("statsd", section.span());
        let job = statsd(&section);
        section.finish(STATSD_KEYS);
        if let (Some(check), Some((place, every, percentiles))) = (check, job) {
            reader.add(Listening {
                ears: Ears::new(place),
                every,
                told: Told::Statsd(Aggregate::new(&percentiles), Source::new("statsd", "")),
                check,
                ends: None,
            });
        }
    }
    if let Some(section) = reader.section.child("lines") {
        let check = reader.check("lines", section.span());
        let place = socket(&section);
        section.finish(LINES_KEYS);
        if let (Some(check), Some(place)) = (check, place) {
            reader.add(Listening {
                ears: Ears::new(place),
                every: Duration::from_mins(1),
                told: Told::Lines { intake: Box::new(Intake::new("lines")), wrong: 0, last: None },
                check,
                ends: None,
            });
        }
    }
}

fn statsd(section: &Section<'_>) -> Option<(Place, Duration, Vec<u8>)> {
    let every = every(section, "every", Duration::from_secs(10));
    let percentile = |value: &hark_config::Value<'_>| u8::try_from(value.u64(1..=99)?).ok();
    let percentiles = if section.has("percentiles") {
        section.list("percentiles").iter().filter_map(percentile).collect()
    } else {
        vec![50, 95, 99]
    };
    if section.has("socket") {
        if section.has("listen") {
            section.error("listen", "either an address or a socket, not both");
        }
        return Some((socket(section)?, every, percentiles));
    }
    let address: SocketAddr =
        section.str("listen", "127.0.0.1:8125").parse().ok().or_else(|| {
            section.error("listen", "this is an address and a port, such as 127.0.0.1:8125");
            None
        })?;
    if !address.ip().is_loopback() {
        section
            .error("listen", "an agent does not listen on the network")
            .hint("use 127.0.0.1 or [::1]");
        return None;
    }
    Some((Place::Udp(address), every, percentiles))
}

fn socket(section: &Section<'_>) -> Option<Place> {
    let path = PathBuf::from(section.required("socket")?.str()?);
    if !path.is_absolute() {
        section.error("socket", "this is the path of a socket, from the root on");
        return None;
    }
    let mode = section.value("mode").map_or(Some(0o600), |value| {
        let mode = value.str().and_then(|text| u32::from_str_radix(text, 8).ok());
        let mode = mode.filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            value.error("permissions are three octal digits, such as 0660");
        }
        mode
    });
    Some(Place::Unix { path, mode: mode?, group: section.opt_str("group").map(str::to_owned) })
}

/// Where it listens.
#[derive(Clone, Debug)]
#[cfg_attr(windows, expect(dead_code, reason = "there are no sockets in folders"))]
enum Place {
    Udp(SocketAddr),
    Unix { path: PathBuf, mode: u32, group: Option<String> },
}

/// A socket that is there, or will be.
#[derive(Clone, Debug)]
struct Ears {
    place: Place,
    // Shared for `Clone` alone: a prototype has none yet.
    socket: Option<Arc<Socket>>,
    token: Option<Token>,
}

impl Ears {
    fn new(place: Place) -> Self {
        Self { place, socket: None, token: None }
    }
}

/// What becomes of datagrams.
#[derive(Clone, Debug)]
enum Told {
    Statsd(Aggregate, Source),
    Lines { intake: Box<Intake>, wrong: u64, last: Option<String> },
}

/// A socket at work.
#[derive(Clone, Debug)]
struct Listening {
    check: CheckName,
    ears: Ears,
    every: Duration,
    told: Told,
    /// When the interval ends.
    ends: Option<Mono>,
}

impl Listening {
    fn take(&mut self, datagram: &[u8], turn: &Turn<'_>) {
        match &mut self.told {
            Told::Statsd(aggregate, _) => aggregate.take(datagram),
            Told::Lines { intake, wrong, last } => {
                for line in datagram.split(|b| *b == b'\n') {
                    if line.trim_ascii().is_empty() {
                        continue;
                    }
                    match lines::read(line) {
                        Ok(line) => intake.take(line, turn),
                        Err(error) => {
                            *wrong += 1;
                            *last = Some(error.to_string());
                        }
                    }
                }
            }
        }
    }

    fn end_interval(&mut self, turn: &Turn<'_>) {
        self.ends = Some(turn.now.mono + self.every);
        let problem = match &mut self.told {
            Told::Statsd(aggregate, source) => {
                source.tell(&aggregate.end_interval(), turn);
                let (wrong, refused) = (aggregate.wrong, aggregate.refused);
                (aggregate.wrong, aggregate.refused) = (0, 0);
                match (wrong, refused) {
                    (0, 0) => None,
                    (wrong, 0) => Some(format!("{wrong} lines are wrong")),
                    (wrong, refused) => {
                        Some(format!("{wrong} lines are wrong, {refused} are of too many metrics"))
                    }
                }
            }
            Told::Lines { wrong, last, .. } => {
                let last = last.take();
                let count = std::mem::take(wrong);
                last.map(|last| format!("{count} lines are wrong, the last one: {last}"))
            }
        };
        let (status, text) = match problem {
            Some(problem) => (Status::Warning, problem),
            None => (Status::Ok, "listens".to_owned()),
        };
        self.report(status, text, turn);
    }

    fn report(&self, status: Status, text: String, turn: &Turn<'_>) {
        turn.report(ReportItem::Result(CheckResult {
            check: self.check.clone(),
            status,
            text,
            began_at: turn.now.unix,
            took_ms: 0,
            values: Vec::new(),
            limits: Vec::new(),
            next: hark_model::Next::Within(self.every.max(AGAIN)),
        }));
    }

    fn hand_over_if_due(&mut self, turn: &Turn<'_>) {
        if let Told::Lines { intake, .. } = &mut self.told
            && intake.deadline().is_some_and(|at| at <= turn.now.mono)
        {
            intake.hand_over(turn);
        }
    }
}

impl Job for Listening {
    fn name(&self) -> &str {
        self.check.as_str()
    }

    fn timing(&self) -> Timing {
        Timing { every: None, active: None }
    }

    fn begin(&mut self, turn: &mut Turn<'_>) {
        match Socket::open(&self.ears.place, &Root::system()) {
            Ok(socket) => {
                self.ears.socket = Some(Arc::new(socket));
                self.ends = Some(turn.now.mono + self.every);
                self.report(Status::Ok, "listens".to_owned(), turn);
            }
            Err(error) => {
                self.report(Status::Unknown, format!("cannot listen: {error}"), turn);
                turn.come_back(turn.now.mono + AGAIN);
            }
        }
    }

    fn wait_for(&mut self, poller: &mut Poller) {
        self.ears.token = self.ears.socket.as_ref().map(|s| poller.readable(s.descriptor()));
    }

    fn deadline(&self) -> Option<Mono> {
        let gathered = match &self.told {
            Told::Lines { intake, .. } => intake.deadline(),
            Told::Statsd(..) => None,
        };
        [self.ends, gathered].into_iter().flatten().min()
    }

    fn advance(&mut self, poller: &Poller, turn: &mut Turn<'_>) {
        let ready = self.ears.token.take().is_some_and(|token| poller.is_ready(token));
        if let Some(socket) = self.ears.socket.clone().filter(|_| ready) {
            let mut buffer = vec![0; MAX_DATAGRAM];
            for _ in 0..MAX_AT_ONCE {
                let Ok(len) = socket.receive(&mut buffer) else { break };
                self.take(buffer.get(..len).unwrap_or_default(), turn);
            }
        }
        self.hand_over_if_due(turn);
        if self.ends.is_some_and(|ends| ends <= turn.now.mono) {
            self.end_interval(turn);
        }
    }
}
