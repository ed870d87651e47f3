//! Figures for Prometheus and its kind.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::app::Shared;
use crate::backend::{Backend, NewestFilter};
use crate::failure::{Failure, Reply};
use crate::policy;
use crate::who::Who;

/// The path, where such programs look for it.
pub(crate) const PATH: &str = "/metrics";

/// Where the newest values of hosts are.
pub(crate) const OF_HOSTS: &str = "/metrics/hosts";

/// Returns whether figures are at `path`.
pub(crate) fn is_one(path: &str) -> bool {
    path == PATH || path == OF_HOSTS
}

/// Pieces of an answer that wait for a slow client: a few, of some 64 KiB each.
const PIECES: usize = 4;

/// How long a client may take to read a piece.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bound on the patterns of one question.
const MAX_PATTERNS: usize = 64;

/// What `OpenMetrics` is called.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Returns the figures of all receivers. Every user may see them, and a program with a token.
pub(crate) async fn metrics(
    State(app): State<Shared>,
    _who: Who,
) -> Reply<([(HeaderName, HeaderValue); 1], String)> {
    let text = app.ask(Backend::openmetrics).await?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text))
}

/// Returns the newest value of every series of the hosts that the user may see, piece by piece: the whole
/// of a large fleet is a text of many megabytes.
pub(crate) async fn of_hosts(
    State(app): State<Shared>,
    who: Who,
    Query(query): Query<Vec<(String, String)>>,
) -> Reply<Response> {
    let filter = filter(&query)?;
    let sight = policy::sight(&who.account);
    let place = Arc::clone(&app.newest_places).try_acquire_owned().map_err(|_| Failure::Busy)?;
    let (to, pieces) = mpsc::channel::<Result<String, std::io::Error>>(PIECES);
    let asked = Arc::clone(&app);
    // Its own task: the answer begins when the first piece is there.
    app.deeds.tasks.spawn(async move {
        let (failed, runtime) = (to.clone(), Handle::current());
        let answer = asked
            .ask(move |backend| {
                let mut piece = |piece| {
                    let sent = tokio::time::timeout(PATIENCE, to.send(Ok(piece)));
                    matches!(runtime.block_on(sent), Ok(Ok(())))
                };
                backend.newest(&sight, &filter, &mut piece)
            })
            .await;
        drop(place);
        if answer.is_err() {
            // The answer has begun: that it breaks off is all that can still be said.
            let broken = std::io::Error::other("the server cannot answer");
            drop(failed.send(Err(broken)).await);
        }
    });
    let body = stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    let response = Response::builder().header(CONTENT_TYPE, OPENMETRICS);
    response.body(Body::from_stream(body)).map_err(|_| Failure::Internal)
}

fn filter(query: &[(String, String)]) -> Reply<NewestFilter> {
    let mut filter = NewestFilter::default();
    for (name, value) in query {
        let to = match name.as_str() {
            "host" => &mut filter.hosts,
            "collector" => &mut filter.collectors,
            "match[]" if value.contains(['{', '"', '~']) => {
                return Err(Failure::field("match[]", "only names of metrics, with `*` and `?`"));
            }
            "match[]" => &mut filter.metrics,
            "timestamps" => {
                let wrong = || Failure::field("timestamps", "use true or false");
                filter.timestamps = value.parse().map_err(|_| wrong())?;
                continue;
            }
            "age_seconds" => {
                let wrong = || Failure::field("age_seconds", "use a whole number");
                filter.age_seconds = value.parse().map_err(|_| wrong())?;
                continue;
            }
            other => return Err(Failure::field(other, "there is no such parameter")),
        };
        if to.len() >= MAX_PATTERNS {
            return Err(Failure::field(name, format!("at most {MAX_PATTERNS}")));
        }
        to.push(value.clone());
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_hosts_collectors_and_metrics() {
        let pairs = |all: &[(&str, &str)]| -> Vec<(String, String)> {
            all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let asked = filter(&pairs(&[
            ("match[]", "hark_cpu_*"),
            ("match[]", "up"),
            ("host", "web*"),
            ("timestamps", "true"),
        ]));
        let asked = asked.unwrap();
        assert_eq!((asked.metrics.len(), asked.hosts.len(), asked.timestamps), (2, 1, true));
        assert_eq!(filter(&[]).unwrap().age_seconds, 300);
        for wrong in
            [("match[]", "{job=\"a\"}"), ("timestamps", "1"), ("hosts", "a"), ("age_seconds", "5m")]
        {
            let failure = filter(&pairs(&[wrong])).unwrap_err();
            assert!(matches!(failure, Failure::Wrong(_)), "{wrong:?}: {failure:?}");
        }
    }
}
