//! Which series there are, by the names and labels that Prometheus knows them by.
//!
//! It follows the catalogue of history from question to question. What a set of series is called does not
//! depend on the host, so metrics are looked up once for all hosts that share a set, and labels are made
//! only of series that fit. Four bytes for each series of each set, and as much for each set of each host.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hark_model::labels::{HOST, INSTANCE, Identity};
use hark_model::{HostName, SeriesDef};
use hark_query::{Labels, Matcher, NAME};
use hark_store::history::{Mark, News};

/// A label that a host may change: see `hark_model::labels`.
const EXPORTED_HOST: &str = "exported_host";

/// A series of a host, with the places at which its samples lie: it may have moved from set to set.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its labels, the metric's name among them.
    pub(crate) labels: Labels,
    /// Set, and place in the set.
    pub(crate) places: Vec<(u32, usize)>,
}

/// Where a series stands in a set.
type Place = (u32, u16);

/// The index.
#[derive(Debug, Default)]
pub(crate) struct SeriesIndex {
    mark: Mark,
    sets: HashMap<u32, Arc<[SeriesDef]>>,
    by_metric: BTreeMap<String, Vec<Place>>,
    sets_of: HashMap<u32, Vec<u32>>,
    hosts_of: HashMap<u32, Vec<u32>>,
}

impl SeriesIndex {
    /// Returns how far the catalogue was followed.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Takes in what is new.
    pub(crate) fn apply(&mut self, news: News) {
        if news.is_all {
            *self = Self::default();
        }
        self.mark = news.mark;
        for (number, set) in news.sets {
            for (place, def) in (0u16..).zip(set.iter()) {
                let metric = Identity::of(&def.name, def.kind).metric;
                self.by_metric.entry(metric).or_default().push((number, place));
            }
            self.sets.insert(number, set);
        }
        for (host, sets) in news.hosts {
            for set in self.sets_of.remove(&host.0).unwrap_or_default() {
                if let Some(hosts) = self.hosts_of.get_mut(&set) {
                    hosts.retain(|known| *known != host.0);
                }
            }
            for set in &sets {
                self.hosts_of.entry(*set).or_default().push(host.0);
            }
            self.sets_of.insert(host.0, sets);
        }
    }

    /// Returns the series that all of `matchers` fit, of hosts of which the `name` is known, by host.
    pub(crate) fn find(
        &self,
        matchers: &[Matcher],
        name: impl Fn(u32) -> Option<HostName>,
    ) -> BTreeMap<u32, Vec<Found>> {
        let (by_name, by_label): (Vec<&Matcher>, Vec<&Matcher>) =
            matchers.iter().partition(|matcher| matcher.name == NAME);
        let mut names: HashMap<u32, Option<HostName>> = HashMap::new();
        let mut found: BTreeMap<u32, BTreeMap<Labels, Vec<(u32, usize)>>> = BTreeMap::new();
        for (metric, places) in self.metrics(&by_name) {
            let metric_name: Arc<str> = Arc::from(metric);
            for (set, place) in places {
                let place = usize::from(*place);
                let Some(def) = self.sets.get(set).and_then(|set| set.get(place)) else { continue };
                let identity = Identity::of(&def.name, def.kind);
                let of_series = |matcher: &&&Matcher| !is_of_host(&identity, &matcher.name);
                let fits = |matcher: &&Matcher| matcher.fits(identity.labels.get(&matcher.name));
                if !by_label.iter().filter(of_series).all(fits) {
                    continue;
                }
                for host in self.hosts_of.get(set).into_iter().flatten() {
                    let name = names.entry(*host).or_insert_with(|| name(*host));
                    let Some(name) = name else { continue };
                    let labels = identity.labels_on(name);
                    if !by_label.iter().all(|matcher| matcher.fits(labels.get(&matcher.name))) {
                        continue;
                    }
                    let labels = labels.iter().map(|(n, v)| (Arc::from(n), Arc::from(v)));
                    let named = (Arc::from(NAME), Arc::clone(&metric_name));
                    let labels = Labels::new(labels.chain([named]));
                    let of_host = found.entry(*host).or_default();
                    of_host.entry(labels).or_default().push((*set, place));
                }
            }
        }
        let series = |(labels, places)| Found { labels, places };
        found.into_iter().map(|(host, all)| (host, all.into_iter().map(series).collect())).collect()
    }

    /// Returns the metrics that fit, with their places.
    fn metrics<'i>(&'i self, matchers: &[&Matcher]) -> Vec<(&'i str, &'i [Place])> {
        let fits = |metric: &str| matchers.iter().all(|matcher| matcher.fits(metric));
        let as_slice =
            |(metric, places): (&'i String, &'i Vec<Place>)| (metric.as_str(), &places[..]);
        match matchers.iter().find_map(|matcher| matcher.values()) {
            Some(values) => {
                let known = values.into_iter().filter_map(|v| self.by_metric.get_key_value(v));
                known.filter(|(metric, _)| fits(metric)).map(as_slice).collect()
            }
            None => {
                self.by_metric.iter().filter(|(metric, _)| fits(metric)).map(as_slice).collect()
            }
        }
    }

    /// Returns every metric with one of its series and the number of hosts that have it, of those that are `seen`.
    ///
    /// Each host counts once, whatever sets it has: a stamp by the host's number says which metric it was counted
    /// for last, so that half a million series take milliseconds.
    pub(crate) fn counted(
        &self,
        seen: impl Fn(u32) -> bool,
    ) -> impl Iterator<Item = (&str, &SeriesDef, u64)> {
        let most = self.sets_of.keys().max().map_or(0, |host| *host + 1);
        let is_seen = |host: u32| self.sets_of.contains_key(&host) && seen(host);
        let seen_of: Vec<bool> = (0..most).map(is_seen).collect();
        let mut stamps = vec![0u32; seen_of.len()];
        (1u32..).zip(&self.by_metric).filter_map(move |(turn, (metric, places))| {
            let mut hosts = 0;
            for host in places.iter().filter_map(|(set, _)| self.hosts_of.get(set)).flatten() {
                let place = *host as usize;
                let Some(stamp) = stamps.get_mut(place) else { continue };
                if *stamp != turn && seen_of.get(place).is_some_and(|seen| *seen) {
                    *stamp = turn;
                    hosts += 1;
                }
            }
            let def = places.iter().find_map(|place| self.definition(*place))?;
            (hosts > 0).then_some((metric.as_str(), def, hosts))
        })
    }

    /// Returns the series of a metric with the hosts that have them; one that moved from set to set comes twice.
    pub(crate) fn series_of<'i>(
        &'i self,
        metric: &str,
    ) -> impl Iterator<Item = (u32, &'i SeriesDef)> + use<'i> {
        let places = self.by_metric.get(metric).into_iter().flatten();
        places.filter_map(|place| Some((place.0, self.definition(*place)?))).flat_map(
            |(set, def)| {
                self.hosts_of.get(&set).into_iter().flatten().map(move |host| (*host, def))
            },
        )
    }

    fn definition(&self, (set, place): Place) -> Option<&SeriesDef> {
        self.sets.get(&set)?.get(usize::from(place))
    }

    /// Returns the definitions of the series of a metric, and of all metrics in their order.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = (&str, &SeriesDef)> {
        self.by_metric.iter().filter_map(move |(metric, places)| {
            Some((metric.as_str(), places.iter().find_map(|place| self.definition(*place))?))
        })
    }
}

/// Returns true for a label that is not known before the host is.
fn is_of_host(identity: &Identity, label: &str) -> bool {
    match label {
        HOST | EXPORTED_HOST => true,
        INSTANCE => identity.labels.get(INSTANCE).is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hark_model::{HostId, MetricKind, SeriesName, Unit};
    use hark_query::parse_selector;

    use super::*;

    fn set(series: &[(&str, &str, &str)]) -> Arc<[SeriesDef]> {
        let def = |(collector, instance, metric): &(&str, &str, &str)| SeriesDef {
            name: SeriesName::of(collector, instance, metric),
            unit: Unit::None,
            kind: MetricKind::Gauge,
            decimals: 0,
        };
        series.iter().map(def).collect::<Vec<_>>().into()
    }

    fn news(is_all: bool, sets: &[(u32, Arc<[SeriesDef]>)], hosts: &[(u32, &[u32])]) -> News {
        let hosts = hosts.iter().map(|(host, sets)| (HostId(*host), sets.to_vec())).collect();
        News { is_all, sets: sets.to_vec(), hosts, ..News::default() }
    }

    fn found(index: &SeriesIndex, selector: &str) -> Vec<String> {
        let name = |host: u32| {
            // Host 9 is one that whoever asks may not see.
            (host != 9).then(|| HostName::new(&format!("web{host}")).unwrap())
        };
        let all = index.find(&parse_selector(selector).unwrap(), name);
        all.into_values().flatten().map(|found| found.labels.to_string()).collect()
    }

    #[test]
    fn series_are_found_by_name_and_labels_on_hosts_that_may_be_seen() {
        let mut index = SeriesIndex::default();
        let own = set(&[("cpu_monitor", "", "load"), ("disk_monitor", "/", "percent")]);
        let theirs = set(&[
            ("exporter", "node.instance=x:9100,mode=idle", "cpu"),
            ("exporter", "node", "up"),
        ]);
        let hosts: [(u32, &[u32]); 3] = [(1, &[1]), (2, &[1, 2]), (9, &[1, 2])];
        index.apply(news(true, &[(1, own), (2, theirs)], &hosts));
        let load = |host| {
            format!("hark_cpu_load{{host=\"web{host}\", instance=\"web{host}\", job=\"hark\"}}")
        };
        assert_eq!(found(&index, "hark_cpu_load"), [load(1), load(2)]);
        assert_eq!(found(&index, "hark_cpu_load{instance=\"web2\"}"), [load(2)]);
        assert_eq!(found(&index, "hark_cpu_load{instance=~\"web1|web9\"}"), [load(1)]);
        assert_eq!(found(&index, "hark_cpu_load{host!=\"web2\"}"), [load(1)]);
        assert_eq!(found(&index, "{__name__=~\"hark_.*\",name=\"\"}"), [load(1), load(2)]);
        assert_eq!(found(&index, "{__name__=~\"hark_.*\",name=\"/\"}").len(), 2);
        assert_eq!(found(&index, "cpu{instance=\"x:9100\"}").len(), 1);
        assert_eq!(found(&index, "cpu{instance=\"web2\"}").len(), 0);
        assert_eq!(found(&index, "up{instance=\"web2\",job=\"node\"}").len(), 1);
        assert_eq!(found(&index, "{host=~\".+\"}").len(), 2 + 4);
        assert_eq!(found(&index, "nothing").len(), 0);
    }

    #[test]
    fn metrics_are_counted_by_the_hosts_that_may_be_seen_each_once() {
        let mut index = SeriesIndex::default();
        let own = set(&[("disk_monitor", "/", "percent"), ("disk_monitor", "/var", "percent")]);
        let later = set(&[("disk_monitor", "/", "percent"), ("cpu_monitor", "", "load")]);
        let hosts: [(u32, &[u32]); 4] = [(1, &[1]), (2, &[1, 2]), (3, &[2]), (9, &[1, 2])];
        index.apply(news(true, &[(1, own), (2, later)], &hosts));
        let counted = |seen: &dyn Fn(u32) -> bool| -> Vec<(String, u64)> {
            index.counted(seen).map(|(metric, _, hosts)| (metric.to_owned(), hosts)).collect()
        };
        let both = |load, disk| {
            vec![("hark_cpu_load".to_owned(), load), ("hark_disk_percent".to_owned(), disk)]
        };
        assert_eq!(counted(&|host| host != 9), both(2, 3));
        assert_eq!(counted(&|host| host == 1), both(0, 1)[1..]);
        assert_eq!(counted(&|_| false), []);
        let on = |metric: &str| {
            let mut all: Vec<(u32, &str)> = index
                .series_of(metric)
                .map(|(host, def)| (host, def.name.instance.as_str()))
                .collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        assert_eq!(on("hark_cpu_load"), [(2, ""), (3, ""), (9, "")]);
        assert_eq!(on("hark_disk_percent").len(), 2 + 2 + 1 + 2);
        assert_eq!(on("nothing"), []);
    }

    #[test]
    fn a_host_that_changes_or_goes_is_followed() {
        let mut index = SeriesIndex::default();
        let (one, two) = (set(&[("a", "", "x")]), set(&[("a", "", "x"), ("a", "", "y")]));
        index.apply(news(true, &[(1, one)], &[(1, &[1]), (2, &[1])]));
        index.apply(news(false, &[(2, Arc::clone(&two))], &[(1, &[1, 2])]));
        assert_eq!(found(&index, "hark_a_x").len(), 2, "in two sets, and one series");
        assert_eq!(found(&index, "hark_a_y").len(), 1);
        index.apply(news(false, &[], &[(1, &[])]));
        assert_eq!(found(&index, "{job=\"hark\"}").len(), 1);
        index.apply(news(true, &[(1, two)], &[(2, &[1])]));
        assert_eq!(found(&index, "{job=\"hark\"}").len(), 2, "numbers may be others after a start");
    }

    #[test]
    fn a_series_of_many_thousand_hosts_is_found_in_one_look_at_each() {
        let metrics: Vec<String> = (0..34).map(|n| format!("m{n}")).collect();
        // Each host has series of its own, as hosts with other disks and interfaces have.
        let sets = (1..=10_000u32).map(|host| {
            let instance = format!("/{host}");
            let of =
                |metric: &String| (String::from("x_monitor"), instance.clone(), metric.clone());
            let all: Vec<_> = metrics.iter().map(of).collect();
            let borrowed: Vec<_> =
                all.iter().map(|s| (s.0.as_str(), s.1.as_str(), s.2.as_str())).collect();
            (host, set(&borrowed))
        });
        let sets: Vec<_> = sets.collect();
        let own: Vec<(u32, [u32; 1])> = (1..=10_000).map(|host| (host, [host])).collect();
        let hosts: Vec<(u32, &[u32])> = own.iter().map(|(host, sets)| (*host, &sets[..])).collect();
        let mut index = SeriesIndex::default();
        let clock = hark_model::Clock;
        let begin = clock.now().mono;
        index.apply(news(true, &sets, &hosts));
        let made = clock.now().mono;
        assert_eq!(found(&index, "hark_x_m7").len(), 9_999);
        let looked = clock.now().mono;
        assert_eq!(found(&index, "hark_x_m7{instance=\"web77\"}").len(), 1);
        let one = clock.now().mono;
        eprintln!(
            "340,000 series: index {:?}, one of each host {:?}, one {:?}",
            made.since(begin),
            looked.since(made),
            one.since(looked)
        );
    }
}
