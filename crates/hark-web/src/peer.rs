//! Who is at the other end of a connection, and what the request says about where it goes.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Uri, header};

/// The other end of a connection. Put into each request by the accept loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: IpAddr,
    /// The connection is TLS.
    pub(crate) secure: bool,
}

/// Returns the host and port that the request was sent to, if they are written with characters of
/// host names and addresses only.
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let text = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST)?.to_str().ok()?,
    };
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    (!text.is_empty() && text.len() <= 261 && text.chars().all(plain)).then_some(text)
}

/// Returns the name or address in `authority`, without a port.
pub(crate) fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// What the browser says about where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A page of this server.
    Same,
    /// A page of somebody else.
    Other,
    /// Nothing is said: no browser, or an old one.
    Unsaid,
}

/// Returns where a request that was sent to `authority` comes from. The scheme is not compared: a
/// proxy in front may speak TLS for this server, and an attacker who owns port 80 of the very same
/// name owns its cookies as well.
pub(crate) fn origin(headers: &HeaderMap, authority: Option<&str>) -> Origin {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let host = origin.to_str().ok().and_then(|text| {
            text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))
        });
        return match (host, authority) {
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => Origin::Same,
            _ => Origin::Other,
        };
    }
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(b"same-origin" | b"none") => Origin::Same,
        Some(_) => Origin::Other,
        None => Origin::Unsaid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn origins_are_compared_with_the_host() {
        use Origin::{Other, Same, Unsaid};
        let cases: [(&[(&'static str, &'static str)], Origin); 10] = [
            (&[("origin", "https://mon.example.net:50004")], Same),
            (&[("origin", "http://MON.example.net:50004")], Same),
            (&[("origin", "https://mon.example.net")], Other),
            (&[("origin", "https://evil.example")], Other),
            (&[("origin", "null")], Other),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], Other),
            (&[("sec-fetch-site", "same-origin")], Same),
            (&[("sec-fetch-site", "same-site")], Other),
            (&[("sec-fetch-site", "cross-site")], Other),
            (&[], Unsaid),
        ];
        for (list, expected) in cases {
            assert_eq!(origin(&headers(list), Some("mon.example.net:50004")), expected, "{list:?}");
        }
        assert_eq!(origin(&headers(&[("origin", "https://a")]), None), Other);
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (text, expected) in [
            ("mon.example.net:50004", "mon.example.net"),
            ("localhost", "localhost"),
            ("[::1]:50004", "::1"),
            ("192.0.2.1:80", "192.0.2.1"),
        ] {
            assert_eq!(host(text), expected);
        }
    }

    #[test]
    fn a_host_header_with_strange_characters_is_none() {
        let uri = Uri::from_static("/");
        for (host, ok) in [
            ("a.example:1", true),
            ("[::1]:50004", true),
            ("a/b", false),
            ("a@b", false),
            ("", false),
        ] {
            assert_eq!(authority(&uri, &headers(&[("host", host)])).is_some(), ok, "{host:?}");
        }
    }
}
