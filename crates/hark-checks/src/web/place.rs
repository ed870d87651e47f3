//! A web address, taken apart.

use hark_net::Origin;
use http::Uri;

/// Where to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// With whom to speak.
    pub(crate) origin: Origin,
    /// Path and query.
    pub(crate) path: Uri,
}

impl Place {
    /// Reads an address.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (origin, path) = Origin::split(text)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}").parse();
        Ok(Self { origin, path: path.map_err(|error| format!("not a web address: {error}"))? })
    }

    /// Returns it as people write it.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }

    /// Returns where `location` leads from here (RFC 3986, without the dots in paths, which servers
    /// resolve themselves).
    ///
    /// # Errors
    /// If it leads nowhere, for people.
    pub(crate) fn follow(&self, location: &str) -> Result<Self, String> {
        let location = location.split('#').next().unwrap_or_default();
        if location.contains("://") {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.origin.scheme()));
        }
        let path = self.path.path();
        let folder = path.rfind('/').map_or("/", |at| path.split_at(at + 1).0);
        let absolute = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some(_) => format!("{folder}{location}"),
            None => return Err("the redirect leads nowhere".to_owned()),
        };
        Self::parse(&format!("{}{absolute}", self.origin))
    }
}
