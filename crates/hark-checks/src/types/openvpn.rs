//! A server of virtual networks (OpenVPN): it answers the first packet of a client, over UDP or TCP.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::time::Clock;
use hark_model::{Secret, Status};
use hark_net::BoxFuture;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::endpoint::{self, Defaults, Endpoint, plain_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::link::Seen;
use crate::{Check, CheckType, Context, Given, session};

mod packet;

use packet::{Direction, Guarding, Session, StaticKey, check, reset};

/// The check type `openvpn`.
#[derive(Debug)]
pub(crate) struct OpenVpn;

const OWN_KEYS: &[Key] = &[
    Key::new("transport", Kind::OneOf(&["udp", "tcp"]), "How to go there.").default("udp"),
    Key::new(
        "tls_auth",
        Kind::Secret,
        "Static key of `tls-auth`, whole: `{file: /etc/openvpn/ta.key}`.",
    ),
    Key::new("auth", Kind::OneOf(&["sha1", "sha256", "sha384", "sha512"]), "Digest of `tls-auth`.")
        .default("sha1"),
    Key::new(
        "key_direction",
        Kind::OneOf(&["0", "1", "none"]),
        "Direction of the key of `tls-auth` on the side of clients.",
    )
    .default("1"),
    Key::new("tls_crypt", Kind::Secret, "Static key of `tls-crypt`, whole."),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 6 }>(&plain_keys("1194"), OWN_KEYS);

const OWN_FACTS: &[FactKey] =
    &[FactKey::new("opcode", "number of the kind of packet that came: 8 is a server's first")];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::plain(Some(1194));

/// Largest answer that is read: a server's first packet has at most some hundred bytes.
const MAX_PACKET: usize = 2048;

/// The words for the way, and whether it is a stream.
const WAYS: &[(&str, bool)] = &[("udp", false), ("tcp", true)];

const DIGESTS: &[(&str, hmac::Algorithm)] = &[
    ("sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    ("sha256", hmac::HMAC_SHA256),
    ("sha384", hmac::HMAC_SHA384),
    ("sha512", hmac::HMAC_SHA512),
];

impl CheckType for OpenVpn {
    fn name(&self) -> &'static str {
        "openvpn"
    }

    fn manual(&self) -> &'static str {
        "Begins a connection with an OpenVPN server as a client would, and goes no further than the first \
         answer. Over UDP the packet is sent up to three times. Critical if no answer comes within the \
         timeout, or one that is not a server's first packet, does not acknowledge ours, or was not made \
         with the key. A server with `tls-auth` or `tls-crypt` stays silent unless the check has its key; \
         `tls-crypt-v2` needs a key of each client's own and is not spoken. Warning or critical by the \
         limits of the time. Unknown if the name has no address."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn facts(&self) -> &'static [FactKey] {
        FACTS
    }

    fn target_key(&self) -> &'static str {
        "address"
    }

    fn example(&self) -> &'static str {
        "address: vpn.example.net\ntransport: tcp\nport: 443\nauth: sha256\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let over_tcp = section.word("transport", WAYS).unwrap_or(false);
        let digest = section.word("auth", DIGESTS).unwrap_or(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
        let direction = section.word("key_direction", Direction::WORDS).unwrap_or_default();
        let auth = read_key(section, "tls_auth");
        let crypt = read_key(section, "tls_crypt");
        let guarding = match (auth, crypt) {
            (None, None) => Guarding::None,
            (Some(key), None) => Guarding::auth(&key, direction, digest),
            (None, Some(key)) => Guarding::crypt(&key),
            (Some(_), Some(_)) => {
                section.error("tls_crypt", "a server has either `tls_auth` or `tls_crypt`");
                return None;
            }
        };
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        Some(Box::new(Server { endpoint, over_tcp, guarding }))
    }
}

fn read_key(section: &Section<'_>, key: &'static str) -> Option<StaticKey> {
    let secret: Secret = section.opt_secret(key)?;
    match StaticKey::read(secret.expose()) {
        Ok(read) => Some(read),
        Err(why) => {
            section.error(key, why);
            None
        }
    }
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    over_tcp: bool,
    guarding: Guarding,
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        "openvpn"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut ours = Session::default();
            if SystemRandom::new().fill(&mut ours).is_err() {
                return Finding::new(Status::Unknown, "this machine has no random numbers");
            }
            let now = u32::try_from(Clock.now().unix.seconds()).unwrap_or_default();
            let packet = reset(&self.guarding, ours, now);
            let asked = if self.over_tcp {
                self.ask_tcp(context, &packet).await
            } else {
                self.ask_udp(context, &packet).await
            };
            match asked {
                Ok((seen, answer)) => self.judge(&seen, ours, answer),
                Err(finding) => finding,
            }
        })
    }
}

type Asked = Result<(Seen, io::Result<Vec<u8>>), Finding>;

impl Server {
    async fn ask_udp(&self, context: &Context, packet: &[u8]) -> Asked {
        let mut datagrams = self.endpoint.open_udp(context).await?;
        let answer = datagrams.ask(packet, MAX_PACKET, |_any| true).await;
        Ok((datagrams.seen(), answer))
    }

    /// Over TCP each packet has its length before it.
    async fn ask_tcp(&self, context: &Context, packet: &[u8]) -> Asked {
        let mut link = self.endpoint.open(context).await?;
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        let answer = async {
            link.send(&[&length.to_be_bytes(), packet].concat()).await?;
            let length = link.exactly(2).await?;
            let length = length.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
            if usize::from(length) > MAX_PACKET {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no OpenVPN"));
            }
            link.exactly(length.into()).await
        };
        let answer = answer.await;
        Ok((link.seen(), answer))
    }

    fn judge(&self, seen: &Seen, ours: Session, answer: io::Result<Vec<u8>>) -> Finding {
        let address = seen.address;
        let finding = match answer {
            Ok(answer) => {
                let opcode = answer.first().map(|first| u16::from(first >> 3));
                let finding = match check(&self.guarding, ours, &answer) {
                    Ok(()) => Finding::new(Status::Ok, format!("{address} answers as a server")),
                    Err(why) => Finding::new(Status::Critical, format!("{address}: {why}")),
                };
                finding.saw("opcode", opcode)
            }
            Err(error) => {
                let why = session::unanswered(&error);
                Finding::new(Status::Critical, format!("no answer from {address}: {why}"))
            }
        };
        self.endpoint.judge(seen, finding)
    }
}

#[cfg(test)]
mod tests;
