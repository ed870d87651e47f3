//! What becomes of what lets users of the configuration in, once it names them otherwise or no longer.
//!
//! The configuration says who may log in, the store has their sessions, tokens and second factors. So that
//! somebody who left it does not leave a door open, and whoever is given his name later does not walk through
//! it, the store keeps a mark of each user that the configuration named; at each start and reload the marks
//! are compared with what it names now. What follows from that is decided by a function without IO.

use std::collections::{BTreeMap, BTreeSet};

use hark_model::{Clock, Unix, UserName};
use hark_store::state::{AuditEntry, Change, State};

use super::chain;
use super::links::Links;
use crate::config::UserEntry;

/// The setting that says that marks are kept: before the first of them nothing is known of who was there.
const BEGUN: &str = "declared_users";

/// What settings with a mark begin with; the name follows.
const MARK: &str = "declared_user ";

/// Marks of users by their names.
type Marks = BTreeMap<UserName, String>;

/// Compares `users` with those of before and ends what is to end. If that cannot be written it is tried
/// again at the next start or reload; nobody gets in meanwhile who is not named. For threads that may block.
pub(super) fn settle(links: &Links, users: &[UserEntry]) {
    let named: Marks = users.iter().map(|user| (user.name.clone(), mark(user))).collect();
    let at = Clock.now().unix;
    match links.with_state(move |state| write(state, &named, at)) {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            tracing::error!(error, "sessions of users who are named no longer were not ended");
        }
        None => tracing::debug!("the server is ending: nobody's sessions are ended"),
    }
}

/// Returns a text that changes with the password and with the rights that a user has at once.
fn mark(user: &UserEntry) -> String {
    use std::fmt::Write as _;
    let text = format!("{} {}", user.admin, user.password.expose());
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

fn write(state: &mut State, named: &Marks, at: Unix) -> Result<(), String> {
    let reader = state.reader().map_err(|e| chain(&e))?;
    let is_begun = reader.setting(BEGUN).map_err(|e| chain(&e))?.is_some();
    let known = reader.settings_of(MARK).map_err(|e| chain(&e))?;
    let stored = reader.users().map_err(|e| chain(&e))?;
    let known =
        known.into_iter().filter_map(|(name, mark)| Some((UserName::new(&name).ok()?, mark)));
    let before = is_begun.then(|| known.collect());
    let stored = stored.into_iter().map(|user| user.name).collect();
    let changes = changes(before.as_ref(), named, &stored, at);
    if changes.is_empty() {
        return Ok(());
    }
    state.commit(&[], &changes).map_err(|e| chain(&e))
}

/// Returns what follows when `named` stand in the configuration, where `before` stood there (unknown at the
/// first time) and `stored` have accounts of their own.
fn changes(
    before: Option<&Marks>,
    named: &Marks,
    stored: &BTreeSet<UserName>,
    at: Unix,
) -> Vec<Change> {
    let setting = |name: String, value: Option<String>| Change::Setting { name, value };
    let marked =
        |user: &UserName, mark: Option<&String>| setting(format!("{MARK}{user}"), mark.cloned());
    let Some(before) = before else {
        let begun = setting(BEGUN.to_owned(), Some("1".to_owned()));
        return named.iter().map(|(user, mark)| marked(user, Some(mark))).chain([begun]).collect();
    };
    let mut changes = Vec::new();
    for user in before.keys().filter(|user| !named.contains_key(*user)) {
        changes.push(Change::UserLeft { user: user.clone(), at });
        changes.push(marked(user, None));
        changes.push(line(user, at, "user.left", "sessions, tokens and second factors are void"));
    }
    for (user, mark) in named.iter().filter(|(user, mark)| before.get(*user) != Some(mark)) {
        if before.contains_key(user) || stored.contains(user) {
            // He is the same one, and logs in otherwise from now on.
            changes.push(Change::SessionsOf(user.clone()));
            changes.push(line(user, at, "user.declared", "with another password or other rights"));
        } else {
            // What is left from somebody who was called so is nobody's.
            changes.push(Change::UserLeft { user: user.clone(), at });
            changes.push(line(user, at, "user.declared", "new"));
        }
        changes.push(marked(user, Some(mark)));
    }
    changes
}

/// Returns a line of the audit: nobody who is logged in has done it.
fn line(user: &UserName, at: Unix, what: &str, how: &str) -> Change {
    let detail = format!("{user}, by the configuration: {how}");
    let (who, address) = (String::new(), String::new());
    Change::Audit(AuditEntry { at, who, address, what: what.to_owned(), detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_model::Secret;
    use hark_store::state::{
        ApiTokenRecord, FactorsRecord, SessionRecord, TotpRecord, UserKind, UserRecord,
    };

    fn name(text: &str) -> UserName {
        UserName::new(text).unwrap()
    }

    fn named(users: &[(&str, &str)]) -> Marks {
        let entry = |(user, password): &(&str, &str)| UserEntry {
            name: name(user),
            full_name: String::new(),
            password: Secret::new(*password),
            admin: false,
            declared: hark_api::hosts::Declared { file: "hark.yaml".to_owned(), line: 1 },
        };
        users.iter().map(entry).map(|user| (user.name.clone(), mark(&user))).collect()
    }

    /// Gives `user` a session, a token and an app.
    fn let_in(state: &mut State, user: &str) {
        let number = user.bytes().fold(0_u8, u8::wrapping_add);
        let session = SessionRecord {
            token: [number; 32],
            user: name(user),
            created: Unix(1),
            last_seen: Unix(1),
            address: "192.0.2.1".to_owned(),
            agent: String::new(),
            csrf: String::new(),
        };
        let token = ApiTokenRecord {
            id: 0,
            token: [number; 32],
            user: name(user),
            label: "backup".to_owned(),
            scope: String::new(),
            created: Unix(1),
            expires: None,
            used: None,
        };
        let totp = Some(TotpRecord { secret: vec![1; 20], since: Unix(1), step: 0 });
        let factors = FactorsRecord { totp, ..FactorsRecord::none(name(user)) };
        let all = [Change::Session(session), Change::ApiToken(token), Change::Factors(factors)];
        state.commit(&[], &all).unwrap();
    }

    /// Returns how many sessions, tokens and apps `user` has.
    fn left(state: &State, user: &str) -> (usize, usize, usize) {
        let reader = state.reader().unwrap();
        let tokens = reader.api_tokens().unwrap();
        let apps = reader.factors(&name(user)).unwrap().totp.into_iter().count();
        (
            reader.sessions(&name(user)).unwrap().len(),
            tokens.iter().filter(|token| token.user == name(user)).count(),
            apps,
        )
    }

    #[test]
    fn who_leaves_the_configuration_leaves_nothing_that_opens() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let both = named(&[("mira", "a"), ("tom", "a")]);
        for user in ["mira", "tom"] {
            let_in(&mut state, user);
        }
        write(&mut state, &both, Unix(5)).unwrap();
        assert_eq!(left(&state, "mira"), (1, 1, 1), "the first look ends nothing");
        write(&mut state, &both, Unix(6)).unwrap();
        assert_eq!(left(&state, "mira"), (1, 1, 1), "nothing has changed");
        write(&mut state, &named(&[("tom", "a")]), Unix(7)).unwrap();
        assert_eq!((left(&state, "mira"), left(&state, "tom")), ((0, 0, 0), (1, 1, 1)));
        let audit = state.reader().unwrap().audit(None, 10).unwrap();
        assert_eq!((audit.len(), audit[0].what.as_str()), (1, "user.left"));
        assert!(audit[0].detail.starts_with("mira, by the configuration"), "{audit:?}");
    }

    #[test]
    fn who_gets_a_name_that_another_one_had_gets_nothing_of_his() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        write(&mut state, &named(&[]), Unix(5)).unwrap();
        // Left by a program that did not clear up.
        let_in(&mut state, "mira");
        write(&mut state, &named(&[("mira", "b")]), Unix(6)).unwrap();
        assert_eq!(left(&state, "mira"), (0, 0, 0));
    }

    #[test]
    fn another_password_ends_the_sessions_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        write(&mut state, &named(&[("mira", "a")]), Unix(5)).unwrap();
        let_in(&mut state, "mira");
        write(&mut state, &named(&[("mira", "b")]), Unix(6)).unwrap();
        assert_eq!(left(&state, "mira"), (0, 1, 1));
    }

    #[test]
    fn one_of_the_store_whom_the_configuration_takes_over_logs_in_anew_and_keeps_his_things() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        write(&mut state, &named(&[]), Unix(5)).unwrap();
        let user = UserRecord {
            name: name("mira"),
            full_name: String::new(),
            password: "x".to_owned(),
            admin: false,
            roles: BTreeMap::new(),
            created: Unix(1),
            kind: UserKind::Person,
            origin: None,
            teams: BTreeSet::new(),
        };
        state.commit(&[], &[Change::User(user.clone())]).unwrap();
        let_in(&mut state, "mira");
        write(&mut state, &named(&[("mira", "a")]), Unix(6)).unwrap();
        assert_eq!(left(&state, "mira"), (0, 1, 1));
        write(&mut state, &named(&[]), Unix(7)).unwrap();
        assert_eq!(left(&state, "mira"), (0, 0, 0));
        assert_eq!(state.reader().unwrap().user(&name("mira")).unwrap(), Some(user));
    }
}
