//! What is written beside the engine's records: who may speak, what they did, how deliveries went.

use hark_model::name::{HostName, UserName};
use hark_model::record::{AttemptRecord, DeliveryRecord};
use hark_model::time::Unix;
use rusqlite::{Transaction, params};

use super::access::{
    AgentRecord, ApiTokenRecord, EnrolmentRecord, OrderRecord, ReportWindow, SessionRecord,
    TokenHash, UserRecord, audit_hash, ordered,
};
use super::browsers::{self, BrowserRecord};
use super::commit::{CommitError, int};
use super::dashboards::{self, DashboardRecord};
use super::events::{self, EventRecord, EventUid};
use super::factors::{self, FactorsRecord};
use super::public_incidents::{self, PublicIncidentRecord};
use super::status_readers::{self, ReaderRecord};
use super::{attempts, outbox};

/// Orders kept of each host: the audit has all of them.
const KEPT_ORDERS: u32 = 50;

/// One change that the engine does not know of. Applied in order, in the same transaction as the
/// records it comes with.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An agent was met, enrolled or changed. Its session and report numbers never go down by it.
    Agent(AgentRecord),
    /// An agent opened a session. Lower numbers than the stored one change nothing.
    AgentSession {
        /// Which agent.
        agent: u64,
        /// The session.
        session: u64,
    },
    /// These report items of an agent are applied. An older window changes nothing.
    AgentReports {
        /// Which agent.
        agent: u64,
        /// Which items.
        window: ReportWindow,
    },
    /// An agent may not speak any more.
    AgentRevoked {
        /// Which agent.
        agent: u64,
        /// Since when.
        at: Unix,
    },
    /// An agent is forgotten.
    AgentRemoved(u64),
    /// A user was made or changed.
    User(UserRecord),
    /// A user is gone, with his sessions and tokens.
    UserRemoved(UserName),
    /// A user whom the configuration named is named there no longer: his sessions, tokens and second factors
    /// are gone, and his dashboards removed. One of the store with the same name stays.
    UserLeft {
        /// Who.
        user: UserName,
        /// When.
        at: Unix,
    },
    /// What a user proves himself with beside the password, in place of what it was.
    Factors(FactorsRecord),
    /// A browser logged in.
    Session(SessionRecord),
    /// A browser was heard again.
    SessionSeen {
        /// Which.
        token: TokenHash,
        /// When.
        at: Unix,
    },
    /// A browser logged out or was thrown out.
    SessionRemoved(TokenHash),
    /// All sessions of a user end (his password changed).
    SessionsOf(UserName),
    /// Sessions begun before the one time or last used before the other end.
    SessionsExpired {
        /// Sessions older than this end.
        created_before: Unix,
        /// Sessions idle since before this end.
        seen_before: Unix,
    },
    /// A token for the API was made; the store gives the number.
    ApiToken(ApiTokenRecord),
    /// A token for the API was used.
    ApiTokenUsed {
        /// Which.
        token: TokenHash,
        /// When.
        at: Unix,
    },
    /// A token for the API is void.
    ApiTokenRemoved(u64),
    /// A token for enrolment was made; the store gives the number.
    Enrolment(EnrolmentRecord),
    /// A token for enrolment is void.
    EnrolmentRemoved(u64),
    /// A setting made in the page; `None` removes it.
    Setting {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// An order to an agent. Of each host the newest are kept.
    Order(OrderRecord),
    /// An agent fetched an order.
    OrderTaken {
        /// Which.
        id: u32,
        /// The agent's host: with another one this changes nothing.
        host: HostName,
        /// When.
        at: Unix,
    },
    /// The outcome of an order came. The first one counts.
    OrderEnded {
        /// Which.
        id: u32,
        /// The agent's host: with another one this changes nothing.
        host: HostName,
        /// When.
        at: Unix,
        /// Its exit status, if it has one.
        exit: Option<u8>,
        /// What it printed, or why it was not carried out.
        text: String,
    },
    /// An event happened. One whose number is there already changes nothing.
    Event(EventRecord),
    /// An event happened again.
    EventRepeated {
        /// Which.
        uid: EventUid,
        /// How often by now.
        count: u32,
        /// When last.
        last: Unix,
    },
    /// A dashboard was made, changed, removed or restored.
    Dashboard(DashboardRecord),
    /// A browser shows notifications from now on.
    Browser(BrowserRecord),
    /// A browser shows none any more.
    BrowserRemoved {
        /// Which.
        id: u64,
        /// Whose: with another one this changes nothing.
        user: UserName,
    },
    /// Something was published on a status page, or more was said about it.
    PublicIncident(PublicIncidentRecord),
    /// What was published is taken back.
    PublicIncidentRemoved(u64),
    /// Of what was published on a page, so many that are over are kept: the newest.
    PublicIncidentsKept {
        /// The page.
        page: String,
        /// How many.
        keep: u32,
        /// What was over before this is over.
        now: Unix,
    },
    /// A reader of a status page is told from now on. One whose address reads it already changes nothing.
    Reader(ReaderRecord),
    /// A reader was told what was said up to a moment.
    ReaderTold {
        /// Which.
        id: u64,
        /// Up to when.
        at: Unix,
    },
    /// A reader is told nothing any more.
    ReaderRemoved(u64),
    /// Somebody did something that must be traceable.
    Audit(AuditEntry),
    /// A message of the outbox went on: it is being sent, arrived, failed, was given up, folded into
    /// another, or changed its text before it was sent. Without effect on one that is finished.
    Delivery(DeliveryRecord),
    /// A message was tried.
    Attempt(Box<AttemptRecord>),
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Unix,
    /// Who.
    pub who: String,
    /// From where.
    pub address: String,
    /// What, as a word: `login`, `user.add`, `token.add` ...
    pub what: String,
    /// What, in words. Never a secret.
    pub detail: String,
}

/// Applies `change` in `transaction`.
pub(super) fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), CommitError> {
    match change {
        Change::Agent(_)
        | Change::AgentSession { .. }
        | Change::AgentReports { .. }
        | Change::AgentRevoked { .. }
        | Change::AgentRemoved(_) => agent(transaction, change),
        Change::User(_)
        | Change::UserRemoved(_)
        | Change::UserLeft { .. }
        | Change::Factors(_)
        | Change::Session(_)
        | Change::SessionSeen { .. }
        | Change::SessionRemoved(_)
        | Change::SessionsOf(_)
        | Change::SessionsExpired { .. } => user(transaction, change),
        Change::ApiToken(token) => api_token(transaction, token),
        Change::ApiTokenUsed { token, at } => run(
            transaction,
            "UPDATE api_token SET used = ?2 WHERE token = ?1",
            params![token.as_slice(), at.0],
        ),
        Change::ApiTokenRemoved(id) => {
            run(transaction, "DELETE FROM api_token WHERE id = ?1", [int(*id)?])
        }
        Change::Enrolment(token) => enrolment(transaction, token),
        Change::EnrolmentRemoved(id) => {
            run(transaction, "DELETE FROM enrolment WHERE id = ?1", [int(*id)?])
        }
        Change::Setting { name, value: Some(value) } => run(
            transaction,
            "INSERT INTO setting (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        ),
        Change::Setting { name, value: None } => {
            run(transaction, "DELETE FROM setting WHERE name = ?1", [name])
        }
        Change::Order(order) => new_order(transaction, order),
        Change::OrderTaken { id, host, at } => run(
            transaction,
            "UPDATE action_order SET taken = ?3 WHERE id = ?1 AND host = ?2 AND taken IS NULL",
            params![id, host.as_str(), at.0],
        ),
        Change::OrderEnded { id, host, at, exit, text } => run(
            transaction,
            "UPDATE action_order SET taken = coalesce(taken, ?3), ended = ?3, exit = ?4, said = ?5
             WHERE id = ?1 AND host = ?2 AND ended IS NULL",
            params![id, host.as_str(), at.0, exit, text],
        ),
        Change::Event(record) => events::insert(transaction, record),
        Change::EventRepeated { uid, count, last } => {
            events::repeat(transaction, *uid, *count, *last)
        }
        Change::Audit(entry) => audit(transaction, entry),
        Change::Delivery(row) => outbox::advance(transaction, row),
        Change::Dashboard(dashboard) => dashboards::put(transaction, dashboard),
        Change::Browser(browser) => browsers::put(transaction, browser),
        Change::BrowserRemoved { id, user } => browsers::remove(transaction, *id, user),
        Change::PublicIncident(incident) => public_incidents::put(transaction, incident),
        Change::PublicIncidentRemoved(id) => {
            run(transaction, "DELETE FROM public_incident WHERE id = ?1", [int(*id)?])
        }
        Change::PublicIncidentsKept { page, keep, now } => {
            public_incidents::keep(transaction, page, *keep, *now)
        }
        Change::Reader(_) | Change::ReaderTold { .. } | Change::ReaderRemoved(_) => {
            status_readers::apply(transaction, change)
        }
        Change::Attempt(attempt) => attempts::insert(transaction, attempt),
    }
}

fn run(
    transaction: &Transaction<'_>,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<(), CommitError> {
    transaction.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Writes a report window unless a newer one is there.
fn reports(t: &Transaction<'_>, agent: u64, window: ReportWindow) -> Result<(), CommitError> {
    run(
        t,
        "UPDATE agent SET report_epoch = ?2, report_newest = ?3, report_before = ?4
         WHERE id = ?1 AND (report_epoch, report_newest) <= (?2, ?3)",
        [
            agent.cast_signed(),
            ordered(window.epoch),
            ordered(window.newest),
            window.before.cast_signed(),
        ],
    )
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them")]
fn agent(t: &Transaction<'_>, change: &Change) -> Result<(), CommitError> {
    match change {
        Change::Agent(agent) => {
            // An agent that was enrolled anew has another number but the same host.
            let id = agent.id.cast_signed();
            run(
                t,
                "DELETE FROM agent WHERE host = ?1 AND id <> ?2",
                params![agent.host.as_str(), id],
            )?;
            run(
                t,
                "INSERT INTO agent (id, host, mode, key, session, created, revoked,
                   report_epoch, report_newest, report_before)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (id) DO UPDATE SET host = excluded.host, mode = excluded.mode,
                   key = excluded.key, session = max(session, excluded.session),
                   revoked = excluded.revoked",
                params![
                    id,
                    agent.host.as_str(),
                    agent.mode.word(),
                    agent.key.as_slice(),
                    ordered(agent.session),
                    agent.created.0,
                    agent.revoked.map(|r| r.0),
                    ordered(agent.reports.epoch),
                    ordered(agent.reports.newest),
                    agent.reports.before.cast_signed(),
                ],
            )?;
            reports(t, agent.id, agent.reports)
        }
        Change::AgentSession { agent, session } => run(
            t,
            "UPDATE agent SET session = ?2 WHERE id = ?1 AND session < ?2",
            [agent.cast_signed(), ordered(*session)],
        ),
        Change::AgentReports { agent, window } => reports(t, *agent, *window),
        Change::AgentRevoked { agent, at } => run(
            t,
            "UPDATE agent SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
            [agent.cast_signed(), at.0],
        ),
        Change::AgentRemoved(agent) => {
            run(t, "DELETE FROM agent WHERE id = ?1", [agent.cast_signed()])
        }
        _ => Ok(()),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the caller has sorted them")]
fn user(t: &Transaction<'_>, change: &Change) -> Result<(), CommitError> {
    match change {
        Change::User(user) => put_user(t, user),
        Change::UserLeft { user, at } => {
            let_out(t, user)?;
            dashboards::remove_of(t, user, *at)
        }
        Change::UserRemoved(name) => {
            let_out(t, name)?;
            run(t, "DELETE FROM user_role WHERE name = ?1", [name.as_str()])?;
            run(t, "DELETE FROM user_team WHERE name = ?1", [name.as_str()])?;
            // Another user of the same name must not find them.
            run(t, "DELETE FROM dashboard WHERE owner = ?1", [name.as_str()])?;
            run(t, "DELETE FROM user WHERE name = ?1", [name.as_str()])
        }
        Change::Factors(record) => factors::replace(t, record),
        Change::Session(session) => run(
            t,
            "INSERT INTO session (token, name, created, last_seen, address, agent, csrf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (token) DO UPDATE SET last_seen = excluded.last_seen,
               address = excluded.address, agent = excluded.agent",
            params![
                session.token.as_slice(),
                session.user.as_str(),
                session.created.0,
                session.last_seen.0,
                session.address,
                session.agent,
                session.csrf
            ],
        ),
        Change::SessionSeen { token, at } => run(
            t,
            "UPDATE session SET last_seen = ?2 WHERE token = ?1 AND last_seen < ?2",
            params![token.as_slice(), at.0],
        ),
        Change::SessionRemoved(token) => {
            run(t, "DELETE FROM session WHERE token = ?1", [token.as_slice()])
        }
        Change::SessionsOf(name) => run(t, "DELETE FROM session WHERE name = ?1", [name.as_str()]),
        Change::SessionsExpired { created_before, seen_before } => run(
            t,
            "DELETE FROM session WHERE created < ?1 OR last_seen < ?2",
            [created_before.0, seen_before.0],
        ),
        _ => Ok(()),
    }
}

/// Voids all that lets a user in but his password.
fn let_out(t: &Transaction<'_>, user: &UserName) -> Result<(), CommitError> {
    run(t, "DELETE FROM session WHERE name = ?1", [user.as_str()])?;
    run(t, "DELETE FROM api_token WHERE name = ?1", [user.as_str()])?;
    browsers::forget(t, user)?;
    factors::forget(t, user)
}

fn put_user(t: &Transaction<'_>, user: &UserRecord) -> Result<(), CommitError> {
    let name = user.name.as_str();
    run(
        t,
        "INSERT INTO user (name, full_name, password, admin, created, kind, origin, subject)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET full_name = excluded.full_name,
           password = excluded.password, admin = excluded.admin, kind = excluded.kind,
           origin = excluded.origin, subject = excluded.subject",
        params![
            name,
            user.full_name,
            user.password,
            user.admin,
            user.created.0,
            user.kind.word(),
            user.origin.as_ref().map(|origin| &origin.provider),
            user.origin.as_ref().map(|origin| &origin.subject)
        ],
    )?;
    run(t, "DELETE FROM user_team WHERE name = ?1", [name])?;
    for team in &user.teams {
        run(t, "INSERT INTO user_team (name, team) VALUES (?1, ?2)", [name, team])?;
    }
    run(t, "DELETE FROM user_role WHERE name = ?1", [name])?;
    for (host, role) in &user.roles {
        let sql = "INSERT INTO user_role (name, host, role) VALUES (?1, ?2, ?3)";
        run(t, sql, [name, host.as_str(), role])?;
    }
    Ok(())
}

fn api_token(t: &Transaction<'_>, token: &ApiTokenRecord) -> Result<(), CommitError> {
    run(
        t,
        "INSERT INTO api_token (token, name, label, scope, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            token.token.as_slice(),
            token.user.as_str(),
            token.label,
            token.scope,
            token.created.0,
            token.expires.map(|e| e.0)
        ],
    )
}

fn enrolment(t: &Transaction<'_>, token: &EnrolmentRecord) -> Result<(), CommitError> {
    // Tags have no white space: a line feed divides them for ever.
    let tags: Vec<&str> = token.tags.iter().map(AsRef::as_ref).collect();
    run(
        t,
        "INSERT INTO enrolment (token, name, created, expires, uses, host, tags)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            token.token.as_slice(),
            token.user.as_str(),
            token.created.0,
            token.expires.0,
            token.uses,
            token.host.as_ref().map(HostName::as_str),
            tags.join("\n")
        ],
    )
}

fn new_order(t: &Transaction<'_>, order: &OrderRecord) -> Result<(), CommitError> {
    run(
        t,
        "INSERT INTO action_order (id, host, action, who, reason, at, expires, said)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            order.id,
            order.host.as_str(),
            order.action,
            order.by.as_str(),
            order.reason,
            order.at.0,
            order.expires.0,
            order.text
        ],
    )?;
    run(
        t,
        "DELETE FROM action_order WHERE host = ?1 AND id <= (SELECT id FROM action_order
           WHERE host = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        params![order.host.as_str(), KEPT_ORDERS],
    )
}

fn audit(t: &Transaction<'_>, entry: &AuditEntry) -> Result<(), CommitError> {
    let before: Vec<u8> = {
        let mut last = t.prepare_cached("SELECT hash FROM audit ORDER BY id DESC LIMIT 1")?;
        let mut rows = last.query([])?;
        match rows.next()? {
            Some(row) => row.get(0)?,
            None => Vec::new(),
        }
    };
    let AuditEntry { at, who, address, what, detail } = entry;
    let hash = audit_hash(&before, *at, who, address, what, detail);
    run(
        t,
        "INSERT INTO audit (at, who, address, what, detail, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![at.0, who, address, what, detail, hash.as_slice()],
    )
}
