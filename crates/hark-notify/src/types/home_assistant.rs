//! Home Assistant: its notify services (phones, speakers, lamps behind them) and its webhooks.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Severity};
use hark_net::{Call, encoded};
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, is_over};
use crate::error::SendError;
use crate::render;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `home_assistant`.
#[derive(Debug)]
pub(crate) struct HomeAssistant;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of Home Assistant: `http://homeassistant.local:8123`.")
        .required(),
    Key::new("service", Kind::Text, "Service that notifies, such as `notify.mobile_app_phone`."),
    Key::new(
        "token",
        Kind::Secret,
        "Long-lived access token, made under the user's profile; for `service`.",
    ),
    Key::new(
        "webhook",
        Kind::Secret,
        "Identifier of a webhook that triggers an automation, instead of a service.",
    ),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on a message, in characters: phones show less.
const MAX_MESSAGE: usize = 2000;

impl ReceiverType for HomeAssistant {
    fn name(&self) -> &'static str {
        "home_assistant"
    }

    fn manual(&self) -> &'static str {
        "Notifies through [Home Assistant](https://www.home-assistant.io/integrations/notify/). With \
         `service` and `token` a notify service is called: on the companion app's phones all messages \
         of one incident replace each other, a tap opens the incident on the page, critical ones come \
         through at once (`ttl: 0`, high priority, an interruption level that is time-sensitive), and \
         a problem has a button with the link that acknowledges it. With `webhook` an automation is triggered \
         instead, whose `trigger.json` has all fields of a message, `over` if the incident is over, and \
         `colour` as `#rrggbb`, for lamps and speakers. Home Assistant answers 200 to an unknown \
         webhook too. 429 and 5xx are tried again, a wrong token (401) or service (400, 404) is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: http://homeassistant.local:8123\n\
         service: notify.mobile_app_phone\n\
         token: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        let words = Words::read(section);
        let name = section.parse("service", read_service);
        let token = section.opt_secret("token");
        let webhook = section.opt_secret("webhook");
        match (section.has("service"), section.has("webhook")) {
            (true, true) => {
                section.error("webhook", "either `service` or `webhook`, not both");
                return None;
            }
            (false, false) => {
                section.error("url", "`service` or `webhook` is expected");
                return None;
            }
            (true, false) if !section.has("token") => {
                section.error("service", "a service without `token`");
                return None;
            }
            (false, true) if section.has("token") => {
                section.error("token", "a webhook needs no token");
                return None;
            }
            (true, false) | (false, true) => {}
        }
        let service = service?;
        if let Some(webhook) = webhook {
            let path = format!("/api/webhook/{}", encoded(webhook.expose()));
            let service = service.hiding(&webhook);
            return Some(Box::new(Home { service, path, kind: Kinds::Webhook, words }));
        }
        let service = service.bearer(section, "token", &token?)?;
        let (domain, name) = name?;
        let path = format!("/api/services/{domain}/{name}");
        Some(Box::new(Home { service, path, kind: Kinds::Service, words }))
    }
}

/// Reads `DOMAIN.NAME`.
fn read_service(text: &str) -> Result<(String, String), String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    match text.split_once('.') {
        Some((domain, name)) if is_name(domain) && is_name(name) => {
            Ok((domain.to_owned(), name.to_owned()))
        }
        Some(_) | None => Err("a service is `notify.NAME`, in small letters".to_owned()),
    }
}

/// What is called.
#[derive(Clone, Copy, Debug)]
enum Kinds {
    Service,
    Webhook,
}

/// One configured Home Assistant.
struct Home {
    service: Service,
    /// Of the service, or with the secret of the webhook.
    path: String,
    kind: Kinds,
    words: Words,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").field("service", &self.service).finish_non_exhaustive()
    }
}

impl ServiceReceiver for Home {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match self.kind {
            Kinds::Service => format!("{}{}", self.service.target(), self.path),
            Kinds::Webhook => self.service.target(),
        }
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let document = match self.kind {
            Kinds::Service => self.message(notification, context)?,
            Kinds::Webhook => trigger(notification, context),
        };
        let call = Call::post_json(self.path.as_str(), &document);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Home {
    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tag = render::thread(n);
        let mut data = json!({"tag": tag, "group": "hark", "color": Tone::of(n).hex()});
        if n.severity == Severity::Critical && !is_over(n) {
            data["ttl"] = json!(0);
            data["priority"] = json!("high");
            data["push"] = json!({"interruption-level": "time-sensitive"});
        }
        if let Some(link) = card::link(n, context) {
            // The one name for Android, the other for iOS.
            data["clickAction"] = json!(link);
            data["url"] = json!(link);
        }
        if let Some(link) = context.acknowledge_link(n) {
            data["actions"] = json!([{"action": "URI", "title": "Acknowledge", "uri": link}]);
        }
        Ok(json!({
            "title": n.summary,
            "message": cut(&self.words.text(n, context)?, MAX_MESSAGE, Unit::Chars),
            "data": data,
        }))
    }
}

fn trigger(n: &Notification, context: &Context) -> Value {
    let mut document = render::document(n, &context.page);
    document["over"] = json!(is_over(n));
    document["colour"] = json!(Tone::of(n).hex());
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    #[tokio::test]
    async fn a_service_gets_a_message_that_replaces_the_one_before() {
        let server = Server::saying(200, "[]").await;
        let text = "service: notify.mobile_app_phone\ntoken: eyJ.long-lived\n";
        let receiver = read(&HomeAssistant, &format!("{text}url: {}\n", server.url("")));
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/services/notify/mobile_app_phone");
        assert_eq!(call.headers["authorization"], "Bearer eyJ.long-lived");
        let message = call.json();
        assert_eq!(message["title"], "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0");
        let data = &message["data"];
        assert_eq!((&data["ttl"], &data["priority"]), (&json!(0), &json!("high")));
        assert_eq!(data["clickAction"], "https://hark.example.net/incidents/1");
        assert_eq!(data["actions"][0]["action"], "URI");
        send(&*receiver, &recovery(None)).await.unwrap();
        let over = server.last_call().json();
        assert_eq!(over["data"]["tag"], data["tag"], "it replaces the problem on the phone");
        assert!(over["data"].get("ttl").is_none() && over["data"].get("actions").is_none());
    }

    #[tokio::test]
    async fn a_webhook_triggers_an_automation_with_all_fields() {
        let server = Server::saying(200, "").await;
        let text = format!("webhook: -abc_def-0\nurl: {}\n", server.url(""));
        let receiver = read(&HomeAssistant, &text);
        send(&*receiver, &recovery(None)).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/webhook/-abc_def-0");
        assert!(!call.headers.contains_key("authorization"));
        let trigger = call.json();
        assert_eq!((&trigger["over"], &trigger["colour"]), (&json!(true), &json!("#2ea043")));
        assert_eq!(trigger["host"], "db1.example.net");
        assert!(!format!("{receiver:?} {}", receiver.target()).contains("abc_def"));
    }

    #[tokio::test]
    async fn a_wrong_token_is_final_and_a_limit_is_waited_for() {
        let text = "service: notify.x\ntoken: wrong-token\n";
        let server = Server::saying(401, "401: Unauthorized").await;
        let receiver = read(&HomeAssistant, &format!("{text}url: {}\n", server.url("")));
        assert!(send(&*receiver, &problem()).await.unwrap_err().is_permanent());
        let server = Server::start(|_| Answer::slow_down()).await;
        let receiver = read(&HomeAssistant, &format!("{text}url: {}\n", server.url("")));
        let error = send(&*receiver, &problem()).await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(17));
    }

    #[test]
    fn mistakes_are_shown() {
        for (text, expected) in [
            ("url: http://a\n", "`service` or `webhook`"),
            ("url: http://a\nservice: notify.x\n", "without `token`"),
            ("url: http://a\nservice: Notify\ntoken: x\n", "`notify.NAME`"),
            ("url: http://a\nservice: notify.x\ntoken: x\nwebhook: y\n", "not both"),
            ("url: http://a\nwebhook: y\ntoken: x\n", "needs no token"),
        ] {
            let errors = mistakes(&HomeAssistant, text);
            assert!(errors.contains(expected), "{text}: {errors}");
        }
    }
}
