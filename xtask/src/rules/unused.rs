//! What a manifest asks for is used: each dependency of a crate is named in its sources, and each
//! one that the workspace pins is asked for by a crate.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::workspace::{Crate, Workspace, ending};

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let crates = workspace.crates()?;
    let files = workspace.files()?;
    let mut problems = Vec::new();
    for member in &crates {
        let inside = |file: &&String| file.starts_with(&format!("{}/", member.folder));
        let sources = files.iter().filter(inside).filter(|file| ending(file) == "rs");
        let mut text = String::new();
        for file in sources {
            text.push_str(&workspace.read(file)?);
        }
        problems.extend(unused(member, &text));
    }
    let asked: BTreeSet<&str> =
        crates.iter().flat_map(|c| c.uses.iter().chain(&c.tests_use)).map(String::as_str).collect();
    for name in pinned(&workspace.read("Cargo.toml")?) {
        if !asked.contains(name.as_str()) {
            problems.push(format!("Cargo.toml: no crate asks for {name}"));
        }
    }
    Ok(problems)
}

fn unused(member: &Crate, sources: &str) -> Vec<String> {
    let names = member.uses.iter().chain(&member.tests_use);
    let unused = names.filter(|name| !is_named(&name.replace('-', "_"), sources));
    unused.map(|name| format!("{}/Cargo.toml: {name} is not used", member.folder)).collect()
}

/// Returns true if a path begins with `name`, or it is imported as it is.
fn is_named(name: &str, sources: &str) -> bool {
    sources.match_indices(name).any(|(at, _)| {
        let before = sources.get(..at).and_then(|text| text.chars().next_back());
        let after = sources.get(at + name.len()..).unwrap_or_default();
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        begins && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

/// Returns the names that the workspace pins.
fn pinned(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]");
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim());
    names.filter(|name| !name.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }

    #[test]
    fn a_name_counts_where_a_path_begins() {
        assert!(is_named("http", "fn a(r: http::Request) {}"));
        assert!(is_named("http", "use http;"));
        assert!(!is_named("http", "use hyper_http::Request; let http = 1;"));
    }

    #[test]
    fn pinned_names_are_those_of_the_workspace() {
        let manifest =
            "[workspace.dependencies]\na = \"1\"\n# c = 2\nb-c = { path = \"x\" }\n[x]\nd = 1\n";
        assert_eq!(pinned(manifest), ["a", "b-c"]);
    }
}
