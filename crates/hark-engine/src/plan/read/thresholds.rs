//! The sections `thresholds` and `threshold_configs`: trees of limits.

use std::sync::Arc;

use hark_conditions::{Condition, Order};
use hark_config::{Bare, Key, Kind, Section, Spanned, Value};
use hark_model::{ProfileName, Tag};

use super::repairs::{self, REPAIR_KEYS};
use super::signals::{self, DEVIATION_KEYS, FULL_IN_KEYS, GROWTH_KEYS};
use super::{Catalogue, Places, metrics};
use crate::plan::threshold::{Limits, OnStale, Operator, RTT, ThresholdLayer, ThresholdPath};
use crate::plan::{DEFAULT_PROFILE, Draft, Layer, Measure, Place, Profile};

/// What stands under a metric.
pub const LIMIT_KEYS: &[Key] = &joined::<18>(
    &[
        Key::new(
            "over",
            Kind::Duration,
            "Look at this last while instead of the newest value: docs/signals.md.",
        )
        .unit("seconds"),
        Key::new(
            "by",
            Kind::Text,
            "How the values of that while become one: avg, min, max, sum, count, p95 and its like, delta, or rate of a counter.",
        )
        .default("avg"),
        Key::new(
            "growth",
            Kind::Either(&[Kind::Number, Kind::Section(GROWTH_KEYS)]),
            "Limits on how fast it grows in an hour: where warning begins, or a section.",
        ),
        Key::new(
            "full_in",
            Kind::Either(&[Kind::Duration, Kind::Section(FULL_IN_KEYS)]),
            "Limits on the time until it is full, if it goes on as it does: where warning begins, or a section.",
        ),
        Key::new(
            "deviation",
            Kind::Either(&[Kind::Number, Kind::Section(DEVIATION_KEYS)]),
            "Limits on how far it is from what is usual at this hour of the week: in usual deviations where warning begins, or a section.",
        ),
        Key::new(
            "absent_after",
            Kind::Either(&[Kind::Duration, Kind::Section(CONFIRM_KEYS)]),
            "After how long without a value it is missed, also if there never was one: where warning begins, or a section.",
        ),
    ],
    CONFIRM_KEYS,
);

/// What limits have, whatever they are about.
pub(super) const CONFIRM_KEYS: &[Key] = &[
    Key::new(
        "warning",
        Kind::Either(&[Kind::Number, Kind::Text]),
        "Where warning begins: a number, or words such as `above 80`, `< 14d`, `is not 0`.",
    ),
    Key::new(
        "critical",
        Kind::Either(&[Kind::Number, Kind::Text]),
        "Where critical begins: a number, or words.",
    ),
    Key::new("operator", Kind::OneOf(&[">", ">=", "<", "<=", "==", "!="]), "How it is compared.")
        .default(">"),
    Key::new("hysteresis", Kind::Number, "Share of the limit by which a value must come back.")
        .default("0.1"),
    Key::new("warning_clear", Kind::Number, "Value that ends warning, instead of the share."),
    Key::new("critical_clear", Kind::Number, "Value that ends critical, instead of the share."),
    Key::new("attempts", Kind::Integer, "Bad values in a row that confirm it.").default("1"),
    Key::new("for", Kind::Duration, "How long it must be bad.").default("0s").unit("seconds"),
    Key::new("clear_attempts", Kind::Integer, "Good values in a row that end it.").default("1"),
    Key::new("keep_firing_for", Kind::Duration, "How long it must be good to end.")
        .default("0s")
        .unit("seconds"),
    Key::new(
        "on_stale",
        Kind::OneOf(&["unknown", "critical", "probe"]),
        "What missing values are.",
    )
    .default("unknown"),
    Key::new(
        "repair",
        Kind::Section(REPAIR_KEYS),
        "An action of the host that is ordered when it is confirmed bad: docs/actions.md.",
    ),
];

/// Returns two tables as one; a length that is not that of both does not compile.
pub(super) const fn joined<const N: usize>(own: &[Key], more: &[Key]) -> [Key; N] {
    assert!(own.len() + more.len() == N, "the length of both");
    let mut all = [own[0]; N];
    let mut n = 0;
    while n < N {
        all[n] = if n < own.len() { own[n] } else { more[n - own.len()] };
        n += 1;
    }
    all
}

/// Deeper than any path: what stands there cannot be meant.
const MAX_DEPTH: usize = 6;
/// Bound on attempts, as for checks.
const MAX_ATTEMPTS: u64 = 100;

pub(super) fn read_profiles(
    root: &Section<'_>,
    keys: &[Key],
    catalogue: Catalogue<'_>,
    draft: &mut Draft,
    places: &mut Places,
) {
    for (key, section) in root.children("threshold_configs") {
        let name = match ProfileName::new(key.value) {
            Ok(name) => name,
            Err(error) => {
                root.diagnostics().error(key.span, error.to_string());
                continue;
            }
        };
        section.finish(keys);
        let tags = section.parse_many("tags", Tag::new).into_iter().map(|tag| tag.value).collect();
        if name.as_str() == DEFAULT_PROFILE && section.has("tags") {
            section.error("tags", "`default` lies under every host: no tag is asked for");
        }
        let of = Layer::Profile(name.clone());
        let limits = section
            .value("thresholds")
            .map(|tree| read_tree(&tree, &of, catalogue, places))
            .unwrap_or_default();
        draft.profiles.insert(name, Profile { tags, limits });
    }
}

/// Reads a tree of limits, which stands at `of`.
pub(super) fn read_tree(
    tree: &Value<'_>,
    of: &Layer,
    catalogue: Catalogue<'_>,
    places: &mut Places,
) -> ThresholdLayer {
    let mut layer = ThresholdLayer::new();
    let mut reader = Reader { layer: &mut layer, of, catalogue, places };
    if let Some(section) = tree.section() {
        reader.read(&section, &mut Vec::new());
    }
    layer
}

struct Reader<'a> {
    layer: &'a mut ThresholdLayer,
    of: &'a Layer,
    catalogue: Catalogue<'a>,
    places: &'a mut Places,
}

impl Reader<'_> {
    fn read<'d>(&mut self, section: &Section<'d>, keys: &mut Vec<&'d str>) {
        for (key, value) in section.entries() {
            if key.value.starts_with("x-") {
                continue;
            }
            keys.push(key.value);
            self.entry(&key, &value, keys);
            keys.pop();
        }
    }

    fn entry<'d>(&mut self, key: &Spanned<&'d str>, value: &Value<'d>, keys: &mut Vec<&'d str>) {
        if !value.is_map() {
            value
                .error(format!("limits were expected under `{}`", key.value))
                .hint("write for example `{warning: 80, critical: 90}`");
            return;
        }
        let Some(section) = value.section() else { return };
        if !is_leaf(&section, keys.len()) {
            if keys.len() < MAX_DEPTH {
                self.read(&section, keys);
            } else {
                value.error("the tree of limits is too deep");
            }
            return;
        }
        let metric = match keys.as_slice() {
            // What stands there is a host; its round trip time is in milliseconds.
            [RTT, ..] => "rtt_ms",
            [.., metric] => metric,
            [] => "",
        };
        let (limits, derived) = read_all(&section, metric);
        let Some(path) = ThresholdPath::from_keys(keys) else {
            section.diagnostics().error(key.span, "this is no path of a metric").hint(
                "limits stand under collector and metric, or under collector, instance and metric",
            );
            return;
        };
        metrics::check(self.catalogue, &path, key.span, &section);
        let is_rtt = path.collector == RTT;
        if let (true, Some((measure, _))) = (is_rtt, derived.first()) {
            section
                .error(
                    measure.word(),
                    "a round trip time is not kept: nothing of its past is known",
                )
                .hint("`over` and `by` look at the last while of it");
            return;
        }
        for (measure, limits) in derived.iter().cloned() {
            let span = section.key_span(measure.word());
            let path = ThresholdPath { measure, ..path.clone() };
            self.places.insert(Place::Limits(self.of.clone(), path.clone()), span);
            self.layer.insert(path, limits);
        }
        // What is derived stands alone, too.
        let has_derived = Measure::ALL.iter().any(|measure| section.has(measure.word()));
        if !has_derived || limits != Limits::default() {
            self.places.insert(Place::Limits(self.of.clone(), path.clone()), key.span);
            self.layer.insert(path, limits);
        }
    }
}

/// Limits are what has at least one key of limits with a plain value, a repair, or something derived, which
/// stands below a collector and a metric at least.
fn is_leaf(section: &Section<'_>, depth: usize) -> bool {
    let entries = section.entries();
    let plain = |(key, value): &(Spanned<&str>, Value<'_>)| {
        !value.is_map() && LIMIT_KEYS.iter().any(|known| known.name == key.value)
    };
    let is_repair = section.child("repair").is_some_and(|repair| repair.has("action"));
    let is_derived = depth > 1 && Measure::ALL.iter().any(|measure| section.has(measure.word()));
    is_repair
        || is_derived
        || entries.iter().any(plain)
        || entries.iter().all(|(_, value)| !value.is_map())
}

/// Reads the limits of a metric's value, and those of what is derived from it.
fn read_all(section: &Section<'_>, metric: &str) -> (Limits, Vec<(Measure, Limits)>) {
    let warning = read_level(section, "warning", metric);
    let critical = read_level(section, "critical", metric);
    let limits = Limits {
        warning: warning.map(|level| level.limit),
        critical: critical.map(|level| level.limit),
        operator: read_operator(section, warning, critical),
        warning_clear: section.opt_f64("warning_clear", ANY),
        critical_clear: section.opt_f64("critical_clear", ANY),
        terms: signals::window(section),
        ..read_confirm(section)
    };
    let derived = signals::read(section);
    section.finish(LIMIT_KEYS);
    (limits, derived)
}

/// Any number.
pub(super) const ANY: std::ops::RangeInclusive<f64> = f64::MIN..=f64::MAX;

/// Reads what limits have, whatever they are about, but for the limits themselves.
pub(super) fn read_confirm(section: &Section<'_>) -> Limits {
    let count =
        |key| section.opt_u64(key, 1..=MAX_ATTEMPTS).and_then(|count| u32::try_from(count).ok());
    Limits {
        hysteresis: section.opt_f64("hysteresis", 0.0..=1.0),
        attempts: count("attempts"),
        hold_for: section.opt_duration("for", Bare::Seconds),
        clear_attempts: count("clear_attempts"),
        keep_firing_for: section.opt_duration("keep_firing_for", Bare::Seconds),
        on_stale: section.word("on_stale", &OnStale::WORDS),
        repair: section.child("repair").and_then(|repair| {
            let read = repairs::read(&repair);
            repair.finish(REPAIR_KEYS);
            read.map(Arc::new)
        }),
        ..Limits::default()
    }
}

/// Where a level begins.
#[derive(Clone, Copy)]
struct Level {
    limit: f64,
    /// How it is compared, where words say so.
    operator: Option<Operator>,
}

/// Reads a number, or a condition about the metric that is one comparison: a threshold has one limit
/// for each level, to which hysteresis belongs.
fn read_level(section: &Section<'_>, key: &'static str, metric: &str) -> Option<Level> {
    let value = section.value(key)?;
    let text = value.scalar().unwrap_or_default();
    let is_words = text.contains(|c: char| c.is_alphabetic() || "<>=!".contains(c))
        && text.parse::<f64>().is_err();
    if !is_words {
        let limit = value.f64(f64::MIN..=f64::MAX)?;
        return Some(Level { limit, operator: None });
    }
    let condition = match Condition::about(metric, text) {
        Ok(condition) => condition,
        Err(error) => {
            drop(value.error_at(error.at, error.message));
            return None;
        }
    };
    let Some((order, limit)) = condition.limit() else {
        value
            .error("a limit compares the value with one number")
            .hint("write for example `above 80`, `< 14d` or `is not 0`");
        return None;
    };
    if !condition.names().contains(metric) {
        value.error(format!("a limit is about `{metric}`, under which it stands"));
        return None;
    }
    let operator = match order {
        Order::Less => Operator::Less,
        Order::LessEqual => Operator::LessEqual,
        Order::Greater => Operator::Greater,
        Order::GreaterEqual => Operator::GreaterEqual,
        Order::Equal => Operator::Equal,
        Order::NotEqual => Operator::NotEqual,
    };
    Some(Level { limit, operator: Some(operator) })
}

/// Reads how values are compared: `operator`, or what the words of both levels say.
fn read_operator(
    section: &Section<'_>,
    warning: Option<Level>,
    critical: Option<Level>,
) -> Option<Operator> {
    let set = section.word("operator", &Operator::WORDS);
    let said = |level: Option<Level>| level.and_then(|level| level.operator);
    let words = said(warning).or(said(critical));
    let bare = |level: Option<Level>| level.is_some_and(|level| level.operator.is_none());
    if let (Some(one), Some(other)) = (said(warning), said(critical))
        && one != other
    {
        section.error("critical", "warning and critical compare in different ways").hint(format!(
            "the one says `{}`, the other `{}`: a metric has one way",
            one.sign(),
            other.sign()
        ));
    } else if let (Some(words), Some(set)) = (words, set)
        && words != set
    {
        section.error("operator", format!("the limits say `{}` already", words.sign()));
    } else if words.is_some() && (bare(warning) || bare(critical)) && set.is_none() {
        let key = if bare(warning) { "warning" } else { "critical" };
        section.error(key, "one limit has words and the other has none").hint("write both alike");
    }
    words.or(set)
}
