//! Conditions that read like sentences: `status is 200 and total_seconds < 2s`.
//!
//! A [`Fact`] is a named value that somebody saw: a check, a metric. [`Facts`] are all that one look
//! saw. Nothing here knows where facts come from, or what follows from a condition that is not met.

mod fact;

pub use fact::{Fact, Facts};
