use std::time::Duration;

use hark_model::{Unit, Unix};
use proptest::prelude::*;

use super::*;

fn finished(exit: Exit, output: &str, errors: &str) -> Finished {
    Finished {
        exit,
        output: output.into(),
        errors: errors.into(),
        cut: false,
        began_at: Unix(0),
        took: Duration::ZERO,
    }
}

fn one(data: &str) -> Measured {
    let (values, nonsense) = performance_data(data);
    assert_eq!((values.len(), nonsense), (1, None), "{data}");
    values.into_iter().next().unwrap()
}

const fn outside(low: f64, high: f64) -> Range {
    Range { low, high, inside: false }
}

#[test]
fn the_example_of_the_contract_is_read_whole() {
    let said = output(
        b"DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n\
          / 15272 MB (77%);\n/boot 68 MB (69%);\n/home 69357 MB (27%);\n\
          /var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n\
          /home=69357MB;253404;253409;0;253414 \n/var/log=818MB;970;975;0;980\n",
    );
    assert_eq!(
        said.text,
        "DISK OK - free space: / 3326 MB (56%);\n/ 15272 MB (77%);\n/boot 68 MB (69%);\n\
         /home 69357 MB (27%);\n/var/log 819 MB (84%);"
    );
    assert_eq!(said.nonsense, None);
    let labels: Vec<&str> = said.values.iter().map(|value| value.metric.as_str()).collect();
    assert_eq!(labels, ["/", "/boot", "/home", "/var/log"]);
    let root = &said.values[0];
    let mib = 1024.0 * 1024.0;
    assert_eq!((root.value, root.unit), (2643.0 * mib, Unit::Bytes));
    let limits = root.limits.as_ref().unwrap();
    assert_eq!(limits.warning, Some(outside(0.0, 5948.0 * mib)));
    assert_eq!(limits.critical, Some(outside(0.0, 5958.0 * mib)));
    assert_eq!((limits.min, limits.max), (Some(0.0), Some(5968.0 * mib)));
}

#[test]
fn labels_in_quotes_hold_blanks_equal_signs_and_quotes() {
    let (values, nonsense) = performance_data("'a b=c'=1 'it''s'=2% load1=3;;;0 ''=4 'open=5");
    let found: Vec<(&str, f64)> = values.iter().map(|v| (v.metric.as_str(), v.value)).collect();
    assert_eq!(found, [("a b=c", 1.0), ("it's", 2.0), ("load1", 3.0), ("'open", 5.0)]);
    assert_eq!(nonsense.as_deref(), Some("''=4"));
}

#[test]
fn units_become_ours() {
    for (data, value, unit, kind) in [
        ("a=5", 5.0, Unit::None, MetricKind::Gauge),
        ("a=0.25s", 0.25, Unit::Seconds, MetricKind::Gauge),
        ("a=12.5ms", 12.5, Unit::Milliseconds, MetricKind::Gauge),
        ("a=2000000us", 2.0, Unit::Seconds, MetricKind::Gauge),
        ("a=99.5%", 99.5, Unit::Percent, MetricKind::Gauge),
        ("a=2KB", 2048.0, Unit::Bytes, MetricKind::Gauge),
        ("a=1GiB", 1_073_741_824.0, Unit::Bytes, MetricKind::Gauge),
        ("a=77c", 77.0, Unit::None, MetricKind::Counter),
        ("a=3widgets", 3.0, Unit::None, MetricKind::Gauge),
        ("a=-1.5e2", -150.0, Unit::None, MetricKind::Gauge),
    ] {
        let found = one(data);
        assert_eq!((found.value, found.unit, found.kind), (value, unit, kind), "{data}");
    }
    assert!(one("a=U;1;2").value.is_nan(), "the plugin could not find it out");
}

#[test]
fn ranges_are_those_of_the_contract() {
    let inf = f64::INFINITY;
    for (text, expected) in [
        ("10", Some(outside(0.0, 10.0))),
        ("10:", Some(outside(10.0, inf))),
        ("~:10", Some(outside(-inf, 10.0))),
        (":10", Some(outside(0.0, 10.0))),
        ("10:20", Some(outside(10.0, 20.0))),
        ("~:", Some(outside(-inf, inf))),
        ("-5:-1.5", Some(outside(-5.0, -1.5))),
        ("@10:20", Some(Range { low: 10.0, high: 20.0, inside: true })),
        ("@5", Some(Range { low: 0.0, high: 5.0, inside: true })),
        ("20:10", None),
        ("x", None),
        ("@", None),
        ("-5", None),
    ] {
        assert_eq!(range(text), expected, "{text}");
    }
    for (text, value, bad) in [
        ("10", 10.0, false),
        ("10", 10.5, true),
        ("10", -1.0, true),
        ("10:", 9.0, true),
        ("~:10", -1000.0, false),
        ("@10:20", 10.0, true),
        ("@10:20", 9.9, false),
        ("@10:20", 20.1, false),
    ] {
        assert_eq!(range(text).unwrap().is_bad(value), bad, "{text} {value}");
    }
}

#[test]
fn missing_fields_are_no_limits() {
    let found = one("time=0.0s;;;0.0;10");
    let limits = found.limits.unwrap();
    assert_eq!((limits.warning, limits.critical), (None, None));
    assert_eq!((limits.min, limits.max), (Some(0.0), Some(10.0)));
    assert_eq!(one("a=1;;;;").limits, None);
    assert_eq!(one("a=1;80;~:90").limits.unwrap().critical, Some(outside(f64::NEG_INFINITY, 90.0)));
}

#[test]
fn what_is_no_performance_data_is_passed_over_and_shown() {
    let (values, nonsense) = performance_data(" hello a=1 b=x =3 c=2;;;;;; ");
    assert_eq!(values.len(), 2);
    assert_eq!(nonsense.as_deref(), Some("hello"));
}

#[test]
fn the_exit_code_is_the_status_and_every_other_end_is_unknown() {
    for (exit, status, text) in [
        (Exit::Code(0), Status::Ok, "fine"),
        (Exit::Code(1), Status::Warning, "fine"),
        (Exit::Code(2), Status::Critical, "fine"),
        (Exit::Code(3), Status::Unknown, "fine"),
        (Exit::Code(127), Status::Unknown, "exit code 127, which no plugin has: fine"),
        (Exit::Signal(11), Status::Unknown, "ended by signal 11: fine"),
        (Exit::TimedOut(Duration::from_secs(30)), Status::Unknown, "did not end within 30s: fine"),
        (Exit::Flooded, Status::Unknown, "printed without end and was killed: fine"),
    ] {
        let said = read(&finished(exit, "fine\n", "ignored"));
        assert_eq!((said.status, said.text.as_str()), (status, text));
    }
    assert_eq!(read(&finished(Exit::Code(3), "", " no such host\n")).text, "no such host");
    assert_eq!(read(&finished(Exit::Code(0), "", "")).text, "the plugin said nothing");
    assert_eq!(exit_code(&Exit::Signal(9)), 137);
    assert_eq!(exit_code(&Exit::TimedOut(Duration::ZERO)), 3);
}

#[test]
fn a_bar_in_a_text_without_values_is_text() {
    let said = output(b"usage: x [-4|-6]\n  -a|-b\nDone | a=1\nb=2");
    assert_eq!(said.text, "usage: x [-4|-6]\n  -a|-b\nDone");
    assert_eq!(said.values.len(), 2);
}

#[test]
fn forged_output_is_shown_as_text_and_bounded() {
    let said = output(b"\x1b]0;x\x07<script>alert(1)</script>\xff | a=1\x00 b=2");
    assert_eq!(said.text, "]0;x<script>alert(1)</script>\u{fffd}");
    assert_eq!(said.values.len(), 2);
    let long = format!("x | {}", "a=1 ".repeat(10_000));
    assert_eq!(output(long.as_bytes()).values.len(), MAX_VALUES);
    let long = "é".repeat(20_000);
    assert!(output(long.as_bytes()).text.len() <= CheckResult::MAX_TEXT);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let said = output(&bytes);
        prop_assert!(said.text.len() <= CheckResult::MAX_TEXT);
        for value in said.values {
            prop_assert!(value.metric.len() <= measure::MAX_NAME && !value.metric.is_empty());
        }
    }

    #[test]
    fn what_is_written_by_the_contract_comes_back(
        label in "[a-z '=]{0,8}[a-z]", value in -1e6..1e6f64, low in -100.0..0.0f64, high in 0.0..100.0f64,
    ) {
        let quoted = label.replace('\'', "''");
        let found = one(&format!("'{quoted}'={value};{low}:{high};@~:{high};0;"));
        prop_assert_eq!(found.metric, label.trim());
        prop_assert!((found.value - value).abs() < 1e-6);
        let limits = found.limits.unwrap();
        prop_assert_eq!(limits.warning, Some(outside(low, high)));
        prop_assert_eq!(limits.critical, Some(Range { low: f64::NEG_INFINITY, high, inside: true }));
        prop_assert_eq!((limits.min, limits.max), (Some(0.0), None));
    }
}
