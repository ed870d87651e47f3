//! The sections `silences` and `maintenance`.

use hark_calendar::{ActiveWindow, KEYS as WINDOW_KEYS, Recurrence};
use hark_config::{Bare, Key, Kind, Section};
use hark_model::Unix;

use super::routes::{MATCH_KEYS, read_matcher};
use crate::overlay::LONGEST_SILENCE;
use crate::plan::Draft;
use crate::plan::silence::{END_OF_TIME, Repeat, SilencePlan};

/// The keys of a silence.
pub const SILENCE_KEYS: &[Key] = &[
    Key::new("name", Kind::Text, "Its name.").required(),
    Key::new("match", Kind::Section(MATCH_KEYS), "What it covers.").required(),
    Key::new("reason", Kind::Text, "Why.").required(),
    Key::new("from", Kind::Text, "From when, such as `2026-11-20T18:00:00Z`.").required(),
    Key::new("until", Kind::Text, "Until when; a silence lasts at most 30 days.").required(),
];

/// The keys of a maintenance.
pub const MAINTENANCE_KEYS: &[Key] = &[
    SILENCE_KEYS[0],
    SILENCE_KEYS[1],
    SILENCE_KEYS[2],
    Key::new(
        "from",
        Kind::Text,
        "From when, such as `2026-11-20T18:00:00Z`; of one that comes again, the first day of all.",
    ),
    Key::new("until", Kind::Text, "Until when; of one that comes again, the end of all."),
    Key::new(
        "flexible",
        Kind::Duration,
        "It begins with the first problem between `from` and `until`, and holds for so long.",
    ),
    Key::new("cron", Kind::Text, "It comes again by a pattern of cron, such as `0 3 * * sun`."),
    Key::new("lasts", Kind::Duration, "How long it holds each time, with `cron`."),
    Key::new("zone", Kind::Text, "The time zone of `cron`, such as `Europe/Berlin`.")
        .default("the system's"),
    Key::new(
        "when",
        Kind::Either(&[Kind::Text, Kind::Section(WINDOW_KEYS)]),
        "It comes again in these days and hours: `sun 02:00-04:00`.",
    ),
    Key::new("with", Kind::Text, "It holds whenever the maintenance of this name does."),
];

/// Of a maintenance that comes again: since ever.
const EVER: Unix = Unix(0);

pub(super) fn read(root: &Section<'_>, draft: &mut Draft) {
    for item in root.list("silences") {
        draft.silences.extend(item.section().and_then(|part| read_silence(&part)));
    }
    let items: Vec<Section<'_>> =
        root.list("maintenance").iter().filter_map(hark_config::Value::section).collect();
    let leaders: Vec<&str> = items
        .iter()
        .filter(|section| !section.has("with"))
        .filter_map(|section| section.opt_str("name"))
        .collect();
    for section in &items {
        draft.silences.extend(read_maintenance(section, &leaders));
    }
}

fn read_silence(section: &Section<'_>) -> Option<SilencePlan> {
    section.finish(SILENCE_KEYS);
    let silence = read_common(section, Times::of(section), false)?;
    if silence.until <= silence.from {
        section.error("until", "must be later than `from`");
        return None;
    }
    if silence.until.since(silence.from) > LONGEST_SILENCE {
        section
            .error("until", "a silence lasts at most 30 days")
            .hint("what is not to be told for longer is better taken out of a route");
        return None;
    }
    Some(silence)
}

fn read_maintenance(section: &Section<'_>, leaders: &[&str]) -> Option<SilencePlan> {
    let repeat = read_repeat(section, leaders);
    let times = Times::of(section);
    let flexible = section.opt_duration("flexible", Bare::Refused);
    section.finish(MAINTENANCE_KEYS);
    let comes_again = ["cron", "when", "with"].into_iter().find(|key| section.has(key));
    let times = if comes_again.is_some() {
        Times {
            from: times.from.or((!section.has("from")).then_some(EVER)),
            until: times.until.or((!section.has("until")).then_some(END_OF_TIME)),
        }
    } else {
        for key in ["from", "until"] {
            section.required(key);
        }
        times
    };
    if let (Some(key), true) = (comes_again, section.has("flexible")) {
        section.error("flexible", format!("has no meaning with `{key}`: give `from` and `until`"));
        return None;
    }
    if flexible.is_some_and(|lasts| lasts.is_zero() || lasts > LONGEST_SILENCE) {
        section.error("flexible", "must be more than 0s and at most 30d");
        return None;
    }
    if comes_again.is_some() && repeat.is_none() {
        return None;
    }
    let maintenance = SilencePlan { flexible, repeat, ..read_common(section, times, true)? };
    if maintenance.until <= maintenance.from {
        section.error("until", "must be later than `from`");
        return None;
    }
    Some(maintenance)
}

/// From when and until when, as far as that is given and right.
#[derive(Clone, Copy, Debug)]
struct Times {
    from: Option<Unix>,
    until: Option<Unix>,
}

impl Times {
    fn of(section: &Section<'_>) -> Self {
        Self { from: section.parse("from", time), until: section.parse("until", time) }
    }
}

fn read_common(section: &Section<'_>, times: Times, maintenance: bool) -> Option<SilencePlan> {
    let part = section.child("match");
    let matcher = part.as_ref().map(read_matcher);
    if let Some(part) = &part {
        part.finish(MATCH_KEYS);
    }
    Some(SilencePlan {
        name: section.opt_str("name")?.to_owned(),
        matcher: matcher?,
        reason: section.opt_str("reason")?.to_owned(),
        from: times.from?,
        until: times.until?,
        maintenance,
        flexible: None,
        repeat: None,
    })
}

fn read_repeat(section: &Section<'_>, leaders: &[&str]) -> Option<Repeat> {
    let given: Vec<&str> =
        ["cron", "when", "with"].into_iter().filter(|key| section.has(key)).collect();
    if let [_, second, ..] = given[..] {
        section.error(second, "give only one of `cron`, `when` and `with`");
        return None;
    }
    if section.has("lasts") && !section.has("cron") {
        section.error("lasts", "says how long a maintenance by `cron` holds");
    }
    if section.has("zone") && !section.has("cron") {
        section.error("zone", "is the time zone of `cron`; that of `when` stands in it");
    }
    let lasts = section.opt_duration("lasts", Bare::Refused);
    match given.first().copied()? {
        "cron" => {
            let zone = section.opt_str("zone");
            let recurrence = section.parse("cron", |text| Recurrence::cron(text, zone));
            section.required("lasts");
            let lasts = lasts?;
            if lasts.is_zero() || lasts > LONGEST_SILENCE {
                section.error("lasts", "must be more than 0s and at most 30d");
                return None;
            }
            Some(Repeat::Cron(recurrence?, lasts))
        }
        "when" => {
            section.value("when").and_then(|value| ActiveWindow::read(&value)).map(Repeat::Weekly)
        }
        _ => {
            let name = section.opt_str("with")?;
            if !leaders.contains(&name) {
                section
                    .error("with", format!("there is no maintenance `{name}` of its own"))
                    .hint("name one that has `from`, `cron` or `when`");
                return None;
            }
            Some(Repeat::With(name.to_owned()))
        }
    }
}

pub(super) fn time(text: &str) -> Result<Unix, String> {
    text.parse::<jiff::Timestamp>().map(|at| Unix(at.as_millisecond())).map_err(|_| {
        "a time such as 2026-11-20T18:00:00Z or 2026-11-20T18:00:00+01:00 was expected".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};

    use super::*;

    fn read(text: &str) -> (Vec<SilencePlan>, String) {
        let document = Document::single(text);
        let mut draft = Draft::default();
        super::read(&document.root(&NoSecrets), &mut draft);
        (draft.silences, document.diagnostics().render(Style::Plain))
    }

    fn one(times: &str) -> String {
        format!("maintenance: [{{name: a, match: {{tags: x}}, reason: y, {times}}}]\n")
    }

    #[test]
    fn a_maintenance_is_once_flexible_or_comes_again() {
        for (times, repeats) in [
            ("from: 2026-11-01T00:00:00Z, until: 2027-11-01T00:00:00Z", None),
            ("cron: '0 3 * * sun', lasts: 2h, zone: UTC", Some("0 3 * * sun UTC for 2h")),
            ("when: sun 02:00-04:00 UTC", Some("sun 02:00-04:00 UTC")),
            (
                "when: {when: sun 02:00-04:00, zone: UTC}, from: 2026-11-01T00:00:00Z",
                Some("sun 02:00-04:00 UTC"),
            ),
        ] {
            let (found, said) = read(&one(times));
            assert_eq!(said, "", "{times}");
            let repeat = found[0].repeat.as_ref().map(ToString::to_string);
            assert_eq!(repeat.as_deref(), repeats);
            assert!(found[0].maintenance);
        }
        let flexible = "from: 2026-11-01T00:00:00Z, until: 2026-11-02T00:00:00Z, flexible: 30m";
        assert_eq!(read(&one(flexible)).0[0].flexible.map(|lasts| lasts.as_secs()), Some(1800));
        let two = "maintenance:\n  - {name: b, match: {hosts: b}, reason: y, with: a}\n  \
                   - {name: a, match: {hosts: a}, reason: y, when: sun 02:00-04:00 UTC}\n";
        let (found, said) = read(two);
        assert_eq!(
            (found[0].repeat.clone(), said.as_str()),
            (Some(Repeat::With("a".to_owned())), "")
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_out() {
        let once = "from: 2026-11-01T00:00:00Z, until: 2026-11-02T00:00:00Z";
        for (times, said) in [
            ("from: 2026-11-01T00:00:00Z", "`until`"),
            ("cron: '0 3 * *', lasts: 1h", "no pattern of cron"),
            ("cron: '0 3 * * *'", "`lasts`"),
            ("cron: '0 3 * * *', lasts: 31d", "at most 30d"),
            ("cron: '0 3 * * *', lasts: 1h, zone: Mars/North", "no time zone"),
            ("cron: '0 3 * * *', lasts: 1h, when: sun 02:00-04:00", "only one of"),
            ("when: mun 02:00-04:00", "mun"),
            ("when: sun 02:00-04:00, flexible: 1h", "has no meaning with `when`"),
            (&format!("{once}, flexible: 0s"), "more than 0s"),
            (&format!("{once}, lasts: 1h"), "by `cron`"),
            ("with: b", "there is no maintenance `b`"),
            ("with: a", "there is no maintenance `a`"),
        ] {
            let (found, shown) = read(&one(times));
            assert!(shown.contains(said), "{times}: {shown}");
            assert!(found.is_empty() || times.contains("lasts: 1h"), "{times}");
        }
    }
}
