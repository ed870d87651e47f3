//! Samples brought to others: to a real Prometheus, to a receiver of version 2.0, and to another hark.

mod receiver;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hark_store::state::StateReader;
use hark_testing::free_port;
use serde_json::Value;

use self::receiver::{Mood, Receiver};
use crate::inlets::{TOKEN, TOLD, bring, newest, samples};
use crate::support::http;
use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{PASSWORD, folder, write};

/// A real Prometheus that takes remote write and looks at nothing itself.
fn prometheus(folder: &Path, port: u16) -> Process {
    let file = write(folder, "prometheus.yml", "global: {scrape_interval: 1m}\n");
    let mut command = clean("prometheus", folder);
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command.arg("--web.enable-remote-write-receiver");
    let process = Process::start(&mut command, folder, "prometheus");
    until("Prometheus", TOLD, || {
        let answer = http::request(port, "GET", "/-/ready", &[], None).ok()?;
        (answer.status == 200).then_some(())
    });
    process
}

/// Returns every sample that Prometheus has of the metric, by its milliseconds, and its labels.
fn there(port: u16, metric: &str) -> (BTreeMap<i64, f64>, Value) {
    samples((port, ""), &[], metric)
}

/// Brings samples of now, one after the other, and remembers those that hark said are on its disk.
fn bring_some(server: &Server, n: usize, kept: &mut BTreeMap<i64, f64>) {
    for _ in 0..n {
        let at = jiff::Timestamp::now().as_millisecond();
        #[expect(clippy::cast_precision_loss, reason = "few")]
        let value = kept.len() as f64 + 0.5;
        let line = format!("queue,host=web1,lane=a value={value} {at}");
        let answer = bring(server, "/write?db=shop&precision=ms", "text/plain", &line);
        assert_eq!(answer.status, 204, "{}", answer.text);
        kept.insert(at, value);
        pause(Duration::from_millis(20));
    }
}

/// Returns a figure of what is brought to `to`.
fn figure(server: &Server, name: &str) -> f64 {
    let bearer = format!("Authorization: Bearer {}", server.token().unwrap());
    let text = http::request(server.http, "GET", "/metrics", &[bearer], None).unwrap().text;
    let start = format!("hark_remote_write_{name}_total{{to=\"prom\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
}

#[test]
fn every_sample_arrives_over_kills_and_while_prometheus_is_away() {
    let folder = folder();
    let folder = folder.path();
    let port = free_port();
    // Debian's understands version 1.0 alone, and says of 2.0 that all is well.
    let config = format!(
        "inlets: {{sources: {{shop: {{token: '{TOKEN}', new_hosts: 1}}}}}}\n\
         remote_write:\n  prom:\n    url: http://127.0.0.1:{port}/api/v1/write\n    \
         protocol: '2.0'\n    labels: {{cluster: eu}}\n    metrics: [queue, first]\n    age: 1s\n"
    );
    let mut start = Start::new("server", folder).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    start.ports = (server.http, server.udp);
    let mut prom = prometheus(folder, port);
    until("the beginning", TOLD, || {
        bring(&server, "/write", "text/plain", "first,host=web1 value=1\n");
        (!there(port, "first").0.is_empty()).then_some(())
    });
    let mut kept = BTreeMap::new();
    let arrived = |kept: &BTreeMap<i64, f64>| {
        until("every sample", TOLD, || (there(port, "queue").0 == *kept).then_some(()));
    };
    bring_some(&server, 20, &mut kept);
    arrived(&kept);
    let labels = there(port, "queue").1;
    let expected = serde_json::json!({"__name__": "queue", "cluster": "eu", "host": "web1",
        "instance": "web1", "job": "shop", "lane": "a"});
    assert_eq!(labels, expected);

    // Killed at any moment: before a request, during one, after it.
    for _ in 0..4 {
        bring_some(&server, 60, &mut kept);
        server.process.kill();
        server = start.go();
        bring_some(&server, 20, &mut kept);
    }
    arrived(&kept);

    // Away for a while, with a kill in it.
    prom.kill();
    bring_some(&server, 60, &mut kept);
    until("a try", TOLD, || (figure(&server, "retries") > 0.0).then_some(()));
    server.process.kill();
    server = start.go();
    bring_some(&server, 20, &mut kept);
    prom = prometheus(folder, port);
    arrived(&kept);
    bring_some(&server, 20, &mut kept);
    arrived(&kept);
    for name in ["refused", "late", "lost_segments"] {
        assert!(figure(&server, name).abs() < 0.5, "{name}");
    }
    drop(prom);
}

#[test]
fn version_2_brings_every_sample_over_kills_and_whatever_the_receiver_says() {
    let folder = folder();
    let receiver = Receiver::start();
    let config = format!(
        "inlets: {{sources: {{shop: {{token: '{TOKEN}', new_hosts: 1}}}}}}\n\
         remote_write:\n  prom: {{url: 'http://127.0.0.1:{}/', protocol: '2.0', metrics: [queue, first], age: 1s}}\n",
        receiver.port
    );
    let mut start = Start::new("server", folder.path()).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    start.ports = (server.http, server.udp);
    until("the beginning", TOLD, || {
        bring(&server, "/write", "text/plain", "first,host=web1 value=1\n");
        (!receiver.series().is_empty()).then_some(())
    });
    let labels: BTreeMap<String, String> = [
        ("__name__", "queue"),
        ("host", "web1"),
        ("instance", "web1"),
        ("job", "shop"),
        ("lane", "a"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let came = || receiver.series().remove(&labels).unwrap_or_default();
    let mut kept = BTreeMap::new();
    for mood in [Mood::Takes, Mood::HangsUp, Mood::Fails, Mood::TakesAndFails, Mood::LetsNobodyIn] {
        receiver.becomes(mood);
        bring_some(&server, 40, &mut kept);
        until("a request", TOLD, || (receiver.n_asked() > 0).then_some(()));
        server.process.kill();
        server = start.go();
        bring_some(&server, 20, &mut kept);
        until("a request", TOLD, || (receiver.n_asked() > 1).then_some(()));
        receiver.becomes(Mood::Takes);
        until("every sample", TOLD, || {
            let there: BTreeMap<i64, f64> = came().samples.into_iter().collect();
            (there == kept).then_some(())
        });
    }
    assert_eq!(came().kind, 2, "a gauge");
    // In their order, but for requests that came twice.
    let mut newest = i64::MIN;
    let mut first = Vec::new();
    for (at, _) in came().samples {
        if !first.contains(&at) {
            assert!(at > newest, "{at} came after {newest}");
            newest = at;
            first.push(at);
        }
    }
    assert!(figure(&server, "refused").abs() < 0.5);

    // What is refused for good is given up at once, counted, and holds up nothing.
    receiver.becomes(Mood::Refuses);
    let n_before = kept.len();
    bring_some(&server, 5, &mut kept);
    until("what is refused", TOLD, || (figure(&server, "refused") > 4.5).then_some(()));
    receiver.becomes(Mood::Takes);
    let mut later = BTreeMap::new();
    bring_some(&server, 5, &mut later);
    until("what comes later", TOLD, || {
        let there: BTreeMap<i64, f64> = came().samples.into_iter().collect();
        later.keys().all(|at| there.contains_key(at)).then_some(())
    });
    assert!(kept.keys().skip(n_before).all(|at| !came().samples.iter().any(|(one, _)| one == at)));
}

#[test]
fn what_is_erased_while_a_receiver_is_away_does_not_arrive() {
    let folder = folder();
    let receiver = Receiver::start();
    let config = format!(
        "inlets: {{sources: {{shop: {{token: '{TOKEN}', new_hosts: 1}}}}}}\n\
         remote_write: {{prom: {{url: 'http://127.0.0.1:{}/', protocol: '2.0', metrics: [queue, first], age: 1s}}}}\n",
        receiver.port
    );
    let mut start = Start::new("server", folder.path()).config(&config);
    let mut server = start.go();
    server.set_up(PASSWORD);
    start.ports = (server.http, server.udp);
    let came = |metric: &str| {
        let mut all = receiver.series().into_iter();
        all.find(|(labels, _)| labels["__name__"] == metric).map(|(_, series)| series.samples)
    };
    until("the beginning", TOLD, || {
        bring(&server, "/write", "text/plain", "first,host=web1 value=1\n");
        came("first").map(drop)
    });
    receiver.becomes(Mood::HangsUp);
    bring_some(&server, 20, &mut BTreeMap::new());
    bring(&server, "/write", "text/plain", "first,host=web1 value=2\n");
    let order = serde_json::json!({"host": "web1", "metric": "*.queue"});
    let job = server.done(&server.post("/api/0/history/erase", &order));
    assert_eq!(job["state"], "done", "{job:#}");
    // What was on its way already is made anew of the log.
    server.process.kill();
    let server = start.go();
    receiver.becomes(Mood::Takes);
    until("what was not erased", TOLD, || {
        came("first")?.iter().any(|(_, value)| (value - 2.0).abs() < 0.1).then_some(())
    });
    assert_eq!(came("queue"), None);
    // What comes after it is brought.
    let mut kept = BTreeMap::new();
    bring_some(&server, 5, &mut kept);
    until("what is new", TOLD, || {
        let there: BTreeMap<i64, f64> = came("queue")?.into_iter().collect();
        (there == kept).then_some(())
    });
}

#[test]
fn what_a_receiver_refuses_is_counted_and_told_and_the_rest_goes_on() {
    let folder = folder();
    let (here, far) = (folder.path().join("here"), folder.path().join("far"));
    for folder in [&here, &far] {
        std::fs::create_dir(folder).unwrap();
    }
    let config = format!(
        "inlets: {{sources: {{other: {{token: '{TOKEN}', new_hosts: 5, hosts: 'web*'}}}}}}\n"
    );
    let mut receiver = Start::new("server", &far).config(&config).go();
    receiver.set_up(PASSWORD);
    let config = format!(
        "inlets: {{sources: {{shop: {{token: '{TOKEN}', new_hosts: 5}}}}}}\n\
         remote_write: {{prom: {{url: 'http://127.0.0.1:{}/api/v1/write', token: '{TOKEN}', \
         protocol: '2.0', metrics: queue, age: 1s}}}}\n",
        receiver.http
    );
    let mut server = Start::new("server", &here).config(&config).go();
    server.set_up(PASSWORD);
    let seen = "prometheus.shop.lane=a.queue";
    let mut value = 0.0;
    until("a value over there", TOLD, || {
        value += 1.0;
        let lines =
            format!("queue,host=web1,lane=a value={value}\nqueue,host=db1,lane=a value=1\n");
        bring(&server, "/write?db=shop", "text/plain", &lines);
        newest(&receiver, "web1").contains_key(seen).then_some(())
    });
    until("the last value", TOLD, || {
        (newest(&receiver, "web1")[seen].to_bits() == f64::to_bits(value)).then_some(())
    });
    until("what is refused", TOLD, || (figure(&server, "refused") > 0.5).then_some(()));
    assert!(newest(&receiver, "db1").is_empty());
    let told = until("the problem", TOLD, || {
        let incidents = server.get("/api/0/incidents");
        let all = incidents["items"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["host"] == "self" && one["check"] == "remote_write prom")
    });
    assert!(told.to_string().contains("refuses samples"), "{told}");
}

#[test]
fn a_reload_leaves_one_receiver_alone_and_forgets_another_that_is_no_more() {
    let folder = folder();
    let receivers = ["a", "b"].map(|name| (name, Receiver::start()));
    let config = |names: &[&str]| {
        let wanted = receivers.iter().filter(|(name, _)| names.contains(name));
        let to = wanted.map(|(name, receiver)| {
            let url = format!("http://127.0.0.1:{}/", receiver.port);
            format!("{name}: {{url: '{url}', protocol: '2.0', age: 1s}}")
        });
        let to = to.collect::<Vec<_>>().join(", ");
        format!(
            "inlets: {{sources: {{shop: {{token: '{TOKEN}', new_hosts: 1}}}}}}\n\
             remote_write: {{{to}}}\n"
        )
    };
    let start = Start::new("server", folder.path()).config(&config(&["a", "b"]));
    let mut server = start.go();
    server.set_up(PASSWORD);
    let reload = |names: &[&str]| {
        write(folder.path(), "hark.yaml", &config(names));
        server.process.signal("HUP");
    };
    let place = |name: &str| {
        let reader = StateReader::open(&server.data).unwrap();
        reader.setting(&format!("remote_write/{name}")).unwrap()
    };
    let there = |receiver: &Receiver, metric: &str| {
        receiver.series().keys().any(|labels| labels["__name__"] == metric)
    };
    // Of a metric of its own each time, until both who are to have it do.
    let arrives = |metric: &str, names: &[&str]| {
        until(metric, TOLD, || {
            let line = format!("{metric},host=web1 value=1\n");
            bring(&server, "/write", "text/plain", &line);
            let mut wanted = receivers.iter().filter(|(name, _)| names.contains(name));
            wanted.all(|(_, receiver)| there(receiver, metric)).then_some(())
        });
    };
    arrives("first", &["a", "b"]);
    until("a place that is written down", TOLD, || place("a").and(place("b")));
    reload(&["a"]);
    until("that the other is forgotten", TOLD, || place("b").is_none().then_some(()));
    arrives("second", &["a"]);
    assert!(place("a").is_some(), "who stays is not forgotten");
    reload(&["a", "b"]);
    until("that it begins as a new one", TOLD, || place("b"));
    arrives("third", &["a", "b"]);
    assert!(!there(&receivers[1].1, "second"), "what came meanwhile is not for it");
    reload(&[]);
    until("that nobody is left", TOLD, || place("a").or(place("b")).is_none().then_some(()));
}
