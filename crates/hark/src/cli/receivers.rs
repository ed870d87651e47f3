//! `hark receivers`: where messages go, how that stands, and a message that tries one of them out.

use std::process::ExitCode;

use anyhow::Context;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::deliveries::{LOOK, Waited};
use super::watch::{self, Watch};
use crate::out;

/// Show the receivers and how they are, or send one of them a test message.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark receivers\n  hark receivers --watch\n  hark receivers test ops-mail"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Send a test message, before all that waits and also if the receiver is failing, and say what became of it;
    /// the exit code is 1 if it has not arrived.
    Test(Which),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark receivers test ops-mail")]
struct Which {
    /// The receiver's name.
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Order::Test(which)) = &args.order {
        return test(which);
    }
    watch::list(&args.api, &args.watch, |client| list(client, &args.api))
}

fn list(client: &Client, api: &ApiArgs) -> anyhow::Result<()> {
    let receivers = client.get("/api/0/receivers").context("cannot ask for the receivers")?;
    if api.json {
        out::json(&receivers);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = receivers.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("Nobody is told: the configuration has no `receivers`.");
    } else {
        let head = ["NAME", "TYPE", "TO", "ELSE", "STANDS", "WAITING", "LAST"];
        out::table(&head, &rows);
    }
    Ok(())
}

fn test(which: &Which) -> anyhow::Result<ExitCode> {
    let client = Client::new(&which.api)?;
    let name = &which.name;
    let sent = client
        .post(None, &format!("/api/0/receivers/{}/test", encoded(name)), &json!({}))
        .with_context(|| format!("cannot send a test message to {name}"))?;
    for line in beforehand(name, &sent) {
        out::note(format!("hark: {line}"));
    }
    let path = format!("/api/0/deliveries/{}", sent["delivery"]);
    let mut waited = Waited::for_answer_of(name);
    let message = loop {
        let message = client.get(&path).context("cannot ask what became of the message")?;
        if outcome(&message).is_some() || waited.is_over() {
            break message;
        }
        client.pause(LOOK);
    };
    if which.api.json {
        out::json(&message);
    } else {
        out::line(said(name, &message));
    }
    let arrived = outcome(&message) == Some(true);
    Ok(if arrived { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what is known of the receiver already.
fn beforehand(name: &str, sent: &Value) -> Vec<String> {
    let failing = sent["failing"].as_str();
    let failing = failing.map(|_| format!("{}; it is tried all the same", word(&sent["failing"])));
    let next = (sent["next"] == true)
        .then(|| format!("another message is on its way to {name}; the test is next"));
    failing.into_iter().chain(next).collect()
}

/// Returns whether a message has arrived, if its first try is over.
fn outcome(message: &Value) -> Option<bool> {
    match message["state"].as_str() {
        Some("sent") => Some(true),
        Some("retry" | "dead" | "superseded") => Some(false),
        _ => None,
    }
}

fn said(name: &str, message: &Value) -> String {
    let number = &message["id"];
    match (outcome(message), message["state"].as_str()) {
        (Some(true), _) => format!("{name} has the message ({number})."),
        (Some(false), Some("retry")) => {
            format!("{name} does not have the message ({number}) yet: {}", word(&message["error"]))
        }
        (Some(false), _) => {
            format!("{name} will not get the message ({number}): {}", word(&message["error"]))
        }
        (None, _) => format!(
            "Nobody knows yet what became of the message ({number}): hark deliveries show {number}"
        ),
    }
}

fn row(receiver: &Value) -> Vec<String> {
    let stands = if receiver["failing"] == true { "fails" } else { "works" };
    let last = receiver["last"]["sent_at"].as_str().or(receiver["last"]["at"].as_str());
    vec![
        word(&receiver["name"]),
        word(&receiver["type"]),
        word(&receiver["target"]),
        word(&receiver["fallback"]),
        if receiver["last"].is_null() { "unused".to_owned() } else { stands.to_owned() },
        receiver["waiting"].to_string(),
        last.map(out::moment).unwrap_or_default(),
    ]
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_message_says_whether_it_arrived_and_why_not() {
        let message = |state: &str| json!({"id": 7, "state": state, "error": "502 Bad\nGateway"});
        assert_eq!(said("ops", &message("sent")), "ops has the message (7).");
        assert_eq!(
            said("ops", &message("retry")),
            "ops does not have the message (7) yet: 502 Bad Gateway"
        );
        assert_eq!(
            said("ops", &message("dead")),
            "ops will not get the message (7): 502 Bad Gateway"
        );
        assert_eq!(outcome(&message("leased")), None);
        assert!(said("ops", &message("leased")).ends_with("hark deliveries show 7"));
    }

    #[test]
    fn what_is_known_of_a_failing_receiver_is_said_before_the_test() {
        let problem = "receiver ops failing: connection refused";
        let sent = json!({"delivery": 7, "failing": problem, "next": true});
        assert_eq!(
            beforehand("ops", &sent),
            [
                "receiver ops failing: connection refused; it is tried all the same",
                "another message is on its way to ops; the test is next"
            ]
        );
        let well = json!({"delivery": 7, "failing": null, "next": false});
        assert!(beforehand("ops", &well).is_empty());
    }

    #[test]
    fn a_receiver_that_nobody_was_told_by_is_unused() {
        let mut receiver = json!({
            "name": "ops", "type": "exec", "target": "/bin/true", "fallback": null, "last": null,
            "failing": false, "waiting": 2, "oldest_at": null,
        });
        assert_eq!(row(&receiver), ["ops", "exec", "/bin/true", "", "unused", "2", ""]);
        receiver["last"] = json!({"at": "2026-11-21T01:00:00Z", "sent_at": null});
        receiver["failing"] = true.into();
        assert_eq!(row(&receiver)[4..], ["fails", "2", "2026-11-21 01:00:00 UTC"]);
    }
}
