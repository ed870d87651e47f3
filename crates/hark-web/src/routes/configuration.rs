//! The configuration as the page edits it, for administrators.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::configuration::{
    ConfigCandidate, ConfigKept, ConfigObject, ConfigObjectRow, ConfigObjectsQuery, ConfigOrder,
    ConfigSchemaQuery, ConfigSection, ConfigTested, ConfigVerdict, ConfigVersion,
    ConfigVersionDetail, MAX_NAME,
};
use hark_api::list::Page;
use http::{HeaderMap, HeaderValue, header};

use crate::app::Shared;
use crate::backend::{ConfigChange, Configuring};
use crate::extract::{Body, Params, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::Admin;

/// Returns the sections that can be edited; of one, with the keys of its objects as JSON Schema.
#[utoipa::path(
    get, path = "/api/0/config/schema", tag = "configuration", params(ConfigSchemaQuery),
    responses((status = 200, body = Vec<ConfigSection>))
)]
pub(crate) async fn schema(
    State(app): State<Shared>,
    _admin: Admin,
    Params(query): Params<ConfigSchemaQuery>,
) -> Reply<Json<Vec<ConfigSection>>> {
    app.ask(move |backend| backend.config_schema(query.section.as_deref())).await.map(Json)
}

/// Returns objects of the configuration: those that files declare, and those made in the page.
#[utoipa::path(
    get, path = "/api/0/config/objects", tag = "configuration", params(ConfigObjectsQuery),
    responses((status = 200, body = Page<ConfigObjectRow>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    _admin: Admin,
    Params(query): Params<ConfigObjectsQuery>,
) -> Reply<Json<Page<ConfigObjectRow>>> {
    app.ask(move |backend| backend.config_objects(&query)).await.map(Json)
}

/// Returns an object. `ETag` is its version.
#[utoipa::path(
    get, path = "/api/0/config/objects/{section}/{name}", tag = "configuration",
    params(
        ("section" = String, Path, description = "The section's key."),
        ("name" = String, Path, description = "The object's name."),
    ),
    responses((status = 200, body = ConfigObject))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    _admin: Admin,
    Path((section, name)): Path<(String, String)>,
) -> Reply<Response> {
    let object = app.ask(move |backend| backend.config_object(&section, &name)).await?;
    Ok(tagged(object.row.version.clone(), object))
}

/// Makes an object, or changes one made in the page; then `If-Match` must have its version.
#[utoipa::path(
    put, path = "/api/0/config/objects/{section}/{name}", tag = "configuration",
    request_body = ConfigOrder,
    params(
        ("section" = String, Path, description = "The section's key."),
        ("name" = String, Path, description = "The object's name."),
        ("If-Match" = Option<String>, Header, description = "The version that was seen."),
    ),
    responses((status = 200, body = ConfigKept))
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    headers: HeaderMap,
    Path((section, name)): Path<(String, String)>,
    Body(order): Body<ConfigOrder>,
) -> Reply<Response> {
    let ConfigOrder { value, before } = order;
    if value.is_null() {
        return Err(Failure::field("value", "give its settings; DELETE takes it away"));
    }
    let candidate = ConfigCandidate { section, name, value: Some(value), before };
    let change = ConfigChange { by: who.name().clone(), candidate, seen: seen(&headers) };
    keep(&app, peer, change, "config.put").await
}

/// Takes away an object made in the page. `If-Match` must have its version.
#[utoipa::path(
    delete, path = "/api/0/config/objects/{section}/{name}", tag = "configuration",
    params(
        ("section" = String, Path, description = "The section's key."),
        ("name" = String, Path, description = "The object's name."),
        ("If-Match" = Option<String>, Header, description = "The version that was seen."),
    ),
    responses((status = 200, body = ConfigKept))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    headers: HeaderMap,
    Path((section, name)): Path<(String, String)>,
) -> Reply<Response> {
    let candidate = ConfigCandidate { section, name, value: None, before: None };
    let change = ConfigChange { by: who.name().clone(), candidate, seen: seen(&headers) };
    keep(&app, peer, change, "config.delete").await
}

/// Says what is wrong with an object that might be saved, and what saving it would change.
#[utoipa::path(
    post, path = "/api/0/config/validate", tag = "configuration", request_body = ConfigCandidate,
    responses((status = 200, body = ConfigVerdict))
)]
pub(crate) async fn validate(
    State(app): State<Shared>,
    _admin: Admin,
    Body(candidate): Body<ConfigCandidate>,
) -> Reply<Json<ConfigVerdict>> {
    check_name(&candidate.name)?;
    app.ask(move |backend| backend.config_verdict(&candidate)).await.map(Json)
}

/// Tries an object before it is saved: a check looks once, a receiver gets a test message, a route says
/// what it would take now. Nothing is kept.
#[utoipa::path(
    post, path = "/api/0/config/test", tag = "configuration", request_body = ConfigCandidate,
    responses((status = 200, body = ConfigTested))
)]
pub(crate) async fn test(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Body(candidate): Body<ConfigCandidate>,
) -> Reply<Json<ConfigTested>> {
    check_name(&candidate.name)?;
    let what = format!("{}/{}", candidate.section, candidate.name);
    let by = who.name().clone();
    let tested = app.ask(move |backend| backend.config_test(&candidate, &by)).await?;
    // It opens connections from here, to wherever the candidate says.
    app.audit(Some(who.name()), peer.address, "config.test", what).await;
    Ok(Json(tested))
}

/// Returns the versions of what was made in the page, the newest first.
#[utoipa::path(
    get, path = "/api/0/config/history", tag = "configuration",
    responses((status = 200, body = Vec<ConfigVersion>))
)]
pub(crate) async fn history(
    State(app): State<Shared>,
    _admin: Admin,
) -> Reply<Json<Vec<ConfigVersion>>> {
    app.ask(Configuring::config_history).await.map(Json)
}

/// Returns a version: what it changed, and what going back to it would change.
#[utoipa::path(
    get, path = "/api/0/config/history/{number}", tag = "configuration",
    params(("number" = u32, Path, description = "The version's number.")),
    responses((status = 200, body = ConfigVersionDetail))
)]
pub(crate) async fn version(
    State(app): State<Shared>,
    _admin: Admin,
    Path(number): Path<u32>,
) -> Reply<Json<ConfigVersionDetail>> {
    app.ask(move |backend| backend.config_version(number)).await.map(Json)
}

/// Goes back to a version. That is a version of its own, so it can be undone as well.
#[utoipa::path(
    post, path = "/api/0/config/history/{number}/restore", tag = "configuration",
    params(("number" = u32, Path, description = "The version's number.")),
    responses((status = 200, body = ConfigKept))
)]
pub(crate) async fn restore(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(number): Path<u32>,
) -> Reply<Json<ConfigKept>> {
    let by = who.name().clone();
    let kept = app.ask(move |backend| backend.restore_config(number, &by)).await?;
    let detail = format!("version {} is version {number} again", kept.number);
    app.audit(Some(who.name()), peer.address, "config.restore", detail).await;
    Ok(Json(kept))
}

/// Returns all that was made in the page as a file for `conf.d`. Secrets are names of the environment.
#[utoipa::path(
    get, path = "/api/0/config/export", tag = "configuration",
    responses((status = 200, body = serde_json::Value, content_type = "application/yaml"))
)]
pub(crate) async fn export(State(app): State<Shared>, _admin: Admin) -> Reply<Response> {
    let text = app.ask(Configuring::config_export).await?;
    let kind = HeaderValue::from_static("application/yaml");
    let name = HeaderValue::from_static("attachment; filename=\"page.yaml\"");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], text).into_response())
}

async fn keep(app: &Shared, peer: Peer, change: ConfigChange, what: &str) -> Reply<Response> {
    check_name(&change.candidate.name)?;
    let by = change.by.clone();
    let about = format!("{}/{}", change.candidate.section, change.candidate.name);
    let kept = app.ask(move |backend| backend.change_config(&change)).await?;
    let detail = format!("{about}: version {}", kept.number);
    app.audit(Some(&by), peer.address, what, detail).await;
    let version = kept.object.as_ref().and_then(|object| object.row.version.clone());
    Ok(tagged(version, kept))
}

fn tagged<T: serde::Serialize>(version: Option<String>, body: T) -> Response {
    let tag = version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok());
    let mut response = Json(body).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Returns the version that the change was made from, if `If-Match` names one. Whether it holds was looked at
/// before (`condition.rs`), and is again where the change is kept; of several, or any, that look is all.
fn seen(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::IF_MATCH)?.to_str().ok()?;
    let inner = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| inner.to_owned())
}

fn check_name(name: &str) -> Reply<()> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Failure::field("name", format!("use 1 to {MAX_NAME} bytes")));
    }
    Ok(())
}
