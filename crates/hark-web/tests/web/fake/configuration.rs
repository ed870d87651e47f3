//! A configuration in memory: one host that a file declares, and what tests make.

use hark_api::Timestamp;
use hark_api::configuration::{
    ConfigCandidate, ConfigKept, ConfigMistake, ConfigObject, ConfigObjectRow, ConfigObjectsQuery,
    ConfigSection, ConfigShape, ConfigTested, ConfigVerdict, ConfigVersion, ConfigVersionDetail,
    DiffKind, DiffLine,
};
use hark_api::hosts::Declared;
use hark_api::list::Page;
use hark_api::problem::FieldError;
use hark_model::UserName;
use hark_web::{Answer, ConfigChange, Configuring, Refused};
use serde_json::{Value, json};

use super::{Fake, THEN};

fn declared() -> Declared {
    Declared { file: "hark.yaml".to_owned(), line: 3 }
}

fn object(name: &str, value: Value, declared: Option<Declared>) -> ConfigObject {
    ConfigObject {
        row: ConfigObjectRow {
            section: "hosts".to_owned(),
            name: name.to_owned(),
            version: declared.is_none().then(|| value.to_string().len().to_string()),
            declared,
            summary: String::new(),
        },
        yaml: format!("hosts:\n  {name}:\n"),
        value,
    }
}

fn version(number: u32, is_current: bool) -> ConfigVersion {
    let at = Timestamp(THEN);
    ConfigVersion {
        number,
        at,
        by: Some("root".to_owned()),
        what: "hosts/a made".into(),
        is_current,
    }
}

fn lines() -> Vec<DiffLine> {
    vec![DiffLine { kind: DiffKind::Added, text: "hosts:".to_owned() }]
}

impl Configuring for Fake {
    fn config_schema(&self, section: Option<&str>) -> Answer<Vec<ConfigSection>> {
        if section.is_some_and(|name| name != "hosts") {
            return Err(Refused::Absent);
        }
        Ok(vec![ConfigSection {
            name: "hosts".to_owned(),
            shape: ConfigShape::Named,
            help: "Hosts by name.".to_owned(),
            can_test: false,
            schema: section.map(|_| json!({"type": "object", "properties": {}})),
        }])
    }

    fn config_objects(&self, _query: &ConfigObjectsQuery) -> Answer<Page<ConfigObjectRow>> {
        let stored = self.stored();
        let made = stored.made.iter().map(|(name, value)| object(name, value.clone(), None).row);
        let first = object("db1", json!({}), Some(declared())).row;
        Ok(Page { items: std::iter::once(first).chain(made).collect(), next: None })
    }

    fn config_object(&self, section: &str, name: &str) -> Answer<ConfigObject> {
        match (section, name) {
            ("hosts", "db1") => Ok(object("db1", json!({}), Some(declared()))),
            ("hosts", name) => {
                let value = self.stored().made.get(name).cloned().ok_or(Refused::Absent)?;
                Ok(object(name, value, None))
            }
            _ => Err(Refused::Absent),
        }
    }

    fn config_verdict(&self, candidate: &ConfigCandidate) -> Answer<ConfigVerdict> {
        let mistake = ConfigMistake {
            is_warning: false,
            path: vec!["address".to_owned()],
            message: "this is no address".to_owned(),
            hint: None,
            suggestion: None,
            elsewhere: Some(declared()),
        };
        let ok = candidate.value != Some(json!({"address": 7}));
        let mistakes = if ok { Vec::new() } else { vec![mistake] };
        Ok(ConfigVerdict { ok, mistakes, diff: lines(), yaml: "hosts:\n".to_owned() })
    }

    fn config_test(&self, _candidate: &ConfigCandidate, _by: &UserName) -> Answer<ConfigTested> {
        let lines = vec!["db1 ok".to_owned()];
        Ok(ConfigTested { ok: true, lines, took_seconds: 0.5, limits: None })
    }

    fn change_config(&self, change: &ConfigChange) -> Answer<ConfigKept> {
        let name = &change.candidate.name;
        if name == "db1" {
            return Err(Refused::Declared(declared()));
        }
        let former = self.config_object("hosts", name).ok();
        if former.and_then(|object| object.row.version) != change.seen {
            return Err(Refused::Changed);
        }
        let made = match &change.candidate.value {
            Some(value) if value["address"] == 7 => {
                let error = FieldError::new("address", "this is no address");
                return Err(Refused::Wrong(vec![error]));
            }
            Some(value) => {
                self.stored().made.insert(name.clone(), value.clone());
                Some(self.config_object("hosts", name)?)
            }
            None => {
                self.stored().made.remove(name).ok_or(Refused::Absent)?;
                None
            }
        };
        Ok(ConfigKept { number: 1, warnings: Vec::new(), object: made })
    }

    fn config_history(&self) -> Answer<Vec<ConfigVersion>> {
        Ok(vec![version(2, true), version(1, false)])
    }

    fn config_version(&self, number: u32) -> Answer<ConfigVersionDetail> {
        if number > 2 {
            return Err(Refused::Absent);
        }
        Ok(ConfigVersionDetail {
            version: version(number, number == 2),
            diff: lines(),
            back: lines(),
        })
    }

    fn restore_config(&self, number: u32, _by: &UserName) -> Answer<ConfigKept> {
        if number > 2 {
            return Err(Refused::Absent);
        }
        Ok(ConfigKept { number: 3, warnings: Vec::new(), object: None })
    }

    fn config_export(&self) -> Answer<String> {
        Ok("hosts:\n".to_owned())
    }
}
