//! The few calls of the operating system that std does not offer. The only unsafe code of the
//! agent; every function here is safe to call with any argument.
//!
//! What POSIX has stands here. What only Linux has is in `linux`; what takes its place elsewhere, in
//! `portable`.

#![expect(
    unsafe_code,
    reason = "statvfs, poll, openat, getdents, sysconf and adjtimex have no safe form in std"
)]

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod portable;

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{Numbered, NumberedEntries, clock_state, survive_memory_pressure};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use portable::{clock_state, survive_memory_pressure};

/// Room on a file system, as `statvfs` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// Bytes in all.
    pub(crate) total: u64,
    /// Bytes not used, also those kept for root.
    pub(crate) free: u64,
    /// Bytes that anybody may still use.
    pub(crate) available: u64,
    /// Inodes in all; 0 where there is no such bound.
    pub(crate) inodes: u64,
    /// Inodes not used.
    pub(crate) inodes_free: u64,
}

/// Asks for the room on the file system that holds `path`. Blocks as long as that file system does.
#[expect(clippy::useless_conversion, reason = "the widths of these fields differ between targets")]
pub(crate) fn space(path: &CStr) -> io::Result<Space> {
    // SAFETY: an all-zero `statvfs` is a valid value of a plain C struct.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in NUL and lives over the call, `found` is a valid place to write to.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let unit = u64::from(if found.f_frsize == 0 { found.f_bsize } else { found.f_frsize });
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    Ok(Space {
        total: bytes(u64::from(found.f_blocks)),
        free: bytes(u64::from(found.f_bfree)),
        available: bytes(u64::from(found.f_bavail)),
        inodes: u64::from(found.f_files),
        inodes_free: u64::from(found.f_ffree),
    })
}

/// Waits until one of `descriptors` can be read or `timeout` is over, and says which can.
/// Interruption by a signal counts as "none".
pub(crate) fn readable<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|fd| libc::pollfd {
        // A negative number is skipped by the kernel.
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up: waking a fraction early would only spin.
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let millis = i32::try_from(millis).unwrap_or(i32::MAX);
    let count = libc::nfds_t::try_from(N).unwrap_or(0);
    // SAFETY: `polled` holds `N` initialised entries and lives over the call; the descriptors are
    // borrowed, so they stay open.
    if unsafe { libc::poll(polled.as_mut_ptr(), count, millis) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok([false; N]);
    }
    Ok(polled.map(|p| p.revents != 0))
}

/// Returns the bytes of a page of memory.
pub(crate) fn page_size() -> u64 {
    // SAFETY: a question without arguments in memory.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// Returns how many ticks of processor time `/proc` counts in a second.
pub(crate) fn ticks_per_second() -> u64 {
    // SAFETY: a question without arguments in memory.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0).unwrap_or(100)
}

/// How well the kernel's clock is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockState {
    /// Whether a program keeps it in step.
    pub(crate) synchronized: bool,
    /// The most it can be off.
    pub(crate) max_error: Duration,
    /// What it is thought to be off.
    pub(crate) estimated_error: Duration,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn root_has_room() {
        let space = space(c"/").unwrap();
        assert!(space.total > 0);
        assert!(space.free <= space.total);
    }

    #[test]
    fn a_missing_path_is_an_error() {
        assert_eq!(space(c"/no/such/path").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn says_which_descriptor_can_be_read() {
        let (a, mut b) = UnixStream::pair().unwrap();
        let (c, _d) = UnixStream::pair().unwrap();
        let wait = |ms| {
            readable([Some(a.as_fd()), None, Some(c.as_fd())], Duration::from_millis(ms)).unwrap()
        };
        assert_eq!(wait(0), [false, false, false]);
        b.write_all(b"x").unwrap();
        assert_eq!(wait(1000), [true, false, false]);
    }
}
