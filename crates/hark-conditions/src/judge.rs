//! Whether a condition holds, and which values said so.

use std::collections::BTreeSet;
use std::fmt;

use crate::fact::Facts;
use crate::parse::{Condition, Tree};

/// What became of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It holds.
    Met,
    /// It does not, or nobody can say.
    Unmet(Unmet),
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    condition: String,
    /// What was seen instead: name and value as people are shown it.
    seen: Vec<(String, String)>,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not met", self.condition)?;
        for (n, (name, value)) in self.seen.iter().enumerate() {
            let joint = if n == 0 { ": " } else { ", " };
            write!(f, "{joint}{name} is {value}")?;
        }
        Ok(())
    }
}

impl Judgement {
    /// Returns true if it holds.
    pub fn is_met(&self) -> bool {
        matches!(self, Self::Met)
    }
}

impl Condition {
    /// Asks whether it holds for what was seen.
    pub fn judge(&self, facts: &Facts) -> Judgement {
        let mut names = BTreeSet::new();
        if holds(&self.tree, facts, &mut names) == Some(true) {
            return Judgement::Met;
        }
        let seen = names.iter().map(|name| ((*name).to_owned(), facts.get(name).to_string()));
        Judgement::Unmet(Unmet { condition: self.text().to_owned(), seen: seen.collect() })
    }
}

/// Returns whether it holds; nothing if nobody can say. The names of the values that stand in its way
/// are added to `names`.
fn holds<'t>(tree: &'t Tree, facts: &Facts, names: &mut BTreeSet<&'t str>) -> Option<bool> {
    match tree {
        Tree::Test { name, negated, predicate } => {
            let holds = predicate.holds(name, facts.get(name)).map(|holds| holds != *negated);
            if holds != Some(true) {
                names.insert(name);
            }
            holds
        }
        Tree::Not(part) => {
            let mut inner = BTreeSet::new();
            let holds = holds(part, facts, &mut inner).map(|holds| !holds);
            if holds != Some(true) {
                names.extend(all_names(part));
            }
            holds
        }
        Tree::All(parts) => {
            let mut all = Some(true);
            for part in parts {
                match holds(part, facts, names) {
                    Some(false) => all = Some(false),
                    None if all == Some(true) => all = None,
                    Some(true) | None => {}
                }
            }
            all
        }
        Tree::Any(parts) => {
            let mut any = Some(false);
            let mut inner = BTreeSet::new();
            for part in parts {
                match holds(part, facts, &mut inner) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => any = None,
                }
            }
            names.extend(inner);
            any
        }
    }
}

fn all_names(tree: &Tree) -> BTreeSet<&str> {
    match tree {
        Tree::Test { name, .. } => BTreeSet::from([name.as_str()]),
        Tree::Not(part) => all_names(part),
        Tree::All(parts) | Tree::Any(parts) => parts.iter().flat_map(all_names).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.put("status", 200.0);
        facts.put("total_seconds", 0.25);
        facts.put("rtt_ms", 250.0);
        facts.put("days_left", 3.5);
        facts.put("loss_percent", 5.0);
        facts.put("loss_ratio", 0.05);
        facts.put("size_bytes", 2048.0);
        facts.put("banner", "220 mail.example.net ready\r\n");
        facts.put("code", "250");
        facts.put("answers", vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()]);
        facts.put("names", Vec::new());
        facts.put("secure", true);
        facts.put("serial", None::<f64>);
        facts
    }

    #[test]
    fn sentences_mean_what_they_say() {
        for (text, met) in [
            ("status is 200", true),
            ("status = 200", true),
            ("status == 201", false),
            ("status != 201", true),
            ("status is not 200", false),
            ("status is 204 or 200", true),
            ("status is 204 or 301", false),
            ("status is one of 200, 204", true),
            ("status is any of 201, 204", false),
            ("status is not one of 201, 204", true),
            ("status is between 200 and 299 and days_left > 3", true),
            ("status is not between 200 and 299", false),
            ("total_seconds < 500ms", true),
            ("total_seconds <= 0.25", true),
            ("total_seconds is below 200ms", false),
            ("rtt_ms < 1s", true),
            ("rtt_ms is at least 250ms", true),
            ("days_left > 14", false),
            ("days_left > 72h", true),
            ("days_left is at most 3.5", true),
            ("loss_percent < 10%", true),
            ("loss_ratio < 10%", true),
            ("loss_ratio is over 4%", true),
            ("size_bytes >= 2KiB", true),
            ("size_bytes is more than 2KiB", false),
            ("banner contains \"ready\"", true),
            ("banner contains ready", true),
            ("banner does not contain ready", false),
            ("banner begins with '220 '", true),
            ("banner starts with 250", false),
            ("banner ends with \"\\r\\n\"", true),
            ("banner matches /^220 .*READY/i", true),
            ("banner does not match /READY/", true),
            ("code is 250", true),
            ("code >= 200", true),
            ("answers include 2001:DB8:0::1", true),
            ("answers include all of 192.0.2.1, 192.0.2.9", false),
            ("answers include any of 192.0.2.1, 192.0.2.9", true),
            ("answers include 192.0.2.1 and status is 200", true),
            ("answers do not include 192.0.2.9", true),
            ("answers are exactly 2001:db8::1, 192.0.2.1", true),
            ("answers are exactly 192.0.2.1", false),
            ("answers are one of 192.0.2.1, 2001:db8::1, 192.0.2.3", true),
            ("answers has 2", true),
            ("answers has at least 3", false),
            ("names is empty", true),
            ("names are one of a, b", false),
            ("banner is not empty", true),
            ("secure is yes", true),
            ("secure is false", false),
            ("not (status is 200)", false),
            ("status is 200 and not days_left > 14", true),
            ("status is 500 or status is 200 and days_left > 14", false),
            ("(status is 500 or status is 200) and days_left < 14", true),
            ("any of (status is 500, days_left < 14)", true),
            ("all of (status is one of 200, 204, days_left < 14)", true),
            ("none of (status is 500, status is 503)", true),
        ] {
            let condition = Condition::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(condition.judge(&facts()).is_met(), met, "{text}");
        }
    }

    #[test]
    fn what_is_absent_is_never_good() {
        for (text, met) in [
            ("serial is 5", false),
            ("serial is not 5", false),
            ("not serial is 5", false),
            ("not (serial is 5 and status is 200)", false),
            ("not (serial is 5 and status is 500)", true),
            ("nobody contains x", false),
            ("nobody does not contain x", false),
            ("serial is absent", true),
            ("serial is present", false),
            ("serial is not absent", false),
            ("status is present", true),
            ("serial is 5 or status is 200", true),
        ] {
            assert_eq!(Condition::parse(text).unwrap().judge(&facts()).is_met(), met, "{text}");
        }
    }

    #[test]
    fn a_condition_that_fails_says_what_was_seen() {
        for (text, why) in [
            ("days_left > 14", "`days_left > 14` is not met: days_left is 3.5"),
            (
                "status is 200 and days_left > 14",
                "`status is 200 and days_left > 14` is not met: days_left is 3.5",
            ),
            (
                "status is 500 or days_left > 14",
                "`status is 500 or days_left > 14` is not met: days_left is 3.5, status is 200",
            ),
            ("not status is 200", "`not status is 200` is not met: status is 200"),
            ("serial is 5", "`serial is 5` is not met: serial is absent"),
            (
                "answers include 192.0.2.9",
                "`answers include 192.0.2.9` is not met: answers is \"192.0.2.1\", \"2001:db8::1\"",
            ),
        ] {
            let judgement = Condition::parse(text).unwrap().judge(&facts());
            let Judgement::Unmet(unmet) = judgement else { panic!("{text}") };
            assert_eq!(unmet.to_string(), why);
        }
    }

    #[test]
    fn values_that_cannot_be_asked_that_do_not_hold() {
        for text in ["banner > 5", "answers > 5", "secure < 1", "not banner > 5"] {
            assert!(!Condition::parse(text).unwrap().judge(&facts()).is_met(), "{text}");
        }
    }
}
