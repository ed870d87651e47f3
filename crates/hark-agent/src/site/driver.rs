//! The thread's own work: runs each probe when its schedule says so and hands on what it found.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hark_checks::schedule::{Limits, Pace, Schedule, Started, Wanted};
use hark_checks::sites::Probe;
use hark_checks::uplink::{Uplink, anything_answers};
use hark_checks::{Check, Context, Finding, Streak};
use hark_model::{Clock, Next, SeriesDef, SeriesName, Status, Unix};
use hark_net::Resolver;
use hark_proto::ReportItem;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use super::ToSite;
use crate::collectors::gauge;
use crate::inlet::{Batch, Found, Inlet};

/// Looks that run at once: a site is somebody's host, and does other things too.
const MOST_RUNNING: Limits = Limits { total: 128, of_kind: 64, of_target: 8 };

/// How long there is nothing to do at most.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Waking so much later than planned means that the machine was suspended.
const STOOD_STILL: Duration = Duration::from_secs(10);

/// Decimals of what was measured that are kept: microseconds.
const DECIMALS: u8 = 6;

/// The name under which a probe is planned and reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Arc<str>);

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What one look found.
#[derive(Debug)]
struct Ran {
    began_at: Unix,
    took: Duration,
    finding: Finding,
}

#[derive(Debug)]
struct Watched {
    probe: Probe,
    streak: Streak,
    series: Arc<[SeriesDef]>,
}

#[derive(Debug)]
pub(super) struct Driver {
    schedule: Schedule<Key>,
    watched: BTreeMap<Key, Watched>,
    context: Context,
    inlet: Inlet,
    running: JoinSet<Ran>,
    /// Which probe each task looks at: also one that failed must be told from the others.
    keys: HashMap<tokio::task::Id, Key>,
    uplink: Uplink<(Key, Ran)>,
    ways_out: Arc<[Arc<dyn Check>]>,
    looks_out: JoinSet<bool>,
}

impl Driver {
    pub(super) fn new(ways_out: &[Arc<dyn Check>], inlet: Inlet) -> Self {
        Self {
            schedule: Schedule::new(MOST_RUNNING),
            watched: BTreeMap::new(),
            context: Context::new(Arc::new(Resolver::default())),
            inlet,
            running: JoinSet::new(),
            keys: HashMap::new(),
            uplink: Uplink::default(),
            ways_out: ways_out.into(),
            looks_out: JoinSet::new(),
        }
    }

    /// Takes other probes. What is unchanged keeps its times, and what is known of each stays; a look that is
    /// under way goes on, and counts if its probe is still there.
    pub(super) fn configure(&mut self, probes: &[Probe]) {
        let mut before = std::mem::take(&mut self.watched);
        let mut wanted = Vec::new();
        for probe in probes {
            let key = Key(probe.report.as_str().into());
            wanted.push(Wanted {
                key: key.clone(),
                timing: probe.timing.clone(),
                kind: probe.check.kind(),
                target: probe.host.as_str().into(),
            });
            let streak = Streak::new(probe.attempts, probe.clear_attempts);
            let (streak, series) = match before.remove(&key) {
                Some(former) => (streak.after(&former.streak), former.series),
                None => (streak, Arc::from([])),
            };
            self.watched.insert(key, Watched { probe: probe.clone(), streak, series });
        }
        self.schedule.set(wanted, Clock.now());
    }

    fn told(&mut self, told: ToSite) {
        match told {
            ToSite::Probes(probes) => self.configure(&probes),
            ToSite::Now { host, check } => {
                let is_wanted = |probe: &Probe| {
                    probe.host == host && check.as_ref().is_none_or(|check| *check == probe.name)
                };
                let wanted = self.watched.iter().filter(|(_, watched)| is_wanted(&watched.probe));
                for key in wanted.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
                    self.schedule.hurry(&key, Clock.now().mono);
                }
            }
        }
    }

    /// Works until nobody can tell it anything any more.
    pub(super) async fn run(mut self, mut inbox: Receiver<ToSite>) {
        loop {
            self.start_due();
            let now = Clock.now().mono;
            let due = self.schedule.next_deadline().map_or(LONGEST_SLEEP, |at| at.since(now));
            let out = self.uplink.next_look().map_or(LONGEST_SLEEP, |at| at.since(now));
            let due = due.min(out).min(LONGEST_SLEEP);
            tokio::select! {
                told = inbox.recv() => match told {
                    Some(told) => self.told(told),
                    None => break,
                },
                Some(ran) = self.running.join_next_with_id() => self.ran(ran),
                Some(answered) = self.looks_out.join_next() => {
                    self.looked_out(answered.unwrap_or(true));
                }
                () = tokio::time::sleep(due) => {}
            }
            self.inlet.ring();
            if Clock.now().mono.since(now) > due + STOOD_STILL {
                self.schedule.resumed(Clock.now().mono);
            }
        }
    }

    fn start_due(&mut self) {
        for Started { key, .. } in self.schedule.next(Clock.now()) {
            let Some(watched) = self.watched.get(&key) else { continue };
            let check = Arc::clone(&watched.probe.check);
            let context = Context { guard: watched.probe.guard, ..self.context.clone() };
            let task = self.running.spawn(async move {
                let began_at = Clock.now().unix;
                let (finding, took) = hark_checks::run(&*check, &context).await;
                Ran { began_at, took, finding }
            });
            self.keys.insert(task.id(), key);
        }
        if self.uplink.wants_look(Clock.now().mono) {
            self.uplink.begins();
            let (ways, context) = (Arc::clone(&self.ways_out), self.context.clone());
            self.looks_out.spawn(async move { anything_answers(&ways, &context).await });
        }
    }

    fn ran(&mut self, ended: Result<(tokio::task::Id, Ran), tokio::task::JoinError>) {
        let (id, ran) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "a probe failed in a way that is a fault of this program");
            let text = "the check failed in a way that is a fault of hark";
            let finding = Finding::new(Status::Unknown, text);
            (error.id(), Ran { began_at: Clock.now().unix, took: Duration::ZERO, finding })
        });
        let Some(key) = self.keys.remove(&id) else { return };
        let now = Clock.now().mono;
        if !self.watched.contains_key(&key) {
            // It was taken away meanwhile; its room is free again.
            self.schedule.done(&key, Pace::Normal, now);
            return;
        }
        // Unlike the server, which knows what is confirmed: a site that is cut off never says "bad".
        if ran.finding.status.is_problem() && !self.ways_out.is_empty() {
            let pace = self.watched.get(&key).map_or(Pace::Normal, |watched| {
                if watched.streak.is_confirmed_bad() { Pace::Error } else { Pace::Retry }
            });
            self.schedule.done(&key, pace, now);
            // What counts on the server again after minutes does not here: there are other sites.
            drop(self.uplink.bad((key, ran), now));
            return;
        }
        let pace = self.tell(&key, ran);
        self.schedule.done(&key, pace, now);
    }

    /// Goes on with results that waited for a look at the uplink.
    fn looked_out(&mut self, answered: bool) {
        let now = Clock.now().mono;
        let looked = self.uplink.ended(answered, now);
        match looked.change {
            Some(true) => {
                tracing::warn!("none of the uplink's targets answers: this site is cut off");
            }
            Some(false) => tracing::info!("the uplink is back"),
            None => {}
        }
        for (key, ran) in looked.counts {
            let pace = self.tell(&key, ran);
            self.schedule.set_pace(&key, pace, now);
        }
    }

    /// Hands a result on. Returns the pace that follows.
    fn tell(&mut self, key: &Key, ran: Ran) -> Pace {
        let Some(watched) = self.watched.get_mut(key) else { return Pace::Normal };
        let pace = watched.streak.note(ran.finding.status);
        let Ran { began_at, took, finding } = ran;
        let probe = &watched.probe;
        let (kind, report) = (probe.check.kind(), probe.report.clone());
        let instance = format!("{}/{}", probe.host, probe.name);
        let defs: Vec<SeriesDef> = finding
            .measures
            .iter()
            .map(|measure| {
                gauge(SeriesName::of(kind, &instance, &measure.name), measure.unit, DECIMALS)
            })
            .collect();
        let values: Vec<f64> = finding.measures.iter().map(|measure| measure.value).collect();
        if *watched.series != *defs {
            watched.series = Arc::from(defs);
        }
        if !values.is_empty() {
            let series = Arc::clone(&watched.series);
            let source = Arc::clone(&key.0);
            let batch = Batch { source, taken_at: began_at, series, values };
            let _: bool = self.inlet.offer(Found::Batch(batch));
        }
        let mut result = finding.into_result(kind, report, began_at, took);
        // They go as samples; here they would only make the report longer.
        result.values.clear();
        result.limits.clear();
        result.next = Next::Whenever;
        // Counted in the inlet, and told by the main thread.
        let _: bool = self.inlet.offer(Found::Report(ReportItem::Result(result)));
        pace
    }
}
