//! What a question may use.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::QueryError;

/// What a question may use.
pub struct Limits<'l> {
    /// Series that are read, each as often as it is.
    pub series: usize,
    /// Samples that are read, each as often as it is: what Prometheus has for a question at a time.
    pub samples: usize,
    /// Values that are held at a time: 8 bytes each.
    pub values: usize,
    /// Asked now and then; what it returns ends the question.
    pub is_over: &'l dyn Fn() -> Option<QueryError>,
}

impl std::fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits")
            .field("series", &self.series)
            .field("samples", &self.samples)
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

impl Limits<'static> {
    /// What one of many who ask at a time may use: answers for all series of 10,000 hosts, in 64 MiB.
    pub const USUAL: Self =
        Self { series: 500_000, samples: 50_000_000, values: 8 * 1024 * 1024, is_over: &|| None };
}

/// Work between two looks at the clock, in samples and values: well below a millisecond.
const LOOK_EVERY: usize = 20_000;

/// What is used so far.
pub(crate) struct Budget<'l> {
    limits: &'l Limits<'l>,
    series: Cell<usize>,
    samples: Cell<usize>,
    values: Rc<Cell<usize>>,
    unseen: Cell<usize>,
}

/// Values that are held as long as this is.
#[derive(Debug)]
pub(crate) struct Lease {
    values: Rc<Cell<usize>>,
    n: usize,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.values.set(self.values.get().saturating_sub(self.n));
    }
}

impl<'l> Budget<'l> {
    pub(crate) fn new(limits: &'l Limits<'l>) -> Self {
        Self {
            limits,
            series: Cell::new(0),
            samples: Cell::new(0),
            values: Rc::default(),
            unseen: Cell::new(0),
        }
    }

    /// Notes a series with so many samples.
    pub(crate) fn read(&self, samples: usize) -> Result<(), QueryError> {
        self.series.set(self.series.get() + 1);
        self.samples.set(self.samples.get().saturating_add(samples));
        if self.series.get() > self.limits.series {
            return Err(QueryError::Execution(format!(
                "query processing would read more than {} series: name a metric or a host",
                self.limits.series
            )));
        }
        if self.samples.get() > self.limits.samples {
            return Err(QueryError::Execution(format!(
                "query processing would load too many samples into memory in query execution: more \
                 than {}",
                self.limits.samples
            )));
        }
        self.worked(samples)
    }

    /// Asks for room for so many values.
    pub(crate) fn hold(&self, n: usize) -> Result<Lease, QueryError> {
        let held = self.values.get().saturating_add(n);
        if held > self.limits.values {
            return Err(QueryError::Execution(format!(
                "query processing would hold more than {} values at a time: ask for fewer series, a \
                 shorter time or a larger step",
                self.limits.values
            )));
        }
        self.values.set(held);
        self.worked(n)?;
        Ok(Lease { values: Rc::clone(&self.values), n })
    }

    /// Notes work, and looks now and then whether the time is over.
    pub(crate) fn worked(&self, n: usize) -> Result<(), QueryError> {
        let unseen = self.unseen.get().saturating_add(n).saturating_add(100);
        if unseen < LOOK_EVERY {
            self.unseen.set(unseen);
            return Ok(());
        }
        self.unseen.set(0);
        (self.limits.is_over)().map_or(Ok(()), Err)
    }
}
