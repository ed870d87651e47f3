//! The few calls of the operating system that std does not offer. The only unsafe code of this
//! crate; every function here is safe to call with any argument.
//!
//! What is compiled for one processor stands here; calls are in `unix` and in `windows`: the same functions.

#![expect(
    unsafe_code,
    reason = "poll, statfs, the clock of a thread and code for one processor have no safe form in std"
)]

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::Waited;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use unix::is_remote;
#[cfg(unix)]
pub(crate) use unix::{facts, facts_at, output, read_at, readable, thread_cpu};
#[cfg(windows)]
pub use windows::Waited;
#[cfg(windows)]
pub(crate) use windows::{facts, facts_at, output, read_at, readable, thread_cpu};

/// What the system tells of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Which file system.
    pub(crate) dev: u64,
    /// Which file on it.
    pub(crate) ino: u64,
    /// Its bytes.
    pub(crate) len: u64,
    /// When it was written last: in whole seconds, and what is over in nanoseconds.
    pub(crate) written: (i64, i64),
    /// How many names it has.
    pub(crate) links: u64,
}

/// Work that is worth being compiled for the wide vectors that most processors have.
pub(crate) trait Work {
    type Done;

    /// Whether it is worth being compiled for those of 64 bytes as well, which fewer have.
    const WIDEST: bool = false;

    /// Does it. Must be inlined always: only then is it compiled for what calls it.
    fn run(self) -> Self::Done;
}

/// What the processor is asked for. Only ever true if it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// 32 bytes.
    wide: bool,
    /// 64 bytes, and masks.
    widest: bool,
}

impl Vectors {
    /// What every processor of this kind has.
    pub(crate) const USUAL: Self = Self { wide: false, widest: false };

    /// The best that this one has.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn best() -> Self {
        let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2");
        let widest = wide
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        Self { wide, widest }
    }

    /// The best that this one has.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn best() -> Self {
        Self::USUAL
    }

    /// All that this one has.
    #[cfg(test)]
    pub(crate) fn all() -> [Self; 3] {
        let best = Self::best();
        [Self::USUAL, Self { widest: false, ..best }, best]
    }

    /// Does `work` with them.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Done {
        if W::WIDEST && self.widest {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor was asked for exactly these, see `best`.
            return unsafe { with_widest(work) };
        }
        if self.wide {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl")]
fn with_widest<W: Work>(work: W) -> W::Done {
    work.run()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::{self, Write};
    use std::os::fd::AsFd;
    use std::time::Duration;

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
