//! A provider's own side of tokens, for tests.

use jsonwebtoken::jwk::Jwk;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::keys;
use crate::auth::token::base64;

/// A provider with one key.
pub(crate) struct Provider(EcdsaKeyPair);

impl Provider {
    /// Makes a key.
    pub(crate) fn new() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap())
    }

    /// Returns the public half of it under this name.
    pub(crate) fn key(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        let (x, y) = (base64(&point[1..33]), base64(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": x, "y": y})
    }

    /// Returns it as `a`, as it is read.
    pub(crate) fn keys(&self) -> Vec<Jwk> {
        // What is not understood stands in no way of what is.
        let odd = json!({"kty": "XY", "kid": "b"});
        let secret = json!({"kty": "oct", "kid": "c", "k": base64(b"secret")});
        keys(json!({"keys": [odd, secret, self.key("a")]}).to_string().as_bytes()).unwrap()
    }

    /// Signs a token.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        let text = [header, claims].map(|part| base64(part.to_string().as_bytes())).join(".");
        let signature = self.0.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", base64(signature.as_ref()))
    }
}
