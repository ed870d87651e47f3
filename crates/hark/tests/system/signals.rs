//! Limits on more than the newest value: what was before a restart counts, in windows and in lines, and the
//! incident says how it came to what it says.

use std::path::Path;
use std::time::Duration;

use hark_model::frame::encode_values;
use hark_model::{Clock, HostId, MetricKind, SeriesDef, SeriesName, Unit, Unix};
use hark_store::history::{History, Settings};
use hark_store::state::State;
use serde_json::{Value, json};

use crate::support::process::{clean, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder};

/// For what takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const CHECK: &str = "memory_monitor.percent";

/// Between two values of the past.
const STEP: Duration = Duration::from_secs(15);

/// Returns the name of this machine's host and the share of memory that it uses, once it was measured.
fn host(server: &Server) -> (String, f64) {
    until("the agent's own values", PATIENCE, || {
        let fleet = server.get("/api/0/fleet");
        let names = fleet["name"].as_array()?.iter().filter_map(Value::as_str);
        let host = names.into_iter().find(|name| *name != "self")?.to_owned();
        let metrics = server.get(&format!("/api/0/hosts/{host}/metrics"));
        let mut items = metrics["items"].as_array()?.iter();
        let used = items.find(|item| item["path"] == CHECK)?["last"].as_f64()?;
        Some((host, used))
    })
}

/// Stops the server and waits for its end.
fn stop(mut server: Server) {
    server.process.signal("TERM");
    let ended = server.process.wait(PATIENCE);
    assert!(ended.success(), "{}", server.process.errors());
}

fn number(data: &Path, host: &str) -> HostId {
    let loaded = State::open(data).unwrap().load(Unix(0)).unwrap();
    loaded.snapshot.hosts.iter().find(|record| record.name.as_str() == host).unwrap().id
}

/// Writes values of the time until now into the history of a server that does not run.
fn remember(data: &Path, host: HostId, span: Duration, value: impl Fn(Duration) -> f64) {
    let mut history = History::open(&data.join("history"), Settings::default()).unwrap();
    let now = Clock.now();
    let series = [SeriesDef {
        name: SeriesName::plain("memory_monitor", "percent"),
        unit: Unit::Percent,
        kind: MetricKind::Gauge,
        decimals: 3,
    }];
    let set = history.declare(host, &series, now).unwrap();
    let mut before = span;
    while before > STEP {
        let mut bytes = Vec::new();
        encode_values(&series, &[value(before)], &mut bytes);
        history.append(host, set, Unix(now.unix.0) - before, &bytes, now).unwrap();
        before -= STEP;
    }
    history.sync(now).unwrap();
}

fn incident(server: &Server, check: &str) -> Value {
    until(&format!("an incident of {check}"), PATIENCE, || {
        let found = server.get("/api/0/incidents");
        let found = found["items"].as_array()?.iter().find(|item| item["check"] == check)?;
        Some(server.get(&format!("/api/0/incidents/{}", found["id"])))
    })
}

#[test]
fn what_was_before_a_restart_is_known_to_windows_and_lines() {
    let folder = folder();
    let config = "interval: 1s\nagent: {interval: 1s}\n";
    let mut start = Start::new("up", folder.path()).config(config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    let (host, used) = host(&server);
    let data = server.data.clone();
    stop(server);
    // It has grown by two an hour for six hours: now it is as it is measured.
    let hours = |before: Duration| before.as_secs_f64() / 3600.0;
    let number = number(&data, &host);
    remember(&data, number, Duration::from_hours(6), |before| used - 2.0 * hours(before));

    // The line is full in (100 - used) / 2 hours; a limit a tenth above that is crossed by history alone, as the
    // second of life after the start has no line of its own.
    let left = (100.0 - used) / 2.0 * 1.1;
    start = start.config(&format!(
        "{config}thresholds:\n  memory_monitor:\n    percent: {{warning: 3, over: 3h, by: delta, full_in: \
         {{critical: {left}h}}}}\n"
    ));
    let server = start.go();
    let found = incident(&server, &format!("{CHECK}~full_in"));
    let derived = &found["derived"];
    let text = derived["text"].as_str().unwrap();
    assert!(text.starts_with("at this pace full in "), "{found}");
    assert!(text.contains("growing 2.0 % an hour over the last 6 h"), "{text}");
    assert_eq!(derived["series"], CHECK);
    let line = derived["line"].as_array().unwrap();
    let reached = derived["reached_at_unix_s"].as_i64().unwrap();
    assert_eq!((line.len(), line[1]["at_unix_s"].as_i64()), (2, Some(reached)), "{derived}");
    // The rest of the machine takes and gives back memory meanwhile.
    assert!((line[1]["value"].as_f64().unwrap() - 100.0).abs() < 5.0, "{derived}");
    let now = Clock.now().unix.seconds();
    assert!(line[0]["at_unix_s"].as_i64().unwrap() < now - 5 * 3600, "{derived}");
    let hours_left = f64::from(i32::try_from(reached - now).unwrap()) / 3600.0;
    assert!((hours_left - (100.0 - used) / 2.0).abs() < 2.0, "{hours_left} of {used}");

    // The change of three hours is six, which a window of one second cannot know.
    let found = incident(&server, CHECK);
    let value = found["value"].as_f64().unwrap();
    assert!((value - 6.0).abs() < 2.0, "{found}");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains("% > 3.0 %: change of the last 3 h, "), "{text}");
    assert_eq!(found["limits"]["warning"], Value::Null, "a change is no value of the series");

    // The command line says the reckoning, too.
    let mut explain = clean(HARK, folder.path());
    explain.args(["explain", &found["id"].to_string(), "--data"]).arg(&server.data);
    let said = succeed(&mut explain, START);
    assert!(said.contains("Derived: change of the last 3 h, "), "{said}");

    // And limits that are only tried look back as those that run.
    let full_in = json!({"percent": {"full_in": {"warning": format!("{left}h")}}});
    let asked = json!({"section": "hosts", "name": host, "value":
        {"thresholds": {"memory_monitor": full_in}}});
    let tried = server.post("/api/0/config/test", &asked);
    assert_eq!(tried.status, 200, "{}", tried.text);
    let items = tried.body["limits"]["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["check"] == format!("{CHECK}~full_in"));
    let item = item.unwrap_or_else(|| panic!("{}", tried.text));
    assert!(item["text"].as_str().unwrap().contains("at this pace full in "), "{item}");
    assert_eq!(item["day"]["problems"], 1, "{item}");
}
