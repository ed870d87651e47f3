//! What is kept for another time than the rest: finds which hosts the overrides of the configuration are about,
//! and tells history.
//!
//! What was exported goes after a day, looked after here as well.
//!
//! Hosts come, go and change their tags; what is kept goes by days. So it is looked at a start, after a reload,
//! and some times an hour.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hark_model::time::Clock;
use hark_model::{HostId, Tag};
use hark_store::history::{Exception, Exceptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::history_loop;
use super::links::Links;
use crate::config::{HistorySettings, Override, retention};

/// How often hosts are looked at.
const LOOK: Duration = Duration::from_mins(10);

/// How soon it is tried again where history could not be told.
const AGAIN: Duration = Duration::from_secs(5);

/// What the configuration says of it.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    settings: ArcSwap<HistorySettings>,
    changed: Notify,
}

impl Retention {
    /// Takes on what the configuration says.
    pub(super) fn plan(&self, settings: HistorySettings) {
        self.settings.store(Arc::new(settings));
        self.changed.notify_one();
    }
}

/// Tells history until the token is cancelled.
pub(super) async fn run(links: Arc<Links>, stop: CancellationToken) {
    loop {
        let told = {
            let links = Arc::clone(&links);
            let work = move || {
                links.exports.tidy();
                tell(&links)
            };
            tokio::task::spawn_blocking(work).await.unwrap_or(None)
        };
        let wait = if told.is_some() { LOOK } else { AGAIN };
        tokio::select! {
            () = stop.cancelled() => return,
            () = links.retention.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Finds whom the overrides are about and tells history; `None` if that is stopped or the server ends.
fn tell(links: &Links) -> Option<()> {
    let configured = links.retention.settings.load_full();
    let mut hosts = Vec::new();
    if !configured.overrides.is_empty() {
        let now = Clock.now();
        hosts = links.ask(move |engine| {
            // One that was dropped may come back for a while, and must have then what it had.
            let dropped = engine.dropped(now).map(|dropped| dropped.host);
            let of = |host: hark_engine::view::HostView<'_>| {
                (host.id(), host.name().clone(), host.tags().to_vec())
            };
            engine.hosts().chain(dropped).map(of).collect::<Vec<_>>()
        })?;
    }
    let hosts = hosts.iter().map(|(id, name, tags)| (*id, name.as_str(), tags.as_slice()));
    let exceptions = exceptions(&configured.overrides, hosts);
    let settings = history_loop::settings(&configured);
    links.ask_history(move |history| history.keep(settings, exceptions))
}

/// Returns the overrides as history knows them. Hosts of which the same are hold them together: there are few
/// different ones.
fn exceptions<'h>(
    overrides: &[Override],
    hosts: impl Iterator<Item = (HostId, &'h str, &'h [Tag])>,
) -> Exceptions {
    let all = overrides.iter().map(|one| {
        let metrics = Arc::clone(&one.metrics);
        Exception {
            words: one.words(),
            fits: Arc::new(move |def| retention::fits(&metrics, def)),
            kept: one.kept,
        }
    });
    let mut known: BTreeMap<Vec<u16>, Arc<[u16]>> = BTreeMap::new();
    let own = hosts.map(|(id, name, tags)| {
        let places = (0u16..).zip(overrides).filter(|(_, one)| one.covers(name, tags));
        let places: Vec<u16> = places.map(|(place, _)| place).collect();
        let shared = known.entry(places).or_insert_with_key(|places| places.as_slice().into());
        (id, Arc::clone(shared))
    });
    Exceptions::new(all.collect(), own)
}

#[cfg(test)]
mod tests {
    use hark_model::record::Matcher;

    use super::*;

    #[test]
    fn the_overrides_of_a_host_are_found_by_name_and_tag_in_their_order() {
        let of = |hosts: &[&str], tags: &[&str], metric: &str| Override {
            hosts: Matcher {
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
                tags: tags.iter().map(|tag| Tag::new(tag).unwrap()).collect(),
                ..Matcher::default()
            },
            metrics: Arc::new([metric.to_owned()]),
            kept: [Duration::from_hours(48); 3],
        };
        let overrides = [of(&["web*"], &[], "a.b"), of(&[], &["role:db"], "c.d")];
        let db = [Tag::new("role:db").unwrap()];
        let hosts: [(HostId, &str, &[Tag]); 4] = [
            (HostId(1), "web1", &db),
            (HostId(2), "web2", &[]),
            (HostId(3), "db1", &db),
            (HostId(4), "mail", &[]),
        ];
        let made = exceptions(&overrides, hosts.into_iter());
        let expected = [(1, vec![0u16, 1]), (2, vec![0]), (3, vec![1])];
        let expected = expected.map(|(host, own)| (HostId(host), Arc::from(own)));
        let all = exceptions(&overrides, std::iter::empty());
        assert_ne!(made, all);
        let words = ["a.b", "c.d"].map(|words| Exception {
            words: words.to_owned(),
            fits: Arc::new(|_| true),
            kept: [Duration::from_hours(48); 3],
        });
        assert_eq!(made, Exceptions::new(words.to_vec(), expected.into_iter()));
    }
}
