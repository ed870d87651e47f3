//! The result of looking once.

use std::time::Duration;

use crate::name::CheckName;
use crate::sample::SeriesName;
use crate::status::Status;
use crate::time::Unix;

/// What one run of a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckResult {
    /// Which check of the host.
    pub check: CheckName,
    /// What it says.
    pub status: Status,
    /// One line for people; plugins' further lines follow after a line feed. At most
    /// [`CheckResult::MAX_TEXT`] bytes.
    pub text: String,
    /// When the run began, by the clock of the one who ran it.
    pub began_at: Unix,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// What it measured.
    pub values: Vec<(SeriesName, f64)>,
    /// What the one who measured calls bad, for those values (here or in samples) where it says so.
    pub limits: Vec<SeriesLimits>,
    /// When the next result is to be expected.
    pub next: Next,
}

/// When the next result of a check is to be expected: one that stays out longer is missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Not said: as far apart as the results before.
    #[default]
    AsBefore,
    /// Within this time.
    Within(Duration),
    /// When there is something to say; none is missed.
    Whenever,
}

/// The values between two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The lower bound; may be minus infinity.
    pub low: f64,
    /// The upper bound; may be infinity.
    pub high: f64,
    /// Whether a value is bad inside of it; else it is outside.
    pub inside: bool,
}

impl Range {
    /// Returns true if `value` is bad by this range. No number is not.
    pub fn is_bad(self, value: f64) -> bool {
        let within = self.low <= value && value <= self.high;
        !value.is_nan() && within == self.inside
    }
}

/// What the one who measures a series says of its values. For charts and people: the status was
/// decided by him already.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesLimits {
    /// Which series.
    pub series: SeriesName,
    /// Where it warns.
    pub warning: Option<Range>,
    /// Where it is critical.
    pub critical: Option<Range>,
    /// The smallest value there can be.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
}

impl CheckResult {
    /// Bound on the text: what fits one datagram beside the rest is less; this is for the server's
    /// own checks, whose output is shown on the page.
    pub const MAX_TEXT: usize = 8 * 1024;
}
