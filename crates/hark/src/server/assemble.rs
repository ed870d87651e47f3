//! Putting the server together, and taking it apart in order.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use anyhow::anyhow;
use hark_api::time::Timestamp;
use hark_engine::Engine;
use hark_engine::view::HostView;
use hark_model::time::Clock;
use hark_model::{Secret, Status};
use hark_web::WebSettings;
use tokio::sync::{mpsc, oneshot};

use super::addresses;
use super::backend::{Access, Declared, StatusDesk};
use super::blind::Blind;
use super::browsers::Desk;
use super::certificate::Certificate;
use super::discovery::Discovery;
use super::dropped;
use super::folder::{self, Stored};
use super::history_loop::ToHistory;
use super::leavers;
use super::links::Links;
use super::listen::Doors;
use super::messages::{INTAKE_QUEUE, INTAKE_QUEUE_ALONE, ToEngine};
use super::own_agent::{Ends, OwnAgent};
use super::parts::{self, Page, Parts};
use super::probes::{self, PROBE_QUEUE};
use super::progress::Stuck;
use super::pushes;
use super::readers;
use super::recorder::Recorder;
use super::releases::Releases;
use super::reload::Reloader;
use super::repairs::{REPAIR_QUEUE, Repair};
use super::self_report::SelfReport;
use super::store_loop::{ToStore, chain};
use crate::config::{Loaded, Paths, Settings};
use crate::stop::GRACE;

/// How long the end waits before it looks again whether the store's queue has room: short against the
/// grace time.
const STORE_BUSY: Duration = Duration::from_millis(20);

/// The most links for other machines that are printed: so many can be read.
const MAX_LINKS: usize = 4;

/// How the server is to be.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where state and history are kept.
    pub(crate) data_dir: PathBuf,
    /// Also watch this machine.
    pub(crate) own_agent: bool,
    /// Who reaches it.
    pub(crate) reach: Reach,
    /// Where the configuration lies, to read it again; `None` if it is in no file.
    pub(crate) paths: Option<Paths>,
}

/// Who reaches a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reach {
    /// Agents and people.
    Others {
        /// Where agents send to, if not as configured.
        udp: Option<SocketAddr>,
        /// Where the page is, if not as configured.
        http: Option<SocketAddr>,
    },
    /// The agent of this machine alone, in this process: no page, no other host, no history.
    OwnAgent,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    parts: Parts,
    udp: SocketAddr,
    /// Where the page is, if there is one.
    http: Option<SocketAddr>,
    setup_code: Option<Secret>,
    /// Whether the page speaks TLS.
    is_tls: bool,
    agent_stop: Option<Ends>,
    lock: File,
    reloader: Arc<Reloader>,
}

/// What is left to be served once the parts run.
struct Served {
    listeners: Vec<tokio::net::TcpListener>,
    http: Option<SocketAddr>,
    udp: SocketAddr,
    certificate: Option<Certificate>,
    web: WebSettings,
    reader: hark_store::state::StateReader,
    status: StatusDesk,
    repairs: mpsc::Receiver<Repair>,
    own: Option<OwnAgent>,
    lock: File,
    reloader: Arc<Reloader>,
}

/// What a start has come to.
#[derive(Debug)]
pub(crate) enum Started {
    /// A server that runs.
    Whole(Box<Server>),
    /// One without its state.
    Blind(Blind),
}

impl Started {
    /// Returns the server.
    ///
    /// # Errors
    /// If it has no state: where nobody is to be told of that.
    pub(crate) fn whole(self) -> anyhow::Result<Server> {
        match self {
            Self::Whole(server) => Ok(*server),
            Self::Blind(blind) => Err(anyhow!(blind.reason)),
        }
    }
}

impl Server {
    /// Starts everything, within the asynchronous runtime. When it returns, datagrams are received and
    /// the page is served.
    ///
    /// # Errors
    /// If the data folder is in use or broken, or an address cannot be listened on; nothing runs then.
    #[expect(clippy::too_many_lines, reason = "one step after the other, in the order that counts")]
    pub(crate) fn start(mut loaded: Loaded, options: Options) -> anyhow::Result<Started> {
        let probing = Arc::new(probes::Plan::of(&mut loaded));
        let Loaded {
            mut settings,
            web,
            plan,
            receivers,
            agent,
            agent_configs,
            offer,
            reports,
            status: status_plan,
            watch,
            inlets,
            remote_write,
            dns,
            revision,
            ..
        } = loaded;
        let data_dir = options.data_dir;
        let lock = folder::lock(&data_dir)?;
        let (mut doors, certificate, intake_queue) =
            open_doors(options.reach, &mut settings, &web, &data_dir)?;
        let discovery = Discovery::open(settings.discovery, &mut doors, certificate.as_ref())?;
        let Doors { sockets, listeners, udp, http } = doors;

        let now = Clock.now();
        let (mut state, Stored { snapshot, rows, reader }) = match folder::open(&data_dir, now) {
            Ok(opened) => opened,
            Err(error) => {
                return Ok(Started::Blind(Blind {
                    reason: format!("{error:#}"),
                    receivers,
                    page: settings.public_url,
                    listeners,
                    http,
                    tls: certificate.map(Certificate::tls),
                    deadman: watch.deadman,
                    data_dir,
                    _lock: lock,
                }));
            }
        };
        let mut known = reader.agents().map_err(|e| anyhow!(chain(&e)))?;
        let own = options
            .own_agent
            .then(|| OwnAgent::prepare(agent, &mut known, &mut state, &data_dir, udp))
            .transpose()?;
        let jobs = pushes::Memory::open(&mut state)?;
        let reports_reader = state.reader().map_err(|e| anyhow!(chain(&e)))?;
        let status = StatusDesk::new(state.reader().map_err(|e| anyhow!(chain(&e)))?);
        let (mut engine, mut effects) = Engine::new(Arc::clone(&plan), snapshot, now);
        engine.remember_dropped(dropped::read(&reader)?, now, &mut effects);

        let releases = Releases::new(&data_dir, offer);
        let (links, inboxes) =
            Links::new(Arc::clone(&receivers), intake_queue, releases, &data_dir)?;
        links.keep_readers(readers::Desk::open(&mut state)?);
        let page_readers = state.reader().map_err(|e| anyhow!(chain(&e)))?;
        links.keep_browsers(Desk::open(&mut state, links.store.clone(), links.engine.clone())?);
        links.learn(&engine);
        links.users.store(Arc::new(Declared::of(&settings)));
        links.login.store(Arc::new(web.login.clone()));
        links.plan_status(status_plan);
        links.inlets.plan(Arc::clone(&inlets));
        links.plan_remote_write(remote_write);
        let paths = options.paths.map(|paths| paths.within(&data_dir));
        let reloader = Reloader::new(Arc::clone(&links), paths, http.is_some(), revision);
        let reloader = Arc::new(reloader);
        let agents = parts::agents(settings.secret.clone(), &known, &engine);
        let journal = parts::start_journal(&settings, &data_dir)?;
        let (probe, wanted) = mpsc::channel(PROBE_QUEUE);
        let (repair, repairs) = mpsc::channel(REPAIR_QUEUE);
        let parts = Parts::new(links, settings, data_dir);
        parts.store(state, inboxes.store, journal.clone())?;
        parts.samples(inboxes.history, options.reach)?;
        let known_events = parts.links.events(watch.events, &reader, now);
        parts.engine(
            (engine, effects),
            known_events,
            inboxes.engine,
            probe,
            repair,
            options.reach,
        )?;
        parts.intake(sockets, agents, inboxes.intake, journal, discovery)?;
        parts.links.reloaded(&parts.settings, agent_configs);
        super::backend::actions::offer_again(&parts.links, &reader)?;
        leavers::settle(&parts.links, &parts.settings.users);
        parts.links.started();
        parts.outbox(inboxes.outbox, receivers, rows);
        parts.probes(probing, wanted, inboxes.checks);
        parts.pushes(inboxes.pushes, plan, jobs);
        parts.dns(inboxes.dns, dns, &reader)?;
        parts.relays();
        parts.backups();
        parts.retention(options.reach);
        parts.inlets(&inlets)?;
        parts.remote_write(options.reach);
        parts.watch(watch.deadman, udp, http.is_some());
        parts.reports(inboxes.reports, reports, reports_reader);
        parts.page_readers(page_readers);
        let served = Served {
            listeners,
            http,
            udp,
            certificate,
            web,
            reader,
            status,
            repairs,
            own,
            lock,
            reloader,
        };
        Ok(Started::Whole(Box::new(Self::serve(parts, served)?)))
    }

    /// Starts what people and the agent of this machine see of the parts.
    fn serve(parts: Parts, served: Served) -> anyhow::Result<Self> {
        let Served {
            listeners,
            http,
            udp,
            certificate,
            web,
            reader,
            status,
            repairs,
            own,
            lock,
            reloader,
        } = served;
        let is_tls = certificate.is_some();
        let local = http.map(|http| folder::local_token(&parts.data_dir, http)).transpose()?;
        let users = Arc::clone(&parts.links.users);
        let access = Access::new(users, local.as_ref(), udp.port());
        let recorder = Arc::new(Recorder::default());
        let editor = parts.editor(Arc::clone(&reloader));
        let backend = parts.backend((reader, status), access, &recorder, repairs, editor);
        let page = |http| Page { settings: web, listeners, http, certificate, backend, recorder };
        let setup_code = http.map(|http| parts.page(page(http))).transpose()?.flatten();
        let agent_stop = own.map(|own| parts.own_agent(own)).transpose()?;
        say_where(udp, http);
        let server = Self { parts, udp, http, setup_code, is_tls, agent_stop, lock, reloader };
        folder::setup_link(server.data_dir(), server.setup_link().as_deref())?;
        Ok(server)
    }

    /// Returns the address of the page as a person on this machine opens it, if there is one.
    pub(crate) fn page_url(&self) -> Option<String> {
        let http = self.http?;
        if !self.parts.settings.public_url.is_empty() {
            return Some(self.parts.settings.public_url.clone());
        }
        let ip = http.ip();
        let ip = if ip.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { ip };
        let scheme = if ip.is_loopback() { "http" } else { "https" };
        Some(format!("{scheme}://{}", SocketAddr::new(ip, http.port())))
    }

    /// Returns the names of those who are told.
    pub(crate) fn receivers(&self) -> Vec<String> {
        let receivers = self.parts.links.receivers.load();
        receivers.iter().map(|(name, _)| name.to_string()).collect()
    }

    /// Returns where agents send to.
    pub(crate) fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// Returns where state and history are kept.
    pub(crate) fn data_dir(&self) -> &Path {
        &self.parts.data_dir
    }

    /// Returns the link that makes the first administrator, until there is one.
    pub(crate) fn setup_link(&self) -> Option<String> {
        let code = self.setup_code.as_ref()?;
        Some(format!("{}/setup?code={}", self.page_url()?, code.expose()))
    }

    /// Returns the same link as other machines open it, best first: none if the page is not for them, or has an
    /// address that somebody has named. It is a secret: for whoever starts the server, and nobody else.
    pub(crate) fn setup_links_elsewhere(&self) -> Vec<String> {
        let (Some(code), Some(http)) = (&self.setup_code, self.http) else { return Vec::new() };
        if !http.ip().is_unspecified() || !self.parts.settings.public_url.is_empty() {
            return Vec::new();
        }
        let scheme = if self.is_tls { "https" } else { "http" };
        let own = addresses::own().into_iter().filter(|ip| ip.is_ipv4() || http.is_ipv6());
        let places = own.take(MAX_LINKS).map(|ip| SocketAddr::new(ip, http.port()));
        places.map(|place| format!("{scheme}://{place}/setup?code={}", code.expose())).collect()
    }

    /// Returns once a thread has ended that should not have. Cancelling it changes nothing.
    pub(crate) async fn failed(&self) {
        let part = self.parts.threads.ended().await;
        tracing::error!(part, "ended by itself");
        if part == "store" {
            folder::suspect(&self.parts.data_dir);
        }
    }

    /// Makes the voice of a part of this server.
    pub(crate) fn self_report(&self, part: &'static str) -> SelfReport {
        SelfReport::new(part, self.parts.links.engine.clone())
    }

    /// Returns which loop hangs that the server can do without for a while.
    pub(crate) fn degraded(&self) -> Option<Stuck> {
        self.parts.links.progress.degraded(Clock.now().mono)
    }

    /// Returns which loop hangs that the server cannot do without.
    pub(crate) fn stuck(&self) -> Option<Stuck> {
        let progress = &self.parts.links.progress;
        progress.stuck(Clock.now().mono)
    }

    /// Returns whether a file of the configuration has changed since it was read.
    pub(crate) fn is_changed(&self) -> bool {
        self.reloader.is_changed()
    }

    /// Reads the configuration again and carries over what changed; a wrong one changes nothing and is
    /// reported. Cancelling it changes nothing once it has begun.
    pub(crate) async fn reload(&self) {
        let reloader = Arc::clone(&self.reloader);
        if tokio::task::spawn_blocking(move || reloader.reload()).await.is_err() {
            tracing::error!("reading the configuration failed in a way that is a fault of hark");
        }
    }

    /// Returns the failing checks, those that are tried again, and a line about each host, failing ones
    /// first (SIGUSR1).
    pub(crate) async fn state(&self) -> Vec<String> {
        let (to, answer) = oneshot::channel();
        let ask = move |engine: &Engine| drop(to.send(state_lines(engine)));
        if self.parts.links.engine.try_send(ToEngine::Ask(Box::new(ask))).is_err() {
            tracing::warn!("the engine is too busy to show its state");
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// Ends everything in order, within the grace time: the own agent says good-bye, nothing more is
    /// received or sent, the engine works off what came and what became of the last messages, the store
    /// and history write it.
    pub(crate) async fn end(&self) {
        let Parts { links, stops, threads, tasks, delivery, .. } = &self.parts;
        let ending = async {
            if let Some(agent) = &self.agent_stop {
                agent.raise();
                threads.join("agent").await;
            }
            stops.recorder.raise();
            threads.join("recorder").await;
            threads.join("recall").await;
            stops.tasks.raise();
            stops.intake.raise();
            links.bell.ring();
            threads.join("intake").await;
            delivery.close();
            delivery.wait().await;
            stops.engine.raise();
            // Whoever sleeps long sees the flag at once; where this has no room nobody sleeps.
            drop(links.engine.try_send(ToEngine::Ask(Box::new(|_| ()))));
            threads.join("engine").await;
            stops.history.raise();
            drop(links.history.try_send(ToHistory::Ask(Box::new(|_| ()))));
            tasks.close();
            tasks.wait().await;
            end_store(links).await;
            threads.join("store").await;
            threads.join("history").await;
        };
        if tokio::time::timeout(GRACE, ending).await.is_err() {
            tracing::warn!("some parts did not end in time; nothing that was acknowledged is lost");
        }
        folder::let_go(&self.lock);
    }
}

/// Tells the store to end. Its queue may be full while the disk refuses: waiting for room in it must not
/// hold up the thread on which the grace time is measured.
async fn end_store(links: &Links) {
    while let Err(TrySendError::Full(_)) = links.store.try_send(ToStore::End) {
        tokio::time::sleep(STORE_BUSY).await;
    }
}

fn state_lines(engine: &Engine) -> Vec<String> {
    let mut hosts: Vec<_> = engine.hosts().collect();
    hosts.sort_by_key(|h| (std::cmp::Reverse(h.state()), h.name().clone()));
    let checks = || hosts.iter().flat_map(|host| host.checks().map(move |check| (host, check)));
    let is_bad = |status: Option<Status>| status.is_some_and(Status::is_problem);
    let mut failing: Vec<_> = checks().filter(|(_, check)| is_bad(check.hard())).collect();
    failing.sort_by_key(|(_, check)| std::cmp::Reverse(check.hard().map(Status::rank)));
    let tried_again = checks().filter(|(_, check)| is_bad(check.status()) && !is_bad(check.hard()));
    let mut lines = vec![format!("{} of {} checks are failing", failing.len(), checks().count())];
    lines.extend(failing.iter().map(|(host, check)| {
        let since = check.changed_at().map(|at| Timestamp(at).to_string()).unwrap_or_default();
        let word = check.hard().map_or("", Status::word);
        format!("{word:12} {}/{} since {since}: {}", host.name(), check.name(), check.shown())
    }));
    lines.extend(tried_again.map(|(host, check)| {
        format!("{:12} {}/{}: {}", "tried again", host.name(), check.name(), check.shown())
    }));
    let row = |h: &HostView<'_>| format!("{:12} {:32} {}", h.word(), h.name().as_str(), h.text());
    lines.extend(hosts.iter().map(row));
    lines
}

/// Opens what is listened on, and says how many messages may wait for what comes in.
fn open_doors(
    reach: Reach,
    settings: &mut Settings,
    web: &WebSettings,
    data_dir: &Path,
) -> anyhow::Result<(Doors, Option<Certificate>, usize)> {
    let at = |port| SocketAddr::new(web.host, port);
    match reach {
        Reach::Others { udp, http } => {
            let tls = web.tls.as_ref();
            let tls = tls.map(|tls| Certificate::open(tls.files.as_ref(), data_dir));
            let certificate = tls.transpose()?;
            let here = SocketAddr::new(settings.udp_host, settings.udp_port);
            let udp = udp.unwrap_or(here);
            let http = http.unwrap_or(at(web.port));
            let others: Vec<SocketAddr> = web.ports().into_iter().skip(1).map(at).collect();
            Ok((Doors::open(udp, http, &others)?, certificate, INTAKE_QUEUE))
        }
        Reach::OwnAgent => {
            settings.secret = None;
            Ok((Doors::inner()?, None, INTAKE_QUEUE_ALONE))
        }
    }
}

/// Logs what is listened on.
fn say_where(udp: SocketAddr, http: Option<SocketAddr>) {
    if let Some(http) = http {
        tracing::info!(%udp, %http, "listening");
    } else {
        tracing::info!(%udp, "speaking to the agent of this process alone");
    }
}
