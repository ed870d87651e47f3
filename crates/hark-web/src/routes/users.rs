//! Users, for administrators.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use hark_api::auth::Role;
use hark_api::users::{NewUser, User, UserChange};
use hark_model::{HostName, Secret, UserName};
use http::StatusCode;

use super::sessions::end_others;
use crate::app::Shared;
use crate::auth::password;
use crate::backend::{Account, Answer, Backend, Factors, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::who::{self, Admin, RESERVED, Who};

/// The longest name for people in bytes.
const MAX_FULL_NAME: usize = 200;

/// Returns all users.
#[utoipa::path(
    get, path = "/api/0/users", tag = "users", responses((status = 200, body = Vec<User>))
)]
pub(crate) async fn list(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<User>>> {
    let (accounts, guarded) =
        app.ask(|backend| Ok((backend.accounts()?, backend.users_with_factors()?))).await?;
    let guarded: BTreeSet<UserName> = guarded.into_iter().collect();
    Ok(Json(accounts.iter().map(|one| shown(one, guarded.contains(&one.name))).collect()))
}

/// Makes a user.
#[utoipa::path(
    post, path = "/api/0/users", tag = "users", request_body = NewUser,
    responses((status = 200, body = User))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Body(request): Body<NewUser>,
) -> Reply<Json<User>> {
    let name = UserName::new(&request.name).map_err(|e| Failure::field("name", e.to_string()))?;
    if RESERVED.contains(&name.as_str()) {
        return Err(Failure::field("name", "no person can have this name"));
    }
    check_full_name(&request.full_name)?;
    let password = match (request.password, request.service) {
        (Some(_), true) => {
            return Err(Failure::field("password", "a program has tokens, and no password"));
        }
        (None, false) => return Err(Failure::field("password", "say one")),
        (Some(password), false) => Some(hash(&app, password).await?),
        (None, true) => None,
    };
    let account = Account {
        full_name: request.full_name,
        password,
        admin: request.admin,
        granted: parse_roles(request.roles)?,
        service: request.service,
        ..Account::named(name)
    };
    let made = app.change_users(move |backend| match backend.account(&account.name) {
        Ok(_) => Err(Refused::Conflict("there is a user of this name".to_owned())),
        Err(Refused::Absent) => {
            backend.put_account(&account)?;
            backend.account(&account.name)
        }
        Err(other) => Err(other),
    });
    let account = made.await?;
    app.audit(Some(who.name()), peer.address, "user.make", account.name.as_str()).await;
    Ok(Json(shown(&account, false)))
}

/// Changes a user; a new password or other rights end the user's sessions.
#[utoipa::path(
    put, path = "/api/0/users/{name}", tag = "users", request_body = UserChange,
    params(("name" = String, Path, description = "The name to log in with.")),
    responses((status = 200, body = User))
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
    Body(request): Body<UserChange>,
) -> Reply<Json<User>> {
    let name = UserName::new(&name).map_err(|_| Failure::Absent)?;
    if request.password.is_some() {
        of_another(&who, &name)?;
    }
    let asked = name.clone();
    app.ask(move |backend| changeable(backend, &asked)).await?;
    if let Some(full_name) = &request.full_name {
        check_full_name(full_name)?;
    }
    let granted = request.roles.map(parse_roles).transpose()?;
    let new_password = request.password.is_some();
    let password = match request.password {
        Some(password) => Some(hash(&app, password).await?),
        None => None,
    };
    let (full_name, admin) = (request.full_name, request.admin);
    let changed = app.change_users(move |backend| {
        let before = changeable(backend, &name)?;
        if password.is_some() && before.password.is_none() {
            let why = format!("{name} does not log in with a password here");
            return Err(Refused::Conflict(why));
        }
        let after = Account {
            full_name: full_name.unwrap_or_else(|| before.full_name.clone()),
            password: password.or_else(|| before.password.clone()),
            admin: admin.unwrap_or(before.admin),
            granted: granted.unwrap_or_else(|| before.granted.clone()),
            ..before.clone()
        };
        if !after.admin {
            keep_an_admin(backend, &name)?;
        }
        backend.put_account(&after)?;
        let after = backend.account(&name)?;
        Ok(((before.admin, before.roles), after))
    });
    let (rights, account) = changed.await?;
    if new_password || rights != (account.admin, account.roles.clone()) {
        // Whoever has the sessions must log in again under the new rights; one's own session stays.
        let own = (*who.name() == account.name).then(|| who.session()).flatten();
        end_others(&app, account.name.clone(), own).await?;
    }
    app.audit(Some(who.name()), peer.address, "user.change", account.name.as_str()).await;
    let guarded = app.factors(&account.name, |factors| factors.any()).await?;
    Ok(Json(shown(&account, guarded)))
}

/// Removes a user.
#[utoipa::path(
    delete, path = "/api/0/users/{name}", tag = "users",
    params(("name" = String, Path, description = "The name to log in with.")),
    responses((status = 204))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> Reply<StatusCode> {
    let name = UserName::new(&name).map_err(|_| Failure::Absent)?;
    let dropped = name.clone();
    app.change_users(move |backend| {
        changeable(backend, &dropped)?;
        keep_an_admin(backend, &dropped)?;
        backend.drop_account(&dropped)
    })
    .await?;
    app.audit(Some(who.name()), peer.address, "user.remove", name.as_str()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a user's second factors away, for one who has lost them, and ends his sessions.
#[utoipa::path(
    delete, path = "/api/0/users/{name}/second-factor", tag = "users",
    params(("name" = String, Path, description = "The name to log in with.")),
    responses((status = 204))
)]
pub(crate) async fn reset_factors(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> Reply<StatusCode> {
    let name = UserName::new(&name).map_err(|_| Failure::Absent)?;
    of_another(&who, &name)?;
    let asked = name.clone();
    // One of the configuration has them in the store all the same.
    app.ask(move |backend| backend.account(&asked)).await?;
    app.factors(&name, |factors| *factors = Factors::default()).await?;
    end_others(&app, name.clone(), None).await?;
    app.audit(Some(who.name()), peer.address, "user.reset-factors", name.as_str()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Fails for oneself: there one's password is asked for, so that a browser left open or a token that was found
/// is not enough to take an account over.
fn of_another(who: &Who, name: &UserName) -> Reply<()> {
    if who.name() == name {
        let why = "change your own password and second factors in your settings";
        return Err(Failure::Conflict(why.to_owned()));
    }
    Ok(())
}

fn changeable(backend: &dyn Backend, name: &UserName) -> Answer<Account> {
    let account = backend.account(name)?;
    match account.declared.clone() {
        Some(declared) => Err(Refused::Declared(declared)),
        None => Ok(account),
    }
}

/// Fails if without `name` nobody could administer the server.
fn keep_an_admin(backend: &dyn Backend, name: &UserName) -> Answer<()> {
    let others = backend.accounts()?.into_iter().any(|other| other.admin && other.name != *name);
    if others {
        return Ok(());
    }
    Err(Refused::Conflict("this is the last administrator: make another one first".to_owned()))
}

async fn hash(app: &Shared, password: String) -> Reply<Secret> {
    if let Some(weakness) = password::weakness(&password) {
        return Err(Failure::field("password", weakness));
    }
    app.hasher.hash(Secret::new(password)).await?.ok_or(Failure::Internal)
}

fn check_full_name(name: &str) -> Reply<()> {
    if name.len() > MAX_FULL_NAME || name.chars().any(char::is_control) {
        let detail = format!("use at most {MAX_FULL_NAME} bytes of printable characters");
        return Err(Failure::field("full_name", detail));
    }
    Ok(())
}

fn parse_roles(roles: BTreeMap<String, Role>) -> Reply<BTreeMap<HostName, Role>> {
    let parse = |(host, role): (String, Role)| match HostName::new(&host) {
        Ok(host) => Ok((host, role)),
        Err(error) => Err(Failure::field("roles", format!("{host:?}: {error}"))),
    };
    roles.into_iter().map(parse).collect()
}

fn shown(account: &Account, second_factor: bool) -> User {
    User {
        name: account.name.to_string(),
        full_name: account.full_name.clone(),
        admin: account.admin,
        roles: who::roles(account),
        second_factor,
        service: account.service,
        origin: account.origin.as_ref().map(|origin| origin.provider.clone()),
        declared: account.declared.clone(),
    }
}
