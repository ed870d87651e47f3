//! What those who measure call bad themselves: the limits that come with a plugin's result, for charts.
//!
//! Kept in memory alone: they come again with the plugin's next result.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hark_api::hosts::Limits;
use hark_model::HostId;
use hark_model::check::{Range, SeriesLimits};

/// Series of one host whose limits are kept: a host with more plugin values than charts is misused.
const MAX_A_HOST: usize = 1024;

/// The newest limits of every series that has some of its own.
#[derive(Debug, Default)]
pub(crate) struct OwnLimits(Mutex<BTreeMap<HostId, BTreeMap<String, Limits>>>);

impl OwnLimits {
    /// Takes the limits that came with a result of `host`.
    pub(crate) fn take(&self, host: HostId, limits: &[SeriesLimits]) {
        if limits.is_empty() {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_host = all.entry(host).or_default();
        for one in limits {
            let path = one.series.path();
            if of_host.len() < MAX_A_HOST || of_host.contains_key(&path) {
                let border = |range: Option<Range>| range.and_then(border);
                let limits =
                    Limits { warning: border(one.warning), critical: border(one.critical) };
                of_host.insert(path, limits);
            }
        }
    }

    /// Returns those of `names` that have some.
    pub(crate) fn of(&self, host: HostId, names: &[String]) -> BTreeMap<String, Limits> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_host) = all.get(&host) else { return BTreeMap::new() };
        let known = names.iter().filter_map(|name| Some((name.clone(), *of_host.get(name)?)));
        known.collect()
    }

    /// Forgets a host that was dropped.
    pub(crate) fn forget(&self, host: HostId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
    }
}

/// Returns the one line that a chart can show of a range: its upper bound, or the lower one if there is no
/// upper.
fn border(range: Range) -> Option<f64> {
    [range.high, range.low].into_iter().find(|bound| bound.is_finite())
}

#[cfg(test)]
mod tests {
    use hark_model::SeriesName;

    use super::*;

    const HOST: HostId = HostId(1);

    fn limits(metric: &str, warning: (f64, f64), critical: Option<(f64, f64)>) -> SeriesLimits {
        let range = |(low, high)| Range { low, high, inside: false };
        SeriesLimits {
            series: SeriesName::plain("disk", metric),
            warning: Some(range(warning)),
            critical: critical.map(range),
            min: None,
            max: None,
        }
    }

    #[test]
    fn the_newest_limits_of_a_series_are_kept_until_its_host_is_dropped() {
        let own = OwnLimits::default();
        own.take(HOST, &[limits("used", (0.0, 80.0), Some((0.0, 90.0)))]);
        own.take(HOST, &[limits("free", (10.0, f64::INFINITY), None)]);
        own.take(HOST, &[limits("used", (0.0, 85.0), Some((0.0, 95.0)))]);
        let names = ["disk.used", "disk.free", "disk.other"].map(str::to_owned);
        let of = own.of(HOST, &names);
        assert_eq!(of.len(), 2);
        assert_eq!(of["disk.used"], Limits { warning: Some(85.0), critical: Some(95.0) });
        assert_eq!(of["disk.free"], Limits { warning: Some(10.0), critical: None });
        assert!(own.of(HostId(2), &names).is_empty());
        own.forget(HOST);
        assert!(own.of(HOST, &names).is_empty());
    }

    #[test]
    fn a_plugin_cannot_fill_the_memory() {
        let own = OwnLimits::default();
        for n in 0..2 * MAX_A_HOST {
            own.take(HOST, &[limits(&n.to_string(), (0.0, 1.0), None)]);
        }
        let names: Vec<String> = (0..2 * MAX_A_HOST).map(|n| format!("disk.{n}")).collect();
        assert_eq!(own.of(HOST, &names).len(), MAX_A_HOST);
    }
}
