//! All patterns of a file in one pass.
//!
//! One automaton of all patterns runs over a whole buffer of lines, not over each line: most lines
//! hold nothing, and looking for their ends would cost more than looking for the patterns. Only a
//! line with a hit is cut out and asked which patterns are in it. The automaton is made lazily
//! within `CACHE` bytes; the time of a pass is linear in the buffer, whatever the patterns.

use std::ops::Range;

use regex_automata::meta::{self, Cache};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, PatternID, PatternSet};
use regex_syntax::hir::Hir;
use thiserror::Error;

use crate::pattern::Pattern;

/// Bound on the compiled form of all patterns of a file: some thousand alternatives. What is larger
/// comes from a large counted repetition, and would cost the agent more memory than all else.
const MAX_COMPILED: usize = 1 << 20;

/// Bound on the states of an automaton that are remembered. Twenty usual patterns need a fifth.
const CACHE: usize = 512 * 1024;

/// Why patterns cannot be looked for together.
#[derive(Debug, Error)]
#[error("the patterns of one file together are too large: {0}")]
pub struct TooLarge(String);

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Lines, many in a buffer.
    Lines,
    /// Records of one or more lines, one by one.
    Records,
}

/// Patterns, ready to be looked for.
#[derive(Debug)]
pub struct Scanner {
    find: Machine,
    /// Tells which patterns are in one line or record.
    which: Machine,
    /// Whether what `find` finds needs no second look: there is one pattern.
    sure: bool,
    found: PatternSet,
}

#[derive(Debug)]
struct Machine {
    regex: meta::Regex,
    cache: Cache,
}

impl Scanner {
    /// Compiles `patterns`.
    ///
    /// # Errors
    /// If they are too large together.
    pub fn new<'p>(
        patterns: impl IntoIterator<Item = &'p Pattern>,
        unit: Unit,
    ) -> Result<Self, TooLarge> {
        let patterns: Vec<&Pattern> = patterns.into_iter().collect();
        debug_assert!(!patterns.is_empty(), "a watch has a pattern");
        let forms: Vec<Hir> = match unit {
            Unit::Lines => patterns.iter().map(|p| p.within_line()).collect(),
            Unit::Records => patterns.iter().map(|p| p.hir().clone()).collect(),
        };
        let mut found = PatternSet::new(patterns.len());
        if patterns.len() == 1 {
            found.insert(PatternID::ZERO);
        }
        // In a line alone its end is the end: the patterns as they are written.
        let alone: Vec<&Hir> = patterns.iter().map(|p| p.hir()).collect();
        let which = Machine::new(MatchKind::All, &alone)?;
        let sure = patterns.len() == 1 && !patterns.iter().any(|p| p.looks_at_end());
        let all = Hir::alternation(forms);
        let find = Machine::new(MatchKind::LeftmostFirst, &[&all])?;
        Ok(Self { find, which, sure, found })
    }

    /// Looks through `buffer`, which holds whole lines (the last one's end may be missing), and
    /// calls `hit` for each line that has any of the patterns, with its place without its end, and
    /// the numbers of the patterns.
    pub fn lines(&mut self, buffer: &[u8], mut hit: impl FnMut(Range<usize>, &PatternSet)) {
        let mut at = 0;
        while at < buffer.len() {
            let input = Input::new(buffer).range(at..).earliest(true);
            let Some(half) = self.find.regex.search_half_with(&mut self.find.cache, &input) else {
                return;
            };
            let (line, next) = line_around(buffer, half.offset());
            // What was found may have been the carriage return that belongs to the line's end.
            let sure = self.sure && buffer.get(line.end) != Some(&b'\r');
            if line.start >= buffer.len() {
                return;
            }
            if sure || self.which(buffer.get(line.clone()).unwrap_or_default()) {
                hit(line, &self.found);
            }
            at = next;
        }
    }

    /// Says which patterns are in one record; none if no pattern is.
    pub fn record(&mut self, record: &[u8]) -> Option<&PatternSet> {
        let input = Input::new(record).earliest(true);
        self.find.regex.search_half_with(&mut self.find.cache, &input)?;
        (self.sure || self.which(record)).then_some(&self.found)
    }

    fn which(&mut self, text: &[u8]) -> bool {
        let which = &mut self.which;
        self.found.clear();
        let input = Input::new(text);
        which.regex.which_overlapping_matches_with(&mut which.cache, &input, &mut self.found);
        let any = !self.found.is_empty();
        if self.sure && !any {
            self.found.insert(PatternID::ZERO);
        }
        any
    }

    /// Returns the bytes that its automata hold now.
    pub fn memory(&self) -> usize {
        let of = |machine: &Machine| machine.regex.memory_usage() + machine.cache.memory_usage();
        of(&self.find) + of(&self.which)
    }
}

impl Machine {
    fn new(kind: MatchKind, forms: &[&Hir]) -> Result<Self, TooLarge> {
        let config = meta::Config::new()
            .match_kind(kind)
            .utf8_empty(false)
            .nfa_size_limit(Some(MAX_COMPILED))
            .hybrid_cache_capacity(CACHE)
            // Whole automata, and engines for captures, are memory without use here.
            .dfa(false)
            .onepass(false)
            .backtrack(false);
        let mut builder = meta::Regex::builder();
        builder.configure(config).syntax(syntax::Config::new().utf8(false).unicode(false));
        let regex = builder.build_many_from_hir(forms).map_err(|error| {
            let limit = error.size_limit();
            TooLarge(limit.map_or_else(
                || error.to_string(),
                |limit| format!("more than {limit} bytes when compiled"),
            ))
        })?;
        let cache = regex.create_cache();
        Ok(Self { regex, cache })
    }
}

/// Returns the line that `offset` is in or at the end of, without its end, and where the next one
/// begins.
fn line_around(buffer: &[u8], offset: usize) -> (Range<usize>, usize) {
    let (before, after) = buffer.split_at(offset);
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let end = memchr::memchr(b'\n', after).map_or(buffer.len(), |at| offset + at);
    let line = buffer.get(start..end).unwrap_or_default();
    let shown = line.strip_suffix(b"\r").unwrap_or(line).len();
    (start..start + shown, end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::new(text).unwrap()).collect()
    }

    fn hits(texts: &[&str], buffer: &[u8]) -> Vec<(Vec<u8>, Vec<usize>)> {
        let mut scanner = Scanner::new(&patterns(texts), Unit::Lines).unwrap();
        let mut hits = Vec::new();
        scanner.lines(buffer, |line, found| {
            let numbers = found.iter().map(|id| id.as_usize()).collect();
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
        assert_eq!(found.iter().map(|id| id.as_usize()).collect::<Vec<_>>(), [0]);
        assert!(scanner.record(b"a\nb\n").is_none());
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let error = Scanner::new(&patterns(&[r"(?u)(\w{100}){100}"]), Unit::Lines).unwrap_err();
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

    trait ConcatWithEnds {
        fn concat_with_ends(&self) -> Vec<u8>;
    }

    impl ConcatWithEnds for Vec<String> {
        fn concat_with_ends(&self) -> Vec<u8> {
            self.iter().flat_map(|line| line.bytes().chain([b'\n'])).collect()
        }
    }
}
