//! Patterns over text.

use std::fmt::Write as _;
use std::hint::black_box;

use hark_logs::pattern::Pattern;
use hark_logs::scan::{Scanner, Unit};

use super::{Part, Turn};

/// A watched log with twenty patterns.
pub(super) const TWENTY: Part = Part {
    name: "logs.twenty",
    what: "64 KiB of lines through twenty patterns, one line in fifty a hit",
    turns: 200,
    begin: twenty,
};

const WORDS: [&str; 10] = [
    "out of memory",
    "segfault at",
    "I/O error",
    "link is down",
    "authentication failure",
    "connection refused",
    "no space left",
    "read-only file system",
    "timed out after",
    "panic:",
];

fn twenty(_turns: u32) -> Turn {
    let plain = WORDS.iter().map(|word| (*word).to_owned());
    let with_numbers = WORDS.iter().map(|word| format!("{word} .*[0-9]+ times"));
    let patterns: Vec<Pattern> = plain
        .chain(with_numbers)
        .map(|text| Pattern::new(&text).expect("a good pattern"))
        .collect();
    let mut scanner = Scanner::new(&patterns, Unit::Lines).expect("they fit");
    let mut text = String::new();
    let mut n = 0_usize;
    while text.len() < 64 * 1024 {
        n += 1;
        let said = match WORDS.get(n / 50 % WORDS.len()).filter(|_| n.is_multiple_of(50)) {
            Some(word) => word,
            None => "request served in",
        };
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "Nov 22 06:{:02}:07 web-{n} daemon[{}]: {said} {} ms",
            n % 60,
            n * 7,
            n % 900
        );
    }
    Box::new(move || {
        let mut found = 0;
        scanner.lines(text.as_bytes(), |_, _| found += 1);
        assert!(found > 0, "there are hits");
        black_box(found);
    })
}
