//! Object files: definitions, templates and groups.
//!
//! Source: Nagios Core documentation, "Object Definitions" and "Object Inheritance".

use std::collections::{BTreeMap, BTreeSet};

use crate::{ImportError, Note, Source};

/// A definition, with what it inherits filled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Object {
    /// `host`, `service`, `command` ...
    pub(super) kind: String,
    pub(super) path: String,
    pub(super) line: u32,
    values: BTreeMap<String, String>,
}

impl Object {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Returns the elements of a list with commas.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let value = self.get(key).unwrap_or_default();
        value.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Returns the values of one's own (`_SNMP_COMMUNITY`), without the underscore, in capitals.
    pub(super) fn customs(&self) -> impl Iterator<Item = (String, &str)> {
        self.values.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix('_')?.to_ascii_uppercase(), &**value))
        })
    }
}

/// All definitions of a configuration.
#[derive(Debug, Default)]
pub(super) struct Objects {
    all: Vec<Object>,
    /// `$USER1$` and its like, from resource files.
    pub(super) macros: BTreeMap<String, String>,
    /// Seconds of a unit of time, if the main file says so.
    pub(super) interval_length: Option<f64>,
    /// What was wrong with single definitions.
    pub(super) notes: Vec<Note>,
}

impl Objects {
    /// Returns the objects of a kind that are not templates.
    pub(super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.all
            .iter()
            .filter(move |object| object.kind == kind && object.get("register") != Some("0"))
    }

    pub(super) fn host(&self, name: &str) -> Option<&Object> {
        self.of("host").find(|host| host.get("host_name") == Some(name))
    }

    /// Returns the hosts of a group: those it names, those of its member groups, and those that name it.
    pub(super) fn members_of(&self, group: &str) -> BTreeSet<String> {
        let mut members = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![group.to_owned()];
        while let Some(group) = open.pop() {
            if !seen.insert(group.clone()) {
                continue;
            }
            for object in self.of("hostgroup").filter(|g| g.get("hostgroup_name") == Some(&group)) {
                for member in object.list("members") {
                    if member == "*" {
                        members.extend(
                            self.of("host").filter_map(|h| h.get("host_name")).map(str::to_owned),
                        );
                    } else {
                        members.insert(member);
                    }
                }
                open.extend(object.list("hostgroup_members"));
            }
            let naming = self.of("host").filter(|host| host.list("hostgroups").contains(&group));
            members.extend(naming.filter_map(|host| host.get("host_name")).map(str::to_owned));
        }
        members.retain(|member| self.host(member).is_some());
        members
    }

    /// Returns the hosts that are in any group.
    pub(super) fn all_grouped(&self) -> BTreeSet<String> {
        let names: Vec<String> = self
            .of("hostgroup")
            .filter_map(|g| g.get("hostgroup_name"))
            .map(str::to_owned)
            .collect();
        names.iter().flat_map(|name| self.members_of(name)).collect()
    }

    /// Returns the groups that a host is in.
    pub(super) fn groups_of(&self, name: &str, host: &Object) -> Vec<String> {
        let mut groups: BTreeSet<String> = host.list("hostgroups").into_iter().collect();
        for group in self.of("hostgroup").filter_map(|g| g.get("hostgroup_name")) {
            if self.members_of(group).contains(name) {
                groups.insert(group.to_owned());
            }
        }
        groups.into_iter().collect()
    }
}

/// Reads all files.
pub(super) fn read(files: &[Source]) -> Result<Objects, ImportError> {
    let mut objects = Objects::default();
    for file in files {
        read_file(file, &mut objects)?;
    }
    inherit(&mut objects);
    Ok(objects)
}

fn read_file(file: &Source, objects: &mut Objects) -> Result<(), ImportError> {
    let wrong = |line: u32, text: &str| ImportError {
        path: file.path.clone(),
        line,
        text: text.to_owned(),
    };
    let mut open: Option<Object> = None;
    for (number, line) in joined_lines(&file.text) {
        let line = without_remark(&line).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        if let Some(object) = &mut open {
            if line == "}" {
                objects.all.extend(open.take());
                continue;
            }
            let (key, value) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            object.values.insert(key.to_owned(), value.trim().to_owned());
        } else if let Some(rest) = line.strip_prefix("define") {
            let kind = rest.trim().strip_suffix('{').unwrap_or_default().trim();
            if kind.is_empty() || !rest.starts_with(char::is_whitespace) {
                return Err(wrong(number, "`define` needs a kind and a brace"));
            }
            open = Some(Object {
                kind: kind.to_owned(),
                path: file.path.clone(),
                line: number,
                values: BTreeMap::new(),
            });
        } else if let Some((key, value)) = line.split_once('=') {
            setting(objects, key.trim(), value.trim());
        } else {
            return Err(wrong(number, "neither a definition nor a setting"));
        }
    }
    match open {
        Some(object) => Err(wrong(object.line, "the definition has no end")),
        None => Ok(()),
    }
}

/// Takes a line of a resource file or of the main file.
fn setting(objects: &mut Objects, key: &str, value: &str) {
    if key.len() > 2 && key.starts_with('$') && key.ends_with('$') {
        objects.macros.insert(key.trim_matches('$').to_owned(), value.to_owned());
    } else if key == "interval_length" {
        objects.interval_length = value.parse().ok().filter(|seconds| *seconds > 0.0);
    }
}

/// Returns the lines with their numbers; a backslash at the end goes on with the next.
fn joined_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in (1_u32..).zip(text.lines()) {
        let (body, more) = match line.strip_suffix('\\') {
            Some(body) if !body.ends_with('\\') => (body, true),
            _ => (line, false),
        };
        match lines.last_mut() {
            Some((_, last)) if goes_on => last.push_str(body.trim_start()),
            _ => lines.push((number, body.to_owned())),
        }
        goes_on = more;
    }
    lines
}

/// Cuts a remark: a line that begins with `#`, or all after a `;` that is not escaped.
fn without_remark(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == ';' && before != '\\' {
            return line.get(..at).unwrap_or_default();
        }
        before = c;
    }
    line
}

/// Fills in what objects take from templates.
fn inherit(objects: &mut Objects) {
    let mut templates: BTreeMap<(String, String), Object> = BTreeMap::new();
    for object in &objects.all {
        if let Some(name) = object.get("name") {
            templates.insert((object.kind.clone(), name.to_owned()), object.clone());
        }
    }
    let mut notes = Vec::new();
    for object in &mut objects.all {
        let mut on_the_way = BTreeSet::new();
        object.values = resolved(object, &templates, &mut on_the_way, &mut notes);
    }
    objects.notes.append(&mut notes);
}

fn resolved(
    object: &Object,
    templates: &BTreeMap<(String, String), Object>,
    on_the_way: &mut BTreeSet<String>,
    notes: &mut Vec<Note>,
) -> BTreeMap<String, String> {
    let mut values = object.values.clone();
    for name in object.list("use") {
        let Some(template) = templates.get(&(object.kind.clone(), name.clone())) else {
            let text = format!("the template {name} is not declared");
            notes.push(Note { path: object.path.clone(), line: object.line, text });
            continue;
        };
        if !on_the_way.insert(name.clone()) {
            let text = format!("the template {name} takes from itself");
            notes.push(Note { path: object.path.clone(), line: object.line, text });
            continue;
        }
        for (key, theirs) in resolved(template, templates, on_the_way, notes) {
            // These are of the template itself.
            if matches!(key.as_str(), "name" | "register" | "use") {
                continue;
            }
            match values.get_mut(&key) {
                None => drop(values.insert(key, theirs)),
                // `+groups` adds to what is inherited.
                Some(own) => {
                    if let Some(added) = own.strip_prefix('+') {
                        *own = format!("{theirs},{added}");
                    }
                }
            }
        }
        on_the_way.remove(&name);
    }
    for value in values.values_mut() {
        if let Some(added) = value.strip_prefix('+') {
            *value = added.to_owned();
        }
    }
    // `null` takes away what would be inherited.
    values.retain(|_, value| value != "null");
    values
}
