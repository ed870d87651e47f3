//! Asking those who vouch for users.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hark_net::{Call, Client, Resolver, Tls, Trust};
use hark_web::{Fetch, Fetched};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method};

/// How long one question may take: a person waits for it, and a log-in needs up to four.
const TIMEOUT: Duration = Duration::from_secs(6);

/// The longest answer: the keys of a provider with hundreds of them.
const MAX_ANSWER: usize = 1024 * 1024;

/// Asks by this server's own ways.
#[derive(Debug)]
pub(super) struct Outside {
    /// Turns names into addresses.
    pub(super) resolver: Arc<Resolver>,
}

impl hark_web::Outside for Outside {
    fn fetch(&self, fetch: Fetch) -> BoxFuture<'_, Result<Fetched, String>> {
        Box::pin(self.ask(fetch))
    }
}

impl Outside {
    async fn ask(&self, fetch: Fetch) -> Result<Fetched, String> {
        let Fetch { url, form, authorization, ca_file } = fetch;
        let tls = Tls::new(Trust::of_settings(ca_file.as_deref(), false));
        let client = Client::at(&url, tls)?.reading(MAX_ANSWER);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(secret) = &authorization {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| "a secret has characters that it cannot have".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let call = match &form {
            None => Call::new(Method::GET, ""),
            Some(fields) => {
                let fields: Vec<(&str, &str)> =
                    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                Call::post_form("", &fields)
            }
        };
        let reply = client.bearing(headers).call(&*self.resolver, call, TIMEOUT).await;
        let reply = reply.map_err(|error| super::chain(&error))?;
        if !reply.is_whole {
            return Err("the answer is too long, or was cut".to_owned());
        }
        Ok(Fetched { status: reply.status.as_u16(), body: reply.body.into() })
    }
}
