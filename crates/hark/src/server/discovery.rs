//! Being found on the local network: joining the groups that agents call in, and answering calls.
//!
//! Off unless configured. It tells everybody on the link who holds a key or has seen the certificate that a
//! server is here and on which ports, and listens on every interface that comes: whoever wants that says so.
//!
//! An answer is shorter than any call, goes only to who has shown a key, and at most [`ANSWERS`] of them are
//! given: a call that was recorded and is sent again under a false address makes no flood.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;
use hark_model::time::Mono;
use hark_proto::bucket::{Bucket, Rate};
use hark_proto::seek::{GROUP_V4, GROUP_V6, Here};
use hark_proto::{AgentKey, Identity};
use socket2::{Domain, InterfaceIndexOrAddress, SockRef, Socket, Type};

use super::certificate::Certificate;
use super::listen::Doors;

/// How many calls are answered: a hall of hosts that start together calls three times each within a second,
/// and calls again half a minute later if it was not heard.
const ANSWERS: Rate = Rate { burst: 500, per_second: 100 };

/// How often it is looked for new interfaces.
const LOOK: Duration = Duration::from_secs(30);

/// Bound on the interfaces joined on; the kernel's own on memberships of a socket is 20.
const MAX_INTERFACES: usize = 16;

/// What the intake needs for it.
#[derive(Debug)]
pub(crate) struct Discovery {
    here: Here,
    /// Of agents that hold only a token; none without TLS.
    token: Option<AgentKey>,
    answers: Bucket,
    joined: BTreeSet<u32>,
    look_at: Mono,
}

impl Discovery {
    /// Opens what it needs besides the doors; none if it is not wanted, and without a page, where nobody
    /// else is reached.
    ///
    /// # Errors
    /// If calls cannot be listened to.
    pub(super) fn open(
        wanted: bool,
        doors: &mut Doors,
        certificate: Option<&Certificate>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(http) = doors.http.filter(|_| wanted) else { return Ok(None) };
        doors.sockets.extend(ear(doors.udp).context("cannot listen to calls of agents")?);
        let here = Here { udp_port: doors.udp.port(), https_port: http.port() };
        Ok(Some(Self::new(here, certificate.map(|certificate| certificate.fingerprint))))
    }

    /// Prepares it: `fingerprint` is that of the certificate.
    pub(super) fn new(here: Here, fingerprint: Option<[u8; 32]>) -> Self {
        let identity =
            fingerprint.map(|fingerprint| hark_proto::seek::token_identity(&fingerprint));
        Self {
            here,
            token: identity.map(|Identity { key, .. }| key),
            answers: Bucket::full(ANSWERS),
            joined: BTreeSet::new(),
            look_at: Mono(0),
        }
    }

    /// Returns what is answered.
    pub(crate) fn here(&self) -> Here {
        self.here
    }

    /// Returns the key of those who hold a token.
    pub(crate) fn token_key(&self) -> Option<&AgentKey> {
        self.token.as_ref()
    }

    /// Returns true if one more may be answered.
    pub(crate) fn may_answer(&mut self, now: Mono) -> bool {
        self.answers.take(ANSWERS, now)
    }

    /// Joins the groups on interfaces that are new, now and then.
    pub(crate) fn join(&mut self, sockets: &[UdpSocket], now: Mono) {
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK;
        for index in interfaces() {
            if self.joined.len() >= MAX_INTERFACES || !self.joined.insert(index) {
                continue;
            }
            for socket in sockets {
                if let Err(error) = join(socket, index) {
                    tracing::debug!(index, %error, "calls of agents are not heard on an interface");
                }
            }
        }
    }
}

fn join(socket: &UdpSocket, index: u32) -> std::io::Result<()> {
    let socket_ref = SockRef::from(socket);
    if socket.local_addr()?.is_ipv4() {
        socket_ref.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))
    } else {
        socket_ref.join_multicast_v6(&GROUP_V6, index)
    }
}

/// Returns a socket for calls beside one that listens at a single address, which the groups do not reach;
/// none is needed for one that listens at all addresses.
fn ear(udp: SocketAddr) -> std::io::Result<Option<UdpSocket>> {
    if udp.ip().is_unspecified() {
        return Ok(None);
    }
    let group: SocketAddr = match udp {
        SocketAddr::V4(_) => (GROUP_V4, udp.port()).into(),
        SocketAddr::V6(_) => (GROUP_V6, udp.port()).into(),
    };
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, None)?;
    if group.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Several servers of one machine may listen to one group.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&group.into())?;
    Ok(Some(socket.into()))
}

/// Returns the numbers of the machine's interfaces, loopback excepted.
fn interfaces() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else { return Vec::new() };
    let number = |path: std::path::PathBuf| {
        std::fs::read_to_string(path.join("ifindex")).ok()?.trim().parse::<u32>().ok()
    };
    let mut found: Vec<u32> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() != "lo")
        .filter_map(|entry| number(entry.path()))
        .collect();
    found.sort_unstable();
    found
}

/// Returns true if an answer may go there: a call comes from a socket of an agent, never from port 0.
pub(crate) fn is_answerable(from: SocketAddr) -> bool {
    let broadcast = from.ip() == std::net::IpAddr::V4(Ipv4Addr::BROADCAST);
    from.port() != 0 && !from.ip().is_multicast() && !broadcast && !from.ip().is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_call_makes_no_flood() {
        let here = Here { udp_port: 1, https_port: 2 };
        let mut discovery = Discovery::new(here, None);
        let given = |discovery: &mut Discovery, at| {
            (0..10_000).filter(|_| discovery.may_answer(Mono(at))).count()
        };
        assert_eq!(given(&mut discovery, 1000), 500);
        assert_eq!(given(&mut discovery, 2000), 100);
    }

    #[test]
    fn a_socket_of_one_address_has_one_for_calls_beside_it() {
        assert!(ear("0.0.0.0:50003".parse().unwrap()).unwrap().is_none());
        let ear = ear("127.0.0.1:0".parse().unwrap()).unwrap().unwrap();
        assert_eq!(ear.local_addr().unwrap().ip(), GROUP_V4);
        assert!(is_answerable("192.0.2.1:7".parse().unwrap()));
        for not in ["192.0.2.1:0", "239.255.195.83:7", "255.255.255.255:7", "0.0.0.0:7"] {
            assert!(!is_answerable(not.parse().unwrap()), "{not}");
        }
    }
}
