//! What hits lead to: one machine for each watch, without files and clocks.
//!
//! Windows are fixed, follow one another, and begin when the watch does, not at a full minute. An
//! event is told at a window's end, as the older tool did. Besides that `more_than` and `silent_for`
//! are *checks*: bad as soon as it is certain, good after a good window or with the first hit, and
//! repeated in between, so that an incident opens and ends by what was seen and not by time alone.

use std::sync::Arc;
use std::time::Duration;

use hark_model::{CheckResult, Event, EventKind, Mono, Now, SeriesName, Severity, Status, Unix};
use serde::{Deserialize, Serialize};

use crate::settings::{Watch, WatchKind};
use crate::text::{Found, Template};

/// The kind of all events of watches: what a route names to have them told.
pub const KIND: &str = "log";

/// The time that [`Watch::at_most`] counts in.
const LIMITED: Duration = Duration::from_mins(1);

/// So often a check that is good says so at the usual pace: whoever confirms things asks for less.
const SETTLED: u32 = 5;

/// How often it says so afterwards, for a server that has forgotten it.
const CALM: Duration = Duration::from_mins(5);

/// What came of hits and time.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A thing that happened.
    Event(Event),
    /// How a check is.
    Result(CheckResult),
    /// Hits in a window.
    Count {
        /// Its metric.
        series: SeriesName,
        /// The window's end.
        at: Unix,
        /// How many.
        value: u64,
    },
}

/// What a watch must know after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchState {
    /// Hits in this window.
    hits: u64,
    /// When the window began, or the last hit was, in milliseconds since 1970.
    since: i64,
    /// Whether its check is bad.
    bad: bool,
    /// Events told in this minute, and those that were not.
    told: u32,
    withheld: u64,
    /// When that minute began.
    minute: i64,
}

/// Where items go, with times that differ: two equal lines are two events, and who receives them
/// tells copies by time and text.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) items: Vec<Item>,
    /// Whether all of them may be lost in a crash without harm.
    pub(crate) only_repeats: bool,
    /// Whether somebody waits for one of them.
    urgent: bool,
    last: Option<Unix>,
}

impl Out {
    /// Returns `now`, or the millisecond after the last one that was given.
    fn stamp(&mut self, now: Unix) -> Unix {
        let at = match self.last {
            Some(last) if now <= last && last.since(now) < LIMITED => {
                last + Duration::from_millis(1)
            }
            _ => now,
        };
        self.last = Some(at);
        at
    }

    /// Takes the items, and whether somebody waits for them.
    pub(crate) fn take(&mut self) -> (Vec<Item>, bool) {
        self.only_repeats = true;
        (std::mem::take(&mut self.items), std::mem::take(&mut self.urgent))
    }

    pub(crate) fn event(
        &mut self,
        kind: &str,
        severity: Severity,
        text: String,
        tags: Vec<String>,
        now: Now,
    ) {
        let at = self.stamp(now.unix);
        let kind = EventKind::Other(kind.to_owned());
        self.only_repeats = false;
        self.urgent = true;
        self.items.push(Item::Event(Event { at, kind, severity, text, tags, data: None }));
    }
}

/// A watch at work.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) watch: Arc<Watch>,
    hits: u64,
    /// The window's beginning; the last hit, for silence.
    since: Mono,
    since_unix: Unix,
    bad: bool,
    told: u32,
    withheld: u64,
    minute: Option<Mono>,
    minute_unix: Unix,
    /// When the check says again how it is.
    next_result: Mono,
    /// How often it does.
    repeat: Duration,
    /// How often it has said the same in a row.
    said: u32,
}

impl Machine {
    /// Begins now, or goes on where `state` was.
    pub(crate) fn new(
        watch: Arc<Watch>,
        state: Option<&WatchState>,
        repeat: Duration,
        now: Now,
    ) -> Self {
        let mut machine = Self {
            watch,
            hits: 0,
            since: now.mono,
            since_unix: now.unix,
            bad: false,
            told: 0,
            withheld: 0,
            minute: None,
            minute_unix: Unix(0),
            next_result: now.mono,
            repeat,
            said: 0,
        };
        if let Some(state) = state {
            machine.hits = state.hits;
            machine.since_unix = Unix(state.since);
            machine.since = now.mono - now.unix.since(machine.since_unix);
            machine.bad = state.bad;
            machine.told = state.told;
            machine.withheld = state.withheld;
            if state.told > 0 || state.withheld > 0 {
                machine.minute_unix = Unix(state.minute);
                machine.minute = Some(now.mono - now.unix.since(Unix(state.minute)));
            }
        }
        machine
    }

    /// Returns what must be known after a restart.
    pub(crate) fn state(&self) -> WatchState {
        WatchState {
            hits: self.hits,
            since: self.since_unix.0,
            bad: self.bad,
            told: self.told,
            withheld: self.withheld,
            minute: self.minute_unix.0,
        }
    }

    /// One pattern was found in one record.
    pub(crate) fn hit(&mut self, found: &Found<'_>, now: Now, out: &mut Out) {
        self.pass_empty_windows(now);
        self.hits = self.hits.saturating_add(1);
        match self.watch.kind {
            WatchKind::Each => self.tell(found, now, out),
            WatchKind::MoreThan { count, .. } => {
                if self.hits > count && !self.bad {
                    self.turn(true, now, out);
                }
            }
            WatchKind::CountEvery(_) => {}
            WatchKind::SilentFor(_) => {
                (self.since, self.since_unix) = (now.mono, now.unix);
                if self.bad {
                    self.turn(false, now, out);
                }
            }
        }
    }

    /// Time has passed outside of the hours in which the watch is active: its check stays as it is.
    pub(crate) fn idle(&mut self, now: Now, out: &mut Out) {
        self.end_minute(now, out);
        if now.mono >= self.next_result {
            self.say(now, out);
        }
    }

    /// Returns when [`Machine::idle`] has something to do.
    pub(crate) fn idle_deadline(&self) -> Option<Mono> {
        self.minute_deadline().into_iter().chain(self.result_deadline()).min()
    }

    /// Time has passed. Everything that was written before `now` has been read.
    pub(crate) fn tick(&mut self, now: Now, out: &mut Out) {
        self.end_minute(now, out);
        self.pass_empty_windows(now);
        if let Some(end) = self.window_end().filter(|end| *end <= now.mono) {
            self.end_window(end, now, out);
        }
        if now.mono >= self.next_result {
            self.say(now, out);
        }
    }

    /// Returns when [`Machine::tick`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        let window_end = self.window_end().filter(|_| !self.is_window_empty());
        [self.minute_deadline(), window_end, self.result_deadline()].into_iter().flatten().min()
    }

    fn minute_deadline(&self) -> Option<Mono> {
        self.minute.filter(|_| self.withheld > 0).map(|began| began + LIMITED)
    }

    fn result_deadline(&self) -> Option<Mono> {
        self.watch.check().map(|_| self.next_result)
    }

    /// Forgets the window: nothing was looked at for a time.
    pub(crate) fn begin_again(&mut self, now: Now) {
        self.hits = 0;
        (self.since, self.since_unix) = (now.mono, now.unix);
    }

    fn window_end(&self) -> Option<Mono> {
        match self.watch.kind {
            WatchKind::Each => None,
            WatchKind::MoreThan { within: period, .. }
            | WatchKind::CountEvery(period)
            | WatchKind::SilentFor(period) => Some(self.since + period),
        }
    }

    /// Returns true if nothing happens at the window's end, so that nobody need be woken for it.
    fn is_window_empty(&self) -> bool {
        matches!(self.watch.kind, WatchKind::MoreThan { .. }) && self.hits == 0 && !self.bad
    }

    /// Goes over to the window of `now`, if nothing was found in the one before.
    fn pass_empty_windows(&mut self, now: Now) {
        let WatchKind::MoreThan { within, .. } = self.watch.kind else { return };
        let windows = now.mono.since(self.since).as_millis() / within.as_millis().max(1);
        let passed = u32::try_from(windows).ok().and_then(|n| within.checked_mul(n));
        if let Some(passed) = passed.filter(|_| self.is_window_empty()) {
            (self.since, self.since_unix) = (self.since + passed, self.since_unix + passed);
        }
    }

    fn end_window(&mut self, end: Mono, now: Now, out: &mut Out) {
        let hits = std::mem::take(&mut self.hits);
        // Without drift, unless so late that windows would have to be made up.
        let late = now.mono.since(end);
        let period = end.since(self.since);
        let late = if late < period { late } else { Duration::ZERO };
        (self.since, self.since_unix) = (now.mono - late, now.unix - late);
        let watch = Arc::clone(&self.watch);
        let found = Found { watch: &watch.name, count: hits, ..Found::default() };
        match watch.kind {
            WatchKind::Each => {}
            WatchKind::CountEvery(_) => {
                let at = out.stamp(now.unix);
                out.only_repeats = false;
                out.items.push(Item::Count { series: self.watch.metric(), at, value: hits });
            }
            WatchKind::MoreThan { count, .. } => {
                let bad = hits > count;
                if bad {
                    self.tell(&found, now, out);
                }
                if bad != self.bad {
                    self.turn(bad, now, out);
                }
            }
            WatchKind::SilentFor(_) => {
                self.tell(&found, now, out);
                if !self.bad {
                    self.turn(true, now, out);
                }
            }
        }
    }

    fn turn(&mut self, bad: bool, now: Now, out: &mut Out) {
        self.bad = bad;
        self.said = 0;
        out.only_repeats = false;
        out.urgent = true;
        self.say(now, out);
    }

    fn say(&mut self, now: Now, out: &mut Out) {
        self.said = self.said.saturating_add(1);
        let is_settled = !self.bad && self.said > SETTLED;
        self.next_result = now.mono + if is_settled { self.repeat.max(CALM) } else { self.repeat };
        let Some(check) = self.watch.check() else { return };
        let (status, text) = if self.bad {
            let status = match self.watch.severity {
                Severity::Critical => Status::Critical,
                Severity::Warning => Status::Warning,
                Severity::Unknown | Severity::Info => Status::Unknown,
            };
            let found = Found { watch: &self.watch.name, count: self.hits, ..Found::default() };
            (status, self.template().fill(&found))
        } else {
            (Status::Ok, self.good())
        };
        let began_at = out.stamp(now.unix);
        let result = CheckResult {
            check,
            status,
            text,
            began_at,
            took_ms: 0,
            values: Vec::new(),
            limits: Vec::new(),
            next: hark_model::Next::Whenever,
        };
        out.items.push(Item::Result(result));
    }

    fn good(&self) -> String {
        match self.watch.kind {
            WatchKind::MoreThan { count, .. } => {
                format!("{} of {count} allowed", self.hits.min(count))
            }
            WatchKind::Each | WatchKind::CountEvery(_) | WatchKind::SilentFor(_) => {
                "seen in time".to_owned()
            }
        }
    }

    fn template(&self) -> Template {
        let default = || match self.watch.kind {
            WatchKind::Each | WatchKind::CountEvery(_) => Template::line(),
            WatchKind::MoreThan { count, within } => {
                Template::plain(&format!("more than {count} hits within {}", span(within)))
            }
            WatchKind::SilentFor(period) => {
                Template::plain(&format!("nothing seen for {}", span(period)))
            }
        };
        self.watch.text.clone().unwrap_or_else(default)
    }

    fn tell(&mut self, found: &Found<'_>, now: Now, out: &mut Out) {
        self.end_minute(now, out);
        if self.minute.is_none() {
            (self.minute, self.minute_unix) = (Some(now.mono), now.unix);
        }
        if self.told >= self.watch.at_most {
            self.withheld += 1;
            return;
        }
        self.told += 1;
        let text = self.template().fill(found);
        self.event(text, now, out);
    }

    /// Ends the minute in which events are counted, and tells how many were not told.
    fn end_minute(&mut self, now: Now, out: &mut Out) {
        let Some(_) = self.minute.filter(|began| now.mono >= *began + LIMITED) else { return };
        self.minute = None;
        self.told = 0;
        let withheld = std::mem::take(&mut self.withheld);
        if withheld > 0 {
            let seconds = LIMITED.as_secs();
            self.event(format!("and {withheld} more in {seconds} s"), now, out);
        }
    }

    fn event(&self, text: String, now: Now, out: &mut Out) {
        let tags = std::iter::once(&self.watch.name).chain(&self.watch.tags).cloned().collect();
        out.event(KIND, self.watch.severity, text, tags, now);
    }
}

/// Says a time as people do: `25 h`, `90 s`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        s if s >= 172_800 && s.is_multiple_of(86_400) => format!("{} d", s / 86_400),
        s if s >= 3600 && s.is_multiple_of(3600) => format!("{} h", s / 3600),
        s if s >= 120 && s.is_multiple_of(60) => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests;
