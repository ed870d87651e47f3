//! The content of the page's file: sections with their objects.

use std::fmt;

use hark_config::{Document, NoSecrets, yaml};
use serde_json::{Map, Value as Json};

use super::{Editable, Shape};

/// What the file begins with.
const HEAD: &str = "# Made in the page of hark, which writes this file anew at each change: comments do not stay.\n\
                    # Former versions are in the folder `history` beside it.\n";

/// The key of an object's name in a list.
const NAME: &str = "name";

/// What was made in the page.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Made(Map<String, Json>);

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are left out: they may be secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Made {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// What of it is not YAML, with its line.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let document = Document::single(text);
        if let Some(first) = document.diagnostics().list().iter().find(|d| d.is_error()) {
            let line = document.position(first.span).line;
            return Err(format!("line {line}: {}", first.message));
        }
        let Json::Object(sections) = document.root(&NoSecrets).to_json() else {
            return Ok(Self::default());
        };
        Ok(Self(sections))
    }

    /// Returns it as the text of the file.
    pub(crate) fn text(&self) -> String {
        format!("{HEAD}{}", self.body())
    }

    /// Returns it as YAML, without what the file begins with.
    pub(crate) fn body(&self) -> String {
        yaml(&Json::Object(self.0.clone()))
    }

    /// Returns the place of an object in its list, from 0.
    pub(crate) fn place(&self, section: &Editable, name: &str) -> Option<usize> {
        self.0.get(section.name)?.as_array()?.iter().position(|item| is_called(item, name))
    }

    /// Returns an object; in a list without its name.
    pub(crate) fn get(&self, section: &Editable, name: &str) -> Option<Json> {
        let within = self.0.get(section.name)?;
        match section.shape {
            Shape::Named => within.get(name).cloned(),
            Shape::Ordered => {
                let mut found =
                    within.as_array()?.iter().find(|item| is_called(item, name))?.clone();
                found.as_object_mut()?.remove(NAME);
                Some(found)
            }
        }
    }

    /// Puts an object in the place of the one of its name. In a list, a new one comes last or before the one
    /// that `before` names; one that is there stays where it is without, and becomes the last with `""`.
    ///
    /// # Errors
    /// If there is none that `before` names, or the section is not of its form.
    pub(crate) fn put(
        &mut self,
        section: &Editable,
        name: &str,
        value: Json,
        before: Option<&str>,
    ) -> Result<(), String> {
        let foreign =
            || format!("`{}` in the page's file is not of the form that it needs", section.name);
        match section.shape {
            Shape::Named => {
                let within = self.0.entry(section.name).or_insert_with(|| Json::Object(Map::new()));
                if within.is_null() {
                    *within = Json::Object(Map::new());
                }
                within.as_object_mut().ok_or_else(foreign)?.insert(name.to_owned(), value);
            }
            Shape::Ordered => {
                let within = self.0.entry(section.name).or_insert_with(|| Json::Array(Vec::new()));
                if within.is_null() {
                    *within = Json::Array(Vec::new());
                }
                let items = within.as_array_mut().ok_or_else(foreign)?;
                put_in_list(items, name, value, before)?;
            }
        }
        Ok(())
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, section: &Editable, name: &str) {
        let Some(within) = self.0.get_mut(section.name) else { return };
        let is_empty = match within {
            Json::Object(named) => {
                named.remove(name);
                named.is_empty()
            }
            Json::Array(items) => {
                items.retain(|item| !is_called(item, name));
                items.is_empty()
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
        };
        if is_empty {
            self.0.remove(section.name);
        }
    }

    /// Changes every object with its section.
    pub(crate) fn each(&mut self, change: &mut dyn FnMut(&Editable, &str, &mut Json)) {
        for section in Editable::all() {
            match self.0.get_mut(section.name) {
                Some(Json::Object(named)) => {
                    named.iter_mut().for_each(|(name, value)| change(&section, name, value));
                }
                Some(Json::Array(items)) => {
                    for item in items {
                        let name =
                            item.get(NAME).and_then(Json::as_str).unwrap_or_default().to_owned();
                        change(&section, &name, item);
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_called(item: &Json, name: &str) -> bool {
    item.get(NAME).is_some_and(|found| {
        let written = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        written == name
    })
}

fn put_in_list(
    items: &mut Vec<Json>,
    name: &str,
    mut value: Json,
    before: Option<&str>,
) -> Result<(), String> {
    if let Some(settings) = value.as_object_mut() {
        settings.insert(NAME.to_owned(), name.into());
    }
    let former = items.iter().position(|item| is_called(item, name));
    if let Some(former) = former {
        items.remove(former);
    }
    let place = match before {
        None => former.unwrap_or(items.len()),
        Some("") => items.len(),
        Some(before) => {
            let found = items.iter().position(|item| is_called(item, before));
            found.ok_or_else(|| format!("there is no `{before}` that was made in the page"))?
        }
    };
    items.insert(place, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(name: &str) -> Editable {
        Editable::find(name).unwrap()
    }

    #[test]
    fn objects_come_change_and_go_and_the_file_reads_as_it_was_written() {
        let mut made = Made::default();
        let hosts = section("hosts");
        made.put(&hosts, "web.9", json!({"address": "192.0.2.9", "tags": ["a:b"]}), None).unwrap();
        made.put(&hosts, "null", json!({}), None).unwrap();
        assert_eq!(Made::read(&made.text()).unwrap(), made);
        made.put(&hosts, "web.9", json!({"address": "192.0.2.10"}), None).unwrap();
        assert_eq!(made.get(&hosts, "web.9"), Some(json!({"address": "192.0.2.10"})));
        made.remove(&hosts, "web.9");
        made.remove(&hosts, "null");
        assert_eq!(made, Made::default());
        assert_eq!(Made::read(&made.text()).unwrap(), made, "a comment alone is an empty file");
    }

    #[test]
    fn routes_have_their_order() {
        let mut made = Made::default();
        let routes = section("routes");
        let mut put = |name: &str, before: Option<&str>| {
            made.put(&routes, name, json!({"to": "ops"}), before).unwrap();
            let items = made.0["routes"].as_array().unwrap();
            let names: Vec<&str> = items.iter().map(|i| i["name"].as_str().unwrap()).collect();
            names.join(" ")
        };
        assert_eq!(put("a", None), "a");
        assert_eq!(put("b", None), "a b");
        assert_eq!(put("c", Some("a")), "c a b");
        assert_eq!(put("a", None), "c a b", "a change leaves it where it is");
        assert_eq!(put("c", Some("")), "a b c");
        assert_eq!(put("c", Some("b")), "a c b");
        assert_eq!(made.get(&routes, "c"), Some(json!({"to": "ops"})), "the name is not a setting");
        assert!(made.put(&routes, "d", json!({}), Some("x")).is_err());
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let wrong = Made::read("hosts:\n  a: [\n").unwrap_err();
        assert!(wrong.starts_with("line "), "{wrong}");
    }
}
