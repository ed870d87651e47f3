//! The API of seed 004 under its old path, told of hark's own hosts and checks.
//!
//! Its programs find there what they know: lists in their envelope, references as paths, pages by `limit` and
//! `offset`, its statuses and its words for what is wrong. An agent is a host, a service is a check of a host,
//! and a result is a state that a check has had. What it let everybody do is not there: everything needs a user
//! and goes by [`crate::policy`], nothing can be made or replaced here, and results are taken for jobs that
//! report themselves ([`super::pushes`]) alone, since all other checks this server looks at itself.
//!
//! This is not part of the document of the API: who writes something new uses `/api/0`.

mod agents;
mod page;
mod results;
mod schema;
mod services;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use self::page::Asked;
use crate::app::Shared;
use crate::extract::MAX_BODY;
use crate::failure::{Failure, Reply};
use crate::who::Who;

/// Where it begins.
pub(crate) const BASE: &str = "/api/v1/";

/// The most that are asked for by their ids: each is looked up by itself.
const MAX_SET: usize = 100;

/// The most hosts whose services are listed without one of them being named: each is looked at.
const MAX_UNNAMED: usize = 1000;

/// Returns its paths.
pub(super) fn router() -> Router<Shared> {
    Router::new().route(BASE, any(index)).route("/api/v1/{*rest}", any(answer))
}

/// What there is a list of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Agent,
    Service,
    Result,
}

/// Its names. The last two are those that its document promised and its server never had.
const RESOURCES: [(&str, Kind); 5] = [
    ("agent", Kind::Agent),
    ("windowsservice", Kind::Service),
    ("windowsservicelog", Kind::Result),
    ("process_check", Kind::Service),
    ("check_history", Kind::Result),
];

impl Kind {
    /// Returns what may be done with all of them, and with one.
    fn methods(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Agent | Self::Service => (&["GET"], &["GET"]),
            Self::Result => (&["GET", "POST"], &["GET"]),
        }
    }

    /// Returns what the list can be narrowed by.
    fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &["id"],
            Self::Service => &["agent", "agent__id"],
            Self::Result => &["service", "service__agent", "service__agent__id"],
        }
    }

    /// Returns how many are listed if the request does not say: its agent never asks for a second page of
    /// services, and would miss those.
    fn limit(self) -> usize {
        match self {
            Self::Agent | Self::Result => 20,
            Self::Service => page::MAX_LIMIT,
        }
    }
}

/// One resource, as it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resource {
    name: &'static str,
    kind: Kind,
}

impl Resource {
    fn find(name: &str) -> Option<Self> {
        let found = RESOURCES.iter().find(|(known, _)| *known == name)?;
        Some(Self { name: found.0, kind: found.1 })
    }

    /// Returns the path of one of them.
    fn path(self, id: impl std::fmt::Display) -> String {
        format!("{BASE}{}/{id}/", self.name)
    }

    /// Returns what this one's services are called, or its agents.
    fn services(self) -> Self {
        let is_promised = matches!(self.name, "process_check" | "check_history");
        let name = if is_promised { "process_check" } else { "windowsservice" };
        Self { name, kind: Kind::Service }
    }
}

/// Why something is answered otherwise than with what was asked for.
#[derive(Debug)]
enum Refusal {
    /// There is no such thing, or it is not to be seen.
    Absent,
    /// The request is wrong; in the seed's words where it has some.
    Wrong(String),
    /// As everywhere here.
    Failure(Failure),
}

type Told<T> = Result<T, Refusal>;

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        if failure == Failure::Absent { Self::Absent } else { Self::Failure(failure) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Absent => StatusCode::NOT_FOUND.into_response(),
            Self::Wrong(why) => {
                let body = axum::Json(json!({"error": why}));
                (StatusCode::BAD_REQUEST, body).into_response()
            }
            Self::Failure(failure) => failure.into_response(),
        }
    }
}

/// Returns what there is.
async fn index(_: Who, method: Method) -> Response {
    if !is_read(&method) {
        return not_allowed(&["GET"]);
    }
    let one = |(name, _): &(&str, Kind)| {
        let list = format!("{BASE}{name}/");
        ((*name).to_owned(), json!({"list_endpoint": list, "schema": format!("{list}schema/")}))
    };
    said(Value::Object(RESOURCES.iter().map(one).collect::<Map<_, _>>()))
}

/// Answers everything below it.
async fn answer(State(app): State<Shared>, who: Who, request: Request) -> Reply<Response> {
    let path = request.uri().path();
    let Some(inner) = path.strip_suffix('/') else { return Ok(with_slash(&request)) };
    let parts: Vec<&str> = inner.strip_prefix(BASE).unwrap_or_default().split('/').collect();
    let (name, rest) = parts.split_first().unwrap_or((&"", &[]));
    let Some(resource) = Resource::find(name) else { return Ok(Refusal::Absent.into_response()) };
    let (of_all, of_one) = resource.kind.methods();
    let methods = if rest.is_empty() { of_all } else { of_one };
    let is_known = is_read(request.method()) || methods.contains(&request.method().as_str());
    if !is_known {
        return Ok(not_allowed(methods));
    }
    let done = match (rest, request.method() == Method::POST) {
        ([], true) => {
            let body = to_bytes(request.into_body(), MAX_BODY).await;
            let body = body.map_err(|_| Failure::TooLarge)?;
            results::take(&app, &who, resource, &body).await
        }
        ([], false) => {
            let query = request.uri().query().unwrap_or_default().to_owned();
            list(&app, &who, resource, &query).await.map(said)
        }
        (["schema"], _) => Ok(said(schema::of(resource))),
        (["set", ids], _) => set(&app, &who, resource, ids).await.map(said),
        ([id], _) => one(&app, &who, resource, id).await.map(said),
        _ => Err(Refusal::Absent),
    };
    Ok(done.unwrap_or_else(Refusal::into_response))
}

async fn list(app: &Shared, who: &Who, resource: Resource, query: &str) -> Told<Value> {
    let asked = Asked::read(query, resource)?;
    let (found, total) = match resource.kind {
        Kind::Agent => agents::list(app, who, resource, &asked).await?,
        Kind::Service => services::list(app, who, resource, &asked).await?,
        Kind::Result => results::list(app, who, resource, &asked).await?,
    };
    Ok(asked.envelope(resource, &found, total))
}

async fn one(app: &Shared, who: &Who, resource: Resource, id: &str) -> Told<Value> {
    match resource.kind {
        Kind::Agent => agents::one(app, who, resource, id).await,
        Kind::Service => services::one(app, who, resource, id).await,
        Kind::Result => results::one(app, who, resource, id).await,
    }
}

/// Returns several by their ids, and which of these are none.
async fn set(app: &Shared, who: &Who, resource: Resource, ids: &str) -> Told<Value> {
    let ids: Vec<&str> = ids.split(';').filter(|id| !id.is_empty()).collect();
    if ids.len() > MAX_SET {
        return Err(Refusal::Wrong(format!("Ask for {MAX_SET} at most.")));
    }
    let (mut objects, mut not_found) = (Vec::new(), Vec::new());
    for id in ids {
        match one(app, who, resource, id).await {
            Ok(object) => objects.push(object),
            Err(Refusal::Absent) => not_found.push(id),
            Err(other) => return Err(other),
        }
    }
    let mut all = json!({"objects": objects});
    if !not_found.is_empty() {
        all["not_found"] = json!(not_found);
    }
    Ok(all)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn said(body: Value) -> Response {
    let headers = [(header::VARY, "Accept"), (header::CACHE_CONTROL, "no-cache")];
    (headers, axum::Json(body)).into_response()
}

/// Leads a reader to the same path with a slash; what is written would be lost on that way.
fn with_slash(request: &Request) -> Response {
    if !is_read(request.method()) {
        return Refusal::Absent.into_response();
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{}/{query}", request.uri().path())) {
        Ok(place) => (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, place)]).into_response(),
        Err(_) => Refusal::Absent.into_response(),
    }
}

/// Says what may be done; the words for it are those of every path of this server.
fn not_allowed(methods: &[&str]) -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, methods.join(","))]).into_response()
}
