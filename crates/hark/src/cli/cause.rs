//! `hark cause`: says from which incident another one follows.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::client::{ApiArgs, Client};
use crate::out;

/// Say that an incident follows from another open one: nothing more is told of it until that is over.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark cause 18 17      18 follows from 17\n  hark cause 18 --none"
)]
pub(super) struct Args {
    /// The number of the incident that follows.
    incident: u64,
    /// The number of the one it follows from.
    #[arg(required_unless_present = "none")]
    cause: Option<u64>,
    /// It is a problem of its own after all.
    #[arg(long, conflicts_with = "cause")]
    none: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let path = format!("/api/0/incidents/{}/cause", args.incident);
    let row = client
        .post(None, &path, &json!({"cause": args.cause}))
        .with_context(|| format!("cannot change incident {}", args.incident))?;
    if args.api.json {
        out::json(&row);
    } else if let Some(cause) = args.cause {
        out::line(format!("Incident {} is caused by {cause}.", args.incident));
    } else {
        out::line(format!("Incident {} has no cause.", args.incident));
    }
    Ok(ExitCode::SUCCESS)
}
