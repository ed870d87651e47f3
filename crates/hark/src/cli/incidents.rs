//! `hark incidents`: lists incidents with their numbers, the silenced and the resolved ones too.

use std::process::ExitCode;

use anyhow::Context;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::status::{age_text, seconds_of, state_word, text};
use super::watch::{self, Watch};
use crate::out;

/// Incidents asked for at once: the most that the API gives.
const PAGE: usize = 1000;

/// List incidents with their numbers, newest first.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark incidents --watch\n  hark incidents --state silenced\n  \
    hark incidents --state resolved -n 20 --json | jq '.[].id'"
)]
pub(super) struct Args {
    /// Which: those that wait or are taken, those kept quiet, those that are over, or all.
    #[arg(long, value_enum, default_value_t = State::Open)]
    state: State,
    /// Only those with this in the host's name, the check's name or the text.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// At most so many.
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 100)]
    most: usize,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

/// A part of the incidents, in the API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Open,
    Silenced,
    Resolved,
    All,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Silenced => "silenced",
            Self::Resolved => "resolved",
            Self::All => "all",
        }
    }

    fn none(self) -> &'static str {
        match self {
            Self::Open => "No incident is open that is not silenced.",
            Self::Silenced => "No incident is silenced.",
            Self::Resolved => "No incident has been resolved yet.",
            Self::All => "There has been no incident yet.",
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    watch::repeat(&args.watch, 1, || show(&client, args))
}

fn show(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let found = pages(args.most, |path| {
        let filter = args.contains.as_deref().map(|part| format!("&q={}", encoded(part)));
        let filter = filter.unwrap_or_default();
        client
            .get(&format!("/api/0/incidents?view={}{filter}&{path}", args.state.word()))
            .context("cannot list the incidents")
    })?;
    if args.api.json {
        out::json(&json!(found));
    } else if found.is_empty() && args.contains.is_some() {
        out::line("No incident matches.");
    } else if found.is_empty() {
        out::line(args.state.none());
    } else {
        let now = hark_model::Clock.now().unix.seconds();
        let rows: Vec<Vec<String>> = found.iter().map(|one| row(one, now)).collect();
        out::table(&["INCIDENT", "STATE", "HOST", "CHECK", "FOR", "STANDS", "TEXT"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// Collects at most `most` incidents, page by page. A page without rows may lead on: the server looks
/// through so many at once.
fn pages(
    most: usize,
    mut ask: impl FnMut(&str) -> anyhow::Result<Value>,
) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    while found.len() < most {
        let limit = (most - found.len()).min(PAGE);
        let mut page = ask(&format!("limit={limit}{cursor}"))?;
        if let Some(items) = page["items"].as_array_mut() {
            found.append(items);
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    found.truncate(most);
    Ok(found)
}

fn row(incident: &Value, now: i64) -> Vec<String> {
    let since = incident["since_unix_s"].as_i64().unwrap_or(now);
    let end = seconds_of(&incident["resolved_at"]).unwrap_or(now);
    vec![
        incident["id"].to_string(),
        state_word(&incident["state"]),
        text(&incident["host"]),
        text(&incident["check"]),
        age_text(end.saturating_sub(since).max(0)),
        standing(incident),
        text(&incident["text"]),
    ]
}

/// Says how it stands with people: over, quiet, taken, behind another, or waiting.
fn standing(incident: &Value) -> String {
    let moment = |key: &str| incident[key].as_str().map(out::moment);
    let by = text(&incident["ack"]["by"]);
    if let Some(at) = moment("resolved_at") {
        format!("resolved {at}")
    } else if let Some(until) = moment("silenced_until_at") {
        format!("silenced until {until}")
    } else if let Some(cause) = incident["cause"].as_u64() {
        format!("because of {cause}")
    } else if by.is_empty() {
        "waits".to_owned()
    } else {
        format!("taken by {by}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_incident_says_how_it_stands() {
        let stands = |more: Value| {
            let mut one = json!({"id": 7, "state": "crit", "host": "web1", "check": "http",
                "since_unix_s": 100, "text": "503", "ack": null, "resolved_at": null,
                "silenced_until_at": null, "cause": null});
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            row(&one, 160).join(" | ")
        };
        assert_eq!(stands(json!({})), "7 | critical | web1 | http | 60 s | waits | 503");
        let cell = |more: Value| stands(more).split(" | ").nth(5).unwrap().to_owned();
        assert_eq!(cell(json!({"ack": {"by": "mira"}})), "taken by mira");
        assert_eq!(cell(json!({"cause": 3})), "because of 3");
        // A silence hides what is taken, too: nobody is told either way.
        let silenced = json!({"ack": {"by": "mira"}, "silenced_until_at": "2026-11-21T12:00:00Z"});
        assert_eq!(cell(silenced), "silenced until 2026-11-21 12:00:00 UTC");
        let over = json!({"resolved_at": "1970-01-01T00:02:00Z"});
        assert_eq!(stands(over).split(" | ").nth(4), Some("20 s"), "it lasts no longer");
    }

    #[test]
    fn pages_are_followed_until_there_are_enough_also_over_empty_ones() {
        let mut asked = Vec::new();
        let mut answers = [
            json!({"items": [1, 2], "next": "a&b"}),
            json!({"items": [], "next": "c"}),
            json!({"items": [3], "next": null}),
        ]
        .into_iter();
        let found = pages(5, |path| {
            asked.push(path.to_owned());
            Ok(answers.next().unwrap())
        });
        assert_eq!(found.unwrap(), [1, 2, 3]);
        assert_eq!(asked, ["limit=5", "limit=3&cursor=a%26b", "limit=3&cursor=c"]);
        let few = pages(1, |_| Ok(json!({"items": [1], "next": "more"})));
        assert_eq!(few.unwrap(), [1]);
    }
}
