//! Bodies and queries as types, and what is wrong with them as fields.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use hark_api::problem::FieldError;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::app::Shared;
use crate::failure::{Failure, Reply};
use crate::peer::Peer;

/// The longest body: every request of the API is a few fields.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// A body of JSON.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A query.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

/// The variable parts of a path.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Reply<Self> {
        // A number that is none, or a name that is not UTF-8, names nothing.
        let path = axum::extract::Path::from_request_parts(parts, app).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Failure::Absent)
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Shared) -> Reply<Self> {
        if !is_json(request.headers()) {
            return Err(Failure::MediaType);
        }
        parse(&whole(request, app).await?).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequestParts<Shared> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Reply<Self> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text =
                    text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
                Err(Failure::Wrong(vec![of_text(text)]))
            }
        }
    }
}

impl FromRequestParts<Shared> for Peer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Reply<Self> {
        parts.extensions.get::<Self>().copied().ok_or(Failure::Internal)
    }
}

/// Reads a whole body, as long as its route takes.
pub(crate) async fn whole(request: Request, app: &Shared) -> Reply<Bytes> {
    Bytes::from_request(request, app).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        _ => Failure::Malformed("the body ended too early".to_owned()),
    })
}

/// Returns true if a body is said to be JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Reads JSON; what is wrong is told by its field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Reply<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
    match parsed {
        Ok(value) => match deserializer.end() {
            Ok(()) => Ok(value),
            Err(error) => Err(Failure::Malformed(format!("the body is not JSON: {error}"))),
        },
        Err(error) if error.inner().is_data() => {
            let path = error.path().to_string();
            let text = error.inner().to_string();
            // serde_json ends its texts with a place that means little in one line of JSON.
            let text = shortened(text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text));
            Err(Failure::Wrong(vec![match path.as_str() {
                "." => of_text(&text),
                path => FieldError::new(&shortened(path), text),
            }]))
        }
        Err(error) => Err(Failure::Malformed(format!("the body is not JSON: {}", error.inner()))),
    }
}

/// The longest part of a body that an answer repeats.
const REPEATED: usize = 300;

/// Cuts off what would only repeat what was sent: serde's texts have it whole.
fn shortened(text: &str) -> String {
    let mut rest = text.chars();
    let mut short: String = rest.by_ref().take(REPEATED).collect();
    if rest.next().is_some() {
        short.push('…');
    }
    short
}

/// Makes an error of a text that may name its field: "missing field `x`", "x: not a number".
fn of_text(text: &str) -> FieldError {
    if let Some(field) = named(text) {
        return FieldError::new(field, text);
    }
    match text.split_once(": ") {
        Some((field, detail)) if field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            FieldError::new(field, detail)
        }
        _ => FieldError::new("", text),
    }
}

/// Returns the field in a text of serde about a field that is missing, unknown or doubled.
fn named(text: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| text.strip_prefix(start))?;
    rest.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_api::silences::SilenceRequest;

    fn wrong(text: &str) -> FieldError {
        match parse::<SilenceRequest>(text.as_bytes()) {
            Err(Failure::Wrong(errors)) => errors.into_iter().next().unwrap(),
            other => panic!("expected a wrong field: {other:?}"),
        }
    }

    #[test]
    fn wrong_fields_are_named_with_their_path() {
        let error = wrong(r#"{"matcher":{"hosts":[1]},"reason":"x"}"#);
        assert_eq!(error.field, "matcher.hosts[0]");
        let error = wrong(r#"{"matcher":{}}"#);
        assert_eq!(
            (error.field.as_str(), error.detail.as_str()),
            ("reason", "missing field `reason`")
        );
        let error = wrong(r#"{"matcher":{},"reason":"x","until_at":"soon"}"#);
        assert_eq!(error.field, "until_at");
        assert_eq!(error.detail, "expected a time such as 2026-11-20T21:16:12Z");
        assert_eq!(wrong(r#"{"matcher":{},"reason":"x","why":1}"#).field, "why");
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for text in ["", "{", "{}x", "[", "\u{0}"] {
            let failure = parse::<serde_json::Value>(text.as_bytes()).unwrap_err();
            assert!(matches!(failure, Failure::Malformed(_)), "{text:?}: {failure:?}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_instead_of_followed() {
        let text = "[".repeat(60_000);
        assert!(matches!(parse::<serde_json::Value>(text.as_bytes()), Err(Failure::Malformed(_))));
    }
}
