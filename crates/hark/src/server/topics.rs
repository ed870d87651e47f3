//! Which kinds of events somebody takes: the words of a setting, each a kind or a severity.

use hark_config::Section;
use hark_model::Event;

/// Kinds and severities; without any, everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topics(Vec<String>);

impl Topics {
    /// Reads a list of them.
    pub(crate) fn read(section: &Section<'_>, key: &'static str) -> Self {
        let words = section.one_or_many(key);
        if section.has(key) && words.is_empty() {
            section
                .error(key, "an empty list would take nothing")
                .hint("leave the key out to take all, or name kinds or severities");
        }
        Self(words.iter().filter_map(|word| word.str().map(str::to_lowercase)).collect())
    }

    /// Makes them of words split by commas.
    pub(crate) fn of(words: &str) -> Self {
        let words = words.split(',').map(|word| word.trim().to_lowercase());
        Self(words.filter(|word| !word.is_empty()).collect())
    }

    /// Returns true if an event is of a kind or severity among them.
    pub(crate) fn want(&self, event: &Event) -> bool {
        let (kind, severity) = (event.kind.word().to_lowercase(), event.severity.word());
        self.0.is_empty() || self.0.iter().any(|topic| *topic == kind || topic == severity)
    }

    /// Returns them as they are written.
    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use hark_model::{EventKind, Severity, Unix};

    use super::*;

    #[test]
    fn a_topic_is_a_kind_or_a_severity_and_none_is_all() {
        let event = |kind: &str, severity| Event {
            at: Unix(0),
            kind: EventKind::from_word(kind),
            severity,
            text: "x".to_owned(),
            tags: Vec::new(),
            data: None,
        };
        let some = Topics::of("Backup, warning,");
        assert_eq!(some.words(), ["backup", "warning"]);
        assert!(some.want(&event("BACKUP", Severity::Info)));
        assert!(some.want(&event("message", Severity::Warning)));
        assert!(!some.want(&event("message", Severity::Critical)));
        assert!(Topics::of("").want(&event("boot", Severity::Info)));
    }
}
