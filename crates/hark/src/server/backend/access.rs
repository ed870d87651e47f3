//! Storage of users, sessions, tokens and the audit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use hark_api::audit::{AuditChain, AuditLine, AuditQuery};
use hark_api::auth::Role;
use hark_api::list::{Page, limit};
use hark_api::sought::Sought;
use hark_api::tokens::Scope;
use hark_engine::view::HostView;
use hark_engine::{Engine, covers_host};
use hark_model::{HostName, Secret, TeamName, Unix, UserName};
use hark_store::state::{
    ApiTokenRecord as StoredToken, AuditCheck, AuditEntry, AuditRecord, Change, OriginRecord,
    SessionRecord as StoredSession, UserKind, UserRecord,
};
use hark_web::{Account, Answer, ApiTokenRecord, Origin, Refused, SessionRecord, TokenHash};

use super::{ServerBackend, paging};
use crate::config::grants::Grant;
use crate::config::{Settings, UserEntry};

/// The user whose token lies in the data folder: whoever can read that file owns the server anyway.
const LOCAL_USER: &str = "local";

/// How exactly the last use of a token is on the disk.
const USE_KEPT: Duration = Duration::from_hours(1);

/// Who may log in, and with which roles, by what the configuration says at present.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    users: Vec<UserEntry>,
    grants: Arc<[Grant]>,
}

impl Declared {
    /// Takes it out of what was read.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { users: settings.users.clone(), grants: settings.grants.clone().into() }
    }
}

/// What is known of people outside the store.
#[derive(Debug)]
pub(crate) struct Access {
    declared: Arc<ArcSwap<Declared>>,
    /// None where there is no page.
    local: Option<TokenHash>,
    used: Mutex<HashMap<TokenHash, Option<Unix>>>,
    /// Where agents send to.
    pub(super) udp_port: u16,
}

impl Access {
    /// Makes it of those who may log in, and the token of this machine's administrator.
    pub(crate) fn new(
        declared: Arc<ArcSwap<Declared>>,
        local: Option<&Secret>,
        udp_port: u16,
    ) -> Self {
        let local = local.map(|local| {
            let digest = ring::digest::digest(&ring::digest::SHA256, local.expose().as_bytes());
            let mut hash = [0; 32];
            hash.copy_from_slice(digest.as_ref());
            hash
        });
        Self { declared, local, used: Mutex::default(), udp_port }
    }

    fn declared(&self, name: &UserName) -> Option<Account> {
        self.declared.load().users.iter().find(|u| u.name == *name).map(declared)
    }
}

fn declared(user: &UserEntry) -> Account {
    Account {
        full_name: user.full_name.clone(),
        password: Some(user.password.clone()),
        admin: user.admin,
        declared: Some(user.declared.clone()),
        ..Account::named(user.name.clone())
    }
}

fn stored(user: UserRecord) -> Account {
    let roles = user.roles.into_iter();
    let granted: BTreeMap<HostName, Role> =
        roles.filter_map(|(host, word)| Some((host, role(&word)?))).collect();
    let origin = user.origin.map(|OriginRecord { provider, subject }| Origin { provider, subject });
    Account {
        full_name: user.full_name,
        password: (!user.password.is_empty()).then(|| Secret::new(user.password)),
        admin: user.admin,
        roles: granted.clone(),
        granted,
        service: user.kind == UserKind::Service,
        origin,
        // One that is no name any more is no team.
        teams: user.teams.iter().filter_map(|team| TeamName::new(team).ok()).collect(),
        ..Account::named(user.name)
    }
}

/// Roles by user and host.
type Roles = BTreeMap<UserName, BTreeMap<HostName, Role>>;

/// Teams by user, as those who vouch for users say.
type Teams = BTreeMap<UserName, BTreeSet<TeamName>>;

/// Returns what hosts and `grants` let the users of `wanted` do: the most that any of them says of a user and
/// a host.
fn roles_of(engine: &Engine, wanted: &Teams, grants: &[Grant]) -> Roles {
    let teams = &engine.plan().people.teams;
    let members = |grant: &Grant| -> Vec<UserName> {
        let of_teams = grant.teams.iter().filter_map(|team| teams.get(team)).flatten();
        let all: BTreeSet<&UserName> = grant.users.iter().chain(of_teams).collect();
        let is_meant = |(user, said): &(&UserName, &BTreeSet<TeamName>)| {
            all.contains(user) || !said.is_disjoint(&grant.teams)
        };
        wanted.iter().filter(is_meant).map(|(user, _)| user.clone()).collect()
    };
    let grants: Vec<_> = grants.iter().map(|grant| (grant, members(grant))).collect();
    let mut roles = Roles::new();
    let mut give = |user: &UserName, host: HostView<'_>, role: Role| {
        if wanted.contains_key(user) {
            let of_user = roles.entry(user.clone()).or_default();
            let most = of_user.entry(host.name().clone()).or_insert(role);
            *most = role.max(*most);
        }
    };
    // Whoever could drop a host can give it back.
    let dropped = engine.dropped(hark_model::Clock.now()).map(|dropped| dropped.host);
    for host in engine.hosts().chain(dropped) {
        host.owner().into_iter().for_each(|user| give(user, host, Role::Owner));
        host.managers().iter().for_each(|user| give(user, host, Role::Manager));
        host.monitors().iter().for_each(|user| give(user, host, Role::Monitor));
        for (grant, users) in &grants {
            if !users.is_empty() && covers_host(&grant.hosts, host.name().as_str(), host.tags()) {
                for user in users {
                    give(user, host, grant.role);
                }
            }
        }
    }
    roles
}

/// Adds the teams that the configuration says they are in to those that who vouches for them says.
fn teams_of(configured: &BTreeMap<TeamName, Vec<UserName>>, mut said: Teams) -> Teams {
    for (team, members) in configured {
        for member in members {
            if let Some(teams) = said.get_mut(member) {
                teams.insert(team.clone());
            }
        }
    }
    said
}

const ROLES: [(&str, Role); 3] =
    [("monitor", Role::Monitor), ("manager", Role::Manager), ("owner", Role::Owner)];

fn role(word: &str) -> Option<Role> {
    ROLES.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
}

fn word(role: Role) -> String {
    ROLES.iter().find(|(_, known)| *known == role).map_or("", |(word, _)| word).to_owned()
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
        Ok(users.iter().any(|u| u.admin)
            || self.access.declared.load().users.iter().any(|u| u.admin))
    }

    pub(super) fn find_account(&self, name: &UserName) -> Answer<Account> {
        if let Some(account) = self.access.declared(name) {
            return self.with_roles(account);
        }
        if name.as_str() == LOCAL_USER {
            let full_name = "This machine".to_owned();
            return Ok(Account { full_name, admin: true, ..Account::named(name.clone()) });
        }
        let user = self.read(|reader| reader.user(name))?.ok_or(Refused::Absent)?;
        self.with_roles(stored(user))
    }

    fn with_roles(&self, account: Account) -> Answer<Account> {
        self.all_with_roles(vec![account])?.pop().ok_or(Refused::Absent)
    }

    /// Adds the roles and teams that the configuration gives, with one question to the engine for all.
    fn all_with_roles(&self, mut accounts: Vec<Account>) -> Answer<Vec<Account>> {
        let bound = accounts.iter().filter(|account| !account.admin);
        let wanted: Teams =
            bound.map(|account| (account.name.clone(), account.teams.clone())).collect();
        if wanted.is_empty() {
            return Ok(accounts);
        }
        let grants = Arc::clone(&self.access.declared.load().grants);
        let (mut given, mut members) = self.ask(move |engine| {
            (roles_of(engine, &wanted, &grants), teams_of(&engine.plan().people.teams, wanted))
        })?;
        for account in &mut accounts {
            account.member_of = members.remove(&account.name).unwrap_or_default();
            for (host, role) in given.remove(&account.name).unwrap_or_default() {
                let most = account.roles.entry(host).or_insert(role);
                *most = role.max(*most);
            }
        }
        Ok(accounts)
    }

    pub(super) fn find_account_of(&self, origin: &Origin) -> Answer<Account> {
        let Origin { provider, subject } = origin.clone();
        let name = self.read(|reader| reader.user_of(&OriginRecord { provider, subject }))?;
        self.find_account(&name.ok_or(Refused::Absent)?)
    }

    pub(super) fn all_accounts(&self) -> Answer<Vec<Account>> {
        let mut accounts: Vec<Account> =
            self.access.declared.load().users.iter().map(declared).collect();
        let users = self.read(hark_store::state::StateReader::users)?;
        let known: Vec<UserName> = accounts.iter().map(|a| a.name.clone()).collect();
        accounts.extend(users.into_iter().filter(|u| !known.contains(&u.name)).map(stored));
        let mut accounts = self.all_with_roles(accounts)?;
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
            roles: account.granted.iter().map(|(host, role)| (host.clone(), word(*role))).collect(),
            created: hark_model::Clock.now().unix,
            kind: if account.service { UserKind::Service } else { UserKind::Person },
            origin: account
                .origin
                .clone()
                .map(|Origin { provider, subject }| OriginRecord { provider, subject }),
            teams: account.teams.iter().map(ToString::to_string).collect(),
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
                scopes: Vec::new(),
                created: self.started,
                expires: None,
                last_used: Some(hark_model::Clock.now().unix),
            });
        }
        let found = self.read(|reader| reader.api_token(hash))?.ok_or(Refused::Absent)?;
        self.token(found)
    }

    pub(super) fn tokens_of(&self, user: &UserName) -> Answer<Vec<ApiTokenRecord>> {
        let all = self.read(hark_store::state::StateReader::api_tokens)?;
        // One that cannot be read opens nothing, and is no reason to hide the others.
        Ok(all.into_iter().filter(|t| t.user == *user).filter_map(|t| self.token(t).ok()).collect())
    }

    pub(super) fn store_token(&self, t: &ApiTokenRecord) -> Answer<()> {
        {
            let mut used =
                self.access.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            used.insert(t.hash, t.last_used);
        }
        if self.access.local == Some(t.hash) {
            return Ok(());
        }
        if let Some(known) = self.read(|reader| reader.api_token(&t.hash))? {
            // In between it is kept in memory: a write a minute for each token would tell little more.
            let is_new = |at: Unix| known.used.is_none_or(|before| at.since(before) >= USE_KEPT);
            return match t.last_used.filter(|at| is_new(*at)) {
                Some(at) => self.write(vec![Change::ApiTokenUsed { token: t.hash, at }]),
                None => Ok(()),
            };
        }
        self.write(vec![Change::ApiToken(StoredToken {
            id: 0,
            token: t.hash,
            user: t.user.clone(),
            label: t.name.clone(),
            scope: t.scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(" "),
            created: t.created,
            expires: t.expires,
            used: t.last_used,
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

    pub(super) fn notes(&self, query: &AuditQuery) -> Answer<Page<AuditLine>> {
        let q = query.q.as_deref().map(Sought::new);
        let line = |r: AuditRecord| {
            let line = AuditLine {
                at: r.at.into(),
                who: r.who,
                address: r.address,
                what: r.what,
                detail: r.detail,
            };
            (r.id, line)
        };
        paging::scan(
            limit(query.limit),
            paging::place(query.cursor.as_ref(), query.sort),
            |record: &AuditRecord| record.id,
            |from, most| self.read(|reader| reader.audit(from, most)),
            |chunk| {
                let lines = chunk.into_iter().map(line);
                let wanted = lines.filter(|(_, line)| q.as_ref().is_none_or(|q| line.mentions(q)));
                Ok(wanted.collect())
            },
        )
    }

    pub(super) fn chain_of_notes(&self) -> Answer<AuditChain> {
        Ok(match self.read(hark_store::state::StateReader::check_audit)? {
            AuditCheck::Whole { lines, newest } => {
                let newest = newest.map(|hash| hex(&hash)).unwrap_or_default();
                AuditChain { lines, broken_at: None, newest }
            }
            AuditCheck::BrokenAt { id, lines } => {
                AuditChain { lines, broken_at: Some(id), newest: String::new() }
            }
        })
    }

    fn token(&self, t: StoredToken) -> Answer<ApiTokenRecord> {
        // A word that a newer program has written is not left out: what is left could be for everything.
        let scopes: Option<Vec<Scope>> = t.scope.split_whitespace().map(Scope::from_word).collect();
        let Some(scopes) = scopes else {
            tracing::warn!(token = t.id, scope = t.scope, "an API token is for what is not known");
            return Err(Refused::Absent);
        };
        let used = self.access.used.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(ApiTokenRecord {
            hash: t.token,
            user: t.user,
            name: t.label,
            scopes,
            created: t.created,
            expires: t.expires,
            last_used: used.get(&t.token).copied().flatten().or(t.used),
        })
    }

    pub(super) fn write(&self, changes: Vec<Change>) -> Answer<()> {
        self.links.write(changes).map_err(Refused::Unavailable)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_in_the_teams_of_the_configuration_and_in_those_that_others_say() {
        let user = |name: &str| UserName::new(name).unwrap();
        let team = |name: &str| TeamName::new(name).unwrap();
        let configured = BTreeMap::from([
            (team("storage"), vec![user("mira"), user("nobody")]),
            (team("web"), vec![user("tom")]),
        ]);
        let said = Teams::from([
            (user("mira"), BTreeSet::from([team("dba")])),
            (user("ida"), BTreeSet::new()),
        ]);
        let found = teams_of(&configured, said);
        assert_eq!(found[&user("mira")], BTreeSet::from([team("dba"), team("storage")]));
        assert_eq!(found[&user("ida")], BTreeSet::new());
        assert_eq!(found.len(), 2, "of those alone who were asked about");
    }
}
