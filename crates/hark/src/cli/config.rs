//! `hark config`: check, show, schema.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::EXIT_USAGE;
use crate::config::{self, LoadError, Paths};
use crate::out;

/// Check the configuration, show what it amounts to, or print its JSON Schema.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark config check\n  hark config check -c /etc/hark\n  \
    hark config show\n  hark config schema > hark.schema.json")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say everything that is wrong, with file, line and column. Exit code 2 if anything is.
    Check(What),
    /// Show what is in effect, without secrets.
    Show(What),
    /// Print the JSON Schema, for editors.
    Schema,
}

#[derive(Debug, clap::Args)]
struct What {
    /// The configuration: a file or a folder.
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match &args.command {
        Command::Check(what) => check(what),
        Command::Show(what) => show(what),
        Command::Schema => {
            out::json(&hark_config::schema(&config::keys()));
            ExitCode::SUCCESS
        }
    }
}

fn check(what: &What) -> ExitCode {
    match config::load(&Paths::new(what.config.clone(), None)) {
        Ok(loaded) if what.json => {
            out::json(&json!({"ok": true, "files": loaded.files, "warnings": loaded.warnings}));
            ExitCode::SUCCESS
        }
        Ok(loaded) => {
            out::text(&loaded.warnings);
            let files: Vec<String> = loaded.files.iter().map(|f| f.display().to_string()).collect();
            if files.is_empty() {
                out::line("No configuration was found: everything has its default.");
            } else {
                out::line(format!("{} is in order.", files.join(", ")));
            }
            if loaded.agent.is_some() && loaded.tells_itself() {
                let names: Vec<&str> = loaded.receivers.iter().map(|(n, _)| n.as_str()).collect();
                out::line(format!(
                    "`hark agent` with it has no server: it tells {} itself.",
                    names.join(", ")
                ));
            }
            ExitCode::SUCCESS
        }
        Err(error) => report(&error, what.json),
    }
}

fn show(what: &What) -> ExitCode {
    match config::load(&Paths::new(what.config.clone(), None)) {
        Ok(loaded) => {
            let shown = config::show(&loaded);
            if what.json {
                out::json(&shown);
            } else {
                out::text(config::yaml(&shown));
            }
            ExitCode::SUCCESS
        }
        Err(error) => report(&error, what.json),
    }
}

/// Shows what is wrong and returns the exit code for it.
pub(crate) fn report(error: &LoadError, as_json: bool) -> ExitCode {
    match error {
        LoadError::Wrong { json, .. } if as_json => out::json(json),
        LoadError::Wrong { text, .. } => out::note(text.trim_end()),
        LoadError::File(_) => {}
    }
    if !as_json {
        out::note(format!("hark: {error}"));
    }
    ExitCode::from(EXIT_USAGE)
}
