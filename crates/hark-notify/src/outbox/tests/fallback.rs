//! Who is told in the place of a receiver that fails or refuses.

use super::*;

#[test]
fn critical_messages_go_to_the_fallback_once_when_their_receiver_fails() {
    let mut world = World::new();
    world.add(problem(1, 1));
    let mut warning = row(2, Reason::Problem, Status::Warning, None);
    warning.notification.incident = Some(IncidentId(2));
    warning.notification.at = start().unix;
    world.add(warning);
    world.break_ops();
    let keys: Vec<_> = world.handed.iter().map(|n| n.key.as_str()).collect();
    assert_eq!(keys, ["1/ops/problem/1/for/ops"]);
    assert_eq!(world.handed[0].receiver, name("hook"));
    world.pass(Duration::from_mins(30));
    assert_eq!(world.handed.len(), 1, "once is enough");
}

#[test]
fn a_fallback_that_is_told_itself_gets_no_copy() {
    let mut world = World::new();
    let own = |mut row: DeliveryRecord| {
        row.notification.receiver = name("hook");
        row
    };
    world.outbox.add(problem(1, 1), &mut world.orders, world.now.unix);
    world.outbox.add(own(problem(2, 1)), &mut world.orders, world.now.unix);
    world.outbox.add(problem(3, 2), &mut world.orders, world.now.unix);
    let mut milder = own(problem(4, 2));
    milder.notification.status = Status::Warning;
    world.outbox.add(milder, &mut world.orders, world.now.unix);
    world.pass(Duration::from_mins(5));
    let handed = |world: &World| {
        let keys = world.handed.iter().map(|n| n.key.clone());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(handed(&world), ["1/ops/problem/3/for/ops"], "of that it knows the half");
    world.outbox.add(own(recovery(6, 1)), &mut world.orders, world.now.unix);
    world.add(recovery(5, 1));
    assert_eq!(handed(&world).len(), 1, "nor of the end");
}

fn refused() -> Tried {
    Tried::Failed { permanent: true, retry_after: None, error: "404".to_owned() }
}

/// `ops` and its fallback `hook` are told the same.
fn both_told(world: &mut World) {
    let mut own = problem(2, 1);
    own.notification.receiver = name("hook");
    own.notification.key = "1/hook/problem/0".to_owned();
    world.outbox.add(problem(1, 1), &mut world.orders, world.now.unix);
    world.outbox.add(own, &mut world.orders, world.now.unix);
    world.pass(Duration::from_mins(5));
    assert_eq!(world.sending_ids(), [2, 1]);
    assert!(world.handed.is_empty(), "the fallback is told itself");
}

#[test]
fn a_fallback_whose_own_message_is_refused_gets_the_copy_after_all() {
    let mut world = World::new();
    both_told(&mut world);
    assert!(world.outbox.sleep(world.now).unwrap() > Duration::from_secs(1), "no turning about");
    world.end(refused());
    let keys: Vec<_> = world.handed.iter().map(|n| n.key.as_str()).collect();
    assert_eq!(keys, ["1/ops/problem/1/for/ops"]);
    assert_eq!(world.handed[0].receiver, name("hook"));
    world.pass(Duration::from_mins(30));
    assert_eq!(world.handed.len(), 1, "once is enough");
}

#[test]
fn who_is_told_in_place_of_a_fallback_that_refuses_gets_one_copy() {
    let mut world = World::new();
    let receivers = [
        (name("ops"), Some(name("hook"))),
        (name("hook"), Some(name("alone"))),
        (name("alone"), None),
    ];
    world.outbox.configure(receivers, &mut world.orders, world.now.unix);
    let mut own = problem(2, 1);
    own.notification.receiver = name("hook");
    own.notification.key = "1/hook/problem/0".to_owned();
    world.outbox.add(problem(1, 1), &mut world.orders, world.now.unix);
    world.outbox.add(own, &mut world.orders, world.now.unix);
    world.pass(Duration::from_mins(5));
    assert_eq!(world.sending_ids(), [2, 1]);
    world.end(refused());
    assert_eq!(world.handed.len(), 1, "also before that one has its row");
    assert_eq!(world.handed[0].receiver, name("alone"), "the next of the chain");
    let stand_in = DeliveryRecord {
        notification: Notification { id: DeliveryId(3), ..world.handed[0].clone() },
        ..problem(3, 1)
    };
    world.add(stand_in);
    world.end(refused());
    assert_eq!(world.handed.len(), 1, "hook was told, by way of another");
    assert_eq!(world.sending_ids(), [3]);
}

#[test]
fn who_is_told_in_place_of_a_fallback_that_refuses_at_once_gets_one_copy_too() {
    let mut world = World::new();
    let receivers = [
        (name("ops"), Some(name("hook"))),
        (name("hook"), Some(name("alone"))),
        (name("alone"), None),
    ];
    world.outbox.configure(receivers, &mut world.orders, world.now.unix);
    world.add(problem(1, 1));
    world.break_ops();
    assert_eq!(world.handed.pop().map(|n| n.receiver), Some(name("hook")));
    let mut own = problem(3, 2);
    own.notification.receiver = name("hook");
    own.notification.key = "2/hook/problem/0".to_owned();
    world.outbox.add(problem(2, 2), &mut world.orders, world.now.unix);
    world.add(own);
    world.end(refused());
    let keys: Vec<_> = world.handed.iter().map(|n| n.key.as_str()).collect();
    assert_eq!(keys, ["2/hook/problem/0/for/hook"], "also before that one has its row");
}

#[test]
fn what_follows_goes_to_whoever_was_told_also_if_the_fallback_is_another_by_now() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.pass(Duration::from_mins(5));
    assert_eq!(world.handed[0].receiver, name("hook"));
    world.end(Tried::Arrived);
    let receivers =
        [(name("ops"), Some(name("alone"))), (name("hook"), None), (name("alone"), None)];
    world.outbox.configure(receivers, &mut world.orders, world.now.unix);
    let mut end = recovery(2, 1);
    end.notification.at = world.now.unix;
    world.add(end);
    assert_eq!(world.handed[1].receiver, name("hook"));
    let note = "Sent here as what came before it was: the receiver ops failed then.";
    assert!(world.handed[1].detail.ends_with(note), "{}", world.handed[1].detail);
}

#[test]
fn nobody_hears_of_the_end_of_what_was_told_to_a_receiver_that_is_gone() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.pass(Duration::from_mins(5));
    world.end(Tried::Arrived);
    let receivers = [(name("ops"), Some(name("alone"))), (name("alone"), None)];
    world.outbox.configure(receivers, &mut world.orders, world.now.unix);
    let mut end = recovery(2, 1);
    end.notification.at = world.now.unix;
    world.add(end);
    assert_eq!(world.handed.len(), 1, "the new fallback never heard of the problem");
}

#[test]
fn critical_messages_go_to_the_fallback_after_five_minutes() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.end(no());
    world.pass(Duration::from_secs(299));
    assert!(world.handed.is_empty());
    assert!(world.outbox.sleep(world.now).unwrap() <= Duration::from_secs(1));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.handed.len(), 1);
}

#[test]
fn a_message_that_hangs_goes_to_the_fallback_too() {
    let mut world = World::new();
    world.add(problem(1, 1));
    assert_eq!(world.sending_ids(), [1]);
    world.pass(Duration::from_mins(5));
    assert_eq!(world.handed.len(), 1);
}

#[test]
fn a_critical_message_refused_for_good_goes_to_the_fallback_at_once() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.end(refused());
    assert!(matches!(world.settled[0].state, DeliveryState::Dead { .. }));
    assert_eq!(world.handed.len(), 1);
    assert_eq!(world.outbox.n_waiting(), 0);
}

#[test]
fn what_is_given_up_and_its_stand_in_are_one_order() {
    let mut world = World::new();
    world.add(problem(1, 1));
    let mut orders = Vec::new();
    let attempt = Attempt {
        receiver: name("ops"),
        delivery: DeliveryId(1),
        tried: Tried::Failed { permanent: true, retry_after: None, error: "404".to_owned() },
        reference: None,
        took: Duration::ZERO,
        chance: Chance::default(),
    };
    world.outbox.tried(&attempt, world.now, &mut orders);
    let [Order::SettledFor { settled, stand_in }] = &orders[..] else {
        panic!("a crash between two orders would lose the message: {orders:?}");
    };
    assert!(matches!(settled.state, DeliveryState::Dead { .. }));
    assert_eq!((&stand_in.receiver, stand_in.incident), (&name("hook"), Some(IncidentId(1))));
}

#[test]
fn whoever_was_told_of_a_problem_in_place_of_another_is_told_of_its_end() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.pass(Duration::from_mins(5));
    assert_eq!(world.handed.len(), 1);
    world.end(Tried::Arrived);
    world.add(recovery(2, 1));
    assert_eq!(world.handed.len(), 2);
    assert_eq!(world.handed[1].reason, Reason::Recovery);
    world.end(Tried::Arrived);
    let mut again = problem(3, 1);
    again.notification.at = world.now.unix;
    world.add(again);
    assert_eq!(world.handed.len(), 2, "the new problem is told by its own receiver");
}

#[test]
fn the_end_is_told_to_the_fallback_also_after_a_restart() {
    let mut before = World::new();
    before.add(problem(1, 1));
    before.pass(Duration::from_mins(5));
    let told = DeliveryRecord {
        notification: before.handed.remove(0),
        state: DeliveryState::Sent { at: before.now.unix },
        attempts: 1,
        last_error: String::new(),
        took_ms: 1,
    };
    let mut after = World::new();
    after.add(told);
    assert_eq!(after.outbox.n_waiting(), 0);
    after.add(recovery(2, 1));
    assert_eq!(after.handed.len(), 1);
    assert_eq!(after.handed[0].key, "1/ops/recovery/2/for/ops");
}

#[test]
fn a_fallback_that_fails_as_well_does_not_send_in_circles() {
    let receivers = [(name("ops"), Some(name("hook"))), (name("hook"), Some(name("ops")))];
    let mut outbox = Outbox::new(receivers, Policy::default());
    let mut orders = Vec::new();
    let now = start();
    let mut handed = problem(9, 1);
    handed.notification = hand_over(&problem(1, 1).notification, &name("hook"));
    outbox.add(handed, &mut orders, now.unix);
    outbox.step(now.after(Duration::from_hours(1)), &mut orders);
    let circles = orders.iter().filter(|order| matches!(order, Order::HandOver(_)));
    assert_eq!(circles.count(), 0);
}
