//! A message broker that speaks MQTT: it lets us in, and if asked brings our own message back.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Secret, Status};
use hark_net::{BoxFuture, Stopwatch};
use ring::rand::{SecureRandom as _, SystemRandom};

use self::wire::{DISCONNECT, MAX_PACKET, Packet, Version};
use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign, message, unexpected};
use crate::keys::join;
use crate::link::Link;
use crate::{Check, CheckType, Context, Given, octets};

mod wire;

/// The check type `mqtt`.
#[derive(Debug)]
pub(crate) struct Mqtt;

const OWN_KEYS: &[Key] = &[
    Key::new("version", Kind::OneOf(&["3.1.1", "5"]), "Version of MQTT.").default("3.1.1"),
    Key::new("user", Kind::Text, "User to log in as."),
    Key::new("password", Kind::Secret, "Password of that user."),
    Key::new("client", Kind::Text, "Name of this client; by default `hark-` and random letters."),
    Key::new(
        "topic",
        Kind::Text,
        "Topic that a message is sent to and must come back from; it is not kept.",
    ),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("1883"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("code", "the broker's answer to the login; 0 is welcome"),
    FactKey::new("round_trip_seconds", "time until the message was back"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults =
    Defaults { tls_port: Some(8883), alpn: &[b"mqtt"], ..Defaults::stream(Some(1883)) };

/// Longest text of a setting: what one field of a packet takes is 64 KiB, what brokers take is less.
const MAX_TEXT: usize = 1024;

/// Most packets that are read until the own message is back: others may write to the same topic.
const MAX_PACKETS: u32 = 1000;

impl CheckType for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn manual(&self) -> &'static str {
        "Logs in to a broker; with `topic` also subscribes to it, publishes a message and waits \
         until it is back. Critical if there is no connection, if the broker refuses the login or \
         the topic, or if the message does not come back. `tls: true` is port 8883. Nothing stays \
         at the broker: the session is clean, the message is not kept."
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
        "address: broker.example.net\nversion: '5'\ntopic: monitoring/hark\nwarning: 1s\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let version = section.word("version", Version::WORDS).unwrap_or_default();
        let user = section.parse("user", read_text);
        let password = section.opt_secret("password");
        if section.has("password") && !section.has("user") {
            section.error("password", "a password needs a `user`");
        }
        let client = section.parse("client", read_text);
        let topic = section.parse("topic", read_topic);
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        Some(Box::new(Broker { endpoint, version, user, password, client, topic }))
    }
}

fn read_text(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT || text.contains('\0') {
        return Err(format!("at most {MAX_TEXT} bytes are possible"));
    }
    Ok(text.to_owned())
}

fn read_topic(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['+', '#']) {
        return Err("a topic to write to has neither `+` nor `#`".to_owned());
    }
    read_text(text)
}

#[derive(Debug)]
struct Broker {
    endpoint: Endpoint,
    version: Version,
    user: Option<String>,
    password: Option<Secret>,
    client: Option<String>,
    topic: Option<String>,
}

/// How far it went.
#[derive(Debug, PartialEq)]
enum Said {
    /// It answered the login with this code.
    Login(u8),
    /// It refused the topic with this code.
    Topic(u8),
    /// The message was back after this time.
    Back(Duration),
    /// It ended the connection with this code.
    Ended(u8),
}

impl Check for Broker {
    fn kind(&self) -> &'static str {
        "mqtt"
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
            match self.talk(&mut link).await {
                Ok(said) => self.endpoint.judge(&link.seen(), judge(self.version, &said)),
                Err(stop) => stop.finding(&self.endpoint, &link),
            }
        })
    }
}

impl Broker {
    async fn talk(&self, link: &mut Link) -> Result<Said, Stop> {
        let word = random_word().during("no login")?;
        let client = self.client.clone().unwrap_or_else(|| format!("hark-{word}"));
        let password = self.password.as_ref().map(Secret::expose);
        let login = wire::connect(self.version, &client, self.user.as_deref(), password);
        link.send(&login).await.during("no answer to the login")?;
        let answer = self.next(link).await.during("no answer to the login")?;
        if let Packet::Disconnect { code } = answer {
            return Ok(Said::Ended(code));
        }
        let Packet::Connected { code } = answer else {
            return unexpected(&answer, "no answer to the login");
        };
        let said = match &self.topic {
            Some(topic) if code == 0 => self.round_trip(link, topic, word.as_bytes()).await?,
            _ => Said::Login(code),
        };
        // Whether it hears the farewell is all the same.
        drop(link.send(&DISCONNECT).await);
        Ok(said)
    }

    async fn next(&self, link: &mut Link) -> io::Result<Packet> {
        message(link, MAX_PACKET + 8, |bytes| wire::read(self.version, bytes)).await
    }

    async fn round_trip(&self, link: &mut Link, topic: &str, word: &[u8]) -> Result<Said, Stop> {
        let subscription = wire::subscribe(self.version, topic);
        link.send(&subscription).await.during("no answer to the subscription")?;
        let mut watch = None;
        for _packet in 0..MAX_PACKETS {
            let doing = match watch {
                None => "no answer to the subscription",
                Some(_) => "the message does not come back",
            };
            match self.next(link).await.during(doing)? {
                Packet::Subscribed { code } if code >= 0x80 => return Ok(Said::Topic(code)),
                Packet::Subscribed { .. } => {
                    watch = Some(Stopwatch::start());
                    let message = wire::publish(self.version, topic, word);
                    link.send(&message).await.during("no message could be sent")?;
                }
                Packet::Message { topic: theirs, payload }
                    if theirs == topic && payload == word =>
                {
                    return Ok(Said::Back(watch.map_or(Duration::ZERO, |mut watch| watch.lap())));
                }
                Packet::Disconnect { code } => return Ok(Said::Ended(code)),
                Packet::Message { .. } | Packet::Connected { .. } | Packet::Other => {}
            }
        }
        Err(foreign("too many other messages")).during("the message does not come back")
    }
}

fn judge(version: Version, said: &Said) -> Finding {
    let reason = |code: u8| wire::reason(version, code);
    let broker = format!("MQTT {}", version.word());
    match said {
        Said::Login(0) => {
            Finding::new(Status::Ok, format!("{broker}, logged in")).saw("code", 0_u16)
        }
        Said::Login(code) => {
            let text = format!("{broker}, the login is refused: {}", reason(*code));
            Finding::new(Status::Critical, text).saw("code", u16::from(*code))
        }
        Said::Topic(code) => {
            let text = format!("{broker}, the topic is refused: {}", reason(*code));
            Finding::new(Status::Critical, text).saw("code", 0_u16)
        }
        Said::Ended(code) => {
            let text = format!("{broker}, the broker ends the connection: {}", reason(*code));
            Finding::new(Status::Critical, text).saw("code", u16::from(*code))
        }
        Said::Back(took) => {
            let ms = took.as_secs_f64() * 1000.0;
            Finding::new(Status::Ok, format!("{broker}, the message was back after {ms:.1} ms"))
                .measured(Measure::seconds("round_trip_seconds", *took))
                .saw("code", 0_u16)
        }
    }
}

/// Returns letters and digits that nobody else has, of a length that old brokers take as a name.
fn random_word() -> io::Result<String> {
    let mut random = [0; 8];
    let filled = SystemRandom::new().fill(&mut random);
    filled.map_err(|_| io::Error::other("this machine has no random numbers"))?;
    Ok(octets::hex(&random))
}

#[cfg(test)]
mod tests;
