//! What comes back: people who handle an incident from outside the page, by a link in a message, by a
//! reply to a mail, by a button of a service.
//!
//! All of them prove the same thing, that they have read a message of ours, with the same thing: a
//! [token](Tokens) that the message carried. It is good for one purpose, to acknowledge one incident in
//! the name of one receiver, for a day, and nothing about it is kept: what it says is in it, and the
//! server's key has signed it. Used twice it does what was done already.
//!
//! ```text
//! Notification -> Context::acknowledge_token -> message -> somebody -> token -> Tokens::open -> Claim
//! ```

use std::fmt;
use std::time::Duration;

use hark_model::time::Unix;
use hark_model::{IncidentId, Notification, Reason, ReceiverName, Secret, Status};
use http::HeaderMap;
use ring::hmac;
use thiserror::Error;

use crate::Context;

mod answer;
mod mail;

pub use answer::MailOrder;
pub use mail::{MAX_MAIL, Mail};

/// How long a token is good: a day, as long as a message is tried. Who comes later logs in.
pub const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// Bytes of the server's key: what HMAC-SHA-256 can use.
pub const KEY_BYTES: usize = 32;

/// Characters of a token: callback data of Telegram has 64, and so has the part of a mail address
/// before the `@`, where a name and a plus must find room beside it.
pub const TOKEN_CHARS: usize = 48;

/// The only purpose there is: a signature for another one must never be good for this one.
const PURPOSE: &[u8] = b"hark acknowledge 1\0";

/// Bytes that a token says: incident, the incident's begin, its own end, the receiver.
const CLAIM_BYTES: usize = 5 + 3 + 4 + 2;

/// Bytes of the signature that are kept: 128 bits, which nobody guesses in a day.
const MAC_BYTES: usize = 16;

/// Base 32 in small letters: mail servers may change the case of an address.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Bound on the name that a service gives of a person, in bytes.
const MAX_BY: usize = 100;

/// Makes tokens and knows its own.
#[derive(Clone)]
pub struct Tokens {
    key: hmac::Key,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// What a token of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The incident that may be acknowledged.
    pub incident: IncidentId,
    /// To whom the message went that carried the token.
    pub receiver: ReceiverName,
    /// When it stops to be good.
    pub until: Unix,
    began: [u8; 3],
}

impl Claim {
    /// Returns true if it is about the incident of its number that began at `since`: numbers begin
    /// again with a new or an older state, and the key may be older than that.
    pub fn is_about(&self, since: Unix) -> bool {
        self.began == began(since)
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is none of ours: misspelt, cut off, made up, or its receiver is gone.
    #[error("this is not a token that this server has made")]
    Foreign,
    /// Its day is over.
    #[error("the token is no longer good")]
    Expired,
}

impl Tokens {
    /// Makes and knows tokens with `key`.
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// Makes the token with which `receiver` may acknowledge the incident that began at `since`.
    /// `None`: the number is larger than any server reaches.
    pub fn make(
        &self,
        incident: IncidentId,
        since: Unix,
        receiver: &ReceiverName,
        until: Unix,
    ) -> Option<Secret> {
        let [0, 0, 0, number @ ..] = incident.0.to_be_bytes() else { return None };
        let seconds = u32::try_from(until.seconds()).ok()?;
        let mut bytes = Vec::with_capacity(CLAIM_BYTES + MAC_BYTES);
        bytes.extend(number);
        bytes.extend(began(since));
        bytes.extend(seconds.to_be_bytes());
        bytes.extend(hint(receiver));
        let mac = self.mac(&bytes, receiver);
        bytes.extend(mac);
        Some(Secret::new(encode(&bytes)))
    }

    /// Reads a token that came from outside. `receivers` are those that there are now.
    ///
    /// # Errors
    /// If it is none of ours, or its time is over; both are final.
    pub fn open<'a>(
        &self,
        token: &str,
        receivers: impl IntoIterator<Item = &'a ReceiverName>,
        now: Unix,
    ) -> Result<Claim, TokenError> {
        let claim = self.read(token, receivers).ok_or(TokenError::Foreign)?;
        if now >= claim.until {
            return Err(TokenError::Expired);
        }
        Ok(claim)
    }

    /// Reads a token of ours, whether or not it is still good: with it, nothing may be done.
    pub fn read<'a>(
        &self,
        token: &str,
        receivers: impl IntoIterator<Item = &'a ReceiverName>,
    ) -> Option<Claim> {
        let bytes = decode(token)?;
        let (said, mac) = bytes.split_at(CLAIM_BYTES);
        let &[n0, n1, n2, n3, n4, b0, b1, b2, u0, u1, u2, u3, h0, h1] = said else {
            return None;
        };
        let receiver = receivers
            .into_iter()
            .filter(|receiver| hint(receiver) == [h0, h1])
            .find(|receiver| self.same(&self.mac(said, receiver), mac))?;
        let until = Unix(i64::from(u32::from_be_bytes([u0, u1, u2, u3])) * 1000);
        Some(Claim {
            incident: IncidentId(u64::from_be_bytes([0, 0, 0, n0, n1, n2, n3, n4])),
            receiver: receiver.clone(),
            until,
            began: [b0, b1, b2],
        })
    }

    fn mac(&self, said: &[u8], receiver: &ReceiverName) -> [u8; MAC_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(PURPOSE);
        context.update(said);
        context.update(receiver.as_str().as_bytes());
        let mut kept = [0; MAC_BYTES];
        for (to, from) in kept.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        kept
    }

    /// Compares in constant time: the codes of both under a key that nobody outside has.
    fn same(&self, ours: &[u8], theirs: &[u8]) -> bool {
        let code = hmac::sign(&self.key, ours);
        hmac::verify(&self.key, theirs, code.as_ref()).is_ok()
    }
}

/// Returns when the message was decided that carries `token`, as the token says: its signature is not
/// looked at.
pub(crate) fn told_at(token: &str) -> Option<Unix> {
    let bytes = decode(token)?;
    let until: [u8; 4] = bytes.get(8..12)?.try_into().ok()?;
    Some(Unix(i64::from(u32::from_be_bytes(until)) * 1000) - TOKEN_LIFE)
}

fn began(since: Unix) -> [u8; 3] {
    let [.., a, b, c] = since.seconds().to_be_bytes();
    [a, b, c]
}

/// Returns what finds the receiver among many before its signature is computed; it proves nothing.
fn hint(receiver: &ReceiverName) -> [u8; 2] {
    let digest = ring::digest::digest(&ring::digest::SHA256, receiver.as_str().as_bytes());
    match digest.as_ref() {
        [a, b, ..] => [*a, *b],
        _ => [0, 0],
    }
}

fn encode(bytes: &[u8]) -> String {
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut text = String::with_capacity(TOKEN_CHARS);
    let (mut five, mut n_bits) = (0usize, 0);
    for bit in bits {
        five = five << 1 | usize::from(bit);
        n_bits += 1;
        if n_bits == 5 {
            text.extend(DIGITS.get(five).map(|digit| char::from(*digit)));
            (five, n_bits) = (0, 0);
        }
    }
    text
}

fn decode(token: &str) -> Option<[u8; CLAIM_BYTES + MAC_BYTES]> {
    if token.len() != TOKEN_CHARS {
        return None;
    }
    let mut bytes = [0; CLAIM_BYTES + MAC_BYTES];
    for (n, digit) in token.bytes().enumerate() {
        let small = digit.to_ascii_lowercase();
        let five = u8::try_from(DIGITS.iter().position(|d| *d == small)?).ok()?;
        for bit in 0..5 {
            let at = n * 5 + bit;
            let set = five >> (4 - bit) & 1;
            *bytes.get_mut(at / 8)? |= set << (7 - at % 8);
        }
    }
    Some(bytes)
}

impl Context {
    /// Returns the token with which whoever reads `notification` may acknowledge its incident: at most
    /// 64 characters of `[A-Za-z0-9_-]`, the same at each try of one message. `None` for what cannot
    /// be acknowledged, such as a recovery or a test.
    pub fn acknowledge_token(&self, notification: &Notification) -> Option<String> {
        let tokens = self.tokens.as_ref()?;
        let incident = notification.incident?;
        if !asks_for_somebody(notification) {
            return None;
        }
        let until = notification.at + TOKEN_LIFE;
        let token = tokens.make(incident, notification.since, &notification.receiver, until)?;
        // Whoever reads the log of deliveries is not whom the message asks.
        self.trace.hide(token.expose());
        Some(token.expose().to_owned())
    }

    /// Returns the address of the page that acknowledges the incident of `notification` without a
    /// log-in; `None` also where the page has no public address.
    pub fn acknowledge_link(&self, notification: &Notification) -> Option<String> {
        let page = self.page.trim_end_matches('/');
        if page.is_empty() {
            return None;
        }
        self.acknowledge_token(notification).map(|token| format!("{page}/a/{token}"))
    }
}

/// Returns true for messages about a problem that goes on.
fn asks_for_somebody(notification: &Notification) -> bool {
    match notification.reason {
        Reason::Problem
        | Reason::Worse
        | Reason::Better
        | Reason::Reminder
        | Reason::FlapStart
        | Reason::FlapEnd => notification.status != Status::Ok,
        Reason::Acknowledged
        | Reason::Recovery
        | Reason::Removed
        | Reason::Merged
        | Reason::Summary
        | Reason::Event
        | Reason::Report
        | Reason::Test => false,
    }
}

/// A call that a service makes to `POST /api/0/receivers/NAME/call`.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Its headers: where services put their signature.
    pub headers: &'a HeaderMap,
    /// Its body, as it came: signatures are made over these bytes.
    pub body: &'a [u8],
    /// When it came, against old calls that are sent again.
    pub now: Unix,
}

/// What a call is answered with, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAnswer {
    /// The type of the body, such as `application/json`.
    pub content_type: &'static str,
    /// The body; may be empty.
    pub body: String,
}

/// What a call wants that bears the service's signature, or a token where the service signs nothing.
#[derive(Clone, Debug)]
pub enum Called {
    /// Somebody has pressed the button.
    Acknowledge {
        /// The token that the button carried; it is not checked yet.
        token: String,
        /// Who, in the service's words: a name that people know. See [`person`].
        by: String,
        /// What the service calls that person for good, such as a number: names change, and are given
        /// again. Empty if it does not say.
        id: String,
        /// What they said; may be empty.
        comment: String,
        /// Whether the service has signed the call. Else the token is the only proof.
        is_signed: bool,
        /// What the service wants back with the answer, such as the number of its call; may be empty.
        about: String,
        /// Puts what came of it, one sentence, and `about` into the service's form.
        answer: fn(&str, &str) -> CallAnswer,
    },
    /// Nothing is to be done but to answer, as at a service's first call that asks whether we are there.
    Nothing(CallAnswer),
}

/// Why a call is not obeyed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// It bears no signature, a wrong one, or an old one.
    #[error("the call is not signed as the service signs")]
    Unsigned,
    /// It is signed, but not understood.
    #[error("the call is not understood: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
}

/// What a service that must be asked knows of a message: somebody has taken it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who, in the service's words; empty if it does not say. See [`person`].
    pub by: String,
    /// What the service calls that person for good; empty if it does not say.
    pub id: String,
    /// What they said; may be empty.
    pub comment: String,
    /// When, by our clock. Where it is not known to the second, the earliest that it can have been: what
    /// was taken before the newest message says nothing about that.
    pub at: Unix,
    /// What the service calls the press, for [`Feedback::answer`](crate::Feedback::answer); empty where
    /// nobody waits for an answer.
    pub press: String,
}

/// What somebody is answered by mail.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// His mail.
    pub mail: &'a Mail,
    /// What he is told.
    pub text: &'a str,
}

/// Returns a name from outside as it may be shown: one line, without control characters, bounded.
pub fn person(name: &str) -> String {
    let mut shown = String::new();
    for part in name.split(|c: char| c.is_control() || c.is_whitespace()) {
        if part.is_empty() {
            continue;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(part);
    }
    let mut end = shown.len().min(MAX_BY);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    shown.truncate(end);
    shown
}

#[cfg(test)]
mod tests;
