//! Every route by every kind of user by own, foreign and absent object: what is foreign answers exactly as
//! what is absent. A route with an object in its path that has no line here fails the test.

use http::Method;
use serde_json::{Value, json};

use crate::prepared::{job_of, prepared};
use crate::server::{Caller, Reply, Running, id, sha256};
use crate::table::{Needs, Route, table};

/// Kinds of users that do not see the host `web1` and what is on it.
const USERS: [&str; 4] = ["stranger", "monitor", "manager", "owner"];

/// What stands in place of the own object in a path.
#[derive(Clone, Debug)]
struct Others {
    own: &'static str,
    foreign: String,
    absent: String,
}

fn others(own: &'static str, foreign: &str, absent: &str) -> Others {
    Others { own, foreign: foreign.to_owned(), absent: absent.to_owned() }
}

/// Returns which object of others, and which that is none, `route` can be asked for; none if what it is
/// about is for everybody who may ask at all.
async fn objects(running: &Running, route: &Route) -> Option<Others> {
    let absent = "ffffffffffffffff";
    let found = match route.template {
        "/api/0/sessions/{id}" => others("{own}", &id(&sha256(b"session-of-root")), absent),
        "/api/0/tokens/{id}" => others("{own}", &id(&sha256(b"hark_token-of-root")), absent),
        "/api/0/auth/browsers/{id}" => {
            let stored = running.fake.stored();
            let mut all = stored.browsers.iter();
            let (_, roots) = all.find(|(user, _)| user.as_str() == "root").unwrap();
            others("{own}", &roots.id.to_string(), "9999")
        }
        template if template.starts_with("/api/0/jobs/") => {
            others("{own}", &job_of(running, "root").await.to_string(), "9999")
        }
        template if template.starts_with("/api/0/hosts/{host}") => others("db1", "web1", "nothing"),
        template if template.starts_with("/api/0/incidents/{id}") => others("/1", "/2", "/99"),
        template if template.starts_with("/api/0/deliveries/{id}") => others("/1", "/2", "/99"),
        "/api/0/silences/{id}" => others("/1", "/2", "/99"),
        template if template.starts_with("/api/0/dns/{name}") => others("db1", "web1", "nothing"),
        "/api/0/auth/passkeys/{id}/remove" => others("/00/", "/01/", "/02/"),
        "/api/0/metrics/{metric}/hosts" => {
            others("hark_cpu_percent", "hark_of_web1", "hark_nothing")
        }
        "/api/0/routes/test" => others("host=db1", "host=web1", "host=nothing"),
        // For administrators alone, or for everybody who is signed in, or proven otherwise.
        "/api/0/users/{name}"
        | "/api/0/users/{name}/second-factor"
        | "/api/0/users/{name}/tokens"
        | "/api/0/users/{name}/tokens/{id}"
        | "/api/0/enrol/{id}"
        | "/api/0/receivers/{name}/test"
        | "/api/0/receivers/{name}/call"
        | "/api/0/reports/{name}"
        | "/api/0/reports/{name}/send"
        | "/api/0/updates/{name}"
        | "/api/0/history/exports/{name}"
        | "/api/0/oncall/{name}" => return None,
        template if template.starts_with("/api/0/config/") => return None,
        // Whoever may log in knows which pages there are; who publishes is tested by `status_pages`.
        template if template.starts_with("/api/0/status-pages/{page}") => return None,
        // Of people, not of hosts: what is shared with whom is tested by `dashboards`.
        template if template.starts_with("/api/0/dashboards/{id}") => return None,
        template => {
            assert!(!template.contains('{'), "{template} has an object, and no line in the matrix");
            return None;
        }
    };
    Some(found)
}

/// Returns all of an answer that a person could tell two apart by.
fn shown(reply: &Reply) -> (u16, Value, String) {
    let mut body: Value =
        serde_json::from_slice(&reply.body).unwrap_or_else(|_| json!(reply.text()));
    if let Some(fields) = body.as_object_mut() {
        fields.remove("instance");
    }
    (reply.status, body, reply.header("etag").to_owned())
}

async fn ask(caller: &Caller, route: &Route, path: &str) -> (u16, Value, String) {
    shown(&caller.call(route.method.clone(), path, route.body.clone()).await)
}

#[tokio::test]
async fn what_is_foreign_answers_as_what_is_absent_on_every_route_for_everybody() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for route in table() {
        let running = prepared().await;
        let root = running.program("root");
        let silence =
            json!({"matcher": {"hosts": ["web1"]}, "reason": "work", "duration_seconds": 600});
        assert_eq!(root.post("/api/0/silences", silence).await.status, 200);
        running.browser("root");
        let Some(Others { own, foreign, absent }) = objects(&running, &route).await else {
            continue;
        };
        assert!(route.path.contains(own), "{} does not name {own}", route.path);
        for user in USERS {
            let browser = running.browser(user);
            let callers = [
                ("by token", running.program(user)),
                ("by cookie", browser.clone()),
                ("with If-Match", browser.clone().with("if-match", "*")),
                ("with a key", browser.with("idempotency-key", "k")),
            ];
            for (how, caller) in callers {
                let [foreign, absent] =
                    [&foreign, &absent].map(|it| route.path.replacen(own, it, 1));
                let foreign = ask(&caller, &route, &foreign).await;
                let absent = ask(&caller, &route, &absent).await;
                compared += 1;
                if foreign != absent || foreign.0 < 400 {
                    let (method, path) = (&route.method, route.path);
                    wrong.push(format!(
                        "{method} {path} by {user} {how}: {foreign:?} and {absent:?}"
                    ));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(compared > 250, "{compared}");
}

#[tokio::test]
async fn administrators_see_what_is_foreign_and_not_what_is_absent() {
    for route in table().into_iter().filter(|route| route.method == Method::GET) {
        let running = prepared().await;
        let Some(Others { own, foreign, absent }) = objects(&running, &route).await else {
            continue;
        };
        if own == "{own}" && route.template != "/api/0/jobs/{id}" || route.needs == Needs::Admin {
            continue;
        }
        let root = running.browser("root");
        if route.template == "/api/0/silences/{id}" {
            let silence =
                json!({"matcher": {"hosts": ["web1"]}, "reason": "x", "duration_seconds": 60});
            assert_eq!(root.post("/api/0/silences", silence).await.status, 200);
        }
        let [foreign, absent] = [&foreign, &absent].map(|it| route.path.replacen(own, it, 1));
        assert_eq!(ask(&root, &route, &foreign).await.0, route.status, "{foreign}");
        // What is refused for how it is asked is refused whatever it is about.
        if route.template != "/api/0/routes/test" && route.status < 400 {
            assert_eq!(ask(&root, &route, &absent).await.0, 404, "{absent}");
        }
    }
}

#[tokio::test]
async fn lists_and_their_tables_name_nothing_foreign() {
    let running = prepared().await;
    let root = running.browser("root");
    let silence =
        json!({"matcher": {"hosts": ["web1"]}, "reason": "work", "duration_seconds": 600});
    root.post("/api/0/silences", silence).await;
    for route in table().into_iter().filter(|route| route.method == Method::GET) {
        if route.template.contains('{') || !matches!(route.needs, Needs::User | Needs::Role(_)) {
            continue;
        }
        if route.template == "/api/0/stream" {
            continue;
        }
        for user in ["stranger", "owner"] {
            let caller = running.browser(user);
            for path in [route.path.to_owned(), with_format(route.path)] {
                let text = caller.get(&path).await.text();
                assert!(!text.contains("web1"), "{path} shows {user} a foreign host: {text}");
            }
        }
    }
}

fn with_format(path: &str) -> String {
    let mark = if path.contains('?') { '&' } else { '?' };
    format!("{path}{mark}format=csv")
}
