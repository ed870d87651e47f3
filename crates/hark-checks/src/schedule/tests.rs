use hark_calendar::ActiveWindow;

use super::*;

const START: Mono = Mono(3_600_000);

/// Midnight at [`START`], of a Monday in UTC.
const MIDNIGHT: Unix = Unix(1_795_392_000_000);

fn moment(mono: Mono) -> Now {
    Now { mono, unix: MIDNIGHT + mono.since(START) }
}

fn timing(every: u64, retry: u64) -> Timing {
    Timing {
        every: Duration::from_secs(every),
        retry_every: Duration::from_secs(retry),
        error_every: Duration::from_secs(every),
        active: None,
    }
}

fn wanted(key: impl Into<String>, timing: Timing) -> Wanted<String> {
    let key = key.into();
    Wanted { target: key.as_str().into(), key, timing, kind: "tcp" }
}

fn many(n: usize) -> Vec<Wanted<String>> {
    (0..n).map(|n| wanted(format!("host{n}/web"), timing(60, 15))).collect()
}

/// Room for so many checks, whatever they are.
fn room(total: usize) -> Schedule<String> {
    Schedule::new(Limits { total, of_kind: total, of_target: total })
}

/// Starts what is due.
fn start(schedule: &mut Schedule<String>, now: Mono) -> Vec<String> {
    schedule.next(moment(now)).into_iter().map(|started| started.key).collect()
}

fn one() -> Schedule<String> {
    let mut schedule = room(10);
    schedule.set([wanted("a", timing(60, 15))], moment(START));
    schedule
}

/// Runs every due check at once and returns when each started, for `span` from `now` on.
fn run(schedule: &mut Schedule<String>, now: &mut Mono, span: Duration) -> Vec<(Mono, String)> {
    let end = *now + span;
    let mut started = Vec::new();
    while let Some(at) = schedule.next_deadline().filter(|at| *at <= end) {
        *now = at.max(*now);
        for key in start(schedule, *now) {
            started.push((*now, key.clone()));
            schedule.done(&key, Pace::Normal, *now);
        }
    }
    *now = end;
    started
}

#[test]
fn first_runs_are_spread_over_the_interval() {
    let mut schedule = room(10_000);
    schedule.set(many(6000), moment(START));
    let mut now = START;
    let started = run(&mut schedule, &mut now, Duration::from_mins(1));
    assert_eq!(started.len(), 6000, "each once within its interval");
    let mut per_second = [0; 60];
    for (at, _) in &started {
        per_second[usize::try_from((at.since(START).as_millis() / 1000).min(59)).unwrap()] += 1;
    }
    // 100 a second on average; a spread by chance stays within half and double.
    assert!(per_second.iter().all(|n| (50..200).contains(n)), "{per_second:?}");
}

#[test]
fn nothing_drifts_however_long_a_run_takes() {
    let mut schedule = one();
    let first = schedule.next_deadline().unwrap();
    assert!(first > START && first <= START + Duration::from_mins(1));
    for round in 0..1000_u32 {
        let due = first + Duration::from_mins(1) * round;
        assert_eq!(schedule.next_deadline(), Some(due));
        // Late by some, and slow.
        let began = due + Duration::from_millis(700);
        assert_eq!(start(&mut schedule, began), ["a"]);
        schedule.done(&"a".to_owned(), Pace::Normal, began + Duration::from_secs(20));
    }
}

#[test]
fn a_run_longer_than_the_interval_skips_what_it_missed() {
    let mut schedule = one();
    let first = schedule.next_deadline().unwrap();
    start(&mut schedule, first);
    assert_eq!(schedule.next_deadline(), None, "it runs");
    assert_eq!(start(&mut schedule, first + Duration::from_mins(5)), Vec::<String>::new());
    schedule.done(&"a".to_owned(), Pace::Normal, first + Duration::from_secs(150));
    assert_eq!(schedule.next_deadline(), Some(first + Duration::from_mins(3)));
}

#[test]
fn an_unconfirmed_result_is_looked_at_again_soon_and_the_phase_returns() {
    let mut schedule = one();
    let first = schedule.next_deadline().unwrap();
    let mut now = first;
    for _ in 0..2 {
        assert_eq!(start(&mut schedule, now), ["a"]);
        schedule.done(&"a".to_owned(), Pace::Retry, now);
        assert_eq!(schedule.next_deadline(), Some(now + Duration::from_secs(15)));
        now += Duration::from_secs(15);
    }
    start(&mut schedule, now);
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!(schedule.next_deadline(), Some(first + Duration::from_mins(1)));
}

#[test]
fn at_most_so_many_run_at_once() {
    let mut schedule = room(3);
    schedule.set(many(10), moment(START));
    let late = START + Duration::from_mins(2);
    let running = start(&mut schedule, late);
    assert_eq!((running.len(), schedule.n_running()), (3, 3));
    assert_eq!(start(&mut schedule, late), Vec::<String>::new());
    assert_eq!(schedule.next_deadline(), None);
    schedule.done(&running[0], Pace::Normal, late);
    assert_eq!(start(&mut schedule, late).len(), 1);
}

#[test]
fn the_longest_overdue_goes_first_so_that_none_starves() {
    let mut schedule = room(1);
    schedule.set(many(50), moment(START));
    let mut now = START + Duration::from_mins(2);
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let key = start(&mut schedule, now).remove(0);
        now += Duration::from_secs(3);
        schedule.done(&key, Pace::Normal, now);
        assert!(seen.insert(key), "a second run before everybody had one");
    }
}

#[test]
fn a_reload_keeps_the_times_of_what_is_unchanged_and_bursts_nothing() {
    let mut schedule = room(1000);
    schedule.set(many(100), moment(START));
    let mut now = START;
    run(&mut schedule, &mut now, Duration::from_secs(90));
    let before = schedule.queue.clone();
    schedule.set(many(100), moment(now));
    assert_eq!(schedule.queue, before);
    schedule.set(many(200), moment(now));
    assert!(start(&mut schedule, now).is_empty());
    assert_eq!(schedule.n_checks(), 200);
    schedule.set(many(5), moment(now));
    assert_eq!(run(&mut schedule, &mut now, Duration::from_mins(1)).len(), 5);
}

#[test]
fn a_check_that_is_removed_and_added_while_it_runs_does_not_run_twice() {
    let mut schedule = one();
    let now = schedule.next_deadline().unwrap();
    start(&mut schedule, now);
    schedule.set([], moment(now));
    assert_eq!(schedule.n_running(), 1);
    schedule.set([wanted("a", timing(60, 15))], moment(now));
    assert_eq!(start(&mut schedule, now + Duration::from_mins(5)), Vec::<String>::new());
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!(schedule.n_running(), 0);
    assert!(schedule.next_deadline().is_some());
}

#[test]
fn a_removed_check_gives_its_room_back_when_it_ends() {
    let mut schedule = one();
    let now = schedule.next_deadline().unwrap();
    start(&mut schedule, now);
    schedule.set([], moment(now));
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!((schedule.n_running(), schedule.next_deadline()), (0, None));
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!(schedule.n_running(), 0, "an end that comes twice counts once");
}

#[test]
fn a_changed_interval_takes_effect_within_it() {
    let mut schedule = one();
    schedule.set([wanted("a", timing(10, 5))], moment(START));
    assert!(schedule.next_deadline().unwrap() <= START + Duration::from_secs(10));
}

#[test]
fn check_now_runs_at_once_and_after_a_run_that_began_before() {
    let mut schedule = one();
    let key = "a".to_owned();
    let now = START + Duration::from_millis(1);
    assert!(schedule.hurry(&key, now));
    assert_eq!(start(&mut schedule, now), ["a"]);
    assert!(schedule.hurry(&key, now), "the one that runs began too early");
    assert!(start(&mut schedule, now).is_empty());
    schedule.done(&key, Pace::Normal, now);
    assert_eq!(start(&mut schedule, now), ["a"]);
    schedule.done(&key, Pace::Normal, now);
    assert!(start(&mut schedule, now).is_empty());
    assert!(!schedule.hurry(&"b".to_owned(), now));
}

#[test]
fn the_pace_can_change_between_runs() {
    let mut schedule = one();
    let key = "a".to_owned();
    let due = schedule.next_deadline().unwrap();
    let now = due + Duration::from_secs(1);
    start(&mut schedule, due);
    schedule.done(&key, Pace::Normal, now);
    schedule.set_pace(&key, Pace::Retry, now);
    assert_eq!(schedule.next_deadline(), Some(now + Duration::from_secs(15)));
    schedule.set_pace(&key, Pace::Normal, now);
    assert_eq!(schedule.next_deadline(), Some(due + Duration::from_mins(1)));
}

#[test]
fn after_a_pause_overdue_checks_wait_for_their_phase() {
    let mut schedule = room(10_000);
    schedule.set(many(1000), moment(START));
    let mut now = START + Duration::from_hours(1);
    schedule.resumed(now);
    assert!(start(&mut schedule, now).is_empty());
    let started = run(&mut schedule, &mut now, Duration::from_mins(1));
    assert_eq!(started.len(), 1000);
}

#[test]
fn without_word_of_a_pause_what_was_missed_runs_once() {
    let mut schedule = one();
    let now = START + Duration::from_hours(1);
    assert_eq!(start(&mut schedule, now), ["a"]);
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert!(start(&mut schedule, now).is_empty());
}

#[test]
fn what_is_confirmed_bad_is_looked_at_at_its_own_interval() {
    let mut schedule = room(10);
    let timing = Timing { error_every: Duration::from_mins(5), ..timing(60, 15) };
    schedule.set([wanted("a", timing)], moment(START));
    let due = schedule.next_deadline().unwrap();
    start(&mut schedule, due);
    schedule.done(&"a".to_owned(), Pace::Error, due);
    let later = schedule.next_deadline().unwrap();
    assert!(later > due && later <= due + Duration::from_mins(5));
    start(&mut schedule, later);
    schedule.done(&"a".to_owned(), Pace::Error, later);
    assert_eq!(schedule.next_deadline(), Some(later + Duration::from_mins(5)), "at its phase");
    schedule.set_pace(&"a".to_owned(), Pace::Normal, later);
    assert!(schedule.next_deadline().unwrap() <= later + Duration::from_mins(1));
}

/// Checks of two types at two targets each, due within a second.
fn mixed(limits: Limits, n: usize) -> Schedule<String> {
    let mut schedule = Schedule::new(limits);
    let every = timing(1, 1);
    let checks = (0..n).map(|n| Wanted {
        key: format!("check{n}"),
        timing: every.clone(),
        kind: if n % 2 == 0 { "http" } else { "tcp" },
        target: if n % 4 < 2 { "one".into() } else { "two".into() },
    });
    schedule.set(checks, moment(START));
    schedule
}

#[test]
fn what_hangs_takes_no_room_from_other_types_and_targets() {
    let mut schedule = mixed(Limits { total: 100, of_kind: 4, of_target: 3 }, 40);
    let now = START + Duration::from_secs(2);
    let running = start(&mut schedule, now);
    // Three at each target, of which at most four of one type; the others wait in their lanes.
    assert_eq!((running.len(), schedule.n_running()), (6, 6));
    assert_eq!(schedule.n_parked(), 34);
    assert!(schedule.next_deadline().is_none_or(|at| at > now), "nothing to do before one ends");
    schedule.done(&running[0], Pace::Normal, now);
    assert_eq!(start(&mut schedule, now).len(), 1);
}

#[test]
fn nothing_is_left_behind_in_a_lane() {
    for of_kind in 1..6 {
        for of_target in 1..6 {
            let mut schedule = mixed(Limits { total: 8, of_kind, of_target }, 60);
            // Standing still for long: everything is due once, and nothing again before the end.
            let now = START + Duration::from_secs(5);
            let mut seen = BTreeSet::new();
            let mut running = start(&mut schedule, now);
            while let Some(key) = running.pop() {
                schedule.done(&key, Pace::Normal, now);
                assert!(seen.insert(key), "twice");
                running.extend(start(&mut schedule, now));
            }
            assert_eq!(seen.len(), 60, "{of_kind} of a type, {of_target} at a target");
            assert_eq!((schedule.n_parked(), schedule.n_running()), (0, 0));
        }
    }
}

#[test]
fn a_reload_forgets_no_lane_and_doubles_none() {
    let limits = Limits { total: 8, of_kind: 2, of_target: 2 };
    let mut schedule = mixed(limits, 20);
    let now = START + Duration::from_secs(5);
    let running = start(&mut schedule, now);
    let again: Vec<Wanted<String>> = schedule
        .checks
        .iter()
        .map(|(key, planned)| Wanted {
            key: key.clone(),
            timing: planned.timing.clone(),
            kind: planned.lanes.kind,
            target: Arc::clone(&planned.lanes.target),
        })
        .collect();
    schedule.set(again, moment(now));
    assert!(start(&mut schedule, now).is_empty(), "the same run still");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut running = running;
    while let Some(key) = running.pop() {
        schedule.done(&key, Pace::Normal, now);
        assert!(seen.insert(key));
        running.extend(start(&mut schedule, now));
    }
    assert_eq!(seen.len(), 20);
}

#[test]
fn what_is_wanted_now_goes_before_what_is_due_and_counts_as_not_late() {
    let mut schedule = room(1);
    schedule.set(many(50), moment(START));
    let now = START + Duration::from_mins(2);
    assert!(schedule.hurry(&"host7/web".to_owned(), now));
    let first = schedule.next(moment(now));
    assert_eq!(first, [Started { key: "host7/web".to_owned(), late: None }]);
    schedule.done(&"host7/web".to_owned(), Pace::Normal, now);
    let second = schedule.next(moment(now)).remove(0);
    assert!(second.late.unwrap() > Duration::from_mins(1), "{second:?}");
    // Also one that waits in its lane.
    let mut schedule = mixed(Limits { total: 8, of_kind: 1, of_target: 8 }, 20);
    let running = start(&mut schedule, now);
    let parked = schedule.checks.keys().find(|key| !running.contains(key)).unwrap().clone();
    assert!(schedule.hurry(&parked, now));
    start(&mut schedule, now);
    let mut order = Vec::new();
    let mut left = std::collections::VecDeque::from(running);
    while let Some(key) = left.pop_front() {
        schedule.done(&key, Pace::Normal, now);
        let started = start(&mut schedule, now);
        order.extend(started.clone());
        left.extend(started);
    }
    assert!(order.iter().position(|key| *key == parked).unwrap() < 2, "{order:?}");
}

/// A check that runs in these hours.
fn within(hours: &str, every: u64) -> Timing {
    let window = ActiveWindow::parse(hours, None).unwrap();
    Timing { active: Some(Arc::new(window)), ..timing(every, every) }
}

/// When each started, in seconds after midnight.
fn seconds(started: &[(Mono, String)]) -> Vec<u64> {
    started.iter().map(|(at, _)| at.since(START).as_secs()).collect()
}

#[test]
fn a_check_runs_in_its_hours_only_also_where_they_are_over_midnight() {
    let mut schedule = room(10);
    schedule.set([wanted("a", within("daily 22:00-01:00 UTC", 60))], moment(START));
    let mut now = START;
    let started = seconds(&run(&mut schedule, &mut now, Duration::from_hours(24)));
    let (first, evening): (Vec<u64>, Vec<u64>) = started.iter().partition(|at| **at < 43_200);
    assert_eq!((first.len(), evening.len()), (60, 120), "{started:?}");
    assert!(first.iter().all(|at| *at < 3600), "{first:?}");
    assert!(evening.iter().all(|at| (79_200..86_400).contains(at)), "{evening:?}");
}

#[test]
fn what_runs_seldom_runs_in_each_of_its_windows_and_many_do_not_begin_at_once() {
    let mut schedule = room(10_000);
    let checks = (0..600).map(|n| wanted(format!("h{n}"), within("08:00-08:30 UTC", 86_400)));
    schedule.set(checks, moment(START));
    let mut now = START;
    for day in 0..3 {
        let started = run(&mut schedule, &mut now, Duration::from_hours(24));
        let who: BTreeSet<&str> = started.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(who.len(), 600, "each on day {day}");
        let started = seconds(&started);
        // One whose own time is soon after the opening has that, too.
        assert!(started.len() < 660, "{}", started.len());
        let opens = day * 86_400 + 8 * 3600;
        let mut per_minute = [0; 30];
        for at in started {
            per_minute[usize::try_from((at - opens) / 60).unwrap()] += 1;
        }
        assert!(per_minute.iter().all(|n| *n < 80), "{per_minute:?}");
    }
}

#[test]
fn a_person_has_an_answer_outside_of_the_hours_too() {
    let mut schedule = room(10);
    schedule.set([wanted("a", within("08:00-09:00 UTC", 60))], moment(START));
    let key = "a".to_owned();
    assert!(!schedule.is_active(&key, MIDNIGHT));
    assert_eq!(start(&mut schedule, START + Duration::from_mins(5)), [""; 0]);
    schedule.hurry(&key, START);
    assert_eq!(start(&mut schedule, START + Duration::from_mins(5)), ["a"]);
    schedule.done(&key, Pace::Retry, START + Duration::from_mins(6));
    let mut now = START + Duration::from_mins(6);
    let started = seconds(&run(&mut schedule, &mut now, Duration::from_hours(9)));
    assert!(started.len() == 60 && started[0] >= 8 * 3600, "not before they begin: {started:?}");
}

#[test]
fn a_clock_that_is_put_forward_into_the_hours_is_noticed_within_an_hour() {
    let mut schedule = room(10);
    schedule.set([wanted("a", within("08:00-18:00 UTC", 60))], moment(START));
    let first = schedule.next_deadline().unwrap();
    assert_eq!(start(&mut schedule, first), [""; 0]);
    let again = schedule.next_deadline().unwrap();
    assert!(again.since(first) <= Duration::from_hours(1));
    let forward = Now { mono: again, unix: MIDNIGHT + Duration::from_hours(12) };
    assert_eq!(schedule.next(forward).len(), 1);
}
