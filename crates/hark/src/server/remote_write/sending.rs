//! One request on its way: whole, or in pieces once it was refused.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hark_metrics::remote_write::{Outgoing, Version, pack, write};
use hark_model::time::Clock;
use hark_net::{Call, CallError, Reply};
use http::{HeaderValue, Method, StatusCode};
use tokio::task::spawn_blocking;

use super::Way;
use super::gather::{Request, Series};
use crate::server::store_loop::chain;

/// How often a request may be cut in halves to find what is refused of it: enough for some single series.
const MAX_CUTS: u32 = 64;

/// The header in which a receiver of version 2.0 says how much it has written.
const WRITTEN: &str = "x-prometheus-remote-write-samples-written";

/// A request that is being sent, perhaps in pieces.
pub(super) struct Sending {
    /// All of it.
    pub(super) request: Arc<Request>,
    /// Which of its series are still to be sent, the next ones last.
    pub(super) pieces: Vec<Range<usize>>,
    n_cuts: u32,
    /// Whether the receiver may have it already.
    pub(super) may_be_there: bool,
    /// Whether it is written down that it is on its way.
    pub(super) is_saved: bool,
}

impl Sending {
    /// Begins with all of `request`.
    pub(super) fn new(request: Request, may_be_there: bool) -> Self {
        let all = 0..request.series.len();
        let pieces = if all.is_empty() { Vec::new() } else { vec![all] };
        Self { request: Arc::new(request), pieces, n_cuts: 0, may_be_there, is_saved: false }
    }

    /// Returns whether all of the log that it was made of lies before segment `begin`, where the log begins now.
    pub(super) fn is_gone(&self, begin: u64) -> bool {
        self.request.to.place.segment < begin
    }

    /// Returns how many samples are still to be sent.
    pub(super) fn n_left(&self) -> usize {
        self.pieces.iter().map(|piece| n_samples(&self.request, piece)).sum()
    }

    /// Gives up the piece that was refused; returns how many samples it has.
    pub(super) fn give_up(&mut self) -> Option<usize> {
        self.pieces.pop().map(|piece| n_samples(&self.request, &piece))
    }

    /// Cuts the piece that was refused in halves; gives it up if that cannot be.
    pub(super) fn cut(&mut self) -> Option<usize> {
        let is_small = self.pieces.last().is_none_or(|piece| piece.len() < 2);
        if is_small || self.n_cuts >= MAX_CUTS {
            return self.give_up();
        }
        let piece = self.pieces.pop()?;
        self.n_cuts += 1;
        let middle = piece.start + piece.len() / 2;
        self.pieces.extend([middle..piece.end, piece.start..middle]);
        None
    }
}

/// Returns how many samples some series of a request have.
pub(super) fn n_samples(request: &Request, piece: &Range<usize>) -> usize {
    let series = request.series.get(piece.clone()).unwrap_or_default();
    series.iter().map(Series::n_samples).sum()
}

/// What came of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The receiver has it, but for so many samples.
    Taken { refused: usize, why: String },
    /// It may be sent again, after so long.
    Again { after: Option<Duration>, may_be_there: bool, why: String },
    /// The receiver does not understand this version.
    OlderVersion,
    /// It will never take it as it is.
    Refused { may_be_cut: bool, why: String },
}

impl Way {
    /// Sends some series of a request.
    pub(super) async fn post(
        &self,
        request: Arc<Request>,
        piece: Range<usize>,
        version: Version,
    ) -> Outcome {
        let n = n_samples(&request, &piece);
        let body = spawn_blocking(move || {
            let series = request.series.get(piece).unwrap_or_default();
            let outgoing: Vec<Outgoing<'_>> = series.iter().map(Series::outgoing).collect();
            pack(&write(&outgoing, version))
        });
        let Ok(body) = body.await else {
            return Outcome::Refused {
                may_be_cut: true,
                why: "it could not be written".to_owned(),
            };
        };
        let content_type = HeaderValue::from_static(version.content_type());
        let call = Call::new(Method::POST, "").content(content_type, body);
        let call = call
            .header("content-encoding", "snappy")
            .and_then(|call| call.header("x-prometheus-remote-write-version", version.header()));
        match call {
            Ok(call) => outcome(self.target.address.ask(&*self.resolver, call).await, n, version),
            Err(error) => again(&error),
        }
    }
}

fn again(error: &CallError) -> Outcome {
    let may_be_there = error.may_be_heard();
    Outcome::Again { after: None, may_be_there, why: chain(error) }
}

/// Returns what an answer to `n` samples says.
fn outcome(answer: Result<Reply, CallError>, n: usize, version: Version) -> Outcome {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return again(&error),
    };
    let written = reply.headers.get(WRITTEN).and_then(|value| value.to_str().ok()?.parse().ok());
    let status = reply.status;
    let why = || {
        let text = if reply.text.is_empty() { String::new() } else { format!(": {}", reply.text) };
        format!("answered {}{text}", status.as_u16())
    };
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        let after = reply.retry_after(Clock.now().unix);
        return Outcome::Again { after, may_be_there: status.is_server_error(), why: why() };
    }
    match (status.is_success(), version, written) {
        (true, Version::One, _) => Outcome::Taken { refused: 0, why: why() },
        (true, Version::Two, Some(written)) => {
            Outcome::Taken { refused: n.saturating_sub(written), why: why() }
        }
        // One of version 1.0 finds nothing in it that it knows, and says that all is well.
        (true, Version::Two, None) => Outcome::OlderVersion,
        (false, Version::Two, _) if status == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Outcome::OlderVersion
        }
        // It has written a part, and says of how much it has not.
        (false, Version::Two, Some(written)) if written > 0 => {
            Outcome::Taken { refused: n.saturating_sub(written), why: why() }
        }
        (false, ..) if !is_about_samples(status) => {
            Outcome::Again { after: None, may_be_there: false, why: why() }
        }
        (false, ..) => {
            let may_be_cut =
                matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE);
            Outcome::Refused { may_be_cut, why: why() }
        }
    }
}

/// Returns false for answers that any samples would get: the address, the credentials or something on the way is
/// wrong, and what waits meanwhile is in the log.
fn is_about_samples(status: StatusCode) -> bool {
    const NOT_THOSE: [StatusCode; 8] = [
        StatusCode::UNAUTHORIZED,
        StatusCode::PAYMENT_REQUIRED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::GONE,
    ];
    status.is_client_error() && !NOT_THOSE.contains(&status)
}

#[cfg(test)]
mod tests;
