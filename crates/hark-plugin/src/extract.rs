//! Values taken out of any output by a pattern (`run`, `alert_if` and `alert_metric` of seed 436).
//!
//! A pattern with groups is looked for in each line. A rule looks at one hit: if the group it chooses by
//! has the text it wants, then another group is its value, which is a metric, or is compared with a
//! limit. Both the file's order of rules and the output's order of lines are kept.

use hark_model::Severity;
use regex::Regex;

use crate::measure;
use crate::text::clean;

/// Bound on hits in one output: beyond it a pattern says nothing useful.
const MAX_HITS: usize = 1024;

/// Bound on a line that is looked at.
const MAX_LINE: usize = 4096;

/// What is looked for, and what is made of it.
#[derive(Clone, Debug)]
pub struct Extract {
    /// The pattern, with groups.
    pub pattern: Regex,
    /// What to do with each hit, in order.
    pub rules: Vec<Rule>,
}

/// What to do with a hit.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which hits: this group has this text. All, if there is none.
    pub chosen_by: Option<(usize, String)>,
    /// The group that has the value.
    pub value: usize,
    /// What is made of the value.
    pub then: Then,
}

/// What is made of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// A metric of this name.
    Metric {
        /// Its name. `$1` in it stands for what group 1 holds.
        name: String,
        /// Words that an event with the value as text has, if one is wanted.
        tags: Vec<String>,
    },
    /// Something to tell if it is beyond the limit.
    Alert(Alert),
}

/// A limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Which side of it is bad.
    pub side: Side,
    /// The limit. At it all is well.
    pub limit: f64,
    /// How bad.
    pub severity: Severity,
    /// What is told.
    pub message: String,
    /// Words of the event.
    pub tags: Vec<String>,
}

/// A side of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Bad above.
    Above,
    /// Bad below.
    Below,
}

/// What a rule made of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Hit<'e> {
    /// A metric.
    Metric {
        /// Its name.
        name: String,
        /// Its value.
        value: f64,
        /// Words of an event with the value, if one is wanted.
        tags: &'e [String],
        /// The value as it stands in the output.
        text: String,
    },
    /// A limit was looked at.
    Judged {
        /// Which rule.
        rule: usize,
        /// The limit.
        alert: &'e Alert,
        /// The value.
        value: f64,
        /// Whether it is beyond it.
        bad: bool,
    },
    /// The group of the value holds no number.
    NoNumber {
        /// Which rule.
        rule: usize,
        /// What it holds.
        text: String,
    },
}

impl Extract {
    /// Returns the number of groups that a rule may name.
    pub fn groups(&self) -> usize {
        self.pattern.captures_len() - 1
    }

    /// Applies all rules to all lines.
    pub fn apply(&self, output: &[u8]) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        for line in output.split(|b| *b == b'\n') {
            let line = clean(line, MAX_LINE);
            let Some(found) = self.pattern.captures(&line) else { continue };
            let group = |n: usize| found.get(n).map_or("", |group| group.as_str());
            for (number, rule) in self.rules.iter().enumerate() {
                if rule.chosen_by.as_ref().is_some_and(|(n, text)| group(*n) != text) {
                    continue;
                }
                if hits.len() >= MAX_HITS {
                    return hits;
                }
                hits.push(rule.apply(number, group(rule.value), &group));
            }
        }
        hits
    }
}

impl Rule {
    fn apply<'t>(&self, rule: usize, text: &str, group: &dyn Fn(usize) -> &'t str) -> Hit<'_> {
        let number = measure::number(text.trim()).filter(|(_, rest)| rest.is_empty());
        let Some((value, _)) = number else {
            return Hit::NoNumber { rule, text: clean(text.as_bytes(), measure::MAX_NAME) };
        };
        match &self.then {
            Then::Metric { name, tags } => {
                let name = filled(name, group);
                Hit::Metric { name, value, tags, text: text.trim().to_owned() }
            }
            Then::Alert(alert) => {
                let bad = match alert.side {
                    Side::Above => value > alert.limit,
                    Side::Below => value < alert.limit,
                };
                Hit::Judged { rule, alert, value, bad }
            }
        }
    }
}

/// Puts groups where `$1` to `$9` stand.
fn filled<'t>(name: &str, group: &dyn Fn(usize) -> &'t str) -> String {
    let mut filled = String::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().and_then(|c| c.to_digit(10))) {
            ('$', Some(n)) if n > 0 => {
                chars.next();
                filled.push_str(group(n as usize));
            }
            _ => filled.push(c),
        }
    }
    measure::name(&filled).unwrap_or_else(|| "value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(side: Side, limit: f64, message: &str) -> Then {
        let tags = vec!["LOAD".to_owned(), "P2".to_owned()];
        Then::Alert(Alert {
            side,
            limit,
            severity: Severity::Warning,
            message: message.into(),
            tags,
        })
    }

    fn load(then: Then) -> Rule {
        Rule { chosen_by: Some((1, "load".into())), value: 2, then }
    }

    fn shown(extract: &Extract, output: &str) -> Vec<String> {
        let show = |hit| match hit {
            Hit::Metric { name, text, .. } => format!("{name}={text}"),
            Hit::Judged { alert, bad, .. } => format!("{}: {bad}", alert.message),
            Hit::NoNumber { rule, text } => format!("{rule}: no number: {text}"),
        };
        extract.apply(output.as_bytes()).into_iter().map(show).collect()
    }

    #[test]
    fn the_seeds_examples_give_what_they_gave() {
        let metric = Then::Metric { name: "load".into(), tags: vec!["LOAD_M".into()] };
        let extract = Extract {
            pattern: Regex::new("(load)=([0-9.]+)").unwrap(),
            rules: vec![load(alert(Side::Above, 4.0, "load above 4")), load(metric.clone())],
        };
        assert_eq!(shown(&extract, "load=5.25\n"), ["load above 4: true", "load=5.25"]);
        assert_eq!(shown(&extract, "load=4\n"), ["load above 4: false", "load=4"]);
        let extract = Extract {
            pattern: Regex::new("(load) ([0-9.]+)").unwrap(),
            rules: vec![load(alert(Side::Below, 0.5, "load very low")), load(metric)],
        };
        assert_eq!(shown(&extract, "load 0.25"), ["load very low: true", "load=0.25"]);
    }

    #[test]
    fn lines_are_chosen_by_a_group_and_names_made_of_groups() {
        let rule = |chosen_by| Rule {
            chosen_by,
            value: 1,
            then: Then::Metric { name: "used $2 $x $".into(), tags: Vec::new() },
        };
        let pattern = Regex::new(r"(\d+)% (/\S*)$").unwrap();
        let all = Extract { pattern: pattern.clone(), rules: vec![rule(None)] };
        let output = "Use% Mounted on\n 12% /\n 97% /var\n 0% /run\n";
        assert_eq!(
            shown(&all, output),
            ["used / $x $=12", "used /var $x $=97", "used /run $x $=0"]
        );
        let one = Extract { pattern, rules: vec![rule(Some((2, "/var".into())))] };
        assert_eq!(shown(&one, output), ["used /var $x $=97"]);
    }

    #[test]
    fn a_group_that_is_no_number_is_said_and_ends_nothing() {
        let extract = Extract {
            pattern: Regex::new("(a)(.*)").unwrap(),
            rules: vec![Rule { chosen_by: None, value: 2, then: alert(Side::Above, 1.0, "m") }],
        };
        assert_eq!(
            shown(&extract, "ax\na1.2.3\na2\n"),
            ["0: no number: x", "0: no number: 1.2.3", "m: true"]
        );
        assert_eq!(extract.groups(), 2);
        assert_eq!(extract.apply("a1\n".repeat(5000).as_bytes()).len(), MAX_HITS);
        assert_eq!(extract.apply(b"\xff\xfe\n").len(), 0);
    }
}
