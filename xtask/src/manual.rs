//! What the program says of itself, in docs/: the tables of keys, and what collectors measure.
//!
//! The keys come from `hark config schema`, not from the crates: what the built program takes is
//! what the manual must say. The collectors' own texts are printed by an example of their crate.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

use crate::say;
use crate::workspace::Workspace;

const BEGIN: &str = "<!-- made by `cargo xtask manual`: begin -->\n";
const END: &str = "<!-- made by `cargo xtask manual`: end -->";

/// A document with a part that is made, and what makes it.
struct Document {
    path: &'static str,
    make: fn(&Workspace) -> Result<String>,
}

const DOCUMENTS: &[Document] = &[
    Document { path: "docs/configuration.md", make: tables },
    Document { path: "docs/collectors.md", make: collectors },
];

/// Writes the made parts into the documents.
pub(crate) fn write(workspace: &Workspace) -> Result<bool> {
    for Document { path, make } in DOCUMENTS {
        let document = workspace.read(path)?;
        fs::write(workspace.path(path), with_tables(&document, &make(workspace)?)?)?;
    }
    Ok(true)
}

/// Returns false, and says so, if a document is not what [`write()`] would make of it.
pub(crate) fn is_current(workspace: &Workspace) -> Result<bool> {
    let mut all_current = true;
    for Document { path, make } in DOCUMENTS {
        let document = workspace.read(path)?;
        if document != with_tables(&document, &make(workspace)?)? {
            say(&format!("{path} is stale: run `cargo xtask manual`"));
            all_current = false;
        }
    }
    Ok(all_current)
}

fn tables(workspace: &Workspace) -> Result<String> {
    let printed = printed(workspace, &["--package", "hark", "--locked", "--", "config", "schema"])?;
    let schema: Json = serde_json::from_slice(&printed).context("the schema is not JSON")?;
    Ok(hark_config::manual_of_schema(&schema))
}

fn collectors(workspace: &Workspace) -> Result<String> {
    let printed =
        printed(workspace, &["--package", "hark-agent", "--locked", "--example", "manual"])?;
    Ok(String::from_utf8(printed)?)
}

fn printed(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet"])
        .args(arguments)
        .current_dir(workspace.path(""))
        .output()
        .context("cannot start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo run {}` failed: {errors}", arguments.join(" "));
    Ok(output.stdout)
}

fn with_tables(document: &str, tables: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).context("the mark of the begin is missing")?;
    let (_, after) = rest.split_once(END).context("the mark of the end is missing")?;
    Ok(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let document = format!("a\n{BEGIN}old\n{END}\nb\n");
        let written = with_tables(&document, "new\n").unwrap();
        assert_eq!(written, format!("a\n{BEGIN}\nnew\n\n{END}\nb\n"));
        assert_eq!(
            with_tables(&written, "new\n").unwrap(),
            written,
            "writing again changes nothing"
        );
        assert!(with_tables("no marks", "new").is_err());
    }

    #[test]
    fn the_documents_have_the_marks() {
        for Document { path, .. } in DOCUMENTS {
            let document = Workspace::open().unwrap().read(path).unwrap();
            assert!(with_tables(&document, "").is_ok(), "{path}");
        }
    }
}
