//! A UDP port: it answers what is sent, as expected.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;

use crate::endpoint::{self, Defaults, Endpoint, plain_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::session::unanswered;
use crate::{Check, CheckType, Context, Given, octets};

/// The check type `udp`.
#[derive(Debug)]
pub(crate) struct Udp;

const OWN_KEYS: &[Key] = &[
    Key::new(
        "send",
        Kind::Text,
        "Text to send; `\\r`, `\\n`, `\\t`, `\\\\` and `\\x41` stand for bytes.",
    )
    .required(),
    Key::new(
        "expect",
        Kind::Text,
        "Text that must come back, written in the same way; without it any answer is good.",
    ),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 6 }>(&plain_keys(""), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("answer", "what came back, as text"),
    FactKey::new("answer_hex", "what came back, as hexadecimal digits"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::plain(None);

/// Bound on an answer: the largest datagram there is.
const MAX_ANSWER: usize = 65_507;

/// How much of the answer is shown and kept as a fact.
const MAX_SHOWN: usize = 120;

impl CheckType for Udp {
    fn name(&self) -> &'static str {
        "udp"
    }

    fn manual(&self) -> &'static str {
        "Sends a datagram, again at a third and two thirds of the timeout if nothing comes. Critical \
         if nothing comes back, if the port is closed, or if what comes does not contain `expect`. \
         Warning or critical by the limits of the time. Unknown if the name has no address."
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
        "address: vpn.example.net\nport: 1194\nsend: '8\\x01\\x01\\x01\\x01\\x01\\x01\\x01B'\nexpect: '@'\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        section.required("send");
        let send = section.parse("send", unescape);
        let expect = section.parse("expect", unescape);
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        Some(Box::new(Port { endpoint, send: send?, expect }))
    }
}

/// Turns `\x41` and its like into the bytes that they stand for.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let mut chars = after.chars();
        let byte = match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits = after.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
                chars.nth(1);
                digits.ok_or("after `\\x` two hexadecimal digits are expected")?
            }
            _ => return Err("after `\\` one of r, n, t, 0, x and \\ is expected".to_owned()),
        };
        out.push(byte);
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

#[derive(Debug)]
struct Port {
    endpoint: Endpoint,
    send: Vec<u8>,
    expect: Option<Vec<u8>>,
}

impl Check for Port {
    fn kind(&self) -> &'static str {
        "udp"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut link = match self.endpoint.open_udp(context).await {
                Ok(link) => link,
                Err(finding) => return finding,
            };
            match link.ask(&self.send, MAX_ANSWER, |_any| true).await {
                Ok(answer) => self.endpoint.judge(&link.seen(), self.judge(&answer)),
                Err(error) => {
                    let why = unanswered(&error);
                    let text = format!("no answer from {}: {why}", link.address());
                    self.endpoint.judge(&link.seen(), Finding::new(Status::Critical, text))
                }
            }
        })
    }
}

impl Port {
    fn judge(&self, answer: &[u8]) -> Finding {
        let start = answer.get(..answer.len().min(MAX_SHOWN)).unwrap_or_default();
        let shown = octets::text(start);
        let expected = self.expect.as_deref().is_none_or(|expect| {
            expect.is_empty() || answer.windows(expect.len()).any(|window| window == expect)
        });
        let finding = if expected {
            Finding::new(Status::Ok, format!("{} bytes came back", answer.len()))
        } else {
            Finding::new(Status::Critical, format!("this came back: {shown:?}"))
        };
        finding.saw("answer", shown).saw("answer_hex", octets::hex(start))
    }
}

#[cfg(test)]
mod tests;
