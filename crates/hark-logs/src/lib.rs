//! Watches log files and the journal for patterns.
//!
//! ```text
//! files, journal -> reader (place) -> frame (records) -> scan (all patterns at once)
//!                                                           |
//!      batch (items + state)  <-  watch (windows, limits) <-+
//! ```
//!
//! [`Logs`] does it all on the thread of its caller: [`Logs::work`] reads what is there,
//! [`Logs::wait`] blocks until there is more. What was found and how far that is come out as one
//! [`Batch`], to be stored as one: whoever goes on from a stored [`State`] finds the same again and
//! nothing twice.
//!
//! Deliberately absent: sending, storing, threads, a clock.

pub mod glob;
pub mod pattern;
pub mod scan;
pub mod settings;
pub mod text;
pub mod watch;

mod budget;
mod family;
mod follow;
mod frame;
mod journal;
mod notify;
mod place;
mod reader;
mod state;
mod sys;
mod team;

pub use follow::{ABOUT, Batch, Logs, Settings};
pub use settings::Watch;
pub use state::{State, StateError};
pub use sys::Waited;
pub use watch::Item;
