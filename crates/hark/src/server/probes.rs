//! Probes at work: runs each configured check when its schedule says so and feeds the engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use hark_checks::schedule::{Pace, Schedule};
use hark_checks::{Check, Configured, Context, Finding, Programs};
use hark_engine::input::Input;
use hark_model::time::{Clock, Unix};
use hark_model::{CheckName, CheckResult, HostName, Status};
use hark_net::Resolver;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::engine_loop::ProbeNow;
use super::hosts::Hosts;
use super::messages::ToEngine;

/// Checks that run at once: each holds a socket or two; 256 of five seconds make 50 a second even
/// when everything times out.
const MOST_RUNNING: usize = 256;

/// Probes that the engine may ask for before they are started.
pub(crate) const PROBE_QUEUE: usize = 4096;

/// How long there is nothing to do at most.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// What the probes need.
pub(crate) struct Setup {
    /// What is looked at.
    pub(crate) checks: Arc<Vec<Configured>>,
    /// Probes wanted at once.
    pub(crate) wanted: mpsc::Receiver<ProbeNow>,
    /// Other checks after a reload.
    pub(crate) reloads: mpsc::Receiver<Arc<Vec<Configured>>>,
    /// Numbers of hosts.
    pub(crate) hosts: Arc<Hosts>,
    /// Turns names into addresses.
    pub(crate) resolver: Arc<Resolver>,
    /// Runs the programs of checks.
    pub(crate) programs: Programs,
    /// Gets the results.
    pub(crate) engine: SyncSender<ToEngine>,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("checks", &self.checks.len()).finish_non_exhaustive()
    }
}

/// Host and check: the schedule's key, spread by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(String);

impl Key {
    fn of(host: &HostName, check: &CheckName) -> Self {
        Self(format!("{host}/{check}"))
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// One check and how it went lately.
struct Watched {
    check: Arc<dyn Check>,
    host: HostName,
    name: CheckName,
    attempts: u32,
    clear_attempts: u32,
    bad: u32,
    good: u32,
}

/// What one run found.
struct Ran {
    key: Key,
    began_at: Unix,
    took: Duration,
    finding: Finding,
}

/// Runs probes until the token is cancelled; running ones are dropped then, which closes what they
/// opened.
pub(crate) async fn run(mut setup: Setup) {
    let mut driver = Driver {
        schedule: Schedule::new(MOST_RUNNING),
        watched: BTreeMap::new(),
        context: Context { programs: setup.programs, ..Context::new(setup.resolver) },
        hosts: setup.hosts,
        engine: setup.engine,
        running: JoinSet::new(),
    };
    driver.configure(&setup.checks);
    while !setup.stop.is_cancelled() {
        driver.start_due();
        let now = Clock.now().mono;
        let due = driver.schedule.next_deadline().map_or(LONGEST_SLEEP, |at| at.since(now));
        tokio::select! {
            () = setup.stop.cancelled() => break,
            Some(wanted) = setup.wanted.recv() => driver.hurry(&wanted),
            Some(checks) = setup.reloads.recv() => driver.configure(&checks),
            Some(ran) = driver.running.join_next() => driver.ran(ran),
            () = tokio::time::sleep(due.min(LONGEST_SLEEP)) => {}
        }
    }
}

struct Driver {
    schedule: Schedule<Key>,
    watched: BTreeMap<Key, Watched>,
    context: Context,
    hosts: Arc<Hosts>,
    engine: SyncSender<ToEngine>,
    running: JoinSet<Ran>,
}

impl Driver {
    fn configure(&mut self, checks: &[Configured]) {
        let mut before = std::mem::take(&mut self.watched);
        let mut timings = Vec::new();
        for configured in checks {
            let key = Key::of(&configured.host, &configured.name);
            let former = before.remove(&key);
            timings.push((key.clone(), configured.timing));
            self.watched.insert(key, Watched::new(configured, former.as_ref()));
        }
        self.schedule.set(timings, Clock.now().mono);
    }

    fn hurry(&mut self, wanted: &ProbeNow) {
        let Some(host) = self.hosts.name(wanted.host) else { return };
        let now = Clock.now().mono;
        if wanted.check.is_host() {
            // The engine asks for a look at the host itself: every probe of it may answer.
            let keys: Vec<Key> = self
                .watched
                .iter()
                .filter(|(_, w)| w.host == host)
                .map(|(k, _)| k.clone())
                .collect();
            for key in keys {
                self.schedule.hurry(&key, now);
            }
        } else {
            self.schedule.hurry(&Key::of(&host, &wanted.check), now);
        }
    }

    fn start_due(&mut self) {
        for key in self.schedule.next(Clock.now().mono) {
            let Some(watched) = self.watched.get(&key) else { continue };
            let check = Arc::clone(&watched.check);
            let context = self.context.clone();
            self.running.spawn(async move {
                let began_at = Clock.now().unix;
                let (finding, took) = hark_checks::run(&*check, &context).await;
                Ran { key, began_at, took, finding }
            });
        }
    }

    fn ran(&mut self, ran: Result<Ran, tokio::task::JoinError>) {
        let Ok(ran) = ran else {
            tracing::error!("a check failed in a way that is a fault of this program");
            return;
        };
        let Some(watched) = self.watched.get_mut(&ran.key) else { return };
        let pace = watched.note(ran.finding.status);
        self.schedule.done(&ran.key, pace, Clock.now().mono);
        let Some(host) = self.hosts.number(&watched.host) else {
            tracing::debug!(host = %watched.host, "a check's host has no number yet");
            return;
        };
        let kind = watched.check.kind();
        let result: CheckResult =
            ran.finding.into_result(kind, watched.name.clone(), ran.began_at, ran.took);
        tokio::task::block_in_place(|| {
            if self.engine.send(ToEngine::Input(Input::Result { host, result })).is_err() {
                tracing::debug!("the engine has ended before the probes");
            }
        });
    }
}

impl Watched {
    fn new(configured: &Configured, former: Option<&Self>) -> Self {
        Self {
            check: Arc::clone(&configured.check),
            host: configured.host.clone(),
            name: configured.name.clone(),
            attempts: configured.attempts,
            clear_attempts: configured.clear_attempts,
            bad: former.map_or(0, |f| f.bad),
            good: former.map_or(u32::MAX, |f| f.good),
        }
    }

    /// Counts a result. While it is neither confirmed bad nor confirmed good, the check is looked at
    /// more often; the confirming itself is the engine's.
    fn note(&mut self, status: Status) -> Pace {
        if status.is_problem() {
            self.bad = self.bad.saturating_add(1);
            if self.bad < self.attempts { Pace::Retry } else { Pace::Normal }
        } else {
            if self.bad > 0 {
                // What was never confirmed bad need not be confirmed good.
                self.good = if self.bad < self.attempts { u32::MAX } else { 0 };
            }
            self.bad = 0;
            self.good = self.good.saturating_add(1);
            if self.good < self.clear_attempts { Pace::Retry } else { Pace::Normal }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_more_often_until_it_is_confirmed() {
        let check = hark_checks::from_target("tcp", "127.0.0.1:1", &[]).unwrap();
        let mut watched = Watched {
            check: Arc::from(check),
            host: HostName::new("h").unwrap(),
            name: CheckName::new("c").unwrap(),
            attempts: 3,
            clear_attempts: 2,
            bad: 0,
            good: u32::MAX,
        };
        let bad: Vec<Pace> = (0..4).map(|_| watched.note(Status::Critical)).collect();
        assert_eq!(bad, [Pace::Retry, Pace::Retry, Pace::Normal, Pace::Normal]);
        let good: Vec<Pace> = (0..3).map(|_| watched.note(Status::Ok)).collect();
        assert_eq!(good, [Pace::Retry, Pace::Normal, Pace::Normal]);
        assert_eq!(watched.note(Status::Warning), Pace::Retry);
        assert_eq!(watched.note(Status::Ok), Pace::Normal, "it was never confirmed bad");
    }
}
