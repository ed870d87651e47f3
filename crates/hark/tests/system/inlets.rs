//! Programs that bring samples: the real ones of Debian.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hark_testing::free_port;
use serde_json::Value;

use crate::support::hook::Hook;
use crate::support::http::{self, Answer};
use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::{pause, until};
use crate::support::{PASSWORD, folder, write};

/// How long something may take on a busy machine.
pub(crate) const TOLD: Duration = Duration::from_mins(1);

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Returns a configuration with one source.
fn config(hook: &Hook, more: &str) -> String {
    format!(
        "receivers: {{hook: {{webhook: {{url: '{}'}}}}}}\n\
         inlets: {{sources: {{prom: {{token: '{TOKEN}', new_hosts: 2, hosts: ['web*', prom]}}}}}}\n{more}",
        hook.url()
    )
}

pub(crate) fn bring(server: &Server, path: &str, kind: &str, body: &str) -> Answer {
    let headers = [format!("Authorization: Bearer {TOKEN}")];
    http::request_as(server.http, "POST", path, &headers, Some(kind), body).unwrap()
}

/// Returns the newest values of a host, by the paths of their series.
pub(crate) fn newest(server: &Server, host: &str) -> BTreeMap<String, f64> {
    let answer = server.try_get(&format!("/api/0/hosts/{host}/metrics")).unwrap();
    let items = answer.body["items"].as_array().cloned().unwrap_or_default();
    let one = |item: &Value| Some((item["path"].as_str()?.to_owned(), item["last"].as_f64()?));
    items.iter().filter_map(one).collect()
}

/// A page with one metric, as an exporter has it.
struct Exporter {
    port: u16,
    queue: Arc<AtomicI64>,
}

impl Exporter {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let queue = Arc::new(AtomicI64::new(5));
        let shown = Arc::clone(&queue);
        let asked = Mutex::new(0);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut asked = asked.lock().unwrap();
                *asked += 1;
                let queue = shown.load(Ordering::SeqCst);
                let page = format!(
                    "# TYPE shop_queue gauge\nshop_queue{{lane=\"a\"}} {queue}.25\n\
                     # TYPE shop_orders_total counter\nshop_orders_total {asked}\n"
                );
                let mut buffer = [0; 4096];
                drop(stream.read(&mut buffer));
                let length = page.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
                     Connection: close\r\n\r\n"
                );
                drop(stream.write_all(format!("{head}{page}").as_bytes()));
            }
        });
        Self { port, queue }
    }
}

/// A real Prometheus that looks each second at `exporter` and brings what it finds to hark.
fn prometheus(folder: &Path, exporter: &Exporter, hark: u16) -> (Process, u16) {
    let settings = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n- job_name: shop\n  static_configs:\n  \
         - {{targets: ['127.0.0.1:{}'], labels: {{host: web1}}}}\n\
         remote_write:\n- url: http://127.0.0.1:{hark}/api/v1/write\n  \
         authorization: {{credentials: '{TOKEN}'}}\n  \
         queue_config: {{batch_send_deadline: 1s, max_backoff: 1s}}\n",
        exporter.port
    );
    let file = write(folder, "prometheus.yml", &settings);
    let port = free_port();
    let mut command = clean("prometheus", folder);
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    (Process::start(&mut command, folder, "prometheus"), port)
}

/// Returns every sample of `metric` that is to be had from who speaks Prometheus' API below `base`, by its
/// milliseconds, and its labels.
pub(crate) fn samples(
    (port, base): (u16, &str),
    headers: &[String],
    metric: &str,
) -> (BTreeMap<i64, f64>, Value) {
    let path = format!("{base}/api/v1/query?query={metric}%5B30m%5D");
    let Ok(answer) = http::request(port, "GET", &path, headers, None) else {
        return (BTreeMap::new(), Value::Null);
    };
    let found = &answer.body["data"]["result"][0];
    let one = |pair: &Value| {
        #[expect(clippy::cast_possible_truncation, reason = "a time of this century")]
        let at = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
        (at, pair[1].as_str().unwrap().parse().unwrap())
    };
    let values = found["values"].as_array().map_or(&[][..], Vec::as_slice);
    (values.iter().map(one).collect(), found["metric"].clone())
}

#[test]
fn what_prometheus_writes_is_kept_over_a_kill_and_watched_by_thresholds() {
    let folder = folder();
    let folder = folder.path();
    let (hook, exporter) = (Hook::start(), Exporter::start());
    let limits = "thresholds: {prometheus: {shop_queue: {warning: 10}}}\n";
    let mut start = Start::new("server", folder).config(&config(&hook, limits));
    let mut server = start.go();
    server.set_up(PASSWORD);
    let (_prometheus, port) = prometheus(folder, &exporter, server.http);
    let series = format!("prometheus.shop.instance=127.0.0.1:{},lane=a.shop_queue", exporter.port);
    until("the first samples", TOLD, || newest(&server, "web1").get(&series).copied());
    assert_eq!(newest(&server, "web1")[&series].to_bits(), 5.25f64.to_bits());

    // Killed while samples come: Prometheus brings again what was not acknowledged.
    server.process.kill();
    pause(Duration::from_secs(3));
    start.ports = (server.http, server.udp);
    server = start.go();
    exporter.queue.store(50, Ordering::SeqCst);
    let told = until("the message", TOLD, || hook.calls().first().cloned());
    assert_eq!((told.text("host"), told.text("status")), ("web1", "warning"), "{}", told.body);
    assert!(told.body.to_string().contains("50.25"), "{}", told.body);
    exporter.queue.store(2, Ordering::SeqCst);
    let over = until("its end", TOLD, || hook.calls().get(1).cloned());
    assert_eq!(over.text("status"), "ok", "{}", over.body);

    // Every sample that Prometheus has is there, with its time, its value, and the labels it came with.
    let (there, labels) = samples((port, ""), &[], "shop_queue");
    let bearer = [format!("Authorization: Bearer {}", server.token().unwrap())];
    let here = || samples((server.http, "/prometheus"), &bearer, "shop_queue");
    let is_here = |sample: (&i64, &f64)| here().0.get(sample.0) == Some(sample.1);
    until("the last sample", TOLD, || is_here(there.last_key_value()?).then_some(()));
    let (here, our_labels) = here();
    let missing: Vec<_> = there.iter().filter(|(at, v)| here.get(at) != Some(v)).collect();
    assert!(there.len() > 3 && missing.is_empty(), "{missing:?} of {there:?}, here: {here:?}");
    assert_eq!((&our_labels, &labels["lane"]), (&labels, &Value::from("a")));
}

#[test]
fn what_a_source_may_not_is_refused_and_the_rest_is_taken() {
    let folder = folder();
    let folder = folder.path();
    let hook = Hook::start();
    let mut server = Start::new("server", folder).config(&config(&hook, "")).go();
    server.set_up(PASSWORD);
    let lines = "load,host=web1 value=1.5\nload,host=web2 value=2\nload,host=web3 value=3\n\
                 load,host=db1 value=4\nload value=5\nnonsense\n";
    let answer = bring(&server, "/write?db=telegraf", "text/plain", lines);
    assert_eq!(answer.status, 400, "{}", answer.text);
    let error = answer.body["error"].as_str().unwrap();
    for wanted in ["partial write", "(db1)", "not a line of this format (nonsense)"] {
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    // Two of three: hosts are taken in the order of their names.
    let known = |host: &str| newest(&server, host).get("influx.telegraf.load").copied();
    assert_eq!([known("prom"), known("web1"), known("web2")], [Some(5.0), Some(1.5), None]);
    assert!(error.contains("(web2)"), "{error}");

    // What is of another time is not taken, and says of which host it is.
    let lines = "load,host=web1 value=8 4102444800000000000\nload,host=web1 value=9 1\n";
    let answer = bring(&server, "/write?db=telegraf", "text/plain", lines);
    assert_eq!(answer.status, 400, "{}", answer.text);
    let wanted = "2 samples: older than samples are kept, or in the future (web1)";
    assert!(answer.text.contains(wanted), "{}", answer.text);
    assert_eq!(newest(&server, "web1")["influx.telegraf.load"].to_bits(), 1.5f64.to_bits());
    let bearer = format!("Authorization: Bearer {}", server.token().unwrap());
    let figures = http::request(server.http, "GET", "/metrics", &[bearer], None).unwrap().text;
    let wanted = "hark_inlet_refused_total{source=\"prom\",reason=\"time\"} 2\n";
    assert!(figures.contains(wanted), "{figures}");

    let otlp = r#"{"resourceMetrics":[{"resource":{"attributes":[
        {"key":"host.name","value":{"stringValue":"web1"}},
        {"key":"service.name","value":{"stringValue":"shop"}}]},
        "scopeMetrics":[{"metrics":[{"name":"orders","sum":{"isMonotonic":true,
        "aggregationTemporality":1,"dataPoints":[{"asInt":"7"}]}},
        {"name":"lanes","gauge":{"dataPoints":[{"asInt":"7"}]}}]}]}]}"#;
    let answer = bring(&server, "/v1/metrics", "application/json", otlp);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.body["partialSuccess"]["rejectedDataPoints"], "1", "{}", answer.text);
    assert_eq!(newest(&server, "web1")["otlp.shop.lanes"].to_bits(), 7f64.to_bits());

    for (path, kind, status) in [
        ("/api/v1/write", "application/x-protobuf", 400),
        ("/api/v1/write", "application/json", 415),
        ("/v1/metrics", "text/plain", 415),
        ("/write?precision=d", "text/plain", 400),
    ] {
        let answer = bring(&server, path, kind, "\u{1}\u{2}");
        assert_eq!(answer.status, status, "{path} {kind}: {}", answer.text);
    }
    let nobody =
        http::request_as(server.http, "POST", "/write", &[], Some("text/plain"), "a value=1");
    assert_eq!(nobody.unwrap().status, 401);
}

#[test]
fn graphites_lines_come_from_collectd_and_prometheus_reads_what_hark_has() {
    let folder = folder();
    let folder = folder.path();
    let port = free_port();
    let config = format!(
        "inlets: {{graphite: {{listen: '127.0.0.1:{port}', templates: 'servers.host.measurement*', new_hosts: 1}}}}\n"
    );
    let mut server = Start::new("server", folder).config(&config).go();
    server.set_up(PASSWORD);
    let settings = format!(
        "Hostname \"web1\"\nFQDNLookup false\nInterval 1\nPIDFile \"{0}/collectd.pid\"\nBaseDir \"{0}\"\n\
         LoadPlugin load\nLoadPlugin write_graphite\n<Plugin write_graphite>\n<Node hark>\n\
         Host \"127.0.0.1\"\nPort \"{port}\"\nProtocol \"tcp\"\nPrefix \"servers.\"\n</Node>\n</Plugin>\n",
        folder.display()
    );
    let file = write(folder, "collectd.conf", &settings);
    let mut command = clean("/usr/sbin/collectd", folder);
    let _collectd = Process::start(command.arg("-f").arg("-C").arg(file), folder, "collectd");
    until("the first values", TOLD, || {
        let all = newest(&server, "web1");
        all.get("graphite.graphite.load.load.shortterm").copied()
    });

    let bearer = format!("Authorization: Bearer {}", server.token().unwrap());
    for (path, wanted) in [
        ("/metrics", "hark_inlet_samples_total{source=\"graphite\"} "),
        (
            "/metrics/hosts",
            "load_load_shortterm{host=\"web1\",instance=\"web1\",job=\"graphite\"} ",
        ),
        ("/metrics/hosts?match[]=load*&timestamps=true", "load_load_shortterm{host=\"web1\""),
    ] {
        let text = http::request(server.http, "GET", path, std::slice::from_ref(&bearer), None)
            .unwrap()
            .text;
        assert!(text.contains(wanted), "{path}: {text}");
        assert!(text.ends_with("# EOF\n"), "{path}");
    }
    let nobody = http::request(server.http, "GET", "/metrics/hosts", &[], None).unwrap();
    assert_eq!(nobody.status, 401);

    // A real Prometheus reads it as one of its targets.
    let settings = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: hark\n  \
         metrics_path: /metrics/hosts\n  honor_labels: true\n  authorization: {{credentials: '{}'}}\n  \
         static_configs:\n  - {{targets: ['127.0.0.1:{}']}}\n",
        server.token().unwrap(),
        server.http
    );
    let file = write(folder, "prometheus.yml", &settings);
    let there = free_port();
    let mut command = clean("prometheus", folder);
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{there}"));
    let _prometheus = Process::start(&mut command, folder, "prometheus");
    until("the values in Prometheus", TOLD, || {
        let path = "/api/v1/query?query=load_load_shortterm";
        let answer = http::request(there, "GET", path, &[], None).ok()?.body;
        let labels = &answer["data"]["result"][0]["metric"];
        (labels["host"] == "web1" && labels["job"] == "graphite").then_some(())
    });
}
