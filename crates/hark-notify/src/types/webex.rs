//! Webex: messages of a bot to a room or a person, in one thread.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, plain_in_markdown};
use crate::error::SendError;
use crate::service::{self, Service, ServiceReceiver, is_refused_as};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `webex`.
#[derive(Debug)]
pub(crate) struct Webex;

pub(crate) const KEYS: &[Key] = &[
    Key::new("token", Kind::Secret, "Access token of the bot.").required(),
    Key::new("room", Kind::Text, "Id of the room that the bot is in; instead of `person`."),
    Key::new("person", Kind::Text, "Mail address of the person; instead of `room`."),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://webexapis.com";

/// Bound on the text, in bytes: a message has 7439, and marks and links are in it too.
const MAX_TEXT: usize = 5000;

/// Bound on the summary, in bytes.
const MAX_SUMMARY: usize = 500;

impl ReceiverType for Webex {
    fn name(&self) -> &'static str {
        "webex"
    }

    fn manual(&self) -> &'static str {
        "Writes to a room or a person of [Webex](https://www.webex.com) as a bot. Later messages of an \
         incident answer in the thread of the first one. Webex knows neither priority nor colour: a mark \
         before the summary says how bad it is. A problem bears the link that acknowledges it. 423 and 429 \
         wait for `Retry-After`, 5xx is tried again; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: correct-horse\nroom: Y2lzY29zcGFyazovL3VzL1JPT00vYmJj\nurl: https://webexapis.com\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("token");
        let token = section.opt_secret("token");
        let room = section.opt_str("room");
        let person = section.opt_str("person");
        let service = Service::at(section, "url", Some(URL));
        let words = Words::read(section);
        let (key, to) = match (room, person) {
            (Some(room), None) => ("roomId", room),
            (None, Some(person)) => ("toPersonEmail", person),
            _ => {
                section.error("room", "one of `room` and `person` is expected");
                return None;
            }
        };
        let service = service?.bearer(section, "token", &token?)?;
        Some(Box::new(Room { service, key, to: to.to_owned(), words }))
    }
}

/// One configured room or person.
#[derive(Debug)]
struct Room {
    service: Service,
    /// What the service calls this kind of recipient.
    key: &'static str,
    to: String,
    words: Words,
}

impl ServiceReceiver for Room {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{} ({})", self.service.target(), self.to)
    }

    fn is_gone(&self, error: &SendError) -> bool {
        is_refused_as(error, &[400, 404])
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let call = Call::post_json("/v1/messages", &self.message(n, context)?);
        let mut answered = self.service.begin(context).call(call).await?;
        let id = answered.json()["id"].as_str().map(str::to_owned);
        if answered.status.is_success() {
            // The answer repeats the whole message.
            answered.text.clear();
        }
        if let (423, Some(wait)) = (answered.status.as_u16(), answered.retry_after) {
            return Err(answered.refused(crate::Again::After(wait)));
        }
        answered.delivered_as(id.filter(|_| n.reference.is_none()))
    }
}

impl Room {
    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let summary = plain_in_markdown(&cut(&n.summary, MAX_SUMMARY, Unit::Bytes));
        let text = if let Some(own) = self.words.own(n, context)? {
            own
        } else {
            let facts = card::facts(n).into_iter();
            let facts = facts.map(|(name, fact)| format!("- {name}: {}", plain_in_markdown(&fact)));
            let facts: Vec<_> = facts.collect();
            format!("{}\n\n{}", plain_in_markdown(&n.detail), facts.join("\n"))
        };
        let text = cut(text.trim(), MAX_TEXT, Unit::Bytes);
        let mut markdown = format!("**{} {summary}**\n\n{text}\n", Tone::of(n).mark());
        for (label, link) in
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                markdown = format!("{markdown}\n[{label}]({link})");
            }
        }
        let mut message = json!({"markdown": markdown});
        message[self.key] = self.to.clone().into();
        if let Some(first) = &n.reference {
            message["parentId"] = first.clone().into();
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    fn room(server: &Server, to: &str) -> Box<dyn Receiver> {
        read(&Webex, &format!("token: bot-token\n{to}\nurl: {}\n", server.url("")))
    }

    #[tokio::test]
    async fn a_problem_opens_a_thread_and_its_end_answers_in_it() {
        let server = Server::saying(200, r#"{"id":"Y2lzY29","roomId":"R"}"#).await;
        let receiver = room(&server, "room: R1");
        let delivered = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("Y2lzY29"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /v1/messages");
        assert_eq!(call.headers["authorization"], "Bearer bot-token");
        let message = call.json();
        assert_eq!(message["roomId"], "R1");
        let markdown = message["markdown"].as_str().unwrap();
        assert!(markdown.starts_with("**🚨 CRITICAL: db1 - cpu\\_monitor"), "{markdown}");
        assert!(markdown.contains("\n- Host: db1.example.net\n"), "{markdown}");
        assert!(markdown.contains("[Acknowledge](https://hark.example.net/a/"), "{markdown}");
        let delivered = send(&*receiver, &recovery(Some("Y2lzY29"))).await.unwrap();
        assert_eq!(delivered.reference, None);
        assert_eq!(server.last_call().json()["parentId"], "Y2lzY29");
    }

    #[tokio::test]
    async fn a_person_is_written_to_by_mail_address() {
        let server = Server::saying(200, "{}").await;
        send(&*room(&server, "person: mira@example.net"), &problem()).await.unwrap();
        let message = server.only_call().json();
        assert_eq!(message["toPersonEmail"], "mira@example.net");
        assert_eq!(message.get("roomId"), None);
    }

    #[tokio::test]
    async fn a_long_text_stays_below_the_limit() {
        let server = Server::saying(200, "{}").await;
        let mut long = problem();
        long.detail = "_".repeat(9000);
        send(&*room(&server, "room: R"), &long).await.unwrap();
        let markdown = server.only_call().json()["markdown"].as_str().unwrap().to_owned();
        assert!(markdown.len() <= 7439 && markdown.contains("[Open]("), "{}", markdown.len());
    }

    #[tokio::test]
    async fn a_locked_room_and_a_limit_are_waited_for() {
        for status in [423, 429] {
            let server =
                Server::start(move |_| Answer::new(status, "{}").with("retry-after", "9")).await;
            let error = send(&*room(&server, "room: R"), &problem()).await.unwrap_err();
            assert_eq!(error.retry_after().unwrap().as_secs(), 9, "{status}");
        }
        let body = r#"{"message":"The request could not be understood","trackingId":"T"}"#;
        let server = Server::saying(400, body).await;
        assert!(send(&*room(&server, "room: R"), &problem()).await.unwrap_err().is_permanent());
    }

    #[tokio::test]
    async fn a_thread_whose_first_message_was_deleted_is_begun_anew() {
        let server = Server::start(|call| match call.json().get("parentId") {
            Some(_) => Answer::new(404, r#"{"message":"The parent message could not be found."}"#),
            None => Answer::new(200, r#"{"id":"new"}"#),
        })
        .await;
        let told = send(&*room(&server, "room: R"), &recovery(Some("gone"))).await.unwrap();
        assert_eq!((told.reference.as_deref(), server.calls().len()), (Some("new"), 2));
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        assert!(mistakes(&Webex, "token: x\n").contains("one of `room` and `person`"));
        let both = mistakes(&Webex, "token: x\nroom: a\nperson: b\n");
        assert!(both.contains("one of `room` and `person`"));
    }
}
