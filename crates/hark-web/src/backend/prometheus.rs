//! Questions of programs that speak to Prometheus, as the server answers them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hark_model::Mono;

use super::{Answer, Sight};

/// A question of a program that speaks to Prometheus. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub enum PromQuestion {
    /// What an expression is at one time.
    Instant {
        /// The expression.
        text: String,
        /// When.
        at: i64,
    },
    /// What it is at each step of some time.
    Range {
        /// The expression.
        text: String,
        /// From when.
        start: i64,
        /// Until when.
        end: i64,
        /// The distance of the steps.
        step: i64,
    },
    /// Which series there are.
    Series(PromChoice),
    /// Which labels they have.
    LabelNames(PromChoice),
    /// Which values one of these has.
    LabelValues(String, PromChoice),
    /// What metrics are: one of them, or all.
    Metadata {
        /// The one.
        metric: Option<String>,
        /// How many at most.
        limit: Option<usize>,
    },
    /// What is wrong at present.
    Alerts,
    /// Examples of what was counted in the series of an expression.
    Exemplars {
        /// The expression.
        text: String,
    },
}

/// Which series are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromChoice {
    /// Selectors, of which one must fit; all series if there are none.
    pub selectors: Vec<String>,
    /// How many are told at most.
    pub limit: Option<usize>,
}

/// How long a question may take.
#[derive(Clone, Debug)]
pub struct PromPatience {
    /// Until when.
    pub until: Mono,
    /// Whether nobody waits for it any more.
    pub gone: Arc<AtomicBool>,
}

impl PromPatience {
    /// Returns true if nobody waits any more.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// Why there is no answer, in the words of Prometheus' API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromError {
    /// The kind: `bad_data`, `execution`, `timeout`, `canceled`, `internal`.
    pub kind: &'static str,
    /// What it is.
    pub text: String,
}

/// What answers programs that speak to Prometheus.
pub trait PromSource {
    /// Answers a question about the hosts of `sight`: JSON, what Prometheus' API has under `data`.
    ///
    /// # Errors
    /// As [`super::Refused`] says.
    fn prometheus(
        &self,
        sight: &Sight,
        question: &PromQuestion,
        patience: &PromPatience,
    ) -> Answer<Result<String, PromError>>;
}
