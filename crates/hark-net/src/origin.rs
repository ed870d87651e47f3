//! The first part of a web address: with whom to speak, and how.

use std::fmt;

/// Scheme, host and port of a web address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// True for `https`.
    pub secure: bool,
    /// The host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The value of the header `Host`.
    pub authority: String,
}

impl Origin {
    /// Takes `address` apart: its origin, and the path and query, which begin with a slash, a question
    /// mark or a hash, or are empty.
    ///
    /// # Errors
    /// Why it is no web address, for people.
    pub fn split(address: &str) -> Result<(Self, &str), String> {
        let Some((scheme, rest)) = address.split_once("://") else {
            return Err("a web address begins with https:// or http://".to_owned());
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            other => return Err(format!("`{other}` is not http or https")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err("a web address needs a host".to_owned());
        }
        if authority.contains('@') {
            return Err("no name or password here: use `headers: {Authorization: …}`".to_owned());
        }
        let parsed: http::uri::Authority =
            authority.parse().map_err(|error| format!("this has no valid host: {error}"))?;
        let origin = Self {
            secure,
            host: parsed.host().trim_matches(['[', ']']).to_owned(),
            port: parsed.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.to_owned(),
        };
        Ok((origin, path))
    }

    /// Returns `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        for (text, host, port, path) in [
            ("https://a.example", "a.example", 443, ""),
            ("http://a.example/b?c", "a.example", 80, "/b?c"),
            ("http://a.example?c", "a.example", 80, "?c"),
            ("https://[2001:db8::1]:8443/", "2001:db8::1", 8443, "/"),
        ] {
            let (origin, rest) = Origin::split(text).unwrap();
            assert_eq!((origin.host.as_str(), origin.port, rest), (host, port, path), "{text}");
            assert_eq!(format!("{origin}{rest}"), text);
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, why) in [
            ("a.example", "begins with"),
            ("ftp://a.example", "`ftp` is not"),
            ("https:///b", "needs a host"),
            ("https://me:secret@a.example", "no name or password"),
            ("https://a b/", "no valid host"),
        ] {
            let error = Origin::split(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
