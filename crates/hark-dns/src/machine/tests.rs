//! What the machine does, told in steps of time.

use std::net::Ipv4Addr;

use super::*;
use crate::testing::{self, Nowhere};
use crate::zone::Want;

const T0: Unix = Unix(1_795_000_000_000);

fn at(seconds: u64) -> Unix {
    T0 + Duration::from_secs(seconds)
}

fn name(text: &str) -> DnsName {
    DnsName::new(text).unwrap()
}

fn v4(last: u8) -> Addresses {
    Addresses { v4: Some(Ipv4Addr::new(192, 0, 2, last)), v6: None }
}

/// Hosts `web1` ... with an address each, as wishes in `example.net`.
fn wishes(hosts: &[(&str, u8)]) -> BTreeMap<DnsName, Wish> {
    let wish = |(host, last): &(&str, u8)| {
        let wish = Wish {
            zone: name("example.net"),
            host: HostName::new(host).unwrap(),
            v4: Want::Is(Ipv4Addr::new(192, 0, 2, *last)),
            v6: Want::Nothing,
            note: None,
        };
        (name(&format!("{host}.example.net")), wish)
    };
    hosts.iter().map(wish).collect()
}

/// The machine and what it said and wants remembered.
#[derive(Default)]
struct World {
    machine: Machine,
    names: BTreeMap<DnsName, NameRecord>,
    zones: BTreeMap<DnsName, ZoneRecord>,
    said: Vec<String>,
}

impl World {
    fn new(change: impl FnOnce(&mut Zone)) -> Self {
        let mut zone = testing::zone("example.net");
        zone.verify = crate::zone::Verify::Off;
        change(&mut zone);
        let mut world = Self::default();
        world.machine.plan(&[Arc::new(zone)], T0);
        world
    }

    fn see(&mut self, hosts: &[(&str, u8)], now: Unix) {
        self.machine.see(&wishes(hosts), now);
        self.take();
    }

    fn take(&mut self) {
        for effect in self.machine.effects() {
            match effect {
                Effect::KeepName(name, Some(record)) => {
                    let back = NameRecord::read(&record.text()).unwrap();
                    assert_eq!(back, record);
                    drop(self.names.insert(name, record));
                }
                Effect::KeepName(name, None) => drop(self.names.remove(&name)),
                Effect::KeepZone(name, Some(record)) => drop(self.zones.insert(name, record)),
                Effect::KeepZone(name, None) => drop(self.zones.remove(&name)),
                Effect::Say(said) => self.said.push(said.text),
            }
        }
    }

    fn next(&mut self, now: Unix) -> Option<Job> {
        let mut jobs = self.machine.next(now);
        self.take();
        assert!(jobs.len() < 2, "one at a time: {jobs:?}");
        jobs.pop()
    }

    fn done(&mut self, job: &Job, outcome: Outcome, now: Unix) {
        self.machine.done(job, outcome, now);
        self.take();
    }

    fn publish(&mut self, now: Unix) -> Change {
        let job = self.next(now).expect("something is due");
        assert_eq!(job.what, What::Publish);
        self.done(&job, Outcome::Published(Ok(String::new())), now);
        job.change
    }

    fn fail(&mut self, failure: Failure, now: Unix) {
        let job = self.next(now).expect("something is due");
        assert_eq!(job.what, What::Publish);
        self.done(&job, Outcome::Published(Err(failure)), now);
    }

    fn answer(&mut self, found: Result<Addresses, &str>, now: Unix) {
        let job = self.next(now).expect("something is due");
        assert_eq!(job.what, What::Ask);
        let found = found.map_err(str::to_owned).map(|found| Found {
            v4: found.v4.into_iter().collect(),
            v6: found.v6.into_iter().collect(),
            server: "ns1".to_owned(),
        });
        self.done(&job, Outcome::Found(found), now);
    }

    /// Ends it and starts it again with what it wanted remembered.
    fn restart(self, now: Unix) -> Self {
        let zone = self.machine.zones.values().next().map(|state| Arc::clone(&state.zone)).unwrap();
        let mut world =
            Self { names: self.names.clone(), zones: self.zones.clone(), ..Self::default() };
        for (name, record) in self.names {
            world.machine.remember_name(name, record);
        }
        for (name, record) in self.zones {
            world.machine.remember_zone(name, record);
        }
        world.machine.plan(&[zone], now);
        world.take();
        world
    }
}

#[test]
fn an_address_is_published_once_it_was_the_same_for_long_enough() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(0));
    assert!(world.next(at(0)).is_none());
    assert_eq!(world.machine.deadline(at(0)), Some(at(30)));
    world.see(&[("web1", 2)], at(20));
    assert!(world.next(at(31)).is_none(), "another one: its time begins anew");
    let change = world.publish(at(50));
    assert_eq!((change.set, change.had), (v4(2), Addresses::NONE));
    assert_eq!(world.said, ["web1.example.net is 192.0.2.2 in DNS"]);
    world.see(&[("web1", 2)], at(60));
    assert!(world.next(at(4000)).is_none(), "nothing is published twice");
    assert_eq!(world.machine.deadline(at(60)), None);
}

#[test]
fn an_address_that_flaps_is_published_so_often_an_hour_and_not_more() {
    let mut world = World::new(|zone| {
        zone.hold = Duration::ZERO;
        zone.per_hour = 3;
    });
    let mut published = 0;
    for minute in 0..60 {
        world.see(&[("web1", u8::try_from(minute % 2).unwrap())], at(minute * 60));
        if let Some(job) = world.next(at(minute * 60)) {
            world.done(&job, Outcome::Published(Ok(String::new())), at(minute * 60));
            published += 1;
        }
    }
    assert_eq!(published, 3);
    assert_eq!(world.machine.deadline(at(3590)), Some(at(3600)), "then there is room again");
    assert!(world.next(at(3600)).is_some());
}

#[test]
fn a_host_that_is_gone_loses_its_record_and_is_forgotten() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1), ("web2", 2)], at(0));
    world.publish(at(30));
    world.answer(Ok(v4(1)), at(30));
    world.publish(at(30));
    world.answer(Ok(v4(2)), at(30));
    world.see(&[("web2", 2)], at(40));
    let change = world.publish(at(40));
    assert_eq!((change.set, change.had), (Addresses::NONE, v4(1)));
    assert_eq!(world.names.len(), 2, "kept until it was seen to be out");
    world.answer(Ok(Addresses::NONE), at(40));
    assert_eq!(world.names.len(), 1);
    assert!(
        world.said.iter().any(|said| said.contains("was taken out of DNS")),
        "{:?}",
        world.said
    );
}

#[test]
fn where_names_cannot_be_taken_out_they_are_left_and_that_is_said() {
    let mut world = World::new(|zone| {
        zone.way = Arc::new(Nowhere { removes: false, pace: Duration::ZERO });
    });
    world.see(&[("web1", 1)], at(0));
    world.publish(at(30));
    world.see(&[], at(40));
    assert!(world.next(at(40)).is_none());
    assert!(world.names.is_empty());
    assert!(world.said.last().unwrap().contains("cannot take names out"), "{:?}", world.said);
}

#[test]
fn a_server_that_is_away_is_asked_less_and_less_often_for_all_names_together() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1), ("web2", 2)], at(0));
    let mut now = at(30);
    for wait in [10, 20, 40, 80] {
        world.fail(Failure::away("away"), now);
        assert!(world.next(now).is_none(), "the other name waits as well");
        let next = world.machine.deadline(now).unwrap();
        assert_eq!(next, now + Duration::from_secs(wait));
        now = next;
    }
    assert_eq!(world.said.len(), 2, "each name says it once: {:?}", world.said);
    let problem = world.machine.problem().unwrap();
    assert_eq!(problem, "example.net is not kept up to date: away (4 tries failed)");
    assert_eq!(backoff(u32::MAX), LONGEST_WAIT);
    world.publish(now);
    world.publish(now);
    assert_eq!((world.machine.problem(), world.zones.len()), (None, 0));
}

#[test]
fn what_would_lead_into_a_ban_is_not_tried_again_before_somebody_does_something() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(0));
    world.fail(Failure::refused("badauth"), at(30));
    assert!(world.next(at(1_000_000)).is_none());
    assert!(world.machine.problem().unwrap().contains("badauth"));
    // Neither does a restart with the same settings.
    let mut world = world.restart(at(1_000_010));
    world.see(&[("web1", 1)], at(1_000_010));
    assert!(world.next(at(1_000_050)).is_none());
    // Another password does.
    let mut zone = testing::zone("example.net");
    zone.verify = crate::zone::Verify::Off;
    zone.fingerprint = 2;
    world.machine.plan(&[Arc::new(zone)], at(1_000_060));
    world.publish(at(1_000_060));
    // So does a person.
    world.see(&[("web1", 3)], at(1_000_100));
    world.fail(Failure::refused("badauth"), at(1_000_130));
    assert!(world.machine.publish_now(&name("web1.example.net"), at(1_000_140)));
    assert_eq!(world.publish(at(1_000_140)).set, v4(3));
}

#[test]
fn a_name_that_is_refused_does_not_hold_up_the_others() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1), ("web2", 2)], at(0));
    world.fail(Failure::of_name("nohost"), at(30));
    assert_eq!(world.publish(at(30)).set, v4(2));
    assert!(world.next(at(100_000)).is_none());
    assert_eq!(world.machine.problem().unwrap(), "web1.example.net: nohost");
    // Another address is no reason to send more of what was refused.
    world.see(&[("web1", 9), ("web2", 2)], at(100_000));
    assert!(world.next(at(100_030)).is_none());
}

#[test]
fn a_service_that_wants_to_be_left_alone_is() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(0));
    world.fail(Failure::not_before(Duration::from_mins(30), "911"), at(30));
    assert_eq!(world.machine.deadline(at(30)), Some(at(30 + 1800)));
    let mut world = world.restart(at(60));
    world.see(&[("web1", 1)], at(60));
    assert!(world.next(at(30 + 1799)).is_none(), "also over a restart");
    world.publish(at(30 + 1800));
}

#[test]
fn requests_of_a_zone_keep_the_distance_that_its_service_wants() {
    let mut world = World::new(|zone| {
        zone.way = Arc::new(Nowhere { removes: true, pace: Duration::from_secs(5) });
    });
    world.see(&[("web1", 1), ("web2", 2)], at(0));
    world.publish(at(30));
    assert!(world.next(at(34)).is_none());
    assert_eq!(world.machine.deadline(at(34)), Some(at(35)));
    world.publish(at(35));
}

#[test]
fn what_was_published_is_looked_for_until_it_is_there() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1)], at(0));
    world.publish(at(30));
    world.answer(Ok(Addresses::NONE), at(30));
    assert!(world.next(at(31)).is_none());
    world.answer(Ok(v4(1)), at(32));
    let view = &world.machine.views()[0];
    assert_eq!((&view.checked, view.published), (&Checked::Right(at(32)), v4(1)));
    assert_eq!(world.machine.deadline(at(32)), Some(at(32 + 3600)), "and again in an hour");
}

#[test]
fn what_somebody_else_changed_is_published_again_and_a_service_that_keeps_nothing_is_told_of() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1)], at(0));
    world.publish(at(30));
    world.answer(Ok(v4(1)), at(30));
    world.answer(Ok(v4(66)), at(3630));
    assert!(world.said.last().unwrap().contains("ns1 says 192.0.2.66"), "{:?}", world.said);
    let change = world.publish(at(3640));
    assert_eq!(change.set, v4(1));
    // It does not stay, again and again.
    let mut now = at(3640);
    for _ in 0..2 {
        let began = now;
        while now.since(began) < Duration::from_secs(181) {
            world.answer(Ok(v4(66)), now);
            now = world.machine.deadline(now).unwrap();
        }
        let job = world.next(now).unwrap();
        assert_eq!(job.what, What::Publish, "it is published again");
        world.done(&job, Outcome::Published(Ok(String::new())), now);
    }
    assert!(world.machine.problem().unwrap().contains("web1.example.net"), "{:?}", world.said);
}

#[test]
fn nobody_to_ask_is_no_reason_to_publish_again() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1)], at(0));
    world.publish(at(30));
    let mut now = at(30);
    while now.since(at(30)) < Duration::from_mins(3) {
        world.answer(Err("nobody answers"), now);
        now = world.machine.deadline(now).unwrap();
    }
    world.answer(Err("nobody answers"), now);
    assert_eq!(world.machine.views()[0].checked, Checked::Unanswered);
    assert_eq!(world.machine.deadline(now), Some(now + Duration::from_hours(1)));
}

#[test]
fn a_restart_neither_forgets_nor_repeats() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1), ("web2", 2)], at(0));
    world.publish(at(30));
    world.answer(Ok(v4(1)), at(30));
    // Killed while the second is on its way, which did arrive.
    assert!(world.next(at(31)).is_some());
    let mut world = world.restart(at(40));
    world.answer(Ok(v4(2)), at(40));
    assert!(world.next(at(41)).is_none(), "both are there");
    assert_eq!(world.machine.views()[1].published, v4(2));
    // What waited for a server that was away is published also if its host is not heard again.
    world.see(&[("web1", 5), ("web2", 2)], at(50));
    world.fail(Failure::away("away"), at(80));
    let mut world = world.restart(at(85));
    assert!(world.next(at(86)).is_none());
    assert_eq!(world.publish(at(90)).set, v4(5));
}

#[test]
fn an_update_that_was_lost_on_the_way_is_sent_again_after_a_restart() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1)], at(0));
    assert!(world.next(at(31)).is_some());
    let mut world = world.restart(at(40));
    world.answer(Ok(Addresses::NONE), at(40));
    assert_eq!(world.publish(at(40)).set, v4(1));
    // Without anybody to ask it is sent at once: twice the same does no harm.
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(0));
    assert!(world.next(at(31)).is_some());
    assert_eq!(world.restart(at(40)).publish(at(40)).set, v4(1));
}

#[test]
fn an_answer_that_was_lost_is_looked_for_before_anything_is_repeated() {
    let mut world = World::new(|zone| zone.verify = crate::zone::Verify::ByName);
    world.see(&[("web1", 1)], at(0));
    world.fail(Failure::unanswered("no answer"), at(30));
    world.answer(Ok(v4(1)), at(40));
    assert!(world.next(at(41)).is_none());
    let view = &world.machine.views()[0];
    assert_eq!((view.published, &view.checked), (v4(1), &Checked::Right(at(40))));
}

#[test]
fn people_publish_now_and_take_out() {
    let mut world = World::new(|_| {});
    let web1 = name("web1.example.net");
    world.see(&[("web1", 1)], at(0));
    assert!(world.machine.publish_now(&web1, at(1)), "without being held");
    world.publish(at(1));
    assert!(world.machine.publish_now(&web1, at(2)), "though it is published");
    world.publish(at(2));
    assert!(world.machine.take_out(&web1, at(3)));
    assert_eq!(world.publish(at(3)).set, Addresses::NONE);
    world.see(&[("web1", 2)], at(10));
    assert!(world.next(at(1000)).is_none(), "it stays out");
    let mut world = world.restart(at(1000));
    world.see(&[("web1", 2)], at(1000));
    assert!(world.next(at(2000)).is_none(), "over a restart as well");
    assert!(world.machine.publish_now(&web1, at(2000)));
    assert_eq!(world.publish(at(2000)).set, v4(2));
    assert!(!world.machine.publish_now(&name("other.example.net"), at(2000)));
}

#[test]
fn what_could_not_be_written_down_is_not_sent_and_tried_later() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(0));
    let job = world.next(at(30)).unwrap();
    world.done(&job, Outcome::NotBegun("the disk is full".to_owned()), at(30));
    assert!(world.next(at(31)).is_none());
    world.publish(at(40));
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_for_long() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(1_000_000));
    world.fail(Failure::away("away"), at(1_000_030));
    assert!(world.next(at(0)).is_none());
    let next = world.machine.deadline(at(0)).unwrap();
    assert!(next <= at(3600), "{next:?}");
    world.publish(next);
}

#[test]
fn names_of_a_zone_that_is_gone_are_left_as_they_are() {
    let mut world = World::new(|_| {});
    world.see(&[("web1", 1)], at(0));
    world.publish(at(30));
    world.machine.plan(&[], at(40));
    world.take();
    assert!(world.names.is_empty() && world.machine.views().is_empty());
    assert!(world.said.last().unwrap().contains("left as it is"), "{:?}", world.said);
}
