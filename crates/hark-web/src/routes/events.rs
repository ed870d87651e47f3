//! What happened.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::events::{
    Activity, EventsBrought, EventsQuery, EventsTaken, Happened, HappenedQuery,
};
use hark_api::list::PageQuery;

use crate::app::Shared;
use crate::extract::{Body, Params, Path};
use crate::failure::Reply;
use crate::policy::Action;
use crate::who::{Admin, Who};

/// Returns what happened, newest first.
#[utoipa::path(
    get, path = "/api/0/events", tag = "state", params(EventsQuery),
    responses((status = 200, body = Page<Activity>))
)]
pub(crate) async fn all(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<EventsQuery>,
) -> Reply<Json<Page<Activity>>> {
    let page = PageQuery { sort: query.sort, cursor: query.cursor, limit: query.limit };
    app.ask(move |backend| backend.events(&who.sight(), None, query.q.as_deref(), &page))
        .await
        .map(Json)
}

/// Returns what happened on a host, newest first.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/events", tag = "hosts",
    params(("host" = String, Path, description = "The host's name."), EventsQuery),
    responses((status = 200, body = Page<Activity>))
)]
pub(crate) async fn of_host(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
    Params(query): Params<EventsQuery>,
) -> Reply<Json<Page<Activity>>> {
    let host = who.host(Action::See, &host)?;
    let page = PageQuery { sort: query.sort, cursor: query.cursor, limit: query.limit };
    app.ask(move |backend| backend.events(&who.sight(), Some(&host), query.q.as_deref(), &page))
        .await
        .map(Json)
}

/// Returns events of hosts, newest first, with their data.
#[utoipa::path(
    get, path = "/api/0/happened", tag = "state", params(HappenedQuery),
    responses((status = 200, body = Page<Happened>))
)]
pub(crate) async fn happened(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<HappenedQuery>,
) -> Reply<Json<Page<Happened>>> {
    app.ask(move |backend| backend.happened(&who.sight(), &query)).await.map(Json)
}

/// Takes events that another server brings. They are on the disk when it is answered.
#[utoipa::path(
    post, path = "/api/0/events", tag = "state", request_body = EventsBrought,
    responses((status = 200, body = EventsTaken))
)]
pub(crate) async fn bring(
    State(app): State<Shared>,
    _admin: Admin,
    Body(brought): Body<EventsBrought>,
) -> Reply<Json<EventsTaken>> {
    app.deliver(move |backend| backend.bring_events(brought)).await.map(Json)
}
