//! What trackers of issues have in common: the text of an issue and of what follows, in Markdown.

use std::fmt::Write as _;

use hark_model::Notification;

use crate::Context;
use crate::card::{self, Unit, Words, cut};
use crate::error::SendError;

/// Bound on a text, in characters: what GitHub takes, and more than anybody reads.
const MAX_BODY: usize = 65_536;

/// Returns the text about a message: its summary, the template's text or the facts, and links.
///
/// # Errors
/// If the template fails on this message.
pub(crate) fn text(
    words: &Words,
    n: &Notification,
    context: &Context,
) -> Result<String, SendError> {
    let mut text = format!("{}\n\n", card::plain_in_markdown(&n.summary));
    match words.own(n, context)? {
        Some(own) => text.push_str(&own),
        None => text.push_str(&card::plain_in_markdown(&words.text(n, context)?)),
    }
    for (what, link) in
        [("Open in hark", card::link(n, context)), ("Acknowledge", context.acknowledge_link(n))]
    {
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
