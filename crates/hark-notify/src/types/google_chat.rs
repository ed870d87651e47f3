//! Google Chat: messages to a space through its webhook, one thread for each incident.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, escaped, escaped_to};
use crate::error::SendError;
use crate::render;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `google_chat`.
#[derive(Debug)]
pub(crate) struct GoogleChat;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address of the space's webhook, with its key and token.")
        .required(),
    Key::new("mention", Kind::Text, "What critical problems begin with, such as `<users/all>`."),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on the text, in bytes: a message has 32,000 with its card.
const MAX_TEXT: usize = 10_000;

/// Bound on the summary, in bytes.
const MAX_SUMMARY: usize = 500;

impl ReceiverType for GoogleChat {
    fn name(&self) -> &'static str {
        "google_chat"
    }

    fn manual(&self) -> &'static str {
        "Posts a card to a space of Google Chat through the space's webhook. All messages of an incident \
         have the same thread key, so that they stand in one thread, after a restart too. Google Chat knows \
         neither priority nor colour: a mark before the summary says how bad it is, `mention` calls people \
         to what is critical. Buttons open the incident and the link that acknowledges it. 429 and 5xx are \
         tried again (a space takes one message a second), all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://chat.googleapis.com/v1/spaces/AAAA/messages?key=correct-horse-key&token=correct-horse\n\
         mention: <users/all>\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at_secret(section, "url");
        let mention = section.opt_str("mention").unwrap_or_default().to_owned();
        let words = Words::read(section);
        Some(Box::new(Space { service: service?, mention, words }))
    }
}

/// One configured space.
#[derive(Debug)]
struct Space {
    service: Service,
    mention: String,
    words: Words,
}

impl ServiceReceiver for Space {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let path = "?messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
        let call = Call::post_json(path, &self.message(notification, context)?);
        let mut answered = self.service.begin(context).call(call).await?;
        if answered.status.is_success() {
            // The answer repeats the whole message.
            answered.text.clear();
        }
        answered.delivered()
    }
}

impl Space {
    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let summary = cut(&n.summary, MAX_SUMMARY, Unit::Bytes);
        let mut widgets = Vec::new();
        let paragraph = |text: &str| {
            let text = escaped_to(text, MAX_TEXT, Unit::Bytes, "<br>");
            json!({"textParagraph": {"text": text}})
        };
        if let Some(own) = self.words.own(n, context)? {
            widgets.push(paragraph(&own));
        } else {
            if !n.detail.is_empty() {
                widgets.push(paragraph(&n.detail));
            }
            widgets.extend(card::facts(n).into_iter().map(
                |(name, fact)| json!({"decoratedText": {"topLabel": name, "text": escaped(&fact)}}),
            ));
        }
        let links =
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))];
        let buttons: Vec<_> = links
            .into_iter()
            .filter_map(|(text, url)| Some((text, url?)))
            .map(|(text, url)| json!({"text": text, "onClick": {"openLink": {"url": url}}}))
            .collect();
        if !buttons.is_empty() {
            widgets.push(json!({"buttonList": {"buttons": buttons}}));
        }
        let title = format!("{} {summary}", tone.mark());
        // What is shown in notifications is the text alone. Marks are read in it: without the sign that
        // begins them, nothing that a machine says calls people or becomes a link.
        let plain = title.replace('<', "‹").replace('>', "›");
        let text = match self.mention.as_str() {
            mention if tone == Tone::Critical && !mention.is_empty() => {
                format!("{mention} {plain}")
            }
            _ => plain,
        };
        Ok(json!({
            "text": text,
            "thread": {"threadKey": render::thread(n)},
            "cardsV2": [{
                "cardId": "hark",
                "card": {"header": {"title": title}, "sections": [{"widgets": widgets}]},
            }],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, problem, read, recovery, send};

    fn space(server: &Server, more: &str) -> Box<dyn Receiver> {
        let url = server.url("/v1/spaces/AAAA/messages?key=the-key&token=the-token");
        read(&GoogleChat, &format!("url: '{url}'\n{more}"))
    }

    #[tokio::test]
    async fn messages_of_an_incident_share_a_thread_key() {
        let server = Server::saying(200, r#"{"name":"spaces/AAAA/messages/B.C"}"#).await;
        let receiver = space(&server, "mention: <users/all>\n");
        send(&*receiver, &problem()).await.unwrap();
        send(&*receiver, &recovery(None)).await.unwrap();
        let calls = server.calls();
        let path = "/v1/spaces/AAAA/messages?key=the-key&token=the-token\
                    &messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD";
        assert_eq!(calls[0].line(), format!("POST {path}"));
        let (first, last) = (calls[0].json(), calls[1].json());
        assert_eq!(first["thread"]["threadKey"], last["thread"]["threadKey"]);
        assert!(first["text"].as_str().unwrap().starts_with("<users/all> 🚨 CRITICAL"));
        assert!(last["text"].as_str().unwrap().starts_with("✅ RECOVERED"));
        let widgets = &first["cardsV2"][0]["card"]["sections"][0]["widgets"];
        assert_eq!(widgets[0]["textParagraph"]["text"], "above 90.0 for 3 looks");
        assert_eq!(widgets[1]["decoratedText"]["topLabel"], "Host");
        let buttons = widgets.as_array().unwrap().last().unwrap()["buttonList"]["buttons"].clone();
        assert_eq!(
            buttons[0]["onClick"]["openLink"]["url"],
            "https://hark.example.net/incidents/1"
        );
        assert_eq!(buttons[1]["text"], "Acknowledge");
    }

    #[tokio::test]
    async fn texts_are_escaped_and_cut() {
        let server = Server::saying(200, "{}").await;
        let mut long = problem();
        long.detail = format!("a <b>\n{}", "é".repeat(20_000));
        send(&*space(&server, ""), &long).await.unwrap();
        let call = server.only_call();
        assert!(call.body.len() < 32_000, "{}", call.body.len());
        let widgets = &call.json()["cardsV2"][0]["card"]["sections"][0]["widgets"];
        let text = widgets[0]["textParagraph"]["text"].as_str().unwrap();
        assert!(text.starts_with("a &lt;b&gt;<br>é") && text.ends_with('…'));
    }

    #[tokio::test]
    async fn what_a_machine_says_calls_nobody() {
        let server = Server::saying(200, "{}").await;
        let mut sent = problem();
        sent.summary = "<users/all> <https://evil.example|click>".to_owned();
        send(&*space(&server, ""), &sent).await.unwrap();
        let text = server.only_call().json()["text"].as_str().unwrap().to_owned();
        assert_eq!(text, "🚨 ‹users/all› ‹https://evil.example|click›");
    }

    #[tokio::test]
    async fn a_quota_is_waited_out() {
        let body = r#"{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}"#;
        let server = Server::start(move |_| Answer::new(429, body)).await;
        let error = send(&*space(&server, ""), &problem()).await.unwrap_err();
        assert!(!error.is_permanent() && error.text().contains("exhausted"));
    }
}
