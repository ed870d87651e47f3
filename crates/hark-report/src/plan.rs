//! The section `reports` of the configuration.

use std::time::Duration;

use hark_calendar::Recurrence;
use hark_config::{Bare, Key, Kind as KeyKind, Section, Span};
use hark_model::ReceiverName;
use hark_model::record::Matcher;
use jiff::tz::TimeZone;

use crate::people::{self, Known, Person};

/// Longest time between two reports: what is asked of the state beyond it is asked by hand.
const LONGEST: Duration = Duration::from_hours(400 * 24);

/// Shortest time between two reports: they are told to people.
const SHORTEST: Duration = Duration::from_mins(1);

/// The keys of a report.
pub const REPORT_KEYS: &[Key] = &[
    Key::new(
        "to",
        KeyKind::OneOrMany(&KeyKind::Text),
        "Receivers, `user:NAME` or `team:NAME`: a user gets it about the hosts that are the user's own.",
    )
    .required(),
    Key::new(
        "match",
        KeyKind::Section(MATCH_KEYS),
        "Which hosts it is about; by default all.",
    ),
    Key::new(
        "cron",
        KeyKind::Text,
        "When it is sent, as a pattern of cron: `0 8 * * mon`, `@daily`. It is about the time since the one before.",
    ),
    Key::new("every", KeyKind::Duration, "Or how often: `24h`.").unit("seconds"),
    Key::new("timezone", KeyKind::Text, "Time zone of `cron` and of the times in it; by default the system's."),
    Key::new("subject", KeyKind::Text, "Its subject; by default made of its name and the period."),
    Key::new(
        "failures_older_than",
        KeyKind::Duration,
        "Makes it a reminder of what has been failing for longer than this; not sent if nothing has.",
    )
    .unit("seconds"),
];

const MATCH_KEYS: &[Key] = &[
    Key::new(
        "hosts",
        KeyKind::OneOrMany(&KeyKind::Text),
        "Host names; `*` and `?` stand for letters.",
    ),
    Key::new("tags", KeyKind::OneOrMany(&KeyKind::Text), "Tags of which the host must have one."),
];

/// What a report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the period was like.
    Summary,
    /// What has been failing for long.
    Failures {
        /// How long.
        older_than: Duration,
    },
}

/// One report as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What it tells.
    pub kind: Kind,
    /// Who gets it.
    pub to: Vec<ReceiverName>,
    /// Which users get one about what each may see.
    pub people: Vec<Person>,
    /// Which hosts it is about.
    pub hosts: Matcher,
    /// When it is sent.
    pub when: Recurrence,
    /// The time zone of what it says.
    pub zone: TimeZone,
    /// Its subject, if not the usual one.
    pub subject: Option<String>,
    /// Where it stands in the configuration.
    pub span: Span,
}

impl Plan {
    /// Reads the section `reports` of the root of the configuration. What is wrong is reported there;
    /// the others are returned. `hosts` reads a filter on hosts, as routes have it; `known` is
    /// whom and what it can go to.
    pub fn read_all(
        root: &Section<'_>,
        hosts: impl Fn(&Section<'_>) -> Matcher,
        known: &Known,
    ) -> Vec<Self> {
        let read = |(key, section): (hark_config::Spanned<&str>, Section<'_>)| {
            section.finish(REPORT_KEYS);
            read_one(key.value, &section, &hosts, known)
        };
        root.children("reports").into_iter().filter_map(read).collect()
    }

    /// Returns whom it goes to, as one writes it; teams are their members.
    pub fn addressees(&self) -> Vec<String> {
        let people = self.people.iter().map(|person| format!("user:{}", person.user));
        self.to.iter().map(ToString::to_string).chain(people).collect()
    }

    /// Returns the period that is reported on demand at `until`: as long as the one before the next
    /// report, so that a weekly one tells a week.
    pub fn usual_length(&self, until: hark_model::Unix) -> Duration {
        let next = self.when.next_after(until);
        let after = next.and_then(|next| self.when.next_after(next));
        match (next, after) {
            (Some(next), Some(after)) => after.since(next),
            _ => Duration::from_hours(24),
        }
    }
}

fn read_one(
    name: &str,
    section: &Section<'_>,
    hosts: &impl Fn(&Section<'_>) -> Matcher,
    known: &Known,
) -> Option<Plan> {
    let (to, people) = people::read(section, known);
    let zone_name = section.opt_str("timezone");
    let zone = match zone_name.map(TimeZone::get) {
        None => TimeZone::system(),
        Some(Ok(zone)) => zone,
        Some(Err(_)) => {
            section.error("timezone", "is no time zone: write one as `Europe/Berlin` or `UTC`");
            return None;
        }
    };
    let (key, value) = section.exactly_one_of(&["cron", "every"])?;
    let when = if key == "cron" {
        value.parse(|text| Recurrence::cron(text, zone_name))?
    } else {
        let length = section.opt_duration("every", Bare::Seconds)?;
        if !(SHORTEST..=LONGEST).contains(&length) {
            section.error("every", "must be from 1m to 400d");
            return None;
        }
        Recurrence::after(length)
    };
    let matcher = section.child("match").map(|part| hosts(&part)).unwrap_or_default();
    let older_than = section.opt_duration("failures_older_than", Bare::Seconds);
    Some(Plan {
        name: name.to_owned(),
        kind: older_than.map_or(Kind::Summary, |older_than| Kind::Failures { older_than }),
        to,
        people,
        hosts: matcher,
        when,
        zone,
        subject: section.opt_str("subject").map(str::to_owned),
        span: section.span(),
    })
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets, Style};
    use hark_model::{TeamName, Unix, UserName};

    use super::*;

    fn read(text: &str) -> (Vec<Plan>, String) {
        let document = Document::single(text);
        let user = |name: &str| UserName::new(name).unwrap();
        let person = |name: &str, channels: &[&str]| Person {
            user: user(name),
            channels: channels.iter().map(|name| ReceiverName::new(name).unwrap()).collect(),
            admin: false,
            zone: None,
        };
        let known = Known {
            receivers: ["mail", "boss"].map(|name| ReceiverName::new(name).unwrap()).to_vec(),
            people: vec![person("anna", &["mail"]), person("ben", &[])],
            teams: [(TeamName::new("web").unwrap(), vec![user("anna")])].into(),
        };
        let hosts = |section: &Section<'_>| {
            let hosts = section.one_or_many("hosts");
            let hosts =
                hosts.iter().filter_map(hark_config::Value::str).map(str::to_owned).collect();
            Matcher { hosts, ..Matcher::default() }
        };
        let plans = Plan::read_all(&document.root(&NoSecrets), hosts, &known);
        (plans, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn summaries_and_reminders_are_read() {
        let (plans, errors) = read(
            "reports:
  weekly: {to: [mail, boss], cron: '0 8 * * mon', timezone: Europe/Berlin, match: {hosts: 'web*'}}
  old: {to: mail, every: 1h, failures_older_than: 1h, subject: still failing}
",
        );
        assert_eq!(errors, "");
        let [weekly, old] = &plans[..] else { panic!("{plans:?}") };
        assert_eq!(weekly.kind, Kind::Summary);
        assert_eq!(weekly.to.len(), 2);
        assert_eq!(weekly.hosts.hosts, ["web*"]);
        assert_eq!(weekly.zone.iana_name(), Some("Europe/Berlin"));
        let at = Unix(1_795_219_200_000);
        assert_eq!(weekly.usual_length(at), Duration::from_hours(7 * 24));
        assert_eq!(old.kind, Kind::Failures { older_than: Duration::from_hours(1) });
        assert_eq!(old.subject.as_deref(), Some("still failing"));
        assert_eq!(old.usual_length(at), Duration::from_hours(1));
    }

    #[test]
    fn a_user_who_is_meant_twice_gets_one() {
        let (plans, errors) =
            read("reports: {mine: {to: [boss, 'user:anna', 'team:web'], every: 24h}}");
        assert_eq!(errors, "");
        let people: Vec<&str> = plans[0].people.iter().map(|p| p.user.as_str()).collect();
        assert_eq!((plans[0].to.len(), people), (1, vec!["anna"]));
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, expected) in [
            ("{to: mial, cron: '@daily'}", "did you mean `mail`?"),
            ("{to: mail}", "one of `cron`, `every` is expected"),
            ("{to: 'user:ana', cron: '@daily'}", "did you mean `anna`?"),
            ("{to: 'user:ben', cron: '@daily'}", "has no channels"),
            ("{to: 'team:wed', cron: '@daily'}", "did you mean `web`?"),
            ("{to: 'oncall:x', cron: '@daily'}", "`oncall:` is unknown"),
            ("{to: mail, cron: '@daily', every: 1h}", "`cron`"),
            ("{to: mail, cron: 'at noon'}", "is no pattern of cron"),
            ("{to: mail, every: 1s}", "must be from 1m to 400d"),
            ("{to: mail, every: 1h, timezone: Mars/Olympus}", "is no time zone"),
            ("{to: mail, every: 1h, form: html}", "unknown key `form`"),
            ("{every: 1h}", "`to`"),
        ] {
            let (_, errors) = read(&format!("reports: {{r: {text}}}"));
            assert!(errors.contains(expected), "{expected} is missing in {errors}");
        }
    }
}
