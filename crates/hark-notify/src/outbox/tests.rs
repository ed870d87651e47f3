use hark_model::record::IncidentId;
use hark_model::time::Mono;
use hark_model::{Severity, Status};

use super::queue::LOOK;
use super::*;
use crate::delivery::hand_over;
use crate::delivery::tests::row;

mod by_chance;
mod fallback;

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
