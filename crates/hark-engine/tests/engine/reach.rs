//! What is behind something that died: one incident is told, not one for each.

use std::fmt::Write as _;

use hark_model::Status;

use crate::world::{World, plan_of};

/// Hosts behind the router: those of one site.
const CHILDREN: usize = 500;

/// A router and what is behind it, all looked at from outside.
fn site() -> World {
    let mut text = "receivers: {ops: {}}\nhosts:\n  rtr: {}\n".to_owned();
    for n in 0..CHILDREN {
        writeln!(text, "  c{n}: {{parents: [rtr]}}").unwrap();
    }
    text.push_str("checks:\n  gate: {host: rtr, ping: {}, attempts: 2}\n");
    for n in 0..CHILDREN {
        writeln!(text, "  p{n}: {{host: c{n}, ping: {{}}, attempts: 2}}").unwrap();
    }
    World::new(plan_of(&text))
}

/// Every child's look ends with `status`, spread over the seconds from `at` to `until`.
fn children(world: &mut World, at: u64, until: u64, status: Status) {
    for n in 0..CHILDREN {
        let spread = (until - at) * 1000 * n as u64 / CHILDREN as u64;
        world.run_to(at * 1000 + spread);
        world.result(&format!("c{n}"), &format!("p{n}"), status, "0 of 3 replies");
    }
}

#[test]
fn one_root_incident_is_told_when_a_parent_dies_with_five_hundred_children() {
    let mut world = site();
    world.result("rtr", "gate", Status::Ok, "3 of 3 replies");
    children(&mut world, 0, 60, Status::Ok);
    assert_eq!(world.lines(), [""; 0]);
    let asked = world.probes.len();
    children(&mut world, 100, 110, Status::Critical);
    let rtr = world.host("rtr");
    let parent_asked = |(_, host, check): &(u64, hark_model::HostId, hark_model::CheckName)| {
        *host == rtr && check.as_str() == "gate"
    };
    assert!(world.probes[asked..].iter().any(parent_asked), "the parent is looked at first");
    world.result("rtr", "gate", Status::Critical, "0 of 3 replies");
    children(&mut world, 115, 125, Status::Critical);
    world.result("rtr", "gate", Status::Critical, "0 of 3 replies");
    for minute in 3..8 {
        children(&mut world, minute * 60, minute * 60 + 50, Status::Critical);
        world.result("rtr", "gate", Status::Critical, "0 of 3 replies");
    }
    let told = world.lines();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("CRITICAL: rtr - "), "{told:?}");
    // The router is back, and so is what is behind it.
    world.run_to(500_000);
    world.result("rtr", "gate", Status::Ok, "3 of 3 replies");
    children(&mut world, 505, 560, Status::Ok);
    world.run_to(600_000);
    let told = world.lines();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[1].contains("RECOVERED: rtr - "), "{told:?}");
}
