//! `hark report`: what a period was like, made now.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Show the reports that are made regularly, or make one now.
///
/// Without a name: what is reported, to whom and when. With one: the report itself, over as long a time
/// up to now as is usual for it. It is sent to nobody but with --send.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark report\n  hark report weekly\n  \
    hark report weekly --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z\n  \
    hark report weekly --form html > weekly.html\n  hark report weekly --send")]
pub(super) struct Args {
    /// Its name in the configuration.
    name: Option<String>,
    /// From when.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "name")]
    from: Option<i64>,
    /// Until when; now if not given.
    #[arg(long, value_name = "TIME", value_parser = time, requires = "name")]
    to: Option<i64>,
    /// How it is written.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    form: Form,
    /// Send it to its receivers as well.
    #[arg(long, requires = "name")]
    send: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

/// What the configuration needs for a report.
const EXAMPLE: &str = "
  reports:
    weekly:
      to: [mail]              # a receiver
      cron: \"0 8 * * mon\"
";

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a terminal or a plain mail.
    Text,
    /// A page.
    Html,
    /// For programs; the same as --json.
    Json,
}

fn time(text: &str) -> Result<i64, String> {
    let read = hark_api::Timestamp::parse(text).map(|at| at.0.seconds());
    read.ok_or_else(|| "write a time such as 2026-11-20T18:00:00Z".to_owned())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.name else {
        return watch::list(&args.api, &args.watch, |client| list(args, client));
    };
    let client = Client::new(&args.api)?;
    if name.chars().any(|c| matches!(c, '/' | '?' | '#' | '%') || c.is_whitespace()) {
        bail!("there is no report `{name}`: `hark report` lists them");
    }
    let period: Vec<String> = [("from", args.from), ("to", args.to)]
        .into_iter()
        .filter_map(|(key, at)| Some(format!("{key}={}", at?)))
        .collect();
    let action = if args.send { "/send" } else { "" };
    let path = format!("/api/0/reports/{name}{action}?{}", period.join("&"));
    let made = if args.send { client.post(None, &path, &json!({})) } else { client.get(&path) };
    let made = made.with_context(|| format!("cannot make the report {name}"))?;
    match args.form {
        _ if args.api.json => out::json(&made["report"]),
        Form::Json => out::json(&made["report"]),
        Form::Text => out::text(made["text"].as_str().unwrap_or_default()),
        Form::Html => out::text(made["html"].as_str().unwrap_or_default()),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &Args, client: &Client) -> anyhow::Result<()> {
    let reports = client.get("/api/0/reports")?;
    if args.api.json {
        out::json(&reports);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = reports.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("Nothing is reported regularly. In the configuration, for example:");
        out::text(EXAMPLE);
        out::line("`hark report weekly` then makes it for now; more is in docs/reports.md.");
    } else {
        out::table(&["NAME", "KIND", "TO", "SCHEDULE", "LAST", "NEXT"], &rows);
    }
    Ok(())
}

fn row(report: &Value) -> Vec<String> {
    let word = |key: &str| report[key].as_str().unwrap_or_default().to_owned();
    let to: Vec<&str> =
        report["to"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let moment = |key: &str| report[key].as_str().map_or_else(|| "-".to_owned(), out::moment);
    vec![
        word("name"),
        word("kind"),
        to.join(", "),
        word("schedule"),
        moment("last_at"),
        moment("next_at"),
    ]
}
