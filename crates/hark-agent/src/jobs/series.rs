//! The series of one foreign source, which mostly has the same ones each time.

use std::collections::BTreeSet;
use std::sync::Arc;

use hark_model::frame::MAX_DECIMALS;
use hark_model::{MetricKind, SeriesDef, SeriesName};
use hark_plugin::Measured;

use super::Turn;

/// Where values come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    collector: &'static str,
    instance: String,
    name: Arc<str>,
    known: Arc<[SeriesDef]>,
    /// Counters that are not whole (seconds of work, joules), once that was seen: whole ones, which most are, take
    /// less room without decimals.
    broken: BTreeSet<SeriesName>,
}

impl Source {
    /// Names it: its series are `<collector>.<instance>.<metric>`.
    pub(super) fn new(collector: &'static str, instance: &str) -> Self {
        Self {
            collector,
            instance: instance.to_owned(),
            name: Arc::from(format!("{collector}.{instance}")),
            known: Arc::from(Vec::new()),
            broken: BTreeSet::new(),
        }
    }

    /// Hands over values. Of several for one series the last one counts.
    pub(super) fn tell(&mut self, values: &[Measured], turn: &Turn<'_>) {
        if values.is_empty() {
            return;
        }
        let defs: Vec<SeriesDef> = values.iter().map(|value| self.define(value)).collect();
        if *self.known != *defs {
            self.broken.retain(|name| defs.iter().any(|def| def.name == *name));
        }
        if *self.known != *defs {
            self.known = Arc::from(defs);
        }
        let values = values.iter().map(|value| value.value).collect();
        turn.values(&self.name, Arc::clone(&self.known), values);
    }
    /// Says how the series of a value is kept. A counter gets its decimals with the first value that is not whole, and
    /// has them from then on: a series keeps its form.
    fn define(&mut self, value: &Measured) -> SeriesDef {
        let mut def = value.series(self.collector, &self.instance);
        if def.kind == MetricKind::Counter && def.decimals == 0 {
            if value.value.is_finite() && value.value.fract() != 0.0 {
                self.broken.insert(def.name.clone());
            }
            if self.broken.contains(&def.name) {
                def.decimals = MAX_DECIMALS;
            }
        }
        def
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_has_decimals_from_its_first_value_that_is_not_whole() {
        let mut source = Source::new("exporter", "node");
        let counter = |value| Measured {
            kind: MetricKind::Counter,
            ..Measured::number("joules_total", value)
        };
        let decimals =
            [7.0, 12345.678, 12346.0].map(|value| source.define(&counter(value)).decimals);
        assert_eq!(decimals, [0, MAX_DECIMALS, MAX_DECIMALS]);
        let other = Measured { metric: "jobs_total".to_owned(), ..counter(9.0) };
        assert_eq!(source.define(&other).decimals, 0);
    }
}
