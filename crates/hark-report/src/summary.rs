//! What a period was like.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use hark_model::{Status, Unix};
use serde::Serialize;

use crate::facts::{Facts, HostFacts, IncidentFacts};
use crate::{Span, Spans};

/// Rows of each list: a report that is read is short.
const MOST_ROWS: usize = 20;

/// What runs out later than this is no news.
const SOON: Duration = Duration::from_hours(30 * 24);

/// What a period was like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many hosts were watched.
    pub hosts: usize,
    /// Share of the watched time in which they were up, all together, 0 to 1; `None` if nothing was
    /// watched. Planned work counts as neither.
    pub availability: Option<f64>,
    /// Share of the period that is known of the hosts, all together, 0 to 1: before a host was first seen
    /// nothing is.
    pub known: f64,
    /// The hosts that were down for some time, worst first.
    pub unavailable: List<Availability>,
    /// Incidents in numbers.
    pub incidents: Incidents,
    /// What is failing now, longest first.
    pub open: List<LongIncident>,
    /// What was over within the period, longest first.
    pub longest: List<LongIncident>,
    /// The checks with the most messages, then with the most incidents.
    pub noisiest: List<Noisy>,
    /// The checks that took longest.
    pub slowest: List<SlowCheck>,
    /// What is soon at its end, soonest first.
    pub runs_out: List<RunsOut>,
}

/// The first rows of something, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List<T> {
    /// The first rows.
    pub items: Vec<T>,
    /// How many are not shown.
    pub more: usize,
}

impl<T> List<T> {
    fn first(mut items: Vec<T>) -> Self {
        let more = items.len().saturating_sub(MOST_ROWS);
        items.truncate(MOST_ROWS);
        Self { items, more }
    }
}

/// How much of its time a host was up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Availability {
    /// The host.
    pub host: String,
    /// Share of the watched time, 0 to 1.
    pub share: f64,
    /// How much of the period is known, planned work included.
    pub known_s: u64,
    /// How long it was down, outside of planned work.
    pub down_s: u64,
    /// How much of the period was planned work.
    pub planned_s: u64,
    /// How often it went down, within the period or before it.
    pub times: usize,
}

/// Incidents in numbers. Those that only followed from another one are not counted, but for `symptoms`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Incidents {
    /// Began within the period.
    pub began: usize,
    /// Ended within the period.
    pub ended: usize,
    /// Are open at its end.
    pub open: usize,
    /// Only followed from another one.
    pub symptoms: usize,
    /// Messages about all of them.
    pub messages: u64,
    /// The usual time (median) until somebody took one; `None` if nobody did.
    pub acknowledged_after_s: Option<u64>,
    /// The usual time (median) until one was over; `None` if none was.
    pub over_after_s: Option<u64>,
}

/// An incident in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LongIncident {
    /// Its number.
    pub incident: u64,
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// The worst status.
    pub peak: &'static str,
    /// When it began, in seconds since 1970.
    pub since_unix_s: i64,
    /// How long it lasted, or lasts by the end of the period.
    pub lasted_s: u64,
    /// Whether somebody took it.
    pub acknowledged: bool,
    /// What it says.
    pub text: String,
}

/// A check that was heard of often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noisy {
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// How many incidents began.
    pub incidents: usize,
    /// How many messages were sent.
    pub messages: u64,
}

/// A check that takes long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowCheck {
    /// The host.
    pub host: String,
    /// The check.
    pub check: String,
    /// Its usual time in seconds.
    pub average_s: f64,
    /// Its longest time in seconds.
    pub worst_s: f64,
}

/// Something that is soon at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunsOut {
    /// The host.
    pub host: String,
    /// What.
    pub what: String,
    /// When, in seconds since 1970.
    pub at_unix_s: i64,
    /// In how many days; negative if it is over.
    pub days: i64,
    /// How it stands, in words.
    pub now: String,
}

impl Summary {
    /// Says what `period` was like.
    pub fn make(facts: &Facts, period: Span) -> Self {
        let mut up = Duration::ZERO;
        let mut watched = Duration::ZERO;
        let mut known = Duration::ZERO;
        let mut unavailable = Vec::new();
        for host in &facts.hosts {
            known += known_of(host, period).length();
            let Some((time, row)) = availability(host, period) else { continue };
            watched += time;
            up += time.saturating_sub(Duration::from_secs(row.down_s));
            if row.down_s > 0 {
                unavailable.push(row);
            }
        }
        unavailable.sort_by(|a, b| a.share.total_cmp(&b.share).then_with(|| a.host.cmp(&b.host)));
        Self {
            hosts: facts.hosts.len(),
            availability: (!watched.is_zero()).then(|| up.as_secs_f64() / watched.as_secs_f64()),
            known: share(
                known,
                period.length() * u32::try_from(facts.hosts.len()).unwrap_or(u32::MAX),
            ),
            unavailable: List::first(unavailable),
            incidents: count(facts, period),
            open: longest(facts, period, true),
            longest: longest(facts, period, false),
            noisiest: noisiest(facts, period),
            slowest: slowest(facts),
            runs_out: runs_out(facts, period.until),
        }
    }
}

/// Returns the part of the period since which a host is known; empty if it came later.
fn known_of(host: &HostFacts, period: Span) -> Span {
    Span { from: host.since, until: period.until }.within(period)
}

/// Returns how much of `whole` a part is; all of nothing.
fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 1.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

/// Returns how long a host was watched and how it was; `None` if it was not watched at all.
fn availability(host: &HostFacts, period: Span) -> Option<(Duration, Availability)> {
    let known = known_of(host, period);
    let all = Spans::of([known]);
    let planned = Spans::of(host.planned.iter().copied()).within(known);
    let watched = all.without(&planned).length();
    if watched.is_zero() {
        return None;
    }
    let downs: Vec<Span> = host
        .incidents
        .iter()
        .filter(|i| i.check.is_host() && i.peak == Status::Critical)
        .map(|i| span_of(i, period).within(known))
        .filter(|span| !span.is_empty())
        .collect();
    let times = downs.len();
    let down = Spans::of(downs).without(&planned).length();
    let share = 1.0 - down.as_secs_f64() / watched.as_secs_f64();
    let row = Availability {
        host: host.name.to_string(),
        share,
        known_s: known.length().as_secs(),
        down_s: down.as_secs(),
        planned_s: planned.length().as_secs(),
        times,
    };
    Some((watched, row))
}

fn span_of(incident: &IncidentFacts, period: Span) -> Span {
    Span { from: incident.since, until: incident.until.unwrap_or(period.until) }
}

fn count(facts: &Facts, period: Span) -> Incidents {
    let mut found = Incidents::default();
    let (mut taken, mut over) = (Vec::new(), Vec::new());
    for incident in facts.hosts.iter().flat_map(|host| &host.incidents) {
        found.messages += u64::from(incident.messages);
        if incident.is_symptom {
            found.symptoms += 1;
            continue;
        }
        found.began += usize::from(is_in(incident.since, period));
        match incident.until.filter(|end| *end < period.until) {
            Some(end) if end >= period.from => {
                found.ended += 1;
                over.push(end.since(incident.since).as_secs());
            }
            Some(_) => {}
            None => found.open += 1,
        }
        if let Some(at) = incident.acknowledged {
            taken.push(at.since(incident.since).as_secs());
        }
    }
    found.acknowledged_after_s = median(taken);
    found.over_after_s = median(over);
    found
}

fn is_in(at: Unix, period: Span) -> bool {
    period.from <= at && at < period.until
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn longest(facts: &Facts, period: Span, open: bool) -> List<LongIncident> {
    let mut rows = Vec::new();
    for host in &facts.hosts {
        for incident in host.incidents.iter().filter(|incident| !incident.is_symptom) {
            let is_open = incident.until.is_none_or(|end| end >= period.until);
            if is_open == open {
                rows.push(row(host, incident, period));
            }
        }
    }
    rows.sort_by_key(|row| (Reverse(row.lasted_s), row.incident));
    List::first(rows)
}

pub(crate) fn row(host: &HostFacts, incident: &IncidentFacts, period: Span) -> LongIncident {
    let end = incident.until.map_or(period.until, |end| end.min(period.until));
    LongIncident {
        incident: incident.id.0,
        host: host.name.to_string(),
        check: incident.check.to_string(),
        peak: incident.peak.word(),
        since_unix_s: incident.since.seconds(),
        lasted_s: end.since(incident.since).as_secs(),
        acknowledged: incident.acknowledged.is_some(),
        text: incident.text.clone(),
    }
}

fn noisiest(facts: &Facts, period: Span) -> List<Noisy> {
    let mut rows = Vec::new();
    for host in &facts.hosts {
        let mut by_check: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for incident in &host.incidents {
            let (incidents, messages) = by_check.entry(incident.check.as_str()).or_default();
            *incidents += usize::from(is_in(incident.since, period));
            *messages += u64::from(incident.messages);
        }
        rows.extend(by_check.into_iter().map(|(check, (incidents, messages))| Noisy {
            host: host.name.to_string(),
            check: check.to_owned(),
            incidents,
            messages,
        }));
    }
    // One incident that was told and was over is not noise.
    rows.retain(|row| row.incidents > 1 || row.messages > 2);
    rows.sort_by(|a, b| {
        let key = |row: &Noisy| (Reverse(row.messages), Reverse(row.incidents));
        key(a).cmp(&key(b)).then_with(|| (&a.host, &a.check).cmp(&(&b.host, &b.check)))
    });
    List::first(rows)
}

fn slowest(facts: &Facts) -> List<SlowCheck> {
    let mut rows: Vec<SlowCheck> = facts
        .hosts
        .iter()
        .flat_map(|host| {
            host.slow.iter().map(|slow| SlowCheck {
                host: host.name.to_string(),
                check: slow.check.clone(),
                average_s: slow.average_s,
                worst_s: slow.worst_s,
            })
        })
        .collect();
    rows.sort_by(|a, b| {
        b.average_s
            .total_cmp(&a.average_s)
            .then_with(|| (&a.host, &a.check).cmp(&(&b.host, &b.check)))
    });
    List::first(rows)
}

fn runs_out(facts: &Facts, now: Unix) -> List<RunsOut> {
    let mut rows = Vec::new();
    for host in &facts.hosts {
        for supply in host.supplies.iter().filter(|supply| supply.ends.since(now) <= SOON) {
            rows.push(RunsOut {
                host: host.name.to_string(),
                what: supply.what.clone(),
                at_unix_s: supply.ends.seconds(),
                days: (supply.ends.seconds() - now.seconds()).div_euclid(86_400),
                now: supply.now.clone(),
            });
        }
    }
    rows.sort_by(|a, b| (a.at_unix_s, &a.host, &a.what).cmp(&(b.at_unix_s, &b.host, &b.what)));
    List::first(rows)
}

#[cfg(test)]
mod tests;
