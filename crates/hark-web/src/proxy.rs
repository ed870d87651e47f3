//! What a reverse proxy says of those it speaks for: from where they come, whether they speak TLS with it,
//! and who they are. Believed of the addresses that the configuration names, and of nobody else.

use std::net::IpAddr;

use hark_model::UserName;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::peer::Peer;

/// The header with the way of a request, the client first.
const FOR: &str = "x-forwarded-for";

/// The header with what the client speaks.
const PROTO: &str = "x-forwarded-proto";

/// Headers that say that somebody stands between: a request with one of them does not come from where its
/// connection comes from.
const TRACES: [&str; 8] = [
    FOR,
    PROTO,
    "forwarded",
    "via",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
];

/// A network of addresses, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address.
    ///
    /// # Errors
    /// If it is none; in words for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let wrong = "not an address or network: use one such as 192.0.2.1 or 10.0.0.0/8";
        let address: IpAddr = address.trim().parse().map_err(|_| wrong)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.trim().parse().map_err(|_| wrong))?;
        if bits > most { Err(wrong) } else { Ok(Self { address, bits }) }
    }

    /// Returns whether `address` is within it.
    pub fn covers(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let rest = width.saturating_sub(u32::from(self.bits));
            a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whom to believe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Addresses of the proxies.
    pub from: Vec<Network>,
    /// The header in which they name the user that they have let in.
    pub header: Option<HeaderName>,
}

impl Proxies {
    /// Returns whether `address` is one of them.
    pub(crate) fn are(&self, address: IpAddr) -> bool {
        self.from.iter().any(|network| network.covers(address))
    }

    /// Returns who is behind `connection`: its own other end, or for a proxy whom it speaks for.
    ///
    /// The way is read from its end: each part was written by the one behind it, and the first that is no
    /// proxy of ours is as far as anybody can be believed.
    pub(crate) fn behind(&self, connection: Peer, headers: &HeaderMap) -> Peer {
        if !self.are(connection.address) {
            return connection;
        }
        let mut peer = connection;
        let lines = headers.get_all(FOR).iter().filter_map(|value| value.to_str().ok());
        let way: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        for part in way.iter().rev() {
            let Ok(address) = part.parse::<IpAddr>() else { break };
            peer.address = address.to_canonical();
            if !self.are(peer.address) {
                break;
            }
        }
        if let Some(proto) = headers.get(PROTO) {
            peer.secure = proto.as_bytes().eq_ignore_ascii_case(b"https");
        }
        peer
    }

    /// Returns the user that the proxy at the other end of `connection` has let in. Two of them are none.
    pub(crate) fn user(&self, connection: Peer, headers: &HeaderMap) -> Option<UserName> {
        let header = self.header.as_ref().filter(|_| self.are(connection.address))?;
        let mut named = headers.get_all(header).iter();
        let first = named.next().map(HeaderValue::to_str)?.ok()?;
        if named.next().is_some() {
            return None;
        }
        UserName::new(first.trim()).ok()
    }
}

/// Returns whether a request says that somebody stands between.
pub(crate) fn has_traces(headers: &HeaderMap) -> bool {
    TRACES.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer { address: address.parse().unwrap(), secure: false }
    }

    fn proxies() -> Proxies {
        let from = ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"];
        Proxies {
            from: from.iter().map(|text| Network::parse(text).unwrap()).collect(),
            header: Some(HeaderName::from_static("remote-user")),
        }
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn networks_cover_their_addresses() {
        for (network, address, expected) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ] {
            let covers = Network::parse(network).unwrap().covers(address.parse().unwrap());
            assert_eq!(covers, expected, "{network} {address}");
        }
        for wrong in ["", "example.net", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/"] {
            assert!(Network::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_way_is_read_from_its_end_and_no_further_than_it_can_be_believed() {
        for (connection, way, expected) in [
            ("192.0.2.9", "198.51.100.1", "192.0.2.9"),
            ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "203.0.113.5, 198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "198.51.100.1, 10.1.1.1", "198.51.100.1"),
            ("127.0.0.1", "unknown", "127.0.0.1"),
            ("127.0.0.1", "unknown, 10.1.1.1", "10.1.1.1"),
            ("127.0.0.1", "", "127.0.0.1"),
        ] {
            let found = proxies().behind(peer(connection), &headers(&[("x-forwarded-for", way)]));
            assert_eq!(found.address.to_string(), expected, "{connection}: {way}");
        }
        let two = headers(&[("x-forwarded-for", "203.0.113.5"), ("x-forwarded-for", "192.0.2.7")]);
        assert_eq!(proxies().behind(peer("127.0.0.1"), &two).address.to_string(), "192.0.2.7");
    }

    #[test]
    fn tls_is_believed_of_proxies_alone() {
        let https = headers(&[("x-forwarded-proto", "https")]);
        assert!(proxies().behind(peer("10.0.0.1"), &https).secure);
        assert!(!proxies().behind(peer("192.0.2.1"), &https).secure);
        let secure = Peer { secure: true, ..peer("10.0.0.1") };
        assert!(!proxies().behind(secure, &headers(&[("x-forwarded-proto", "http")])).secure);
    }

    #[test]
    fn a_user_is_believed_of_proxies_alone() {
        let named = headers(&[("remote-user", "mira")]);
        let mira = UserName::new("mira").ok();
        assert_eq!(proxies().user(peer("10.0.0.1"), &named), mira);
        assert_eq!(proxies().user(peer("192.0.2.1"), &named), None);
        assert_eq!(proxies().user(peer("10.0.0.1"), &headers(&[])), None);
        assert_eq!(proxies().user(peer("10.0.0.1"), &headers(&[("remote-user", "a b")])), None);
        let two = headers(&[("remote-user", "mira"), ("remote-user", "root")]);
        assert_eq!(proxies().user(peer("10.0.0.1"), &two), None);
        let unnamed = Proxies { header: None, ..proxies() };
        assert_eq!(unnamed.user(peer("10.0.0.1"), &named), None);
    }
}
