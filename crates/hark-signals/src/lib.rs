//! What is derived from a series of values, instead of its newest one.
//!
//! - A [`Window`] holds the last while of a series in at most some sixty points, and says its mean, its
//!   extremes, a quantile, the growth of a counter ([`By`]).
//! - A [`Fit`] is a line through such points that single jumps do not turn (Theil and Sen), with what
//!   it takes to know whether to believe it; [`Teeth`] know how high a series has been before it came
//!   back by itself; [`outlook`] says from both when something is full.
//! - A [`Band`] is what is usual at an hour of the week, from the same hour of earlier weeks.
//!
//! Everything is bounded and takes microseconds. Nothing here reads a clock, a file or a setting, knows
//! a threshold, or keeps anything between two calls but the windows that its caller owns.

mod season;
mod stats;
mod teeth;
mod trend;
mod window;

pub use season::{Band, LEAST_WEEKS, Season, bands};
pub use stats::{median, quantile};
pub use teeth::Teeth;
pub use trend::{Fit, Outlook, Quiet, Toward, outlook, steady, theil_sen};
pub use window::{By, Reading, SLOTS, Window};
