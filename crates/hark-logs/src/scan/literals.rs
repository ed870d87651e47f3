//! Words that every line with a hit must have.
//!
//! Most patterns contain a word that is rare (`segfault at`), also in their middle, and looking for words
//! is several times faster than any automaton. The word is chosen by how often its letters are in
//! logs. A pattern without regard to case has its words in a form in which capital and small letters
//! are one, and text is looked at in the same form, some kilobytes at a time.

use aho_corasick::{AhoCorasick, packed};
use memchr::memmem;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Literal};
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Repetition};

/// Bound on the words of one pattern: more of them say that it has none of its own.
const MOST_OF_ONE: usize = 16;

/// Bound on words that are looked for together, as the vector search has it.
pub(super) const MOST: usize = 64;

/// A word is looked for by its first bytes, so many; the others are compared afterwards.
const HEAD: usize = 4;

/// Bytes of a word that are compared: what follows hardly tells more.
const LONGEST: usize = 24;

/// Parts of a sequence that a word is made of: enough to cover a class or two between letters.
const PARTS: usize = 8;

/// Bound on places in a pattern where a word is looked for.
const PLACES: usize = 200;

/// How often the words of a pattern may be found, by a guess, for each byte of text: looking at a line
/// costs as much as looking for words in some kilobytes.
const OFTEN: f64 = 1.0 / 2000.0;

/// What comparing a word whose first bytes were found costs, if looking at a line costs one.
const COMPARING: f64 = 0.03;

/// Text that is brought into the form without case at once: it stays in the nearest cache.
const CHUNK: usize = 8 * 1024;

/// The bit that capital and small letters differ in.
const CASE: u8 = 0x20;

/// The words of a pattern, one of which is in every match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Needles {
    pub(super) words: Vec<Vec<u8>>,
    /// Whether they are in the form without case.
    pub(super) folded: bool,
}

impl Needles {
    /// Chooses the words of a pattern. None if it has none that are rare enough.
    pub(super) fn of(form: &Hir) -> Option<Self> {
        let rare = |words: &Words| words.1 <= OFTEN;
        let exact = best(form, Form::AsItIs, &mut PLACES.clone()).filter(rare);
        let folded = best(&fold(form), Form::Folded, &mut PLACES.clone()).filter(rare);
        // The same word in all its cases is one in the form without.
        match (exact, folded) {
            (Some((words, _)), Some((fewer, _))) if fewer.len() < words.len() => {
                Some(Self { words: fewer, folded: true })
            }
            (Some((words, _)), _) => Some(Self { words, folded: false }),
            (None, Some((words, _))) => Some(Self { words, folded: true }),
            (None, None) => None,
        }
    }
}

type Words = (Vec<Vec<u8>>, f64);

/// Returns the words that are found least.
fn best(hir: &Hir, form: Form, places: &mut usize) -> Option<Words> {
    if *places == 0 {
        return None;
    }
    *places -= 1;
    let own = prefixes(hir, form);
    let inner = match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => None,
        HirKind::Repetition(repetition) if repetition.min == 0 => None,
        HirKind::Repetition(repetition) => best(&repetition.sub, form, places),
        HirKind::Capture(capture) => best(&capture.sub, form, places),
        HirKind::Concat(parts) => {
            let from = |at: usize| {
                let some = parts.iter().skip(at).take(PARTS).cloned();
                prefixes(&Hir::concat(some.collect()), form)
            };
            let begins = (1..parts.len().min(PLACES)).filter_map(from).reduce(rarer);
            let parts = parts.iter().filter_map(|part| best(part, form, places));
            begins.into_iter().chain(parts).reduce(rarer)
        }
        HirKind::Alternation(parts) => {
            let each: Option<Vec<Words>> =
                parts.iter().map(|part| best(part, form, places)).collect();
            each.and_then(|each| {
                let often = each.iter().map(|(_, often)| often).sum();
                let words: Vec<Vec<u8>> = each.into_iter().flat_map(|(words, _)| words).collect();
                (words.len() <= MOST_OF_ONE).then_some((words, often))
            })
        }
    };
    own.into_iter().chain(inner).reduce(rarer)
}

fn rarer(a: Words, b: Words) -> Words {
    if b.1 < a.1 { b } else { a }
}

fn prefixes(hir: &Hir, form: Form) -> Option<Words> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_literal_len(4 * LONGEST).limit_total(MOST_OF_ONE);
    let mut all = extractor.extract(hir);
    all.dedup();
    let words = all.literals()?.iter().map(Literal::as_bytes);
    let mut often = 0.0;
    let mut cuts = Vec::new();
    for word in words {
        let (cut, costs) = rarest(word, form)?;
        often += costs;
        cuts.push(cut.to_vec());
    }
    cuts.sort();
    cuts.dedup();
    (!cuts.is_empty()).then_some((cuts, often))
}

/// Returns the part of a word that costs least to look for, and what it costs.
fn rarest(word: &[u8], form: Form) -> Option<(&[u8], f64)> {
    let last = word.len().saturating_sub(HEAD);
    let parts = (0..=last).filter_map(|at| {
        let part = word.get(at..word.len().min(at + LONGEST))?;
        // Letters follow one another not by chance: less rare than their product.
        let often = |part: &[u8]| {
            let by_chance: f64 = part.iter().map(|byte| form.frequency(*byte)).product();
            by_chance.powf(0.75)
        };
        let head = part.get(..HEAD).unwrap_or(part);
        (!part.is_empty()).then(|| (part, often(part) + COMPARING * often(head)))
    });
    parts.reduce(|a, b| if b.1 < a.1 { b } else { a })
}

/// The form that words and text are compared in.
#[derive(Clone, Copy, Debug)]
enum Form {
    AsItIs,
    Folded,
}

impl Form {
    fn frequency(self, byte: u8) -> f64 {
        match self {
            Self::AsItIs => frequency(byte),
            Self::Folded => frequency(byte) + frequency(byte & !CASE),
        }
    }
}

/// How often a byte is in logs, roughly.
pub(super) fn frequency(byte: u8) -> f64 {
    match byte {
        b' ' => 0.1,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b'0'..=b'9' => 0.04,
        b'a'..=b'z' | b':' | b'.' | b'-' | b'/' | b'=' | b'"' | b'[' | b']' => 0.02,
        b'A'..=b'Z' | b'(' | b')' | b',' | b'_' | b'+' | b'{' | b'}' => 0.006,
        b'\n' | b'\t' => 0.01,
        _ => 0.002,
    }
}

/// Returns a pattern that finds, in text in the form without case, at least what `hir` finds in the
/// text itself.
fn fold(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Literal(literal) => {
            Hir::literal(literal.0.iter().map(|byte| byte | CASE).collect::<Vec<u8>>())
        }
        HirKind::Class(Class::Bytes(class)) => bytes(class),
        HirKind::Class(Class::Unicode(class)) => match class.to_byte_class() {
            Some(class) => bytes(&class),
            None => anything(),
        },
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => Hir::repetition(Repetition {
            min: *min,
            max: *max,
            greedy: *greedy,
            sub: Box::new(fold(sub)),
        }),
        HirKind::Capture(Capture { sub, .. }) => fold(sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(fold).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(fold).collect()),
    }
}

fn bytes(class: &ClassBytes) -> Hir {
    let all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let folded = all.map(|byte| ClassBytesRange::new(byte | CASE, byte | CASE));
    Hir::class(Class::Bytes(ClassBytes::new(folded)))
}

/// One letter, however many bytes it has.
fn anything() -> Hir {
    let any = ClassBytes::new([ClassBytesRange::new(0, u8::MAX)]);
    let sub = Box::new(Hir::class(Class::Bytes(any)));
    Hir::repetition(Repetition { min: 1, max: None, greedy: true, sub })
}

/// Looks for some words at once.
#[derive(Debug)]
pub(super) struct Finder {
    search: Search,
    /// Text in the form without case, if words are in it.
    folded: Option<Folded>,
    longest: usize,
}

#[derive(Debug)]
enum Search {
    One(Box<memmem::Finder<'static>>),
    Vector(Box<packed::Searcher>),
    /// Where the processor has no vectors.
    Plain(Box<AhoCorasick>),
}

/// The form without case of the part of the buffer that begins at `from`.
#[derive(Debug, Default)]
struct Folded {
    from: usize,
    text: Vec<u8>,
}

impl Finder {
    /// Makes one for words that are all in the same form. None if there is no way, which is so for
    /// more than [`MOST`] of them at most.
    pub(super) fn new(words: &[Vec<u8>], folded: bool) -> Option<Self> {
        let search = match words {
            [word] => Search::One(Box::new(memmem::Finder::new(word).into_owned())),
            _ => match packed::Searcher::new(words) {
                Some(searcher) => Search::Vector(Box::new(searcher)),
                None => Search::Plain(Box::new(AhoCorasick::new(words).ok()?)),
            },
        };
        let longest = words.iter().map(Vec::len).max()?;
        Some(Self { search, folded: folded.then(Folded::default), longest })
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        if let Some(folded) = &mut self.folded {
            folded.text.clear();
        }
    }

    /// Returns where the first word begins from `at` on.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        let Self { search, folded, longest } = self;
        let Some(folded) = folded else {
            return search.find(buffer.get(at..)?).map(|found| at + found);
        };
        let mut at = at;
        loop {
            let end = folded.from + folded.text.len();
            // A word that begins in the last bytes may go on behind them.
            let last = end == buffer.len() || at + *longest <= end;
            if at < folded.from || at >= end || !last {
                folded.fill(buffer, at)?;
            }
            let text = folded.text.get(at - folded.from..)?;
            if let Some(found) = search.find(text) {
                return Some(at + found);
            }
            let end = folded.from + folded.text.len();
            if end == buffer.len() {
                return None;
            }
            at = (end + 1).saturating_sub(*longest).max(at + 1);
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let search = match &self.search {
            Search::One(finder) => size_of::<memmem::Finder<'_>>() + finder.needle().len(),
            Search::Vector(searcher) => searcher.memory_usage(),
            Search::Plain(searcher) => searcher.memory_usage(),
        };
        search + self.folded.as_ref().map_or(0, |folded| folded.text.capacity())
    }
}

impl Search {
    fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::One(finder) => finder.find(text),
            Self::Vector(searcher) => searcher.find(text).map(|found| found.start()),
            Self::Plain(searcher) => searcher.find(text).map(|found| found.start()),
        }
    }
}

impl Folded {
    /// Takes the text from `at` on. None if there is none.
    fn fill(&mut self, buffer: &[u8], at: usize) -> Option<()> {
        let rest = buffer.get(at..).filter(|rest| !rest.is_empty())?;
        let text = rest.get(..CHUNK).unwrap_or(rest);
        self.from = at;
        self.text.clear();
        self.text.extend(text.iter().map(|byte| byte | CASE));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::{Pattern, within_line};

    fn needles(text: &str) -> Option<(Vec<String>, bool)> {
        let needles = Needles::of(&within_line(Pattern::new(text).unwrap().hir().clone()))?;
        let words = needles.words.into_iter().map(|word| String::from_utf8(word).unwrap());
        Some((words.collect(), needles.folded))
    }

    #[test]
    fn the_rarest_word_is_chosen_wherever_it_stands() {
        for (pattern, words, folded) in [
            ("segfault at [0-9a-f]+", &["gfault at "][..], false),
            (r"kernel: \[.*\] CPU[0-9]+: Core temperature", &["] CPU"], false),
            ("certificate (has )?expired", &["ificate "], false),
            ("(timed out|refused)$", &["imed out", "refused"], false),
            ("a.*(Foo|Bar)+x", &["Bar", "Foo"], false),
            ("(?i)Too many open", &["many open"], true),
            ("(Error|(?i)fatal):", &["error:", "fatal:"], true),
        ] {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(needles(pattern), Some((words, folded)), "{pattern}");
        }
        for pattern in ["[0-9]+", "a", "e.*r", "(abcd)?[0-9]", "(abcd|[0-9])", "x*", r"\w{20}"] {
            assert_eq!(needles(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_word_is_found_where_two_pieces_of_text_meet() {
        let word = b"needle@x".map(|byte| byte | CASE).to_vec();
        let mut finder = Finder::new(&[word], true).unwrap();
        for at in CHUNK - 10..CHUNK + 10 {
            let mut buffer = vec![b'.'; 2 * CHUNK + 100];
            buffer[at..at + 8].copy_from_slice(b"nEEdle@X");
            finder.begin();
            assert_eq!(finder.find(&buffer, 3), Some(at));
            assert_eq!(finder.find(&buffer, at + 1), None);
        }
    }
}
