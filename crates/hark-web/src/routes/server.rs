//! The server about itself.

use axum::Json;
use axum::extract::State;
use hark_api::server::ServerReport;

use crate::app::Shared;
use crate::backend::Backend;
use crate::failure::Reply;
use crate::who::Who;

/// Returns how the server is. Figures only, so every user may see them.
#[utoipa::path(
    get, path = "/api/0/self", tag = "state", responses((status = 200, body = ServerReport))
)]
pub(crate) async fn server(State(app): State<Shared>, _who: Who) -> Reply<Json<ServerReport>> {
    app.ask(Backend::server).await.map(Json)
}
