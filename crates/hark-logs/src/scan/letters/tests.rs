use proptest::prelude::*;

use super::super::along::Along;
use super::super::along::tests::{forms, found, one_by_one};
use super::*;
use crate::pattern::Pattern;
use crate::sys::vectors::Vectors;

fn letters(patterns: &[&str]) -> Result<(Letters, Vec<Hir>), Unsuitable> {
    let (forms, _) = forms(patterns);
    Letters::new(&forms.iter().collect::<Vec<_>>())
}

fn along(patterns: &[&str]) -> Result<Along, Unsuitable> {
    let (forms, gates) = forms(patterns);
    Along::of_letters(&forms, gates)
}

/// Letters of each length, of words and not, and bytes that are none: halves of letters, halves of pairs, and letters
/// that are written with more bytes than they need.
const PIECES: [&[u8]; 40] = [
    b"a",
    b"aB",
    b"1 ",
    b"_",
    b" ",
    b"-",
    b"x",
    b"k",
    b"Kk",
    b"error: disk full, nothing is written here",
    b"\r",
    "ß".as_bytes(),
    "é".as_bytes(),
    "größe".as_bytes(),
    "я".as_bytes(),
    "Ж".as_bytes(),
    "чтение ".as_bytes(),
    "\u{7ff}".as_bytes(),
    "\u{80}".as_bytes(),
    "ǅ".as_bytes(),
    "\u{301}".as_bytes(),
    "接続".as_bytes(),
    "ー".as_bytes(),
    "\u{800}".as_bytes(),
    "\u{200d}".as_bytes(),
    "\u{212a}".as_bytes(),
    "\u{ffff}".as_bytes(),
    "\u{10000}".as_bytes(),
    "😀".as_bytes(),
    "𝒜".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"\xff",
    b"\x80",
    b"\x80\xbf\x80\x80",
    b"\xc3",
    b"\xe6\x8e",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\xc1\xa1",
    b"\xf4\x90\x80\x80",
];

/// Those that come first are of text that is UTF-8.
const N_VALID: usize = 31;

/// Lines of them by chance, up to so many in a line.
fn text(seed: u64, length: usize, longest: usize, n_pieces: usize) -> Vec<u8> {
    let mut seed = seed;
    let mut next = move |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap() % most
    };
    let mut text = Vec::new();
    while text.len() < length {
        // Of few kinds, so that there are long runs of a class.
        let few = 1 + next(n_pieces);
        let first = next(n_pieces);
        for _ in 0..next(longest) {
            text.extend_from_slice(PIECES[(first + next(few)) % n_pieces]);
        }
        text.extend_from_slice([&b"\n"[..], b"\r\n", b"a\n"][next(3)]);
    }
    text
}

/// Patterns that are looked for together.
const SETS: [&[&str]; 9] = [
    &[r"(?u)\w{4}[^ ]\W", r"(?u)\p{Lu}\w{2}\b", "(?iu)[а-я]{3}[^x]{3}[ßüа]", r"(?u)\w{9}\W{5}"],
    &[
        r"(?u)\bя",
        r"(?u)я\b",
        r"(?u)\Bя",
        r"(?u)é\B",
        r"(?u)\B-",
        r"(?u)-\B",
        r"(?u)-\b",
        r"(?u)^\B-",
        r"(?u)^\b.",
    ],
    &[
        r"(?u)\b{start}接",
        r"(?u)a\b{end}",
        r"(?u)\b{start-half}a",
        r"(?u)\b{start-half}-",
        r"(?u)-\b{end-half}",
        r"(?u)a\b{end-half}$",
    ],
    &[
        r"(?u).\b.\B.",
        r"(?u)^.\b{start-half}",
        r"(?u)\w\b{start}\w",
        r"(?u)\B\W\B",
        r"(?u)(\b|-)a(-|\b)",
        r"(?u)[^a]\b+[^-]$",
    ],
    &[
        "(?u)[à-я].{5}[^ш]x?[а-я]",
        "(?u).{300}я",
        "(?u)[^a]{70,90}ß",
        r"(?u)^\W{3}",
        "(?u)^.{1,4}$",
        "(?u)[^ ]{600}",
    ],
    &[
        "(?i)größe|straße",
        "(?iu)k{2}",
        "(?u)接[^ ]*ー",
        "接.*続",
        "é[^a]*[^ ]*ß",
        "(?u)(a|é|続)+-",
        r"(?u)\S\s\S\pL",
        "(?u)(é|ße?){3}",
        "(?i)ЧТЕНИЕ .*ß",
    ],
    &[
        r"(?u)(?-u:\b)é|x",
        r"(?u)\W(?-u:\B)é?x",
        r"(?u)é(?-u:\b{start})a",
        "(?u)[a-z]{2}é?",
        r"(?u:\x{10000})|é",
        "(?u)[\u{80}\u{7ff}\u{800}\u{ffff}\u{10ffff}]a",
    ],
    &[
        r"(?u)\p{Lu}",
        r"(?u)[^\p{Ll}]ß",
        r"(?u)\d\w",
        r"(?u)[\u{301}\u{200d}]\b",
        r"(?u)\p{Han}\w+\p{Han}",
        r"(?u)[^\x00-\x7f]{3}$",
    ],
    &[
        r"(?u)^[^\x00-\x7f]",
        r"(?u)[\u{d7ff}-\u{e000}]|ー",
        r"(?u)[\u{80}-\u{10ffff}]a[\u{80}-\u{10ffff}]",
    ],
];

#[test]
fn what_is_found_in_codes_is_what_each_line_has() {
    let by_chance =
        [(6, PIECES.len()), (60, PIECES.len()), (8000, N_VALID)].map(|(longest, n_pieces)| {
            text(0x5eed + longest as u64, 2000 + 3 * longest, longest, n_pieces)
        });
    // Each beside each other, and at the beginning and the end of a line.
    let pairs = PIECES.iter().flat_map(|one| PIECES.map(|other| [one, other, &b"\n"[..]].concat()));
    let texts = [&by_chance[..], &[pairs.collect::<Vec<_>>().concat()]].concat();
    for (number, patterns) in SETS.iter().enumerate() {
        let mut along = along(patterns).unwrap_or_else(|_| panic!("{number}: {patterns:?}"));
        for text in &texts {
            let expected = one_by_one(patterns, text);
            for vectors in Vectors::all() {
                along.use_vectors(vectors);
                let found = found(&mut along, text);
                let differ = found.iter().zip(&expected).find(|(one, other)| one != other);
                assert!(found == expected, "{number}, {vectors:?}: {differ:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_said_in_codes_is_refused() {
    for pattern in [
        r"é.*\B",
        "é.+x",
        r"é[^\x80]*x",
        "(?u)é(?-u:.)",
        r"(?u)é(?-u:\xff)",
        r"é\xff(?-u)",
        "(?u)é*",
        r"(?u)\b",
        "(?u)(é.*)*x",
    ] {
        assert!(Pattern::new(pattern).is_err() || along(&[pattern]).is_err(), "{pattern}");
    }
    // More letters are told apart than there are codes for.
    let many: Vec<String> =
        ('а'..='я').chain('ａ'..='ｚ').chain('ぁ'..='ゖ').map(|c| format!("{c}x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(many.len() > 127 && letters(&many).is_err());
    assert!(letters(&many[..120]).is_ok());
}

#[test]
fn a_class_that_is_asked_for_often_is_one_bit_of_a_code() {
    let (letters, _) =
        letters(&[r"(?u)\w\W\w[а-я]", r"(?u)\w{3}[^ ]\b", r"(?u)\w[ßüа]x\p{Lu}"]).unwrap();
    let borders = letters.borders().unwrap();
    let words: Vec<usize> = (0x80..=0xff).filter(|code| has(&borders.begins_word, *code)).collect();
    let bits = (0..7).filter(|bit| words.iter().all(|code| code >> bit & 1 == 1));
    assert!(words.len() > 3 && bits.count() > 0, "{words:x?}");
}

#[test]
fn codes_take_some_kilobytes() {
    let mut along = along(&[r"(?u)\w{4}[^ ]\W", r"(?u)\p{Lu}\w{2}\b"]).unwrap();
    // All letters that there are.
    let all: String = ('\u{80}'..=char::MAX).collect();
    found(&mut along, all.as_bytes());
    assert!(along.memory() < 200_000, "{}", along.memory());
}

/// Codes, by the plainest way to find them.
fn plainly(letters: &Letters, line: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    for chunk in line.utf8_chunks() {
        let code = |letter: char| match u8::try_from(letter) {
            Ok(byte) if byte.is_ascii() => byte,
            Ok(_) | Err(_) => letters.codes.of(u32::from(letter)),
        };
        codes.extend(chunk.valid().chars().map(code));
        codes.extend(chunk.invalid().iter().map(|_| letters.codes.broken.no_letter));
    }
    codes
}

proptest! {
    #[test]
    fn a_line_that_is_written_in_pieces_has_the_codes_of_the_whole(
        pieces in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..60),
        rooms in prop::collection::vec(prop_oneof![1..40_usize, 64..400_usize], 1..20),
    ) {
        let line = pieces.concat();
        let (mut letters, _) = letters(&["(?u)[à-я]x", r"(?u)\w\pL", "[接-続]"]).unwrap();
        let expected = plainly(&letters, &line);
        for vectors in Vectors::all() {
            let (mut codes, mut taken) = (Vec::new(), 0);
            for room in rooms.iter().cycle() {
                if taken == line.len() {
                    break;
                }
                let mut into = vec![0; *room];
                let (more, length) = letters.write(vectors, &line, taken, &mut into);
                prop_assert!(length == *room || taken + more == line.len());
                codes.extend_from_slice(&into[..length]);
                taken += more;
            }
            prop_assert_eq!(&codes, &expected, "{:?}", vectors);
        }
    }
}
