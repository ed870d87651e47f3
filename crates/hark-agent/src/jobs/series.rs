//! The series of one foreign source, which mostly has the same ones each time.

use std::sync::Arc;

use hark_model::SeriesDef;
use hark_plugin::Measured;

use super::Turn;

/// Where values come from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    collector: &'static str,
    instance: String,
    name: Arc<str>,
    known: Arc<[SeriesDef]>,
}

impl Source {
    /// Names it: its series are `<collector>.<instance>.<metric>`.
    pub(super) fn new(collector: &'static str, instance: &str) -> Self {
        Self {
            collector,
            instance: instance.to_owned(),
            name: Arc::from(format!("{collector}.{instance}")),
            known: Arc::from(Vec::new()),
        }
    }

    /// Hands over values. Of several for one series the last one counts.
    pub(super) fn tell(&mut self, values: &[Measured], turn: &Turn<'_>) {
        if values.is_empty() {
            return;
        }
        let defs = values.iter().map(|value| value.series(self.collector, &self.instance));
        let defs: Vec<SeriesDef> = defs.collect();
        if *self.known != *defs {
            self.known = Arc::from(defs);
        }
        let values = values.iter().map(|value| value.value).collect();
        turn.values(&self.name, Arc::clone(&self.known), values);
    }
}
