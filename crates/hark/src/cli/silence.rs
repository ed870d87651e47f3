//! `hark silence`: keeps messages back for a while, and shows beforehand which.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::ack::parse_duration;
use super::client::{ApiArgs, Client};
use super::status::state_word;
use super::watch::{self, Watch};
use crate::out;

/// Keep messages about some hosts or checks back for a while, or list and end what does.
///
/// It must end, 30 days later at most. With --maintenance it is planned work, which also stays out of
/// the availability. Without anything it lists what there is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark silence --host 'web*' --check 'disk_monitor.*' --for 2h \
    -m 'cleaning up'\n  hark silence --tag role:db --for 4h --preview\n  \
    hark silence --host db1 --maintenance --from 2026-12-01T02:00:00Z --for 1h -m 'new disk'\n  \
    hark silence\n  hark silence --end 3"
)]
pub(super) struct Args {
    /// A host, or a pattern with `*` and `?`; may be given more than once.
    #[arg(long = "host", value_name = "PATTERN")]
    hosts: Vec<String>,
    /// A check, or a pattern; may be given more than once.
    #[arg(long = "check", value_name = "PATTERN")]
    checks: Vec<String>,
    /// A tag of which the host must have one; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The lowest severity: info, unknown, warning, critical.
    #[arg(long, value_name = "WORD")]
    severity: Option<String>,
    /// Everything: needed where no host, check or tag is given.
    #[arg(long, conflicts_with_all = ["hosts", "checks", "tags"])]
    all: bool,
    /// For how long, such as `2h`.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    held: Option<Duration>,
    /// From when, as `2026-12-01T02:00:00Z`; now if not given.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Why: others see it.
    #[arg(short, long, value_name = "TEXT", default_value = "from the command line")]
    message: String,
    /// It is planned work.
    #[arg(long)]
    maintenance: bool,
    /// Planned work that begins with the first problem in that time, and holds for so long.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "maintenance")]
    flexible: Option<Duration>,
    /// Show what it would hide now, and make nothing.
    #[arg(long)]
    preview: bool,
    /// End the one with this number.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["preview", "held"])]
    end: Option<u64>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

impl Args {
    fn matcher(&self) -> Value {
        json!({
            "hosts": self.hosts, "checks": self.checks, "tags": self.tags, "severity": self.severity,
        })
    }

    fn covers_something(&self) -> bool {
        let parts = [&self.hosts, &self.checks, &self.tags];
        self.all || self.severity.is_some() || parts.iter().any(|part| !part.is_empty())
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    if let Some(number) = args.end {
        client
            .delete(&format!("/api/0/silences/{number}"))
            .with_context(|| format!("cannot end silence {number}"))?;
        out::note(format!("Silence {number} has ended."));
        return Ok(ExitCode::SUCCESS);
    }
    if args.preview {
        let preview =
            client.post(None, "/api/0/match/preview", &json!({"matcher": args.matcher()}))?;
        show(args, &preview, print_preview);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(held) = args.held else {
        if args.covers_something() {
            bail!("say for how long, as in --for 2h: a silence must end");
        }
        return watch::list(&args.api, &args.watch, |client| {
            show(args, &client.get("/api/0/silences")?, print_all);
            Ok(())
        });
    };
    if !args.covers_something() {
        bail!("say what it is about, with --host, --check or --tag, or --all for everything");
    }
    let mut request = json!({
        "matcher": args.matcher(), "reason": args.message, "maintenance": args.maintenance,
        "duration_seconds": held.as_secs(),
    });
    if let Some(from) = &args.from {
        request["from_at"] = from.as_str().into();
    }
    if let Some(lasts) = args.flexible {
        request["flexible_seconds"] = lasts.as_secs().into();
    }
    let silence =
        client.post(None, "/api/0/silences", &request).context("cannot make the silence")?;
    show(args, &silence, |silence| print_all(&json!([silence])));
    // It is made all the same: what it is for may come later. Without the hint nothing is lost.
    let preview = client.post(None, "/api/0/match/preview", &json!({"matcher": args.matcher()}));
    if preview.is_ok_and(|preview| covers_no_host(&preview)) {
        out::note(
            "It covers no host that is known: look at its names and tags, or end it with --end.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn covers_no_host(preview: &Value) -> bool {
    preview["hosts"].as_u64() == Some(0)
}

fn show(args: &Args, value: &Value, print: impl Fn(&Value)) {
    if args.api.json {
        out::json(value);
    } else {
        print(value);
    }
}

pub(super) fn print_preview(preview: &Value) {
    let hosts = &preview["hosts"];
    out::line(would_cover(preview));
    let rows: Vec<Vec<String>> = list(&preview["incidents_list"])
        .map(|row| {
            vec![
                row["id"].to_string(),
                state_word(&row["state"]),
                word(&row["host"]),
                word(&row["check"]),
            ]
        })
        .collect();
    if !rows.is_empty() {
        out::line("");
        out::table(&["INCIDENT", "STATE", "HOST", "CHECK"], &rows);
    }
    let names: Vec<String> = list(&preview["names"]).map(word).collect();
    if !names.is_empty() {
        let more = if hosts.as_u64().unwrap_or(0) > names.len() as u64 { ", …" } else { "" };
        out::line(format!("\nHosts: {}{more}", names.join(", ")));
    }
}

fn would_cover(preview: &Value) -> String {
    let counted = |key: &str, what: &str| match preview[key].as_u64().unwrap_or(0) {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let (hosts, incidents) = (counted("hosts", "host"), counted("incidents", "open incident"));
    format!("It would cover {hosts} and {incidents}.")
}

pub(super) fn print_all(silences: &Value) {
    let rows: Vec<Vec<String>> = list(silences).map(row).collect();
    if rows.is_empty() {
        out::line("Nothing is silenced.");
    } else {
        let head = ["NUMBER", "KIND", "FROM", "UNTIL", "BY", "COVERS", "WITHHELD", "REASON"];
        out::table(&head, &rows);
    }
}

fn row(silence: &Value) -> Vec<String> {
    let kind = match (silence["maintenance"] == true, silence["repeats"].as_str()) {
        (false, _) => "silence".to_owned(),
        (true, Some(repeats)) => format!("maintenance {repeats}"),
        (true, None) if silence["flexible_seconds"].is_number() => "flexible".to_owned(),
        (true, None) => "maintenance".to_owned(),
    };
    vec![
        silence["id"].to_string(),
        kind,
        out::moment(&word(&silence["from_at"])),
        out::moment(&word(&silence["until_at"])),
        word(&silence["by"]),
        covers(&silence["matcher"]),
        silence["withheld"].to_string(),
        word(&silence["reason"]),
    ]
}

fn covers(matcher: &Value) -> String {
    let mut parts: Vec<String> = ["hosts", "checks", "tags"]
        .iter()
        .flat_map(|part| list(&matcher[*part]).map(word).collect::<Vec<_>>())
        .collect();
    parts.extend(matcher["severity"].as_str().map(|severity| format!("{severity} and worse")));
    if parts.is_empty() { "everything".to_owned() } else { parts.join(" ") }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_is_no_hosts() {
        let said = |hosts: u64, incidents: u64| {
            would_cover(&json!({"hosts": hosts, "incidents": incidents}))
        };
        assert_eq!(said(1, 0), "It would cover 1 host and 0 open incidents.");
        assert_eq!(said(12, 1), "It would cover 12 hosts and 1 open incident.");
    }

    #[test]
    fn a_silence_without_hosts_is_known_by_its_preview() {
        assert!(covers_no_host(&json!({"hosts": 0, "incidents": 0})));
        assert!(!covers_no_host(&json!({"hosts": 2, "incidents": 0})));
        assert!(!covers_no_host(&json!({})), "what an older server does not say is not claimed");
    }

    #[test]
    fn what_a_silence_covers_reads_as_a_person_would_say_it() {
        let all = json!({"hosts": [], "checks": [], "tags": [], "severity": null});
        assert_eq!(covers(&all), "everything");
        let some = json!({"hosts": ["web*", "db1"], "checks": [], "tags": ["role:db"], "severity": "critical"});
        assert_eq!(covers(&some), "web* db1 role:db critical and worse");
    }

    #[test]
    fn a_row_hides_no_control_characters_and_names_its_kind() {
        let silence = json!({
            "id": 3, "maintenance": true, "from_at": "2026-11-21T01:00:00Z", "withheld": 2,
            "until_at": "2026-11-21T02:00:00Z", "by": "mira", "reason": "a\u{1b}b",
            "matcher": {"hosts": ["db1"]},
        });
        let row = row(&silence);
        assert_eq!(row[..2], ["3".to_owned(), "maintenance".to_owned()]);
        assert_eq!(row.last().unwrap(), "a b");
    }
}
