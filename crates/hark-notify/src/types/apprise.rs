//! The Apprise API: whatever Apprise knows, without a receiver of our own.

use hark_config::{Key, Kind, Section, Value};
use hark_model::{Notification, Secret};
use hark_net::{Call, encoded};
use http::StatusCode;
use serde_json::json;

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::{Again, SendError};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `apprise`.
#[derive(Debug)]
pub(crate) struct Apprise;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of the Apprise API.").required(),
    Key::new("key", Kind::Secret, "Key of a configuration that is stored there."),
    Key::new(
        "tag",
        Kind::Text,
        "Which services of that configuration, as Apprise writes it; by default all.",
    ),
    Key::new(
        "urls",
        Kind::OneOrMany(&Kind::Secret),
        "Addresses of services as Apprise writes them, instead of a stored configuration.",
    ),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on a text, in characters: Apprise cuts it to what each service takes.
const MAX_BODY: usize = 8000;

/// Bound on the addresses of one receiver: Apprise calls one after the other.
const MAX_URLS: usize = 20;

impl ReceiverType for Apprise {
    fn name(&self) -> &'static str {
        "apprise"
    }

    fn manual(&self) -> &'static str {
        "Hands messages to an [Apprise API](https://github.com/caronc/apprise-api), which knows more \
         than a hundred services: to a configuration stored there (`POST /notify/KEY`, with `key` and \
         `tag`), or to the addresses in `urls` (`POST /notify/`). The type is `failure` for critical, \
         `warning` for warning and unknown, `success` for what is over, `info` for the rest. If one of \
         several services fails, Apprise says so for all of them (424): the message is tried again, \
         and the others get it twice. An unknown key or one without services (204) and a document that \
         Apprise refuses (400, 404) are final; 429 and 5xx are tried again. Give it a longer `timeout` \
         if its services are slow."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: http://apprise.example.net:8000\nkey: correct-horse\ntag: operations\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        let words = Words::read(section);
        let key = section.opt_secret("key");
        let tag = section.opt_str("tag").map(str::to_owned);
        let values = section.one_or_many("urls");
        if values.len() > MAX_URLS {
            section.error("urls", format!("at most {MAX_URLS} addresses"));
        }
        let urls: Option<Vec<Secret>> = values.iter().map(Value::secret).collect();
        match (section.has("key"), section.has("urls")) {
            (true, true) => {
                section.error("urls", "either `key` or `urls`, not both");
            }
            (false, false) => {
                section.error("url", "`key` or `urls` is expected");
            }
            (false, true) if tag.is_some() => {
                section.error("tag", "a tag chooses in a stored configuration: it needs `key`");
            }
            (true, false) | (false, true) => {}
        }
        let mut service = service?;
        let (path, urls) = if let Some(key) = key {
            let path = format!("/notify/{}", encoded(key.expose()));
            service = service.hiding(&key);
            (path, None)
        } else {
            let urls = urls.filter(|urls| !urls.is_empty())?;
            for url in &urls {
                service = service.hiding(url);
            }
            let all: Vec<&str> = urls.iter().map(Secret::expose).collect();
            ("/notify/".to_owned(), Some(Secret::new(all.join(","))))
        };
        Some(Box::new(Gateway { service, path: Secret::new(path), urls, tag, words }))
    }
}

/// One configured Apprise API.
#[derive(Debug)]
struct Gateway {
    service: Service,
    path: Secret,
    urls: Option<Secret>,
    tag: Option<String>,
    words: Words,
}

impl ServiceReceiver for Gateway {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let document = self.document(notification, context)?;
        let call = Call::post_json(self.path.expose(), &document);
        let answered = self.service.begin(context).call(call).await?;
        match answered.status {
            StatusCode::NO_CONTENT => {
                let what = "Apprise has no services for this key and tag".to_owned();
                Err(SendError::Program { what, again: Again::Never })
            }
            StatusCode::FAILED_DEPENDENCY => Err(answered.refused(Again::Later)),
            _ => answered.delivered(),
        }
    }
}

impl Gateway {
    fn document(
        &self,
        n: &Notification,
        context: &Context,
    ) -> Result<serde_json::Value, SendError> {
        let kind = match Tone::of(n) {
            Tone::Critical => "failure",
            Tone::Warning | Tone::Unknown => "warning",
            Tone::Good => "success",
            Tone::Info => "info",
        };
        let mut body = cut(&self.words.text(n, context)?, MAX_BODY, Unit::Chars);
        for (what, link) in
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                body.push_str("\n\n");
                body.push_str(what);
                body.push_str(": ");
                body.push_str(&link);
            }
        }
        let mut document =
            json!({"title": n.summary, "body": body, "type": kind, "format": "text"});
        if let Some(tag) = &self.tag {
            document["tag"] = json!(tag);
        }
        if let Some(urls) = &self.urls {
            document["urls"] = json!(urls.expose());
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    #[tokio::test]
    async fn a_stored_configuration_is_named_by_its_key() {
        let server = Server::saying(200, r#"{"error":null}"#).await;
        let text = format!("url: {}\nkey: my-key\ntag: ops\n", server.url("/apprise"));
        let receiver = read(&Apprise, &text);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /apprise/notify/my-key");
        let document = call.json();
        assert_eq!((&document["type"], &document["tag"]), (&json!("failure"), &json!("ops")));
        assert_eq!(document["title"], "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0");
        assert!(document["body"].as_str().unwrap().contains("Acknowledge: https://"));
        assert!(document.get("urls").is_none());
        send(&*receiver, &recovery(None)).await.unwrap();
        assert_eq!(server.last_call().json()["type"], "success");
    }

    #[tokio::test]
    async fn addresses_of_services_are_handed_over_and_never_shown() {
        let server = Server::start(|call| Answer::new(400, call.body.clone())).await;
        let urls = "[json://user:pass-word@localhost, 'tgram://bottoken/chat']";
        let receiver = read(&Apprise, &format!("url: {}\nurls: {urls}\n", server.url("")));
        let error = send(&*receiver, &problem()).await.unwrap_err();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /notify/");
        let all = "json://user:pass-word@localhost,tgram://bottoken/chat";
        assert_eq!(call.json()["urls"], all);
        let shown = format!("{receiver:?} {error:?} {}", error.text());
        assert!(!shown.contains("pass-word") && !shown.contains("bottoken"), "{shown}");
    }

    #[tokio::test]
    async fn nothing_configured_is_final_and_a_failed_service_is_not() {
        for (status, is_permanent) in [(204, true), (424, false), (404, true), (500, false)] {
            let server = Server::saying(status, "").await;
            let receiver = read(&Apprise, &format!("url: {}\nkey: k\n", server.url("")));
            let error = send(&*receiver, &problem()).await.unwrap_err();
            assert_eq!(error.is_permanent(), is_permanent, "{status}: {error:?}");
        }
    }

    #[test]
    fn mistakes_are_shown() {
        for (text, expected) in [
            ("url: http://a\n", "`key` or `urls`"),
            ("url: http://a\nkey: x\nurls: y://z\n", "not both"),
            ("url: http://a\nurls: y://z\ntag: t\n", "needs `key`"),
        ] {
            let errors = mistakes(&Apprise, text);
            assert!(errors.contains(expected), "{text}: {errors}");
        }
    }
}
