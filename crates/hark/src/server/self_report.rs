//! What a part of the server says of itself to the engine: kept until the engine has taken it.
//!
//! A part must not wait for the engine, which may be waiting for that part. So what does not fit the
//! engine's queue is offered again at the part's next turns; of several words only the newest counts,
//! since a problem of the server is a state and not an event.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use super::engine_loop::part;
use super::messages::ToEngine;

/// How long a part sleeps at most while something is untold.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// The newest word of one part about itself.
#[derive(Debug)]
pub(crate) struct SelfReport {
    name: String,
    engine: SyncSender<ToEngine>,
    untold: Option<Word>,
    /// What was said last; nothing yet at the start, before which all may have been otherwise.
    said: Option<Word>,
}

/// How a part is.
#[derive(Clone, Debug)]
struct Word {
    problem: Option<String>,
}

impl SelfReport {
    /// Makes the voice of the part called `name`, a plain word.
    pub(crate) fn new(name: impl Into<String>, engine: SyncSender<ToEngine>) -> Self {
        Self { name: name.into(), engine, untold: None, said: None }
    }

    /// Says what is wrong, or with `None` that all is well.
    pub(crate) fn say(&mut self, problem: Option<String>) {
        let word = Word { problem };
        self.said = Some(word.clone());
        self.untold = Some(word);
        self.tell();
    }

    /// Says it unless it was said last. To be called with what is, as often as that is looked at.
    pub(crate) fn say_if_new(&mut self, problem: Option<String>) {
        if self.said.as_ref().is_none_or(|said| said.problem != problem) {
            self.say(problem);
        }
    }

    /// Offers what was not taken yet once more. To be called at each turn of the part.
    pub(crate) fn tell(&mut self) {
        let Some(Word { problem }) = self.untold.clone() else { return };
        match self.engine.try_send(ToEngine::Input(part(&self.name, problem))) {
            Err(TrySendError::Full(_)) => {
                tracing::debug!(part = self.name, "the engine's queue is full: told later");
            }
            Ok(()) | Err(TrySendError::Disconnected(_)) => self.untold = None,
        }
    }

    /// Returns true if the engine has not taken the newest word yet.
    pub(crate) fn is_untold(&self) -> bool {
        self.untold.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use hark_engine::Input;

    use super::*;

    #[test]
    fn what_a_full_queue_refused_is_told_when_there_is_room_and_only_the_newest() {
        let (engine, inbox) = sync_channel(1);
        engine.send(ToEngine::Input(Input::Tick)).unwrap();
        let mut report = SelfReport::new("history", engine);
        report.say(Some("no room".to_owned()));
        report.say(None);
        assert!(report.is_untold());
        drop(inbox.recv().unwrap());
        report.tell();
        assert!(!report.is_untold());
        let told = inbox.recv().unwrap();
        let ToEngine::Input(Input::SelfCheck { part, problem: None }) = told else {
            panic!("not the newest: {told:?}")
        };
        assert_eq!(part.as_str(), "history");
        report.tell();
        assert!(inbox.try_recv().is_err(), "told once");
    }

    #[test]
    fn what_is_said_again_and_again_is_told_once_and_the_first_word_always() {
        let (engine, inbox) = sync_channel(4);
        let mut report = SelfReport::new("relay", engine);
        for problem in [None, None, Some("away"), Some("away"), Some("refused"), None, None] {
            report.say_if_new(problem.map(str::to_owned));
        }
        let told: Vec<_> = inbox
            .try_iter()
            .map(|told| {
                let ToEngine::Input(Input::SelfCheck { problem, .. }) = told else {
                    panic!("{told:?}")
                };
                problem
            })
            .collect();
        assert_eq!(told, [None, Some("away".to_owned()), Some("refused".to_owned()), None]);
    }
}
