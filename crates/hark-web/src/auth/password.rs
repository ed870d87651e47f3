//! Passwords: Argon2id, one at a time; the seeds' PBKDF2 is read and replaced.
//!
//! Hashing takes 19 MiB and tens of milliseconds: [`Hasher`] runs one at a time on a thread for
//! blocking and lets a bounded number wait, so that a flood of log-ins costs neither memory nor the
//! rest of the server. An unknown user costs the same work as a known one.

use std::num::NonZeroU32;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use hark_model::Secret;
use tokio::sync::Semaphore;

use super::token::{self, NoRandom};

/// The shortest password: what the advice of 2024 calls the least for one without a second factor is
/// 8; hark's log-in opens a whole fleet.
const MIN_CHARS: usize = 10;

/// The longest password in bytes: far above any passphrase; bounds the work.
const MAX_BYTES: usize = 512;

/// Memory of one hash: 19 MiB, as OWASP advises with 2 passes and 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The most passes, memory and lanes accepted from a stored hash: a hash in a file must not be able
/// to stop the server.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;

/// The most PBKDF2 iterations accepted: about 3 s. Seeds use 600,000.
const MAX_ITERATIONS: u32 = 5_000_000;

/// How many log-ins may wait for the one that is hashed: at about 50 ms each, the last waits under
/// 2 s.
const MAX_WAITING: usize = 32;

/// What checking a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// It is not the password.
    Wrong,
    /// It is.
    Right,
    /// It is, and its hash should be replaced by this stronger one.
    RightButOld(Secret),
}

/// Too many wait to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Hashes passwords one at a time.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    one: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Hasher {
    /// Makes a hasher.
    pub(crate) fn new() -> Self {
        Self { one: Arc::new(Semaphore::new(1)), waiting: Arc::new(Semaphore::new(MAX_WAITING)) }
    }

    /// Checks `password` against `stored`, or does the same work if there is none. Cancelling it
    /// leaves a hash that is under way to end on its thread.
    pub(crate) async fn check(
        &self,
        password: Secret,
        stored: Option<Secret>,
    ) -> Result<Checked, Busy> {
        self.run(move || check(&password, stored.as_ref())).await
    }

    /// Hashes `password`. Cancelling it leaves a hash that is under way to end on its thread.
    pub(crate) async fn hash(&self, password: Secret) -> Result<Option<Secret>, Busy> {
        self.run(move || hash(&password).ok()).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Busy)?;
        let one = Arc::clone(&self.one).acquire_owned().await.map_err(|_| Busy)?;
        drop(waiting);
        let work = move || {
            let result = work();
            drop(one);
            result
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

/// Says what is wrong with a new password; `None` if nothing.
pub fn weakness(password: &str) -> Option<String> {
    if password.chars().count() < MIN_CHARS {
        return Some(format!("use at least {MIN_CHARS} characters"));
    }
    if password.len() > MAX_BYTES {
        return Some(format!("use at most {MAX_BYTES} bytes"));
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) {
        return Some("use more than one character".to_owned());
    }
    None
}

/// Hashes `password` with Argon2id. Takes tens of milliseconds and 19 MiB.
///
/// # Errors
/// If the system gives no random bytes.
///
/// # Panics
/// Never: the parameters are constants within Argon2's bounds.
pub fn hash(password: &Secret) -> Result<Secret, NoRandom> {
    let salt = token::random::<16>()?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.expect("the constants are within Argon2's bounds: a test hashes with them");
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password_with_salt(password.expose().as_bytes(), &salt);
    let hash = hash.expect("a salt of 16 bytes and a bounded password can be hashed");
    Ok(Secret::new(hash.to_string()))
}

fn check(password: &Secret, stored: Option<&Secret>) -> Checked {
    let too_long = password.expose().len() > MAX_BYTES;
    let Some(stored) = stored.filter(|_| !too_long) else {
        // The work of a real check, so that the time does not tell whether the user exists.
        hash(&Secret::new("nobody")).map_or_else(drop, drop);
        return Checked::Wrong;
    };
    let (right, strong) = match stored.expose().strip_prefix("pbkdf2:sha256:") {
        Some(rest) => (pbkdf2(password, rest), false),
        None => argon2id(password, stored),
    };
    if !right {
        return Checked::Wrong;
    }
    if strong {
        return Checked::Right;
    }
    hash(password).map_or(Checked::Right, Checked::RightButOld)
}

/// Checks against an Argon2 hash; the second result says whether it is as strong as a new one.
fn argon2id(password: &Secret, stored: &Secret) -> (bool, bool) {
    let Ok(parsed) = PasswordHash::new(stored.expose()) else { return (false, false) };
    let Ok(params) = Params::try_from(&parsed) else { return (false, false) };
    let too_dear = params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES;
    if too_dear || params.p_cost() > params.m_cost() / 8 {
        return (false, false);
    }
    let right = Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok();
    let strong = params.m_cost() >= MEMORY_KIB
        && params.t_cost() >= PASSES
        && parsed.algorithm.as_str() == "argon2id";
    (right, strong)
}

/// Checks against `iterations$salt$hex`, the rest of a Werkzeug hash.
fn pbkdf2(password: &Secret, rest: &str) -> bool {
    let mut parts = rest.splitn(3, '$');
    let (Some(iterations), Some(salt), Some(digest)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let iterations = iterations.parse::<u32>().ok().filter(|n| *n <= MAX_ITERATIONS);
    let Some(iterations) = iterations.and_then(NonZeroU32::new) else { return false };
    let Some(digest) = unhex(digest) else { return false };
    ring::pbkdf2::verify(
        ring::pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt.as_bytes(),
        password.expose().as_bytes(),
        &digest,
    )
    .is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    // 64 bytes is the longest digest that anything in use makes.
    if pairs.is_empty() || pairs.len() > 64 || !rest.is_empty() {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_new_hash_is_right_and_strong() {
        let stored = hash(&secret("correct horse")).unwrap();
        assert!(
            stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            stored.expose()
        );
        assert_eq!(check(&secret("correct horse"), Some(&stored)), Checked::Right);
        assert_eq!(check(&secret("correct hors"), Some(&stored)), Checked::Wrong);
    }

    #[test]
    fn a_seeds_hash_is_right_and_replaced() {
        // Made with Python: hashlib.pbkdf2_hmac('sha256', b'hunter2 hunter2', b'saltsalt', 1000).
        let stored = secret(
            "pbkdf2:sha256:1000$saltsalt$dcbf708ec453628e02226d7732873c604a9ba740f94b68b78ea56cd69ce9c7c3",
        );
        let Checked::RightButOld(new) = check(&secret("hunter2 hunter2"), Some(&stored)) else {
            panic!("the seed's hash was not accepted");
        };
        assert!(new.expose().starts_with("$argon2id$"));
        assert_eq!(check(&secret("hunter2 hunter2"), Some(&new)), Checked::Right);
        assert_eq!(check(&secret("hunter3 hunter3"), Some(&stored)), Checked::Wrong);
    }

    #[test]
    fn a_weaker_argon2_hash_is_replaced() {
        let params = Params::new(8 * 1024, 1, 1, None).unwrap();
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let stored = argon.hash_password_with_salt(b"correct horse", &[1; 16]).unwrap().to_string();
        let checked = check(&secret("correct horse"), Some(&secret(&stored)));
        assert!(matches!(checked, Checked::RightButOld(_)));
    }

    #[test]
    fn hashes_that_would_stop_the_server_are_refused() {
        for stored in [
            "pbkdf2:sha256:4000000000$a$00",
            "pbkdf2:sha256:0$a$00",
            "pbkdf2:sha256:1000$a$",
            "pbkdf2:sha256:1000$a$zz",
            "pbkdf2:sha256:1000",
            "$argon2id$v=19$m=4194304,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "$argon2id$v=19$m=19456,t=4000000,p=1$AQEBAQEBAQEBAQEBAQEBAQ$AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "plain",
            "",
        ] {
            assert_eq!(check(&secret("plain"), Some(&secret(stored))), Checked::Wrong, "{stored}");
        }
    }

    #[test]
    fn weak_passwords_are_told_why() {
        assert_eq!(weakness("short").unwrap(), "use at least 10 characters");
        assert_eq!(weakness("aaaaaaaaaaaa").unwrap(), "use more than one character");
        assert_eq!(weakness(&"ab".repeat(300)).unwrap(), "use at most 512 bytes");
        assert_eq!(weakness("grüße an alle"), None);
    }

    #[tokio::test]
    async fn a_flood_is_refused_instead_of_piling_up() {
        let hasher = Hasher::new();
        let gate = Arc::clone(&hasher.one).acquire_owned().await.unwrap();
        let waiters = Arc::clone(&hasher.waiting)
            .acquire_many_owned(u32::try_from(MAX_WAITING).unwrap())
            .await
            .unwrap();
        assert_eq!(hasher.check(secret("a"), None).await, Err(Busy));
        drop((gate, waiters));
        assert_eq!(hasher.check(secret("a"), None).await, Ok(Checked::Wrong));
    }
}
