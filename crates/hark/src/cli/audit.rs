//! `hark audit`: who did what, as a list, as CSV or JSON, and whether a line was changed since.

use std::process::ExitCode;

use anyhow::Context;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Lines of one request: the most that the server gives.
const PAGE: usize = 1000;

/// Show who did what, newest first; with `verify`, whether a line was changed or taken out since.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark audit --watch\n  hark audit --contains mira\n  hark audit --last 100000 --csv > audit.csv\n  \
    hark audit --json\n  hark audit verify"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only lines with this in them.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// How many lines.
    #[arg(long, default_value_t = 50, value_name = "N")]
    last: usize,
    /// Print comma-separated values.
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    csv: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Follow the chain of hashes from the first line to the last; the exit code is 1 if it is broken.
    Verify(Verify),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark audit verify")]
struct Verify {
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Order::Verify(verify)) = &args.order {
        return check(&verify.api);
    }
    watch::list(&args.api, &args.watch, |client| list(client, args))
}

fn list(client: &Client, args: &Args) -> anyhow::Result<()> {
    let lines = lines(client, args)?;
    if args.api.json {
        out::json(&json!(lines));
    } else if args.csv {
        out::line(HEAD.join(","));
        for line in &lines {
            out::line(csv(&fields(line)));
        }
    } else {
        let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
        out::table(&["WHEN", "WHO", "WHAT", "DETAIL", "FROM"], &rows);
    }
    Ok(())
}

const HEAD: [&str; 5] = ["at", "who", "address", "what", "detail"];

fn lines(client: &Client, args: &Args) -> anyhow::Result<Vec<Value>> {
    let most = args.last;
    let wanted = args.contains.as_ref();
    let q = wanted.map(|text| format!("&q={}", encoded(text))).unwrap_or_default();
    let mut lines = Vec::new();
    let mut cursor = String::new();
    while lines.len() < most {
        let limit = PAGE.min(most - lines.len());
        let path = format!("/api/0/audit?limit={limit}{q}{cursor}");
        let page = client.get(&path).context("cannot ask for the audit")?;
        lines.extend(page["items"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encoded(next)),
            None => break,
        }
    }
    Ok(lines)
}

fn check(api: &ApiArgs) -> anyhow::Result<ExitCode> {
    let found = Client::new(api)?.get("/api/0/audit/check").context("cannot check the audit")?;
    let broken = found["broken_at"].as_u64();
    if api.json {
        out::json(&found);
    } else if let Some(line) = broken {
        out::line(format!(
            "Line {line} does not follow from the one before it: one of them was changed, or one between them taken out."
        ));
    } else {
        let newest = found["newest"].as_str().unwrap_or_default();
        let lines = found["lines"].as_u64().unwrap_or(0);
        out::line(format!(
            "{lines} lines, each follows from the one before it. The newest has {newest}"
        ));
        out::note("Keep that elsewhere: then it is seen if the newest lines are taken away.");
    }
    Ok(if broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn fields(line: &Value) -> Vec<String> {
    HEAD.iter().map(|key| line[*key].as_str().unwrap_or_default().to_owned()).collect()
}

fn row(line: &Value) -> Vec<String> {
    let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
    vec![out::moment(&word("at")), word("who"), word("what"), word("detail"), word("address")]
}

/// Writes a row as RFC 4180 has it. A text that a spreadsheet would take for a formula gets an apostrophe:
/// names that strangers have tried to log in with stand here.
fn csv(row: &[String]) -> String {
    let cell = |text: &String| {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let text = if formula { format!("'{text}") } else { text.clone() };
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    row.iter().map(cell).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let row = ["a", "b,c", "d\"e", "=1+1", "-1", "f\ng"].map(str::to_owned);
        assert_eq!(csv(&row), "a,\"b,c\",\"d\"\"e\",'=1+1,'-1,\"f\ng\"");
    }
}
