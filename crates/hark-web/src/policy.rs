//! Who may do what: the one place that decides it.
//!
//! A user sees the hosts on which he has a role; an administrator is owner of every host. Deny by
//! default: what is not allowed here is not allowed. What a user may not see answers exactly as what
//! does not exist; what he sees but may not do answers with the role that is needed.

use std::collections::BTreeSet;

use hark_api::auth::Role;
use hark_api::dashboards::Shared;
use hark_api::tokens::Scope;
use hark_model::{HostName, UserName};

use crate::backend::{Account, Sight, StatusAccess};
use crate::routes::{metrics, old, prometheus};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Look.
    See,
    /// Acknowledge, comment, silence.
    Operate,
    /// Remove, and give back what was removed.
    Drop,
}

/// With what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object<'a> {
    /// A host, its checks, its incidents.
    Host(&'a HostName),
    /// A dashboard: its owner does everything with it, whom it is shown to may look.
    Dashboard {
        /// Who made it.
        owner: &'a UserName,
        /// Who else may see it.
        shared: &'a Shared,
    },
    /// A status page: every user knows that it is there, its editors publish on it.
    StatusPage {
        /// Who may publish beside administrators.
        editors: &'a BTreeSet<UserName>,
    },
    /// The server as a whole: users, receivers, tokens for agents, filters over all hosts.
    Server,
}

/// What the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Allowed,
    /// Answer as if it did not exist.
    Invisible,
    /// Say which role is needed.
    Needs(&'static str),
}

/// Decides whether the user of `account` may do `action` with `object`.
pub(crate) fn may(account: &Account, action: Action, object: Object<'_>) -> Verdict {
    if account.admin {
        return Verdict::Allowed;
    }
    let host = match object {
        Object::Host(host) => host,
        Object::Dashboard { owner, shared } => return of_dashboard(account, action, owner, shared),
        Object::StatusPage { editors } => {
            let is_editor = action == Action::See || editors.contains(&account.name);
            return if is_editor { Verdict::Allowed } else { Verdict::Needs("editor of the page") };
        }
        Object::Server => return Verdict::Needs("administrator"),
    };
    let Some(role) = account.roles.get(host).copied() else { return Verdict::Invisible };
    let (least, word) = match action {
        Action::See => (Role::Monitor, "monitor"),
        Action::Operate => (Role::Manager, "manager"),
        Action::Drop => (Role::Owner, "owner"),
    };
    if role >= least { Verdict::Allowed } else { Verdict::Needs(word) }
}

fn of_dashboard(account: &Account, action: Action, owner: &UserName, shared: &Shared) -> Verdict {
    let name = &account.name;
    let is_named = shared.users.iter().any(|user| user == name.as_str());
    let is_member = |team: &String| account.member_of.iter().any(|own| own.as_str() == team);
    let is_shown = shared.everyone || is_named || shared.teams.iter().any(is_member);
    match (name == owner, is_shown, action) {
        (true, _, _) | (_, true, Action::See) => Verdict::Allowed,
        (_, true, _) => Verdict::Needs("owner of the dashboard"),
        (_, false, _) => Verdict::Invisible,
    }
}

/// Decides whether somebody may see a status page: a user, or one who has brought one of its keys.
pub(crate) fn may_read(access: &StatusAccess, is_user: bool, has_key: bool) -> bool {
    match access {
        StatusAccess::Everyone => true,
        StatusAccess::Closed { users, .. } => has_key || (*users && is_user),
    }
}

/// Returns true where whoever writes to `path` proves himself by what he brings: an agent its key or its
/// token, a link its code, a service for calls its signature. He is no user, and mostly no browser.
pub(crate) fn is_for_bringers(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/0/") else { return false };
    let is_call = rest.starts_with("receivers/") && rest.ends_with("/call");
    rest.starts_with("agent/") || matches!(rest, "agents/enrol" | "handle") || is_call
}

/// What reading of hosts and of what happens to them needs.
const HOSTS: &[Scope] = &[Scope::Read, Scope::HostsRead, Scope::HostsWrite, Scope::IncidentsWrite];

/// Parts of the API that tell of hosts and of what happens to them.
const OF_HOSTS: [&str; 20] = [
    "overview",
    "fleet",
    "hosts",
    "checks",
    "metrics",
    "dropped",
    "series",
    "alerts",
    "incidents",
    "deliveries",
    "silences",
    "events",
    "happened",
    "stream",
    "jobs",
    "agents",
    "dns",
    "self",
    "oncall",
    "status-pages",
];

/// What reading the configuration needs.
const CONFIG: &[Scope] = &[Scope::Read, Scope::ConfigRead, Scope::ConfigWrite];

/// What any token is good for.
const ANY: &[Scope] = &[
    Scope::Read,
    Scope::HostsRead,
    Scope::HostsWrite,
    Scope::IncidentsWrite,
    Scope::EventsSend,
    Scope::ConfigRead,
    Scope::ConfigWrite,
    Scope::UsersWrite,
];

/// Returns which scopes a token of limited use must have one of for `path`; none if it is not for such
/// tokens at all. Deny by default: a path that is not named here is for none of them.
///
/// By paths and not in each handler, so that one that forgets to ask does not let everybody in. What the
/// user himself may not is refused in any case: a scope only takes away.
pub(crate) fn scopes_for(is_read: bool, path: &str) -> &'static [Scope] {
    // What is asked there is asked by POST as well, where it is long; nothing is changed by it.
    let is_query = path.starts_with(prometheus::BASE);
    if path == "/ws" || metrics::is_one(path) || path.starts_with("/status/") || is_query {
        return HOSTS;
    }
    if path.starts_with(old::BASE) {
        return if is_read { HOSTS } else { &[Scope::EventsSend] };
    }
    let Some(rest) = path.strip_prefix("/api/0/") else { return &[] };
    let (area, rest) = rest.split_once('/').unwrap_or((rest, ""));
    match (is_read, area, rest) {
        // Open, or about who asks.
        (_, "setup" | "openapi.json" | "docs" | "docs.css" | "agent" | "handle", _)
        | (true, "auth", "me" | "providers")
        | (true, "updates", _)
        | (false, "auth", "login" | "logout" | "passkey" | "passkey/challenge")
        | (false, "agents", "enrol") => ANY,
        (false, "receivers", rest) if rest.ends_with("/call") => ANY,
        (true, area, _) if OF_HOSTS.contains(&area) => HOSTS,
        (true, "routes", "test") | (false, "match", _) => HOSTS,
        (false, "hosts" | "dns" | "enrol", _) => &[Scope::HostsWrite],
        (true, "enrol", _) => &[Scope::Read, Scope::HostsWrite],
        (false, "incidents" | "silences" | "deliveries" | "status-pages", _) => {
            &[Scope::IncidentsWrite]
        }
        // One operation on many: which it is, is asked there.
        (false, "bulk" | "jobs", _) => &[Scope::IncidentsWrite, Scope::HostsWrite],
        (false, "events", _) => &[Scope::EventsSend],
        (true, "config" | "receivers" | "routes" | "reports" | "dashboards" | "pushes", _)
        | (false, "dashboards", "import") => CONFIG,
        (
            false,
            "config" | "receivers" | "reports" | "dashboards" | "backups" | "quarantine"
            | "history",
            _,
        ) => &[Scope::ConfigWrite],
        (true, "users", _) => &[Scope::Read, Scope::UsersWrite],
        (false, "users", _) => &[Scope::UsersWrite],
        (true, "audit" | "backups" | "history", _) => &[Scope::Read],
        _ => &[],
    }
}

/// Returns whether a token with the scopes `given` is good for what needs one of `needed`.
pub(crate) fn is_within(given: &[Scope], needed: &[Scope]) -> bool {
    given.is_empty() || given.iter().any(|scope| needed.contains(scope))
}

/// Returns whether the user of `account` may acknowledge, comment and silence on `host`.
pub fn may_operate(account: &Account, host: &HostName) -> bool {
    may(account, Action::Operate, Object::Host(host)) == Verdict::Allowed
}

/// Returns what the user of `account` may see.
pub(crate) fn sight(account: &Account) -> Sight {
    if account.admin {
        Sight::Everything
    } else {
        Sight::Hosts(account.roles.keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(admin: bool, role: Option<Role>) -> Account {
        let host = HostName::new("db1").unwrap();
        Account {
            admin,
            roles: role.into_iter().map(|role| (host.clone(), role)).collect(),
            ..Account::named(UserName::new("mira").unwrap())
        }
    }

    #[test]
    fn each_role_allows_what_it_says() {
        use Verdict::{Allowed, Invisible, Needs};
        let cases = [
            (false, None, [Invisible, Invisible, Invisible]),
            (false, Some(Role::Monitor), [Allowed, Needs("manager"), Needs("owner")]),
            (false, Some(Role::Manager), [Allowed, Allowed, Needs("owner")]),
            (false, Some(Role::Owner), [Allowed, Allowed, Allowed]),
            (true, None, [Allowed, Allowed, Allowed]),
        ];
        let host = HostName::new("db1").unwrap();
        for (admin, role, expected) in cases {
            let account = account(admin, role);
            let found = [Action::See, Action::Operate, Action::Drop]
                .map(|action| may(&account, action, Object::Host(&host)));
            assert_eq!(found, expected, "admin {admin}, role {role:?}");
        }
    }

    #[test]
    fn the_server_is_for_administrators() {
        for action in [Action::See, Action::Operate, Action::Drop] {
            let owner = account(false, Some(Role::Owner));
            assert_eq!(may(&owner, action, Object::Server), Verdict::Needs("administrator"));
            assert_eq!(may(&account(true, None), action, Object::Server), Verdict::Allowed);
        }
    }

    #[test]
    fn a_status_page_is_published_on_by_its_editors() {
        use Verdict::{Allowed, Needs};
        let [mira, ben] = ["mira", "ben"].map(|name| UserName::new(name).unwrap());
        for (admin, editor, operate) in [
            (false, &ben, Needs("editor of the page")),
            (false, &mira, Allowed),
            (true, &ben, Allowed),
        ] {
            let editors = BTreeSet::from([editor.clone()]);
            let may = |action| {
                let object = Object::StatusPage { editors: &editors };
                may(&account(admin, None), action, object)
            };
            assert_eq!((may(Action::See), may(Action::Operate)), (Allowed, operate));
        }
    }

    #[test]
    fn a_page_that_is_not_for_everybody_is_for_users_or_for_who_has_a_key() {
        let closed = |users| StatusAccess::Closed { users, password: None, token: None };
        for (access, is_user, has_key, expected) in [
            (StatusAccess::Everyone, false, false, true),
            (closed(true), false, false, false),
            (closed(true), true, false, true),
            (closed(true), false, true, true),
            (closed(false), true, false, false),
            (closed(false), false, true, true),
        ] {
            assert_eq!(may_read(&access, is_user, has_key), expected, "{access:?}");
        }
    }

    #[test]
    fn a_dashboard_is_its_owners_and_others_look_if_it_is_shown_to_them() {
        use Verdict::{Allowed, Invisible, Needs};
        let owner = UserName::new("ben").unwrap();
        let shared = |everyone: bool, users: &[&str]| Shared {
            everyone,
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            teams: Vec::new(),
        };
        let needs = Needs("owner of the dashboard");
        for (of, shared, expected) in [
            (&owner, shared(false, &[]), [Invisible, Invisible]),
            (&owner, shared(false, &["ida", "mira"]), [Allowed, needs]),
            (&owner, shared(false, &["ida"]), [Invisible, Invisible]),
            (&owner, shared(true, &[]), [Allowed, needs]),
            (&account(false, None).name, shared(false, &[]), [Allowed, Allowed]),
        ] {
            let object = Object::Dashboard { owner: of, shared: &shared };
            let found = [Action::See, Action::Operate]
                .map(|action| may(&account(false, Some(Role::Owner)), action, object));
            assert_eq!(found, expected, "{of} {shared:?}");
            assert_eq!(may(&account(true, None), Action::Drop, object), Allowed);
        }
    }

    #[test]
    fn a_token_of_limited_use_is_good_for_its_part_and_no_path_is_open_by_being_new() {
        use Scope::{ConfigWrite, EventsSend, HostsRead, IncidentsWrite, Read, UsersWrite};
        let allows = |scope, is_read, path| is_within(&[scope], scopes_for(is_read, path));
        for (scope, is_read, path, expected) in [
            (Read, true, "/api/0/hosts/db1", true),
            (Read, true, "/api/0/config/objects", true),
            (Read, false, "/api/0/incidents/1/ack", false),
            (Read, true, "/api/0/sessions", false),
            (Read, true, "/api/0/tokens", false),
            (HostsRead, true, "/metrics", true),
            (HostsRead, true, "/metrics/hosts", true),
            (EventsSend, true, "/metrics/hosts", false),
            (HostsRead, true, "/ws", true),
            (HostsRead, true, "/api/0/config/objects", false),
            (HostsRead, true, "/api/0/users", false),
            (IncidentsWrite, true, "/api/0/incidents", true),
            (IncidentsWrite, false, "/api/0/silences/4", true),
            (IncidentsWrite, false, "/api/0/hosts/db1", false),
            (EventsSend, false, "/api/0/events", true),
            (EventsSend, true, "/api/0/events", false),
            (EventsSend, false, "/api/v1/windowsservicelog/", true),
            (EventsSend, true, "/api/v1/agent/", false),
            (HostsRead, true, "/api/v1/agent/", true),
            (EventsSend, true, "/api/0/auth/me", true),
            (ConfigWrite, false, "/api/0/config/objects/hosts/a", true),
            (ConfigWrite, false, "/api/0/auth/password", false),
            (UsersWrite, false, "/api/0/users/mira", true),
            (UsersWrite, false, "/api/0/tokens", false),
            (Read, true, "/api/0/secrets", false),
            (Read, true, "/api/0", false),
            (Read, true, "/api/0/%68osts", false),
        ] {
            assert_eq!(allows(scope, is_read, path), expected, "{scope:?} {is_read} {path}");
        }
        assert!(is_within(&[], &[]), "a token of no scopes is good for all that its user may");
        assert_eq!(ANY.len(), Scope::WORDS.len());
    }

    #[test]
    fn sight_is_the_hosts_with_a_role() {
        assert_eq!(sight(&account(true, None)), Sight::Everything);
        let seen = sight(&account(false, Some(Role::Monitor)));
        assert!(seen.covers("db1") && !seen.covers("db2"));
    }
}
