//! Limits are tried before they are saved: on the newest value of everything that they look at, and on what is
//! kept of the last week.

use std::collections::BTreeMap;
use std::time::Duration;

use hark_api::configuration::{ConfigTested, LimitTried, LimitsTried, PastTried};
use hark_api::words::State;
use hark_engine::plan::threshold::{RTT, Threshold};
use hark_engine::plan::{DEFAULT_PROFILE, Measure, Plan, Signal, TaggedPlans, ThresholdLayer};
use hark_engine::trial::{Measured, Tally, Trial, WINDOWS};
use hark_model::time::Clock;
use hark_model::{HostId, HostName, Mono, ProfileName, SeriesName, Status, Tag, Unit, Unix};
use hark_store::history::QueryPlan;
use hark_web::{Answer, Refused};

use crate::server::backend::ServerBackend;
use crate::server::recall;

/// How long the past is looked at: a person waits. A week of a host takes a millisecond or a few.
const LOOKS: Duration = Duration::from_secs(8);

/// The past is read in pieces of this length, so that every sample counts as it was: at the usual intervals a
/// day holds fewer of them than an answer may have points. Of what is measured more often than a point lasts,
/// the worst of each point counts.
const PIECE: Duration = Duration::from_hours(24);

/// Points of a piece: one for each 22 seconds.
const POINTS: u32 = hark_store::history::MAX_POINTS;

/// Hosts that history is asked about in one turn, so that nobody waits behind it for long.
const HOSTS_A_TURN: usize = 50;

/// Series that are named in the answer: a screen or two.
const MAX_ITEMS: usize = 100;

/// The check of the round trip time.
const ROUND_TRIP: &str = "rtt";

/// Limits that are tried, and whose they are.
pub(super) struct Layer {
    limits: ThresholdLayer,
    of: Of,
}

enum Of {
    Everyone,
    Profile(ProfileName),
    Host(String),
}

impl Layer {
    /// Returns the limits of an object of the configuration; nothing if its section has none.
    pub(super) fn of(section: &str, name: &str, plan: &Plan) -> Option<Self> {
        match section {
            "thresholds" => {
                let here = plan.everyone.iter().filter(|(path, _)| path.collector == name);
                let limits = here.map(|(path, limits)| (path.clone(), limits.clone())).collect();
                Some(Self { limits, of: Of::Everyone })
            }
            "threshold_configs" => {
                let (name, profile) = plan.profiles.iter().find(|(n, _)| n.as_str() == name)?;
                Some(Self { limits: profile.limits.clone(), of: Of::Profile(name.clone()) })
            }
            "hosts" => {
                let limits = ThresholdLayer::clone(&plan.host(name).own_limits);
                Some(Self { limits, of: Of::Host(name.to_owned()) })
            }
            _ => None,
        }
    }

    /// Returns whether a host with these profiles has them.
    fn is_for(&self, host: &HostName, profiles: &[ProfileName]) -> bool {
        match &self.of {
            Of::Everyone => true,
            Of::Profile(name) => name.as_str() == DEFAULT_PROFILE || profiles.contains(name),
            Of::Host(name) => host.as_str() == name,
        }
    }

    /// Returns whether they look at this of a series.
    fn looks_at(&self, series: &SeriesName, measure: Measure) -> bool {
        self.limits.keys().any(|path| {
            path.measure == measure
                && path.collector == series.collector
                && path.metric == series.metric
                && path.instance.as_ref().is_none_or(|instance| *instance == series.instance)
        })
    }

    fn looks_at_round_trip(&self, host: &HostName) -> bool {
        self.limits.keys().any(|path| {
            let instance = path.instance.as_deref();
            path.collector == RTT && (instance == Some("*") || instance == Some(host.as_str()))
        })
    }
}

/// A host that limits are for.
struct Host {
    id: HostId,
    name: HostName,
    joined: Vec<Tag>,
    round_trip: Option<Duration>,
}

/// One series beside the threshold that looks at it.
struct Look {
    host: HostId,
    name: HostName,
    check: String,
    /// Nothing for a round trip, which is not kept.
    series: Option<SeriesName>,
    unit: Unit,
    threshold: std::sync::Arc<Threshold>,
    value: Option<f64>,
    state: Option<Status>,
    past: Option<[Tally; WINDOWS.len()]>,
    /// How the value was derived, in words; empty for the newest.
    how: String,
}

/// What came of a series' past.
struct Past {
    tallies: [Tally; WINDOWS.len()],
    state: Option<Status>,
    derived: Option<(Option<f64>, String)>,
}

impl Look {
    /// The worst first: what would be bad now, then what was bad, then by name.
    fn key(&self) -> impl Ord + use<> {
        let rank = self.state.map_or(0, |state| if state.is_problem() { state.rank() } else { 0 });
        let problems = self.past.map_or(0, |[_, week]| week.problems);
        let (host, check) = (self.name.clone(), self.check.clone());
        (std::cmp::Reverse((rank, problems)), host, check)
    }

    fn is_telling(&self) -> bool {
        self.state.is_some_and(Status::is_problem)
            || self.past.is_some_and(|[_, week]| week != Tally::default())
    }
}

impl ServerBackend {
    /// Tries limits of a plan that is not in force.
    pub(super) fn try_limits(&self, layer: &Layer, plan: &Plan) -> Answer<ConfigTested> {
        let began = Clock.now();
        if layer.limits.is_empty() {
            let why = match layer.of {
                Of::Host(_) => "the host has no limits of its own to try",
                Of::Everyone | Of::Profile(_) => "there are no limits to try",
            };
            return Err(Refused::Conflict(why.to_owned()));
        }
        let hosts = self.concerned(layer)?;
        let mut tagged = TaggedPlans::default();
        let mut looks = Vec::new();
        for some in hosts.chunks(HOSTS_A_TURN) {
            looks.extend(self.looks(layer, plan, some, &mut tagged));
        }
        looks.sort_by_cached_key(Look::key);
        self.look_back(&mut looks, began.mono + LOOKS, began.unix);
        looks.sort_by_cached_key(Look::key);
        let tried = self.tried(&looks)?;
        let took = Clock.now().mono.since(began.mono);
        let lines = lines(&tried);
        Ok(ConfigTested {
            ok: tried.series > 0,
            lines,
            took_seconds: took.as_secs_f64(),
            limits: Some(tried),
        })
    }

    fn concerned(&self, layer: &Layer) -> Answer<Vec<Host>> {
        let only = match &layer.of {
            Of::Host(name) => Some(name.clone()),
            Of::Everyone | Of::Profile(_) => None,
        };
        self.ask(move |engine| {
            let all = engine.hosts();
            let wanted = all.filter(|h| only.as_ref().is_none_or(|name| h.name().as_str() == name));
            let host = |host: hark_engine::view::HostView<'_>| Host {
                id: host.id(),
                name: host.name().clone(),
                joined: host.joined_tags().to_vec(),
                round_trip: host.round_trip(),
            };
            wanted.map(host).collect()
        })
    }

    /// Returns what the limits look at on some hosts, with the newest values.
    fn looks(
        &self,
        layer: &Layer,
        plan: &Plan,
        hosts: &[Host],
        tagged: &mut TaggedPlans,
    ) -> Vec<Look> {
        let with = hosts.iter().filter_map(|host| {
            let plan = plan.host_with_tags(host.name.as_str(), &host.joined, tagged);
            layer.is_for(&host.name, &plan.profiles).then_some((host, plan))
        });
        let with: Vec<_> = with.collect();
        let ids: Vec<HostId> = with.iter().map(|(host, _)| host.id).collect();
        let known = self.links.ask_history(move |history| {
            let one = |id: &HostId| (history.series_of(*id), history.latest(*id));
            ids.iter().map(one).collect::<Vec<_>>()
        });
        let mut looks = Vec::new();
        for ((host, plan), (series, latest)) in with.iter().zip(known.unwrap_or_default()) {
            let newest: BTreeMap<&SeriesName, f64> =
                latest.iter().map(|latest| (&latest.def.name, latest.value)).collect();
            for def in &series {
                let all = plan.thresholds.all_of(&def.name);
                for (measure, threshold) in all.filter(|(m, _)| layer.looks_at(&def.name, *m)) {
                    // What is derived from the past is known when that was looked at.
                    let value = newest
                        .get(&def.name)
                        .copied()
                        .filter(|value| !value.is_nan() && threshold.signal == Signal::Newest);
                    looks.push(Look {
                        host: host.id,
                        name: host.name.clone(),
                        check: measure.path(&def.name.path()),
                        series: Some(def.name.clone()),
                        unit: def.unit,
                        threshold: std::sync::Arc::clone(threshold),
                        value,
                        state: value.map(|value| threshold.level(value, Status::Ok)),
                        past: None,
                        how: String::new(),
                    });
                }
            }
        }
        let round_trips = with.iter().filter(|(host, _)| layer.looks_at_round_trip(&host.name));
        looks.extend(round_trips.filter_map(|(host, plan)| {
            let threshold = plan.thresholds.of_rtt(host.name.as_str())?;
            let value = host.round_trip.map(|time| time.as_secs_f64() * 1000.0);
            Some(Look {
                host: host.id,
                name: host.name.clone(),
                check: ROUND_TRIP.to_owned(),
                series: None,
                unit: Unit::Milliseconds,
                threshold: std::sync::Arc::clone(threshold),
                value,
                state: value.map(|value| threshold.level(value, Status::Ok)),
                past: None,
                how: String::new(),
            })
        }));
        looks
    }

    /// Looks at the last week of one host after the other until `until`.
    fn look_back(&self, looks: &mut [Look], until: Mono, now: Unix) {
        // In the order of the worst series of each.
        let mut by_host: Vec<(HostId, Vec<usize>)> = Vec::new();
        let mut places: BTreeMap<HostId, usize> = BTreeMap::new();
        for (n, look) in looks.iter().enumerate().filter(|(_, look)| look.series.is_some()) {
            let place = *places.entry(look.host).or_insert_with(|| {
                by_host.push((look.host, Vec::new()));
                by_host.len() - 1
            });
            by_host[place].1.push(n);
        }
        for (host, numbers) in by_host {
            if Clock.now().mono >= until {
                return;
            }
            let pasts = self.past_of(host, &numbers, looks, now);
            for (n, past) in numbers.into_iter().zip(pasts) {
                let look = &mut looks[n];
                look.past = Some(past.tallies);
                if let Some((value, how)) = past.derived {
                    (look.value, look.how, look.state) = (value, how, past.state);
                } else {
                    // What is believed counts attempts and holding times, which a single value does not.
                    look.state = look.value.and(past.state).or(look.state);
                }
            }
        }
    }

    fn past_of(&self, host: HostId, numbers: &[usize], looks: &[Look], now: Unix) -> Vec<Past> {
        let of: Vec<Option<&SeriesName>> =
            numbers.iter().map(|n| looks[*n].series.as_ref()).collect();
        let mut names: Vec<SeriesName> = of.iter().copied().flatten().cloned().collect();
        names.sort_unstable();
        names.dedup();
        let mut trials: Vec<Trial<'_>> =
            numbers.iter().map(|n| Trial::new(&looks[*n].threshold, now)).collect();
        let mut from = now - WINDOWS[WINDOWS.len() - 1];
        for (trial, n) in trials.iter_mut().zip(numbers) {
            let look = &looks[*n];
            if let (Signal::Deviation { usual, over, .. }, Some(series)) =
                (look.threshold.signal, &look.series)
            {
                // By what was before: what is tried does not say itself what is usual.
                let within = (from - over, now + over);
                let found = recall::usual(&self.links, host, series, usual, from, within);
                trial.expect(found.unwrap_or_default());
            }
        }
        while from < now {
            let to = (from + PIECE).min(now + Duration::from_secs(1));
            let wanted = names.clone();
            let plan = self.links.ask_history(move |h| h.plan(host, &wanted, from, to, POINTS));
            let Some(answer) = plan.map(QueryPlan::run) else { break };
            for line in &answer.lines {
                let points = || answer.at.iter().zip(&line.min).zip(line.avg.iter().zip(&line.max));
                let same = of.iter().map(|name| *name == Some(&line.def.name));
                for (trial, _) in trials.iter_mut().zip(same).filter(|(_, same)| *same) {
                    for ((at, lowest), (mean, highest)) in points() {
                        let (lowest, mean, highest) = (*lowest, *mean, *highest);
                        trial.value(*at, Measured { lowest, mean, highest });
                    }
                }
            }
            from = to;
        }
        let past = |(trial, n): (Trial<'_>, &usize)| Past {
            state: trial.believed(),
            derived: trial.derived(looks[*n].unit),
            tallies: trial.end(now),
        };
        trials.into_iter().zip(numbers).map(past).collect()
    }

    fn tried(&self, looks: &[Look]) -> Answer<LimitsTried> {
        let in_state =
            |wanted| looks.iter().filter(|look| look.state == Some(wanted)).count() as u64;
        let problems = |window: usize| {
            looks.iter().filter_map(|look| Some(u64::from(look.past?[window].problems))).sum()
        };
        let mut hosts: Vec<HostId> = looks.iter().map(|look| look.host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let shown: Vec<&Look> = looks.iter().filter(|l| l.is_telling()).take(MAX_ITEMS).collect();
        let asked: Vec<(HostId, String)> =
            shown.iter().map(|look| (look.host, look.check.clone())).collect();
        let present = self.ask(move |engine| {
            let state = |(id, check): &(HostId, String)| engine.host(*id)?.check(check)?.hard();
            asked.iter().map(state).collect::<Vec<_>>()
        })?;
        Ok(LimitsTried {
            series: looks.len() as u64,
            hosts: hosts.len() as u64,
            warning_now: in_state(Status::Warning),
            critical_now: in_state(Status::Critical),
            with_past: looks.iter().filter(|look| look.past.is_some()).count() as u64,
            problems_day: problems(0),
            problems_week: problems(1),
            items: shown.into_iter().zip(present).map(|(look, is)| item(look, is)).collect(),
        })
    }
}

fn item(look: &Look, is: Option<Status>) -> LimitTried {
    let text = look.value.map(|value| {
        let level = look.state.unwrap_or(Status::Ok);
        let compared = look.threshold.compared(value, level, look.unit);
        if look.how.is_empty() { compared } else { format!("{compared}: {}", look.how) }
    });
    let past = |tally: &Tally| PastTried {
        problems: tally.problems,
        warning_seconds: tally.warning.as_secs(),
        critical_seconds: tally.critical.as_secs(),
    };
    LimitTried {
        host: look.name.to_string(),
        check: look.check.clone(),
        state: look.state.map(State::from),
        is: is.map(State::from),
        text: text.unwrap_or_else(|| look.how.clone()),
        day: look.past.as_ref().map(|[day, _]| past(day)),
        week: look.past.as_ref().map(|[_, week]| past(week)),
    }
}

/// Says it in words, for those who have no table.
fn lines(tried: &LimitsTried) -> Vec<String> {
    if tried.series == 0 {
        return vec![
            "nothing that is measured has these limits: see collector, instance and metric"
                .to_owned(),
        ];
    }
    let mut lines = vec![
        format!("they look at {} series of {} hosts", tried.series, tried.hosts),
        format!("now: {} critical, {} in warning", tried.critical_now, tried.warning_now),
    ];
    if tried.with_past > 0 {
        lines.push(format!(
            "problems that would have begun: {} in the last 24 hours, {} in the last 7 days",
            tried.problems_day, tried.problems_week
        ));
    }
    if tried.with_past < tried.series {
        lines.push(format!("the past of {} series was looked at", tried.with_past));
    }
    lines
}
