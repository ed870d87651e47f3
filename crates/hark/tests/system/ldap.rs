//! Logging in with the name and password of a directory that somebody else has written.

use std::time::Duration;

use hark_model::Clock;
use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::process::{clean, succeed};
use crate::support::server::{Server, Start};
use crate::support::slapd::Slapd;
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

const LIMIT: Duration = Duration::from_secs(30);

/// The password of this server in the directory.
const READER: &str = "secret-of-the-reader";

/// Returns an entry that was made as number `n`.
fn person(n: u32, name: &str, full_name: &str) -> String {
    format!(
        "dn: uid={name},ou=people,dc=test\nobjectClass: inetOrgPerson\nuid: {name}\n\
         cn: {full_name}\nsn: {name}\nuserPassword: hush-{name}\n\
         entryUUID: 00000000-0000-4000-8000-{n:012}\n\n"
    )
}

fn group(name: &str, member: &str) -> String {
    format!(
        "dn: cn={name},ou=groups,dc=test\nobjectClass: groupOfNames\ncn: {name}\n\
         member: uid={member},ou=people,dc=test\n\n"
    )
}

/// Returns a directory's entries, with these further ones.
fn entries(more: &[String]) -> String {
    let units = "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\no: test\ndc: test\n\n\
                 dn: ou=people,dc=test\nobjectClass: organizationalUnit\nou: people\n\n\
                 dn: ou=groups,dc=test\nobjectClass: organizationalUnit\nou: groups\n\n\
                 dn: ou=far,ou=people,dc=test\nobjectClass: referral\n\
                 objectClass: extensibleObject\nou: far\nref: ldap://127.0.0.1:1/ou=far\n\n";
    [&[units.to_owned()], more].concat().concat()
}

fn log_in(server: &Server, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&body)).unwrap()
}

fn me(server: &Server, login: &Answer) -> Value {
    let token = login.body["token"].as_str().unwrap_or_else(|| panic!("{}", login.text));
    let header = [format!("Authorization: Bearer {token}")];
    http::request(server.http, "GET", "/api/0/auth/me", &header, None).unwrap().body
}

fn config(directory: &Slapd, more: &str) -> String {
    format!(
        "login:\n  ldap:\n    company:\n      url: ldap://127.0.0.1:{}\n      \
         bind_dn: cn=admin,dc=test\n      bind_password: {READER}\n      \
         base: ou=people,dc=test\n      group_base: ou=groups,dc=test\n      \
         groups: {{DBA: {{teams: [dba]}}, boss: {{admin: true}}}}\n      nested_groups: true\n      timeout: 3s\n{more}\
         teams: {{dba: []}}\n\
         access: {{databases: {{who: team:dba, role: manager, tags: role:db}}}}\n\
         hosts: {{db1: {{tags: [role:db]}}, web1: {{}}}}\n",
        directory.port
    )
}

#[test]
fn people_log_in_with_the_password_of_a_directory_and_may_what_their_groups_there_say() {
    let folder = folder();
    let anna = || person(1, "anna", "Anna Lind");
    let others = [person(2, "bert", "Bert"), person(3, "mira", "Another")].concat();
    let all = [anna(), others, group("dba", "anna")];
    let mut directory = Slapd::start(folder.path(), READER, &entries(&all));
    let trusting = format!("      ca_file: {}\n", directory.ca_file.display());
    let start = Start::new("server", folder.path()).config(&config(&directory, &trusting));
    let mut server = start.go();
    server.set_up(PASSWORD);
    until("both hosts", LIMIT, || {
        (server.get("/api/0/hosts")["items"].as_array()?.len() == 2).then_some(())
    });

    let entered = log_in(&server, "anna", "hush-anna");
    assert_eq!(entered.status, 200, "{}{}", entered.text, server.process.errors());
    let shown = me(&server, &entered);
    assert_eq!((&shown["name"], &shown["full_name"]), (&json!("anna"), &json!("Anna Lind")));
    assert_eq!(shown["roles"], json!({"db1": "manager"}), "what the team may: {shown}");
    for (name, password) in [
        ("anna", "hush-bert"),
        ("anna", ""),
        ("*", "hush-anna"),
        ("anna)(uid=*", "hush-anna"),
        ("bert", "hush-bert"),
        ("mira", "hush-mira"),
    ] {
        let refused = log_in(&server, name, password);
        assert_eq!(refused.status, 401, "{name} {password}: {}", refused.text);
    }
    let audit = server.get("/api/0/audit?limit=20").to_string();
    assert!(audit.contains("by ldap company: bert is in no group that is let in"), "{audit}");
    assert_eq!(log_in(&server, "mira", PASSWORD).status, 200, "the user of this server");

    // Another group is another right, and ends what was before.
    directory.hold(&entries(&[anna(), group("boss", "anna")]));
    let promoted = log_in(&server, "anna", "hush-anna");
    assert_eq!(me(&server, &promoted)["admin"], json!(true));
    assert_eq!(me(&server, &entered)["type"], "/problems/not-signed-in");
    for (held, why) in [
        (vec![anna(), group("boss", "nobody")], "anna is in no group that is let in"),
        (vec![], "wrong name or password"),
        (
            vec![person(4, "anna", "Anna Berg"), group("boss", "anna")],
            "there is another user called anna here",
        ),
    ] {
        directory.hold(&entries(&held));
        let refused = log_in(&server, "anna", "hush-anna");
        assert_eq!(refused.status, 401, "{why}: {}", refused.text);
        let line = server.get("/api/0/audit?limit=1")["items"][0].clone();
        assert!(line["detail"].as_str().unwrap().contains(why), "{why}: {line}");
    }

    // The group that he is in is in the one with the right, and that one in the former.
    let within = "dn: cn=berlin,ou=groups,dc=test\nobjectClass: groupOfNames\ncn: berlin\n\
                  member: uid=anna,ou=people,dc=test\nmember: cn=boss,ou=groups,dc=test\n\n\
                  dn: cn=boss,ou=groups,dc=test\nobjectClass: groupOfNames\ncn: boss\n\
                  member: cn=berlin,ou=groups,dc=test\n\n";
    directory.hold(&entries(&[anna(), within.to_owned()]));
    let entered = log_in(&server, "anna", "hush-anna");
    assert_eq!(me(&server, &entered)["admin"], json!(true), "{}", entered.text);

    directory.pause();
    let began = Clock.now().mono;
    let away = log_in(&server, "anna", "hush-anna");
    assert_eq!((away.status, &away.body["type"]), (503, &json!("/problems/directory-away")));
    assert!(Clock.now().mono.since(began) < Duration::from_secs(10), "nobody waits for ever");
    assert_eq!(log_in(&server, "mira", PASSWORD).status, 200, "who needs no directory");

    let mut list = clean(HARK, folder.path());
    let url = format!("http://127.0.0.1:{}", server.http);
    list.args(["users", "--url", &url, "--json"]).env("HARK_TOKEN", server.token().unwrap());
    assert!(succeed(&mut list, LIMIT).contains("ldap company"));
}

#[test]
fn whom_nobody_vouches_for_is_told_no_password_and_nobody_is_told_ours() {
    let folder = folder();
    let all = [person(1, "anna", "Anna Lind"), group("dba", "anna")];
    let directory = Slapd::start(folder.path(), READER, &entries(&all));
    let start = Start::new("server", folder.path()).config(&config(&directory, ""));
    let mut server = start.go();
    server.set_up(PASSWORD);
    let untrusted = log_in(&server, "anna", "hush-anna");
    assert_eq!(untrusted.status, 503, "{}", untrusted.text);
    let log = server.process.errors();
    assert!(log.contains("UnknownIssuer"), "{log}");
    for secret in [READER, "hush-anna"] {
        assert!(!log.contains(secret), "{log}");
    }
    let mut show = clean(HARK, folder.path());
    show.args(["config", "show", "--json", "--config"]).arg(folder.path().join("hark.yaml"));
    let shown = succeed(&mut show, LIMIT);
    assert!(shown.contains("ldap://127.0.0.1") && !shown.contains(READER), "{shown}");
}
