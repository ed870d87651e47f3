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

/// Returns what a line of an incident says about its status: what it was, where that is said, and what it is from
/// then on. `None` if it is about something else.
pub fn turned(line: &str) -> Option<(Option<Status>, Status)> {
    if line.starts_with(OVER) {
        return Some((None, Status::Ok));
    }
    let (turn, _) = line.split_once(": ")?;
    let Some(was) = turn.strip_prefix("was ") else {
        let is = turn.strip_prefix("is ")?;
        return Some((None, Status::from_word(is.strip_suffix(AGAIN).unwrap_or(is))?));
    };
    let (before, after) = was.split_once(", is ")?;
    Some((Some(Status::from_word(before)?), Status::from_word(after)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for after in Status::ALL {
            for again in [false, true] {
                assert_eq!(turned(&opened(after, again, "95: is ok: 3")), Some((None, after)));
            }
            for before in Status::ALL {
                assert_eq!(turned(&became(before, after, "x")), Some((Some(before), after)));
            }
        }
        assert_eq!(turned(&ended("recovered")), Some((None, Status::Ok)));
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
