//! Handling an incident from outside the page: the link in a message, a token from a reply, a call of a
//! service.
//!
//! The small page behind a link needs no log-in and no script. Looking at it changes nothing: mail
//! scanners and chats fetch links before anybody reads them. Only its form acknowledges. There is nothing
//! for a page of another site to forge: whoever could send the form has the token already.

use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use hark_api::handling::{HandleRequest, Handled, MAX_HELD_SECONDS, Way};
use hark_api::incidents::IncidentRow;
use hark_model::record::Comment;
use hark_model::{ReceiverName, Unix, UserName};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::app::Shared;
use crate::backend::{ServiceAnswer, ServiceCall, TokenOrder};
use crate::extract::{Body, Path, whole};
use crate::failure::{Failure, Reply};
use crate::peer::Peer;

/// The longest token that is looked at: others are none.
const MAX_TOKEN: usize = 64;

/// The longest address that a mail may be from (RFC 5321, 4.5.3.1.3).
const MAX_FROM: usize = 254;

/// How the small page looks: its policy allows nothing inline.
const STYLE: &str = "\
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { margin: 0; padding: 1.5rem; }
main { max-width: 34rem; margin: 0 auto; }
h1 { font-size: 1.25rem; margin: 0 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1rem 0; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
label { display: block; margin: .75rem 0 .25rem; }
textarea, select, button { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; }
button { margin-top: 1rem; cursor: pointer; }
.said { border-left: .25rem solid; padding-left: .75rem; }
";

/// What the form of the small page sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Form {
    comment: String,
    /// For how many seconds; empty is until it is over.
    held: String,
    /// Anything if it was chosen.
    sticky: String,
}

/// Returns how the small page looks.
pub(crate) async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let keep = HeaderValue::from_static("max-age=3600");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], STYLE).into_response()
}

/// Shows what the link of a message is for. Changes nothing.
pub(crate) async fn show(
    State(app): State<Shared>,
    peer: Peer,
    Path(token): Path<String>,
) -> Response {
    match offered(&app, peer, &token).await {
        Ok(page) => html(StatusCode::OK, &page),
        Err(failure) => refused(failure),
    }
}

async fn offered(app: &Shared, peer: Peer, token: &str) -> Reply<String> {
    app.attempt_token(peer.address)?;
    let asked = bounded(token)?;
    let offer = app.ask(move |backend| backend.offered(&asked)).await?;
    app.token_was_good(peer.address);
    let row = &offer.incident;
    let mut body = facts(row);
    if let Some(text) = standing(row) {
        let _written = write!(body, "<p class=\"said\">{}</p>", escape(&text));
    }
    if row.resolved_at.is_none() && row.ack.is_none() {
        body.push_str(&form(&offer.receiver));
    }
    Ok(page(&format!("Incident {}", row.id), &body))
}

/// Acknowledges by the form of the small page.
pub(crate) async fn take(
    State(app): State<Shared>,
    peer: Peer,
    Path(token): Path<String>,
    request: Request,
) -> Response {
    match taken(&app, peer, &token, request).await {
        Ok(handled) => {
            let title = format!("Incident {}", handled.incident);
            let about = format!("{} {}", handled.host, handled.check);
            let body =
                format!("<p>{}</p><p class=\"said\">{}</p>", escape(&about), escape(&handled.text));
            html(StatusCode::OK, &page(&title, &body))
        }
        Err(failure) => refused(failure),
    }
}

async fn taken(app: &Shared, peer: Peer, token: &str, request: Request) -> Reply<Handled> {
    let axum::Form(form) = axum::Form::<Form>::from_request(request, app).await.map_err(
        |rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
            _ => Failure::Malformed("the form cannot be read".to_owned()),
        },
    )?;
    let held = match form.held.trim() {
        "" => None,
        seconds => Some(seconds.parse().map_err(|_| Failure::field("held", "not a number"))?),
    };
    let asked = HandleRequest {
        token: token.to_owned(),
        way: Way::Link,
        from: String::new(),
        comment: form.comment,
        for_seconds: held,
        sticky: !form.sticky.is_empty(),
    };
    acknowledge(app, peer, asked).await
}

/// Acknowledges with the token that a message carried; nothing else is needed.
#[utoipa::path(
    post, path = "/api/0/handle", tag = "open", request_body = HandleRequest,
    responses((status = 200, body = Handled))
)]
pub(crate) async fn handle(
    State(app): State<Shared>,
    peer: Peer,
    Body(request): Body<HandleRequest>,
) -> Reply<Json<Handled>> {
    acknowledge(&app, peer, request).await.map(Json)
}

async fn acknowledge(app: &Shared, peer: Peer, request: HandleRequest) -> Reply<Handled> {
    let HandleRequest { token, way, from, comment, for_seconds, sticky } = request;
    app.attempt_token(peer.address)?;
    let asked = bounded(&token)?;
    let until = for_seconds.map(|seconds| held_until(app.now().unix, seconds)).transpose()?;
    let comment = comment.trim().to_owned();
    if comment.len() > Comment::MAX_TEXT {
        let most = format!("use at most {} bytes", Comment::MAX_TEXT);
        return Err(Failure::field("comment", most));
    }
    if from.len() > MAX_FROM {
        return Err(Failure::field("from", format!("use at most {MAX_FROM} bytes")));
    }
    let order = TokenOrder { way, from, comment: comment.clone(), until, sticky };
    let handled = app.ask(move |backend| backend.handle(&asked, &order)).await?;
    app.token_was_good(peer.address);
    if handled.done {
        let by = UserName::recorded(&handled.by).ok();
        let mut detail = format!("{}: {}", handled.incident, way.words());
        if !comment.is_empty() {
            let _written = write!(detail, ": {comment}");
        }
        app.audit(by.as_ref(), peer.address, "incident.ack", detail).await;
    }
    Ok(handled)
}

/// Takes a call of the service behind a receiver, such as a button that was pressed. What counts is the
/// service's signature.
#[utoipa::path(
    post, path = "/api/0/receivers/{name}/call", tag = "open",
    params(("name" = String, Path, description = "The receiver's name.")),
    request_body(content = String, description = "What the service sends."),
    responses((status = 200, body = String, description = "What the service expects."))
)]
pub(crate) async fn call(
    State(app): State<Shared>,
    peer: Peer,
    Path(name): Path<String>,
    request: Request,
) -> Reply<Response> {
    let receiver = ReceiverName::new(&name).map_err(|_| Failure::Absent)?;
    let headers = request.headers().clone();
    let body = whole(request, &app).await?;
    // The signature is looked at in any case: a busy channel presses many buttons, and who guesses from
    // somewhere must not hold the service back. To check it is cheap.
    let held = app.attempt_call(peer.address).err();
    let call = ServiceCall { headers, body, now: app.now().unix, is_held: held.is_some() };
    let of = receiver.clone();
    let answer = app.ask(move |backend| backend.called(&of, &call)).await;
    let (is_proven, content_type, body, deed) = match (answer, held) {
        (Ok(ServiceAnswer::Signed { is_proven, content_type, body, deed }), _) => {
            (is_proven, content_type, body, deed)
        }
        (_, Some(wait)) => return Err(Failure::Limited(wait)),
        (Ok(ServiceAnswer::Unsigned), None) => return Err(Failure::Unsigned),
        (Ok(ServiceAnswer::Malformed(why)), None) => return Err(Failure::Malformed(why)),
        (Err(failure), None) => {
            if failure != Failure::Absent {
                // It is not the caller's fault.
                app.call_was_good(peer.address);
            }
            return Err(failure);
        }
    };
    match held {
        None if is_proven => app.call_was_good(peer.address),
        Some(wait) if !is_proven => return Err(Failure::Limited(wait)),
        None | Some(_) => {}
    }
    if let Some((by, detail)) = deed {
        app.audit(Some(&by), peer.address, "incident.ack", detail).await;
    }
    let kind = HeaderValue::from_static(content_type);
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

fn bounded(token: &str) -> Reply<String> {
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(Failure::Absent);
    }
    Ok(token.to_owned())
}

fn held_until(now: Unix, seconds: u64) -> Reply<Unix> {
    if seconds == 0 || seconds > MAX_HELD_SECONDS {
        return Err(Failure::field("for_seconds", "use 1 second to 7 days"));
    }
    Ok(now + Duration::from_secs(seconds))
}

/// Says in the page's form why nothing can be done; other failures stay documents.
fn refused(failure: Failure) -> Response {
    let (status, text) = if failure == Failure::Absent {
        let text =
            "This link is not one of this server's, or not whole. Copy all of it, or sign in.";
        (StatusCode::NOT_FOUND, text)
    } else if matches!(failure, Failure::Conflict(_)) {
        let text = "This link is no longer good: links in messages are for a day. Sign in to see the \
                    incident.";
        (StatusCode::GONE, text)
    } else if matches!(failure, Failure::Limited(_)) {
        let text = "Too many wrong links came from your address. Wait a minute and try again.";
        (StatusCode::TOO_MANY_REQUESTS, text)
    } else {
        return failure.into_response();
    };
    html(status, &page("Not possible", &format!("<p class=\"said\">{}</p>", escape(text))))
}

fn html(status: StatusCode, page: &str) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], page.to_owned()).into_response()
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title} · hark</title>\
         <link rel=\"stylesheet\" href=\"/a.css\"></head>\n\
         <body><main><h1>{title}</h1>{body}</main></body></html>\n"
    )
}

fn facts(row: &IncidentRow) -> String {
    let facts = [
        ("Host", row.host.clone()),
        ("Check", row.check.clone()),
        ("Status", row.status.word().to_owned()),
        ("Since", row.since_at.to_string()),
        ("Text", row.text.clone()),
    ];
    let mut list = String::from("<dl>");
    for (name, value) in facts {
        let _written = write!(list, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    list.push_str("</dl>");
    list
}

/// Returns why there is nothing to acknowledge.
fn standing(row: &IncidentRow) -> Option<String> {
    if let Some(at) = &row.resolved_at {
        return Some(format!("It is over since {at}."));
    }
    row.ack.as_ref().map(|ack| format!("{} has it: {}", ack.by, ack.comment))
}

fn form(receiver: &ReceiverName) -> String {
    format!(
        "<form method=\"post\">\
         <label for=\"comment\">Comment</label>\
         <textarea id=\"comment\" name=\"comment\" rows=\"2\" maxlength=\"1000\"></textarea>\
         <label for=\"held\">Until</label>\
         <select id=\"held\" name=\"held\"><option value=\"\">it is over</option>\
         <option value=\"3600\">1 hour from now</option><option value=\"14400\">4 hours from now</option>\
         <option value=\"86400\">1 day from now</option></select>\
         <label><input type=\"checkbox\" name=\"sticky\" value=\"1\"> also if it gets worse</label>\
         <button>Acknowledge</button>\
         <p>It is noted as taken via {}.</p></form>",
        escape(receiver.as_str())
    )
}

/// Returns a text as it may stand between tags and in attributes.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_host_stays_text() {
        assert_eq!(escape("<b a='1' c=\"2\">&"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;");
    }

    #[test]
    fn nothing_is_held_for_longer_than_a_week() {
        assert_eq!(held_until(Unix(0), 60), Ok(Unix(60_000)));
        assert!(held_until(Unix(0), 0).is_err());
        assert!(held_until(Unix(0), MAX_HELD_SECONDS + 1).is_err());
    }
}
