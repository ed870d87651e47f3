//! Messages to a syslog server (RFC 5424), over UDP (RFC 5426), TCP (RFC 6587), TLS (RFC 5425), or to the
//! daemon of this machine.
//!
//! Syslog acknowledges nothing. Over UDP a message that leaves this machine counts as told unless the
//! other side's port is closed; over TCP and TLS the connection is closed in order, and one that breaks
//! meanwhile is tried again. Each message has a connection of its own: they are rare.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::name::CheckName;
use hark_model::{HostName, Notification, Reason, Severity};
use hark_net::{Dial, Guard, Tls, Trust};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UdpSocket;
#[cfg(unix)]
use tokio::net::UnixDatagram;

use crate::deadline::{Deadline, read_timeout};
use crate::error::{Doing, SendError, one_line};
use crate::reach::{connect, secure};
use crate::render::{self, Template, read_template};
use crate::trace::Asked;
use crate::{Context, Delivered, Pending, Receiver, ReceiverType};

/// The receiver type `syslog`.
#[derive(Debug)]
pub(crate) struct Syslog;

/// How a message gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
    Tls,
    Local,
}

const TRANSPORTS: &[(&str, Transport)] = &[
    ("udp", Transport::Udp),
    ("tcp", Transport::Tcp),
    ("tls", Transport::Tls),
    ("local", Transport::Local),
];

/// What a message looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Rfc5424,
    Bsd,
}

const FORMATS: &[(&str, Format)] = &[("rfc5424", Format::Rfc5424), ("bsd", Format::Bsd)];

const FACILITIES: &[(&str, u8)] = &[
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

const FACILITY_WORDS: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

pub(crate) const KEYS: &[Key] = &[
    Key::new("transport", Kind::OneOf(&["udp", "tcp", "tls", "local"]), "How messages get there.")
        .default("local"),
    Key::new("server", Kind::Text, "Name or address of the syslog server; not for `local`."),
    Key::new("port", Kind::Integer, "Its port; by default 514, and 6514 for `tls`."),
    Key::new("path", Kind::Text, "Socket of the daemon of this machine, for `local`.")
        .default("/dev/log"),
    Key::new("facility", Kind::OneOf(FACILITY_WORDS), "Facility of the messages.")
        .default("daemon"),
    Key::new("app_name", Kind::Text, "Name of the program in the messages.").default("hark"),
    Key::new(
        "structured_data",
        Kind::Text,
        "Name of the structured data, with an enterprise number; 32473 is the one for examples.",
    )
    .default(SD_ID),
    Key::new(
        "format",
        Kind::OneOf(&["rfc5424", "bsd"]),
        "By default `bsd` for `local`, which daemons of one's own machine read, else `rfc5424`.",
    ),
    Key::new("template", Kind::Text, "Template of the text.").default(TEXT),
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

const TEXT: &str = "{{ summary }}";
const SD_ID: &str = "hark@32473";
const APP_NAME: &str = "hark";
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bounds of RFC 5424 on the parts of the header.
const MAX_HOST: usize = 255;
const MAX_APP: usize = 48;
const MAX_SD_NAME: usize = 32;

/// Longest datagram, which a server should take (RFC 5426); longer ones are cut.
const MAX_DATAGRAM: usize = 2048;

/// Longest message over TCP and TLS, which a server should take (RFC 5425); longer ones are cut.
const MAX_MESSAGE: usize = 8192;

/// How long a closed port of the other side is given to say so: an answer within a network.
const REFUSAL: Duration = Duration::from_millis(100);

/// How long the other side is given to close its end, which shows that it has read ours.
const GOODBYE: Duration = Duration::from_secs(1);

impl ReceiverType for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn manual(&self) -> &'static str {
        "Writes each message to a syslog server or to the syslog daemon of this machine. The severity \
         is `crit` for critical, `warning` for warning, `notice` for unknown and for what is over, \
         `info` for the rest. In the format `rfc5424` the message's identifier is its reason \
         (`problem`, `recovery`), and the structured data hold incident, host, check, severity, \
         status, key and link. Over TCP and TLS messages are framed by counting octets. Syslog \
         confirms nothing: over UDP a message that has left counts as told unless the port is closed, \
         over TCP and TLS one whose connection breaks is sent again."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "transport: tls\nserver: logs.example.net\nfacility: local3\nstructured_data: hark@32473\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let transport = section.word("transport", TRANSPORTS).unwrap_or(Transport::Local);
        if transport != Transport::Local {
            section.required("server");
        }
        let server = section.parse("server", HostName::new).map(|name| name.to_string());
        let default_port = if transport == Transport::Tls { 6514 } else { 514 };
        let port = section.u64("port", default_port, 1..=65535);
        let default_format =
            if transport == Transport::Local { Format::Bsd } else { Format::Rfc5424 };
        let app_name = section.parse("app_name", |text| read_name(text, MAX_APP));
        let sd_id = section.parse("structured_data", |text| read_name(text, MAX_SD_NAME));
        let tls_name = section.opt_str("tls_name").map(str::to_owned);
        let trust = Trust::of_settings(section.opt_str("ca_file"), section.bool("insecure", false));
        let logger = Logger {
            port: u16::try_from(port).unwrap_or(514),
            path: PathBuf::from(section.str("path", "/dev/log")),
            facility: section.word("facility", FACILITIES).unwrap_or(3),
            app_name: app_name.unwrap_or_else(|| APP_NAME.to_owned()),
            sd_id: sd_id.unwrap_or_else(|| SD_ID.to_owned()),
            format: section.word("format", FORMATS).unwrap_or(default_format),
            text: read_template(section, "template"),
            timeout: read_timeout(section, "timeout", TIMEOUT),
            tls: Tls::new(trust),
            transport,
            tls_name,
            server: match transport {
                Transport::Local => String::new(),
                Transport::Udp | Transport::Tcp | Transport::Tls => server?,
            },
        };
        Some(Box::new(logger))
    }
}

/// Reads a name that stands in the header.
fn read_name(text: &str, max: usize) -> Result<String, String> {
    let is_printable = |b: u8| b.is_ascii_graphic() && !b"=]\"".contains(&b);
    if text.is_empty() || text.len() > max || !text.bytes().all(is_printable) {
        return Err(format!("1 to {max} visible ASCII characters without `=`, `]` and `\"`"));
    }
    Ok(text.to_owned())
}

/// One configured syslog receiver.
#[derive(Debug)]
struct Logger {
    transport: Transport,
    server: String,
    port: u16,
    path: PathBuf,
    facility: u8,
    app_name: String,
    sd_id: String,
    format: Format,
    text: Option<Template>,
    tls: Tls,
    tls_name: Option<String>,
    timeout: Duration,
}

impl Receiver for Logger {
    fn target(&self) -> String {
        match self.transport {
            Transport::Local => self.path.display().to_string(),
            Transport::Udp => format!("udp://{}:{}", self.server, self.port),
            Transport::Tcp => format!("tcp://{}:{}", self.server, self.port),
            Transport::Tls => format!("tls://{}:{}", self.server, self.port),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let unverified = *self.tls.trust() == Trust::Anybody && self.transport == Transport::Tls;
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

impl Logger {
    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let message = self.message(n, context)?;
        let line = || Asked { line: self.target(), headers: Vec::new(), body: message.clone() };
        let question = context.trace.ask(line);
        let result = self.tell(&message, context).await;
        context.trace.ended(question, "", &result);
        result
    }

    async fn tell(&self, message: &str, context: &Context) -> Result<Delivered, SendError> {
        let deadline = Deadline::start(self.timeout);
        let told = match self.transport {
            Transport::Local => {
                deadline.io(Doing::Sending, tell_daemon(&self.path, message)).await?;
                "written"
            }
            Transport::Udp => {
                self.tell_by_datagram(message, context, deadline).await?;
                "sent; UDP confirms nothing"
            }
            Transport::Tcp => {
                let stream =
                    connect(context, &self.server, self.port, Guard::Open, deadline).await?;
                tell(stream, message, deadline).await?;
                "sent over TCP"
            }
            Transport::Tls => {
                let stream =
                    connect(context, &self.server, self.port, Guard::Open, deadline).await?;
                let name = self.tls_name.as_deref().unwrap_or(&self.server);
                tell(secure(&self.tls, stream, name, deadline).await?, message, deadline).await?;
                "sent over TLS"
            }
        };
        Ok(Delivered { text: told.to_owned(), ..Delivered::default() })
    }

    fn message(&self, n: &Notification, context: &Context) -> Result<String, SendError> {
        let max = match self.transport {
            Transport::Udp | Transport::Local => MAX_DATAGRAM,
            Transport::Tcp | Transport::Tls => MAX_MESSAGE,
        };
        let text = match &self.text {
            Some(template) => template.fill(n, context)?,
            None => n.summary.clone(),
        };
        let priority = u16::from(self.facility) * 8 + u16::from(severity(n));
        let mut message = match self.format {
            Format::Bsd => format!("<{priority}>{}[{}]: ", self.app_name, std::process::id()),
            Format::Rfc5424 => {
                let host = header_field(&context.own_name, MAX_HOST);
                // Text beyond ASCII is marked as UTF-8 by its first character.
                let mark = if text.is_ascii() { "" } else { "\u{feff}" };
                format!(
                    "<{priority}>1 {} {host} {} {} {} {} {mark}",
                    render::rfc3339(n.at),
                    self.app_name,
                    std::process::id(),
                    n.reason.word(),
                    self.structured_data(n, context),
                )
            }
        };
        let room = max.saturating_sub(message.len());
        message.push_str(&one_line(&text, room));
        Ok(message)
    }

    fn structured_data(&self, n: &Notification, context: &Context) -> String {
        let incident = n.incident.map(|incident| incident.0.to_string()).unwrap_or_default();
        let mut data = format!("[{}", self.sd_id);
        for (name, value) in [
            ("incident", incident.as_str()),
            ("host", n.host.as_str()),
            ("check", n.check.as_ref().map_or("", CheckName::as_str)),
            ("severity", n.severity.word()),
            ("status", n.status.word()),
            ("key", &n.key),
            ("link", &render::link(n, &context.page)),
        ] {
            if value.is_empty() {
                continue;
            }
            // Writing to a string cannot fail.
            let _written = write!(data, " {name}=\"");
            for c in one_line(value, MAX_HOST).chars() {
                if matches!(c, '"' | '\\' | ']') {
                    data.push('\\');
                }
                data.push(c);
            }
            data.push('"');
        }
        data.push(']');
        data
    }

    async fn tell_by_datagram(
        &self,
        message: &str,
        context: &Context,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        let dial = Dial::new(&self.server, self.port, deadline.left());
        let found = hark_net::find(&*context.resolve, dial).await?;
        let ip = found.first().ok_or_else(|| SendError::Unresolved {
            host: self.server.clone(),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let address = SocketAddr::new(*ip, self.port);
        let any: SocketAddr = if ip.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let sent = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await?;
            socket.send(message.as_bytes()).await?;
            // A closed port says so, if anything on the way lets it.
            match tokio::time::timeout(REFUSAL, socket.recv(&mut [0; 1])).await {
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(error),
                Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
            }
        };
        let sent = deadline.within(Doing::Sending, sent).await?;
        sent.map_err(|source| SendError::Unreachable { address, source })
    }
}

fn severity(n: &Notification) -> u8 {
    let is_over = matches!(n.reason, Reason::Recovery | Reason::Removed | Reason::Merged);
    match n.severity {
        Severity::Critical => 2,
        Severity::Warning => 4,
        Severity::Unknown => 5,
        Severity::Info if is_over => 5,
        Severity::Info => 6,
    }
}

/// Returns `text` as a field of the header: visible ASCII alone, `-` if nothing is left.
fn header_field(text: &str, max: usize) -> String {
    let field: String = text.chars().filter(char::is_ascii_graphic).take(max).collect();
    if field.is_empty() { "-".to_owned() } else { field }
}

/// Sends one message framed by its length, and ends the connection in order.
async fn tell<S>(mut stream: S, message: &str, deadline: Deadline) -> Result<(), SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = format!("{} {message}", message.len());
    let sent = async {
        stream.write_all(frame.as_bytes()).await?;
        stream.shutdown().await
    };
    deadline.io(Doing::Sending, sent).await?;
    // Servers that do not close are as good as told.
    let end = tokio::time::timeout(GOODBYE, stream.read(&mut [0; 1])).await;
    match end {
        Ok(Err(source)) if source.kind() == io::ErrorKind::ConnectionReset => {
            Err(SendError::Broken { doing: Doing::Waiting, source })
        }
        Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
    }
}

#[cfg(windows)]
async fn tell_daemon(_path: &Path, _message: &str) -> io::Result<()> {
    std::future::ready(Err(io::ErrorKind::Unsupported.into())).await
}

#[cfg(unix)]
async fn tell_daemon(path: &Path, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.send(message.as_bytes()).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
