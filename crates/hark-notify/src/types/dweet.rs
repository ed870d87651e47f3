//! Posts to a thing of dweet.io, or of a server of one's own that speaks the same.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Secret};
use hark_net::{Call, encoded};

use crate::error::{Again, SendError, one_line};
use crate::render;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `dweet`.
#[derive(Debug)]
pub(crate) struct Dweet;

pub(crate) const KEYS: &[Key] = &[
    Key::new("thing", Kind::Secret, "Name of the thing: whoever knows it can read what is posted.")
        .required(),
    Key::new("key", Kind::Secret, "Key of the thing, if it is locked."),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://dweet.io";

/// Bound on what is kept of a refusal.
const MAX_WORDS: usize = 300;

impl ReceiverType for Dweet {
    fn name(&self) -> &'static str {
        "dweet"
    }

    fn manual(&self) -> &'static str {
        "Posts each message as JSON to a thing of dweet.io, or of a server that takes \
         `POST /dweet/for/THING`: all fields of a message, among them `severity`, `status` and \
         `reason`. Dashboards that show a thing see the newest message, a recovery too. Things without \
         a key can be read by everybody who guesses their name. Dweet says in its answer whether it \
         succeeded, also with status 200: a refusal is final, as is 4xx; a limit (429) and 5xx are \
         tried again."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "thing: correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        section.required("thing");
        let thing = section.opt_secret("thing");
        let key = section.opt_secret("key");
        let (service, thing) = (service?, thing?);
        let mut path = format!("/dweet/for/{}", encoded(thing.expose()));
        let mut service = service.hiding(&thing);
        if let Some(key) = key {
            path.push_str("?key=");
            path.push_str(&encoded(key.expose()));
            service = service.hiding(&key);
        }
        Some(Box::new(Thing { service, path: Secret::new(path) }))
    }
}

/// One configured thing.
#[derive(Debug)]
struct Thing {
    service: Service,
    path: Secret,
}

impl ServiceReceiver for Thing {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let document = render::document(notification, &context.page);
        let call = Call::post_json(self.path.expose(), &document);
        let answered = self.service.begin(context).call(call).await?;
        let said = answered.json();
        if answered.status.is_success() && said["this"] == "failed" {
            let why = said["because"].as_str().unwrap_or("no reason is given");
            // What it gives as a reason may repeat what was sent.
            let what = self.service.redacted(&format!("dweet refuses it: {why}"));
            let what = one_line(&what, MAX_WORDS);
            return Err(SendError::Program { what, again: Again::Never });
        }
        answered.delivered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, problem, read, recovery, send};

    #[tokio::test]
    async fn a_message_is_a_dweet_of_the_thing() {
        let body = r#"{"this":"succeeded","by":"dweeting","the":"dweet"}"#;
        let server = Server::saying(200, body).await;
        let text = format!("thing: our thing\nkey: a/b\nurl: {}\n", server.url(""));
        let receiver = read(&Dweet, &text);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /dweet/for/our%20thing?key=a%2Fb");
        assert_eq!(call.json()["summary"], problem().summary);
        send(&*receiver, &recovery(None)).await.unwrap();
        assert_eq!(server.last_call().json()["status"], "ok");
    }

    #[tokio::test]
    async fn a_refusal_is_one_whatever_the_status() {
        let body = r#"{"this":"failed","with":404,"because":"thing secret-thing is locked"}"#;
        let server = Server::saying(200, body).await;
        let text = format!("thing: secret-thing\nurl: {}\n", server.url(""));
        let error = send(&*read(&Dweet, &text), &problem()).await.unwrap_err();
        assert!(error.is_permanent());
        assert_eq!(error.text(), "dweet refuses it: thing … is locked");
        let server = Server::start(|_| Answer::slow_down()).await;
        let text = format!("thing: secret-thing\nurl: {}\n", server.url(""));
        let error = send(&*read(&Dweet, &text), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(17));
    }
}
