//! Codes that an app makes of a shared secret and the time: RFC 6238 with HMAC-SHA-1, six digits and
//! steps of 30 s, which is what every app understands.
//!
//! Twenty lines on ring, held to the vectors of the RFC, in place of a crate that brings a second family
//! of hash functions. SHA-1's weakness is collisions, which an HMAC does not rest on.
//!
//! A code is good for its own step, the one before and the one after, since clocks differ; and it is good
//! once: none of a step that was used, or of an older one, is taken again. Guessing is slowed down where
//! log-ins are (`limit`): each try is right with a chance of three in a million.

use std::time::Duration;

use hark_api::second_factor::QrCode;
use hark_model::{Unix, UserName};
use qrcodegen::QrCodeEcc;
use ring::hmac;

use super::token::{self, NoRandom};
use crate::backend::{Factors, TokenHash};

/// How long a code is shown.
const STEP: Duration = Duration::from_secs(30);

/// By how many steps the app's clock may differ.
const SKEW: u64 = 1;

/// How many digits a code has, and the number of codes of so many digits.
const DIGITS: usize = 6;
const CODES: u32 = 1_000_000;

/// Length of a secret: as long as SHA-1's output, as RFC 4226 advises.
pub(crate) const SECRET: usize = 20;

/// How many recovery codes are made at once.
const RECOVERY_CODES: usize = 10;

/// Length of a recovery code in bytes: 80 random bits need no slow hash.
const RECOVERY: usize = 10;

/// With what a user came through the second step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// A code of the app.
    Totp,
    /// A recovery code; how many are left.
    Recovery(usize),
}

/// Returns the step of `now`.
fn step(now: Unix) -> u64 {
    let step = i64::try_from(STEP.as_millis()).unwrap_or(i64::MAX);
    u64::try_from(now.0.div_euclid(step)).unwrap_or(0)
}

/// Returns the code of `secret` in `step`.
fn code(secret: &[u8], step: u64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
    let four = bytes.get(offset..offset + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
    (u32::from_be_bytes(four.unwrap_or_default()) & 0x7fff_ffff) % CODES
}

/// Returns whether `text` has the form of a code of an app: anything else is a recovery code or nothing.
pub(crate) fn is_code(text: &str) -> bool {
    let digits = plain(text);
    digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Returns in which step `text` is the code of `secret`, if it is one about `now` and of a step after
/// `used`.
pub(crate) fn matches(secret: &[u8], text: &str, now: Unix, used: u64) -> Option<u64> {
    if !is_code(text) {
        return None;
    }
    let given: u32 = plain(text).parse().ok()?;
    let now = step(now);
    let near = now.saturating_sub(SKEW)..=now.saturating_add(SKEW);
    near.filter(|step| *step > used).find(|step| code(secret, *step) == given)
}

/// Takes `text` as a code of the app or as a recovery code; both are used up by it.
pub(crate) fn pass(factors: &mut Factors, text: &str, now: Unix) -> Option<Passed> {
    if let Some(totp) = &mut factors.totp
        && let Some(step) = matches(&totp.secret, text, now, totp.step)
    {
        totp.step = step;
        return Some(Passed::Totp);
    }
    let hash = recovery_hash(text)?;
    let place = factors.recovery.iter().position(|kept| *kept == hash)?;
    factors.recovery.remove(place);
    Some(Passed::Recovery(factors.recovery.len()))
}

/// Returns new recovery codes and what is stored of them.
pub(crate) fn new_recovery_codes() -> Result<(Vec<String>, Vec<TokenHash>), NoRandom> {
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    let mut hashes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let digits = base32(&token::random::<RECOVERY>()?).to_ascii_lowercase();
        hashes.push(token::hash(digits.as_bytes()));
        let groups: Vec<&str> = (0..4).filter_map(|n| digits.get(n * 4..n * 4 + 4)).collect();
        codes.push(groups.join("-"));
    }
    Ok((codes, hashes))
}

/// Returns the hash of a recovery code as people type it; `None` if it cannot be one.
fn recovery_hash(text: &str) -> Option<TokenHash> {
    let digits = plain(text).to_ascii_lowercase();
    (digits.len() == RECOVERY * 8 / 5).then(|| token::hash(digits.as_bytes()))
}

/// Returns `text` without what people put between groups. What is too long for any code is cut.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect()
}

/// Returns `bytes` in the digits of RFC 4648, without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut kept, mut bits) = (0_u32, 0);
    let push = |text: &mut String, five: u32| {
        let place = usize::try_from(five & 31).unwrap_or(0);
        text.push(char::from(DIGITS.get(place).copied().unwrap_or(b'A')));
    };
    for byte in bytes {
        kept = (kept << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(&mut text, kept >> bits);
        }
    }
    if bits > 0 {
        push(&mut text, kept << (5 - bits));
    }
    text
}

/// Returns the address from which an app takes everything: `place` is where the account is.
pub(crate) fn address(secret: &[u8], user: &UserName, place: &str) -> String {
    let label = format!("{}:{}", quoted(place), quoted(user.as_str()));
    format!("otpauth://totp/{label}?secret={}&issuer={}", base32(secret), quoted(place))
}

/// Writes what an address may not contain as it must be written there.
fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing into a String cannot fail.
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
        out
    })
}

/// Draws `text`. `None` if it is too long for a QR code, which addresses of ours are not.
pub(crate) fn qr(text: &str) -> Option<QrCode> {
    use std::fmt::Write as _;
    let code = qrcodegen::QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let length = (x..code.size()).take_while(|x| code.get_module(*x, y)).count();
            if length > 0 {
                // Writing into a String cannot fail.
                write!(path, "M{x} {y}h{length}v1h-{length}z").unwrap_or_default();
            }
            x += i32::try_from(length).unwrap_or(0) + 1;
        }
    }
    Some(QrCode { size: u64::try_from(code.size()).ok()?, path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Totp;

    /// The secret of the RFC's vectors for SHA-1.
    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Unix {
        Unix(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six of its eight digits.
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(matches(SECRET, expected, at(seconds), 0), Some(step(at(seconds))));
        }
    }

    #[test]
    fn a_clock_may_differ_by_one_step_and_no_more() {
        let good = |seconds: i64| matches(SECRET, "005924", at(1_234_567_890 + seconds), 0);
        assert!(good(-30).is_some() && good(30).is_some());
        assert!(good(-61).is_none() && good(60).is_none());
    }

    #[test]
    fn a_code_is_good_once_and_none_before_it_either() {
        let mut factors = Factors {
            totp: Some(Totp { secret: SECRET.to_vec(), since: at(0), step: 0 }),
            ..Factors::default()
        };
        let now = at(1_234_567_890);
        let before = format!("{:06}", code(SECRET, step(now) - 1));
        assert_eq!(pass(&mut factors, "005 924", now), Some(Passed::Totp));
        assert_eq!(pass(&mut factors, "005924", now), None, "again");
        assert_eq!(pass(&mut factors, &before, now), None, "an older one");
        let next = format!("{:06}", code(SECRET, step(now) + 1));
        assert_eq!(pass(&mut factors, &next, now), Some(Passed::Totp));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "00592", "0059245", "00592a", "+05924", "-05924", "００５９２４"] {
            assert_eq!(matches(SECRET, text, at(1_234_567_890), 0), None, "{text}");
        }
    }

    #[test]
    fn a_recovery_code_is_used_up_however_it_is_typed() {
        let (codes, hashes) = new_recovery_codes().unwrap();
        assert_eq!((codes.len(), hashes.len(), codes[0].len()), (10, 10, 19));
        let mut factors = Factors { recovery: hashes, ..Factors::default() };
        let typed = format!(" {} ", codes[3].to_uppercase().replace('-', " "));
        assert_eq!(pass(&mut factors, &typed, at(1)), Some(Passed::Recovery(9)));
        assert_eq!(pass(&mut factors, &codes[3], at(1)), None);
        assert_eq!(pass(&mut factors, &codes[4], at(1)), Some(Passed::Recovery(8)));
        assert_eq!(pass(&mut factors, "", at(1)), None);
    }

    #[test]
    fn base32_is_that_of_the_standard() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn an_app_is_given_everything_in_one_address() {
        let user = UserName::new("mira@example.net").unwrap();
        assert_eq!(
            address(b"foobar", &user, "hark mon"),
            "otpauth://totp/hark%20mon:mira%40example.net?secret=MZXW6YTBOI&issuer=hark%20mon"
        );
    }

    #[test]
    fn a_drawing_has_the_squares_in_its_corners() {
        let drawn = qr("otpauth://totp/hark:mira?secret=MZXW6YTBOI&issuer=hark").unwrap();
        assert!(drawn.size >= 21 && (drawn.size - 21).is_multiple_of(4), "{}", drawn.size);
        // The finder pattern at the top left: seven dark squares in the first line, then a light one.
        assert!(drawn.path.starts_with("M0 0h7v1h-7z"), "{}", drawn.path);
        assert!(drawn.path.contains("M0 1h1v1h-1zM6 1h1v1h-1z"));
    }
}
