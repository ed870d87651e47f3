//! Logging in at a provider of `OpenID` Connect that somebody else has written.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hark_testing::free_port;
use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder};

/// How long the provider may take to start.
const LIMIT: Duration = Duration::from_secs(30);

/// A provider with mira, who is number 17 there.
struct Provider {
    port: u16,
    _process: Process,
}

impl Provider {
    fn start(folder: &Path) -> Self {
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/schemathesis/bin/python");
        assert!(Path::new(python).exists(), "no {python}: scripts/setup-test installs it");
        let port = free_port();
        let mira = json!({"sub": "17", "preferred_username": "mira", "name": "Mira Kvale",
            "groups": ["dba", "staff"]});
        let mut command = clean(python, folder);
        command.args(["-m", "oidc_provider_mock", "--port", &port.to_string()]);
        command.args(["--require-registration", "--require-nonce", "--user-claims"]);
        command.arg(mira.to_string());
        let process = Process::start(&mut command, folder, "provider");
        until("the provider", LIMIT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self { port, _process: process }
    }

    /// Has it know this server; returns what the server must know.
    fn register(&self, redirect: &str) -> Value {
        let body = json!({"redirect_uris": [redirect]});
        let made = http::request(self.port, "POST", "/oauth2/clients", &[], Some(&body)).unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
        made.body
    }

    /// Has it say something else of number 17.
    fn say(&self, claims: &Value) {
        let said = http::request(self.port, "PUT", "/users/17", &[], Some(claims)).unwrap();
        assert_eq!(said.status, 204, "{}", said.text);
    }

    /// Does what a person does on its page, which `address` leads to; returns where that leads back to.
    fn choose(&self, address: &str, form: &str) -> Answer {
        let kind = Some("application/x-www-form-urlencoded");
        http::request_as(self.port, "POST", path_of(address), &[], kind, form).unwrap()
    }
}

/// Returns what follows the host of an address.
fn path_of(address: &str) -> &str {
    let rest = address.split_once("://").unwrap().1;
    rest.find('/').map_or("/", |slash| rest.split_at(slash).1)
}

/// Returns the cookie that an answer sets.
fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    let set = lines.filter(|(key, _)| key.eq_ignore_ascii_case("set-cookie"));
    set.filter_map(|(_, value)| value.split(';').next()?.split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then(|| value.to_owned()))
}

/// A browser at the page of the provider.
struct Visit {
    held: String,
    address: String,
}

fn visit(server: &Server) -> Visit {
    let begun =
        http::request(server.http, "GET", "/oidc/work/login?next=/hosts", &[], None).unwrap();
    assert_eq!(begun.status, 303, "{}{}", begun.text, server.process.errors());
    let held = format!("Cookie: hark-oidc={}", cookie(&begun, "hark-oidc").unwrap());
    Visit { held, address: begun.header("location").unwrap().to_owned() }
}

/// Logs in as number 17.
fn log_in(server: &Server, provider: &Provider) -> Answer {
    let visit = visit(server);
    let chosen = provider.choose(&visit.address, "sub=17");
    assert_eq!(chosen.status, 302, "{}", chosen.text);
    back(server, &visit, &chosen)
}

fn back(server: &Server, visit: &Visit, chosen: &Answer) -> Answer {
    let path = path_of(chosen.header("location").unwrap());
    http::request(server.http, "GET", path, std::slice::from_ref(&visit.held), None).unwrap()
}

fn me(server: &Server, answer: &Answer) -> Value {
    let session = cookie(answer, "hark").unwrap_or_else(|| panic!("{}", answer.head));
    let header = [format!("Cookie: hark={session}")];
    http::request(server.http, "GET", "/api/0/auth/me", &header, None).unwrap().body
}

#[test]
fn people_log_in_at_a_provider_and_may_what_their_groups_there_say() {
    let folder = folder();
    let provider = Provider::start(folder.path());
    let port = free_port();
    let client = provider.register(&format!("http://127.0.0.1:{port}/oidc/work/back"));
    let text = |key: &str| client[key].as_str().unwrap().to_owned();
    let config = |secret: &str| {
        format!(
            "login:\n  oidc:\n    work:\n      issuer: http://127.0.0.1:{}\n      \
             client_id: {}\n      client_secret: {secret}\n      label: Work\n      \
             groups: {{dba: {{teams: [dba]}}, boss: {{admin: true}}}}\n\
             teams: {{dba: []}}\n\
             access: {{databases: {{who: team:dba, role: manager, tags: role:db}}}}\n\
             hosts: {{db1: {{tags: [role:db]}}, web1: {{}}}}\n",
            provider.port,
            text("client_id")
        )
    };
    let mut start = Start::new("server", folder.path()).config(&config(&text("client_secret")));
    start.ports.0 = port;
    let mut server = start.go();
    server.set_up(PASSWORD);
    until("both hosts", LIMIT, || {
        (server.get("/api/0/hosts")["items"].as_array()?.len() == 2).then_some(())
    });
    // Called like somebody who is here already, it is not he.
    let taken = log_in(&server, &provider);
    assert_eq!(taken.header("location"), Some("/?refused=unknown"), "{}", taken.head);
    provider.say(&json!({"preferred_username": "mira.k", "name": "Mira Kvale", "groups": ["dba"]}));
    let entered = log_in(&server, &provider);
    assert_eq!((entered.status, entered.header("location")), (303, Some("/hosts")));
    let shown = me(&server, &entered);
    assert_eq!((&shown["name"], &shown["full_name"]), (&json!("mira.k"), &json!("Mira Kvale")));
    assert_eq!(shown["roles"], json!({"db1": "manager"}), "what the team may: {shown}");

    provider.say(&json!({"preferred_username": "someone", "groups": ["boss"]}));
    let promoted = log_in(&server, &provider);
    let shown = me(&server, &promoted);
    assert_eq!((&shown["name"], &shown["admin"]), (&json!("mira.k"), &json!(true)));
    let before = me(&server, &entered);
    assert_eq!(before["type"], "/problems/not-signed-in", "other rights end what was before");

    let visited = visit(&server);
    let denied = provider.choose(&visited.address, "action=deny");
    let told = back(&server, &visited, &denied);
    // It sends no state along, so that nobody can say whose refusal it is.
    assert!(told.header("location").unwrap().starts_with("/?refused="), "{}", told.head);
    assert_eq!(cookie(&told, "hark"), None);

    let visited = visit(&server);
    let chosen = provider.choose(&visited.address, "sub=17");
    assert_eq!(back(&server, &visited, &chosen).header("location"), Some("/hosts"));
    let again = back(&server, &visited, &chosen);
    assert_eq!(again.header("location"), Some("/?refused=stale"), "a second time");

    let shown = Command::new(crate::support::HARK)
        .args(["config", "show", "--json", "--config"])
        .arg(folder.path().join("hark.yaml"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(!shown.contains(&text("client_secret")), "{shown}");
    drop(server);
    let mut wrong = Start::new("server", folder.path()).config(&config("no-such-secret"));
    wrong.ports.0 = port;
    let server = wrong.go_as("wrong");
    assert_eq!(log_in(&server, &provider).header("location"), Some("/?refused=provider"));
    let audit = server.get("/api/0/audit")["items"][0].clone();
    assert!(audit["detail"].as_str().unwrap().contains("invalid_client"), "{audit}");
    assert!(!server.process.errors().contains("no-such-secret"), "{}", server.process.errors());
}
