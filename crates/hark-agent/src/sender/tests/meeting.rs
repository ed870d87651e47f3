//! What agent and server tell one another: sessions, sets, facts, papers; and what strangers say.

use super::*;

#[test]
fn a_server_that_forgot_everything_is_told_again() {
    let mut world = World::new(7);
    world.run(3600);
    world.server = Server::new();
    world.sent_frames.clear();
    world.run(300);
    let known: Vec<u32> = world.server.sets.keys().copied().collect();
    assert_eq!(known.len(), 2, "the sets");
    world.check();
}

#[test]
fn a_suspended_machine_begins_a_new_session() {
    let mut world = World::new(8);
    world.run(60);
    let session = world.sender.client.session();
    let mut later = moment(world.ms);
    later.now.unix = later.now.unix + Duration::from_hours(1);
    world.sender.pump(&world.sets.iter(), later, &mut |_| {});
    assert!(world.sender.client.session() > session);
}

#[test]
fn frames_whose_set_nobody_knows_are_given_up() {
    let mut world = World::new(9);
    world.run(30);
    // A frame of a set that was never defined, as after damage.
    let frame: Vec<u8> = vec![2];
    let mut builder = BacklogBuilder::new();
    assert!(builder.push(4711, Unix(5), &frame));
    let number = world.sender.spool.append_samples(Unix(5), builder.finish().bytes(), []);
    world.sender.spool.samples_lost(number);
    world.run(300);
    assert_eq!(world.sender.spool.pending().samples, 0);
    world.check();
}

#[test]
fn papers_arrive_whole_and_once_over_a_bad_network() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.weather = Weather { loss: 30, double: 20, delay_ms: 400 };
        let long: Vec<u8> = (0..20_000u32).map(|n| n.to_le_bytes()[0]).collect();
        world.server.papers.insert(Paper::Configuration(7), long.clone());
        world.server.papers.insert(Paper::Order(3), b"restart".to_vec());
        world.run(600);
        let arrived = world.take();
        assert_eq!(
            arrived,
            [
                Arrived { paper: Paper::Configuration(7), bytes: long },
                Arrived { paper: Paper::Order(3), bytes: b"restart".to_vec() },
            ],
            "{seed}"
        );
        world.run(600);
        assert_eq!(world.take(), [], "{seed}");
        world.server.papers.clear();
        world.run(120);
        let nothing = Arrived { paper: Paper::Configuration(0), bytes: Vec::new() };
        assert_eq!(world.take(), [nothing], "{seed}");
    }
}

#[test]
fn a_paper_that_changes_while_it_is_fetched_is_the_newer_one() {
    let mut world = World::new(3);
    world.weather = Weather { loss: 0, double: 0, delay_ms: 900 };
    world.server.papers.insert(Paper::Configuration(7), vec![7; 30_000]);
    world.run(15);
    world.server.papers.remove(&Paper::Configuration(7));
    world.server.papers.insert(Paper::Configuration(9), vec![9; 3000]);
    world.run(300);
    let newer = Arrived { paper: Paper::Configuration(9), bytes: vec![9; 3000] };
    assert_eq!(world.take(), [newer]);
}

#[test]
fn facts_reach_the_server_and_those_that_go_are_removed() {
    let mut world = World::new(10);
    let mut facts: BTreeMap<String, String> = (0..40)
        .map(|n| (format!("filesystem_info./mount/{n}"), "ext4 /dev/disk".to_owned()))
        .collect();
    facts.insert("kernel".to_owned(), "6.1".to_owned());
    world.sender.set_facts(facts.clone(), moment(world.ms).now);
    world.run(30);
    assert_eq!(world.server.facts, facts);
    facts.remove("filesystem_info./mount/7");
    facts.insert("kernel".to_owned(), "6.2".to_owned());
    let applied = world.server.applied.len();
    world.sender.set_facts(facts.clone(), moment(world.ms).now);
    world.run(30);
    assert_eq!(world.server.facts, facts);
    assert_eq!(world.server.applied.len(), applied + 1, "only what changed is told");
}

#[test]
fn forged_and_foreign_datagrams_change_nothing() {
    let mut world = World::new(12);
    world.run(30);
    let before = world.sender.counts;
    for len in [0, 1, 26, 96, 1500] {
        world.sender.receive(&mut vec![0x5a; len], moment(world.ms));
    }
    assert_eq!(world.sender.counts.refused, before.refused + 5);
    assert_eq!(world.sender.counts.stored, before.stored);
    world.run(30);
    world.check();
}
