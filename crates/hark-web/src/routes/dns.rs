//! Names in DNS that follow hosts.

use axum::Json;
use axum::extract::State;
use hark_api::dns::{Dns, DnsOrdered};

use crate::app::Shared;
use crate::backend::DnsAction;
use crate::extract::Path;
use crate::failure::Reply;
use crate::peer::Peer;
use crate::policy::{Action, Object};
use crate::who::Who;

/// Returns every name of a host that the user sees.
#[utoipa::path(get, path = "/api/0/dns", tag = "state", responses((status = 200, body = Dns)))]
pub(crate) async fn list(State(app): State<Shared>, who: Who) -> Reply<Json<Dns>> {
    let sight = who.sight();
    app.ask(move |backend| backend.dns(&sight)).await.map(Json)
}

/// Publishes a name, or all names of a host, now: also what seems to be published, is held back, or is not
/// tried again unasked.
#[utoipa::path(
    post, path = "/api/0/dns/{name}/update", tag = "state",
    params(("name" = String, Path, description = "A name, or a host.")),
    responses((status = 200, body = DnsOrdered))
)]
pub(crate) async fn update(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(name): Path<String>,
) -> Reply<Json<DnsOrdered>> {
    order(&app, &peer, &who, name, DnsAction::Update).await
}

/// Takes a name, or all names of a host, out of DNS until they are published by hand.
#[utoipa::path(
    post, path = "/api/0/dns/{name}/remove", tag = "state",
    params(("name" = String, Path, description = "A name, or a host.")),
    responses((status = 200, body = DnsOrdered))
)]
pub(crate) async fn remove(
    State(app): State<Shared>,
    peer: Peer,
    who: Who,
    Path(name): Path<String>,
) -> Reply<Json<DnsOrdered>> {
    order(&app, &peer, &who, name, DnsAction::Remove).await
}

async fn order(
    app: &Shared,
    peer: &Peer,
    who: &Who,
    name: String,
    action: DnsAction,
) -> Reply<Json<DnsOrdered>> {
    let asked = name.clone();
    let host = app.ask(move |backend| backend.dns_host(&asked)).await?;
    who.must(Action::Operate, Object::Host(&host))?;
    let ordered = app.ask(move |backend| backend.order_dns(&name, action)).await?;
    let what = match action {
        DnsAction::Update => "dns.update",
        DnsAction::Remove => "dns.remove",
    };
    let said = format!("{host}: {}", ordered.names.join(", "));
    app.audit(Some(who.name()), peer.address, what, said).await;
    Ok(Json(ordered))
}
