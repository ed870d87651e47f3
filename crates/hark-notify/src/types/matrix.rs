//! Matrix: messages to a room, answered in one thread.

use std::fmt::Write as _;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason};
use hark_net::{Call, encoded};
use http::Method;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, escaped};
use crate::error::{Again, SendError};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Receiver, ReceiverType, digest};

/// The receiver type `matrix`.
#[derive(Debug)]
pub(crate) struct Matrix;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of the homeserver.").required(),
    Key::new("token", Kind::Secret, "Access token of the account that writes.").required(),
    Key::new(
        "room",
        Kind::Text,
        "Number of the room (`!abc:example.net`) or one of its names (`#ops:example.net`); the account must be in it.",
    )
    .required(),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on the text, in bytes: an event has 65,536 and the text stands in it twice, once escaped.
const MAX_TEXT: usize = 8000;

/// Bound on the summary, in bytes.
const MAX_SUMMARY: usize = 500;

impl ReceiverType for Matrix {
    fn name(&self) -> &'static str {
        "matrix"
    }

    fn manual(&self) -> &'static str {
        "Writes to a room of [Matrix](https://matrix.org), unencrypted, through the client API v3 of a \
         homeserver. Later messages of an incident stand in the thread of the first one. Matrix knows no \
         priority: what is critical, warning or unknown is a text, which sounds as the room is set; the \
         rest, the end too, is a notice, which bots make and which is quiet. Tries of one message have the \
         same transaction, so it arrives once. A message of a problem bears the link that acknowledges it. \
         429 waits as long as the server says, 5xx is tried again; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://matrix.example.net\ntoken: syt_correct-horse\nroom: '!aGsdy1:example.net'\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        section.required("token");
        section.required("room");
        let token = section.opt_secret("token");
        let room = section.parse("room", |text| {
            let is_room = text.starts_with(['!', '#']) && text.len() <= MAX_ROOM;
            is_room.then(|| text.to_owned()).ok_or("a room begins with `!` or `#`, in quotes")
        });
        let words = Words::read(section);
        let service = service?.bearer(section, "token", &token?)?;
        Some(Box::new(Room { service, name: room?, words }))
    }
}

/// Bound of Matrix on the number or name of a room, in bytes.
const MAX_ROOM: usize = 255;

/// One configured room.
#[derive(Debug)]
struct Room {
    service: Service,
    name: String,
    words: Words,
}

impl ServiceReceiver for Room {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{} ({})", self.service.target(), self.name)
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let room = self.room(&talk).await?;
        let path = format!(
            "/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
            encoded(&room),
            digest::sha256(&format!("{} {}", n.receiver, n.key)),
        );
        let call = Call::new(Method::PUT, path).json(&self.content(n, context)?);
        let answered = talk.call(call).await?;
        let event = answered.json()["event_id"].as_str().map(str::to_owned);
        judge(answered, event.filter(|_| n.reference.is_none()))
    }
}

impl Room {
    /// Returns the number of the room. A name can be given to another room at any time, so it is asked
    /// for each time.
    async fn room(&self, talk: &Talk<'_>) -> Result<String, SendError> {
        if self.name.starts_with('!') {
            return Ok(self.name.clone());
        }
        let path = format!("/_matrix/client/v3/directory/room/{}", encoded(&self.name));
        let answered = talk.call(Call::new(Method::GET, path)).await?;
        let room = answered.json()["room_id"].as_str().map(str::to_owned);
        judge(answered, None)?;
        let what = || format!("the homeserver does not say which room {} is", self.name);
        room.ok_or_else(|| SendError::Compose { what: what() })
    }

    fn content(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let summary = format!("{} {}", tone.mark(), cut(&n.summary, MAX_SUMMARY, Unit::Bytes));
        let text = cut(&self.words.text(n, context)?, MAX_TEXT, Unit::Bytes);
        let mut plain = format!("{summary}\n\n{text}");
        let lines = escaped(&text).replace('\n', "<br>");
        let mut formatted = format!("<strong>{}</strong><br>{lines}", escaped(&summary));
        for (label, link) in
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                // Writing to a text cannot fail.
                let _written = write!(plain, "\n{label}: {link}");
                let link = escaped(&link);
                let _written = write!(formatted, "<br><a href=\"{link}\">{label}</a>");
            }
        }
        let is_quiet = matches!(tone, Tone::Good | Tone::Info) || n.reason == Reason::Better;
        let mut content = json!({
            "msgtype": if is_quiet { "m.notice" } else { "m.text" },
            "body": plain,
            "format": "org.matrix.custom.html",
            "formatted_body": formatted,
        });
        if let Some(first) = &n.reference {
            content["m.relates_to"] = json!({
                "rel_type": "m.thread",
                "event_id": first,
                "is_falling_back": true,
                "m.in_reply_to": {"event_id": first},
            });
        }
        Ok(content)
    }
}

/// Judges an answer; older homeservers say only in the body when to come again.
fn judge(answered: Answered, reference: Option<String>) -> Result<Delivered, SendError> {
    let wait = answered.json()["retry_after_ms"].as_u64().map(Duration::from_millis);
    match wait.filter(|_| answered.status.as_u16() == 429) {
        Some(wait) => Err(answered.refused(Again::After(wait))),
        None => answered.delivered_as(reference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    const SENT: &str = r#"{"event_id":"$YUwRidLecu:example.net"}"#;

    fn room(server: &Server, room: &str) -> Box<dyn Receiver> {
        read(&Matrix, &format!("url: {}\ntoken: syt_token\nroom: '{room}'\n", server.url("")))
    }

    #[tokio::test]
    async fn a_problem_is_put_once_under_its_own_transaction() {
        let server = Server::saying(200, SENT).await;
        let receiver = room(&server, "!a b:example.net");
        let delivered = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("$YUwRidLecu:example.net"));
        send(&*receiver, &problem()).await.unwrap();
        send(&*receiver, &recovery(None)).await.unwrap();
        let calls = server.calls();
        let path = "PUT /_matrix/client/v3/rooms/%21a%20b%3Aexample.net/send/m.room.message/";
        assert!(calls[0].line().starts_with(path), "{}", calls[0].line());
        assert_eq!(calls[0].uri, calls[1].uri, "the same message again");
        assert_ne!(calls[0].uri, calls[2].uri);
        assert_eq!(calls[0].headers["authorization"], "Bearer syt_token");
        let content = calls[0].json();
        assert_eq!(content["msgtype"], "m.text");
        let body = content["body"].as_str().unwrap();
        assert!(body.starts_with("🚨 CRITICAL: db1"), "{body}");
        assert!(body.contains("\nAcknowledge: https://hark.example.net/a/"), "{body}");
        let html = content["formatted_body"].as_str().unwrap();
        assert!(
            html.starts_with("<strong>🚨 CRITICAL") && html.contains("<br>Host: db1"),
            "{html}"
        );
        assert_eq!(content.get("m.relates_to"), None);
    }

    #[tokio::test]
    async fn the_end_stands_in_the_thread_and_is_quiet() {
        let server = Server::saying(200, SENT).await;
        let delivered = send(&*room(&server, "!a:b"), &recovery(Some("$first"))).await.unwrap();
        assert_eq!(delivered.reference, None);
        let content = server.only_call().json();
        assert_eq!(content["msgtype"], "m.notice");
        let relation = &content["m.relates_to"];
        assert_eq!(
            (&relation["rel_type"], &relation["event_id"]),
            (&"m.thread".into(), &"$first".into())
        );
        assert_eq!(relation["m.in_reply_to"]["event_id"], "$first");
    }

    #[tokio::test]
    async fn a_name_of_a_room_is_looked_up() {
        let server = Server::start(|call| match call.method.as_str() {
            "GET" => Answer::new(200, r#"{"room_id":"!found:example.net","servers":[]}"#),
            _ => Answer::new(200, SENT),
        })
        .await;
        send(&*room(&server, "#ops:example.net"), &problem()).await.unwrap();
        let calls = server.calls();
        assert_eq!(calls[0].line(), "GET /_matrix/client/v3/directory/room/%23ops%3Aexample.net");
        assert!(calls[1].uri.contains("/rooms/%21found%3Aexample.net/"), "{}", calls[1].uri);
    }

    #[tokio::test]
    async fn a_limit_in_the_body_and_a_refusal_are_read() {
        let limit = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too many","retry_after_ms":2500}"#;
        let server = Server::saying(429, limit).await;
        let error = send(&*room(&server, "!a:b"), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_millis(2500)));
        let server =
            Server::saying(403, r#"{"errcode":"M_FORBIDDEN","error":"not in room"}"#).await;
        let error = send(&*room(&server, "!a:b"), &problem()).await.unwrap_err();
        assert!(error.is_permanent() && error.text().contains("not in room"));
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        let errors = mistakes(&Matrix, "url: https://a.example\ntoken: x\nroom: ops\n");
        assert!(errors.contains("begins with `!` or `#`"), "{errors}");
    }
}
