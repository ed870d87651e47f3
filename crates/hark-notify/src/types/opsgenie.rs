//! Opsgenie (and Jira Service Management, which speaks the same), over its alert API.

use std::fmt::Write as _;

use hark_config::{Key, Kind, Section};
use hark_model::name::CheckName;
use hark_model::{Notification, Reason, Severity};
use hark_net::{Call, encoded};
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::card::{self, Unit, Words, cut, is_over};
use crate::error::SendError;
use crate::render;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `opsgenie`.
#[derive(Debug)]
pub(crate) struct Opsgenie;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "api_key",
        Kind::Secret,
        "Key of an API integration that may create and change alerts.",
    )
    .required(),
    Key::new(
        "url",
        Kind::Text,
        "Address of the service; the European one is `https://api.eu.opsgenie.com`.",
    )
    .default(URL),
    Key::new(
        "teams",
        Kind::OneOrMany(&Kind::Text),
        "Teams that answer, if not those of the integration.",
    ),
    Key::new("tags", Kind::OneOrMany(&Kind::Text), "Tags of the alerts."),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.opsgenie.com";

/// What Opsgenie takes, in characters.
const MAX_MESSAGE: usize = 130;
const MAX_NOTE: usize = 25_000;
const MAX_ALIAS: usize = 512;
const MAX_DESCRIPTION: usize = 15_000;
const MAX_ENTITY: usize = 512;
const MAX_SOURCE: usize = 100;

/// Most tags and teams that Opsgenie takes, and the longest tag.
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 50;

impl ReceiverType for Opsgenie {
    fn name(&self) -> &'static str {
        "opsgenie"
    }

    fn manual(&self) -> &'static str {
        "Opens an alert at [Opsgenie](https://docs.opsgenie.com/docs/alert-api) for each incident and \
         closes it when the incident is over, by the same `alias`; who takes the incident in hark \
         acknowledges it, with the name in the note. Reminders count up the one alert; \
         one that gets worse or better gets another priority as well. Priority is P1 for critical, P3 \
         for warning and unknown, P5 for the rest. Messages without an incident (events, tests) open an \
         alert that somebody closes by hand. 429 and 5xx are tried again, a wrong key (401, 403) or \
         document (422) is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "api_key: correct-horse\nteams: [operations]\ntags: [hark]\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        section.required("api_key");
        let key = section.opt_secret("api_key");
        let words = Words::read(section);
        let teams = read_names(section, "teams", MAX_SOURCE);
        let tags = read_names(section, "tags", MAX_TAG);
        let key = format!("GenieKey {}", key?.expose());
        let service = service?.bearing(section, "api_key", AUTHORIZATION, &key)?;
        Some(Box::new(Desk { service, words, teams, tags }))
    }
}

fn read_names(section: &Section<'_>, key: &'static str, max: usize) -> Vec<String> {
    let names = section.parse_many(key, |name| match name.chars().count() {
        n if (1..=max).contains(&n) => Ok(name.to_owned()),
        _ => Err(format!("1 to {max} characters")),
    });
    if names.len() > MAX_TAGS {
        section.error(key, format!("at most {MAX_TAGS}"));
    }
    names.into_iter().map(|name| name.value).collect()
}

/// One configured integration.
#[derive(Debug)]
struct Desk {
    service: Service,
    words: Words,
    teams: Vec<String>,
    tags: Vec<String>,
}

impl ServiceReceiver for Desk {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let alias = cut(&format!("hark/{}", render::thread(n)), MAX_ALIAS, Unit::Chars);
        let by_alias =
            |what: &str| format!("/v2/alerts/{}{what}?identifierType=alias", encoded(&alias));
        let follows = if n.reason == Reason::Acknowledged {
            Some("/acknowledge")
        } else {
            is_over(n).then_some("/close")
        };
        if let Some(what) = follows {
            // The user of Opsgenie that it is done for: people here need not be people there.
            let note = json!({"source": source(n), "note": note(n), "user": "hark"});
            return talk.call(Call::post_json(by_alias(what), &note)).await?.delivered();
        }
        let alert = self.alert(n, &alias, context)?;
        let delivered = talk.call(Call::post_json("/v2/alerts", &alert)).await?.delivered()?;
        if matches!(n.reason, Reason::Worse | Reason::Better) {
            // An alert that is open already keeps its priority otherwise.
            let priority = json!({"priority": priority(n)});
            let call = Call::new(Method::PUT, by_alias("/priority")).json(&priority);
            talk.call(call).await?.delivered()?;
        }
        Ok(delivered)
    }
}

impl Desk {
    fn alert(&self, n: &Notification, alias: &str, context: &Context) -> Result<Value, SendError> {
        let mut description = format!("{}\n\n{}", n.summary, self.words.text(n, context)?);
        for (what, link) in
            [("Open", card::link(n, context)), ("Acknowledge in hark", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                // Writing to a string cannot fail.
                let _written = write!(description, "\n{what}: {link}");
            }
        }
        let teams = self.teams.iter().map(|team| json!({"name": team, "type": "team"}));
        let mut alert = json!({
            "message": cut(&n.summary, MAX_MESSAGE, Unit::Chars),
            "alias": alias,
            "description": cut(&description, MAX_DESCRIPTION, Unit::Chars),
            "tags": self.tags,
            "details": {
                "host": n.host.as_str(),
                "check": n.check.as_ref().map_or("", CheckName::as_str),
                "severity": n.severity.word(),
                "status": n.status.word(),
                "reason": n.reason.word(),
            },
            "entity": cut(n.host.as_str(), MAX_ENTITY, Unit::Chars),
            "source": source(n),
            "priority": priority(n),
        });
        if !self.teams.is_empty() {
            alert["responders"] = teams.collect();
        }
        Ok(alert)
    }
}

fn note(n: &Notification) -> String {
    let why = n.detail.lines().last().filter(|_| n.reason == Reason::Acknowledged);
    let note = why.map_or(n.summary.clone(), |why| format!("{}\n{why}", n.summary));
    cut(&note, MAX_NOTE, Unit::Chars)
}

fn source(n: &Notification) -> String {
    cut(&format!("hark: {}", n.receiver), MAX_SOURCE, Unit::Chars)
}

fn priority(n: &Notification) -> &'static str {
    match n.severity {
        Severity::Critical => "P1",
        Severity::Warning | Severity::Unknown => "P3",
        Severity::Info => "P5",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{self, Answer, Server, problem, read, recovery, send, taken};

    const TAKEN: &str =
        r#"{"result":"Request will be processed","took":0.302,"requestId":"43a29c5c-3dbf"}"#;

    fn desk(server: &Server) -> Box<dyn Receiver> {
        let text = "api_key: eb243592-faa2-4ba2\nteams: ops\ntags: [a, b]\n";
        read(&Opsgenie, &format!("{text}url: {}\n", server.url("")))
    }

    #[tokio::test]
    async fn an_incident_is_one_alert_that_is_acknowledged_and_closed_by_its_alias() {
        let server = Server::saying(202, TAKEN).await;
        let receiver = desk(&server);
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), "POST /v2/alerts");
        assert_eq!(call.headers["authorization"], "GenieKey eb243592-faa2-4ba2");
        let alert = call.json();
        assert_eq!(alert["message"], "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0");
        assert_eq!(alert["priority"], "P1");
        assert_eq!(alert["responders"], json!([{"name": "ops", "type": "team"}]));
        assert_eq!(alert["tags"], json!(["a", "b"]));
        assert_eq!(alert["details"]["host"], "db1.example.net");
        let alias = "hark/1.1800000000000.sample";
        assert_eq!(alert["alias"], alias);
        let description = alert["description"].as_str().unwrap();
        assert!(description.contains("https://hark.example.net/incidents/1"), "{description}");

        send(&*receiver, &taken(None)).await.unwrap();
        let call = server.last_call();
        let path = "/v2/alerts/hark%2F1.1800000000000.sample/acknowledge?identifierType=alias";
        assert_eq!(call.line(), format!("POST {path}"));
        let note = call.json()["note"].as_str().unwrap().to_owned();
        assert!(note.ends_with("\nmira took it: looking"), "{note}");

        send(&*receiver, &recovery(None)).await.unwrap();
        let call = server.last_call();
        let path = "/v2/alerts/hark%2F1.1800000000000.sample/close?identifierType=alias";
        assert_eq!(call.line(), format!("POST {path}"));
        assert!(call.json()["note"].as_str().unwrap().starts_with("RECOVERED"));
    }

    #[tokio::test]
    async fn what_gets_better_gets_another_priority() {
        let server = Server::saying(202, TAKEN).await;
        let mut better = problem();
        (better.reason, better.severity) = (Reason::Better, Severity::Warning);
        send(&*desk(&server), &better).await.unwrap();
        let lines: Vec<_> = server.calls().iter().map(server::Call::line).collect();
        let path = "/v2/alerts/hark%2F1.1800000000000.sample/priority?identifierType=alias";
        assert_eq!(lines, ["POST /v2/alerts".to_owned(), format!("PUT {path}")]);
        assert_eq!(server.last_call().json(), json!({"priority": "P3"}));
    }

    #[tokio::test]
    async fn a_wrong_document_is_final_and_a_limit_is_waited_for() {
        let refused = r#"{"message":"Request body is not processable. Please check the errors.","errors":{"message":"Message can not be empty."}}"#;
        let server = Server::saying(422, refused).await;
        let error = send(&*desk(&server), &problem()).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.text().contains("Message can not be empty"), "{}", error.text());
        let server = Server::start(|_| Answer::slow_down()).await;
        let error = send(&*desk(&server), &recovery(None)).await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(17));
    }
}
