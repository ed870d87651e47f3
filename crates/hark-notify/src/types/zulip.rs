//! Zulip: messages of a bot to a channel, one topic for each check of a host, or to people.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::{Call, encoded, form};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, plain_in_markdown};
use crate::error::{Again, SendError};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `zulip`.
#[derive(Debug)]
pub(crate) struct Zulip;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of the server.").required(),
    Key::new("email", Kind::Text, "Mail address of the bot.").required(),
    Key::new("token", Kind::Secret, "API key of the bot.").required(),
    Key::new("channel", Kind::Text, "Channel that is written to; instead of `to`."),
    Key::new(
        "topic",
        Kind::Text,
        "Topic of all messages, instead of one for each check of a host.",
    ),
    Key::new("to", Kind::OneOrMany(&Kind::Text), "Mail addresses of people; instead of `channel`."),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bounds of Zulip: a topic in characters, a message in characters.
const MAX_TOPIC: usize = 60;
const MAX_TEXT: usize = 9000;

/// Bound on the summary, in characters.
const MAX_SUMMARY: usize = 300;

/// What marks a topic as resolved, in Zulip itself too.
const RESOLVED: &str = "✔ ";

/// Bound on the people of one message.
const MAX_PEOPLE: usize = 50;

impl ReceiverType for Zulip {
    fn name(&self) -> &'static str {
        "zulip"
    }

    fn manual(&self) -> &'static str {
        "Writes to a channel of [Zulip](https://zulip.com), or to people, as a bot. In a channel each check of \
         a host has its topic, so that what happens to it stands together; the end of an incident marks the \
         topic as resolved if the bot may do that, and the next incident begins a new one. With `topic` all \
         messages go there and nothing is resolved. Zulip knows neither priority nor colour: a mark before \
         the summary says how bad it is. A problem bears the link that acknowledges it. 429 waits as long \
         as the server says, 5xx is tried again; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://chat.example.net\nemail: hark-bot@chat.example.net\ntoken: correct-horse\nchannel: ops\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        section.required("email");
        section.required("token");
        let email = section.opt_str("email");
        let token = section.opt_secret("token");
        let channel = section.opt_str("channel").map(str::to_owned);
        let topic = section.opt_str("topic").map(str::to_owned);
        let n_people = section.one_or_many("to").len();
        let people = section.parse_many("to", |text| Ok::<_, String>(text.to_owned()));
        let words = Words::read(section);
        let place = match (channel, n_people) {
            (Some(channel), 0) => Place::Channel { channel, topic },
            (None, 1..=MAX_PEOPLE) => {
                Place::People(people.into_iter().map(|person| person.value).collect())
            }
            _ => {
                let text = format!("either `channel`, or `to` with 1 to {MAX_PEOPLE} people");
                section.error("channel", text);
                return None;
            }
        };
        let token = token?;
        let pair = STANDARD.encode(format!("{}:{}", email?, token.expose()));
        let service = service?.hiding(&token);
        let service = service.bearing(section, "token", AUTHORIZATION, &format!("Basic {pair}"))?;
        Some(Box::new(Bot { service, place, words }))
    }
}

/// Where messages go.
#[derive(Debug)]
enum Place {
    Channel { channel: String, topic: Option<String> },
    People(Vec<String>),
}

/// The configured bot.
#[derive(Debug)]
struct Bot {
    service: Service,
    place: Place,
    words: Words,
}

impl ServiceReceiver for Bot {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match &self.place {
            Place::Channel { channel, .. } => format!("{} ({channel})", self.service.target()),
            Place::People(people) => format!("{} ({})", self.service.target(), people.join(", ")),
        }
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let text = self.text(n, context)?;
        let talk = self.service.begin(context);
        let call = match &self.place {
            Place::Channel { channel, topic } => {
                let topic = topic.clone().unwrap_or_else(|| topic_of(n));
                let topic = cut(&topic, MAX_TOPIC, Unit::Chars);
                let to =
                    [("type", "stream"), ("to", channel), ("topic", &topic), ("content", &text)];
                Call::post_form("/api/v1/messages", &to)
            }
            Place::People(people) => {
                let people = json!(people).to_string();
                let to = [("type", "direct"), ("to", &*people), ("content", &text)];
                Call::post_form("/api/v1/messages", &to)
            }
        };
        let answered = talk.call(call).await?;
        let id = answered.json()["id"].as_u64().map(|id| id.to_string());
        let delivered = judge(answered, id.filter(|_| n.reference.is_none()))?;
        if let (Place::Channel { topic: None, .. }, Some(first)) = (&self.place, &n.reference)
            && card::is_over(n)
        {
            self.resolve(first, n, &talk).await;
        }
        Ok(delivered)
    }
}

impl Bot {
    /// Marks the topic as resolved. The end has been told already: that a bot may not do it costs a
    /// mark.
    async fn resolve(&self, first: &str, n: &Notification, talk: &Talk<'_>) {
        let room = MAX_TOPIC - RESOLVED.chars().count();
        let topic = format!("{RESOLVED}{}", cut(&topic_of(n), room, Unit::Chars));
        let fields = [
            ("topic", topic.as_str()),
            ("propagate_mode", "change_all"),
            ("send_notification_to_old_thread", "false"),
            ("send_notification_to_new_thread", "false"),
        ];
        let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let call = Call::new(Method::PATCH, format!("/api/v1/messages/{}", encoded(first)));
        drop(talk.call(call.content(content_type, form(&fields))).await);
    }

    fn text(&self, n: &Notification, context: &Context) -> Result<String, SendError> {
        let summary = plain_in_markdown(&cut(&n.summary, MAX_SUMMARY, Unit::Chars));
        let text = if let Some(own) = self.words.own(n, context)? {
            own
        } else {
            let facts = card::facts(n).into_iter();
            let facts = facts.map(|(name, fact)| format!("* {name}: {}", plain_in_markdown(&fact)));
            let facts: Vec<_> = facts.collect();
            format!("{}\n\n{}", plain_in_markdown(&n.detail), facts.join("\n"))
        };
        let text = cut(text.trim(), MAX_TEXT - 2 * MAX_SUMMARY, Unit::Chars);
        let mut content = format!("{} **{summary}**\n\n{text}\n", Tone::of(n).mark());
        for (label, link) in
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                content = format!("{content}\n[{label}]({link})");
            }
        }
        Ok(content)
    }
}

fn topic_of(n: &Notification) -> String {
    match &n.check {
        Some(check) => format!("{}: {check}", n.host),
        None => n.host.to_string(),
    }
}

/// Judges an answer; Zulip says in the body when to come again.
fn judge(answered: Answered, reference: Option<String>) -> Result<Delivered, SendError> {
    let wait = answered.json().get("retry-after").and_then(Value::as_f64);
    let wait = wait.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match wait.filter(|_| answered.status.as_u16() == 429) {
        Some(wait) => Err(answered.refused(Again::After(wait))),
        None => answered.delivered_as(reference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    const SENT: &str = r#"{"id":42,"msg":"","result":"success"}"#;

    fn bot(server: &Server, more: &str) -> Box<dyn Receiver> {
        let url = server.url("");
        read(&Zulip, &format!("url: {url}\nemail: bot@a.example\ntoken: the-key\n{more}"))
    }

    #[tokio::test]
    async fn a_check_of_a_host_has_its_topic() {
        let server = Server::saying(200, SENT).await;
        let delivered = send(&*bot(&server, "channel: ops\n"), &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("42"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/v1/messages");
        assert_eq!(call.headers["authorization"], "Basic Ym90QGEuZXhhbXBsZTp0aGUta2V5");
        let form = call.form();
        assert_eq!((form["type"].as_str(), form["to"].as_str()), ("stream", "ops"));
        assert_eq!(form["topic"], "db1.example.net: cpu_monitor.cpu_percent");
        let content = &form["content"];
        assert!(content.starts_with("🚨 **CRITICAL: db1 - cpu\\_monitor"), "{content}");
        assert!(content.contains("[Acknowledge](https://hark.example.net/a/"), "{content}");
    }

    #[tokio::test]
    async fn the_end_resolves_the_topic_and_need_not_be_allowed_to() {
        let server = Server::start(|call| match call.method.as_str() {
            "PATCH" => Answer::new(400, r#"{"result":"error","msg":"no permission"}"#),
            _ => Answer::new(200, SENT),
        })
        .await;
        let mut end = recovery(Some("42"));
        end.check = Some(hark_model::CheckName::new(&"c".repeat(90)).unwrap());
        let delivered = send(&*bot(&server, "channel: ops\n"), &end).await.unwrap();
        assert_eq!(delivered.reference, None);
        let calls = server.calls();
        assert_eq!(calls[0].form()["topic"].chars().count(), MAX_TOPIC);
        assert_eq!(calls[1].line(), "PATCH /api/v1/messages/42");
        let form = calls[1].form();
        assert!(form["topic"].starts_with("✔ db1.example.net: ccc"), "{form:?}");
        assert_eq!(form["topic"].chars().count(), MAX_TOPIC);
        assert_eq!(form["propagate_mode"], "change_all");
    }

    #[tokio::test]
    async fn a_fixed_topic_and_people_have_nothing_to_resolve() {
        let server = Server::saying(200, SENT).await;
        let fixed = bot(&server, "channel: ops\ntopic: all of it\n");
        send(&*fixed, &recovery(Some("42"))).await.unwrap();
        assert_eq!(server.only_call().form()["topic"], "all of it");
        let people = bot(&server, "to: [mira@a.example, jo@a.example]\n");
        send(&*people, &recovery(Some("42"))).await.unwrap();
        assert_eq!(server.calls().len(), 2);
        let form = server.last_call().form();
        assert_eq!(form["type"], "direct");
        assert_eq!(form["to"], r#"["mira@a.example","jo@a.example"]"#);
    }

    #[tokio::test]
    async fn a_limit_in_the_body_and_a_refusal_are_read() {
        let body = r#"{"code":"RATE_LIMIT_HIT","msg":"API usage exceeded rate limit","result":"error","retry-after":28.7}"#;
        let server = Server::saying(429, body).await;
        let receiver = bot(&server, "channel: ops\n");
        let error = send(&*receiver, &problem()).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_millis(28_700)));
        let body = r#"{"code":"STREAM_DOES_NOT_EXIST","msg":"Channel 'ops' does not exist","result":"error"}"#;
        let server = Server::saying(400, body).await;
        let error = send(&*bot(&server, "channel: ops\n"), &problem()).await.unwrap_err();
        assert!(error.is_permanent() && error.text().contains("does not exist"));
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        let base = "url: https://a.example\nemail: b@a.example\ntoken: x\n";
        for more in ["", "channel: a\nto: b@c.example\n", "to: []\n"] {
            let errors = mistakes(&Zulip, &format!("{base}{more}"));
            assert!(errors.contains("either `channel`, or `to`"), "{more}: {errors}");
        }
    }
}
