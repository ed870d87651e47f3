//! The page, embedded: files with their compressed forms, caching, the theme, old addresses.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::failure::Failure;
use crate::who;

/// A file of the page. The start page is there once for each theme.
struct Asset {
    name: &'static str,
    /// The first half of its SHA-256: enough to tell versions apart.
    hash: &'static str,
    raw: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// Every file, by name.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Said where the page should be if it was not built.
const NO_PAGE: &str =
    "<!doctype html><title>hark</title><p>This build has no page: run <code>make build</code>.\n";

/// Addresses of seed 001, and where its views are now. `/login` is a view of its own.
const SEED: [(&str, &str); 3] =
    [("/live", "/hosts"), ("/plugins", "/all-metrics"), ("/alerts", "/incidents")];

/// Answers everything that is not the API.
pub(crate) async fn page(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Failure::NoSuchPath.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = Failure::Method.into_response();
        response
            .headers_mut()
            .insert(header::ALLOW, const { HeaderValue::from_static("GET,HEAD") });
        return response;
    }
    if let Some((_, view)) = SEED.iter().find(|(seed, _)| *seed == path) {
        let mut response = StatusCode::FOUND.into_response();
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(view));
        return response;
    }
    answer(ASSETS, path, request.headers())
}

fn answer(assets: &'static [Asset], path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    // Names with `#` are the start page's themes: chosen below, never by address.
    let asset = find(assets, name).filter(|asset| !asset.name.contains('#'));
    if let Some(asset) = asset {
        return send(asset, headers);
    }
    // A file that is asked for by name and is not there is an error, not the start page: a browser
    // that kept an old page must see that its script is gone.
    let last = name.rsplit('/').next().unwrap_or_default();
    if name.starts_with("assets/") || has_file_suffix(last) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let theme = match who::cookie(headers, "theme") {
        Some("light") => "index.html#light",
        Some("dark") => "index.html#dark",
        _ => "index.html",
    };
    match find(assets, theme) {
        Some(start) => send(start, headers),
        None => html(NO_PAGE),
    }
}

/// Returns true for what is asked for by browsers as files; names of hosts end in anything else.
fn has_file_suffix(name: &str) -> bool {
    const SUFFIXES: [&str; 10] =
        [".js", ".css", ".map", ".woff2", ".svg", ".png", ".ico", ".webmanifest", ".txt", ".html"];
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) && !name.starts_with('.')
}

fn find(assets: &'static [Asset], name: &str) -> Option<&'static Asset> {
    assets.iter().find(|asset| asset.name == name)
}

/// Returns the letters of the page, if this build has one.
pub(crate) fn font() -> Option<&'static [u8]> {
    let font = ASSETS.iter().find(|asset| media_type(asset.name) == "font/woff2");
    font.map(|asset| asset.raw)
}

fn html(text: &'static str) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, text).into_response()
}

fn send(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let (encoding, bytes) = choose(asset, headers);
    // Each form has a tag of its own: to a cache they are different bytes.
    let tag = format!(
        "\"{}{}\"",
        asset.hash,
        encoding.map_or("", |e| if e == "br" { "-br" } else { "-gz" })
    );
    let mut response = if same(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(bytes).into_response()
    };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(asset.name)));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching(asset.name)));
    out.insert(header::VARY, HeaderValue::from_static(vary(asset.name)));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}

fn choose(asset: &Asset, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let accepts = |name: &str| accepts(headers, name);
    match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if accepts("br") => (Some("br"), bytes),
        (_, Some(bytes)) if accepts("gzip") => (Some("gzip"), bytes),
        _ => (None, asset.raw),
    }
}

/// Returns true if the client takes the coding `name`.
pub(crate) fn accepts(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|item| {
            let mut parts = item.split(';');
            let coding = parts.next()?.trim();
            let refused = parts.any(|p| matches!(p.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (!refused).then_some(coding)
        })
        .any(|coding| coding.eq_ignore_ascii_case(name))
}

/// Returns true if the client has what `tag` names.
pub(crate) fn same(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .any(|text| text.trim() == "*" || text.trim().trim_start_matches("W/") == tag)
}

/// Files below `assets/` carry a hash in their name: another content is another name.
fn caching(name: &str) -> &'static str {
    if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

fn vary(name: &str) -> &'static str {
    if name.starts_with("index.html") { "Accept-Encoding, Cookie" } else { "Accept-Encoding" }
}

fn media_type(name: &str) -> &'static str {
    if name.starts_with("index.html") {
        return "text/html; charset=utf-8";
    }
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FILES: [Asset; 4] = [
        Asset {
            name: "index.html",
            hash: "a1",
            raw: b"<html>",
            brotli: Some(b"B"),
            gzip: Some(b"G"),
        },
        Asset {
            name: "index.html#dark",
            hash: "a2",
            raw: b"<html dark>",
            brotli: None,
            gzip: None,
        },
        Asset { name: "assets/x-1.js", hash: "a3", raw: b"x", brotli: None, gzip: Some(b"Z") },
        Asset { name: "favicon.svg", hash: "a4", raw: b"<svg/>", brotli: None, gzip: None },
    ];

    fn get(path: &str, list: &[(header::HeaderName, &'static str)]) -> Response {
        let headers = list
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        answer(&FILES, path, &headers)
    }

    fn tag(response: &Response) -> &str {
        response.headers()[header::ETAG].to_str().unwrap()
    }

    #[test]
    fn views_are_the_start_page() {
        for path in ["/", "/hosts", "/hosts/db1.example.net", "/incidents/7", "/login", "/setup"] {
            let response = get(path, &[]);
            assert_eq!((response.status(), tag(&response)), (StatusCode::OK, "\"a1\""), "{path}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        }
    }

    #[test]
    fn a_missing_file_is_missing() {
        for path in ["/assets/x-0.js", "/assets/", "/robots.txt", "/index.html%23dark.js"] {
            assert_eq!(get(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn hashed_files_are_kept_for_ever() {
        let response = get("/assets/x-1.js", &[]);
        let caching = &response.headers()[header::CACHE_CONTROL];
        assert_eq!(caching, "public, max-age=31536000, immutable");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(get("/favicon.svg", &[]).headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn the_best_accepted_form_is_sent() {
        let encoding = |path, accept| {
            let response = get(path, &[(header::ACCEPT_ENCODING, accept)]);
            let value = response.headers().get(header::CONTENT_ENCODING);
            value.map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(encoding("/", "gzip, deflate, br").as_deref(), Some("br"));
        assert_eq!(encoding("/", "gzip;q=1.0, br;q=0").as_deref(), Some("gzip"));
        assert_eq!(encoding("/", "identity"), None);
        assert_eq!(encoding("/assets/x-1.js", "br, gzip").as_deref(), Some("gzip"));
    }

    #[test]
    fn the_theme_is_in_the_page() {
        assert_eq!(tag(&get("/", &[(header::COOKIE, "theme=dark")])), "\"a2\"");
        assert_eq!(tag(&get("/", &[(header::COOKIE, "theme=\"><script>")])), "\"a1\"");
    }

    #[test]
    fn the_build_wrote_each_theme_once() {
        for asset in ASSETS.iter().filter(|asset| asset.name.starts_with("index.html#")) {
            let text = std::str::from_utf8(asset.raw).unwrap();
            let theme = asset.name.trim_start_matches("index.html#");
            assert_eq!(text.matches("data-theme=").count(), 1, "{theme}");
            assert!(text.contains(&format!("data-theme=\"{theme}\"")), "{theme}");
        }
        // A build without a page has none; one with a page has all three.
        let starts = ASSETS.iter().filter(|asset| asset.name.starts_with("index.html")).count();
        assert_eq!(starts, if ASSETS.is_empty() { 0 } else { 3 });
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let response = get("/", &[(header::IF_NONE_MATCH, "W/\"zz\", \"a1\"")]);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        let other = [(header::IF_NONE_MATCH, "\"a1\""), (header::ACCEPT_ENCODING, "br")];
        assert_eq!(get("/", &other).status(), StatusCode::OK, "another form is another thing");
    }

    #[test]
    fn a_build_without_a_page_says_what_to_run() {
        let response = answer(&[], "/", &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::OK);
        assert!(NO_PAGE.contains("make build"));
    }
}
