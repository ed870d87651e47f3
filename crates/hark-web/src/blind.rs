//! What is answered where the server cannot open its state: nothing is known, so nothing is shown but
//! that.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::serve::{Tls, serve_router};

/// When a client should ask again: somebody has to mend the state first.
const RETRY_SECONDS: &str = "60";

/// Says on `listeners`, to everybody and at every address, that monitoring is down, until `shutdown` is
/// cancelled. `why` is shown to strangers: it must name nothing of the machine.
///
/// Cancelling it cuts every connection.
pub async fn serve_blind(
    listeners: Vec<TcpListener>,
    tls: Option<&Tls>,
    why: String,
    shutdown: CancellationToken,
) {
    let router = Router::new().fallback(answer).with_state(why);
    serve_router(listeners, router, tls, shutdown).await;
}

async fn answer(State(why): State<String>, uri: Uri) -> Response {
    let (kind, body) = if uri.path() == "/healthz" {
        ("text/plain; charset=utf-8", format!("blind: {why}\n"))
    } else if uri.path().starts_with("/api/") || uri.path() == "/ws" {
        let problem = serde_json::json!({
            "type": "about:blank", "title": "monitoring is down", "status": 503, "detail": why,
        });
        ("application/problem+json", problem.to_string())
    } else {
        let why = why.replace('&', "&amp;").replace('<', "&lt;");
        let page = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>hark: monitoring is down</title>\
             <h1>Monitoring is down</h1><p>{why}\n"
        );
        ("text/html; charset=utf-8", page)
    };
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    headers.insert(header::RETRY_AFTER, const { HeaderValue::from_static(RETRY_SECONDS) });
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        const { HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'") },
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    response
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn every_address_says_that_monitoring_is_down_and_none_says_ok() {
        for (path, kind) in [
            ("/", "text/html"),
            ("/hosts", "text/html"),
            ("/healthz", "text/plain"),
            ("/api/0/overview", "application/problem+json"),
        ] {
            let uri: Uri = path.parse().unwrap();
            let response = answer(State("the <state> is damaged".to_owned()), uri).await;
            assert_eq!(response.status(), 503, "{path}");
            let type_of = response.headers()["content-type"].to_str().unwrap().to_owned();
            assert!(type_of.starts_with(kind), "{path}: {type_of}");
            let body = to_bytes(response.into_body(), 4096).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(body.contains("is damaged"), "{path}: {body}");
            assert_eq!(body.contains("<state>"), kind != "text/html", "{path}: {body}");
        }
    }
}
