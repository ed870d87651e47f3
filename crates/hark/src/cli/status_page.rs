//! `hark status-page`: lists public status pages, and publishes on them.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// List public status pages, or publish on one: strangers read it within seconds.
///
/// Pages are made in the configuration (docs/status-pages.md). What is published stays on the page until it
/// is resolved, and in its history after that.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark status-page\n  hark status-page publish shop 'Payments fail' \
    -m 'One in five payments fails.' --component pay --impact partial_outage\n  \
    hark status-page update shop 7 --stage identified -m 'A release is the cause.'\n  \
    hark status-page resolve shop 7 -m 'The release is rolled back.'\n  \
    hark status-page announce shop 'New disks' -m 'Two interruptions under a minute.' \
    --from 2026-12-01T22:00:00Z --until 2026-12-01T23:30:00Z"
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
    /// List the pages and how they are.
    List(List),
    /// List what was published on a page.
    Incidents(Incidents),
    /// Publish an incident.
    Publish(Publish),
    /// Announce work.
    Announce(Announce),
    /// Say more about something that was published.
    Update(Update),
    /// Say that something is over.
    Resolve(Resolve),
    /// Take back what was published by mistake.
    Withdraw(Which),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark status-page list --json")]
struct List {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark status-page incidents shop\n  \
    hark status-page incidents shop --all")]
struct Incidents {
    /// The word that the page's address ends in.
    page: String,
    /// Also what is over.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark status-page publish shop 'Payments fail' \
    -m 'One in five payments fails.' --component pay --impact partial_outage")]
struct Publish {
    /// The word that the page's address ends in.
    page: String,
    /// What it is called, as strangers read it.
    title: String,
    /// What there is to say about it.
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    /// A component that it is about; may be given more than once. Without, the page as a whole.
    #[arg(long = "component", value_name = "WORD")]
    components: Vec<String>,
    /// How bad it makes them at least.
    #[arg(long, value_name = "IMPACT", default_value = "degraded",
        value_parser = ["none", "degraded", "partial_outage", "major_outage"])]
    impact: String,
    /// How far people are [default: investigating].
    #[arg(long, value_name = "STAGE",
        value_parser = ["investigating", "identified", "monitoring", "resolved"])]
    stage: Option<String>,
    /// When it began, such as `2026-12-01T22:00:00Z` [default: now].
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark status-page announce shop 'New disks' \
    -m 'Two interruptions under a minute.' --from 2026-12-01T22:00:00Z --until 2026-12-01T23:30:00Z")]
struct Announce {
    /// The word that the page's address ends in.
    page: String,
    /// What it is called, as strangers read it.
    title: String,
    /// What there is to say about it.
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    /// A component that it is about; may be given more than once. Without, the page as a whole.
    #[arg(long = "component", value_name = "WORD")]
    components: Vec<String>,
    /// When the work is to begin [default: now].
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// When the work is to be done.
    #[arg(long, value_name = "TIME")]
    until: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark status-page update shop 7 --stage identified \
    -m 'A release is the cause.'")]
struct Update {
    /// The word that the page's address ends in.
    page: String,
    /// The number of what was published, as `hark status-page incidents` lists it.
    id: u64,
    /// What there is to say.
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    /// How far people are.
    #[arg(long, value_name = "STAGE", value_parser = ["investigating", "identified", "monitoring",
        "resolved", "scheduled", "in_progress", "completed"])]
    stage: Option<String>,
    /// Another title.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// How bad it makes its components at least.
    #[arg(long, value_name = "IMPACT",
        value_parser = ["none", "degraded", "partial_outage", "major_outage"])]
    impact: Option<String>,
    /// The components that it is about from now on; may be given more than once.
    #[arg(long = "component", value_name = "WORD")]
    components: Vec<String>,
    /// When the work is to be done.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hark status-page resolve shop 7 -m 'The release is rolled back.'"
)]
struct Resolve {
    /// The word that the page's address ends in.
    page: String,
    /// The number of what was published.
    id: u64,
    /// What there is to say.
    #[arg(short, long, value_name = "TEXT")]
    message: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark status-page withdraw shop 7")]
struct Which {
    /// The word that the page's address ends in.
    page: String,
    /// The number of what was published.
    id: u64,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        None => {
            return watch::list(&args.api, &args.watch, |client| list(client, &args.api));
        }
        Some(Order::List(order)) => {
            return watch::list(&order.api, &order.watch, |client| list(client, &order.api));
        }
        Some(Order::Incidents(order)) => {
            return watch::list(&order.api, &order.watch, |client| incidents(client, order));
        }
        Some(Order::Publish(order)) => {
            let body = begun(order);
            publish(&order.api, &order.page, &body)?;
        }
        Some(Order::Announce(order)) => {
            let body = json!({"kind": "maintenance", "title": order.title, "text": order.message,
                "components": order.components, "from_at": order.from, "until_at": order.until});
            publish(&order.api, &order.page, &body)?;
        }
        Some(Order::Update(order)) => {
            tell(&order.api, &order.page, order.id, &said(order))?;
        }
        Some(Order::Resolve(order)) => resolve(order)?,
        Some(Order::Withdraw(which)) => {
            let Which { page, id, api } = which;
            let client = Client::new(api)?;
            client
                .delete(&format!("/api/0/status-pages/{page}/incidents/{id}"))
                .with_context(|| format!("cannot take back {id} on {page}"))?;
            out::note(format!("{id} is taken back: it was never on {page}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(client: &Client, api: &ApiArgs) -> anyhow::Result<()> {
    let answer = client.get("/api/0/status-pages").context("cannot ask for the status pages")?;
    let all = answer["items"].as_array().cloned().unwrap_or_default();
    if api.json {
        out::json(&Value::Array(all));
        return Ok(());
    }
    if all.is_empty() {
        out::line("There are no status pages: `status_pages` in the configuration makes some.");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|page| {
            let seen = if page["public"] == true { "everyone" } else { "some" };
            let domain = page["domains"][0].as_str().map(|domain| format!("https://{domain}/"));
            let address =
                domain.unwrap_or_else(|| format!("{}{}", client.base(), word(&page["path"])));
            vec![
                word(&page["page"]),
                word(&page["state"]).replace('_', " "),
                page["open"].to_string(),
                seen.to_owned(),
                word(&page["title"]),
                address,
            ]
        })
        .collect();
    out::table(&["PAGE", "STATE", "OPEN", "FOR", "TITLE", "ADDRESS"], &rows);
    Ok(())
}

fn incidents(client: &Client, order: &Incidents) -> anyhow::Result<()> {
    let page = &order.page;
    let query = if order.all { "limit=1000" } else { "open=true&limit=1000" };
    let answer = client
        .get(&format!("/api/0/status-pages/{page}/incidents?{query}"))
        .with_context(|| format!("cannot ask what was published on {page}"))?;
    let all = answer["items"].as_array().cloned().unwrap_or_default();
    if order.api.json {
        out::json(&Value::Array(all));
        return Ok(());
    }
    if all.is_empty() {
        out::line(format!("Nothing on {page} is open."));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let components: Vec<&str> = one["components"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            vec![
                one["id"].to_string(),
                word(&one["stage"]).replace('_', " "),
                out::moment(&word(&one["from_at"])),
                if components.is_empty() { "-".to_owned() } else { components.join(", ") },
                word(&one["title"]),
            ]
        })
        .collect();
    out::table(&["NUMBER", "STAGE", "FROM", "COMPONENTS", "TITLE"], &rows);
    Ok(())
}

fn begun(order: &Publish) -> Value {
    json!({"kind": "incident", "title": order.title, "text": order.message, "stage": order.stage,
        "impact": order.impact, "components": order.components, "from_at": order.from})
}

fn publish(api: &ApiArgs, page: &str, body: &Value) -> anyhow::Result<()> {
    let client = Client::new(api)?;
    let made = client
        .post(None, &format!("/api/0/status-pages/{page}/incidents"), body)
        .with_context(|| format!("cannot publish on {page}"))?;
    show(api, &client, page, &made);
    Ok(())
}

/// Returns what is asked for: what is not given stays as it is.
fn said(order: &Update) -> Value {
    let mut body = Map::from_iter([("text".to_owned(), json!(order.message))]);
    let given = [
        ("stage", &order.stage),
        ("title", &order.title),
        ("impact", &order.impact),
        ("until_at", &order.until),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            body.insert(key.to_owned(), json!(value));
        }
    }
    if !order.components.is_empty() {
        body.insert("components".to_owned(), json!(order.components));
    }
    body.into()
}

fn resolve(order: &Resolve) -> anyhow::Result<()> {
    let Resolve { page, id, message, api } = order;
    let client = Client::new(api)?;
    let before = client
        .get(&format!("/api/0/status-pages/{page}/incidents/{id}"))
        .with_context(|| format!("cannot ask for {id} on {page}"))?;
    let stage = if before["kind"] == "maintenance" { "completed" } else { "resolved" };
    tell(api, page, *id, &json!({"text": message, "stage": stage}))
}

fn tell(api: &ApiArgs, page: &str, id: u64, body: &Value) -> anyhow::Result<()> {
    let client = Client::new(api)?;
    let changed = client
        .post(None, &format!("/api/0/status-pages/{page}/incidents/{id}"), body)
        .with_context(|| format!("cannot say more about {id} on {page}"))?;
    show(api, &client, page, &changed);
    Ok(())
}

fn show(api: &ApiArgs, client: &Client, page: &str, one: &Value) {
    if api.json {
        out::json(one);
        return;
    }
    let (id, stage) = (&one["id"], word(&one["stage"]).replace('_', " "));
    let title = word(&one["title"]);
    out::line(format!("{id} \"{title}\" is {stage} on {}/status/{page}", client.base()));
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn order(line: &str) -> Order {
        let words = std::iter::once("status-page").chain(line.split(' '));
        Line::try_parse_from(words).unwrap().args.order.unwrap()
    }

    #[test]
    fn what_is_published_is_what_was_typed() {
        let Order::Publish(order) =
            order("publish shop Trouble -m text --component pay --component web")
        else {
            panic!("another order")
        };
        assert_eq!(
            begun(&order),
            json!({"kind": "incident", "title": "Trouble", "text": "text", "stage": null,
                "impact": "degraded", "components": ["pay", "web"], "from_at": null})
        );
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let Order::Update(order) = order("update shop 7 -m text --stage monitoring") else {
            panic!("another order")
        };
        assert_eq!(said(&order), json!({"text": "text", "stage": "monitoring"}));
    }

    #[test]
    fn a_stage_that_is_none_is_refused_before_anybody_reads_it() {
        let line = ["status-page", "publish", "shop", "x", "-m", "y", "--stage", "fixed"];
        assert!(Line::try_parse_from(line).is_err());
    }
}
