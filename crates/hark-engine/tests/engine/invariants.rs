//! The invariants of the alerting design (6.12), after every step of random sequences.

use std::collections::BTreeMap;

use hark_engine::Block;
use hark_model::record::{DeliveryState, Matcher};
use hark_model::{HostId, IncidentId, Reason, ReceiverName, Status};
use proptest::prelude::*;

use crate::ops::{CONFIG, HOSTS, Op, apply, op};
use crate::world::{Said, World, plan_of};

/// At most this long, in milliseconds, the engine does not look at the wall clock.
const CALENDAR_STEP_MS: u64 = 60_000;

/// What is looked at between two steps.
#[derive(Default)]
struct Watcher {
    said: usize,
    told: BTreeMap<(IncidentId, ReceiverName), Status>,
    hard: BTreeMap<(HostId, String), Status>,
    /// When the wall clock jumped last.
    jumped: Option<u64>,
}

impl Watcher {
    fn look(&mut self, world: &World, op: &Op) {
        if matches!(op, Op::Wall(_)) {
            self.jumped = Some(world.time);
        }
        for said in &world.said[self.said..] {
            self.message(world, said);
        }
        self.said = world.said.len();
        explained_is_done(world);
        stored_is_whole(world);
        acks_end_with_their_incidents(world);
        self.ok_is_proven(world, op);
        counts_are_right(world);
    }

    /// Invariants 2 and 4.
    fn message(&mut self, world: &World, said: &Said) {
        let n = &said.notification;
        let Some(incident) = n.incident else { return };
        let told = self.told.entry((incident, n.receiver.clone())).or_insert(Status::Ok);
        match n.reason {
            Reason::Problem => assert_eq!(*told, Status::Ok, "a problem is told once: {n:?}"),
            Reason::Recovery | Reason::Merged | Reason::Removed => {
                assert_ne!(*told, Status::Ok, "no end without a beginning: {n:?}");
            }
            Reason::Worse | Reason::Better | Reason::Reminder | Reason::Acknowledged => {
                assert_ne!(*told, Status::Ok, "nothing told that could change: {n:?}");
            }
            _ => {}
        }
        if n.reason != Reason::FlapStart {
            *told = n.status;
        }
        let covers = |matcher: &Matcher| matcher.hosts.iter().any(|host| *host == n.host.as_str());
        // The wall clock is looked at each minute: a jump may be noticed that late.
        let jumped = self.jumped.is_some_and(|at| said.at <= at + CALENDAR_STEP_MS);
        if n.reason == Reason::Removed || jumped {
            return;
        }
        for silence in world.store.silences.values() {
            let active = silence.from <= n.at && n.at < silence.until;
            assert!(!(active && covers(&silence.matcher)), "told under a silence: {n:?}");
        }
    }

    /// Invariant 6: only a good result makes anything ok.
    fn ok_is_proven(&mut self, world: &World, op: &Op) {
        let proves = matches!(op, Op::Heard(..) | Op::Ping(_) | Op::Web(_) | Op::Reload(_));
        let mut hard = BTreeMap::new();
        for host in world.engine.hosts().filter(|host| host.name().as_str() != "self") {
            for check in host.checks() {
                let Some(is) = check.hard() else { continue };
                let key = (host.id(), check.name().to_string());
                let was = self.hard.get(&key);
                if is == Status::Ok && was.is_some_and(|was| *was != Status::Ok) {
                    assert!(proves, "{key:?} became ok by {op:?}");
                }
                hard.insert(key, is);
            }
        }
        self.hard = hard;
    }
}

/// Invariants 1, 3 and 15: what could be told is told, and what is explained is what is done.
fn explained_is_done(world: &World) {
    let now = world.now();
    for incident in world.engine.incidents() {
        let id = incident.record().id;
        let told = incident.told(now);
        for line in world.engine.explain(id, now).unwrap().lines {
            assert!(line.block.is_some(), "due and not told: {line:?}");
            let knows = told
                .iter()
                .find(|told| Some(&told.receiver) == line.receiver.as_ref())
                .map_or(Status::Ok, |told| told.status);
            if line.block == Some(Block::Told) {
                assert_eq!(knows, incident.record().status, "{line:?}");
            }
        }
    }
}

/// Invariant 7: rows and told-states are written together.
fn stored_is_whole(world: &World) {
    let mut rows: BTreeMap<(IncidentId, ReceiverName), u32> = BTreeMap::new();
    for row in world.store.outbox.values() {
        if let Some(incident) = row.notification.incident {
            *rows.entry((incident, row.notification.receiver.clone())).or_default() += 1;
        }
    }
    for (key, count) in &rows {
        assert_eq!(world.store.told.get(key).map(|told| told.sequence), Some(*count), "{key:?}");
    }
    for told in world.store.told.values() {
        let rows = rows.get(&(told.incident, told.receiver.clone())).copied().unwrap_or(0);
        assert_eq!(told.sequence, rows, "{told:?}");
    }
}

/// Invariant 14.
fn acks_end_with_their_incidents(world: &World) {
    for incident in world.store.incidents.values() {
        assert!(incident.resolved_at.is_none() || incident.ack.is_none(), "{incident:?}");
    }
}

fn counts_are_right(world: &World) {
    for state in hark_engine::HostState::ALL {
        let counted = world.engine.hosts().filter(|host| host.state() == state).count();
        assert_eq!(world.engine.counts().of(state), counted, "{state:?}");
    }
}

/// Ends everything well: after that nobody may believe otherwise.
fn come_to_rest(world: &mut World) {
    apply(world, &Op::Reload(false));
    apply(world, &Op::Healthy);
    world.back("ops");
    while world.engine.silences().next().is_some() {
        apply(world, &Op::EndSilence);
    }
    for _ in 0..60 {
        for host in 0..HOSTS.len() {
            apply(world, &Op::Heard(host, 10.0));
        }
        apply(world, &Op::Ping(Status::Ok));
        apply(world, &Op::Web(Status::Ok));
        apply(world, &Op::Pass(30));
    }
    let left: Vec<_> = world
        .engine
        .incidents()
        .filter(|incident| incident.host_name().as_str() != "self")
        .map(|incident| (incident.record().clone(), incident.told(world.now())))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    let told_bad: Vec<_> =
        world.store.told.values().filter(|told| told.status != Status::Ok).collect();
    assert!(told_bad.is_empty(), "{told_bad:?}");
    assert_eq!(world.waiting(), Vec::new(), "all is delivered");
    assert_eq!(world.engine.n_unsent(), 0);
    for host in world.engine.hosts().filter(|host| host.name().as_str() != "self") {
        assert_eq!(host.word(), "Healthy", "{}", host.name());
    }
}

/// Returns how many random sequences are tried; `HARK_CASES` at build time asks for more.
pub(crate) fn cases(usual: u32) -> u32 {
    option_env!("HARK_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_step(ops in proptest::collection::vec(op(), 1..120)) {
        let mut world = World::new(plan_of(CONFIG));
        let mut watcher = Watcher::default();
        for op in &ops {
            apply(&mut world, op);
            watcher.look(&world, op);
        }
        come_to_rest(&mut world);
        watcher.look(&world, &Op::Heard(0, 10.0));
    }

    /// Invariant 5: the same input twice is the same input once.
    #[test]
    fn an_input_fed_twice_does_nothing_more(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new(plan_of(CONFIG));
        for op in &ops {
            apply(&mut world, op);
            if matches!(op, Op::Heard(..) | Op::Ping(_) | Op::Web(_) | Op::Healthy) {
                let (said, effects) = (world.said.len(), world.effects);
                apply(&mut world, op);
                prop_assert_eq!(world.said.len(), said, "{:?}", op);
                prop_assert_eq!(world.effects, effects, "{:?}", op);
            }
        }
    }

    /// Invariant 7: a kill between any two steps, with the server back in the same second, changes
    /// nothing that is believed or was told, and starting again after that does nothing more.
    #[test]
    fn a_kill_loses_and_doubles_nothing(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new(plan_of(CONFIG));
        // A jump of the wall clock is noticed at a start, which is something else.
        for op in ops.iter().filter(|op| !matches!(op, Op::Wall(_))) {
            apply(&mut world, op);
        }
        let before = world.store.snapshot(world.now());
        let believed = believed(&world);
        let said = world.said.len();
        world.restart(0);
        prop_assert_eq!(believed, self::believed(&world));
        prop_assert_eq!(world.said.len(), said, "a start tells nothing");
        let after = world.store.snapshot(world.now());
        prop_assert_eq!(&before.told, &after.told);
        prop_assert_eq!(&before.outbox, &after.outbox);
        prop_assert_eq!(
            before.incidents.iter().filter(|i| i.resolved_at.is_none()).count(),
            after.incidents.iter().filter(|i| i.resolved_at.is_none()).count()
        );
        let records = world.records;
        world.restart(0);
        prop_assert_eq!(world.records, records, "a second start has nothing left to do");
    }
}

fn believed(world: &World) -> Vec<(String, String, Option<Status>)> {
    let mut believed = Vec::new();
    for host in world.engine.hosts() {
        for check in host.checks() {
            // Metrics that are ok for the first time are not stored: that is what they are again.
            let hard = check.hard().filter(|hard| *hard != Status::Ok);
            if hard.is_some() {
                believed.push((host.name().to_string(), check.name().to_string(), hard));
            }
        }
    }
    believed.sort();
    believed
}

/// What was replaced says so, and is never sent.
#[test]
fn superseded_rows_are_marked_and_told_in_the_newest() {
    let mut world = World::new(plan_of(CONFIG));
    apply(&mut world, &Op::Away);
    apply(&mut world, &Op::Heard(3, 85.0));
    apply(&mut world, &Op::Pass(20));
    apply(&mut world, &Op::Heard(3, 95.0));
    apply(&mut world, &Op::Pass(20));
    apply(&mut world, &Op::Heard(3, 10.0));
    let ops: Vec<_> = world
        .store
        .outbox
        .values()
        .filter(|row| row.notification.receiver.as_str() == "ops")
        .collect();
    let superseded =
        ops.iter().filter(|row| matches!(row.state, DeliveryState::Superseded { .. })).count();
    assert_eq!((ops.len(), superseded), (3, 2));
    let last = &ops.last().unwrap().notification;
    assert_eq!(last.reason, Reason::Merged);
    assert!(
        last.detail.contains("CRITICAL: lone - cpu_monitor.cpu_percent = 95.0"),
        "{}",
        last.detail
    );
    assert_eq!(world.waiting().len(), 1);
}

/// Invariant 13: however many things break, a receiver gets a bounded number of messages, and knows
/// everything at the end.
#[test]
fn a_storm_is_summed_up_and_everybody_knows_at_the_end() {
    let mut world = World::new(plan_of("receivers: {ops: {}}\n"));
    let names: Vec<String> = (0..350).map(|number| format!("host{number}")).collect();
    for name in &names {
        world.heard(name, &[]);
    }
    world.run_to(94_000);
    assert_eq!(world.said.len(), 0);
    // All fall silent in the same moment.
    world.run_to(110_000);
    let reasons = |world: &World, reason| {
        world.said.iter().filter(|said| said.notification.reason == reason).count()
    };
    assert_eq!(reasons(&world, Reason::Problem), 5, "more hosts at once are one piece of news");
    assert_eq!(reasons(&world, Reason::Summary), 1);
    let summary = &world.said.last().unwrap().notification;
    assert_eq!(summary.summary, "SUMMARY: 345 changes at once: 345 critical");
    assert!(summary.detail.ends_with("and 295 more"), "{}", summary.detail);
    let told = world.store.told.values().filter(|told| told.status == Status::Critical).count();
    assert_eq!(told, 350);
    // All come back at once: one more summary, and the storm is over when nothing is left of it.
    world.run_to(200_000);
    for name in &names {
        world.heard(name, &[]);
    }
    for minute in 4..14 {
        world.run_to(minute * 60_000);
        for name in &names {
            world.heard(name, &[]);
        }
    }
    let told = world.store.told.values().filter(|told| told.status != Status::Ok).count();
    assert_eq!(told, 0);
    assert!(world.said.len() <= 40, "{} messages", world.said.len());
    world.run_to(2_000_000);
    let before = world.said.len();
    world.heard("host1", &[]);
    world.run_to(2_200_000);
    assert!(world.said.len() > before, "single messages again");
}

/// What a storm keeps back comes with its next summary, reminders too: nothing else would bring them.
#[test]
fn reminders_that_come_at_once_are_summed_up_and_none_is_lost() {
    let mut world = World::new(plan_of("receivers: {ops: {}}\n"));
    for number in 0..60 {
        world.heard(&format!("host{number}"), &[]);
    }
    world.run_to(110_000);
    let before = world.said.len();
    // An hour, what reminders are spread over, and the longest wait for a summary.
    world.run_to((110 + 3_600 + 180 + 300) * 1000);
    let reminded: Vec<u32> = world.store.told.values().map(|told| told.reminders).collect();
    assert_eq!(reminded, [1; 60]);
    let said = &world.said[before..];
    assert!(said.len() < 30, "{} messages", said.len());
    let summary = said.iter().find(|said| said.notification.reason == Reason::Summary).unwrap();
    assert!(summary.notification.summary.contains(" reminders at once: "));
    assert!(summary.notification.detail.contains("REMINDER (CRITICAL): host"));
}

/// Rule F6: however many hosts fall silent within an interval, there are few notices and all is recorded.
#[test]
fn hosts_that_fall_silent_together_are_few_notices() {
    let mut world = World::new(plan_of("receivers: {ops: {}, page: {}}\n"));
    for number in 0..10_000_u64 {
        world.sleep_to(number * 15_000 / 10_000);
        world.heard(&format!("host{number}"), &[]);
    }
    // The first deadline passes after 95 s, the last 15 s later.
    let upto = |world: &World, time: u64| {
        let to = |said: &&Said| said.notification.receiver.as_str() == "ops" && said.at <= time;
        world.said.iter().filter(to).count()
    };
    world.run_to(200_000);
    assert!(upto(&world, 100_000) <= 7, "{} within 5 s", upto(&world, 100_000));
    assert!(upto(&world, 200_000) <= 10, "{} in all", upto(&world, 200_000));
    let told = world.store.told.values().filter(|told| told.status == Status::Critical).count();
    assert_eq!(told, 20_000);
}

/// Found by random sequences: a receiver that no route led to any more knew of the problem, and each
/// start wrote down and counted once more that the silence kept its news back.
#[test]
fn a_start_does_not_count_again_what_a_silence_kept_back() {
    let mut world = World::new(plan_of(CONFIG));
    for op in [
        Op::Reload(true),
        Op::Web(Status::Critical),
        Op::Pass(126),
        Op::Web(Status::Unknown),
        Op::Silence(1, 5, false),
    ] {
        apply(&mut world, &op);
    }
    let kept = |world: &World| {
        let late = world.withheld.iter().filter(|(_, receiver, _)| receiver == "late").count();
        (late, world.store.silences.values().map(|silence| silence.withheld).sum::<u64>())
    };
    let before = kept(&world);
    assert!(before.0 > 0 && before.1 > 0, "{before:?}");
    world.restart(0);
    world.restart(0);
    assert_eq!(kept(&world), before);
}
