//! deSEC, by its REST API: all records of a name in one request, all or nothing.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_net::Call;
use http::Method;
use serde_json::{Value, json};

use crate::account::{self, Account, AccountWay};
use crate::call::{CA_FILE, ENDPOINT};
use crate::name::DnsName;
use crate::way::{Change, Context, Failure, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Desec;

pub(super) const KEYS: &[Key] = &[account::token("Token of the account."), ENDPOINT, CA_FILE];

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
        let account = Account::read(section, "https://desec.io/api/v1", "Token");
        Some(Arc::new(Api { account: account? }))
    }
}

#[derive(Debug)]
struct Api {
    account: Account,
}

impl AccountWay for Api {
    /// Fifteen writes a minute are allowed for a domain.
    const PACE: Duration = Duration::from_secs(4);

    fn account(&self) -> &Account {
        &self.account
    }

    async fn put_all(&self, change: &Change, context: &Context) -> Result<String, Failure> {
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
        let asked = Call::new(Method::PATCH, path).json(&Value::Array(sets));
        let answer = self.account.call(context, asked).await?;
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
    }
}
