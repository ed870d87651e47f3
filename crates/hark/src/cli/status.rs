//! `hark status`: the state as text.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{ApiArgs, Client};
use crate::out;

/// Show what is wrong, and the state of every host.
///
/// Exit code: 0 all is well, 1 a warning or unknown, 2 something is critical, 3 no answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark status\n  hark status --json | jq .counts")]
pub(super) struct Args {
    #[command(flatten)]
    api: ApiArgs,
    /// Show every host, not only those with a problem.
    #[arg(short, long)]
    all: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let overview = match client.get("/api/0/overview") {
        Ok(overview) => overview,
        Err(error) => {
            out::error(&error);
            return Ok(ExitCode::from(3));
        }
    };
    if args.api.json {
        out::json(&overview);
    } else {
        print(&overview);
        if args.all {
            print_hosts(&client.get("/api/0/hosts?limit=1000")?);
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
}

fn problem_row(problem: &Value) -> Vec<String> {
    let since = problem["since_unix_s"].as_i64().unwrap_or(0);
    let age = hark_model::Clock.now().unix.seconds().saturating_sub(since);
    vec![
        problem["incident"].to_string(),
        text(&problem["state"]),
        text(&problem["host"]),
        text(&problem["check"]),
        age_text(age),
        text(&problem["ack"]["by"]),
        text(&problem["text"]),
    ]
}

fn print_hosts(hosts: &Value) {
    let rows: Vec<Vec<String>> = hosts["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|h| {
            vec![
                text(&h["name"]),
                text(&h["state"]),
                text(&h["address"]),
                text(&h["last_heard_at"]),
                text(&h["text"]),
            ]
        })
        .collect();
    out::line("");
    out::table(&["HOST", "STATE", "ADDRESS", "LAST HEARD", "TEXT"], &rows);
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => {
            s.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Writes an age the way lists show it: the largest unit that fits twice, else the one below.
fn age_text(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
