//! Prometheus' API of a real server, asked by promtool.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder, http};

const LIMIT: Duration = Duration::from_mins(1);

/// Runs promtool, with a token as password; returns what it prints.
fn promtool(server: &Server, token: &str, kind: &str, words: &[&str]) -> Result<String, String> {
    let address = format!("http://grafana:{token}@127.0.0.1:{}/prometheus", server.http);
    let output = Command::new("promtool")
        .args(["query", kind])
        .args(if kind == "series" || kind == "labels" { [].as_slice() } else { &["-o", "json"] })
        .args(if kind == "series" { words } else { &[] })
        .arg(&address)
        .args(if kind == "series" { &[] } else { words })
        .output()
        .expect("promtool is installed by scripts/setup-test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn promtool_asks_hark_as_it_asks_prometheus() {
    let folder = folder();
    let mut server = Start::new("up", folder.path()).config("interval: 1s\n").go();
    server.set_up(PASSWORD);
    let token = server.token().unwrap();
    let ask = |kind: &str, words: &[&str]| promtool(&server, &token, kind, words);
    let instant = |text: &str| -> Vec<Value> {
        let told = ask("instant", &[text]).unwrap_or_else(|e| panic!("{text}: {e}"));
        json_of(&told).as_array().unwrap().clone()
    };
    let load = until("values of this machine", LIMIT, || {
        let found = instant("hark_cpu_load_1min");
        found.first().cloned()
    });
    let host = load["metric"]["host"].as_str().unwrap().to_owned();
    let expected =
        json!({"__name__": "hark_cpu_load_1min", "host": host, "instance": host, "job": "hark"});
    assert_eq!(load["metric"], expected);
    // Of dashboards, of hark's own series.
    for text in [
        "100 - avg by (instance) (hark_cpu_cpu_percent)",
        "avg_over_time(hark_memory_percent[5m])",
        "max by (name) (hark_disk_percent{name=~\"/.*\"})",
        "count({job=\"hark\"})",
        "topk(3, sum by (__name__) ({__name__=~\"hark_.*\", host!=\"\"}))",
        "absent(nothing)",
        "time() - timestamp(hark_cpu_load_1min) < 300",
    ] {
        let told = until(text, LIMIT, || Some(instant(text)).filter(|told| !told.is_empty()));
        assert!(told.iter().all(|line| line["value"][1].is_string()), "{text}: {told:?}");
    }
    let range = until("two samples", LIMIT, || {
        let told = ask("range", &["--step=1s", "count_over_time(hark_cpu_load_1min[1m])"]).unwrap();
        let lines = json_of(&told);
        let values = lines.pointer("/0/values")?.as_array()?.clone();
        let last = values.last()?[1].as_str()?.parse::<f64>().ok()?;
        (values.len() > 1 && last > 1.0).then_some(values)
    });
    assert!(range.windows(2).all(|pair| pair[0][0].as_f64() < pair[1][0].as_f64()));
    let series = ask("series", &["--match=hark_cpu_load_1min"]).unwrap();
    assert!(series.contains(&format!("host=\"{host}\"")), "{series}");
    let names = ask("labels", &["__name__"]).unwrap();
    assert!(names.lines().any(|name| name == "hark_memory_percent"), "{names}");
    let error = ask("instant", &["sum("]).unwrap_err();
    assert!(error.contains("bad_data") && error.contains("parse error"), "{error}");
    let error = promtool(&server, "hark_nobodys", "instant", &["up"]).unwrap_err();
    assert!(error.contains("401"), "{error}");
    rights(&server, &host);
}

/// Who sees no host is told nothing of any, in whatever way he asks.
fn rights(server: &Server, host: &str) {
    let made = server.post("/api/0/users", &json!({"name": "eve", "password": PASSWORD}));
    assert_eq!(made.status, 200, "{}", made.body);
    let login = json!({"username": "eve", "password": PASSWORD});
    let session = http::request(server.http, "POST", "/api/0/auth/login", &[], Some(&login));
    let session = session.unwrap().body["token"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {session}");
    let get = |path: &str| {
        let path = format!("/prometheus/api/v1/{path}");
        let answer = http::request(server.http, "GET", &path, std::slice::from_ref(&bearer), None);
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body["data"].clone()
    };
    for path in [
        format!("series?match[]=%7Bhost%3D%22{host}%22%7D"),
        "labels".to_owned(),
        "label/host/values".to_owned(),
        "label/__name__/values".to_owned(),
    ] {
        assert_eq!(get(&path), json!([]), "{path}");
    }
    assert_eq!(get("query?query=hark_cpu_load_1min")["result"], json!([]));
    assert_eq!(get("query?query=count(%7Bjob%3D%22hark%22%7D)")["result"], json!([]));
    assert_eq!(get("metadata"), json!({}));
    assert_eq!(get("alerts"), json!({"alerts": []}));
}
