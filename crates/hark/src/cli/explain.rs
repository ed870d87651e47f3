//! `hark explain`: why somebody was told, or was not.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{ApiArgs, Client};
use crate::out;

/// Explain an incident: each message sent or withheld, with the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark explain 17")]
pub(super) struct Args {
    /// The incident's number, as `hark status` shows it.
    incident: u64,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let explained = client.get(&format!("/api/0/incidents/{}/explain", args.incident))?;
    if args.api.json {
        out::json(&explained);
        return Ok(ExitCode::SUCCESS);
    }
    let incident = client.get(&format!("/api/0/incidents/{}", args.incident))?;
    out::line(format!(
        "Incident {}: {} {} is {}",
        args.incident,
        word(&incident["host"]),
        word(&incident["check"]),
        word(&incident["status"])
    ));
    out::line(word(&incident["text"]));
    let rows: Vec<Vec<String>> = explained["lines"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|l| ["at", "decision", "receiver", "block", "text"].map(|k| word(&l[k])).to_vec())
        .collect();
    out::line("");
    out::table(&["WHEN", "DECISION", "RECEIVER", "BLOCK", "WHY"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace(char::is_control, " ")
}
