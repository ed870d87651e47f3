//! Reports to people, for administrators: they are about every host of their filter.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::jobs::{Job, JobKind};
use hark_api::summaries::{MadeReport, ReportQuery, ReportRow};
use hark_model::Unix;
use http::HeaderMap;

use super::jobs;
use crate::app::Shared;
use crate::backend::{Backend, ReportPeriod};
use crate::extract::{Params, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::{Action, Object};
use crate::who::{Admin, Who};

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
    responses(
        (status = 200, body = MadeReport),
        (status = 202, body = Job, description = "With `Prefer: respond-async`: it is a job."),
    )
)]
pub(crate) async fn send(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
    headers: HeaderMap,
    Params(query): Params<ReportQuery>,
) -> Reply<Response> {
    let period = period(query)?;
    let report = name.clone();
    if prefers_job(&headers) {
        return send_as_job(&app, peer, who, name, period);
    }
    let made = app.ask(move |backend| backend.report(&report, period, true)).await?;
    app.audit(Some(who.name()), peer.address, "report.send", name).await;
    Ok(Json(made).into_response())
}

/// Returns whether the client would rather not wait (RFC 7240): a report over a year of a large fleet takes
/// longer than a request may.
fn prefers_job(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|word| word.trim() == "respond-async")
}

fn send_as_job(
    app: &Shared,
    peer: Peer,
    who: Who,
    name: String,
    period: ReportPeriod,
) -> Reply<Response> {
    let progress = app.jobs.begin(JobKind::Report, format!("send the report {name}"), &who, 1)?;
    let job = progress.job()?;
    let shared = Shared::clone(app);
    app.deeds.tasks.spawn(async move {
        let Some((_turn, who)) = progress.turn(&shared, &who).await else {
            return progress.give_up();
        };
        if let Err(failure) = who.must(Action::See, Object::Server) {
            progress.step(&format!("report {name}"), Err(failure));
            return progress.finish();
        }
        let report = name.clone();
        let made = shared.ask(move |backend| backend.report(&report, period, true)).await;
        let what = format!("report {name}");
        if made.is_ok() {
            shared.audit(Some(who.name()), peer.address, "report.send", name).await;
        }
        progress.step(&what, made.map(drop));
        progress.finish();
    });
    Ok(jobs::accepted(job))
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
