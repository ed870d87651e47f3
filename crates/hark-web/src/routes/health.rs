//! Whether the server answers: for load balancers and supervisors.

/// Says `ok`, to anybody.
pub(crate) async fn healthz() -> &'static str {
    "ok"
}
