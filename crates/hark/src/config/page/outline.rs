//! Every object of the configuration with its place, without reading what it means.

use hark_config::{Position, Section, Value};
use serde_json::Value as Json;

use super::{Editable, Shape};

/// An object of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Outlined<'d> {
    /// Its section.
    pub(crate) section: Editable,
    /// Its name; of an item of a list that has none, its number.
    pub(crate) name: String,
    /// Where it stands; where it begins, if in several files.
    pub(crate) position: Position,
    value: Value<'d>,
}

impl Outlined<'_> {
    /// Returns its settings, secrets included; in a list without its name.
    pub(crate) fn settings(&self) -> Json {
        let mut settings = self.value.to_json();
        if let (Shape::Ordered, Some(keys)) = (self.section.shape, settings.as_object_mut()) {
            keys.remove("name");
        }
        // A name alone has no settings.
        if settings.is_null() { Json::Object(serde_json::Map::new()) } else { settings }
    }
}

/// Returns the objects of `section`, or of all sections, in their order.
pub(crate) fn outline<'d>(root: &Section<'d>, section: Option<&str>) -> Vec<Outlined<'d>> {
    let sections = Editable::all().into_iter();
    let sections = sections.filter(|s| section.is_none_or(|wanted| s.name == wanted));
    sections.flat_map(|section| within(root, section)).collect()
}

fn within<'d>(root: &Section<'d>, section: Editable) -> Vec<Outlined<'d>> {
    let Some(value) = root.value(section.name) else { return Vec::new() };
    match section.shape {
        Shape::Named if value.is_map() => {
            let Some(named) = value.section() else { return Vec::new() };
            let entries = named.entries().into_iter().map(|(name, value)| Outlined {
                section,
                name: name.value.to_owned(),
                position: root.diagnostics().position(name.span),
                value,
            });
            entries.collect()
        }
        Shape::Ordered if value.is_list() => {
            let items = value.items().into_iter().zip(1_usize..).map(|(value, n)| {
                let named = value.is_map().then(|| value.section()).flatten();
                let name = named.and_then(|item| item.value("name")?.scalar().map(str::to_owned));
                Outlined {
                    section,
                    name: name.unwrap_or_else(|| format!("#{n}")),
                    position: value.position(),
                    value,
                }
            });
            items.collect()
        }
        Shape::Named | Shape::Ordered => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, SourceFile};

    use super::*;

    #[test]
    fn objects_are_found_in_all_files_with_their_places() {
        let file = |name: &str, text: &str| SourceFile { name: name.into(), text: text.into() };
        let first = "hosts:\n  db1: {}\n  web1:\nroutes:\n  - {name: a, to: ops}\n  - {to: ops}\n";
        let second = "hosts:\n  web9: {address: x}\nroutes:\n  - name: b\n    to: ops\n";
        let document = Document::parse(vec![file("hark.yaml", first)]).and(file("page", second));
        let root = document.root(&NoSecrets);
        let found: Vec<String> = outline(&root, None)
            .iter()
            .map(|o| format!("{}/{} {}", o.section.name, o.name, o.position))
            .collect();
        assert_eq!(
            found,
            [
                "hosts/db1 hark.yaml:2:3",
                "hosts/web1 hark.yaml:3:3",
                "hosts/web9 page:2:3",
                "routes/a hark.yaml:5:5",
                "routes/#2 hark.yaml:6:5",
                "routes/b page:4:5",
            ]
        );
        let routes = outline(&root, Some("routes"));
        assert_eq!(routes[2].settings(), serde_json::json!({"to": "ops"}));
    }
}
