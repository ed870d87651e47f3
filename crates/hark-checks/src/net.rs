//! What the check types share on the way to the other side: where it is, and a connection with the
//! time each part took.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::time::{Clock, Micros};
use hark_model::{HostName, Status};
use tokio::net::TcpStream;

use crate::Context;
use crate::finding::Finding;
use crate::resolve::{Family, ResolveError};

/// Settings of every check type that goes to an address.
pub(crate) const FAMILY_KEY: Key =
    Key::new("family", Kind::OneOf(&["either", "ipv4", "ipv6"]), "Which addresses to use.")
        .default("either");

/// The setting of the time limit.
pub(crate) const TIMEOUT_KEY: Key =
    Key::new("timeout", Kind::Duration, "Time for one run, all steps together.").default("5s");

/// Time limit where none is set: twice what a slow but working service takes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time limit: a run must end before the next hour's.
const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// Reads the time limit.
pub(crate) fn read_timeout(section: &Section<'_>) -> Duration {
    let timeout = section.duration("timeout", Bare::Seconds, TIMEOUT);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        section.error("timeout", "must be more than 0s and at most 10m");
        return TIMEOUT;
    }
    timeout
}

/// Reads the family.
pub(crate) fn read_family(section: &Section<'_>) -> Family {
    section.word("family", Family::WORDS).unwrap_or_default()
}

/// Reads a name or address to look at; `host` is meant where the key is absent.
pub(crate) fn read_host(
    section: &Section<'_>,
    key: &'static str,
    host: Option<&str>,
) -> Option<String> {
    if section.has(key) {
        return section.parse(key, HostName::new).map(|name| name.to_string());
    }
    if host.is_none() {
        section.required(key);
    }
    host.map(str::to_owned)
}

/// A warning and a critical limit of the time something takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeLimits {
    pub(crate) warning: Option<Duration>,
    pub(crate) critical: Option<Duration>,
}

impl TimeLimits {
    /// Reads `warning` and `critical`.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let limits = Self {
            warning: section.opt_duration("warning", Bare::Seconds),
            critical: section.opt_duration("critical", Bare::Seconds),
        };
        if let (Some(warning), Some(critical)) = (limits.warning, limits.critical)
            && warning > critical
        {
            section.error("warning", "the warning limit is above the critical one");
        }
        limits
    }

    /// Judges a time.
    pub(crate) fn judge(self, time: Duration) -> Status {
        let beyond = |limit: Option<Duration>| limit.is_some_and(|limit| time >= limit);
        if beyond(self.critical) {
            Status::Critical
        } else if beyond(self.warning) {
            Status::Warning
        } else {
            Status::Ok
        }
    }

    pub(crate) fn seconds(self) -> (Option<f64>, Option<f64>) {
        (self.warning.map(|w| w.as_secs_f64()), self.critical.map(|c| c.as_secs_f64()))
    }
}

/// Measures one step after the other.
#[derive(Debug)]
pub(crate) struct Stopwatch(Micros);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Clock.micros())
    }

    /// Returns the time since the start or the last lap.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Clock.micros();
        let lap = Duration::from_micros(now.since(self.0));
        self.0 = now;
        lap
    }
}

/// Why the other side was not reached.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// Its name has no address: says nothing about the other side.
    Unresolved(ResolveError),
    /// Nobody answers there.
    Unconnected { address: SocketAddr, error: io::Error },
}

impl Unreached {
    /// A name that cannot be resolved is unknown, not critical: the fault lies between here and the
    /// name servers as often as there.
    pub(crate) fn judge(&self) -> Finding {
        match self {
            Self::Unresolved(error) => Finding::new(Status::Unknown, chain(error)),
            Self::Unconnected { address, error } => {
                Finding::new(Status::Critical, format!("no connection to {address}: {error}"))
            }
        }
    }
}

/// A connection, and the time that each part of making it took.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) stream: TcpStream,
    pub(crate) address: SocketAddr,
    pub(crate) resolve: Duration,
    pub(crate) connect: Duration,
}

/// Connects to the first address of `host` that answers. An address that hangs gets its share of
/// `limit`, so that the others have theirs.
pub(crate) async fn connect(
    context: &Context,
    host: &str,
    port: u16,
    family: Family,
    limit: Duration,
) -> Result<Connected, Unreached> {
    let mut watch = Stopwatch::start();
    let found = context.resolver.lookup(host, family).await.map_err(Unreached::Unresolved)?;
    let resolve = watch.lap();
    let share = limit.saturating_sub(resolve) / u32::try_from(found.len().max(1)).unwrap_or(1);
    let mut failure = None;
    for ip in found {
        let address = SocketAddr::new(ip, port);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                return Ok(Connected { stream, address, resolve, connect: watch.lap() });
            }
            Ok(Err(error)) => failure = Some(Unreached::Unconnected { address, error }),
            Err(_elapsed) => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "timed out");
                failure = Some(Unreached::Unconnected { address, error });
            }
        }
    }
    Err(failure.unwrap_or_else(|| {
        Unreached::Unresolved(ResolveError::NoAddress { name: host.to_owned(), family })
    }))
}

/// Returns an error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Wrappers often repeat the text of what they wrap.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

/// Writes host and port the way addresses are written.
pub(crate) fn host_port(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_met_from_below() {
        let limits = TimeLimits {
            warning: Some(Duration::from_secs(1)),
            critical: Some(Duration::from_secs(2)),
        };
        assert_eq!(limits.judge(Duration::from_millis(999)), Status::Ok);
        assert_eq!(limits.judge(Duration::from_secs(1)), Status::Warning);
        assert_eq!(limits.judge(Duration::from_secs(2)), Status::Critical);
        assert_eq!(TimeLimits::default().judge(Duration::from_hours(1)), Status::Ok);
    }

    #[test]
    fn an_unknown_name_says_nothing_about_the_host() {
        let unresolved =
            Unreached::Unresolved(ResolveError::NoSuchName { name: "x.example".to_owned() });
        assert_eq!(unresolved.judge().status, Status::Unknown);
        let refused = Unreached::Unconnected {
            address: ([127, 0, 0, 1], 1).into(),
            error: io::ErrorKind::ConnectionRefused.into(),
        };
        assert_eq!(refused.judge().status, Status::Critical);
    }
}
