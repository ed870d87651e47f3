//! Agents: how they are, and how they join.

use axum::extract::State;
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_api::agents::{Agent, AgentsQuery, JoinRequest, Joined};
use hark_api::live::JoinSeen;
use hark_model::HostName;
use hark_model::record::HostRecord;

use crate::app::Shared;
use crate::auth::token;
use crate::backend::{JoinOrder, Refused};
use crate::extract::{Body, Params};
use crate::failure::{Failure, Reply};
use crate::lists::More;
use crate::peer::Peer;
use crate::who::Who;

/// What tries of tokens are counted as: no user can be called that.
const LIMIT_NAME: &str = "(join)";

/// The longest name and value of a fact in bytes.
const MAX_FACT: usize = 512;

/// Returns agents by host.
#[utoipa::path(
    get, path = "/api/0/agents", tag = "agents", params(AgentsQuery),
    responses((status = 200, body = Vec<Agent>))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    who: Who,
    Params(query): Params<AgentsQuery>,
) -> Reply<(Extension<More>, Json<Vec<Agent>>)> {
    let page = app.ask(move |backend| backend.agents(&who.sight(), &query)).await?;
    Ok((Extension(More(page.next)), Json(page.items)))
}

/// An agent joins with a one-time token: it brings its own key.
#[utoipa::path(
    post, path = "/api/0/agents/enrol", tag = "open", request_body = JoinRequest,
    responses((status = 200, body = Joined))
)]
pub(crate) async fn join(
    State(app): State<Shared>,
    peer: Peer,
    Body(request): Body<JoinRequest>,
) -> Reply<Json<Joined>> {
    if !peer.secure && !peer.address.is_loopback() {
        // The key in the body is as good as the host itself: never over plain http, whatever the
        // configuration says.
        return Err(Failure::NeedsTls);
    }
    let order = order(&app, peer, request)?;
    app.attempt(peer.address, LIMIT_NAME)?;
    let (name, os) = (order.name.clone(), order.facts.get("os").cloned().unwrap_or_default());
    let joined = app
        .ask(move |backend| {
            let token = match backend.enrolment(&order.token) {
                Ok(token) => token,
                Err(Refused::Absent) => return Ok(Err(Failure::WrongToken)),
                Err(other) => return Err(other),
            };
            if token.expires <= order.at || token.uses_left == 0 {
                return Ok(Err(Failure::WrongToken));
            }
            match token.host {
                // Whoever has the token may know its host: both stood in the same line.
                Some(host) if host != order.name => Ok(Err(Failure::OtherHost(host))),
                _ => backend.join(&order).map(Ok),
            }
        })
        .await?;
    if joined.is_err() {
        app.audit(None, peer.address, "agent.refused", name.as_str()).await;
    }
    let joined = joined?;
    app.succeeded(peer.address, LIMIT_NAME);
    app.audit(None, peer.address, "agent.join", name.as_str()).await;
    app.live.joined(JoinSeen {
        host: name.to_string(),
        at_unix_s: app.now().unix.seconds(),
        address: peer.address.to_string(),
        os,
    });
    Ok(Json(joined))
}

fn order(app: &Shared, peer: Peer, request: JoinRequest) -> Reply<JoinOrder> {
    let name = HostName::new(&request.name).map_err(|e| Failure::field("name", e.to_string()))?;
    let key: Option<[u8; 32]> =
        STANDARD.decode(&request.key).ok().and_then(|bytes| bytes.try_into().ok());
    let key = key.ok_or_else(|| Failure::field("key", "send 32 bytes in standard base64"))?;
    let short =
        |(name, value): (&String, &String)| name.len() <= MAX_FACT && value.len() <= MAX_FACT;
    if request.facts.len() > HostRecord::MAX_FACTS || !request.facts.iter().all(short) {
        let detail = format!("send at most {} of {MAX_FACT} bytes", HostRecord::MAX_FACTS);
        return Err(Failure::field("facts", detail));
    }
    let token = token::enrol(&request.token).ok_or(Failure::WrongToken)?;
    let at = app.now().unix;
    Ok(JoinOrder { token, name, key, facts: request.facts, address: peer.address, at })
}
