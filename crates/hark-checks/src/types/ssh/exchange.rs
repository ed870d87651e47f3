//! The first key exchange of SSH (RFC 4253, RFC 5656, RFC 8731), as a machine: up to the moment at which
//! the host has shown its key and proved that it holds it. There it ends: hark does not log in.

use std::fmt;

use ring::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey, X25519,
    agree_ephemeral,
};
use ring::digest::{self, SHA256, SHA384, digest};
use ring::rand::SecureRandom;

use super::key::{ALGORITHMS, HostKey, verified};
use super::wire::{Fields, packet, put_mpint, put_string, put_u32, take_packet};
use crate::dialogue::shown;
use crate::stream::{Machine, Turn};

/// How hark introduces itself, without the end of the line.
const OURS: &str = concat!("SSH-2.0-hark_", env!("CARGO_PKG_VERSION"));

/// Longest line of a greeting (RFC 4253, 4.2).
const MAX_LINE: usize = 255;

/// Most lines that a server may say before it introduces itself.
const MAX_LINES: usize = 50;

/// The ways to agree on a secret, the best first.
const EXCHANGES: &[(&str, &Algorithm, &digest::Algorithm)] = &[
    ("curve25519-sha256", &X25519, &SHA256),
    ("curve25519-sha256@libssh.org", &X25519, &SHA256),
    ("ecdh-sha2-nistp256", &ECDH_P256, &SHA256),
    ("ecdh-sha2-nistp384", &ECDH_P384, &SHA384),
];

/// What would come after the exchange and never does: offered so that servers find something they know.
const CIPHERS: &str = "aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,\
     aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-cbc,aes256-cbc,3des-cbc";
const MACS: &str = "hmac-sha2-256,hmac-sha2-512,hmac-sha2-256-etm@openssh.com,\
     hmac-sha2-512-etm@openssh.com,umac-128-etm@openssh.com,umac-128@openssh.com,hmac-sha1";
const COMPRESSIONS: &str = "none,zlib@openssh.com,zlib";

/// Numbers of messages.
const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const UNIMPLEMENTED: u8 = 3;
const DEBUG: u8 = 4;
const KEXINIT: u8 = 20;
const ECDH_INIT: u8 = 30;
const ECDH_REPLY: u8 = 31;

/// Reason of our farewell: `SSH_DISCONNECT_BY_APPLICATION`.
const BY_APPLICATION: usize = 11;

/// What the server calls itself: `SSH-2.0-OpenSSH_9.2p1 Debian-2`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identification {
    /// `2.0`.
    pub(crate) protocol: String,
    /// The rest of the line.
    pub(crate) software: String,
}

impl Identification {
    fn read(line: &str) -> Option<Self> {
        let (protocol, software) = line.strip_prefix("SSH-")?.split_once('-')?;
        Some(Self { protocol: protocol.to_owned(), software: software.to_owned() })
    }
}

/// The machine.
pub(crate) struct Exchange<'a> {
    random: &'a (dyn SecureRandom + Sync),
    /// Kinds of host key to ask for, the best first.
    kinds: Vec<&'static str>,
    pending: Vec<u8>,
    state: State,
    n_lines: usize,
    /// The line of the server, as it enters the hash.
    theirs: Vec<u8>,
    our_init: Vec<u8>,
    pub(crate) identification: Option<Identification>,
    pub(crate) key: Option<HostKey>,
    /// Why there is no key although the server speaks SSH: nothing that both know.
    pub(crate) in_common: Result<(), String>,
}

enum State {
    Greeting,
    Init,
    Reply(Agreement),
    Over,
}

/// A key exchange that has begun.
struct Agreement {
    their_init: Vec<u8>,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
    algorithm: &'static Algorithm,
    hash: &'static digest::Algorithm,
    /// The server has guessed what we would agree on, guessed wrong, and its next packet is void.
    skip: bool,
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("identification", &self.identification)
            .finish_non_exhaustive()
    }
}

impl<'a> Exchange<'a> {
    /// Asks for a key of one of `kinds`, of [`ALGORITHMS`]; of any if there are none.
    pub(crate) fn new(random: &'a (dyn SecureRandom + Sync), kinds: &[&'static str]) -> Self {
        let kinds = if kinds.is_empty() { ALGORITHMS } else { kinds };
        Self {
            random,
            kinds: kinds.to_vec(),
            pending: Vec::new(),
            state: State::Greeting,
            n_lines: 0,
            theirs: Vec::new(),
            our_init: Vec::new(),
            identification: None,
            key: None,
            in_common: Ok(()),
        }
    }

    /// Reads lines until the server has introduced itself.
    fn greeting(&mut self) -> Result<Option<Turn>, String> {
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = self.pending.drain(..=end).collect();
            line.pop_if(|byte| *byte == b'\n');
            line.pop_if(|byte| *byte == b'\r');
            self.n_lines += 1;
            if line.len() > MAX_LINE || self.n_lines > MAX_LINES {
                return Err("does not introduce itself as SSH".to_owned());
            }
            if !line.starts_with(b"SSH-") {
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            let Some(identification) = Identification::read(&text) else {
                return Err(format!("introduces itself in a wrong way: {}", shown(&text)));
            };
            let is_two = matches!(identification.protocol.as_str(), "2.0" | "1.99");
            self.identification = Some(identification);
            self.theirs = line;
            if !is_two {
                self.state = State::Over;
                return Ok(Some(Turn::Part(Vec::new())));
            }
            self.state = State::Init;
            return Ok(Some(Turn::Say(self.introduction()?)));
        }
        if self.pending.len() > MAX_LINE {
            return Err(format!(
                "does not introduce itself as SSH: {}",
                shown(&String::from_utf8_lossy(&self.pending))
            ));
        }
        Ok(None)
    }

    fn introduction(&mut self) -> Result<Vec<u8>, String> {
        let mut init = vec![KEXINIT];
        let mut cookie = [0; 16];
        self.random
            .fill(&mut cookie)
            .map_err(|_| "this machine has no random numbers".to_owned())?;
        init.extend_from_slice(&cookie);
        let exchanges: Vec<&str> = EXCHANGES.iter().map(|(name, ..)| *name).collect();
        for list in [exchanges.join(",").as_str(), &self.kinds.join(",")] {
            put_string(&mut init, list.as_bytes());
        }
        for list in [CIPHERS, CIPHERS, MACS, MACS, COMPRESSIONS, COMPRESSIONS, "", ""] {
            put_string(&mut init, list.as_bytes());
        }
        // We guess nothing, and the last number is reserved.
        init.push(0);
        put_u32(&mut init, 0);
        let mut out = format!("{OURS}\r\n").into_bytes();
        out.extend_from_slice(&packet(&init));
        self.our_init = init;
        Ok(out)
    }

    fn packets(&mut self) -> Result<Turn, String> {
        while let Some(payload) = take_packet(&mut self.pending)? {
            let Some((&message, rest)) = payload.split_first() else {
                return Err("sent an empty packet".to_owned());
            };
            match message {
                IGNORE | UNIMPLEMENTED | DEBUG => continue,
                DISCONNECT => return Err(format!("hung up: {}", shown(&reason(rest)))),
                _ => {}
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Init if message == KEXINIT => return self.agree(payload),
                State::Reply(agreement) if agreement.skip => {
                    self.state = State::Reply(Agreement { skip: false, ..agreement });
                }
                State::Reply(agreement) if message == ECDH_REPLY => {
                    self.key = Some(self.replied(agreement, rest)?);
                    return Ok(Turn::Part(farewell()));
                }
                State::Greeting | State::Init | State::Reply(_) | State::Over => {
                    return Err(format!("sent message {message}, which does not belong here"));
                }
            }
        }
        Ok(Turn::Hear)
    }

    /// Takes the server's list of what it can, and begins what both can.
    fn agree(&mut self, their_init: Vec<u8>) -> Result<Turn, String> {
        let unread = || "its list of algorithms cannot be read".to_owned();
        let mut fields = Fields(&their_init);
        let _message_and_cookie = fields.bytes(17).ok_or_else(unread)?;
        let exchanges = fields.names().ok_or_else(unread)?;
        let keys = fields.names().ok_or_else(unread)?;
        for _rest in 0..8 {
            fields.string().ok_or_else(unread)?;
        }
        let guessed = fields.u8().ok_or_else(unread)? != 0;
        let exchange = EXCHANGES.iter().find(|(name, ..)| exchanges.contains(name));
        let kind = self.kinds.iter().find(|name| keys.contains(name));
        let (Some((name, algorithm, hash)), Some(kind)) = (exchange, kind) else {
            let (what, offered) = match exchange {
                None => ("key exchange", exchanges),
                Some(_) => ("kind of host key", keys),
            };
            self.in_common =
                Err(shown(&format!("no {what} in common; it offers {}", offered.join(", "))));
            return Ok(Turn::Part(farewell()));
        };
        let skip = guessed && (exchanges.first() != Some(name) || keys.first() != Some(kind));
        let failed = |_| "no key could be made".to_owned();
        let private = EphemeralPrivateKey::generate(algorithm, self.random).map_err(failed)?;
        let public = private.compute_public_key().map_err(failed)?.as_ref().to_vec();
        let mut init = vec![ECDH_INIT];
        put_string(&mut init, &public);
        self.state = State::Reply(Agreement { their_init, private, public, algorithm, hash, skip });
        // The reply may be there already if the server's guess came with it.
        Ok(Turn::Say(packet(&init)))
    }

    /// Takes the host's key if it has signed what was said until now.
    fn replied(&self, agreement: Agreement, reply: &[u8]) -> Result<HostKey, String> {
        let unread = || "its reply to the key exchange cannot be read".to_owned();
        let mut fields = Fields(reply);
        let blob = fields.string().ok_or_else(unread)?;
        let their_public = fields.string().ok_or_else(unread)?;
        let signature = fields.string().ok_or_else(unread)?;
        let Agreement { their_init, private, public, algorithm, hash, .. } = agreement;
        let mut said = Vec::new();
        let parts: [&[u8]; 7] = [
            OURS.as_bytes(),
            &self.theirs,
            &self.our_init,
            &their_init,
            blob,
            &public,
            their_public,
        ];
        for part in parts {
            put_string(&mut said, part);
        }
        let theirs = UnparsedPublicKey::new(algorithm, their_public);
        agree_ephemeral(private, &theirs, |secret| put_mpint(&mut said, secret))
            .map_err(|_| "its part of the key exchange is wrong".to_owned())?;
        verified(blob, signature, digest(hash, &said).as_ref())
    }
}

/// The last thing that is said: servers log it instead of a broken connection.
fn farewell() -> Vec<u8> {
    let mut out = vec![DISCONNECT];
    put_u32(&mut out, BY_APPLICATION);
    put_string(&mut out, b"check done");
    put_string(&mut out, b"");
    packet(&out)
}

fn reason(payload: &[u8]) -> String {
    let mut fields = Fields(payload);
    let code = fields.u32().unwrap_or(0);
    format!("{} ({code})", fields.text().unwrap_or_default())
}

impl Machine for Exchange<'_> {
    fn begin(&mut self) -> Turn {
        Turn::Hear
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Turn, String> {
        self.pending.extend_from_slice(bytes);
        if matches!(self.state, State::Greeting) {
            return Ok(self.greeting()?.unwrap_or(Turn::Hear));
        }
        self.packets()
    }

    fn secured(&mut self) -> Turn {
        Turn::Hear
    }
}

#[cfg(test)]
mod tests;
