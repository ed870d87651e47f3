//! Runs the collectors, and turns what they say into frames.

mod absence;
mod guests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use hark_model::frame::{MAX_SERIES, MAX_SET, encode_values};
use hark_model::{Event, EventKind, Mono, Now, SeriesDef, SeriesName, Unix};
use hark_proto::{set_number, split_set};

use self::absence::Absence;
use self::guests::Guests;
use crate::collectors::{Absent, Change, Collector, Configured, Noticed, Root};
use crate::inlet::Batch;
use crate::levels::{Level, Levels};
use crate::slow::{Answer, Asking, Other, SlowCollector, SlowThread};

/// The collectors at work.
#[derive(Debug)]
pub(crate) struct Sampler {
    running: Vec<Running>,
    asking: Asking,
    guests: Guests,
    levels: Levels,
    values: Vec<f64>,
    facts_changed: bool,
    events: Vec<Event>,
    /// What was said last of collectors that somebody asked for and that have nothing to look at.
    absences: Option<String>,
}

/// Bound on events of one round: a collector that sees more of them at once has seen one thing.
const MAX_EVENTS: usize = 16;

#[derive(Debug)]
struct Running {
    name: &'static str,
    /// Its settings, to tell whether others are others.
    settings: String,
    by: By,
    interval: Option<Duration>,
    due: Mono,
    sets: Vec<Set>,
    /// Whether its series are about processors or memory, on which who uses most depends.
    is_of_level: bool,
    facts: Vec<(String, String)>,
    state: State,
    absence: Absence,
}

/// Who looks.
#[derive(Debug)]
enum By {
    /// The agent's own thread, each time it is due.
    Us(Box<dyn Collector>),
    /// The thread for what may take long.
    Slow(SlowCollector),
}

/// Whether a collector has something to say; each change is logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Works,
    Absent,
    /// It panicked: a fault of ours, and the others go on without it.
    Broken,
}

/// Up to [`MAX_SET`] series of one collector: what a frame's values belong to.
#[derive(Debug)]
pub(crate) struct Set {
    /// Its number, made from its definition.
    pub(crate) number: u32,
    /// Its definition, as it is sent and spooled.
    pub(crate) parts: Vec<Vec<u8>>,
    defs: Vec<SeriesDef>,
    /// The place of each of its series among the collector's values.
    places: Vec<usize>,
}

impl Set {
    /// Makes a set of these series.
    #[cfg(test)]
    pub(crate) fn of(defs: Vec<SeriesDef>) -> Self {
        let chunk: Vec<_> = defs.into_iter().enumerate().collect();
        set("test", &chunk).unwrap()
    }
}

/// What one look at everything gave. Kept and filled again.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// When.
    pub(crate) taken_at: Unix,
    frames: Vec<(u32, Unix, usize)>,
    bytes: Vec<u8>,
}

impl Round {
    /// Returns the frames: number of the set, when its values were taken, value bytes.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (u32, Unix, &[u8])> {
        let mut start = 0;
        self.frames.iter().map(move |(set, taken_at, end)| {
            let bytes = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            (*set, *taken_at, bytes)
        })
    }

    /// Returns how many frames there are.
    fn len(&self) -> usize {
        self.frames.len()
    }

    /// Adds a frame of `set` with those of `values` that belong to it.
    fn push(&mut self, set: &Set, values: &[f64], taken_at: Unix) {
        let mut ordered = [f64::NAN; MAX_SET];
        for (to, place) in ordered.iter_mut().zip(&set.places) {
            *to = values.get(*place).copied().unwrap_or(f64::NAN);
        }
        let ordered = ordered.get(..set.defs.len()).unwrap_or_default();
        encode_values(&set.defs, ordered, &mut self.bytes);
        self.frames.push((set.number, taken_at, self.bytes.len()));
    }

    /// Moves all frames of `other` to the end.
    fn append(&mut self, other: &mut Self) {
        let start = self.bytes.len();
        self.bytes.append(&mut other.bytes);
        self.frames.extend(other.frames.drain(..).map(|(set, at, end)| (set, at, start + end)));
    }

    /// Makes a round of these frames.
    #[cfg(test)]
    pub(crate) fn of(taken_at: Unix, frames: &[(u32, &[u8])]) -> Self {
        let mut round = Self { taken_at, ..Self::default() };
        for (set, bytes) in frames {
            round.bytes.extend_from_slice(bytes);
            round.frames.push((*set, taken_at, round.bytes.len()));
        }
        round
    }

    fn clear(&mut self, taken_at: Unix) {
        self.taken_at = taken_at;
        self.frames.clear();
        self.bytes.clear();
    }
}

/// Half of the shortest interval between heartbeats that is allowed: what is due within it is due.
const EARLY: Duration = Duration::from_millis(500);

impl Sampler {
    /// Makes the collectors.
    pub(crate) fn new(configured: &[Configured], root: &Root) -> Self {
        let mut slow = SlowThread::default();
        let running = configured.iter().map(|one| Running::new(one, root, &mut slow)).collect();
        Self {
            running,
            asking: slow.start(),
            guests: Guests::default(),
            levels: root.levels(),
            values: Vec::new(),
            facts_changed: false,
            events: Vec::new(),
            absences: None,
        }
    }

    /// Takes in what another thread measured, for the next heartbeat.
    pub(crate) fn take(&mut self, batch: &Batch) {
        let own = self.running.iter().flat_map(|r| &r.sets).map(|set| set.defs.len()).sum();
        self.guests.take(batch, own);
    }

    /// Goes over to other settings: a collector whose own have not changed keeps its counters, the
    /// others are made anew and have their first values with the look after the next. The slow ones
    /// share a thread, and go on only if none of them has changed.
    pub(crate) fn change(&mut self, configured: &[Configured], root: &Root, now: Now) {
        let mut former = std::mem::take(&mut self.running);
        let slow_before = former.iter().filter(|r| matches!(r.by, By::Slow(_)));
        let slow_after = configured.iter().filter(|one| one.is_slow).map(settings_of);
        let is_slow_same = slow_before.map(|r| r.settings.clone()).eq(slow_after);
        let mut slow = SlowThread::default();
        for one in configured {
            let settings = settings_of(one);
            let may_stay = !one.is_slow || is_slow_same;
            let same = |r: &Running| r.name == one.name && r.settings == settings;
            let place = former.iter().position(|r| may_stay && same(r));
            self.running.push(match place {
                Some(place) => {
                    let mut stays = former.swap_remove(place);
                    stays.absence.is_asked_for = one.is_asked_for;
                    stays
                }
                None => Running { due: now.mono, ..Running::new(one, root, &mut slow) },
            });
        }
        if !is_slow_same {
            self.asking = slow.start();
        }
        self.facts_changed |= former.iter().any(|gone| !gone.facts.is_empty());
    }

    /// Returns what other threads measured since the last look, to be sent at once.
    pub(crate) fn hand_over(&mut self, now: Unix) -> Round {
        let mut round = Round { taken_at: now, ..Round::default() };
        self.guests.hand_over(&mut round);
        round
    }

    /// Asks every collector once, to have a base for rates and the facts. The values are not kept:
    /// all that have some are due again at once.
    pub(crate) fn begin(&mut self, now: Now) {
        self.look(now, &mut Round::default());
        for running in self.running.iter_mut().filter(|running| !running.sets.is_empty()) {
            running.due = now.mono;
        }
    }

    /// Asks every collector that is due.
    pub(crate) fn look(&mut self, now: Now, round: &mut Round) {
        round.clear(now.unix);
        let mut others: usize =
            self.running.iter().flat_map(|r| &r.sets).map(|set| set.defs.len()).sum();
        others += self.guests.n();
        self.guests.hand_over(round);
        for running in self.running.iter_mut().filter(|r| r.state != State::Broken) {
            self.values.clear();
            let Some(found) = running.look(&self.asking, now.mono, &mut self.values) else {
                continue;
            };
            let before: usize = running.sets.iter().map(|set| set.defs.len()).sum();
            others -= before;
            if let Some(Other { series, facts }) = found.other {
                running.is_of_level = is_of_level(&series);
                running.sets = sets(running.name, series, MAX_SERIES.saturating_sub(others));
                self.facts_changed |= facts != running.facts;
                running.facts = facts;
            }
            others += running.sets.iter().map(|set| set.defs.len()).sum::<usize>();
            running.encode(&self.values, round);
            if running.is_of_level {
                self.levels.note(running.newest(&self.values));
            }
            for noticed in found.noticed {
                if self.events.len() < MAX_EVENTS {
                    self.events.push(event(noticed, now.unix));
                } else {
                    tracing::warn!(text = noticed.text, "event left out: too many at once");
                }
            }
        }
    }

    /// Returns what happened since the last call.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Returns the facts if they have changed since the last call.
    pub(crate) fn changed_facts(&mut self) -> Option<BTreeMap<String, String>> {
        std::mem::take(&mut self.facts_changed).then(|| self.facts())
    }

    /// Returns the facts.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        self.running.iter().flat_map(|running| running.facts.iter().cloned()).collect()
    }

    /// Returns the sets in use.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &Set> + Clone {
        self.running.iter().flat_map(|running| &running.sets).chain(self.guests.sets())
    }
}

/// Why a collector says nothing.
enum Silence {
    Absent(Absent),
    Broken,
}

/// What a collector found, besides its values.
struct Found {
    other: Option<Other>,
    noticed: Vec<Noticed>,
}

fn settings_of(configured: &Configured) -> String {
    format!("{:?} {:?}", configured.interval, configured.make)
}

impl Running {
    fn new(configured: &Configured, root: &Root, slow: &mut SlowThread) -> Self {
        let collector = configured.make.make(root);
        let by = if configured.is_slow { By::Slow(slow.add(collector)) } else { By::Us(collector) };
        Self {
            name: configured.name,
            settings: settings_of(configured),
            by,
            interval: configured.interval,
            due: Mono(0),
            sets: Vec::new(),
            is_of_level: false,
            facts: Vec::new(),
            state: State::Works,
            absence: Absence::new(configured),
        }
    }

    /// Looks if it is due; none if there is nothing to say.
    fn look(&mut self, asking: &Asking, at: Mono, values: &mut Vec<f64>) -> Option<Found> {
        let is_due = at >= self.due;
        if let (true, Some(interval)) = (is_due, self.interval) {
            self.due = at + interval.saturating_sub(EARLY);
        }
        let answer = match &mut self.by {
            By::Us(collector) if is_due => {
                // What it holds may be half done after a panic: it is not asked again.
                let look = AssertUnwindSafe(|| Self::collect(collector.as_mut(), at, values));
                catch_unwind(look).map_err(|_| Silence::Broken).and_then(|found| found)
            }
            By::Us(_) => return None,
            By::Slow(slow) => {
                let answer = slow.take();
                if is_due {
                    slow.ask(asking, at);
                }
                Self::answered(answer?, values)
            }
        };
        self.judge(answer)
    }

    fn collect(
        collector: &mut dyn Collector,
        at: Mono,
        values: &mut Vec<f64>,
    ) -> Result<Found, Silence> {
        let change = collector.collect(at, values).map_err(Silence::Absent)?;
        let other = (change == Change::Other)
            .then(|| Other { series: collector.series(), facts: collector.facts() });
        Ok(Found { other, noticed: collector.noticed() })
    }

    fn answered(answer: Answer, values: &mut Vec<f64>) -> Result<Found, Silence> {
        match answer {
            Answer::Found { values: found, other, noticed } => {
                values.extend(found);
                Ok(Found { other, noticed })
            }
            Answer::Absent(absent) => Err(Silence::Absent(absent)),
            Answer::Broken => Err(Silence::Broken),
        }
    }

    /// Logs each change of state once.
    fn judge(&mut self, answer: Result<Found, Silence>) -> Option<Found> {
        let (state, found) = match answer {
            Ok(found) => {
                self.absence.note(None);
                (State::Works, Some(found))
            }
            Err(Silence::Absent(absent)) => {
                self.absence.note(Some(&absent.words()));
                if self.state == State::Works {
                    report_absent(self.name, &absent);
                }
                (State::Absent, None)
            }
            Err(Silence::Broken) => {
                self.absence.note(Some("it fell over, which is a fault of hark"));
                tracing::error!(collector = self.name, "collector failed and is switched off");
                (State::Broken, None)
            }
        };
        if state == State::Works && self.state == State::Absent {
            tracing::info!(collector = self.name, "collector has a source again");
        }
        self.state = state;
        found
    }

    /// Returns its series with their values.
    fn newest(&self, values: &[f64]) -> impl Iterator<Item = (&SeriesName, f64)> {
        let series = self.sets.iter().flat_map(|set| set.defs.iter().zip(&set.places));
        series.map(|(def, place)| (&def.name, values.get(*place).copied().unwrap_or(f64::NAN)))
    }

    fn encode(&self, values: &[f64], round: &mut Round) {
        let taken_at = round.taken_at;
        for set in &self.sets {
            round.push(set, values, taken_at);
        }
    }
}

/// Returns true if these series of a collector are about one of the levels.
fn is_of_level(series: &[SeriesDef]) -> bool {
    let collector = series.first().map(|def| def.name.collector.as_str());
    Level::ALL.iter().any(|level| Some(level.collector()) == collector)
}

fn event(noticed: Noticed, at: Unix) -> Event {
    let Noticed { kind, severity, mut text } = noticed;
    text.truncate(text.floor_char_boundary(Event::MAX_TEXT));
    Event { at, kind: EventKind::from_word(kind), severity, text, tags: Vec::new(), data: None }
}

/// Most machines have no battery, no RAID, no ZFS: that a source is not there is no news. That it is
/// there and cannot be read is.
fn report_absent(collector: &'static str, absent: &Absent) {
    let cause = std::error::Error::source(absent).map(ToString::to_string).unwrap_or_default();
    if absent.is_missing() {
        tracing::debug!(collector, %absent, cause, "collector has no source: its values are absent");
    } else {
        tracing::warn!(collector, %absent, cause, "collector has no source: its values are absent");
    }
}

/// Cuts a collector's series into sets. Left out, and said so, is what cannot be named on the wire
/// and what is more than `room`.
fn sets(collector: &str, series: Vec<SeriesDef>, room: usize) -> Vec<Set> {
    let all = series.len();
    let sound: Vec<(usize, SeriesDef)> = series
        .into_iter()
        .enumerate()
        .filter(|(_, def)| def.name.check().is_ok())
        .take(room)
        .collect();
    if sound.len() < all {
        let left_out = all - sound.len();
        tracing::warn!(collector, left_out, "series left out: too many, or names too long");
    }
    sound.chunks(MAX_SET).filter_map(|chunk| set(collector, chunk)).collect()
}

fn set(collector: &str, chunk: &[(usize, SeriesDef)]) -> Option<Set> {
    let defs: Vec<SeriesDef> = chunk.iter().map(|(_, def)| def.clone()).collect();
    let number = set_number(&defs);
    match split_set(number, &defs) {
        Ok(contents) => Some(Set {
            number,
            parts: contents.iter().map(|content| content.bytes().to_vec()).collect(),
            defs,
            places: chunk.iter().map(|(place, _)| *place).collect(),
        }),
        Err(error) => {
            tracing::error!(collector, %error, "set left out");
            None
        }
    }
}

#[cfg(test)]
mod tests;
