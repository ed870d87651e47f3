//! `hark push`: the jobs that report themselves, and the addresses that they call.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Show the jobs that report themselves, how they are, and the address that each of them calls.
///
/// Whoever knows an address can speak for its job, so this is for administrators.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark push\n  hark push backup --watch\n  hark push --json")]
pub(super) struct Args {
    /// Only the jobs with this check or host.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    watch::list(&args.api, &args.watch, |client| list(client, args))
}

fn list(client: &Client, args: &Args) -> anyhow::Result<()> {
    let mut jobs = client.get("/api/0/pushes")?;
    if let (Some(jobs), Some(name)) = (jobs.as_array_mut(), &args.name) {
        jobs.retain(|job| job["check"] == name.as_str() || job["host"] == name.as_str());
    }
    if args.api.json {
        out::json(&jobs);
        return Ok(());
    }
    let base = client.base();
    let rows: Vec<Vec<String>> =
        jobs.as_array().into_iter().flatten().map(|job| row(job, &base)).collect();
    if rows.is_empty() {
        out::line("No job reports itself here: checks with `push` do (docs/push.md).");
    } else {
        out::table(&["HOST", "CHECK", "STATE", "DUE", "SCHEDULE", "ADDRESS"], &rows);
    }
    Ok(())
}

fn row(job: &Value, base: &str) -> Vec<String> {
    let word = |key: &str| job[key].as_str().unwrap_or_default().replace(char::is_control, " ");
    let due = match job["due_at"].as_str() {
        Some(due) => out::moment(due),
        None => "-".to_owned(),
    };
    let address = format!("{base}{}", word("path"));
    vec![word("host"), word("check"), word("state"), due, word("schedule"), address]
}
