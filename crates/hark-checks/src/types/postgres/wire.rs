//! Messages of PostgreSQL's protocol 3.0, as many as a login and one question need.

use crate::octets::{Octets, text};

/// Bound on one message: an answer of one value, or an error with its hints.
pub(super) const MAX_MESSAGE: usize = 64 * 1024;

/// Longest message that is believed to be one: letters of other protocols make longer ones.
const MAX_PLAUSIBLE: usize = 0x1fff_ffff;

/// What asks for TLS before anything else.
pub(super) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What ends a connection.
pub(super) const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// It wants to know who we are.
    Authentication(Wants),
    /// A fact about the server, such as its version.
    Parameter(String, String),
    /// It refuses.
    Error(ServerError),
    /// It is ready for a question.
    Ready,
    /// One line of an answer: its first value.
    Row(Option<String>),
    /// Anything else: notices, keys, descriptions.
    Other,
}

/// What the server wants of one who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Nothing more: we are in.
    Nothing,
    /// The password as it is.
    Password,
    /// The password hashed with MD5.
    Md5,
    /// One of these methods of SASL.
    Sasl(Vec<String>),
    /// The next step of SASL.
    SaslContinue(String),
    /// The last step of SASL.
    SaslFinal(String),
    /// Something of this number: Kerberos and the like.
    Unknown(u32),
}

/// An error of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// How bad it is: `FATAL`.
    pub(super) severity: String,
    /// Its code of five letters (SQLSTATE).
    pub(super) code: String,
    /// What it says.
    pub(super) message: String,
}

impl ServerError {
    /// Returns true if the server works and just does not want us: a wrong or missing password, an
    /// unknown user or database, an address that is not listed.
    pub(super) fn is_about_us(&self) -> bool {
        self.code.starts_with("28") || self.code == "3D000" || self.code == "42501"
    }
}

/// Reads one message from the front of `bytes`, and how long it is. `None`: it is not whole yet.
///
/// # Errors
/// If this is no message of PostgreSQL.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    const KINDS: &[u8] = b"RSEZDNKTCIvA";
    let mut octets = Octets::new(bytes);
    let Some(kind) = octets.u8() else { return Ok(None) };
    if !KINDS.contains(&kind) {
        return Err("it does not speak the protocol of PostgreSQL".to_owned());
    }
    let Some(length) = octets.u32() else { return Ok(None) };
    let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    let Some(n) = body.filter(|n| *n <= MAX_PLAUSIBLE) else {
        return Err("it does not speak the protocol of PostgreSQL".to_owned());
    };
    if n > MAX_MESSAGE {
        return Err(format!("a message of {n} bytes is more than is read"));
    }
    let Some(body) = octets.take(n) else { return Ok(None) };
    let message = message(kind, body).ok_or("a message of the server is broken")?;
    Ok(Some((message, n + 5)))
}

fn message(kind: u8, body: &[u8]) -> Option<Message> {
    let mut octets = Octets::new(body);
    Some(match kind {
        b'R' => Message::Authentication(wants(&mut octets)?),
        b'S' => Message::Parameter(text(octets.until_zero()?), text(octets.until_zero()?)),
        b'E' => Message::Error(error(&mut octets)),
        b'Z' => Message::Ready,
        b'D' => Message::Row(row(&mut octets).ok()?),
        _ => Message::Other,
    })
}

fn wants(octets: &mut Octets<'_>) -> Option<Wants> {
    Some(match octets.u32()? {
        0 => Wants::Nothing,
        3 => Wants::Password,
        5 => Wants::Md5,
        10 => {
            let mut methods = Vec::new();
            while let Some(method) = octets.until_zero().filter(|method| !method.is_empty()) {
                methods.push(text(method));
            }
            Wants::Sasl(methods)
        }
        11 => Wants::SaslContinue(text(octets.rest())),
        12 => Wants::SaslFinal(text(octets.rest())),
        other => Wants::Unknown(other),
    })
}

fn error(octets: &mut Octets<'_>) -> ServerError {
    let mut error = ServerError::default();
    while let Some(field) = octets.u8().filter(|field| *field != 0) {
        let Some(value) = octets.until_zero() else { break };
        match field {
            b'S' => error.severity = text(value),
            b'C' => error.code = text(value),
            b'M' => error.message = text(value),
            _ => {}
        }
    }
    error
}

/// Reads the first value of a row; `None` is NULL or a row of no columns.
fn row(octets: &mut Octets<'_>) -> Result<Option<String>, ()> {
    if octets.u16().ok_or(())? == 0 {
        return Ok(None);
    }
    let length = octets.u32().ok_or(())?.cast_signed();
    // A negative length is NULL.
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    octets.take(length).map(|value| Some(text(value))).ok_or(())
}

/// Writes the message that opens a session.
pub(super) fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for (name, value) in [("user", user), ("database", database), ("application_name", "hark")] {
        for part in [name, value] {
            body.extend_from_slice(part.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    [&length(body.len())[..], &body].concat()
}

/// Writes a question in SQL.
pub(super) fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &[sql.as_bytes(), &[0]].concat())
}

/// Writes a password as it is.
pub(super) fn password(password: &str) -> Vec<u8> {
    tagged(b'p', &[password.as_bytes(), &[0]].concat())
}

/// Writes the first message of SASL with `method`.
pub(super) fn sasl_first(method: &str, first: &str) -> Vec<u8> {
    let body = [method.as_bytes(), &[0], &u32_of(first.len()), first.as_bytes()].concat();
    tagged(b'p', &body)
}

/// Writes a further message of SASL.
pub(super) fn sasl_next(next: &str) -> Vec<u8> {
    tagged(b'p', next.as_bytes())
}

fn tagged(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &length(body.len()), body].concat()
}

/// The length of a message counts itself.
fn length(n: usize) -> [u8; 4] {
    u32_of(n + 4)
}

fn u32_of(n: usize) -> [u8; 4] {
    // What is written comes from the configuration, which is far below 4 GiB.
    u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_opening_names_user_and_database() {
        let bytes = startup("a", "b");
        assert_eq!(bytes.len(), usize::from(bytes[3]));
        assert!(bytes.ends_with(b"user\0a\0database\0b\0application_name\0hark\0\0"));
    }

    #[test]
    fn messages_are_read_when_they_are_whole() {
        let wants = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
        let sasl = Wants::Sasl(vec!["SCRAM-SHA-256".to_owned()]);
        assert_eq!(read(wants), Ok(Some((Message::Authentication(sasl), wants.len()))));
        assert_eq!(read(&wants[..10]), Ok(None));
        let error = tagged(b'E', b"SFATAL\0C28P01\0Mpassword\0\0");
        let Ok(Some((Message::Error(error), _))) = read(&error) else { unreachable!() };
        assert_eq!((&*error.code, &*error.message), ("28P01", "password"));
        assert!(error.is_about_us());
        assert!(read(b"HTTP/1.1 400").is_err());
        assert!(read(b"SSH-2.0-OpenSSH").unwrap_err().contains("does not speak"));
        assert!(read(b"D\0\x10\0\0").unwrap_err().contains("more than is read"));
    }

    #[test]
    fn the_first_value_of_a_row_is_read() {
        let row = tagged(b'D', b"\0\x02\0\0\0\x0242\xff\xff\xff\xff");
        assert_eq!(read(&row), Ok(Some((Message::Row(Some("42".to_owned())), row.len()))));
        let null = tagged(b'D', b"\0\x01\xff\xff\xff\xff");
        assert_eq!(read(&null), Ok(Some((Message::Row(None), null.len()))));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(kind in prop::sample::select(b"RSEZDNKTCIvAx".to_vec()), body in prop::collection::vec(any::<u8>(), 0..64), cut in 0_usize..70) {
            let bytes = tagged(kind, &body);
            if let Ok(Some((_, used))) = read(&bytes) {
                prop_assert_eq!(used, bytes.len());
            }
            drop(read(&bytes[..cut.min(bytes.len())]));
            drop(read(&body));
        }
    }
}
