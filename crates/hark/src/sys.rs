//! The few system calls that the standard library does not offer: batched datagrams, a wake-up
//! descriptor, detaching from the terminal, memory settings. All `unsafe` of the binary is here.
#![expect(unsafe_code, reason = "the one place of this crate that calls the C library")]

mod rights;

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

pub(crate) use rights::{
    become_user, die_with_parent, groups, may_open_raw_socket, may_write, pass_on,
};

/// How many datagrams one system call moves. 64 amortises the call; more only adds memory.
pub(crate) const BATCH: usize = BATCH_FOR_C as usize;

/// [`BATCH`] as the C library counts.
const BATCH_FOR_C: libc::c_uint = 64;

/// Longest datagram looked at: one more than the protocol allows, so that longer ones are seen to be.
pub(crate) const DATAGRAM: usize = 1536;

/// Room for one batch of received datagrams, reused for ever.
pub(crate) struct ReceiveBatch {
    room: Box<[[u8; DATAGRAM]]>,
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
        Self { room, from, iov, headers, filled: 0 }
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
            header.msg_flags = 0;
        }
        // SAFETY: every header points to one iovec and one address, all alive and large enough as
        // set just above; the socket's descriptor is open while it is borrowed.
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
        Ok(self.filled)
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

/// What became of a batch of datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The system took so many.
    pub(crate) taken: usize,
    /// It refused so many: an address that cannot be sent to, a full buffer.
    pub(crate) refused: usize,
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

/// Returns the size of `T` as socket calls want it.
#[expect(clippy::cast_possible_truncation, reason = "no structure of a socket call is that large")]
const fn length_of<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
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

/// A descriptor that one thread waits on and others ring.
#[derive(Debug)]
pub(crate) struct Bell(OwnedFd);

impl Bell {
    /// Makes a silent bell.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers; the result is checked before it becomes an owned descriptor.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just opened and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wakes the waiting thread. Cheap, and harmless if it already rings.
    pub(crate) fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the eight bytes live until the call returns. A full counter (which already
        // wakes) is the only failure.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn silence(&self) {
        let mut room = [0u8; 8];
        // SAFETY: the eight bytes live until the call returns; "would block" means silent already.
        unsafe { libc::read(self.0.as_raw_fd(), room.as_mut_ptr().cast(), room.len()) };
    }
}

/// Waits until `socket` can be read, `bell` rings, or `limit` is over; silences the bell.
pub(crate) fn wait(sockets: &[UdpSocket], bell: &Bell, limit: Duration) {
    let read = |fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds: Vec<libc::pollfd> = sockets.iter().map(|s| read(s.as_raw_fd())).collect();
    fds.push(read(bell.0.as_raw_fd()));
    let ms = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the array lives until the call returns; its length is given.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, ms) };
    bell.silence();
}

/// Asks the kernel for `bytes` of receive buffer, beyond the usual bound where we may.
/// Returns what it gave, in bytes.
pub(crate) fn receive_buffer(socket: &UdpSocket, bytes: usize) -> usize {
    let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    for option in [libc::SO_RCVBUF, libc::SO_RCVBUFFORCE] {
        // SAFETY: the integer lives until the call returns; its size is given.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                (&raw const wanted).cast(),
                length_of::<libc::c_int>(),
            )
        };
    }
    let mut given: libc::c_int = 0;
    let mut length = length_of::<libc::c_int>();
    // SAFETY: both values live until the call returns.
    unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw mut given).cast(),
            &raw mut length,
        )
    };
    usize::try_from(given).unwrap_or(0)
}

/// Returns how many datagrams the kernel has dropped because this socket's buffer was full
/// (`SO_MEMINFO`, Linux 4.12).
pub(crate) fn dropped(socket: &UdpSocket) -> u64 {
    /// Place of the drops among the kernel's figures (`SK_MEMINFO_DROPS` in `linux/sock_diag.h`).
    const DROPS: usize = 8;
    let mut figures = [0u32; DROPS + 1];
    let mut length = length_of::<[u32; DROPS + 1]>();
    // SAFETY: the array lives until the call returns; its size is given and never exceeded.
    unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    u64::from(figures[DROPS])
}

/// Makes `command` the leader of a new session without a terminal (the `-d` option).
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: `setsid` is async-signal-safe and touches no memory of ours.
    unsafe {
        command
            .pre_exec(|| if libc::setsid() < 0 { Err(io::Error::last_os_error()) } else { Ok(()) });
    }
}

/// Lets go of whatever standard input, output and errors were: they become `/dev/null`, so that nobody
/// waits for their end.
///
/// # Errors
/// If that cannot be opened.
pub(crate) fn let_go_of_terminal() -> io::Result<()> {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for standard in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: takes no pointers; `nothing` is open. The standard descriptors are never closed.
        if unsafe { libc::dup2(nothing.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Tells the allocator to give large blocks back to the system: one password hash takes 19 MiB, which
/// glibc would otherwise keep for ever. Called once, before threads start.
pub(crate) fn give_memory_back() {
    // SAFETY: plain integers; documented in mallopt(3).
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 * 1024);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Tells the allocator that one place to allocate from is enough for all threads: each further one costs
/// memory, and is worth it only to threads that allocate at the same time. Called before threads start.
pub(crate) fn allocate_from_one_place() {
    // SAFETY: plain integers; documented in mallopt(3).
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Gives back what is not in use: memory that was freed, and the pages of files (code, constants, tables
/// for the linker) that were read, above all by the start. What goes on being used is mapped again at
/// once. For a process that starts once and then does little.
pub(crate) fn give_unused_back() {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let files = unchanged_files(&smaps);
    drop(smaps);
    // SAFETY: takes an integer; the allocator keeps what is in use.
    unsafe { libc::malloc_trim(0) };
    for (start, end) in files {
        // SAFETY: only mappings of a file are named that cannot be written and of which no page was
        // ever changed (what relocation has changed shows as anonymous memory): they hold the bytes of
        // the file as they are, so a page that is given back is read from the file again when it is
        // touched.
        unsafe {
            let address = std::ptr::without_provenance_mut(start);
            libc::madvise(address, end - start, libc::MADV_DONTNEED);
        }
    }
}

/// Returns the ends of each mapping in `/proc/PID/smaps` that holds a file's bytes as they are: none of
/// its pages was changed, neither one in memory nor one that was swapped out since.
fn unchanged_files(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut file = None;
    let mut unchanged = false;
    for line in smaps.lines() {
        match line.split_once(':') {
            Some(("Anonymous", size)) => unchanged = size.trim() == "0 kB",
            Some(("Swap", size)) if unchanged && size.trim() == "0 kB" => found.extend(file.take()),
            // Every other figure; a mapping's own line has a space before its first colon.
            Some((figure, _)) if !figure.contains(' ') => {}
            _ => (file, unchanged) = (read_only_file(line), false),
        }
    }
    found
}

/// Returns the ends of a mapping in `/proc/PID/maps` that is of a file and cannot be written.
fn read_only_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let file = fields.nth(3)?;
    if !matches!(rights, "r-xp" | "r--p") || !file.starts_with('/') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let hex = |text: &str| usize::from_str_radix(text, 16).ok();
    Some((hex(start)?, hex(end)?))
}

/// Makes every file and folder that this process creates readable for its owner alone: keys, tokens
/// and the state of monitoring are nobody else's.
pub(crate) fn keep_files_private() {
    // SAFETY: takes an integer, cannot fail.
    unsafe { libc::umask(0o077) };
}

/// Reads one line from the terminal without showing what is typed.
///
/// # Errors
/// If there is no terminal or it ends.
pub(crate) fn read_hidden(prompt: &str) -> io::Result<String> {
    use std::io::{BufRead, Write};
    let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    terminal.write_all(prompt.as_bytes())?;
    let fd = terminal.as_raw_fd();
    // SAFETY: a plain C structure, filled by the call before it is used.
    let shown = unsafe {
        let mut shown = MaybeUninit::<libc::termios>::zeroed().assume_init();
        if libc::tcgetattr(fd, &raw mut shown) != 0 {
            return Err(io::Error::last_os_error());
        }
        shown
    };
    let mut hidden = shown;
    hidden.c_lflag &= !libc::ECHO;
    hidden.c_lflag |= libc::ECHONL;
    // SAFETY: both structures live until the calls return.
    unsafe { libc::tcsetattr(fd, libc::TCSAFLUSH, &raw const hidden) };
    let mut line = String::new();
    let outcome = io::BufReader::new(&terminal).read_line(&mut line);
    // SAFETY: as above; the terminal is given back whatever came of the reading.
    unsafe { libc::tcsetattr(fd, libc::TCSAFLUSH, &raw const shown) };
    outcome?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Returns what this machine calls itself.
pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Returns true if this process belongs to root.
pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Makes `command` start on one core and stay there, for benchmarks.
pub(crate) fn start_on_core(command: &mut Command, core: usize) {
    // SAFETY: `sched_setaffinity` is async-signal-safe and only reads a set on this stack.
    unsafe {
        command.pre_exec(move || {
            pin_to_core(core);
            Ok(())
        });
    }
}

/// Keeps this thread on one core, for benchmarks.
pub(crate) fn pin_to_core(core: usize) {
    // SAFETY: the set is a plain bit field that lives until the call returns; a core that does not
    // exist makes the call fail, which leaves the thread where it was.
    unsafe {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_over_both_families() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let a = UdpSocket::bind(local).unwrap();
            let b = UdpSocket::bind(local).unwrap();
            let mut out = SendBatch::new();
            for i in 0..5u8 {
                assert!(!out.push(&[i; 9], b.local_addr().unwrap(), 0));
            }
            assert_eq!(out.send(std::slice::from_ref(&a)), Sent { taken: 5, refused: 0 });
            wait(std::slice::from_ref(&b), &Bell::new().unwrap(), Duration::from_secs(5));
            let mut batch = ReceiveBatch::new();
            assert_eq!(batch.receive(&b).unwrap(), 5);
            let (bytes, from) = batch.get(4).unwrap();
            assert_eq!((&*bytes, from), (&[4u8; 9][..], a.local_addr().unwrap()));
            assert!(batch.get(5).is_none());
            assert_eq!(batch.receive(&b).unwrap(), 0);
        }
    }

    #[test]
    fn one_address_that_cannot_be_sent_to_costs_the_others_nothing() {
        let a = UdpSocket::bind("127.0.0.1:0").unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut out = SendBatch::new();
        // Port 0 cannot be sent to; it stands first, in between twice in a row, and last.
        let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let good = b.local_addr().unwrap();
        for (i, to) in [nowhere, good, nowhere, nowhere, good, good, nowhere].iter().enumerate() {
            out.push(&[u8::try_from(i).unwrap()], *to, 0);
        }
        assert_eq!(out.send(std::slice::from_ref(&a)), Sent { taken: 3, refused: 4 });
        let mut batch = ReceiveBatch::new();
        wait(std::slice::from_ref(&b), &Bell::new().unwrap(), Duration::from_secs(5));
        assert_eq!(batch.receive(&b).unwrap(), 3);
        let got: Vec<u8> = (0..3).map(|i| batch.get(i).unwrap().0[0]).collect();
        assert_eq!(got, [1, 4, 5]);
    }

    #[test]
    fn only_unchanged_pages_of_files_are_given_back() {
        let found = |mapping: &str, anonymous: u32, swap: u32| {
            unchanged_files(&format!(
                "{mapping}\nSize: 9 kB\nRss: 9 kB\nAnonymous: {anonymous} kB\nSwap: {swap} kB\n\
                 VmFlags: rd ex\n"
            ))
        };
        let file = "fe:00 1234                       /usr/bin/hark";
        for rights in ["r-xp", "r--p"] {
            let mapping = format!("55d0-66d0 {rights} 00002000 {file}");
            assert_eq!(found(&mapping, 0, 0), [(0x55d0, 0x66d0)]);
            assert_eq!(found(&mapping, 420, 0), [], "what relocation changed stays");
            assert_eq!(found(&mapping, 0, 420), [], "also where it was swapped out");
        }
        for other in [
            &format!("55d0-66d0 rw-p 00002000 {file}"),
            "7ffd-7fff r-xp 00000000 00:00 0                          [vdso]",
            "7ffd-7fff rw-p 00000000 00:00 0",
            "",
        ] {
            assert_eq!(found(other, 0, 0), [], "{other}");
        }
    }

    #[test]
    fn the_program_goes_on_after_giving_back() {
        let kept: Vec<String> = (0..10_000).map(|n| format!("kept {n}")).collect();
        give_unused_back();
        assert!(kept.iter().enumerate().all(|(n, text)| *text == format!("kept {n}")));
        a_bell_wakes_once();
    }

    #[test]
    fn a_bell_wakes_once() {
        let bell = Bell::new().unwrap();
        bell.ring();
        bell.ring();
        wait(&[], &bell, Duration::from_mins(1));
        wait(&[], &bell, Duration::from_millis(1));
    }
}
