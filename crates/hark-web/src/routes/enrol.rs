//! One-time tokens with which agents join, for administrators.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hark_api::Timestamp;
use hark_api::enrol::{EnrolRequest, Enrolment, NewEnrolment};
use hark_model::record::HostRecord;
use hark_model::{EnrolToken, HostName, Tag};
use http::{HeaderMap, StatusCode, Uri};

use crate::app::Shared;
use crate::auth::token;
use crate::backend::{Backend, EnrolmentRecord, Refused};
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
    let (secret, hash) = token::new_enrol()?;
    let authority = peer::authority(&uri, &headers).map(|authority| with_port(authority, peer));
    let servers = servers(authority, &app.config.addresses);
    let text = EnrolToken::new(secret, tls.fingerprint, servers)
        .map_err(|error| Failure::Conflict(error.to_string()))?
        .encode();
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
    let text = text.expose().to_owned();
    // A host need not call itself what it is called here.
    let name = record.host.as_ref().map(|host| format!(" --name {host}")).unwrap_or_default();
    let command = format!("hark agent --token {text}{name}");
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

/// Returns where the agent finds this server: first as the administrator's browser names it, for the
/// server cannot know by which of its addresses others reach it, then as the server itself does. A
/// name that only this machine knows helps no other, so it stands alone or not at all.
fn servers(authority: Option<String>, own: &[String]) -> Vec<String> {
    let by_browser = authority.filter(|authority| own.is_empty() || !is_local(authority));
    let mut servers: Vec<String> = by_browser.into_iter().collect();
    for address in own {
        if servers.len() < EnrolToken::MAX_SERVERS && !servers.contains(address) {
            servers.push(address.clone());
        }
    }
    servers
}

fn is_local(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns `authority` with its port; browsers leave out the usual one.
fn with_port(authority: &str, peer: Peer) -> String {
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    match (has_port, peer.secure) {
        (true, _) => authority.to_owned(),
        (false, true) => format!("{authority}:443"),
        (false, false) => format!("{authority}:80"),
    }
}

fn tags(texts: &[String]) -> Reply<Vec<Tag>> {
    if texts.len() > HostRecord::MAX_JOINED_TAGS {
        return Err(Failure::field("tags", format!("use at most {}", HostRecord::MAX_JOINED_TAGS)));
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

    #[test]
    fn the_token_names_the_server_as_others_reach_it() {
        let own = ["192.0.2.1:50004".to_owned(), "mon:50004".to_owned()];
        let check = |authority: &str, own: &[String], expected: &[&str]| {
            assert_eq!(servers(Some(authority.to_owned()), own), expected, "{authority}");
        };
        check("mon:50004", &own, &["mon:50004", "192.0.2.1:50004"]);
        check("mon.example.net:443", &own[..1], &["mon.example.net:443", "192.0.2.1:50004"]);
        check("localhost:50004", &own, &["192.0.2.1:50004", "mon:50004"]);
        check("[::1]:50004", &own[..1], &["192.0.2.1:50004"]);
        check("127.0.0.1:50004", &[], &["127.0.0.1:50004"]);
    }

    #[test]
    fn ports_that_browsers_leave_out_are_written() {
        let peer = |secure| Peer { address: [127, 0, 0, 1].into(), secure };
        assert_eq!(with_port("mon", peer(true)), "mon:443");
        assert_eq!(with_port("mon", peer(false)), "mon:80");
        assert_eq!(with_port("[2001:db8::1]", peer(true)), "[2001:db8::1]:443");
        assert_eq!(with_port("[2001:db8::1]:50004", peer(true)), "[2001:db8::1]:50004");
    }
}
