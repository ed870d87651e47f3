//! Answers to mails, by real servers all the way: postfix takes them and gives them to dovecot, hark reads
//! them there over IMAP, and answers by postfix.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::dovecot::Dovecot;
use crate::support::postfix::{Mail, Postfix};
use crate::support::process::{clean, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, HASH, PASSWORD, folder};

/// How long a message or an answer may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

fn config(postfix: &Postfix, dovecot: &Dovecot) -> String {
    format!(
        "hosts: {{db1: {{owner: ben}}}}\n\
         checks:\n  one: {{host: db1, push: {{every: 1d}}}}\n  two: {{host: db1, push: {{every: 1d}}}}\n\
         public_url: https://hark.example.net\n\
         receivers:\n  mail: {{email: {{to: [team@example.net], from: hark@example.net, \
         reply_to: 'ops+{{token}}@example.net', server: 127.0.0.1, port: {}, security: none}}}}\n\
         users:\n  ben: {{password: '{HASH}', known_as: {{email: ben@example.net}}}}\n  \
         eve: {{password: '{HASH}', known_as: {{email: eve@example.net}}}}\n\
         mailbox: {{server: 127.0.0.1, port: {}, security: none, user: ops, password: correct-horse, \
         every: 5s}}\n",
        postfix.port(),
        dovecot.imap,
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

/// Waits for a mail whose subject and address are these.
fn mail(postfix: &Postfix, to: &str, subject: &str) -> Mail {
    until(&format!("a mail to {to} about {subject}"), TOLD, || {
        postfix
            .mails()
            .into_iter()
            .find(|m| m.header("subject").contains(subject) && m.header("to").contains(to))
    })
}

fn ack(server: &Server, check: &str) -> Value {
    let page = server.get("/api/0/incidents?view=open");
    let rows = page["items"].as_array().unwrap();
    rows.iter().find(|row| row["check"] == check).unwrap_or_else(|| panic!("no {check}"))["ack"]
        .clone()
}

/// Writes an answer as mail programs do: with the text that it answers below.
fn answer(to: &Mail, from: &str, text: &str) -> String {
    format!(
        "From: {from}\nTo: {}\nSubject: Re: {}\nMessage-ID: <{}@example.net>\n\
         In-Reply-To: {}\nReferences: {} {}\n\n{text}\n\nOn Saturday hark wrote:\n> ack\n",
        to.header("reply-to"),
        to.header("subject"),
        text.len(),
        to.header("message-id"),
        to.header("references"),
        to.header("message-id"),
    )
}

#[test]
fn an_answer_that_dovecot_holds_is_read_and_who_may_acknowledge_does() {
    let folder = folder();
    let folder = folder.path();
    let mut dovecot = Dovecot::start(folder);
    let mut postfix = Postfix::start(folder);
    postfix.answers_to(dovecot.lmtp);
    let mut server = Start::new("server", folder).config(&config(&postfix, &dovecot)).go();
    server.set_up(PASSWORD);
    fail(folder, &server, "one");
    let told = mail(&postfix, "team@", "one");
    let to = told.header("reply-to").to_owned();
    let waits = |n_read| {
        until(&format!("{n_read} mails that are done with"), TOLD, || {
            (dovecot.count("ops").0 >= n_read).then_some(())
        });
    };

    // Another's name without a token is nothing; the mail is left to whoever reads that mailbox.
    let forged = "From: ben@example.net\nTo: ops@example.net\nSubject: Re: one\n\nack\n";
    postfix.hand_in("eve@example.net", "ops+x@example.net", forged);
    // A holiday answer carries the token, and does nothing.
    let away = format!("Auto-Submitted: auto-replied\n{}", answer(&told, "ben@example.net", "ack"));
    postfix.hand_in("ben@example.net", &to, &away);
    waits(1);
    assert_eq!(ack(&server, "one"), Value::Null);

    // Quoted text is not read, and whoever is not understood is told what to write.
    postfix.hand_in("ben@example.net", &to, &answer(&told, "ben@example.net", "thanks"));
    let said = mail(&postfix, "ben@example.net", "Re: [hark]");
    assert!(said.body().contains("begin the answer with `ack`"), "{}", said.body());
    assert_eq!(said.header("auto-submitted"), "auto-replied");
    assert_eq!(said.header("in-reply-to"), "<6@example.net>");
    assert_eq!(ack(&server, "one"), Value::Null);

    // A user without a role on the host may not, although he has read the mail.
    postfix.hand_in("eve@example.net", &to, &answer(&told, "Eve <eve@example.net>", "ack 2h"));
    let said = mail(&postfix, "eve@example.net", "Re: [hark]");
    assert!(said.body().contains("eve may not acknowledge on db1"), "{}", said.body());
    assert_eq!(ack(&server, "one"), Value::Null);

    // Its owner may, by his name.
    let by = answer(&told, "Ben <Ben@example.net>", "Ack 2h on it");
    postfix.hand_in("ben@example.net", &to, &by);
    let taken = until("the acknowledgement", TOLD, || {
        Some(ack(&server, "one")).filter(|ack| !ack.is_null())
    });
    assert_eq!((&taken["by"], &taken["comment"]), (&"ben".into(), &"on it".into()));
    assert!(taken["until_unix_s"].is_i64(), "{taken}");
    waits(4);
    assert_eq!(dovecot.count("ops"), (4, 1), "the forged one is left unread");
    let audit = server.get("/api/0/audit");
    let lines = audit["items"].as_array().unwrap();
    assert!(lines.iter().any(|l| l["what"] == "incident.ack" && l["who"] == "ben"), "{audit}");

    // What comes while the mailbox server is away is read when it is back; who is unknown is the receiver.
    fail(folder, &server, "two");
    let told = mail(&postfix, "team@", "two");
    dovecot.pause();
    postfix.hand_in(
        "zoe@example.net",
        told.header("reply-to"),
        &answer(&told, "zoe@example.net", "ack"),
    );
    dovecot.resume();
    let taken = until("the second acknowledgement", TOLD, || {
        Some(ack(&server, "two")).filter(|ack| !ack.is_null())
    });
    assert_eq!(taken["by"], "via mail");
}

#[test]
fn an_answer_that_sieve_gives_to_the_command_acknowledges_and_stays_in_the_mailbox() {
    let folder = folder();
    let folder = folder.path();
    let mut dovecot = Dovecot::start(folder);
    let mut postfix = Postfix::start(folder);
    postfix.answers_to(dovecot.lmtp);
    let right = config(&postfix, &dovecot);
    let (without_mailbox, _) = right.split_once("mailbox:").unwrap();
    let mut server = Start::new("server", folder).config(without_mailbox).go();
    server.set_up(PASSWORD);
    let url = format!("http://127.0.0.1:{}", server.http);
    dovecot.pipe_to(Path::new(HARK), &["ack", "--mail", "--url", &url]);
    fail(folder, &server, "one");
    let told = mail(&postfix, "team@", "one");
    let to = told.header("reply-to").to_owned();
    postfix.hand_in("ben@example.net", &to, &answer(&told, "ben@example.net", "thanks"));
    until("the mail that says nothing", TOLD, || (dovecot.count("ops").1 == 1).then_some(()));
    assert_eq!(ack(&server, "one"), Value::Null);
    postfix.hand_in("ben@example.net", &to, &answer(&told, "ben@example.net", "ack 2h on it"));
    let taken = until("the acknowledgement", TOLD, || {
        Some(ack(&server, "one")).filter(|ack| !ack.is_null())
    });
    assert_eq!((&taken["by"], &taken["comment"]), (&"ben".into(), &"on it".into()));
    // People find both answers in their mailbox, unread.
    until("both mails", TOLD, || (dovecot.count("ops") == (0, 2)).then_some(()));
}

#[test]
fn a_mailbox_that_cannot_be_read_is_a_problem_of_the_server_until_it_can() {
    let folder = folder();
    let folder = folder.path();
    let dovecot = Dovecot::start(folder);
    let postfix = Postfix::start(folder);
    let right = config(&postfix, &dovecot);
    let wrong = right.replace("password: correct-horse", "password: wrong-horse");
    let mut server = Start::new("server", folder).config(&wrong).go();
    server.set_up(PASSWORD);
    // Three tries, with waits that double between them.
    let told = mail(&postfix, "team@", "mailbox");
    assert!(told.body().contains("AUTHENTICATIONFAILED"), "{}", told.body());
    assert!(!told.body().contains("wrong-horse"), "{}", told.body());
    crate::support::write(folder, "hark.yaml", &right);
    until("the end of the problem", TOLD, || {
        let open = server.get("/api/0/incidents?view=open");
        open["items"].as_array().unwrap().is_empty().then_some(())
    });
}
