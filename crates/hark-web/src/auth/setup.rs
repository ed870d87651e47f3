//! The gate that stands until the first administrator exists.
//!
//! Zabbix CVE-2022-23134 was an installer that could be reached after the installation. Here the gate
//! opens once, with a code that only the server's own output shows, and is gone for good when an
//! administrator exists, whether made through it, by the configuration, or by the command line.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use hark_model::Secret;

use super::token;
use crate::backend::TokenHash;

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The hash of the code; none once it was used, or if there never was one.
    code: Mutex<Option<TokenHash>>,
    /// An administrator was seen. Never false again.
    passed: AtomicBool,
}

impl Gate {
    /// Makes a gate that opens with `code`.
    pub(crate) fn new(code: Option<&Secret>) -> Self {
        let code = code.map(|code| token::hash(code.expose().as_bytes()));
        Self { code: Mutex::new(code), passed: AtomicBool::new(false) }
    }

    /// Returns true if an administrator was seen.
    pub(crate) fn is_passed(&self) -> bool {
        self.passed.load(Ordering::Acquire)
    }

    /// Remembers that there is an administrator: the code is void.
    pub(crate) fn pass(&self) {
        self.passed.store(true, Ordering::Release);
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes the code away if `code` is it: nobody else can use it meanwhile. If the administrator
    /// cannot be stored, [`Gate::give_back`] restores it.
    pub(crate) fn take(&self, code: &str) -> Option<TokenHash> {
        let given = token::hash(code.trim().as_bytes());
        let mut expected = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        // Digests are compared: what the time tells is of the digest, not of the code.
        (*expected == Some(given)).then(|| expected.take()).flatten()
    }

    /// Restores the code after a failure.
    pub(crate) fn give_back(&self, code: TokenHash) {
        if !self.is_passed() {
            *self.code.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
        }
    }
}

/// Returns a new code for the first administrator: 128 random bits in groups that can be typed.
///
/// # Errors
/// If the system gives no random bytes.
pub fn new_setup_code() -> Result<Secret, token::NoRandom> {
    let digits = token::hex(&token::random::<16>()?);
    let groups: Vec<&str> = (0..8).filter_map(|n| digits.get(n * 4..n * 4 + 4)).collect();
    Ok(Secret::new(groups.join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_opens_once() {
        let code = new_setup_code().unwrap();
        let gate = Gate::new(Some(&code));
        assert_eq!(gate.take("0000-0000"), None);
        assert!(gate.take(code.expose()).is_some());
        assert_eq!(gate.take(code.expose()), None);
    }

    #[test]
    fn a_failed_setup_can_be_tried_again() {
        let code = new_setup_code().unwrap();
        let gate = Gate::new(Some(&code));
        let taken = gate.take(code.expose()).unwrap();
        gate.give_back(taken);
        assert!(gate.take(code.expose()).is_some());
    }

    #[test]
    fn an_administrator_made_elsewhere_voids_the_code() {
        let code = new_setup_code().unwrap();
        let gate = Gate::new(Some(&code));
        let taken = gate.take(code.expose()).unwrap();
        gate.pass();
        gate.give_back(taken);
        assert_eq!(gate.take(code.expose()), None);
    }

    #[test]
    fn no_code_opens_nothing() {
        assert_eq!(Gate::new(None).take(""), None);
    }

    #[test]
    fn codes_can_be_typed() {
        let code = new_setup_code().unwrap();
        assert_eq!(code.expose().len(), 39);
        assert_eq!(code.expose().matches('-').count(), 7);
    }
}
