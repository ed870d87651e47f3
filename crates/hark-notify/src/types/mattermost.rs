//! Mattermost: messages to a channel, as a bot with threads and a button, or through an incoming webhook.

use hark_config::{Key, Kind, Section};
use hark_model::Notification;
use hark_net::{Call, encoded};
use http::Method;
use serde_json::{Value, json};

use crate::card::{self, Tone, Unit, Words, cut, plain_in_markdown};
use crate::error::SendError;
use crate::handling::{Call as Pressed, CallAnswer, CallError, Called, person};
use crate::service::{self, Answered, Service, ServiceReceiver, Talk, is_refused_as};
use crate::{Context, Delivered, Feedback, Receiver, ReceiverType};

/// The receiver type `mattermost`.
#[derive(Debug)]
pub(crate) struct Mattermost;

pub(crate) const KEYS: &[Key] = &[
    Key::new("url", Kind::Secret, "Address of an incoming webhook; instead of `server`."),
    Key::new("server", Kind::Text, "Address of the server, for a bot."),
    Key::new("token", Kind::Secret, "Access token of the bot."),
    Key::new(
        "channel",
        Kind::Text,
        "Channel: its id for a bot; for a webhook its name, instead of the webhook's own.",
    ),
    Key::new("username", Kind::Text, "Name under which a webhook posts."),
    Key::new("mention", Kind::Text, "What critical problems begin with, such as `@here`."),
    Key::new(
        "button",
        Kind::Bool,
        "Whether the button acknowledges at once, for which Mattermost must reach hark's page.",
    )
    .default("true"),
    card::TEMPLATE,
    service::TIMEOUT,
    service::FORBID_PRIVATE,
    service::CA_FILE,
    service::INSECURE,
];

/// Bound on the text, in characters: a post has 16,383 and more is in it than the text.
const MAX_TEXT: usize = 7000;

/// Bound on the summary.
const MAX_SUMMARY: usize = 300;

impl ReceiverType for Mattermost {
    fn name(&self) -> &'static str {
        "mattermost"
    }

    fn manual(&self) -> &'static str {
        "Posts to a channel of [Mattermost](https://mattermost.com): as a bot (`server`, `token`, `channel`), \
         or through an incoming webhook (`url`). The colour says how bad it is; critical problems have the \
         priority \"urgent\" where they open a thread, and `mention` calls people. As a bot, later messages \
         of an incident answer in the thread of the first one, and the end turns that green and takes its \
         button away. A webhook knows no threads. The button \"Acknowledge\" acknowledges in the name of who \
         presses it; Mattermost's server calls hark for that (`AllowedUntrustedInternalConnections` must \
         allow a private address), with `button: false` it is a link. 429 and 5xx are tried again, all else \
         is final."
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn example(&self) -> &'static str {
        "server: https://chat.example.net\ntoken: correct-horse\nchannel: 4xp9fdt77pncbef59f4k1qe83o\n\
         mention: '@here'\n"
    }

    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>> {
        let token = section.opt_secret("token");
        let channel = section.opt_str("channel").map(str::to_owned);
        let username = section.opt_str("username").map(str::to_owned);
        let mention = section.opt_str("mention").unwrap_or_default().to_owned();
        let button = section.bool("button", true);
        let words = Words::read(section);
        let (service, is_bot) = match (section.has("url"), section.has("server")) {
            (true, false) => (Service::at_secret(section, "url")?, false),
            (false, true) => {
                let service = Service::at(section, "server", None);
                section.required("token");
                section.required("channel");
                (service?.bearer(section, "token", &token?)?, true)
            }
            (true, true) | (false, false) => {
                section.error("url", "one of `url` and `server` is expected");
                return None;
            }
        };
        if is_bot && channel.is_none() {
            return None;
        }
        Some(Box::new(Channel { service, is_bot, id: channel, username, mention, button, words }))
    }
}

/// One configured channel.
#[derive(Debug)]
struct Channel {
    service: Service,
    is_bot: bool,
    /// Id or name, as the way to the server wants it.
    id: Option<String>,
    username: Option<String>,
    mention: String,
    button: bool,
    words: Words,
}

impl ServiceReceiver for Channel {
    fn service(&self) -> &Service {
        &self.service
    }

    fn target(&self) -> String {
        match &self.id {
            Some(channel) => format!("{} ({channel})", self.service.target()),
            None => self.service.target(),
        }
    }

    async fn deliver(&self, n: &Notification, context: &Context) -> Result<Delivered, SendError> {
        let talk = self.service.begin(context);
        let tone = Tone::of(n);
        let attachment = self.attachment(n, context)?;
        let is_loud = tone == Tone::Critical;
        let mention = if is_loud { self.mention.as_str() } else { "" };
        if !self.is_bot {
            let mut message = json!({"text": mention, "attachments": [attachment]});
            if let Some(channel) = &self.id {
                message["channel"] = channel.clone().into();
            }
            if let Some(username) = &self.username {
                message["username"] = username.clone().into();
            }
            if is_loud {
                message["priority"] = json!({"priority": "urgent"});
            }
            return talk.call(Call::post_json("", &message)).await?.delivered();
        }
        let mut post = json!({
            "channel_id": self.id,
            "message": mention,
            "props": {"attachments": [attachment]},
        });
        match &n.reference {
            Some(first) => post["root_id"] = first.clone().into(),
            // Only what opens a thread may have a priority.
            None if is_loud => post["metadata"] = json!({"priority": {"priority": "urgent"}}),
            None => {}
        }
        let answered = talk.call(Call::post_json("/api/v4/posts", &post)).await?;
        let id = answered.json()["id"].as_str().map(str::to_owned);
        let delivered = named(answered, id.filter(|_| n.reference.is_none()))?;
        if let Some(first) = n.reference.as_deref().filter(|_| card::is_over(n)) {
            self.close(first, n, &talk).await;
        }
        Ok(delivered)
    }

    fn is_gone(&self, error: &SendError) -> bool {
        is_refused_as(error, &[400, 404])
    }

    fn feedback(&self) -> Option<&dyn Feedback> {
        Some(self)
    }
}

impl Feedback for Channel {
    fn called(&self, call: &Pressed<'_>) -> Option<Result<Called, CallError>> {
        self.button.then(|| read_press(call))
    }
}

impl Channel {
    /// Turns the first post green and takes its button away. The end has been told already: that this
    /// fails costs a colour.
    async fn close(&self, first: &str, n: &Notification, talk: &Talk<'_>) {
        let attachment =
            json!({"fallback": n.summary, "color": Tone::Good.hex(), "title": title(n)});
        let path = format!("/api/v4/posts/{}/patch", encoded(first));
        let patch = json!({"message": "", "props": {"attachments": [attachment]}});
        drop(talk.call(Call::new(Method::PUT, path).json(&patch)).await);
    }

    fn attachment(&self, n: &Notification, context: &Context) -> Result<Value, SendError> {
        let mut attachment = json!({
            "fallback": n.summary,
            "color": Tone::of(n).hex(),
            "title": title(n),
        });
        if let Some(own) = self.words.own(n, context)? {
            attachment["text"] = cut(&own, MAX_TEXT, Unit::Chars).into();
        } else {
            attachment["text"] = cut(&plain_in_markdown(&n.detail), MAX_TEXT, Unit::Chars).into();
            let facts = card::facts(n).into_iter().map(|(name, fact)| {
                json!({"short": true, "title": name, "value": plain_in_markdown(&fact)})
            });
            attachment["fields"] = facts.collect();
        }
        if let Some(link) = card::link(n, context) {
            attachment["title_link"] = link.into();
        }
        let page = context.page.trim_end_matches('/');
        match context.acknowledge_token(n).filter(|_| self.button && !page.is_empty()) {
            Some(token) => {
                let url = format!("{page}/api/0/receivers/{}/call", n.receiver);
                attachment["actions"] = json!([{
                    // Mattermost takes letters and digits only.
                    "id": "acknowledge",
                    "name": "Acknowledge",
                    "style": "primary",
                    "integration": {"url": url, "context": {"token": token}},
                }]);
            }
            None => {
                if let Some(link) = context.acknowledge_link(n) {
                    let text = attachment["text"].as_str().unwrap_or_default();
                    attachment["text"] = format!("{text}\n\n[Acknowledge]({link})").into();
                }
            }
        }
        Ok(attachment)
    }
}

fn title(n: &Notification) -> String {
    format!("{} {}", Tone::of(n).mark(), cut(&n.summary, MAX_SUMMARY, Unit::Chars))
}

/// Takes a success without its text, which repeats the whole post.
fn named(mut answered: Answered, reference: Option<String>) -> Result<Delivered, SendError> {
    if answered.status.is_success() {
        answered.text.clear();
    }
    answered.delivered_as(reference)
}

/// Reads a press of the button. Mattermost signs nothing; what proves the call is the token, which is
/// signed by us, and which Mattermost keeps on its server and shows to nobody.
fn read_press(call: &Pressed<'_>) -> Result<Called, CallError> {
    let document: Value = serde_json::from_slice(call.body)
        .map_err(|error| CallError::Malformed { what: error.to_string() })?;
    let token = document["context"]["token"].as_str().ok_or(CallError::Unsigned)?;
    let name = document["user_name"].as_str().or_else(|| document["user_id"].as_str());
    Ok(Called::Acknowledge {
        token: token.to_owned(),
        by: person(name.unwrap_or_default()),
        id: document["user_id"].as_str().unwrap_or_default().to_owned(),
        comment: String::new(),
        is_signed: false,
        about: String::new(),
        answer: whisper,
    })
}

/// Says it to who pressed the button alone.
fn whisper(said: &str, _about: &str) -> CallAnswer {
    let body = json!({"ephemeral_text": said}).to_string();
    CallAnswer { content_type: "application/json", body }
}

#[cfg(test)]
mod tests;
