//! Read access for the page and the API: borrowed, nothing is copied until asked for.

use std::net::IpAddr;
use std::time::Duration;

use hark_calendar::ActiveWindow;
use hark_model::record::{Fresh, IncidentRecord, SilenceRecord, ToldRecord};
use hark_model::{
    CheckName, HostId, HostName, IncidentId, Now, ProfileName, SeriesName, SilenceId, Status, Tag,
    Unix, UserName,
};

pub use crate::absence::Missing;
use crate::check::{Check, Kind};
use crate::confirm::Passage;
use crate::engine::{Counts, Engine};
use crate::host::{Host, HostState};
use crate::incident::Incident;
use crate::moment::Moment;
use crate::overlay::Silence;
use crate::plan::Signal;
pub use crate::watching::Drawn;
use crate::watching::Watching;

/// A host as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct HostView<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) host: &'a Host,
}

impl<'a> HostView<'a> {
    /// Returns its number.
    pub fn id(self) -> HostId {
        self.host.id
    }

    /// Returns its name.
    pub fn name(self) -> &'a HostName {
        &self.host.name
    }

    /// Returns the worst of its checks.
    pub fn state(self) -> HostState {
        self.host.state
    }

    /// Returns the state in one word: `Down`, `Silent`, `Late`, `Healthy` ...
    pub fn word(self) -> &'static str {
        let host = self.host;
        if host.is_down() {
            return if host.has_agent() && host.probe().is_none() { "Silent" } else { "Down" };
        }
        match host.state {
            HostState::Maintenance => "Maintenance",
            HostState::Critical => "Critical",
            HostState::Warning => "Warning",
            HostState::Unknown => "Unknown",
            HostState::Pending => "Pending",
            HostState::Ok if host.flags.late => "Late",
            HostState::Ok => "Healthy",
        }
    }

    /// Returns what its worst check says, a value with its unit and its limit; when all is well that its agent
    /// was ended, if it was, or nothing.
    pub fn text(self) -> String {
        let liveness = self.host.liveness();
        let ended =
            || if liveness.has_ended() { liveness.text().to_owned() } else { String::new() };
        self.worst().map_or_else(ended, |check| {
            let told = check.told();
            if check.rule.kind == Kind::Host {
                told
            } else {
                format!("{} = {told}", check.rule.path(self.host.name.as_str()))
            }
        })
    }

    /// Returns since when it is as [`HostView::text`] says: the change of its worst check, or of its
    /// liveness when all is well.
    pub fn since(self) -> Option<Unix> {
        self.worst().unwrap_or_else(|| self.host.liveness()).changed_at()
    }

    /// Returns how long it is down, by a clock that nobody sets; `None` if it is not.
    pub fn down_for(self, now: Now) -> Option<Duration> {
        let incidents = self.host.incidents.iter().filter_map(|id| self.engine.incidents.get(id));
        let mut down = incidents.filter(|i| i.is_open() && i.record.check.is_host());
        let down = down.next().filter(|_| self.host.is_down());
        down.map(|incident| Moment::of(now).since(incident.since))
    }

    /// Returns the first of the worst checks; `None` when all is well.
    fn worst(self) -> Option<&'a Check> {
        let bad = |check: &&Check| check.hard.is_some_and(Status::is_problem);
        self.host.checks.iter().filter(bad).reduce(|worst, check| {
            let rank = |check: &Check| check.hard.map_or(0, Status::rank);
            if rank(check) > rank(worst) { check } else { worst }
        })
    }

    /// Returns when it was first heard or declared.
    pub fn first_seen(self) -> Unix {
        self.host.first_seen
    }

    /// Returns when it was last heard.
    pub fn last_heard(self) -> Option<Unix> {
        (self.host.heard != Moment::LONG_AGO).then_some(self.host.heard_unix)
    }

    /// Returns how often its agent sends; `None` without agent.
    pub fn interval(self) -> Option<Duration> {
        self.host.interval()
    }

    /// Returns the address that it last sent from, or the declared one.
    pub fn address(self) -> Option<IpAddr> {
        self.host.address
    }

    /// Returns the newest round trip time.
    pub fn round_trip(self) -> Option<Duration> {
        let rtt = self.host.rtt_us;
        (rtt != u32::MAX).then(|| Duration::from_micros(u64::from(rtt)))
    }

    /// Returns its tags: those of its file and those it joined with.
    pub fn tags(self) -> &'a [Tag] {
        self.host.tags()
    }

    /// Returns whose it is.
    pub fn owner(self) -> Option<&'a UserName> {
        self.host.plan.owner.as_ref()
    }

    /// Returns who else may act on it.
    pub fn managers(self) -> &'a [UserName] {
        &self.host.plan.managers
    }

    /// Returns who else may see it.
    pub fn monitors(self) -> &'a [UserName] {
        &self.host.plan.monitors
    }

    /// Returns whether `user` has to do with it at all.
    pub fn concerns(self, user: &UserName) -> bool {
        self.owner() == Some(user)
            || self.managers().contains(user)
            || self.monitors().contains(user)
    }

    /// Returns its profiles, from left to right.
    pub fn profiles(self) -> &'a [ProfileName] {
        &self.host.plan.profiles
    }

    /// Returns true if a file names it.
    pub fn is_declared(self) -> bool {
        self.host.plan.declared
    }

    /// Returns its facts, by name.
    pub fn facts(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.host.facts.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns one fact.
    pub fn fact(self, name: &str) -> Option<&'a str> {
        let at = self.host.facts.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.host.facts.get(at).map(|(_, value)| &**value)
    }

    /// Returns the groups of parents as they are declared.
    pub fn parents(self) -> &'a [Vec<HostName>] {
        &self.host.plan.parents
    }

    /// Returns the hosts directly behind it.
    pub fn children(self) -> impl Iterator<Item = HostView<'a>> {
        let engine = self.engine;
        engine.links.children(self.host.id).iter().filter_map(|id| engine.host(*id))
    }

    /// Returns the tags that it joined with.
    pub fn joined_tags(self) -> &'a [Tag] {
        self.host.joined_tags()
    }

    /// Returns the parent that is down, if that makes it unreachable (rule D5).
    pub fn unreachable_because(self) -> Option<HostView<'a>> {
        self.engine.down_group(self.host.id).and_then(|id| self.engine.host(id))
    }

    /// Returns true if nothing was heard of it since the server started (rule F4).
    pub fn is_not_reproven(self) -> bool {
        self.host.flags.not_reproven
    }

    /// Returns true if its agent missed its deadline.
    pub fn is_silent(self) -> bool {
        self.host.flags.silent
    }

    /// Returns true if its agent is past 1.5 intervals (rule F1).
    pub fn is_late(self) -> bool {
        self.host.flags.late
    }

    /// Returns true if some threshold looks at this series of it.
    pub fn watches(self, series: &SeriesName) -> bool {
        self.host.plan.thresholds.all_of(series).next().is_some()
    }

    /// Returns its checks, its own liveness first.
    pub fn checks(self) -> impl Iterator<Item = CheckView<'a>> {
        self.host.checks.iter().map(move |check| CheckView { host: self.host, check })
    }

    /// Returns the check of this name.
    pub fn check(self, name: &str) -> Option<CheckView<'a>> {
        let index = self.host.find(name)?;
        self.host.checks.get(index).map(|check| CheckView { host: self.host, check })
    }

    /// Returns the limits of single instances that look at nothing of what its agent sends; none of a host
    /// that was not heard since the start.
    pub fn limits_without_values(self) -> Vec<String> {
        if self.last_heard().is_none() || self.is_not_reproven() {
            return Vec::new();
        }
        let series = self.host.checks.iter().filter_map(|check| {
            let Kind::Threshold(_, series) = &check.rule.kind else { return None };
            Some(series)
        });
        self.engine.plan().host(self.host.name.as_str()).thresholds.without_series(series)
    }

    /// Returns its incidents that are open or just over, oldest first.
    pub fn incidents(self) -> impl Iterator<Item = IncidentView<'a>> {
        let engine = self.engine;
        self.host.incidents.iter().filter_map(|id| engine.incident(*id))
    }
}

/// A check as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct CheckView<'a> {
    host: &'a Host,
    check: &'a Check,
}

/// How far the confirmation of a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Underway {
    /// What was seen last.
    pub candidate: Status,
    /// How many in a row.
    pub attempt: u32,
    /// How many are needed.
    pub of: u32,
}

impl<'a> CheckView<'a> {
    /// Returns its name within the host.
    pub fn name(self) -> &'a CheckName {
        &self.check.rule.name
    }

    /// Returns the path that stands in messages.
    pub fn path(self) -> String {
        self.check.rule.path(self.host.name.as_str())
    }

    /// Returns what it is about, if its configuration says so.
    pub fn description(self) -> Option<&'a str> {
        self.check.rule.plan().and_then(|plan| plan.description.as_deref())
    }

    /// Returns whether it is not shown while it is well.
    pub fn is_hidden(self) -> bool {
        self.check.rule.plan().is_some_and(|plan| plan.hidden)
    }

    /// Returns the days and hours in which it is looked at, if those are not all.
    pub fn active(self) -> Option<&'a ActiveWindow> {
        self.check.rule.plan().and_then(|plan| plan.active.as_ref())
    }

    /// Returns what the newest result says; `None` while pending.
    pub fn status(self) -> Option<Status> {
        self.check.level
    }

    /// Returns a word for who looks: `host`, `limit`, `look` for a configured check ...
    pub fn kind(self) -> &'static str {
        match &self.check.rule.kind {
            Kind::Host => "host",
            Kind::Agent => "agent",
            Kind::Clock => "clock",
            Kind::Threshold(..) | Kind::RoundTrip(_) => "limit",
            Kind::Declared(plan) if plan.push.is_some() => "push",
            Kind::Declared(_) => "look",
            Kind::Reported => "reported",
            Kind::Part => "server",
        }
    }

    /// Returns the time between two results, as far as it is known: that of its configuration, or of the
    /// heartbeats that bring them.
    pub fn every(self) -> Option<Duration> {
        match &self.check.rule.kind {
            Kind::Declared(plan) => plan.push.is_none().then_some(plan.every),
            Kind::Host | Kind::Threshold(..) | Kind::RoundTrip(_) => self.host.interval(),
            Kind::Agent | Kind::Clock | Kind::Reported | Kind::Part => None,
        }
    }

    /// Returns what is believed; `None` while pending.
    pub fn hard(self) -> Option<Status> {
        self.check.hard
    }

    /// Returns what is under way, if anything is.
    pub fn underway(self) -> Option<Underway> {
        let rule = &self.check.rule.confirm;
        match self.check.passage() {
            Passage::Steady => None,
            Passage::Soft { candidate, attempt, .. } => {
                Some(Underway { candidate, attempt, of: rule.attempts })
            }
            Passage::Recovering { good, .. } => {
                Some(Underway { candidate: Status::Ok, attempt: good, of: rule.clear_attempts })
            }
        }
    }

    /// Returns the newest value of a metric.
    pub fn value(self) -> Option<f64> {
        (!self.check.value.is_nan()).then_some(self.check.value)
    }

    /// Returns the newest text.
    pub fn text(self) -> &'a str {
        self.check.text()
    }

    /// Returns the lines of the newest text behind the first, which stands in lists; empty if there are none.
    pub fn further_lines(self) -> &'a str {
        self.text().split_once('\n').map_or("", |(_, further)| further)
    }

    /// Returns what stands behind the `=` in a message.
    pub fn shown(self) -> String {
        self.check.shown()
    }

    /// Returns true if each of its bad results is an event, and none of them ends its incident.
    pub fn is_volatile(self) -> bool {
        self.check.rule.plan().is_some_and(|plan| plan.volatile)
    }

    /// Returns the rule in words: `warning above 80.0, clears at 72.0; critical above 90.0 ...`.
    pub fn rule(self) -> String {
        let Some(threshold) = self.check.rule.threshold() else { return String::new() };
        let unit = self.check.rule.unit();
        let mut parts = Vec::new();
        if threshold.warning.is_some() {
            parts.push(format!("warning {}", threshold.words(Status::Warning, unit)));
        }
        if threshold.critical.is_some() {
            parts.push(format!("critical {}", threshold.words(Status::Critical, unit)));
        }
        let by = threshold.signal.words();
        if !by.is_empty() {
            parts.push(format!("by {by}"));
        }
        parts.join("; ")
    }

    /// Returns how its value was derived, in words: `mean of the last 10 min, 40 values`; `None` where it
    /// is a series' newest.
    pub fn derivation(self) -> Option<String> {
        self.check.derivation()
    }

    /// Returns what it misses; `None` where a value has come, and of checks that await none.
    pub fn missing(self) -> Option<Missing<'a>> {
        self.check.missing()
    }

    /// Returns what of its series it looks at; `None` of what is no limit on a series.
    pub fn signal(self) -> Option<(Signal, &'a SeriesName)> {
        match &self.check.rule.kind {
            Kind::Threshold(threshold, series) => Some((threshold.signal, series)),
            Kind::Host
            | Kind::Agent
            | Kind::Clock
            | Kind::RoundTrip(_)
            | Kind::Declared(_)
            | Kind::Reported
            | Kind::Part => None,
        }
    }

    /// Returns what of that can be drawn beside the series.
    pub fn drawn(self) -> Option<Drawn> {
        self.check.watching().map(Watching::drawn)
    }

    /// Returns where warning and critical begin, in values of the series that it looks at.
    pub fn limits(self) -> (Option<f64>, Option<f64>) {
        let threshold = self.check.rule.threshold().filter(|t| t.signal.is_of_the_series());
        (
            threshold.and_then(|t| t.warning).map(|limit| limit.raise),
            threshold.and_then(|t| t.critical).map(|limit| limit.raise),
        )
    }

    /// Returns when the belief last changed.
    pub fn changed_at(self) -> Option<Unix> {
        self.check.changed_at()
    }

    /// Returns when the newest accepted result began. Each heartbeat says that the host is there, though it is a result only
    /// where that is news.
    pub fn began_at(self) -> Option<Unix> {
        let is_liveness = self.check.rule.kind == Kind::Host;
        let heard = is_liveness && self.host.heard != Moment::LONG_AGO;
        self.check.began().max(heard.then_some(self.host.heard_unix))
    }

    /// Returns how fresh the newest result is.
    pub fn fresh(self) -> Fresh {
        self.check.fresh
    }

    /// Returns since when it flaps.
    pub fn flapping_since(self) -> Option<Unix> {
        self.check.flapping()
    }

    /// Returns its open incident.
    pub fn incident(self) -> Option<IncidentId> {
        self.check.incident()
    }
}

/// An incident as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct IncidentView<'a> {
    engine: &'a Engine,
    incident: &'a Incident,
}

impl<'a> IncidentView<'a> {
    /// Returns what is stored of it.
    pub fn record(self) -> &'a IncidentRecord {
        &self.incident.record
    }

    /// Returns its host's name, also when the host is gone.
    pub fn host_name(self) -> &'a HostName {
        &self.incident.host_name
    }

    /// Returns the path that stands in messages.
    pub fn path(self) -> &'a str {
        &self.incident.path
    }

    /// Returns true while it is not resolved.
    pub fn is_open(self) -> bool {
        self.incident.is_open()
    }

    /// Returns how many open incidents follow from it.
    pub fn symptoms(self) -> u32 {
        self.incident.symptoms
    }

    /// Returns the open incidents that follow from it.
    pub fn symptoms_list(self) -> impl Iterator<Item = IncidentView<'a>> {
        let id = self.incident.record.id;
        self.engine
            .incidents()
            .filter(move |other| other.is_open() && other.incident.record.cause == Some(id))
    }

    /// Returns until when a silence or maintenance covers it.
    pub fn silenced_until(self) -> Option<Unix> {
        let covers = self.engine.covers(self.incident);
        let until = |cover: Option<(SilenceId, crate::decide::Cover)>| cover.map(|(_, c)| c.until);
        until(covers.silence).max(until(covers.maintenance))
    }

    /// Returns what everybody was told about it.
    pub fn told(self, now: Now) -> Vec<ToldRecord> {
        let id = self.incident.record.id;
        self.incident
            .told
            .iter()
            .filter(|(_, told)| told.sequence > 0)
            .map(|(receiver, told)| told.record(id, receiver, now))
            .collect()
    }
}

/// A silence or maintenance as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct SilenceView<'a> {
    silence: &'a Silence,
}

impl<'a> SilenceView<'a> {
    /// Returns what is stored of it.
    pub fn record(self) -> &'a SilenceRecord {
        &self.silence.record
    }

    /// Returns its name in the file, if a file declares it.
    pub fn declared(self) -> Option<&'a str> {
        self.silence.declared.as_deref()
    }

    /// Returns when it comes again, in words, if it does.
    pub fn repeats(self) -> Option<String> {
        self.silence.repeat.as_ref().map(ToString::to_string)
    }

    /// Returns true if it is in force: it has begun and not ended, and one that begins with a problem has met it.
    pub fn is_active(self) -> bool {
        self.silence.active
    }

    /// Returns until when it holds, as far as is known now.
    pub fn end(self) -> Unix {
        self.silence.end()
    }

    /// Returns true if it will not hold any more: what a file declares is known for longer than it holds.
    pub fn is_over(self, now: Unix) -> bool {
        self.silence.is_over(now)
    }
}

impl Engine {
    /// Returns all hosts by number.
    pub fn hosts(&self) -> impl Iterator<Item = HostView<'_>> {
        self.hosts.iter().map(|host| HostView { engine: self, host })
    }

    /// Returns the host with this number.
    pub fn host(&self, id: HostId) -> Option<HostView<'_>> {
        self.hosts.get(id).map(|host| HostView { engine: self, host })
    }

    /// Returns the host with this name.
    pub fn host_named(&self, name: &str) -> Option<HostView<'_>> {
        self.hosts.id(name).and_then(|id| self.host(id))
    }

    /// Returns how many hosts there are.
    pub fn n_hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Returns how many hosts are in each state.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the incidents that are open or just over, oldest first.
    pub fn incidents(&self) -> impl DoubleEndedIterator<Item = IncidentView<'_>> {
        self.incidents.values().map(|incident| IncidentView { engine: self, incident })
    }

    /// Returns the incident with this number, if it is open or just over.
    pub fn incident(&self, id: IncidentId) -> Option<IncidentView<'_>> {
        self.incidents.get(&id).map(|incident| IncidentView { engine: self, incident })
    }

    /// Returns all silences and maintenance, by number: what people made until it is over, what files declare
    /// always.
    pub fn silences(&self) -> impl Iterator<Item = SilenceView<'_>> {
        self.silences.values().map(|silence| SilenceView { silence })
    }

    /// Returns how many messages are on their way.
    pub fn n_unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Returns how many deadlines are kept, void ones included: a figure for the server's own health.
    pub fn n_deadlines(&self) -> usize {
        self.timers.len()
    }
}
