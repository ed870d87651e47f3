use hark_model::HostName;
use hark_model::labels::to_labels;
use proptest::prelude::*;
use prost::Message;

use super::*;

/// The messages as the protocol's documents have them, read and written by somebody else's code.
mod theirs {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(super) metadata: Vec<MetricMetadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) histograms: Vec<Histogram>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(string, tag = "2")]
        pub(super) metric_family_name: String,
        #[prost(string, tag = "4")]
        pub(super) help: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub(super) count_int: u64,
        #[prost(double, tag = "3")]
        pub(super) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(super) schema: i32,
        #[prost(sint64, repeated, tag = "12")]
        pub(super) positive_deltas: Vec<i64>,
        #[prost(int64, tag = "15")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Request {
        #[prost(string, repeated, tag = "4")]
        pub(super) symbols: Vec<String>,
        #[prost(message, repeated, tag = "5")]
        pub(super) timeseries: Vec<TimeSeries2>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TimeSeries2 {
        #[prost(uint32, repeated, tag = "1")]
        pub(super) labels_refs: Vec<u32>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) histograms: Vec<Histogram>,
        #[prost(message, optional, tag = "5")]
        pub(super) metadata: Option<Metadata2>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Metadata2 {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
    }
}

fn naming() -> Naming {
    Naming::new(HostName::new("prom").unwrap(), "src")
}

fn labels(all: &[(&str, &str)]) -> Vec<theirs::Label> {
    let label = |(n, v): &(&str, &str)| theirs::Label { name: (*n).into(), value: (*v).into() };
    all.iter().map(label).collect()
}

fn sample(value: f64, timestamp: i64) -> theirs::Sample {
    theirs::Sample { value, timestamp }
}

const UP: [(&str, &str); 3] = [("__name__", "up"), ("instance", "web1:9100"), ("job", "node")];

/// What was read, as Prometheus would show it.
fn shown(batch: &Batch) -> Vec<String> {
    let mut lines = Vec::new();
    for of in &batch.hosts {
        for point in &of.points {
            let series = &of.series[point.series];
            let (metric, labels) = to_labels(&of.host, &series.name, series.kind);
            let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
            let at = point.at.unwrap().0;
            lines.push(format!(
                "{metric}{{{}}} {:?} {} @{at}",
                labels.join(","),
                series.kind,
                point.value
            ));
        }
    }
    lines
}

#[test]
fn a_request_of_the_first_version_is_read_with_the_types_that_it_tells() {
    let request = theirs::WriteRequest {
        timeseries: vec![
            theirs::TimeSeries {
                labels: labels(&UP),
                samples: vec![sample(1.0, 1000), sample(0.5, 2000)],
                histograms: Vec::new(),
            },
            theirs::TimeSeries {
                labels: labels(&[("__name__", "odd"), ("instance", "web1:9100"), ("le", "ä,=\\")]),
                samples: vec![sample(f64::INFINITY, 1000)],
                histograms: Vec::new(),
            },
        ],
        metadata: vec![theirs::MetricMetadata {
            kind: 1,
            metric_family_name: "odd".into(),
            help: "text".into(),
        }],
    };
    let batch = read(&request.encode_to_vec(), Version::One, &naming()).unwrap();
    assert_eq!(
        shown(&batch),
        [
            r#"up{host="web1",instance="web1:9100",job="node"} Gauge 1 @1000"#,
            r#"odd{host="web1",instance="web1:9100",job="src",le="ä,=\\"} Counter inf @1000"#,
            r#"up{host="web1",instance="web1:9100",job="node"} Gauge 0.5 @2000"#,
        ]
    );
    assert!(batch.refused.is_empty());
}

#[test]
fn a_native_histogram_is_refused_and_counted() {
    let histogram = theirs::Histogram {
        count_int: 7,
        sum: 2.5,
        schema: -3,
        positive_deltas: vec![1, -1],
        timestamp: 5,
    };
    let series = theirs::TimeSeries {
        labels: labels(&[("__name__", "took"), ("instance", "a")]),
        samples: vec![sample(1.0, 5)],
        histograms: vec![histogram.clone(), histogram.clone()],
    };
    let request = theirs::WriteRequest { timeseries: vec![series], metadata: Vec::new() };
    let one = read(&request.encode_to_vec(), Version::One, &naming()).unwrap();
    let series = theirs::TimeSeries2 {
        labels_refs: vec![1, 2, 3, 4],
        samples: vec![sample(1.0, 5)],
        histograms: vec![histogram; 2],
        metadata: None,
    };
    let symbols = ["", "__name__", "took", "instance", "a"].map(str::to_owned).to_vec();
    let request = theirs::Request { symbols, timeseries: vec![series] };
    let two = read(&request.encode_to_vec(), Version::Two, &naming()).unwrap();
    for batch in [one, two] {
        assert_eq!(shown(&batch), [r#"took{host="a",instance="a",job="src"} Gauge 1 @5"#]);
        let refused: Vec<_> = batch.refused.iter().collect();
        assert_eq!(refused, [(Why::Histogram, 2, r#"took{instance="a"}"#)]);
    }
}

#[test]
fn a_request_of_the_second_version_is_read() {
    let words = ["", "__name__", "up", "instance", "web1:9100", "jobs"];
    let request = theirs::Request {
        symbols: words.map(str::to_owned).to_vec(),
        timeseries: vec![
            theirs::TimeSeries2 {
                labels_refs: vec![1, 2, 3, 4],
                samples: vec![sample(1.0, 1000)],
                histograms: Vec::new(),
                metadata: None,
            },
            theirs::TimeSeries2 {
                labels_refs: vec![1, 5],
                samples: vec![sample(3.0, 1000)],
                histograms: Vec::new(),
                metadata: Some(theirs::Metadata2 { kind: 1 }),
            },
        ],
    };
    let batch = read(&request.encode_to_vec(), Version::Two, &naming()).unwrap();
    assert_eq!(
        shown(&batch),
        [
            r#"jobs{host="prom",instance="prom",job="src"} Counter 3 @1000"#,
            r#"up{host="web1",instance="web1:9100",job="src"} Gauge 1 @1000"#,
        ]
    );
}

#[test]
fn references_that_lead_nowhere_refuse_the_request() {
    let series = |labels_refs: Vec<u32>| theirs::TimeSeries2 {
        labels_refs,
        samples: vec![sample(1.0, 1)],
        histograms: Vec::new(),
        metadata: None,
    };
    for (symbols, references) in [
        (vec!["", "__name__", "up"], vec![1, 3]),
        (vec!["", "__name__", "up"], vec![1, 2, 1]),
        (vec!["x", "__name__", "up"], vec![1, 2]),
        (vec![], vec![0, 0]),
    ] {
        let symbols: Vec<String> = symbols.into_iter().map(str::to_owned).collect();
        let request = theirs::Request { symbols, timeseries: vec![series(references)] };
        let read = read(&request.encode_to_vec(), Version::Two, &naming());
        assert!(matches!(read, Err(Unreadable::Format(_))), "{request:?}: {read:?}");
    }
}

#[test]
fn what_goes_out_is_read_by_others_and_by_us() {
    let own: Vec<(String, String)> = UP.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
    let samples = [(Unix(1000), 1.0), (Unix(2000), f64::NEG_INFINITY)];
    let series = Outgoing { labels: &own, kind: MetricKind::Counter, samples: &samples };
    let one = write(std::slice::from_ref(&series), Version::One);
    let theirs_one = theirs::WriteRequest::decode(&one[..]).unwrap();
    assert_eq!(theirs_one.timeseries[0].labels, labels(&UP));
    assert_eq!(theirs_one.timeseries[0].samples[1], sample(f64::NEG_INFINITY, 2000));
    let two = write(&[series.clone(), series], Version::Two);
    let theirs_two = theirs::Request::decode(&two[..]).unwrap();
    assert_eq!(theirs_two.symbols.len(), 7, "each text once, and the empty one");
    assert_eq!(theirs_two.timeseries[1].labels_refs, [1, 2, 3, 4, 5, 6]);
    assert_eq!(theirs_two.timeseries[1].metadata.unwrap().kind, 1);
    let batch = read(&two, Version::Two, &naming()).unwrap();
    assert_eq!(batch.samples, 4);
    let packed = pack(&one);
    let unpacked = crate::unpack::unpack(&packed, crate::unpack::Packing::Snappy).unwrap();
    assert_eq!(unpacked.as_ref(), one);
}

#[test]
fn a_version_is_told_by_its_content_type() {
    for (text, version) in [
        ("application/x-protobuf", Some(Version::One)),
        ("application/x-protobuf;proto=prometheus.WriteRequest", Some(Version::One)),
        ("Application/X-Protobuf; proto=io.prometheus.write.v2.Request", Some(Version::Two)),
        ("application/x-protobuf;proto=io.prometheus.write.v3.Request", None),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(Version::of_content_type(text), version, "{text}");
    }
    for version in [Version::One, Version::Two] {
        assert_eq!(Version::of_content_type(version.content_type()), Some(version));
    }
}

#[test]
fn a_label_that_stands_a_million_times_costs_nothing() {
    let label = theirs::Label { name: "a".into(), value: "b".into() };
    let series = theirs::TimeSeries {
        labels: vec![label; 1_000_000],
        samples: vec![sample(1.0, 1)],
        histograms: Vec::new(),
    };
    let request = theirs::WriteRequest { timeseries: vec![series], metadata: Vec::new() };
    let batch = read(&request.encode_to_vec(), Version::One, &naming()).unwrap();
    assert_eq!((batch.samples, batch.refused.total()), (0, 1));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for version in [Version::One, Version::Two] {
            let _read = read(&bytes, version, &naming());
        }
    }

    #[test]
    fn a_broken_request_is_refused_or_read_in_part(
        at in 0usize..200, bits in 1u8..=255, cut in 0usize..200,
    ) {
        let own: Vec<(String, String)> = UP.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
        let samples = [(Unix(1000), 1.0); 4];
        let series = Outgoing { labels: &own, kind: MetricKind::Gauge, samples: &samples };
        for version in [Version::One, Version::Two] {
            let mut bytes = write(&[series.clone(), series.clone()], version);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if let Ok(batch) = read(&bytes, version, &naming()) {
                prop_assert!(batch.samples <= 8);
            }
        }
    }
}
