//! What is given up, and in which order, where more comes than can be kept (fault 22): first the resolution of
//! history, then the samples; heartbeats, results, events and messages never.
//!
//! **The measure** is how late what was received is kept: the time that it lay in the kernel's buffer, and from
//! there until history and the state have it on the disk. That is one figure for whatever is too slow: this
//! thread, the engine, the state, history, the disk. Of each second the *shortest* such time counts: a burst
//! keeps some waiting and others soon not, a queue that stands keeps all. Datagrams that the kernel had no room for
//! count as late.
//!
//! **How late is too late** is a setting, a second unless said otherwise: that is when agents take what they have sent
//! for lost and send it again, which makes it more.
//!
//! **Slowly up, slower down**: late for [`BEGIN`] and it begins, late for [`WORSE`] in spite of it and more is given up;
//! a step is taken back after [`CALM`] without so much as half of it.
//!
//! Nothing that is shed is acknowledged. Agents keep it and bring it behind the present when it is over, or give up
//! the oldest where their spools are full, and tell the gap.

use std::time::Duration;

use hark_engine::input::Input;
use hark_model::time::Mono;
use hark_proto::AckFlags;

use super::Intake;
use crate::server::engine_loop::part;
use crate::server::tally::Shed;

/// The name of the check of the server itself.
const PART: &str = "shedding";

/// How long it must be late until something is given up: longer than a disk that writes much takes for once.
const BEGIN: Duration = Duration::from_secs(3);

/// How long it must be late in spite of that until more is given up: most agents have heard of it by then.
const WORSE: Duration = Duration::from_secs(15);

/// How long it must be in time until a step is taken back.
const CALM: Duration = Duration::from_secs(20);

/// Of each host a round of samples is kept this often while resolution is shed.
const ROUND: Duration = Duration::from_mins(1);

/// What comes within this time of the first datagram of a round belongs to it.
const OF_ROUND: Duration = Duration::from_secs(1);

/// What becomes of samples that are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// History takes them.
    Kept,
    /// They are judged, and the agent keeps them.
    Shed,
}

/// Decides what is shed.
#[derive(Debug)]
pub(super) struct Shedding {
    /// How late is too late; none: nothing is ever shed.
    limit: Option<Duration>,
    shed: Shed,
    /// Since when it has been late, or in time, without a break.
    late_since: Option<Mono>,
    calm_since: Option<Mono>,
    /// The shortest of the second so far.
    in_buffer: Option<Duration>,
    until_kept: Option<Duration>,
    /// Whether anything was said yet: a trouble of the run before may still stand.
    is_said: bool,
}

impl Default for Shedding {
    fn default() -> Self {
        Self {
            limit: None,
            shed: Shed::Nothing,
            late_since: None,
            calm_since: None,
            in_buffer: None,
            until_kept: None,
            is_said: false,
        }
    }
}

impl Shedding {
    /// Takes another limit; zero: never.
    pub(super) fn set_limit(&mut self, limit: Duration) {
        self.limit = (!limit.is_zero()).then_some(limit);
    }

    /// Returns what is shed.
    pub(super) fn shed(&self) -> Shed {
        self.shed
    }

    /// Notes how long something lay in the kernel's buffer.
    pub(super) fn read(&mut self, waited: Duration) {
        shorten(&mut self.in_buffer, waited);
    }

    /// Notes how long something that was read has taken until it was kept.
    pub(super) fn kept(&mut self, waited: Duration) {
        shorten(&mut self.until_kept, waited);
    }

    /// Judges what has passed since the last call, a second or more ago: `oldest` is for how long the oldest has
    /// waited that is not kept, `dropped` whether the kernel had no room. Returns what is shed from now on, if that is
    /// another thing than before.
    pub(super) fn judge(
        &mut self,
        oldest: Option<Duration>,
        dropped: bool,
        now: Mono,
    ) -> Option<Shed> {
        let in_buffer = self.in_buffer.take().unwrap_or_default();
        // Where nothing at all was kept, what waits says how late it is at least.
        let until_kept = self.until_kept.take().or(oldest).unwrap_or_default();
        let late = in_buffer + until_kept;
        let limit = self.limit.unwrap_or(Duration::MAX);
        let is_late = self.limit.is_some() && (dropped || late >= limit);
        let is_calm = !is_late && late < limit / 2;
        let since = |since: Option<Mono>, is_so: bool| is_so.then(|| since.unwrap_or(now));
        self.late_since = since(self.late_since, is_late);
        self.calm_since = since(self.calm_since, is_calm);
        let passed = |since: Option<Mono>| since.map(|since| now.since(since));
        let patience = if self.shed == Shed::Nothing { BEGIN } else { WORSE };
        let next = if passed(self.late_since).is_some_and(|late| late >= patience) {
            self.shed.more()
        } else if passed(self.calm_since).is_some_and(|calm| calm >= CALM) {
            self.shed.less()
        } else {
            return None;
        };
        // The next step takes its own time.
        (self.late_since, self.calm_since) = (self.late_since.and(Some(now)), None);
        let before = std::mem::replace(&mut self.shed, next);
        (next != before).then_some(next)
    }
}

fn shorten(shortest: &mut Option<Duration>, waited: Duration) {
    *shortest = Some(shortest.map_or(waited, |shortest| shortest.min(waited)));
}

impl Intake {
    /// Judges the second that has passed.
    pub(super) fn shed_if_late(&mut self, dropped: bool, now: Mono) {
        let before = self.shedding.shed();
        let oldest = self.pending.oldest().map(|since| now.since(since));
        let changed = self.shedding.judge(oldest, dropped, now);
        if !std::mem::replace(&mut self.shedding.is_said, true) {
            self.inputs.push(part(PART, None));
        }
        let Some(shed) = changed else { return };
        tracing::warn!(?shed, ?before, "load: what is shed has changed");
        self.setup.tally.sheds(shed);
        self.inputs.push(part(PART, shed.words().map(str::to_owned)));
        let spares = |shed: Shed| shed == Shed::Metrics;
        if spares(shed) != spares(before) {
            self.inputs.push(Input::ValuesSpared(spares(shed)));
        }
    }

    /// Returns what agents are told of it.
    pub(super) fn flags(&self) -> AckFlags {
        let stopped =
            if self.history_stopped { AckFlags::HISTORY_STOPPED } else { AckFlags::default() };
        stopped.with(match self.shedding.shed() {
            Shed::Nothing => AckFlags::default(),
            Shed::Resolution => AckFlags::SHEDDING,
            Shed::Metrics => AckFlags::SHEDDING.with(AckFlags::SHEDDING_METRICS),
        })
    }

    /// Returns what becomes of the fresh samples of the agent at a place.
    pub(super) fn fresh(&mut self, place: usize, now: Mono) -> Fresh {
        match self.shedding.shed() {
            Shed::Nothing => Fresh::Kept,
            Shed::Metrics => Fresh::Shed,
            Shed::Resolution => {
                let round = &mut self.setup.agents.slot(place).round;
                let age = round.map(|began| now.since(began));
                if age.is_none_or(|age| age >= ROUND) {
                    *round = Some(now);
                    return Fresh::Kept;
                }
                if age.is_some_and(|age| age < OF_ROUND) { Fresh::Kept } else { Fresh::Shed }
            }
        }
    }

    /// Returns true if samples of the past are not wanted now.
    pub(super) fn sheds_the_past(&self) -> bool {
        self.shedding.shed() != Shed::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);

    fn shedding() -> Shedding {
        let mut shedding = Shedding::default();
        shedding.set_limit(LIMIT);
        shedding
    }

    /// Lets seconds pass in which what is kept takes `ms`; returns what was shed from which second on.
    fn pass(shedding: &mut Shedding, from: u64, seconds: u64, ms: u64) -> Vec<(u64, Shed)> {
        let mut changes = Vec::new();
        for second in from..from + seconds {
            shedding.kept(Duration::from_millis(ms));
            let changed = shedding.judge(None, false, Mono(second * 1000));
            changes.extend(changed.map(|shed| (second, shed)));
        }
        changes
    }

    #[test]
    fn resolution_goes_first_then_samples_and_they_come_back_in_the_other_order() {
        let mut all = shedding();
        assert_eq!(pass(&mut all, 0, 100, 900), [], "late, and not too late");
        let up = pass(&mut all, 100, 100, 1000);
        assert_eq!(up, [(103, Shed::Resolution), (118, Shed::Metrics)], "and there is no more");
        assert_eq!(pass(&mut all, 200, 100, 700), [], "neither late nor calm");
        let down = pass(&mut all, 300, 100, 100);
        assert_eq!(down, [(320, Shed::Resolution), (341, Shed::Nothing)]);
    }

    #[test]
    fn a_burst_is_no_overload() {
        let mut shedding = shedding();
        for second in 0..60 {
            // Most wait long, and then nobody does.
            for ms in [3000, 2000, 1000, 20] {
                shedding.read(Duration::from_millis(ms));
                shedding.kept(Duration::from_millis(100));
            }
            assert_eq!(shedding.judge(None, false, Mono(second * 1000)), None);
        }
        // A disk that stands still for once.
        assert_eq!(pass(&mut shedding, 60, 3, 2500), []);
        assert_eq!(pass(&mut shedding, 63, 1, 100), []);
        assert_eq!(pass(&mut shedding, 64, 3, 2500), [], "it begins anew");
    }

    #[test]
    fn the_buffer_counts_and_so_does_what_never_ends() {
        let late = |note: &dyn Fn(&mut Shedding) -> (Option<Duration>, bool)| {
            let mut shedding = shedding();
            for second in 0..5 {
                let (oldest, dropped) = note(&mut shedding);
                shedding.judge(oldest, dropped, Mono(second * 1000));
            }
            shedding.shed() == Shed::Resolution
        };
        let half = Duration::from_millis(500);
        assert!(late(&|shedding| {
            shedding.read(half);
            shedding.kept(half);
            (None, false)
        }));
        assert!(late(&|_| (Some(LIMIT), false)), "nothing was kept, and something waits");
        assert!(late(&|_| (None, true)), "what was dropped");
        assert!(!late(&|shedding| {
            shedding.kept(half);
            (Some(LIMIT), false)
        }));
        assert!(!late(&|_| (None, false)), "nothing comes at all");
    }

    #[test]
    fn without_a_limit_nothing_is_ever_shed_and_what_was_comes_back() {
        let mut shedding = shedding();
        pass(&mut shedding, 0, 10, 5000);
        assert_eq!(shedding.shed(), Shed::Resolution);
        shedding.set_limit(Duration::ZERO);
        assert_eq!(pass(&mut shedding, 10, 60, 5000), [(30, Shed::Nothing)]);
        assert_eq!(shedding.judge(None, true, Mono(100_000)), None);
    }
}
