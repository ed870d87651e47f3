//! Names: texts that cannot be wrong after they were made.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text has no characters.
    #[error("a {what} cannot be empty")]
    Empty {
        /// The kind of name.
        what: &'static str,
    },
    /// The text is longer than the bound.
    #[error("a {what} has at most {max} bytes, this has {len}")]
    TooLong {
        /// The kind of name.
        what: &'static str,
        /// The bound in bytes.
        max: usize,
        /// The length in bytes.
        len: usize,
    },
    /// The text has a character that is not allowed.
    #[error("a {what} cannot contain {found:?}: use {allowed}")]
    Character {
        /// The kind of name.
        what: &'static str,
        /// The first character that is not allowed.
        found: char,
        /// What is allowed, in words.
        allowed: &'static str,
    },
}

macro_rules! name {
    ($(#[$meta:meta])* $type:ident, $what:literal, $max:literal, $allowed:expr, $ok:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The bound in bytes: a name stands in rows, messages and datagrams.
            pub const MAX: usize = $max;

            /// Makes a name from `text`.
            ///
            /// # Errors
            /// If `text` is empty, longer than [`Self::MAX`] bytes, or has a character that is not
            /// allowed; the error says which.
            pub fn new(text: &str) -> Result<Self, NameError> {
                if text.is_empty() {
                    return Err(NameError::Empty { what: $what });
                }
                if text.len() > $max {
                    return Err(NameError::TooLong { what: $what, max: $max, len: text.len() });
                }
                let allowed: fn(char) -> bool = $ok;
                match text.chars().find(|c| !allowed(*c)) {
                    Some(found) => {
                        Err(NameError::Character { what: $what, found, allowed: $allowed })
                    }
                    None => Ok(Self(Arc::from(text))),
                }
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn printable(c: char) -> bool {
    !c.is_control()
}

const WORD: &str = "letters, digits, '.', '-' and '_'";
const PRINTABLE: &str = "printable characters";

name!(
    /// The name of a host: RFC 1123 and underscore, as machines are really called.
    HostName, "host name", 253, "letters, digits, '.', '-', '_' and ':'", |c| word(c) || c == ':'
);
name!(
    /// The name of a check within its host. Metric thresholds use the metric's path
    /// (`cpu_monitor.cpu_percent`, `disk_monitor./.percent`), round trip time uses `rtt`, the host's
    /// own liveness is `host`.
    CheckName, "check name", 255, PRINTABLE, printable
);
name!(
    /// The name of a threshold profile.
    ProfileName, "profile name", 64, WORD, word
);
name!(
    /// The name of a receiver.
    ReceiverName, "receiver name", 64, WORD, word
);
name!(
    /// The name of a route.
    RouteName, "route name", 64, WORD, word
);
name!(
    /// The name of a period: days and hours.
    PeriodName, "period name", 64, WORD, word
);
name!(
    /// The name of a team: some users.
    TeamName, "team name", 64, WORD, word
);
name!(
    /// The name of a rota: users who are on call in turn.
    RotaName, "rota name", 64, WORD, word
);
name!(
    /// The name a user logs in with.
    UserName, "user name", 64, "letters, digits, '.', '-', '_' and '@'", |c| word(c) || c == '@'
);
name!(
    /// A tag on a host, such as `role:db` or `site:ams`.
    Tag, "tag", 64, PRINTABLE, |c| printable(c) && !c.is_whitespace()
);

impl HostName {
    /// Returns the part before the first dot (seed 001, item 16); an address is returned whole.
    pub fn short(&self) -> &str {
        if self.0.parse::<std::net::IpAddr>().is_ok() {
            return &self.0;
        }
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

/// What the name of those begins with who act by what a receiver's messages carried. The space keeps
/// it apart from all names that anybody can log in with.
const VIA: &str = "via ";

impl UserName {
    /// Returns the name under which those act who read the messages of `receiver`, and whom nobody
    /// knows better. No user can be called so.
    pub fn via(receiver: &ReceiverName) -> Self {
        Self(Arc::from(format!("{VIA}{receiver}")))
    }

    /// Reads a name from a record of what was done: a user's, or one of [`UserName::via`].
    ///
    /// # Errors
    /// If it is neither.
    pub fn recorded(text: &str) -> Result<Self, NameError> {
        match text.strip_prefix(VIA) {
            Some(receiver) => ReceiverName::new(receiver).map(|receiver| Self::via(&receiver)),
            None => Self::new(text),
        }
    }
}

impl CheckName {
    /// Returns the name of the check that is the host's own liveness.
    pub fn host() -> Self {
        Self(Arc::from("host"))
    }

    /// Returns true if this is the host's own liveness.
    pub fn is_host(&self) -> bool {
        &*self.0 == "host"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(HostName::new("").unwrap_err().to_string(), "a host name cannot be empty");
        assert_eq!(
            HostName::new("a b").unwrap_err().to_string(),
            "a host name cannot contain ' ': use letters, digits, '.', '-', '_' and ':'"
        );
        assert!(HostName::new(&"a".repeat(254)).is_err());
        assert!(CheckName::new("disk_monitor./var lib.percent").is_ok());
        assert!(CheckName::new("a\nb").is_err());
    }

    #[test]
    fn nobody_can_be_called_as_those_who_read_a_receivers_messages() {
        let via = UserName::via(&ReceiverName::new("ops-mail").unwrap());
        assert_eq!(via.as_str(), "via ops-mail");
        assert!(UserName::new(via.as_str()).is_err());
        assert_eq!(UserName::recorded("via ops-mail"), Ok(via));
        assert_eq!(UserName::recorded("mira"), UserName::new("mira"));
        assert!(UserName::recorded("via a b").is_err() && UserName::recorded("via ").is_err());
    }

    #[test]
    fn short_names_keep_addresses_whole() {
        assert_eq!(HostName::new("web.example.net").unwrap().short(), "web");
        assert_eq!(HostName::new("192.0.2.1").unwrap().short(), "192.0.2.1");
    }
}
