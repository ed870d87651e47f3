//! Limits on more than the newest value: what was before a restart counts, in windows and in lines, and the
//! incident says how it came to what it says.

use std::fmt::Write as _;
use std::time::Duration;

use hark_model::{Clock, Unix};
use serde_json::{Value, json};

use crate::inlets::{TOKEN, bring};
use crate::support::hook::{Call, Hook};
use crate::support::process::{clean, succeed};
use crate::support::server::{START, Server, Start};
use crate::support::wait::until;
use crate::support::{HARK, PASSWORD, folder, write};

/// For what takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the name of this machine's host, once it was measured.
fn host(server: &Server) -> String {
    until("the agent's own values", PATIENCE, || {
        let fleet = server.get("/api/0/fleet");
        let mut names = fleet["name"].as_array()?.iter().filter_map(Value::as_str);
        let is_measured = |name: &&str| {
            let metrics = server.get(&format!("/api/0/hosts/{name}/metrics"));
            let items = metrics["items"].as_array().into_iter().flatten();
            items.into_iter().any(|item| item["path"] == "memory_monitor.percent")
        };
        names.find(is_measured).map(str::to_owned)
    })
}

/// Stops the server and waits for its end.
fn stop(mut server: Server) {
    server.process.signal("TERM");
    let ended = server.process.wait(PATIENCE);
    assert!(ended.success(), "{}", server.process.errors());
}

/// Brings samples of `web1`'s queue to a server that does not run: how long ago, and how long the queue was.
fn remember(start: &Start, past: &[(i64, f64)]) {
    let mut text = "time,host,collector,instance,metric,value\n".to_owned();
    let now = Clock.now().unix.seconds();
    for (before, length) in past {
        writeln!(text, "{},web1,influx,shop,queue,{length}", now - before).unwrap();
    }
    write(&start.folder, "past.csv", &text);
    let mut import = clean(HARK, &start.folder);
    import.args(["history", "import", "past.csv", "--data"]).arg(&start.data);
    let said = succeed(&mut import, START);
    assert!(said.contains(&format!("{0} samples read, {0} added", past.len())), "{said}");
}

#[test]
fn what_was_before_a_restart_is_known_to_windows_and_lines() {
    let folder = folder();
    let hook = Hook::start();
    let config = shop(&hook, "");
    let start = Start::new("server", folder.path()).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    queue(&server, 50.0);
    stop(server);
    // It has grown by two an hour for six hours: in 25 more it is at 100.
    let past = (1..1440).rev().map(|n| (n * 15, 50.0 - 2.0 * f64::from(n) / 240.0));
    let past: Vec<_> = past.map(|(before, length)| (i64::from(before), length)).collect();
    remember(&start, &past);

    let full_in = "full_in: {critical: 26h, full: 100}";
    let start = start.config(&format!(
        "{config}thresholds:\n  influx:\n    queue: {{warning: 3, over: 3h, by: delta, {full_in}}}\n"
    ));
    let server = start.go();
    let incident = |check: &str| {
        until(&format!("an incident of {check}"), PATIENCE, || {
            queue(&server, 50.0);
            let found = server.get("/api/0/incidents");
            let found = found["items"].as_array()?.iter().find(|item| item["check"] == check)?;
            Some(server.get(&format!("/api/0/incidents/{}", found["id"])))
        })
    };
    let found = incident("influx.shop.queue~full_in");
    let derived = &found["derived"];
    let text = derived["text"].as_str().unwrap();
    assert!(text.starts_with("at this pace full in "), "{found}");
    assert!(text.contains("growing 2.0 an hour over the last 6 h"), "{text}");
    assert_eq!(derived["series"], "influx.shop.queue");
    let line = derived["line"].as_array().unwrap();
    let reached = derived["reached_at_unix_s"].as_i64().unwrap();
    assert_eq!((line.len(), line[1]["at_unix_s"].as_i64()), (2, Some(reached)), "{derived}");
    assert!((line[1]["value"].as_f64().unwrap() - 100.0).abs() < 1.0, "{derived}");
    let now = Clock.now().unix.seconds();
    assert!(line[0]["at_unix_s"].as_i64().unwrap() < now - 5 * 3600, "{derived}");
    let hours_left = f64::from(i32::try_from(reached - now).unwrap()) / 3600.0;
    assert!((hours_left - 25.0).abs() < 0.5, "{hours_left}");

    // The change of three hours is six, which a window of a few values cannot know.
    let found = incident("influx.shop.queue");
    let value = found["value"].as_f64().unwrap();
    assert!((value - 6.0).abs() < 0.1, "{found}");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains(" > 3.0: change of the last 3 h, "), "{text}");
    assert_eq!(found["limits"]["warning"], Value::Null, "a change is no value of the series");

    // The command line says the reckoning, too.
    let mut explain = clean(HARK, folder.path());
    explain.args(["explain", &found["id"].to_string(), "--data"]).arg(&server.data);
    let said = succeed(&mut explain, START);
    assert!(said.contains("Derived: change of the last 3 h, "), "{said}");

    // And limits that are only tried look back as those that run.
    let full_in = json!({"queue": {"full_in": {"warning": "26h", "full": 100}}});
    let asked = json!({"section": "hosts", "name": "web1", "value":
        {"thresholds": {"influx": full_in}}});
    let tried = server.post("/api/0/config/test", &asked);
    assert_eq!(tried.status, 200, "{}", tried.text);
    let items = tried.body["limits"]["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["check"] == "influx.shop.queue~full_in");
    let item = item.unwrap_or_else(|| panic!("{}", tried.text));
    assert!(item["text"].as_str().unwrap().contains("at this pace full in "), "{item}");
    assert_eq!(item["day"]["problems"], 1, "{item}");
}

/// For what the server is sure of after a minute alone.
const QUIET: Duration = Duration::from_mins(3);

/// A hook, and a source that brings a queue's length of the host `web1`.
fn shop(hook: &Hook, more: &str) -> String {
    format!(
        "receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n\
         inlets: {{sources: {{shop: {{token: '{TOKEN}', new_hosts: 1}}}}}}\n{more}",
        hook.url()
    )
}

/// Brings a length of the queue, as of now; returns when that is.
fn queue(server: &Server, length: f64) -> Unix {
    let now = Clock.now().unix;
    let line = format!("queue,host=web1 value={length} {}000000\n", now.0);
    let answer = bring(server, "/write?db=shop", "text/plain", &line);
    assert_eq!(answer.status, 204, "{}", answer.text);
    now
}

/// What somebody was told of a check of `web1`: reasons and summaries.
fn told(hook: &Hook, check: &str) -> Vec<(String, String)> {
    let calls = hook.calls().into_iter();
    let calls = calls.filter(|call| (call.text("host"), call.text("check")) == ("web1", check));
    let words = |call: Call| (call.text("reason").to_owned(), call.text("summary").to_owned());
    calls.map(words).collect()
}

/// Waits until what was told last of a check of `web1` is its end, and returns all that was told.
fn told_whole(hook: &Hook, check: &str) -> Vec<(String, String)> {
    until(&format!("the end of {check} is told"), PATIENCE, || {
        Some(told(hook, check)).filter(|told| told.last().is_some_and(|(why, _)| why == "recovery"))
    })
}

/// Five weeks in which the queue was always about 40, and long for the last ten minutes.
fn weeks_then_a_rush() -> Vec<(i64, f64)> {
    // It never stands quite still.
    let usual = |hour: i32| 40.0 + f64::from(hour % 5) / 10.0;
    let weeks = (1..=5 * 7 * 24).rev().map(|hour| (i64::from(hour) * 3600 + 600, usual(hour)));
    weeks.chain([(480, 90.0), (180, 90.0)]).collect()
}

#[test]
fn what_is_unusual_for_the_hour_is_told_once_with_what_is_usual_until_it_is_usual_again() {
    const RUSH: &str = "influx.shop.queue~deviation";
    let folder = folder();
    let hook = Hook::start();
    // A value stands for five minutes: two of them make ten.
    let config = shop(&hook, "interval: 5m\nhosts: {web1: {}}\n");
    let start = Start::new("server", folder.path()).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    server.host_when("web1", PATIENCE, |_| true);
    stop(server);
    remember(&start, &weeks_then_a_rush());

    let limits = "deviation: {warning: 4, least: 5, over: 10m}";
    let start = start.config(&format!("{config}thresholds: {{influx: {{queue: {{{limits}}}}}}}\n"));
    let server = start.go();
    let id = until("the incident", PATIENCE, || {
        queue(&server, 90.0);
        let found = server.get("/api/0/incidents");
        Some(found["items"].as_array()?.iter().find(|item| item["check"] == RUSH)?["id"].clone())
    });
    // What it is, what it should be, and how far these are apart: 50 of which five are four deviations.
    let found = server.get(&format!("/api/0/incidents/{id}"));
    let (text, value) = (found["text"].as_str().unwrap(), found["value"].as_f64().unwrap());
    assert!(text.contains("mean 90.0 over the last 10 min, usual at this hour are 35."), "{text}");
    assert!(text.contains(" to 45.") && text.contains(" (median 40."), "{text}");
    assert!(text.ends_with(" weeks)"), "{text}");
    assert!((38.0..=40.0).contains(&value), "{found}");
    assert!(found["rule"].as_str().unwrap().contains("above 4.0 deviations"), "{found}");
    // The chart draws what is usual now, and what it was compared with.
    let derived = &found["derived"];
    assert_eq!(derived["series"], "influx.shop.queue", "{derived}");
    let now = Clock.now().unix.seconds();
    let band = derived["band"].as_array().unwrap();
    let near = |point: &&Value| (point["at_unix_s"].as_i64().unwrap() - now).abs() <= 3600;
    let near: Vec<&Value> = band.iter().filter(near).collect();
    assert!(near.len() >= 2, "before now and after it: {derived}");
    for point in near {
        let (low, high) = (point["low"].as_f64().unwrap(), point["high"].as_f64().unwrap());
        assert!((35.0..36.0).contains(&low) && (45.0..46.0).contains(&high), "{point}");
    }
    assert_eq!(derived["line"][0]["value"], 90.0, "{derived}");
    let mut explain = clean(HARK, folder.path());
    explain.args(["explain", &id.to_string(), "--data"]).arg(&server.data);
    let said = succeed(&mut explain, START);
    assert!(said.contains("Derived: mean 90.0 over the last 10 min, usual at this hour"), "{said}");

    until("it is usual again", QUIET, || {
        queue(&server, 40.0);
        let found = server.get(&format!("/api/0/incidents/{id}"));
        (!found["resolved_at"].is_null()).then_some(())
    });
    let told = told_whole(&hook, RUSH);
    let reasons: Vec<&str> = told.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["problem", "recovery"], "{told:?}");
    let summary = "WARNING: web1 - influx.shop.queue~deviation = mean 90.0 over the last 10 min";
    assert!(told[0].1.starts_with(summary), "{told:?}");
}

#[test]
fn a_series_that_must_come_is_missed_once_beside_one_that_comes_until_it_is_there_again() {
    const MISSED: &str = "influx.queue~absent_after";
    let folder = folder();
    let hook = Hook::start();
    let more = "interval: 1s\nagent: {interval: 1s}\n\
                hosts: {web1: {thresholds: {influx: {queue: {absent_after: {critical: 5s}}}}}}\n\
                thresholds:\n  memory_monitor: {percent: {absent_after: 5s}}\n  \
                backup_monitor: {nightly: {age_seconds: {absent_after: 5s}}}\n";
    let mut server = Start::new("up", folder.path()).config(&shop(&hook, more)).go();
    server.set_up(PASSWORD);
    let host = host(&server);
    let last = queue(&server, 7.0);
    let find = |what: &str, check: &str| {
        until(what, QUIET, || {
            let found = server.get("/api/0/incidents");
            let found = found["items"].as_array()?.iter().find(|item| item["check"] == check)?;
            Some(server.get(&format!("/api/0/incidents/{}", found["id"])))
        })
    };
    let found = find("what has stopped coming is missed", MISSED);
    assert_eq!((&found["host"], &found["value"]), (&json!("web1"), &Value::Null), "{found}");
    let text = found["text"].as_str().unwrap();
    assert!(text.starts_with("no value for ") && text.contains(" (last at "), "{text}");
    assert!(found["rule"].as_str().unwrap().contains("time without a value"), "{found}");
    // The chart of the series that was there marks when it ended.
    let derived = &found["derived"];
    assert_eq!(derived["series"], "influx.shop.queue", "{derived}");
    assert_eq!(derived["missing_from_unix_s"], last.seconds(), "{derived}");
    let metrics = server.get("/api/0/hosts/web1/metrics");
    let paths = metrics["items"].as_array().unwrap().iter().map(|item| &item["path"]);
    assert_eq!(paths.collect::<Vec<_>>(), ["influx.shop.queue"]);
    let mut explain = clean(HARK, folder.path());
    explain.args(["explain", &found["id"].to_string(), "--data"]).arg(&server.data);
    let said = succeed(&mut explain, START);
    assert!(said.contains("Derived: the time since its last value, at "), "{said}");
    // What never came has no mark, and says what that may be; what comes is not missed.
    let never =
        find("what never came is missed", "backup_monitor.nightly.age_seconds~absent_after");
    assert_eq!(never["host"], host.as_str(), "{never}");
    let text = never["text"].as_str().unwrap();
    assert!(text.starts_with("no value in ") && text.contains("it may be misspelt"), "{text}");
    assert_eq!(never["derived"]["missing_from_unix_s"], Value::Null, "{never}");
    let all = server.get("/api/0/incidents").to_string();
    assert!(!all.contains("memory_monitor.percent"), "{all}");

    queue(&server, 7.0);
    let path = format!("/api/0/incidents/{}", found["id"]);
    let over = until("it is over", PATIENCE, || {
        Some(server.get(&path)).filter(|found| !found["resolved_at"].is_null())
    });
    assert_eq!(over["derived"], Value::Null, "{over}");
    let told = told_whole(&hook, MISSED);
    let reasons: Vec<&str> = told.iter().map(|(reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["problem", "recovery"], "{told:?}");
    assert!(told[0].1.starts_with("CRITICAL: web1 - influx.queue~absent_after = no value for "));
    assert!(told[1].1.ends_with(" = a value came (CRITICAL -> OK)"), "{told:?}");
}
