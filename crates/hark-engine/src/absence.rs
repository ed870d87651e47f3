//! Series that must come: noticed when they stay out, and when they never came though somebody named them.
//!
//! Unlike what `on_stale` says about values that no longer come, the check is there before the first value. A
//! host that is silent is the news itself: what it does not send then is missed only after it was heard for long
//! enough again.

use std::sync::Arc;
use std::time::Duration;

use hark_model::record::Fresh;
use hark_model::{HostId, Now, SeriesName, Status, Unix};

use crate::check::{Check, Kind};
use crate::confirm::Since;
use crate::effect::Effects;
use crate::engine::Engine;
use crate::gate::quiet;
use crate::host::Host;
use crate::judge::Look;
use crate::message::clock;
use crate::moment::Moment;
use crate::plan::signal::{Measure, Signal};
use crate::plan::threshold::Threshold;
use crate::words::lasting;

/// Instances that stand for a metric of which any one must come; more are not needed to know that it does.
const MAX_FEEDERS: usize = 64;

impl Check {
    /// Returns the threshold, if the check awaits a series.
    pub(crate) fn awaits(&self) -> Option<&Threshold> {
        self.rule.threshold().filter(|threshold| matches!(threshold.signal, Signal::Absence))
    }

    /// Returns what is missed, as long as it is.
    pub(crate) fn missing(&self) -> Option<Missing<'_>> {
        self.awaits().filter(|_| self.fresh == Fresh::Stale)?;
        let Kind::Threshold(_, awaited) = &self.rule.kind else { return None };
        let feeders = self.more().map_or(&[][..], |more| &more.feeders);
        Some(Missing { series: feeders.first().unwrap_or(awaited), since: self.began() })
    }
}

/// A series that must come and stays out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing<'a> {
    /// The series; of a metric of which any instance will do the one that was met first.
    pub series: &'a SeriesName,
    /// When its last value was taken; `None` if there never was one.
    pub since: Option<Unix>,
}

impl Missing<'_> {
    /// Returns by what it is missed, in words.
    pub fn words(&self) -> String {
        match self.since {
            Some(since) => format!("the time since its last value, at {}", clock(since)),
            None => "the time in which its host was heard: no value has come in it".to_owned(),
        }
    }
}

impl Engine {
    /// Makes the checks of series that a host must send and that are not there yet.
    pub(crate) fn add_awaited(&mut self, id: HostId, now: Now) {
        let Some(plan) = self.hosts.get(id).map(|host| Arc::clone(&host.plan)) else { return };
        for (series, threshold) in plan.thresholds.awaited() {
            let Ok(name) = Measure::Absence.check(&series) else { continue };
            let known = self.hosts.get(id).and_then(|host| host.find(name.as_str()));
            if known.is_none() {
                let kind = Kind::Threshold(Arc::clone(threshold), series);
                self.add_check(id, name, kind, now);
            }
        }
    }

    /// Notes that a series is one of those that a check of all instances awaits.
    pub(crate) fn note_feeder(&mut self, id: HostId, series: &SeriesName) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let Some(awaited) = host.plan.thresholds.awaited_as(series) else { return };
        if awaited == *series {
            return;
        }
        let Ok(name) = Measure::Absence.check(&awaited) else { return };
        let Some(index) = host.find(name.as_str()) else { return };
        let feeders = &mut host.checks[index].more_mut().feeders;
        if feeders.len() < MAX_FEEDERS && !feeders.contains(series) {
            feeders.push(series.clone());
            host.reindex();
        }
    }

    /// Returns when the next level of a series that stays out begins, and which; `None` while its host is not
    /// listened to, and when there is none. A host without an agent is listened to once the series has come: a
    /// limit for all hosts says nothing of one that was never to have it.
    pub(crate) fn absence_due(
        &self,
        host: &Host,
        check: &Check,
        now: Now,
    ) -> Option<(Moment, Status)> {
        let threshold = check.awaits()?;
        let came = check.began().map(|_| self.plan.liveness.interval);
        let interval = host.interval().or(came)?;
        if host.flags.silent || host.flags.not_reproven || host.is_down() {
            return None;
        }
        let spared = self.gate.apart(interval, Moment::of(now)).saturating_sub(interval);
        let from = check.heard.max(host.whole_since) + spared;
        let level = if check.fresh == Fresh::Stale { check.level } else { None };
        let at = |limit: Option<crate::plan::threshold::Limit>| {
            Some(from + Duration::try_from_secs_f64(limit?.raise).ok()?)
        };
        let warning = at(threshold.warning).map(|at| (at, Status::Warning));
        let critical = at(threshold.critical).map(|at| (at, Status::Critical));
        let (due, status) = match level {
            Some(Status::Critical) => return None,
            Some(Status::Warning) => critical?,
            Some(Status::Ok | Status::Unknown) | None => {
                warning.into_iter().chain(critical).min_by_key(|(at, _)| *at)?
            }
        };
        let start = self.started + quiet(interval);
        Some((due.max(start).max(self.gate.until(interval)), status))
    }

    /// Looks whether a series that must come has stayed out.
    pub(crate) fn look_at_absence(&mut self, id: HostId, index: usize, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        let Some(host) = self.hosts.get(id) else { return };
        let check = &host.checks[index];
        let Some((due, level)) = self.absence_due(host, check, now) else { return };
        if due > moment {
            return;
        }
        let since = check.heard.max(host.whole_since);
        let away = moment.since(since).as_secs_f64();
        let text = if check.began().is_some() {
            format!("no value for {} (last at {})", lasting(away), clock(check.heard.unix(now)))
        } else {
            format!("no value in {}, and none before: it may be misspelt", lasting(away))
        };
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.checks[index].value = f64::NAN;
        let at = Since { unix: now.unix, moment };
        let look = Look { level, text: &text, at, counts: false, fresh: Fresh::Stale };
        self.judge(id, index, &look, now, fx);
    }
}
