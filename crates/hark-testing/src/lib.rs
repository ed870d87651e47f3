//! What tests of several crates share. No part of the program uses it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// The first port that is given away, and how many there are: below those that a kernel takes for connections
/// (`net.ipv4.ip_local_port_range` begins at 32768), so that no other test's client comes to sit on one between this
/// look and the start of the server it is for; above those of well-known services (5432, 8080, 9090).
const FIRST: u16 = 12_000;
/// See [`FIRST`].
const COUNT: u16 = 20_000;

/// How many this process has given away or passed over.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// Returns a port that nobody has, TCP nor UDP, on any address of this machine, and that no one else who asks in this process gets.
///
/// A port that the kernel chooses (`bind` to 0) is given again as soon as it is let go of: two that are taken one after
/// the other, for two listeners of one server, were the same now and then.
/// Processes begin at different places, by their number.
///
/// # Panics
/// If none is free.
pub fn free_port() -> u16 {
    let begin = u16::try_from(std::process::id().wrapping_mul(211) % u32::from(COUNT)).unwrap_or(0);
    (0..COUNT)
        .map(|_| {
            let next = GIVEN.fetch_add(1, Ordering::Relaxed) % COUNT;
            FIRST + (begin + next) % COUNT
        })
        .find(|&port| is_free(port))
        .expect("a free port")
}

/// Returns whether nothing listens there, on either family. A machine without IPv6 has nobody there.
fn is_free(port: u16) -> bool {
    let everywhere = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
    let taken = |result: std::io::Result<()>| {
        result.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
    };
    !everywhere.into_iter().any(|address| {
        taken(TcpListener::bind((address, port)).map(drop))
            || taken(UdpSocket::bind((address, port)).map(drop))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_and_none_that_is_taken() {
        let ports: Vec<u16> = (0..500).map(|_| free_port()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)));
        let here = TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
        assert!(!is_free(ports[0]));
        drop(here);
        let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
        assert!(!is_free(ports[0]));
        drop(there);
        assert!(is_free(ports[0]));
    }
}
