//! The programs that CI runs, one after another: cheap ones first, the first that fails ends it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{manual, rules, say};

/// One step.
pub(crate) enum Step {
    /// The promises of the repository about itself.
    Rules,
    /// The manual says what the program takes.
    Manual,
    /// A program with its arguments.
    Run(&'static [&'static str]),
    /// A program with a variable in its environment.
    With(&'static str, &'static str, &'static [&'static str]),
    /// A program in the folder of the page.
    Page(&'static [&'static str]),
    /// A program that may be absent on a developer's machine; then it is said and passed over.
    IfInstalled(&'static [&'static str], &'static str),
}

use Step::{IfInstalled, Manual, Page, Rules, Run, With};

const FORMAT: Step = Run(&["cargo", "fmt", "--all", "--check"]);
const CLIPPY: Step =
    Run(&["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
/// What takes the place of Linux elsewhere: docs/platforms.md.
const PORTABLE: Step = Run(&[
    "cargo",
    "clippy",
    "-p",
    "hark",
    "--features",
    "portable",
    "--locked",
    "--",
    "-D",
    "warnings",
]);
/// What parts cost in instructions, against what is kept: crates/hark-cost.
const COUNTS: Step =
    Run(&["cargo", "run", "-p", "hark-cost", "--profile", "fast", "--locked", "--", "check"]);
const DOCS: Step = Run(&["cargo", "doc", "--workspace", "--no-deps", "--locked"]);

/// Everything. Tests come before the documents: they are what fails most.
pub(crate) const CI: &[Step] = &[
    FORMAT,
    Rules,
    Page(&["npm", "run", "check"]),
    Page(&["npm", "test"]),
    CLIPPY,
    PORTABLE,
    // The same random cases each time: a change is judged by what it changed. The soak looks for new ones.
    With("PROPTEST_RNG_SEED", "1", &["cargo", "test", "--workspace", "--locked"]),
    Page(&["npm", "run", "journeys"]),
    COUNTS,
    Manual,
    DOCS,
    IfInstalled(
        &["cargo", "deny", "--offline", "check", "bans", "licenses", "sources"],
        "cargo-deny",
    ),
];

/// The fast part, for while one works.
pub(crate) const CHECK: &[Step] =
    &[FORMAT, Rules, CLIPPY, Run(&["cargo", "test", "--workspace", "--locked", "--lib", "--bins"])];

/// The page alone.
pub(crate) const PAGE: &[Step] =
    &[Page(&["npm", "run", "check"]), Page(&["npm", "test"]), Page(&["npm", "run", "build"])];

/// Corpora and the short form of each fuzz target; part of the tests, here alone.
pub(crate) const FUZZ_SHORT: &[Step] = &[
    Run(&[
        "cargo",
        "test",
        "-p",
        "hark-proto",
        "--locked",
        "--test",
        "golden",
        "--test",
        "mutations",
    ]),
    Run(&[
        "cargo",
        "test",
        "-p",
        "hark-config",
        "--locked",
        "--test",
        "golden",
        "--test",
        "never_panics",
    ]),
    Run(&[
        "cargo",
        "test",
        "-p",
        "hark-plugin",
        "--locked",
        "--test",
        "plugin",
        "whatever_foreign_programs_print",
    ]),
];

/// Mutated datagrams, as many as the promise of the protocol names.
const MUTATIONS: Step = With(
    "HARK_MUTATIONS",
    "10000000",
    &["cargo", "test", "-p", "hark-proto", "--profile", "fast", "--locked", "--test", "mutations"],
);

/// Mutated bodies of agents that come over HTTPS, as many.
const BODIES: Step = With(
    "HARK_MUTATIONS",
    "10000000",
    &["cargo", "test", "-p", "hark-web", "--profile", "fast", "--locked", "--lib", "mutations"],
);

/// The long form of the fuzz targets, on stable Rust; fuzz/README.md has the one guided by coverage.
pub(crate) const FUZZ: &[Step] = &[
    MUTATIONS,
    BODIES,
    With(
        "PROPTEST_CASES",
        "100000",
        &[
            "cargo",
            "test",
            "-p",
            "hark-config",
            "--profile",
            "fast",
            "--locked",
            "--test",
            "never_panics",
        ],
    ),
    With(
        "HARK_MUTATIONS",
        "3000000",
        &[
            "cargo",
            "test",
            "-p",
            "hark-plugin",
            "--profile",
            "fast",
            "--locked",
            "--test",
            "plugin",
            "whatever_foreign_programs_print",
        ],
    ),
];

/// The long forms: what the tests do in minutes, for hours.
pub(crate) const SOAK: &[Step] = &[
    With(
        "HARK_KILLS",
        "200",
        &[
            "cargo",
            "test",
            "-p",
            "hark",
            "--profile",
            "fast",
            "--locked",
            "--test",
            "system",
            "kills_under_load",
        ],
    ),
    MUTATIONS,
    With(
        "PROPTEST_CASES",
        "5000",
        &[
            "cargo",
            "test",
            "-p",
            "hark-engine",
            "--profile",
            "fast",
            "--locked",
            "--test",
            "engine",
        ],
    ),
    With(
        "HARK_CASES",
        "20000",
        &["cargo", "test", "-p", "hark-sim", "--profile", "fast", "--locked", "rough_worlds"],
    ),
    Run(&["cargo", "run", "-p", "hark-sim", "--profile", "fast", "--locked", "--example", "week"]),
];

/// Licences, sources, duplicates.
pub(crate) const DENY: &[Step] =
    &[IfInstalled(&["cargo", "deny", "check", "bans", "licenses", "sources"], "cargo-deny")];

/// Runs the steps in order; false if one failed, which is then the last.
pub(crate) fn run(workspace: &Workspace, steps: &[Step]) -> Result<bool> {
    let mut times = Vec::new();
    for step in steps {
        let name = step.name();
        say(&format!("\n== {name}"));
        let (passed, took) = timed(|| step.run(workspace))?;
        times.push(format!("{:>6.1} s  {name}", took.as_secs_f64()));
        if !passed {
            say(&format!("\nfailed: {name}"));
            return Ok(false);
        }
    }
    say(&format!("\n== all passed\n{}", times.join("\n")));
    Ok(true)
}

#[expect(clippy::disallowed_methods, reason = "nothing is decided by it: it is shown to a person")]
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let start = Instant::now();
    Ok((work()?, start.elapsed()))
}

impl Step {
    fn name(&self) -> String {
        match self {
            Rules => "rules of the repository".to_owned(),
            Manual => "the tables of keys are current".to_owned(),
            Run(words) | IfInstalled(words, _) => words.join(" "),
            With(name, value, words) => format!("{name}={value} {}", words.join(" ")),
            Page(words) => format!("{} (in ui/)", words.join(" ")),
        }
    }

    fn run(&self, workspace: &Workspace) -> Result<bool> {
        match self {
            Rules => rules::report(workspace),
            Manual => manual::is_current(workspace),
            Run(words) => execute(words, workspace, "", None),
            With(name, value, words) => execute(words, workspace, "", Some((name, value))),
            Page(words) => execute(words, workspace, "ui", None),
            IfInstalled(words, package) => {
                if installed(words) {
                    return execute(words, workspace, "", None);
                }
                say(&format!("passed over: {package} is not installed"));
                Ok(true)
            }
        }
    }
}

fn execute(
    words: &[&str],
    workspace: &Workspace,
    folder: &str,
    variable: Option<(&str, &str)>,
) -> Result<bool> {
    let (program, arguments) = words.split_first().context("a step names a program")?;
    let status = Command::new(program)
        .args(arguments)
        .current_dir(workspace.path(folder))
        // Warnings of the documents are errors, as those of clippy are.
        .env("RUSTDOCFLAGS", "-D warnings")
        .envs(variable)
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    Ok(status.success())
}

fn installed(words: &[&str]) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    let subcommand = rest.first().copied().unwrap_or("--version");
    let output = Command::new(program).args([subcommand, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}
