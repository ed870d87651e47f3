//! Liveness: who is heard, who is late, who is silent (design rules F1 to F5, T19 to T22).
//!
//! A heartbeat stores when it came and nothing else. A host's one deadline is computed when it comes
//! up, from what was stored last, and moved on if the host was heard meanwhile.

use std::time::Duration;

use hark_model::record::{Fresh, Record};
use hark_model::{HostId, Now, Status, Unix};

use crate::check::{AGENT_CHECK, Check, Feed, Kind};
use crate::confirm::{Passage, Since};
use crate::effect::{Changed, Effect, Effects};
use crate::engine::Engine;
use crate::gate::quiet;
use crate::host::Host;
use crate::judge::Look;
use crate::message::clock;
use crate::moment::Moment;
use crate::plan::threshold::OnStale;

/// How long a silent host's probe may take to answer before the host counts as down.
const PROBE_WAIT: Duration = Duration::from_secs(30);
/// "Last heard" is stored this often while nothing else happens.
const CHECKPOINT: Duration = Duration::from_mins(10);

/// How the text of a host begins whose agent has said that it ends. It stands at the host's own check while that
/// is still ok, and so is there after a restart of the server.
pub(crate) const ENDED: &str = "the agent was ended in order at ";
/// What follows that once the host is silent.
const NOT_BACK: &str = " and has not come back";
/// A farewell that is older than the last heartbeat by more than this waited in the spool while the agent began
/// anew; clocks differ by less, or that is told.
const OLD_FAREWELL: Duration = Duration::from_mins(1);

/// When things about a host's agent are due.
struct Windows {
    late: Moment,
    /// The deadline itself: what a verdict is dated with (rule F3).
    stale: Moment,
    /// When the verdict may be made: the deadline, or later after a start or while we hear badly.
    verdict: Moment,
}

/// How long results may stay out that are so far apart. The checks of a host are mostly as far apart as one
/// another, so that the last one answers for the next.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    every: Duration,
    time: Duration,
    /// Nothing is missed before: the server has not listened for long enough.
    earliest: Moment,
}

impl Engine {
    fn windows(&self, host: &Host) -> Option<Windows> {
        let interval = host.interval()?;
        let from = if host.heard == Moment::LONG_AGO { host.whole_since } else { host.heard };
        let rule = &self.plan.liveness;
        let stale = from + interval * rule.miss + rule.grace;
        let start = self.started + quiet(interval);
        // A host first heard in this run needs no grace after the start: only those known before.
        let start = if host.flags.not_reproven { start } else { Moment::LONG_AGO };
        let verdict = stale.max(start).max(self.gate.until(interval));
        let late = (from + interval + interval / 2).max(start).max(self.gate.until(interval));
        Some(Windows { late: late.min(verdict), stale, verdict })
    }

    /// Looks at a host when its deadline comes up.
    pub(crate) fn look_at_host(&mut self, id: HostId, due: Moment, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        if host.armed != due {
            return;
        }
        host.armed = Moment::NEVER;
        self.look_at_agent(id, now, fx);
        self.look_at_probe(id, now, fx);
        let checks = self.look_at_checks(id, now, fx);
        self.checkpoint(id, fx);
        let Some(host) = self.hosts.get(id) else { return };
        let next = self.own_deadline(host).min(checks);
        if next != Moment::NEVER {
            // What was looked at in a moment is not looked at again in it.
            self.arm_host(id, next.max(Moment::of(now) + Duration::from_millis(1)));
        }
    }

    /// Returns when a host must be looked at next.
    pub(crate) fn host_deadline(&self, id: HostId, now: Now) -> Option<Moment> {
        let host = self.hosts.get(id)?;
        let next = self.own_deadline(host).min(self.checks_deadline(host, now));
        (next != Moment::NEVER).then(|| next.max(Moment::of(now)))
    }

    /// Returns when a host's agent or probe must be looked at next.
    fn own_deadline(&self, host: &Host) -> Moment {
        let mut next = Moment::NEVER;
        if let Some(windows) = self.windows(host).filter(|_| !host.flags.silent) {
            next = if host.flags.late { windows.verdict } else { windows.late };
        }
        if let Some(until) = host.probe_until {
            next = next.min(until);
        }
        next
    }

    /// Returns when one of a host's checks must be looked at next.
    fn checks_deadline(&self, host: &Host, now: Now) -> Moment {
        let mut next = Moment::NEVER;
        let mut allowance = None;
        for check in &host.checks {
            if let Some(at) = check.more().and_then(|more| more.recheck) {
                next = next.min(at);
            }
            if let Some((at, _)) = self.absence_due(host, check, now) {
                next = next.min(at);
            }
            let due = self.check_deadline(host, check, &mut allowance, now);
            if let Some(at) = due.filter(|_| check.fresh != Fresh::Stale) {
                next = next.min(at);
            }
        }
        next
    }

    fn look_at_agent(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get(id) else { return };
        if host.flags.silent {
            return;
        }
        let Some(windows) = self.windows(host) else { return };
        if moment >= windows.verdict {
            self.agent_silent(id, windows.stale, now, fx);
        } else if moment >= windows.late && !host.flags.late {
            // F1: late is for display, and has the host probed meanwhile.
            let probe = host.probe().map(|index| host.checks[index].rule.name.clone());
            if let Some(check) = probe {
                fx.effects.push(Effect::Probe { host: id, check });
            }
            if let Some(host) = self.hosts.get_mut(id) {
                host.flags.late = true;
            }
            fx.effects.push(Effect::Changed(Changed::Host(id)));
        }
    }

    /// An agent has missed its deadline.
    fn agent_silent(&mut self, id: HostId, stale: Moment, now: Now, fx: &mut Effects) {
        let forced = self.gate.is_forced(Moment::of(now));
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.flags.silent = true;
        host.flags.late = true;
        let mut text = silence_text(host, stale, now);
        if forced {
            text.push_str("; our own reception is in trouble, so this is less certain");
        }
        let at = Since { unix: stale.unix(now), moment: stale };
        if host.probe().is_none() {
            // T22: without a probe silence and death look the same.
            self.judge_own(id, 0, Status::Critical, &text, at, now, fx);
            return;
        }
        // T19: the agent is in trouble; whether the host is, its probe tells.
        let agent = self.own_check(id, AGENT_CHECK, Kind::Agent, now);
        self.judge_own(id, agent, Status::Critical, &text, at, now, fx);
        if let Some(host) = self.hosts.get_mut(id) {
            host.probe_until = Some(Moment::of(now) + PROBE_WAIT);
        }
        self.judge_by_probe(id, now, fx);
        self.reconcile_host(id, now, fx);
        let Some(host) = self.hosts.get(id).filter(|host| host.probe_until.is_some()) else {
            return;
        };
        if let Some(check) = host.probe().map(|index| host.checks[index].rule.name.clone()) {
            fx.effects.push(Effect::Probe { host: id, check });
        }
    }

    /// Judges a host by its probe where its agent does not speak for it (T19, T20).
    pub(crate) fn judge_by_probe(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        if host.has_agent() && !host.flags.silent {
            return;
        }
        let Some(probe) = host.probe().map(|index| &host.checks[index]) else { return };
        let newer = probe.began().is_some() && probe.heard > host.heard;
        let waited = host.probe_until.is_some_and(|until| Moment::of(now) >= until);
        let verdict = match (probe.hard, probe.passage()) {
            _ if !newer && !waited => None,
            (_, _) if !newer => Some(Status::Critical),
            (Some(Status::Ok), Passage::Steady) => Some(Status::Ok),
            (Some(Status::Unknown), _) if !host.has_agent() => Some(Status::Unknown),
            (Some(Status::Critical | Status::Unknown), _) => Some(Status::Critical),
            (Some(Status::Ok | Status::Warning) | None, _) => None,
        };
        let Some(verdict) = verdict else { return };
        let text = match (verdict, host.has_agent()) {
            (Status::Ok, _) => "answers".to_owned(),
            (_, true) => {
                let silence = silence_text(host, Moment::of(now), now);
                let plan = probe.rule.plan();
                let open = plan.is_none_or(|plan| plan.is_active(now.unix));
                let said =
                    if open { probe.shown() } else { "not looked at at this time".to_owned() };
                format!("{silence}; {}: {said}", probe.rule.name)
            }
            (_, false) => format!("{}: {}", probe.rule.name, probe.shown()),
        };
        let at = match probe.passage() {
            Passage::Soft { since, .. } => since,
            Passage::Steady | Passage::Recovering { .. } => {
                Since { unix: now.unix, moment: Moment::of(now) }
            }
        };
        if let Some(host) = self.hosts.get_mut(id) {
            host.probe_until = None;
        }
        self.judge_own(id, 0, verdict, &text, at, now, fx);
    }

    fn look_at_probe(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let due = self.hosts.get(id).and_then(|host| host.probe_until);
        if due.is_some_and(|until| Moment::of(now) >= until) {
            self.judge_by_probe(id, now, fx);
            if let Some(host) = self.hosts.get_mut(id) {
                host.probe_until = None;
            }
        }
    }

    /// Returns when a check's newest result is too old; `None` for what the engine itself observes,
    /// for checks that never had a result, and for jobs that report themselves, which a machine of
    /// their own expects ([`crate::push`]).
    fn check_deadline(
        &self,
        host: &Host,
        check: &Check,
        known: &mut Option<Allowance>,
        now: Now,
    ) -> Option<Moment> {
        if check.awaits().is_some() {
            return None;
        }
        let reports_itself = check.rule.plan().is_some_and(|plan| plan.push.is_some());
        if Self::is_own(&check.rule.kind) || reports_itself || check.began().is_none() {
            return None;
        }
        let rule = &self.plan.liveness;
        let spacing = check.spacing();
        let (every, from) = match check.rule.feed() {
            Feed::Agent => {
                let interval = host.interval().unwrap_or(rule.interval);
                let interval = self.gate.apart(interval, Moment::of(now));
                (spacing.max(interval), check.heard.max(host.whole_since))
            }
            Feed::Probe | Feed::Engine => {
                let plan = check.rule.plan().map_or(rule.interval, |plan| plan.every);
                (plan, check.heard)
            }
        };
        let allowance = match *known {
            Some(allowance) if allowance.every == every => allowance,
            Some(_) | None => *known.insert(self.allowance(every)),
        };
        let mut deadline = from + allowance.time;
        // Nobody looks outside of its days and hours. Only when it would be too old is it worth asking the
        // calendar: until then this is the earliest that it can be.
        if let Some(window) = check.rule.plan().and_then(|plan| plan.active.as_ref())
            && deadline <= Moment::of(now)
        {
            deadline = Moment::of_unix(window.due_by(from.unix(now), allowance.time)?, now);
        }
        Some(deadline.max(allowance.earliest))
    }

    /// Returns how long results that are so far apart may stay out.
    fn allowance(&self, every: Duration) -> Allowance {
        let rule = &self.plan.liveness;
        let earliest = (self.started + quiet(every)).max(self.gate.until(every));
        Allowance { every, time: every * rule.miss + rule.grace, earliest }
    }

    /// Asks for probes that are due, and notes checks whose results stay out (T16, F2). Returns when they
    /// must be looked at next.
    fn look_at_checks(&mut self, id: HostId, now: Now, fx: &mut Effects) -> Moment {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get(id) else { return Moment::NEVER };
        let due = self.checks_deadline(host, now);
        if due > moment {
            return due;
        }
        let count = host.checks.len();
        let mut allowance = None;
        for index in 0..count {
            let Some(host) = self.hosts.get_mut(id) else { return Moment::NEVER };
            let check = &mut host.checks[index];
            if check.more().and_then(|more| more.recheck).is_some_and(|at| at <= moment) {
                check.more_mut().recheck = None;
                let check = check.rule.name.clone();
                fx.effects.push(Effect::Probe { host: id, check });
            }
            let Some(host) = self.hosts.get(id) else { return Moment::NEVER };
            let check = &host.checks[index];
            let due = self.check_deadline(host, check, &mut allowance, now);
            if due.is_some_and(|due| due <= moment) && check.fresh != Fresh::Stale {
                self.check_stale(id, index, now, fx);
            }
            self.look_at_absence(id, index, now, fx);
        }
        self.hosts.get(id).map_or(Moment::NEVER, |host| self.checks_deadline(host, now))
    }

    /// A check's results stay out.
    fn check_stale(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let silent = host.flags.silent || host.is_down();
        let check = &mut host.checks[index];
        check.fresh = Fresh::Stale;
        // Where the agent or the host is silent, that is the news: the metrics behind it only show
        // that they have no data (T19, D8).
        if silent && check.rule.feed() == Feed::Agent {
            fx.records.push(Record::Check(check.record(id)));
            fx.effects.push(Effect::Changed(Changed::Host(id)));
            return;
        }
        let age = Moment::of(now).since(check.heard).as_secs();
        let text = format!("no data for {age}s");
        let level = match check.rule.on_stale {
            OnStale::Unknown => Status::Unknown,
            OnStale::Critical => Status::Critical,
            OnStale::Probe => {
                let check = check.rule.name.clone();
                fx.effects.push(Effect::Probe { host: id, check });
                return;
            }
        };
        let at = Since { unix: now.unix, moment: Moment::of(now) };
        let look = Look { level, text: &text, at, counts: false, fresh: Fresh::Stale };
        self.judge(id, index, &look, now, fx);
    }

    fn checkpoint(&mut self, id: HostId, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        if host.heard != Moment::LONG_AGO && host.heard_unix.since(host.stored_heard) >= CHECKPOINT
        {
            host.stored_heard = host.heard_unix;
            fx.records.push(Record::Host(host.record()));
        }
    }

    /// An agent says that it ends, at `at` by its own clock. That is no fault yet: it may be back before it is
    /// missed. If it is not, its silence is a problem as any other, of which more is known.
    pub(crate) fn agent_ended(&mut self, id: HostId, at: Unix, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let is_old = at + OLD_FAREWELL < host.heard_unix;
        if !host.has_agent() || host.heard == Moment::LONG_AGO || host.flags.silent || is_old {
            return;
        }
        // As late as one that has missed a heartbeat: the next one is looked at, and takes this back.
        host.flags.late = true;
        let text = format!("{ENDED}{}", clock(now.unix));
        let liveness = &mut host.checks[0];
        if liveness.hard == Some(Status::Ok) {
            liveness.set_text(&text);
            fx.records.push(Record::Check(liveness.record(id)));
        }
        if let Some(probe) = host.probe() {
            let check = host.checks[probe].rule.name.clone();
            fx.effects.push(Effect::Probe { host: id, check });
        }
    }

    /// A heartbeat came from a host that needs more than a note: it was silent, late, new, down or
    /// waited for.
    pub(crate) fn heard_again(&mut self, id: HostId, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let before = host.flags;
        host.flags = crate::host::Flags::default();
        host.probe_until = None;
        let is_first = host.liveness().hard.is_none();
        if before.silent || before.not_reproven || is_first {
            host.whole_since = Moment::of(now);
            host.stored_heard = host.heard_unix;
            fx.records.push(Record::Host(host.record()));
        }
        if before.silent || before.late || before.not_reproven {
            fx.effects.push(Effect::Changed(Changed::Host(id)));
        }
        let agent = host.find(AGENT_CHECK).filter(|i| host.checks[*i].hard != Some(Status::Ok));
        let liveness = &mut host.checks[0];
        if liveness.has_ended() {
            liveness.set_text("");
            fx.records.push(Record::Check(liveness.record(id)));
        }
        let liveness = host.liveness();
        let news = liveness.hard != Some(Status::Ok) || liveness.passage() != Passage::Steady;
        let at = Since { unix: now.unix, moment: Moment::of(now) };
        if let Some(agent) = agent {
            self.judge_own(id, agent, Status::Ok, "", at, now, fx);
        }
        if news || before.not_reproven {
            self.judge_own(id, 0, Status::Ok, "", at, now, fx);
        }
        if before.silent {
            // What the agent brings was unreachable: it is judged by its next results (D6).
            self.release_host(id, now);
            self.reconcile_host(id, now, fx);
        }
        if before.awaited {
            self.sign_of_life(id, now, fx);
        }
        if let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
    }

    /// Judges what the engine itself observes.
    #[expect(
        clippy::too_many_arguments,
        reason = "one observation, flat: a struct would be used here alone"
    )]
    pub(crate) fn judge_own(
        &mut self,
        id: HostId,
        index: usize,
        level: Status,
        text: &str,
        at: Since,
        now: Now,
        fx: &mut Effects,
    ) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.checks[index].received(at.unix, Moment::of(now));
        }
        let look = Look { level, text, at, counts: true, fresh: Fresh::Fresh };
        self.judge(id, index, &look, now, fx);
    }
}

fn silence_text(host: &Host, at: Moment, now: Now) -> String {
    if host.heard == Moment::LONG_AGO {
        return "never heard".to_owned();
    }
    if let Some(ended) = farewell(host) {
        return format!("{ended}{NOT_BACK}");
    }
    if host.flags.not_reproven {
        // What is stored is as old as the last checkpoint.
        let about = clock(host.heard.unix(now));
        return format!("no heartbeat since the server's start, last heard about {about}");
    }
    let seconds = at.since(host.heard).as_secs();
    format!("no heartbeat for {seconds}s, last heard {}", clock(host.heard.unix(now)))
}

/// Returns when its agent was ended, as it was told: by the host's own check, or by that of the agent where a probe
/// speaks for the host.
fn farewell(host: &Host) -> Option<&str> {
    let agent = host.find(AGENT_CHECK).and_then(|index| host.checks.get(index));
    let text = [Some(host.liveness()), agent]
        .into_iter()
        .flatten()
        .map(Check::text)
        .find(|text| text.starts_with(ENDED))?;
    Some(text.split_once(NOT_BACK).map_or(text, |(ended, _)| ended))
}
