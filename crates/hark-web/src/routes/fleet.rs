//! All hosts at once.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::fleet::Fleet;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::app::Shared;
use crate::failure::Reply;
use crate::page;
use crate::who::Who;

/// Returns all hosts by columns; with `If-None-Match`, only if something changed.
#[utoipa::path(
    get, path = "/api/0/fleet", tag = "state",
    responses((status = 200, body = Fleet), (status = 304, description = "Nothing changed."))
)]
pub(crate) async fn fleet(
    State(app): State<Shared>,
    who: Who,
    headers: HeaderMap,
) -> Reply<Response> {
    let fleet = app.ask(move |backend| backend.fleet(&who.sight())).await?;
    let tag = format!("\"{}\"", fleet.etag);
    let mut response = match page::same(&headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Json(fleet).into_response(),
    };
    let out = response.headers_mut();
    out.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("private, no-cache") });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    Ok(response)
}
