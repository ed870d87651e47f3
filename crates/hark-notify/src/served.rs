//! Who already has a message, for services that are called once for each recipient.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::Delivered;
use crate::error::SendError;

/// Messages of which some recipients wait, at most: one is on its way at a time, the rest are those
/// that failed before. After a restart a retry goes to all again.
const MAX_PARTLY: usize = 256;

/// Who was served, by the key of the message.
#[derive(Debug, Default)]
pub(crate) struct Served(Mutex<BTreeMap<String, BTreeSet<String>>>);

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

impl Served {
    /// Returns true if `who` has the message `key`.
    pub(crate) fn has(&self, key: &str, who: &str) -> bool {
        let partly = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partly.get(key).is_some_and(|served| served.contains(who))
    }

    /// Puts together what came of all that were not served before.
    ///
    /// # Errors
    /// If nobody was served, with the first error that may pass; if some wait, so that a retry goes to
    /// them alone.
    pub(crate) fn judge(&self, key: &str, outcomes: Outcomes) -> Result<Delivered, SendError> {
        let Outcomes { done, delivered, mut waiting, mut refused } = outcomes;
        let mut partly = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let had = partly.remove(key).unwrap_or_default();
        let nobody = had.is_empty() && done.is_empty();
        if waiting.is_empty() {
            if nobody && !refused.is_empty() {
                return Err(refused.remove(0).1);
            }
            let refused = refused.into_iter().map(|(who, error)| (who, error.text())).collect();
            return Ok(Delivered { refused, ..delivered });
        }
        if nobody && refused.is_empty() {
            // All of them failed: what the first was told also says when to come again.
            return Err(waiting.remove(0).1);
        }
        if partly.len() >= MAX_PARTLY {
            partly.pop_first();
        }
        let mut served = had;
        served.extend(done);
        // Who refuses for good is not asked again.
        served.extend(refused.into_iter().map(|(who, _)| who));
        partly.insert(key.to_owned(), served);
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
        served.judge("k", outcomes).unwrap();
        assert!(!served.has("k", "a"), "nothing is remembered of what is done");
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
