//! Repairs: an action of the host that is ordered when a check is confirmed bad.
//!
//! A try is counted in the incident before it is ordered, and both leave in one step: what was begun
//! is not begun again by a restart, a reload, a relapse of the same incident or a check that flaps.
//!
//! Nothing is repaired while people or other things have the say: not in maintenance and not under a
//! silence, because somebody works there or has said that it may be as it is; not once somebody took
//! it, because a restart would pull away what he looks at; not behind something that is down, because
//! neither the check nor the order would get through; not after such a time until a fresh result has
//! come. An unknown check is not repaired: nothing is known of what is to be repaired. That messages
//! are switched off or that the check flaps keeps no repair back: the former is about messages, in
//! the latter the number of tries is the bound.

use std::time::Duration;

use hark_model::record::{JournalKind, Record, RepairRecord};
use hark_model::{Now, Status};

use crate::confirm::Passage;
use crate::effect::{Changed, Effect, Effects};
use crate::engine::{About, Engine};
use crate::incident::Incident;
use crate::message::span;
use crate::moment::Moment;
use crate::overlay::Covers;
use crate::plan::RepairPlan;
use crate::reach::Reach;

/// The fact in which an agent names what can be ordered.
const OFFER: &str = "actions";

/// An order that its agent does not fetch in this time is void, as is one by hand. It is also void
/// when the next try is due: two must not be carried out at once when the agent is back.
const EXPIRES: Duration = Duration::from_mins(5);

/// Why a repair is left alone, as far as a person may wonder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Planned work.
    Maintenance,
    /// Somebody silenced it.
    Silence,
    /// Somebody took it.
    Acknowledged,
    /// The host does not offer the action.
    Absent,
    /// It was tried as often as it may be.
    Spent,
}

impl Kept {
    fn words(self, plan: &RepairPlan, tries: u32) -> String {
        let action = &plan.action;
        match self {
            Self::Maintenance => format!("{action} not tried in maintenance"),
            Self::Silence => format!("{action} not tried under a silence"),
            Self::Acknowledged => format!("{action} not tried: somebody took it"),
            Self::Absent => format!("{action} not tried: the host offers no such action"),
            Self::Spent => format!("{}, it did not help", plan.tried(tries)),
        }
    }
}

/// What is to be done about a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing, until something else changes.
    Nothing,
    /// Nothing before then.
    Wait(Moment),
    /// Nothing, which is written down once; looked at again then.
    Keep(Kept, Moment),
    /// It is ordered.
    Order,
}

/// All that decides.
#[derive(Debug)]
struct Scene<'a> {
    plan: &'a RepairPlan,
    believed: Status,
    recovering: bool,
    offered: bool,
    reach: &'a Reach,
    released: Option<Moment>,
    covers: &'a Covers,
    taken: bool,
    tries: u32,
    last: Option<Moment>,
}

fn decide(scene: &Scene<'_>, now: Moment) -> Step {
    let again = now + scene.plan.wait;
    match scene.believed {
        Status::Warning | Status::Critical => {}
        Status::Ok | Status::Unknown => return Step::Nothing,
    }
    match scene.reach {
        Reach::Reachable => {}
        Reach::Held { until, .. } => return Step::Wait(*until),
        Reach::Unreachable { .. } | Reach::Symptom { .. } => return Step::Nothing,
    }
    if let Some(limit) = scene.released {
        return Step::Wait(limit);
    }
    if scene.recovering {
        return Step::Wait(again);
    }
    let due = scene.last.map_or(Moment::LONG_AGO, |last| last + scene.plan.wait);
    let early = now < due;
    if scene.tries >= scene.plan.tries {
        return if early { Step::Wait(due) } else { Step::Keep(Kept::Spent, Moment::NEVER) };
    }
    if scene.covers.maintenance.is_some() {
        return Step::Keep(Kept::Maintenance, Moment::NEVER);
    }
    if scene.covers.silence.is_some() {
        return Step::Keep(Kept::Silence, Moment::NEVER);
    }
    if scene.taken {
        return Step::Keep(Kept::Acknowledged, Moment::NEVER);
    }
    if early {
        return Step::Wait(due);
    }
    if !scene.offered {
        // The agent may be given the action, and says so in a fact that wakes no incident.
        return Step::Keep(Kept::Absent, again);
    }
    Step::Order
}

impl Engine {
    /// Orders the repair of an incident if one is due; returns when time alone may change that.
    pub(crate) fn repair(
        &self,
        incident: &mut Incident,
        reach: &Reach,
        covers: &Covers,
        now: Now,
        fx: &mut Effects,
    ) -> Moment {
        let Some((plan, step)) = self.next_repair(incident, reach, covers, now) else {
            return Moment::NEVER;
        };
        let tries = incident.record.repair.map_or(0, |repair| repair.tries);
        match step {
            Step::Nothing => Moment::NEVER,
            Step::Wait(until) => until,
            Step::Keep(kept, again) => {
                if incident.unrepaired != Some(kept) {
                    incident.unrepaired = Some(kept);
                    note(incident, &kept.words(plan, tries), now, fx);
                }
                again
            }
            Step::Order => {
                order(incident, plan, tries + 1, now, fx);
                Moment::of(now) + plan.wait
            }
        }
    }

    /// Returns why an incident is not repaired now, as far as that stands in the journal.
    pub(crate) fn unrepaired(
        &self,
        incident: &Incident,
        reach: &Reach,
        covers: &Covers,
        now: Now,
    ) -> Option<Kept> {
        match self.next_repair(incident, reach, covers, now)?.1 {
            Step::Keep(kept, _) => Some(kept),
            Step::Nothing | Step::Wait(_) | Step::Order => None,
        }
    }

    /// Returns what is done about the repair of an incident, in words; `None` if it has none.
    pub(crate) fn repair_in_words(
        &self,
        incident: &Incident,
        reach: &Reach,
        covers: &Covers,
        now: Now,
    ) -> Option<String> {
        let (plan, step) = self.next_repair(incident, reach, covers, now)?;
        let tries = incident.record.repair.map_or(0, |repair| repair.tries);
        let so_far =
            if tries == 0 { format!("{} not tried yet", plan.action) } else { plan.tried(tries) };
        let left = |until: Moment| span(until.since(Moment::of(now)).as_secs());
        Some(match step {
            Step::Keep(kept, _) => kept.words(plan, tries),
            Step::Order => format!("{so_far}, ordered next"),
            Step::Wait(until) if tries >= plan.tries => {
                format!("{so_far}, {} are left for the last to help", left(until))
            }
            Step::Wait(until) => format!("{so_far}, next in {} at the earliest", left(until)),
            Step::Nothing => match (incident.believed(), reach) {
                (Status::Ok, _) => format!("{so_far}, it is over"),
                (Status::Unknown, _) => {
                    format!("{so_far}: nothing is known of what is to be mended")
                }
                (Status::Warning | Status::Critical, _) => {
                    format!("{so_far}: the host is not reached")
                }
            },
        })
    }

    /// Returns the repair of an incident, if it has one, and what is to be done about it.
    fn next_repair(
        &self,
        incident: &Incident,
        reach: &Reach,
        covers: &Covers,
        now: Now,
    ) -> Option<(&RepairPlan, Step)> {
        let host = self.hosts.get(incident.record.host)?;
        let check = &host.checks[host.find(incident.record.check.as_str())?];
        let plan = check.rule.repair()?;
        let offer = self.host(host.id).and_then(|host| host.fact(OFFER)).unwrap_or_default();
        let scene = Scene {
            plan,
            believed: incident.believed(),
            recovering: matches!(check.passage(), Passage::Recovering { .. }),
            offered: offer.split_whitespace().any(|name| name == &*plan.action),
            reach,
            released: incident.release.map(|release| release.limit),
            covers,
            taken: incident.record.ack.is_some(),
            tries: incident.record.repair.map_or(0, |repair| repair.tries),
            last: incident.repaired,
        };
        Some((plan, decide(&scene, Moment::of(now))))
    }
}

fn order(incident: &mut Incident, plan: &RepairPlan, tries: u32, now: Now, fx: &mut Effects) {
    incident.record.repair = Some(RepairRecord { tries, at: now.unix });
    incident.repaired = Some(Moment::of(now));
    incident.unrepaired = None;
    fx.records.push(Record::Incident(incident.record.clone()));
    note(incident, &plan.tried(tries), now, fx);
    let record = &incident.record;
    fx.effects.push(Effect::Order {
        host: incident.host_name.clone(),
        action: plan.action.to_string(),
        reason: format!("{} is {}, try {tries} of {}", record.check, record.status, plan.tries),
        incident: record.id,
        expires_after: EXPIRES.min(plan.wait),
    });
}

fn note(incident: &Incident, text: &str, now: Now, fx: &mut Effects) {
    fx.journal(now, About::incident(incident), JournalKind::Server, format!("repair: {text}"));
    fx.effects.push(Effect::Changed(Changed::Incident(incident.record.id)));
}
