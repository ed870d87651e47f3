//! `hark send`: puts an event in, or says how a job went.

mod mail;

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use hark_agent::inject::{self, SendError};
use hark_model::{Clock, Event, EventKind, Severity};

use super::client::Client;
use crate::out;

/// Send a message or event through the agent of this machine.
///
/// Returns when the agent has it on its disk: it reaches the server even if that is away now. Without
/// routes, messages are told to every receiver, and other kinds from warning on; else a kind is told by
/// the routes that name it.
///
/// With --push it says to the address of a job instead how the job went; no agent is needed then.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark send -m 'backup finished'\n  \
    hark send --kind backup --severity warning -m 'took 5 hours' --tag nightly\n  \
    hark send --kind backup -m 'took 5 hours' --payload '{\"hours\": 5, \"files\": 1200}'\n  \
    echo '{\"kind\": \"backup\", \"severity\": \"warning\", \"text\": \"took 5 hours\"}' | hark send --json -\n  \
    backup; hark send --push https://hark.example.net:50004/push/0123… --exit-code $?\n  \
    hark send --mail --push https://hark.example.net:50004/push/0123… < mail")]
pub(super) struct Args {
    /// The text.
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// A boot message.
    #[arg(long, conflicts_with = "kind")]
    boot: bool,
    /// What kind of thing happened.
    #[arg(long, visible_alias = "topic", default_value = "message", value_name = "WORD")]
    kind: String,
    /// How bad: info, unknown, warning, critical.
    #[arg(long, default_value = "info", value_parser = parse_severity)]
    severity: Severity,
    /// A word to match on; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Any JSON for the programs that get to see the event, at most 500 bytes; `-` reads standard input.
    #[arg(long, value_name = "JSON", value_parser = parse_payload)]
    payload: Option<String>,
    /// The whole event as JSON, in place of the words above: `text`, and if wanted `kind`, `severity`, `tags` and
    /// `data`. A file; `-` reads standard input.
    #[arg(long, value_name = "FILE", value_parser = read_event, conflicts_with_all = [
        "message", "boot", "kind", "severity", "tags", "payload", "mail", "push"])]
    json: Option<Event>,
    /// Read a mail from standard input: its subject and text are what is sent.
    #[arg(long, conflicts_with_all = ["message", "boot"])]
    mail: bool,
    #[command(flatten)]
    job: Job,
    /// The data folder of the agent (or of `hark up`).
    #[arg(long, env = "HARK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Most bytes of a payload that are read: printed with an indent it is some times as long.
const MAX_PAYLOAD_READ: usize = 16 * 1024;

/// How a job went.
#[derive(Debug, clap::Args)]
struct Job {
    /// The address of a job (`hark push` shows it): say that it is done, or what follows.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "boot")]
    push: Option<String>,
    /// It begins.
    #[arg(long, requires = "push", group = "went")]
    start: bool,
    /// It failed.
    #[arg(long, requires = "push", group = "went")]
    fail: bool,
    /// It ended with this code; 0 is done, all others failed.
    #[arg(long, value_name = "CODE", requires = "push", group = "went")]
    exit_code: Option<u8>,
    /// SHA-256 fingerprint (hex) of the server's certificate, if it is self-signed.
    #[arg(long, env = "HARK_FINGERPRINT", value_name = "HEX", requires = "push")]
    fingerprint: Option<String>,
}

impl Job {
    /// Returns what follows the address.
    fn word(&self) -> String {
        match (self.start, self.fail, self.exit_code) {
            (true, _, _) => "/start".to_owned(),
            (_, true, _) => "/fail".to_owned(),
            (_, _, Some(code)) => format!("/{code}"),
            (false, false, None) => String::new(),
        }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mail = if args.mail { Some(mail::read(std::io::stdin().lock())?) } else { None };
    let given = mail.as_ref().map(mail::Mail::text).or_else(|| args.message.clone());
    if let Some(address) = &args.job.push {
        let url = format!("{}{}", address.trim_end_matches('/'), args.job.word());
        Client::call(&url, args.job.fingerprint.as_deref(), &given.unwrap_or_default())?;
        return Ok(ExitCode::SUCCESS);
    }
    let event = match &args.json {
        Some(event) => event.clone(),
        None => of_words(args, given)?,
    };
    let folder = args.data.clone().unwrap_or_else(crate::config::default_data_dir).join("agent");
    inject::send(&folder, &event).map_err(|error| explained(error, &folder))?;
    out::note("hark: the agent has it");
    Ok(ExitCode::SUCCESS)
}

/// Makes an event of what the words of the command say.
fn of_words(args: &Args, given: Option<String>) -> anyhow::Result<Event> {
    let kind = if args.boot { EventKind::Boot } else { EventKind::from_word(&args.kind) };
    let given = if args.mail { given.map(|text| mail::shortened(&text)) } else { given };
    let text = match (given, args.boot) {
        (Some(text), _) => text,
        (None, true) => "the host has booted".to_owned(),
        (None, false) => {
            bail!("there is nothing to send: give a text with -m TEXT, or --mail, or --boot")
        }
    };
    if text.len() > Event::MAX_TEXT {
        bail!("a text has at most {} bytes, this has {}", Event::MAX_TEXT, text.len());
    }
    let at = Clock.now().unix;
    let (tags, data) = (args.tags.clone(), args.payload.clone());
    Ok(Event { at, kind, severity: args.severity, text, tags, data })
}

/// Says what a person can do about an event that no agent took.
pub(super) fn explained(error: SendError, folder: &Path) -> anyhow::Error {
    let SendError::Unreachable { source, .. } = &error else { return error.into() };
    let (kind, folder) = (source.kind(), folder.display());
    if [ErrorKind::NotFound, ErrorKind::ConnectionRefused].contains(&kind) {
        return anyhow!(
            "no agent runs on this machine with the folder {folder}: start one with `hark up` or \
             `hark agent`, or name its data folder with --data"
        );
    }
    if kind == ErrorKind::PermissionDenied {
        return anyhow!(
            "the agent's folder {folder} belongs to somebody else: run this as the agent's user, or write \
             to the socket `agent.lines`, if its group may (docs/events.md)"
        );
    }
    error.into()
}

/// Reads one JSON value, and writes it without blanks.
fn parse_payload(text: &str) -> Result<String, String> {
    let read = if text == "-" {
        // One byte more than may be there with all the blanks that a program puts between.
        let most = u64::try_from(MAX_PAYLOAD_READ).unwrap_or(u64::MAX);
        serde_json::from_reader(std::io::stdin().lock().take(most))
    } else {
        serde_json::from_str(text)
    };
    let value: serde_json::Value = read.map_err(|error| format!("this is no JSON: {error}"))?;
    let text = value.to_string();
    if text.len() > Event::MAX_DATA {
        return Err(format!("it has {} bytes, {} are the most", text.len(), Event::MAX_DATA));
    }
    Ok(text)
}

/// Reads a whole event of the file `name`, as the agent's socket takes it.
fn read_event(name: &str) -> Result<Event, String> {
    // One byte more than an event may have shows that it has too many.
    let most = u64::try_from(inject::MAX_LEN + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    if name == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(name).and_then(|file| file.take(most).read_to_end(&mut bytes))
    }
    .map_err(|error| format!("cannot be read: {error}"))?;
    inject::parse(&bytes, Clock.now().unix)
}

fn parse_severity(word: &str) -> Result<Severity, String> {
    Severity::from_word(word)
        .ok_or_else(|| format!("{word} is none of info, unknown, warning, critical"))
}
