//! The agent: one thread that waits for its next heartbeat, for the server and for local programs.

mod absences;
mod boot;
mod error;
mod given;
mod joining;
mod local;
mod log_watch;
mod reaching;
mod site_thread;
mod summary;

use std::net::SocketAddr;
use std::time::Duration;

use hark_model::{Clock, Event, EventKind, HostName, Mono, Severity, Unix};
use hark_proto::ReportItem;

use crate::central::Central;
use crate::collectors::Root;
use crate::endpoint::Endpoint;
use crate::heart::{Heart, Setup};
use crate::home::Home;
use crate::inject::Injection;
use crate::inlet::Outlet;
use crate::jobs::{Actions, Jobs, JobsConfig, Looks};
use crate::logs::{Handover, LogThread, LogsConfig};
use crate::pulse::Pulse;
use crate::sampler::Sampler;
use crate::schedule::Intervals;
use crate::sender::Moment;
use crate::settings::AgentConfig;
use crate::site::{Probes, SiteSettings, SiteThread};
use crate::stop::Stop;
use crate::sys;
use crate::way_back::WayBack;
use boot::booted_at;
pub use error::AgentError;
use joining::who;
use local::listen;
pub use summary::Summary;

/// How long the end of the agent may take: its last report is sent and waited for.
const LAST_WORDS: Duration = Duration::from_millis(800);

/// How often it is looked whether the resolver has answered.
const RESOLVING: Duration = Duration::from_millis(100);

/// Bound on what is taken in at once, so that neither the server nor a local program can hold up the
/// heartbeat.
const MAX_AT_ONCE: usize = 64;

/// The longest datagram that is looked at: replies are far shorter.
const MAX_DATAGRAM: usize = 1500;

/// An agent that is ready to run.
#[derive(Debug)]
pub struct Agent {
    host: HostName,
    heart: Heart,
    endpoint: Endpoint,
    /// The address that the present session is spoken to.
    spoken_to: Option<SocketAddr>,
    way_back: WayBack,
    /// None if the socket cannot be made (a full disk, a path too long): the rest works without.
    injection: Option<Injection>,
    central: Central,
    root: Root,
    intervals: Intervals,
    home: Home,
    jobs: JobsConfig,
    logs: LogsConfig,
    /// What watches logs; none if there are none.
    log_watch: Option<(LogThread, Handover)>,
    actions: Actions,
    site: SiteSettings,
    probes: Probes,
    /// What looks at other hosts, and where what it finds comes out; none if there is nothing to look at.
    site_at_work: Option<(SiteThread, Outlet)>,
    /// The jobs that are done along with heartbeats.
    looks: Looks,
    /// The thread of jobs; none if there are none, or before the agent runs.
    working: Option<Jobs>,
    /// Where what other threads find comes out; none if there are none.
    outlet: Option<Outlet>,
    pulse: Pulse,
    clock: Clock,
}

impl Agent {
    /// Makes an agent: takes its folder, joins the server if it has a new token (this blocks up to
    /// 15 s for each server), opens the spool, looks at the machine for the first time.
    ///
    /// # Errors
    /// See [`AgentError`]; try again if [`AgentError::is_transient`].
    pub fn new(config: &AgentConfig) -> Result<Self, AgentError> {
        let clock = Clock;
        let home = Home::take(&config.folder)?;
        let central = Central::open(&home, &config.own, config.allowed.clone());
        let central = central.map_err(AgentError::Central)?.with_site(config.site.enabled);
        let (given, told) = central.at_start(&home, clock.now());
        let jobs = given.as_ref().map_or(&config.jobs, |given| &given.jobs).clone();
        let logs = given.as_ref().map_or(&config.logs, |given| &given.logs).clone();
        let probes = given.as_ref().map(|given| given.probes.clone()).unwrap_or_default();
        let collectors = given.as_ref().map_or(&config.collectors, |given| &given.collectors);
        let marks = given.as_ref().map(|given| given.marks.clone()).unwrap_or_default();
        config.root.levels().set_marks(marks);
        let mut sampler = Sampler::new(collectors, &config.root);
        let moment = moment(clock);
        sampler.begin(moment.now);
        let known = who(&home, config, &sampler)?;
        if known.servers.is_empty() {
            return Err(AgentError::NoServer);
        }
        let intervals = Intervals { own: config.interval, joined: known.interval };
        let interval = intervals.with(given.as_ref().and_then(|given| given.interval));
        let names = config.names.clone().calling_as(known.identity.clone());
        let setup = Setup {
            folder: home.path(),
            host: known.host.clone(),
            identity: known.identity,
            interval,
            spool: config.spool,
            collectors,
            root: &config.root,
            booted_at: booted_at(&config.root),
            actions: config.actions.names().collect::<Vec<_>>().join(" "),
        };
        let mut heart = Heart::with(setup, sampler, moment)?;
        let (configuration, order) = central.taken();
        heart.sender.has_papers(configuration, order);
        let mut agent = Self {
            host: known.host,
            heart,
            endpoint: Endpoint::new(known.servers, names),
            spoken_to: None,
            way_back: WayBack::new(config.returning),
            injection: listen(&home),
            central,
            root: config.root.clone(),
            intervals,
            home,
            jobs,
            logs,
            log_watch: None,
            actions: config.actions.clone(),
            site: config.site.clone(),
            probes,
            site_at_work: None,
            looks: Looks::new(interval, moment.now),
            working: None,
            outlet: None,
            pulse: Pulse::default(),
            clock,
        };
        agent.tell_boot(&config.root, moment.now);
        if let Some(told) = told {
            agent.heart.sender.report(&told, moment.now);
        }
        Ok(agent)
    }

    /// Returns the host's name.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// Returns the time between two heartbeats.
    pub fn interval(&self) -> Duration {
        self.heart.schedule.interval()
    }

    /// Returns what tells others, while the agent runs, that it does.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Works until `stop`, and then for less than a second more: the shutdown is told, what was not
    /// acknowledged stays in the spool.
    ///
    /// # Errors
    /// If the system refuses to wait.
    pub fn run(mut self, stop: &Stop) -> Result<Summary, AgentError> {
        if let Err(error) = sys::survive_memory_pressure() {
            tracing::debug!(%error, "no protection against running out of memory");
        }
        tracing::info!(host = %self.host, interval = ?self.heart.schedule.interval(), "agent runs");
        self.change_jobs();
        self.start_logs();
        self.change_probes();
        loop {
            let moment = moment(self.clock);
            self.pulse.beat(self.heart.sender.counts.stored, self.heart.schedule.interval());
            self.heart.keep_house_if_due(moment.now);
            self.beat_if_due(moment);
            let found = self.looks.between(moment.now);
            self.take_in(found);
            self.with_logs(Handover::try_again);
            self.pump(moment);
            let again = self.log_watch.as_ref().and_then(|(_, handover)| handover.next_deadline());
            let others = again.into_iter().chain(self.looks.next());
            let next = others.fold(self.heart.schedule.next(), Mono::min);
            let until = self.heart.wake(next);
            if self.wait(until, Some(stop))? {
                break;
            }
        }
        // What they run ends with them, and what they found last is still reported.
        drop(self.working.take());
        self.take_found();
        self.end_probes();
        self.end_logs();
        let event = event(self.clock.now().unix, EventKind::Shutdown, "agent ends");
        self.heart.sender.report(&ReportItem::Event(event), self.clock.now());
        self.end(LAST_WORDS)
    }

    /// Sends `events` without heartbeats and ends: for a host where no agent runs. Returns true if
    /// the server has them; else they wait in the spool for the next start.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub fn deliver(mut self, events: Vec<Event>, patience: Duration) -> Result<bool, AgentError> {
        for event in events {
            self.heart.sender.report(&ReportItem::Event(event), self.clock.now());
        }
        Ok(self.end(patience)?.pending.reports == 0)
    }

    fn beat_if_due(&mut self, moment: Moment) {
        if !self.heart.is_due(moment.now) {
            return;
        }
        self.take_along_from_logs();
        // Before the collectors: what they find goes with this heartbeat, and one look at the processes
        // serves all.
        let found = self.looks.along(moment.now);
        self.take_in(found);
        let endpoint = &mut self.endpoint;
        self.heart.beat(moment, &mut |datagram| endpoint.send(datagram));
        self.tell_absences(moment.now);
    }

    /// Waits until `until` or until something is due or arrives, and takes in what has arrived.
    /// Returns true if the agent shall stop.
    fn wait(&mut self, until: Mono, stop: Option<&Stop>) -> Result<bool, AgentError> {
        let now = self.clock.now().mono;
        let mut until = until.min(self.heart.sender.next_deadline());
        if self.endpoint.is_asking() {
            until = until.min(now + RESOLVING);
        }
        until = self.way_back.next_deadline().map_or(until, |at| until.min(at));
        let waited = [
            self.endpoint.descriptor(),
            self.way_back.descriptor(),
            self.injection.as_ref().map(Injection::descriptor),
            self.outlet.as_ref().map(Outlet::descriptor),
            self.log_watch.as_ref().filter(|watch| !watch.1.is_held()).map(|w| w.0.descriptor()),
            self.site_at_work.as_ref().map(|(_, outlet)| outlet.descriptor()),
            stop.map(Stop::descriptor),
        ];
        let [server, first, local, found, logs, probed, stopped] =
            sys::readable(waited, until.since(now)).map_err(AgentError::Wait)?;
        if server {
            self.take_replies();
        }
        if first {
            self.take_probed();
        }
        if local {
            self.take_injected();
        }
        if found {
            self.take_found();
        }
        if logs {
            self.take_from_logs();
        }
        if probed {
            self.take_from_site();
        }
        Ok(stopped)
    }

    /// Sends what must be said, waits for its acknowledgement for at most `patience`, and closes the
    /// spool.
    fn end(mut self, patience: Duration) -> Result<Summary, AgentError> {
        drop(self.heart.sync_reports());
        let until = self.clock.now().mono + patience;
        loop {
            let moment = moment(self.clock);
            self.pump(moment);
            if moment.now.mono >= until || self.heart.sender.is_idle() {
                break;
            }
            self.wait(until, None)?;
        }
        let spool = &mut self.heart.sender.spool;
        if let Err(error) = spool.sync().and(spool.store_cursor()) {
            tracing::warn!(%error, "the spool is not whole on the disk");
        }
        let summary = Summary { counts: self.heart.sender.counts, pending: spool.pending() };
        tracing::info!("{summary}");
        Ok(summary)
    }
}

fn moment(clock: Clock) -> Moment {
    Moment { now: clock.now(), at: clock.micros() }
}

fn event(at: Unix, kind: EventKind, text: &str) -> Event {
    Event {
        at,
        kind,
        severity: Severity::Info,
        text: text.to_owned(),
        tags: Vec::new(),
        data: None,
    }
}
