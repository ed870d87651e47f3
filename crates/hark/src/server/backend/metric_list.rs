//! Metrics of all hosts: which there are, and what each host says of one.

use std::collections::{BTreeMap, BTreeSet};

use hark_api::Page;
use hark_api::list::{Cursor, limit};
use hark_api::series::{MetricHostsQuery, MetricOnHost, MetricSummary};
use hark_api::sought::Sought;
use hark_model::{HostId, SeriesName, Unix};
use hark_web::{Answer, Refused, Sight};

use super::{ServerBackend, paging};

/// Hosts whose newest values are asked for at once: the history thread is kept for a moment only.
const HOSTS_AT_ONCE: usize = 32;

/// So much of an instance goes into a cursor, beside the name of a host.
const LONGEST: usize = 300;

/// The newest values of a host, by the name of the series.
type Newest = BTreeMap<SeriesName, (f64, Unix)>;

/// A series of a host on its way into a page, in the order of the list.
type Row = (String, SeriesName, u32);

impl ServerBackend {
    /// Returns the metrics that a host within the sight has; none while history cannot be read.
    pub(super) fn metrics_by_name(&self, sight: &Sight) -> Vec<MetricSummary> {
        let Some(index) = self.index() else { return Vec::new() };
        let counted = index.counted(|host| self.name_within(sight, host).is_some());
        let summary = |(name, def, hosts): (&str, &hark_model::SeriesDef, u64)| MetricSummary {
            name: name.to_owned(),
            collector: def.name.collector.clone(),
            metric: def.name.metric.clone(),
            unit: def.unit.word().to_owned(),
            kind: def.kind.into(),
            hosts,
        };
        counted.map(summary).collect()
    }

    /// Returns one page of the series of a metric, by host, with their newest values; one that no host within
    /// the sight has is none.
    pub(super) fn metric_by_host(
        &self,
        sight: &Sight,
        metric: &str,
        query: &MetricHostsQuery,
    ) -> Answer<Page<MetricOnHost>> {
        let after = query.cursor.as_ref().and_then(Cursor::name).and_then(read);
        let q = query.q.as_deref().map(Sought::new);
        let mut all: BTreeSet<Row> = BTreeSet::new();
        let mut is_known = false;
        if let Some(index) = self.index() {
            for (host, def) in index.series_of(metric) {
                let Some(name) = self.name_within(sight, host) else { continue };
                is_known = true;
                let fits = |q: &Sought| q.is_in(name.as_str()) || q.is_in(&def.name.instance);
                if q.as_ref().is_none_or(fits) {
                    all.insert((name.to_string(), def.name.clone(), host));
                }
            }
        }
        if !is_known {
            return Err(Refused::Absent);
        }
        let is_backwards = query.sort.is_some_and(|sort| sort.is_backwards);
        let order = |a: (&str, &str), b: (&str, &str)| {
            if is_backwards { b.cmp(&a) } else { a.cmp(&b) }
        };
        let is_after = |row: &Row| after.is_none_or(|after| order(place(row), after).is_gt());
        let compare = |a: &Row, b: &Row| order(place(a), place(b));
        let rows = all.into_iter().filter(is_after);
        let (rows, more) = paging::first(rows, limit(query.limit), compare);
        let last = rows.last().filter(|_| more);
        let next = last.and_then(|(host, name, _)| {
            // Labels of others may be longer than a cursor: then the next page begins a little earlier.
            let end = name.instance.floor_char_boundary(LONGEST);
            Cursor::of_name(&format!("{host}\n{}", name.instance.get(..end).unwrap_or_default()))
        });
        Ok(Page { items: self.with_newest(rows), next })
    }

    fn with_newest(&self, rows: Vec<Row>) -> Vec<MetricOnHost> {
        let hosts: Vec<u32> =
            rows.iter().map(|(_, _, host)| *host).collect::<BTreeSet<_>>().into_iter().collect();
        let mut newest: BTreeMap<u32, Newest> = BTreeMap::new();
        for some in hosts.chunks(HOSTS_AT_ONCE) {
            let some = some.to_vec();
            let found = self.links.ask_history(move |history| {
                let latest = |host: &u32| {
                    let all = history.latest(HostId(*host)).into_iter();
                    (*host, all.map(|one| (one.def.name, (one.value, one.at))).collect())
                };
                some.iter().map(latest).collect::<Vec<(u32, Newest)>>()
            });
            newest.extend(found.unwrap_or_default());
        }
        let row = |(host, name, number): Row| {
            let last = newest.get(&number).and_then(|all| all.get(&name));
            MetricOnHost {
                host,
                instance: name.instance.clone(),
                path: name.path(),
                last: last.map(|(value, _)| *value).filter(|value| !value.is_nan()),
                at_unix_s: last.map(|(_, at)| at.seconds()),
            }
        };
        rows.into_iter().map(row).collect()
    }
}

/// What the list is in order by.
fn place(row: &Row) -> (&str, &str) {
    (row.0.as_str(), row.1.instance.as_str())
}

/// A cursor is what the list is in order by; names of hosts have no line breaks.
fn read(cursor: &str) -> Option<(&str, &str)> {
    cursor.split_once('\n')
}
