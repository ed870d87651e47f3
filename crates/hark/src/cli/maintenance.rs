//! `hark maintenance`: plans work that comes again, and lists and ends planned work.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::ack::parse_duration;
use super::client::{ApiArgs, Client};
use super::silence;
use crate::out;

/// Plan work on some hosts that comes again, or list and end what is planned.
///
/// While it holds nobody is told of what it covers, and the time is out of the availability. It comes
/// again by a pattern of cron (--cron, --lasts) or in days and hours of the week (--when), until it is
/// ended. Work that is done once: hark silence --maintenance. Without anything it lists what there is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark maintenance --tag role:db --cron '30 2 * * *' --lasts 45m \
    --zone Europe/Berlin -m backup\n  hark maintenance --host san1 --when 'sun 02:00-04:00' \
    --zone Europe/Berlin -m scrub\n  hark maintenance\n  hark maintenance --end 3"
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
    /// Everything: needed where no host, check or tag is given.
    #[arg(long, conflicts_with_all = ["hosts", "checks", "tags"])]
    all: bool,
    /// It begins by this pattern of cron.
    #[arg(long, value_name = "PATTERN", requires = "lasts", conflicts_with = "when")]
    cron: Option<String>,
    /// How long it holds each time, such as `45m`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "cron")]
    lasts: Option<Duration>,
    /// It holds in these days and hours of the week: `sat-sun 02:00-04:00`.
    #[arg(long, value_name = "HOURS")]
    when: Option<String>,
    /// The time zone of pattern or hours; by default the server's.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Not before this time, such as `2026-12-01T02:00:00Z`.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Not from this time on; without, until it is ended.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why: others see it.
    #[arg(short, long, value_name = "TEXT", default_value = "from the command line")]
    message: String,
    /// End the one with this number.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["cron", "when"])]
    end: Option<u64>,
    #[command(flatten)]
    api: ApiArgs,
}

impl Args {
    fn covers_something(&self) -> bool {
        self.all || [&self.hosts, &self.checks, &self.tags].iter().any(|part| !part.is_empty())
    }

    fn request(&self) -> Value {
        let texts = [("cron", &self.cron), ("when", &self.when), ("timezone", &self.zone)];
        let given = texts.into_iter().filter_map(|(key, text)| Some((key, text.clone()?.into())));
        let lasts = self.lasts.map(|lasts| ("lasts_seconds", lasts.as_secs().into()));
        let repeats: Map<String, Value> =
            given.chain(lasts).map(|(key, value)| (key.to_owned(), value)).collect();
        let mut request = json!({
            "matcher": {"hosts": self.hosts, "checks": self.checks, "tags": self.tags},
            "reason": self.message, "maintenance": true, "repeats": repeats,
        });
        for (key, at) in [("from_at", &self.from), ("until_at", &self.until)] {
            if let Some(at) = at {
                request[key] = at.as_str().into();
            }
        }
        request
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    let planned = || -> anyhow::Result<Value> {
        let all = client.get("/api/0/silences")?;
        let rows = all.as_array().into_iter().flatten();
        Ok(rows.filter(|row| row["maintenance"] == true).cloned().collect())
    };
    if let Some(number) = args.end {
        if !planned()?.as_array().into_iter().flatten().any(|row| row["id"] == number) {
            bail!("there is no planned work with the number {number}");
        }
        client
            .delete(&format!("/api/0/silences/{number}"))
            .with_context(|| format!("cannot end maintenance {number}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.cron.is_none() && args.when.is_none() {
        if args.covers_something() {
            bail!("say when it comes, with --cron and --lasts, or with --when");
        }
        show(args, &planned()?);
        return Ok(ExitCode::SUCCESS);
    }
    if !args.covers_something() {
        bail!("say what it is about, with --host, --check or --tag, or --all for everything");
    }
    let made =
        client.post(None, "/api/0/silences", &args.request()).context("cannot plan the work")?;
    show(args, &json!([made]));
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Args, rows: &Value) {
    if args.api.json {
        out::json(rows);
    } else if rows.as_array().is_none_or(Vec::is_empty) {
        out::line("No work is planned.");
    } else {
        silence::print_all(rows);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn request(words: &[&str]) -> Value {
        let line = Line::try_parse_from([&["maintenance"], words].concat()).unwrap();
        line.args.request()
    }

    #[test]
    fn what_comes_again_is_asked_for_as_it_was_said() {
        let cron = ["--tag", "role:db", "--cron", "30 2 * * *", "--lasts", "45m", "--zone", "UTC"];
        let expected = json!({"cron": "30 2 * * *", "lasts_seconds": 2700, "timezone": "UTC"});
        let asked = request(&cron);
        assert_eq!((&asked["repeats"], asked["maintenance"] == true), (&expected, true));
        assert_eq!(asked["matcher"]["tags"], json!(["role:db"]));
        let week =
            request(&["--all", "--when", "sun 02:00-04:00", "--until", "2027-01-01T00:00:00Z"]);
        assert_eq!(week["repeats"], json!({"when": "sun 02:00-04:00"}));
        assert_eq!(
            (&week["until_at"], week.get("from_at")),
            (&"2027-01-01T00:00:00Z".into(), None)
        );
        for half in [&["--cron", "@daily"][..], &["--lasts", "1h"], &["--when", "x", "--cron", "y"]]
        {
            assert!(Line::try_parse_from([&["maintenance"], half].concat()).is_err(), "{half:?}");
        }
    }
}
