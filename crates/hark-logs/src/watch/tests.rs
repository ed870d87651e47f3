use super::*;
use crate::glob::Glob;
use crate::pattern::Pattern;
use crate::settings::{Framing, Source};

fn watch(kind: WatchKind) -> Watch {
    Watch {
        name: "w".to_owned(),
        source: Source::Files(vec![Glob::new("/l/a").unwrap()]),
        patterns: vec![Pattern::new("a").unwrap()],
        include: Vec::new(),
        exclude: Vec::new(),
        kind,
        severity: Severity::Critical,
        tags: vec!["APP".to_owned()],
        text: None,
        framing: Framing::Lines,
        at_most: 3,
        active: None,
    }
}

fn at(seconds: u64) -> Now {
    let origin = Now { mono: Mono(3_600_000), unix: Unix(1_795_200_322_000) };
    origin.after(Duration::from_secs(seconds))
}

fn machine(kind: WatchKind) -> Machine {
    Machine::new(Arc::new(watch(kind)), None, Duration::from_hours(1000), at(0))
}

/// What is told: (seconds, text) of events, counts as texts, checks with their status.
fn told(out: &mut Out) -> Vec<String> {
    let (items, _) = out.take();
    let text = |item: Item| match item {
        Item::Event(event) => event.text,
        Item::Result(result) => format!("{}: {}", result.status, result.text),
        Item::Count { value, .. } => value.to_string(),
    };
    items.into_iter().map(text).collect()
}

fn hit(machine: &mut Machine, seconds: u64, out: &mut Out) {
    let found = Found { watch: "w", line: b" a line ", ..Found::default() };
    machine.hit(&found, at(seconds), out);
}

#[test]
fn each_hit_is_an_event_with_the_line_and_its_own_time() {
    let (mut machine, mut out) = (machine(WatchKind::Each), Out::default());
    hit(&mut machine, 9, &mut out);
    hit(&mut machine, 9, &mut out);
    let (items, _) = out.take();
    let [Item::Event(first), Item::Event(second)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((first.text.as_str(), first.severity), ("a line", Severity::Critical));
    assert_eq!(first.tags, ["w", "APP"]);
    assert_eq!(first.kind.word(), "log");
    assert!(second.at > first.at, "equal lines are told apart by their time");
}

#[test]
fn more_than_is_told_at_the_windows_end_and_strictly() {
    let within = Duration::from_secs(15);
    let mut out = Out::default();
    let mut machine = machine(WatchKind::MoreThan { count: 2, within });
    machine.tick(at(0), &mut out);
    assert_eq!(told(&mut out), ["ok: 0 of 2 allowed"]);
    hit(&mut machine, 5, &mut out);
    hit(&mut machine, 6, &mut out);
    machine.tick(at(15), &mut out);
    assert_eq!(told(&mut out), Vec::<String>::new(), "equal is not more");
    for _ in 0..3 {
        hit(&mut machine, 20, &mut out);
    }
    assert_eq!(told(&mut out), ["critical: more than 2 hits within 15 s"], "at once");
    machine.tick(at(30), &mut out);
    assert_eq!(told(&mut out), ["more than 2 hits within 15 s"], "the event at the end");
    machine.tick(at(44), &mut out);
    assert_eq!(told(&mut out), Vec::<String>::new());
    machine.tick(at(45), &mut out);
    assert_eq!(told(&mut out), ["ok: 0 of 2 allowed"]);
}

#[test]
fn a_count_is_told_for_each_window_also_zero_and_does_not_drift() {
    let (mut machine, mut out) =
        (machine(WatchKind::CountEvery(Duration::from_secs(15))), Out::default());
    for _ in 0..3 {
        hit(&mut machine, 9, &mut out);
    }
    machine.tick(at(16), &mut out);
    assert_eq!(told(&mut out), ["3"]);
    assert_eq!(machine.next_deadline(), Some(at(30).mono));
    machine.tick(at(30), &mut out);
    assert_eq!(told(&mut out), ["0"]);
    machine.tick(at(300), &mut out);
    assert_eq!(told(&mut out), ["0"], "windows that nobody could see are not made up");
    assert_eq!(machine.next_deadline(), Some(at(315).mono));
}

#[test]
fn silence_is_told_a_period_after_the_last_hit_and_again_and_ends_with_the_next_hit() {
    let (mut machine, mut out) =
        (machine(WatchKind::SilentFor(Duration::from_mins(1))), Out::default());
    machine.tick(at(0), &mut out);
    assert_eq!(told(&mut out), ["ok: seen in time"]);
    hit(&mut machine, 50, &mut out);
    machine.tick(at(60), &mut out);
    machine.tick(at(109), &mut out);
    assert_eq!(told(&mut out), Vec::<String>::new());
    machine.tick(at(110), &mut out);
    let expected = ["nothing seen for 60 s", "critical: nothing seen for 60 s"];
    assert_eq!(told(&mut out), expected);
    machine.tick(at(170), &mut out);
    assert_eq!(told(&mut out), ["nothing seen for 60 s"], "again after each period");
    hit(&mut machine, 200, &mut out);
    assert_eq!(told(&mut out), ["ok: seen in time"]);
}

#[test]
fn too_many_events_are_told_as_a_number() {
    let (mut machine, mut out) = (machine(WatchKind::Each), Out::default());
    for _ in 0..315 {
        hit(&mut machine, 10, &mut out);
    }
    assert_eq!(told(&mut out).len(), 3);
    assert_eq!(machine.next_deadline(), Some(at(70).mono));
    machine.tick(at(69), &mut out);
    assert_eq!(told(&mut out), Vec::<String>::new());
    machine.tick(at(70), &mut out);
    assert_eq!(told(&mut out), ["and 312 more in 60 s"]);
    hit(&mut machine, 71, &mut out);
    assert_eq!(told(&mut out), ["a line"]);
}

#[test]
fn a_check_says_again_how_it_is_and_that_may_be_lost() {
    let kind = WatchKind::SilentFor(Duration::from_hours(25));
    let mut out = Out::default();
    let mut machine = Machine::new(Arc::new(watch(kind)), None, Duration::from_secs(30), at(0));
    for seconds in [0, 30, 60, 90, 120, 150, 450, 750] {
        out.only_repeats = true;
        assert_eq!(machine.next_deadline(), Some(at(seconds).mono));
        machine.tick(at(seconds), &mut out);
        assert!(out.only_repeats && !out.urgent);
        assert_eq!(told(&mut out), ["ok: seen in time"]);
    }
}

#[test]
fn a_check_that_is_bad_says_so_at_the_usual_pace() {
    let kind = WatchKind::SilentFor(Duration::from_mins(1));
    let mut out = Out::default();
    let mut machine = Machine::new(Arc::new(watch(kind)), None, Duration::from_secs(30), at(0));
    machine.tick(at(60), &mut out);
    assert!(out.urgent, "somebody waits for it");
    drop(out.take());
    for seconds in (90..600).step_by(30) {
        assert!(machine.next_deadline().unwrap() <= at(seconds).mono);
        machine.tick(at(seconds), &mut out);
        assert!(told(&mut out).iter().any(|text| text.starts_with("critical")), "{seconds}");
    }
}

#[test]
fn while_nothing_is_found_twenty_watches_wake_a_dozen_times_an_hour() {
    let within = Duration::from_secs(15);
    let kinds = [
        WatchKind::Each,
        WatchKind::MoreThan { count: 3, within },
        WatchKind::SilentFor(Duration::from_hours(25)),
    ];
    let machine = |n: usize| Machine::new(Arc::new(watch(kinds[n % 3])), None, within, at(0));
    let mut machines: Vec<Machine> = (0..20).map(machine).collect();
    let mut out = Out::default();
    let mut wakes = 0;
    while let Some(next) = machines.iter().filter_map(Machine::next_deadline).min() {
        let seconds = next.since(at(0).mono).as_secs();
        if seconds >= 3600 {
            break;
        }
        wakes += 1;
        for machine in &mut machines {
            machine.tick(at(seconds), &mut out);
        }
        assert!(wakes == 1 || !out.urgent);
        drop(out.take());
    }
    assert!((12..=18).contains(&wakes), "{wakes}");
}

#[test]
fn windows_keep_their_phase_while_nothing_is_found() {
    let within = Duration::from_secs(15);
    let (mut machine, mut out) =
        (machine(WatchKind::MoreThan { count: 1, within }), Out::default());
    machine.tick(at(0), &mut out);
    hit(&mut machine, 151, &mut out);
    assert_eq!(machine.next_deadline(), Some(at(165).mono));
    hit(&mut machine, 164, &mut out);
    machine.tick(at(165), &mut out);
    let told = told(&mut out);
    assert!(told.contains(&"more than 1 hits within 15 s".to_owned()), "{told:?}");
    hit(&mut machine, 166, &mut out);
    assert_eq!(machine.next_deadline(), Some(at(180).mono));
}

#[test]
fn for_information_there_is_no_check() {
    let quiet =
        Watch { severity: Severity::Info, ..watch(WatchKind::SilentFor(Duration::from_mins(1))) };
    let mut out = Out::default();
    let mut machine = Machine::new(Arc::new(quiet), None, Duration::from_secs(30), at(0));
    machine.tick(at(60), &mut out);
    assert_eq!(told(&mut out), ["nothing seen for 60 s"]);
}

#[test]
fn a_restart_changes_nothing() {
    for kind in [
        WatchKind::Each,
        WatchKind::MoreThan { count: 2, within: Duration::from_secs(50) },
        WatchKind::CountEvery(Duration::from_secs(50)),
        WatchKind::SilentFor(Duration::from_secs(50)),
    ] {
        let run = |restart: bool| {
            let (mut machine, mut out) = (machine(kind), Out::default());
            let mut said = Vec::new();
            for second in 0..200 {
                machine.tick(at(second), &mut out);
                if second % 17 < 5 || second == 99 {
                    hit(&mut machine, second, &mut out);
                }
                said.extend(told(&mut out));
                if restart {
                    let state = serde_json::to_string(&machine.state()).unwrap();
                    let state: WatchState = serde_json::from_str(&state).unwrap();
                    let next = machine.next_result;
                    let watch = Arc::clone(&machine.watch);
                    machine =
                        Machine::new(watch, Some(&state), Duration::from_hours(1000), at(second));
                    machine.next_result = next;
                }
            }
            said
        };
        assert_eq!(run(false), run(true), "{kind:?}");
        assert!(!run(false).is_empty());
    }
}
