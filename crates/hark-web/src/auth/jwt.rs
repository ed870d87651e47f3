//! ID tokens of `OpenID` Connect: signed by the provider, for this server, now, and for this very log-in?
//!
//! `jsonwebtoken` takes the token apart and finds the key's form; signatures are checked with ring, as
//! everywhere here (the library's own choices are a second family of cryptography, one of them with a known
//! fault). Only algorithms with two keys are taken: with a shared one, whoever may check could sign. The time
//! is given and not read, so what is decided here is a function.

use std::collections::BTreeSet;
use std::time::Duration;

use hark_model::Unix;
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::signature::{Error as Unverified, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// By how much the clocks of provider and server may differ.
const SKEW: Duration = Duration::from_mins(2);

/// The longest name of a user at a provider: as the standard says.
const MAX_SUBJECT: usize = 255;

/// The longest token that is read: with a few hundred groups in it.
const MAX_TOKEN: usize = 64 * 1024;

/// The algorithms that are taken.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Who has issued it.
    pub(crate) issuer: &'a str,
    /// For whom.
    pub(crate) client: &'a str,
    /// For which log-in.
    pub(crate) nonce: &'a str,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    /// It is no token.
    #[error("it is no token")]
    Form,
    /// It is not signed, or by an algorithm that is not taken.
    #[error("it is not signed by an algorithm that is taken")]
    Algorithm,
    /// The provider does not show the key: it may have a new one.
    #[error("it is signed with a key that the provider does not show")]
    Key,
    /// The signature is not of this key.
    #[error("its signature is wrong")]
    Signature,
    /// Somebody else has issued it.
    #[error("it is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("it is for another client")]
    Audience,
    /// It is over.
    #[error("it has expired: do the clocks agree?")]
    Expired,
    /// It is of the future.
    #[error("it is of the future: do the clocks agree?")]
    Future,
    /// It is of another log-in.
    #[error("it is of another log-in")]
    Nonce,
}

/// What a token says of its user.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claims {
    /// What the provider calls him for ever.
    pub(crate) subject: String,
    /// Everything that it says.
    pub(crate) all: Map<String, Value>,
}

#[derive(Deserialize)]
struct Raw {
    iss: String,
    sub: String,
    exp: f64,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
}

/// Reads the keys of a provider. Those that are for something else, or of a form that is not known, are left
/// out: providers show more than one needs.
pub(crate) fn keys(document: &[u8]) -> Option<Vec<Jwk>> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let keys = document.get("keys")?.as_array()?;
    let read = keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let signs = |key: &Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    Some(read.filter(signs).collect())
}

/// Checks `token` against `keys` and what is expected at `now`.
pub(crate) fn check(
    token: &str,
    keys: &[Jwk],
    expected: Expected<'_>,
    now: Unix,
) -> Result<Claims, Wrong> {
    if token.len() > MAX_TOKEN {
        return Err(Wrong::Form);
    }
    // Where there is one already it is this one: nobody else makes any.
    let _installed = PROVIDER.install_default();
    // An algorithm that is not known, `none` among them, is an error of the header.
    let header = jsonwebtoken::decode_header(token).map_err(|_| Wrong::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Wrong::Algorithm);
    }
    let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let decoding = keys.iter().filter(named).filter_map(|key| DecodingKey::from_jwk(key).ok());
    let fitting: Vec<DecodingKey> =
        decoding.filter(|key| key.family() == header.alg.family()).collect();
    if fitting.is_empty() {
        return Err(Wrong::Key);
    }
    let mut validation = Validation::new(header.alg);
    // Time is compared below.
    validation.validate_exp = false;
    validation.required_spec_claims =
        ["iss", "aud", "sub"].into_iter().map(str::to_owned).collect();
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client]);
    let mut wrong = Wrong::Signature;
    for key in &fitting {
        match jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation) {
            Ok(data) => return claims(data.claims, expected, now),
            Err(error) => wrong = wrong_of(error.kind()).unwrap_or(wrong),
        }
    }
    Err(wrong)
}

/// Returns what is wrong with a token whose signature is right; `None` if it is not.
fn wrong_of(kind: &ErrorKind) -> Option<Wrong> {
    let is_form = matches!(
        kind,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_)
    );
    if matches!(kind, ErrorKind::InvalidIssuer) {
        Some(Wrong::Issuer)
    } else if matches!(kind, ErrorKind::InvalidAudience) {
        Some(Wrong::Audience)
    } else {
        is_form.then_some(Wrong::Form)
    }
}

fn claims(all: Map<String, Value>, expected: Expected<'_>, now: Unix) -> Result<Claims, Wrong> {
    let raw: Raw = serde_json::from_value(Value::Object(all.clone())).map_err(|_| Wrong::Form)?;
    // A list of issuers, one of which is ours, is none of what the standard knows.
    if raw.iss != expected.issuer {
        return Err(Wrong::Issuer);
    }
    let audiences = all.get("aud").and_then(Value::as_array).map_or(1, Vec::len);
    let is_ours = match &raw.azp {
        Some(azp) => azp == expected.client,
        None => audiences == 1,
    };
    if !is_ours {
        return Err(Wrong::Audience);
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era fit")]
    let now = now.0 as f64 / 1000.0;
    let skew = SKEW.as_secs_f64();
    if raw.exp + skew <= now {
        return Err(Wrong::Expired);
    }
    // JSON has no numbers that are none, so one of these holds or the other.
    if [raw.iat, raw.nbf].into_iter().flatten().any(|from| from - skew >= now) {
        return Err(Wrong::Future);
    }
    if raw.nonce.as_deref() != Some(expected.nonce) {
        return Err(Wrong::Nonce);
    }
    if raw.sub.is_empty() || raw.sub.len() > MAX_SUBJECT {
        return Err(Wrong::Form);
    }
    Ok(Claims { subject: raw.sub, all })
}

impl Claims {
    /// Returns the texts of a claim: of one text itself, of a list those that are texts.
    pub(crate) fn texts(&self, name: &str) -> BTreeSet<String> {
        match self.all.get(name) {
            Some(Value::String(text)) => BTreeSet::from([text.clone()]),
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// Returns a claim that is one text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }
}

/// Checks with ring, and signs nothing.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Ring { algorithm: *algorithm, key: key.clone() }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// How signatures with RSA are checked.
static RSA: [(Algorithm, &signature::RsaParameters); 6] = [
    (Algorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// How the others are.
static OTHERS: [(Algorithm, &dyn signature::VerificationAlgorithm); 3] = [
    (Algorithm::ES256, &signature::ECDSA_P256_SHA256_FIXED),
    (Algorithm::ES384, &signature::ECDSA_P384_SHA384_FIXED),
    (Algorithm::EdDSA, &signature::ED25519),
];

/// A key and what it is used for.
struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Unverified> {
        let rsa = RSA.iter().find(|(algorithm, _)| *algorithm == self.algorithm);
        let other = OTHERS.iter().find(|(algorithm, _)| *algorithm == self.algorithm);
        let checked = match (self.key.kind(), rsa, other) {
            (DecodingKeyKind::RsaModulusExponent { n, e }, Some((_, rsa)), _) => {
                RsaPublicKeyComponents { n, e }.verify(rsa, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(key), _, Some((_, other))) => {
                UnparsedPublicKey::new(*other, key).verify(message, signature)
            }
            _ => return Err(Unverified::new()),
        };
        checked.map_err(|_| Unverified::new())
    }
}

#[cfg(test)]
pub(crate) mod signing;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::base64;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::json;

    use super::signing::Provider;

    const NOW: Unix = Unix(1_800_000_000_000);
    const EXPECTED: Expected<'_> =
        Expected { issuer: "https://id.example.net", client: "hark", nonce: "n-1" };

    fn header() -> Value {
        json!({"alg": "ES256", "kid": "a", "typ": "JWT"})
    }

    fn good() -> Value {
        let seconds = NOW.seconds();
        json!({"iss": "https://id.example.net", "sub": "17", "aud": "hark", "nonce": "n-1",
            "exp": seconds + 300, "iat": seconds, "preferred_username": "mira",
            "groups": ["ops", 7, "dba"]})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut claims = good();
        claims[key] = value;
        claims
    }

    #[test]
    fn a_token_of_the_provider_says_who_has_logged_in() {
        let provider = Provider::new();
        let token = provider.signed(&header(), &good());
        let claims = check(&token, &provider.keys(), EXPECTED, NOW).unwrap();
        assert_eq!(claims.subject, "17");
        assert_eq!(claims.text("preferred_username"), Some("mira"));
        assert_eq!(claims.texts("groups"), ["dba".to_owned(), "ops".to_owned()].into());
        assert_eq!(claims.texts("nothing"), BTreeSet::new());
        let without_number = provider.signed(&json!({"alg": "ES256"}), &good());
        assert!(check(&without_number, &provider.keys(), EXPECTED, NOW).is_ok());
    }

    #[test]
    fn what_is_not_for_us_now_lets_nobody_in() {
        let provider = Provider::new();
        let seconds = NOW.seconds();
        for (claims, expected) in [
            (with("iss", json!("https://evil.example.net")), Wrong::Issuer),
            (with("iss", json!("https://id.example.net/")), Wrong::Issuer),
            (with("iss", json!(["https://id.example.net", "x"])), Wrong::Form),
            (with("iss", Value::Null), Wrong::Form),
            (with("aud", json!("other")), Wrong::Audience),
            (with("aud", json!([])), Wrong::Audience),
            (with("aud", Value::Null), Wrong::Form),
            (with("aud", json!(["hark", "other"])), Wrong::Audience),
            (with("azp", json!("other")), Wrong::Audience),
            (with("exp", json!(seconds - 121)), Wrong::Expired),
            (with("exp", Value::Null), Wrong::Form),
            (with("iat", json!(seconds + 121)), Wrong::Future),
            (with("nbf", json!(seconds + 121)), Wrong::Future),
            (with("nonce", json!("n-2")), Wrong::Nonce),
            (with("nonce", Value::Null), Wrong::Nonce),
            (with("sub", json!("")), Wrong::Form),
            (with("sub", json!("x".repeat(256))), Wrong::Form),
        ] {
            let token = provider.signed(&header(), &claims);
            let checked = check(&token, &provider.keys(), EXPECTED, NOW);
            assert_eq!(checked.err(), Some(expected), "{claims}");
        }
        for claims in [
            with("exp", json!(seconds - 119)),
            with("iat", json!(seconds + 119)),
            with("aud", json!(["hark"])),
        ] {
            let token = provider.signed(&header(), &claims);
            assert!(check(&token, &provider.keys(), EXPECTED, NOW).is_ok(), "{claims}");
        }
        let mut both = with("aud", json!(["hark", "other"]));
        both["azp"] = json!("hark");
        let token = provider.signed(&header(), &both);
        assert!(check(&token, &provider.keys(), EXPECTED, NOW).is_ok());
    }

    #[test]
    fn what_the_provider_has_not_signed_lets_nobody_in() {
        let (provider, other) = (Provider::new(), Provider::new());
        let known = provider.keys();
        let token = provider.signed(&header(), &good());
        let wrong = |token: &str| check(token, &known, EXPECTED, NOW).unwrap_err();
        assert_eq!(wrong(&other.signed(&header(), &good())), Wrong::Signature);
        let unknown = json!({"alg": "ES256", "kid": "z"});
        assert_eq!(wrong(&provider.signed(&unknown, &good())), Wrong::Key);
        for alg in ["none", "None", "HS256", "ES512", ""] {
            let claimed = json!({"alg": alg, "kid": "a"});
            assert_eq!(wrong(&provider.signed(&claimed, &good())), Wrong::Algorithm, "{alg}");
        }
        // As if the public key were a shared secret.
        let shared = json!({"alg": "HS256", "kid": "c"});
        assert_eq!(wrong(&provider.signed(&shared, &good())), Wrong::Algorithm);
        let unsigned = token.rsplit_once('.').unwrap().0;
        assert_eq!(wrong(&format!("{unsigned}.")), Wrong::Signature);
        assert_eq!(wrong(unsigned), Wrong::Algorithm);
        let parts: Vec<&str> = token.split('.').collect();
        let changed = base64(with("sub", json!("18")).to_string().as_bytes());
        assert_eq!(wrong(&[parts[0], &changed, parts[2]].join(".")), Wrong::Signature);
        assert_eq!(wrong(&"a".repeat(MAX_TOKEN + 1)), Wrong::Form);
        assert_eq!(wrong(""), Wrong::Algorithm);
        // Another kind of key than the algorithm's.
        let rsa = json!({"alg": "RS256", "kid": "a"});
        assert_eq!(wrong(&provider.signed(&rsa, &good())), Wrong::Key);
    }

    #[test]
    fn other_algorithms_are_checked_as_well() {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let x = base64(key.public_key().as_ref());
        let shown = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": x}]});
        let shown = keys(shown.to_string().as_bytes()).unwrap();
        let header = json!({"alg": "EdDSA", "kid": "e"});
        let text = [&header, &good()].map(|part| base64(part.to_string().as_bytes())).join(".");
        let token = format!("{text}.{}", base64(key.sign(text.as_bytes()).as_ref()));
        assert!(check(&token, &shown, EXPECTED, NOW).is_ok());
        let cut: String = token.chars().take(token.len() - 4).collect();
        assert_eq!(check(&cut, &shown, EXPECTED, NOW).unwrap_err(), Wrong::Signature);
    }

    #[test]
    fn documents_of_keys_that_are_none_have_none() {
        assert!(keys(b"").is_none() && keys(b"[]").is_none());
        assert_eq!(keys(br#"{"keys": []}"#).unwrap().len(), 0);
        let for_encryption = Provider::new().key("a");
        let mut for_encryption = for_encryption;
        for_encryption["use"] = json!("enc");
        let document = json!({"keys": [for_encryption]}).to_string();
        assert_eq!(keys(document.as_bytes()).unwrap().len(), 0);
    }
}
