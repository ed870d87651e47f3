//! Names of hosts that are a status page's own: under them there is that page, and nothing else of hark.
//!
//! The name is what the browser says, so this keeps nothing from anybody who wants it; it keeps the way to
//! log in off an address that is for strangers.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Uri;

use crate::app::Shared;
use crate::peer;

/// The page whose own name a request was sent to. Put into the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnName(pub(crate) String);

/// What pages load that is the same for all of them.
const COMMON: [&str; 3] = ["/status.css", "/status.js", "/status.woff2"];

/// Has `request` be about the page whose own name it was sent to.
pub(crate) async fn site(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let sites = app.backend.status_sites();
    let authority = peer::authority(request.uri(), request.headers());
    let host = authority.map(peer::host).unwrap_or_default();
    let is_own = |domain: &String| domain.eq_ignore_ascii_case(host);
    if let Some(site) = sites.sites.iter().find(|site| site.domains.iter().any(is_own)) {
        let path = within(&site.slug, request.uri().path());
        if let Some(uri) = moved(request.uri(), &path) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(OwnName(site.slug.clone()));
    }
    next.run(request).await
}

/// Returns where something of the page lies for hark.
fn within(slug: &str, path: &str) -> String {
    let own = format!("/status/{slug}");
    let rest =
        path.strip_prefix(&own).filter(|rest| rest.is_empty() || rest.starts_with(['/', '.']));
    if rest.is_some() || COMMON.contains(&path) {
        return path.to_owned();
    }
    match path {
        "/" => own,
        "/status.json" => format!("{own}.json"),
        // One that the page does not have is none of hark's either: it stays below the page.
        path => format!("{own}{path}"),
    }
}

fn moved(uri: &Uri, path: &str) -> Option<Uri> {
    let rest = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_under_a_pages_own_name_is_the_page() {
        for (path, expected) in [
            ("/", "/status/x"),
            ("/status/x", "/status/x"),
            ("/status/x.json", "/status/x.json"),
            ("/status.json", "/status/x.json"),
            ("/status/x/feed.atom", "/status/x/feed.atom"),
            ("/feed.atom", "/status/x/feed.atom"),
            ("/status.css", "/status.css"),
            ("/status/xy", "/status/x/status/xy"),
            ("/api/0/hosts", "/status/x/api/0/hosts"),
            ("/login", "/status/x/login"),
        ] {
            assert_eq!(within("x", path), expected);
        }
    }

    #[test]
    fn what_is_asked_of_it_is_kept() {
        let uri = moved(&Uri::from_static("https://a.example/?token=t"), "/status/x").unwrap();
        assert_eq!(uri.to_string(), "https://a.example/status/x?token=t");
    }
}
