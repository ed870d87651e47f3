//! Conditional requests (RFC 9110, section 13): what has not changed is not sent again, and what somebody
//! else has changed meanwhile is not overwritten.
//!
//! The version of an object is a hash of what a reader is sent. So every answer has one without anything
//! being stored, two users who see different parts have different ones, and it changes exactly when the
//! reader would see something else. A write that names a version (`If-Match`) is compared with what its
//! sender would read at this moment, at the same path or at the nearest one above it that can be read: for
//! `POST /api/0/incidents/7/ack` that is incident 7. Such writes go one after another, so that of two with
//! the same version one is refused.
//!
//! It must stand around the whole router, not around its routes one by one: it asks another of them.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use crate::app::Shared;
use crate::auth::token;
use crate::failure::Failure;
use crate::who::Who;

/// The longest answer that gets a version: the largest is the fleet's, which has its own. Longer ones are
/// files and streams.
const MAX_ANSWER: u64 = 16 << 20;

/// Where the paths of the API begin.
const API: &str = "/api/0/";

/// Answers `request` with as little as its conditions allow.
pub(crate) async fn condition(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(API) {
        return next.run(request).await;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return read(request, next).await;
    }
    let Some(wanted) = condition_of(request.headers(), &header::IF_MATCH) else {
        return next.run(request).await;
    };
    // A stranger has no version that he could know, and must not hold up those who have.
    if request.extensions().get::<Who>().is_none() {
        return next.run(request).await;
    }
    let _turn = app.conditional.lock().await;
    let (path, extensions) = (request.uri().path().to_owned(), request.extensions().clone());
    match current(&path, &extensions, &next).await {
        Some(tag) if names(&wanted, &tag) => next.run(request).await,
        _ => Failure::Changed.into_response(),
    }
}

async fn read(mut request: Request, next: Next) -> Response {
    let known = condition_of(request.headers(), &header::IF_NONE_MATCH);
    let is_head = *request.method() == Method::HEAD;
    if is_head {
        // The version of what GET would answer.
        *request.method_mut() = Method::GET;
    }
    let (mut response, tag) = tagged(next.run(request).await).await;
    if let Some(tag) = tag
        && known.is_some_and(|known| names(&known, &tag))
    {
        let mut unchanged = StatusCode::NOT_MODIFIED.into_response();
        unchanged.headers_mut().insert(header::ETAG, tag);
        if let Some(cache) = response.headers_mut().remove(header::CACHE_CONTROL) {
            unchanged.headers_mut().insert(header::CACHE_CONTROL, cache);
        }
        return unchanged;
    }
    if is_head { without_body(response) } else { response }
}

/// Returns the version of what the sender of a write to `path` would read now.
async fn current(mut path: &str, extensions: &Extensions, next: &Next) -> Option<HeaderValue> {
    while path.len() > API.len() {
        let mut look = Request::new(Body::empty());
        *look.uri_mut() = path.parse::<Uri>().ok()?;
        *look.extensions_mut() = extensions.clone();
        let (response, tag) = tagged(next.clone().run(look).await).await;
        // What can be read but not by this user, or is not there, has no version that he could know.
        if response.status() != StatusCode::METHOD_NOT_ALLOWED
            && !matches!(response.extensions().get(), Some(Failure::NoSuchPath))
        {
            return tag;
        }
        path = path.rsplit_once('/')?.0;
    }
    None
}

/// Gives `response` its version, if it is an answer that has one.
async fn tagged(mut response: Response) -> (Response, Option<HeaderValue>) {
    if response.status() != StatusCode::OK {
        return (response, None);
    }
    if let Some(tag) = response.headers().get(header::ETAG) {
        let tag = tag.clone();
        return (response, Some(tag));
    }
    // A stream has no length before its end.
    if response.body().size_hint().exact().is_none_or(|length| length > MAX_ANSWER) {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return (Failure::Internal.into_response(), None);
    };
    let tag = tag_of(&bytes);
    response = Response::from_parts(parts, Body::from(bytes));
    if let Some(tag) = &tag {
        response.headers_mut().insert(header::ETAG, tag.clone());
    }
    (response, tag)
}

fn tag_of(bytes: &Bytes) -> Option<HeaderValue> {
    // Half of the hash: nobody gains anything from two answers with the same one.
    let hash = token::hash(bytes);
    HeaderValue::from_str(&format!("\"{}\"", token::hex(&hash[..16]))).ok()
}

fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Returns the versions that a request names, if it does.
fn condition_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Returns whether `tag` is one of those in `list`. Our versions have no commas.
fn names(list: &str, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default();
    list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_a_version_however_it_is_written() {
        let tag = HeaderValue::from_static("\"ab\"");
        for list in ["\"ab\"", "W/\"ab\"", "\"x\", \"ab\"", "*", " \"ab\" ,\"y\""] {
            assert!(names(list, &tag), "{list}");
        }
        for list in ["", "ab", "\"abc\"", "\"a\", \"b\""] {
            assert!(!names(list, &tag), "{list}");
        }
    }

    #[test]
    fn other_bytes_have_another_version() {
        let [a, b] = ["one", "two"].map(|text| tag_of(&Bytes::from(text)).unwrap());
        assert_ne!(a, b);
        assert_eq!(a, tag_of(&Bytes::from("one")).unwrap());
    }
}
