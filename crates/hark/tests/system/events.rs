//! Events between servers: three real ones in a ring, one of which dies meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_store::state::StateReader;
use serde_json::json;

use crate::support::process::{clean, run, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{HARK, PASSWORD, folder, http, write};

/// How long an event may take around the ring on a busy machine, with the waits after failed calls.
const AROUND: Duration = Duration::from_mins(1);

/// One server of the ring, with an agent of its own.
struct Node {
    name: &'static str,
    folder: PathBuf,
    start: Start,
    server: Server,
    token: String,
}

impl Node {
    fn begin(name: &'static str, parent: &Path) -> Self {
        let folder = parent.join(name);
        std::fs::create_dir(&folder).unwrap();
        let start = Start::new("up", &folder).config(&config(name, &folder, ""));
        let mut server = start.go();
        server.set_up(PASSWORD);
        let login = json!({"username": "mira", "password": PASSWORD});
        let session = http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&login));
        let session = session.unwrap().body["token"].as_str().unwrap().to_owned();
        let bearer = [format!("Authorization: Bearer {session}")];
        let wanted = json!({"name": "relay", "valid_seconds": 3600});
        let made = http::request(server.http, "POST", "/api/0/tokens", &bearer, Some(&wanted));
        let made = made.unwrap();
        let token = made.body["secret"].as_str().unwrap_or_else(|| panic!("{}", made.body));
        // The next start is on the same ports: the others know them.
        let start = Start { ports: (server.http, server.udp), ..start };
        Self { name, folder, start, token: token.to_owned(), server }
    }

    /// Names the next one of the ring; the server reads its file again by itself.
    fn brings_to(&self, next: &Self) {
        let relay = format!(
            "relay:\n  name: {}\n  to:\n    next: {{url: 'http://127.0.0.1:{}', token: {}}}\n",
            self.name, next.server.http, next.token
        );
        write(&self.folder, "hark.yaml", &config(self.name, &self.folder, &relay));
        let cursor = || self.server.process.errors().contains("the configuration was read again");
        until("the relay", START, || cursor().then_some(()));
    }

    fn send(&self, text: &str) {
        self.send_with(text, &[]);
    }

    fn send_with(&self, text: &str, more: &[&str]) {
        let mut command = clean(HARK, &self.folder);
        command.args(["send", "--topic", "drill", "--severity", "warning", "-m", text]).args(more);
        succeed(command.arg("--data").arg(&self.server.data), START);
    }

    /// Counts the lines of the event list that have `text` in them.
    fn lines(&self, text: &str) -> usize {
        let found = self.server.try_get(&format!("/api/0/events?q={}", text.replace(' ', "%20")));
        let Ok(found) = found else { return 0 };
        found.body["items"].as_array().map_or(0, Vec::len)
    }

    fn stream(&self) -> String {
        std::fs::read_to_string(self.folder.join("stream")).unwrap_or_default()
    }
}

fn config(name: &str, folder: &Path, relay: &str) -> String {
    let stream = folder.join("stream");
    format!(
        "agent: {{name: host-{name}}}\nevent_fold: 4s\nevent_files:\n  old: {{path: {}, format: '436'}}\n{relay}",
        stream.display()
    )
}

#[test]
fn each_event_is_once_at_each_server_of_a_ring_of_which_one_dies_meanwhile() {
    let folder = folder();
    let mut nodes = ["ada", "bob", "cid"].map(|name| Node::begin(name, folder.path()));
    for n in 0..3 {
        nodes[n].brings_to(&nodes[(n + 1) % 3]);
    }
    nodes[0].send_with("drill one of ada", &["--payload", r#"{"hours": 5, "of": ["ada"]}"#]);
    for node in &nodes {
        until("the first event", AROUND, || (node.lines("drill one of ada") > 0).then_some(()));
        let found = node.server.get("/api/0/happened?topics=drill&limit=1");
        let event = &found["items"][0];
        assert_eq!(
            (&event["text"], &event["host"]),
            (&json!("drill one of ada"), &json!("host-ada"))
        );
        assert_eq!(event["data"], json!({"hours": 5, "of": ["ada"]}), "at {}", node.name);
        assert_eq!(node.server.get("/api/0/happened?topics=raid")["items"], json!([]));
    }

    nodes[1].server.process.kill();
    nodes[0].send("drill two of ada");
    nodes[2].send("drill three of cid");
    until("what goes the other way", AROUND, || {
        (nodes[0].lines("drill three of cid") > 0).then_some(())
    });
    nodes[1].server = nodes[1].start.go_as("anew");
    nodes[1].send("drill four of bob");
    let texts = ["drill one of ada", "drill two of ada", "drill three of cid", "drill four of bob"];
    for (node, text) in nodes.iter().flat_map(|node| texts.map(|text| (node, text))) {
        let what = format!("{text} at {}", node.name);
        until(&what, AROUND, || (node.lines(text) > 0).then_some(()));
    }
    pause(Duration::from_secs(3));
    for (node, text) in nodes.iter().flat_map(|node| texts.map(|text| (node, text))) {
        assert_eq!(node.lines(text), 1, "{text} at {}", node.name);
        let stream = node.stream();
        let lines: Vec<&str> = stream.lines().filter(|line| line.ends_with(text)).collect();
        assert_eq!(lines.len(), 1, "{text} in the stream of {}: {stream}", node.name);
        let fields: Vec<&str> = lines[0].split("%%").collect();
        assert_eq!(fields.len(), 7, "{}", lines[0]);
        assert_eq!((fields[4], fields[5]), ("drill", "NULL"), "{}", lines[0]);
        assert!(fields[1].starts_with("host-"), "the host is that of the origin: {}", lines[0]);
    }
}

#[test]
fn a_server_that_nothing_is_brought_to_any_more_is_forgotten() {
    let folder = folder();
    let [ada, bob] = ["ada", "bob"].map(|name| Node::begin(name, folder.path()));
    let place = || {
        let reader = StateReader::open(&ada.server.data).unwrap();
        reader.setting("relay/next").unwrap()
    };
    let arrives = |text: &str| until(text, AROUND, || (bob.lines(text) > 0).then_some(()));
    ada.brings_to(&bob);
    until("how far it has come", AROUND, place);
    ada.send("drill one of ada");
    arrives("drill one of ada");
    write(&ada.folder, "hark.yaml", &config("ada", &ada.folder, ""));
    until("that it is forgotten", AROUND, || place().is_none().then_some(()));
    ada.send("drill of meanwhile");
    until("an event", AROUND, || (ada.lines("drill of meanwhile") > 0).then_some(()));
    ada.brings_to(&bob);
    until("that it begins as a new one", AROUND, place);
    ada.send("drill two of ada");
    arrives("drill two of ada");
    assert_eq!(bob.lines("drill of meanwhile"), 0, "what came meanwhile is not for it");
}

#[test]
fn identical_events_are_told_once_and_then_with_their_number() {
    let folder = folder();
    let node = Node::begin("ada", folder.path());
    for _ in 0..3 {
        node.send("drill again and again");
    }
    until("the first one", AROUND, || (node.lines("drill again and again") > 0).then_some(()));
    until("their number", AROUND, || (node.lines("(again 2 times, ") > 0).then_some(()));
    assert_eq!(node.lines("drill again and again"), 2);
}

#[test]
fn an_event_goes_in_as_json_of_a_file_or_of_standard_input() {
    let folder = folder();
    let node = Node::begin("ada", folder.path());
    let send = |from: &str, input: Option<&str>| {
        let mut command = clean(HARK, &node.folder);
        command.args(["send", "--json", from, "--data"]).arg(&node.server.data);
        if let Some(text) = input {
            let input = write(&node.folder, "input", text);
            command.stdin(std::fs::File::open(input).unwrap());
        }
        run(&mut command, START)
    };
    let whole = json!({"text": "nightly took 5 hours", "kind": "backup", "severity": "warning",
        "tags": ["nightly"], "data": {"hours": 5}});
    assert!(send("-", Some(&whole.to_string())).status.success());
    let file = write(&node.folder, "event.json", r#"{"text": "only a text"}"#);
    assert!(send(file.to_str().unwrap(), None).status.success());
    let all = until("both events", AROUND, || {
        let found = node.server.get("/api/0/happened?topics=backup,message");
        found["items"].as_array().filter(|items| items.len() == 2).cloned()
    });
    let backup = all.iter().find(|event| event["kind"] == "backup").unwrap();
    assert_eq!((&backup["text"], &backup["severity"]), (&whole["text"], &whole["severity"]));
    assert_eq!((&backup["tags"], &backup["data"]), (&whole["tags"], &whole["data"]));

    // What is wrong is said before anybody is asked.
    for (text, said) in [(r#"{"txt": "x"}"#, "unknown key \"txt\""), ("hello", "not JSON")] {
        let refused = send("-", Some(text));
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{errors}");
        assert!(errors.contains(said), "{errors}");
    }
}
