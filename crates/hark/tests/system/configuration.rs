//! What is made in the page: in effect at once, kept through kills, undone, and never over what files say.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::hook::Hook;
use crate::support::http::Answer;
use crate::support::process::{clean, run};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, HASH, PASSWORD, folder, write};

/// For what takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const OBJECTS: &str = "/api/0/config/objects";

fn put(server: &Server, object: &str, seen: Option<&str>, value: &Value) -> Answer {
    let headers: Vec<String> =
        seen.map(|seen| format!("If-Match: \"{seen}\"")).into_iter().collect();
    let path = format!("{OBJECTS}/{object}");
    server.call("PUT", &path, &headers, Some(&json!({ "value": value })))
}

fn made(server: &Server, object: &str, seen: Option<&str>, value: &Value) -> Value {
    let answer = put(server, object, seen, value);
    assert_eq!(answer.status, 200, "{object}: {}", answer.text);
    answer.body
}

fn names(server: &Server) -> Vec<String> {
    let rows = server.get(&format!("{OBJECTS}?limit=1000"));
    let rows = rows["items"].as_array().unwrap().iter();
    rows.map(|row| {
        format!("{}/{}", row["section"].as_str().unwrap(), row["name"].as_str().unwrap())
    })
    .collect()
}

fn start(folder: &tempfile::TempDir) -> Start {
    let config = "hosts:\n  db1: {}\nreceivers:\n  ops: {webhook: {url: 'http://127.0.0.1:9/x'}}\n\
                  routes:\n  - {name: declared, to: ops}\n";
    Start::new("server", folder.path()).config(config)
}

#[test]
fn a_host_and_a_check_made_in_the_page_are_looked_at_and_go_away_when_it_is_undone() {
    let folder = folder();
    let mut server = start(&folder).go();
    server.set_up(PASSWORD);
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = door.local_addr().unwrap().port();
    made(&server, "hosts/web9", None, &json!({"address": "127.0.0.1", "tags": ["role:web"]}));
    let check = json!({"host": "web9", "tcp": {"port": port}, "every": "2s", "timeout": "1s"});
    let asked = json!({"section": "checks", "name": "door", "value": check});
    let tried = server.post("/api/0/config/test", &asked);
    assert_eq!(tried.body["ok"], true, "{}", tried.text);
    assert!(tried.body["lines"][0].as_str().unwrap().starts_with("web9 ok: "), "{}", tried.text);
    let verdict = server.post("/api/0/config/validate", &asked).body;
    assert_eq!((&verdict["ok"], &verdict["mistakes"]), (&json!(true), &json!([])));
    assert!(verdict["diff"].to_string().contains("door:"), "{verdict}");
    let kept = made(&server, "checks/door", None, &check);
    let state = |wanted: &str, name: &str| {
        server.host_when("web9", PATIENCE, |host| {
            let checks = host["checks"].as_array().into_iter().flatten();
            checks.clone().any(|c| c["name"] == name && c["status"] == wanted)
        })
    };
    state("ok", "door");

    let history = server.get("/api/0/config/history");
    assert_eq!(history[0]["what"], "checks/door made");
    assert_eq!(history[0]["number"], kept["number"]);
    let mut undo = clean(HARK, folder.path());
    undo.args(["config", "undo", "--data"]).arg(&server.data);
    let undone = run(&mut undo, PATIENCE);
    assert!(undone.status.success(), "{}", String::from_utf8_lossy(&undone.stderr));
    assert_eq!(names(&server), ["hosts/db1", "hosts/web9", "receivers/ops", "routes/declared"]);
    until("the check to go", PATIENCE, || {
        let host = server.get("/api/0/hosts/web9");
        let mut checks = host["checks"].as_array().unwrap().iter();
        checks.all(|check| check["name"] != "door").then_some(())
    });
    let audit = server.get("/api/0/audit");
    let lines: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|l| l["what"].as_str().unwrap()).collect();
    assert_eq!(lines[..2], ["config.restore", "config.put"], "{audit}");
}

#[test]
fn mistakes_are_told_by_their_keys_and_nothing_wrong_or_foreign_is_kept() {
    let folder = folder();
    let mut server = start(&folder).go();
    server.set_up(PASSWORD);
    let wrong = |object: &str, value: Value| {
        let answer = put(&server, object, None, &value);
        assert_eq!(answer.status, 422, "{object}: {}", answer.text);
        let first = &answer.body["errors"][0];
        (first["field"].as_str().unwrap().to_owned(), first["detail"].as_str().unwrap().to_owned())
    };
    let (field, text) = wrong("hosts/web9", json!({"adress": "127.0.0.1"}));
    assert_eq!(field, "adress");
    assert!(text.contains("did you mean address"), "{text}");
    let (field, _) = wrong("checks/a", json!({"host": "db1", "tcp": {"port": "smtp"}}));
    assert_eq!(field, "tcp.port");
    let (field, _) = wrong("routes/r", json!({"to": "nobody"}));
    assert_eq!(field, "to", "a mistake that is found only when names are resolved");
    let (field, _) = wrong(
        "threshold_configs/web",
        json!({"thresholds": {"$yaml": "cpu_monitor:\n  cpu_percnt: {warning: 1}"}}),
    );
    assert_eq!(field, "thresholds.cpu_monitor.cpu_percnt");
    let (field, text) =
        wrong("checks/a", json!({"host": "db1", "exec": {"command": ["/bin/true"]}}));
    assert!(field == "exec" && text.contains("runs a program"), "{field}: {text}");
    let secret = json!({"webhook": {"url": {"file": "/etc/shadow"}}});
    assert_eq!(wrong("receivers/x", secret).0, "webhook.url");

    let declared = put(&server, "hosts/db1", None, &json!({}));
    assert_eq!(declared.status, 409, "{}", declared.text);
    assert!(declared.text.contains("line 2"), "{}", declared.text);
    assert_eq!(put(&server, "tls/x", None, &json!({})).status, 404, "not a section of the page");
    assert!(!server.data.join("configuration").exists(), "nothing was kept");

    made(
        &server,
        "receivers/mine",
        None,
        &json!({"webhook": {"url": "http://127.0.0.1:9/s3cret"}}),
    );
    made(&server, "routes/own", None, &json!({"to": "mine"}));
    let used = server.call(
        "DELETE",
        &format!("{OBJECTS}/receivers/mine"),
        &[seen(&server, "receivers/mine")],
        None,
    );
    assert_eq!(used.status, 422, "a route needs it: {}", used.text);
    assert!(used.text.contains("page.yaml"), "the place is named: {}", used.text);
}

fn seen(server: &Server, object: &str) -> String {
    let found = server.get(&format!("{OBJECTS}/{object}"));
    format!("If-Match: \"{}\"", found["version"].as_str().unwrap())
}

#[test]
fn a_secret_never_comes_back_and_stays_as_it_is_when_the_rest_changes() {
    let folder = folder();
    let mut server = start(&folder).go();
    server.set_up(PASSWORD);
    let hook = Hook::start();
    let value = json!({"webhook": {"url": hook.url(), "headers": {"X-Key": "s3cret-key"}}});
    let asked = json!({"section": "receivers", "name": "mine", "value": value});
    let tried = server.post("/api/0/config/test", &asked);
    assert_eq!(tried.body["ok"], true, "{}", tried.text);
    assert_eq!(hook.calls().len(), 1, "a message before it is saved");
    let kept = made(&server, "receivers/mine", None, &value);
    let mut shown = server.get(&format!("{OBJECTS}/receivers/mine"));
    let version = kept["object"]["version"].as_str().unwrap();
    assert_eq!(shown["value"]["webhook"]["headers"]["X-Key"], json!({"kept": 2}));
    shown["value"]["severity"] = json!("warning");
    made(&server, "receivers/mine", Some(version), &shown["value"]);
    let stale = put(&server, "receivers/mine", Some(version), &shown["value"]);
    assert_eq!(stale.status, 412, "{}", stale.text);
    let sent = server.post("/api/0/receivers/mine/test", &json!({}));
    assert_eq!(sent.status, 200, "{}", sent.text);
    until("the message", PATIENCE, || (hook.calls().len() == 2).then_some(()));

    let everything = [
        server.get(&format!("{OBJECTS}/receivers/mine")).to_string(),
        server.get(OBJECTS).to_string(),
        server.get("/api/0/config/history/2").to_string(),
        server.call("GET", "/api/0/config/export", &[], None).text,
        tried.text,
    ];
    for text in &everything {
        assert!(!text.contains("s3cret-key") && !text.contains("/hook"), "{text}");
    }
    assert!(
        everything[3].contains("env: \"HARK_RECEIVERS_MINE_WEBHOOK_URL\""),
        "{}",
        everything[3]
    );
}

#[test]
fn killed_between_changes_it_goes_on_with_them_and_a_broken_file_is_said_and_kept() {
    let folder = folder();
    let start = start(&folder);
    let mut server = start.go();
    server.set_up(PASSWORD);
    made(&server, "users/ben", None, &json!({"password": HASH, "admin": true}));
    let log_in = json!({"username": "ben", "password": PASSWORD});
    let session = server.call("POST", "/api/0/auth/login", &[], Some(&log_in));
    assert_eq!(session.status, 200, "without a restart: {}", session.text);
    for n in 0..5 {
        made(&server, &format!("hosts/made{n}"), None, &json!({"address": "192.0.2.1"}));
    }
    server.process.kill();
    let server = start.go_as("second");
    let all = names(&server);
    for n in 0..5 {
        assert!(all.contains(&format!("hosts/made{n}")), "acknowledged, so it is there: {all:?}");
    }
    assert!(all.contains(&"users/ben".to_owned()), "{all:?}");

    let file = server.data.join("configuration/page.yaml");
    std::fs::write(&file, "hosts: [ broken\n").unwrap();
    until("the server to say that the file is wrong", PATIENCE, || {
        let own = server.try_get("/api/0/hosts/self").ok()?.body;
        let checks = own["checks"].as_array()?.clone();
        let wrong = checks.iter().find(|c| c["text"].to_string().contains("page.yaml"))?;
        (wrong["status"] != "ok").then_some(())
    });
    let refused = put(&server, "hosts/more", None, &json!({}));
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text.contains("go back to a version"), "{}", refused.text);
    let history = server.get("/api/0/config/history");
    assert_eq!(history[0]["by"], Value::Null, "the broken text is a version: {history}");
    let back = format!("/api/0/config/history/{}/restore", history[1]["number"]);
    assert_eq!(server.post(&back, &json!({})).status, 200);
    assert!(names(&server).contains(&"hosts/made4".to_owned()));
    let broken = server.data.join(format!("configuration/history/{}.yaml", history[0]["number"]));
    assert!(std::fs::read_to_string(broken).unwrap().contains("[ broken"), "nothing is lost");
}

#[test]
fn a_file_is_checked_that_is_named_alone_whatever_the_environment_names() {
    let folder = folder();
    let good = write(folder.path(), "good.yaml", "log: {level: info}\n");
    let bad = write(folder.path(), "bad.yaml", "logg: {level: info}\n");
    let ask = |words: &[&Path]| {
        let mut command = clean(HARK, folder.path());
        command.args(["config", "check"]).args(words).env("HARK_CONFIG", &good);
        let output = run(&mut command, PATIENCE);
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        (output.status.code(), said.concat())
    };
    let check = |file: &Path| ask(&[file]);
    let (code, said) = check(&good);
    assert!(code == Some(0) && said.contains("good.yaml is in order"), "{said}");
    let (code, said) = check(&bad);
    assert!(code == Some(2) && said.contains("bad.yaml:1:1") && said.contains("`log`"), "{said}");
    // Of two neither is passed over in silence.
    for words in [[Path::new("-c"), &good, &bad], [&bad, Path::new("-c"), &good]] {
        let (code, said) = ask(&words);
        let are_named = said.contains("good.yaml") && said.contains("bad.yaml");
        assert!(code == Some(2) && said.contains("two configurations") && are_named, "{said}");
        assert!(!said.contains("in order"), "{said}");
    }
    let (code, said) = ask(&[Path::new("-c"), &bad]);
    assert!(code == Some(2) && said.contains("bad.yaml:1:1"), "{said}");
}
