//! `hark send`: puts an event in.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use hark_model::{Clock, Event, EventKind, Severity};

use crate::out;

/// Send a message or event through the agent of this machine.
///
/// Returns when the agent has it on its disk: it reaches the server even if that is away now. Without
/// routes, messages are told to every receiver, and other kinds from warning on; else a kind is told by
/// the routes that name it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark send -m 'backup finished'\n  \
    hark send --kind backup --severity warning -m 'took 5 hours' --tag nightly")]
pub(super) struct Args {
    /// The text.
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// A boot message.
    #[arg(long, conflicts_with = "kind")]
    boot: bool,
    /// What kind of thing happened.
    #[arg(long, default_value = "message", value_name = "WORD")]
    kind: String,
    /// How bad: info, unknown, warning, critical.
    #[arg(long, default_value = "info", value_parser = parse_severity)]
    severity: Severity,
    /// A word to match on; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The data folder of the agent (or of `hark up`).
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let kind = if args.boot { EventKind::Boot } else { EventKind::from_word(&args.kind) };
    let text = match (args.message.clone(), args.boot) {
        (Some(text), _) => text,
        (None, true) => "the host has booted".to_owned(),
        (None, false) => bail!("give a text with -m"),
    };
    if text.len() > Event::MAX_TEXT {
        bail!("a text has at most {} bytes, this has {}", Event::MAX_TEXT, text.len());
    }
    let at = Clock.now().unix;
    let event = Event { at, kind, severity: args.severity, text, tags: args.tags.clone() };
    let folder = args.data.clone().unwrap_or_else(crate::config::default_data_dir).join("agent");
    hark_agent::inject::send(&folder, &event)
        .with_context(|| format!("no agent took it (looked in {})", folder.display()))?;
    out::note("hark: the agent has it");
    Ok(ExitCode::SUCCESS)
}

fn parse_severity(word: &str) -> Result<Severity, String> {
    Severity::from_word(word)
        .ok_or_else(|| format!("{word} is none of info, unknown, warning, critical"))
}
