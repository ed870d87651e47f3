//! Cookies of one run, for the host that set them.
//!
//! Source: RFC 6265, as far as a flow needs it: names and values; paths, dates and domains are not looked
//! at, since a run lasts seconds and goes to hosts that a person has named.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::SET_COOKIE;

/// Most cookies of a host.
const MAX_COOKIES: usize = 50;

/// Longest cookie; browsers take as much.
const MAX_LENGTH: usize = 4096;

/// The cookies that were set.
#[derive(Debug, Default)]
pub(super) struct Cookies(BTreeMap<String, BTreeMap<String, String>>);

impl Cookies {
    /// Keeps what an answer of `host` sets. An empty value, or an age of nothing, takes a cookie away.
    pub(super) fn keep(&mut self, host: &str, headers: &HeaderMap) {
        let kept = self.0.entry(host.to_owned()).or_default();
        for header in headers.get_all(SET_COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            let (cookie, attributes) = text.split_once(';').unwrap_or((text, ""));
            let Some((name, value)) = cookie.split_once('=') else { continue };
            let (name, value) = (name.trim(), value.trim());
            let is_over = attributes
                .split(';')
                .any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
            if value.is_empty() || is_over {
                kept.remove(name);
            } else if cookie.len() <= MAX_LENGTH && kept.len() < MAX_COOKIES && !name.is_empty() {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Returns the header for a request to `host`.
    pub(super) fn of(&self, host: &str) -> Option<String> {
        let kept = self.0.get(host).filter(|kept| !kept.is_empty())?;
        let pairs: Vec<String> =
            kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_go_back_to_their_host_alone_until_they_are_taken_away() {
        let mut cookies = Cookies::default();
        let set = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(SET_COOKIE, value.parse().unwrap());
            }
            headers
        };
        cookies.keep("a", &set(&["sid=1; Path=/; HttpOnly", "lang=de"]));
        assert_eq!(cookies.of("a").unwrap(), "lang=de; sid=1");
        assert_eq!(cookies.of("b"), None);
        cookies.keep("a", &set(&["sid=; Max-Age=0", "lang=en", "nonsense"]));
        assert_eq!(cookies.of("a").unwrap(), "lang=en");
    }
}
