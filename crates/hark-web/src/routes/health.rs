//! Whether the server works: for load balancers and supervisors.

use axum::extract::State;
use http::StatusCode;

use crate::app::Shared;

/// Says `ok` to anybody, or with status 503 which part of the server hangs.
pub(crate) async fn healthz(State(app): State<Shared>) -> (StatusCode, String) {
    match app.backend.stuck() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(stuck) => (StatusCode::SERVICE_UNAVAILABLE, stuck),
    }
}
