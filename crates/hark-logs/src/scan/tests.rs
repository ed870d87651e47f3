//! What is found in a buffer is what each line alone has.

mod by_chance;

use proptest::prelude::*;

use super::*;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text).unwrap()).collect()
}

/// What is found by a search, which must be what is found if all lines are looked at.
fn hits(texts: &[&str], buffer: &[u8]) -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut scanner = Scanner::new(&patterns(texts), Unit::Lines).unwrap();
    let found = hits_of(&mut scanner, buffer);
    if scanner.choice.force() {
        assert!(hits_of(&mut scanner, buffer) == found, "all lines differ: {texts:?}");
    }
    for text in [Text::Hostile, Text::Crowded] {
        let mut scanner = Scanner::new(&patterns(texts), Unit::Lines).unwrap();
        scanner.go_other_ways(text);
        assert!(hits_of(&mut scanner, buffer) == found, "other ways differ: {text:?}, {texts:?}");
    }
    found
}

fn hits_of(scanner: &mut Scanner, buffer: &[u8]) -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut hits = Vec::new();
    scanner.lines(buffer, |line, found| {
        let numbers = found.iter().collect();
        hits.push((buffer[line].to_vec(), numbers));
    });
    hits
}

fn lines_with(texts: &[&str], buffer: &str) -> Vec<String> {
    let hits = hits(texts, buffer.as_bytes());
    hits.into_iter().map(|(line, _)| String::from_utf8(line).unwrap()).collect()
}

#[test]
fn a_line_is_found_once_with_all_its_patterns() {
    let found = hits(&["ERROR", "disk", "timeout"], b"a ERROR disk full disk\nb\nc timeout\n");
    let expected =
        [(b"a ERROR disk full disk".to_vec(), vec![0, 1]), (b"c timeout".to_vec(), vec![2])];
    assert_eq!(found, expected);
}

#[test]
fn anchors_hold_for_each_line_also_with_dos_ends() {
    assert_eq!(lines_with(&["^b"], "ab\nb1\nab\r\nb2\r\n"), ["b1", "b2"]);
    assert_eq!(lines_with(&["b$"], "ab\nba\ncb\r\ndb"), ["ab", "cb", "db"]);
    assert_eq!(lines_with(&[r"\Ab", r"c\z"], "b\nac\r\ncb\n"), ["b", "ac"]);
    assert_eq!(lines_with(&["^$"], "a\n\nb\n"), [""]);
    assert_eq!(lines_with(&["b$"], "ab\rx\n"), Vec::<String>::new());
    for open in ["cb\r", "x\ncb\r"] {
        assert_eq!(lines_with(&["[ab]$|^[fx]x"], open), ["cb"]);
    }
    assert_eq!(lines_with(&["^$|[ab]$|^[fx]x"], "ab\n\r"), ["ab", ""]);
    assert_eq!(lines_with(&[r"\s"], "a\nb\r\r"), ["b\r"]);
}

#[test]
fn nothing_is_found_across_two_lines() {
    assert_eq!(lines_with(&[r"a\s+b"], "a\nb\na b\n"), ["a b"]);
    assert_eq!(lines_with(&["a[^x]b", "(?s)a.b"], "a\nb\n"), Vec::<String>::new());
}

#[test]
fn a_pattern_that_is_everywhere_finds_every_line_once() {
    assert_eq!(lines_with(&["x*"], "a\nxx\n\nb"), ["a", "xx", "", "b"]);
    assert_eq!(lines_with(&[".*", "a"], "a\nb\n"), ["a", "b"]);
}

#[test]
fn bytes_that_are_no_text_hide_nothing() {
    let found = hits(&["ERROR.*full"], b"x\xff ERROR \xc3\x28 disk full\n\xff\xfe\n");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_record_of_several_lines_is_looked_at_as_a_whole() {
    let mut scanner =
        Scanner::new(&patterns(&[r"(?s)Exception.*at main", "^b$"]), Unit::Records).unwrap();
    let found = scanner.record(b"Exception: x\n  at f\n  at main\n").unwrap();
    assert_eq!(found.iter().collect::<Vec<_>>(), [0]);
    assert!(scanner.record(b"a\nb\n").is_none());
}

#[test]
fn both_ways_find_the_same_while_text_changes() {
    let texts = [r"\bdisk [0-9]+", "full$", r"(?u)\w{5}\b", "x[^y]{9}z", "q.*w"];
    let patterns = patterns(&texts);
    let mut scanner = Scanner::new(&patterns, Unit::Lines).unwrap();
    let mut ways = Vec::new();
    for round in 0..8 {
        let mut buffer = Vec::new();
        for n in 0..20_000 {
            buffer.extend_from_slice(match (round / 2 % 2, n % 5) {
                (1, 0) => b"nothing of it\n".as_slice(),
                (1, 1) => "größer: disk 77 wäre full\r\n".as_bytes(),
                (1, 2) => b"a disk 12 \xff is there\n",
                (1, _) => b"x..........z the queue that waits\n",
                (_, 4) if n % 5000 == 4 => b"disk 12345\n",
                _ => b"- - - - - - - - - - - - - - -  - - - - - - - - - - - - - -\n",
            });
        }
        assert!(hits_of(&mut scanner, &buffer) == one_by_one(&texts, &buffer), "{round}");
        ways.push(scanner.choice.dense().is_some());
    }
    assert_eq!(ways, [false, false, true, true, false, false, true, true]);
}

#[test]
fn as_many_patterns_as_words_have_bits_and_more_are_told_of_every_line() {
    for n_patterns in [60, 61, 62, 64, 65, 124, 125, 126, 128, 129, 200, 252, 253, 254, 300] {
        // The last two need text that is text.
        let mut texts: Vec<String> = (2..n_patterns).map(|n| format!("<{n}>|^{n} ")).collect();
        texts.extend([r"(?u)\bfull\b".to_owned(), "[a-z]$".to_owned()]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut buffer = Vec::new();
        for n in 0..2 * n_patterns {
            let line = format!("{n} <{}> <{}><{}> ", n * 7 % n_patterns, n / 2, n_patterns - 1);
            buffer.extend_from_slice(line.as_bytes());
            buffer.extend_from_slice(match n % 5 {
                0 => b"\n".as_slice(),
                1 => b"full\r\n",
                2 => "fullö\n".as_bytes(),
                3 => b"\xff full .\n",
                _ => "ö full\r\n".as_bytes(),
            });
        }
        assert!(hits(&texts, &buffer) == one_by_one(&texts, &buffer), "{n_patterns}");
        let mut scanner = Scanner::new(&patterns(&texts), Unit::Lines).unwrap();
        assert_eq!(scanner.choice.force(), n_patterns <= 253, "{n_patterns}");
    }
}

/// Letters by chance, in lines of some dozens, each of which begins with a word.
fn letters_by_chance(length: usize) -> Vec<u8> {
    let mut seed = 0x5eed_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()[3]
    };
    let mut text = b"disk ".to_vec();
    while text.len() < length {
        match next() {
            0..4 => text.extend_from_slice(b"\ndisk "),
            4 => text.extend_from_slice(b"\r\n"),
            letter => text.push(b'a' + letter % 26),
        }
    }
    text
}

#[test]
fn text_that_is_too_much_for_an_automaton_is_searched_by_positions() {
    let buffer = letters_by_chance(100_000);
    // Too many for a few passes with bits, then behind a word.
    for word in ["", "disk.*"] {
        let texts: Vec<String> = (0..150u8)
            .map(|n| {
                let (from, not, last) = (b'a' + n % 5, b'u' - n % 7, b'f' + n % 19);
                let (from, not, last) = (char::from(from), char::from(not), char::from(last));
                format!("{word}[{from}-q][^{not}-z]{{{}}}{last}", 4 + n / 10)
            })
            .chain([r"\bdisk [a-m]{4}".to_owned(), "(a[b-k]|c[^d]?){9}z".to_owned()])
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut scanner = Scanner::new(&patterns(&texts), Unit::Lines).unwrap();
        assert!(hits_of(&mut scanner, &buffer) == one_by_one(&texts, &buffer), "{word}");
        assert_eq!(scanner.text, Text::Hostile, "{word}");
        assert!(hits_of(&mut scanner, &buffer) == one_by_one(&texts, &buffer), "again: {word}");
    }
}

#[test]
fn a_record_that_an_automaton_gives_up_has_only_what_it_has() {
    let mut record = letters_by_chance(400_000);
    let texts = ["[a-m][^z]{24}#"];
    let mut scanner = Scanner::new(&patterns(&texts), Unit::Records).unwrap();
    assert!(scanner.record(&record).is_none());
    assert!(!scanner.sure, "it gave up");
    record.extend_from_slice(b"\nabcdefghijklmnopqrstuvwxy#\n");
    assert!(scanner.record(&record).is_some());
    assert!(scanner.record(b"abc").is_none());
}

#[test]
fn lines_with_a_word_and_hundreds_of_positions_are_looked_at_together() {
    let texts = [
        "disk.*[a-m][^z]{90}[a-y]",
        "disk [^#]{120}$",
        "disk.*full",
        "disk.*[^q]{300}",
        "(?i)FULL.*[^-]{70}",
        "nothing like it",
    ];
    let mut buffer = Vec::new();
    for (number, line) in letters_by_chance(200_000).split(|byte| *byte == b'\n').enumerate() {
        buffer.extend_from_slice(line);
        buffer.extend_from_slice(match number % 7 {
            0 => b" and full of letters that go on and on".as_slice(),
            3 => b" disk",
            _ => b"",
        });
        buffer.extend(std::iter::repeat_n(b'x', if number % 11 == 0 { number % 400 } else { 0 }));
        buffer.extend_from_slice(if number % 5 == 0 { b"\nno word\n\r\n" } else { b"\n" });
    }
    let found = hits(&texts, &buffer);
    assert!(found == one_by_one(&texts, &buffer));
    assert!(found.len() > 300, "{}", found.len());
    let all: std::collections::BTreeSet<usize> =
        found.iter().flat_map(|(_, numbers)| numbers.iter().copied()).collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    // Each line in a buffer of its own.
    let mut scanner = Scanner::new(&patterns(&texts), Unit::Lines).unwrap();
    let one_by_one: Vec<_> = buffer
        .split_inclusive(|byte| *byte == b'\n')
        .flat_map(|l| hits_of(&mut scanner, l))
        .collect();
    assert!(one_by_one == found);
}

#[test]
fn ways_back_are_asked_where_there_may_be_as_many() {
    let ways = [
        "((a|b|cd)+[0-9]?){20}z",
        "([a-f]+[g-m]?[0-9]){30}[XYZ]",
        "(ab?|(cd)+){60}$",
        "(?u)([a-ö]+|é){70}#",
    ];
    let mut buffer = letters_by_chance(60_000);
    for n in 0..600_usize {
        let (most, few) = (n % 90, n % 7);
        buffer.extend_from_slice(if n % 3 == 0 { b"disk: " } else { b"" });
        buffer.extend_from_slice(&[&b"acdb1"[..], b"abf7", b"abacdcd", b"b"][n % 4].repeat(most));
        buffer.extend_from_slice(&[&b"dc"[..], b"z", b"X", b"#"][n / 4 % 4].repeat(few.min(1)));
        buffer.extend_from_slice(if n % 2 == 0 { b"\n" } else { b"\r\n" });
    }
    for word in ["", "disk.*"] {
        let texts: Vec<String> = ways.iter().map(|way| format!("{word}{way}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let expected = one_by_one(&texts, &buffer);
        assert!(hits(&texts, &buffer) == expected, "{word}");
        for (number, text) in texts.iter().enumerate() {
            let alone = one_by_one(&[text], &buffer);
            assert!(hits(&[text], &buffer) == alone, "{text}");
            assert!(!alone.is_empty(), "{number}: {text}");
        }
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let error = Scanner::new(&patterns(&[r"(?u)(\w{100}(?-u:.)){100}"]), Unit::Lines).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}

proptest! {
    #[test]
    fn the_whole_buffer_at_once_agrees_with_each_line_alone(
        lines in prop::collection::vec("[ab \r\u{e9}]{0,6}", 0..12),
        chosen in prop::collection::btree_set(0usize..14, 1..6),
    ) {
        const ALL: [&str; 14] = [
            "a", "^a", "a$", "^$", "ab", r"a\s+b", "[^a]b", r"\bb", "a.*b$", "(?m)^b$", "x",
            r"\r", "(ab|b a)+", "(?s)a.",
        ];
        let texts: Vec<&str> = chosen.iter().map(|n| ALL[*n]).collect();
        let buffer = lines.concat_with_ends();
        let each: Vec<(Vec<u8>, Vec<usize>)> = buffer
            .split_inclusive(|b| *b == b'\n')
            .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter_map(|line| {
                let numbers: Vec<usize> = texts.iter().enumerate().filter(|(_, text)| {
                    let mut builder = regex::bytes::RegexBuilder::new(text);
                    builder.unicode(false).build().unwrap().is_match(line)
                }).map(|(n, _)| n).collect();
                (!numbers.is_empty()).then(|| (line.to_vec(), numbers))
            })
            .collect();
        prop_assert_eq!(hits(&texts, &buffer), each);
    }
}

/// Patterns of each kind: with words in either case, short and long, with positions that are one
/// word of bits or more, with ways back and around, too large for bits, and for every line.
const KINDS: [&str; 41] = [
    "error: disk",
    "(?i)Error: Disk",
    "(full|empty) disk",
    "disk.*full",
    "(?i)x{3}disk",
    "^error",
    "full$",
    "^disk full$",
    "(^|x)disk f",
    "[a-q][^u-z]{3}x",
    "[de][^f]{7}l",
    "(er|di)+[^ ]*s",
    "(ab?c*d|e){2,4}",
    "^[a-e]+$",
    "[a-e]?k{0,3}$",
    r"\b[a-e]r",
    "(?u)[\u{e0}-\u{ff}]r",
    "(?u)\\wr",
    r"[^ ]{70}",
    "([de]{3}|[fg]{2,}|i?)+k",
    "[a-z]{300}",
    "[xd]{130}",
    "[xk][^r]{190}[^d]",
    "[^x][x-z]{70}",
    "(?s)r.d",
    "x*",
    "[ab]$^",
    r"^\s*$",
    "$",
    "^",
    "a^b",
    "[de]$|^[fx]",
    "(x|[ad]+)*e",
    "[dr]{2}(: ){1,2}[a-e]",
    "((a|b)?[r-s])+ ",
    r"[^\x00-\x7f]{2}",
    "[ex].{9}[r-t]",
    "(?mR)r$",
    "((x|ad+)+ ?){40}",
    "disk((x|ed)+ ?){12}",
    r"full.*(\b[a-f]+\b|r){9,}",
];

/// What each line alone has, by the plainest way to find it.
fn one_by_one(texts: &[&str], buffer: &[u8]) -> Vec<(Vec<u8>, Vec<usize>)> {
    let machines: Vec<regex::bytes::Regex> =
        patterns(texts).iter().map(|pattern| pattern.with_groups().unwrap()).collect();
    let mut lines: Vec<&[u8]> = buffer.split(|byte| *byte == b'\n').collect();
    if lines.last() == Some(&&b""[..]) {
        lines.pop();
    }
    let lines = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let found = lines.map(|line| {
        let has = |machine: &regex::bytes::Regex| machine.is_match(line);
        let numbers = machines.iter().enumerate().filter(|(_, machine)| has(machine));
        (line.to_vec(), numbers.map(|(number, _)| number).collect::<Vec<_>>())
    });
    found.filter(|(_, numbers)| !numbers.is_empty()).collect()
}

#[test]
fn each_kind_of_pattern_alone_finds_what_it_finds_in_each_line() {
    let mut buffer = Vec::new();
    for n in 0..3000_usize {
        buffer.extend_from_slice(match n % 11 {
            0 => b"error: disk full".as_slice(),
            1 => b"ERROR: DISK xxxDISK\r",
            2 => b"an empty disk",
            3 => b"aqqqx disk\xc3\xa9r\xff",
            4 if n % 5 == 0 => b"",
            5 if n % 7 == 0 => b"abcde",
            6 => b"  \r",
            7 if n % 3 == 0 => b"ab\rcd",
            _ => b"nothing here",
        });
        buffer.resize(buffer.len() + (n % 97) * usize::from(n % 4 == 0), b'x');
        buffer.push(b'\n');
    }
    for kind in KINDS {
        assert!(hits(&[kind], &buffer) == one_by_one(&[kind], &buffer), "{kind}");
    }
    assert!(hits(&KINDS, &buffer) == one_by_one(&KINDS, &buffer), "all of them");
}

proptest! {
    #[test]
    fn every_way_to_find_a_pattern_finds_the_same(
        lines in prop::collection::vec(
            "(error: disk|ERROR: Disk| full|[a-fx]{0,9}|[dr]{2}: |\u{e9}r|k|\r|[^\n]{0,3}|x{60,80}){0,5}", 0..40),
        ended: bool,
        chosen in prop::collection::btree_set(0usize..KINDS.len(), 1..9),
    ) {
        let texts: Vec<&str> = chosen.iter().map(|n| KINDS[*n]).collect();
        let mut buffer = lines.concat_with_ends();
        if !ended {
            buffer.pop();
        }
        prop_assert_eq!(hits(&texts, &buffer), one_by_one(&texts, &buffer));
    }
}

trait ConcatWithEnds {
    fn concat_with_ends(&self) -> Vec<u8>;
}

impl ConcatWithEnds for Vec<String> {
    fn concat_with_ends(&self) -> Vec<u8> {
        self.iter().flat_map(|line| line.bytes().chain([b'\n'])).collect()
    }
}

#[test]
fn where_most_lines_have_hits_patterns_of_letters_go_along_whatever_words_they_have() {
    let letters =
        ["(?i)größe|straße", "(?i)диск .*ошибка", "接続", "[é-ü]x", "(?u).{3,20}диск", "error"];
    let buffer = "Größe: диск и ошибка\nSTRASSE, straßE\n接続 error\nüx диск\n\n".repeat(300);
    let expected = one_by_one(&letters, buffer.as_bytes());
    for (texts, crowded) in
        [(&letters[..], Text::Crowded), (&["error", "[a-q][^u-z]{13}x"], Text::Hostile)]
    {
        let mut scanner = Scanner::new(&patterns(texts), Unit::Lines).unwrap();
        scanner.go_other_ways(Text::Hostile);
        scanner.choice.give_up();
        scanner.look_for_other_ways();
        assert_eq!(scanner.text, crowded);
        if crowded == Text::Crowded {
            assert!(!scanner.parts.iter().any(Part::has_automaton));
            assert!(hits_of(&mut scanner, buffer.as_bytes()) == expected);
        }
    }
}

#[test]
fn patterns_that_count_bytes_beside_letters_are_looked_for_with_those_that_do_not() {
    let texts = ["(?i)größe", "ö.{3,9}диск", "(?i)^.{4}Ä[^ ]{6}$", "é[^x]..я", "接続"];
    let mut scanner = Scanner::new(&patterns(&texts), Unit::Lines).unwrap();
    scanner.go_other_ways(Text::Crowded);
    assert_eq!(scanner.parts.len(), 1);
    let mut buffer = Vec::new();
    for between in ["", "x", "яя", "接", "€uro", "接続", "接続x", "я接 接", "ссссс", "😀", "😀😀😀"]
    {
        for (before, after) in [
            ("ö", "диск"),
            ("Größe", "диск接続"),
            ("1234ä", ""),
            ("яяÄ", "\r"),
            ("é", "я"),
            ("", "x"),
        ] {
            let line = [before, between, after, "\n"].concat().into_bytes();
            // And with a letter that is not there as a whole.
            let broken =
                [before.as_bytes(), b"\xe6\x8e", between.as_bytes(), after.as_bytes(), b"\n"];
            buffer.extend_from_slice(&[line, broken.concat()].concat());
        }
    }
    let buffer = buffer.repeat(30);
    let expected = one_by_one(&texts, &buffer);
    for number in 0..texts.len() {
        let times = expected.iter().filter(|(_, has)| has.contains(&number)).count();
        assert!(times > 0 && times < expected.len(), "{number}");
    }
    assert!(hits_of(&mut scanner, &buffer) == expected);
    assert!(hits_of(&mut scanner, &buffer) == expected, "again");
}
