//! The ingest gate: while our own reception is in trouble, nobody else is called silent (rule F5).

use std::time::Duration;

use hark_model::record::JournalKind;
use hark_model::{CheckName, Now};

use crate::effect::Effects;
use crate::engine::{About, Engine};
use crate::message::span;
use crate::moment::Moment;
use crate::timers::Timer;

/// Verdicts resume after this, whatever is wrong: a server that hears badly for ever must not stay
/// quiet for ever.
const LIMIT: Duration = Duration::from_mins(5);
/// The least quiet time after a start or a disturbance (rule F4).
const QUIET: Duration = Duration::from_mins(1);
/// The part of the server that this is about.
const PART: &str = "ingest";

/// Returns how long after a start or a disturbance a host with this interval is given (rule F4).
pub(crate) fn quiet(interval: Duration) -> Duration {
    QUIET.max(interval * 2)
}

/// The gate's state.
#[derive(Debug)]
pub(crate) struct Gate {
    trouble: Option<Trouble>,
    armed: Moment,
    sparing: Sparing,
}

/// Whether values come with every other heartbeat only.
#[derive(Clone, Copy, Debug)]
enum Sparing {
    /// Not because anybody asked for it.
    No,
    /// They may.
    Asked,
    /// They may have until this, or the heartbeat after.
    Ended(Moment),
}

impl Default for Gate {
    fn default() -> Self {
        Self { trouble: None, armed: Moment::NEVER, sparing: Sparing::No }
    }
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    limit: Moment,
    healthy: Option<Moment>,
}

impl Gate {
    /// Returns until when no host with this interval is called silent.
    pub(crate) fn until(&self, interval: Duration) -> Moment {
        match self.trouble {
            None => Moment::LONG_AGO,
            Some(Trouble { limit, healthy: None }) => limit,
            Some(Trouble { limit, healthy: Some(at) }) => limit.min(at + quiet(interval)),
        }
    }

    /// Notes whether agents are asked to send values with every other heartbeat.
    pub(crate) fn spare(&mut self, spared: bool, now: Moment) {
        self.sparing = match (spared, self.sparing) {
            (true, _) => Sparing::Asked,
            (false, Sparing::Asked) => Sparing::Ended(now),
            (false, Sparing::No | Sparing::Ended(_)) => return,
        };
    }

    /// Returns how far apart the values of an agent with this interval may be.
    pub(crate) fn apart(&self, interval: Duration, now: Moment) -> Duration {
        match self.sparing {
            Sparing::Asked => interval * 2,
            // It hears of the end with its next heartbeat, and the one after has values.
            Sparing::Ended(at) if now < at + interval * 3 => interval * 2,
            Sparing::No | Sparing::Ended(_) => interval,
        }
    }

    /// Returns true if verdicts are made although reception is in trouble.
    pub(crate) fn is_forced(&self, now: Moment) -> bool {
        self.trouble.is_some_and(|t| t.healthy.is_none() && now >= t.limit)
    }
}

impl Engine {
    pub(crate) fn degrade(&mut self, reason: &str, gap: Duration, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        let limit = match self.gate.trouble {
            Some(trouble) => trouble.limit,
            None => moment + LIMIT,
        };
        self.gate.trouble = Some(Trouble { limit, healthy: None });
        self.timers.arm(&mut self.gate.armed, limit, Timer::Gate);
        let text = if gap.is_zero() {
            reason.to_owned()
        } else {
            format!("{reason}: stood still for {}", span(gap.as_secs()))
        };
        fx.journal(
            now,
            About::default(),
            JournalKind::Server,
            format!("reception is in trouble, no host is called silent meanwhile: {text}"),
        );
        self.self_check(&part(), Some(&text), now, fx);
    }

    pub(crate) fn ingest_healthy(&mut self, now: Now, fx: &mut Effects) {
        let moment = Moment::of(now);
        match &mut self.gate.trouble {
            // The trouble of an earlier run may still stand as a problem.
            None => return self.self_check(&part(), None, now, fx),
            Some(trouble) if trouble.healthy.is_some() => return,
            Some(trouble) if moment >= trouble.limit => self.gate.trouble = None,
            Some(trouble) => trouble.healthy = Some(moment),
        }
        fx.journal(
            now,
            About::default(),
            JournalKind::Server,
            "reception is well again".to_owned(),
        );
        self.self_check(&part(), None, now, fx);
        // Verdicts that waited for the limit may now be made earlier.
        for id in self.hosts.ids() {
            if let Some(next) = self.host_deadline(id, now) {
                self.arm_host(id, next);
            }
        }
    }

    pub(crate) fn gate_opens(&mut self, now: Now) {
        self.gate.armed = Moment::NEVER;
        match self.gate.trouble {
            Some(trouble) if Moment::of(now) < trouble.limit => {
                self.timers.arm(&mut self.gate.armed, trouble.limit, Timer::Gate);
            }
            Some(trouble) if trouble.healthy.is_some() => self.gate.trouble = None,
            Some(_) | None => {}
        }
    }
}

fn part() -> CheckName {
    CheckName::new(PART).expect("the word is a name")
}
