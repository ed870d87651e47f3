//! What becomes of messages, as the outbox tells it.

use hark_engine::{Input, Outcome};
use hark_model::{DeliveryId, Reason, ReceiverName};

use crate::world::{World, plan_of};

/// The number of a message that stands in for another: the outbox makes it, and no engine knows it.
const STAND_IN: DeliveryId = DeliveryId(900);

/// Makes a world in which `web1` is down; `hook` cannot be reached.
fn down() -> World {
    let mut world = World::new(plan_of("receivers: {ops: {}, hook: {}}"));
    world.heard("web1", &[]);
    world.away.insert(name("hook"));
    world.run_to(100_000);
    assert!(world.incident("web1", "host").is_some());
    world
}

fn name(text: &str) -> ReceiverName {
    ReceiverName::new(text).unwrap()
}

fn becomes(world: &mut World, delivery: DeliveryId, receiver: &str, outcome: Outcome) {
    let incident = world.incident("web1", "host");
    world.step(Input::Delivery { delivery, incident, receiver: name(receiver), outcome });
}

#[test]
fn that_a_stand_in_was_given_up_is_in_the_history_of_its_incident() {
    let mut world = down();
    becomes(&mut world, STAND_IN, "phone", Outcome::Dead);
    let lines = world.journal.iter().filter(|line| *line == "phone: a message was given up");
    assert_eq!(lines.count(), 1, "{:#?}", world.journal);
}

#[test]
fn what_becomes_of_a_stand_in_is_no_news_of_a_message_that_is_being_sent() {
    let mut world = down();
    let own = world.waiting()[0];
    becomes(&mut world, own, "hook", Outcome::Started);
    becomes(&mut world, STAND_IN, "hook", Outcome::Dead);
    world.heard("web1", &[]);
    let newest = world.said.iter().rev().find(|said| said.notification.receiver == name("hook"));
    let reason = newest.map(|said| said.notification.reason);
    assert_eq!(reason, Some(Reason::Recovery), "nobody may say that it did not arrive in time");
}
