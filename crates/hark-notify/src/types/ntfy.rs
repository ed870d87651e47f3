//! ntfy: push messages to whoever subscribed to a topic, at ntfy.sh or a server of one's own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::SendError;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `ntfy`.
#[derive(Debug)]
pub(crate) struct Ntfy;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of the server.").default(URL),
    Key::new("topic", Kind::Text, "Topic that is published to. Whoever knows it can read along.")
        .required(),
    Key::new("token", Kind::Secret, "Access token."),
    Key::new("user", Kind::Text, "User, where there is no token."),
    Key::new("password", Kind::Secret, "Password of the user."),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://ntfy.sh";

/// Bound of ntfy on a message, in bytes; more becomes a file that nobody reads on a lock screen.
const MAX_MESSAGE: usize = 4096;

/// Bound of ntfy on a title, in bytes.
const MAX_TITLE: usize = 250;

/// Bound of ntfy on the name of a topic.
const MAX_TOPIC: usize = 64;

impl ReceiverType for Ntfy {
    fn name(&self) -> &'static str {
        "ntfy"
    }

    fn manual(&self) -> &'static str {
        "Publishes to a topic of [ntfy](https://ntfy.sh). Priority is 5 for critical, 4 for warning, 3 for \
         unknown and for what is over, 2 for the rest, with a mark for each. A tap opens the incident on \
         the page; the action \"Acknowledge\" opens the link that acknowledges it. A recovery is a message \
         of its own. 429 and 5xx are tried again, after the time in `Retry-After`; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://ntfy.example.net\ntopic: hark-ops\ntoken: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        section.required("topic");
        let topic = section.parse("topic", topic);
        let words = Words::read(section);
        let token = section.opt_secret("token");
        let user = section.opt_str("user");
        let password = section.opt_secret("password");
        let service = match (token, user, password) {
            (Some(token), None, None) => service?.bearer(section, "token", &token)?,
            (None, Some(user), Some(password)) => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
                let basic = format!("Basic {pair}");
                service?.hiding(&password).bearing(section, "password", AUTHORIZATION, &basic)?
            }
            (None, None, None) => service?,
            _ => {
                section.error("user", "either `token`, or `user` and `password`");
                return None;
            }
        };
        Some(Box::new(Topic { service, name: topic?, words }))
    }
}

fn topic(text: &str) -> Result<String, &'static str> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || text.len() > MAX_TOPIC || !text.chars().all(is_good) {
        return Err("a topic has 1 to 64 letters, digits, `_` and `-`");
    }
    Ok(text.to_owned())
}

/// One configured topic.
#[derive(Debug)]
struct Topic {
    service: Service,
    name: String,
    words: Words,
}

impl ServiceReceiver for Topic {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        // The topic lets people read along: it is not shown.
        self.service.target()
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let call = Call::post_json("/", &self.document(notification, context)?);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Topic {
    fn document(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let (priority, tag) = match Tone::of(n) {
            Tone::Critical => (5, "rotating_light"),
            Tone::Warning => (4, "warning"),
            Tone::Unknown => (3, "question"),
            Tone::Good => (3, "white_check_mark"),
            Tone::Info if card::is_quiet(n) => (2, "information_source"),
            Tone::Info => (3, "information_source"),
        };
        let mut document = json!({
            "topic": self.name,
            "title": cut(&n.summary, MAX_TITLE, Unit::Bytes),
            "message": cut(&self.words.text(n, context)?, MAX_MESSAGE, Unit::Bytes),
            "priority": priority,
            "tags": [tag],
        });
        let mut actions = Vec::new();
        if let Some(link) = card::link(n, context) {
            actions.push(json!({"action": "view", "label": "Open", "url": link}));
            document["click"] = link.into();
        }
        if let Some(link) = context.acknowledge_link(n) {
            actions.push(json!({"action": "view", "label": "Acknowledge", "url": link}));
        }
        if !actions.is_empty() {
            document["actions"] = actions.into();
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    fn receiver(server: &Server, more: &str) -> Box<dyn Receiver> {
        read(&Ntfy, &format!("url: {}\ntopic: hark-ops\n{more}", server.url("/")))
    }

    #[tokio::test]
    async fn a_problem_is_published_loudly_with_its_actions() {
        let server = Server::saying(200, r#"{"id":"hwQ2YpKdmg"}"#).await;
        let receiver = receiver(&server, "token: tk_secret\n");
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /");
        assert_eq!(call.headers["authorization"], "Bearer tk_secret");
        let document = call.json();
        assert_eq!(document["topic"], "hark-ops");
        assert_eq!(document["title"], problem().summary);
        assert_eq!(document["priority"], 5);
        assert_eq!(document["tags"], json!(["rotating_light"]));
        assert_eq!(document["click"], "https://hark.example.net/incidents/1");
        assert_eq!(document["actions"][1]["label"], "Acknowledge");
        let link = document["actions"][1]["url"].as_str().unwrap();
        assert!(link.starts_with("https://hark.example.net/a/"), "{link}");
        assert!(document["message"].as_str().unwrap().contains("above 90.0"));
    }

    #[tokio::test]
    async fn a_recovery_is_quieter_and_cannot_be_acknowledged() {
        let server = Server::saying(200, "{}").await;
        let receiver = receiver(&server, "user: mira\npassword: s3cret-word\n");
        send(&*receiver, &recovery(None)).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.headers["authorization"], "Basic bWlyYTpzM2NyZXQtd29yZA==");
        let document = call.json();
        assert_eq!(
            (&document["priority"], &document["tags"][0]),
            (&3.into(), &"white_check_mark".into())
        );
        assert_eq!(document["actions"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_long_text_is_cut_to_what_is_shown() {
        let server = Server::saying(200, "{}").await;
        let mut long = problem();
        long.detail = "é".repeat(4000);
        send(&*receiver(&server, ""), &long).await.unwrap();
        let message = server.only_call().json()["message"].as_str().unwrap().to_owned();
        assert!(message.len() <= MAX_MESSAGE && message.ends_with('…'), "{}", message.len());
    }

    #[tokio::test]
    async fn a_limit_of_the_server_is_waited_for() {
        let server = Server::start(|_| {
            Answer::new(429, r#"{"code":42901,"http":429,"error":"limit reached"}"#)
                .with("retry-after", "60")
        })
        .await;
        let error = send(&*receiver(&server, ""), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after().unwrap().as_secs(), 60);
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        for (text, expected) in [
            ("topic: a b\n", "a topic has 1 to 64"),
            ("topic: a\nuser: x\n", "either `token`, or `user` and `password`"),
            ("token: x\n", "the key `topic` is missing"),
        ] {
            let errors = mistakes(&Ntfy, text);
            assert!(errors.contains(expected), "{expected} is missing in {errors}");
        }
    }
}
