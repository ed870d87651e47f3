//! Actions of a host.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::actions::{Actions, EXPIRES_SECONDS, MAX_EXPIRES_SECONDS, Order, OrderRequest};

use super::incidents::remark;
use crate::app::Shared;
use crate::backend::ActionOrder;
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::Action;
use crate::who::Who;

/// Returns what a host offers, and its newest orders.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/actions", tag = "hosts",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 200, body = Actions))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
) -> Reply<Json<Actions>> {
    let host = who.host(Action::See, &host)?;
    app.ask(move |backend| backend.actions(&host)).await.map(Json)
}

/// Orders an action.
#[utoipa::path(
    post, path = "/api/0/hosts/{host}/actions/{name}", tag = "hosts", request_body = OrderRequest,
    params(
        ("host" = String, Path, description = "The host's name."),
        ("name" = String, Path, description = "The action's name."),
    ),
    responses((status = 200, body = Order))
)]
pub(crate) async fn order(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path((host, name)): Path<(String, String)>,
    Body(request): Body<OrderRequest>,
) -> Reply<Json<Order>> {
    let host = who.host(Action::Operate, &host)?;
    let seconds = request.expires_seconds.unwrap_or(EXPIRES_SECONDS);
    if !(1..=MAX_EXPIRES_SECONDS).contains(&seconds) {
        return Err(Failure::field("expires_seconds", "an order waits between 1 and 3600 seconds"));
    }
    let order = ActionOrder {
        host,
        action: name,
        by: who.name().clone(),
        reason: remark("reason", &request.reason)?,
        expires_after: Duration::from_secs(seconds),
    };
    let said = format!("{} {}: {}", order.host, order.action, order.reason);
    let ordered = app.ask(move |backend| backend.order(&order)).await?;
    app.audit(Some(who.name()), peer.address, "host.action", said).await;
    Ok(Json(ordered))
}
