//! Login by SCRAM (RFC 5802, RFC 7677): the password does not leave this machine, and the server has to
//! show that it knows it too. Without channel binding, which needs more of TLS than its library gives.
//!
//! Passwords are taken as they are: what SASLprep would change about letters beyond ASCII is rare.
//!
//! The server says how often the password is hashed, which may take a second of a small machine. That is
//! done on a thread for what takes long, one at a time, so that the tasks of the runtime go on and all but
//! one core are left to others; and as servers keep their salt, it is done once for many logins.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hark_model::Secret;
use ring::{digest, hmac, pbkdf2};
use tokio::sync::Semaphore;

/// Most rounds of hashing that a server may ask for: it decides how much work each login is. Servers
/// of 2026 have 4,096 to 15,000, the cautious 100,000.
const MAX_ROUNDS: u32 = 200_000;

/// Longest digest, of SHA-256.
const MAX_DIGEST: usize = 32;

/// Longest salt that is taken: servers have 8 to 32 bytes.
const MAX_SALT: usize = 1024;

/// Who hashes: a machine that watches others has better things to do with all its cores.
static AT_WORK: Semaphore = Semaphore::const_new(1);

/// Which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1 (RFC 5802), which is still what some servers know alone.
    Sha1,
    /// SHA-256 (RFC 7677).
    Sha256,
}

impl Hash {
    /// Returns the name of the mechanism.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    fn digest(self, bytes: &[u8]) -> digest::Digest {
        match self {
            Self::Sha1 => digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes),
            Self::Sha256 => digest::digest(&digest::SHA256, bytes),
        }
    }

    fn keyed(self, key: &[u8], text: &str) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), text.as_bytes())
    }

    fn salted(self, password: &Secret, salt: &[u8], rounds: NonZeroU32) -> Vec<u8> {
        let (algorithm, len) = match self {
            Self::Sha1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, MAX_DIGEST),
        };
        let mut salted = vec![0; len];
        pbkdf2::derive(algorithm, rounds, salt, password.expose().as_bytes(), &mut salted);
        salted
    }
}

/// The password of an account, and what was made of it at the last login: logins of the same account have
/// the same salt and rounds until somebody changes the password there.
pub struct Password {
    secret: Secret,
    salted: Mutex<Option<Salted>>,
}

/// What a login needs to know of a password.
#[derive(Clone)]
struct Salted {
    of: (Hash, Vec<u8>, NonZeroU32),
    key: Arc<[u8]>,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl From<Secret> for Password {
    fn from(secret: Secret) -> Self {
        Self { secret, salted: Mutex::default() }
    }
}

impl Password {
    /// Returns it as it is.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Returns the key that is made of it. Cancelling lets the hashing go on to its end, and forgets it.
    async fn salted(
        &self,
        hash: Hash,
        salt: Vec<u8>,
        rounds: NonZeroU32,
    ) -> Result<Arc<[u8]>, String> {
        let of = (hash, salt, rounds);
        if let Some(last) = self.last().filter(|last| last.of == of) {
            return Ok(last.key);
        }
        let ended = |what: &dyn fmt::Display| format!("the password was not hashed: {what}");
        let turn = AT_WORK.acquire().await.map_err(|error| ended(&error))?;
        let secret = self.secret.clone();
        let made = tokio::task::spawn_blocking(move || {
            // Kept to the end of the work, which goes on if the login is given up.
            let _turn = turn;
            let (hash, salt, rounds) = &of;
            let key = hash.salted(&secret, salt, *rounds).into();
            Salted { of, key }
        });
        let made = made.await.map_err(|error| ended(&error))?;
        *self.salted.lock().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made.key)
    }

    fn last(&self) -> Option<Salted> {
        self.salted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One login, after its first message.
#[derive(Debug)]
pub struct Login {
    hash: Hash,
    user: String,
    nonce: String,
}

/// One login, after its second message.
#[derive(Debug)]
pub struct Proved {
    /// The message.
    pub message: String,
    /// What the server has to answer.
    signature: Vec<u8>,
}

impl Login {
    /// Starts one. `nonce` must be random, of printable characters without comma.
    pub fn new(hash: Hash, user: &str, nonce: String) -> Self {
        Self { hash, user: user.replace('=', "=3D").replace(',', "=2C"), nonce }
    }

    /// Returns the first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// Answers what the server said to the first message.
    ///
    /// # Errors
    /// If what it said makes no sense, or asks for too much.
    pub async fn prove(&self, challenge: &str, password: &Password) -> Result<Proved, String> {
        let broken = || "the server's first word of SCRAM makes no sense".to_owned();
        let field = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let is_ours =
            |nonce: &&str| nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce);
        let nonce = field("r=").filter(is_ours).ok_or_else(broken)?;
        let salt = field("s=").and_then(|salt| BASE64_STANDARD.decode(salt).ok());
        let salt = salt.ok_or_else(broken)?;
        let rounds = field("i=").and_then(|rounds| rounds.parse::<NonZeroU32>().ok());
        let rounds = rounds.ok_or_else(broken)?;
        if rounds.get() > MAX_ROUNDS {
            return Err(format!("the server wants {rounds} rounds of hashing"));
        }
        if salt.len() > MAX_SALT {
            return Err("the server's salt is too long".to_owned());
        }
        let salted = password.salted(self.hash, salt, rounds).await?;
        let client_key = self.hash.keyed(&salted, "Client Key");
        let stored_key = self.hash.digest(client_key.as_ref());
        let without_proof = format!("c=biws,r={nonce}");
        let said = format!("{},{challenge},{without_proof}", self.bare());
        let client_signature = self.hash.keyed(stored_key.as_ref(), &said);
        let both = client_key.as_ref().iter().zip(client_signature.as_ref());
        let proof: Vec<u8> = both.map(|(a, b)| a ^ b).collect();
        let server_key = self.hash.keyed(&salted, "Server Key");
        Ok(Proved {
            message: format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
            signature: self.hash.keyed(server_key.as_ref(), &said).as_ref().to_vec(),
        })
    }
}

impl Proved {
    /// Returns true if the server's last word shows that it knows the password.
    pub fn is_mutual(&self, last: &str) -> bool {
        let signature = last.split(',').find_map(|part| part.strip_prefix("v="));
        signature.and_then(|text| BASE64_STANDARD.decode(text).ok()).as_ref()
            == Some(&self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Secret::new(text).into()
    }

    /// The dialogues of RFC 5802 and RFC 7677.
    #[tokio::test]
    async fn the_dialogues_of_the_standards_are_repeated() {
        for (hash, nonce, challenge, proof, last) in [
            (
                Hash::Sha1,
                "fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                Hash::Sha256,
                "rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ] {
            let login = Login::new(hash, "user", nonce.to_owned());
            assert_eq!(login.first(), format!("n,,n=user,r={nonce}"));
            let proved = login.prove(challenge, &password("pencil")).await.unwrap();
            assert!(proved.message.ends_with(&format!(",p={proof}")), "{}", proved.message);
            assert!(proved.is_mutual(last));
            assert!(!proved.is_mutual("v=AAAA"));
            assert!(!proved.is_mutual("e=other-error"));
        }
    }

    #[tokio::test]
    async fn challenges_that_make_no_sense_are_refused() {
        let login = Login::new(Hash::Sha256, "a,b=c", "abc".to_owned());
        assert_eq!(login.first(), "n,,n=a=2Cb=3Dc,r=abc");
        for (challenge, why) in [
            ("r=other,s=AAAA,i=4096", "makes no sense"),
            ("r=abc,s=AAAA,i=4096", "makes no sense"),
            ("r=abcd,s=*,i=4096", "makes no sense"),
            ("r=abcd,s=AAAA,i=0", "makes no sense"),
            ("r=abcd,s=AAAA,i=4000000000", "4000000000 rounds"),
            ("", "makes no sense"),
        ] {
            let error = login.prove(challenge, &password("x")).await.unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
    #[tokio::test]
    async fn a_password_is_hashed_anew_only_for_another_salt_or_other_rounds() {
        let login = Login::new(Hash::Sha256, "user", "abc".to_owned());
        let password = password("pencil");
        let mut made = Vec::new();
        for challenge in [
            "r=abcd,s=AAAA,i=4096",
            "r=abce,s=AAAA,i=4096",
            "r=abcd,s=AAAB,i=4096",
            "r=abcd,s=AAAB,i=4097",
        ] {
            login.prove(challenge, &password).await.unwrap();
            made.push(password.last().unwrap().key);
        }
        assert!(Arc::ptr_eq(&made[0], &made[1]), "it was kept");
        assert!(made[0] != made[2] && made[2] != made[3]);
        assert!(!format!("{password:?}").contains("pencil"));
    }

    #[tokio::test]
    async fn other_tasks_go_on_while_a_password_is_hashed() {
        let login = Login::new(Hash::Sha256, "user", "abc".to_owned());
        let password = password("pencil");
        let challenge = format!("r=abcd,s=AAAA,i={MAX_ROUNDS}");
        let mut turns = 0;
        let others = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            proved = login.prove(&challenge, &password) => drop(proved.unwrap()),
            () = others => {}
        }
        assert!(turns > 100, "{turns}");
    }
}
