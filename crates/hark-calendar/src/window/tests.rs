use proptest::prelude::*;

use super::*;

fn unix(text: &str) -> Unix {
    let at: Timestamp = text.parse().unwrap();
    Unix(at.as_millisecond())
}

fn window(text: &str) -> ActiveWindow {
    ActiveWindow::parse(text, None).unwrap()
}

fn shown(at: Option<Unix>) -> String {
    at.map_or("never".to_owned(), |at| Timestamp::from_millisecond(at.0).unwrap().to_string())
}

/// 2026-11-16 is a Monday.
#[test]
fn days_and_hours_are_those_of_the_zone() {
    let work = window("mon-fri 08:00-18:00, sat 10:00-12:00 Europe/Berlin");
    for (at, inside) in [
        ("2026-11-16T06:59:59Z", false),
        ("2026-11-16T07:00:00Z", true),
        ("2026-11-16T16:59:59.999Z", true),
        ("2026-11-16T17:00:00Z", false),
        ("2026-11-21T08:59:00Z", false),
        ("2026-11-21T09:00:00Z", true),
        ("2026-11-21T11:00:00Z", false),
        ("2026-11-22T10:00:00Z", false),
        ("2026-07-16T06:00:00Z", true),
    ] {
        assert_eq!(work.contains(unix(at)), inside, "{at}");
    }
}

#[test]
fn a_piece_over_midnight_belongs_to_the_day_it_begins_on() {
    let night = window("fri 22:00-06:00 UTC");
    for (at, inside) in [
        ("2026-11-20T21:59:59Z", false),
        ("2026-11-20T22:00:00Z", true),
        ("2026-11-21T05:59:59Z", true),
        ("2026-11-21T06:00:00Z", false),
        ("2026-11-20T03:00:00Z", false),
        ("2026-11-21T23:00:00Z", false),
    ] {
        assert_eq!(night.contains(unix(at)), inside, "{at}");
    }
    let sunday = window("sun 23:30-00:30 UTC");
    assert!(sunday.contains(unix("2026-11-23T00:15:00Z")), "from Sunday into Monday");
}

#[test]
fn the_next_change_is_found_also_over_days() {
    let work = window("mon-fri 08:00-18:00 UTC");
    for (at, next) in [
        ("2026-11-16T07:00:00Z", "2026-11-16T08:00:00Z"),
        ("2026-11-16T08:00:00Z", "2026-11-16T18:00:00Z"),
        ("2026-11-20T18:00:00Z", "2026-11-23T08:00:00Z"),
    ] {
        assert_eq!(shown(work.next_change(unix(at))), next, "{at}");
    }
    let whole = window("mon 00:00-24:00, tue 00:00-12:00 UTC");
    assert_eq!(shown(whole.next_change(unix("2026-11-16T05:00:00Z"))), "2026-11-17T12:00:00Z");
    assert_eq!(ActiveWindow::always().next_change(unix("2026-11-16T05:00:00Z")), None);
    assert!(ActiveWindow::always().contains(unix("2026-11-16T05:00:00Z")));
    assert_eq!(window("daily UTC").next_change(Unix(0)), None);
}

/// In Berlin the clocks are put forward at 02:00 on 2026-03-29, and back at 03:00 on 2026-10-25.
#[test]
fn where_the_clocks_change_the_wall_counts() {
    let early = window("sun 02:30-03:30 Europe/Berlin");
    // 02:30 to 03:00 is missing: the window begins at 03:00, which is 01:00 UTC.
    assert_eq!(shown(early.next_change(unix("2026-03-28T12:00:00Z"))), "2026-03-29T01:00:00Z");
    assert_eq!(shown(early.next_change(unix("2026-03-29T01:00:00Z"))), "2026-03-29T01:30:00Z");
    // 02:30 is there twice: the clock goes from 03:00 back to 02:00 at 01:00 UTC.
    let changes = [
        "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T01:30:00Z",
        "2026-10-25T02:30:00Z",
    ];
    let mut at = unix("2026-10-24T12:00:00Z");
    for change in changes {
        assert_eq!(shown(early.next_change(at)), change);
        at = unix(change);
    }
    // A window around the change is one and an hour longer.
    let night = window("sat 22:00-06:00 Europe/Berlin");
    assert_eq!(shown(night.next_change(unix("2026-10-24T20:00:00Z"))), "2026-10-25T05:00:00Z");
    assert_eq!(shown(night.next_change(unix("2026-03-28T21:00:00Z"))), "2026-03-29T04:00:00Z");
}

#[test]
fn a_day_of_twenty_three_hours_has_its_noon() {
    let noon = window("sun 12:00-13:00 Europe/Berlin");
    assert!(noon.contains(unix("2026-03-29T10:30:00Z")));
    assert!(noon.contains(unix("2026-10-25T11:30:00Z")));
}

#[test]
fn moments_out_of_all_calendars_are_outside() {
    assert!(!window("daily UTC").contains(Unix(i64::MAX)));
    assert_eq!(window("mon 1:00-2:00 UTC").next_change(Unix(i64::MIN)), None);
}

proptest! {
    #[test]
    fn nothing_changes_before_the_next_change(
        days in 1u8..0x80, begin in 0u16..DAY, end in 1u16..=DAY, other in 0u16..DAY,
        minute in 0i64..4 * 365 * 24 * 60,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    ) {
        let pieces = vec![
            Piece { days: Days(days), begin, end },
            Piece { days: Days(1), begin: other, end: (other + 30) % DAY },
        ];
        let window = ActiveWindow { pieces, zone: TimeZone::get(zone).unwrap() };
        let at = Unix(1_767_225_600_000 + minute * 60_000);
        let inside = window.contains(at);
        match window.next_change(at) {
            Some(next) => {
                prop_assert!(next > at);
                prop_assert_ne!(window.contains(next), inside);
                prop_assert_eq!(window.contains(Unix(next.0 - 1)), inside);
                let step = ((next.0 - at.0) / 50).max(1);
                let mut between = at.0;
                while between < next.0 {
                    prop_assert_eq!(window.contains(Unix(between)), inside);
                    between += step;
                }
            }
            None => {
                for hours in 0..200 {
                    prop_assert_eq!(window.contains(Unix(at.0 + hours * 3_600_000)), inside);
                }
            }
        }
    }

    #[test]
    fn what_is_shown_is_read_again(days in 1u8..0x80, begin in 0u16..DAY, end in 1u16..=DAY) {
        // From a minute to itself is refused: nobody could say whether it means a day or nothing.
        prop_assume!(begin != end);
        let window = ActiveWindow {
            pieces: vec![Piece { days: Days(days), begin, end }],
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        };
        prop_assert_eq!(ActiveWindow::parse(&window.to_string(), None).unwrap(), window);
    }
}

#[test]
fn what_is_done_now_and_then_waits_for_the_opening_and_is_spread_over_half_of_it_at_most() {
    let night = window("mon-fri 22:00-02:00 Europe/Berlin");
    let evening = unix("2026-11-16T20:30:00Z");
    let minutes = |every, phase: u64| {
        night.wait(evening, Duration::from_mins(every), phase * 60_000).as_secs() / 60
    };
    assert_eq!([minutes(10, 0), minutes(10, 7), minutes(10, 17)], [30, 37, 37]);
    assert_eq!(minutes(1440, 121), 31, "two of the four hours at most");
    assert_eq!(minutes(1440, 119), 89, "and an hour at most, since clocks are changed");
    let never = window("mon 00:00-00:01 UTC");
    let wait = never.wait(evening, Duration::from_hours(24), 0);
    assert_eq!(wait, Duration::from_hours(1));
}

#[test]
fn time_outside_does_not_make_a_result_old() {
    let work = window("mon-fri 08:00-18:00 UTC");
    let due = |last| shown(work.due_by(unix(last), Duration::from_mins(5)));
    assert_eq!(due("2026-11-16T09:00:00Z"), "2026-11-16T09:05:00Z");
    assert_eq!(due("2026-11-16T17:57:00Z"), "2026-11-17T08:05:00Z");
    assert_eq!(due("2026-11-20T17:57:00Z"), "2026-11-23T08:05:00Z", "over the weekend");
    assert_eq!(due("2026-11-16T20:00:00Z"), "2026-11-17T08:05:00Z", "a person wanted to know");
    let always =
        ActiveWindow::always().due_by(unix("2026-11-16T17:57:00Z"), Duration::from_mins(5));
    assert_eq!(shown(always), "2026-11-16T18:02:00Z");
}
