//! Challenges that passkeys answer.
//!
//! A challenge proves by itself that this server has made it, for what, and until when: asking for one
//! costs no memory, so that nobody can crowd out those of others. What is kept is which of them were
//! answered well, until their time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::Mono;
use ring::hmac;

use super::token::{self, NoRandom};

/// How long an answer may take: finding a key in a drawer included.
const VALID: Duration = Duration::from_mins(5);

/// Challenges that were answered well and whose time is not over. Each was a log-in.
const MAX_USED: usize = 10_000;

const NONCE: usize = 16;
const TAG: usize = 32;

/// Makes and takes challenges.
pub(crate) struct Challenges {
    key: hmac::Key,
    used: BTreeMap<[u8; NONCE], Mono>,
}

impl std::fmt::Debug for Challenges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenges").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

impl Challenges {
    /// Makes the machine with a key of its own, which ends with the process.
    pub(crate) fn new() -> Result<Self, NoRandom> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &token::random::<32>()?);
        Ok(Self { key, used: BTreeMap::new() })
    }

    /// Returns a new challenge for `purpose`.
    pub(crate) fn make(&self, purpose: &str, now: Mono) -> Result<Vec<u8>, NoRandom> {
        let nonce = token::random::<NONCE>()?;
        let until = (now + VALID).0.to_be_bytes();
        let tag = hmac::sign(&self.key, &text(&nonce, until, purpose));
        Ok([&nonce[..], &until, tag.as_ref()].concat())
    }

    /// Returns the mark of `challenge` if it is one of ours for `purpose` whose time is not over and which
    /// was not answered yet. It is used up by [`Challenges::spend`].
    pub(crate) fn check(&self, challenge: &[u8], purpose: &str, now: Mono) -> Option<Mark> {
        let (nonce, rest) = challenge.split_first_chunk::<NONCE>()?;
        let (until, tag) = rest.split_first_chunk::<8>()?;
        if tag.len() != TAG {
            return None;
        }
        hmac::verify(&self.key, &text(nonce, *until, purpose), tag).ok()?;
        let until = Mono(u64::from_be_bytes(*until));
        (now < until && !self.used.contains_key(nonce)).then_some(Mark { nonce: *nonce, until })
    }

    /// Uses a challenge up. False if it was used meanwhile, or if there are too many.
    pub(crate) fn spend(&mut self, mark: Mark, now: Mono) -> bool {
        self.used.retain(|_, until| now < *until);
        self.used.len() < MAX_USED && self.used.insert(mark.nonce, mark.until).is_none()
    }
}

/// A challenge that is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    nonce: [u8; NONCE],
    until: Mono,
}

fn text(nonce: &[u8; NONCE], until: [u8; 8], purpose: &str) -> Vec<u8> {
    [&nonce[..], &until, purpose.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(1_000_000);

    #[test]
    fn a_challenge_is_good_once_for_what_it_was_made_for() {
        let mut challenges = Challenges::new().unwrap();
        let made = challenges.make("login", NOW).unwrap();
        assert_eq!(challenges.check(&made, "new key of mira", NOW), None);
        let mark = challenges.check(&made, "login", NOW).unwrap();
        assert_eq!(challenges.check(&made, "login", NOW), Some(mark), "looking uses nothing up");
        assert!(challenges.spend(mark, NOW));
        assert_eq!(challenges.check(&made, "login", NOW), None);
        assert!(!challenges.spend(mark, NOW), "of two at once one is let in");
    }

    #[test]
    fn a_challenge_ends() {
        let challenges = Challenges::new().unwrap();
        let made = challenges.make("login", NOW).unwrap();
        let just = NOW + VALID.saturating_sub(Duration::from_secs(1));
        assert!(challenges.check(&made, "login", just).is_some());
        assert_eq!(challenges.check(&made, "login", NOW + VALID), None);
    }

    #[test]
    fn what_was_made_elsewhere_or_changed_is_none() {
        let challenges = Challenges::new().unwrap();
        let foreign = Challenges::new().unwrap().make("login", NOW).unwrap();
        assert_eq!(challenges.check(&foreign, "login", NOW), None);
        let made = challenges.make("login", NOW).unwrap();
        for place in 0..made.len() {
            let mut changed = made.clone();
            changed[place] ^= 1;
            assert_eq!(challenges.check(&changed, "login", NOW), None, "{place}");
            assert_eq!(challenges.check(&made[..place], "login", NOW), None, "{place}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut challenges = Challenges::new().unwrap();
        for _ in 0..3 {
            let made = challenges.make("login", NOW).unwrap();
            let mark = challenges.check(&made, "login", NOW).unwrap();
            assert!(challenges.spend(mark, NOW));
        }
        let later = NOW + VALID;
        let made = challenges.make("login", later).unwrap();
        let mark = challenges.check(&made, "login", later).unwrap();
        assert!(challenges.spend(mark, later));
        assert_eq!(challenges.used.len(), 1);
    }
}
