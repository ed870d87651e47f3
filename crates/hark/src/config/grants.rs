//! The section `access`: who may do what with which hosts, by tag and name, for users and teams.
//!
//! A host names its owner, managers and monitors itself; this is for what holds for many hosts, known and
//! to come. The most that anything says of a user and a host counts.

use std::collections::BTreeSet;

use hark_api::auth::Role;
use hark_config::{Key, Kind, Section};
use hark_model::record::Matcher;
use hark_model::{Tag, TeamName, UserName};

/// The top-level key.
pub(crate) const KEY: Key = Key::new(
    "access",
    Kind::Named(&Kind::Section(KEYS)),
    "Who may do what with which hosts, by tag and name.",
);

const KEYS: &[Key] = &[
    Key::new("who", Kind::OneOrMany(&Kind::Text), "Users, and teams as `team:NAME`.").required(),
    Key::new(
        "role",
        Kind::OneOf(&["monitor", "manager", "owner"]),
        "What they may: see, also handle and silence, also drop.",
    )
    .required(),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Hosts that have one of these tags."),
    Key::new(
        "hosts",
        Kind::OneOrMany(&Kind::Text),
        "Hosts whose name is like one of these (`*`, `?`); with `tags`, those of them.",
    ),
];

const ROLES: [(&str, Role); 3] =
    [("monitor", Role::Monitor), ("manager", Role::Manager), ("owner", Role::Owner)];

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grant {
    /// What it is called.
    pub(crate) name: String,
    /// For whom.
    pub(crate) users: BTreeSet<UserName>,
    /// For the members of which teams.
    pub(crate) teams: BTreeSet<TeamName>,
    /// What they may.
    pub(crate) role: Role,
    /// With which hosts.
    pub(crate) hosts: Matcher,
}

impl Grant {
    /// Returns the role's word.
    pub(crate) fn word(&self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self.role).map_or("", |(word, _)| word)
    }
}

/// Reads the section; what is wrong is reported to the document of `root`.
pub(crate) fn read(root: &Section<'_>) -> Vec<Grant> {
    let teams = known_teams(root);
    let read = |(name, section): (_, Section<'_>)| read_one(name, &section, &teams);
    root.children("access")
        .into_iter()
        .filter_map(|(key, section)| read((key.value, section)))
        .collect()
}

fn known_teams(root: &Section<'_>) -> BTreeSet<String> {
    let Some(teams) = root.child("teams") else { return BTreeSet::new() };
    teams.entries().into_iter().map(|(key, _)| key.value.to_owned()).collect()
}

fn read_one(name: &str, section: &Section<'_>, known: &BTreeSet<String>) -> Option<Grant> {
    let (mut users, mut teams) = (BTreeSet::new(), BTreeSet::new());
    if !section.has("who") {
        drop(section.error("who", "nobody is named").hint("name users, or teams as `team:NAME`"));
    }
    for value in section.one_or_many("who") {
        let Some(text) = value.str() else { continue };
        match text.strip_prefix("team:") {
            Some(team) if !known.contains(team) => {
                let wrong = value.error(format!("there is no team called `{team}`"));
                drop(wrong.hint("name its members under `teams`"));
            }
            Some(_) => {
                teams.extend(value.parse(|text| TeamName::new(text.trim_start_matches("team:"))));
            }
            None => users.extend(value.parse(UserName::new)),
        }
    }
    let role = section.required("role").and_then(|value| value.word(&ROLES));
    let tags: Vec<Tag> =
        section.parse_many("tags", Tag::new).into_iter().map(|t| t.value).collect();
    let hosts: Vec<String> = section
        .one_or_many("hosts")
        .iter()
        .filter_map(|value| value.str().map(str::to_owned))
        .collect();
    if tags.is_empty() && hosts.is_empty() {
        let wrong = section.error("hosts", "neither tags nor hosts are named");
        drop(wrong.hint("add `tags`, or `hosts: '*'` for all"));
    }
    section.finish(KEYS);
    let hosts = Matcher { hosts, tags, ..Matcher::default() };
    Some(Grant { name: name.to_owned(), users, teams, role: role?, hosts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read_text(text: &str) -> (Vec<Grant>, String) {
        let document = Document::single(text);
        let grants = read(&document.root(&NoSecrets));
        (grants, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn users_and_teams_are_told_apart() {
        let (grants, wrong) = read_text(
            "teams: {ops: [mira]}\naccess:\n  web: {who: [team:ops, nils], role: manager, \
             tags: role:web}\n  all: {who: eve, role: monitor, hosts: '*'}\n",
        );
        assert_eq!(wrong, "");
        let web = grants.iter().find(|grant| grant.name == "web").unwrap();
        assert_eq!((web.role, web.word()), (Role::Manager, "manager"));
        assert_eq!(web.users, BTreeSet::from([UserName::new("nils").unwrap()]));
        assert_eq!(web.teams, BTreeSet::from([TeamName::new("ops").unwrap()]));
        assert_eq!(web.hosts.tags, [Tag::new("role:web").unwrap()]);
        assert_eq!(grants.len(), 2);
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, expected) in [
            ("access: {a: {who: team:ops, role: owner, hosts: x}}", "no team called `ops`"),
            ("access: {a: {who: 'a b', role: owner, hosts: x}}", "a b"),
            ("access: {a: {who: mira, role: boss, hosts: x}}", "monitor"),
            ("access: {a: {who: mira, role: owner}}", "neither tags nor hosts"),
            ("access: {a: {role: owner, hosts: x}}", "nobody is named"),
            ("access: {a: {who: mira, hosts: x}}", "role"),
            ("access: {a: {who: mira, role: owner, host: x}}", "hosts"),
        ] {
            let (_, wrong) = read_text(text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }
}
