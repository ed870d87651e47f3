//! `hark route test`: who would be told, when, by what, and why.

use std::process::ExitCode;

use anyhow::Context;
use hark_net::encoded;
use serde_json::Value;

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Ask the server about its routes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark route test db1 --check raid")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Test(Test),
}

/// Who would be told of a problem that nobody has, for a week: messages, reminders, steps, and what is kept
/// back. The server decides as it would if it came; nothing is sent.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark route test db1\n  hark route test db1 --check raid --severity \
                        warning --at 2026-12-24T22:00:00Z\n  hark route test db1 --event boot"
)]
struct Test {
    /// The host; it need not be known yet.
    host: String,
    /// Its check [default: the host itself].
    #[arg(long)]
    check: Option<String>,
    /// How bad [default: critical, info for an event].
    #[arg(long, value_parser = ["info", "unknown", "warning", "critical"])]
    severity: Option<String>,
    /// Instead of a problem: a kind of event, such as `boot`.
    #[arg(long, conflicts_with = "check")]
    event: Option<String>,
    /// When it begins, such as `2026-12-24T22:00:00Z` [default: now].
    #[arg(long)]
    at: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Test(test) = &args.what;
    let mut path = format!("/api/0/routes/test?host={}", encoded(&test.host));
    let usual = if test.event.is_some() { "info" } else { "critical" };
    path.extend(["&severity=", test.severity.as_deref().unwrap_or(usual)]);
    for (key, value) in [("check", &test.check), ("event", &test.event), ("at", &test.at)] {
        if let Some(value) = value {
            path.extend(["&", key, "=", &encoded(value)]);
        }
    }
    watch::list(&test.api, &test.watch, |client| show(client, test, &path))
}

fn show(client: &Client, test: &Test, path: &str) -> anyhow::Result<()> {
    let lines = client.get(path).with_context(|| format!("cannot ask about {}", test.host))?;
    if test.api.json {
        out::json(&lines);
        return Ok(());
    }
    let lines = lines.as_array().map(Vec::as_slice).unwrap_or_default();
    let (remarks, lines): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| is_remark(line));
    for remark in remarks {
        out::note(remark["text"].as_str().unwrap_or_default().replace(char::is_control, " "));
    }
    out::table(
        &["WHEN", "RECEIVER", "WHAT", "BLOCK", "WHY"],
        &lines.into_iter().map(row).collect::<Vec<_>>(),
    );
    Ok(())
}

/// Returns true if a line is about the question, not about anybody.
fn is_remark(line: &Value) -> bool {
    line["receiver"].is_null() && line["block"].is_null()
}

fn row(line: &Value) -> Vec<String> {
    let word = |key: &str| line[key].as_str().unwrap_or_default().replace(char::is_control, " ");
    let receiver = match word("receiver") {
        receiver if receiver.is_empty() => "nobody".to_owned(),
        receiver => receiver,
    };
    let what = match (line["times"].as_u64(), line["until"].as_str()) {
        (Some(times), Some(until)) => {
            format!("{}, {times} times until {}", word("reason"), out::moment(until))
        }
        _ => word("reason"),
    };
    vec![out::moment(&word("at")), receiver, what, word("block"), word("text")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_without_receiver_is_for_nobody() {
        let line = json!({"at": "2026-11-20T00:00:00Z", "receiver": null, "reason": null,
            "block": "route", "text": "no route leads to a receiver"});
        let row = row(&line);
        assert_eq!(row[1..], ["nobody", "", "route", "no route leads to a receiver"]);
        assert!(!is_remark(&line));
        assert!(is_remark(&json!({"receiver": null, "block": null, "text": "there is no host"})));
    }

    #[test]
    fn many_reminders_are_one_row() {
        let line = json!({"at": "2026-11-20T00:00:00Z", "receiver": "mail", "reason": "reminder",
            "block": null, "text": "", "times": 167, "until": "2026-11-27T00:00:00Z"});
        assert!(row(&line)[2].starts_with("reminder, 167 times until "), "{:?}", row(&line));
    }
}
