use std::sync::{Arc, Mutex};

use hark_model::frame::{Item::Scaled, ValueReader};
use hark_model::{MetricKind, SeriesName, Unit};

use super::*;
use crate::collectors::Make;

/// A collector that says what the test wants.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<What>>);

#[derive(Clone, Debug, Default)]
struct What {
    instances: Vec<String>,
    told: Vec<String>,
    facts: Vec<(String, String)>,
    noticed: Vec<Noticed>,
    told_facts: Vec<(String, String)>,
    absent: bool,
    broken: bool,
    looks: u32,
}

impl Make for Said {
    fn make(&self, _root: &Root) -> Box<dyn Collector> {
        Box::new(self.clone())
    }
}

impl Collector for Said {
    fn collect(&mut self, _at: Mono, values: &mut Vec<f64>) -> Result<Change, Absent> {
        let mut what = self.0.lock().unwrap();
        what.looks += 1;
        if what.absent {
            return Err(Absent::Form { path: "/proc/x".into() });
        }
        if what.broken {
            drop(what);
            panic!("broken on purpose");
        }
        values.extend((0_u32..).zip(&what.instances).map(|(n, _)| f64::from(n)));
        let same = what.instances == what.told && what.facts == what.told_facts && what.looks > 1;
        what.told = what.instances.clone();
        what.told_facts = what.facts.clone();
        Ok(if same { Change::Same } else { Change::Other })
    }

    fn series(&self) -> Vec<SeriesDef> {
        let what = self.0.lock().unwrap();
        let def = |instance: &String| SeriesDef {
            name: SeriesName::of("test", instance, "value"),
            unit: Unit::None,
            kind: MetricKind::Gauge,
            decimals: 0,
        };
        what.instances.iter().map(def).collect()
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().facts.clone()
    }

    fn noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.0.lock().unwrap().noticed)
    }
}

fn one(is_slow: bool, interval: Option<Duration>, make: Box<dyn Make>) -> Configured {
    Configured { name: "test", interval, is_slow, is_asked_for: true, mend: "make it", make }
}

fn sampler(interval: Option<Duration>) -> (Sampler, Said) {
    let said = Said::default();
    let make = Box::new(said.clone());
    let configured = [one(false, interval, make)];
    (Sampler::new(&configured, &Root::system()), said)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("instance-{n}")).collect()
}

fn look(sampler: &mut Sampler, seconds: u64) -> Vec<(u32, usize)> {
    let mut round = Round::default();
    let now = Now { mono: Mono(seconds * 1000), unix: Unix(7) };
    sampler.look(now, &mut round);
    round.frames().map(|(set, _, bytes)| (set, ValueReader::new(bytes).count())).collect()
}

#[test]
fn the_same_series_keep_their_number_and_others_get_another() {
    let (mut sampler, said) = sampler(None);
    said.0.lock().unwrap().instances = names(3);
    let first = look(&mut sampler, 10);
    assert_eq!(first[0].1, 3);
    assert_eq!(look(&mut sampler, 20), first);
    said.0.lock().unwrap().instances = names(4);
    let other = look(&mut sampler, 30);
    assert_eq!(other[0].1, 4);
    assert_ne!(other[0].0, first[0].0);
    said.0.lock().unwrap().instances = names(3);
    assert_eq!(look(&mut sampler, 40), first, "what comes back is known");
}

#[test]
fn many_series_become_several_sets_whose_frames_fit() {
    let (mut sampler, said) = sampler(None);
    said.0.lock().unwrap().instances = names(250);
    let frames = look(&mut sampler, 10);
    assert_eq!(frames.iter().map(|f| f.1).collect::<Vec<_>>(), [120, 120, 10]);
    assert_eq!(sampler.sets().count(), 3);
    assert!(sampler.sets().all(|set| set.parts.len() > 1 || set.defs.len() < 50));
}

#[test]
fn a_name_that_cannot_be_sent_and_what_is_too_many_are_left_out() {
    let (mut sampler, said) = sampler(None);
    let mut instances = names(3);
    instances[1] = "x".repeat(300);
    said.0.lock().unwrap().instances = instances;
    let mut round = Round::default();
    sampler.look(Now { mono: Mono(1), unix: Unix(7) }, &mut round);
    let (_, _, bytes) = round.frames().next().unwrap();
    let items: Vec<_> = ValueReader::new(bytes).map(|item| item.unwrap()).collect();
    assert_eq!(items, [Scaled(0), Scaled(2)], "values stay with their names");
    said.0.lock().unwrap().instances = names(MAX_SERIES + 500);
    let total: usize = look(&mut sampler, 20).iter().map(|f| f.1).sum();
    assert_eq!(total, MAX_SERIES);
}

#[test]
fn what_was_asked_for_and_is_absent_is_told_once_and_so_is_its_end() {
    let (mut sampler, said) = sampler(None);
    let mut looks = |absent: bool| {
        said.0.lock().unwrap().absent = absent;
        look(&mut sampler, 1);
        let told = sampler.changed_absences().map(str::to_owned);
        assert_eq!(sampler.changed_absences(), None, "said once");
        told
    };
    let absent = Some("test: /proc/x does not have the expected form; make it");
    assert_eq!(looks(true).as_deref(), absent);
    assert_eq!(looks(true), None);
    assert_eq!(looks(false).as_deref(), Some(""));
    assert_eq!(looks(true), None, "a service that starts anew is gone for one look");
    assert_eq!(looks(false), None);
    assert_eq!((looks(true), looks(true).as_deref()), (None, absent));
}

#[test]
fn an_absent_source_gives_no_frame_and_comes_back() {
    let (mut sampler, said) = sampler(None);
    said.0.lock().unwrap().instances = names(2);
    assert_eq!(look(&mut sampler, 10).len(), 1);
    said.0.lock().unwrap().absent = true;
    assert_eq!(look(&mut sampler, 20).len(), 0);
    said.0.lock().unwrap().absent = false;
    assert_eq!(look(&mut sampler, 30).len(), 1);
}

#[test]
fn a_collector_that_panics_is_asked_no_more() {
    let (mut sampler, said) = sampler(None);
    said.0.lock().unwrap().broken = true;
    assert_eq!(look(&mut sampler, 10).len(), 0);
    said.0.lock().unwrap().broken = false;
    assert_eq!(look(&mut sampler, 20).len(), 0);
    assert_eq!(said.0.lock().unwrap().looks, 1);
}

#[test]
fn a_slow_collector_looks_at_its_own_interval() {
    let (mut sampler, said) = sampler(Some(Duration::from_mins(1)));
    for seconds in (10..=130).step_by(10) {
        look(&mut sampler, seconds);
    }
    assert_eq!(said.0.lock().unwrap().looks, 3);
}

#[test]
fn a_slow_collector_is_asked_again_after_the_base_was_made() {
    let (mut sampler, said) = sampler(Some(Duration::from_mins(5)));
    said.0.lock().unwrap().instances = names(2);
    sampler.begin(Now { mono: Mono(1000), unix: Unix(7) });
    assert_eq!(look(&mut sampler, 2).len(), 1);
    assert_eq!(look(&mut sampler, 3).len(), 0);
}

#[test]
fn facts_are_told_when_they_change() {
    let (mut sampler, said) = sampler(None);
    said.0.lock().unwrap().facts = vec![("kernel".into(), "6.1".into())];
    look(&mut sampler, 10);
    assert_eq!(sampler.changed_facts().unwrap()["kernel"], "6.1");
    look(&mut sampler, 20);
    assert_eq!(sampler.changed_facts(), None);
    said.0.lock().unwrap().facts.clear();
    look(&mut sampler, 30);
    assert_eq!(sampler.changed_facts().unwrap().len(), 0);
}

#[test]
fn what_a_collector_notices_becomes_an_event_once() {
    let (mut sampler, said) = sampler(None);
    let noticed =
        |text: String| Noticed { kind: "busy", severity: hark_model::Severity::Info, text };
    said.0.lock().unwrap().noticed = vec![noticed("\u{e9}".repeat(1000)), noticed("b".into())];
    look(&mut sampler, 10);
    let events = sampler.events();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].at, events[0].text.len()), (Unix(7), Event::MAX_TEXT));
    assert_eq!(events[1].kind.word(), "busy");
    look(&mut sampler, 20);
    assert!(sampler.events().is_empty());
    said.0.lock().unwrap().noticed = vec![noticed("c".into()); 100];
    look(&mut sampler, 30);
    assert_eq!(sampler.events().len(), MAX_EVENTS);
}

#[test]
fn a_slow_collector_answers_in_a_later_round_and_holds_nobody_up() {
    let said = Said::default();
    let make = Box::new(said.clone());
    let interval = Some(Duration::from_mins(1));
    let configured = [one(true, interval, make)];
    let mut sampler = Sampler::new(&configured, &Root::system());
    said.0.lock().unwrap().instances = names(2);
    let hang = said.0.lock().unwrap();
    for seconds in 1..50 {
        assert_eq!(look(&mut sampler, seconds).len(), 0, "it hangs");
    }
    drop(hang);
    let mut frames = Vec::new();
    while frames.is_empty() {
        std::thread::yield_now();
        frames = look(&mut sampler, 50);
    }
    assert_eq!(frames[0].1, 2);
    assert_eq!(look(&mut sampler, 51).len(), 0, "only when it is due again");
    assert_eq!(said.0.lock().unwrap().looks, 1);
}
