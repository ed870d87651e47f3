//! Discord: messages to a channel through its webhook.

use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::{Call, encoded};
use http::Method;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, plain_in_markdown};
use crate::error::{Again, SendError};
use crate::render::rfc3339;
use crate::service::{self, Answered, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `discord`.
#[derive(Debug)]
pub(crate) struct Discord;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address of the webhook, from the channel's settings.")
        .required(),
    Key::new("username", Kind::Text, "Name under which hark posts.").default("hark"),
    Key::new("thread", Kind::Text, "Number of a thread of the channel to post into."),
    Key::new("mention", Kind::Text, "Number of a role that critical problems mention."),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bounds of Discord, in characters.
const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 4096;
const MAX_FIELD: usize = 1024;

impl ReceiverType for Discord {
    fn name(&self) -> &'static str {
        "discord"
    }

    fn manual(&self) -> &'static str {
        "Posts to a channel of [Discord](https://discord.com) through the channel's webhook: an embed with \
         colour, facts and a link, and buttons that open the incident and the link that acknowledges it. \
         Discord knows no priority: `mention` names a role that critical problems call. Webhooks cannot \
         answer a message, so each message of an incident is a post of its own; its end also turns the \
         first post green and takes its buttons away. 429 is tried again after the time that Discord says, \
         5xx later; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://discord.com/api/webhooks/223704706495545344/correct-horse\n\
         mention: '165511591545143296'\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at_secret(section, "url");
        let username = section.str("username", "hark").to_owned();
        let thread = section.parse("thread", snowflake);
        let mention = section.parse("mention", snowflake);
        let words = Words::read(section);
        Some(Box::new(Channel { service: service?, username, thread, mention, words }))
    }
}

fn snowflake(text: &str) -> Result<String, &'static str> {
    let number = text.parse::<u64>();
    number.map(|n| n.to_string()).map_err(|_| "Discord's numbers have digits only")
}

/// One configured webhook.
#[derive(Debug)]
struct Channel {
    service: Service,
    username: String,
    thread: Option<String>,
    mention: Option<String>,
    words: Words,
}

impl ServiceReceiver for Channel {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let call = Call::post_json(self.path("", true), &self.message(n, context)?);
        let answered = talk.call(call).await?;
        let id = answered.json().get("id").and_then(Value::as_str).map(str::to_owned);
        let delivered = judge(answered, id.filter(|_| n.reference.is_none()))?;
        if let Some(first) = n.reference.as_deref().filter(|_| card::is_over(n)) {
            self.close(first, n, &talk).await;
        }
        Ok(delivered)
    }
}

impl Channel {
    /// Turns the first message of the incident green. The end has been told already: that this fails
    /// costs a colour.
    async fn close(&self, first: &str, n: &Notification, talk: &Talk<'_>) {
        let embed = json!({
            "title": title(n),
            "description": format!("Over since {}.", rfc3339(n.at)),
            "color": Tone::Good.colour(),
        });
        let path = self.path(&format!("/messages/{}", encoded(first)), false);
        let call =
            Call::new(Method::PATCH, path).json(&json!({"embeds": [embed], "components": []}));
        drop(talk.call(call).await);
    }

    /// Returns the path of a call; `waits` for the message to be there, so that the answer names it.
    fn path(&self, below: &str, waits: bool) -> String {
        let mut query = vec!["with_components=true".to_owned()];
        query.extend(waits.then(|| "wait=true".to_owned()));
        query.extend(self.thread.as_ref().map(|thread| format!("thread_id={thread}")));
        format!("{below}?{}", query.join("&"))
    }

    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let mut embed = json!({
            "title": title(n),
            "color": tone.colour(),
            "timestamp": rfc3339(n.at),
        });
        if let Some(own) = self.words.own(n, context)? {
            embed["description"] = cut(&own, MAX_DESCRIPTION, Unit::Chars).into();
        } else {
            let detail = plain_in_markdown(&n.detail);
            embed["description"] = cut(&detail, MAX_DESCRIPTION, Unit::Chars).into();
            let facts = card::facts(n).into_iter().map(|(name, fact)| {
                let value = cut(&plain_in_markdown(&fact), MAX_FIELD, Unit::Chars);
                json!({"name": name, "value": value, "inline": true})
            });
            embed["fields"] = facts.collect();
        }
        let link = card::link(n, context);
        if let Some(link) = &link {
            embed["url"] = link.clone().into();
        }
        let buttons: Vec<Value> = [("Open", link), ("Acknowledge", context.acknowledge_link(n))]
            .into_iter()
            .filter_map(|(label, url)| Some((label, url?)))
            .map(|(label, url)| json!({"type": 2, "style": 5, "label": label, "url": url}))
            .collect();
        // Text of a monitored machine must not call anybody.
        let mut message = json!({
            "username": self.username,
            "embeds": [embed],
            "allowed_mentions": {"parse": []},
        });
        if !buttons.is_empty() {
            message["components"] = json!([{"type": 1, "components": buttons}]);
        }
        if let Some(role) = self.mention.as_ref().filter(|_| tone == Tone::Critical) {
            message["content"] = format!("<@&{role}>").into();
            message["allowed_mentions"] = json!({"roles": [role]});
        }
        Ok(message)
    }
}

fn title(n: &Notification) -> String {
    let title = format!("{} {}", Tone::of(n).mark(), plain_in_markdown(&n.summary));
    cut(&title, MAX_TITLE, Unit::Chars)
}

/// Judges an answer; Discord also says in the body when to come again, and more exactly.
fn judge(answered: Answered, reference: Option<String>) -> Result<Delivered, SendError> {
    if answered.status.as_u16() == 429 {
        let wait = answered.json().get("retry_after").and_then(Value::as_f64);
        if let Some(wait) = wait.and_then(|s| Duration::try_from_secs_f64(s).ok()) {
            return Err(answered.refused(Again::After(wait)));
        }
    }
    answered.delivered_as(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{
        Answer, Server, mistakes, problem, read, recovery, reminder, send,
    };

    fn channel(server: &Server, more: &str) -> Box<dyn Receiver> {
        read(&Discord, &format!("url: {}\n{more}", server.url("/api/webhooks/1/token-of-hook")))
    }

    #[tokio::test]
    async fn a_problem_is_an_embed_with_colour_facts_and_buttons() {
        let server = Server::saying(200, r#"{"id":"1107","type":0}"#).await;
        let receiver = channel(&server, "mention: '42'\nthread: '77'\n");
        let delivered = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("1107"));
        let call = server.only_call();
        let path = "/api/webhooks/1/token-of-hook?with_components=true&wait=true&thread_id=77";
        assert_eq!(call.line(), format!("POST {path}"));
        let message = call.json();
        let embed = &message["embeds"][0];
        assert_eq!(embed["color"], 0xd1_24_2f);
        assert_eq!(embed["title"], "🚨 CRITICAL: db1 - cpu\\_monitor.cpu\\_percent = 95.0");
        assert_eq!(embed["description"], "above 90.0 for 3 looks");
        assert_eq!(
            embed["fields"][0],
            json!({"name": "Host", "value": "db1.example.net", "inline": true})
        );
        assert_eq!(embed["timestamp"], "2027-01-15T08:00:30Z");
        assert_eq!(message["content"], "<@&42>");
        assert_eq!(message["allowed_mentions"], json!({"roles": ["42"]}));
        let buttons = &message["components"][0]["components"];
        assert_eq!(buttons[0]["url"], "https://hark.example.net/incidents/1");
        assert!(buttons[1]["url"].as_str().unwrap().starts_with("https://hark.example.net/a/"));
    }

    #[tokio::test]
    async fn the_end_is_told_and_turns_the_first_message_green() {
        let server = Server::saying(200, r#"{"id":"1108"}"#).await;
        let delivered = send(&*channel(&server, ""), &recovery(Some("1107"))).await.unwrap();
        assert_eq!(delivered.reference, None, "the first message stays the one to be edited");
        let calls = server.calls();
        assert!(calls[0].line().starts_with("POST "));
        assert_eq!(calls[0].json()["allowed_mentions"], json!({"parse": []}));
        let path = "/api/webhooks/1/token-of-hook/messages/1107?with_components=true";
        assert_eq!(calls[1].line(), format!("PATCH {path}"));
        let edit = calls[1].json();
        assert_eq!(edit["embeds"][0]["color"], Tone::Good.colour());
        assert_eq!(edit["components"], json!([]));
    }

    #[tokio::test]
    async fn that_the_first_message_is_gone_does_not_matter() {
        let server = Server::start(|call| match call.method.as_str() {
            "PATCH" => Answer::new(404, r#"{"message":"Unknown Message","code":10008}"#),
            _ => Answer::new(200, r#"{"id":"1108"}"#),
        })
        .await;
        send(&*channel(&server, ""), &recovery(Some("1107"))).await.unwrap();
        assert_eq!(server.calls().len(), 2);
        send(&*channel(&server, ""), &reminder(Some("1107"))).await.unwrap();
        assert_eq!(server.calls().len(), 3, "a reminder edits nothing");
    }

    #[tokio::test]
    async fn the_limit_in_the_body_is_kept_to() {
        let body =
            r#"{"message":"You are being rate limited.","retry_after":64.57,"global":false}"#;
        let server = Server::start(move |_| Answer::new(429, body).with("retry-after", "65")).await;
        let error = send(&*channel(&server, ""), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_millis(64_570)));
        assert!(!error.is_permanent());
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        let errors = mistakes(&Discord, "url: https://discord.com/x\nmention: ops\n");
        assert!(errors.contains("digits only"), "{errors}");
    }
}
