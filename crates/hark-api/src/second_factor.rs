//! What users prove themselves with beside the password: codes of an app, recovery codes, passkeys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// The second factors of the user of this session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecondFactors {
    /// Since when an app makes codes; null if none does.
    #[schema(required = true)]
    pub totp_since_at: Option<Timestamp>,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
    /// Passkeys, the oldest first.
    pub passkeys: Vec<Passkey>,
    /// This server demands a second factor of this user.
    pub demanded: bool,
}

/// A passkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Passkey {
    /// Its number, to remove it by.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The name of the server it was made for: it works under that name alone.
    pub domain: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used; null if never.
    #[schema(required = true)]
    pub used_at: Option<Timestamp>,
}

/// The present password, before something changes that guards the account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// The present password.
    pub password: String,
}

impl std::fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Confirmation").finish_non_exhaustive()
    }
}

/// What an app needs to make codes. It counts once a code of it has come back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotpOffer {
    /// The secret in base32, for typing.
    pub secret: String,
    /// The same as an address that apps understand: `otpauth://totp/…`.
    pub address: String,
    /// The address as a QR code.
    pub qr: QrCode,
}

impl std::fmt::Debug for TotpOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TotpOffer").finish_non_exhaustive()
    }
}

/// A QR code for drawing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QrCode {
    /// How many squares each side has, without the quiet zone of four around them.
    pub size: u64,
    /// The dark squares as the `d` of an SVG path, one unit a square.
    pub path: String,
}

impl std::fmt::Debug for QrCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrCode").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A code that the app makes now.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpConfirmation {
    /// Its six digits.
    pub code: String,
}

impl std::fmt::Debug for TotpConfirmation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TotpConfirmation").finish_non_exhaustive()
    }
}

/// Recovery codes: the only time that they are shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// Each opens the account once in place of a second factor. Empty if those of before still count.
    pub recovery_codes: Vec<String>,
}

impl std::fmt::Debug for RecoveryCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecoveryCodes").field("n", &self.recovery_codes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown_for_debugging() {
        let qr = QrCode { size: 1, path: "M0 0".to_owned() };
        let offer = TotpOffer { secret: "ABC".to_owned(), address: "otpauth".to_owned(), qr };
        let codes = RecoveryCodes { recovery_codes: vec!["abcd".to_owned()] };
        let code = TotpConfirmation { code: "123456".to_owned() };
        let shown = format!("{offer:?} {codes:?} {code:?}");
        for secret in ["ABC", "otpauth", "M0", "abcd", "1234"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
