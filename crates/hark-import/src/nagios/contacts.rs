//! Who is told: contacts to receivers, and who belongs to what to routes.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::{Object, Objects};
use crate::Note;
use crate::names::Names;
use crate::yaml::Map;

/// Names of contacts.
pub(super) type Set = BTreeSet<String>;

/// Who is told of which hosts and checks.
#[derive(Debug, Default)]
pub(super) struct Told {
    hosts: BTreeMap<Set, BTreeSet<String>>,
    checks: BTreeMap<Set, BTreeSet<(String, String)>>,
}

impl Told {
    pub(super) fn host(&mut self, host: &str, contacts: Set) {
        self.hosts.entry(contacts).or_default().insert(host.to_owned());
    }

    pub(super) fn check(&mut self, host: &str, check: &str, contacts: Set) {
        self.checks.entry(contacts).or_default().insert((host.to_owned(), check.to_owned()));
    }
}

/// Returns the contacts of a host or service, those of its groups included.
pub(super) fn of(objects: &Objects, object: &Object) -> Set {
    let mut contacts: Set = object.list("contacts").into_iter().collect();
    let mut open = object.list("contact_groups");
    let mut seen = BTreeSet::new();
    while let Some(group) = open.pop() {
        if !seen.insert(group.clone()) {
            continue;
        }
        for found in
            objects.of("contactgroup").filter(|g| g.get("contactgroup_name") == Some(&group))
        {
            contacts.extend(found.list("members"));
            open.extend(found.list("contactgroup_members"));
        }
        let naming = objects.of("contact").filter(|c| c.list("contactgroups").contains(&group));
        contacts.extend(naming.filter_map(|c| c.get("contact_name")).map(str::to_owned));
    }
    contacts
}

/// Puts receivers and routes. The contacts that most things have become the last route, for all that no
/// other route is for.
pub(super) fn put(root: &mut Map, objects: &Objects, told: &Told, notes: &mut Vec<Note>) {
    let receivers = receivers(root, objects, notes);
    let known = |set: &Set| -> Vec<String> {
        set.iter().filter_map(|contact| receivers.get(contact).cloned()).collect()
    };
    let mut sizes: BTreeMap<&Set, usize> = BTreeMap::new();
    for (set, hosts) in &told.hosts {
        *sizes.entry(set).or_default() += hosts.len();
    }
    for (set, checks) in &told.checks {
        *sizes.entry(set).or_default() += checks.len();
    }
    let most =
        sizes.iter().filter(|(set, _)| !known(set).is_empty()).max_by_key(|(_, size)| **size);
    let Some(most) = most.map(|(set, _)| (*set).clone()) else { return };
    let mut routes = Vec::new();
    let mut names = Names::default();
    let mut route = |to: Vec<String>, matches: Option<Map>| {
        let mut route = Map::new();
        let name = if matches.is_some() { to.join("-") } else { "all".to_owned() };
        route.put("name", names.unique(&name));
        if let Some(matches) = matches {
            route.put("match", matches);
        }
        route.put("to", to);
        routes.push(route);
    };
    for (set, checks) in told.checks.iter().filter(|(set, _)| **set != most) {
        let mut matches = Map::new();
        matches.put("checks", checks.iter().map(|(_, check)| check.clone()).collect::<Vec<_>>());
        if !known(set).is_empty() {
            route(known(set), Some(matches));
        }
    }
    for (set, hosts) in told.hosts.iter().filter(|(set, _)| **set != most) {
        let mut matches = Map::new();
        matches.put("hosts", hosts.iter().cloned().collect::<Vec<_>>());
        if !known(set).is_empty() {
            route(known(set), Some(matches));
        }
    }
    route(known(&most), None);
    root.put("routes", routes);
}

/// Makes a receiver of each contact with a mail address. Returns their names here.
fn receivers(root: &mut Map, objects: &Objects, notes: &mut Vec<Note>) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    let mut names = Names::default();
    let mut map = Map::new();
    for contact in objects.of("contact") {
        let Some(name) = contact.get("contact_name") else { continue };
        let mut note = |text: String| {
            notes.push(Note { path: contact.path.clone(), line: contact.line, text });
        };
        if contact.get("pager").is_some() {
            note(format!("left out: the pager of {name}; add a receiver for it"));
        }
        let Some(address) = contact.get("email") else {
            note(format!("left out: the contact {name} has no mail address"));
            continue;
        };
        let ours = names.unique(name);
        let mut email = Map::new();
        email.put("to", address).put("from", "hark <hark@localhost>").put("security", "none");
        let mut receiver = Map::new();
        receiver.put("email", email);
        map.put(&ours, receiver);
        known.insert(name.to_owned(), ours);
    }
    if !map.is_empty() {
        notes.push(Note {
            path: "nagios".to_owned(),
            line: 0,
            text: "mails go through the mail server of this machine, from hark@localhost: set `server` and \
                   `from` of the receivers"
                .to_owned(),
        });
        root.put("receivers", map);
    }
    known
}
