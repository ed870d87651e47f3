//! What vouches for users elsewhere, as one narrow trait: this crate opens no connection.
//!
//! The binary implements [`Outside`]; tests implement it in memory. It carries questions and answers and
//! decides nothing about them.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hark_model::Secret;

use crate::login::LdapSettings;

/// One question to a web service.
#[derive(Clone)]
pub struct Fetch {
    /// Where.
    pub url: String,
    /// What is posted, as a form; without, it is a reading request.
    pub form: Option<Vec<(String, String)>>,
    /// The value of the header `Authorization`.
    pub authorization: Option<Secret>,
    /// File with the authorities that vouch for the service.
    pub ca_file: Option<String>,
}

/// Shows where, and nothing of what is sent.
impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a web service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The status.
    pub status: u16,
    /// The body; at most a megabyte, or the answer is an error.
    pub body: Bytes,
}

/// Whom a directory knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What it calls him for ever.
    pub id: String,
    /// The name to log in with.
    pub name: String,
    /// The name for people.
    pub full_name: String,
    /// His groups.
    pub groups: BTreeSet<String>,
}

/// Reaches other servers.
pub trait Outside: fmt::Debug + Send + Sync + 'static {
    /// Asks a web service, within a time limit. Redirects are not followed. An error is in words for the
    /// log, and holds no secret.
    fn fetch(&self, fetch: Fetch) -> BoxFuture<'_, Result<Fetched, String>>;

    /// Asks a directory whose name and password these are; `None` if nobody's. An error is as that of
    /// [`Outside::fetch`].
    fn person<'a>(
        &'a self,
        directory: &'a LdapSettings,
        name: &'a str,
        password: &'a Secret,
    ) -> BoxFuture<'a, Result<Option<Person>, String>>;
}

/// Reaches nobody: for servers without providers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Outside for Nowhere {
    fn fetch(&self, _: Fetch) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(std::future::ready(Err("this server asks nobody".to_owned())))
    }

    fn person<'a>(
        &'a self,
        _: &'a LdapSettings,
        _: &'a str,
        _: &'a Secret,
    ) -> BoxFuture<'a, Result<Option<Person>, String>> {
        Box::pin(std::future::ready(Err("this server asks nobody".to_owned())))
    }
}
