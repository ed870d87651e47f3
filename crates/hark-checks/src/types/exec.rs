//! Any program: how it ends and what it prints.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;
use hark_plugin::{Exit, Finished, nagios, text};
use regex::Regex;

use crate::command::{self, Command};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::keys::join;
use crate::pattern::read_regex;
use crate::{Check, CheckType, Context, Given};

/// The check type `exec`.
#[derive(Debug)]
pub(crate) struct Exec;

const OWN_KEYS: &[Key] = &[
    Key::new("codes", Kind::OneOrMany(&Kind::Integer), "Exit codes that are ok.").default("0"),
    Key::new("contains", Kind::Text, "Text that it must print."),
    Key::new("matches", Kind::Text, "Regular expression that must be found in what it prints."),
];

pub(crate) const KEYS: &[Key] =
    &join::<_, { command::KEYS.len() + OWN_KEYS.len() }>(command::KEYS, OWN_KEYS);

const FACTS: &[FactKey] = &[
    FactKey::new("exit_code", "exit code of the program; 3 if it was ended"),
    FactKey::new("output", "what it printed"),
    FactKey::new("errors", "what it printed as errors"),
    FactKey::new("run_seconds", "how long it ran"),
];

/// How much of each output is shown in a failure.
const MAX_SHOWN: usize = 2 * 1024;

/// Most exit codes that are listed.
const MAX_CODES: usize = 256;

impl CheckType for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn manual(&self) -> &'static str {
        "Runs a program on the server. Ok if it ends with one of the exit codes in `codes` and prints what \
         `contains` and `matches` demand, else critical, with both of its outputs in the text. \
         Unknown if it cannot be started. Critical if it does not end in time."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "command"
    }

    fn example(&self) -> &'static str {
        "command: [dig, +short, www.example.net, \"@192.0.2.53\"]\ncodes: [0, 1]\nmatches: \"^192\\\\.\"\n"
    }

    fn read(&self, section: &Section<'_>, _given: Given<'_>) -> Option<Box<dyn Check>> {
        let values = section.one_or_many("codes");
        if values.len() > MAX_CODES {
            section.error("codes", "there are only 256 exit codes");
        }
        let mut codes: Vec<u8> = values
            .iter()
            .filter_map(|value| value.u64(0..=255).and_then(|code| u8::try_from(code).ok()))
            .collect();
        if values.is_empty() {
            codes.push(0);
        }
        Some(Box::new(Program {
            command: Command::read(section)?,
            codes,
            contains: section.opt_str("contains").map(str::to_owned),
            matches: section.parse("matches", read_regex),
        }))
    }
}

#[derive(Debug)]
struct Program {
    command: Command,
    codes: Vec<u8>,
    contains: Option<String>,
    matches: Option<Regex>,
}

impl Check for Program {
    fn kind(&self) -> &'static str {
        "exec"
    }

    fn target(&self) -> String {
        self.command.target()
    }

    fn timeout(&self) -> Duration {
        self.command.timeout()
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            match self.command.run("exec", context).await {
                Ok(finished) => self.judge(&finished),
                Err(finding) => finding,
            }
        })
    }
}

impl Program {
    fn judge(&self, finished: &Finished) -> Finding {
        let output = text::clean(&finished.output, finished.output.len().saturating_mul(3));
        let errors = text::clean(&finished.errors, finished.errors.len().saturating_mul(3));
        let finding = match self.complaint(&finished.exit, &output) {
            None => {
                let line = output.lines().next().unwrap_or_default().trim();
                let text = if line.is_empty() { "it ended well" } else { line };
                Finding::new(Status::Ok, text)
            }
            Some(complaint) => Finding::new(Status::Critical, both(&complaint, &output, &errors)),
        };
        finding
            .saw("exit_code", f64::from(nagios::exit_code(&finished.exit)))
            .saw("output", output)
            .saw("errors", errors)
            .measured(Measure::seconds("run_seconds", finished.took))
    }

    /// Says what is wrong, if anything is.
    fn complaint(&self, exit: &Exit, output: &str) -> Option<String> {
        match exit {
            Exit::Code(code) if !self.codes.contains(code) => {
                return Some(format!("exit code {code}"));
            }
            Exit::Code(_) => {}
            Exit::Signal(signal) => return Some(format!("ended by signal {signal}")),
            Exit::TimedOut(limit) => {
                let limit = hark_config::duration::format(*limit);
                return Some(format!("did not end within {limit}"));
            }
            Exit::Flooded => return Some("printed without end and was killed".to_owned()),
            Exit::Stopped => return Some("was stopped".to_owned()),
        }
        if let Some(wanted) = &self.contains
            && !output.contains(wanted.as_str())
        {
            return Some(format!("`{wanted}` is not in what it printed"));
        }
        match &self.matches {
            Some(pattern) if !pattern.is_match(output) => {
                Some(format!("nothing that it printed matches `{pattern}`"))
            }
            _ => None,
        }
    }
}

/// Puts both outputs under a complaint, each only if there is something.
fn both(complaint: &str, output: &str, errors: &str) -> String {
    let mut text = complaint.to_owned();
    for (word, said) in [("stdout", output), ("stderr", errors)] {
        let said = said.trim();
        if !said.is_empty() {
            let shown = said.get(..said.floor_char_boundary(MAX_SHOWN)).unwrap_or(said);
            text.extend(["\n", word, ": ", shown]);
        }
    }
    text
}

#[cfg(test)]
mod tests;
