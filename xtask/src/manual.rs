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
    Document { path: "docs/plugins.md", make: plugins },
    Document { path: "docs/checks.md", make: checks },
    Document { path: "docs/receivers.md", make: receivers },
];

/// The keys below `agent` that docs/plugins.md shows: those of foreign programs.
const PLUGIN_KEYS: &[&str] = &[
    "processes",
    "commands",
    "plugins",
    "nagios_runner",
    "custom",
    "exporters",
    "statsd",
    "lines",
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
    Ok(hark_config::manual_of_schema(&schema(workspace)?))
}

fn plugins(workspace: &Workspace) -> Result<String> {
    Ok(hark_config::manual_of_schema(&plugin_keys(&schema(workspace)?)?))
}

fn schema(workspace: &Workspace) -> Result<Json> {
    let printed = printed(workspace, &["--package", "hark", "--locked", "--", "config", "schema"])?;
    serde_json::from_slice(&printed).context("the schema is not JSON")
}

/// Returns the part of the schema that is about foreign programs.
fn plugin_keys(schema: &Json) -> Result<Json> {
    let mut agent = schema["properties"]["agent"].clone();
    let keys = agent["properties"].as_object_mut().context("the schema has no section `agent`")?;
    keys.retain(|key, _| PLUGIN_KEYS.contains(&key.as_str()));
    ensure!(keys.len() == PLUGIN_KEYS.len(), "a key of docs/plugins.md is gone from the schema");
    Ok(serde_json::json!({ "type": "object", "properties": { "agent": agent } }))
}

fn collectors(workspace: &Workspace) -> Result<String> {
    let printed =
        printed(workspace, &["--package", "hark-agent", "--locked", "--example", "manual"])?;
    Ok(String::from_utf8(printed)?)
}

fn checks(workspace: &Workspace) -> Result<String> {
    let printed =
        printed(workspace, &["--package", "hark-checks", "--locked", "--example", "manual"])?;
    Ok(String::from_utf8(printed)?)
}

fn receivers(workspace: &Workspace) -> Result<String> {
    let printed =
        printed(workspace, &["--package", "hark-notify", "--locked", "--example", "manual"])?;
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

    #[test]
    fn only_the_keys_of_foreign_programs_are_taken() {
        let all = PLUGIN_KEYS.iter().chain(&["interval"]);
        let keys: serde_json::Map<String, Json> =
            all.map(|key| ((*key).to_owned(), Json::Null)).collect();
        let schema = serde_json::json!({"properties": {"agent": {"properties": keys}, "x": {}}});
        let taken = plugin_keys(&schema).unwrap();
        let taken = taken["properties"]["agent"]["properties"].as_object().unwrap();
        assert!(taken.len() == PLUGIN_KEYS.len() && !taken.contains_key("interval"));
        assert!(plugin_keys(&serde_json::json!({})).is_err());
    }
}
