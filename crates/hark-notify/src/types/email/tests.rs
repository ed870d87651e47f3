use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_config::{Document, NoSecrets, Style};
use hark_model::time::Unix;
use hark_model::{ReceiverName, Severity};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::compose::thread_id;
use super::*;
use crate::{Doing, samples};

mod connection;
mod replies;
mod settings;
mod text;

/// How the server behaves; the default takes everything in the clear.
#[derive(Clone, Default)]
struct Script {
    /// TLS from the first byte.
    tls: Option<Arc<ServerConfig>>,
    /// Offered as STARTTLS.
    starttls: Option<Arc<ServerConfig>>,
    /// What `AUTH` offers; empty offers none.
    auth: &'static str,
    /// Replies to particular recipients, used up one by one.
    recipients: BTreeMap<&'static str, VecDeque<&'static str>>,
    /// The reply to MAIL FROM, if not 250.
    sender: &'static str,
    /// The reply to the final dot, if not 250.
    end: &'static str,
    /// Say nothing more after this command.
    hang_after: &'static str,
    /// Close the connection on this command.
    close_on: &'static str,
    /// Close after each mail, without a word.
    close_after_mail: bool,
}

#[derive(Clone, Debug, Default)]
struct Mail {
    recipients: Vec<String>,
    text: String,
    login: String,
    encrypted: bool,
}

impl Mail {
    /// Returns a header's value, its continuation lines joined.
    fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(str::to_owned)
    }
}

#[derive(Default)]
struct Seen {
    mails: Vec<Mail>,
    commands: Vec<String>,
    n_connections: usize,
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, script, Arc::clone(&seen)));
        Self { address, seen, _tasks: tasks }
    }

    fn mails(&self) -> Vec<Mail> {
        lock(&self.seen).mails.clone()
    }

    fn n_connections(&self) -> usize {
        lock(&self.seen).n_connections
    }

    fn commands(&self) -> Vec<String> {
        lock(&self.seen).commands.clone()
    }
}

async fn accept(listener: TcpListener, script: Script, seen: Arc<Mutex<Seen>>) {
    let mut tasks = JoinSet::new();
    // Replies to recipients are used up over all connections.
    let script = Arc::new(Mutex::new(script));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        lock(&seen).n_connections += 1;
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        tasks.spawn(async move {
            let tls = lock(&script).tls.clone();
            match tls {
                None => {
                    let upgrade = dialogue(stream, &script, &seen, false, true).await;
                    let config = lock(&script).starttls.clone();
                    if let (Some(stream), Some(config)) = (upgrade, config)
                        && let Ok(stream) = TlsAcceptor::from(config).accept(stream).await
                    {
                        dialogue(stream, &script, &seen, true, false).await;
                    }
                }
                Some(config) => {
                    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                        dialogue(stream, &script, &seen, true, true).await;
                    }
                }
            }
        });
    }
}

/// Serves until the end of the connection; gives the stream back after STARTTLS.
async fn dialogue<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &Mutex<Script>,
    seen: &Mutex<Seen>,
    encrypted: bool,
    greet: bool,
) -> Option<S> {
    let fixed = lock(script).clone();
    let mut stream = BufReader::new(stream);
    let mut mail = Mail { encrypted, ..Mail::default() };
    if greet {
        say(&mut stream, "220-mx.test ready\r\n220 to serve").await;
    }
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        lock(seen).commands.push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap().to_owned();
        if !fixed.close_on.is_empty() && verb == fixed.close_on {
            return None;
        }
        if !fixed.hang_after.is_empty() && verb == fixed.hang_after {
            std::future::pending::<()>().await;
        }
        let reply: String = match verb.as_str() {
            "EHLO" => abilities(&fixed, encrypted),
            "STARTTLS" => {
                say(&mut stream, "220 go ahead").await;
                return Some(stream.into_inner());
            }
            "AUTH" => log_in(&mut stream, &line, &mut mail).await.to_owned(),
            "MAIL" if !fixed.sender.is_empty() => fixed.sender.to_owned(),
            "MAIL" => {
                mail.recipients.clear();
                "250 sender ok".to_owned()
            }
            "RCPT" => recipient(script, &line, &mut mail).to_owned(),
            "DATA" => {
                say(&mut stream, "354 go on").await;
                mail.text = read_data(&mut stream).await;
                if fixed.hang_after == "." {
                    std::future::pending::<()>().await;
                }
                if fixed.end.is_empty() {
                    lock(seen).mails.push(mail.clone());
                    "250 2.0.0 queued as 4711".to_owned()
                } else {
                    fixed.end.to_owned()
                }
            }
            "QUIT" => {
                say(&mut stream, "221 bye").await;
                return None;
            }
            "RSET" => "250 forgotten".to_owned(),
            _ => "500 what".to_owned(),
        };
        say(&mut stream, &reply).await;
        if fixed.close_after_mail && verb == "DATA" {
            return None;
        }
    }
}

fn abilities(script: &Script, encrypted: bool) -> String {
    let mut lines = vec!["250-mx.test greets you".to_owned()];
    if script.starttls.is_some() && !encrypted {
        lines.push("250-STARTTLS".to_owned());
    }
    if !script.auth.is_empty() {
        lines.push(format!("250-AUTH {}", script.auth));
    }
    lines.push("250 8BITMIME".to_owned());
    lines.join("\r\n")
}

fn recipient(script: &Mutex<Script>, line: &str, mail: &mut Mail) -> &'static str {
    let address = line.trim_start_matches("RCPT TO:<").trim_end_matches('>');
    let mut script = lock(script);
    let reply = script.recipients.get_mut(address).and_then(VecDeque::pop_front);
    let reply = reply.unwrap_or("250 recipient ok");
    if reply.starts_with('2') {
        mail.recipients.push(address.to_owned());
    }
    reply
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) {
    // A client that hung up is part of some tests.
    let _written = stream.write_all(format!("{text}\r\n").as_bytes()).await;
    let _flushed = stream.flush().await;
}

async fn read_data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> String {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == ".\r\n" {
            return text;
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    line: &str,
    mail: &mut Mail,
) -> &'static str {
    let decode = |text: &str| String::from_utf8(STANDARD.decode(text.trim()).unwrap()).unwrap();
    let given = if let Some(token) = line.strip_prefix("AUTH PLAIN ") {
        decode(token).replace('\0', "/")
    } else {
        let mut given = String::new();
        for question in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
            say(stream, question).await;
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            given = format!("{given}/{}", decode(&line));
        }
        given
    };
    mail.login.clone_from(&given);
    if given == "/hark/s3cret-word" { "235 welcome" } else { "535 5.7.8 wrong password" }
}

/// A certificate for `mx.test` and the PEM of its issuer, which is itself.
fn certificate() -> (Arc<ServerConfig>, String) {
    let issued = rcgen::generate_simple_self_signed(vec!["mx.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config), issued.cert.pem())
}

fn context() -> Context {
    let resolve = |host: String| -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            match host.as_str() {
                "mx.test" => Ok(vec![IpAddr::from(Ipv4Addr::LOCALHOST)]),
                _ => Err(std::io::Error::other("no such name")),
            }
        })
    };
    Context {
        resolve: Arc::new(resolve),
        page: "https://hark.example.net".to_owned(),
        own_name: "mon.example.net".to_owned(),
        tokens: None,
        mail: crate::MailStyle::default(),
        browsers: None,
        trace: crate::Trace::default(),
    }
}

/// Makes a receiver from YAML; `more` is added to addresses, server and port.
fn receiver(address: SocketAddr, more: &str) -> Box<dyn Receiver> {
    let text = format!(
        "to: [ops@example.net, Mira <mira@example.net>]\nfrom: hark <hark@example.net>\n\
         server: mx.test\nport: {}\n{more}",
        address.port()
    );
    let document = Document::single(&text);
    let receiver = Email.read(&document.root(&NoSecrets));
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    receiver.unwrap()
}

const PLAIN: &str = "security: none\ntimeout: 5s\n";

fn problem() -> Notification {
    samples().swap_remove(0)
}

async fn send(receiver: &dyn Receiver) -> Result<Delivered, SendError> {
    receiver.send(&problem(), &context()).await
}
