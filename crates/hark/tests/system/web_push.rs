//! Notifications in browsers, through a push service that somebody else has written: it checks who sends,
//! and reads what is sent as a browser does.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{self, Answer};
use crate::support::process::{Process, clean, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

/// How long a message may take on a busy machine.
const TOLD: Duration = Duration::from_secs(30);

const CONFIG: &str = "hosts: {db1: {}}\nchecks: {backup: {host: db1, push: {every: 1d}}}\n\
    receivers: {phone: {web_push: {user: mira, forbid_private: false}}}\n\
    users: {mira: {channels: [phone]}}\nroutes: [{name: all, to: 'user:mira'}]\n";

/// A push service with its browsers.
struct Service {
    port: u16,
    _process: Process,
}

impl Service {
    fn start(folder: &Path) -> Self {
        let program = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/web-push-testing/node_modules/web-push-testing/src/bin/server.js"
        );
        assert!(Path::new(program).exists(), "no {program}: scripts/setup-test installs it");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = clean("node", folder);
        command.arg(program).arg(port.to_string());
        let process = Process::start(&mut command, folder, "push-service");
        until("the push service", TOLD, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        Self { port, _process: process }
    }

    fn ask(&self, path: &str, body: &Value) -> Value {
        let answer = http::request(self.port, "POST", path, &[], Some(body)).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body["data"].clone()
    }

    /// Makes a browser that takes messages of whoever has this key alone.
    fn browser(&self, key: &str) -> Value {
        let wanted = json!({"userVisibleOnly": "true", "applicationServerKey": key});
        self.ask("/subscribe", &wanted)
    }

    /// Returns what a browser has read so far.
    fn read(&self, browser: &Value) -> Vec<Value> {
        let found = self.ask("/get-notifications", &json!({"clientHash": browser["clientHash"]}));
        let messages = found["messages"].as_array().unwrap().iter();
        messages.map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()).collect()
    }

    fn read_so_many(&self, browser: &Value, count: usize) -> Vec<Value> {
        until(&format!("message {count}"), TOLD, || {
            Some(self.read(browser)).filter(|messages| messages.len() >= count)
        })
    }

    fn end(&self, browser: &Value) {
        let path = format!("/expire-subscription/{}", browser["clientHash"].as_str().unwrap());
        let ended = http::request(self.port, "POST", &path, &[], None).unwrap();
        assert_eq!(ended.status, 200, "{}", ended.text);
    }
}

/// Asks as mira, who is logged in.
fn as_mira(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Answer {
    as_user("mira", server, method, path, body)
}

fn as_user(user: &str, server: &Server, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let login = json!({"username": user, "password": PASSWORD});
    let session = http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&login));
    let token = session.unwrap().body["token"].as_str().unwrap().to_owned();
    let bearer = [format!("Authorization: Bearer {token}")];
    http::request(server.http, method, path, &bearer, body).unwrap()
}

fn browsers(server: &Server) -> Value {
    as_mira(server, "GET", "/api/0/auth/browsers", None).body
}

fn turn_on(server: &Server, browser: &Value, name: &str) {
    turn_on_for("mira", server, browser, name);
}

fn turn_on_for(user: &str, server: &Server, browser: &Value, name: &str) {
    let keys = &browser["keys"];
    let new = json!({"name": name, "endpoint": browser["endpoint"], "p256dh": keys["p256dh"],
        "auth": keys["auth"]});
    let made = as_user(user, server, "POST", "/api/0/auth/browsers", Some(&new));
    assert_eq!(made.status, 200, "{}", made.text);
}

/// Has the job say that it ended with `code`.
fn ended(folder: &Path, server: &Server, code: &str) {
    let mut list = clean(HARK, folder);
    list.args(["push", "backup", "--json", "--data"]).arg(&server.data);
    let jobs: Value = serde_json::from_str(&succeed(&mut list, TOLD)).unwrap();
    let path = jobs[0]["path"].as_str().unwrap();
    let address = format!("http://127.0.0.1:{}{path}", server.http);
    let mut send = clean(HARK, folder);
    send.args(["send", "--push", &address, "--exit-code", code, "-m", "disk full"]);
    succeed(&mut send, TOLD);
}

#[test]
fn what_a_user_is_told_is_shown_in_his_browsers_until_they_are_gone() {
    let folder = folder();
    let folder = folder.path();
    let service = Service::start(folder);
    let mut start = Start::new("server", folder).config(CONFIG);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let offered = browsers(&server);
    assert_eq!((&offered["receivers"], &offered["browsers"]), (&json!(["phone"]), &json!([])));
    let key = offered["key"].as_str().unwrap().to_owned();
    let phone = service.browser(&key);
    turn_on(&server, &phone, "phone");
    let found = browsers(&server);
    assert_eq!(found["browsers"][0]["service"], "localhost", "{found}");
    let secret = phone["clientHash"].as_str().unwrap();
    assert!(!found.to_string().contains(secret), "{found}");

    // The key and the browser are there after a crash: a browser is tied to the key.
    start.ports = (server.http, server.udp);
    server.process.kill();
    let server = start.go_as("again");
    assert_eq!(browsers(&server)["key"], key);
    ended(folder, &server, "2");
    let told = service.read_so_many(&phone, 1);
    let problem = &told[0];
    assert!(problem["title"].as_str().unwrap().contains("backup = failed"), "{problem}");
    assert!(problem["body"].as_str().unwrap().contains("Host: db1"), "{problem}");
    let place = problem["path"].as_str().unwrap();
    let incident = server.get(&format!("/api/0/{place}"));
    assert_eq!(incident["check"], "backup", "a click opens it: {incident}");
    assert_eq!(problem["quiet"], false);

    // The end takes the place of the problem in the browser.
    ended(folder, &server, "0");
    let over = service.read_so_many(&phone, 2).pop().unwrap();
    assert_eq!((&over["tag"], &over["quiet"]), (&problem["tag"], &json!(true)), "{over}");

    // A second browser; a test message comes to both.
    let desk = service.browser(&key);
    turn_on(&server, &desk, "desk");
    let tested = as_mira(&server, "POST", "/api/0/auth/browsers/test", Some(&json!({})));
    assert_eq!(tested.status, 200, "{}", tested.text);
    service.read_so_many(&phone, 3);
    let test = service.read_so_many(&desk, 1).pop().unwrap();
    assert_eq!(test["tag"], Value::Null, "{test}");

    // What its service does not know any more is forgotten, and costs the other nothing.
    service.end(&phone);
    ended(folder, &server, "2");
    service.read_so_many(&desk, 2);
    let left = until("the browser that is gone", TOLD, || {
        let left = browsers(&server)["browsers"].clone();
        (left.as_array()?.len() == 1).then_some(left)
    });
    assert_eq!(left[0]["name"], "desk");
    let log = server.get("/api/0/deliveries");
    let newest = log["items"][0]["id"].as_u64().unwrap();
    let tried = server.get(&format!("/api/0/deliveries/{newest}")).to_string();
    assert!(tried.contains("no text") && !tried.contains(secret), "{tried}");
    assert!(!server.process.errors().contains(secret), "{}", server.process.errors());
}

#[test]
fn one_receiver_reaches_the_browsers_of_a_team_and_of_whoever_is_on_call() {
    const TEAM: &str = "hosts: {db1: {}}\nchecks: {backup: {host: db1, push: {every: 1d}}}\n\
        receivers:\n  ops-push: {web_push: {team: ops, forbid_private: false}}\n  \
        night-push: {web_push: {oncall: night, forbid_private: false}}\n\
        users: {mira: {channels: [ops-push]}, tom: {channels: [ops-push]}}\n\
        teams: {ops: [mira, tom]}\n\
        oncall: {night: {rotation: [tom], every: 1w, handover: Mon 09:00, start: 2026-01-05}}\n\
        routes: [{name: all, to: [ops-push, night-push]}]\n";
    let folder = folder();
    let folder = folder.path();
    let service = Service::start(folder);
    let mut server = Start::new("server", folder).config(TEAM).go();
    server.set_up(PASSWORD);
    let tom = json!({"name": "tom", "full_name": "Tom", "password": PASSWORD, "admin": false});
    let made = as_mira(&server, "POST", "/api/0/users", Some(&tom));
    assert_eq!(made.status, 200, "{}", made.text);
    let offered = as_user("tom", &server, "GET", "/api/0/auth/browsers", None).body;
    assert_eq!(offered["receivers"], json!(["night-push", "ops-push"]));
    assert_eq!(browsers(&server)["receivers"], json!(["ops-push"]), "mira is not on call");
    let key = offered["key"].as_str().unwrap();
    let screens = [service.browser(key), service.browser(key)];
    turn_on_for("mira", &server, &screens[0], "desk");
    turn_on_for("tom", &server, &screens[1], "phone");

    ended(folder, &server, "2");
    let of_mira = service.read_so_many(&screens[0], 1);
    let of_tom = service.read_so_many(&screens[1], 2);
    for told in of_mira.iter().chain(&of_tom) {
        assert!(told["title"].as_str().unwrap().contains("backup = failed"), "{told}");
    }
}
