//! The API as programs use it: asked all that its document allows, and by the Python client.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::support::process::{clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HASH, PASSWORD, folder, write};

/// How long the requests are made up and sent.
const SECONDS: &str = "20";

/// How long the program may take in all: it starts slowly, and ends with its last request.
const LIMIT: Duration = Duration::from_mins(3);

/// What each answer is checked for.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

const SOON: Duration = Duration::from_secs(20);

/// The interpreter of the system: the shortest way to it on every machine.
const PYTHON: &str = "/usr/bin/python3";

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/python");

/// A server with a little of everything.
fn server(folder: &Path) -> Server {
    let config = format!(
        "users:\n  ben: {{password: '{HASH}'}}\n\
         hosts:\n  db1: {{owner: ben}}\n  web1: {{managers: [ben], address: 127.0.0.1}}\n\
         checks:\n  one: {{host: db1, push: {{every: 1d}}}}\n  \
         two: {{host: web1, push: {{every: 1d}}}}\n  \
         three: {{host: web1, every: 2s, timeout: 1s, tcp: {{port: 9}}}}\n\
         receivers:\n  chat: {{webhook: {{url: 'http://127.0.0.1:9/'}}}}\n\
         routes: [{{name: all, to: [chat]}}]\n\
         reports:\n  weekly: {{to: [chat], cron: '0 8 * * mon'}}\n"
    );
    let mut server = Start::new("server", folder).config(&config).go();
    server.set_up(PASSWORD);
    until("an incident", SOON, || {
        let open = server.get("/api/0/incidents");
        (!open["items"].as_array()?.is_empty()).then_some(())
    });
    server
}

#[test]
fn whatever_the_document_allows_is_answered_as_it_says_and_never_with_a_fault() {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/schemathesis/bin/schemathesis");
    assert!(Path::new(tool).exists(), "no schemathesis: scripts/setup-test installs it");
    let folder = folder();
    let server = server(folder.path());
    let bearer = format!("Authorization: Bearer {}", server.token().unwrap());
    let mut ask = clean(tool, folder.path());
    ask.args(["run", &format!("http://127.0.0.1:{}/api/0/openapi.json", server.http)]);
    ask.args(["--header", &bearer, "--checks", CHECKS, "--max-time", SECONDS, "--seed", "1"]);
    // One worker: what makes up the values (hypothesis) keeps its caches without locks.
    ask.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10"]);
    ask.args(["--no-shrink", "--continue-on-failure", "--warnings", "off", "--no-color"]);
    ask.args(["--generation-database", "none", "--output-truncate", "false"]);
    // It has no end.
    ask.args(["--exclude-path", "/api/0/stream", "--suppress-health-check", "all"]);
    let done = run(&mut ask, LIMIT);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    let asked = said.lines().find(|line| line.contains("generated")).unwrap_or_default();
    assert!(asked.contains("generated"), "it says how much it has asked: {said}");
    // It goes on, and answers as before.
    assert!(server.get("/api/0/self").is_object());
}

#[test]
fn the_python_client_is_made_of_the_servers_own_document_and_does_what_the_page_does() {
    let folder = folder();
    let server = server(folder.path());
    let document = server.get("/api/0/openapi.json").to_string();
    write(folder.path(), "openapi.json", &document);
    let sdk = Path::new(SDK).canonicalize().unwrap();
    let mut make = clean(PYTHON, folder.path());
    make.arg(sdk.join("make_api.py")).args(["openapi.json", "made"]);
    succeed(&mut make, LIMIT);
    for file in ["types.py", "calls.py"] {
        let made = folder.path().join("made").join(file);
        let kept = sdk.join("hark/api").join(file);
        if std::env::var_os("INSTA_UPDATE").is_some_and(|word| word == "always") {
            std::fs::copy(&made, &kept).unwrap();
        }
        let [made, kept] = [&made, &kept].map(|path| std::fs::read_to_string(path).unwrap());
        let way = "INSTA_UPDATE=always cargo test -p hark --test system python_client";
        assert!(made == kept, "sdk/python/hark/api/{file} is of another document: {way}");
    }
    let mut tests = clean(PYTHON, &sdk);
    tests.args(["-m", "unittest", "-v", "tests.against_a_server"]);
    tests.env("PYTHONDONTWRITEBYTECODE", "1");
    tests.env("HARK_URL", format!("http://127.0.0.1:{}", server.http));
    tests.env("HARK_TOKEN", server.token().unwrap());
    succeed(&mut tests, LIMIT);
    let audit = server.get("/api/0/audit");
    let lines = audit["items"].as_array().unwrap();
    let said = json!("incident.comment");
    assert_eq!(lines.iter().filter(|line| line["what"] == said).count(), 1, "once: {audit}");
}
