//! What of a series a threshold looks at: its newest value, or something that is derived from it.

use std::time::Duration;

use hark_model::{CheckName, NameError, SeriesName, Unit};
use hark_signals::{Band, By, LEAST_WEEKS, Season, Toward};

use super::threshold::LimitsError;
use crate::words::{amount, lasting, short};

/// What a series is asked for. Each has limits and a check of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Its value: the newest, or that of a window.
    #[default]
    Value,
    /// How fast it grows.
    Growth,
    /// When it is full.
    FullIn,
    /// How far it is from what is usual at the hour.
    Deviation,
    /// Whether it comes at all.
    Absence,
}

/// Stands between the path of a series and what is derived from it, in the name of a check: no metric of ours
/// and none of Prometheus' has it.
const MARK: char = '~';

impl Measure {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Value, Self::Growth, Self::FullIn, Self::Deviation, Self::Absence];

    /// Returns its key in the configuration; empty for the value, whose limits stand under the metric itself.
    pub fn word(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Growth => "growth",
            Self::FullIn => "full_in",
            Self::Deviation => "deviation",
            Self::Absence => "absent_after",
        }
    }

    /// Returns the name of the check that looks at this of a series: `disk_monitor./.percent~full_in`.
    ///
    /// # Errors
    /// If the path is longer than a check's name may be or has control characters.
    pub fn check(self, series: &SeriesName) -> Result<CheckName, NameError> {
        match self {
            Self::Value => series.check(),
            Self::Growth | Self::FullIn | Self::Deviation | Self::Absence => {
                CheckName::new(&self.path(&series.path()))
            }
        }
    }

    /// Returns the path of a metric with this behind it.
    pub fn path(self, path: &str) -> String {
        if self == Self::Value { path.to_owned() } else { format!("{path}{MARK}{}", self.word()) }
    }

    /// Takes the name of a check apart: the path of its series, and what it looks at.
    pub fn of_check(name: &str) -> (&str, Self) {
        let derived = name.rsplit_once(MARK).and_then(|(path, word)| {
            let measure = Self::ALL.into_iter().find(|measure| measure.word() == word)?;
            (measure != Self::Value).then_some((path, measure))
        });
        derived.unwrap_or((name, Self::Value))
    }

    /// Returns true if its limits are times, in seconds.
    pub fn is_time(self) -> bool {
        matches!(self, Self::FullIn | Self::Absence)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which measures there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measures(u8);

impl Measures {
    pub(crate) fn insert(&mut self, measure: Measure) {
        self.0 |= measure.bit();
    }

    pub(crate) fn has(self, measure: Measure) -> bool {
        self.0 & measure.bit() != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Measure> {
        Measure::ALL.into_iter().filter(move |measure| self.has(*measure))
    }
}

/// In what time growth is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// A minute.
    Minute,
    /// An hour.
    #[default]
    Hour,
    /// A day.
    Day,
}

impl Per {
    /// Every one with its word.
    pub const WORDS: [(&'static str, Self); 3] =
        [("minute", Self::Minute), ("hour", Self::Hour), ("day", Self::Day)];

    /// Returns how long it is.
    pub fn seconds(self) -> f64 {
        match self {
            Self::Minute => 60.0,
            Self::Hour => 3600.0,
            Self::Day => 86_400.0,
        }
    }

    /// Returns it as it follows an amount.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Minute => "a minute",
            Self::Hour => "an hour",
            Self::Day => "a day",
        }
    }
}

/// On which side of what is usual a value is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// On either.
    #[default]
    Both,
    /// If it is higher.
    Above,
    /// If it is lower.
    Below,
}

impl Side {
    /// Every one with its word.
    pub const WORDS: [(&'static str, Self); 3] =
        [("both", Self::Both), ("above", Self::Above), ("below", Self::Below)];

    /// Returns how far that is to this side, of a value that is so far above.
    pub fn of(self, above: f64) -> f64 {
        match self {
            Self::Both => above.abs(),
            Self::Above => above,
            Self::Below => -above,
        }
    }
}

/// What a layer of the configuration says about how something is derived; every key may be left to the layers
/// below.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Over how long.
    pub over: Option<Duration>,
    /// How the values of that time become one.
    pub by: Option<By>,
    /// In what time growth is counted.
    pub per: Option<Per>,
    /// At which value it is full.
    pub full: Option<f64>,
    /// At which value it is empty.
    pub empty: Option<f64>,
    /// How many weeks are looked back.
    pub weeks: Option<u32>,
    /// What comes back.
    pub season: Option<Season>,
    /// A difference that is smaller is none.
    pub least: Option<f64>,
    /// On which side.
    pub side: Option<Side>,
}

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Signal {
    /// The newest value.
    #[default]
    Newest,
    /// What the values of a while come to.
    Window {
        /// How long.
        over: Duration,
        /// How they become one.
        by: By,
    },
    /// How fast it grows, by a line through the values of a while.
    Growth {
        /// How long.
        over: Duration,
        /// In what time it is counted.
        per: Per,
    },
    /// In how many seconds it is full if that line goes on.
    FullIn {
        /// How long.
        over: Duration,
        /// When it is full.
        toward: Toward,
    },
    /// How far the mean of a while is from what is usual at the hour, in usual deviations.
    Deviation {
        /// How long.
        over: Duration,
        /// What is usual.
        usual: Usual,
        /// A difference that is smaller is none; a tenth of what is usual, unless given.
        least: Option<f64>,
        /// At how many deviations the first level begins.
        first: f64,
        /// On which side.
        side: Side,
    },
    /// For how many seconds no value has come.
    Absence,
}

/// Of which past something is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// How many weeks are looked back.
    pub weeks: u32,
    /// What comes back.
    pub season: Season,
}

impl Usual {
    /// Returns how many earlier hours an hour needs: three weeks, or a week of days.
    pub fn least(self) -> usize {
        match self.season {
            Season::Week => LEAST_WEEKS,
            Season::Day => 7,
        }
    }

    /// Returns how many earlier hours are looked at, in words: one of each week, or of each day.
    pub fn span(self) -> String {
        let n = match self.season {
            Season::Week => self.weeks,
            Season::Day => self.weeks.saturating_mul(7),
        };
        format!("{n} {}", self.word())
    }

    /// Returns what those earlier hours are called.
    pub fn word(self) -> &'static str {
        match self.season {
            Season::Week => "weeks",
            Season::Day => "days",
        }
    }
}

/// A difference of less than this share of what is usual is none, unless it is said what is.
const LEAST_SHARE: f64 = 0.1;

impl Terms {
    /// How far back a line is laid through, unless given.
    const TREND: Duration = Duration::from_hours(6);

    /// Of how long the mean is that is compared with what is usual, unless given: the means of earlier hours
    /// are those of an hour.
    const COMPARED: Duration = Duration::from_hours(1);

    /// How many weeks are looked back, unless given: a holiday in one of them leaves four.
    pub const WEEKS: u32 = 5;

    /// Lays `over` on top: what it gives wins, key by key.
    pub(super) fn overlay(&mut self, over: &Self) {
        self.over = over.over.or(self.over);
        self.by = over.by.or(self.by);
        self.per = over.per.or(self.per);
        self.weeks = over.weeks.or(self.weeks);
        self.season = over.season.or(self.season);
        self.least = over.least.or(self.least);
        self.side = over.side.or(self.side);
        // Both are the border: one alone holds.
        if over.full.is_some() || over.empty.is_some() {
            (self.full, self.empty) = (over.full, over.empty);
        }
    }

    /// Returns what they make of a series that counts in `unit`, where the first level begins at `first`.
    ///
    /// # Errors
    /// What is missing, or does not go together.
    pub(super) fn resolve(
        &self,
        measure: Measure,
        unit: Unit,
        first: f64,
    ) -> Result<Signal, LimitsError> {
        let over = self.over.unwrap_or(Self::TREND);
        match measure {
            Measure::Value => match (self.over, self.by) {
                (None, None) => Ok(Signal::Newest),
                (None, Some(by)) => Err(LimitsError::NoWindow { by: by.word() }),
                (Some(over), by) => Ok(Signal::Window { over, by: by.unwrap_or(By::Avg) }),
            },
            Measure::Growth => Ok(Signal::Growth { over, per: self.per.unwrap_or_default() }),
            Measure::FullIn => {
                let toward = match (self.full, self.empty) {
                    (Some(_), Some(_)) => return Err(LimitsError::TwoBorders),
                    (Some(full), None) => Toward::Up(full),
                    (None, Some(empty)) => Toward::Down(empty),
                    (None, None) if unit == Unit::Percent => Toward::Up(100.0),
                    (None, None) => return Err(LimitsError::NoBorder),
                };
                Ok(Signal::FullIn { over, toward })
            }
            Measure::Deviation => Ok(Signal::Deviation {
                over: self.over.unwrap_or(Self::COMPARED),
                usual: Usual {
                    weeks: self.weeks.unwrap_or(Self::WEEKS),
                    season: self.season.unwrap_or_default(),
                },
                least: self.least,
                first,
                side: self.side.unwrap_or_default(),
            }),
            Measure::Absence => Ok(Signal::Absence),
        }
    }
}

impl Signal {
    /// Returns which limits and which check it belongs to.
    pub fn measure(self) -> Measure {
        match self {
            Self::Newest | Self::Window { .. } => Measure::Value,
            Self::Growth { .. } => Measure::Growth,
            Self::FullIn { .. } => Measure::FullIn,
            Self::Deviation { .. } => Measure::Deviation,
            Self::Absence => Measure::Absence,
        }
    }

    /// Returns true if its limits are values of the series, and can be drawn beside them.
    pub fn is_of_the_series(self) -> bool {
        match self {
            Self::Newest => true,
            Self::Window { by, .. } => {
                matches!(by, By::Avg | By::Min | By::Max | By::Quantile(_))
            }
            Self::Growth { .. } | Self::FullIn { .. } | Self::Deviation { .. } | Self::Absence => {
                false
            }
        }
    }

    /// Returns what one usual deviation is: what it was, and no less than what a difference must be at least.
    pub(crate) fn one(self, band: &Band) -> f64 {
        let Self::Deviation { least, first, .. } = self else { return 0.0 };
        let least = least.unwrap_or(band.middle.abs() * LEAST_SHARE);
        band.spread.max(least / first.max(f64::MIN_POSITIVE))
    }

    /// Returns between which values nothing is told; `None` where it does not compare with what is usual.
    pub fn within(self, band: &Band) -> Option<(f64, f64)> {
        let Self::Deviation { first, .. } = self else { return None };
        let away = first * self.one(band);
        Some((band.middle - away, band.middle + away))
    }

    /// Returns a value of it as people read it, of a series that counts in `unit`.
    pub fn show(self, value: f64, unit: Unit) -> String {
        match self {
            Self::Window { by: By::Count, .. } => hark_model::sample::show(value),
            Self::Window { by: By::Rate, .. } => format!("{} a second", amount(value, unit)),
            Self::Newest | Self::Window { .. } => unit.show(value),
            Self::Growth { per, .. } => format!("{} {}", amount(value, unit), per.phrase()),
            Self::FullIn { .. } | Self::Absence => lasting(value),
            Self::Deviation { .. } => format!("{} deviations", short(value)),
        }
    }

    /// Returns by what it is judged, in words; empty for the newest value.
    pub fn words(self) -> String {
        match self {
            Self::Newest => String::new(),
            Self::Window { over, by } => {
                format!("{} of the last {}", by.phrase(), lasting(over.as_secs_f64()))
            }
            Self::Growth { over, .. } => {
                format!("growth over the last {}", lasting(over.as_secs_f64()))
            }
            Self::FullIn { over, toward } => {
                let (word, border) = match toward {
                    Toward::Up(border) => ("full", border),
                    Toward::Down(border) => ("empty", border),
                };
                format!(
                    "time until {word} (at {}), by the last {}",
                    hark_model::sample::show(border),
                    lasting(over.as_secs_f64())
                )
            }
            Self::Deviation { over, usual, .. } => format!(
                "deviation of the mean of the last {} from what is usual at the hour, by {}",
                lasting(over.as_secs_f64()),
                usual.span()
            ),
            Self::Absence => "time without a value".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_as_they_were_put_together() {
        for path in
            ["cpu_monitor.cpu_percent", "disk_monitor./.percent", "disk_monitor./a~b.percent"]
        {
            for measure in Measure::ALL {
                assert_eq!(Measure::of_check(&measure.path(path)), (path, measure));
            }
        }
        let foreign = "exporter.x.something~else";
        assert_eq!(Measure::of_check(foreign), (foreign, Measure::Value));
        assert_eq!(Measure::of_check("a.b~"), ("a.b~", Measure::Value));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let with = |terms: Terms, measure, unit| terms.resolve(measure, unit, 1.0);
        let by = Terms { by: Some(By::Max), ..Terms::default() };
        let refused = with(by, Measure::Value, Unit::None).unwrap_err();
        assert!(matches!(refused, LimitsError::NoWindow { .. }));
        let nothing = || Terms::default();
        assert_eq!(with(nothing(), Measure::FullIn, Unit::None), Err(LimitsError::NoBorder));
        let both = Terms { full: Some(1.0), empty: Some(0.0), ..Terms::default() };
        assert_eq!(with(both, Measure::FullIn, Unit::None), Err(LimitsError::TwoBorders));
        let percent = with(nothing(), Measure::FullIn, Unit::Percent).unwrap();
        let toward = Toward::Up(100.0);
        assert_eq!(percent, Signal::FullIn { over: Duration::from_hours(6), toward });
    }

    #[test]
    fn a_layer_replaces_a_border_by_the_other() {
        let mut below = Terms { full: Some(100.0), ..Terms::default() };
        below.overlay(&Terms { empty: Some(5.0), ..Terms::default() });
        assert_eq!((below.full, below.empty), (None, Some(5.0)));
        below.overlay(&Terms { over: Some(Duration::from_hours(1)), ..Terms::default() });
        assert_eq!((below.full, below.empty), (None, Some(5.0)));
    }

    #[test]
    fn values_are_shown_as_what_they_are() {
        let over = Duration::from_hours(6);
        for (signal, value, unit, expected) in [
            (Signal::Window { over, by: By::Avg }, 92.34, Unit::Percent, "92.34 %"),
            (Signal::Window { over, by: By::Count }, 40.0, Unit::Percent, "40.0"),
            (Signal::Window { over, by: By::Rate }, 2048.0, Unit::Bytes, "2.0 KiB a second"),
            (Signal::Growth { over, per: Per::Day }, 1.5, Unit::Gibibytes, "1.5 GiB a day"),
            (
                Signal::FullIn { over, toward: Toward::Up(100.0) },
                12_000.0,
                Unit::Percent,
                "3 h 20 min",
            ),
        ] {
            assert_eq!(signal.show(value, unit), expected);
        }
    }
}
