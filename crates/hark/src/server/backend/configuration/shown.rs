//! Objects as the page shows them, without secrets.

use hark_api::configuration::{ConfigObject, ConfigObjectRow};
use hark_api::hosts::Declared;
use hark_config::yaml;
use serde_json::{Value as Json, json};

use crate::config::page::{Editable, Hidden, Made, Outlined, Shape};

/// What the export begins with.
const EXPORTED: &str = "# Made in the page of hark. As a file in conf.d it declares the same, and holds \
                        instead of what was made there.\n# Secrets are variables of the environment.\n";

/// Bytes of the digest that tell one version of an object from another.
const VERSION_BYTES: usize = 8;

/// Returns what tells this state of an object from every other.
pub(super) fn version_of(settings: &Json) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, settings.to_string().as_bytes());
    let mut first = [0; VERSION_BYTES];
    first.copy_from_slice(&digest.as_ref()[..VERSION_BYTES]);
    format!("{:016x}", u64::from_be_bytes(first))
}

/// Returns an object as lists show it; `page` is the name of the page's file.
pub(super) fn row(found: &Outlined<'_>, page: &str) -> ConfigObjectRow {
    row_of(found, &found.settings(), page)
}

fn row_of(found: &Outlined<'_>, settings: &Json, page: &str) -> ConfigObjectRow {
    let is_declared = *found.position.file != *page;
    let declared = is_declared
        .then(|| Declared { file: found.position.file.to_string(), line: found.position.line });
    let mut without = settings.clone();
    Hidden::stars(&found.section, &mut without);
    ConfigObjectRow {
        section: found.section.name.to_owned(),
        name: found.name.clone(),
        version: declared.is_none().then(|| version_of(settings)),
        declared,
        summary: found.section.summary(&without),
    }
}

/// Returns an object with its settings.
pub(super) fn object(found: &Outlined<'_>, page: &str) -> ConfigObject {
    let mut value = found.settings();
    let row = row_of(found, &value, page);
    let yaml = yaml_of(&found.section, &found.name, value.clone());
    Hidden::take(&found.section, &mut value);
    ConfigObject { row, value, yaml }
}

/// Returns an object as it can stand in a file: secrets as names of the environment.
pub(super) fn yaml_of(section: &Editable, name: &str, mut value: Json) -> String {
    Hidden::names(section, name, &mut value);
    let within = match section.shape {
        Shape::Named => json!({ name: value }),
        Shape::Ordered => {
            if let Some(settings) = value.as_object_mut() {
                settings.insert("name".to_owned(), name.into());
            }
            json!([value])
        }
    };
    yaml(&json!({ section.name: within }))
}

/// Returns the lines of what was made in the page, each with what people see of it.
pub(super) fn lines(made: &Made) -> Vec<(String, String)> {
    let mut shown = made.clone();
    shown.each(&mut |section, _, value| Hidden::stars(section, value));
    let (text, shown) = (made.text(), shown.text());
    text.lines().zip(shown.lines()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// Returns what stands for a version that cannot be read: as it is, it might show a secret.
pub(super) fn unreadable() -> Vec<(String, String)> {
    let text = "# This version is not YAML, so it is not shown.".to_owned();
    vec![(text.clone(), text)]
}

/// Returns all of it as a file for others: secrets as names of the environment.
pub(super) fn export(mut made: Made) -> String {
    made.each(&mut |section, name, value| Hidden::names(section, name, value));
    format!("{EXPORTED}{}", made.body())
}
