//! The key with which this server proves itself to push services (RFC 8292).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hark_model::{Secret, Unix};
use hark_net::Origin;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use thiserror::Error;

/// How long one proof is good: half of what services take at most, for clocks that are wrong.
const LIFE: Duration = Duration::from_hours(12);

/// The key. It is made once: browsers are tied to it.
pub struct VapidKey {
    pair: EcdsaKeyPair,
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VapidKeyError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandom,
    /// What is kept is no key.
    #[error("what is kept as the key of push messages is none")]
    NoKey,
}

impl VapidKey {
    /// Makes a key, as it is kept.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn make() -> Result<Secret, VapidKeyError> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|_| VapidKeyError::NoRandom)?;
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(document)))
    }

    /// Reads a key that [`VapidKey::make`] has made.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(kept: &Secret) -> Result<Self, VapidKeyError> {
        let wrong = VapidKeyError::NoKey;
        let document = URL_SAFE_NO_PAD.decode(kept.expose()).map_err(|_| wrong)?;
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &document, &random).map_err(|_| wrong)?;
        Ok(Self { pair })
    }

    /// Returns the public key as browsers want it.
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    /// Returns the value of `Authorization` for the service at `audience`; `contact` is whom its people
    /// write to if something is wrong.
    pub(crate) fn proof(
        &self,
        audience: &Origin,
        contact: &str,
        now: Unix,
    ) -> Result<Secret, VapidKeyError> {
        let head = json!({"typ": "JWT", "alg": "ES256"});
        let claims =
            json!({"aud": audience.to_string(), "exp": (now + LIFE).seconds(), "sub": contact});
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let said = format!("{head}.{claims}");
        let signed = self.pair.sign(&SystemRandom::new(), said.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signed.map_err(|_| VapidKeyError::NoRandom)?);
        Ok(Secret::new(format!("t={said}.{signature}, k={}", self.public())))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_proof_is_for_one_service_and_ends_and_the_public_key_knows_it() {
        let key = VapidKey::read(&VapidKey::make().unwrap()).unwrap();
        let (origin, _) = Origin::split("https://push.example.net:8443/x").unwrap();
        let proof = key.proof(&origin, "mailto:ops@example.net", Unix(1_800_000_000_000)).unwrap();
        let (token, public) = proof.expose().split_once(", k=").unwrap();
        assert_eq!(public, key.public());
        let (said, signature) = token.strip_prefix("t=").unwrap().rsplit_once('.').unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(public))
            .verify(said.as_bytes(), &bytes(signature))
            .unwrap();
        let claims = bytes(said.split_once('.').unwrap().1);
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(
            claims,
            json!({
                "aud": "https://push.example.net:8443",
                "exp": 1_800_000_000 + 12 * 3600,
                "sub": "mailto:ops@example.net",
            })
        );
    }

    #[test]
    fn what_is_no_key_is_said_and_a_key_is_not_shown() {
        for text in ["", "x", "AAAA"] {
            assert_eq!(VapidKey::read(&Secret::new(text)).unwrap_err(), VapidKeyError::NoKey);
        }
        let kept = VapidKey::make().unwrap();
        let key = VapidKey::read(&kept).unwrap();
        assert!(!format!("{key:?}").contains(kept.expose()));
        assert_eq!(VapidKey::read(&kept).unwrap().public(), key.public(), "it is the same one");
    }
}
