//! A proxy between here and a web address.
//!
//! Source: RFC 9110, section 9.3.6 (CONNECT); RFC 9112, section 3.2.2 (absolute form).

use hark_config::Section;
use hark_net::Origin;
use http::header::PROXY_AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::{Missed, basic};
use crate::link::Link;
use crate::net::{chain, host_port};

/// Bound on one line of the proxy's answer.
const MAX_LINE: usize = 4096;

/// Bound on the lines of it.
const MAX_LINES: usize = 64;

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) origin: Origin,
    login: Option<HeaderValue>,
}

impl Proxy {
    /// Reads the setting `proxy`.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let secret = section.opt_secret("proxy")?;
        match Self::parse(secret.expose()) {
            Ok(proxy) => Some(proxy),
            Err(why) => {
                section.error("proxy", why);
                None
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("a proxy begins with http://")?;
        if scheme != "http" {
            return Err(format!("`{scheme}` is no kind of proxy that is known; http is"));
        }
        let (login, host) = match rest.rsplit_once('@') {
            Some((login, host)) => (Some(login), host),
            None => (None, rest),
        };
        let address = format!("http://{host}");
        let (origin, path) = Origin::split(&address)?;
        if !matches!(path, "" | "/") {
            return Err("a proxy has no path".to_owned());
        }
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            basic(user, password)
        });
        Ok(Self { origin, login })
    }

    /// Adds what the proxy wants to know to the headers of a request that it forwards.
    pub(super) fn introduce(&self, headers: &mut HeaderMap) {
        headers.extend(self.login.clone().map(|login| (PROXY_AUTHORIZATION, login)));
    }

    /// Has the proxy connect `link` to `origin`.
    pub(super) async fn tunnel(&self, link: &mut Link, origin: &Origin) -> Result<(), Missed> {
        let to = host_port(&origin.host, origin.port);
        let login = self.login.as_ref().and_then(|login| login.to_str().ok());
        let login = login.map_or(String::new(), |l| format!("Proxy-Authorization: {l}\r\n"));
        let words = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n");
        let barred = |why: String| Missed::Barred { why: format!("the proxy {why}") };
        let failed = |error: std::io::Error| barred(format!("gave no answer: {}", chain(&error)));
        link.send(words.as_bytes()).await.map_err(failed)?;
        let first = link.line(MAX_LINE).await.map_err(failed)?;
        let is_through = first.split(' ').nth(1).is_some_and(|code| code.starts_with('2'));
        if !is_through {
            return Err(barred(format!("refuses {to}: {first}")));
        }
        for _ in 0..MAX_LINES {
            if link.line(MAX_LINE).await.map_err(failed)?.is_empty() {
                return Ok(());
            }
        }
        Err(barred("says too much".to_owned()))
    }
}
