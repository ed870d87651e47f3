//! Nagios and its kin (Icinga 1, Naemon): object files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::names::Names;
use crate::yaml::{self, Map};
use crate::{ImportError, ImportKind, Imported, Note, Source};

mod arguments;
mod commands;
mod contacts;
mod objects;
mod plugins;

use commands::Commands;
use objects::{Object, Objects};

/// The kind `nagios`.
#[derive(Debug)]
pub(crate) struct Nagios;

impl ImportKind for Nagios {
    fn name(&self) -> &'static str {
        "nagios"
    }

    fn manual(&self) -> &'static str {
        "Reads the object files of Nagios, Icinga 1 and Naemon: every file of the folder that ends in `.cfg`. \
         Templates are resolved, services are spread over their hosts and host groups. Commands that \
         call a standard plugin become hark's own check type where all their options have a \
         counterpart; all others become checks of type `plugin` with the same command line. Host \
         groups become tags, parents stay parents, contacts with a mail address become receivers. What \
         has no counterpart is listed."
    }

    fn takes(&self, file_name: &str) -> bool {
        file_name.rsplit('.').next() == Some("cfg")
    }

    fn read(&self, files: &[Source]) -> Result<Imported, ImportError> {
        let objects = objects::read(files)?;
        Ok(Importer::new(objects).run())
    }
}

struct Importer {
    objects: Objects,
    commands: Commands,
    notes: Vec<Note>,
    host_names: BTreeMap<String, String>,
    check_names: Names,
    hosts: Map,
    checks: Map,
    told: contacts::Told,
}

/// Seconds of a unit of time in the object files, where the main file does not say otherwise.
const INTERVAL_LENGTH: f64 = 60.0;

impl Importer {
    fn new(objects: Objects) -> Self {
        let commands = Commands::new(&objects);
        let mut names = Names::default();
        let host_names = objects
            .of("host")
            .filter_map(|host| host.get("host_name"))
            .map(|name| (name.to_owned(), names.unique(name)))
            .collect();
        Self {
            commands,
            notes: objects.notes.clone(),
            objects,
            host_names,
            check_names: Names::default(),
            hosts: Map::new(),
            checks: Map::new(),
            told: contacts::Told::default(),
        }
    }

    fn run(mut self) -> Imported {
        let hosts: Vec<Object> = self.objects.of("host").cloned().collect();
        for host in &hosts {
            self.host(host);
        }
        let services: Vec<Object> = self.objects.of("service").cloned().collect();
        for service in &services {
            self.service(service);
        }
        self.other_objects();
        let mut root = Map::new();
        contacts::put(&mut root, &self.objects, &self.told, &mut self.notes);
        let (n_hosts, n_checks) = (self.hosts.len(), self.checks.len());
        root.put("hosts", self.hosts).put("checks", self.checks);
        let title = "Made from object files of Nagios by `hark import nagios`.";
        self.notes.dedup();
        Imported { config: yaml::document(title, &root), notes: self.notes, n_hosts, n_checks }
    }

    fn note(&mut self, object: &Object, text: impl Into<String>) {
        let (path, line) = (object.path.clone(), object.line);
        self.notes.push(Note { path, line, text: text.into() });
    }

    fn host(&mut self, host: &Object) {
        let Some(name) = host.get("host_name") else { return };
        let Some(ours) = self.host_names.get(name).cloned() else { return };
        let mut entry = Map::new();
        if let Some(address) = host.get("address") {
            entry.put("address", address);
        }
        let parents = self.parents(host);
        if !parents.is_empty() {
            entry.put("parents", parents);
        }
        let groups: Vec<String> =
            self.objects.groups_of(name, host).iter().map(|g| crate::names::plain(g)).collect();
        if !groups.is_empty() {
            entry.put("tags", groups);
        }
        let origin = format!("{}:{}: {name}", host.path, host.line);
        self.hosts.put_with(&origin, &ours, entry);
        self.remarks(host, &format!("host {name}"));
        self.told.host(&ours, contacts::of(&self.objects, host));
        if let Some(command) = host.get("check_command") {
            let command = command.to_owned();
            self.check(host, host, &command, &format!("alive-{ours}"), &ours);
        }
    }

    /// Names the hosts in front of a host. Nagios needs one of them; hark's inner list says that.
    fn parents(&mut self, host: &Object) -> Vec<yaml::Node> {
        let named = host.list("parents");
        let mut known = Vec::new();
        for parent in &named {
            match self.host_names.get(parent) {
                Some(name) => known.push(name.clone()),
                None => {
                    self.note(
                        host,
                        format!("left out: the parent {parent}, which is not declared"),
                    );
                }
            }
        }
        match known.len() {
            0 => Vec::new(),
            1 => known.into_iter().map(yaml::Node::from).collect(),
            _ => vec![yaml::Node::from(known)],
        }
    }

    fn service(&mut self, service: &Object) {
        let description = service.get("service_description").unwrap_or("service").to_owned();
        let Some(command) = service.get("check_command").map(str::to_owned) else {
            self.note(service, format!("left out: the service {description} has no command"));
            return;
        };
        if service.get("active_checks_enabled") == Some("0") {
            self.note(
                service,
                format!(
                    "left out: the service {description} is passive; let what reports it use a check of type \
                     `push`, `hark send`, or a plugin on the agent"
                ),
            );
            return;
        }
        let hosts = self.hosts_of(service);
        if hosts.is_empty() {
            self.note(service, format!("left out: the service {description} is of no known host"));
        }
        self.remarks(service, &format!("service {description}"));
        for name in hosts {
            let Some(host) = self.objects.host(&name).cloned() else { continue };
            let Some(ours) = self.host_names.get(&name).cloned() else { continue };
            self.check(service, &host, &command, &format!("{description}-{ours}"), &ours);
        }
    }

    /// Returns the hosts that a service is of: named ones, those of groups, all, without those with `!`.
    fn hosts_of(&mut self, service: &Object) -> BTreeSet<String> {
        let mut hosts = BTreeSet::new();
        let mut not = BTreeSet::new();
        for word in service.list("host_name") {
            match word.strip_prefix('!') {
                Some(name) => drop(not.insert(name.to_owned())),
                None if word == "*" => hosts.extend(self.host_names.keys().cloned()),
                None if self.host_names.contains_key(&word) => drop(hosts.insert(word)),
                None => {
                    self.note(service, format!("left out: the host {word}, which is not declared"));
                }
            }
        }
        for word in service.list("hostgroup_name") {
            match word.strip_prefix('!') {
                Some(name) => not.extend(self.objects.members_of(name)),
                None if word == "*" => hosts.extend(self.objects.all_grouped()),
                None => hosts.extend(self.objects.members_of(&word)),
            }
        }
        hosts.retain(|host| !not.contains(host));
        hosts
    }

    /// Makes one check of a command.
    fn check(&mut self, object: &Object, host: &Object, command: &str, name: &str, ours: &str) {
        let line = match self.commands.line(command, host, object) {
            Ok(line) => line,
            Err(why) => return self.note(object, format!("left out: `{command}`: {why}")),
        };
        let mut check = Map::new();
        check.put("host", ours);
        let (word, settings) = plugins::check_of(&line);
        check.put(word, settings);
        timing(&mut check, object, &self.objects);
        let name = self.check_names.unique(name);
        let origin = format!("{}:{}: {}", object.path, object.line, line.join(" "));
        self.checks.put_with(&origin.replace('\n', " "), &name, check);
        if object.kind == "service" {
            self.told.check(ours, &name, contacts::of(&self.objects, object));
        }
    }

    /// Says what of an object has no counterpart.
    fn remarks(&mut self, object: &Object, what: &str) {
        for (key, why) in [
            ("event_handler", "an action of the agent and `repair` do this"),
            ("check_period", "probes run at any time"),
            ("notification_period", "people are told at any time"),
            ("escalation_period", "escalation is a matter of routes"),
        ] {
            let value = object.get(key);
            if value.is_some_and(|v| !matches!(v, "24x7" | "none" | "")) {
                let value = value.unwrap_or_default().to_owned();
                self.note(object, format!("left out: `{key} {value}` of {what}; {why}"));
            }
        }
    }

    fn other_objects(&mut self) {
        let kinds = [
            ("hostdependency", "use `parents` of hosts"),
            ("servicedependency", "use `parents` of hosts"),
            ("hostescalation", "use `delay` and further routes"),
            ("serviceescalation", "use `delay` and further routes"),
            ("timeperiod", "24x7 is what hark does"),
            ("servicegroup", "tags are of hosts"),
        ];
        for (kind, instead) in kinds {
            let others: Vec<Object> = self.objects.of(kind).cloned().collect();
            for object in others {
                let name = object.get(&format!("{kind}_name")).unwrap_or_default().to_owned();
                if kind == "timeperiod" && name == "24x7" {
                    continue;
                }
                self.note(
                    &object,
                    format!("left out: {}; {instead}", format!("{kind} {name}").trim()),
                );
            }
        }
    }
}

/// Puts the times: units of the object files become durations.
fn timing(check: &mut Map, object: &Object, objects: &Objects) {
    let unit = objects.interval_length.unwrap_or(INTERVAL_LENGTH);
    let number = |keys: &[&str]| {
        keys.iter().find_map(|key| object.get(key)).and_then(|value| value.parse::<f64>().ok())
    };
    let every = number(&["check_interval", "normal_check_interval"]).unwrap_or(5.0) * unit;
    let retry = number(&["retry_interval", "retry_check_interval"]).unwrap_or(1.0) * unit;
    let attempts = number(&["max_check_attempts"]).unwrap_or(3.0).clamp(1.0, 100.0);
    let every = if every >= 1.0 { every } else { 5.0 * unit };
    check.put("every", seconds(every));
    if retry >= 1.0 && retry < every {
        check.put("retry_every", seconds(retry));
    }
    check.put("attempts", attempts.round());
}

/// Longest time that is written: a year. Longer ones are mistakes in the source.
const MAX_SECONDS: f64 = 366.0 * 86_400.0;

/// Writes seconds as a duration of the configuration.
fn seconds(value: f64) -> String {
    hark_config::duration::format(Duration::from_secs_f64(value.clamp(1.0, MAX_SECONDS).round()))
}

#[cfg(test)]
mod tests;
