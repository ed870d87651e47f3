//! A server of telephony (SIP): it answers what it can, over UDP, TCP or TLS.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::dialogue::shown;
use crate::endpoint::{self, Defaults, Endpoint, TlsMode, stream_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::link::Seen;
use crate::session::{self, End};
use crate::stream::{Machine, Turn};
use crate::{Check, CheckType, Context, Given};

mod message;

use message::{Response, Transport, options, read};

/// The check type `sip`.
#[derive(Debug)]
pub(crate) struct Sip;

const OWN_KEYS: &[Key] = &[
    Key::new("transport", Kind::OneOf(&["udp", "tcp"]), "How to go there; TLS goes over TCP.")
        .default("udp"),
    Key::new("uri", Kind::Text, "What is asked about; by default `sip:` and `address`."),
    Key::new("status", Kind::OneOrMany(&Kind::Text), "Statuses that are ok: `200`, `200-299`.")
        .default("200-299"),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("5060"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("status", "status of the answer"),
    FactKey::new("reason", "the same in words of the server"),
    FactKey::new("server", "what the server calls itself"),
    FactKey::new("allow", "the methods that it knows"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults { tls_port: Some(5061), ..Defaults::stream(Some(5060)) };

/// Largest answer over UDP.
const MAX_DATAGRAM: usize = 64 * 1024;

/// The words for the way, and whether it is a stream.
const WAYS: &[(&str, bool)] = &[("udp", false), ("tcp", true)];

impl CheckType for Sip {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn manual(&self) -> &'static str {
        "Asks a server of telephony for its options (`OPTIONS`), over UDP, TCP, or with `tls: true` TLS on \
         port 5061. Over UDP the question is sent up to three times. Critical if no final answer comes \
         within the timeout, or one whose status is not in `status`: some servers answer 401 or 404 to \
         strangers and are well. Warning or critical by the limits of the time and, with TLS, of the days \
         that the certificate is still good. Unknown if the name has no address."
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
        "address: sip.example.net\n\
         transport: tcp\n\
         uri: sip:hark@example.net\n\
         status: [200-299, 404]\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let way = section.word("transport", WAYS);
        let uri = section.parse("uri", read_uri);
        let statuses = section.parse_many("status", Statuses::read);
        let mut statuses: Vec<Statuses> = statuses.into_iter().map(|one| one.value).collect();
        if statuses.is_empty() {
            statuses.push(Statuses(200, 299));
        }
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let transport = match (endpoint.mode, way) {
            (TlsMode::Off, Some(true)) => Transport::Tcp,
            (TlsMode::Off, _) => Transport::Udp,
            (TlsMode::Direct | TlsMode::StartTls, way) => {
                if way == Some(false) {
                    section.error("transport", "TLS goes over TCP");
                }
                Transport::Tls
            }
        };
        let uri = uri.unwrap_or_else(|| default_uri(&endpoint, transport));
        Some(Box::new(Exchange { endpoint, transport, uri, statuses }))
    }
}

/// Writes whom to ask about: numbers of IPv6 stand in brackets.
fn default_uri(endpoint: &Endpoint, transport: Transport) -> String {
    let scheme = if transport == Transport::Tls { "sips" } else { "sip" };
    let host = &endpoint.address;
    if host.contains(':') && !host.starts_with('[') {
        return format!("{scheme}:[{host}]");
    }
    format!("{scheme}:{host}")
}

fn read_uri(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix("sips:").or_else(|| text.strip_prefix("sip:"));
    let is_fine = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"');
    match bare {
        Some(bare) if !bare.is_empty() && bare.chars().all(is_fine) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no address such as `sip:hark@example.net`")),
    }
}

/// Statuses from one number to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses(u16, u16);

impl Statuses {
    fn read(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first @ 200..=699), Ok(last @ 200..=699)) if first <= last => Ok(Self(first, last)),
            _ => Err(format!("`{text}` is not a final status such as 200, nor a range of them")),
        }
    }
}

#[derive(Debug)]
struct Exchange {
    endpoint: Endpoint,
    transport: Transport,
    uri: String,
    statuses: Vec<Statuses>,
}

impl Check for Exchange {
    fn kind(&self) -> &'static str {
        "sip"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let Some(mark) = mark() else {
                return Finding::new(Status::Unknown, "this machine has no random numbers");
            };
            let question = options(&self.uri, self.transport, &mark);
            if self.transport == Transport::Udp {
                return self.ask(context, &question, &mark).await;
            }
            let mut asked = Asked { question, mark: &mark, pending: Vec::new(), answer: None };
            let held = session::hold_bytes(&self.endpoint, context, &mut asked).await;
            match (held, asked.answer) {
                (Ok((seen, End::Parted)), Some(answer)) => self.judge(&seen, &answer),
                (held, _) => session::judge(
                    &self.endpoint,
                    held,
                    (Status::Critical, String::new()),
                    Vec::new(),
                ),
            }
        })
    }
}

impl Exchange {
    async fn ask(&self, context: &Context, question: &str, mark: &str) -> Finding {
        let mut datagrams = match self.endpoint.open_udp(context).await {
            Ok(datagrams) => datagrams,
            Err(finding) => return finding,
        };
        let is_ours = |bytes: &[u8]| {
            // What is no SIP at all is shown as a wrong answer instead of being waited out.
            read(bytes).map_or(true, |read| read.is_some_and(|(one, _)| one.is_final_of(mark)))
        };
        let answer = datagrams.ask(question.as_bytes(), MAX_DATAGRAM, is_ours).await;
        let seen = datagrams.seen();
        match answer.map(|bytes| read(&bytes)) {
            Ok(Ok(Some((response, _)))) => self.judge(&seen, &response),
            Ok(Ok(None)) => self.no_answer(&seen, "it is cut off"),
            Ok(Err(why)) => self.no_answer(&seen, &why),
            Err(error) => self.no_answer(&seen, &session::unanswered(&error)),
        }
    }

    fn no_answer(&self, seen: &Seen, why: &str) -> Finding {
        let text = format!("no answer from {}: {why}", seen.address);
        self.endpoint.judge(seen, Finding::new(Status::Critical, text))
    }

    fn judge(&self, seen: &Seen, response: &Response) -> Finding {
        let Response { code, reason, server, allow, .. } = response;
        let good = self.statuses.iter().any(|range| (range.0..=range.1).contains(code));
        let status = if good { Status::Ok } else { Status::Critical };
        let text = format!("{} answers {code} {}", seen.address, shown(reason));
        let finding = Finding::new(status, text)
            .saw("status", *code)
            .saw("reason", shown(reason))
            .saw("server", server.as_deref().map(shown))
            .saw("allow", allow.clone());
        self.endpoint.judge(seen, finding)
    }
}

/// Makes what marks a question as ours.
fn mark() -> Option<String> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{:016x}", u64::from_be_bytes(bytes)))
}

/// The question over a stream, as a machine.
#[derive(Debug)]
struct Asked<'a> {
    question: String,
    mark: &'a str,
    pending: Vec<u8>,
    answer: Option<Response>,
}

impl Machine for Asked<'_> {
    fn begin(&mut self) -> Turn {
        Turn::Say(self.question.clone().into_bytes())
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<Turn, String> {
        self.pending.extend_from_slice(bytes);
        while let Some((response, n)) = read(&self.pending)? {
            self.pending.drain(..n);
            if response.is_final_of(self.mark) {
                self.answer = Some(response);
                return Ok(Turn::Part(Vec::new()));
            }
        }
        Ok(Turn::Hear)
    }

    fn secured(&mut self) -> Turn {
        Turn::Hear
    }
}

#[cfg(test)]
mod tests;
