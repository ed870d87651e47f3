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
pub(crate) mod vectors;
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
