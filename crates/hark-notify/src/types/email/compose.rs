//! From a message to the bytes of a mail.

use std::time::{Duration, UNIX_EPOCH};

use hark_model::Notification;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Message, MultiPart, MultiPartKind, SinglePart};

use super::{Settings, page, reply};
use crate::error::{SendError, one_line};
use crate::{Context, digest, render};

/// Longest subject in bytes: two full lines; mail programs show less.
const MAX_SUBJECT: usize = 900;

/// Puts the mail together: the bytes between DATA and the final dot.
pub(super) fn compose(
    s: &Settings,
    n: &Notification,
    context: &Context,
) -> Result<Vec<u8>, SendError> {
    let Some(from) = &s.from else {
        return Err(SendError::Compose { what: "no sender".to_owned() });
    };
    let style = context.mail.now();
    // A report brings its own page; the data of an event are none.
    let report = n.document.as_ref().map(|document| &document.html).filter(|html| !html.is_empty());
    let own = match &s.body {
        Some(template) => Some(template.fill(n, context)?),
        None if report.is_some() => None,
        None => style.text(n, context),
    };
    let subject = match &s.subject {
        Some(template) => template.fill(n, context)?,
        None => n.summary.clone(),
    };
    let domain = from.email.domain();
    let thread = thread_id(n, domain);
    let at = Duration::from_secs(u64::try_from(n.at.seconds()).unwrap_or(0));
    let mut builder = Message::builder()
        .from(from.clone())
        .subject(one_line(&subject, MAX_SUBJECT))
        .date(UNIX_EPOCH + at)
        .raw_header(header("Auto-Submitted", "auto-generated"))
        // Exchange asks for more before it leaves out notes of absence.
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("List-Id", &format!("hark <{}.hark.{domain}>", n.receiver)))
        .raw_header(header("X-Hark-Severity", n.severity.word()))
        .raw_header(header("X-Hark-Key", &one_line(&n.key, MAX_SUBJECT)));
    for to in &s.to {
        builder = builder.to(to.clone());
    }
    let token = context.acknowledge_token(n);
    if let Some(reply_to) = s.reply_to.as_ref().and_then(|to| to.of(token.as_deref())) {
        builder = builder.reply_to(reply_to);
    }
    let mut references: Vec<String> =
        token.iter().map(|token| reply::reference(token, domain)).collect();
    builder = if render::goes_on(n) && n.sequence == 0 {
        builder.message_id(Some(thread))
    } else {
        let own = builder.message_id(Some(message_id(&n.key, domain)));
        if render::goes_on(n) {
            references.push(thread.clone());
            own.in_reply_to(thread)
        } else {
            own
        }
    };
    if !references.is_empty() {
        builder = builder.references(references.join(" "));
    }
    let said = own.clone().unwrap_or_else(|| text(n, context));
    let page = s.html.then(|| match report {
        Some(report) => report.clone(),
        None => {
            style.page(n, &said, context).unwrap_or_else(|| page::page(n, own.as_deref(), context))
        }
    });
    let plain = part(ContentType::TEXT_PLAIN, said)?;
    let message = match page {
        None => builder.singlepart(plain),
        Some(page) => {
            // With a sign that quoted-printable text cannot have, nothing can look like the boundary; and
            // the same mail is the same bytes at each try.
            let both = MultiPart::builder()
                .kind(MultiPartKind::Alternative)
                .boundary(format!("=_{}", digest::sha256(&n.key)))
                .singlepart(plain)
                .singlepart(part(ContentType::TEXT_HTML, page)?);
            builder.multipart(both)
        }
    };
    let message = message.map_err(|error| SendError::Compose { what: error.to_string() })?;
    Ok(message.formatted())
}

pub(super) fn part(kind: ContentType, text: String) -> Result<SinglePart, SendError> {
    let body = Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
        .map_err(|_text| SendError::Compose { what: "the text cannot be encoded".to_owned() })?;
    Ok(SinglePart::builder().header(kind).body(body))
}

/// Returns the text of a mail without a template.
fn text(n: &Notification, context: &Context) -> String {
    let mut text = render::long_text(n, &context.page);
    if let Some(link) = context.acknowledge_link(n) {
        text.push_str("\nAcknowledge, without a log-in, for a day:\n");
        text.push_str(&link);
        text.push('\n');
    }
    text
}

pub(super) fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Returns the Message-ID of the first mail about an incident to this receiver: every later one
/// names it, whether or not it was ever delivered, and mail programs put them together by it.
pub(super) fn thread_id(n: &Notification, domain: &str) -> String {
    message_id(&format!("thread\0{}", render::thread(n)), domain)
}

/// Enough that no two messages meet, few enough for one line.
const MESSAGE_ID_DIGITS: usize = 32;

pub(super) fn message_id(unique: &str, domain: &str) -> String {
    let digest: String = digest::sha256(unique).chars().take(MESSAGE_ID_DIGITS).collect();
    format!("<{digest}.hark@{domain}>")
}
