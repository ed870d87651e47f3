//! Results that agents bring, and those that stay out.

use std::time::Duration;

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
