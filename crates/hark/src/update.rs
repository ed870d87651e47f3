//! Replacing this program by a newer one, and going back by itself.
//!
//! ```text
//! data/bin/a/hark, hark.minisig      two slots: one is in use, the other takes the next version
//! data/bin/b/hark, hark.minisig
//! data/update.json                   which slot is in use, which one is on trial, which version failed
//! ```
//! The program that was installed (the *base*) is never touched. It starts first, always, looks at
//! `update.json` ([`start::begin`]) and goes over to a slot: by `exec` to one that has proved itself; as
//! the parent of one on trial, so that a new version which crashes, hangs or never reaches its server is
//! ended and the one before runs again, whatever init does. How often a version was tried is on the disk
//! before it is started. Where no slot can be started, the base goes on itself: there is always a
//! program that works.
//!
//! What is started is signed (minisign) with a key that the configuration names, and was so a moment
//! before; its version stands in the signed comment and must be above the one in use ([`release`]).
//! Everything else about the place it came from is not trusted, and needs not be.

mod fetch;
mod order;
mod release;
mod slots;
mod start;
mod state;
mod watcher;

use std::path::PathBuf;

pub(crate) use order::{Found, Wish, look};
pub(crate) use release::{is_at_least, offered};
pub(crate) use slots::write_whole;
pub(crate) use start::{Begun, begin, go_over};
pub(crate) use watcher::Watcher;

/// Tells a program in which slot it lies; set by the base alone.
const SLOT_VARIABLE: &str = "HARK_SLOT";

/// Tells a program where the base is.
const BASE_VARIABLE: &str = "HARK_BASE";

/// Tells a program on trial that its parent waits for it.
const TRIAL_VARIABLE: &str = "HARK_TRIAL";

/// Exit code of a program on trial that wants its parent to look at `update.json` again. Not used by
/// anything else here: sysexits end at 78, shells begin at 126.
const AGAIN_CODE: u8 = 86;

/// Returns the base: the program that was installed.
fn base() -> anyhow::Result<PathBuf> {
    match std::env::var_os(BASE_VARIABLE) {
        Some(base) => Ok(PathBuf::from(base)),
        None => Ok(std::env::current_exe()?),
    }
}
