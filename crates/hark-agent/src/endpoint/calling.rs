//! Calling for the server on the local network, on each interface: by IPv4 broadcast and multicast, and by
//! IPv6 multicast. Only who holds the agent's key can answer (`hark_proto::seek`); what anybody else sends
//! is dropped, so a forged answer leads nowhere.
//!
//! All true answers are taken: who repeats a true one from another address has the agent speak to nobody
//! for a while, until it goes on to the next of them.

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod portable;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use hark_model::Clock;
use hark_proto::Identity;
use hark_proto::seek::{self, GROUP_V4, Here, RANDOM};
use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, Socket, Type};

use crate::sys;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
use linux::ways;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
use portable::ways;

/// When it is called, counted from the beginning: a datagram may be lost, and a switch port may come up
/// a moment after its interface.
const CALLS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(300), Duration::from_secs(1)];

/// How long is listened in all.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How long is listened after the first answer: the same server answers on several ways.
const MORE: Duration = Duration::from_millis(300);

/// Bound on the interfaces: a host of containers has hundreds that lead nowhere.
const MAX_INTERFACES: usize = 8;

/// Both families of each.
const MAX_SOCKETS: usize = 2 * MAX_INTERFACES;

/// Bound on the answers taken.
const MAX_ANSWERS: usize = 16;

/// Longer than any answer.
const BUFFER: usize = 256;

/// One way out, and the addresses that are called on it.
struct Way {
    socket: UdpSocket,
    to: Vec<SocketAddr>,
}

/// Calls for servers that listen on `port`, and returns where those are that answered, IPv4 first. Blocks
/// for 2.5 s at most.
///
/// # Errors
/// If no socket can be made or nobody answers.
pub(crate) fn call(identity: &Identity, port: u16) -> io::Result<Vec<(SocketAddr, Here)>> {
    let mut random = [0; RANDOM];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("the system has no random numbers"))?;
    let datagram = seek::call(identity, &random);
    let ways = ways(port)?;
    let begun = Clock.now().mono;
    let (mut until, mut calls) = (begun + PATIENCE, CALLS.iter());
    let mut next = calls.next().map(|after| begun + *after);
    let (mut found, mut has_answer) = (Vec::new(), false);
    loop {
        let now = Clock.now().mono;
        if now >= until || found.len() >= MAX_ANSWERS {
            break;
        }
        if next.is_some_and(|at| now >= at) {
            shout(&ways, &datagram);
            next = calls.next().map(|after| begun + *after);
        }
        listen(&ways, identity, &random, next.unwrap_or(until).min(until).since(now), &mut found)?;
        if !found.is_empty() && !std::mem::replace(&mut has_answer, true) {
            next = None;
            until = until.min(Clock.now().mono + MORE);
        }
    }
    if found.is_empty() {
        let why = "no server that knows this agent answers on the local network";
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    found.sort_by_key(|(address, _)| address.is_ipv6());
    Ok(found)
}

fn shout(ways: &[Way], datagram: &[u8]) {
    for way in ways {
        for to in &way.to {
            // An interface without addresses of the family refuses: there is nobody on it.
            drop(way.socket.send_to(datagram, to));
        }
    }
}

/// Waits for answers for at most `patience`, and takes those that are true.
fn listen(
    ways: &[Way],
    identity: &Identity,
    random: &[u8; RANDOM],
    patience: Duration,
    found: &mut Vec<(SocketAddr, Here)>,
) -> io::Result<()> {
    let mut descriptors = [None; MAX_SOCKETS];
    for (place, way) in descriptors.iter_mut().zip(ways) {
        *place = Some(hark_plugin::waited(&way.socket));
    }
    let ready = sys::readable(descriptors, patience)?;
    for (way, _) in ways.iter().zip(ready).filter(|(_, ready)| *ready) {
        let mut buffer = [0; BUFFER];
        let Ok((length, from)) = way.socket.recv_from(&mut buffer) else { continue };
        let Some(datagram) = buffer.get_mut(..length) else { continue };
        match seek::read_answer(identity, random, datagram) {
            Ok(here) => {
                let mut address = from;
                address.set_port(here.udp_port);
                if !found.iter().any(|(other, _)| *other == address) {
                    found.push((address, here));
                }
            }
            Err(refused) => tracing::debug!(%from, %refused, "an answer to a call is not believed"),
        }
    }
    Ok(())
}

/// Makes a way of IPv4 of a socket that is bound to nothing, or to an interface.
fn way_v4(socket: Socket, port: u16) -> io::Result<Way> {
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    let to = vec![(GROUP_V4, port).into(), (Ipv4Addr::BROADCAST, port).into()];
    Ok(Way { socket: socket.into(), to })
}

/// Makes the one way that the system takes by itself.
fn usual_way(port: u16) -> io::Result<Way> {
    way_v4(Socket::new(Domain::IPV4, Type::DGRAM, None)?, port)
}
