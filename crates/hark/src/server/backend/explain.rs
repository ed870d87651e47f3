//! Why somebody was told, or not, in words that stand by themselves, and what became of the messages.

use std::collections::{BTreeMap, HashMap};

use hark_api::deliveries::DeliveryState;
use hark_api::incidents::{Decision, ExplainLine};
use hark_engine::{Block, Verdict};
use hark_model::record::{DeliveryRecord, JournalKind, JournalLine};
use hark_model::time::Now;
use hark_model::{Reason, ReceiverName, Unix};
use hark_store::state::JournalEntry;

/// What became of the messages that lines of the journal say were told. A line does not name its message, which
/// is numbered and written in the same step of the engine: at the same time, to the same receiver, in the
/// same words.
#[derive(Debug, Default)]
pub(super) struct Fates {
    alone: HashMap<(String, Unix, String), (u64, DeliveryState)>,
    /// Those about several incidents, whose lines say only that it was one of these.
    together: HashMap<(String, Unix), (u64, DeliveryState)>,
}

impl Fates {
    /// Takes messages.
    pub(super) fn note(&mut self, rows: &[DeliveryRecord]) {
        for row in rows {
            let n = &row.notification;
            let fate = (n.id.0, DeliveryState::from(&row.state));
            let to = n.receiver.to_string();
            if n.reason == Reason::Summary {
                self.together.insert((to, n.at), fate);
            } else {
                self.alone.insert((to, n.at, n.summary.clone()), fate);
            }
        }
    }

    /// Returns the message that a line is about, and where it stands.
    pub(super) fn of(&self, line: &JournalLine) -> Option<(u64, DeliveryState)> {
        let to = line.receiver.as_ref().filter(|_| line.kind == JournalKind::Told)?.to_string();
        if is_together(line) {
            return self.together.get(&(to, line.at)).copied();
        }
        let words = without_receiver(line).to_owned();
        self.alone.get(&(to, line.at, words)).copied()
    }
}

/// Returns when which receivers were told in a message about several incidents.
pub(super) fn told_together<'a>(
    lines: impl Iterator<Item = &'a JournalLine>,
) -> BTreeMap<ReceiverName, Vec<Unix>> {
    let mut times: BTreeMap<ReceiverName, Vec<Unix>> = BTreeMap::new();
    for line in lines.filter(|line| line.kind == JournalKind::Told && is_together(line)) {
        if let Some(receiver) = &line.receiver {
            times.entry(receiver.clone()).or_default().push(line.at);
        }
    }
    times
}

fn is_together(line: &JournalLine) -> bool {
    matches!(without_receiver(line), "in a summary" | "in a group")
}

/// The receiver has a place of its own.
fn without_receiver(line: &JournalLine) -> &str {
    let of = line.receiver.as_ref().map(|receiver| format!("{receiver}: ")).unwrap_or_default();
    line.text.strip_prefix(&of).unwrap_or(&line.text)
}

/// Returns what would be done now about one receiver.
pub(super) fn present_line(line: hark_engine::Line, now: Now) -> ExplainLine {
    let decision = match line.verdict {
        Verdict::Told => Decision::Told,
        Verdict::Queued => Decision::Queued,
        Verdict::Withheld => Decision::Withheld,
        Verdict::Waiting => Decision::Waiting,
    };
    let text = match (line.block, line.reason) {
        // Who knows it all is kept from nothing.
        (Some(block), Some(reason))
            if matches!(line.verdict, Verdict::Withheld | Verdict::Waiting) =>
        {
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
        message: None,
        message_state: None,
        text,
    }
}

/// Says of messages that have not arrived yet where they stand; `messages` has those of the incident, the newest
/// first. One that was given up is not on its way.
pub(super) fn tell_fates(lines: &mut [ExplainLine], messages: &[DeliveryRecord]) {
    for line in lines.iter_mut().filter(|l| l.present && l.decision == Decision::Queued) {
        let is_to = |row: &&DeliveryRecord| {
            line.receiver.as_deref() == Some(row.notification.receiver.as_str())
        };
        if let Some(row) = messages.iter().find(is_to) {
            line.message = Some(row.notification.id.0);
            line.message_state = Some(DeliveryState::from(&row.state));
        }
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
pub(super) fn past_line(entry: &JournalEntry, fates: &Fates) -> ExplainLine {
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
        (None, without_receiver(&entry.line).to_owned())
    };
    let fate = fates.of(&entry.line);
    let decision = match entry.line.kind {
        JournalKind::Withheld => Decision::Withheld,
        JournalKind::Operator => Decision::Handled,
        JournalKind::Told | JournalKind::Transition | JournalKind::Event | JournalKind::Server => {
            Decision::Told
        }
    };
    ExplainLine {
        present: false,
        at: entry.line.at.into(),
        receiver: entry.line.receiver.as_ref().map(ToString::to_string),
        decision,
        block,
        message: fate.map(|(id, _)| id),
        message_state: fate.map(|(_, state)| state),
        text,
    }
}

#[cfg(test)]
mod tests {
    use hark_model::IncidentId;
    use hark_model::record::DeliveryState as Record;

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
        let line = past_line(&JournalEntry { id: 1, line }, &Fates::default());
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
    fn lines_find_their_messages_and_what_became_of_them() {
        let message = |id: u64, at: i64, reason: Reason, summary: &str, state: Record| {
            let mut n = hark_notify::samples().swap_remove(0);
            n.id = hark_model::DeliveryId(id);
            n.receiver = ReceiverName::new("ops").unwrap();
            (n.at, n.reason, n.summary) = (Unix(at), reason, summary.to_owned());
            let last_error = String::new();
            DeliveryRecord { notification: n, state, attempts: 0, last_error, took_ms: 0 }
        };
        let mut fates = Fates::default();
        fates.note(&[
            message(1, 5, Reason::Problem, "CRITICAL: a", Record::Superseded { at: Unix(6) }),
            message(2, 6, Reason::Merged, "RECOVERED: a", Record::Queued),
            message(3, 7, Reason::Summary, "SUMMARY: 9 changes", Record::Sent { at: Unix(8) }),
        ]);
        let line = |at: i64, kind: JournalKind, text: &str| JournalLine {
            at: Unix(at),
            host: None,
            check: None,
            incident: Some(IncidentId(1)),
            receiver: Some(ReceiverName::new("ops").unwrap()),
            kind,
            text: text.to_owned(),
        };
        let told = JournalKind::Told;
        for (line, expected) in [
            (line(5, told, "ops: CRITICAL: a"), Some((1, DeliveryState::Superseded))),
            (line(6, told, "ops: RECOVERED: a"), Some((2, DeliveryState::Queued))),
            (line(7, told, "ops: in a summary"), Some((3, DeliveryState::Sent))),
            (line(7, told, "ops: in a group"), Some((3, DeliveryState::Sent))),
            (line(8, told, "ops: in a group"), None),
            (line(5, JournalKind::Withheld, "ops: CRITICAL: a"), None),
        ] {
            assert_eq!(fates.of(&line), expected, "{}", line.text);
        }
        let both = [line(7, told, "ops: in a group"), line(5, told, "ops: CRITICAL: a")];
        let times = told_together(both.iter());
        assert_eq!(times.into_values().collect::<Vec<_>>(), [vec![Unix(7)]]);
    }

    #[test]
    fn of_what_has_not_arrived_it_is_said_where_the_newest_message_stands() {
        let line = |receiver: &str, decision: Decision| ExplainLine {
            present: true,
            at: Unix(0).into(),
            receiver: Some(receiver.to_owned()),
            decision,
            block: None,
            message: None,
            message_state: None,
            text: String::new(),
        };
        let message = |id: u64, state: Record| {
            let mut n = hark_notify::samples().swap_remove(0);
            n.id = hark_model::DeliveryId(id);
            n.receiver = ReceiverName::new("ops").unwrap();
            DeliveryRecord {
                notification: n,
                state,
                attempts: 1,
                last_error: String::new(),
                took_ms: 0,
            }
        };
        let messages =
            [message(2, Record::Dead { at: Unix(9) }), message(1, Record::Sent { at: Unix(5) })];
        let (waits, knows) = (Decision::Queued, Decision::Told);
        let mut lines = [line("ops", waits), line("ops", knows), line("other", waits)];
        tell_fates(&mut lines, &messages);
        let fates = lines.map(|line| (line.message, line.message_state));
        assert_eq!(fates, [(Some(2), Some(DeliveryState::Dead)), (None, None), (None, None)]);
    }

    #[test]
    fn what_people_did_stands_there_too() {
        let line = JournalLine {
            at: Unix(0),
            host: None,
            check: None,
            incident: Some(IncidentId(1)),
            receiver: None,
            kind: JournalKind::Operator,
            text: "mira took it: new disk ordered".to_owned(),
        };
        let line = past_line(&JournalEntry { id: 1, line }, &Fates::default());
        assert_eq!(line.decision, Decision::Handled);
        assert_eq!(line.text, "mira took it: new disk ordered");
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
