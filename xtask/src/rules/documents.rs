//! Links between documents lead somewhere, and changelog entries are named as the changelog wants.

use anyhow::Result;

use crate::workspace::{Workspace, ending};

const KINDS: [&str; 5] = ["breaking", "feature", "change", "fix", "security"];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in workspace.files()? {
        if file.starts_with("changelog.d/") && !is_entry(&file) {
            problems.push(format!("{file}: name it TOPIC.KIND.md, KIND one of {KINDS:?}"));
        }
        if ending(&file) != "md" {
            continue;
        }
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&workspace.read(&file)?) {
            let target = if folder.is_empty() { link.clone() } else { format!("{folder}/{link}") };
            if !workspace.exists(&target) {
                problems.push(format!("{file}: the link to `{link}` leads nowhere"));
            }
        }
    }
    Ok(problems)
}

fn is_entry(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let parts: Vec<&str> = name.split('.').collect();
    name == "README.md"
        || matches!(parts.as_slice(), [topic, kind, "md"] if !topic.is_empty() && KINDS.contains(kind))
}

/// Returns the targets of links to other files, without the part after `#`.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|_| !in_code) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:") {
                links.push(path.to_owned());
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_it() {
        crate::rules::assert_kept(check);
    }

    #[test]
    fn links_to_files_are_found_and_others_are_not() {
        let text = "[a](b.md#c) and [d](https://example.net/) [e](#f)\n```\n[g](h)\n```\n[i](../j)";
        assert_eq!(links(text), ["b.md", "../j"]);
    }

    #[test]
    fn changelog_entries_are_named_by_topic_and_kind() {
        assert!(is_entry("changelog.d/agent.feature.md"));
        assert!(is_entry("changelog.d/README.md"));
        assert!(!is_entry("changelog.d/agent.md"));
        assert!(!is_entry("changelog.d/agent.improvement.md"));
    }
}
