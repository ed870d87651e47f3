//! `hark demo`: the whole product with simulated hosts that misbehave.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hark_model::Secret;

use super::service;
use crate::config;
use crate::fleet::{Fleet, FleetPlan, Pace};
use crate::log::Target;
use crate::out;
use crate::server::assemble::{Options, Reach, Server};
use crate::server::run::{WORKERS, runtime};
use crate::stop::{Asked, Signals, Stop};
use crate::sys::Bell;

/// What the demonstration watches: limits that simulated machines cross now and then.
const CONFIGURATION: &str = "
interval: 5s
thresholds:
  cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}
  memory_monitor: {percent: {warning: 85, critical: 95}}
  disk_monitor: {partitions: {\"/\": {percent: {warning: 85, critical: 95}}}}
journal_enabled: false
";

/// How often each simulated host sends.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long the first troubles last: whoever looks at a demonstration sees some at once, and how they end.
const FIRST_TROUBLE: Duration = Duration::from_mins(6);

/// Run the whole product with simulated hosts that misbehave; nothing is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark demo --hosts 500")]
pub(super) struct Args {
    /// How many hosts.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    hosts: u32,
    /// The same number gives the same hosts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Mean hours between two troubles of one host.
    #[arg(long, default_value_t = 1.0, value_name = "HOURS")]
    trouble_hours: f64,
    /// Where the page is.
    #[arg(long, default_value = "127.0.0.1:50004", value_parser = service::parse_listen)]
    http: SocketAddr,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    crate::server::run::runs_here()?;
    crate::log::start(&Target::Stderr, "warn")?;
    let folder = Scratch::new()?;
    let secret = hark_web::new_setup_code()?;
    let mut loaded = config::load_text("demo.yaml", CONFIGURATION.to_owned())
        .context("the demonstration's configuration is wrong")?;
    loaded.settings.secret = Some(secret.clone());
    let options = Options {
        data_dir: folder.path().to_owned(),
        own_agent: false,
        reach: Reach::Others {
            udp: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            http: Some(args.http),
        },
        paths: None,
    };
    runtime(WORKERS)?.block_on(live(args, loaded, options, secret))
}

async fn live(
    args: &Args,
    loaded: config::Loaded,
    options: Options,
    secret: Secret,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let server = Server::start(loaded, options)?.whole()?;
    let plan = FleetPlan {
        hosts: args.hosts,
        prefix: "demo".to_owned(),
        secret,
        server: server.udp(),
        interval: INTERVAL,
        seed: args.seed,
        trouble_hours: Some(args.trouble_hours),
        pace: Pace::Spread,
    };
    let stop = Stop::default();
    let hosts = spawn_fleet(plan, stop.clone())?;
    out::line(format!("hark demo: {} simulated hosts, nothing is kept", args.hosts));
    let data = server.data_dir().display();
    out::line(format!("  page  {}", server.page_url().unwrap_or_default()));
    out::line(format!("  data  {data}"));
    if let Some(link) = server.setup_link() {
        out::line("Open this link once to make an administrator for this demonstration:");
        out::line(format!("  {link}"));
        out::line("Then the commands reach it as well:");
    } else {
        out::line("The commands reach it as well:");
    }
    out::line(format!("  hark status -a --data {data}"));
    out::line(format!("  hark explain INCIDENT --data {data}"));
    while signals.next().await != Asked::Stop {}
    stop.raise();
    server.end().await;
    if hosts.join().is_err() {
        tracing::error!("the simulated hosts ended with a fault of this program");
    }
    Ok(ExitCode::SUCCESS)
}

fn spawn_fleet(plan: FleetPlan, stop: Stop) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let mut fleet = Fleet::new(plan)?;
    fleet.begin_in_trouble(FIRST_TROUBLE);
    let bell = Arc::new(Bell::new()?);
    let run = move || fleet.run(&bell, |_| stop.is_raised());
    Ok(std::thread::Builder::new().name("hark-fleet".to_owned()).spawn(run)?)
}

/// A folder that is removed when the program ends in order.
#[derive(Debug)]
pub(super) struct Scratch(std::path::PathBuf);

impl Scratch {
    /// Makes it beside the system's other temporary files.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn new() -> anyhow::Result<Self> {
        let name = format!("hark-{}-{}", std::process::id(), hark_model::Clock.micros().0);
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "cannot be removed");
        }
    }
}
