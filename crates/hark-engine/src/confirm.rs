//! Confirmation: from what was seen to what is believed (design rule 6.5, T1 to T14).
//!
//! A pure table over (believed, passage, new level). Only results move it: time alone neither
//! confirms nor clears a problem, so `for` and `keep_firing_for` are looked at when a result comes.

use hark_model::{Status, Unix};

use crate::moment::Moment;
use crate::plan::threshold::ConfirmRule;

/// When something was first seen, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    /// When the result began, for people.
    pub(crate) unix: Unix,
    /// When it was received, for waiting.
    pub(crate) moment: Moment,
}

/// On the way from one belief to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Passage {
    /// On no way.
    #[default]
    Steady,
    /// Another level was seen, not often or long enough.
    Soft {
        /// What was seen last.
        candidate: Status,
        /// How many in a row.
        attempt: u32,
        /// Since when.
        since: Since,
    },
    /// Good results, not yet often or long enough.
    Recovering {
        /// How many in a row.
        good: u32,
        /// Since when.
        since: Since,
    },
}

/// What is believed, and what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Belief {
    /// What is believed; `None` while nothing was.
    pub(crate) hard: Option<Status>,
    /// What is under way.
    pub(crate) passage: Passage,
}

/// What a result has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// It is the first good result (T1).
    FirstOk,
    /// A way was begun or went on (T2, T4, T6, T9, T10, T13).
    Underway,
    /// A way ended where it began (T7, T11).
    Back,
    /// A problem is believed where none was (T5); since then.
    Raised(Since),
    /// A believed problem is another one now (T8, T9, T13, T14).
    Turned(Status),
    /// It is over (T12).
    Recovered,
}

/// Applies a new `level` seen at `at`.
///
/// `was_problem` says whether the open incident was a real problem before it became unknown (T14).
pub(crate) fn advance(
    belief: Belief,
    level: Status,
    at: Since,
    rule: &ConfirmRule,
    was_problem: bool,
) -> (Belief, Change) {
    match belief.hard {
        None | Some(Status::Ok) => from_good(belief, level, at, rule),
        Some(hard) => from_bad(belief, hard, level, at, rule, was_problem),
    }
}

fn from_good(belief: Belief, level: Status, at: Since, rule: &ConfirmRule) -> (Belief, Change) {
    if level == Status::Ok {
        let change = match (belief.hard, belief.passage) {
            (None, _) => Change::FirstOk,
            (Some(_), Passage::Steady) => Change::None,
            (Some(_), Passage::Soft { .. } | Passage::Recovering { .. }) => Change::Back,
        };
        return (steady(Status::Ok), change);
    }
    let (attempt, since) = count(belief.passage, level, at, false);
    if attempt >= rule.attempts && at.moment.since(since.moment) >= rule.hold_for {
        return (steady(level), Change::Raised(since));
    }
    (soft(belief.hard, level, attempt, since), Change::Underway)
}

fn from_bad(
    belief: Belief,
    hard: Status,
    level: Status,
    at: Since,
    rule: &ConfirmRule,
    was_problem: bool,
) -> (Belief, Change) {
    if level == hard {
        let change = if belief.passage == Passage::Steady { Change::None } else { Change::Back };
        return (steady(hard), change);
    }
    if level == Status::Ok {
        return towards_ok(belief, hard, at, rule);
    }
    let needed = if level == Status::Unknown {
        rule.attempts // T13
    } else if hard == Status::Unknown {
        if was_problem { 1 } else { rule.attempts } // T14, else as T4
    } else if level.rank() > hard.rank() {
        1 // T8: worse is believed at once
    } else {
        rule.clear_attempts // T9
    };
    let (attempt, since) = count(belief.passage, level, at, true);
    if attempt >= needed {
        return (steady(level), Change::Turned(hard));
    }
    (soft(Some(hard), level, attempt, since), Change::Underway)
}

fn towards_ok(belief: Belief, hard: Status, at: Since, rule: &ConfirmRule) -> (Belief, Change) {
    let (good, since) = match belief.passage {
        Passage::Recovering { good, since } => (good.saturating_add(1), since),
        Passage::Steady | Passage::Soft { .. } => (1, at),
    };
    if good >= rule.clear_attempts && at.moment.since(since.moment) >= rule.keep_firing_for {
        return (steady(Status::Ok), Change::Recovered);
    }
    let passage = Passage::Recovering { good, since };
    (Belief { hard: Some(hard), passage }, Change::Underway)
}

/// Counts results in a row. Where something bad is believed, unknown and another level are different
/// ways and do not share a count; where nothing bad is believed, severity may change on the way (T6).
fn count(passage: Passage, level: Status, at: Since, apart: bool) -> (u32, Since) {
    match passage {
        Passage::Soft { candidate, attempt, since }
            if !apart || (candidate == Status::Unknown) == (level == Status::Unknown) =>
        {
            (attempt.saturating_add(1), since)
        }
        Passage::Soft { .. } | Passage::Steady | Passage::Recovering { .. } => (1, at),
    }
}

fn steady(status: Status) -> Belief {
    Belief { hard: Some(status), passage: Passage::Steady }
}

fn soft(hard: Option<Status>, candidate: Status, attempt: u32, since: Since) -> Belief {
    Belief { hard, passage: Passage::Soft { candidate, attempt, since } }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Since {
        let now = hark_model::Now::default().after(Duration::from_secs(second.unsigned_abs()));
        Since { unix: now.unix, moment: Moment::of(now) }
    }

    /// Feeds one letter a second (o w c u) and writes what is believed and what is under way.
    fn run(rule: ConfirmRule, results: &str) -> String {
        let mut belief = Belief { hard: None, passage: Passage::Steady };
        let mut was_problem = false;
        let mut out = String::new();
        for (second, letter) in results.chars().enumerate() {
            let level = Status::ALL.into_iter().find(|s| s.word().starts_with(letter)).unwrap();
            let when = at(i64::try_from(second).unwrap());
            belief = advance(belief, level, when, &rule, was_problem).0;
            match belief.hard {
                Some(Status::Warning | Status::Critical) => was_problem = true,
                Some(Status::Ok) | None => was_problem = false,
                Some(Status::Unknown) => {}
            }
            out.push(belief.hard.map_or('-', |h| h.word().chars().next().unwrap()));
            match belief.passage {
                Passage::Steady => {}
                Passage::Soft { attempt, .. } => out.push_str(&attempt.to_string()),
                Passage::Recovering { good, .. } => write!(out, "+{good}").unwrap(),
            }
            out.push(' ');
        }
        out.trim_end().to_owned()
    }

    #[test]
    fn beliefs_follow_the_table() {
        let once = ConfirmRule::AT_ONCE;
        let thrice = ConfirmRule::ACTIVE;
        let slow = ConfirmRule { clear_attempts: 2, ..ConfirmRule::ACTIVE };
        let long = ConfirmRule { hold_for: Duration::from_secs(3), ..ConfirmRule::AT_ONCE };
        let keep = ConfirmRule { keep_firing_for: Duration::from_secs(2), ..ConfirmRule::AT_ONCE };
        let cases = [
            ("T1: the first good result is believed", thrice, "o", "o"),
            ("T2: a first bad result is soft", thrice, "ccc", "-1 -2 c"),
            ("T2: one attempt is enough where one is asked for", once, "c", "c"),
            ("T3, T4, T5: three in a row", thrice, "ooccc", "o o o1 o2 c"),
            ("T6: severity may change on the way", thrice, "owcw", "o o1 o2 w"),
            ("T7: soft recovery", thrice, "occocc", "o o1 o2 o o1 o2"),
            ("T8: worse is believed at once", thrice, "owwwc", "o o1 o2 w c"),
            ("T9: better by clear_attempts", slow, "occcww", "o o1 o2 c c1 w"),
            ("T10, T12: recovery by clear_attempts", slow, "occcoo", "o o1 o2 c c+1 o"),
            ("T11: relapse", slow, "occcoco", "o o1 o2 c c+1 c c+1"),
            ("T13: unknown by attempts", thrice, "ouuu", "o o1 o2 u"),
            ("T13: from a problem", thrice, "occcuuu", "o o1 o2 c c1 c2 u"),
            ("T14: the former problem is back at once", thrice, "occcuuuc", "o o1 o2 c c1 c2 u c"),
            ("T14: unknown that never was a problem", thrice, "ouuucc", "o o1 o2 u u1 u2"),
            ("unknown and better are counted apart", slow, "occcuw", "o o1 o2 c c1 c1"),
            ("for: bad long enough", long, "occcc", "o o1 o2 o3 c"),
            ("keep_firing_for: good long enough", keep, "coooo", "c c+1 c+2 o o"),
        ];
        for (why, rule, results, expected) in cases {
            assert_eq!(run(rule, results), expected, "{why}");
        }
    }

    #[test]
    fn an_incident_begins_with_the_first_bad_result() {
        let mut belief = Belief { hard: Some(Status::Ok), passage: Passage::Steady };
        let mut change = Change::None;
        for second in 5..8 {
            (belief, change) =
                advance(belief, Status::Critical, at(second), &ConfirmRule::ACTIVE, false);
        }
        assert_eq!(change, Change::Raised(at(5)));
    }

    proptest::proptest! {
        /// Invariant 6: whatever came before, ok is only believed after an ok result.
        #[test]
        fn ok_is_only_believed_after_an_ok_result(
            results in proptest::collection::vec(0_usize..4, 1..40),
            attempts in 1_u32..4, clear_attempts in 1_u32..4,
        ) {
            let rule = ConfirmRule { attempts, clear_attempts, ..ConfirmRule::AT_ONCE };
            let mut belief = Belief { hard: None, passage: Passage::Steady };
            for (second, index) in results.into_iter().enumerate() {
                let level = Status::ALL[index];
                let before = belief.hard;
                belief = advance(belief, level, at(i64::try_from(second).unwrap()), &rule, false).0;
                if belief.hard == Some(Status::Ok) && before != Some(Status::Ok) {
                    proptest::prop_assert_eq!(level, Status::Ok);
                }
            }
        }
    }
}
