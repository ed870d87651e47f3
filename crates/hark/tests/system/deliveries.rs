//! The log of deliveries: each try with what was asked and answered, trying again by hand, and figures of
//! receivers; and no secret in any of it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::hook::Hook;
use crate::support::process::{clean, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

/// How long a try may take to be in the log on a busy machine.
const LOGGED: Duration = Duration::from_secs(30);

/// Everything secret about the receiver of the test.
const SECRETS: [&str; 3] = ["T0123456789abcdef", "correct-horse-battery", "hunter2-signs"];

/// Takes one request, repeats it in its answer, and returns it.
fn answer_once(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut part = [0; 4096];
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        text.split_once("\r\n\r\n")
            .is_some_and(|(head, _)| request.len() >= head.len() + 4 + length)
    };
    while !is_whole(&request) {
        let n_bytes = stream.read(&mut part).unwrap();
        assert!(n_bytes > 0, "the request ended early");
        request.extend_from_slice(&part[..n_bytes]);
    }
    let request = String::from_utf8(request).unwrap();
    let said = format!("taken: {request}");
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", said.len());
    stream.write_all(format!("{head}{said}").as_bytes()).unwrap();
    request
}

fn detail(server: &Server, id: u64) -> Value {
    server.get(&format!("/api/0/deliveries/{id}"))
}

fn hark(server: &Server, folder: &std::path::Path, words: &[&str]) -> String {
    let mut command = clean(HARK, folder);
    command.arg("deliveries").args(words).arg("--data").arg(&server.data);
    succeed(&mut command, LOGGED)
}

#[test]
fn a_message_that_waits_is_tried_at_once_when_somebody_asks_and_the_log_has_no_secret() {
    let folder = folder();
    let folder = folder.path();
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port()
    };
    let [token, bearer, signing] = SECRETS;
    let config = format!(
        "receivers:\n  hook:\n    webhook:\n      url: http://127.0.0.1:{port}/hooks/{token}\n      \
         headers: {{Authorization: Bearer {bearer}}}\n      secret: {signing}\n"
    );
    let mut server = Start::new("server", folder).config(&config).go();
    server.set_up(PASSWORD);
    let sent = server.post("/api/0/receivers/hook/test", &json!({}));
    let id = sent.body["delivery"].as_u64().unwrap();
    let failed = until("the first try", LOGGED, || {
        let found = detail(&server, id);
        (!found["tries"].as_array()?.is_empty()).then_some(found)
    });
    let first = &failed["tries"][0];
    assert_eq!((&failed["waits"], &first["outcome"]), (&json!(true), &json!("retry")), "{failed}");
    assert_eq!((&first["failure"], &first["number"]), (&json!("unreachable"), &json!(1)));
    assert_eq!(first["exchanges"][0]["asked"], format!("POST http://127.0.0.1:{port}/…"));
    assert!(first["next_try_at"].is_string(), "{first}");

    // Asked for until it has arrived: its own next try may come in between.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let heard = std::thread::spawn(move || answer_once(&listener));
    let retried = server.post(&format!("/api/0/deliveries/{id}/retry"), &json!({}));
    assert!(matches!(retried.status, 200 | 409), "{}", retried.body);
    let told = until("the message that arrived", LOGGED, || {
        let found = detail(&server, id);
        (found["state"] == "sent" && found["waits"] == false).then_some(found)
    });
    let request = heard.join().unwrap();
    assert!(SECRETS[..2].iter().all(|secret| request.contains(secret)), "{request}");
    let last = told["tries"].as_array().unwrap().last().unwrap();
    let exchange = &last["exchanges"][0];
    assert_eq!((&last["outcome"], &exchange["status"]), (&json!("delivered"), &json!("200")));
    assert!(exchange["answer"].as_str().unwrap().starts_with("taken: POST …"), "{exchange}");
    let again = server.post(&format!("/api/0/deliveries/{id}/retry"), &json!({}));
    assert_eq!(again.status, 409, "{}", again.body);

    filters_fit(&server, id);
    let (listed, shown) = printed(&server, folder, id);
    let everything = [
        told.to_string(),
        server.get("/api/0/deliveries").to_string(),
        server.get("/api/0/receivers").to_string(),
        figures(&server, told["tries"].as_array().unwrap().len()),
        listed,
        shown,
        server.process.output(),
        server.process.errors(),
    ];
    for secret in SECRETS {
        for text in &everything {
            assert!(!text.contains(secret), "{secret} is shown in {text}");
        }
    }
    no_secret_is_on_the_disk(&server);
}

fn filters_fit(server: &Server, id: u64) {
    let ids = |query: &str| {
        let page = server.get(&format!("/api/0/deliveries?{query}"));
        let rows = page["items"].as_array().unwrap().clone();
        rows.iter().map(|row| row["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert!(ids("receiver=hook&state=sent&since=2020-01-01T00:00:00Z").contains(&id));
    assert!(ids("receiver=other").is_empty() && ids("since=2099-01-01T00:00:00Z").is_empty());
    assert!(ids("incident=99").is_empty());
}

/// Returns the figures, which must tell of one message that arrived after so many tries.
fn figures(server: &Server, tries: usize) -> String {
    let figures = server.try_get("/metrics").unwrap();
    for line in [
        format!("hark_receiver_tries_total{{receiver=\"hook\",type=\"webhook\"}} {tries}"),
        "hark_receiver_delivered_total{receiver=\"hook\",type=\"webhook\"} 1".to_owned(),
        "hark_receiver_waiting{receiver=\"hook\",type=\"webhook\"} 0".to_owned(),
    ] {
        assert!(figures.text.contains(&line), "{line} is missing in {}", figures.text);
    }
    figures.text
}

/// Returns what the command prints: the list, and the message.
fn printed(server: &Server, folder: &std::path::Path, id: u64) -> (String, String) {
    let listed = hark(server, folder, &["--receiver", "hook"]);
    assert!(listed.contains("RECEIVER") && listed.contains("hook"), "{listed}");
    let as_json: Value =
        serde_json::from_str(&hark(server, folder, &["--receiver", "hook", "--json"])).unwrap();
    assert_eq!(as_json[0]["id"], id);
    let shown = hark(server, folder, &["show", &id.to_string()]);
    assert!(shown.contains("unreachable") || shown.contains("no connection"), "{shown}");
    assert!(shown.contains("> authorization: …"), "{shown}");
    (listed, shown)
}

fn no_secret_is_on_the_disk(server: &Server) {
    let state = std::fs::read(server.data.join("state.db")).unwrap();
    let log = std::fs::read(server.data.join("state.db-wal")).unwrap_or_default();
    for secret in SECRETS {
        let is_in = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!is_in(&state) && !is_in(&log), "{secret} is on the disk");
    }
}

#[test]
fn a_test_message_from_the_command_line_says_whether_it_has_arrived() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let closed = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap().port()
    };
    let config = format!(
        "receivers:\n  chat: {{webhook: {{url: '{}'}}}}\n  \
         gone: {{webhook: {{url: 'http://127.0.0.1:{closed}/'}}}}\n",
        hook.url()
    );
    let mut server = Start::new("server", folder).config(&config).go();
    server.set_up(PASSWORD);
    let receivers = |words: &[&str]| {
        let mut command = clean(HARK, folder);
        command.arg("receivers").args(words).arg("--data").arg(&server.data);
        let done = command.output().unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    };
    let (code, listed) = receivers(&[]);
    assert!(code == 0 && listed.contains("chat") && listed.contains("unused"), "{listed}");
    let (code, said) = receivers(&["test", "chat"]);
    assert!(code == 0 && said.starts_with("chat has the message (1)"), "{said}");
    assert_eq!(hook.calls().len(), 1);
    let (code, said) = receivers(&["test", "gone"]);
    assert!(code == 1 && said.starts_with("gone does not have the message (2) yet: "), "{said}");
    let (_, listed) = receivers(&[]);
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("chat").contains("works"), "{listed}");
    assert!(line("gone").contains(" 1 "), "one message waits: {listed}");
    let (code, _) = receivers(&["test", "nobody"]);
    assert_eq!(code, 1);
}
