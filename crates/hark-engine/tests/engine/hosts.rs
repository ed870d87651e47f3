//! Hosts that are met, and that join.

use std::time::Duration;

use hark_engine::{Action, Done, Effect, Effects, HostJoined, HostSeen, Input, Refused};
use hark_model::record::HostRecord;
use hark_model::{Event, EventKind, HostId, HostName, Severity, Status, Tag, Unix, UserName};

use crate::world::{World, plan_of};

fn step(world: &mut World, input: Input) -> Vec<Effect> {
    let mut effects = Effects::default();
    let now = world.now();
    world.engine.step(input, now, &mut effects);
    effects.effects
}

fn join(world: &mut World, name: &str, tags: usize) -> Result<Done, Refused> {
    let joined = HostJoined {
        name: HostName::new(name).unwrap(),
        address: None,
        facts: vec![("os".to_owned(), "Debian 12".to_owned())],
        tags: (0..tags).map(|n| Tag::new(&format!("tag{n}")).unwrap()).collect(),
    };
    let by = UserName::new("mira").unwrap();
    let input = Input::Operator { request: 7, by, action: Action::Join(joined) };
    let answer = step(world, input).into_iter().find_map(|effect| match effect {
        Effect::Answer { request: 7, result } => Some(result),
        _ => None,
    });
    answer.expect("an operator is answered")
}

#[test]
fn whoever_meets_a_declared_host_is_told_its_number() {
    let mut world = World::new(plan_of("hosts: {db1: {}}"));
    let id = world.engine.host_named("db1").unwrap().id();
    let name = HostName::new("db1").unwrap();
    let seen = HostSeen { name: name.clone(), interval: Duration::from_secs(30), address: None };
    let effects = step(&mut world, Input::HostSeen(seen));
    assert_eq!(effects, [Effect::HostLearned { host: id, name }]);
}

#[test]
fn a_host_that_joins_has_its_facts_and_its_number_at_once() {
    let mut world = World::new(plan_of(""));
    let Ok(Done::Host(id)) = join(&mut world, "db7", 1) else { panic!("it joins") };
    let host = world.engine.host_named("db7").unwrap();
    assert_eq!((host.id(), host.fact("os")), (id, Some("Debian 12")));
    assert_eq!(join(&mut world, "db7", 0), Ok(Done::Host(id)), "the same host joins anew");
    assert!(world.engine.host(id).unwrap().tags().is_empty(), "the new token has no tags");
}

#[test]
fn the_servers_own_name_and_too_many_tags_do_not_join() {
    let mut world = World::new(plan_of(""));
    assert!(matches!(join(&mut world, "self", 0), Err(Refused::Invalid(_))));
    let most = HostRecord::MAX_JOINED_TAGS;
    assert!(matches!(join(&mut world, "db7", most + 1), Err(Refused::Invalid(_))));
    assert!(world.engine.host_named("db7").is_none());
    assert!(join(&mut world, "db7", most).is_ok());
}

#[test]
fn a_host_says_since_when_its_worst_check_is_as_it_is() {
    let mut world = World::new(plan_of("receivers: {ops: {}}"));
    let since = |world: &mut World| {
        let id = world.host("web1");
        world.engine.host(id).unwrap().since()
    };
    world.heard("web1", &[]);
    let up = since(&mut world);
    world.run_to(30_000);
    world.heard("web1", &[]);
    world.run_to(40_000);
    world.result("web1", "http", Status::Critical, "503");
    let failed = world.now().unix;
    assert_eq!(since(&mut world), Some(failed), "not since the host is up: {up:?}");
    world.run_to(50_000);
    world.result("web1", "http", Status::Ok, "200");
    assert_eq!(since(&mut world), up, "all is well since it is up");
}

#[test]
fn how_long_a_host_is_down_is_not_told_by_a_clock_that_is_set() {
    let mut world = World::new(plan_of("receivers: {ops: {}}"));
    world.heard("db1", &[]);
    let down_for = |world: &World| {
        world.engine.host_named("db1").unwrap().down_for(world.now()).map(|down| down.as_secs())
    };
    world.run_to(60_000);
    assert_eq!(down_for(&world), None);
    world.run_to(200_000);
    let before = down_for(&world).unwrap();
    assert!((60..200).contains(&before), "{before}");
    world.wall += 3_600_000;
    assert_eq!(down_for(&world), Some(before));
    world.run_to(210_000);
    assert_eq!(down_for(&world), Some(before + 10));
    world.heard("db1", &[]);
    assert_eq!(down_for(&world), None);
}

#[test]
fn hosts_that_name_nobody_are_the_default_owners_but_the_server_itself_is_nobodys() {
    let dora = UserName::new("dora").unwrap();
    let mut world =
        World::new(plan_of("default_owner: dora\nhosts: {db1: {owner: olga, monitors: [dora]}}"));
    world.heard("web1", &[]);
    let part = hark_model::CheckName::new("history").unwrap();
    world.step(Input::SelfCheck { part, problem: Some("the disk is full".to_owned()) });
    let owner = |world: &World, name: &str| {
        let host = world.engine.hosts().find(|host| host.name().as_str() == name);
        let host = host.unwrap_or_else(|| panic!("there is no {name}"));
        (host.owner().map(ToString::to_string), host.concerns(&dora))
    };
    assert_eq!(owner(&world, "web1"), (Some("dora".to_owned()), true));
    assert_eq!(owner(&world, "db1"), (Some("olga".to_owned()), true));
    assert_eq!(owner(&world, "self"), (None, false));
    world.reload(plan_of("default_owner: mira"));
    assert_eq!(owner(&world, "web1"), (Some("mira".to_owned()), false));
    assert_eq!(owner(&world, "self"), (None, false));
    let host = world.host("self");
    world.operate("dora", Action::DropHost { host });
    let dropped = world.answers.pop().unwrap();
    assert!(
        matches!(&dropped, Err(Refused::Invalid(why)) if why.contains("itself")),
        "{dropped:?}"
    );
}

fn restore(world: &mut World, name: &str) -> Result<Done, Refused> {
    world.operate("mira", Action::RestoreHost { host: HostName::new(name).unwrap() });
    world.answers.pop().unwrap()
}

fn drop_it(world: &mut World, name: &str) {
    let host = world.host(name);
    world.operate("dora", Action::DropHost { host });
    assert_eq!(world.answers.pop(), Some(Ok(Done::Done)));
}

/// Returns the numbers of hosts that nothing can bring back from now on.
fn forgotten(effects: &[Effect]) -> Vec<HostId> {
    let number = |effect: &Effect| match effect {
        Effect::HostForgotten { host } => Some(*host),
        _ => None,
    };
    effects.iter().filter_map(number).collect()
}

#[test]
fn a_dropped_host_comes_back_under_its_number_with_what_was_known_of_it() {
    let mut world = World::new(plan_of(""));
    assert!(join(&mut world, "db7", 2).is_ok());
    world.heard("db7", &[]);
    let (id, first_seen) = {
        let host = world.engine.host_named("db7").unwrap();
        (host.id(), host.first_seen())
    };
    world.run_to(60_000);
    drop_it(&mut world, "db7");
    assert!(world.engine.host_named("db7").is_none());
    let kept: Vec<_> = world.engine.dropped(world.now()).collect();
    assert_eq!((kept.len(), kept[0].host.id(), kept[0].by.as_str()), (1, id, "dora"));
    assert_eq!(kept[0].until, kept[0].at + Duration::from_hours(1));
    assert!(!kept[0].is_back);

    assert_eq!(restore(&mut world, "db7"), Ok(Done::Host(id)));
    assert_eq!(world.engine.dropped(world.now()).count(), 0);
    let host = world.engine.host_named("db7").unwrap();
    assert_eq!((host.id(), host.first_seen(), host.tags().len()), (id, first_seen, 2));
    assert_eq!(host.fact("os"), Some("Debian 12"));
    assert_eq!(host.last_heard(), Some(first_seen));
    assert_eq!(restore(&mut world, "db7"), Err(Refused::NotFound), "it is there");
    world.restart(1000);
    let host = world.engine.host_named("db7").unwrap();
    assert_eq!((host.id(), host.tags().len()), (id, 2), "the store has it again");
}

#[test]
fn what_was_heard_of_a_dropped_host_meanwhile_makes_way_for_it() {
    let mut world = World::new(plan_of(""));
    world.heard("db7", &[]);
    let id = world.host("db7");
    drop_it(&mut world, "db7");
    world.run_to(20_000);
    world.heard("db7", &[]);
    let newcomer = world.host("db7");
    assert_ne!(newcomer, id, "who is heard again is a new host");
    assert!(world.engine.dropped(world.now()).all(|dropped| dropped.is_back));

    let host = HostName::new("db7").unwrap();
    let by = UserName::new("mira").unwrap();
    let action = Action::RestoreHost { host: host.clone() };
    let effects = step(&mut world, Input::Operator { request: 1, by, action });
    assert_eq!(forgotten(&effects), [newcomer]);
    let last = effects.iter().rev().find(|e| matches!(e, Effect::HostLearned { .. }));
    assert_eq!(last, Some(&Effect::HostLearned { host: id, name: host }));
    assert_eq!(world.host("db7"), id);
    let heard = world.engine.host_named("db7").unwrap().last_heard();
    assert_eq!(heard, Some(world.now().unix), "it was heard as the other");
    assert_eq!(world.engine.hosts().count(), 1);
}

#[test]
fn a_dropped_host_goes_for_good_after_an_hour_and_where_a_thousand_newer_ones_are() {
    let mut world = World::new(plan_of(""));
    world.heard("db7", &[]);
    let id = world.host("db7");
    drop_it(&mut world, "db7");
    world.sleep_to(3_599_000);
    assert_eq!(forgotten(&step(&mut world, Input::Tick)), []);
    world.sleep_to(3_600_000);
    assert_eq!(forgotten(&step(&mut world, Input::Tick)), [id]);
    assert_eq!(restore(&mut world, "db7"), Err(Refused::NotFound));

    let mut gone = Vec::new();
    for n in 0..=1000 {
        assert!(join(&mut world, &format!("web{n}"), 0).is_ok());
        let host = world.host(&format!("web{n}"));
        let by = UserName::new("mira").unwrap();
        let action = Action::DropHost { host };
        gone.extend(forgotten(&step(&mut world, Input::Operator { request: 1, by, action })));
    }
    assert_eq!(world.engine.dropped(world.now()).count(), 1000);
    assert_eq!(gone.len(), 1, "the oldest made room");
    assert_eq!(restore(&mut world, "web0"), Err(Refused::NotFound));

    // One that came back and is dropped again takes the place of its former self.
    let former = HostName::new("web1").unwrap();
    let former = world.engine.dropped(world.now()).find(|kept| *kept.host.name() == former);
    let former = former.unwrap().host.id();
    assert!(join(&mut world, "web1", 0).is_ok());
    let host = world.host("web1");
    let by = UserName::new("mira").unwrap();
    let action = Action::DropHost { host };
    let effects = step(&mut world, Input::Operator { request: 1, by, action });
    assert_eq!(forgotten(&effects), [former]);
}

#[test]
fn a_restart_keeps_those_that_can_come_back_and_lets_go_the_others() {
    let mut world = World::new(plan_of(""));
    for name in ["db7", "db8", "db9"] {
        assert!(join(&mut world, name, 2).is_ok());
        world.heard(name, &[]);
    }
    let (first, second, third) = (world.host("db7"), world.host("db8"), world.host("db9"));
    world.run_to(60_000);
    drop_it(&mut world, "db7");
    drop_it(&mut world, "db9");
    let until = world.engine.dropped(world.now()).next().unwrap().until;
    world.run_to(1_860_000);
    drop_it(&mut world, "db8");
    world.restart(60_000);
    assert!(world.engine.host_named("db7").is_none(), "it is dropped");
    let kept: Vec<_> = world.engine.dropped(world.now()).collect();
    assert_eq!(kept.iter().map(|kept| kept.host.id()).collect::<Vec<_>>(), [first, second, third]);
    assert_eq!((kept[0].by.as_str(), kept[0].until), ("dora", until));
    assert_eq!(restore(&mut world, "db7"), Ok(Done::Host(first)));
    let host = world.engine.host_named("db7").unwrap();
    assert_eq!((host.tags().len(), host.fact("os")), (2, Some("Debian 12")));

    // The hour of one of them is over at the next start, that of the other is not.
    world.restart(1_740_000);
    assert_eq!(forgotten(&step(&mut world, Input::Tick)), [third]);
    assert_eq!(world.engine.dropped(world.now()).count(), 1);
    assert_eq!(restore(&mut world, "db8"), Ok(Done::Host(second)));
    assert_eq!(restore(&mut world, "db7"), Err(Refused::NotFound), "it is there");

    // A wall clock that was set back keeps none longer than an hour.
    drop_it(&mut world, "db7");
    let mut dropped = world.store.dropped[&first].clone();
    dropped.until = dropped.until + Duration::from_hours(24);
    let now = world.now();
    let snapshot = world.store.snapshot(now);
    let (mut engine, mut effects) = hark_engine::Engine::new(plan_of(""), snapshot, now);
    engine.remember_dropped(vec![dropped], now, &mut effects);
    let kept = engine.dropped(now).next().unwrap();
    assert_eq!(kept.until, now.unix + Duration::from_hours(1));
}

#[test]
fn a_host_is_seen_with_each_heartbeat() {
    let mut world = World::new(plan_of(""));
    let seen = |world: &World| {
        let host = world.engine.host_named("db7").unwrap();
        host.check("host").unwrap().began_at()
    };
    world.heard("db7", &[]);
    let first = seen(&world);
    assert_eq!(first, Some(world.now().unix));
    world.run_to(20_000);
    world.heard("db7", &[]);
    assert_eq!(seen(&world), Some(world.now().unix));
    assert!(seen(&world) > first);
}

#[test]
fn a_farewell_is_shown_at_once_and_one_that_waited_in_the_spool_says_nothing_about_now() {
    let mut world = World::new(plan_of("receivers: {ops: {}}"));
    let farewell = |world: &mut World, at: Unix| {
        let host = world.host("web1");
        let (kind, text) = (EventKind::Shutdown, "agent ends".to_owned());
        let (severity, tags) = (Severity::Info, Vec::new());
        world.step(Input::Event {
            host,
            event: Event { at, kind, severity, text, tags, data: None },
        });
        let host = world.engine.host_named("web1").unwrap();
        (host.word(), host.text(), host.check("host").unwrap().shown())
    };
    let healthy = ("Healthy", String::new(), "up".to_owned());
    world.heard("web1", &[]);
    let before = world.now().unix;
    world.run_to(300_000);
    world.heard("web1", &[]);
    assert_eq!(farewell(&mut world, before), healthy);
    let now = world.now().unix;
    let (word, text, shown) = farewell(&mut world, now);
    assert_eq!(word, "Late");
    assert!(text.starts_with("the agent was ended in order at "), "{text}");
    assert_eq!(shown, format!("up; {text}"));
    world.run_to(310_000);
    world.heard("web1", &[]);
    let host = world.engine.host_named("web1").unwrap();
    assert_eq!((host.word(), host.text(), host.check("host").unwrap().shown()), healthy);
}
