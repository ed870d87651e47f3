//! `hark quarantine`: whether a server that was restored tells anybody, and its end.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::client::{ApiArgs, Client};
use super::status::text;
use crate::out;

/// Show whether the server was restored from a backup and tells nobody; have it tell again.
///
/// A restored server watches and shows everything, and tells nobody, so that it does not page beside the one
/// that it is a copy of. What it has to tell waits, and goes out once that is over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark quarantine\n  hark quarantine end\n\n\
    The exit code of the first is 1 while the server is in quarantine.")]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    End(End),
}

/// Have people be told: the server that this is a copy of does not run any more.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark quarantine end")]
struct End {
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Order::End(end)) = &args.order {
        Client::new(&end.api)?
            .post(None, "/api/0/quarantine/end", &json!({}))
            .context("the quarantine goes on")?;
        if !end.api.json {
            out::line("The quarantine is over: people are told from here on.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let server = Client::new(&args.api)?.get("/api/0/self").context("cannot ask the server")?;
    let quarantine = &server["quarantine"];
    if args.api.json {
        out::json(quarantine);
    } else if quarantine.is_null() {
        out::line("This server is in no quarantine: people are told.");
    } else {
        out::line(format!(
            "Restored {} from a backup of {}: nobody is told until `hark quarantine end`.",
            out::moment(&text(&quarantine["restored_at"])),
            out::moment(&text(&quarantine["taken_at"]))
        ));
    }
    Ok(if quarantine.is_null() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
