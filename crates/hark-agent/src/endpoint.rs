//! The way to the server: the addresses behind its names, and the socket to one of them.
//!
//! Finding addresses may take half a minute, so a thread is made for each question and ends with its
//! answer; an address needs none. What one server's name led to is kept while the name servers fail, and
//! the list of a service is asked for again when its time is over.

mod calling;
mod names;
mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use hark_model::Mono;
use hark_plugin::{Waited, waited};

pub(crate) use calling::call;
pub use names::Names;
pub use server::{DEFAULT_PORT, Server, ServerError};

use crate::sender::Out;

/// An address, and how much it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: SocketAddr,
    /// Which of the servers it is of, as they are named.
    server: usize,
    /// Among those of one server: the lower, the more.
    priority: u16,
}

/// The shortest and the longest time that the list of a service holds, whatever the name servers say: a
/// time of 0 must not make each heartbeat a question, and a move is noticed within the hour.
const HOLDS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_hours(1));

/// Bound on the addresses kept of all names.
const MAX_ADDRESSES: usize = 32;

/// The way to the server that is used now.
#[derive(Debug)]
pub(crate) struct Endpoint {
    servers: Vec<Server>,
    names: Names,
    places: Vec<Place>,
    turn: usize,
    /// Where the socket leads.
    address: Option<SocketAddr>,
    socket: Option<UdpSocket>,
    asked: Option<Receiver<Answer>>,
    /// When names are asked for again that may lead elsewhere by then, or led nowhere.
    renewal: Option<Mono>,
    refused: bool,
}

/// What the resolver found.
#[derive(Debug)]
struct Answer {
    /// The addresses of each server; none of those that could not be resolved.
    found: Vec<Option<Vec<Place>>>,
    /// How long the lists of services hold.
    holds: Option<Duration>,
}

impl Endpoint {
    /// Begins to find `servers`.
    pub(crate) fn new(servers: Vec<Server>, names: Names) -> Self {
        let literal: Option<Vec<Place>> = servers
            .iter()
            .enumerate()
            .map(|(n, server)| {
                server.literal().map(|address| Place { address, server: n, priority: 0 })
            })
            .collect();
        let mut endpoint = Self {
            servers,
            names,
            places: literal.unwrap_or_default(),
            turn: 0,
            address: None,
            socket: None,
            asked: None,
            renewal: None,
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

    /// Asks for the lists of services again if their time is over.
    pub(crate) fn renew(&mut self, now: Mono) {
        if self.renewal.is_some_and(|at| now >= at) {
            self.renewal = None;
            self.ask();
        }
    }

    /// Returns where datagrams go now.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns true at the server that is named first, and if there is no way to any yet.
    pub(crate) fn is_at_first(&self) -> bool {
        let here = self.places.iter().find(|place| Some(place.address) == self.address);
        here.is_none_or(|place| self.is_first(place))
    }

    /// Returns true for those of the first server that are wanted most.
    fn is_first(&self, place: &Place) -> bool {
        let of_first = self.places.iter().filter(|other| other.server == 0);
        let best = of_first.map(|other| other.priority).min();
        place.server == 0 && best == Some(place.priority)
    }

    /// Returns the address of the first server whose turn it is, and a socket to it.
    pub(crate) fn way_to_first(&self, turn: usize) -> Option<(SocketAddr, UdpSocket)> {
        let first = || self.places.iter().filter(|place| self.is_first(place));
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
    pub(crate) fn settle(&mut self, now: Mono) -> bool {
        let Some(asked) = &self.asked else { return false };
        let answer = match asked.try_recv() {
            Err(TryRecvError::Empty) => return false,
            Err(TryRecvError::Disconnected) => None,
            Ok(answer) => Some(answer),
        };
        self.asked = None;
        let holds = answer.as_ref().map_or(Some(HOLDS.0), |answer| answer.holds);
        self.renewal = holds.map(|holds| now + holds.clamp(HOLDS.0, HOLDS.1));
        answer.is_some_and(|answer| self.take(answer))
    }

    fn take(&mut self, answer: Answer) -> bool {
        let mut places: Vec<Place> = Vec::new();
        for (n, found) in answer.found.into_iter().enumerate() {
            // What could not be resolved now is where it was.
            let of_this = |place: &&Place| place.server == n;
            let found =
                found.unwrap_or_else(|| self.places.iter().filter(of_this).copied().collect());
            for place in found {
                // The system tells an address once for each kind of socket.
                if !places.iter().any(|other| other.address == place.address) {
                    places.push(place);
                }
            }
        }
        places.truncate(MAX_ADDRESSES);
        if places.is_empty() || places == self.places {
            return false;
        }
        self.places = places;
        // Another order is no reason to leave a server.
        let here = self.places.iter().position(|place| Some(place.address) == self.address);
        self.turn = here.unwrap_or(0);
        if here.is_some() {
            return false;
        }
        let before = self.socket.is_some();
        self.connect();
        !before && self.socket.is_some()
    }

    /// Returns true while names are being resolved.
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Returns what can be waited on.
    pub(crate) fn descriptor(&self) -> Option<Waited<'_>> {
        self.socket.as_ref().map(waited)
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
        let (servers, names) = (self.servers.clone(), self.names.clone());
        let (tell, answer) = sync_channel(1);
        // Nobody waits any more when the agent has ended.
        let resolve = move || drop(tell.send(resolve(&servers, &names)));
        match std::thread::Builder::new().name("hark-resolve".into()).spawn(resolve) {
            Ok(_) => self.asked = Some(answer),
            Err(error) => tracing::warn!(%error, "cannot make a thread to resolve names"),
        }
    }
}

fn resolve(servers: &[Server], names: &Names) -> Answer {
    let mut holds: Option<Duration> = None;
    let mut found = Vec::new();
    for (n, server) in servers.iter().enumerate() {
        found.push(match names.find(server) {
            Ok(of_one) => {
                holds = holds.into_iter().chain(of_one.holds).min();
                let place = |(address, priority)| Place { address, server: n, priority };
                Some(of_one.places.into_iter().map(place).collect())
            }
            Err(error) => {
                tracing::warn!(%server, %error, "cannot resolve the server's name");
                if server.is_sought() {
                    holds = Some(HOLDS.0);
                }
                None
            }
        });
    }
    Answer { found, holds }
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

impl Out for Endpoint {
    fn send(&mut self, datagram: &[u8]) {
        Self::send(self, datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_aside_and_the_next_address_is_taken_after_silence() {
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = there.local_addr().unwrap().port();
        let dead = UdpSocket::bind("127.0.0.1:0").unwrap();
        let dead_port = dead.local_addr().unwrap().port();
        drop(dead);
        let servers = [format!("127.0.0.1:{dead_port}"), format!("localhost:{port}")];
        let servers = servers.iter().map(|s| Server::parse(s).unwrap()).collect();
        let mut endpoint = Endpoint::new(servers, Names::default());
        there.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut buffer = [0; 16];
        let mut came = false;
        for _ in 0..200 {
            endpoint.settle(Mono(0));
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
        let servers = vec![Server::parse(&address.to_string()).unwrap()];
        let mut endpoint = Endpoint::new(servers, Names::default());
        drop(server);
        for _ in 0..3 {
            endpoint.send(b"lost");
        }
        let server = UdpSocket::bind(address).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
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

    #[test]
    fn a_list_is_kept_while_name_servers_fail_and_its_best_are_the_first() {
        let place = |server, priority, port| Place {
            address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port),
            server,
            priority,
        };
        let servers = ["srv:example.net", "other.example.net"];
        let mut endpoint = Endpoint {
            servers: servers.iter().map(|text| Server::parse(text).unwrap()).collect(),
            names: Names::default(),
            places: Vec::new(),
            turn: 0,
            address: None,
            socket: None,
            asked: None,
            renewal: None,
            refused: false,
        };
        let mut answered = |found: Vec<Option<Vec<Place>>>, holds: u64, now: u64| {
            let (tell, asked) = sync_channel(1);
            endpoint.asked = Some(asked);
            tell.send(Answer { found, holds: Some(Duration::from_secs(holds)) }).unwrap();
            let new = endpoint.settle(Mono(now));
            let port = endpoint.address.map(|address| address.port());
            (new, port, endpoint.is_at_first(), endpoint.renewal, endpoint.places.len())
        };
        let both = vec![place(0, 20, 1), place(0, 10, 2), place(0, 10, 3)];
        let first = answered(vec![Some(both), Some(vec![place(1, 0, 4)])], 5, 0);
        assert_eq!(first, (true, Some(1), false, Some(Mono(30_000)), 4));
        let failed = answered(vec![None, Some(vec![place(1, 0, 5)])], 100_000, 1000);
        assert_eq!(failed, (false, Some(1), false, Some(Mono(3_601_000)), 4));
        let moved = answered(vec![Some(vec![place(0, 10, 2)]), None], 60, 2000);
        assert_eq!(moved, (false, Some(2), true, Some(Mono(62_000)), 2));
        let nothing = answered(vec![None, None], 30, 3000);
        assert_eq!(nothing, (false, Some(2), true, Some(Mono(33_000)), 2));
    }
}
