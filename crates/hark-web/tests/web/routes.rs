//! Every route: its answer is what the document says, and its rights are what the table says.

use std::collections::BTreeSet;

use hark_api::auth::Role;
use http::Method;
use serde_json::{Value, json};

use crate::prepared::{call, prepared_for};
use crate::schema;
use crate::server::{Reply, start_tls};
use crate::table::{Needs, Route, table};

/// Who calls.
const ROLES: [&str; 5] = ["stranger", "monitor", "manager", "owner", "root"];

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
        let running = prepared_for(&route).await;
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
    let is_text = ["application/yaml", "text/plain"].contains(&media.as_str());
    let body = if is_text { json!(reply.text()) } else { reply.json() };
    let checked = schema::check(document, &content["schema"], &body);
    assert_eq!(checked, Ok(()), "{name}: {}", reply.text());
}

#[tokio::test]
async fn every_route_asks_for_the_role_that_the_table_names() {
    let mut wrong = Vec::new();
    for route in table() {
        let mut as_new = None;
        for user in ROLES {
            for by_token in [false, true] {
                let running = match as_new.take() {
                    Some(running) => running,
                    None => prepared_for(&route).await,
                };
                let (program, browser) = (running.program(user), running.browser(user));
                let caller = if by_token { program } else { browser };
                let reply = call(&running, &route, &caller, user).await;
                let expected = expected(&route, user, by_token);
                if reply.status != expected {
                    wrong.push(format!(
                        "{} {} by {user} (token: {by_token}): {} instead of {expected}",
                        route.method, route.path, reply.status
                    ));
                } else if (route.method == Method::GET || expected >= 400)
                    && route.needs != Needs::Nothing
                {
                    // What reads, and what is refused, changes nothing: others may find it as this one did. Where
                    // anybody may ask, who is refused has guessed, and is slowed down.
                    as_new = Some(running);
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
        let running = prepared_for(&route).await;
        let reply = call(&running, &route, &running.nobody(), "root").await;
        let expected = if route.needs == Needs::Nothing { route.status } else { 401 };
        assert_eq!(reply.status, expected, "{} {}", route.method, route.path);
    }
}

#[tokio::test]
async fn a_page_of_another_site_writes_nothing() {
    for route in table() {
        let running = prepared_for(&route).await;
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
