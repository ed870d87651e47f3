//! What the repository promises about itself. Each rule is a function from the files to a list of
//! problems; an empty list is a kept promise.

pub(crate) mod dependencies;
mod documents;
mod lints;
mod page_lock;
pub(crate) mod parity;
mod texts;
mod unused;

use anyhow::{Context, Result};

use crate::say;
use crate::workspace::Workspace;

/// Finds what breaks one promise.
type Rule = fn(&Workspace) -> Result<Vec<String>>;

const RULES: &[(&str, Rule)] = &[
    ("dependencies are those of ARCHITECTURE.md", dependencies::check),
    ("every crate has the lints of the workspace", lints::check),
    ("every dependency is used", unused::check),
    ("every row of docs/parity.md has a state and a test that exists", parity::check),
    ("no file names a registry or a path of this machine", texts::check),
    ("the lock file of the page names no host", page_lock::check),
    ("links and changelog entries are in order", documents::check),
];

/// Prints every problem; false if there is one.
pub(crate) fn report(workspace: &Workspace) -> Result<bool> {
    let mut kept = true;
    for (promise, rule) in RULES {
        let problems = rule(workspace).with_context(|| format!("while checking: {promise}"))?;
        let mark = if problems.is_empty() { "ok  " } else { "FAIL" };
        say(&format!("{mark} {promise}"));
        for problem in &problems {
            say(&format!("       {problem}"));
        }
        kept &= problems.is_empty();
    }
    Ok(kept)
}

/// Runs one rule on the repository itself, for its test.
#[cfg(test)]
fn assert_kept(rule: Rule) {
    let problems = rule(&Workspace::open().unwrap()).unwrap();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_rules_is_in_the_table() {
        let workspace = Workspace::open().unwrap();
        let files = workspace.files().unwrap();
        let n_files = files.iter().filter(|file| file.starts_with("xtask/src/rules/")).count();
        assert_eq!(n_files, RULES.len());
    }
}
