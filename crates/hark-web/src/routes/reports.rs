//! Reports to people, for administrators: they are about every host of their filter.

use axum::Json;
use axum::extract::State;
use hark_api::summaries::{MadeReport, ReportQuery, ReportRow};
use hark_model::Unix;

use crate::app::Shared;
use crate::backend::{Backend, ReportPeriod};
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::Admin;

/// Returns the reports that are made regularly.
#[utoipa::path(
    get, path = "/api/0/reports", tag = "notifications",
    responses((status = 200, body = Vec<ReportRow>))
)]
pub(crate) async fn list(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<ReportRow>>> {
    app.ask(Backend::reports).await.map(Json)
}

/// Makes a report now, and sends it to nobody.
#[utoipa::path(
    get, path = "/api/0/reports/{name}", tag = "notifications",
    params(("name" = String, Path, description = "The report's name."), ReportQuery),
    responses((status = 200, body = MadeReport))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    _admin: Admin,
    Path(name): Path<String>,
    Params(query): Params<ReportQuery>,
) -> Reply<Json<MadeReport>> {
    let period = period(query)?;
    app.ask(move |backend| backend.report(&name, period, false)).await.map(Json)
}

/// Makes a report now and sends it to its receivers; when it is due stays as it is.
#[utoipa::path(
    post, path = "/api/0/reports/{name}/send", tag = "notifications",
    params(("name" = String, Path, description = "The report's name."), ReportQuery),
    responses((status = 200, body = MadeReport))
)]
pub(crate) async fn send(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
    Params(query): Params<ReportQuery>,
) -> Reply<Json<MadeReport>> {
    let period = period(query)?;
    let report = name.clone();
    let made = app.ask(move |backend| backend.report(&report, period, true)).await?;
    app.audit(Some(who.name()), peer.address, "report.send", name).await;
    Ok(Json(made))
}

fn period(query: ReportQuery) -> Reply<ReportPeriod> {
    let unix = |seconds: Option<i64>| seconds.map(|s| Unix(s.saturating_mul(1000)));
    let period = ReportPeriod { from: unix(query.from), until: unix(query.to) };
    match (period.from, period.until) {
        (Some(from), Some(until)) if until <= from => {
            Err(Failure::field("to", "it must be after `from`"))
        }
        _ => Ok(period),
    }
}
