//! How a type is called by hand, from its example.

use hark_config::{Document, Key, Kind, NoSecrets};
use serde_json::{Map, Value};

use crate::{CheckType, from_target};

/// Further settings shown beside those that a type cannot do without: enough to see how they are given.
const MAX_SHOWN: usize = 3;

/// Returns what stands behind `hark check TYPE` in a call that works: the target of the type's example, and as
/// few of its settings as it takes.
pub fn call(kind: &dyn CheckType) -> String {
    let (target, settings) = example(kind);
    let target = with_port(kind, target, &settings);
    let needed = needed(kind, &target, &settings);
    line(&target, &needed)
}

/// Returns the same for `target`, as somebody gave it, with some settings more.
pub fn call_with(kind: &dyn CheckType, target: &str) -> String {
    let (_, settings) = example(kind);
    let mut shown = needed(kind, target, &settings);
    let has_port = has_port(target);
    let others = settings.into_iter().filter(|(key, _)| key != "port" || !has_port);
    for setting in others {
        if shown.len() < MAX_SHOWN && !shown.contains(&setting) {
            shown.push(setting);
        }
    }
    line(target, &shown)
}

/// Returns the target of the type's example, and its settings in the order of the table of keys.
fn example(kind: &dyn CheckType) -> (String, Vec<(String, String)>) {
    let document = Document::single(kind.example());
    let Value::Object(mut given) = document.root(&NoSecrets).to_json() else {
        return (String::new(), Vec::new());
    };
    let target_key = kind.target_key();
    let of_target = kind.keys().iter().find(|key| key.name == target_key);
    let target = given.remove(target_key).map(|value| match of_target {
        Some(key) => text(&bare(value, &key.kind)),
        None => text(&value),
    });
    let names = kind.keys().iter().map(|key| key.name);
    let settings =
        names.filter_map(|name| Some((name.to_owned(), text(given.get(name)?)))).collect();
    (target.unwrap_or_default(), settings)
}

/// Leaves in a list of sections only the first, with the keys that it must have.
fn bare(value: Value, kind: &Kind) -> Value {
    let (Value::Array(items), Kind::List(Kind::Section(keys))) = (&value, kind) else {
        return value;
    };
    let is_required = |name: &String| keys.iter().any(|key: &Key| key.required && key.name == name);
    let first = items.first().and_then(Value::as_object).cloned().unwrap_or_default();
    let kept: Map<String, Value> =
        first.into_iter().filter(|(name, _)| is_required(name)).collect();
    Value::Array(vec![Value::Object(kept)])
}

/// Returns the value as it is given in a shell: lists and sections as JSON, which YAML contains.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A port is part of the target where it can be.
fn with_port(kind: &dyn CheckType, target: String, settings: &[(String, String)]) -> String {
    let port = settings.iter().find(|(key, _)| key == "port");
    match port {
        Some((_, port)) if kind.target_key() == "address" && !has_port(&target) => {
            format!("{target}:{port}")
        }
        _ => target,
    }
}

fn has_port(target: &str) -> bool {
    target.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Returns as few of the settings, from the first on, as the type takes with this target.
fn needed(
    kind: &dyn CheckType,
    target: &str,
    settings: &[(String, String)],
) -> Vec<(String, String)> {
    let works = |given: &[(String, String)]| from_target(kind.name(), target, given).is_ok();
    let has_port = has_port(target);
    let mut kept: Vec<(String, String)> =
        settings.iter().filter(|(key, _)| key != "port" || !has_port).cloned().collect();
    // Each is left out if it can be.
    let mut at = 0;
    while at < kept.len() {
        let without: Vec<_> =
            [kept.get(..at), kept.get(at + 1..)].into_iter().flatten().flatten().cloned().collect();
        if works(&without) {
            kept = without;
        } else {
            at += 1;
        }
    }
    kept
}

fn line(target: &str, settings: &[(String, String)]) -> String {
    let settings = settings.iter().map(|(key, value)| quoted(&format!("{key}={value}")));
    std::iter::once(quoted(target)).chain(settings).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell, if it has to be.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TYPES;

    #[test]
    fn each_type_is_called_in_a_way_that_it_takes() {
        for kind in TYPES {
            let (target, settings) = example(*kind);
            let target = with_port(*kind, target, &settings);
            let needed = needed(*kind, &target, &settings);
            let taken = from_target(kind.name(), &target, &needed);
            assert!(taken.is_ok(), "{} {}: {:?}", kind.name(), call(*kind), taken.err());
        }
    }

    #[test]
    fn what_a_type_needs_is_shown_and_no_more() {
        let of = |name: &str| call(*TYPES.iter().find(|kind| kind.name() == name).unwrap());
        assert_eq!(of("tcp"), "mail.example.net:25");
        assert_eq!(of("dns"), "9.9.9.9 name=www.example.net");
        assert_eq!(of("flow"), r#"'[{"url":"https://shop.example.net/api/login"}]'"#);
        assert!(of("udp").starts_with(r"vpn.example.net:1194 'send=8\x01"), "{}", of("udp"));
    }

    #[test]
    fn a_hint_keeps_the_target_and_quotes_what_a_shell_would_change() {
        let udp = TYPES.iter().find(|kind| kind.name() == "udp").unwrap();
        let hint = call_with(*udp, "10.0.0.1:53");
        assert!(hint.starts_with(r"10.0.0.1:53 'send=8\x01"), "{hint}");
        assert!(!hint.contains("port="), "{hint}");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
