//! `hark bench`: loads a server with the real protocol and measures it.

mod checks;
mod crossings;
mod own;
mod process;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hark_model::{Clock, Secret};
use serde_json::json;

use self::crossings::Crossings;
use crate::fleet::{Fleet, FleetPlan, Pace, percentile};
use crate::out;
use crate::stop::Stop;
use crate::sys::Bell;

/// The largest burst: what a receive buffer of the kernel could hold many times over.
const MOST_AT_ONCE: usize = 1_000_000;

/// Load a server with simulated agents that speak the real protocol, and print rates, losses and
/// latencies.
///
/// Without --server a server of its own is started on one core and loaded from another; nothing of it
/// is kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark bench\n  hark bench --hosts 1000 --for 30s\n  \
    hark bench --checks 1000 --for 2m\n  \
    hark bench --server 127.0.0.1:50003 --secret-file /etc/hark/secret --hosts 200 --interval 10s")]
pub(super) struct Args {
    /// How many hosts.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    hosts: u32,
    /// How long to load.
    #[arg(long = "for", default_value = "20s", value_parser = parse_time, value_name = "TIME")]
    how_long: Duration,
    /// Load this server instead of an own one, each host at its interval.
    #[arg(long, requires = "secret_file", value_name = "ADDRESS")]
    server: Option<SocketAddr>,
    /// A file with that server's shared secret.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How often each host sends.
    #[arg(long, default_value = "15s", value_parser = parse_time, value_name = "TIME")]
    interval: Duration,
    /// Mean hours between two troubles of one host. [default: all stay healthy]
    #[arg(long, value_name = "HOURS")]
    trouble_hours: Option<f64>,
    /// Have so many hosts cross a limit each, at chance moments, and print which and when.
    #[arg(long, value_name = "COUNT", requires = "server", conflicts_with = "trouble_hours",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    crossings: Option<u32>,
    /// All hosts send in the same moment, once the server knows them.
    #[arg(long, requires = "server")]
    at_once: bool,
    /// What the names of the hosts begin with.
    #[arg(long, default_value = "bench", value_name = "NAME")]
    prefix: String,
    /// Measure the checks that a server runs instead: so many a second, ping, TCP and HTTP mixed.
    #[arg(long, value_name = "RATE", conflicts_with_all = ["server", "hosts"],
        value_parser = clap::value_parser!(u32).range(1..=20_000))]
    checks: Option<u32>,
    /// Heartbeats that may be on their way during the flood. With no more than there are hosts, each one gets
    /// an answer of its own; with the default, enough are there to keep the server busy between two commits.
    #[arg(long, conflicts_with = "server", default_value_t = 30_000, value_name = "COUNT",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    on_the_way: u64,
    /// Heartbeats sent at once in the burst.
    #[arg(long, conflicts_with = "server", default_value = "10000", value_name = "COUNT",
        value_parser = parse_burst)]
    burst: usize,
    /// The same number gives the same hosts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    crate::server::run::runs_here()?;
    let stop = Stop::at_signal()?;
    match (args.checks, args.server) {
        (Some(rate), _) => checks::run(args, rate, &stop),
        (None, Some(server)) => against(args, server, &stop),
        (None, None) => own::run(args, &stop),
    }
}

/// Plays the hosts of a server that somebody else started.
fn against(args: &Args, server: SocketAddr, stop: &Stop) -> anyhow::Result<ExitCode> {
    let file = args.secret_file.as_ref().context("a server needs --secret-file")?;
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let plan = FleetPlan {
        hosts: args.hosts,
        prefix: args.prefix.clone(),
        secret: Secret::new(text.trim_end_matches(['\r', '\n'])),
        server,
        interval: args.interval,
        seed: args.seed,
        trouble_hours: args.trouble_hours,
        pace: if args.at_once { Pace::AtOnce } else { Pace::Spread },
    };
    let mut fleet = Fleet::new(plan)?;
    let bell = Bell::new()?;
    let begin = Clock.now().mono;
    let end = begin + args.how_long;
    let mut crossings = Crossings::plan(args, begin);
    fleet.run(&bell, |fleet| {
        crossings.carry_out(fleet, Clock.now().mono);
        stop.is_raised() || Clock.now().mono >= end
    });
    // What is on its way may still arrive.
    let last = Clock.now().mono + Duration::from_secs(2);
    while fleet.on_the_way() > 0 && Clock.now().mono < last {
        fleet.listen(Duration::from_millis(50), &bell);
    }
    let mut report = fleet.report().clone();
    let [p50, p99] = [0.5, 0.99].map(|p| milliseconds(percentile(&mut report.latencies, p)));
    if args.json {
        out::json(&json!({"hosts": fleet.len(), "sent": report.sent,
            "acknowledged": report.acknowledged, "overdue": report.overdue,
            "resets": report.resets, "latency_p50_ms": p50, "latency_p99_ms": p99,
            "crossings": crossings.json()}));
    } else {
        crossings.print();
        out::line(format!("hosts         {}", fleet.len()));
        out::line(format!("sent          {}", report.sent));
        out::line(format!("acknowledged  {}", report.acknowledged));
        out::line(format!("overdue       {}", report.overdue));
        out::line(format!("resets        {}", report.resets));
        out::line(format!("latency       p50 {p50:.1} ms, p99 {p99:.1} ms"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns microseconds as milliseconds.
fn milliseconds(micros: u32) -> f64 {
    f64::from(micros) / 1000.0
}

fn parse_burst(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1..=MOST_AT_ONCE).contains(&count) {
        Ok(count)
    } else {
        Err(format!("1 to {MOST_AT_ONCE}"))
    }
}

fn parse_time(text: &str) -> Result<Duration, String> {
    hark_config::duration::parse(text, hark_config::Bare::Seconds).map_err(|e| e.to_string())
}
