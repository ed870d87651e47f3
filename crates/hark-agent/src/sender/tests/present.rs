//! Heartbeats and what happens now: how often, and in how few datagrams.

use super::*;

#[test]
fn a_calm_day_takes_one_datagram_a_heartbeat_and_no_retransmission() {
    let mut world = World::new(1);
    world.sets = vec![set(33)];
    world.run(3600);
    world.weather = CALM;
    assert_eq!(world.sender.counts.overdue, 0);
    assert_eq!(world.sender.counts.refused, 0);
    assert_eq!(world.server.live.len(), world.sent_frames.len());
    // One each 10 s, the hello, and the set in its parts; the first heartbeat came before the set
    // was known and came again as backlog.
    let extra = world.datagrams - world.sent_frames.len() as u64;
    assert!(extra <= 8, "{extra}");
    world.run(5);
    world.check();
}

#[test]
fn the_results_of_a_round_share_two_datagrams_and_one_answer() {
    let mut world = World::new(1);
    world.run(60);
    let (datagrams, wakes, applied) = (world.datagrams, world.wakes, world.server.applied.len());
    for _ in 0..30 {
        world.results(20);
        world.run(10);
    }
    assert_eq!(world.server.applied.len() - applied, 30 * 20);
    let (datagrams, wakes) = (world.datagrams - datagrams, world.wakes - wakes);
    assert!(datagrams <= 30 * 3, "a heartbeat and two of results: {datagrams}");
    // In this world each datagram and each answer arrives at its own time.
    assert!(wakes <= 30 * 7, "{wakes}");
    world.check();
}

#[test]
fn an_agent_alone_speaks_at_its_interval_and_greets_ever_less_often() {
    let mut world = World::new(4);
    world.server_up = false;
    world.run(600);
    let before = world.datagrams;
    world.run(3600);
    let extra = (world.datagrams - before).saturating_sub(2 * 360);
    assert!(extra < 200, "{extra} hellos in an hour");
    world.server_up = true;
    world.run(900);
    world.check();
}

#[test]
fn heartbeats_go_on_at_a_short_interval_though_nothing_is_acknowledged() {
    let mut world = World::new(14);
    world.interval_ms = 1000;
    world.run(30);
    world.server_up = false;
    world.run(600);
    let (sent, measured) = (world.datagrams, world.sent_frames.len());
    world.run(600);
    let beats = (world.sent_frames.len() - measured) as u64 / 2;
    assert!(world.datagrams - sent >= beats && beats >= 599);
    for _ in 0..100 {
        world.event();
    }
    world.server_up = true;
    world.run(600);
    world.next_beat = u64::MAX;
    world.run(5);
    world.check();
}

#[test]
fn the_present_goes_on_while_the_servers_history_is_stopped() {
    let mut world = World::new(5);
    world.run(30);
    world.server.history_stopped = true;
    world.event();
    world.run(3600);
    assert_eq!(world.server.applied.len(), 1, "events are stored");
    assert!(world.server.live.len() > 600, "heartbeats are heard");
    let sent = world.datagrams;
    world.run(600);
    assert!(world.datagrams - sent < 600, "no backlog is sent meanwhile");
    world.server.history_stopped = false;
    world.run(1200);
    world.check();
}

#[test]
fn while_the_server_sheds_load_the_past_waits_and_comes_slowly_behind_the_present() {
    let mut world = World::new(21);
    world.run(60);
    world.server.sheds = AckFlags::SHEDDING;
    world.run(30);
    let (kept, live, sent) = (world.server.frames.len(), world.server.live.len(), world.datagrams);
    world.event();
    world.run(3600);
    assert_eq!(world.server.frames.len(), kept);
    assert_eq!(world.server.live.len() - live, 2 * 360, "every heartbeat has its values");
    assert_eq!(world.server.applied.len(), 1, "events are stored");
    assert!(world.datagrams - sent < 400, "and nothing else is sent: {}", world.datagrams - sent);
    world.server.sheds = AckFlags::default();
    let sent = world.datagrams;
    world.run(60);
    assert!(world.datagrams - sent < 80, "one a second at most: {}", world.datagrams - sent);
    world.run(1200);
    world.check();
}

#[test]
fn asked_to_spare_values_every_other_heartbeat_goes_without_and_all_are_there_in_the_end() {
    let mut world = World::new(22);
    world.run(60);
    world.server.sheds = AckFlags::SHEDDING.with(AckFlags::SHEDDING_METRICS);
    world.run(30);
    let (live, sent) = (world.server.live.len(), world.datagrams);
    world.run(3600);
    assert_eq!(world.server.live.len() - live, 360, "of two sets with each second heartbeat");
    assert!((360..400).contains(&(world.datagrams - sent)), "{}", world.datagrams - sent);
    world.server.sheds = AckFlags::default();
    world.run(1260);
    world.check();
}

#[test]
fn asked_to_wait_it_sends_nothing_but_heartbeats() {
    let mut world = World::new(6);
    world.run(30);
    world.server.retry_after_s = 60;
    world.run(15);
    world.server.retry_after_s = 0;
    world.event();
    world.run(30);
    assert!(world.server.applied.is_empty());
    let live = world.server.live.len();
    world.run(90);
    assert!(world.server.live.len() > live);
    assert_eq!(world.server.applied.len(), 1);
}

#[test]
fn not_let_in_it_introduces_itself_when_it_was_told_to_and_loses_nothing() {
    let mut world = World::new(23);
    world.server.wait_s = 60;
    world.event();
    world.run(600);
    // Beside the heartbeats and the sets of the first, hellos: one a minute, and up to a quarter later.
    let hellos = world.datagrams.saturating_sub(world.sent_frames.len() as u64 / 2);
    assert!((8..=20).contains(&hellos), "{hellos} hellos in ten minutes");
    assert!(world.server.applied.is_empty() && world.server.frames.is_empty());
    world.server.wait_s = 0;
    world.run(120);
    assert_eq!(world.server.applied.len(), 1, "it is let in");
    world.run(600);
    world.check();
}

#[test]
fn it_sleeps_while_there_is_nothing_to_do_whatever_waits() {
    let mut world = World::new(15);
    world.run(60);
    let wakes_of = |world: &mut World, what: &str| {
        let before = world.wakes;
        world.run(600);
        let wakes = world.wakes - before;
        // A heartbeat each 10 s, its timeout or its answer, and some hellos.
        assert!(wakes < 400, "{what}: woke {wakes} times in 600 s");
    };
    wakes_of(&mut world, "calm");
    world.server_up = false;
    for _ in 0..100 {
        world.event();
    }
    wakes_of(&mut world, "server away, reports wait");
    world.server_up = true;
    world.server.history_stopped = true;
    world.run(60);
    wakes_of(&mut world, "history stopped, samples wait");
    world.server.retry_after_s = 3600;
    world.run(20);
    world.event();
    wakes_of(&mut world, "asked to wait");
}
