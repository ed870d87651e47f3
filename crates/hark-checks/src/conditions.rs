//! The conditions of a check: sentences about what its type saw. They are read and judged here for
//! every type alike; a type only says which values there are ([`CheckType::facts`]).

use std::sync::Arc;
use std::time::Duration;

use hark_conditions::{Condition, Judgement};
use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;

use crate::finding::Finding;
use crate::{Check, CheckType, Context};

/// Where conditions stand: beside the type's word, or among its settings on a command line.
pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "conditions",
        Kind::OneOrMany(&Kind::Text),
        "Sentences about what was seen; critical if one is not met: docs/checks.md.",
    ),
    Key::new(
        "warn_conditions",
        Kind::OneOrMany(&Kind::Text),
        "Sentences about what was seen; a warning if one is not met.",
    ),
];

/// Most conditions of one check.
const MAX_CONDITIONS: usize = 64;

/// The conditions of one check.
#[derive(Debug, Default)]
pub(crate) struct Conditions(Vec<(Status, Condition)>);

impl Conditions {
    /// Reads the conditions; what is wrong with them is reported at its place.
    pub(crate) fn read(section: &Section<'_>, kind: &dyn CheckType) -> Self {
        let mut conditions = Vec::new();
        for (key, status) in
            [("conditions", Status::Critical), ("warn_conditions", Status::Warning)]
        {
            for value in section.one_or_many(key) {
                let Some(text) = value.str() else { continue };
                match Condition::parse(text) {
                    Ok(condition) => {
                        check_names(&condition, kind, &value);
                        conditions.push((status, condition));
                    }
                    Err(error) => drop(value.error_at(error.at, error.message)),
                }
            }
            if conditions.len() > MAX_CONDITIONS {
                section.error(key, format!("a check has at most {MAX_CONDITIONS} conditions"));
                conditions.truncate(MAX_CONDITIONS);
            }
        }
        Self(conditions)
    }

    /// Returns the names of the values that they are about.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.0.iter().flat_map(|(_, condition)| condition.names());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Judges what a type found. What is bad already stays as it is: where nothing was reached, every
    /// condition would fail and hide the reason.
    fn judge(&self, mut finding: Finding) -> Finding {
        if matches!(finding.status, Status::Critical | Status::Unknown) {
            return finding;
        }
        let facts = finding.all_facts();
        for (status, condition) in &self.0 {
            if let Judgement::Unmet(unmet) = condition.judge(&facts) {
                finding.status = finding.status.worse(*status);
                finding = finding.and(&format!(", {unmet}"));
            }
        }
        finding
    }

    /// Puts them onto a check.
    pub(crate) fn onto(self: &Arc<Self>, check: Box<dyn Check>) -> Box<dyn Check> {
        if self.0.is_empty() {
            return check;
        }
        Box::new(Conditioned { check, conditions: Arc::clone(self) })
    }
}

/// Reports names that the type does not know.
fn check_names(condition: &Condition, kind: &dyn CheckType, value: &hark_config::Value<'_>) {
    for name in condition.names() {
        if kind.facts().iter().any(|fact| fact.takes(name)) {
            continue;
        }
        let at = condition.text().find(name).unwrap_or(0);
        let message = format!("a check of type {} sees no `{name}`", kind.name());
        let known = kind.facts().iter().map(|fact| fact.name);
        drop(value.error_at(at..at + name.len(), message).nearest(name, known));
    }
}

#[derive(Debug)]
struct Conditioned {
    check: Box<dyn Check>,
    conditions: Arc<Conditions>,
}

impl Check for Conditioned {
    fn kind(&self) -> &'static str {
        self.check.kind()
    }

    fn target(&self) -> String {
        self.check.target()
    }

    fn timeout(&self) -> Duration {
        self.check.timeout()
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async { self.conditions.judge(self.check.look(context).await) })
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;
    use crate::finding::Measure;
    use crate::types::tcp::Tcp;

    fn read(text: &str) -> Result<Conditions, String> {
        let document = Document::single(text);
        let conditions = Conditions::read(&document.root(&NoSecrets), &Tcp);
        let wrong = document.diagnostics().render(Style::Plain);
        if wrong.is_empty() { Ok(conditions) } else { Err(wrong) }
    }

    fn seen(status: Status) -> Finding {
        Finding::new(status, "192.0.2.7:25 is open\nmore")
            .measured(Measure::seconds("total_seconds", Duration::from_millis(300)))
            .saw("answer", "220 ready")
    }

    #[test]
    fn what_is_not_met_is_told_with_what_was_seen() {
        let conditions = read(
            "conditions: ['answer contains ready', 'total_seconds < 1s']\n\
             warn_conditions: total_seconds < 250ms\n",
        )
        .unwrap();
        let slow = conditions.judge(seen(Status::Ok));
        assert_eq!(slow.status, Status::Warning);
        assert_eq!(
            slow.text,
            "192.0.2.7:25 is open, `total_seconds < 250ms` is not met: total_seconds is 0.3\nmore"
        );
        let strict = read("conditions: answer contains \"250\"").unwrap();
        let other = strict.judge(seen(Status::Warning));
        assert_eq!(other.status, Status::Critical);
        assert!(other.text.contains("answer is \"220 ready\""), "{}", other.text);
        assert_eq!(strict.names(), ["answer"]);
    }

    #[test]
    fn what_is_bad_already_keeps_its_reason() {
        let conditions = read("conditions: answer is \"250\"").unwrap();
        for status in [Status::Critical, Status::Unknown] {
            assert_eq!(conditions.judge(seen(status)), seen(status));
        }
    }

    #[test]
    fn mistakes_are_shown_at_their_place_in_the_file() {
        let wrong = read("conditions:\n  - total_seconds < fast\n").unwrap_err();
        assert!(wrong.contains("hark.yaml:2:21"), "{wrong}");
        assert!(wrong.contains("a number is expected here"), "{wrong}");
        let wrong = read("conditions: \"answr contains 'x'\"\n").unwrap_err();
        assert!(wrong.contains("hark.yaml:1:14"), "{wrong}");
        assert!(wrong.contains("a check of type tcp sees no `answr`"), "{wrong}");
        assert!(wrong.contains("answer"), "{wrong}");
        let many = format!("conditions: [{}]\n", "'answer is x', ".repeat(70));
        assert!(read(&many).unwrap_err().contains("at most 64"));
    }
}
