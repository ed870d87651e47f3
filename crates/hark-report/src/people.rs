//! To whom reports go: receivers, and users through their channels.

use std::collections::BTreeMap;

use hark_config::Section;
use hark_model::{ReceiverName, TeamName, UserName};
use jiff::tz::TimeZone;

/// A user, as far as reports go.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Who: the report is about what this user may see.
    pub user: UserName,
    /// Through which receivers.
    pub channels: Vec<ReceiverName>,
    /// Whether the configuration says that the user may see everything.
    pub admin: bool,
    /// The time zone of what is said, if not the report's.
    pub zone: Option<TimeZone>,
}

/// Everybody and everything that reports can go to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Receivers.
    pub receivers: Vec<ReceiverName>,
    /// Users that say how they are told.
    pub people: Vec<Person>,
    /// Teams.
    pub teams: BTreeMap<TeamName, Vec<UserName>>,
}

/// One word of a report's `to`.
enum Word {
    Receiver(ReceiverName),
    User(UserName),
    Team(TeamName),
}

impl Word {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = |error: hark_model::NameError| error.to_string();
        match text.split_once(':') {
            None => ReceiverName::new(text).map(Self::Receiver).map_err(wrong),
            Some(("user", name)) => UserName::new(name).map(Self::User).map_err(wrong),
            Some(("team", name)) => TeamName::new(name).map(Self::Team).map_err(wrong),
            Some((other, _)) => {
                Err(format!("`{other}:` is unknown: write a receiver, `user:NAME` or `team:NAME`"))
            }
        }
    }
}

/// Reads `to`: receivers and people, each once. What is wrong is reported.
pub(crate) fn read(section: &Section<'_>, known: &Known) -> (Vec<ReceiverName>, Vec<Person>) {
    let (mut receivers, mut people) = (Vec::new(), Vec::new());
    for word in section.parse_many("to", Word::read) {
        let wrong = |what: &str, name: &str, names: Vec<&str>| {
            let text = format!("there is no {what} `{name}`");
            section.diagnostics().error(word.span, text).nearest(name, names);
        };
        let users = match &word.value {
            Word::Receiver(receiver) if known.receivers.contains(receiver) => {
                receivers.push(receiver.clone());
                continue;
            }
            Word::Receiver(receiver) => {
                let names = known.receivers.iter().map(ReceiverName::as_str).collect();
                wrong("receiver", receiver.as_str(), names);
                continue;
            }
            Word::User(user) => std::slice::from_ref(user),
            Word::Team(team) => {
                let Some(members) = known.teams.get(team) else {
                    let names = known.teams.keys().map(TeamName::as_str).collect();
                    wrong("team", team.as_str(), names);
                    continue;
                };
                members
            }
        };
        for user in users {
            match known.people.iter().find(|person| person.user == *user) {
                Some(person) if person.channels.is_empty() => {
                    let text = format!("the user `{user}` has no channels: nothing would arrive");
                    drop(section.diagnostics().error(word.span, text));
                }
                Some(person) if people.contains(person) => {}
                Some(person) => people.push(person.clone()),
                None => {
                    let names = known.people.iter().map(|person| person.user.as_str()).collect();
                    wrong("user", user.as_str(), names);
                }
            }
        }
    }
    (receivers, people)
}
