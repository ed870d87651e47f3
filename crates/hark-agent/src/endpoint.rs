//! Where the server is: names, the addresses behind them, and the socket to one of them.
//!
//! Names are resolved by the C library (`ToSocketAddrs`), which knows `/etc/hosts`, search domains and
//! whatever else the machine uses: the agent must find what `ping` finds. It may take half a minute,
//! so a thread is made for each question and ends with its answer; an address needs none.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use thiserror::Error;

/// The port where the server listens if nothing else is said.
pub const DEFAULT_PORT: u16 = 50003;

/// An address, and how much it is wanted: the lower, the more. Those of one server are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: SocketAddr,
    rank: usize,
}

/// Bound on the addresses kept of all names.
const MAX_ADDRESSES: usize = 32;

/// A name or address and a port.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
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
}

impl Server {
    /// Reads `name`, `name:port`, `192.0.2.1:port`, `2001:db8::1` or `[2001:db8::1]:port`.
    ///
    /// # Errors
    /// Why not.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let text = text.trim();
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: DEFAULT_PORT });
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
        Ok(Self { host: host.to_owned(), port })
    }

    /// Returns the name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the same host at another port.
    #[must_use]
    pub fn at_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// Returns the address, if it is one and needs no resolving.
    fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Returns its addresses as of now. Blocks for as long as the system's resolver does.
    ///
    /// # Errors
    /// What the resolver says.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.resolve()
    }

    /// Resolves it now. Blocks.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.literal() {
            return Ok(vec![address]);
        }
        (self.host.as_str(), self.port).to_socket_addrs().map(Iterator::collect)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The way to the server that is used now.
#[derive(Debug)]
pub(crate) struct Endpoint {
    servers: Vec<Server>,
    places: Vec<Place>,
    turn: usize,
    /// Where the socket leads.
    address: Option<SocketAddr>,
    socket: Option<UdpSocket>,
    asked: Option<Receiver<Vec<Place>>>,
    refused: bool,
}

impl Endpoint {
    /// Begins to find `servers`.
    pub(crate) fn new(servers: Vec<Server>) -> Self {
        let literal: Option<Vec<Place>> = servers
            .iter()
            .enumerate()
            .map(|(rank, server)| server.literal().map(|address| Place { address, rank }))
            .collect();
        let mut endpoint = Self {
            servers,
            places: literal.unwrap_or_default(),
            turn: 0,
            address: None,
            socket: None,
            asked: None,
            refused: false,
        };
        if endpoint.places.is_empty() {
            endpoint.ask();
        } else {
            endpoint.connect();
        }
        endpoint
    }

    /// The server is silent: goes on to the next address with a new socket, which also takes a new
    /// local address, and resolves the names anew.
    pub(crate) fn next(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        self.connect();
        self.ask_names();
    }

    /// Resolves the names anew, if there are some.
    pub(crate) fn ask_names(&mut self) {
        if self.servers.iter().any(|server| server.literal().is_none()) {
            self.ask();
        }
    }

    /// Returns where datagrams go now.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns true at the server that is named first, and if there is no way to any yet.
    pub(crate) fn is_at_first(&self) -> bool {
        let rank = |place: &&Place| Some(place.address) == self.address;
        self.places.iter().find(rank).is_none_or(|place| place.rank == 0)
    }

    /// Returns the address of the first server whose turn it is, and a socket to it.
    pub(crate) fn way_to_first(&self, turn: usize) -> Option<(SocketAddr, UdpSocket)> {
        let first = || self.places.iter().filter(|place| place.rank == 0);
        let address = first().nth(turn.checked_rem(first().count())?)?.address;
        connected(address).ok().map(|socket| (address, socket))
    }

    /// Goes to `address`, if it is one of those known; returns whether it did.
    pub(crate) fn go_to(&mut self, address: SocketAddr) -> bool {
        let Some(turn) = self.places.iter().position(|place| place.address == address) else {
            return false;
        };
        self.turn = turn;
        self.connect();
        self.address == Some(address)
    }

    /// Takes in the answer of the resolver, if it is there. Returns true if there is a way to the
    /// server now and there was none before.
    pub(crate) fn settle(&mut self) -> bool {
        let Some(asked) = &self.asked else { return false };
        match asked.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => self.asked = None,
            Ok(places) => {
                self.asked = None;
                if !places.is_empty() && places != self.places {
                    self.places = places;
                    // Another order is no reason to leave a server.
                    let here =
                        self.places.iter().position(|place| Some(place.address) == self.address);
                    self.turn = here.unwrap_or(0);
                    if here.is_some() {
                        return false;
                    }
                    let before = self.socket.is_some();
                    self.connect();
                    return !before && self.socket.is_some();
                }
            }
        }
        false
    }

    /// Returns true while names are being resolved.
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Returns what can be waited on.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Sends one datagram. If the network refuses (our address is gone, no route), it is lost as any
    /// other may be, and a new socket is made for the next.
    pub(crate) fn send(&mut self, datagram: &[u8]) {
        if self.socket.is_none() {
            self.connect();
        }
        let Some(socket) = &self.socket else { return };
        let sent = match socket.send(datagram) {
            // Nobody listened at the time of a datagram before; telling so took the place of sending
            // this one.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => socket.send(datagram),
            sent => sent,
        };
        match sent {
            Ok(_) => self.refused = false,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
                ) => {}
            Err(error) => {
                self.complain("the network refuses to send", &error);
                self.connect();
            }
        }
    }

    /// Logs the first of a row of errors.
    fn complain(&mut self, what: &'static str, error: &io::Error) {
        if !std::mem::replace(&mut self.refused, true) {
            tracing::warn!(what, %error, "cannot speak to the server");
        }
    }

    /// Receives one datagram; none if there is none.
    pub(crate) fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Option<&'b mut [u8]> {
        let socket = self.socket.as_ref()?;
        // An error says that a datagram of ours did not arrive; silence says it as well.
        let len = socket.recv(buffer).ok()?;
        buffer.get_mut(..len)
    }

    /// Makes a socket to the address whose turn it is. The one before is kept until then: with no
    /// descriptor left, an old socket is better than none.
    fn connect(&mut self) {
        let Some(index) = self.turn.checked_rem(self.places.len()) else { return };
        let Some(Place { address, .. }) = self.places.get(index).copied() else { return };
        match connected(address) {
            Ok(socket) => {
                tracing::debug!(%address, "speaking to server");
                self.socket = Some(socket);
                self.address = Some(address);
            }
            Err(error) => self.complain("no way to its network", &error),
        }
    }

    fn ask(&mut self) {
        if self.asked.is_some() {
            return;
        }
        let servers = self.servers.clone();
        let (tell, answer) = sync_channel(1);
        let resolve = move || {
            let mut found: Vec<Place> = Vec::new();
            for (rank, server) in servers.iter().enumerate() {
                match server.resolve() {
                    Ok(addresses) => {
                        for address in addresses {
                            // The system tells an address once for each kind of socket.
                            if !found.iter().any(|place| place.address == address) {
                                found.push(Place { address, rank });
                            }
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%server, %error, "cannot resolve the server's name");
                    }
                }
            }
            found.truncate(MAX_ADDRESSES);
            // Nobody waits any more when the agent has ended.
            drop(tell.send(found));
        };
        match std::thread::Builder::new().name("hark-resolve".into()).spawn(resolve) {
            Ok(_) => self.asked = Some(answer),
            Err(error) => tracing::warn!(%error, "cannot make a thread to resolve names"),
        }
    }
}

fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_addresses() {
        for (text, shown) in [
            ("hark.example.net", "hark.example.net:50003"),
            ("hark:1234", "hark:1234"),
            (" 192.0.2.1 ", "192.0.2.1:50003"),
            ("192.0.2.1:7", "192.0.2.1:7"),
            ("2001:db8::1", "[2001:db8::1]:50003"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
            ("[2001:db8::1]", "[2001:db8::1]:50003"),
        ] {
            assert_eq!(Server::parse(text).unwrap().to_string(), shown);
        }
        for (text, error) in [
            ("", ServerError::Empty),
            (":5", ServerError::Empty),
            ("a b", ServerError::Empty),
            ("a:0", ServerError::Port),
            ("a:x", ServerError::Port),
            ("a:70000", ServerError::Port),
        ] {
            assert_eq!(Server::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn names_are_resolved_aside_and_the_next_address_is_taken_after_silence() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = there.local_addr().unwrap().port();
        let dead = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dead_port = dead.local_addr().unwrap().port();
        drop(dead);
        let servers = [format!("127.0.0.1:{dead_port}"), format!("localhost:{port}")];
        let servers = servers.iter().map(|s| Server::parse(s).unwrap()).collect();
        let mut endpoint = Endpoint::new(servers);
        there.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        let mut buffer = [0; 16];
        let mut came = false;
        for _ in 0..200 {
            endpoint.settle();
            endpoint.send(b"hello");
            came = there.recv(&mut buffer).is_ok();
            if came {
                break;
            }
            endpoint.next();
        }
        assert!(came);
    }

    #[test]
    fn a_server_that_comes_back_on_its_port_is_heard_without_a_new_socket() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let mut endpoint = Endpoint::new(vec![Server::parse(&address.to_string()).unwrap()]);
        drop(server);
        for _ in 0..3 {
            endpoint.send(b"lost");
        }
        let server = UdpSocket::bind(address).unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        endpoint.send(b"heard");
        let mut buffer = [0; 16];
        let (len, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"heard");
        server.send_to(b"answer", from).unwrap();
        let mut buffer = [0; 16];
        let mut answer = None;
        while answer.is_none() {
            answer = endpoint.receive(&mut buffer).map(|d| d.to_vec());
        }
        assert_eq!(answer.unwrap(), b"answer");
    }
}
