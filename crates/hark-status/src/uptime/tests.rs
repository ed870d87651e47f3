use hark_model::Status;

use super::*;
use crate::facts::{Condition, Trouble};
use crate::incident::Kind;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// 2026-03-29 in Berlin has 23 hours.
const NOON: Unix = Unix(1_774_864_800_000);

fn member(troubles: &[(i64, i64, Status)], planned: &[(i64, i64)]) -> Member {
    Member {
        now: Condition::Good,
        since: Unix(0),
        troubles: troubles
            .iter()
            .map(|(from, until, peak)| Trouble {
                from: Unix(*from),
                until: Some(Unix(*until)),
                peak: *peak,
            })
            .collect(),
        planned: planned
            .iter()
            .map(|(from, until)| Span { from: Unix(*from), until: Unix(*until) })
            .collect(),
    }
}

fn incident(from: i64, until: i64, impact: State) -> Incident {
    Incident {
        id: 1,
        kind: Kind::Incident,
        title: String::new(),
        components: vec!["api".to_owned()],
        impact,
        from: Unix(from),
        until: None,
        closed: Some(Unix(until)),
        updates: Vec::new(),
    }
}

/// Four days of UTC, the last of which is half over.
fn made(members: Vec<Member>, incidents: &[Incident]) -> Uptime {
    let now = Unix(3 * DAY + DAY / 2);
    let slots = days(now, 4, &TimeZone::UTC);
    Uptime::make(&ComponentFacts { members }, "api", incidents, &slots, now)
}

fn letters(uptime: &Uptime) -> String {
    let letter = |day: &Day| match day.state {
        DayState::NoData => '-',
        DayState::Good => 'o',
        DayState::Maintenance => 'm',
        DayState::Degraded => 'w',
        DayState::PartialOutage => 'p',
        DayState::MajorOutage => 'c',
    };
    uptime.days.iter().map(letter).collect()
}

#[test]
fn a_day_is_as_bad_as_its_worst_moment() {
    let troubles = [
        (HOUR, 2 * HOUR, Status::Critical),
        (DAY, DAY + HOUR, Status::Warning),
        (2 * DAY + HOUR, 2 * DAY + 2 * HOUR, Status::Unknown),
    ];
    let alone = made(vec![member(&troubles, &[])], &[]);
    assert_eq!(letters(&alone), "cwwo");
    assert_eq!(alone.days[0].down_seconds, 3600);
    let one_of_two = made(vec![member(&troubles, &[]), member(&[], &[])], &[]);
    assert_eq!(letters(&one_of_two), "pwwo");
    let share = one_of_two.share.unwrap();
    assert!((share - (1.0 - 1.0 / 168.0)).abs() < 1e-9, "{share}");
}

#[test]
fn all_were_down_only_if_all_were_at_the_same_moment() {
    let first = member(&[(HOUR, 3 * HOUR, Status::Critical)], &[]);
    let then = member(&[(3 * HOUR, 4 * HOUR, Status::Critical)], &[]);
    let with = member(&[(2 * HOUR, 4 * HOUR, Status::Critical)], &[]);
    assert_eq!(letters(&made(vec![first.clone(), then], &[])), "pooo");
    assert_eq!(letters(&made(vec![first, with], &[])), "cooo");
}

#[test]
fn planned_work_is_neither_up_nor_down() {
    let down = [(HOUR, 2 * HOUR, Status::Critical)];
    let planned = made(vec![member(&down, &[(0, 3 * HOUR)])], &[]);
    assert_eq!((letters(&planned).as_str(), planned.share), ("mooo", Some(1.0)));
    let all = made(vec![member(&down, &[(0, 4 * DAY)])], &[]);
    assert_eq!((letters(&all).as_str(), all.share), ("mmmm", None));
}

#[test]
fn before_it_was_watched_nothing_is_known() {
    let late = Member { since: Unix(2 * DAY), ..member(&[(0, DAY, Status::Critical)], &[]) };
    let uptime = made(vec![late], &[]);
    assert_eq!((letters(&uptime).as_str(), uptime.share), ("--oo", Some(1.0)));
    let none = made(Vec::new(), &[]);
    assert_eq!((letters(&none).as_str(), none.share), ("----", None));
}

#[test]
fn what_people_say_makes_a_day_worse_and_never_better() {
    let down = || vec![member(&[(HOUR, 2 * HOUR, Status::Critical)], &[])];
    let said = |from, until, impact| made(down(), &[incident(from, until, impact)]);
    assert_eq!(letters(&said(DAY, DAY + HOUR, State::Degraded)), "cwoo");
    assert_eq!(letters(&said(0, HOUR, State::Operational)), "cooo");
    let outage = said(DAY, DAY + HOUR, State::MajorOutage);
    assert_eq!(letters(&outage), "ccoo");
    assert_eq!(outage.days[1].down_seconds, 3600);
    assert!((outage.share.unwrap() - (1.0 - 2.0 / 84.0)).abs() < 1e-9);
    let other = Incident { components: Vec::new(), ..incident(DAY, 2 * DAY, State::MajorOutage) };
    assert_eq!(letters(&made(down(), &[other])), "cooo");
}

#[test]
fn what_goes_on_lasts_until_now() {
    let mut open = member(&[(3 * DAY + 11 * HOUR, 0, Status::Critical)], &[]);
    open.troubles[0].until = None;
    let uptime = made(vec![open], &[]);
    assert_eq!((letters(&uptime).as_str(), uptime.days[3].down_seconds), ("oooc", 3600));
}

#[test]
fn days_are_those_of_the_time_zone_also_when_its_clock_changes() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let slots = days(NOON, 3, &zone);
    let hours: Vec<u64> = slots.iter().map(|slot| slot.span.length().as_secs() / 3600).collect();
    let dates: Vec<String> = slots.iter().map(|slot| slot.date.to_string()).collect();
    assert_eq!(dates, ["2026-03-28", "2026-03-29", "2026-03-30"]);
    assert_eq!(hours, [24, 23, 24]);
    assert_eq!(slots[0].span.until, slots[1].span.from);
}
