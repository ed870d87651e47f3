//! Storage of users, sessions, tokens and the audit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use hark_api::audit::AuditLine;
use hark_api::auth::Role;
use hark_api::list::{Cursor, Page, PageQuery, limit};
use hark_engine::view::HostView;
use hark_model::{Secret, Unix, UserName};
use hark_store::state::{
    ApiTokenRecord as StoredToken, AuditEntry, Change, SessionRecord as StoredSession, UserRecord,
};
use hark_web::{Account, Answer, ApiTokenRecord, Refused, SessionRecord, TokenHash};

use super::ServerBackend;
use crate::config::{Settings, UserEntry};

/// The user whose token lies in the data folder: whoever can read that file owns the server anyway.
const LOCAL_USER: &str = "local";

/// What is known of people outside the store.
#[derive(Debug)]
pub(crate) struct Access {
    declared: Vec<UserEntry>,
    /// None where there is no page.
    local: Option<TokenHash>,
    used: Mutex<HashMap<TokenHash, Option<Unix>>>,
    /// Where agents send to.
    pub(super) udp_port: u16,
}

impl Access {
    /// Makes it. `local` is the token of this machine's administrator.
    pub(crate) fn new(settings: &Settings, local: Option<&Secret>, udp_port: u16) -> Self {
        let local = local.map(|local| {
            let digest = ring::digest::digest(&ring::digest::SHA256, local.expose().as_bytes());
            let mut hash = [0; 32];
            hash.copy_from_slice(digest.as_ref());
            hash
        });
        Self { declared: settings.users.clone(), local, used: Mutex::default(), udp_port }
    }

    fn declared(&self, name: &UserName) -> Option<Account> {
        self.declared.iter().find(|u| u.name == *name).map(declared)
    }
}

fn declared(user: &UserEntry) -> Account {
    Account {
        name: user.name.clone(),
        full_name: user.full_name.clone(),
        password: Some(user.password.clone()),
        admin: user.admin,
        roles: BTreeMap::new(),
        declared: Some(user.declared.clone()),
    }
}

fn stored(user: UserRecord) -> Account {
    Account {
        name: user.name,
        full_name: user.full_name,
        password: (!user.password.is_empty()).then(|| Secret::new(user.password)),
        admin: user.admin,
        roles: BTreeMap::new(),
        declared: None,
    }
}

/// Returns what a host lets a user do: the most that it says of him.
fn role(host: HostView<'_>, user: &UserName) -> Option<Role> {
    if host.owner() == Some(user) {
        Some(Role::Owner)
    } else if host.managers().contains(user) {
        Some(Role::Manager)
    } else {
        host.monitors().contains(user).then_some(Role::Monitor)
    }
}

impl ServerBackend {
    /// Returns whether somebody can administer the server already.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) fn has_administrator(&self) -> anyhow::Result<bool> {
        let users = self
            .read(hark_store::state::StateReader::users)
            .map_err(|e| anyhow::anyhow!("cannot read the users: {e:?}"))?;
        Ok(users.iter().any(|u| u.admin) || self.access.declared.iter().any(|u| u.admin))
    }

    pub(super) fn find_account(&self, name: &UserName) -> Answer<Account> {
        if let Some(account) = self.access.declared(name) {
            return Ok(self.with_roles(account));
        }
        if name.as_str() == LOCAL_USER {
            return Ok(local_account(name));
        }
        let user = self.read(|reader| reader.user(name))?.ok_or(Refused::Absent)?;
        Ok(self.with_roles(stored(user)))
    }

    /// Adds the roles that hosts give in the configuration.
    fn with_roles(&self, mut account: Account) -> Account {
        if account.admin {
            return account;
        }
        let name = account.name.clone();
        let roles = self.ask(move |engine| {
            let role = |host: HostView<'_>| Some((host.name().clone(), role(host, &name)?));
            engine.hosts().filter_map(role).collect::<Vec<_>>()
        });
        account.roles.extend(roles.unwrap_or_default());
        account
    }

    pub(super) fn all_accounts(&self) -> Answer<Vec<Account>> {
        let mut accounts: Vec<Account> = self.access.declared.iter().map(declared).collect();
        let users = self.read(hark_store::state::StateReader::users)?;
        let known: Vec<UserName> = accounts.iter().map(|a| a.name.clone()).collect();
        accounts.extend(users.into_iter().filter(|u| !known.contains(&u.name)).map(stored));
        let mut accounts: Vec<Account> = accounts.into_iter().map(|a| self.with_roles(a)).collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(accounts)
    }

    pub(super) fn store_account(&self, account: &Account) -> Answer<()> {
        if account.name.as_str() == LOCAL_USER {
            return Err(Refused::Conflict(format!("the name {LOCAL_USER} is reserved")));
        }
        let password = account.password.as_ref().map(|p| p.expose().to_owned());
        self.write(vec![Change::User(UserRecord {
            name: account.name.clone(),
            full_name: account.full_name.clone(),
            password: password.unwrap_or_default(),
            admin: account.admin,
            created: hark_model::Clock.now().unix,
        })])
    }

    pub(super) fn remove_account(&self, user: &UserName) -> Answer<()> {
        self.write(vec![Change::UserRemoved(user.clone())])
    }

    pub(super) fn find_session(&self, hash: &TokenHash) -> Answer<SessionRecord> {
        let found = self.read(|reader| reader.session(hash))?.ok_or(Refused::Absent)?;
        Ok(session(found))
    }

    pub(super) fn sessions_of(&self, user: &UserName) -> Answer<Vec<SessionRecord>> {
        let all = self.read(|reader| reader.sessions(user))?;
        Ok(all.into_iter().map(session).collect())
    }

    pub(super) fn store_session(&self, s: &SessionRecord) -> Answer<()> {
        self.write(vec![Change::Session(StoredSession {
            token: s.hash,
            user: s.user.clone(),
            created: s.created,
            last_seen: s.last_seen,
            address: s.address.to_string(),
            agent: s.agent.clone(),
            csrf: String::new(),
        })])
    }

    pub(super) fn remove_session(&self, hash: &TokenHash) -> Answer<()> {
        self.write(vec![Change::SessionRemoved(*hash)])
    }

    pub(super) fn find_token(&self, hash: &TokenHash) -> Answer<ApiTokenRecord> {
        if self.access.local == Some(*hash) {
            let user = UserName::new(LOCAL_USER).map_err(|_| Refused::Absent)?;
            return Ok(ApiTokenRecord {
                hash: *hash,
                user,
                name: "this machine".to_owned(),
                created: self.started,
                expires: None,
                last_used: Some(hark_model::Clock.now().unix),
            });
        }
        let found = self.read(|reader| reader.api_token(hash))?.ok_or(Refused::Absent)?;
        Ok(self.token(found))
    }

    pub(super) fn tokens_of(&self, user: &UserName) -> Answer<Vec<ApiTokenRecord>> {
        let all = self.read(hark_store::state::StateReader::api_tokens)?;
        Ok(all.into_iter().filter(|t| t.user == *user).map(|t| self.token(t)).collect())
    }

    pub(super) fn store_token(&self, t: &ApiTokenRecord) -> Answer<()> {
        {
            let mut used =
                self.access.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            used.insert(t.hash, t.last_used);
        }
        // When a token was last used is kept in memory: a write a minute for each would tell little.
        let known = self.read(|reader| reader.api_token(&t.hash))?;
        if self.access.local == Some(t.hash) || known.is_some() {
            return Ok(());
        }
        self.write(vec![Change::ApiToken(StoredToken {
            id: 0,
            token: t.hash,
            user: t.user.clone(),
            label: t.name.clone(),
            scope: String::new(),
            created: t.created,
            expires: t.expires,
        })])
    }

    pub(super) fn remove_token(&self, hash: &TokenHash) -> Answer<()> {
        let all = self.read(hark_store::state::StateReader::api_tokens)?;
        let Some(found) = all.iter().find(|t| t.token == *hash) else { return Ok(()) };
        self.write(vec![Change::ApiTokenRemoved(found.id)])
    }

    pub(super) fn note(&self, line: &AuditLine) -> Answer<()> {
        self.write(vec![Change::Audit(AuditEntry {
            at: line.at.0,
            who: line.who.clone(),
            address: line.address.clone(),
            what: line.what.clone(),
            detail: line.detail.clone(),
        })])
    }

    pub(super) fn notes(&self, page: &PageQuery) -> Answer<Page<AuditLine>> {
        let most = limit(page.limit);
        let before = page.cursor.as_ref().and_then(Cursor::number);
        let asked = u32::try_from(most).unwrap_or(1000).saturating_add(1);
        let mut rows = self.read(|reader| reader.audit(before, asked))?;
        let more = rows.len() > most;
        rows.truncate(most);
        let next = more.then(|| rows.last().map(|r| Cursor::of_number(r.id))).flatten();
        let line = |r: hark_store::state::AuditRecord| AuditLine {
            at: r.at.into(),
            who: r.who,
            address: r.address,
            what: r.what,
            detail: r.detail,
        };
        Ok(Page { items: rows.into_iter().map(line).collect(), next })
    }

    fn token(&self, t: StoredToken) -> ApiTokenRecord {
        let used = self.access.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ApiTokenRecord {
            hash: t.token,
            user: t.user,
            name: t.label,
            created: t.created,
            expires: t.expires,
            last_used: used.get(&t.token).copied().flatten(),
        }
    }

    pub(super) fn write(&self, changes: Vec<Change>) -> Answer<()> {
        self.links.write(changes).map_err(Refused::Unavailable)
    }
}

fn local_account(name: &UserName) -> Account {
    Account {
        name: name.clone(),
        full_name: "This machine".to_owned(),
        password: None,
        admin: true,
        roles: BTreeMap::new(),
        declared: None,
    }
}

fn session(s: StoredSession) -> SessionRecord {
    SessionRecord {
        hash: s.token,
        user: s.user,
        created: s.created,
        last_seen: s.last_seen,
        address: s.address.parse().unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
        agent: s.agent,
    }
}
