//! Keys made here, which sign as the specification has it; and everything that can be wrong with that.

use super::*;
use minicbor::Encoder;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

const SITE: Site<'_> = Site { authority: "mon.example.net:50004", domain: "mon.example.net" };
const ALL: u8 = PRESENT | VERIFIED;

/// A key as one has it in the pocket.
enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Key {
    fn es256() -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der.as_ref(), &random);
        Self::Es256(pair.unwrap())
    }

    fn eddsa() -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap())
    }

    fn cose(&self) -> Vec<u8> {
        let mut cose = Encoder::new(Vec::new());
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                cose.map(5).unwrap().u8(1).unwrap().u8(2).unwrap();
                cose.u8(3).unwrap().i64(ES256).unwrap().i8(-1).unwrap().u8(1).unwrap();
                cose.i8(-2).unwrap().bytes(&point[1..33]).unwrap();
                cose.i8(-3).unwrap().bytes(&point[33..]).unwrap();
            }
            Self::EdDsa(pair) => {
                cose.map(4).unwrap().u8(1).unwrap().u8(1).unwrap();
                cose.u8(3).unwrap().i64(EDDSA).unwrap().i8(-1).unwrap().u8(6).unwrap();
                cose.i8(-2).unwrap().bytes(pair.public_key().as_ref()).unwrap();
            }
        }
        cose.into_writer()
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), data).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(data).as_ref().to_vec(),
        }
    }
}

fn client(kind: &str, origin: &str) -> Vec<u8> {
    format!(r#"{{"type":"{kind}","challenge":"AQID","origin":"{origin}","crossOrigin":false}}"#)
        .into_bytes()
}

fn get() -> Vec<u8> {
    client("webauthn.get", "https://mon.example.net:50004")
}

fn data(domain: &str, flags: u8, counter: u32) -> Vec<u8> {
    [&token::hash(domain.as_bytes())[..], &[flags], &counter.to_be_bytes()].concat()
}

fn attestation(data: &[u8]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    out.map(3).unwrap().str("fmt").unwrap().str("none").unwrap();
    out.str("attStmt").unwrap().map(0).unwrap();
    out.str("authData").unwrap().bytes(data).unwrap();
    out.into_writer()
}

fn new_key_data(key: &[u8], id: &[u8], flags: u8) -> Vec<u8> {
    let length = u16::try_from(id.len()).unwrap().to_be_bytes();
    [&data(SITE.domain, flags, 7)[..], &[0xaa; 16], &length, id, key].concat()
}

fn create(key: &[u8], id: &[u8], flags: u8) -> Result<Made, Wrong> {
    let client = client("webauthn.create", "https://mon.example.net:50004");
    made(&client, &attestation(&new_key_data(key, id, flags)), SITE)
}

fn sign(key: &Key, client_data: &[u8], data: &[u8], counter: u32) -> Result<u32, Wrong> {
    let signature = key.sign(&[data, &token::hash(client_data)].concat());
    let answer = Answer { client_data, authenticator_data: data, signature: &signature };
    check(answer, SITE, &key.cose(), counter)
}

#[test]
fn a_key_is_made_and_signs() {
    for (key, algorithm) in [(Key::es256(), ES256), (Key::eddsa(), EDDSA)] {
        let made = create(&key.cose(), b"a key", ALL | HAS_KEY).unwrap();
        let expected = Made { id: b"a key".to_vec(), algorithm, key: key.cose(), counter: 7 };
        assert_eq!(made, expected);
        assert_eq!(sign(&key, &get(), &data(SITE.domain, ALL, 8), 7), Ok(8));
    }
}

#[test]
fn a_signature_of_something_else_is_refused() {
    let key = Key::es256();
    let (client_data, said) = (get(), data(SITE.domain, ALL, 1));
    let signature = key.sign(&[&said[..], &token::hash(&client_data)].concat());
    let check_with =
        |client_data: &[u8], authenticator_data: &[u8], signature: &[u8], key: &Key| {
            let answer = Answer { client_data, authenticator_data, signature };
            check(answer, SITE, &key.cose(), 0)
        };
    assert_eq!(check_with(&client_data, &said, &signature, &key), Ok(1));
    let other = String::from_utf8(client_data.clone()).unwrap().replace("AQID", "AQIE");
    assert_eq!(check_with(other.as_bytes(), &said, &signature, &key), Err(Wrong::Signature));
    let more = data(SITE.domain, ALL, 2);
    assert_eq!(check_with(&client_data, &more, &signature, &key), Err(Wrong::Signature));
    assert_eq!(check_with(&client_data, &said, &signature[1..], &key), Err(Wrong::Signature));
    let stranger = Key::es256();
    assert_eq!(check_with(&client_data, &said, &signature, &stranger), Err(Wrong::Signature));
}

#[test]
fn an_answer_given_to_another_site_is_refused() {
    let key = Key::es256();
    for origin in [
        "https://evil.example",
        "https://mon.example.net",
        "https://mon.example.net:50004.evil.example",
        "http://mon.example.net:50004",
        "null",
        "",
    ] {
        let client = client("webauthn.get", origin);
        let found = sign(&key, &client, &data(SITE.domain, ALL, 1), 0);
        assert_eq!(found, Err(Wrong::Site), "{origin}");
    }
    let foreign = data("evil.example", ALL, 1);
    assert_eq!(sign(&key, &get(), &foreign, 0), Err(Wrong::Site));
    let framed = String::from_utf8(get()).unwrap().replace("false", "true");
    let found = sign(&key, framed.as_bytes(), &data(SITE.domain, ALL, 1), 0);
    assert_eq!(found, Err(Wrong::Site));
}

#[test]
fn a_key_that_has_not_recognised_its_user_is_refused() {
    let key = Key::es256();
    for flags in [0, PRESENT, VERIFIED] {
        let found = sign(&key, &get(), &data(SITE.domain, flags, 1), 0);
        assert_eq!(found, Err(Wrong::User), "{flags}");
        assert_eq!(create(&key.cose(), b"x", flags | HAS_KEY), Err(Wrong::User));
    }
    let found = sign(&key, &get(), &data(SITE.domain, ALL | IS_COPIED, 1), 0);
    assert_eq!(found, Err(Wrong::Form), "a copy of what cannot be copied");
}

#[test]
fn a_key_that_counts_backwards_may_be_a_copy() {
    let key = Key::eddsa();
    let counted = |now, before| sign(&key, &get(), &data(SITE.domain, ALL, now), before);
    assert_eq!(counted(0, 0), Ok(0), "a key that does not count");
    assert_eq!(counted(6, 5), Ok(6));
    for (now, before) in [(5, 5), (4, 5), (0, 5)] {
        assert_eq!(counted(now, before), Err(Wrong::Counter), "{before} to {now}");
    }
}

#[test]
fn one_kind_of_answer_is_not_the_other() {
    let key = Key::es256();
    let client = client("webauthn.create", "https://mon.example.net:50004");
    assert_eq!(sign(&key, &client, &data(SITE.domain, ALL, 1), 0), Err(Wrong::Kind));
    let attested = attestation(&new_key_data(&key.cose(), b"x", ALL | HAS_KEY));
    assert_eq!(made(&get(), &attested, SITE), Err(Wrong::Kind));
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let key = Key::es256().cose();
    // The algorithm is the fifth byte: ES384 in place of ES256.
    let mut other = key.clone();
    other[4] = 0x38;
    assert!(create(&other, b"x", ALL | HAS_KEY).is_err());
    let mut curve = key.clone();
    curve[6] = 2;
    assert_eq!(create(&curve, b"x", ALL | HAS_KEY), Err(Wrong::Algorithm));
    assert_eq!(create(&[0xa0], b"x", ALL | HAS_KEY), Err(Wrong::Algorithm));
    assert_eq!(create(&key, b"", ALL | HAS_KEY), Err(Wrong::Form));
    assert_eq!(create(&key, &[1; 1024], ALL | HAS_KEY), Err(Wrong::Form));
    assert_eq!(create(&key, b"x", ALL), Err(Wrong::Form), "no key in it");
}

#[test]
fn what_is_cut_anywhere_is_refused_without_a_fault() {
    let key = Key::es256();
    let whole = attestation(&new_key_data(&key.cose(), b"a key", ALL | HAS_KEY));
    let client = client("webauthn.create", "https://mon.example.net:50004");
    for end in 0..whole.len() {
        assert!(made(&client, &whole[..end], SITE).is_err(), "{end}");
    }
    for place in 0..whole.len() {
        // Whatever is turned round, it is read or refused.
        let mut turned = whole.clone();
        turned[place] ^= 0xff;
        made(&client, &turned, SITE).ok();
    }
    for end in 0..client.len() {
        assert!(made(&client[..end], &whole, SITE).is_err(), "{end}");
    }
}

#[test]
fn on_the_machine_itself_a_page_needs_no_tls() {
    let key = Key::es256();
    let site = Site { authority: "localhost:8080", domain: "localhost" };
    let client = client("webauthn.get", "http://localhost:8080");
    let said = data("localhost", ALL, 1);
    let signature = key.sign(&[&said[..], &token::hash(&client)].concat());
    let answer = Answer { client_data: &client, authenticator_data: &said, signature: &signature };
    assert_eq!(check(answer, site, &key.cose(), 0), Ok(1));
}
