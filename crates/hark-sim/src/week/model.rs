//! What is true, and what stands in the way of telling it, second by second: from the design alone.
//!
//! It knows no incidents, no messages and no deadlines but those of the rules; what people know is the
//! judge's. Each second it does in this order what the second has brought: hosts that were not heard for too
//! long, covers that end, deeds, heartbeats, looks.

use std::collections::BTreeSet;

use super::Form;
use super::deliver::Said;
use super::life::{Deed, Heard, Look};
use super::plan::{
    BOSS, CHIEF, INTERVAL, LATE, OFFICE, PAGE, RECEIVERS, everything, may_flap, switch_of,
};

/// 0 ok, 2 warning, 3 critical.
pub(super) type Level = u8;

/// Things of a host: its heartbeat, its metric, its service.
pub(super) const THINGS: usize = 3;
pub(super) const HOST: usize = 0;
pub(super) const CPU: usize = 1;
pub(super) const WEB: usize = 2;

/// Three intervals of 30 s and the grace of 5 s (F1).
const SILENT_AFTER: u64 = 95;
/// After a start nobody is called silent before two intervals or a minute have passed (F4).
const QUIET_AFTER_START: u64 = 60;
/// A fresh result is waited for at most so long after something that kept it back (6.8, D6).
const FRESH: u64 = 60;
/// The same after a start: until all had their time to speak, and that.
const FRESH_AFTER_START: u64 = QUIET_AFTER_START + FRESH;
/// The delay of the route `late`.
const DELAY: u64 = 120;
/// When its steps are taken.
pub(super) const STEPS: [u64; 2] = [15 * 60, 30 * 60];
/// Parents' signs of life are waited for at most so long (D4).
const HOLD: u64 = 60;

/// What forbids a message, as bits.
pub(super) const UNREACHABLE: u16 = 1;
pub(super) const MAINTENANCE: u16 = 2;
pub(super) const SILENCE: u16 = 4;
pub(super) const FLAPPING: u16 = 8;
pub(super) const ACKNOWLEDGED: u16 = 16;
pub(super) const DELAYED: u16 = 32;
pub(super) const STEP: u16 = 64;
pub(super) const HOURS: u16 = 128;
pub(super) const SEVERITY: u16 = 256;
/// A step that is for what is critical, while it is less than that, or a message about the receiver itself: no way
/// leads there.
pub(super) const ROUTE: u16 = 512;
/// What does not keep back who took a problem from those who know of it.
pub(super) const FOLLOWS: u16 = ACKNOWLEDGED | DELAYED | STEP | SEVERITY | ROUTE;
/// Their names in the journal.
pub(super) const WORDS: [(&str, u16); 10] = [
    ("unreachable", UNREACHABLE),
    ("maintenance", MAINTENANCE),
    ("silence", SILENCE),
    ("flapping", FLAPPING),
    ("acknowledged", ACKNOWLEDGED),
    ("delay", DELAYED),
    ("step", STEP),
    ("hours", HOURS),
    ("severity", SEVERITY),
    ("route", ROUTE),
];

/// Weights go from 1.2 for the newest of twenty places to 0.8 for the oldest (P1), which is from 57 to 38; what
/// begins flapping are 30 % of all of them, and what holds it 20 % (P2).
const NEWEST_WEIGHT: usize = 57;
const BEGINS: usize = 285;
const HOLDS: usize = 190;
/// More bad looks than this among the last twenty are a page (P6).
const HALF: usize = 10;
/// Looks that change nothing are stored when so many of them have come (R1).
const STORED_EACH: usize = 5;

/// Something that can be bad.
#[derive(Clone, Debug, Default)]
pub(super) struct Thing {
    pub(super) level: Level,
    /// What it may be taken for as well: a host that was not heard since the server's start.
    pub(super) also: Option<Level>,
    /// What it was before, and when that ended.
    pub(super) before: (Level, u64),
    /// What forbade to tell of it when that ended.
    pub(super) blocks_before: u16,
    /// Since when it is bad.
    pub(super) since: u64,
    /// Since when it may have been taken for that.
    maybe_since: u64,
    /// Who took it: whether it holds when it gets worse.
    ack: Option<bool>,
    /// When somebody took it last.
    pub(super) taken: Option<u64>,
    /// Bad results in a row that are not believed yet.
    soft: u32,
    ring: Ring,
    /// The ring as it is after a restart.
    stored: Ring,
    pub(super) flapping: bool,
    /// It flaps, and most of the last looks were bad (P6).
    mostly_bad: bool,
    /// When that, or that it was bad at all, ended.
    paged_until: u64,
    /// When it began or ended to flap.
    pub(super) flap_turned: u64,
    /// Seconds in which it was bad, and critical, and nothing kept it back: at least, and at most.
    pub(super) clocks: [(u64, u64); 2],
    /// The same when the level changed last.
    pub(super) clocks_before: [(u64, u64); 2],
    /// When the steps were taken.
    pub(super) steps: [Option<u64>; 2],
    /// Until when at most a fresh result is waited for.
    pub(super) fresh_until: u64,
}

impl Thing {
    /// Returns how bad it is, or may be taken for.
    pub(super) fn at_most(&self) -> Level {
        self.also.unwrap_or(self.level).max(self.level)
    }

    /// Returns whether it flaps and is nevertheless to be told of as critical (P6): only what is believed is.
    pub(super) fn pages(&self) -> bool {
        self.mostly_bad && self.level == 3
    }

    /// Returns whether it is to be told of like that, or was until this second.
    pub(super) fn paged_in(&self, second: u64) -> bool {
        self.pages() || self.paged_until == second
    }
}

/// The last twenty results (P1).
#[derive(Clone, Debug, Default)]
struct Ring {
    /// Whether each differed from the one before, when, and whether it was bad; the newest last.
    places: Vec<(bool, u64, bool)>,
    last_was_bad: bool,
}

impl Ring {
    /// Takes a look in; returns true if the ring is stored then: with the first look, with each that changes
    /// something, with each fifth in a row that does not, and when no change is left.
    fn push(&mut self, bad: bool, second: u64) -> bool {
        let changed = bad != self.last_was_bad;
        let was_quiet = self.is_quiet();
        self.last_was_bad = bad;
        self.places.push((changed, second, bad));
        if self.places.len() > 20 {
            self.places.remove(0);
        }
        let since = self.places.iter().rev().position(|(changed, ..)| *changed);
        match since {
            Some(since) => since.is_multiple_of(STORED_EACH),
            None => !was_quiet || self.places.len() == 1,
        }
    }

    fn is_quiet(&self) -> bool {
        self.places.iter().all(|(changed, ..)| !changed)
    }

    /// P2: 30 % begin it and 20 % hold it, of at least ten results.
    fn flaps(&self, did: bool, second: u64) -> bool {
        self.places.len() >= 10 && self.changes(second) >= if did { HOLDS } else { BEGINS }
    }

    fn is_mostly_bad(&self) -> bool {
        self.places.iter().filter(|(.., bad)| *bad).count() > HALF
    }

    /// The weight of changes.
    fn changes(&self, second: u64) -> usize {
        let places = self.places.iter().rev().enumerate();
        let changed = places.filter(|(_, (changed, at, _))| *changed && second - at <= 86_400);
        changed.map(|(age, _)| NEWEST_WEIGHT - age).sum()
    }
}

#[derive(Clone, Copy, Debug)]
struct Cover {
    from: u64,
    until: u64,
    planned: bool,
}

#[derive(Debug)]
pub(super) struct Model {
    form: Form,
    things: Vec<Thing>,
    /// When each host was heard last.
    heard: Vec<u64>,
    covers: Vec<Vec<Cover>>,
    covered: BTreeSet<usize>,
    /// Things that are not simply well.
    stirred: BTreeSet<usize>,
    started: u64,
    watched: bool,
}

impl Model {
    pub(super) fn new(form: Form) -> Self {
        let hosts = everything(form);
        Self {
            form,
            things: vec![Thing::default(); hosts * THINGS + RECEIVERS.len()],
            heard: vec![0; hosts],
            covers: vec![Vec::new(); hosts],
            covered: BTreeSet::new(),
            stirred: BTreeSet::new(),
            started: 0,
            watched: false,
        }
    }

    pub(super) fn thing(&self, key: usize) -> &Thing {
        &self.things[key]
    }

    /// Returns whether somebody has taken a thing, or had until this second.
    pub(super) fn is_taken(&self, key: usize, second: u64) -> bool {
        let thing = &self.things[key];
        thing.ack.is_some() || thing.taken.is_some() && thing.before.1 == second
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Returns the things that are not simply well.
    pub(super) fn stirred(&self) -> &BTreeSet<usize> {
        &self.stirred
    }

    /// Returns hosts and places of the things that are bad.
    pub(super) fn bad(&self) -> Vec<(usize, usize)> {
        let bad = self.stirred.iter().filter(|key| self.things[**key].level != 0);
        let bad = bad.filter_map(|key| Some((self.host_of(*key)?, key % THINGS)));
        bad.collect()
    }

    /// Returns the host that a thing is of; none for parts of the server.
    pub(super) fn host_of(&self, key: usize) -> Option<usize> {
        (key < self.heard.len() * THINGS).then_some(key / THINGS)
    }

    /// Returns the thing that stands for a receiver of the server.
    pub(super) fn part(&self, receiver: usize) -> usize {
        self.heard.len() * THINGS + receiver
    }

    pub(super) fn server_starts(&mut self, second: u64) {
        self.started = second;
        self.watched = true;
        for key in &self.stirred {
            self.things[*key].fresh_until = second + FRESH_AFTER_START;
        }
        for host in (0..self.form.hosts).filter(|host| may_flap(*host)) {
            let thing = &mut self.things[host * THINGS + WEB];
            thing.ring.clone_from(&thing.stored);
            thing.mostly_bad = thing.flapping && thing.ring.is_mostly_bad();
        }
    }

    /// A second in which no server runs: what it would have counted it may count later, or not.
    pub(super) fn nobody_watches(&mut self) {
        self.watched = false;
        for key in self.stirred.clone() {
            if self.things[key].level != 0 {
                self.count(key, 0, false);
            }
        }
    }

    pub(super) fn second(
        &mut self,
        second: u64,
        deeds: &[Deed],
        heard: &[Heard],
        looks: &[Look],
        said: &[Said],
    ) {
        self.miss(second);
        self.uncover(second);
        for deed in deeds {
            self.act(deed, second);
        }
        for (host, value) in heard {
            self.hear(*host, *value, second);
        }
        for (host, bad) in looks {
            self.look(*host, *bad, second);
        }
        for (receiver, fails) in said {
            self.become_level(self.part(*receiver), if *fails { 3 } else { 0 }, second);
        }
        for key in self.stirred.clone() {
            let thing = &self.things[key];
            if thing.at_most() != 0 {
                self.count(key, second, thing.level != 0);
            } else if !thing.flapping {
                self.stirred.remove(&key);
            }
        }
    }

    /// Hosts that were not heard for too long.
    fn miss(&mut self, second: u64) {
        let after_start = second < self.started + QUIET_AFTER_START + SILENT_AFTER;
        let turn = usize::try_from(second + 30 - SILENT_AFTER % 30).unwrap_or(0) % INTERVAL;
        let (first, step) = if after_start { (0, 1) } else { (turn, INTERVAL) };
        for host in (first..self.heard.len()).step_by(step) {
            let heard = self.heard[host];
            let key = host * THINGS + HOST;
            if heard == 0 || self.things[key].level != 0 || second < heard + 30 {
                continue;
            }
            let quiet = self.started + QUIET_AFTER_START;
            let is_new = heard < self.started;
            let due = heard + SILENT_AFTER;
            if second >= due && (!is_new || second >= quiet) {
                self.become_level(key, 3, second);
            } else if is_new && second >= quiet {
                // When it was heard before the start is stored now and then only.
                let thing = &mut self.things[key];
                if thing.also.replace(3).is_none() {
                    thing.maybe_since = second;
                }
                thing.since = second;
                self.stirred.insert(key);
            }
        }
    }

    fn uncover(&mut self, second: u64) {
        for host in self.covered.clone() {
            // One second longer, for who asks what was a second ago.
            self.covers[host].retain(|cover| second <= cover.until + 1);
            if self.covers[host].is_empty() {
                self.covered.remove(&host);
            }
            let ends = self.covers[host].iter().any(|cover| cover.planned && cover.until == second);
            for key in host * THINGS..(host + 1) * THINGS {
                if ends && self.things[key].level != 0 {
                    self.things[key].fresh_until = second + FRESH;
                }
            }
        }
    }

    fn act(&mut self, deed: &Deed, second: u64) {
        match deed {
            Deed::Cover { hosts, until, planned } => {
                for host in hosts.clone() {
                    let cover = Cover { from: second, until: *until, planned: *planned };
                    self.covers[host].push(cover);
                    self.covered.insert(host);
                }
            }
            Deed::Take { host, thing, sticky } => {
                let thing = &mut self.things[host * THINGS + thing];
                if thing.level != 0 {
                    // All are taken by one person here: who has it already is no news.
                    let since = thing.taken.filter(|_| thing.ack.is_some());
                    (thing.ack, thing.taken) = (Some(*sticky), since.or(Some(second)));
                }
            }
        }
    }

    fn hear(&mut self, host: usize, value: u32, second: u64) {
        self.heard[host] = second;
        let key = host * THINGS;
        if self.things[key + HOST].at_most() != 0 {
            self.heard_in_time(key + HOST, second);
            self.become_level(key + HOST, 0, second);
            self.wait_for_fresh(host, second);
            if host >= self.form.hosts {
                for behind in 0..self.form.hosts {
                    if switch_of(self.form, behind) == Some(host) {
                        self.wait_for_fresh(behind, second);
                    }
                }
            }
        }
        let before = self.things[key + CPU].level;
        // 80 and 90, and what is held until a tenth below.
        let raw = if value > 90 {
            3
        } else if value > 80 {
            2
        } else {
            0
        };
        let held = (before == 3 && value > 81) || (before == 2 && value > 72);
        self.become_level(key + CPU, if held { raw.max(before) } else { raw }, second);
    }

    /// What may have been taken for silent is not.
    fn heard_in_time(&mut self, key: usize, second: u64) {
        let unreachable = if self.is_unreachable(key) { UNREACHABLE } else { 0 };
        let thing = &mut self.things[key];
        if let Some(also) = thing.also.take() {
            (thing.before, thing.clocks_before) = ((also, second), thing.clocks);
            thing.blocks_before = unreachable;
            (thing.clocks, thing.steps) = ([(0, 0); 2], [None; 2]);
        }
    }

    /// What lies behind something that is back is judged by its next result.
    fn wait_for_fresh(&mut self, host: usize, second: u64) {
        for key in host * THINGS..(host + 1) * THINGS {
            if self.things[key].level != 0 {
                self.things[key].fresh_until = second + FRESH;
            }
        }
    }

    /// Two bad looks in a row are believed, and one good one.
    fn look(&mut self, host: usize, bad: bool, second: u64) {
        let key = host * THINGS + WEB;
        let paged = self.things[key].pages();
        let thing = &mut self.things[key];
        thing.soft = if bad { thing.soft + 1 } else { 0 };
        let is_due = thing.ring.push(bad, second);
        if may_flap(host) {
            let flaps = thing.ring.flaps(thing.flapping, second);
            let mostly_bad = flaps && thing.ring.is_mostly_bad();
            let turns = flaps != thing.flapping || mostly_bad && !thing.mostly_bad;
            thing.mostly_bad = mostly_bad;
            // What is believed has changed as well when a second bad look follows.
            if is_due || turns || thing.soft == 2 {
                thing.stored.clone_from(&thing.ring);
            }
            if flaps != thing.flapping {
                (thing.flapping, thing.flap_turned) = (flaps, second);
                self.stirred.insert(key);
            }
        }
        let level = self.things[key].level;
        if !bad {
            self.become_level(key, 0, second);
        } else if level == 0 && self.things[key].soft >= 2 {
            self.become_level(key, 3, second);
        }
        if paged && !self.things[key].pages() {
            self.things[key].paged_until = second;
        }
    }

    fn become_level(&mut self, key: usize, level: Level, second: u64) {
        if self.things[key].level == level {
            return;
        }
        let unreachable = if self.is_unreachable(key) { UNREACHABLE } else { 0 };
        let thing = &mut self.things[key];
        thing.blocks_before = unreachable | if thing.ack.is_some() { ACKNOWLEDGED } else { 0 };
        if thing.level == 0 {
            if thing.also.is_none() {
                thing.maybe_since = second;
            }
            thing.since = second;
            self.stirred.insert(key);
        }
        // Worse breaks an acknowledgement that is not for that, good ends every one.
        if level == 0 || (level > thing.level && thing.ack == Some(false)) {
            thing.ack = None;
        }
        (thing.before, thing.clocks_before) = ((thing.level, second), thing.clocks);
        thing.level = level;
        thing.also = None;
        if level < 3 {
            thing.clocks[1] = (0, 0);
        }
        if level == 0 {
            (thing.clocks, thing.steps) = ([(0, 0); 2], [None; 2]);
        }
    }

    fn count(&mut self, key: usize, second: u64, certain: bool) {
        let kept = second != 0
            && (self.is_unreachable(key)
                || self.covered_by(key, second) != 0
                || self.things[key].flapping);
        let certain = certain && !self.may_be_unreachable(key);
        let thing = &mut self.things[key];
        if kept || thing.ack.is_some() {
            return;
        }
        let critical = thing.at_most() == 3;
        for (clock, runs) in thing.clocks.iter_mut().zip([true, critical]) {
            clock.0 += u64::from(runs && certain);
            clock.1 += u64::from(runs);
        }
    }

    /// Returns whether something before it is down.
    pub(super) fn is_unreachable(&self, key: usize) -> bool {
        self.is_behind(key, |thing| thing.level != 0)
    }

    /// Returns whether the heartbeat of its host, or of the switch before that, is down.
    fn is_behind(&self, key: usize, down: impl Fn(&Thing) -> bool) -> bool {
        let Some(host) = self.host_of(key) else { return false };
        let is_down = |host: usize| down(&self.things[host * THINGS + HOST]);
        let before = || switch_of(self.form, host).is_some_and(is_down);
        match key % THINGS {
            HOST => before(),
            CPU => is_down(host),
            _ => is_down(host) || before(),
        }
    }

    fn covered_by(&self, key: usize, second: u64) -> u16 {
        let Some(host) = self.host_of(key) else { return 0 };
        let mut blocks = 0;
        for cover in &self.covers[host] {
            if cover.from <= second && second < cover.until {
                blocks |= if cover.planned { MAINTENANCE } else { SILENCE };
            }
        }
        blocks
    }

    /// Returns what has long forbidden to tell a receiver of a thing, in a second that may be over.
    pub(super) fn standing(&self, key: usize, receiver: usize, second: u64) -> u16 {
        let asleep = receiver == OFFICE && !working(second);
        // That a receiver fails is told by the others.
        let is_itself = key == self.part(receiver);
        let itself = if is_itself { ROUTE } else { 0 };
        self.covered_by(key, second) | if asleep { HOURS } else { 0 } | itself
    }

    /// Returns what forbids to tell a receiver of a thing, who was told `told` last.
    pub(super) fn blocks(&self, key: usize, receiver: usize, told: Level, second: u64) -> u16 {
        let thing = &self.things[key];
        let mut blocks = self.standing(key, receiver, second);
        let mut add = |applies: bool, block: u16| blocks |= if applies { block } else { 0 };
        add(thing.flapping, FLAPPING);
        // That something flaps is as bad as it is at the moment, and no message if what it is behind is down.
        add(thing.flapping && receiver == PAGE && thing.level < 3, SEVERITY);
        add(thing.flapping && self.is_unreachable(key), UNREACHABLE);
        if thing.at_most() == 0 {
            return blocks;
        }
        add(self.is_unreachable(key), UNREACHABLE);
        add(thing.ack.is_some(), ACKNOWLEDGED);
        add(receiver == LATE && told == 0 && second < thing.maybe_since + DELAY, DELAYED);
        add(receiver == BOSS && thing.steps[0].is_none(), STEP);
        let step = if thing.level == 2 { ROUTE } else { STEP };
        add(receiver == CHIEF && thing.steps[1].is_none(), step);
        add(receiver == PAGE && thing.level < 3, SEVERITY);
        blocks
    }

    /// Returns whether a sign of life of what lies before it may still be waited for.
    pub(super) fn may_be_held(&self, key: usize, second: u64) -> bool {
        let is_behind = self.host_of(key).is_some() && key % THINGS != CPU;
        is_behind && second <= self.things[key].since + HOLD
    }

    /// Returns whether something before it may be taken for down.
    pub(super) fn may_be_unreachable(&self, key: usize) -> bool {
        self.is_behind(key, |thing| thing.at_most() != 0)
    }

    /// Returns whether the delay of its route may still run for a receiver who was told `told` last.
    pub(super) fn may_be_delayed(
        &self,
        key: usize,
        receiver: usize,
        told: Level,
        second: u64,
    ) -> bool {
        let thing = &self.things[key];
        receiver == LATE && told == 0 && thing.at_most() != 0 && second < thing.since + DELAY
    }

    /// A step was taken.
    pub(super) fn step_taken(&mut self, key: usize, step: usize, second: u64) {
        let thing = &mut self.things[key];
        if thing.level != 0 {
            thing.steps[step].get_or_insert(second);
        }
    }
}

/// Returns what forbids to tell a receiver of something that has just become as bad as `level`.
pub(super) fn at_the_beginning(receiver: usize, level: Level) -> u16 {
    match receiver {
        LATE => DELAYED,
        CHIEF if level == 2 => ROUTE,
        BOSS | CHIEF => STEP,
        PAGE if level < 3 => SEVERITY,
        _ => 0,
    }
}

/// Monday to Friday, 8 to 18; the week begins on a Monday at noon.
fn working(second: u64) -> bool {
    let since_monday = second + 43_200;
    let (day, of_day) = (since_monday / 86_400 % 7, since_monday % 86_400);
    day < 5 && (8 * 3600..18 * 3600).contains(&of_day)
}
