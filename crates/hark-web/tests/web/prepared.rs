//! Servers that have something of everything, and calls of every route of theirs.

use hark_api::auth::Role;
use hark_api::browsers::NewBrowser;
use hark_api::dashboards::{Content, Shared};
use hark_model::UserName;
use hark_web::{BrowserStore as _, Dashboards};
use serde_json::json;

use crate::event_stream::EventStream;
use crate::server::{Caller, Reply, Running, id, sha256, start, start_tls};
use crate::table::Route;

/// Makes a server with one user of each kind, an own object for each, and what deletions need. It has no TLS, whose
/// handshakes take most of the time of a test with many requests.
pub(crate) async fn prepared() -> Running {
    prepare(start().await).await
}

/// The same with TLS.
pub(crate) async fn prepared_tls() -> Running {
    prepare(start_tls().await).await
}

/// Makes the one that `route` needs: enrolment is offered over TLS alone, and streams are read over it.
pub(crate) async fn prepared_for(route: &Route) -> Running {
    let is_for_tls =
        ["/api/0/enrol", "/api/0/stream"].iter().any(|path| route.template.starts_with(path));
    if is_for_tls { prepared_tls().await } else { prepared().await }
}

async fn prepare(running: Running) -> Running {
    running.user("stranger", false, &[]);
    running.user("monitor", false, &[("db1", Role::Monitor)]);
    running.user("manager", false, &[("db1", Role::Manager)]);
    running.user("owner", false, &[("db1", Role::Owner)]);
    let robot = running.user("robot", false, &[]);
    let mut account = running.fake.stored().accounts[&robot].clone();
    (account.password, account.service) = (None, true);
    running.fake.stored().accounts.insert(robot, account);
    running.program("robot");
    let root = running.program("root");
    let silence = json!({"matcher": {"hosts": ["db1"]}, "reason": "work", "duration_seconds": 600});
    assert_eq!(root.post("/api/0/silences", silence).await.status, 200);
    assert_eq!(root.post("/api/0/incidents/1/ack", json!({"comment": "x"})).await.status, 200);
    // There are none without TLS.
    if running.certificate.is_some() {
        assert_eq!(root.post("/api/0/enrol", json!({})).await.status, 200);
    }
    // Two dashboards, the second of which is removed.
    let shared = Shared { users: vec!["owner".to_owned()], ..Shared::default() };
    let content = Content { title: "Databases".to_owned(), shared, ..Content::default() };
    let name = UserName::new("root").unwrap();
    for _ in 0..2 {
        running.fake.make_dashboard(&name, &content).unwrap();
    }
    running.fake.remove_dashboard(2).unwrap();
    let browser: NewBrowser = serde_json::from_value(json!({"name": "desk",
        "endpoint": "https://push.example.net/y", "p256dh": "B", "auth": "a"}))
    .unwrap();
    for user in ["stranger", "monitor", "manager", "owner", "root"] {
        running.fake.add_browser(&UserName::new(user).unwrap(), &browser).unwrap();
    }
    let order = json!({"title": "Old trouble", "text": "We look."});
    let published = root.post("/api/0/status-pages/open/incidents", order).await;
    assert_eq!(published.status, 200, "{}", published.text());
    running
}

/// Calls `route`; `{own}` is the caller's own session, token, or the enrolment.
pub(crate) async fn call(running: &Running, route: &Route, caller: &Caller, user: &str) -> Reply {
    let text = match route.template {
        "/api/0/sessions/{id}" => format!("session-of-{user}"),
        _ => format!("hark_token-of-{user}"),
    };
    let mut own = id(&sha256(text.as_bytes()));
    if route.template == "/api/0/auth/browsers/{id}" {
        let stored = running.fake.stored();
        let found = stored.browsers.iter().find(|(whose, _)| whose.as_str() == user);
        own = found.map_or(0, |(_, browser)| browser.id).to_string();
    }
    if route.template == "/api/0/enrol/{id}" {
        let hash = *running.fake.stored().enrolments.keys().next().unwrap();
        own = id(&hash);
    }
    if route.template.starts_with("/api/0/jobs/") {
        own = job_of(running, user).await.to_string();
    }
    let robots = id(&sha256(b"hark_token-of-robot"));
    let path = route.path.replace("{own}", &own).replace("{robots}", &robots);
    if route.template == "/api/0/stream" {
        return stream(caller, &path).await;
    }
    caller.call(route.method.clone(), &path, route.body.clone()).await
}

/// Has `user` order a job, waits until it has ended, and returns its number.
pub(crate) async fn job_of(running: &Running, user: &str) -> u64 {
    let order = json!({"do": {"comment": {"text": "x"}}, "incidents": {"all": true}});
    let mut job = running.browser(user).post("/api/0/bulk", order).await.json();
    let path = format!("/api/0/jobs/{}", job["id"]);
    while job["ended_at"].is_null() {
        tokio::task::yield_now().await;
        job = running.browser(user).get(&path).await.json();
    }
    job["id"].as_u64().unwrap()
}

/// Reads the first two messages of a stream, which does not end by itself.
async fn stream(caller: &Caller, path: &str) -> Reply {
    let mut events = EventStream::open(caller, path).await;
    // An empty line ends an event.
    let enough = |read: &str| read.matches("\n\n").count() == 2;
    events.until(|read| enough(read) || read.contains("problem+json")).await;
    let status = events.read.split(' ').nth(1).unwrap().parse().unwrap();
    let last = events.data().next_back().unwrap_or_default().to_owned();
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("text/event-stream"));
    Reply { status, headers, body: last.into() }
}
