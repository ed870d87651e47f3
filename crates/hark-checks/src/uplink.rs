//! Whether this place is cut off itself: what it calls bad is held back until it is known that something
//! else answers.
//!
//! A machine without IO: the driver looks ([`anything_answers`]) at the uplink's targets when [`Uplink::wants_look`] says so. A
//! bad result waits for a look that began after it came: if anything answers, it counts; if nothing does,
//! this place is the one that is cut off, and the result says nothing about anybody else. As everywhere,
//! nobody stays quiet for ever: after `LIMIT` bad results count again.

use std::sync::Arc;
use std::time::Duration;

use hark_model::{Mono, Status};
use tokio::task::JoinSet;

use crate::{Check, Context};

/// How long bad results are held back at most while nothing answers (as the engine's gate, rule F5).
const LIMIT: Duration = Duration::from_mins(5);

/// How often it is looked again while nothing answers.
const AGAIN: Duration = Duration::from_secs(2);

/// Most results that wait for a look; of more, the checks are looked at again anyway.
const MAX_HELD: usize = 20_000;

/// What is known of the way out, and the results that wait for it.
#[derive(Debug)]
pub struct Uplink<T> {
    /// Since when nothing answers.
    cut: Option<Mono>,
    held: Vec<T>,
    /// How many of `held` came before the look that is under way began.
    under_way: Option<usize>,
    /// When the last look ended.
    looked: Option<Mono>,
}

/// What a look at the uplink leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Looked<T> {
    /// Results that count.
    pub counts: Vec<T>,
    /// How many results say nothing, because this place is cut off.
    pub dropped: usize,
    /// This place is cut off from now on, or no longer.
    pub change: Option<bool>,
}

impl<T> Default for Uplink<T> {
    fn default() -> Self {
        Self { cut: None, held: Vec::new(), under_way: None, looked: None }
    }
}

impl<T> Uplink<T> {
    /// Takes a bad result. Returns it if it counts at once.
    pub fn bad(&mut self, result: T, now: Mono) -> Option<T> {
        let for_long = self.cut.is_some_and(|since| now.since(since) >= LIMIT);
        if for_long {
            return Some(result);
        }
        if self.held.len() < MAX_HELD {
            self.held.push(result);
        }
        None
    }

    /// Returns true while nothing answers.
    pub fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Returns true if the targets must be looked at now.
    pub fn wants_look(&self, now: Mono) -> bool {
        self.next_look().is_some_and(|at| at <= now)
    }

    /// Returns when the targets must be looked at; `None` while nothing waits for it, or a look is under
    /// way.
    pub fn next_look(&self) -> Option<Mono> {
        if self.under_way.is_some() {
            return None;
        }
        match (self.cut, self.looked) {
            (Some(_), Some(looked)) => Some(looked + AGAIN),
            _ if self.held.is_empty() => None,
            _ => Some(Mono(0)),
        }
    }

    /// A look begins.
    pub fn begins(&mut self) {
        self.under_way = Some(self.held.len());
    }

    /// A look has ended: something answered, or nothing did.
    pub fn ended(&mut self, answered: bool, now: Mono) -> Looked<T> {
        let n_before = self.under_way.take().unwrap_or(0).min(self.held.len());
        let later = self.held.split_off(n_before);
        let before = std::mem::replace(&mut self.held, later);
        self.looked = Some(now);
        let was_cut = self.cut.is_some();
        if answered {
            self.cut = None;
            // What came before the end of the cut was bad because of it, as far as anybody knows.
            let (counts, dropped) = if was_cut { (Vec::new(), before.len()) } else { (before, 0) };
            return Looked { counts, dropped, change: was_cut.then_some(false) };
        }
        self.cut.get_or_insert(now);
        let change = (!was_cut).then_some(true);
        Looked { counts: Vec::new(), dropped: before.len(), change }
    }
}

/// Looks at all of them; returns true as soon as one answers.
pub async fn anything_answers(ways: &[Arc<dyn Check>], context: &Context) -> bool {
    let mut looks = JoinSet::new();
    for way in ways {
        let (way, context) = (Arc::clone(way), context.clone());
        looks.spawn(async move { crate::run(&*way, &context).await.0.status });
    }
    while let Some(ended) = looks.join_next().await {
        if matches!(ended, Ok(Status::Ok | Status::Warning)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(1_000_000);

    fn at(seconds: u64) -> Mono {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn a_bad_result_counts_once_something_else_has_answered() {
        let mut uplink = Uplink::default();
        assert!(!uplink.wants_look(NOW), "nothing is bad");
        assert_eq!(uplink.bad("web1", NOW), None);
        assert!(uplink.wants_look(NOW));
        uplink.begins();
        assert!(!uplink.wants_look(at(1)), "one look at a time");
        assert_eq!(uplink.bad("web2", at(1)), None);
        let looked = uplink.ended(true, at(2));
        assert_eq!(looked, Looked { counts: vec!["web1"], dropped: 0, change: None });
        assert!(uplink.wants_look(at(2)), "web2 came after the look began");
        uplink.begins();
        assert_eq!(uplink.ended(true, at(3)).counts, ["web2"]);
        assert!(!uplink.wants_look(at(4)));
    }

    #[test]
    fn while_nothing_answers_bad_results_say_nothing() {
        let mut uplink = Uplink::default();
        assert_eq!(uplink.bad("web1", NOW), None);
        uplink.begins();
        let looked = uplink.ended(false, at(1));
        assert_eq!(looked, Looked { counts: vec![], dropped: 1, change: Some(true) });
        assert!(!uplink.wants_look(at(2)));
        assert!(uplink.wants_look(at(3)), "it is looked again though nothing waits");
        assert_eq!(uplink.bad("web2", at(3)), None);
        uplink.begins();
        assert_eq!(uplink.ended(false, at(4)).change, None, "told once");
        assert_eq!(uplink.bad("web3", at(5)), None);
        uplink.begins();
        let back = uplink.ended(true, at(6));
        assert_eq!(back, Looked { counts: vec![], dropped: 1, change: Some(false) });
        assert_eq!(uplink.bad("web4", at(7)), None, "and then as before");
        uplink.begins();
        assert_eq!(uplink.ended(true, at(8)).counts, ["web4"]);
    }

    #[test]
    fn nobody_stays_quiet_for_ever_and_what_waits_is_bounded() {
        let mut uplink = Uplink::default();
        for n in 0..MAX_HELD + 5 {
            assert_eq!(uplink.bad(n, NOW), None);
        }
        uplink.begins();
        assert_eq!(uplink.ended(false, NOW).dropped, MAX_HELD);
        assert_eq!(uplink.bad(1, at(299)), None);
        assert_eq!(uplink.bad(2, at(300)), Some(2));
    }
}
