//! Cloudflare, by its API of version 4.
//!
//! It knows single records, not sets: those of a name are listed, one is changed or made, the others go.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_net::{Call, encoded};
use http::Method;
use serde_json::{Value, json};

use crate::account::{self, Account, AccountWay};
use crate::call::{Answered, CA_FILE, ENDPOINT};
use crate::name::DnsName;
use crate::way::{Change, Context, Failure, RecordSet, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Cloudflare;

pub(super) const KEYS: &[Key] = &[
    account::token("API token with the right `Zone.DNS: Edit` for this zone alone."),
    Key::new(
        "zone_id",
        Kind::Text,
        "Number of the zone; without it the token must be able to list zones.",
    ),
    Key::new(
        "proxied",
        Kind::Bool,
        "Lead visitors over Cloudflare: name servers then say other addresses.",
    )
    .default("false"),
    ENDPOINT,
    CA_FILE,
];

/// The time to live that the service takes at least; 1 would be its own choice.
const LEAST_TTL: u64 = 60;

impl WayType for Cloudflare {
    fn name(&self) -> &'static str {
        "cloudflare"
    }

    fn manual(&self) -> &'static str {
        "Cloudflare's API of version 4, with an API token (not the global key). The shortest time to live \
         is 60 s. With `proxied` its name servers say other addresses than were published, so say \
         `verify: false` as well."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: {file: /etc/hark/cloudflare}\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        let account = Account::read(section, "https://api.cloudflare.com/client/v4", "Bearer");
        let zone_id = section.opt_str("zone_id").map(str::to_owned);
        let proxied = section.bool("proxied", false);
        Some(Arc::new(Api { account: account?, zone_id, proxied }))
    }
}

#[derive(Debug)]
struct Api {
    account: Account,
    zone_id: Option<String>,
    proxied: bool,
}

impl AccountWay for Api {
    /// Twelve hundred requests in five minutes are allowed to a user; a change takes up to six.
    const PACE: Duration = Duration::from_millis(1500);

    fn account(&self) -> &Account {
        &self.account
    }

    async fn put_all(&self, change: &Change, context: &Context) -> Result<String, Failure> {
        let zone = match &self.zone_id {
            Some(zone) => zone.clone(),
            None => self.find_zone(&change.zone, context).await?,
        };
        for (n, set) in change.sets().enumerate() {
            self.put(&zone, change, set, context).await.map_err(|failure| failure.behind(n))?;
        }
        Ok(String::new())
    }
}

impl Api {
    async fn find_zone(&self, zone: &DnsName, context: &Context) -> Result<String, Failure> {
        let found =
            self.ask(Call::new(Method::GET, format!("/zones?name={zone}")), context).await?;
        let id = found.pointer("/0/id").and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| {
            Failure::refused(format!("the token sees no zone {zone}: give `zone_id`"))
        })
    }

    async fn put(
        &self,
        zone: &str,
        change: &Change,
        set: RecordSet,
        context: &Context,
    ) -> Result<(), Failure> {
        let records = format!("/zones/{}/dns_records", encoded(zone));
        let list = format!("{records}?type={}&name={}", set.kind, change.name);
        let found = self.ask(Call::new(Method::GET, list), context).await?;
        let ids: Vec<&str> = found
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|record| record.get("id").and_then(Value::as_str))
            .collect();
        let mut others = &ids[..];
        if let Some(address) = set.address {
            let body = json!({
                "type": set.kind,
                "name": change.name.as_str(),
                "content": address.to_string(),
                "ttl": change.ttl.as_secs().max(LEAST_TTL),
                "proxied": self.proxied,
            });
            let asked = match ids.split_first() {
                Some((first, rest)) => {
                    others = rest;
                    Call::new(Method::PUT, format!("{records}/{}", encoded(first)))
                }
                None => Call::new(Method::POST, records.clone()),
            };
            self.ask(asked.json(&body), context).await?;
        }
        for id in others {
            let gone = Call::new(Method::DELETE, format!("{records}/{}", encoded(id)));
            self.ask(gone, context).await?;
        }
        Ok(())
    }

    /// Asks, and returns what the answer has under `result`.
    async fn ask(&self, asked: Call, context: &Context) -> Result<Value, Failure> {
        let answer = self.account.call(context, asked).await?;
        let mut content = answer.json();
        if answer.is_good() && content.get("success") == Some(&Value::Bool(true)) {
            return Ok(content.get_mut("result").map(Value::take).unwrap_or_default());
        }
        Err(failure(&answer, &content))
    }
}

fn failure(answer: &Answered, content: &Value) -> Failure {
    let error = content.pointer("/errors/0");
    let code = error.and_then(|error| error.get("code")).and_then(Value::as_i64);
    let said = error.and_then(|error| error.get("message")).and_then(Value::as_str);
    // 6003 and 6111: the header is none; 9109 and 10000: the token is none. Some come with status 400.
    if let Some(6003 | 6111 | 9109 | 10_000) = code {
        return Failure::refused(format!("{} {}", answer.status, said.unwrap_or("wrong token")));
    }
    answer.refusal(said)
}
