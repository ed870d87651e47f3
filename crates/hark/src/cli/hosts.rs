//! `hark hosts`: lists hosts with their state.

use std::process::ExitCode;

use anyhow::Context;
use hark_api::words::Letter;
use hark_net::encoded;
use serde_json::{Value, json};

use super::client::{ApiArgs, Client};
use super::status::{age_text, seconds_of, state_word, text};
use super::watch::{self, Watch};
use crate::out;

/// Hosts asked for at once: the most that the API gives.
const PAGE: u32 = 1000;

/// List hosts with their state, by name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark hosts\n  hark hosts --state critical --watch\n  \
    hark hosts --contains db --json | jq -r '.[].name'\n  hark hosts hand-over db1 tom\n  \
    hark hosts access db1\n  hark hosts drop db1\n  hark hosts restore db1")]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only those in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those with this in their name, or one of their tags.
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Have a host be somebody else's.
    HandOver(HandOver),
    Access(Access),
    Drop(Drop),
    Restore(Restore),
}

/// Take a host out, with its checks, incidents and history; undone for an hour by `hark hosts restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark hosts drop db1")]
struct Drop {
    /// The host.
    host: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Give back a host that was dropped within the last hour, or list those that can come back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark hosts restore\n  hark hosts restore db1")]
struct Restore {
    /// The host; without one, those that can come back are listed.
    #[arg(conflicts_with = "watch")]
    host: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark hosts hand-over db1 tom")]
struct HandOver {
    /// The host.
    host: String,
    /// Whose it is to be.
    user: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Show who may do what with a host, or say who may from now on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark hosts access db1\n  hark hosts access db1 --managers anna,bert\n  \
    hark hosts access db1 --monitors ''"
)]
struct Access {
    /// The host.
    host: String,
    /// Whose it is to be.
    #[arg(long, value_name = "USER", conflicts_with = "watch")]
    owner: Option<String>,
    /// Who may also act on it, and nobody else who is named on the host; split by commas.
    #[arg(long, value_name = "USERS", conflicts_with = "watch")]
    managers: Option<String>,
    /// Who may see it, in the same way.
    #[arg(long, value_name = "USERS", conflicts_with = "watch")]
    monitors: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

/// A state of a host, in people's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Ok,
    Warning,
    Critical,
    Unknown,
    Maintenance,
    Pending,
}

impl State {
    /// Returns its letter in the API.
    fn letter(self) -> char {
        let letter = match self {
            Self::Ok => Letter::Ok,
            Self::Warning => Letter::Warning,
            Self::Critical => Letter::Critical,
            Self::Unknown => Letter::Unknown,
            Self::Maintenance => Letter::Maintenance,
            Self::Pending => Letter::None,
        };
        letter.letter()
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.order {
        Some(Order::HandOver(order)) => return hand_over(order),
        Some(Order::Access(order)) => return access(order),
        Some(Order::Drop(order)) => return drop_host(order),
        Some(Order::Restore(order)) => return restore(order),
        None => {}
    }
    let client = Client::new(&args.api)?;
    let state = args.state.map(|state| format!("&state={}", state.letter()));
    let contains = args.contains.as_deref().map(|part| format!("&q={}", encoded(part)));
    let filter = state.unwrap_or_default() + &contains.unwrap_or_default();
    watch::repeat(&args.watch, 1, || {
        let hosts = all(&client, &filter)?;
        if args.api.json {
            out::json(&json!(hosts));
        } else if !hosts.is_empty() {
            print(&client, &hosts);
        } else if filter.is_empty() {
            out::line("There is no host yet: `hark enroll` gives the line to run on one.");
        } else {
            out::line("No host matches.");
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn hand_over(order: &HandOver) -> anyhow::Result<ExitCode> {
    let HandOver { host, user, api } = order;
    let answer = Client::new(api)?
        .put(&format!("/api/0/hosts/{}/owner", encoded(host)), &json!({"owner": user}))
        .with_context(|| format!("cannot hand {host} over"))?;
    if api.json {
        out::json(&answer);
    } else {
        out::line(format!("{host} is {user}'s."));
    }
    Ok(ExitCode::SUCCESS)
}

fn access(order: &Access) -> anyhow::Result<ExitCode> {
    let Access { host, owner, managers, monitors, watch, api } = order;
    let client = Client::new(api)?;
    let path = format!("/api/0/hosts/{}/access", encoded(host));
    let what = || format!("cannot read who may do what with {host}");
    if owner.is_some() || managers.is_some() || monitors.is_some() {
        let before = client.get(&path).with_context(what)?;
        // What is not said stays: the path takes all of it.
        let names = |said: &Option<String>, key: &str| match said {
            Some(names) => json!(split(names)),
            None => before[key].clone(),
        };
        let (managers, monitors) = (names(managers, "managers"), names(monitors, "monitors"));
        let body = json!({"owner": owner, "managers": managers, "monitors": monitors});
        client.put(&path, &body).with_context(|| format!("cannot change the access to {host}"))?;
    }
    watch::repeat(watch, 1, || {
        let now = client.get(&path).with_context(what)?;
        if api.json {
            out::json(&now);
        } else {
            out::table(&["USER", "MAY", "BY"], &users(&now));
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn drop_host(order: &Drop) -> anyhow::Result<ExitCode> {
    let Drop { host, api } = order;
    let answer = Client::new(api)?
        .delete(&format!("/api/0/hosts/{}", encoded(host)))
        .with_context(|| format!("cannot drop {host}"))?;
    if api.json {
        out::json(&answer);
    } else {
        out::line(format!(
            "{host} is dropped. For an hour `hark hosts restore {host}` undoes that. If its agent goes \
             on sending, it comes back as a new host."
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn restore(order: &Restore) -> anyhow::Result<ExitCode> {
    let Restore { host, watch, api } = order;
    let Some(host) = host else {
        return watch::list(api, watch, |client| list_dropped(client, api));
    };
    let answer = Client::new(api)?
        .post(None, &format!("/api/0/hosts/{}/restore", encoded(host)), &json!({}))
        .with_context(|| format!("cannot give {host} back"))?;
    if api.json {
        out::json(&answer);
    } else {
        out::line(format!("{host} is back."));
    }
    Ok(ExitCode::SUCCESS)
}

fn list_dropped(client: &Client, api: &ApiArgs) -> anyhow::Result<()> {
    let dropped = client.get("/api/0/dropped").context("cannot list what was dropped")?;
    if api.json {
        out::json(&dropped);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = dropped.as_array().into_iter().flatten().map(kept).collect();
    if rows.is_empty() {
        out::line("No host was dropped within the last hour.");
    } else {
        out::table(&["HOST", "DROPPED BY", "AT", "REMOVED AT"], &rows);
    }
    Ok(())
}

fn kept(host: &Value) -> Vec<String> {
    ["name", "by", "dropped_at", "until_at"].map(|key| text(&host[key])).to_vec()
}

fn split(names: &str) -> Vec<&str> {
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// Returns who may do what, a line each: those whom the host names, then the others who may by something else, if that
/// is told.
fn users(access: &Value) -> Vec<Vec<String>> {
    let line =
        |user: &str, role: &str, by: &str| vec![user.to_owned(), role.to_owned(), by.to_owned()];
    let named = |key: &str| access[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let owner = access["owner"].as_str().map(|user| line(user, "owner", "the host"));
    let managers = named("managers").map(|user| line(user, "manager", "the host"));
    let monitors = named("monitors").map(|user| line(user, "monitor", "the host"));
    let mut lines: Vec<Vec<String>> = owner.into_iter().chain(managers).chain(monitors).collect();
    for user in access["everybody"].as_array().into_iter().flatten() {
        let (name, role) = (text(&user["user"]), text(&user["role"]));
        let by = if user["admin"] == true { "administrator" } else { "access, teams or the user" };
        if !lines.iter().any(|line| line[0] == name && line[1] == role) {
            lines.push(line(&name, &role, by));
        }
    }
    lines
}

/// Returns hosts by name, page by page. `filter` is a part of the query that begins with `&`.
///
/// # Errors
/// What the server says.
pub(super) fn all(client: &Client, filter: &str) -> anyhow::Result<Vec<Value>> {
    let mut hosts = Vec::new();
    let mut next = Some(String::new());
    while let Some(cursor) = next {
        let path = format!("/api/0/hosts?limit={PAGE}{filter}{cursor}");
        let mut page = client.get(&path).context("cannot list the hosts")?;
        if let Some(items) = page["items"].as_array_mut() {
            hosts.append(items);
        }
        next = page["next"].as_str().map(|cursor| format!("&cursor={}", encoded(cursor)));
    }
    Ok(hosts)
}

/// Prints hosts as a table.
pub(super) fn print(client: &Client, hosts: &[Value]) {
    // What was heard before the server's start is stored now and then only: an old figure would look
    // like silence. Whoever may not ask when it started sees the figure as it is.
    let started = client.get("/api/0/self").ok();
    let started = started.and_then(|server| seconds_of(&server["started_at"]));
    let now = hark_model::Clock.now().unix.seconds();
    let rows: Vec<Vec<String>> = hosts.iter().map(|host| row(host, started, now)).collect();
    out::table(&["HOST", "STATE", "ADDRESS", "LAST HEARD", "TEXT"], &rows);
}

fn row(host: &Value, started: Option<i64>, now: i64) -> Vec<String> {
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let heard = match seconds_of(&host["last_heard_at"]) {
        None => "never".to_owned(),
        Some(at) if started.is_some_and(|started| at < started) => "before the start".to_owned(),
        Some(at) => format!("{} ago", age_text(now.saturating_sub(at).max(0))),
    };
    vec![
        text(&host["name"]),
        state_word(&host["state"]),
        or_dash(text(&host["address"])),
        heard,
        text(&host["text"]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_words_and_what_was_heard_before_the_start_is_no_age() {
        let host = |state: &str, heard: Value| json!({"name": "web1", "state": state, "address": null, "last_heard_at": heard, "text": ""});
        let row = |host: Value| row(&host, Some(1_000), 1_100)[1..4].join(" ");
        assert_eq!(row(host("c", json!("1970-01-01T00:17:30Z"))), "critical - 50 s ago");
        assert_eq!(row(host("o", json!("1970-01-01T00:16:39Z"))), "ok - before the start");
        assert_eq!(row(host("-", Value::Null)), "pending - never");
    }

    #[test]
    fn who_is_named_on_a_host_stands_before_who_may_by_something_else() {
        let told = json!({"owner": "mira", "managers": ["tom"], "monitors": [], "everybody": [
            {"user": "mira", "role": "owner", "admin": false},
            {"user": "root", "role": "owner", "admin": true},
            {"user": "tom", "role": "manager", "admin": false},
            {"user": "uma", "role": "monitor", "admin": false},
        ]});
        let lines: Vec<String> = users(&told).iter().map(|line| line.join(" ")).collect();
        let expected = [
            "mira owner the host",
            "tom manager the host",
            "root owner administrator",
            "uma monitor access, teams or the user",
        ];
        assert_eq!(lines, expected);
        // Who does not own it is not told of everybody.
        let told = json!({"owner": null, "managers": [], "monitors": ["uma"], "everybody": null});
        assert_eq!(users(&told), [["uma", "monitor", "the host"]]);
        assert_eq!(split(" anna, bert,"), ["anna", "bert"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn each_state_has_the_word_that_lists_show() {
        use clap::ValueEnum as _;
        for state in State::value_variants() {
            let word = state.to_possible_value().map(|word| word.get_name().to_owned());
            assert_eq!(word, Some(state_word(&json!(state.letter().to_string()))));
        }
    }
}
