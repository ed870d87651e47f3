//! Exporters on the loopback.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// Answers each connection with `answer`; returns its port. Ends with the test.
fn serve(answer: &'static [u8], hold: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut question = [0; 1024];
            let len = stream.read(&mut question).unwrap();
            assert!(question[..len].starts_with(b"GET /metrics HTTP/1.1\r\nHost: localhost:"));
            // Who has read enough goes away.
            drop(stream.write_all(answer));
            if hold {
                held.push(stream);
            }
        }
    });
    port
}

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 97\r\n\r\n# TYPE jobs_total counter\njobs_total{queue=\"a\"} 7\njobs_total{queue=\"b\"} 9\nnode_load1 0.25\nleft 1\n";

#[test]
fn a_page_becomes_series_as_far_as_the_patterns_keep_it() {
    let body = PAGE.len() - PAGE.windows(4).position(|w| w == b"\r\n\r\n").unwrap() - 4;
    assert_eq!(body, 97, "the example has its length");
    let port = serve(PAGE, true);
    let mut scene = Scene::of(&format!(
        "exporters:\n  all: http://localhost:{port}/metrics\n  \
         some: {{url: 'http://localhost:{port}/metrics', keep: [jobs, load], leave: 'queue=\"b\"', every: 1s}}\n"
    ));
    scene.until(|scene| scene.result("all").is_some() && scene.result("some").is_some());
    scene.until(|scene| scene.values.contains_key("exporter.some.up"));
    let names: Vec<&String> =
        scene.values.keys().filter(|k| k.starts_with("exporter.some")).collect();
    assert_eq!(
        names,
        ["exporter.some.node_load1", "exporter.some.queue=a.jobs_total", "exporter.some.up"]
    );
    assert_eq!(scene.values["exporter.all.queue=b.jobs_total"], [9.0]);
    let all = scene.result("all").unwrap();
    assert_eq!(all.status, Status::Ok);
    assert!(all.text.starts_with("4 samples in "), "{}", all.text);
}

#[test]
fn an_exporter_that_is_away_silent_or_endless_is_critical_and_holds_nobody_up() {
    let silent = serve(b"", true);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endless = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while stream.write_all(&[b'a'; 8192]).is_ok() {}
    });
    let mut scene = Scene::of(&format!(
        "exporters:\n  closed: http://localhost:{closed}/metrics\n  \
         silent: {{url: 'http://localhost:{silent}/metrics', timeout: 500ms}}\n  \
         endless: {{url: 'http://127.0.0.1:{endless}/metrics'}}\nplugins: {{fine: {{command: echo fine, every: 1s}}}}\n"
    ));
    let all = ["closed", "silent", "endless", "fine"];
    scene.until(|scene| all.iter().all(|check| scene.result(check).is_some()));
    let text = |check: &str| scene.result(check).unwrap().text.clone();
    assert!(text("closed").contains("refused"), "{}", text("closed"));
    assert_eq!(text("silent"), "no page: no answer within 500ms");
    assert!(text("endless").contains("more than 4194304 bytes"), "{}", text("endless"));
    for check in &all[..3] {
        assert_eq!(scene.result(check).unwrap().status, Status::Critical);
    }
    scene.until(|scene| scene.values.contains_key("exporter.silent.up"));
    assert_eq!(scene.values["exporter.closed.up"], [0.0]);
}

#[test]
fn wrong_settings_are_said() {
    for (text, said) in [
        ("exporters: {x: 'https://localhost/'}\n", "encrypted ones are not read"),
        ("exporters: {x: {url: 'http://example.net/'}}\n", "names are not looked up"),
        ("exporters: {x: {}}\n", "`url` is missing"),
        ("exporters: {x: {url: 'http://localhost/', keep: '('}}\n", "this pattern is wrong"),
    ] {
        let found = read(text).1;
        assert!(found.contains(said) && found.contains("hark.yaml:"), "{text}: {found}");
    }
}
