//! No file names a package registry or a path of the machine it was written on: both are settings
//! of a machine, and would break a build elsewhere.

use std::fs;

use anyhow::Result;

use crate::workspace::{Workspace, ending};

/// What may not stand anywhere. Put together, so that this file keeps its own rule.
const WORDS: &[&str] = &[
    concat!("registry", ".npmjs."),
    concat!("registry", ".yarnpkg."),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("proxy.", "golang.org"),
    concat!("/work", "/"),
    concat!("/root", "/"),
];

/// Files that name the registry's index because their format wants it, or that are not text.
fn is_exempt(file: &str) -> bool {
    file.ends_with("Cargo.lock") || ["png", "woff2", "ico"].contains(&ending(file))
}

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in workspace.files()?.iter().filter(|file| !is_exempt(file)) {
        // Golden files and corpora hold bytes; words in them are still found.
        let text = String::from_utf8_lossy(&fs::read(workspace.path(file))?).into_owned();
        problems.extend(found(&text).map(|(number, word)| format!("{file}:{number}: `{word}`")));
    }
    Ok(problems)
}

fn found(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let numbered = text.lines().zip(1..);
    numbered.filter_map(|(line, number)| {
        let word = WORDS.iter().find(|word| names(line, word))?;
        Some((number, *word))
    })
}

/// Returns true if `line` has `word`; a path must begin there (`docs/work/` is none).
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !word.starts_with('/') || !before.is_some_and(|c| c.is_alphanumeric() || "._-/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }

    #[test]
    fn paths_are_found_where_they_begin() {
        let path = concat!("/work", "/main");
        assert_eq!(found(&format!("a\ncd {path}")).count(), 1);
        assert_eq!(found(&format!("docs{path}")).count(), 0);
    }
}
