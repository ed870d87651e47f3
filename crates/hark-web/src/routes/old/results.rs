//! Results: states that checks have had, and what programs bring.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use hark_api::Timestamp;
use hark_api::series::{Lane, LaneSpan};
use hark_api::words::Letter;
use hark_model::{HostName, Unix};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Asked, number, wrong};
use super::services::{self, EXPECTED, Service};
use super::{BASE, Refusal, Resource, Told};
use crate::app::Shared;
use crate::backend::{Backend, JobPing, Refused};
use crate::policy::{Action, Object};
use crate::who::Who;

/// How far back states are listed: hark keeps more, for who asks it in its own words.
const BACK: Duration = Duration::from_hours(24 * 7);

/// The longest text of a result that is taken over, in bytes; what is behind that is cut.
const MAX_TEXT: usize = 1000;

/// Words of the seed for how a service is.
const STATUSES: [&str; 9] = [
    "START_PENDING",
    "RUNNING",
    "STOP_PENDING",
    "STOPPED",
    "PAUSE_PENDING",
    "PAUSED",
    "CONTINUE_PENDING",
    "NOT_INSTALLED",
    "UNKNOWN",
];

/// Returns how a service is that a check says this of; none if nobody looked.
fn status(state: Letter) -> Option<&'static str> {
    match state {
        Letter::Ok => Some(EXPECTED),
        Letter::Critical => Some("STOPPED"),
        Letter::Warning | Letter::Unknown => Some("UNKNOWN"),
        Letter::Maintenance | Letter::None => None,
    }
}

/// A state that a service has had from a moment on.
struct State {
    since: i64,
    status: &'static str,
}

fn shown(resource: Resource, service: &Service, at: i64, state: &State) -> Value {
    let id = format!("{}-{at}", service.id);
    let path = resource.services().path(service.id);
    json!({"action_taken": "", "actual_status": state.status, "comments": "",
        "expected_status": EXPECTED, "id": id, "resource_uri": resource.path(&id), "service": path,
        "timestamp": Timestamp(Unix(state.since.saturating_mul(1000)))})
}

/// Returns the states of the checks of a host between two moments, by their names, the newest first.
async fn states(
    app: &Shared,
    host: &HostName,
    from: Unix,
    to: Unix,
) -> Told<BTreeMap<String, Vec<State>>> {
    let host = host.clone();
    let lanes = app.ask(move |backend| backend.lanes(&host, from, to)).await?.lanes;
    let one =
        |span: LaneSpan| status(span.state).map(|status| State { since: span.from_unix_s, status });
    let of = |lane: Lane| (lane.check, lane.spans.into_iter().rev().filter_map(one).collect());
    Ok(lanes.into_iter().map(of).collect())
}

pub(super) async fn list(
    app: &Shared,
    who: &Who,
    resource: Resource,
    asked: &Asked,
) -> Told<(Vec<Value>, usize)> {
    let by_service = asked.number(&["service"])?;
    let by_agent = asked.number(&["service__agent", "service__agent__id"])?;
    let services = match (by_service, by_agent) {
        (Some(service), _) => services::find(app, who, service).await.map(|found| vec![found]),
        (None, Some(agent)) => services::of(app, who, agent).await,
        (None, None) => {
            return Err(wrong("There are too many results: name a service or an agent."));
        }
    };
    let services = match services {
        Err(Refusal::Absent) => Vec::new(),
        other => other?,
    };
    let now = app.now().unix;
    let from = Unix(now.0.saturating_sub(i64::try_from(BACK.as_millis()).unwrap_or(i64::MAX)));
    // They are all of one host.
    let Some(first) = services.first() else { return Ok((Vec::new(), 0)) };
    let mut states = states(app, &first.host, from, now).await?;
    let mut all = Vec::new();
    for service in &services {
        for state in states.remove(service.check.as_str()).unwrap_or_default() {
            all.push(shown(resource, service, state.since, &state));
        }
    }
    let total = all.len();
    Ok((asked.cut(all), total))
}

/// Returns how a service was at a moment: the number of a result is those two.
pub(super) async fn one(app: &Shared, who: &Who, resource: Resource, id: &str) -> Told<Value> {
    let (service, at) = id.split_once('-').ok_or(Refusal::Absent)?;
    let service = number(service).map_err(|_| Refusal::Absent)?;
    let at: i64 = at.parse().map_err(|_| Refusal::Absent)?;
    let service = services::find(app, who, service).await?;
    let from = Unix(at.checked_mul(1000).ok_or(Refusal::Absent)?);
    let to = Unix(from.0.checked_add(1000).ok_or(Refusal::Absent)?);
    if from > app.now().unix {
        return Err(Refusal::Absent);
    }
    let mut states = states(app, &service.host, from, to).await?;
    let state = states.remove(service.check.as_str()).and_then(|all| all.into_iter().next());
    Ok(shown(resource, &service, at, &state.ok_or(Refusal::Absent)?))
}

/// What a program brings. When it was is when it came, and what its agent did is told in the words beside.
#[derive(Debug, Deserialize)]
struct Brought {
    service: String,
    actual_status: String,
    #[serde(default)]
    expected_status: Option<String>,
    #[serde(default)]
    action_taken: Option<String>,
    #[serde(default)]
    comments: Option<String>,
}

/// Takes a result of a job that reports itself.
pub(super) async fn take(
    app: &Shared,
    who: &Who,
    resource: Resource,
    body: &[u8],
) -> Told<Response> {
    let brought: Brought = serde_json::from_slice(body).map_err(|error| {
        // Its own word for this is none.
        if error.is_data() { wrong(&error.to_string()) } else { wrong("") }
    })?;
    let service = referred(app, who, &brought.service).await?;
    who.must(Action::Operate, Object::Host(&service.host))?;
    let expected = brought.expected_status.as_deref().unwrap_or(EXPECTED);
    for status in [expected, &brought.actual_status] {
        if !STATUSES.contains(&status) {
            return Err(wrong(&format!("'{status}' is no status.")));
        }
    }
    let (host, check) = (service.host.to_string(), service.check.to_string());
    let jobs = app.ask(Backend::pushes).await?;
    let job = jobs.into_iter().find(|job| job.host == host && job.check == check);
    let token = job.and_then(|job| job.path.strip_prefix("/push/").map(str::to_owned));
    let token = token.ok_or_else(|| {
        wrong(&format!(
            "'{check}' of '{host}' is no job that reports itself: this server looks at it."
        ))
    })?;
    let is_well = brought.actual_status == expected;
    let ping = if is_well { JobPing::Success } else { JobPing::Failure(None) };
    let log = log(&brought, expected);
    let taken = app.ask(move |backend| match backend.push(&token, ping, &log) {
        Err(Refused::Absent) => Err(Refused::Conflict("it is no job any more".to_owned())),
        other => other,
    });
    taken.await?;
    let id = format!("{}-{}", service.id, app.now().unix.seconds());
    Ok((StatusCode::CREATED, [(header::LOCATION, resource.path(id))]).into_response())
}

/// Returns the service that a path leads to, under whichever of its names and whatever stands before it.
async fn referred(app: &Shared, who: &Who, path: &str) -> Told<Service> {
    let unknown =
        || wrong(&format!("Could not find the provided object via resource URI '{path}'."));
    let parts: Vec<&str> = path.split_once(BASE).map_or("", |(_, rest)| rest).split('/').collect();
    let ["windowsservice" | "process_check", id, ""] = parts.as_slice() else {
        return Err(unknown());
    };
    let id = number(id).map_err(|_| unknown())?;
    match services::find(app, who, id).await {
        Err(Refusal::Absent) => Err(unknown()),
        other => other,
    }
}

/// Returns a result in words.
fn log(brought: &Brought, expected: &str) -> String {
    let mut text = brought.actual_status.clone();
    if brought.actual_status != expected {
        text = format!("{text}, expected {expected}");
    }
    for more in [&brought.action_taken, &brought.comments].into_iter().flatten() {
        // Its agent always says this, and does nothing.
        if !more.is_empty() && more != "TODO" {
            text = format!("{text}\n{more}");
        }
    }
    let end = text.floor_char_boundary(MAX_TEXT);
    text.get(..end).unwrap_or_default().to_owned()
}
