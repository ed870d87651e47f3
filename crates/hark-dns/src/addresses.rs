//! The addresses of a name, and which may be published at all.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hark_net::Guard;

/// The addresses of a name: at most one of each family, since a host is in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Its A record.
    pub v4: Option<Ipv4Addr>,
    /// Its AAAA record.
    pub v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// No record.
    pub const NONE: Self = Self { v4: None, v6: None };

    /// Returns true if there is no record.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Returns them as texts.
    pub fn texts(self) -> Vec<String> {
        let v4 = self.v4.iter().map(ToString::to_string);
        v4.chain(self.v6.iter().map(ToString::to_string)).collect()
    }

    /// Returns the family that either has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { v4: self.v4.or(other.v4), v6: self.v6.or(other.v6) }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v4, self.v6) {
            (None, None) => f.write_str("nothing"),
            (Some(v4), None) => v4.fmt(f),
            (None, Some(v6)) => v6.fmt(f),
            (Some(v4), Some(v6)) => write!(f, "{v4} and {v6}"),
        }
    }
}

/// Returns why an address is not published. Private ones may be allowed; what nobody can be reached at
/// never is.
pub(crate) fn refused(address: IpAddr, private: bool) -> Option<&'static str> {
    let nowhere = match address {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        // An address of one cable has no meaning without its interface.
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast() || v6.is_unicast_link_local(),
    };
    if nowhere {
        return Some("is nobody's");
    }
    let is_private = !Guard::PublicOnly.allows(address);
    (is_private && !private).then_some("is private: `private: true` publishes such addresses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_published_on_demand_and_nobodys_never() {
        let refused = |text: &str, private| refused(text.parse().unwrap(), private).is_some();
        for public in ["8.8.8.8", "2a00:1450:4001::1"] {
            assert!(!refused(public, false), "{public}");
        }
        for private in ["192.168.1.5", "10.0.0.1", "127.0.0.2", "fd00::1", "::1"] {
            assert!(refused(private, false) && !refused(private, true), "{private}");
        }
        for nobody in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "fe80::1"] {
            assert!(refused(nobody, false) && refused(nobody, true), "{nobody}");
        }
    }

    #[test]
    fn addresses_are_said_in_words() {
        let both = Addresses {
            v4: Some(Ipv4Addr::new(192, 0, 2, 1)),
            v6: Some("2001:db8::1".parse().unwrap()),
        };
        assert_eq!(both.to_string(), "192.0.2.1 and 2001:db8::1");
        assert_eq!(Addresses::NONE.to_string(), "nothing");
    }
}
