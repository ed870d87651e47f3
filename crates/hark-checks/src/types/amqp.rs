//! A message broker that speaks AMQP 0-9-1, such as RabbitMQ: it says who it is, and if asked lets us
//! in and says how full a queue is.

use std::io;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::sample::Unit;
use hark_model::{Secret, Status};
use hark_net::BoxFuture;

use self::wire::{MAX_FRAME, Method, Start};
use crate::endpoint::{self, Defaults, Endpoint, stream_keys};
use crate::facts::FactKey;
use crate::finding::{Finding, Measure};
use crate::frames::{During as _, Stop, foreign, message, unexpected};
use crate::keys::join;
use crate::link::Link;
use crate::{Check, CheckType, Context, Given};

mod wire;

/// The check type `amqp`.
#[derive(Debug)]
pub(crate) struct Amqp;

const OWN_KEYS: &[Key] = &[
    Key::new("user", Kind::Text, "User to log in as; without one the greeting is enough."),
    Key::new("password", Kind::Secret, "Password of that user."),
    Key::new("vhost", Kind::Text, "Virtual host to go to.").default("/"),
    Key::new("queue", Kind::Text, "Queue that must be there; its figures are facts."),
];

pub(crate) const KEYS: &[Key] = &join::<_, { OWN_KEYS.len() + 12 }>(&stream_keys("5672"), OWN_KEYS);

const OWN_FACTS: &[FactKey] = &[
    FactKey::new("product", "what the broker calls itself: `RabbitMQ`"),
    FactKey::new("version", "its version"),
    FactKey::new("cluster_name", "its cluster"),
    FactKey::new("mechanisms", "the ways to log in"),
    FactKey::new("messages", "messages in the queue that are ready"),
    FactKey::new("consumers", "those who read from the queue"),
];

const FACTS: &[FactKey] =
    &join::<_, { OWN_FACTS.len() + endpoint::FACTS.len() }>(OWN_FACTS, endpoint::FACTS);

const DEFAULTS: Defaults = Defaults { tls_port: Some(5671), ..Defaults::stream(Some(5672)) };

/// Longest text of a setting: what a short text of the protocol takes.
const MAX_TEXT: usize = 255;

/// Largest frame that we take: what is asked for is far smaller.
const MAX_WANTED: u32 = 64 * 1024;

/// Most frames that are read for one answer: heartbeats may come between.
const MAX_FRAMES: u32 = 16;

impl CheckType for Amqp {
    fn name(&self) -> &'static str {
        "amqp"
    }

    fn manual(&self) -> &'static str {
        "Reads the broker's greeting. With `user` it logs in and opens the virtual host, with \
         `queue` it also asks for that queue, without making one. Critical if there is no \
         connection, if the broker speaks another version, if login or virtual host are refused or \
         there is no such queue. `tls: true` is port 5671. A broker writes a line to its log when \
         a client leaves after the greeting; a login avoids it."
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
        "address: broker.example.net\nuser: watcher\npassword: not-this-one\nqueue: orders\n"
    }

    fn read(&self, section: &Section<'_>, given: Given<'_>) -> Option<Box<dyn Check>> {
        let user = section.parse("user", read_text);
        let password = section.opt_secret("password");
        let vhost = section.parse("vhost", read_text).unwrap_or_else(|| "/".to_owned());
        let queue = section.parse("queue", read_text);
        if section.has("user") != section.has("password") {
            section.error("user", "a user needs a `password`, and a password a `user`");
        }
        if section.has("queue") && !section.has("user") {
            section.error("queue", "a queue needs a `user`");
        }
        let endpoint = Endpoint::read(section, given, &DEFAULTS)?;
        Some(Box::new(Broker { endpoint, login: user.zip(password), vhost, queue }))
    }
}

fn read_text(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("at most {MAX_TEXT} bytes are possible"));
    }
    Ok(text.to_owned())
}

#[derive(Debug)]
struct Broker {
    endpoint: Endpoint,
    login: Option<(String, Secret)>,
    vhost: String,
    queue: Option<String>,
}

/// What was said.
#[derive(Debug, Default, PartialEq)]
struct Said {
    start: Start,
    /// Whether the virtual host was opened.
    is_in: bool,
    /// What it said against us.
    refused: Option<String>,
    /// Messages and consumers.
    queue: Option<(u32, u32)>,
}

impl Check for Broker {
    fn kind(&self) -> &'static str {
        "amqp"
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
                Ok(said) => self.endpoint.judge(&link.seen(), self.judge(&said)),
                Err(stop) => stop.finding(&self.endpoint, &link),
            }
        })
    }
}

impl Broker {
    async fn talk(&self, link: &mut Link) -> Result<Said, Stop> {
        link.send(wire::HEADER).await.during("no greeting")?;
        let mut said = Said::default();
        let answer = next(link).await.during("no greeting")?;
        let Method::Start(start) = answer else { return unexpected(&answer, "no greeting") };
        said.start = start;
        if let Some((user, password)) = &self.login {
            self.log_in(link, user, password, &mut said).await?;
            // Whether it hears the farewell is all the same.
            drop(link.send(&wire::close()).await);
        }
        Ok(said)
    }

    async fn log_in(
        &self,
        link: &mut Link,
        user: &str,
        password: &Secret,
        said: &mut Said,
    ) -> Result<(), Stop> {
        let login = wire::start_ok(user, password.expose());
        link.send(&login).await.during("no answer to the login")?;
        // Brokers that do not know our ability hang up instead of saying no.
        let answer = next(link).await.during("no answer to the login")?;
        let Method::Tune { channels, frame, .. } = answer else {
            return said.refuse(answer, "no answer to the login");
        };
        let frame = if frame == 0 { MAX_WANTED } else { frame.min(MAX_WANTED) };
        let parts = [wire::tune_ok(channels, frame), wire::open(&self.vhost)].concat();
        link.send(&parts).await.during("no virtual host")?;
        let answer = next(link).await.during("no virtual host")?;
        if answer != Method::Opened {
            return said.refuse(answer, "no virtual host");
        }
        said.is_in = true;
        let Some(queue) = &self.queue else { return Ok(()) };
        let parts = [wire::open_channel(), wire::look_at_queue(queue)].concat();
        link.send(&parts).await.during("no queue")?;
        let answer = next(link).await.during("no queue")?;
        if answer != Method::ChannelOpened {
            return said.refuse(answer, "no queue");
        }
        let answer = next(link).await.during("no queue")?;
        let Method::Queue { messages, consumers } = answer else {
            return said.refuse(answer, "no queue");
        };
        said.queue = Some((messages, consumers));
        Ok(())
    }

    fn judge(&self, said: &Said) -> Finding {
        let property = |name: &str| {
            let found = said.start.properties.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        let product = property("product").unwrap_or("an AMQP broker");
        let name = format!("{product} {}", property("version").unwrap_or_default());
        let name = name.trim_end();
        let mut finding = match said {
            Said { refused: Some(refused), .. } => {
                Finding::new(Status::Critical, format!("{name} refuses: {refused}"))
            }
            Said { queue: Some((messages, consumers)), .. } => {
                let text = format!("{name}, {messages} messages, {consumers} consumers");
                Finding::new(Status::Ok, text)
            }
            Said { is_in: true, .. } => {
                Finding::new(Status::Ok, format!("{name}, {} is open", self.vhost))
            }
            _ => Finding::new(Status::Ok, format!("{name} answers")),
        };
        if let Some((messages, consumers)) = said.queue {
            finding = finding
                .measured(Measure::new("messages", messages.into(), Unit::None))
                .measured(Measure::new("consumers", consumers.into(), Unit::None));
        }
        for fact in ["product", "version", "cluster_name"] {
            finding = finding.saw(fact, property(fact));
        }
        finding.saw("mechanisms", said.start.mechanisms.as_str())
    }
}

impl Said {
    /// Takes a refusal; anything else makes no sense here.
    fn refuse(&mut self, method: Method, doing: &'static str) -> Result<(), Stop> {
        let Method::Close { code, reason } = method else { return unexpected(&method, doing) };
        self.refused = Some(format!("{code} {reason}"));
        Ok(())
    }
}

/// Returns the next method; what comes between is passed over.
async fn next(link: &mut Link) -> io::Result<Method> {
    for _frame in 0..MAX_FRAMES {
        let method = message(link, MAX_FRAME + 8, wire::read).await?;
        if method != Method::Other {
            return Ok(method);
        }
    }
    Err(foreign("no answer among too many frames"))
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn judge(said: &Said) -> (Status, String) {
        let document = Document::single("address: 127.0.0.1\n");
        let root = document.root(&NoSecrets);
        let endpoint = Endpoint::read(&root, Given::default(), &DEFAULTS).unwrap();
        let broker = Broker { endpoint, login: None, vhost: "/shop".to_owned(), queue: None };
        let finding = broker.judge(said);
        (finding.status, finding.text)
    }

    #[test]
    fn a_broker_is_told_by_its_greeting() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let properties = vec![pair("product", "RabbitMQ"), pair("version", "3.10.8")];
        let start = Start { properties, mechanisms: "PLAIN".to_owned() };
        let (status, text) = judge(&Said { start, ..Said::default() });
        assert_eq!((status, &*text), (Status::Ok, "RabbitMQ 3.10.8 answers"));
        let (_, text) = judge(&Said { is_in: true, ..Said::default() });
        assert_eq!(text, "an AMQP broker, /shop is open");
    }

    #[test]
    fn refusals_are_critical_and_queues_have_figures() {
        let refused = Some("404 NOT_FOUND - no queue".to_owned());
        let (status, text) = judge(&Said { refused, ..Said::default() });
        assert_eq!(status, Status::Critical);
        assert_eq!(text, "an AMQP broker refuses: 404 NOT_FOUND - no queue");
        let (status, text) = judge(&Said { is_in: true, queue: Some((5, 2)), ..Said::default() });
        assert_eq!((status, &*text), (Status::Ok, "an AMQP broker, 5 messages, 2 consumers"));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        for (settings, why) in
            [("user: a", "a user needs a `password`"), ("queue: a", "a queue needs a `user`")]
        {
            let document = Document::single(&format!("address: 127.0.0.1\n{settings}\n"));
            drop(Amqp.read(&document.root(&NoSecrets), Given::default()));
            let errors = document.diagnostics().render(Style::Plain);
            assert!(errors.contains(why), "{settings}: {errors}");
        }
    }
}
