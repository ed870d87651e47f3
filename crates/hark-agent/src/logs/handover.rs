//! What was found in logs goes into the spool exactly once, whenever the agent is killed.
//!
//! Two things must be stored as one: reports in the spool, and the places up to which logs were
//! read. So the batch is written first as a whole into the files [`FILE`], with the numbers that its
//! reports will have; then the reports are appended to the spool; then the batch is marked as done.
//! After a kill in between, the reports that the spool does not have are appended again. None of
//! them can have been sent, since nothing is sent in between; so none is told twice.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hark_logs::{Batch, Item, State};
use hark_model::{MetricKind, Mono, Now, SeriesDef, SeriesName, Unit, Unix};
use hark_proto::body::Pushed;
use hark_proto::{Body, Kind, ReportBuilder, ReportItem, decode};
use serde_json::{Value, json};
use thiserror::Error;

use crate::home::{Home, HomeError};
use crate::inlet;
use crate::sampler::Sampler;
use crate::sender::{Moment, Out, Sender, Wire};
use crate::slots::Slots;
use crate::twice::Twice;

/// The files with the batch, and with where logs are read on: two that are written in turn.
const FILE: &str = "logs";

/// The file with the number of the batch that is done.
const DONE: &str = "logs-done";

/// How long a refused batch waits.
const AGAIN: Duration = Duration::from_secs(1);

/// Bound on reports that wait for the server, above which no more are taken from logs: those stay
/// in the logs, and the spool has room for what cannot be read again. Four megabytes.
const MOST_WAITING: u64 = 4096;

/// Why a batch is not taken.
#[derive(Debug, Error)]
pub(crate) enum HandoverError {
    #[error("too many reports wait for the server")]
    Waiting,
    #[error("cannot store a batch")]
    Store(#[from] HomeError),
    #[error("cannot reserve numbers for reports")]
    Numbers(#[source] io::Error),
}

/// The way of batches into the spool.
#[derive(Debug)]
pub(crate) struct Handover {
    done: Slots<1>,
    /// The batch as a whole, and where logs are read on.
    stored: Twice,
    /// The number of the last batch.
    batch: u64,
    /// One that was refused, and when it is tried again.
    held: Option<(Batch, Mono)>,
    /// The metrics known so far, so that each is one source.
    series: BTreeMap<SeriesName, Arc<[SeriesDef]>>,
}

/// What a batch is put into.
pub(crate) struct Desk<'a> {
    pub(crate) home: &'a Home,
    pub(crate) sender: &'a mut Sender,
    pub(crate) sampler: &'a mut Sampler,
    pub(crate) out: &'a mut dyn Out,
    pub(crate) moment: Moment,
}

impl Desk<'_> {
    fn report(&mut self, items: &[ReportItem], now: Now) {
        for item in items {
            self.sender.report(item, now);
        }
    }
}

impl Handover {
    /// Finishes what an agent that was killed had begun; returns where logs are read on.
    pub(crate) fn begin(desk: &mut Desk<'_>) -> io::Result<(Self, Option<State>)> {
        let (done, number) = Slots::<1>::open(&desk.home.path().join(DONE))?;
        let number = number.map_or(0, |[number]| number);
        let (stored, text) = Twice::open(desk.home, FILE).map_err(io::Error::other)?;
        let mut handover =
            Self { done, stored, batch: number, held: None, series: BTreeMap::new() };
        // Agents of the first version had it in one file. One that is tried and goes back finds it as it was.
        let text = match text {
            None => desk.home.read(FILE).map_err(io::Error::other)?,
            text => {
                desk.home.remove(FILE).map_err(io::Error::other)?;
                text
            }
        };
        let Some((head, state)) = text.as_deref().and_then(|text| text.split_once('\n')) else {
            return Ok((handover, None));
        };
        let state = match State::from_text(state) {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%error, "cannot read where logs were read to: beginning at their ends");
                return Ok((handover, None));
            }
        };
        if let Some(stored) = serde_json::from_str(head).ok().and_then(|head| Stored::read(&head)) {
            handover.batch = stored.number.max(number);
            if stored.number > number {
                handover.finish(&stored, desk)?;
            }
        }
        Ok((handover, Some(state)))
    }

    /// Appends what is missing of a batch that was begun.
    fn finish(&mut self, stored: &Stored, desk: &mut Desk<'_>) -> io::Result<()> {
        let spool = &desk.sender.spool;
        let missing = if spool.epoch() == stored.epoch {
            spool.first_report_not_found().saturating_sub(stored.first)
        } else {
            0
        };
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        let reports = stored.reports.get(missing..).unwrap_or_default();
        if !reports.is_empty() {
            tracing::info!(reports = reports.len(), "finishing what was found before a kill");
        }
        for report in reports {
            let Ok(Body::Report(report)) = decode(Kind::Report, report) else { continue };
            for item in report.items.into_iter().filter_map(|(_, item)| item) {
                desk.sender.report(&item, desk.moment.now);
            }
        }
        self.counts(&stored.counts, desk);
        desk.sender.spool.sync_reports()?;
        self.done.store([stored.number], true)
    }

    /// Returns true if a batch waits that was refused: no other can be taken.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Returns when a refused batch is tried again.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.held.as_ref().map(|(_, at)| *at)
    }

    /// Takes a batch; what cannot be taken now is kept and tried again.
    pub(crate) fn take(&mut self, batch: Batch, desk: &mut Desk<'_>) {
        if let Err(error) = self.accept(&batch, desk) {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, source, "what was found in logs waits");
            self.held = Some((batch, desk.moment.now.mono + AGAIN));
        }
    }

    /// Tries a refused batch again, if its time has come.
    pub(crate) fn try_again(&mut self, desk: &mut Desk<'_>) {
        let due = self.next_deadline().is_some_and(|at| at <= desk.moment.now.mono);
        if let Some((batch, _)) = self.held.take_if(|_| due) {
            self.take(batch, desk);
        }
    }

    fn accept(&mut self, batch: &Batch, desk: &mut Desk<'_>) -> Result<(), HandoverError> {
        let (reports, counts) = sorted(&batch.items);
        let now = desk.moment.now;
        let Some(state) = &batch.state else {
            // What comes again need not survive a kill.
            desk.report(&reports, now);
            return Ok(());
        };
        let spool = &mut desk.sender.spool;
        if !reports.is_empty() && spool.pending().reports >= MOST_WAITING {
            return Err(HandoverError::Waiting);
        }
        let first = spool.reserve_reports(reports.len()).map_err(HandoverError::Numbers)?;
        let stored = Stored {
            number: self.batch + 1,
            epoch: spool.epoch(),
            first,
            reports: encoded(&reports, spool.epoch(), first),
            counts,
        };
        self.stored.store(&format!("{}\n{}", stored.to_json(), state.to_text()))?;
        self.batch = stored.number;
        if reports.is_empty() && stored.counts.is_empty() {
            return Ok(());
        }
        desk.report(&reports, now);
        self.counts(&stored.counts, desk);
        // They are sent all the same: refusing the batch now would tell them twice.
        if let Err(error) = desk.sender.spool.sync_reports() {
            tracing::warn!(%error, "reports are not on the disk");
        }
        // Synced before anything is sent: after a power cut the spool may not have what the server has.
        if let Err(error) = self.done.store([stored.number], true) {
            tracing::warn!(%error, "a batch may be told twice if the agent is killed now");
        }
        Ok(())
    }

    /// Sends values at once: what waits for the next heartbeat is not in the spool.
    fn counts(&mut self, counts: &[(SeriesName, Unix, u64)], desk: &mut Desk<'_>) {
        if counts.is_empty() {
            return;
        }
        for (name, taken_at, value) in counts {
            let series = self.series.entry(name.clone()).or_insert_with(|| {
                let (unit, kind) = (Unit::None, MetricKind::Gauge);
                Arc::from([SeriesDef { name: name.clone(), unit, kind, decimals: 0 }])
            });
            #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^53 lines")]
            let values = vec![*value as f64];
            let (source, series) = (Arc::from(name.path()), Arc::clone(series));
            desk.sampler.take(&inlet::Batch { source, taken_at: *taken_at, series, values });
        }
        let round = desk.sampler.hand_over(desk.moment.now.unix);
        let out = &mut *desk.out;
        let wire: Wire<'_> = &mut |datagram| out.send(datagram);
        desk.sender.beat(&round, &desk.sampler.sets(), desk.moment, wire);
    }
}

/// A batch as it stands in the file.
#[derive(Debug, PartialEq)]
struct Stored {
    number: u64,
    epoch: u64,
    /// The number of the first report.
    first: u64,
    /// The reports as they are sent.
    reports: Vec<Vec<u8>>,
    counts: Vec<(SeriesName, Unix, u64)>,
}

impl Stored {
    fn to_json(&self) -> Value {
        let reports: Vec<String> =
            self.reports.iter().map(|report| BASE64_STANDARD.encode(report)).collect();
        let counts: Vec<Value> = self
            .counts
            .iter()
            .map(|(name, at, value)| {
                json!([name.collector, name.instance, name.metric, at.0, value])
            })
            .collect();
        json!({
            "version": 1, "number": self.number, "epoch": self.epoch, "first": self.first,
            "reports": reports, "counts": counts,
        })
    }

    fn read(head: &Value) -> Option<Self> {
        let number = |key: &str| head.get(key)?.as_u64();
        if number("version")? != 1 {
            return None;
        }
        let reports = head.get("reports")?.as_array()?.iter();
        let reports = reports.map(|report| BASE64_STANDARD.decode(report.as_str()?).ok());
        let counts = head.get("counts")?.as_array()?.iter();
        let count = |count: &Value| {
            let text = |at: usize| count.get(at)?.as_str();
            let name = SeriesName::of(text(0)?, text(1)?, text(2)?);
            Some((name, Unix(count.get(3)?.as_i64()?), count.get(4)?.as_u64()?))
        };
        Some(Self {
            number: number("number")?,
            epoch: number("epoch")?,
            first: number("first")?,
            reports: reports.collect::<Option<_>>()?,
            counts: counts.map(count).collect::<Option<_>>()?,
        })
    }
}

/// Separates reports from values.
fn sorted(items: &[Item]) -> (Vec<ReportItem>, Vec<(SeriesName, Unix, u64)>) {
    let (mut reports, mut counts) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Event(event) => reports.push(ReportItem::Event(event.clone())),
            Item::Result(result) => reports.push(ReportItem::Result(result.clone())),
            Item::Count { series, at, value } => counts.push((series.clone(), *at, *value)),
        }
    }
    (reports, counts)
}

fn encoded(reports: &[ReportItem], epoch: u64, first: u64) -> Vec<Vec<u8>> {
    let numbered = (first..).zip(reports);
    numbered
        .map(|(number, item)| {
            let mut builder = ReportBuilder::new(epoch);
            if builder.push(number, item) == Pushed::Cut {
                tracing::debug!(number, "what was found in a log is cut to fit a datagram");
            }
            builder.finish().bytes().to_vec()
        })
        .collect()
}

#[cfg(test)]
mod tests;
