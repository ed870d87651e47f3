//! Who would be told of something, and who is on call.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hark_api::route_test::{Rota, RouteTestLine, RouteTestQuery};
use hark_model::{CheckName, EventKind, RotaName, Severity, Unix};
use http::{HeaderValue, header};

use crate::app::Shared;
use crate::backend::{Backend, RouteQuestion};
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::policy::Action;
use crate::who::Who;

/// What the name of a rota ends with where its calendar is asked for.
const ICAL: &str = ".ics";

/// Says who would be told of a problem that nobody has yet, when, by what and why, for a week. For who may
/// see the host.
#[utoipa::path(
    get, path = "/api/0/routes/test", tag = "notifications", params(RouteTestQuery),
    responses((status = 200, body = Vec<RouteTestLine>))
)]
pub(crate) async fn test(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<RouteTestQuery>,
) -> Reply<Json<Vec<RouteTestLine>>> {
    let host = who.host(Action::See, &query.host)?;
    let check = query.check.as_deref().map(CheckName::new).transpose();
    let question = RouteQuestion {
        host,
        check: check.map_err(|error| Failure::field("check", error.to_string()))?,
        severity: query.severity.map_or(Severity::Critical, Into::into),
        event: query.event.as_deref().map(EventKind::from_word),
        at: query.at.map(|at| Unix(at.0.0)),
    };
    app.ask(move |backend| backend.route_test(&question)).await.map(Json)
}

/// Returns who is on call, by rota.
#[utoipa::path(
    get, path = "/api/0/oncall", tag = "notifications", responses((status = 200, body = Vec<Rota>))
)]
pub(crate) async fn on_call(State(app): State<Shared>, _who: Who) -> Reply<Json<Vec<Rota>>> {
    app.ask(Backend::rotas).await.map(Json)
}

/// Returns the shifts of a rota for calendar programs.
#[utoipa::path(
    get, path = "/api/0/oncall/{name}", tag = "notifications",
    params(("name" = String, Path, description = "The rota's name and `.ics`.")),
    responses((status = 200, body = String, content_type = "text/calendar"))
)]
pub(crate) async fn calendar(
    State(app): State<Shared>,
    _who: Who,
    Path(name): Path<String>,
) -> Reply<Response> {
    let rota = name.strip_suffix(ICAL).and_then(|name| RotaName::new(name).ok());
    let rota = rota.ok_or(Failure::Absent)?;
    let text = app.ask(move |backend| backend.rota_calendar(&rota)).await?;
    let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
