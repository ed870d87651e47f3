//! Patterns made by chance, alone and together, against the plainest way to find them: each line alone,
//! each pattern alone, by a regular expression that was not shortened and has no short cuts.

use proptest::prelude::*;
use regex::bytes::{Regex, RegexBuilder};

use super::super::{Scanner, Text, Unit};
use crate::pattern::Pattern;

/// Parts of patterns as people write them: letters, words, classes, borders, beginnings and ends.
fn part() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c", "-", " ", "x", "1", "_", "é", "err", "disk"]),
        6 => prop::sample::select(vec![".", "[ab]", "[^a]", "[a-c1]", r"\w", r"\W", r"\d", r"\s", "[^ -]", "(?i:aX)"]),
        4 => prop::sample::select(vec![r"\b", r"\B", r"\b{start}", r"\b{end}", r"\b{start-half}", r"\b{end-half}", "^", "$", r"\A", r"\z"]),
        2 => prop::sample::select(vec!["(?u:[é-ö])", r"(?u:\w)", r"(?u:\b)", r"(?u:\B)", r"(?u:\b{start})", r"(?u:\b{end-half})", "(?u:.)", r"(?u:[^a])", "(?i-u:k)", "(?iu:k)", r"(?u:\b\w)", r"(?u:.\b)"]),
    ];
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let often = prop::sample::select(vec!["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?", "{7}", "{6,9}"]);
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("|"))),
            3 => (inner, often).prop_map(|(part, often)| format!("(?:{part}){often}")),
        ]
    })
}

/// Patterns with so much in them that they are looked for along the text.
fn long_part() -> impl Strategy<Value = String> {
    let class = prop::sample::select(vec![
        "a",
        ".",
        "[ab]",
        "[^a]",
        "[^b1]",
        "[a-c1]",
        "é",
        "(?u:[à-ö])",
        "(?u:.)",
        "(?u:[^a1])",
        "(?u:[é-я])",
    ]);
    let count = prop_oneof![
        Just(String::new()),
        prop::sample::select(vec!["*", "+", "?", "{2,}"]).prop_map(str::to_owned),
        (1..150_usize).prop_map(|n| format!("{{{n}}}")),
        (1..90_usize, 0..90_usize).prop_map(|(n, more)| format!("{{{n},{}}}", n + more)),
    ];
    let one = (class, count).prop_map(|(class, count)| format!("{class}{count}"));
    let one = prop_oneof![
        6 => one.clone(),
        1 => prop::collection::vec(one.clone(), 1..3).prop_map(|ways| format!("({})", ways.join("|"))),
        1 => (one, 1..4_usize).prop_map(|(one, n)| format!("({one}){{{n}}}")),
        1 => prop::sample::select(vec![r"\b", r"\B", r"\b{start}", r"\b{end-half}", "(ab|1)+", "(a1?b|1)*", "(a|b1)+"]).prop_map(str::to_owned),
        1 => (1..40_usize).prop_map(|n| format!("(ab?|[^1]){{{n}}}")),
    ];
    let all = prop::collection::vec(one, 1..5).prop_map(|all| all.concat());
    (
        prop::sample::select(vec!["", "", "^", "disk.*"]),
        40..120_usize,
        all,
        prop::sample::select(vec!["", "", "$"]),
    )
        .prop_map(|(start, n, all, end)| format!("{start}[ab1]{{{n}}}{all}{end}"))
}

/// Patterns of letters, which are written as one byte each.
fn letters_part() -> impl Strategy<Value = String> {
    let class = prop::sample::select(vec![
        "a",
        "[ab]",
        "é",
        "接",
        "(?u:.)",
        r"(?u:\w)",
        r"(?u:\W)",
        "(?u:[^a1])",
        "(?u:[é-я])",
        r"(?u:\p{Lu})",
        "(?iu:ß)",
        "(?iu:k)",
        ".",
        "[^a]",
    ]);
    let count = prop_oneof![
        2 => Just(String::new()),
        1 => prop::sample::select(vec!["*", "+", "?", "{2,}"]).prop_map(str::to_owned),
        1 => (1..9_usize, 0..9_usize).prop_map(|(n, more)| format!("{{{n},{}}}", n + more)),
    ];
    let one = (class, count).prop_map(|(class, count)| format!("{class}{count}"));
    let border = prop::sample::select(vec![
        r"(?u:\b)",
        r"(?u:\B)",
        r"(?u:\b{start})",
        r"(?u:\b{end})",
        r"(?u:\b{start-half})",
        r"(?u:\b{end-half})",
        r"\b",
        r"\B",
        "^",
        "$",
    ]);
    let one = prop_oneof![
        6 => one.clone(),
        2 => border.prop_map(str::to_owned),
        1 => prop::collection::vec(one.clone(), 1..3).prop_map(|ways| format!("({})", ways.join("|"))),
        1 => (one, 1..4_usize).prop_map(|(one, n)| format!("({one}){{{n}}}")),
    ];
    (prop::collection::vec(one, 1..6), any::<bool>()).prop_map(|(all, is_long)| {
        // Some are so long that they are looked for along the text at once.
        format!("{}{}", if is_long { r"(?u:\w{70})" } else { "" }, all.concat())
    })
}

fn letters_line() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"a",
        b"b1",
        b"-",
        b" ",
        b"kK",
        "é".as_bytes(),
        "я".as_bytes(),
        "Ж".as_bytes(),
        "ẞ".as_bytes(),
        "接".as_bytes(),
        "\u{212a}".as_bytes(),
        "😀".as_bytes(),
        "𝒜".as_bytes(),
        b"\xc3",
        b"\x80",
        b"\xe6\x8e",
        b"\r",
    ];
    let piece = (prop::sample::select(pieces), prop_oneof![9 => 1..4_usize, 1 => 60..90_usize]);
    prop::collection::vec(piece.prop_map(|(piece, count)| piece.repeat(count)), 0..9)
        .prop_map(|pieces| pieces.concat())
}

fn long_line() -> impl Strategy<Value = String> {
    let piece =
        (prop::sample::select(vec!["a", "b", "ab", "1", "é", "\r", "-", "disk "]), 0..160_usize)
            .prop_map(|(piece, count)| piece.repeat(count));
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[abc1x_é -]{0,9}",
        prop::sample::select(vec![
            "err",
            "disk",
            "ERR",
            "aaaaaaaa",
            "ab-ab-",
            "\r",
            "ö",
            "k\u{212a}",
            "1111 "
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// As the crate reads patterns: bytes, or Unicode where that is not possible.
fn machine(text: &str) -> Option<Regex> {
    let make = |unicode| RegexBuilder::new(text).unicode(unicode).build();
    make(false).or_else(|_| make(true)).ok()
}

fn one_by_one(patterns: &[Pattern], buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
    let machines: Vec<Regex> =
        patterns.iter().map(|pattern| machine(pattern.as_str()).unwrap()).collect();
    let mut all = Vec::new();
    let mut start = 0;
    for line in buffer.split_inclusive(|byte| *byte == b'\n') {
        let alone = line.strip_suffix(b"\n").unwrap_or(line);
        let alone = alone.strip_suffix(b"\r").unwrap_or(alone);
        let found = machines.iter().enumerate().filter(|(_, machine)| machine.is_match(alone));
        let found: Vec<usize> = found.map(|(number, _)| number).collect();
        if !found.is_empty() {
            all.push((start, found));
        }
        start += line.len();
    }
    all
}

fn at_once(scanner: &mut Scanner, buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
    let mut all = Vec::new();
    scanner.lines(buffer, |line, set| {
        all.push((line.start, set.iter().collect()));
    });
    all
}

fn in_records(patterns: &[Pattern], buffer: &[u8]) -> Vec<(usize, Vec<usize>)> {
    let mut scanner = Scanner::new(patterns, Unit::Records).unwrap();
    let mut all = Vec::new();
    let mut start = 0;
    for line in buffer.split_inclusive(|byte| *byte == b'\n') {
        let alone = line.strip_suffix(b"\n").unwrap_or(line);
        let alone = alone.strip_suffix(b"\r").unwrap_or(alone);
        if let Some(set) = scanner.record(alone) {
            all.push((start, set.iter().collect()));
        }
        start += line.len();
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn patterns_of_any_form_find_what_they_find_in_each_line_alone(
        texts in prop::collection::vec(part(), 1..6),
        lines in prop::collection::vec(line(), 1..30),
        broken in prop::collection::vec(any::<prop::sample::Index>(), 0..2),
    ) {
        let patterns: Vec<Pattern> =
            texts.iter().filter_map(|text| Pattern::new(text).ok()).collect();
        prop_assume!(!patterns.is_empty());
        // Some are refused: too large.
        prop_assume!(Scanner::new(&patterns, Unit::Lines).is_ok());
        prop_assume!(Scanner::new(&patterns, Unit::Records).is_ok());
        let mut buffer = lines.join("\n").into_bytes();
        // Some bytes are no text.
        for at in broken {
            if !buffer.is_empty() {
                let at = at.index(buffer.len());
                buffer[at] = 0xff;
            }
        }
        let expected = one_by_one(&patterns, &buffer);
        let mut scanner = Scanner::new(&patterns, Unit::Lines).unwrap();
        prop_assert_eq!(at_once(&mut scanner, &buffer), expected.clone(), "{:?}", patterns);
        if scanner.choice.force() {
            prop_assert_eq!(at_once(&mut scanner, &buffer), expected.clone(), "all {:?}", patterns);
        }
        let mut scanner = Scanner::new(&patterns, Unit::Lines).unwrap();
        scanner.go_other_ways(Text::Hostile);
        prop_assert_eq!(at_once(&mut scanner, &buffer), expected.clone(), "other {:?}", patterns);
        prop_assert_eq!(in_records(&patterns, &buffer), expected, "{:?}", patterns);
    }

}

proptest! {
    // Each takes as long as some dozens of those above.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn so_do_many_patterns_in_lines_that_all_have_some(
        texts in prop::collection::vec(part(), 62..200),
        lines in prop::collection::vec(line(), 1..30),
    ) {
        let patterns: Vec<Pattern> = texts
            .iter()
            .filter_map(|text| Pattern::new(text).ok())
            .filter(|pattern| Scanner::new([pattern], Unit::Lines).is_ok())
            .collect();
        prop_assume!(Scanner::new(&patterns, Unit::Lines).is_ok());
        let buffer = lines.join("\n").into_bytes();
        let expected = one_by_one(&patterns, &buffer);
        let mut scanner = Scanner::new(&patterns, Unit::Lines).unwrap();
        prop_assert_eq!(at_once(&mut scanner, &buffer), expected.clone(), "{:?}", patterns);
        if scanner.choice.force() {
            prop_assert_eq!(at_once(&mut scanner, &buffer), expected, "all {:?}", patterns);
        }
    }

    #[test]
    fn so_do_patterns_with_much_in_them(
        texts in prop::collection::vec(long_part(), 1..6),
        lines in prop::collection::vec(long_line(), 1..40),
    ) {
        let patterns: Vec<Pattern> =
            texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        let buffer = lines.join("\n").into_bytes();
        let expected = one_by_one(&patterns, &buffer);
        let mut scanner = Scanner::new(&patterns, Unit::Lines).unwrap();
        prop_assert_eq!(at_once(&mut scanner, &buffer), expected.clone(), "{:?}", patterns);
        let mut other = Scanner::new(&patterns, Unit::Lines).unwrap();
        other.go_other_ways(Text::Hostile);
        prop_assert_eq!(at_once(&mut other, &buffer), expected.clone(), "other {:?}", patterns);
        // Again: nothing is left of what was.
        prop_assert_eq!(at_once(&mut scanner, &buffer), expected, "again {:?}", patterns);
    }

    #[test]
    fn so_do_patterns_of_letters(
        texts in prop::collection::vec(letters_part(), 1..8),
        lines in prop::collection::vec(letters_line(), 1..12),
    ) {
        let patterns: Vec<Pattern> =
            texts.iter().filter_map(|text| Pattern::new(text).ok()).collect();
        prop_assume!(Scanner::new(&patterns, Unit::Lines).is_ok() && !patterns.is_empty());
        let buffer = lines.join(&b"\n"[..]);
        let expected = one_by_one(&patterns, &buffer);
        let mut scanner = Scanner::new(&patterns, Unit::Lines).unwrap();
        prop_assert_eq!(at_once(&mut scanner, &buffer), expected.clone(), "{:?}", patterns);
        for text in [Text::Hostile, Text::Crowded] {
            let mut other = Scanner::new(&patterns, Unit::Lines).unwrap();
            other.go_other_ways(text);
            prop_assert_eq!(at_once(&mut other, &buffer), expected.clone(), "{:?} {:?}", text, patterns);
            prop_assert_eq!(at_once(&mut other, &buffer), expected.clone(), "again {:?}", patterns);
        }
    }
}
