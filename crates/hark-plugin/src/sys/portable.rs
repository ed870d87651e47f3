//! What takes the place of what only Linux has. Compiled on Linux with the feature `portable`.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd as _;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use hark_model::Mono;

use super::{Limit, Poller};

/// How often is looked whether a process has ended: nothing that all systems have tells it to a thread
/// that waits for other things as well.
const LOOK: Duration = Duration::from_millis(20);

/// The end of a process, to be waited for.
#[derive(Debug)]
pub(crate) struct Ending {
    child: libc::id_t,
    look_at: Mono,
}

impl Ending {
    /// That of a child that was not yet waited for.
    pub(crate) fn of(child: &Child) -> io::Result<Self> {
        let child = libc::id_t::try_from(child.id()).map_err(io::Error::other)?;
        Ok(Self { child, look_at: Mono(0) })
    }

    /// Adds it to what is waited for: it cannot be.
    #[expect(clippy::unused_self, reason = "on Linux it is added")]
    pub(crate) fn wait_for(&mut self, _poller: &mut Poller) {}

    /// Returns when to look at the latest.
    #[expect(clippy::unnecessary_wraps, reason = "Linux has no such time")]
    pub(crate) fn look_at(&self) -> Option<Mono> {
        Some(self.look_at)
    }

    /// Whether it has ended. It stays a zombie, so that its number and its group are not given away.
    pub(crate) fn is_there(&mut self, _poller: &Poller, now: Mono) -> bool {
        self.look_at = now + LOOK;
        // SAFETY: an all-zero `siginfo_t` is a valid value of a plain C struct.
        let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `found` is a valid place to write to and lives over the call.
        let asked = unsafe { libc::waitid(libc::P_PID, self.child, &raw mut found, flags) };
        // SAFETY: the field is written by a call that succeeded, and zero where nothing has happened.
        asked < 0 || unsafe { found.si_pid() } != 0
    }
}

/// Limits are set at the start: only Linux can do it from outside.
#[expect(clippy::unnecessary_wraps, reason = "Linux may refuse")]
pub(crate) fn limit(_pid: u32, _limits: &[Limit]) -> io::Result<()> {
    Ok(())
}

/// Holds the process of `command` to `limits`, and all that it starts.
pub(crate) fn limit_at_start(command: &mut Command, limits: &[Limit]) {
    let limits: Vec<_> = limits.iter().map(|limit| limit.for_c()).collect();
    // SAFETY: `setrlimit` is async-signal-safe and only reads the list, which the closure owns. A limit
    // that this system does not have is left out.
    unsafe {
        command.pre_exec(move || {
            for (resource, limit) in &limits {
                libc::setrlimit(*resource, &raw const *limit);
            }
            Ok(())
        });
    }
}

/// std marks its own descriptors as those that no program gets; what this process was itself started with
/// goes on to its children here.
pub(crate) fn keep_descriptors() {}

/// Would kill a process that is no child of ours: between a look and a signal its number may go to another
/// here.
pub(crate) fn kill_if(_pid: u32, _is_meant: impl Fn() -> bool) -> bool {
    false
}

/// Returns an empty file, whose name is gone already: the file is with the last who has it open.
pub(crate) fn memory_file() -> io::Result<File> {
    let mut path = *b"/tmp/hark-XXXXXX\0";
    // SAFETY: the array lives over the calls, which write a name over the letters at its end.
    let fd = unsafe { libc::mkstemp(path.as_mut_ptr().cast()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this descriptor, and nobody else knows its number.
    let file = unsafe { File::from_raw_fd(fd) };
    // SAFETY: the path ends with a zero byte.
    if unsafe { libc::unlink(path.as_ptr().cast()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a flag of a descriptor that is open.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    Ok(file)
}
