//! The few calls of the operating system that std does not offer. The only unsafe code of this
//! crate; every function here is safe to call with any argument.

#![expect(unsafe_code, reason = "poll, pidfd, prlimit, memfd and kill have no safe form in std")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// A signal that is sent to a process or a group of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Please end.
    Terminate,
    /// End.
    Kill,
}

impl Signal {
    fn number(self) -> libc::c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
        }
    }
}

/// What the kernel holds a process to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// Bytes of a core file.
    Core(u64),
    /// Open files.
    Files(u64),
    /// Bytes of a file that it writes.
    FileSize(u64),
    /// Seconds of processor time.
    Cpu(u64),
    /// Bytes of address space.
    Memory(u64),
}

/// Returns a descriptor of process `pid`: readable when it has ended.
pub(crate) fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: the call takes two numbers and returns a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends `signal` to the process that `pidfd` stands for, and to no other that got its number later.
pub(crate) fn signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let nothing: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the call takes numbers and a pointer that may be null.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal.number(), nothing, 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends `signal` to every process of the group that `leader` leads. The caller has not yet waited
/// for the leader, so the number belongs to this group.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    let group = libc::pid_t::try_from(leader).map_err(io::Error::other)?;
    if group <= 1 {
        // -1 would be everybody, 0 ourselves.
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the call takes two numbers.
    if unsafe { libc::kill(-group, signal.number()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes reading from `fd` return at once.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: `yes` lives over the call, which reads it; the descriptor is borrowed, so it is open.
    let set = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw const yes) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Holds process `pid` to `limits`, and all that it starts from now on.
pub(crate) fn limit(pid: u32, limits: &[Limit]) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    for limit in limits {
        let (resource, bound) = match *limit {
            Limit::Core(bound) => (libc::RLIMIT_CORE, bound),
            Limit::Files(bound) => (libc::RLIMIT_NOFILE, bound),
            Limit::FileSize(bound) => (libc::RLIMIT_FSIZE, bound),
            Limit::Cpu(bound) => (libc::RLIMIT_CPU, bound),
            Limit::Memory(bound) => (libc::RLIMIT_AS, bound),
        };
        let bound = libc::rlim_t::from(bound);
        let new = libc::rlimit { rlim_cur: bound, rlim_max: bound };
        // SAFETY: `new` lives over the call, and null means that the old limits are not asked for.
        if unsafe { libc::prlimit(pid, resource, &raw const new, std::ptr::null_mut()) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Marks every descriptor but the standard three as one that no program started from now on gets.
/// std does so with its own; this is for what this process was itself started with.
pub(crate) fn keep_descriptors() {
    // SAFETY: the call takes numbers and changes a flag of descriptors only. A kernel before 5.11
    // refuses it; then those of std are marked as always.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// Returns an empty file without a name, in memory: gone with the last who has it open.
pub(crate) fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a constant that ends with a zero byte; the call copies it.
    let fd = unsafe { libc::memfd_create(c"hark".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Returns the user on whose behalf this process acts.
pub(crate) fn user() -> u32 {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// What is waited on: descriptors that are to become readable (or writable).
#[derive(Debug, Default)]
pub struct Poller {
    polled: Vec<libc::pollfd>,
}

/// A descriptor in a [`Poller`], until the next [`Poller::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(usize);

impl Poller {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.polled.clear();
    }

    /// Adds a descriptor that is to become readable.
    pub fn readable(&mut self, fd: BorrowedFd<'_>) -> Token {
        self.add(fd, libc::POLLIN)
    }

    /// Adds a descriptor that is to become writable.
    pub fn writable(&mut self, fd: BorrowedFd<'_>) -> Token {
        self.add(fd, libc::POLLOUT)
    }

    fn add(&mut self, fd: BorrowedFd<'_>, events: libc::c_short) -> Token {
        self.polled.push(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
        Token(self.polled.len() - 1)
    }

    /// Waits until one of them is ready, or `timeout` is over; `None` waits for ever. A signal ends
    /// the waiting with nothing ready.
    ///
    /// # Errors
    /// If the system refuses to wait (no memory).
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        // Rounded up: waking a fraction early would only spin.
        let millis = timeout.map_or(-1, |timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        let count = libc::nfds_t::try_from(self.polled.len()).unwrap_or(0);
        // SAFETY: the vector holds `count` initialised entries and lives over the call. A descriptor
        // that was closed since is answered with "invalid", which counts as ready.
        if unsafe { libc::poll(self.polled.as_mut_ptr(), count, millis) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
            for polled in &mut self.polled {
                polled.revents = 0;
            }
        }
        Ok(())
    }

    /// Returns true if the descriptor was ready at the last [`Poller::wait`].
    pub fn is_ready(&self, token: Token) -> bool {
        self.polled.get(token.0).is_some_and(|polled| polled.revents != 0)
    }
}
