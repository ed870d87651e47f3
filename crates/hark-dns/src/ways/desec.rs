//! deSEC, by its REST API: all records of a name in one request, all or nothing.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_net::BoxFuture;
use http::Method;
use serde_json::{Value, json};

use crate::call::{Asked, CA_FILE, ENDPOINT, Service};
use crate::name::DnsName;
use crate::way::{Change, Context, Failure, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Desec;

pub(super) const KEYS: &[Key] =
    &[Key::new("token", Kind::Secret, "Token of the account.").required(), ENDPOINT, CA_FILE];

/// Fifteen writes a minute are allowed for a domain.
const PACE: Duration = Duration::from_secs(4);

impl WayType for Desec {
    fn name(&self) -> &'static str {
        "desec"
    }

    fn manual(&self) -> &'static str {
        "deSEC's REST API. The zone is the domain of the account. Most accounts have a shortest time to live \
         of one hour: say `ttl: 1h`, or deSEC refuses the record and says so."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: {file: /etc/hark/desec}\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        section.required("token");
        let token = section.opt_secret("token");
        let service = Service::read(section, "https://desec.io/api/v1");
        Some(Arc::new(Api { service: service?, token: token? }))
    }
}

#[derive(Debug)]
struct Api {
    service: Service,
    token: Secret,
}

impl Way for Api {
    fn target(&self) -> String {
        self.service.origin().to_string()
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.token]
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            // An empty list of records takes the set out.
            let sets: Vec<Value> = change
                .sets()
                .map(|set| {
                    json!({
                        "subname": change.relative(),
                        "type": set.kind,
                        "ttl": change.ttl.as_secs(),
                        "records": set.address.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let path = format!("/domains/{}/rrsets/", change.zone);
            let asked = Asked::new(Method::PATCH, path).json(&Value::Array(sets));
            let asked = asked.authorized("Token", self.token.expose())?;
            let answer = self.service.call(context, asked).await?;
            if answer.is_good() {
                return Ok(String::new());
            }
            let content = answer.json();
            let said = content.get("detail").and_then(Value::as_str);
            if answer.status == 404 {
                let text = format!("404 the account has no domain {}", change.zone);
                return Err(Failure::refused(text));
            }
            Err(answer.refusal(said))
        })
    }
}
