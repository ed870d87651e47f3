//! `hark oncall`: who is on call now and next, and the shifts for calendar programs.

use std::process::ExitCode;

use anyhow::{Context, bail};
use hark_net::encoded;
use serde_json::Value;

use super::client::{ApiArgs, Client};
use super::watch::{self, Watch};
use crate::out;

/// Say who is on call now, and who is next.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hark oncall --watch=1m\n  hark oncall web --ical > web.ics")]
pub(super) struct Args {
    /// The rota [default: all].
    name: Option<String>,
    /// Print the shifts for calendar programs.
    #[arg(long, requires = "name")]
    ical: bool,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let (true, Some(name)) = (args.ical, &args.name) {
        let text = Client::new(&args.api)?
            .text(&format!("/api/0/oncall/{}.ics", encoded(name)))
            .with_context(|| format!("cannot read the rota {name}"))?;
        out::line(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    watch::list(&args.api, &args.watch, |client| list(client, args))
}

fn list(client: &Client, args: &Args) -> anyhow::Result<()> {
    let mut rotas = client.get("/api/0/oncall").context("cannot ask who is on call")?;
    if let (Some(name), Some(list)) = (&args.name, rotas.as_array_mut()) {
        list.retain(|rota| rota["name"].as_str() == Some(name));
        if list.is_empty() {
            bail!("there is no rota `{name}`: `hark oncall` shows all");
        }
    }
    if args.api.json {
        out::json(&rotas);
        return Ok(());
    }
    let rotas = rotas.as_array().map(Vec::as_slice).unwrap_or_default();
    if rotas.is_empty() {
        out::line("Nobody is on call: the configuration has no `oncall`.");
        return Ok(());
    }
    out::table(&["ROTA", "NOW", "UNTIL", "NEXT"], &rotas.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn row(rota: &Value) -> Vec<String> {
    let word = |key: &str| rota[key].as_str().unwrap_or_default().replace(char::is_control, " ");
    let who = |key: &str| match word(key) {
        user if user.is_empty() => "nobody".to_owned(),
        user => user,
    };
    let until = rota["until"].as_str().map(out::moment).unwrap_or_default();
    let next = if until.is_empty() { String::new() } else { who("next") };
    vec![word("name"), who("now"), until, next]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_is_on_call_for_ever_has_nobody_after() {
        let row_of = |rota: Value| row(&rota);
        assert_eq!(
            row_of(json!({"name": "web", "now": "anna", "until": null, "next": null})),
            ["web", "anna", "", ""]
        );
        let gap = row_of(
            json!({"name": "web", "now": null, "until": "2026-11-20T00:00:00Z", "next": "ben"}),
        );
        assert_eq!((gap[1].as_str(), gap[3].as_str()), ("nobody", "ben"));
    }
}
