//! How fast one client may ask: a program that has run wild must not take the server from all others.
//!
//! Each user has a bucket of [`BURST`] requests, which fills again with [`PER_SECOND`]; who proves nothing
//! shares one with his address, of which the same goes with less. Every answer says what is left, so that
//! a client can slow down by itself. What agents bring is not counted here: their number is that of the
//! hosts, and they have bounds of their own ([`crate::app`]).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hark_model::{Mono, UserName};
use http::{HeaderName, HeaderValue};

use crate::app::Shared;
use crate::auth::limit::prefix;
use crate::failure::Failure;
use crate::peer::Peer;
use crate::routes::inlets;
use crate::who::Who;

/// Requests of a user at once: an office whose people have all pages open, after a restart of the server.
const BURST: u32 = 3000;
/// Requests of a user for good: a page that is used asks a few in a second, a script that reads the
/// hosts of a large fleet one by one some dozens.
const PER_SECOND: u32 = 100;
/// As [`BURST`], of an address that proves nothing: people who log in, services that call.
const STRANGER_BURST: u32 = 300;
/// As [`PER_SECOND`].
const STRANGER_PER_SECOND: u32 = 10;
/// Buckets kept: users are few, and addresses beyond this many have others of their kind forgotten.
const MAX_BUCKETS: usize = 20_000;

/// What the client has left: <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>.
pub(crate) const LEFT: HeaderName = HeaderName::from_static("ratelimit");
/// How much it has in all.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Paths whose callers have bounds of their own.
const AGENTS: [&str; 3] = ["/api/0/agent/", "/api/0/agents/enrol", "/api/0/updates/"];

/// Where strangers are expected. What they get is kept ready, but sending it costs as well.
const STATUS: &str = "/status/";

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Client {
    User(UserName),
    Stranger(IpAddr),
}

/// How much a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    burst: u32,
    per_second: u32,
}

impl Client {
    fn share(&self) -> Share {
        match self {
            Self::User(_) => Share { burst: BURST, per_second: PER_SECOND },
            Self::Stranger(_) => Share { burst: STRANGER_BURST, per_second: STRANGER_PER_SECOND },
        }
    }
}

/// What is used of a share.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    used: f64,
    at: Mono,
}

impl Bucket {
    fn used(self, share: Share, now: Mono) -> f64 {
        let drained = now.since(self.at).as_secs_f64() * f64::from(share.per_second);
        (self.used - drained).max(0.0)
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted {
    share: Share,
    /// How many more may come at once.
    left: u32,
    /// How long until the next may come, if this one may not.
    wait: Option<Duration>,
}

/// Counts requests.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<BTreeMap<Client, Bucket>>);

impl Pace {
    fn count(&self, client: Client, now: Mono) -> Counted {
        let share = client.share();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&client) {
            make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(client).or_insert(Bucket { used: 0.0, at: now });
        let used = bucket.used(share, now);
        let over = used + 1.0 - f64::from(share.burst);
        if over > 0.0 {
            let wait = Duration::from_secs_f64(over / f64::from(share.per_second));
            return Counted { share, left: 0, wait: Some(wait) };
        }
        *bucket = Bucket { used: used + 1.0, at: now };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the burst, as has just been seen"
        )]
        let left = (-over) as u32;
        Counted { share, left, wait: None }
    }
}

/// Drops the buckets that are empty, and where there are none all those of strangers: somebody with so
/// many addresses is not held by any of them.
fn make_room(buckets: &mut BTreeMap<Client, Bucket>, now: Mono) {
    buckets.retain(|client, bucket| bucket.used(client.share(), now) > 0.0);
    if buckets.len() >= MAX_BUCKETS {
        buckets.retain(|client, _| matches!(client, Client::User(_)));
    }
}

/// Lets `request` pass, or says when to come again.
pub(crate) async fn pace(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let Some(client) = client(&request) else { return next.run(request).await };
    let counted = app.pace.count(client, app.now().mono);
    let mut response = match counted.wait {
        None => next.run(request).await,
        Some(wait) => Failure::TooFast(wait).into_response(),
    };
    tell(&mut response, counted);
    response
}

/// Says in `response` what is left.
fn tell(response: &mut Response, counted: Counted) {
    let Share { burst, per_second } = counted.share;
    let (left, window) = (counted.left, burst.div_ceil(per_second));
    let headers = response.headers_mut();
    for (name, text) in [
        (POLICY, format!("\"requests\";q={burst};w={window}")),
        (LEFT, format!("\"requests\";r={left};t={}", (burst - left).div_ceil(per_second))),
    ] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// Returns whose the request is; none if it is not counted. A stranger from this machine is a proxy, which
/// speaks for many.
fn client(request: &Request) -> Option<Client> {
    let path = request.uri().path();
    let is_counted = path.starts_with("/api/") || path.starts_with(STATUS);
    let is_counted = is_counted && !inlets::is_door(path);
    if !is_counted || AGENTS.iter().any(|start| path.starts_with(start)) {
        return None;
    }
    if let Some(who) = request.extensions().get::<Who>() {
        return Some(Client::User(who.name().clone()));
    }
    let peer = request.extensions().get::<Peer>()?;
    let is_near = peer.address.to_canonical().is_loopback();
    (!is_near).then(|| Client::Stranger(prefix(peer.address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mira() -> Client {
        Client::User(UserName::new("mira").unwrap())
    }

    #[test]
    fn a_user_has_a_burst_and_then_so_many_a_second() {
        let pace = Pace::default();
        let start = Mono(1_000_000);
        let passed = (0..5000).filter(|_| pace.count(mira(), start).wait.is_none()).count();
        assert_eq!(passed, 3000);
        let refused = pace.count(mira(), start);
        assert_eq!((refused.left, refused.wait), (0, Some(Duration::from_millis(10))));
        let later = start + Duration::from_secs(2);
        let passed = (0..5000).filter(|_| pace.count(mira(), later).wait.is_none()).count();
        assert_eq!(passed, 200);
        assert_eq!(pace.count(mira(), start + Duration::from_mins(1)).left, 2999);
    }

    #[test]
    fn who_asks_too_fast_is_told_when_to_come_again() {
        let pace = Pace::default();
        let last = (0..3001).map(|_| pace.count(mira(), Mono(5))).last().unwrap();
        let wait = last.wait.unwrap();
        let mut response = Failure::TooFast(wait).render("ab");
        tell(&mut response, last);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()[LEFT], "\"requests\";r=0;t=30");
    }

    #[test]
    fn one_who_asks_too_fast_does_not_slow_others_down() {
        let pace = Pace::default();
        let stranger = |n: u8| Client::Stranger(IpAddr::from([192, 0, 2, n]));
        let passed = (0..500).filter(|_| pace.count(stranger(1), Mono(5)).wait.is_none()).count();
        assert_eq!(passed, 300);
        assert_eq!(pace.count(stranger(2), Mono(5)).wait, None);
        assert_eq!(pace.count(mira(), Mono(5)).wait, None);
    }

    #[test]
    fn strangers_with_many_addresses_do_not_fill_the_memory_and_take_no_users_place() {
        let pace = Pace::default();
        let all = (0..3000).filter(|_| pace.count(mira(), Mono(5)).wait.is_none()).count();
        assert_eq!(all, 3000);
        for n in 0..50_000_u32 {
            pace.count(Client::Stranger(IpAddr::from(n.to_be_bytes())), Mono(5));
        }
        assert!(pace.0.lock().unwrap().len() <= MAX_BUCKETS);
        assert!(pace.count(mira(), Mono(5)).wait.is_some(), "what she has used is still known");
    }
}
