//! `hark config`: check, show, schema; of what was made in the page: export, history, undo.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use serde_json::{Value, json};

use super::EXIT_USAGE;
use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::config::{self, LoadError, Paths};
use crate::out;

/// Check the configuration, show what it amounts to, or print its JSON Schema; see and undo what was made in
/// the page.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark config check\n  hark config check ./hark.yaml\n  hark config check -c /etc/hark\n  \
    hark config show\n  hark config schema > hark.schema.json\n  \
    hark config export > conf.d/page.yaml\n  hark config history\n  hark config undo"
)]
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
    Export(Export),
    History(History),
    Undo(Undo),
}

/// Print what was made in the page as a file for conf.d; secrets are names of the environment.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hark config export > conf.d/page.yaml")]
struct Export {
    #[command(flatten)]
    api: ApiArgs,
}

/// Show the versions of what was made in the page, or what one of them changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark config history\n  hark config history 7")]
struct History {
    /// Show what this version changed.
    #[arg(value_name = "VERSION", conflicts_with = "watch")]
    number: Option<u32>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

/// Take back the last change made in the page, or go back to a version; that is a version of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark config undo\n  hark config undo 7")]
struct Undo {
    /// The version to go back to [default: the one before the last].
    #[arg(value_name = "VERSION")]
    number: Option<u32>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Debug, clap::Args)]
struct What {
    #[command(flatten)]
    meant: Meant,
    /// The data folder, where what was made in the page lies.
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The configuration: a file or a folder.
    #[arg(short, long, env = "HARK_CONFIG", value_name = "PATH")]
    config: Option<PathBuf>,
    /// The same, as most programs take the file that they check.
    #[arg(value_name = "PATH")]
    file: Option<PathBuf>,
}

/// The one that is meant: two that are typed are refused, as one of them would go unread.
#[derive(Debug)]
struct Meant(Option<PathBuf>);

impl clap::Args for Meant {
    fn augment_args(command: clap::Command) -> clap::Command {
        Named::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Named::augment_args_for_update(command)
    }
}

impl clap::FromArgMatches for Meant {
    fn from_arg_matches(found: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let Named { config, file } = Named::from_arg_matches(found)?;
        // The environment names a configuration for every command; what is said here goes before it. So this is
        // no `conflicts_with`, which knows no difference.
        let is_typed = found.value_source("config") == Some(ValueSource::CommandLine);
        if let (true, Some(config), Some(file)) = (is_typed, &config, &file) {
            let text = format!(
                "two configurations are named, {} and {}: name one\n",
                config.display(),
                file.display()
            );
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, text));
        }
        Ok(Self(file.or(config)))
    }

    fn update_from_arg_matches(&mut self, found: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(found)?;
        Ok(())
    }
}

impl What {
    fn paths(&self) -> Paths {
        Paths::new(self.meant.0.clone(), self.data.clone())
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check(what) => return Ok(check(what)),
        Command::Show(what) => return Ok(show(what)),
        Command::Schema => out::json(&hark_config::schema(&config::keys())),
        Command::Export(export) => {
            let client = Client::new(&export.api)?;
            let text = client.text("/api/0/config/export");
            out::text(text.context("cannot read what was made in the page")?);
        }
        Command::History(asked) => {
            return watch::list(&asked.api, &asked.watch, |client| history(client, asked));
        }
        Command::Undo(asked) => undo(asked)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn history(client: &Client, asked: &History) -> anyhow::Result<()> {
    let what = || "cannot read the history of what was made in the page";
    let path = match asked.number {
        Some(number) => format!("/api/0/config/history/{number}"),
        None => "/api/0/config/history".to_owned(),
    };
    let answer = client.get(&path).with_context(what)?;
    if asked.api.json {
        out::json(&answer);
    } else if asked.number.is_some() {
        answer["diff"].as_array().into_iter().flatten().for_each(|line| out::line(diff_line(line)));
    } else {
        let rows: Vec<Vec<String>> = answer.as_array().into_iter().flatten().map(row).collect();
        if rows.is_empty() {
            out::line("Nothing was made in the page.");
        } else {
            out::table(&["VERSION", "SINCE", "BY", "WHAT"], &rows);
        }
    }
    Ok(())
}

fn row(version: &Value) -> Vec<String> {
    let mark = if version["is_current"] == true { " *" } else { "" };
    vec![
        format!("{}{mark}", version["number"]),
        version["at"].as_str().map(out::moment).unwrap_or_default(),
        word(&version["by"]),
        word(&version["what"]),
    ]
}

fn diff_line(line: &Value) -> String {
    let sign = match line["kind"].as_str() {
        Some("added") => "+",
        Some("removed") => "-",
        _ => " ",
    };
    format!("{sign} {}", word(&line["text"]))
}

/// Returns a text without what would have the terminal do something.
fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace(char::is_control, " ")
}

fn undo(asked: &Undo) -> anyhow::Result<()> {
    let client = Client::new(&asked.api)?;
    let to = if let Some(number) = asked.number {
        number.into()
    } else {
        let versions = client.get("/api/0/config/history")?;
        let before = versions.get(1).context("nothing was made in the page that can be undone")?;
        before["number"].clone()
    };
    let path = format!("/api/0/config/history/{to}/restore");
    let kept = client.post(None, &path, &json!({}));
    let kept = kept.with_context(|| format!("cannot go back to version {to}"))?;
    if asked.api.json {
        out::json(&kept);
    } else {
        out::line(format!("Version {} is version {to} again.", kept["number"]));
    }
    Ok(())
}

fn check(what: &What) -> ExitCode {
    match config::load(&what.paths()) {
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
    match config::load(&what.paths()) {
        Ok(loaded) => {
            let shown = config::show(&loaded);
            if what.json {
                out::json(&shown);
            } else {
                out::text(hark_config::yaml(&shown));
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
