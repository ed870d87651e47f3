//! Windows in a configuration.

use hark_config::{Key, Kind, Value};

use crate::parse::zone_of;
use crate::seed::Monday;
use crate::window::ActiveWindow;

/// The keys of a window that is more than a text.
pub const KEYS: &[Key] = &[
    Key::new("when", Kind::Text, "Days and hours: `mon-fri 08:00-18:00, sat 10:00-12:00`."),
    Key::new(
        "digits",
        Kind::Text,
        "Instead: days as digits, `01234;09:00-17:00`, last minute inside.",
    ),
    Key::new("monday", Kind::OneOf(&["0", "1"]), "Which digit Monday is.").default("0"),
    Key::new("zone", Kind::Text, "Time zone, such as `Europe/Berlin`.").default("the system's"),
];

/// The key `active` of everything that is done only at times.
pub const ACTIVE: Key = Key::new(
    "active",
    Kind::Either(&[Kind::Text, Kind::Section(KEYS)]),
    "Days and hours in which it is done: `mon-fri 08:00-18:00, sat 10:00-12:00 Europe/Berlin`.",
)
.default("always");

impl ActiveWindow {
    /// Reads a setting: a text ([`ActiveWindow::parse`]), or a mapping of [`KEYS`]. What is wrong has been
    /// reported then.
    pub fn read(value: &Value<'_>) -> Option<Self> {
        if !value.is_map() {
            return value.parse(|text| Self::parse(text, None));
        }
        let section = value.section()?;
        let zone = section.opt_str("zone");
        if section.parse("zone", |name| zone_of(Some(name))).is_none() && zone.is_some() {
            return None;
        }
        let monday = section.word("monday", &[("0", Monday::Zero), ("1", Monday::One)]);
        let found = section.exactly_one_of(&["when", "digits"]);
        if section.has("monday") && found.is_some_and(|(key, _)| key == "when") {
            section.error("monday", "`monday` says how `digits` count: names need none");
        }
        section.finish(KEYS);
        let (key, value) = found?;
        value.parse(|text| match key {
            "when" => Self::parse(text, zone),
            _ => Self::parse_digits(text, monday.unwrap_or_default(), zone),
        })
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Option<String>, String) {
        let document = Document::single(text);
        let window = document.root(&NoSecrets).value("active").and_then(|v| ActiveWindow::read(&v));
        (window.map(|w| w.to_string()), document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn a_text_or_a_mapping() {
        for (text, window) in [
            ("active: mon 08:00-09:00 UTC\n", "mon 08:00-09:00 UTC"),
            ("active: {when: 'sat, sun', zone: UTC}\n", "sat,sun 00:00-24:00 UTC"),
            ("active: {digits: '06;09:00-10:00', zone: UTC}\n", "mon,sun 09:00-10:01 UTC"),
            (
                "active: {digits: '06;09:00-10:00', monday: 1, zone: UTC}\n",
                "sat,sun 09:00-10:01 UTC",
            ),
        ] {
            assert_eq!(read(text), (Some(window.to_owned()), String::new()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_shown_with_its_place() {
        for (text, said) in [
            ("active: mun 08:00-09:00\n", "hark.yaml:1:9"),
            ("active: {when: mon, digits: '0;1:00-2:00'}\n", "only one of"),
            ("active: {zone: UTC}\n", "one of `when`, `digits`"),
            ("active: {when: mon, zone: Mars/North}\n", "`Mars/North` is no time zone"),
            ("active: {when: mon, monday: 1}\n", "names need none"),
            ("active: {wehn: mon}\n", "`when`"),
            ("active: [mon]\n", "a text is expected"),
        ] {
            let (window, found) = read(text);
            assert!(found.contains(said), "{text}: {found}");
            assert!(window.is_none() || text.contains("monday"), "{text}");
        }
    }
}
