//! What the history of an incident says about how it went, and how that is read again.

use hark_model::Status;

/// How the line of an end begins.
const OVER: &str = "is over: ";

/// Behind the status of a problem that was over for a while.
const AGAIN: &str = " again";

/// Returns the line of a problem that is believed for the first time, or again.
pub(crate) fn opened(status: Status, again: bool, told: &str) -> String {
    let again = if again { AGAIN } else { "" };
    format!("is {status}{again}: {told}")
}

/// Returns the line of a problem that became another one.
pub(crate) fn became(before: Status, after: Status, told: &str) -> String {
    format!("was {before}, is {after}: {told}")
}

/// Returns the line of the end.
pub(crate) fn ended(resolution: &str) -> String {
    format!("{OVER}{resolution}")
}

/// What a line of an incident says about its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<'a> {
    /// What it was, where the line says that.
    pub before: Option<Status>,
    /// What it is from then on.
    pub after: Status,
    /// What the check says, or how it ended.
    pub said: &'a str,
}

/// Reads a line of an incident. `None` if it is about something else than its status.
pub fn turned(line: &str) -> Option<Turn<'_>> {
    if let Some(said) = line.strip_prefix(OVER) {
        return Some(Turn { before: None, after: Status::Ok, said });
    }
    let (turn, said) = line.split_once(": ")?;
    let Some(was) = turn.strip_prefix("was ") else {
        let is = turn.strip_prefix("is ")?;
        let after = Status::from_word(is.strip_suffix(AGAIN).unwrap_or(is))?;
        return Some(Turn { before: None, after, said });
    };
    let (before, after) = was.split_once(", is ")?;
    Some(Turn { before: Some(Status::from_word(before)?), after: Status::from_word(after)?, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for after in Status::ALL {
            for again in [false, true] {
                let said = "95: is ok: 3";
                let turn = Turn { before: None, after, said };
                assert_eq!(turned(&opened(after, again, said)), Some(turn));
            }
            for before in Status::ALL {
                let turn = Turn { before: Some(before), after, said: "x" };
                assert_eq!(turned(&became(before, after, "x")), Some(turn));
            }
        }
        let over = Turn { before: None, after: Status::Ok, said: "recovered" };
        assert_eq!(turned(&ended("recovered")), Some(over));
    }

    #[test]
    fn other_lines_say_nothing_about_it() {
        let others = [
            "its cause is over",
            "is no longer watched",
            "looks critical, 1 of 3: 95",
            "looks ok, 1 of 2",
            "was here, is gone: x",
            "",
        ];
        for line in others {
            assert_eq!(turned(line), None, "{line}");
        }
    }
}
