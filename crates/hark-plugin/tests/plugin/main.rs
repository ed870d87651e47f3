//! Real processes: hostile ones, and the plugins of the distribution.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod foreign_bytes;
mod groups;
mod plugins;
mod runner;
mod support;
