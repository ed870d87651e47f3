//! Questions in `PromQL`, answered of the samples in history.
//!
//! The series are found in an index here; then, some hosts at a time, the reading of their samples is planned
//! on the history thread and done on this one. So a question about all hosts holds the samples of a few at a
//! time, and keeps nobody from storing.

mod convert;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use hark_api::alerts::Alerts;
use hark_model::time::{Clock, Unix};
use hark_model::{HostId, HostName};
use hark_query::{
    Answer as Told, Grid, LOOK_BACK_MS, Limits, Matcher, Need, Query, QueryError, Samples,
    Selection, Sink, Source, parse_selector,
};
use hark_store::history::{Fetched, Readers, Tier};
use hark_web::{Answer, PromChoice, PromError, PromPatience, PromQuestion, PromSource, Sight};

use super::ServerBackend;
use crate::server::series_index::{Found, SeriesIndex};

/// Hosts whose samples are planned at once: the history thread is kept for a tenth of a millisecond.
const HOSTS_AT_ONCE: usize = 32;

/// Series, labels and values that are told at most: a page that asks for more cannot show them.
const MOST_TOLD: usize = 100_000;

/// Spans above which buckets are read where the steps and windows of a question are wide enough: below,
/// dashboards of the last days are exact.
const MINUTES_FROM_MS: i64 = 2 * 86_400_000;
const HOURS_FROM_MS: i64 = 30 * 86_400_000;

impl PromSource for ServerBackend {
    fn prometheus(
        &self,
        sight: &Sight,
        question: &PromQuestion,
        patience: &PromPatience,
    ) -> Answer<Result<String, PromError>> {
        Ok(match question {
            PromQuestion::Instant { text, at } => {
                self.evaluate(sight, text, Ok(Grid::instant(*at)), patience)
            }
            PromQuestion::Range { text, start, end, step } => {
                self.evaluate(sight, text, Grid::range(*start, *end, *step), patience)
            }
            PromQuestion::Series(choice) => self.choose(sight, choice).map(|all| {
                let all: BTreeSet<_> = all.into_iter().map(|found| found.labels).collect();
                told::series(all.iter().take(limit(choice)))
            }),
            PromQuestion::LabelNames(choice) => self.choose(sight, choice).map(|all| {
                let names: BTreeSet<String> = all
                    .iter()
                    .flat_map(|found| found.labels.iter().map(|(name, _)| name.to_owned()))
                    .collect();
                told::texts(names.iter().take(limit(choice)))
            }),
            PromQuestion::LabelValues(label, choice) => self.choose(sight, choice).map(|all| {
                let values: BTreeSet<String> = all
                    .iter()
                    .map(|found| found.labels.get(label).to_owned())
                    .filter(|value| !value.is_empty())
                    .collect();
                told::texts(values.iter().take(limit(choice)))
            }),
            PromQuestion::Metadata { metric, limit } => {
                self.metadata(sight, metric.as_deref(), limit.unwrap_or(MOST_TOLD))
            }
            PromQuestion::Alerts => {
                let alerts: Alerts = hark_web::Backend::alerts(self, sight, None)?;
                Ok(told::alerts(&alerts))
            }
            // None are kept.
            PromQuestion::Exemplars { text } => {
                Query::parse(text).map(|_| "[]".to_owned()).map_err(|error| unread("query", error))
            }
        })
    }
}

fn limit(choice: &PromChoice) -> usize {
    choice.limit.unwrap_or(MOST_TOLD).min(MOST_TOLD)
}

fn refused(error: &QueryError) -> PromError {
    PromError { kind: error.kind(), text: error.to_string() }
}

/// A mistake in the text of a parameter.
fn unread(parameter: &str, error: QueryError) -> PromError {
    if let QueryError::Bad(text) = error {
        let text = format!("invalid parameter \"{parameter}\": {text}");
        return PromError { kind: "bad_data", text };
    }
    refused(&error)
}

impl ServerBackend {
    fn evaluate(
        &self,
        sight: &Sight,
        text: &str,
        grid: Result<Grid, QueryError>,
        patience: &PromPatience,
    ) -> Result<String, PromError> {
        let grid = grid.map_err(|error| refused(&error))?;
        let query = Query::parse(text).map_err(|error| unread("query", error))?;
        let is_over = || {
            if patience.is_gone() {
                Some(QueryError::Canceled)
            } else if Clock.now().mono >= patience.until {
                Some(QueryError::Timeout)
            } else {
                None
            }
        };
        let source = Asked { backend: self, sight };
        let limits = Limits { is_over: &is_over, ..Limits::USUAL };
        let answer: Told = query.run(&source, grid, &limits).map_err(|error| refused(&error))?;
        Ok(told::answer(&answer, grid.start() == grid.end() && !matches!(answer, Told::Matrix(_))))
    }

    /// Returns the series within the sight that one of the selectors fits, or all.
    fn choose(&self, sight: &Sight, choice: &PromChoice) -> Result<Vec<Found>, PromError> {
        let mut selectors = Vec::new();
        for text in &choice.selectors {
            selectors.push(parse_selector(text).map_err(|error| unread("match[]", error))?);
        }
        if selectors.is_empty() {
            selectors.push(Vec::new());
        }
        let mut all = Vec::new();
        for matchers in selectors {
            let found = self.find(sight, &matchers).map_err(|error| refused(&error))?;
            all.extend(found.into_values().flatten());
        }
        Ok(all)
    }

    /// Returns what of each metric is known, of those that a host within the sight has.
    fn metadata(
        &self,
        sight: &Sight,
        metric: Option<&str>,
        limit: usize,
    ) -> Result<String, PromError> {
        let seen = self.find(sight, &[]).map_err(|error| refused(&error))?;
        let seen: BTreeSet<&str> = seen
            .values()
            .flatten()
            .map(|found| found.labels.get(hark_query::NAME))
            .filter(|name| metric.is_none_or(|metric| metric == *name))
            .collect();
        let index = self.series_index.lock().unwrap_or_else(PoisonError::into_inner);
        let known = index.definitions().filter(|(metric, _)| seen.contains(metric));
        Ok(told::metadata(known.take(limit)))
    }

    /// Returns the series within the sight that fit, by host.
    fn find(
        &self,
        sight: &Sight,
        matchers: &[Matcher],
    ) -> Result<BTreeMap<u32, Vec<Found>>, QueryError> {
        let index = self.index().ok_or_else(no_history)?;
        Ok(index.find(matchers, |host| self.name_within(sight, host)))
    }

    /// Returns the index as the catalogue is now; `None` while history cannot be read.
    pub(super) fn index(&self) -> Option<MutexGuard<'_, SeriesIndex>> {
        let mut index = self.series_index.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = index.mark();
        index.apply(self.links.ask_history(move |history| history.news(mark))?);
        Some(index)
    }

    /// Returns the name of a host that is within the sight.
    pub(super) fn name_within(&self, sight: &Sight, host: u32) -> Option<HostName> {
        let name = self.links.hosts.name(HostId(host))?;
        sight.covers(name.as_str()).then_some(name)
    }
}

fn no_history() -> QueryError {
    QueryError::Source("the history of samples cannot be read at present".to_owned())
}

/// The samples that somebody may see.
struct Asked<'a> {
    backend: &'a ServerBackend,
    sight: &'a Sight,
}

impl Source for Asked<'_> {
    fn read(&self, selection: &Selection<'_>, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        let found = self.backend.find(self.sight, selection.matchers)?;
        if found.is_empty() {
            return Ok(());
        }
        let (from, to) = (Unix(selection.from), Unix(selection.to));
        let now = Clock.now().unix;
        let wide = tier(selection, Tier::Raw);
        let mut readers = Readers::default();
        let hosts: Vec<(u32, Vec<Found>)> = found.into_iter().collect();
        for some in hosts.chunks(HOSTS_AT_ONCE) {
            let orders: Vec<(HostId, Places)> =
                some.iter().map(|(host, found)| (HostId(*host), places(found))).collect();
            let planned = self.backend.links.ask_history(move |history| {
                let plan = |(host, places): &(HostId, Places)| {
                    let tier = wide.max(history.finest(*host, places, from, now));
                    (tier, history.fetch(*host, places, from, to, tier))
                };
                orders.iter().map(plan).collect::<Vec<_>>()
            });
            let planned = planned.ok_or_else(no_history)?;
            for ((_, found), (tier, fetch)) in some.iter().zip(planned) {
                let fetched = fetch.run(&mut readers);
                for series in found {
                    let samples = samples(series, &fetched, selection.need, tier);
                    if !samples.times.is_empty() {
                        sink(series.labels.clone(), &samples)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Sets, each with places of series in it.
type Places = Vec<(u32, Vec<usize>)>;

/// Returns what is to be read of each set.
fn places(found: &[Found]) -> Places {
    let mut sets: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (set, place) in found.iter().flat_map(|series| &series.places) {
        sets.entry(*set).or_default().push(*place);
    }
    sets.into_iter().collect()
}

/// Returns the samples of one series, whichever sets they lie in.
fn samples(series: &Found, fetched: &[Fetched], need: Need, tier: Tier) -> Samples {
    let own = |one: &&Fetched| series.places.contains(&(one.set, one.place));
    let parts: Vec<&Fetched> = fetched.iter().filter(own).collect();
    convert::samples(&parts, need, tier)
}

/// Chooses what is read: the finest that is there, or a coarser one for a long time at wide steps.
fn tier(selection: &Selection<'_>, finest: Tier) -> Tier {
    let is_instant = selection.need == Need::Last && selection.window == LOOK_BACK_MS;
    let fine = match (selection.step <= 1, is_instant) {
        (true, true) => 0,
        (true, false) => selection.window,
        (false, true) => selection.step,
        (false, false) => selection.step.min(selection.window),
    };
    let length = selection.to.saturating_sub(selection.from);
    let wide = [(Tier::Minutes, MINUTES_FROM_MS), (Tier::Hours, HOURS_FROM_MS)]
        .into_iter()
        .filter(|(tier, from)| length > *from && tier.width_ms() <= fine)
        .map(|(tier, _)| tier)
        .max();
    wide.unwrap_or(Tier::Raw).max(finest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_at_wide_steps_are_read_from_buckets() {
        let day = 86_400_000;
        let asked = |days: i64, step: i64, window: i64, need: Need| {
            let selection =
                Selection { matchers: &[], from: 0, to: days * day, step, window, need };
            tier(&selection, Tier::Raw)
        };
        let (minute, hour) = (60_000, 3_600_000);
        for (days, step, window, need, expected) in [
            (1, hour, LOOK_BACK_MS, Need::Last, Tier::Raw),
            (7, minute, LOOK_BACK_MS, Need::Last, Tier::Raw),
            (7, 5 * minute, LOOK_BACK_MS, Need::Last, Tier::Minutes),
            (60, hour, LOOK_BACK_MS, Need::Last, Tier::Hours),
            (7, hour, minute, Need::Growth, Tier::Raw),
            (7, hour, hour, Need::Growth, Tier::Minutes),
            (60, day, hour, Need::Sum, Tier::Hours),
            (60, 1, 60 * day, Need::Sum, Tier::Hours),
            (1, 1, day, Need::Sum, Tier::Raw),
        ] {
            assert_eq!(asked(days, step, window, need), expected, "{days} {step} {window}");
        }
        let selection = Selection {
            matchers: &[],
            from: 0,
            to: hour,
            step: 1,
            window: minute,
            need: Need::Growth,
        };
        assert_eq!(tier(&selection, Tier::Hours), Tier::Hours, "nothing finer is there");
    }
}
