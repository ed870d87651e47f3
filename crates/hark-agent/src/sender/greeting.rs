//! Saying who we are: the hello, and the facts that do not fit it.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::time::millis;
use hark_model::{Mono, Now};
use hark_proto::{Content, Hello, ReportItem};

use super::{Load, Moment, Sender, Wire};

/// The longest time between two hellos that are not answered.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// Bound on sets named in a hello: those left out are asked for when they are used.
const MAX_HELLO_SETS: usize = 32;

/// Bound on the bytes of facts in one report, with room for the lengths of each: what is more would
/// be cut.
const MAX_FACTS: usize = 240;

/// Whether the server has answered our hello.
#[derive(Clone, Copy, Debug)]
pub(super) enum Greeting {
    Due { at: Mono, tries: u32 },
    UnderWay { tries: u32 },
    Done,
}

impl Sender {
    /// The host's facts are now these: differences to those before go into reports.
    pub(crate) fn set_facts(&mut self, facts: BTreeMap<String, String>, now: Now) {
        // The first ones are told by the hello, as far as they fit.
        let told = if self.facts.is_empty() {
            self.facts_in_hello(&facts)
        } else {
            std::mem::take(&mut self.facts)
        };
        let gone = told.keys().filter(|name| !facts.contains_key(*name));
        let gone = gone.map(|name| (name.clone(), String::new()));
        let new = facts.iter().filter(|(name, value)| told.get(*name) != Some(value));
        let changed: Vec<(String, String)> =
            new.map(|(name, value)| (name.clone(), value.clone())).chain(gone).collect();
        for chunk in fact_chunks(changed) {
            self.report(&ReportItem::Facts(chunk), now);
        }
        self.facts = facts;
    }

    /// Sends the hello if it is due.
    pub(super) fn greet_if_due(
        &mut self,
        sets: impl Iterator<Item = u32>,
        moment: Moment,
        wire: Wire<'_>,
    ) {
        let Greeting::Due { at, tries } = self.greeting else { return };
        if moment.now.mono >= at {
            let hello = self.hello(sets);
            if self.send(&hello, Load::Hello, moment, wire) {
                self.greeting = Greeting::UnderWay { tries: tries.saturating_add(1) };
            }
        }
    }

    /// The hello was not answered: it is due again, after ever more time and some chance.
    pub(super) fn greet_later(&mut self, mono: Mono) {
        if let Greeting::UnderWay { tries } = self.greeting {
            let longest = LONGEST_BACKOFF.min(Duration::from_secs(1 << tries.min(6)));
            let at = mono + self.chance.below(longest);
            self.greeting = Greeting::Due { at, tries };
        }
    }

    pub(super) fn hello(&self, sets: impl Iterator<Item = u32>) -> Content {
        let mut hello = self.bare_hello();
        hello.sets = sets.take(MAX_HELLO_SETS).collect();
        hello.facts = self.facts_in_hello(&self.facts);
        loop {
            match hello.encode() {
                Ok(content) => return content,
                Err(_) if hello.facts.pop_last().is_some() => {}
                Err(_) => hello.sets.truncate(hello.sets.len() / 2),
            }
        }
    }

    fn bare_hello(&self) -> Hello {
        Hello {
            host: self.introduction.host.clone(),
            version: self.introduction.version.clone(),
            interval_ms: u32::try_from(millis(self.introduction.interval)).unwrap_or(u32::MAX),
            epoch: self.spool.epoch(),
            booted_at: self.introduction.booted_at,
            started_at: self.introduction.started_at,
            sets: vec![u32::MAX; MAX_HELLO_SETS],
            facts: BTreeMap::new(),
        }
    }

    /// Returns those of `facts` that a hello has room for, whatever sets it names; those of one
    /// instance (with a dot in their name) are the first to be left out.
    fn facts_in_hello(&self, facts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut hello = self.bare_hello();
        let (of_instances, of_host): (Vec<_>, Vec<_>) =
            facts.iter().partition(|(name, _)| name.contains('.'));
        for (name, value) in of_host.into_iter().chain(of_instances) {
            hello.facts.insert(name.clone(), value.clone());
            if hello.encode().is_err() {
                hello.facts.remove(name);
            }
        }
        hello.facts
    }
}

/// Cuts facts into groups that fit a report each.
fn fact_chunks(facts: Vec<(String, String)>) -> Vec<Vec<(String, String)>> {
    let mut chunks: Vec<Vec<(String, String)>> = Vec::new();
    let mut room = 0;
    for (name, value) in facts {
        let takes = name.len() + value.len() + 5;
        if let Some(chunk) = chunks.last_mut().filter(|_| takes <= room) {
            chunk.push((name, value));
        } else {
            chunks.push(vec![(name, value)]);
            room = MAX_FACTS;
        }
        room = room.saturating_sub(takes);
    }
    chunks
}
