use super::*;

const START: Mono = Mono(3_600_000);

fn timing(every: u64, retry: u64) -> Timing {
    Timing { every: Duration::from_secs(every), retry_every: Duration::from_secs(retry) }
}

fn many(n: usize) -> Vec<(String, Timing)> {
    (0..n).map(|n| (format!("host{n}/web"), timing(60, 15))).collect()
}

fn one() -> Schedule<String> {
    let mut schedule = Schedule::new(10);
    schedule.set([("a".to_owned(), timing(60, 15))], START);
    schedule
}

/// Runs every due check at once and returns when each started, for `span` from `now` on.
fn run(schedule: &mut Schedule<String>, now: &mut Mono, span: Duration) -> Vec<(Mono, String)> {
    let end = *now + span;
    let mut started = Vec::new();
    while let Some(at) = schedule.next_deadline().filter(|at| *at <= end) {
        *now = at.max(*now);
        for key in schedule.next(*now) {
            started.push((*now, key.clone()));
            schedule.done(&key, Pace::Normal, *now);
        }
    }
    *now = end;
    started
}

#[test]
fn first_runs_are_spread_over_the_interval() {
    let mut schedule = Schedule::new(10_000);
    schedule.set(many(6000), START);
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
        assert_eq!(schedule.next(began), ["a"]);
        schedule.done(&"a".to_owned(), Pace::Normal, began + Duration::from_secs(20));
    }
}

#[test]
fn a_run_longer_than_the_interval_skips_what_it_missed() {
    let mut schedule = one();
    let first = schedule.next_deadline().unwrap();
    schedule.next(first);
    assert_eq!(schedule.next_deadline(), None, "it runs");
    assert_eq!(schedule.next(first + Duration::from_mins(5)), Vec::<String>::new());
    schedule.done(&"a".to_owned(), Pace::Normal, first + Duration::from_secs(150));
    assert_eq!(schedule.next_deadline(), Some(first + Duration::from_mins(3)));
}

#[test]
fn an_unconfirmed_result_is_looked_at_again_soon_and_the_phase_returns() {
    let mut schedule = one();
    let first = schedule.next_deadline().unwrap();
    let mut now = first;
    for _ in 0..2 {
        assert_eq!(schedule.next(now), ["a"]);
        schedule.done(&"a".to_owned(), Pace::Retry, now);
        assert_eq!(schedule.next_deadline(), Some(now + Duration::from_secs(15)));
        now += Duration::from_secs(15);
    }
    schedule.next(now);
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!(schedule.next_deadline(), Some(first + Duration::from_mins(1)));
}

#[test]
fn at_most_so_many_run_at_once() {
    let mut schedule = Schedule::new(3);
    schedule.set(many(10), START);
    let late = START + Duration::from_mins(2);
    let running = schedule.next(late);
    assert_eq!((running.len(), schedule.n_running()), (3, 3));
    assert_eq!(schedule.next(late), Vec::<String>::new());
    assert_eq!(schedule.next_deadline(), None);
    schedule.done(&running[0], Pace::Normal, late);
    assert_eq!(schedule.next(late).len(), 1);
}

#[test]
fn the_longest_overdue_goes_first_so_that_none_starves() {
    let mut schedule = Schedule::new(1);
    schedule.set(many(50), START);
    let mut now = START + Duration::from_mins(2);
    let mut seen = BTreeSet::new();
    for _ in 0..50 {
        let key = schedule.next(now).remove(0);
        now += Duration::from_secs(3);
        schedule.done(&key, Pace::Normal, now);
        assert!(seen.insert(key), "a second run before everybody had one");
    }
}

#[test]
fn a_reload_keeps_the_times_of_what_is_unchanged_and_bursts_nothing() {
    let mut schedule = Schedule::new(1000);
    schedule.set(many(100), START);
    let mut now = START;
    run(&mut schedule, &mut now, Duration::from_secs(90));
    let before = schedule.queue.clone();
    schedule.set(many(100), now);
    assert_eq!(schedule.queue, before);
    schedule.set(many(200), now);
    assert!(schedule.next(now).is_empty());
    assert_eq!(schedule.n_checks(), 200);
    schedule.set(many(5), now);
    assert_eq!(run(&mut schedule, &mut now, Duration::from_mins(1)).len(), 5);
}

#[test]
fn a_check_that_is_removed_and_added_while_it_runs_does_not_run_twice() {
    let mut schedule = one();
    let now = schedule.next_deadline().unwrap();
    schedule.next(now);
    schedule.set([], now);
    assert_eq!(schedule.n_running(), 1);
    schedule.set([("a".to_owned(), timing(60, 15))], now);
    assert_eq!(schedule.next(now + Duration::from_mins(5)), Vec::<String>::new());
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!(schedule.n_running(), 0);
    assert!(schedule.next_deadline().is_some());
}

#[test]
fn a_removed_check_gives_its_room_back_when_it_ends() {
    let mut schedule = one();
    let now = schedule.next_deadline().unwrap();
    schedule.next(now);
    schedule.set([], now);
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!((schedule.n_running(), schedule.next_deadline()), (0, None));
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert_eq!(schedule.n_running(), 0, "an end that comes twice counts once");
}

#[test]
fn a_changed_interval_takes_effect_within_it() {
    let mut schedule = one();
    schedule.set([("a".to_owned(), timing(10, 5))], START);
    assert!(schedule.next_deadline().unwrap() <= START + Duration::from_secs(10));
}

#[test]
fn check_now_runs_at_once_and_after_a_run_that_began_before() {
    let mut schedule = one();
    let key = "a".to_owned();
    let now = START + Duration::from_millis(1);
    assert!(schedule.hurry(&key, now));
    assert_eq!(schedule.next(now), ["a"]);
    assert!(schedule.hurry(&key, now), "the one that runs began too early");
    assert!(schedule.next(now).is_empty());
    schedule.done(&key, Pace::Normal, now);
    assert_eq!(schedule.next(now), ["a"]);
    schedule.done(&key, Pace::Normal, now);
    assert!(schedule.next(now).is_empty());
    assert!(!schedule.hurry(&"b".to_owned(), now));
}

#[test]
fn the_pace_can_change_between_runs() {
    let mut schedule = one();
    let key = "a".to_owned();
    let due = schedule.next_deadline().unwrap();
    let now = due + Duration::from_secs(1);
    schedule.next(due);
    schedule.done(&key, Pace::Normal, now);
    schedule.set_pace(&key, Pace::Retry, now);
    assert_eq!(schedule.next_deadline(), Some(now + Duration::from_secs(15)));
    schedule.set_pace(&key, Pace::Normal, now);
    assert_eq!(schedule.next_deadline(), Some(due + Duration::from_mins(1)));
}

#[test]
fn after_a_pause_overdue_checks_wait_for_their_phase() {
    let mut schedule = Schedule::new(10_000);
    schedule.set(many(1000), START);
    let mut now = START + Duration::from_hours(1);
    schedule.resumed(now);
    assert!(schedule.next(now).is_empty());
    let started = run(&mut schedule, &mut now, Duration::from_mins(1));
    assert_eq!(started.len(), 1000);
}

#[test]
fn without_word_of_a_pause_what_was_missed_runs_once() {
    let mut schedule = one();
    let now = START + Duration::from_hours(1);
    assert_eq!(schedule.next(now), ["a"]);
    schedule.done(&"a".to_owned(), Pace::Normal, now);
    assert!(schedule.next(now).is_empty());
}
