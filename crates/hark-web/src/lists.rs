//! What all lists can do alike: be read page by page, searched, ordered, and written as CSV.
//!
//! Long lists (hosts, incidents, events ...) know pages and filters themselves, since they must not be made
//! whole for one page. Short ones (silences, users, tokens ...) are made whole by their routes, and cut here:
//! `q`, `sort`, `cursor` and `limit` mean the same there, and the next page is in the header `Link`, or in `next`
//! where the answer is a page ([`SHORT_PAGES`]). With
//! `format=csv`, or if CSV is what the client accepts, any list is written as a table: of all pages, so
//! that an export is one request.
//!
//! It asks the routes as the client would: what a user does not see is in no export either.

mod csv;
mod query;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hark_api::list::Cursor;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::failure::{Failure, Reply};

use self::csv::Sheet;
use self::query::Asked;

/// The most rows of one export: hosts of the largest fleet, some weeks of its events. More are left for
/// the next request, which the header `Link` names.
const MAX_ROWS: usize = 100_000;

/// Rows of one page of an export.
const PAGE: u32 = 1000;

/// The longest page that is read here: a thousand of the longest rows.
const MAX_PAGE_BYTES: usize = 64 << 20;

/// Lists that are read page by page, with the columns of their CSV; of others every field is a column.
pub(crate) const PAGED: &[(&str, &[&str])] = &[
    (
        "/api/0/agents",
        &[
            "host",
            "mode",
            "version",
            "last_seen_at",
            "address",
            "loss_ratio",
            "rtt_seconds",
            "clock_skew_seconds",
            "duplicates",
        ],
    ),
    (
        "/api/0/hosts",
        &["name", "state", "text", "last_heard_at", "interval_seconds", "address", "tags", "id"],
    ),
    (
        "/api/0/checks",
        &["host", "check", "status", "value", "unit", "text", "changed_at", "seen_at", "incident"],
    ),
    ("/api/0/metrics/{metric}/hosts", &["host", "instance", "path", "last", "at_unix_s"]),
    (
        "/api/0/incidents",
        &[
            "id",
            "host",
            "check",
            "state",
            "peak",
            "status",
            "text",
            "since_at",
            "resolved_at",
            "ack.by",
            "ack.comment",
            "silenced_until_at",
            "cause",
            "symptoms",
        ],
    ),
    ("/api/0/events", EVENTS),
    ("/api/0/hosts/{host}/events", EVENTS),
    (
        "/api/0/happened",
        &["at_unix_s", "host", "kind", "severity", "text", "tags", "count", "data", "uid", "hops"],
    ),
    (
        "/api/0/deliveries",
        &[
            "id",
            "at",
            "sent_at",
            "incident",
            "host",
            "check",
            "receiver",
            "type",
            "reason",
            "summary",
            "state",
            "attempts",
            "next_try_at",
            "error",
            "took_ms",
        ],
    ),
    ("/api/0/audit", &["at", "who", "address", "what", "detail"]),
    (
        "/api/0/config/objects",
        &["section", "name", "declared.file", "declared.line", "version", "summary"],
    ),
];

/// Lists that answer with a page although they are short: their routes give all of it, whatever part is asked for.
pub(crate) const SHORT_PAGES: &[&str] =
    &["/api/0/dashboards", "/api/0/status-pages", "/api/0/status-pages/{page}/incidents"];

const EVENTS: &[&str] = &["at_unix_s", "kind", "host", "check", "incident", "state", "text"];

/// Said with an array that its route has searched, ordered and cut itself, since the whole is long: where the next
/// page begins.
#[derive(Clone, Debug)]
pub(crate) struct More(pub(crate) Option<Cursor>);

/// Where series are, which are tables by columns.
pub(crate) const SERIES: &str = "/api/0/hosts/{host}/series";

/// Carries `request` on, and makes of its answer the list that was asked for.
pub(crate) async fn lists(request: Request, next: Next) -> Response {
    if *request.method() != Method::GET || !request.uri().path().starts_with("/api/0/") {
        return next.run(request).await;
    }
    match asked(request, &next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn asked(mut request: Request, next: &Next) -> Reply<Response> {
    let mut asked = Asked::read(request.uri(), request.headers())?;
    let path = request.uri().path();
    if SHORT_PAGES.iter().any(|template| fits(template, path)) {
        asked.expect_page();
    }
    if !asked.is_anything() {
        return Ok(next.clone().run(request).await);
    }
    *request.uri_mut() = asked.for_route(request.uri())?;
    if asked.wants_csv() {
        export(request, next, &asked).await
    } else {
        list(request, next, &asked).await
    }
}

/// Cuts an answer that is a whole list.
async fn list(request: Request, next: &Next, asked: &Asked) -> Reply<Response> {
    let uri = request.uri().clone();
    let mut response = next.clone().run(request).await;
    if let Some(More(cursor)) = response.extensions_mut().remove::<More>() {
        let cursor = cursor.map(|cursor| cursor.to_string());
        link(&mut response, &uri, cursor.as_deref());
        return Ok(response);
    }
    let wanted = if asked.wants_page() { Wanted::All } else { Wanted::WholeLists };
    let (response, value) = read(response, wanted).await?;
    let all = match value {
        Some(Value::Array(all)) => all,
        Some(Value::Object(mut page)) if asked.wants_page() && page.contains_key("items") => {
            let all = page.get_mut("items").map(Value::take).map(rows_of).unwrap_or_default();
            let (items, next) = asked.cut(all, asked.limit())?;
            return Ok(Json(json!({"items": items, "next": next})).into_response());
        }
        _ => return Ok(response),
    };
    let (items, more) = asked.cut(all, asked.limit())?;
    let mut response = Json(items).into_response();
    link(&mut response, &uri, more.as_deref());
    Ok(response)
}

/// Writes all pages as one table.
async fn export(request: Request, next: &Next, asked: &Asked) -> Reply<Response> {
    let uri = request.uri().clone();
    let extensions = request.extensions().clone();
    let most = asked.most_rows(MAX_ROWS);
    let columns = columns(uri.path());
    let mut sheet = columns.map(Sheet::of);
    let mut here = paged(&uri, columns.is_some(), None, most)?;
    loop {
        let mut page = Request::new(Body::empty());
        *page.uri_mut() = here;
        *page.extensions_mut() = extensions.clone();
        let (response, value) = read(next.clone().run(page).await, Wanted::All).await?;
        let cut = response.extensions().get::<More>().cloned();
        let (rows, more) = match (value, cut) {
            (Some(Value::Array(rows)), Some(More(next))) => {
                (rows, next.map(|cursor| cursor.to_string()))
            }
            (Some(Value::Array(all)), None) => asked.cut(all, most)?,
            (Some(Value::Object(mut page)), _)
                if page.contains_key("items") && columns.is_some() =>
            {
                let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
                let rows = page.get_mut("items").map(Value::take);
                (rows.map(rows_of).unwrap_or_default(), next)
            }
            (Some(Value::Object(mut page)), _)
                if page.contains_key("items") && asked.wants_page() =>
            {
                let rows = page.get_mut("items").map(Value::take).map(rows_of);
                asked.cut(rows.unwrap_or_default(), most)?
            }
            (Some(Value::Object(series)), _) if is_series(uri.path()) => {
                return Ok(finish(csv::series(&series), &uri, None));
            }
            (Some(_), _) if asked.insists() => {
                return Err(Failure::field("format", "this is no list: it is JSON alone"));
            }
            _ => return Ok(response),
        };
        let sheet = sheet.get_or_insert_with(|| Sheet::of_all(&rows));
        sheet.extend(&rows);
        match more {
            Some(cursor) if columns.is_some() && sheet.rows() < most => {
                here = paged(&uri, true, Some(&cursor), most - sheet.rows())?;
            }
            more => return Ok(finish(sheet.text(), &uri, more.as_deref())),
        }
    }
}

fn rows_of(value: Value) -> Vec<Value> {
    if let Value::Array(rows) = value { rows } else { Vec::new() }
}

/// Returns the columns of the list at `path`, if it is read page by page.
fn columns(path: &str) -> Option<&'static [&'static str]> {
    PAGED.iter().find(|(template, _)| fits(template, path)).map(|(_, columns)| *columns)
}

fn is_series(path: &str) -> bool {
    fits(SERIES, path)
}

/// Returns whether `path` is one of `template`.
fn fits(template: &str, path: &str) -> bool {
    let (mut ours, mut theirs) = (template.split('/'), path.split('/'));
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            (Some(part), Some(other)) if part == other || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// Returns the address of a page of an export.
fn paged(uri: &Uri, is_paged: bool, cursor: Option<&str>, left: usize) -> Reply<Uri> {
    if !is_paged {
        return Ok(uri.clone());
    }
    let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE).to_string();
    let mut changes = vec![("limit", Some(limit.as_str()))];
    if cursor.is_some() {
        changes.push(("cursor", cursor));
    }
    query::with(uri, &changes)
}

fn finish(text: String, uri: &Uri, more: Option<&str>) -> Response {
    let mut response = text.into_response();
    let kind = const { HeaderValue::from_static("text/csv; charset=utf-8") };
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let name = uri.path().rsplit('/').next().unwrap_or("list");
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    let with_format = query::with(uri, &[("format", Some("csv"))]);
    link(&mut response, with_format.as_ref().unwrap_or(uri), more);
    response
}

/// Names the next page.
fn link(response: &mut Response, uri: &Uri, cursor: Option<&str>) {
    let next = cursor.and_then(|cursor| query::with(uri, &[("cursor", Some(cursor))]).ok());
    let text = next.map(|next| format!("<{next}>; rel=\"next\""));
    if let Some(Ok(value)) = text.map(|text| HeaderValue::from_str(&text)) {
        response.headers_mut().insert(header::LINK, value);
    }
}

/// Which answers are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    /// Those that are an array: reading a page of a long list, only to hand it on, would be for nothing.
    WholeLists,
}

/// Returns an answer, and what it says if it is JSON and wanted.
async fn read(response: Response, wanted: Wanted) -> Reply<(Response, Option<Value>)> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if response.status() != StatusCode::OK || kind.is_none_or(|kind| kind != "application/json") {
        return Ok((response, None));
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_PAGE_BYTES).await.map_err(|_| Failure::Internal)?;
    let value = match wanted {
        Wanted::WholeLists if !bytes.starts_with(b"[") => None,
        Wanted::WholeLists | Wanted::All => {
            Some(serde_json::from_slice(&bytes).map_err(|_| Failure::Internal)?)
        }
    };
    Ok((Response::from_parts(parts, Body::from(bytes)), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_its_paths_alone() {
        for path in ["/api/0/hosts/db1/events", "/api/0/hosts/x/events"] {
            assert!(fits("/api/0/hosts/{host}/events", path), "{path}");
        }
        for path in ["/api/0/hosts/db1", "/api/0/hosts/db1/events/x", "/api/0/events"] {
            assert!(!fits("/api/0/hosts/{host}/events", path), "{path}");
        }
        assert_eq!(columns("/api/0/audit").unwrap()[0], "at");
        assert_eq!(columns("/api/0/users"), None);
    }
}
