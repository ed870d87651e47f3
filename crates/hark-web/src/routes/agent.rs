//! The road for agents that cannot send datagrams: they bring over HTTPS what else travels by UDP.
//!
//! No session and no cookie is involved: each request is signed with the agent's key (see
//! [`crate::agent`]), and its head alone decides whether its body is read.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use hark_api::reports::{
    AgentNews, AgentReport, GivenConfiguration, GivenOrder, MAX_NEWS_WAIT_SECONDS, NewsQuestion,
    OrderQuestion, ReportStored,
};

use crate::agent::{self, AgentClaim, AgentProof};
use crate::app::Shared;
use crate::extract::{Params, is_json, parse, whole};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;

/// How often it is looked for news while an agent waits: with the server's own look at its files (2 s), a
/// change is with the agent within 5 s.
const LOOK: Duration = Duration::from_secs(1);

/// The longest report: some thousand samples. A client with more sends several.
pub(super) const MAX_REPORT: usize = 512 * 1024;

/// An agent brings samples, results, events and facts. They are on the disk when it is answered.
#[utoipa::path(
    post, path = "/api/0/agent/report", tag = "agent", request_body = AgentReport,
    responses((status = 200, body = ReportStored))
)]
pub(crate) async fn report(
    State(app): State<Shared>,
    peer: Peer,
    request: Request,
) -> Reply<Json<ReportStored>> {
    let began = app.now();
    let (place, digest) = prove(&app, peer, claim(&request, peer)).await?;
    if !is_json(request.headers()) {
        return Err(Failure::MediaType);
    }
    let bytes = whole(request, &app).await?;
    if ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref() != digest {
        return Err(Failure::WrongProof);
    }
    let report: AgentReport = parse(&bytes)?;
    let batch = agent::read(report).map_err(|error| Failure::Wrong(vec![error]))?;
    let mut stored =
        app.deliver(move |backend| backend.take_batch(place, peer.address, batch)).await?;
    let now = app.now();
    stored.held_seconds = now.mono.since(began.mono).as_secs_f64();
    Ok(Json(stored))
}

/// Returns the settings that the server gives the agent.
#[utoipa::path(
    get, path = "/api/0/agent/configuration", tag = "agent",
    responses((status = 200, body = GivenConfiguration))
)]
pub(crate) async fn configuration(
    State(app): State<Shared>,
    peer: Peer,
    request: Request,
) -> Reply<Json<GivenConfiguration>> {
    let place = prove_bare(&app, peer, claim(&request, peer)).await?;
    app.deliver(move |backend| backend.given_configuration(place)).await.map(Json)
}

/// Returns what there is for the agent: at once if it does not have it, else when there is something or its
/// time is over.
#[utoipa::path(
    get, path = "/api/0/agent/news", tag = "agent", params(NewsQuestion),
    responses((status = 200, body = AgentNews))
)]
pub(crate) async fn news(
    State(app): State<Shared>,
    peer: Peer,
    Params(question): Params<NewsQuestion>,
    request: Request,
) -> Reply<Json<AgentNews>> {
    let place = prove_bare(&app, peer, claim(&request, peer)).await?;
    let waiting = app.news_places.try_acquire().ok();
    let seconds = question.wait_seconds.min(MAX_NEWS_WAIT_SECONDS);
    let mut looks = waiting.as_ref().map_or(0, |_| seconds);
    loop {
        let news = app.deliver(move |backend| backend.agent_news(place)).await?;
        if looks == 0 || news.answers(question) || app.shutdown.is_cancelled() {
            return Ok(Json(news));
        }
        looks -= 1;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = app.shutdown.cancelled() => {}
        }
    }
}

/// Returns an order, which the agent has taken with that.
#[utoipa::path(
    get, path = "/api/0/agent/order", tag = "agent", params(OrderQuestion),
    responses((status = 200, body = GivenOrder))
)]
pub(crate) async fn order(
    State(app): State<Shared>,
    peer: Peer,
    Params(OrderQuestion { number }): Params<OrderQuestion>,
    request: Request,
) -> Reply<Json<GivenOrder>> {
    let place = prove_bare(&app, peer, claim(&request, peer)).await?;
    app.deliver(move |backend| backend.given_order(place, number)).await.map(Json)
}

/// As [`prove`], for a request without a body.
async fn prove_bare(app: &Shared, peer: Peer, claim: Option<AgentClaim>) -> Reply<usize> {
    let (place, digest) = prove(app, peer, claim).await?;
    if ring::digest::digest(&ring::digest::SHA256, b"").as_ref() == digest {
        Ok(place)
    } else {
        Err(Failure::WrongProof)
    }
}

fn claim(request: &Request, peer: Peer) -> Option<AgentClaim> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    agent::claim(request.headers(), request.method().as_str(), path, peer.address)
}

/// Returns the agent's place in ingest and the digest that the body must have.
async fn prove(app: &Shared, peer: Peer, claim: Option<AgentClaim>) -> Reply<(usize, [u8; 32])> {
    if !peer.secure && !peer.address.is_loopback() {
        // What hosts tell about themselves is nobody else's: never over plain http.
        return Err(Failure::NeedsTls);
    }
    let claim = claim.ok_or(Failure::WrongProof)?;
    let digest = claim.digest;
    match app.deliver(move |backend| backend.prove_agent(&claim)).await? {
        AgentProof::Proven(place) => Ok((place, digest)),
        AgentProof::Stale(highest) => Err(Failure::StaleNumber(highest)),
        AgentProof::Later(wait) => Err(Failure::Limited(wait)),
        AgentProof::Wrong => Err(Failure::WrongProof),
    }
}
