//! The sockets: where agents send to and where the page is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use crate::sys::{receive_buffer, stamp_arrivals};

mod holder;

use holder::{Door, holder};

/// Receive buffer of the datagram sockets: a burst of 50,000 heartbeats of some 200 bytes, each of
/// which the kernel counts as about 800.
const RECEIVE_BUFFER: usize = 64 << 20;

/// Connections that may wait to be taken up: browsers open several at once.
const BACKLOG: i32 = 1024;

/// Everything that is listened on.
#[derive(Debug)]
pub(super) struct Doors {
    /// For agents.
    pub(super) sockets: Vec<UdpSocket>,
    /// For the page and the API.
    pub(super) listeners: Vec<TcpListener>,
    /// Where agents send to.
    pub(super) udp: SocketAddr,
    /// Where the page is; `None` if there is none.
    pub(super) http: Option<SocketAddr>,
}

impl Doors {
    /// Opens all of them: `others` are further addresses of the page. Port 0 takes a free one.
    ///
    /// # Errors
    /// If one of the addresses is taken or is not ours; then none is left open.
    pub(super) fn open(
        udp: SocketAddr,
        http: SocketAddr,
        others: &[SocketAddr],
    ) -> anyhow::Result<Self> {
        let sockets = bind_udp(udp)?;
        let udp = sockets[0].local_addr()?;
        let mut listeners = bind_tcp(http)?;
        let http = listeners[0].local_addr()?;
        for other in others {
            listeners.extend(bind_tcp(*other)?);
        }
        Ok(Self { sockets, listeners, udp, http: Some(http) })
    }

    /// Opens a socket that this machine alone reaches, for its own agent, and no page.
    ///
    /// # Errors
    /// If there is no loopback interface.
    pub(super) fn inner() -> anyhow::Result<Self> {
        let sockets = bind_udp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let udp = sockets[0].local_addr()?;
        Ok(Self { sockets, listeners: Vec::new(), udp, http: None })
    }
}

/// Opens a socket for each family where the address is that of all addresses: so that answers go out
/// over the family they came in by, and addresses are shown as they are.
fn bind_udp(address: SocketAddr) -> anyhow::Result<Vec<UdpSocket>> {
    let mut sockets = Vec::new();
    let mut port = address.port();
    for address in families(address) {
        match bind(SocketAddr::new(address, port), Type::DGRAM) {
            Ok(socket) => {
                let socket: UdpSocket = socket.into();
                port = socket.local_addr()?.port();
                receive_buffer(&socket, RECEIVE_BUFFER);
                stamp_arrivals(&socket);
                sockets.push(socket);
            }
            Err(error) if sockets.is_empty() => {
                return Err(refused(error, Door::Udp, SocketAddr::new(address, port)));
            }
            Err(error) => tracing::info!(%error, %address, "not listening on this family"),
        }
    }
    Ok(sockets)
}

fn bind_tcp(address: SocketAddr) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = address.port();
    for address in families(address) {
        match bind(SocketAddr::new(address, port), Type::STREAM) {
            Ok(socket) => {
                socket.listen(BACKLOG)?;
                let listener: std::net::TcpListener = socket.into();
                port = listener.local_addr()?.port();
                listeners.push(TcpListener::from_std(listener)?);
            }
            Err(error) if listeners.is_empty() => {
                return Err(refused(error, Door::Tcp, SocketAddr::new(address, port)));
            }
            Err(error) => tracing::info!(%error, %address, "not listening on this family"),
        }
    }
    Ok(listeners)
}

/// Says why an address cannot be listened on, and the way out.
fn refused(error: io::Error, door: Door, address: SocketAddr) -> anyhow::Error {
    let (name, another) = match door {
        Door::Udp => ("UDP", "choose another with --udp or `hb_host` and `hb_port`"),
        Door::Tcp => ("TCP", "choose another with --http or `hbd_host` and `hbd_port`"),
    };
    let way_out = if error.kind() == io::ErrorKind::AddrInUse {
        let by = holder(door, address.port()).map_or_else(String::new, |by| format!(" by {by}"));
        format!(": it is taken{by}: end that, or {another}")
    } else if error.kind() == io::ErrorKind::AddrNotAvailable {
        format!(": this machine has no such address: {another}")
    } else {
        String::new()
    };
    anyhow::Error::new(error).context(format!("cannot listen on {name} {address}{way_out}"))
}

/// Every address means both families, IPv4 first: it is always there.
fn families(address: SocketAddr) -> Vec<IpAddr> {
    let both = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if both { vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.ip()] } else { vec![address.ip()] }
}

fn bind(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_both_families_on_one_port() {
        let sockets = bind_udp("[::]:0".parse().unwrap()).unwrap();
        let bound: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap()).collect();
        assert_eq!(bound[0].ip(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert!(bound.iter().all(|a| a.port() == bound[0].port() && a.port() != 0), "{bound:?}");
        assert_eq!(families("127.0.0.1:0".parse().unwrap()).len(), 1);
    }

    #[test]
    fn an_address_in_use_is_named_with_who_holds_it_and_the_way_out() {
        let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap();
        let error = bind_udp(taken).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot listen on UDP {taken}: it is taken")),
            "{error}"
        );
        assert!(error.contains("--udp"), "{error}");
        #[cfg(target_os = "linux")]
        assert!(error.contains(&format!("by process {} (", std::process::id())), "{error}");
        let error = bind_udp("192.0.2.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("this machine has no such address"), "{error}");
    }
}
