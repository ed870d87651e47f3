//! Messages of SNMP version 3 with its users (RFC 3414): SHA (RFC 3414) or SHA-256 (RFC 7860) says who
//! it is from, AES-128 (RFC 3826) hides what it says.

use std::sync::OnceLock;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use hark_model::Secret;
use ring::{digest, hmac};

use super::wire::{Answer, Oid};
use crate::ber::{self, Elements};

/// How a message shows whom it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(super) const WORDS: &'static [(&'static str, Self)] =
        &[("sha", Self::Sha1), ("sha-256", Self::Sha256)];

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    /// How many bytes of the code are sent.
    fn kept(self) -> usize {
        match self {
            Self::Sha1 => 12,
            Self::Sha256 => 24,
        }
    }

    /// Makes the key of a password, for every device. It hashes a mebibyte, as the standard wants it.
    fn key(self, password: &str) -> Vec<u8> {
        const LENGTH: usize = 1024 * 1024;
        let mut context = digest::Context::new(self.digest());
        let repeated = password.repeat(4096_usize.div_ceil(password.len().max(1)));
        let mut left = LENGTH;
        while left > 0 && !repeated.is_empty() {
            let n = left.min(repeated.len());
            context.update(repeated.as_bytes().get(..n).unwrap_or_default());
            left -= n;
        }
        context.finish().as_ref().to_vec()
    }

    /// Makes of a key the one for one device.
    fn local_key(self, key: &[u8], engine: &[u8]) -> Vec<u8> {
        digest::digest(self.digest(), &[key, engine, key].concat()).as_ref().to_vec()
    }
}

/// A password, and the key that is made of it once.
#[derive(Debug)]
pub(super) struct Keyed {
    password: Secret,
    key: OnceLock<Vec<u8>>,
}

impl Keyed {
    pub(super) fn new(password: Secret) -> Self {
        Self { password, key: OnceLock::new() }
    }

    fn local(&self, hash: Hash, engine: &[u8]) -> Vec<u8> {
        let key = self.key.get_or_init(|| hash.key(self.password.expose()));
        hash.local_key(key, engine)
    }
}

/// A user.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: String,
    /// How messages show that they are from this user.
    pub(super) auth: Option<(Hash, Keyed)>,
    /// What hides them; only together with the former.
    pub(super) privacy: Option<Keyed>,
}

/// What is known of a device: its name, how often it was started, and how long it has been running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Engine {
    id: Vec<u8>,
    boots: i64,
    time: i64,
}

const AUTHENTIC: u8 = 1;
const HIDDEN: u8 = 2;
const REPORT_WANTED: u8 = 4;

impl User {
    /// Writes the message that asks a device who it is.
    pub(super) fn discovery(id: i32, question: Vec<u8>) -> Vec<u8> {
        let scoped = scoped(&[], question);
        message(id, REPORT_WANTED, &Engine::default(), "", (&[], &[]), scoped)
    }

    /// Wraps a question into a message. `salt` must not have been used before for hiding.
    pub(super) fn wrap(&self, id: i32, engine: &Engine, salt: u64, question: Vec<u8>) -> Vec<u8> {
        let mut data = scoped(&engine.id, question);
        let mut flags = REPORT_WANTED;
        let mut sent_salt = Vec::new();
        let Some((hash, auth)) = &self.auth else {
            return message(id, flags, engine, &self.name, (&[], &[]), data);
        };
        flags |= AUTHENTIC;
        if let Some(privacy) = &self.privacy {
            flags |= HIDDEN;
            sent_salt = salt.to_be_bytes().to_vec();
            cipher(&privacy.local(*hash, &engine.id), engine, salt, &mut data, Way::There);
            data = ber::element(ber::OCTETS, &data);
        }
        let zeros = vec![0; hash.kept()];
        let mut whole = message(id, flags, engine, &self.name, (&zeros, &sent_salt), data);
        let code = code(*hash, &auth.local(*hash, &engine.id), &whole);
        if let Some((place, _)) = security(&whole).map(|security| security.code)
            && let Some(field) = whole.get_mut(place..place + code.len())
        {
            field.copy_from_slice(&code);
        }
        whole
    }

    /// Reads what came, and what it says of the device.
    ///
    /// # Errors
    /// If it is not what this user's device would say.
    pub(super) fn unwrap(&self, bytes: &[u8]) -> Result<Received, String> {
        let broken = || "the device's message is broken".to_owned();
        let header = header(bytes).ok_or_else(broken)?;
        let security = security(bytes).ok_or_else(broken)?;
        let engine = security.engine.clone();
        let mut data = Elements::new(header.data);
        let mut is_authentic = false;
        if header.flags & AUTHENTIC != 0 {
            let (hash, auth) = self.auth.as_ref().ok_or_else(broken)?;
            let (place, theirs) = security.code;
            let mut whole = bytes.to_vec();
            let field = whole.get_mut(place..place + theirs.len()).ok_or_else(broken)?;
            field.fill(0);
            let ours = code(*hash, &auth.local(*hash, &engine.id), &whole);
            if !is_same(&ours, theirs) {
                return Err("the device's message is not authentic".to_owned());
            }
            is_authentic = true;
        }
        let plain;
        if header.flags & HIDDEN != 0 {
            let (Some((hash, _)), Some(privacy)) = (&self.auth, &self.privacy) else {
                return Err(broken());
            };
            let salt = <[u8; 8]>::try_from(security.salt).map_err(|_| broken())?;
            let mut hidden = data.take(ber::OCTETS).ok_or_else(broken)?.to_vec();
            let key = privacy.local(*hash, &engine.id);
            cipher(&key, &engine, u64::from_be_bytes(salt), &mut hidden, Way::Back);
            plain = hidden;
            data = Elements::new(&plain);
        }
        let mut scoped = data.enter(ber::SEQUENCE).ok_or_else(broken)?;
        let _context = (scoped.take(ber::OCTETS), scoped.take(ber::OCTETS));
        let answer = Answer::read(&mut scoped).ok_or_else(broken)?;
        let is_hidden = header.flags & HIDDEN != 0;
        if !answer.is_report
            && (self.auth.is_some() && !is_authentic || self.privacy.is_some() && !is_hidden)
        {
            return Err("the device's answer is less protected than the question".to_owned());
        }
        Ok(Received { engine, answer, is_authentic })
    }
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Received {
    /// What it says of the device.
    pub(super) engine: Engine,
    pub(super) answer: Answer,
    /// Whether it was shown to be from who it says.
    pub(super) is_authentic: bool,
}

/// What a report complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    UnsupportedLevel,
    NotInTime,
    UnknownUser,
    UnknownEngine,
    WrongCode,
    CannotDecrypt,
    Other,
}

impl Complaint {
    /// Reads it from the counter that a report shows.
    pub(super) fn of(answer: &Answer) -> Self {
        const COUNTERS: &[u32] = &[1, 3, 6, 1, 6, 3, 15, 1, 1];
        let start = Oid(COUNTERS.to_vec());
        let number = answer.values.first().and_then(|(oid, _)| oid.below(&start)?.first().copied());
        match number {
            Some(1) => Self::UnsupportedLevel,
            Some(2) => Self::NotInTime,
            Some(3) => Self::UnknownUser,
            Some(4) => Self::UnknownEngine,
            Some(5) => Self::WrongCode,
            Some(6) => Self::CannotDecrypt,
            _ => Self::Other,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::UnsupportedLevel => "the device does not take this user with such protection",
            Self::NotInTime => "the device does not accept the time of the message",
            Self::UnknownUser => "the device does not know the user",
            Self::UnknownEngine => "the device has another engine id now",
            Self::WrongCode => "the device refuses the user's password",
            Self::CannotDecrypt => "the device cannot decrypt: another privacy password",
            Self::Other => "the device reports an error of the message",
        }
    }
}

/// Returns the number of a message, to tell the answer to the own question.
pub(super) fn id_of(bytes: &[u8]) -> Option<i64> {
    header(bytes).map(|header| header.id)
}

struct Header<'a> {
    id: i64,
    flags: u8,
    security: &'a [u8],
    /// The question or answer with its context, perhaps hidden.
    data: &'a [u8],
}

fn header(bytes: &[u8]) -> Option<Header<'_>> {
    const V3: i64 = 3;
    let content = Elements::new(bytes).take(ber::SEQUENCE)?;
    let mut message = Elements::new(content);
    if message.integer()? != V3 {
        return None;
    }
    let mut head = message.enter(ber::SEQUENCE)?;
    let (id, _most) = (head.integer()?, head.integer()?);
    let flags = *head.take(ber::OCTETS)?.first()?;
    let security = message.take(ber::OCTETS)?;
    Some(Header { id, flags, security, data: message.rest() })
}

struct Security<'a> {
    engine: Engine,
    /// Where the code stands in the message, and the code.
    code: (usize, &'a [u8]),
    salt: &'a [u8],
}

fn security(bytes: &[u8]) -> Option<Security<'_>> {
    let mut fields = Elements::new(header(bytes)?.security).enter(ber::SEQUENCE)?;
    let id = fields.take(ber::OCTETS)?.to_vec();
    let engine = Engine { id, boots: fields.integer()?, time: fields.integer()? };
    let _user = fields.take(ber::OCTETS)?;
    let code = fields.take(ber::OCTETS)?;
    // The code is a part of the message, so its place is the distance of both beginnings.
    let place = code.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
    Some(Security { engine, code: (place, code), salt: fields.take(ber::OCTETS)? })
}

fn scoped(engine: &[u8], question: Vec<u8>) -> Vec<u8> {
    let context = [ber::element(ber::OCTETS, engine), ber::element(ber::OCTETS, &[])].concat();
    ber::group(ber::SEQUENCE, &[context, question])
}

fn message(
    id: i32,
    flags: u8,
    engine: &Engine,
    user: &str,
    (code, salt): (&[u8], &[u8]),
    data: Vec<u8>,
) -> Vec<u8> {
    const USER_MODEL: i64 = 3;
    const MOST: i64 = 65_507;
    let head = [
        ber::number(ber::INTEGER, id.into()),
        ber::number(ber::INTEGER, MOST),
        ber::element(ber::OCTETS, &[flags]),
        ber::number(ber::INTEGER, USER_MODEL),
    ];
    let security = [
        ber::element(ber::OCTETS, &engine.id),
        ber::number(ber::INTEGER, engine.boots),
        ber::number(ber::INTEGER, engine.time),
        ber::element(ber::OCTETS, user.as_bytes()),
        ber::element(ber::OCTETS, code),
        ber::element(ber::OCTETS, salt),
    ];
    let parts = [
        ber::number(ber::INTEGER, 3),
        ber::group(ber::SEQUENCE, &head),
        ber::element(ber::OCTETS, &ber::group(ber::SEQUENCE, &security)),
        data,
    ];
    ber::group(ber::SEQUENCE, &parts)
}

fn code(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    let tag = hmac::sign(&hmac::Key::new(hash.hmac(), key), message);
    tag.as_ref().iter().take(hash.kept()).copied().collect()
}

/// Compares codes in a time that does not show how much of them is right.
fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    let differences = ours.iter().zip(theirs).fold(0, |all, (a, b)| all | (a ^ b));
    ours.len() == theirs.len() && differences == 0
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// Hides or shows `data` by AES-128 in cipher feedback mode: each block of what is sent, encrypted,
/// hides the next one.
fn cipher(key: &[u8], engine: &Engine, salt: u64, data: &mut [u8], way: Way) {
    let low = |number: i64| u32::try_from(number).unwrap_or(0).to_be_bytes();
    let mut feedback = [0; 16];
    let start = [&low(engine.boots)[..], &low(engine.time), &salt.to_be_bytes()].concat();
    feedback.copy_from_slice(&start);
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(key) {
        *to = *from;
    }
    let aes = Aes128::new(&short.into());
    for block in data.chunks_mut(16) {
        let mut mask = feedback.into();
        aes.encrypt_block(&mut mask);
        for ((byte, mask), sent) in block.iter_mut().zip(mask.iter()).zip(&mut feedback) {
            let before = *byte;
            *byte ^= mask;
            *sent = if way == Way::There { *byte } else { before };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::wire::{Ask, question};
    use super::*;
    use crate::octets::hex;

    fn user(hash: Hash) -> User {
        let keyed = |text: &str| Keyed::new(Secret::new(text.to_owned()));
        User {
            name: "watcher".to_owned(),
            auth: Some((hash, keyed("maplesyrup"))),
            privacy: Some(keyed("hidden-words")),
        }
    }

    fn engine() -> Engine {
        Engine { id: [&[0; 11][..], &[2]].concat(), boots: 3, time: 4000 }
    }

    /// RFC 3414, A.3.2.
    #[test]
    fn keys_are_those_of_the_standard() {
        let key = Hash::Sha1.key("maplesyrup");
        assert_eq!(hex(&key), "9fb5cc0381497b3793528939ff788d5d79145211");
        let local = Hash::Sha1.local_key(&key, &engine().id);
        assert_eq!(hex(&local), "6695febc9288e36282235fc7151f128497b38f3f");
        assert!(!Hash::Sha1.key("").is_empty(), "an empty password ends too");
    }

    /// NIST SP 800-38A, F.3.13: CFB128 with AES-128.
    #[test]
    fn hiding_is_that_of_the_standard() {
        let key = [
            0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 9, 0xcf, 0x4f,
            0x3c,
        ];
        let engine = Engine { id: Vec::new(), boots: 0x0001_0203, time: 0x0405_0607 };
        let mut data = vec![
            0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93,
            0x17, 0x2a,
        ];
        data.extend([0xae, 0x2d, 0x8a]);
        let plain = data.clone();
        cipher(&key, &engine, 0x0809_0a0b_0c0d_0e0f, &mut data, Way::There);
        assert_eq!(hex(&data), "3b3fd92eb72dad20333449f8e83cfb4ac8a645");
        cipher(&key, &engine, 0x0809_0a0b_0c0d_0e0f, &mut data, Way::Back);
        assert_eq!(data, plain);
    }

    /// Turns a question into what a device would answer, unchanged but for its tag.
    fn answered(user: &User, engine: &Engine) -> Vec<u8> {
        let oids = [Oid::parse("sysUpTime.0").unwrap()];
        let mut question = question(Ask::Get, 5, &oids);
        question[0] = 0xa2;
        user.wrap(9, engine, 77, question)
    }

    #[test]
    fn what_was_wrapped_is_unwrapped_and_its_changes_are_seen() {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let user = user(hash);
            let bytes = answered(&user, &engine());
            assert_eq!(id_of(&bytes), Some(9));
            let received = user.unwrap(&bytes).unwrap();
            assert_eq!((received.engine, received.is_authentic), (engine(), true));
            assert_eq!((received.answer.id, received.answer.values.len()), (5, 1));
            for place in 20..bytes.len() {
                let mut changed = bytes.clone();
                changed[place] ^= 0x40;
                assert!(user.unwrap(&changed).is_err(), "byte {place}");
            }
        }
    }

    #[test]
    fn an_answer_without_protection_is_not_believed() {
        let nobody = User { name: "watcher".to_owned(), auth: None, privacy: None };
        let bare = answered(&nobody, &engine());
        let error = user(Hash::Sha256).unwrap(&bare).unwrap_err();
        assert!(error.contains("less protected"), "{error}");
        assert!(nobody.unwrap(&bare).is_ok());
    }

    #[test]
    fn reports_say_what_they_complain_of() {
        let oid = Oid::parse("1.3.6.1.6.3.15.1.1.3.0").unwrap();
        let mut report = question(Ask::Get, 0, &[oid]);
        report[0] = 0xa8;
        let nobody = User { name: String::new(), auth: None, privacy: None };
        let bytes = nobody.wrap(1, &engine(), 0, report);
        let received = user(Hash::Sha1).unwrap(&bytes).unwrap();
        assert!(received.answer.is_report && !received.is_authentic);
        assert_eq!(Complaint::of(&received.answer), Complaint::UnknownUser);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), flip in 0_usize..120, value: u8) {
            let user = User { name: "u".to_owned(), auth: None, privacy: None };
            drop(user.unwrap(&bytes));
            let mut near = answered(&user, &engine());
            if let Some(byte) = near.get_mut(flip) {
                *byte = value;
            }
            drop(user.unwrap(&near));
        }
    }
}
