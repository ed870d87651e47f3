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

#[tokio::test]
async fn a_mail_arrives_whole_and_readable() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, &format!("{PLAIN}html: false\n"));
    let mut notification = problem();
    notification.summary = "CRITICAL: db1 - Füllstand = 95,0 °".to_owned();
    notification.detail = format!("{}\n.\nfrom the disk", "long ".repeat(300));
    let delivered = receiver.send(&notification, &context()).await.unwrap();
    assert_eq!(delivered.text, "2.0.0 queued as 4711");
    assert_eq!(delivered.refused, []);
    let mail = server.mails().remove(0);
    assert_eq!(mail.recipients, ["ops@example.net", "mira@example.net"]);
    assert_eq!(mail.header("From").unwrap(), "hark <hark@example.net>");
    assert_eq!(mail.header("To").unwrap(), "ops@example.net, Mira <mira@example.net>");
    assert_eq!(mail.header("Auto-Submitted").unwrap(), "auto-generated");
    assert_eq!(mail.header("Date").unwrap(), "Fri, 15 Jan 2027 08:00:30 +0000");
    assert_eq!(mail.header("X-Hark-Key").unwrap(), "1/problem/0");
    assert_eq!(mail.header("Content-Type").unwrap(), "text/plain; charset=utf-8");
    assert_eq!(mail.header("Content-Transfer-Encoding").unwrap(), "quoted-printable");
    let subject = mail.header("Subject").unwrap();
    assert!(subject.starts_with("[hark] CRITICAL: db1 - ") && subject.is_ascii(), "{subject}");
    assert!(subject.contains("=?utf-8?"), "{subject}");
    assert!(mail.text.is_ascii(), "eight-bit text needs an extension");
    assert!(mail.text.lines().all(|line| line.len() <= 78));
    assert!(mail.text.contains("\r\n.\r\nfrom the disk"), "{}", mail.text);
    assert!(mail.text.contains("https://hark.example.net/incidents/1"));
    assert_eq!(server.commands()[0], "EHLO mon.example.net");
}

/// Returns the text that a mail program reads out of the part of that type.
fn read_part(mail: &Mail, kind: &str) -> String {
    let content_type = mail.header("Content-Type").unwrap();
    let (_, boundary) = content_type.split_once("boundary=\"").unwrap();
    let boundary = boundary.split('"').next().unwrap();
    let parts: Vec<_> = mail.text.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 4, "two parts, what is before them and what is after");
    let part = parts.iter().find(|part| part.contains(&format!("Content-Type: {kind};"))).unwrap();
    let (head, body) = part.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Transfer-Encoding: quoted-printable"), "{head}");
    let mut bytes = Vec::new();
    let body = body.replace("=\r\n", "");
    let mut rest = body.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_page_goes_with_the_text_and_says_the_same() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, PLAIN);
    let mut message = problem();
    message.summary = "CRITICAL: db1 - Füllstand = 95,0 °".to_owned();
    message.detail = format!("--=_{} <b>", crate::digest::sha256(&message.key));
    receiver.send(&message, &context()).await.unwrap();
    receiver.send(&message, &context()).await.unwrap();
    let [mail, again] = server.mails().try_into().unwrap();
    assert_eq!(mail.text, again.text, "the same message is the same mail");
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative;"));
    assert!(mail.text.is_ascii() && mail.text.lines().all(|line| line.len() <= 100));
    assert_eq!(mail.header("List-Id").unwrap(), "hark <sample.hark.example.net>");
    let (text, page) = (read_part(&mail, "text/plain"), read_part(&mail, "text/html"));
    for part in [&text, &page] {
        assert!(part.contains("CRITICAL: db1 - Füllstand = 95,0 °"), "{part}");
        assert!(part.contains("https://hark.example.net/incidents/1"), "{part}");
    }
    assert!(text.contains("<b>") && page.contains("&lt;b&gt;"), "{page}");
    // Programs that show one part show the last that they can.
    assert!(mail.text.find("text/plain").unwrap() < mail.text.find("text/html").unwrap());
}

#[tokio::test]
async fn mails_of_one_incident_form_one_thread() {
    let server = Server::start(Script::default()).await;
    let first = receiver(server.address, PLAIN);
    let [problem, mut recovery, event] = samples().try_into().unwrap();
    first.send(&problem, &context()).await.unwrap();
    // A new receiver knows nothing of the first mail, as after a restart.
    let second = receiver(server.address, PLAIN);
    second.send(&recovery, &context()).await.unwrap();
    second.send(&event, &context()).await.unwrap();
    recovery.sequence = 2;
    recovery.key = "1/reminder/2".to_owned();
    second.send(&recovery, &context()).await.unwrap();
    second.send(&recovery, &context()).await.unwrap();
    let mails = server.mails();
    let id = |n: usize| mails[n].header("Message-ID").unwrap();
    assert!(id(0).starts_with('<') && id(0).ends_with(".hark@example.net>"), "{}", id(0));
    assert_eq!(mails[0].header("In-Reply-To"), None);
    for answer in [1, 3] {
        assert_eq!(mails[answer].header("In-Reply-To").unwrap(), id(0));
        assert_eq!(mails[answer].header("References").unwrap(), id(0));
        assert_ne!(id(answer), id(0));
    }
    assert_eq!(mails[2].header("References"), None, "an event is no part of a thread");
    assert_eq!(id(3), id(4), "the same message has the same Message-ID at each try");
    assert_ne!(id(1), id(3));
}

#[tokio::test]
async fn a_mail_can_be_answered_and_carries_what_proves_the_answer() {
    use crate::handling::{KEY_BYTES, Tokens};
    let server = Server::start(Script::default()).await;
    let mailer =
        receiver(server.address, &format!("{PLAIN}reply_to: 'ops+{{token}}@example.net'\n"));
    let tokens = Tokens::new(&[9; KEY_BYTES]);
    let context = Context { tokens: Some(tokens.clone()), ..context() };
    let [problem, recovery, _event] = samples().try_into().unwrap();
    let mut reminder = problem.clone();
    (reminder.sequence, reminder.key) = (1, "1/reminder/1".to_owned());
    reminder.at = problem.at + Duration::from_hours(1);
    for message in [&problem, &reminder, &recovery] {
        mailer.send(message, &context).await.unwrap();
    }
    let mails = server.mails();
    for (mail, message) in mails.iter().zip([&problem, &reminder]) {
        let token = context.acknowledge_token(message).unwrap();
        assert_eq!(mail.header("Reply-To").unwrap(), format!("ops+{token}@example.net"));
        let carried = format!("<{token}.hark@example.net>");
        assert!(mail.header("References").unwrap().starts_with(&carried));
        // Lines of the body are folded with `=` at their end.
        let text = mail.text.replace("=\r\n", "");
        assert!(text.contains(&format!("https://hark.example.net/a/{token}")), "{text}");
        tokens.open(&token, [&message.receiver], message.at).unwrap();
    }
    let root = mails[0].header("Message-ID").unwrap();
    assert!(mails[1].header("References").unwrap().ends_with(&root), "the thread stays one");
    assert_eq!(mails[1].header("In-Reply-To").unwrap(), root);
    assert_eq!(mails[2].header("References").unwrap(), root, "a recovery is not answered");
    assert_eq!(mails[2].header("Reply-To"), None);
    assert!(!mails[2].text.contains("/a/"));
}

#[tokio::test]
async fn no_text_can_add_a_header_or_end_the_mail() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, PLAIN);
    let mut notification = problem();
    notification.summary = "x\r\nBcc: thief@example.com\r\n\r\nBody".to_owned();
    notification.key = "k\r\nX-Evil: 1".to_owned();
    notification.detail = "\r\n.\r\nMAIL FROM:<evil@example.com>\r\n".to_owned();
    receiver.send(&notification, &context()).await.unwrap();
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].header("Bcc"), None);
    assert_eq!(mails[0].header("X-Evil"), None);
    assert_eq!(mails[0].header("Subject").unwrap(), "[hark] x  Bcc: thief@example.com    Body");
    assert!(!server.commands().iter().any(|command| command.contains("evil@")));
}

#[tokio::test]
async fn the_connection_is_kept_for_the_next_mail() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, PLAIN);
    for _ in 0..3 {
        send(&*receiver).await.unwrap();
    }
    assert_eq!((server.mails().len(), server.n_connections()), (3, 1));
    receiver.close_idle().await;
    send(&*receiver).await.unwrap();
    assert_eq!(server.n_connections(), 1, "a young connection is kept");
}

#[tokio::test]
async fn an_old_connection_is_closed_with_a_word() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, "security: none\nkeepalive: 1ms\n");
    send(&*receiver).await.unwrap();
    let sent = Clock.now().mono;
    while Clock.now().mono.since(sent) < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    receiver.close_idle().await;
    assert_eq!(server.commands().last().unwrap(), "QUIT");
    send(&*receiver).await.unwrap();
    assert_eq!(server.n_connections(), 2);
}

#[tokio::test]
async fn a_connection_that_died_while_idle_is_replaced_within_the_same_try() {
    let server = Server::start(Script { close_after_mail: true, ..Script::default() }).await;
    let receiver = receiver(server.address, PLAIN);
    for n in 1..=3 {
        send(&*receiver).await.unwrap();
        assert_eq!((server.mails().len(), server.n_connections()), (n, n));
    }
}

#[tokio::test]
async fn a_kept_connection_that_went_silent_is_replaced_within_the_same_try() {
    let server = Server::start(Script { hang_after: "RSET", ..Script::default() }).await;
    let receiver = receiver(server.address, "security: none\ntimeout: 2s\n");
    send(&*receiver).await.unwrap();
    send(&*receiver).await.unwrap();
    assert_eq!((server.mails().len(), server.n_connections()), (2, 2));
}

#[tokio::test]
async fn starttls_and_tls_verify_the_certificate() {
    let (config, pem) = certificate();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let trusted = format!("ca_file: {}\n", ca_file.display());
    let starttls = Script { starttls: Some(Arc::clone(&config)), ..Script::default() };
    let tls = Script { tls: Some(config), ..Script::default() };
    for (script, security) in [(starttls, "security: starttls\n"), (tls, "security: tls\n")] {
        let server = Server::start(script).await;
        let good = receiver(server.address, &format!("{security}{trusted}"));
        send(&*good).await.unwrap();
        assert!(server.mails()[0].encrypted);

        let system = receiver(server.address, security);
        let error = send(&*system).await.unwrap_err();
        assert!(matches!(error, SendError::Untrusted { .. }), "{error:?}");
        assert!(!error.is_permanent(), "a certificate can be renewed while the mail waits");

        let other = receiver(server.address, &format!("{security}{trusted}tls_name: other.test\n"));
        let error = send(&*other).await.unwrap_err();
        assert!(error.text().contains("not valid for name"), "{}", error.text());

        let insecure = receiver(server.address, &format!("{security}insecure: true\n"));
        send(&*insecure).await.unwrap();
        assert_eq!(insecure.warnings(), ["the mail server's certificate is not verified"]);
        assert_eq!(server.mails().len(), 2);
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(server.address, "security: starttls\n");
    let error = send(&*receiver).await.unwrap_err();
    assert_eq!(error.text(), "mx.test does not offer STARTTLS");
    assert!(!server.commands().iter().any(|command| command.starts_with("MAIL")));
}

#[tokio::test]
async fn logging_in_works_in_both_ways_and_never_shows_the_password() {
    for auth in ["PLAIN LOGIN", "LOGIN"] {
        let server = Server::start(Script { auth, ..Script::default() }).await;
        let document = Document::single(&format!(
            "to: a@b.example\nfrom: c@d.example\nserver: mx.test\nport: {}\nsecurity: none\n\
             user: hark\npassword: s3cret-word\n",
            server.address.port()
        ));
        let good = Email.read(&document.root(&NoSecrets)).unwrap();
        assert_eq!(good.warnings(), ["the password travels unprotected"]);
        assert!(!format!("{good:?}").contains("s3cret-word"));
        send(&*good).await.unwrap();
        assert_eq!(server.mails()[0].login, "/hark/s3cret-word");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_for_good() {
    let server = Server::start(Script { auth: "PLAIN", ..Script::default() }).await;
    let document = Document::single(&format!(
        "to: a@b.example\nfrom: c@d.example\nserver: mx.test\nport: {}\nsecurity: none\n\
         user: hark\npassword: wrong-word\n",
        server.address.port()
    ));
    let receiver = Email.read(&document.root(&NoSecrets)).unwrap();
    let error = send(&*receiver).await.unwrap_err();
    assert_eq!(error.text(), "answered 535: 5.7.8 wrong password");
    assert!(error.is_permanent());
    assert!(!format!("{error:?}").contains("wrong-word"));
}

#[tokio::test]
async fn replies_decide_whether_to_try_again() {
    let cases = [
        (Script { sender: "451 later", ..Script::default() }, "answered 451: later", false),
        (Script { sender: "550 never", ..Script::default() }, "answered 550: never", true),
        (Script { end: "452 disk full", ..Script::default() }, "answered 452: disk full", false),
        (
            Script { end: "554 looks like spam", ..Script::default() },
            "answered 554: looks like spam",
            true,
        ),
    ];
    for (script, text, permanent) in cases {
        let server = Server::start(script).await;
        let receiver = receiver(server.address, PLAIN);
        for _ in 0..2 {
            let error = send(&*receiver).await.unwrap_err();
            assert_eq!((error.text().as_str(), error.is_permanent()), (text, permanent));
            assert!(!error.is_outcome_unknown());
        }
        assert_eq!(server.n_connections(), 1, "a refusal does not spoil the connection");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_reported_and_the_others_are_served() {
    let mut script = Script::default();
    script.recipients.insert("mira@example.net", ["550 no such user"].into());
    let server = Server::start(script).await;
    let receiver = receiver(server.address, PLAIN);
    let delivered = send(&*receiver).await.unwrap();
    let refused = ("mira@example.net".to_owned(), "550 no such user".to_owned());
    assert_eq!(delivered.refused, [refused]);
    assert_eq!(server.mails()[0].recipients, ["ops@example.net"]);
}

#[tokio::test]
async fn a_recipient_put_off_is_tried_again_without_mailing_the_others_twice() {
    let mut script = Script::default();
    script.recipients.insert("mira@example.net", ["450 greylisted", "450 greylisted"].into());
    let server = Server::start(script).await;
    let receiver = receiver(server.address, PLAIN);
    let error = send(&*receiver).await.unwrap_err();
    assert_eq!(error.text(), "put off for mira@example.net: 450 greylisted");
    assert!(!error.is_permanent());
    let error = send(&*receiver).await.unwrap_err();
    assert!(!error.is_permanent(), "{}", error.text());
    send(&*receiver).await.unwrap();
    let served: Vec<_> = server.mails().into_iter().map(|mail| mail.recipients).collect();
    assert_eq!(served, [vec!["ops@example.net".to_owned()], vec!["mira@example.net".to_owned()]]);
    // The next message goes to all again.
    let mut next = problem();
    next.key = "2/problem/0".to_owned();
    receiver.send(&next, &context()).await.unwrap();
    assert_eq!(server.mails()[2].recipients.len(), 2);
}

#[tokio::test]
async fn all_recipients_refused_ends_the_message_unless_one_is_put_off() {
    for (reply, permanent) in [("550 gone", true), ("450 later", false)] {
        let mut script = Script::default();
        script.recipients.insert("ops@example.net", ["550 gone"].into());
        script.recipients.insert("mira@example.net", [reply].into());
        let server = Server::start(script).await;
        let receiver = receiver(server.address, PLAIN);
        assert_eq!(send(&*receiver).await.unwrap_err().is_permanent(), permanent);
        assert!(server.mails().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_timeout_and_no_more() {
    for (hang_after, doing) in [
        ("EHLO", Doing::Greeting),
        ("MAIL", Doing::Sending),
        ("RCPT", Doing::Sending),
        (".", Doing::Waiting),
    ] {
        let server = Server::start(Script { hang_after, ..Script::default() }).await;
        let receiver = receiver(server.address, "security: none\ntimeout: 200ms\n");
        let error = send(&*receiver).await.unwrap_err();
        let SendError::Timeout { doing: met, .. } = error else { panic!("{error:?}") };
        assert_eq!(met, doing, "{hang_after}");
        assert_eq!(error.is_outcome_unknown(), hang_after == ".");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_failure_to_be_tried_again() {
    for close_on in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let server = Server::start(Script { close_on, ..Script::default() }).await;
        let receiver = receiver(server.address, PLAIN);
        let error = send(&*receiver).await.unwrap_err();
        assert!(matches!(error, SendError::Broken { .. }), "{error:?}");
        assert!(!error.is_permanent());
    }
}

#[tokio::test]
async fn nobody_at_the_address_and_no_address_are_told_apart() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(&*receiver(address, PLAIN)).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    let document = Document::single(
        "to: a@b.example\nfrom: c@d.example\nserver: elsewhere.test\nsecurity: none\n",
    );
    let lost = Email.read(&document.root(&NoSecrets)).unwrap();
    let error = send(&*lost).await.unwrap_err();
    assert_eq!(error.text(), "no address for elsewhere.test: no such name");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn templates_make_subject_and_text() {
    let server = Server::start(Script::default()).await;
    let receiver = receiver(
        server.address,
        &format!(
            "{PLAIN}subject: '{{{{ severity|upper }}}} {{{{ host }}}}'\n\
             template: \"{{{{ summary }}}}\\nsee {{{{ link }}}}\"\n"
        ),
    );
    send(&*receiver).await.unwrap();
    let mail = server.mails().remove(0);
    assert_eq!(mail.header("Subject").unwrap(), "CRITICAL db1.example.net");
    assert!(mail.text.contains("see https://hark.example.net/incidents/1"), "{}", mail.text);
}

fn mistakes(text: &str) -> String {
    let document = Document::single(text);
    let receiver = Email.read(&document.root(&NoSecrets));
    let errors = document.diagnostics().render(Style::Plain);
    assert!(document.has_errors() || receiver.is_some());
    errors
}

#[test]
fn mistakes_are_found_when_the_configuration_is_read() {
    let cases = [
        ("from: a@b.c\n", "the key `to` is missing"),
        ("to: a@b.c\n", "the key `from` is missing"),
        ("to: nonsense\nfrom: a@b.c\n", "not a mail address"),
        ("to: mich@büro.example\nfrom: a@b.c\n", "xn--"),
        ("to: a@b.c\nfrom: a@b.c\nsubject: '{{ sumary }}'\n", "`sumary` is undefined"),
        ("to: a@b.c\nfrom: a@b.c\nsecurity: ssl\n", "ssl"),
        ("to: a@b.c\nfrom: a@b.c\nuser: x\n", "a user without `password`"),
        ("to: a@b.c\nfrom: a@b.c\npassword: x\n", "a password without `user`"),
        ("to: a@b.c\nfrom: a@b.c\ntimeout: 0s\n", "more than 0s"),
        ("to: a@b.c\nfrom: a@b.c\nserver: 'a b'\n", "cannot contain ' '"),
    ];
    for (text, expected) in cases {
        let errors = mistakes(text);
        assert!(errors.contains(expected), "{text}\n{errors}");
    }
    let warned = mistakes("to: a@b.c\nfrom: a@b.c\nsecurity: none\nuser: x\npassword: y\n");
    assert!(warned.contains("the password travels unprotected"), "{warned}");
}

#[test]
fn the_greeting_is_a_name_or_an_address_in_brackets() {
    assert_eq!(hello("mon.example.net"), "mon.example.net");
    assert_eq!(hello("192.0.2.1"), "[192.0.2.1]");
    assert_eq!(hello("2001:db8::1"), "[IPv6:2001:db8::1]");
    assert_eq!(hello("not a name\r\n"), "[127.0.0.1]");
}

#[test]
fn severity_and_receiver_do_not_change_the_thread_but_the_incident_does() {
    let n = problem();
    let mut same = n.clone();
    same.severity = Severity::Warning;
    same.at = Unix(5);
    assert_eq!(thread_id(&n, "d"), thread_id(&same, "d"));
    let mut reborn = n.clone();
    reborn.since = Unix(n.since.0 + 1);
    assert_ne!(thread_id(&n, "d"), thread_id(&reborn, "d"), "numbers begin again with a new state");
    let mut other = n.clone();
    other.receiver = ReceiverName::new("other").unwrap();
    assert_ne!(thread_id(&n, "d"), thread_id(&other, "d"));
}
