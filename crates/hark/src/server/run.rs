//! The life of `hark up`, `hark server` and of an agent without a server: start, first lines, signals,
//! end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hark_agent::{Access, AgentConfig, UpdateSettings};
use hark_model::{Clock, HostName};
use tokio_util::sync::CancellationToken;

use super::assemble::{Options, Reach, Server, Started};
use super::progress::Loop;
use super::self_report::SelfReport;
use crate::cli::service::ServiceArgs;
use crate::config::{self, Loaded, Paths};
use crate::stop::{Asked, Signals};
use crate::update::{self, Begun, Watcher};
use crate::{manager, out};

/// Threads of the asynchronous runtime: the page, probes and receivers wait more than they work.
pub(crate) const WORKERS: usize = 2;

/// How often the files of the configuration are looked at for changes: a change reaches every agent
/// within 5 s.
const WATCH: Duration = Duration::from_secs(2);

/// The same of an agent without a server, which wakes as seldom as it can.
const WATCH_ALONE: Duration = Duration::from_secs(10);

/// The part of the server that stands for loops which hang.
const LOOPS: &str = "loops";

/// How long a new version of the server runs until it is known to work: its parts report a failure at
/// once, or when they first write.
const WORKS: Duration = Duration::from_secs(20);

/// Threads of the runtime of an agent without a server: it has no page, and few receivers.
const WORKERS_ALONE: usize = 1;

/// When the start is over, of a server and of an agent without one (whose slow collectors begin later), and
/// how often what is not in use is given back then, as `hark agent` does with a server: most of the
/// program is only needed by the start, or seldom.
const SETTLED: Duration = Duration::from_secs(10);
const SETTLED_ALONE: Duration = Duration::from_secs(40);
const SELDOM: Duration = Duration::from_mins(10);

/// What this process is.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// The server alone.
    Server {
        /// Where agents send to, if not as configured.
        udp: Option<SocketAddr>,
        /// Where the page is, if not as configured.
        http: Option<SocketAddr>,
    },
    /// The server and an agent for this machine.
    Up {
        /// Where agents send to, if not as configured.
        udp: Option<SocketAddr>,
        /// Where the page is, if not as configured.
        http: Option<SocketAddr>,
    },
    /// An agent that decides itself and tells its own receivers.
    AgentAlone {
        /// The host's name, if not as configured.
        name: Option<HostName>,
        /// Time between two heartbeats, if not as configured.
        interval: Option<Duration>,
    },
}

/// Runs until it is told to end, and returns the exit code.
///
/// # Errors
/// If it cannot start.
pub(crate) fn run_service(args: &ServiceArgs, role: Role) -> anyhow::Result<ExitCode> {
    let paths = args.paths();
    let loaded = match config::load(&paths) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(crate::cli::config::report(&error, false)),
    };
    run_loaded(args, &paths, loaded, role)
}

/// Says where the server does not run, before anything of it does. On Windows its parts are compiled, since
/// most of them are the agent's as well, but nobody has looked who could read and write what it keeps.
///
/// # Errors
/// On such a system.
pub(crate) fn runs_here() -> anyhow::Result<()> {
    let why =
        "the server does not run on this system: run it on Linux, and `hark agent SERVER` here";
    anyhow::ensure!(cfg!(not(windows)), why);
    Ok(())
}

/// As [`run_service`], where the configuration has been read.
///
/// # Errors
/// If it cannot start.
pub(crate) fn run_loaded(
    args: &ServiceArgs,
    paths: &Paths,
    mut loaded: Loaded,
    role: Role,
) -> anyhow::Result<ExitCode> {
    runs_here()?;
    let data_dir = paths.data_dir(loaded.settings.data_dir.as_deref());
    args.start_log(&loaded.settings.log, &data_dir)?;
    if !loaded.warnings.is_empty() {
        out::note(loaded.warnings.trim_end());
    }
    let update = loaded.agent.as_ref().map(|agent| agent.update.clone()).unwrap_or_default();
    if let Begun::Ended(code) = update::begin(&data_dir, &update, args.report_ready) {
        return Ok(code);
    }
    let (own_agent, reach, workers) = match role {
        Role::Server { udp, http } => (false, Reach::Others { udp, http }, WORKERS),
        Role::Up { udp, http } => (true, Reach::Others { udp, http }, WORKERS),
        Role::AgentAlone { name, interval } => {
            crate::sys::allocate_from_one_place();
            loaded.agent = Some(alone(loaded.agent, name, interval));
            (true, Reach::OwnAgent, WORKERS_ALONE)
        }
    };
    let options = Options { data_dir, own_agent, reach, paths: Some(paths.clone()) };
    let runtime = runtime(workers)?;
    let ended = runtime.block_on(live(args, loaded, options, &update));
    // A thread that hangs must not hold the process back: what was acknowledged is on the disk.
    runtime.shutdown_background();
    match ended? {
        Ended::With(code) => Ok(code),
        Ended::ForNewer => match update::go_over() {
            Begun::Ended(code) => Ok(code),
            Begun::GoOn => Ok(ExitCode::SUCCESS),
        },
    }
}

/// Returns the settings of an agent without a server: as `hark agent` has them, not as `hark up`.
fn alone(
    configured: Option<AgentConfig>,
    name: Option<HostName>,
    interval: Option<Duration>,
) -> AgentConfig {
    let mut agent = configured.unwrap_or_else(|| AgentConfig::new(PathBuf::new(), Access::Stored));
    agent.host = name.or(agent.host);
    let interval = interval.or(agent.interval);
    agent.interval = Some(interval.unwrap_or(AgentConfig::DEFAULT_INTERVAL));
    agent
}

/// How the server has ended.
enum Ended {
    /// With an exit code.
    With(ExitCode),
    /// So that a newer version can go on.
    ForNewer,
}

/// Makes the runtime for what waits: the page, probes, receivers.
///
/// # Errors
/// If the system has no thread left.
pub(crate) fn runtime(workers: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("hark-async")
        .enable_all()
        .build()
        .context("cannot start threads")
}

async fn live(
    args: &ServiceArgs,
    loaded: Loaded,
    options: Options,
    update: &UpdateSettings,
) -> anyhow::Result<Ended> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let data_dir = options.data_dir.clone();
    let is_alone = matches!(options.reach, Reach::OwnAgent);
    let server = match Server::start(loaded, options)? {
        Started::Whole(server) => server,
        Started::Blind(blind) => {
            args.ready();
            blind.run(&mut signals).await;
            return Ok(Ended::With(ExitCode::SUCCESS));
        }
    };
    greet(&server);
    args.ready();
    let newer = CancellationToken::new();
    let _watcher = watch_for_newer(&data_dir, update, &newer)?;
    let alive = manager::alive_every();
    let watch = if is_alone { WATCH_ALONE } else { WATCH };
    let mut watch = tokio::time::interval(watch.min(alive.unwrap_or(watch)));
    let mut pulse = Pulse::new(&server, alive.is_some());
    let unused = tokio::time::sleep(if is_alone { SETTLED_ALONE } else { SETTLED });
    tokio::pin!(unused);
    loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            _ = watch.tick() => {
                pulse.tell(&server);
                if !server.is_changed() {
                    continue;
                }
                Asked::Reload
            }
            () = &mut unused => {
                crate::sys::give_unused_back();
                unused.set(tokio::time::sleep(SELDOM));
                continue;
            }
            () = server.failed() => {
                tracing::error!("a part of the server has ended by itself");
                server.end().await;
                return Ok(Ended::With(ExitCode::FAILURE));
            }
            () = newer.cancelled() => {
                server.end().await;
                return Ok(Ended::ForNewer);
            }
        };
        match asked {
            Asked::Stop => break,
            Asked::Reload => server.reload().await,
            Asked::Show => {
                for line in server.state().await {
                    // A detached server has no output.
                    if args.report_ready { tracing::info!("{line}") } else { out::line(line) }
                }
            }
        }
    }
    tracing::info!("ending");
    tokio::select! {
        () = server.end() => Ok(Ended::With(ExitCode::SUCCESS)),
        asked = signals.next() => {
            tracing::warn!(?asked, "asked again while ending: leaving at once");
            Ok(Ended::With(ExitCode::FAILURE))
        }
    }
}

/// Starts the thread that notes that this version works, and looks for newer ones: `newer` is cancelled
/// once one waits. A server that has run for [`WORKS`] works.
fn watch_for_newer(
    data_dir: &Path,
    settings: &UpdateSettings,
    newer: &CancellationToken,
) -> anyhow::Result<Option<Watcher>> {
    let begun = Clock.now().mono;
    let progress = move || {
        let runs = Clock.now().mono.since(begun);
        if runs < WORKS { 0 } else { hark_model::time::millis(runs) }
    };
    let newer = newer.clone();
    let staged = Box::new(move || newer.cancel());
    Watcher::start(data_dir, settings, Duration::from_secs(1), Box::new(progress), staged)
        .context("cannot start a thread")
}

/// What is said of the loops: to systemd, and to the engine.
#[derive(Debug)]
struct Pulse {
    is_watched: bool,
    /// What systemd was told last.
    said: String,
    report: SelfReport,
    /// What the engine was told last.
    degraded: Option<Loop>,
    /// Whether it was told anything since the start: before it all may have been otherwise.
    has_spoken: bool,
}

impl Pulse {
    fn new(server: &Server, is_watched: bool) -> Self {
        let report = server.self_report(LOOPS);
        Self { is_watched, said: String::new(), report, degraded: None, has_spoken: false }
    }

    /// Tells systemd that the server lives, if its loops turn, and in words how it is if that is news. A
    /// loop that hangs is no life: systemd then starts the server anew. One that can be done without for
    /// a while is told to people instead.
    fn tell(&mut self, server: &Server) {
        let stuck = server.stuck();
        if self.is_watched && stuck.is_none() {
            manager::alive();
        }
        let text = match &stuck {
            Some(stuck) => format!("{} stands still", stuck.who.word()),
            None => "all loops turn".to_owned(),
        };
        if self.said != text {
            if let Some(stuck) = stuck {
                tracing::error!(%stuck, "a loop of the server hangs");
            }
            manager::status(&text);
            self.said = text;
        }
        let degraded = server.degraded();
        let who = degraded.map(|stuck| stuck.who);
        if !std::mem::replace(&mut self.has_spoken, true) || self.degraded != who {
            self.degraded = who;
            self.report.say(degraded.map(|stuck| stuck.to_string()));
        }
        self.report.tell();
    }
}

fn greet(server: &Server) {
    out::line(format!("hark {}", env!("CARGO_PKG_VERSION")));
    if let Some(page) = server.page_url() {
        out::line(format!("  page    {page}"));
        out::line(format!("  agents  udp port {}", server.udp().port()));
    } else {
        out::line(format!("  tells   {}", server.receivers().join(", ")));
    }
    out::line(format!("  data    {}", server.data_dir().display()));
    if let Some(link) = server.setup_link() {
        out::line("");
        out::line("There is no administrator yet. Open this link once to make one:");
        out::line(format!("  {link}"));
        let elsewhere = server.setup_links_elsewhere();
        if !elsewhere.is_empty() {
            out::line(
                "From another machine it is one of these; the browser asks once whether to trust it:",
            );
            for link in elsewhere {
                out::line(format!("  {link}"));
            }
        }
    }
}
