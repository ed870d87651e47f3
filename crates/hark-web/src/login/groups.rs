//! What groups of a provider mean here: who may do everything, who is in which team, and who is let in at all.

use std::collections::{BTreeMap, BTreeSet};

use hark_config::{Key, Kind, Section};
use hark_model::TeamName;

/// Keys of a provider that say what becomes of its users.
pub(super) const KEYS: [Key; 3] = [
    Key::new(
        "groups",
        Kind::Named(&Kind::Section(GROUP_KEYS)),
        "Its groups by name, with what their members may here.",
    ),
    Key::new(
        "new_users",
        Kind::OneOf(&["members", "everybody", "nobody"]),
        "Whom it may bring: members of these groups, everybody it knows, or nobody who is not known here already.",
    )
    .default("members"),
    Key::new(
        "same_names",
        Kind::Bool,
        "A user of this server who is called as it calls somebody is that one.",
    )
    .default("false"),
];

const GROUP_KEYS: &[Key] = &[
    Key::new("admin", Kind::Bool, "Its members may do everything.").default("false"),
    Key::new(
        "teams",
        Kind::OneOrMany(&Kind::Text),
        "Teams that its members are in; `access` says what these may.",
    ),
];

/// What becomes of the users of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// What members of groups may.
    pub groups: BTreeMap<String, Rights>,
    /// Whom it may bring.
    pub new_users: NewUsers,
    /// Whether a user of this server who is called the same is the same.
    pub same_names: bool,
}

/// What somebody may who is in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Everything.
    pub admin: bool,
    /// What these teams may.
    pub teams: BTreeSet<TeamName>,
}

/// Whom a provider may bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewUsers {
    /// Members of its groups that are named.
    #[default]
    Members,
    /// Everybody.
    Everybody,
    /// Nobody: only who is known here already.
    Nobody,
}

impl NewUsers {
    const WORDS: [(&'static str, Self); 3] =
        [("members", Self::Members), ("everybody", Self::Everybody), ("nobody", Self::Nobody)];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

impl Membership {
    /// Reads [`KEYS`]; what is wrong is reported there.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let read = |(key, group): (hark_config::Spanned<&str>, Section<'_>)| {
            let teams = group.parse_many("teams", TeamName::new);
            let rights = Rights {
                admin: group.bool("admin", false),
                teams: teams.into_iter().map(|team| team.value).collect(),
            };
            group.finish(GROUP_KEYS);
            (key.value.to_owned(), rights)
        };
        let groups: BTreeMap<String, Rights> =
            section.children("groups").into_iter().map(read).collect();
        let new_users = section.word("new_users", &NewUsers::WORDS).unwrap_or_default();
        // What stands there and is no list of names has been told of.
        let names_none =
            section.value("groups").is_none_or(|value| value.to_json() == serde_json::json!({}));
        if new_users == NewUsers::Members && names_none {
            let wrong = section.error("groups", "nobody is let in: no group is named");
            drop(wrong.hint(
                "name groups, or say `new_users: everybody`, or `nobody` with `same_names: true`",
            ));
        }
        Self { groups, new_users, same_names: section.bool("same_names", false) }
    }

    /// Returns what somebody may who is in `groups`; `None` if he is in none that is named.
    pub fn rights<'a>(&self, groups: impl IntoIterator<Item = &'a str>) -> Option<Rights> {
        let found = groups.into_iter().filter_map(|group| self.groups.get(group));
        found.fold(None, |sum: Option<Rights>, one| {
            let mut sum = sum.unwrap_or_default();
            sum.admin |= one.admin;
            sum.teams.extend(one.teams.iter().cloned());
            Some(sum)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(text: &str) -> (Membership, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let read = Membership::read(&root);
        root.finish(&KEYS);
        (read, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn the_rights_of_all_ones_groups_count() {
        let (read, wrong) = read(
            "groups:\n  hark-admins: {admin: true}\n  dba: {teams: [dba, ops]}\n  web: {teams: web}\n",
        );
        assert_eq!(wrong, "");
        assert_eq!(read.rights([]), None);
        assert_eq!(read.rights(["staff", "Dba"]), None, "names are what they are");
        let team = |name: &str| TeamName::new(name).unwrap();
        let rights = read.rights(["dba", "web", "staff"]).unwrap();
        assert_eq!(rights.teams, [team("dba"), team("ops"), team("web")].into());
        assert!(!rights.admin);
        assert!(read.rights(["web", "hark-admins"]).unwrap().admin);
    }

    #[test]
    fn what_is_no_list_of_groups_is_told_of_once() {
        for text in ["groups: [a]", "groups: a", "groups: {a: [b]}"] {
            let (_, wrong) = read(text);
            assert!(wrong.contains("a mapping of keys and values is expected"), "{text}: {wrong}");
            assert!(!wrong.contains("no group is named"), "{text}: {wrong}");
        }
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, expected) in [
            ("same_names: true", "no group is named"),
            ("groups: {}", "no group is named"),
            ("groups: {a: {admn: true}}", "admin"),
            ("groups: {a: {teams: 'a b'}}", "a b"),
            ("new_users: all", "everybody"),
        ] {
            let (_, wrong) = read(text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
        assert_eq!(read("new_users: nobody").1, "");
    }
}
