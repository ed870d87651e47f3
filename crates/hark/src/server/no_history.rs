//! In the place of history where nobody looks at charts: an agent that tells its own receivers.
//!
//! The values have reached the engine by another way; here they are forgotten, and what they came with
//! counts as kept, so that the agent is acknowledged. Nothing is written to the disk.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hark_store::history::SetId;

use super::history_loop::{Listeners, ToHistory};
use super::messages::{FramesKept, Part, ToIntake};
use crate::stop::Stop;

/// How long it sleeps when nothing comes. Whoever raises the flag sends something as well, so that this only
/// bounds how late it notices the end where there was no room for that.
const IDLE: Duration = Duration::from_mins(1);

/// Answers until the flag is raised and nothing is left.
pub(super) fn run(inbox: &Receiver<ToHistory>, told: &Listeners, stop: &Stop) {
    loop {
        let patience = if stop.is_raised() { Duration::ZERO } else { IDLE };
        match inbox.recv_timeout(patience) {
            Ok(ToHistory::Batch(batch)) => {
                let outcome = Ok(SetId::KEPT_NOWHERE);
                for set in batch.define {
                    to_intake(told, ToIntake::SetReady { set, outcome: outcome.clone() });
                }
                let part = Part::History { kept: true };
                to_intake(told, ToIntake::Done { part, ticket: batch.ticket });
            }
            Ok(ToHistory::Ask(question)) => question(None),
            Ok(ToHistory::Frames(brought)) => drop(brought.reply.send(FramesKept::Stopped)),
            Err(RecvTimeoutError::Timeout) if stop.is_raised() => break,
            Ok(ToHistory::Measured(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}

fn to_intake(told: &Listeners, message: ToIntake) {
    if told.intake.send(message).is_ok() {
        told.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use hark_model::HostId;

    use super::*;
    use crate::server::messages::{DefineSet, HistoryBatch};
    use crate::sys::Bell;

    #[test]
    fn what_comes_counts_as_kept_and_no_question_stays_open() {
        let (intake, answers) = sync_channel(4);
        let (engine, _engine) = sync_channel(1);
        let (to, inbox) = sync_channel(4);
        let set = DefineSet { slot: 0, host: HostId(1), number: 7, series: Arc::from([]) };
        let batch = HistoryBatch { ticket: 3, define: vec![set], ..HistoryBatch::default() };
        to.send(ToHistory::Batch(batch)).unwrap();
        let (asked, answer) = sync_channel(1);
        let ask = move |history: Option<&mut _>| asked.send(history.is_none()).unwrap();
        to.send(ToHistory::Ask(Box::new(ask))).unwrap();
        drop(to);
        let progress = Arc::default();
        let told = Listeners {
            intake,
            bell: Arc::new(Bell::new().unwrap()),
            engine,
            progress,
            on_reserve: Arc::default(),
        };
        run(&inbox, &told, &Stop::default());
        let ready = answers.try_recv().unwrap();
        assert!(
            matches!(&ready, ToIntake::SetReady { set, outcome: Ok(_) } if set.number == 7),
            "{ready:?}"
        );
        let done = answers.try_recv().unwrap();
        let kept = Part::History { kept: true };
        assert!(matches!(done, ToIntake::Done { part, ticket: 3 } if part == kept), "{done:?}");
        assert!(answer.recv().unwrap(), "there is no history to ask");
    }
}
