//! The parts of the server, each started by one step.
//!
//! The order is the caller's: the store first, since everything else hands over to it; then what works;
//! then what waits more than it works.

mod told;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use hark_checks::Programs;
use hark_engine::effect::Effects;
use hark_engine::{Engine, Plan};
use hark_model::Secret;
use hark_model::record::DeliveryRecord;
use hark_net::Resolver;
use hark_notify::Receivers;
use hark_notify::handling::Tokens;
use hark_store::state::{AgentRecord, State, StateReader};
use hark_web::{WebConfig, WebSettings};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::addresses;
use super::asking;
use super::assemble::Reach;
use super::backend::{Access, Editor, ServerBackend, StatusDesk};
use super::backups;
use super::blind;
use super::certificate::Certificate;
use super::deadman;
use super::discovery::Discovery;
use super::dyndns::{self, ToDns};
use super::engine_loop::{self, ProbeNow};
use super::handling;
use super::happened::Happened;
use super::history_loop::{self, ToHistory};
use super::inlets::{self, graphite};
use super::intake::{self, Agents, KnownAgent};
use super::links::Links;
use super::mailbox;
use super::message_journal::MessageJournal;
use super::messages::{ToEngine, ToIntake};
use super::no_history;
use super::outbox::{self, ToOutbox};
use super::outside::Outside;
use super::own_agent::{Ends, OwnAgent};
use super::probes;
use super::pushes::{self, ToPush};
use super::readers;
use super::recall::{self, RECALL_QUEUE, Wanted};
use super::recorder::{self, Recorder};
use super::relay;
use super::reload::Reloader;
use super::remote_write;
use super::repairs::{self, Repair};
use super::reports::{self, ToReports};
use super::retention;
use super::self_test::SelfTest;
use super::store_loop::{self, ToStore};
use super::threads::Threads;
use crate::config::page::Versions;
use crate::config::{InletSettings, Settings};
use crate::stop::Stop;
use told::{event_listener, line_listener, outlets};

/// One flag for each stage of the end.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// Ends ingest.
    pub(super) intake: Stop,
    /// Ends the engine.
    pub(super) engine: Stop,
    /// Ends history.
    pub(super) history: Stop,
    /// Ends the outbox, the probes and the page.
    pub(super) tasks: Stop,
    /// Ends the recorder, and what reads history for the engine.
    pub(super) recorder: Stop,
}

/// What has been started.
#[derive(Debug)]
pub(super) struct Parts {
    /// To each of them.
    pub(super) links: Arc<Links>,
    /// The server's own keys.
    pub(super) settings: Settings,
    /// Where state and history are kept.
    pub(super) data_dir: PathBuf,
    /// End them.
    pub(super) stops: Stops,
    /// Those that are threads.
    pub(super) threads: Threads,
    /// The one task that delivers messages: it ends before the engine, which must hear what came of
    /// the last of them.
    pub(super) delivery: TaskTracker,
    /// Those others that are tasks.
    pub(super) tasks: TaskTracker,
    resolver: Arc<Resolver>,
    tokens: Option<Tokens>,
}

/// What the page is given.
pub(super) struct Page {
    /// Its settings.
    pub(super) settings: WebSettings,
    /// Where it is served.
    pub(super) listeners: Vec<TcpListener>,
    /// The first of these.
    pub(super) http: SocketAddr,
    /// For TLS.
    pub(super) certificate: Option<Certificate>,
    /// What stands behind it.
    pub(super) backend: Arc<ServerBackend>,
    /// What it shows of the last day.
    pub(super) recorder: Arc<Recorder>,
}

impl Parts {
    /// Begins with nothing started.
    pub(super) fn new(links: Arc<Links>, settings: Settings, data_dir: PathBuf) -> Self {
        links.plan_answers(settings.mailbox.clone(), Arc::clone(&settings.known_as));
        Self {
            links,
            settings,
            tokens: handling::tokens(&data_dir),
            data_dir,
            stops: Stops::default(),
            threads: Threads::default(),
            delivery: TaskTracker::new(),
            tasks: TaskTracker::new(),
            resolver: Arc::default(),
        }
    }

    /// Starts the thread that owns the state.
    pub(super) fn store(
        &self,
        state: State,
        inbox: Receiver<ToStore>,
        journal: Option<MessageJournal>,
    ) -> anyhow::Result<()> {
        let told = store_loop::Listeners {
            intake: self.links.intake.clone(),
            bell: Arc::clone(&self.links.bell),
            engine: self.links.engine.clone(),
            outbox: self.links.outbox.clone(),
            lines: line_listener(&self.links, journal),
            events: event_listener(&self.links),
            progress: Arc::clone(&self.links.progress),
            on_reserve: Arc::clone(&self.links.on_reserve),
        };
        self.threads.spawn("store", move || store_loop::run(state, &inbox, told))?;
        Ok(())
    }

    /// Starts the thread that takes samples: where people look at charts, they are kept.
    pub(super) fn samples(&self, inbox: Receiver<ToHistory>, reach: Reach) -> anyhow::Result<()> {
        match reach {
            Reach::Others { .. } => self.history(inbox),
            Reach::OwnAgent => self.no_history(inbox),
        }
    }

    /// Starts the thread that owns history.
    fn history(&self, inbox: Receiver<ToHistory>) -> anyhow::Result<()> {
        let dir = self.data_dir.join("history");
        let settings = history_loop::settings(&self.settings.history);
        let (told, stop) = (self.told_of_history(), self.stops.history.clone());
        self.threads
            .spawn("history", move || history_loop::run(&dir, settings, &inbox, told, &stop))?;
        Ok(())
    }

    /// Starts the thread that takes samples where no history is kept.
    fn no_history(&self, inbox: Receiver<ToHistory>) -> anyhow::Result<()> {
        let (told, stop) = (self.told_of_history(), self.stops.history.clone());
        self.threads.spawn("history", move || no_history::run(&inbox, &told, &stop))?;
        Ok(())
    }

    fn told_of_history(&self) -> history_loop::Listeners {
        history_loop::Listeners {
            intake: self.links.intake.clone(),
            bell: Arc::clone(&self.links.bell),
            engine: self.links.engine.clone(),
            progress: Arc::clone(&self.links.progress),
            on_reserve: Arc::clone(&self.links.on_reserve),
        }
    }

    /// Starts the thread that owns the engine, which has the effects of its start beside it.
    pub(super) fn engine(
        &self,
        (engine, effects): (Engine, Effects),
        events: Happened,
        inbox: Receiver<ToEngine>,
        probes: mpsc::Sender<ProbeNow>,
        repairs: mpsc::Sender<Repair>,
        reach: Reach,
    ) -> anyhow::Result<()> {
        let recall = self.recall(reach)?;
        let outlets = outlets(&self.links, events, (probes, repairs, recall));
        let stop = self.stops.engine.clone();
        let longest = match reach {
            Reach::Others { .. } => engine_loop::LONGEST_SLEEP,
            Reach::OwnAgent => engine_loop::LONGEST_SLEEP_ALONE,
        };
        let run = move || engine_loop::run(engine, effects, &inbox, outlets, longest, &stop);
        self.threads.spawn("engine", run)?;
        Ok(())
    }

    /// Starts the thread that tells the engine what history has. Where no history is kept nobody answers.
    fn recall(&self, reach: Reach) -> anyhow::Result<SyncSender<Box<Wanted>>> {
        let Reach::Others { .. } = reach else { return Ok(sync_channel(1).0) };
        let (recall, inbox) = sync_channel(RECALL_QUEUE);
        let (links, stop) = (Arc::clone(&self.links), self.stops.recorder.clone());
        self.threads.spawn("recall", move || recall::run(&inbox, &links, &stop))?;
        Ok(recall)
    }

    /// Starts ingest: from here on datagrams are received.
    pub(super) fn intake(
        &self,
        sockets: Vec<UdpSocket>,
        agents: Agents,
        inbox: Receiver<ToIntake>,
        journal: Option<MessageJournal>,
        discovery: Option<Discovery>,
    ) -> anyhow::Result<()> {
        let setup = intake::Setup {
            sockets,
            bell: Arc::clone(&self.links.bell),
            agents,
            inbox,
            engine: self.links.engine.clone(),
            history: self.links.history.clone(),
            journal,
            probes: self.links.probes.clone(),
            tally: Arc::clone(&self.links.tally),
            vitals: Arc::clone(&self.links.vitals),
            own_limits: Arc::clone(&self.links.own_limits),
            live: self.links.live.clone(),
            discovery,
            progress: Arc::clone(&self.links.progress),
            own_datagram: Arc::clone(&self.links.own_datagram),
            stop: self.stops.intake.clone(),
        };
        self.threads.spawn("intake", move || intake::run(setup))?;
        Ok(())
    }

    /// Starts the delivery of messages; `rows` are those of before this start.
    pub(super) fn outbox(
        &self,
        inbox: mpsc::Receiver<ToOutbox>,
        receivers: Arc<Receivers>,
        rows: Vec<DeliveryRecord>,
    ) {
        self.sees_again(Arc::clone(&receivers));
        self.delivery.spawn(outbox::run(outbox::Setup {
            inbox,
            receivers,
            rows,
            context: self.context(),
            store: self.links.store.clone(),
            engine: self.links.engine.clone(),
            live: self.links.live.clone(),
            figures: Arc::clone(&self.links.telling),
            progress: Arc::clone(&self.links.progress),
            quarantine: Arc::clone(&self.links.quarantine),
            stop: self.stops.tasks.token(),
        }));
    }

    /// Starts what tells others or changes something outside, once this server is in no quarantine.
    fn outwards(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.links.quarantine.then(self.stops.tasks.token(), work));
    }

    /// Returns what receivers need of this server.
    fn context(&self) -> hark_notify::Context {
        hark_notify::Context {
            resolve: Arc::clone(&self.resolver) as Arc<dyn hark_net::Resolve>,
            page: self.settings.public_url.clone(),
            own_name: crate::sys::host_name().unwrap_or_else(|| "localhost".to_owned()),
            tokens: self.tokens.clone(),
            mail: self.links.mail.clone(),
            browsers: self.links.browsers.get().map(|desk| Arc::clone(desk) as _),
            trace: hark_notify::Trace::default(),
        }
    }

    /// Starts the probes.
    pub(super) fn probes(
        &self,
        plan: Arc<probes::Plan>,
        wanted: mpsc::Receiver<ProbeNow>,
        inbox: mpsc::Receiver<probes::ToProbes>,
    ) {
        self.tasks.spawn(probes::run(probes::Setup {
            plan,
            wanted,
            inbox,
            figures: Arc::clone(&self.links.probing),
            progress: Arc::clone(&self.links.progress),
            hosts: Arc::clone(&self.links.hosts),
            resolver: Arc::clone(&self.resolver),
            programs: self.programs(),
            engine: self.links.engine.clone(),
            history: self.links.history.clone(),
            stop: self.stops.tasks.token(),
        }));
    }

    /// Tells those who were told that monitoring was down that it is not any more.
    fn sees_again(&self, receivers: Arc<Receivers>) {
        let (context, data_dir) = (self.context(), self.data_dir.clone());
        let stop = self.stops.tasks.token();
        self.outwards(async move {
            tokio::select! {
                () = blind::over(receivers, context, data_dir) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Starts to bring events to other servers.
    pub(super) fn relays(&self) {
        let (links, resolver) = (Arc::clone(&self.links), Arc::clone(&self.resolver));
        let (data_dir, stop) = (self.data_dir.clone(), self.stops.tasks.token());
        self.outwards(relay::run_all(links, data_dir, resolver, stop));
    }

    /// Starts to bring samples to others: not beside the server that this may be a copy of, which brings them, and
    /// not where none are kept.
    pub(super) fn remote_write(&self, reach: Reach) {
        let Reach::Others { .. } = reach else { return };
        let (links, resolver) = (Arc::clone(&self.links), Arc::clone(&self.resolver));
        let (data_dir, stop) = (self.data_dir.clone(), self.stops.tasks.token());
        self.outwards(remote_write::run_all(links, data_dir, resolver, stop));
    }

    /// Starts to make backups: not beside the server that this may be a copy of, which makes them too.
    pub(super) fn backups(&self) {
        self.links.backups.plan(self.settings.backup.clone());
        self.outwards(backups::run(Arc::clone(&self.links), self.stops.tasks.token()));
    }

    /// Starts to tell history what is kept for another time than the rest, where there is one. Also beside the server
    /// that this may be a copy of: each has a history of its own, and one that is not told lets nothing go.
    pub(super) fn retention(&self, reach: Reach) {
        if matches!(reach, Reach::OwnAgent) {
            return;
        }
        self.links.retention.plan(self.settings.history.clone());
        self.tasks.spawn(retention::run(Arc::clone(&self.links), self.stops.tasks.token()));
    }

    /// Starts to take Graphite's lines, if they are to be taken, and to look whether something is wrong with
    /// who brings samples.
    ///
    /// # Errors
    /// If it cannot be listened on.
    pub(super) fn inlets(&self, settings: &InletSettings) -> anyhow::Result<()> {
        if let Some(graphite) = settings.graphite() {
            let address = graphite.listen();
            let doors = graphite::Doors::open(address);
            let doors = doors.with_context(|| format!("listening on {address} for Graphite"))?;
            let (links, stop) = (Arc::clone(&self.links), self.stops.tasks.token());
            self.tasks.spawn(graphite::run(doors, links, stop));
        }
        self.tasks.spawn(inlets::watch(Arc::clone(&self.links), self.stops.tasks.token()));
        Ok(())
    }

    /// Starts what watches the server itself.
    pub(super) fn watch(
        &self,
        deadman: Option<Arc<deadman::Deadman>>,
        udp: SocketAddr,
        has_history: bool,
    ) {
        let links = &self.links;
        links.deadman.store(deadman);
        let test = SelfTest { links: Arc::clone(links), udp, has_history };
        let (resolver, stop) = (Arc::clone(&self.resolver), self.stops.tasks.token());
        self.outwards(deadman::run(Arc::clone(links), test, resolver, stop));
    }

    /// Makes what runs programs for checks. Those of an earlier life of this server, and no other's, are
    /// known by its folder.
    fn programs(&self) -> Programs {
        Programs::new(&format!("server-{}", self.mark()))
    }

    /// Returns a word that no other server on this machine has.
    fn mark(&self) -> String {
        format!("{:08x}", crc32fast::hash(self.data_dir.as_os_str().as_encoded_bytes()))
    }

    /// Starts to keep names in DNS up to date.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub(super) fn dns(
        &self,
        inbox: mpsc::Receiver<ToDns>,
        settings: hark_dns::Settings,
        reader: &StateReader,
    ) -> anyhow::Result<()> {
        let mark = format!("dns-{}", self.mark());
        self.tasks.spawn(dyndns::run(dyndns::Setup {
            inbox,
            settings,
            memory: dyndns::Memory::open(reader)?,
            links: Arc::clone(&self.links),
            context: hark_dns::Context::new(Arc::clone(&self.resolver), &mark),
            stop: self.stops.tasks.token(),
        }));
        Ok(())
    }

    /// Starts to tell readers of status pages what is published.
    pub(super) fn page_readers(&self, reader: StateReader) {
        let Some(desk) = self.links.readers.get() else { return };
        self.outwards(readers::run(readers::Setup {
            links: Arc::clone(&self.links),
            desk: Arc::clone(desk),
            reader: Mutex::new(reader),
            context: self.context(),
            stop: self.stops.tasks.token(),
        }));
    }

    /// Starts to expect the jobs that report themselves.
    pub(super) fn pushes(
        &self,
        inbox: mpsc::Receiver<ToPush>,
        plan: Arc<Plan>,
        memory: pushes::Memory,
    ) {
        self.tasks.spawn(pushes::run(pushes::Setup {
            inbox,
            plan,
            memory,
            links: Arc::clone(&self.links),
            stop: self.stops.tasks.token(),
        }));
    }

    /// Starts making the reports.
    pub(super) fn reports(
        &self,
        inbox: mpsc::Receiver<ToReports>,
        plans: Arc<Vec<hark_report::Plan>>,
        reader: StateReader,
    ) {
        self.tasks.spawn(reports::run(reports::Setup {
            inbox,
            plans,
            reader,
            page: self.settings.public_url.clone(),
            links: Arc::clone(&self.links),
            stop: self.stops.tasks.token(),
        }));
    }

    /// Makes what the page edits the configuration with.
    pub(super) fn editor(&self, reloader: Arc<Reloader>) -> Editor {
        Editor {
            reloader,
            versions: Versions::new(&self.data_dir),
            resolver: Arc::clone(&self.resolver),
            context: self.context(),
        }
    }

    /// Starts ordering the repairs that the engine wants, as people order actions on the page, and asking
    /// services whether a message was taken, and reading answers to mails; returns what stands behind all of them.
    pub(super) fn backend(
        &self,
        (reader, status): (StateReader, StatusDesk),
        access: Access,
        recorder: &Arc<Recorder>,
        repairs: mpsc::Receiver<Repair>,
        editor: Editor,
    ) -> Arc<ServerBackend> {
        let backend = Arc::new(ServerBackend::new(
            Arc::clone(&self.links),
            (reader, status),
            access,
            Arc::clone(&self.links.receivers),
            Arc::clone(recorder),
            self.tokens.clone(),
            editor,
        ));
        let quarantine = Arc::clone(&self.links.quarantine);
        self.tasks.spawn(repairs::run(repairs, Arc::clone(&backend), quarantine));
        self.outwards(asking::run(asking::Setup {
            backend: Arc::clone(&backend),
            receivers: Arc::clone(&self.links.receivers),
            context: self.context(),
            stop: self.stops.tasks.token(),
        }));
        self.outwards(mailbox::run(mailbox::Setup {
            backend: Arc::clone(&backend),
            links: Arc::clone(&self.links),
            context: self.context(),
            stop: self.stops.tasks.token(),
        }));
        backend
    }

    /// Starts the page, the API and the recorder of what they show. Returns the code that makes the
    /// first administrator, if there is none.
    pub(super) fn page(&self, page: Page) -> anyhow::Result<Option<Secret>> {
        let Page { settings, listeners, http, certificate, backend, recorder } = page;
        let (links, stop) = (Arc::clone(&self.links), self.stops.recorder.clone());
        let data_dir = self.data_dir.clone();
        self.threads
            .spawn("recorder", move || recorder::run(&recorder, &links, &data_dir, &stop))?;
        let setup_code =
            if backend.has_administrator()? { None } else { Some(hark_web::new_setup_code()?) };
        let config = WebConfig {
            tls: certificate.map(Certificate::tls),
            plain: settings.tls.map(|tls| tls.plain).unwrap_or_default(),
            addresses: addresses::reachable(
                &self.settings.public_url,
                http,
                crate::sys::host_name(),
            ),
            public_url: self.settings.public_url.clone(),
            site_name: self.settings.site_name.clone(),
            outside: Arc::new(Outside { resolver: Arc::clone(&self.resolver) }),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            setup_code: setup_code.clone(),
            login: Arc::clone(&self.links.login),
        };
        self.tasks.spawn(hark_web::serve(
            listeners,
            backend,
            self.links.live.clone(),
            config,
            self.stops.tasks.token(),
        ));
        Ok(setup_code)
    }

    /// Starts the agent of this machine.
    pub(super) fn own_agent(&self, agent: OwnAgent) -> anyhow::Result<Ends> {
        agent.start(&mut |name, work| self.threads.spawn(name, work))
    }
}

/// Returns who may speak at the start: those that are stored, and with a shared secret everybody who has
/// it.
pub(super) fn agents(secret: Option<Secret>, known: &[AgentRecord], engine: &Engine) -> Agents {
    let known = known.iter().filter(|a| a.revoked.is_none()).map(|record| {
        let host = engine.host_named(record.host.as_str());
        let tags = host.map(|host| host.joined_tags().to_vec()).unwrap_or_default();
        (KnownAgent::from_record(record, tags), host.map(hark_engine::view::HostView::id))
    });
    Agents::new(secret, known)
}

/// Opens the message journal, if it is to be kept, and starts its thread.
pub(super) fn start_journal(
    settings: &Settings,
    data_dir: &Path,
) -> anyhow::Result<Option<MessageJournal>> {
    let Some(journal) = &settings.journal else { return Ok(None) };
    let dir = journal.dir.clone().unwrap_or_else(|| data_dir.join("journal"));
    let path = dir.join(&journal.file);
    let journal_settings = hark_store::journal::Settings {
        path: path.clone(),
        max_size: journal.max_bytes,
        max_backups: journal.keep,
    };
    let writer = std::fs::create_dir_all(&dir)
        .and_then(|()| hark_store::journal::Journal::open(journal_settings))
        .with_context(|| format!("cannot open the message journal {}", path.display()))?;
    let (journal, thread) = MessageJournal::start(writer, journal.heartbeats)?;
    // The thread ends with the last sender; a line that is not written at the end is in the state.
    drop(thread);
    Ok(Some(journal))
}
