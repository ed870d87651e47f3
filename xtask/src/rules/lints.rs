//! Lints are set once, for all: every crate says `[lints] workspace = true`, and no source file
//! switches one off with `allow`.

use anyhow::Result;

use crate::workspace::{Workspace, ending};

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for member in workspace.crates()? {
        let manifest = format!("{}/Cargo.toml", member.folder);
        if !inherits(&workspace.read(&manifest)?) {
            problems.push(format!("{manifest}: `[lints] workspace = true` is missing"));
        }
    }
    for file in workspace.files()?.iter().filter(|file| ending(file) == "rs") {
        for number in switched_off(&workspace.read(file)?) {
            problems.push(format!("{file}:{number}: use `expect` with a reason"));
        }
    }
    Ok(problems)
}

fn inherits(manifest: &str) -> bool {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
    lines.next().is_some_and(|line| line.replace(' ', "") == "workspace=true")
}

/// Returns the numbers of the lines that switch a lint off.
fn switched_off(source: &str) -> Vec<usize> {
    let words = [concat!("#[", "allow("), concat!("#![", "allow("), concat!("#[", "ignore")];
    let numbered = source.lines().zip(1..);
    let found = numbered.filter(|(line, _)| {
        let code = line.trim_start();
        words.iter().any(|word| code.starts_with(word))
    });
    found.map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }

    #[test]
    fn only_the_workspace_lints_count() {
        assert!(inherits("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
        assert!(!inherits("[package]\nworkspace = true\n[lints]\n[lints.rust]\n"));
        assert!(!inherits("[package]\n"));
    }

    #[test]
    fn allow_and_ignore_are_found() {
        let source = format!(
            "fn a() {{}}\n  {}dead_code)]\n{}]\n",
            concat!("#[", "allow("),
            concat!("#[", "ignore")
        );
        assert_eq!(switched_off(&source), [2, 3]);
    }
}
