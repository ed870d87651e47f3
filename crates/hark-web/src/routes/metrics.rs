//! Figures for Prometheus and its kind.

use axum::extract::State;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

use crate::app::Shared;
use crate::backend::Backend;
use crate::failure::Reply;
use crate::who::Who;

/// The path, where such programs look for it.
pub(crate) const PATH: &str = "/metrics";

/// What `OpenMetrics` is called.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Returns the figures of all receivers. Every user may see them, and a program with a token.
pub(crate) async fn metrics(
    State(app): State<Shared>,
    _who: Who,
) -> Reply<([(HeaderName, HeaderValue); 1], String)> {
    let text = app.ask(Backend::openmetrics).await?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}
