use std::time::Duration;

use hark_model::check::{Next, Range, SeriesLimits};
use hark_model::name::CheckName;
use hark_model::sample::SeriesName;
use hark_model::status::Status;
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
        values: (0..n_values).map(|n| (SeriesName::of("p", &n.to_string(), "t"), 0.5)).collect(),
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
