//! Messages on their way and arrived.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::deliveries::{DeliveriesQuery, Delivery, DeliveryDetail, Retried};
use hark_model::{DeliveryId, HostName};

use crate::app::Shared;
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::{Action, Object};
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

/// Returns a message with its tries. What was asked and answered is for administrators: it names addresses
/// of people.
#[utoipa::path(
    get, path = "/api/0/deliveries/{id}", tag = "notifications",
    params(("id" = u64, Path, description = "The message's number.")),
    responses((status = 200, body = DeliveryDetail))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<DeliveryDetail>> {
    let sight = who.sight();
    let mut found = app.ask(move |backend| backend.delivery_detail(&sight, DeliveryId(id))).await?;
    if who.must(Action::See, Object::Server).is_err() {
        found.exchanges_hidden = true;
        for attempt in &mut found.tries {
            attempt.exchanges.clear();
            attempt.omitted = 0;
        }
    }
    Ok(Json(found))
}

/// Tries a message that waits at once.
#[utoipa::path(
    post, path = "/api/0/deliveries/{id}/retry", tag = "notifications",
    params(("id" = u64, Path, description = "The message's number.")),
    responses((status = 200, body = Retried))
)]
pub(crate) async fn retry(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<Retried>> {
    let (sight, delivery) = (who.sight(), DeliveryId(id));
    let row = app.ask(move |backend| backend.delivery(&sight, delivery)).await?;
    let host = HostName::new(&row.host).map_err(|_| Failure::Absent)?;
    who.must(Action::Operate, Object::Host(&host))?;
    let retried = app.ask(move |backend| backend.retry_delivery(delivery)).await?;
    let what = format!("{id} to {}", row.receiver);
    app.audit(Some(who.name()), peer.address, "delivery.retry", what).await;
    Ok(Json(retried))
}
