//! Why somebody is told, or not: the same decisions that are acted upon, asked without acting.

use std::collections::BTreeSet;

use hark_model::record::Matcher;
use hark_model::{HostName, IncidentId, Now, Reason, ReceiverName};

use crate::decide::{Block, Decision};
use crate::engine::Engine;
use crate::host::Host;
use crate::incident::{Incident, Told};
use crate::matching::{self, Subject};
use crate::moment::Moment;
use crate::plan::SELF;
use crate::reconcile::shown_severity;

/// At most so many names are given in a preview.
const PREVIEW_NAMES: usize = 20;

/// What is done about one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It knows what is believed.
    Told,
    /// It is told, and the message has not arrived.
    Queued,
    /// Something other than time keeps it back.
    Withheld,
    /// It comes when time has passed.
    Waiting,
}

impl Verdict {
    /// Returns the word used in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Queued => "queued",
            Self::Withheld => "withheld",
            Self::Waiting => "waiting",
        }
    }

    fn of(decision: &Decision, told: &Told) -> Self {
        match decision.block {
            Some(Block::Told | Block::Reminder) if !told.has_arrived() => Self::Queued,
            None | Some(Block::Told | Block::Reminder) => Self::Told,
            Some(block) if block.is_waiting() => Self::Waiting,
            Some(_) => Self::Withheld,
        }
    }
}

/// The present decision about one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who; `None` if no route leads to anybody.
    pub receiver: Option<ReceiverName>,
    /// What is done.
    pub verdict: Verdict,
    /// What would be told if nothing kept it back.
    pub reason: Option<Reason>,
    /// The first block of the pipeline that holds.
    pub block: Option<Block>,
    /// In words.
    pub text: String,
}

/// Why everybody does or does not hear of an incident now. Its past stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The incident.
    pub incident: IncidentId,
    /// One line for each receiver that a route leads to or that was told.
    pub lines: Vec<Line>,
    /// What is done about its repair, if its check has one: `restart-nginx tried 1 of 3, …`.
    pub repair: Option<String>,
    /// How the newest value of its check was derived: `mean of the last 10 min, 40 values`.
    pub derived: Option<String>,
}

/// What a filter covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// How many hosts.
    pub hosts: usize,
    /// The first of their names, in order.
    pub names: Vec<HostName>,
    /// How many open incidents.
    pub incidents: usize,
    /// The first of them.
    pub listed: Vec<IncidentId>,
}

impl Engine {
    /// Returns why everybody is or is not told about an incident at `now`; `None` if it is unknown
    /// or long over.
    pub fn explain(&self, id: IncidentId, now: Now) -> Option<Explanation> {
        let incident = self.incidents.get(&id)?;
        let reach = self.reach(incident, Moment::of(now));
        let covers = self.covers(incident);
        let due = self.due(incident, &self.times, Moment::of(now));
        let nothing = Told::default();
        let receivers: BTreeSet<&ReceiverName> = due.keys().chain(incident.told.keys()).collect();
        let mut lines = Vec::new();
        for receiver in receivers {
            let told = incident.told.get(receiver).unwrap_or(&nothing);
            if !due.contains_key(receiver) && told.sequence == 0 {
                continue;
            }
            let ways = due.get(receiver).map_or(&[][..], Vec::as_slice);
            let decision = self.decision(incident, &reach, &covers, ways, receiver, now);
            lines.push(Line {
                receiver: Some(receiver.clone()),
                verdict: Verdict::of(&decision, told),
                reason: decision.reason,
                block: decision.block,
                text: decision.text,
            });
        }
        if lines.is_empty() {
            lines.push(Line {
                receiver: None,
                verdict: Verdict::Withheld,
                reason: None,
                block: Some(Block::Route),
                text: "no route leads to a receiver".to_owned(),
            });
        }
        let repair = self.repair_in_words(incident, &reach, &covers, now);
        let host = self.hosts.get(incident.record.host);
        let check = host.and_then(|host| {
            let index = host.find(incident.record.check.as_str())?;
            host.checks.get(index)
        });
        let missing = |check: &crate::check::Check| check.missing().map(|missing| missing.words());
        let derived = check.and_then(|check| missing(check).or_else(|| check.derivation()));
        Some(Explanation { incident: id, lines, repair, derived })
    }

    /// Returns what a filter covers: hosts, and open incidents with their checks and severities.
    pub fn preview(&self, matcher: &Matcher) -> Preview {
        self.preview_within(matcher, |_| true)
    }

    /// As [`Engine::preview`], of the hosts alone that `seen` holds for: what is hidden from a person
    /// is not counted for him either.
    pub fn preview_within(&self, matcher: &Matcher, seen: impl Fn(&HostName) -> bool) -> Preview {
        let mut hosts = 0;
        let mut first: BTreeSet<&HostName> = BTreeSet::new();
        for host in self.hosts_covered(matcher).filter(|host| seen(&host.name)) {
            hosts += 1;
            first.insert(&host.name);
            if first.len() > PREVIEW_NAMES {
                first.pop_last();
            }
        }
        let covered = |incident: &&Incident| {
            let host = self.hosts.get(incident.record.host);
            let subject = Subject {
                host: incident.host_name.as_str(),
                check: Some(incident.record.check.as_str()),
                tags: host.map_or(&[], |host| host.tags()),
                severity: Some(shown_severity(incident)),
            };
            // What the server says of itself is never hidden.
            incident.is_open()
                && incident.host_name.as_str() != SELF
                && matching::covers(matcher, subject)
                && seen(&incident.host_name)
        };
        let mut incidents = 0;
        let mut listed = Vec::new();
        for incident in self.incidents.values().filter(covered) {
            incidents += 1;
            if listed.len() < PREVIEW_NAMES {
                listed.push(incident.record.id);
            }
        }
        Preview { hosts, names: first.into_iter().cloned().collect(), incidents, listed }
    }

    fn hosts_covered<'a>(&'a self, matcher: &'a Matcher) -> impl Iterator<Item = &'a Host> {
        self.hosts.iter().filter(|host| {
            let name = host.name.as_str();
            let subject = Subject { host: name, check: None, tags: host.tags(), severity: None };
            name != SELF && matching::covers(matcher, subject)
        })
    }
}
