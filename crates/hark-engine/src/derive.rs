//! Values of series whose thresholds look at more than the newest one: windows, growth, time until full.
//!
//! What is derived is one more value, to which everything else applies: levels, hysteresis, confirmation,
//! freshness. It is judged only with a fresh value of its series (rule F2): neither a start of the server nor an
//! answer of history makes a check ok.

use std::sync::Arc;

use hark_model::record::Fresh;
use hark_model::{CheckName, HostId, Now, Status, Unix};

use crate::check::{Check, Kind};
use crate::confirm::Since;
use crate::effect::{Effect, Effects};
use crate::engine::Engine;
use crate::input::Recalled;
use crate::judge::Look;
use crate::moment::Moment;
use crate::plan::signal::Signal;
use crate::watching::{Circumstances, Verdict, Watching};

impl Check {
    /// Returns what is known of the past, made anew where the threshold looks at something else than before.
    pub(crate) fn watching_mut(&mut self, signal: Signal) -> Option<&mut Watching> {
        let more = self.more_mut();
        if more.watching.as_ref().is_none_or(|watching| watching.signal() != signal) {
            more.watching = Watching::new(signal).map(Box::new);
        }
        more.watching.as_deref_mut()
    }

    /// Forgets the past, which the threshold looks at no more.
    pub(crate) fn forget_past(&mut self) {
        if self.watching().is_some() {
            self.more_mut().watching = None;
        }
    }

    /// Returns what is known of the past.
    pub(crate) fn watching(&self) -> Option<&Watching> {
        self.more().and_then(|more| more.watching.as_deref())
    }
}

impl Engine {
    /// Takes a value of a series at a check that looks at something derived from it. The value is newer than
    /// the one before.
    pub(crate) fn derive(
        &mut self,
        id: HostId,
        index: usize,
        value: f64,
        at: Unix,
        now: Now,
        fx: &mut Effects,
    ) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get_mut(id) else { return };
        let whole_since = host.whole_since;
        // What was seen between results may be a gap: a single value stands for one interval.
        let spacing = host.interval().unwrap_or(self.plan.liveness.interval);
        let check = &mut host.checks[index];
        let rule = Arc::clone(&check.rule);
        let Some(threshold) = rule.threshold() else { return };
        // What is absent is no result: it is noticed by its staying out (F2).
        if value.is_nan() {
            return;
        }
        if threshold.signal == Signal::Absence {
            // It is there: that is all there is to know.
            let there = Some(Verdict::Value(0.0));
            return self.derived(id, index, there, Since { unix: at, moment }, now, fx);
        }
        let how = Circumstances {
            now: moment,
            whole_since,
            spacing,
            held: check.remembered.is_problem(),
            must: check.fresh == Fresh::Stale || check.level.is_none(),
        };
        let Some(watching) = check.watching_mut(threshold.signal) else { return };
        let verdict = watching.take(at, value, how);
        if let Kind::Threshold(_, series) = &rule.kind
            && let Some(recall) = watching.asks(moment)
        {
            let (series, check) = (series.clone(), rule.name.clone());
            fx.effects.push(Effect::Recall { host: id, check, series, recall });
        }
        self.derived(id, index, verdict, Since { unix: at, moment }, now, fx);
    }

    /// Judges what a fresh value has led to.
    fn derived(
        &mut self,
        id: HostId,
        index: usize,
        verdict: Option<Verdict>,
        at: Since,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let check = &mut host.checks[index];
        let first = check.began().is_none();
        let fresh_before = check.fresh;
        check.received(at.unix, at.moment);
        check.fresh = fresh_before;
        let (level, text) = match verdict {
            None | Some(Verdict::Wait) => {
                self.arm_if_first(id, first, now);
                return;
            }
            Some(Verdict::CannotTell(why)) => (Status::Unknown, why),
            Some(Verdict::Value(value)) => {
                check.value = if value.is_finite() { value } else { f64::NAN };
                let level = check.rule.threshold().map(|t| t.level(value, check.remembered));
                (level.unwrap_or(Status::Unknown), String::new())
            }
        };
        if level == Status::Ok && check.quietly_ok() {
            if check.rule.flapping {
                check.ring.push_quiet(level);
            }
            return;
        }
        let look = Look { level, text: &text, at, counts: true, fresh: Fresh::Fresh };
        self.judge(id, index, &look, now, fx);
        self.arm_if_first(id, first, now);
    }

    fn arm_if_first(&mut self, id: HostId, first: bool, now: Now) {
        if first && let Some(next) = self.host_deadline(id, now) {
            self.arm_host(id, next);
        }
    }

    /// Puts what history has in front of what a check has seen. It is judged with the next value.
    pub(crate) fn recalled(&mut self, id: HostId, name: &CheckName, past: Recalled, now: Now) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let Some(index) = host.find(name.as_str()) else { return };
        let check = &mut host.checks[index];
        let Some(signal) = check.rule.threshold().map(|threshold| threshold.signal) else { return };
        if let Some(watching) = check.watching_mut(signal) {
            watching.recalled(past, Moment::of(now));
        }
    }
}
