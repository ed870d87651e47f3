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
use hark_engine::plan::Usual;
use hark_engine::{Expected, Input, Recalled};
use hark_model::time::{Clock, Unix};
use hark_model::{CheckName, HostId, MetricKind, SeriesName};
use hark_signals::{Teeth, bands};
use hark_store::history::{Answer, MAX_POINTS, QueryPlan};
use jiff::Timestamp;
use jiff::tz::TimeZone;

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

/// What is usual is said of so many hours ahead: a day, and some more in which it can be asked for again.
const AHEAD: Duration = Duration::from_hours(27);

const HOUR: Duration = Duration::from_hours(1);

const HOURS_A_WEEK: u32 = 168;

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
    let usual = match recall.usual {
        Some(usual) => {
            let from = now - recall.over - HOUR;
            Some(self::usual(links, *host, series, usual, now, (from, now + AHEAD))?)
        }
        None => None,
    };
    let extremes = match recall.extremes {
        Some(_) => extremes(&ask(now - Teeth::REACH, EXTREMES)?),
        None => Vec::new(),
    };
    Some(Recalled { values: values(&past, recall.column), extremes, usual })
}

/// Returns what is usual at the hours `within`, by the weeks before `until`; `None` while history is stopped.
pub(crate) fn usual(
    links: &Links,
    host: HostId,
    series: &SeriesName,
    usual: Usual,
    until: Unix,
    within: (Unix, Unix),
) -> Option<Expected> {
    let (until, names) = (hour_of(until), vec![series.clone()]);
    let hours = usual.weeks * HOURS_A_WEEK;
    let from = until - HOUR * hours;
    let past = links.ask_history(move |h| h.plan(host, &names, from, until, hours))?.run();
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    Some(expected(&past, usual, within, &zone))
}

fn expected(past: &Answer, usual: Usual, within: (Unix, Unix), zone: &TimeZone) -> Expected {
    let line = past.lines.first();
    let means = line.into_iter().flat_map(|line| past.at.iter().zip(&line.avg));
    let of_week = means.map(|(at, mean)| (hour_of_week(*at, zone), *mean));
    let bands = bands(of_week, usual.season, usual.least());
    let from = hour_of(within.0);
    let mut hours = Vec::new();
    let mut at = from;
    while at < within.1 {
        hours.push(bands.get(hour_of_week(at, zone) % bands.len()).copied().flatten());
        at = at + HOUR;
    }
    Expected { from, hours }
}

/// Returns when the hour began that a moment lies in.
fn hour_of(at: Unix) -> Unix {
    Unix(at.0 - at.0.rem_euclid(3_600_000))
}

/// Returns the hour of the week by the clock on the wall; Monday's first is 0.
fn hour_of_week(at: Unix, zone: &TimeZone) -> usize {
    let Ok(at) = Timestamp::from_millisecond(at.0) else { return 0 };
    let at = at.to_zoned(zone.clone());
    let day = at.weekday().to_monday_zero_offset();
    usize::try_from(i32::from(day) * 24 + i32::from(at.hour())).unwrap_or(0)
}

/// Returns the values of a series; of a counter, which history gives as a rate, what it has counted.
fn values(past: &Answer, column: Column) -> Vec<(Unix, f64)> {
    let Some(line) = past.lines.first() else { return Vec::new() };
    let counts = line.def.kind == MetricKind::Counter;
    if counts != (column == Column::Counted) && counts {
        // History keeps how fast it counts, and the window has what it has counted: that does not fit.
        return Vec::new();
    }
    let values = match column {
        Column::Mean | Column::Counted => &line.avg,
        Column::Least => &line.min,
        Column::Most => &line.max,
    };
    let points = past.at.iter().copied().zip(values.iter().copied());
    let points = points.filter(|(_, value)| !value.is_nan());
    if !counts {
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
    use hark_signals::Season;
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
        assert_eq!(values(&past, Column::Counted), expected);
        assert!(values(&past, Column::Mean).is_empty(), "rates are no values of the counter");
    }

    /// Five weeks of hours, each of which is its hour of the day; the last one ends at `until`.
    fn weeks(until: Unix, zone: &TimeZone) -> Answer {
        let mut all = past(MetricKind::Gauge, &[]);
        let first = until - HOUR * (5 * HOURS_A_WEEK);
        all.at = (0..5 * HOURS_A_WEEK).map(|n| first + HOUR * n).collect();
        let hour = |at: &Unix| f64::from(u32::try_from(hour_of_week(*at, zone) % 24).unwrap());
        all.lines[0].avg = all.at.iter().map(hour).collect();
        all
    }

    #[test]
    fn what_is_usual_goes_by_the_clock_on_the_wall() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| Unix(text.parse::<Timestamp>().unwrap().as_millisecond());
        // The clocks are put back on 2026-10-25: at 10 in the morning it is 08:00 UTC before and 09:00 UTC after.
        let until = at("2026-11-02T00:00:00Z");
        let usual = Usual { weeks: 5, season: Season::Week };
        let within = (at("2026-11-02T09:20:00Z"), at("2026-11-02T11:20:00Z"));
        let found = expected(&weeks(until, &zone), usual, within, &zone);
        assert_eq!(found.from, at("2026-11-02T09:00:00Z"));
        let middles: Vec<f64> = found.hours.iter().map(|band| band.unwrap().middle).collect();
        assert_eq!(middles, [10.0, 11.0, 12.0]);
        assert!(found.hours.iter().all(|band| band.unwrap().of == 5));
        // In summer the same.
        let within = (at("2026-10-23T08:00:00Z"), at("2026-10-23T09:00:00Z"));
        let found = expected(&weeks(until, &zone), usual, within, &zone);
        let middles: Vec<f64> = found.hours.iter().map(|band| band.unwrap().middle).collect();
        assert_eq!(middles[..1], [10.0]);
        // Too little is nothing, for each hour that was asked for.
        let none = expected(&past(MetricKind::Gauge, &[1.0]), usual, within, &zone);
        assert_eq!(none.hours, [None]);
    }

    #[test]
    fn what_is_not_known_is_nothing() {
        let mut none = past(MetricKind::Gauge, &[]);
        none.lines.clear();
        assert!(values(&none, Column::Mean).is_empty() && extremes(&none).is_empty());
    }
}
