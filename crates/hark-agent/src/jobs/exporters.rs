//! Exporters on this host: pages of metrics as Prometheus reads them, fetched over HTTP.
//!
//! Each is a check that is critical while its page cannot be had. Its series are
//! `exporter.<name>.<labels>.<metric>`. Only addresses are asked, and `localhost`: looking a name up would
//! keep all jobs waiting, and an exporter elsewhere is a matter for its own host.

mod answer;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use hark_calendar::ACTIVE;
use hark_config::{Key, Kind, Section, Value};
use hark_model::labels::{self, Foreign};
use hark_model::time::millis;
use hark_model::{CheckName, CheckResult, Mono, Now, Status};
use hark_plugin::exposition::{self, Keep};
use hark_plugin::{Measured, Poller, Token};
use hark_proto::ReportItem;
use regex::RegexSet;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use self::answer::{Answer, AnswerError};
use super::series::Source;
use super::settings::{Pace, Reader, TIMEOUT_KEY, pattern};
use super::{Job, Timing, Turn};
use crate::sys;

const COLLECTOR: &str = Foreign::Exporter.word();

/// Between two looks if nothing else is said.
const EVERY: Duration = Duration::from_mins(1);

/// Bound on patterns of one exporter.
const MAX_PATTERNS: usize = 64;

/// Bytes that are read at once; after [`READS`] of them the other jobs have their turn.
const READ: usize = 64 * 1024;
const READS: usize = 8;

/// What the settings are.
pub(super) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Where the page is: `http://localhost:9100/metrics`.").required(),
    Key::new("every", Kind::Duration, "Time between two looks.").default("1m"),
    TIMEOUT_KEY,
    Key::new(
        "keep",
        Kind::OneOrMany(&Kind::Text),
        "Patterns: only samples in whose `name{labels}` one is found.",
    ),
    Key::new("leave", Kind::OneOrMany(&Kind::Text), "Patterns: samples that are left out."),
    Key::new("buckets", Kind::Bool, "Whether the buckets of histograms are kept.").default("false"),
    ACTIVE,
];

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_, '_>) {
    let exporters = reader.section.child("exporters");
    for (name, value) in exporters.iter().flat_map(Section::entries) {
        let Some(check) = reader.check(name.value, name.span) else { continue };
        if let Some(exporter) = read_one(check, &value) {
            reader.add(exporter);
        }
    }
}

fn read_one(check: CheckName, value: &Value<'_>) -> Option<Exporter> {
    if !value.is_map() {
        let target = value.parse(Target::parse)?;
        return Some(Exporter::new(check, target, Pace::of(EVERY), Keep::default()));
    }
    let section = value.section()?;
    let target = section.parse("url", Target::parse);
    let pace = Pace::read(&section, EVERY);
    let keep = Keep {
        keep: patterns(&section, "keep"),
        leave: patterns(&section, "leave"),
        buckets: section.bool("buckets", false),
    };
    section.finish(KEYS);
    Some(Exporter::new(check, target?, pace, keep))
}

fn patterns(section: &Section<'_>, key: &'static str) -> Option<RegexSet> {
    let values = section.one_or_many(key);
    if values.len() > MAX_PATTERNS {
        section.error(key, format!("at most {MAX_PATTERNS} patterns"));
        return None;
    }
    let sound: Vec<_> = values.iter().filter_map(pattern).collect();
    if sound.is_empty() {
        return None;
    }
    let set = RegexSet::new(sound.iter().map(regex::Regex::as_str)).ok();
    if set.is_none() {
        section.error(key, "these patterns are too large together");
    }
    set
}

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    /// Tried in turn.
    addresses: Vec<SocketAddr>,
    /// As it is told to the exporter.
    host: String,
    path: String,
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum TargetError {
    #[error("an exporter's page is `http://localhost:PORT/metrics`: encrypted ones are not read")]
    Scheme,
    #[error("an exporter is `localhost` or an address: names are not looked up here")]
    Name,
    #[error("a port is a number from 1 to 65535")]
    Port,
    #[error("a path has no blanks and no control characters")]
    Path,
}

impl Target {
    fn parse(text: &str) -> Result<Self, TargetError> {
        let rest = text.strip_prefix("http://").ok_or(TargetError::Scheme)?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at_checked(at).ok_or(TargetError::Path)?,
            None => (rest, "/metrics"),
        };
        let sound = |c: char| c.is_ascii_graphic();
        if !path.chars().all(sound) || !host.chars().all(sound) {
            return Err(TargetError::Path);
        }
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                (name, port.parse().ok().filter(|port| *port > 0).ok_or(TargetError::Port)?)
            }
            _ => (host, 80),
        };
        let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let addresses: Vec<IpAddr> = match literal {
            Ok(address) => vec![address],
            Err(_) if name.eq_ignore_ascii_case("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Err(_) => return Err(TargetError::Name),
        };
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(Self { addresses, host: host.to_owned(), path: path.to_owned() })
    }
}

/// An exporter at work.
#[derive(Clone, Debug)]
struct Exporter {
    check: CheckName,
    target: Arc<Target>,
    pace: Pace,
    keep: Keep,
    source: Source,
    // Shared for `Clone` alone: a prototype asks nothing.
    fetch: Option<Arc<Fetch>>,
    token: Option<Token>,
}

/// A question that was asked.
#[derive(Debug)]
struct Fetch {
    stream: TcpStream,
    began: Now,
    until: Mono,
    /// Which of the addresses.
    address: usize,
    /// What is still to be sent.
    question: Vec<u8>,
    answer: Answer,
}

/// Why there is no page.
#[derive(Debug, Error)]
enum FetchError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Answer(#[from] AnswerError),
    #[error("no answer within {}", hark_config::duration::format(*.0))]
    Late(Duration),
}

impl Fetch {
    fn begin(target: &Target, address: usize, now: Now, until: Mono) -> io::Result<Self> {
        let to = target.addresses.get(address).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = Socket::new(Domain::for_address(*to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&(*to).into()) {
            Err(error) if error.raw_os_error() != Some(sys::CONNECTING) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let question = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: hark/{}\r\nAccept: text/plain;version=0.0.4\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
            target.path,
            target.host,
            env!("CARGO_PKG_VERSION")
        );
        Ok(Self {
            stream: socket.into(),
            began: now,
            until,
            address,
            question: question.into_bytes(),
            answer: Answer::default(),
        })
    }

    /// Sends and reads what is possible now; returns the page when it is whole.
    fn advance(&mut self, now: Mono, late: Duration) -> Result<Option<Vec<u8>>, FetchError> {
        if now >= self.until {
            return Err(FetchError::Late(late));
        }
        if !self.question.is_empty() {
            if let Some(error) = self.stream.take_error()? {
                return Err(error.into());
            }
            match self.stream.write(&self.question) {
                Ok(sent) => drop(self.question.drain(..sent)),
                Err(error) if is_wait(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let mut buffer = vec![0; READ];
        for _ in 0..READS {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Some(self.answer.end()?)),
                Ok(len) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    if let Some(page) = self.answer.take(bytes)? {
                        return Ok(Some(page));
                    }
                }
                Err(error) if is_wait(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        // Not connected yet.
        || error.kind() == io::ErrorKind::NotConnected
}

impl Exporter {
    fn new(check: CheckName, target: Target, pace: Pace, keep: Keep) -> Self {
        Self {
            source: Source::new(COLLECTOR, &labels::escaped_job(check.as_str())),
            check,
            target: Arc::new(target),
            pace,
            keep,
            fetch: None,
            token: None,
        }
    }

    fn ask(&mut self, address: usize, began: Now, turn: &Turn<'_>) {
        let until = began.mono + self.pace.timeout;
        match Fetch::begin(&self.target, address, began, until) {
            Ok(fetch) => self.fetch = Some(Arc::new(fetch)),
            Err(error) => self.failed(&error.into(), address, began, turn),
        }
    }

    /// Tries the next address, or says that there is no page.
    fn failed(&mut self, error: &FetchError, address: usize, began: Now, turn: &Turn<'_>) {
        let next = address + 1;
        if next < self.target.addresses.len() && !matches!(error, FetchError::Late(_)) {
            self.ask(next, began, turn);
            return;
        }
        self.source.tell(&[Measured::number("up", 0.0)], turn);
        self.report(Status::Critical, format!("no page: {error}"), began, turn);
    }

    fn page(&mut self, page: &[u8], began: Now, turn: &Turn<'_>) {
        let page = exposition::read(&String::from_utf8_lossy(page), &self.keep);
        let count = page.samples.len();
        let took = millis(turn.now.mono.since(began.mono));
        let mut values = page.samples;
        values.push(Measured::number("up", 1.0));
        self.source.tell(&values, turn);
        let (status, text) = match (page.left_out, page.nonsense) {
            (0, None) => (Status::Ok, format!("{count} samples in {took} ms")),
            (0, Some((line, text))) => {
                (Status::Warning, format!("{count} samples; line {line} is none: {text}"))
            }
            (left_out, _) => {
                let text = format!(
                    "{count} samples, {left_out} are too many or too long: use `keep` or `leave`"
                );
                (Status::Warning, text)
            }
        };
        self.report(status, text, began, turn);
    }

    fn report(&self, status: Status, text: String, began: Now, turn: &Turn<'_>) {
        let took = millis(turn.now.mono.since(began.mono));
        turn.report(ReportItem::Result(CheckResult {
            check: self.check.clone(),
            status,
            text,
            began_at: began.unix,
            took_ms: u32::try_from(took).unwrap_or(u32::MAX),
            values: Vec::new(),
            limits: Vec::new(),
            next: hark_model::Next::default(),
        }));
    }
}

impl Job for Exporter {
    fn name(&self) -> &str {
        self.check.as_str()
    }

    fn timing(&self) -> Timing {
        self.pace.timing()
    }

    fn begin(&mut self, turn: &mut Turn<'_>) {
        if self.fetch.is_none() {
            self.ask(0, turn.now, turn);
        }
    }

    fn wait_for(&mut self, poller: &mut Poller) {
        self.token = self.fetch.as_ref().map(|fetch| {
            let stream = hark_plugin::waited(&fetch.stream);
            if fetch.question.is_empty() {
                poller.readable(stream)
            } else {
                poller.writable(stream)
            }
        });
    }

    fn deadline(&self) -> Option<Mono> {
        self.fetch.as_ref().map(|fetch| fetch.until)
    }

    fn advance(&mut self, poller: &Poller, turn: &mut Turn<'_>) {
        let ready = self.token.take().is_some_and(|token| poller.is_ready(token));
        let late = self.deadline().is_some_and(|until| until <= turn.now.mono);
        if !ready && !late {
            return;
        }
        let Some(mut fetch) = self.fetch.take() else { return };
        let Some(only) = Arc::get_mut(&mut fetch) else { return };
        let (address, began) = (only.address, only.began);
        match only.advance(turn.now.mono, self.pace.timeout) {
            Ok(None) => self.fetch = Some(fetch),
            Ok(Some(page)) => self.page(&page, began, turn),
            Err(error) => self.failed(&error, address, began, turn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_on_this_host_or_at_an_address() {
        let shown = |text: &str| {
            let target = Target::parse(text)?;
            Ok::<_, TargetError>(format!("{:?} {} {}", target.addresses, target.host, target.path))
        };
        for (text, expected) in [
            (
                "http://localhost:9100/metrics",
                "[127.0.0.1:9100, [::1]:9100] localhost:9100 /metrics",
            ),
            ("http://127.0.0.1:9100", "[127.0.0.1:9100] 127.0.0.1:9100 /metrics"),
            ("http://[::1]:9100/x?a=b", "[[::1]:9100] [::1]:9100 /x?a=b"),
            ("http://192.0.2.1/", "[192.0.2.1:80] 192.0.2.1 /"),
        ] {
            assert_eq!(shown(text).unwrap(), expected);
        }
        for (text, error) in [
            ("https://localhost/", TargetError::Scheme),
            ("localhost:9100", TargetError::Scheme),
            ("http://example.net:9100/", TargetError::Name),
            ("http://localhost:0/", TargetError::Port),
            ("http://localhost:x/", TargetError::Port),
            ("http://localhost:1/a b", TargetError::Path),
            ("http://localhost:1/a\r\nX: y", TargetError::Path),
        ] {
            assert_eq!(shown(text).unwrap_err(), error, "{text}");
        }
    }
}
