//! Gotify: push messages through a server of one's own.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use http::HeaderName;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::SendError;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `gotify`.
#[derive(Debug)]
pub(crate) struct Gotify;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of the server.").required(),
    Key::new("token", Kind::Secret, "Token of the application, made in Gotify under Apps.")
        .required(),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on a message, in characters: Gotify has none, its clients are slow with more.
const MAX_MESSAGE: usize = 8000;

impl ReceiverType for Gotify {
    fn name(&self) -> &'static str {
        "gotify"
    }

    fn manual(&self) -> &'static str {
        "Sends to an application of [Gotify](https://gotify.net). Priority is 8 for critical, 5 for warning \
         and unknown, 4 for what is over and 2 for the rest: from 8 on phones sound an alarm, below 4 they \
         are quiet. A tap opens the incident on the page, and a problem bears the link that acknowledges \
         it. A recovery is a message of its own. 429 and 5xx are tried again; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://gotify.example.net\ntoken: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        section.required("token");
        let token = section.opt_secret("token");
        let words = Words::read(section);
        let name = HeaderName::from_static("x-gotify-key");
        let service = service?.bearing(section, "token", name, token?.expose())?;
        Some(Box::new(Application { service, words }))
    }
}

/// One configured application.
#[derive(Debug)]
struct Application {
    service: Service,
    words: Words,
}

impl ServiceReceiver for Application {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let call = Call::post_json("/message", &self.document(notification, context)?);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Application {
    fn document(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let priority = match Tone::of(n) {
            Tone::Critical => 8,
            Tone::Warning | Tone::Unknown => 5,
            Tone::Info if card::is_quiet(n) => 2,
            Tone::Good | Tone::Info => 4,
        };
        let mut text = cut(&self.words.text(n, context)?, MAX_MESSAGE, Unit::Chars);
        if let Some(link) = context.acknowledge_link(n) {
            text.push_str("\n\nAcknowledge: ");
            text.push_str(&link);
        }
        let mut document = json!({
            "title": n.summary,
            "message": text,
            "priority": priority,
            "extras": {"client::display": {"contentType": "text/plain"}},
        });
        if let Some(link) = card::link(n, context) {
            document["extras"]["client::notification"] = json!({"click": {"url": link}});
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Server, problem, read, recovery, send};

    #[tokio::test]
    async fn a_message_has_token_priority_and_link() {
        let server = Server::saying(200, r#"{"id":25,"appid":5}"#).await;
        let text = format!("url: {}\ntoken: AqLs.Q8bbdm\n", server.url("/gotify/"));
        let receiver = read(&Gotify, &text);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /gotify/message");
        assert_eq!(call.headers["x-gotify-key"], "AqLs.Q8bbdm");
        let document = call.json();
        assert_eq!(document["priority"], 8);
        assert_eq!(document["title"], problem().summary);
        let click = &document["extras"]["client::notification"]["click"]["url"];
        assert_eq!(click, "https://hark.example.net/incidents/1");
        let message = document["message"].as_str().unwrap();
        assert!(message.contains("Acknowledge: https://hark.example.net/a/"), "{message}");

        send(&*receiver, &recovery(None)).await.unwrap();
        let document = server.last_call().json();
        assert_eq!(document["priority"], 4);
        assert!(!document["message"].as_str().unwrap().contains("Acknowledge"));
    }

    #[tokio::test]
    async fn a_wrong_token_is_final_and_its_reason_kept() {
        let body = r#"{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token"}"#;
        let server = Server::saying(401, body).await;
        let receiver = read(&Gotify, &format!("url: {}\ntoken: x\n", server.url("")));
        let error = send(&*receiver, &problem()).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.text().contains("valid access token"), "{}", error.text());
    }
}
