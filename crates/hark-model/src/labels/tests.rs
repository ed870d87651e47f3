use proptest::prelude::*;

use super::*;

fn host() -> HostName {
    HostName::new("web1").unwrap()
}

fn shown(name: &SeriesName, kind: MetricKind) -> String {
    let (metric, labels) = to_labels(&host(), name, kind);
    let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    format!("{metric}{{{}}}", labels.join(","))
}

#[test]
fn own_series_are_called_after_their_collector() {
    use MetricKind::{Counter, Gauge};
    let at = r#"host="web1",instance="web1",job="hark""#;
    for (collector, instance, metric, kind, expected) in [
        ("cpu_monitor", "", "load_1min", Gauge, format!("hark_cpu_load_1min{{{at}}}")),
        ("disk_monitor", "/var", "percent", Gauge, {
            format!("hark_disk_percent{{{at},name=\"/var\"}}")
        }),
        (
            "memory_monitor",
            "",
            "oom_kills",
            Counter,
            format!("hark_memory_oom_kills_total{{{at}}}"),
        ),
        ("web", "", "hits_total", Counter, format!("hark_web_hits_total{{{at}}}")),
        ("statsd", "", "page.views-1", Gauge, format!("hark_statsd_page_views_1{{{at}}}")),
        ("rtt", "", "é", Gauge, format!("hark_rtt__{{{at}}}")),
    ] {
        assert_eq!(shown(&SeriesName::of(collector, instance, metric), kind), expected);
    }
}

#[test]
fn foreign_series_keep_their_names_and_get_what_is_missing() {
    for (collector, instance, metric, expected) in [
        ("exporter", "node", "up", r#"up{host="web1",instance="web1",job="node"}"#),
        (
            "exporter",
            "node.mode=idle,cpu=0",
            "node_cpu_seconds_total",
            r#"node_cpu_seconds_total{cpu="0",host="web1",instance="web1",job="node",mode="idle"}"#,
        ),
        (
            "prometheus",
            "a.b.instance=web1:9100,job=x",
            "up",
            r#"up{host="web1",instance="web1:9100",job="x"}"#,
        ),
        (
            "otlp",
            "shop.host=pod7",
            "up",
            r#"up{exported_host="pod7",host="web1",instance="web1",job="shop"}"#,
        ),
        // As agents wrote it before there was an escape.
        (
            "exporter",
            r"m.path=C:\DIR\FILE.TXT,error=a, b",
            "x",
            r#"x{error="a, b",host="web1",instance="web1",job="m",path="C:\\DIR\\FILE.TXT"}"#,
        ),
    ] {
        let name = SeriesName::of(collector, instance, metric);
        assert_eq!(shown(&name, MetricKind::Gauge), expected);
        assert_eq!(shown(&name, MetricKind::Counter), expected, "the name is theirs");
    }
}

#[test]
fn labels_become_text_that_does_not_look_like_another() {
    let labels = [("b.c", "x=y,z\\"), ("a", "1\n2\u{202e}"), ("__name__", "up"), ("d", "")];
    let name = from_labels(Foreign::Influx, &host(), "my=db", "up", labels).unwrap();
    assert_eq!(name.collector, "influx");
    assert_eq!(name.instance, r"my\=db.a=1\n2\u{202e},b\.c=x\=y\,z\\");
    assert!(name.check().is_ok(), "a threshold can be set on it");
}

#[test]
fn what_is_implied_is_not_written() {
    let labels = [("host", "web1"), ("instance", "web1"), ("job", "node"), ("a", "b")];
    let name = from_labels(Foreign::Prometheus, &host(), "node", "up", labels).unwrap();
    assert_eq!(name, SeriesName::of("prometheus", "node.a=b", "up"));
    let labels = [("host", "db"), ("instance", "db:1"), ("job", "other")];
    let name = from_labels(Foreign::Prometheus, &host(), "node", "up", labels).unwrap();
    assert_eq!(name.instance, "node.host=db,instance=db:1,job=other");
}

#[test]
fn labels_that_cannot_be_are_refused() {
    let of = |job: &str, metric: &str, labels: &[(&str, &str)]| {
        from_labels(Foreign::Otlp, &host(), job, metric, labels.iter().copied())
    };
    assert_eq!(of("a", "", &[]), Err(LabelError::Name));
    assert_eq!(of("", "a", &[]), Err(LabelError::Job));
    assert_eq!(of("a", "a", &[("x", "1"), ("x", "2")]), Err(LabelError::Twice));
    let long = "x".repeat(MAX_SERIES_NAME);
    assert!(matches!(of("a", "a", &[("x", &long)]), Err(LabelError::Long(_))));
    let names: Vec<String> = (0..=MAX_LABELS).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "1")).collect();
    assert_eq!(of("a", "a", &many), Err(LabelError::Many(MAX_LABELS + 1)));
}

#[test]
fn labels_have_an_order_and_no_empty_ones() {
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    let mut labels = Labels::new([pair("b", "1"), pair("a", "2"), pair("b", "3"), pair("c", "")]);
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
    labels.set("aa", "4");
    labels.set("a", "");
    labels.set("zz", "");
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("aa", "4"), ("b", "3")]);
    assert_eq!((labels.get("b"), labels.get("a"), labels.len()), ("3", "", 2));
}

#[test]
fn no_way_is_called_as_another() {
    for way in Foreign::ALL {
        assert_eq!(Foreign::of(way.word()), Some(way));
    }
    assert_eq!(Foreign::of("cpu_monitor"), None);
    assert_eq!(Foreign::of("exporter.node"), None, "the job is part of the instance");
}

proptest! {
    #[test]
    fn what_came_goes_out_again(
        way in 0usize..Foreign::ALL.len(),
        job in "[a-z.=\\\\,\n\u{202e}]{1,8}",
        labels in prop::collection::btree_map(
            "[a-z_.=,\\\\]{1,6}|host|job|instance",
            "[a-z0-9.=,\\\\{}\n\u{1b}\u{202e} nu]{1,10}|web1",
            0..6,
        ),
    ) {
        let given = || labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let name = from_labels(Foreign::ALL[way], &host(), &job, "m", given()).unwrap();
        prop_assert!(!name.instance.chars().any(is_hidden));
        let (metric, out) = to_labels(&host(), &name, MetricKind::Gauge);
        let mut expected = Labels::new(labels.clone());
        let theirs = expected.get(HOST).to_owned();
        if !theirs.is_empty() && theirs != "web1" {
            expected.set(EXPORTED_HOST, &theirs);
        }
        expected.set(HOST, "web1");
        for (name, value) in [(INSTANCE, "web1"), (JOB, job.as_str())] {
            if expected.get(name).is_empty() {
                expected.set(name, value);
            }
        }
        prop_assert_eq!((metric.as_str(), out), ("m", expected));
    }

    #[test]
    fn any_instance_is_read(instance in "[ab.=,\\\\nu{}0-9é]{0,40}", own in any::<bool>()) {
        let name = SeriesName::of(if own { "x_monitor" } else { "exporter" }, &instance, "m");
        let (_, labels) = to_labels(&host(), &name, MetricKind::Gauge);
        prop_assert!(labels.iter().all(|(n, v)| !n.is_empty() && !v.is_empty()));
        prop_assert_eq!(labels.get(HOST), "web1");
    }

    #[test]
    fn two_series_are_never_one(
        a in prop::collection::btree_map("[a.=]{1,2}", "[b,=\\\\]{1,3}", 0..3),
        b in prop::collection::btree_map("[a.=]{1,2}", "[b,=\\\\]{1,3}", 0..3),
        jobs in ("[j.=]{1,2}", "[j.=]{1,2}"),
    ) {
        let name = |job: &str, labels: &std::collections::BTreeMap<String, String>| {
            let labels = labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            from_labels(Foreign::Graphite, &host(), job, "m", labels).unwrap()
        };
        prop_assert_eq!(name(&jobs.0, &a) == name(&jobs.1, &b), jobs.0 == jobs.1 && a == b);
    }
}
