//! Who may speak: agents, users, sessions, tokens; and the record of what they did.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::name::{HostName, Tag, UserName};
use hark_model::time::Unix;

/// SHA-256 of a token: the token itself is never stored.
pub type TokenHash = [u8; 32];

/// How an agent came to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentMode {
    /// Derived from the secret that all share.
    Shared,
    /// Its own, from enrolment.
    Enrolled,
}

impl AgentMode {
    /// Returns the word used in the API and on disk.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Enrolled => "enrolled",
        }
    }

    /// Returns the mode for a word made by [`AgentMode::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Shared, Self::Enrolled].into_iter().find(|m| m.word() == word)
    }
}

/// Which report items of an agent are applied, so that a retransmission is applied once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportWindow {
    /// What the numbers count in; a higher one begins anew.
    pub epoch: u64,
    /// The highest number applied.
    pub newest: u64,
    /// The 64 numbers below it: bit n stands for `newest - 1 - n`.
    pub before: u64,
}

/// An agent that may speak for a host.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Its number on the wire.
    pub id: u64,
    /// The host it speaks for; one agent per host.
    pub host: HostName,
    /// How it came to its key.
    pub mode: AgentMode,
    /// Its key.
    pub key: [u8; 32],
    /// The highest session it has opened: anything up to it is refused after a restart.
    pub session: u64,
    /// Which of its report items are applied.
    pub reports: ReportWindow,
    /// When it was first met.
    pub created: Unix,
    /// Since when it may not speak any more.
    pub revoked: Option<Unix>,
}

impl std::fmt::Debug for AgentRecord {
    /// Shows everything but the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentRecord")
            .field("id", &format_args!("{:016x}", self.id))
            .field("host", &self.host)
            .field("mode", &self.mode)
            .field("session", &self.session)
            .field("reports", &self.reports)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// What a user is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserKind {
    /// Somebody who logs in.
    #[default]
    Person,
    /// A program, which has tokens and nothing else.
    Service,
}

impl UserKind {
    const WORDS: [(&'static str, Self); 2] = [("person", Self::Person), ("service", Self::Service)];

    /// Returns the word used on disk.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// Returns the kind for a word made by [`UserKind::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    }
}

/// Who vouches for a user who logs in elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRecord {
    /// Which provider, by kind and name in the configuration.
    pub provider: String,
    /// What that calls the user for ever, whatever his name is.
    pub subject: String,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// What he logs in with.
    pub name: UserName,
    /// How he is called; may be empty.
    pub full_name: String,
    /// The hash of his password, in PHC or Werkzeug form.
    pub password: String,
    /// May do everything.
    pub admin: bool,
    /// What he may do on which host, as a word.
    pub roles: BTreeMap<HostName, String>,
    /// What he is.
    pub kind: UserKind,
    /// Who vouches for him; none if he has a password here.
    pub origin: Option<OriginRecord>,
    /// The teams that it said he is in when he logged in last.
    pub teams: BTreeSet<String>,
    /// Since when.
    pub created: Unix,
}

impl std::fmt::Debug for UserRecord {
    /// Shows everything but the hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord")
            .field("name", &self.name)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

/// A logged-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Hash of the cookie's token.
    pub token: TokenHash,
    /// Who.
    pub user: UserName,
    /// When it began.
    pub created: Unix,
    /// When it was last used, to about a minute.
    pub last_seen: Unix,
    /// From where it began.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// The token against forged requests.
    pub csrf: String,
}

/// A token for the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// Its number, given by the store; 0 in a new one.
    pub id: u64,
    /// Its hash.
    pub token: TokenHash,
    /// In whose name it acts.
    pub user: UserName,
    /// What its owner calls it.
    pub label: String,
    /// What it may do.
    pub scope: String,
    /// Since when.
    pub created: Unix,
    /// Until when; `None` for ever.
    pub expires: Option<Unix>,
    /// When it was last used, to about an hour.
    pub used: Option<Unix>,
}

/// A one-time (or few-times) token with which an agent enrols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentRecord {
    /// Its number, given by the store; 0 in a new one.
    pub id: u64,
    /// Its hash.
    pub token: TokenHash,
    /// Who made it.
    pub user: UserName,
    /// Since when.
    pub created: Unix,
    /// Until when.
    pub expires: Unix,
    /// How many times it can still be used.
    pub uses: u32,
    /// For which host; `None` for any.
    pub host: Option<HostName>,
    /// Tags that the host gets.
    pub tags: Vec<Tag>,
}

/// An order to an agent: one of the actions that its host offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRecord {
    /// Its number: higher than that of every earlier one.
    pub id: u32,
    /// For which host.
    pub host: HostName,
    /// Which action.
    pub action: String,
    /// Who gave it.
    pub by: UserName,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Unix,
    /// When it is given up if it was not fetched.
    pub expires: Unix,
    /// When the agent fetched it.
    pub taken: Option<Unix>,
    /// When its outcome came.
    pub ended: Option<Unix>,
    /// Its exit status, if it has one.
    pub exit: Option<u8>,
    /// What it printed, or why it was not carried out.
    pub text: String,
}

/// One line of the audit: what somebody did. Chained by hashes, so that a line cannot be changed or
/// taken out without a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Unix,
    /// Who.
    pub who: String,
    /// From where.
    pub address: String,
    /// What, as a word.
    pub what: String,
    /// What, in words.
    pub detail: String,
    /// SHA-256 of the line before it and this line.
    pub hash: [u8; 32],
}

/// Returns the hash of an audit line that follows the line with hash `before`.
///
/// Each text goes in with its length, so that moving a character from one to the next shows.
pub(super) fn audit_hash(
    before: &[u8],
    at: Unix,
    who: &str,
    address: &str,
    what: &str,
    detail: &str,
) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(before);
    context.update(&at.0.to_be_bytes());
    for text in [who, address, what, detail] {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Returns `value` so that `SQLite`'s signed order is its order.
pub(super) fn ordered(value: u64) -> i64 {
    (value ^ (1 << 63)).cast_signed()
}

/// Returns the value for a number made by [`ordered`].
pub(super) fn unordered(value: i64) -> u64 {
    value.cast_unsigned() ^ (1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_u64_holds_in_signed_numbers() {
        let values = [0, 1, 1 << 62, 1 << 63, u64::MAX];
        for pair in values.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]));
        }
        for value in values {
            assert_eq!(unordered(ordered(value)), value);
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let agent = AgentRecord {
            id: 1,
            host: HostName::new("a").unwrap(),
            mode: AgentMode::Shared,
            key: [0xab; 32],
            session: 1,
            reports: ReportWindow::default(),
            created: Unix(0),
            revoked: None,
        };
        assert!(!format!("{agent:?}").contains("171"));
    }
}
