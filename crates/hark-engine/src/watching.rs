//! What a check knows of the past of its series, where its threshold looks at more than the newest value.
//!
//! The windows live here, in the engine: a kilobyte for each series that is looked at so, no question to the
//! disk while values come, and the same inputs give the same results. After a start they are empty; what
//! history has of them is asked for once ([`crate::Effect::Recall`]) and put in front when it comes.

use std::time::Duration;

use hark_model::sample::show;
use hark_model::{Unit, Unix};
use hark_signals::{
    Band, By, Fit, Outlook, Quiet, Reading, SLOTS, Teeth, Toward, Window, outlook, steady,
};

use crate::effect::{Column, Recall};
use crate::input::{Expected, Recalled};
use crate::moment::Moment;
use crate::plan::signal::{Per, Side, Signal, Usual};
use crate::words::{amount, lasting, short, weekday};

/// Of a window so much must have values, else it says nothing (rule 6.4).
const LEAST_COVERED: f64 = 0.5;

/// History is asked again after this long without an answer: it may have been stopped.
const ASK_AGAIN: Duration = Duration::from_mins(10);

/// What is usual is asked for again after this long: it is known for some hours more.
const RENEW: Duration = Duration::from_hours(20);

/// What is known of the past, and what it came to last.
#[derive(Debug)]
pub(crate) struct Watching {
    signal: Signal,
    window: Window,
    teeth: Option<Box<Teeth>>,
    expected: Option<Box<Expected>>,
    said: Said,
    /// Which part of the window was the newest when a line was laid through it last.
    looked: i64,
    /// When history is asked next.
    ask_at: Moment,
    /// When the first value came: what was before it is known from history alone.
    since: Option<Moment>,
}

/// What came of the last look.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Nothing,
    Reading(Reading),
    Growth(Result<Fit, Quiet>),
    Outlook(Outlook),
    Deviation(Deviation),
    /// Too few earlier hours say what is usual.
    Young,
}

/// How far something is from what is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Deviation {
    mean: f64,
    band: Band,
    /// In usual deviations; negative if it is below.
    above: f64,
    /// One usual deviation, not below what `least` makes of it.
    one: f64,
}

/// What a look says about the threshold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is too early to say something: what is believed stays as it is.
    Wait,
    /// This is what is held against the limits; infinite where nothing is in sight.
    Value(f64),
    /// It cannot tell, and why (rules A8, A9).
    CannotTell(String),
}

/// What a look needs to know beside the values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// This moment.
    pub(crate) now: Moment,
    /// Since when the host has been listened to without a break.
    pub(crate) whole_since: Moment,
    /// How far values are apart at least.
    pub(crate) spacing: Duration,
    /// Whether something was said before, that a small doubt does not take back.
    pub(crate) held: bool,
    /// Whether it must be looked at now.
    pub(crate) must: bool,
}

impl Watching {
    /// Makes one that knows nothing; `None` for the newest value, which needs no past.
    pub(crate) fn new(signal: Signal) -> Option<Self> {
        let (over, by) = match signal {
            Signal::Newest | Signal::Absence => return None,
            Signal::Window { over, by } => (over, by),
            Signal::Growth { over, .. }
            | Signal::FullIn { over, .. }
            | Signal::Deviation { over, .. } => (over, By::Avg),
        };
        let teeth = matches!(signal, Signal::FullIn { .. }).then(Box::default);
        Some(Self {
            signal,
            window: Window::new(over, by),
            teeth,
            expected: None,
            said: Said::Nothing,
            looked: i64::MIN,
            ask_at: Moment::LONG_AGO,
            since: None,
        })
    }

    /// Returns what it looks at.
    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    /// Returns what is to be asked of history, if it is time to.
    pub(crate) fn asks(&mut self, now: Moment) -> Option<Recall> {
        if now < self.ask_at {
            return None;
        }
        self.ask_at = now + ASK_AGAIN;
        Some(Recall {
            over: self.window.over(),
            column: match self.signal {
                Signal::Window { by: By::Min, .. } => Column::Least,
                Signal::Window { by: By::Max, .. } => Column::Most,
                Signal::Window { by: By::Rate, .. } => Column::Counted,
                Signal::Newest
                | Signal::Window { .. }
                | Signal::Growth { .. }
                | Signal::FullIn { .. }
                | Signal::Deviation { .. }
                | Signal::Absence => Column::Mean,
            },
            usual: match self.signal {
                Signal::Deviation { usual, .. } => Some(usual),
                Signal::Newest
                | Signal::Window { .. }
                | Signal::Growth { .. }
                | Signal::FullIn { .. }
                | Signal::Absence => None,
            },
            extremes: self.teeth.is_some().then_some(Teeth::REACH),
        })
    }

    /// Takes what history has.
    pub(crate) fn recalled(&mut self, past: Recalled, now: Moment) {
        self.ask_at = Moment::NEVER;
        if matches!(self.signal, Signal::Deviation { .. }) {
            self.ask_at = now + RENEW;
            self.expected = past.usual.map(Box::new);
        }
        self.window.recall(&past.values);
        if let Some(teeth) = &mut self.teeth {
            teeth.recall(&past.extremes);
        }
        self.looked = i64::MIN;
    }

    /// Takes a value, and says what all of them come to.
    pub(crate) fn take(&mut self, at: Unix, value: f64, how: Circumstances) -> Option<Verdict> {
        self.window.push(at, value);
        let since = (*self.since.get_or_insert(how.now)).max(how.whole_since);
        let whole = how.now.since(since) >= self.window.over();
        if let Some(teeth) = &mut self.teeth {
            teeth.push(at, value);
        }
        match self.signal {
            Signal::Newest | Signal::Absence => Some(Verdict::Value(value)),
            Signal::Deviation { side, .. } => Some(self.judged_deviation(at, side, whole, how)),
            Signal::Window { by, .. } => {
                let reading = self.window.read(by, how.spacing);
                self.said = reading.map_or(Said::Nothing, Said::Reading);
                Some(self.judged_window(reading, by == By::Count, whole))
            }
            Signal::Growth { .. } | Signal::FullIn { .. } => {
                // A line through sixty points is laid when there is a new point, not with each value.
                let place = at.0.div_euclid(self.step());
                if place == self.looked && !how.must {
                    return None;
                }
                self.looked = place;
                Some(self.judged_line(value, whole, how))
            }
        }
    }

    fn judged_deviation(
        &mut self,
        at: Unix,
        side: Side,
        whole: bool,
        how: Circumstances,
    ) -> Verdict {
        let reading = self.window.read(By::Avg, how.spacing);
        let verdict = self.judged_window(reading, false, whole);
        let Verdict::Value(mean) = verdict else { return verdict };
        // Nothing was asked long enough for an answer: what was said stands.
        let Some(expected) = &self.expected else { return Verdict::Wait };
        // The mean is that of the middle of its while.
        let middle = at - self.window.over() / 2;
        let Some(hour) = expected.at(middle) else {
            return Verdict::CannotTell(
                "history has not said what is usual at this hour".to_owned(),
            );
        };
        let Some(band) = hour else {
            self.said = Said::Young;
            return Verdict::Wait;
        };
        let one = self.signal.one(&band);
        // What never moved and has no least difference deviates by nothing that could be told.
        let above = if one > 0.0 { (mean - band.middle) / one } else { 0.0 };
        self.said = Said::Deviation(Deviation { mean, band, above, one });
        Verdict::Value(side.of(above))
    }

    fn step(&self) -> i64 {
        let over = i64::try_from(hark_model::time::millis(self.window.over())).unwrap_or(i64::MAX);
        (over / SLOTS).max(1)
    }

    fn judged_window(&self, reading: Option<Reading>, counts: bool, whole: bool) -> Verdict {
        let Some(reading) = reading else {
            return if whole {
                Verdict::CannotTell(format!(
                    "too few values in the last {}",
                    lasting(self.window.over().as_secs_f64())
                ))
            } else {
                Verdict::Wait
            };
        };
        // How many values there are says something only of a whole window, and then always.
        let enough = if counts { whole } else { reading.covered >= LEAST_COVERED };
        if enough {
            Verdict::Value(reading.value)
        } else if whole && !counts {
            Verdict::CannotTell(format!(
                "{} values cover {} % of the last {}: too few",
                reading.values,
                (reading.covered * 100.0).round(),
                lasting(self.window.over().as_secs_f64())
            ))
        } else {
            Verdict::Wait
        }
    }

    fn judged_line(&mut self, newest: f64, whole: bool, how: Circumstances) -> Verdict {
        let points: Vec<(Unix, f64)> = self.window.points().collect();
        let covered = self.window.covered(how.spacing) >= LEAST_COVERED;
        match self.signal {
            Signal::FullIn { toward, .. } if covered || toward.is_reached(newest) => {
                let teeth = self.teeth.get_or_insert_default();
                let found = outlook(&points, newest, toward, teeth, how.held);
                self.said = Said::Outlook(found);
                Verdict::Value(match found {
                    Outlook::Reached => 0.0,
                    Outlook::Reaches { in_s, .. } => in_s,
                    Outlook::Quiet(..) => f64::INFINITY,
                })
            }
            Signal::Growth { per, .. } if covered => {
                let found = steady(&points, how.held).map_err(|(why, _)| why);
                self.said = Said::Growth(found);
                Verdict::Value(found.map_or(0.0, |fit| fit.slope * per.seconds()))
            }
            Signal::Newest
            | Signal::Window { .. }
            | Signal::Growth { .. }
            | Signal::FullIn { .. }
            | Signal::Deviation { .. }
            | Signal::Absence => {
                if !whole {
                    return Verdict::Wait;
                }
                let over = lasting(self.window.over().as_secs_f64());
                Verdict::CannotTell(format!("too few values in the last {over} for a line"))
            }
        }
    }

    /// Returns how it came to what it says, in words that follow a value; empty if it says nothing.
    pub(crate) fn words(&self, unit: Unit) -> String {
        let over = lasting(self.window.over().as_secs_f64());
        match (self.said, self.signal) {
            (Said::Reading(reading), _) => {
                format!("{}, {} values", self.signal.words(), reading.values)
            }
            (Said::Growth(Ok(fit)), Signal::Growth { per, .. }) => {
                line(&fit, unit, per, self.window.over())
            }
            (Said::Growth(Err(why)), _) => quiet(why, unit, &over),
            (Said::Outlook(found), Signal::FullIn { toward, .. }) => {
                in_words(found, toward, unit, self.window.over())
            }
            (Said::Deviation(found), Signal::Deviation { usual, first, .. }) => {
                usual_in_words(&found, usual, first, unit, &over)
            }
            (Said::Young, Signal::Deviation { usual, .. }) => {
                format!(
                    "too young: it takes {} {} to know what is usual",
                    usual.least(),
                    usual.word()
                )
            }
            (
                Said::Nothing
                | Said::Outlook(_)
                | Said::Growth(Ok(_))
                | Said::Deviation(_)
                | Said::Young,
                _,
            ) => String::new(),
        }
    }

    /// Returns what stands in a message behind a value, or in place of it; empty if it says nothing.
    pub(crate) fn told(&self, unit: Unit) -> String {
        match self.said {
            Said::Reading(_) => self.signal.words(),
            Said::Growth(_)
            | Said::Outlook(_)
            | Said::Deviation(_)
            | Said::Young
            | Said::Nothing => self.words(unit),
        }
    }

    /// Returns what can be drawn beside the series.
    pub(crate) fn drawn(&self) -> Drawn {
        let points = || self.window.points().collect::<Vec<_>>();
        match self.said {
            Said::Reading(reading) if self.signal.is_of_the_series() => {
                let ends = self.window.oldest().zip(self.window.newest());
                Drawn {
                    line: ends
                        .map(|(from, to)| vec![(from, reading.value), (to, reading.value)])
                        .unwrap_or_default(),
                    reached_at: None,
                }
            }
            Said::Outlook(Outlook::Reaches { in_s, fit }) => {
                let at = fit.at + seconds(in_s);
                Drawn { line: along(&fit, at, &points()), reached_at: Some(at) }
            }
            Said::Growth(Ok(fit)) | Said::Outlook(Outlook::Quiet(_, Some(fit))) => {
                Drawn { line: along(&fit, fit.at, &points()), reached_at: None }
            }
            Said::Reading(_)
            | Said::Growth(Err(_))
            | Said::Outlook(Outlook::Reached | Outlook::Quiet(_, None))
            | Said::Young
            | Said::Nothing => Drawn::default(),
            Said::Deviation(found) => {
                let ends = self.window.oldest().zip(self.window.newest());
                Drawn {
                    line: ends
                        .map(|(from, to)| vec![(from, found.mean), (to, found.mean)])
                        .unwrap_or_default(),
                    reached_at: None,
                }
            }
        }
    }
}

/// What can be drawn of it in the chart of its series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// A line: when, and how high.
    pub line: Vec<(Unix, f64)>,
    /// When it is full, if that line goes on.
    pub reached_at: Option<Unix>,
}

impl Expected {
    /// Returns what is usual at a moment, between the middles of two hours in proportion; nothing outside of
    /// what was asked for, and nothing inside where there are too few earlier hours.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "hours of a few weeks"
    )]
    pub fn at(&self, at: Unix) -> Option<Option<Band>> {
        const HOUR_MS: f64 = 3_600_000.0;
        let place = (at.0 - self.from.0) as f64 / HOUR_MS - 0.5;
        if place < -0.5 || place > self.hours.len() as f64 - 0.5 {
            return None;
        }
        let before = self.hours.get(place.max(0.0).floor() as usize).copied().flatten();
        let after = self.hours.get(place.max(0.0).ceil() as usize).copied().flatten();
        Some(match (before, after) {
            (Some(one), Some(other)) => {
                let share = place.max(0.0).fract();
                let between = |a: f64, b: f64| a + (b - a) * share;
                Some(Band {
                    middle: between(one.middle, other.middle),
                    spread: between(one.spread, other.spread),
                    of: one.of.min(other.of),
                })
            }
            (one, other) => one.or(other),
        })
    }
}

/// Returns the ends of a line, from where its points begin to `to`.
fn along(fit: &Fit, to: Unix, points: &[(Unix, f64)]) -> Vec<(Unix, f64)> {
    let oldest = fit.at - seconds(fit.span_s);
    let from = points.first().map_or(oldest, |(at, _)| oldest.max(*at));
    vec![(from, fit.value_at(from)), (to, fit.value_at(to))]
}

/// Returns a time in the future that is told to people: no more than a hundred years.
fn seconds(number: f64) -> Duration {
    Duration::from_secs_f64(number.clamp(0.0, 100.0 * 365.25 * 86_400.0))
}

fn line(fit: &Fit, unit: Unit, per: Per, over: Duration) -> String {
    let word = if fit.slope < 0.0 { "falling" } else { "growing" };
    // The points of a full window reach back nearly as far as it does.
    let whole = over.as_secs_f64();
    let span_s = if fit.span_s > whole * 0.95 { whole } else { fit.span_s };
    format!(
        "{word} {} {} over the last {}",
        amount(fit.slope.abs() * per.seconds(), unit),
        per.phrase(),
        lasting(span_s)
    )
}

fn quiet(why: Quiet, unit: Unit, over: &str) -> String {
    match why {
        Quiet::Still => format!("no steady growth over the last {over}"),
        Quiet::Away => format!("moves away from it over the last {over}"),
        Quiet::Stopped => "has stopped growing".to_owned(),
        Quiet::Scattered => format!("the values of the last {over} are too far from any line"),
        Quiet::ComesBack { times, from } => format!(
            "no forecast: it came back from {} or more by itself {times} times in the last 8 days",
            unit.show((from * 10.0).round() / 10.0)
        ),
    }
}

fn usual_in_words(found: &Deviation, usual: Usual, first: f64, unit: Unit, over: &str) -> String {
    let Deviation { mean, band, one, .. } = found;
    let show = |value: f64| unit.show((value * 100.0).round() / 100.0);
    if *one <= 0.0 {
        return format!("it has never moved in {} {}: give `least`", band.of, usual.word());
    }
    format!(
        "mean {} over the last {over}, usual at this hour are {} to {} (median {} of {} {})",
        show(*mean),
        show(band.middle - first * one),
        show(band.middle + first * one),
        show(band.middle),
        band.of,
        usual.word()
    )
}

fn in_words(found: Outlook, toward: Toward, unit: Unit, over: Duration) -> String {
    let word = match toward {
        Toward::Up(_) => "full",
        Toward::Down(_) => "empty",
    };
    match found {
        Outlook::Reached => format!("is {word}: {} is reached", unit.show(toward.border())),
        Outlook::Reaches { in_s, fit } => format!(
            "at this pace {word} in {} ({}), {}",
            lasting(in_s),
            weekday(fit.at + seconds(in_s), fit.at),
            line(&fit, unit, Per::Hour, over)
        ),
        Outlook::Quiet(why, _) => quiet(why, unit, &lasting(over.as_secs_f64())),
    }
}

/// Returns a number and what it is, for where a value has a limit beside it.
pub(crate) fn with_words(value: f64, words: &str) -> String {
    match (value.is_finite(), words.is_empty()) {
        (true, true) => show(value),
        (true, false) => format!("{} ({words})", short(value)),
        (false, _) => words.to_owned(),
    }
}

#[cfg(test)]
mod tests;
