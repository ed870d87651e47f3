//! `hark dns`: names in DNS that follow hosts.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Show the names in DNS that follow hosts, publish them now, or take them out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark dns --watch\n  hark dns update web1\n  hark dns update \
    www.example.net\n  hark dns remove web1\n  hark dns --json")]
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
    /// Publish a name, or all names of a host, now.
    Update(Which),
    /// Take a name, or all names of a host, out until they are published by hand.
    Remove(Which),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark dns update web1")]
struct Which {
    /// A name, or a host.
    name: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        None => watch::list(&args.api, &args.watch, |client| list(client, &args.api)),
        Some(Order::Update(which)) => order(which, "update"),
        Some(Order::Remove(which)) => order(which, "remove"),
    }
}

fn order(which: &Which, what: &str) -> anyhow::Result<ExitCode> {
    let client = Client::new(&which.api)?;
    let done = client.post(None, &format!("/api/0/dns/{}/{what}", which.name), &json!({}))?;
    if which.api.json {
        out::json(&done);
        return Ok(ExitCode::SUCCESS);
    }
    for name in done["names"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let said = if what == "update" { "is published now" } else { "is taken out" };
        out::line(format!("{name} {said}; `hark dns` shows how it went"));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, api: &ApiArgs) -> anyhow::Result<()> {
    let dns = client.get("/api/0/dns")?;
    if api.json {
        out::json(&dns);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = dns["names"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("No name follows a host here: `dyndns` of the configuration does (docs/dns.md).");
    } else {
        out::table(
            &["NAME", "HOST", "STATE", "WANTED", "PUBLISHED", "VERIFIED", "NEXT", "ERROR"],
            &rows,
        );
    }
    for zone in dns["zones"].as_array().into_iter().flatten() {
        if let Some(error) = zone["error"].as_str() {
            let name = zone["zone"].as_str().unwrap_or_default();
            out::line(format!("{name}: {}", error.replace(char::is_control, " ")));
        }
    }
    Ok(())
}

fn row(name: &Value) -> Vec<String> {
    let word = |key: &str| name[key].as_str().unwrap_or("-").replace(char::is_control, " ");
    let moment = |key: &str| name[key].as_str().map_or_else(|| "-".to_owned(), out::moment);
    let addresses = |key: &str| {
        let all: Vec<&str> =
            name[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if all.is_empty() { "-".to_owned() } else { all.join(" ") }
    };
    vec![
        word("name"),
        word("host"),
        word("state"),
        addresses("wanted"),
        addresses("published"),
        moment("verified_at"),
        moment("next_try_at"),
        word("error"),
    ]
}
