//! Worlds from many seeds, and those that once failed.

use super::*;

/// A folder in memory, as syncing thousands of times to a real disk would take minutes.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder can be made")
}

/// Lives one life to its end.
fn live(seed: u64, config: WorldConfig) -> World {
    let dir = folder();
    let mut world = World::new(seed, config, dir.path()).expect("a world begins");
    world.run_to_rest().expect("the machine works");
    world
}

fn check(seed: u64, config: WorldConfig) -> World {
    let world = live(seed, config);
    assert!(world.violations().is_empty(), "seed {seed}: {:#?}", world.violations());
    world
}

/// Worlds of the short form: some ten seconds.
const WORLDS: u64 = 10;

/// Worlds that broke a promise once. A change of the world itself gives every seed another course; then
/// this list begins anew.
const FORMER: [u64; 2] = [3, 34];

/// Returns the seeds to live: `HARK_SEED=45` that one, `HARK_CASES=1000` so many: the long form.
fn seeds() -> Vec<u64> {
    let number = |name: &str| {
        #[expect(clippy::disallowed_methods, reason = "a number for this test alone")]
        let asked = std::env::var(name).ok();
        asked.map(|text| text.parse::<u64>().expect("a seed is a number"))
    };
    match number("HARK_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("HARK_CASES").unwrap_or(WORLDS)).chain(FORMER).collect(),
    }
}

#[test]
fn nothing_happens_in_a_calm_world() {
    let counts = check(1, WorldConfig::calm()).counts();
    assert_eq!((counts.incidents, counts.copies, counts.resets), (0, 0, 0));
    assert_eq!(counts.server_starts, 1);
    assert!(counts.frames > 2_000, "{counts:?}");
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let (first, second) = (live(7, WorldConfig::rough()), live(7, WorldConfig::rough()));
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.counts(), second.counts());
    assert_ne!(live(8, WorldConfig::rough()).fingerprint(), first.fingerprint());
}

#[test]
fn rough_worlds_keep_every_promise() {
    let (mut all, mut n_handed_over) = (Counts::default(), 0);
    let seeds = seeds();
    for seed in &seeds {
        let config = WorldConfig::rough();
        let standby = config.n_receivers;
        let world = check(*seed, config);
        n_handed_over += world.inbox(standby).len();
        let counts = world.counts();
        all.server_starts += counts.server_starts;
        all.incidents += counts.incidents;
        all.arrived += counts.arrived;
        all.copies += counts.copies;
        all.resets += counts.resets;
        all.stops += counts.stops;
    }
    // Worlds in which nothing went wrong would show nothing.
    let n_worlds = seeds.len();
    assert!(all.server_starts > 2 * n_worlds as u64 && all.incidents > n_worlds, "{all:?}");
    assert!(all.arrived > n_worlds && all.copies > 0 && all.resets > 0, "{all:?}");
    assert!(all.stops > n_worlds as u64 && n_handed_over > 0, "{all:?} {n_handed_over}");
}

#[test]
fn a_server_that_acknowledges_before_it_commits_is_found_out() {
    let found = (0..10).any(|seed| {
        let dir = folder();
        let mut config = WorldConfig::calm();
        config.faults.server_killed = 60_000;
        config.faults.agent_killed = 60_000;
        let mut world = World::new(seed, config, dir.path()).expect("a world begins");
        world.lies.acks_before_commit = true;
        world.run_to_rest().expect("the machine works");
        world.violations().iter().any(|violation| violation.text.contains("acknowledged"))
    });
    assert!(found);
}

#[test]
fn a_server_that_acknowledges_samples_without_history_is_found_out() {
    let found = (0..10).any(|seed| {
        let dir = folder();
        let mut config = WorldConfig::calm();
        config.faults.history_full = 120_000;
        config.faults.agent_killed = 60_000;
        let mut world = World::new(seed, config, dir.path()).expect("a world begins");
        world.lies.acks_without_history = true;
        world.run_to_rest().expect("the machine works");
        world.violations().iter().any(|violation| violation.text.contains("acknowledged"))
    });
    assert!(found);
}

#[test]
fn a_server_that_sends_what_it_put_in_before_is_found_out() {
    let found = (0..10).any(|seed| {
        let dir = folder();
        let mut config = WorldConfig::calm();
        config.faults.server_killed = 120_000;
        config.faults.receiver_away = 60_000;
        config.faults.trouble = 60_000;
        let mut world = World::new(seed, config, dir.path()).expect("a world begins");
        world.lies.sends_known_keys = true;
        world.run_to_rest().expect("the machine works");
        world.violations().iter().any(|violation| violation.text.contains("twice"))
    });
    assert!(found);
}

#[test]
fn a_history_that_is_full_or_broken_keeps_nobody_from_being_told() {
    for seed in 0..3 {
        let mut config = WorldConfig::calm();
        config.faults.history_full = 120_000;
        config.faults.history_fails = 120_000;
        config.faults.trouble = 120_000;
        let counts = check(seed, config).counts();
        assert!(counts.stops > 5 && counts.incidents > 5, "{counts:?}");
        assert!(counts.arrived >= counts.incidents, "{counts:?}");
    }
}

#[test]
fn receivers_that_refuse_hang_and_come_back_are_told_everything_once() {
    let mut n_handed_over = 0;
    for seed in 0..3 {
        let mut config = WorldConfig::calm();
        config.faults.receiver_away = 90_000;
        config.faults.trouble = 120_000;
        config.faults.server_killed = 300_000;
        let standby = config.n_receivers;
        let world = check(seed, config);
        assert!(world.counts().incidents > 5, "{:?}", world.counts());
        n_handed_over += world.inbox(standby).len();
    }
    assert!(n_handed_over > 0, "nothing went to the fallback");
}

#[test]
fn jumping_clocks_raise_only_the_check_of_the_clock() {
    for seed in 0..5 {
        let mut config = WorldConfig::calm();
        config.faults.server_clock = 240_000;
        config.faults.agent_clock = 120_000;
        let incidents = check(seed, config).incidents();
        let others: Vec<_> = incidents.iter().filter(|(_, check)| check != "clock").collect();
        assert!(others.is_empty(), "seed {seed}: {others:?}");
    }
}

#[test]
fn a_third_of_all_datagrams_lost_takes_no_host_down() {
    for seed in 0..5 {
        let mut config = WorldConfig::calm();
        config.weather = Weather { loss: 0.3, copies: 0.2, late: 0.2 };
        let world = check(seed, config);
        let down = world.incidents().into_iter().filter(|(_, check)| check == "host").count();
        assert_eq!(down, 0, "seed {seed}");
        assert!(world.counts().copies > 20, "{:?}", world.counts());
    }
}

#[test]
fn a_server_killed_every_two_minutes_loses_nothing() {
    for seed in 0..5 {
        let mut config = WorldConfig::calm();
        config.faults.server_killed = 120_000;
        config.faults.trouble = 120_000;
        let counts = check(seed, config).counts();
        assert!(counts.server_starts > 8 && counts.incidents > 0, "{counts:?}");
    }
}
