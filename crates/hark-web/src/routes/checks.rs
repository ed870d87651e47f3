//! Checks of all hosts.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::checks::{CheckRow, CheckSummary, ChecksQuery};

use crate::app::Shared;
use crate::extract::Params;
use crate::failure::Reply;
use crate::who::Who;

/// Returns the checks of all hosts.
#[utoipa::path(
    get, path = "/api/0/checks", tag = "hosts", params(ChecksQuery),
    responses((status = 200, body = Page<CheckRow>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<ChecksQuery>,
) -> Reply<Json<Page<CheckRow>>> {
    app.ask(move |backend| backend.checks(&who.sight(), &query)).await.map(Json)
}

/// Returns the checks by name, with how many hosts have each and how they are: the worst first.
#[utoipa::path(
    get, path = "/api/0/checks/summary", tag = "hosts",
    responses((status = 200, body = Vec<CheckSummary>))
)]
pub(crate) async fn summary(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<CheckSummary>>> {
    app.ask(move |backend| backend.check_summaries(&who.sight())).await.map(Json)
}
