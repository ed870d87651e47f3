//! Who is on call when: users who take turns.
//!
//! A [`Rota`] is one or more layers of turns and what was changed by hand. The last layer that is
//! active at a moment counts, and an override counts before all layers. Turns change by the clock on
//! the wall: a hand-over at 09:00 is at 09:00 in summer and in winter, and a week in which the clocks
//! are put back is an hour longer. Everything is a function of the moment asked for.

use std::collections::BTreeSet;

use hark_model::{Unix, UserName};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::window::ActiveWindow;

/// Bound on the moments that are looked at for one change: with hourly turns a month.
const MAX_BORDERS: usize = 1000;

/// Bound on the shifts that are listed at once.
pub const MAX_SHIFTS: usize = 2000;

/// Who is on call when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rota {
    pub(crate) layers: Vec<Layer>,
    pub(crate) overrides: Vec<Override>,
}

/// Users who take turns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// In the order of their turns; not empty.
    pub(crate) people: Vec<UserName>,
    /// The length of a turn on the clock on the wall, in minutes.
    pub(crate) minutes: i64,
    /// When the first one's turn began, or will begin.
    pub(crate) anchor: DateTime,
    pub(crate) zone: TimeZone,
    /// When the layer is active; always without.
    pub(crate) hours: Option<ActiveWindow>,
}

/// Somebody stands in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    pub(crate) from: Unix,
    pub(crate) until: Unix,
    pub(crate) user: UserName,
}

/// A time in which one user is on call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// From when.
    pub from: Unix,
    /// Until when.
    pub until: Unix,
    /// Who.
    pub user: UserName,
}

/// When turns change: a time of day, and the day of the week of the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandOver {
    pub(crate) day: Option<Weekday>,
    pub(crate) time: Time,
}

impl HandOver {
    /// Returns the first one at or after the beginning of `date`.
    pub(crate) fn first(self, date: Date) -> Option<DateTime> {
        let mut date = date;
        for _ in 0..7 {
            if self.day.is_none_or(|day| date.weekday() == day) {
                return Some(date.to_datetime(self.time));
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }
}

impl Layer {
    /// When turn `number` begins; turns before the first one have negative numbers.
    fn begin(&self, number: i64) -> Option<Timestamp> {
        let minutes = self.minutes.checked_mul(number)?;
        let local = self.anchor.checked_add(SignedDuration::from_mins(minutes)).ok()?;
        self.zone.to_timestamp(local).ok()
    }

    /// Which turn it is at a moment.
    fn turn(&self, at: Timestamp) -> Option<i64> {
        let passed = self.zone.to_datetime(at).duration_since(self.anchor).as_mins();
        // What the clock on the wall says may be an hour beside it where the clocks are changed.
        let mut number = passed.div_euclid(self.minutes) + 1;
        while self.begin(number)? > at {
            number -= 1;
        }
        Some(number)
    }

    fn at(&self, at: Unix) -> Option<&UserName> {
        if self.hours.as_ref().is_some_and(|hours| !hours.contains(at)) {
            return None;
        }
        let turn = self.turn(timestamp(at)?)?;
        let place = turn.rem_euclid(i64::try_from(self.people.len()).ok()?);
        self.people.get(usize::try_from(place).ok()?)
    }

    fn next_border(&self, at: Unix) -> Option<Unix> {
        let moment = timestamp(at)?;
        let turn = self.turn(moment)?;
        let next = self.begin(turn + 1).map(|next| Unix(next.as_millisecond()));
        let hours = self.hours.as_ref().and_then(|hours| hours.next_change(at));
        next.into_iter().chain(hours).min()
    }
}

impl Rota {
    /// Returns who is on call at a moment; nobody where no layer is active.
    pub fn at(&self, at: Unix) -> Option<&UserName> {
        let stands_in = self.overrides.iter().rev().find(|o| o.from <= at && at < o.until);
        if let Some(stands_in) = stands_in {
            return Some(&stands_in.user);
        }
        self.layers.iter().rev().find_map(|layer| layer.at(at))
    }

    /// Returns the first moment after `at` at which it may be somebody else; until then it is not.
    pub fn next_border(&self, at: Unix) -> Option<Unix> {
        let layers = self.layers.iter().filter_map(|layer| layer.next_border(at));
        let overrides = self.overrides.iter().flat_map(|o| [o.from, o.until]);
        layers.chain(overrides.filter(|moment| *moment > at)).min()
    }

    /// Returns the first moment after `at` at which it is somebody else; `None` if that is not within
    /// the bound of moments looked at.
    pub fn next_change(&self, at: Unix) -> Option<Unix> {
        let now = self.at(at);
        let mut moment = at;
        for _ in 0..MAX_BORDERS {
            moment = self.next_border(moment)?;
            if self.at(moment) != now {
                return Some(moment);
            }
        }
        None
    }

    /// Returns who is on call from one moment to another, at most [`MAX_SHIFTS`].
    pub fn shifts(&self, from: Unix, until: Unix) -> Vec<Shift> {
        let mut shifts = Vec::new();
        let mut begin = from;
        while begin < until && shifts.len() < MAX_SHIFTS {
            let end = self.next_change(begin).map_or(until, |change| change.min(until));
            if let Some(user) = self.at(begin) {
                shifts.push(Shift { from: begin, until: end, user: user.clone() });
            }
            begin = end;
        }
        shifts
    }

    /// Returns everybody who is ever on call.
    pub fn people(&self) -> BTreeSet<&UserName> {
        let layers = self.layers.iter().flat_map(|layer| &layer.people);
        layers.chain(self.overrides.iter().map(|o| &o.user)).collect()
    }
}

fn timestamp(at: Unix) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.0).ok()
}

#[cfg(test)]
mod tests;
