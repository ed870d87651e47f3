//! Users, their sessions and tokens, and agents that join, as they are stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use hark_api::auth::Role;
use hark_api::hosts::Declared;
use hark_api::tokens::Scope;
use hark_model::{HostName, Secret, Tag, TeamName, Unix, UserName};

/// The SHA-256 of a token: what is stored instead of it.
pub type TokenHash = [u8; 32];

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name to log in with.
    pub name: UserName,
    /// The name for people.
    pub full_name: String,
    /// The password's hash; `None` if the user cannot log in with one.
    pub password: Option<Secret>,
    /// May do everything on every host.
    pub admin: bool,
    /// The role on each host that has one, from wherever it comes.
    pub roles: BTreeMap<HostName, Role>,
    /// The roles that are stored with the user. Others come of what the configuration says of hosts, and
    /// must not outlive that by being written back.
    pub granted: BTreeMap<HostName, Role>,
    /// Where the configuration declares the user; such a one is never written back.
    pub declared: Option<Declared>,
    /// Is a program: it has tokens, and nobody logs in as it.
    pub service: bool,
    /// Who vouches for the user, who logs in there.
    pub origin: Option<Origin>,
    /// The teams that it says he is in, beside those that the configuration says he is in.
    pub teams: BTreeSet<TeamName>,
    /// The teams that he is in, whoever says so. Not stored: the configuration may say something else later.
    pub member_of: BTreeSet<TeamName>,
}

impl Account {
    /// Returns a user who has nothing and may nothing.
    pub fn named(name: UserName) -> Self {
        Self {
            name,
            full_name: String::new(),
            password: None,
            admin: false,
            roles: BTreeMap::new(),
            granted: BTreeMap::new(),
            declared: None,
            service: false,
            origin: None,
            teams: BTreeSet::new(),
            member_of: BTreeSet::new(),
        }
    }
}

/// Who vouches for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The provider: its kind and its name in the configuration.
    pub provider: String,
    /// What that calls the user for ever, whatever his name is.
    pub subject: String,
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The hash of its token: the key.
    pub hash: TokenHash,
    /// Whose.
    pub user: UserName,
    /// When it began.
    pub created: Unix,
    /// When it was last used, to the minute.
    pub last_seen: Unix,
    /// The address it was last used from.
    pub address: IpAddr,
    /// What the browser or program calls itself; at most 200 bytes.
    pub agent: String,
}

/// An API token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// The hash of its text: the key.
    pub hash: TokenHash,
    /// Whose.
    pub user: UserName,
    /// What it is for.
    pub name: String,
    /// What it is good for; with none for all that its user may.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Unix,
    /// When it ends.
    pub expires: Option<Unix>,
    /// When it was last used, to the minute.
    pub last_used: Option<Unix>,
}

/// A one-time token for agents as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentRecord {
    /// The hash of its secret part: the key.
    pub hash: TokenHash,
    /// The only name that may join with it.
    pub host: Option<HostName>,
    /// Tags that the host gets.
    pub tags: Vec<Tag>,
    /// Who made it.
    pub by: UserName,
    /// When it was made.
    pub created: Unix,
    /// When it ends.
    pub expires: Unix,
    /// How many hosts may still join with it.
    pub uses_left: u32,
}

/// An agent that asks to join with a token that is valid.
#[derive(Clone)]
pub struct JoinOrder {
    /// The token: its use is counted in the same transaction that stores the agent, or a crash would
    /// either lose a use or give one away.
    pub token: TokenHash,
    /// The host.
    pub name: HostName,
    /// The agent's key.
    pub key: [u8; 32],
    /// Facts; at most [`hark_model::record::HostRecord::MAX_FACTS`].
    pub facts: BTreeMap<String, String>,
    /// From where it asks.
    pub address: IpAddr,
    /// When.
    pub at: Unix,
}

impl fmt::Debug for JoinOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOrder")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
