//! Where programs bring samples in formats of others.
//!
//! They are known by a token of the configuration, which is good for nothing else, and are no users: no
//! session and no role has to do with them. The token is looked at before the body is.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use axum::routing::post;
use hark_model::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;

use crate::app::Shared;
use crate::backend::{Credentials, Door, Parcel, Receipt};
use crate::extract::{Params, whole};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;

/// Where to: each path as its senders have it by default.
const DOORS: [(&str, Door); 6] = [
    ("/api/v1/write", Door::RemoteWrite),
    ("/api/prom/push", Door::RemoteWrite),
    ("/v1/metrics", Door::Otlp),
    ("/api/v1/otlp/v1/metrics", Door::Otlp),
    ("/write", Door::Influx),
    ("/api/v2/write", Door::Influx),
];

/// The longest body, as it comes.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What a query may say; other words of it are passed over.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Query {
    /// A password.
    p: Option<String>,
    /// The database of version 1 of `InfluxDB`.
    #[serde(default)]
    db: String,
    /// The database of version 2.
    #[serde(default)]
    bucket: String,
    /// In what times are.
    #[serde(default)]
    precision: String,
}

/// Returns whether samples are brought to `path`.
pub(crate) fn is_door(path: &str) -> bool {
    DOORS.iter().any(|(door, _)| *door == path)
}

/// Returns the paths.
pub(crate) fn router() -> Router<Shared> {
    let add = |router: Router<Shared>, (path, door): (&str, Door)| {
        let handler = move |app, peer, query, request| take(door, app, peer, query, request);
        router.route(path, post(handler))
    };
    DOORS.into_iter().fold(Router::new(), add).layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn take(
    door: Door,
    State(app): State<Shared>,
    peer: Peer,
    Params(query): Params<Query>,
    request: Request,
) -> Reply<Response> {
    let credentials = credentials(request.headers(), door, &query);
    let asked = credentials.clone();
    let source = app.ask(move |backend| backend.source(&asked)).await?;
    if source.is_none() {
        // Only who has no token is slowed down. Prometheus gives up what is answered by a 429, and one who
        // guesses behind the same address must not cost it that.
        app.attempt_call(peer.address).map_err(Failure::Limited)?;
        return Err(Failure::NoSource);
    }
    // Without waiting: who is told to come later does so, and keeps what it has.
    let place = app.inlet_places.try_acquire().map_err(|_| Failure::Busy)?;
    let parcel = Parcel {
        door,
        credentials,
        content_type: text(request.headers(), &header::CONTENT_TYPE),
        encoding: text(request.headers(), &header::CONTENT_ENCODING),
        precision: query.precision,
        database: if query.bucket.is_empty() { query.db } else { query.bucket },
        body: whole(request, &app).await?,
    };
    let receipt = app.deliver(move |backend| backend.take_parcel(&parcel)).await?;
    drop(place);
    response(receipt)
}

fn credentials(headers: &HeaderMap, door: Door, query: &Query) -> Credentials {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    Credentials {
        authorization: authorization.map(Secret::new),
        password: query.p.as_deref().filter(|_| door == Door::Influx).map(Secret::new),
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn response(receipt: Receipt) -> Reply<Response> {
    let mut builder = Response::builder().status(receipt.status);
    if let Some(seconds) = receipt.retry_after {
        builder = builder.header(header::RETRY_AFTER, seconds);
    }
    if !receipt.content_type.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, receipt.content_type);
    }
    for (name, value) in receipt.headers {
        let value = HeaderValue::from_str(&value).map_err(|_| Failure::Internal)?;
        builder = builder.header(name, value);
    }
    builder.body(Body::from(receipt.body)).map_err(|_| Failure::Internal)
}
