//! `hark backup`: a copy of the data folder, taken while the server runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hark_api::Timestamp;
use hark_model::{Clock, Unix};
use hark_store::backup::{self, Manifest, Order};
use serde_json::json;

use super::client::{Client, Folder};
use super::history::{Place, end_of_progress, show_progress, shows_progress, size};
use super::watch::{self, Watch};
use crate::exchange::room::{ELSEWHERE, Room};
use crate::{config, out};

/// How often the server is asked how far it has come.
const PAUSE: Duration = Duration::from_millis(500);

/// Copy what the server keeps, while it runs: a folder, or an archive.
///
/// State, samples, keys, certificate and what was configured in the page; not the files that you wrote
/// yourself, nor the journal of messages. It is read back before it has its name. Without a place the server
/// is asked to make one of those that it makes by itself (`backup` in the configuration).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark backup /mnt/disk/hark-2026-11-22\n  \
    hark backup /mnt/disk/hark.tar.gz --without-history\n  hark backup --verify /mnt/disk/hark.tar.gz\n  \
    hark backup\n  hark backup --list --watch\n\nIt comes back by `hark restore`.")]
pub(super) struct Args {
    /// Where: a folder that is not there yet, or a file ending in .tar or .tar.gz.
    #[arg(conflicts_with = "watch")]
    to: Option<PathBuf>,
    /// Leave the samples out.
    #[arg(long, requires = "to")]
    without_history: bool,
    /// An older backup in a folder on the same disk: what is the same takes no room again.
    #[arg(long, value_name = "DIR", requires = "to")]
    previous: Option<PathBuf>,
    /// Make none, but look whether this one is as it was made.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["to", "without_history", "watch"])]
    verify: Option<PathBuf>,
    /// Make none, but list those that the server has made, the newest first.
    #[arg(long, conflicts_with_all = ["to", "verify"])]
    list: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.verify {
        return verify(path, args.place.json);
    }
    if args.list || args.watch.is_wanted() {
        let client = by_data(args)?;
        return watch::repeat(&args.watch, 1, || list(&client, args.place.json));
    }
    let Some(to) = &args.to else { return by_server(args) };
    let data_dir = match args.place.data_dir() {
        Ok(data_dir) => data_dir,
        Err(code) => return Ok(code),
    };
    Folder::must_be_open(&data_dir)?;
    let room = Room::beside(&data_dir, to, ELSEWHERE);
    let order = Order {
        data_dir: &data_dir,
        with_history: !args.without_history,
        program: env!("CARGO_PKG_VERSION"),
        now: Clock.now().unix,
        room: &room,
    };
    let made = backup::create(&order, to, args.previous.as_deref(), &mut shows_progress);
    end_of_progress();
    let made = made.with_context(|| format!("no backup was made at {}", to.display()))?;
    show(&made, to, args.place.json, "is whole");
    Ok(if made.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn by_data(args: &Args) -> anyhow::Result<Client> {
    Client::local(&args.place.data.clone().unwrap_or_else(config::default_data_dir))
}

fn list(client: &Client, as_json: bool) -> anyhow::Result<ExitCode> {
    let made = client.get("/api/0/backups").context("cannot list the backups")?;
    if as_json {
        out::json(&made);
        return Ok(ExitCode::SUCCESS);
    }
    let row = |one: &serde_json::Value| {
        let taken = out::moment(one["taken_at"].as_str().unwrap_or_default());
        let path = one["path"].as_str().unwrap_or_default().to_owned();
        vec![taken, size(one["bytes"].as_u64().unwrap_or(0)), path]
    };
    let rows: Vec<Vec<String>> = made.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        out::line("The server has made none: `hark backup` has it make one.");
    } else {
        out::table(&["TAKEN", "SIZE", "WHERE"], &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the server make one where it makes those that it makes by itself, and waits for it.
fn by_server(args: &Args) -> anyhow::Result<ExitCode> {
    let client = by_data(args)?;
    let mut job =
        client.post(None, "/api/0/backups", &json!({})).context("cannot ask the server")?;
    let path = format!("/api/0/jobs/{}", job["id"]);
    while job["ended_at"].is_null() {
        show_progress(&format!("{} of {} steps", job["done"], job["total"]));
        client.pause(PAUSE);
        job = client.get(&path).context("cannot ask the server how far it has come")?;
    }
    end_of_progress();
    if job["state"] != "done" {
        let why = job["failures"][0]["detail"].as_str().unwrap_or("it was ended");
        anyhow::bail!("no backup was made: {why}");
    }
    let made = client.get("/api/0/backups").context("cannot list the backups")?;
    if args.place.json {
        out::json(&made[0]);
    } else {
        let bytes = made[0]["bytes"].as_u64().unwrap_or(0);
        let path = made[0]["path"].as_str().unwrap_or_default();
        out::line(format!("{path} is whole: {}.", size(bytes)));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(path: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let found = backup::verify(path, &mut shows_progress);
    end_of_progress();
    let found = found.with_context(|| format!("{} is no sound backup", path.display()))?;
    show(&found, path, as_json, "is as it was made");
    Ok(if found.damage.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(manifest: &Manifest, path: &Path, as_json: bool, how: &str) {
    let taken = Timestamp(Unix(manifest.taken_at_ms));
    if as_json {
        return out::json(&json!({
            "path": path.display().to_string(),
            "taken_at": taken,
            "version": manifest.hark,
            "bytes": manifest.bytes(),
            "files": manifest.files.len(),
            "with_history": manifest.with_history,
            "damage": manifest.damage,
        }));
    }
    let samples = if manifest.with_history { "" } else { ", without samples" };
    out::line(format!(
        "{} {how}: {} in {} files, taken {} by hark {}{samples}.",
        path.display(),
        size(manifest.bytes()),
        manifest.files.len(),
        out::moment(&taken.to_string()),
        manifest.hark,
    ));
    if !manifest.damage.is_empty() {
        out::note(format!(
            "hark: it was copied as it is, but {}: hark history repair",
            manifest.damage
        ));
    }
}
