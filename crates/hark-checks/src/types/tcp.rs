//! A TCP port: it opens, and if asked says what is expected, over TLS if asked.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Status;
use hark_net::BoxFuture;

use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::link::{Link, Seen};
use crate::{Check, CheckType, Context, Given};

/// The check type `tcp`.
#[derive(Debug)]
pub(crate) struct Tcp;

const OWN_KEYS: &[Key] = &[
    Key::new("send", Kind::Text, "Text to send once connected."),
    Key::new("expect", Kind::Text, "Text that must come back."),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys(""), OWN_KEYS);

const OWN_FACTS: &[FactKey] =
    &[FactKey::new("answer", "what came back, where something was expected")];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults::stream(None);

/// Bound on what is read while waiting for the expected text.
const MAX_ANSWER: usize = 64 * 1024;

/// How much of the answer is shown.
const MAX_SHOWN: usize = 120;

impl CheckType for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn manual(&self) -> &'static str {
        "Connects to a port. Critical if the connection is refused or takes longer than the timeout, \
         if TLS fails (with `tls`), or if the text in `expect` does not come. Warning or critical by \
         the limits of the time and, with TLS, of the days that the certificate is still good. \
         Unknown if the name has no address."
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
        "address: mail.example.net\nport: 25\nexpect: \"220 \"\nwarning: 1s\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let send = section.opt_str("send").map(unescape);
        let expect = section.opt_str("expect").map(unescape);
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        Some(Box::new(Door { endpoint, send, expect }))
    }
}

/// Turns `\r`, `\n`, `\t` and `\\` into what they stand for: YAML does so only between double
/// quotes, and the command line not at all.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

#[derive(Debug)]
struct Door {
    endpoint: Endpoint,
    send: Option<String>,
    expect: Option<String>,
}

/// What came back.
#[derive(Debug)]
enum Answer {
    /// Nothing was expected.
    NotAsked,
    /// The expected text came, at the end of this.
    Matched(Vec<u8>),
    /// This came instead, and then the connection ended, the bound was reached, or time ran out.
    Other(Vec<u8>),
    /// Reading or writing failed.
    Failed(io::Error),
}

impl Check for Door {
    fn kind(&self) -> &'static str {
        "tcp"
    }

    fn target(&self) -> String {
        self.endpoint.target()
    }

    fn timeout(&self) -> Duration {
        self.endpoint.timeout
    }

    fn look<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Finding> {
        Box::pin(async {
            let mut link = match self.endpoint.open(context).await {
                Ok(link) => link,
                Err(finding) => return finding,
            };
            let answer = self.talk(&mut link).await;
            self.judge(&link.seen(), &answer)
        })
    }
}

impl Door {
    /// Sends what is to be sent and reads until the expected text has come.
    async fn talk(&self, link: &mut Link) -> Answer {
        if let Some(send) = &self.send
            && let Err(error) = link.send(send.as_bytes()).await
        {
            return Answer::Failed(error);
        }
        let Some(expect) = &self.expect else { return Answer::NotAsked };
        let found = read_until(link, expect.as_bytes()).await;
        let got = link.pending().to_vec();
        match found {
            Ok(true) => Answer::Matched(got),
            Err(error) if got.is_empty() && error.kind() != io::ErrorKind::TimedOut => {
                Answer::Failed(error)
            }
            Ok(false) | Err(_) => Answer::Other(got),
        }
    }

    fn judge(&self, seen: &Seen, answer: &Answer) -> Finding {
        let text = format!("{} is open", seen.address);
        let finding = match answer {
            Answer::NotAsked => Finding::new(Status::Ok, text),
            Answer::Matched(got) => {
                let text = format!("{text} and answers as expected");
                Finding::new(Status::Ok, text).saw("answer", String::from_utf8_lossy(got).as_ref())
            }
            Answer::Other(got) => {
                let text = format!("{text}, but {}", unexpected(got));
                Finding::new(Status::Critical, text)
                    .saw("answer", String::from_utf8_lossy(got).as_ref())
            }
            Answer::Failed(error) => {
                return self.endpoint.broken(seen, "the connection failed", error);
            }
        };
        self.endpoint.judge(seen, finding)
    }
}

/// Reads until `expect` is in what is pending; false if the stream ended or the bound was reached.
async fn read_until(link: &mut Link, expect: &[u8]) -> io::Result<bool> {
    // Where the expected text may begin: what was searched is not searched again.
    let mut from = 0;
    loop {
        if is_in(expect, link.pending().get(from..).unwrap_or_default()) {
            return Ok(true);
        }
        from = link.pending().len().saturating_sub(expect.len());
        if link.pending().len() >= MAX_ANSWER || link.more().await? == 0 {
            return Ok(false);
        }
    }
}

fn is_in(needle: &[u8], bytes: &[u8]) -> bool {
    needle.is_empty() || bytes.windows(needle.len()).any(|window| window == needle)
}

fn unexpected(got: &[u8]) -> String {
    if got.is_empty() {
        return "nothing came back".to_owned();
    }
    let start = got.get(..got.len().min(MAX_SHOWN)).unwrap_or_default();
    format!("this came back: {:?}", String::from_utf8_lossy(start))
}

#[cfg(test)]
mod tests;
