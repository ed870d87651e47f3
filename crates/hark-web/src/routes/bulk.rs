//! One operation on many things.
//!
//! Each step is the route of one thing, with all that it asks for: rights, state, audit. So nothing can be
//! done to many that could not be done to each, and what fails for one does not keep the others.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use hark_api::hosts::{HostsQuery, LookQuery};
use hark_api::incidents::IncidentsQuery;
use hark_api::jobs::{
    Bulk, BulkRequest, HostChoice, IncidentChoice, Job, JobKind, MAX_CHOSEN, MAX_LISTED,
};
use hark_api::list::MAX_LIMIT;
use hark_api::tokens::Scope;
use hark_model::Unix;

use super::{hosts, incidents, jobs, silences};
use crate::app::Shared;
use crate::extract::{Body, Params, Path};
use crate::failure::{Failure, Reply};
use crate::jobs::Progress;
use crate::peer::Peer;
use crate::who::Who;

/// After so many steps, or so long, the user is looked up again: whoever lost a session or a role goes no
/// further. Not at each step, since that asks the engine about all hosts.
const RECHECK: usize = 20;
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// What a step is about.
enum Target {
    Incident(u64),
    Host(String),
}

/// Does one thing to many incidents or hosts, as a job.
#[utoipa::path(
    post, path = "/api/0/bulk", tag = "jobs", request_body = BulkRequest,
    responses((status = 202, body = Job, description = "It is being done: see the job."))
)]
pub(crate) async fn bulk(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Body(request): Body<BulkRequest>,
) -> Reply<Response> {
    who.within(scopes(&request.operation))?;
    check(&request.operation, app.now().unix)?;
    let targets = targets(&app, &who, &request).await?;
    let title = title(&request.operation, targets.len());
    let progress = app.jobs.begin(JobKind::Bulk, title, &who, targets.len())?;
    let job = progress.job()?;
    let detail = format!("job {}: {}", job.id, job.title);
    app.audit(Some(who.name()), peer.address, "bulk", detail).await;
    let work = run(Shared::clone(&app), peer, who, request.operation, targets, progress);
    app.deeds.tasks.spawn(work);
    Ok(jobs::accepted(job))
}

async fn run(
    app: Shared,
    peer: Peer,
    mut who: Who,
    operation: Bulk,
    targets: Vec<Target>,
    progress: Progress,
) {
    let Some((_turn, found)) = progress.turn(&app, &who).await else { return progress.give_up() };
    who = found;
    let mut looked_up = app.now().mono;
    for (n, target) in targets.iter().enumerate() {
        if progress.is_cancelled() || app.shutdown.is_cancelled() {
            return progress.give_up();
        }
        let now = app.now().mono;
        if n % RECHECK == RECHECK - 1 || now.since(looked_up) >= RECHECK_AFTER {
            let Some(found) = progress.again(&app, &who).await else { return progress.give_up() };
            (who, looked_up) = (found, now);
        }
        let (what, outcome) = match target {
            Target::Incident(id) => {
                (format!("incident {id}"), on_incident(&app, peer, &who, *id, &operation).await)
            }
            Target::Host(name) => {
                let query = Params(LookQuery::default());
                let path = Path(name.clone());
                let looked =
                    hosts::look(State(Shared::clone(&app)), peer, who.clone(), path, query);
                (format!("host {name}"), looked.await.map(drop))
            }
        };
        progress.step(&what, outcome);
    }
    progress.finish();
}

async fn on_incident(app: &Shared, peer: Peer, who: &Who, id: u64, what: &Bulk) -> Reply<()> {
    let (app, who, id) = (State(Shared::clone(app)), who.clone(), Path(id));
    match what.clone() {
        Bulk::Acknowledge(ack) => incidents::ack(app, peer, who, id, Body(ack)).await.map(drop),
        Bulk::GiveBack(_) => incidents::unack(app, peer, who, id).await.map(drop),
        Bulk::Comment(said) => incidents::comment(app, peer, who, id, Body(said)).await.map(drop),
        Bulk::Silence(order) => incidents::silence(app, peer, who, id, Body(order)).await.map(drop),
        Bulk::Resolve(order) => incidents::resolve(app, peer, who, id, Body(order)).await.map(drop),
        Bulk::Look(_) => Err(Failure::Internal),
    }
}

/// Returns what a token of limited use must be good for, as for one thing alone.
fn scopes(operation: &Bulk) -> &'static [Scope] {
    match operation {
        Bulk::Look(_) => &[Scope::HostsWrite],
        Bulk::Acknowledge(_)
        | Bulk::GiveBack(_)
        | Bulk::Comment(_)
        | Bulk::Silence(_)
        | Bulk::Resolve(_) => &[Scope::IncidentsWrite],
    }
}

/// Refuses what would fail at every step.
fn check(operation: &Bulk, now: Unix) -> Reply<()> {
    match operation {
        Bulk::Acknowledge(ack) if ack.until_at.is_some_and(|until| until.0 <= now) => {
            Err(Failure::field("do.acknowledge.until_at", "it must be in the future"))
        }
        Bulk::Acknowledge(ack) => {
            incidents::remark("do.acknowledge.comment", &ack.comment).map(drop)
        }
        Bulk::Comment(said) => incidents::remark("do.comment.text", &said.text).map(drop),
        Bulk::Silence(order) => {
            incidents::remark("do.silence.reason", &order.reason)?;
            silences::until(now, order.duration_seconds).map(drop)
        }
        Bulk::Resolve(order) => incidents::remark("do.resolve.comment", &order.comment).map(drop),
        Bulk::GiveBack(_) | Bulk::Look(_) => Ok(()),
    }
}

fn title(operation: &Bulk, number: usize) -> String {
    let (word, thing) = match operation {
        Bulk::Acknowledge(_) => ("acknowledge", "incidents"),
        Bulk::GiveBack(_) => ("give back", "incidents"),
        Bulk::Comment(_) => ("comment", "incidents"),
        Bulk::Silence(_) => ("silence", "incidents"),
        Bulk::Resolve(_) => ("resolve", "incidents"),
        Bulk::Look(_) => ("look now at the checks of", "hosts"),
    };
    format!("{word} {number} {thing}")
}

/// Returns what the request is about, within what the user sees.
async fn targets(app: &Shared, who: &Who, request: &BulkRequest) -> Reply<Vec<Target>> {
    let targets = match (&request.operation, &request.incidents, &request.hosts) {
        (Bulk::Look(_), None, Some(hosts)) => of_hosts(app, who, hosts).await?,
        (Bulk::Look(_), _, _) => {
            return Err(Failure::field("hosts", "say which, and nothing else"));
        }
        (_, Some(incidents), None) => of_incidents(app, who, incidents).await?,
        (_, _, _) => return Err(Failure::field("incidents", "say which, and nothing else")),
    };
    if targets.len() > MAX_CHOSEN {
        let most = format!("these are more than {MAX_CHOSEN}: choose fewer");
        return Err(Failure::field("q", most));
    }
    Ok(targets)
}

async fn of_incidents(app: &Shared, who: &Who, choice: &IncidentChoice) -> Reply<Vec<Target>> {
    listed("incidents.ids", choice.ids.len())?;
    if !choice.ids.is_empty() {
        return Ok(choice.ids.iter().copied().map(Target::Incident).collect());
    }
    if choice.q.is_none() && choice.sev.is_none() && !choice.all {
        return Err(Failure::field("incidents", "name ids, sev or q, or say `all`"));
    }
    let mut query = IncidentsQuery {
        view: choice.view,
        sev: choice.sev,
        q: choice.q.clone(),
        limit: Some(MAX_LIMIT),
        ..IncidentsQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let (sight, asked) = (who.sight(), query.clone());
        let page = app.ask(move |backend| backend.incidents(&sight, &asked)).await?;
        found.extend(page.items.iter().map(|row| Target::Incident(row.id)));
        query.cursor = page.next;
        if query.cursor.is_none() || found.len() > MAX_CHOSEN {
            return Ok(found);
        }
    }
}

async fn of_hosts(app: &Shared, who: &Who, choice: &HostChoice) -> Reply<Vec<Target>> {
    listed("hosts.names", choice.names.len())?;
    if !choice.names.is_empty() {
        return Ok(choice.names.iter().cloned().map(Target::Host).collect());
    }
    if choice.q.is_none() && choice.state.is_none() && !choice.all {
        return Err(Failure::field("hosts", "name names, state or q, or say `all`"));
    }
    let mut query = HostsQuery {
        q: choice.q.clone(),
        state: choice.state,
        limit: Some(MAX_LIMIT),
        ..HostsQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let (sight, asked) = (who.sight(), query.clone());
        let page = app.ask(move |backend| backend.hosts(&sight, &asked)).await?;
        found.extend(page.items.into_iter().map(|row| Target::Host(row.name)));
        query.cursor = page.next;
        if query.cursor.is_none() || found.len() > MAX_CHOSEN {
            return Ok(found);
        }
    }
}

fn listed(field: &str, number: usize) -> Reply<()> {
    if number > MAX_LISTED {
        return Err(Failure::field(field, format!("list at most {MAX_LISTED}")));
    }
    Ok(())
}
