//! Each service's way against a server of the test, which looks at every request as the service documents it
//! and answers as it would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hark_config::{Document, NoSecrets, Style};
use hark_net::Resolver;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::TYPES;
use crate::addresses::Addresses;
use crate::name::DnsName;
use crate::way::{Again, Change, Context, Failure, Scope, Way};

/// A request as it came.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// Status, further headers and content.
type Reply = (u16, &'static str, String);

/// A server that answers with what `serve` says.
struct Service {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    _stop: tokio::task::JoinSet<()>,
}

impl Service {
    async fn start(mut serve: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let mut stop = tokio::task::JoinSet::new();
        stop.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let request = loop {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).await.unwrap();
                    bytes.extend(&part[..read]);
                    if let Some(request) = parse(&bytes) {
                        break request;
                    }
                    assert!(read > 0, "a broken request");
                };
                let (status, headers, body) = serve(&request);
                kept.lock().unwrap().push(request);
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, seen, _stop: stop }
    }

    fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

fn parse(bytes: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then(|| Request {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers,
        body: body.to_owned(),
    })
}

/// Makes the way `kind` of these settings.
fn way(kind: &str, settings: &str) -> Arc<dyn Way> {
    let document = Document::single(settings);
    let section = document.root(&NoSecrets);
    let kind = TYPES.iter().find(|known| known.name() == kind).unwrap();
    let way = kind.read(&section, &name("example.net"));
    section.finish(kind.keys());
    assert_eq!(document.diagnostics().render(Style::Plain), "");
    way.unwrap()
}

fn name(text: &str) -> DnsName {
    DnsName::new(text).unwrap()
}

const V6: &str = "2001:db8::1";

fn both() -> Addresses {
    Addresses { v4: Some([192, 0, 2, 1].into()), v6: Some(V6.parse().unwrap()) }
}

fn v4() -> Addresses {
    Addresses { v6: None, ..both() }
}

fn change(set: Addresses, had: Addresses) -> Change {
    let (zone, name) = (name("example.net"), name("web1.example.net"));
    Change { zone, name, ttl: Duration::from_mins(5), set, had }
}

async fn publish(way: &Arc<dyn Way>, set: Addresses, had: Addresses) -> Result<String, Failure> {
    let context = Context::new(Arc::new(Resolver::default()), "test");
    way.publish(&change(set, had), &context).await
}

#[tokio::test]
async fn cloudflare_changes_one_record_and_takes_out_the_others() {
    let found = |kind: &str| match kind {
        "A" => json!([{"id": "r1"}, {"id": "r2"}]),
        _ => json!([]),
    };
    let service = Service::start(move |request| {
        assert_eq!(request.headers["authorization"], "Bearer s3cret");
        let result = match request.line().as_str() {
            "GET /client/v4/zones?name=example.net" => json!([{"id": "z1"}]),
            line if line.starts_with("GET /client/v4/zones/z1/dns_records?type=") => {
                assert!(line.ends_with("&name=web1.example.net"), "{line}");
                found(if line.contains("type=AAAA") { "AAAA" } else { "A" })
            }
            _ => json!({"id": "any"}),
        };
        (200, "", json!({"success": true, "errors": [], "result": result}).to_string())
    })
    .await;
    let settings = format!("token: s3cret\nendpoint: http://{}/client/v4\n", service.address);
    let way = way("cloudflare", &settings);
    publish(&way, both(), Addresses::NONE).await.unwrap();
    let requests = service.requests();
    let lines: Vec<_> = requests.iter().map(Request::line).collect();
    assert_eq!(
        lines[2..4],
        ["PUT /client/v4/zones/z1/dns_records/r1", "DELETE /client/v4/zones/z1/dns_records/r2"]
    );
    let record = json!({"type": "A", "name": "web1.example.net", "content": "192.0.2.1", "ttl": 300,
        "proxied": false});
    assert_eq!(requests[2].json(), record);
    assert_eq!(requests[2].headers["content-type"], "application/json");
    assert_eq!(requests[5].line(), "POST /client/v4/zones/z1/dns_records");
    assert_eq!(
        (&requests[5].json()["type"], &requests[5].json()["content"]),
        (&json!("AAAA"), &json!(V6))
    );
    // A family that is to go.
    publish(&way, Addresses::NONE, v4()).await.unwrap();
    let lines = service.lines();
    assert_eq!(lines.iter().filter(|line| line.starts_with("DELETE")).count(), 2, "{lines:?}");
}

#[tokio::test]
async fn cloudflare_says_why_not() {
    let error = |code: i64, message: &str| {
        json!({"success": false, "errors": [{"code": code, "message": message}], "result": null})
            .to_string()
    };
    let mut answers = vec![
        (200, "", json!({"success": true, "result": []}).to_string()),
        (429, "retry-after: 17\r\n", error(971, "throttled")),
        (403, "", error(9109, "Invalid access token")),
        (400, "", error(6003, "Invalid request headers")),
        (400, "", error(9005, "Content for A record is invalid")),
        (503, "", "<html>".to_owned()),
    ]
    .into_iter();
    let service = Service::start(move |_| answers.next_back().unwrap()).await;
    let settings = format!("token: s3cret\nzone_id: z1\nendpoint: http://{}\n", service.address);
    let with_id = way("cloudflare", &settings);
    let failures = [
        (Scope::Zone, Again::Later, "503 <html>"),
        (Scope::Name, Again::Never, "Content for A record"),
        (Scope::Zone, Again::Never, "Invalid request headers"),
        (Scope::Zone, Again::Never, "Invalid access token"),
        (Scope::Zone, Again::After(Duration::from_secs(17)), "throttled"),
    ];
    for (scope, again, text) in failures {
        let failure = publish(&with_id, v4(), Addresses::NONE).await.unwrap_err();
        assert_eq!((failure.scope, failure.again), (scope, again), "{failure:?}");
        assert!(failure.text.contains(text), "{failure:?}");
    }
    let by_name = way("cloudflare", &settings.replace("zone_id: z1\n", ""));
    let failure = publish(&by_name, v4(), Addresses::NONE).await.unwrap_err();
    assert!(failure.text.contains("the token sees no zone example.net"), "{failure:?}");
}

#[tokio::test]
async fn desec_gets_all_sets_of_a_name_in_one_request() {
    let mut answers = vec![
        (404, "", json!({"detail": "Not found."}).to_string()),
        (401, "", json!({"detail": "Invalid token."}).to_string()),
        (429, "retry-after: 5\r\n", json!({"detail": "Request was throttled."}).to_string()),
        (
            400,
            "",
            json!([{"ttl": ["Ensure this value is greater than or equal to 3600."]}]).to_string(),
        ),
        (200, "", "[]".to_owned()),
    ];
    let service = Service::start(move |request| {
        assert_eq!(request.line(), "PATCH /api/v1/domains/example.net/rrsets/");
        assert_eq!(request.headers["authorization"], "Token s3cret");
        answers.pop().unwrap()
    })
    .await;
    let way =
        way("desec", &format!("token: s3cret\nendpoint: http://{}/api/v1\n", service.address));
    let had = Addresses { v4: None, ..both() };
    publish(&way, v4(), had).await.unwrap();
    assert_eq!(
        service.requests()[0].json(),
        json!([{"subname": "web1", "type": "A", "ttl": 300, "records": ["192.0.2.1"]},
            {"subname": "web1", "type": "AAAA", "ttl": 300, "records": []}])
    );
    let mut failures = Vec::new();
    for _ in 0..4 {
        failures.push(publish(&way, v4(), Addresses::NONE).await.unwrap_err());
    }
    assert!(failures[0].text.contains("greater than or equal to 3600"), "{failures:?}");
    assert_eq!(failures[1].again, Again::After(Duration::from_secs(5)));
    assert_eq!(failures[2], Failure::refused("401 Invalid token."));
    assert!(failures[3].text.contains("no domain example.net"), "{failures:?}");
}

#[tokio::test]
async fn hetzner_makes_changes_and_takes_out_sets() {
    let mut sets: BTreeMap<String, (u64, Value)> = BTreeMap::new();
    let service = Service::start(move |request| {
        assert_eq!(request.headers["authorization"], "Bearer s3cret");
        let base = "/v1/zones/example.net/rrsets";
        let rest = request.target.strip_prefix(base).unwrap().trim_start_matches('/').to_owned();
        let missing =
            (404, "", json!({"error": {"code": "not_found", "message": "no"}}).to_string());
        let done = (201, "", json!({"action": {"status": "running"}}).to_string());
        let Some(key) = ["web1/A", "web1/AAAA"].into_iter().find(|key| {
            rest == *key || rest.strip_prefix(key).is_some_and(|rest| rest.starts_with('/'))
        }) else {
            assert_eq!(request.line(), format!("POST {base}"));
            let body = request.json();
            let key =
                format!("{}/{}", body["name"].as_str().unwrap(), body["type"].as_str().unwrap());
            sets.insert(key, (body["ttl"].as_u64().unwrap(), body["records"].clone()));
            return done;
        };
        let Some((ttl, records)) = sets.get_mut(key) else { return missing };
        match (request.method.as_str(), rest.strip_prefix(key).unwrap()) {
            ("GET", "") => {
                (200, "", json!({"rrset": {"ttl": ttl, "records": records}}).to_string())
            }
            ("DELETE", "") => {
                sets.remove(key);
                done
            }
            ("POST", "/actions/set_records") => {
                *records = request.json()["records"].clone();
                done
            }
            ("POST", "/actions/change_ttl") => {
                *ttl = request.json()["ttl"].as_u64().unwrap();
                done
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    let way = way("hetzner", &format!("token: s3cret\nendpoint: http://{}/v1\n", service.address));
    publish(&way, both(), Addresses::NONE).await.unwrap();
    let made = service.requests();
    let body =
        json!({"name": "web1", "type": "A", "ttl": 300, "records": [{"value": "192.0.2.1"}]});
    assert_eq!(made[1].json(), body);
    publish(&way, v4(), both()).await.unwrap();
    let base = "/v1/zones/example.net/rrsets/web1";
    assert_eq!(
        service.lines(),
        [
            format!("GET {base}/A"),
            format!("POST {base}/A/actions/set_records"),
            format!("GET {base}/AAAA"),
            format!("DELETE {base}/AAAA"),
        ]
    );
}

#[tokio::test]
async fn hetzner_says_when_there_is_room_again() {
    let reset = hark_model::Clock.now().unix.seconds() + 600;
    let header: &'static str = format!("ratelimit-reset: {reset}\r\n").leak();
    let mut answers = vec![
        (401, "", json!({"error": {"code": "unauthorized", "message": "wrong token"}}).to_string()),
        (423, "", json!({"error": {"code": "locked", "message": "locked"}}).to_string()),
        (
            429,
            header,
            json!({"error": {"code": "rate_limit_exceeded", "message": "slow"}}).to_string(),
        ),
    ];
    let service = Service::start(move |_| answers.pop().unwrap()).await;
    let way = way("hetzner", &format!("token: s3cret\nendpoint: http://{}\n", service.address));
    let limited = publish(&way, v4(), Addresses::NONE).await.unwrap_err();
    let Again::After(wait) = limited.again else { panic!("{limited:?}") };
    assert!(wait > Duration::from_secs(590) && wait <= Duration::from_mins(10), "{wait:?}");
    assert_eq!(publish(&way, v4(), Addresses::NONE).await.unwrap_err().again, Again::Later);
    let refused = publish(&way, v4(), Addresses::NONE).await.unwrap_err();
    assert_eq!(refused, Failure::refused("401 wrong token"));
}

#[tokio::test]
async fn route53_gets_one_signed_request_and_takes_sets_out_as_they_are() {
    let list = "<?xml version=\"1.0\"?>\n<ListResourceRecordSetsResponse><ResourceRecordSets>\
        <ResourceRecordSet><Name>web1.example.net.</Name><Type>AAAA</Type><TTL>77</TTL><ResourceRecords>\
        <ResourceRecord><Value>2001:db8::9</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>\
        </ResourceRecordSets></ListResourceRecordSetsResponse>";
    let service = Service::start(move |request| {
        let proof = &request.headers["authorization"];
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/";
        assert!(
            proof.starts_with(expected) && proof.contains("/us-east-1/route53/aws4_request, "),
            "{proof}"
        );
        assert!(proof.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "), "{proof}");
        assert_eq!(request.headers["x-amz-security-token"], "lent-token");
        assert!(!proof.contains("s3cret") && request.headers["x-amz-date"].ends_with('Z'));
        if request.method == "GET" {
            (200, "", list.to_owned())
        } else {
            (200, "", "<x/>".to_owned())
        }
    })
    .await;
    let settings = format!(
        "zone_id: /hostedzone/Z1\naccess_key: AKIDEXAMPLE\nsecret_key: s3cret\n\
         session_token: lent-token\nendpoint: http://{}\n",
        service.address
    );
    let way = way("route53", &settings);
    publish(&way, v4(), both()).await.unwrap();
    let requests = service.requests();
    assert_eq!(
        requests[0].line(),
        "GET /2013-04-01/hostedzone/Z1/rrset?maxitems=1&name=web1.example.net&type=AAAA"
    );
    assert_eq!(requests[1].line(), "POST /2013-04-01/hostedzone/Z1/rrset/");
    let set = |kind: &str, ttl: u32, value: &str| {
        format!(
            "<ResourceRecordSet><Name>web1.example.net.</Name><Type>{kind}</Type><TTL>{ttl}</TTL>\
             <ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>\
             </ResourceRecordSet></Change>"
        )
    };
    let orders = format!(
        "<Change><Action>UPSERT</Action>{}<Change><Action>DELETE</Action>{}",
        set("A", 300, "192.0.2.1"),
        set("AAAA", 77, "2001:db8::9")
    );
    assert!(requests[1].body.contains(&orders), "{}", requests[1].body);
    // What is not there any more needs no order.
    let gone = publish(&way, Addresses::NONE, v4()).await.unwrap();
    assert_eq!(gone, "nothing was there");
}

#[tokio::test]
async fn route53_says_why_not() {
    let error = |code: &str, text: &str| {
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{text}</Message></Error></ErrorResponse>"
        )
    };
    let mut answers = vec![
        (403, "", error("SignatureDoesNotMatch", "The signature &lt;x&gt; differs")),
        (400, "", error("Throttling", "Rate exceeded")),
        (404, "", error("NoSuchHostedZone", "No hosted zone found with ID: Z1")),
        (400, "", error("InvalidChangeBatch", "TTL is wrong")),
    ];
    let service = Service::start(move |_| answers.pop().unwrap()).await;
    let settings = format!(
        "zone_id: Z1\naccess_key: AKIDEXAMPLE\nsecret_key: s3cret\nendpoint: http://{}\n",
        service.address
    );
    let way = way("route53", &settings);
    for (scope, again, text) in [
        (Scope::Name, Again::Never, "InvalidChangeBatch TTL is wrong"),
        (Scope::Zone, Again::Never, "NoSuchHostedZone"),
        (Scope::Zone, Again::After(Duration::from_secs(30)), "Throttling"),
        (Scope::Zone, Again::Never, "The signature <x> differs"),
    ] {
        let failure = publish(&way, v4(), Addresses::NONE).await.unwrap_err();
        assert_eq!((failure.scope, failure.again), (scope, again), "{failure:?}");
        assert!(failure.text.contains(text), "{failure:?}");
    }
}

#[tokio::test]
async fn dyndns2_calls_as_the_protocol_says_and_stops_at_a_refusal() {
    let mut answers = vec![
        (200, "", "911\n".to_owned()),
        (401, "", "badauth\n".to_owned()),
        (200, "", "good\n".to_owned()),
        (200, "", "good 192.0.2.1\n".to_owned()),
    ];
    let service = Service::start(move |request| {
        assert_eq!(request.headers["authorization"], "Basic bWlyYTpzM2NyZXQ=");
        assert!(request.headers["user-agent"].starts_with("hark/"), "{request:?}");
        answers.pop().unwrap()
    })
    .await;
    let settings = format!(
        "endpoint: http://{}\nuser: mira\npassword: s3cret\noffline: true\n",
        service.address
    );
    let way_of = |more: &str| way("dyndns2", &format!("{settings}{more}"));
    let combined = way_of("");
    assert_eq!(publish(&combined, both(), Addresses::NONE).await.unwrap(), "good 192.0.2.1");
    assert!(publish(&way_of("ipv6: myipv6\n"), both(), Addresses::NONE).await.is_ok());
    let failure = publish(&combined, v4(), Addresses::NONE).await.unwrap_err();
    assert_eq!((failure.scope, failure.again), (Scope::Zone, Again::Never), "{failure:?}");
    let failure = publish(&combined, Addresses::NONE, v4()).await.unwrap_err();
    assert_eq!(failure.again, Again::After(Duration::from_mins(30)));
    let host = "GET /nic/update?hostname=web1.example.net";
    assert_eq!(
        service.lines(),
        [
            format!("{host}&myip=192.0.2.1,2001%3Adb8%3A%3A1"),
            format!("{host}&myip=192.0.2.1&myipv6=2001%3Adb8%3A%3A1"),
            format!("{host}&myip=192.0.2.1"),
            format!("{host}&offline=YES"),
        ]
    );
    let settings = settings.replace("offline: true\n", "");
    let cannot = way("dyndns2", &settings);
    assert!(!cannot.removes());
    assert_eq!(publish(&cannot, Addresses::NONE, v4()).await.unwrap_err().scope, Scope::Name);
}

#[tokio::test]
async fn an_own_address_is_called_as_it_is_written() {
    let service = Service::start(|request| {
        let text = if request.target.contains("drop") { "gone" } else { "OK 1" };
        (200, "", text.to_owned())
    })
    .await;
    let base = format!("http://{}", service.address);
    let settings = format!(
        "url: '{base}/set?h={{{{host}}}}&a={{{{ip}}}}&b={{{{ip6}}}}&t=s3cret'\nmethod: POST\n\
         body: '{{\"a\": \"{{{{ip6}}}}\"}}'\nheaders: {{x-key: other}}\nremove: '{base}/drop/{{{{host}}}}'\n\
         expect: OK\n"
    );
    let way = way("url", &settings);
    assert_eq!(publish(&way, both(), Addresses::NONE).await.unwrap(), "OK 1");
    let request = service.requests().remove(0);
    assert_eq!(
        request.line(),
        "POST /set?h=web1.example.net&a=192.0.2.1&b=2001%3Adb8%3A%3A1&t=s3cret"
    );
    assert_eq!((request.json(), request.headers["x-key"].as_str()), (json!({"a": V6}), "other"));
    let failure = publish(&way, Addresses::NONE, v4()).await.unwrap_err();
    assert_eq!(failure.text, "it answers without `OK`: gone");
    assert_eq!(service.lines(), ["POST /drop/web1.example.net"]);
    assert!(!way.target().contains("s3cret"));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let way = way("desec", &format!("token: s3cret\nendpoint: http://{address}\n"));
    let failure = publish(&way, v4(), Addresses::NONE).await.unwrap_err();
    assert_eq!(
        (failure.scope, failure.again, failure.maybe_done),
        (Scope::Zone, Again::Later, false)
    );
}
