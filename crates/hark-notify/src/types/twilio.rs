//! Text messages and calls by telephone through Twilio.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason};
use hark_net::{Call, encoded};
use http::header::AUTHORIZATION;

use crate::card::{self, Unit, Words, cut, is_over};
use crate::error::SendError;
use crate::served::{Outcomes, Served};
use crate::service::{self, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Receiver, ReceiverType};

/// The receiver type `twilio`.
#[derive(Debug)]
pub(crate) struct Twilio;

/// What people get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Sms,
    Call,
}

const MODES: &[(&str, Mode)] = &[("sms", Mode::Sms), ("call", Mode::Call)];

pub(crate) const KEYS: &[Key] = &[
    Key::new("account", Kind::Text, "Account SID: `AC` and 32 digits.").required(),
    Key::new("token", Kind::Secret, "Auth token of the account, or the secret of `api_key`.")
        .required(),
    Key::new("api_key", Kind::Text, "SID of an API key (`SK…`), if `token` is its secret."),
    Key::new("from", Kind::Text, "Number that it comes from, such as `+15551234567`, or for text messages a messaging service `MG…`.")
        .required(),
    Key::new("to", Kind::OneOrMany(&Kind::Text), "Numbers that get it, such as `+491701234567`.")
        .required(),
    Key::new("mode", Kind::OneOf(&["sms", "call"]), "A text message, or a call in which it is read out.")
        .default("sms"),
    Key::new("language", Kind::Text, "Language in which a call is read out, as Twilio names it.")
        .default(LANGUAGE),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.twilio.com";
const LANGUAGE: &str = "en-US";

/// Longest text message, in characters: Twilio cuts it into up to ten parts.
const MAX_TEXT: usize = 1600;

/// Longest text of a call: half a minute. `TwiML` has 4000 characters, and the text is read twice.
const MAX_SPOKEN: usize = 500;

/// Most numbers of one receiver: each is called upon within one delivery.
const MAX_NUMBERS: usize = 20;

impl ReceiverType for Twilio {
    fn name(&self) -> &'static str {
        "twilio"
    }

    fn manual(&self) -> &'static str {
        "Sends text messages, or calls and reads the message out twice, through \
         [Twilio](https://www.twilio.com/docs/usage/api). A text message is the summary, the \
         `template` if there is one, and the link to acknowledge the incident. Severity makes no \
         difference here: let a route send only critical messages (`severity: critical`). What is over \
         or was taken by somebody is written, but nobody is called for it. Each number is one call of the service; those that \
         failed are tried again alone. 429 and 5xx are tried again; a wrong number or account (400, \
         401) is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "account: AC00000000000000000000000000000000\n\
         token: correct-horse\n\
         from: '+15551234567'\n\
         to: ['+15557654321']\n\
         mode: sms\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let service = Service::at(section, "url", Some(URL));
        for key in ["account", "token", "from", "to"] {
            section.required(key);
        }
        let account = section.parse("account", |text| read_sid(text, "AC"));
        let key = section.parse("api_key", |text| read_sid(text, "SK"));
        let token = section.opt_secret("token");
        let mode = section.word("mode", MODES).unwrap_or(Mode::Sms);
        let from = section.parse("from", |text| match mode {
            Mode::Sms if text.starts_with("MG") => read_sid(text, "MG"),
            // A name of letters is a sender too in many countries.
            Mode::Sms if !text.starts_with('+') => read_sender(text),
            Mode::Sms | Mode::Call => read_number(text),
        });
        let to = section.parse_many("to", read_number);
        if to.len() > MAX_NUMBERS {
            section.error("to", format!("at most {MAX_NUMBERS} numbers"));
        }
        let language = section.parse("language", read_language);
        let words = Words::read(section);
        let (account, token) = (account?, token?);
        let user = key.unwrap_or_else(|| account.clone());
        let login = BASE64_STANDARD.encode(format!("{user}:{}", token.expose()));
        let login = format!("Basic {login}");
        let service = service?.bearing(section, "token", AUTHORIZATION, &login)?.hiding(&token);
        let to: Vec<String> = to.into_iter().map(|number| number.value).collect();
        if to.is_empty() {
            return None;
        }
        Some(Box::new(Phone {
            service,
            account,
            from: from?,
            to,
            mode,
            language: language.unwrap_or_else(|| LANGUAGE.to_owned()),
            words,
            served: Served::default(),
        }))
    }
}

fn read_sid(text: &str, prefix: &str) -> Result<String, String> {
    let digits = text.strip_prefix(prefix).unwrap_or_default();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("`{prefix}` and 32 hexadecimal digits are expected"));
    }
    Ok(text.to_owned())
}

/// Reads a number as the world writes it (E.164).
fn read_number(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a number is `+`, country and digits, such as `+491701234567`".to_owned());
    }
    Ok(text.to_owned())
}

fn read_sender(text: &str) -> Result<String, String> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b' ';
    if !(1..=11).contains(&text.len()) || !text.bytes().all(is_name) {
        return Err(
            "a number with `+`, a service `MG…`, or 1 to 11 letters are expected".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn read_language(text: &str) -> Result<String, String> {
    let is_tag = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if text.is_empty() || text.len() > 35 || !text.bytes().all(is_tag) {
        return Err("a language such as `de-DE` is expected".to_owned());
    }
    Ok(text.to_owned())
}

/// One configured receiver.
#[derive(Debug)]
struct Phone {
    service: Service,
    account: String,
    from: String,
    to: Vec<String>,
    mode: Mode,
    language: String,
    words: Words,
    served: Served,
}

impl ServiceReceiver for Phone {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        self.to.join(", ")
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        if self.mode == Mode::Call && (is_over(n) || n.reason == Reason::Acknowledged) {
            let text = "nobody is called for what is over or taken".to_owned();
            return Ok(Delivered { text, ..Delivered::default() });
        }
        let text = self.text(n, context)?;
        let talk = self.service.begin(context);
        let mut outcomes = Outcomes::default();
        for to in self.to.iter().filter(|to| !self.served.has(&n.key, to)) {
            outcomes.note(to, self.tell(&talk, to, &text).await);
        }
        self.served.judge(&n.key, outcomes)
    }
}

impl Phone {
    async fn tell(&self, talk: &Talk<'_>, to: &str, text: &str) -> Result<Delivered, SendError> {
        let (what, field) = match self.mode {
            Mode::Sms => ("Messages", "Body"),
            Mode::Call => ("Calls", "Twiml"),
        };
        let is_service = self.mode == Mode::Sms && self.from.starts_with("MG");
        let sender = if is_service { "MessagingServiceSid" } else { "From" };
        let path = format!("/2010-04-01/Accounts/{}/{what}.json", encoded(&self.account));
        let form = [("To", to), (sender, self.from.as_str()), (field, text)];
        talk.call(Call::post_form(path, &form)).await?.delivered()
    }

    fn text(&self, n: &Notification, context: &Context) -> Result<String, SendError> {
        let own = self.words.own(n, context)?;
        if self.mode == Mode::Call {
            let test = if n.reason == Reason::Test { "This is a test. " } else { "" };
            let spoken = format!("{test}{}. {}", n.summary, own.unwrap_or_default());
            let spoken = card::escaped(cut(&spoken, MAX_SPOKEN, Unit::Chars).trim());
            let say = format!("<Say language=\"{}\">{spoken}</Say>", self.language);
            return Ok(format!("<Response>{say}<Pause length=\"1\"/>{say}</Response>"));
        }
        let link = context.acknowledge_link(n).map(|link| format!("\nAcknowledge: {link}"));
        let link = link.unwrap_or_default();
        let mut text = n.summary.clone();
        if let Some(own) = own {
            text.push('\n');
            text.push_str(own.trim());
        }
        // The link is good for nothing when it is cut.
        let room = MAX_TEXT.saturating_sub(link.chars().count());
        Ok(cut(&text, room, Unit::Chars) + &link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{
        Answer, Server, mistakes, problem, read, recovery, send, taken,
    };

    const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

    fn phone(server: &Server, more: &str) -> Box<dyn Receiver> {
        let text = format!("account: {ACCOUNT}\ntoken: auth-token-1\nfrom: '+15551234567'\n{more}");
        read(&Twilio, &format!("{text}\nurl: {}\n", server.url("")))
    }

    #[tokio::test]
    async fn each_number_gets_a_text_message() {
        let server = Server::saying(201, r#"{"sid":"SM1","status":"queued"}"#).await;
        let receiver = phone(&server, "to: ['+491701234567', '+491707654321']");
        send(&*receiver, &problem()).await.unwrap();
        let calls = server.calls();
        assert_eq!(calls.len(), 2);
        let line = format!("POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        assert_eq!(calls[0].line(), line);
        let login = BASE64_STANDARD.encode(format!("{ACCOUNT}:auth-token-1"));
        assert_eq!(calls[0].headers["authorization"], format!("Basic {login}"));
        let form = calls[0].form();
        assert_eq!(form["To"], "+491701234567");
        assert_eq!(form["From"], "+15551234567");
        let summary = "CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0";
        let start = format!("{summary}\nAcknowledge: https://hark.example.net/a/");
        assert!(form["Body"].starts_with(&start), "{form:?}");
        assert_eq!(calls[1].form()["To"], "+491707654321");
        send(&*receiver, &recovery(None)).await.unwrap();
        assert!(!server.last_call().form()["Body"].contains("Acknowledge"));
    }

    #[tokio::test]
    async fn a_call_reads_the_message_out_and_nobody_is_called_for_what_is_over_or_taken() {
        let server = Server::saying(201, r#"{"sid":"CA1","status":"queued"}"#).await;
        let receiver = phone(&server, "to: '+491701234567'\nmode: call\nlanguage: de-DE");
        let mut message = problem();
        message.summary = "a <b> & c".to_owned();
        send(&*receiver, &message).await.unwrap();
        let call = server.only_call();
        assert_eq!(call.line(), format!("POST /2010-04-01/Accounts/{ACCOUNT}/Calls.json"));
        let say = "<Say language=\"de-DE\">a &lt;b&gt; &amp; c.</Say>";
        let twiml = format!("<Response>{say}<Pause length=\"1\"/>{say}</Response>");
        assert_eq!(call.form()["Twiml"], twiml);
        send(&*receiver, &recovery(None)).await.unwrap();
        send(&*receiver, &taken(None)).await.unwrap();
        assert_eq!(server.calls().len(), 1);
    }

    #[tokio::test]
    async fn a_wrong_number_is_shown_and_one_that_waits_is_tried_alone() {
        let server = Server::start(|call| match call.form()["To"].as_str() {
            "+4900000000" => Answer::new(
                400,
                r#"{"code":21211,"message":"The 'To' number +4900000000 is not a valid phone number.","status":400}"#,
            ),
            "+4911111111" => Answer::new(429, r#"{"code":20429,"message":"Too Many Requests"}"#),
            _ => Answer::new(201, "{}"),
        })
        .await;
        let receiver = phone(&server, "to: ['+4900000000', '+4911111111', '+4922222222']");
        let error = send(&*receiver, &problem()).await.unwrap_err();
        assert!(error.text().starts_with("put off for +4911111111"), "{}", error.text());
        drop(send(&*receiver, &problem()).await);
        let to: Vec<_> = server.calls().iter().map(|call| call.form()["To"].clone()).collect();
        assert_eq!(to, ["+4900000000", "+4911111111", "+4922222222", "+4911111111"]);
    }

    #[test]
    fn mistakes_are_shown() {
        let good = Twilio.example();
        for (from, to, expected) in [
            ("account: AC0", "account: XC0", "32 hexadecimal digits"),
            ("'+15557654321'", "'0170 123'", "such as `+491701234567`"),
            ("from: '+15551234567'", "from: a-very-long-name", "1 to 11 letters"),
        ] {
            let errors = mistakes(&Twilio, &good.replace(from, to));
            assert!(errors.contains(expected), "{errors}");
        }
    }
}
