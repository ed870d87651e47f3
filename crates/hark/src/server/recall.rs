//! Gives the engine what history has of series that are looked at over a while: after a start, and where limits
//! are new.
//!
//! One question at a time, on a thread of its own, and with a rest after each that is four times as long as it
//! took: ten thousand hosts after a start cost a fifth of a core for a while, and never keep a chart or a frame
//! waiting. Nothing waits for the answers: a check that has none yet says nothing, or what it can say of the
//! values that have come meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hark_engine::effect::{Column, Recall};
use hark_engine::{Input, Recalled};
use hark_model::time::{Clock, Unix};
use hark_model::{CheckName, HostId, MetricKind, SeriesName};
use hark_signals::Teeth;
use hark_store::history::{Answer, MAX_POINTS, QueryPlan};

use super::links::Links;
use super::messages::ToEngine;
use crate::stop::Stop;

/// Questions that may wait: those of a start with ten thousand hosts. What is above is asked again by the engine, ten
/// minutes later. They are boxed, as the room of a queue is made with it: a quarter of a megabyte.
pub(crate) const RECALL_QUEUE: usize = 16_384;

/// How long it sleeps when nothing is asked: bounds how late it notices the end.
const IDLE: Duration = Duration::from_millis(500);

/// A rest is so many times as long as the work before it.
const REST: u32 = 4;

/// The longest rest: a slow disk must not make the next one wait for ever.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// Points of the extremes, which are of three hours each.
const EXTREMES: u32 = 64;

/// What the engine wants to know.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Of which host.
    pub(crate) host: HostId,
    /// For which check.
    pub(crate) check: CheckName,
    /// Which series.
    pub(crate) series: SeriesName,
    /// How much of it.
    pub(crate) recall: Recall,
}

/// Answers until the flag is raised.
pub(crate) fn run(inbox: &Receiver<Box<Wanted>>, links: &Arc<Links>, stop: &Stop) {
    while !stop.is_raised() {
        let wanted = match inbox.recv_timeout(IDLE) {
            Ok(wanted) => wanted,
            Err(RecvTimeoutError::Timeout) => continue,
            // The engine has ended: so does the server.
            Err(RecvTimeoutError::Disconnected) => {
                stop.wait(IDLE);
                continue;
            }
        };
        let began = Clock.now();
        if let Some(past) = answer(links, &wanted, began.unix) {
            let Wanted { host, check, .. } = *wanted;
            if links.engine.send(ToEngine::Input(Input::Recalled { host, check, past })).is_err() {
                continue;
            }
        }
        let took = Clock.now().mono.since(began.mono);
        stop.wait((took * REST).min(LONGEST_REST));
    }
}

/// Returns what there is; `None` while history is stopped.
fn answer(links: &Links, wanted: &Wanted, now: Unix) -> Option<Recalled> {
    let Wanted { host, series, recall, .. } = wanted;
    let ask = |from: Unix, points: u32| {
        let (host, names) = (*host, vec![series.clone()]);
        let to = now + Duration::from_secs(1);
        let plan = links.ask_history(move |h| h.plan(host, &names, from, to, points));
        plan.map(QueryPlan::run)
    };
    let past = ask(now - recall.over, MAX_POINTS)?;
    let extremes = match recall.extremes {
        Some(_) => extremes(&ask(now - Teeth::REACH, EXTREMES)?),
        None => Vec::new(),
    };
    Some(Recalled { values: values(&past, recall.column), extremes })
}

/// Returns the values of a series; of a counter, which history gives as a rate, what it has counted.
fn values(past: &Answer, column: Column) -> Vec<(Unix, f64)> {
    let Some(line) = past.lines.first() else { return Vec::new() };
    let values = match column {
        Column::Mean => &line.avg,
        Column::Least => &line.min,
        Column::Most => &line.max,
    };
    let points = past.at.iter().copied().zip(values.iter().copied());
    let points = points.filter(|(_, value)| !value.is_nan());
    if line.def.kind == MetricKind::Gauge {
        return points.collect();
    }
    let mut counted = 0.0;
    let mut before: Option<Unix> = None;
    points
        .map(|(at, rate)| {
            // A rate is that of the time since the point before.
            counted += before.map_or(0.0, |before| rate * at.since(before).as_secs_f64());
            before = Some(at);
            (at, counted)
        })
        .collect()
}

fn extremes(past: &Answer) -> Vec<(Unix, f64, f64)> {
    let Some(line) = past.lines.first() else { return Vec::new() };
    let points = past.at.iter().zip(line.min.iter().zip(&line.max));
    let known = points.filter(|(_, (least, most))| !least.is_nan() && !most.is_nan());
    known.map(|(at, (least, most))| (*at, *least, *most)).collect()
}

#[cfg(test)]
mod tests {
    use hark_model::{SeriesDef, Unit};
    use hark_store::history::{Line, Tier};

    use super::*;

    fn past(kind: MetricKind, values: &[f64]) -> Answer {
        let name = SeriesName::plain("net_monitor", "bytes");
        let def = SeriesDef { name, unit: Unit::Bytes, kind, decimals: 0 };
        let at = (0..).map(|n| Unix(n * 15_000)).take(values.len()).collect();
        let more = |by: f64| values.iter().map(|value| value + by).collect();
        let line = Line { def, min: more(-1.0), avg: values.to_vec(), max: more(1.0) };
        let lines = vec![line];
        Answer { tier: Tier::Raw, step_ms: 1000, interval_ms: 15_000, at, lines, damaged: 0 }
    }

    #[test]
    fn values_are_those_of_the_column_and_gaps_are_left_out() {
        let past = past(MetricKind::Gauge, &[5.0, f64::NAN, 7.0]);
        let expected = |by: f64| vec![(Unix(0), 5.0 + by), (Unix(30_000), 7.0 + by)];
        assert_eq!(values(&past, Column::Mean), expected(0.0));
        assert_eq!(values(&past, Column::Least), expected(-1.0));
        assert_eq!(values(&past, Column::Most), expected(1.0));
        assert_eq!(extremes(&past), [(Unix(0), 4.0, 6.0), (Unix(30_000), 6.0, 8.0)]);
    }

    #[test]
    fn a_counter_is_counted_up_from_its_rates() {
        let past = past(MetricKind::Counter, &[2.0, 2.0, f64::NAN, 4.0]);
        let expected = [(Unix(0), 0.0), (Unix(15_000), 30.0), (Unix(45_000), 150.0)];
        assert_eq!(values(&past, Column::Mean), expected);
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        let mut none = past(MetricKind::Gauge, &[]);
        none.lines.clear();
        assert!(values(&none, Column::Mean).is_empty() && extremes(&none).is_empty());
    }
}
