//! Whether a metric with limits exists: a misspelt one would never alert.

use hark_config::{Section, Span, nearest};

use crate::plan::threshold::{RTT, ThresholdPath};

/// The metrics that are known, by collector, as whoever measures says. Collectors of other programs
/// are not in it, so an unknown collector is doubtful while an unknown metric of a known one is wrong. A
/// collector without metrics has whatever it is given.
pub type Catalogue<'c> = &'c [(&'c str, &'c [&'c str])];

/// At most so many names are listed when none is near.
const MAX_LISTED: usize = 20;

/// Reports at `span` what is doubtful or wrong with a path of the tree of limits.
pub(super) fn check(catalogue: Catalogue<'_>, path: &ThresholdPath, span: Span, at: &Section<'_>) {
    if catalogue.is_empty() || path.collector == RTT {
        return;
    }
    let (collector, metric) = (path.collector.as_str(), path.metric.as_str());
    let Some((_, metrics)) = catalogue.iter().find(|(name, _)| *name == collector) else {
        let names = || catalogue.iter().map(|(name, _)| *name);
        let report =
            at.diagnostics().warn(span, format!("there is no own collector `{collector}`"));
        let near = nearest(collector, names()).or_else(|| begins(collector, names()));
        let report = match near {
            Some(near) => report.suggest(near),
            None => report,
        };
        report.hint(format!(
            "these limits wait for values of a program of your own; hark itself has {}",
            listed(names())
        ));
        return;
    };
    if metrics.is_empty() || metrics.contains(&metric) {
        return;
    }
    at.diagnostics()
        .error(span, format!("`{collector}` has no metric `{metric}`"))
        .nearest(metric, metrics.iter().copied())
        .hint(format!("it has {}", listed(metrics.iter().copied())));
}

/// Returns the collector whose name begins with the word: `cpu` for `cpu_monitor`.
fn begins<'n>(word: &str, mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names.find(|name| name.strip_prefix(word).is_some_and(|rest| rest.starts_with('_')))
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.take(MAX_LISTED).collect::<Vec<_>>().join(", ")
}
