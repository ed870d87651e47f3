//! What was kept while the server was away, or the disk refused it.

use super::*;

#[test]
fn what_was_measured_while_the_server_was_away_comes_after_the_present() {
    let mut world = World::new(2);
    world.run(60);
    world.server_up = false;
    world.run(8 * 3600);
    let measured = world.sent_frames.len();
    assert!(world.sender.spool.pending().samples > 2000);
    world.server_up = true;
    world.server.restart();
    world.server.live.clear();
    world.run(20);
    assert!(!world.server.live.is_empty(), "the present first");
    assert!(world.server.frames.len() < measured / 2, "the past is throttled");
    world.run(1200);
    world.check();
}

#[test]
fn the_past_is_sent_no_faster_than_allowed() {
    let mut world = World::new(3);
    world.run(60);
    world.server_up = false;
    world.run(4 * 3600);
    world.server_up = true;
    let rates: Vec<u64> = (0..60)
        .map(|_| {
            let before = world.datagrams;
            world.run(1);
            world.datagrams - before
        })
        .collect();
    let most = rates.iter().max().unwrap();
    assert!((18..=27).contains(most), "{rates:?}");
}

#[test]
fn many_reports_all_arrive_though_one_is_lost_again_and_again() {
    let mut world = World::new(11);
    world.run(30);
    for _ in 0..500 {
        world.event();
    }
    // Whatever carries the first of them is lost for a minute.
    let until = world.ms + 60_000;
    while world.ms < until {
        world.wire.retain(|(_, to_server, datagram)| !to_server || datagram.len() != 117);
        world.step(until);
    }
    world.run(300);
    world.check();
}

#[test]
fn loss_of_the_spool_is_told() {
    let mut world = World::new(13);
    let small = Limits { bytes: Limits::MIN_BYTES, age: Duration::from_hours(24) };
    world.sender.spool = Spool::open(&world.folder.path().join("small"), small, Unix(1)).unwrap();
    world.server_up = false;
    world.run(4 * 3600);
    world.server_up = true;
    world.sender.report_losses(moment(world.ms).now);
    assert_eq!(world.sender.spool.pending().reports, 0, "nobody is there to be told");
    for _ in 0..60 {
        world.sender.report_losses(moment(world.ms).now);
        world.run(10);
    }
    let missing = world.sent_frames.len() - world.server.frames.len();
    assert!(missing > 0);
    let told = world.server.applied.iter().filter_map(|item| {
        let ReportItem::Event(event) = item else { return None };
        let number = event.text.split(' ').nth(4).filter(|_| event.kind.word() == "spool_gap");
        number?.parse::<usize>().ok()
    });
    // Two frames in each datagram.
    assert_eq!(told.sum::<usize>(), missing / 2);
}

#[test]
fn while_the_disk_refuses_everything_reports_and_the_present_arrive() {
    let mut world = World::new(16);
    world.run(60);
    world.sender.spool.refuse_writes(true);
    world.weather = STORM;
    for _ in 0..20 {
        world.event();
        world.run(10);
    }
    world.weather = CALM;
    world.run(60);
    assert_eq!(world.server.applied.len(), 20, "reports are kept in memory until they arrive");
    world.sender.report_losses(moment(world.ms).now);
    assert_eq!(world.sender.spool.pending().reports, 0, "nothing is told yet");
    world.sender.spool.refuse_writes(false);
    world.run(20);
    world.sender.report_losses(moment(world.ms).now);
    world.run(20);
    let told = world.server.applied.iter().any(
        |item| matches!(item, ReportItem::Event(event) if event.kind.word() == "spool_unsaved"),
    );
    assert!(told);
    assert!(world.server.live.len() >= world.sent_frames.len() * 6 / 10);
}
