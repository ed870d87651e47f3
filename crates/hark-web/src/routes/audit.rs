//! Who did what, for administrators.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::audit::{AuditChain, AuditLine, AuditQuery};

use crate::app::Shared;
use crate::backend::Backend;
use crate::extract::Params;
use crate::failure::Reply;
use crate::who::Admin;

/// Returns the audit, newest first.
#[utoipa::path(
    get, path = "/api/0/audit", tag = "users", params(AuditQuery),
    responses((status = 200, body = Page<AuditLine>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    _admin: Admin,
    Params(query): Params<AuditQuery>,
) -> Reply<Json<Page<AuditLine>>> {
    app.ask(move |backend| backend.audit_lines(&query)).await.map(Json)
}

/// Says whether a line of the audit was changed or taken out since it was written. Reads all of it.
#[utoipa::path(
    get, path = "/api/0/audit/check", tag = "users", responses((status = 200, body = AuditChain))
)]
pub(crate) async fn check(State(app): State<Shared>, _admin: Admin) -> Reply<Json<AuditChain>> {
    app.ask(Backend::audit_chain).await.map(Json)
}
