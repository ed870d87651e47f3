//! State, history and journal on disk: the only part of hark that touches it.
//!
//! Three things of different worth live side by side and fail apart:
//!
//! - [`state`]: what alerting stands on (hosts, checks, incidents, what was told, the outbox, users,
//!   keys). One `SQLite` file, every commit synced. Start at [`state::State`].
//! - [`history`]: samples. An own write-ahead log, heads in memory, compressed chunks in partition
//!   files. Losing it never hurts alerting. Start at [`history::History`].
//! - [`journal`]: received messages as JSON lines for people with `grep`.
//! - [`backup`]: copies of the first two, taken beside the server that works on them.
//!
//! This crate decides nothing about monitoring: it keeps records and samples, and gives them back. It
//! reads no clock (time is an argument), opens no socket and starts no thread: whoever owns a
//! [`state::State`] or a [`history::History`] calls it from the thread made for it.
//!
//! Everything written has a version. The bytes of every released version stay in `golden/` and are
//! read by a test for ever.
#![deny(clippy::indexing_slicing)]

pub mod backup;
pub mod disk;
pub mod fault;
pub mod history;
pub mod journal;
pub mod state;

pub use fault::Fault;
