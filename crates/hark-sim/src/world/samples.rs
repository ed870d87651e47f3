//! The samples of the world: the real history, on a disk that fills, fails and dies, and what it has
//! promised.
//!
//! What was synced may be acknowledged, and is noted here beside the server's folder. At the end the
//! real history is asked for all of it: it must hold each promised sample with its value, and nothing
//! that was never measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hark_model::frame::{ValueReader, scale};
use hark_model::record::HostId;
use hark_model::{HostName, MetricKind, Now, SeriesDef, SeriesName, Unix};
use hark_store::disk::{Disk, FaultPlan};
use hark_store::history::{
    AppendError, History, MAX_LINES, MAX_POINTS, OpenError, SetId, Settings, Tier,
};

use super::agent::KeptFrame;

/// Steps of upkeep at once, as the real history's thread does them when nothing waits.
const STEPS: u32 = 32;

/// Width of the points that samples are compared in: less than the time between two samples, so that
/// a point has two of them only where a clock has jumped.
const POINT_MS: i64 = 2_000;

/// Frames by set and the time they were taken at.
pub(super) type Frames = BTreeMap<(u32, Unix), Vec<u8>>;

/// What history has promised to keep, in all lives of the server.
#[derive(Debug, Default)]
pub(super) struct Promised {
    pub(super) frames: BTreeMap<HostName, Frames>,
    /// Second copies that were dropped.
    pub(super) copies: u64,
    /// Second copies with other bytes: must stay 0.
    pub(super) different: u64,
}

/// A set that an agent has declared in this life.
#[derive(Debug)]
struct KnownSet {
    id: SetId,
    series: Vec<SeriesDef>,
}

/// What became of history.
#[derive(Debug)]
pub(super) enum Changed {
    /// It accepts nothing, and why.
    Stopped(String),
    /// It accepts frames again.
    GoesOn,
}

impl Changed {
    /// Returns what is wrong with it.
    pub(super) fn problem(self) -> Option<String> {
        match self {
            Self::Stopped(why) => Some(why),
            Self::GoesOn => None,
        }
    }
}

/// A frame that waits for the next sync.
#[derive(Debug)]
struct Waiting {
    host: HostName,
    id: HostId,
    taken_at: Unix,
    frame: KeptFrame,
}

/// History, as one life of the server has it.
#[derive(Debug)]
pub(super) struct Samples {
    history: History,
    pub(super) disk: Arc<FaultPlan>,
    sets: BTreeMap<(HostName, u32), KnownSet>,
    waiting: Vec<Waiting>,
    trouble: Option<String>,
}

impl Samples {
    /// Opens what is in `dir`.
    pub(super) fn open(dir: &Path, disk: Arc<FaultPlan>) -> Result<Self, OpenError> {
        let folder = dir.join("history");
        let broken = Disk::breaking(Arc::clone(&disk));
        let history = History::open_on(&folder, Settings::default(), broken)?;
        Ok(Self { history, disk, sets: BTreeMap::new(), waiting: Vec::new(), trouble: None })
    }

    /// Takes a set of an agent; one that history cannot take now is asked for again.
    pub(super) fn declare(
        &mut self,
        host: &HostName,
        id: HostId,
        set: u32,
        series: Vec<SeriesDef>,
        now: Now,
    ) {
        if let Ok(id) = self.history.declare(id, &series, now) {
            self.sets.insert((host.clone(), set), KnownSet { id, series });
        }
    }

    /// Returns the series of a set, if it was declared in this life.
    pub(super) fn set(&self, host: &HostName, set: u32) -> Option<&[SeriesDef]> {
        self.sets.get(&(host.clone(), set)).map(|known| known.series.as_slice())
    }

    /// Returns the names of all series a host has declared in this life.
    pub(super) fn series_of(&self, host: &HostName) -> Vec<SeriesName> {
        let sets = self.sets.iter().filter(|((name, _), _)| name == host);
        sets.flat_map(|(_, set)| set.series.iter().map(|def| def.name.clone())).collect()
    }

    /// Keeps a frame for the next sync.
    pub(super) fn keep(&mut self, host: HostName, id: HostId, taken_at: Unix, frame: KeptFrame) {
        self.waiting.push(Waiting { host, id, taken_at, frame });
    }

    /// Returns true if frames wait.
    pub(super) fn is_dirty(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes what waits. Returns false if something of it was not kept: then no datagram with samples
    /// may be acknowledged.
    pub(super) fn sync(&mut self, promised: &mut Promised, now: Now) -> bool {
        let mut kept = true;
        let mut written = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let set = self.sets.get(&(waiting.host.clone(), waiting.frame.set));
            let appended = set.map_or(Err(AppendError::Undeclared), |set| {
                let values = &waiting.frame.values;
                self.history.append(waiting.id, set.id, waiting.taken_at, values, now)
            });
            match appended {
                Ok(()) => written.push(waiting),
                Err(AppendError::Time | AppendError::Gone) => {}
                Err(AppendError::Stopped) => kept = false,
                Err(AppendError::Undeclared) => {
                    kept = false;
                    self.sets.clear();
                }
            }
        }
        if self.history.sync(now).is_err() {
            return false;
        }
        for Waiting { host, taken_at, frame, .. } in written {
            promised.keep(&host, taken_at, &frame);
        }
        kept
    }

    /// Does the upkeep. Returns what changed since the last time.
    pub(super) fn maintain(&mut self, now: Now) -> Option<Changed> {
        while self.history.maintain(now, STEPS) {}
        let problem = self.history.status().stopped.map(|stopped| stopped.reason);
        if problem == self.trouble {
            return None;
        }
        if problem.is_none() {
            // It was opened anew: agents declare their sets again.
            self.sets.clear();
        }
        self.trouble.clone_from(&problem);
        Some(problem.map_or(Changed::GoesOn, Changed::Stopped))
    }

    /// Returns how often history was stopped in this life.
    pub(super) fn n_stops(&self) -> u64 {
        self.history.status().counts.stops
    }

    /// Turns everything into chunks, as the hours to come would.
    pub(super) fn settle(&mut self, now: Now) -> Result<(), hark_store::history::Trouble> {
        self.history.settle(now)
    }

    /// Compares what history holds of a host with what was measured and what was promised, and returns
    /// what differs.
    pub(super) fn compare(
        &self,
        id: HostId,
        series: &[SeriesDef],
        measured: &BTreeMap<Unix, KeptFrame>,
        promised: &Frames,
    ) -> Vec<String> {
        let is_gauge = |def: &&SeriesDef| def.kind == MetricKind::Gauge;
        let gauges: Vec<&SeriesDef> = series.iter().filter(is_gauge).take(MAX_LINES).collect();
        let names: Vec<SeriesName> = gauges.iter().map(|def| def.name.clone()).collect();
        let (Some((first, _)), Some((last, _))) =
            (measured.first_key_value(), measured.last_key_value())
        else {
            return Vec::new();
        };
        let mut wrong = Vec::new();
        let window = i64::from(MAX_POINTS) * POINT_MS;
        let mut from = first.0;
        while from <= last.0 {
            let answer =
                self.history.query(id, &names, Unix(from), Unix(from + window), MAX_POINTS);
            if answer.tier != Tier::Raw || answer.damaged > 0 {
                wrong.push(format!("{:?} was read, {} damaged", answer.tier, answer.damaged));
            }
            let points = points(from, window, series, measured, promised);
            for (number, def) in gauges.iter().enumerate() {
                let Some(line) = answer.lines.iter().find(|line| line.def.name == def.name) else {
                    wrong.push(format!("{} is not known", def.name));
                    return wrong;
                };
                let held: BTreeMap<i64, (f64, f64)> = (answer.at.iter())
                    .zip(line.min.iter().zip(&line.max))
                    .filter(|(_, (low, _))| !low.is_nan())
                    .map(|(at, (low, high))| (at.0, (*low, *high)))
                    .collect();
                wrong.extend(differences(number, &points, &held).map(|text| {
                    let name = &def.name;
                    format!("{name}: {text}")
                }));
            }
            from += window;
        }
        wrong
    }
}

impl Promised {
    fn keep(&mut self, host: &HostName, taken_at: Unix, frame: &KeptFrame) {
        let frames = self.frames.entry(host.clone()).or_default();
        match frames.get(&(frame.set, taken_at)) {
            Some(values) if *values == frame.values => self.copies += 1,
            Some(_) => self.different += 1,
            None => {
                frames.insert((frame.set, taken_at), frame.values.clone());
            }
        }
    }
}

/// The lowest and the highest value of some samples.
#[derive(Clone, Copy, Debug)]
struct Span(f64, f64);

impl Span {
    const NOTHING: Self = Self(f64::INFINITY, f64::NEG_INFINITY);

    fn add(&mut self, value: f64) {
        if !value.is_nan() {
            *self = Self(self.0.min(value), self.1.max(value));
        }
    }

    fn is_empty(self) -> bool {
        self.0 > self.1
    }
}

/// What a point of time may and must hold, for each gauge.
#[derive(Debug, Default)]
struct Point {
    measured: Vec<Span>,
    promised: Vec<Span>,
}

/// Gathers the samples from `from` on by points.
fn points(
    from: i64,
    window: i64,
    series: &[SeriesDef],
    measured: &BTreeMap<Unix, KeptFrame>,
    promised: &Frames,
) -> BTreeMap<i64, Point> {
    let mut points: BTreeMap<i64, Point> = BTreeMap::new();
    for (taken_at, frame) in measured.range(Unix(from)..Unix(from + window)) {
        let at = from + (taken_at.0 - from).div_euclid(POINT_MS) * POINT_MS;
        let point = points.entry(at).or_default();
        let is_promised = promised.contains_key(&(frame.set, *taken_at));
        let values = series.iter().zip(ValueReader::new(&frame.values));
        let gauges = values.filter(|(def, _)| def.kind == MetricKind::Gauge);
        for (number, (def, item)) in gauges.take(MAX_LINES).enumerate() {
            let value = item.map_or(f64::NAN, |item| scale(item, def.decimals));
            if point.measured.len() <= number {
                point.measured.push(Span::NOTHING);
                point.promised.push(Span::NOTHING);
            }
            if let Some(span) = point.measured.get_mut(number) {
                span.add(value);
            }
            if let Some(span) = point.promised.get_mut(number).filter(|_| is_promised) {
                span.add(value);
            }
        }
    }
    points
}

/// Returns where what is held is less than what was promised or more than what was measured.
fn differences<'a>(
    number: usize,
    points: &'a BTreeMap<i64, Point>,
    held: &'a BTreeMap<i64, (f64, f64)>,
) -> impl Iterator<Item = String> + 'a {
    let lost = points.iter().filter_map(move |(at, point)| {
        let promised = *point.promised.get(number)?;
        let is_there =
            held.get(at).is_some_and(|(low, high)| *low <= promised.0 && *high >= promised.1);
        (!promised.is_empty() && !is_there)
            .then(|| format!("{promised:?} was promised at {at}, there is {:?}", held.get(at)))
    });
    let invented = held.iter().filter_map(move |(at, (low, high))| {
        let measured = points.get(at).and_then(|point| point.measured.get(number));
        let is_true = measured.is_some_and(|m| m.0 <= *low && m.1 >= *high);
        (!is_true).then(|| format!("{low} to {high} at {at}, measured was {measured:?}"))
    });
    lost.chain(invented)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(value: f64, is_promised: bool) -> BTreeMap<i64, Point> {
        let measured = vec![Span(value, value)];
        let promised = if is_promised { measured.clone() } else { vec![Span::NOTHING] };
        BTreeMap::from([(10, Point { measured, promised })])
    }

    #[test]
    fn a_lost_a_changed_and_an_invented_sample_are_found() {
        let held = |value: f64| BTreeMap::from([(10, (value, value))]);
        for (points, held, n) in [
            (spans(1.0, true), held(1.0), 0),
            (spans(1.0, false), BTreeMap::new(), 0),
            (spans(1.0, false), held(1.0), 0),
            (spans(1.0, true), BTreeMap::new(), 1),
            (spans(1.0, false), held(2.0), 1),
            (spans(1.0, true), held(2.0), 2),
            (BTreeMap::new(), held(1.0), 1),
        ] {
            assert_eq!(differences(0, &points, &held).count(), n, "{points:?} {held:?}");
        }
    }
}
