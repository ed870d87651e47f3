//! Items of a report in their bytes: what is sent of each, and how much of it.

use std::time::Duration;

use hark_model::check::{CheckResult, Next, Range, SeriesLimits};
use hark_model::event::{Event, EventKind};
use hark_model::name::CheckName;
use hark_model::sample::SeriesName;
use hark_model::status::{Severity, Status};
use hark_model::time::Unix;
use minicbor::{Decode, Encode};

use super::{MAX_ITEM_TEXT, Outcome, ReportItem};
use crate::body::{cbor, hello};
use crate::refused::Refused;

/// How many bytes of a tag, an event's kind or a fact's value are sent.
const MAX_WORD: usize = 64;

/// What the number and length before an event's data take.
const DATA_MARK: usize = 4;

/// How many bytes the tags, values or facts of one item take at most; those after are left out.
const MAX_LIST: usize = 250;

/// How many bytes the limits of one result take at most, some five of them: the text keeps the rest.
const MAX_LIMITS: usize = 400;

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Wire<'b> {
    #[n(0)]
    pub(super) epoch: u64,
    #[b(1)]
    pub(super) items: Vec<WireItem<'b>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct WireItem<'b> {
    #[n(0)]
    pub(super) number: u64,
    #[b(1)]
    result: Option<WireResult<'b>>,
    #[b(2)]
    event: Option<WireEvent<'b>>,
    #[b(3)]
    facts: Option<Vec<WireFact<'b>>>,
    #[b(4)]
    outcome: Option<WireOutcome<'b>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireOutcome<'b> {
    #[n(0)]
    order: u32,
    #[n(1)]
    exit: Option<u8>,
    #[b(2)]
    text: &'b str,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireResult<'b> {
    #[b(0)]
    check: &'b str,
    #[n(1)]
    status: u8,
    #[b(2)]
    text: &'b str,
    #[n(3)]
    began_at: i64,
    #[n(4)]
    took_ms: u32,
    #[b(5)]
    values: Option<Vec<WireValue<'b>>>,
    #[b(6)]
    limits: Option<Vec<WireLimits<'b>>>,
    /// Milliseconds to the next result; 0 is whenever there is something to say.
    #[n(7)]
    next_ms: Option<u32>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireValue<'b> {
    #[b(0)]
    collector: &'b str,
    #[b(1)]
    instance: &'b str,
    #[b(2)]
    metric: &'b str,
    #[n(3)]
    value: f64,
}

/// What an agent's plugin says of a series. A range is its two ends, of which none is without end, and
/// whether a value is bad inside; no range at all is no limit.
#[derive(Encode, Decode)]
#[cbor(array)]
struct WireLimits<'b> {
    #[b(0)]
    collector: &'b str,
    #[b(1)]
    instance: &'b str,
    #[b(2)]
    metric: &'b str,
    #[n(3)]
    warning: Option<WireRange>,
    #[n(4)]
    critical: Option<WireRange>,
    #[n(5)]
    min: Option<f64>,
    #[n(6)]
    max: Option<f64>,
}

#[derive(Clone, Copy, Encode, Decode)]
#[cbor(array)]
struct WireRange {
    #[n(0)]
    low: Option<f64>,
    #[n(1)]
    high: Option<f64>,
    #[n(2)]
    inside: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireEvent<'b> {
    #[n(0)]
    at: i64,
    #[b(1)]
    kind: &'b str,
    #[n(2)]
    severity: u8,
    #[b(3)]
    text: &'b str,
    #[b(4)]
    tags: Option<Vec<&'b str>>,
    /// JSON, for programs; whole or absent.
    #[b(5)]
    data: Option<&'b str>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct WireFact<'b> {
    #[b(0)]
    name: &'b str,
    #[b(1)]
    value: &'b str,
}

/// Writes an item; true if something of it is cut.
pub(super) fn to_wire(number: u64, item: &ReportItem) -> (WireItem<'_>, bool) {
    let mut wire = WireItem { number, result: None, event: None, facts: None, outcome: None };
    let cut = match item {
        ReportItem::Result(result) => {
            let check = result.check.as_str();
            let (values, length) = some_of(&result.values, MAX_LIST, |(name, value)| WireValue {
                collector: &name.collector,
                instance: &name.instance,
                metric: &name.metric,
                value: *value,
            });
            let (limits, limits_length) = some_of(&result.limits, MAX_LIMITS, to_wire_limits);
            let few = values.len() < result.values.len() || limits.len() < result.limits.len();
            let room = MAX_ITEM_TEXT - length - limits_length - check.len();
            let text = shortened(&result.text, room);
            wire.result = Some(WireResult {
                check,
                status: result.status.exit_code(),
                text,
                began_at: result.began_at.0,
                took_ms: result.took_ms,
                values: Some(values),
                limits: (!limits.is_empty()).then_some(limits),
                next_ms: match result.next {
                    Next::AsBefore => None,
                    Next::Whenever => Some(0),
                    Next::Within(time) => Some(next_ms(time)),
                },
            });
            few || text.len() < result.text.len()
        }
        ReportItem::Event(event) => {
            let kind = shortened(event.kind.word(), MAX_WORD);
            let (tags, length) = some_of(&event.tags, MAX_LIST, |tag| shortened(tag, MAX_WORD));
            let few = tags.len() < event.tags.len();
            let data = event.data.as_deref().filter(|data| data.len() <= Event::MAX_DATA);
            let room = MAX_ITEM_TEXT - length - kind.len();
            let text = shortened(&event.text, room - data.map_or(0, |data| data.len() + DATA_MARK));
            wire.event = Some(WireEvent {
                at: event.at.0,
                kind,
                severity: severity_number(event.severity),
                text,
                tags: Some(tags),
                data,
            });
            few || text.len() < event.text.len() || data.is_none() && event.data.is_some()
        }
        ReportItem::Facts(facts) => {
            let (some, _) = some_of(facts, MAX_LIST, |(name, value)| WireFact {
                name: shortened(name, MAX_WORD),
                value: shortened(value, MAX_LIST - MAX_WORD - 10),
            });
            let whole = some.iter().map(|fact| fact.value).eq(facts.iter().map(|f| f.1.as_str()));
            wire.facts = Some(some);
            !whole
        }
        ReportItem::Outcome(outcome) => {
            let text = shortened(&outcome.text, MAX_ITEM_TEXT);
            let (order, exit) = (outcome.order, outcome.exit);
            wire.outcome = Some(WireOutcome { order, exit, text });
            text.len() < outcome.text.len()
        }
    };
    (wire, cut)
}

/// Takes from the front what fits `most` bytes; returns how many bytes that takes.
fn some_of<'a, T, W: Encode<()>>(
    all: &'a [T],
    most: usize,
    wire: impl Fn(&'a T) -> W,
) -> (Vec<W>, usize) {
    let mut length = 0;
    let mut some = Vec::new();
    for one in all {
        let one = wire(one);
        let longer = length + cbor(&one).len();
        if longer > most {
            break;
        }
        length = longer;
        some.push(one);
    }
    (some, length)
}

/// Cuts at a character's border.
pub(super) fn shortened(text: &str, longest: usize) -> &str {
    let end = text.floor_char_boundary(longest.min(text.len()));
    text.get(..end).unwrap_or_default()
}

/// Reads an item; `None` if it is of a kind that this version does not know.
pub(super) fn from_wire(wire: WireItem<'_>) -> Result<Option<ReportItem>, Refused> {
    if let Some(result) = wire.result {
        return Ok(Some(ReportItem::Result(from_wire_result(result)?)));
    }
    if let Some(event) = wire.event {
        return Ok(Some(ReportItem::Event(Event {
            at: Unix(event.at),
            kind: EventKind::from_word(event.kind),
            severity: severity(event.severity),
            text: event.text.to_owned(),
            tags: event.tags.unwrap_or_default().into_iter().map(str::to_owned).collect(),
            data: event.data.filter(|data| data.len() <= Event::MAX_DATA).map(str::to_owned),
        })));
    }
    if let Some(WireOutcome { order, exit, text }) = wire.outcome {
        return Ok(Some(ReportItem::Outcome(Outcome { order, exit, text: text.to_owned() })));
    }
    Ok(wire.facts.map(|facts| {
        let pairs = facts.iter().map(|fact| (fact.name, fact.value));
        ReportItem::Facts(hello::facts(pairs).into_iter().collect())
    }))
}

fn from_wire_result(wire: WireResult<'_>) -> Result<CheckResult, Refused> {
    let status = Status::ALL.into_iter().find(|status| status.exit_code() == wire.status);
    let values = wire.values.unwrap_or_default();
    Ok(CheckResult {
        check: CheckName::new(wire.check).map_err(|_| Refused::Malformed)?,
        // A status of a later version is one this server cannot tell.
        status: status.unwrap_or(Status::Unknown),
        text: wire.text.to_owned(),
        began_at: Unix(wire.began_at),
        took_ms: wire.took_ms,
        values: values
            .iter()
            .map(|v| (SeriesName::of(v.collector, v.instance, v.metric), v.value))
            .collect(),
        limits: wire.limits.unwrap_or_default().iter().map(from_wire_limits).collect(),
        next: match wire.next_ms {
            None => Next::AsBefore,
            Some(0) => Next::Whenever,
            Some(ms) => Next::Within(Duration::from_millis(ms.into())),
        },
    })
}

fn next_ms(time: Duration) -> u32 {
    u32::try_from(hark_model::time::millis(time)).unwrap_or(u32::MAX).max(1)
}

fn to_wire_limits(limits: &SeriesLimits) -> WireLimits<'_> {
    let range = |range: Range| WireRange {
        low: Some(range.low).filter(|low| low.is_finite()),
        high: Some(range.high).filter(|high| high.is_finite()),
        inside: range.inside,
    };
    WireLimits {
        collector: &limits.series.collector,
        instance: &limits.series.instance,
        metric: &limits.series.metric,
        warning: limits.warning.map(range),
        critical: limits.critical.map(range),
        min: limits.min,
        max: limits.max,
    }
}

fn from_wire_limits(wire: &WireLimits<'_>) -> SeriesLimits {
    let range = |range: WireRange| Range {
        low: range.low.unwrap_or(f64::NEG_INFINITY),
        high: range.high.unwrap_or(f64::INFINITY),
        inside: range.inside,
    };
    SeriesLimits {
        series: SeriesName::of(wire.collector, wire.instance, wire.metric),
        warning: wire.warning.map(range),
        critical: wire.critical.map(range),
        min: wire.min,
        max: wire.max,
    }
}

fn severity_number(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Unknown => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

fn severity(number: u8) -> Severity {
    match number {
        0 => Severity::Info,
        2 => Severity::Warning,
        3 => Severity::Critical,
        _ => Severity::Unknown,
    }
}
