//! Secrets on their way to the page and back: they never leave the server.
//!
//! A secret is shown as `{"kept": n}`, the n-th of its object; what comes back like that is what was there.
//! By number and not by place, so that it survives items that move and headers that get another name.

use hark_config::{Document, NoSecrets, each_secret};
use serde_json::{Map, Value as Json, json};

use super::Editable;

/// What stands where a secret is kept.
const KEPT: &str = "kept";

/// What stands where a part is written as YAML instead of JSON: for settings that have no form.
const YAML: &str = "$yaml";

/// What stands for a secret where people read.
const STARS: &str = "•••";

/// The secrets of an object.
#[derive(Default)]
pub(crate) struct Hidden(Vec<Json>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

impl Hidden {
    /// Takes the secrets out of `value`; numbers stand in their places.
    pub(crate) fn take(section: &Editable, value: &mut Json) -> Self {
        let mut hidden = Self::default();
        each_secret(&section.kind, value, &mut |_, secret| {
            if is_text(secret) {
                hidden.0.push(secret.take());
                *secret = json!({ KEPT: hidden.0.len() });
            }
        });
        hidden
    }

    /// Puts them back where their numbers stand.
    ///
    /// # Errors
    /// The ways to numbers that no secret has, and to those that would have the server read a file or its
    /// environment for whoever uses the page: such secrets are declared in files.
    pub(crate) fn put_back(
        &self,
        section: &Editable,
        value: &mut Json,
        before: Option<&Json>,
    ) -> Result<(), Vec<(Vec<String>, String)>> {
        let mut places = Vec::new();
        if let Some(before) = before {
            let mut before = before.clone();
            each_secret(&section.kind, &mut before, &mut |_, secret| {
                if secret.is_object() {
                    places.push(secret.take());
                }
            });
        }
        let mut wrong = Vec::new();
        each_secret(&section.kind, value, &mut |way, secret| {
            let Some(settings) = secret.as_object() else { return };
            if let Some(kept) = settings.get(KEPT).and_then(Json::as_u64) {
                let n = usize::try_from(kept).ok().and_then(|n| n.checked_sub(1));
                match n.and_then(|n| self.0.get(n)) {
                    Some(former) => *secret = former.clone(),
                    None => {
                        wrong.push((way.to_vec(), "there was no secret here before".to_owned()));
                    }
                }
            } else if !places.contains(secret) {
                wrong.push((
                    way.to_vec(),
                    "a secret from a file or the environment is for files: through the page, any \
                     file of the server could be read like that"
                        .to_owned(),
                ));
            }
        });
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Puts stars where secrets are, for people.
    pub(crate) fn stars(section: &Editable, value: &mut Json) {
        each_secret(&section.kind, value, &mut |_, secret| {
            if is_text(secret) {
                *secret = STARS.into();
            }
        });
    }

    /// Puts names of the environment where secrets are, so that the text can be shown to everybody.
    pub(crate) fn names(section: &Editable, name: &str, value: &mut Json) {
        each_secret(&section.kind, value, &mut |way, secret| {
            if is_text(secret) {
                *secret = json!({ "env": variable(section.name, name, way) });
            }
        });
    }
}

fn is_text(secret: &Json) -> bool {
    matches!(secret, Json::String(_) | Json::Number(_) | Json::Bool(_))
}

/// Returns the name of a variable of the environment for a secret.
fn variable(section: &str, name: &str, way: &[String]) -> String {
    let words = ["hark", section, name].into_iter().chain(way.iter().map(String::as_str));
    let words: Vec<String> = words
        .map(|word| {
            let sign =
                |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            word.chars().map(sign).collect()
        })
        .collect();
    words.join("_")
}

/// Reads the parts of `value` that are written as YAML.
///
/// # Errors
/// The ways to those that are not, and why.
pub(crate) fn parse_embedded(value: &mut Json) -> Result<(), Vec<(Vec<String>, String)>> {
    let mut wrong = Vec::new();
    embedded(value, &mut Vec::new(), &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn embedded(value: &mut Json, way: &mut Vec<String>, wrong: &mut Vec<(Vec<String>, String)>) {
    if let Some(text) = written(value) {
        match read(&text) {
            Ok(read) => *value = read,
            Err(why) => wrong.push((way.clone(), why)),
        }
        return;
    }
    match value {
        Json::Object(settings) => {
            for (key, inner) in settings {
                way.push(key.clone());
                embedded(inner, way, wrong);
                way.pop();
            }
        }
        Json::Array(items) => {
            for (item, n) in items.iter_mut().zip(0_usize..) {
                way.push(n.to_string());
                embedded(item, way, wrong);
                way.pop();
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn written(value: &Json) -> Option<String> {
    let settings: &Map<String, Json> = value.as_object()?;
    if settings.len() != 1 {
        return None;
    }
    settings.get(YAML)?.as_str().map(str::to_owned)
}

/// Reads any value: below a key, because a file as a whole is a mapping.
fn read(text: &str) -> Result<Json, String> {
    let mut below = "value:\n".to_owned();
    for line in text.lines() {
        below.extend(["  ", line, "\n"]);
    }
    let document = Document::single(&below);
    if let Some(first) = document.diagnostics().list().iter().find(|d| d.is_error()) {
        let line = document.position(first.span).line.saturating_sub(1).max(1);
        return Err(format!("line {line}: {}", first.message));
    }
    let root = document.root(&NoSecrets);
    let is_alone = root.entries().len() == 1;
    let value = root.to_json().get_mut("value").map(Json::take).unwrap_or_default();
    if is_alone { Ok(value) } else { Err("this is more than one value".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receivers() -> Editable {
        Editable::find("receivers").unwrap()
    }

    #[test]
    fn secrets_go_out_as_numbers_and_come_back_as_they_were_wherever_they_move() {
        let stored =
            json!({"webhook": {"url": "https://e.example/x", "headers": {"a": "1", "b": "2"}}});
        let mut shown = stored.clone();
        let hidden = Hidden::take(&receivers(), &mut shown);
        assert!(!shown.to_string().contains("e.example"), "{shown}");
        let mut back = shown.clone();
        hidden.put_back(&receivers(), &mut back, Some(&stored)).unwrap();
        assert_eq!(back, stored);
        let second = shown["webhook"]["headers"]["b"].clone();
        shown["webhook"]["headers"] = json!({"c": second, "d": "new"});
        hidden.put_back(&receivers(), &mut shown, Some(&stored)).unwrap();
        assert_eq!(shown["webhook"]["headers"], json!({"c": "2", "d": "new"}));
    }

    #[test]
    fn a_secret_that_was_not_there_and_one_of_a_file_are_refused_at_their_places() {
        let mut asked =
            json!({"webhook": {"url": {"kept": 1}, "headers": {"x": {"file": "/etc/shadow"}}}});
        let wrong = Hidden::default().put_back(&receivers(), &mut asked, None).unwrap_err();
        let ways: Vec<String> = wrong.iter().map(|(way, _)| way.join(".")).collect();
        assert_eq!(ways, ["webhook.url", "webhook.headers.x"]);
        let stored = json!({"webhook": {"url": {"env": "HOOK"}}});
        let mut same = stored.clone();
        Hidden::default().put_back(&receivers(), &mut same, Some(&stored)).unwrap();
    }

    #[test]
    fn the_export_names_variables_instead_of_secrets() {
        let mut value =
            json!({"webhook": {"url": "https://e.example/x", "headers": {"X-Key": "1"}}});
        Hidden::names(&receivers(), "ops.hook", &mut value);
        assert_eq!(value["webhook"]["url"], json!({"env": "HARK_RECEIVERS_OPS_HOOK_WEBHOOK_URL"}));
        let header = json!({"env": "HARK_RECEIVERS_OPS_HOOK_WEBHOOK_HEADERS_X_KEY"});
        assert_eq!(value["webhook"]["headers"]["X-Key"], header);
    }

    #[test]
    fn parts_may_be_written_as_yaml() {
        let mut value =
            json!({"thresholds": {"$yaml": "disk_monitor:\n  /: {percent: {warning: 80}}\n"}});
        parse_embedded(&mut value).unwrap();
        assert_eq!(value["thresholds"]["disk_monitor"]["/"]["percent"]["warning"], 80);
        let mut list = json!({"$yaml": "- 1\n- x"});
        parse_embedded(&mut list).unwrap();
        assert_eq!(list, json!([1, "x"]));
        for text in ["a: [", "a: 1\nb", "  x: 1\n y: 2"] {
            let mut wrong = json!([{"$yaml": text}]);
            let found = parse_embedded(&mut wrong).unwrap_err();
            assert_eq!(found[0].0, ["0"], "{text}: {found:?}");
        }
    }
}
