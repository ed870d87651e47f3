//! Holds what the server committed against the model, second by second.

mod committed;
mod known;

use std::collections::{BTreeMap, BTreeSet};

use hark_model::record::{IncidentId, Record};
use hark_model::{Notification, Reason};

use super::counts::Counts;
use super::life::Deed;
use super::model::{self, Model, STEPS, THINGS};
use super::plan::{BOSS, CHIEF, DIGEST, RECEIVERS};
use super::server::Left;
use super::{Form, MOST_WORDS};
use committed::{Committed, Event, How, Told};
use known::{KINDS, Known, Storm};

/// What nothing keeps back is told within so many seconds.
const SOON: u64 = 3;
/// A summary comes at most so long after the one before (6.10), and this.
const SUMMARY: u64 = 300 + 5;
/// What goes in groups: the first wait, the time between two messages, and this.
const GROUP: u64 = 30 + 300 + 5;
/// Reminders are an hour apart, and up to 5 % more.
const REMINDER: u64 = 3_600;
const REMINDER_AT_MOST: u64 = 3_780;
/// What is kept back has its reason in the journal within so many seconds.
const REASON_SOON: u64 = 3;
/// How far clocks of steps may be apart from the model's, which count whole seconds.
const CLOCKS: u64 = 3;
/// An FLAPPING is told again after six hours (P6); whoever was told within the ring's time hears of it (P3).
const FLAPS_STILL: u64 = 6 * 3_600;

#[derive(Debug)]
pub(super) struct Judge {
    committed: Committed,
    events: Vec<Event>,
    known: BTreeMap<usize, [Known; RECEIVERS.len()]>,
    storms: [Storm; RECEIVERS.len()],
    /// Keys that arrived, and those that may come again.
    keys: BTreeSet<String>,
    unsure: BTreeSet<String>,
    sequences: BTreeMap<(IncidentId, String), u32>,
    repeated: u64,
    told: BTreeMap<String, u64>,
    withheld: BTreeMap<&'static str, u64>,
    wrong: BTreeMap<&'static str, u64>,
    owed: u64,
    kept: u64,
    pub(super) violations: Vec<String>,
}

impl Judge {
    pub(super) fn new(form: Form) -> Self {
        Self {
            committed: Committed::new(form),
            events: Vec::new(),
            known: BTreeMap::new(),
            storms: Default::default(),
            keys: BTreeSet::new(),
            unsure: BTreeSet::new(),
            sequences: BTreeMap::new(),
            repeated: 0,
            told: BTreeMap::new(),
            withheld: BTreeMap::new(),
            wrong: ["missed", "told wrongly", "told twice", "without a true reason"]
                .map(|what| (what, 0))
                .into(),
            owed: 0,
            kept: 0,
            violations: Vec::new(),
        }
    }

    pub(super) fn count(&self, counts: &mut Counts) {
        self.committed.count(counts);
        for (reason, count) in &self.told {
            counts.add("told", reason, *count);
        }
        for (word, count) in &self.withheld {
            counts.add("withheld", word, *count);
        }
        counts.add("deliveries", "repeated after a lost answer or a kill", self.repeated);
        counts.add("judged", "news not told within their second", self.owed);
        counts.add("judged", "news that something kept back", self.kept);
        for (what, count) in &self.wrong {
            counts.add("judged", what, *count);
        }
    }

    /// A server begins: what was owed before is owed from now on.
    pub(super) fn begins(&mut self) {
        for known in self.known.values_mut().flatten() {
            (known.owed, known.kept, known.are_old) = (None, None, true);
        }
    }

    /// Returns the open incident that somebody means.
    pub(super) fn incident_of(&self, deed: &Deed) -> Option<IncidentId> {
        let Deed::Take { host, thing, .. } = deed else { return None };
        self.committed.open.get(&(host * THINGS + thing)).copied()
    }

    /// Takes note of what was committed.
    pub(super) fn read(&mut self, records: &[Record], second: u64) {
        self.committed.read(records, second, &mut self.events);
    }

    pub(super) fn may_come_twice(&mut self, key: &str) {
        self.unsure.insert(key.to_owned());
    }

    /// A message went in a newer one.
    pub(super) fn folded(&mut self, key: &str) {
        self.committed.on_the_way.remove(key);
        self.committed.settled(key);
    }

    /// The server knows what became of a message.
    pub(super) fn settled(&mut self, key: &str) {
        self.committed.settled(key);
    }

    /// A message arrived.
    pub(super) fn arrived(&mut self, notification: &Notification, second: u64) {
        let key = &notification.key;
        self.committed.on_the_way.remove(key);
        if !self.keys.insert(key.clone()) {
            self.repeated += 1;
            if !self.unsure.contains(key) {
                self.violate("told twice", second, &format!("{key} came twice"));
            }
            return;
        }
        let Some(incident) = notification.incident else { return };
        let receiver = notification.receiver.to_string();
        if let (Some(thing), Some(place)) =
            (self.committed.thing_of(incident), RECEIVERS.iter().position(|name| *name == receiver))
            && let Some(known) = self.known.get_mut(&thing)
        {
            known[place].delivered = Some(second);
        }
        let highest = self.sequences.entry((incident, receiver)).or_insert(notification.sequence);
        if notification.sequence < *highest {
            let text = format!("{key} came after number {highest}");
            self.violate("told wrongly", second, &text);
        } else {
            *highest = notification.sequence;
        }
    }

    /// Judges a second.
    pub(super) fn second(&mut self, second: u64, model: &mut Model) {
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Told(told) => self.told(told, second, model),
                Event::Withheld { key, receiver, word, flaps } => {
                    self.withheld(key, receiver, word, flaps, second, model);
                }
                Event::Step { key, step } => self.step(key, step, second, model),
            }
        }
        let known: Vec<usize> = self.known.keys().copied().collect();
        let looked_at: BTreeSet<usize> = model.stirred().iter().copied().chain(known).collect();
        for key in looked_at {
            self.look(key, second, model);
        }
    }

    /// Somebody was told something.
    fn told(&mut self, told: Told, second: u64, model: &Model) {
        let Told { key, receiver, level, how, pages } = told;
        *self.told.entry(how.word().to_owned()).or_default() += 1;
        let thing = model.thing(key);
        let known = self.known(key, second, model)[receiver].clone();
        let is = format!("{} {}", name(key, model), RECEIVERS[receiver]);
        let turned = thing.flap_turned == second;
        let taken = known.lacks_taker(thing.taken)
            && model.is_taken(key, second)
            && !matches!(how, How::Many { taken: false, .. });
        match how {
            How::One(Reason::Acknowledged) if !taken => {
                let text = format!("{is} that somebody took it");
                self.violate("told twice", second, &text);
            }
            How::One(Reason::FlapStart) | How::Many { flaps: true, .. } => {
                let pages = pages && !known.paged;
                let again = known.flaps.is_some_and(|since| second < since + FLAPS_STILL) && !pages;
                // That it flaps is all that is told while it does so (P3).
                let more = matches!(how, How::Many { .. }) && level != known.level;
                if again || more || !(thing.flapping || turned) {
                    self.violate("told wrongly", second, &format!("{is} to flap"));
                }
                if pages && !thing.paged_in(second) {
                    let text = format!("{is} to flap and to be bad mostly");
                    self.violate("told wrongly", second, &text);
                }
            }
            How::One(Reason::FlapEnd) => {
                if known.flaps.is_none() || (thing.flapping && !turned) {
                    self.violate("told wrongly", second, &format!("{is} to flap no more"));
                }
            }
            How::Many { .. } if thing.flapping && !turned => {
                let text = format!("{is} not to flap, among others");
                self.violate("told wrongly", second, &text);
            }
            How::One(_) | How::Many { .. } => {
                let was = thing.before.0 == level && thing.before.1 == second;
                if thing.level != level && thing.also != Some(level) && !was {
                    let text = format!("{is} {level}, and it is {}", thing.level);
                    self.violate("told wrongly", second, &text);
                }
                let step = match receiver {
                    BOSS => thing.steps[0],
                    CHIEF => thing.steps[1],
                    _ => None,
                };
                let reminded = level != 0 && second >= known.at + REMINDER;
                let stepped = step.is_some_and(|step| step >= known.at);
                // A line among others says as well that it flaps no more.
                let turned = matches!(how, How::Many { .. }) && known.flaps.is_some();
                if level == known.level && !reminded && !stepped && !turned && !taken {
                    self.violate("told twice", second, &format!("{is} {level} again"));
                }
            }
        }
        let now = model.blocks(key, receiver, known.level, second);
        let forgiven = match how {
            // A delay is for the first that is told (6.8), and who hears that it flaps was told before (P3).
            How::One(Reason::FlapStart) | How::Many { flaps: true, .. } => {
                model::FLAPPING | model::DELAYED
            }
            How::One(Reason::FlapEnd) => model::FLAPPING,
            How::One(Reason::Acknowledged) => model::FOLLOWS,
            How::Many { .. } if taken => model::FOLLOWS,
            How::One(_) | How::Many { .. } => 0,
        };
        let blocks = now & known.before.0 & !forgiven;
        if blocks != 0 {
            let text = format!("{is} {level} although {}", words(blocks));
            self.violate("told wrongly", second, &text);
        }
        self.note_told(told, second, model);
    }

    fn note_told(&mut self, told: Told, second: u64, model: &Model) {
        let Told { key, receiver, level, how, pages } = told;
        let storm = &mut self.storms[receiver];
        match how {
            How::One(_) => {
                storm.recent.push_back(second);
                if key.is_multiple_of(THINGS) && model.host_of(key).is_some() {
                    storm.hosts.push_back(second);
                }
            }
            How::Many { summary: true, .. } => storm.until = second + SUMMARY,
            How::Many { summary: false, .. } => {}
        }
        let taken = model.thing(key).taken.filter(|_| model.is_taken(key, second));
        let known = &mut self.known(key, second, model)[receiver];
        if matches!(how, How::One(Reason::Acknowledged) | How::Many { taken: true, .. }) {
            known.taken = taken.or(known.taken);
        }
        match how {
            How::One(Reason::FlapStart) => known.flaps = Some(second),
            How::One(Reason::FlapEnd) => known.flaps = None,
            How::One(Reason::Recovery) if level == 0 => known.flaps = None,
            How::Many { flaps, .. } => known.flaps = flaps.then_some(second),
            How::One(_) => {}
        }
        let flaps = matches!(how, How::One(Reason::FlapStart) | How::Many { flaps: true, .. });
        if !flaps {
            known.level = level;
        }
        known.paged = pages;
        // Reminders count from what has arrived: nothing is due while a message is on its way.
        known.delivered = matches!(how, How::Many { .. }).then_some(second);
        // Who hears that it flaps has heard as well why nothing else comes.
        let reason = flaps.then_some("flapping");
        (known.at, known.reasons, known.owed, known.kept) = (second, [reason; KINDS], None, None);
        known.noted = false;
    }

    /// Something was kept back.
    fn withheld(
        &mut self,
        key: usize,
        receiver: usize,
        word: &'static str,
        flaps: bool,
        second: u64,
        model: &Model,
    ) {
        *self.withheld.entry(word).or_default() += 1;
        let thing = model.thing(key);
        let known = &self.known(key, second, model)[receiver];
        let (before, level) = (known.before.0, known.level);
        let mut blocks = before | model.blocks(key, receiver, level, second);
        if thing.before.1 == second {
            blocks |= thing.blocks_before;
        }
        if thing.before.1 == second && thing.before.0 != 0 && thing.since == second {
            // It began and was over within this second.
            blocks |= model::at_the_beginning(receiver, thing.before.0);
        }
        let was_well = thing.level == 0 || thing.before == (0, second);
        let is_true = match word {
            "held" => model.may_be_held(key, second),
            "release" => second <= thing.fresh_until,
            "group" => receiver == DIGEST,
            // A step is over with its problem: no way leads there any more to say that it flaps.
            "route" if flaps && was_well => matches!(receiver, BOSS | CHIEF),
            "unreachable" if model.may_be_unreachable(key) => true,
            "delay" if model.may_be_delayed(key, receiver, level, second) => true,
            "storm" => self.storms[receiver].may_be(second),
            word => model::WORDS.iter().any(|(name, bit)| *name == word && blocks & bit != 0),
        };
        if !is_true {
            let text = format!(
                "{} {}: {word}, and there is {}",
                name(key, model),
                RECEIVERS[receiver],
                words(blocks)
            );
            self.violate("without a true reason", second, &text);
        }
        if word == "storm" {
            self.storms[receiver].until = self.storms[receiver].until.max(second + 2);
        }
        let known = &mut self.known(key, second, model)[receiver];
        if flaps {
            // It stays the reason however bad it gets meanwhile.
            known.reasons = [Some(word); KINDS];
        } else {
            known.reasons[known.news(thing.at_most())] = Some(word);
        }
        known.are_old = false;
        if word == "storm" {
            known.summary_until = second + SUMMARY;
        }
    }

    /// A step of the escalation was taken.
    fn step(&mut self, key: usize, step: usize, second: u64, model: &mut Model) {
        let thing = model.thing(key);
        // Taken in the second in which it is over, it was taken before.
        let clocks = if thing.before.1 == second { thing.clocks_before } else { thing.clocks };
        let clock = clocks[step].1;
        if clock + CLOCKS < STEPS[step] {
            let text = format!("{}: step {} after {clock} s", name(key, model), step + 1);
            self.violate("told wrongly", second, &text);
        }
        model.step_taken(key, step, second);
    }

    /// Looks at what everybody knows of a thing.
    fn look(&mut self, key: usize, second: u64, model: &Model) {
        let thing = model.thing(key).clone();
        self.look_at_steps(key, second, model);
        self.look_at_incident(key, second, model);
        let mut all = self.known.remove(&key).unwrap_or_else(|| begin(key, second, model));
        let mut found = Vec::new();
        for (receiver, known) in all.iter_mut().enumerate() {
            let mut blocks = model.blocks(key, receiver, known.level, second);
            known.before = (blocks, second);
            let taken = self.owes_taker((key, receiver), known, second, model);
            let unasked = blocks & (model::STEP | model::ROUTE) != 0 && known.level == 0;
            let page = thing.pages() && !known.paged && !unasked;
            blocks &= !forgiven(page, taken);
            let level = thing.level != known.level && !unasked && thing.also.is_none();
            let flap = known.flaps.is_some() && !thing.flapping;
            // Reminders count from what was delivered (6.10), also while a later message is there already.
            let reminder = thing.level != 0
                && known.level == thing.level
                && !self.committed.waits_for(key, receiver)
                && known.delivered.is_some_and(|at| second > at + REMINDER_AT_MOST);
            if !(level || flap || page || reminder || taken) {
                (known.owed, known.kept, known.noted) = (None, None, false);
                continue;
            }
            let waits = second <= thing.fresh_until
                || second <= known.summary_until
                || model.may_be_held(key, second)
                || model.may_be_unreachable(key) && !model.is_unreachable(key);
            if blocks != 0 {
                known.owed = None;
                let since = *known.kept.get_or_insert_with(|| {
                    self.kept += 1;
                    second
                });
                let (is_known, reason) = known.is_explained(thing.level, blocks, taken);
                if !reminder && !is_known && !waits && second > since + REASON_SOON && !known.noted
                {
                    known.noted = true;
                    let word = reason.unwrap_or("nothing");
                    let text = format!("{}, the journal says {word}", words(blocks));
                    found.push(("without a true reason", receiver, text));
                }
                continue;
            }
            known.kept = None;
            if waits || model.may_be_delayed(key, receiver, known.level, second) {
                continue;
            }
            let since = *known.owed.get_or_insert_with(|| {
                self.owed += 1;
                second
            });
            let patience = if receiver == DIGEST { GROUP } else { SOON };
            let patience = patience + if reminder { SUMMARY } else { 0 };
            if second > since + patience && !known.noted {
                known.noted = true;
                let more = beside_the_level(page, taken);
                let text = format!("is {}, and it knows {}{more}", thing.level, known.level);
                found.push(("missed", receiver, text));
            }
        }
        let at_rest = |known: &Known| known.level == 0 && known.flaps.is_none();
        if model.stirred().contains(&key) || !all.iter().all(at_rest) {
            self.known.insert(key, all);
        }
        for (what, receiver, text) in found {
            let text = format!("{} {}: {text}", name(key, model), RECEIVERS[receiver]);
            self.violate(what, second, &text);
        }
    }

    /// Returns whether a receiver is to hear who took it: after the problem has arrived.
    fn owes_taker(&self, at: (usize, usize), known: &Known, second: u64, model: &Model) -> bool {
        let (key, receiver) = at;
        let thing = model.thing(key);
        thing.level != 0
            && known.lacks_taker(thing.taken)
            && model.is_taken(key, second)
            && known.delivered.is_some()
            && !self.committed.waits_for(key, receiver)
    }

    fn look_at_steps(&mut self, key: usize, second: u64, model: &Model) {
        let thing = model.thing(key);
        for (step, after) in STEPS.into_iter().enumerate() {
            let due = thing.clocks[step].0;
            if thing.steps[step].is_none() && due == after + CLOCKS + 1 {
                let text = format!("{}: step {} was not taken", name(key, model), step + 1);
                self.violate("missed", second, &text);
            }
        }
    }

    /// What is bad has an incident, and what is well has none.
    fn look_at_incident(&mut self, key: usize, second: u64, model: &Model) {
        let thing = model.thing(key);
        let is_open = self.committed.open.contains_key(&key);
        if thing.also.is_none() && is_open != (thing.level != 0) {
            let is = if is_open { "an" } else { "no" };
            let text = format!("{} is {} and has {is} incident", name(key, model), thing.level);
            self.violate("missed", second, &text);
        }
    }

    /// Everything is well, and everybody knows.
    pub(super) fn at_the_end(&mut self, second: u64, model: &Model) {
        let bad: Vec<usize> = model.stirred().iter().copied().collect();
        for key in bad {
            let text = format!("{} is bad at the end", name(key, model));
            self.violate("missed", second, &text);
        }
        let known: Vec<usize> = self.known.keys().copied().collect();
        for key in known {
            let text = format!("somebody believes in {} at the end", name(key, model));
            self.violate("missed", second, &text);
        }
        let lost: Vec<String> = self.committed.on_the_way.keys().cloned().collect();
        for key in lost {
            self.violate("missed", second, &format!("{key} never arrived"));
        }
    }

    /// Nothing is open in the state at the end.
    pub(super) fn nothing_is_left(&mut self, second: u64, left: Left) {
        if left.incidents + left.messages > 0 {
            let text = format!("{} incidents, {} messages left", left.incidents, left.messages);
            self.violate("missed", second, &text);
        }
    }

    /// Returns what everybody knows of a thing.
    fn known(&mut self, key: usize, second: u64, model: &Model) -> &mut [Known; RECEIVERS.len()] {
        self.known.entry(key).or_insert_with(|| begin(key, second, model))
    }

    fn violate(&mut self, what: &'static str, second: u64, text: &str) {
        *self.wrong.entry(what).or_default() += 1;
        if self.violations.len() < MOST_WORDS {
            self.violations.push(format!("{second} s, {what}: {text}"));
        }
    }
}

/// Returns what does not keep back what is owed: that something flaps and is bad mostly is told although it flaps, and
/// before who took it.
fn forgiven(page: bool, taken: bool) -> u16 {
    match (page, taken) {
        (true, _) => model::FLAPPING,
        (false, true) => model::FOLLOWS,
        (false, false) => 0,
    }
}

/// Says what somebody does not know beside the level.
fn beside_the_level(page: bool, taken: bool) -> &'static str {
    match (page, taken) {
        (true, _) => ", not that it flaps and is bad mostly",
        (false, true) => ", not who took it",
        (false, false) => "",
    }
}

/// Nobody knows anything of a thing that was well until now.
fn begin(key: usize, second: u64, model: &Model) -> [Known; RECEIVERS.len()] {
    let before = second.saturating_sub(1);
    std::array::from_fn(|receiver| Known {
        before: (model.standing(key, receiver, before), before),
        ..Known::default()
    })
}

fn name(key: usize, model: &Model) -> String {
    match model.host_of(key) {
        Some(host) => format!("host {host} {}", ["heartbeat", "metric", "service"][key % THINGS]),
        None => format!("receiver {}", RECEIVERS[key - model.part(0)]),
    }
}

fn words(blocks: u16) -> String {
    let words = model::WORDS.iter().filter(|(_, bit)| blocks & bit != 0).map(|(word, _)| *word);
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" and ") }
}

#[cfg(test)]
mod tests;
