//! `hark once`: every configured check, now.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hark_checks::{Check, Configured, Context, Finding, Programs};
use hark_model::Status;
use hark_model::time::Clock;
use hark_net::Resolver;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::config::report;
use crate::config::{self, Paths};
use crate::out;

/// Look at everything that the configuration names, once, and print each result as it comes.
///
/// The server need not run, nothing is kept, and nobody is told. Exit code: 0 all are ok, 1 some are
/// not, 2 the configuration is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark once\n  hark once -c /etc/hark --failed\n  \
    hark once --json | jq '.[] | select(.status != \"ok\")'\n  hark once web1 db1/backup")]
pub(super) struct Args {
    /// Only these: hosts, or HOST/CHECK.
    #[arg(value_name = "HOST[/CHECK]")]
    only: Vec<String>,
    /// The configuration: a file or a folder.
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// Print only what is not ok.
    #[arg(long)]
    failed: bool,
    /// How many looks at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Print JSON, once all are done.
    #[arg(long)]
    json: bool,
}

/// What one look found.
struct Looked {
    place: usize,
    finding: Finding,
    took: Duration,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let loaded = match config::load(&Paths::new(args.config.clone(), None)) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(report(&error, args.json)),
    };
    let mut checks = loaded.checks;
    if let Some(unknown) = args.only.iter().find(|only| !checks.iter().any(|c| is_meant(c, only))) {
        out::note(format!("hark: the configuration has no check of {unknown}"));
        return Ok(ExitCode::from(super::EXIT_USAGE));
    }
    checks
        .retain(|check| args.only.is_empty() || args.only.iter().any(|only| is_meant(check, only)));
    if checks.is_empty() && !args.json {
        out::line("The configuration names no checks.");
    }
    let programs = Programs::new(&format!("once-{}", std::process::id()));
    let context =
        Context { guard: loaded.guard, programs, ..Context::new(Arc::new(Resolver::default())) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let found = runtime.block_on(look_at_all(args, &checks, &context));
    let n_bad = found.iter().flatten().filter(|looked| looked.finding.status.is_problem()).count();
    if args.json {
        let shown: Vec<Value> = checks
            .iter()
            .zip(&found)
            .filter_map(|(check, looked)| Some(as_json(check, looked.as_ref()?)))
            .filter(|shown| !args.failed || shown["status"] != "ok")
            .collect();
        out::json(&json!(shown));
    } else if !checks.is_empty() {
        out::line(format!("{} of {} are ok.", checks.len() - n_bad, checks.len()));
    }
    Ok(if n_bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_meant(check: &Configured, only: &str) -> bool {
    let (host, name) = (check.host.as_str(), check.name.as_str());
    only == host
        || only.split_once('/').is_some_and(|(wanted, rest)| wanted == host && rest == name)
}

/// Looks at every check, some at a time; prints each as it ends. Returns what was found in the order
/// of the checks.
async fn look_at_all(args: &Args, checks: &[Configured], context: &Context) -> Vec<Option<Looked>> {
    let room = Arc::new(Semaphore::new(args.jobs.into()));
    let mut tasks = JoinSet::new();
    for (place, configured) in checks.iter().enumerate() {
        let (check, context): (Arc<dyn Check>, _) =
            (Arc::clone(&configured.check), context.clone());
        let room = Arc::clone(&room);
        tasks.spawn(async move {
            let _room = room.acquire().await;
            let (finding, took) = hark_checks::run(&*check, &context).await;
            Looked { place, finding, took }
        });
    }
    let mut found: Vec<Option<Looked>> = checks.iter().map(|_| None).collect();
    let progress = out::error_is_terminal() && !args.json;
    let mut n_done = 0;
    let began = Clock.now().mono;
    while let Some(looked) = tasks.join_next().await {
        n_done += 1;
        let Ok(looked) = looked else { continue };
        let (configured, place) = (checks.get(looked.place), looked.place);
        if let Some(configured) = configured
            && !args.json
            && (!args.failed || looked.finding.status.is_problem())
        {
            if progress {
                out::erase_note();
            }
            out::line(line(configured, &looked.finding, looked.took));
        }
        if progress {
            let seconds = Clock.now().mono.since(began).as_secs();
            out::passing_note(format!("{n_done} of {} after {seconds} s", checks.len()));
        }
        if let Some(slot) = found.get_mut(place) {
            *slot = Some(looked);
        }
    }
    if progress {
        out::erase_note();
    }
    // A look that failed in itself says nothing of what it looked at.
    for (place, slot) in found.iter_mut().enumerate() {
        slot.get_or_insert_with(|| Looked {
            place,
            finding: Finding::new(
                Status::Unknown,
                "the check failed in a way that is a fault of hark",
            ),
            took: Duration::ZERO,
        });
    }
    found
}

fn line(check: &Configured, finding: &Finding, took: Duration) -> String {
    let first = finding.text.lines().next().unwrap_or_default();
    format!(
        "{:8} {}/{} ({} {}, {:.2} s): {first}",
        finding.status.word(),
        check.host,
        check.name,
        check.check.kind(),
        check.check.target(),
        took.as_secs_f64()
    )
}

fn as_json(check: &Configured, looked: &Looked) -> Value {
    let finding = &looked.finding;
    let values: serde_json::Map<_, _> =
        finding.measures.iter().map(|m| (m.name.to_string(), json!(m.value))).collect();
    json!({
        "host": check.host.as_str(),
        "check": check.name.as_str(),
        "type": check.check.kind(),
        "target": check.check.target(),
        "status": finding.status.word(),
        "text": finding.text,
        "values": values,
        "took_seconds": looked.took.as_secs_f64(),
    })
}
