//! Paths of seed 001.

use axum::Json;
use axum::extract::State;
use hark_api::alerts::{Alerts, PluginHistory, PluginQuery, Plugins};

use crate::app::Shared;
use crate::extract::{Params, Path};
use crate::failure::Reply;
use crate::policy::Action;
use crate::who::Who;

/// Samples if the request does not say, as in the seed.
const DEFAULT_SAMPLES: u32 = 50;

/// Returns the newest data of every collector of a host.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/plugins", tag = "seed",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 200, body = Plugins))
)]
pub(crate) async fn plugins(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
) -> Reply<Json<Plugins>> {
    let host = who.host(Action::See, &host)?;
    app.ask(move |backend| backend.plugins(&host)).await.map(Json)
}

/// Returns the newest samples of a collector of a host.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/plugins/{plugin}", tag = "seed",
    params(
        ("host" = String, Path, description = "The host's name."),
        ("plugin" = String, Path, description = "The collector's name."),
        PluginQuery
    ),
    responses((status = 200, body = PluginHistory))
)]
pub(crate) async fn plugin(
    State(app): State<Shared>,
    who: Who,
    Path((host, plugin)): Path<(String, String)>,
    Params(query): Params<PluginQuery>,
) -> Reply<Json<PluginHistory>> {
    let host = who.host(Action::See, &host)?;
    let limit = hark_api::list::limit(query.limit.or(Some(DEFAULT_SAMPLES)));
    app.ask(move |backend| backend.plugin(&host, &plugin, limit)).await.map(Json)
}

/// Returns every check of a host.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/alerts", tag = "seed",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 200, body = Alerts))
)]
pub(crate) async fn of_host(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
) -> Reply<Json<Alerts>> {
    let host = who.host(Action::See, &host)?;
    app.ask(move |backend| backend.alerts(&who.sight(), Some(&host))).await.map(Json)
}

/// Returns what is wrong on all hosts.
#[utoipa::path(get, path = "/api/0/alerts", tag = "seed", responses((status = 200, body = Alerts)))]
pub(crate) async fn all(State(app): State<Shared>, who: Who) -> Reply<Json<Alerts>> {
    app.ask(move |backend| backend.alerts(&who.sight(), None)).await.map(Json)
}
