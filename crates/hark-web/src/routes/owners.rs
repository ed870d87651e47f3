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
use serde_json::{Map, Value, json};

use crate::app::Shared;
use crate::backend::{Answer, Backend, ConfigChange, Refused};
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;
use crate::policy::Action;
use crate::who::Who;

/// The section of the configuration with the hosts.
pub(super) const HOSTS: &str = "hosts";

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
        let settings = [("owner", json!(asked.as_str()))];
        backend.change_config(&change(backend, &name, settings, by)?)?;
        Ok(Some(before))
    });
    let before = before.await?.ok_or_else(unknown)?;
    let before = before.as_deref().unwrap_or("nobody");
    let detail = format!("{host}: from {before} to {owner}");
    app.audit(Some(who.name()), peer.address, "host.owner", detail).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the change that gives `host` these settings, and leaves the others as they are. Empty ones are
/// taken away.
///
/// # Errors
/// If a file declares the host: it is changed there.
pub(super) fn change(
    backend: &dyn Backend,
    host: &str,
    settings: impl IntoIterator<Item = (&'static str, Value)>,
    by: UserName,
) -> Answer<ConfigChange> {
    let (before, seen) = match backend.config_object(HOSTS, host) {
        Ok(object) => match object.row.declared {
            Some(declared) => return Err(Refused::Declared(declared)),
            None => (object.value, object.row.version),
        },
        Err(Refused::Absent) => (Value::Null, None),
        Err(other) => return Err(other),
    };
    // `hosts: {db1: }` says nothing of it.
    let mut value = if let Value::Object(before) = before { before } else { Map::new() };
    for (key, setting) in settings {
        if setting.as_array().is_some_and(Vec::is_empty) {
            value.remove(key);
        } else {
            value.insert(key.to_owned(), setting);
        }
    }
    let (section, name) = (HOSTS.to_owned(), host.to_owned());
    let value = Some(Value::Object(value));
    let candidate = ConfigCandidate { section, name, value, before: None };
    Ok(ConfigChange { by, candidate, seen })
}
