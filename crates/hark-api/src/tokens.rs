//! API tokens of the user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// A part of what a user may, that a token is good for. A token of none of them is good for all that its
/// user may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Read everything, but what lets people in.
    #[serde(rename = "read")]
    Read,
    /// Read of hosts, checks, incidents and silences, live and as figures for other programs.
    #[serde(rename = "hosts:read")]
    HostsRead,
    /// Look now, order actions, publish names in DNS, let agents join, drop hosts; and `hosts:read`.
    #[serde(rename = "hosts:write")]
    HostsWrite,
    /// Acknowledge, comment, resolve, silence, send messages again; and `hosts:read`.
    #[serde(rename = "incidents:write")]
    IncidentsWrite,
    /// Bring events, and nothing else.
    #[serde(rename = "events:send")]
    EventsSend,
    /// Read configuration, receivers, routes and dashboards.
    #[serde(rename = "config:read")]
    ConfigRead,
    /// Change configuration and dashboards, send test messages and reports; and `config:read`.
    #[serde(rename = "config:write")]
    ConfigWrite,
    /// Make, change and remove users: as good as everything in the hands of an administrator.
    #[serde(rename = "users:write")]
    UsersWrite,
}

impl Scope {
    /// Every scope with its word, in the order in which they are shown.
    pub const WORDS: [(&'static str, Self); 8] = [
        ("read", Self::Read),
        ("hosts:read", Self::HostsRead),
        ("hosts:write", Self::HostsWrite),
        ("incidents:write", Self::IncidentsWrite),
        ("events:send", Self::EventsSend),
        ("config:read", Self::ConfigRead),
        ("config:write", Self::ConfigWrite),
        ("users:write", Self::UsersWrite),
    ];

    /// Returns its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, scope)| *scope == self).map_or("", |(word, _)| word)
    }

    /// Returns the scope of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, scope)| *scope)
    }
}

/// One API token, without its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its number, to revoke it by.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it is good for; with none for all that its user may.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; null if it does not.
    #[schema(required = true)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute (to the hour, if the server was started since); null if never.
    #[schema(required = true)]
    pub last_used_at: Option<Timestamp>,
}

/// Makes an API token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for.
    pub name: String,
    /// How long it is valid; without, until it is revoked.
    #[serde(default)]
    pub valid_seconds: Option<u64>,
    /// What it is good for; without, for all that its user may.
    #[serde(default)]
    pub scopes: Vec<Scope>,
}

/// A new API token: the only time that its text is shown.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The text: `Authorization: Bearer …`.
    pub secret: String,
    /// What is kept of it.
    pub token: Token,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_api() {
        for (word, scope) in Scope::WORDS {
            assert_eq!(serde_json::to_value(scope).unwrap(), word);
            assert_eq!((Scope::from_word(word), scope.word()), (Some(scope), word));
        }
        assert_eq!(Scope::from_word("everything"), None);
    }
}
