//! All hosts at once.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hark_api::fleet::Fleet;
use hark_model::HostName;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::app::Shared;
use crate::auth::token;
use crate::backend::Sight;
use crate::failure::Reply;
use crate::packed;
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
    let sight = who.sight();
    let mut fleet = app
        .ask({
            let sight = sight.clone();
            move |backend| backend.fleet(&sight)
        })
        .await?;
    fleet.etag.push_str(&suffix(&sight));
    let mut tag = format!("\"{}\"", fleet.etag);
    let mut response = if page::same(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if page::accepts(&headers, "gzip") {
        // Not the same bytes as without, which a strong version would promise.
        tag = format!("W/{tag}");
        let json = const { HeaderValue::from_static("application/json") };
        let gzip = const { HeaderValue::from_static("gzip") };
        let coded = [(header::CONTENT_TYPE, json), (header::CONTENT_ENCODING, gzip)];
        (coded, packed::fleet(&app, fleet).await?).into_response()
    } else {
        Json(fleet).into_response()
    };
    let out = response.headers_mut();
    out.insert(header::VARY, const { HeaderValue::from_static("Accept-Encoding") });
    out.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("private, no-cache") });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Returns what the tag of an answer ends in: two users see different fleets of the same revision, and
/// a browser in which one follows the other must not show him the former's.
fn suffix(sight: &Sight) -> String {
    match sight {
        Sight::Everything => String::new(),
        Sight::Hosts(hosts) => {
            let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            format!("-{}", token::id(&token::hash(names.join("\n").as_bytes())))
        }
    }
}
