//! People: through which receivers each is told, and who is meant by a word in a route's `to`.

use std::collections::BTreeMap;
use std::fmt;

use hark_calendar::{ActiveWindow, Rota};
use hark_config::nearest;
use hark_model::{PeriodName, ReceiverName, RotaName, RouteName, Severity, TeamName, UserName};

use super::{Draft, Fault, Place};

/// The word in a route's `to` that means the owner of the host.
pub const OWNER: &str = "owner";

/// When somebody wants to be told: what comes outside is told when the period opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Within this.
    pub period: PeriodName,
    /// From this severity on at any time.
    pub except: Option<Severity>,
}

/// A user, as far as telling goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonPlan {
    /// The receivers through which the user is told.
    pub channels: Vec<ReceiverName>,
    /// When.
    pub hours: Option<Hours>,
    /// Nothing below this.
    pub severity: Option<Severity>,
}

/// Everybody and everything that a route can lead to beside receivers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    /// Days and hours by name.
    pub periods: BTreeMap<PeriodName, ActiveWindow>,
    /// Users that say how they are told.
    pub persons: BTreeMap<UserName, PersonPlan>,
    /// Teams: all of their members are told.
    pub teams: BTreeMap<TeamName, Vec<UserName>>,
    /// Who is on call when.
    pub rotas: BTreeMap<RotaName, Rota>,
}

/// One word of a route's `to`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A receiver.
    Receiver(ReceiverName),
    /// A user, through the user's channels: `user:anna`.
    User(UserName),
    /// Every member of a team: `team:storage`.
    Team(TeamName),
    /// Whoever is on call: `oncall:berlin`.
    OnCall(RotaName),
    /// The owner of the host: `owner`.
    Owner,
}

impl Target {
    /// Reads a word of `to`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = |error: hark_model::NameError| error.to_string();
        match text.split_once(':') {
            None if text == OWNER => Ok(Self::Owner),
            None => ReceiverName::new(text).map(Self::Receiver).map_err(wrong),
            Some(("user", name)) => UserName::new(name).map(Self::User).map_err(wrong),
            Some(("team", name)) => TeamName::new(name).map(Self::Team).map_err(wrong),
            Some(("oncall", name)) => RotaName::new(name).map(Self::OnCall).map_err(wrong),
            Some((other, _)) => Err(format!(
                "`{other}:` is unknown: write a receiver, `user:NAME`, `team:NAME`, `oncall:NAME` or `owner`"
            )),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receiver(name) => name.fmt(f),
            Self::User(name) => write!(f, "user:{name}"),
            Self::Team(name) => write!(f, "team:{name}"),
            Self::OnCall(name) => write!(f, "oncall:{name}"),
            Self::Owner => f.write_str(OWNER),
        }
    }
}

/// Checks the names that people, teams, rotas and hours use.
pub(super) fn check(draft: &Draft, faults: &mut Vec<Fault>) {
    for (user, person) in &draft.people.persons {
        let place = Place::Person(user.clone());
        for channel in &person.channels {
            if !draft.receivers.iter().any(|receiver| receiver.name == *channel) {
                faults.push(no_receiver(draft, place.clone(), channel));
            }
        }
        check_hours(draft, &place, person.hours.as_ref(), faults);
    }
    for receiver in &draft.receivers {
        let place = Place::Receiver(receiver.name.clone());
        check_hours(draft, &place, receiver.hours.as_ref(), faults);
    }
    for (team, members) in &draft.people.teams {
        for user in members {
            check_person(draft, &Place::Team(team.clone()), user, faults);
        }
    }
    for (name, rota) in &draft.people.rotas {
        for user in rota.people() {
            check_person(draft, &Place::Rota(name.clone()), user, faults);
        }
    }
}

/// Checks who a route leads to, and when.
pub(super) fn check_route<'a>(
    draft: &Draft,
    route: &RouteName,
    to: impl Iterator<Item = &'a Target>,
    times: &[PeriodName],
    faults: &mut Vec<Fault>,
) {
    for target in to {
        let place = Place::RouteTarget(route.clone(), target.clone());
        match target {
            Target::Receiver(name) if !draft.receivers.iter().any(|r| r.name == *name) => {
                faults.push(no_receiver(draft, place, name));
            }
            Target::User(user) => check_person(draft, &place, user, faults),
            Target::Team(team) if !draft.people.teams.contains_key(team) => {
                let known = draft.people.teams.keys().map(TeamName::as_str);
                faults.push(unknown(place, "team", team.as_str(), known, "teams"));
            }
            Target::OnCall(rota) if !draft.people.rotas.contains_key(rota) => {
                let known = draft.people.rotas.keys().map(RotaName::as_str);
                faults.push(unknown(place, "rota", rota.as_str(), known, "oncall"));
            }
            Target::Receiver(_) | Target::Team(_) | Target::OnCall(_) | Target::Owner => {}
        }
    }
    for period in times {
        check_period(draft, &Place::Period(period.clone()), period, faults);
    }
}

fn check_person(draft: &Draft, place: &Place, user: &UserName, faults: &mut Vec<Fault>) {
    let people = &draft.people.persons;
    if people.get(user).is_some_and(|person| !person.channels.is_empty()) {
        return;
    }
    let known = people.iter().filter(|(_, person)| !person.channels.is_empty());
    faults.push(Fault {
        place: place.clone(),
        text: format!("the user `{user}` has no channels to be told through"),
        suggestion: nearest(user.as_str(), known.map(|(name, _)| name.as_str())).map(str::to_owned),
        hint: Some(format!("write `users: {{{user}: {{channels: [RECEIVER]}}}}`")),
    });
}

fn check_hours(draft: &Draft, place: &Place, hours: Option<&Hours>, faults: &mut Vec<Fault>) {
    if let Some(hours) = hours {
        check_period(draft, place, &hours.period, faults);
    }
}

fn check_period(draft: &Draft, place: &Place, period: &PeriodName, faults: &mut Vec<Fault>) {
    if !draft.people.periods.contains_key(period) {
        let known = draft.people.periods.keys().map(PeriodName::as_str);
        faults.push(unknown(place.clone(), "period", period.as_str(), known, "periods"));
    }
}

fn no_receiver(draft: &Draft, place: Place, name: &ReceiverName) -> Fault {
    let known = draft.receivers.iter().map(|receiver| receiver.name.as_str());
    unknown(place, "receiver", name.as_str(), known, "receivers")
}

fn unknown<'a>(
    place: Place,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    section: &str,
) -> Fault {
    Fault {
        place,
        text: format!("there is no {what} `{name}`"),
        suggestion: nearest(name, known).map(str::to_owned),
        hint: Some(format!("{what}s stand under `{section}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_to_are_read_and_written_alike() {
        for text in ["ops", "user:anna", "team:storage", "oncall:berlin", "owner"] {
            assert_eq!(Target::read(text).unwrap().to_string(), text);
        }
        for (text, said) in [
            ("usr:anna", "`usr:` is unknown"),
            ("user:", "cannot be empty"),
            ("a b", "cannot contain"),
        ] {
            assert!(Target::read(text).unwrap_err().contains(said), "{text}");
        }
    }
}
