//! Samples: metrics of a host, charts, lanes, and the seed's plugin paths.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_api::alerts::{PluginHistory, PluginLatest, PluginSample, Plugins};
use hark_api::series::{IncidentSpan, Lane, LaneSpan, Lanes, Metric, Metrics, Series};
use hark_api::words::Letter;
use hark_model::record::IncidentRecord;
use hark_model::time::Clock;
use hark_model::{HostId, HostName, SeriesDef, SeriesName, Unix};
use hark_store::history::{Answer as Samples, Line};
use hark_store::state::IncidentFilter;
use hark_web::{Answer, Refused, SeriesOrder};

use super::ServerBackend;
use super::overview::limits;

/// Incidents of one host shown in its charts.
const MAX_SPANS: u32 = 500;

impl ServerBackend {
    pub(super) fn metrics_of(&self, host: &HostName) -> Answer<Metrics> {
        let id = self.number(host)?;
        let found = self.links.ask_history(move |h| (h.latest(id), h.series_of(id)));
        let (latest, declared) = found.unwrap_or_default();
        let mut items: BTreeMap<String, Metric> =
            declared.iter().map(|def| (def.name.path(), metric(def, None, None))).collect();
        for l in latest {
            let value = (!l.value.is_nan()).then_some(l.value);
            items.insert(l.def.name.path(), metric(&l.def, value, Some(l.at)));
        }
        Ok(Metrics { items: items.into_values().collect() })
    }

    pub(super) fn series_of(&self, host: &HostName, order: &SeriesOrder) -> Answer<Series> {
        let id = self.number(host)?;
        let (from, to) = (order.from, order.to);
        let names = self.series_names(id, &order.names);
        let samples = self.samples(id, names, from, to, order.points);
        let at: Vec<i64> = samples
            .as_ref()
            .map_or_else(Vec::new, |s| s.at.iter().map(|at| at.seconds()).collect());
        let mut series = Series {
            from_unix_s: from.seconds(),
            to_unix_s: to.seconds(),
            #[expect(clippy::cast_precision_loss, reason = "a step is far below 2^53 ms")]
            step_s: samples.as_ref().map_or(0.0, |s| s.step_ms as f64 / 1000.0),
            names: order.names.clone(),
            units: Vec::new(),
            kinds: Vec::new(),
            min: Vec::new(),
            avg: Vec::new(),
            max: Vec::new(),
            incidents: self.spans(id, from, to)?,
            limits: self.limits_of(id, &order.names)?,
            at_unix_s: at,
        };
        for name in &order.names {
            let line = samples.as_ref().and_then(|s| find(s, name));
            let gaps = || vec![None; series.at_unix_s.len()];
            series.units.push(line.map_or("", |l| l.def.unit.word()).to_owned());
            let kind = line.map_or(hark_model::MetricKind::Gauge, |l| l.def.kind);
            series.kinds.push(kind.into());
            series.min.push(line.map_or_else(gaps, |l| column(&l.min)));
            series.avg.push(line.map_or_else(gaps, |l| column(&l.avg)));
            series.max.push(line.map_or_else(gaps, |l| column(&l.max)));
        }
        Ok(series)
    }

    fn limits_of(
        &self,
        id: HostId,
        names: &[String],
    ) -> Answer<BTreeMap<String, hark_api::hosts::Limits>> {
        // The server's own limits, where there are some, are those that decide.
        let mut all = self.links.own_limits.of(id, names);
        let names = names.to_vec();
        let decisive: BTreeMap<_, _> = self.ask(move |engine| {
            let host = engine.host(id);
            let of = |n: &String| Some((n.clone(), limits(host?.check(n)?.limits())));
            names.iter().filter_map(of).collect()
        })?;
        all.extend(decisive);
        Ok(all)
    }

    fn spans(&self, id: HostId, from: Unix, to: Unix) -> Answer<Vec<IncidentSpan>> {
        let incidents = self.incidents_of(id, from, to)?;
        let span = |r: &IncidentRecord| IncidentSpan {
            from_unix_s: r.since.seconds(),
            to_unix_s: r.resolved_at.map(Unix::seconds),
            id: r.id.0,
            state: r.peak.into(),
        };
        Ok(incidents.iter().map(span).collect())
    }

    fn incidents_of(&self, id: HostId, from: Unix, to: Unix) -> Answer<Vec<IncidentRecord>> {
        let filter = IncidentFilter { host: Some(id), ..IncidentFilter::default() };
        let mut all = self.read(|reader| reader.incidents(&filter, None, MAX_SPANS))?;
        all.retain(|r| r.since < to && r.resolved_at.is_none_or(|end| end >= from));
        Ok(all)
    }

    pub(super) fn lanes_of(&self, host: &HostName, from: Unix, to: Unix) -> Answer<Lanes> {
        let id = self.number(host)?;
        let incidents = self.incidents_of(id, from, to)?;
        let (names, first_seen) = self
            .ask(move |engine| {
                let host = engine.host(id)?;
                let names = host.checks().map(|c| c.name().to_string()).collect::<Vec<_>>();
                Some((names, host.first_seen()))
            })?
            .ok_or(Refused::Absent)?;
        let now = Clock.now().unix;
        let to = to.min(now).max(from);
        let lane = |check: String| {
            let mut bad: Vec<&IncidentRecord> =
                incidents.iter().filter(|r| r.check.as_str() == check).collect();
            bad.sort_by_key(|r| r.since);
            let spans = spans(&bad, from.max(first_seen).min(to), to);
            Lane { check, spans }
        };
        Ok(Lanes { lanes: names.into_iter().map(lane).collect() })
    }

    pub(super) fn plugins_of(&self, host: &HostName) -> Answer<Plugins> {
        let id = self.number(host)?;
        let latest = self.links.ask_history(move |h| h.latest(id)).unwrap_or_default();
        let mut plugins: BTreeMap<String, PluginLatest> = BTreeMap::new();
        for l in latest {
            let plugin = plugins
                .entry(l.def.name.collector.clone())
                .or_insert(PluginLatest { at: None, values: BTreeMap::new() });
            let at = plugin.at.map_or(l.at, |at| at.0.max(l.at));
            plugin.at = Some(at.into());
            let value = (!l.value.is_nan()).then_some(l.value);
            plugin.values.insert(inner(&l.def.name), value);
        }
        Ok(Plugins { host: host.to_string(), plugins })
    }

    pub(super) fn plugin_history(
        &self,
        host: &HostName,
        plugin: &str,
        most: usize,
    ) -> Answer<PluginHistory> {
        let id = self.number(host)?;
        let collector = plugin.to_owned();
        let names = self.links.ask_history(move |h| {
            let all = h.series_of(id).into_iter().map(|d| d.name);
            all.filter(|n| n.collector == collector).collect::<Vec<_>>()
        });
        let names = names.unwrap_or_default();
        if names.is_empty() {
            return Err(Refused::Absent);
        }
        let now = Clock.now().unix;
        let from = now - Duration::from_hours(24);
        let samples = self.samples(id, names, from, now, 4000);
        let mut history = Vec::new();
        if let Some(samples) = samples {
            for (place, at) in samples.at.iter().enumerate().rev().take(most) {
                let value = |l: &Line| l.avg.get(place).copied().filter(|v| !v.is_nan());
                let values = samples.lines.iter().map(|l| (inner(&l.def.name), value(l))).collect();
                history.push(PluginSample { at: (*at).into(), values });
            }
        }
        Ok(PluginHistory { host: host.to_string(), plugin: plugin.to_owned(), samples: history })
    }

    fn number(&self, host: &HostName) -> Answer<HostId> {
        self.links.hosts.number(host).ok_or(Refused::Absent)
    }

    fn samples(
        &self,
        id: HostId,
        names: Vec<SeriesName>,
        from: Unix,
        to: Unix,
        points: u32,
    ) -> Option<Samples> {
        let plan = self.links.ask_history(move |h| h.plan(id, &names, from, to, points));
        plan.map(hark_store::history::QueryPlan::run)
    }

    /// Returns the series that paths mean. A path does not tell where an instance with dots begins
    /// and ends, so what the host has is searched.
    fn series_names(&self, id: HostId, paths: &[String]) -> Vec<SeriesName> {
        let wanted = paths.to_vec();
        let names = self.links.ask_history(move |h| {
            let all = h.series_of(id).into_iter().map(|d| d.name);
            all.filter(|n| wanted.contains(&n.path())).collect::<Vec<_>>()
        });
        names.unwrap_or_default()
    }
}

fn metric(def: &SeriesDef, last: Option<f64>, at: Option<Unix>) -> Metric {
    Metric {
        path: def.name.path(),
        collector: def.name.collector.clone(),
        instance: def.name.instance.clone(),
        metric: def.name.metric.clone(),
        unit: def.unit.word().to_owned(),
        kind: def.kind.into(),
        last,
        at_unix_s: at.map(Unix::seconds),
    }
}

fn find<'a>(samples: &'a Samples, path: &str) -> Option<&'a Line> {
    samples.lines.iter().find(|l| l.def.name.path() == path)
}

fn column(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|v| (!v.is_nan()).then_some(*v)).collect()
}

/// Returns the path within its collector, as the seed's plugin data have it.
fn inner(name: &SeriesName) -> String {
    if name.instance.is_empty() {
        name.metric.clone()
    } else {
        format!("{}.{}", name.instance, name.metric)
    }
}

/// Returns the series of a path: the collector ends at the first dot, the metric begins after the last.
pub(super) fn name_of(path: &str) -> Option<SeriesName> {
    let (collector, rest) = path.split_once('.')?;
    let (instance, metric) = rest.rsplit_once('.').unwrap_or(("", rest));
    Some(SeriesName::of(collector, instance, metric))
}

/// Fills the time between incidents with what is well.
fn spans(bad: &[&IncidentRecord], from: Unix, to: Unix) -> Vec<LaneSpan> {
    let mut spans = Vec::new();
    let mut at = from;
    let mut push = |from: Unix, to: Unix, state: Letter| {
        if from < to {
            let (from_unix_s, to_unix_s) = (from.seconds(), to.seconds());
            spans.push(LaneSpan { from_unix_s, to_unix_s, state });
        }
    };
    for incident in bad {
        let begin = incident.since.clamp(at, to);
        let end = incident.resolved_at.unwrap_or(to).clamp(begin, to);
        push(at, begin, Letter::Ok);
        push(begin, end, Letter::from(incident.peak));
        at = end;
    }
    push(at, to, Letter::Ok);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names_again() {
        for name in [
            SeriesName::plain("cpu_monitor", "cpu_percent"),
            SeriesName::of("disk_monitor", "/", "percent"),
            SeriesName::of("network_monitor", "eth0.100", "sent_bytes"),
        ] {
            assert_eq!(name_of(&name.path()), Some(name));
        }
        assert_eq!(name_of("host"), None);
    }
}
