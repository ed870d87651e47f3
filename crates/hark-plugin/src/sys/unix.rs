//! What POSIX has.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use super::{Limit, Signal, Token};
use crate::program::PATH;

/// What can be waited for.
pub type Waited<'a> = BorrowedFd<'a>;

/// One of two ends: what one writes makes the other readable, and so does its end.
pub type Bell = UnixStream;

/// Returns two ends.
///
/// # Errors
/// If the process has no descriptors left.
pub fn bells() -> io::Result<(Bell, Bell)> {
    UnixStream::pair()
}

/// Returns what waits for `socket`.
pub fn waited(socket: &impl AsFd) -> Waited<'_> {
    socket.as_fd()
}

/// Who runs programs.
pub(crate) type User = u32;

/// Returns the user on whose behalf this process acts.
pub(crate) fn user() -> User {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Puts the process of `command` into a group of its own.
pub(crate) fn apart(command: &mut Command) {
    command.process_group(0);
}

/// Gives the process of `command` the few variables that every program gets, and its folder.
pub(crate) fn surroundings(command: &mut Command) {
    command.env("PATH", PATH).env("LANG", "C").env("LC_ALL", "C").env("HOME", "/").current_dir("/");
}

/// Returns where programs are looked for, which is where `usual` says.
pub(crate) fn folders(usual: &[&str]) -> Vec<PathBuf> {
    usual.iter().map(PathBuf::from).collect()
}

/// Returns the signal that ended a process.
pub(crate) fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// A process that was started apart, with all that it starts and that stays in its group.
#[derive(Debug)]
pub(crate) struct Family {
    leader: u32,
}

impl Family {
    /// That of a child that was just started and not yet waited for.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
    pub(crate) fn of(child: &Child) -> io::Result<Self> {
        Ok(Self { leader: child.id() })
    }

    /// Holds it to limits.
    pub(crate) fn limit(&self, limits: &[Limit]) -> io::Result<()> {
        super::limit(self.leader, limits)
    }

    /// Lets it begin, where it waits for that: not here.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "elsewhere it waits")]
    pub(crate) fn begin(&self) -> io::Result<()> {
        Ok(())
    }

    /// Sends `signal` to all of it. Its leader was not waited for yet, so the number belongs to this group.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        signal_group(self.leader, signal)
    }
}

impl Signal {
    pub(super) fn number(self) -> libc::c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
        }
    }
}

/// The number of a limit, as the C library of each system has it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type Resource = libc::c_int;

impl Limit {
    pub(super) fn for_c(self) -> (Resource, libc::rlimit) {
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
fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
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

/// What a program prints to.
pub(crate) trait Printed: io::Read + AsFd {}

impl<P: io::Read + AsFd> Printed for P {}

/// Makes reading from `pipe` return at once.
pub(crate) fn set_nonblocking(pipe: &impl Printed) -> io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: `yes` lives over the call, which reads it; the descriptor is borrowed, so it is open.
    let set = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONBIO, &raw const yes) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads what is there, once. [`io::ErrorKind::WouldBlock`] if nothing is.
pub(crate) fn read_once(pipe: &mut impl Printed, buffer: &mut [u8]) -> io::Result<usize> {
    pipe.read(buffer)
}

/// What is waited on: descriptors that are to become readable (or writable).
#[derive(Debug, Default)]
pub struct Poller {
    polled: Vec<libc::pollfd>,
}

impl Poller {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.polled.clear();
    }

    /// Adds what a program prints.
    pub(crate) fn printed(&mut self, pipe: &impl Printed) -> Token {
        self.readable(pipe.as_fd())
    }

    /// Adds a descriptor that is to become readable.
    pub fn readable(&mut self, fd: Waited<'_>) -> Token {
        self.add(fd, libc::POLLIN)
    }

    /// Adds a descriptor that is to become writable.
    pub fn writable(&mut self, fd: Waited<'_>) -> Token {
        self.add(fd, libc::POLLOUT)
    }

    fn add(&mut self, fd: Waited<'_>, events: libc::c_short) -> Token {
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
