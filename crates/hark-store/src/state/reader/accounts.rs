//! Who may do what, and what was ordered: agents, users, sessions, tokens, orders, settings, the audit.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::Unix;
use hark_model::name::{HostName, Tag, UserName};
use rusqlite::Row;

use super::{MAX_ROWS, Place, Query, StateReader, escaped};
use crate::state::access::{
    AgentMode, AgentRecord, ApiTokenRecord, AuditRecord, EnrolmentRecord, OrderRecord,
    OriginRecord, ReportWindow, SessionRecord, TokenHash, UserKind, UserRecord, audit_hash,
    unordered,
};
use crate::state::commit::{RowError, number, text};
use crate::state::stored::StoredError;
use crate::state::{CommitError, OpenError, State};

/// What a look through the audit's chain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditCheck {
    /// Every line follows from the one before it.
    Whole {
        /// How many lines.
        lines: u64,
        /// The hash of the newest; nothing if there is none.
        newest: Option<[u8; 32]>,
    },
    /// The chain is broken at this line: it or one before it was changed or taken out.
    BrokenAt {
        /// The line's number.
        id: u64,
        /// How many lines before it follow from one another.
        lines: u64,
    },
}

/// Roles by user and host.
type Roles = BTreeMap<UserName, BTreeMap<HostName, String>>;

/// Teams by user.
type Teams = BTreeMap<UserName, BTreeSet<String>>;

impl StateReader {
    /// Returns every agent, by host.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn agents(&self) -> Result<Vec<AgentRecord>, OpenError> {
        let sql = "SELECT id, host, mode, key, session, created, revoked, report_epoch,
                     report_newest, report_before FROM agent
                   ORDER BY host";
        self.rows(sql, &Query::new(), agent)
    }

    /// Returns every user, by name.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn users(&self) -> Result<Vec<UserRecord>, OpenError> {
        let sql = format!("SELECT {USER} FROM user ORDER BY name");
        let mut users = self.rows(&sql, &Query::new(), user)?;
        let (mut roles, mut teams) = (self.roles(None)?, self.teams(None)?);
        for user in &mut users {
            user.roles = roles.remove(&user.name).unwrap_or_default();
            user.teams = teams.remove(&user.name).unwrap_or_default();
        }
        Ok(users)
    }

    /// Returns the roles of `user`, or of all.
    fn roles(&self, user: Option<&UserName>) -> Result<Roles, OpenError> {
        let mut query = Query::new();
        query.with("name >=", Some(user.map(ToString::to_string).unwrap_or_default()));
        query.with("name =", user.map(ToString::to_string));
        let conditions = query.conditions.join(" AND ");
        let sql = format!("SELECT name, host, role FROM user_role WHERE {conditions}");
        let rows = self.rows(&sql, &query, |row| {
            let host = HostName::new(text(row, 1)?).map_err(StoredError::Name)?;
            Ok((user_name(row, 0)?, host, text(row, 2)?.to_owned()))
        })?;
        let mut roles = Roles::new();
        for (name, host, role) in rows {
            roles.entry(name).or_default().insert(host, role);
        }
        Ok(roles)
    }

    /// Returns the teams of `user`, or of all.
    fn teams(&self, user: Option<&UserName>) -> Result<Teams, OpenError> {
        let mut query = Query::new();
        query.with("name >=", Some(user.map(ToString::to_string).unwrap_or_default()));
        query.with("name =", user.map(ToString::to_string));
        let conditions = query.conditions.join(" AND ");
        let sql = format!("SELECT name, team FROM user_team WHERE {conditions}");
        let rows =
            self.rows(&sql, &query, |row| Ok((user_name(row, 0)?, text(row, 1)?.to_owned())))?;
        let mut teams = Teams::new();
        for (name, team) in rows {
            teams.entry(name).or_default().insert(team);
        }
        Ok(teams)
    }

    /// Returns the name of the user for whom `origin` vouches.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn user_of(&self, origin: &OriginRecord) -> Result<Option<UserName>, OpenError> {
        let mut query = Query::new();
        query.with("origin =", Some(origin.provider.clone()));
        query.with("subject =", Some(origin.subject.clone()));
        self.one(&query.sql_ordered("name", "user", "name", 1), &query, |row| user_name(row, 0))
    }

    /// Returns one user.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn user(&self, name: &UserName) -> Result<Option<UserRecord>, OpenError> {
        let mut query = Query::new();
        query.with("name =", Some(name.to_string()));
        let found = self.one(&query.sql_ordered(USER, "user", "name", 1), &query, user)?;
        let Some(found) = found else { return Ok(None) };
        let roles = self.roles(Some(name))?.remove(name).unwrap_or_default();
        let teams = self.teams(Some(name))?.remove(name).unwrap_or_default();
        Ok(Some(UserRecord { roles, teams, ..found }))
    }

    /// Returns the session with this token's hash. Whether it has expired is for the caller to judge.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn session(&self, token: &TokenHash) -> Result<Option<SessionRecord>, OpenError> {
        let mut query = Query::new();
        query.with("token =", Some(token.to_vec()));
        self.one(&query.sql_ordered(SESSION, "session", "token", 1), &query, session)
    }

    /// Returns the sessions of a user, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn sessions(&self, of: &UserName) -> Result<Vec<SessionRecord>, OpenError> {
        let mut query = Query::new();
        query.with("name =", Some(of.to_string()));
        self.rows(&query.sql_ordered(SESSION, "session", "created DESC", MAX_ROWS), &query, session)
    }

    /// Returns every token for the API, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>, OpenError> {
        let query = Query::new();
        self.rows(&query.sql(API_TOKEN, "api_token", MAX_ROWS), &query, api_token)
    }

    /// Returns the token for the API with this hash. Whether it has expired is for the caller to
    /// judge.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn api_token(&self, token: &TokenHash) -> Result<Option<ApiTokenRecord>, OpenError> {
        let mut query = Query::new();
        query.with("token =", Some(token.to_vec()));
        self.one(&query.sql(API_TOKEN, "api_token", 1), &query, api_token)
    }

    /// Returns every token for enrolment that is kept, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn enrolments(&self) -> Result<Vec<EnrolmentRecord>, OpenError> {
        let query = Query::new();
        self.rows(&query.sql(ENROLMENT, "enrolment", MAX_ROWS), &query, enrolment)
    }

    /// Returns orders to a host's agent, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn orders(&self, host: &HostName, limit: u32) -> Result<Vec<OrderRecord>, OpenError> {
        let mut query = Query::new();
        query.with("host =", Some(host.to_string()));
        self.rows(&query.sql(ORDER, "action_order", limit), &query, order)
    }

    /// Returns the orders without an outcome, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open_orders(&self) -> Result<Vec<OrderRecord>, OpenError> {
        let mut query = Query::new();
        query.fixed("ended IS NULL");
        self.rows(&query.sql(ORDER, "action_order", MAX_ROWS), &query, order)
    }

    /// Returns the number of the newest order; 0 if there is none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn newest_order(&self) -> Result<u32, OpenError> {
        let query = Query::new();
        let newest = self.one(&query.sql(ORDER, "action_order", 1), &query, order)?;
        Ok(newest.map_or(0, |order| order.id))
    }

    /// Returns a setting made in the page.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>, OpenError> {
        let mut query = Query::new();
        query.with("name =", Some(name.to_owned()));
        self.one(&query.sql_ordered("value", "setting", "name", 1), &query, |row| {
            Ok(text(row, 0)?.to_owned())
        })
    }

    /// Returns all settings whose name begins with `prefix`, by the rest of their name.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn settings_of(&self, prefix: &str) -> Result<Vec<(String, String)>, OpenError> {
        let mut found = Vec::new();
        let mut last = prefix.to_owned();
        // By pages, since a list has a bound: each begins behind the last name of the one before.
        loop {
            let mut query = Query::new();
            query.with("name LIKE", Some(format!("{}%", escaped(prefix))));
            query.with("name >", Some(last.clone()));
            let sql = query.sql_ordered("name, value", "setting", "name", MAX_ROWS);
            let page = self.rows(&sql, &query, |row| {
                Ok((text(row, 0)?.to_owned(), text(row, 1)?.to_owned()))
            })?;
            let Some((name, _)) = page.last() else { return Ok(found) };
            last.clone_from(name);
            found.extend(
                page.into_iter().filter_map(|(name, value)| {
                    Some((name.strip_prefix(prefix)?.to_owned(), value))
                }),
            );
        }
    }

    /// Returns lines of the audit from a place on.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn audit(
        &self,
        place: impl Into<Place>,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, OpenError> {
        let query = Query::from(place.into());
        self.rows(&query.sql(AUDIT, "audit", limit), &query, audit)
    }

    /// Follows the audit's chain of hashes from its first line to its last.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn check_audit(&self) -> Result<AuditCheck, OpenError> {
        let failed = |e: rusqlite::Error| OpenError::of("read", &self.path, &e, None);
        let sql = format!("SELECT {AUDIT} FROM audit ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let (mut before, mut lines) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(failed)? {
            let id = row.get::<_, i64>(0).map_err(failed)?.cast_unsigned();
            let Ok(line) = audit(row) else { return Ok(AuditCheck::BrokenAt { id, lines }) };
            let hash =
                audit_hash(&before, line.at, &line.who, &line.address, &line.what, &line.detail);
            if hash != line.hash {
                return Ok(AuditCheck::BrokenAt { id, lines });
            }
            before = hash.to_vec();
            lines += 1;
        }
        Ok(AuditCheck::Whole { lines, newest: before.try_into().ok() })
    }
}

impl State {
    /// Uses up one use of the enrolment token with this hash and returns it as it was before; `None`
    /// if there is none that is still good.
    ///
    /// # Errors
    /// As [`State::commit`].
    pub fn use_enrolment(
        &mut self,
        token: &TokenHash,
        now: Unix,
    ) -> Result<Option<EnrolmentRecord>, CommitError> {
        self.transact(|transaction, _| {
            let sql = format!(
                "UPDATE enrolment SET uses = uses - 1
                 WHERE token = ?1 AND uses > 0 AND expires > ?2 RETURNING {ENROLMENT}"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let mut rows = statement.query(rusqlite::params![token.as_slice(), now.0])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            match enrolment(row) {
                Ok(mut found) => {
                    found.uses += 1;
                    Ok(Some(found))
                }
                Err(RowError::File(error)) => Err(error.into()),
                Err(RowError::Stored(error)) => Err(error.into()),
            }
        })
    }
}

pub(super) fn hash(row: &Row<'_>, column: usize) -> Result<[u8; 32], RowError> {
    Ok(row.get::<_, [u8; 32]>(column)?)
}

pub(super) fn user_name(row: &Row<'_>, column: usize) -> Result<UserName, RowError> {
    Ok(UserName::new(text(row, column)?).map_err(StoredError::Name)?)
}

fn agent(row: &Row<'_>) -> Result<AgentRecord, RowError> {
    let mode = text(row, 2)?;
    Ok(AgentRecord {
        id: row.get::<_, i64>(0)?.cast_unsigned(),
        host: HostName::new(text(row, 1)?).map_err(StoredError::Name)?,
        mode: AgentMode::from_word(mode).ok_or_else(|| StoredError::Word(mode.to_owned()))?,
        key: hash(row, 3)?,
        session: unordered(row.get(4)?),
        created: Unix(row.get(5)?),
        revoked: row.get::<_, Option<i64>>(6)?.map(Unix),
        reports: ReportWindow {
            epoch: unordered(row.get(7)?),
            newest: unordered(row.get(8)?),
            before: row.get::<_, i64>(9)?.cast_unsigned(),
        },
    })
}

const USER: &str = "name, full_name, password, admin, created, kind, origin, subject";

fn user(row: &Row<'_>) -> Result<UserRecord, RowError> {
    let kind = text(row, 5)?;
    let origin = row.get::<_, Option<String>>(6)?.zip(row.get::<_, Option<String>>(7)?);
    Ok(UserRecord {
        name: user_name(row, 0)?,
        full_name: row.get(1)?,
        password: row.get(2)?,
        admin: row.get(3)?,
        roles: BTreeMap::new(),
        created: Unix(row.get(4)?),
        kind: UserKind::from_word(kind).ok_or_else(|| StoredError::Word(kind.to_owned()))?,
        origin: origin.map(|(provider, subject)| OriginRecord { provider, subject }),
        teams: BTreeSet::new(),
    })
}

const SESSION: &str = "token, name, created, last_seen, address, agent, csrf";

fn session(row: &Row<'_>) -> Result<SessionRecord, RowError> {
    Ok(SessionRecord {
        token: hash(row, 0)?,
        user: user_name(row, 1)?,
        created: Unix(row.get(2)?),
        last_seen: Unix(row.get(3)?),
        address: row.get(4)?,
        agent: row.get(5)?,
        csrf: row.get(6)?,
    })
}

const API_TOKEN: &str = "id, token, name, label, scope, created, expires, used";

fn api_token(row: &Row<'_>) -> Result<ApiTokenRecord, RowError> {
    Ok(ApiTokenRecord {
        id: number(row, 0)?,
        token: hash(row, 1)?,
        user: user_name(row, 2)?,
        label: row.get(3)?,
        scope: row.get(4)?,
        created: Unix(row.get(5)?),
        expires: row.get::<_, Option<i64>>(6)?.map(Unix),
        used: row.get::<_, Option<i64>>(7)?.map(Unix),
    })
}

const ORDER: &str = "id, host, action, who, reason, at, expires, taken, ended, exit, said";

fn order(row: &Row<'_>) -> Result<OrderRecord, RowError> {
    let host = HostName::new(text(row, 1)?).map_err(StoredError::Name)?;
    let moment = |column| Ok::<_, RowError>(row.get::<_, Option<i64>>(column)?.map(Unix));
    Ok(OrderRecord {
        id: row.get(0)?,
        host,
        action: row.get(2)?,
        by: user_name(row, 3)?,
        reason: row.get(4)?,
        at: Unix(row.get(5)?),
        expires: Unix(row.get(6)?),
        taken: moment(7)?,
        ended: moment(8)?,
        exit: row.get(9)?,
        text: row.get(10)?,
    })
}

const ENROLMENT: &str = "id, token, name, created, expires, uses, host, tags";

fn enrolment(row: &Row<'_>) -> Result<EnrolmentRecord, RowError> {
    let host: Option<String> = row.get(6)?;
    let tags = text(row, 7)?.lines().map(Tag::new).collect::<Result<Vec<_>, _>>();
    Ok(EnrolmentRecord {
        id: number(row, 0)?,
        token: hash(row, 1)?,
        user: user_name(row, 2)?,
        created: Unix(row.get(3)?),
        expires: Unix(row.get(4)?),
        uses: row.get(5)?,
        host: host.as_deref().map(HostName::new).transpose().map_err(StoredError::Name)?,
        tags: tags.map_err(StoredError::Name)?,
    })
}

const AUDIT: &str = "id, at, who, address, what, detail, hash";

fn audit(row: &Row<'_>) -> Result<AuditRecord, RowError> {
    Ok(AuditRecord {
        id: number(row, 0)?,
        at: Unix(row.get(1)?),
        who: row.get(2)?,
        address: row.get(3)?,
        what: row.get(4)?,
        detail: row.get(5)?,
        hash: hash(row, 6)?,
    })
}
