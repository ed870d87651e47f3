//! When planned work covered a host: what its history says, which also knows of work that came again, that
//! began with a problem, or that stood in a file which has changed since.

use hark_api::time::Timestamp;
use hark_engine::{IN_MAINTENANCE, MAINTENANCE_OVER};
use hark_model::Unix;
use hark_model::record::JournalLine;
use hark_report::Span;

/// Returns the times in which planned work covered a host, as the lines of its history say, newest first.
pub(in crate::server) fn planned<'a>(lines: impl Iterator<Item = &'a JournalLine>) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut over: Option<Unix> = None;
    // What was written next: also each start says again what covers the host.
    let mut next: Option<Unix> = None;
    for line in lines {
        if line.text == MAINTENANCE_OVER {
            over = Some(line.at);
        } else if let Some(named) = until(&line.text) {
            // Another one may have followed on it. Without an end in the history, as after a crash, it
            // lasted until when it was to last.
            let named = next.map_or(named, |next| named.min(next));
            spans.push(Span { from: line.at, until: over.take().unwrap_or(named) });
            next = Some(line.at);
        }
    }
    spans
}

/// Returns until when a line says that planned work lasts; `None` if it says something else.
pub(in crate::server) fn until(text: &str) -> Option<Unix> {
    let rest = text.strip_prefix(IN_MAINTENANCE)?.strip_prefix(" until ")?;
    // The time has colons of its own, none of them before a space.
    let (at, _) = rest.split_once(": ")?;
    Timestamp::parse(at).map(|at| at.0)
}

#[cfg(test)]
mod tests {
    use hark_model::record::JournalKind;

    use super::*;

    fn line(at: i64, text: &str) -> JournalLine {
        JournalLine {
            at: Unix(at * 1000),
            host: None,
            check: None,
            incident: None,
            kind: JournalKind::Server,
            receiver: None,
            text: text.to_owned(),
        }
    }

    fn begins(at: i64, until: i64) -> JournalLine {
        line(at, &format!("{IN_MAINTENANCE} until {}: a: b", Unix(until * 1000).rfc3339()))
    }

    fn found(oldest_first: &[JournalLine]) -> Vec<(i64, i64)> {
        let spans = planned(oldest_first.iter().rev());
        spans.iter().rev().map(|span| (span.from.0 / 1000, span.until.0 / 1000)).collect()
    }

    #[test]
    fn work_lasts_from_its_begin_to_its_end_however_it_came_to_be() {
        let over = |at| line(at, MAINTENANCE_OVER);
        assert_eq!(
            found(&[begins(10, 20), over(20), begins(50, 90), over(60)]),
            [(10, 20), (50, 60)]
        );
        assert_eq!(found(&[line(1, "maintenance begins: x (mira)"), over(5)]), []);
    }

    #[test]
    fn a_start_within_the_work_of_next_week_does_not_join_both() {
        let over = |at| line(at, MAINTENANCE_OVER);
        // Killed over the end of the first; the start has written the second line.
        let week = [begins(10, 20), begins(705, 720), over(720)];
        assert_eq!(found(&week), [(10, 20), (705, 720)]);
        let within = [begins(10, 20), begins(15, 20), over(20)];
        assert_eq!(found(&within), [(10, 15), (15, 20)]);
    }

    #[test]
    fn work_whose_end_nobody_wrote_down_ends_when_it_was_to_end() {
        let over = |at| line(at, MAINTENANCE_OVER);
        assert_eq!(found(&[begins(10, 20)]), [(10, 20)]);
        assert_eq!(found(&[begins(10, 20), begins(50, 90), over(95)]), [(10, 20), (50, 95)]);
    }
}
