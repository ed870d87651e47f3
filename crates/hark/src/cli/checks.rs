//! `hark checks`: the checks of a host, and a look at them now; those of all hosts by name.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use hark_model::time::Clock;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::status::{age_text, seconds_of, state_word, text};
use super::watch::{self, Watch};
use crate::out;

/// How often it is looked whether newer results are there.
const LOOK: Duration = Duration::from_millis(300);

/// How long newer results are waited for.
const WAIT: Duration = Duration::from_secs(30);

/// Show the checks of a host, worst first, and with --now have the server look at them at once; without a host, what all
/// hosts are checked for and how many fail.
///
/// Exit code: 0 all shown are ok, 1 a warning or unknown, 2 something is critical, 3 no answer.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark checks\n  hark checks web1 --watch\n  hark checks web1 shop --now\n  \
    hark checks web1 --now"
)]
pub(super) struct Args {
    /// The host.
    host: Option<String>,
    /// Only this check.
    check: Option<String>,
    /// Look at once, before what is due, and wait for the result.
    #[arg(long, conflicts_with = "watch", requires = "host")]
    now: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    ask(args).unwrap_or_else(|error| {
        out::error(&error);
        ExitCode::from(3)
    })
}

fn ask(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    watch::repeat(&args.watch, 3, || match &args.host {
        Some(host) => look(&client, args, host),
        None => all(&client, args),
    })
}

/// Shows the checks of all hosts by name.
fn all(client: &Client, args: &Args) -> anyhow::Result<ExitCode> {
    let found = client.get("/api/0/checks/summary").context("cannot ask for the checks")?;
    let checks: Vec<Value> = found.as_array().cloned().unwrap_or_default();
    if args.api.json {
        out::json(&found);
    } else {
        let now = Clock.now().unix.seconds();
        let rows: Vec<Vec<String>> = checks.iter().map(|check| summary(check, now)).collect();
        out::table(
            &[
                "CHECK", "KIND", "EVERY", "P95", "HOSTS", "CRITICAL", "WARNING", "UNKNOWN", "OK",
                "CHANGED",
            ],
            &rows,
        );
    }
    let any = |word: &str| checks.iter().any(|check| check[word] != 0);
    Ok(code(any("critical"), any("warning") || any("unknown")))
}

fn summary(check: &Value, now: i64) -> Vec<String> {
    let changed = seconds_of(&check["changed_at"]).map_or("never".to_owned(), |at| {
        format!("{} ago", age_text(now.saturating_sub(at).max(0)))
    });
    let counts = ["hosts", "critical", "warning", "unknown", "ok"];
    let counts = counts.iter().map(|key| check[*key].to_string());
    let kinds = check["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let every = check["interval_seconds"].as_f64().map(|s| format!("{s} s")).unwrap_or_default();
    let p95 = check["p95_seconds"].as_f64().map(|s| format!("{:.0} ms", s * 1000.0));
    let looks = [kinds.collect::<Vec<_>>().join(" "), every, p95.unwrap_or_default()];
    [text(&check["check"])].into_iter().chain(looks).chain(counts).chain([changed]).collect()
}

fn code(is_critical: bool, is_bad: bool) -> ExitCode {
    ExitCode::from(match (is_critical, is_bad) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    })
}

fn look(client: &Client, args: &Args, host: &str) -> anyhow::Result<ExitCode> {
    let path = format!("/api/0/hosts/{}", encoded(host));
    let mut checks = chosen(args, &client.get(&path)?);
    if args.check.is_some() && checks.is_empty() && !args.now {
        bail!("the host {host} has no such check");
    }
    if args.now {
        let seen = results(&checks);
        let query = args
            .check
            .as_ref()
            .map(|check| format!("?check={}", encoded(check)))
            .unwrap_or_default();
        let looking = client
            .post(None, &format!("{path}/look{query}"), &json!({}))
            .context("cannot look now")?;
        let wanted = looking["checks"].as_u64().unwrap_or(0);
        let begin = Clock.now().mono;
        loop {
            client.pause(LOOK);
            checks = chosen(args, &client.get(&path)?);
            let newer = results(&checks).into_iter().filter(|result| !seen.contains(result));
            let n_newer = u64::try_from(newer.count()).unwrap_or(u64::MAX);
            if n_newer >= wanted || Clock.now().mono.since(begin) > WAIT {
                break;
            }
        }
    }
    show(args, &checks);
    let is = |word: &str| checks.iter().any(|check| check["status"] == word);
    Ok(code(is("critical"), is("warning") || is("unknown")))
}

fn chosen(args: &Args, host: &Value) -> Vec<Value> {
    let all = host["checks"].as_array().into_iter().flatten();
    let is_wanted = |check: &&Value| {
        args.check.as_ref().is_none_or(|wanted| check["name"].as_str() == Some(wanted))
    };
    all.filter(is_wanted).cloned().collect()
}

/// Returns each check with the moment of its newest result.
fn results(checks: &[Value]) -> Vec<(String, String)> {
    let result = |check: &Value| (text(&check["name"]), text(&check["seen_at"]));
    checks.iter().map(result).collect()
}

fn show(args: &Args, checks: &[Value]) {
    if args.api.json {
        return out::json(&json!(checks));
    }
    let now = Clock.now().unix.seconds();
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let seen = seconds_of(&check["seen_at"]);
            let age = seen.map_or("never".to_owned(), |at| {
                format!("{} ago", age_text(now.saturating_sub(at).max(0)))
            });
            vec![text(&check["name"]), state_word(&check["status"]), age, text(&check["text"])]
        })
        .collect();
    out::table(&["CHECK", "STATE", "SEEN", "TEXT"], &rows);
}
