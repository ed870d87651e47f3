//! How a server is named in settings: by its name or address, by the service that it offers, or as the one
//! that answers on the local network.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// The port where the server listens if nothing else is said.
pub const DEFAULT_PORT: u16 = 50003;

/// What stands before the name of a service.
const SRV: &str = "srv:";

/// The service in a domain that is named alone.
const SERVICE: &str = "_hark._udp";

/// What stands for the server on the local network.
const DISCOVER: &str = "discover";

/// The longest name that DNS has.
const MAX_NAME: usize = 253;

/// A way to a server, or to several.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    way: Way,
}

/// How it is found.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// A name or address, and the port.
    At(String, u16),
    /// Those who offer this service, as the records SRV of the name say.
    Service(String),
    /// Whoever holds this agent's key and listens on this port in the local network.
    Local(u16),
}

/// Why a text is not a [`Server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerError {
    /// Nothing, or nothing before the port.
    #[error("a server is a name or an address, with :port if it is not {DEFAULT_PORT}")]
    Empty,
    /// What follows the colon is no port.
    #[error("a port is a number from 1 to 65535")]
    Port,
    /// What follows `srv:` is no domain.
    #[error("after srv: comes a domain, as in srv:example.net or srv:{SERVICE}.example.net")]
    Service,
}

impl Server {
    /// Reads `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1`, `[2001:db8::1]:port`,
    /// `srv:example.net`, `srv:_hark._udp.example.net`, `discover` or `discover:port`.
    ///
    /// # Errors
    /// Why not.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let text = text.trim();
        let is_port = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
        // `srv:1234` is a host of this name: no domain is a number.
        if let Some(name) = text.strip_prefix(SRV).filter(|name| !is_port(name)) {
            return service(name).map(|name| Self { way: Way::Service(name) });
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self::at(text, DEFAULT_PORT));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse::<u16>().ok()),
            _ => (text, Some(DEFAULT_PORT)),
        };
        let port = port.filter(|port| *port > 0).ok_or(ServerError::Port)?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(ServerError::Empty);
        }
        if host == DISCOVER {
            return Ok(Self { way: Way::Local(port) });
        }
        Ok(Self::at(host, port))
    }

    fn at(host: &str, port: u16) -> Self {
        Self { way: Way::At(host.to_owned(), port) }
    }

    /// Returns the name or address, or the name of the service.
    pub fn host(&self) -> &str {
        match &self.way {
            Way::At(host, _) => host,
            Way::Service(name) => name,
            Way::Local(_) => DISCOVER,
        }
    }

    /// Returns the same host at another port; a service says its ports itself.
    #[must_use]
    pub fn at_port(&self, port: u16) -> Self {
        match &self.way {
            Way::At(host, _) => Self::at(host, port),
            Way::Service(_) | Way::Local(_) => self.clone(),
        }
    }

    /// Returns true if those who offer a service are meant.
    pub fn is_service(&self) -> bool {
        matches!(self.way, Way::Service(_))
    }

    /// Returns true if whoever answers on the local network is meant.
    pub fn is_local(&self) -> bool {
        self.local_port().is_some()
    }

    /// Returns where servers on the local network listen, if such a one is meant.
    pub(crate) fn local_port(&self) -> Option<u16> {
        match self.way {
            Way::Local(port) => Some(port),
            Way::At(..) | Way::Service(_) => None,
        }
    }

    /// Returns true if it is asked for again when it was not found: a machine may be up before its network.
    pub(super) fn is_sought(&self) -> bool {
        self.is_service() || self.is_local()
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Returns the address, if it is one and needs no resolving.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        match &self.way {
            Way::At(host, port) => host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, *port)),
            Way::Service(_) | Way::Local(_) => None,
        }
    }
}

/// Returns the whole name of a service; a domain alone is asked for hark's.
fn service(name: &str) -> Result<String, ServerError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let whole = if name.starts_with('_') { name.to_owned() } else { format!("{SERVICE}.{name}") };
    let is_label = |label: &str| {
        let may = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(may)
    };
    let is_name = whole.len() <= MAX_NAME && whole.split('.').all(is_label);
    is_name.then_some(whole).ok_or(ServerError::Service)
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::At(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Way::At(host, port) => write!(f, "{host}:{port}"),
            Way::Service(name) => write!(f, "{SRV}{name}"),
            Way::Local(DEFAULT_PORT) => f.write_str(DISCOVER),
            Way::Local(port) => write!(f, "{DISCOVER}:{port}"),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_addresses_and_services() {
        for (text, shown) in [
            ("hark.example.net", "hark.example.net:50003"),
            ("hark:1234", "hark:1234"),
            (" 192.0.2.1 ", "192.0.2.1:50003"),
            ("192.0.2.1:7", "192.0.2.1:7"),
            ("2001:db8::1", "[2001:db8::1]:50003"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
            ("[2001:db8::1]", "[2001:db8::1]:50003"),
            ("srv:example.net", "srv:_hark._udp.example.net"),
            ("srv:_hark._udp.example.net.", "srv:_hark._udp.example.net"),
            ("srv:_watch._udp.example.net", "srv:_watch._udp.example.net"),
            ("srv", "srv:50003"),
            ("srv:1234", "srv:1234"),
            ("discover", "discover"),
            ("discover:7", "discover:7"),
            ("discover.", "discover.:50003"),
        ] {
            let server = Server::parse(text).unwrap();
            assert_eq!(server.to_string(), shown);
            assert_eq!(Server::parse(shown).unwrap(), server, "it comes back from files");
        }
        let long = format!("srv:{}", "a.".repeat(130));
        for (text, error) in [
            ("", ServerError::Empty),
            (":5", ServerError::Empty),
            ("a b", ServerError::Empty),
            ("a:0", ServerError::Port),
            ("a:x", ServerError::Port),
            ("a:70000", ServerError::Port),
            ("srv:", ServerError::Service),
            ("srv:a..b", ServerError::Service),
            ("srv:a b", ServerError::Service),
            ("srv:example.net:50003", ServerError::Service),
            (&long, ServerError::Service),
        ] {
            assert_eq!(Server::parse(text), Err(error), "{text}");
        }
    }
}
