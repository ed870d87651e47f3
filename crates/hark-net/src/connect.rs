//! From a name to a connection, with the time each part took.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpSocket, TcpStream};

use crate::guard::Guard;
use crate::resolve::{Family, Resolve};
use crate::stopwatch::Stopwatch;

/// Where to connect to, and how.
#[derive(Clone, Copy, Debug)]
pub struct Dial<'a> {
    /// The name or address.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Which of its addresses.
    pub family: Family,
    /// Which addresses it may have.
    pub guard: Guard,
    /// This machine's address to connect from; chosen by the system if none is given.
    pub source: Option<IpAddr>,
    /// The time for everything.
    pub limit: Duration,
}

impl<'a> Dial<'a> {
    /// Goes to any address of `host`, within `limit`.
    pub fn new(host: &'a str, port: u16, limit: Duration) -> Self {
        let (family, guard) = (Family::default(), Guard::default());
        Self { host, port, family, guard, source: None, limit }
    }
}

/// A connection, and the time that each part of making it took.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: TcpStream,
    /// To where.
    pub address: SocketAddr,
    /// The time that finding the address took.
    pub resolve: Duration,
    /// The time that connecting took, addresses that did not answer included.
    pub connect: Duration,
}

/// Why the other side was not reached.
#[derive(Debug, Error)]
pub enum Unreached {
    /// Its name has no address: says nothing about the other side.
    #[error("no address for {host}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// The name servers took too long: says nothing about the other side either.
    #[error("no address for {host} within {} s", .after.as_secs_f32())]
    NotResolved {
        /// The name.
        host: String,
        /// The time they had.
        after: Duration,
    },
    /// Its name leads to an address that is kept out.
    #[error("{host} leads to the private address {address}")]
    Forbidden {
        /// The name.
        host: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// Nobody answers there.
    #[error("no connection to {address}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Nothing came back in time.
    #[error("no connection to {address}: timed out")]
    Silent {
        /// The address.
        address: SocketAddr,
        /// The time it had.
        after: Duration,
    },
}

/// Connects to the first address of the host that answers and may be used. An address that hangs gets
/// its share of the time that is left, so that the others have theirs. Cancelling leaves nothing
/// behind.
///
/// # Errors
/// If there is no address or none of them answers: what the last one met.
pub async fn connect(resolver: &dyn Resolve, dial: Dial<'_>) -> Result<Connected, Unreached> {
    let mut watch = Stopwatch::start();
    let found = find(resolver, dial).await?;
    let resolve = watch.lap();
    let (mut failure, mut left, mut connect) =
        (None, dial.limit.saturating_sub(resolve), Duration::ZERO);
    let n_found = found.len();
    for (tried, ip) in found.into_iter().enumerate() {
        let address = SocketAddr::new(ip, dial.port);
        let share = left / u32::try_from((n_found - tried).max(1)).unwrap_or(u32::MAX);
        let attempt = tokio::time::timeout(share, connect_to(address, dial.source)).await;
        let took = watch.lap();
        connect += took;
        left = left.saturating_sub(took);
        match attempt {
            Ok(Ok(stream)) => return Ok(Connected { stream, address, resolve, connect }),
            Ok(Err(source)) => failure = Some(Unreached::Refused { address, source }),
            Err(_elapsed) => failure = Some(Unreached::Silent { address, after: share }),
        }
    }
    Err(failure.unwrap_or_else(|| nowhere(dial.host)))
}

/// Returns the addresses of the host that may be used, the best first; there is at least one.
///
/// # Errors
/// If there is no address, or none that may be used.
pub async fn find(resolver: &dyn Resolve, dial: Dial<'_>) -> Result<Vec<IpAddr>, Unreached> {
    let found = addresses(resolver, &dial).await?;
    let kept_out = found.iter().find(|ip| !dial.guard.allows(**ip)).copied();
    let allowed: Vec<_> = found.into_iter().filter(|ip| dial.guard.allows(*ip)).collect();
    match (allowed.is_empty(), kept_out) {
        (false, _) => Ok(allowed),
        (true, Some(address)) => Err(Unreached::Forbidden { host: dial.host.to_owned(), address }),
        (true, None) => Err(nowhere(dial.host)),
    }
}

fn nowhere(host: &str) -> Unreached {
    Unreached::Unresolved {
        host: host.to_owned(),
        source: io::Error::new(io::ErrorKind::NotFound, "the answer has no address"),
    }
}

/// Connects to one address, from `source` if that is given.
///
/// # Errors
/// What the system says.
pub async fn connect_to(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    // Dialogues of short lines: waiting to fill a packet would double their time.
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

async fn addresses(resolver: &dyn Resolve, dial: &Dial<'_>) -> Result<Vec<IpAddr>, Unreached> {
    let host = dial.host;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse()
        && dial.family.takes(address)
    {
        return Ok(vec![address]);
    }
    let lookup = tokio::time::timeout(dial.limit, resolver.resolve(host, dial.family)).await;
    let Ok(found) = lookup else {
        return Err(Unreached::NotResolved { host: host.to_owned(), after: dial.limit });
    };
    found.map_err(|source| Unreached::Unresolved { host: host.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::BoxFuture;

    const LIMIT: Duration = Duration::from_secs(5);

    /// A resolver that knows one list for every name.
    fn table(found: Vec<IpAddr>) -> impl Resolve {
        move |_host: String| -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let found = found.clone();
            Box::pin(async move { Ok(found) })
        }
    }

    fn local() -> (std::net::TcpListener, u16) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let (_listener, port) = local();
        let dead = IpAddr::from([127, 0, 0, 2]);
        let resolver = table(vec![dead, Ipv4Addr::LOCALHOST.into()]);
        let connected = connect(&resolver, Dial::new("two.example", port, LIMIT)).await.unwrap();
        assert_eq!(connected.address, (Ipv4Addr::LOCALHOST, port).into());
        assert!(connected.stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn only_addresses_of_the_wanted_family_are_used() {
        let (_listener, port) = local();
        let resolver = table(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        let dial = Dial { family: Family::V6, ..Dial::new("both.example", port, LIMIT) };
        let refused = connect(&resolver, dial).await.unwrap_err();
        let Unreached::Refused { address, .. } = refused else { unreachable!("{refused}") };
        assert!(address.is_ipv6());
        let dial = Dial { family: Family::V6, ..Dial::new("127.0.0.1", port, LIMIT) };
        let none = connect(&table(Vec::new()), dial).await.unwrap_err();
        assert!(matches!(none, Unreached::Unresolved { .. }), "{none}");
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_address_that_was_asked_for() {
        let (listener, port) = local();
        let source = IpAddr::from([127, 0, 0, 9]);
        let dial = Dial { source: Some(source), ..Dial::new("127.0.0.1", port, LIMIT) };
        let _connected = connect(&table(Vec::new()), dial).await.unwrap();
        let (_stream, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), source);
    }

    #[tokio::test]
    async fn a_private_address_is_kept_out_after_the_name_was_looked_up() {
        let (_listener, port) = local();
        let resolver = table(vec![Ipv4Addr::LOCALHOST.into()]);
        let dial = Dial { guard: Guard::PublicOnly, ..Dial::new("inner.example", port, LIMIT) };
        let error = connect(&resolver, dial).await.unwrap_err();
        assert_eq!(error.to_string(), "inner.example leads to the private address 127.0.0.1");
    }

    #[tokio::test]
    async fn silent_name_servers_use_up_the_limit_and_no_more() {
        let silent = |_host: String| -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            Box::pin(std::future::pending())
        };
        let dial = Dial::new("slow.example", 1, Duration::from_millis(10));
        let error = connect(&silent, dial).await.unwrap_err();
        assert!(matches!(error, Unreached::NotResolved { .. }), "{error}");
    }
}
