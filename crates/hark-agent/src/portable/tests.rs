//! Beside the collectors of Linux: the same machine, the same names, nearly the same values.

use std::collections::BTreeMap;

use super::*;

/// What the collectors of `types` say at their second look.
fn values(types: &[&dyn CollectorType], names: &[&str]) -> BTreeMap<String, (SeriesDef, f64)> {
    let document = hark_config::Document::single("{}\n");
    let section = document.root(&hark_config::NoSecrets);
    let mut found = BTreeMap::new();
    for kind in types.iter().filter(|kind| names.contains(&kind.name())) {
        let mut collector = kind.read(&section).make(&Root::system());
        let mut values = Vec::new();
        assert_eq!(collector.collect(Mono(1000), &mut values).unwrap(), Change::Other);
        values.clear();
        // Little time has passed, and what looks at rates has a base.
        collector.collect(Mono(61_000), &mut values).unwrap();
        let series = collector.series();
        assert_eq!(series.len(), values.len(), "{}", kind.name());
        let named = series.into_iter().zip(values);
        found.extend(named.map(|(def, value)| (def.name.path(), (def, value))));
    }
    found
}

#[test]
fn each_series_is_one_of_linux_as_well_and_says_the_same() {
    let names = ["cpu", "memory", "load", "disk", "network", "uptime"];
    let (ours, theirs) =
        (values(COLLECTORS, &names), values(crate::collectors::COLLECTORS, &names));
    assert!(ours.len() > 15, "{:?}", ours.keys());
    for (name, (def, value)) in &ours {
        let is_same_place = |place: &str| name.starts_with(place);
        // File systems that Linux' collector leaves out by default may be listed here.
        let Some((other, expected)) = theirs.get(name) else {
            let may = is_same_place("disk_monitor.") || is_same_place("network_monitor.");
            assert!(may, "{name} is no series of Linux");
            continue;
        };
        assert_eq!((def.unit, def.kind), (other.unit, other.kind), "{name}");
        let constant = ["total_mb", "total_gb", "swap_total_mb"].iter().any(|c| name.ends_with(c));
        let slack = if constant { 0.001 } else { 0.1 };
        let near = (value - expected).abs() <= slack * expected.abs().max(100.0);
        let varies =
            name.contains("cpu_percent") || name.contains("rate") || name.contains("bytes");
        // Only what is available is told elsewhere: what is reserved for root counts as used.
        let reserved =
            is_same_place("disk_monitor.") && (*value > *expected || name.contains("free"));
        assert!(near || varies || reserved, "{name}: {value}, and {expected} by /proc");
    }
    for must in ["cpu_monitor.cpu_percent", "cpu_monitor.load_1min", "memory_monitor.percent"] {
        assert!(ours[must].1.is_finite(), "{must}");
    }
}

#[test]
fn processes_are_counted_and_the_system_is_named() {
    let found = values(COLLECTORS, &["processes", "os_info"]);
    assert!(found["process_monitor.total"].1 >= 1.0);
    let kind = COLLECTORS.iter().find(|kind| kind.name() == "os_info").unwrap();
    let document = hark_config::Document::single("{}\n");
    let mut collector = kind.read(&document.root(&hark_config::NoSecrets)).make(&Root::system());
    collector.collect(Mono(1), &mut Vec::new()).unwrap();
    let facts: BTreeMap<String, String> = collector.facts().into_iter().collect();
    assert!(!facts["kernel"].is_empty() && !facts["os"].is_empty(), "{facts:?}");
    assert_eq!(collector.collect(Mono(2), &mut Vec::new()).unwrap(), Change::Same);
}
