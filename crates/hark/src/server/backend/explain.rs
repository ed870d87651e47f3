//! Why somebody was told, or not, in words that stand by themselves.

use hark_api::incidents::{Decision, ExplainLine};
use hark_engine::{Block, Verdict};
use hark_model::Reason;
use hark_model::record::JournalKind;
use hark_model::time::Now;
use hark_store::state::JournalEntry;

/// Returns what would be done now about one receiver.
pub(super) fn present_line(line: hark_engine::Line, now: Now) -> ExplainLine {
    let decision = match line.verdict {
        Verdict::Told => Decision::Told,
        Verdict::Withheld => Decision::Withheld,
        Verdict::Waiting => Decision::Waiting,
    };
    let text = match (line.block, line.reason) {
        // Who knows it all is kept from nothing.
        (Some(block), Some(reason)) if line.verdict != Verdict::Told => {
            format!("{}: {}", reason.word(), why(block.word(), &line.text))
        }
        (_, _) => line.text,
    };
    ExplainLine {
        present: true,
        at: now.unix.into(),
        receiver: line.receiver.map(|r| r.to_string()),
        decision,
        block: line.block.map(|b| b.word().to_owned()),
        text,
    }
}

/// Returns the reason of a step that keeps messages back, as a sentence that stands without the step's
/// name. Of silences and planned work the engine says whose they are and what for.
fn why(block: &str, text: &str) -> String {
    let whose = text.replacen(": ", ", ", 1);
    if block == Block::Silence.word() {
        format!("silenced by {whose}")
    } else if block == Block::Maintenance.word() {
        format!("planned work of {whose}")
    } else if block == Block::Unreachable.word() {
        format!("known with its cause: {text}")
    } else {
        text.to_owned()
    }
}

/// Withheld lines of the journal begin with the name of the block: `block: reason: words`, and where
/// nobody would be told anything `block: words`.
pub(super) fn past_line(entry: &JournalEntry) -> ExplainLine {
    let withheld = entry.line.kind == JournalKind::Withheld;
    let split = entry.line.text.split_once(": ").filter(|_| withheld);
    let (block, text) = if let Some((block, rest)) = split {
        let kind = rest.split_once(": ").filter(|(kind, _)| Reason::from_word(kind).is_some());
        let text = match kind {
            Some((kind, words)) => format!("{kind}: {}", why(block, words)),
            None => rest.to_owned(),
        };
        (Some(block.to_owned()), text)
    } else {
        // The receiver has a place of its own.
        let receiver = entry.line.receiver.as_ref().map(ToString::to_string);
        let of = receiver.map(|receiver| format!("{receiver}: ")).unwrap_or_default();
        let text = entry.line.text.strip_prefix(&of).unwrap_or(&entry.line.text);
        (None, text.to_owned())
    };
    ExplainLine {
        present: false,
        at: entry.line.at.into(),
        receiver: entry.line.receiver.as_ref().map(ToString::to_string),
        decision: if withheld { Decision::Withheld } else { Decision::Told },
        block,
        text,
    }
}

#[cfg(test)]
mod tests {
    use hark_model::record::JournalLine;
    use hark_model::{IncidentId, ReceiverName, Unix};

    use super::*;

    fn past(kind: JournalKind, text: &str) -> (Option<String>, String) {
        let line = JournalLine {
            at: Unix(0),
            host: None,
            check: None,
            incident: Some(IncidentId(1)),
            receiver: Some(ReceiverName::new("ops").unwrap()),
            kind,
            text: text.to_owned(),
        };
        let line = past_line(&JournalEntry { id: 1, line });
        (line.block, line.text)
    }

    #[test]
    fn what_was_kept_back_says_what_it_was_and_why() {
        for (stored, block, said) in [
            (
                "silence: problem: mira: known, until 18:40:45 UTC",
                "silence",
                "problem: silenced by mira, known, until 18:40:45 UTC",
            ),
            (
                "maintenance: recovery: configuration: backup, until 02:30:00 UTC",
                "maintenance",
                "recovery: planned work of configuration, backup, until 02:30:00 UTC",
            ),
            (
                "unreachable: problem: sw1 is down",
                "unreachable",
                "problem: known with its cause: sw1 is down",
            ),
            (
                "delay: problem: the route waits until X",
                "delay",
                "problem: the route waits until X",
            ),
            ("route: no route leads to a receiver", "route", "no route leads to a receiver"),
            ("told: nothing of it: has arrived", "told", "nothing of it: has arrived"),
        ] {
            let found = past(JournalKind::Withheld, stored);
            assert_eq!(found, (Some(block.to_owned()), said.to_owned()));
        }
    }

    #[test]
    fn what_was_told_does_not_name_the_receiver_twice() {
        let told = past(JournalKind::Told, "ops: CRITICAL: db1 - one = broken");
        assert_eq!(told, (None, "CRITICAL: db1 - one = broken".to_owned()));
    }

    #[test]
    fn what_would_be_kept_back_now_says_so_too() {
        let now = hark_model::Clock.now();
        let line = |verdict, block, reason| {
            let text = "mira: known, until X".to_owned();
            present_line(
                hark_engine::Line { receiver: None, verdict, reason, block: Some(block), text },
                now,
            )
            .text
        };
        assert_eq!(
            line(Verdict::Withheld, Block::Silence, Some(Reason::Recovery)),
            "recovery: silenced by mira, known, until X"
        );
        let knows = line(Verdict::Told, Block::Reminder, Some(Reason::Reminder));
        assert_eq!(knows, "mira: known, until X", "who knows it is kept from nothing");
    }
}
