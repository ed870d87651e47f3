//! Hetzner, by the API of its cloud console, where its zones are since the former DNS console was closed.

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Section};
use hark_model::time::Clock;
use hark_net::Call;
use http::Method;
use serde_json::{Value, json};

use crate::account::{self, Account, AccountWay};
use crate::call::{Answered, CA_FILE, ENDPOINT, PATIENCE};
use crate::name::DnsName;
use crate::way::{Change, Context, Failure, RecordSet, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Hetzner;

pub(super) const KEYS: &[Key] =
    &[account::token("API token of the project, with the right to write."), ENDPOINT, CA_FILE];

impl WayType for Hetzner {
    fn name(&self) -> &'static str {
        "hetzner"
    }

    fn manual(&self) -> &'static str {
        "The API of Hetzner's cloud console. The zone must be a primary one of the token's project."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: {file: /etc/hark/hetzner}\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        let account = Account::read(section, "https://api.hetzner.cloud/v1", "Bearer");
        Some(Arc::new(Api { account: account? }))
    }
}

#[derive(Debug)]
struct Api {
    account: Account,
}

impl AccountWay for Api {
    /// Thirty-six hundred requests an hour are allowed to a project; a change takes up to six.
    const PACE: Duration = Duration::from_secs(6);

    fn account(&self) -> &Account {
        &self.account
    }

    async fn put_all(&self, change: &Change, context: &Context) -> Result<String, Failure> {
        for (n, set) in change.sets().enumerate() {
            self.put(change, set, context).await.map_err(|failure| failure.behind(n))?;
        }
        Ok(String::new())
    }
}

impl Api {
    async fn put(&self, change: &Change, set: RecordSet, context: &Context) -> Result<(), Failure> {
        let name = if change.relative().is_empty() { "@" } else { change.relative() };
        let sets = format!("/zones/{}/rrsets", change.zone);
        let this = format!("{sets}/{name}/{}", set.kind);
        let there = self.ask(Call::new(Method::GET, this.clone()), context).await?;
        let ttl = change.ttl.as_secs();
        let (Some(address), is_there) = (set.address, there.is_some()) else {
            if there.is_some() {
                self.ask(Call::new(Method::DELETE, this), context).await?;
            }
            return Ok(());
        };
        let records = json!([{"value": address.to_string()}]);
        if !is_there {
            let body = json!({"name": name, "type": set.kind, "ttl": ttl, "records": records});
            return self.must(Call::new(Method::POST, sets).json(&body), change, context).await;
        }
        let asked = Call::new(Method::POST, format!("{this}/actions/set_records"));
        self.must(asked.json(&json!({"records": records})), change, context).await?;
        let kept =
            there.as_ref().and_then(|there| there.pointer("/rrset/ttl")).and_then(Value::as_u64);
        if kept != Some(ttl) {
            let asked = Call::new(Method::POST, format!("{this}/actions/change_ttl"));
            self.must(asked.json(&json!({"ttl": ttl})), change, context).await?;
        }
        Ok(())
    }

    async fn must(&self, asked: Call, change: &Change, context: &Context) -> Result<(), Failure> {
        let done = self.ask(asked, context).await?;
        let missing = || Failure::refused(format!("404 the project has no zone {}", change.zone));
        done.map(|_| ()).ok_or_else(missing)
    }

    /// Asks; `None` if there is no such thing.
    async fn ask(&self, asked: Call, context: &Context) -> Result<Option<Value>, Failure> {
        let answer = self.account.call(context, asked).await?;
        if answer.is_good() {
            return Ok(Some(answer.json()));
        }
        if answer.status == 404 {
            return Ok(None);
        }
        Err(failure(&answer))
    }
}

fn failure(answer: &Answered) -> Failure {
    let content = answer.json();
    let said = content.pointer("/error/message").and_then(Value::as_str);
    if answer.status == 429 {
        // It does not say for how long, but when there is room again.
        let reset = answer.headers().get("ratelimit-reset").and_then(|value| value.to_str().ok());
        let reset = reset.and_then(|text| text.trim().parse::<i64>().ok());
        let now = Clock.now().unix.seconds();
        let wait =
            reset.and_then(|at| u64::try_from(at.checked_sub(now)?).ok()).map(Duration::from_secs);
        let text = format!("429 {}", said.unwrap_or("too many requests"));
        return Failure::not_before(wait.unwrap_or(PATIENCE), text);
    }
    // Somebody else changes the same set at the moment.
    if matches!(answer.status, 409 | 423) {
        return Failure::away(format!("{} {}", answer.status, said.unwrap_or("conflict")));
    }
    answer.refusal(said)
}
