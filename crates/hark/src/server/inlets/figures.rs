//! What came in, by source; and which source has more series than it may.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hark_metrics::{Refused, Why};
use hark_model::time::{Clock, Mono, Now, Unix};
use tokio_util::sync::CancellationToken;

use super::lock;
use crate::config::inlet_check;
use crate::server::links::Links;

/// How often it is looked whether something is wrong with a source.
const LOOK: Duration = Duration::from_secs(15);

/// For how long nothing more must be refused before all is well again.
const CALM: Duration = Duration::from_mins(10);

/// Figures of all sources.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    sources: Mutex<BTreeMap<String, OfSource>>,
    /// Datagrams that came while there was no room for them.
    datagrams: AtomicU64,
}

/// Figures of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfSource {
    /// Requests that were taken, whole or in part.
    pub(crate) requests: u64,
    /// Samples that are kept.
    pub(crate) samples: u64,
    /// Samples that are not, by why.
    pub(crate) refused: BTreeMap<Why, u64>,
    /// When it last brought something.
    pub(crate) last: Option<Unix>,
    /// When series were last refused because there were too many, and of which host.
    crowded: Option<(Mono, String)>,
}

impl Figures {
    /// Counts a request.
    pub(super) fn took(&self, source: &str, samples: usize, refused: &Refused, now: Now) {
        let mut all = lock(&self.sources);
        let of = all.entry(source.to_owned()).or_default();
        of.requests += 1;
        of.samples += samples as u64;
        of.last = Some(now.unix);
        for (why, n, example) in refused.iter() {
            *of.refused.entry(why).or_default() += n;
            if why == Why::Cardinality {
                of.crowded = Some((now.mono, example.to_owned()));
            }
        }
    }

    /// Counts a datagram that there was no room for.
    pub(super) fn lost_datagram(&self) {
        self.datagrams.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many datagrams there was no room for.
    pub(crate) fn lost_datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }

    /// Returns the figures of all.
    pub(crate) fn all(&self) -> BTreeMap<String, OfSource> {
        lock(&self.sources).clone()
    }

    /// Returns what is wrong with each source.
    fn problems(&self, sources: &[String], now: Mono) -> Vec<(String, Option<String>)> {
        let problem = |of: &OfSource| {
            let (at, host) = of.crowded.as_ref()?;
            (now.since(*at) < CALM).then(|| {
                format!(
                    "brings more series of {host} than a host may have: those it had go on, new ones are refused"
                )
            })
        };
        let all = lock(&self.sources);
        sources.iter().map(|name| (name.clone(), all.get(name).and_then(problem))).collect()
    }
}

/// Tells of each source what is wrong with it, once, until the server ends.
pub(crate) async fn watch(links: Arc<Links>, stop: CancellationToken) {
    let mut told: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stop.cancelled() => return,
        }
        let now = Clock.now().mono;
        links.inlets.tidy(now);
        let sources = links.inlets.settings.load().names();
        for (source, problem) in links.inlets.figures.problems(&sources, now) {
            // Also that all is well is told once: a problem of the run before may stand there.
            if told.get(&source) == Some(&problem) {
                continue;
            }
            told.insert(source.clone(), problem.clone());
            let Some(check) = inlet_check(&source) else { continue };
            let links = Arc::clone(&links);
            let tell = move || links.is(check.as_str(), problem);
            if tokio::task::spawn_blocking(tell).await.is_err() {
                tracing::error!("what is wrong with a source was not told");
            }
        }
    }
}
