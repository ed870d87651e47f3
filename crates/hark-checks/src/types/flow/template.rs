//! Texts with values in them: `Bearer {{ token }}`.
//!
//! Only names, no language: what a step needs more is better a program (`exec`).

use std::collections::BTreeMap;

/// What a name may be.
pub(super) const NAME_RULE: &str = "a name is letters, digits and `_`, at most 40";

/// Longest name.
const MAX_NAME: usize = 40;

/// Longest text that is made.
const MAX_TEXT: usize = 256 * 1024;

/// Returns true if `text` can be the name of a value or step.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(fine)
}

/// A text with places for values.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    /// Texts; after each but the last stands a name.
    texts: Vec<String>,
    names: Vec<String>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers may be credentials.
        f.debug_struct("Template").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Template {
    /// Reads a text; every name in it must be known by then.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub(super) fn parse(text: &str, known: &[String]) -> Result<Self, String> {
        let mut template = Self::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else {
                return Err("`{{` has no `}}`".to_owned());
            };
            let name = name.trim();
            if !known.iter().any(|known| known == name) {
                return Err(format!("no step before and no entry of `vars` gives `{name}`"));
            }
            template.texts.push(before.to_owned());
            template.names.push(name.to_owned());
            rest = behind;
        }
        template.texts.push(rest.to_owned());
        Ok(template)
    }

    /// Returns the text if there are no values in it.
    pub(super) fn fixed(&self) -> Option<&str> {
        self.names.is_empty().then(|| self.texts.first().map_or("", String::as_str))
    }

    /// Returns it as it was written.
    pub(super) fn source(&self) -> String {
        let mut source = String::new();
        let mut names = self.names.iter();
        for text in &self.texts {
            source.push_str(text);
            if let Some(name) = names.next() {
                source.extend(["{{ ", name, " }}"]);
            }
        }
        source
    }

    /// Puts the values in.
    ///
    /// # Errors
    /// If the text becomes too long.
    pub(super) fn fill(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        let mut filled = String::new();
        let mut names = self.names.iter();
        for text in &self.texts {
            filled.push_str(text);
            let value = names.next().and_then(|name| values.get(name));
            filled.push_str(value.map_or("", String::as_str));
            if filled.len() > MAX_TEXT {
                return Err("a text became too long with its values".to_owned());
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_where_their_names_stand() {
        let known = ["a".to_owned(), "b".to_owned()];
        let values = [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let template = Template::parse("x{{ a }}-{{b}}{{a}}", &known).unwrap();
        assert_eq!(template.fill(&values).unwrap(), "x1-21");
        assert_eq!(template.source(), "x{{ a }}-{{ b }}{{ a }}");
        assert_eq!(Template::parse("plain", &[]).unwrap().fixed(), Some("plain"));
        assert!(Template::parse("{{ c }}", &known).unwrap_err().contains("`c`"));
        assert!(Template::parse("{{ a", &known).is_err());
    }

    #[test]
    fn texts_stay_bounded() {
        let values = [("a".to_owned(), "x".repeat(100_000))].into();
        let template = Template::parse(&"{{ a }}".repeat(3), &["a".to_owned()]).unwrap();
        assert!(template.fill(&values).unwrap_err().contains("too long"));
    }
}
