//! Datagrams, many in one system call: `recvmmsg` and `sendmmsg` of Linux.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::linux::length_of;
use super::{BATCH, DATAGRAM, Sent};

/// [`BATCH`] as the C library counts.
const BATCH_FOR_C: libc::c_uint = 64;

/// Room for what the kernel says of a datagram: the moment of its arrival, in a header of 16 bytes.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Said([u8; 64]);

/// A moment further back than this is no wait, but a clock that was set.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Room for one batch of received datagrams, reused for ever.
pub(crate) struct ReceiveBatch {
    room: Box<[[u8; DATAGRAM]]>,
    said: Box<[Said]>,
    /// When the batch was received, by the clock that stamps datagrams.
    received_at: Duration,
    from: Box<[libc::sockaddr_storage; BATCH]>,
    iov: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    filled: usize,
}

// SAFETY: the raw pointers in `iov` and `headers` point into the other boxes of the same value, which
// move with it; nobody else holds them.
unsafe impl Send for ReceiveBatch {}

impl std::fmt::Debug for ReceiveBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiveBatch").field("filled", &self.filled).finish_non_exhaustive()
    }
}

impl ReceiveBatch {
    /// Makes empty room.
    pub(crate) fn new() -> Self {
        // SAFETY: all of these are plain C structures for which all-zero bytes are a valid value.
        let (from, iov, headers) = unsafe {
            (
                Box::new(MaybeUninit::<[libc::sockaddr_storage; BATCH]>::zeroed().assume_init()),
                Box::new(MaybeUninit::<[libc::iovec; BATCH]>::zeroed().assume_init()),
                Box::new(MaybeUninit::<[libc::mmsghdr; BATCH]>::zeroed().assume_init()),
            )
        };
        let room = vec![[0; DATAGRAM]; BATCH].into_boxed_slice();
        let said = vec![Said([0; 64]); BATCH].into_boxed_slice();
        Self { room, said, received_at: Duration::ZERO, from, iov, headers, filled: 0 }
    }

    /// Receives what waits, up to [`BATCH`] datagrams, without blocking; returns how many.
    ///
    /// # Errors
    /// What the system says; "would block" is `Ok(0)`.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        for i in 0..BATCH {
            self.iov[i] =
                libc::iovec { iov_base: self.room[i].as_mut_ptr().cast(), iov_len: DATAGRAM };
            let header = &mut self.headers[i].msg_hdr;
            header.msg_name = (&raw mut self.from[i]).cast();
            header.msg_namelen = length_of::<libc::sockaddr_storage>();
            header.msg_iov = &raw mut self.iov[i];
            header.msg_iovlen = 1;
            header.msg_control = self.said[i].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Said>();
            header.msg_flags = 0;
        }
        // SAFETY: every header points to one iovec, one address and one room for what is said of it, all
        // alive and large enough as set just above; the socket's descriptor is open while it is borrowed.
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH_FOR_C,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        self.filled = 0;
        if n < 0 {
            let error = io::Error::last_os_error();
            // ICMP errors of earlier answers arrive here as refused connections; they say nothing
            // about what waits.
            let nothing_waits = matches!(
                error.kind(),
                io::ErrorKind::WouldBlock
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionRefused
            );
            return if nothing_waits { Ok(0) } else { Err(error) };
        }
        self.filled = usize::try_from(n).unwrap_or(0);
        self.received_at = wall_clock();
        Ok(self.filled)
    }

    /// Returns how long datagram `i` of the last batch had waited for us; none if the socket does not
    /// say ([`super::stamp_arrivals`]).
    pub(crate) fn waited(&self, i: usize) -> Duration {
        let arrived =
            self.headers.get(i).filter(|_| i < self.filled).and_then(|h| arrival(&h.msg_hdr));
        let waited = arrived.map_or(Duration::ZERO, |at| self.received_at.saturating_sub(at));
        if waited > LONGEST_WAIT { Duration::ZERO } else { waited }
    }

    /// Returns datagram `i` of the last batch and where it came from; the bytes may be changed
    /// (decrypted in place). `None` if there is none or its address cannot be read.
    pub(crate) fn get(&mut self, i: usize) -> Option<(&mut [u8], SocketAddr)> {
        if i >= self.filled {
            return None;
        }
        let length = (self.headers[i].msg_len as usize).min(DATAGRAM);
        let from = read_address(&self.from[i])?;
        Some((&mut self.room[i][..length], from))
    }
}

/// Returns the moment that the kernel put beside a datagram (`SO_TIMESTAMPNS`, socket(7)).
fn arrival(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: `recvmmsg` has filled the header and the room that it points to, which belongs to the same
    // batch; these walk within the length that it says.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while let Some(said) = next.as_ref() {
            if said.cmsg_level == libc::SOL_SOCKET && said.cmsg_type == libc::SCM_TIMESTAMPNS {
                let time = std::ptr::read_unaligned(libc::CMSG_DATA(next).cast::<libc::timespec>());
                return since_epoch(time);
            }
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    None
}

fn wall_clock() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives until the call returns.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    since_epoch(time).unwrap_or_default()
}

fn since_epoch(time: libc::timespec) -> Option<Duration> {
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Datagrams to be sent in one system call, reused for ever.
pub(crate) struct SendBatch {
    bytes: Vec<u8>,
    ends: Vec<(usize, SocketAddr, usize)>,
}

impl std::fmt::Debug for SendBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendBatch").field("waiting", &self.ends.len()).finish_non_exhaustive()
    }
}

impl SendBatch {
    /// Makes an empty batch.
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(BATCH * 128), ends: Vec::with_capacity(BATCH) }
    }

    /// Adds one datagram for the socket with this place in the list that [`SendBatch::send`] is
    /// given; returns true when the batch is full and should be sent.
    pub(crate) fn push(&mut self, datagram: &[u8], to: SocketAddr, socket: usize) -> bool {
        self.bytes.extend_from_slice(datagram);
        self.ends.push((self.bytes.len(), to, socket));
        self.ends.len() >= BATCH
    }

    /// Sends all and forgets them. A full socket buffer drops the rest, since an answer is never worth
    /// waiting for; an address that cannot be sent to drops its own alone.
    pub(crate) fn send(&mut self, sockets: &[UdpSocket]) -> Sent {
        if self.ends.is_empty() {
            return Sent::default();
        }
        let waiting = self.ends.len();
        let taken = sockets.iter().enumerate().map(|(i, s)| self.send_over(i, s)).sum();
        let sent = Sent { taken, refused: waiting - taken };
        self.bytes.clear();
        self.ends.clear();
        sent
    }

    fn send_over(&self, place: usize, socket: &UdpSocket) -> usize {
        if self.ends.iter().all(|(_, _, over)| *over != place) {
            return 0;
        }
        // SAFETY: plain C structures for which all-zero bytes are a valid value.
        let (mut names, mut iov, mut headers) = unsafe {
            (
                MaybeUninit::<[libc::sockaddr_storage; BATCH]>::zeroed().assume_init(),
                MaybeUninit::<[libc::iovec; BATCH]>::zeroed().assume_init(),
                MaybeUninit::<[libc::mmsghdr; BATCH]>::zeroed().assume_init(),
            )
        };
        let mut start = 0;
        let mut i = 0;
        for (end, to, over) in self.ends.iter().take(BATCH) {
            let slice = &self.bytes[start..*end];
            start = *end;
            if *over != place {
                continue;
            }
            let length = write_address(*to, &mut names[i]);
            iov[i] =
                libc::iovec { iov_base: slice.as_ptr().cast_mut().cast(), iov_len: slice.len() };
            let header = &mut headers[i].msg_hdr;
            header.msg_name = (&raw mut names[i]).cast();
            header.msg_namelen = length;
            header.msg_iov = &raw mut iov[i];
            header.msg_iovlen = 1;
            i += 1;
        }
        send_each(socket, &mut headers[..i])
    }
}

/// Sends what `headers` describe and returns how many the system took. The call stops at the first
/// datagram that it refuses, and says why only if that is the first of all: so it goes on behind it.
fn send_each(socket: &UdpSocket, mut headers: &mut [libc::mmsghdr]) -> usize {
    let mut taken = 0;
    while !headers.is_empty() {
        // SAFETY: every header points to an iovec and an address that the caller keeps until this
        // returns, as are the bytes, which the kernel only reads; the length is that of the slice, at
        // most `BATCH`.
        let n = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                libc::c_uint::try_from(headers.len()).unwrap_or(BATCH_FOR_C),
                libc::MSG_DONTWAIT,
            )
        };
        let done = if let Ok(n) = usize::try_from(n) {
            taken += n;
            n
        } else {
            let why = io::Error::last_os_error().kind();
            if why == io::ErrorKind::WouldBlock {
                return taken;
            }
            usize::from(why != io::ErrorKind::Interrupted)
        };
        headers = headers.get_mut(done..).unwrap_or_default();
    }
    taken
}

/// Returns an address family as it stands in an address.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "families are small")]
const fn family(number: libc::c_int) -> libc::sa_family_t {
    number as libc::sa_family_t
}

fn read_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds a `sockaddr_in`, which is smaller.
            let a = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(a.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds a `sockaddr_in6`, which is smaller.
            let a = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
            let port = u16::from_be(a.sin6_port);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, a.sin6_flowinfo, a.sin6_scope_id)))
        }
        _ => None,
    }
}

fn write_address(address: SocketAddr, storage: &mut libc::sockaddr_storage) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) => {
            let a = libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from(*v4.ip()).to_be() },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is larger than and aligned for every socket address.
            unsafe { std::ptr::write((&raw mut *storage).cast(), a) };
            length_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let a = libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { std::ptr::write((&raw mut *storage).cast(), a) };
            length_of::<libc::sockaddr_in6>()
        }
    }
}
