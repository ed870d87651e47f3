//! Long work: what is under way, and its end.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::jobs::Job;
use http::{HeaderValue, StatusCode, header};

use crate::app::Shared;
use crate::extract::Path;
use crate::failure::Reply;
use crate::peer::Peer;
use crate::who::Who;

/// Returns the long work that one has ordered, the newest first; for administrators that of all.
#[utoipa::path(get, path = "/api/0/jobs", tag = "jobs", responses((status = 200, body = Vec<Job>)))]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<Job>>> {
    Ok(Json(app.jobs.list(&who)))
}

/// Returns how far long work has come.
#[utoipa::path(
    get, path = "/api/0/jobs/{id}", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number.")),
    responses((status = 200, body = Job))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<Job>> {
    app.jobs.one(&who, id).map(Json)
}

/// Ends long work between two of its steps. What it has done stays.
#[utoipa::path(
    post, path = "/api/0/jobs/{id}/cancel", tag = "jobs",
    params(("id" = u64, Path, description = "The job's number.")),
    responses((status = 200, body = Job))
)]
pub(crate) async fn cancel(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<Job>> {
    let job = app.jobs.cancel(&who, id)?;
    app.audit(Some(who.name()), peer.address, "job.cancel", format!("{id}: {}", job.title)).await;
    Ok(Json(job))
}

/// Answers that `job` was ordered, and where it is found.
pub(super) fn accepted(job: Job) -> Response {
    let place = HeaderValue::from_str(&format!("/api/0/jobs/{}", job.id));
    let mut response = (StatusCode::ACCEPTED, Json(job)).into_response();
    if let Ok(place) = place {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}
