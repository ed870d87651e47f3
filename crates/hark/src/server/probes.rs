//! Probes at work: runs each configured check when its schedule says so and feeds the engine.

mod known;
mod took;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use hark_api::hosts::SiteSays;
use hark_checks::schedule::{Limits, Pace, Schedule, Started, Wanted};
use hark_checks::sites::{Looked, Sites};
use hark_checks::uplink::{Uplink, anything_answers};
use hark_checks::{Check, Configured, Context, Finding, Programs, Streak};
use hark_engine::input::Input;
use hark_model::time::{Clock, Mono, Unix, millis};
use hark_model::{
    CheckName, CheckResult, HostId, HostName, MetricKind, SeriesDef, SeriesName, Status,
};
use hark_net::{Guard, Resolver};
use hark_web::Sight;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use self::known::Known;
use self::took::Newest;
use super::engine_loop::ProbeNow;
use super::history_loop::{Measured, ToHistory};
use super::hosts::Hosts;
use super::messages::ToEngine;
use super::polls::{self, Polls, Vote};
use super::progress::{Loop, Progress};
use crate::config::Loaded;

/// Checks that run at once: each holds a socket or two, of the 65,536 that the service may have open.
/// What hangs for five seconds each time leaves room for 400 a second.
const MOST_RUNNING: Limits = Limits {
    total: 2048,
    // Half: a type that hangs everywhere leaves as much for all others.
    of_kind: 1024,
    // A host is not to feel that it is looked at.
    of_target: 16,
};

/// Probes that the engine may ask for before they are started.
pub(crate) const PROBE_QUEUE: usize = 4096;

/// How long there is nothing to do at most.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Waking so much later than planned means that the machine was suspended, or this process stopped.
const STOOD_STILL: Duration = Duration::from_secs(10);

/// A start later than this counts as late.
const LATE: Duration = Duration::from_secs(1);

/// What is looked at.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Every check.
    pub(crate) checks: Vec<Configured>,
    /// Which addresses they may go to.
    pub(crate) guard: Guard,
    /// What tells whether this server is the one that is cut off.
    pub(crate) uplink: Vec<Arc<dyn Check>>,
}

/// Decimals that are kept of what checks measure: times are in seconds.
const DECIMALS: u8 = 6;

impl Plan {
    /// Takes what the probes need out of a configuration.
    pub(crate) fn of(loaded: &mut Loaded) -> Self {
        Self {
            checks: std::mem::take(&mut loaded.checks),
            guard: loaded.guard,
            uplink: std::mem::take(&mut loaded.uplink),
        }
    }
}

/// What the probes are told while they run.
#[derive(Debug)]
pub(crate) enum ToProbes {
    /// Other checks, after a reload.
    Plan(Arc<Plan>),
    /// What a site found.
    Vote(Vote),
    /// Somebody wants to see who looks at the checks of a host, and what each site says.
    Lookers {
        /// Of which host.
        host: HostName,
        /// Gets each check that is looked at, with its sites, if it has any.
        reply: oneshot::Sender<BTreeMap<CheckName, Vec<SiteSays>>>,
    },
    /// Somebody wants to know of the configured checks by name.
    Known {
        /// Of which hosts.
        sight: Sight,
        /// Gets what is known of each.
        reply: oneshot::Sender<BTreeMap<CheckName, Known>>,
    },
    /// Somebody wants to know now: tells whether there is such a check.
    Now {
        /// Of which host.
        host: HostName,
        /// Which check; all of the host's if none is named.
        check: Option<CheckName>,
        /// Gets how many are looked at, and which sites are to be asked too.
        reply: oneshot::Sender<Hurried>,
    },
}

/// What is looked at now.
#[derive(Debug, Default)]
pub(crate) struct Hurried {
    /// How many checks.
    pub(crate) checks: usize,
    /// What agents are to look at, by their hosts.
    pub(crate) sites: BTreeMap<HostName, Looked>,
}

/// What the probes need.
pub(crate) struct Setup {
    /// What is looked at.
    pub(crate) plan: Arc<Plan>,
    /// Probes wanted at once.
    pub(crate) wanted: mpsc::Receiver<ProbeNow>,
    /// What others say.
    pub(crate) inbox: mpsc::Receiver<ToProbes>,
    /// Numbers of hosts.
    pub(crate) hosts: Arc<Hosts>,
    /// Turns names into addresses.
    pub(crate) resolver: Arc<Resolver>,
    /// Runs the programs of checks.
    pub(crate) programs: Programs,
    /// Gets the results.
    pub(crate) engine: SyncSender<ToEngine>,
    /// Gets what was measured.
    pub(crate) history: SyncSender<ToHistory>,
    /// Gets the figures.
    pub(crate) figures: Arc<Figures>,
    /// Told of each turn.
    pub(crate) progress: Arc<Progress>,
    /// Ends it.
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("checks", &self.plan.checks.len()).finish_non_exhaustive()
    }
}

/// How the scheduler does, for the API.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    planned: AtomicU64,
    running: AtomicU64,
    waiting: AtomicU64,
    runs: AtomicU64,
    late: AtomicU64,
    latest_ms: AtomicU64,
}

impl Figures {
    /// Returns each figure with its word.
    pub(crate) fn all(&self) -> [(&'static str, u64); 6] {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        [
            ("checks_planned", read(&self.planned)),
            ("checks_running", read(&self.running)),
            ("checks_waiting", read(&self.waiting)),
            ("checks_runs", read(&self.runs)),
            ("checks_started_late", read(&self.late)),
            ("checks_late_ms_max", read(&self.latest_ms)),
        ]
    }

    fn started(&self, late: Option<Duration>) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let late = late.unwrap_or_default();
        if late > LATE {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
        self.latest_ms.fetch_max(millis(late), Ordering::Relaxed);
    }

    fn show(&self, schedule: &Schedule<Key>) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.planned.store(count(schedule.n_checks()), Ordering::Relaxed);
        self.running.store(count(schedule.n_running()), Ordering::Relaxed);
        self.waiting.store(count(schedule.n_parked()), Ordering::Relaxed);
    }
}

/// Host and check: the schedule's key, spread by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Arc<str>);

impl Key {
    fn of(host: &HostName, check: &CheckName) -> Self {
        Self(format!("{host}/{check}").into())
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
    streak: Streak,
    newest: Newest,
}

/// What one run found.
#[derive(Debug)]
struct Ran {
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
        history: setup.history,
        figures: setup.figures,
        running: JoinSet::new(),
        keys: HashMap::new(),
        uplink: Uplink::default(),
        ways_out: Arc::default(),
        looks_out: JoinSet::new(),
        polls: Polls::default(),
        sites: BTreeMap::new(),
        types: Vec::new(),
    };
    driver.configure(&setup.plan);
    while !setup.stop.is_cancelled() {
        setup.progress.turn(Loop::Probes);
        driver.start_due();
        let now = Clock.now().mono;
        let due = driver.schedule.next_deadline().map_or(LONGEST_SLEEP, |at| at.since(now));
        let look_out = driver.uplink.next_look().map_or(LONGEST_SLEEP, |at| at.since(now));
        let poll = driver.polls.sleep(now).unwrap_or(LONGEST_SLEEP);
        let due = due.min(look_out).min(poll).min(LONGEST_SLEEP);
        tokio::select! {
            () = setup.stop.cancelled() => break,
            Some(wanted) = setup.wanted.recv() => driver.hurry(&wanted),
            Some(told) = setup.inbox.recv() => driver.told(told),
            Some(ran) = driver.running.join_next_with_id() => driver.ran(ran),
            Some(answered) = driver.looks_out.join_next() => {
                driver.looked_out(answered.unwrap_or(true));
            }
            () = tokio::time::sleep(due) => {}
        }
        driver.tell_polls();
        if Clock.now().mono.since(now) > due + STOOD_STILL {
            tracing::info!("stood still: what was missed waits for its next time");
            driver.schedule.resumed(Clock.now().mono);
        }
    }
    setup.progress.ended(Loop::Probes);
}

struct Driver {
    schedule: Schedule<Key>,
    watched: BTreeMap<Key, Watched>,
    context: Context,
    hosts: Arc<Hosts>,
    engine: SyncSender<ToEngine>,
    history: SyncSender<ToHistory>,
    figures: Arc<Figures>,
    running: JoinSet<Ran>,
    /// Which check each task looks at: also one that failed must be told from the others.
    keys: HashMap<tokio::task::Id, Key>,
    /// Bad results that wait until it is known that this server is not cut off.
    uplink: Uplink<(Key, Ran)>,
    ways_out: Arc<[Arc<dyn Check>]>,
    /// The look at those that is under way.
    looks_out: JoinSet<bool>,
    /// What sites say of the checks that have some.
    polls: Polls,
    /// Which agents look at those.
    sites: BTreeMap<(HostName, CheckName), Vec<HostName>>,
    /// The types of all configured checks, whoever looks.
    types: Vec<(HostName, CheckName, &'static str)>,
}

/// Returns which agents look at a check, if any do.
fn sites_of(check: &Configured) -> Option<((HostName, CheckName), Vec<HostName>)> {
    let sites = check.sites.as_ref()?;
    Some(((check.host.clone(), check.name.clone()), sites.hosts.clone()))
}

impl Driver {
    fn configure(&mut self, plan: &Plan) {
        let mut before = std::mem::take(&mut self.watched);
        let mut wanted = Vec::new();
        self.polls.configure(&plan.checks, Clock.now().mono);
        self.sites = plan.checks.iter().filter_map(sites_of).collect();
        let of = |one: &Configured| (one.host.clone(), one.name.clone(), one.check.kind());
        self.types = plan.checks.iter().map(of).collect();
        for configured in &plan.checks {
            if configured.sites.as_ref().is_some_and(|sites| !sites.server) {
                continue;
            }
            let key = Key::of(&configured.host, &configured.name);
            let former = before.remove(&key);
            wanted.push(Wanted {
                key: key.clone(),
                timing: configured.timing.clone(),
                kind: configured.check.kind(),
                target: configured.host.as_str().into(),
            });
            self.watched.insert(key, Watched::new(configured, former.as_ref()));
        }
        self.context.guard = plan.guard;
        self.ways_out = plan.uplink.clone().into();
        self.schedule.set(wanted, Clock.now());
    }

    fn told(&mut self, told: ToProbes) {
        match told {
            ToProbes::Plan(plan) => self.configure(&plan),
            ToProbes::Vote(vote) => self.polls.take(vote),
            ToProbes::Known { sight, reply } => {
                if reply.send(self.known(&sight)).is_err() {
                    tracing::debug!("who wanted to know of all checks has stopped waiting");
                }
            }
            ToProbes::Now { host, check, reply } => {
                let hurried = self.hurry_for_people(&host, check.as_ref());
                if reply.send(hurried).is_err() {
                    tracing::debug!("who wanted to know now has stopped waiting");
                }
            }
            ToProbes::Lookers { host, reply } => {
                if reply.send(self.lookers(&host)).is_err() {
                    tracing::debug!("who wanted to see who looks has stopped waiting");
                }
            }
        }
    }

    fn hurry(&mut self, wanted: &ProbeNow) {
        let Some(host) = self.hosts.name(wanted.host) else { return };
        if wanted.check.is_host() {
            // The engine asks for a look at the host itself: every probe of it may answer.
            for key in self.keys_of(&host) {
                self.hurry_active(&key);
            }
        } else {
            self.hurry_active(&Key::of(&host, &wanted.check));
        }
    }

    /// Returns the checks of a host that are looked at, and what their sites say.
    fn lookers(&self, host: &HostName) -> BTreeMap<CheckName, Vec<SiteSays>> {
        let here = self.watched.values().filter(|watched| watched.host == *host);
        let here = here.map(|watched| &watched.name);
        let elsewhere = self.sites.keys().filter(|(of, _)| of == host).map(|(_, name)| name);
        let now = Clock.now();
        here.chain(elsewhere)
            .map(|name| (name.clone(), self.polls.sites_of(host, name, now)))
            .collect()
    }

    /// Returns what is known of the configured checks of hosts within `sight` by name.
    fn known(&self, sight: &Sight) -> BTreeMap<CheckName, Known> {
        let all = self.types.iter().map(|(host, name, kind)| (host, name, *kind));
        let watched = self.watched.values().map(|one| (&one.host, &one.name, &one.newest));
        known::known(sight, all, watched)
    }

    /// Has one or all checks of a host looked at, from wherever they are looked at.
    fn hurry_for_people(&mut self, host: &HostName, check: Option<&CheckName>) -> Hurried {
        let of_sites: Vec<(CheckName, Vec<HostName>)> = self
            .sites
            .iter()
            .filter(|((of, name), _)| of == host && check.is_none_or(|check| check == name))
            .map(|((_, name), sites)| (name.clone(), sites.clone()))
            .collect();
        let here = match check {
            Some(check) => {
                let key = Key::of(host, check);
                usize::from(self.schedule.hurry(&key, Clock.now().mono))
            }
            None => self.hurry_all(host),
        };
        let is_elsewhere = |name: &CheckName| !self.watched.contains_key(&Key::of(host, name));
        let elsewhere = of_sites.iter().filter(|(name, _)| is_elsewhere(name)).count();
        let looked = Looked { host: host.clone(), check: check.cloned() };
        let sites = of_sites.into_iter().flat_map(|(_, sites)| sites);
        Hurried {
            checks: here + elsewhere,
            sites: sites.map(|site| (site, looked.clone())).collect(),
        }
    }

    fn hurry_all(&mut self, host: &HostName) -> usize {
        let now = Clock.now().mono;
        self.keys_of(host).iter().filter(|key| self.schedule.hurry(key, now)).count()
    }

    fn keys_of(&self, host: &HostName) -> Vec<Key> {
        let of_host = self.watched.iter().filter(|(_, watched)| watched.host == *host);
        of_host.map(|(key, _)| key.clone()).collect()
    }

    /// Has a check looked at for the engine, which outside of its days and hours has to do without: only a
    /// person may want to know then.
    fn hurry_active(&mut self, key: &Key) {
        let now = Clock.now();
        if self.schedule.is_active(key, now.unix) {
            self.schedule.hurry(key, now.mono);
        }
    }

    fn start_due(&mut self) {
        for Started { key, late } in self.schedule.next(Clock.now()) {
            self.figures.started(late);
            let Some(watched) = self.watched.get(&key) else { continue };
            let check = Arc::clone(&watched.check);
            let context = self.context.clone();
            let task = self.running.spawn(async move {
                let began_at = Clock.now().unix;
                let (finding, took) = hark_checks::run(&*check, &context).await;
                Ran { began_at, took, finding }
            });
            self.keys.insert(task.id(), key);
        }
        self.figures.show(&self.schedule);
        if self.uplink.wants_look(Clock.now().mono) {
            self.uplink.begins();
            let (ways, context) = (Arc::clone(&self.ways_out), self.context.clone());
            self.looks_out.spawn(async move { anything_answers(&ways, &context).await });
        }
    }

    fn ran(&mut self, ended: Result<(tokio::task::Id, Ran), tokio::task::JoinError>) {
        let (id, ran) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "a check failed in a way that is a fault of this program");
            let text = "the check failed in a way that is a fault of hark";
            let finding = Finding::new(Status::Unknown, text);
            (error.id(), Ran { began_at: Clock.now().unix, took: Duration::ZERO, finding })
        });
        let Some(key) = self.keys.remove(&id) else { return };
        let Some(watched) = self.watched.get(&key) else {
            // It was removed meanwhile; its room is free again.
            self.schedule.done(&key, Pace::Normal, Clock.now().mono);
            return;
        };
        // What is confirmed bad is so whether anything else answers or not.
        let is_news = ran.finding.status.is_problem() && !watched.streak.is_confirmed_bad();
        if is_news && !self.ways_out.is_empty() {
            let now = Clock.now().mono;
            self.schedule.done(&key, Pace::Retry, now);
            if let Some((key, ran)) = self.uplink.bad((key, ran), now) {
                self.count(&key, ran);
            }
            return;
        }
        let pace = self.count(&key, ran);
        self.schedule.done(&key, pace, Clock.now().mono);
    }

    /// Goes on with results that waited for a look at the uplink.
    fn looked_out(&mut self, answered: bool) {
        let now = Clock.now().mono;
        let looked = self.uplink.ended(answered, now);
        match looked.change {
            Some(true) => {
                let reason = "none of the uplink's targets answers: this server is cut off";
                tracing::warn!(held = looked.dropped, "{reason}");
                self.tell(Input::IngestDegraded { reason: reason.to_owned(), gap: Duration::ZERO });
            }
            Some(false) => {
                tracing::info!("the uplink is back");
                self.tell(Input::IngestHealthy);
            }
            None => {}
        }
        for (key, ran) in looked.counts {
            let pace = self.count(&key, ran);
            self.schedule.set_pace(&key, pace, now);
        }
    }

    /// Counts a result and hands it to the engine. Returns the pace that follows.
    fn count(&mut self, key: &Key, ran: Ran) -> Pace {
        let Some(watched) = self.watched.get_mut(key) else { return Pace::Normal };
        let pace = watched.streak.note(ran.finding.status);
        watched.newest.note(ran.took);
        let Some(watched) = self.watched.get(key) else { return pace };
        if let Some(host) = self.hosts.number(&watched.host) {
            self.measured(host, watched, &ran);
        }
        if self.polls.has(&watched.host, &watched.name) {
            let age = millis(Clock.now().unix.since(ran.began_at));
            self.polls.take(Vote {
                host: watched.host.clone(),
                check: watched.name.clone(),
                site: Sites::server_name().to_owned(),
                status: ran.finding.status,
                text: ran.finding.text,
                at: Mono(Clock.now().mono.0.saturating_sub(age)),
            });
            return pace;
        }
        let Some(host) = self.hosts.number(&watched.host) else {
            tracing::debug!(host = %watched.host, "a check's host has no number yet");
            return pace;
        };
        let kind = watched.check.kind();
        let result: CheckResult =
            ran.finding.into_result(kind, watched.name.clone(), ran.began_at, ran.took);
        self.tell(Input::Result { host, result });
        pace
    }

    /// Hands what a run has measured to history. A queue that is full loses it: no verdict waits for a
    /// disk.
    fn measured(&self, host: HostId, watched: &Watched, ran: &Ran) {
        let measures = &ran.finding.measures;
        if measures.is_empty() {
            return;
        }
        let (kind, check) = (watched.check.kind(), watched.name.as_str());
        let series = measures.iter().map(|measure| SeriesDef {
            name: SeriesName::of(kind, check, &measure.name),
            unit: measure.unit,
            kind: MetricKind::Gauge,
            decimals: DECIMALS,
        });
        let values = measures.iter().map(|measure| measure.value).collect();
        let measured = Measured { host, at: ran.began_at, series: series.collect(), values };
        if self.history.try_send(ToHistory::Measured(measured)).is_err() {
            tracing::debug!(host = host.0, check, "history is busy: what was measured is lost");
        }
    }

    /// Hands on what sites say together, where that is new.
    fn tell_polls(&mut self) {
        let now = Clock.now();
        for (host, check, combined) in self.polls.due(now) {
            // Sites that this server cannot hear because it is cut off are not too few.
            if combined.status == Status::Unknown && self.uplink.is_cut() {
                continue;
            }
            let Some(host) = self.hosts.number(&host) else {
                tracing::debug!(%host, "a check's host has no number yet");
                continue;
            };
            let result = polls::result(check, combined, now.unix);
            self.tell(Input::Result { host, result });
        }
    }

    fn tell(&self, input: Input) {
        tokio::task::block_in_place(|| {
            if self.engine.send(ToEngine::Input(input)).is_err() {
                tracing::debug!("the engine has ended before the probes");
            }
        });
    }
}

impl Watched {
    fn new(configured: &Configured, former: Option<&Self>) -> Self {
        let streak = Streak::new(configured.attempts, configured.clear_attempts);
        Self {
            check: Arc::clone(&configured.check),
            host: configured.host.clone(),
            name: configured.name.clone(),
            streak: former.map_or(streak, |former| streak.after(&former.streak)),
            newest: former.map(|former| former.newest).unwrap_or_default(),
        }
    }
}
