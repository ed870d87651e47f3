//! A made-up week, and what is said of it.

use hark_model::name::{CheckName, HostName};
use hark_model::record::IncidentId;

use super::*;
use crate::facts::{Slow, Supply};
use crate::{Content, Report};

/// Monday, 16 November 2026, 08:00 in Berlin.
const FROM: Unix = Unix(1_794_812_400_000);
const WEEK: Duration = Duration::from_hours(7 * 24);

fn at(hours: u64) -> Unix {
    FROM + Duration::from_hours(hours)
}

fn period() -> Span {
    Span { from: FROM, until: FROM + WEEK }
}

fn incident(id: u64, check: &str, from: u64, until: Option<u64>) -> IncidentFacts {
    IncidentFacts {
        id: IncidentId(id),
        check: CheckName::new(check).unwrap(),
        since: at(from),
        until: until.map(at),
        peak: Status::Critical,
        status: if until.is_some() { Status::Ok } else { Status::Critical },
        text: format!("text of {id} <b>\nmore"),
        is_symptom: false,
        acknowledged: None,
        messages: 2,
    }
}

fn host(name: &str, incidents: Vec<IncidentFacts>) -> HostFacts {
    HostFacts {
        name: HostName::new(name).unwrap(),
        since: Unix(0),
        incidents,
        planned: Vec::new(),
        slow: Vec::new(),
        supplies: Vec::new(),
    }
}

fn week() -> Facts {
    let mut down = host("db1", vec![incident(1, "host", 10, Some(20))]);
    down.planned = vec![Span { from: at(15), until: at(25) }];
    let mut noisy =
        host("web1", (0..3).map(|n| incident(10 + n, "http", n * 10, Some(n * 10 + 1))).collect());
    noisy.slow = vec![Slow { check: "http".to_owned(), average_s: 2.306, worst_s: 9.0 }];
    noisy.supplies = vec![
        Supply {
            what: "https.certificate_days".to_owned(),
            ends: at(7 * 24 + 100),
            now: "4 days left".to_owned(),
        },
        Supply { what: "far".to_owned(), ends: at(7 * 24 + 24 * 31), now: String::new() },
    ];
    let mut open = incident(20, "disk_monitor./.percent", 100, None);
    open.acknowledged = Some(at(101));
    let mut symptom = incident(21, "http", 100, None);
    symptom.is_symptom = true;
    symptom.messages = 0;
    let fresh = host("new1", vec![open, symptom]);
    Facts { hosts: vec![down, noisy, HostFacts { since: at(84), ..fresh }] }
}

#[test]
fn time_that_was_planned_or_not_watched_counts_neither_way() {
    let summary = Summary::make(&week(), period());
    let [row] = &summary.unavailable.items[..] else { panic!("{:?}", summary.unavailable) };
    // Down for 10 h, of which 5 were planned; 168 h less 10 were watched.
    assert_eq!(
        (row.host.as_str(), row.down_s, row.planned_s, row.times),
        ("db1", 18_000, 36_000, 1)
    );
    assert!((row.share - (1.0 - 5.0 / 158.0)).abs() < 1e-9, "{}", row.share);
    // All: 158 + 168 + 84 watched hours, of which 5 were down.
    let all = summary.availability.unwrap();
    assert!((all - 405.0 / 410.0).abs() < 1e-9, "{all}");
}

#[test]
fn a_share_of_what_is_mostly_unknown_says_so() {
    let mut young =
        host("db1", vec![incident(1, "host", 166, Some(167)), incident(2, "host", 167, None)]);
    young.since = at(158);
    let facts =
        Facts { hosts: vec![young, HostFacts { since: at(1000), ..host("later", Vec::new()) }] };
    let summary = Summary::make(&facts, period());
    assert!((summary.known - 10.0 / 336.0).abs() < 1e-9, "{}", summary.known);
    assert_eq!(summary.unavailable.items[0].known_s, 36_000);
    let report = report(Content::Summary(Box::new(summary)));
    for text in [
        "2 hosts, up 80.00 % of the time, as far as that is known: 2.97 % of it",
        "db1: 80.00 % of the 10h 0m that are known, down 2 times, together 2h 0m",
    ] {
        assert!(report.text().contains(text), "{}", report.text());
    }
    assert!(report.html("").contains("80.00 % of the 10h 0m that are known"));
}

#[test]
fn incidents_are_counted_where_they_began_and_ended_and_symptoms_apart() {
    let summary = Summary::make(&week(), period());
    let expected = Incidents {
        began: 5,
        ended: 4,
        open: 1,
        symptoms: 1,
        messages: 10,
        acknowledged_after_s: Some(3600),
        over_after_s: Some(3600),
    };
    assert_eq!(summary.incidents, expected);
    let open: Vec<_> = summary.open.items.iter().map(|i| (i.incident, i.lasted_s)).collect();
    assert_eq!(open, [(20, 68 * 3600)]);
    assert_eq!(summary.longest.items.first().map(|i| i.incident), Some(1));
}

#[test]
fn noise_is_what_was_told_again_and_again() {
    let summary = Summary::make(&week(), period());
    let rows: Vec<_> =
        summary.noisiest.items.iter().map(|n| (n.host.as_str(), n.messages, n.incidents)).collect();
    assert_eq!(rows, [("web1", 6, 3)]);
}

#[test]
fn what_runs_out_within_a_month_is_said() {
    let summary = Summary::make(&week(), period());
    let rows: Vec<_> = summary.runs_out.items.iter().map(|r| (r.what.as_str(), r.days)).collect();
    assert_eq!(rows, [("https.certificate_days", 4)]);
}

#[test]
fn lists_are_bounded_and_say_how_many_more_there_are() {
    let incidents = (0..50).map(|n| incident(n, "host", n, Some(n + 1))).collect();
    let summary = Summary::make(&Facts { hosts: vec![host("a", incidents)] }, period());
    assert_eq!((summary.longest.items.len(), summary.longest.more), (20, 30));
}

#[test]
fn nothing_watched_is_no_share() {
    let summary = Summary::make(&Facts::default(), period());
    assert_eq!(summary.availability, None);
    let later = HostFacts { since: at(1000), ..host("a", Vec::new()) };
    let summary = Summary::make(&Facts { hosts: vec![later] }, period());
    assert_eq!(summary.availability, None);
}

fn report(content: Content) -> Report {
    Report {
        name: "weekly".to_owned(),
        title: "Report weekly: 2026-11-16 to 2026-11-23".to_owned(),
        from_unix_s: period().from.seconds(),
        until_unix_s: period().until.seconds(),
        zone: "Europe/Berlin".to_owned(),
        content,
    }
}

#[test]
fn a_summary_is_written_for_people() {
    let report = report(Content::Summary(Box::new(Summary::make(&week(), period()))));
    insta::assert_snapshot!("summary_text", report.text());
    let html = report.html("https://hark.example.net/");
    assert!(html.contains("text of 20 &lt;b&gt;"), "{html}");
    assert!(html.contains("hark.example.net/incidents/20\""), "{html}");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.starts_with("<!doctype html>"), "{html}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["kind"], "summary");
    assert_eq!(json["incidents"]["open"], 1);
}

#[test]
fn old_failures_are_written_in_the_older_tools_words() {
    let overdue = crate::Overdue::make(&week(), period(), Duration::from_hours(1));
    let ids: Vec<_> = overdue.failures.iter().map(|f| f.incident).collect();
    assert_eq!(ids, [20], "symptoms follow from another");
    let report = report(Content::Failures(overdue));
    assert!(!report.is_empty());
    insta::assert_snapshot!("failures_text", report.text());
    assert!(report.html("").contains("failed for more than 60m"), "{}", report.html(""));
    let none = crate::Overdue::make(&week(), period(), Duration::from_hours(100));
    let none = Report { content: Content::Failures(none), ..report };
    assert!(none.is_empty());
    assert!(none.text().contains("Nothing has failed"), "{}", none.text());
    assert!(none.html("").contains("Nothing has failed"));
}
