//! The datagram that the server sends to itself to know that its own socket is read.
//!
//! It holds a number that only this process knows, once; whoever else sends something of this form is
//! refused as any stranger.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// Bytes of the number: nobody guesses it.
const LEN: usize = 32;

/// What a test of the server itself begins with: no version of the agents' protocol.
const MARK: &[u8; 10] = b"hark-self\n";

/// A datagram that is waited for.
#[derive(Debug)]
struct Awaited {
    number: [u8; LEN],
    came: oneshot::Sender<()>,
}

/// What ingest looks for among what it receives.
#[derive(Debug, Default)]
pub(crate) struct OwnDatagram(Mutex<Option<Awaited>>);

impl OwnDatagram {
    /// Returns true if `datagram` has the form of one.
    #[inline]
    pub(crate) fn is_one(datagram: &[u8]) -> bool {
        datagram.len() == MARK.len() + LEN && datagram.starts_with(MARK)
    }

    /// Takes one in; returns false if it is not the one that is waited for.
    pub(crate) fn take(&self, datagram: &[u8]) -> bool {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = awaited.as_ref().is_some_and(|a| datagram.ends_with(&a.number));
        if !is_it {
            return false;
        }
        if let Some(Awaited { came, .. }) = awaited.take()
            && came.send(()).is_err()
        {
            tracing::debug!("the own datagram came after who waited had given up");
        }
        true
    }

    /// Sends one to the server's own address, and returns what says that it was read there.
    ///
    /// # Errors
    /// If there is no chance, or the system does not send it.
    pub(crate) fn send(self: &Arc<Self>, to: SocketAddr) -> std::io::Result<oneshot::Receiver<()>> {
        let mut number = [0; LEN];
        let random = ring::rand::SystemRandom::new();
        ring::rand::SecureRandom::fill(&random, &mut number)
            .map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
        let (came, wait) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Awaited { number, came });
        let to = reachable(to);
        let any = if to.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.send_to(&[MARK.as_slice(), &number].concat(), to)?;
        Ok(wait)
    }
}

/// Returns where a socket that listens everywhere is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_that_was_sent_counts_and_only_once() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = Arc::new(OwnDatagram::default());
        let mut wait = own.send(socket.local_addr().unwrap()).unwrap();
        let mut room = [0; 128];
        let (len, _) = socket.recv_from(&mut room).unwrap();
        let datagram = &room[..len];
        assert!(OwnDatagram::is_one(datagram));
        let mut forged = datagram.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert!(!own.take(&forged));
        assert!(wait.try_recv().is_err());
        assert!(own.take(datagram));
        assert_eq!(wait.try_recv(), Ok(()));
        assert!(!own.take(datagram), "a second copy proves nothing");
    }

    #[test]
    fn what_listens_everywhere_is_reached_on_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:7"), "127.0.0.1:7");
        assert_eq!(at("[::]:7"), "[::1]:7");
        assert_eq!(at("192.0.2.1:7"), "192.0.2.1:7");
    }
}
