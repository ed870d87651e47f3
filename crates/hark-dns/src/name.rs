//! Names of the domain name system.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// A name, in small letters, without the final dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<str>);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DnsNameError {
    /// Nothing, or nothing between two dots.
    #[error("`{0}` is not a name: a part of it is empty")]
    Empty(String),
    /// Longer than the protocol can carry.
    #[error("a name has at most {} bytes, and each part of it {MAX_LABEL}", DnsName::MAX)]
    TooLong,
    /// A character that no host's name has.
    #[error("a name cannot contain {0:?}: use letters, digits, '-' and '_'")]
    Character(char),
}

/// Bound on a part of a name (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

impl DnsName {
    /// Bound on a name in text form (RFC 1035, 2.3.4).
    pub const MAX: usize = 253;

    /// Makes a name of `text`; a final dot is left out, capitals become small letters.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, DnsNameError> {
        let bare = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(wrong) = bare.chars().find(|c| !fits(c)) {
            return Err(DnsNameError::Character(wrong));
        }
        if bare.split('.').any(str::is_empty) {
            return Err(DnsNameError::Empty(text.to_owned()));
        }
        if bare.len() > Self::MAX || bare.split('.').any(|label| label.len() > MAX_LABEL) {
            return Err(DnsNameError::TooLong);
        }
        Ok(Self(bare.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true if it is `zone` or lies below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        self.below(zone).is_some()
    }

    /// Returns what stands before `zone`, empty for `zone` itself; `None` if it lies elsewhere.
    pub fn below(&self, zone: &Self) -> Option<&str> {
        let rest = self.0.strip_suffix(zone.as_str())?;
        if rest.is_empty() { Some("") } else { rest.strip_suffix('.') }
    }

    /// Returns the name without its first part.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// Returns the name of the host called `host` in the domain `self`: what stands before its first dot,
    /// or all of it if it lies in this domain already.
    ///
    /// # Errors
    /// If a host of this name can have none.
    pub fn of_host(&self, host: &str) -> Result<Self, DnsNameError> {
        if let Ok(whole) = Self::new(host)
            && whole.is_within(self)
        {
            return Ok(whole);
        }
        let short = host.split('.').next().unwrap_or(host);
        Self::new(&format!("{short}.{self}"))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        DnsName::new(text).unwrap()
    }

    #[test]
    fn names_are_the_same_in_every_spelling() {
        assert_eq!(name("WWW.Example.net."), name("www.example.net"));
        for wrong in ["", ".", "a..b", ".a", "a b", "ä.example", "a:b", &"a".repeat(64)] {
            assert!(DnsName::new(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(DnsName::new(&"a.".repeat(128)), Err(DnsNameError::TooLong));
    }

    #[test]
    fn a_name_is_in_a_zone_by_whole_parts() {
        let zone = name("example.net");
        assert_eq!(name("a.b.example.net").below(&zone), Some("a.b"));
        assert_eq!(zone.below(&zone), Some(""));
        assert!(!name("badexample.net").is_within(&zone));
        assert!(!name("example.net").is_within(&name("www.example.net")));
        assert_eq!(name("a.b").parent(), Some(name("b")));
        assert_eq!(name("b").parent(), None);
    }

    #[test]
    fn a_host_has_the_first_part_of_its_name_in_each_domain() {
        let domain = name("dyn.example.net");
        for (host, expected) in [
            ("web1", "web1.dyn.example.net"),
            ("WEB1.local", "web1.dyn.example.net"),
            ("a.b.dyn.example.net", "a.b.dyn.example.net"),
        ] {
            assert_eq!(domain.of_host(host), Ok(name(expected)));
        }
        assert!(domain.of_host("switch:3").is_err());
    }
}
