//! `hark check`: one look, now.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::builder::PossibleValuesParser;
use hark_checks::{CheckType, Context, Programs};
use hark_net::Resolver;
use serde_json::json;

use crate::out;

/// Settings shown as an example of how they are given: enough to see it.
const MAX_HINTED: usize = 3;

/// Look once and say what was found, as a Nagios plugin does.
///
/// Exit code: 0 ok, 1 warning, 2 critical, 3 unknown. Settings of the type are given as key=value, as
/// they stand in the configuration; `hark check TYPE --help-type` lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = types_and_examples())]
pub(super) struct Args {
    /// What kind of look.
    #[arg(value_name = "TYPE", value_parser = type_words(), hide_possible_values = true)]
    kind: String,
    /// Host, HOST:PORT, or address of a page.
    #[arg(required_unless_present = "help_type")]
    target: Option<String>,
    /// Settings of the type.
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Print what the type looks at and its settings.
    #[arg(long)]
    help_type: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Returns the words of the types: for completions, and for the nearest one to a slip.
fn type_words() -> PossibleValuesParser {
    PossibleValuesParser::new(hark_checks::by_name().into_iter().map(CheckType::name))
}

/// Returns every type with what it looks at and how it is called.
fn types_and_examples() -> String {
    let mut text = String::from("Types:\n");
    for kind in hark_checks::by_name() {
        let about = hark_checks::first_sentence(kind.manual());
        let target = example_target(kind);
        // Writing to a text cannot fail.
        let _written = writeln!(
            text,
            "  {:11} {about}\n              hark check {} {target}",
            kind.name(),
            kind.name()
        );
    }
    text.push_str(
        "\nExamples:\n  hark check tcp mail.example.net:25 expect=220 timeout=3s\n  \
         hark check http https://example.net/ family=both 'conditions=total_seconds < 1s'\n  \
         hark check http --help-type",
    );
    text
}

/// Returns the target that stands in a type's example.
fn example_target(kind: &dyn CheckType) -> String {
    let value_of = |key: &str| {
        let mut lines = kind.example().lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": ").map(str::to_owned))
    };
    let target = value_of(kind.target_key()).unwrap_or_else(|| "TARGET".to_owned());
    let target = target.trim_matches(['"', '\'']).to_owned();
    if target.contains(' ') { format!("'{target}'") } else { target }
}

/// Looks once. Whatever keeps it from looking is "unknown" for whoever reads the exit code.
pub(super) fn run(args: &Args) -> ExitCode {
    look(args).unwrap_or_else(|error| {
        out::error(&error);
        ExitCode::from(hark_model::Status::Unknown.exit_code())
    })
}

fn look(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(target) = args.target.as_deref().filter(|_| !args.help_type) else {
        return help(&args.kind);
    };
    let settings = args.settings.iter().map(|s| split(s)).collect::<anyhow::Result<Vec<_>>>()?;
    let check = match hark_checks::from_target(&args.kind, target, &settings) {
        Ok(check) => check,
        Err(wrong) => {
            out::note(wrong.trim_end());
            out::note(settings_hint(&args.kind, target));
            return Ok(ExitCode::from(hark_model::Status::Unknown.exit_code()));
        }
    };
    // Two of these must not end each other's programs.
    let programs = Programs::new(&format!("check-{}", std::process::id()));
    let context = Context { programs, ..Context::new(Arc::new(Resolver::default())) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (finding, took) = runtime.block_on(hark_checks::run(&*check, &context));
    if args.json {
        let values: serde_json::Map<_, _> =
            finding.measures.iter().map(|m| (m.name.to_string(), json!(m.value))).collect();
        out::json(&json!({"type": check.kind(), "target": check.target(),
            "status": finding.status.word(), "text": finding.text, "values": values,
            "took_seconds": took.as_secs_f64()}));
    } else {
        out::line(finding.plugin_output(check.kind()));
    }
    Ok(ExitCode::from(finding.status.exit_code()))
}

/// Says how settings are given, with those of the type's example.
fn settings_hint(kind: &str, target: &str) -> String {
    let found = hark_checks::TYPES.iter().find(|known| known.name() == kind);
    let example = found.map_or("", |found| found.example()).lines();
    let target_key = found.map_or("", |found| found.target_key());
    let settings = example
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_once(": "))
        .filter(|(key, _)| *key != target_key)
        .take(MAX_HINTED)
        .map(|(key, value)| {
            let value = value.trim_matches(['"', '\'']);
            let quote = if value.contains([' ', '[', '{', '<', '>']) { "'" } else { "" };
            format!(" {quote}{key}={value}{quote}")
        });
    let settings: String = settings.collect();
    format!(
        "settings stand behind the target: `hark check {kind} {target}{settings}`; `hark check {kind} \
         --help-type` lists them"
    )
}

fn split(setting: &str) -> anyhow::Result<(String, String)> {
    match setting.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => bail!("{setting} is not of the form key=value"),
    }
}

fn help(kind: &str) -> anyhow::Result<ExitCode> {
    let Some(found) = hark_checks::TYPES.iter().find(|t| t.name() == kind) else {
        let words: Vec<_> = hark_checks::TYPES.iter().map(|t| t.name()).collect();
        bail!("there is no check type {kind}; known are {}", words.join(", "));
    };
    out::line(found.manual().trim());
    out::line("");
    out::line(hark_config::manual(found.keys()).trim());
    out::line("\nConditions can be about:");
    for fact in found.facts() {
        out::line(format!("  {:24} {}", fact.name, fact.help));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_settings_are_given_is_shown_with_those_of_the_example() {
        let hint = settings_hint("dns", "localhost");
        assert!(hint.contains("`hark check dns localhost name="), "{hint}");
        for kind in hark_checks::TYPES {
            let hint = settings_hint(kind.name(), "target");
            assert!(hint.starts_with(&format!(
                "settings stand behind the target: `hark check {} target",
                kind.name()
            )));
        }
    }
}
