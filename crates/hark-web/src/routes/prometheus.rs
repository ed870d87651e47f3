//! Prometheus' HTTP API over hark's own samples: Grafana takes this server for a Prometheus.
//!
//! Shapes, words and status codes of answers and errors are Prometheus', with one exception: who may ask at
//! all is said as everywhere here. What is told is about the hosts alone that the asker may see.
//!
//! This is not part of the document of the API, as its own document is Prometheus'.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Form, Router};
use hark_api::Timestamp;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::app::{App, Shared};
use crate::backend::{PromChoice, PromError, PromPatience, PromQuestion};
use crate::failure::{Failure, Reply};
use crate::who::Who;

/// Where it begins.
pub(crate) const BASE: &str = "/prometheus/";

/// How long a question may take if it does not say, and at most.
const PATIENCE: Duration = Duration::from_secs(30);
const MAX_PATIENCE: Duration = Duration::from_mins(2);

/// Parameters of a request: selectors of a page full of charts. Prometheus has no bound there.
const MAX_PARAMETERS: usize = 256;

/// Whose answers are given here: programs go by it for what they may ask.
const VERSION: &str = "2.42.0";

/// Returns its paths.
pub(super) fn router() -> Router<Shared> {
    let ask = |kind: Kind| {
        move |app: State<Shared>, who: Who, request: Request| answer(app, who, kind, request)
    };
    Router::new()
        .route("/prometheus/api/v1/query", get(ask(Kind::Instant)).post(ask(Kind::Instant)))
        .route("/prometheus/api/v1/query_range", get(ask(Kind::Range)).post(ask(Kind::Range)))
        .route("/prometheus/api/v1/series", get(ask(Kind::Series)).post(ask(Kind::Series)))
        .route("/prometheus/api/v1/labels", get(ask(Kind::Labels)).post(ask(Kind::Labels)))
        .route("/prometheus/api/v1/label/{name}/values", get(label_values))
        .route("/prometheus/api/v1/metadata", get(ask(Kind::Metadata)))
        .route("/prometheus/api/v1/alerts", get(ask(Kind::Alerts)))
        .route("/prometheus/api/v1/rules", get(rules))
        .route(
            "/prometheus/api/v1/query_exemplars",
            get(ask(Kind::Exemplars)).post(ask(Kind::Exemplars)),
        )
        .route("/prometheus/api/v1/status/buildinfo", get(build))
        .route("/prometheus/{*rest}", any(nothing))
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Instant,
    Range,
    Series,
    Labels,
    Metadata,
    Alerts,
    Exemplars,
}

/// Why a question is not asked at all.
type Told<T> = Result<T, PromError>;

fn bad(name: &str, text: &str) -> PromError {
    PromError { kind: "bad_data", text: format!("invalid parameter \"{name}\": {text}") }
}

/// Names and values, as often as they stand there.
#[derive(Debug, Default)]
struct Parameters(Vec<(String, String)>);

impl Parameters {
    async fn read(request: Request) -> Reply<Told<Self>> {
        let unreadable = |rejection: FormRejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
            _ => Failure::Malformed("the parameters cannot be read".to_owned()),
        };
        let Query(mut all) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|_| Failure::Malformed("the query cannot be read".to_owned()))?;
        if *request.method() == Method::POST {
            let Form(more) = Form::<Vec<(String, String)>>::from_request(request, &())
                .await
                .map_err(unreadable)?;
            all.extend(more);
        }
        if all.len() > MAX_PARAMETERS {
            let text = format!("a request may have {MAX_PARAMETERS} parameters");
            return Ok(Err(PromError { kind: "bad_data", text }));
        }
        Ok(Ok(Self(all)))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn time(&self, name: &str, now: i64) -> Told<i64> {
        let Some(text) = self.get(name) else { return Ok(now) };
        moment(text)
            .ok_or_else(|| bad(name, &format!("cannot parse \"{text}\" to a valid timestamp")))
    }

    fn duration(&self, name: &str) -> Told<Option<i64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let found = length(text);
        found
            .map(Some)
            .ok_or_else(|| bad(name, &format!("cannot parse \"{text}\" to a valid duration")))
    }

    fn limit(&self) -> Told<Option<usize>> {
        let Some(text) = self.get("limit") else { return Ok(None) };
        let limit = text.parse().map_err(|_| bad("limit", "limit must be a number"))?;
        // None is no limit, as in Prometheus.
        Ok(Some(limit).filter(|limit| *limit > 0))
    }

    /// Reads the time that is asked about; without one it is all of it.
    fn span(&self) -> Told<(i64, i64)> {
        Ok((self.time("start", i64::MIN)?, self.time("end", i64::MAX)?))
    }

    fn choice(&self) -> Told<PromChoice> {
        // Series are known for as long as history has any: when they were there is not asked.
        self.span()?;
        let selectors = self.0.iter().filter(|(name, _)| name == "match[]");
        let selectors = selectors.map(|(_, value)| value.clone()).collect();
        Ok(PromChoice { selectors, limit: self.limit()? })
    }

    fn question(&self, kind: Kind, now: i64) -> Told<PromQuestion> {
        let text = || self.get("query").unwrap_or_default().to_owned();
        Ok(match kind {
            Kind::Instant => PromQuestion::Instant { text: text(), at: self.time("time", now)? },
            Kind::Range => {
                let needed = |name: &str| {
                    self.get(name).ok_or_else(|| bad(name, "it is needed"))?;
                    self.time(name, now)
                };
                let (start, end) = (needed("start")?, needed("end")?);
                let step = self.duration("step")?.ok_or_else(|| bad("step", "it is needed"))?;
                PromQuestion::Range { text: text(), start, end, step }
            }
            Kind::Series => {
                let choice = self.choice()?;
                if choice.selectors.is_empty() {
                    let text = "no match[] parameter provided".to_owned();
                    return Err(PromError { kind: "bad_data", text });
                }
                PromQuestion::Series(choice)
            }
            Kind::Labels => PromQuestion::LabelNames(self.choice()?),
            Kind::Metadata => PromQuestion::Metadata {
                metric: self.get("metric").map(str::to_owned),
                limit: self.limit()?,
            },
            Kind::Alerts => PromQuestion::Alerts,
            Kind::Exemplars => {
                let (start, end) = self.span()?;
                if end < start {
                    return Err(bad("end", "end timestamp must not be before start time"));
                }
                PromQuestion::Exemplars { text: text() }
            }
        })
    }
}

/// Reads a time: seconds since 1970, or as RFC 3339 has it.
fn moment(text: &str) -> Option<i64> {
    match text.parse::<f64>() {
        Ok(seconds) => millis(seconds),
        Err(_) => Timestamp::parse(text).map(|at| at.0.0),
    }
}

/// Reads how long: seconds, or as `1h30m`.
fn length(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 7 * 86_400_000),
        ("y", 365 * 86_400_000),
    ];
    if let Ok(seconds) = text.parse::<f64>() {
        return millis(seconds);
    }
    let (mut rest, mut total) = (text, 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let (_, unit) = UNITS.iter().find(|(known, _)| *known == unit)?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(*unit)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn millis(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1000.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "below 2^53, as is looked at first")]
    (ms.abs() < 9e15).then_some(ms as i64)
}

async fn answer(
    State(app): State<Shared>,
    who: Who,
    kind: Kind,
    request: Request,
) -> Reply<Response> {
    let parameters = match Parameters::read(request).await? {
        Ok(parameters) => parameters,
        Err(error) => return Ok(refused(&error)),
    };
    let question = parameters.question(kind, app.now().unix.0);
    ask(&app, &who, &parameters, question).await
}

async fn label_values(
    State(app): State<Shared>,
    who: Who,
    Path(name): Path<String>,
    request: Request,
) -> Reply<Response> {
    let parameters = match Parameters::read(request).await? {
        Ok(parameters) => parameters,
        Err(error) => return Ok(refused(&error)),
    };
    let question = if is_label(&name) {
        parameters.choice().map(|choice| PromQuestion::LabelValues(name, choice))
    } else {
        let text = format!("invalid label name: \"{name}\"");
        Err(PromError { kind: "bad_data", text })
    };
    ask(&app, &who, &parameters, question).await
}

fn is_label(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

async fn ask(
    app: &App,
    who: &Who,
    parameters: &Parameters,
    question: Told<PromQuestion>,
) -> Reply<Response> {
    let asked = question.and_then(|question| Ok((question, parameters.duration("timeout")?)));
    let (question, timeout) = match asked {
        Ok(asked) => asked,
        Err(error) => return Ok(refused(&error)),
    };
    let wanted = timeout.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    let until = app.now().mono + wanted.unwrap_or(PATIENCE).min(MAX_PATIENCE);
    let gone = Arc::new(AtomicBool::new(false));
    // Raised when this is dropped: when the client has hung up, too.
    let waiting = Waiting(Arc::clone(&gone));
    let patience = PromPatience { until, gone };
    let sight = who.sight();
    let told = app.query(move |backend| backend.prometheus(&sight, &question, &patience)).await?;
    drop(waiting);
    Ok(match told {
        Ok(data) => success(&data),
        Err(error) => refused(&error),
    })
}

struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn success(data: &str) -> Response {
    let mut body = String::with_capacity(data.len() + 32);
    body.push_str("{\"status\":\"success\",\"data\":");
    body.push_str(data);
    body.push('}');
    json_response(StatusCode::OK, body)
}

fn refused(error: &PromError) -> Response {
    let status = match error.kind {
        "bad_data" => StatusCode::BAD_REQUEST,
        "execution" => StatusCode::UNPROCESSABLE_ENTITY,
        "timeout" | "canceled" => StatusCode::SERVICE_UNAVAILABLE,
        "not_found" => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({"status": "error", "errorType": error.kind, "error": error.text});
    json_response(status, body.to_string())
}

fn json_response(status: StatusCode, body: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

fn told(data: &Value) -> Response {
    success(&data.to_string())
}

/// Rules are in the configuration, and are thresholds here.
async fn rules(_: Who) -> Response {
    told(&json!({"groups": []}))
}

async fn build(State(app): State<Shared>, _: Who) -> Response {
    told(&json!({
        "version": VERSION,
        "revision": format!("hark {}", app.config.version),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

async fn nothing(_: Who) -> Response {
    refused(&PromError { kind: "not_found", text: "there is no such path".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lengths_are_read_as_prometheus_reads_them() {
        for (text, expected) in [
            ("1700000000", Some(1_700_000_000_000)),
            ("1700000000.123", Some(1_700_000_000_123)),
            ("-1.5", Some(-1500)),
            ("2026-11-20T22:36:12.250Z", Some(1_795_214_172_250)),
            ("1e300", None),
            ("NaN", None),
            ("yesterday", None),
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        for (text, expected) in [
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("15s", Some(15_000)),
            ("1h30m", Some(5_400_000)),
            ("1y2w3d", Some((365 + 14 + 3) * 86_400_000)),
            ("250ms", Some(250)),
            ("", None),
            ("5x", None),
            ("m", None),
            ("99999999999999999y", None),
        ] {
            assert_eq!(length(text), expected, "{text}");
        }
    }
}
