//! `hark dashboards`: list them, and bring them from one place to another as files.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};
use hark_config::{Document, NoSecrets, SourceFile};
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// The longest file that is read: what the server takes of another program's, and some more.
const MAX_FILE: u64 = 4 << 20;

/// The most dashboards asked for at once.
const PAGE: usize = 500;

/// List dashboards, write one to a file, or make one of a file.
///
/// A file has what a dashboard shows, and neither its number nor its owner: it can be kept in git, and be
/// read by another server. Import also reads what Grafana exports, as far as it maps.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark dashboards\n  hark dashboards --contains waves --sort -updated_at\n  \
    hark dashboards export 3 > databases.yaml\n  \
    hark dashboards import databases.yaml\n  hark dashboards import --replace 3 databases.yaml\n  \
    hark dashboards import --preview grafana.json\n  hark dashboards remove 3"
)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only those with this in what the list shows.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// In this order: a field as `--json` has it, such as title, owner or `updated_at`; backwards with a minus in front.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Write what a dashboard shows on standard output, as YAML, or as JSON with --json.
    Export(Which),
    /// Make a dashboard of a file.
    Import(Import),
    /// Remove a dashboard; for a week it can be restored.
    Remove(Which),
    /// Have a dashboard that was removed be there again.
    Restore(Which),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark dashboards export 3")]
struct Which {
    /// The dashboard's number, as `hark dashboards` lists it.
    id: u64,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark dashboards import databases.yaml\n  \
    hark dashboards import - < grafana.json")]
struct Import {
    /// A file in YAML or JSON; `-` is standard input.
    file: PathBuf,
    /// Put it in the place of the dashboard with this number.
    #[arg(long, value_name = "NUMBER")]
    replace: Option<u64>,
    /// Show what would be made, and make nothing.
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        None => watch::list(&args.api, &args.watch, |client| list(client, args)),
        Some(Order::Export(which)) => export(which),
        Some(Order::Import(order)) => import(order),
        Some(Order::Remove(which)) => {
            let client = Client::new(&which.api)?;
            let id = which.id;
            client
                .delete(&format!("/api/0/dashboards/{id}"))
                .with_context(|| format!("cannot remove dashboard {id}"))?;
            out::note(format!("Dashboard {id} is removed: hark dashboards restore {id}"));
            Ok(ExitCode::SUCCESS)
        }
        Some(Order::Restore(which)) => {
            let client = Client::new(&which.api)?;
            let back = client
                .post(None, &format!("/api/0/dashboards/{}/restore", which.id), &json!({}))
                .with_context(|| format!("cannot restore dashboard {}", which.id))?;
            said(&which.api, &client, &back, "is there again");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(client: &Client, args: &Args) -> anyhow::Result<()> {
    let api = &args.api;
    let mut all = Vec::new();
    let mut wanted = String::new();
    for (key, value) in [("q", &args.contains), ("sort", &args.sort)] {
        if let Some(value) = value {
            wanted = format!("{wanted}&{key}={}", encoded(value));
        }
    }
    let mut cursor = String::new();
    loop {
        let path = format!("/api/0/dashboards?limit={PAGE}{wanted}{cursor}");
        let mut page = client.get(&path).context("cannot ask for the dashboards")?;
        all.append(page["items"].as_array_mut().unwrap_or(&mut Vec::new()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    if api.json {
        out::json(&Value::Array(all));
        return Ok(());
    }
    if all.is_empty() && args.contains.is_some() {
        out::line("No dashboard fits.");
    } else if all.is_empty() {
        out::line(
            "There are no dashboards: make one in the page, or `hark dashboards import FILE`.",
        );
    } else {
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        out::table(&["NUMBER", "TITLE", "OWNER", "SHOWN TO", "PANELS", "CHANGED"], &rows);
    }
    Ok(())
}

fn row(one: &Value) -> Vec<String> {
    let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let named = |key: &str, before: &str| -> Vec<String> {
        let names = one["shared"][key].as_array().into_iter().flatten().filter_map(Value::as_str);
        names.map(|name| format!("{before}{name}")).collect()
    };
    let whom = [named("users", ""), named("teams", "team:")].concat();
    let shown = match (one["shared"]["everyone"] == true, whom.is_empty()) {
        (true, _) => "everyone".to_owned(),
        (false, true) => "-".to_owned(),
        (false, false) => whom.join(", "),
    };
    vec![
        one["id"].to_string(),
        word("title"),
        word("owner"),
        shown,
        one["panels"].to_string(),
        out::moment(&word("updated_at")),
    ]
}

fn export(which: &Which) -> anyhow::Result<ExitCode> {
    let client = Client::new(&which.api)?;
    let found = client
        .get(&format!("/api/0/dashboards/{}", which.id))
        .with_context(|| format!("cannot ask for dashboard {}", which.id))?;
    if which.api.json {
        out::json(&found["content"]);
    } else {
        out::text(hark_config::yaml(&found["content"]));
    }
    Ok(ExitCode::SUCCESS)
}

fn import(order: &Import) -> anyhow::Result<ExitCode> {
    let client = Client::new(&order.api)?;
    let mut content = parse(&order.file.display().to_string(), &read(&order.file)?)?;
    if is_foreign(&content) {
        let read = client
            .post(None, "/api/0/dashboards/import", &json!({"grafana": content}))
            .context("cannot read it as a dashboard of Grafana")?;
        for note in read["left_out"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            out::note(format!("left out: {note}"));
        }
        content = read["content"].clone();
    }
    if order.preview {
        if order.api.json {
            out::json(&content);
        } else {
            out::text(hark_config::yaml(&content));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let made = match order.replace {
        Some(id) => client
            .put(&format!("/api/0/dashboards/{id}"), &json!({"content": content}))
            .with_context(|| format!("cannot change dashboard {id}"))?,
        None => {
            client.post(None, "/api/0/dashboards", &content).context("cannot make the dashboard")?
        }
    };
    said(
        &order.api,
        &client,
        &made,
        if order.replace.is_some() { "is changed" } else { "is made" },
    );
    Ok(ExitCode::SUCCESS)
}

/// Says where a dashboard is.
fn said(api: &ApiArgs, client: &Client, dashboard: &Value, what: &str) {
    if api.json {
        out::json(dashboard);
        return;
    }
    let (id, title) = (&dashboard["id"], dashboard["content"]["title"].as_str());
    let title = title.unwrap_or_default();
    out::line(format!("Dashboard {id} \"{title}\" {what}: {}/dashboards/{id}", client.base()));
}

fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot open {name}"))?;
        file.take(MAX_FILE + 1).read_to_string(&mut text)
    };
    let read = read.with_context(|| format!("cannot read {name}"))?;
    ensure!(read as u64 <= MAX_FILE, "{name} is longer than {} MiB", MAX_FILE >> 20);
    Ok(text)
}

/// Reads YAML or JSON: what looks like the latter is read as such, since its errors are then about it.
fn parse(name: &str, text: &str) -> anyhow::Result<Value> {
    if text.trim_start().starts_with(['{', '[']) {
        return serde_json::from_str(text).with_context(|| format!("{name} is not JSON"));
    }
    let file = SourceFile { name: name.to_owned(), text: text.to_owned() };
    let document = Document::parse(vec![file]);
    if document.has_errors() {
        let text = document.into_diagnostics().render(hark_config::Style::Plain);
        return Err(anyhow!("{}", text.trim_end()));
    }
    let value = document.root(&NoSecrets).to_json();
    if value.as_object().is_none_or(serde_json::Map::is_empty) {
        bail!("{name} says nothing: it should have at least a `title`");
    }
    Ok(value)
}

/// Returns whether it is a dashboard of Grafana: one of hark has none of these.
fn is_foreign(content: &Value) -> bool {
    let content = content.get("dashboard").unwrap_or(content);
    ["schemaVersion", "templating", "annotations", "rows", "uid"]
        .iter()
        .any(|key| content.get(key).is_some())
        || content["panels"].as_array().is_some_and(|all| all.iter().any(|p| p["type"].is_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_can_be_imported() {
        let content = json!({
            "title": "Databases: \"main\"", "description": "one\ntwo", "range": "24h",
            "shared": {"everyone": false, "users": []},
            "variables": {"host": "db1", "tag": null},
            "panels": [{"kind": "chart", "title": "CPU of $host", "width": 6, "hosts": ["$host"],
                "metrics": ["disk_monitor./var, x.percent"], "compare": null}],
        });
        assert_eq!(parse("a.yaml", &hark_config::yaml(&content)).unwrap(), content);
        assert_eq!(parse("a.json", &content.to_string()).unwrap(), content);
    }

    #[test]
    fn a_file_that_is_wrong_is_shown_with_its_place() {
        let said = parse("a.yaml", "title: x\npanels: [\n").unwrap_err().to_string();
        assert!(said.contains("a.yaml"), "{said}");
        assert!(parse("a.yaml", "").unwrap_err().to_string().contains("says nothing"));
        assert!(parse("a.json", "{").is_err());
    }

    #[test]
    fn dashboards_of_grafana_are_known_by_what_only_they_have() {
        assert!(is_foreign(&json!({"title": "x", "schemaVersion": 38, "panels": []})));
        assert!(is_foreign(&json!({"dashboard": {"panels": [{"type": "graph"}]}, "meta": {}})));
        assert!(!is_foreign(&json!({"title": "x", "panels": [{"kind": "chart"}]})));
    }
}
