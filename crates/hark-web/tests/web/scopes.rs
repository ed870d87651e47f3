//! Tokens that are good for a part of what their user may.

use hark_api::auth::Role;
use hark_api::tokens::Scope;
use http::Method;
use serde_json::{Value, json};

use crate::prepared::prepared;
use crate::server::{Caller, Running, start};
use crate::table::{Needs, table};

/// What no token of limited use is good for: what lets people in, and where one's own messages are shown.
const FOR_NO_SCOPE: [&str; 9] = [
    "/api/0/auth/browsers",
    "/api/0/auth/password",
    "/api/0/auth/second-factor",
    "/api/0/auth/totp",
    "/api/0/auth/recovery-codes",
    "/api/0/auth/passkeys",
    "/api/0/sessions",
    "/api/0/tokens",
    "/api/0/users/{name}/tokens",
];

#[tokio::test]
async fn every_route_has_its_scopes_and_those_that_read_change_nothing() {
    let running = prepared().await;
    let mut without = Vec::new();
    for route in table() {
        if route.template == "/api/0/stream" {
            continue;
        }
        let mut good_for = Vec::new();
        for (word, scope) in Scope::WORDS {
            // A user who may nothing: what is not refused for its scope is refused for its role.
            let caller = running.program_for("stranger", &[scope]);
            let reply = caller.call(route.method.clone(), route.path, route.body.clone()).await;
            let is_refused = reply.status == 403 && reply.problem() == "scope-needed";
            if !is_refused {
                good_for.push(word);
            }
        }
        let name = format!("{} {}", route.method, route.template);
        if route.method != Method::GET && route.needs != Needs::Nothing && !name.contains("logout")
        {
            let reads = ["read", "hosts:read", "config:read"];
            let harmless = ["match/preview", "dashboards/import"];
            let is_harmless = harmless.iter().any(|path| name.contains(path));
            assert!(
                is_harmless || !good_for.iter().any(|word| reads.contains(word)),
                "{name}: {good_for:?}"
            );
        }
        let is_meant = FOR_NO_SCOPE.iter().any(|start| route.template.starts_with(start));
        if good_for.is_empty() && !is_meant {
            without.push(name);
        }
    }
    assert_eq!(without, [""; 0], "routes that no scope is for");
}

#[tokio::test]
async fn a_token_that_only_sends_events_sends_them_and_nothing_else() {
    let running = start().await;
    let sender = running.program_for("root", &[Scope::EventsSend]);
    let events = json!({"events": [{
        "uid": "0123456789abcdef0123456789abcdef", "hops": ["berlin"], "host": "db1",
        "at_unix_s": 1.5, "kind": "backup", "severity": "info", "text": "done"
    }]});
    assert_eq!(sender.post("/api/0/events", events).await.status, 200);
    for (method, path) in [
        (Method::GET, "/api/0/hosts"),
        (Method::GET, "/metrics"),
        (Method::GET, "/ws"),
        (Method::DELETE, "/api/0/hosts/db1"),
        (Method::POST, "/api/0/users"),
    ] {
        let reply = sender.call(method.clone(), path, None).await;
        assert_eq!((reply.status, reply.problem()), (403, "scope-needed".to_owned()), "{path}");
    }
    let told = sender.get("/api/0/config/objects").await.text();
    assert!(told.contains("config:read or config:write"), "{told}");
}

#[tokio::test]
async fn a_scope_takes_away_and_never_gives() {
    let running = start().await;
    running.user("ben", false, &[("db1", Role::Monitor)]);
    let ben = running.program_for("ben", &[Scope::IncidentsWrite, Scope::UsersWrite]);
    let ack = ben.post("/api/0/incidents/1/ack", json!({"comment": "x"})).await;
    assert_eq!((ack.status, ack.problem()), (403, "role-needed".to_owned()));
    assert_eq!(ben.get("/api/0/users").await.problem(), "role-needed");
    assert_eq!(ben.get("/api/0/hosts/web1").await.status, 404);
}

#[tokio::test]
async fn one_operation_on_many_needs_what_it_needs_on_one() {
    let running = start().await;
    let handler = running.program_for("root", &[Scope::IncidentsWrite]);
    let look = json!({"do": {"look": {}}, "hosts": {"all": true}});
    assert_eq!(handler.post("/api/0/bulk", look.clone()).await.problem(), "scope-needed");
    let comment = json!({"do": {"comment": {"text": "x"}}, "incidents": {"all": true}});
    assert_eq!(handler.post("/api/0/bulk", comment.clone()).await.status, 202);
    let looker = running.program_for("root", &[Scope::HostsWrite]);
    assert_eq!(looker.post("/api/0/bulk", comment).await.problem(), "scope-needed");
    assert_eq!(looker.post("/api/0/bulk", look).await.status, 202);
}

fn bearer(running: &Running, made: &Value) -> Caller {
    Caller { bearer: made["secret"].as_str().map(str::to_owned), ..running.nobody() }
}

#[tokio::test]
async fn a_program_is_a_user_with_tokens_and_without_a_password() {
    let running = start().await;
    let root = running.browser("root");
    let robot = json!({"name": "ci", "service": true, "roles": {"db1": "manager"}});
    let with_password = json!({"name": "ci", "service": true, "password": "correct horse"});
    assert_eq!(root.post("/api/0/users", with_password).await.status, 422);
    assert_eq!(root.post("/api/0/users", json!({"name": "ci"})).await.status, 422);
    let made = root.post("/api/0/users", robot).await;
    assert_eq!((made.status, &made.json()["service"]), (200, &json!(true)), "{}", made.text());
    let token = json!({"name": "deploy", "valid_seconds": 60, "scopes": ["incidents:write"]});
    let made = root.post("/api/0/users/ci/tokens", token.clone()).await.json();
    assert_eq!(made["token"]["scopes"], json!(["incidents:write"]));
    let program = bearer(&running, &made);
    assert_eq!(program.post("/api/0/incidents/1/ack", json!({"comment": "x"})).await.status, 200);
    assert_eq!(program.post("/api/0/hosts/db1/look", json!({})).await.problem(), "scope-needed");
    let listed = root.get("/api/0/users/ci/tokens").await.json();
    assert_eq!(listed[0]["name"], "deploy");
    assert!(listed[0]["last_used_at"].is_string(), "{listed}");
    let path = format!("/api/0/users/ci/tokens/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(root.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(program.get("/api/0/hosts").await.status, 401);
    assert_eq!(root.call(Method::DELETE, &path, None).await.status, 404);
    let login = json!({"username": "ci", "password": ""});
    assert_eq!(running.nobody().post("/api/0/auth/login", login).await.problem(), "wrong-login");
    let password = json!({"password": "correct horse"});
    assert_eq!(root.call(Method::PUT, "/api/0/users/ci", Some(password)).await.status, 409);

    // People's tokens are their own to make, and an administrator's to end.
    let of_person = root.post("/api/0/users/root/tokens", token.clone()).await;
    assert_eq!((of_person.status, of_person.problem()), (409, "conflict".to_owned()));
    let by_token = running.program("root").post("/api/0/users/ci/tokens", token).await;
    assert_eq!(by_token.status, 403, "what was stolen must not outlive its revocation");
    let details: Vec<String> =
        running.fake.stored().audit.iter().map(|line| line.detail.clone()).collect();
    assert!(details.iter().any(|d| d.ends_with(" of ci for incidents:write")), "{details:?}");
}

#[tokio::test]
async fn words_that_are_no_scope_are_refused() {
    let running = start().await;
    let root = running.browser("root");
    let wrong = root.post("/api/0/tokens", json!({"name": "a", "scopes": ["everything"]})).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    let twice = json!({"name": "a", "scopes": ["read", "events:send", "read"]});
    let made = root.post("/api/0/tokens", twice).await.json();
    assert_eq!(made["token"]["scopes"], json!(["read", "events:send"]));
    let all = root.post("/api/0/tokens", json!({"name": "b"})).await.json();
    assert_eq!(all["token"]["scopes"], json!([]));
    let reader = bearer(&running, &made);
    assert_eq!(reader.get("/api/0/auth/me").await.status, 200);
}
