//! The agent: one thread that waits for its next heartbeat, for the server and for local programs.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hark_model::token::TokenError;
use hark_model::{
    Clock, EnrolToken, Event, EventKind, HostName, Mono, Now, Secret, Severity, Unix,
};
use hark_proto::{Identity, Outcome, Paper, ReportItem};
use thiserror::Error;

use crate::central::Central;
use crate::collectors::{Root, uptime};
use crate::endpoint::{Endpoint, Server};
use crate::enrol::{EnrolError, enrol};
use crate::home::{Home, HomeError};
use crate::identity::{self, IdentityError, Stored};
use crate::inject::{Injected, Injection};
use crate::inlet::{Found, Outlet, inlet};
use crate::jobs::{Actions, Jobs, JobsConfig};
use crate::levels::Levels;
use crate::logs::{Desk, Handover, LogThread, LogsConfig, Taken};
use crate::pulse::Pulse;
use crate::sampler::{Round, Sampler};
use crate::schedule::Schedule;
use crate::sender::{Arrived, Counts, Introduction, Moment, Sender};
use crate::settings::{Access, AgentConfig, Given};
use crate::spool::{Pending, Spool, SpoolError};
use crate::stop::Stop;
use crate::sys;
use crate::way_back::WayBack;

/// How long the end of the agent may take: its last report is sent and waited for.
const LAST_WORDS: Duration = Duration::from_millis(800);

/// How often cursors are stored and losses told.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// How often it is looked whether the resolver has answered.
const RESOLVING: Duration = Duration::from_millis(100);

/// Without a boot known before, a machine that has been up for less than this has just booted.
const JUST_BOOTED: Duration = Duration::from_mins(10);

/// Bound on what is taken in at once, so that neither the server nor a local program can hold up the
/// heartbeat.
const MAX_AT_ONCE: usize = 64;

/// The longest datagram that is looked at: replies are far shorter.
const MAX_DATAGRAM: usize = 1500;

/// The fact that names the actions that this host offers.
const ACTIONS: &str = "actions";

/// The file with the boot that was told last.
const BOOT: &str = "boot";

/// Why an agent cannot run.
#[derive(Debug, Error)]
pub enum AgentError {
    /// Its folder cannot be used.
    #[error("cannot use the agent's folder")]
    Home(#[from] HomeError),
    /// The spool cannot be opened.
    #[error("cannot open the agent's spool")]
    Spool(#[from] SpoolError),
    /// The token is none.
    #[error("cannot read the token")]
    Token(#[from] TokenError),
    /// It could not join.
    #[error("cannot join the server")]
    Enrol(#[from] EnrolError),
    /// What it was given is damaged.
    #[error("cannot read who this agent is")]
    Identity(#[from] IdentityError),
    /// It has neither secret nor token, and none was used before.
    #[error(
        "this agent has never joined a server: run `hark enroll` on the server and the line that it \
         prints here, or give the servers' shared secret with --secret-file FILE"
    )]
    Unknown,
    /// It does not know where the server is.
    #[error("no server is named: give its name or address, as in `hark agent hark.example.net`")]
    NoServer,
    /// The host has no name that can be used.
    #[error("this host has no usable name: give one with --name")]
    NoName,
    /// What the server gave cannot be kept.
    #[error("cannot open what the server gave")]
    Central(#[source] io::Error),
    /// The session cannot be begun.
    #[error("cannot store the session's number")]
    Session(#[source] io::Error),
    /// The system refuses to wait.
    #[error("cannot wait for sockets")]
    Wait(#[source] io::Error),
}

impl AgentError {
    /// Returns true if starting again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Enrol(error) if error.is_transient())
    }
}

/// An agent that is ready to run.
#[derive(Debug)]
pub struct Agent {
    host: HostName,
    sampler: Sampler,
    round: Round,
    schedule: Schedule,
    sender: Sender,
    endpoint: Endpoint,
    /// The address that the present session is spoken to.
    spoken_to: Option<SocketAddr>,
    way_back: WayBack,
    /// None if the socket cannot be made (a full disk, a path too long): the rest works without.
    injection: Option<Injection>,
    central: Central,
    root: Root,
    /// The interval where neither the host's file nor the server says one.
    usual: Duration,
    home: Home,
    levels: Levels,
    jobs: JobsConfig,
    logs: LogsConfig,
    /// What watches logs; none if there are none.
    log_watch: Option<(LogThread, Handover)>,
    actions: Actions,
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
        let central = Central::open(&home, config.own.clone(), config.allowed.clone());
        let central = central.map_err(AgentError::Central)?;
        let (given, told) = central.at_start(&home, clock.now());
        let jobs = given.as_ref().map_or(&config.jobs, |given| &given.jobs).clone();
        let logs = given.as_ref().map_or(&config.logs, |given| &given.logs).clone();
        let collectors = given.as_ref().map_or(&config.collectors, |given| &given.collectors);
        let mut sampler = Sampler::new(collectors, &config.root);
        let moment = moment(clock);
        sampler.begin(moment.now);
        let known = who(&home, config, &sampler)?;
        if known.servers.is_empty() {
            return Err(AgentError::NoServer);
        }
        let usual = known.interval.unwrap_or(AgentConfig::DEFAULT_INTERVAL);
        let given_interval = given.as_ref().and_then(|given| given.interval);
        let interval = config.interval.or(given_interval).unwrap_or(usual);
        let spool = Spool::open(&home.path().join("spool"), config.spool, moment.now.unix)?;
        let introduction = Introduction {
            host: known.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interval,
            booted_at: booted_at(&config.root),
            started_at: moment.now.unix,
        };
        let mut sender = Sender::begin(home.path(), known.identity, introduction, spool, moment)
            .map_err(AgentError::Session)?;
        if let Some(facts) = sampler.changed_facts() {
            sender.set_facts(with_actions(facts, &config.actions), moment.now);
        }
        let (configuration, order) = central.taken();
        sender.has_papers(configuration, order);
        let mut agent = Self {
            host: known.host,
            sampler,
            round: Round::default(),
            schedule: Schedule::begin(moment.now, interval),
            sender,
            endpoint: Endpoint::new(known.servers),
            spoken_to: None,
            way_back: WayBack::new(config.returning),
            injection: listen(&home),
            central,
            root: config.root.clone(),
            usual,
            home,
            levels: config.root.levels(),
            jobs,
            logs,
            log_watch: None,
            actions: config.actions.clone(),
            working: None,
            outlet: None,
            pulse: Pulse::default(),
            clock,
        };
        agent.tell_boot(&config.root, moment.now);
        if let Some(told) = told {
            agent.sender.report(&told, moment.now);
        }
        Ok(agent)
    }

    /// Returns the host's name.
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// Returns the time between two heartbeats.
    pub fn interval(&self) -> Duration {
        self.schedule.interval()
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
        tracing::info!(host = %self.host, interval = ?self.schedule.interval(), "agent runs");
        self.change_jobs();
        self.start_logs();
        let mut housekeeping = Mono(0);
        loop {
            let moment = moment(self.clock);
            self.pulse.beat(self.sender.counts.stored, self.schedule.interval());
            if moment.now.mono >= housekeeping {
                housekeeping = moment.now.mono + HOUSEKEEPING;
                self.keep_house(moment.now);
            }
            self.beat_if_due(moment);
            self.with_logs(Handover::try_again);
            self.pump(moment);
            let again = self.log_watch.as_ref().and_then(|(_, handover)| handover.next_deadline());
            let next = again.map_or(self.schedule.next(), |at| at.min(self.schedule.next()));
            let until = wake(housekeeping, next);
            if self.wait(until, Some(stop))? {
                break;
            }
        }
        // What they run ends with them, and what they found last is still reported.
        drop(self.working.take());
        self.take_found();
        self.end_logs();
        let event = event(self.clock.now().unix, EventKind::Shutdown, "agent ends");
        self.sender.report(&ReportItem::Event(event), self.clock.now());
        self.end(LAST_WORDS)
    }

    /// Sends `events` without heartbeats and ends: for a host where no agent runs. Returns true if
    /// the server has them; else they wait in the spool for the next start.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub fn deliver(mut self, events: Vec<Event>, patience: Duration) -> Result<bool, AgentError> {
        for event in events {
            self.sender.report(&ReportItem::Event(event), self.clock.now());
        }
        Ok(self.end(patience)?.pending.reports == 0)
    }

    /// Lets the thread of jobs do what is to be done; it is there only if something is. Without it
    /// the agent does all the rest.
    fn change_jobs(&mut self) {
        if self.jobs.is_empty() && self.actions.is_empty() {
            self.working = None;
            return;
        }
        if let Some(working) = &mut self.working {
            working.change(self.jobs.clone(), self.root.clone());
            return;
        }
        let folder = self.home.path().as_os_str().as_encoded_bytes();
        let mark = format!("agent-{:08x}", crc32fast::hash(folder));
        let started = inlet().and_then(|(inlet, outlet)| {
            Ok((Jobs::start(self.jobs.make(&self.root), inlet, &mark)?, outlet))
        });
        match started {
            Ok((jobs, outlet)) => (self.working, self.outlet) = (Some(jobs), Some(outlet)),
            Err(error) => tracing::error!(%error, "plugins, commands and exporters do not work"),
        }
    }

    /// Starts the thread that watches logs if there are some. Without it the agent does all the rest.
    fn start_logs(&mut self) {
        if self.logs.watches.is_empty() {
            return;
        }
        let settings = hark_logs::Settings {
            cpu_percent: self.logs.cpu_percent,
            repeat: self.schedule.interval(),
            ..hark_logs::Settings::new(self.logs.watches.clone())
        };
        let started = Handover::begin(&mut self.desk())
            .and_then(|(handover, state)| Ok((LogThread::start(settings, state)?, handover)));
        match started {
            Ok(started) => self.log_watch = Some(started),
            Err(error) => {
                tracing::error!(%error, "logs are not watched");
                self.tell_logs_failed(&error.to_string());
            }
        }
    }

    fn take_from_logs(&mut self) {
        let Some((thread, _)) = &mut self.log_watch else { return };
        match thread.take() {
            Taken::Batch(batch) => self.with_logs(|handover, desk| handover.take(batch, desk)),
            Taken::Nothing => {}
            Taken::Ended => {
                tracing::error!("watching logs has failed: they are read on after a restart");
                self.log_watch = None;
                self.tell_logs_failed("the thread has ended");
            }
        }
    }

    /// What watches must not be silent about itself.
    fn tell_logs_failed(&mut self, why: &str) {
        let kind = EventKind::Other(hark_logs::ABOUT.to_owned());
        let text = format!("logs are not watched until the agent is started again: {why}");
        let severity = Severity::Critical;
        let now = self.clock.now();
        let event = Event { severity, ..event(now.unix, kind, &text) };
        self.sender.report(&ReportItem::Event(event), now);
    }

    /// Lets the thread end, and takes what it still has.
    fn end_logs(&mut self) {
        if let Some((thread, _)) = &self.log_watch {
            thread.stop();
        }
        while let Some(batch) = self
            .log_watch
            .as_ref()
            .filter(|(_, handover)| !handover.is_held())
            .and_then(|(thread, _)| thread.rest())
        {
            self.with_logs(|handover, desk| handover.take(batch, desk));
        }
        self.log_watch = None;
    }

    fn with_logs(&mut self, act: impl FnOnce(&mut Handover, &mut Desk<'_>)) {
        let Some((thread, mut handover)) = self.log_watch.take() else { return };
        act(&mut handover, &mut self.desk());
        self.log_watch = Some((thread, handover));
    }

    fn desk(&mut self) -> Desk<'_> {
        let (moment, endpoint) = (moment(self.clock), &mut self.endpoint);
        let (home, sender, sampler) = (&self.home, &mut self.sender, &mut self.sampler);
        Desk { home, sender, sampler, endpoint, moment }
    }

    fn beat_if_due(&mut self, moment: Moment) {
        if !self.schedule.is_due(moment.now, self.host.as_str()) {
            return;
        }
        if let Some(ahead) = self.sender.server_ahead_ms.take() {
            let behind = Duration::from_millis(ahead.unsigned_abs()).as_secs_f64();
            self.levels.set_ahead_of_server(if ahead > 0 { -behind } else { behind });
        }
        self.sampler.look(moment.now, &mut self.round);
        if let Some(facts) = self.sampler.changed_facts() {
            self.sender.set_facts(with_actions(facts, &self.actions), moment.now);
        }
        for event in self.sampler.events() {
            self.sender.report(&ReportItem::Event(event), moment.now);
        }
        let endpoint = &mut self.endpoint;
        self.sender.beat(&self.round, &self.sampler.sets(), moment, &mut |d| endpoint.send(d));
        tracing::trace!(counts = ?self.sender.counts, "heartbeat sent");
    }

    fn pump(&mut self, moment: Moment) {
        if self.endpoint.settle() {
            self.sender.reachable(moment.now.mono);
        }
        if self.sender.is_silent(moment) {
            self.endpoint.next();
        }
        self.follow(0, moment);
        self.look_back(moment);
        let endpoint = &mut self.endpoint;
        self.sender.pump(&self.sampler.sets(), moment, &mut |d| endpoint.send(d));
    }

    /// If another server is spoken to now, begins a session there, above `highest`: two servers must
    /// not answer in one.
    fn follow(&mut self, highest: u64, moment: Moment) {
        let there = self.endpoint.address();
        if there != self.spoken_to {
            if self.spoken_to.is_some() {
                self.sender.change_server(highest, moment);
                self.way_back.forget_question();
            }
            self.spoken_to = there;
        }
        if self.endpoint.is_at_first() {
            self.way_back.is_home();
        } else {
            self.way_back.is_away(moment.now.mono);
        }
    }

    /// Asks the first server whether it is back, if it is time to.
    fn look_back(&mut self, moment: Moment) {
        let Some(turn) = self.way_back.due(moment.now.mono) else { return };
        self.endpoint.ask_names();
        let Some((address, socket)) = self.endpoint.way_to_first(turn) else { return };
        let sets = self.sampler.sets().map(|set| set.number);
        self.sender.probe(address, sets, moment, &mut |datagram| {
            // Lost is as good as not answered.
            drop(socket.send(datagram));
        });
        self.way_back.asked(address, socket);
    }

    /// Goes back to the first server if it has answered.
    fn take_probed(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        let Some((address, datagram)) = self.way_back.receive(&mut buffer) else { return };
        let moment = moment(self.clock);
        let Some(highest) = self.sender.probed(address, datagram, moment) else { return };
        if self.endpoint.go_to(address) {
            tracing::info!(%address, "the first server answers: going back to it");
            self.way_back.returns(moment.now.mono);
            self.follow(highest, moment);
        }
    }

    /// Waits until `until` or until something is due or arrives, and takes in what has arrived.
    /// Returns true if the agent shall stop.
    fn wait(&mut self, until: Mono, stop: Option<&Stop>) -> Result<bool, AgentError> {
        let now = self.clock.now().mono;
        let mut until = until.min(self.sender.next_deadline());
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
            stop.map(Stop::descriptor),
        ];
        let [server, first, local, found, logs, stopped] =
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
        Ok(stopped)
    }

    /// Takes in what other threads have found: values wait for the next heartbeat.
    fn take_found(&mut self) {
        let Some(outlet) = &mut self.outlet else { return };
        let mut taken = Vec::new();
        outlet.take(MAX_AT_ONCE, &mut taken);
        let lost = outlet.take_lost();
        if lost > 0 {
            tracing::warn!(lost, "results of jobs are lost: more came than can be taken in");
        }
        let now = self.clock.now();
        let mut events = false;
        for found in taken {
            match found {
                Found::Report(item) => {
                    events |= matches!(item, ReportItem::Event(_) | ReportItem::Outcome(_));
                    self.sender.report(&item, now);
                }
                Found::Batch(batch) => self.sampler.take(&batch),
            }
        }
        // A result comes again, an event or an outcome does not: it is on the disk before anything else happens.
        if events {
            drop(self.sync_reports());
        }
    }

    /// Takes what the server gave.
    fn take_papers(&mut self) {
        while let Some(Arrived { paper, bytes }) = self.sender.arrived() {
            let now = self.clock.now();
            match paper {
                Paper::Configuration(revision) => {
                    let told = match self.central.take(&self.home, revision, &bytes, now) {
                        Ok((given, told)) => {
                            self.apply(&given, now);
                            told
                        }
                        Err(told) => told,
                    };
                    self.sender.report(&told, now);
                }
                Paper::Order(order) => self.obey(order, &bytes, now),
            }
        }
    }

    /// Has run what is ordered, once: it is noted on the disk before it begins.
    fn obey(&mut self, order: u32, bytes: &[u8], now: Now) {
        let refused = match self.central.take_order(order, bytes, now.unix) {
            Ok(None) => return,
            Ok(Some(name)) => match (self.actions.run(order, &name), &mut self.working) {
                (None, _) => format!("this host offers no action `{name}`"),
                (Some(_), None) => "this agent cannot run programs now".to_owned(),
                (Some(run), Some(working)) => {
                    if working.order(run).is_none() {
                        return;
                    }
                    "this agent runs as many programs as it can".to_owned()
                }
            },
            Err(why) => why,
        };
        tracing::warn!(order, refused, "an order is not carried out");
        self.sender.report(&ReportItem::Outcome(Outcome { order, exit: None, text: refused }), now);
    }

    /// Goes over to other settings; what has not changed goes on as it is.
    fn apply(&mut self, given: &Given, now: Now) {
        self.sampler.change(&given.collectors, &self.root, now);
        let interval = given.interval.unwrap_or(self.usual);
        if interval != self.schedule.interval() {
            self.schedule = Schedule::begin(now, interval);
            self.sender.set_interval(interval);
        }
        if given.logs.is_other_than(&self.logs) {
            // What it found last and its places are on the disk before it begins again.
            self.end_logs();
            self.logs = given.logs.clone();
            self.start_logs();
        }
        if given.jobs.is_other_than(&self.jobs) {
            self.jobs = given.jobs.clone();
            self.change_jobs();
        }
    }

    fn take_replies(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        for _ in 0..MAX_AT_ONCE {
            let Some(datagram) = self.endpoint.receive(&mut buffer) else { return };
            self.sender.receive(datagram, moment(self.clock));
            self.take_papers();
        }
    }

    fn take_injected(&mut self) {
        let Some(mut injection) = self.injection.take() else { return };
        let now = self.clock.now();
        let mut taken: Vec<Injected> = Vec::new();
        while let Some(injected) = injection.receive(now.mono, now.unix) {
            self.sender.report(&ReportItem::Event(injected.event.clone()), now);
            taken.push(injected);
            if taken.len() == MAX_AT_ONCE {
                break;
            }
        }
        // One for all: whoever waits for an answer knows that the event is on the disk.
        let synced = self.sync_reports();
        for injected in &taken {
            injection.settle(injected, &synced);
        }
        self.injection = Some(injection);
    }

    fn sync_reports(&mut self) -> io::Result<()> {
        let synced = self.sender.spool.sync_reports();
        if let Err(error) = &synced {
            tracing::warn!(%error, "reports are not on the disk");
        }
        synced
    }

    fn keep_house(&mut self, now: Now) {
        self.sender.report_losses(now);
        if let Err(error) = self.sender.spool.store_cursor() {
            tracing::debug!(%error, "cannot store how far the server has everything");
        }
    }

    /// Tells the server that the machine has booted, once for each boot.
    fn tell_boot(&mut self, root: &Root, now: Now) {
        let Some(boot) = root.text("proc/sys/kernel/random/boot_id") else { return };
        let told = self.home.read(BOOT).ok().flatten();
        if told.as_deref().map(str::trim) == Some(boot.as_str()) {
            return;
        }
        if told.is_some() || up_for(root).is_some_and(|up| up < JUST_BOOTED) {
            let at = booted_at(root).unwrap_or(now.unix);
            let kernel = root.text("proc/sys/kernel/osrelease").unwrap_or_default();
            let text = format!("host booted, kernel {kernel}");
            self.sender.report(&ReportItem::Event(event(at, EventKind::Boot, &text)), now);
            // The report first: told twice is better than not at all.
            drop(self.sync_reports());
        }
        if let Err(error) = self.home.write(BOOT, &boot) {
            tracing::warn!(%error, "cannot note that the boot was told: it may be told again");
        }
    }

    /// Sends what must be said, waits for its acknowledgement for at most `patience`, and closes the
    /// spool.
    fn end(mut self, patience: Duration) -> Result<Summary, AgentError> {
        drop(self.sync_reports());
        let until = self.clock.now().mono + patience;
        loop {
            let moment = moment(self.clock);
            self.pump(moment);
            if moment.now.mono >= until || self.sender.is_idle() {
                break;
            }
            self.wait(until, None)?;
        }
        let spool = &mut self.sender.spool;
        if let Err(error) = spool.sync().and(spool.store_cursor()) {
            tracing::warn!(%error, "the spool is not whole on the disk");
        }
        let summary = Summary { counts: self.sender.counts, pending: spool.pending() };
        tracing::info!("{summary}");
        Ok(summary)
    }
}

/// Returns when to wake next: for the heartbeat, and for the housekeeping only if no heartbeat comes soon
/// enough to do it along with.
fn wake(housekeeping: Mono, heartbeat: Mono) -> Mono {
    if heartbeat < housekeeping + HOUSEKEEPING { heartbeat } else { housekeeping }
}

/// What an agent did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What was sent and received.
    pub counts: Counts,
    /// What the server does not have yet.
    pub pending: Pending,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { sent, stored, overdue, .. } = self.counts;
        write!(
            f,
            "the agent has ended: of {sent} datagrams sent the server has stored {stored}, {overdue} \
             were not answered in time; "
        )?;
        match self.pending.samples + self.pending.reports {
            0 => f.write_str("nothing waits for the next start"),
            1 => f.write_str("1 waits on the disk for the next start"),
            n => write!(f, "{n} wait on the disk for the next start"),
        }
    }
}

/// Who this agent is, and where its servers are.
struct Known {
    host: HostName,
    identity: Identity,
    servers: Vec<Server>,
    interval: Option<Duration>,
}

fn who(home: &Home, config: &AgentConfig, sampler: &Sampler) -> Result<Known, AgentError> {
    let servers = config.servers.clone();
    match &config.access {
        Access::Secret(secret) => {
            let host = host_name(config)?;
            let identity = Identity::simple(secret.expose().as_bytes(), host.clone());
            Ok(Known { host, identity, servers, interval: None })
        }
        Access::Known(identity) => {
            let host = identity.name.clone().map_or_else(|| host_name(config), Ok)?;
            Ok(Known { host, identity: identity.clone(), servers, interval: None })
        }
        Access::Stored => Ok(known(stored(home)?.ok_or(AgentError::Unknown)?, servers)),
        Access::Token(text) => Ok(known(joined(home, config, text, sampler)?, servers)),
    }
}

fn known(stored: Stored, servers: Vec<Server>) -> Known {
    let identity = stored.identity();
    let servers = if servers.is_empty() { stored.enrolled.servers } else { servers };
    Known { host: stored.host, identity, servers, interval: stored.enrolled.interval }
}

fn stored(home: &Home) -> Result<Option<Stored>, AgentError> {
    let text = home.read(identity::FILE)?;
    Ok(text.map(|text| Stored::from_text(&text)).transpose()?)
}

/// Returns what the token gave when it was used; uses it if it was not.
fn joined(
    home: &Home,
    config: &AgentConfig,
    text: &Secret,
    sampler: &Sampler,
) -> Result<Stored, AgentError> {
    let token = EnrolToken::decode(text.expose())?;
    // A damaged identity is replaced by what a new token gives.
    let known = stored(home).ok().flatten();
    if let Some(stored) = known.filter(|stored| stored.is_for(&token)) {
        return Ok(stored);
    }
    let host = host_name(config)?;
    let enrolled = enrol(&token, text, &host, &sampler.facts())?;
    let stored = Stored::new(host, enrolled, &token);
    home.write(identity::FILE, &stored.to_text())?;
    tracing::info!(host = %stored.host, servers = ?stored.enrolled.servers, "joined");
    Ok(stored)
}

/// Adds the names of what can be ordered.
fn with_actions(
    mut facts: BTreeMap<String, String>,
    actions: &Actions,
) -> BTreeMap<String, String> {
    if !actions.is_empty() {
        let names: Vec<&str> = actions.names().collect();
        facts.insert(ACTIONS.to_owned(), names.join(" "));
    }
    facts
}

fn listen(home: &Home) -> Option<Injection> {
    match Injection::listen(home.path()) {
        Ok(injection) => Some(injection),
        Err(error) => {
            tracing::warn!(%error, "local programs cannot hand in events");
            None
        }
    }
}

fn host_name(config: &AgentConfig) -> Result<HostName, AgentError> {
    if let Some(host) = &config.host {
        return Ok(host.clone());
    }
    let name = config.root.text("proc/sys/kernel/hostname").ok_or(AgentError::NoName)?;
    HostName::new(&name).map_err(|_| AgentError::NoName)
}

fn moment(clock: Clock) -> Moment {
    Moment { now: clock.now(), at: clock.micros() }
}

fn event(at: Unix, kind: EventKind, text: &str) -> Event {
    Event { at, kind, severity: Severity::Info, text: text.to_owned(), tags: Vec::new() }
}

fn booted_at(root: &Root) -> Option<Unix> {
    let stat = root.text("proc/stat")?;
    let seconds: i64 =
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Unix(seconds.checked_mul(1000)?))
}

fn up_for(root: &Root) -> Option<Duration> {
    let seconds = uptime::parse(root.text("proc/uptime")?.as_bytes())?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn housekeeping_wakes_nobody_when_a_heartbeat_comes_soon() {
        let at = |seconds: u64| Mono(seconds * 1000);
        assert_eq!(wake(at(30), at(10)), at(10));
        assert_eq!(wake(at(30), at(40)), at(40), "it is done with that heartbeat");
        assert_eq!(wake(at(30), at(3600)), at(30));
    }

    #[test]
    fn what_an_agent_did_is_a_sentence() {
        let counts = Counts { sent: 12, stored: 10, overdue: 1, ..Counts::default() };
        let pending = Pending { samples: 1, reports: 1, bytes: 300 };
        assert_eq!(
            Summary { counts, pending }.to_string(),
            "the agent has ended: of 12 datagrams sent the server has stored 10, 1 were not answered \
             in time; 2 wait on the disk for the next start"
        );
    }
}
