//! The document that describes the API.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use hark_api::agents::AgentSort;
use hark_api::checks::CheckSort;
use hark_api::configuration::ConfigSort;
use hark_api::hosts::HostSort;
use hark_api::incidents::IncidentSort;
use hark_api::list::TimeSort;
use hark_api::live::{Message, Subscribe};
use hark_api::problem::{MEDIA_TYPE, ProblemDocument};
use hark_api::series::{By, Fill, MetricHostSort};
use http::{HeaderValue, header};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required,
    ResponseBuilder, Schema, SecurityRequirement, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::docs;
use crate::app::Shared;
use crate::lists;

/// Tags of paths that need no session.
const OPEN: [&str; 2] = ["setup", "open"];

/// The tag of paths for agents, which sign their requests.
const AGENT: &str = "agent";

/// What the API is asked with.
#[derive(Clone, Copy)]
enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }
}

/// The document and its page. Made when somebody asks for one of them first: most servers are never asked, and
/// the two are a megabyte.
static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let (_, document) = super::api().split_for_parts();
    let value = serde_json::to_value(finish(document)).unwrap_or_default();
    Whole { document: Bytes::from(value.to_string()), page: Bytes::from(docs::page(&value)) }
});

struct Whole {
    document: Bytes,
    page: Bytes,
}

/// Serves the finished document and its page.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/api/0/openapi.json", get(async || answer(WHOLE.document.clone())))
        .route("/api/0/docs", get(async || Html(WHOLE.page.clone())))
        .merge(docs::router())
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
             X-Hark-CSRF: 1 and the origin of the server. Live changes come over the WebSocket /ws. \
             The same for people is at /api/0/docs.",
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    let mut schemas = vec![
        (ProblemDocument::name().into_owned(), ProblemDocument::schema()),
        (Message::name().into_owned(), Message::schema()),
        (Subscribe::name().into_owned(), Subscribe::schema()),
        // Words of queries, which routes name without bringing them.
        (AgentSort::name().into_owned(), AgentSort::schema()),
        (MetricHostSort::name().into_owned(), MetricHostSort::schema()),
        (CheckSort::name().into_owned(), CheckSort::schema()),
        (ConfigSort::name().into_owned(), ConfigSort::schema()),
        (HostSort::name().into_owned(), HostSort::schema()),
        (Fill::name().into_owned(), Fill::schema()),
        (By::name().into_owned(), By::schema()),
        (IncidentSort::name().into_owned(), IncidentSort::schema()),
        (TimeSort::name().into_owned(), TimeSort::schema()),
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
    for (path, item) in &mut document.paths.paths {
        if let Some(read) = &mut item.get {
            finish_list(path, read);
        }
        let operations = [
            (Method::Get, &mut item.get),
            (Method::Post, &mut item.post),
            (Method::Put, &mut item.put),
            (Method::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(name_of(method, path));
                finish_operation(method, operation);
            }
        }
    }
    document
}

/// Returns what clients call an operation: `get_hosts_by_host`, `post_incidents_ack`.
fn name_of(method: Method, path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches("/api/0/").split('/').collect();
    let words = parts.iter().enumerate().filter_map(|(place, part)| {
        let named = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        match named {
            None => Some((*part).to_owned()),
            // Of an object itself; in the middle of a path it is understood.
            Some(name) if place + 1 == parts.len() => Some(format!("by_{name}")),
            Some(_) => None,
        }
    });
    [method.word().to_owned()].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

/// Headers that every route that needs a user understands.
fn headers(method: Method) -> Vec<Parameter> {
    let header = |name: &str, about: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(String::schema()))
            .build()
    };
    match method {
        Method::Get => vec![header(
            "If-None-Match",
            "The ETag of an earlier answer: without a change the answer is 304, without a body.",
        )],
        Method::Post | Method::Put | Method::Delete => vec![
            header(
                "If-Match",
                "The ETag of the object as it was read: if it is another one by now, nothing is done, and \
                 the answer is 412.",
            ),
            header(
                "Idempotency-Key",
                "A name for this write, such as a UUID. Sent again within a day by the same session or \
                 token, it is not done again, and the answer is the same. With another request it is \
                 refused.",
            ),
        ],
    }
}

fn query(name: &str, kind: Type, about: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(kind)))
        .build()
}

/// Adds what [`crate::lists`] does for the operation at `path`.
fn finish_list(path: &str, operation: &mut Operation) {
    let Some(RefOr::T(found)) = operation.responses.responses.get_mut("200") else { return };
    let json = found.content.get("application/json");
    // What has a query of its own is an answer to a question, not a list.
    let has_query = operation.parameters.iter().flatten().any(
        |parameter| matches!(parameter, RefOr::T(one) if one.parameter_in == ParameterIn::Query),
    );
    let is_array = |content: &Content| matches!(content.schema, Some(RefOr::T(Schema::Array(_))));
    let is_whole =
        !has_query && json.is_some_and(|json| matches!(json, RefOr::T(one) if is_array(one)));
    let is_paged = path == lists::SERIES || lists::PAGED.iter().any(|(other, _)| *other == path);
    let is_short = lists::SHORT_PAGES.contains(&path);
    if !is_whole && !is_paged && !is_short {
        return;
    }
    let text = ContentBuilder::new().schema(Some(String::schema())).build();
    found.content.insert("text/csv; charset=utf-8".to_owned(), text.into());
    let parameters = operation.parameters.get_or_insert_default();
    let format = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["json", "csv"]));
    parameters.push(
        ParameterBuilder::new()
            .name("format")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(
                "`csv` for a table of all pages, up to 100,000 rows; so does the header Accept: text/csv. \
                 Where there are more, the header Link names the rest.",
            ))
            .schema(Some(format))
            .build()
            .into(),
    );
    if is_whole || is_short {
        let (cursor, limit) = if is_short {
            (
                "The `next` of the page before.",
                "How many items at most: 1 to 1000, 100 if not given.",
            )
        } else {
            let cursor = "That of the header Link of the page before; none for the first.";
            (cursor, "How many items at most; the whole list if not given.")
        };
        let more = [
            query("q", Type::String, "Part of any text of an item."),
            query("sort", Type::String, "A field of the items; backwards with a minus in front."),
            query("cursor", Type::String, cursor),
            query("limit", Type::Integer, limit),
        ];
        parameters.extend(more.map(RefOr::T));
    }
}

fn finish_operation(method: Method, operation: &mut Operation) {
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
        if matches!(method, Method::Get) {
            let same = "It has not changed since the version that If-None-Match names.";
            let same = ResponseBuilder::new().description(same).build();
            operation.responses.responses.insert("304".to_owned(), same.into());
        }
        operation
            .parameters
            .get_or_insert_default()
            .extend(headers(method).into_iter().map(RefOr::T));
    }
}
