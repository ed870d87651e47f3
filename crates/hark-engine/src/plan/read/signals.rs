//! What stands under a metric about something that is derived from it: `over`, `growth`, `full_in`, `deviation`,
//! `absent_after`.

use std::ops::RangeInclusive;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use hark_signals::{By, Season};

use super::thresholds::{ANY, CONFIRM_KEYS, joined, read_confirm};
use crate::plan::signal::{Measure, Per, Side, Terms};
use crate::plan::threshold::{Limits, Operator};

/// What stands under `growth`.
pub(super) const GROWTH_KEYS: &[Key] = &joined::<14>(
    &[
        Key::new(
            "per",
            Kind::OneOf(&["minute", "hour", "day"]),
            "In what time growth is counted, in the limits and in what is said of it.",
        )
        .default("hour"),
        OVER,
    ],
    CONFIRM_KEYS,
);

/// What stands under `full_in`; its limits are times.
pub(super) const FULL_IN_KEYS: &[Key] = &joined::<15>(
    &[
        Key::new(
            "full",
            Kind::Number,
            "The value at which it is full; 100 where it is a percentage.",
        ),
        Key::new("empty", Kind::Number, "The value at which it is empty, of what runs dry."),
        OVER,
    ],
    CONFIRM_KEYS,
);

/// What stands under `deviation`; its limits are usual deviations.
pub(super) const DEVIATION_KEYS: &[Key] = &joined::<17>(
    &[
        Key::new(
            "least",
            Kind::Number,
            "A smaller difference is never told; a tenth of what is usual, unless given.",
        ),
        Key::new("weeks", Kind::Integer, "How many weeks are looked back.").default("5"),
        Key::new(
            "season",
            Kind::OneOf(&["week", "day"]),
            "What comes back: each hour of the week, or of the day whatever day it is.",
        )
        .default("week"),
        Key::new("side", Kind::OneOf(&["both", "above", "below"]), "On which side it is noticed.")
            .default("both"),
        Key::new("over", Kind::Duration, "The last while whose mean is compared.").default("1h"),
    ],
    CONFIRM_KEYS,
);

const OVER: Key =
    Key::new("over", Kind::Duration, "The last while that a line is laid through.").default("6h");

/// A window is as long as several values at least, and no longer than its points are worth.
const WINDOWS: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 31);

/// What is counted needs every single value, which history gives for so long after a start.
const COUNTED: Duration = Duration::from_hours(6);

/// A line needs some points that are not the same moment.
const LINES: RangeInclusive<Duration> = Duration::from_mins(10)..=Duration::from_hours(24 * 31);

/// A mean that is compared with those of hours is not of much more than an hour.
const COMPARED: RangeInclusive<Duration> = Duration::from_mins(10)..=Duration::from_hours(6);

/// Fewer weeks are no habit, and more of them another year.
const WEEKS: RangeInclusive<u64> = 3..=20;

/// Reads what makes a window of a metric's own limits.
pub(super) fn window(section: &Section<'_>) -> Terms {
    let by = section.value("by").and_then(|value| {
        let word = value.str()?;
        let by = By::parse(word);
        if by.is_none() {
            let known = By::WORDS.iter().map(|(word, _)| *word);
            value
                .error(format!("`{word}` is no way to make one value of many"))
                .nearest(word, known.clone())
                .hint(format!(
                    "there are {} and quantiles such as p95",
                    known.collect::<Vec<_>>().join(", ")
                ));
        }
        by
    });
    let over = over(section, &WINDOWS);
    if matches!(by, Some(By::Sum | By::Count)) && over.is_some_and(|over| over > COUNTED) {
        let most = hark_config::duration::format(COUNTED);
        section
            .error("over", format!("a sum or a number of values is of {most} at most"))
            .hint("older values are kept as means alone: `by: avg` looks at as long as you like");
    }
    Terms { over, by, ..Terms::default() }
}

fn over(section: &Section<'_>, within: &RangeInclusive<Duration>) -> Option<Duration> {
    let over = section.opt_duration("over", Bare::Seconds)?;
    if within.contains(&over) {
        return Some(over);
    }
    let show = hark_config::duration::format;
    let (least, most) = (show(*within.start()), show(*within.end()));
    section.error("over", format!("a while is between {least} and {most} long"));
    Some(over)
}

/// Reads the limits of everything that is derived from a metric.
pub(super) fn read(section: &Section<'_>) -> Vec<(Measure, Limits)> {
    let derived = Measure::ALL.into_iter().filter(|measure| *measure != Measure::Value);
    derived.filter_map(|measure| Some((measure, read_one(section, measure)?))).collect()
}

fn read_one(section: &Section<'_>, measure: Measure) -> Option<Limits> {
    let value = section.value(measure.word())?;
    if value.is_null() {
        return None;
    }
    if !value.is_map() {
        // The short form says where warning begins.
        let warning = match measure {
            Measure::Value => None,
            Measure::Growth | Measure::Deviation => value.f64(ANY),
            Measure::FullIn | Measure::Absence => {
                value.duration(Bare::Seconds).map(|time| time.as_secs_f64())
            }
        };
        return Some(Limits { warning: Some(warning?), ..Limits::default() });
    }
    let inner = value.section()?;
    let level = |key| match measure {
        Measure::Value | Measure::Growth => inner.opt_f64(key, ANY),
        Measure::Deviation => inner.opt_f64(key, 0.1..=1000.0),
        Measure::FullIn | Measure::Absence => {
            inner.opt_duration(key, Bare::Seconds).map(|time| time.as_secs_f64())
        }
    };
    let limits = Limits {
        warning: level("warning"),
        critical: level("critical"),
        warning_clear: level("warning_clear"),
        critical_clear: level("critical_clear"),
        operator: inner.word("operator", &Operator::WORDS),
        terms: terms(&inner, measure),
        ..read_confirm(&inner)
    };
    inner.finish(match measure {
        Measure::Value | Measure::Growth => GROWTH_KEYS,
        Measure::FullIn => FULL_IN_KEYS,
        Measure::Deviation => DEVIATION_KEYS,
        Measure::Absence => CONFIRM_KEYS,
    });
    Some(limits)
}

fn terms(inner: &Section<'_>, measure: Measure) -> Terms {
    match measure {
        Measure::Value | Measure::Growth => Terms {
            over: over(inner, &LINES),
            per: inner.word("per", &Per::WORDS),
            ..Terms::default()
        },
        Measure::Deviation => Terms {
            over: over(inner, &COMPARED),
            weeks: inner.opt_u64("weeks", WEEKS).and_then(|weeks| u32::try_from(weeks).ok()),
            season: inner.word("season", &Season::WORDS),
            least: inner.opt_f64("least", 0.0..=f64::MAX),
            side: inner.word("side", &Side::WORDS),
            ..Terms::default()
        },
        Measure::Absence => Terms::default(),
        Measure::FullIn => Terms {
            over: over(inner, &LINES),
            full: inner.opt_f64("full", ANY),
            empty: inner.opt_f64("empty", ANY),
            ..Terms::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};
    use hark_model::{SeriesName, Status, Unit};

    use crate::plan::{Measure, Signal, read};

    fn faults(text: &str) -> Vec<String> {
        let document = Document::single(text);
        drop(read(&document.root(&NoSecrets)));
        let place = |span| document.diagnostics().position(span);
        let all = document.diagnostics().list();
        all.into_iter()
            .map(|found| (place(found.span), found.message))
            .map(|(at, message)| format!("{}:{} {message}", at.line, at.column))
            .collect()
    }

    /// Returns the rule in words of what is measured of a series.
    fn rule(text: &str, measure: Measure) -> String {
        let document = Document::single(text);
        let plan = read(&document.root(&NoSecrets));
        let plan = plan.unwrap_or_else(|| panic!("{:?}", document.diagnostics().list()));
        let series = SeriesName::of("disk_monitor", "/", "percent");
        let threshold = plan.unnamed().thresholds.of(&series, measure).expect("a threshold");
        let level = if threshold.warning.is_some() { Status::Warning } else { Status::Critical };
        format!("{} ({})", threshold.words(level, Unit::Percent), threshold.signal.words())
    }

    #[test]
    fn limits_are_about_what_they_say() {
        for (limits, measure, expected) in [
            (
                "{warning: 80, over: 10m}",
                Measure::Value,
                "above 80.0 %, clears at 72.0 % (mean of the last 10 min)",
            ),
            (
                "{critical: 80, over: 1h, by: p95}",
                Measure::Value,
                "above 80.0 %, clears at 72.0 % (p95 of the last 1 h)",
            ),
            (
                "{growth: 5}",
                Measure::Growth,
                "above 5.0 % an hour, clears at 4.5 % an hour (growth over the last 6 h)",
            ),
            (
                "{growth: {critical: 5, per: day, over: 2d, hysteresis: 0}}",
                Measure::Growth,
                "above 5.0 % a day, clears at 5.0 % a day (growth over the last 2 days)",
            ),
            (
                "{full_in: 4h}",
                Measure::FullIn,
                "below 4 h, clears at 4 h 24 min (time until full (at 100.0), by the last 6 h)",
            ),
            (
                "{deviation: 4}",
                Measure::Deviation,
                "above 4.0 deviations, clears at 3.6 deviations (deviation of the mean of the last 1 h from what \
                 is usual at the hour, by 5 weeks)",
            ),
            (
                "{deviation: {warning: 4, season: day, weeks: 3}}",
                Measure::Deviation,
                "above 4.0 deviations, clears at 3.6 deviations (deviation of the mean of the last 1 h from what \
                 is usual at the hour, by 21 days)",
            ),
            (
                "{absent_after: {critical: 1d}}",
                Measure::Absence,
                "above 24 h, clears at 21 h 36 min (time without a value)",
            ),
            (
                "{full_in: {critical: 2h, empty: 5, over: 1h}}",
                Measure::FullIn,
                "below 2 h, clears at 2 h 12 min (time until empty (at 5.0), by the last 1 h)",
            ),
        ] {
            let text = format!("thresholds: {{disk_monitor: {{percent: {limits}}}}}\n");
            assert_eq!(rule(&text, measure), expected, "{limits}");
        }
    }

    #[test]
    fn each_layer_may_say_a_part() {
        let text = "thresholds: {disk_monitor: {percent: {warning: 90, full_in: {warning: 1d}}}}\n\
             threshold_configs:\n  default: {thresholds: {disk_monitor: {partitions: {/: {percent: \
             {full_in: {critical: 4h, over: 2h}}}}}}}\n";
        let expected =
            "below 24 h, clears at 26 h 24 min (time until full (at 100.0), by the last 2 h)";
        assert_eq!(rule(text, Measure::FullIn), expected);
        let document = Document::single(text);
        let plan = read(&document.root(&NoSecrets)).unwrap();
        let other = SeriesName::of("disk_monitor", "/home", "percent");
        let all: Vec<Measure> =
            plan.unnamed().thresholds.all_of(&other).map(|(measure, _)| measure).collect();
        assert_eq!(all, [Measure::Value, Measure::FullIn]);
        let newest = plan.unnamed().thresholds.of_series(&other).unwrap();
        assert_eq!(newest.signal, Signal::Newest);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_its_place() {
        for (limits, expected) in [
            ("{warning: 80, over: 5s}", "1:54 a while is between 1m and 31d long"),
            (
                "{warning: 80, over: 1h, by: mean}",
                "1:62 `mean` is no way to make one value of many",
            ),
            (
                "{warning: 80, by: max}",
                "1:31 `by: max` makes one value of those of a while: it needs `over`, for example \
                 `over: 10m`",
            ),
            (
                "{warning: 80, over: 1d, by: sum}",
                "1:54 a sum or a number of values is of 6h at most",
            ),
            (
                "{full_in: 4h}",
                "1:35 `full_in` needs `full` or `empty`: the value at which it is so",
            ),
            (
                "{full_in: {warning: 4h, full: 9, empty: 1}}",
                "1:35 `full` and `empty` exclude each other: something fills up or runs dry",
            ),
            (
                "{full_in: {warning: 4h, critical: 1d, full: 9}}",
                "1:35 warning (4 h) lies beyond critical (24 h): warning must come first",
            ),
            (
                "{deviation: {warning: 4, weeks: 2}}",
                "1:66 a whole number from 3 to 20 is expected, not `2`",
            ),
            (
                "{deviation: {warning: 4, side: up}}",
                "1:65 `up` is not one of `both`, `above`, `below`",
            ),
            ("{deviation: {warning: 4, full: 9}}", "1:59 unknown key `full`"),
            (
                "{absent_after: often}",
                "1:49 `often` is not a duration: write a number and a unit, such as 30s, 5m, 1h30m or 2d",
            ),
            ("{growth: {per: hour}}", "1:35 neither `warning` nor `critical` is given"),
            (
                "{growth: {warning: 1, per: week}}",
                "1:61 `week` is not one of `minute`, `hour`, `day`",
            ),
            ("{growth: {warning: 1, over: 1m}}", "1:62 a while is between 10m and 31d long"),
            ("{growth: fast}", "1:43 a number is expected, not `fast`"),
        ] {
            let text = format!("thresholds: {{memory_monitor: {{x: {limits}}}}}\n");
            assert_eq!(faults(&text), [expected], "{limits}");
        }
        let rtt = faults("thresholds: {rtt: {web1: {warning: 50, growth: 5}}}\n");
        assert_eq!(rtt, ["1:48 a round trip time is not kept: nothing of its past is known"]);
        let rtt = faults("thresholds: {rtt: {web1: {warning: 50, over: 5m, by: p95}}}\n");
        assert!(rtt.is_empty(), "{rtt:?}");
    }

    #[test]
    fn a_metric_may_be_called_as_something_derived() {
        let text = "thresholds: {sensors: {growth: {warning: 5}}}\n";
        let document = Document::single(text);
        let plan = read(&document.root(&NoSecrets)).unwrap();
        let series = SeriesName::plain("sensors", "growth");
        assert!(plan.unnamed().thresholds.of_series(&series).is_some());
    }
}
