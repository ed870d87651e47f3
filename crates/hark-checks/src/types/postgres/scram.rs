//! Login by SCRAM-SHA-256 (RFC 7677): the password does not leave this machine, and the server has to
//! show that it knows it too.
//!
//! Passwords are taken as they are: what SASLprep would change about letters beyond ASCII is rare
//! enough that PostgreSQL itself goes on without it where it fails.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::pbkdf2;

/// The method's name.
pub(super) const METHOD: &str = "SCRAM-SHA-256";

/// Most rounds of hashing that a server may ask for: it decides how much work each run is. PostgreSQL
/// has 4096.
const MAX_ROUNDS: u32 = 100_000;

/// One login, after its first message.
#[derive(Debug)]
pub(super) struct Login {
    name: &'static str,
    nonce: String,
}

/// One login, after its second message.
#[derive(Debug)]
pub(super) struct Proved {
    /// The message.
    pub(super) message: String,
    /// What the server has to answer.
    signature: Vec<u8>,
}

impl Login {
    /// Starts one. PostgreSQL ignores the name and takes that of the session. `nonce` must be random,
    /// of printable characters without comma.
    pub(super) fn new(name: &'static str, nonce: String) -> Self {
        Self { name, nonce }
    }

    /// Returns the first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.name, self.nonce)
    }

    /// Answers what the server said to the first message.
    ///
    /// # Errors
    /// If what it said makes no sense.
    pub(super) fn prove(&self, challenge: &str, password: &str) -> Result<Proved, String> {
        let broken = || "the server's first word of SCRAM makes no sense".to_owned();
        let field = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let nonce =
            field("r=").filter(|nonce| nonce.starts_with(&self.nonce)).ok_or_else(broken)?;
        let salt = field("s=").and_then(|salt| BASE64_STANDARD.decode(salt).ok());
        let salt = salt.ok_or_else(broken)?;
        let rounds = field("i=").and_then(|rounds| rounds.parse::<NonZeroU32>().ok());
        let rounds = rounds.ok_or_else(broken)?;
        if rounds.get() > MAX_ROUNDS {
            return Err(format!("the server wants {rounds} rounds of hashing"));
        }
        let mut salted = [0; 32];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, rounds, &salt, password.as_bytes(), &mut salted);
        let keyed = |key: &[u8], text: &str| {
            sign(&Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let client_key = keyed(&salted, "Client Key");
        let stored_key = digest(&SHA256, &client_key);
        let without_proof = format!("c=biws,r={nonce}");
        let said = format!("{},{challenge},{without_proof}", self.bare());
        let client_signature = keyed(stored_key.as_ref(), &said);
        let proof: Vec<u8> = client_key.iter().zip(&client_signature).map(|(a, b)| a ^ b).collect();
        let server_key = keyed(&salted, "Server Key");
        Ok(Proved {
            message: format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
            signature: keyed(&server_key, &said),
        })
    }
}

impl Proved {
    /// Returns true if the server's last word shows that it knows the password.
    pub(super) fn is_mutual(&self, last: &str) -> bool {
        let signature = last.split(',').find_map(|part| part.strip_prefix("v="));
        signature.and_then(|text| BASE64_STANDARD.decode(text).ok()).as_ref()
            == Some(&self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dialogue of RFC 7677.
    #[test]
    fn the_dialogue_of_the_standard_is_repeated() {
        let login = Login::new("user", "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(login.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proved = login.prove(challenge, "pencil").unwrap();
        assert_eq!(
            proved.message,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert!(proved.is_mutual("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proved.is_mutual("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        assert!(!proved.is_mutual("e=other-error"));
    }

    #[test]
    fn challenges_that_make_no_sense_are_refused() {
        let login = Login::new("", "abc".to_owned());
        for (challenge, why) in [
            ("r=other,s=AAAA,i=4096", "makes no sense"),
            ("r=abcd,s=*,i=4096", "makes no sense"),
            ("r=abcd,s=AAAA,i=0", "makes no sense"),
            ("r=abcd,s=AAAA,i=4000000000", "4000000000 rounds"),
            ("", "makes no sense"),
        ] {
            let error = login.prove(challenge, "x").unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
