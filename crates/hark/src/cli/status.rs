//! `hark status`: the state as text.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{ApiArgs, Client};
use super::hosts;
use super::watch::{self, Watch};
use crate::out;

/// Show what is wrong, and the state of every host.
///
/// Exit code: 0 all is well, 1 a warning or unknown, 2 something is critical, 3 no answer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark status\n  hark status --watch\n  hark status --json | jq .counts"
)]
pub(super) struct Args {
    #[command(flatten)]
    api: ApiArgs,
    /// Show every host, not only those with a problem.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    watch: Watch,
}

pub(super) fn run(args: &Args) -> ExitCode {
    ask(args).unwrap_or_else(|error| {
        out::error(&error);
        ExitCode::from(3)
    })
}

fn ask(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    watch::repeat(&args.watch, 3, || show(&client, args))
}

fn show(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let overview = client.get("/api/0/overview")?;
    if args.api.json {
        out::json(&overview);
    } else {
        print(&overview);
        if args.all {
            out::line("");
            hosts::print(client, &hosts::all(client, "")?);
        }
    }
    let count = |key: &str| overview["counts"][key].as_u64().unwrap_or(0);
    Ok(ExitCode::from(match (count("crit"), count("warn") + count("unk")) {
        (0, 0) => 0,
        (0, _) => 1,
        _ => 2,
    }))
}

fn print(overview: &Value) {
    out::line(text(&overview["verdict"]["text"]));
    let sub = text(&overview["verdict"]["sub"]);
    if !sub.is_empty() {
        out::line(sub);
    }
    let problems: Vec<Vec<String>> =
        overview["problems"].as_array().into_iter().flatten().map(problem_row).collect();
    if !problems.is_empty() {
        out::line("");
        out::table(&["INCIDENT", "STATE", "HOST", "CHECK", "FOR", "TAKEN BY", "TEXT"], &problems);
    }
    if let Some(where_to_look) = unlisted(overview) {
        out::line("");
        out::line(where_to_look);
    }
}

/// Says where the problems are that the overview counts but does not list.
fn unlisted(overview: &Value) -> Option<String> {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (more, silenced) =
        (count(&overview["more"]), count(&overview["counts"]["silenced_incidents"]));
    let mut lines = Vec::new();
    if more > 0 {
        lines.push(format!("{more} more: `hark incidents`"));
    }
    if silenced > 0 {
        lines.push(format!("{silenced} silenced: `hark incidents --state silenced`"));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn problem_row(problem: &Value) -> Vec<String> {
    let since = problem["since_unix_s"].as_i64().unwrap_or(0);
    let age = hark_model::Clock.now().unix.seconds().saturating_sub(since);
    vec![
        problem["incident"].to_string(),
        state_word(&problem["state"]),
        text(&problem["host"]),
        text(&problem["check"]),
        age_text(age),
        text(&problem["ack"]["by"]),
        text(&problem["text"]),
    ]
}

pub(super) fn seconds_of(moment: &Value) -> Option<i64> {
    hark_api::time::Timestamp::parse(moment.as_str()?).map(|at| at.0.seconds())
}

/// Writes a state of the API, which has letters and short words, as people say it.
pub(super) fn state_word(state: &Value) -> String {
    let word = match state.as_str().unwrap_or_default() {
        "o" | "ok" => "ok",
        "w" | "warn" => "warning",
        "c" | "crit" => "critical",
        "u" | "unk" => "unknown",
        "m" | "mnt" => "maintenance",
        "-" | "pending" => "pending",
        _ => return text(state),
    };
    word.to_owned()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => {
            s.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Writes an age the way lists show it: the largest unit that fits twice, else the one below.
pub(super) fn age_text(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_are_words() {
        let words = ["w", "u", "m", "crit"].map(|state| state_word(&json!(state)));
        assert_eq!(words, ["warning", "unknown", "maintenance", "critical"]);
    }

    #[test]
    fn what_is_counted_and_not_listed_can_be_found() {
        let overview = json!({"more": 3, "counts": {"silenced_incidents": 1}});
        assert_eq!(
            unlisted(&overview).unwrap(),
            "3 more: `hark incidents`\n1 silenced: `hark incidents --state silenced`"
        );
        assert_eq!(unlisted(&json!({"more": 0, "counts": {}})), None);
    }

    #[test]
    fn ages_are_short() {
        assert_eq!(age_text(119), "119 s");
        assert_eq!(age_text(120), "2 min");
        assert_eq!(age_text(7_200), "2 h");
        assert_eq!(age_text(172_800), "2 d");
    }

    #[test]
    fn control_characters_from_hosts_do_not_reach_the_terminal() {
        assert_eq!(text(&Value::String("a\u{1b}[31m".into())), "a\u{fffd}[31m");
    }
}
