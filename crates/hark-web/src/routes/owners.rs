//! Handing hosts over.
//!
//! Whose a host is stands in the configuration, so a new owner is a change of what was made in the page: a
//! version in its history, that can be gone back to. A host that nobody has written down gets an entry there
//! with its owner alone; one that a file declares is handed over in that file.

use axum::extract::State;
use hark_api::configuration::ConfigCandidate;
use hark_api::hosts::NewOwner;
use hark_model::UserName;
use http::StatusCode;
use serde_json::json;

use crate::app::Shared;
use crate::backend::{Answer, Backend, ConfigChange, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::Action;
use crate::who::Who;

/// The section of the configuration with the hosts.
const HOSTS: &str = "hosts";

/// Has a host be somebody else's. Whoever hands it over keeps the roles on it that he has otherwise.
#[utoipa::path(
    put, path = "/api/0/hosts/{host}/owner", tag = "hosts", request_body = NewOwner,
    params(("host" = String, Path, description = "The host's name.")),
    responses((status = 204))
)]
pub(crate) async fn hand_over(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(host): Path<String>,
    Body(request): Body<NewOwner>,
) -> Reply<StatusCode> {
    let host = who.host(Action::Drop, &host)?;
    let unknown = || Failure::field("owner", "there is no user of this name");
    let owner = UserName::new(&request.owner).map_err(|_| unknown())?;
    let (asked, sight) = (owner.clone(), who.sight());
    let (shown, by, name) = (host.clone(), who.name().clone(), host.to_string());
    let before = app.ask(move |backend| {
        match backend.account(&asked) {
            Err(Refused::Absent) => return Ok(None),
            other => other?,
        };
        let before = backend.host(&sight, &shown)?.owner;
        backend.change_config(&change(backend, &name, &asked, by)?)?;
        Ok(Some(before))
    });
    let before = before.await?.ok_or_else(unknown)?;
    let before = before.as_deref().unwrap_or("nobody");
    let detail = format!("{host}: from {before} to {owner}");
    app.audit(Some(who.name()), peer.address, "host.owner", detail).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the change that makes `host` the property of `owner`.
fn change(
    backend: &dyn Backend,
    host: &str,
    owner: &UserName,
    by: UserName,
) -> Answer<ConfigChange> {
    let (mut value, seen) = match backend.config_object(HOSTS, host) {
        Ok(object) => match object.row.declared {
            Some(declared) => return Err(Refused::Declared(declared)),
            None => (object.value, object.row.version),
        },
        Err(Refused::Absent) => (json!({}), None),
        Err(other) => return Err(other),
    };
    match value.as_object_mut() {
        Some(settings) => drop(settings.insert("owner".to_owned(), owner.as_str().into())),
        // `hosts: {db1: }` says nothing of it.
        None => value = json!({"owner": owner.as_str()}),
    }
    let (section, name) = (HOSTS.to_owned(), host.to_owned());
    let candidate = ConfigCandidate { section, name, value: Some(value), before: None };
    Ok(ConfigChange { by, candidate, seen })
}
