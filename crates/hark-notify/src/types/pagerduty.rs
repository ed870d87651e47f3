//! `PagerDuty`, over its Events API v2.

use hark_config::{Key, Kind, Section};
use hark_model::name::CheckName;
use hark_model::{Notification, Reason, Secret, Severity};
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Unit, cut, is_over};
use crate::error::SendError;
use crate::render::{self, rfc3339};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `pagerduty`.
#[derive(Debug)]
pub(crate) struct Pagerduty;

pub(crate) const KEYS: &[Key] = &[
    Key::new("routing_key", Kind::Secret, "Integration key of a service with the Events API v2.")
        .required(),
    Key::new(
        "url",
        Kind::Text,
        "Address of the service; the European one is `https://events.eu.pagerduty.com`.",
    )
    .default(URL),
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://events.pagerduty.com";

/// Longest summary that `PagerDuty` takes, in characters.
const MAX_SUMMARY: usize = 1024;

/// Longest key that `PagerDuty` takes; ours is shorter, but names can be long.
const MAX_KEY: usize = 255;

impl ReceiverType for Pagerduty {
    fn name(&self) -> &'static str {
        "pagerduty"
    }

    fn manual(&self) -> &'static str {
        "Opens an alert at [PagerDuty](https://developer.pagerduty.com/docs/events-api-v2/overview/) \
         for each incident and resolves it when the incident is over: both have the same `dedup_key`, \
         so that reminders and changes update the one alert; who takes the incident in hark acknowledges \
         it. Severity is `critical` for critical, \
         `warning` for warning, `error` for unknown, `info` for the rest. Acknowledgements made in \
         PagerDuty stay there. Events with severity info, which nobody must handle, become change \
         events; a test, a storm's summary or another event opens an alert that somebody resolves by \
         hand. 429 and 5xx are tried again, a wrong key or document (400) is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "routing_key: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        section.required("routing_key");
        let key = section.opt_secret("routing_key")?;
        Some(Box::new(Pager { service: service?.hiding(&key), key }))
    }
}

/// One configured service.
#[derive(Debug)]
struct Pager {
    service: Service,
    key: Secret,
}

impl ServiceReceiver for Pager {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let call = self.call(notification, context);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Pager {
    fn call(&self, n: &Notification, context: &Context) -> Call {
        if n.reason == Reason::Event && n.severity == Severity::Info {
            return Call::post_json("/v2/change/enqueue", &self.change(n, context));
        }
        Call::post_json("/v2/enqueue", &self.alert(n, context))
    }

    fn change(&self, n: &Notification, context: &Context) -> Value {
        json!({
            "routing_key": self.key.expose(),
            "payload": {
                "summary": cut(&n.summary, MAX_SUMMARY, Unit::Chars),
                "source": n.host.as_str(),
                "timestamp": rfc3339(n.at),
                "custom_details": {"detail": n.detail},
            },
            "links": links(n, context),
        })
    }

    fn alert(&self, n: &Notification, context: &Context) -> Value {
        let key = cut(&format!("hark/{}", render::thread(n)), MAX_KEY, Unit::Bytes);
        let action = if n.reason == Reason::Acknowledged {
            "acknowledge"
        } else if is_over(n) {
            "resolve"
        } else {
            "trigger"
        };
        let mut alert = json!({
            "routing_key": self.key.expose(),
            "event_action": action,
            "dedup_key": key,
        });
        if action != "trigger" {
            return alert;
        }
        let severity = match n.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Unknown => "error",
            Severity::Info => "info",
        };
        alert["payload"] = json!({
            "summary": cut(&n.summary, MAX_SUMMARY, Unit::Chars),
            "source": n.host.as_str(),
            "severity": severity,
            "timestamp": rfc3339(n.at),
            "component": n.check.as_ref().map(CheckName::as_str),
            "class": n.reason.word(),
            "custom_details": render::document(n, &context.page),
        });
        alert["client"] = json!("hark");
        alert["links"] = links(n, context);
        if let Some(link) = card::link(n, context) {
            alert["client_url"] = json!(link);
        }
        alert
    }
}

fn links(n: &Notification, context: &Context) -> Value {
    let page = card::link(n, context).map(|link| json!({"href": link, "text": "Open in hark"}));
    let acknowledge = context
        .acknowledge_link(n)
        .map(|link| json!({"href": link, "text": "Acknowledge in hark"}));
    page.into_iter().chain(acknowledge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use crate::types::tests::server::{
        Answer, Server, problem, read, recovery, reminder, send, taken,
    };

    const TAKEN: &str = r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#;

    fn pager(server: &Server) -> Box<dyn Receiver> {
        let key = "R015BN2B8MDMLO4S0XTN9Z6ABCDEF012";
        read(&Pagerduty, &format!("routing_key: {key}\nurl: {}\n", server.url("")))
    }

    #[tokio::test]
    async fn an_incident_is_one_alert_that_is_triggered_acknowledged_and_resolved() {
        let server = Server::saying(202, TAKEN).await;
        let receiver = pager(&server);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /v2/enqueue");
        let trigger = call.json();
        assert_eq!(trigger["routing_key"], "R015BN2B8MDMLO4S0XTN9Z6ABCDEF012");
        assert_eq!(trigger["event_action"], "trigger");
        let payload = &trigger["payload"];
        assert_eq!(payload["summary"], "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0");
        assert_eq!(payload["source"], "db1.example.net");
        assert_eq!(payload["severity"], "critical");
        assert_eq!(payload["component"], "cpu_monitor.cpu_percent");
        assert_eq!(payload["timestamp"], "2027-01-15T08:00:30Z");
        assert_eq!(trigger["client_url"], "https://hark.example.net/incidents/1");
        let acknowledge = trigger["links"][1]["href"].as_str().unwrap();
        assert!(acknowledge.starts_with("https://hark.example.net/a/"), "{acknowledge}");

        send(&*receiver, &reminder(None)).await.unwrap();
        assert_eq!(server.last_call().json()["event_action"], "trigger");
        assert_eq!(server.last_call().json()["dedup_key"], trigger["dedup_key"]);
        send(&*receiver, &taken(None)).await.unwrap();
        let acknowledge = json!({
            "routing_key": "R015BN2B8MDMLO4S0XTN9Z6ABCDEF012",
            "event_action": "acknowledge",
            "dedup_key": trigger["dedup_key"],
        });
        assert_eq!(server.last_call().json(), acknowledge);
        send(&*receiver, &recovery(None)).await.unwrap();
        let resolve = server.last_call().json();
        assert_eq!(resolve["event_action"], "resolve");
        assert_eq!(resolve["dedup_key"], trigger["dedup_key"]);
        assert!(resolve.get("payload").is_none());
    }

    #[tokio::test]
    async fn an_event_pages_nobody_and_a_test_does() {
        let server = Server::saying(202, TAKEN).await;
        let receiver = pager(&server);
        send(&*receiver, &samples()[2]).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /v2/change/enqueue");
        assert_eq!(call.json()["payload"]["summary"], "BOOT: db1");
        assert!(call.json().get("event_action").is_none());
        let mut test = samples().swap_remove(2);
        test.reason = Reason::Test;
        send(&*receiver, &test).await.unwrap();
        assert_eq!(server.last_call().line(), "POST /v2/enqueue");
    }

    #[tokio::test]
    async fn what_pagerduty_refuses_is_final_and_its_limit_is_waited_for() {
        let refused = r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        let server = Server::start(move |call| match call.json()["event_action"].as_str() {
            Some("trigger") => Answer::new(400, refused),
            _ => Answer::slow_down(),
        })
        .await;
        let receiver = pager(&server);
        let error = send(&*receiver, &problem()).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.text().contains("should be 32 characters"), "{}", error.text());
        let error = send(&*receiver, &recovery(None)).await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(17));
    }
}
