//! Conditions that read like sentences: `status is 200 and total_seconds < 2s`.
//!
//! A [`Fact`] is a named value that somebody saw: a check, a metric. [`Facts`] are all that one look
//! saw. A [`Condition`] is read once, with the place of every mistake, and asked about facts as often
//! as wanted:
//!
//! ```text
//! status is 200 or 204                    total_seconds < 2s          banner matches /^220 .*ready/i
//! status is between 200 and 299           days_left is above 14       body does not contain "error"
//! answers include all of 192.0.2.1, 192.0.2.2                         greeting begins with "220"
//! answers are exactly 192.0.2.1           answers has at least 2      error is absent
//! (a or b) and not c                      any of (a, b)   all of (a, b)   none of (a, b)
//! ```
//!
//! - A number may have a unit of time (`500ms`, `2d`), of size (`10MiB`) or `%`; it is turned into the
//!   unit that the name ends in (`_seconds`, `_ms`, `days`, `_percent`, `_ratio`).
//! - What is absent is neither so nor not so: a test about it does not hold, nor does its contrary
//!   (three values, as Kleene has them), so that nothing is ever good because it is missing. Only
//!   `is absent` and `is present` ask for just that.
//! - Regular expressions take time in proportion to the text, whatever they are.
//!
//! Nothing here knows where facts come from, or what follows from a condition that is not met.

mod fact;
mod judge;
mod lex;
mod parse;
mod test;

pub use fact::{Fact, Facts};
pub use judge::Judgement;
pub use parse::{Condition, ConditionError};
pub use test::Order;
