//! Whether a program can be run without running what somebody else put there.
//!
//! It is trusted if nobody but the system's own users and the one who runs it can change it: neither the file,
//! nor a folder above it. How that is found out is another matter on each system: by owners and modes
//! (`unix`), or by owners and access lists (`windows`, which asks, and `lists`, which judges).

#[cfg(any(windows, test))]
mod lists;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(windows)]
pub(crate) use lists::Sid;
#[cfg(unix)]
pub use unix::{Untrusted, check};
#[cfg(windows)]
pub(crate) use windows::check;
#[cfg(windows)]
pub use windows::{Untrusted, check_file, check_private, make_private};
