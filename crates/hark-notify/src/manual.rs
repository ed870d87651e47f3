//! The page about receivers of the manual, from the types' own texts.

use std::fmt::Write as _;

use crate::{FIELDS, RECEIVER_KEYS, ReceiverType, TEMPLATE_FIELDS, TYPES};

/// Returns the page in markdown, from the table of types on.
pub fn manual() -> String {
    let mut page = String::from("| type | does |\n| --- | --- |\n");
    for kind in by_name() {
        let name = kind.name();
        // Writing to a text cannot fail, here and below.
        let _written = writeln!(page, "| [{name}](#{name}) | {} |", help(kind));
    }
    page.push_str("\n## Fields of templates\n\n| field | is |\n| --- | --- |\n");
    for (name, meaning) in FIELDS.iter().chain(TEMPLATE_FIELDS) {
        let _written = writeln!(page, "| `{name}` | {meaning} |");
    }
    for kind in by_name() {
        section(&mut page, kind);
    }
    page
}

/// Returns every type by its name.
fn by_name() -> Vec<&'static dyn ReceiverType> {
    let mut kinds = TYPES.to_vec();
    kinds.sort_by_key(|kind| kind.name());
    kinds
}

/// Returns what a type does, in one line.
fn help(kind: &dyn ReceiverType) -> &'static str {
    RECEIVER_KEYS.iter().find(|key| key.name == kind.name()).map_or("", |key| key.help)
}

fn section(page: &mut String, kind: &dyn ReceiverType) {
    let name = kind.name();
    let _written = write!(page, "\n## {name}\n{}\n", kind.manual().trim_end());
    let _written = write!(page, "\n```yaml\nreceivers:\n  ops:\n    {name}:\n");
    for line in kind.example().lines() {
        let _written = writeln!(page, "      {line}");
    }
    page.push_str("```\n\n");
    let _written = write!(page, "{}", hark_config::manual(kind.keys()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_section_with_example_and_keys() {
        let page = manual();
        for kind in TYPES {
            let name = kind.name();
            assert!(page.contains(&format!("\n## {name}\n")), "{name}");
            assert!(page.contains(&format!("    {name}:\n      ")), "{name}");
            assert!(!help(*kind).is_empty(), "{name}");
        }
        assert!(page.contains("| `summary` | one line"), "{page}");
    }
}
