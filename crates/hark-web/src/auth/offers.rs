//! Secrets that were shown to a user whose app has not made a code of them yet.
//!
//! They are in memory alone: a secret that no app holds opens nothing, and guards nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::{Mono, UserName};

/// How long the app may take.
const VALID: Duration = Duration::from_mins(10);

/// The most at once: each is asked for with a password, so this is more people than set one up in ten
/// minutes.
const MAX_OFFERS: usize = 1000;

/// Secrets by user.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    by_user: BTreeMap<UserName, Offered>,
}

struct Offered {
    secret: Vec<u8>,
    at: Mono,
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offered").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Offers {
    /// Keeps `secret` for `user` in place of the one before. False if there are too many.
    pub(crate) fn put(&mut self, user: UserName, secret: Vec<u8>, now: Mono) -> bool {
        self.by_user.retain(|_, offered| now.since(offered.at) < VALID);
        if self.by_user.len() >= MAX_OFFERS && !self.by_user.contains_key(&user) {
            return false;
        }
        self.by_user.insert(user, Offered { secret, at: now });
        true
    }

    /// Returns the secret of `user`, if it is still good.
    pub(crate) fn of(&self, user: &UserName, now: Mono) -> Option<Vec<u8>> {
        let offered = self.by_user.get(user)?;
        (now.since(offered.at) < VALID).then(|| offered.secret.clone())
    }

    /// Forgets the secret of `user`.
    pub(crate) fn forget(&mut self, user: &UserName) {
        self.by_user.remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_for_ten_minutes_and_replaced_by_the_next() {
        let mira = UserName::new("mira").unwrap();
        let mut offers = Offers::default();
        let start = Mono(0);
        assert!(offers.put(mira.clone(), vec![1], start));
        assert!(offers.put(mira.clone(), vec![2], start));
        assert_eq!(
            offers.of(&mira, start + VALID.saturating_sub(Duration::from_secs(1))),
            Some(vec![2])
        );
        assert_eq!(offers.of(&mira, start + VALID), None);
        offers.forget(&mira);
        assert_eq!(offers.of(&mira, start), None);
    }

    #[test]
    fn there_is_a_bound_that_time_makes_room_in() {
        let name = |n: usize| UserName::new(&format!("user{n}")).unwrap();
        let mut offers = Offers::default();
        for n in 0..MAX_OFFERS {
            assert!(offers.put(name(n), vec![1], Mono(0)));
        }
        assert!(!offers.put(name(MAX_OFFERS), vec![1], Mono(0)));
        assert!(offers.put(name(0), vec![2], Mono(0)), "one's own is replaced");
        assert!(offers.put(name(MAX_OFFERS), vec![1], Mono(0) + VALID));
    }
}
