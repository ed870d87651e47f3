//! Finding the server on the local network: an agent calls, and the server that has its key answers.
//!
//! A call goes to everybody, so it must not be part of a session: two servers that answered in one would
//! use a nonce twice. It has keys of its own, made from a random number in it; an answer has one more random
//! number, so that each answer of each server has a key of its own.
//!
//! | call, at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 2 | magic, kind `07` |
//! | 2 | 8 | agent; 0: one that has only a token |
//! | 10 | 16 | random |
//! | 26 | | 1 byte length and the host's name, as in a hello |
//! | | | sealed: zeros, so that it has 96 bytes or more |
//!
//! | answer, at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 2 | magic, kind `85` |
//! | 2 | 24 | agent and random number, as in the call |
//! | 26 | 16 | salt |
//! | 42 | | sealed: 2 bytes UDP port, 2 bytes port of the page and the API |

use crate::header::{AgentId, MAGIC, MAX_NAME, SALT};
use crate::key::{AgentKey, SealingKey};
use crate::refused::Refused;
use crate::{Identity, MAX_DATAGRAM, MIN_REQUEST, TAG};

/// The kind of a call.
pub const CALL: u8 = 0x07;

/// The kind of an answer.
pub const ANSWER: u8 = 0x85;

/// The length of a call's random number in bytes.
pub const RANDOM: usize = 16;

/// The IPv4 group that calls go to: of those for one's own site, with the default port as its end.
pub const GROUP_V4: std::net::Ipv4Addr = std::net::Ipv4Addr::new(239, 255, 195, 83);

/// The IPv6 group that calls go to: on the link, not assigned by anybody, with the default port as its end.
pub const GROUP_V6: std::net::Ipv6Addr = std::net::Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 50003);

/// Where the name of a call begins.
const NAME_AT: usize = 2 + 8 + RANDOM;

/// Where the sealed part of an answer begins.
const ANSWER_CLEAR: usize = NAME_AT + SALT;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here {
    /// Where the server listens for datagrams.
    pub udp_port: u16,
    /// Where the page and the API are.
    pub https_port: u16,
}

/// A call, read but not authenticated: good for choosing a key, for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// Who calls.
    pub agent: AgentId,
    /// Its random number.
    pub random: [u8; RANDOM],
    /// The host's name, of an agent in simple mode.
    pub name: Option<&'a str>,
    clear: usize,
}

/// Returns the identity of those who hold a token and have not joined yet, by the fingerprint of the
/// server's certificate. It is no secret: everybody who can see the certificate knows it, so an answer to it
/// is no proof. What proves is the certificate, before the token is shown.
pub fn token_identity(fingerprint: &[u8; 32]) -> Identity {
    Identity { agent: AgentId(0), key: AgentKey::of_token(fingerprint), name: None }
}

/// Writes a call; `random` must never be used twice.
pub fn call(identity: &Identity, random: &[u8; RANDOM]) -> Vec<u8> {
    let name = identity.name.as_ref().map_or("", |name| name.as_str());
    let length = u8::try_from(name.len()).unwrap_or(0);
    let mut datagram = vec![MAGIC, CALL];
    datagram.extend_from_slice(&identity.agent.0.to_be_bytes());
    datagram.extend_from_slice(random);
    datagram.push(length);
    datagram.extend_from_slice(name.as_bytes());
    let clear = datagram.len();
    datagram.resize(clear.max(MIN_REQUEST - TAG), 0);
    SealingKey::for_call(&identity.key, random).seal(0, clear, &mut datagram);
    datagram
}

/// Reads the clear part of what may be a call. No cryptography.
///
/// # Errors
/// Why it is none; to be counted, never answered.
pub fn peek(datagram: &[u8]) -> Result<Call<'_>, Refused> {
    if datagram.len() < MIN_REQUEST {
        return Err(Refused::Short);
    }
    if datagram.len() > MAX_DATAGRAM {
        return Err(Refused::Long);
    }
    let (agent, random, rest) = head(datagram, CALL)?;
    let (&length, rest) = rest.split_first().ok_or(Refused::Short)?;
    let length = usize::from(length);
    if length > MAX_NAME {
        return Err(Refused::Header);
    }
    let name = rest.get(..length).ok_or(Refused::Short)?;
    let name = std::str::from_utf8(name).map_err(|_| Refused::Header)?;
    let clear = NAME_AT + 1 + length;
    if datagram.len() < clear + TAG {
        return Err(Refused::Short);
    }
    Ok(Call { agent, random, name: (length > 0).then_some(name), clear })
}

/// Returns true if a datagram says that it is a call.
pub fn is_call(datagram: &[u8]) -> bool {
    datagram.starts_with(&[MAGIC, CALL])
}

/// Checks that a call is of the agent with this key.
///
/// # Errors
/// If it is not.
pub fn check(key: &AgentKey, datagram: &mut [u8]) -> Result<(), Refused> {
    let Call { random, clear, .. } = peek(datagram)?;
    SealingKey::for_call(key, &random).open(0, clear, datagram).map(drop)
}

/// Writes the answer to a call that was checked. It is shorter than any call.
pub fn answer(
    key: &AgentKey,
    (agent, random): (AgentId, &[u8; RANDOM]),
    salt: &[u8; SALT],
    here: Here,
    out: &mut Vec<u8>,
) {
    out.clear();
    out.extend_from_slice(&[MAGIC, ANSWER]);
    out.extend_from_slice(&agent.0.to_be_bytes());
    out.extend_from_slice(random);
    out.extend_from_slice(salt);
    out.extend_from_slice(&here.udp_port.to_be_bytes());
    out.extend_from_slice(&here.https_port.to_be_bytes());
    SealingKey::for_answer(key, random, salt).seal(0, ANSWER_CLEAR, out);
}

/// Reads an answer to the call with this random number.
///
/// # Errors
/// If it is none, or of a server that does not have the key.
pub fn read_answer(
    identity: &Identity,
    random: &[u8; RANDOM],
    datagram: &mut [u8],
) -> Result<Here, Refused> {
    let (agent, answered, rest) = head(datagram, ANSWER)?;
    let salt = *rest.first_chunk::<SALT>().ok_or(Refused::Short)?;
    if agent != identity.agent || answered != *random {
        return Err(Refused::Agent);
    }
    let key = SealingKey::for_answer(&identity.key, random, &salt);
    let plain = key.open(0, ANSWER_CLEAR, datagram)?;
    let (udp, rest) = plain.split_first_chunk().ok_or(Refused::Malformed)?;
    let https = rest.first_chunk().ok_or(Refused::Malformed)?;
    let here = Here { udp_port: u16::from_be_bytes(*udp), https_port: u16::from_be_bytes(*https) };
    if here.udp_port == 0 { Err(Refused::Malformed) } else { Ok(here) }
}

fn head(datagram: &[u8], wanted: u8) -> Result<(AgentId, [u8; RANDOM], &[u8]), Refused> {
    let (&[magic, kind], rest) = datagram.split_first_chunk().ok_or(Refused::Short)?;
    if magic != MAGIC {
        return Err(Refused::Magic);
    }
    if kind != wanted {
        return Err(Refused::Kind);
    }
    let (agent, rest) = rest.split_first_chunk().ok_or(Refused::Short)?;
    let (random, rest) = rest.split_first_chunk().ok_or(Refused::Short)?;
    Ok((AgentId(u64::from_be_bytes(*agent)), *random, rest))
}

#[cfg(test)]
mod tests {
    use hark_model::HostName;

    use super::*;
    use crate::MAX_REPLY;

    const HERE: Here = Here { udp_port: 50003, https_port: 50004 };

    fn identity(secret: &[u8]) -> Identity {
        Identity::simple(secret, HostName::new("web").unwrap())
    }

    fn answered(identity: &Identity, random: &[u8; RANDOM], salt: u8) -> Vec<u8> {
        let mut out = Vec::new();
        answer(&identity.key, (identity.agent, random), &[salt; SALT], HERE, &mut out);
        out
    }

    #[test]
    fn a_call_is_answered_by_who_has_the_key_with_less_than_it_was_sent() {
        let enrolled = Identity { name: None, ..identity(b"s") };
        for ours in [identity(b"s"), enrolled, token_identity(&[7; 32])] {
            let random = [1; RANDOM];
            let mut datagram = call(&ours, &random);
            assert!(is_call(&datagram) && datagram.len() >= MIN_REQUEST);
            let read = peek(&datagram).unwrap();
            assert_eq!((read.agent, read.random), (ours.agent, random));
            assert_eq!(read.name, ours.name.as_ref().map(HostName::as_str));
            assert_eq!(check(&identity(b"other").key, &mut datagram.clone()), Err(Refused::Forged));
            check(&ours.key, &mut datagram).unwrap();
            let mut here = answered(&ours, &random, 2);
            assert!(here.len() <= MAX_REPLY, "{}", here.len());
            assert_eq!(read_answer(&ours, &random, &mut here), Ok(HERE));
        }
    }

    #[test]
    fn an_answer_that_is_forged_changed_or_of_another_call_is_refused() {
        let (ours, random) = (identity(b"s"), [1; RANDOM]);
        let forged = answered(&Identity { agent: ours.agent, ..identity(b"t") }, &random, 2);
        assert_eq!(read_answer(&ours, &random, &mut forged.clone()), Err(Refused::Forged));
        let mut earlier = answered(&ours, &[9; RANDOM], 2);
        assert_eq!(read_answer(&ours, &random, &mut earlier.clone()), Err(Refused::Agent));
        earlier[10..26].copy_from_slice(&random);
        assert_eq!(read_answer(&ours, &random, &mut earlier), Err(Refused::Forged));
        let good = answered(&ours, &random, 2);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(read_answer(&ours, &random, &mut bad).is_err(), "{at}");
            assert!(read_answer(&ours, &random, &mut good[..at].to_vec()).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused_before_any_cryptography() {
        let good = call(&identity(b"s"), &[1; RANDOM]);
        for at in 0..good.len() {
            assert!(peek(&good[..at.min(MIN_REQUEST - 1)]).is_err());
        }
        let mut long = good.clone();
        long.resize(MAX_DATAGRAM + 1, 0);
        assert_eq!(peek(&long), Err(Refused::Long));
        for (at, byte, refused) in [
            (0, b'{', Refused::Magic),
            (1, 1, Refused::Kind),
            (26, 254, Refused::Header),
            (26, 90, Refused::Short),
            (27, 0xff, Refused::Header),
        ] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(peek(&bad), Err(refused), "{at}");
        }
    }

    #[test]
    fn the_documents_vector_holds() {
        let (ours, random) = (identity(b"shared"), [0x11; RANDOM]);
        let hex = |bytes: &[u8]| {
            let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            digits.concat()
        };
        let said = std::fs::read_to_string("../../docs/protocol.md").unwrap();
        let joined: String = said.split_whitespace().collect();
        let sent = hex(&call(&ours, &random));
        let here = hex(&answered(&ours, &random, 0x22));
        assert!(joined.contains(&sent), "call: {sent}");
        assert!(joined.contains(&here), "answer: {here}");
    }
}
