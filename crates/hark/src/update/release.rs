//! A release: a program, its signature, and what the signed comment says of it.
//!
//! The comment is `hark VERSION TARGET` and may end in `until=TIME` (RFC 3339): after it the release is
//! refused, so that whoever holds back newer ones cannot do so for ever. Version and target are part of
//! what is signed; names of files are not believed.

use std::fmt;
use std::io::Read;
use std::path::Path;

use hark_model::Unix;
use minisign_verify::{PublicKey, Signature};
use thiserror::Error;

use super::slots::read_bounded;

/// Longest signature read: minisign's are some 300 bytes.
pub(super) const MAX_SIGNATURE: u64 = 4096;

/// Longest program: the release build has 12 MB, one with everything a debugger wants ten times that.
pub(super) const MAX_PROGRAM: u64 = 512 << 20;

/// How much of a program is read at once to verify it.
const CHUNK: usize = 64 << 10;

/// A version, `1.2.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 3]);

impl Version {
    /// Reads three numbers with dots between.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|n| {
            // `+1` would be read as a number as well.
            n.bytes().all(|b| b.is_ascii_digit()).then(|| n.parse::<u32>().ok())?
        });
        let version = Self([numbers.next()??, numbers.next()??, numbers.next()??]);
        numbers.next().is_none().then_some(version)
    }

    /// Returns the version that this program was built as.
    pub(crate) fn base() -> Self {
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self([0; 3]))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Returns which version of what a signature in this file says it is of; none if it is no such signature.
/// Nothing is verified: that is for who starts it.
pub(crate) fn offered(signature: &Path) -> Option<(String, String)> {
    let text = read_bounded(signature, MAX_SIGNATURE).ok()?;
    let signature = Signature::decode(&String::from_utf8(text).ok()?).ok()?;
    let mut words = signature.trusted_comment().split(' ');
    let version = words.next().filter(|word| *word == "hark").and_then(|_| words.next())?;
    Some((Version::parse(version)?.to_string(), words.next()?.to_owned()))
}

/// Returns true if `version` is `wanted` or newer; what is no version is neither.
pub(crate) fn is_at_least(version: &str, wanted: &str) -> bool {
    match (Version::parse(version), Version::parse(wanted)) {
        (Some(version), Some(wanted)) => version >= wanted,
        _ => false,
    }
}

/// Returns what programs for this machine are called in releases.
pub(super) fn target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// Why a release is refused.
#[derive(Debug, Error)]
pub(crate) enum Refused {
    /// The signature is none.
    #[error("this is no signature of minisign")]
    Form,
    /// The comment is another one.
    #[error("the signed comment is not `hark VERSION TARGET`: {0:?}")]
    Comment(String),
    /// It is for another machine.
    #[error("this is a program for {0}")]
    Target(String),
    /// It is too old to be trusted.
    #[error("the signature was good until {0} and is not any more")]
    Over(String),
    /// None of the configured keys has signed.
    #[error("the program is not signed by a key of `agent.update.public_key`")]
    Unsigned,
    /// The program cannot be read.
    #[error("cannot read the program")]
    Read(#[source] std::io::Error),
}

/// A signature that was read, and what it says; worth nothing before [`Release::verify`].
pub(super) struct Release {
    signature: Signature,
    /// What the comment says.
    pub(super) version: Version,
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Release {
    /// Reads a signature, and refuses one that is not for this machine or time.
    pub(super) fn read(text: &str, now: Unix) -> Result<Self, Refused> {
        let signature = Signature::decode(text).map_err(|_| Refused::Form)?;
        let comment = signature.trusted_comment().to_owned();
        let wrong = || Refused::Comment(comment.clone());
        let mut words = comment.split(' ');
        if words.next() != Some("hark") {
            return Err(wrong());
        }
        let version = words.next().and_then(Version::parse).ok_or_else(wrong)?;
        let for_target = words.next().ok_or_else(wrong)?;
        if for_target != target() {
            return Err(Refused::Target(for_target.to_owned()));
        }
        for word in words {
            let until = word.strip_prefix("until=").ok_or_else(wrong)?;
            let end = hark_api::time::Timestamp::parse(until).ok_or_else(wrong)?;
            if now > end.0 {
                return Err(Refused::Over(until.to_owned()));
            }
        }
        Ok(Self { signature, version })
    }

    /// Looks whether one of `keys` has signed what `program` holds.
    pub(super) fn verify(&self, program: &Path, keys: &[String]) -> Result<(), Refused> {
        for key in keys.iter().filter_map(|key| PublicKey::from_base64(key).ok()) {
            // Refuses another key's signature without reading, and the form without prehashing.
            let Ok(mut verifier) = key.verify_stream(&self.signature) else { continue };
            let file = std::fs::File::open(program).map_err(Refused::Read)?;
            let mut file = file.take(MAX_PROGRAM);
            let mut chunk = vec![0; CHUNK];
            loop {
                match file.read(&mut chunk).map_err(Refused::Read)? {
                    0 => break,
                    n => verifier.update(chunk.get(..n).unwrap_or_default()),
                }
            }
            if verifier.finalize().is_ok() {
                return Ok(());
            }
        }
        Err(Refused::Unsigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        let version = |text: &str| Version::parse(text).unwrap();
        assert!(version("0.10.0") > version("0.9.12"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert_eq!(version("1.2.3").to_string(), "1.2.3");
        for bad in ["", "1", "1.2", "1.2.3.4", "1.2.x", "+1.2.3", "1..3", "1.2.3-rc1"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
        assert!(Version::base() > version("0.0.0"));
    }

    #[test]
    fn a_text_that_is_no_signature_is_refused() {
        for text in ["", "untrusted comment: x\n", "<html>not here</html>"] {
            assert!(matches!(Release::read(text, Unix(0)), Err(Refused::Form)), "{text}");
        }
    }

    #[test]
    fn a_signature_for_something_else_is_refused() {
        let text = "untrusted comment: signature from minisign secret key\n\
            RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351v\
            wIasSSbXxwA=\ntrusted comment: timestamp:1555779966\tfile:test\n\
            QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==";
        assert!(matches!(Release::read(text, Unix(0)), Err(Refused::Comment(_))));
        for (comment, expected) in [
            ("hark 0.2.0 vax-vms", "a program for vax-vms"),
            ("hark two x86_64-linux", "VERSION"),
            (&format!("hark 0.2.0 {} until=2020-01-01T00:00:00Z", target()), "until 2020"),
            (&format!("hark 0.2.0 {} soon", target()), "VERSION"),
        ] {
            let text = text.replace("timestamp:1555779966\tfile:test", comment);
            let refused = Release::read(&text, Unix(1_700_000_000_000)).unwrap_err().to_string();
            assert!(refused.contains(expected), "{comment}: {refused}");
        }
    }
}
