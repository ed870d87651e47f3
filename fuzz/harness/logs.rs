//! Feeds patterns and bytes to the scanner of logs: the first zero byte stands between them.

use hark_logs::pattern::Pattern;
use hark_logs::scan::{Scanner, Unit};

/// Must end without a panic, and find in a buffer what is in its lines one by one.
pub(crate) fn run(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (patterns, buffer) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(patterns) = std::str::from_utf8(patterns) else { return };
    let patterns: Vec<Pattern> =
        patterns.lines().take(8).filter_map(|text| Pattern::new(text).ok()).collect();
    if patterns.is_empty() {
        return;
    }
    let Ok(mut lines) = Scanner::new(&patterns, Unit::Lines) else { return };
    let Ok(mut records) = Scanner::new(&patterns, Unit::Records) else { return };
    let mut found: Vec<(usize, Vec<usize>)> = Vec::new();
    lines.lines(buffer, |line, set| {
        found.push((line.start, set.iter().collect()));
    });
    let mut start = 0;
    let mut expected = Vec::new();
    for line in buffer.split_inclusive(|byte| *byte == b'\n') {
        let alone = line.strip_suffix(b"\n").unwrap_or(line);
        let alone = alone.strip_suffix(b"\r").unwrap_or(alone);
        if let Some(set) = records.record(alone) {
            expected.push((start, set.iter().collect::<Vec<_>>()));
        }
        start += line.len();
    }
    assert_eq!(found, expected, "{patterns:?}");
}
