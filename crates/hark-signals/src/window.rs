//! The last while of a series, and what it comes to.

use std::collections::VecDeque;
use std::time::Duration;

use hark_model::Unix;

use crate::stats::{median, quantile};

/// So many points a window keeps, and one that is leaving: enough for a line or a quantile, and a kilobyte for
/// each series that is looked at so. Where more values come than that, those that lie together become one
/// point.
pub const SLOTS: i64 = 60;

/// How the values of a window become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    /// Their mean.
    Avg,
    /// The lowest.
    Min,
    /// The highest.
    Max,
    /// Their sum.
    Sum,
    /// How many there are.
    Count,
    /// The value below which this share of them lies (0 to 1).
    Quantile(f64),
    /// What a counter grew by in a second; where it falls it began again at zero.
    Rate,
    /// The newest less the oldest.
    Delta,
}

impl By {
    /// Every one that has no number, with its word.
    pub const WORDS: [(&'static str, Self); 7] = [
        ("avg", Self::Avg),
        ("min", Self::Min),
        ("max", Self::Max),
        ("sum", Self::Sum),
        ("count", Self::Count),
        ("rate", Self::Rate),
        ("delta", Self::Delta),
    ];

    /// Reads `avg`, `max`, `p95`, `p99.9` and their like.
    pub fn parse(word: &str) -> Option<Self> {
        if let Some((_, by)) = Self::WORDS.iter().find(|(known, _)| *known == word) {
            return Some(*by);
        }
        let percent: f64 = word.strip_prefix('p')?.parse().ok()?;
        (0.0..=100.0).contains(&percent).then_some(Self::Quantile(percent / 100.0))
    }

    /// Returns its word.
    pub fn word(self) -> String {
        if let Self::Quantile(share) = self {
            // Hundreds of a number below one are not exact: `p99.9` is read as 0.9990000000000001.
            return format!("p{}", (share * 1e8).round() / 1e6);
        }
        let known = Self::WORDS.iter().find(|(_, by)| *by == self);
        known.map_or("", |(word, _)| word).to_owned()
    }

    /// Returns it as it stands in a sentence, before "of the last 10 min".
    pub fn phrase(self) -> String {
        match self {
            Self::Avg => "mean".to_owned(),
            Self::Min => "lowest".to_owned(),
            Self::Max => "highest".to_owned(),
            Self::Sum => "sum".to_owned(),
            Self::Count => "number of values".to_owned(),
            Self::Quantile(_) => self.word(),
            Self::Rate => "growth in a second".to_owned(),
            Self::Delta => "change".to_owned(),
        }
    }

    /// Returns what values that lie together become.
    fn fold(self) -> Fold {
        match self {
            Self::Avg | Self::Count | Self::Quantile(_) => Fold::Mean,
            Self::Min => Fold::Least,
            Self::Max => Fold::Most,
            Self::Sum => Fold::Sum,
            Self::Rate => Fold::Counter,
            Self::Delta => Fold::Newest,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fold {
    Mean,
    Least,
    Most,
    Sum,
    Newest,
    /// As the newest, of what a counter has counted since the window began.
    Counter,
}

/// One point: values that lie within a sixtieth of the window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slot {
    /// When, in milliseconds since 1970, above 20 bits for how many values: both in eight bytes, as there are
    /// sixty of these for each series. Enough until the year 2527, and for a value each millisecond of a
    /// quarter of an hour.
    stamp: u64,
    value: f64,
}

const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

impl Slot {
    fn new(at: i64, count: u64, value: f64) -> Self {
        let at = u64::try_from(at).unwrap_or(0);
        Self { stamp: at << COUNT_BITS | count.min(COUNT_MASK), value }
    }

    fn at(self) -> i64 {
        i64::try_from(self.stamp >> COUNT_BITS).unwrap_or(i64::MAX)
    }

    fn count(self) -> u64 {
        self.stamp & COUNT_MASK
    }

    /// Takes another value in.
    #[expect(clippy::cast_precision_loss, reason = "a count of twenty bits")]
    fn fold(self, at: i64, value: f64, fold: Fold) -> Self {
        let count = self.count() + 1;
        let each = count as f64;
        match fold {
            Fold::Mean => {
                // Its time is the mean as well, so that a line through means is not late.
                let mean_at = self.at() + (at - self.at()) / i64::try_from(count).unwrap_or(1);
                Self::new(mean_at, count, self.value + (value - self.value) / each)
            }
            Fold::Least => Self::new(at, count, self.value.min(value)),
            Fold::Most => Self::new(at, count, self.value.max(value)),
            Fold::Sum => Self::new(at, count, self.value + value),
            Fold::Newest | Fold::Counter => Self::new(at, count, value),
        }
    }
}

/// What a window comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The value; in the window's own words, see [`By`].
    pub value: f64,
    /// From so many values.
    pub values: u64,
    /// The share of the window that has values, 0 to 1.
    pub covered: f64,
}

/// The last while of one series, in at most some sixty points.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    over_ms: i64,
    fold: Fold,
    slots: VecDeque<Slot>,
    /// The newest value as it came, and what a counter had counted before it began again.
    newest: f64,
    before: f64,
}

impl Window {
    /// Makes an empty window of this length, for this.
    pub fn new(over: Duration, by: By) -> Self {
        let over_ms = i64::try_from(hark_model::time::millis(over)).unwrap_or(i64::MAX).max(SLOTS);
        Self { over_ms, fold: by.fold(), slots: VecDeque::new(), newest: f64::NAN, before: 0.0 }
    }

    /// Takes a value; one that is not newer than the newest is left out, and so is one that is no number.
    pub fn push(&mut self, at: Unix, value: f64) {
        let is_newer = self.slots.back().is_none_or(|slot| slot.at() < at.0);
        if !value.is_finite() || !is_newer || at.0 < 0 {
            return;
        }
        if value < self.newest {
            self.before += self.newest;
        }
        self.newest = value;
        let value = if self.fold == Fold::Counter { self.before + value } else { value };
        let place = self.place(at.0);
        match self.slots.back_mut() {
            Some(slot) if slot.at().div_euclid((self.over_ms / SLOTS).max(1)) == place => {
                *slot = slot.fold(at.0, value, self.fold);
            }
            _ => self.slots.push_back(Slot::new(at.0, 1, value)),
        }
        self.forget(at);
    }

    /// Puts what was before it in front: values that history has, oldest first. Those that are here already are
    /// left out. Of a counter they are what it has counted in all.
    pub fn recall(&mut self, past: &[(Unix, f64)]) {
        let here = std::mem::take(&mut self.slots);
        let (newest, before) = (self.newest, self.before);
        let end = here.front().map_or(i64::MAX, |slot| slot.at());
        let first_place = here.front().map_or(i64::MAX, |slot| self.place(slot.at()));
        (self.newest, self.before) = (f64::NAN, 0.0);
        for (at, value) in past {
            // The first point of those that are here may have begun before: it is whole as it is.
            if at.0 < end && self.place(at.0) < first_place {
                self.push(*at, *value);
            }
        }
        if !here.is_empty() {
            let shift = self.shift(past, &here, end);
            for slot in &mut self.slots {
                slot.value += shift;
            }
            (self.newest, self.before) = (newest, before);
            self.slots.extend(here);
        }
        if let Some(slot) = self.slots.back() {
            self.forget(Unix(slot.at()));
        }
    }

    /// Returns what is to be added to counts from history so that they go on in those that are here.
    fn shift(&self, past: &[(Unix, f64)], here: &VecDeque<Slot>, end: i64) -> f64 {
        let (Fold::Counter, Some(first)) = (self.fold, here.front()) else { return 0.0 };
        let Some(recalled) = self.slots.back() else { return 0.0 };
        // What history counted until the first point that is here.
        let then = past.iter().take_while(|(at, _)| at.0 <= end).last();
        let grown = then.map_or(0.0, |(_, value)| (value - recalled.value).max(0.0));
        first.value - grown - recalled.value
    }

    fn place(&self, at: i64) -> i64 {
        at.div_euclid((self.over_ms / SLOTS).max(1))
    }

    fn forget(&mut self, now: Unix) {
        while self.slots.front().is_some_and(|slot| slot.at() <= now.0 - self.over_ms) {
            self.slots.pop_front();
        }
    }

    /// Returns how long it is.
    pub fn over(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.over_ms).unwrap_or(0))
    }

    /// Returns when its oldest point was.
    pub fn oldest(&self) -> Option<Unix> {
        self.slots.front().map(|slot| Unix(slot.at()))
    }

    /// Returns when its newest point was.
    pub fn newest(&self) -> Option<Unix> {
        self.slots.back().map(|slot| Unix(slot.at()))
    }

    /// Returns its points, oldest first.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = (Unix, f64)> {
        self.slots.iter().map(|slot| (Unix(slot.at()), slot.value))
    }

    /// Returns how many points it has.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns true if it has none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Returns the share of it that has values. Each point stands for the usual distance between two of them;
    /// a single one for `spacing`.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of days")]
    pub fn covered(&self, spacing: Duration) -> f64 {
        let pairs = self.slots.iter().zip(self.slots.iter().skip(1));
        let mut distances: Vec<f64> = pairs.map(|(a, b)| (b.at() - a.at()) as f64).collect();
        let usual = median(&mut distances).unwrap_or(spacing.as_secs_f64() * 1000.0);
        let held = usual * self.slots.len() as f64;
        (held / self.over_ms as f64).min(1.0)
    }

    /// Returns what it comes to; `None` without a value, or where two are needed and there is one.
    pub fn read(&self, by: By, spacing: Duration) -> Option<Reading> {
        let values = || self.slots.iter().map(|slot| slot.value);
        let count: u64 = self.slots.iter().map(|slot| slot.count()).sum();
        #[expect(clippy::cast_precision_loss, reason = "counts of values within days")]
        let value = match by {
            By::Avg => {
                let weighed = self.slots.iter().map(|slot| slot.value * slot.count() as f64);
                weighed.sum::<f64>() / count as f64
            }
            By::Min => values().min_by(f64::total_cmp)?,
            By::Max => values().max_by(f64::total_cmp)?,
            By::Sum => values().sum(),
            By::Count => count as f64,
            By::Quantile(q) => quantile(&mut values().collect::<Vec<_>>(), q)?,
            By::Rate | By::Delta => {
                let (first, last) = (self.slots.front()?, self.slots.back()?);
                let seconds = (last.at() - first.at()) as f64 / 1000.0;
                if seconds <= 0.0 {
                    return None;
                }
                let change = last.value - first.value;
                if by == By::Rate { change / seconds } else { change }
            }
        };
        if self.slots.is_empty() {
            return None;
        }
        Some(Reading { value, values: count, covered: self.covered(spacing) })
    }
}

#[cfg(test)]
mod tests;
