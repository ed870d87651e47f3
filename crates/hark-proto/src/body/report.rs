//! Reports: check results, events and facts, numbered so that each is applied once.

use std::time::Duration;

use hark_model::check::{CheckResult, Next, Range, SeriesLimits};
use hark_model::event::{Event, EventKind};
use hark_model::name::CheckName;
use hark_model::sample::SeriesName;
use hark_model::status::{Severity, Status};
use hark_model::time::Unix;
use minicbor::{Decode, Encode};

use super::{Content, MAX_CONTENT, cbor, from_cbor, hello};
use crate::header::Kind;
use crate::refused::Refused;

/// How many bytes the texts and lists of one item take at most; the rest is for keys and numbers.
/// A text is cut to what its item's other fields leave.
pub const MAX_ITEM_TEXT: usize = 1060;

/// How many bytes of a tag, an event's kind or a fact's value are sent.
const MAX_WORD: usize = 64;

/// What the number and length before an event's data take.
const DATA_MARK: usize = 4;

/// How many bytes the tags, values or facts of one item take at most; those after are left out.
const MAX_LIST: usize = 250;

/// How many bytes the limits of one result take at most, some five of them: the text keeps the rest.
const MAX_LIMITS: usize = 400;

/// Bytes for the map, the epoch and the array's head.
const HEAD: usize = 20;

/// Something that is to be applied once.
#[derive(Clone, Debug, PartialEq)]
pub enum ReportItem {
    /// A check's result.
    Result(CheckResult),
    /// A thing that happened.
    Event(Event),
    /// Facts about the host; an empty value removes one.
    Facts(Vec<(String, String)>),
    /// What became of an order.
    Outcome(Outcome),
}

/// What became of an order that the server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number.
    pub order: u32,
    /// The exit status of what it ran; none if nothing ran (refused, expired) or a signal ended it.
    pub exit: Option<u8>,
    /// What it printed, or why it was refused; cut to what a datagram holds.
    pub text: String,
}

/// Items of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What their numbers count in.
    pub epoch: u64,
    /// Number and item. `None` is an item of a kind this version does not know: to be marked as
    /// applied and otherwise ignored.
    pub items: Vec<(u64, Option<ReportItem>)>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Wire<'b> {
    #[n(0)]
    epoch: u64,
    #[b(1)]
    items: Vec<WireItem<'b>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireItem<'b> {
    #[n(0)]
    number: u64,
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

impl Outcome {
    /// Returns it as a thing that happened at `at`, for people.
    pub fn event(&self, at: Unix) -> Event {
        let (severity, text) = match self.exit {
            Some(0) => (Severity::Info, format!("order {} is done: {}", self.order, self.text)),
            Some(exit) => (
                Severity::Warning,
                format!("order {} ended with {exit}: {}", self.order, self.text),
            ),
            None => {
                (Severity::Warning, format!("order {} was not done: {}", self.order, self.text))
            }
        };
        let text = shortened(&text, Event::MAX_TEXT).to_owned();
        let kind = EventKind::Other("order".to_owned());
        Event { at, kind, severity, text, tags: Vec::new(), data: None }
    }
}

impl Report {
    pub(super) fn decode(content: &[u8]) -> Result<Self, Refused> {
        let wire: Wire<'_> = from_cbor(content)?;
        let items = wire.items.into_iter().map(|item| Ok((item.number, from_wire(item)?)));
        Ok(Self { epoch: wire.epoch, items: items.collect::<Result<_, Refused>>()? })
    }
}

/// Collects items until the datagram is full.
#[derive(Clone, Debug)]
pub struct ReportBuilder {
    epoch: u64,
    count: usize,
    items: Vec<u8>,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// It is in.
    Whole,
    /// It is in, but cut: its text or one of its lists was too long.
    Cut,
    /// It does not fit any more: finish this report and begin another.
    Full,
}

impl ReportBuilder {
    /// Begins without items.
    pub fn new(epoch: u64) -> Self {
        Self { epoch, count: 0, items: Vec::new() }
    }

    /// Adds an item. The first one always fits, cut if need be.
    pub fn push(&mut self, number: u64, item: &ReportItem) -> Pushed {
        let (wire, cut) = to_wire(number, item);
        let bytes = cbor(&wire);
        if self.items.len() + bytes.len() + HEAD > MAX_CONTENT {
            return Pushed::Full;
        }
        self.items.extend_from_slice(&bytes);
        self.count += 1;
        if cut { Pushed::Cut } else { Pushed::Whole }
    }

    /// Adds the items of a whole report as [`ReportBuilder::finish`] made it. Returns false, and adds
    /// nothing, if they do not fit any more, or are numbered in another epoch.
    pub fn append(&mut self, report: &Content) -> bool {
        let Some((epoch, count, items)) = parts(report) else { return false };
        if epoch != self.epoch || self.items.len() + items.len() + HEAD > MAX_CONTENT {
            return false;
        }
        self.items.extend_from_slice(items);
        self.count += count;
        true
    }

    /// Returns true if no item was added.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the content.
    pub fn finish(self) -> Content {
        let mut bytes = Vec::with_capacity(HEAD + self.items.len());
        head(self.epoch, self.count, &mut bytes);
        bytes.extend_from_slice(&self.items);
        Content::new(Kind::Report, bytes)
    }
}

/// Writes what stands before the items: the same bytes as [`Wire`] would give.
fn head(epoch: u64, n_items: usize, bytes: &mut Vec<u8>) {
    let mut encoder = minicbor::Encoder::new(bytes);
    let written = encoder.map(2).and_then(|e| e.u8(0)?.u64(epoch)?.u8(1)?.array(n_items as u64));
    written.expect("writing to memory does not fail");
}

/// Reads what [`head`] wrote: epoch, how many items there are, and the items as they are.
fn parts(report: &Content) -> Option<(u64, usize, &[u8])> {
    let bytes = (report.kind() == Kind::Report).then(|| report.bytes())?;
    let mut decoder = minicbor::Decoder::new(bytes);
    let is_whole = decoder.map().ok()? == Some(2) && decoder.u8().ok()? == 0;
    let epoch = decoder.u64().ok()?;
    let count = (decoder.u8().ok()? == 1).then_some(decoder.array().ok()??)?;
    let items = bytes.get(decoder.position()..)?;
    is_whole.then_some((epoch, usize::try_from(count).ok()?, items))
}

fn to_wire(number: u64, item: &ReportItem) -> (WireItem<'_>, bool) {
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
fn shortened(text: &str, longest: usize) -> &str {
    let end = text.floor_char_boundary(longest.min(text.len()));
    text.get(..end).unwrap_or_default()
}

fn from_wire(wire: WireItem<'_>) -> Result<Option<ReportItem>, Refused> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(text: &str) -> ReportItem {
        ReportItem::Event(Event {
            at: Unix(1_700_000_000_000),
            kind: EventKind::Message,
            severity: Severity::Warning,
            text: text.to_owned(),
            tags: vec!["disk".to_owned()],
            data: None,
        })
    }

    fn limits(n: usize) -> SeriesLimits {
        let warning = Range { low: f64::NEG_INFINITY, high: 10.0, inside: false };
        let critical = Range { low: 5.0, high: f64::INFINITY, inside: true };
        SeriesLimits {
            series: SeriesName::of("p", &n.to_string(), "t"),
            warning: (n != 1).then_some(warning),
            critical: Some(critical),
            min: Some(0.0),
            max: None,
        }
    }

    fn result(text: &str, n_values: usize) -> ReportItem {
        ReportItem::Result(CheckResult {
            check: CheckName::new("web").unwrap(),
            status: Status::Critical,
            text: text.to_owned(),
            began_at: Unix(1_700_000_000_000),
            took_ms: 12,
            values: (0..n_values)
                .map(|n| (SeriesName::of("p", &n.to_string(), "t"), 0.5))
                .collect(),
            limits: (0..n_values).map(limits).collect(),
            next: match n_values {
                0 => Next::AsBefore,
                1 => Next::Whenever,
                _ => Next::Within(Duration::from_mins(5)),
            },
        })
    }

    fn read(content: &Content) -> Report {
        Report::decode(content.bytes()).unwrap()
    }

    #[test]
    fn items_come_back_with_their_numbers() {
        let facts = ReportItem::Facts(vec![("os".to_owned(), "Debian".to_owned())]);
        let outcome =
            |exit| ReportItem::Outcome(Outcome { order: 4, exit, text: "restarted".to_owned() });
        let items = [
            event("x"),
            result("y", 3),
            result("z", 0),
            result("w", 1),
            facts,
            outcome(Some(2)),
            outcome(None),
        ];
        let mut builder = ReportBuilder::new(99);
        assert!(builder.is_empty());
        for (number, item) in (5..).zip(&items) {
            assert_eq!(builder.push(number, item), Pushed::Whole);
        }
        let report = read(&builder.finish());
        assert_eq!(report.epoch, 99);
        let expected: Vec<_> = (5..).zip(items.into_iter().map(Some)).collect();
        assert_eq!(report.items, expected);
    }

    #[test]
    fn an_events_data_come_whole_or_not_at_all_and_an_event_without_any_has_the_bytes_of_before() {
        let with = |text: &str, data: Option<String>| {
            let ReportItem::Event(event) = event(text) else { unreachable!("it is one") };
            ReportItem::Event(Event { data, ..event })
        };
        let bytes = |item: &ReportItem| {
            let mut builder = ReportBuilder::new(1);
            let pushed = builder.push(1, item);
            (pushed, builder.finish())
        };
        let data = |n: usize| Some(format!("{{\"blob\":\"{}\"}}", "x".repeat(n - 11)));
        let most = with(&"y".repeat(300), data(Event::MAX_DATA));
        let (pushed, content) = bytes(&most);
        assert_eq!((pushed, &read(&content).items[0].1), (Pushed::Whole, &Some(most)));
        let (pushed, content) = bytes(&with(&"y".repeat(900), data(Event::MAX_DATA)));
        assert_eq!(pushed, Pushed::Cut, "the text gives way");
        let Some(ReportItem::Event(cut)) = &read(&content).items[0].1 else { panic!("an event") };
        assert_eq!((cut.data.clone(), cut.text.len() < 600), (data(Event::MAX_DATA), true));
        let (pushed, content) = bytes(&with("y", data(Event::MAX_DATA + 1)));
        assert_eq!((pushed, &read(&content).items[0].1), (Pushed::Cut, &Some(with("y", None))));
        let known = [0xa2, 0, 1, 1, 0x81, 0xa2, 0, 1, 2, 0xa5];
        let (_, content) = bytes(&with("y", None));
        assert!(content.bytes().windows(known.len()).any(|w| w == known), "{:?}", content.bytes());
    }

    #[test]
    fn the_first_item_always_fits_cut_at_a_character() {
        let long = "é".repeat(5000);
        let mut name = event(&long);
        if let ReportItem::Event(event) = &mut name {
            event.tags = vec![long.clone(); 100];
            event.kind = EventKind::Other(long.clone());
        }
        let mut named = result(&long, 1000);
        if let ReportItem::Result(result) = &mut named {
            result.check = CheckName::new(&"é".repeat(127)).unwrap();
        }
        let facts = ReportItem::Facts(vec![(long.clone(), long.clone()); 100]);
        let outcome = ReportItem::Outcome(Outcome { order: u32::MAX, exit: Some(255), text: long });
        for item in [name, named, facts, outcome] {
            let mut builder = ReportBuilder::new(u64::MAX);
            assert_eq!(builder.push(u64::MAX, &item), Pushed::Cut);
            let content = builder.finish();
            assert!(content.bytes().len() <= MAX_CONTENT);
            let report = read(&content);
            assert!(report.items[0].1.is_some());
        }
    }

    #[test]
    fn a_full_report_refuses_and_keeps_what_it_has() {
        let mut builder = ReportBuilder::new(1);
        let mut number = 0;
        while builder.push(number + 1, &event("something happened")) == Pushed::Whole {
            number += 1;
        }
        let content = builder.finish();
        assert!(content.bytes().len() <= MAX_CONTENT && number > 10);
        assert_eq!(read(&content).items.len() as u64, number);
    }

    #[test]
    fn reports_of_one_epoch_are_put_together_while_there_is_room() {
        let one = |epoch, number, text: &str| {
            let mut builder = ReportBuilder::new(epoch);
            assert_eq!(builder.push(number, &event(text)), Pushed::Whole);
            builder.finish()
        };
        let mut all = ReportBuilder::new(7);
        assert!(all.append(&one(7, 3, "a")) && all.append(&one(7, 4, "b")));
        assert!(!all.append(&one(8, 5, "of another spool")));
        let mut several = ReportBuilder::new(7);
        assert!(several.append(&all.clone().finish()) && several.append(&one(7, 9, "c")));
        let read = read(&several.finish());
        let expected = [(3, Some(event("a"))), (4, Some(event("b"))), (9, Some(event("c")))];
        assert_eq!((read.epoch, &read.items[..]), (7, &expected[..]));
        let mut number = 10;
        while all.append(&one(7, number, &"x".repeat(90))) {
            number += 1;
        }
        let content = all.finish();
        assert!(content.bytes().len() <= MAX_CONTENT && content.bytes().len() > MAX_CONTENT - 150);
        assert_eq!(Report::decode(content.bytes()).unwrap().items.len() as u64, number - 10 + 2);
    }

    #[test]
    fn an_item_of_a_later_kind_keeps_its_number() {
        // {0: 1, 1: [{0: 4, 9: "?"}]}
        let report = Report::decode(b"\xa2\x00\x01\x01\x81\xa2\x00\x04\x09\x61?").unwrap();
        assert_eq!(report.items, vec![(4, None)]);
    }

    proptest! {
        #[test]
        fn any_items_come_back(
            texts in prop::collection::vec((".{0,60}", 0u8..4, any::<i64>(), 0u8..6), 1..6),
            epoch: u64,
        ) {
            let mut builder = ReportBuilder::new(epoch);
            let mut expected = Vec::new();
            for (number, (text, status, at, n_values)) in (1..).zip(texts) {
                let item = ReportItem::Result(CheckResult {
                    check: CheckName::new("c").unwrap(),
                    status: Status::ALL[usize::from(status)],
                    text,
                    began_at: Unix(at),
                    took_ms: 1,
                    values: (0..n_values).map(|n| (SeriesName::plain("a", "b"), f64::from(n))).collect(),
                    limits: (0..n_values).map(|n| limits(n.into())).collect(),
                    next: Next::Within(Duration::from_millis(u64::from(n_values) + 1)),
                });
                if builder.push(number, &item) == Pushed::Whole {
                    expected.push((number, Some(item)));
                }
            }
            prop_assert_eq!(read(&builder.finish()), Report { epoch, items: expected });
        }
    }
}
