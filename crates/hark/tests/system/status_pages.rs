//! Public status pages of a real server: what a stranger gets of them, from a check that fails to the page,
//! its feeds and badges; what is published, over a kill; and templates of one's own.

use std::path::Path;
use std::time::Duration;

use hark_model::Clock;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::support::http::{Answer, request, request_as};
use crate::support::process::{clean, run, succeed};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

const TIME: Duration = Duration::from_secs(30);

/// The name of a host that no stranger may read.
const INNER: &str = "inner-db-7";

/// What its check says, neither.
const SAID: &str = "connection to 10.9.8.7";

fn config() -> String {
    format!(
        "hosts: {{{INNER}: {{}}, other: {{}}}}
checks:
  job: {{host: {INNER}, push: {{every: 1d, grace: 1h}}}}
status_pages:
  shop:
    title: Nordlys Shop
    domains: status.example.net
    components:
      pay: {{name: Payments, group: Money, hosts: '{INNER}', checks: job}}
      other: {{name: Other, hosts: other}}
  team:
    title: Of the team
    visible_to: users
    components: {{pay: {{name: Payments, hosts: '{INNER}'}}}}
"
    )
}

fn page(folder: &Path, server: &Server, words: &[&str]) -> String {
    let mut command = clean(HARK, folder);
    command.arg("status-page").args(words).arg("--data").arg(&server.data);
    succeed(&mut command, TIME)
}

/// Asks as somebody who proves nothing.
fn stranger(server: &Server, path: &str) -> Answer {
    request(server.http, "GET", path, &[], None).unwrap()
}

fn at(server: &Server, host: &str, path: &str) -> Answer {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.http)).unwrap();
    let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: Value::Null, text: text.to_owned() }
}

/// Reads a text as XML and returns the names of its elements.
fn elements(text: &str) -> Vec<String> {
    let mut reader = Reader::from_str(text);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}")) {
            Event::Start(start) | Event::Empty(start) => {
                names.push(start.name().as_ref().to_owned());
            }
            Event::Eof => return names,
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

fn state(server: &Server) -> String {
    let shop = stranger(server, "/status/shop.json");
    assert_eq!(shop.status, 200, "{}", shop.text);
    shop.body["groups"][0]["components"][0]["state"].as_str().unwrap().to_owned()
}

/// Every address of the page.
const PARTS: [&str; 8] = [
    "/status/shop",
    "/status/shop.json",
    "/status/shop/history",
    "/status/shop/feed.atom",
    "/status/shop/feed.rss",
    "/status/shop/badge.svg",
    "/status/shop/pay/badge.svg",
    "/status/shop/pay/uptime.svg",
];

/// Looks for what was published on the page, in its JSON and in its feeds, and reads the badges.
fn is_everywhere(server: &Server, words: &str) {
    for part in &PARTS[..5] {
        let answer = stranger(server, part);
        assert_eq!(answer.status, 200, "{part}");
        assert!(answer.text.contains(words), "{part}: {}", answer.text);
    }
    let atom = elements(&stranger(server, "/status/shop/feed.atom").text);
    assert_eq!(atom.iter().filter(|name| *name == "entry").count(), 1, "{atom:?}");
    let rss = elements(&stranger(server, "/status/shop/feed.rss").text);
    assert_eq!(rss.iter().filter(|name| *name == "item").count(), 1, "{rss:?}");
    for badge in &PARTS[5..] {
        let answer = stranger(server, badge);
        assert_eq!(answer.header("content-type"), Some("image/svg+xml"), "{badge}");
        assert_eq!(elements(&answer.text)[0], "svg");
    }
}

fn has_nothing_of_the_inside(server: &Server) {
    for part in PARTS {
        let text = stranger(server, part).text;
        for secret in [INNER, "10.9.8.7", "job", "mira", "other: "] {
            assert!(!text.contains(secret), "{secret} stands in {part}: {text}");
        }
    }
}

/// Announces work, and takes it back as a mistake.
fn announce_and_withdraw(folder: &Path, server: &Server) {
    let now = Clock.now().unix;
    let [from, until] = [1, 2].map(|hours| (now + Duration::from_hours(hours)).rfc3339());
    let words = ["announce", "shop", "Disks", "-m", "Short.", "--from", &from, "--until", &until];
    page(folder, server, &words);
    assert!(stranger(server, "/status/shop").text.contains("Disks"));
    let listed = page(folder, server, &[]);
    assert!(
        listed.contains("Nordlys Shop") && listed.contains("https://status.example.net/"),
        "{listed}"
    );
    page(folder, server, &["withdraw", "shop", "2"]);
    assert!(!stranger(server, "/status/shop").text.contains("Disks"));
    let audit = server.get("/api/0/audit").to_string();
    assert!(audit.contains("status.withdraw") && audit.contains("status.publish"), "{audit}");
}

#[test]
fn a_stranger_sees_what_is_public_and_what_was_published_outlives_a_kill() {
    let folder = folder();
    let folder = folder.path();
    let mut start = Start::new("server", folder).config(&config());
    let mut server = start.go();
    server.set_up(PASSWORD);
    let job = server.get("/api/0/pushes")[0]["path"].as_str().unwrap().to_owned();
    assert_eq!(request(server.http, "POST", &job, &[], None).unwrap().status, 200);
    until("a component that works", TIME, || (state(&server) == "operational").then_some(()));

    // The check fails: that is on the page by itself, without its host and its words.
    let failed = format!("{job}/1");
    let said = request_as(server.http, "POST", &failed, &[], Some("text/plain"), SAID).unwrap();
    assert_eq!(said.status, 200, "{}", said.text);
    until("an outage", TIME, || (state(&server) == "major_outage").then_some(()));
    let html = stranger(&server, "/status/shop");
    assert!(html.text.contains("<h1>Payments is not working</h1>"), "{}", html.text);
    assert!(html.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let json = stranger(&server, "/status/shop.json").body;
    let days = json["groups"][0]["components"][0]["days"].as_array().unwrap().clone();
    assert_eq!((days.len(), &days[89]["state"]), (90, &json!("major_outage")));

    // Somebody publishes: it is on the page, in its JSON and in its feeds at once.
    page(
        folder,
        &server,
        &[
            "publish",
            "shop",
            "Payments & cards fail",
            "-m",
            "One in five. <We look>",
            "--component",
            "pay",
        ],
    );
    is_everywhere(&server, "cards fail");
    has_nothing_of_the_inside(&server);

    // Killed at once: what was answered is there, under the same number.
    server.process.kill();
    start.ports = (server.http, server.udp);
    server = start.go();
    let list: Value =
        serde_json::from_str(&page(folder, &server, &["incidents", "shop", "--json"])).unwrap();
    assert_eq!((&list[0]["id"], &list[0]["stage"]), (&json!(1), &json!("investigating")), "{list}");
    assert!(stranger(&server, "/status/shop").text.contains("cards fail"));
    let told = page(folder, &server, &["resolve", "shop", "1", "-m", "Rolled back."]);
    assert!(told.contains("1 \"Payments & cards fail\" is resolved on "), "{told}");
    let after = stranger(&server, "/status/shop.json").body;
    assert_eq!((&after["incidents"], &after["earlier"][0]["id"]), (&json!([]), &json!(1)));
    assert_eq!(after["state"], "major_outage", "people make nothing better than it is");

    announce_and_withdraw(folder, &server);
}

#[test]
fn what_is_not_for_a_stranger_is_not_there() {
    let folder = folder();
    let folder = folder.path();
    let mut server = Start::new("server", folder).config(&config()).go();
    server.set_up(PASSWORD);
    let absent = stranger(&server, "/status/absent");
    let shut = stranger(&server, "/status/team");
    assert_eq!((absent.status, shut.status), (404, 404));
    assert_eq!(absent.text.replace("absent", "team"), shut.text);
    assert_eq!(server.try_get("/status/team").unwrap().status, 200, "users see it");
    let own = at(&server, "status.example.net", "/");
    assert!(own.status == 200 && own.text.contains("Nordlys Shop"), "{}", own.text);
    for (host, path) in [
        ("status.example.net", "/status/team"),
        ("status.example.net", "/api/0/setup"),
        ("status.example.net", "/login"),
        ("status.example.net", "/healthz"),
    ] {
        assert_eq!(at(&server, host, path).status, 404, "{host}{path}");
    }
    assert!(!at(&server, "other.example.net", "/").text.contains("Nordlys"));
}

#[test]
fn templates_of_ones_own_are_taken_on_while_the_server_runs_and_a_broken_one_is_said() {
    let folder = folder();
    let folder = folder.path();
    let own = folder.join("own");
    std::fs::create_dir(&own).unwrap();
    write(&own, "logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    let text = config()
        .replace("    title: Nordlys Shop\n", "    title: Nordlys Shop\n    logo: logo.svg\n");
    let text = format!("templates_dir: {}\n{text}", own.display());
    let mut server = Start::new("server", folder).config(&text).go();
    server.set_up(PASSWORD);
    let built_in = stranger(&server, "/status/shop");
    assert!(built_in.text.contains("<img src=\"/status/shop/logo\" alt=\"\""), "{}", built_in.text);
    let logo = stranger(&server, "/status/shop/logo");
    assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/svg+xml")));
    assert_eq!(stranger(&server, "/status/shop/style.css").status, 404, "none is named");

    write(&own, "status.html", "{% extends 'built-in.html' %}{% block footer %}ours{% endblock %}");
    until("the new template", TIME, || {
        stranger(&server, "/status/shop").text.contains("<footer>ours</footer>").then_some(())
    });
    write(&own, "status.html", "<p>\n{{ titel }}\n");
    until("the built-in page", TIME, || {
        stranger(&server, "/status/shop").text.contains("JSON</a>").then_some(())
    });
    let mut check = clean(HARK, folder);
    check.args(["config", "check", "--config", "hark.yaml", "--data"]).arg(&server.data);
    let output = run(&mut check, TIME);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("status.html: line 2: ") && said.contains("the built-in one is used"),
        "{said}"
    );
}
