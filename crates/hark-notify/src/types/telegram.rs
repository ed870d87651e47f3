//! Telegram: messages of a bot to a chat, answered in one thread, with a button that acknowledges.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason, Secret};
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, escaped};
use crate::digest::same;
use crate::error::{Again, SendError};
use crate::handling::{Acknowledged, Call as Pressed, CallAnswer, CallError, Called, person};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Feedback, Pending, Receiver, ReceiverType};

mod presses;

use self::presses::Presses;

/// The receiver type `telegram`.
#[derive(Debug)]
pub(crate) struct Telegram;

pub(crate) const KEYS: &[Key] = &[
    Key::new("token", Kind::Secret, "Token of the bot, from BotFather.").required(),
    Key::new("chat", Kind::Text, "Number of the chat, or `@name` of a public channel.").required(),
    Key::new("topic", Kind::Integer, "Number of the topic in a group that has topics."),
    Key::new(
        "webhook_secret",
        Kind::Secret,
        "The `secret_token` given to `setWebhook`, if the bot's updates are sent to `/api/0/receivers/NAME/call`. Without it hark asks for them.",
    ),
    Key::new("url", Kind::Text, "Address of the service.").default(URL),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const URL: &str = "https://api.telegram.org";

/// Bound of Telegram on a text, in halves of UTF-16; escaping counts too, so ours is lower.
const MAX_TEXT: usize = 3000;

/// Bound on the summary, which stands in bold above the text.
const MAX_SUMMARY: usize = 500;

/// Bound of Telegram on what a button carries, in bytes.
const MAX_BUTTON: usize = 64;

impl ReceiverType for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn manual(&self) -> &'static str {
        "Writes to a chat of [Telegram](https://telegram.org) as a bot. Each later message of an incident \
         answers its first one. The button \"Acknowledge\" acknowledges the incident in the name of who \
         presses it, and goes away when somebody took the incident or it is over. Presses are asked for every half minute; \
         to have them at once, give the bot a webhook to `/api/0/receivers/NAME/call` with a \
         `secret_token`, and say it in `webhook_secret`. A bot can have only one of both, and its presses \
         go to one server. Messages for information come without sound. 429 is tried again after \
         `retry_after`, 5xx later; all else is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: 123456:correct-horse\nchat: '-1001234567890'\nurl: https://api.telegram.org\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        section.required("token");
        section.required("chat");
        let token = section.opt_secret("token").filter(|token| {
            let is_good = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
            let is_token = token.expose().chars().all(is_good);
            if !is_token {
                section.error("token", "a bot's token has only letters, digits, `:`, `_` and `-`");
            }
            is_token
        });
        let chat = section.parse("chat", |text| {
            let is_chat = text.starts_with('@') || text.parse::<i64>().is_ok();
            is_chat.then(|| text.to_owned()).ok_or("a chat is a number or `@name`, in quotes")
        });
        let topic = section.opt_u64("topic", 1..=u64::from(u32::MAX));
        let webhook_secret = section.opt_secret("webhook_secret");
        let service = Service::at(section, "url", Some(URL));
        let words = Words::read(section);
        let token = token?;
        let mut service = service?.hiding(&token);
        if let Some(secret) = &webhook_secret {
            service = service.hiding(secret);
        }
        let (chat, presses) = (chat?, Presses::of(&service.target(), &token));
        Some(Box::new(Chat { service, token, id: chat, topic, webhook_secret, words, presses }))
    }
}

/// One configured chat.
#[derive(Debug)]
struct Chat {
    service: Service,
    token: Secret,
    id: String,
    topic: Option<u64>,
    webhook_secret: Option<Secret>,
    words: Words,
    presses: Arc<Presses>,
}

impl ServiceReceiver for Chat {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        format!("{} ({})", self.service.target(), self.id)
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let answered = talk.call(self.method("sendMessage", &self.message(n, context)?)).await?;
        let number = answered.json()["result"]["message_id"].as_i64().map(|id| id.to_string());
        let is_settled = card::is_over(n) || n.reason == Reason::Acknowledged;
        let delivered = judge(answered, number.filter(|_| n.reference.is_none()))?;
        if let Some(first) = n.reference.as_deref().filter(|_| is_settled) {
            self.take_button(first, &talk).await;
        }
        Ok(delivered)
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}

impl Feedback for Chat {
    fn called(&self, call: &Pressed<'_>) -> Option<Result<Called, CallError>> {
        Some(read_update(self.webhook_secret.as_ref()?, call))
    }

    fn acknowledged<'a>(
        &'a self,
        reference: &'a str,
        context: &'a Context,
    ) -> Option<Pending<'a, Option<Acknowledged>>> {
        if self.webhook_secret.is_some() {
            return None;
        }
        Some(Box::pin(async move {
            let talk = self.service.begin(context);
            self.presses.take(self, reference, &talk).await
        }))
    }

    fn answer<'a>(
        &'a self,
        taken: &'a Acknowledged,
        said: &'a str,
        context: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        Some(Box::pin(async move {
            let talk = self.service.begin(context);
            self.say(&taken.press, said, &talk).await
        }))
    }
}

impl Chat {
    fn method(&self, method: &str, document: &Value) -> Call {
        Call::post_json(format!("/bot{}/{method}", self.token.expose()), document)
    }

    /// Takes the button of the first message away. The end has been told already: that this fails
    /// leaves a button that does nothing.
    async fn take_button(&self, first: &str, talk: &Talk<'_>) {
        let Ok(first) = first.parse::<i64>() else { return };
        let keyboard = json!({"inline_keyboard": []});
        let edit = json!({"chat_id": self.id, "message_id": first, "reply_markup": keyboard});
        drop(talk.call(self.method("editMessageReplyMarkup", &edit)).await);
    }

    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let summary = escaped(&cut(&n.summary, MAX_SUMMARY, Unit::Utf16));
        let text = cut(&self.words.text(n, context)?, MAX_TEXT, Unit::Utf16);
        let mut text = format!("{} <b>{summary}</b>\n{}", tone.mark(), escaped(&text));
        if let Some(link) = card::link(n, context) {
            let _written = write!(text, "\n\n<a href=\"{}\">Open in hark</a>", escaped(&link));
        }
        let mut message = json!({
            "chat_id": self.id,
            "text": text,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
            "disable_notification": card::is_quiet(n),
        });
        if let Some(topic) = self.topic {
            message["message_thread_id"] = topic.into();
        }
        let first = n.reference.as_deref();
        if let Some(number) = first.and_then(|first| first.parse::<i64>().ok()) {
            message["reply_parameters"] =
                json!({"message_id": number, "allow_sending_without_reply": true});
        }
        if let Some(data) = context.acknowledge_token(n).and_then(|token| button(&token, first)) {
            let button = json!({"text": "Acknowledge", "callback_data": data});
            message["reply_markup"] = json!({"inline_keyboard": [[button]]});
        }
        Ok(message)
    }

    /// Shows `said` to who has pressed a button.
    async fn say(&self, press: &str, said: &str, talk: &Talk<'_>) -> Result<(), SendError> {
        let text = cut(said, presses::MAX_ANSWER, Unit::Chars);
        let answer = json!({"callback_query_id": press, "text": text});
        judge(talk.call(self.method("answerCallbackQuery", &answer)).await?, None).map(drop)
    }

    /// Returns true if `chat` is ours: an app that was tampered with can send any data, and only who
    /// reads our messages may acknowledge.
    fn is_here(&self, chat: &Value) -> bool {
        match self.id.strip_prefix('@') {
            Some(name) => chat["username"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)),
            None => chat["id"].as_i64().is_some_and(|id| id.to_string() == self.id),
        }
    }
}

/// Returns what the button carries: the token, and the number of the first message of the incident
/// where this is not the first.
fn button(token: &str, first: Option<&str>) -> Option<String> {
    let data = match first {
        Some(first) => format!("{token}.{first}"),
        None => token.to_owned(),
    };
    (data.len() <= MAX_BUTTON).then_some(data)
}

/// Returns the name of a person: the one that others see, and the account's if there is one.
fn name_of(from: &Value) -> String {
    let part = |key: &str| from[key].as_str().unwrap_or_default();
    let name = format!("{} {}", part("first_name"), part("last_name"));
    match part("username") {
        "" => person(&name),
        account => person(&format!("{name} (@{account})")),
    }
}

/// Returns the number of a person, which stays the same.
fn number_of(from: &Value) -> String {
    from["id"].as_i64().map(|id| id.to_string()).unwrap_or_default()
}

/// Reads an update that Telegram sent by itself.
fn read_update(secret: &Secret, call: &Pressed<'_>) -> Result<Called, CallError> {
    let given = call.headers.get("x-telegram-bot-api-secret-token");
    if !given.is_some_and(|given| same(secret.expose().as_bytes(), given.as_bytes())) {
        return Err(CallError::Unsigned);
    }
    let update: Value = serde_json::from_slice(call.body)
        .map_err(|error| CallError::Malformed { what: error.to_string() })?;
    let query = &update["callback_query"];
    let Some(data) = query["data"].as_str() else {
        // What people write to the bot is none of our business.
        return Ok(Called::Nothing(nothing()));
    };
    let token = data.split('.').next().unwrap_or_default().to_owned();
    Ok(Called::Acknowledge {
        token,
        by: name_of(&query["from"]),
        id: number_of(&query["from"]),
        comment: String::new(),
        is_signed: true,
        about: query["id"].as_str().unwrap_or_default().to_owned(),
        answer: shown_at_the_button,
    })
}

fn nothing() -> CallAnswer {
    CallAnswer { content_type: "application/json", body: "{}".to_owned() }
}

/// Says it to who pressed the button: Telegram takes a call of its own as the answer to its call.
fn shown_at_the_button(said: &str, query: &str) -> CallAnswer {
    if query.is_empty() {
        return nothing();
    }
    let body = json!({
        "method": "answerCallbackQuery",
        "callback_query_id": query,
        "text": cut(said, presses::MAX_ANSWER, Unit::Chars),
        "show_alert": true,
    });
    CallAnswer { content_type: "application/json", body: body.to_string() }
}

/// Judges an answer; Telegram says in the body when to come again.
fn judge(mut answered: Answered, reference: Option<String>) -> Result<Delivered, SendError> {
    let document = answered.json();
    if let Some(seconds) = document["parameters"]["retry_after"].as_u64() {
        return Err(answered.refused(Again::After(Duration::from_secs(seconds))));
    }
    if answered.status.is_success() {
        // The answer repeats the whole message.
        answered.text.clear();
    }
    answered.delivered_as(reference)
}

#[cfg(test)]
mod tests;
