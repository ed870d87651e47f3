//! `hark enroll`: makes the one line that joins a host.

use std::process::ExitCode;

use serde_json::json;

use super::client::{ApiArgs, Client};
use crate::out;

/// Make a one-time token and print the line to run on the new host.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark enroll\n  hark enroll --host db1 --valid 24h --tag role:db"
)]
pub(super) struct Args {
    /// Only this host may use it.
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// How long it can be used.
    #[arg(long, default_value = "1h", value_name = "TIME")]
    valid: String,
    /// How many hosts may use it.
    #[arg(long, default_value_t = 1, value_name = "N")]
    uses: u32,
    /// A tag for the hosts that use it; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The address under which hosts reach this server, if it is not the one they would see.
    #[arg(long, value_name = "HOST")]
    address: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let valid = hark_config::duration::parse(&args.valid, hark_config::Bare::Seconds)
        .map_err(|e| anyhow::anyhow!("--valid: {e}"))?;
    let client = Client::new(&args.api)?;
    let answer = client.post(
        args.address.as_deref(),
        "/api/0/enrol",
        &json!({"host": args.host, "valid_seconds": valid.as_secs(), "uses": args.uses,
                "tags": args.tags}),
    )?;
    if args.api.json {
        out::json(&answer);
    } else {
        out::note(format!("Run this on the new host before {}:", answer["expires_at"]));
        out::line(answer["command"].as_str().unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}
