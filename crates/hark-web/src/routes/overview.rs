//! The first screen.

use axum::Json;
use axum::extract::State;
use hark_api::overview::Overview;

use crate::app::Shared;
use crate::failure::Reply;
use crate::who::Who;

/// Returns the first screen in one answer.
#[utoipa::path(
    get, path = "/api/0/overview", tag = "state", responses((status = 200, body = Overview))
)]
pub(crate) async fn overview(State(app): State<Shared>, who: Who) -> Reply<Json<Overview>> {
    app.ask(move |backend| backend.overview(&who.sight())).await.map(Json)
}
