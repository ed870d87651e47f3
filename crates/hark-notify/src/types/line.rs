//! LINE: messages of an official account to a person or a group.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::SendError;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType, digest};

/// The receiver type `line`.
#[derive(Debug)]
pub(crate) struct Line;

pub(crate) const KEYS: &[Key] = &[
    Key::new("token", Kind::Secret, "Channel access token of the Messaging API.").required(),
    Key::new("to", Kind::Text, "Id of the user (`U…`), group (`C…`) or room (`R…`).").required(),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.line.me";

/// Bound of LINE on a text, in halves of UTF-16.
const MAX_TEXT: usize = 5000;

impl ReceiverType for Line {
    fn name(&self) -> &'static str {
        "line"
    }

    fn manual(&self) -> &'static str {
        "Pushes to a person, group or room of [LINE](https://line.me) through the Messaging API (LINE Notify \
         is gone). LINE knows neither priority nor threads: a mark before the summary says how bad it is, and \
         each message stands alone; what is for information or over comes without sound. A problem bears \
         the link that acknowledges it. Tries of one message have the same retry key, so it arrives once. \
         429 and 5xx are tried again, all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: correct-horse\nto: U4af4980629\nurl: https://api.line.me\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("token");
        section.required("to");
        let token = section.opt_secret("token");
        let to = section.opt_str("to").map(str::to_owned);
        let service = Service::at(section, "url", Some(URL));
        let words = Words::read(section);
        let service = service?.bearer(section, "token", &token?)?;
        Some(Box::new(Chat { service, to: to?, words }))
    }
}

/// One configured chat.
#[derive(Debug)]
struct Chat {
    service: Service,
    to: String,
    words: Words,
}

impl ServiceReceiver for Chat {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{} ({})", self.service.target(), self.to)
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let n = notification;
        let call = Call::post_json("/v2/bot/message/push", &self.message(n, context)?);
        let call = call.header("x-line-retry-key", &retry_key(n))?;
        let answered = self.service.begin(context).call(call).await?;
        if answered.status.as_u16() == 409 {
            // A try before this one has arrived.
            return Ok(Delivered {
                text: "409 accepted before".to_owned(),
                ..Delivered::default()
            });
        }
        answered.delivered()
    }
}

impl Chat {
    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let text = format!("{} {}\n\n{}", tone.mark(), n.summary, self.words.text(n, context)?);
        let mut links = String::new();
        for (label, link) in
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                links = format!("{links}\n{label}: {link}");
            }
        }
        let room = MAX_TEXT.saturating_sub(links.encode_utf16().count() + 1);
        let text = format!("{}\n{links}", cut(&text, room, Unit::Utf16));
        Ok(json!({
            "to": self.to,
            "messages": [{"type": "text", "text": text.trim_end()}],
            "notificationDisabled": tone == Tone::Good || card::is_quiet(n),
        }))
    }
}

/// Returns a UUID (version 8, whose content is one's own) that is the same for each try.
fn retry_key(n: &Notification) -> String {
    let digest = digest::sha256(&format!("{} {}", n.receiver, n.key));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, problem, read, recovery, send};

    fn chat(server: &Server) -> Box<dyn Receiver> {
        read(&Line, &format!("token: channel-token\nto: U4af\nurl: {}\n", server.url("")))
    }

    #[tokio::test]
    async fn a_message_has_text_recipient_and_retry_key() {
        let server = Server::saying(200, r#"{"sentMessages":[{"id":"461230966842064897"}]}"#).await;
        let receiver = chat(&server);
        send(&*receiver, &problem()).await.unwrap();
        send(&*receiver, &problem()).await.unwrap();
        send(&*receiver, &recovery(None)).await.unwrap();
        let calls = server.calls();
        assert_eq!(calls[0].line(), "POST /v2/bot/message/push");
        assert_eq!(calls[0].headers["authorization"], "Bearer channel-token");
        let keys: Vec<_> = calls.iter().map(|call| &call.headers["x-line-retry-key"]).collect();
        assert_eq!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
        let parts: Vec<_> = keys[0].split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{}", keys[0]);
        let message = calls[0].json();
        assert_eq!(
            (&message["to"], &message["notificationDisabled"]),
            (&"U4af".into(), &false.into())
        );
        let text = message["messages"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("🚨 CRITICAL: db1"), "{text}");
        assert!(text.contains("\nAcknowledge: https://hark.example.net/a/"), "{text}");
        assert_eq!(calls[2].json()["notificationDisabled"], true);
    }

    #[tokio::test]
    async fn what_was_accepted_before_has_arrived() {
        let body = r#"{"message":"The retry key is already accepted"}"#;
        let server = Server::saying(409, body).await;
        let delivered = send(&*chat(&server), &problem()).await.unwrap();
        assert_eq!(delivered.text, "409 accepted before");
    }

    #[tokio::test]
    async fn a_long_text_is_cut_and_a_limit_waited_for() {
        let server = Server::start(|_| Answer::slow_down()).await;
        let mut long = problem();
        long.detail = "🚨".repeat(6000);
        let error = send(&*chat(&server), &long).await.unwrap_err();
        assert_eq!(error.retry_after().unwrap().as_secs(), 17);
        let text = server.only_call().json()["messages"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.encode_utf16().count() <= MAX_TEXT && text.contains("…\n\nOpen: "));
    }
}
