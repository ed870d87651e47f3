//! Collectors, spool and sender.

pub mod collectors;
mod mounts;
mod rate;
mod slots;
mod source;
pub mod spool;
mod sys;
