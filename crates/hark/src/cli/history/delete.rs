//! `hark history delete`: samples of a host erased for good.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hark_api::Timestamp;
use serde_json::{Value, json};

use super::{end_of_progress, show_progress, size};
use crate::cli::client::{ApiArgs, Client};
use crate::out;

/// How often the server is asked how far it has come.
const PAUSE: Duration = Duration::from_millis(500);

/// Erase samples of a host for good, or say how much that would be. The server does it, while it runs.
///
/// They are taken out of every file and do not come back; backups of before have them still. The host itself
/// stays: what comes of it from now on is kept. A host that is dropped loses all its samples by that.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark history delete --host web1 --dry-run\n  \
    hark history delete --host web1 --metric 'exporter.*' --before 2026-11-01T00:00:00Z\n  \
    hark history delete --host web1 --metric hark_disk_percent")]
pub(super) struct Args {
    /// The host.
    #[arg(long, value_name = "NAME")]
    host: String,
    /// Only series that fit: `collector.metric`, the whole path, or the name for Prometheus.
    #[arg(long, value_name = "PATTERN")]
    metric: Option<String>,
    /// Only what is from before; all that there is by now if not given.
    #[arg(long, value_name = "TIME", value_parser = super::export::time)]
    before: Option<hark_model::Unix>,
    /// Only say how much it would be.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let mut request = json!({"host": args.host, "dry_run": args.dry_run});
    if let Some(metric) = &args.metric {
        request["metric"] = json!(metric);
    }
    if let Some(before) = args.before {
        request["before"] = json!(Timestamp(before));
    }
    let ask = || format!("cannot erase samples of {}", args.host);
    let answer = client.post(None, "/api/0/history/erase", &request).with_context(ask)?;
    if args.dry_run {
        show_plan(&answer, args);
        return Ok(ExitCode::SUCCESS);
    }
    let job = followed(&client, answer)?;
    if args.api.json {
        out::json(&job);
    } else {
        let why = job["failures"][0]["detail"].as_str().unwrap_or("somebody has ended it");
        match job["state"].as_str() {
            Some("done") => out::line(format!("Done: {}.", text(&job["title"]))),
            _ => out::note(format!("hark: not done: {why}")),
        }
    }
    Ok(if job["state"] == "done" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits for the end of the job.
fn followed(client: &Client, mut job: Value) -> anyhow::Result<Value> {
    let path = format!("/api/0/jobs/{}", job["id"]);
    while job["ended_at"].is_null() {
        show_progress(&format!("{} of {} steps", job["done"], job["total"]));
        client.pause(PAUSE);
        job = client.get(&path).context("cannot ask the server how far it has come")?;
    }
    end_of_progress();
    Ok(job)
}

fn show_plan(plan: &Value, args: &Args) {
    if args.api.json {
        return out::json(plan);
    }
    let bytes = size(plan["bytes"].as_u64().unwrap_or(0));
    out::line(format!(
        "{} samples of {} series of {} from before {}: {bytes} in {} chunks and coarser rows. \
         Nothing was erased.",
        plan["samples"],
        plan["series"],
        text(&plan["host"]),
        out::moment(&text(&plan["before"])),
        plan["rows"],
    ));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
