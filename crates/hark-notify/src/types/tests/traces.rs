//! What the log of deliveries keeps of every type: that it says what was asked and answered, and that no
//! secret is in it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use hark_config::{Document, NoSecrets};
use hark_model::Notification;
use hark_model::record::Exchange;
use hark_net::Masks;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::server::{Answer, Server, context, problem};
use super::services::{services, settings};
use crate::{ReceiverType, TYPES, Trace, samples};

const SECRET: &str = "correct-horse";

/// Types that are not called over the frame of services: they have a test of their own below, or in their file.
const OTHERS: [&str; 6] = ["email", "exec", "mqtt", "syslog", "web_push", "xmpp"];

/// What is kept of one try.
#[derive(Debug)]
struct Kept {
    exchanges: Vec<Exchange>,
    said: String,
}

impl Kept {
    fn first(&self) -> &Exchange {
        &self.exchanges[0]
    }

    /// Fails if a secret is in it, in whatever form, or what a reader may acknowledge with.
    fn assert_clean(&self, kind: &str, message: &Notification) {
        let token = context().acknowledge_token(message);
        let shown = format!("{:?} {}", self.exchanges, self.said);
        let mut masks = Masks::default();
        masks.hide(SECRET);
        for exchange in &self.exchanges {
            for text in [&exchange.asked, &exchange.body, &exchange.answer, &exchange.status] {
                assert_eq!(masks.clean(text), *text, "{kind}");
            }
        }
        for secret in [Some(SECRET.to_owned()), Some("correct%2Dhorse".to_owned()), token] {
            assert!(secret.is_none_or(|secret| !shown.contains(&secret)), "{kind}: {shown}");
        }
    }
}

/// Sends `message` by the receiver of `kind` with these settings, as the outbox does.
async fn traced(kind: &dyn ReceiverType, settings: &str, message: &Notification) -> Kept {
    let document = Document::single(settings);
    let root = document.root(&NoSecrets);
    let receiver = kind.read(&root).unwrap();
    let masks = Masks::of(&root, kind.keys());
    let trace = Trace::new(Arc::new(masks));
    let context = context().traced(trace.clone());
    let said = match receiver.send(message, &context).await {
        Ok(delivered) => delivered.text,
        Err(error) => error.text(),
    };
    let said = trace.clean(&said);
    let (exchanges, _) = trace.take();
    Kept { exchanges, said }
}

fn kind(name: &str) -> &'static dyn ReceiverType {
    *TYPES.iter().find(|kind| kind.name() == name).unwrap()
}

#[test]
fn no_type_is_left_out() {
    let called: BTreeSet<&str> = services().map(|(kind, _)| kind.name()).chain(OTHERS).collect();
    let all: BTreeSet<&str> = TYPES.iter().map(|kind| kind.name()).collect();
    assert_eq!(called, all);
}

#[tokio::test]
async fn of_every_service_it_is_kept_what_was_asked_and_answered_and_no_secret() {
    for (kind, key) in services() {
        for status in [200, 400, 500] {
            // It repeats everything that it was sent, and in a form in which services quote.
            let server = Server::start(move |call| {
                let said = format!("{} {:?} {}", call.uri, call.headers, call.body);
                Answer::new(status, serde_json::json!({"error": said}).to_string())
            })
            .await;
            for message in samples() {
                let given = settings(kind, key, &server, "");
                let kept = traced(kind, &given, &message).await;
                let name = kind.name();
                kept.assert_clean(name, &message);
                let first = kept.first();
                assert_eq!(first.status, status.to_string(), "{name}");
                assert!(first.asked.contains(" http://hook.test:"), "{name}: {}", first.asked);
                assert!(first.answer.contains("error"), "{name}: {first:?}");
                assert!(kept.exchanges.len() <= 4, "{name}");
            }
            assert!(!server.calls().is_empty());
        }
    }
}

#[tokio::test]
async fn a_service_that_hangs_leaves_what_it_was_asked() {
    let (kind, key) = services().find(|(kind, _)| kind.name() == "webhook").unwrap();
    let server = Server::start(|_| Answer::never()).await;
    let given = settings(kind, key, &server, "timeout: 200ms\n");
    let kept = traced(kind, &given, &problem()).await;
    let Exchange { asked, status, answer, took_ms, body, .. } = kept.first();
    assert!(asked.starts_with("POST http://hook.test:") && asked.ends_with("/…"), "{asked}");
    assert!(body.contains("cpu_monitor"), "{body}");
    assert_eq!(status, "");
    assert!(answer.contains("timed out"), "{answer}");
    // Asking begins after the time limit does.
    assert!((150..5000).contains(took_ms), "{took_ms}");
}

#[tokio::test]
async fn headers_that_prove_who_sends_are_masked_and_the_others_are_shown() {
    let server = Server::saying(200, "taken").await;
    let settings = format!(
        "url: '{}'\nheaders: {{X-Tenant: abc, Authorization: 'Basic {SECRET}'}}\nsecret: {SECRET}\n\
         template: '{{{{ host }}}} sends {SECRET}, abc and xabc'\n",
        server.url("/hooks/T012345678/{{ host|urlencode }}")
    );
    let kept = traced(kind("webhook"), &settings, &problem()).await;
    kept.assert_clean("webhook", &problem());
    let header = |wanted: &str| {
        let found = kept.first().headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("authorization"), Some("…"));
    assert_eq!(header("x-tenant"), Some("…"), "a header of the settings may be a credential");
    assert_eq!(header("hark-signature"), Some("…"));
    assert_eq!(header("idempotency-key"), Some("1/problem/0"));
    assert_eq!(kept.first().body, "db1.example.net sends …, … and xabc");
    assert_eq!(kept.first().answer, "taken");
    assert_eq!(server.only_call().body, format!("db1.example.net sends {SECRET}, abc and xabc"));
}

/// A server that answers each line with what `reply` makes of it; what is between `DATA` and the dot is
/// one line.
fn mail_server(listener: TcpListener) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mx\r\n").await.unwrap();
        let (mut line, mut in_mail, mut mail) = (String::new(), false, String::new());
        while stream.read_line(&mut line).await.is_ok_and(|n_bytes| n_bytes > 0) {
            let command = std::mem::take(&mut line);
            if in_mail && command != ".\r\n" {
                mail.push_str(&command);
                continue;
            }
            let answer = match command.split([' ', '\r']).next().unwrap() {
                "EHLO" => "250-mx\r\n250 AUTH PLAIN\r\n".to_owned(),
                "DATA" => {
                    in_mail = true;
                    "354 go on\r\n".to_owned()
                }
                // It repeats what it got.
                "." => format!("451 4.3.0 no room for {}\r\n", mail.replace("\r\n", "|")),
                _ => "250 ok\r\n".to_owned(),
            };
            in_mail &= command != ".\r\n";
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    tasks
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn of_a_mail_the_dialogue_and_its_last_answer_are_kept_and_no_secret() {
    let (listener, port) = listen().await;
    let _server = mail_server(listener);
    let settings = format!(
        "to: [ops@example.net]\nfrom: hark@example.net\nserver: hook.test\nport: {port}\n\
         security: none\nuser: hark\npassword: {SECRET}\n"
    );
    let message = problem();
    let kept = traced(kind("email"), &settings, &message).await;
    kept.assert_clean("email", &message);
    let mail = kept.first();
    let server_line =
        format!("hook.test:{port} MAIL FROM:<hark@example.net> RCPT TO:<ops@example.net> DATA");
    assert_eq!(mail.asked, server_line);
    assert!(mail.headers.iter().any(|(name, value)| name == "Subject" && value.contains("db1")));
    assert!(mail.body.contains("/a/…"), "the link that acknowledges is masked: {}", mail.body);
    assert_eq!(mail.status, "451");
    assert!(mail.answer.starts_with("4.3.0 no room"), "{}", mail.answer);
}

#[tokio::test]
async fn of_a_program_its_input_its_exit_code_and_its_first_words_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tell");
    std::fs::write(&path, "#!/bin/sh\ncat\necho failed >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = format!("command: [{}, --password, {SECRET}]\n", path.display());
    let message = problem();
    let kept = traced(kind("exec"), &settings, &message).await;
    kept.assert_clean("exec", &message);
    assert_eq!(kept.first().asked, format!("run {}", path.display()));
    assert!(kept.first().body.contains("\"summary\""));
    assert_eq!(kept.first().answer, "tell ended with exit code 3: failed");
}

async fn say(stream: &mut TcpStream, answer: &[u8]) {
    let mut packet = [0; 4096];
    let _n_bytes = stream.read(&mut packet).await.unwrap();
    stream.write_all(answer).await.unwrap();
}

#[tokio::test]
async fn of_a_broker_topic_and_content_are_kept_and_no_log_in() {
    let (listener, port) = listen().await;
    let mut broker = JoinSet::new();
    broker.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        say(&mut stream, &[0x20, 2, 0, 0]).await;
        say(&mut stream, &[0x40, 2, 0, 1]).await;
        let _end = stream.read(&mut [0; 64]).await;
    });
    let settings = format!(
        "server: hook.test\nport: {port}\nuser: hark\npassword: {SECRET}\n\
         template: '{SECRET} {{{{ status }}}}'\n"
    );
    let message = problem();
    let kept = traced(kind("mqtt"), &settings, &message).await;
    kept.assert_clean("mqtt", &message);
    let topic = "PUBLISH hark/db1.example.net/cpu_monitor.cpu_percent at mqtt://hook.test";
    assert_eq!(kept.first().asked, format!("{topic}:{port}"));
    assert_eq!(
        (kept.first().body.as_str(), kept.first().answer.as_str()),
        ("… critical", "confirmed by the broker")
    );
    broker.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn of_a_syslog_message_its_line_is_kept() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = server.local_addr().unwrap().port();
    let settings = format!("transport: udp\nserver: hook.test\nport: {port}\n");
    let message = problem();
    let kept = traced(kind("syslog"), &settings, &message).await;
    kept.assert_clean("syslog", &message);
    assert_eq!(kept.first().asked, format!("udp://hook.test:{port}"));
    let mut buffer = [0; 4096];
    let n_bytes = server.recv(&mut buffer).await.unwrap();
    assert_eq!(kept.first().body, String::from_utf8_lossy(&buffer[..n_bytes]));
    assert_eq!(kept.first().answer, "sent; UDP confirms nothing");
}

#[tokio::test]
async fn of_a_message_over_xmpp_its_text_is_kept_and_how_it_failed() {
    let (listener, port) = listen().await;
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        say(&mut stream, b"<a/>").await;
    });
    let settings = format!(
        "jid: hark@example.net\npassword: {SECRET}\nserver: hook.test\nport: {port}\n\
         to: [mira@example.net]\ntemplate: '{SECRET} {{{{ status }}}}'\n"
    );
    let message = problem();
    let kept = traced(kind("xmpp"), &settings, &message).await;
    kept.assert_clean("xmpp", &message);
    assert_eq!(kept.first().asked, format!("message to mira@example.net at hook.test:{port}"));
    assert_eq!(kept.first().body, "… critical");
    assert!(kept.first().answer.contains("the connection failed"), "{}", kept.first().answer);
    server.join_next().await.unwrap().unwrap();
}
