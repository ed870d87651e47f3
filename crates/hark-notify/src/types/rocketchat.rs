//! Rocket.Chat: messages to a room, as a user with threads, or through an incoming webhook.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason};
use hark_net::Call;
use http::HeaderName;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, plain_in_markdown};
use crate::error::{Again, SendError};
use crate::render::rfc3339;
use crate::service::{self, Answered, Service, ServiceReceiver, is_refused_as};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `rocketchat`.
#[derive(Debug)]
pub(crate) struct RocketChat;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address of an incoming webhook; instead of `server`."),
    Key::new("server", Kind::Text, "Address of the server, for a user."),
    Key::new("user_id", Kind::Text, "Id of the user that writes."),
    Key::new("token", Kind::Secret, "Personal access token of that user."),
    Key::new("channel", Kind::Text, "Room: `#name`, `@user` or an id; a webhook has its own."),
    Key::new("mention", Kind::Text, "What critical problems begin with, such as `@here`."),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on the text, in characters: servers allow 5000 for a message by default.
const MAX_TEXT: usize = 4000;

/// Bound on the summary, in characters.
const MAX_SUMMARY: usize = 300;

impl ReceiverType for RocketChat {
    fn name(&self) -> &'static str {
        "rocketchat"
    }

    fn manual(&self) -> &'static str {
        "Posts to a room of [Rocket.Chat](https://rocket.chat): as a user (`server`, `user_id`, `token`, \
         `channel`), or through an incoming webhook (`url`). The colour says how bad it is; Rocket.Chat \
         knows no priority, `mention` calls people to what is critical. As a user, later messages of an \
         incident answer in the thread of the first one, and what got worse and the end are shown in the \
         room too. A webhook knows no threads. A problem bears the link that acknowledges it. An answer \
         `success: false` is final, 429 and 5xx are tried again."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "server: https://chat.example.net\nuser_id: aobEdbYhXfu5hkeqG\ntoken: correct-horse\n\
         channel: '#ops'\nmention: '@here'\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let user = section.opt_str("user_id");
        let token = section.opt_secret("token");
        let room = section.opt_str("channel").map(str::to_owned);
        let mention = section.opt_str("mention").unwrap_or_default().to_owned();
        let words = Words::read(section);
        let (service, is_user) = match (section.has("url"), section.has("server")) {
            (true, false) => (Service::at_secret(section, "url")?, false),
            (false, true) => {
                let service = Service::at(section, "server", None);
                for key in ["user_id", "token", "channel"] {
                    section.required(key);
                }
                let name = |name| HeaderName::from_static(name);
                let service = service?.bearing(section, "user_id", name("x-user-id"), user?)?;
                let token = token?;
                (service.bearing(section, "token", name("x-auth-token"), token.expose())?, true)
            }
            (true, true) | (false, false) => {
                section.error("url", "one of `url` and `server` is expected");
                return None;
            }
        };
        if is_user && room.is_none() {
            return None;
        }
        Some(Box::new(Room { service, is_user, name: room, mention, words }))
    }
}

/// One configured room.
#[derive(Debug)]
struct Room {
    service: Service,
    is_user: bool,
    name: Option<String>,
    mention: String,
    words: Words,
}

impl ServiceReceiver for Room {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match &self.name {
            Some(room) => format!("{} ({room})", self.service.target()),
            None => self.service.target(),
        }
    }

    fn is_gone(&self, error: &SendError) -> bool {
        is_refused_as(error, &[400, 404])
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let mut message = self.message(n, context)?;
        if let Some(room) = &self.name {
            message["channel"] = room.clone().into();
        }
        let talk = self.service.begin(context);
        if !self.is_user {
            return judge(talk.call(Call::post_json("", &message)).await?, None);
        }
        if let Some(first) = &n.reference {
            message["tmid"] = first.clone().into();
            message["tshow"] = (card::is_over(n) || n.reason == Reason::Worse).into();
        }
        let answered = talk.call(Call::post_json("/api/v1/chat.postMessage", &message)).await?;
        let id = answered.json()["message"]["_id"].as_str().map(str::to_owned);
        judge(answered, id.filter(|_| n.reference.is_none()))
    }
}

impl Room {
    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let summary = cut(&n.summary, MAX_SUMMARY, Unit::Chars);
        let mut attachment = json!({
            "title": format!("{} {summary}", tone.mark()),
            "color": tone.hex(),
            "ts": rfc3339(n.at),
        });
        let mut text = if let Some(own) = self.words.own(n, context)? {
            cut(&own, MAX_TEXT, Unit::Chars)
        } else {
            let facts = card::facts(n).into_iter();
            let facts =
                facts.map(|(name, fact)| json!({"short": true, "title": name, "value": fact}));
            attachment["fields"] = facts.collect();
            cut(&plain_in_markdown(&n.detail), MAX_TEXT, Unit::Chars)
        };
        if let Some(link) = context.acknowledge_link(n) {
            text = format!("{text}\n\n[Acknowledge]({link})");
        }
        attachment["text"] = text.into();
        if let Some(link) = card::link(n, context) {
            attachment["title_link"] = link.into();
        }
        let is_called = tone == Tone::Critical && !self.mention.is_empty();
        let text = if is_called { self.mention.as_str() } else { "" };
        Ok(json!({"text": text, "attachments": [attachment]}))
    }
}

/// Judges an answer, which may say in a 200 that it refuses.
fn judge(mut answered: Answered, reference: Option<String>) -> Result<Delivered, SendError> {
    if answered.status.is_success() {
        if answered.json()["success"] == false {
            return Err(answered.refused(Again::Never));
        }
        // The answer repeats the whole message.
        answered.text.clear();
    }
    answered.delivered_as(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{
        Answer, Server, mistakes, problem, read, recovery, reminder, send,
    };

    const POSTED: &str = r#"{"ts":1481748965123,"channel":"ops","message":{"_id":"jC9chsFddTvsbFQG7"},"success":true}"#;

    fn room(server: &Server, more: &str) -> Box<dyn Receiver> {
        let url = server.url("");
        let text =
            format!("server: {url}\nuser_id: aob\ntoken: user-token\nchannel: '#ops'\n{more}");
        read(&RocketChat, &text)
    }

    #[tokio::test]
    async fn a_problem_opens_a_thread_that_later_messages_answer() {
        let server = Server::saying(200, POSTED).await;
        let receiver = room(&server, "mention: '@here'\n");
        let delivered = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("jC9chsFddTvsbFQG7"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/v1/chat.postMessage");
        assert_eq!(call.headers["x-user-id"], "aob");
        assert_eq!(call.headers["x-auth-token"], "user-token");
        let message = call.json();
        assert_eq!((&message["channel"], &message["text"]), (&"#ops".into(), &"@here".into()));
        let attachment = &message["attachments"][0];
        assert_eq!(
            (&attachment["color"], &attachment["ts"]),
            (&"#d1242f".into(), &"2027-01-15T08:00:30Z".into())
        );
        assert_eq!(attachment["title_link"], "https://hark.example.net/incidents/1");
        assert!(attachment["text"].as_str().unwrap().contains("[Acknowledge](https://hark"));

        let delivered = send(&*receiver, &reminder(Some("first"))).await.unwrap();
        assert_eq!(delivered.reference, None);
        let message = server.last_call().json();
        assert_eq!((&message["tmid"], &message["tshow"]), (&"first".into(), &false.into()));
        send(&*receiver, &recovery(Some("first"))).await.unwrap();
        let message = server.last_call().json();
        assert_eq!((&message["tmid"], &message["tshow"]), (&"first".into(), &true.into()));
        assert_eq!(message["attachments"][0]["color"], Tone::Good.hex());
    }

    #[tokio::test]
    async fn a_webhook_gets_the_same_without_threads() {
        let server = Server::saying(200, r#"{"success":true}"#).await;
        let text = format!("url: {}\n", server.url("/hooks/id/secret-part"));
        let delivered = send(&*read(&RocketChat, &text), &problem()).await.unwrap();
        assert_eq!(delivered.reference, None);
        let call = server.only_call();
        assert_eq!(call.line(), "POST /hooks/id/secret-part");
        assert_eq!(call.json().get("channel"), None);
    }

    #[tokio::test]
    async fn a_no_inside_of_200_is_a_no_and_a_limit_is_not() {
        let body = r#"{"success":false,"error":"error-invalid-channel"}"#;
        let server = Server::saying(200, body).await;
        let error = send(&*room(&server, ""), &problem()).await.unwrap_err();
        assert!(error.is_permanent() && error.text().contains("error-invalid-channel"));
        let body = r#"{"success":false,"error":"Error, too many requests."}"#;
        let server = Server::start(move |_| Answer::new(429, body)).await;
        let error = send(&*room(&server, ""), &problem()).await.unwrap_err();
        assert!(!error.is_permanent());
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        for (text, expected) in [
            ("token: x\n", "one of `url` and `server`"),
            ("server: https://a.example\ntoken: x\nchannel: y\n", "the key `user_id` is missing"),
            ("server: https://a.example\nuser_id: u\ntoken: x\n", "the key `channel` is missing"),
        ] {
            let errors = mistakes(&RocketChat, text);
            assert!(errors.contains(expected), "{expected} is missing in {errors}");
        }
    }
}
