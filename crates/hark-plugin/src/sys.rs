//! The few calls of the operating system that std does not offer. The only unsafe code of this
//! crate; every function here is safe to call with any argument.
//!
//! What POSIX has is in `unix`; what only Linux has beside it in `linux`, and what takes its place elsewhere
//! in `portable`. Windows has a file of its own. All have the same functions.

#![expect(unsafe_code, reason = "poll, pidfd, limits, memfd and kill have no safe form in std")]

#[cfg(all(target_os = "linux", not(feature = "portable")))]
mod linux;
#[cfg(all(unix, not(all(target_os = "linux", not(feature = "portable")))))]
mod portable;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(crate) use linux::{Ending, keep_descriptors, kill_if, limit, limit_at_start, memory_file};
#[cfg(all(unix, not(all(target_os = "linux", not(feature = "portable")))))]
pub(crate) use portable::{Ending, keep_descriptors, kill_if, limit, limit_at_start, memory_file};
#[cfg(unix)]
pub use unix::{Bell, Poller, Waited, bells, waited};
#[cfg(unix)]
pub(crate) use unix::{
    Family, Printed, User, apart, folders, read_once, set_nonblocking, signal_of, surroundings,
    user,
};
#[cfg(windows)]
pub use windows::{Bell, Poller, Waited, bells, waited};
#[cfg(windows)]
pub(crate) use windows::{
    Ending, Family, Printed, User, apart, folders, is_on_own_disk, keep_descriptors, kill_if,
    limit_at_start, make_private_folder, memory_file, read_once, security, set_nonblocking,
    signal_of, surroundings, user,
};

/// What is waited for with a [`Poller`], until the next [`Poller::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(usize);

/// A signal that is sent to a process or a group of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Please end.
    Terminate,
    /// End.
    Kill,
}

/// What the kernel holds a process to.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(windows, expect(dead_code, reason = "Windows knows not all of them"))]
pub(crate) enum Limit {
    /// Bytes of a core file.
    Core(u64),
    /// Open files.
    Files(u64),
    /// Bytes of a file that it writes.
    FileSize(u64),
    /// Seconds of processor time.
    Cpu(u64),
    /// Bytes of address space.
    Memory(u64),
}
