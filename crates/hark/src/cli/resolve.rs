//! `hark resolve`: ends an incident that does not end by itself.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::client::{ApiArgs, Client};
use crate::out;

/// End the incident of a volatile check, whose results are events: none of them would end it.
///
/// All other incidents end with a good result of their check; acknowledge or silence those.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark resolve 17 -m 'the badge is locked'")]
pub(super) struct Args {
    /// The incident's number, as `hark status` shows it.
    incident: u64,
    /// Why: others see it.
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let path = format!("/api/0/incidents/{}/resolve", args.incident);
    let row = client
        .post(None, &path, &json!({"comment": args.message}))
        .with_context(|| format!("cannot resolve incident {}", args.incident))?;
    if args.api.json {
        out::json(&row);
    } else {
        out::line(format!("Incident {} is over.", args.incident));
    }
    Ok(ExitCode::SUCCESS)
}
