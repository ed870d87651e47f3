//! Where samples come from.

use crate::error::QueryError;
use crate::labels::Labels;
use crate::matcher::Matcher;

/// The value that stands for none: the series has ended at that time, or is not there. It is the NaN
/// by which Prometheus marks it; another NaN is a value.
pub const ABSENT: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Returns true for the value that stands for none.
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// What of the samples is needed, where a source keeps but counts, sums and extremes of old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The last value of each bucket.
    Last,
    /// The lowest.
    Min,
    /// The highest.
    Max,
    /// The sum, and the number in [`Samples::weights`].
    Sum,
    /// By how much a counter has grown since the first: it never falls. At the beginning and at the
    /// end of each run of buckets.
    Growth,
}

/// Which series are needed, when and for what.
#[derive(Debug)]
pub struct Selection<'q> {
    /// All must fit.
    pub matchers: &'q [Matcher],
    /// The oldest sample that is needed, in milliseconds since 1970.
    pub from: i64,
    /// The newest one.
    pub to: i64,
    /// The distance of the times at which something is asked.
    pub step: i64,
    /// How much time is looked at for each.
    pub window: i64,
    /// What of them.
    pub need: Need,
}

/// The samples of one series, oldest first, no two of one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// When each was taken, in milliseconds since 1970; a bucket's is its end.
    pub times: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
    /// Of how many samples each value is the sum; empty if each is one sample.
    pub weights: Vec<f64>,
    /// How much time a value stands for: 0 for samples, else the width of buckets.
    pub width_ms: i64,
}

impl Samples {
    /// Returns true if what stands at `time` lies wholly before a window that begins at `from`: of a bucket, its end.
    pub(crate) fn is_before(&self, time: i64, from: i64) -> bool {
        time < from || (self.width_ms > 0 && time == from)
    }
}

/// Takes one series after the other.
pub type Sink<'s> = dyn FnMut(Labels, &Samples) -> Result<(), QueryError> + 's;

/// Something that has samples.
pub trait Source {
    /// Hands every series that is meant to `sink`, each once, the metric's name among its labels.
    /// Times before and after the asked ones may be among the samples.
    ///
    /// # Errors
    /// What the sink says, at once; or that the samples cannot be read.
    fn read(&self, selection: &Selection<'_>, sink: &mut Sink<'_>) -> Result<(), QueryError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_ends_where_a_window_begins_lies_before_it() {
        let samples = |width_ms| Samples { width_ms, ..Samples::default() };
        for (width_ms, time, expected) in [
            (0, 99, true),
            (0, 100, false),
            (0, 101, false),
            (60, 99, true),
            (60, 100, true),
            (60, 101, false),
        ] {
            assert_eq!(samples(width_ms).is_before(time, 100), expected, "{width_ms} {time}");
        }
    }
}
