//! The key of a host: its fingerprint, and whether it has signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use super::wire::{Fields, trimmed};

/// The algorithms whose signatures can be checked, the best first.
pub(crate) const ALGORITHMS: &[&str] =
    &["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsa-sha2-512", "rsa-sha2-256"];

/// What is known of the key of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostKey {
    /// The kind of key: `ssh-ed25519`, `ssh-rsa`.
    pub(crate) kind: String,
    /// As `ssh-keygen -l` writes it: `SHA256:…`.
    pub(crate) fingerprint: String,
    /// Its length.
    pub(crate) bits: usize,
}

/// Returns the fingerprint of a public key.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, blob)))
}

/// Reads a fingerprint as people write it down.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read_fingerprint(text: &str) -> Result<String, String> {
    let bare = text.trim().trim_start_matches("SHA256:").trim_end_matches('=');
    match STANDARD_NO_PAD.decode(bare) {
        Ok(bytes) if bytes.len() == 32 => Ok(format!("SHA256:{bare}")),
        _ => Err(format!("`{text}` is no fingerprint such as `SHA256:…` of `ssh-keygen -l`")),
    }
}

/// Takes the public key in `blob` if it has signed `message`.
///
/// # Errors
/// What is wrong.
pub(crate) fn verified(blob: &[u8], signature: &[u8], message: &[u8]) -> Result<HostKey, String> {
    let unread = || "the host key cannot be read".to_owned();
    let mut key = Fields(blob);
    let kind = key.text().ok_or_else(unread)?;
    let mut signature = Fields(signature);
    let algorithm = signature.text().ok_or_else(unread)?;
    let signature = signature.string().ok_or_else(unread)?;
    let (bits, good) = match (kind, algorithm) {
        ("ssh-ed25519", "ssh-ed25519") => {
            let point = key.string().ok_or_else(unread)?;
            (256, signed(&ED25519, point, message, signature))
        }
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
            let good = ecdsa(&ECDSA_P256_SHA256_FIXED, 32, key, message, signature);
            (256, good.ok_or_else(unread)?)
        }
        ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384") => {
            let good = ecdsa(&ECDSA_P384_SHA384_FIXED, 48, key, message, signature);
            (384, good.ok_or_else(unread)?)
        }
        ("ssh-rsa", "rsa-sha2-512" | "rsa-sha2-256") => {
            let e = key.mpint().ok_or_else(unread)?;
            let n = key.mpint().ok_or_else(unread)?;
            let scheme = if algorithm == "rsa-sha2-512" {
                &RSA_PKCS1_2048_8192_SHA512
            } else {
                &RSA_PKCS1_2048_8192_SHA256
            };
            let key = RsaPublicKeyComponents { n, e };
            (n_bits(n), key.verify(scheme, message, signature).is_ok())
        }
        _ => return Err(format!("the host key is of a kind that was not asked for: {kind:?}")),
    };
    if !good {
        return Err("the signature of the host key is wrong".to_owned());
    }
    Ok(HostKey { kind: kind.to_owned(), fingerprint: fingerprint(blob), bits })
}

fn signed(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

/// Checks a signature of two numbers of `size` bytes.
fn ecdsa(
    algorithm: &'static dyn VerificationAlgorithm,
    size: usize,
    mut key: Fields<'_>,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let _curve = key.text()?;
    let point = key.string()?;
    let mut pair = Fields(signature);
    let mut fixed = Vec::with_capacity(2 * size);
    for number in [pair.mpint()?, pair.mpint()?] {
        fixed.resize(fixed.len() + size.checked_sub(number.len())?, 0);
        fixed.extend_from_slice(number);
    }
    Some(signed(algorithm, point, message, &fixed))
}

fn n_bits(number: &[u8]) -> usize {
    let number = trimmed(number);
    let first = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(first).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::wire::{put_mpint, put_string};
    use super::*;

    #[test]
    fn fingerprints_are_read_as_people_write_them() {
        let bare = "AXJpwFzPqTwVkjkPbFeYd+rCbLgfuL4QvZzQaYzM4bM";
        for text in [bare.to_owned(), format!("SHA256:{bare}"), format!("SHA256:{bare}=")] {
            assert_eq!(read_fingerprint(&text), Ok(format!("SHA256:{bare}")));
        }
        for text in ["", "SHA256:", "MD5:00:11", "SHA256:AXJpwFzPqTwVkjkP"] {
            assert!(read_fingerprint(text).unwrap_err().contains("is no fingerprint"));
        }
    }

    #[test]
    fn only_the_holder_of_the_key_is_taken() {
        use ring::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, pair.public_key().as_ref());
        let signature = |message: &[u8], algorithm: &[u8]| {
            let mut out = Vec::new();
            put_string(&mut out, algorithm);
            put_string(&mut out, pair.sign(message).as_ref());
            out
        };
        let key = verified(&blob, &signature(b"hash", b"ssh-ed25519"), b"hash").unwrap();
        assert_eq!((key.kind.as_str(), key.bits), ("ssh-ed25519", 256));
        assert!(key.fingerprint.starts_with("SHA256:"));
        let other = verified(&blob, &signature(b"other", b"ssh-ed25519"), b"hash").unwrap_err();
        assert!(other.contains("signature"), "{other}");
        let renamed = verified(&blob, &signature(b"hash", b"rsa-sha2-512"), b"hash").unwrap_err();
        assert!(renamed.contains("not asked for"), "{renamed}");
        assert!(verified(b"\0\0\0\x09ssh", &[], b"hash").is_err());
    }

    #[test]
    fn a_number_that_is_too_long_for_its_curve_is_no_signature() {
        let mut blob = Vec::new();
        put_string(&mut blob, b"ecdsa-sha2-nistp256");
        put_string(&mut blob, b"nistp256");
        put_string(&mut blob, &[4; 65]);
        let mut pair = Vec::new();
        put_mpint(&mut pair, &[1; 33]);
        put_mpint(&mut pair, &[1; 32]);
        let mut signature = Vec::new();
        put_string(&mut signature, b"ecdsa-sha2-nistp256");
        put_string(&mut signature, &pair);
        assert!(verified(&blob, &signature, b"hash").is_err());
    }

    #[test]
    fn bits_are_counted_without_leading_zeros() {
        assert_eq!(n_bits(&[0, 0x80, 0]), 16);
        assert_eq!(n_bits(&[0x01, 0xff]), 9);
        assert_eq!(n_bits(&[]), 0);
    }
}
