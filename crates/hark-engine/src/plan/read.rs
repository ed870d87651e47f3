//! From the sections of the configuration to a [`Plan`]: what is wrong is reported at its line.
//!
//! The engine reads `interval`, `grace`, `missed`, `notifications`, `threshold_renotify_interval`,
//! `thresholds`, `threshold_configs`, `hosts`, `routes`, `periods`, `teams`, `oncall`, `silences`,
//! `maintenance` and `flapping`; of `checks`, `receivers` and `users` it takes what concerns it and
//! leaves the rest, unknown keys included, to the crates that own these sections.

mod hosts;
mod metrics;
mod people;
mod pushes;
mod repairs;
mod routes;
mod signals;
mod silences;
mod thresholds;

use std::collections::BTreeMap;
use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section, Span};

pub use hosts::HOST_KEYS;
pub use metrics::Catalogue;
pub use people::{HOURS_KEYS, PERSON_KEYS};
pub use pushes::PUSH_KEYS;
pub use routes::{HOST_MATCH_KEYS, ROUTE_KEYS, read_host_match};
pub use silences::{MAINTENANCE_KEYS, SILENCE_KEYS};
pub use thresholds::LIMIT_KEYS;

use super::{Draft, Fault, Flapping, Layer, Liveness, Place, Plan, Reminders};

/// A profile.
const PROFILE_KEYS: &[Key] = &[
    Key::new(
        "tags",
        Kind::OneOrMany(&Kind::Text),
        "Hosts with one of these tags take it on without naming it, beneath those that they name.",
    ),
    Key::new(
        "thresholds",
        Kind::Any,
        "Limits in the form of the top-level `thresholds`; they lie on top of those.",
    ),
];

const FLAPPING_KEYS: &[Key] = &[
    Key::new("enabled", Kind::Bool, "Whether flapping is looked at.").default("true"),
    Key::new("start", Kind::Number, "Weighted share of changes at which flapping begins.")
        .default("0.3"),
    Key::new("end", Kind::Number, "Share below which it ends.").default("0.2"),
];

/// The top-level keys that the engine reads whole.
pub const KEYS: &[Key] = &[
    Key::new("interval", Kind::Duration, "Heartbeat interval of agents that do not say theirs.")
        .default("30s")
        .unit("seconds"),
    Key::new("grace", Kind::Duration, "Added to the missed intervals before a host is silent.")
        .default("5s")
        .unit("seconds"),
    Key::new("missed", Kind::Integer, "Heartbeats that may be missed before a host is silent.")
        .default("3"),
    Key::new("notifications", Kind::Bool, "`false` keeps every notification back.").default("true"),
    Key::new(
        "threshold_renotify_interval",
        Kind::Duration,
        "Time between reminders of a problem that goes on; 0 is never.",
    )
    .default("1h")
    .unit("seconds"),
    Key::new("flapping", Kind::Section(FLAPPING_KEYS), "When a check changes too often."),
    Key::new("thresholds", Kind::Any, "Limits: collector, perhaps instance, metric, limits."),
    Key::new(
        "threshold_configs",
        Kind::Named(&Kind::Section(PROFILE_KEYS)),
        "Profiles: named sets of limits that hosts take on; `default` lies under every host.",
    ),
    Key::new("default_owner", Kind::Text, "User whose hosts are that name no owner."),
    Key::new("hosts", Kind::Named(&Kind::Section(HOST_KEYS)), "Hosts by name."),
    Key::new("routes", Kind::List(&Kind::Section(ROUTE_KEYS)), "Who is told what; in order."),
    Key::new(
        "periods",
        Kind::Named(&Kind::Any),
        "Days and hours by name: `mon-fri 08:00-18:00 Europe/Berlin`.",
    ),
    Key::new("teams", Kind::Named(&Kind::OneOrMany(&Kind::Text)), "Users by team."),
    Key::new(
        "oncall",
        Kind::Named(&Kind::Section(hark_calendar::ROTA_KEYS)),
        "Rotas by name: who is on call when.",
    ),
    Key::new("silences", Kind::List(&Kind::Section(SILENCE_KEYS)), "Times of no notifications."),
    Key::new("maintenance", Kind::List(&Kind::Section(MAINTENANCE_KEYS)), "Times of planned work."),
];

/// Where things stand, for what is found out only when names are resolved.
type Places = BTreeMap<Place, Span>;

/// Reads the engine's part of the configuration. `None` if anything in it is wrong; what, stands in
/// the document's diagnostics. Any metric may have limits.
pub fn read(root: &Section<'_>) -> Option<Plan> {
    read_with(root, &[])
}

/// As [`read`], with the metrics that are known: limits on others are reported.
pub fn read_with(root: &Section<'_>, catalogue: Catalogue<'_>) -> Option<Plan> {
    let mut draft = Draft::default();
    let mut places = Places::new();
    draft.liveness = read_liveness(root);
    draft.reminders = Reminders {
        every: root.duration(
            "threshold_renotify_interval",
            Bare::Seconds,
            Reminders::default().every,
        ),
        ..Reminders::default()
    };
    draft.notify = root.bool("notifications", true);
    draft.flapping = read_flapping(root);
    if let Some(tree) = root.value("thresholds") {
        draft.thresholds = thresholds::read_tree(&tree, &Layer::Everyone, catalogue, &mut places);
    }
    thresholds::read_profiles(root, PROFILE_KEYS, catalogue, &mut draft, &mut places);
    hosts::read(root, catalogue, &mut draft, &mut places);
    hosts::read_checks(root, &mut draft, &mut places);
    routes::read(root, &mut draft, &mut places);
    people::read(root, &mut draft, &mut places);
    silences::read(root, &mut draft);
    match Plan::resolve(&draft) {
        Ok(plan) => (!root.diagnostics().has_errors()).then_some(plan),
        Err(faults) => {
            for fault in faults {
                report(root, &places, fault);
            }
            None
        }
    }
}

fn report(root: &Section<'_>, places: &Places, fault: Fault) {
    let Fault { place, text, suggestion, hint } = fault;
    let span = places.get(&place).copied().unwrap_or_else(|| root.span());
    let mut report = root.diagnostics().error(span, text);
    if let Some(suggestion) = suggestion {
        report = report.suggest(suggestion);
    }
    if let Some(hint) = hint {
        report = report.hint(hint);
    }
    drop(report);
}

/// Heartbeats closer than this would be for another kind of tool.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

fn read_liveness(root: &Section<'_>) -> Liveness {
    let usual = Liveness::default();
    let mut interval = root.duration("interval", Bare::Seconds, usual.interval);
    if interval < SHORTEST_INTERVAL {
        root.error("interval", "must be at least 100ms");
        interval = usual.interval;
    }
    Liveness {
        interval,
        grace: root.duration("grace", Bare::Seconds, usual.grace),
        miss: u32::try_from(root.u64("missed", u64::from(usual.miss), 1..=1000))
            .unwrap_or(usual.miss),
    }
}

fn read_flapping(root: &Section<'_>) -> Flapping {
    let usual = Flapping::default();
    let Some(section) = root.child("flapping") else { return usual };
    let read = Flapping {
        enabled: section.bool("enabled", usual.enabled),
        start: section.f64("start", usual.start, 0.0..=1.0),
        end: section.f64("end", usual.end, 0.0..=1.0),
    };
    section.finish(FLAPPING_KEYS);
    if read.end > read.start {
        section.error("end", "must not be above `start`: flapping would end as it begins");
    }
    read
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};

    use super::*;

    /// Returns what is wrong with a text: place, words, suggestion.
    fn faults(text: &str) -> Vec<String> {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let plan = read(&root);
        let faults = said(&document, hark_config::Level::Error);
        assert_eq!(plan.is_none(), !faults.is_empty(), "a plan is there if nothing is wrong");
        faults
    }

    fn said(document: &Document, level: hark_config::Level) -> Vec<String> {
        document
            .diagnostics()
            .list()
            .into_iter()
            .filter(|diagnostic| diagnostic.level == level)
            .map(|diagnostic| {
                let place = document.diagnostics().position(diagnostic.span);
                let suggestion = diagnostic.suggestion.map(|s| format!(" [{s}]"));
                let suggestion = suggestion.unwrap_or_default();
                format!("{}:{} {}{suggestion}", place.line, place.column, diagnostic.message)
            })
            .collect()
    }

    #[test]
    fn a_metric_that_nobody_measures_is_found_and_a_foreign_collector_is_doubtful() {
        let known: Catalogue<'_> =
            &[("cpu_monitor", &["cpu_percent", "load_1min"]), ("disk_monitor", &["percent"])];
        let text = "thresholds:\n  cpu_monitor:\n    cpu_percnet: {warning: 80}\n  \
                    cpu: {load_1min: {warning: 4}}\n  \
                    my_raid: {failed: {critical: 0}}\n  \
                    disk_monitor: {partitions: {/: {percent: {warning: 90}}}}\n  \
                    rtt: {web1: {warning: 90}}\n\
                    threshold_configs:\n  db:\n    thresholds: {disk_monitor: {/: {precent: {critical: 99}}}}\n";
        let document = Document::single(text);
        let plan = read_with(&document.root(&NoSecrets), known);
        assert!(plan.is_none());
        let errors = [
            "3:5 `cpu_monitor` has no metric `cpu_percnet` [cpu_percent]",
            "10:37 `disk_monitor` has no metric `precent` [percent]",
        ];
        assert_eq!(said(&document, hark_config::Level::Error), errors);
        let warnings = [
            "4:9 there is no own collector `cpu` [cpu_monitor]",
            "5:13 there is no own collector `my_raid`",
        ];
        assert_eq!(said(&document, hark_config::Level::Warning), warnings);
    }

    #[test]
    fn a_check_of_a_host_that_no_file_names_is_doubtful() {
        let text = "hosts: {web1: {}}\nchecks:\n  a: {host: web1}\n  b: {host: wbe1}\n";
        let document = Document::single(text);
        assert!(read(&document.root(&NoSecrets)).is_some());
        let warnings = said(&document, hark_config::Level::Warning);
        assert_eq!(warnings, ["4:13 no file declares the host `wbe1` [web1]"]);
    }

    #[test]
    fn what_is_wrong_is_reported_at_its_place_with_the_way_out() {
        let cases: [(&str, &[&str]); 11] = [
            ("interval: 10ms\n", &["1:11 must be at least 100ms"]),
            (
                "hosts: {db1: {threshold_config: databse}}\nthreshold_configs: {database: {}}\n",
                &["1:33 there is no profile `databse` [database]"],
            ),
            (
                "hosts: {web1: {parents: [rtr2]}, rtr1: {}}\n",
                &["1:26 there is no host `rtr2` that could be a parent [rtr1]"],
            ),
            (
                "hosts: {a: {parents: [b]}, b: {parents: [c]}, c: {parents: [[a]]}}\n",
                &["1:23 the parents go round in a circle: a -> b -> c -> a"],
            ),
            ("hosts: {a: {parents: [a]}}\n", &["1:23 the parents go round in a circle: a -> a"]),
            (
                "receivers: {ops: {}}\nroutes: [{name: all, to: [osp]}]\n",
                &["2:27 there is no receiver `osp` [ops]"],
            ),
            (
                "receivers: {ops: {}}\nroutes: [{name: a, to: ops}, {name: a, to: ops}]\n",
                &["2:37 there are two routes `a`"],
            ),
            ("hosts: {self: {}}\n", &["1:9 the host name `self` stands for the server itself"]),
            ("checks: {rtt: {host: web1}}\n", &["1:10 the check name `rtt` is the engine's own"]),
            (
                "silences: [{name: x, match: {hosts: a}, reason: y, from: 2026-11-01T00:00:00Z, \
                 until: 2026-12-24T00:00:00Z}]\n",
                &["1:87 a silence lasts at most 30 days"],
            ),
            (
                "flapping: {start: 0.1, end: 0.2}\n",
                &["1:29 must not be above `start`: flapping would end as it begins"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn wrong_limits_are_reported_at_their_place_with_the_way_out() {
        let cases: [(&str, &[&str]); 9] = [
            (
                "thresholds: {cpu_monitor: {cpu_percent: {warning: 90, critical: 80}}}\n",
                &["1:28 warning (90.0) lies beyond critical (80.0): warning must come first"],
            ),
            (
                "thresholds: {cpu_monitor: {cpu_percent: {warning: 80, warning_clear: 85}}}\n",
                &[
                    "1:28 `warning_clear` is 85.0, on the bad side of the limit 80.0: the level would \
                   never be entered and left",
                ],
            ),
            (
                "thresholds: {cpu_monitor: {cpu_percent: {operator: '>'}}}\n",
                &["1:28 neither `warning` nor `critical` is given"],
            ),
            (
                "thresholds: {cpu_monitor: {cpu_percent: {warning: 80, critcal: 90}}}\n",
                &["1:55 unknown key `critcal` [critical]"],
            ),
            ("thresholds: {cpu_monitor: 80}\n", &["1:27 limits were expected under `cpu_monitor`"]),
            ("thresholds: {cpu: {warning: 80}}\n", &["1:14 this is no path of a metric"]),
            (
                "hosts: {a: {thresholds: {cpu_monitor: {cpu_percent: {warning: 90}}}}}\n\
                 thresholds: {cpu_monitor: {cpu_percent: {critical: 80}}}\n",
                &["1:40 warning (90.0) lies beyond critical (80.0): warning must come first"],
            ),
            (
                "threshold_configs: {a: {tags: x, thresholds: {c: {d: {warning: 9, critical: 8}}}}}\n",
                &["1:51 warning (9.0) lies beyond critical (8.0): warning must come first"],
            ),
            (
                "threshold_configs: {default: {tags: x}}\n",
                &["1:37 `default` lies under every host: no tag is asked for"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn limits_may_be_words_in_the_language_of_conditions() {
        use crate::plan::threshold::{Operator, ThresholdPath};
        let document = Document::single(
            "thresholds:\n  disk_monitor:\n    free_gb: {warning: below 10, critical: < 2}\n  \
             certificate_monitor: {days_left: {critical: is at most 72h}}\n  \
             raid: {missing_disks: {warning: is not 0}}\n  \
             cpu_monitor: {cpu_percent: {warning: 80, critical: cpu_percent > 90%, operator: '>'}}\n  \
             rtt: {db1: {warning: over 20ms}}\n",
        );
        let plan = read(&document.root(&NoSecrets)).unwrap();
        let limits = |keys: &[&str]| {
            let path = ThresholdPath::from_keys(keys).unwrap();
            let found = plan.unnamed.thresholds.iter().find(|(known, _)| *known == path);
            let threshold = found.unwrap().1;
            let raise = |limit: Option<crate::plan::threshold::Limit>| limit.map(|l| l.raise);
            (threshold.operator, raise(threshold.warning), raise(threshold.critical))
        };
        let free = limits(&["disk_monitor", "free_gb"]);
        assert_eq!(free, (Operator::Less, Some(10.0), Some(2.0)));
        let days = limits(&["certificate_monitor", "days_left"]);
        assert_eq!(days, (Operator::LessEqual, None, Some(3.0)));
        let raid = limits(&["raid", "missing_disks"]);
        assert_eq!(raid, (Operator::NotEqual, Some(0.0), None));
        let cpu = limits(&["cpu_monitor", "cpu_percent"]);
        assert_eq!(cpu, (Operator::Greater, Some(80.0), Some(90.0)));
        assert_eq!(limits(&["rtt", "db1"]), (Operator::Greater, Some(20.0), None));
    }

    #[test]
    fn words_that_are_no_limit_are_refused_at_their_place() {
        let cases: [(&str, &[&str]); 6] = [
            (
                "thresholds: {cpu: {percent: {warning: above fast}}}\n",
                &["1:45 a number is expected here, such as 5, 2s, 10MiB or 5%"],
            ),
            (
                "thresholds: {cpu: {percent: {warning: '> 80 and < 90'}}}\n",
                &["1:39 a limit compares the value with one number"],
            ),
            (
                "thresholds: {cpu: {percent: {warning: load > 80}}}\n",
                &["1:39 a limit is about `percent`, under which it stands"],
            ),
            (
                "thresholds: {cpu: {percent: {warning: '> 80', critical: '>= 90'}}}\n",
                &["1:57 warning and critical compare in different ways"],
            ),
            (
                "thresholds: {cpu: {percent: {warning: '< 80', operator: '>'}}}\n",
                &["1:57 the limits say `<` already"],
            ),
            (
                "thresholds: {cpu: {percent: {warning: '> 80', critical: 90}}}\n",
                &["1:57 one limit has words and the other has none"],
            ),
        ];
        for (text, expected) in cases {
            let found = faults(text);
            assert!(found.iter().any(|fault| fault == expected[0]), "{text}: {found:#?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_reported_at_once() {
        let found = faults(
            "thresholds: {cpu_monitor: {cpu_percent: {warning: 90, critical: 80}}}\n\
             hosts: {db1: {threshold_config: nothing, parents: [nobody]}}\n\
             routes: [{name: all, to: nobody}]\n",
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_repair_that_cannot_be_ordered_is_refused() {
        let cases: [(&str, &[&str]); 3] = [
            (
                "checks: {a: {host: h, repair: {tries: 11, action: x}}}\n",
                &["1:39 a whole number from 1 to 10 is expected, not `11`"],
            ),
            (
                "checks: {a: {host: h, repair: {wait: 2s, tries: 1}}}\n",
                &["1:23 the key `action` is missing", "1:38 must be between 10s and 1d"],
            ),
            (
                "checks: {a: {host: h, repair: {action: rm -rf}}}\n",
                &["1:40 this is no name of an action"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn a_check_names_its_repair() {
        let document = Document::single(
            "checks:\n  a: {host: h, repair: {action: restart-nginx, tries: 2, wait: 5m}}\n  \
             b: {host: h, repair: {action: reload}}\n  c: {host: h}\n",
        );
        let plan = read(&document.root(&NoSecrets)).unwrap();
        let repair = |check: usize| {
            let repair = plan.host("h").checks[check].repair.clone()?;
            Some((repair.action.to_string(), repair.tries, repair.wait.as_secs()))
        };
        assert_eq!(repair(0), Some(("restart-nginx".to_owned(), 2, 300)));
        assert_eq!(repair(1), Some(("reload".to_owned(), 3, 60)));
        assert_eq!(repair(2), None);
    }

    #[test]
    fn a_job_that_reports_itself_says_when_it_is_expected() {
        let document = Document::single(
            "checks:\n  a: {host: h, push: {every: 1d, grace: 1h, max_run: 2h, rotation: 3}}\n  \
             b: {host: h, push: {cron: '0 3 * * *', timezone: Europe/Berlin, paused: true}}\n  \
             c: {host: h}\n",
        );
        let plan = read(&document.root(&NoSecrets)).unwrap();
        let check = |check: usize| &plan.host("h").checks[check];
        let daily = check(0).push.as_ref().unwrap();
        assert_eq!(daily.due.to_string(), "every 1d");
        assert_eq!((daily.grace.as_secs(), daily.rotation), (3600, 3));
        assert_eq!(daily.max_run.map(|most| most.as_secs()), Some(7200));
        assert_eq!(check(0).confirm.attempts, 1, "what it says needs no second look");
        let nightly = check(1).push.as_ref().unwrap();
        assert_eq!(nightly.due.to_string(), "0 3 * * * Europe/Berlin");
        assert!(nightly.paused && nightly.grace == crate::plan::PushPlan::GRACE);
        assert_eq!(check(2).push, None);
        for (text, expected) in [
            ("{}", "every"),
            ("{every: 1s}", "must be from 10s to 400d"),
            ("{every: 1d, cron: '* * * * *'}", "every"),
            ("{cron: '0 3 * *'}", "is no pattern of cron"),
            ("{cron: '0 0 31 2 *'}", "is never"),
            ("{cron: '0 3 * * *', timezone: Berlin}", "is no time zone"),
            ("{every: 1d, timezone: UTC}", "belongs to `cron`"),
            ("{every: 1d, graze: 1h}", "`graze`"),
            ("{every: 1d}, every: 1d", "has no meaning"),
        ] {
            let found = faults(&format!("checks: {{a: {{host: h, push: {text}}}}}\n"));
            assert!(found.iter().any(|fault| fault.contains(expected)), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_limit_names_its_repair_also_where_a_profile_says_nothing_else() {
        let limits = "cpu_monitor: {cpu_percent: {critical: 90, repair: {action: a, tries: 2}}}";
        let text = format!(
            "thresholds: {{{limits}}}\nthreshold_configs: {{calm: {{thresholds: {{cpu_monitor: \
             {{cpu_percent: {{repair: {{action: b}}}}}}}}}}}}\nhosts: {{h: {{threshold_config: calm}}}}\n"
        );
        let document = Document::single(&text);
        let plan = read(&document.root(&NoSecrets));
        let plan = plan.unwrap_or_else(|| panic!("{:?}", faults(&text)));
        let series = hark_model::SeriesName::of("cpu_monitor", "", "cpu_percent");
        let repair = |host: &str| {
            let threshold = plan.host(host).thresholds.of_series(&series).unwrap();
            let repair = threshold.repair.clone().unwrap();
            assert_eq!(threshold.critical.unwrap().raise.to_bits(), 90f64.to_bits());
            (repair.action.to_string(), repair.tries)
        };
        assert_eq!(repair("h"), ("b".to_owned(), 3));
        assert_eq!(repair("other"), ("a".to_owned(), 2));
        let unknown = "thresholds: {cpu_monitor: {cpu_percent: {critical: 9, repair: {act: x}}}}\n";
        assert_eq!(faults(unknown).len(), 2, "{:?}", faults(unknown));
    }

    #[test]
    fn an_empty_configuration_is_a_plan_of_defaults() {
        assert_eq!(faults(""), Vec::<String>::new());
        let document = Document::single("interval: 10\ngrace: 2s\nmissed: 2\n");
        let plan = read(&document.root(&NoSecrets)).unwrap();
        assert_eq!(plan.liveness.interval, Duration::from_secs(10));
        assert_eq!((plan.liveness.grace, plan.liveness.miss), (Duration::from_secs(2), 2));
        assert_eq!(plan.reminders.every, Duration::from_hours(1));
        assert!(plan.notify && plan.routes.is_empty());
    }

    #[test]
    fn without_routes_every_receiver_gets_everything() {
        let document = Document::single("receivers: {b: {}, a: {severity: critical}}\n");
        let plan = read(&document.root(&NoSecrets)).unwrap();
        let to: Vec<String> = plan.routes[0].to.iter().map(ToString::to_string).collect();
        assert_eq!(to, ["a", "b"]);
        assert_eq!(plan.routes[0].name.as_str(), crate::plan::route::EVERYTHING);
    }

    #[test]
    fn chains_of_ten_thousand_parents_are_read_without_recursion() {
        use std::fmt::Write;
        let mut text = String::from("hosts:\n  h0: {}\n");
        for number in 1..10_000 {
            writeln!(text, "  h{number}: {{parents: [h{}]}}", number - 1).unwrap();
        }
        assert_eq!(faults(&text), Vec::<String>::new());
    }

    /// The tables feed the manual and the schema: what they name is read, and the other way round.
    #[test]
    fn keys_in_the_tables_are_the_keys_that_are_read() {
        let document = Document::single("x-nothing: 1\n");
        let root = document.root(&NoSecrets);
        read(&root).unwrap();
        let mut asked = root.asked();
        let others = ["checks", "check_defaults", "receivers", "users"];
        asked.retain(|key| !others.contains(key));
        let mut known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        asked.sort_unstable();
        known.sort_unstable();
        assert_eq!(asked, known);
    }
}
