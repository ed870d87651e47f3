//! The senders to every part of the server, and what can be asked over them.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use hark_engine::input::Action;
use hark_engine::{Done, Engine, Refused};
use hark_model::{Now, UserName};
use hark_notify::mailbox::Mailbox;
use hark_notify::{MailStyle, Receivers};
use hark_store::history::History;
use hark_store::state::{Change, State, StateReader};
use hark_web::{Live, LoginSettings};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::backend::Declared;
use super::backups::Backups;
use super::browsers::Desk;
use super::deadman::Deadman;
use super::dyndns::{self, DNS_QUEUE, ToDns};
use super::engine_loop::Request;
use super::engine_loop::part;
use super::event_files::{self, EventFiles};
use super::exports::Exports;
use super::happened::{Happened, Rules};
use super::history_loop::ToHistory;
use super::hosts::Hosts;
use super::inlets::Inlets;
use super::messages::{ENGINE_QUEUE, HISTORY_QUEUE, ToEngine, ToIntake};
use super::outbox::{self, OUTBOX_QUEUE, ToOutbox};
use super::own_datagram::OwnDatagram;
use super::own_limits::OwnLimits;
use super::probes::{Figures, ToProbes};
use super::progress::Progress;
use super::pushes::{PUSH_QUEUE, ToPush};
use super::quarantine::{self, Quarantine};
use super::readers;
use super::relay::RelaySettings;
use super::releases::Releases;
use super::remote_write;
use super::reports::{REPORT_QUEUE, ToReports};
use super::retention::Retention;
use super::store_loop::{STORE_QUEUE, StateWork, ToStore};
use super::tally::Tally;
use super::vitals::Vitals;
use crate::config::{
    AgentConfigs, EventSettings, KnownAs, RemoteWriteSettings, Settings, StatusPlan,
};
use crate::sys::Bell;

/// What may wait for the probes: the results of sites of a few seconds, and words of people.
const PROBES_QUEUE: usize = 4096;

/// Senders to every part, for those who ask and write.
#[derive(Debug)]
pub(crate) struct Links {
    /// To the engine.
    pub(crate) engine: SyncSender<ToEngine>,
    /// To the store.
    pub(crate) store: SyncSender<ToStore>,
    /// To history.
    pub(crate) history: SyncSender<ToHistory>,
    /// To ingest.
    pub(crate) intake: SyncSender<ToIntake>,
    /// Wakes ingest.
    pub(crate) bell: Arc<Bell>,
    /// To the outbox.
    pub(crate) outbox: mpsc::Sender<ToOutbox>,
    /// How receivers do.
    pub(crate) telling: Arc<outbox::Figures>,
    /// To the probes.
    pub(crate) probes: mpsc::Sender<ToProbes>,
    /// How the probes do.
    pub(crate) probing: Arc<Figures>,
    /// To the jobs that report themselves.
    pub(crate) pushes: mpsc::Sender<ToPush>,
    /// To the reports.
    pub(crate) reports: mpsc::Sender<ToReports>,
    /// To the names in DNS.
    pub(crate) dns: mpsc::Sender<ToDns>,
    /// How they do.
    pub(crate) naming: Arc<dyndns::Figures>,
    /// Numbers and names.
    pub(crate) hosts: Arc<Hosts>,
    /// Programs that bring samples.
    pub(crate) inlets: Inlets,
    /// Whom samples are brought to, at present.
    pub(crate) remote_write: ArcSwap<RemoteWriteSettings>,
    /// Told when that has changed.
    pub(crate) remote_write_changed: Notify,
    /// How that goes.
    pub(crate) remote_writing: remote_write::Figures,
    /// Newest values.
    pub(crate) vitals: Arc<Vitals>,
    /// Limits that came with plugins' results.
    pub(crate) own_limits: Arc<OwnLimits>,
    /// Whether the state has given up its reserve because the disk is full: what is left of it is the
    /// state's alone.
    pub(crate) on_reserve: Arc<AtomicBool>,
    /// Counters.
    pub(crate) tally: Arc<Tally>,
    /// What the page watches.
    pub(crate) live: Live,
    /// Where messages go at present.
    pub(crate) receivers: Arc<ArcSwap<Receivers>>,
    /// What is offered to agents.
    pub(crate) releases: Releases,
    /// Whether the loops turn.
    pub(crate) progress: Arc<Progress>,
    /// Who is called while all is well, at present.
    pub(crate) deadman: arc_swap::ArcSwapOption<Deadman>,
    /// Told when that has changed.
    pub(crate) deadman_changed: Notify,
    /// The rules for events, at present.
    pub(crate) event_rules: Arc<ArcSwap<Rules>>,
    /// The files with the stream of events, where there are any.
    pub(crate) event_files: event_files::Shared,
    /// Counts events that are on the disk.
    pub(crate) happened: watch::Sender<u64>,
    /// Whom events are brought to, at present.
    pub(crate) relay: ArcSwap<RelaySettings>,
    /// Told when that has changed.
    pub(crate) relay_changed: Notify,
    /// What the server sends to its own socket.
    pub(crate) own_datagram: Arc<OwnDatagram>,
    /// Where people answer to mails, at present.
    pub(crate) mailbox: arc_swap::ArcSwapOption<Mailbox>,
    /// Told when that has changed.
    pub(crate) mailbox_changed: Notify,
    /// Who people are elsewhere, at present.
    pub(crate) known_as: ArcSwap<KnownAs>,
    /// What strangers are told, at present.
    pub(crate) status: ArcSwap<StatusPlan>,
    /// How mails are written.
    pub(crate) mail: MailStyle,
    /// Readers of status pages who are told; there once the state is open.
    pub(crate) readers: OnceLock<Arc<readers::Desk>>,
    /// Browsers that show notifications; there once the state is open.
    pub(crate) browsers: OnceLock<Arc<Desk>>,
    /// Who may log in by what the configuration says, at present.
    pub(crate) users: Arc<ArcSwap<Declared>>,
    /// And how.
    pub(crate) login: Arc<ArcSwap<LoginSettings>>,
    /// Whether anybody is told anything.
    pub(crate) quarantine: Arc<Quarantine>,
    /// Makes backups.
    pub(crate) backups: Backups,
    /// Samples that were written as text.
    pub(crate) exports: Exports,
    /// What is kept for another time than the rest, at present.
    pub(crate) retention: Retention,
}

/// The other ends: what each part receives.
#[derive(Debug)]
pub(super) struct Inboxes {
    /// The engine's.
    pub(super) engine: Receiver<ToEngine>,
    /// The store's.
    pub(super) store: Receiver<ToStore>,
    /// History's.
    pub(super) history: Receiver<ToHistory>,
    /// Ingest's.
    pub(super) intake: Receiver<ToIntake>,
    /// The outbox's.
    pub(super) outbox: mpsc::Receiver<ToOutbox>,
    /// The probes'.
    pub(super) checks: mpsc::Receiver<ToProbes>,
    /// The jobs'.
    pub(super) pushes: mpsc::Receiver<ToPush>,
    /// The reports'.
    pub(super) reports: mpsc::Receiver<ToReports>,
    /// That of the names in DNS.
    pub(super) dns: mpsc::Receiver<ToDns>,
}

impl Links {
    /// Makes a queue to each part; ingest's has room for so many messages.
    ///
    /// # Errors
    /// If the system has no descriptor left for the bell.
    pub(super) fn new(
        receivers: Arc<Receivers>,
        intake_queue: usize,
        releases: Releases,
        data_dir: &Path,
    ) -> std::io::Result<(Arc<Self>, Inboxes)> {
        let (engine, engine_inbox) = sync_channel(ENGINE_QUEUE);
        let (store, store_inbox) = sync_channel(STORE_QUEUE);
        let (history, history_inbox) = sync_channel(HISTORY_QUEUE);
        let (intake, intake_inbox) = sync_channel(intake_queue);
        let (outbox, outbox_inbox) = mpsc::channel(OUTBOX_QUEUE);
        let (probes, checks_inbox) = mpsc::channel(PROBES_QUEUE);
        let (pushes, pushes_inbox) = mpsc::channel(PUSH_QUEUE);
        let (reports, reports_inbox) = mpsc::channel(REPORT_QUEUE);
        let (dns, dns_inbox) = mpsc::channel(DNS_QUEUE);
        let links = Self {
            engine,
            store,
            history,
            intake,
            bell: Arc::new(Bell::new()?),
            outbox,
            probes,
            probing: Arc::default(),
            pushes,
            reports,
            dns,
            telling: Arc::default(),
            naming: Arc::default(),
            hosts: Arc::default(),
            inlets: Inlets::default(),
            remote_write: ArcSwap::default(),
            remote_write_changed: Notify::new(),
            remote_writing: remote_write::Figures::default(),
            vitals: Arc::default(),
            own_limits: Arc::default(),
            on_reserve: Arc::default(),
            tally: Arc::default(),
            live: Live::new(),
            receivers: Arc::new(ArcSwap::new(receivers)),
            releases,
            progress: Arc::default(),
            deadman: arc_swap::ArcSwapOption::empty(),
            deadman_changed: Notify::new(),
            event_rules: Arc::default(),
            event_files: Arc::default(),
            happened: watch::Sender::new(0),
            relay: ArcSwap::default(),
            relay_changed: Notify::new(),
            own_datagram: Arc::default(),
            mailbox: arc_swap::ArcSwapOption::empty(),
            mailbox_changed: Notify::new(),
            known_as: ArcSwap::default(),
            status: ArcSwap::default(),
            mail: MailStyle::default(),
            readers: OnceLock::new(),
            browsers: OnceLock::new(),
            users: Arc::default(),
            login: Arc::default(),
            quarantine: Quarantine::of(data_dir),
            backups: Backups::of(data_dir),
            exports: Exports::of(data_dir),
            retention: Retention::default(),
        };
        let inboxes = Inboxes {
            engine: engine_inbox,
            store: store_inbox,
            history: history_inbox,
            intake: intake_inbox,
            outbox: outbox_inbox,
            checks: checks_inbox,
            pushes: pushes_inbox,
            reports: reports_inbox,
            dns: dns_inbox,
        };
        Ok((Arc::new(links), inboxes))
    }

    /// Learns the hosts that the engine begins with.
    pub(super) fn learn(&self, engine: &Engine) {
        for host in engine.hosts() {
            self.hosts.learned(host.id(), host.name());
        }
    }

    /// Says what every start says: without configuration and state there is none, so what was wrong with
    /// them before is over.
    pub(super) fn started(&self) {
        self.is("config", None);
        self.is("store", None);
        self.is(quarantine::PART, self.quarantine.copy().map(quarantine::problem));
    }

    /// Begins with the events of before, and with what the configuration says of them.
    pub(super) fn events(
        &self,
        settings: EventSettings,
        reader: &StateReader,
        now: Now,
    ) -> Happened {
        self.plan_events(settings);
        Happened::new(Arc::clone(&self.event_rules), reader, now)
    }

    /// Takes on what the configuration says of events.
    pub(super) fn plan_events(&self, events: EventSettings) {
        let EventSettings { rules, files, relay } = events;
        self.event_rules.store(Arc::new(rules));
        self.relay.store(relay);
        self.relay_changed.notify_one();
        match &*self.event_files.load() {
            Some(open) => open.reopen(files),
            None if files.is_empty() => {}
            None => match EventFiles::start(files, Arc::clone(&self.tally)) {
                Ok(open) => self.event_files.store(Some(Arc::new(open))),
                Err(error) => tracing::error!(%error, "the event files are not written"),
            },
        }
    }

    /// Takes on whom samples are brought to.
    pub(super) fn plan_remote_write(&self, settings: Arc<RemoteWriteSettings>) {
        self.remote_write.store(settings);
        self.remote_write_changed.notify_one();
    }

    /// Takes on where people answer from, and who they are.
    pub(super) fn plan_answers(&self, mailbox: Option<Arc<Mailbox>>, known_as: Arc<KnownAs>) {
        self.known_as.store(known_as);
        self.mailbox.store(mailbox);
        self.mailbox_changed.notify_one();
    }

    /// Takes who knows what links of status pages prove. The first is kept: there is one state.
    pub(super) fn keep_readers(&self, desk: readers::Desk) {
        self.readers.get_or_init(|| Arc::new(desk));
    }

    /// Takes what is known of browsers. The first is kept: there is one state.
    pub(super) fn keep_browsers(&self, desk: Desk) {
        self.browsers.get_or_init(|| Arc::new(desk));
    }

    /// Takes on what strangers are told, and how mails are written.
    pub(super) fn plan_status(&self, status: Arc<StatusPlan>) {
        self.mail.take_on(Arc::clone(&status.mail));
        self.status.store(status);
    }

    /// Tells ingest the shared secret, when load is shed, and what agents are given. Waits for room in its queue, which it
    /// always empties: for threads that may block.
    pub(crate) fn reloaded(&self, settings: &Settings, configs: Arc<AgentConfigs>) {
        let (secret, shed_after) = (settings.secret.clone(), settings.shed_after);
        if self.intake.send(ToIntake::Reloaded { secret, configs, shed_after }).is_ok() {
            self.bell.ring();
        }
    }

    /// Tells the engine how a part of the server is that has no thread of its own: what is wrong with
    /// it, or with `None` that it works. Waits for room in its queue: for threads that may block.
    pub(crate) fn is(&self, name: &str, problem: Option<String>) {
        if self.engine.send(ToEngine::Input(part(name, problem))).is_err() {
            tracing::debug!(part = name, "the engine has ended");
        }
    }

    /// Asks the engine a question and waits for the answer; `None` if the engine has ended. For
    /// threads that may block.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Option<T> {
        ask_engine(&self.engine, question)
    }

    /// Does something as a user and waits until it is on the disk. For threads that may block.
    pub(crate) fn act(&self, by: UserName, action: Action) -> Option<Result<Done, Refused>> {
        let (reply, outcome) = oneshot::channel();
        self.engine.send(ToEngine::Request(Request { by, action, reply })).ok()?;
        outcome.blocking_recv().ok()
    }

    /// Asks history and waits; `None` if it is stopped. For threads that may block.
    pub(crate) fn ask_history<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut History) -> T + Send + 'static,
    ) -> Option<T> {
        let (to, answer) = sync_channel(1);
        let ask = move |history: Option<&mut History>| {
            drop(to.send(history.map(question)));
        };
        self.history.send(ToHistory::Ask(Box::new(ask))).ok()?;
        answer.recv().ok()?
    }

    /// Works on the writing connection of the state and waits. For threads that may block.
    pub(crate) fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Option<T> {
        let (to, answer) = sync_channel(1);
        let work = StateWork(Box::new(move |state| drop(to.send(work(state)))));
        self.store.send(ToStore::With(work)).ok()?;
        answer.recv().ok()
    }

    /// Writes changes and waits until they are on the disk. For threads that may block.
    ///
    /// # Errors
    /// Why they are not.
    pub(crate) fn write(&self, changes: Vec<Change>) -> Result<(), String> {
        let (reply, outcome) = oneshot::channel();
        let ended = || "the server is ending".to_owned();
        self.store.send(ToStore::Write { changes, reply: Some(reply) }).map_err(|_| ended())?;
        outcome.blocking_recv().map_err(|_| ended())?
    }
}

/// Asks the engine a question and waits for the answer; `None` if the engine has ended. For threads that may block.
pub(super) fn ask_engine<T: Send + 'static>(
    engine: &SyncSender<ToEngine>,
    question: impl FnOnce(&Engine) -> T + Send + 'static,
) -> Option<T> {
    let (to, answer) = sync_channel(1);
    let ask = move |engine: &Engine| drop(to.send(question(engine)));
    engine.send(ToEngine::Ask(Box::new(ask))).ok()?;
    answer.recv().ok()
}
