//! What the engine works by, as it is in effect: liveness, thresholds, hosts, routes, silences.

use std::time::Duration;

use hark_engine::Plan;
use hark_engine::plan::threshold::{ConfirmRule, Limit, Limits, OnStale, Operator, Threshold};
use hark_engine::plan::{
    CheckPlan, HostPlan, Measure, Per, RepairPlan, RoutePlan, Side, Signal, SilencePlan, StepPlan,
    ThresholdPath, ThresholdSet, threshold,
};
use hark_model::record::Matcher;
use hark_signals::{Season, Toward};
use serde_json::{Map, Value, json};

/// Puts everything of the plan but receivers, under the keys of the configuration.
pub(super) fn put(plan: &Plan, shown: &mut Map<String, Value>) {
    let liveness = plan.liveness;
    let flapping = plan.flapping;
    let silences = |maintenance: bool| -> Vec<Value> {
        plan.silences.iter().filter(|s| s.maintenance == maintenance).map(silence).collect()
    };
    let hosts: Map<String, Value> =
        plan.hosts().map(|(name, plan)| (name.to_string(), host(plan))).collect();
    let profiles: Map<String, Value> = plan
        .profiles
        .iter()
        .map(|(name, profile)| {
            let mut tree = Map::new();
            for (path, limits) in &profile.limits {
                put_path(&mut tree, path, written(limits, path.measure));
            }
            (name.to_string(), json!({"tags": words(&profile.tags), "thresholds": tree}))
        })
        .collect();
    let parts = [
        ("interval", json!(time(liveness.interval))),
        ("grace", json!(time(liveness.grace))),
        ("missed", json!(liveness.miss)),
        ("notifications", json!(plan.notify)),
        ("default_owner", json!(plan.unnamed().owner.as_ref().map(ToString::to_string))),
        ("threshold_renotify_interval", json!(time(plan.reminders.every))),
        (
            "flapping",
            json!({"enabled": flapping.enabled, "start": flapping.start, "end": flapping.end}),
        ),
        ("thresholds", tree(&plan.unnamed().thresholds)),
        ("threshold_configs", Value::Object(profiles)),
        ("hosts", Value::Object(hosts)),
        ("routes", plan.routes.iter().map(route).collect()),
        ("periods", named(&plan.people.periods, |window| json!(window.to_string()))),
        ("teams", named(&plan.people.teams, |members| json!(words(members)))),
        ("oncall", named(&plan.people.rotas, rota)),
        ("silences", silences(false).into()),
        ("maintenance", silences(true).into()),
    ];
    shown.extend(parts.map(|(key, value)| (key.to_owned(), value)));
}

fn named<K: ToString, V>(
    map: &std::collections::BTreeMap<K, V>,
    show: impl Fn(&V) -> Value,
) -> Value {
    Value::Object(map.iter().map(|(name, value)| (name.to_string(), show(value))).collect())
}

/// Returns how a user is told.
pub(super) fn person(plan: &hark_engine::plan::PersonPlan) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("channels".to_owned(), json!(words(&plan.channels)));
    shown.insert("severity".to_owned(), json!(plan.severity.map(hark_model::Severity::word)));
    shown.extend(hours(plan.hours.as_ref()));
    shown
}

/// Returns when a receiver or a user is told.
pub(super) fn hours(hours: Option<&hark_engine::plan::Hours>) -> Map<String, Value> {
    let parts = [
        ("hours", json!(hours.map(|hours| hours.period.to_string()))),
        ("except", json!(hours.and_then(|hours| hours.except).map(hark_model::Severity::word))),
    ];
    parts.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

/// Returns what the engine knows of a check: how it is believed and what missing results are.
pub(super) fn check(plan: &CheckPlan) -> Map<String, Value> {
    let mut shown = confirm(&plan.confirm);
    shown.insert("on_stale".to_owned(), json!(stale(plan.on_stale)));
    shown.insert("volatile".to_owned(), json!(plan.volatile));
    shown.insert("description".to_owned(), json!(plan.description.as_deref()));
    shown.insert("hidden".to_owned(), json!(plan.hidden));
    if let Some(flapping) = plan.flapping {
        shown.insert("flapping".to_owned(), json!(flapping));
    }
    if let Some(repair) = &plan.repair {
        shown.insert("repair".to_owned(), mending(repair));
    }
    if let Some(push) = &plan.push {
        let expected = json!({
            "due": push.due.to_string(),
            "grace": time(push.grace),
            "max_run": push.max_run.map(time),
            "first_by": push.first_by.map(|at| hark_api::time::Timestamp(at).to_string()),
            "paused": push.paused,
            "rotation": push.rotation,
        });
        shown.insert("push".to_owned(), expected);
    }
    shown
}

fn mending(plan: &RepairPlan) -> Value {
    json!({"action": &*plan.action, "tries": plan.tries, "wait": time(plan.wait)})
}

fn addresses(host: &HostPlan) -> Value {
    let all = host.address.iter().chain(&host.other_address).map(ToString::to_string);
    match all.collect::<Vec<_>>().as_slice() {
        [] => Value::Null,
        [one] => json!(one),
        both => json!(both),
    }
}

fn host(host: &HostPlan) -> Value {
    json!({
        "address": addresses(host),
        "tags": words(&host.tags),
        "owner": host.owner.as_ref().map(ToString::to_string),
        "managers": words(&host.managers),
        "monitors": words(&host.monitors),
        "threshold_config": words(&host.profiles),
        "parents": host.parents.iter().map(|group| words(group)).collect::<Vec<_>>(),
        "checks": host.checks.iter().map(|check| check.name.to_string()).collect::<Vec<_>>(),
        "thresholds": tree(&host.thresholds),
    })
}

fn route(route: &RoutePlan) -> Value {
    let matches = &route.matches;
    let mut shown = filter(&Matcher {
        hosts: matches.hosts.clone(),
        checks: matches.checks.clone(),
        tags: matches.tags.clone(),
        severity: matches.severity,
    });
    if !matches.times.is_empty() {
        shown.insert("times".to_owned(), json!(words(&matches.times)));
    }
    if !matches.events.is_empty() {
        let kinds: Vec<&str> = matches.events.iter().map(hark_model::EventKind::word).collect();
        shown.insert("events".to_owned(), json!(kinds));
    }
    let step = |step: &StepPlan| {
        json!({
            "after": time(step.after),
            "to": words(&step.to),
            "severity": step.severity.map(hark_model::Severity::word),
            "unless": "acknowledged",
        })
    };
    let gaps = |gaps: &std::sync::Arc<[Duration]>| -> Vec<String> {
        gaps.iter().copied().map(time).collect()
    };
    json!({
        "name": route.name.to_string(),
        "match": shown,
        "to": words(&route.to),
        "delay": time(route.delay),
        "repeat": route.repeat.as_ref().map(gaps),
        "group_by": route.group.by.as_ref().map(|by| by.iter().map(|by| by.word()).collect::<Vec<_>>()),
        "group_wait": time(route.group.wait),
        "group_interval": time(route.group.interval),
        "storm": {
            "messages": route.storm.messages,
            "within": time(route.storm.within),
            "hosts": route.storm.hosts,
            "hosts_within": time(route.storm.hosts_within),
        },
        "escalate": route.escalate.iter().map(step).collect::<Vec<_>>(),
        "continue": route.and_on,
        "routes": route.routes.iter().map(self::route).collect::<Vec<_>>(),
    })
}

fn rota(rota: &hark_calendar::Rota) -> Value {
    json!({"people": words(&rota.people().into_iter().collect::<Vec<_>>())})
}

fn silence(silence: &SilencePlan) -> Value {
    let at = |at| hark_api::time::Timestamp(at).to_string();
    let mut shown = json!({
        "name": silence.name,
        "match": filter(&silence.matcher),
        "reason": silence.reason,
        "from": at(silence.from),
        "until": at(silence.until),
    });
    if let Some(lasts) = silence.flexible {
        shown["flexible"] = json!(time(lasts));
    }
    if let Some(repeat) = &silence.repeat {
        shown["repeats"] = json!(repeat.to_string());
    }
    shown
}

/// Returns the parts of a filter that are given; none matches everything.
fn filter(matcher: &Matcher) -> Map<String, Value> {
    let mut shown = Map::new();
    for (key, patterns) in [("hosts", &matcher.hosts), ("checks", &matcher.checks)] {
        if !patterns.is_empty() {
            shown.insert(key.to_owned(), json!(patterns));
        }
    }
    if !matcher.tags.is_empty() {
        shown.insert("tags".to_owned(), json!(words(&matcher.tags)));
    }
    if let Some(severity) = matcher.severity {
        shown.insert("severity".to_owned(), json!(severity.word()));
    }
    shown
}

/// Returns resolved thresholds in the form of the configuration's tree.
fn tree(set: &ThresholdSet) -> Value {
    let mut tree = Map::new();
    for (path, threshold) in set.iter() {
        put_path(&mut tree, &path, resolved(threshold));
    }
    Value::Object(tree)
}

fn put_path(tree: &mut Map<String, Value>, path: &ThresholdPath, limits: Map<String, Value>) {
    fn below<'t>(map: &'t mut Map<String, Value>, key: &str) -> Option<&'t mut Map<String, Value>> {
        map.entry(key.to_owned()).or_insert_with(|| json!({})).as_object_mut()
    }
    let Some(mut place) = below(tree, &path.collector) else { return };
    if let Some(instance) = &path.instance {
        let Some(inner) = below(place, instance) else { return };
        place = inner;
    }
    if path.collector == threshold::RTT {
        place.extend(limits);
        return;
    }
    let Some(mut place) = below(place, &path.metric) else { return };
    if path.measure != Measure::Value {
        let Some(inner) = below(place, path.measure.word()) else { return };
        place = inner;
    }
    place.extend(limits);
}

/// Returns what is looked at, if that is more than the newest value.
fn signal(signal: Signal) -> Map<String, Value> {
    let parts = match signal {
        Signal::Newest | Signal::Absence => vec![],
        Signal::Window { over, by } => vec![("over", json!(time(over))), ("by", json!(by.word()))],
        Signal::Growth { over, per } => {
            let word = Per::WORDS.iter().find(|(_, known)| *known == per).map(|(word, _)| *word);
            vec![("over", json!(time(over))), ("per", json!(word))]
        }
        Signal::Deviation { over, usual, least, first: _, side } => {
            let season = Season::WORDS.iter().find(|(_, known)| *known == usual.season);
            let side = Side::WORDS.iter().find(|(_, known)| *known == side);
            let mut parts = vec![
                ("over", json!(time(over))),
                ("weeks", json!(usual.weeks)),
                ("season", json!(season.map(|(word, _)| *word))),
                ("side", json!(side.map(|(word, _)| *word))),
            ];
            parts.extend(least.map(|least| ("least", json!(least))));
            parts
        }
        Signal::FullIn { over, toward } => {
            let border = match toward {
                Toward::Up(_) => "full",
                Toward::Down(_) => "empty",
            };
            vec![("over", json!(time(over))), (border, json!(toward.border()))]
        }
    };
    parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn resolved(threshold: &Threshold) -> Map<String, Value> {
    let mut shown = signal(threshold.signal);
    shown.insert("operator".to_owned(), json!(threshold.operator.sign()));
    let measure = threshold.signal.measure();
    let mut put = |key: &str, clear: &str, limit: Option<Limit>| {
        if let Some(limit) = limit {
            shown.insert(key.to_owned(), level(measure, limit.raise));
            // Computed from the share, so with what floating point adds to it.
            shown.insert(clear.to_owned(), level(measure, rounded(limit.clear)));
        }
    };
    put("warning", "warning_clear", threshold.warning);
    put("critical", "critical_clear", threshold.critical);
    shown.extend(confirm(&threshold.confirm));
    shown.insert("on_stale".to_owned(), json!(stale(threshold.on_stale)));
    if let Some(repair) = &threshold.repair {
        shown.insert("repair".to_owned(), mending(repair));
    }
    shown
}

/// Returns where a level begins as it is written: a time, where it is one.
fn level(measure: Measure, limit: f64) -> Value {
    if measure.is_time() {
        json!(time(Duration::try_from_secs_f64(limit.round()).unwrap_or_default()))
    } else {
        json!(limit)
    }
}

/// Returns limits as a profile gives them: the rest comes from below.
fn written(limits: &Limits, measure: Measure) -> Map<String, Value> {
    let terms = &limits.terms;
    let per = |per: Per| Per::WORDS.iter().find(|(_, known)| *known == per).map(|(word, _)| *word);
    let parts = [
        ("over", terms.over.map(|over| json!(time(over)))),
        ("by", terms.by.map(|by| json!(by.word()))),
        ("per", terms.per.map(|word| json!(per(word)))),
        ("full", terms.full.map(|border| json!(border))),
        ("empty", terms.empty.map(|border| json!(border))),
        ("weeks", terms.weeks.map(|weeks| json!(weeks))),
        ("season", terms.season.map(|season| json!(word(season, &Season::WORDS)))),
        ("least", terms.least.map(|least| json!(least))),
        ("side", terms.side.map(|side| json!(word(side, &Side::WORDS)))),
        ("operator", limits.operator.map(|operator: Operator| json!(operator.sign()))),
        ("warning", limits.warning.map(|limit| level(measure, limit))),
        ("critical", limits.critical.map(|limit| level(measure, limit))),
        ("hysteresis", limits.hysteresis.map(|share| json!(share))),
        ("warning_clear", limits.warning_clear.map(|limit| level(measure, limit))),
        ("critical_clear", limits.critical_clear.map(|limit| level(measure, limit))),
        ("attempts", limits.attempts.map(|count| json!(count))),
        ("for", limits.hold_for.map(|span| json!(time(span)))),
        ("clear_attempts", limits.clear_attempts.map(|count| json!(count))),
        ("keep_firing_for", limits.keep_firing_for.map(|span| json!(time(span)))),
        ("on_stale", limits.on_stale.map(|policy| json!(stale(policy)))),
        ("repair", limits.repair.as_deref().map(mending)),
    ];
    parts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn word<T: Copy + PartialEq>(value: T, words: &[(&'static str, T)]) -> Option<&'static str> {
    words.iter().find(|(_, known)| *known == value).map(|(word, _)| *word)
}

fn confirm(rule: &ConfirmRule) -> Map<String, Value> {
    let parts = [
        ("attempts", json!(rule.attempts)),
        ("for", json!(time(rule.hold_for))),
        ("clear_attempts", json!(rule.clear_attempts)),
        ("keep_firing_for", json!(time(rule.keep_firing_for))),
    ];
    parts.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

fn stale(policy: OnStale) -> &'static str {
    OnStale::WORDS.iter().find(|(_, known)| *known == policy).map_or("", |(word, _)| word)
}

fn words<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

fn time(span: Duration) -> String {
    hark_config::duration::format(span)
}

/// Rounds to nine decimals: more than anybody writes, fewer than the noise of a multiplication.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}
