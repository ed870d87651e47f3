//! Feeds bytes to everything that reads what foreign programs print. The first byte chooses the reader.

use hark_model::CheckResult;
use hark_plugin::exposition::{self, Keep, MAX_SAMPLES};
use hark_plugin::extract::{Extract, Rule, Then};
use hark_plugin::statsd::Aggregate;
use hark_plugin::{Measured, document, lines, nagios};
use regex::Regex;

/// Must end without a panic for any input; what it gives is bounded and fit to be shown.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    match choice % 6 {
        0 => {
            let said = nagios::output(bytes);
            assert!(said.text.len() <= CheckResult::MAX_TEXT);
            assert!(said.values.len() <= nagios::MAX_VALUES);
            assert!(!said.text.contains(['\u{1b}', '\0', '\r']));
            check(&said.values);
        }
        1 => {
            let page = exposition::read(&String::from_utf8_lossy(bytes), &Keep::default());
            assert!(page.samples.len() <= MAX_SAMPLES);
            check(&page.samples);
        }
        2 => {
            for line in bytes.split(|b| *b == b'\n') {
                if let Ok(line) = lines::read(line) {
                    assert!(line.metrics.len() <= lines::MAX_METRICS);
                    check(&line.metrics);
                }
            }
        }
        3 => {
            if let Ok(values) = document::read(bytes) {
                assert!(values.len() <= document::MAX_VALUES);
                check(&values);
            }
        }
        4 => {
            let mut aggregate = Aggregate::new(&[50, 99]);
            aggregate.take(bytes);
            check(&aggregate.end_interval());
            check(&aggregate.end_interval());
        }
        _ => {
            let Ok(pattern) = Regex::new("(\\w+)[=: ]+(\\S*)") else { return };
            let then = Then::Metric { name: "used $1".to_owned(), tags: Vec::new() };
            let rules = vec![Rule { chosen_by: None, value: 2, then }];
            let extract = Extract { pattern, rules };
            assert!(extract.apply(bytes).len() <= 1024);
        }
    }
}

/// Every value can be a series, and names have bounds.
fn check(values: &[Measured]) {
    for value in values {
        let def = value.series("collector", "instance");
        assert!(!def.name.metric.is_empty() && def.decimals <= 6);
        // A timer's figure has a suffix behind the name that was told.
        assert!(def.name.metric.len() <= 110 && value.instance.len() <= 100);
        assert!(!def.name.path().contains(['\n', '\u{1b}', '\0']));
        assert!(!value.value.is_infinite() || value.unit != hark_model::Unit::None);
    }
}
