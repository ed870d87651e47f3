//! `hark deliveries`: messages on their way and arrived, what their receivers were asked and answered.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hark_model::{Clock, Mono};
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Time between two looks at a message that is tried.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// Show messages on their way and arrived, each try of one of them, or try one at once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark deliveries --state retry --watch\n  hark deliveries --receiver chat \
    --since 2h\n  hark deliveries --contains 'connection refused'\n  hark deliveries show 4711\n  hark deliveries retry 4711\n  hark \
    deliveries --json"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only those with this in what they say: host, check, receiver, words, or what the receiver said.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
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
    /// Try a message that waits at once, before all others and also if its receiver is failing, and say what became
    /// of it; the exit code is 1 if it has not arrived.
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
    watch::repeat(&args.watch, 1, || print(&client, args))
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
    for (key, value) in [
        ("q", &args.contains),
        ("state", &args.state),
        ("receiver", &args.receiver),
        ("incident", &incident),
    ] {
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
    let state = standing(delivery);
    let check = word(&delivery["check"]);
    let about = [word(&delivery["host"]), check].join(" ").trim().to_owned();
    let at = out::moment(&word(&delivery["at"]));
    let (id, receiver) = (word(&delivery["id"]), word(&delivery["receiver"]));
    let (reason, tries) = (word(&delivery["reason"]), word(&delivery["attempts"]));
    vec![id, at, receiver, reason, state, tries, about, word(&delivery["error"])]
}

/// Says where a message stands and when it is tried next, if that is known: what was never tried is kept for the
/// hours of its receiver, or waits for one that is failing.
fn standing(delivery: &Value) -> String {
    let state = word(&delivery["state"]);
    let next = delivery["next_try_at"].as_str().map(out::moment);
    match (state.as_str(), delivery["attempts"].as_u64(), next) {
        ("retry", Some(0), Some(next)) => format!("kept until {next}"),
        ("retry", _, Some(next)) => format!("retry at {next}"),
        (_, _, Some(next)) => format!("{state}, next try {next}"),
        (_, _, None) => state,
    }
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
    let client = Client::new(&which.api)?;
    let id = which.id;
    let path = format!("/api/0/deliveries/{id}");
    let before = client.get(&path).with_context(|| format!("cannot ask for message {id}"))?;
    let done = client
        .post(None, &format!("{path}/retry"), &json!({}))
        .with_context(|| format!("cannot try message {id} again"))?;
    let receiver = word(&before["receiver"]);
    if done["next"] == true {
        out::note(format!("hark: another message is on its way to {receiver}; this one is next"));
    }
    let mut waited = Waited::for_answer_of(&receiver);
    let message = loop {
        let message = client.get(&path).context("cannot ask what became of the message")?;
        if has_ended(&before, &message) || waited.is_over() {
            break message;
        }
        client.pause(LOOK);
    };
    let arrived = message["state"] == "sent";
    if which.api.json {
        out::json(&message);
    } else if has_ended(&before, &message) {
        out::line(outcome(&message));
    } else {
        out::line(format!(
            "Nobody knows yet how it went: `hark deliveries show {id}` says it when it is over."
        ));
    }
    Ok(if arrived { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns whether the try that was asked for is over.
fn has_ended(before: &Value, message: &Value) -> bool {
    let tries = |message: &Value| message["attempts"].as_u64();
    tries(message) > tries(before) || message["waits"] == false
}

fn outcome(message: &Value) -> String {
    let (id, receiver) = (&message["id"], word(&message["receiver"]));
    match message["state"].as_str() {
        Some("sent") => format!("{receiver} has message {id}."),
        Some("superseded") => format!("Message {id} went in a newer one."),
        Some("dead") => format!("Message {id} is given up: {}", word(&message["error"])),
        _ => {
            let (error, stands) = (word(&message["error"]), standing(message));
            format!("{receiver} does not have message {id}: {error} ({stands})")
        }
    }
}

/// The patience of somebody who looks on while a message is tried.
pub(super) struct Waited {
    receiver: String,
    since: Mono,
    is_said: bool,
}

impl Waited {
    /// How long the outcome of a try is waited for: longer than the time limit of any usual receiver.
    const MOST: Duration = Duration::from_mins(2);
    /// Longer than a receiver needs that is well: who waits longer wants to know what for.
    const SILENT: Duration = Duration::from_secs(3);

    /// Begins to wait.
    pub(super) fn for_answer_of(receiver: &str) -> Self {
        Self { receiver: receiver.to_owned(), since: Clock.now().mono, is_said: false }
    }

    /// Returns true if it has lasted too long; says once what is waited for.
    pub(super) fn is_over(&mut self) -> bool {
        let waited = Clock.now().mono.since(self.since);
        if waited > Self::SILENT && !self.is_said {
            self.is_said = true;
            let most = Self::MOST.as_secs();
            out::note(format!(
                "hark: waiting for the answer of {}, at most {most} s",
                self.receiver
            ));
        }
        waited > Self::MOST
    }
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
    fn a_message_says_where_it_stands_and_when_it_is_tried() {
        let at = "2026-11-21T10:00:05Z";
        for (state, attempts, next, expected) in [
            ("retry", 2, Some(at), "retry at 2026-11-21 10:00:05 UTC"),
            ("retry", 2, None, "retry"),
            ("retry", 0, Some(at), "kept until 2026-11-21 10:00:05 UTC"),
            ("queued", 0, Some(at), "queued, next try 2026-11-21 10:00:05 UTC"),
            ("queued", 0, None, "queued"),
            ("sent", 1, None, "sent"),
        ] {
            let message = json!({"state": state, "attempts": attempts, "next_try_at": next});
            assert_eq!(standing(&message), expected);
        }
    }

    #[test]
    fn a_try_that_was_asked_for_is_over_when_it_was_made() {
        let message = |state: &str, attempts: u32| {
            let waits = matches!(state, "queued" | "retry");
            json!({"id": 7, "receiver": "chat", "state": state, "attempts": attempts,
                "waits": waits, "error": "refused", "next_try_at": null})
        };
        let before = message("retry", 1);
        assert!(!has_ended(&before, &message("queued", 1)));
        assert!(!has_ended(&before, &message("retry", 1)));
        for (after, said) in [
            (message("retry", 2), "chat does not have message 7: refused (retry)"),
            (message("sent", 2), "chat has message 7."),
            (message("dead", 2), "Message 7 is given up: refused"),
            (message("superseded", 1), "Message 7 went in a newer one."),
        ] {
            assert!(has_ended(&before, &after), "{said}");
            assert_eq!(outcome(&after), said);
        }
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
