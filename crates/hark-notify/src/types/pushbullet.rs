//! Pushbullet: notes to one or more accounts.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Secret};
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Unit, Words, cut};
use crate::error::SendError;
use crate::served::{Outcomes, Served};
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType, digest};

/// The receiver type `pushbullet`.
#[derive(Debug)]
pub(crate) struct Pushbullet;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "token",
        Kind::OneOrMany(&Kind::Secret),
        "Access token of an account, or of several: each gets the message.",
    )
    .required(),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.pushbullet.com";

/// Bound on the body, in characters: what devices show.
const MAX_BODY: usize = 4000;

/// Bound on the accounts of one receiver: each costs a call within one time limit.
const MAX_ACCOUNTS: usize = 20;

impl ReceiverType for Pushbullet {
    fn name(&self) -> &'static str {
        "pushbullet"
    }

    fn manual(&self) -> &'static str {
        "Pushes to each account of [Pushbullet](https://www.pushbullet.com): a link to the incident where the \
         page has a public address, else a note. Title is the summary, the body is the text with host and \
         time. Pushbullet knows no priority; summaries begin with the severity. A recovery is a push of its \
         own. Tries of one message bear the same `guid`. If some accounts fail, the next try goes to them \
         alone; 429 and 5xx are tried again, all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: [correct-horse-1, correct-horse-2]\nurl: https://api.pushbullet.com\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("token");
        let values = section.one_or_many("token");
        if values.len() > MAX_ACCOUNTS || (section.has("token") && values.is_empty()) {
            section.error("token", format!("1 to {MAX_ACCOUNTS} accounts are expected"));
            return None;
        }
        let n_values = values.len();
        let tokens: Vec<Secret> = values.iter().filter_map(hark_config::Value::secret).collect();
        let service = Service::at(section, "url", Some(URL));
        let words = Words::read(section);
        let mut service = service?;
        if tokens.is_empty() || tokens.len() < n_values {
            return None;
        }
        for token in &tokens {
            service = service.hiding(token);
        }
        Some(Box::new(Accounts { service, tokens, words, served: Served::default() }))
    }
}

/// The configured accounts.
#[derive(Debug)]
struct Accounts {
    service: Service,
    tokens: Vec<Secret>,
    words: Words,
    served: Served,
}

impl ServiceReceiver for Accounts {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match self.tokens.len() {
            1 => self.service.target(),
            n => format!("{} ({n} accounts)", self.service.target()),
        }
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let mut outcomes = Outcomes::default();
        for (number, token) in (1..).zip(&self.tokens) {
            let who = format!("account {number}");
            if self.served.has(&n.key, &who) {
                continue;
            }
            let push = self.push(n, &who, context)?;
            let call =
                Call::post_json("/v2/pushes", &push).header("access-token", token.expose())?;
            let outcome = match talk.call(call).await {
                Ok(answered) => answered.delivered(),
                Err(error) => Err(error),
            };
            outcomes.note(&who, outcome);
        }
        self.served.judge(&n.key, outcomes)
    }
}

impl Accounts {
    fn push(&self, n: &Notification, who: &str, context: &Context) -> Result<Value, SendError> {
        let link = card::link(n, context);
        let mut push = json!({
            "type": if link.is_some() { "link" } else { "note" },
            "title": n.summary,
            "body": cut(&self.words.text(n, context)?, MAX_BODY, Unit::Chars),
            "guid": digest::sha256(&format!("{} {who}", n.key)),
        });
        if let Some(link) = link {
            push["url"] = link.into();
        }
        Ok(push)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, context, mistakes, problem, read, send};

    #[tokio::test]
    async fn each_account_gets_a_push_with_title_body_and_its_own_token() {
        let server = Server::saying(200, r#"{"iden":"ubd"}"#).await;
        let text = format!("token: [token-of-one, token-of-two]\nurl: {}\n", server.url(""));
        let receiver = read(&Pushbullet, &text);
        assert!(receiver.target().ends_with("(2 accounts)"));
        send(&*receiver, &problem()).await.unwrap();
        let calls = server.calls();
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].line(), "POST /v2/pushes");
        let tokens: Vec<_> =
            calls.iter().map(|call| call.headers["access-token"].clone()).collect();
        assert_eq!(tokens, ["token-of-one", "token-of-two"]);
        let push = calls[0].json();
        assert_eq!((&push["type"], &push["title"]), (&"link".into(), &problem().summary.into()));
        assert_eq!(push["url"], "https://hark.example.net/incidents/1");
        let body = push["body"].as_str().unwrap();
        assert!(body.contains("Host: db1.example.net") && body.contains("Since: 2027"), "{body}");
        assert_ne!(push["guid"], calls[1].json()["guid"]);
    }

    #[tokio::test]
    async fn without_a_page_it_is_a_note() {
        let server = Server::saying(200, "{}").await;
        let receiver = read(&Pushbullet, &format!("token: x\nurl: {}\n", server.url("")));
        let context = Context { page: String::new(), ..context() };
        receiver.send(&problem(), &context).await.unwrap();
        let push = server.only_call().json();
        assert_eq!(push["type"], "note");
        assert_eq!(push.get("url"), None);
    }

    #[tokio::test]
    async fn an_account_that_has_it_does_not_get_it_again() {
        let server = Server::start(|call| {
            if call.headers["access-token"] == "limited" {
                Answer::slow_down()
            } else {
                Answer::new(200, "{}")
            }
        })
        .await;
        let text = format!("token: [good, limited]\nurl: {}\n", server.url(""));
        let receiver = read(&Pushbullet, &text);
        let error = send(&*receiver, &problem()).await.unwrap_err();
        assert!(error.text().starts_with("put off for account 2"), "{}", error.text());
        send(&*receiver, &problem()).await.unwrap_err();
        let tokens: Vec<_> =
            server.calls().iter().map(|call| call.headers["access-token"].clone()).collect();
        assert_eq!(tokens, ["good", "limited", "limited"]);
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        assert!(mistakes(&Pushbullet, "token: []\n").contains("1 to 20 accounts"));
        assert!(mistakes(&Pushbullet, "template: x\n").contains("the key `token` is missing"));
    }
}
