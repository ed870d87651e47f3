//! Frames of the log as requests of remote write: cut by number, in the order in which they came.
//!
//! The same stretch of the log makes the same request whenever it is made, so that one whose answer was lost
//! is sent again as it was: a receiver that has it refuses it whole or takes it whole.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hark_metrics::remote_write::Outgoing;
use hark_metrics::sound;
use hark_model::frame::{ValueReader, scale};
use hark_model::labels::{Identity, NAME};
use hark_model::{HostId, HostName, MetricKind, SeriesDef, Unix};
use hark_store::history::{LogFrame, LogPlace, LogReader};

use crate::config::Target;
use crate::server::hosts::is_like;

/// How far ahead a sample may be: a receiver that takes one from tomorrow refuses what follows until then,
/// and Prometheus refuses such ones itself.
const MAX_AHEAD: Duration = Duration::from_mins(10);

/// Requests after which what nobody sends any more is forgotten: minutes where many samples come, an hour or two where
/// few do.
const TIDY_EVERY: u32 = 1000;

/// How long it is remembered when the newest sample of a series was taken of which no more come.
const REMEMBERED: Duration = Duration::from_hours(24);

/// A place between two frames of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// Where the batch begins.
    pub(super) place: LogPlace,
    /// Frames of it before the place.
    pub(super) frames: usize,
}

impl Mark {
    /// Returns the beginning of a batch.
    pub(super) fn at(place: LogPlace) -> Self {
        Self { place, frames: 0 }
    }
}

/// Whom hosts and sets are asked of.
pub(super) trait Known {
    /// Returns the name of a host; `None` if it is gone.
    fn host(&self, host: HostId) -> Option<HostName>;

    /// Returns the series of a set; `None` if nobody knows it any more.
    ///
    /// # Errors
    /// If it cannot be said now.
    fn set(&self, set: u32) -> io::Result<Option<Arc<[SeriesDef]>>>;
}

/// What was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Older than the newest of their series by more than the receiver takes.
    pub(super) late: u64,
    /// Too far ahead.
    pub(super) ahead: u64,
}

/// A series with samples, oldest first.
#[derive(Debug, PartialEq)]
pub(super) struct Series {
    labels: Vec<(String, String)>,
    kind: MetricKind,
    samples: Vec<(Unix, f64)>,
}

impl Series {
    /// Returns it as it is written.
    pub(super) fn outgoing(&self) -> Outgoing<'_> {
        Outgoing { labels: &self.labels, kind: self.kind, samples: &self.samples }
    }

    /// Makes one with a sample of its own.
    #[cfg(test)]
    pub(super) fn of_one_sample(number: usize) -> Self {
        let labels = vec![(NAME.to_owned(), format!("m{number}"))];
        Self { labels, kind: MetricKind::Gauge, samples: vec![(Unix(0), 0.0)] }
    }

    /// Returns how many samples it has.
    pub(super) fn n_samples(&self) -> usize {
        self.samples.len()
    }
}

/// What is brought at once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Request {
    /// Where it begins in the log.
    pub(super) from: Mark,
    /// Where it ends.
    pub(super) to: Mark,
    /// Its series.
    pub(super) series: Vec<Series>,
    /// Their samples, together.
    pub(super) n_samples: usize,
    /// When the newest of them was taken.
    pub(super) newest: Option<Unix>,
}

/// A series of a set as it goes out, and with how many decimals its values are.
type Wanted = Option<(Identity, MetricKind, u8)>;

/// What is known of a set; no series if nobody knows it any more.
#[derive(Debug)]
struct OfSet {
    series: Option<Arc<[Wanted]>>,
    /// Whether there was a frame with it since it was looked what nobody sends any more.
    is_used: bool,
}

/// What is known of a host: for each series when its newest sample was taken. 40 bytes each.
#[derive(Debug)]
struct OfHost {
    name: HostName,
    /// Series by a hash of their labels: also those of two sets that are one there.
    by_labels: HashMap<u64, usize>,
    newest: Vec<i64>,
    /// For each set the numbers of its series.
    sets: HashMap<u32, Arc<[usize]>>,
}

impl OfHost {
    fn new(name: HostName) -> Self {
        let (by_labels, newest, sets) = (HashMap::new(), Vec::new(), HashMap::new());
        Self { name, by_labels, newest, sets }
    }

    /// Forgets series of which nothing was taken since `before`. The others have other numbers from then on.
    fn forget(&mut self, before: Unix) {
        if self.newest.iter().all(|at| *at >= before.0) {
            return;
        }
        let Self { by_labels, newest, sets, .. } = self;
        let former = std::mem::take(newest);
        by_labels.retain(|_, number| {
            let at = former.get(*number).filter(|at| **at >= before.0);
            at.is_some_and(|at| {
                *number = newest.len();
                newest.push(*at);
                true
            })
        });
        sets.clear();
    }
}

/// Reads the log and makes requests.
#[derive(Debug)]
pub(super) struct Gatherer {
    reader: LogReader,
    mark: Mark,
    /// Whether the reader holds a batch of which frames are left.
    is_in_batch: bool,
    desk: Desk,
    /// Requests since it was looked what nobody sends any more.
    n_requests: u32,
}

/// Puts frames into the request.
#[derive(Debug)]
struct Desk {
    target: Arc<Target>,
    sets: HashMap<u32, OfSet>,
    /// `None` for those that are not wanted.
    hosts: HashMap<HostId, Option<OfHost>>,
    request: Request,
    /// Where in the request each series is.
    places: HashMap<(HostId, usize), usize>,
    left_out: LeftOut,
}

impl Gatherer {
    /// Begins at `mark` of the log of the history in `dir`.
    pub(super) fn new(target: Arc<Target>, dir: &Path, mark: Mark) -> Self {
        let desk = Desk {
            target,
            sets: HashMap::new(),
            hosts: HashMap::new(),
            request: Request { from: mark, to: mark, ..Request::default() },
            places: HashMap::new(),
            left_out: LeftOut::default(),
        };
        let reader = LogReader::new(dir, mark.place);
        Self { reader, mark, is_in_batch: false, desk, n_requests: 0 }
    }

    /// Returns how far it has come.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Returns how many segments of the log were gone before they could be read.
    pub(super) fn missing(&self) -> u64 {
        self.reader.missing()
    }

    /// Returns what was left out since it was asked last.
    pub(super) fn left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.desk.left_out)
    }

    /// Returns how many samples wait.
    pub(super) fn n_waiting(&self) -> usize {
        self.desk.request.n_samples
    }

    /// Goes on until the request is full, or `until`, and returns true; or up to `end`, and returns false.
    ///
    /// # Errors
    /// If the log cannot be read now: nothing is lost, and the next call goes on.
    pub(super) fn gather(
        &mut self,
        known: &dyn Known,
        end: LogPlace,
        until: Option<Mark>,
        now: Unix,
    ) -> io::Result<bool> {
        if self.n_requests >= TIDY_EVERY && self.desk.request.series.is_empty() {
            self.n_requests = 0;
            self.desk.tidy(known, now);
        }
        loop {
            if until.is_some_and(|until| self.mark >= until) {
                return Ok(true);
            }
            if !self.is_in_batch {
                self.is_in_batch = self.reader.read(end)?;
                let place =
                    if self.is_in_batch { self.reader.begin() } else { self.reader.place() };
                if self.mark.place != place {
                    self.mark = Mark::at(place);
                }
                if !self.is_in_batch {
                    return Ok(false);
                }
            }
            for frame in self.reader.frames().skip(self.mark.frames) {
                let is_there = until.is_some_and(|until| self.mark >= until);
                if is_there || !self.desk.take(&frame, known, now)? {
                    return Ok(true);
                }
                self.mark.frames += 1;
            }
            self.is_in_batch = false;
            self.mark = Mark::at(self.reader.place());
        }
    }

    /// Returns what was gathered, and begins anew.
    pub(super) fn finish(&mut self) -> Request {
        self.n_requests = self.n_requests.saturating_add(1);
        self.desk.places.clear();
        let next = Request { from: self.mark, to: self.mark, ..Request::default() };
        let mut request = std::mem::replace(&mut self.desk.request, next);
        request.to = self.mark;
        for series in &mut request.series {
            series.samples.sort_by_key(|(at, _)| *at);
        }
        request
    }
}

impl Desk {
    /// Takes a frame; returns false if there is no room for it.
    fn take(&mut self, frame: &LogFrame<'_>, known: &dyn Known, now: Unix) -> io::Result<bool> {
        let Some(set) = self.set(frame.set, known)? else { return Ok(true) };
        let Some(numbers) = self.numbers(frame, &set, known) else { return Ok(true) };
        let n_wanted = set.iter().flatten().count();
        if self.request.n_samples > 0 && self.request.n_samples + n_wanted > self.target.samples {
            return Ok(false);
        }
        let Some(Some(host)) = self.hosts.get_mut(&frame.host) else { return Ok(true) };
        let latest = now + MAX_AHEAD;
        for ((wanted, number), item) in
            set.iter().zip(&*numbers).zip(ValueReader::new(frame.values))
        {
            let (Some((identity, kind, decimals)), Ok(item)) = (wanted, item) else { continue };
            let value = scale(item, *decimals);
            let Some(newest) = host.newest.get_mut(*number).filter(|_| !value.is_nan()) else {
                continue;
            };
            if frame.at > latest {
                self.left_out.ahead += 1;
                continue;
            }
            if frame.at.0 <= *newest {
                if frame.at.0 == *newest {
                    // The same frame once more: its sender had not heard that it was kept.
                    continue;
                }
                if frame.at < Unix(*newest) - self.target.out_of_order {
                    self.left_out.late += 1;
                    continue;
                }
            }
            *newest = frame.at.0.max(*newest);
            let series = &mut self.request.series;
            let place = *self.places.entry((frame.host, *number)).or_insert_with(|| {
                let labels = labels(&self.target, identity, &host.name);
                series.push(Series { labels, kind: *kind, samples: Vec::new() });
                series.len() - 1
            });
            if let Some(series) = series.get_mut(place) {
                series.samples.push((frame.at, value));
                self.request.n_samples += 1;
                self.request.newest = self.request.newest.max(Some(frame.at));
            }
        }
        Ok(true)
    }

    fn set(&mut self, set: u32, known: &dyn Known) -> io::Result<Option<Arc<[Wanted]>>> {
        if let Some(found) = self.sets.get_mut(&set) {
            found.is_used = true;
            return Ok(found.series.clone());
        }
        let defs = known.set(set)?;
        let wanted = |def: &SeriesDef| {
            let identity = sound(Identity::of(&def.name, def.kind));
            is_like(&self.target.metrics, &identity.metric).then_some((
                identity,
                def.kind,
                def.decimals,
            ))
        };
        let series: Option<Arc<[Wanted]>> = defs.map(|defs| defs.iter().map(wanted).collect());
        self.sets.insert(set, OfSet { series: series.clone(), is_used: true });
        Ok(series)
    }

    /// Forgets hosts that are gone, and sets and series that nobody sends any more: names that change with each
    /// start of something would else be remembered for as long as the server runs. There must be no request, as it
    /// goes by the numbers of series.
    fn tidy(&mut self, known: &dyn Known, now: Unix) {
        self.sets.retain(|_, set| std::mem::take(&mut set.is_used));
        let before = now - REMEMBERED.max(self.target.out_of_order);
        self.hosts.retain(|id, host| {
            if let Some(host) = host {
                host.forget(before);
            }
            known.host(*id).is_some()
        });
    }

    /// Returns the numbers of the series of a set on the host of a frame; `None` if the host is not wanted.
    fn numbers(
        &mut self,
        frame: &LogFrame<'_>,
        set: &[Wanted],
        known: &dyn Known,
    ) -> Option<Arc<[usize]>> {
        // Asked for each frame: of a host that is dropped nothing goes out from then on.
        let name = known.host(frame.host)?;
        let host = match self.hosts.entry(frame.host) {
            Entry::Occupied(host) => host.into_mut(),
            Entry::Vacant(place) => {
                let is_wanted = is_like(&self.target.hosts, name.as_str());
                place.insert(is_wanted.then(|| OfHost::new(name)))
            }
        };
        let host = host.as_mut()?;
        if let Some(numbers) = host.sets.get(&frame.set) {
            return Some(Arc::clone(numbers));
        }
        let OfHost { name, by_labels, newest, .. } = host;
        let number = |wanted: &Wanted| {
            let Some((identity, ..)) = wanted else { return usize::MAX };
            let mut hasher = DefaultHasher::new();
            labels(&self.target, identity, name).hash(&mut hasher);
            *by_labels.entry(hasher.finish()).or_insert_with(|| {
                newest.push(i64::MIN);
                newest.len() - 1
            })
        };
        let numbers: Arc<[usize]> = set.iter().map(number).collect();
        host.sets.insert(frame.set, Arc::clone(&numbers));
        Some(numbers)
    }
}

fn labels(target: &Target, identity: &Identity, host: &HostName) -> Vec<(String, String)> {
    let mut labels = identity.labels_on(host);
    for (name, value) in &target.labels {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
    labels.set(NAME, &identity.metric);
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests;
