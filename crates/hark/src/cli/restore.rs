//! `hark restore`: a data folder out of a backup.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use hark_api::Timestamp;
use hark_model::{Clock, Unix};
use hark_store::{backup, state};
use serde_json::json;

use super::history::{Place, end_of_progress, shows_progress};
use crate::out;

/// Make a data folder out of a backup. Nothing is there unless every file is as it was made.
///
/// The server that starts on it is in quarantine: it watches and shows everything, and tells nobody, so that
/// it does not page beside the one that it is a copy of. When that does not run any more:
/// `hark quarantine end`, or the button on the page.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark restore /mnt/disk/hark-2026-11-22 --data /var/lib/hark\n  \
    hark restore hark.tar.gz --data /tmp/look && hark server --data /tmp/look"
)]
pub(super) struct Args {
    /// The backup: a folder or an archive.
    from: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let data_dir = match args.place.data_dir() {
        Ok(data_dir) => data_dir,
        Err(code) => return Ok(code),
    };
    let now = Clock.now().unix;
    let known = state::known_version();
    let restored = backup::restore(&args.from, &data_dir, known, now, &mut shows_progress);
    end_of_progress();
    let restored =
        restored.with_context(|| format!("nothing was restored from {}", args.from.display()))?;
    let taken = Timestamp(Unix(restored.manifest.taken_at_ms));
    if args.place.json {
        out::json(&json!({
            "data": data_dir.display().to_string(),
            "taken_at": taken,
            "version": restored.manifest.hark,
            "with_history": restored.manifest.with_history,
        }));
    } else {
        out::line(format!(
            "{} is as it was {}. Its server will tell nobody until `hark quarantine end`.",
            data_dir.display(),
            out::moment(&taken.to_string())
        ));
    }
    Ok(ExitCode::SUCCESS)
}
