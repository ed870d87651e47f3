//! Slack: messages to a channel, as an app with threads and a button, or through an incoming webhook.

use hark_config::{Key, Kind, Section};
use hark_model::{Notification, Reason, Secret};
use hark_net::Call;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, escaped, escaped_to};
use crate::error::{Again, SendError};
use crate::handling::{Call as Pressed, CallError, Called};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk};
use crate::{Context, Delivered, Feedback, Receiver, ReceiverType};

mod button;

/// The receiver type `slack`.
#[derive(Debug)]
pub(crate) struct Slack;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address of an incoming webhook; instead of `token`."),
    Key::new("token", Kind::Secret, "Token of a bot (`xoxb-…`) that may `chat:write`."),
    Key::new("channel", Kind::Text, "Channel that the bot writes to: its number, or `#name`."),
    Key::new(
        "signing_secret",
        Kind::Secret,
        "Signing secret of the app, if its interactivity leads to `/api/0/receivers/NAME/call`: the button then acknowledges at once.",
    ),
    Key::new(
        "mention",
        Kind::Text,
        "What critical problems begin with, such as `<!here>` or `<@U024BE7LH>`.",
    ),
    Key::new("api", Kind::Text, "Address of Slack's API.").default(API),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

const API: &str = "https://slack.com/api";

/// Bound of Slack on the text of a block, in characters, escaped.
const MAX_TEXT: usize = 3000;

/// Bound on the summary.
const MAX_SUMMARY: usize = 300;

/// What Slack says when it is the one that has failed.
const TEMPORARY: &[&str] = &[
    "fatal_error",
    "internal_error",
    "ratelimited",
    "rate_limited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

impl ReceiverType for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn manual(&self) -> &'static str {
        "Writes to a channel of [Slack](https://slack.com): with the token of a bot, or through an incoming \
         webhook. The colour says how bad it is; Slack knows no priority, `mention` calls people to what is \
         critical. As a bot, later messages of an incident are answers in the thread of the first one, also \
         who took it; what got worse and the end are also shown in the channel, and the end turns the first message green. \
         With `signing_secret` the button \"Acknowledge\" acknowledges in the name of who presses it (in \
         Slack: Interactivity, request URL `https://YOUR-HARK/api/0/receivers/NAME/call`), else it opens \
         the link that does. A webhook knows no threads: each message stands alone. Slack's `ok: false` is \
         final unless it says that Slack itself has failed; 429 waits for `Retry-After`, 5xx is tried again."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "token: xoxb-correct-horse\nchannel: '#ops'\nsigning_secret: correct-horse-signing\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let token = section.opt_secret("token");
        let channel = section.opt_str("channel").map(str::to_owned);
        let signing_secret = section.opt_secret("signing_secret");
        let mention = section.opt_str("mention").unwrap_or_default().to_owned();
        let words = Words::read(section);
        let (service, channel) = match (section.has("url"), token) {
            (true, None) => (Service::at_secret(section, "url")?, None),
            (false, Some(token)) => {
                let service = Service::at(section, "api", Some(API))?;
                let service = service.bearer(section, "token", &token)?;
                if channel.is_none() {
                    section.required("channel");
                }
                (service, Some(channel?))
            }
            (true, Some(_)) | (false, None) => {
                section.error("url", "one of `url` and `token` is expected");
                return None;
            }
        };
        let service = match &signing_secret {
            Some(secret) => service.hiding(secret),
            None => service,
        };
        Some(Box::new(Workspace { service, channel, signing_secret, mention, words }))
    }
}

/// One configured channel.
#[derive(Debug)]
struct Workspace {
    service: Service,
    /// Where the bot writes; `None` for a webhook, which knows it itself.
    channel: Option<String>,
    signing_secret: Option<Secret>,
    mention: String,
    words: Words,
}

impl ServiceReceiver for Workspace {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match &self.channel {
            Some(channel) => format!("{} ({channel})", self.service.target()),
            None => self.service.target(),
        }
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let mut message = self.message(n, context)?;
        let Some(channel) = &self.channel else {
            return talk.call(Call::post_json("", &message)).await?.delivered();
        };
        let first = n.reference.as_deref().and_then(|reference| reference.split_once('/'));
        match first {
            // The number of the channel stays the same when somebody renames it.
            Some((id, ts)) => {
                message["channel"] = id.into();
                message["thread_ts"] = ts.into();
                let is_for_all = card::is_over(n) || n.reason == Reason::Worse;
                message["reply_broadcast"] = is_for_all.into();
            }
            None => message["channel"] = channel.clone().into(),
        }
        let answered = talk.call(Call::post_json("/chat.postMessage", &message)).await?;
        let document = answered.json();
        let delivered = judge(answered, &document)?;
        if let Some((id, ts)) = first.filter(|_| card::is_over(n)) {
            self.close(id, ts, n, &talk).await;
        }
        let named = document["channel"].as_str().zip(document["ts"].as_str());
        let reference = named.filter(|_| first.is_none()).map(|(id, ts)| format!("{id}/{ts}"));
        Ok(Delivered { reference, ..delivered })
    }

    fn is_gone(&self, error: &SendError) -> bool {
        matches!(error, SendError::Refused { text, .. } if text.contains("thread_not_found"))
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}

impl Feedback for Workspace {
    fn called(&self, call: &Pressed<'_>) -> Option<Result<Called, CallError>> {
        Some(button::read(self.signing_secret.as_ref()?, call))
    }
}

impl Workspace {
    /// Turns the first message green and takes its button away. The end has been told already: that
    /// this fails costs a colour.
    async fn close(&self, id: &str, ts: &str, n: &Notification, talk: &Talk<'_>) {
        let text = summary(n);
        let block = json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
        let edit = json!({
            "channel": id,
            "ts": ts,
            "text": text,
            "attachments": [{"color": Tone::Good.hex(), "blocks": [block]}],
        });
        drop(talk.call(Call::post_json("/chat.update", &edit)).await);
    }

    fn message(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let tone = Tone::of(n);
        let text = self.words.text(n, context)?;
        let section =
            |text: String| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
        let mut blocks = vec![section(format!("*{}*", summary(n)))];
        if !text.trim().is_empty() {
            blocks.push(section(escaped_to(&text, MAX_TEXT, Unit::Chars, "\n")));
        }
        let buttons = self.buttons(n, context);
        if !buttons.is_empty() {
            blocks.push(json!({"type": "actions", "elements": buttons}));
        }
        let mut message = json!({
            "attachments": [{"color": tone.hex(), "fallback": summary(n), "blocks": blocks}],
        });
        if tone == Tone::Critical && !self.mention.is_empty() {
            message["text"] = self.mention.clone().into();
        }
        Ok(message)
    }

    fn buttons(&self, n: &Notification, context: &Context) -> Vec<Value> {
        let label = |text: &str| json!({"type": "plain_text", "text": text});
        let mut buttons = Vec::new();
        if let Some(link) = card::link(n, context) {
            let id = "hark_open";
            buttons.push(
                json!({"type": "button", "action_id": id, "text": label("Open"), "url": link}),
            );
        }
        let mut acknowledge = json!({
            "type": "button",
            "action_id": button::ACTION,
            "style": "primary",
            "text": label("Acknowledge"),
        });
        if self.signing_secret.is_some() && self.channel.is_some() {
            if let Some(token) = context.acknowledge_token(n) {
                acknowledge["value"] = token.into();
                buttons.push(acknowledge);
            }
        } else if let Some(link) = context.acknowledge_link(n) {
            acknowledge["url"] = link.into();
            buttons.push(acknowledge);
        }
        buttons
    }
}

fn summary(n: &Notification) -> String {
    let summary = escaped(&cut(&n.summary, MAX_SUMMARY, Unit::Chars));
    format!("{} {summary}", Tone::of(n).mark())
}

/// Judges an answer of the API, which says in a 200 that it refuses.
fn judge(mut answered: Answered, document: &Value) -> Result<Delivered, SendError> {
    if !answered.status.is_success() || document["ok"] == true {
        // The answer repeats the whole message.
        if answered.status.is_success() {
            answered.text.clear();
        }
        return answered.delivered();
    }
    let is_temporary = document["error"].as_str().is_none_or(|error| TEMPORARY.contains(&error));
    let again = match answered.retry_after {
        _ if !is_temporary => Again::Never,
        Some(wait) => Again::After(wait),
        None => Again::Later,
    };
    Err(answered.refused(again))
}

#[cfg(test)]
mod tests;
