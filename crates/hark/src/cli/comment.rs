//! `hark comment`: a remark on an incident.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::client::{ApiArgs, Client};
use crate::out;

/// Add a remark to an incident: it stands beside it for everybody, and is told to nobody.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark comment 17 -m 'the new disk is in'")]
pub(super) struct Args {
    /// The incident's number, as `hark status` shows it.
    incident: u64,
    /// What to say.
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let path = format!("/api/0/incidents/{}/comment", args.incident);
    let row = client
        .post(None, &path, &json!({"text": args.message}))
        .with_context(|| format!("cannot remark on incident {}", args.incident))?;
    if args.api.json {
        out::json(&row);
    } else {
        out::line(format!("Incident {} has your remark.", args.incident));
    }
    Ok(ExitCode::SUCCESS)
}
