//! Amazon Route 53, by its API of 2013-04-01, signed with version 4 of Amazon's signature.
//!
//! A change of several sets is one request and all or nothing. A set can only be taken out as it is, so it is
//! read before.

mod signature;

use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Secret;
use hark_model::time::Clock;
use hark_net::{BoxFuture, Call, encoded, one_line};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use self::signature::{Credentials, sign};
use crate::call::{Answered, CA_FILE, ENDPOINT, MAX_SAID, Service};
use crate::name::DnsName;
use crate::way::{Change, Context, Failure, RecordSet, Way, WayType};

/// The kind of way.
#[derive(Debug)]
pub(super) struct Route53;

pub(super) const KEYS: &[Key] = &[
    Key::new("zone_id", Kind::Text, "Number of the hosted zone, such as Z1D633PJN98FT9.")
        .required(),
    Key::new("access_key", Kind::Text, "Number of the access key.").required(),
    Key::new("secret_key", Kind::Secret, "The access key itself.").required(),
    Key::new("session_token", Kind::Secret, "Token of a session, for a key that is lent."),
    ENDPOINT,
    CA_FILE,
];

const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// Five requests a second are allowed to an account; a change takes up to three.
const PACE: Duration = Duration::from_secs(1);

impl WayType for Route53 {
    fn name(&self) -> &'static str {
        "route53"
    }

    fn manual(&self) -> &'static str {
        "Amazon Route 53. The key needs `route53:ChangeResourceRecordSets` and \
         `route53:ListResourceRecordSets` on this hosted zone, nothing else."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "zone_id: Z1D633PJN98FT9\naccess_key: AKIDEXAMPLE\nsecret_key: {file: /etc/hark/route53}\n"
    }

    fn read(&self, section: &Section<'_>, _zone: &DnsName) -> Option<Arc<dyn Way>> {
        for key in ["zone_id", "access_key", "secret_key"] {
            section.required(key);
        }
        let zone_id = section.opt_str("zone_id").map(|id| id.trim_start_matches("/hostedzone/"));
        let access_key = section.opt_str("access_key").map(str::to_owned);
        let secret_key = section.opt_secret("secret_key");
        let session_token = section.opt_secret("session_token");
        let service = Service::read(section, "https://route53.amazonaws.com");
        Some(Arc::new(Api {
            service: service?,
            zone_id: zone_id?.to_owned(),
            credentials: Credentials {
                access_key: access_key?,
                secret_key: secret_key?,
                session_token,
            },
        }))
    }
}

#[derive(Debug)]
struct Api {
    service: Service,
    zone_id: String,
    credentials: Credentials,
}

impl Way for Api {
    fn target(&self) -> String {
        format!("{}, {}", self.service.origin(), self.zone_id)
    }

    fn secrets(&self) -> Vec<&Secret> {
        let token = self.credentials.session_token.as_ref();
        std::iter::once(&self.credentials.secret_key).chain(token).collect()
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn settle(&self) -> Duration {
        // It says itself that it takes up to a minute.
        Duration::from_secs(10)
    }

    fn publish<'a>(
        &'a self,
        change: &'a Change,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let mut orders = Vec::new();
            for set in change.sets() {
                match set.address {
                    Some(address) => {
                        let value = record_set(
                            &change.name,
                            set.kind,
                            change.ttl.as_secs(),
                            &[address.to_string()],
                        );
                        orders.push(format!("<Change><Action>UPSERT</Action>{value}</Change>"));
                    }
                    None => {
                        if let Some(there) = self.find(change, set, context).await? {
                            orders.push(format!("<Change><Action>DELETE</Action>{there}</Change>"));
                        }
                    }
                }
            }
            if orders.is_empty() {
                return Ok("nothing was there".to_owned());
            }
            let orders = orders.concat();
            let body = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ChangeResourceRecordSetsRequest \
                 xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ChangeBatch><Changes>{orders}\
                 </Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
            );
            let path = format!("/2013-04-01/hostedzone/{}/rrset/", encoded(&self.zone_id));
            let asked = Call::new(Method::POST, path).content(XML, body);
            self.ask(asked, context).await.map(|_| String::new())
        })
    }
}

impl Api {
    /// Returns a set as it stands there, to be taken out.
    async fn find(
        &self,
        change: &Change,
        set: RecordSet,
        context: &Context,
    ) -> Result<Option<String>, Failure> {
        let path = format!(
            "/2013-04-01/hostedzone/{}/rrset?maxitems=1&name={}&type={}",
            encoded(&self.zone_id),
            change.name,
            set.kind
        );
        let answer = self.ask(Call::new(Method::GET, path), context).await?;
        // The list begins where the set would be: the first may be another one.
        let Some(found) = element(&answer.text, "ResourceRecordSet") else { return Ok(None) };
        let name = element(found, "Name").map(|name| DnsName::new(&unescaped(name)));
        let ttl = element(found, "TTL").and_then(|ttl| ttl.trim().parse().ok());
        let (Some(Ok(name)), Some(ttl)) = (name, ttl) else { return Ok(None) };
        if name != change.name || element(found, "Type").map(str::trim) != Some(set.kind) {
            return Ok(None);
        }
        let mut values = Vec::new();
        let mut rest = found;
        while let Some(value) = element(rest, "Value") {
            values.push(value.to_owned());
            rest = rest.split_once("</Value>").map_or("", |(_, rest)| rest);
        }
        Ok(Some(record_set(&name, set.kind, ttl, &values)))
    }

    async fn ask(&self, asked: Call, context: &Context) -> Result<Answered, Failure> {
        let authority = &self.service.origin().authority;
        let content = String::from_utf8_lossy(asked.body());
        let target = format!("{}{}", self.service.base(), asked.path());
        let now = Clock.now().unix;
        let method = asked.method().as_str();
        let signed = sign(&self.credentials, method, authority, &target, &content, now);
        let mut proof = HeaderMap::new();
        for (name, value) in signed {
            let value = HeaderValue::from_str(&value);
            let value =
                value.map_err(|_| Failure::refused("a key has characters that it cannot have"))?;
            proof.insert(HeaderName::from_static(name), value);
        }
        let answer = self.service.call(context, asked.with_headers(proof)).await?;
        if answer.is_good() { Ok(answer) } else { Err(failure(&answer)) }
    }
}

fn failure(answer: &Answered) -> Failure {
    let code = element(&answer.text, "Code").unwrap_or_default();
    let message = element(&answer.text, "Message").map(unescaped);
    let said = format!("{code} {}", message.unwrap_or_default());
    let text = format!("{} {}", answer.status, one_line(&said, MAX_SAID));
    match code {
        "Throttling" | "ThrottlingException" | "PriorRequestNotComplete" => {
            Failure::not_before(Duration::from_secs(30), text)
        }
        "NoSuchHostedZone" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "AccessDenied" => {
            Failure::refused(text)
        }
        "RequestExpired" => Failure::away(format!("{text}: is the clock right here?")),
        "" => answer.refusal(None),
        _ => answer.refusal(Some(&said)),
    }
}

fn record_set(name: &DnsName, kind: &str, ttl: u64, values: &[String]) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|value| format!("<ResourceRecord><Value>{value}</Value></ResourceRecord>"))
        .collect();
    let values = values.concat();
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>{kind}</Type><TTL>{ttl}</TTL>\
         <ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"
    )
}

/// Returns the content of the first element of this name. The service's documents have no attributes there
/// and nothing nested of the same name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
