//! `hark history`: what the samples take and hold; looking for damage and repairing it.

mod delete;
mod export;
mod import;
mod kept;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use hark_api::Timestamp;
use hark_model::{HostId, Unit};
use hark_store::history::{self, Examined, Largest, Repaired, Survey, TierSurvey, Weight};
use hark_store::state::StateReader;
use serde_json::{Value, json};

use super::client::Folder;
use super::watch::{self, Watch};
use crate::config::{self, Paths};
use crate::out;

/// How many hosts and metrics are shown if nobody says how many.
const SHOWN: usize = 10;

/// Show what the samples take and hold: tiers, hosts, metrics; look for damage; repair it.
///
/// All of this but `delete` works on the data folder itself; to look at it the server may run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark history\n  hark history --top 50 --json\n  \
    hark history kept --host web1\n  hark history check\n  hark history repair\n  \
    hark history delete --host web1 --dry-run\n  \
    hark history export --host 'web*' --format csv > samples.csv\n  hark history import samples.csv")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many hosts and metrics are shown.
    #[arg(long, value_name = "N", default_value_t = SHOWN)]
    top: usize,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(CheckArgs),
    Repair(RepairArgs),
    Delete(delete::Args),
    Export(export::Args),
    Import(import::Args),
    Kept(kept::Args),
}

/// Look for damage: every sum, every page, every chunk. Changes nothing.
///
/// It can be done while the server runs. The exit code is 0 if all is sound, 1 if something is damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark history check\n  \
    hark history check --json | jq '.findings[] | select(.weight == \"damage\")'")]
struct CheckArgs {
    #[command(flatten)]
    place: Place,
}

/// Keep all that can be read of a damaged history. The server must not run.
///
/// What is damaged is moved aside, into a folder within that of the history, and what can be read of it is
/// written anew; five-minute and hourly values are made again of the samples where these are there.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  systemctl stop hark && hark history repair; systemctl start hark\n  \
    hark history repair --json"
)]
struct RepairArgs {
    #[command(flatten)]
    place: Place,
}

/// Where the data folder is, and how it is printed.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Place {
    /// The configuration that names the data folder.
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    pub(super) config: Option<PathBuf>,
    /// The data folder.
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Place {
    /// Returns the data folder, or the exit code after what is wrong with the configuration was said.
    pub(super) fn data_dir(&self) -> Result<PathBuf, ExitCode> {
        let paths = Paths::new(self.config.clone(), self.data.clone());
        if self.data.is_some() {
            return Ok(paths.data_dir(None));
        }
        match config::load(&paths) {
            Ok(loaded) => Ok(paths.data_dir(loaded.settings.data_dir.as_deref())),
            Err(error) => Err(super::config::report(&error, self.json)),
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let place = match &args.command {
        Some(Command::Delete(args)) => return delete::run(args),
        None => &args.place,
        Some(Command::Export(args)) => args.place(),
        Some(Command::Import(args)) => args.place(),
        Some(Command::Kept(args)) => args.place(),
        Some(Command::Check(args)) => &args.place,
        Some(Command::Repair(args)) => &args.place,
    };
    let data_dir = match place.data_dir() {
        Ok(data_dir) => data_dir,
        Err(code) => return Ok(code),
    };
    Folder::must_be_open(&data_dir)?;
    let dir = data_dir.join("history");
    anyhow::ensure!(
        dir.is_dir(),
        "there is no history in {}: nothing was received yet, or the server has another data folder \
         (--data) or configuration (-c)",
        data_dir.display()
    );
    match &args.command {
        None | Some(Command::Delete(_)) => {
            watch::repeat(&args.watch, 1, || overview(args, &data_dir, &dir))
        }
        Some(Command::Check(_)) => check(&dir, place.json),
        Some(Command::Export(args)) => export::run(args, &data_dir, &dir),
        Some(Command::Import(args)) => import::run(args, &data_dir, &dir),
        Some(Command::Kept(args)) => kept::run(args, &data_dir, &dir),
        Some(Command::Repair(_)) => repair(&data_dir, &dir, place.json),
    }
}

/// Shows which file is looked at, where somebody waits for it.
pub(super) fn shows_progress(what: &str) -> ControlFlow<()> {
    show_progress(what);
    ControlFlow::Continue(())
}

/// Shows how far it has come.
pub(super) fn show_progress(what: &str) {
    if out::error_is_terminal() {
        out::passing_note(what);
    }
}

/// Takes it away.
pub(super) fn end_of_progress() {
    if out::error_is_terminal() {
        out::erase_note();
    }
}

fn overview(args: &Args, data_dir: &Path, dir: &Path) -> anyhow::Result<ExitCode> {
    let survey = history::survey(dir, &mut shows_progress);
    end_of_progress();
    let survey = survey.with_context(|| format!("cannot read {}", dir.display()))?;
    let names = StateReader::open(data_dir).and_then(|reader| reader.host_names());
    let names = names.unwrap_or_default();
    let name = |host: &HostId| match names.get(host) {
        Some(name) => name.to_string(),
        None => format!("number {} (dropped)", host.0),
    };
    let hosts: Vec<Largest<String>> = survey
        .hosts
        .iter()
        .take(args.top)
        .map(|h| Largest { what: name(&h.what), bytes: h.bytes, samples: h.samples })
        .collect();
    if args.place.json {
        out::json(&survey_json(&survey, &hosts, args.top));
    } else {
        print_survey(&survey, &hosts, args.top);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the tiers are called where people set how long they are kept.
const TIERS: [&str; 3] = ["raw", "medium", "long"];

fn survey_json(survey: &Survey, hosts: &[Largest<String>], top: usize) -> Value {
    let tier = |(name, tier): (&&str, &TierSurvey)| {
        json!({
            "tier": name, "files": tier.files, "bytes": tier.bytes, "rows": tier.rows,
            "oldest": tier.extent.map(|e| Timestamp(e.oldest)),
            "newest": tier.extent.map(|e| Timestamp(e.newest)),
        })
    };
    let largest =
        |l: &Largest<String>| json!({"name": l.what, "bytes": l.bytes, "samples": l.samples});
    json!({
        "tiers": TIERS.iter().zip(&survey.tiers).map(tier).collect::<Vec<_>>(),
        "log_bytes": survey.log_bytes,
        "log_samples": survey.log_samples,
        "log_for_others_bytes": survey.followed_bytes,
        "block_bytes": survey.block_bytes,
        "block_samples": survey.block_samples,
        "catalogue_bytes": survey.catalogue_bytes,
        "series": survey.series,
        "samples": survey.samples,
        "bytes_per_sample": per_sample(survey.sample_bytes, survey.samples),
        "hosts": hosts.iter().map(largest).collect::<Vec<_>>(),
        "metrics": survey.metrics.iter().take(top).map(largest).collect::<Vec<_>>(),
        "unread_files": survey.unread,
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown, not counted with")]
fn per_sample(bytes: u64, samples: u64) -> Option<f64> {
    (samples > 0).then(|| (bytes as f64 / samples as f64 * 1000.0).round() / 1000.0)
}

fn print_survey(survey: &Survey, hosts: &[Largest<String>], top: usize) {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (name, tier) in TIERS.iter().zip(&survey.tiers) {
        let time = |at: Option<hark_model::Unix>| {
            at.map_or_else(|| "-".to_owned(), |at| out::moment(&Timestamp(at).to_string()))
        };
        rows.push(vec![
            (*name).to_owned(),
            size(tier.bytes),
            tier.files.to_string(),
            tier.rows.to_string(),
            time(tier.extent.map(|e| e.oldest)),
            time(tier.extent.map(|e| e.newest)),
        ]);
    }
    out::table(&["TIER", "SIZE", "FILES", "ROWS", "OLDEST", "NEWEST"], &rows);
    out::line(format!(
        "beside these: log {} with {} samples, blocks {} with {}, names of series {}",
        size(survey.log_bytes),
        survey.log_samples,
        size(survey.block_bytes),
        survey.block_samples,
        size(survey.catalogue_bytes)
    ));
    if survey.followed_bytes > 0 {
        out::line(format!(
            "and of the log {} that are kept until others have them",
            size(survey.followed_bytes)
        ));
    }
    let each = per_sample(survey.sample_bytes, survey.samples);
    let each = each.map_or_else(String::new, |each| format!(", {each:.2} bytes each"));
    out::line(format!("{} series, {} samples in chunks{each}", survey.series, survey.samples));
    let row = |l: &Largest<String>| {
        let each = per_sample(l.bytes, l.samples).map_or_else(String::new, |b| format!("{b:.2}"));
        vec![l.what.clone(), size(l.bytes), l.samples.to_string(), each]
    };
    for (head, all) in
        [("HOST", hosts), ("METRIC", survey.metrics.get(..top).unwrap_or(&survey.metrics))]
    {
        if !all.is_empty() {
            out::line("");
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            out::table(&[head, "SIZE", "SAMPLES", "BYTES EACH"], &rows);
        }
    }
    if survey.unread > 0 {
        out::note(format!("hark: {} files could not be read: hark history check", survey.unread));
    }
}

/// Writes bytes for people.
#[expect(clippy::cast_precision_loss, reason = "shown, not counted with")]
pub(super) fn size(bytes: u64) -> String {
    const STEP: f64 = 1024.0;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let bytes = bytes as f64;
    if bytes < STEP * STEP {
        format!("{:.1} KiB", bytes / STEP)
    } else if bytes < STEP * STEP * STEP {
        Unit::Mebibytes.show(bytes / STEP / STEP)
    } else {
        Unit::Gibibytes.show(bytes / STEP / STEP / STEP)
    }
}

fn check(dir: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let found = history::examine(dir, &mut shows_progress);
    end_of_progress();
    let found = found.with_context(|| format!("cannot read {}", dir.display()))?;
    if as_json {
        out::json(&examined_json(&found));
    } else {
        print_examined(&found);
    }
    Ok(if found.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Trace => "trace",
        Weight::Damage => "damage",
    }
}

fn examined_json(found: &Examined) -> Value {
    let findings = found.findings.iter();
    let finding =
        |f: &history::Finding| json!({"file": f.file, "weight": word(f.weight), "what": f.what});
    json!({
        "sound": found.is_sound(),
        "damages": found.damages,
        "traces": found.traces,
        "log_frames": found.log_frames,
        "blocks": found.blocks,
        "block_frames": found.block_frames,
        "chunks": found.chunks,
        "chunk_frames": found.chunk_frames,
        "rows": found.rows,
        "findings": findings.map(finding).collect::<Vec<_>>(),
    })
}

fn print_examined(found: &Examined) {
    for finding in &found.findings {
        out::line(format!("{}: {}: {}", word(finding.weight), finding.file, finding.what));
    }
    out::line(format!(
        "{} frames in the log, {} in {} blocks, {} in {} chunks; {} rows of coarser tiers",
        found.log_frames,
        found.block_frames,
        found.blocks,
        found.chunk_frames,
        found.chunks,
        found.rows
    ));
    let traces = match found.traces {
        0 => String::new(),
        n => format!("; {n} traces of an end without warning, which cost nothing"),
    };
    if found.is_sound() {
        out::line(format!("All is sound{traces}."));
    } else {
        out::line(format!(
            "{} places are damaged{traces}. `hark history repair` keeps all that can be read; the server \
             must not run meanwhile.",
            found.damages
        ));
    }
}

fn repair(data_dir: &Path, dir: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let lock = crate::server::folder::lock(data_dir).context("the server must not run")?;
    let repaired = history::repair(dir, &mut shows_progress);
    end_of_progress();
    crate::server::folder::let_go(&lock);
    let repaired = repaired.with_context(|| format!("cannot repair {}", dir.display()))?;
    if as_json {
        out::json(&repaired_json(&repaired));
    } else {
        print_repaired(&repaired);
    }
    Ok(ExitCode::SUCCESS)
}

fn repaired_json(repaired: &Repaired) -> Value {
    let mended = repaired.mended.iter().map(|m| json!({"file": m.file, "what": m.what}));
    json!({
        "repaired": mended.collect::<Vec<_>>(),
        "aside": repaired.aside.as_ref().map(|path| path.display().to_string()),
    })
}

fn print_repaired(repaired: &Repaired) {
    for mended in &repaired.mended {
        out::line(format!("{}: {}", mended.file, mended.what));
    }
    match &repaired.aside {
        None if repaired.mended.is_empty() => out::line("Nothing is damaged."),
        None => {}
        Some(aside) => out::line(format!(
            "What was damaged lies in {}: remove it when nobody needs it any more.",
            aside.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_for_people() {
        let shown = [0, 1023, 4096, 5 << 20, 3 << 30].map(size);
        assert_eq!(shown, ["0 B", "1023 B", "4.0 KiB", "5.0 MiB", "3.0 GiB"]);
    }

    #[test]
    fn what_is_damaged_is_told_from_what_a_kill_leaves() {
        let finding = |weight| history::Finding {
            file: "wal/0000000001.log".to_owned(),
            what: "ends early".to_owned(),
            weight,
        };
        let findings = vec![finding(Weight::Trace), finding(Weight::Damage)];
        let found = Examined { damages: 1, traces: 1, findings, ..Examined::default() };
        let shown = examined_json(&found);
        assert_eq!(shown["sound"], false);
        assert_eq!(shown["findings"][0]["weight"], "trace");
        assert_eq!(shown["findings"][1]["weight"], "damage");
    }
}
