//! A mail server: it greets, takes our name, and answers what it is told as expected, over TLS if asked.

use std::time::Duration;

use hark_config::{Key, Kind, Section, Value};
use hark_model::Status;
use hark_net::BoxFuture;

use crate::dialogue::Dialogue as _;
use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::Finding;
use crate::keys::join;
use crate::pattern::read_regex;
use crate::{Check, CheckType, Context, Given, session};

mod talk;

use talk::Command;
pub(crate) use talk::{Order, Talk};

/// The check type `smtp`.
#[derive(Debug)]
pub(crate) struct Smtp;

const COMMAND_KEYS: &[Key] = &[
    Key::new("send", Kind::Text, "The command.").required(),
    Key::new(
        "expect",
        Kind::Text,
        "Regular expression that must be found in the answer; else the answer must not be an error.",
    ),
];

const OWN_KEYS: &[Key] = &[
    Key::new("greeting", Kind::Text, "Text that the greeting must contain."),
    Key::new("helo", Kind::Text, "Name that hark gives itself.").default(HELO),
    Key::new(
        "from",
        Kind::Text,
        "Sender that must be taken (`MAIL FROM`); empty for that of bounces.",
    ),
    Key::new(
        "commands",
        Kind::OneOrMany(&Kind::Either(&[Kind::Text, Kind::Section(COMMAND_KEYS)])),
        "Commands to give then, each alone or with the answer that is expected.",
    ),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("25"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("greeting", "first line of the greeting"),
    FactKey::new("extensions", "what the server offers, such as `STARTTLS`, `SIZE 10240000`"),
    FactKey::new("answer", "answer to the last command"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults =
    Defaults { tls_port: Some(465), starttls: true, ..Defaults::stream(Some(25)) };

/// The name where none is set: it has a dot, which many servers want, and pretends to be nobody.
const HELO: &str = "localhost.localdomain";

/// Longest command (RFC 5321, 4.5.3.1.4), without the end of the line.
const MAX_COMMAND: usize = 510;

/// Most commands of one check: beyond it one would write a plugin.
const MAX_COMMANDS: usize = 50;

impl CheckType for Smtp {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn manual(&self) -> &'static str {
        "Speaks with a mail server. It must greet with 220 and take our name; with `tls: starttls` offer \
         TLS and agree on it, with `tls: true` speak it from the start, on port 465. Then `from` must be \
         taken as a sender and each of `commands` answered as expected. Critical if anything of that \
         fails or takes longer than the timeout. No mail is sent. Warning or critical by the limits of \
         the time and, with TLS, of the days that the certificate is still good. Unknown if the name has \
         no address."
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
         from: hark@example.net\n\
         commands:\n\
         - {send: 'RCPT TO:<postmaster@example.net>', expect: '^250'}\n\
         - RSET\n\
         warning: 1s\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let helo = section.parse("helo", read_word).unwrap_or_else(|| HELO.to_owned());
        let from = section.parse("from", read_sender);
        let greeting = section.opt_str("greeting").map(str::to_owned);
        let commands = section.one_or_many("commands");
        if commands.len() > MAX_COMMANDS {
            section.error("commands", format!("at most {MAX_COMMANDS} are possible"));
        }
        let commands = commands.iter().filter_map(read_command).collect();
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        let starttls = session::starttls(&endpoint);
        let order = Order { greeting, helo, starttls, from, commands };
        Some(Box::new(Server { endpoint, order }))
    }
}

fn read_word(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_graphic();
    if text.is_empty() || !text.chars().all(is_fine) {
        return Err("must be one word of ASCII".to_owned());
    }
    Ok(text.to_owned())
}

fn read_sender(text: &str) -> Result<String, String> {
    let bare = text.trim().trim_start_matches('<').trim_end_matches('>');
    if bare.chars().any(|c| c.is_control() || matches!(c, ' ' | '<' | '>')) {
        return Err(format!("`{text}` is no address such as `hark@example.net`"));
    }
    Ok(bare.to_owned())
}

fn read_line(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_COMMAND || text.chars().any(char::is_control) {
        return Err(format!("a command is one line of at most {MAX_COMMAND} bytes"));
    }
    Ok(text.to_owned())
}

fn read_command(value: &Value<'_>) -> Option<Command> {
    if !value.is_map() {
        return Some(Command { say: value.parse(read_line)?, answer: None });
    }
    let section = value.section()?;
    section.finish(COMMAND_KEYS);
    section.required("send");
    let answer = section.parse("expect", read_regex);
    Some(Command { say: section.parse("send", read_line)?, answer })
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    order: Order,
}

impl Check for Server {
    fn kind(&self) -> &'static str {
        "smtp"
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

#[cfg(test)]
mod tests;
