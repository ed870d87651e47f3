//! Services: checks of hosts, which are expected to be well.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::{CheckName, HostName};
use serde_json::{Value, json};

use super::agents::{self, Known};
use super::page::{Asked, number, wrong};
use super::{MAX_UNNAMED, Refusal, Resource, Told};
use crate::app::Shared;
use crate::auth::token;
use crate::backend::{Answer, Backend, Sight};
use crate::who::Who;

/// Bits of a service's number that are the check's; the others are its host's. Its agent reads numbers of 31
/// bits, so a million hosts have some.
const CHECK_BITS: u32 = 11;

/// What a service is that is well.
pub(super) const EXPECTED: &str = "RUNNING";

/// A check of a host, with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) id: u64,
    pub(super) agent: u32,
    pub(super) host: HostName,
    pub(super) check: CheckName,
}

impl Service {
    fn shown(&self, resource: Resource) -> Value {
        let agent = Resource::find("agent").map(|agents| agents.path(self.agent));
        let name = self.check.as_str();
        json!({"agent": agent, "description": name, "expected_status": EXPECTED, "hidden": false,
            "id": self.id, "resource_uri": resource.path(self.id), "service_name": name})
    }
}

/// Returns the checks of a host with their numbers: the host's, and a hash of the name, so that a number stays
/// that of its check whichever others come and go. Of two whose hashes are the same, of a few dozen once in
/// many hosts, the second by name gets the next number.
fn numbered(agent: u32, host: &HostName, checks: BTreeSet<CheckName>) -> Vec<Service> {
    let size = 1_u64 << CHECK_BITS;
    let mut taken: BTreeMap<u64, CheckName> = BTreeMap::new();
    for check in checks {
        let hash = token::hash(check.as_str().as_bytes());
        let first = u64::from(u16::from_be_bytes([hash[0], hash[1]])) % size;
        // A host with more checks than numbers shows as many as there are.
        if let Some(free) = (0..size).map(|n| (first + n) % size).find(|n| !taken.contains_key(n)) {
            taken.insert(free, check);
        }
    }
    let base = u64::from(agent) << CHECK_BITS;
    let one = |(n, check)| Service { id: base + n, agent, host: host.clone(), check };
    let mut all: Vec<Service> = taken.into_iter().map(one).collect();
    all.sort_by(|a, b| a.check.cmp(&b.check));
    all
}

fn of_host(backend: &dyn Backend, sight: &Sight, (id, host): &Known) -> Answer<Vec<Service>> {
    let shown = backend.host(sight, host)?;
    let names = shown.checks.iter().filter_map(|check| CheckName::new(&check.name).ok());
    Ok(numbered(*id, host, names.collect()))
}

/// Returns the services of one host.
pub(super) async fn of(app: &Shared, who: &Who, agent: u64) -> Told<Vec<Service>> {
    let (known, sight) = (agents::find(app, who, agent).await?, who.sight());
    Ok(app.ask(move |backend| of_host(backend, &sight, &known)).await?)
}

/// Returns the services of all hosts.
async fn of_all(app: &Shared, who: &Who) -> Told<Vec<Service>> {
    let hosts = agents::all(app, who).await?;
    if hosts.len() > MAX_UNNAMED {
        return Err(wrong("There are too many services: name an agent."));
    }
    let sight = who.sight();
    let all = app.ask(move |backend| {
        let each = hosts.iter().map(|known| of_host(backend, &sight, known));
        Ok(each.collect::<Answer<Vec<_>>>()?.concat())
    });
    Ok(all.await?)
}

/// Returns the service of a number.
pub(super) async fn find(app: &Shared, who: &Who, id: u64) -> Told<Service> {
    let all = of(app, who, id >> CHECK_BITS).await?;
    all.into_iter().find(|service| service.id == id).ok_or(Refusal::Absent)
}

pub(super) async fn list(
    app: &Shared,
    who: &Who,
    resource: Resource,
    asked: &Asked,
) -> Told<(Vec<Value>, usize)> {
    let agent = asked.number(&["agent", "agent__id"])?;
    let found = match agent {
        Some(agent) => of(app, who, agent).await,
        None => of_all(app, who).await,
    };
    let all = match found {
        // Of somebody who is not there: the list is empty.
        Err(Refusal::Absent) => Vec::new(),
        other => other?,
    };
    let total = all.len();
    let page = asked.cut(all);
    Ok((page.iter().map(|service| service.shown(resource)).collect(), total))
}

pub(super) async fn one(app: &Shared, who: &Who, resource: Resource, id: &str) -> Told<Value> {
    let id = number(id).map_err(|_| Refusal::Absent)?;
    Ok(find(app, who, id).await?.shown(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_that_of_its_check_whichever_others_come_and_go() {
        let host = HostName::new("db1").unwrap();
        let name = |n: u32| CheckName::new(&format!("check-{n}")).unwrap();
        let few = numbered(7, &host, [name(1), name(2)].into());
        let more = numbered(7, &host, (0..20).map(name).collect());
        for service in &few {
            assert!(more.contains(service), "{service:?}");
            assert_eq!(service.id >> CHECK_BITS, 7);
            assert!(service.id < 1 << 31);
        }
        // As many as there are numbers have one each, and those beyond have none.
        let all = numbered(1, &host, (0..2100).map(name).collect());
        let ids: BTreeSet<u64> = all.iter().map(|service| service.id).collect();
        assert_eq!((all.len(), ids.len()), (2048, 2048));
    }
}
