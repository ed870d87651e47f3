//! The lock file of the page pins every package by version and checksum, and names no host: each
//! machine asks the registry that it is set up for.

use anyhow::{Context, Result};
use serde_json::Value as Json;

use crate::workspace::Workspace;

const LOCK: &str = "ui/package-lock.json";

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let lock: Json = serde_json::from_str(&workspace.read(LOCK)?)?;
    let packages = lock["packages"].as_object().context("the lock file has packages")?;
    let mut problems = Vec::new();
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        if package.get("resolved").is_some() {
            problems.push(format!("{LOCK}: {name} has `resolved`"));
        }
        let pinned = package.get("integrity").is_some() && package.get("version").is_some();
        // What comes inside another package is pinned by that one's checksum.
        let inside = package.get("inBundle").is_some();
        if !pinned && !inside {
            problems.push(format!("{LOCK}: {name} is not pinned by version and checksum"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }
}
