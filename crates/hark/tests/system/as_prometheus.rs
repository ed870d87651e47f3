//! hark asked as a Prometheus, request by request, beside a real one that was written the same samples: by the
//! requests that Grafana's data source makes, with what dashboards of `node_exporter` ask.
//!
//! Left out is what is said to be otherwise in docs/query.md, and words of errors for people.

mod written;

use std::fmt::Write as _;
use std::path::Path;

use hark_testing::free_port;
use serde_json::{Value, json};

use self::written::{END, Node, START, write_request};
use crate::inlets::{TOKEN, TOLD};
use crate::support::http::{self, Answer};
use crate::support::process::{Process, clean};
use crate::support::server::{Server, Start};
use crate::support::wait::until;
use crate::support::{PASSWORD, folder, write};

/// What dashboards ask, a line each; `NODE` and `RATE` stand for what Grafana puts there.
const EXPRESSIONS: &str = include_str!("as_prometheus/expressions.txt");

/// Floats are added in another order where groups are.
const TOLERANCE: f64 = 1e-9;

/// hark and Prometheus, with the same samples.
struct Both {
    hark: Server,
    bearer: String,
    theirs: u16,
    _prometheus: Process,
}

/// What is asked of both: a path below `/api/v1/`, parameters, and whether they go as a form.
struct Asked<'a> {
    path: &'a str,
    parameters: &'a [(&'a str, &'a str)],
    is_form: bool,
}

fn encoded(parameters: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        if !text.is_empty() {
            text.push('&');
        }
        for (part, end) in [(name, "="), (value, "")] {
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() {
                    text.push(char::from(byte));
                } else {
                    let _written = write!(text, "%{byte:02X}");
                }
            }
            text.push_str(end);
        }
    }
    text
}

impl Both {
    fn start(folder: &Path) -> Self {
        let port = free_port();
        let file = write(folder, "prometheus.yml", "global: {scrape_interval: 1m}\n");
        let mut command = clean("prometheus", folder);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.arg("--web.enable-remote-write-receiver");
        let prometheus = Process::start(&mut command, folder, "prometheus");
        let config = format!("inlets: {{sources: {{node: {{token: '{TOKEN}', new_hosts: 5}}}}}}\n");
        let mut hark = Start::new("server", folder).config(&config).go();
        hark.set_up(PASSWORD);
        until("Prometheus", TOLD, || {
            let answer = http::request(port, "GET", "/-/ready", &[], None).ok()?;
            (answer.status == 200).then_some(())
        });
        let bearer = format!("Authorization: Bearer {}", hark.token().unwrap());
        let both = Self { hark, bearer, theirs: port, _prometheus: prometheus };
        let end = jiff::Timestamp::now().as_second() * 1000;
        for body in written::requests(end - (END - START)) {
            let token = format!("Authorization: Bearer {TOKEN}");
            for (port, headers) in [(both.theirs, &[][..]), (both.hark.http, &[token][..])] {
                let answer = write_request(port, headers, &body).unwrap();
                assert!(matches!(answer.status, 200 | 204), "{}: {}", answer.status, answer.text);
            }
        }
        both
    }

    /// Asks both; hark's answer comes first.
    fn ask(&self, asked: &Asked<'_>) -> [Answer; 2] {
        let text = encoded(asked.parameters);
        let bearer = std::slice::from_ref(&self.bearer);
        [(self.hark.http, "/prometheus", bearer), (self.theirs, "", &[])].map(
            |(port, base, headers)| {
                let path = format!("{base}/api/v1/{}", asked.path);
                let kind = Some("application/x-www-form-urlencoded");
                let answer = if asked.is_form {
                    http::request_as(port, "POST", &path, headers, kind, &text)
                } else {
                    http::request(port, "GET", &format!("{path}?{text}"), headers, None)
                };
                answer.unwrap_or_else(|e| panic!("{path} {text}: {e}"))
            },
        )
    }

    /// Asks both and compares; returns Prometheus' answer, and what is otherwise.
    fn compare(&self, asked: &Asked<'_>) -> (Value, Option<String>) {
        let [ours, theirs] = self.ask(asked);
        let mut wrong = None;
        if ours.status != theirs.status
            || ours.header("content-type") != theirs.header("content-type")
        {
            wrong = Some(format!("{} for {}", ours.head, theirs.head));
        } else if let Some(text) = difference(&ours.body, &theirs.body) {
            wrong = Some(text);
        }
        let wrong = wrong.map(|text| {
            let (path, form) = (asked.path, if asked.is_form { "POST" } else { "GET" });
            format!(
                "{form} {path} {:?}: {text}\n  {}\n  {}\n",
                asked.parameters,
                short(&ours),
                short(&theirs)
            )
        });
        (theirs.body, wrong)
    }
}

fn short(answer: &Answer) -> String {
    answer.text.chars().take(400).collect()
}

/// Returns where two answers differ: floats that are texts may by a last digit, the words of an error may,
/// and lines of an instant vector may stand in another order.
fn difference(ours: &Value, theirs: &Value) -> Option<String> {
    if theirs["status"] == "error" {
        let is_same = ours["status"] == "error"
            && ours["errorType"] == theirs["errorType"]
            && ours["error"].as_str().is_some_and(|text| !text.is_empty());
        return (!is_same).then(|| "another error".to_owned());
    }
    let sorted = |answer: &Value| {
        let mut answer = answer.clone();
        if let Some(lines) = answer.pointer_mut("/data/result").and_then(Value::as_array_mut) {
            // Scalars and texts are pairs.
            if lines.iter().all(Value::is_object) {
                lines.sort_by_cached_key(|line| line["metric"].to_string());
            }
        }
        answer
    };
    differs(&sorted(ours), &sorted(theirs), "")
}

fn differs(ours: &Value, theirs: &Value, place: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            if !a.keys().eq(b.keys()) {
                return Some(format!("{place}: other keys"));
            }
            a.iter().find_map(|(key, value)| differs(value, &b[key], &format!("{place}/{key}")))
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Some(format!("{place}: {} for {}", a.len(), b.len()));
            }
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(n, (a, b))| differs(a, b, &format!("{place}/{n}")))
        }
        (Value::String(a), Value::String(b)) if a != b && !place.contains("/metric") => {
            let near = |a: &str, b: &str| {
                let (a, b): (f64, f64) = (a.parse().ok()?, b.parse().ok()?);
                ((a - b).abs() <= TOLERANCE * a.abs().max(b.abs())).then_some(())
            };
            near(a, b).is_none().then(|| format!("{place}: {a} for {b}"))
        }
        (a, b) => (a != b).then(|| format!("{place}: {a} for {b}")),
    }
}

#[test]
fn every_request_is_answered_as_prometheus_answers_it() {
    let folder = folder();
    let both = Both::start(folder.path());
    let end = jiff::Timestamp::now().as_second();
    let now = end.to_string();
    until("the last samples", TOLD, || {
        let asked = Asked {
            path: "query",
            parameters: &[("query", "count({job='node'})"), ("time", &now)],
            is_form: false,
        };
        let (theirs, wrong) = both.compare(&asked);
        (wrong.is_none() && theirs["data"]["result"][0].is_object()).then_some(())
    });
    let mut wrong = String::new();
    for check in [expressions, lists, mistakes, others] {
        check(&both, end, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn note(wrong: &mut String, (theirs, text): (Value, Option<String>)) -> Value {
    wrong.push_str(text.as_deref().unwrap_or_default());
    theirs
}

/// What panels ask: at one time, and over a time, as Grafana's data source asks it.
fn expressions(both: &Both, end: i64, wrong: &mut String) {
    let (at, start) = ((end - 60).to_string(), (end - 1500).to_string());
    let (mut n, mut filled) = (0, 0);
    for line in EXPRESSIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let text = line
            .replace("NODE", &format!("instance=\"{}\",job=\"node\"", Node::FIRST))
            .replace("RATE", "1m0s");
        let instant = [("query", text.as_str()), ("time", &at)];
        let range = [("query", text.as_str()), ("start", &start), ("end", &at), ("step", "15")];
        for (path, parameters, is_form) in [
            ("query", &instant[..], true),
            ("query", &instant[..], false),
            ("query_range", &range[..], true),
        ] {
            let theirs = note(wrong, both.compare(&Asked { path, parameters, is_form }));
            let result = &theirs["data"]["result"];
            n += 1;
            filled += usize::from(result.as_array().is_some_and(|lines| !lines.is_empty()));
        }
    }
    assert!(n > 200, "{n} were asked");
    assert!(filled * 100 > n * 95, "{filled} of {n} have an answer: the others prove little");
}

/// What Grafana fills its lists of, and its editor.
fn lists(both: &Both, end: i64, wrong: &mut String) {
    let (start, end) = ((end - 3600).to_string(), end.to_string());
    let times = [("start", start.as_str()), ("end", end.as_str())];
    let load = ("match[]", "node_load1");
    let cpu = ("match[]", "node_cpu_seconds_total{mode=~\"idle|user\"}");
    let all = ("match[]", "{job=\"node\"}");
    let nobody = ("match[]", "{job=\"nobody\"}");
    for (path, matches) in [
        ("labels", &[][..]),
        ("labels", &[load]),
        ("labels", &[load, cpu]),
        ("series", &[load]),
        ("series", &[load, cpu]),
        ("series", &[nobody]),
        ("label/instance/values", &[all]),
        ("label/instance/values", &[]),
        ("label/__name__/values", &[]),
        ("label/__name__/values", &[all]),
        ("label/mode/values", &[cpu]),
        ("label/nothing/values", &[]),
        ("label/job/values", &[("match[]", "node_uname_info")]),
    ] {
        let parameters: Vec<(&str, &str)> =
            times.into_iter().chain(matches.iter().copied()).collect();
        for is_form in [false, true] {
            // Grafana asks for values by GET alone, and so does Prometheus answer.
            if !(is_form && path.starts_with("label/")) {
                note(wrong, both.compare(&Asked { path, parameters: &parameters, is_form }));
            }
        }
    }
}

/// What cannot be: the same kind of error with the same status.
fn mistakes(both: &Both, end: i64, wrong: &mut String) {
    let now = end.to_string();
    let range =
        |query, step| [("query", query), ("start", "0"), ("end", now.as_str()), ("step", step)];
    for (path, parameters) in [
        ("query", &[("query", "sum(")][..]),
        ("query", &[("query", "nothing_like_that(up)")]),
        ("query", &[("query", "node_load1 + ")]),
        ("query", &[("query", "rate(node_load1)")]),
        ("query", &[("query", "node_load1[5m")]),
        ("query", &[]),
        ("query", &[("query", "")]),
        ("query", &[("query", "up"), ("time", "yesterday")]),
        ("query", &[("query", "up"), ("timeout", "soon")]),
        ("query", &[("query", "node_cpu_seconds_total * on (instance) node_cpu_seconds_total")]),
        ("query", &[("query", "label_replace(node_load1, 'a-b', '', '', '')")]),
        ("query_range", &[("query", "up")]),
        ("query_range", &[("query", "up"), ("start", "10"), ("end", "5"), ("step", "1")]),
        ("query_range", &[("query", "up"), ("start", "0"), ("end", "5"), ("step", "0")]),
        ("query_range", &[("query", "up"), ("start", "0"), ("end", "5"), ("step", "-1")]),
        ("query_range", &[("query", "up"), ("start", "a"), ("end", "5"), ("step", "1")]),
        ("query_range", &[("query", "up"), ("start", "0"), ("end", "5"), ("step", "wide")]),
        ("query_range", &range("up", "1")),
        ("query_range", &[("query", "up[5m]"), ("start", "0"), ("end", "5"), ("step", "1")]),
        ("query_range", &[("query", "'text'"), ("start", "0"), ("end", "5"), ("step", "1")]),
        ("series", &[]),
        ("series", &[("match[]", "")]),
        ("series", &[("match[]", "{")]),
        ("series", &[("match[]", "{job=~\"(\"}")]),
        ("series", &[("match[]", "{}")]),
        ("series", &[("match[]", "up"), ("start", "never")]),
        ("labels", &[("match[]", "sum(up)")]),
        ("labels", &[("end", "never")]),
        ("label/a-b/values", &[]),
        ("label/job/values", &[("match[]", "{")]),
        ("metadata", &[("limit", "some")]),
        ("query_exemplars", &[("query", "up{")]),
        ("query_exemplars", &[("query", "up"), ("start", "never")]),
    ] {
        let theirs = note(wrong, both.compare(&Asked { path, parameters, is_form: false }));
        if theirs["status"] != "error" {
            let _written = writeln!(wrong, "{path} {parameters:?}: is no mistake: {theirs}");
        }
    }
}

/// What else Grafana asks for.
fn others(both: &Both, end: i64, wrong: &mut String) {
    let now = end.to_string();
    let exact = |path: &str, parameters: &[(&str, &str)], wrong: &mut String| {
        note(wrong, both.compare(&Asked { path, parameters, is_form: false }));
    };
    // The health check of the data source.
    exact("query", &[("query", "1+1"), ("time", "4")], wrong);
    exact("query", &[("query", "1+1"), ("time", "1970-01-01T00:00:04Z")], wrong);
    exact("query", &[("query", "'a text'"), ("time", &now)], wrong);
    exact("query", &[("query", "node_load1[2m]"), ("time", &now)], wrong);
    exact("query", &[("query", "vector(1e21) or vector(1) * 1e-7"), ("time", &now)], wrong);
    exact("query", &[("query", "vector(0.0000001)"), ("time", &now)], wrong);
    exact("query", &[("query", "vector(-1/0)"), ("time", &now)], wrong);
    exact("query", &[("query", "vector(0/0)"), ("time", "4.125")], wrong);
    exact("query_exemplars", &[("query", "node_load1"), ("start", "0"), ("end", &now)], wrong);
    exact("rules", &[], wrong);
    exact("rules", &[("type", "alert")], wrong);
    // As these are of the one and the other, their shape alone.
    for path in ["status/buildinfo", "metadata", "alerts"] {
        let [ours, theirs] = both.ask(&Asked { path, parameters: &[], is_form: false });
        assert_eq!((ours.status, &ours.body["status"]), (200, &json!("success")), "{path}");
        let keys = |answer: &Answer| {
            let data = answer.body["data"].as_object().unwrap();
            data.keys().cloned().collect::<Vec<_>>()
        };
        if path != "metadata" {
            assert_eq!(keys(&ours), keys(&theirs), "{path}");
        }
    }
    // Prometheus knows types of what it has scraped itself alone.
    let [ours, _] = both.ask(&Asked {
        path: "metadata",
        parameters: &[("metric", "node_load1")],
        is_form: false,
    });
    assert_eq!(ours.body["data"]["node_load1"][0]["type"], "gauge", "{}", ours.text);
    let path = "/prometheus/api/v1/query?query=1%2B1";
    let password = base64(&format!("grafana:{}", both.hark.token().unwrap()));
    for (header, status) in [
        (both.bearer.clone(), 200),
        (format!("Authorization: Basic {password}"), 200),
        (format!("Authorization: Basic {}", base64("grafana:guessed")), 401),
        ("Authorization: Bearer guessed".to_owned(), 401),
        ("X-Nothing: a".to_owned(), 401),
    ] {
        let answer =
            http::request(both.hark.http, "GET", path, std::slice::from_ref(&header), None);
        assert_eq!(answer.unwrap().status, status, "{header}");
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
