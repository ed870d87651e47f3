//! `hark maintenance`: plans work that comes once or again, shows when it will, changes and ends it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::ack::parse_duration;
use super::client::{ApiArgs, Client};
use super::silence;
use super::watch::{self, Watch};
use crate::out;

/// Plan work on some hosts, once or again and again, or list, change and end what is planned.
///
/// While it holds nobody is told of what it covers, and the time is out of the availability. It comes
/// again by a pattern of cron (--cron, --lasts) or in days and hours of the week (--when), until it is
/// ended; or it is for once (--for). Without anything it lists what there is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hark maintenance --tag role:db --cron '30 2 * * *' --lasts 45m \
    --zone Europe/Berlin -m backup\n  hark maintenance --host san1 --when 'sun 02:00-04:00' \
    --zone Europe/Berlin --preview\n  hark maintenance --host db1 --from 2026-12-01T02:00:00Z \
    --for 1h -m 'new disk'\n  hark maintenance\n  hark maintenance --change 3 --lasts 1h\n  \
    hark maintenance --end 3"
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
    #[arg(long, value_name = "PATTERN", conflicts_with = "when")]
    cron: Option<String>,
    /// How long it holds each time, such as `45m`; with --cron.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "when")]
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
    /// Not from this time on; of what comes again without, until it is ended.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// For once, and for so long from its beginning.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration,
        conflicts_with_all = ["cron", "when", "lasts", "zone", "until"])]
    held: Option<Duration>,
    /// For once: begin with the first problem in that time, and hold for so long.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration,
        conflicts_with_all = ["cron", "when", "lasts", "zone"])]
    flexible: Option<Duration>,
    /// Why: others see it [default: from the command line].
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Show what it would cover and when it would hold, and plan nothing.
    #[arg(long)]
    preview: bool,
    /// Change the one with this number: what is given takes the place of what it was.
    #[arg(long, value_name = "NUMBER", conflicts_with = "preview")]
    change: Option<u64>,
    /// End the one with this number.
    #[arg(long, value_name = "NUMBER",
        conflicts_with_all = ["cron", "when", "held", "preview", "change"])]
    end: Option<u64>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

impl Args {
    fn covers_something(&self) -> bool {
        self.all || [&self.hosts, &self.checks, &self.tags].iter().any(|part| !part.is_empty())
    }

    /// Puts what is given of what it is about over `before`, part by part: one part alone would cover more
    /// than both did.
    fn matcher(&self, before: &Value) -> Value {
        let mut matcher =
            if self.all { Map::new() } else { before.as_object().cloned().unwrap_or_default() };
        for (key, given) in [("hosts", &self.hosts), ("checks", &self.checks), ("tags", &self.tags)]
        {
            if !given.is_empty() || !matcher.contains_key(key) {
                matcher.insert(key.to_owned(), json!(given));
            }
        }
        matcher.into()
    }

    /// Puts what is given of when it comes again over `before`.
    fn repeats(&self, before: &Value) -> Map<String, Value> {
        let mut repeats = before.as_object().cloned().unwrap_or_default();
        repeats.retain(|_, value| !value.is_null());
        if self.when.is_some() {
            repeats.remove("cron");
            repeats.remove("lasts_seconds");
        }
        if self.cron.is_some() {
            repeats.remove("when");
        }
        let texts = [("cron", &self.cron), ("when", &self.when), ("timezone", &self.zone)];
        let given = texts.into_iter().filter_map(|(key, text)| Some((key, text.clone()?.into())));
        let lasts = self.lasts.map(|lasts| ("lasts_seconds", lasts.as_secs().into()));
        repeats.extend(given.chain(lasts).map(|(key, value)| (key.to_owned(), value)));
        repeats
    }

    /// Returns what is to be asked for in place of `before`, which is what there is, or null.
    fn request(&self, before: &Value) -> Value {
        let matcher = self.matcher(&before["matcher"]);
        let known = before["reason"].as_str().unwrap_or("from the command line");
        let reason = self.message.as_deref().unwrap_or(known);
        let mut request = json!({"matcher": matcher, "reason": reason, "maintenance": true});
        // Of what comes again these are its bounds, and not the time in which it holds now.
        let comes_again = before["again"].is_object();
        let times = if comes_again { &before["again"] } else { before };
        let repeats = self.repeats(&before["again"]["repeats"]);
        if self.held.is_none() && !repeats.is_empty() {
            request["repeats"] = repeats.into();
        } else if let Some(lasts) = self.flexible {
            request["flexible_seconds"] = lasts.as_secs().into();
        } else if !before["flexible_seconds"].is_null() {
            let lasts = before["flexible_seconds"].as_f64().map(Duration::from_secs_f64);
            request["flexible_seconds"] = lasts.map(|lasts| lasts.as_secs()).into();
        }
        let stays = comes_again == request.get("repeats").is_some();
        for (key, given) in [("from_at", &self.from), ("until_at", &self.until)] {
            match given {
                Some(at) => request[key] = at.as_str().into(),
                None if stays && !times[key].is_null() => request[key] = times[key].clone(),
                None => {}
            }
        }
        if let Some(held) = self.held
            && let Some(request) = request.as_object_mut()
        {
            request.remove("until_at");
            request.insert("duration_seconds".to_owned(), held.as_secs().into());
        }
        request
    }

    /// Returns whether something is said that only new or changed work can have.
    fn says_more(&self) -> bool {
        let times = self.from.is_some() || self.lasts.is_some() || self.flexible.is_some();
        times || self.zone.is_some() || self.message.is_some() || self.preview
    }

    fn says_when(&self) -> bool {
        self.cron.is_some() || self.when.is_some() || self.held.is_some() || self.until.is_some()
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.api)?;
    if let Some(number) = args.end.or(args.change) {
        let before = planned(&client)?.into_iter().find(|row| row["id"] == number);
        let Some(before) = before else {
            bail!("there is no planned work with the number {number}");
        };
        let path = format!("/api/0/silences/{number}");
        if before["again"].is_object() && args.flexible.is_some() && args.held.is_none() {
            bail!("what comes again waits for no problem: make it for once with --for");
        }
        if args.end.is_some() {
            client.delete(&path).with_context(|| format!("cannot end maintenance {number}"))?;
            out::note(format!("Maintenance {number} has ended."));
        } else {
            let changed = client
                .put(&path, &args.request(&before))
                .with_context(|| format!("cannot change maintenance {number}"))?;
            show(args, &json!([changed]));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.says_when() {
        if args.covers_something() || args.says_more() {
            bail!("say when: --cron with --lasts, --when, or --for how long");
        }
        return watch::list(&args.api, &args.watch, |client| {
            show(args, &planned(client)?.into());
            Ok(())
        });
    }
    if !args.covers_something() {
        bail!("say what it is about, with --host, --check or --tag, or --all for everything");
    }
    let request = args.request(&Value::Null);
    if args.preview {
        let asked = ["matcher", "repeats", "from_at", "until_at"];
        let asked: Map<String, Value> = asked
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), request.get(*key)?.clone())))
            .collect();
        let preview = client.post(None, "/api/0/match/preview", &asked.into())?;
        show_preview(args, &preview);
        return Ok(ExitCode::SUCCESS);
    }
    let made = client.post(None, "/api/0/silences", &request).context("cannot plan the work")?;
    show(args, &json!([made]));
    Ok(ExitCode::SUCCESS)
}

/// Returns the planned work that has not ended.
fn planned(client: &Client) -> anyhow::Result<Vec<Value>> {
    let all = client.get("/api/0/silences")?;
    let rows = all.as_array().into_iter().flatten();
    Ok(rows.filter(|row| row["maintenance"] == true).cloned().collect())
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

fn show_preview(args: &Args, preview: &Value) {
    if args.api.json {
        out::json(preview);
        return;
    }
    silence::print_preview(preview);
    let moment = |value: &Value| out::moment(value.as_str().unwrap_or_default());
    let times = preview["times"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> =
        times.map(|held| vec![moment(&held["from_at"]), moment(&held["until_at"])]).collect();
    if !rows.is_empty() {
        out::line("\nThe next times:");
        out::table(&["FROM", "UNTIL"], &rows);
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

    fn args(words: &[&str]) -> Args {
        Line::try_parse_from([&["maintenance"], words].concat()).unwrap().args
    }

    fn request(words: &[&str]) -> Value {
        args(words).request(&Value::Null)
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
        for wrong in [&["--when", "x", "--cron", "y"][..], &["--for", "1h", "--zone", "UTC"]] {
            assert!(Line::try_parse_from([&["maintenance"], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn work_for_once_has_its_length_and_may_wait_for_a_problem() {
        let once = request(&["--host", "db1", "--for", "1h", "--flexible", "10m", "-m", "disk"]);
        let expected = json!({
            "matcher": {"hosts": ["db1"], "checks": [], "tags": []}, "reason": "disk",
            "maintenance": true, "duration_seconds": 3600, "flexible_seconds": 600,
        });
        assert_eq!(once, expected);
    }

    #[test]
    fn a_change_keeps_what_is_not_said_anew() {
        let before = json!({
            "id": 3, "matcher": {"hosts": ["db1"]}, "reason": "backup", "maintenance": true,
            "from_at": "2026-12-01T02:30:00Z", "until_at": "2026-12-01T03:15:00Z",
            "flexible_seconds": null,
            "again": {
                "repeats": {
                    "cron": "30 2 * * *", "lasts_seconds": 2700, "when": null, "timezone": "UTC",
                },
                "from_at": "2026-11-01T00:00:00Z", "until_at": null,
            },
        });
        let longer = args(&["--change", "3", "--lasts", "1h"]).request(&before);
        assert_eq!(
            longer["repeats"],
            json!({"cron": "30 2 * * *", "lasts_seconds": 3600, "timezone": "UTC"})
        );
        assert_eq!(longer["reason"], before["reason"]);
        assert_eq!(longer["matcher"]["hosts"], json!(["db1"]));
        // The bounds of all of it, and not the time of tonight.
        assert_eq!(longer["from_at"], "2026-11-01T00:00:00Z");
        assert_eq!(longer.get("until_at"), None);
        let weekly = args(&["--change", "3", "--when", "sun 02:00-04:00"]).request(&before);
        assert_eq!(weekly["repeats"], json!({"when": "sun 02:00-04:00", "timezone": "UTC"}));
        let disk = args(&["--change", "3", "--check", "disk"]).request(&before);
        assert_eq!(disk["matcher"]["hosts"], json!(["db1"]), "no more than before");
        assert_eq!(disk["matcher"]["checks"], json!(["disk"]));
        let everything = args(&["--change", "3", "--all"]).request(&before);
        assert_eq!(everything["matcher"]["hosts"], json!([]));
        let once = args(&["--change", "3", "--for", "2h"]).request(&before);
        assert_eq!((once.get("repeats"), &once["duration_seconds"]), (None, &7200.into()));
        assert_eq!(once.get("from_at"), None, "it is for now");
    }
}
