//! What people publish on status pages. Whoever may log in knows which pages there are, since what they say
//! is for others anyway; only editors and administrators publish.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::problem::FieldError;
use hark_api::status_pages::{
    ComponentState, MAX_AHEAD_DAYS, MAX_TEXT, MAX_TITLE, MAX_UPDATES, PublicContent, PublicImpact,
    PublicIncident, PublicIncidentsQuery, PublicKind, PublicStage, PublicUpdate,
    PublicUpdateRequest, PublishRequest, StatusComponent, StatusPageRow,
};
use hark_api::{Page, Timestamp};
use hark_model::{Unix, UserName};
use http::{HeaderValue, StatusCode, header};

use crate::app::Shared;
use crate::backend::{PublicIncidentRecord, StatusAccess, StatusPages, StatusSite};
use crate::extract::{Body, Params, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::{Action, Object, Verdict, may};
use crate::who::Who;

/// Returns the status pages, and how they are.
#[utoipa::path(
    get, path = "/api/0/status-pages", tag = "status pages",
    responses((status = 200, body = Page<StatusPageRow>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Page<StatusPageRow>>> {
    let sites = app.backend.status_sites();
    let summaries = app.ask(StatusPages::status_summaries).await?;
    let rows = sites.sites.iter().map(|site| {
        let summary = summaries.iter().find(|summary| summary.slug == site.slug);
        let component = |(id, name, group, state): &(String, String, String, ComponentState)| {
            let [id, name, group] = [id, name, group].map(Clone::clone);
            StatusComponent { id, name, group, state: *state }
        };
        StatusPageRow {
            page: site.slug.clone(),
            title: site.title.clone(),
            path: format!("/status/{}", site.slug),
            domains: site.domains.clone(),
            public: matches!(site.access, StatusAccess::Everyone),
            state: summary.map_or(ComponentState::NoData, |summary| summary.state),
            headline: summary.map(|summary| summary.headline.clone()).unwrap_or_default(),
            components: summary
                .map(|summary| summary.components.iter().map(component).collect())
                .unwrap_or_default(),
            open: summary.map_or(0, |summary| summary.open),
            may_publish: may(&who.account, Action::Operate, object(site)) == Verdict::Allowed,
            declared: site.declared.clone(),
        }
    });
    Ok(Json(Page::whole(rows.collect())))
}

/// Returns what was published on a page, the newest first.
#[utoipa::path(
    get, path = "/api/0/status-pages/{page}/incidents", tag = "status pages",
    params(("page" = String, Path, description = "The word of the page."), PublicIncidentsQuery),
    responses((status = 200, body = Page<PublicIncident>))
)]
pub(crate) async fn incidents(
    State(app): State<Shared>,
    who: Who,
    Path(page): Path<String>,
    Params(query): Params<PublicIncidentsQuery>,
) -> Reply<Json<Page<PublicIncident>>> {
    allowed(&app, &who, Action::See, &page)?;
    let now = app.now().unix;
    let all = app.ask(move |backend| backend.public_incidents(&page)).await?;
    let is_meant = |one: &PublicIncidentRecord| {
        query.open.is_none_or(|open| open == is_open(&one.content, now))
    };
    Ok(Json(Page::whole(all.into_iter().filter(is_meant).map(shown).collect())))
}

/// Publishes an incident on a page, or announces work. Everybody who may see the page reads all of it.
#[utoipa::path(
    post, path = "/api/0/status-pages/{page}/incidents", tag = "status pages",
    request_body = PublishRequest,
    params(("page" = String, Path, description = "The word of the page.")),
    responses((status = 200, body = PublicIncident))
)]
pub(crate) async fn publish(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(page): Path<String>,
    Body(request): Body<PublishRequest>,
) -> Reply<Response> {
    let components = allowed(&app, &who, Action::Operate, &page)?;
    let content = begun(request, who.name(), app.now().unix);
    let content = checked(content, &components, app.now().unix)?;
    let made = app.ask(move |backend| backend.publish(&page, &content)).await?;
    told(&app, &who, peer, "status.publish", &made).await;
    Ok(answer(made))
}

/// Returns something that was published. Its version is its entity tag.
#[utoipa::path(
    get, path = "/api/0/status-pages/{page}/incidents/{id}", tag = "status pages",
    params(
        ("page" = String, Path, description = "The word of the page."),
        ("id" = u64, Path, description = "The incident's number."),
    ),
    responses((status = 200, body = PublicIncident))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path((page, id)): Path<(String, u64)>,
) -> Reply<Response> {
    allowed(&app, &who, Action::See, &page)?;
    found(&app, &page, id).await.map(answer)
}

/// Says more about something that was published; the stages `resolved` and `completed` end it.
#[utoipa::path(
    post, path = "/api/0/status-pages/{page}/incidents/{id}", tag = "status pages",
    request_body = PublicUpdateRequest,
    params(
        ("page" = String, Path, description = "The word of the page."),
        ("id" = u64, Path, description = "The incident's number."),
    ),
    responses((status = 200, body = PublicIncident))
)]
pub(crate) async fn update(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path((page, id)): Path<(String, u64)>,
    Body(request): Body<PublicUpdateRequest>,
) -> Reply<Response> {
    let components = allowed(&app, &who, Action::Operate, &page)?;
    let before = found(&app, &page, id).await?;
    let version = request.version.unwrap_or(before.version);
    let content = gone_on(before.content, request, who.name(), app.now().unix)?;
    let content = checked(content, &components, app.now().unix)?;
    let change = move |backend: &dyn crate::backend::Backend| {
        backend.change_public_incident(&page, id, version, &content)
    };
    let changed = app.ask(change).await?;
    told(&app, &who, peer, "status.update", &changed).await;
    Ok(answer(changed))
}

/// Takes back what was published: for mistakes. What is over is resolved instead, and stays in the history.
#[utoipa::path(
    delete, path = "/api/0/status-pages/{page}/incidents/{id}", tag = "status pages",
    params(
        ("page" = String, Path, description = "The word of the page."),
        ("id" = u64, Path, description = "The incident's number."),
    ),
    responses((status = 204))
)]
pub(crate) async fn withdraw(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path((page, id)): Path<(String, u64)>,
) -> Reply<StatusCode> {
    allowed(&app, &who, Action::Operate, &page)?;
    let gone = found(&app, &page, id).await?;
    app.ask(move |backend| backend.remove_public_incident(&page, id)).await?;
    told(&app, &who, peer, "status.withdraw", &gone).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the words of the page's components if the user may do `action` with it.
fn allowed(app: &Shared, who: &Who, action: Action, page: &str) -> Reply<Vec<String>> {
    let sites = app.backend.status_sites();
    let site = sites.sites.iter().find(|site| site.slug == page).ok_or(Failure::Absent)?;
    who.must(action, object(site))?;
    Ok(site.components.clone())
}

fn object(site: &StatusSite) -> Object<'_> {
    Object::StatusPage { editors: &site.editors }
}

async fn found(app: &Shared, page: &str, id: u64) -> Reply<PublicIncidentRecord> {
    let page = page.to_owned();
    let all = app.ask(move |backend| backend.public_incidents(&page)).await?;
    all.into_iter().find(|one| one.id == id).ok_or(Failure::Absent)
}

/// Returns whether more is to come: work that nobody has said to be done is over when it was to be.
fn is_open(content: &PublicContent, now: Unix) -> bool {
    let is_past = content.until_at.is_some_and(|until| until.0 <= now);
    content.closed_at.is_none() && !is_past
}

fn begun(request: PublishRequest, by: &UserName, now: Unix) -> PublicContent {
    let PublishRequest { kind, title, text, stage, impact, components, from_at, until_at } =
        request;
    let stage = stage.unwrap_or(PublicStage::first(kind));
    let at = Timestamp(now);
    PublicContent {
        kind,
        title,
        components,
        impact: if kind == PublicKind::Maintenance { PublicImpact::None } else { impact },
        from_at: from_at.unwrap_or(at),
        until_at,
        closed_at: stage.is_last().then_some(at),
        updates: vec![PublicUpdate { at, stage, text, by: by.to_string() }],
    }
}

/// Adds what is said. What is over can be opened again by an earlier stage.
fn gone_on(
    before: PublicContent,
    request: PublicUpdateRequest,
    by: &UserName,
    now: Unix,
) -> Reply<PublicContent> {
    if before.updates.len() >= MAX_UPDATES {
        let what = format!("it has {MAX_UPDATES} updates: publish what follows as another one");
        return Err(Failure::Conflict(what));
    }
    let PublicUpdateRequest { version: _, text, stage, title, impact, components, until_at } =
        request;
    let stage = stage.unwrap_or(before.stage());
    let at = Timestamp(now);
    let mut after = before;
    after.closed_at = if stage.is_last() { Some(after.closed_at.unwrap_or(at)) } else { None };
    after.updates.push(PublicUpdate { at, stage, text, by: by.to_string() });
    after.title = title.unwrap_or(after.title);
    after.components = components.unwrap_or(after.components);
    after.until_at = until_at.or(after.until_at);
    if after.kind == PublicKind::Incident {
        after.impact = impact.unwrap_or(after.impact);
    }
    Ok(after)
}

/// Returns what is published, in order, or everything that is wrong with it.
fn checked(mut content: PublicContent, known: &[String], now: Unix) -> Reply<PublicContent> {
    let mut wrong = Vec::new();
    let mut say = |field: &str, detail: String| wrong.push(FieldError::new(field, detail));
    let title = content.title.trim().to_owned();
    content.title = title;
    if content.title.is_empty()
        || content.title.len() > MAX_TITLE
        || is_unprintable(&content.title, "")
    {
        say("title", format!("use 1 to {MAX_TITLE} bytes in one line"));
    }
    if let Some(update) = content.updates.last_mut() {
        let text = update.text.replace("\r\n", "\n").trim().to_owned();
        update.text = text;
        if update.text.is_empty()
            || update.text.len() > MAX_TEXT
            || is_unprintable(&update.text, "\n\t")
        {
            say("text", format!("use 1 to {MAX_TEXT} bytes without control characters"));
        }
        if update.stage.kind() != content.kind {
            say("stage", "is no stage of this kind".to_owned());
        }
    }
    content.components.dedup();
    for unknown in content.components.iter().filter(|one| !known.contains(one)) {
        say("components", format!("the page has no component `{unknown}`"));
    }
    if content.components.len() > known.len() {
        say("components", "one is named twice".to_owned());
    }
    let far = Duration::from_secs(MAX_AHEAD_DAYS * 24 * 3600);
    if content.from_at.0 > now + far || content.from_at.0 < now - far {
        say("from_at", "is more than a year away".to_owned());
    }
    let until = match (content.kind, content.until_at) {
        (PublicKind::Maintenance, None) => "when is the work to be done?",
        (PublicKind::Incident, Some(_)) => "is for announced work alone",
        (_, Some(until)) if until <= content.from_at => "is not after from_at",
        (_, Some(until)) if until.0 > now + far => "is more than a year away",
        (_, _) => "",
    };
    if !until.is_empty() {
        say("until_at", until.to_owned());
    }
    if content.kind == PublicKind::Incident && content.from_at.0 > now {
        say("from_at", "has not come yet: announce work instead".to_owned());
    }
    if wrong.is_empty() { Ok(content) } else { Err(Failure::Wrong(wrong)) }
}

/// Returns whether a text has control characters other than these: feeds cannot hold them.
fn is_unprintable(text: &str, fine: &str) -> bool {
    text.chars()
        .any(|c| (c.is_control() && !fine.contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

fn shown(record: PublicIncidentRecord) -> PublicIncident {
    let PublicIncidentRecord { id, page, version, updated, content } = record;
    PublicIncident {
        id,
        page,
        version,
        updated_at: updated.into(),
        stage: content.stage(),
        content,
    }
}

fn answer(record: PublicIncidentRecord) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", record.version));
    let tag = tag.unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    ([(header::ETAG, tag)], Json(shown(record))).into_response()
}

/// Has what was published be seen at once, and writes it down.
async fn told(app: &Shared, who: &Who, peer: Peer, what: &str, record: &PublicIncidentRecord) {
    app.ready.forget();
    let stage = serde_json::to_value(record.content.stage()).unwrap_or_default();
    let stage = stage.as_str().unwrap_or_default();
    let detail = format!("{} {}: {stage}: {}", record.page, record.id, record.content.title);
    app.audit(Some(who.name()), peer.address, what, detail).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix(1_795_263_753_000);

    fn request(kind: PublicKind) -> PublishRequest {
        PublishRequest {
            kind,
            title: "Trouble".to_owned(),
            text: "We look.".to_owned(),
            stage: None,
            impact: PublicImpact::Degraded,
            components: vec!["api".to_owned()],
            from_at: None,
            until_at: None,
        }
    }

    fn wrong(request: PublishRequest) -> String {
        let by = UserName::new("mira").unwrap();
        match checked(begun(request, &by, NOW), &["api".to_owned(), "web".to_owned()], NOW) {
            Ok(_) => String::new(),
            Err(Failure::Wrong(errors)) => {
                errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>().join(" ")
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_strangers_are_to_read_is_looked_at_first() {
        let at = |hours: i64| Some(Timestamp(Unix(NOW.0 + hours * 3_600_000)));
        let incident = || request(PublicKind::Incident);
        let work = || PublishRequest { until_at: at(2), ..request(PublicKind::Maintenance) };
        let some = |text: &str| text.to_owned();
        for (request, expected) in [
            (incident(), ""),
            (PublishRequest { title: some(" "), ..incident() }, "title"),
            (PublishRequest { title: some("a\nb"), ..incident() }, "title"),
            (PublishRequest { text: some("a\u{7}"), ..incident() }, "text"),
            (PublishRequest { text: "x".repeat(MAX_TEXT + 1), ..incident() }, "text"),
            (PublishRequest { stage: Some(PublicStage::Scheduled), ..incident() }, "stage"),
            (PublishRequest { components: vec![some("db")], ..incident() }, "components"),
            (PublishRequest { from_at: at(1), ..incident() }, "from_at"),
            (PublishRequest { until_at: at(1), ..incident() }, "until_at"),
            (work(), ""),
            (PublishRequest { from_at: at(1), ..work() }, ""),
            (PublishRequest { from_at: at(3), ..work() }, "until_at"),
            (PublishRequest { until_at: None, ..work() }, "until_at"),
            (
                PublishRequest { from_at: at(9000), until_at: at(9001), ..work() },
                "from_at until_at",
            ),
        ] {
            assert_eq!(wrong(request.clone()), expected, "{request:?}");
        }
    }

    #[test]
    fn what_is_over_is_opened_again_by_an_earlier_stage() {
        let by = UserName::new("mira").unwrap();
        let say = |content: PublicContent, stage: PublicStage, minutes: i64| {
            let request = PublicUpdateRequest {
                text: "x".to_owned(),
                stage: Some(stage),
                ..PublicUpdateRequest::default()
            };
            gone_on(content, request, &by, Unix(NOW.0 + minutes * 60_000)).unwrap()
        };
        let begun = begun(request(PublicKind::Incident), &by, NOW);
        let over = say(begun, PublicStage::Resolved, 1);
        assert_eq!(over.closed_at, Some(Timestamp(Unix(NOW.0 + 60_000))));
        let later = say(over, PublicStage::Resolved, 2);
        assert_eq!(later.closed_at, Some(Timestamp(Unix(NOW.0 + 60_000))), "it was over before");
        let again = say(later, PublicStage::Identified, 3);
        assert_eq!((again.closed_at, again.stage()), (None, PublicStage::Identified));
        assert_eq!(again.updates.len(), 4);
    }
}
