//! Hosts.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::hosts::{Host, HostRow, HostsQuery};
use http::StatusCode;

use crate::app::Shared;
use crate::extract::{Params, Path};
use crate::failure::Reply;
use crate::peer::Peer;
use crate::policy::Action;
use crate::who::Who;

/// Returns hosts by name.
#[utoipa::path(
    get, path = "/api/0/hosts", tag = "hosts", params(HostsQuery),
    responses((status = 200, body = Page<HostRow>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<HostsQuery>,
) -> Reply<Json<Page<HostRow>>> {
    app.ask(move |backend| backend.hosts(&who.sight(), &query)).await.map(Json)
}

/// Returns a host.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}", tag = "hosts",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 200, body = Host))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
) -> Reply<Json<Host>> {
    let host = who.host(Action::See, &host)?;
    app.ask(move |backend| backend.host(&who.sight(), &host)).await.map(Json)
}

/// Drops a host with all that is known about it.
#[utoipa::path(
    delete, path = "/api/0/hosts/{host}", tag = "hosts",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 204))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(host): Path<String>,
) -> Reply<StatusCode> {
    let host = who.host(Action::Drop, &host)?;
    let (dropped, by) = (host.clone(), who.name().clone());
    app.ask(move |backend| backend.drop_host(&dropped, &by)).await?;
    app.audit(Some(who.name()), peer.address, "host.drop", host.as_str()).await;
    Ok(StatusCode::NO_CONTENT)
}
