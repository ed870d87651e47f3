//! What the days of a component were like, and how much of its time it worked.

use std::time::Duration;

use hark_model::{Status, Unix};
use hark_report::{Span, Spans};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::facts::{ComponentFacts, Member};
use crate::incident::Incident;
use crate::state::State;

/// What a day was like; the worse, the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DayState {
    /// Nobody watched yet.
    NoData,
    /// Nothing happened.
    Good,
    /// There was planned work.
    Maintenance,
    /// It did not work as it should.
    Degraded,
    /// Some of it did not work.
    PartialOutage,
    /// None of it worked, at some moment at least.
    MajorOutage,
}

impl DayState {
    /// Every state, the best first.
    pub const ALL: [Self; 6] = [
        Self::NoData,
        Self::Good,
        Self::Maintenance,
        Self::Degraded,
        Self::PartialOutage,
        Self::MajorOutage,
    ];

    fn of(state: State) -> Self {
        match state {
            State::Operational | State::NoData => Self::Good,
            State::Maintenance => Self::Maintenance,
            State::Degraded => Self::Degraded,
            State::PartialOutage => Self::PartialOutage,
            State::MajorOutage => Self::MajorOutage,
        }
    }
}

/// A day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Which, as `2026-11-21`.
    pub date: String,
    /// The worst of it.
    pub state: DayState,
    /// How long members were down, taken together, outside of planned work.
    pub down_seconds: u64,
}

/// The days of a component up to now.
#[derive(Clone, Debug, PartialEq)]
pub struct Uptime {
    /// Each day, the oldest first.
    pub days: Vec<Day>,
    /// Share of the watched time in which members were up, all together, 0 to 1; `None` if nothing was
    /// watched. Planned work counts as neither.
    pub share: Option<f64>,
}

/// A day under construction.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    date: Date,
    span: Span,
}

impl Slot {
    /// Returns when it begins.
    pub(crate) fn begin(&self) -> Unix {
        self.span.from
    }
}

/// Returns the last `n` days up to `now`, the oldest first.
pub(crate) fn days(now: Unix, n: u32, zone: &TimeZone) -> Vec<Slot> {
    let today = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let today = today.to_zoned(zone.clone()).date();
    let begin = |date: Date| {
        let zoned = date.to_zoned(zone.clone());
        zoned.map_or(Unix(0), |at| Unix(at.timestamp().as_millisecond()))
    };
    let mut slots = Vec::new();
    for back in (0..i64::from(n)).rev() {
        let Ok(date) = today.checked_sub(back.days()) else { continue };
        let Ok(next) = date.tomorrow() else { continue };
        slots.push(Slot { date, span: Span { from: begin(date), until: begin(next) } });
    }
    slots
}

/// What a member went through.
struct Course {
    known: Span,
    planned: Spans,
    down: Spans,
    unclear: Spans,
}

impl Course {
    fn of(member: &Member, period: Span) -> Self {
        let known = Span { from: member.since, until: period.until }.within(period);
        let planned = Spans::of(member.planned.iter().copied()).within(known);
        let of = |meant: fn(Status) -> bool| {
            let troubles = member.troubles.iter().filter(|trouble| meant(trouble.peak));
            let spans = troubles.map(|trouble| Span {
                from: trouble.from,
                until: trouble.until.unwrap_or(period.until),
            });
            Spans::of(spans).within(known).without(&planned)
        };
        Self {
            known,
            down: of(|peak| peak == Status::Critical),
            unclear: of(|peak| matches!(peak, Status::Warning | Status::Unknown)),
            planned,
        }
    }

    /// Returns true if nothing ever happened.
    fn is_calm(&self) -> bool {
        self.down.is_empty() && self.unclear.is_empty() && self.planned.is_empty()
    }
}

impl Uptime {
    /// Says what the days of `slots` were like for the component `id`, up to `now`.
    pub(crate) fn make(
        facts: &ComponentFacts,
        id: &str,
        incidents: &[Incident],
        slots: &[Slot],
        now: Unix,
    ) -> Self {
        let from = slots.first().map_or(now, |slot| slot.span.from);
        let period = Span { from, until: now };
        let courses: Vec<Course> = facts
            .members
            .iter()
            .map(|member| Course::of(member, period))
            .filter(|course| !course.known.is_empty())
            .collect();
        let said: Vec<(Span, State)> = incidents
            .iter()
            .filter(|incident| incident.is_about(id))
            .filter_map(|incident| Some((incident.time(now)?.within(period), incident.weight())))
            .collect();
        // What people have called an outage of the whole was one, whatever checks have seen.
        let outage = |state: &State| *state == State::MajorOutage;
        let called =
            Spans::of(said.iter().filter(|(_, state)| outage(state)).map(|(span, _)| *span));
        let whole = all_down(&courses).union(&called);
        // Most members never had anything: together they are one that was watched since the first of them.
        let (calm, eventful): (Vec<&Course>, Vec<&Course>) =
            courses.iter().partition(|course| course.is_calm() && called.is_empty());
        let calm_since = calm.iter().map(|course| course.known.from).min();
        let mut uptime = Self { days: Vec::new(), share: share(&courses, &called) };
        for slot in slots {
            let day = slot.span.within(period);
            let touches = |spans: &Spans| !spans.within(day).is_empty();
            let is_calm = calm_since.is_some_and(|since| since < day.until);
            let mut worst = if is_calm { DayState::Good } else { DayState::NoData };
            let mut down = Duration::ZERO;
            for course in &eventful {
                if course.known.within(day).is_empty() {
                    continue;
                }
                let downs = course.down.union(&called).within(day).length();
                down += downs;
                worst = worst.max(if !downs.is_zero() {
                    DayState::PartialOutage
                } else if touches(&course.unclear) {
                    DayState::Degraded
                } else if touches(&course.planned) {
                    DayState::Maintenance
                } else {
                    DayState::Good
                });
            }
            for (span, state) in &said {
                if !span.within(day).is_empty() {
                    worst = worst.max(DayState::of(*state));
                }
            }
            if touches(&whole) {
                worst = DayState::MajorOutage;
            }
            uptime.days.push(Day {
                date: slot.date.to_string(),
                state: worst,
                down_seconds: down.as_secs(),
            });
        }
        uptime
    }
}

/// Returns the times in which every member was down.
fn all_down(courses: &[Course]) -> Spans {
    let mut courses = courses.iter();
    let Some(first) = courses.next() else { return Spans::default() };
    let mut down = first.down.clone();
    for course in courses {
        if down.is_empty() {
            break;
        }
        down = down.without(&down.without(&course.down));
    }
    down
}

/// Returns the share of the watched time in which members were up.
fn share(courses: &[Course], called: &Spans) -> Option<f64> {
    let (mut watched, mut down) = (Duration::ZERO, Duration::ZERO);
    for course in courses {
        let watchable = Spans::of([course.known]).without(&course.planned);
        watched += watchable.length();
        let called = called.within(course.known).without(&course.planned);
        down += course.down.union(&called).length();
    }
    (!watched.is_zero()).then(|| 1.0 - down.as_secs_f64() / watched.as_secs_f64())
}

#[cfg(test)]
mod tests;
