//! The few calls of the operating system that std does not offer. The only unsafe code of the
//! agent; every function here is safe to call with any argument.

#![expect(
    unsafe_code,
    reason = "statvfs, poll, readdir, sysconf and adjtimex have no safe form in std"
)]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

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

/// A folder kept open, to see its numeric entries (the processes under `/proc`) without allocating
/// for each.
#[derive(Debug)]
pub(crate) struct NumberedEntries(*mut libc::DIR);

// SAFETY: the stream is used through `&mut self` only, never from two threads at once.
unsafe impl Send for NumberedEntries {}

impl NumberedEntries {
    /// Opens `folder`.
    pub(crate) fn open(folder: &CStr) -> io::Result<Self> {
        // SAFETY: `folder` ends in NUL and lives over the call.
        let dir = unsafe { libc::opendir(folder.as_ptr()) };
        if dir.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(dir)) }
    }

    /// Calls `see` with each entry whose name is a number, as of now.
    pub(crate) fn each(&mut self, mut see: impl FnMut(u32)) {
        // SAFETY: `self.0` is an open stream: `open` checked it and only `drop` closes it.
        unsafe { libc::rewinddir(self.0) };
        loop {
            // SAFETY: as above; the entry is only looked at before the next call on the stream.
            let entry = unsafe { libc::readdir(self.0) };
            if entry.is_null() {
                return;
            }
            // SAFETY: `entry` points to a valid entry, whose name ends in NUL.
            let name = unsafe { CStr::from_ptr((*entry).d_name.as_ptr()) };
            if let Some(number) = name.to_str().ok().and_then(|name| name.parse().ok()) {
                see(number);
            }
        }
    }
}

impl Drop for NumberedEntries {
    fn drop(&mut self) {
        // SAFETY: the stream is open and not used after this.
        unsafe { libc::closedir(self.0) };
    }
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

/// Asks how well the kernel's clock is kept; changes nothing.
pub(crate) fn clock_state() -> io::Result<ClockState> {
    // SAFETY: an all-zero `timex` is a valid value of a plain C struct, and asks for no change.
    let mut found: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is a valid place to read from and write to.
    let state = unsafe { libc::adjtimex(&raw mut found) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let micros = |value: libc::c_long| Duration::from_micros(u64::try_from(value).unwrap_or(0));
    Ok(ClockState {
        // The kernel itself sets the bit when nobody has told the time for long enough.
        synchronized: found.status & libc::STA_UNSYNC == 0,
        max_error: micros(found.maxerror),
        estimated_error: micros(found.esterror),
    })
}

/// Asks the kernel to take this process late when memory runs out: a monitor that dies first says
/// nothing about why. Needs a privilege; without it nothing changes.
pub(crate) fn survive_memory_pressure() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "-500")
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
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

    #[test]
    fn sees_only_numbers_and_new_ones_as_well() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["1", "23", "self", "net"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let path = std::ffi::CString::new(folder.path().to_str().unwrap()).unwrap();
        let mut entries = NumberedEntries::open(&path).unwrap();
        let mut seen = || {
            let mut numbers = Vec::new();
            entries.each(|number| numbers.push(number));
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(seen(), [1, 23]);
        std::fs::create_dir(folder.path().join("456")).unwrap();
        assert_eq!(seen(), [1, 23, 456]);
    }
}
