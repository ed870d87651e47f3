//! What a window means.

use std::fmt;
use std::time::Duration;

use hark_model::Unix;
use hark_model::time::millis;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Minutes of a day.
pub(crate) const DAY: u16 = 24 * 60;

/// How far [`ActiveWindow::next_change`] looks: a week, since windows repeat, and a day on each side for
/// pieces over midnight and for zones on the other side of the date line.
const HORIZON_DAYS: i32 = 9;

/// How long one waits at most until the clock is looked at again: people put it forward, too.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Bound on changes of the zone's offset that are looked at within it.
const MAX_TRANSITIONS: usize = 8;

/// Days and hours in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveWindow {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) zone: TimeZone,
}

/// Some days, and hours of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) days: Days,
    /// First minute of the day.
    pub(crate) begin: u16,
    /// The minute after the last one; at or before `begin` it is of the next day.
    pub(crate) end: u16,
}

/// A set of days of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Days(u8);

impl Days {
    /// Every day.
    pub(crate) const ALL: Self = Self(0x7f);

    /// Adds a day, counted from Monday as 0.
    pub(crate) fn add(&mut self, from_monday: u8) {
        self.0 |= 1 << (from_monday % 7);
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, from_monday: u8) -> bool {
        self.0 & (1 << (from_monday % 7)) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has_weekday(self, day: Weekday) -> bool {
        self.has(day.to_monday_zero_offset().unsigned_abs())
    }
}

impl Piece {
    fn wraps(self) -> bool {
        self.end <= self.begin
    }

    fn contains(self, today: Weekday, minute: u16) -> bool {
        if !self.wraps() {
            return self.days.has_weekday(today) && (self.begin..self.end).contains(&minute);
        }
        (self.days.has_weekday(today) && minute >= self.begin)
            || (self.days.has_weekday(today.previous()) && minute < self.end)
    }
}

impl ActiveWindow {
    /// Returns the window that is always open.
    pub fn always() -> Self {
        let piece = Piece { days: Days::ALL, begin: 0, end: DAY };
        Self { pieces: vec![piece], zone: TimeZone::UTC }
    }

    /// Returns true if `at` is inside.
    pub fn contains(&self, at: Unix) -> bool {
        timestamp(at).is_some_and(|at| self.holds(at))
    }

    /// Returns the first moment after `at` when inside becomes outside, or outside inside; `None` if
    /// that never happens.
    pub fn next_change(&self, at: Unix) -> Option<Unix> {
        let now = timestamp(at)?;
        let inside = self.holds(now);
        let mut moments = self.borders(now);
        // Where the clock is put forward or back a window can begin or end in between.
        moments.extend(
            self.zone.following(now).take(MAX_TRANSITIONS).map(|change| change.timestamp()),
        );
        moments.retain(|moment| *moment > now);
        moments.sort_unstable();
        let change = moments.into_iter().find(|moment| self.holds(*moment) != inside)?;
        Some(Unix(change.as_millisecond()))
    }

    /// Returns how long something that is done every `every` waits from `at` for its first time: until the
    /// window is open and then a share of the interval, by the place that `phase` gives it, so that not
    /// everything begins at once. It is never more than half of the time that the window is open, or what is
    /// done seldom would miss it. While it is more than an hour until then, one asks again after an hour.
    pub fn wait(&self, at: Unix, every: Duration, phase: u64) -> Duration {
        let opens = if self.contains(at) { Some(at) } else { self.next_change(at) };
        let Some(opens) = opens else { return LONGEST_WAIT };
        let closes = self.next_change(opens);
        let until = opens.since(at);
        if until > LONGEST_WAIT {
            return LONGEST_WAIT;
        }
        let spread = closes.map_or(every, |closes| every.min(closes.since(opens) / 2));
        let share = phase % millis(spread.min(LONGEST_WAIT)).max(1);
        until + Duration::from_millis(share)
    }

    /// Returns by when something that was done at `last` and is due within `allowed` must have been done
    /// again: time outside does not count, and after each opening all of `allowed` is left. `None`: never,
    /// since the window does not open again.
    pub fn due_by(&self, last: Unix, allowed: Duration) -> Option<Unix> {
        let due = last + allowed;
        let opens = if self.contains(last) {
            match self.next_change(last) {
                Some(closes) if closes < due => self.next_change(closes)?,
                _ => return Some(due),
            }
        } else {
            self.next_change(last)?
        };
        Some(opens + allowed)
    }

    /// Returns true if everybody who reads the window means the same hours by it: its zone has a name.
    pub fn is_the_same_everywhere(&self) -> bool {
        self.zone.iana_name().is_some()
    }

    fn holds(&self, at: Timestamp) -> bool {
        let local = self.zone.to_datetime(at);
        let minute = minute_of(local.time());
        self.pieces.iter().any(|piece| piece.contains(local.weekday(), minute))
    }

    /// Every moment near `now` when the clock on the wall shows the begin or the end of a piece.
    fn borders(&self, now: Timestamp) -> Vec<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        let mut moments = Vec::new();
        for day in -1..HORIZON_DAYS {
            let Ok(date) = today.checked_add(day.days()) else { continue };
            for piece in &self.pieces {
                for minute in [piece.begin, piece.end] {
                    moments.extend(self.moments(date, minute));
                }
            }
        }
        moments
    }

    /// When the clock on the wall shows `minute` of `date`: twice where it is put back.
    fn moments(&self, date: Date, minute: u16) -> impl Iterator<Item = Timestamp> + use<> {
        let shown = at_minute(date, minute).map(|local| self.zone.to_ambiguous_timestamp(local));
        let both = shown.map(|shown| [shown.earlier(), shown.later()]);
        both.into_iter().flatten().filter_map(Result::ok)
    }
}

fn timestamp(at: Unix) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.0).ok()
}

fn minute_of(time: Time) -> u16 {
    u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs())
}

fn at_minute(date: Date, minute: u16) -> Option<DateTime> {
    let (date, minute) =
        if minute >= DAY { (date.tomorrow().ok()?, minute - DAY) } else { (date, minute) };
    let hour = i8::try_from(minute / 60).ok()?;
    let minute = i8::try_from(minute % 60).ok()?;
    Some(date.at(hour, minute, 0, 0))
}

impl fmt::Display for ActiveWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, piece) in self.pieces.iter().enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{piece}")?;
        }
        match self.zone.iana_name() {
            Some(zone) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{} {}-{}", self.days, show(self.begin), show(self.end))
    }
}

/// The days, from Monday.
pub(crate) const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("daily");
        }
        let mut runs: Vec<(u8, u8)> = Vec::new();
        for day in (0..7).filter(|day| self.has(*day)) {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == day => *last = day,
                _ => runs.push((day, day)),
            }
        }
        let name = |day: u8| NAMES.get(usize::from(day)).copied().unwrap_or_default();
        let runs: Vec<String> = runs
            .into_iter()
            .map(|(first, last)| match last - first {
                0 => name(first).to_owned(),
                1 => format!("{},{}", name(first), name(last)),
                _ => format!("{}-{}", name(first), name(last)),
            })
            .collect();
        f.write_str(&runs.join(","))
    }
}

#[cfg(test)]
mod tests;
