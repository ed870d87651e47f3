//! The part of the configuration that says how people log in.

mod groups;
mod ldap;
mod oidc;

use std::time::Duration;

use hark_config::{Bare, Key, Kind, Section};
use http::HeaderName;

use crate::backend::Account;
use crate::proxy::{Network, Proxies};

pub use groups::{Membership, NewUsers, Rights};
pub use ldap::{LdapGroups, LdapSettings, LdapWay};
pub use oidc::OidcSettings;
pub(crate) use oidc::is_safe;

/// Keys within `login`.
pub const LOGIN_KEYS: &[Key] = &[
    Key::new(
        "second_factor",
        Kind::OneOf(&["optional", "administrators", "everybody"]),
        "Who must have a second factor beside the password. Whoever has none can set one up and do nothing else.",
    )
    .default("optional"),
    Key::new("idle", Kind::Duration, "A session that is not used for so long ends.").default("7d"),
    Key::new("longest", Kind::Duration, "A session ends after so long whatever happens.")
        .default("30d"),
    Key::new(
        "proxies",
        Kind::OneOrMany(&Kind::Text),
        "Addresses or networks of reverse proxies: what they say of who is behind them is believed.",
    ),
    Key::new(
        "proxy_header",
        Kind::Text,
        "Header in which these proxies name the user that they have let in, such as `Remote-User`.",
    ),
    Key::new(
        "open",
        Kind::OneOf(&["no", "this_machine", "everybody"]),
        "Who may do everything without logging in. `everybody` is everybody who reaches the port.",
    )
    .default("no"),
    Key::new(
        "oidc",
        Kind::Named(&Kind::Section(oidc::KEYS)),
        "Providers of OpenID Connect at which people log in.",
    ),
    Key::new(
        "ldap",
        Kind::Named(&Kind::Section(ldap::KEYS)),
        "Directories that know names and passwords of those who have none here.",
    ),
];

/// The longest of both limits: a session that outlives a job is a door that stands open.
const MAX_SESSION: Duration = Duration::from_hours(366 * 24);

/// The shortest: below that, people would log in all day. The last use is stored to the minute.
const MIN_SESSION: Duration = Duration::from_mins(5);

const DAY: Duration = Duration::from_hours(24);

/// The `login` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// Who must have a second factor.
    pub second_factor: Demand,
    /// A session that is not used for so long ends.
    pub idle: Duration,
    /// A session ends after so long whatever happens.
    pub longest: Duration,
    /// Whose word about others is believed.
    pub proxies: Proxies,
    /// Who may do everything without logging in.
    pub open: Open,
    /// Where people log in elsewhere.
    pub oidc: Vec<OidcSettings>,
    /// Who else knows names and passwords, in their order.
    pub ldap: Vec<LdapSettings>,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            second_factor: Demand::Optional,
            idle: 7 * DAY,
            longest: 30 * DAY,
            proxies: Proxies::default(),
            open: Open::No,
            oidc: Vec::new(),
            ldap: Vec::new(),
        }
    }
}

/// Who must have a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    /// Nobody.
    #[default]
    Optional,
    /// Those who may do everything.
    Administrators,
    /// Everybody.
    Everybody,
}

impl Demand {
    const WORDS: [(&'static str, Self); 3] = [
        ("optional", Self::Optional),
        ("administrators", Self::Administrators),
        ("everybody", Self::Everybody),
    ];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, demand)| *demand == self).map_or("", |(word, _)| word)
    }

    /// Returns whether `account` must have a second factor. One without a password never: nobody logs in
    /// with it here, so there is nothing for a second factor to be the second of.
    pub(crate) fn is_of(self, account: &Account) -> bool {
        account.password.is_some()
            && match self {
                Self::Optional => false,
                Self::Administrators => account.admin,
                Self::Everybody => true,
            }
    }
}

/// Who may do everything without logging in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Open {
    /// Nobody.
    #[default]
    No,
    /// Whoever is on the server's own machine.
    ThisMachine,
    /// Whoever reaches the port.
    Everybody,
}

impl Open {
    const WORDS: [(&'static str, Self); 3] =
        [("no", Self::No), ("this_machine", Self::ThisMachine), ("everybody", Self::Everybody)];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, open)| *open == self).map_or("", |(word, _)| word)
    }
}

impl LoginSettings {
    /// Reads [`LOGIN_KEYS`]; what is wrong is reported there.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let limit = |key, default| {
            let found = section.duration(key, Bare::Seconds, default);
            if !(MIN_SESSION..=MAX_SESSION).contains(&found) {
                drop(section.error(key, "use five minutes to a year"));
            }
            found
        };
        let settings = Self {
            second_factor: section.word("second_factor", &Demand::WORDS).unwrap_or_default(),
            idle: limit("idle", default.idle),
            longest: limit("longest", default.longest),
            proxies: read_proxies(section),
            open: section.word("open", &Open::WORDS).unwrap_or_default(),
            oidc: OidcSettings::read_all(section),
            ldap: LdapSettings::read_all(section),
        };
        section.finish(LOGIN_KEYS);
        settings
    }
}

fn read_proxies(section: &Section<'_>) -> Proxies {
    let mut from = Vec::new();
    for value in section.one_or_many("proxies") {
        let Some(text) = value.str() else { continue };
        match Network::parse(text) {
            Ok(network) => from.push(network),
            Err(wrong) => drop(value.error(wrong)),
        }
    }
    let header = section.parse("proxy_header", |text| {
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| "not the name of a header")
    });
    if header.is_some() && from.is_empty() {
        let wrong = section.error("proxy_header", "nobody is believed to name users");
        drop(wrong.hint("say under `proxies` from which addresses it is believed"));
    }
    Proxies { from, header }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_config::{Document, NoSecrets, Style};

    fn read(text: &str) -> (LoginSettings, String) {
        let document = Document::single(text);
        let root = document.root(&NoSecrets);
        let settings = LoginSettings::read(&root);
        (settings, document.diagnostics().render(Style::Plain))
    }

    #[test]
    fn every_key_is_read() {
        let (settings, wrong) = read(
            "second_factor: everybody\nidle: 1h\nlongest: 12h\nproxies: [127.0.0.1, 10.0.0.0/8]\n\
             proxy_header: Remote-User\nopen: this_machine\n",
        );
        assert_eq!(wrong, "");
        assert_eq!(settings.second_factor, Demand::Everybody);
        assert_eq!((settings.idle.as_secs(), settings.longest.as_secs()), (3600, 43_200));
        assert_eq!(settings.proxies.from.len(), 2);
        assert_eq!(settings.proxies.header.unwrap().as_str(), "remote-user");
        assert_eq!(settings.open, Open::ThisMachine);
        assert_eq!(read("").0, LoginSettings::default());
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, expected) in [
            ("idle: 1s", "five minutes to a year"),
            ("longest: 500d", "five minutes to a year"),
            ("proxies: example.net", "not an address or network"),
            ("proxy_header: Remote-User", "nobody is believed"),
            ("proxies: ::1\nproxy_header: a b", "not the name of a header"),
            ("open: yes", "this_machine"),
            ("second_factor: admins", "administrators"),
        ] {
            let (_, wrong) = read(text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }
}
