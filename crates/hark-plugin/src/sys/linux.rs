//! What only Linux has.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::process::{Child, Command};

use hark_model::Mono;

use super::{Limit, Poller, Signal, Token};

/// The end of a process, to be waited for.
#[derive(Debug)]
pub(crate) struct Ending {
    process: OwnedFd,
    token: Option<Token>,
}

impl Ending {
    /// That of a child that was not yet waited for.
    pub(crate) fn of(child: &Child) -> io::Result<Self> {
        Ok(Self { process: pidfd(child.id())?, token: None })
    }

    /// Adds it to what is waited for.
    pub(crate) fn wait_for(&mut self, poller: &mut Poller) {
        self.token = Some(poller.readable(self.process.as_fd()));
    }

    /// Returns when to look at the latest: the kernel tells.
    #[expect(clippy::unused_self, reason = "elsewhere it depends")]
    pub(crate) fn look_at(&self) -> Option<Mono> {
        None
    }

    /// Whether it has ended, after a waiting.
    pub(crate) fn is_there(&mut self, poller: &Poller, _now: Mono) -> bool {
        self.token.take().is_some_and(|token| poller.is_ready(token))
    }
}

/// Kills the process that has the number `pid`, if it is the one that is meant.
pub(crate) fn kill_if(pid: u32, is_meant: impl Fn() -> bool) -> bool {
    // The descriptor first, then the look: the number cannot have gone to another in between.
    let Ok(process) = pidfd(pid) else { return false };
    is_meant() && signal(process.as_fd(), Signal::Kill).is_ok()
}

/// Returns a descriptor of process `pid`: readable when it has ended.
fn pidfd(pid: u32) -> io::Result<OwnedFd> {
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
fn signal(pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let nothing: *const libc::siginfo_t = std::ptr::null();
    // SAFETY: the call takes numbers and a pointer that may be null.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal.number(), nothing, 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Holds process `pid` to `limits`, and all that it starts from now on.
pub(crate) fn limit(pid: u32, limits: &[Limit]) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    for limit in limits {
        let (resource, new) = limit.for_c();
        // SAFETY: `new` lives over the call, and null means that the old limits are not asked for.
        if unsafe { libc::prlimit(pid, resource, &raw const new, std::ptr::null_mut()) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Limits are set from outside, after the start: see the text of the runner.
pub(crate) fn limit_at_start(_command: &mut Command, _limits: &[Limit]) {}

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
