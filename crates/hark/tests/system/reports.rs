//! Reports to people: made when due and on demand, as mail with a page and as JSON, once over a kill.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::hook::{Call, Hook};
use crate::support::postfix::Postfix;
use crate::support::process::{clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

/// How long a command or a message may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

/// A report of each minute is due within a minute, and told soon after.
const DUE: Duration = Duration::from_mins(2);

fn report(folder: &Path, server: &Server, words: &[&str]) -> String {
    let mut command = clean(HARK, folder);
    command.arg("report").args(words).arg("--data").arg(&server.data);
    succeed(&mut command, TOLD)
}

#[test]
fn a_period_and_old_failures_are_told_by_mail_and_as_json_once() {
    let folder = folder();
    let folder = folder.path();
    let postfix = Postfix::start(folder);
    let hook = Hook::start();
    let own = Hook::start();
    // Nobody answers at the discard port of a loopback address: one check fails from the start.
    let config = format!(
        "receivers:\n  hook: {{webhook: {{url: '{}'}}}}\n  anna: {{webhook: {{url: '{}'}}}}\n  mail: {{email: {{to: boss@example.net, \
         from: hark@example.net, server: 127.0.0.1, port: {}, security: none}}}}\n\
         routes: [{{name: none, match: {{hosts: nobody}}, to: hook}}]\n\
         hosts: {{db1: {{}}, web1: {{owner: anna}}}}\n\
         users: {{anna: {{channels: anna, timezone: Asia/Tokyo}}}}\n\
         checks: {{app: {{host: db1, tcp: {{address: 127.0.0.9, port: 9}}, every: 1s, timeout: 500ms, attempts: 1}}}}\n\
         reports:\n  weekly: {{to: [hook, mail], cron: '0 8 * * mon', timezone: Europe/Berlin}}\n  \
         old: {{to: hook, every: 1m, failures_older_than: 1s, subject: still failing}}\n  \
         web: {{to: hook, every: 1m, failures_older_than: 1s, match: {{hosts: 'web*'}}}}\n  \
         mine: {{to: 'user:anna', every: 24h, timezone: UTC}}\n",
        hook.url(),
        own.url(),
        postfix.port()
    );
    let mut start = Start::new("server", folder).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let incident = until("the incident", TOLD, || {
        let incidents = server.get("/api/0/incidents?view=open");
        incidents["items"].get(0).cloned()
    });
    assert_eq!(incident["check"], "app", "{incident}");

    // What is configured, and one of them made by hand: nobody is told.
    let listed = report(folder, &server, &[]);
    assert!(listed.contains("weekly") && listed.contains("0 8 * * mon Europe/Berlin"), "{listed}");
    let text = report(folder, &server, &["weekly"]);
    assert!(text.contains("2 hosts") && text.contains("CRITICAL db1 - app"), "{text}");
    let json: Value =
        serde_json::from_str(&report(folder, &server, &["weekly", "--json"])).unwrap();
    assert_eq!(
        (&json["kind"], &json["incidents"]["open"]),
        (&"summary".into(), &1.into()),
        "{json}"
    );
    assert!(hook.calls().is_empty() && postfix.mails().is_empty());
    let mut unknown = clean(HARK, folder);
    unknown.args(["report", "monthly", "--data"]).arg(&server.data);
    assert!(!run(&mut unknown, TOLD).status.success());

    // A user hears of his own hosts, by his channels and clock.
    report(folder, &server, &["mine", "--send"]);
    let call = until("the user's call", TOLD, || own.calls().first().cloned());
    let said = &call.body["report"];
    assert_eq!((&said["name"], &said["hosts"]), (&"mine".into(), &1.into()), "{said}");
    assert!(!said.to_string().contains("db1"), "{said}");
    assert!(hook.calls().is_empty());

    // Sent: the mail has both forms, the call has the data.
    report(folder, &server, &["weekly", "--send"]);
    let call = until("the call", TOLD, || hook.calls().first().cloned());
    assert_eq!((call.text("reason"), &call.body["report"]["kind"]), ("report", &"summary".into()));
    let mail = until("the mail", TOLD, || postfix.mails().first().cloned());
    assert!(mail.header("subject").contains("Report weekly: "), "{mail:?}");
    assert!(mail.header("content-type").starts_with("multipart/alternative"), "{mail:?}");

    // The reminder of old failures comes by itself, the one of hosts that are well does not. Killed when
    // the first has just arrived, the server may send it once more, under the same key.
    let reminders = || -> Vec<Call> {
        let calls = hook.calls();
        calls.into_iter().filter(|call| call.text("summary") == "still failing").collect()
    };
    let keys = || -> BTreeSet<String> { reminders().into_iter().map(|call| call.key).collect() };
    until("the reminder", DUE, || (!keys().is_empty()).then_some(()));
    server.process.kill();
    start.ports = (server.http, server.udp);
    let server = start.go();
    until("the next reminder", DUE, || (keys().len() > 1).then_some(()));
    assert!(reminders().len() <= keys().len() + 1, "{:?}", reminders());
    let all = hook.calls();
    assert!(all.iter().all(|call| !call.key.starts_with("report/web/")), "{all:?}");
    drop(server);
}
