//! `hark explain`: why somebody was told, or was not.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use super::client::{ApiArgs, Client};
use crate::out;

/// Explain an incident: each message and what became of it, each one withheld and why, what people did; last,
/// what would be done now.
///
/// A message is queued (waits or is being sent), retry (failed, tried again), sent (arrived), dead (given up) or
/// superseded (replaced by a newer one before it was sent); told, where it is not kept any more.
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
    let explained = client
        .get(&format!("/api/0/incidents/{}/explain", args.incident))
        .with_context(|| format!("cannot explain incident {}", args.incident))?;
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
    if explained["derived"].is_string() {
        out::line(format!("Derived: {}.", word(&explained["derived"])));
    }
    if explained["repair"].is_string() {
        out::line(format!("Repair: {}.", word(&explained["repair"])));
    }
    out::line("");
    out::table(&["WHEN", "DECISION", "RECEIVER", "BLOCK", "WHY"], &rows(&explained));
    Ok(ExitCode::SUCCESS)
}

/// Returns what was decided, oldest first, then what would be decided now.
fn rows(explained: &Value) -> Vec<Vec<String>> {
    let lines = || explained["lines"].as_array().into_iter().flatten();
    let is_present = |line: &&Value| line["present"].as_bool().unwrap_or(false);
    let past = lines().rev().filter(|line| !is_present(line));
    past.chain(lines().filter(is_present)).map(row).collect()
}

fn row(line: &Value) -> Vec<String> {
    let [decision, receiver, block, text] =
        ["decision", "receiver", "block", "text"].map(|key| word(&line[key]));
    let present = line["present"].as_bool().unwrap_or(false);
    let when = if present { "now".to_owned() } else { out::moment(&word(&line["at"])) };
    // What became of a message is what it is worth: that it was made says little.
    let message = word(&line["message_state"]);
    let decision = match (present, decision.as_str(), block.is_empty()) {
        (true, "told", true) => "would be told".to_owned(),
        (true, "told", false) => "knows it".to_owned(),
        (true, "queued", _) if message == "dead" => "was given up".to_owned(),
        (true, "queued", _) => "does not have it yet".to_owned(),
        (true, "withheld", _) => "would be withheld".to_owned(),
        (true, "waiting", _) => "waits".to_owned(),
        (false, "told", _) if !message.is_empty() => message,
        _ => decision,
    };
    vec![when, decision, receiver, block, text]
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_decided_comes_first_and_what_would_be_now_is_marked() {
        let line = |at: &str, decision: &str, block: Option<&str>, present: bool| {
            json!({"at": at, "decision": decision, "receiver": "ops", "block": block,
                "text": "why", "present": present})
        };
        let explained = json!({"lines": [
            line("2026-11-21T00:03:00Z", "told", Some("told"), true),
            line("2026-11-21T00:02:00Z", "told", None, false),
            line("2026-11-21T00:01:00.5Z", "withheld", Some("silence"), false),
        ]});
        let shown: Vec<String> = rows(&explained).iter().map(|row| row[..2].join(" ")).collect();
        assert_eq!(
            shown,
            ["2026-11-21 00:01:00 UTC withheld", "2026-11-21 00:02:00 UTC told", "now knows it"]
        );
    }

    #[test]
    fn a_message_is_said_to_be_what_became_of_it() {
        let shown = |decision: &str, state: Value, present: bool| {
            let line = json!({"at": "2026-11-21T00:03:00Z", "decision": decision, "receiver": "ops",
                "block": null, "text": "CRITICAL: db1", "present": present, "message_state": state});
            row(&line)[1].clone()
        };
        for state in ["queued", "retry", "sent", "dead", "superseded"] {
            assert_eq!(shown("told", state.into(), false), state);
        }
        assert_eq!(shown("told", Value::Null, false), "told");
        assert_eq!(shown("queued", Value::Null, true), "does not have it yet");
        assert_eq!(shown("queued", "retry".into(), true), "does not have it yet");
        assert_eq!(shown("queued", "dead".into(), true), "was given up");
        assert_eq!(shown("handled", Value::Null, false), "handled");
    }
}
