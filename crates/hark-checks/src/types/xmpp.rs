//! A server of instant messages (XMPP, Jabber): it opens a stream and says what it offers.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{HostName, Status};
use hark_net::BoxFuture;

use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::{Check, CheckType, Context, Given, session};

mod talk;

use talk::Role;
pub(crate) use talk::{Order, Talk};

/// The check type `xmpp`.
#[derive(Debug)]
pub(crate) struct Xmpp;

const OWN_KEYS: &[Key] = &[
    Key::new(
        "domain",
        Kind::Text,
        "Name that the server answers for; without one `address` is tried, and need not be known.",
    ),
    Key::new(
        "role",
        Kind::OneOf(&["client", "server"]),
        "Whether hark comes as a person's program or as another server, whose port is 5269.",
    )
    .default("client"),
    Key::new(
        "mechanisms",
        Kind::OneOrMany(&Kind::Text),
        "Mechanisms of login that must be offered, such as `SCRAM-SHA-1`.",
    ),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("5222"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("from", "whom the server says it is"),
    FactKey::new("features", "what it offers, such as `starttls`, `mechanisms`"),
    FactKey::new("mechanisms", "its mechanisms of login"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults =
    Defaults { tls_port: Some(5223), starttls: true, ..Defaults::stream(Some(5222)) };

impl CheckType for Xmpp {
    fn name(&self) -> &'static str {
        "xmpp"
    }

    fn manual(&self) -> &'static str {
        "Speaks with a server of instant messages (XMPP, Jabber). It must open a stream for `domain` and \
         say what it offers, each of `mechanisms` among it; with `tls: starttls` offer TLS and agree on \
         it, with `tls: true` speak it from the start, on port 5223. The certificate must be for \
         `tls_name`, or else for `domain`. Nobody logs in. Critical if anything of that fails or takes \
         longer than the timeout. Warning or critical by the limits of the time and, with TLS, of the \
         days that the certificate is still good. Unknown if the name has no address."
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
        "address: xmpp.example.net\n\
         domain: example.net\n\
         tls: starttls\n\
         mechanisms: [SCRAM-SHA-1]\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let domain = section.parse("domain", HostName::new).map(|name| name.to_string());
        let role = section.word("role", Role::WORDS).unwrap_or_default();
        let mechanisms = section.parse_many("mechanisms", |text| match text.trim() {
            "" => Err("a mechanism is a word"),
            text => Ok(text.to_ascii_uppercase()),
        });
        let mut endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        if let Some(domain) = domain.as_ref().filter(|_| !section.has("tls_name")) {
            // The certificate of a stream is for the domain, whichever machine serves it (RFC 6120, 13.7).
            endpoint.tls_name.clone_from(domain);
        }
        let order = Order {
            is_named: domain.is_some(),
            domain: domain.unwrap_or_else(|| endpoint.address.clone()),
            role,
            starttls: session::starttls(&endpoint),
            mechanisms: mechanisms.into_iter().map(|one| one.value).collect(),
        };
        Some(Box::new(Server { endpoint, order }))
    }
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    order: Order,
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        "xmpp"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut talk = Talk::new(&self.order);
            let held = session::hold_bytes(&self.endpoint, context, &mut talk).await;
            let good = format!("opens a stream for {}", self.order.domain);
            session::judge(&self.endpoint, held, (Status::Ok, good), talk.facts())
        })
    }
}
