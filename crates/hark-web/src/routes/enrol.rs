//! One-time tokens with which agents join, for administrators.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::Timestamp;
use hark_api::enrol::{EnrolRequest, Enrolment, NewEnrolment};
use hark_model::{HostName, Tag};
use http::{HeaderMap, StatusCode, Uri};

use crate::app::Shared;
use crate::auth::token;
use crate::backend::{Backend, EnrolmentRecord, Refused};
use crate::config::DEFAULT_PORT;
use crate::extract::{Body, Path};
use crate::failure::{Failure, Reply};
use crate::peer::{self, Peer};
use crate::who::Admin;

/// How long a token is valid if the request does not say.
const DEFAULT_SECONDS: u64 = 3600;

/// The longest that a token may be valid: a fleet is not rolled out in more than a month.
const MAX_SECONDS: u64 = 30 * 24 * 3600;

/// The most hosts that may join with one token.
const MAX_USES: u32 = 10_000;

/// The most tags of a token.
const MAX_TAGS: usize = 32;

/// The most tokens at the same time.
const MAX_TOKENS: usize = 1000;

/// Returns the tokens that have not ended, without their texts.
#[utoipa::path(
    get, path = "/api/0/enrol", tag = "agents", responses((status = 200, body = Vec<Enrolment>))
)]
pub(crate) async fn list(State(app): State<Shared>, _admin: Admin) -> Reply<Json<Vec<Enrolment>>> {
    let now = app.now().unix;
    let mut records = app.ask(Backend::enrolments).await?;
    records.retain(|record| record.expires > now && record.uses_left > 0);
    Ok(Json(records.iter().map(shown).collect()))
}

/// Makes a token. It carries the fingerprint of the server's certificate, so that the agent knows the
/// server before it shows the token.
#[utoipa::path(
    post, path = "/api/0/enrol", tag = "agents", request_body = EnrolRequest,
    responses((status = 200, body = NewEnrolment))
)]
pub(crate) async fn make(
    State(app): State<Shared>,
    peer: Peer,
    headers: HeaderMap,
    uri: Uri,
    Admin(who): Admin,
    Body(request): Body<EnrolRequest>,
) -> Reply<Json<NewEnrolment>> {
    let Some(tls) = &app.config.tls else {
        let why = "agents join over https: this server has none (`tls: {plain: only}`)";
        return Err(Failure::Conflict(why.to_owned()));
    };
    let seconds = request.valid_seconds.unwrap_or(DEFAULT_SECONDS);
    if seconds == 0 || seconds > MAX_SECONDS {
        return Err(Failure::field("valid_seconds", "use 1 second to 30 days"));
    }
    let uses = request.uses.unwrap_or(1);
    if uses == 0 || uses > MAX_USES {
        return Err(Failure::field("uses", format!("use 1 to {MAX_USES}")));
    }
    let host =
        request.host.as_deref().filter(|host| !host.is_empty()).map(HostName::new).transpose();
    let host = host.map_err(|error| Failure::field("host", error.to_string()))?;
    let (text, hash) = token::new_enrol(&tls.fingerprint)?;
    let now = app.now().unix;
    let record = EnrolmentRecord {
        hash,
        host,
        tags: tags(&request.tags)?,
        by: who.name().clone(),
        created: now,
        expires: now + Duration::from_secs(seconds),
        uses_left: uses,
    };
    let command = command(&headers, &uri, &text);
    let (id, expires_at) = (token::id(&hash), Timestamp(record.expires));
    app.ask(move |backend| {
        if backend.enrolments()?.len() >= MAX_TOKENS {
            return Err(Refused::Conflict(format!("there are {MAX_TOKENS} tokens: withdraw some")));
        }
        backend.put_enrolment(&record)
    })
    .await?;
    app.audit(Some(who.name()), peer.address, "enrol.make", id.clone()).await;
    Ok(Json(NewEnrolment { id, token: text, expires_at, command }))
}

/// Withdraws a token.
#[utoipa::path(
    delete, path = "/api/0/enrol/{id}", tag = "agents",
    params(("id" = String, Path, description = "The token's number.")),
    responses((status = 204))
)]
pub(crate) async fn withdraw(
    State(app): State<Shared>,
    peer: Peer,
    Admin(who): Admin,
    Path(id): Path<String>,
) -> Reply<StatusCode> {
    let wanted = id.clone();
    app.ask(move |backend| {
        let records = backend.enrolments()?;
        let found = records.iter().find(|record| token::id(&record.hash) == wanted);
        backend.drop_enrolment(&found.ok_or(Refused::Absent)?.hash)
    })
    .await?;
    app.audit(Some(who.name()), peer.address, "enrol.withdraw", id).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the line to run on the new host. It names the server as the administrator's browser does:
/// the server itself cannot know by which of its addresses others reach it.
fn command(headers: &HeaderMap, uri: &Uri, text: &str) -> String {
    let authority = peer::authority(uri, headers).unwrap_or("SERVER");
    let usual = format!(":{DEFAULT_PORT}");
    let server = authority.strip_suffix(usual.as_str()).unwrap_or(authority);
    format!("hark agent {server} --token {text}")
}

fn tags(texts: &[String]) -> Reply<Vec<Tag>> {
    if texts.len() > MAX_TAGS {
        return Err(Failure::field("tags", format!("use at most {MAX_TAGS}")));
    }
    let tags: Result<_, _> = texts.iter().map(|text| Tag::new(text)).collect();
    tags.map_err(|error| Failure::field("tags", error.to_string()))
}

fn shown(record: &EnrolmentRecord) -> Enrolment {
    Enrolment {
        id: token::id(&record.hash),
        host: record.host.as_ref().map(ToString::to_string),
        tags: record.tags.iter().map(ToString::to_string).collect(),
        by: record.by.to_string(),
        created_at: Timestamp(record.created),
        expires_at: Timestamp(record.expires),
        uses_left: record.uses_left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn the_command_names_the_server_as_the_browser_does() {
        for (host, expected) in [
            ("mon.example.net:50004", "hark agent mon.example.net --token T"),
            ("mon.example.net:8443", "hark agent mon.example.net:8443 --token T"),
            ("[2001:db8::1]:50004", "hark agent [2001:db8::1] --token T"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(command(&headers, &Uri::from_static("/"), "T"), expected);
        }
    }
}
