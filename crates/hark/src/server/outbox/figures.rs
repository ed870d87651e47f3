//! Figures of receivers since the start: how often they were tried, what came of it, how long it took, and
//! what waits for them now.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hark_model::{Now, ReceiverName, Unix};
use hark_notify::outbox::Waiting;

/// Upper bounds of the classes of times, in milliseconds: from a daemon of this machine to the longest
/// time limit that people set. What took longer is in a last class.
pub(crate) const CLASSES: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000];

/// What became of the tries of one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfReceiver {
    /// Tries that have ended.
    pub(crate) tries: u64,
    /// Messages that arrived.
    pub(crate) delivered: u64,
    /// Tries that failed, by the word of why.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Messages that were given up.
    pub(crate) given_up: u64,
    /// How many tries took at most so long as each of [`CLASSES`], and how many took longer.
    pub(crate) classes: [u64; CLASSES.len() + 1],
    /// How long all tries took together.
    pub(crate) took: Duration,
    /// How many messages wait.
    pub(crate) waiting: u64,
    /// When the oldest of them was decided.
    pub(crate) oldest: Option<Unix>,
    /// Whether the receiver is failing.
    pub(crate) is_failing: bool,
    /// What it said when it began to fail.
    pub(crate) problem: Option<String>,
    /// When it is tried next, if it is failing.
    pub(crate) trial_at: Option<Unix>,
    /// Whether a message is on its way to it.
    pub(crate) is_busy: bool,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End<'a> {
    /// It arrived.
    Delivered,
    /// It failed, and why as a word.
    Failed(&'a str),
    /// It failed, and the message was given up.
    GivenUp(&'a str),
}

/// Figures of all receivers, that the outbox writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Figures(Mutex<BTreeMap<ReceiverName, OfReceiver>>);

impl Figures {
    /// Counts a try.
    pub(crate) fn tried(&self, receiver: &ReceiverName, took: Duration, end: End<'_>) {
        let mut all = self.lock();
        let figures = all.entry(receiver.clone()).or_default();
        figures.tries += 1;
        figures.took += took;
        let class = CLASSES.iter().position(|most| took.as_millis() <= u128::from(*most));
        if let Some(n) = figures.classes.get_mut(class.unwrap_or(CLASSES.len())) {
            *n += 1;
        }
        match end {
            End::Delivered => figures.delivered += 1,
            End::Failed(why) => *figures.failed.entry(why.to_owned()).or_default() += 1,
            End::GivenUp(why) => {
                *figures.failed.entry(why.to_owned()).or_default() += 1;
                figures.given_up += 1;
            }
        }
    }

    /// Takes why a receiver is failing; `None` when it works again.
    pub(crate) fn failing(&self, receiver: &ReceiverName, problem: Option<String>) {
        self.lock().entry(receiver.clone()).or_default().problem = problem;
    }

    /// Takes what waits at `now`. Receivers that are no longer configured go.
    pub(crate) fn show<'a>(
        &self,
        waiting: impl Iterator<Item = (&'a ReceiverName, Waiting)>,
        now: Now,
    ) {
        let mut all = self.lock();
        let mut before = std::mem::take(&mut *all);
        for (name, waiting) in waiting {
            let mut figures = before.remove(name).unwrap_or_default();
            figures.waiting = waiting.messages as u64;
            figures.oldest = waiting.oldest;
            figures.is_failing = waiting.is_failing;
            figures.trial_at = waiting.trial_at.map(|at| now.unix + at.since(now.mono));
            figures.is_busy = waiting.under_way > 0;
            all.insert(name.clone(), figures);
        }
    }

    /// Returns the figures of each receiver.
    pub(crate) fn all(&self) -> BTreeMap<ReceiverName, OfReceiver> {
        self.lock().clone()
    }

    /// Returns the figures of one.
    pub(crate) fn of(&self, receiver: &ReceiverName) -> OfReceiver {
        self.lock().get(receiver).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReceiverName, OfReceiver>> {
        // Figures are whole at every moment: a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use hark_model::Mono;

    use super::*;

    fn name(text: &str) -> ReceiverName {
        ReceiverName::new(text).unwrap()
    }

    #[test]
    fn tries_are_counted_by_what_came_of_them_and_by_how_long_they_took() {
        let figures = Figures::default();
        let chat = name("chat");
        figures.tried(&chat, Duration::from_millis(5), End::Delivered);
        figures.tried(&chat, Duration::from_millis(6), End::Failed("timeout"));
        figures.tried(&chat, Duration::from_mins(1), End::GivenUp("refused"));
        let found = figures.of(&chat);
        assert_eq!((found.tries, found.delivered, found.given_up), (3, 1, 1));
        assert_eq!(found.failed, BTreeMap::from([("refused".into(), 1), ("timeout".into(), 1)]));
        assert_eq!((found.classes[0], found.classes[1], found.classes[10]), (1, 1, 1));
        assert_eq!(found.classes.iter().sum::<u64>(), found.tries);
        assert_eq!(figures.of(&name("other")), OfReceiver::default());
    }

    #[test]
    fn a_receiver_that_is_gone_has_no_figures_and_what_waits_is_that_of_now() {
        let figures = Figures::default();
        let (chat, mail) = (name("chat"), name("mail"));
        figures.tried(&chat, Duration::ZERO, End::Delivered);
        figures.tried(&mail, Duration::ZERO, End::Delivered);
        let waits = Waiting {
            messages: 2,
            oldest: Some(Unix(7)),
            is_failing: true,
            trial_at: Some(Mono(9_000)),
            under_way: 1,
        };
        figures.failing(&mail, Some("refused".to_owned()));
        let now = Now { mono: Mono(5_000), unix: Unix(1_000) };
        figures.show([(&mail, waits)].into_iter(), now);
        let all = figures.all();
        assert_eq!(all.keys().collect::<Vec<_>>(), [&mail]);
        let shown = &all[&mail];
        assert_eq!((shown.waiting, shown.oldest, shown.is_failing), (2, Some(Unix(7)), true));
        assert_eq!((shown.trial_at, shown.is_busy), (Some(Unix(5_000)), true));
        assert_eq!(shown.problem.as_deref(), Some("refused"));
        figures.show([(&mail, Waiting::default())].into_iter(), now);
        assert_eq!((figures.of(&mail).waiting, figures.of(&mail).delivered), (0, 1));
    }
}
