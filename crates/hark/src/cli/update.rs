//! `hark update`: look for a newer version of this program and take it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{self, Paths};
use crate::out;
use crate::update::{self, Found, Wish};

/// Look for a newer version of hark, and take it for the next start.
///
/// Only what is signed by a key of `agent.update.public_key` and newer than what is in use is taken. At
/// its first start it is on trial: if it does not work, the version before runs again by itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark update --check\n  \
    hark update && systemctl restart hark-agent")]
pub(super) struct Args {
    /// Only say whether there is one; the exit code is 1 if there is.
    #[arg(long)]
    check: bool,
    /// Take also a version that was tried here and did not work.
    #[arg(long, conflicts_with = "check")]
    again: bool,
    /// The configuration: a file or a folder. [default: as `hark agent` finds it]
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// The data folder of the agent or server. [default: /var/lib/hark as root]
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let paths = Paths::new(args.config.clone(), args.data.clone());
    let loaded = match config::load(&paths) {
        Ok(loaded) => loaded,
        Err(error) => return Ok(super::config::report(&error, args.json)),
    };
    let data_dir = paths.data_dir(loaded.settings.data_dir.as_deref());
    let settings = loaded.agent.map(|agent| agent.update).unwrap_or_default();
    anyhow::ensure!(data_dir.is_dir(), "there is no data folder {}", data_dir.display());
    let found = update::look(&data_dir, &settings, Wish { take: !args.check, again: args.again })?;
    let (word, version, text) = match &found {
        Found::Newest(version) => ("newest", version, format!("{version} is the newest")),
        Found::Newer(version) => ("newer", version, format!("there is {version}")),
        Found::Staged(version) => {
            ("staged", version, format!("{version} is taken at the next start of the service"))
        }
        Found::Failed(version, why) => (
            "failed",
            version,
            format!("{version} was tried here and {why}; --again tries it once more"),
        ),
    };
    if args.json {
        out::json(&json!({"found": word, "version": version.to_string(), "text": text}));
    } else {
        out::line(format!("hark {text}"));
    }
    let is_news = !matches!(found, Found::Newest(_));
    Ok(ExitCode::from(u8::from(args.check && is_news)))
}
