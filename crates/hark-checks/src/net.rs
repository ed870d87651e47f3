//! What the check types share on the way to the other side: the settings of where it is and how long it
//! may take, and what not reaching it means.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_model::{HostName, Status};
use hark_net::Unreached;

use crate::finding::Finding;

/// Settings of every check type that goes to an address.
pub(crate) const FAMILY_KEY: Key = Key::new(
    "family",
    Kind::OneOf(&["either", "ipv4", "ipv6", "both"]),
    "Which addresses to use; with `both` it must be well over each.",
)
.default("either");

/// The setting of the time limit.
pub(crate) const TIMEOUT_KEY: Key =
    Key::new("timeout", Kind::Duration, "Time for one run, all steps together.").default("5s");

/// Time limit where none is set: twice what a slow but working service takes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time limit: a run must end before the next hour's.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_mins(10);

/// Reads the time limit.
pub(crate) fn read_timeout(section: &Section<'_>) -> Duration {
    let timeout = section.duration("timeout", Bare::Seconds, TIMEOUT);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        section.error("timeout", "must be more than 0s and at most 10m");
        return TIMEOUT;
    }
    timeout
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

/// Judges why the other side was not reached. A name that cannot be resolved is unknown, not critical:
/// the fault lies between here and the name servers as often as there.
pub(crate) fn judge_unreached(unreached: &Unreached) -> Finding {
    match unreached {
        Unreached::Unresolved { source, .. } => Finding::new(Status::Unknown, chain(source)),
        Unreached::NotResolved { .. } | Unreached::Forbidden { .. } => {
            Finding::new(Status::Unknown, unreached.to_string())
        }
        Unreached::Refused { .. } | Unreached::Silent { .. } => {
            Finding::new(Status::Critical, chain(unreached))
        }
    }
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
    use std::io;

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
        let unresolved = Unreached::Unresolved {
            host: "x.example".to_owned(),
            source: io::Error::new(io::ErrorKind::NotFound, "there is no name x.example"),
        };
        let finding = judge_unreached(&unresolved);
        assert_eq!(finding.status, Status::Unknown);
        assert_eq!(finding.text, "there is no name x.example");
        let (host, after) = ("x.example".to_owned(), Duration::from_secs(5));
        let slow = Unreached::NotResolved { host, after };
        assert_eq!(judge_unreached(&slow).status, Status::Unknown);
        let refused = Unreached::Refused {
            address: ([127, 0, 0, 1], 1).into(),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        assert_eq!(judge_unreached(&refused).status, Status::Critical);
    }
}
