//! Picomon: a configuration in Python that fills an object `config` and calls `checks.add`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::names::Names;
use crate::python::{self, Call, Value};
use crate::yaml::{self, Map};
use crate::{ImportError, ImportKind, Imported, Note, Source};

mod classes;
mod mail;

/// The kind `picomon`.
#[derive(Debug)]
pub(crate) struct Picomon;

impl ImportKind for Picomon {
    fn name(&self) -> &'static str {
        "picomon"
    }

    fn manual(&self) -> &'static str {
        "Reads Picomon's configuration, a file in Python, without running it: literals, lists, arithmetic, \
         texts, loops and the calls of `Host` and `checks.add` are understood. Classes, functions and \
         choices are left out and listed. Ticks become durations, `retry` becomes `attempts`, each \
         class and host becomes one check with the address and family of its variant. HTTPS is taken \
         over as Picomon has it, with any certificate accepted; the notes say so."
    }

    fn takes(&self, file_name: &str) -> bool {
        file_name.rsplit('.').next() == Some("py")
    }

    fn read(&self, files: &[Source]) -> Result<Imported, ImportError> {
        let mut importer = Importer::default();
        for file in files {
            importer.file(file)?;
        }
        if !importer.adds_checks {
            importer.note(
                0,
                "nothing here calls `checks.add(CLASSES, HOSTS)`, which is how Picomon's configuration \
                 makes checks: is it another file?",
            );
        }
        Ok(importer.finish())
    }
}

/// A host of the seed. Its families default to addresses of the documentation, which are nobody's.
#[derive(Clone, Debug, PartialEq)]
struct Host {
    ipv4: Option<String>,
    ipv6: Option<String>,
    name: String,
}

/// Times of the whole configuration, in seconds and ticks.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    base: f64,
    every: f64,
    error_every: f64,
}

#[derive(Debug, Default)]
struct Importer {
    /// Hosts by their name in the seed: the name here, and the entry.
    hosts: BTreeMap<String, (String, Host)>,
    host_names: Names,
    check_names: Names,
    hosts_map: Map,
    checks_map: Map,
    rest: Map,
    /// Whether anything was to become a check.
    adds_checks: bool,
    notes: Vec<Note>,
    path: String,
}

impl Importer {
    fn file(&mut self, file: &Source) -> Result<(), ImportError> {
        self.path.clone_from(&file.path);
        let lines = python::parse(&file.text).map_err(|wrong| wrong.at(&file.path))?;
        let outcome = python::evaluate(&lines);
        for (line, text) in &outcome.notes {
            self.note(*line, text.as_str());
        }
        let settings = settings(&outcome.settings);
        let ticks = self.ticks(&settings);
        for call in &outcome.calls {
            let last = call.name.rsplit('.').next().unwrap_or_default();
            let owner = call.name.rsplit('.').nth(1).unwrap_or_default();
            if last == "add" && owner == "checks" {
                self.adds_checks = true;
                self.add(call, ticks);
            } else {
                self.note(call.line, format!("left out: the call of `{}`", call.name));
            }
        }
        mail::take(self, &settings);
        self.unknown_settings(&settings);
        Ok(())
    }

    fn note(&mut self, line: u32, text: impl Into<String>) {
        self.notes.push(Note { path: self.path.clone(), line, text: text.into() });
    }

    fn ticks(&mut self, settings: &Settings) -> Ticks {
        let mut number = |key: &str, default: f64| match settings.get(key) {
            Some((_, Value::Number(number))) => *number,
            Some((line, _)) => {
                self.notes.push(Note {
                    path: self.path.clone(),
                    line: *line,
                    text: format!("`{key}` is not a number that is known; {default} is taken"),
                });
                default
            }
            None => default,
        };
        Ticks {
            base: number("base_tick", 60.0),
            every: number("default_every", 1.0),
            error_every: number("default_error_every", -1.0),
        }
    }

    /// Takes over one call of `checks.add(classes, hosts, options)`.
    fn add(&mut self, call: &Call, ticks: Ticks) {
        let (Some(classes), Some(targets)) = (call.plain.first(), call.plain.get(1)) else {
            self.note(call.line, "left out: `add` needs classes and hosts");
            return;
        };
        for class in listed(classes) {
            let Value::Name(name) = class else {
                self.note(call.line, format!("left out: a class that is not known{}", why(class)));
                continue;
            };
            let name = name.rsplit('.').next().unwrap_or(name);
            let Some(class) = classes::find(name) else {
                self.note(
                    call.line,
                    format!(
                        "left out: `{name}` is a class of your own; make it a program with the exit codes of \
                         Nagios plugins and a check of type `plugin`"
                    ),
                );
                continue;
            };
            for target in listed(targets) {
                self.one(call, class, target, ticks);
            }
        }
    }

    fn one(&mut self, call: &Call, class: &classes::Class, target: &Value, ticks: Ticks) {
        let host =
            if class.is_of_zone() { self.zone(call, target) } else { self.host(call, target) };
        let Some((host_name, host)) = host else { return };
        let mut notes = Vec::new();
        let made = class.settings(&host, call, &mut notes);
        for text in notes {
            self.note(call.line, text);
        }
        let Some((word, settings)) = made else { return };
        let mut check = Map::new();
        check.put("host", host_name.as_str()).put(word, settings);
        self.timing(&mut check, call, ticks);
        let name = self.check_names.unique(&format!("{}-{host_name}", class.short_name()));
        let origin = format!("{}:{}: {} on {}", self.path, call.line, class.name, host.name);
        self.checks_map.put_with(&origin, &name, check);
    }

    /// Puts the times: ticks become durations.
    fn timing(&mut self, check: &mut Map, call: &Call, ticks: Ticks) {
        let mut number = |key: &str, default: f64| match call.named(key) {
            None => default,
            Some(Value::Number(number)) => *number,
            Some(value) => {
                self.notes.push(Note {
                    path: self.path.clone(),
                    line: call.line,
                    text: format!("`{key}` is not known{}; {default} is taken", why(value)),
                });
                default
            }
        };
        let every = number("every", ticks.every);
        let error_every = number("error_every", ticks.error_every);
        let retry = number("retry", 1.0).max(1.0);
        if every <= 0.0 {
            self.note(call.line, "`every` of 0 never ran; the check runs at each tick here");
        }
        let every = if every > 0.0 { every } else { 1.0 } * ticks.base;
        check.put("every", duration(every.max(1.0)));
        if error_every > 0.0 && (error_every * ticks.base - every).abs() > 0.5 {
            check.put("error_every", duration((error_every * ticks.base).max(1.0)));
        }
        check.put("attempts", retry.round());
    }

    /// Returns the host that a value is, declaring it at its first use.
    fn host(&mut self, call: &Call, value: &Value) -> Option<(String, Host)> {
        let made = if let Value::Made(made) = value { Some(made) } else { None };
        let Some(made) = made.filter(|made| made.name.rsplit('.').next() == Some("Host")) else {
            self.note(call.line, format!("left out: a host that is not known{}", why(value)));
            return None;
        };
        let text =
            |place, name| made.argument(place, name).and_then(Value::text).map(str::to_owned);
        let (ipv4, ipv6) = (text(0, "ipv4"), text(1, "ipv6"));
        let default = || {
            let ipv4 = ipv4.as_deref().unwrap_or("192.0.2.1");
            format!("{ipv4}/{}", ipv6.as_deref().unwrap_or("2001:db8::1"))
        };
        let name = text(2, "name").unwrap_or_else(default);
        let host = Host { ipv4, ipv6, name: name.clone() };
        if let Some((known, declared)) = self.hosts.get(&name)
            && *declared == host
        {
            return Some((known.clone(), host));
        }
        let ours = self.host_names.unique(&name);
        let mut entry = Map::new();
        if let Some(address) = host.ipv4.as_ref().or(host.ipv6.as_ref()) {
            entry.put("address", address.as_str());
        }
        let origin = format!("{}:{}: {name}", self.path, made.line);
        self.hosts_map.put_with(&origin, &ours, entry);
        self.hosts.insert(name, (ours.clone(), host.clone()));
        Some((ours, host))
    }

    /// Returns the host that stands for a zone.
    fn zone(&mut self, call: &Call, value: &Value) -> Option<(String, Host)> {
        let Value::Text(zone) = value else {
            self.note(call.line, format!("left out: a zone that is not known{}", why(value)));
            return None;
        };
        let host = Host { ipv4: None, ipv6: None, name: zone.clone() };
        if let Some((known, _)) = self.hosts.get(zone) {
            return Some((known.clone(), host));
        }
        let ours = self.host_names.unique(zone);
        let mut entry = Map::new();
        entry.put("tags", "zone");
        let origin = format!("{}:{}: the zone {zone}", self.path, call.line);
        self.hosts_map.put_with(&origin, &ours, entry);
        self.hosts.insert(zone.clone(), (ours.clone(), host.clone()));
        Some((ours, host))
    }

    fn unknown_settings(&mut self, settings: &Settings) {
        let known = ["base_tick", "default_every", "default_error_every", "verb_level", "checks"];
        for (key, (line, value)) in settings {
            if key == "verb_level" {
                self.log_level(*line, value);
            } else if !known.contains(&key.as_str()) && !key.starts_with("emails.") {
                self.note(*line, format!("left out: `{key}` is no setting of Picomon"));
            }
        }
    }

    fn log_level(&mut self, line: u32, value: &Value) {
        let level = match value.text() {
            Some("CRITICAL" | "ERROR") => "error",
            Some("WARNING") => "warn",
            Some("INFO") => "info",
            Some("DEBUG") => "debug",
            other => {
                let level = other.map_or_else(|| why(value), |level| format!(" {level}"));
                return self.note(line, format!("left out: the log level{level}"));
            }
        };
        let mut log = Map::new();
        log.put("level", level);
        self.rest.put("log", log);
    }

    fn finish(self) -> Imported {
        let (n_hosts, n_checks) = (self.hosts_map.len(), self.checks_map.len());
        let mut root = self.rest;
        root.put("hosts", self.hosts_map).put("checks", self.checks_map);
        let title = "Made from a configuration of Picomon by `hark import picomon`.";
        let mut notes = self.notes;
        notes.dedup();
        Imported { config: yaml::document(title, &root), notes, n_hosts, n_checks }
    }
}

/// Settings by their name behind `config.`.
type Settings = BTreeMap<String, (u32, Value)>;

fn settings(raw: &Settings) -> Settings {
    raw.iter()
        .map(|(key, value)| {
            let name = key.rsplit_once("config.").map_or(key.as_str(), |(_, name)| name);
            (name.to_owned(), value.clone())
        })
        .collect()
}

/// Returns the elements of a list, or the value itself.
fn listed(value: &Value) -> &[Value] {
    if let Value::List(items) = value { items } else { std::slice::from_ref(value) }
}

/// Says why a value is not known, as a continuation of a sentence.
fn why(value: &Value) -> String {
    match value {
        Value::Unknown(why) => format!(" ({why})"),
        Value::Name(name) => format!(" (`{name}`)"),
        Value::Made(call) => format!(" (`{}(…)`)", call.name),
        Value::None
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Dict(_) => String::new(),
    }
}

/// Writes seconds as a duration of the configuration.
fn duration(seconds: f64) -> String {
    hark_config::duration::format(Duration::from_secs_f64(seconds.clamp(0.0, MAX_SECONDS)))
}

/// Longest time that is written: a year. Longer ones are mistakes in the source.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

#[cfg(test)]
mod tests;
