//! Microsoft Teams: an adaptive card to a channel or chat, through a workflow.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, plain_in_markdown};
use crate::error::SendError;
use crate::service::{self, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `teams`.
#[derive(Debug)]
pub(crate) struct Teams;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Secret,
        "Address of the workflow \"Post to a channel when a webhook request is received\".",
    )
    .required(),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on the text, in bytes: a message of Teams has 28 KB with everything around it.
const MAX_TEXT: usize = 12_000;

/// Bound on the summary, in bytes.
const MAX_SUMMARY: usize = 500;

impl ReceiverType for Teams {
    fn name(&self) -> &'static str {
        "teams"
    }

    fn manual(&self) -> &'static str {
        "Posts an adaptive card to a channel or chat of Microsoft Teams, through a workflow that is started by \
         a web request (Workflows in Teams; the connectors of before are gone). The colour of the card says \
         how bad it is; Teams knows no priority. Buttons open the incident and the link that acknowledges \
         it. A workflow answers before it has posted and does not say what the message is called: each \
         message of an incident is a card of its own. 429 and 5xx are tried again, after the time in \
         `Retry-After`; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: https://prod-00.westeurope.logic.azure.com/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=correct-horse\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at_secret(section, "url");
        let words = Words::read(section);
        Some(Box::new(Workflow { service: service?, words }))
    }
}

/// One configured workflow.
#[derive(Debug)]
struct Workflow {
    service: Service,
    words: Words,
}

impl ServiceReceiver for Workflow {
    fn service(&self) -> &Service {
        &self.service
    }

    async fn deliver(
        &self,
        notification: &Notification,
        context: &Context,
    ) -> Result<Delivered, SendError> {
        let call = Call::post_json("", &self.message(notification, context)?);
        self.service.begin(context).call(call).await?.delivered()
    }
}

impl Workflow {
    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let style = match tone {
            Tone::Good => "good",
            Tone::Info | Tone::Unknown => "accent",
            Tone::Warning => "warning",
            Tone::Critical => "attention",
        };
        let plain = cut(&n.summary, MAX_SUMMARY, Unit::Bytes);
        let summary = plain_in_markdown(&plain);
        let head = json!({
            "type": "Container",
            "style": style,
            "bleed": true,
            "items": [{
                "type": "TextBlock",
                "text": format!("{} {summary}", tone.mark()),
                "weight": "Bolder",
                "size": "Medium",
                "wrap": true,
            }],
        });
        let text = |text: &str| {
            let text = cut(text, MAX_TEXT, Unit::Bytes);
            json!({"type": "TextBlock", "text": text, "wrap": true})
        };
        let mut body = vec![head];
        if let Some(own) = self.words.own(n, context)? {
            body.push(text(&own));
        } else {
            if !n.detail.is_empty() {
                // One line break is none in a card.
                body.push(text(&plain_in_markdown(&n.detail).replace('\n', "\n\n")));
            }
            let facts = card::facts(n).into_iter();
            let facts =
                facts.map(|(name, fact)| json!({"title": name, "value": plain_in_markdown(&fact)}));
            body.push(json!({"type": "FactSet", "facts": facts.collect::<Vec<_>>()}));
        }
        let links =
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))];
        let actions = links.into_iter().filter_map(|(title, url)| Some((title, url?)));
        let actions = actions
            .map(|(title, url)| json!({"type": "Action.OpenUrl", "title": title, "url": url}));
        Ok(json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "fallbackText": plain,
                    "msteams": {"width": "Full"},
                    "body": body,
                    "actions": actions.collect::<Vec<_>>(),
                },
            }],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, problem, read, recovery, send};

    fn workflow(server: &Server, more: &str) -> Box<dyn Receiver> {
        let url = server.url("/workflows/1/paths/invoke?api-version=2016-06-01&sig=secret-sig");
        read(&Teams, &format!("url: '{url}'\n{more}"))
    }

    #[tokio::test]
    async fn a_problem_is_an_adaptive_card_with_facts_and_buttons() {
        let server = Server::saying(202, "").await;
        let receiver = workflow(&server, "");
        assert!(!receiver.target().contains("sig"), "{}", receiver.target());
        send(&*receiver, &problem()).await.unwrap();
        let call = server.only_call();
        let path = "/workflows/1/paths/invoke?api-version=2016-06-01&sig=secret-sig";
        assert_eq!(call.line(), format!("POST {path}"));
        let message = call.json();
        assert_eq!(message["type"], "message");
        let attachment = &message["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &attachment["content"];
        assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
        assert_eq!(card["body"][0]["style"], "attention");
        let title = card["body"][0]["items"][0]["text"].as_str().unwrap();
        assert_eq!(title, "🚨 CRITICAL: db1 - cpu\\_monitor.cpu\\_percent = 95.0");
        assert_eq!(card["body"][1]["text"], "above 90.0 for 3 looks");
        assert_eq!(
            card["body"][2]["facts"][0],
            json!({"title": "Host", "value": "db1.example.net"})
        );
        assert_eq!(card["actions"][0]["url"], "https://hark.example.net/incidents/1");
        assert_eq!(card["actions"][1]["title"], "Acknowledge");
    }

    #[tokio::test]
    async fn the_end_is_green_and_has_no_button_to_acknowledge() {
        let server = Server::saying(202, "").await;
        send(&*workflow(&server, "template: 'fine: {{ host }}'\n"), &recovery(None)).await.unwrap();
        let message = server.only_call().json();
        let card = &message["attachments"][0]["content"];
        assert_eq!(card["body"][0]["style"], "good");
        assert_eq!(card["body"][1]["text"], "fine: db1.example.net");
        assert_eq!(card["actions"].as_array().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn marks_of_a_machine_are_no_links() {
        let server = Server::saying(202, "").await;
        let mut sent = problem();
        sent.summary = "[click](https://evil.example)".to_owned();
        sent.detail = "[here](https://evil.example) *now*".to_owned();
        send(&*workflow(&server, ""), &sent).await.unwrap();
        let card = server.only_call().json()["attachments"][0]["content"].clone();
        assert_eq!(card["body"][0]["items"][0]["text"], "🚨 \\[click\\](https://evil.example)");
        assert_eq!(card["body"][1]["text"], "\\[here\\](https://evil.example) \\*now\\*");
    }

    #[tokio::test]
    async fn a_card_stays_below_the_limit() {
        let server = Server::saying(202, "").await;
        let mut long = problem();
        long.detail = "é\n".repeat(20_000);
        send(&*workflow(&server, ""), &long).await.unwrap();
        assert!(server.only_call().body.len() < 28_000);
    }

    #[tokio::test]
    async fn a_workflow_that_is_gone_is_final_and_a_limit_is_not() {
        let body = r#"{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"not enabled"}}"#;
        let server = Server::saying(400, body).await;
        let error = send(&*workflow(&server, ""), &problem()).await.unwrap_err();
        assert!(error.is_permanent() && error.text().contains("not enabled"));
        let server = Server::start(|_| Answer::slow_down()).await;
        let error = send(&*workflow(&server, ""), &problem()).await.unwrap_err();
        assert_eq!(error.retry_after().unwrap().as_secs(), 17);
    }
}
