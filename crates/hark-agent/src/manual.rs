//! The page of the manual about collectors, as the collectors themselves tell it.

use std::fmt::Write as _;

use crate::collectors::{COLLECTORS, CollectorType};

/// Returns the page in markdown, from the table of collectors on.
pub fn manual() -> String {
    let mut page = String::from("| collector | is | looks |\n| --- | --- | --- |\n");
    for kind in COLLECTORS {
        let on = if kind.is_on_by_default() { "on" } else { "off unless it stands here" };
        let name = kind.name();
        let every = kind.default_interval().map_or_else(
            || "each heartbeat".to_owned(),
            |interval| format!("every {}", hark_config::duration::format(interval)),
        );
        // Writing to a text cannot fail, here and below.
        let _written = writeln!(page, "| [{name}](#{name}) | {on} | {every} |");
    }
    for kind in COLLECTORS {
        section(&mut page, *kind);
    }
    page
}

fn section(page: &mut String, kind: &dyn CollectorType) {
    let _written = write!(page, "\n## {}\n{}\n", kind.name(), kind.manual().trim_end());
    if !kind.keys().is_empty() {
        let _written = write!(page, "\n{}", hark_config::manual(kind.keys()));
    }
    let _written = write!(page, "\n```yaml\nagent:\n  collectors:\n    {}:\n", kind.name());
    for line in kind.example().lines() {
        let _written = writeln!(page, "      {line}");
    }
    page.push_str("```\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_current() {
        let written = include_str!("../../../docs/collectors.md");
        assert!(written.contains(&manual()), "run `cargo xtask manual`");
    }
}
