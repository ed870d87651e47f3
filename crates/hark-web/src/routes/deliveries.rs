//! Messages on their way and arrived.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::deliveries::{DeliveriesQuery, Delivery};

use crate::app::Shared;
use crate::extract::Params;
use crate::failure::Reply;
use crate::who::Who;

/// Returns messages, newest first.
#[utoipa::path(
    get, path = "/api/0/deliveries", tag = "notifications", params(DeliveriesQuery),
    responses((status = 200, body = Page<Delivery>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<DeliveriesQuery>,
) -> Reply<Json<Page<Delivery>>> {
    app.ask(move |backend| backend.deliveries(&who.sight(), &query)).await.map(Json)
}
