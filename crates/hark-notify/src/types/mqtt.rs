//! A message broker that speaks MQTT 3.1.1: other programs subscribe to the topics.
//!
//! The packets are those of `rumqttc`; its client is not used. A client keeps a connection and a queue of
//! its own, while here the outbox is the queue, each message is one try with one time limit, and names,
//! TLS and trust are resolved as for every other receiver. Version 3.1.1 is what all brokers speak.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use hark_config::{Key, Kind, Section};
use hark_model::{HostName, Notification, Secret};
use hark_net::{Guard, Tls, Trust};
use ring::rand::{SecureRandom as _, SystemRandom};
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, Disconnect, Login, Packet, PubAck, Publish,
};
use rumqttc::mqttbytes::{self, QoS, valid_topic};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::deadline::{Deadline, read_timeout};
use crate::error::{Again, Doing, SendError};
use crate::reach::{connect, secure};
use crate::render::{self, Template, read_template};
use crate::trace::Asked;
use crate::{Context, Delivered, Pending, Receiver, ReceiverType};

/// The receiver type `mqtt`.
#[derive(Debug)]
pub(crate) struct Mqtt;

pub(crate) const KEYS: &[Key] = &[
    Key::new("server", Kind::Text, "Name or address of the broker.").required(),
    Key::new("port", Kind::Integer, "Its port; by default 1883, and 8883 with `tls`."),
    Key::new("topic", Kind::Text, "Template of the topic.").default(TOPIC),
    Key::new(
        "template",
        Kind::Text,
        "Template of the content; by default a JSON document with all fields.",
    ),
    Key::new(
        "retain",
        Kind::Bool,
        "Whether the broker keeps the last message of a topic for those who subscribe later: the topic \
         then holds the state. Events are never kept.",
    )
    .default("false"),
    Key::new(
        "qos",
        Kind::Integer,
        "1: the broker confirms each message; 0: it counts as told when it has left.",
    )
    .default("1"),
    Key::new("client", Kind::Text, "Name of this client; by default `hark-` and random letters."),
    Key::new("user", Kind::Text, "Name to log in with; no log-in without it."),
    Key::new("password", Kind::Secret, "Password to log in with."),
    Key::new("tls", Kind::Bool, "Whether the connection is protected by TLS.").default("false"),
    Key::new(
        "tls_name",
        Kind::Text,
        "Name the certificate must have, if it is not that of `server`.",
    ),
    Key::new(
        "ca_file",
        Kind::Text,
        "PEM file of the authorities to trust instead of the system's.",
    ),
    Key::new("insecure", Kind::Bool, "Accept any certificate. The page shows that.")
        .default("false"),
    Key::new("timeout", Kind::Duration, "Time for one delivery, all steps together.")
        .default("10s"),
];

/// Events have no check.
const TOPIC: &str = "hark/{{ host }}/{{ check or 'event' }}";

const TIMEOUT: Duration = Duration::from_secs(10);

/// Bound on what the broker may say: its packets here have four bytes, and it may send a message of its
/// own before it notices that nothing was subscribed to.
const MAX_PACKET: usize = 64 * 1024;

/// Longest text of a field: MQTT has 64 KiB, brokers take less.
const MAX_TEXT: usize = 1024;

/// Seconds without a word after which the broker may hang up: the delivery is over before.
const KEEP_ALIVE: u16 = 60;

/// The number of our only message.
const PACKET: u16 = 1;

impl ReceiverType for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn manual(&self) -> &'static str {
        "Publishes each message at a broker (MQTT 3.1.1). By default the topic is \
         `hark/HOST/CHECK`, or `hark/HOST/event`, and the content a JSON document whose fields \
         `severity`, `status` and `reason` say how bad it is and whether it is over. With `retain: \
         true` the broker keeps the last message of a topic, so that a display that is switched on \
         later sees the state; the message that a problem is over replaces the problem. A message is \
         told when the broker has confirmed it (`qos: 1`). A refused log-in is tried again, since \
         passwords are put right; the same message can arrive twice after an unclear outcome: its \
         `key` is the same."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "server: broker.example.net\n\
         tls: true\n\
         user: hark\n\
         password: correct-horse\n\
         topic: 'monitoring/{{ host }}/{{ check or \"event\" }}'\n\
         retain: true\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("server");
        let server = section.parse("server", HostName::new).map(|name| name.to_string());
        let is_secure = section.bool("tls", false);
        let default_port = if is_secure { 8883 } else { 1883 };
        let port = section.u64("port", default_port, 1..=65535);
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        let tls_name = section.opt_str("tls_name").map(str::to_owned);
        let qos = match section.u64("qos", 1, 0..=1) {
            0 => QoS::AtMostOnce,
            _ => QoS::AtLeastOnce,
        };
        let topic = read_topic(section);
        let content = read_template(section, "template");
        let is_retained = section.bool("retain", false);
        let client = section.parse("client", read_text);
        let login = read_login(section, is_secure);
        let timeout = read_timeout(section, "timeout", TIMEOUT);
        let server = server?;
        Some(Box::new(Broker {
            tls_name: tls_name.unwrap_or_else(|| server.clone()),
            tls: is_secure.then(|| Tls::new(trust)),
            port: u16::try_from(port).unwrap_or(1883),
            topic: topic?,
            server,
            content,
            is_retained,
            qos,
            client,
            login,
            timeout,
        }))
    }
}

fn read_topic(section: &Section<'_>) -> Option<Template> {
    let own = read_template(section, "topic");
    let template = if section.has("topic") { own? } else { Template::parse(TOPIC).ok()? };
    for sample in render::samples() {
        let topic = template.render(&sample, "https://hark.example.net", "").ok()?;
        if let Err(what) = check_topic(&topic) {
            section.error("topic", what);
            return None;
        }
    }
    Some(template)
}

fn check_topic(topic: &str) -> Result<(), String> {
    if topic.is_empty() || !valid_topic(topic) || topic.contains('\0') {
        return Err("a topic to write to has text, and neither `+` nor `#`".to_owned());
    }
    read_text(topic).map(drop)
}

fn read_text(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_TEXT || text.contains('\0') {
        return Err(format!("1 to {MAX_TEXT} bytes are possible"));
    }
    Ok(text.to_owned())
}

fn read_login(section: &Section<'_>, is_secure: bool) -> Option<(String, Secret)> {
    let password = section.opt_secret("password");
    let user = section.parse("user", read_text);
    if section.has("password") && !section.has("user") {
        section.error("password", "a password without `user`");
    }
    if section.has("user") && !section.has("password") {
        section.error("user", "a user without `password`");
    }
    let login = user.zip(password)?;
    if !is_secure {
        section.warn("password", "the password travels unprotected").hint("use `tls: true`");
    }
    Some(login)
}

/// One configured broker.
#[derive(Debug)]
struct Broker {
    server: String,
    port: u16,
    topic: Template,
    content: Option<Template>,
    is_retained: bool,
    qos: QoS,
    client: Option<String>,
    login: Option<(String, Secret)>,
    tls: Option<Tls>,
    tls_name: String,
    timeout: Duration,
}

impl Receiver for Broker {
    fn target(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}://{}:{}", self.server, self.port)
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match &self.tls {
            Some(tls) if *tls.trust() == Trust::Anybody => {
                warnings.push("the broker's certificate is not verified".to_owned());
            }
            None if self.login.is_some() => {
                warnings.push("the password travels unprotected".to_owned());
            }
            Some(_) | None => {}
        }
        warnings
    }

    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered> {
        Box::pin(self.deliver(notification, context))
    }
}

impl Broker {
    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let message = self.message(n, context)?;
        let question = context.trace.ask(|| Asked {
            line: format!("PUBLISH {} at {}", message.topic, self.target()),
            headers: vec![
                ("qos".to_owned(), (self.qos as u8).to_string()),
                ("retain".to_owned(), message.retain.to_string()),
            ],
            body: String::from_utf8_lossy(&message.payload).into_owned(),
        });
        let result = self.publish(&message, context).await;
        context.trace.ended(question, "", &result);
        result
    }

    async fn publish(&self, message: &Publish, context: &Context) -> Result<Delivered, SendError> {
        let login = self.login()?;
        let deadline = Deadline::start(self.timeout);
        let stream = connect(context, &self.server, self.port, Guard::Open, deadline).await?;
        match &self.tls {
            Some(tls) => {
                let stream = secure(tls, stream, &self.tls_name, deadline).await?;
                publish(stream, &login, message, deadline).await
            }
            None => publish(stream, &login, message, deadline).await,
        }
    }

    fn message(&self, n: &Notification, context: &Context) -> Result<Publish, SendError> {
        let topic = self.topic.fill(n, context)?;
        check_topic(&topic).map_err(|what| SendError::Compose { what })?;
        let content = match &self.content {
            Some(template) => template.fill(n, context)?,
            None => render::document(n, &context.page).to_string(),
        };
        let mut message = Publish::new(topic, self.qos, content);
        message.retain = self.is_retained && n.incident.is_some();
        message.pkid = if self.qos == QoS::AtMostOnce { 0 } else { PACKET };
        Ok(message)
    }

    fn login(&self) -> Result<Connect, SendError> {
        let name = match &self.client {
            Some(name) => name.clone(),
            None => format!("hark-{}", random()?),
        };
        let mut connect = Connect::new(name);
        connect.keep_alive = KEEP_ALIVE;
        connect.login = self
            .login
            .as_ref()
            .map(|(user, password)| Login::new(user.as_str(), password.expose()));
        Ok(connect)
    }
}

/// Returns letters that no other client has.
fn random() -> Result<String, SendError> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SendError::Compose {
        what: "the system gives no random numbers".to_owned(),
    })?;
    Ok(hark_net::hex(&bytes))
}

/// Logs in, publishes one message, and waits until the broker has it.
async fn publish<S>(
    mut stream: S,
    login: &Connect,
    message: &Publish,
    deadline: Deadline,
) -> Result<Delivered, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = BytesMut::new();
    write(&mut stream, Doing::Greeting, deadline, |buffer| login.write(buffer)).await?;
    let answer = read(&mut stream, &mut heard, Doing::Greeting, deadline).await?;
    let Packet::ConnAck(answer) = answer else {
        return Err(unexpected(&answer, Doing::Greeting));
    };
    welcome(answer.code)?;
    write(&mut stream, Doing::Sending, deadline, |buffer| message.write(buffer)).await?;
    let text = if message.qos == QoS::AtMostOnce {
        "sent; the broker was not asked to confirm it"
    } else {
        loop {
            let answer = read(&mut stream, &mut heard, Doing::Waiting, deadline).await?;
            if answer == Packet::PubAck(PubAck { pkid: PACKET }) {
                break "confirmed by the broker";
            }
            // A broker may tell what it kept for a client of this name.
            if !matches!(answer, Packet::Publish(_)) {
                return Err(unexpected(&answer, Doing::Waiting));
            }
        }
    };
    // The message is told: how the connection ends does not matter.
    let bye = async {
        write(&mut stream, Doing::Sending, deadline, |buffer| Disconnect.write(buffer)).await?;
        deadline.io(Doing::Sending, stream.shutdown()).await
    };
    drop(bye.await);
    Ok(Delivered { text: text.to_owned(), ..Delivered::default() })
}

fn welcome(code: ConnectReturnCode) -> Result<(), SendError> {
    let what = match code {
        ConnectReturnCode::Success => return Ok(()),
        ConnectReturnCode::RefusedProtocolVersion => "the broker does not speak MQTT 3.1.1",
        ConnectReturnCode::BadClientId => "the broker refuses the name of this client",
        ConnectReturnCode::ServiceUnavailable => "the broker says that it is not available",
        ConnectReturnCode::BadUserNamePassword => "the broker refuses user or password",
        ConnectReturnCode::NotAuthorized => "the broker does not let this client in",
    };
    // All of that is put right at the broker or here.
    Err(SendError::Program { what: what.to_owned(), again: Again::Later })
}

async fn write<S>(
    stream: &mut S,
    doing: Doing,
    deadline: Deadline,
    packet: impl FnOnce(&mut BytesMut) -> Result<usize, mqttbytes::Error>,
) -> Result<(), SendError>
where
    S: AsyncWrite + Unpin,
{
    let mut buffer = BytesMut::new();
    packet(&mut buffer).map_err(|error| SendError::Compose { what: error.to_string() })?;
    let written = async {
        stream.write_all(&buffer).await?;
        stream.flush().await
    };
    deadline.io(doing, written).await
}

async fn read<S>(
    stream: &mut S,
    heard: &mut BytesMut,
    doing: Doing,
    deadline: Deadline,
) -> Result<Packet, SendError>
where
    S: AsyncRead + Unpin,
{
    loop {
        match Packet::read(heard, MAX_PACKET) {
            Ok(packet) => return Ok(packet),
            Err(mqttbytes::Error::InsufficientBytes(_)) => {}
            Err(error) => {
                return Err(SendError::Broken { doing, source: io::Error::other(error) });
            }
        }
        if deadline.io(doing, stream.read_buf(heard)).await? == 0 {
            let source = io::ErrorKind::UnexpectedEof.into();
            return Err(SendError::Broken { doing, source });
        }
    }
}

fn unexpected(packet: &Packet, doing: Doing) -> SendError {
    let source = io::Error::other(format!("the broker said {packet:?}"));
    SendError::Broken { doing, source }
}

#[cfg(test)]
mod tests;
