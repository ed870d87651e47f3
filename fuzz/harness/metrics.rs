//! Feeds bytes to everything that reads samples of other programs. The first byte chooses the reader.

use hark_metrics::graphite::Template;
use hark_metrics::influx::Precision;
use hark_metrics::remote_write::Version;
use hark_metrics::unpack::{Packing, unpack};
use hark_metrics::{Batch, MAX_SAMPLES, MAX_UNPACKED, Naming, Unreadable};
use hark_metrics::{graphite, influx, otlp, remote_write};
use hark_model::HostName;
use hark_model::labels::MAX_SERIES_NAME;

/// Must end without a panic for any input; what it gives is bounded and fit to be stored.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let naming = Naming::new(HostName::new("source").unwrap(), "source");
    match choice % 8 {
        0 => check(remote_write::read(bytes, Version::One, &naming)),
        1 => check(remote_write::read(bytes, Version::Two, &naming)),
        2 => check(otlp::read(bytes, &naming)),
        3 => check(otlp::read_json(bytes, &naming)),
        4 => check(influx::read(bytes, Precision::Seconds, &naming)),
        5 => {
            let templates = [Template::parse("servers.host.rack=.measurement*").unwrap()];
            check(graphite::read(bytes, &templates, &naming));
        }
        6 => unpacked(bytes, Packing::Snappy),
        _ => unpacked(bytes, Packing::Gzip),
    }
}

fn unpacked(bytes: &[u8], packing: Packing) {
    if let Ok(plain) = unpack(bytes, packing) {
        assert!(plain.len() <= MAX_UNPACKED);
    }
}

fn check(read: Result<Batch, Unreadable>) {
    let Ok(batch) = read else { return };
    let mut n_points = 0;
    for of in &batch.hosts {
        for series in &of.series {
            let name = &series.name;
            let length = name.collector.len() + name.instance.len() + name.metric.len();
            assert!(length <= MAX_SERIES_NAME && !name.metric.is_empty());
            assert!(!name.instance.contains(['\n', '\u{1b}', '\0']));
        }
        assert!(of.points.is_sorted_by_key(|point| (point.at, point.series)));
        assert!(of.points.iter().all(|point| point.series < of.series.len()));
        n_points += of.points.len();
    }
    assert_eq!(n_points, batch.samples);
    assert!(n_points <= MAX_SAMPLES);
    assert!(batch.refused.sentence().len() < 4096);
}
