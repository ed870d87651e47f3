//! The page of the manual about check types, as the types themselves tell it.

use std::fmt::Write as _;

use crate::{CheckType, TYPES};

/// Returns the page in markdown, from the table of types on.
pub fn manual() -> String {
    let mut page = String::from("| type | looks at |\n| --- | --- |\n");
    for kind in by_name() {
        let name = kind.name();
        // Writing to a text cannot fail, here and below.
        let _written = writeln!(page, "| [{name}](#{name}) | {} |", first_sentence(kind.manual()));
    }
    for kind in by_name() {
        section(&mut page, kind);
    }
    page
}

/// Returns every type by its name.
pub fn by_name() -> Vec<&'static dyn CheckType> {
    let mut kinds = TYPES.to_vec();
    kinds.sort_by_key(|kind| kind.name());
    kinds
}

/// Returns what a type looks at, in one sentence.
pub fn first_sentence(manual: &str) -> &str {
    let manual = manual.trim();
    manual.find(". ").and_then(|end| manual.get(..=end)).unwrap_or(manual)
}

fn section(page: &mut String, kind: &dyn CheckType) {
    let name = kind.name();
    let _written = write!(page, "\n## {name}\n{}\n", kind.manual().trim_end());
    let _written = write!(page, "\n```yaml\nchecks:\n  example:\n    host: web1\n    {name}:\n");
    for line in kind.example().lines() {
        let _written = writeln!(page, "      {line}");
    }
    page.push_str("```\n\n");
    let _written = write!(page, "{}", hark_config::manual(kind.keys()));
    page.push_str("\nConditions can be about:\n\n");
    for fact in kind.facts() {
        let _written = writeln!(page, "- `{}`: {}", fact.name, fact.help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_section_and_says_what_it_sees() {
        let page = manual();
        for kind in TYPES {
            assert!(page.contains(&format!("\n## {}\n", kind.name())), "{}", kind.name());
            assert!(!kind.facts().is_empty(), "{}", kind.name());
            assert!(first_sentence(kind.manual()).len() < 200, "{}", kind.name());
        }
        assert_eq!(first_sentence("One. Two."), "One.");
        assert_eq!(first_sentence("Only one"), "Only one");
    }
}
