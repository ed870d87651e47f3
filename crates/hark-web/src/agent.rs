//! Agents that come over HTTPS: what they claim, and what they bring as types of the model.

use std::net::IpAddr;
use std::time::Duration;

use hark_api::problem::FieldError;
use hark_api::reports::{
    AgentReport, MAX_ITEMS, MAX_SAMPLES, MAX_SETS, ReportedEvent, ReportedItem, ReportedOutcome,
    ReportedResult, ReportedSample, ReportedSeries,
};
use hark_model::frame::{MAX_DECIMALS, MAX_SERIES, MAX_SET};
use hark_model::record::HostRecord;
use hark_model::{
    CheckName, CheckResult, Event, EventKind, HostName, MetricKind, Next, SeriesDef, SeriesName,
    Severity, Status, Unit, Unix,
};
use http::{HeaderMap, header};

/// The scheme of the header `Authorization`.
const SCHEME: &str = "hark";

/// The longest interval that is believed: a host that sends once a day.
const MAX_INTERVAL_SECONDS: f64 = 86_400.0;

/// The longest round trip that is believed.
const MAX_ROUND_TRIP_SECONDS: f64 = 600.0;

/// The longest tag, kind and name of a fact in bytes, as in datagrams.
const MAX_WORD: usize = 64;

/// The most tags of an event.
const MAX_TAGS: usize = 16;

/// Who a request says it is from, and the proof. What it means is for the backend, which has the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentClaim {
    /// The agent's number.
    pub agent: u64,
    /// Its host, if it derives its key from the shared secret.
    pub host: Option<HostName>,
    /// The number of the request.
    pub number: u64,
    /// SHA-256 of the body, as the request's head says.
    pub digest: [u8; 32],
    /// The tag over all of it.
    pub tag: [u8; 32],
    /// The request's method.
    pub method: String,
    /// The request's path and query.
    pub path: String,
    /// From where it comes.
    pub address: IpAddr,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentProof {
    /// It is true; the agent's place in ingest.
    Proven(usize),
    /// It is true but the number was used: the highest one that was.
    Stale(u64),
    /// It is true, and too many hosts introduce themselves: to be tried again after this time.
    Later(Duration),
    /// It is not true.
    Wrong,
}

/// What a proven agent brings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// How often it sends; `None` if this is no heartbeat.
    pub interval_ms: Option<u32>,
    /// Its last round trip in microseconds.
    pub rtt_us: Option<u32>,
    /// Its clock when it sent.
    pub sent_at: Unix,
    /// The series that samples belong to.
    pub sets: Vec<Vec<SeriesDef>>,
    /// Fresh samples.
    pub samples: Vec<Sample>,
    /// Samples of the past.
    pub backlog: Vec<Sample>,
    /// What the items' numbers count in.
    pub epoch: u64,
    /// Number and item.
    pub items: Vec<(u64, Item)>,
}

/// The values of one set at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The place of the set in [`Batch::sets`]: there is one.
    pub set: usize,
    /// When, by the agent's clock.
    pub taken_at: Unix,
    /// As many as the set has series; NaN where there is none.
    pub values: Vec<f64>,
}

/// Something to be applied once.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A check's result.
    Result(CheckResult),
    /// A thing that happened.
    Event(Event),
    /// Facts; an empty value removes one.
    Facts(Vec<(String, String)>),
    /// What became of an order.
    Outcome(Outcome),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number.
    pub order: u32,
    /// The exit status, if something ran to its end.
    pub exit: Option<u8>,
    /// What it printed, or why it was refused.
    pub text: String,
}

/// Reads what a request of `method` and `path` claims; `None` if it has no such header.
pub(crate) fn claim(
    headers: &HeaderMap,
    method: &str,
    path: &str,
    address: IpAddr,
) -> Option<AgentClaim> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let part = |name: &str| {
        let mut parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
        parts.find_map(|(key, value)| (key == name).then_some(value))
    };
    let host = part("host").map(HostName::new).transpose().ok()?;
    Some(AgentClaim {
        agent: u64::from_be_bytes(unhex(part("agent")?)?),
        host,
        number: part("number")?.parse().ok()?,
        digest: unhex(part("digest")?)?,
        tag: unhex(part("tag")?)?,
        method: method.to_owned(),
        path: path.to_owned(),
        address,
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

type Read<T> = Result<T, FieldError>;

/// Reads a report into the model's types.
///
/// # Errors
/// The first field that is wrong.
pub(crate) fn read(report: AgentReport) -> Read<Batch> {
    if report.sets.len() > MAX_SETS {
        return Err(FieldError::new("sets", format!("send at most {MAX_SETS}")));
    }
    let sets: Vec<_> = report.sets.iter().enumerate().map(set).collect::<Read<_>>()?;
    if sets.iter().map(Vec::len).sum::<usize>() > MAX_SERIES {
        return Err(FieldError::new("sets", format!("a host has at most {MAX_SERIES} series")));
    }
    if report.items.len() > MAX_ITEMS {
        return Err(FieldError::new("items", format!("send at most {MAX_ITEMS}")));
    }
    let interval = report.interval_seconds;
    if !(0.0..=MAX_INTERVAL_SECONDS).contains(&interval) {
        return Err(FieldError::new("interval_seconds", "use 0 to 86400"));
    }
    let trip = report.round_trip_seconds;
    if trip.is_some_and(|trip| !(0.0..=MAX_ROUND_TRIP_SECONDS).contains(&trip)) {
        return Err(FieldError::new("round_trip_seconds", "use 0 to 600"));
    }
    Ok(Batch {
        interval_ms: (interval > 0.0).then(|| small(interval * 1000.0).max(1)),
        rtt_us: trip.map(|trip| small(trip * 1e6)),
        sent_at: time("sent_at_unix_s", report.sent_at_unix_s)?,
        samples: samples("samples", report.samples, &sets)?,
        backlog: samples("backlog", report.backlog, &sets)?,
        sets,
        epoch: report.epoch,
        items: report.items.into_iter().enumerate().map(item).collect::<Read<_>>()?,
    })
}

/// Rounds what is known to be positive; what is too large becomes the largest.
fn small(value: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "casts of floats saturate, and that is what is wanted"
    )]
    let small = value.round() as u32;
    small
}

fn time(field: &str, seconds: f64) -> Read<Unix> {
    // The year 9999: beyond it nothing can be shown.
    const LATEST: f64 = 253_402_300_799.0;
    if !(0.0..=LATEST).contains(&seconds) {
        return Err(FieldError::new(field, "use seconds since 1970"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most some 2^48 after the check")]
    let milliseconds = (seconds * 1000.0).round() as i64;
    Ok(Unix(milliseconds))
}

fn set((n, series): (usize, &Vec<ReportedSeries>)) -> Read<Vec<SeriesDef>> {
    if series.is_empty() || series.len() > MAX_SET {
        let detail = format!("a set has 1 to {MAX_SET} series");
        return Err(FieldError::new(&format!("sets[{n}]"), detail));
    }
    series.iter().enumerate().map(|(place, series)| one_series(n, place, series)).collect()
}

fn one_series(set: usize, place: usize, series: &ReportedSeries) -> Read<SeriesDef> {
    let wrong = |detail: &str| FieldError::new(&format!("sets[{set}][{place}]"), detail);
    let name = SeriesName::of(&series.collector, &series.instance, &series.metric);
    if series.collector.is_empty() || series.metric.is_empty() {
        return Err(wrong("collector and metric must not be empty"));
    }
    name.check().map_err(|error| wrong(&error.to_string()))?;
    if series.decimals > MAX_DECIMALS {
        return Err(wrong("use 0 to 6 decimals"));
    }
    let unit = Unit::ALL.into_iter().find(|unit| unit.word() == series.unit);
    Ok(SeriesDef {
        name,
        unit: unit.ok_or_else(|| wrong("there is no such unit"))?,
        kind: if series.counter { MetricKind::Counter } else { MetricKind::Gauge },
        decimals: series.decimals,
    })
}

fn samples(
    field: &str,
    samples: Vec<ReportedSample>,
    sets: &[Vec<SeriesDef>],
) -> Read<Vec<Sample>> {
    if samples.len() > MAX_SAMPLES {
        return Err(FieldError::new(field, format!("send at most {MAX_SAMPLES}")));
    }
    let sample = |(n, sample): (usize, ReportedSample)| {
        let name = format!("{field}[{n}]");
        let expected = sets.get(sample.set).map(Vec::len);
        if expected != Some(sample.values.len()) {
            let detail = "the set is not in `sets`, or has another number of series";
            return Err(FieldError::new(&name, detail));
        }
        Ok(Sample {
            set: sample.set,
            taken_at: time(&name, sample.taken_at_unix_s)?,
            values: sample.values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
        })
    };
    samples.into_iter().enumerate().map(sample).collect()
}

fn item((n, item): (usize, ReportedItem)) -> Read<(u64, Item)> {
    let field = format!("items[{n}]");
    let wrong = |detail: &str| FieldError::new(&field, detail);
    if item.number == 0 {
        return Err(wrong("numbers begin at 1"));
    }
    let read = match (item.result, item.event, item.facts, item.outcome) {
        (Some(found), None, None, None) => Item::Result(result(&field, found)?),
        (None, Some(happened), None, None) => Item::Event(event(&field, happened)?),
        (None, None, None, Some(ReportedOutcome { order, exit, text })) => {
            Item::Outcome(Outcome { order, exit, text: cut(text, Event::MAX_TEXT) })
        }
        (None, None, Some(facts), None) => {
            let long = |(name, value): (&String, &String)| {
                name.is_empty() || name.len() > MAX_WORD || value.len() > MAX_WORD
            };
            if facts.len() > HostRecord::MAX_FACTS || facts.iter().any(long) {
                let most = HostRecord::MAX_FACTS;
                return Err(wrong(&format!("send at most {most} facts of {MAX_WORD} bytes")));
            }
            Item::Facts(facts.into_iter().collect())
        }
        _ => return Err(wrong("an item is one of `result`, `event`, `facts` and `outcome`")),
    };
    Ok((item.number, read))
}

fn result(field: &str, found: ReportedResult) -> Read<CheckResult> {
    let wrong = |detail: String| FieldError::new(field, detail);
    let check = CheckName::new(&found.check).map_err(|error| wrong(error.to_string()))?;
    let status = Status::from_word(&found.status);
    let status = status.ok_or_else(|| wrong("use ok, warning, critical or unknown".to_owned()))?;
    Ok(CheckResult {
        check,
        status,
        text: cut(found.text, CheckResult::MAX_TEXT),
        began_at: time(field, found.began_at_unix_s)?,
        took_ms: small(found.took_seconds.max(0.0) * 1000.0),
        values: Vec::new(),
        limits: Vec::new(),
        next: match found.next_seconds {
            None => Next::AsBefore,
            Some(0.0) => Next::Whenever,
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map(Next::Within)
                .map_err(|_| wrong("use seconds until the next result".to_owned()))?,
        },
    })
}

fn event(field: &str, happened: ReportedEvent) -> Read<Event> {
    let wrong = |detail: &str| FieldError::new(field, detail);
    let word = |word: &String| (1..=MAX_WORD).contains(&word.len());
    if !word(&happened.kind) || happened.tags.len() > MAX_TAGS || !happened.tags.iter().all(word) {
        return Err(wrong("kind and at most 16 tags are words of 1 to 64 bytes"));
    }
    let severity = match &happened.severity {
        None => Severity::Info,
        Some(text) => Severity::from_word(text)
            .ok_or_else(|| wrong("use info, unknown, warning or critical"))?,
    };
    let data = happened.data.filter(|data| !data.is_null()).map(|data| data.to_string());
    if data.as_ref().is_some_and(|data| data.len() > Event::MAX_DATA) {
        return Err(wrong("data have at most 500 bytes"));
    }
    Ok(Event {
        at: time(field, happened.at_unix_s)?,
        kind: EventKind::from_word(&happened.kind),
        severity,
        text: cut(happened.text, Event::MAX_TEXT),
        tags: happened.tags,
        data,
    })
}

/// Cuts a text at a character, as agents do for datagrams.
fn cut(mut text: String, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text.retain(|c| !c.is_control() || c == '\n');
    text
}

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, text.parse().unwrap());
        headers
    }

    fn claimed(text: &str) -> Option<AgentClaim> {
        claim(&headers(text), "GET", "/x", IpAddr::from([127, 0, 0, 1]))
    }

    #[test]
    fn a_claim_is_read_whole_or_not_at_all() {
        let (digest, tag) = ("0a".repeat(32), "ff".repeat(32));
        let good = format!("Hark agent=00000000000000ff,number=7,digest={digest},tag={tag}");
        let claim = claimed(&good).unwrap();
        assert_eq!((claim.agent, claim.number), (255, 7));
        assert_eq!((claim.digest, claim.tag), ([10; 32], [255; 32]));
        let named = claimed(&format!("{good}, host=db1")).unwrap();
        assert_eq!(named.host.as_ref().map(HostName::as_str), Some("db1"));
        for bad in [
            good.replace("Hark", "Bearer"),
            good.replace("number=7", "number=-7"),
            good.replace("ff,", ","),
            good.replace("digest", "digset"),
            format!("{good}, host=a b"),
            "Hark".to_owned(),
        ] {
            assert_eq!(claimed(&bad), None, "{bad}");
        }
    }

    fn wrong(change: impl FnOnce(&mut Value)) -> String {
        let mut report = json!({
            "sent_at_unix_s": 1.5, "interval_seconds": 30.0,
            "sets": [[{"collector": "cpu_monitor", "metric": "cpu_percent", "unit": "percent"}]],
            "samples": [{"set": 0, "taken_at_unix_s": 1.25, "values": [85.2]}],
            "epoch": 3,
            "items": [{"number": 1, "facts": {"os": "linux"}}],
        });
        change(&mut report);
        match read(serde_json::from_value(report).unwrap()) {
            Ok(batch) => {
                assert_eq!(batch.samples[0].taken_at, Unix(1250));
                String::new()
            }
            Err(error) => error.field,
        }
    }

    #[test]
    fn a_result_says_when_the_next_is_to_be_expected() {
        let next = |seconds: Value| {
            let mut found = json!({"check": "backup", "status": "ok", "began_at_unix_s": 1.0});
            if !seconds.is_null() {
                found["next_seconds"] = seconds;
            }
            result("items[0]", serde_json::from_value(found).unwrap()).map(|result| result.next)
        };
        assert_eq!(next(Value::Null).unwrap(), Next::AsBefore);
        assert_eq!(next(json!(0)).unwrap(), Next::Whenever);
        assert_eq!(next(json!(1.5)).unwrap(), Next::Within(Duration::from_millis(1500)));
        for bad in [-1.0, 1e300] {
            assert_eq!(next(json!(bad)).unwrap_err().field, "items[0]", "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(wrong(|_| ()), "");
        assert_eq!(wrong(|r| r["interval_seconds"] = json!(-1)), "interval_seconds");
        assert_eq!(wrong(|r| r["round_trip_seconds"] = json!(1e9)), "round_trip_seconds");
        assert_eq!(wrong(|r| r["sent_at_unix_s"] = json!(1e300)), "sent_at_unix_s");
        assert_eq!(wrong(|r| r["sets"][0][0]["unit"] = json!("miles")), "sets[0][0]");
        assert_eq!(wrong(|r| r["sets"][0][0]["metric"] = json!("a\nb")), "sets[0][0]");
        assert_eq!(wrong(|r| r["sets"][0][0]["decimals"] = json!(7)), "sets[0][0]");
        assert_eq!(wrong(|r| r["sets"][0] = json!([])), "sets[0]");
        assert_eq!(wrong(|r| r["samples"][0]["set"] = json!(1)), "samples[0]");
        assert_eq!(wrong(|r| r["samples"][0]["values"] = json!([1, 2])), "samples[0]");
        assert_eq!(wrong(|r| r["items"][0]["number"] = json!(0)), "items[0]");
        assert_eq!(wrong(|r| r["items"][0]["facts"] = Value::Null), "items[0]");
    }

    #[test]
    fn more_than_is_taken_is_refused() {
        for field in ["sets", "samples", "items"] {
            let many = |r: &mut Value| r[field] = json!(vec![r[field][0].clone(); 1001]);
            assert_eq!(wrong(many), field);
        }
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        assert_eq!(cut("añb".to_owned(), 2), "a");
        assert_eq!(cut("a\u{1b}[1m".to_owned(), 90), "a[1m");
    }
}
