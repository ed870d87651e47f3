//! The few calls of the operating system that std does not offer. The only unsafe code of this
//! crate; every function here is safe to call with any argument.

#![expect(
    unsafe_code,
    reason = "poll, statfs, the clock of a thread and code for one processor have no safe form in std"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Waits until one of `descriptors` can be read or `timeout` is over, and says which can.
/// Interruption by a signal counts as "none".
pub(crate) fn readable(descriptors: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let entry =
        |fd: &BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
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

/// Work that is worth being compiled for the wide vectors that most processors have.
pub(crate) trait Work {
    type Done;

    /// Does it. Must be inlined always: only then is it compiled for what calls it.
    fn run(self) -> Self::Done;
}

/// What the processor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// Only ever true if the processor was asked.
    wide: bool,
}

impl Vectors {
    /// What every processor of this kind has.
    pub(crate) const USUAL: Self = Self { wide: false };

    /// The best that this one has.
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2");
        #[cfg(not(target_arch = "x86_64"))]
        let wide = false;
        Self { wide }
    }

    /// Does `work` with them.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Done {
        if self.wide {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor was asked for exactly these, see `best`.
            return unsafe { with_wide(work) };
        }
        work.run()
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn with_wide<W: Work>(work: W) -> W::Done {
    work.run()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn says_which_descriptor_can_be_read() {
        let (a, mut b) = io::pipe().unwrap();
        let (c, _d) = io::pipe().unwrap();
        let wait = |ms| readable(&[a.as_fd(), c.as_fd()], Duration::from_millis(ms)).unwrap();
        assert_eq!(wait(0), [false, false]);
        b.write_all(b"x").unwrap();
        assert_eq!(wait(1000), [true, false]);
    }

    #[test]
    fn a_thread_that_works_uses_time_and_a_local_folder_is_not_remote() {
        let began = thread_cpu();
        let mut sum = 0u64;
        while thread_cpu() == began {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(!is_remote(std::path::Path::new("/proc")));
        assert!(!is_remote(std::path::Path::new("/no/such")));
    }
}
