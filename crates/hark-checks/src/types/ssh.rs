//! A server of remote logins (SSH): it introduces itself, shows its key, and proves that it holds it.
//!
//! The key exchange is our own, on `ring`: it ends before anything is encrypted, which leaves a few
//! packets. A crate for SSH would bring ciphers, logins and channels that are never used here.

use std::time::Duration;

use hark_conditions::Fact;
use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;
use ring::rand::SystemRandom;

use crate::dialogue::shown;
use crate::endpoint::{self, Defaults, Endpoint, plain_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::{Check, CheckType, Context, Given, session};

mod exchange;
mod key;
mod wire;

pub(crate) use exchange::Exchange;
use exchange::Identification;
use key::{HostKey, read_fingerprint};

/// The check type `ssh`.
#[derive(Debug)]
pub(crate) struct Ssh;

const OWN_KEYS: &[Key] = &[
    Key::new("software", Kind::Text, "Text that the server's name of itself must contain."),
    Key::new(
        "fingerprint",
        Kind::OneOrMany(&Kind::Text),
        "Fingerprint that the host key must have, as `ssh-keygen -l` writes it: `SHA256:…`. Of several, one.",
    ),
    Key::new(
        "key_type",
        Kind::OneOf(&["ed25519", "ecdsa", "rsa"]),
        "Kind of host key to ask for; by default the best that the server has.",
    ),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 6 }>(&plain_keys("22"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("protocol", "version of the protocol: `2.0`"),
    FactKey::new("software", "what the server calls itself: `OpenSSH_9.2p1 Debian-2`"),
    FactKey::new("fingerprint", "fingerprint of its key: `SHA256:…`"),
    FactKey::new("key_type", "kind of its key: `ssh-ed25519`"),
    FactKey::new("key_bits", "length of its key"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::plain(Some(22));

/// The words for kinds of host keys, and the algorithms that are asked for then.
const KINDS: &[(&str, &[&str])] = &[
    ("ed25519", &["ssh-ed25519"]),
    ("ecdsa", &["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"]),
    ("rsa", &["rsa-sha2-512", "rsa-sha2-256"]),
];

impl CheckType for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn manual(&self) -> &'static str {
        "Speaks with a server of remote logins (SSH) until it has shown its host key and proved that it \
         holds it; nobody logs in. Critical if it does not introduce itself with version 2 of the \
         protocol, if its name lacks `software`, if its key has none of the fingerprints, or if that \
         takes longer than the timeout. A server that has no key exchange or kind of host key in common \
         with hark is well as long as no `fingerprint` is set. Warning or critical by the limits of the \
         time. Unknown if the name has no address."
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
        "address: shell.example.net\n\
         fingerprint: SHA256:AXJpwFzPqTwVkjkPbFeYd+rCbLgfuL4QvZzQaYzM4bM\n\
         key_type: ed25519\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let software = section.opt_str("software").map(str::to_owned);
        let fingerprints = section.parse_many("fingerprint", read_fingerprint);
        let kinds = section.word("key_type", KINDS).unwrap_or_default();
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let fingerprints = fingerprints.into_iter().map(|one| one.value).collect();
        Some(Box::new(Server { endpoint, software, fingerprints, kinds }))
    }
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    software: Option<String>,
    fingerprints: Vec<String>,
    kinds: &'static [&'static str],
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        "ssh"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let random = SystemRandom::new();
            let mut exchange = Exchange::new(&random, self.kinds);
            let held = session::hold_bytes(&self.endpoint, context, &mut exchange).await;
            let identification = exchange.identification.clone().unwrap_or_default();
            let key = exchange.key.as_ref();
            let judged = self.judge(&identification, key, &exchange.in_common);
            session::judge(&self.endpoint, held, judged, facts(&identification, key))
        })
    }
}

fn facts(identification: &Identification, key: Option<&HostKey>) -> Vec<(&'static str, Fact)> {
    let known = |text: &str| (!text.is_empty()).then(|| shown(text));
    vec![
        ("protocol", known(&identification.protocol).into()),
        ("software", known(&identification.software).into()),
        ("fingerprint", key.map(|key| key.fingerprint.clone()).into()),
        ("key_type", key.map(|key| key.kind.clone()).into()),
        ("key_bits", key.and_then(|key| u32::try_from(key.bits).ok()).into()),
    ]
}

impl Server {
    /// Judges what a server has shown that spoke SSH as it should.
    fn judge(
        &self,
        identification: &Identification,
        key: Option<&HostKey>,
        in_common: &Result<(), String>,
    ) -> (Status, String) {
        let Identification { protocol, software } = identification;
        let named = format!("is {}", shown(software));
        if !matches!(protocol.as_str(), "2.0" | "1.99") {
            let text = format!("{named}, but speaks only version {} of SSH", shown(protocol));
            return (Status::Critical, text);
        }
        if let Some(wanted) = self.software.as_ref().filter(|wanted| !software.contains(*wanted)) {
            return (Status::Critical, format!("{named}, not {wanted}"));
        }
        let Some(key) = key else {
            let why = in_common.as_ref().err().map_or("it has shown no key", String::as_str);
            let status = if self.fingerprints.is_empty() { Status::Ok } else { Status::Critical };
            return (status, format!("{named}; {why}"));
        };
        let text = format!("{named}, {} {}", key.kind, key.fingerprint);
        if self.fingerprints.is_empty() || self.fingerprints.contains(&key.fingerprint) {
            return (Status::Ok, text);
        }
        (
            Status::Critical,
            format!("{text}, which is not the expected {}", self.fingerprints.join(" or ")),
        )
    }
}

#[cfg(test)]
mod tests;
