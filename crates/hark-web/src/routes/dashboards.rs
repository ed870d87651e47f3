//! Dashboards: made by users for themselves, shown to others. Whoever may not see one gets the answer that
//! there is none; whoever sees it and did not make it may only look.

mod check;
mod grafana;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::Page;
use hark_api::dashboards::{
    Content, Dashboard, DashboardChange, DashboardImport, DashboardImported, DashboardRow,
};
use http::{HeaderValue, StatusCode, header};

use crate::app::Shared;
use crate::backend::{DashboardRecord, Dashboards, Sight};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::{Action, Object, Verdict, may};
use crate::who::Who;

/// The longest dashboard of another program: those of Grafana say much that hark has no use for.
pub(super) const MAX_IMPORT: usize = 2 * 1024 * 1024;

/// Returns the dashboards that the user may see, by their numbers.
#[utoipa::path(
    get, path = "/api/0/dashboards", tag = "dashboards",
    responses((status = 200, body = Page<DashboardRow>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Page<DashboardRow>>> {
    let all = app.ask(Dashboards::dashboards).await?;
    let seen = all.into_iter().filter(|one| can(&who, Action::See, one));
    Ok(Json(Page::whole(seen.map(|one| row(&who, one)).collect())))
}

/// Makes a dashboard.
#[utoipa::path(
    post, path = "/api/0/dashboards", tag = "dashboards", request_body = Content,
    responses((status = 200, body = Dashboard))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Body(content): Body<Content>,
) -> Reply<Response> {
    let content = check::checked(content)?;
    let owner = who.name().clone();
    let made = app.ask(move |backend| backend.make_dashboard(&owner, &content)).await?;
    note(&app, &who, peer, "dashboard.make", &made).await;
    Ok(shown(&who, made))
}

/// Returns a dashboard. Its version is its entity tag.
#[utoipa::path(
    get, path = "/api/0/dashboards/{id}", tag = "dashboards",
    params(("id" = u64, Path, description = "The dashboard's number.")),
    responses((status = 200, body = Dashboard))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Response> {
    let found = allowed(&app, &who, Action::See, id, false).await?;
    Ok(shown(&who, found))
}

/// Changes a dashboard. With a version, only if that is still what is there: else two people who change it
/// at the same time would undo each other's work unseen.
#[utoipa::path(
    put, path = "/api/0/dashboards/{id}", tag = "dashboards", request_body = DashboardChange,
    params(("id" = u64, Path, description = "The dashboard's number.")),
    responses((status = 200, body = Dashboard))
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(change): Body<DashboardChange>,
) -> Reply<Response> {
    allowed(&app, &who, Action::Operate, id, false).await?;
    let content = check::checked(change.content)?;
    let version = change.version;
    let changed = app.ask(move |backend| backend.change_dashboard(id, version, &content)).await?;
    note(&app, &who, peer, "dashboard.change", &changed).await;
    Ok(shown(&who, changed))
}

/// Removes a dashboard. For a week it can be restored.
#[utoipa::path(
    delete, path = "/api/0/dashboards/{id}", tag = "dashboards",
    params(("id" = u64, Path, description = "The dashboard's number.")),
    responses((status = 204))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<StatusCode> {
    let gone = allowed(&app, &who, Action::Operate, id, false).await?;
    app.ask(move |backend| backend.remove_dashboard(id)).await?;
    note(&app, &who, peer, "dashboard.remove", &gone).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a dashboard that was removed be there again.
#[utoipa::path(
    post, path = "/api/0/dashboards/{id}/restore", tag = "dashboards",
    params(("id" = u64, Path, description = "The dashboard's number.")),
    responses((status = 200, body = Dashboard))
)]
pub(crate) async fn restore(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Response> {
    allowed(&app, &who, Action::Operate, id, true).await?;
    let back = app.ask(move |backend| backend.restore_dashboard(id)).await?;
    note(&app, &who, peer, "dashboard.restore", &back).await;
    Ok(shown(&who, back))
}

/// Reads a dashboard of Grafana as far as it maps, and says what does not. Nothing is stored.
#[utoipa::path(
    post, path = "/api/0/dashboards/import", tag = "dashboards", request_body = DashboardImport,
    responses((status = 200, body = DashboardImported))
)]
pub(crate) async fn import(
    _who: Who,
    Body(import): Body<DashboardImport>,
) -> Reply<Json<DashboardImported>> {
    let (content, left_out) =
        grafana::read(&import.grafana).map_err(|why| Failure::field("grafana", why))?;
    Ok(Json(DashboardImported { content: check::checked(content)?, left_out }))
}

/// Returns the dashboard if the user may do `action` with it: one that is there, or one that was removed.
async fn allowed(
    app: &Shared,
    who: &Who,
    action: Action,
    id: u64,
    removed: bool,
) -> Reply<DashboardRecord> {
    let found = app.ask(move |backend| backend.dashboard(id, removed)).await?;
    who.must(action, object(&found))?;
    Ok(found)
}

fn object(dashboard: &DashboardRecord) -> Object<'_> {
    Object::Dashboard { owner: &dashboard.owner, shared: &dashboard.content.shared }
}

fn can(who: &Who, action: Action, dashboard: &DashboardRecord) -> bool {
    may(&who.account, action, object(dashboard)) == Verdict::Allowed
}

fn row(who: &Who, one: DashboardRecord) -> DashboardRow {
    DashboardRow {
        may_change: can(who, Action::Operate, &one),
        id: one.id,
        version: one.version,
        title: one.content.title,
        description: one.content.description,
        owner: one.owner.to_string(),
        shared: one.content.shared,
        panels: one.content.panels.len() as u64,
        updated_at: one.updated.into(),
    }
}

fn shown(who: &Who, one: DashboardRecord) -> Response {
    let may_change = can(who, Action::Operate, &one);
    let mut content = one.content;
    if !may_change {
        hide(&who.sight(), &mut content);
    }
    let dashboard = Dashboard {
        id: one.id,
        version: one.version,
        owner: one.owner.to_string(),
        updated_at: one.updated.into(),
        may_change,
        content,
    };
    let tag = HeaderValue::from_str(&format!("\"{}\"", one.version));
    let tag = tag.unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    ([(header::ETAG, tag)], Json(dashboard)).into_response()
}

/// Leaves names of hosts out that the reader may not see: also a name says something.
fn hide(sight: &Sight, content: &mut Content) {
    let seen = |name: &str| name.starts_with('$') || sight.covers(name);
    for panel in &mut content.panels {
        panel.hosts.retain(|host| seen(host));
    }
    if let Some(host) = &mut content.variables.host
        && !seen(host)
    {
        host.clear();
    }
}

async fn note(app: &Shared, who: &Who, peer: Peer, what: &str, one: &DashboardRecord) {
    let detail = format!("{}: {}", one.id, one.content.title);
    app.audit(Some(who.name()), peer.address, what, detail).await;
}
