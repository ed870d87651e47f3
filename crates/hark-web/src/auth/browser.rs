//! Browsers in which somebody has logged in before.
//!
//! At each log-in a browser gets a mark that only this server can make, for that account. Whoever brings it back does not
//! wait for what others have tried at his address or on his account ([`super::limit`]): it proves no right, and a stolen one
//! is worth as many guesses as an address of one's own. The key ends with the process: after a restart a mark is nothing, as
//! what was counted is gone too, until the next log-in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::token::{self, NoRandom};

const NUMBER: usize = 16;
const TAG: usize = 32;

/// A browser that has proven that its user has logged in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KnownBrowser([u8; NUMBER]);

#[cfg(test)]
impl KnownBrowser {
    pub(crate) fn of(number: u8) -> Self {
        Self([number; NUMBER])
    }
}

/// Makes marks and knows them again.
pub(crate) struct Browsers {
    key: hmac::Key,
}

impl std::fmt::Debug for Browsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browsers").finish_non_exhaustive()
    }
}

impl Browsers {
    /// Makes the machine with a key of its own, which ends with the process.
    pub(crate) fn new() -> Result<Self, NoRandom> {
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &token::random::<32>()?) })
    }

    /// Returns a new mark for a browser in which `account` has logged in.
    pub(crate) fn mark(&self, account: &str) -> Result<String, NoRandom> {
        let number = token::random::<NUMBER>()?;
        let tag = hmac::sign(&self.key, &text(&number, account));
        Ok(URL_SAFE_NO_PAD.encode([&number[..], tag.as_ref()].concat()))
    }

    /// Returns the browser if `mark` is one of ours for `account`.
    pub(crate) fn find(&self, mark: &str, account: &str) -> Option<KnownBrowser> {
        let bytes = URL_SAFE_NO_PAD.decode(mark).ok()?;
        let (number, tag) = bytes.split_first_chunk::<NUMBER>()?;
        if tag.len() != TAG {
            return None;
        }
        hmac::verify(&self.key, &text(number, account), tag).ok()?;
        Some(KnownBrowser(*number))
    }
}

fn text(number: &[u8; NUMBER], account: &str) -> Vec<u8> {
    [&number[..], account.trim().to_ascii_lowercase().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_for_one_account_at_one_server() {
        let browsers = Browsers::new().unwrap();
        let mark = browsers.mark("ida").unwrap();
        assert!(browsers.find(&mark, "Ida ").is_some());
        assert_ne!(
            browsers.find(&mark, "ida"),
            browsers.find(&browsers.mark("ida").unwrap(), "ida")
        );
        assert_eq!(browsers.find(&mark, "eve"), None);
        assert_eq!(Browsers::new().unwrap().find(&mark, "ida"), None);
        let (cut, tail) = mark.split_at(1);
        for wrong in ["", "x", "AAAA", cut, tail, &format!("{mark}AAAA")] {
            assert_eq!(browsers.find(wrong, "ida"), None, "{wrong}");
        }
    }
}
