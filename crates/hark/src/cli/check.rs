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
        let call = hark_checks::call(kind);
        // Writing to a text cannot fail.
        let _written = writeln!(
            text,
            "  {:11} {about}\n              hark check {} {call}",
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
    let call =
        found.map_or_else(|| target.to_owned(), |found| hark_checks::call_with(*found, target));
    format!(
        "settings stand behind the target: `hark check {kind} {call}`; `hark check {kind} --help-type` \
         lists them"
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
