//! Values that programs bring which are no agents.

use std::time::Duration;

use hark_engine::Sampled;
use hark_engine::input::{HostSeen, Input};
use hark_model::{HostName, SeriesName, Unix};

use crate::world::{World, plan_of};

const PLAN: &str = "receivers: {ops: {}}\nthresholds: {prometheus: {queue: {warning: 10}}}";

fn bring(world: &mut World, alive: Option<u64>, values: &[f64]) {
    let name = HostName::new("app1").unwrap();
    world.step(Input::HostSeen(HostSeen { name, interval: Duration::ZERO, address: None }));
    let host = world.host("app1");
    let at = world.now().unix;
    let series = SeriesName::of("prometheus", "shop.lane=a", "queue");
    let values = values.iter().map(|value| (series.clone(), Unix(at.0), *value)).collect();
    let alive = alive.map(Duration::from_secs);
    world.step(Input::Sampled(Sampled { host, alive, values }));
}

#[test]
fn a_threshold_looks_at_what_programs_bring() {
    let mut world = World::new(plan_of(PLAN));
    for (second, value) in [(0, 5.0), (30, 12.0), (60, 12.0), (90, 5.0)] {
        world.run_to(second * 1000);
        bring(&mut world, None, &[value]);
    }
    world.run_to(100_000);
    let lines = world.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("30s") && lines[0].contains("queue = 12.0"), "{lines:?}");
    assert!(lines[1].starts_with("90s") && lines[1].contains("RECOVERED"), "{lines:?}");
}

#[test]
fn a_value_that_stays_out_is_missed_and_its_host_is_not() {
    let mut world = World::new(plan_of(PLAN));
    for second in (0..=300).step_by(30) {
        world.run_to(second * 1000);
        bring(&mut world, None, &[5.0]);
    }
    world.run_to(3_600_000);
    let lines = world.lines();
    assert!(lines.len() == 1 && lines[0].contains("no data for"), "{lines:?}");
}

#[test]
fn a_series_that_must_come_is_missed_of_a_host_without_an_agent() {
    let limits = "{queue: {absent_after: {warning: 10m}}}";
    let plan =
        format!("receivers: {{ops: {{}}}}\nthresholds: {{prometheus: {limits}, cpu: {limits}}}");
    let mut world = World::new(plan_of(&plan));
    for second in (0..=300).step_by(30) {
        world.run_to(second * 1000);
        bring(&mut world, None, &[5.0]);
    }
    world.run_to(300_000 + 590_000);
    assert_eq!(world.lines(), [""; 0], "ten minutes are not over");
    world.run_to(3_600_000);
    let lines = world.lines();
    assert!(lines.len() == 1 && lines[0].contains("no value for 10 min"), "{lines:?}");
    bring(&mut world, None, &[5.0]);
    let lines = world.lines();
    assert!(lines.len() == 2 && lines[1].contains("RECOVERED"), "{lines:?}");
}

#[test]
fn who_wants_to_be_told_of_silence_says_how_often_samples_are_expected() {
    let mut world = World::new(plan_of(PLAN));
    for second in (0..=300).step_by(60) {
        world.run_to(second * 1000);
        bring(&mut world, Some(60), &[]);
    }
    world.run_to(300_000 + 180_000);
    assert_eq!(world.lines(), [""; 0], "three times a minute and the grace are not over");
    world.run_to(300_000 + 200_000);
    let lines = world.lines();
    assert!(lines.len() == 1 && lines[0].contains("no heartbeat"), "{lines:?}");
}

#[test]
fn a_host_that_samples_have_made_is_there_after_a_start() {
    let mut world = World::new(plan_of(PLAN));
    bring(&mut world, None, &[5.0]);
    let host = world.host("app1");
    let facts = vec![(hark_engine::MADE_BY_FACT.to_owned(), "prom".to_owned())];
    world.step(Input::Facts { host, facts });
    world.restart(1000);
    assert_eq!(world.host("app1"), host, "with its number, on which its history hangs");
}

#[test]
fn samples_do_not_speak_for_an_agent() {
    let mut world = World::new(plan_of(PLAN));
    let host = world.host("app1");
    world.heard("app1", &[]);
    let facts = vec![(hark_engine::AGENT_FACT.to_owned(), "1.0".to_owned())];
    world.step(Input::Facts { host, facts });
    for second in (30..=600).step_by(30) {
        world.run_to(second * 1000);
        bring(&mut world, Some(60), &[]);
    }
    let lines = world.lines();
    assert!(lines.len() == 1 && lines[0].contains("no heartbeat"), "{lines:?}");
}
