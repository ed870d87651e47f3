//! A check as the engine holds it: small while healthy, the rest in a box.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hark_model::record::{CheckRecord, Confirm, Fresh};
use hark_model::sample::show;
use hark_model::{CheckName, HostId, IncidentId, Now, SeriesName, Status, Unit, Unix};

use crate::confirm::{Belief, Passage, Since};
use crate::flap::Ring;
use crate::liveness::ENDED;
use crate::moment::Moment;
use crate::plan::signal::Signal;
use crate::plan::threshold::{ConfirmRule, OnStale, Threshold};
use crate::plan::{CheckPlan, RepairPlan};
use crate::watching::{Watching, with_words};

/// What a check looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// The host's liveness.
    Host,
    /// The agent's liveness, where a probe tells the host's.
    Agent,
    /// The agent's clock (rule A5).
    Clock,
    /// A metric of the agent.
    Threshold(Arc<Threshold>, SeriesName),
    /// The heartbeat's round trip time.
    RoundTrip(Arc<Threshold>),
    /// A declared check, run by a site.
    Declared(Arc<CheckPlan>),
    /// A check that an agent reports on its own.
    Reported,
    /// A part of the server itself.
    Part,
}

/// Who brings a check's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// The host's agent.
    Agent,
    /// A probe.
    Probe,
    /// The engine.
    Engine,
}

/// What all checks of one kind, name and configuration share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: CheckName,
    pub(crate) kind: Kind,
    pub(crate) confirm: ConfirmRule,
    pub(crate) on_stale: OnStale,
    pub(crate) flapping: bool,
}

/// The name under which round trip times are kept.
pub(crate) const RTT_CHECK: &str = "rtt";
/// The name of the agent's liveness.
pub(crate) const AGENT_CHECK: &str = "agent";
/// The name of the agent's clock.
pub(crate) const CLOCK_CHECK: &str = "clock";

/// Stands for "no result yet": an option would cost 8 bytes in each of millions of checks.
const NEVER_BEGAN: Unix = Unix(i64::MIN);

impl Rule {
    fn passive(name: CheckName, kind: Kind) -> Self {
        Self {
            name,
            kind,
            confirm: ConfirmRule::AT_ONCE,
            on_stale: OnStale::Unknown,
            flapping: false,
        }
    }

    fn of_threshold(name: CheckName, threshold: &Arc<Threshold>, kind: Kind) -> Self {
        Self {
            name,
            kind,
            confirm: threshold.confirm,
            on_stale: threshold.on_stale,
            flapping: threshold.confirm.attempts >= 2,
        }
    }

    fn of_plan(plan: &Arc<CheckPlan>) -> Self {
        Self {
            name: plan.name.clone(),
            kind: Kind::Declared(Arc::clone(plan)),
            // Each bad result of a volatile check is a thing of its own: there is nothing to wait for.
            confirm: if plan.volatile { ConfirmRule::AT_ONCE } else { plan.confirm },
            on_stale: plan.on_stale,
            flapping: plan.flapping.unwrap_or(plan.confirm.attempts >= 2 && !plan.volatile),
        }
    }

    /// Returns who brings the results.
    pub(crate) fn feed(&self) -> Feed {
        match self.kind {
            Kind::Host | Kind::Agent | Kind::Clock | Kind::Part => Feed::Engine,
            Kind::Threshold(..) | Kind::RoundTrip(_) | Kind::Reported => Feed::Agent,
            Kind::Declared(_) => Feed::Probe,
        }
    }

    /// Returns the threshold, if the check has one.
    pub(crate) fn threshold(&self) -> Option<&Threshold> {
        match &self.kind {
            Kind::Threshold(threshold, _) | Kind::RoundTrip(threshold) => Some(threshold),
            Kind::Host
            | Kind::Agent
            | Kind::Clock
            | Kind::Declared(_)
            | Kind::Reported
            | Kind::Part => None,
        }
    }

    /// Returns the declared check, if it is one.
    pub(crate) fn plan(&self) -> Option<&Arc<CheckPlan>> {
        match &self.kind {
            Kind::Declared(plan) => Some(plan),
            Kind::Host
            | Kind::Agent
            | Kind::Clock
            | Kind::Threshold(..)
            | Kind::RoundTrip(_)
            | Kind::Reported
            | Kind::Part => None,
        }
    }

    /// Returns the unit of its values, as far as the metric's name says it.
    pub(crate) fn unit(&self) -> Unit {
        match &self.kind {
            Kind::Threshold(_, series) => Unit::of_metric(&series.metric),
            Kind::RoundTrip(_) => Unit::Milliseconds,
            Kind::Host
            | Kind::Agent
            | Kind::Clock
            | Kind::Declared(_)
            | Kind::Reported
            | Kind::Part => Unit::None,
        }
    }

    /// Returns what is ordered when it is confirmed bad.
    pub(crate) fn repair(&self) -> Option<&RepairPlan> {
        match &self.kind {
            Kind::Declared(plan) => plan.repair.as_ref(),
            Kind::Threshold(threshold, _) | Kind::RoundTrip(threshold) => {
                threshold.repair.as_deref()
            }
            Kind::Host | Kind::Agent | Kind::Clock | Kind::Reported | Kind::Part => None,
        }
    }

    /// Returns the path that stands in messages (seed 001, items 130 and 134).
    pub(crate) fn path(&self, host: &str) -> String {
        match self.kind {
            Kind::RoundTrip(_) => format!("{RTT_CHECK}.{host}"),
            Kind::Host
            | Kind::Agent
            | Kind::Clock
            | Kind::Threshold(..)
            | Kind::Declared(_)
            | Kind::Reported
            | Kind::Part => self.name.to_string(),
        }
    }
}

/// Rules, each kept once: a hundred thousand hosts with the same thresholds share them.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    by_name: BTreeMap<CheckName, Vec<Arc<Rule>>>,
}

impl Rules {
    /// Returns the rule for `kind` under `name`.
    pub(crate) fn intern(&mut self, name: CheckName, kind: Kind) -> Arc<Rule> {
        let known = self.by_name.entry(name.clone()).or_default();
        if let Some(rule) = known.iter().find(|rule| rule.kind == kind) {
            return Arc::clone(rule);
        }
        let rule = Arc::new(match &kind {
            Kind::Threshold(threshold, _) | Kind::RoundTrip(threshold) => {
                let threshold = Arc::clone(threshold);
                Rule::of_threshold(name, &threshold, kind)
            }
            Kind::Declared(plan) => Rule::of_plan(plan),
            Kind::Host | Kind::Agent | Kind::Clock | Kind::Reported | Kind::Part => {
                Rule::passive(name, kind)
            }
        });
        known.push(Arc::clone(&rule));
        rule
    }

    /// Forgets rules that no check has any more; called after a reload.
    pub(crate) fn sweep(&mut self) {
        self.by_name.retain(|_, rules| {
            rules.retain(|rule| Arc::strong_count(rule) > 1);
            !rules.is_empty()
        });
    }
}

/// What only checks have that are not quietly ok, or that have a text.
#[derive(Debug, Default)]
pub(crate) struct More {
    /// The newest text.
    pub(crate) text: String,
    /// What is under way.
    pub(crate) passage: Passage,
    /// The open incident.
    pub(crate) incident: Option<IncidentId>,
    /// The incident before, which may be opened again.
    pub(crate) former: Option<IncidentId>,
    /// When the ring's set places happened, newest first.
    pub(crate) changes: Vec<Moment>,
    /// Since when it flaps.
    pub(crate) flapping: Option<Unix>,
    /// When a probe is to be asked for.
    pub(crate) recheck: Option<Moment>,
    /// What is known of the past, where the threshold looks at more than the newest value.
    pub(crate) watching: Option<Box<Watching>>,
    /// Series of which any one is what is awaited: instances of one metric.
    pub(crate) feeders: Vec<SeriesName>,
}

impl More {
    /// Returns true if an ok result on top of ok can change nothing.
    fn quiet(&self) -> bool {
        self.passage == Passage::Steady && self.incident.is_none() && self.flapping.is_none()
    }
}

/// How far apart results of agents are taken to be until it is known: an hour, as far as the collectors that look most
/// seldom. Neither the first value of a new host nor a start of the server says how often they look.
const UNKNOWN_SPACING_MS: u32 = 3_600_000;

/// A check.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) rule: Arc<Rule>,
    more: Option<Box<More>>,
    /// The newest value; NaN if there is none.
    pub(crate) value: f64,
    /// When the newest accepted result began.
    began: Unix,
    /// When it was received.
    pub(crate) heard: Moment,
    /// Time between results in milliseconds, as seen; 0 while not known.
    pub(crate) spacing_ms: u32,
    /// When the belief last changed, in seconds since 1970.
    changed_s: u32,
    pub(crate) ring: Ring,
    /// The level of the newest result.
    pub(crate) level: Option<Status>,
    pub(crate) hard: Option<Status>,
    /// The newest level that was not unknown: what hysteresis remembers.
    pub(crate) remembered: Status,
    pub(crate) fresh: Fresh,
}

impl Check {
    /// Makes a check that has seen nothing.
    pub(crate) fn new(rule: Arc<Rule>, now: Moment) -> Self {
        Self {
            rule,
            more: None,
            value: f64::NAN,
            began: NEVER_BEGAN,
            heard: now,
            spacing_ms: 0,
            changed_s: 0,
            ring: Ring::default(),
            level: None,
            hard: None,
            remembered: Status::Ok,
            fresh: Fresh::Fresh,
        }
    }

    /// Returns how far apart its results are.
    pub(crate) fn spacing(&self) -> Duration {
        let is_unknown = self.spacing_ms == 0 && matches!(self.rule.kind, Kind::Threshold(..));
        let ms = if is_unknown { UNKNOWN_SPACING_MS } else { self.spacing_ms };
        Duration::from_millis(u64::from(ms))
    }

    /// Brings a check back from the store.
    pub(crate) fn restored(rule: Arc<Rule>, record: &CheckRecord, now: Now) -> Self {
        let mut check = Self::new(rule, Moment::of(now));
        if matches!(check.rule.kind, Kind::Reported) {
            // How often it comes is not stored: the first result says it, or a second one shows it.
            check.spacing_ms = UNKNOWN_SPACING_MS;
        }
        check.value = record.value.unwrap_or(f64::NAN);
        check.began = record.began_at.unwrap_or(NEVER_BEGAN);
        if let Some(began) = record.began_at {
            check.heard = Moment::past(began, now);
        }
        check.ring = Ring {
            bits: record.flap_ring,
            filled: record.flap_filled,
            critical: record.flap_critical,
        };
        check.level = record.level;
        check.remembered = match record.level {
            Some(Status::Unknown) | None => record.confirm.hard().unwrap_or(Status::Ok),
            Some(level) => level,
        };
        if check.remembered == Status::Unknown {
            check.remembered = Status::Ok;
        }
        check.fresh = record.fresh;
        let since = |unix: Unix| Since { unix, moment: Moment::past(unix, now) };
        let passage = match record.confirm {
            Confirm::Pending | Confirm::Hard(_) => Passage::Steady,
            Confirm::Soft { candidate, attempt, since: at, hard: _ } => {
                Passage::Soft { candidate, attempt, since: since(at) }
            }
            Confirm::Recovering { good, since: at, hard: _ } => {
                Passage::Recovering { good, since: since(at) }
            }
        };
        check.set_belief(Belief { hard: record.confirm.hard(), passage });
        check.changed(record.changed_at.unwrap_or_default());
        if !record.text.is_empty() {
            check.more_mut().text.clone_from(&record.text);
        }
        if record.incident.is_some() || record.flapping_since.is_some() {
            let more = check.more_mut();
            more.incident = record.incident;
            more.flapping = record.flapping_since;
        }
        check
    }

    /// Returns the check as it is stored.
    pub(crate) fn record(&self, host: HostId) -> CheckRecord {
        let more = self.more.as_deref();
        let confirm = match (self.passage(), self.hard) {
            (Passage::Steady, None) => Confirm::Pending,
            (Passage::Steady, Some(hard)) => Confirm::Hard(hard),
            (Passage::Soft { candidate, attempt, since }, hard) => {
                Confirm::Soft { hard, candidate, attempt, since: since.unix }
            }
            (Passage::Recovering { good, since }, hard) => Confirm::Recovering {
                hard: hard.unwrap_or(Status::Unknown),
                good,
                since: since.unix,
            },
        };
        CheckRecord {
            host,
            name: self.rule.name.clone(),
            level: self.level,
            confirm,
            fresh: self.fresh,
            began_at: self.began(),
            value: (!self.value.is_nan()).then_some(self.value),
            text: more.map(|m| m.text.clone()).unwrap_or_default(),
            changed_at: self.changed_at(),
            flap_ring: self.ring.bits,
            flap_filled: self.ring.filled,
            flap_critical: self.ring.critical,
            flapping_since: more.and_then(|m| m.flapping),
            incident: more.and_then(|m| m.incident),
        }
    }

    /// Returns when the newest accepted result began.
    pub(crate) fn began(&self) -> Option<Unix> {
        (self.began != NEVER_BEGAN).then_some(self.began)
    }

    /// Notes a result that began at `began` and was received at `heard`.
    pub(crate) fn received(&mut self, began: Unix, heard: Moment) {
        self.began = began;
        self.heard = heard;
        self.fresh = Fresh::Fresh;
    }

    /// Returns what is believed and under way.
    pub(crate) fn belief(&self) -> Belief {
        Belief { hard: self.hard, passage: self.passage() }
    }

    /// Puts what is believed and under way.
    pub(crate) fn set_belief(&mut self, belief: Belief) {
        self.hard = belief.hard;
        if belief.passage != self.passage() {
            self.more_mut().passage = belief.passage;
        }
    }

    /// Returns what is under way.
    pub(crate) fn passage(&self) -> Passage {
        self.more.as_deref().map_or(Passage::Steady, |more| more.passage)
    }

    /// Returns the open incident.
    pub(crate) fn incident(&self) -> Option<IncidentId> {
        self.more.as_deref().and_then(|more| more.incident)
    }

    /// Returns since when it flaps.
    pub(crate) fn flapping(&self) -> Option<Unix> {
        self.more.as_deref().and_then(|more| more.flapping)
    }

    /// Returns true if it flaps and was critical most of the time (rule P6).
    pub(crate) fn flaps_critically(&self) -> bool {
        self.flapping().is_some() && self.ring.is_mostly_critical()
    }

    /// Returns the newest text.
    pub(crate) fn text(&self) -> &str {
        self.more.as_deref().map_or("", |more| more.text.as_str())
    }

    /// Returns true if it is that of a host whose agent has said that it ends, and is not missed yet.
    pub(crate) fn has_ended(&self) -> bool {
        self.hard == Some(Status::Ok) && self.text().starts_with(ENDED)
    }

    /// Returns what is in the box.
    pub(crate) fn more(&self) -> Option<&More> {
        self.more.as_deref()
    }

    /// Returns the box, made if need be.
    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Puts the newest text; an empty one makes no box.
    pub(crate) fn set_text(&mut self, text: &str) {
        if self.text() != text {
            text.clone_into(&mut self.more_mut().text);
        }
    }

    /// Returns true if an ok result on top of what is there can change nothing.
    pub(crate) fn quietly_ok(&self) -> bool {
        self.hard == Some(Status::Ok)
            && self.level == Some(Status::Ok)
            && self.fresh == Fresh::Fresh
            && self.ring.bits == 0
            && self.more.as_deref().is_none_or(More::quiet)
    }

    /// Notes that the belief changed.
    pub(crate) fn changed(&mut self, at: Unix) {
        self.changed_s = u32::try_from(at.seconds()).unwrap_or(0);
    }

    /// Returns when the belief last changed.
    pub(crate) fn changed_at(&self) -> Option<Unix> {
        (self.changed_s != 0).then(|| Unix(i64::from(self.changed_s) * 1000))
    }

    /// Returns the newest value beside its limit, for checks that have both, and how it was derived.
    pub(crate) fn compared(&self) -> Option<String> {
        self.beside_its_limit(Threshold::compared)
    }

    /// Returns the same as [`Check::compared`], as a message says it.
    pub(crate) fn compared_in_words(&self) -> Option<String> {
        self.beside_its_limit(Threshold::told)
    }

    fn beside_its_limit(&self, say: fn(&Threshold, f64, Status, Unit) -> String) -> Option<String> {
        let level = self.level.filter(|level| *level != Status::Unknown)?;
        let threshold = self.rule.threshold().filter(|_| !self.value.is_nan())?;
        // That a value came is compared with nothing.
        if self.awaits().is_some() {
            return None;
        }
        let compared = say(threshold, self.value, level, self.rule.unit());
        Some(match self.derivation() {
            Some(words) => format!("{compared}: {words}"),
            None => compared,
        })
    }

    /// Returns how the newest value was derived, in words; `None` where it is the series' own.
    pub(crate) fn derivation(&self) -> Option<String> {
        let words = self.watching()?.words(self.rule.unit());
        (!words.is_empty()).then_some(words)
    }

    /// Returns what the text of an incident says: a value with its limit, else as in a message.
    pub(crate) fn told(&self) -> String {
        self.compared().unwrap_or_else(|| self.shown())
    }

    /// Returns the newest value as it stands in a message.
    fn shown_value(&self) -> String {
        match self.watching() {
            None if self.awaits().is_some() => "a value came".to_owned(),
            None => show(self.value),
            Some(watching) => {
                let in_words =
                    matches!(watching.signal(), Signal::FullIn { .. } | Signal::Deviation { .. });
                let value = if in_words { f64::NAN } else { self.value };
                with_words(value, &watching.told(self.rule.unit()))
            }
        }
    }

    /// Returns what stands behind the `=` in a message.
    pub(crate) fn shown(&self) -> String {
        let first_line = || self.text().lines().next().unwrap_or("");
        match (&self.rule.kind, self.level) {
            (Kind::Host, Some(Status::Ok)) if self.has_ended() => format!("up; {}", first_line()),
            (Kind::Host, Some(Status::Ok)) => "up".to_owned(),
            (Kind::Host, Some(Status::Critical)) => format!("down ({})", first_line()),
            (Kind::Threshold(..) | Kind::RoundTrip(_), Some(level))
                if level != Status::Unknown
                    && (!self.value.is_nan() || self.derivation().is_some()) =>
            {
                self.shown_value()
            }
            (_, level) => match first_line() {
                "" => level.map_or("pending", Status::word).to_owned(),
                text => text.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_check_is_small() {
        assert!(size_of::<Check>() <= 64, "{}", size_of::<Check>());
    }
}
