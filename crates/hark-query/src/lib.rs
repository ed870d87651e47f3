//! Questions about samples in `PromQL`, as Prometheus 2 answers them.
//!
//! [`Query::parse`] reads a text into a tree that cannot be wrong any more; [`Query::run`] asks a
//! [`Source`] for the series that it needs and answers at every step of a [`Grid`]. What Prometheus
//! does is done here in the same way: an instant selector finds the newest sample of the last five
//! minutes, rates are extrapolated to the ends of their windows and counters may begin again, windows
//! include both of their ends, subqueries are aligned with the clock. A sample that says that the
//! series has ended (see [`ABSENT`]) ends it at once.
//!
//! Where a source has no samples any more but buckets of them ([`Samples::width_ms`]), functions get
//! what they need of a bucket ([`Need`]): the lowest for a minimum, the sum and the number for a mean,
//! the growth for a rate.
//!
//! Everything that a text can make large has a bound in [`Limits`]: its length, its depth, the series
//! and samples that are read, the values that are held at a time, the time that it takes. What is
//! above it is refused with a [`QueryError`] that says which.
//!
//! Nothing here knows where samples lie, what a host is, or what time it is.

// Milliseconds and counts are far below 2^53, and PromQL has but floats.
#![expect(clippy::cast_precision_loss, reason = "milliseconds and counts, far below 2^53")]

mod answer;
mod budget;
mod error;
mod eval;
mod labels;
mod matcher;
mod node;
mod parse;
mod source;

pub use answer::{Answer, Line};
pub use budget::Limits;
pub use error::QueryError;
pub use labels::{Labels, NAME};
pub use matcher::{Matcher, Test};
pub use parse::{MAX_TEXT, parse_selector};
pub use source::{ABSENT, Need, Samples, Selection, Sink, Source, is_absent};

use node::Root;

/// How far back an instant selector looks for a sample, as in Prometheus.
pub const LOOK_BACK_MS: i64 = 300_000;

/// The distance of a subquery's steps where it says none: Prometheus' usual interval.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// Bound on the steps of a range, as in Prometheus.
pub const MAX_STEPS: usize = 11_000;

/// The times at which a question is answered, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub(crate) start: i64,
    pub(crate) step: i64,
    pub(crate) len: usize,
}

impl Grid {
    /// The times beyond which nothing is asked: some 285,000 years, so that no sum overflows.
    const FARTHEST: i64 = i64::MAX / 1024;

    /// One time.
    pub fn instant(at: i64) -> Self {
        Self { start: at.clamp(-Self::FARTHEST, Self::FARTHEST), step: 1, len: 1 }
    }

    /// Every `step` from `start` to `end`.
    ///
    /// # Errors
    /// If the step is not positive, the end is before the start, or there are more than
    /// [`MAX_STEPS`].
    pub fn range(start: i64, end: i64, step: i64) -> Result<Self, QueryError> {
        let (start, end) = (
            start.clamp(-Self::FARTHEST, Self::FARTHEST),
            end.clamp(-Self::FARTHEST, Self::FARTHEST),
        );
        if end < start {
            return Err(QueryError::bad(
                "invalid parameter \"end\": end timestamp must not be before start time",
            ));
        }
        if step <= 0 {
            return Err(QueryError::bad(
                "invalid parameter \"step\": zero or negative query resolution step widths are not \
                 accepted. Try a positive integer",
            ));
        }
        let steps = usize::try_from((end - start) / step).unwrap_or(usize::MAX);
        if steps > MAX_STEPS {
            return Err(QueryError::bad(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the \
                 query resolution (?step=XX)",
            ));
        }
        Ok(Self { start, step, len: steps + 1 })
    }

    /// Returns the first time.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Returns the last time.
    pub fn end(&self) -> i64 {
        self.at(self.len.saturating_sub(1))
    }

    /// Returns the distance of the times.
    pub fn step(&self) -> i64 {
        self.step
    }

    pub(crate) fn at(&self, step: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::try_from(step).unwrap_or(i64::MAX)))
    }

    pub(crate) fn times(self) -> impl Iterator<Item = i64> {
        (0..self.len).map(move |step| self.at(step))
    }
}

/// A question, read and sound.
#[derive(Debug)]
pub struct Query {
    root: Root,
}

impl Query {
    /// Reads a question.
    ///
    /// # Errors
    /// [`QueryError::Bad`] with what is wrong, if it is none or larger than it may be.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        Ok(Self { root: parse::parse(text)? })
    }

    /// Answers it at every time of `grid`. Blocks as long as the source and the computation take: the
    /// caller bounds that by [`Limits::is_over`].
    ///
    /// # Errors
    /// If the question cannot be answered, is too large or takes too long.
    pub fn run(
        &self,
        source: &dyn Source,
        grid: Grid,
        limits: &Limits<'_>,
    ) -> Result<Answer, QueryError> {
        eval::run(&self.root, source, grid, limits)
    }
}
