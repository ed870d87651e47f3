//! Who may do what with a host.
//!
//! Owner, managers and monitors stand with the host in the configuration, so changing them is a change of what
//! was made in the page, as handing it over is ([`super::owners`]). What others may by `access`, by their teams
//! or by what is stored with them is shown to its owner, and changed where it stands.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use hark_api::auth::Role;
use hark_api::hosts::{HostAccess, HostUser, NewHostAccess};
use hark_api::problem::FieldError;
use hark_model::{HostName, UserName};
use http::StatusCode;
use serde_json::{Value, json};

use super::owners::{self, HOSTS};
use crate::app::Shared;
use crate::backend::{Account, Answer, Backend, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::{self, Action, Object, Verdict};
use crate::who::Who;

/// The most managers, and the most monitors: whole departments are teams, named in `access`.
const MAX_NAMED: usize = 200;

/// Returns who may do what with a host. Everybody who may do something is told to its owner alone.
#[utoipa::path(
    get, path = "/api/0/hosts/{host}/access", tag = "hosts",
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 200, body = HostAccess))
)]
pub(crate) async fn show(
    State(app): State<Shared>,
    who: Who,
    Path(host): Path<String>,
) -> Reply<Json<HostAccess>> {
    let host = who.host(Action::See, &host)?;
    let is_owner = policy::may(&who.account, Action::Drop, Object::Host(&host)) == Verdict::Allowed;
    let sight = who.sight();
    let shown = app.ask(move |backend| {
        let owner = backend.host(&sight, &host)?.owner;
        let [managers, monitors] = named(backend, &host)?;
        let everybody = if is_owner { Some(everybody(backend, &host)?) } else { None };
        Ok(HostAccess { owner, managers, monitors, everybody })
    });
    shown.await.map(Json)
}

/// Has others be managers and monitors of a host, and somebody else its owner if one is named.
#[utoipa::path(
    put, path = "/api/0/hosts/{host}/access", tag = "hosts", request_body = NewHostAccess,
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 204))
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(host): Path<String>,
    Body(request): Body<NewHostAccess>,
) -> Reply<StatusCode> {
    let host = who.host(Action::Drop, &host)?;
    for (field, names) in [("managers", &request.managers), ("monitors", &request.monitors)] {
        if names.len() > MAX_NAMED {
            let wrong = format!("name {MAX_NAMED} users at most; for more there are teams");
            return Err(Failure::field(field, wrong));
        }
    }
    let (sight, by, shown) = (who.sight(), who.name().clone(), host.clone());
    let detail = app.ask(move |backend| {
        let asked = Asked::read(backend, &request)?;
        let before = backend.host(&sight, &shown)?.owner;
        let [managers, monitors] = named(backend, &shown)?;
        let detail = asked.detail(before.as_deref(), &managers, &monitors);
        let change = owners::change(backend, shown.as_str(), asked.settings(), by)?;
        backend.change_config(&change)?;
        Ok(detail)
    });
    let detail = format!("{host}: {}", detail.await?);
    app.audit(Some(who.name()), peer.address, "host.access", detail).await;
    Ok(StatusCode::NO_CONTENT)
}

/// What a request wants, of users that exist.
struct Asked {
    owner: Option<UserName>,
    managers: BTreeSet<UserName>,
    monitors: BTreeSet<UserName>,
}

impl Asked {
    fn read(backend: &dyn Backend, request: &NewHostAccess) -> Answer<Self> {
        let mut wrong = Vec::new();
        let mut known = |field: &str, name: &String| {
            let found = UserName::new(name).ok().map(|name| (backend.account(&name), name));
            match found {
                Some((Ok(_), name)) => Ok(Some(name)),
                Some((Err(Refused::Absent), _)) | None => {
                    let detail = format!("there is no user called {name:?}");
                    wrong.push(FieldError::new(field, detail));
                    Ok(None)
                }
                Some((Err(other), _)) => Err(other),
            }
        };
        let mut all = |field: &str, names: &[String]| -> Answer<BTreeSet<UserName>> {
            let found: Answer<Vec<_>> = names.iter().map(|name| known(field, name)).collect();
            Ok(found?.into_iter().flatten().collect())
        };
        let owner = all("owner", request.owner.as_slice())?.pop_first();
        let (managers, monitors) =
            (all("managers", &request.managers)?, all("monitors", &request.monitors)?);
        if wrong.is_empty() {
            Ok(Self { owner, managers, monitors })
        } else {
            Err(Refused::Wrong(wrong))
        }
    }

    fn settings(&self) -> Vec<(&'static str, Value)> {
        let names = |users: &BTreeSet<UserName>| users.iter().map(ToString::to_string).collect();
        let lists = [("managers", names(&self.managers)), ("monitors", names(&self.monitors))];
        let owner = self.owner.iter().map(|owner| ("owner", json!(owner.as_str())));
        owner.chain(lists).collect()
    }

    /// Returns what is changed, for the audit.
    fn detail(&self, owner: Option<&str>, managers: &[String], monitors: &[String]) -> String {
        let mut parts = Vec::new();
        let before = owner.unwrap_or("nobody");
        if let Some(owner) = self.owner.as_ref().filter(|owner| owner.as_str() != before) {
            parts.push(format!("from {before} to {owner}"));
        }
        for (what, before, now) in
            [("managers", managers, &self.managers), ("monitors", monitors, &self.monitors)]
        {
            let names = |users: &BTreeSet<UserName>| {
                let names: Vec<&str> = users.iter().map(UserName::as_str).collect();
                if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
            };
            let before: BTreeSet<UserName> =
                before.iter().filter_map(|name| UserName::new(name).ok()).collect();
            if before != *now {
                parts.push(format!("{what} {} instead of {}", names(now), names(&before)));
            }
        }
        if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") }
    }
}

/// Returns the managers and monitors whom the host itself names.
fn named(backend: &dyn Backend, host: &HostName) -> Answer<[Vec<String>; 2]> {
    let value = match backend.config_object(HOSTS, host.as_str()) {
        Ok(object) => object.value,
        Err(Refused::Absent) => Value::Null,
        Err(other) => return Err(other),
    };
    let names = |key: &str| match value.get(key) {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    Ok([names("managers"), names("monitors")])
}

fn everybody(backend: &dyn Backend, host: &HostName) -> Answer<Vec<HostUser>> {
    let one = |account: Account| {
        let role = if account.admin { Some(Role::Owner) } else { account.roles.get(host).copied() };
        let (user, admin) = (account.name.to_string(), account.admin);
        role.map(|role| HostUser { user, role, admin })
    };
    Ok(backend.accounts()?.into_iter().filter_map(one).collect())
}
