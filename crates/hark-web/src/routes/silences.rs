//! Silences and maintenance.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::silences::{
    MAX_PATTERNS, MAX_SECONDS, Matcher, Preview, PreviewRequest, RepeatsRequest, Silence,
    SilenceRequest,
};
use hark_model::{CheckName, HostName, SilenceId, Tag, Unix, record};
use http::StatusCode;

use super::incidents::remark;
use crate::app::Shared;
use crate::backend::SilenceOrder;
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::{Action, Object};
use crate::who::Who;

/// How far ahead a maintenance may be planned: a year.
const MAX_AHEAD: Duration = Duration::from_hours(366 * 24);

/// Longest pattern, hours or zone of what comes again: more nobody writes, and it is stored.
const MAX_REPEATS: usize = 256;

/// Returns silences and maintenance that have not ended.
#[utoipa::path(
    get, path = "/api/0/silences", tag = "silences", responses((status = 200, body = Vec<Silence>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<Silence>>> {
    app.ask(move |backend| backend.silences(&who.sight())).await.map(Json)
}

/// Makes a silence or maintenance. Who is not an administrator names hosts of his, each in full.
#[utoipa::path(
    post, path = "/api/0/silences", tag = "silences", request_body = SilenceRequest,
    responses((status = 200, body = Silence))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Body(request): Body<SilenceRequest>,
) -> Reply<Json<Silence>> {
    let now = app.now().unix;
    let from = request.from_at.map_or(now, |at| at.0);
    if from > now + MAX_AHEAD {
        return Err(Failure::field("from_at", "plan at most a year ahead"));
    }
    let repeats = match &request.repeats {
        Some(repeats) => Some(read_repeats(&request, repeats, from)?),
        None => None,
    };
    let end = match (request.until_at, request.duration_seconds) {
        (Some(end), None) => end.0,
        // It has no end but that of each time.
        (None, None) if repeats.is_some() => Unix(i64::MAX),
        (None, Some(seconds)) if repeats.is_none() => until(from, seconds)?,
        _ if repeats.is_some() => {
            return Err(Failure::field("duration_seconds", "say `lasts_seconds` in `repeats`"));
        }
        _ => return Err(Failure::field("until_at", "give this or `duration_seconds`")),
    };
    if end <= from || end <= now {
        return Err(Failure::field("until_at", "it must be after the start and in the future"));
    }
    if repeats.is_none() && end.since(from) > Duration::from_secs(MAX_SECONDS) {
        return Err(Failure::field("until_at", "a silence lasts 30 days at most"));
    }
    let flexible = match request.flexible_seconds {
        Some(_) if !request.maintenance => {
            return Err(Failure::field("flexible_seconds", "this is for maintenance"));
        }
        Some(seconds) if seconds == 0 || seconds > MAX_SECONDS => {
            return Err(Failure::field("flexible_seconds", "use 1 second to 30 days"));
        }
        seconds => seconds.map(Duration::from_secs),
    };
    let matcher = matcher(request.matcher)?;
    must_cover(&who, &matcher)?;
    let order = SilenceOrder {
        by: who.name().clone(),
        matcher,
        reason: remark("reason", &request.reason)?,
        from,
        until: end,
        maintenance: request.maintenance,
        flexible,
        repeats,
    };
    store(&app, &who, peer, order).await
}

/// Reads when a maintenance comes again. Whether pattern, hours and zone are right, the engine says.
fn read_repeats(
    request: &SilenceRequest,
    repeats: &RepeatsRequest,
    from: Unix,
) -> Reply<record::Repeats> {
    if !request.maintenance {
        return Err(Failure::field("repeats", "this is for maintenance"));
    }
    if request.flexible_seconds.is_some() {
        return Err(Failure::field("flexible_seconds", "this has no meaning with `repeats`"));
    }
    let when = match (&repeats.cron, repeats.lasts_seconds, &repeats.when) {
        (Some(pattern), Some(seconds), None) => {
            if seconds == 0 || seconds > MAX_SECONDS {
                return Err(Failure::field("repeats.lasts_seconds", "use 1 second to 30 days"));
            }
            record::RepeatsWhen::Cron { pattern: pattern.clone(), lasts_ms: seconds * 1000 }
        }
        (None, None, Some(when)) => record::RepeatsWhen::Week(when.clone()),
        _ => {
            let what = "give `cron` and `lasts_seconds`, or `when`";
            return Err(Failure::field("repeats", what));
        }
    };
    let texts = [&repeats.cron, &repeats.when, &repeats.timezone];
    if texts.into_iter().flatten().any(|text| text.is_empty() || text.len() > MAX_REPEATS) {
        return Err(Failure::field("repeats", format!("use 1 to {MAX_REPEATS} bytes each")));
    }
    let (zone, until) = (repeats.timezone.clone(), request.until_at.map(|at| at.0));
    Ok(record::Repeats { when, zone, from, until })
}

/// Ends a silence or maintenance.
#[utoipa::path(
    delete, path = "/api/0/silences/{id}", tag = "silences",
    params(("id" = u64, Path, description = "The silence's number.")),
    responses((status = 204))
)]
pub(crate) async fn end(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<StatusCode> {
    let sight = who.sight();
    let seen = app.ask(move |backend| backend.silences(&sight)).await?;
    let silence = seen.into_iter().find(|silence| silence.id == id).ok_or(Failure::Absent)?;
    must_cover(&who, &matcher(silence.matcher)?)?;
    let by = who.name().clone();
    app.ask(move |backend| backend.end_silence(SilenceId(id), &by)).await?;
    app.audit(Some(who.name()), peer.address, "silence.end", id.to_string()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns what a matcher would cover.
#[utoipa::path(
    post, path = "/api/0/match/preview", tag = "silences", request_body = PreviewRequest,
    responses((status = 200, body = Preview))
)]
pub(crate) async fn preview(
    State(app): State<Shared>,
    who: Who,
    Body(request): Body<PreviewRequest>,
) -> Reply<Json<Preview>> {
    let matcher = matcher(request.matcher)?;
    app.ask(move |backend| backend.preview(&who.sight(), &matcher)).await.map(Json)
}

/// Returns `seconds` after `from`.
pub(super) fn until(from: Unix, seconds: u64) -> Reply<Unix> {
    if seconds == 0 || seconds > MAX_SECONDS {
        return Err(Failure::field("duration_seconds", "use 1 second to 30 days"));
    }
    Ok(from + Duration::from_secs(seconds))
}

/// Stores a silence that was allowed.
pub(super) async fn store(
    app: &Shared,
    who: &Who,
    peer: Peer,
    order: SilenceOrder,
) -> Reply<Json<Silence>> {
    let silence = app.ask(move |backend| backend.silence(&order)).await?;
    let detail = format!("{}: {}", silence.id, silence.reason);
    app.audit(Some(who.name()), peer.address, "silence.make", detail).await;
    Ok(Json(silence))
}

/// Fails unless the user may operate all that `matcher` can cover. A pattern covers hosts that do not
/// exist yet, so it is for administrators.
fn must_cover(who: &Who, matcher: &record::Matcher) -> Reply<()> {
    if who.account.admin {
        return Ok(());
    }
    let named: Option<Vec<HostName>> =
        matcher.hosts.iter().map(|host| HostName::new(host).ok()).collect();
    match named {
        Some(hosts) if !hosts.is_empty() => {
            hosts.iter().try_for_each(|host| who.must(Action::Operate, Object::Host(host)))
        }
        _ => who.must(Action::Operate, Object::Server),
    }
}

fn matcher(matcher: Matcher) -> Reply<record::Matcher> {
    let parts = [("hosts", &matcher.hosts), ("checks", &matcher.checks), ("tags", &matcher.tags)];
    for (field, patterns) in parts {
        let field = format!("matcher.{field}");
        if patterns.len() > MAX_PATTERNS {
            return Err(Failure::field(&field, format!("use at most {MAX_PATTERNS}")));
        }
        let good = |text: &&String| !text.is_empty() && text.len() <= CheckName::MAX;
        if !patterns.iter().all(|text| good(&text)) {
            return Err(Failure::field(&field, format!("use 1 to {} bytes each", CheckName::MAX)));
        }
    }
    let tags: Result<Vec<Tag>, _> = matcher.tags.iter().map(|tag| Tag::new(tag)).collect();
    Ok(record::Matcher {
        hosts: matcher.hosts,
        checks: matcher.checks,
        tags: tags.map_err(|error| Failure::field("matcher.tags", error.to_string()))?,
        severity: matcher.severity.map(Into::into),
    })
}
