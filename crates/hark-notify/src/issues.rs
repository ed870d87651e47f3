//! What trackers of issues have in common: the text of an issue and of what follows, in Markdown.

use std::fmt::Write as _;

use hark_config::{Key, Kind, Section};
use hark_model::Notification;

use crate::card::{self, Unit, Words, cut};
use crate::error::SendError;
use crate::{Context, Delivered};

/// Bound on a text, in characters: what GitHub takes, and more than anybody reads.
const MAX_BODY: usize = 65_536;

/// The setting for the link that acknowledges.
pub(crate) const ACKNOWLEDGE: Key = Key::new(
    "acknowledge",
    Kind::Bool,
    "Whether issues bear the link that acknowledges. Whoever reads the issue can use it without a log-in: only for trackers that nobody else reads.",
)
.default("false");

/// What stands in an issue, as configured.
#[derive(Debug)]
pub(crate) struct Wording {
    words: Words,
    bears_link: bool,
}

impl Wording {
    /// Reads the template and [`ACKNOWLEDGE`].
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let bears_link = section.bool(ACKNOWLEDGE.name, false);
        Self { words: Words::read(section), bears_link }
    }
}

/// Returns that the issue is told, though `closed` may say that it could not be closed. To open another
/// one for that would be worse.
pub(crate) fn told(delivered: Delivered, closed: Result<(), SendError>) -> Delivered {
    match closed {
        Ok(()) => delivered,
        Err(error) => {
            let text = format!("{}; it could not be closed: {}", delivered.text, error.text());
            Delivered { text, ..delivered }
        }
    }
}

/// Returns the text about a message: its summary, the template's text or the facts, and links.
///
/// # Errors
/// If the template fails on this message.
pub(crate) fn text(
    wording: &Wording,
    n: &Notification,
    context: &Context,
) -> Result<String, SendError> {
    let words = &wording.words;
    let acknowledge = wording.bears_link.then(|| context.acknowledge_link(n)).flatten();
    let mut text = format!("{}\n\n", card::plain_in_markdown(&n.summary));
    match words.own(n, context)? {
        Some(own) => text.push_str(&own),
        None => text.push_str(&card::plain_in_markdown(&words.text(n, context)?)),
    }
    for (what, link) in [("Open in hark", card::link(n, context)), ("Acknowledge", acknowledge)] {
        if let Some(link) = link {
            // Writing to a string cannot fail.
            let _written = write!(text, "\n\n[{what}]({link})");
        }
    }
    Ok(cut(&text, MAX_BODY, Unit::Chars))
}

/// Returns the number of the issue that is about this incident already; what is no number is none of
/// ours.
pub(crate) fn number(n: &Notification) -> Option<u64> {
    n.reference.as_ref()?.parse().ok()
}
