use std::collections::BTreeSet;

use super::*;
use crate::pattern::{Pattern, within_line};

/// Patterns with what a line has for each of them.
pub(in crate::scan) fn forms(patterns: &[&str]) -> (Vec<Hir>, Vec<Gate>) {
    let parsed = patterns.iter().map(|pattern| Pattern::new(pattern).unwrap());
    let forms: Vec<Hir> = parsed.map(|pattern| within_line(pattern.hir().clone())).collect();
    let least = |form: &Hir| form.properties().minimum_len().unwrap_or(0);
    let gates = forms.iter().map(|form| Gate::new(form, least(form))).collect();
    (forms, gates)
}

fn along(patterns: &[&str]) -> Result<Along, Unsuitable> {
    let (forms, gates) = forms(patterns);
    Along::new(&forms, gates)
}

/// Where lines end that are found, and what they have.
pub(in crate::scan) fn found(along: &mut Along, buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    along.begin();
    while let Some(end) = along.find(buffer, at) {
        found.push((end, along.which().collect()));
        at = end + 1;
    }
    found
}

/// The same by regular expressions, each line and each pattern alone.
pub(in crate::scan) fn one_by_one(patterns: &[&str], buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
    let machines: Vec<regex::bytes::Regex> =
        patterns.iter().map(|text| Pattern::new(text).unwrap().with_groups().unwrap()).collect();
    let mut all = Vec::new();
    let mut start = 0;
    for line in buffer.split_inclusive(|byte| *byte == b'\n') {
        let end = start + line.strip_suffix(b"\n").unwrap_or(line).len();
        let text = buffer[start..end].strip_suffix(b"\r").unwrap_or(&buffer[start..end]);
        let has = machines.iter().enumerate().filter(|(_, machine)| machine.is_match(text));
        let has: Vec<usize> = has.map(|(number, _)| number).collect();
        if !has.is_empty() {
            all.push((end, has));
        }
        start += line.len();
    }
    all
}

/// Lines by chance of few different letters, up to so long.
fn text(seed: u64, length: usize, longest: u64) -> Vec<u8> {
    let mut seed = seed;
    let mut next = move |most: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 24) % most
    };
    let mut text = Vec::new();
    while text.len() < length {
        let letters: &[u8] = [&b"a"[..], b"ab", b"aaaaaaaaaaaaaaab", b"ab1 -\r\xff"]
            [usize::try_from(next(4)).unwrap()];
        for _ in 0..next(longest) {
            let n_letters = u64::try_from(letters.len()).unwrap();
            text.push(letters[usize::try_from(next(n_letters)).unwrap()]);
        }
        text.extend_from_slice([&b"\n"[..], b"\r\n", b"b\n"][usize::try_from(next(3)).unwrap()]);
    }
    text
}

/// What stands at ends of lines in some stretches of text, and not in others.
const ENDS: [&[&[u8]]; 4] = [
    &[b"\n", b"x\n", b"xaby\n", b"x\n"],
    &[b"q\n", b"\n", b"b#\nb"],
    &[b"\n", b"\r\n"],
    &[b"y\nz", b"y\nz", b"z\n"],
];

fn text_without_ends(length: usize) -> Vec<u8> {
    let mut text = text(0x0dd, 2 * length, 9000);
    text.retain(|byte| b"ab".contains(byte));
    text.truncate(length);
    text
}

#[test]
fn what_is_found_along_the_text_is_what_each_line_has() {
    let sets: [&[&str]; 15] = [
        &["a{64}b", "[^b]{65}", "a{127}", "[ab]{128}", "[ab]{129}$"],
        &["b[^b]{63}b", "b[^1]{64}a", "1[^b]{65}a", "b.{191}b", "b.{192}b"],
        &["^a{70,90}b", "^.{100}$", "ba{3,67}b", "b[ab]{60,}1"],
        &["a{40}(b|1{2}| -)a{20,30}", "(ab?){30}b", "b(aa|b){9,12}1"],
        &["b[^1]*1[^b]+b{9}", "^[^b]*b[^b]*b[ab]+$", "b+a*b*1* *-"],
        &["[ab]{300}", "[ab]{299}b", "[^ ]{256}", "[^ ]{257}", "a[^ ]{511}a", "[^-]{700,900}1"],
        &["(^|1)a{63}", "(a{70}|b{9})(1|$)", "b{2}$"],
        &["a{2000}", "b[ab]{2047}b", "b[ab]{2048}b", "a[^1]{3000}"],
        &["(?u)[à-ö]{3}b", "(?u)[à-ö]b", r"\xff[ab]{30}", "(?i)A{90}B"],
        &[r"\b[ab]{64}\b", r"a\b.*\b1{3}\b", r"^\b[ab1]+\b-", r"\Ba{40}\b{end}", r"[\x80-\xff]"],
        &[r"b[ab]*1\b{end-half} ", r"\b{start}a+\b{end}", r"(\b1|a)1\B[ab]", r"1.*\bb{1,4}\b$"],
        &[r"\b{start-half}a{3}\b", r" \B *\b[ab]+", r"^\B.", r"1a\B1|b\B1"],
        &["b(a|1b)+[^a]{3}-", "1(ab?1)+-", "1([ab]+ )*b", "-(ab|1-){2,}a", "^(a|b1)+$"],
        &["(ab?|[^1]){20}b", "(ab?|[^1]){40}b$", "(ab|a1b|b){13,17}-", "1(ab|b){30}1"],
        &["b(a.b){30}", "1(a.{2}b){20,25}", "a(b|1ab|[ab]{4}){3,40}1", r"\b(a|bb){40}\b"],
    ];
    for (number, patterns) in sets.iter().enumerate() {
        for longest in [10, 200, 700, 20_000] {
            let mut text = text(0x5eed + longest, 40_000, longest);
            let mut along = along(patterns).unwrap_or_else(|_| panic!("{patterns:?}"));
            for _ in 0..2 {
                let expected = one_by_one(patterns, &text);
                assert!(found(&mut along, &text) == expected, "{number}: {patterns:?}");
                // And without the last line's end.
                text.pop();
            }
        }
    }
}

#[test]
fn what_the_text_lacks_is_left_out_and_taken_up_again() {
    let patterns = [
        "[ab]{70}x",
        "b[^z]{80}z",
        "^[^q]{97}q$",
        "(^|b)[abxz]{66}#",
        "x[ab]*y",
        "[ab]{64}$",
        "^[ab]{3,70}x",
        "z.{4000}y",
    ];
    let mut text = Vec::new();
    // All lengths, each with all ends.
    let some = TEXT + 900;
    for (number, letters) in text_without_ends(56 * some).chunks(some).enumerate() {
        let ends = ENDS[number / 2 % ENDS.len()];
        let length = [97, 4000, 31, TEXT - 1, 150, TEXT - 2, 75][number % 7];
        for (line, end) in letters.chunks(length).zip(ends.iter().cycle()) {
            text.extend_from_slice(line);
            text.extend_from_slice(end);
        }
    }
    let expected = one_by_one(&patterns, &text);
    let all: BTreeSet<usize> = expected.iter().flat_map(|(_, has)| has.clone()).collect();
    assert_eq!(all.len(), patterns.len(), "{all:?}");
    for vectors in Vectors::all() {
        let mut along = along(&patterns).unwrap();
        along.vectors = vectors;
        assert!(found(&mut along, &text) == expected, "{vectors:?}");
        assert!(found(&mut along, &text) == expected, "again: {vectors:?}");
    }
}

#[test]
fn two_hundred_patterns_are_told_apart() {
    let patterns: Vec<String> = (0..200_u8)
        .map(|n| format!("{}[^{}]{{{}}}1", char::from(b'a' + n % 2), n % 10, 1 + n / 2))
        .collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let text = text(0x5eed, 20_000, 200);
    let expected = one_by_one(&patterns, &text);
    assert!(expected.iter().any(|(_, has)| has.len() > 100));
    assert!(expected.iter().any(|(_, has)| has.len() < 10));
    for vectors in Vectors::all() {
        let mut along = along(&patterns).unwrap();
        along.vectors = vectors;
        assert!(found(&mut along, &text) == expected, "{vectors:?}");
    }
    let too_many: Vec<&str> = std::iter::repeat_n("a{70}", MOST + 1).collect();
    assert!(along(&too_many).is_err());
    assert!(along(&too_many[1..]).is_ok());
}

#[test]
fn a_line_that_is_given_up_leaves_nothing_behind() {
    let mut along = along(&["[ab]{100}", "^a{80}", "b[ab]+1"]).unwrap();
    let long = b"ab".repeat(50_000);
    let buffer = [&long[..], b"\n", &b"a".repeat(90), b"\n1\n"].concat();
    assert_eq!(along.find(&buffer, 0), Some(100_000));
    assert_eq!(along.which().collect::<Vec<_>>(), [0]);
    assert_eq!(found(&mut along, &[&b"a".repeat(79)[..], b"\n1\n"].concat()), []);
    along.look(&b"a".repeat(80));
    assert_eq!(along.which().collect::<Vec<_>>(), [1]);
    along.look(b"ba1");
    assert_eq!(along.which().collect::<Vec<_>>(), [2]);
    along.look(b"b1");
    assert_eq!(along.which().count(), 0);
}

#[test]
fn what_cannot_be_said_so_is_refused() {
    for pattern in [
        "a*",
        "^",
        "^a*",
        "(a.)*c",
        r"(?u)a\bb",
        "(a.*){600}",
        "(?u)\\w{9}",
        "a^b",
        r"\b",
        "1(ab|ba)+",
    ] {
        assert!(along(&[pattern]).is_err(), "{pattern}");
    }
    let hundreds = along(&["[a-q][^u-z]{300}[a-x]", "[0-9][^#]{150}[QZ][a-z]"]).unwrap();
    assert!(hundreds.memory() < 160_000, "{}", hundreds.memory());
}
