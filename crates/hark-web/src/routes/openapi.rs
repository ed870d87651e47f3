//! The document that describes the API.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use hark_api::live::{Message, Subscribe};
use hark_api::problem::{MEDIA_TYPE, ProblemDocument};
use http::{HeaderValue, header};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, Ref, ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use crate::app::Shared;

/// Tags of paths that need no session.
const OPEN: [&str; 2] = ["setup", "open"];

/// The tag of paths for agents, which sign their requests.
const AGENT: &str = "agent";

/// Serves the finished `document`.
pub(crate) fn router(document: OpenApi) -> Router<Shared> {
    let text = serde_json::to_vec(&finish(document)).map(Bytes::from).unwrap_or_default();
    Router::new().route("/api/0/openapi.json", get(async || answer(text)))
}

fn answer(text: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], text).into_response()
}

/// Adds what is the same for every path: failures and ways to sign in.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("hark")
        .version("0")
        .description(Some(
            "Watches hosts and the network between them. Errors are problem documents; times are \
             RFC 3339 in UTC; durations are seconds. Writes with a cookie need the header \
             X-Hark-CSRF: 1 and the origin of the server. Live changes come over the WebSocket /ws.",
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas = vec![
        (ProblemDocument::name().into_owned(), ProblemDocument::schema()),
        (Message::name().into_owned(), Message::schema()),
        (Subscribe::name().into_owned(), Subscribe::schema()),
    ];
    ProblemDocument::schemas(&mut schemas);
    Message::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::new("__Host-hark"));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    let signed = ApiKey::Header(ApiKeyValue::with_description(
        "Authorization",
        "Hark agent=…,number=…,digest=…,tag=…: see docs/protocol.md, section 8.",
    ));
    components.add_security_scheme("agent", SecurityScheme::ApiKey(signed));
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten();
        operations.for_each(finish_operation);
    }
    document
}

fn finish_operation(operation: &mut Operation) {
    let problem =
        ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemDocument::name()))).build();
    let failed = ResponseBuilder::new()
        .description("A problem document that says why not.")
        .content(MEDIA_TYPE, problem)
        .build();
    operation.responses.responses.insert("default".to_owned(), failed.into());
    let has = |tag: &str| operation.tags.iter().flatten().any(|other| other == tag);
    let none: [&str; 0] = [];
    if has(AGENT) {
        operation.security = Some(vec![SecurityRequirement::new("agent", none)]);
    } else if !OPEN.iter().any(|tag| has(tag)) {
        operation.security = Some(vec![
            SecurityRequirement::new("cookie", none),
            SecurityRequirement::new("bearer", none),
        ]);
    }
}
