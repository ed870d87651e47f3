use hark_model::Unix;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use crate::{Ask, Input, Order, Top, draw};

/// 2026-11-21T12:00:00Z.
const NOW: i64 = 1_795_262_400;

fn now() -> Unix {
    Unix(NOW * 1000)
}

fn at(ago: i64) -> String {
    hark_api::Timestamp(Unix((NOW - ago) * 1000)).to_string()
}

fn screen(top: &mut Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(top, frame, now(), &TimeZone::UTC)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y: u16| {
        let cells = (0..width).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

fn overview() -> Value {
    json!({
        "at_unix_s": NOW,
        "verdict": {"text": "2 hosts need someone", "sub": "3 incidents are open, one is taken"},
        "counts": {"crit": 1, "warn": 1, "unk": 0, "mnt": 2, "ok": 9996, "pending": 0},
        "kpis": {"availability_24h": 0.999, "heartbeats_per_minute": 1.0,
                 "samples_per_second": 1.0, "open_incidents": 3},
        "problems": [], "more": 0, "quiet": {"silences": [], "maintenance": []}, "events": []
    })
}

fn incident(id: u64, host: &str, check: &str, state: &str, text: &str) -> Value {
    json!({
        "id": id, "host": host, "check": check, "state": state, "peak": state,
        "status": if state == "crit" { "critical" } else { "warning" }, "text": text,
        "since_at": at(3_000), "since_unix_s": NOW - 3_000, "resolved_at": null, "ack": null,
        "silenced_until_at": null, "cause": null, "symptoms": 0, "last_notification": null
    })
}

fn host(id: u32, name: &str, state: &str, text: &str) -> Value {
    json!({"id": id, "name": name, "state": state, "text": text, "last_heard_at": at(9),
           "interval_seconds": 15.0, "address": "192.0.2.7", "tags": ["web"]})
}

/// Answers everything that is asked for until nothing more is wanted.
fn feed(top: &mut Top, answer: impl Fn(&Ask) -> Value) {
    for _ in 0..5 {
        for ask in top.asks(now()) {
            top.take(&ask, Ok(answer(&ask)), now());
        }
        if !top.is_hungry() {
            return;
        }
    }
    panic!("it never has enough");
}

fn known(ask: &Ask) -> Value {
    match ask {
        Ask::Overview => overview(),
        Ask::Incidents { .. } => {
            let mut taken = incident(15, "db1", "disk_monitor./.percent", "warn", "91.2 % ≥ 90 %");
            taken["ack"] =
                json!({"by": "ada", "comment": "on it", "until_unix_s": null, "sticky": false});
            json!({"items": [
                incident(17, "web1", "heartbeat", "crit", "silent for 50 min\nand more"),
                taken,
                incident(12, "evil\u{1b}[2J", "log", "warn", "a\u{7}b"),
            ], "next": null})
        }
        Ask::Hosts { .. } => json!({"items": [
            host(1, "db1", "w", "disk 91.2 %"),
            host(2, "web1", "c", "silent"),
            host(3, "web2", "o", ""),
        ], "next": null}),
        Ask::Incident(id) => whole_incident(*id),
        Ask::Host(name) => whole_host(name),
        Ask::Metrics(_) => json!({"items": [
            metric("cpu_monitor.cpu_percent", "percent", 12.5),
            metric("memory_monitor.available_mb", "mebibytes", 2048.0),
        ]}),
        Ask::Series { metric, from, .. } => json!({
            "from_unix_s": from, "to_unix_s": NOW, "step_s": 60.0,
            "at_unix_s": (0..60).map(|i| from + i * 60).collect::<Vec<_>>(),
            "names": [metric], "units": ["percent"],
            "min": [], "max": [],
            "avg": [(0..60).map(|i| (i != 30).then_some(f64::from(i % 20))).collect::<Vec<_>>()],
            "incidents": [], "limits": {metric: {"warning": 15.0, "critical": 900.0}}
        }),
    }
}

fn whole_incident(id: u64) -> Value {
    let mut known = incident(id, "web1", "heartbeat", "crit", "silent for 50 min");
    let more = json!({
        "resolvable": false, "rule": "no heartbeat for 45 s", "value": null, "unit": "",
        "limits": {"warning": null, "critical": null}, "notifications": [],
        "timeline": [{"at_unix_s": NOW - 3_000, "kind": "transition", "host": "web1",
            "check": "heartbeat", "incident": id, "state": "crit", "text": "became critical"}],
        "comments": [{"by": "ada", "at": at(100), "text": "the switch is being changed"}],
        "symptoms_list": [{"id": 18, "host": "web1", "check": "http"}], "seen_before": []
    });
    for (key, value) in more.as_object().unwrap() {
        known[key] = value.clone();
    }
    known
}

fn whole_host(name: &str) -> Value {
    let mut known = host(1, name, "w", "disk 91.2 %");
    let more = json!({
        "word": "warning", "since_at": at(3_000),
        "facts": {"distribution": "Debian", "kernel": "6.1.0", "arch": "x86_64"},
        "rtt_seconds": 0.0012, "agent_version": "0.1.0", "loss_ratio": 0.0,
        "checks": [
            {"name": "disk_monitor./.percent", "status": "warning", "hard": "warning",
             "soft": null, "value": 91.2, "unit": "percent", "text": "91.2 % ≥ 90 %",
             "rule": "", "changed_at": at(3_000), "seen_at": at(9), "fresh": "fresh",
             "flapping": false, "incident": 15, "limits": {"warning": 90.0, "critical": 95.0}},
            {"name": "heartbeat", "status": "ok", "hard": "ok", "soft": null, "value": null,
             "unit": "", "text": "", "rule": "", "changed_at": at(90_000), "seen_at": at(9),
             "fresh": "fresh", "flapping": true, "incident": null,
             "limits": {"warning": null, "critical": null}}
        ],
        "incidents": [15], "parents": [], "children": [], "profile": [],
        "unreachable_because": null, "not_reproven": false, "declared": null
    });
    for (key, value) in more.as_object().unwrap() {
        known[key] = value.clone();
    }
    known
}

fn metric(path: &str, unit: &str, last: f64) -> Value {
    json!({"path": path, "collector": "", "instance": "", "metric": "", "unit": unit,
           "kind": "gauge", "last": last, "at_unix_s": NOW})
}

fn press(top: &mut Top, keys: &str) {
    for key in keys.chars() {
        assert_eq!(top.press(Input::Char(key)), None, "{key}");
    }
}

#[test]
fn incidents_at_eighty_columns() {
    let mut top = Top::new();
    feed(&mut top, known);
    insta::assert_snapshot!(screen(&mut top, 80, 24));
}

#[test]
fn hosts_at_eighty_columns() {
    let mut top = Top::new();
    press(&mut top, "2");
    feed(&mut top, known);
    insta::assert_snapshot!(screen(&mut top, 80, 24));
}

#[test]
fn an_incident_is_whole() {
    let mut top = Top::new();
    feed(&mut top, known);
    top.press(Input::Enter);
    feed(&mut top, known);
    insta::assert_snapshot!(screen(&mut top, 80, 24));
}

#[test]
fn a_host_has_facts_checks_and_a_chart() {
    let mut top = Top::of_host("db1");
    feed(&mut top, known);
    insta::assert_snapshot!(screen(&mut top, 80, 24));
}

#[test]
fn the_keys_are_shown() {
    let mut top = Top::new();
    press(&mut top, "?");
    insta::assert_snapshot!(screen(&mut top, 80, 24));
    press(&mut top, "q");
    assert!(!screen(&mut top, 80, 24).contains("any closes this"), "and any key closes them");
}

#[test]
fn nothing_breaks_at_any_size() {
    for keys in ["", "2", "?"] {
        for width in [1, 2, 10, 40, 300] {
            for height in [1, 2, 5, 12, 100] {
                let mut top = Top::new();
                press(&mut top, keys);
                screen(&mut top, width, height);
                feed(&mut top, known);
                screen(&mut top, width, height);
                top.press(Input::Enter);
                feed(&mut top, known);
                screen(&mut top, width, height);
                let mut top = Top::of_host("db1");
                feed(&mut top, known);
                screen(&mut top, width, height);
            }
        }
    }
}

#[test]
fn two_keys_and_a_reason_take_an_incident() {
    let mut top = Top::new();
    feed(&mut top, known);
    press(&mut top, "jkaon it");
    assert!(screen(&mut top, 80, 24).contains("take incident 17, why: on it"));
    let Some(Order::Act(act)) = top.press(Input::Enter) else { panic!("nothing was done") };
    let (path, body) = act.request();
    assert_eq!((path.as_str(), &body["comment"]), ("/api/0/incidents/17/ack", &json!("on it")));
    top.did(&act, Ok(()));
    assert!(top.is_hungry(), "what came of it is asked for at once");
    assert!(screen(&mut top, 80, 24).contains("incident 17 is yours"));
    top.did(&act, Err("you may not".to_owned()));
    assert!(screen(&mut top, 80, 24).contains("you may not"));
    press(&mut top, "a");
    assert_eq!(top.press(Input::Escape), None, "thought better of it");
    assert!(!screen(&mut top, 80, 24).contains("why"));
}

#[test]
fn a_filter_is_typed_and_asked_for_and_gone_with_escape() {
    let mut top = Top::new();
    press(&mut top, "2/we b");
    top.press(Input::Backspace);
    top.press(Input::Backspace);
    top.press(Input::Enter);
    press(&mut top, "f");
    let wanted = |top: &mut Top| top.asks(now()).last().unwrap().path();
    assert_eq!(wanted(&mut top), "/api/0/hosts?limit=200&state=c&q=we");
    assert!(screen(&mut top, 80, 24).contains("with “we” only critical"));
    top.press(Input::Escape);
    assert_eq!(wanted(&mut top), "/api/0/hosts?limit=200");
}

#[test]
fn more_rows_are_asked_for_as_one_goes_down_up_to_a_bound() {
    let mut top = Top::new();
    press(&mut top, "2");
    let many = |ask: &Ask| {
        if let Ask::Hosts { limit, .. } = ask {
            let hosts: Vec<Value> = (0..*limit)
                .map(|i| host(u32::try_from(i).unwrap(), &format!("h{i:05}"), "o", ""))
                .collect();
            return json!({"items": hosts, "next": "sh"});
        }
        known(ask)
    };
    feed(&mut top, many);
    for _ in 0..10 {
        top.press(Input::End);
        feed(&mut top, many);
    }
    let shown = screen(&mut top, 80, 24);
    assert!(shown.contains("h00999"), "{shown}");
    let wanted = top.asks(now()).pop().unwrap().path();
    assert!(wanted.contains(&format!("limit={}", crate::MOST_ROWS)), "{wanted}");
}

#[test]
fn a_server_that_is_away_is_said_and_what_was_known_stays() {
    let mut top = Top::new();
    feed(&mut top, known);
    top.take(&Ask::Overview, Err("connection refused".to_owned()), now());
    let shown = screen(&mut top, 80, 24);
    assert!(shown.contains("no answer since 12:00:00") && shown.contains("web1"), "{shown}");
    assert!(shown.contains("connection refused"));
    feed(&mut top, known);
    assert!(!screen(&mut top, 80, 24).contains("no answer"));
    top.take(&Ask::Overview, Ok(json!({"at": 1})), now());
    assert!(screen(&mut top, 80, 24).contains("something else than asked for"));
}

#[test]
fn what_a_server_refuses_is_no_server_that_is_away() {
    let mut top = Top::of_host("nobody");
    let refuse = |top: &mut Top| {
        for ask in top.asks(now()) {
            let answer =
                if ask == Ask::Overview { Ok(overview()) } else { Err("Not there".to_owned()) };
            top.take(&ask, answer, now());
        }
    };
    refuse(&mut top);
    let shown = screen(&mut top, 80, 24);
    assert!(shown.contains("Not there") && !shown.contains("no answer"), "{shown}");
    top.press(Input::Escape);
    feed(&mut top, known);
    assert!(!screen(&mut top, 80, 24).contains("Not there"));
}

#[test]
fn from_the_end_of_an_incident_one_goes_up_at_once() {
    let mut top = Top::new();
    feed(&mut top, known);
    top.press(Input::Enter);
    feed(&mut top, known);
    let first = screen(&mut top, 80, 24);
    top.press(Input::End);
    let end = screen(&mut top, 80, 24);
    assert!(end != first && end.contains("became critical"), "{end}");
    top.press(Input::Up);
    assert_ne!(screen(&mut top, 80, 24), end);
    top.press(Input::Home);
    assert_eq!(screen(&mut top, 80, 24), first);
}

#[test]
fn an_answer_that_comes_late_is_not_shown_elsewhere() {
    let mut top = Top::new();
    feed(&mut top, known);
    top.press(Input::Enter);
    let late = top.asks(now()).pop().unwrap();
    top.press(Input::Escape);
    press(&mut top, "2");
    feed(&mut top, known);
    let before = screen(&mut top, 80, 24);
    top.take(&late, Ok(known(&late)), now());
    assert_eq!(screen(&mut top, 80, 24), before);
}

#[test]
fn metric_and_range_of_the_chart_are_chosen() {
    let mut top = Top::of_host("db1");
    feed(&mut top, known);
    top.press(Input::Right);
    press(&mut top, "++");
    let ask = top.asks(now()).pop().unwrap();
    assert_eq!(
        ask.path(),
        format!(
            "/api/0/hosts/db1/series?names=memory_monitor.available_mb&from={}&points=320",
            NOW - 86_400
        )
    );
    press(&mut top, "----");
    let ask = top.asks(now()).pop().unwrap();
    assert!(ask.path().contains(&format!("from={}", NOW - 900)), "{ask:?}");
    assert_eq!(
        top.press(Input::Char('n')).map(|order| format!("{order:?}")),
        Some("Act(Look(\"db1\"))".to_owned())
    );
}
