//! The few calls of the operating system that std does not offer. The only unsafe code of this
//! crate; every function here is safe to call with any argument.
//!
//! What POSIX has stands here. What only Linux has is in [`linux`], and what takes its place elsewhere in
//! `portable`: the same functions.

#![expect(unsafe_code, reason = "poll, pidfd, limits, memfd and kill have no safe form in std")]

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod portable;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{Ending, keep_descriptors, kill_if, limit, limit_at_start, memory_file};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use portable::{Ending, keep_descriptors, kill_if, limit, limit_at_start, memory_file};

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

/// The number of a limit, as the C library of each system has it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

impl Limit {
    fn for_c(self) -> (Resource, libc::rlimit) {
        let (resource, bound) = match self {
            Self::Core(bound) => (libc::RLIMIT_CORE, bound),
            Self::Files(bound) => (libc::RLIMIT_NOFILE, bound),
            Self::FileSize(bound) => (libc::RLIMIT_FSIZE, bound),
            Self::Cpu(bound) => (libc::RLIMIT_CPU, bound),
            Self::Memory(bound) => (libc::RLIMIT_AS, bound),
        };
        // Signed on FreeBSD.
        let bound = libc::rlim_t::try_from(bound).unwrap_or(libc::rlim_t::MAX);
        (resource, libc::rlimit { rlim_cur: bound, rlim_max: bound })
    }
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
