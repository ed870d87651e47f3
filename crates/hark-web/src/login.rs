//! The part of the configuration that says how people log in.

use hark_config::{Key, Kind, Section};

use crate::backend::Account;

/// Keys within `login`.
pub const LOGIN_KEYS: &[Key] = &[Key::new(
    "second_factor",
    Kind::OneOf(&["optional", "administrators", "everybody"]),
    "Who must have a second factor beside the password. Whoever has none can set one up and do nothing else.",
)
.default("optional")];

/// The `login` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginSettings {
    /// Who must have a second factor.
    pub second_factor: Demand,
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

impl LoginSettings {
    /// Reads [`LOGIN_KEYS`]; what is wrong is reported there.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let second_factor = section.word("second_factor", &Demand::WORDS).unwrap_or_default();
        section.finish(LOGIN_KEYS);
        Self { second_factor }
    }
}
