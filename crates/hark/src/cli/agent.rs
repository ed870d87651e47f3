//! `hark agent`: the agent alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use hark_agent::{Access, Agent, AgentConfig, Pulse, Server, Stop, UpdateSettings};
use hark_model::time::{Clock, Mono};
use hark_model::{HostName, Secret};
use tokio::sync::oneshot;

use super::install;
use super::send::explained;
use super::service::{self, ServiceArgs};
use crate::server::run::{Role, run_loaded};
use crate::stop::{Asked, Signals};
use crate::update::{self, Begun, Watcher};
use crate::{config, manager, out};

/// How long between two tries while the server cannot be reached for enrolling.
const AGAIN: Duration = Duration::from_secs(10);

/// When the start is over: every collector that looks at each heartbeat has run.
const SETTLED: Duration = Duration::from_secs(40);

/// How often what is not in use is given back afterwards: what is done seldom (a list of packages, the
/// search for a server that is away) leaves memory and pages of the program behind. A tenth of a
/// millisecond of page faults follows each time.
const SELDOM: Duration = Duration::from_mins(10);

/// The longest time that an answer of the server may take, for knowing whether it answers.
const ANSWER: Duration = Duration::from_secs(5);

/// How much longer than its interval the agent's thread may take before it counts as stuck: a disk that
/// stands still for a minute is no reason to start anew.
const STUCK: Duration = Duration::from_mins(2);

/// Where there is no watchdog.
const NEVER: Duration = Duration::from_hours(24);

/// Run the agent: measure this machine and send it to a server.
///
/// The first start joins with `--token` (a line that the server prints) or with the secret that all
/// agents share; afterwards it is known. What cannot be sent is kept and sent later.
///
/// Without a server, but with `receivers` in its configuration, it decides itself and tells them.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  hark agent --token hark-…\n  \
    hark agent hark.example.net --secret-file /etc/hark/secret --interval 10s\n  \
    hark agent install --token hark-…")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The server: name or address, with or without :port; more than one are tried in turn.
    #[arg(value_name = "SERVER", value_parser = parse_server)]
    servers: Vec<Server>,
    /// The line that the server printed, to join once.
    #[arg(long, env = "HARK_ENROL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// A file with the secret that all agents share.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    secret_file: Option<PathBuf>,
    /// The host's name. [default: the system's own]
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: Option<HostName>,
    /// Time between two heartbeats. [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_interval)]
    interval: Option<Duration>,
    /// Send one boot message and end.
    #[arg(short, long)]
    boot: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// What else can be done with an agent.
#[derive(Debug, clap::Subcommand)]
enum Action {
    Install(install::AgentArgs),
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Action::Install(args)) = &args.action {
        return install::run_agent(args);
    }
    if args.service.detach {
        return service::detach();
    }
    let paths = args.service.paths();
    let loaded = match config::load(&paths) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(super::config::report(&error, false)),
    };
    let data_dir = paths.data_dir(loaded.settings.data_dir.as_deref());
    let folder = data_dir.join("agent");
    if is_alone(args, &loaded, &folder) {
        if args.boot {
            return hand_in_boot(&folder);
        }
        let role = Role::AgentAlone { name: args.name.clone(), interval: args.interval };
        return run_loaded(&args.service, &paths, loaded, role);
    }
    args.service.start_log(&loaded.settings.log, &folder)?;
    crate::sys::make_folder(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let config = agent_config(args, loaded, folder)?;
    if args.boot {
        return send_boot(&config);
    }
    if let Begun::Ended(code) = update::begin(&data_dir, &config.update, args.service.report_ready)
    {
        return Ok(code);
    }
    crate::sys::allocate_from_one_place();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = Stop::new()?;
    let agent = runtime.block_on(prepare(&config))?;
    let Some(agent) = agent else { return Ok(ExitCode::SUCCESS) };
    out::note(format!("hark agent: this is {}", agent.host()));
    args.service.ready();
    let newer = Arc::new(AtomicBool::new(false));
    let watcher = watch_for_newer(&data_dir, &config.update, &agent, &stop, &newer)?;
    let life = Life::of(&agent);
    // The agent has what it needs of it.
    drop(config);
    // The runtime only waits for signals from here on: the agent is one thread.
    let flag = stop.clone();
    let (running, ended) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("hark-agent".to_owned())
        .spawn(move || {
            // Dropped however it ends.
            let _running: oneshot::Sender<()> = running;
            agent.run(&flag)
        })
        .context("cannot start the agent's thread")?;
    runtime.block_on(watch(ended, &stop, life))?;
    drop(watcher);
    match thread.join() {
        Ok(Ok(_)) if newer.load(Ordering::SeqCst) => match update::go_over() {
            Begun::Ended(code) => Ok(code),
            Begun::GoOn => Ok(ExitCode::SUCCESS),
        },
        Ok(Ok(_)) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => anyhow::bail!("the agent ended with a fault of this program"),
    }
}

/// Returns whether the agent has no server, never had one, and has receivers of its own.
fn is_alone(args: &Args, loaded: &config::Loaded, folder: &Path) -> bool {
    let is_told = args.token.is_some() || args.secret_file.is_some() || !args.servers.is_empty();
    !is_told && loaded.tells_itself() && !hark_agent::has_joined(folder)
}

/// Hands a boot message to the agent that runs here: there is no server to send it to.
fn hand_in_boot(folder: &Path) -> anyhow::Result<ExitCode> {
    hark_agent::inject::send(folder, &boot_event()).map_err(|e| explained(e, folder))?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the thread that looks for newer versions: one that is there ends the agent and is noted in
/// `newer`.
fn watch_for_newer(
    data_dir: &Path,
    settings: &UpdateSettings,
    agent: &Agent,
    stop: &Stop,
    newer: &Arc<AtomicBool>,
) -> anyhow::Result<Option<Watcher>> {
    let pulse = agent.pulse();
    // Two heartbeats, and the time that an answer may take.
    let patience = agent.interval() * 2 + ANSWER;
    let (stop, newer) = (stop.clone(), Arc::clone(newer));
    let staged = move || {
        newer.store(true, Ordering::SeqCst);
        stop.stop();
    };
    let progress = Box::new(move || pulse.stored());
    Watcher::start(data_dir, settings, patience, progress, Box::new(staged))
        .context("cannot start a thread")
}

fn agent_config(
    args: &Args,
    loaded: config::Loaded,
    folder: PathBuf,
) -> anyhow::Result<AgentConfig> {
    let mut config = match loaded.agent {
        Some(configured) => AgentConfig { folder, ..configured },
        None => AgentConfig::new(folder, Access::Stored),
    };
    if let Some(token) = &args.token {
        config.access = Access::Token(Secret::new(token.trim()));
    } else if let Some(file) = &args.secret_file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        anyhow::ensure!(!secret.is_empty(), "the secret in {} is empty", file.display());
        config.access = Access::Secret(Secret::new(secret));
    } else if let (Access::Stored, Some(secret)) = (&config.access, loaded.settings.secret) {
        config.access = Access::Secret(secret);
    }
    if !args.servers.is_empty() {
        config.servers.clone_from(&args.servers);
    }
    config.host = args.name.clone().or(config.host);
    config.interval = args.interval.or(config.interval);
    Ok(config)
}

/// Makes the agent; while the server cannot be reached for enrolling, it is tried again. `None` if it
/// was told to end meanwhile.
async fn prepare(config: &AgentConfig) -> anyhow::Result<Option<Agent>> {
    let mut signals = Signals::listen()?;
    loop {
        // Enrolling blocks this thread for some seconds at most and has its own runtime.
        let made = std::thread::scope(|scope| scope.spawn(|| Agent::new(config)).join());
        let Ok(made) = made else { anyhow::bail!("enrolling ended with a fault of this program") };
        match made {
            Ok(agent) => return Ok(Some(agent)),
            Err(error) if error.is_transient() => {
                let error = anyhow::Error::from(error);
                tracing::warn!(error = format!("{error:#}"), "cannot join yet; trying again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            asked = signals.next() => {
                if asked == Asked::Stop {
                    return Ok(None);
                }
            }
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// Whether the agent's thread lives.
struct Life {
    pulse: Pulse,
    rounds: u64,
    at: Mono,
}

impl Life {
    fn of(agent: &Agent) -> Self {
        Self { pulse: agent.pulse(), rounds: 0, at: Clock.now().mono }
    }

    /// Returns true unless the thread has not come around for too long.
    fn is_there(&mut self, now: Mono) -> bool {
        let rounds = self.pulse.rounds();
        if rounds != self.rounds {
            (self.rounds, self.at) = (rounds, now);
        }
        now.since(self.at) <= self.pulse.interval() + STUCK
    }
}

/// Waits until a signal ends the agent or it ends by itself. Once the start is over, little else wakes
/// this thread.
async fn watch(
    mut ended: oneshot::Receiver<()>,
    stop: &Stop,
    mut life: Life,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let unused = tokio::time::sleep(SETTLED);
    tokio::pin!(unused);
    let every = manager::alive_every();
    let mut alive = tokio::time::interval(every.unwrap_or(NEVER));
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => {
                    stop.stop();
                    return Ok(());
                }
                Asked::Reload => tracing::info!("restart the agent to take up its configuration"),
                Asked::Show => {}
            },
            _ = &mut ended => return Ok(()),
            () = &mut unused => {
                crate::sys::give_unused_back();
                unused.set(tokio::time::sleep(SELDOM));
            }
            _ = alive.tick(), if every.is_some() => {
                if life.is_there(Clock.now().mono) {
                    manager::alive();
                }
            }
        }
    }
}

fn boot_event() -> hark_model::Event {
    hark_model::Event {
        at: Clock.now().unix,
        kind: hark_model::EventKind::Boot,
        severity: hark_model::Severity::Info,
        text: "the host has booted".to_owned(),
        tags: Vec::new(),
        data: None,
    }
}

fn send_boot(config: &AgentConfig) -> anyhow::Result<ExitCode> {
    let delivered = Agent::new(config)?.deliver(vec![boot_event()], Duration::from_secs(10))?;
    if !delivered {
        out::note("hark: the server did not answer; the message is kept for the next start");
    }
    Ok(if delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse_server(text: &str) -> Result<Server, String> {
    Server::parse(text).map_err(|e| e.to_string())
}

fn parse_name(text: &str) -> Result<HostName, String> {
    HostName::new(text).map_err(|e| e.to_string())
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = hark_config::duration::parse(text, hark_config::Bare::Seconds)
        .map_err(|e| e.to_string())?;
    let allowed = AgentConfig::SHORTEST_INTERVAL..=AgentConfig::LONGEST_INTERVAL;
    if allowed.contains(&interval) {
        Ok(interval)
    } else {
        Err("an agent's interval is between 1s and 1h".to_owned())
    }
}
