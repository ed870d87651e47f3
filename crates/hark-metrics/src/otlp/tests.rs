use hark_model::HostName;
use hark_model::labels::to_labels;
use proptest::prelude::*;

use super::*;
use crate::wire::Writer;

fn naming() -> Naming {
    let mut naming = Naming::new(HostName::new("collector").unwrap(), "src");
    naming.keep_attributes = vec!["deployment.environment".to_owned()];
    naming
}

fn shown(batch: &Batch) -> Vec<String> {
    let mut lines = Vec::new();
    for of in &batch.hosts {
        for point in &of.points {
            let series = &of.series[point.series];
            let (metric, labels) = to_labels(&of.host, &series.name, series.kind);
            let labels = labels.iter().filter(|(name, _)| *name != "host");
            let labels: Vec<String> = labels.map(|(n, v)| format!("{n}={v}")).collect();
            let at = point.at.map_or("now".to_owned(), |at| at.0.to_string());
            let kind = if series.kind == MetricKind::Counter { "counts" } else { "is" };
            lines.push(format!(
                "{} {metric}{{{}}} {kind} {} {at}",
                of.host,
                labels.join(","),
                point.value
            ));
        }
    }
    lines.extend(
        batch.refused.iter().map(|(why, n, example)| format!("{n} {} {example}", why.word())),
    );
    lines
}

const JSON: &str = r#"{"resourceMetrics":[{
  "resource":{"attributes":[
    {"key":"host.name","value":{"stringValue":"web1"}},
    {"key":"service.name","value":{"stringValue":"shop"}},
    {"key":"service.namespace","value":{"stringValue":"eu"}},
    {"key":"service.instance.id","value":{"stringValue":"7"}},
    {"key":"deployment.environment","value":{"stringValue":"live"}},
    {"key":"process.pid","value":{"intValue":"1"}}]},
  "scopeMetrics":[{"scope":{"name":"x"},"metrics":[
    {"name":"queue.length","gauge":{"dataPoints":[
      {"asInt":"-3","timeUnixNano":"1700000000000000000","attributes":[{"key":"lane","value":{"stringValue":"a"}}]},
      {"flags":1,"timeUnixNano":"1700000000000000000"}]}},
    {"name":"requests","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[
      {"asDouble":4.5,"timeUnixNano":1700000000000000000}]}},
    {"name":"growth","sum":{"isMonotonic":true,"aggregationTemporality":"AGGREGATION_TEMPORALITY_DELTA",
      "dataPoints":[{"asDouble":1}]}},
    {"name":"took","histogram":{"aggregationTemporality":2,"dataPoints":[
      {"count":"6","sum":2.5,"min":0.1,"bucketCounts":["1","2","3"],"explicitBounds":[0.5,1]}]}},
    {"name":"odd","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
      {"count":2,"sum":8,"scale":1,"positive":{"offset":1,"bucketCounts":["1","1"]}}]}},
    {"name":"old","summary":{"dataPoints":[
      {"count":2,"sum":8,"quantileValues":[{"quantile":0.5,"value":"NaN"},{"quantile":0.99,"value":5}]}]}},
    {"name":"nothing","gauge":{"dataPoints":[{}]}}
  ]}]}]}"#;

fn expected() -> Vec<String> {
    let own = "deployment.environment=live,instance=7,job=eu/shop";
    let line =
        |metric: &str, more: &str, rest: &str| format!("web1 {metric}{{{own}{more}}} {rest}");
    let with_le =
        |bound: &str, rest: &str| format!("web1 took_bucket{{{own},le={bound}}} counts {rest} now");
    vec![
        line("took_count", "", "counts 6 now"),
        line("took_sum", "", "counts 2.5 now"),
        line("took_min", "", "is 0.1 now"),
        with_le("0.5", "1"),
        with_le("1.0", "3"),
        with_le("+Inf", "6"),
        line("odd_count", "", "counts 2 now"),
        line("odd_sum", "", "counts 8 now"),
        line("old", ",quantile=0.5", "is NaN now"),
        line("old", ",quantile=0.99", "is 5 now"),
        line("old_count", "", "counts 2 now"),
        line("old_sum", "", "counts 8 now"),
        line("queue.length", ",lane=a", "is -3 1700000000000"),
        line("queue.length", "", "is NaN 1700000000000"),
        line("requests", "", "counts 4.5 1700000000000"),
        r#"1 value nothing{deployment.environment="live",instance="7"}"#.to_owned(),
        r#"1 delta growth{deployment.environment="live",instance="7"}"#.to_owned(),
    ]
}

#[test]
fn every_kind_of_metric_is_read_from_json() {
    let batch = read_json(JSON.as_bytes(), &naming()).unwrap();
    assert_eq!(shown(&batch), expected());
}

const AT: u64 = 1_700_000_000_000_000_000;

fn attribute(writer: &mut Writer, field: u32, name: &str, value: &str) {
    writer.message(field, |w| {
        w.bytes(1, name.as_bytes());
        w.message(2, |w| w.bytes(1, value.as_bytes()));
    });
}

fn fixed(writer: &mut Writer, field: u32, value: u64) {
    writer.double(field, f64::from_bits(value));
}

fn metric(writer: &mut Writer, name: &str, data: u32, write: impl FnOnce(&mut Writer)) {
    writer.message(2, |w| {
        w.bytes(1, name.as_bytes());
        w.message(data, write);
    });
}

fn resource(w: &mut Writer) {
    for (name, value) in [
        ("host.name", "web1"),
        ("service.name", "shop"),
        ("service.namespace", "eu"),
        ("service.instance.id", "7"),
        ("deployment.environment", "live"),
    ] {
        attribute(w, 1, name, value);
    }
    w.message(1, |w| {
        w.bytes(1, b"process.pid");
        w.message(2, |w| w.varint(3, 1));
    });
}

fn numbers(w: &mut Writer) {
    metric(w, "queue.length", 5, |w| {
        w.message(1, |w| {
            fixed(w, 6, (-3i64).cast_unsigned());
            fixed(w, 3, AT);
            attribute(w, 7, "lane", "a");
        });
        w.message(1, |w| {
            w.varint(8, 1);
            fixed(w, 3, AT);
        });
    });
    metric(w, "requests", 7, |w| {
        w.varint(2, 2);
        w.varint(3, 1);
        w.message(1, |w| {
            w.double(4, 4.5);
            fixed(w, 3, AT);
        });
    });
    metric(w, "growth", 7, |w| {
        w.message(1, |w| w.double(4, 1.0));
        w.varint(2, 1);
    });
}

fn distributions(w: &mut Writer) {
    metric(w, "took", 9, |w| {
        w.varint(2, 2);
        w.message(1, |w| {
            fixed(w, 4, 6);
            w.double(5, 2.5);
            w.double(11, 0.1);
            for n in [1, 2, 3] {
                fixed(w, 6, n);
            }
            let bounds: Vec<u8> = [0.5f64, 1.0].iter().flat_map(|b| b.to_le_bytes()).collect();
            w.bytes(7, &bounds);
        });
    });
    metric(w, "odd", 10, |w| {
        w.varint(2, 2);
        w.message(1, |w| {
            fixed(w, 4, 2);
            w.double(5, 8.0);
            w.message(8, |w| w.packed(2, [1, 1]));
        });
    });
    metric(w, "old", 11, |w| {
        w.message(1, |w| {
            fixed(w, 4, 2);
            w.double(5, 8.0);
            for (quantile, value) in [(0.5, f64::NAN), (0.99, 5.0)] {
                w.message(6, |w| {
                    w.double(1, quantile);
                    w.double(2, value);
                });
            }
        });
    });
    metric(w, "nothing", 5, |w| w.message(1, |_| ()));
}

/// Writes the same request as [`JSON`] by the numbers of its fields.
fn as_protobuf() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.message(1, |w| {
        w.message(1, resource);
        w.message(2, |w| {
            numbers(w);
            distributions(w);
        });
    });
    writer.finish()
}

#[test]
fn every_kind_of_metric_is_read_from_protocol_buffers() {
    let batch = read(&as_protobuf(), &naming()).unwrap();
    assert_eq!(shown(&batch), expected());
}

#[test]
fn buckets_are_left_out_where_they_are_not_wanted() {
    let naming = Naming { buckets: false, ..naming() };
    let batch = read(&as_protobuf(), &naming).unwrap();
    assert!(!shown(&batch).iter().any(|line| line.contains("bucket")), "{:?}", shown(&batch));
}

#[test]
fn a_histogram_with_a_million_buckets_is_refused() {
    let mut writer = Writer::default();
    writer.message(1, |w| {
        w.message(2, |w| {
            w.message(2, |w| {
                w.bytes(1, b"took");
                w.message(9, |w| w.message(1, |w| w.bytes(6, &vec![0; 8_000_000])));
            });
        });
    });
    let batch = read(&writer.finish(), &naming()).unwrap();
    assert_eq!((batch.samples, batch.refused.total()), (0, 1));
}

#[test]
fn what_is_no_request_is_refused() {
    for body in ["", "[]", "{", "7", "\"\""] {
        assert!(
            matches!(read_json(body.as_bytes(), &naming()), Err(Unreadable::Format(_))),
            "{body}"
        );
    }
    let deep = "[".repeat(100_000);
    assert!(read_json(deep.as_bytes(), &naming()).is_err());
    assert_eq!(read_json(b"{}", &naming()).unwrap(), Batch::default());
    assert!(read(b"\x0a\x05x", &naming()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _read = read(&bytes, &naming());
        let _read = read_json(&bytes, &naming());
    }

    #[test]
    fn a_broken_request_is_refused_or_read_in_part(at in 0usize..600, bits in 1u8..=255) {
        let mut bytes = as_protobuf();
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= bits;
        }
        let _read = read(&bytes, &naming());
        let mut text = JSON.as_bytes().to_vec();
        if let Some(byte) = text.get_mut(at * 3) {
            *byte ^= bits;
        }
        let _read = read_json(&text, &naming());
    }
}
