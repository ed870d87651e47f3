//! Planned work that somebody makes, and that comes again.

use std::time::Duration;

use hark_engine::effect::{Done, Refused};
use hark_engine::{Action, IN_MAINTENANCE, MAINTENANCE_OVER};
use hark_model::record::{Matcher, Repeats, RepeatsWhen, SilenceTerms};
use hark_model::{SilenceId, Unix};

use crate::world::{MIDNIGHT, World, plan_of};

/// An hour, in milliseconds.
const HOUR: u64 = 3_600_000;

fn world() -> World {
    World::new(plan_of(
        "receivers: {ops: {}}\nthreshold_renotify_interval: 0\n\
         thresholds: {cpu_monitor: {cpu_percent: {critical: 90}}}",
    ))
}

fn cron(pattern: &str, zone: &str) -> Repeats {
    let when = RepeatsWhen::Cron { pattern: pattern.to_owned(), lasts_ms: 120_000 };
    Repeats { when, zone: Some(zone.to_owned()), from: MIDNIGHT, until: None }
}

fn terms(repeats: Repeats) -> SilenceTerms {
    SilenceTerms {
        matcher: Matcher { hosts: vec!["web1".to_owned()], ..Matcher::default() },
        reason: "backup".to_owned(),
        from: Unix(0),
        until: Unix(0),
        maintenance: true,
        flexible: None,
        repeats: Some(repeats),
    }
}

fn make(world: &mut World, repeats: Repeats) -> Result<Done, Refused> {
    world.operate("mira", Action::Silence(terms(repeats)));
    world.answers.pop().unwrap()
}

/// Is busy for a while of each hour, from a minute after the hour on.
fn live(world: &mut World, from: u64, until: u64) {
    for at in (from..until).step_by(30_000) {
        world.run_to(at);
        let of_hour = at % HOUR;
        let is_busy = (60_000..120_000).contains(&of_hour);
        world.heard("web1", &[("cpu_monitor.cpu_percent", if is_busy { 95.0 } else { 10.0 })]);
    }
}

#[test]
fn what_comes_again_holds_each_time_also_after_a_restart_until_somebody_ends_it() {
    let mut world = world();
    live(&mut world, 0, 30_000);
    // In Kolkata the hours begin half an hour apart from these.
    let id = match make(&mut world, cron("31 * * * *", "Asia/Kolkata")) {
        Ok(Done::Silence(id)) => id,
        other => panic!("{other:?}"),
    };
    live(&mut world, 30_000, HOUR);
    assert!(world.said.is_empty(), "{:?}", world.lines());
    world.restart(1_000);
    live(&mut world, HOUR + 30_000, 2 * HOUR);
    assert!(world.said.is_empty(), "{:?}", world.lines());
    // By these two lines each time stays out of the availability.
    for line in [IN_MAINTENANCE, MAINTENANCE_OVER] {
        let times = world.journal.iter().filter(|text| text.starts_with(line)).count();
        assert_eq!(times, 2, "{line}");
    }
    world.operate("mira", Action::EndSilence { silence: id });
    assert_eq!(world.answers.pop(), Some(Ok(Done::Done)));
    live(&mut world, 2 * HOUR, 3 * HOUR);
    assert_eq!(world.said.len(), 2, "a problem and its end: {:?}", world.lines());
    world.restart(1_000);
    assert_eq!(world.engine.silences().count(), 0);
}

#[test]
fn what_comes_again_is_over_at_its_end() {
    let mut world = world();
    live(&mut world, 0, 30_000);
    let until = Some(MIDNIGHT + Duration::from_mins(30));
    make(&mut world, Repeats { until, ..cron("1 * * * *", "UTC") }).unwrap();
    live(&mut world, 30_000, HOUR);
    assert!(world.said.is_empty(), "{:?}", world.lines());
    assert_eq!(world.engine.silences().count(), 0);
    live(&mut world, HOUR, 2 * HOUR);
    assert_eq!(world.said.len(), 2, "{:?}", world.lines());
}

#[test]
fn what_never_holds_or_cannot_be_read_is_refused() {
    let mut world = world();
    let refused = |world: &mut World, repeats| match make(world, repeats) {
        Err(Refused::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    let week = |text: &str| Repeats { when: RepeatsWhen::Week(text.to_owned()), ..cron("", "UTC") };
    for (repeats, expected) in [
        (cron("1 * * *", "UTC"), "no pattern of cron"),
        (cron("1 * * * *", "Mars/North"), "no time zone"),
        (week("mun 02:00-04:00"), "mun"),
        (Repeats { until: Some(MIDNIGHT), ..cron("1 * * * *", "UTC") }, "never"),
    ] {
        let why = refused(&mut world, repeats);
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!(world.engine.silences().count(), 0);
    assert_eq!(make(&mut world, week("daily 02:00-04:00")), Ok(Done::Silence(SilenceId(1))));
}

fn change(world: &mut World, id: u64, terms: SilenceTerms) -> Result<Done, Refused> {
    let silence = SilenceId(id);
    world.operate("jonas", Action::ChangeSilence { silence, terms });
    world.answers.pop().unwrap()
}

#[test]
fn what_is_changed_holds_by_its_new_times_under_the_same_number() {
    let mut world = world();
    live(&mut world, 0, 30_000);
    make(&mut world, cron("1 * * * *", "UTC")).unwrap();
    live(&mut world, 30_000, HOUR);
    assert!(world.said.is_empty(), "{:?}", world.lines());
    let withheld = world.engine.silences().next().unwrap().record().withheld;
    assert!(withheld > 0);
    // In the second hour it holds later than the problem comes.
    let later = cron("40 * * * *", "UTC");
    assert_eq!(change(&mut world, 1, terms(later.clone())), Ok(Done::Silence(SilenceId(1))));
    live(&mut world, HOUR, 2 * HOUR);
    assert_eq!(world.said.len(), 2, "a problem and its end: {:?}", world.lines());
    let check = |world: &World| {
        let record = world.engine.silences().next().unwrap().record().clone();
        assert_eq!((record.id, record.withheld), (SilenceId(1), withheld));
        assert_eq!((record.repeats, record.by.as_str()), (Some(later.clone()), "jonas"));
    };
    check(&world);
    world.restart(1_000);
    check(&world);
}

#[test]
fn hosts_that_a_change_leaves_out_are_released_at_once() {
    let mut world = world();
    live(&mut world, 0, 30_000);
    let now = world.now().unix;
    let once = SilenceTerms {
        from: now,
        until: now + Duration::from_hours(1),
        repeats: None,
        ..terms(cron("", "UTC"))
    };
    world.operate("mira", Action::Silence(once.clone()));
    live(&mut world, 30_000, 90_000);
    assert!(world.said.is_empty(), "{:?}", world.lines());
    world.run_to(75_000);
    let elsewhere = Matcher { hosts: vec!["db1".to_owned()], ..Matcher::default() };
    change(&mut world, 1, SilenceTerms { matcher: elsewhere, ..once.clone() }).unwrap();
    // A fresh result is waited for, as after any planned work.
    assert!(world.said.is_empty(), "{:?}", world.lines());
    live(&mut world, 90_000, 120_000);
    assert_eq!(world.said.len(), 1, "{:?}", world.lines());
    let refused = change(&mut world, 1, SilenceTerms { maintenance: false, ..once.clone() });
    assert!(matches!(refused, Err(Refused::Invalid(why)) if why.contains("planned work")));
    assert_eq!(change(&mut world, 2, once), Err(Refused::NotFound));
}

#[test]
fn flexible_work_that_is_moved_waits_anew_and_is_not_made_to_be_over() {
    let mut world = world();
    live(&mut world, 0, 30_000);
    let now = world.now().unix;
    let day = Duration::from_hours(24);
    let today = SilenceTerms {
        from: now,
        until: now + Duration::from_hours(1),
        repeats: None,
        flexible: Some(Duration::from_mins(30)),
        ..terms(cron("", "UTC"))
    };
    world.operate("mira", Action::Silence(today.clone()));
    live(&mut world, 30_000, 150_000);
    let begun = |world: &World| {
        let silence = world.engine.silences().next().expect("it is there");
        silence.record().flexible.as_ref().expect("it is flexible").begun
    };
    assert!(begun(&world).is_some(), "with the problem");
    let longer = SilenceTerms { flexible: Some(Duration::from_mins(40)), ..today.clone() };
    change(&mut world, 1, longer).unwrap();
    assert!(begun(&world).is_some(), "it goes on");
    let over = SilenceTerms { flexible: Some(Duration::from_secs(10)), ..today.clone() };
    let over = change(&mut world, 1, over);
    assert!(
        matches!(&over, Err(Refused::Invalid(why)) if why.contains("end it instead")),
        "{over:?}"
    );
    let tomorrow = SilenceTerms { from: today.from + day, until: today.until + day, ..today };
    change(&mut world, 1, tomorrow).unwrap();
    assert_eq!(begun(&world), None, "that was another window");
    assert_eq!(world.engine.silences().count(), 1);
}
