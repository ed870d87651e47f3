//! Releases for agents: what is offered, and the files.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use hark_api::updates::Rollout;
use hark_model::HostName;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::Shared;
use crate::extract::Path;
use crate::failure::{Failure, Reply};
use crate::who::Who;

/// The header in which a host says its name.
const HOST: &str = "hark-host";

/// How much of a file is read at once.
const CHUNK: usize = 64 * 1024;

/// Returns which releases are offered to whom, and how many hosts have them.
#[utoipa::path(
    get, path = "/api/0/updates", tag = "agents", responses((status = 200, body = Rollout))
)]
pub(crate) async fn rollout(State(app): State<Shared>, who: Who) -> Reply<Json<Rollout>> {
    app.ask(move |backend| backend.rollout(&who.sight())).await.map(Json)
}

/// Returns a file of a release to the host that the header `Hark-Host` names: 204 if it is not for this host
/// now. It is no secret, and who takes it verifies it.
#[utoipa::path(
    get, path = "/api/0/updates/{name}", tag = "open",
    params(("name" = String, Path, description = "`hark-x86_64-linux`, or that with `.minisig`")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 204, description = "not for this host now"),
    )
)]
pub(crate) async fn file(
    State(app): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Reply<Response> {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let host = host.and_then(|name| HostName::new(name).ok());
    let host = host.ok_or_else(|| Failure::field("Hark-Host", "name the host"))?;
    let place = Arc::clone(&app.downloads).try_acquire_owned().map_err(|_| Failure::Busy)?;
    let path = app.deliver(move |backend| backend.release(&name, &host)).await?;
    let Some(path) = path else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    send(path, place).await.ok_or(Failure::Absent)
}

/// Returns a file piece by piece, with the place that it takes until the last of them.
pub(super) async fn send(path: PathBuf, place: OwnedSemaphorePermit) -> Option<Response> {
    let file = File::open(path).await.ok()?;
    let length = file.metadata().await.ok()?.len();
    // The place is given back when the last piece was read, or nobody reads any more.
    let pieces = stream::unfold((file, place), |(mut file, place)| async {
        let mut piece = vec![0; CHUNK];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Bytes::from(piece)), (file, place)))
            }
            Err(error) => Some((Err(error), (file, place))),
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Some(response)
}
