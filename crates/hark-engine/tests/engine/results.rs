//! Results that agents bring, and those that stay out.

use std::time::Duration;

use hark_engine::Input;
use hark_model::{Next, Status};

use crate::world::{World, plan_of};

/// Lets `world` run to `until`, with a heartbeat each half minute.
fn beat(world: &mut World, from: u64, until: u64) {
    for second in (from..=until).step_by(30) {
        world.run_to(second * 1000);
        world.heard("web1", &[]);
    }
}

fn begin(next: Next) -> World {
    let mut world = World::new(plan_of("receivers: {ops: {}}"));
    beat(&mut world, 0, 60);
    world.result_before("web1", "disks", Status::Ok, "fine", next);
    world
}

#[test]
fn a_result_that_says_when_the_next_one_comes_is_not_missed_before() {
    let mut world = begin(Next::Within(Duration::from_mins(5)));
    beat(&mut world, 90, 60 + 900);
    assert_eq!(world.lines(), [""; 0], "three times five minutes and the grace are not over");
    beat(&mut world, 990, 1100);
    let lines = world.lines();
    assert!(lines.len() == 1 && lines[0].contains("no data for"), "{lines:?}");
}

/// Lets a host with a limit on certificates, which are looked at each `every` seconds, run for `hours`; the values
/// come with heartbeats of half a minute.
fn certificates(world: &mut World, from: u64, hours: u64, every: u64) {
    for second in (from..=from + hours * 3600).step_by(30) {
        world.run_to(second * 1000);
        let values: &[_] =
            if (second - from).is_multiple_of(every) { &[(CERTIFICATE, 40.0)] } else { &[] };
        world.heard("web1", values);
    }
}

/// What was told, but for what was told again.
fn news(world: &World) -> Vec<String> {
    world.lines().into_iter().filter(|line| !line.contains("REMINDER")).collect()
}

const CERTIFICATE: &str = "certificate_monitor.days_left";

fn with_certificates() -> World {
    let limits = "thresholds: {certificate_monitor: {days_left: {warning: 90}}}";
    World::new(plan_of(&format!("receivers: {{ops: {{}}}}\n{limits}")))
}

#[test]
fn a_value_that_comes_each_hour_is_not_missed_between() {
    let mut world = with_certificates();
    certificates(&mut world, 0, 5, 3600);
    assert_eq!(world.lines(), [""; 0], "nobody knows yet how often it comes, then it is known");
    world.restart(1000);
    beat(&mut world, 5 * 3600 + 30, 5 * 3600 + 1800);
    certificates(&mut world, 5 * 3600 + 1830, 2, 3600);
    assert_eq!(world.lines(), [""; 0], "nor does a start of the server");
    beat(&mut world, 7 * 3600 + 1860, 12 * 3600);
    let lines = news(&world);
    assert!(lines.len() == 1 && lines[0].contains("no data for"), "{lines:?}");
}

#[test]
fn a_value_that_came_often_is_missed_soon_after_a_long_time_without_it() {
    let mut world = with_certificates();
    certificates(&mut world, 0, 1, 30);
    beat(&mut world, 3630, 12 * 3600);
    assert_eq!(news(&world).len(), 1, "{:?}", world.lines());
    certificates(&mut world, 12 * 3600 + 30, 1, 30);
    assert_eq!(news(&world).len(), 2, "it is back: {:?}", world.lines());
    beat(&mut world, 13 * 3600 + 60, 13 * 3600 + 300);
    assert_eq!(news(&world).len(), 3, "the eleven hours are not how often it comes");
}

#[test]
fn a_result_without_rhythm_is_never_missed() {
    let mut world = begin(Next::Whenever);
    beat(&mut world, 90, 7 * 3600);
    assert_eq!(world.lines(), [""; 0]);
}

#[test]
fn a_start_of_the_server_misses_no_result_that_comes_seldom() {
    let mut world = begin(Next::Within(Duration::from_mins(5)));
    beat(&mut world, 90, 120);
    world.restart(1000);
    beat(&mut world, 150, 330);
    assert_eq!(world.lines(), [""; 0]);
    world.result_before("web1", "disks", Status::Ok, "fine", Next::Within(Duration::from_mins(5)));
    beat(&mut world, 360, 330 + 1100);
    assert_eq!(world.lines().len(), 1, "but one that stays out: {:?}", world.lines());
}

/// What is told of a host whose values come with every other heartbeat, each 30 s, and are missed after 50 s; at the
/// start and at the end the engine is told what agents are asked for.
fn told_of_sparse_values(spared: bool) -> Vec<String> {
    let limits = "{cpu: {load: {warning: 90, absent_after: {critical: 50s}}}}";
    let mut world = World::new(plan_of(&format!("receivers: {{ops: {{}}}}\nthresholds: {limits}")));
    world.step(Input::ValuesSpared(spared));
    for n in 0..40 {
        world.run_to(n * 30_000);
        let values = [("cpu.load", 5.0)];
        world.heard("web", if n % 2 == 0 { &values } else { &[] });
    }
    world.step(Input::ValuesSpared(false));
    for n in 40..60 {
        world.run_to(n * 30_000);
        world.heard("web", &[("cpu.load", 5.0)]);
    }
    let lines = world.lines();
    // Then values are missed as ever.
    for n in 60..70 {
        world.run_to(n * 30_000);
        world.heard("web", &[]);
    }
    assert!(world.lines().len() > lines.len(), "nothing is missed any more");
    lines
}

#[test]
fn values_that_agents_are_asked_to_leave_out_are_not_missed() {
    assert_eq!(told_of_sparse_values(true), [""; 0]);
    assert!(told_of_sparse_values(false)[0].contains("no value for"), "else they are");
}
