//! Rotas in a configuration.

use hark_config::{Bare, Key, Kind, Section};
use hark_model::{Unix, UserName};
use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use crate::parse::{minute, zone_of};
use crate::rota::{HandOver, Layer, Override, Rota};
use crate::window::{ActiveWindow, NAMES};

/// Bound on the layers of a rota, and on its overrides: each is looked at for each message.
const MAX_LAYERS: usize = 16;
const MAX_OVERRIDES: usize = 500;

/// The shortest and the longest turn, in minutes: an hour, and a year.
const TURNS: std::ops::RangeInclusive<i64> = 60..=366 * 24 * 60;

const OVERRIDE_KEYS: &[Key] = &[
    Key::new("from", Kind::Text, "From when, such as `2026-12-24T09:00:00Z`.").required(),
    Key::new("until", Kind::Text, "Until when.").required(),
    Key::new("user", Kind::Text, "Who stands in.").required(),
];

const ROTATION: Key =
    Key::new("rotation", Kind::OneOrMany(&Kind::Text), "Users, in the order of their turns.")
        .required();
const EVERY: Key =
    Key::new("every", Kind::Duration, "Length of a turn, from 1h to 366d.").default("1w");
const HAND_OVER: Key =
    Key::new("handover", Kind::Text, "When turns change: `Mon 09:00`, or `09:00`.")
        .default("Mon 09:00");
const ZONE: Key =
    Key::new("zone", Kind::Text, "Time zone, such as `Europe/Berlin`.").default("the system's");
const START: Key = Key::new(
    "start",
    Kind::Text,
    "A date: the first turn begins at the first hand-over from it on.",
)
.default("1970-01-05, a Monday");
const HOURS: Key =
    Key::new("hours", Kind::Any, "Days and hours in which this layer counts; by default always.");

const LAYER_KEYS: &[Key] = &[ROTATION, EVERY, HAND_OVER, ZONE, START, HOURS];

/// The keys of a rota.
pub const ROTA_KEYS: &[Key] = &[
    ROTATION,
    EVERY,
    HAND_OVER,
    ZONE,
    START,
    HOURS,
    Key::new(
        "layers",
        Kind::List(&Kind::Section(LAYER_KEYS)),
        "Further rotations; of those whose hours it is the last one counts.",
    ),
    Key::new(
        "overrides",
        Kind::List(&Kind::Section(OVERRIDE_KEYS)),
        "Who stands in for a time; the last one counts.",
    ),
];

impl Rota {
    /// Reads a rota. What is wrong has been reported then.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let first = read_layer(section, None);
        let zone = first.as_ref().map(|layer| layer.zone.clone());
        let mut layers: Vec<Option<Layer>> = vec![first];
        for item in section.list("layers").iter().take(MAX_LAYERS) {
            layers.push(item.section().and_then(|layer| {
                layer.finish(LAYER_KEYS);
                read_layer(&layer, zone.as_ref())
            }));
        }
        let overrides: Vec<Option<Override>> = section
            .list("overrides")
            .iter()
            .map(|item| item.section().and_then(|part| read_override(&part)))
            .collect();
        if section.list("layers").len() > MAX_LAYERS {
            section.error("layers", format!("a rota has at most {MAX_LAYERS} layers"));
        }
        if overrides.len() > MAX_OVERRIDES {
            let report =
                section.error("overrides", format!("a rota has at most {MAX_OVERRIDES} overrides"));
            report.hint("take out those that are over");
            return None;
        }
        section.finish(ROTA_KEYS);
        let layers: Option<Vec<Layer>> = layers.into_iter().collect();
        let overrides: Option<Vec<Override>> = overrides.into_iter().collect();
        Some(Self { layers: layers?, overrides: overrides? })
    }
}

fn read_layer(section: &Section<'_>, usual_zone: Option<&TimeZone>) -> Option<Layer> {
    let named = section.required("rotation").is_some();
    let people: Vec<UserName> =
        section.parse_many("rotation", UserName::new).into_iter().map(|user| user.value).collect();
    if named && people.is_empty() {
        section.error("rotation", "a rotation has at least one user");
    }
    let week = std::time::Duration::from_hours(7 * 24);
    let minutes = section.duration("every", Bare::Days, week).as_secs() / 60;
    let minutes = i64::try_from(minutes).unwrap_or(i64::MAX);
    if !TURNS.contains(&minutes) {
        section.error("every", "a turn lasts from 1h to 366d");
        return None;
    }
    let given = if section.has("handover") {
        section.parse("handover", hand_over)?
    } else {
        HandOver { day: Some(Weekday::Monday), time: Time::constant(9, 0, 0, 0) }
    };
    let zone = if section.has("zone") {
        section.parse("zone", |name| zone_of(Some(name)))?
    } else {
        usual_zone.cloned().or_else(|| zone_of(None).ok())?
    };
    let start = if section.has("start") {
        section.parse("start", |text| {
            text.parse::<Date>().map_err(|_| "a date such as 2026-01-05 was expected")
        })?
    } else {
        Date::constant(1970, 1, 5)
    };
    let hours = match section.value("hours") {
        Some(value) => Some(ActiveWindow::read(&value)?),
        None => None,
    };
    let anchor = given.first(start)?;
    (!people.is_empty()).then_some(Layer { people, minutes, anchor, zone, hours })
}

fn read_override(section: &Section<'_>) -> Option<Override> {
    for key in ["from", "until", "user"] {
        section.required(key);
    }
    section.finish(OVERRIDE_KEYS);
    let moment = |text: &str| {
        text.parse::<Timestamp>()
            .map(|at| Unix(at.as_millisecond()))
            .map_err(|_| "a time such as 2026-12-24T09:00:00Z or 2026-12-24T10:00:00+01:00")
    };
    let from = section.parse("from", moment);
    let until = section.parse("until", moment);
    let user = section.parse("user", UserName::new);
    let (from, until, user) = (from?, until?, user?);
    if until <= from {
        section.error("until", "must be later than `from`");
        return None;
    }
    Some(Override { from, until, user })
}

/// Reads `Mon 09:00` or `09:00`.
fn hand_over(text: &str) -> Result<HandOver, String> {
    let wrong = || format!("`{text}` is no hand-over: write `Mon 09:00`, or `09:00`");
    let (day, time) = match text.split_whitespace().collect::<Vec<_>>()[..] {
        [time] => (None, time),
        [day, time] => (Some(day), time),
        _ => return Err(wrong()),
    };
    let day = match day {
        None => None,
        Some(word) => {
            let lower = word.to_ascii_lowercase();
            let place = NAMES.iter().position(|name| *name == lower).ok_or_else(wrong)?;
            let place = i8::try_from(place).map_err(|_| wrong())?;
            Some(Weekday::from_monday_zero_offset(place).map_err(|_| wrong())?)
        }
    };
    let minutes = minute(time).filter(|minutes| *minutes < 24 * 60).ok_or_else(wrong)?;
    let part = |number: u16| i8::try_from(number).map_err(|_| wrong());
    let time = Time::new(part(minutes / 60)?, part(minutes % 60)?, 0, 0).map_err(|_| wrong())?;
    Ok(HandOver { day, time })
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Option<Rota>, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let rota = root.child("a").and_then(|section| Rota::read(&section));
        (rota, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_rota_is_read_with_what_it_need_not_say() {
        let (rota, said) = read("a: {rotation: [anna, ben], zone: UTC}\n");
        assert_eq!(said, "");
        let rota = rota.unwrap();
        // 2026-11-16 is a Monday.
        let monday = Unix(1_794_819_600_000);
        assert_ne!(rota.at(monday), rota.at(Unix(monday.0 - 1)));
        assert_eq!(rota.next_change(monday), Some(Unix(monday.0 + 7 * 86_400_000)));
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place() {
        for (text, said) in [
            ("a: {}\n", "`rotation`"),
            ("a: {rotation: []}\n", "at least one user"),
            ("a: {rotation: [a], every: 10m}\n", "from 1h to 366d"),
            ("a: {rotation: [a], handover: noon}\n", "is no hand-over"),
            ("a: {rotation: [a], handover: Mon 24:00}\n", "is no hand-over"),
            ("a: {rotation: [a], zone: Mars}\n", "is no time zone"),
            ("a: {rotation: [a], start: tomorrow}\n", "a date such as"),
            ("a: {rotation: [a], hours: never}\n", "is neither a day"),
            ("a: {rotation: [a], layers: [{rotatoin: [b]}]}\n", "`rotation`"),
            (
                "a: {rotation: [a], overrides: [{from: 2026-12-24T09:00:00Z, until: \
                 2026-12-24T09:00:00Z, user: b}]}\n",
                "later than `from`",
            ),
            ("a: {rotation: [a], overrides: [{user: b}]}\n", "`from`"),
        ] {
            let (rota, found) = read(text);
            assert!(rota.is_none(), "{text}");
            assert!(found.contains(said), "{text}: {found}");
        }
    }
}
