//! Putting the server together, and taking it apart in order.

use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use hark_checks::Resolver;
use hark_engine::Engine;
use hark_engine::input::Action;
use hark_model::record::{DeliveryRecord, JournalLine, Snapshot};
use hark_model::time::{Clock, Now};
use hark_model::{Secret, UserName};
use hark_notify::Receivers;
use hark_store::state::{DeliveryView, State, StateReader};
use hark_web::Live;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::backend::{Access, ServerBackend};
use super::certificate::{Certificate, write_private};
use super::engine_loop::{self, Outlets, Request};
use super::hosts::Hosts;
use super::intake::{self, Agents, KnownAgent};
use super::message_journal::MessageJournal;
use super::messages::{ENGINE_QUEUE, HISTORY_QUEUE, INTAKE_QUEUE, ToEngine, ToIntake};
use super::outbox::{self, OUTBOX_QUEUE, ToOutbox};
use super::own_agent::OwnAgent;
use super::probes::{self, PROBE_QUEUE};
use super::recorder::{self, Recorder};
use super::store_loop::{self, STORE_QUEUE, StateWork, ToStore, chain};
use super::tally::Tally;
use super::vitals::Vitals;
use super::{history_loop, reload};
use crate::cli::client::LOCAL_TOKEN;
use crate::config::{Loaded, Paths, Settings};
use crate::stop::{GRACE, Stop};
use crate::sys::{Bell, receive_buffer};

/// Receive buffer of the datagram sockets: a burst of 50,000 heartbeats of some 200 bytes, each of
/// which the kernel counts as about 800.
const RECEIVE_BUFFER: usize = 64 << 20;

/// How long after its end an incident may be reopened or its end told, so that it is loaded at start.
const REOPEN_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// How the server is to be.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where state and history are kept.
    pub(crate) data_dir: PathBuf,
    /// Also watch this machine.
    pub(crate) own_agent: bool,
    /// Where agents send to, if not as configured.
    pub(crate) udp: Option<SocketAddr>,
    /// Where the page is, if not as configured.
    pub(crate) http: Option<SocketAddr>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    links: Arc<Links>,
    settings: Settings,
    data_dir: PathBuf,
    udp: SocketAddr,
    http: SocketAddr,
    setup_code: Option<Secret>,
    stops: Stops,
    agent_stop: Option<super::own_agent::Ends>,
    threads: std::sync::Mutex<Vec<Part>>,
    tasks: TaskTracker,
    _lock: File,
}

/// Senders to every part, for those who ask and write.
#[derive(Debug)]
pub(crate) struct Links {
    /// To the engine.
    pub(crate) engine: SyncSender<ToEngine>,
    /// To the store.
    pub(crate) store: SyncSender<ToStore>,
    /// To history.
    pub(crate) history: SyncSender<history_loop::ToHistory>,
    /// To ingest.
    pub(crate) intake: SyncSender<ToIntake>,
    /// Wakes ingest.
    pub(crate) bell: Arc<Bell>,
    /// To the outbox.
    pub(crate) outbox: mpsc::Sender<ToOutbox>,
    /// To the probes: other checks.
    pub(crate) probes: mpsc::Sender<Arc<Vec<hark_checks::Configured>>>,
    /// Numbers and names.
    pub(crate) hosts: Arc<Hosts>,
    /// Newest values.
    pub(crate) vitals: Arc<Vitals>,
    /// Counters.
    pub(crate) tally: Arc<Tally>,
    /// What the page watches.
    pub(crate) live: Live,
    /// Where messages go at present.
    pub(crate) receivers: Arc<ArcSwap<Receivers>>,
}

/// One flag for each stage of the end.
#[derive(Debug, Default)]
struct Stops {
    intake: Stop,
    engine: Stop,
    history: Stop,
    tasks: Stop,
    recorder: Stop,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    thread: JoinHandle<()>,
}

impl Server {
    /// Starts everything. When it returns, datagrams are received and the page is served.
    ///
    /// # Errors
    /// If the data folder is in use or broken, or an address cannot be listened on; nothing runs then.
    pub(crate) async fn start(loaded: Loaded, options: Options) -> anyhow::Result<Self> {
        let Loaded { settings, web, plan, receivers, checks, agent, revision, .. } = loaded;
        let data_dir = options.data_dir;
        std::fs::create_dir_all(&data_dir)
            .with_context(|| format!("cannot make the folder {}", data_dir.display()))?;
        let lock = lock(&data_dir)?;
        let certificate = web
            .tls
            .as_ref()
            .map(|tls| Certificate::open(tls.files.as_ref(), &data_dir))
            .transpose()?;
        let sockets =
            bind_udp(options.udp.unwrap_or(SocketAddr::new(web.host, settings.udp_port)))?;
        let udp = sockets[0].local_addr()?;
        let mut listeners = bind_tcp(options.http.unwrap_or(SocketAddr::new(web.host, web.port)))?;
        let http = listeners[0].local_addr()?;
        if let Some(port) = web.ws_port {
            listeners.extend(bind_tcp(SocketAddr::new(web.host, port))?);
        }

        let now = Clock.now();
        let mut state = open_state(&data_dir)?;
        let stored = load(&state, now)?;
        let mut known = stored.reader.agents().map_err(|e| anyhow!(chain(&e)))?;
        let own = if options.own_agent {
            Some(OwnAgent::prepare(agent, &mut known, &mut state, &data_dir, udp)?)
        } else {
            None
        };
        let (engine, effects) = Engine::new(Arc::clone(&plan), stored.snapshot, now);

        let stops = Stops::default();
        let tasks = TaskTracker::new();
        let bell = Arc::new(Bell::new()?);
        let (engine_in, engine_out) = sync_channel(ENGINE_QUEUE);
        let (store_in, store_out) = sync_channel(STORE_QUEUE);
        let (history_in, history_out) = sync_channel(HISTORY_QUEUE);
        let (intake_in, intake_out) = sync_channel(INTAKE_QUEUE);
        let (outbox_in, outbox_out) = mpsc::channel(OUTBOX_QUEUE);
        let (probes_in, probes_out) = mpsc::channel(PROBE_QUEUE);
        let (reload_in, reload_out) = mpsc::channel(4);
        let links = Arc::new(Links {
            engine: engine_in,
            store: store_in,
            history: history_in,
            intake: intake_in,
            bell: Arc::clone(&bell),
            outbox: outbox_in,
            probes: reload_in,
            hosts: Arc::new(Hosts::default()),
            vitals: Arc::default(),
            tally: Arc::default(),
            live: Live::new(),
            receivers: Arc::new(ArcSwap::new(Arc::clone(&receivers))),
        });
        for host in engine.hosts() {
            links.hosts.learned(host.id(), host.name());
        }
        let mut threads = Vec::new();
        let mut spawn = |name: &'static str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(format!("hark-{name}")).spawn(work)?;
            threads.push(Part { name, thread });
            std::io::Result::Ok(())
        };

        // The store first: everything else hands over to it.
        let journal = start_journal(&settings, &data_dir)?;
        let told = store_loop::Listeners {
            intake: links.intake.clone(),
            bell: Arc::clone(&bell),
            engine: links.engine.clone(),
            outbox: links.outbox.clone(),
            lines: line_listener(&links, journal.clone()),
        };
        spawn("store", Box::new(move || store_loop::run(state, &store_out, told)))?;
        let history_dir = data_dir.join("history");
        let history_settings = history_loop::settings(settings.history);
        let told = history_loop::Listeners {
            intake: links.intake.clone(),
            bell: Arc::clone(&bell),
            engine: links.engine.clone(),
        };
        let stop = stops.history.clone();
        spawn(
            "history",
            Box::new(move || {
                history_loop::run(&history_dir, history_settings, &history_out, told, &stop);
            }),
        )?;
        let agents = agents(settings.secret.clone(), &known, &engine);
        let outlets = outlets(&links, probes_in);
        let stop = stops.engine.clone();
        spawn(
            "engine",
            Box::new(move || engine_loop::run(engine, effects, &engine_out, outlets, &stop)),
        )?;
        let setup = intake::Setup {
            sockets,
            bell,
            agents,
            inbox: intake_out,
            engine: links.engine.clone(),
            history: links.history.clone(),
            journal,
            tally: Arc::clone(&links.tally),
            vitals: Arc::clone(&links.vitals),
            live: links.live.clone(),
            stop: stops.intake.clone(),
        };
        spawn("intake", Box::new(move || intake::run(setup)))?;
        links.reloaded(revision, settings.secret.clone());
        let current_receivers = Arc::clone(&links.receivers);

        // Then what waits more than it works.
        let resolver = Arc::new(Resolver::default());
        tasks.spawn(outbox::run(outbox::Setup {
            inbox: outbox_out,
            receivers: Arc::clone(&receivers),
            rows: stored.rows,
            context: context(&settings, &resolver),
            store: links.store.clone(),
            engine: links.engine.clone(),
            live: links.live.clone(),
            stop: stops.tasks.token(),
        }));
        let checks = Arc::new(checks);
        tasks.spawn(probes::run(probes::Setup {
            checks: Arc::clone(&checks),
            wanted: probes_out,
            reloads: reload_out,
            hosts: Arc::clone(&links.hosts),
            resolver,
            engine: links.engine.clone(),
            stop: stops.tasks.token(),
        }));
        let local = local_token(&data_dir, http)?;
        let access = Access::new(&settings, &local, udp.port());
        let recorder = Arc::new(Recorder::default());
        let backend = ServerBackend::new(
            Arc::clone(&links),
            stored.reader,
            access,
            Arc::clone(&current_receivers),
            Arc::clone(&recorder),
        );
        let (looker, stop) = (Arc::clone(&links), stops.recorder.clone());
        spawn("recorder", Box::new(move || recorder::run(&recorder, &looker, &stop)))?;
        let setup_code =
            if backend.has_administrator()? { None } else { Some(hark_web::new_setup_code()?) };
        let web = hark_web::WebConfig {
            tls: certificate
                .map(|c| hark_web::Tls { config: c.config, fingerprint: c.fingerprint }),
            plain: web.tls.map(|tls| tls.plain).unwrap_or_default(),
            addresses: crate::sys::host_name()
                .map(|name| format!("{name}:{}", http.port()))
                .into_iter()
                .collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            setup_code: setup_code.clone(),
        };
        let backend = Arc::new(backend);
        tasks.spawn(hark_web::serve(
            listeners,
            backend,
            links.live.clone(),
            web,
            stops.tasks.token(),
        ));
        let agent_stop = own.map(|own| own.start(&mut spawn)).transpose()?;
        tracing::info!(%udp, %http, "listening");
        Ok(Self {
            links,
            settings,
            data_dir,
            udp,
            http,
            setup_code,
            stops,
            agent_stop,
            threads: std::sync::Mutex::new(threads),
            tasks,
            _lock: lock,
        })
    }
}

impl Server {
    /// Returns the address of the page as a person on this machine opens it.
    pub(crate) fn page_url(&self) -> String {
        if !self.settings.public_url.is_empty() {
            return self.settings.public_url.clone();
        }
        let ip = self.http.ip();
        let ip = if ip.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
        let scheme = if ip.is_loopback() { "http" } else { "https" };
        format!("{scheme}://{}", SocketAddr::new(ip, self.http.port()))
    }

    /// Returns where agents send to.
    pub(crate) fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// Returns where state and history are kept.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Returns the link that makes the first administrator, until there is one.
    pub(crate) fn setup_link(&self) -> Option<String> {
        let code = self.setup_code.as_ref()?;
        Some(format!("{}/setup?code={}", self.page_url(), code.expose()))
    }

    /// Returns once a thread has ended that should not have. Cancelling it changes nothing.
    pub(crate) async fn failed(&self) {
        let mut look = tokio::time::interval(Duration::from_secs(1));
        loop {
            look.tick().await;
            let threads = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(part) = threads.iter().find(|p| p.thread.is_finished()) {
                tracing::error!(part = part.name, "ended by itself");
                return;
            }
        }
    }

    /// Reads the configuration again and carries over what changed; a wrong one changes nothing and is
    /// reported. Returns the number of the configuration in effect.
    pub(crate) async fn reload(&self, paths: &Paths, revision: u32) -> u32 {
        reload::reload(&self.links, paths, revision).await
    }

    /// Writes the state to the log, failing hosts first (SIGUSR1).
    pub(crate) async fn show_state(&self) {
        let (to, answer) = oneshot::channel();
        let ask = move |engine: &Engine| drop(to.send(state_lines(engine)));
        if self.links.engine.try_send(ToEngine::Ask(Box::new(ask))).is_err() {
            tracing::warn!("the engine is too busy to show its state");
            return;
        }
        for line in answer.await.unwrap_or_default() {
            crate::out::line(line);
        }
    }

    /// Ends everything in order, within the grace time: the own agent says good-bye, nothing more is
    /// received, the engine works off what came, the store and history write it.
    pub(crate) async fn end(&self) {
        let ending = async {
            if let Some(agent) = &self.agent_stop {
                agent.raise();
                self.join("agent").await;
            }
            self.stops.recorder.raise();
            self.join("recorder").await;
            self.stops.tasks.raise();
            self.stops.intake.raise();
            self.links.bell.ring();
            self.join("intake").await;
            self.stops.engine.raise();
            self.join("engine").await;
            self.stops.history.raise();
            self.tasks.close();
            self.tasks.wait().await;
            drop(self.links.store.send(ToStore::End));
            self.join("store").await;
            self.join("history").await;
        };
        if tokio::time::timeout(GRACE, ending).await.is_err() {
            tracing::warn!("some parts did not end in time; nothing that was acknowledged is lost");
        }
    }

    async fn join(&self, name: &str) {
        let part = {
            let mut threads =
                self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            threads.iter().position(|p| p.name == name).map(|i| threads.swap_remove(i))
        };
        let Some(part) = part else { return };
        let joined = tokio::task::spawn_blocking(move || part.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!(part = name, "ended with a panic");
        }
    }
}

impl Links {
    /// Tells ingest the number of the configuration and the shared secret.
    pub(crate) fn reloaded(&self, revision: u32, secret: Option<Secret>) {
        if self.intake.try_send(ToIntake::Reloaded { revision, secret }).is_ok() {
            self.bell.ring();
        }
    }

    /// Asks the engine a question and waits for the answer; `None` if the engine has ended. For
    /// threads that may block.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (to, answer) = sync_channel(1);
        let ask = move |engine: &Engine| drop(to.send(question(engine)));
        self.engine.send(ToEngine::Ask(Box::new(ask))).ok()?;
        answer.recv().ok()
    }

    /// Does something as a user and waits until it is on the disk. For threads that may block.
    pub(crate) fn act(
        &self,
        by: UserName,
        action: Action,
    ) -> Option<Result<hark_engine::Done, hark_engine::Refused>> {
        let (reply, outcome) = oneshot::channel();
        self.engine.send(ToEngine::Request(Request { by, action, reply })).ok()?;
        outcome.blocking_recv().ok()
    }

    /// Asks history and waits; `None` if it is stopped. For threads that may block.
    pub(crate) fn ask_history<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut hark_store::history::History) -> T + Send + 'static,
    ) -> Option<T> {
        let (to, answer) = sync_channel(1);
        let ask = move |history: Option<&mut hark_store::history::History>| {
            drop(to.send(history.map(question)));
        };
        self.history.send(history_loop::ToHistory::Ask(Box::new(ask))).ok()?;
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
    pub(crate) fn write(&self, changes: Vec<hark_store::state::Change>) -> Result<(), String> {
        let (reply, outcome) = oneshot::channel();
        let ended = || "the server is ending".to_owned();
        self.store.send(ToStore::Write { changes, reply: Some(reply) }).map_err(|_| ended())?;
        outcome.blocking_recv().map_err(|_| ended())?
    }
}

/// What was stored, as the parts take it.
struct Stored {
    snapshot: Snapshot,
    rows: Vec<DeliveryRecord>,
    reader: StateReader,
}

/// Two servers on one folder would tell everything twice.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another hark already runs on {}", data_dir.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Opens a socket for each family where the address is that of all addresses: so that answers go out
/// over the family they came in by, and addresses are shown as they are.
fn bind_udp(address: SocketAddr) -> anyhow::Result<Vec<UdpSocket>> {
    let mut sockets = Vec::new();
    let mut port = address.port();
    for address in families(address) {
        match bind(SocketAddr::new(address, port), socket2::Type::DGRAM) {
            Ok(socket) => {
                let socket: UdpSocket = socket.into();
                port = socket.local_addr()?.port();
                receive_buffer(&socket, RECEIVE_BUFFER);
                sockets.push(socket);
            }
            Err(error) if sockets.is_empty() => {
                return Err(error).with_context(|| {
                    format!("cannot listen on UDP {}", SocketAddr::new(address, port))
                });
            }
            Err(error) => tracing::info!(%error, %address, "not listening on this family"),
        }
    }
    Ok(sockets)
}

fn bind_tcp(address: SocketAddr) -> anyhow::Result<Vec<tokio::net::TcpListener>> {
    let mut listeners: Vec<tokio::net::TcpListener> = Vec::new();
    let mut port = address.port();
    for address in families(address) {
        match bind(SocketAddr::new(address, port), socket2::Type::STREAM) {
            Ok(socket) => {
                socket.listen(1024)?;
                let listener: std::net::TcpListener = socket.into();
                port = listener.local_addr()?.port();
                listeners.push(tokio::net::TcpListener::from_std(listener)?);
            }
            Err(error) if listeners.is_empty() => {
                return Err(error).with_context(|| {
                    format!("cannot listen on TCP {}", SocketAddr::new(address, port))
                });
            }
            Err(error) => tracing::info!(%error, %address, "not listening on this family"),
        }
    }
    Ok(listeners)
}

/// Every address means both families, IPv4 first: it is always there.
fn families(address: SocketAddr) -> Vec<IpAddr> {
    let both = address.ip() == IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED);
    if both { vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.ip()] } else { vec![address.ip()] }
}

fn bind(address: SocketAddr, kind: socket2::Type) -> std::io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == socket2::Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn open_state(data_dir: &Path) -> anyhow::Result<State> {
    State::open(data_dir).map_err(|e| anyhow!("{}", chain(&e))).with_context(|| {
        format!(
            "hark does not start without its state: it would alert from nothing. See {}",
            data_dir.display()
        )
    })
}

fn load(state: &State, now: Now) -> anyhow::Result<Stored> {
    let failed = |e: hark_store::state::OpenError| anyhow!("cannot read the state: {}", chain(&e));
    let loaded = state.load(now.unix - REOPEN_WINDOW).map_err(failed)?;
    if loaded.damaged > 0 {
        tracing::error!(rows = loaded.damaged, "rows of the state could not be read");
    }
    let reader = state.reader().map_err(failed)?;
    let mut rows = loaded.snapshot.outbox.clone();
    for incident in &loaded.snapshot.incidents {
        let view = DeliveryView::Of(incident.id);
        rows.extend(reader.deliveries(view, None, 1000).map_err(failed)?);
    }
    rows.sort_by_key(|row| row.notification.id);
    rows.dedup_by_key(|row| row.notification.id);
    Ok(Stored { snapshot: loaded.snapshot, rows, reader })
}

fn agents(
    secret: Option<Secret>,
    known: &[hark_store::state::AgentRecord],
    engine: &Engine,
) -> Agents {
    let known = known.iter().filter(|a| a.revoked.is_none()).map(|record| {
        let host = engine.host_named(record.host.as_str()).map(|h| h.id());
        (KnownAgent::from_record(record), host)
    });
    Agents::new(secret, known)
}

fn start_journal(settings: &Settings, data_dir: &Path) -> anyhow::Result<Option<MessageJournal>> {
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

/// Shows each journal line on the live page, and puts transitions into the message journal.
fn line_listener(
    links: &Arc<Links>,
    journal: Option<MessageJournal>,
) -> Box<dyn Fn(&JournalLine) + Send> {
    let live = links.live.clone();
    let hosts = Arc::clone(&links.hosts);
    Box::new(move |line| {
        let host = line.host.and_then(|h| hosts.name(h));
        live.event(super::backend::activity(line, host.as_ref()));
        if line.kind == hark_model::record::JournalKind::Transition
            && let (Some(journal), Some(host), Some(check)) = (&journal, &host, &line.check)
        {
            let entry = super::message_journal::Line::threshold(host, check, &line.text);
            journal.write(line.at, None, entry);
        }
    })
}

fn outlets(links: &Arc<Links>, probes: mpsc::Sender<engine_loop::ProbeNow>) -> Outlets {
    let live = links.live.clone();
    let hosts = Arc::clone(&links.hosts);
    Outlets {
        store: links.store.clone(),
        intake: links.intake.clone(),
        bell: Arc::clone(&links.bell),
        probes,
        changed: Box::new(move |changed| {
            for change in changed {
                match change {
                    hark_engine::Changed::Host(host) => live.host(*host),
                    hark_engine::Changed::Incident(_) | hark_engine::Changed::Silence(_) => {
                        live.incident();
                    }
                }
            }
        }),
        hosts: Box::new(move |host, name| match name {
            Some(name) => hosts.learned(host, name),
            None => hosts.dropped(host),
        }),
    }
}

fn context(settings: &Settings, resolver: &Arc<Resolver>) -> hark_notify::Context {
    let resolver = Arc::clone(resolver);
    let resolve =
        move |host: String| -> hark_notify::BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
            let resolver = Arc::clone(&resolver);
            Box::pin(async move {
                resolver.lookup(&host, hark_checks::Family::Either).await.map_err(Into::into)
            })
        };
    hark_notify::Context {
        resolve: Arc::new(resolve),
        page: settings.public_url.clone(),
        own_name: crate::sys::host_name().unwrap_or_else(|| "localhost".to_owned()),
    }
}

/// Makes the token with which commands of this machine's administrator speak to the server: new at
/// each start, readable by the owner of the data folder only.
fn local_token(data_dir: &Path, http: SocketAddr) -> anyhow::Result<Secret> {
    let code = hark_web::new_setup_code()?;
    let token = format!("hark_{}", code.expose());
    write_private(&data_dir.join(LOCAL_TOKEN), token.as_bytes())?;
    let ip = if http.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { http.ip() };
    let url = format!("http://{}\n", SocketAddr::new(ip, http.port()));
    write_private(&data_dir.join("local-url"), url.as_bytes())?;
    Ok(Secret::new(token))
}

fn state_lines(engine: &Engine) -> Vec<String> {
    let mut hosts: Vec<_> = engine.hosts().collect();
    hosts.sort_by_key(|h| (std::cmp::Reverse(h.state()), h.name().clone()));
    hosts
        .into_iter()
        .map(|h| format!("{:12} {:32} {}", h.word(), h.name().as_str(), h.text()))
        .collect()
}
