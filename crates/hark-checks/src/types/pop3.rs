//! A mailbox server of the older kind (POP3): it greets, says what it can, and takes a login if asked.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;

use crate::dialogue::Dialogue as _;
use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::{Check, CheckType, Context, Given, login, session};

mod talk;

pub(crate) use talk::{Order, Talk};

/// The check type `pop3`.
#[derive(Debug)]
pub(crate) struct Pop3;

const OWN_KEYS: &[Key] = &[
    Key::new("greeting", Kind::Text, "Text that the greeting must contain."),
    Key::new(
        "capabilities",
        Kind::OneOrMany(&Kind::Text),
        "Capabilities that must be offered, such as `UIDL`.",
    ),
];

const KEYS_OF_TYPE: &[Key] =
    &join::<_, { OWN_KEYS.len() + login::KEYS.len() }>(OWN_KEYS, &login::KEYS);

pub(crate) const KEYS: &[Key] =
    &join::<_, { KEYS_OF_TYPE.len() + 12 }>(&stream_keys("110"), KEYS_OF_TYPE);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("greeting", "text of the greeting"),
    FactKey::new("capabilities", "what the server can, in capital letters"),
    FactKey::new("messages", "how many messages wait, after a login"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults =
    Defaults { tls_port: Some(995), starttls: true, ..Defaults::stream(Some(110)) };

impl CheckType for Pop3 {
    fn name(&self) -> &'static str {
        "pop3"
    }

    fn manual(&self) -> &'static str {
        "Speaks with a mailbox server (POP3). It must greet and offer each of `capabilities`; with \
         `tls: starttls` agree on TLS, with `tls: true` speak it from the start, on port 995. With \
         `user` and `password` the login must be taken, and the messages that wait are counted; none \
         is fetched. Critical if anything of that fails or takes longer than the timeout. Warning or \
         critical by the limits of the time and, with TLS, of the days that the certificate is still \
         good. Unknown if the name has no address."
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
        "address: mail.example.net\n\
         tls: starttls\n\
         capabilities: [UIDL, TOP]\n\
         user: hark\n\
         password: correct horse\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let greeting = section.opt_str("greeting").map(str::to_owned);
        let capabilities = section.parse_many("capabilities", |text| match text.trim() {
            "" => Err("a capability is a word"),
            text => Ok(text.to_ascii_uppercase()),
        });
        let capabilities = capabilities.into_iter().map(|one| one.value).collect();
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let login = login::read(section, endpoint.mode);
        let starttls = session::starttls(&endpoint);
        let order = Order { greeting, starttls, capabilities, login };
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
        "pop3"
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
            let held = session::hold_lines(&self.endpoint, context, &mut talk).await;
            session::judge(&self.endpoint, held, (Status::Ok, talk.good()), talk.facts())
        })
    }
}
