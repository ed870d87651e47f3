//! Users for whom somebody else vouches: found again by what that calls them for ever, made if it may bring
//! them, with the rights that their groups have here.

use std::collections::BTreeSet;

use hark_model::UserName;

use crate::app::Shared;
use crate::backend::{Account, Answer, Backend, Origin, Refused};
use crate::failure::Reply;
use crate::login::{Membership, NewUsers, Rights};
use crate::who::RESERVED;

/// The longest name for people that is taken over, in bytes.
const MAX_FULL_NAME: usize = 200;

/// What a provider says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// Which provider.
    pub(crate) provider: String,
    /// What it calls him for ever.
    pub(crate) subject: String,
    /// His name to log in with.
    pub(crate) name: String,
    /// His name for people.
    pub(crate) full_name: String,
    /// His groups.
    pub(crate) groups: BTreeSet<String>,
}

/// Returns the account of whom a provider vouches for, as his groups have it from now on. Other rights than
/// at his last log-in end his other sessions.
pub(crate) async fn account(
    app: &Shared,
    vouched: Vouched,
    membership: &Membership,
) -> Reply<Account> {
    let membership = membership.clone();
    let change = move |backend: &dyn Backend| settle(backend, &vouched, &membership);
    app.change_users(change).await
}

fn settle(backend: &dyn Backend, vouched: &Vouched, membership: &Membership) -> Answer<Account> {
    let origin = Origin { provider: vouched.provider.clone(), subject: vouched.subject.clone() };
    let rights = membership.rights(vouched.groups.iter().map(String::as_str));
    match backend.account_of(&origin) {
        Ok(known) if known.origin.as_ref() == Some(&origin) => {
            if rights.is_none() && membership.new_users == NewUsers::Members {
                return Err(no_group(&vouched.name));
            }
            update(backend, known, vouched, rights.unwrap_or_default())
        }
        // The configuration has declared somebody of his name since.
        Ok(_) | Err(Refused::Absent) => bring(backend, vouched, membership, rights, origin),
        Err(other) => Err(other),
    }
}

/// Has a user be as the provider says.
fn update(
    backend: &dyn Backend,
    known: Account,
    vouched: &Vouched,
    rights: Rights,
) -> Answer<Account> {
    let now = Account {
        full_name: full_name(&vouched.full_name),
        admin: rights.admin,
        teams: rights.teams,
        ..known.clone()
    };
    if now == known {
        return Ok(known);
    }
    backend.put_account(&now)?;
    if (now.admin, &now.teams) != (known.admin, &known.teams) {
        for session in backend.sessions(&now.name)? {
            backend.drop_session(&session.hash)?;
        }
    }
    backend.account(&now.name)
}

/// Lets somebody in whom this server does not know as the provider's.
fn bring(
    backend: &dyn Backend,
    vouched: &Vouched,
    membership: &Membership,
    rights: Option<Rights>,
    origin: Origin,
) -> Answer<Account> {
    let refuse = |why: String| Err(Refused::Conflict(why));
    let Ok(name) = UserName::new(&vouched.name) else {
        return refuse(format!("{:?} cannot be a name here", vouched.name));
    };
    if RESERVED.contains(&name.as_str()) {
        return refuse(format!("no person can be called {name}"));
    }
    match backend.account(&name) {
        Ok(account) if membership.same_names && !account.service && account.origin.is_none() => {
            Ok(account)
        }
        Ok(_) => refuse(format!("there is another user called {name} here")),
        Err(Refused::Absent) => {
            let rights = match (membership.new_users, rights) {
                (NewUsers::Nobody, _) => return refuse(format!("{name} is not known here")),
                (NewUsers::Members, None) => return Err(no_group(&vouched.name)),
                (NewUsers::Members | NewUsers::Everybody, rights) => rights.unwrap_or_default(),
            };
            let made = Account {
                full_name: full_name(&vouched.full_name),
                admin: rights.admin,
                teams: rights.teams,
                origin: Some(origin),
                ..Account::named(name)
            };
            backend.put_account(&made)?;
            backend.account(&made.name)
        }
        Err(other) => Err(other),
    }
}

fn no_group(name: &str) -> Refused {
    Refused::Conflict(format!("{name} is in no group that is let in"))
}

fn full_name(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let end = clean.floor_char_boundary(MAX_FULL_NAME);
    clean.get(..end).unwrap_or_default().to_owned()
}
