//! Readers of a status page who are told: by mail over a real mail server, and by calls; with the proof that they
//! want it, over a kill, until they end it.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::hook::Hook;
use crate::support::http::{Answer, request, request_as};
use crate::support::postfix::{Mail, Postfix};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

/// How long a message may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

fn config(postfix: &Postfix, port: u16) -> String {
    format!(
        "public_url: http://127.0.0.1:{port}\nhosts: {{db1: {{}}}}\nreceivers:\n  mail: {{email: {{\
         to: [ops@example.net], from: status@example.net, server: 127.0.0.1, port: {}, \
         security: none}}}}\nstatus_pages:\n  shop:\n    title: Shop\n    mail_by: mail\n    \
         webhooks: anywhere\n    components: {{pay: {{name: Payments, hosts: db1}}}}\n",
        postfix.port()
    )
}

fn form(server: &Server, path: &str, fields: &str) -> Answer {
    let kind = Some("application/x-www-form-urlencoded");
    request_as(server.http, "POST", path, &[], kind, fields).unwrap()
}

fn mails(postfix: &Postfix, to: &str) -> Vec<Mail> {
    postfix.mails().into_iter().filter(|mail| mail.header("to").contains(to)).collect()
}

/// Waits until so many mails came to somebody, and returns the last of them.
fn mail(postfix: &Postfix, to: &str, count: usize) -> Mail {
    until(&format!("mail {count} to {to}"), TOLD, || {
        let all = mails(postfix, to);
        (all.len() >= count).then(|| all.into_iter().next_back()).flatten()
    })
}

/// Returns what follows the host in the first address of `text` that has `part` in it.
fn link(text: &str, part: &str) -> String {
    let found = text.split_whitespace().find(|word| word.contains(part));
    let address = found.unwrap_or_else(|| panic!("no {part}: {text}"));
    let (_, rest) = address.trim_matches(['<', '>']).split_once("://").unwrap();
    rest.split_at(rest.find('/').unwrap()).1.to_owned()
}

fn publish(server: &Server, path: &str, body: &Value) -> Value {
    let said = server.post(&format!("/api/0/status-pages/shop/incidents{path}"), body);
    assert_eq!(said.status, 200, "{}", said.text);
    said.body
}

#[test]
fn readers_are_told_what_is_published_once_they_have_confirmed_and_until_they_end_it() {
    let folder = folder();
    let folder = folder.path();
    let postfix = Postfix::start(folder);
    let hook = Hook::start();
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut start = Start::new("server", folder).config(&config(&postfix, port));
    start.ports.0 = port;
    let mut server = start.go();
    server.set_up(PASSWORD);
    let shown = request(server.http, "GET", "/status/shop", &[], None).unwrap();
    assert!(shown.text.contains("/status/shop/readers"), "{}", shown.text);
    let shown = request(server.http, "GET", "/status/shop/readers", &[], None).unwrap();
    assert!(shown.text.contains("name=\"address\""), "{}", shown.text);

    // Who only asks is told nothing but how to confirm, and once, however often somebody asks.
    for _ in 0..3 {
        let asked = form(&server, "/status/shop/readers", "way=mail&address=anna%40example.net");
        assert_eq!(asked.status, 200, "{}", asked.text);
    }
    let invitation = mail(&postfix, "anna@example.net", 1);
    assert_eq!(invitation.header("subject"), "[Shop] Confirm updates by mail");
    let text = invitation.body().replace("=\n", "").replace("=3D", "=");
    let join = link(&text, "/join/");
    let seen = request(server.http, "GET", &join, &[], None).unwrap();
    assert_eq!(seen.status, 200, "a program that follows links changes nothing");
    publish(&server, "", &json!({"title": "Before", "text": "Nobody reads this yet."}));
    assert_eq!(form(&server, &join, "").status, 200);
    assert_eq!(form(&server, &format!("{join}x"), "").status, 410);

    // A web address proves itself in the same way.
    let target = hook.url().replace(':', "%3A").replace('/', "%2F");
    form(&server, "/status/shop/readers", &format!("way=webhook&address={target}"));
    let asked = until("the call that asks", TOLD, || hook.calls().first().cloned());
    assert_eq!(asked.text("type"), "confirm");
    assert_eq!(form(&server, &link(asked.text("confirm"), "/join/"), "").status, 200);

    // Killed right after it was published: both are told, by the next start at the latest.
    let order = json!({"title": "Payments fail", "text": "We look.", "components": ["pay"]});
    let made = publish(&server, "", &order);
    server.process.kill();
    start.ports = (server.http, server.udp);
    let server = start.go_as("again");
    let told = mail(&postfix, "anna@example.net", 2);
    assert_eq!(told.header("subject"), "[Shop] Investigating: Payments fail");
    let called = until("the call", TOLD, || hook.calls().get(1).cloned());
    assert_eq!(called.body["incident"]["title"], "Payments fail", "{}", called.body);
    assert_eq!(called.body["incident"]["components"], json!(["Payments"]));

    // One click of the mail program ends it, and the address is forgotten.
    assert_eq!(told.header("list-unsubscribe-post"), "List-Unsubscribe=One-Click");
    let leave = link(told.header("list-unsubscribe"), "/leave/");
    assert_eq!(form(&server, &leave, "List-Unsubscribe=One-Click").status, 200);
    let update = json!({"text": "Mended.", "stage": "resolved"});
    publish(&server, &format!("/{}", made["id"]), &update);
    let newest = until("the end by call", TOLD, || {
        hook.calls()
            .into_iter()
            .find(|call| call.body["incident"]["updates"][0]["stage"] == "resolved")
    });
    assert_eq!(newest.body["incident"]["updates"].as_array().unwrap().len(), 1, "what is new");
    let all = mails(&postfix, "anna@example.net");
    // A kill between sending and noting may tell once more, under the same number.
    let ids: std::collections::BTreeSet<_> = all.iter().map(|m| m.header("message-id")).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(!all.iter().any(|mail| mail.header("subject").contains("Resolved")));
    assert!(!server.process.errors().contains("anna@"), "{}", server.process.errors());
}
