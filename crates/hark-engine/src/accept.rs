//! Accepting what comes in: heartbeats, values, results (design rule 6.3, A3 to A10).
//!
//! What is refused here still goes to history, which is another crate's; here it only must not move
//! a check. A value that is too old neither raises nor clears anything.

use std::sync::Arc;
use std::time::Duration;

use hark_model::record::{Fresh, JournalKind, Record};
use hark_model::{CheckName, CheckResult, HostId, Next, Now, SeriesName, Status, Unix};

use crate::check::{CLOCK_CHECK, Check, Kind, RTT_CHECK};
use crate::confirm::Since;
use crate::effect::{Effect, Effects, Watch};
use crate::engine::{About, Engine};
use crate::host::Host;
use crate::input::Heard;
use crate::judge::Look;
use crate::message::span;
use crate::moment::Moment;
use crate::plan::HostPlan;
use crate::plan::signal::{Measure, Signal};
use crate::plan::threshold::Threshold;

/// A clock that is wrong by more than this is worth a word (rules A4, A5).
const SKEW: Duration = Duration::from_mins(1);
/// Bound on the checks of a host: what an agent invents must not fill the memory.
const MAX_CHECKS: usize = 4096;
/// A gap between two results longer than this says nothing about their spacing: a day, and something is added.
const MAX_SPACING_MS: u32 = 26 * 3_600_000;
/// A longer gap than this is one in which nothing came, where what comes is known to come more often: an hour, as
/// seldom as collectors look, and something is added.
const USUAL_SPACING_MS: u32 = 65 * 60_000;

/// What to do with a result, going by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// Judge it, as begun then.
    News(Unix),
    /// It is older than what is known, the same, or too old: history only (A3, A6, A7).
    Old,
}

/// Judges the time of a result (A3 to A7). `window` is how old it may be.
fn age(check: &Check, began_at: Unix, window: Duration, now: Now) -> Age {
    // A5: a clock that is ahead does not make a result newer than its receipt.
    let at = if began_at > now.unix + SKEW { now.unix } else { began_at };
    let Some(known) = check.began() else {
        return if now.unix.since(at) > window { Age::Old } else { Age::News(at) };
    };
    // A4: what is known came while our own clock was ahead; anything is newer.
    let known_is_wrong = known > now.unix + SKEW;
    if (at <= known && !known_is_wrong) || now.unix.since(at) > window {
        return Age::Old;
    }
    Age::News(at)
}

impl Engine {
    /// Applies a heartbeat. Where nothing changes, nothing is allocated and no deadline is touched.
    pub(crate) fn heard_after(&mut self, heard: &Heard, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get_mut(heard.host) else { return };
        host.heard = moment;
        host.heard_unix = now.unix;
        if host.interval_ms != heard.interval_ms {
            self.interval_changed(heard, now, fx);
        } else if host.needs_attention() {
            self.heard_again(heard.host, now, fx);
        }
        if let Some(address) = heard.moved_to {
            self.moved(heard.host, address, now, fx);
        }
        if let Some(rtt_us) = heard.rtt_us {
            self.round_trip(heard.host, rtt_us, now, fx);
        }
        self.clock_of(heard, now, fx);
        if !heard.values.is_empty() {
            self.values(heard, now, fx);
        }
    }

    /// An agent has another interval than before, or is there for the first time.
    fn interval_changed(&mut self, heard: &Heard, now: Now, fx: &mut Effects) {
        let default = self.plan.liveness.interval;
        let Some(host) = self.hosts.get_mut(heard.host) else { return };
        let default = u32::try_from(hark_model::time::millis(default)).unwrap_or(u32::MAX);
        let interval = if heard.interval_ms == 0 { default } else { heard.interval_ms };
        if host.interval_ms != interval {
            host.interval_ms = interval;
            fx.records.push(Record::Host(host.record()));
        }
        self.heard_again(heard.host, now, fx);
    }

    /// A host sends from another address (seed 001, item 19).
    fn moved(&mut self, id: HostId, address: std::net::IpAddr, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        if host.address == Some(address) {
            return;
        }
        let text = match host.address.replace(address) {
            Some(before) => format!("address changed from {before} to {address}"),
            None => format!("address is {address}"),
        };
        fx.records.push(Record::Host(host.record()));
        fx.journal(now, About::host(id), JournalKind::Event, text);
        fx.effects.push(Effect::Changed(crate::effect::Changed::Host(id)));
    }

    fn round_trip(&mut self, id: HostId, rtt_us: u32, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.rtt_us = rtt_us;
        let index = match host.round_trip() {
            Some(index) => index,
            None => match self.add_round_trip(id, now) {
                Some(index) => index,
                None => return,
            },
        };
        self.value(id, index, f64::from(rtt_us) / 1000.0, now.unix, now, fx);
    }

    /// Makes the round trip check of a host that has a threshold on it.
    fn add_round_trip(&mut self, id: HostId, now: Now) -> Option<usize> {
        let host = self.hosts.get(id)?;
        let threshold = Arc::clone(host.plan.thresholds.of_rtt(host.name.as_str())?);
        let name = CheckName::new(RTT_CHECK).expect("the word is a name");
        let kind = Kind::RoundTrip(threshold);
        self.add_check(id, name, kind, now)
    }

    fn values(&mut self, heard: &Heard, now: Now, fx: &mut Effects) {
        for (number, value) in &heard.values {
            let Some(host) = self.hosts.get(heard.host) else { return };
            let Some(index) = number.checked_sub(host.watch_base) else { continue };
            let Ok(index) = usize::try_from(index) else { continue };
            let is_metric = |check: &Check| matches!(check.rule.kind, Kind::Threshold(..));
            if host.checks.get(index).is_some_and(is_metric) {
                self.value(heard.host, index, *value, heard.taken_at, now, fx);
                self.siblings(heard, index, *value, now, fx);
            }
        }
    }

    /// Applies a value to the other checks that look at the same series: ingest gives it once.
    fn siblings(&mut self, heard: &Heard, index: usize, value: f64, now: Now, fx: &mut Effects) {
        let n = self.hosts.get(heard.host).map_or(0, |host| host.siblings.len());
        for n in 0..n {
            let Some(host) = self.hosts.get(heard.host) else { return };
            let Some((_, other)) = host.siblings.get(n).filter(|(one, _)| *one == index) else {
                continue;
            };
            self.value(heard.host, *other, value, heard.taken_at, now, fx);
        }
    }

    /// Applies one value of a metric with a threshold.
    fn value(
        &mut self,
        id: HostId,
        index: usize,
        value: f64,
        taken_at: Unix,
        now: Now,
        fx: &mut Effects,
    ) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get_mut(id) else { return };
        let window = host.interval().unwrap_or(self.plan.liveness.interval)
            * self.plan.liveness.miss
            + self.plan.liveness.grace;
        let check = &mut host.checks[index];
        let spacing = Duration::from_millis(u64::from(check.spacing_ms));
        let Age::News(at) = age(check, taken_at, window.max(spacing * 3), now) else { return };
        let earlier = note_spacing(check, at);
        let Some(threshold) = check.rule.threshold() else { return };
        if !matches!(threshold.signal, Signal::Newest) {
            return self.derive(id, index, value, at, now, fx);
        }
        let level = threshold.level(value, check.remembered);
        let first = check.began().is_none();
        if !value.is_nan() {
            check.value = value;
        }
        if level == Status::Ok && check.quietly_ok() {
            if check.rule.flapping {
                check.ring.push_quiet(level);
            }
            check.received(at, moment);
            if earlier {
                self.arm_for(id, now);
            }
            return;
        }
        let fresh_before = check.fresh;
        check.received(at, moment);
        check.fresh = fresh_before;
        // A8, A9: what is not there says that the check cannot tell, not that it is bad.
        let text = if level == Status::Unknown { "absent" } else { "" };
        let at = Since { unix: at, moment };
        let look = Look { level, text, at, counts: true, fresh: Fresh::Fresh };
        self.judge(id, index, &look, now, fx);
        if first || earlier {
            self.arm_for(id, now);
        }
    }

    /// Looks at a host when its next deadline is.
    fn arm_for(&mut self, id: HostId, now: Now) {
        if let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
    }

    /// Compares what a check measured with its threshold, if there is one.
    pub(crate) fn measured(
        &mut self,
        id: HostId,
        series: &SeriesName,
        value: f64,
        taken_at: Unix,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get(id) else { return };
        let plan = Arc::clone(&host.plan);
        self.note_feeder(id, series);
        let awaited = plan.thresholds.awaited_as(series);
        let awaited = awaited.and_then(|awaited| Measure::Absence.check(&awaited).ok());
        let host = self.hosts.get(id);
        if let Some(index) = awaited.and_then(|name| host?.find(name.as_str())) {
            self.value(id, index, value, taken_at, now, fx);
        }
        for (measure, threshold) in looked_at(&plan, series) {
            let Ok(name) = measure.check(series) else { continue };
            let kind = Kind::Threshold(Arc::clone(threshold), series.clone());
            let known = self.hosts.get(id).and_then(|host| host.find(name.as_str()));
            let index = known.or_else(|| self.add_check(id, name, kind, now));
            let Some(index) = index else { return };
            let host = self.hosts.get(id);
            let is_metric =
                |host: &Host| matches!(host.checks[index].rule.kind, Kind::Threshold(..));
            if host.is_some_and(is_metric) {
                self.value(id, index, value, taken_at, now, fx);
            }
        }
    }

    /// Raises or clears the check of an agent's clock (A5).
    fn clock_of(&mut self, heard: &Heard, now: Now, fx: &mut Effects) {
        let skew = Duration::from_millis(heard.skew_ms.unsigned_abs());
        let wrong = skew > SKEW;
        if self.own_clock.is_to_blame(heard.skew_ms, wrong) {
            self.blame_own_clock(now, fx);
            return;
        }
        self.own_clock_is_right(wrong, now, fx);
        let Some(host) = self.hosts.get(heard.host) else { return };
        if !wrong && !host.checks.iter().any(|check| matches!(check.rule.kind, Kind::Clock)) {
            return;
        }
        let index = self.own_check(heard.host, CLOCK_CHECK, Kind::Clock, now);
        let (level, text) = if wrong {
            let side = if heard.skew_ms > 0 { "ahead" } else { "behind" };
            (Status::Warning, format!("the agent's clock is {} {side}", span(skew.as_secs())))
        } else {
            (Status::Ok, "the agent's clock is right".to_owned())
        };
        let at = Since { unix: now.unix, moment: Moment::of(now) };
        self.judge_own(heard.host, index, level, &text, at, now, fx);
    }

    /// Applies a check's result from an agent or a probe.
    pub(crate) fn result(&mut self, id: HostId, result: &CheckResult, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let found = host.find(result.check.as_str());
        let Some(index) =
            found.or_else(|| self.add_check(id, result.check.clone(), Kind::Reported, now))
        else {
            return;
        };
        let Some(host) = self.hosts.get_mut(id) else { return };
        let check = &mut host.checks[index];
        if !matches!(check.rule.kind, Kind::Declared(_) | Kind::Reported) {
            // Nobody may speak for what the engine observes itself.
            return;
        }
        let said = spacing_said(result.next);
        if let Some(ms) = said {
            check.spacing_ms = ms;
        }
        let every = check.rule.plan().map_or(self.plan.liveness.interval, |plan| plan.every);
        let spacing = Duration::from_millis(u64::from(check.spacing_ms));
        let window = every.max(spacing) * self.plan.liveness.miss + self.plan.liveness.grace;
        let took = Duration::from_millis(u64::from(result.took_ms));
        let Age::News(at) = age(check, result.began_at, window + took, now) else { return };
        let first = check.began().is_none();
        if said.is_none() {
            note_spacing(check, at);
        }
        let fresh_before = check.fresh;
        check.received(at, Moment::of(now));
        check.fresh = fresh_before;
        let text = bounded(&result.text);
        let since = Since { unix: at, moment: Moment::of(now) };
        let look =
            Look { level: result.status, text, at: since, counts: true, fresh: Fresh::Fresh };
        self.judge(id, index, &look, now, fx);
        self.judge_if_probe(id, index, now, fx);
        if first && let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
        for (series, value) in &result.values {
            self.measured(id, series, *value, result.began_at, now, fx);
        }
    }

    /// A probe's unchanged answer may still be the one that a silent host is waited for with.
    fn judge_if_probe(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        if host.probe() != Some(index) {
            return;
        }
        let awaited = host.flags.awaited;
        let settled =
            !host.is_down() && host.probe_until.is_none() && host.liveness().hard.is_some();
        if !settled {
            self.judge_by_probe(id, now, fx);
        }
        let answers = self
            .hosts
            .get(id)
            .is_some_and(|host| !host.is_down() && host.checks[index].level == Some(Status::Ok));
        if awaited && answers {
            if let Some(host) = self.hosts.get_mut(id) {
                host.flags.awaited = false;
            }
            self.sign_of_life(id, now, fx);
        }
    }

    /// Answers which series are watched: all of the host's, under their present numbers.
    pub(crate) fn series_seen(
        &mut self,
        id: HostId,
        series: &[SeriesName],
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(plan) = self.hosts.get(id).map(|host| Arc::clone(&host.plan)) else { return };
        for name in series {
            self.note_feeder(id, name);
            for (measure, threshold) in looked_at(&plan, name) {
                let Ok(check) = measure.check(name) else { continue };
                let known = self.hosts.get(id).and_then(|host| host.find(check.as_str()));
                if known.is_none() {
                    let kind = Kind::Threshold(Arc::clone(threshold), name.clone());
                    self.add_check(id, check, kind, now);
                }
            }
        }
        self.watch(id, fx);
    }

    /// Emits the list of what ingest passes on: each series once, under the first check that looks at it.
    pub(crate) fn watch(&self, id: HostId, fx: &mut Effects) {
        let Some(host) = self.hosts.get(id) else { return };
        let mut watches = Vec::new();
        for (number, (index, check)) in (host.watch_base..).zip(host.checks.iter().enumerate()) {
            let is_sibling = host.siblings.iter().any(|(_, other)| *other == index);
            if let (Kind::Threshold(_, series), false) = (&check.rule.kind, is_sibling) {
                watches.push(Watch { number, series: series.clone() });
            }
            // Of a metric of which any instance is awaited: those that nobody else looks at.
            for series in check.more().map_or(&[][..], |more| &more.feeders) {
                if host.first_of(series) == Some(index) {
                    watches.push(Watch { number, series: series.clone() });
                }
            }
        }
        fx.effects.push(Effect::Watch { host: id, watches });
    }

    /// Adds a check to a host; `None` if the host is gone or full.
    pub(crate) fn add_check(
        &mut self,
        id: HostId,
        name: CheckName,
        kind: Kind,
        now: Now,
    ) -> Option<usize> {
        let rule = self.rules.intern(name, kind);
        let host = self.hosts.get_mut(id)?;
        if host.checks.len() >= MAX_CHECKS {
            return None;
        }
        host.checks.push(Check::new(rule, Moment::of(now)));
        host.reindex();
        Some(host.checks.len() - 1)
    }

    /// Returns the index of a check that the engine itself keeps, made if need be.
    pub(crate) fn own_check(&mut self, id: HostId, name: &str, kind: Kind, now: Now) -> usize {
        if let Some(index) = self.hosts.get(id).and_then(|host| host.find(name)) {
            return index;
        }
        let name = CheckName::new(name).expect("own checks have constant names");
        self.add_check(id, name, kind, now).unwrap_or(0)
    }
}

/// Returns what looks at values of a series; that it comes at all is looked at by a check of its own.
fn looked_at<'p>(
    plan: &'p HostPlan,
    series: &SeriesName,
) -> impl Iterator<Item = (Measure, &'p Arc<Threshold>)> {
    plan.thresholds.all_of(series).filter(|(measure, _)| *measure != Measure::Absence)
}

/// Returns how far results are apart, if who makes them says so; those that come whenever there is
/// something to say are as far apart as can be told: months.
fn spacing_said(next: Next) -> Option<u32> {
    let ms = |time| u32::try_from(hark_model::time::millis(time)).unwrap_or(u32::MAX);
    match next {
        Next::AsBefore => None,
        Next::Within(time) => Some(ms(time)),
        Next::Whenever => Some(u32::MAX),
    }
}

/// Learns how far results are apart: a longer gap counts at once, a shorter one slowly. Returns whether that is now
/// known, or so much less that the check is to be looked at earlier than it was to be.
fn note_spacing(check: &mut Check, at: Unix) -> bool {
    let Some(began) = check.began() else { return false };
    // One that came before the newest, from a clock that was ahead, says as little as one of months.
    let gap = u32::try_from(at.0.saturating_sub(began.0)).unwrap_or(u32::MAX);
    let before = check.spacing_ms;
    let is_outage = gap > USUAL_SPACING_MS && before > 0 && gap / 2 > before;
    if gap > MAX_SPACING_MS || is_outage {
        return false;
    }
    check.spacing_ms = gap.max(before - before / 8);
    before == 0 || check.spacing_ms.leading_zeros() > before.leading_zeros()
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(CheckResult::MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}
