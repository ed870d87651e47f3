//! Signal: messages through signal-cli, by its own JSON-RPC or the REST service around it.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut};
use crate::error::{Again, SendError};
use crate::service::{self, Answered, Service, ServiceReceiver};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `signal`.
#[derive(Debug)]
pub(crate) struct Signal;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Text, "Address of signal-cli or of the REST service.").required(),
    Key::new("protocol", Kind::OneOf(&["rest", "json-rpc"]), "What is spoken there.")
        .default("rest"),
    Key::new("from", Kind::Text, "Number of the account that writes: `+15550100`.").required(),
    Key::new(
        "to",
        Kind::OneOrMany(&Kind::Text),
        "Numbers, user names (`u:mira.01`) or groups (`group.…`).",
    )
    .required(),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on the text, in bytes: Signal shows 2000 and turns more into a file.
const MAX_TEXT: usize = 1900;

/// Bound on the recipients of one receiver.
const MAX_RECIPIENTS: usize = 50;

/// What begins the name of a group in the words of the REST service.
const GROUP: &str = "group.";

#[derive(Clone, Copy, Debug)]
enum Api {
    Rest,
    JsonRpc,
}

impl ReceiverType for Signal {
    fn name(&self) -> &'static str {
        "signal"
    }

    fn manual(&self) -> &'static str {
        "Writes to people and groups of [Signal](https://signal.org) through a \
         [signal-cli](https://github.com/AsamK/signal-cli) of one's own: `protocol: rest` for signal-cli-rest-api, \
         `protocol: json-rpc` for `signal-cli daemon --http`. Later messages of an incident quote the first one. \
         Signal knows no priority and no buttons: a mark before the summary says how bad it is, and a \
         problem bears the link that acknowledges it. What signal-cli refuses is final, but for limits of \
         the service and its own failures (JSON-RPC -5, 429, 5xx), which are tried again."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "url: http://localhost:8080\nfrom: '+15550100'\nto: ['+15550101', group.bWluZQ==]\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", None);
        let words_of_api = &[("rest", Api::Rest), ("json-rpc", Api::JsonRpc)];
        let api = section.word("protocol", words_of_api).unwrap_or(Api::Rest);
        section.required("from");
        section.required("to");
        let from = section.parse("from", number);
        let n_values = section.one_or_many("to").len();
        let to = section.parse_many("to", recipient);
        if section.has("to") && (n_values == 0 || n_values > MAX_RECIPIENTS) {
            section.error("to", format!("1 to {MAX_RECIPIENTS} recipients are expected"));
            return None;
        }
        let words = Words::read(section);
        let to: Vec<String> = to.into_iter().map(|to| to.value).collect();
        let from = from?;
        Some(Box::new(Account { service: service?, api, from, to, words }))
    }
}

fn number(text: &str) -> Result<String, &'static str> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_number = (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.to_owned()).ok_or("a number is expected as `+15550100`, in quotes")
}

fn recipient(text: &str) -> Result<String, &'static str> {
    if text.starts_with(GROUP) || text.starts_with("u:") {
        return Ok(text.to_owned());
    }
    number(text).map_err(|_| "a number (`'+15550100'`), `u:NAME` or `group.ID` is expected")
}

/// The configured account.
#[derive(Debug)]
struct Account {
    service: Service,
    api: Api,
    from: String,
    to: Vec<String>,
    words: Words,
}

impl ServiceReceiver for Account {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{} ({})", self.service.target(), self.to.join(", "))
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let text = self.text(n, context)?;
        // What a message is called here is when it was sent, in milliseconds.
        let first = n.reference.as_deref().and_then(|first| first.parse::<u64>().ok());
        let talk = self.service.begin(context);
        let (answered, sent) = match self.api {
            Api::Rest => {
                let answered =
                    talk.call(Call::post_json("/v2/send", &self.rest(&text, first))).await?;
                let sent = answered.json()["timestamp"].clone();
                (answered, sent)
            }
            Api::JsonRpc => {
                let request = self.json_rpc(&text, first, &n.key);
                let answered = talk.call(Call::post_json("/api/v1/rpc", &request)).await?;
                let document = answered.json();
                let answered = judge_rpc(answered, &document)?;
                (answered, document["result"]["timestamp"].clone())
            }
        };
        // The REST service writes it as a text, JSON-RPC as a number.
        let sent = sent.as_u64().or_else(|| sent.as_str()?.parse().ok());
        answered.delivered_as(sent.filter(|_| n.reference.is_none()).map(|sent| sent.to_string()))
    }
}

impl Account {
    fn text(&self, n: &Notification, context: &Context) -> Result<String, SendError> {
        let mut text =
            format!("{} {}\n\n{}", Tone::of(n).mark(), n.summary, self.words.text(n, context)?);
        let mut links = String::new();
        for (label, link) in
            [("Open", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
        {
            if let Some(link) = link {
                links = format!("{links}\n{label}: {link}");
            }
        }
        text = cut(&text, MAX_TEXT.saturating_sub(links.len() + 1), Unit::Bytes);
        if !links.is_empty() {
            text.push('\n');
            text.push_str(&links);
        }
        Ok(text)
    }

    fn rest(&self, text: &str, first: Option<u64>) -> Value {
        let mut document = json!({"message": text, "number": self.from, "recipients": self.to});
        if let Some(first) = first {
            document["quote_timestamp"] = first.into();
            document["quote_author"] = self.from.clone().into();
            document["quote_message"] = "".into();
        }
        document
    }

    fn json_rpc(&self, text: &str, first: Option<u64>, key: &str) -> Value {
        let (groups, people): (Vec<&String>, Vec<&String>) =
            self.to.iter().partition(|to| to.starts_with(GROUP));
        let mut params = json!({"account": self.from, "message": text});
        if !people.is_empty() {
            params["recipient"] = json!(people);
        }
        if !groups.is_empty() {
            let ids: Vec<_> = groups.iter().filter_map(|group| group.strip_prefix(GROUP)).collect();
            params["groupId"] = json!(ids);
        }
        if let Some(first) = first {
            params["quoteTimestamp"] = first.into();
            params["quoteAuthor"] = self.from.clone().into();
        }
        json!({"jsonrpc": "2.0", "method": "send", "params": params, "id": key})
    }
}

/// signal-cli's number for a limit of the service.
const RATE_LIMIT: i64 = -5;

/// JSON-RPC's number for a failure of the other side itself.
const INTERNAL: i64 = -32603;

/// Judges an answer of JSON-RPC, which says in a 200 that it refuses.
fn judge_rpc(answered: Answered, document: &Value) -> Result<Answered, SendError> {
    let error = &document["error"];
    if !answered.status.is_success() || error.is_null() {
        return Ok(answered);
    }
    let is_temporary = matches!(error["code"].as_i64(), Some(RATE_LIMIT | INTERNAL));
    Err(answered.refused(if is_temporary { Again::Later } else { Again::Never }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{Answer, Server, mistakes, problem, read, recovery, send};

    fn account(server: &Server, more: &str) -> Box<dyn Receiver> {
        let url = server.url("");
        let text =
            format!("url: {url}\nfrom: '+15550100'\nto: ['+15550101', group.bWluZQ==]\n{more}");
        read(&Signal, &text)
    }

    #[tokio::test]
    async fn the_rest_service_gets_text_number_and_recipients() {
        let server = Server::saying(201, r#"{"timestamp":"1675164000123"}"#).await;
        let delivered = send(&*account(&server, ""), &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("1675164000123"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /v2/send");
        let document = call.json();
        assert_eq!(document["number"], "+15550100");
        assert_eq!(document["recipients"], json!(["+15550101", "group.bWluZQ=="]));
        let text = document["message"].as_str().unwrap();
        assert!(text.starts_with("🚨 CRITICAL: db1"), "{text}");
        assert!(text.contains("\nAcknowledge: https://hark.example.net/a/"), "{text}");
        assert_eq!(document.get("quote_timestamp"), None);
    }

    #[tokio::test]
    async fn later_messages_quote_the_first() {
        let server = Server::saying(201, r#"{"timestamp":"2"}"#).await;
        let delivered =
            send(&*account(&server, ""), &recovery(Some("1675164000123"))).await.unwrap();
        assert_eq!(delivered.reference, None);
        let document = server.only_call().json();
        assert_eq!(document["quote_timestamp"], 1_675_164_000_123_u64);
        assert_eq!(document["quote_author"], "+15550100");
    }

    #[tokio::test]
    async fn json_rpc_keeps_people_and_groups_apart() {
        let body =
            r#"{"jsonrpc":"2.0","result":{"timestamp":1675164000123,"results":[]},"id":"x"}"#;
        let server = Server::saying(200, body).await;
        let receiver = account(&server, "protocol: json-rpc\n");
        let delivered = send(&*receiver, &problem()).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("1675164000123"));
        let call = server.only_call();
        assert_eq!(call.line(), "POST /api/v1/rpc");
        let document = call.json();
        assert_eq!((&document["jsonrpc"], &document["method"]), (&"2.0".into(), &"send".into()));
        let params = &document["params"];
        assert_eq!(params["account"], "+15550100");
        assert_eq!(params["recipient"], json!(["+15550101"]));
        assert_eq!(params["groupId"], json!(["bWluZQ=="]));
    }

    #[tokio::test]
    async fn an_error_of_json_rpc_is_a_no_or_a_not_yet() {
        for (code, is_permanent) in [(-1, true), (-4, true), (-5, false), (-32603, false)] {
            let body = format!(
                r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"because"}},"id":"x"}}"#
            );
            let server = Server::start(move |_| Answer::new(200, body.clone())).await;
            let error =
                send(&*account(&server, "protocol: json-rpc\n"), &problem()).await.unwrap_err();
            assert_eq!(error.is_permanent(), is_permanent, "{code}");
            assert!(error.text().contains("because"));
        }
    }

    #[tokio::test]
    async fn a_long_text_keeps_its_links() {
        let server = Server::saying(201, "{}").await;
        let mut long = problem();
        long.detail = "é".repeat(4000);
        send(&*account(&server, ""), &long).await.unwrap();
        let text = server.only_call().json()["message"].as_str().unwrap().to_owned();
        assert!(text.len() <= MAX_TEXT && text.contains("…\n\nOpen: https://"), "{}", text.len());
    }

    #[test]
    fn mistakes_are_found_when_the_configuration_is_read() {
        for (text, expected) in [
            ("url: http://a\nfrom: mira\nto: '+15550101'\n", "a number is expected"),
            ("url: http://a\nfrom: '+15550100'\nto: mira\n", "`u:NAME` or `group.ID`"),
            ("url: http://a\nfrom: '+15550100'\nto: []\n", "1 to 50 recipients"),
            ("url: http://a\nfrom: '+15550100'\n", "the key `to` is missing"),
        ] {
            let errors = mistakes(&Signal, text);
            assert!(errors.contains(expected), "{expected} is missing in {errors}");
        }
    }
}
