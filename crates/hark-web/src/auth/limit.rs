//! Slows guessing down without locking anybody out.
//!
//! A failed log-in is counted three times. For the account *at the address* (an IPv6 address counts as its /64): this is the
//! one that a person meets who types his password wrong, and it holds nobody else, neither others behind the same address
//! nor the same account elsewhere. For the account from everywhere, against guessing from many addresses. And for the
//! address, against one password tried on many names: a budget so large that a floor of people who mistype does not reach
//! it, since what it protects against is long work, not the ninth try. What a try costs is bounded elsewhere: one password is
//! hashed at a time, and so many wait ([`super::password`]).
//!
//! The last two would be ways to lock others out, so they hold nobody who has logged in from that address before; and the
//! first would be one against a person at the same address, so a browser in which that person has logged in
//! ([`super::browser`]) has a bucket of its own, and none of the three counts.
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

use super::browser::KnownBrowser;

/// Failures of one account at one address in a burst: a person who tries all his passwords.
const PERSON_BURST: f64 = 8.0;
/// After the burst, one further try of them each so many seconds.
const PERSON_SECONDS: f64 = 15.0;
/// Failures of one address in a burst, whichever accounts: more than a floor of people who all mistype at nine.
const ADDRESS_BURST: f64 = 60.0;
/// After the burst, one further try of an address each so many seconds: 17,000 a day.
const ADDRESS_SECONDS: f64 = 5.0;
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
    persons: BTreeMap<(String, Place), Bucket>,
    addresses: BTreeMap<IpAddr, Bucket>,
    callers: BTreeMap<IpAddr, Bucket>,
    accounts: BTreeMap<String, Bucket>,
    /// By account, and by the address if its owner has logged in from there before.
    codes: BTreeMap<(String, Option<IpAddr>), Bucket>,
    known: BTreeSet<(String, IpAddr)>,
}

/// Where somebody tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    At(IpAddr),
    In(KnownBrowser),
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
    /// Takes one try of `account` from `address` at `now`, perhaps from a `browser` in which its owner has logged in.
    /// Each try counts as failed until [`Limiter::succeeded`] says otherwise: else a hundred tries at once
    /// would all pass before the first was counted.
    ///
    /// # Errors
    /// If a bucket is full: how long to wait.
    pub(crate) fn attempt(
        &mut self,
        address: IpAddr,
        account: &str,
        browser: Option<KnownBrowser>,
        now: Mono,
    ) -> Result<(), Duration> {
        let address = prefix(address);
        let account = key(account);
        let is_known = browser.is_some() || self.known.contains(&(account.clone(), address));
        let person = (account, browser.map_or(Place::At(address), Place::In));
        let wait = |bucket: Option<&Bucket>, burst, seconds| {
            bucket.and_then(|bucket| bucket.wait(burst, seconds, now))
        };
        let mut longest = wait(self.persons.get(&person), PERSON_BURST, PERSON_SECONDS);
        if !is_known {
            let of_account = self.accounts.get(&person.0);
            longest = longest.max(wait(of_account, ACCOUNT_BURST, ACCOUNT_SECONDS));
            let of_address = self.addresses.get(&address);
            longest = longest.max(wait(of_address, ADDRESS_BURST, ADDRESS_SECONDS));
        }
        if let Some(wait) = longest {
            return Err(wait);
        }
        if !is_known {
            add(&mut self.addresses, address, ADDRESS_SECONDS, now);
            add(&mut self.accounts, person.0.clone(), ACCOUNT_SECONDS, now);
        }
        add(&mut self.persons, person, PERSON_SECONDS, now);
        Ok(())
    }

    /// Takes the last try back: it was right. The address is known for this account from now on. What else the
    /// address has failed with stays: else whoever has an account could guess those of others between two
    /// log-ins of his own.
    pub(crate) fn succeeded(
        &mut self,
        address: IpAddr,
        account: &str,
        browser: Option<KnownBrowser>,
        now: Mono,
    ) {
        let address = prefix(address);
        let known = (key(account), address);
        let place = browser.map_or(Place::At(address), Place::In);
        self.persons.remove(&(known.0.clone(), place));
        if browser.is_none() && !self.known.contains(&known) {
            if let Some(bucket) = self.accounts.get_mut(&known.0) {
                bucket.take_back(ACCOUNT_SECONDS, now);
            }
            if let Some(bucket) = self.addresses.get_mut(&address) {
                bucket.take_back(ADDRESS_SECONDS, now);
            }
        }
        if self.known.len() >= MAX_KNOWN && !self.known.contains(&known) {
            self.known.pop_first();
        }
        self.known.insert(known);
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

/// For what proves itself without an account, by something that nobody guesses: only the address counts, with its large
/// budget, since others share it.
impl Limiter {
    /// Takes one try from `address` at `now`. It counts as failed until [`Limiter::take_back`].
    ///
    /// # Errors
    /// If the address has failed too often: how long to wait. Then it is not counted.
    pub(crate) fn attempt_from(&mut self, address: IpAddr, now: Mono) -> Result<(), Duration> {
        try_one(&mut self.addresses, address, (ADDRESS_BURST, ADDRESS_SECONDS), now)
    }

    /// Takes one try from `address` back. What else it has failed with stays: many people share the
    /// address of a service.
    pub(crate) fn take_back(&mut self, address: IpAddr, now: Mono) {
        if let Some(bucket) = self.addresses.get_mut(&prefix(address)) {
            bucket.take_back(ADDRESS_SECONDS, now);
        }
    }
}

/// For what may be done in any number by who proves himself, so that nobody is held by what others fail with: those who
/// prove nothing have as few tries as one person.
impl Limiter {
    /// Takes one call from `address` at `now`. It counts as one that proves nothing until [`Limiter::take_call_back`].
    ///
    /// # Errors
    /// If there were too many of these: how long to wait. Then it is not counted.
    pub(crate) fn attempt_call(&mut self, address: IpAddr, now: Mono) -> Result<(), Duration> {
        try_one(&mut self.callers, address, (PERSON_BURST, PERSON_SECONDS), now)
    }

    /// Takes one call from `address` back.
    pub(crate) fn take_call_back(&mut self, address: IpAddr, now: Mono) {
        if let Some(bucket) = self.callers.get_mut(&prefix(address)) {
            bucket.take_back(PERSON_SECONDS, now);
        }
    }
}

fn try_one(
    buckets: &mut BTreeMap<IpAddr, Bucket>,
    address: IpAddr,
    (burst, seconds): (f64, f64),
    now: Mono,
) -> Result<(), Duration> {
    let address = prefix(address);
    if let Some(wait) = buckets.get(&address).and_then(|b| b.wait(burst, seconds, now)) {
        return Err(wait);
    }
    add(buckets, address, seconds, now);
    Ok(())
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
        for _ in 0..59 {
            limiter.attempt_from(HOME, now).unwrap();
        }
        for _ in 0..100 {
            limiter.attempt_from(HOME, now).unwrap();
            limiter.take_back(HOME, now);
        }
        limiter.attempt_from(HOME, now).unwrap();
        limiter.attempt_from(HOME, now).unwrap_err();
        limiter.attempt_from(stranger(1), now).unwrap();
        // Calls are counted apart, and the burst of those is small.
        let calls = (0..100).filter(|_| limiter.attempt_call(HOME, now).is_ok()).count();
        assert_eq!(calls, 8);
        limiter.take_call_back(HOME, now);
        limiter.attempt_call(HOME, now).unwrap();
        assert!(
            limiter.accounts.is_empty() && limiter.persons.is_empty() && limiter.known.is_empty()
        );
    }

    #[test]
    fn who_mistypes_is_slowed_down_and_nobody_else_at_his_address() {
        let mut limiter = Limiter::default();
        let start = Mono(1_000_000);
        for _ in 0..8 {
            limiter.attempt(HOME, "eve", None, start).unwrap();
        }
        let wait = limiter.attempt(HOME, "Eve", None, start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(15));
        limiter.attempt(HOME, "ida", None, start).unwrap();
        limiter.attempt(stranger(1), "eve", None, start).unwrap();
        limiter.attempt(HOME, "eve", None, start + wait).unwrap();
        limiter.attempt(HOME, "eve", None, start + wait).unwrap_err();
    }

    #[test]
    fn one_password_on_many_names_from_one_address_is_bounded() {
        let mut limiter = Limiter::default();
        let now = Mono(1_000_000);
        limiter.attempt(HOME, "ida", None, now).unwrap();
        limiter.succeeded(HOME, "ida", None, now);
        let spray = |limiter: &mut Limiter, now| {
            let names = (0..500).map(|n| format!("name{n}"));
            let mut passed = 0;
            for name in names {
                passed += u32::from(limiter.attempt(HOME, &name, None, now).is_ok());
                // An own account that is logged in to between two guesses gives none of them back.
                limiter.attempt(HOME, "mallory", None, now).unwrap_or_default();
                limiter.succeeded(HOME, "mallory", None, now);
            }
            passed
        };
        let passed = spray(&mut limiter, now);
        assert!((50..=60).contains(&passed), "{passed}");
        let later = now + Duration::from_mins(1);
        assert!(spray(&mut limiter, later) <= 12, "one each five seconds");
        // Who has logged in here before does not wait for what others try, and a known browser neither.
        limiter.attempt(HOME, "ida", None, later).unwrap();
        limiter.attempt(HOME, "ben", None, later).unwrap_err();
        limiter.attempt(HOME, "ben", Some(KnownBrowser::of(1)), later).unwrap();
    }

    #[test]
    fn who_guesses_at_a_person_from_his_own_address_does_not_hold_his_browser() {
        let mut limiter = Limiter::default();
        let now = Mono(1_000_000);
        limiter.attempt(HOME, "ida", None, now).unwrap();
        limiter.succeeded(HOME, "ida", None, now);
        while limiter.attempt(HOME, "ida", None, now).is_ok() {}
        let browser = Some(KnownBrowser::of(7));
        for _ in 0..8 {
            limiter.attempt(HOME, "ida", browser, now).unwrap();
        }
        limiter.attempt(HOME, "ida", browser, now).unwrap_err();
        limiter.attempt(HOME, "ida", Some(KnownBrowser::of(8)), now).unwrap();
        limiter.succeeded(HOME, "ida", Some(KnownBrowser::of(8)), now);
        limiter.attempt(HOME, "ida", None, now).unwrap_err();
    }

    #[test]
    fn guessing_from_everywhere_does_not_lock_the_owner_out() {
        let mut limiter = Limiter::default();
        let now = Mono(1_000_000);
        limiter.attempt(HOME, "mira", None, now).unwrap();
        limiter.succeeded(HOME, "mira", None, now);
        let refused =
            (0..200).filter(|n| limiter.attempt(stranger(*n), "mira", None, now).is_err()).count();
        assert_eq!(refused, 180, "all but the burst");
        limiter.attempt(HOME, "Mira", None, now).unwrap();
        limiter.attempt(stranger(201), "ben", None, now).unwrap();
    }

    #[test]
    fn tries_at_once_are_counted_before_they_are_checked() {
        let mut limiter = Limiter::default();
        let passed =
            (0..100).filter(|_| limiter.attempt(HOME, "mira", None, Mono(5)).is_ok()).count();
        assert_eq!(passed, 8);
    }

    #[test]
    fn codes_are_guessed_slowly_from_however_many_addresses_and_the_owner_is_not_held_up() {
        let mut limiter = Limiter::default();
        let now = Mono(1_000_000);
        limiter.attempt(HOME, "mira", None, now).unwrap();
        limiter.succeeded(HOME, "mira", None, now);
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
            limiter.attempt(HOME, "mira", None, Mono(5)).unwrap();
            limiter.succeeded(HOME, "mira", None, Mono(5));
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
            limiter.attempt(address, &n.to_string(), None, Mono(5)).unwrap();
        }
        assert!(limiter.addresses.len() <= MAX_BUCKETS && limiter.accounts.len() <= MAX_BUCKETS);
        assert!(limiter.persons.len() <= MAX_BUCKETS);
        limiter.attempt(HOME, &"a".repeat(60_000), None, Mono(5)).unwrap();
        assert!(limiter.accounts.keys().all(|name| name.len() <= UserName::MAX));
    }
}
