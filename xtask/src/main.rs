//! Generators and checks: `cargo xtask ci` is what CI runs.
//!
//! Two kinds of things are here. [`rules`] are what the repository promises about itself (who may
//! depend on whom, that every row of the parity table has a state and a test that exists): each is
//! a function from the files to a list of problems, and each is also a test, so that
//! `cargo test` finds a broken promise without this command. [`steps`] are the programs that CI
//! runs one after another.

mod manual;
mod rules;
mod steps;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask COMMAND

  ci          everything that must hold before a change lands
  check       the fast part of it: format, rules, lints, tests of the libraries
  rules       only what the repository promises about itself
  page        types, unit tests and build of the page
  fuzz-short  replay the corpora and run each fuzz target's short form
  fuzz        the long form: ten million mutations
  soak        the long forms of the crash, mutation and simulation tests
  deny        licences, sources and duplicate versions (needs cargo-deny)
  manual      write what the program says of itself into docs/
  deps        print the dependency table as the manifests have it
  parity      print how many rows of docs/parity.md are in which state
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = arguments.first().map_or("help", String::as_str);
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns false if the command ran and found something wrong.
fn run(command: &str) -> Result<bool> {
    let workspace = Workspace::open()?;
    match command {
        "ci" => steps::run(&workspace, steps::CI),
        "check" => steps::run(&workspace, steps::CHECK),
        "page" => steps::run(&workspace, steps::PAGE),
        "fuzz-short" => steps::run(&workspace, steps::FUZZ_SHORT),
        "fuzz" => steps::run(&workspace, steps::FUZZ),
        "soak" => steps::run(&workspace, steps::SOAK),
        "deny" => steps::run(&workspace, steps::DENY),
        "manual" => manual::write(&workspace),
        "rules" => rules::report(&workspace),
        "deps" => {
            say(&rules::dependencies::table(&workspace)?);
            Ok(true)
        }
        "parity" => {
            say(&rules::parity::summary(&workspace)?);
            Ok(true)
        }
        "help" | "--help" | "-h" => {
            say(HELP);
            Ok(true)
        }
        _ => {
            say(&format!("error: there is no command `{command}`\n\n{HELP}"));
            Ok(false)
        }
    }
}

/// The one place that prints.
#[expect(clippy::print_stderr, reason = "this program talks to the person who started it")]
fn say(text: &str) {
    eprintln!("{}", text.trim_end());
}
