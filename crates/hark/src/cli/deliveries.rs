//! `hark deliveries`: messages on their way and arrived, what their receivers were asked and answered.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use hark_model::Clock;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Show messages on their way and arrived, each try of one of them, or try one at once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark deliveries --state retry --watch\n  hark deliveries --receiver chat \
    --since 2h\n  hark deliveries show 4711\n  hark deliveries retry 4711\n  hark deliveries --json"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only in this state: queued, retry, sent, dead, superseded.
    #[arg(long)]
    state: Option<String>,
    /// Only to this receiver.
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Only about this incident.
    #[arg(long, value_name = "NUMBER")]
    incident: Option<u64>,
    /// Only of the last time, such as 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How many at most.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    last: u32,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Show each try of a message: what was asked and what was answered, without secrets.
    Show(Which),
    /// Try a message that waits at once.
    Retry(Which),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark deliveries show 4711\n  hark deliveries retry 4711")]
struct Which {
    /// The message's number.
    id: u64,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        None => list(args),
        Some(Order::Show(which)) => show(which),
        Some(Order::Retry(which)) => retry(which),
    }
}

fn list(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    watch::repeat(&client, &args.watch, 1, || print(&client, args))
}

fn print(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let page = client.get(&path(args)?).context("cannot ask for messages")?;
    if args.api.json {
        out::json(&page["items"]);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = page["items"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("No message fits.");
        return Ok(ExitCode::SUCCESS);
    }
    out::table(&["MESSAGE", "WHEN", "RECEIVER", "WHAT", "STATE", "TRIES", "ABOUT", "ERROR"], &rows);
    if page["next"].is_string() {
        out::note("hark: there are older ones: -n shows more, --since and --receiver fewer");
    }
    Ok(ExitCode::SUCCESS)
}

fn path(args: &Args) -> anyhow::Result<String> {
    let mut path = format!("/api/0/deliveries?limit={}", args.last);
    if let Some(since) = &args.since {
        let back = hark_config::duration::parse(since, hark_config::Bare::Seconds)
            .map_err(|e| anyhow::anyhow!("--since: {e}"))?;
        let since = hark_api::time::Timestamp(Clock.now().unix - back);
        path.extend(["&since=", &encoded(&since.to_string())]);
    }
    let incident = args.incident.map(|incident| incident.to_string());
    for (key, value) in
        [("state", &args.state), ("receiver", &args.receiver), ("incident", &incident)]
    {
        if let Some(value) = value {
            path.extend(["&", key, "=", &encoded(value)]);
        }
    }
    Ok(path)
}

fn word(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    text.replace(char::is_control, " ")
}

fn row(delivery: &Value) -> Vec<String> {
    let state = match delivery["next_try_at"].as_str() {
        Some(next) => format!("retry at {}", out::moment(next)),
        None => word(&delivery["state"]),
    };
    let check = word(&delivery["check"]);
    let about = [word(&delivery["host"]), check].join(" ").trim().to_owned();
    let at = out::moment(&word(&delivery["at"]));
    let (id, receiver) = (word(&delivery["id"]), word(&delivery["receiver"]));
    let (reason, tries) = (word(&delivery["reason"]), word(&delivery["attempts"]));
    vec![id, at, receiver, reason, state, tries, about, word(&delivery["error"])]
}

fn show(which: &Which) -> anyhow::Result<ExitCode> {
    let path = format!("/api/0/deliveries/{}", which.id);
    let found = Client::new(&which.api)?
        .get(&path)
        .with_context(|| format!("cannot ask for message {}", which.id))?;
    if which.api.json {
        out::json(&found);
        return Ok(ExitCode::SUCCESS);
    }
    out::text(describe(&found));
    Ok(ExitCode::SUCCESS)
}

/// Returns a message with its tries, for people.
fn describe(found: &Value) -> String {
    let mut text = format!(
        "message {} to {} ({}): {}\n{}\n",
        word(&found["id"]),
        word(&found["receiver"]),
        word(&found["type"]),
        row(found).get(4).map_or("", String::as_str),
        word(&found["summary"]),
    );
    // Writing to a string cannot fail.
    for attempt in found["tries"].as_array().into_iter().flatten() {
        let _written = write!(
            text,
            "\ntry {} at {}: {}, {} ms",
            word(&attempt["number"]),
            out::moment(&word(&attempt["at"])),
            word(&attempt["outcome"]),
            word(&attempt["took_ms"]),
        );
        if let Some(next) = attempt["next_try_at"].as_str() {
            let _written = write!(text, ", next at {}", out::moment(next));
        }
        text.push('\n');
        let said = word(&attempt["said"]);
        if !said.is_empty() {
            let _written = writeln!(text, "  {said}");
        }
        for exchange in attempt["exchanges"].as_array().into_iter().flatten() {
            describe_exchange(&mut text, exchange);
        }
    }
    if found["tries"].as_array().is_none_or(Vec::is_empty) {
        text.push_str("\nNo try is kept.\n");
    }
    if found["exchanges_hidden"] == true {
        text.push_str("\nWhat was asked and answered is for administrators.\n");
    }
    text
}

fn describe_exchange(text: &mut String, exchange: &Value) {
    let _written = writeln!(text, "  > {}", word(&exchange["asked"]));
    for header in exchange["headers"].as_array().into_iter().flatten() {
        let _written = writeln!(text, "  > {}: {}", word(&header["name"]), word(&header["value"]));
    }
    for line in exchange["body"].as_str().unwrap_or_default().lines() {
        let _written = writeln!(text, "  >   {}", line.replace(char::is_control, " "));
    }
    let status = word(&exchange["status"]);
    let status = if status.is_empty() { "no answer".to_owned() } else { status };
    let _written = writeln!(text, "  < {status}, {} ms", word(&exchange["took_ms"]));
    for line in exchange["answer"].as_str().unwrap_or_default().lines() {
        let _written = writeln!(text, "  <   {}", line.replace(char::is_control, " "));
    }
}

fn retry(which: &Which) -> anyhow::Result<ExitCode> {
    let path = format!("/api/0/deliveries/{}/retry", which.id);
    let done = Client::new(&which.api)?
        .post(None, &path, &json!({}))
        .with_context(|| format!("cannot try message {} again", which.id))?;
    if which.api.json {
        out::json(&done);
        return Ok(ExitCode::SUCCESS);
    }
    let said = if done["under_way"] == true { "is on its way already" } else { "is tried now" };
    let id = which.id;
    out::line(format!("Message {id} {said}; `hark deliveries show {id}` says how it went."));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail() -> Value {
        json!({
            "id": 7, "receiver": "chat", "type": "slack", "state": "retry", "attempts": 1,
            "next_try_at": "2026-11-21T10:00:05Z", "summary": "CRITICAL: db1", "host": "db1",
            "check": "raid", "reason": "problem", "at": "2026-11-21T10:00:00Z",
            "error": "answered 503: later", "exchanges_hidden": false,
            "tries": [{
                "number": 1, "at": "2026-11-21T10:00:00Z", "took_ms": 120, "outcome": "retry",
                "next_try_at": "2026-11-21T10:00:05Z", "said": "answered 503: later",
                "exchanges": [{
                    "asked": "POST https://hooks.example.net/…", "body": "{\n}\u{1b}[2J",
                    "headers": [{"name": "authorization", "value": "…"}],
                    "status": "503", "answer": "later", "took_ms": 118,
                }],
            }],
        })
    }

    #[test]
    fn a_try_is_shown_with_what_was_asked_and_answered() {
        let text = describe(&detail());
        for line in [
            "message 7 to chat (slack): retry at 2026-11-21 10:00:05 UTC",
            "try 1 at 2026-11-21 10:00:00 UTC: retry, 120 ms, next at 2026-11-21 10:00:05 UTC",
            "  answered 503: later",
            "  > POST https://hooks.example.net/…",
            "  > authorization: …",
            "  >   } [2J",
            "  < 503, 118 ms",
            "  <   later",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "nothing of it steers the terminal");
    }

    #[test]
    fn who_may_not_see_what_was_asked_is_told_so() {
        let mut hidden = detail();
        hidden["exchanges_hidden"] = true.into();
        hidden["tries"] = json!([]);
        let text = describe(&hidden);
        assert!(text.contains("for administrators") && text.contains("No try is kept"), "{text}");
    }

    #[test]
    fn a_row_says_when_the_next_try_is() {
        assert_eq!(
            row(&detail()),
            [
                "7",
                "2026-11-21 10:00:00 UTC",
                "chat",
                "problem",
                "retry at 2026-11-21 10:00:05 UTC",
                "1",
                "db1 raid",
                "answered 503: later"
            ]
        );
    }
}
