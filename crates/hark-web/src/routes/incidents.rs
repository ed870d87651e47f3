//! Incidents.

use axum::Json;
use axum::extract::State;
use hark_api::Page;
use hark_api::incidents::{
    AckRequest, CauseRequest, CommentRequest, Explanation, Incident, IncidentRow, IncidentsQuery,
    ResolveRequest, SilenceIncidentRequest,
};
use hark_api::silences::Silence;
use hark_model::IncidentId;
use hark_model::record::{Comment, Matcher, SilenceTerms};

use super::silences;
use crate::app::Shared;
use crate::backend::{AckOrder, SilenceOrder};
use crate::extract::{Body, Params, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::Action;
use crate::who::Who;

/// Returns incidents.
#[utoipa::path(
    get, path = "/api/0/incidents", tag = "incidents", params(IncidentsQuery),
    responses((status = 200, body = Page<IncidentRow>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<IncidentsQuery>,
) -> Reply<Json<Page<IncidentRow>>> {
    app.ask(move |backend| backend.incidents(&who.sight(), &query)).await.map(Json)
}

/// Returns an incident.
#[utoipa::path(
    get, path = "/api/0/incidents/{id}", tag = "incidents",
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = Incident))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<Incident>> {
    let id = IncidentId(id);
    who.incident(&app, Action::See, id).await?;
    app.ask(move |backend| backend.incident(&who.sight(), id)).await.map(Json)
}

/// Says why each receiver was told or not.
#[utoipa::path(
    get, path = "/api/0/incidents/{id}/explain", tag = "incidents",
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = Explanation))
)]
pub(crate) async fn explain(
    State(app): State<Shared>,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<Explanation>> {
    let id = IncidentId(id);
    who.incident(&app, Action::See, id).await?;
    app.ask(move |backend| backend.explain(id)).await.map(Json)
}

/// Takes an incident.
#[utoipa::path(
    post, path = "/api/0/incidents/{id}/ack", tag = "incidents", request_body = AckRequest,
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = IncidentRow))
)]
pub(crate) async fn ack(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(request): Body<AckRequest>,
) -> Reply<Json<IncidentRow>> {
    let id = IncidentId(id);
    who.incident(&app, Action::Operate, id).await?;
    let until = request.until_at.map(|at| at.0);
    if until.is_some_and(|until| until <= app.now().unix) {
        return Err(Failure::field("until_at", "it must be in the future"));
    }
    let order = AckOrder {
        by: who.name().clone(),
        comment: remark("comment", &request.comment)?,
        until,
        sticky: request.sticky,
    };
    let said = order.comment.clone();
    app.ask(move |backend| backend.ack(id, &order)).await?;
    app.audit(Some(who.name()), peer.address, "incident.ack", format!("{}: {said}", id.0)).await;
    row(&app, &who, id).await
}

/// Gives an incident back.
#[utoipa::path(
    post, path = "/api/0/incidents/{id}/unack", tag = "incidents",
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = IncidentRow))
)]
pub(crate) async fn unack(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<IncidentRow>> {
    let id = IncidentId(id);
    who.incident(&app, Action::Operate, id).await?;
    let by = who.name().clone();
    app.ask(move |backend| backend.unack(id, &by)).await?;
    app.audit(Some(who.name()), peer.address, "incident.unack", id.0.to_string()).await;
    row(&app, &who, id).await
}

/// Adds a remark.
#[utoipa::path(
    post, path = "/api/0/incidents/{id}/comment", tag = "incidents", request_body = CommentRequest,
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = IncidentRow))
)]
pub(crate) async fn comment(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(request): Body<CommentRequest>,
) -> Reply<Json<IncidentRow>> {
    let id = IncidentId(id);
    who.incident(&app, Action::Operate, id).await?;
    let text = remark("text", &request.text)?;
    let (by, said) = (who.name().clone(), text.clone());
    app.ask(move |backend| backend.comment(id, &by, &text)).await?;
    app.audit(Some(who.name()), peer.address, "incident.comment", format!("{}: {said}", id.0))
        .await;
    row(&app, &who, id).await
}

/// Ends an incident that does not end by itself: that of a volatile check, whose results are events.
#[utoipa::path(
    post, path = "/api/0/incidents/{id}/resolve", tag = "incidents",
    request_body = ResolveRequest,
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = IncidentRow))
)]
pub(crate) async fn resolve(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(request): Body<ResolveRequest>,
) -> Reply<Json<IncidentRow>> {
    let id = IncidentId(id);
    who.incident(&app, Action::Operate, id).await?;
    let comment = remark("comment", &request.comment)?;
    let (by, said) = (who.name().clone(), comment.clone());
    app.ask(move |backend| backend.resolve(id, &by, &comment)).await?;
    let detail = format!("{}: {said}", id.0);
    app.audit(Some(who.name()), peer.address, "incident.resolve", detail).await;
    row(&app, &who, id).await
}

/// Says from which open incident one follows: it is then told with its cause only. Both must be the
/// user's to operate.
#[utoipa::path(
    post, path = "/api/0/incidents/{id}/cause", tag = "incidents", request_body = CauseRequest,
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = IncidentRow))
)]
pub(crate) async fn cause(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(request): Body<CauseRequest>,
) -> Reply<Json<IncidentRow>> {
    let id = IncidentId(id);
    who.incident(&app, Action::Operate, id).await?;
    let cause = request.cause.map(IncidentId);
    if let Some(cause) = cause {
        who.incident(&app, Action::Operate, cause).await?;
    }
    let by = who.name().clone();
    app.ask(move |backend| backend.relate(id, &by, cause)).await?;
    let of = cause.map_or_else(|| "nothing".to_owned(), |cause| cause.0.to_string());
    let detail = format!("{} follows from {of}", id.0);
    app.audit(Some(who.name()), peer.address, "incident.cause", detail).await;
    row(&app, &who, id).await
}

/// Silences exactly the incident's host and check.
#[utoipa::path(
    post, path = "/api/0/incidents/{id}/silence", tag = "incidents",
    request_body = SilenceIncidentRequest,
    params(("id" = u64, Path, description = "The incident's number.")),
    responses((status = 200, body = Silence))
)]
pub(crate) async fn silence(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(request): Body<SilenceIncidentRequest>,
) -> Reply<Json<Silence>> {
    let (host, check) = who.incident(&app, Action::Operate, IncidentId(id)).await?;
    let from = app.now().unix;
    let terms = SilenceTerms {
        matcher: Matcher {
            hosts: vec![host.to_string()],
            checks: vec![check.to_string()],
            ..Matcher::default()
        },
        reason: remark("reason", &request.reason)?,
        from,
        until: silences::until(from, request.duration_seconds)?,
        maintenance: false,
        flexible: None,
        repeats: None,
    };
    let order = SilenceOrder { by: who.name().clone(), terms };
    silences::store(&app, &who, peer, order).await
}

async fn row(app: &Shared, who: &Who, id: IncidentId) -> Reply<Json<IncidentRow>> {
    let sight = who.sight();
    let incident = app.ask(move |backend| backend.incident(&sight, id)).await?;
    Ok(Json(incident.row))
}

/// Returns what somebody said, without space around it.
pub(super) fn remark(field: &str, text: &str) -> Reply<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::field(field, "say why, in a few words"));
    }
    if text.len() > Comment::MAX_TEXT {
        return Err(Failure::field(field, format!("use at most {} bytes", Comment::MAX_TEXT)));
    }
    Ok(text.to_owned())
}
