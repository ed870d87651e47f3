//! Datagrams, one in each system call, where there is none for many.

use std::io;
use std::net::{SocketAddr, UdpSocket};
#[cfg(unix)]
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use super::{BATCH, DATAGRAM, Sent};

/// Room for one batch of received datagrams, reused for ever.
#[derive(Debug)]
pub(crate) struct ReceiveBatch {
    room: Box<[[u8; DATAGRAM]]>,
    from: Vec<(usize, SocketAddr)>,
}

impl ReceiveBatch {
    /// Makes empty room.
    pub(crate) fn new() -> Self {
        let room = vec![[0; DATAGRAM]; BATCH].into_boxed_slice();
        Self { room, from: Vec::with_capacity(BATCH) }
    }

    /// Receives what waits, up to [`BATCH`] datagrams, without blocking; returns how many.
    ///
    /// # Errors
    /// What the system says; "would block" is `Ok(0)`.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.from.clear();
        for room in &mut self.room {
            match receive(socket, room) {
                Ok(received) => self.from.push(received),
                Err(error) if nothing_waits(&error) => break,
                // What was received is looked at first; the error comes again.
                Err(_) if !self.from.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(self.from.len())
    }

    /// Returns datagram `i` of the last batch and where it came from; the bytes may be changed
    /// (decrypted in place). `None` if there is none.
    pub(crate) fn get(&mut self, i: usize) -> Option<(&mut [u8], SocketAddr)> {
        let (length, from) = *self.from.get(i)?;
        Some((self.room.get_mut(i)?.get_mut(..length)?, from))
    }

    /// Returns how long datagram `i` of the last batch had waited for us, which is not known here.
    #[expect(clippy::unused_self, reason = "as where the system says it")]
    pub(crate) fn waited(&self, _i: usize) -> Duration {
        Duration::ZERO
    }
}

#[cfg(windows)]
fn receive(socket: &UdpSocket, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    // There is no way to ask for one call alone.
    socket.set_nonblocking(true)?;
    socket.recv_from(room)
}

#[cfg(unix)]
fn receive(socket: &UdpSocket, room: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let missing = || io::Error::other("a datagram without a sender");
    let mut from = socket2::SockAddrStorage::zeroed();
    let mut length = from.size_of();
    // SAFETY: room and address are alive and as large as is said; the socket is open while it is borrowed.
    let n = unsafe {
        libc::recvfrom(
            socket.as_raw_fd(),
            room.as_mut_ptr().cast(),
            room.len(),
            libc::MSG_DONTWAIT,
            (&raw mut from).cast(),
            &raw mut length,
        )
    };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the system has written an address of this length.
    let from = unsafe { socket2::SockAddr::new(from, length) };
    Ok((n, from.as_socket().ok_or_else(missing)?))
}

/// ICMP errors of earlier answers arrive as refused connections; they say nothing about what waits.
fn nothing_waits(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionRefused | ConnectionReset)
}

/// Datagrams to be sent, reused for ever.
#[derive(Debug)]
pub(crate) struct SendBatch {
    bytes: Vec<u8>,
    ends: Vec<(usize, SocketAddr, usize)>,
}

impl SendBatch {
    /// Makes an empty batch.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::with_capacity(BATCH) }
    }

    /// Adds one datagram for the socket with this place in the list that [`SendBatch::send`] is
    /// given; returns true when the batch is full and should be sent.
    pub(crate) fn push(&mut self, datagram: &[u8], to: SocketAddr, socket: usize) -> bool {
        self.bytes.extend_from_slice(datagram);
        self.ends.push((self.bytes.len(), to, socket));
        self.ends.len() >= BATCH
    }

    /// Sends all and forgets them. A full socket buffer drops its datagram, since an answer is never worth
    /// waiting for, as does an address that cannot be sent to.
    pub(crate) fn send(&mut self, sockets: &[UdpSocket]) -> Sent {
        let mut sent = Sent::default();
        let mut start = 0;
        for (end, to, over) in self.ends.drain(..) {
            let datagram = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            let done = sockets.get(over).is_some_and(|socket| send(socket, datagram, to));
            *(if done { &mut sent.taken } else { &mut sent.refused }) += 1;
        }
        self.bytes.clear();
        sent
    }
}

#[cfg(unix)]
fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> bool {
    let (socket, to) = (socket2::SockRef::from(socket), to.into());
    socket.send_to_with_flags(datagram, &to, libc::MSG_DONTWAIT).is_ok()
}

#[cfg(windows)]
fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> bool {
    socket.send_to(datagram, to).is_ok()
}
