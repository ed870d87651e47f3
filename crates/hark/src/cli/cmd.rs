//! `hark cmd`: has a host carry out one of the actions that it offers.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hark_model::time::Clock;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// How often it is looked whether the outcome is there.
const LOOK: Duration = Duration::from_millis(300);

/// Exit code where the action has none: it was not ordered or not carried out, a signal or its time limit ended
/// it, or nothing is known of its end. Never 1, as for other commands: that may be the action's.
const EXIT_NOT_DONE: u8 = 125;

/// Order an action of a host's own list, and wait for its outcome. The exit code is the action's; 125 where it
/// has none: not offered, not carried out, ended by a signal or its time limit, or its end is not known.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hark cmd web1 restart-nginx --reason 'it hangs'\n  hark cmd web1 --watch"
)]
pub(super) struct Args {
    /// The host.
    host: String,
    /// The action; without, what the host offers is shown.
    #[arg(conflicts_with = "watch")]
    action: Option<String>,
    /// Why: others see it.
    #[arg(long, default_value = "from the command line")]
    reason: String,
    /// Seconds that the order may wait for the agent.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    expires: u64,
    /// Seconds to wait for the outcome.
    #[arg(long, default_value_t = 330)]
    wait: u64,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(action) = &args.action else {
        return watch::list(&args.api, &args.watch, |client| show_offered(client, args));
    };
    let order = match carry_out(args, action) {
        Ok(order) => order,
        Err(error) => {
            out::error(&error);
            return Ok(ExitCode::from(EXIT_NOT_DONE));
        }
    };
    if args.api.json {
        out::json(&order);
    } else {
        let text = order["text"].as_str().unwrap_or_default();
        let hidden = |c: char| c.is_control() && c != '\n';
        out::line(format!(
            "{}: {}",
            order["state"].as_str().unwrap_or_default(),
            text.replace(hidden, " ")
        ));
    }
    Ok(exit(&order))
}

fn path(args: &Args) -> String {
    format!("/api/0/hosts/{}/actions", args.host)
}

fn show_offered(client: &Client, args: &Args) -> anyhow::Result<()> {
    let actions = client.get(&path(args))?;
    if args.api.json {
        out::json(&actions);
        return Ok(());
    }
    let offered = actions["offered"].as_array().map_or(&[][..], Vec::as_slice);
    if offered.is_empty() {
        out::note(format!(
            "{} offers no actions: its own configuration names them (`agent.actions`)",
            args.host
        ));
    }
    for name in offered {
        out::line(name.as_str().unwrap_or_default());
    }
    Ok(())
}

/// Orders the action, and returns the order with its outcome, or as it is when that is waited for no longer.
fn carry_out(args: &Args, action: &str) -> anyhow::Result<Value> {
    let client = Client::new(&args.api)?;
    let path = path(args);
    let request = json!({"reason": args.reason, "expires_seconds": args.expires});
    let mut order = client
        .post(None, &format!("{path}/{action}"), &request)
        .with_context(|| format!("cannot order {action}"))?;
    let begin = Clock.now().mono;
    let limit = Duration::from_secs(args.wait);
    while is_open(&order) && Clock.now().mono.since(begin) < limit {
        client.pause(LOOK);
        let actions = client.get(&path)?;
        let orders = actions["orders"].as_array().into_iter().flatten();
        if let Some(found) = orders.into_iter().find(|found| found["id"] == order["id"]) {
            order = found.clone();
        }
    }
    Ok(order)
}

fn is_open(order: &Value) -> bool {
    matches!(order["state"].as_str(), Some("waiting" | "taken"))
}

fn exit(order: &Value) -> ExitCode {
    let exit = order["exit"].as_u64().and_then(|exit| u8::try_from(exit).ok());
    ExitCode::from(exit.unwrap_or(EXIT_NOT_DONE))
}
