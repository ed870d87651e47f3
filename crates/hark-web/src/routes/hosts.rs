//! Hosts.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::hosts::{DroppedHost, Host, HostRow, HostsQuery, LookQuery, Looking};
use hark_model::CheckName;
use http::StatusCode;

use crate::app::Shared;
use crate::backend::Backend;
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
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

/// Drops a host with all that is known about it. Within an hour, and until the server is started anew, that can be
/// undone.
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

/// Gives back a host that was dropped: its history, its facts and the tags that it joined with. Its checks begin anew,
/// and its incidents stay ended.
#[utoipa::path(
    post, path = "/api/0/hosts/{host}/restore", tag = "hosts",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 204))
)]
pub(crate) async fn restore(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(host): Path<String>,
) -> Reply<StatusCode> {
    let host = who.host(Action::Drop, &host)?;
    let (dropped, by) = (host.clone(), who.name().clone());
    app.ask(move |backend| backend.restore_host(&dropped, &by)).await?;
    app.audit(Some(who.name()), peer.address, "host.restore", host.as_str()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the hosts that were dropped and that the user may give back.
#[utoipa::path(
    get, path = "/api/0/dropped", tag = "hosts",
    responses((status = 200, body = Vec<DroppedHost>))
)]
pub(crate) async fn dropped(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<DroppedHost>>> {
    let mut hosts = app.ask(Backend::dropped_hosts).await?;
    hosts.retain(|host| who.host(Action::Drop, &host.name).is_ok());
    Ok(Json(hosts))
}

/// Looks at a check of a host now, or at all that the server runs for it. Its result comes as any other
/// does.
#[utoipa::path(
    post, path = "/api/0/hosts/{host}/look", tag = "hosts",
    params(("host" = String, Path, description = "The host's name."), LookQuery),
    responses((status = 200, body = Looking))
)]
pub(crate) async fn look(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(host): Path<String>,
    Params(query): Params<LookQuery>,
) -> Reply<Json<Looking>> {
    let host = who.host(Action::Operate, &host)?;
    let check = query.check.as_deref().map(CheckName::new).transpose();
    let check = check.map_err(|error| Failure::field("check", error.to_string()))?;
    let what = match &check {
        Some(check) => format!("{host}/{check}"),
        None => host.to_string(),
    };
    let looking = app.ask(move |backend| backend.look_now(&host, check.as_ref())).await?;
    app.audit(Some(who.name()), peer.address, "check.look", what).await;
    Ok(Json(looking))
}
