//! Asking those who vouch for users.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hark_checks::directory::{Directory, Groups, Way};
use hark_model::Secret;
use hark_net::{Call, Client, Resolver, Tls, Trust};
use hark_web::{Fetch, Fetched, LdapSettings, LdapWay, Person};
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

    fn person<'a>(
        &'a self,
        directory: &'a LdapSettings,
        name: &'a str,
        password: &'a Secret,
    ) -> BoxFuture<'a, Result<Option<Person>, String>> {
        Box::pin(async move {
            let found = read(directory).log_in(&*self.resolver, name, password).await;
            let found = found.map_err(|error| super::chain(&error))?;
            Ok(found.map(|person| Person {
                id: person.id,
                name: person.name,
                full_name: person.full_name,
                groups: person.groups.into_iter().collect(),
            }))
        })
    }
}

/// Returns a directory as it is asked.
fn read(settings: &LdapSettings) -> Directory {
    Directory {
        host: settings.host.clone(),
        port: settings.port,
        way: match settings.way {
            LdapWay::Tls => Way::Tls,
            LdapWay::StartTls => Way::StartTls,
            LdapWay::Plain => Way::Plain,
        },
        tls: Tls::new(Trust::of_settings(settings.ca_file.as_deref(), false)),
        reader: settings.bind.clone(),
        base: settings.base.clone(),
        filter: settings.filter.clone(),
        id: settings.id_attribute.clone(),
        name: settings.name_attribute.clone(),
        full_name: settings.full_name_attribute.clone(),
        member_of: settings.member_of.clone(),
        groups: settings.groups.as_ref().map(|groups| Groups {
            base: groups.base.clone(),
            filter: groups.filter.clone(),
            name: groups.attribute.clone(),
            is_nested: groups.are_nested,
        }),
        timeout: settings.timeout,
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
