//! Collectors, spool and sender.

pub mod collectors;
mod endpoint;
mod mounts;
mod rate;
mod sampler;
mod schedule;
mod sender;
mod slots;
mod source;
pub mod spool;
mod sys;
