//! Agents: hosts.

use std::time::Duration;

use hark_api::hosts::Host;
use hark_model::HostName;
use serde_json::{Value, json};

use super::page::{Asked, number};
use super::{Refusal, Resource, Told};
use crate::app::Shared;
use crate::backend::{Answer, Backend, Sight};
use crate::who::Who;

/// Number and name of a host.
pub(super) type Known = (u32, HostName);

/// Returns the hosts that `who` sees, by name.
pub(super) async fn all(app: &Shared, who: &Who) -> Told<Vec<Known>> {
    let sight = who.sight();
    Ok(app.ask(move |backend| known(backend, &sight)).await?)
}

/// Returns the host of a number.
pub(super) async fn find(app: &Shared, who: &Who, id: u64) -> Told<Known> {
    let all = all(app, who).await?;
    all.into_iter().find(|(known, _)| u64::from(*known) == id).ok_or(Refusal::Absent)
}

fn known(backend: &dyn Backend, sight: &Sight) -> Answer<Vec<Known>> {
    let fleet = backend.fleet(sight)?;
    let pairs = fleet.id.into_iter().zip(fleet.name);
    let mut all: Vec<Known> =
        pairs.filter_map(|(id, name)| Some((id, HostName::new(&name).ok()?))).collect();
    all.sort_by(|(_, a), (_, b)| a.cmp(b));
    Ok(all)
}

pub(super) async fn list(
    app: &Shared,
    who: &Who,
    resource: Resource,
    asked: &Asked,
) -> Told<(Vec<Value>, usize)> {
    let mut wanted = Vec::new();
    for one in all(app, who).await? {
        if asked.wants(one.0.into())? {
            wanted.push(one);
        }
    }
    let total = wanted.len();
    let (page, sight) = (asked.cut(wanted), who.sight());
    let shown = app.ask(move |backend| {
        let one =
            |(id, host): (u32, HostName)| Ok(shown(resource, id, &backend.host(&sight, &host)?));
        page.into_iter().map(one).collect::<Answer<Vec<_>>>()
    });
    Ok((shown.await?, total))
}

pub(super) async fn one(app: &Shared, who: &Who, resource: Resource, id: &str) -> Told<Value> {
    let id = number(id).map_err(|_| Refusal::Absent)?;
    let ((id, host), sight) = (find(app, who, id).await?, who.sight());
    let host = app.ask(move |backend| backend.host(&sight, &host)).await?;
    Ok(shown(resource, id, &host))
}

fn shown(resource: Resource, id: u32, host: &Host) -> Value {
    let version = (!host.agent_version.is_empty()).then_some(&host.agent_version);
    let interval = Duration::try_from_secs_f64(host.interval_seconds).unwrap_or_default();
    // Whoever reads it reads a whole number.
    let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    json!({"check_interval_ms": interval, "guid": null, "hostname": host.name, "id": id,
        "last_checkin": host.last_heard_at, "resource_uri": resource.path(id), "version": version})
}
