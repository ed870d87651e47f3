//! Slows guessing down without locking anybody out.
//!
//! Two buckets are filled by each failed log-in: one of the address (an IPv6 address counts as its
//! /64) and one of the account. A full bucket refuses until it has drained a little. The account's
//! bucket is for guessing from many addresses; it would be a way to lock its owner out, so addresses
//! from which the owner has logged in before are not held by it: only their own bucket counts.
//!
//! Codes of an app have buckets of their own, which drain far more slowly: of a million codes three are
//! right at a time, and who guesses them has the password already. There is one for each account and
//! address from which its owner has logged in before, and one for all other addresses together. So whoever
//! guesses from elsewhere does not hold the owner up where he usually is; and where he never was he has his
//! passkeys and recovery codes, which nobody guesses and nothing here counts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hark_model::{Mono, UserName};

/// Failures of one address in a burst: a person who tries all his passwords.
const ADDRESS_BURST: f64 = 8.0;
/// After the burst, one further try of an address each so many seconds.
const ADDRESS_SECONDS: f64 = 15.0;
/// Failures on one account in a burst, from unknown addresses together.
const ACCOUNT_BURST: f64 = 20.0;
/// After the burst, one further try on an account each so many seconds.
const ACCOUNT_SECONDS: f64 = 60.0;
/// Wrong codes of an app in a burst: a telephone whose clock is wrong, and a person who finds that out.
const CODE_BURST: f64 = 10.0;
/// After the burst, one further code of an account each so many seconds: who guesses without pause for a
/// year, with the password, has found one with a chance of 5 %.
const CODE_SECONDS: f64 = 1800.0;
/// Buckets kept: an attacker with more addresses than this is met by the account's bucket.
const MAX_BUCKETS: usize = 20_000;
/// Pairs of account and known address kept.
const MAX_KNOWN: usize = 10_000;

/// Counts failed log-ins.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    addresses: BTreeMap<IpAddr, Bucket>,
    accounts: BTreeMap<String, Bucket>,
    /// By account, and by the address if its owner has logged in from there before.
    codes: BTreeMap<(String, Option<IpAddr>), Bucket>,
    known: BTreeSet<(String, IpAddr)>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: f64,
    at: Mono,
}

impl Bucket {
    /// Returns the level at `now` when one drains each `seconds`.
    fn level(self, seconds: f64, now: Mono) -> f64 {
        (self.level - now.since(self.at).as_secs_f64() / seconds).max(0.0)
    }

    /// Returns how long until one more fits below `burst`.
    fn wait(self, burst: f64, seconds: f64, now: Mono) -> Option<Duration> {
        let over = self.level(seconds, now) + 1.0 - burst;
        (over > 0.0).then(|| Duration::from_secs_f64((over * seconds).max(1.0)))
    }

    /// Takes one out at `now`.
    fn take_back(&mut self, seconds: f64, now: Mono) {
        *self = Self { level: (self.level(seconds, now) - 1.0).max(0.0), at: now };
    }
}

impl Limiter {
    /// Takes one try of `account` from `address` at `now`. Each try counts as failed until
    /// [`Limiter::succeeded`] says otherwise: else a hundred tries at once would all pass before the
    /// first was counted.
    ///
    /// # Errors
    /// If a bucket is full: how long to wait.
    pub(crate) fn attempt(
        &mut self,
        address: IpAddr,
        account: &str,
        now: Mono,
    ) -> Result<(), Duration> {
        let address = prefix(address);
        let account = key(account);
        let known = self.known.contains(&(account.clone(), address));
        let wait_address =
            self.addresses.get(&address).and_then(|b| b.wait(ADDRESS_BURST, ADDRESS_SECONDS, now));
        let bucket = self.accounts.get(&account).filter(|_| !known);
        let wait_account = bucket.and_then(|b| b.wait(ACCOUNT_BURST, ACCOUNT_SECONDS, now));
        if let Some(wait) = wait_address.max(wait_account) {
            return Err(wait);
        }
        add(&mut self.addresses, address, ADDRESS_SECONDS, now);
        if !known {
            add(&mut self.accounts, account, ACCOUNT_SECONDS, now);
        }
        Ok(())
    }

    /// Takes the last try back: it was right. The address is known from now on.
    pub(crate) fn succeeded(&mut self, address: IpAddr, account: &str, now: Mono) {
        let address = prefix(address);
        let account = key(account);
        self.addresses.remove(&address);
        let known = (account, address);
        if !self.known.contains(&known) {
            if let Some(bucket) = self.accounts.get_mut(&known.0) {
                bucket.take_back(ACCOUNT_SECONDS, now);
            }
            if self.known.len() >= MAX_KNOWN {
                self.known.pop_first();
            }
            self.known.insert(known);
        }
    }
}

/// For codes of an app, beside what is counted of the log-in that they are part of.
impl Limiter {
    /// Takes one code of `account` from `address` at `now`. It counts as wrong until
    /// [`Limiter::code_was_right`].
    ///
    /// # Errors
    /// If there were too many wrong ones: how long to wait. Then it is not counted.
    pub(crate) fn attempt_code(
        &mut self,
        address: IpAddr,
        account: &str,
        now: Mono,
    ) -> Result<(), Duration> {
        let name = self.code_bucket(address, account);
        let wait = self.codes.get(&name).and_then(|b| b.wait(CODE_BURST, CODE_SECONDS, now));
        if let Some(wait) = wait {
            return Err(wait);
        }
        add(&mut self.codes, name, CODE_SECONDS, now);
        Ok(())
    }

    /// Takes the last code back: it was right. Those that others have guessed stay.
    pub(crate) fn code_was_right(&mut self, address: IpAddr, account: &str, now: Mono) {
        let name = self.code_bucket(address, account);
        if let Some(bucket) = self.codes.get_mut(&name) {
            bucket.take_back(CODE_SECONDS, now);
        }
    }

    fn code_bucket(&self, address: IpAddr, account: &str) -> (String, Option<IpAddr>) {
        let pair = (key(account), prefix(address));
        let known = self.known.contains(&pair);
        (pair.0, known.then_some(pair.1))
    }
}

/// For what proves itself without an account: only the address counts.
impl Limiter {
    /// Takes one try from `address` at `now`. It counts as failed until [`Limiter::take_back`].
    ///
    /// # Errors
    /// If the address has failed too often: how long to wait. Then it is not counted.
    pub(crate) fn attempt_from(&mut self, address: IpAddr, now: Mono) -> Result<(), Duration> {
        let address = prefix(address);
        let bucket = self.addresses.get(&address);
        if let Some(wait) = bucket.and_then(|b| b.wait(ADDRESS_BURST, ADDRESS_SECONDS, now)) {
            return Err(wait);
        }
        add(&mut self.addresses, address, ADDRESS_SECONDS, now);
        Ok(())
    }

    /// Takes one try from `address` back. What else it has failed with stays: many people share the
    /// address of a service.
    pub(crate) fn take_back(&mut self, address: IpAddr, now: Mono) {
        if let Some(bucket) = self.addresses.get_mut(&prefix(address)) {
            bucket.take_back(ADDRESS_SECONDS, now);
        }
    }
}

/// Returns under what an account is counted: what is longer than any name of a user is cut, so that
/// a stranger cannot fill the memory with names.
fn key(account: &str) -> String {
    account.chars().take(UserName::MAX).collect::<String>().to_ascii_lowercase()
}

fn add<K: Ord + Clone>(buckets: &mut BTreeMap<K, Bucket>, key: K, seconds: f64, now: Mono) {
    if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&key) {
        make_room(buckets, seconds, now);
    }
    let bucket = buckets.entry(key).or_insert(Bucket { level: 0.0, at: now });
    *bucket = Bucket { level: bucket.level(seconds, now) + 1.0, at: now };
}

/// Drops the emptier quarter of the buckets: they are missed least, and a quarter at a time makes
/// the work small for each new one.
fn make_room<K: Ord + Clone>(buckets: &mut BTreeMap<K, Bucket>, seconds: f64, now: Mono) {
    let mut levels: Vec<(f64, K)> =
        buckets.iter().map(|(key, bucket)| (bucket.level(seconds, now), key.clone())).collect();
    let quarter = levels.len() / 4;
    levels.select_nth_unstable_by(quarter, |a, b| a.0.total_cmp(&b.0));
    for (_, key) in levels.iter().take(quarter) {
        buckets.remove(key);
    }
}

/// Returns the address itself, of IPv6 its /64: one customer has that many addresses.
pub(crate) fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn stranger(n: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, n])
    }

    #[test]
    fn one_good_try_takes_back_itself_alone_and_no_account_is_held() {
        let mut limiter = Limiter::default();
        let now = Mono(5);
        for _ in 0..7 {
            limiter.attempt_from(HOME, now).unwrap();
        }
        for _ in 0..100 {
            limiter.attempt_from(HOME, now).unwrap();
            limiter.take_back(HOME, now);
        }
        limiter.attempt_from(HOME, now).unwrap();
        limiter.attempt_from(HOME, now).unwrap_err();
        limiter.attempt_from(stranger(1), now).unwrap();
        assert!(limiter.accounts.is_empty() && limiter.known.is_empty());
    }

    #[test]
    fn an_address_is_slowed_down_and_recovers() {
        let mut limiter = Limiter::default();
        let start = Mono(1_000_000);
        for _ in 0..8 {
            limiter.attempt(HOME, "mira", start).unwrap();
        }
        let wait = limiter.attempt(HOME, "mira", start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(15));
        limiter.attempt(HOME, "ben", start).unwrap_err();
        limiter.attempt(HOME, "mira", start + wait).unwrap();
        limiter.attempt(HOME, "mira", start + wait).unwrap_err();
    }

    #[test]
    fn guessing_from_everywhere_does_not_lock_the_owner_out() {
        let mut limiter = Limiter::default();
        let now = Mono(1_000_000);
        limiter.attempt(HOME, "mira", now).unwrap();
        limiter.succeeded(HOME, "mira", now);
        let refused =
            (0..200).filter(|n| limiter.attempt(stranger(*n), "mira", now).is_err()).count();
        assert_eq!(refused, 180, "all but the burst");
        limiter.attempt(HOME, "Mira", now).unwrap();
        limiter.attempt(stranger(201), "ben", now).unwrap();
    }

    #[test]
    fn tries_at_once_are_counted_before_they_are_checked() {
        let mut limiter = Limiter::default();
        let passed = (0..100).filter(|_| limiter.attempt(HOME, "mira", Mono(5)).is_ok()).count();
        assert_eq!(passed, 8);
    }

    #[test]
    fn codes_are_guessed_slowly_from_however_many_addresses_and_the_owner_is_not_held_up() {
        let mut limiter = Limiter::default();
        let now = Mono(1_000_000);
        limiter.attempt(HOME, "mira", now).unwrap();
        limiter.succeeded(HOME, "mira", now);
        let passed = |limiter: &mut Limiter, now| {
            (0..200).filter(|n| limiter.attempt_code(stranger(*n), "mira", now).is_ok()).count()
        };
        assert_eq!(passed(&mut limiter, now), 10);
        let day = now + Duration::from_hours(24);
        assert_eq!(passed(&mut limiter, day), 10, "the burst is there again, and no more");
        let wait = limiter.attempt_code(stranger(7), "Mira", day).unwrap_err();
        assert_eq!(wait, Duration::from_mins(30));
        limiter.attempt_code(stranger(7), "ben", day).unwrap();
        // Where the owner usually is, his own wrong codes count and nobody else's.
        for _ in 0..10 {
            limiter.attempt_code(HOME, "mira", day).unwrap();
        }
        limiter.attempt_code(HOME, "mira", day).unwrap_err();
        limiter.code_was_right(HOME, "mira", day);
        limiter.attempt_code(HOME, "mira", day).unwrap();
        limiter.attempt_code(stranger(7), "mira", day).unwrap_err();
    }

    #[test]
    fn success_forgives_the_address() {
        let mut limiter = Limiter::default();
        for _ in 0..50 {
            limiter.attempt(HOME, "mira", Mono(5)).unwrap();
            limiter.succeeded(HOME, "mira", Mono(5));
        }
    }

    #[test]
    fn a_customers_ipv6_network_is_one_address() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let c: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(prefix(a), prefix(b));
        assert_ne!(prefix(a), prefix(c));
        assert_eq!(prefix("::ffff:192.0.2.1".parse().unwrap()), HOME);
    }

    #[test]
    fn memory_is_bounded() {
        let mut limiter = Limiter::default();
        for n in 0..30_000_u32 {
            let address = IpAddr::from(n.to_be_bytes());
            limiter.attempt(address, &n.to_string(), Mono(5)).unwrap();
        }
        assert!(limiter.addresses.len() <= MAX_BUCKETS && limiter.accounts.len() <= MAX_BUCKETS);
        limiter.attempt(HOME, &"a".repeat(60_000), Mono(5)).unwrap();
        assert!(limiter.accounts.keys().all(|name| name.len() <= UserName::MAX));
    }
}
