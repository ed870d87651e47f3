//! Messages to people and rooms over XMPP (Jabber).
//!
//! The libraries of the XMPP project are under a licence that is not among those taken here, and bring a
//! hundred crates; XML is read by `quick-xml`, and what remains of the protocol for sending, a login,
//! a room to be entered and a message, is small enough to stand here (`stream`, `talk`).
//!
//! Each delivery is a session of its own, without presence: nobody sees hark come and go, but for a
//! moment in a room. XMPP confirms nothing to a sender, but a server handles what it hears in order: so
//! a question is asked after the messages, and whoever has not been refused by its answer is told. In a
//! room the message's own echo confirms it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{HostName, Notification};
use hark_net::{Guard, Tls, Trust};
use tokio::net::TcpStream;

use self::talk::{Account, Message, Refusal, Security, Talk};
use crate::deadline::{Deadline, read_timeout};
use crate::digest;
use crate::error::{Again, Doing, SendError};
use crate::reach::connect;
use crate::render::{self, Template, read_template};
use crate::served::{Outcomes, Served};
use crate::trace::Asked;
use crate::{Context, Delivered, Pending, Receiver, ReceiverType};

mod stream;
mod talk;

/// The receiver type `xmpp`.
#[derive(Debug)]
pub(crate) struct Xmpp;

const SECURITY: &[(&str, Security)] = &[("starttls", Security::StartTls), ("tls", Security::Tls)];

pub(crate) const KEYS: &[Key] = &[
    Key::new("jid", Kind::Text, "Our own address, such as `hark@example.net`.").required(),
    Key::new("password", Kind::Secret, "Password of that address.").required(),
    Key::new(
        "to",
        Kind::OneOrMany(&Kind::Text),
        "People who get the messages: `mira@example.net`.",
    ),
    Key::new(
        "rooms",
        Kind::OneOrMany(&Kind::Text),
        "Rooms that get the messages: `ops@rooms.example.net`.",
    ),
    Key::new("nick", Kind::Text, "Our name in rooms.").default("hark"),
    Key::new(
        "server",
        Kind::Text,
        "Name or address of our server; by default what SRV says of the domain of `jid`, or that itself.",
    ),
    Key::new(
        "port",
        Kind::Integer,
        "Its port; by default what SRV says, or 5222, and 5223 for `tls`.",
    ),
    Key::new("security", Kind::OneOf(&["starttls", "tls"]), "How the connection is protected.")
        .default("starttls"),
    Key::new(
        "template",
        Kind::Text,
        "Template of the text; by default summary, detail and the facts one a line.",
    ),
    Key::new(
        "ca_file",
        Kind::Text,
        "PEM file of the authorities to trust instead of the system's.",
    ),
    Key::new("insecure", Kind::Bool, "Accept any certificate. The page shows that.")
        .default("false"),
    Key::new("timeout", Kind::Duration, "Time for one delivery, all steps together.")
        .default("20s"),
];

const TIMEOUT: Duration = Duration::from_secs(20);

/// Most people and rooms of one receiver: each is entered and told within one delivery.
const MAX_RECIPIENTS: usize = 50;

/// Most servers of a domain that are tried within one delivery: each has a share of its time.
const MAX_SERVERS: usize = 5;

/// Longest address (RFC 7622).
const MAX_ADDRESS: usize = 3071;

/// Digits of a message's name: enough that no two messages meet.
const NAME_DIGITS: usize = 32;

impl ReceiverType for Xmpp {
    fn name(&self) -> &'static str {
        "xmpp"
    }

    fn manual(&self) -> &'static str {
        "Sends messages to people and rooms over XMPP (Jabber), with an address and password of its \
         own at your server. The connection is always encrypted, the log-in is SCRAM-SHA-256, \
         SCRAM-SHA-1 or PLAIN, whichever the server offers first in this order. All messages about \
         one incident have the same thread; the text says how bad it is and when it is over. The \
         server is the one that the address's domain names by SRV (`_xmpp-client._tcp`, for `tls` \
         `_xmpps-client._tcp`), else the domain itself, or `server` and `port` if one of them is there. \
         Whoever the server refuses for good is shown, and the others get the message; whoever it \
         puts off is tried again for a day, as is everybody while the server is away or refuses the \
         log-in."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "jid: hark@example.net\n\
         password: correct-horse\n\
         to: [mira@example.net]\n\
         rooms: [ops@rooms.example.net]\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("jid");
        section.required("password");
        let jid = section.parse("jid", |text| {
            let (user, domain) = read_address(text)?;
            Ok::<_, String>((user, domain, text.to_owned()))
        });
        let password = section.opt_secret("password");
        let security = section.word("security", SECURITY).unwrap_or(Security::StartTls);
        let default_port = if security == Security::Tls { 5223 } else { 5222 };
        let port = section.u64("port", default_port, 1..=65535);
        let server = section.parse("server", HostName::new).map(|name| name.to_string());
        let people = read_addresses(section, "to");
        let rooms = read_addresses(section, "rooms");
        let nick = section.parse("nick", |text| match text {
            "" => Err("a name is expected"),
            _ => Ok(text.to_owned()),
        });
        let template = read_template(section, "template");
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        let timeout = read_timeout(section, "timeout", TIMEOUT);
        if !section.has("to") && !section.has("rooms") {
            let what = "nobody would get the messages";
            section.error("jid", what).hint("add `to` or `rooms`");
        }
        let n_recipients = people.len() + rooms.len();
        if n_recipients > MAX_RECIPIENTS {
            let what =
                format!("at most {MAX_RECIPIENTS} people and rooms, these are {n_recipients}");
            section.error("jid", what).hint("let people join a room");
        }
        let (user, domain, _) = jid?;
        let is_fixed = section.has("server") || section.has("port");
        Some(Box::new(Messenger {
            is_fixed,
            server: server.unwrap_or_else(|| domain.clone()),
            port: u16::try_from(port).unwrap_or(5222),
            account: Account {
                user,
                domain,
                password: password?.into(),
                security,
                tls: Tls::new(trust),
            },
            people,
            rooms,
            nick: nick.unwrap_or_else(|| "hark".to_owned()),
            template,
            timeout,
            served: Served::default(),
            first_room: AtomicUsize::new(0),
        }))
    }
}

/// Reads an address without a resource: `USER@DOMAIN`.
fn read_address(text: &str) -> Result<(String, String), String> {
    let is_address = |c: char| !c.is_whitespace() && !c.is_control() && !"\"&'/:<>@".contains(c);
    match text.split_once('@') {
        Some((user, domain))
            if !user.is_empty()
                && text.len() <= MAX_ADDRESS
                && user.chars().chain(domain.chars()).all(is_address) =>
        {
            let domain = HostName::new(domain).map_err(|error| error.to_string())?;
            Ok((user.to_owned(), domain.to_string()))
        }
        Some(_) | None => Err("an address is `NAME@DOMAIN`".to_owned()),
    }
}

fn read_addresses(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let read = |text: &str| read_address(text).map(|(user, domain)| format!("{user}@{domain}"));
    let addresses = section.parse_many(key, read).into_iter().map(|address| address.value);
    let addresses: BTreeSet<String> = addresses.collect();
    addresses.into_iter().collect()
}

/// One configured receiver.
#[derive(Debug)]
struct Messenger {
    /// Server and port are what somebody wrote: nobody else is asked.
    is_fixed: bool,
    server: String,
    port: u16,
    account: Account,
    people: Vec<String>,
    rooms: Vec<String>,
    nick: String,
    template: Option<Template>,
    timeout: Duration,
    served: Served,
    /// The room that is told first.
    first_room: AtomicUsize,
}

impl Receiver for Messenger {
    fn target(&self) -> String {
        let all: Vec<&str> = self.people.iter().chain(&self.rooms).map(String::as_str).collect();
        all.join(", ")
    }

    fn warnings(&self) -> Vec<String> {
        let unverified = *self.account.tls.trust() == Trust::Anybody;
        unverified.then(|| "the certificate is not verified".to_owned()).into_iter().collect()
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(self.deliver(notification, context))
    }
}

impl Messenger {
    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let text = match &self.template {
            Some(template) => template.fill(n, context)?,
            None => render::long_text(n, &context.page),
        };
        let name: String = digest::sha256(&n.key).chars().take(NAME_DIGITS).collect();
        let thread = render::thread(n);
        let message = Message { name: &name, thread: &thread, text: text.trim_end() };
        let question = context.trace.ask(|| Asked {
            line: format!("message to {} at {}:{}", self.target(), self.server, self.port),
            headers: Vec::new(),
            body: message.text.to_owned(),
        });
        let result = self.tell(n, &message, context).await;
        context.trace.ended(question, "", &result);
        result
    }

    async fn tell(
        &self,
        n: &Notification,
        message: &Message<'_>,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let deadline = Deadline::start(self.timeout);
        let stream = self.reach(context, deadline).await?;
        let mut talk = Talk::begin(stream, &self.account, deadline).await?;

        let missing = |all: &[String]| -> Vec<String> {
            all.iter().filter(|to| !self.served.has(&n.key, to)).cloned().collect()
        };
        let mut outcomes = Outcomes::default();
        let people = missing(&self.people);
        let refused = talk.tell_people(&people, message).await?;
        for to in &people {
            let refusal = refused.iter().find(|refusal| refusal.recipient == *to);
            outcomes.note(to, outcome(refusal));
        }
        self.tell_rooms(missing(&self.rooms), message, &mut talk, &mut outcomes).await;
        talk.end().await;
        self.served.judge(&n.key, outcomes)
    }

    /// Connects to the first server that answers, of those that the domain names for the service, or to the
    /// domain itself if it names none (RFC 6120, 3.2). What name servers cannot say now is no reason not to
    /// try the latter.
    async fn reach(&self, context: &Context, deadline: Deadline) -> Result<TcpStream, SendError> {
        let mut servers = Vec::new();
        if !self.is_fixed {
            let service = match self.account.security {
                Security::StartTls => "_xmpp-client._tcp",
                Security::Tls => "_xmpps-client._tcp",
            };
            let name = format!("{service}.{}", self.account.domain);
            let found = deadline.within(Doing::Resolving, context.resolve.services(&name)).await?;
            servers = found.unwrap_or_default();
            servers.truncate(MAX_SERVERS);
        }
        let mut last = None;
        for (place, server) in servers.iter().enumerate() {
            // One that swallows everything leaves the others their share of the time.
            let share = u32::try_from(servers.len() - place).unwrap_or(1).max(1);
            let part = Deadline::start(deadline.left() / share);
            match connect(context, &server.target, server.port, Guard::Open, part).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) => Err(error),
            None => connect(context, &self.server, self.port, Guard::Open, deadline).await,
        }
    }

    /// Tells rooms one after the other. What is lost at one of them is lost for those behind it alone: who
    /// was told before must not be told again.
    async fn tell_rooms(
        &self,
        mut rooms: Vec<String>,
        message: &Message<'_>,
        talk: &mut Talk,
        outcomes: &mut Outcomes,
    ) {
        // A room that does not answer would else keep those behind it waiting at each try.
        let n_rooms = rooms.len().max(1);
        rooms.rotate_left(self.first_room.load(Ordering::Relaxed) % n_rooms);
        let mut rooms = rooms.into_iter();
        for room in rooms.by_ref() {
            match talk.tell_room(&room, &self.nick, message).await {
                Ok(refusal) => outcomes.note(&room, outcome(refusal.as_ref())),
                Err(error) => {
                    outcomes.note(&room, Err(error));
                    self.first_room.fetch_add(1, Ordering::Relaxed);
                    break;
                }
            }
        }
        for room in rooms {
            let what = "the session had ended before".to_owned();
            outcomes.note(&room, Err(SendError::Program { what, again: Again::Later }));
        }
    }
}

fn outcome(refusal: Option<&Refusal>) -> Result<Delivered, SendError> {
    match refusal {
        None => {
            let text = "taken by the server".to_owned();
            Ok(Delivered { text, ..Delivered::default() })
        }
        Some(Refusal { text, is_temporary, .. }) => {
            let again = if *is_temporary { Again::Later } else { Again::Never };
            Err(SendError::Program { what: text.clone(), again })
        }
    }
}

#[cfg(test)]
mod tests;
