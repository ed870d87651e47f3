//! Who already has a message, for services that are called once for each recipient.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::Delivered;
use crate::error::SendError;
use crate::recent::Recent;

/// Messages of which some recipients wait, at most: one is on its way at a time, the rest are those
/// that failed before. After a restart a retry goes to all again.
const MAX_PARTLY: usize = 256;

/// Who was served, by the key of the message.
#[derive(Debug)]
pub(crate) struct Served(Mutex<Recent<Partly>>);

/// What is known of a message of which some recipients wait.
#[derive(Debug, Default)]
struct Partly {
    /// Who has it.
    served: BTreeSet<String>,
    /// Who refuses it for good, and why: nobody of these is asked again, and none of them has it.
    refused: Vec<(String, SendError)>,
}

/// What came of each recipient of one message.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    done: BTreeSet<String>,
    delivered: Delivered,
    waiting: Vec<(String, SendError)>,
    refused: Vec<(String, SendError)>,
}

impl Outcomes {
    /// Takes what came of the recipient that people know as `who`.
    pub(crate) fn note(&mut self, who: &str, outcome: Result<Delivered, SendError>) {
        match outcome {
            Ok(delivered) => {
                self.done.insert(who.to_owned());
                self.delivered = delivered;
            }
            Err(error) if error.is_permanent() => self.refused.push((who.to_owned(), error)),
            Err(error) => self.waiting.push((who.to_owned(), error)),
        }
    }
}

impl Default for Served {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MAX_PARTLY)))
    }
}

impl Served {
    /// Returns true if `who` need not be asked about the message `key` any more: it is there, or it is
    /// refused for good.
    pub(crate) fn has(&self, key: &str, who: &str) -> bool {
        let partly = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partly.get(key).is_some_and(|partly| {
            partly.served.contains(who) || partly.refused.iter().any(|(refused, _)| refused == who)
        })
    }

    /// Puts together what came of all that were not served before.
    ///
    /// # Errors
    /// If nobody was served, now or before, with the first error that may pass; if some wait, so that a
    /// retry goes to them alone.
    pub(crate) fn judge(&self, key: &str, outcomes: Outcomes) -> Result<Delivered, SendError> {
        let Outcomes { done, delivered, mut waiting, refused } = outcomes;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut partly = all.take(key).unwrap_or_default();
        partly.served.extend(done);
        partly.refused.extend(refused);
        let nobody = partly.served.is_empty();
        if waiting.is_empty() {
            if nobody && !partly.refused.is_empty() {
                return Err(partly.refused.remove(0).1);
            }
            let refused = partly.refused.into_iter().map(|(who, error)| (who, error.text()));
            return Ok(Delivered { refused: refused.collect(), ..delivered });
        }
        if nobody && partly.refused.is_empty() {
            // All of them failed: what the first was told also says when to come again.
            return Err(waiting.remove(0).1);
        }
        all.put(key, partly);
        let text = waiting.first().map(|(_, error)| error.text()).unwrap_or_default();
        Err(SendError::Partly { waiting: waiting.into_iter().map(|(who, _)| who).collect(), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Again;

    fn refused(again: Again) -> Result<Delivered, SendError> {
        Err(SendError::Refused { code: 500, text: "no".to_owned(), again })
    }

    #[test]
    fn a_retry_goes_to_those_who_wait_alone() {
        let served = Served::default();
        let mut outcomes = Outcomes::default();
        outcomes.note("a", Ok(Delivered::default()));
        outcomes.note("b", refused(Again::Later));
        outcomes.note("c", refused(Again::Never));
        let error = served.judge("k", outcomes).unwrap_err();
        assert_eq!(error.text(), "put off for b: answered 500: no");
        let has: Vec<_> = ["a", "b", "c"].into_iter().map(|who| served.has("k", who)).collect();
        assert_eq!(has, [true, false, true]);
        let mut outcomes = Outcomes::default();
        outcomes.note("b", Ok(Delivered::default()));
        let delivered = served.judge("k", outcomes).unwrap();
        let expected = [("c".to_owned(), "answered 500: no".to_owned())];
        assert_eq!(delivered.refused, expected, "a refusal of an earlier try is shown");
        assert!(!served.has("k", "a"), "nothing is remembered of what is done");
    }

    #[test]
    fn what_all_refuse_one_after_the_other_is_not_delivered() {
        let served = Served::default();
        let mut outcomes = Outcomes::default();
        outcomes.note("a", refused(Again::Never));
        outcomes.note("b", refused(Again::Later));
        assert!(!served.judge("k", outcomes).unwrap_err().is_permanent());
        assert!(served.has("k", "a"), "not asked again");
        let mut outcomes = Outcomes::default();
        outcomes.note("b", refused(Again::Never));
        assert!(served.judge("k", outcomes).unwrap_err().is_permanent());
    }

    #[test]
    fn if_all_fail_the_first_says_why() {
        let served = Served::default();
        let mut outcomes = Outcomes::default();
        outcomes.note("a", refused(Again::Never));
        assert!(served.judge("k", outcomes).unwrap_err().is_permanent());
        let mut outcomes = Outcomes::default();
        outcomes.note("a", refused(Again::Later));
        assert!(!served.judge("k", outcomes).unwrap_err().is_permanent());
    }
}
