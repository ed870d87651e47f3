use hark_model::record::IncidentId;
use hark_model::time::Mono;
use hark_model::{Severity, Status};
use proptest::prelude::*;

use super::queue::LOOK;
use super::*;
use crate::delivery::hand_over;
use crate::delivery::tests::row;

fn name(text: &str) -> ReceiverName {
    ReceiverName::new(text).unwrap()
}

fn start() -> Now {
    Now { mono: Mono(3_600_000), unix: Unix(1_800_000_100_000) }
}

fn no() -> Tried {
    Tried::Failed { permanent: false, retry_after: None, error: "connection refused".to_owned() }
}

/// An outbox with its orders sorted into what a driver would do.
struct World {
    outbox: Outbox,
    now: Now,
    orders: Vec<Order>,
    sending: Vec<DeliveryRecord>,
    handed: Vec<Notification>,
    settled: Vec<DeliveryRecord>,
    folded: Vec<Vec<DeliveryRecord>>,
    failing: Vec<Option<String>>,
}

impl World {
    fn new() -> Self {
        let receivers =
            [(name("ops"), Some(name("hook"))), (name("hook"), None), (name("alone"), None)];
        Self {
            outbox: Outbox::new(receivers, Policy::default()),
            now: start(),
            orders: Vec::new(),
            sending: Vec::new(),
            handed: Vec::new(),
            settled: Vec::new(),
            folded: Vec::new(),
            failing: Vec::new(),
        }
    }

    fn add(&mut self, row: DeliveryRecord) {
        self.outbox.add(row, &mut self.orders, self.now.unix);
        self.step();
    }

    fn step(&mut self) {
        self.outbox.step(self.now, &mut self.orders);
        for order in std::mem::take(&mut self.orders) {
            match order {
                Order::Send(row) => self.sending.push(row),
                Order::Settled(row) => self.settled.push(row),
                Order::Folded(rows) => self.folded.push(rows),
                Order::HandOver(notification) => self.handed.push(notification),
                Order::SettledFor { settled, stand_in } => {
                    self.settled.push(settled);
                    self.handed.push(*stand_in);
                }
                Order::Failing { problem, .. } => self.failing.push(problem),
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.step();
    }

    /// Ends the oldest send.
    fn end(&mut self, tried: Tried) {
        self.end_as(tried, None);
    }

    /// Ends the oldest send, with what the service calls the message.
    fn end_as(&mut self, tried: Tried, reference: Option<&str>) {
        let row = self.sending.remove(0);
        let attempt = Attempt {
            receiver: row.notification.receiver.clone(),
            delivery: row.notification.id,
            tried,
            reference: reference.map(str::to_owned),
            took: Duration::ZERO,
            chance: Chance::from_bits(u64::MAX / 2),
        };
        self.outbox.tried(&attempt, self.now, &mut self.orders);
        self.step();
    }

    fn sending_ids(&self) -> Vec<u64> {
        self.sending.iter().map(|row| row.notification.id.0).collect()
    }

    /// Fails `ops` until it counts as failing.
    fn break_ops(&mut self) {
        while !self.outbox.failing().contains(&name("ops")) {
            while self.sending.is_empty() {
                self.pass(Duration::from_secs(1));
            }
            self.end(no());
        }
    }
}

fn problem(id: u64, incident: u64) -> DeliveryRecord {
    let mut row = row(id, Reason::Problem, Status::Critical, None);
    row.notification.incident = Some(IncidentId(incident));
    row.notification.at = start().unix;
    row
}

fn recovery(id: u64, incident: u64) -> DeliveryRecord {
    let mut row = row(id, Reason::Recovery, Status::Ok, Some(Status::Critical));
    row.notification.incident = Some(IncidentId(incident));
    row.notification.at = start().unix;
    row
}

#[test]
fn a_message_that_somebody_asks_for_goes_at_once_even_to_a_failing_receiver() {
    let mut world = World::new();
    world.add(problem(1, 1));
    assert_eq!(world.outbox.hurry(DeliveryId(1), world.now), Hurried::UnderWay);
    assert_eq!(world.outbox.hurry(DeliveryId(2), world.now), Hurried::Gone);
    world.break_ops();
    let asked = Tried::Failed {
        permanent: false,
        retry_after: Some(Duration::from_mins(30)),
        error: "later".to_owned(),
    };
    while world.sending.is_empty() {
        world.pass(Duration::from_secs(1));
    }
    world.end(asked);
    world.pass(Duration::from_secs(1));
    assert!(world.sending_ids().is_empty(), "the receiver asked to be left alone");
    let waiting = |world: &World| {
        let mut all = world.outbox.waiting();
        all.find(|(receiver, _)| receiver.as_str() == "ops").unwrap().1
    };
    let found = waiting(&world);
    assert_eq!((found.messages, found.oldest), (1, Some(start().unix)));
    assert!(found.is_failing && found.trial_at.is_some_and(|at| at > world.now.mono));
    assert_eq!(world.outbox.hurry(DeliveryId(1), world.now), Hurried::Due);
    world.step();
    assert_eq!(world.sending_ids(), [1]);
    world.end(Tried::Arrived);
    assert_eq!(world.outbox.hurry(DeliveryId(1), world.now), Hurried::Gone);
    assert_eq!(waiting(&world), Waiting::default());
}

#[test]
fn what_somebody_asks_for_goes_before_the_others_of_a_failing_receiver() {
    let mut world = World::new();
    for id in 1..=3 {
        world.add(problem(id, id));
    }
    world.break_ops();
    while !world.sending.is_empty() {
        world.end(no());
    }
    assert_eq!(world.outbox.hurry(DeliveryId(3), world.now), Hurried::Due);
    world.step();
    assert_eq!(world.sending_ids(), [3], "and no other");
    assert_eq!(world.outbox.hurry(DeliveryId(2), world.now), Hurried::Next);
    world.step();
    assert_eq!(world.sending_ids(), [3], "one at a time");
    world.end(no());
    assert_eq!(world.sending_ids(), [2]);
}

#[test]
fn a_test_of_a_failing_receiver_is_sent_at_once_and_does_not_open_it_for_others() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.break_ops();
    assert!(world.sending.is_empty());
    let mut test = row(7, Reason::Test, Status::Ok, None);
    test.notification.incident = None;
    test.notification.at = world.now.unix;
    world.add(test);
    assert_eq!(world.sending_ids(), [7]);
    world.end(no());
    assert!(world.sending_ids().is_empty(), "once; then it waits as the others");
}

#[test]
fn what_is_asked_for_and_folded_into_a_newer_one_is_sent_as_that() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.break_ops();
    world.outbox.add(recovery(2, 1), &mut world.orders, world.now.unix);
    assert_eq!(world.outbox.hurry(DeliveryId(1), world.now), Hurried::Due);
    world.step();
    assert_eq!(world.sending_ids(), [2]);
}

#[test]
fn one_message_of_an_incident_is_on_its_way_at_a_time() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.add(recovery(2, 1));
    world.add(problem(3, 2));
    assert_eq!(world.sending_ids(), [1, 3]);
    world.end(Tried::Arrived);
    assert_eq!(world.sending_ids(), [3, 2]);
    assert!(world.folded.is_empty());
}

#[test]
fn later_messages_of_an_incident_carry_what_the_service_calls_the_first() {
    let mut world = World::new();
    world.add(problem(1, 1));
    assert_eq!(world.sending[0].notification.reference, None);
    world.end_as(Tried::Arrived, Some("ts-1"));
    let sent = world.settled.pop().unwrap();
    assert_eq!(sent.notification.reference.as_deref(), Some("ts-1"));

    world.add(problem(2, 2));
    assert_eq!(world.sending[0].notification.reference, None, "another incident");
    world.end(Tried::Arrived);
    world.add(recovery(3, 1));
    assert_eq!(world.sending[0].notification.reference.as_deref(), Some("ts-1"));
    world.end(Tried::Arrived);
    let sent = world.settled.pop().unwrap();
    assert_eq!(sent.notification.reference.as_deref(), Some("ts-1"), "an answer has no other");
}

#[test]
fn a_reference_outlives_a_restart_and_a_later_one_replaces_it() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.end_as(Tried::Arrived, Some("first"));
    let sent = world.settled.pop().unwrap();

    let mut after = World::new();
    after.add(sent);
    after.add(problem(2, 1));
    assert_eq!(after.sending[0].notification.reference.as_deref(), Some("first"));
    after.end_as(Tried::Arrived, Some("second"));
    after.add(recovery(3, 1));
    assert_eq!(after.sending[0].notification.reference.as_deref(), Some("second"));
}

#[test]
fn a_reference_beyond_its_bound_and_one_of_another_receiver_are_not_carried() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.end_as(Tried::Arrived, Some(&"x".repeat(MAX_REFERENCE + 1)));
    world.add(problem(2, 1));
    assert_eq!(world.sending[0].notification.reference, None);
    world.end_as(Tried::Arrived, Some("ops-calls-it-this"));
    let mut elsewhere = problem(3, 1);
    elsewhere.notification.receiver = name("alone");
    world.add(elsewhere);
    assert_eq!(world.sending[0].notification.reference, None);
    let mut carried = problem(4, 1).notification;
    carried.reference = Some("ops-calls-it-this".to_owned());
    assert_eq!(hand_over(&carried, &name("hook")).reference, None);
}

#[test]
fn what_waits_behind_a_failure_is_folded_and_told_once() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.end(no());
    world.add(recovery(2, 1));
    assert_eq!(world.folded.len(), 1);
    let newest = world.folded[0].last().unwrap();
    assert_eq!(newest.notification.reason, Reason::Merged);
    assert_eq!(world.sending_ids(), [2], "the newest was never tried and goes at once");
    world.end(Tried::Arrived);
    assert_eq!(world.outbox.n_waiting(), 0);
    assert_eq!(world.outbox.sleep(world.now), None);
}

#[test]
fn sends_to_one_receiver_are_bounded_and_others_do_not_wait() {
    let mut world = World::new();
    for id in 1..=10 {
        world.add(problem(id, id));
    }
    assert_eq!(world.sending_ids(), [1, 2, 3, 4]);
    let mut other = problem(20, 20);
    other.notification.receiver = name("alone");
    world.add(other);
    assert_eq!(world.sending_ids(), [1, 2, 3, 4, 20], "a receiver that hangs holds up itself only");
}

#[test]
fn a_failing_receiver_is_raised_once_and_cleared_once() {
    let mut world = World::new();
    for id in 1..=4 {
        world.add(problem(id, id));
    }
    world.break_ops();
    assert_eq!(world.failing, [Some("receiver ops failing: connection refused".to_owned())]);
    while !world.sending.is_empty() {
        world.end(no());
    }
    world.pass(Duration::from_secs(10));
    assert_eq!(world.sending.len(), 1, "a single trial");
    world.end(Tried::Arrived);
    assert_eq!(world.failing.len(), 2);
    assert_eq!(world.failing[1], None);
    assert_eq!(world.sending.len(), 3, "everything that waited goes at once");
}

#[test]
fn a_receiver_that_asked_for_time_is_left_alone_even_when_it_works_again() {
    let mut world = World::new();
    world.add(problem(1, 1));
    let hour = Duration::from_mins(50);
    world.end(Tried::Failed { permanent: false, retry_after: Some(hour), error: String::new() });
    for id in 2..=4 {
        world.add(problem(id, id));
    }
    world.break_ops();
    while !world.sending.is_empty() {
        world.end(no());
    }
    world.pass(Duration::from_secs(10));
    world.end(Tried::Arrived);
    assert!(!world.sending_ids().contains(&1));
    world.pass(hour);
    assert!(world.sending_ids().contains(&1));
}

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

#[test]
fn the_driver_is_not_kept_awake_by_what_cannot_start() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.add(recovery(2, 1));
    assert_eq!(world.outbox.sleep(world.now), Some(LOOK), "behind a message on its way");
    world.end(Tried::Failed {
        permanent: false,
        retry_after: Some(Duration::from_mins(3)),
        error: String::new(),
    });
    for id in 3..=5 {
        world.add(problem(id, id));
    }
    world.break_ops();
    while !world.sending.is_empty() {
        world.end(no());
    }
    for _ in 0..1000 {
        let sleep = world.outbox.sleep(world.now).unwrap();
        assert!(!sleep.is_zero(), "{:?}", world.outbox);
        world.pass(sleep);
        if !world.sending.is_empty() {
            world.end(no());
        }
    }
}

#[test]
fn leases_of_a_dead_process_end_at_start() {
    let mut world = World::new();
    let mut leased = problem(1, 1);
    leased.state = DeliveryState::Leased { until: start().unix + Duration::from_mins(9) };
    world.add(leased);
    assert_eq!(world.sending_ids(), [1]);
}

#[test]
fn a_send_that_never_reports_back_does_not_hold_its_receiver_for_ever() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.pass(Policy::default().lease);
    assert!(matches!(world.settled[0].state, DeliveryState::Retry { .. }));
    assert_eq!(world.settled[0].last_error, "no word came of what became of it");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.sending_ids(), [1, 1], "the same message under the same key");
    world.end(Tried::Arrived);
    assert_eq!(world.outbox.n_waiting(), 0);
}

#[test]
fn a_wall_clock_that_jumps_ahead_ends_no_lease() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.now.unix = world.now.unix + Duration::from_hours(48);
    world.step();
    assert_eq!(world.sending_ids(), [1]);
    assert!(world.settled.is_empty());
}

#[test]
fn what_waits_for_a_removed_receiver_is_given_up_in_words() {
    let mut world = World::new();
    world.add(problem(1, 1));
    world.end(no());
    world.outbox.configure([(name("alone"), None)], &mut world.orders, world.now.unix);
    world.step();
    let dead = world.settled.last().unwrap();
    assert!(matches!(dead.state, DeliveryState::Dead { .. }));
    assert_eq!(dead.last_error, "this receiver is no longer configured");
    world.add(problem(2, 2));
    assert_eq!(world.settled.last().unwrap().notification.id, DeliveryId(2));
}

#[test]
fn an_outcome_that_comes_twice_counts_once() {
    let mut world = World::new();
    world.add(problem(1, 1));
    let row = world.sending[0].clone();
    world.sending.push(row);
    world.end(Tried::Arrived);
    world.end(Tried::Arrived);
    assert_eq!(world.settled.len(), 1);
}

#[derive(Clone, Debug)]
enum Happening {
    Message { receiver: usize, incident: u64, kind: usize },
    End { which: usize, tried: Tried, bits: u64 },
    Pass { seconds: u64 },
    ClockJump { seconds: i64 },
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    let tried = prop_oneof![
        3 => Just(Tried::Arrived),
        3 => Just(no()),
        1 => Just(Tried::Failed { permanent: true, retry_after: None, error: "404".to_owned() }),
        1 => Just(Tried::Failed {
            permanent: false,
            retry_after: Some(Duration::from_mins(2)),
            error: "429".to_owned(),
        }),
    ];
    prop_oneof![
        3 => (0..2_usize, 1..4_u64, 0..3_usize)
            .prop_map(|(receiver, incident, kind)| Happening::Message { receiver, incident, kind }),
        5 => (0..8_usize, tried, any::<u64>())
            .prop_map(|(which, tried, bits)| Happening::End { which, tried, bits }),
        3 => (0..900_u64).prop_map(|seconds| Happening::Pass { seconds }),
        1 => (-90_000..90_000_i64).prop_map(|seconds| Happening::ClockJump { seconds }),
        1 => Just(Happening::Restart),
    ]
}

/// What a store would hold, beside the machine.
#[derive(Default)]
struct Store {
    rows: BTreeMap<DeliveryId, DeliveryRecord>,
    keys: BTreeSet<String>,
    sending: Vec<(ReceiverName, DeliveryId)>,
    last: u64,
}

impl Store {
    fn insert(&mut self, notification: Notification) -> Option<DeliveryRecord> {
        if !self.keys.insert(notification.key.clone()) {
            return None;
        }
        self.last += 1;
        let mut notification = notification;
        notification.id = DeliveryId(self.last);
        let state = DeliveryState::Queued;
        let row = DeliveryRecord {
            notification,
            state,
            attempts: 0,
            last_error: String::new(),
            took_ms: 0,
        };
        self.rows.insert(row.notification.id, row.clone());
        Some(row)
    }

    /// Does what the orders say; returns new rows to be added.
    fn obey(&mut self, orders: Vec<Order>) -> Vec<DeliveryRecord> {
        let mut added = Vec::new();
        for order in orders {
            match order {
                Order::Send(row) => {
                    let busy = self.sending.iter().any(|(receiver, id)| {
                        *receiver == row.notification.receiver
                            && self.rows[id].notification.incident == row.notification.incident
                    });
                    assert!(!busy, "two messages of one incident on their way to one receiver");
                    self.sending.push((row.notification.receiver.clone(), row.notification.id));
                    self.put(row);
                }
                Order::Settled(row) => {
                    let id = row.notification.id;
                    self.sending.retain(|(_, sending)| *sending != id);
                    self.put(row);
                }
                Order::Folded(rows) => rows.into_iter().for_each(|row| self.put(row)),
                Order::HandOver(notification) => added.extend(self.insert(notification)),
                Order::SettledFor { settled, stand_in } => {
                    let id = settled.notification.id;
                    self.sending.retain(|(_, sending)| *sending != id);
                    self.put(settled);
                    added.extend(self.insert(*stand_in));
                }
                Order::Failing { .. } => {}
            }
        }
        added
    }

    fn put(&mut self, row: DeliveryRecord) {
        let old = &self.rows[&row.notification.id];
        assert!(!is_settled(&old.state), "a settled row changed: {old:?} to {row:?}");
        self.rows.insert(row.notification.id, row);
    }
}

fn machine() -> Outbox {
    let receivers = [(name("ops"), Some(name("hook"))), (name("hook"), None)];
    Outbox::new(receivers, Policy::default())
}

fn settle(outbox: &mut Outbox, store: &mut Store, now: Now, mut orders: Vec<Order>) {
    loop {
        outbox.step(now, &mut orders);
        let added = store.obey(std::mem::take(&mut orders));
        if added.is_empty() {
            return;
        }
        for row in added {
            outbox.add(row, &mut orders, now.unix);
        }
    }
}

fn restart(store: &mut Store, now: Now) -> Outbox {
    let mut outbox = machine();
    let mut orders = Vec::new();
    store.sending.clear();
    for row in store.rows.values() {
        outbox.add(row.clone(), &mut orders, now.unix);
    }
    settle(&mut outbox, store, now, orders);
    outbox
}

proptest! {

    /// Whatever happens in whatever order: messages of one incident never overtake each other, no
    /// settled row comes back, and once everything works, everything that was not refused for good
    /// is sent or folded.
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut outbox = machine();
        let mut store = Store::default();
        let mut now = start();
        for happening in happenings {
            let mut orders = Vec::new();
            match happening {
                Happening::Message { receiver, incident, kind } => {
                    let mut row = match kind {
                        0 => problem(0, incident),
                        1 => recovery(0, incident),
                        _ => row(0, Reason::Worse, Status::Critical, Some(Status::Warning)),
                    };
                    let n = &mut row.notification;
                    n.incident = Some(IncidentId(incident));
                    n.receiver = name(["ops", "hook"][receiver]);
                    n.key = format!("{incident}/{}/{}", n.receiver, store.last + 1);
                    n.at = now.unix;
                    n.severity = Severity::from(n.status);
                    if let Some(row) = store.insert(row.notification) {
                        outbox.add(row, &mut orders, now.unix);
                    }
                }
                Happening::End { which, tried, bits } => {
                    if !store.sending.is_empty() {
                        let (receiver, delivery) = store.sending.remove(which % store.sending.len());
                        let attempt = Attempt {
                            receiver,
                            delivery,
                            tried,
                            reference: None,
                            took: Duration::ZERO,
                            chance: Chance::from_bits(bits),
                        };
                        outbox.tried(&attempt, now, &mut orders);
                    }
                }
                Happening::Pass { seconds } => now = now.after(Duration::from_secs(seconds)),
                Happening::ClockJump { seconds } => now.unix.0 += seconds * 1000,
                Happening::Restart => outbox = restart(&mut store, now),
            }
            settle(&mut outbox, &mut store, now, orders);
        }
        for _ in 0..3000 {
            if store.sending.is_empty() {
                let Some(sleep) = outbox.sleep(now) else { break };
                now = now.after(sleep.max(Duration::from_millis(1)));
            }
            let mut orders = Vec::new();
            if let Some((receiver, delivery)) = store.sending.pop() {
                let attempt = Attempt {
                    receiver,
                    delivery,
                    tried: Tried::Arrived,
                    reference: None,
                    took: Duration::ZERO,
                    chance: Chance::from_bits(0),
                };
                outbox.tried(&attempt, now, &mut orders);
            }
            settle(&mut outbox, &mut store, now, orders);
        }
        prop_assert_eq!(outbox.n_waiting(), 0, "{:?}", outbox);
        for row in store.rows.values() {
            prop_assert!(is_settled(&row.state), "{:?}", row);
        }
    }
}
