//! Who may do what: the one place that decides it.
//!
//! A user sees the hosts on which he has a role; an administrator is owner of every host. Deny by
//! default: what is not allowed here is not allowed. What a user may not see answers exactly as what
//! does not exist; what he sees but may not do answers with the role that is needed.

use std::collections::BTreeSet;

use hark_api::auth::Role;
use hark_api::dashboards::Shared;
use hark_model::{HostName, UserName};

use crate::backend::{Account, Sight, StatusAccess};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Look.
    See,
    /// Acknowledge, comment, silence.
    Operate,
    /// Remove for good.
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
    let is_shown = shared.everyone || shared.users.iter().any(|user| user == name.as_str());
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
            name: UserName::new("mira").unwrap(),
            full_name: String::new(),
            password: None,
            admin,
            roles: role.into_iter().map(|role| (host.clone(), role)).collect(),
            granted: std::collections::BTreeMap::new(),
            declared: None,
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
    fn sight_is_the_hosts_with_a_role() {
        assert_eq!(sight(&account(true, None)), Sight::Everything);
        let seen = sight(&account(false, Some(Role::Monitor)));
        assert!(seen.covers("db1") && !seen.covers("db2"));
    }
}
