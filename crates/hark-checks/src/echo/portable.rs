//! What takes the place of `sys` where the system is not Linux: one packet in each system call, no filter in
//! the kernel, and no words of routers, which only Linux hands to whom they concern: an address that
//! cannot be reached is one that does not answer.
#![expect(
    unsafe_code,
    reason = "the bytes of socket2 may not have been written; the runtime is lent a descriptor"
)]

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How many packets are read at once.
const BATCH: usize = 64;

/// Longest packet looked at: only its head matters.
const ROOM: usize = 128;

/// Where the identifier is in a packet, and its end.
const IDENTIFIER: std::ops::Range<usize> = 4..6;

/// Opens a socket for echo requests; with the identifier that its packets must carry if it is a raw one.
pub(super) fn open(is_ipv4: bool) -> io::Result<(Socket, Option<u16>)> {
    open_as(is_ipv4, Type::DGRAM).map(|socket| (socket, None)).or_else(|_not_allowed| {
        open_as(is_ipv4, Type::RAW).map(|socket| (socket, Some(identifier())))
    })
}

fn open_as(is_ipv4: bool, kind: Type) -> io::Result<Socket> {
    let (domain, protocol) =
        if is_ipv4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// One for the whole process: replies to its other sockets are known by their numbers.
fn identifier() -> u16 {
    u16::try_from(std::process::id() & 0xffff).unwrap_or_default()
}

/// Has the runtime watch the socket.
///
/// # Errors
/// What the system says.
pub(super) fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE;
    // SAFETY: a `Socket` owns its one descriptor until it is dropped, and the result owns the `Socket`.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// What reading a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// Packets, and there may be more.
    Full,
    /// Packets, and there are no more.
    Last,
    /// Nothing was there.
    None,
    /// An error that is about a packet sent earlier.
    Word,
}

/// Reads what waits, one batch, and hands out each packet with its sender.
///
/// # Errors
/// What the system says; "would block" and words of routers are none.
pub(super) fn receive(socket: &Socket, mut take: impl FnMut(IpAddr, &[u8])) -> io::Result<Batch> {
    let is_raw = socket.r#type()? == Type::RAW;
    for n in 0..BATCH {
        let mut room = [MaybeUninit::<u8>::uninit(); ROOM];
        let (length, from) = match socket.recv_from(&mut room) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(if n == 0 { Batch::None } else { Batch::Last });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Batch::Full),
            Err(error) if error.raw_os_error().is_some_and(is_word_of_router) => {
                return Ok(Batch::Word);
            }
            Err(error) => return Err(error),
        };
        let mut packet = [0_u8; ROOM];
        for (to, from) in packet.iter_mut().zip(room.iter().take(length)) {
            // SAFETY: the system has written the first `length` bytes.
            *to = unsafe { from.assume_init() };
        }
        let packet = packet.get(..length.min(ROOM)).unwrap_or_default();
        let Some(from) = from.as_socket().map(|from| from.ip()) else { continue };
        if !is_raw || is_ours(packet, from.is_ipv4()) {
            take(from, packet);
        }
    }
    Ok(Batch::Full)
}

/// Returns true if a packet of a raw socket carries our identifier; those of version 4 have the header of IP.
fn is_ours(packet: &[u8], is_ipv4: bool) -> bool {
    let header = packet.first().filter(|_| is_ipv4).map_or(0, |first| usize::from(first & 15) * 4);
    let message = packet.get(header..).unwrap_or_default();
    message.get(IDENTIFIER) == Some(&identifier().to_be_bytes()[..])
}

/// Returns true for errors that say something of a packet sent earlier, not of the socket.
pub(super) fn is_word_of_router(number: i32) -> bool {
    matches!(
        number,
        libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENOPROTOOPT
            | libc::EACCES
            | libc::EMSGSIZE
            | libc::EOPNOTSUPP
    )
}

/// Would read what routers say.
pub(super) fn undelivered(_socket: &Socket, _take: impl FnMut(IpAddr, &[u8], i32)) {}
