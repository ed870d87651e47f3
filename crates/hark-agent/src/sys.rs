//! The few calls of the operating system that std does not offer. The only unsafe code of the
//! agent; every function here is safe to call with any argument.
//!
//! What POSIX has is in `unix`; what only Linux has beside it in `linux`, and what takes its place elsewhere
//! in `portable`. Windows has a file of its own beside that.

#![expect(
    unsafe_code,
    reason = "statvfs, poll, openat, getdents, sysconf and adjtimex have no safe form in std"
)]

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
mod portable;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::time::Duration;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{Numbered, NumberedEntries, clock_state, survive_memory_pressure};
#[cfg(not(all(target_os = "linux", not(feature = "portable"))))]
pub(crate) use portable::{clock_state, survive_memory_pressure};
#[cfg(all(test, unix))]
pub(crate) use unix::loopback;
#[cfg(unix)]
pub(crate) use unix::{
    CONNECTING, PipeReader, PipeWriter, c_path, page_size, pipe, private_file, private_folder,
    read_at, readable, space, sync_folder, ticks_per_second, write_all_at,
};
#[cfg(windows)]
pub(crate) use windows::{
    CONNECTING, PipeReader, PipeWriter, c_path, loopback, page_size, pipe, private_file,
    private_folder, read_at, readable, space, sync_folder, ticks_per_second, write_all_at,
};

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
#[cfg(unix)]
mod tests {
    use std::io::{self, Write as _};
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
