//! Ticks may come late, twice or early: what happens, and when it is said to have happened, does not
//! depend on them.

use hark_engine::Input;
use hark_model::ReceiverName;
use proptest::prelude::*;

use crate::ops::{CONFIG, Op, apply, op};
use crate::world::{World, plan_of};

/// How ticks come.
#[derive(Clone, Copy, Debug)]
enum Ticks {
    /// At each deadline.
    Exactly,
    /// Never: only other inputs let deadlines pass.
    Never,
    /// At every so many seconds, due or not, and twice.
    Every(u64),
}

/// Runs a sequence; nobody is reached, so that deliveries do not depend on when rows come out.
fn run(ops: &[Op], ticks: Ticks) -> World {
    let mut world = World::new(plan_of(CONFIG));
    for receiver in ["ops", "page", "late", "boss"] {
        world.away.insert(ReceiverName::new(receiver).unwrap());
    }
    for op in ops {
        match (op, ticks) {
            // These reach receivers, or begin a run: other tests are about them. And the wall clock
            // is looked at with each tick: when, is what this test varies.
            (Op::Back | Op::Away | Op::Restart(_) | Op::Wall(_), _) => {}
            (Op::Pass(seconds), Ticks::Never) => world.sleep_to(world.time + seconds * 1000),
            (Op::Pass(seconds), Ticks::Every(every)) => {
                let end = world.time + seconds * 1000;
                while world.time < end {
                    world.sleep_to((world.time + every * 1000).min(end));
                    world.step(Input::Tick);
                    world.step(Input::Tick);
                }
            }
            (op, _) => {
                // People act on what they see.
                if matches!(op, Op::Ack(..) | Op::Unack(_) | Op::EndSilence | Op::Drop(_)) {
                    world.step(Input::Tick);
                }
                apply(&mut world, op);
            }
        }
    }
    world.step(Input::Tick);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_schedule_of_ticks_changes_nothing(
        ops in proptest::collection::vec(op(), 1..80), every in 1_u64..50,
    ) {
        let exact = run(&ops, Ticks::Exactly);
        for ticks in [Ticks::Never, Ticks::Every(every)] {
            let other = run(&ops, ticks);
            prop_assert_eq!(exact.lines(), other.lines(), "{:?}", ticks);
            prop_assert_eq!(&exact.store.incidents, &other.store.incidents, "{:?}", ticks);
            prop_assert_eq!(&exact.store.told, &other.store.told, "{:?}", ticks);
            prop_assert_eq!(&exact.store.journal, &other.store.journal, "{:?}", ticks);
            prop_assert_eq!(&exact.store.checks, &other.store.checks, "{:?}", ticks);
        }
    }

    /// The same inputs give the same effects, byte for byte.
    #[test]
    fn the_same_inputs_give_the_same_effects(ops in proptest::collection::vec(op(), 1..60)) {
        let runs = [run(&ops, Ticks::Exactly), run(&ops, Ticks::Exactly)];
        let text = |world: &World| format!("{:?}{:?}", world.store, world.said);
        prop_assert_eq!(text(&runs[0]), text(&runs[1]));
    }
}
