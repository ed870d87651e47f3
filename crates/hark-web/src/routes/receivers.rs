//! Receivers and routes, for administrators: their targets are addresses of people.

use axum::Json;
use axum::extract::State;
use hark_api::receivers::{Receiver, Route, TestSent};
use hark_model::ReceiverName;

use crate::app::Shared;
use crate::backend::Backend;
use crate::extract::Path;
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::Admin;

/// Returns receivers.
#[utoipa::path(
    get, path = "/api/0/receivers", tag = "notifications",
    responses((status = 200, body = Vec<Receiver>))
)]
pub(crate) async fn list(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<Receiver>>> {
    app.ask(Backend::receivers).await.map(Json)
}

/// Sends a test message, before all that waits for the receiver, also if that is failing.
#[utoipa::path(
    post, path = "/api/0/receivers/{name}/test", tag = "notifications",
    params(("name" = String, Path, description = "The receiver's name.")),
    responses((status = 200, body = TestSent))
)]
pub(crate) async fn test(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> Reply<Json<TestSent>> {
    let receiver = ReceiverName::new(&name).map_err(|_| Failure::Absent)?;
    let by = who.name().clone();
    let sent = app.ask(move |backend| backend.test_receiver(&receiver, &by)).await?;
    app.audit(Some(who.name()), peer.address, "receiver.test", name).await;
    Ok(Json(sent))
}

/// Returns routes in their order.
#[utoipa::path(
    get, path = "/api/0/routes", tag = "notifications",
    responses((status = 200, body = Vec<Route>))
)]
pub(crate) async fn routes(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<Route>>> {
    app.ask(Backend::routes).await.map(Json)
}
