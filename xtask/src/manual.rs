//! The tables of keys in docs/configuration.md, as the program itself has them.
//!
//! They are made from `hark config schema`, not from the crates: what the built program takes is
//! what the manual must say.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

use crate::say;
use crate::workspace::Workspace;

const DOCUMENT: &str = "docs/configuration.md";
const BEGIN: &str = "<!-- made by `cargo xtask manual`: begin -->\n";
const END: &str = "<!-- made by `cargo xtask manual`: end -->";

/// Writes the tables into the document.
pub(crate) fn write(workspace: &Workspace) -> Result<bool> {
    let document = workspace.read(DOCUMENT)?;
    fs::write(workspace.path(DOCUMENT), with_tables(&document, &tables(workspace)?)?)?;
    Ok(true)
}

/// Returns false, and says so, if the document is not what [`write()`] would make of it.
pub(crate) fn is_current(workspace: &Workspace) -> Result<bool> {
    let document = workspace.read(DOCUMENT)?;
    let current = document == with_tables(&document, &tables(workspace)?)?;
    if !current {
        say(&format!("{DOCUMENT} is stale: run `cargo xtask manual`"));
    }
    Ok(current)
}

fn tables(workspace: &Workspace) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "hark", "--locked", "--", "config", "schema"])
        .current_dir(workspace.path(""))
        .output()
        .context("cannot start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`hark config schema` failed: {errors}");
    let schema: Json = serde_json::from_slice(&output.stdout).context("the schema is not JSON")?;
    Ok(hark_config::manual_of_schema(&schema))
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
    fn the_document_has_the_marks() {
        let document = Workspace::open().unwrap().read(DOCUMENT).unwrap();
        assert!(with_tables(&document, "").is_ok());
    }
}
