//! The system calls for echo requests that neither the standard library nor socket2 offers: reading in
//! batches, and what routers say. All `unsafe` of this crate is here.
#![expect(unsafe_code, reason = "the one place of this crate that calls the C library")]

use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, RawFd};

use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::packet::REPLY_V4;

/// How many packets one system call reads.
const BATCH: usize = 64;

/// Longest packet looked at: only its head matters.
const ROOM: usize = 128;

/// Messages of routers that are read at once: more wait for the next time.
const MOST_WORDS: usize = 64;

/// Room for what comes with such a message: its kind, and who says it.
const ANCILLARY: usize = 256;

/// `ICMP_FILTER` of `linux/icmp.h`, and its level.
const ICMP_FILTER: libc::c_int = 1;

/// Opens a socket for echo requests; with the identifier that its packets must carry if it is a raw one.
pub(super) fn open(is_ipv4: bool) -> io::Result<(Socket, Option<u16>)> {
    open_datagram(is_ipv4)
        .map(|socket| (socket, None))
        .or_else(|_not_allowed| open_raw(is_ipv4).map(|(socket, id)| (socket, Some(id))))
}

fn open_as(is_ipv4: bool, kind: Type) -> io::Result<Socket> {
    let (domain, protocol) =
        if is_ipv4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
    let socket = Socket::new(domain, kind, Some(protocol))?;
    let (level, option) = if is_ipv4 {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    } else {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    };
    set(&socket, level, option, &1)?;
    set(&socket, libc::SOL_SOCKET, libc::SO_SELECT_ERR_QUEUE, &1)?;
    Ok(socket)
}

pub(super) fn open_datagram(is_ipv4: bool) -> io::Result<Socket> {
    open_as(is_ipv4, Type::DGRAM)
}

/// A raw socket would get every reply that reaches the machine: a filter lets those with our identifier
/// in alone.
pub(super) fn open_raw(is_ipv4: bool) -> io::Result<(Socket, u16)> {
    let socket = open_as(is_ipv4, Type::RAW)?;
    let identifier = identifier();
    if is_ipv4 {
        // Bits of the types that are kept out: all but replies.
        let all_but_replies = !(1_i32 << REPLY_V4);
        set(&socket, libc::SOL_RAW, ICMP_FILTER, &all_but_replies)?;
        socket.attach_filter(&[
            SockFilter::new(LENGTH_OF_HEADER, 0, 0, 0),
            SockFilter::new(NUMBER_BEHIND_HEADER, 0, 0, 4),
            SockFilter::new(IS_EQUAL, 0, 1, identifier.into()),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
            SockFilter::new(RETURN, 0, 0, 0),
        ])?;
    } else {
        socket.attach_filter(&[
            SockFilter::new(NUMBER, 0, 0, 4),
            SockFilter::new(IS_EQUAL, 0, 1, identifier.into()),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
            SockFilter::new(RETURN, 0, 0, 0),
        ])?;
    }
    Ok((socket, identifier))
}

/// Instructions of the kernel's packet filter (`linux/bpf_common.h`): the length of the header of IP, a
/// number of two bytes behind that header, one from the begin.
const LENGTH_OF_HEADER: u16 = 0xb1;
const NUMBER_BEHIND_HEADER: u16 = 0x48;
const NUMBER: u16 = 0x28;
const IS_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Returns an identifier that no other socket of this process has, and hardly one of another.
fn identifier() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id());
    u16::try_from(n & 0xffff).unwrap_or_default()
}

/// Has the runtime watch the socket; what routers say arrives as something urgent.
///
/// # Errors
/// What the system says.
pub(super) fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
    // SAFETY: a `Socket` owns its one descriptor until it is dropped, and the result owns the `Socket`.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

fn set(socket: &Socket, level: libc::c_int, option: libc::c_int, value: &i32) -> io::Result<()> {
    // SAFETY: the integer lives until the call returns; its size is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            length_of::<i32>(),
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns the size of `T` as socket calls want it.
#[expect(clippy::cast_possible_truncation, reason = "no structure of a socket call is that large")]
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
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

/// Room for one batch, one for each thread that reads.
struct Room {
    room: Box<[[u8; ROOM]; BATCH]>,
    from: Box<[libc::sockaddr_storage; BATCH]>,
}

thread_local! {
    static ROOM_OF_THREAD: RefCell<Room> = RefCell::new(Room {
        room: Box::new([[0; ROOM]; BATCH]),
        // SAFETY: a plain C structure for which all-zero bytes are a valid value.
        from: Box::new(unsafe { MaybeUninit::zeroed().assume_init() }),
    });
}

/// Reads what waits, one batch, and hands out each packet with its sender.
///
/// # Errors
/// What the system says; "would block" and words of routers are none.
pub(super) fn receive(socket: &Socket, mut take: impl FnMut(IpAddr, &[u8])) -> io::Result<Batch> {
    ROOM_OF_THREAD.with_borrow_mut(|room| room.receive(socket.as_raw_fd(), &mut take))
}

impl Room {
    fn receive(&mut self, fd: RawFd, take: &mut dyn FnMut(IpAddr, &[u8])) -> io::Result<Batch> {
        // SAFETY: plain C structures for which all-zero bytes are a valid value.
        let (mut iov, mut headers) = unsafe {
            (
                MaybeUninit::<[libc::iovec; BATCH]>::zeroed().assume_init(),
                MaybeUninit::<[libc::mmsghdr; BATCH]>::zeroed().assume_init(),
            )
        };
        let places = self.room.iter_mut().zip(self.from.iter_mut());
        for ((header, iov), (room, from)) in headers.iter_mut().zip(&mut iov).zip(places) {
            *iov = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: ROOM };
            header.msg_hdr.msg_name = std::ptr::from_mut(from).cast();
            header.msg_hdr.msg_namelen = length_of::<libc::sockaddr_storage>();
            header.msg_hdr.msg_iov = iov;
            header.msg_hdr.msg_iovlen = 1;
        }
        let most = libc::c_uint::try_from(BATCH).unwrap_or(1);
        // SAFETY: every header points to one iovec and one address, all alive and as large as set just
        // above; the descriptor is open while the socket is borrowed.
        let n = unsafe {
            libc::recvmmsg(fd, headers.as_mut_ptr(), most, libc::MSG_DONTWAIT, std::ptr::null_mut())
        };
        let Ok(n) = usize::try_from(n) else {
            let error = io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EINTR) => Ok(Batch::Full),
                // The error is taken by this; what waits behind it is read next time.
                Some(number) if is_word_of_router(number) => Ok(Batch::Word),
                _ if error.kind() == io::ErrorKind::WouldBlock => Ok(Batch::None),
                _ => Err(error),
            };
        };
        for ((header, room), from) in
            headers.iter().zip(self.room.iter()).zip(self.from.iter()).take(n)
        {
            let length = usize::try_from(header.msg_len).unwrap_or(0);
            if let (Some(from), Some(packet)) = (address(from), room.get(..length.min(ROOM))) {
                take(from, packet);
            }
        }
        Ok(if n == BATCH { Batch::Full } else { Batch::Last })
    }
}

/// Returns true for errors that say something of a packet sent earlier, not of the socket.
pub(super) fn is_word_of_router(number: i32) -> bool {
    matches!(
        number,
        libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::ENOPROTOOPT
            | libc::EPROTO
            | libc::EACCES
            | libc::EMSGSIZE
            | libc::EOPNOTSUPP
    )
}

/// Reads what routers (or this machine's own neighbour search) say: the address that was asked, the
/// request as they quote it, and the error. That a request is too large for the path is not passed on:
/// the system divides later ones.
pub(super) fn undelivered(socket: &Socket, mut take: impl FnMut(IpAddr, &[u8], i32)) {
    for _ in 0..MOST_WORDS {
        let mut room = [0_u8; ROOM];
        let mut ancillary = [0_u64; ANCILLARY / size_of::<u64>()];
        let mut iov = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: ROOM };
        // SAFETY: plain C structures for which all-zero bytes are a valid value.
        let (mut to, mut header) = unsafe {
            (
                MaybeUninit::<libc::sockaddr_storage>::zeroed().assume_init(),
                MaybeUninit::<libc::msghdr>::zeroed().assume_init(),
            )
        };
        header.msg_name = (&raw mut to).cast();
        header.msg_namelen = length_of::<libc::sockaddr_storage>();
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        header.msg_control = ancillary.as_mut_ptr().cast();
        header.msg_controllen = ANCILLARY as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the header points to room that is alive and as large as it says.
        let n = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
        let Ok(n) = usize::try_from(n) else { return };
        // SAFETY: the header is that of the call just made, with its ancillary bytes alive.
        let errno = unsafe { error_of(&header) };
        if let (Some(to), Some(errno), Some(packet)) =
            (address(&to), errno, room.get(..n.min(ROOM)))
            && errno != libc::EMSGSIZE
        {
            take(to, packet, errno);
        }
    }
}

/// Returns the error that a message from the error queue is about.
///
/// # Safety
/// `header` must be that of a successful `recvmsg`, its ancillary bytes aligned and alive.
unsafe fn error_of(header: &libc::msghdr) -> Option<i32> {
    // SAFETY: as the caller promises; the kernel wrote whole messages, which the macros walk over.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            let is_error = kind == (libc::IPPROTO_IP, libc::IP_RECVERR)
                || kind == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
            if is_error {
                // The error's number is the first field.
                let errno = libc::CMSG_DATA(message).cast::<[u8; 4]>().read();
                return Some(i32::from_ne_bytes(errno));
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

fn address(storage: &libc::sockaddr_storage) -> Option<IpAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds a `sockaddr_in`, which is smaller.
            let a = unsafe { &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            Some(Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds a `sockaddr_in6`, which is smaller.
            let a = unsafe { &*std::ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            Some(Ipv6Addr::from(a.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
