//! Which sections the page edits, by the same tables of keys that read them.

use hark_agent::METRICS;
use hark_config::{Key, Kind, schema_of};
use hark_engine::plan::LIMIT_KEYS;
use serde_json::{Value as Json, json};

/// The sections, in the order in which the page shows them. `agent_configs` is none of them: what it gives runs
/// programs and reads files on other machines.
const SECTIONS: &[&str] = &[
    "hosts",
    "checks",
    "thresholds",
    "threshold_configs",
    "receivers",
    "routes",
    "users",
    "teams",
    "access",
    "oncall",
    "periods",
    "silences",
    "maintenance",
    "reports",
];

/// What runs a program on the server, by section and key. Whoever may use the page may not thereby run what
/// he likes as the server's user: such objects are declared in files.
const RUNS_PROGRAMS: &[(&str, &str)] =
    &[("checks", "exec"), ("checks", "plugin"), ("receivers", "exec")];

/// The sections whose objects can be tried before they are saved.
const TESTED: &[&str] =
    &["hosts", "checks", "thresholds", "threshold_configs", "receivers", "routes"];

/// How the objects of a section are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A mapping of names.
    Named,
    /// A list whose items have a `name`.
    Ordered,
}

/// A section that the page edits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Editable {
    /// Its key.
    pub(crate) name: &'static str,
    /// How its objects are kept apart.
    pub(crate) shape: Shape,
    /// One line on what it is.
    pub(crate) help: &'static str,
    /// What one object is.
    pub(crate) kind: Kind,
}

impl Editable {
    /// Returns all of them.
    pub(crate) fn all() -> Vec<Self> {
        SECTIONS.iter().filter_map(|name| Self::find(name)).collect()
    }

    /// Returns the one of this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let name = SECTIONS.iter().find(|known| **known == name)?;
        let key = crate::config::keys().into_iter().find(|key| key.name == *name)?;
        let (shape, kind) = if let Kind::Named(kind) = key.kind {
            (Shape::Named, *kind)
        } else if let Kind::List(kind) = key.kind {
            (Shape::Ordered, *kind)
        } else {
            // Limits by collector: a form of their own.
            (Shape::Named, Kind::Any)
        };
        Some(Self { name, shape, help: key.help, kind })
    }

    /// Returns whether an object can be tried before it is saved.
    pub(crate) fn can_test(&self) -> bool {
        TESTED.contains(&self.name)
    }

    /// Returns the keys of one object as JSON Schema, without those that the page does not take.
    pub(crate) fn schema(&self) -> Json {
        let mut schema = schema_of(&self.kind);
        self.mark_limits(&mut schema);
        let not_here = RUNS_PROGRAMS.iter().filter(|(section, _)| *section == self.name);
        let mut not_here: Vec<&str> = not_here.map(|(_, key)| *key).collect();
        if self.shape == Shape::Ordered {
            not_here.push("name");
        }
        if let Some(keys) = schema.get_mut("properties").and_then(Json::as_object_mut) {
            keys.retain(|key, _| !not_here.contains(&key.as_str()));
        }
        if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
            required.retain(|key| key.as_str().is_none_or(|key| !not_here.contains(&key)));
        }
        schema
    }

    /// Says where limits stand, which have a form of their own: `x-limits` is what stands under a metric,
    /// `x-metrics` what the agents' own collectors measure, to choose from.
    fn mark_limits(&self, schema: &mut Json) {
        let place = match self.name {
            "thresholds" => Some(&mut *schema),
            "threshold_configs" | "hosts" => schema.pointer_mut("/properties/thresholds"),
            _ => None,
        };
        let Some(place) = place.and_then(Json::as_object_mut) else { return };
        let metrics: serde_json::Map<String, Json> =
            METRICS.iter().map(|(name, metrics)| ((*name).to_owned(), json!(metrics))).collect();
        place.insert("x-kind".to_owned(), json!("limits"));
        place.insert("x-limits".to_owned(), schema_of(&Kind::Section(LIMIT_KEYS)));
        place.insert("x-metrics".to_owned(), Json::Object(metrics));
    }

    /// Returns the key of `value` that would run a program on the server.
    pub(crate) fn runs_program(&self, value: &Json) -> Option<&'static str> {
        let here = RUNS_PROGRAMS.iter().filter(|(section, _)| *section == self.name);
        here.map(|(_, key)| *key).find(|key| value.get(key).is_some())
    }

    /// Returns the most telling settings of an object in a few words: those that come first in its table.
    pub(crate) fn summary(&self, value: &Json) -> String {
        let keys: &[Key] = if let Kind::Section(keys) = self.kind { keys } else { &[] };
        let order: Vec<&str> = keys.iter().map(|key| key.name).collect();
        let Some(settings) = value.as_object() else { return words(value).unwrap_or_default() };
        let mut keys: Vec<&String> = settings.keys().filter(|key| *key != "name").collect();
        keys.sort_by_key(|key| order.iter().position(|known| known == key));
        let mut text = String::new();
        for key in keys {
            let part = match words(&settings[key]) {
                Some(words) if !words.is_empty() => format!("{key}: {words}"),
                _ => key.clone(),
            };
            if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&part);
            if text.chars().count() > MAX_SUMMARY {
                return text.chars().take(MAX_SUMMARY).chain(['…']).collect();
            }
        }
        text
    }
}

/// Longest summary: a line of a list.
const MAX_SUMMARY: usize = 100;

/// Returns a setting in words; `None` for one that has settings of its own.
fn words(value: &Json) -> Option<String> {
    match value {
        Json::Null => Some(String::new()),
        Json::Bool(yes) => Some(yes.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Array(items) => {
            let words: Option<Vec<String>> = items.iter().map(words).collect();
            words.map(|words| words.join(" "))
        }
        Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_that_the_page_edits_has_its_table() {
        assert_eq!(Editable::all().len(), SECTIONS.len());
        for section in Editable::all().iter().filter(|section| section.name != "thresholds") {
            let schema = section.schema();
            assert!(
                schema.get("properties").is_some()
                    || schema.get("anyOf").is_some()
                    || section.name == "periods",
                "{}",
                section.name
            );
        }
        assert_eq!(Editable::find("routes").unwrap().shape, Shape::Ordered);
        assert!(Editable::find("tls").is_none(), "what the server is reached by is for files");
    }

    #[test]
    fn limits_have_a_form_wherever_they_stand() {
        for (section, place) in [
            ("thresholds", ""),
            ("threshold_configs", "/properties/thresholds"),
            ("hosts", "/properties/thresholds"),
        ] {
            let schema = Editable::find(section).unwrap().schema();
            let limits = schema.pointer(place).unwrap();
            assert_eq!(limits["x-kind"], "limits", "{section}");
            assert!(limits["x-limits"]["properties"]["warning"]["description"].is_string());
            let cpu = limits["x-metrics"]["cpu_monitor"].as_array().unwrap();
            assert!(cpu.contains(&json!("cpu_percent")));
        }
        assert!(Editable::find("checks").unwrap().schema().get("x-kind").is_none());
    }

    #[test]
    fn what_runs_programs_is_not_offered() {
        for (section, key) in RUNS_PROGRAMS {
            let section = Editable::find(section).unwrap();
            assert!(section.schema()["properties"].get(key).is_none());
            assert_eq!(
                section.runs_program(&json!({*key: {"command": ["/bin/true"]}})),
                Some(*key)
            );
        }
    }

    #[test]
    fn the_summary_tells_the_type_first() {
        let checks = Editable::find("checks").unwrap();
        let value = json!({"host": ["a", "b"], "tcp": {"port": 25}, "every": "30s"});
        assert_eq!(checks.summary(&value), "tcp, host: a b, every: 30s");
    }
}
