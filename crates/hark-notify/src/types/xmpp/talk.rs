//! One session: encrypted, logged in, and what is said in it.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hark_net::Tls;
use hark_net::scram::{Hash, Login, Password};
use quick_xml::escape::escape;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::stream::{Element, Stream};
use crate::deadline::Deadline;
use crate::error::{Again, Doing, SendError, one_line};
use crate::reach::secure;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    StartTls,
    Tls,
}

/// Who we are, and at which server.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) password: Password,
    pub(super) security: Security,
    pub(super) tls: Tls,
}

/// What is said to everybody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// The same at each try, so that a second copy can be known.
    pub(super) name: &'a str,
    pub(super) thread: &'a str,
    pub(super) text: &'a str,
}

/// Somebody who was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) recipient: String,
    pub(super) text: String,
    /// Whether it may be tried again.
    pub(super) is_temporary: bool,
}

/// Bound on what is kept of a server's words.
const MAX_WORDS: usize = 300;

/// Most elements that are passed over until the one that is waited for: what the members of a room are,
/// and what others say meanwhile. Bytes are bounded besides.
const MAX_PASSED: usize = 20_000;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// One session, logged in.
pub(super) struct Talk {
    stream: Stream<TlsStream<TcpStream>>,
    deadline: Deadline,
    asked: u32,
}

impl Talk {
    /// Encrypts the connection and logs in.
    pub(super) async fn begin(
        stream: TcpStream,
        account: &Account,
        deadline: Deadline,
    ) -> Result<Self, SendError> {
        let domain = &account.domain;
        let stream = match account.security {
            Security::Tls => stream,
            Security::StartTls => starttls(stream, domain, deadline).await?,
        };
        let stream = secure(&account.tls, stream, domain, deadline).await?;
        let opening = Stream::open(stream, domain);
        let mut stream = deadline.io(Doing::Greeting, opening).await?;
        let features = hear(&mut stream, Doing::Greeting, deadline).await?;
        log_in(&mut stream, &features, account, deadline).await?;
        let mut stream = deadline.io(Doing::Greeting, stream.reopen(domain)).await?;
        hear(&mut stream, Doing::Greeting, deadline).await?;
        let mut talk = Self { stream, deadline, asked: 0 };
        // The server chooses our resource: no two sessions have the same.
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
        let bound = talk.ask("set", bind, Doing::Greeting, |_| {}).await?;
        if bound.attribute("type") == "error" {
            return Err(SendError::Program {
                what: format!("the server gives no session: {}", error_of(&bound).0),
                again: Again::Later,
            });
        }
        Ok(talk)
    }

    /// Tells people, and returns who was refused.
    pub(super) async fn tell_people(
        &mut self,
        people: &[String],
        message: &Message<'_>,
    ) -> Result<Vec<Refusal>, SendError> {
        for to in people {
            self.say(&stanza(to, "chat", message)).await?;
        }
        let mut refused = Vec::new();
        if people.is_empty() {
            return Ok(refused);
        }
        let name = message.name;
        // What the answer says does not matter: it comes after the server has handled the messages.
        self.ask("get", "<ping xmlns='urn:xmpp:ping'/>", Doing::Waiting, |heard| {
            let is_refusal = heard.name == "message"
                && heard.attribute("type") == "error"
                && heard.attribute("id") == name;
            if is_refusal && let Some(to) = people.iter().find(|to| is_from(heard, to)) {
                refused.push(refusal(to, heard));
            }
        })
        .await?;
        Ok(refused)
    }

    /// Enters a room and tells it. Returns why if it did not take the message.
    pub(super) async fn tell_room(
        &mut self,
        room: &str,
        nick: &str,
        message: &Message<'_>,
    ) -> Result<Option<Refusal>, SendError> {
        let own = format!("{room}/{nick}");
        self.say(&format!(
            "<presence to='{}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>\
             </presence>",
            escape(&*own)
        ))
        .await?;
        let entered = self
            .wait(Doing::Sending, |heard| {
                heard.name == "presence" && {
                    is_from(heard, room) && (is_own(heard) || heard.attribute("type") == "error")
                }
            })
            .await?;
        if entered.attribute("type") == "error" {
            return Ok(Some(refusal(room, &entered)));
        }
        self.say(&stanza(room, "groupchat", message)).await?;
        let echo = self
            .wait(Doing::Waiting, |heard| {
                heard.name == "message"
                    && heard.attribute("id") == message.name
                    && is_from(heard, room)
            })
            .await?;
        if echo.attribute("type") == "error" {
            return Ok(Some(refusal(room, &echo)));
        }
        self.say(&format!("<presence to='{}' type='unavailable'/>", escape(&*own))).await?;
        Ok(None)
    }

    /// Ends the session. Everything is told: how it ends does not matter.
    pub(super) async fn end(self) {
        drop(self.deadline.io(Doing::Sending, self.stream.close()).await);
    }

    async fn say(&mut self, text: &str) -> Result<(), SendError> {
        self.deadline.io(Doing::Sending, self.stream.say(text)).await
    }

    /// Asks the server, and waits for its answer; `other` sees what else it says.
    async fn ask(
        &mut self,
        kind: &str,
        content: &str,
        doing: Doing,
        mut other: impl FnMut(&Element),
    ) -> Result<Element, SendError> {
        self.asked += 1;
        let name = format!("hark-{}", self.asked);
        let asking = format!("<iq type='{kind}' id='{name}'>{content}</iq>");
        self.deadline.io(doing, self.stream.say(&asking)).await?;
        self.wait(doing, |heard| {
            let is_answer = heard.name == "iq"
                && heard.attribute("id") == name
                && matches!(heard.attribute("type"), "result" | "error");
            if !is_answer {
                other(heard);
            }
            is_answer
        })
        .await
    }

    async fn wait(
        &mut self,
        doing: Doing,
        mut is_it: impl FnMut(&Element) -> bool,
    ) -> Result<Element, SendError> {
        for _ in 0..MAX_PASSED {
            let heard = hear(&mut self.stream, doing, self.deadline).await?;
            if is_it(&heard) {
                return Ok(heard);
            }
        }
        let source = io::Error::other("the server says too much else");
        Err(SendError::Broken { doing, source })
    }
}

async fn hear<S>(
    stream: &mut Stream<S>,
    doing: Doing,
    deadline: Deadline,
) -> Result<Element, SendError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    deadline.io(doing, stream.hear()).await
}

async fn starttls(
    stream: TcpStream,
    domain: &str,
    deadline: Deadline,
) -> Result<TcpStream, SendError> {
    let mut stream = deadline.io(Doing::Greeting, Stream::open(stream, domain)).await?;
    let features = hear(&mut stream, Doing::Greeting, deadline).await?;
    if features.child("starttls").is_none() {
        return Err(SendError::Lacks { host: domain.to_owned(), what: "STARTTLS" });
    }
    let asking = stream.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    deadline.io(Doing::Greeting, asking).await?;
    if hear(&mut stream, Doing::Greeting, deadline).await?.name != "proceed" {
        return Err(SendError::Lacks { host: domain.to_owned(), what: "STARTTLS now" });
    }
    let doing = Doing::Greeting;
    stream.into_inner().map_err(|source| SendError::Broken { doing, source })
}

async fn log_in<S>(
    stream: &mut Stream<S>,
    features: &Element,
    account: &Account,
    deadline: Deadline,
) -> Result<(), SendError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let offered = |mechanism: &str| {
        features.child("mechanisms").is_some_and(|offered| {
            offered.children.iter().any(|offer| offer.text.trim() == mechanism)
        })
    };
    let password = &account.password;
    let hash = [Hash::Sha256, Hash::Sha1].into_iter().find(|hash| offered(hash.mechanism()));
    let Some(hash) = hash else {
        if !offered("PLAIN") {
            let what = "a log-in by SCRAM-SHA-256, SCRAM-SHA-1 or PLAIN";
            return Err(SendError::Lacks { host: account.domain.clone(), what });
        }
        let words = format!("\0{}\0{}", account.user, password.secret().expose());
        let answer = sasl(stream, &auth("PLAIN", &words), deadline).await?;
        return expect(&answer, "success").map(drop);
    };
    let login = Login::new(hash, &account.user, nonce()?);
    let answer = sasl(stream, &auth(hash.mechanism(), &login.first()), deadline).await?;
    let challenge = expect(&answer, "challenge")?;
    let foreign =
        |what: String| SendError::Broken { doing: Doing::Greeting, source: io::Error::other(what) };
    let proved = login.prove(&challenge, password).await.map_err(foreign)?;
    let words = BASE64_STANDARD.encode(&proved.message);
    let response = format!("<response xmlns='{SASL}'>{words}</response>");
    let answer = sasl(stream, &response, deadline).await?;
    let last = expect(&answer, "success")?;
    if !proved.is_mutual(&last) {
        return Err(foreign("the server does not know the password itself".to_owned()));
    }
    Ok(())
}

async fn sasl<S>(
    stream: &mut Stream<S>,
    text: &str,
    deadline: Deadline,
) -> Result<Element, SendError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    deadline.io(Doing::Greeting, stream.say(text)).await?;
    hear(stream, Doing::Greeting, deadline).await
}

fn auth(mechanism: &str, words: &str) -> String {
    let words = BASE64_STANDARD.encode(words);
    format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{words}</auth>")
}

/// Returns what the server said in the login, if it is what was waited for.
fn expect(answer: &Element, name: &str) -> Result<String, SendError> {
    if answer.name == name {
        let words = BASE64_STANDARD.decode(answer.text.trim()).unwrap_or_default();
        return Ok(String::from_utf8_lossy(&words).into_owned());
    }
    let why = if answer.name == "failure" { answer.condition() } else { answer.name.clone() };
    // Passwords are put right.
    let what = one_line(&format!("the server refuses the log-in: {why}"), MAX_WORDS);
    Err(SendError::Program { what, again: Again::Later })
}

fn nonce() -> Result<String, SendError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SendError::Compose {
        what: "the system gives no random numbers".to_owned(),
    })?;
    Ok(hark_net::hex(&bytes))
}

fn stanza(to: &str, kind: &str, message: &Message<'_>) -> String {
    // What XML cannot say is left out: one such sign would end the stream.
    let text: String = message.text.chars().filter(|c| is_sayable(*c)).collect();
    format!(
        "<message to='{}' type='{kind}' id='{}'><body>{}</body><thread>{}</thread>\
         <origin-id xmlns='urn:xmpp:sid:0' id='{}'/></message>",
        escape(to),
        message.name,
        escape(&*text),
        escape(message.thread),
        message.name,
    )
}

/// Whether XML 1.0 has a character.
fn is_sayable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// Whether an element comes from `address`, or from somebody in the room of that address.
fn is_from(heard: &Element, address: &str) -> bool {
    let from = heard.attribute("from");
    from.split('/').next().is_some_and(|bare| bare.eq_ignore_ascii_case(address))
}

/// Whether a presence in a room is our own: its code is 110 (XEP-0045).
fn is_own(presence: &Element) -> bool {
    let inside = presence.children.iter().filter(|child| child.name == "x");
    inside
        .flat_map(|x| &x.children)
        .any(|status| status.name == "status" && status.attribute("code") == "110")
}

/// Returns why an element was answered with an error, and its type.
fn error_of(answer: &Element) -> (String, &str) {
    match answer.child("error") {
        Some(error) => (one_line(&error.condition(), MAX_WORDS), error.attribute("type")),
        None => ("no reason is given".to_owned(), ""),
    }
}

fn refusal(to: &str, answer: &Element) -> Refusal {
    let (text, kind) = error_of(answer);
    // A server that is not reached now is an error of type `cancel` for most.
    let is_temporary =
        kind == "wait" || text.starts_with("remote-server") || text.starts_with("conflict");
    Refusal { recipient: to.to_owned(), text, is_temporary }
}
