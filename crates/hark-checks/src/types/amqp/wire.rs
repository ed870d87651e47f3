//! Frames of AMQP 0-9-1, as many as a login and a look at one queue need.

use crate::octets::{Octets, text};

/// Bound on one frame: the server's greeting is some 500 bytes.
pub(super) const MAX_FRAME: usize = 128 * 1024;

/// What a client says first.
pub(super) const HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

const METHOD: u8 = 1;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xce;

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Who it is.
    Start(Start),
    /// Its bounds on what is sent.
    Tune { channels: u16, frame: u32, heartbeat: u16 },
    /// The virtual host is open.
    Opened,
    /// The channel is open.
    ChannelOpened,
    /// The queue is there.
    Queue { messages: u32, consumers: u32 },
    /// It ends the connection or the channel, and says why.
    Close { code: u16, reason: String },
    /// Anything else.
    Other,
}

/// Who the server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// What it says of itself: `product`, `version`, `cluster_name`.
    pub(super) properties: Vec<(String, String)>,
    /// The ways to log in.
    pub(super) mechanisms: String,
}

/// Reads one frame from the front of `bytes`, and how long it is. `None`: it is not whole yet.
///
/// # Errors
/// If this is no frame of AMQP 0-9-1.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Method, usize)>, String> {
    if bytes.starts_with(b"AMQP") {
        let version: Vec<String> = bytes.iter().skip(5).take(3).map(u8::to_string).collect();
        return Err(format!("it speaks AMQP {}, not 0-9-1", version.join("-")));
    }
    let foreign = "it does not speak AMQP";
    let mut octets = Octets::new(bytes);
    let Some(kind) = octets.u8() else { return Ok(None) };
    if !matches!(kind, METHOD | 2 | 3 | HEARTBEAT) {
        // The first letters of `AMQP` alone may still become its header.
        return if b"AMQP".starts_with(bytes) { Ok(None) } else { Err(foreign.to_owned()) };
    }
    let (Some(_channel), Some(n)) = (octets.u16(), octets.u32()) else { return Ok(None) };
    let n = usize::try_from(n).ok().filter(|n| *n <= MAX_FRAME).ok_or(foreign)?;
    let Some(payload) = octets.take(n) else { return Ok(None) };
    let Some(end) = octets.u8() else { return Ok(None) };
    if end != END {
        return Err(foreign.to_owned());
    }
    let method = if kind == METHOD {
        method(payload).ok_or("a frame of the server is broken")?
    } else {
        Method::Other
    };
    Ok(Some((method, n + 8)))
}

fn method(payload: &[u8]) -> Option<Method> {
    let mut octets = Octets::new(payload);
    Some(match (octets.u16()?, octets.u16()?) {
        (10, 10) => {
            let _version = octets.u16()?;
            let n = octets.u32()?;
            let table = octets.take(usize::try_from(n).ok()?)?;
            let n = octets.u32()?;
            let mechanisms = text(octets.take(usize::try_from(n).ok()?)?);
            Method::Start(Start { properties: properties(table)?, mechanisms })
        }
        (10, 30) => {
            let (channels, frame, heartbeat) = (octets.u16()?, octets.u32()?, octets.u16()?);
            Method::Tune { channels, frame, heartbeat }
        }
        (10, 41) => Method::Opened,
        (20, 11) => Method::ChannelOpened,
        (50, 11) => {
            let n = octets.u8()?;
            octets.take(n.into())?;
            Method::Queue { messages: octets.u32()?, consumers: octets.u32()? }
        }
        (10, 50) | (20, 40) => {
            let code = octets.u16()?;
            let n = octets.u8()?;
            Method::Close { code, reason: text(octets.take(n.into())?) }
        }
        _ => Method::Other,
    })
}

/// Reads the texts of a table; other values are passed over.
fn properties(table: &[u8]) -> Option<Vec<(String, String)>> {
    let mut octets = Octets::new(table);
    let mut found = Vec::new();
    while !octets.is_empty() {
        let n = octets.u8()?;
        let name = text(octets.take(n.into())?);
        found.extend(value(&mut octets).ok()?.map(|value| (name, value)));
    }
    Some(found)
}

/// Reads one value; `None` if it is no text.
///
/// # Errors
/// If it is broken.
fn value(octets: &mut Octets<'_>) -> Result<Option<String>, ()> {
    let kind = octets.u8().ok_or(())?;
    let n = match kind {
        // Texts, tables, lists and bytes are as long as they say.
        b'S' | b'F' | b'A' | b'x' => octets.u32().and_then(|n| usize::try_from(n).ok()).ok_or(())?,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'V' => 0,
        _ => return Err(()),
    };
    let content = octets.take(n).ok_or(())?;
    Ok((kind == b'S').then(|| text(content)))
}

/// Writes the login.
pub(super) fn start_ok(user: &str, password: &str) -> Vec<u8> {
    // With this ability the server says that the login was wrong, instead of hanging up.
    let ability = [&short(b"authentication_failure_close")[..], &[b't', 1]].concat();
    let table = |parts: &[u8]| long(parts);
    let abilities = [&short(b"capabilities")[..], b"F", &table(&ability)].concat();
    let product = [&short(b"product")[..], b"S", &long(b"hark")].concat();
    let secret = [&[0], user.as_bytes(), &[0], password.as_bytes()].concat();
    let properties = table(&[abilities, product].concat());
    let parts = [properties, short(b"PLAIN"), long(&secret), short(b"en_US")].concat();
    frame(0, 10, 11, &parts)
}

/// Writes that the server's bounds are taken.
pub(super) fn tune_ok(channels: u16, bound: u32) -> Vec<u8> {
    // No heartbeats: the check is over before the first.
    let parts = [&channels.to_be_bytes()[..], &bound.to_be_bytes(), &[0, 0]].concat();
    frame(0, 10, 31, &parts)
}

/// Writes what opens a virtual host.
pub(super) fn open(host: &str) -> Vec<u8> {
    frame(0, 10, 40, &[&short(host.as_bytes())[..], &[0, 0]].concat())
}

/// Writes what opens channel 1.
pub(super) fn open_channel() -> Vec<u8> {
    frame(1, 20, 10, &[0])
}

/// Writes the question whether there is such a queue; it makes none.
pub(super) fn look_at_queue(name: &str) -> Vec<u8> {
    const PASSIVE: u8 = 1;
    let parts = [&[0, 0][..], &short(name.as_bytes()), &[PASSIVE], &[0, 0, 0, 0]].concat();
    frame(1, 50, 10, &parts)
}

/// Writes what ends a connection in order.
pub(super) fn close() -> Vec<u8> {
    frame(0, 10, 50, &[&200_u16.to_be_bytes()[..], &short(b"done"), &[0, 0, 0, 0]].concat())
}

fn frame(channel: u16, class: u16, method: u16, parts: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), parts].concat();
    let mut out = vec![METHOD];
    out.extend(channel.to_be_bytes());
    out.extend(long(&payload));
    out.push(END);
    out
}

/// A text of at most 255 bytes; a longer one is cut rather than lied about.
fn short(bytes: &[u8]) -> Vec<u8> {
    let n = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    let mut out = vec![n];
    out.extend(bytes.iter().take(n.into()));
    out
}

fn long(bytes: &[u8]) -> Vec<u8> {
    // What is written comes from the configuration, which is far below 4 GiB.
    let n = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&n.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn greeting() -> Vec<u8> {
        let inner = [&short(b"basic.nack")[..], &[b't', 1]].concat();
        let table = [
            &short(b"capabilities")[..],
            b"F",
            &long(&inner),
            &short(b"product"),
            b"S",
            &long(b"RabbitMQ"),
        ]
        .concat();
        let parts =
            [&[0, 9][..], &long(&table), &long(b"PLAIN AMQPLAIN"), &long(b"en_US")].concat();
        frame(0, 10, 10, &parts)
    }

    #[test]
    fn the_greeting_says_who_it_is() {
        let bytes = greeting();
        let Ok(Some((Method::Start(start), used))) = read(&bytes) else { unreachable!() };
        assert_eq!(used, bytes.len());
        assert_eq!(start.properties, [("product".to_owned(), "RabbitMQ".to_owned())]);
        assert_eq!(start.mechanisms, "PLAIN AMQPLAIN");
        assert_eq!(read(&bytes[..bytes.len() - 1]), Ok(None));
    }

    #[test]
    fn other_versions_and_other_protocols_are_named() {
        let error = read(b"AMQP\0\x01\0\0").unwrap_err();
        assert_eq!(error, "it speaks AMQP 1-0-0, not 0-9-1");
        assert_eq!(read(b"AM"), Ok(None));
        assert!(read(b"HTTP/1.1").is_err());
        assert!(read(b"\x01\0\0\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn a_refusal_has_its_reason() {
        let parts = [&403_u16.to_be_bytes()[..], &short(b"ACCESS_REFUSED - no"), &[0; 4]].concat();
        let close = read(&frame(0, 10, 50, &parts)).unwrap().unwrap().0;
        let reason = "ACCESS_REFUSED - no".to_owned();
        assert_eq!(close, Method::Close { code: 403, reason });
    }

    #[test]
    fn the_figures_of_a_queue_are_read() {
        let parts = [&short(b"q")[..], &5_u32.to_be_bytes(), &2_u32.to_be_bytes()].concat();
        let queue = read(&frame(1, 50, 11, &parts)).unwrap().unwrap().0;
        assert_eq!(queue, Method::Queue { messages: 5, consumers: 2 });
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..96), flip in 0_usize..100, value: u8, method in 0_u16..60) {
            drop(read(&bytes));
            for class in [10, 20, 50] {
                drop(read(&frame(0, class, method, &bytes)));
            }
            let mut near = greeting();
            if let Some(byte) = near.get_mut(flip) {
                *byte = value;
            }
            drop(read(&near));
        }
    }
}
