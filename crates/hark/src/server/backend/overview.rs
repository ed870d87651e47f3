//! The first screen: headline, counts, what needs somebody.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_api::hosts::Limits;
use hark_api::overview::{Counts, Kpis, Overview, Problem, Soft, Verdict};
use hark_engine::plan::SELF;
use hark_engine::view::IncidentView;
use hark_engine::{Engine, HostState};
use hark_model::time::{Clock, Now};
use hark_model::{CheckName, HostId, IncidentId, SeriesName};
use hark_web::{Answer, Sight};

use super::{ServerBackend, silences, words};

/// How long the small chart of a problem may be old.
const SPARK_AGE: Duration = Duration::from_mins(1);

/// How long the strip of a problem may be old: it is of half hours, but behind a start their past is filled in within seconds.
const STRIP_AGE: Duration = Duration::from_secs(10);

/// And for how long one is shown that cannot be read anew.
const STRIP_KEPT: Duration = Duration::from_mins(10);

/// Points of the small chart: one a minute.
const SPARK_POINTS: u32 = 60;

/// A problem and what must be looked up for it outside the engine.
struct Found {
    problem: Problem,
    host: HostId,
    series: Option<SeriesName>,
}

impl ServerBackend {
    pub(super) fn first_screen(&self, sight: &Sight) -> Answer<Overview> {
        let counts = self.host_counts(sight)?;
        let (mut problems, all) = self.open_problems(sight)?;
        let figures = self.recorder.figures();
        let shown = problems.len() as u64;
        let verdict = verdict(&counts, &Standing::of(&problems));
        problems.truncate(Overview::MAX_PROBLEMS);
        let quiet = self.quiet(sight)?;
        let now = Clock.now().unix;
        let events = self.newest_activities(sight, Overview::MAX_EVENTS)?;
        Ok(Overview {
            at_unix_s: now.seconds(),
            verdict,
            more: shown.saturating_sub(problems.len() as u64),
            counts,
            kpis: Kpis {
                availability_24h: figures.availability,
                availability_since_unix_s: figures.since.map(hark_model::Unix::seconds),
                availability_looked_s: figures.looked.as_secs(),
                heartbeats_per_minute: figures.heartbeats_per_minute,
                samples_per_second: figures.samples_per_second,
                open_incidents: all,
            },
            problems,
            receivers: self.receivers.load().iter().count() as u64,
            quiet,
            events,
        })
    }

    pub(super) fn host_counts(&self, sight: &Sight) -> Answer<Counts> {
        let (sight, started, now) = (sight.clone(), self.started, Clock.now().unix);
        self.ask(move |engine| {
            let mut counts = Counts::default();
            let seen = engine.hosts().filter(|h| sight.covers(h.name().as_str()));
            let unheard = seen.filter(|host| {
                let before = host.last_heard().is_some_and(|at| at < started);
                before && host.state() == HostState::Ok
            });
            counts.unheard = unheard.count() as u64;
            if sight == Sight::Everything {
                for state in HostState::ALL {
                    *count_of(&mut counts, state) = engine.counts().of(state) as u64;
                }
            } else {
                let seen = engine.hosts().filter(|h| sight.covers(h.name().as_str()));
                seen.for_each(|h| *count_of(&mut counts, h.state()) += 1);
            }
            // The server itself is no host that is watched, but its problems are problems.
            if let Some(own) =
                engine.host_named(SELF).filter(|own| sight.covers(own.name().as_str()))
                && is_good(own.state())
            {
                *count_of(&mut counts, own.state()) -= 1;
            }
            // Those that follow from others are silenced or not by themselves, and stand in the same list.
            let open = engine
                .incidents()
                .filter(|i| i.is_open() && sight.covers(i.host_name().as_str()))
                .map(|i| (i.record().host, i.silenced_until().is_some()));
            let in_need =
                |host: HostId| engine.host(host).is_some_and(|host| !is_good(host.state()));
            (counts.silenced, counts.silenced_incidents) = silenced(open, in_need);
            counts.quiet_revision = silences::revision(engine, now);
            counts
        })
    }

    /// Returns what needs somebody, worst first, and how many open incidents there are that follow
    /// from no other.
    pub(super) fn open_problems(&self, sight: &Sight) -> Answer<(Vec<Problem>, u64)> {
        let sight = sight.clone();
        let now = Clock.now();
        let mut found = self.ask(move |engine| {
            let open = engine.incidents().filter(|i| {
                i.is_open() && i.record().cause.is_none() && sight.covers(i.host_name().as_str())
            });
            open.map(|i| problem(engine, i)).collect::<Vec<_>>()
        })?;
        let all = found.len() as u64;
        // What is silenced has left the list; it is counted under "quiet on purpose".
        found.retain(|f| f.problem.silenced_until_unix_s.is_none());
        found.sort_by_key(|f| {
            let p = &f.problem;
            (p.ack.is_some(), p.state, p.since_unix_s, p.incident)
        });
        let mut problems = Vec::with_capacity(found.len());
        for (place, f) in found.into_iter().enumerate() {
            let mut problem = f.problem;
            if place < Overview::MAX_PROBLEMS {
                problem.strip = self.check_strip(&problem, f.host, now);
                if let Some(series) = f.series {
                    problem.spark = self.spark(IncidentId(problem.incident), f.host, series, now);
                }
            }
            problems.push(problem);
        }
        Ok((problems, all))
    }

    /// Returns the last day of the check of a problem, from memory if it was read just before. Problems are told each
    /// second whatever becomes of the state: while that cannot be read, or is searched, the strip is the former one.
    fn check_strip(&self, problem: &Problem, host: HostId, now: Now) -> String {
        let incident = IncidentId(problem.incident);
        let former = {
            let mut strips = self.strips.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            strips.retain(|_, (at, _)| now.mono.since(*at) < STRIP_KEPT);
            match strips.get(&incident) {
                Some((at, strip)) if now.mono.since(*at) < STRIP_AGE => return strip.clone(),
                former => former.map(|(_, strip)| strip.clone()).unwrap_or_default(),
            }
        };
        let Ok(check) = CheckName::new(&problem.check) else { return former };
        let read = self.read_unless_busy(|reader| {
            self.recorder.strip_of_check(reader, (host, &check), now.unix)
        });
        let Some(strip) = read else { return former };
        let mut strips = self.strips.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        strips.insert(incident, (now.mono, strip.clone()));
        strip
    }

    /// Returns the last hour of a value, from memory if it was read within the last minute.
    fn spark(
        &self,
        incident: IncidentId,
        host: HostId,
        series: SeriesName,
        now: Now,
    ) -> Vec<Option<f64>> {
        {
            let mut sparks = self.sparks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            sparks.retain(|_, (at, _)| now.mono.since(*at) < SPARK_AGE);
            if let Some((_, spark)) = sparks.get(&incident) {
                return spark.clone();
            }
        }
        let from = now.unix - Duration::from_hours(1);
        let plan =
            self.links.ask_history(move |h| h.plan(host, &[series], from, now.unix, SPARK_POINTS));
        let line = plan.and_then(|plan| plan.run().lines.into_iter().next());
        let spark: Vec<Option<f64>> = line.map_or_else(Vec::new, |line| {
            line.avg.into_iter().map(|v| (!v.is_nan()).then_some(v)).collect()
        });
        let mut sparks = self.sparks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sparks.insert(incident, (now.mono, spark.clone()));
        spark
    }
}

/// Returns how many of the hosts that are `in_need` have silenced problems alone, and how many
/// problems are silenced, of all that are open: their host, and whether a silence covers them.
fn silenced(
    open: impl Iterator<Item = (HostId, bool)>,
    in_need: impl Fn(HostId) -> bool,
) -> (u64, u64) {
    let mut n_incidents = 0;
    let mut hosts: BTreeMap<HostId, bool> = BTreeMap::new();
    for (host, is_silenced) in open {
        n_incidents += u64::from(is_silenced);
        *hosts.entry(host).or_insert(true) &= is_silenced;
    }
    let n_hosts = hosts.iter().filter(|(host, all)| **all && in_need(**host)).count();
    (n_hosts as u64, n_incidents)
}

/// Returns true if nobody is needed for a host in this state.
pub(super) fn is_good(state: HostState) -> bool {
    match state {
        HostState::Pending | HostState::Ok | HostState::Maintenance => true,
        HostState::Unknown | HostState::Warning | HostState::Critical => false,
    }
}

fn count_of(counts: &mut Counts, state: HostState) -> &mut u64 {
    match state {
        HostState::Pending => &mut counts.pending,
        HostState::Ok => &mut counts.ok,
        HostState::Maintenance => &mut counts.mnt,
        HostState::Unknown => &mut counts.unk,
        HostState::Warning => &mut counts.warn,
        HostState::Critical => &mut counts.crit,
    }
}

fn problem(engine: &Engine, incident: IncidentView<'_>) -> Found {
    let record = incident.record();
    let host = engine.host(record.host);
    let check = host.and_then(|h| h.check(record.check.as_str()));
    let soft = check.and_then(hark_engine::view::CheckView::underway);
    let limits = check.map_or_else(Limits::default, |c| limits(c.limits()));
    let is_metric = check.is_some_and(|c| c.value().is_some());
    let problem = Problem {
        incident: record.id.0,
        host: incident.host_name().to_string(),
        check: record.check.to_string(),
        state: record.status.into(),
        text: record.text.clone(),
        since_unix_s: record.since.seconds(),
        ack: record.ack.as_ref().map(words::ack),
        silenced_until_unix_s: incident.silenced_until().map(hark_model::Unix::seconds),
        symptoms: u64::from(incident.symptoms()),
        soft: soft.map(|s| Soft { attempt: s.attempt, of: s.of }),
        strip: String::new(),
        spark: Vec::new(),
        limit: limits.critical.or(limits.warning),
        flapping: check.is_some_and(|c| c.flapping_since().is_some()),
    };
    let series = is_metric.then(|| super::series::name_of(record.check.as_str())).flatten();
    Found { problem, host: record.host, series }
}

/// Returns limits for the API.
pub(super) fn limits((warning, critical): (Option<f64>, Option<f64>)) -> Limits {
    Limits { warning, critical }
}

/// How the problems stand that no silence covers.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    open: usize,
    taken: usize,
}

impl Standing {
    fn of(problems: &[Problem]) -> Self {
        let taken = problems.iter().filter(|p| p.ack.is_some()).count();
        Self { open: problems.len() - taken, taken }
    }
}

fn verdict(counts: &Counts, problems: &Standing) -> Verdict {
    let all = counts.crit + counts.warn + counts.unk + counts.mnt + counts.ok + counts.pending;
    let hosts = |n: u64| if n == 1 { "1 host".to_owned() } else { format!("{n} hosts") };
    let bad = counts.crit + counts.warn + counts.unk;
    let text = match (all, bad, bad.saturating_sub(counts.silenced)) {
        (0, _, _) => "Listening for the first host".to_owned(),
        (_, 0, _) if counts.unheard > 0 && counts.unheard == counts.ok => {
            format!("Waiting to hear {} after the start", hosts(counts.unheard))
        }
        (1, 0, _) if counts.pending == 0 => "The one host is healthy".to_owned(),
        (_, 0, _) if counts.pending == 0 => format!("All {all} hosts are healthy"),
        (_, 0, _) => format!("Waiting for the first result of {}", hosts(counts.pending)),
        (_, _, 0) => format!("Nothing needs attention: {} silenced", are(&hosts(bad), bad)),
        (_, _, 1) => "1 host needs attention".to_owned(),
        (_, _, need) => format!("{need} hosts need attention"),
    };
    let unheard = (counts.unheard > 0).then(|| {
        let is = if counts.unheard == 1 { "is" } else { "are" };
        format!("{} {is} not heard since the server started.", hosts(counts.unheard))
    });
    if bad == 0 {
        return Verdict { text, sub: unheard.unwrap_or_default() };
    }
    // What is silenced is nobody's: it neither waits for somebody nor is somebody on it.
    let quiet = counts.silenced_incidents;
    let standing = match (problems.open, problems.taken, quiet) {
        (0, 0, _) => None,
        (0, _, 0) => Some("Somebody is on all of it.".to_owned()),
        (0, _, _) => Some("Somebody is on all that is not silenced.".to_owned()),
        (open, _, _) => Some(format!("{open} not yet acknowledged.")),
    };
    let silenced = (quiet > 0).then(|| {
        let problems = if quiet == 1 { "problem" } else { "problems" };
        format!("{} silenced.", are(&format!("{quiet} {problems}"), quiet))
    });
    let healthy = format!("{} of {} healthy.", counts.ok, hosts(all));
    let said: Vec<String> =
        [standing, silenced, Some(healthy), unheard].into_iter().flatten().collect();
    Verdict { text, sub: said.join(" ") }
}

fn are(what: &str, n: u64) -> String {
    format!("{what} {}", if n == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(counts: Counts) -> String {
        verdict(&counts, &Standing::default()).text
    }

    #[test]
    fn the_headline_is_the_answer() {
        let none = Counts::default();
        assert_eq!(text(none), "Listening for the first host");
        assert_eq!(text(Counts { ok: 1, ..none }), "The one host is healthy");
        assert_eq!(text(Counts { ok: 9, mnt: 1, ..none }), "All 10 hosts are healthy");
        assert_eq!(text(Counts { ok: 9, crit: 1, ..none }), "1 host needs attention");
        assert_eq!(text(Counts { warn: 7, unk: 1, ..none }), "8 hosts need attention");
        let waiting = Counts { ok: 3, pending: 1, ..none };
        assert_eq!(text(waiting), "Waiting for the first result of 1 host");
    }

    fn sub(counts: Counts, open: usize, taken: usize) -> String {
        verdict(&counts, &Standing { open, taken }).sub
    }

    #[test]
    fn what_was_not_heard_since_the_start_is_not_called_healthy_without_a_word() {
        let none = Counts::default();
        let all = Counts { ok: 3, unheard: 3, ..none };
        assert_eq!(text(all), "Waiting to hear 3 hosts after the start");
        let some = Counts { ok: 3, unheard: 1, ..none };
        assert_eq!(text(some), "All 3 hosts are healthy");
        assert_eq!(sub(some, 0, 0), "1 host is not heard since the server started.");
    }

    #[test]
    fn a_silenced_problem_is_not_taken_by_anybody() {
        let quiet = Counts { crit: 1, silenced: 1, silenced_incidents: 1, ..Counts::default() };
        assert_eq!(text(quiet), "Nothing needs attention: 1 host is silenced");
        assert_eq!(sub(quiet, 0, 0), "1 problem is silenced. 0 of 1 host healthy.");
        let mixed = Counts { crit: 3, silenced: 1, silenced_incidents: 2, ..Counts::default() };
        assert_eq!(text(mixed), "2 hosts need attention");
        assert_eq!(
            sub(mixed, 2, 0),
            "2 not yet acknowledged. 2 problems are silenced. 0 of 3 hosts healthy."
        );
        assert_eq!(
            sub(mixed, 0, 2),
            "Somebody is on all that is not silenced. 2 problems are silenced. 0 of 3 hosts healthy."
        );
        let loud = Counts { crit: 1, ok: 1, ..Counts::default() };
        assert_eq!(sub(loud, 0, 1), "Somebody is on all of it. 1 of 2 hosts healthy.");
        assert_eq!(sub(loud, 0, 0), "1 of 2 hosts healthy.", "nobody is on what has no incident");
    }

    #[test]
    fn a_host_is_silenced_only_if_all_its_problems_are() {
        let (one, two, three) = (HostId(1), HostId(2), HostId(3));
        let open = [(one, true), (one, true), (two, true), (two, false), (three, true)];
        assert_eq!(silenced(open.into_iter(), |_| true), (2, 4));
        assert_eq!(silenced(open.into_iter(), |host| host != three), (1, 4), "in maintenance");
        assert_eq!(silenced(std::iter::empty(), |_| true), (0, 0));
    }
}
