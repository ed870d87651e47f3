//! The outermost layer: a number for each request, its time limit, the headers that every answer
//! carries, and failures as documents.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tracing::Instrument;

use crate::auth::token;
use crate::failure::Failure;
use crate::pace;

/// The longest a request may take, its body included: a history query over a year on a slow disk
/// takes a few seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the page may load and do; nothing from elsewhere, nothing inline. `trusted-types` names the
/// policy that Svelte brings, and one that knows no other address than that of the page's own worker.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html hark-worker";

/// The features of browsers that a page could ask for, off; passkeys are for this page. Only names that browsers know: others
/// would be complaints in their consoles.
const PERMISSIONS_POLICY: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), \
    encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), \
    local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
    publickey-credentials-get=(self), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), PERMISSIONS_POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Who may show an answer within a page of his own: nobody else, unless its handler says otherwise.
pub(crate) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What layers below have said about a request that failed.
const KEPT: [HeaderName; 3] = [header::ALLOW, pace::POLICY, pace::LEFT];

/// Carries `request` through the rest of the server.
pub(crate) async fn envelope(request: Request, next: Next) -> Response {
    let number = token::random::<8>().map_or_else(|_| "0".to_owned(), |bytes| token::hex(&bytes));
    let method = request.method().clone();
    let path = shown(request.uri().path()).to_owned();
    // What handlers log names the request.
    let span = tracing::info_span!("request", request = number);
    let answered = tokio::time::timeout(
        REQUEST_TIMEOUT,
        AssertUnwindSafe(next.run(request).instrument(span)).catch_unwind(),
    )
    .await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Failure::Internal.into_response(),
        Err(_) => Failure::Timeout.into_response(),
    };
    if let Some(failure) = failure(&mut response) {
        if response.status().is_server_error() {
            tracing::warn!(request = number, %method, path, ?failure, "a request failed");
        } else {
            tracing::debug!(request = number, %method, path, ?failure, "a request was refused");
        }
        let kept: Vec<_> = KEPT
            .into_iter()
            .filter_map(|name| Some((response.headers().get(&name)?.clone(), name)))
            .collect();
        response = failure.render(&number);
        response.headers_mut().extend(kept.into_iter().map(|(value, name)| (name, value)));
    }
    dress(response.headers_mut(), &number);
    response
}

/// Returns a path as it may stand in a log: what people and jobs prove themselves with is left out.
fn shown(path: &str) -> &str {
    match ["/a/", "/push/"].into_iter().find(|open| path.starts_with(open)) {
        Some(open) => open,
        None => path,
    }
}

/// Returns the failure that a handler or the router left in `response`.
fn failure(response: &mut Response) -> Option<Failure> {
    response.extensions_mut().remove::<Failure>().or_else(|| {
        // The router itself answers an unknown method with a bare status.
        (response.status() == StatusCode::METHOD_NOT_ALLOWED).then_some(Failure::Method)
    })
}

fn dress(headers: &mut HeaderMap, number: &str) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(RESOURCE_POLICY).or_insert(const { HeaderValue::from_static("same-origin") });
    headers.entry(header::CACHE_CONTROL).or_insert(const { HeaderValue::from_static("no-store") });
    if let Ok(number) = HeaderValue::from_str(number) {
        headers.insert("x-request-id", number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_gets_what_somebody_proves_himself_with() {
        assert_eq!(shown("/a/secret"), "/a/");
        assert_eq!(shown("/push/secret/start"), "/push/");
        assert_eq!(shown("/api/0/hosts/db1"), "/api/0/hosts/db1");
    }
}
