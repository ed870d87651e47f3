//! People who handle incidents from outside the page, with real mail: the link in a mail, the answer to
//! a mail through a mail server's pipe.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::hook::Hook;
use crate::support::http::{self, Answer};
use crate::support::postfix::{Mail, Postfix};
use crate::support::process::{clean, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, HASH, PASSWORD, folder};

/// How long a message or an answer may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

/// Checks that fail when a test says so, each an incident of its own.
const JOBS: &str = "hosts: {db1: {}}\nchecks:\n  \
    one: {host: db1, push: {every: 1d}}\n  two: {host: db1, push: {every: 1d}}\n";

fn config(postfix: &Postfix) -> String {
    format!(
        "{JOBS}public_url: https://hark.example.net\nreceivers:\n  mail: {{email: {{\
         to: [ops@example.net], from: hark@example.net, reply_to: 'ops+{{token}}@example.net', \
         server: 127.0.0.1, port: {}, security: none}}}}\n",
        postfix.port()
    )
}

fn fail(folder: &Path, server: &Server, check: &str) {
    let mut list = clean(HARK, folder);
    list.args(["push", check, "--json", "--data"]).arg(&server.data);
    let jobs: Value = serde_json::from_str(&succeed(&mut list, TOLD)).unwrap();
    let path = jobs[0]["path"].as_str().unwrap();
    let address = format!("http://127.0.0.1:{}{path}", server.http);
    let mut send = clean(HARK, folder);
    send.args(["send", "--push", &address, "--exit-code", "2", "-m", "broken"]);
    succeed(&mut send, TOLD);
}

/// Waits for the mail about a check and returns it with its token.
fn told(postfix: &Postfix, check: &str) -> (Mail, String) {
    until(&format!("the mail about {check}"), TOLD, || {
        let mail = postfix.mails().into_iter().find(|m| m.header("subject").contains(check))?;
        let (_, rest) = mail.header("reply-to").split_once('+')?;
        let token = rest.split('@').next()?.to_owned();
        Some((mail, token))
    })
}

fn acks(server: &Server) -> Vec<(String, Value)> {
    let page = server.get("/api/0/incidents?view=open");
    let rows = page["items"].as_array().unwrap();
    rows.iter().map(|row| (row["check"].as_str().unwrap().to_owned(), row["ack"].clone())).collect()
}

fn ack_of(server: &Server, check: &str) -> Value {
    acks(server).into_iter().find(|(name, _)| name == check).unwrap().1
}

fn form(server: &Server, token: &str, text: &str) -> Answer {
    let kind = Some("application/x-www-form-urlencoded");
    http::request_as(server.http, "POST", &format!("/a/{token}"), &[], kind, text).unwrap()
}

#[test]
fn the_link_of_a_mail_acknowledges_without_a_log_in_also_after_a_crash() {
    let folder = folder();
    let folder = folder.path();
    let postfix = Postfix::start(folder);
    let mut start = Start::new("server", folder).config(&config(&postfix));
    let mut server = start.go();
    server.set_up(PASSWORD);
    fail(folder, &server, "one");
    let (mail, token) = told(&postfix, "one");
    let body = mail.body().replace("=\n", "");
    assert!(body.contains(&format!("https://hark.example.net/a/{token}")), "{body}");

    // Mail scanners fetch what is linked.
    let path = format!("/a/{token}");
    let shown = http::request(server.http, "GET", &path, &[], None).unwrap();
    assert!(shown.status == 200 && shown.text.contains("db1"), "{}", shown.text);
    assert_eq!(ack_of(&server, "one"), Value::Null);

    start.ports = (server.http, server.udp);
    server.process.kill();
    let server = start.go_as("again");
    let done = form(&server, &token, "comment=on+it&held=3600");
    assert!(done.status == 200 && done.text.contains("is acknowledged"), "{}", done.text);
    let ack = ack_of(&server, "one");
    assert_eq!((&ack["by"], &ack["comment"]), (&"via mail".into(), &"on it".into()));
    let again = form(&server, &token, "comment=me+too");
    assert!(again.text.contains("via mail has incident 1: on it"), "{}", again.text);
    let audit = server.get("/api/0/audit");
    let lines: Vec<&Value> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["what"] == "incident.ack")
        .collect();
    assert_eq!(lines.len(), 1, "{audit}");
    assert_eq!((&lines[0]["who"], &lines[0]["address"]), (&"via mail".into(), &"127.0.0.1".into()));

    // A token with one digit changed is none.
    let mut forged = token.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'a' { 'b' } else { 'a' });
    assert_eq!(form(&server, &forged, "").status, 404);
    for text in [server.process.output(), server.process.errors()] {
        assert!(!text.contains(&token) && !text.contains(&forged), "a token in the log");
    }
}

/// Puts the program where the mail server's user may run it.
fn reachable(folder: &Path) -> PathBuf {
    let program = folder.join("hark");
    std::fs::copy(HARK, &program).unwrap();
    program
}

#[test]
fn an_answer_to_a_mail_acknowledges_through_a_mail_servers_pipe() {
    let folder = folder();
    let folder = folder.path();
    let mut postfix = Postfix::start(folder);
    let mut server = Start::new("server", folder).config(&config(&postfix)).go();
    server.set_up(PASSWORD);
    let url = format!("http://127.0.0.1:{}", server.http);
    postfix.pipe_to(&reachable(folder), &["ack", "--mail", "--url", &url]);
    for check in ["one", "two"] {
        fail(folder, &server, check);
    }
    let (mail, token) = told(&postfix, "one");
    let answer = |text: &str| {
        format!(
            "From: Mira <mira@example.net>\nTo: ops@example.net\nSubject: Re: {}\n\
             References: {} {}\nContent-Type: text/plain; charset=utf-8\n\
             Content-Transfer-Encoding: quoted-printable\n\n{text}\n\nOn Saturday hark wrote:\n\
             > ack everything\n",
            mail.header("subject"),
            mail.header("references"),
            mail.header("message-id"),
        )
    };
    // A holiday answer, and one that says something else, which goes back with what to write.
    let to = format!("ops+{token}@example.net");
    let away = format!("Auto-Submitted: auto-replied\n{}", answer("ack"));
    postfix.hand_in("mira@example.net", &to, &away);
    postfix.hand_in("mira@example.net", &to, &answer("thanks"));
    let back = until("the mail that was sent back", TOLD, || {
        postfix.mails().into_iter().find(|m| m.header("subject").contains("Undelivered"))
    });
    assert!(back.body().contains("begin the answer with `ack`"), "{}", back.body());
    assert_eq!(ack_of(&server, "one"), Value::Null);

    // The address alone, and the references alone, are enough.
    postfix.hand_in("mira@example.net", &to, "From: m@example.net\nTo: x@y\n\nAck 2h on it\n");
    let ack = until("the acknowledgement", TOLD, || {
        Some(ack_of(&server, "one")).filter(|ack| !ack.is_null())
    });
    assert_eq!((&ack["by"], &ack["comment"]), (&"via mail".into(), &"on it".into()));
    assert!(ack["until_unix_s"].is_i64() && ack["sticky"] == false, "{ack}");
    assert_eq!(ack_of(&server, "two"), Value::Null);
    let (mail, _) = told(&postfix, "two");
    let chain =
        format!("From: m@example.net\nReferences: {}\n\nsilence 1h\n", mail.header("references"));
    postfix.hand_in("mira@example.net", "ops+any@example.net", &chain);
    let ack = until("the second acknowledgement", TOLD, || {
        Some(ack_of(&server, "two")).filter(|ack| !ack.is_null())
    });
    assert_eq!(ack["sticky"], true, "{ack}");
}

/// Calls as Slack does when somebody has pressed the button.
fn press(server: &Server, secret: &str, token: &str, (id, name): (&str, &str)) -> Answer {
    let payload = serde_json::json!({
        "type": "block_actions",
        "user": {"id": id, "username": name},
        "actions": [{"action_id": "hark_acknowledge", "value": token}],
    });
    let mut body = "payload=".to_owned();
    for byte in payload.to_string().bytes() {
        if byte.is_ascii_alphanumeric() {
            body.push(char::from(byte));
        } else {
            write!(body, "%{byte:02X}").unwrap();
        }
    }
    let time = hark_model::Clock.now().unix.seconds();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let code = ring::hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
    let hex = code.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let headers =
        [format!("X-Slack-Request-Timestamp: {time}"), format!("X-Slack-Signature: v0={hex}")];
    let kind = Some("application/x-www-form-urlencoded");
    http::request_as(server.http, "POST", "/api/0/receivers/chat/call", &headers, kind, &body)
        .unwrap()
}

#[test]
fn a_button_in_slack_acknowledges_if_slack_has_signed() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let config = format!(
        "{JOBS}public_url: https://hark.example.net\nreceivers: {{chat: {{slack: {{\
         url: '{}', signing_secret: a-signing-secret}}}}}}\n\
         users:\n  mira: {{known_as: {{slack: U7}}}}\n  \
         eve: {{password: '{HASH}', known_as: {{slack: U2}}}}\n",
        hook.url()
    );
    let mut server = Start::new("server", folder).config(&config).go();
    server.set_up(PASSWORD);
    let token_of = |n: usize| {
        // Who took a problem is told without a link.
        let text = until("the message", TOLD, || {
            hook.calls()
                .iter()
                .map(|call| call.body.to_string())
                .filter(|t| t.contains("/a/"))
                .nth(n)
        });
        let (_, after) = text.split_once("/a/").expect("a link that acknowledges");
        after.split('"').next().unwrap().to_owned()
    };
    fail(folder, &server, "one");
    let token = &token_of(0);

    assert_eq!(press(&server, "another-secret", token, ("U7", "mira")).status, 401);
    let pressed = |token: &str, by| press(&server, "a-signing-secret", token, by);
    assert!(pressed("x", ("U1", "zoe")).text.contains("none of this server"));
    // A user who has no role on the host, whatever the name says.
    let refused = pressed(token, ("U2", "mira"));
    assert!(refused.text.contains("eve may not acknowledge on db1"), "{}", refused.text);
    assert_eq!(ack_of(&server, "one"), Value::Null);
    let done = pressed(token, ("U1", "zoe"));
    assert!(done.status == 200 && done.text.contains("is acknowledged"), "{}", done.text);
    let ack = ack_of(&server, "one");
    assert_eq!(ack["by"], "via chat");
    assert_eq!(ack["comment"], "zoe, by the button of a message");
    let again = pressed(token, ("U3", "ben"));
    assert!(again.text.contains("via chat has incident 1"), "{}", again.text);

    // The administrator is known by her number there, and is named.
    fail(folder, &server, "two");
    let done = pressed(&token_of(1), ("U7", "anything"));
    assert!(done.text.contains("is acknowledged"), "{}", done.text);
    let ack = ack_of(&server, "two");
    assert_eq!(
        (&ack["by"], &ack["comment"]),
        (&"mira".into(), &"by the button of a message".into())
    );
}

fn maintenance(folder: &Path, server: &Server, words: &[&str]) -> Value {
    let mut command = clean(HARK, folder);
    command.arg("maintenance").args(words).args(["--json", "--data"]).arg(&server.data);
    let said = succeed(&mut command, TOLD);
    if said.trim().is_empty() { Value::Null } else { serde_json::from_str(&said).unwrap() }
}

#[test]
fn work_that_comes_again_begins_and_ends_by_its_pattern_with_a_crash_in_between() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let config = format!("{JOBS}receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n", hook.url());
    let mut start = Start::new("server", folder).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    // By its pattern it holds since the beginning of this minute of the hour, but only in a moment from
    // now on, and ends some seconds later.
    let now = hark_model::Clock.now().unix;
    let pattern = format!("{} * * * *", now.seconds() / 60 % 60);
    let lasts = format!("{}s", now.seconds() % 60 + 15);
    let from = (now + Duration::from_secs(3)).rfc3339();
    let mut words = vec!["--host", "db1", "--cron", &pattern, "--lasts", &lasts, "--from", &from];
    words.extend(["--zone", "UTC", "-m", "scrub"]);
    let preview = maintenance(folder, &server, &[&words[..], &["--preview"]].concat());
    assert_eq!(preview["times"].as_array().map(Vec::len), Some(5), "{preview}");
    assert_eq!((&preview["hosts"], &preview["times"][0]["from_at"]), (&1.into(), &json!(from)));
    assert_eq!(maintenance(folder, &server, &[]), json!([]), "a preview plans nothing");

    let made = maintenance(folder, &server, &words);
    assert!(made[0]["repeats"].is_string(), "{made}");
    let first = made[0]["until_at"].clone();
    assert_eq!(first, preview["times"][0]["until_at"]);
    let changed = maintenance(folder, &server, &["--change", "1", "-m", "scrub of all disks"]);
    assert_eq!((&changed[0]["id"], &changed[0]["until_at"]), (&1.into(), &first));
    let state = |server: &Server| server.get("/api/0/hosts/db1")["state"].clone();
    until("its beginning", TOLD, || (state(&server) == "m").then_some(()));
    fail(folder, &server, "one");
    let withheld = |server: &Server| maintenance(folder, server, &[])[0]["withheld"].clone();
    until("the message that is kept back", TOLD, || (withheld(&server) == 1).then_some(()));

    start.ports = (server.http, server.udp);
    server.process.kill();
    let server = start.go_as("again");
    let listed = maintenance(folder, &server, &[]);
    assert_eq!((&listed[0]["id"], &listed[0]["reason"]), (&1.into(), &"scrub of all disks".into()));
    until("its end", TOLD, || (state(&server) != "m").then_some(()));
    assert!(hook.calls().is_empty());
    // A fresh result is waited for.
    fail(folder, &server, "one");
    until("the message after it", TOLD, || hook.calls().first().cloned());
    // In an hour it comes again, unless somebody ends it.
    let next = maintenance(folder, &server, &[]);
    assert_ne!(next[0]["until_at"], first);
    assert_eq!(maintenance(folder, &server, &["--end", "1"]), Value::Null);
    assert_eq!(maintenance(folder, &server, &[]), json!([]));
}
