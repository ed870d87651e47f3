//! What POSIX has, and Linux.

use std::fs::{DirEntry, File, Metadata};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::process::ChildStdout;
use std::time::Duration;

use super::Facts;

/// What can be waited on together with other things.
pub type Waited<'a> = BorrowedFd<'a>;

/// Returns what tells that a program has printed something.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere nothing does")]
pub(crate) fn output(pipe: &ChildStdout) -> Option<Waited<'_>> {
    Some(pipe.as_fd())
}

/// Returns what is told of an open file.
pub(crate) fn facts(file: &File) -> io::Result<Facts> {
    Ok(of(&file.metadata()?))
}

/// Returns what is told of a file in a folder; none if it is no plain file.
pub(crate) fn facts_at(entry: &DirEntry) -> Option<Facts> {
    entry.metadata().ok().filter(Metadata::is_file).map(|found| of(&found))
}

fn of(found: &Metadata) -> Facts {
    Facts {
        dev: found.dev(),
        ino: found.ino(),
        len: found.len(),
        written: (found.mtime(), found.mtime_nsec()),
        links: found.nlink(),
    }
}

/// Reads once, from `offset` on.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

/// Waits until one of `descriptors` can be read or `timeout` is over, and says which can.
/// Interruption by a signal counts as "none".
pub(crate) fn readable(descriptors: &[Waited<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let entry =
        |fd: &Waited<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = descriptors.iter().map(entry).collect();
    // Rounded up: waking a fraction early would only spin.
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let millis = i32::try_from(millis).unwrap_or(i32::MAX);
    let count = libc::nfds_t::try_from(polled.len()).unwrap_or(0);
    // SAFETY: `polled` holds `count` initialised entries and lives over the call; the descriptors
    // are borrowed, so they stay open.
    if unsafe { libc::poll(polled.as_mut_ptr(), count, millis) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok(vec![false; descriptors.len()]);
    }
    Ok(polled.iter().map(|p| p.revents != 0).collect())
}

/// Returns how long this thread has been on a processor.
pub(crate) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to; POSIX has the clock.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0 {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Tells whether `path` is on a file system where others can write without this machine noticing.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) fn is_remote(path: &std::path::Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    /// NFS, SMB (three generations), Ceph, FUSE, 9p, AFS: from `linux/magic.h`.
    const REMOTE: [i64; 8] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x00c3_6400,
        0x6573_5546,
        0x0102_1997,
        0x5346_414f,
    ];
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: an all-zero `statfs` is a valid value of a plain C struct.
    let mut found: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: `path` ends in NUL and lives over the call, `found` is a valid place to write to.
    if unsafe { libc::statfs(path.as_ptr(), &raw mut found) } != 0 {
        return false;
    }
    #[expect(
        clippy::useless_conversion,
        reason = "the width of this field differs between targets"
    )]
    let kind = i64::from(found.f_type) & 0xffff_ffff;
    REMOTE.contains(&kind)
}
