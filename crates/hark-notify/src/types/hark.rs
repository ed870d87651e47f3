//! Another hark: a message becomes an event there, of a host that stands for this hark.
//!
//! It goes the way of agents over HTTPS (docs/protocol.md, section 8), in simple mode: nothing new is
//! opened for it, and every request is signed. Each try is a report of its own with a number that was
//! never used, since only what is told for good can be counted; after an unclear outcome an event can
//! therefore come twice, with the same words.

use std::sync::atomic::{AtomicU64, Ordering};

use hark_config::{Key, Kind, Section};
use hark_model::name::CheckName;
use hark_model::time::{Clock, Unix};
use hark_model::{HostName, Notification, Reason, Secret};
use hark_net::Call;
use ring::{digest as hash, hmac};
use serde_json::{Value, json};

use crate::card::{Unit, cut};
use crate::error::{Again, SendError};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `hark`.
#[derive(Debug)]
pub(crate) struct Hark;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Text,
        "Address of the other hark's page: `https://central.example.net:50004`.",
    )
    .required(),
    Key::new("host", Kind::Text, "Name of the host there that stands for this hark.").required(),
    Key::new(
        "secret",
        Kind::Secret,
        "The secret that agents of the other hark share (its `secret`).",
    )
    .required(),
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const REPORT: &str = "/api/0/agent/report";

/// Longest text of an event, in bytes: what agents send at most.
const MAX_TEXT: usize = 900;

/// What marks an event that came from another hark.
const MARK: &str = "(relayed by ";

impl ReceiverType for Hark {
    fn name(&self) -> &'static str {
        "hark"
    }

    fn manual(&self) -> &'static str {
        "Hands messages to another hark, such as a central one, as events of a host there that stands \
         for this hark: kind `message`, the severity of the message, and its reason, status and \
         severity as tags for the routes there; host, check and words are in the text, and a problem \
         that is over is an event as well. The other hark must have a `secret` that agents share, and \
         the name must not be that of an agent with a key of its own. Requests are signed, and go the \
         way of agents over HTTPS. An event that came from another hark is not sent on, so that \
         nothing goes in circles. An event can come twice after an unclear outcome. 409, 429 and 5xx \
         are tried again, a wrong secret (401) is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://central.example.net:50004\nhost: branch-hark\nsecret: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        section.required("host");
        section.required("secret");
        let host = section.parse("host", HostName::new);
        let secret = section.opt_secret("secret");
        let (host, secret) = (host?, secret?);
        let identity = Identity::shared(&secret, host.as_str());
        let service = service?.hiding(&secret);
        Some(Box::new(Other { service, identity, host, last: AtomicU64::new(0) }))
    }
}

/// Who we are to the other hark.
struct Identity {
    agent: String,
    signing: hmac::Key,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("agent", &self.agent).finish_non_exhaustive()
    }
}

impl Identity {
    /// Derives number and key of an agent from the secret that all share, and the key that signs.
    fn shared(secret: &Secret, host: &str) -> Self {
        let shared = extract(b"hark v1 simple", secret.expose().as_bytes());
        let key = expand(&shared, &format!("hark v1 agent key {host}"));
        let agent = expand(&shared, &format!("hark v1 agent id {host}"));
        let signing = expand(&extract(b"hark v1 https", key.as_ref()), "hark v1 request");
        let number = hark_net::hex(agent.as_ref()).chars().take(16).collect();
        Self { agent: number, signing: hmac::Key::new(hmac::HMAC_SHA256, signing.as_ref()) }
    }

    /// Returns what proves that a report is ours.
    fn proof(&self, path: &str, number: u64, body: &str) -> String {
        let digest = hark_net::hex(hash::digest(&hash::SHA256, body.as_bytes()).as_ref());
        let signed = format!("POST\n{path}\n{number}\n{digest}");
        let tag = hark_net::hex(hmac::sign(&self.signing, signed.as_bytes()).as_ref());
        format!("Hark agent={},number={number},digest={digest},tag={tag}", self.agent)
    }
}

/// HKDF-Extract of RFC 5869 with SHA-256.
fn extract(salt: &[u8], key: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), key)
}

/// The first block of HKDF-Expand: 32 bytes.
fn expand(key: &hmac::Tag, info: &str) -> hmac::Tag {
    let text = [info.as_bytes(), &[1]].concat();
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), &text)
}

/// One configured hark.
#[derive(Debug)]
struct Other {
    service: Service,
    identity: Identity,
    host: HostName,
    /// The highest number that was used.
    last: AtomicU64,
}

impl ServiceReceiver for Other {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{} as {}", self.service.target(), self.host)
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        if n.reason == Reason::Event && (n.summary.contains(MARK) || n.detail.contains(MARK)) {
            let text = "not sent on: it came from another hark".to_owned();
            return Ok(Delivered { text, ..Delivered::default() });
        }
        let now = Clock.now().unix;
        let number = self.number(now);
        let body = self.report(n, number, now).to_string();
        let proof = self.identity.proof(REPORT, number, &body);
        let call = Call::new(http::Method::POST, REPORT)
            .content(http::HeaderValue::from_static("application/json"), body)
            .header("authorization", &format!("{proof},host={}", self.host))?;
        let answered = self.service.begin(context).call(call).await?;
        if answered.status == http::StatusCode::CONFLICT {
            // The other side has heard a higher number: our clock goes on.
            return Err(answered.refused(Again::Later));
        }
        answered.delivered()
    }
}

impl Other {
    /// Returns a number that was never used: the clock in milliseconds, or one more than the last.
    fn number(&self, now: Unix) -> u64 {
        let clock = u64::try_from(now.0).unwrap_or(1);
        let next = |last: u64| Some(clock.max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        clock.max(last.unwrap_or(0) + 1)
    }

    /// Returns a report of one event. Its epoch is new, so that it is taken whatever came before it.
    fn report(&self, n: &Notification, number: u64, now: Unix) -> Value {
        let place = match &n.check {
            Some(check) => format!("{} {}", n.host, CheckName::as_str(check)),
            None => n.host.to_string(),
        };
        // In front, where nothing on the way cuts it off.
        let mut text = format!("{MARK}{}) {place}: {}", self.host, n.summary);
        if !n.detail.is_empty() {
            text.push_str("; ");
            text.push_str(&n.detail);
        }
        let text = cut(&text, MAX_TEXT, Unit::Bytes);
        json!({
            "interval_seconds": 0.0,
            "sent_at_unix_s": seconds(now),
            "epoch": number,
            "items": [{
                "number": 1,
                "event": {
                    "at_unix_s": seconds(n.at),
                    "kind": "message",
                    "severity": n.severity.word(),
                    "text": text,
                    "tags": ["relayed", n.reason.word(), n.status.word(), n.severity.word()],
                },
            }],
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this century are exact in a double"
)]
fn seconds(at: Unix) -> f64 {
    at.0 as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use crate::types::tests::server::{Answer, Server, problem, read, recovery, send, taken};

    const SECRET: &str = "correct horse battery staple";

    fn other(server: &Server) -> Box<dyn Receiver> {
        let text = format!("host: db-1.example.net\nsecret: {SECRET}\nurl: {}\n", server.url(""));
        read(&Hark, &text)
    }

    /// The values of docs/protocol.md, sections 7 and 8.
    #[test]
    fn requests_are_signed_as_the_protocol_says() {
        let identity = Identity::shared(&Secret::new(SECRET), "db-1.example.net");
        assert_eq!(identity.agent, "c23f8eb8bcb93d71");
        assert_eq!(
            identity.proof(REPORT, 1_795_200_000_123, "{}"),
            "Hark agent=c23f8eb8bcb93d71,number=1795200000123,\
             digest=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a,\
             tag=20e731e50c436f71a56963a156891bccffbd402300625b3cacbc3e793c12778e"
        );
    }

    #[tokio::test]
    async fn a_message_is_an_event_of_the_host_that_stands_for_us() {
        let server = Server::saying(200, r#"{"samples_stored":true}"#).await;
        let receiver = other(&server);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/0/agent/report");
        let proof = &call.headers["authorization"];
        assert!(proof.starts_with("Hark agent=c23f8eb8bcb93d71,number="), "{proof}");
        assert!(proof.ends_with(",host=db-1.example.net"), "{proof}");
        let report = call.json();
        assert_eq!(report["interval_seconds"], 0.0, "it is no heartbeat");
        let event = &report["items"][0]["event"];
        assert_eq!((&event["kind"], &event["severity"]), (&json!("message"), &json!("critical")));
        assert_eq!(event["tags"], json!(["relayed", "problem", "critical", "critical"]));
        assert_eq!(
            event["text"],
            "(relayed by db-1.example.net) db1.example.net cpu_monitor.cpu_percent: CRITICAL: db1 - \
             cpu_monitor.cpu_percent = 95.0; above 90.0 for 3 looks"
        );
        send(&*receiver, &recovery(None)).await.unwrap();
        let next = server.last_call().json();
        assert!(next["epoch"].as_u64() > report["epoch"].as_u64(), "each is taken");
        assert_eq!(next["items"][0]["event"]["tags"][1], "recovery");
        send(&*receiver, &taken(None)).await.unwrap();
        let event = server.last_call().json()["items"][0]["event"].clone();
        assert_eq!(event["tags"], json!(["relayed", "acknowledged", "critical", "info"]));
        assert!(event["text"].as_str().unwrap().ends_with("mira took it: looking"), "{event}");
    }

    #[tokio::test]
    async fn what_came_from_another_hark_is_not_sent_on() {
        let server = Server::saying(200, "{}").await;
        let mut event = samples().swap_remove(2);
        event.summary = "RELAYED: branch - (relayed by branch) db1: CRITICAL".to_owned();
        let told = send(&*other(&server), &event).await.unwrap();
        assert_eq!(told.text, "not sent on: it came from another hark");
        assert!(server.calls().is_empty());
    }

    #[tokio::test]
    async fn a_used_number_is_tried_again_and_a_wrong_secret_is_final() {
        for (status, is_permanent) in [(409, false), (401, true), (422, true), (503, false)] {
            let server = Server::start(move |_| Answer::new(status, "")).await;
            let error = send(&*other(&server), &problem()).await.unwrap_err();
            assert_eq!(error.is_permanent(), is_permanent, "{status}");
        }
    }
}
