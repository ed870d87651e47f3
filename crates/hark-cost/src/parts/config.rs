//! Reading a configuration.

use std::fmt::Write as _;
use std::hint::black_box;

use hark_config::{Document, NoSecrets};
use hark_engine::plan;

use super::{Part, Turn};

/// What a reload reads.
pub(super) const READ: Part = Part {
    name: "config.read",
    what: "a configuration of 1,000 hosts with tags and thresholds, from text to plan",
    turns: 4,
    begin: read,
};

fn read(_turns: u32) -> Turn {
    let mut text = String::from(
        "receivers: {ops: {}}\nthresholds:\n  cpu_monitor: {cpu_percent: {warning: 80, critical: 90}}\nhosts:\n",
    );
    for n in 0..1000 {
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "  web-{n}.example.net:\n    tags: [web, site{}]\n    thresholds:\n      memory_monitor: {{percent: {{warning: {}}}}}",
            n % 7,
            70 + n % 20
        );
    }
    Box::new(move || {
        let document = Document::single(&text);
        let plan = plan::read(&document.root(&NoSecrets)).expect("a good configuration");
        black_box(plan);
    })
}
