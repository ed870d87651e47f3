//! Releases that the server offers, and how far they have come.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hark_api::updates::{OfferedRelease, Rollout};
use hark_model::{HostName, Tag};
use hark_web::{Answer, Refused, Sight};

use super::ServerBackend;
use crate::server::releases::Offered;
use crate::update::is_at_least;

/// A host as far as releases go.
struct Known {
    name: HostName,
    tags: Vec<Tag>,
    version: Option<String>,
}

impl ServerBackend {
    pub(super) fn release_for(&self, name: &str, host: &HostName) -> Answer<Option<PathBuf>> {
        let wanted = host.clone();
        let tags = self.ask(move |engine| {
            engine.host_named(wanted.as_str()).map(|host| host.tags().to_vec())
        })?;
        let found = self.links.releases.file(name, host.as_str(), &tags.unwrap_or_default());
        found.map_err(|()| Refused::Absent)
    }

    pub(super) fn rollout_now(&self, sight: &Sight) -> Answer<Rollout> {
        let known = self.ask(|engine| {
            let known = |host: hark_engine::view::HostView<'_>| Known {
                name: host.name().clone(),
                tags: host.tags().to_vec(),
                version: host.fact("agent_version").map(str::to_owned),
            };
            engine.hosts().map(known).collect::<Vec<_>>()
        })?;
        let hosts: Vec<Known> =
            known.into_iter().filter(|host| sight.covers(host.name.as_str())).collect();
        let mut versions: BTreeMap<String, u64> = BTreeMap::new();
        for version in hosts.iter().filter_map(|host| host.version.as_ref()) {
            *versions.entry(version.clone()).or_default() += 1;
        }
        let offer = self.links.releases.offer();
        let shown = |release: Offered| {
            let covered = hosts.iter().filter(|host| {
                let covers = |offer: &crate::config::Offer| {
                    offer.covers(host.name.as_str(), &host.tags, &release.version)
                };
                host.version.is_some() && offer.as_deref().is_some_and(covers)
            });
            let (mut offered_to, mut arrived) = (0, 0);
            for host in covered {
                offered_to += 1;
                let version = host.version.as_deref().unwrap_or_default();
                arrived += u64::from(is_at_least(version, &release.version));
            }
            let placed_at = release.placed_at.map(Into::into);
            let Offered { target, version, .. } = release;
            OfferedRelease { target, version, placed_at, offered_to, arrived }
        };
        Ok(Rollout {
            enabled: offer.is_some(),
            percent: offer.as_ref().map_or(0, |offer| offer.percent),
            hosts: offer.as_ref().map(|offer| offer.matcher.hosts.clone()).unwrap_or_default(),
            tags: offer.as_ref().map_or_else(Vec::new, |offer| {
                offer.matcher.tags.iter().map(|tag| tag.as_str().to_owned()).collect()
            }),
            releases: self.links.releases.list().into_iter().map(shown).collect(),
            versions,
        })
    }
}
