//! Writes that are done once, however often they are sent.
//!
//! A client whose connection broke does not know whether its write was done. It gives the write a name of
//! its own (`Idempotency-Key`) and sends it again: if it was done, the answer is the one that was lost. Only
//! what was done is kept. What was refused has changed nothing, and may succeed once its cause is gone.
//!
//! Answers are kept in memory, for [`KEPT`] and within [`MAX_KEPT`], [`MAX_OF_USER`] and [`MAX_BYTES`]: on the
//! disk they would be one more thing that can be half written between a deed and its record, and a new token
//! would lie there in the clear. So a restart forgets them. A write goes on when its client is gone
//! ([`crate::deed`]), and that is when one with a key is sent again.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hark_model::{Mono, UserName};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::app::Shared;
use crate::auth::token;
use crate::failure::{Failure, Reply};
use crate::who::{Proof, Who};

/// The client's name of a write.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of an earlier request.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest body of a write with a key, as the longest that a route of people takes (an imported dashboard); the
/// route holds it to its own bound afterwards.
const MAX_KEYED: usize = 2 * 1024 * 1024;

/// How long an answer is kept: a program that is started again by hand on the next morning has it still.
pub(crate) const KEPT: Duration = Duration::from_hours(24);
/// Answers kept of one user; the oldest go first.
const MAX_OF_USER: usize = 1000;
/// Answers kept of all; the oldest go first.
const MAX_KEPT: usize = 10_000;
/// Bytes of all answers that are kept; the oldest go first. Most are below one kilobyte.
const MAX_BYTES: usize = 16 << 20;
/// The longest answer that is kept. Of a longer one it is kept that its write was done.
const MAX_ANSWER: usize = 256 << 10;
/// The longest key: a UUID has 36 bytes.
const MAX_KEY: usize = 255;

/// Answers by the key of their request.
#[derive(Debug, Default)]
pub(crate) struct Repeats(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<Name, Entry>,
    bytes: usize,
}

/// Whose key.
type Name = (UserName, String);

#[derive(Debug)]
struct Entry {
    at: Mono,
    /// The session or token that it was sent with: another one of the user may be allowed less.
    proof: Proof,
    /// The hash of the request.
    print: [u8; 32],
    answer: Outcome,
}

#[derive(Debug, Clone)]
enum Outcome {
    UnderWay,
    Done(StatusCode, HeaderMap, Bytes),
    /// Done, with an answer too long to be kept.
    Long,
}

impl Outcome {
    fn bytes(&self) -> usize {
        match self {
            Self::Done(_, _, body) => body.len(),
            Self::UnderWay | Self::Long => 0,
        }
    }
}

impl Kept {
    /// Returns what was answered, or takes a place for the answer.
    fn begin(&mut self, name: &Name, entry: Entry) -> Reply<Option<Outcome>> {
        self.forget(entry.at);
        let Some(known) = self.answers.get(name) else {
            self.make_room(&name.0);
            self.answers.insert(name.clone(), entry);
            return Ok(None);
        };
        if known.print != entry.print {
            return Err(Failure::field("Idempotency-Key", "another request had this key"));
        }
        if known.proof != entry.proof {
            let what = "it was used with another session or token";
            return Err(Failure::field("Idempotency-Key", what));
        }
        match &known.answer {
            Outcome::UnderWay => {
                Err(Failure::Conflict("the request with this key is being carried out".to_owned()))
            }
            Outcome::Long => {
                Err(Failure::Conflict("this was done; its answer was too long to keep".to_owned()))
            }
            done @ Outcome::Done(_, _, _) => Ok(Some(done.clone())),
        }
    }

    fn end(&mut self, name: &Name, answer: Option<Outcome>) {
        match (self.answers.get_mut(name), answer) {
            (Some(entry), Some(answer)) => {
                self.bytes += answer.bytes();
                entry.answer = answer;
            }
            (_, None) => self.remove(name),
            (None, Some(_)) => {}
        }
        while self.bytes > MAX_BYTES && self.remove_oldest(|_| true) {}
    }

    fn forget(&mut self, now: Mono) {
        let mut freed = 0;
        self.answers.retain(|_, entry| {
            let keep = now.since(entry.at) < KEPT || matches!(entry.answer, Outcome::UnderWay);
            freed += if keep { 0 } else { entry.answer.bytes() };
            keep
        });
        self.bytes -= freed;
    }

    fn make_room(&mut self, user: &UserName) {
        let of_user = self.answers.keys().filter(|(name, _)| name == user).count();
        if of_user >= MAX_OF_USER {
            self.remove_oldest(|name| name == user);
        }
        if self.answers.len() >= MAX_KEPT {
            self.remove_oldest(|_| true);
        }
    }

    /// Removes the oldest that is done, of those whose user is `wanted`; false if there is none.
    fn remove_oldest(&mut self, wanted: impl Fn(&UserName) -> bool) -> bool {
        let done = self
            .answers
            .iter()
            .filter(|(name, entry)| wanted(&name.0) && !matches!(entry.answer, Outcome::UnderWay));
        let oldest = done.min_by_key(|(_, entry)| entry.at).map(|(name, _)| name.clone());
        let Some(oldest) = oldest else { return false };
        self.remove(&oldest);
        true
    }

    fn remove(&mut self, name: &Name) {
        if let Some(entry) = self.answers.remove(name) {
            self.bytes -= entry.answer.bytes();
        }
    }
}

/// The place of an answer; given back if none comes.
struct Place {
    kept: Arc<Mutex<Kept>>,
    name: Name,
    answer: Option<Outcome>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let answer = mem::take(&mut self.answer);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).end(&self.name, answer);
    }
}

/// Carries a write that has a key out, or answers as it was answered before.
pub(crate) async fn repeat(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (Some(key), Some(who)) =
        (request.headers().get(KEY), request.extensions().get::<Who>().cloned())
    else {
        return next.run(request).await;
    };
    if is_read {
        return next.run(request).await;
    }
    match once(&app, key.clone(), &who, request, next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn once(
    app: &Shared,
    key: HeaderValue,
    who: &Who,
    request: Request,
    next: Next,
) -> Reply<Response> {
    let key = key.to_str().unwrap_or_default().to_owned();
    if key.is_empty() || key.len() > MAX_KEY {
        let what = format!("use 1 to {MAX_KEY} characters of ASCII");
        return Err(Failure::field("Idempotency-Key", what));
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_KEYED).await.map_err(|_| Failure::TooLarge)?;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let print = [parts.method.as_str(), target, ""].join("\n").into_bytes();
    let print = token::hash(&[print, body.to_vec()].concat());
    let name = (who.name().clone(), key);
    let at = app.now().mono;
    let entry = Entry { at, proof: who.proof, print, answer: Outcome::UnderWay };
    let begun = {
        let mut kept = app.repeats.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.begin(&name, entry)?
    };
    if let Some(Outcome::Done(status, headers, body)) = begun {
        let mut response = (status, Body::from(body)).into_response();
        *response.headers_mut() = headers;
        response.headers_mut().insert(REPLAYED, const { HeaderValue::from_static("true") });
        return Ok(response);
    }
    let mut place = Place { kept: Arc::clone(&app.repeats.0), name, answer: None };
    let request = Request::from_parts(parts, Body::from(body));
    let (response, answer) = kept_of(next.run(request).await).await;
    place.answer = answer;
    drop(place);
    Ok(response)
}

/// Returns `response` and what of it is kept.
async fn kept_of(response: Response) -> (Response, Option<Outcome>) {
    if !response.status().is_success() {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    // What was done cannot be told any more, but neither can it be done again.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return (Failure::Internal.into_response(), Some(Outcome::Long));
    };
    let outcome = if bytes.len() > MAX_ANSWER {
        Outcome::Long
    } else {
        Outcome::Done(parts.status, parts.headers.clone(), bytes.clone())
    };
    (Response::from_parts(parts, Body::from(bytes)), Some(outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(user: &str, key: &str) -> Name {
        (UserName::new(user).unwrap(), key.to_owned())
    }

    fn entry(at: Mono, print: u8) -> Entry {
        Entry { at, proof: Proof::Api([7; 32]), print: [print; 32], answer: Outcome::UnderWay }
    }

    fn done(length: usize) -> Outcome {
        Outcome::Done(StatusCode::OK, HeaderMap::new(), Bytes::from(vec![b'x'; length]))
    }

    #[test]
    fn an_answer_is_kept_for_a_day() {
        let mut kept = Kept::default();
        let (mira, start) = (name("mira", "a"), Mono(5));
        assert!(kept.begin(&mira, entry(start, 1)).unwrap().is_none());
        assert!(matches!(kept.begin(&mira, entry(start, 1)), Err(Failure::Conflict(_))));
        kept.end(&mira, Some(done(10)));
        let later = start + Duration::from_hours(23);
        assert!(kept.begin(&mira, entry(later, 1)).unwrap().is_some());
        let later = start + Duration::from_hours(24);
        assert!(kept.begin(&mira, entry(later, 1)).unwrap().is_none());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn what_was_refused_may_be_tried_again_with_its_key() {
        let mut kept = Kept::default();
        let mira = name("mira", "a");
        assert!(kept.begin(&mira, entry(Mono(5), 1)).unwrap().is_none());
        kept.end(&mira, None);
        assert!(kept.begin(&mira, entry(Mono(6), 2)).unwrap().is_none());
    }

    #[test]
    fn what_is_kept_is_bounded_and_one_user_takes_no_others_place() {
        let mut kept = Kept::default();
        kept.begin(&name("ben", "a"), entry(Mono(1), 1)).unwrap();
        kept.end(&name("ben", "a"), Some(done(10)));
        for n in 0..1500_u64 {
            let name = name("mira", &n.to_string());
            kept.begin(&name, entry(Mono(2 + n), 1)).unwrap();
            kept.end(&name, Some(done(100)));
        }
        assert_eq!((kept.answers.len(), kept.bytes), (1001, 100 * 1000 + 10));
        assert!(kept.begin(&name("ben", "a"), entry(Mono(9), 1)).unwrap().is_some());
        assert!(kept.begin(&name("mira", "1499"), entry(Mono(9), 1)).unwrap().is_some());
        for n in 0..100 {
            let name = name("ada", &n.to_string());
            kept.begin(&name, entry(Mono(5000 + n), 1)).unwrap();
            kept.end(&name, Some(done(256 << 10)));
        }
        assert!(kept.bytes <= MAX_BYTES, "{}", kept.bytes);
    }
}
