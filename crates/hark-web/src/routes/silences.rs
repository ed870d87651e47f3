//! Silences and maintenance.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::silences::{
    Held, MAX_PATTERNS, MAX_SECONDS, Matcher, Preview, PreviewRequest, Repeats, Silence,
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

/// So many of the next times are shown beforehand: enough to see days and hours.
const SHOWN_TIMES: usize = 5;

/// Longest pattern, hours or zone of what comes again: more nobody writes, and it is stored.
const MAX_REPEATS: usize = 256;

/// Returns silences and maintenance that have not ended.
#[utoipa::path(
    get, path = "/api/0/silences", tag = "silences", responses((status = 200, body = Vec<Silence>))
)]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Vec<Silence>>> {
    app.ask(move |backend| backend.silences(&who.sight())).await.map(Json)
}

/// Returns a silence or maintenance that has not ended.
#[utoipa::path(
    get, path = "/api/0/silences/{id}", tag = "silences",
    params(("id" = u64, Path, description = "The silence's number.")),
    responses((status = 200, body = Silence))
)]
pub(crate) async fn one(
    State(app): State<Shared>,
    who: Who,
    Path(id): Path<u64>,
) -> Reply<Json<Silence>> {
    let seen = app.ask(move |backend| backend.silences(&who.sight())).await?;
    seen.into_iter().find(|silence| silence.id == id).map(Json).ok_or(Failure::Absent)
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
    let order = read(&app, &who, request, None).await?;
    store(&app, &who, peer, order).await
}

/// Changes a silence or maintenance: it is from now on what is asked for, under its number. What is kept
/// is when it began, if that is not given, and a maintenance is not made of a silence.
#[utoipa::path(
    put, path = "/api/0/silences/{id}", tag = "silences", request_body = SilenceRequest,
    params(("id" = u64, Path, description = "The silence's number.")),
    responses((status = 200, body = Silence))
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(id): Path<u64>,
    Body(request): Body<SilenceRequest>,
) -> Reply<Json<Silence>> {
    let before = owned(&app, &who, id).await?;
    let kept = match (&before.again, &request.repeats) {
        (Some(again), Some(_)) => Some(again.from_at.0),
        // What came again has begun long ago, and what is to be for once begins now.
        (Some(_), None) => None,
        (None, _) => Some(before.from_at.0),
    };
    let order = read(&app, &who, request, kept).await?;
    let silence = app.ask(move |backend| backend.change_silence(SilenceId(id), &order)).await?;
    let detail = format!("{}: {}", silence.id, silence.reason);
    app.audit(Some(who.name()), peer.address, "silence.change", detail).await;
    Ok(Json(silence))
}

/// Returns the silence of this number, which the user may change and end.
async fn owned(app: &Shared, who: &Who, id: u64) -> Reply<Silence> {
    let sight = who.sight();
    let seen = app.ask(move |backend| backend.silences(&sight)).await?;
    let silence = seen.into_iter().find(|silence| silence.id == id).ok_or(Failure::Absent)?;
    must_cover(who, &matcher(silence.matcher.clone())?)?;
    Ok(silence)
}

/// Reads what is asked for; `before` is the beginning of the one that is changed.
async fn read(
    app: &Shared,
    who: &Who,
    request: SilenceRequest,
    before: Option<Unix>,
) -> Reply<SilenceOrder> {
    let now = app.now().unix;
    let from = request.from_at.map(|at| at.0).or(before).unwrap_or(now);
    if from > now + MAX_AHEAD {
        return Err(Failure::field("from_at", "plan at most a year ahead"));
    }
    let repeats = match &request.repeats {
        Some(repeats) => Some(read_repeating(&request, repeats, from)?),
        None => None,
    };
    let until = read_end(&request, from, now)?;
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
    must_cover(who, &matcher)?;
    if let Some(repeats) = &repeats {
        times(app, repeats).await?;
    }
    let (reason, maintenance) = (remark("reason", &request.reason)?, request.maintenance);
    let terms =
        record::SilenceTerms { matcher, reason, from, until, maintenance, flexible, repeats };
    Ok(SilenceOrder { by: who.name().clone(), terms })
}

/// Reads until when it holds; one that comes again may have no end.
fn read_end(request: &SilenceRequest, from: Unix, now: Unix) -> Reply<Unix> {
    let again = request.repeats.is_some();
    let end = match (request.until_at, request.duration_seconds) {
        (Some(end), None) => end.0,
        (None, None) if again => return Ok(Unix(i64::MAX)),
        (None, Some(seconds)) if !again => until(from, seconds)?,
        _ if again => {
            return Err(Failure::field("duration_seconds", "say `lasts_seconds` in `repeats`"));
        }
        _ => return Err(Failure::field("until_at", "give this or `duration_seconds`")),
    };
    if end <= from || end <= now {
        return Err(Failure::field("until_at", "it must be after the start and in the future"));
    }
    if !again && end.since(from) > Duration::from_secs(MAX_SECONDS) {
        return Err(Failure::field("until_at", "a silence lasts 30 days at most"));
    }
    Ok(end)
}

/// Returns the next times of what comes again. Whether pattern, hours and zone can be read, the server
/// knows.
async fn times(app: &Shared, repeats: &record::Repeats) -> Reply<Vec<Held>> {
    let repeats = repeats.clone();
    let found = app.ask(move |backend| Ok(backend.times_of(&repeats, SHOWN_TIMES))).await?;
    let times = found.map_err(|why| Failure::field("repeats", why))?;
    if times.is_empty() {
        return Err(Failure::field("repeats", "it would never hold"));
    }
    Ok(times)
}

/// Reads when a maintenance comes again.
fn read_repeating(
    request: &SilenceRequest,
    repeats: &Repeats,
    from: Unix,
) -> Reply<record::Repeats> {
    if !request.maintenance {
        return Err(Failure::field("repeats", "this is for maintenance"));
    }
    if request.flexible_seconds.is_some() {
        return Err(Failure::field("flexible_seconds", "this has no meaning with `repeats`"));
    }
    read_repeats(repeats, from, request.until_at.map(|at| at.0))
}

fn read_repeats(repeats: &Repeats, from: Unix, until: Option<Unix>) -> Reply<record::Repeats> {
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
    Ok(record::Repeats { when, zone: repeats.timezone.clone(), from, until })
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
    owned(&app, &who, id).await?;
    let by = who.name().clone();
    app.ask(move |backend| backend.end_silence(SilenceId(id), &by)).await?;
    app.audit(Some(who.name()), peer.address, "silence.end", id.to_string()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns what a matcher would cover, and when a maintenance that comes again would hold.
#[utoipa::path(
    post, path = "/api/0/match/preview", tag = "silences", request_body = PreviewRequest,
    responses((status = 200, body = Preview))
)]
pub(crate) async fn preview(
    State(app): State<Shared>,
    who: Who,
    Body(request): Body<PreviewRequest>,
) -> Reply<Json<Preview>> {
    let from = request.from_at.map_or(app.now().unix, |at| at.0);
    let times = match &request.repeats {
        Some(repeats) => {
            let until = request.until_at.map(|at| at.0);
            times(&app, &read_repeats(repeats, from, until)?).await?
        }
        None => Vec::new(),
    };
    let matcher = matcher(request.matcher)?;
    let preview = app.ask(move |backend| backend.preview(&who.sight(), &matcher)).await?;
    Ok(Json(Preview { times, ..preview }))
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
