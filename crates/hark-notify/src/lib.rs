//! Telling people: receivers, what they are told, and the machine that decides when to try, to try
//! again, to give up and to ask another receiver.
//!
//! - [`TYPES`] lists the kinds of receivers; each is one file under `types/`, and [`Receivers`] is
//!   what the section `receivers` of the configuration became.
//! - A [`Receiver`] sends one [`Notification`] once. It keeps no queue and decides nothing: whether
//!   to try again is [`SendError::is_permanent`], [`SendError::retry_after`] and the machine below.
//! - [`handling`] is what comes back: tokens with which people acknowledge from outside the page, and
//!   calls of services; [`mailbox`] is where answers to mails are fetched from.
//! - [`outbox::Outbox`] is that machine, without IO: rows of the outbox go in, leases, outcomes and
//!   hand-overs to fallback receivers come out. Its parts, for those who need less, are in
//!   [`delivery`].
//!
//! - [`Trace`] notes what a send asks and hears, without what [`hark_net::Masks`] know to be secret.
//!
//! This crate does not know who must be told (the engine's routes), where the outbox is stored, nor
//! the clock: the machine takes the time and the chance of its jitter as arguments.

use std::fmt;
use std::sync::Arc;

use hark_config::{Key, Section};
use hark_model::Notification;
use hark_net::{BoxFuture, Resolve};

use crate::handling::{Acknowledged, Call, CallError, Called, Letter};

mod card;
mod deadline;
pub mod delivery;
mod digest;
mod error;
pub mod handling;
mod issues;
mod mail_server;
mod mail_style;
pub mod mailbox;
mod manual;
pub mod outbox;
mod reach;
mod receivers;
mod recent;
mod render;
mod served;
mod service;
mod smtp;
mod trace;
mod types;
pub mod web_push;

pub use error::{Again, Doing, SendError};
pub use mail_style::{MAIL_PAGE, MAIL_TEXT, MailStyle, MailTemplates};
pub use manual::manual;
pub use receivers::{Configured, RECEIVER_KEYS, Receivers};
pub use render::{FIELDS, TEMPLATE_FIELDS, samples};
pub use trace::Trace;

/// What a receiver needs from the program around it.
#[derive(Clone)]
pub struct Context {
    /// Turns names into addresses.
    pub resolve: Arc<dyn Resolve>,
    /// The public address of the page, such as `https://hark.example.net`, for links; empty if
    /// there is none.
    pub page: String,
    /// This machine's own name, with which it greets mail servers.
    pub own_name: String,
    /// Makes the tokens with which people acknowledge from outside; `None` where nothing would take
    /// them back.
    pub tokens: Option<handling::Tokens>,
    /// How mails are written.
    pub mail: MailStyle,
    /// The browsers that show notifications; `None` where nobody knows them.
    pub browsers: Option<Arc<dyn web_push::Browsers>>,
    /// Notes what is asked and answered.
    pub trace: Trace,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("page", &self.page)
            .field("own_name", &self.own_name)
            .finish_non_exhaustive()
    }
}

/// What the other side said on taking a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Its words, shortened; may be empty.
    pub text: String,
    /// For whom it refused the message for good, and why; the others have it.
    pub refused: Vec<(String, String)>,
    /// What the service calls the message, where later ones need that: the start of the thread, the
    /// message to edit, the receipt to cancel. It is kept durably, and every later message of the
    /// same incident to this receiver carries it as [`Notification::reference`]; a later one
    /// replaces it, so an answer in a thread returns none. More than [`outbox::MAX_REFERENCE`] bytes
    /// are not kept. Never a secret: it is stored and shown.
    pub reference: Option<String>,
}

/// A mail of the server's own.
#[derive(Clone, Copy, Debug)]
pub struct OwnMail<'a> {
    /// To whom.
    pub to: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// What it says.
    pub text: &'a str,
    /// What makes it this one for whom it is to: the same at each try.
    pub key: &'a str,
    /// The list that it goes to, as a word.
    pub list: &'a str,
    /// The address that ends it with one call (RFC 8058); `None` for whoever is in no list.
    pub leave: Option<&'a str>,
}

/// What is under way at somebody else's. Dropping it closes its connection.
pub type Pending<'a, T> = BoxFuture<'a, Result<T, SendError>>;

/// One place where messages go, as configured.
pub trait Receiver: Send + Sync + fmt::Debug {
    /// Returns where messages go, for people, without anything secret: `ops@example.net`,
    /// `https://hooks.example.net`.
    fn target(&self) -> String;

    /// Returns what people should be warned of, such as a certificate that is not verified.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sends `notification` once. It ends within the receiver's own time limit. Cancelling it
    /// closes its connection; whether the message arrived is then unknown.
    ///
    /// # Errors
    /// Why it did not arrive, or may not have; the error says whether to try again.
    fn send<'a>(
        &'a self,
        notification: &'a Notification,
        context: &'a Context,
    ) -> Pending<'a, Delivered>;

    /// Returns whose browsers it means. `None`: it leads to no browser.
    fn screens(&self) -> Option<&web_push::Whose> {
        None
    }

    /// Returns how people answer in the service that carries the messages. `None`: they cannot, or it is
    /// not configured.
    fn feedback(&self) -> Option<&dyn Feedback> {
        None
    }

    /// Answers the mail of somebody who has answered a message of this receiver. `None`: the receiver
    /// sends no mail. It ends within the receiver's own time limit, and is not tried again.
    fn write_back<'a>(
        &'a self,
        _letter: &'a Letter<'a>,
        _context: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        None
    }

    /// Writes a mail of the server's own to somebody who is no recipient of its messages. `None`: the receiver
    /// sends no mail. It ends within the receiver's own time limit.
    fn write_own<'a>(
        &'a self,
        _mail: &'a OwnMail<'a>,
        _context: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        None
    }

    /// Closes connections that were kept open for too long. To be called every few seconds to
    /// minutes; cheap if there is nothing to close.
    fn close_idle(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What people do with a message in the service that carries it, such as pressing its button. A service
/// calls us, or is asked; a receiver offers either, or both by how it is configured.
pub trait Feedback: Send + Sync {
    /// Reads a call that the service makes to us, such as somebody pressing a button. It verifies the
    /// service's signature, in constant time, before it believes anything else. `None`: the receiver
    /// does not offer that.
    fn called(&self, _call: &Call<'_>) -> Option<Result<Called, CallError>> {
        None
    }

    /// Asks the service whether somebody has taken the message that it calls `reference`. `None`: the
    /// receiver does not offer that. It ends within the receiver's own time limit.
    fn acknowledged<'a>(
        &'a self,
        _reference: &'a str,
        _context: &'a Context,
    ) -> Option<Pending<'a, Option<Acknowledged>>> {
        None
    }

    /// Tells who has `taken` a message in the service what came of it. `None`: nobody waits for that. It
    /// ends within the receiver's own time limit.
    fn answer<'a>(
        &'a self,
        _taken: &'a Acknowledged,
        _said: &'a str,
        _context: &'a Context,
    ) -> Option<Pending<'a, ()>> {
        None
    }
}

/// A kind of receiver: the word in the configuration and how its settings are read.
pub trait ReceiverType: Sync {
    /// Returns the word in the configuration, the manual and the metrics.
    fn name(&self) -> &'static str;

    /// Returns what it does, in markdown.
    fn manual(&self) -> &'static str;

    /// Returns its settings.
    fn keys(&self) -> &'static [Key];

    /// Returns settings that must be accepted, as YAML.
    fn example(&self) -> &'static str;

    /// Reads the settings. `None`: what is wrong was reported to the section's document.
    fn read(&self, section: &Section<'_>) -> Option<Box<dyn Receiver>>;
}

/// Every kind of receiver, by name, one a line.
#[rustfmt::skip]
pub const TYPES: &[&dyn ReceiverType] = &[
    &types::alertmanager::Alertmanager,
    &types::apprise::Apprise,
    &types::discord::Discord,
    &types::dweet::Dweet,
    &types::email::Email,
    &types::exec::Exec,
    &types::github::Github,
    &types::gitlab::Gitlab,
    &types::google_chat::GoogleChat,
    &types::gotify::Gotify,
    &types::hark::Hark,
    &types::home_assistant::HomeAssistant,
    &types::line::Line,
    &types::matrix::Matrix,
    &types::mattermost::Mattermost,
    &types::mqtt::Mqtt,
    &types::ntfy::Ntfy,
    &types::opsgenie::Opsgenie,
    &types::pagerduty::Pagerduty,
    &types::pushbullet::Pushbullet,
    &types::pushover::Pushover,
    &types::rocketchat::RocketChat,
    &types::signal::Signal,
    &types::slack::Slack,
    &types::syslog::Syslog,
    &types::teams::Teams,
    &types::telegram::Telegram,
    &types::twilio::Twilio,
    &types::url::Url,
    &types::web_push::WebPush,
    &types::webex::Webex,
    &types::webhook::Webhook,
    &types::xmpp::Xmpp,
    &types::zulip::Zulip,
];
