//! What every request passes before a handler sees it: transport, origin, user, set-up.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::app::Shared;
use crate::failure::{Failure, Reply};
use crate::login::{LoginSettings, Open};
use crate::peer::{self, Origin, Peer};
use crate::policy;
use crate::proxy;
use crate::routes::{inlets, metrics, prometheus};
use crate::serve::{Plain, WebConfig};
use crate::who::{self, CSRF, Claim, Proof, Visit, Who};

/// Paths of the API that are open before the first administrator exists.
const BEFORE_SETUP: [&str; 4] =
    ["/api/0/setup", "/api/0/openapi.json", "/api/0/docs", "/api/0/docs.css"];

/// Where status pages are.
const STATUS: &str = "/status/";

/// Lets `request` pass or answers it.
pub(crate) async fn guard(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    match check(&app, &mut request).await {
        Ok(None) => next.run(request).await,
        Ok(Some(answer)) => answer,
        Err(failure) => failure.into_response(),
    }
}

/// Returns an answer if the request goes no further.
async fn check(app: &Shared, request: &mut Request) -> Reply<Option<Response>> {
    let path = request.uri().path();
    if path == "/healthz" {
        return Ok(None);
    }
    let connection = *request.extensions().get::<Peer>().ok_or(Failure::Internal)?;
    if let Some(answer) = transport(&app.config, connection, request)? {
        return Ok(Some(answer));
    }
    let login = app.login();
    let peer = login.proxies.behind(connection, request.headers());
    let (live, before_setup) = (path == "/ws", BEFORE_SETUP.contains(&path));
    let is_status = path.starts_with(STATUS);
    let with_user = live
        || metrics::is_one(path)
        || path.starts_with("/api/")
        || path.starts_with(prometheus::BASE);
    let is_door = inlets::is_door(path);
    request.extensions_mut().insert(peer);
    if is_door {
        // Who brings samples proves himself there, and is no user.
        return Ok(None);
    }
    if is_status {
        // Most who come here are strangers, and prove nothing: nothing is looked up for them.
        let claim = claim(&login, connection, peer, request);
        let may_all = is_open(&app.config, &login, connection, request);
        if let Some(user) = reader(app, claim, may_all).await? {
            request.extensions_mut().insert(user);
        }
        return Ok(None);
    }
    if !with_user {
        return Ok(None);
    }
    let agent = request.headers().get(header::USER_AGENT);
    let agent =
        crate::auth::session::agent(agent.and_then(|a| a.to_str().ok()).unwrap_or_default());
    let claim = claim(&login, connection, peer, request);
    let may_all = is_open(&app.config, &login, connection, request);
    if !before_setup && !may_all && !app.is_set_up().await? {
        return Err(Failure::SetupRequired);
    }
    let visit = Visit { address: peer.address, agent };
    let mut found = who::find(app, claim.clone(), Some(visit)).await?;
    let brings = policy::is_for_bringers(request.uri().path());
    // A token that is none is told so, wherever it comes from; a cookie may be left from before.
    if found.is_none() && may_all && !brings && !matches!(claim, Claim::Header(_)) {
        found = who::anybody();
    }
    // A WebSocket is opened by GET, but it is as good as a write: no page of another site may hold one.
    let write = live || !matches!(*request.method(), Method::GET | Method::HEAD);
    if write {
        sender(request, &claim, found.as_ref(), live)?;
    }
    if let Some(found) = found {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        found.within(policy::scopes_for(is_read, request.uri().path()))?;
        request.extensions_mut().insert(found);
    }
    Ok(None)
}

/// Returns who looks at a status page, if he is a user; it does not count as use of his session.
async fn reader(app: &Shared, claim: Claim, may_all: bool) -> Reply<Option<Who>> {
    let found = if claim == Claim::None { None } else { who::find(app, claim, None).await? };
    let needed = policy::scopes_for(true, STATUS);
    let found = found.filter(|who| !who.lacks_factor && who.within(needed).is_ok());
    Ok(found.or_else(|| may_all.then(who::anybody).flatten()))
}

/// Leads a browser that came without TLS to where it is spoken.
fn transport(config: &WebConfig, peer: Peer, request: &Request) -> Reply<Option<Response>> {
    let plain_is_fine = config.tls.is_none()
        || config.plain == Plain::Everywhere
        || peer.address.to_canonical().is_loopback();
    if peer.secure || plain_is_fine {
        return Ok(None);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Failure::NeedsTls);
    }
    let uri = request.uri();
    let authority = peer::authority(uri, request.headers());
    let authority =
        authority.ok_or_else(|| Failure::Malformed("no valid Host header".to_owned()))?;
    let rest = uri.path_and_query().map_or("/", |rest| rest.as_str());
    let location = HeaderValue::from_str(&format!("https://{authority}{rest}"));
    let location = location.map_err(|_| Failure::Malformed("no valid address".to_owned()))?;
    // 307, not 308: a browser must ask again when the setting or the certificate has changed.
    let mut answer = StatusCode::TEMPORARY_REDIRECT.into_response();
    answer.headers_mut().insert(header::LOCATION, location);
    Ok(Some(answer))
}

/// Refuses writes that a page of another site made the browser send.
fn sender(request: &Request, claim: &Claim, who: Option<&Who>, live: bool) -> Reply<()> {
    if matches!(claim, Claim::Header(_)) {
        // A page of another site cannot make a browser send a token that it does not know.
        return Ok(());
    }
    let headers = request.headers();
    let origin = peer::origin(headers, peer::authority(request.uri(), headers));
    let unasked = who.map(|who| who.proof).filter(|proof| proof.goes_unasked());
    let is_refused = match (origin, unasked) {
        (Origin::Same, _) | (Origin::Unsaid, None) => false,
        // Programs have neither cookie nor token where nobody logs in. What no page of another site can have a
        // browser send without our leave, however old it is, is asked of them below; of a WebSocket it cannot be.
        (Origin::Unsaid, Some(Proof::Open)) => live,
        // No browser of this decade leaves both headers out; a program that logs in does.
        (Origin::Other, _) | (Origin::Unsaid, Some(_)) => true,
    };
    if is_refused {
        return Err(Failure::CrossOrigin);
    }
    if unasked.is_some() && !live && !csrf(headers) {
        return Err(Failure::Csrf);
    }
    Ok(())
}

/// Returns what `request` carries to prove who sends it: a token before the word of a proxy, and that
/// before a cookie, which may be left from before the proxy stood there.
fn claim(login: &LoginSettings, connection: Peer, peer: Peer, request: &Request) -> Claim {
    let mut claim = who::claim(request.headers(), peer.secure);
    if claim == Claim::None && request.uri().path().starts_with(prometheus::BASE) {
        claim = who::basic(request.headers());
    }
    if matches!(claim, Claim::Header(_)) {
        return claim;
    }
    let user = login.proxies.user(connection, request.headers());
    user.map_or(claim, Claim::Proxy)
}

/// Returns whether everybody may do everything from where `request` comes.
///
/// A page of somebody else can have its own name lead to this machine, and then speak to this server from
/// the browser of whoever looks at it. So the name that was asked for must be one that nobody else can
/// give: an address, `localhost`, or one that the configuration or the machine itself says it has. And what
/// has come through something else, which says so, does not come from this machine.
fn is_open(config: &WebConfig, login: &LoginSettings, connection: Peer, request: &Request) -> bool {
    let headers = request.headers();
    // A proxy of this machine may leave no trace in what it passes on.
    let here = connection.address.to_canonical().is_loopback()
        && !login.proxies.are(connection.address)
        && !proxy::has_traces(headers);
    let from_there = match login.open {
        Open::No => false,
        Open::ThisMachine => here,
        Open::Everybody => true,
    };
    let host = peer::authority(request.uri(), headers).map(peer::host).unwrap_or_default();
    let own = config.addresses.iter().map(|address| peer::host(address));
    let named = host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || own.into_iter().any(|own| own.eq_ignore_ascii_case(host));
    from_there && named
}

fn csrf(headers: &HeaderMap) -> bool {
    headers.get("x-hark-csrf").is_some_and(|value| value == CSRF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Tls;
    use std::net::IpAddr;
    use std::sync::Arc;

    fn config(tls: bool, plain: Plain) -> WebConfig {
        let tls = tls.then(|| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let resolver = rustls::server::ResolvesServerCertUsingSni::new();
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(resolver));
            Tls { config: Arc::new(config), fingerprint: [0; 32] }
        });
        WebConfig {
            tls,
            plain,
            addresses: Vec::new(),
            public_url: String::new(),
            site_name: String::new(),
            outside: Arc::new(crate::outside::Nowhere),
            version: String::new(),
            setup_code: None,
            login: Arc::default(),
        }
    }

    fn request(method: &Method, uri: &str, host: Option<&str>) -> Request {
        let mut builder = Request::builder().method(method).uri(uri);
        if let Some(host) = host {
            builder = builder.header("host", host);
        }
        builder.body(axum::body::Body::empty()).unwrap()
    }

    fn peer(address: [u8; 4], secure: bool) -> Peer {
        Peer { address: IpAddr::from(address), secure }
    }

    #[test]
    fn plain_http_from_afar_is_led_to_https() {
        let config = config(true, Plain::Redirect);
        let ask = request(&Method::GET, "/hosts?q=a", Some("mon.example.net:50004"));
        let answer = transport(&config, peer([192, 0, 2, 1], false), &ask).unwrap().unwrap();
        assert_eq!(answer.status(), 307);
        assert_eq!(answer.headers()["location"], "https://mon.example.net:50004/hosts?q=a");
        assert!(transport(&config, peer([192, 0, 2, 1], true), &ask).unwrap().is_none());
        assert!(transport(&config, peer([127, 0, 0, 1], false), &ask).unwrap().is_none());
    }

    #[test]
    fn a_password_over_plain_http_is_refused_not_led_on() {
        let ask = request(&Method::POST, "/api/0/auth/login", Some("mon.example.net"));
        let refused = transport(&config(true, Plain::Redirect), peer([192, 0, 2, 1], false), &ask);
        assert_eq!(refused.err(), Some(Failure::NeedsTls));
    }

    #[test]
    fn nobody_is_led_to_a_host_that_cannot_be_one() {
        let config = config(true, Plain::Redirect);
        for host in [None, Some("a b"), Some("evil.example/x?"), Some("")] {
            let ask = request(&Method::GET, "/", host);
            let refused = transport(&config, peer([192, 0, 2, 1], false), &ask);
            assert!(matches!(refused, Err(Failure::Malformed(_))), "{host:?}");
        }
    }

    #[test]
    fn where_there_is_no_tls_everybody_is_served() {
        let ask = request(&Method::POST, "/", None);
        for config in [config(false, Plain::Redirect), config(true, Plain::Everywhere)] {
            let passed = transport(&config, peer([192, 0, 2, 1], false), &ask);
            assert!(passed.unwrap().is_none());
        }
    }
}
