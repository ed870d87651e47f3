//! Every route: its answer is what the document says, and its rights are what the table says.

use std::collections::BTreeSet;

use hark_api::auth::Role;
use hark_api::browsers::NewBrowser;
use hark_api::dashboards::{Content, Shared};
use hark_model::UserName;
use hark_web::{BrowserStore as _, Dashboards};
use http::Method;
use serde_json::{Value, json};

use crate::event_stream::EventStream;
use crate::schema;
use crate::server::{Caller, Reply, Running, id, sha256, start, start_tls};

/// Who may do it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Needs {
    /// Everybody.
    Nothing,
    /// A user.
    User,
    /// A role on `db1`.
    Role(Role),
    /// A dashboard that is shown to `owner` alone; to change it, being who made it.
    Dashboard(bool),
    /// To publish on a status page: `owner` is its editor.
    Editor,
    /// An administrator.
    Admin,
}

pub(crate) struct Route {
    pub(crate) method: Method,
    /// As in the document.
    pub(crate) template: &'static str,
    /// As called.
    pub(crate) path: &'static str,
    pub(crate) body: Option<Value>,
    pub(crate) needs: Needs,
    pub(crate) status: u16,
}

fn route(
    method: Method,
    template: &'static str,
    path: &'static str,
    body: Option<Value>,
    needs: Needs,
) -> Route {
    let status = if method == Method::DELETE { 204 } else { 200 };
    Route { method, template, path, body, needs, status }
}

/// Every route, with a call that succeeds for whoever may do it.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn table() -> Vec<Route> {
    use Needs::{Admin, Nothing, User};
    const SEE: Needs = Needs::Role(Role::Monitor);
    const OPERATE: Needs = Needs::Role(Role::Manager);
    const OWN: Needs = Needs::Role(Role::Owner);
    let get = |template, path, needs| route(Method::GET, template, path, None, needs);
    let post = |template, path, body, needs| route(Method::POST, template, path, body, needs);
    let delete = |template, path, needs| route(Method::DELETE, template, path, None, needs);
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let no_content = |route: Route| Route { status: 204, ..route };
    vec![
        get("/api/0/setup", "/api/0/setup", Nothing),
        Route {
            // The server is set up: whoever asks, the code is void.
            status: 403,
            ..post(
                "/api/0/setup",
                "/api/0/setup",
                Some(json!({"code": "1234-5678", "user": "eve", "password": "correct horse"})),
                Nothing,
            )
        },
        post(
            "/api/0/auth/login",
            "/api/0/auth/login",
            Some(json!({"username": "root", "password": "correct horse"})),
            Nothing,
        ),
        no_content(post("/api/0/auth/logout", "/api/0/auth/logout", None, User)),
        get("/api/0/auth/me", "/api/0/auth/me", User),
        no_content(post(
            "/api/0/auth/password",
            "/api/0/auth/password",
            Some(json!({"old": "correct horse", "new": "battery staple"})),
            User,
        )),
        get("/api/0/auth/second-factor", "/api/0/auth/second-factor", User),
        post(
            "/api/0/auth/totp",
            "/api/0/auth/totp",
            Some(json!({"password": "correct horse"})),
            User,
        ),
        // What follows when there is something to confirm, remove or replace is tested by itself.
        Route {
            status: 409,
            ..post(
                "/api/0/auth/totp/confirm",
                "/api/0/auth/totp/confirm",
                Some(json!({"code": "123456"})),
                User,
            )
        },
        Route {
            status: 404,
            ..post(
                "/api/0/auth/totp/remove",
                "/api/0/auth/totp/remove",
                Some(json!({"password": "correct horse"})),
                User,
            )
        },
        Route {
            status: 409,
            ..post(
                "/api/0/auth/recovery-codes",
                "/api/0/auth/recovery-codes",
                Some(json!({"password": "correct horse"})),
                User,
            )
        },
        post(
            "/api/0/auth/passkeys/offer",
            "/api/0/auth/passkeys/offer",
            Some(json!({"password": "correct horse"})),
            User,
        ),
        // Answers of no key; those of one are tested by themselves.
        Route {
            status: 422,
            ..post(
                "/api/0/auth/passkeys",
                "/api/0/auth/passkeys",
                Some(json!({"name": "x", "client_data": "e30", "attestation": "oA"})),
                User,
            )
        },
        Route {
            status: 404,
            ..post(
                "/api/0/auth/passkeys/{id}/remove",
                "/api/0/auth/passkeys/00/remove",
                Some(json!({"password": "correct horse"})),
                User,
            )
        },
        post("/api/0/auth/passkey/challenge", "/api/0/auth/passkey/challenge", None, Nothing),
        Route {
            status: 401,
            ..post(
                "/api/0/auth/passkey",
                "/api/0/auth/passkey",
                Some(json!({
                    "id": "AA", "client_data": "e30", "authenticator_data": "AA", "signature": "AA"
                })),
                Nothing,
            )
        },
        get("/api/0/auth/browsers", "/api/0/auth/browsers", User),
        post(
            "/api/0/auth/browsers",
            "/api/0/auth/browsers",
            Some(json!({"name": "phone", "endpoint": "https://push.example.net/x",
                "p256dh": "B", "auth": "a"})),
            User,
        ),
        delete("/api/0/auth/browsers/{id}", "/api/0/auth/browsers/{own}", User),
        post("/api/0/auth/browsers/test", "/api/0/auth/browsers/test", None, User),
        get("/api/0/auth/providers", "/api/0/auth/providers", Nothing),
        get("/api/0/sessions", "/api/0/sessions", User),
        delete("/api/0/sessions/{id}", "/api/0/sessions/{own}", User),
        get("/api/0/tokens", "/api/0/tokens", User),
        post(
            "/api/0/tokens",
            "/api/0/tokens",
            Some(json!({"name": "backup", "valid_seconds": 60})),
            User,
        ),
        delete("/api/0/tokens/{id}", "/api/0/tokens/{own}", User),
        get("/api/0/users", "/api/0/users", Admin),
        post(
            "/api/0/users",
            "/api/0/users",
            Some(json!({"name": "ben", "password": "correct horse", "roles": {"db1": "manager"}})),
            Admin,
        ),
        route(
            Method::PUT,
            "/api/0/users/{name}",
            "/api/0/users/monitor",
            Some(json!({"full_name": "M. Onitor"})),
            Admin,
        ),
        delete("/api/0/users/{name}", "/api/0/users/monitor", Admin),
        delete("/api/0/users/{name}/second-factor", "/api/0/users/monitor/second-factor", Admin),
        get("/api/0/users/{name}/tokens", "/api/0/users/robot/tokens", Admin),
        post(
            "/api/0/users/{name}/tokens",
            "/api/0/users/robot/tokens",
            Some(json!({"name": "ci", "valid_seconds": 60, "scopes": ["events:send"]})),
            Admin,
        ),
        delete("/api/0/users/{name}/tokens/{id}", "/api/0/users/robot/tokens/{robots}", Admin),
        get("/api/0/pushes", "/api/0/pushes", Admin),
        get("/api/0/reports", "/api/0/reports", Admin),
        get("/api/0/reports/{name}", "/api/0/reports/weekly?from=1000&to=2000", Admin),
        post("/api/0/reports/{name}/send", "/api/0/reports/weekly/send", None, Admin),
        get("/api/0/dns", "/api/0/dns", User),
        post("/api/0/dns/{name}/update", "/api/0/dns/db1.example.net/update", None, OPERATE),
        post("/api/0/dns/{name}/remove", "/api/0/dns/db1/remove", None, OPERATE),
        get("/api/0/overview", "/api/0/overview", User),
        get("/api/0/fleet", "/api/0/fleet", User),
        get("/api/0/hosts", "/api/0/hosts?limit=1&state=c&q=d", User),
        get("/api/0/hosts/{host}", "/api/0/hosts/db1", SEE),
        delete("/api/0/hosts/{host}", "/api/0/hosts/db1", OWN),
        Route {
            // A file declares it. What becomes of others is tested by itself.
            status: 409,
            ..route(
                Method::PUT,
                "/api/0/hosts/{host}/owner",
                "/api/0/hosts/db1/owner",
                Some(json!({"owner": "monitor"})),
                OWN,
            )
        },
        get("/api/0/hosts/{host}/access", "/api/0/hosts/db1/access", SEE),
        Route {
            // A file declares it.
            status: 409,
            ..route(
                Method::PUT,
                "/api/0/hosts/{host}/access",
                "/api/0/hosts/db1/access",
                Some(json!({"managers": ["monitor"], "monitors": []})),
                OWN,
            )
        },
        get("/api/0/hosts/{host}/actions", "/api/0/hosts/db1/actions", SEE),
        post("/api/0/hosts/{host}/look", "/api/0/hosts/db1/look?check=web", None, OPERATE),
        post(
            "/api/0/hosts/{host}/actions/{name}",
            "/api/0/hosts/db1/actions/restart",
            Some(json!({"reason": "it hangs", "expires_seconds": 60})),
            OPERATE,
        ),
        get("/api/0/hosts/{host}/metrics", "/api/0/hosts/db1/metrics", SEE),
        get(
            "/api/0/hosts/{host}/series",
            "/api/0/hosts/db1/series?names=cpu_monitor.cpu_percent,a&from=1000&to=2000&points=9",
            SEE,
        ),
        // A good one is not JSON: it is tested by itself.
        Route {
            status: 422,
            ..get("/api/0/hosts/{host}/series.csv", "/api/0/hosts/db1/series.csv?names=", SEE)
        },
        get(
            "/api/0/series",
            "/api/0/series?names=cpu_monitor.cpu_percent&hosts=db1,web1&from=1000&to=2000",
            User,
        ),
        get("/api/0/hosts/{host}/lanes", "/api/0/hosts/db1/lanes", SEE),
        get("/api/0/hosts/{host}/events", "/api/0/hosts/db1/events?limit=5", SEE),
        get("/api/0/hosts/{host}/plugins", "/api/0/hosts/db1/plugins", SEE),
        get(
            "/api/0/hosts/{host}/plugins/{plugin}",
            "/api/0/hosts/db1/plugins/cpu_monitor?limit=3",
            SEE,
        ),
        get("/api/0/hosts/{host}/alerts", "/api/0/hosts/db1/alerts", SEE),
        get("/api/0/alerts", "/api/0/alerts", User),
        get("/api/0/incidents", "/api/0/incidents?view=all&sev=warning", User),
        get("/api/0/incidents/{id}", "/api/0/incidents/1", SEE),
        get("/api/0/incidents/{id}/explain", "/api/0/incidents/1/explain", SEE),
        post(
            "/api/0/incidents/{id}/ack",
            "/api/0/incidents/1/ack",
            Some(json!({"comment": "on it", "sticky": true, "until_at": "2100-01-01T00:00:00Z"})),
            OPERATE,
        ),
        post("/api/0/incidents/{id}/unack", "/api/0/incidents/1/unack", None, OPERATE),
        post(
            "/api/0/incidents/{id}/comment",
            "/api/0/incidents/1/comment",
            Some(json!({"text": "looks like the backup"})),
            OPERATE,
        ),
        post(
            "/api/0/incidents/{id}/silence",
            "/api/0/incidents/1/silence",
            Some(json!({"reason": "known", "duration_seconds": 3600})),
            OPERATE,
        ),
        post(
            "/api/0/incidents/{id}/resolve",
            "/api/0/incidents/1/resolve",
            Some(json!({"comment": "it was a test"})),
            OPERATE,
        ),
        post(
            "/api/0/incidents/{id}/cause",
            "/api/0/incidents/1/cause",
            Some(json!({"cause": null})),
            OPERATE,
        ),
        get("/api/0/jobs", "/api/0/jobs?sort=-id", User),
        get("/api/0/jobs/{id}", "/api/0/jobs/{own}", User),
        // It has ended already; what becomes of one that has not is tested by itself.
        Route {
            status: 409,
            ..post("/api/0/jobs/{id}/cancel", "/api/0/jobs/{own}/cancel", None, User)
        },
        Route {
            status: 202,
            ..post(
                "/api/0/bulk",
                "/api/0/bulk",
                Some(json!({"do": {"comment": {"text": "x"}}, "incidents": {"all": true}})),
                User,
            )
        },
        get("/api/0/backups", "/api/0/backups", Admin),
        Route { status: 202, ..post("/api/0/backups", "/api/0/backups", None, Admin) },
        no_content(post("/api/0/quarantine/end", "/api/0/quarantine/end", None, Admin)),
        Route {
            status: 202,
            ..post(
                "/api/0/history/erase",
                "/api/0/history/erase",
                Some(json!({"host": "db1", "metric": "cpu_monitor.*"})),
                Admin,
            )
        },
        get("/api/0/deliveries", "/api/0/deliveries?state=sent", User),
        get("/api/0/deliveries/{id}", "/api/0/deliveries/1", SEE),
        post("/api/0/deliveries/{id}/retry", "/api/0/deliveries/1/retry", None, OPERATE),
        get("/api/0/silences", "/api/0/silences", User),
        post(
            "/api/0/silences",
            "/api/0/silences",
            Some(json!({"matcher": {"hosts": ["db1"]}, "reason": "work", "duration_seconds": 60})),
            OPERATE,
        ),
        get("/api/0/silences/{id}", "/api/0/silences/1", SEE),
        route(
            Method::PUT,
            "/api/0/silences/{id}",
            "/api/0/silences/1",
            Some(json!({"matcher": {"hosts": ["db1"]}, "reason": "more", "duration_seconds": 900})),
            OPERATE,
        ),
        delete("/api/0/silences/{id}", "/api/0/silences/1", OPERATE),
        post(
            "/api/0/match/preview",
            "/api/0/match/preview",
            Some(json!({"matcher": {"tags": ["role:db"], "severity": "critical"}})),
            User,
        ),
        get("/api/0/receivers", "/api/0/receivers", Admin),
        post("/api/0/receivers/{name}/test", "/api/0/receivers/ops-mail/test", None, Admin),
        get("/api/0/routes", "/api/0/routes", Admin),
        get("/api/0/routes/test", "/api/0/routes/test?host=db1&severity=warning&check=raid", SEE),
        get("/api/0/oncall", "/api/0/oncall", User),
        // No such rota; what a known one gives is tested by itself.
        Route { status: 404, ..get("/api/0/oncall/{name}", "/api/0/oncall/nobody.ics", User) },
        // Not signed: whoever asks. What a signed one does is tested by itself.
        Route {
            status: 401,
            ..post("/api/0/receivers/{name}/call", "/api/0/receivers/chat/call", None, Nothing)
        },
        post(
            "/api/0/handle",
            "/api/0/handle",
            Some(json!({"token": "a-token", "comment": "on it", "way": "mail"})),
            Nothing,
        ),
        get("/api/0/enrol", "/api/0/enrol", Admin),
        post("/api/0/enrol", "/api/0/enrol", Some(json!({"host": "db2", "tags": ["a"]})), Admin),
        delete("/api/0/enrol/{id}", "/api/0/enrol/{own}", Admin),
        get("/api/0/agents", "/api/0/agents", User),
        Route {
            // No such token; what a good one does is tested by itself.
            status: 403,
            ..post(
                "/api/0/agents/enrol",
                "/api/0/agents/enrol",
                Some(json!({"token": "hark-x", "name": "db2", "key": key})),
                Nothing,
            )
        },
        // Not signed: whoever asks. What a signed one does is tested by itself.
        Route {
            status: 401,
            ..post("/api/0/agent/report", "/api/0/agent/report", Some(json!({})), Nothing)
        },
        Route {
            status: 401,
            ..get("/api/0/agent/configuration", "/api/0/agent/configuration", Nothing)
        },
        Route { status: 401, ..get("/api/0/agent/news", "/api/0/agent/news", Nothing) },
        Route { status: 401, ..get("/api/0/agent/order", "/api/0/agent/order?number=5", Nothing) },
        get("/api/0/updates", "/api/0/updates", User),
        // No host is named. What one that is named gets is tested by itself.
        Route { status: 422, ..get("/api/0/updates/{name}", "/api/0/updates/x", Nothing) },
        get("/api/0/self", "/api/0/self", User),
        get("/api/0/events", "/api/0/events?q=cpu", User),
        get("/api/0/happened", "/api/0/happened?topics=backup,critical&host=db1&from=1&to=9", User),
        post(
            "/api/0/events",
            "/api/0/events",
            Some(json!({"events": [{
                "uid": "0123456789abcdef0123456789abcdef", "hops": ["berlin"], "host": "db1",
                "at_unix_s": 1.5, "kind": "backup", "severity": "info", "text": "done"
            }]})),
            Admin,
        ),
        get("/api/0/status-pages", "/api/0/status-pages", User),
        get(
            "/api/0/status-pages/{page}/incidents",
            "/api/0/status-pages/open/incidents?open=true&limit=5",
            User,
        ),
        post(
            "/api/0/status-pages/{page}/incidents",
            "/api/0/status-pages/open/incidents",
            Some(json!({"title": "Trouble", "text": "We look.", "components": ["api"]})),
            Needs::Editor,
        ),
        get(
            "/api/0/status-pages/{page}/incidents/{id}",
            "/api/0/status-pages/open/incidents/1",
            User,
        ),
        post(
            "/api/0/status-pages/{page}/incidents/{id}",
            "/api/0/status-pages/open/incidents/1",
            Some(json!({"text": "A cable.", "stage": "identified"})),
            Needs::Editor,
        ),
        delete(
            "/api/0/status-pages/{page}/incidents/{id}",
            "/api/0/status-pages/open/incidents/1",
            Needs::Editor,
        ),
        get("/api/0/dashboards", "/api/0/dashboards?q=data&limit=5", User),
        post("/api/0/dashboards", "/api/0/dashboards", Some(json!({"title": "Mine"})), User),
        // Root's: shown to the owner of db1, and to nobody else.
        get("/api/0/dashboards/{id}", "/api/0/dashboards/1", Needs::Dashboard(false)),
        route(
            Method::PUT,
            "/api/0/dashboards/{id}",
            "/api/0/dashboards/1",
            Some(json!({"version": 1, "content": {"title": "Changed"}})),
            Needs::Dashboard(true),
        ),
        delete("/api/0/dashboards/{id}", "/api/0/dashboards/1", Needs::Dashboard(true)),
        post(
            "/api/0/dashboards/{id}/restore",
            "/api/0/dashboards/2/restore",
            None,
            Needs::Dashboard(true),
        ),
        post(
            "/api/0/dashboards/import",
            "/api/0/dashboards/import",
            Some(json!({"grafana": {"panels": []}})),
            User,
        ),
        get("/api/0/config/schema", "/api/0/config/schema?section=hosts", Admin),
        get("/api/0/config/objects", "/api/0/config/objects?section=hosts&limit=5", Admin),
        get("/api/0/config/objects/{section}/{name}", "/api/0/config/objects/hosts/web9", Admin),
        route(
            Method::PUT,
            "/api/0/config/objects/{section}/{name}",
            "/api/0/config/objects/hosts/new",
            Some(json!({"value": {"address": "192.0.2.1"}, "before": ""})),
            Admin,
        ),
        Route {
            // It is there, and its version was not sent.
            status: 412,
            ..delete(
                "/api/0/config/objects/{section}/{name}",
                "/api/0/config/objects/hosts/web9",
                Admin,
            )
        },
        post(
            "/api/0/config/validate",
            "/api/0/config/validate",
            Some(json!({"section": "hosts", "name": "a", "value": {"address": 7}})),
            Admin,
        ),
        post(
            "/api/0/config/test",
            "/api/0/config/test",
            Some(json!({"section": "checks", "name": "a", "value": {}})),
            Admin,
        ),
        get("/api/0/config/history", "/api/0/config/history", Admin),
        get("/api/0/config/history/{number}", "/api/0/config/history/1", Admin),
        post(
            "/api/0/config/history/{number}/restore",
            "/api/0/config/history/1/restore",
            None,
            Admin,
        ),
        get("/api/0/config/export", "/api/0/config/export", Admin),
        get("/api/0/audit", "/api/0/audit?limit=10", Admin),
        get("/api/0/audit/check", "/api/0/audit/check", Admin),
        get("/api/0/stream", "/api/0/stream?sub=counts,problems&rows=1", User),
    ]
}

/// Who calls.
const ROLES: [&str; 5] = ["stranger", "monitor", "manager", "owner", "root"];

/// Makes a server with one user of each kind, an own object for each, and what deletions need.
pub(crate) async fn prepared() -> Running {
    prepare(start_tls().await).await
}

/// The same without TLS, whose handshakes take most of the time of a test with many requests.
pub(crate) async fn prepared_plain() -> Running {
    prepare(start().await).await
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
async fn call(running: &Running, route: &Route, caller: &Caller, user: &str) -> Reply {
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

#[tokio::test]
async fn every_route_answers_as_its_document_says() {
    let document = start_tls().await.nobody().get("/api/0/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        documented
            .extend(item.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone())));
    }
    let mut called = BTreeSet::new();
    for route in table() {
        let running = prepared().await;
        // Both kinds of proof are stored, so that `{own}` exists; the browser's is used.
        running.program("root");
        let reply = call(&running, &route, &running.browser("root"), "root").await;
        let name = format!("{} {}", route.method, route.path);
        assert_eq!(reply.status, route.status, "{name}: {}", reply.text());
        check(&document, &route, &reply, &name);
        called.insert((route.method.to_string(), route.template.to_owned()));
    }
    assert_eq!(called, documented, "the table and the document name different routes");
}

#[tokio::test]
async fn the_shifts_of_a_rota_are_a_calendar() {
    let running = prepared().await;
    let reply = running.browser("stranger").get("/api/0/oncall/web.ics").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/calendar; charset=utf-8"));
    assert!(reply.text().starts_with("BEGIN:VCALENDAR"), "{}", reply.text());
    assert_eq!(running.browser("stranger").get("/api/0/oncall/web").await.status, 404);
}

#[tokio::test]
async fn figures_are_for_users_and_for_programs_with_a_token() {
    let running = prepared().await;
    let shown = running.browser("stranger").get("/metrics").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((shown.status, shown.header("content-type")), (200, kind));
    assert!(shown.text().ends_with("# EOF\n"), "{}", shown.text());
    assert_eq!(running.nobody().get("/metrics").await.status, 401);
}

#[tokio::test]
async fn what_was_asked_of_a_service_is_for_administrators() {
    let running = prepared().await;
    let whole = running.browser("root").get("/api/0/deliveries/1").await.json();
    assert_eq!(whole["tries"][0]["exchanges"][0]["asked"], "POST https://hooks.example.net/…");
    assert_eq!(whole["exchanges_hidden"], false);
    let part = running.browser("monitor").get("/api/0/deliveries/1").await.json();
    assert_eq!(part["tries"][0]["said"], "answered 503: later");
    assert_eq!(part["tries"][0]["exchanges"], json!([]));
    assert_eq!(part["exchanges_hidden"], true);
}

#[tokio::test]
async fn a_route_test_of_a_host_that_one_may_not_see_is_of_no_host() {
    let running = prepared().await;
    let hidden = running.browser("stranger").get("/api/0/routes/test?host=db1").await;
    assert_eq!(hidden.status, 404);
    let wrong = running.browser("monitor").get("/api/0/routes/test?host=db1&check=").await;
    assert_eq!(wrong.status, 422);
}

fn check(document: &Value, route: &Route, reply: &Reply, name: &str) {
    let method = route.method.as_str().to_lowercase();
    let responses = &document["paths"][route.template][&method]["responses"];
    let described = responses.get(reply.status.to_string()).unwrap_or(&responses["default"]);
    let content = described["content"].as_object();
    let Some((media, content)) = content.and_then(|content| content.iter().next()) else {
        assert!(reply.body.is_empty(), "{name}: a body that is not described");
        return;
    };
    assert_eq!(reply.header("content-type"), media, "{name}");
    let is_text = media == "application/yaml";
    let body = if is_text { json!(reply.text()) } else { reply.json() };
    let checked = schema::check(document, &content["schema"], &body);
    assert_eq!(checked, Ok(()), "{name}: {}", reply.text());
}

#[tokio::test]
async fn every_route_asks_for_the_role_that_the_table_names() {
    let mut wrong = Vec::new();
    for route in table() {
        for user in ROLES {
            for by_token in [false, true] {
                let running = prepared().await;
                let (program, browser) = (running.program(user), running.browser(user));
                let caller = if by_token { program } else { browser };
                let reply = call(&running, &route, &caller, user).await;
                let expected = expected(&route, user, by_token);
                if reply.status != expected {
                    wrong.push(format!(
                        "{} {} by {user} (token: {by_token}): {} instead of {expected}",
                        route.method, route.path, reply.status
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn expected(route: &Route, user: &str, by_token: bool) -> u16 {
    // What outlives a token is not made with one.
    let for_sessions =
        ["/api/0/tokens", "/api/0/auth/totp", "/api/0/auth/recovery-codes", "/api/0/auth/passkeys"];
    if by_token && route.method == Method::POST && route.template == "/api/0/users/{name}/tokens" {
        return 403;
    }
    if by_token
        && route.method == Method::POST
        && for_sessions.iter().any(|start| route.template.starts_with(start))
    {
        return 403;
    }
    let has = match user {
        "monitor" => Some(Role::Monitor),
        "manager" => Some(Role::Manager),
        "owner" => Some(Role::Owner),
        _ => None,
    };
    match route.needs {
        Needs::Nothing | Needs::User => route.status,
        _ if user == "root" => route.status,
        Needs::Dashboard(_) if user != "owner" => 404,
        Needs::Editor if user == "owner" => route.status,
        Needs::Admin | Needs::Editor | Needs::Dashboard(true) => 403,
        Needs::Dashboard(false) => route.status,
        Needs::Role(least) => match has {
            None => 404,
            Some(role) if role >= least => route.status,
            Some(_) => 403,
        },
    }
}

#[tokio::test]
async fn nobody_gets_past_what_is_open() {
    for route in table() {
        let running = prepared().await;
        let reply = call(&running, &route, &running.nobody(), "root").await;
        let expected = if route.needs == Needs::Nothing { route.status } else { 401 };
        assert_eq!(reply.status, expected, "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn a_page_of_another_site_writes_nothing() {
    for route in table() {
        let running = prepared().await;
        let mut evil = running.browser("root");
        evil.origin = Some("https://evil.example".to_owned());
        let reply = call(&running, &route, &evil, "root").await;
        let write = route.method != Method::GET;
        let name = format!("{} {}", route.method, route.path);
        if write {
            assert_eq!((reply.status, reply.problem()), (403, "cross-origin".to_owned()), "{name}");
        } else {
            assert_eq!(reply.status, route.status, "{name}");
        }
        let mut plain = running.browser("root");
        plain.csrf = false;
        let reply = call(&running, &route, &plain, "root").await;
        if write {
            assert_eq!((reply.status, reply.problem()), (403, "csrf".to_owned()), "{name}");
        }
        let mut silent = running.browser("root");
        silent.origin = None;
        let reply = call(&running, &route, &silent, "root").await;
        if write {
            assert_eq!(reply.status, 403, "{name}: a browser that says nothing of its origin");
        }
    }
}

#[tokio::test]
async fn an_object_that_is_not_visible_looks_like_one_that_does_not_exist() {
    let running = prepared().await;
    let monitor = running.browser("monitor");
    for (hidden, absent) in [
        ("/api/0/hosts/web1", "/api/0/hosts/nothing"),
        ("/api/0/hosts/web1/metrics", "/api/0/hosts/nothing/metrics"),
        ("/api/0/incidents/2", "/api/0/incidents/99"),
        ("/api/0/incidents/2/explain", "/api/0/incidents/99/explain"),
    ] {
        let [mut hidden, mut absent] =
            [monitor.get(hidden).await.json(), monitor.get(absent).await.json()];
        hidden["instance"].take();
        absent["instance"].take();
        assert_eq!(hidden, absent);
        assert_eq!(hidden["status"], 404);
    }
    let body = json!({"comment": "x"});
    assert_eq!(monitor.post("/api/0/incidents/2/ack", body.clone()).await.status, 404);
    assert_eq!(monitor.post("/api/0/incidents/99/ack", body).await.status, 404);
}

#[tokio::test]
async fn lists_hold_only_what_the_user_may_see() {
    let running = prepared().await;
    let monitor = running.browser("monitor");
    for path in [
        "/api/0/overview",
        "/api/0/fleet",
        "/api/0/hosts",
        "/api/0/alerts",
        "/api/0/incidents",
        "/api/0/deliveries",
        "/api/0/events",
        "/api/0/happened",
        "/api/0/agents",
    ] {
        let text = monitor.get(path).await.text();
        assert!(text.contains("db1"), "{path}: {text}");
        assert!(!text.contains("web1"), "{path} shows a host without a role: {text}");
        assert!(running.browser("root").get(path).await.text().contains("web1"), "{path}");
    }
}

#[tokio::test]
async fn a_manager_says_what_follows_from_what_among_his_hosts_alone() {
    let running = prepared().await;
    let manager = running.browser("manager");
    let hidden = manager.post("/api/0/incidents/1/cause", json!({"cause": 2})).await;
    assert_eq!(hidden.status, 404, "the cause is of a host that he does not see");
    let root = running.browser("root");
    let row = root.post("/api/0/incidents/1/cause", json!({"cause": 2})).await.json();
    assert_eq!((&row["cause"], &row["caused_by_hand"]), (&json!(2), &json!(true)));
    let detail = running.fake.stored().audit.last().unwrap().detail.clone();
    assert_eq!(detail, "1 follows from 2");
}

#[tokio::test]
async fn wrong_requests_name_their_fields() {
    let running = prepared().await;
    let root = running.browser("root");
    for (path, body, field) in [
        ("/api/0/incidents/1/ack", json!({"comment": "  "}), "comment"),
        ("/api/0/incidents/1/ack", json!({}), "comment"),
        (
            "/api/0/incidents/1/ack",
            json!({"comment": "x", "until_at": "2020-01-01T00:00:00Z"}),
            "until_at",
        ),
        ("/api/0/incidents/1/ack", json!({"comment": "x", "untl_at": null}), "untl_at"),
        (
            "/api/0/incidents/1/silence",
            json!({"reason": "x", "duration_seconds": 9_999_999}),
            "duration_seconds",
        ),
        ("/api/0/silences", json!({"matcher": {}, "reason": "x"}), "until_at"),
        (
            "/api/0/silences",
            json!({"matcher": {"tags": ["a b"]}, "reason": "x", "duration_seconds": 1}),
            "matcher.tags",
        ),
        (
            "/api/0/silences",
            json!({"matcher": {"hosts": [""]}, "reason": "x", "duration_seconds": 1}),
            "matcher.hosts",
        ),
        (
            "/api/0/silences",
            json!({"matcher": {}, "reason": "x", "duration_seconds": 9, "flexible_seconds": 1}),
            "flexible_seconds",
        ),
        ("/api/0/incidents/1/resolve", json!({"comment": " "}), "comment"),
        ("/api/0/incidents/1/cause", json!({"cause": "x"}), "cause"),
        ("/api/0/users", json!({"name": "a b", "password": "correct horse"}), "name"),
        ("/api/0/users", json!({"name": "ab", "password": "short"}), "password"),
        (
            "/api/0/users",
            json!({"name": "ab", "password": "correct horse", "roles": {"a b": "owner"}}),
            "roles",
        ),
        ("/api/0/tokens", json!({"name": ""}), "name"),
        ("/api/0/enrol", json!({"uses": 0}), "uses"),
        ("/api/0/enrol", json!({"host": "a b"}), "host"),
        ("/api/0/agents/enrol", json!({"token": "x", "name": "a", "key": "AAAA"}), "key"),
    ] {
        let reply = root.post(path, body.clone()).await;
        assert_eq!(reply.status, 422, "{path} {body}: {}", reply.text());
        assert_eq!(reply.problem(), "wrong-fields");
        assert_eq!(reply.json()["errors"][0]["field"], field, "{}", reply.text());
    }
    for (path, field) in [
        ("/api/0/hosts?limit=many", "limit"),
        ("/api/0/hosts?state=x", "state"),
        ("/api/0/hosts?colour=red", "colour"),
        ("/api/0/hosts?cursor=zzz", "cursor"),
        ("/api/0/hosts/db1/series?names=", "names"),
        ("/api/0/hosts/db1/series?names=a&from=5&to=5", "from"),
    ] {
        let reply = root.get(path).await;
        assert_eq!(reply.status, 422, "{path}");
        assert_eq!(reply.json()["errors"][0]["field"], field, "{}", reply.text());
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let running = prepared().await;
    let root = running.browser("root");
    let first = root.get("/api/0/hosts?limit=1").await.json();
    assert_eq!(first["items"][0]["name"], "db1");
    let next = first["next"].as_str().unwrap();
    let second = root.get(&format!("/api/0/hosts?limit=1&cursor={next}")).await.json();
    assert_eq!(second["items"][0]["name"], "web1");
    assert_eq!(second["next"], Value::Null);
}

#[tokio::test]
async fn the_fleet_is_sent_again_only_if_it_changed() {
    let running = prepared().await;
    let root = running.browser("root");
    let first = root.get("/api/0/fleet").await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", first.json()["etag"].as_str().unwrap()));
    let again = root.clone().with("if-none-match", &tag).get("/api/0/fleet").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    running.fake.stored().hosts.pop();
    let monitor =
        running.browser("monitor").with("if-none-match", "\"r1\"").get("/api/0/fleet").await;
    assert_eq!(monitor.status, 200, "another user's fleet of the same revision is another fleet");
    assert_eq!(root.with("if-none-match", &tag).get("/api/0/fleet").await.status, 200);
}

#[tokio::test]
async fn what_people_do_is_audited() {
    let running = prepared().await;
    let owner = running.browser("owner");
    owner.post("/api/0/incidents/1/comment", json!({"text": "looking"})).await;
    owner.call(Method::DELETE, "/api/0/hosts/db1", None).await;
    let stored = running.fake.stored();
    let of_owner: Vec<(&str, &str)> = stored
        .audit
        .iter()
        .filter(|line| line.who == "owner")
        .map(|line| (line.what.as_str(), line.detail.as_str()))
        .collect();
    assert_eq!(of_owner, [("incident.comment", "1: looking"), ("host.drop", "db1")]);
}
