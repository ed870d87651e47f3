use hark_model::{Mono, Now};

use super::*;
use crate::plan::signal::Per;

/// A Friday, 00:00 UTC.
const START: i64 = 1_795_132_800_000;
const MINUTE: Duration = Duration::from_mins(1);

fn at(minutes: i64) -> Unix {
    Unix(START + minutes * 60_000)
}

fn how(minutes: i64) -> Circumstances {
    let mono = Mono(u64::try_from(minutes).unwrap() * 60_000);
    Circumstances {
        now: Moment::of(Now { mono, unix: at(minutes) }),
        whole_since: Moment::LONG_AGO,
        spacing: MINUTE,
        held: false,
        must: false,
    }
}

/// Feeds a value each minute and returns what was said last.
fn feed(watching: &mut Watching, values: impl IntoIterator<Item = f64>) -> Option<Verdict> {
    let mut last = None;
    for (minute, value) in (0..).zip(values) {
        last = watching.take(at(minute), value, how(minute)).or(last);
    }
    last
}

fn hours(n: u64) -> Duration {
    Duration::from_hours(n)
}

fn full_in() -> Watching {
    Watching::new(Signal::FullIn { over: hours(6), toward: Toward::Up(100.0) }).unwrap()
}

#[test]
fn the_newest_value_needs_no_past() {
    assert!(Watching::new(Signal::Newest).is_none());
}

#[test]
fn a_window_waits_until_half_of_it_has_values() {
    let mut window = Watching::new(Signal::Window { over: MINUTE * 10, by: By::Avg }).unwrap();
    for minute in 0..4 {
        assert_eq!(window.take(at(minute), 3.0, how(minute)), Some(Verdict::Wait), "{minute}");
    }
    assert_eq!(window.take(at(4), 8.0, how(4)), Some(Verdict::Value(4.0)));
    assert_eq!(window.words(Unit::Percent), "mean of the last 10 min, 5 values");
    let drawn = window.drawn();
    assert_eq!(drawn.line, [(at(0), 4.0), (at(4), 4.0)]);
    assert_eq!(drawn.reached_at, None);
}

#[test]
fn how_many_values_there_are_is_known_after_a_whole_window() {
    let mut window = Watching::new(Signal::Window { over: MINUTE * 10, by: By::Count }).unwrap();
    assert_eq!(feed(&mut window, [1.0; 10]), Some(Verdict::Wait));
    assert_eq!(window.take(at(10), 1.0, how(10)), Some(Verdict::Value(10.0)));
    // A gap makes them few: that is what is asked about.
    assert_eq!(window.take(at(19), 1.0, how(19)), Some(Verdict::Value(2.0)));
    assert!(window.drawn().line.is_empty(), "a number of values is no value of the series");
}

#[test]
fn after_a_gap_it_cannot_tell_but_not_after_one_of_the_host() {
    let gap = |whole_since: i64| {
        let mut window = Watching::new(Signal::Window { over: MINUTE * 10, by: By::Max }).unwrap();
        feed(&mut window, [1.0; 20]);
        for minute in [28, 29] {
            let how = Circumstances { whole_since: how(whole_since).now, ..how(minute) };
            let verdict = window.take(at(minute), 1.0, how).unwrap();
            if minute == 29 {
                return verdict;
            }
        }
        Verdict::Wait
    };
    let Verdict::CannotTell(why) = gap(0) else { panic!("it cannot tell") };
    assert_eq!(why, "2 values cover 20 % of the last 10 min: too few");
    assert_eq!(gap(28), Verdict::Wait);
}

#[test]
fn history_is_asked_once_and_again_if_it_does_not_answer() {
    let mut watching = full_in();
    let recall = watching.asks(how(0).now).unwrap();
    assert_eq!((recall.over, recall.extremes), (hours(6), Some(Teeth::REACH)));
    assert_eq!(watching.asks(how(9).now), None);
    assert!(watching.asks(how(10).now).is_some());
    watching.recalled(Recalled::default(), how(10).now);
    assert_eq!(watching.asks(how(1000).now), None);
}

#[test]
fn what_fills_up_is_told_with_the_pace_and_the_day() {
    let mut watching = full_in();
    // 2 an hour from 60 on: 84 after twelve hours, so full after eight more.
    let verdict = feed(&mut watching, (0..=720).map(|n| 60.0 + f64::from(n) / 30.0)).unwrap();
    let Verdict::Value(seconds) = verdict else { panic!("{verdict:?}") };
    assert!((seconds - 8.0 * 3600.0).abs() < 120.0, "{seconds}");
    assert_eq!(
        watching.words(Unit::Percent),
        "at this pace full in 8 h (Friday 20:00 UTC), growing 2.0 % an hour over the last 6 h"
    );
    let drawn = watching.drawn();
    let [(from, low), (to, high)] = drawn.line[..] else { panic!("{drawn:?}") };
    assert!((low - 72.0).abs() < 0.5 && (high - 100.0).abs() < 0.5, "{drawn:?}");
    assert!(from < at(370) && Some(to) == drawn.reached_at, "{drawn:?}");
}

#[test]
fn what_says_nothing_says_why() {
    for (values, expected) in [
        (vec![50.0; 400], "no steady growth over the last 6 h"),
        (
            (0..400).map(|n| 60.0 - f64::from(n) / 30.0).collect(),
            "moves away from it over the last 6 h",
        ),
        ((0..400).map(|n| f64::from(n.min(250)) / 10.0).collect(), "has stopped growing"),
        (vec![100.0; 400], "is full: 100.0 % is reached"),
    ] {
        let mut watching = full_in();
        let verdict = feed(&mut watching, values);
        assert_eq!(watching.words(Unit::Percent), expected);
        let nothing = expected.starts_with("is full");
        assert_eq!(verdict == Some(Verdict::Value(0.0)), nothing, "{verdict:?}");
    }
}

#[test]
fn a_line_is_laid_when_there_is_a_new_point() {
    let mut watching = full_in();
    let verdicts: Vec<_> =
        (0..60).map(|minute| watching.take(at(minute), 50.0, how(minute)).is_some()).collect();
    assert_eq!(verdicts.iter().filter(|looked| **looked).count(), 10, "each six minutes");
    let must = Circumstances { must: true, ..how(60) };
    assert!(watching.take(at(60), 50.0, must).is_some());
    assert!(watching.take(at(61), 50.0, Circumstances { must: true, ..how(61) }).is_some());
}

#[test]
fn growth_is_counted_in_the_time_that_is_asked_for() {
    for (per, expected, told) in [
        (Per::Minute, 0.5, "0.5 GiB a minute"),
        (Per::Hour, 30.0, "30.0 GiB an hour"),
        (Per::Day, 720.0, "720.0 GiB a day"),
    ] {
        let mut growth = Watching::new(Signal::Growth { over: hours(1), per }).unwrap();
        let verdict = feed(&mut growth, (0..120).map(|n| f64::from(n) * 0.5));
        let Some(Verdict::Value(value)) = verdict else { panic!("{verdict:?}") };
        assert!((value - expected).abs() < 1e-6, "{per:?}: {value}");
        let words = growth.words(Unit::Gibibytes);
        assert_eq!(words, format!("growing {told} over the last 1 h"));
    }
}

fn unusual() -> Watching {
    let usual = Usual { weeks: 5, season: hark_signals::Season::Week };
    let over = MINUTE * 10;
    let signal = Signal::Deviation { over, usual, least: Some(6.0), first: 3.0, side: Side::Below };
    Watching::new(signal).unwrap()
}

fn expected(hours: Vec<Option<f64>>) -> Recalled {
    let band = |middle: f64| Band { middle, spread: 1.0, of: 5 };
    let hours = hours.into_iter().map(|middle| middle.map(band)).collect();
    let usual = Some(Expected { from: at(0), hours });
    Recalled { usual, ..Recalled::default() }
}

#[test]
fn what_is_usual_goes_in_a_line_from_hour_to_hour() {
    let Some(usual) = expected(vec![Some(10.0), Some(20.0), None, None]).usual else { return };
    let middle = |minute: i64| usual.at(at(minute)).map(|band| band.map(|band| band.middle));
    assert_eq!(middle(0), Some(Some(10.0)));
    assert_eq!(middle(30), Some(Some(10.0)));
    assert_eq!(middle(60), Some(Some(15.0)));
    assert_eq!(middle(90), Some(Some(20.0)));
    assert_eq!(middle(120), Some(Some(20.0)), "where one of both is not known the other counts");
    assert_eq!(middle(160), Some(None), "too few weeks");
    assert_eq!(middle(-1), None);
    assert_eq!(middle(241), None, "nobody has said that");
}

#[test]
fn a_deviation_is_counted_in_what_is_usual_and_to_one_side() {
    let mut watching = unusual();
    assert_eq!(feed(&mut watching, [40.0; 20]), Some(Verdict::Wait), "nothing is known yet");
    watching.recalled(expected(vec![Some(50.0); 3]), how(20).now);
    let verdict = watching.take(at(21), 40.0, how(21));
    // Six at three deviations is two for each, and more than the one that is usual.
    assert_eq!(verdict, Some(Verdict::Value(5.0)));
    assert_eq!(
        watching.words(Unit::Percent),
        "mean 40.0 % over the last 10 min, usual at this hour are 44.0 % to 56.0 % (median 50.0 % of 5 weeks)"
    );
    watching.recalled(expected(vec![Some(30.0); 3]), how(22).now);
    assert_eq!(
        watching.take(at(23), 40.0, how(23)),
        Some(Verdict::Value(-5.0)),
        "above is no matter"
    );
    watching.recalled(expected(vec![None; 3]), how(24).now);
    assert_eq!(watching.take(at(25), 40.0, how(25)), Some(Verdict::Wait));
    assert_eq!(watching.words(Unit::Percent), "too young: it takes 3 weeks to know what is usual");
    watching.recalled(expected(vec![]), how(26).now);
    let verdict = watching.take(at(27), 40.0, how(27));
    assert!(matches!(verdict, Some(Verdict::CannotTell(_))), "{verdict:?}");
    assert_eq!(watching.asks(how(26 + 19 * 60).now), None);
    assert!(watching.asks(how(26 + 20 * 60).now).is_some(), "what is usual is asked for each day");
}

#[test]
fn what_never_moved_says_nothing_without_a_least_difference() {
    let usual = Usual { weeks: 5, season: hark_signals::Season::Week };
    let signal =
        Signal::Deviation { over: MINUTE * 10, usual, least: None, first: 4.0, side: Side::Both };
    let mut watching = Watching::new(signal).unwrap();
    let zero = Band { middle: 0.0, spread: 0.0, of: 5 };
    let past = Expected { from: at(0), hours: vec![Some(zero); 3] };
    watching.recalled(Recalled { usual: Some(past), ..Recalled::default() }, how(0).now);
    assert_eq!(feed(&mut watching, [7.0; 20]), Some(Verdict::Value(0.0)));
    assert_eq!(watching.words(Unit::None), "it has never moved in 5 weeks: give `least`");
}

#[test]
fn values_stand_before_their_words() {
    assert_eq!(with_words(92.5, ""), "92.5");
    assert_eq!(with_words(92.5, "mean"), "92.5 (mean)");
    assert_eq!(with_words(f64::NAN, "is full"), "is full");
}
