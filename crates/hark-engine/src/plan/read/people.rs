//! The sections `periods`, `teams` and `oncall`, what of `users` says how people are told, and hours.

use hark_calendar::{ActiveWindow, Rota};
use hark_config::{Key, Kind, Section};
use hark_model::{PeriodName, ReceiverName, RotaName, Severity, TeamName, UserName};

use super::Places;
use super::routes::{SEVERITIES, SEVERITY_WORDS};
use crate::plan::{Draft, Hours, PersonPlan, Place};

/// The keys by which a receiver or a user says when it is told: for the tables of their owners.
pub const HOURS_KEYS: &[Key] = &[
    Key::new("hours", Kind::Text, "A period: what comes outside of it is told when it opens."),
    Key::new("except", Kind::OneOf(SEVERITY_WORDS), "From this severity on at any time."),
];

/// The keys by which a user says how to be told: for the table of the owner of `users`.
pub const PERSON_KEYS: &[Key] = &[
    Key::new("channels", Kind::OneOrMany(&Kind::Text), "Receivers through which the user is told."),
    HOURS_KEYS[0],
    HOURS_KEYS[1],
    Key::new("severity", Kind::OneOf(SEVERITY_WORDS), "Nothing below this is told."),
];

pub(super) fn read(root: &Section<'_>, draft: &mut Draft, places: &mut Places) {
    read_periods(root, draft);
    for (key, section) in root.children("users") {
        // A name that cannot be is reported by the owner of the section.
        let Ok(user) = UserName::new(key.value) else { continue };
        places.insert(Place::Person(user.clone()), key.span);
        let channels = section.parse_many("channels", ReceiverName::new);
        draft.people.persons.insert(
            user,
            PersonPlan {
                channels: channels.into_iter().map(|channel| channel.value).collect(),
                hours: read_hours(&section),
                severity: section.word("severity", &SEVERITIES),
            },
        );
    }
    let Some(teams) = root.child("teams") else { return read_rotas(root, draft, places) };
    for (key, members) in teams.entries() {
        match TeamName::new(key.value) {
            Ok(team) => {
                places.insert(Place::Team(team.clone()), key.span);
                let members = members.one_or_many();
                let members = members.iter().filter_map(|user| user.parse(UserName::new)).collect();
                draft.people.teams.insert(team, members);
            }
            Err(error) => drop(root.diagnostics().error(key.span, error.to_string())),
        }
    }
    read_rotas(root, draft, places);
}

fn read_periods(root: &Section<'_>, draft: &mut Draft) {
    let Some(periods) = root.child("periods") else { return };
    for (key, window) in periods.entries() {
        match PeriodName::new(key.value) {
            Ok(period) => {
                // What is wrong has been said: that the period is unknown would be said beside it.
                let window = ActiveWindow::read(&window).unwrap_or_else(ActiveWindow::always);
                draft.people.periods.insert(period, window);
            }
            Err(error) => drop(root.diagnostics().error(key.span, error.to_string())),
        }
    }
}

fn read_rotas(root: &Section<'_>, draft: &mut Draft, places: &mut Places) {
    for (key, section) in root.children("oncall") {
        match RotaName::new(key.value) {
            Ok(name) => {
                places.insert(Place::Rota(name.clone()), key.span);
                if let Some(rota) = Rota::read(&section) {
                    draft.people.rotas.insert(name, rota);
                }
            }
            Err(error) => drop(root.diagnostics().error(key.span, error.to_string())),
        }
    }
}

/// Reads `hours` and `except` of a receiver or a user.
pub(super) fn read_hours(section: &Section<'_>) -> Option<Hours> {
    let except: Option<Severity> = section.word("except", &SEVERITIES);
    if except.is_some() && !section.has("hours") {
        section.error("except", "`except` belongs to `hours`: without them everything is told");
    }
    let period = section.parse("hours", PeriodName::new)?;
    Some(Hours { period, except })
}
