//! What the server knows about a period, for a report.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use hark_engine::Engine;
use hark_model::record::{IncidentRecord, JournalKind, Matcher, SilenceRecord};
use hark_model::{CheckName, HostId, HostName, IncidentId, SeriesName, Tag, Unix, UserName};
use hark_report::{Facts, HostFacts, IncidentFacts, Plan, Point, Slow, Span, Supply, crossing};
use hark_store::history::{Answer as Samples, Line, QueryPlan};
use hark_store::state::{IncidentFilter, JournalFilter, StateReader};

use super::planned;
use crate::server::links::Links;
use crate::server::store_loop::chain;

/// Incidents of a period that are looked at, the newest first: a report is about what people can read.
const MAX_INCIDENTS: usize = 100_000;

/// Incidents read at once.
const PIECE: u32 = 1000;

/// How far back the course of what fills up is looked at.
const COURSE: Duration = Duration::from_hours(7 * 24);

/// Points of that course.
const POINTS: u32 = 100;

/// Lines of a host's history about planned work: twice a day for three months.
const WORK_LINES: u32 = 400;

/// Points over which the usual time of a check is taken.
const TIMES: u32 = 50;

/// A host as the engine has it.
struct Known {
    id: HostId,
    name: HostName,
    tags: Vec<Tag>,
    since: Unix,
}

/// Gathers what is known about `period` of the hosts that `plan` is about, of these only what a user has to
/// do with if there is one.
///
/// # Errors
/// If the state cannot be read, or the server is ending. Without history the report has none of what
/// comes from it.
pub(super) fn gather(
    links: &Links,
    reader: &StateReader,
    plan: &Plan,
    period: Span,
    viewer: Option<&UserName>,
) -> anyhow::Result<Facts> {
    let failed = |error: &dyn std::error::Error| anyhow!("cannot read the state: {}", chain(error));
    let matcher = plan.hosts.clone();
    let viewer = viewer.cloned();
    let hosts = links.ask(move |engine| hosts_of(engine, &matcher, viewer.as_ref()));
    let hosts = hosts.ok_or_else(|| anyhow!("the server is ending"))?;
    let mut incidents = incidents(reader, period)?;
    let sent = reader.messages_sent(period.from, period.until).map_err(|e| failed(&e))?;
    let sent: BTreeMap<IncidentId, u64> = sent.into_iter().collect();
    let silences = reader.silences().map_err(|e| failed(&e))?;
    let mut facts = Facts::default();
    for host in hosts {
        let of = incidents.remove(&host.id).unwrap_or_default();
        let measured = measured(links, host.id, period);
        facts.hosts.push(HostFacts {
            since: host.since,
            incidents: of.into_iter().map(|record| incident(record, &sent)).collect(),
            planned: planned_work(reader, &silences, (host.id, &host.name, &host.tags), period)?,
            slow: measured.slow,
            supplies: measured.supplies,
            name: host.name,
        });
    }
    Ok(facts)
}

/// Returns the planned work on a whole host up to the end of `period`.
///
/// # Errors
/// If the state cannot be read.
pub(in crate::server) fn planned_work(
    reader: &StateReader,
    silences: &[SilenceRecord],
    (id, name, tags): (HostId, &HostName, &[Tag]),
    period: Span,
) -> anyhow::Result<Vec<Span>> {
    let covers = |matcher: &Matcher| {
        // Work on single checks does not excuse the host.
        let is_whole = matcher.checks.is_empty() && matcher.severity.is_none();
        is_whole && hark_engine::covers_host(matcher, name.as_str(), tags)
    };
    // One that waits for a problem covers nothing before that.
    let windows =
        silences.iter().filter(|s| s.maintenance && s.flexible.is_none() && covers(&s.matcher));
    let windows = windows.map(|s| Span { from: s.from, until: s.until });
    let filter = JournalFilter {
        host: Some(id),
        kind: Some(JournalKind::Server),
        before: Some(period.until),
        ..JournalFilter::default()
    };
    let lines = reader.journal(&filter, None, WORK_LINES);
    let lines = lines.map_err(|e| anyhow!("cannot read the state: {}", chain(&e)))?;
    let past = planned::planned(lines.iter().map(|entry| &entry.line));
    Ok(windows.chain(past).collect())
}

fn hosts_of(engine: &Engine, matcher: &Matcher, viewer: Option<&UserName>) -> Vec<Known> {
    let mut all: Vec<Known> = engine
        .hosts()
        .filter(|host| hark_engine::covers_host(matcher, host.name().as_str(), host.tags()))
        .filter(|host| viewer.is_none_or(|viewer| host.concerns(viewer)))
        .map(|host| Known {
            id: host.id(),
            name: host.name().clone(),
            tags: host.tags().to_vec(),
            since: host.first_seen(),
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Returns the incidents that were open at some moment of `period`, by host: the newest, if there are more
/// than anybody looks at.
///
/// # Errors
/// If the state cannot be read.
pub(in crate::server) fn incidents(
    reader: &StateReader,
    period: Span,
) -> anyhow::Result<BTreeMap<HostId, Vec<IncidentRecord>>> {
    let filter =
        IncidentFilter { within: Some((period.from, period.until)), ..IncidentFilter::default() };
    let mut found: BTreeMap<HostId, Vec<IncidentRecord>> = BTreeMap::new();
    let mut before = None;
    let mut n = 0;
    while n < MAX_INCIDENTS {
        let piece = reader
            .incidents(&filter, before, PIECE)
            .map_err(|e| anyhow!("cannot read the state: {}", chain(&e)))?;
        let Some(last) = piece.last() else { break };
        before = Some(last.id.0);
        n += piece.len();
        for record in piece {
            found.entry(record.host).or_default().push(record);
        }
    }
    Ok(found)
}

fn incident(record: IncidentRecord, sent: &BTreeMap<IncidentId, u64>) -> IncidentFacts {
    let messages = sent.get(&record.id).copied().unwrap_or(0);
    IncidentFacts {
        id: record.id,
        check: record.check,
        since: record.since,
        until: record.resolved_at,
        peak: record.peak,
        status: record.status,
        text: record.text,
        is_symptom: record.cause.is_some(),
        acknowledged: record.taken_at,
        messages: u32::try_from(messages).unwrap_or(u32::MAX),
    }
}

#[derive(Default)]
struct Measured {
    slow: Vec<Slow>,
    supplies: Vec<Supply>,
}

/// What a series tells a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// How long a check took, in seconds.
    Time,
    /// Days until a certificate ends.
    Days,
    /// Percent of a disk that is used.
    Fill,
}

fn role(name: &SeriesName) -> Option<Role> {
    match name.metric.as_str() {
        "total_seconds" => Some(Role::Time),
        "certificate_days" | "chain_days" | "days_left" => Some(Role::Days),
        "percent" if name.collector == "disk_monitor" => Some(Role::Fill),
        _ => None,
    }
}

fn measured(links: &Links, host: HostId, period: Span) -> Measured {
    let plans = links.ask_history(move |history| {
        let mut of = BTreeMap::new();
        for def in history.series_of(host) {
            if let Some(role) = role(&def.name) {
                of.entry(role as u8).or_insert_with(Vec::new).push(def.name);
            }
        }
        let plan = |role: Role, from, points| {
            let names = of.get(&(role as u8))?;
            Some(history.plan(host, names, from, period.until, points))
        };
        let course = period.until - COURSE;
        [
            plan(Role::Time, period.from, TIMES),
            plan(Role::Days, course, POINTS),
            plan(Role::Fill, course, POINTS),
        ]
    });
    let [times, days, fill] = plans.unwrap_or_default();
    let lines = |plan: Option<QueryPlan>| plan.map(QueryPlan::run);
    let mut measured = Measured::default();
    for_each(lines(times).as_ref(), |_, line| measured.slow.extend(slow(line)));
    for_each(lines(days).as_ref(), |samples, line| {
        measured.supplies.extend(certificate(samples, line));
    });
    for_each(lines(fill).as_ref(), |samples, line| {
        measured.supplies.extend(disk(samples, line, period.until));
    });
    measured
}

fn for_each(samples: Option<&Samples>, mut each: impl FnMut(&Samples, &Line)) {
    if let Some(samples) = samples {
        for line in &samples.lines {
            each(samples, line);
        }
    }
}

fn slow(line: &Line) -> Option<Slow> {
    let values: Vec<f64> = line.avg.iter().copied().filter(|v| v.is_finite()).collect();
    let worst = line.max.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few dozen points")]
    let average = values.iter().sum::<f64>() / values.len() as f64;
    let check = check_of(&line.def.name);
    average.is_finite().then_some(Slow { check, average_s: average, worst_s: worst })
}

/// Returns the check that a series of a check's measures belongs to.
fn check_of(name: &SeriesName) -> String {
    let path = name.path();
    let check = path.strip_suffix(&format!(".{}", name.metric)).unwrap_or(&path);
    CheckName::new(check).map_or_else(|_| path.clone(), |check| check.to_string())
}

/// A certificate's days go down by themselves: the newest value says when it ends.
fn certificate(samples: &Samples, line: &Line) -> Option<Supply> {
    let newest = newest(samples, line)?;
    let seconds = newest.value * 86_400.0;
    let ends = if seconds >= 0.0 {
        newest.at + Duration::try_from_secs_f64(seconds).ok()?
    } else {
        newest.at - Duration::try_from_secs_f64(-seconds).ok()?
    };
    let now = format!("{:.0} days left", newest.value.floor());
    Some(Supply { what: line.def.name.path(), ends, now })
}

fn disk(samples: &Samples, line: &Line, until: Unix) -> Option<Supply> {
    let newest = newest(samples, line)?;
    let all = samples.at.iter().zip(&line.avg);
    let points: Vec<Point> = all
        .filter(|(_, value)| value.is_finite())
        .map(|(at, value)| Point { at: *at, value: *value })
        .collect();
    let ends = crossing(&points, 100.0)?.max(until);
    Some(Supply { what: line.def.name.path(), ends, now: format!("{:.0} % used", newest.value) })
}

fn newest(samples: &Samples, line: &Line) -> Option<Point> {
    let mut all = samples.at.iter().zip(&line.avg).rev();
    all.find(|(_, value)| value.is_finite()).map(|(at, value)| Point { at: *at, value: *value })
}
