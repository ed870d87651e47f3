//! Patterns as one automaton whose states are made when they are first reached.
//!
//! It goes through text forward only and knows no groups: half of what a regular expression usually
//! brings along (an automaton for the way back, places for the groups of every pattern in every state)
//! would be memory in each agent that nothing here asks for. Where its states are of no use (they are
//! thrown away again and again, or a Unicode `\b` meets a letter that is not ASCII) the slower
//! simulation of the same patterns goes on, which is made when it is first needed.

use regex_automata::hybrid::BuildError;
use regex_automata::hybrid::dfa::{self, DFA};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, MatchError, MatchErrorKind, MatchKind, PatternSet};
use regex_syntax::hir::Hir;

use super::TooLarge;

/// Bound on the compiled form of all patterns of a file: some thousand alternatives. What is larger
/// comes from a large counted repetition, and would cost the agent more memory than all else.
const MAX_COMPILED: usize = 1 << 20;

/// Bound on the states of an automaton that are remembered. Twenty usual patterns need a fifth.
const CACHE: usize = 512 * 1024;

/// After so many times that all states were thrown away, each must have been of use for
/// [`BYTES_A_STATE`]: the bounds that the library's own search has.
const CLEARED: usize = 3;
const BYTES_A_STATE: usize = 10;

/// It is of no use if it gave up so often, and once of so many times that it was asked.
const FAILURES: u32 = 8;
const OFTEN: u32 = 8;

/// All states were thrown away so often before the automaton is dear.
const TRIES: usize = 2;

/// If all states are of use for fewer bytes than so many, most of the work is to make them: a search that remembers
/// nothing is as fast.
const WORTH: usize = 1 << 20;

/// Patterns as one automaton.
#[derive(Debug)]
pub(super) struct Automaton {
    dfa: DFA,
    cache: dfa::Cache,
    /// Bytes that it looked at.
    looked: usize,
    /// How often it was asked, and how often it gave up.
    asked: u32,
    failed: u32,
    /// See the module's text.
    slow: Option<Box<(PikeVM, pikevm::Cache)>>,
}

/// What is asked of an automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Where a match ends.
    Where,
    /// Which patterns there are.
    Which,
}

impl Automaton {
    /// Compiles patterns.
    ///
    /// # Errors
    /// If they are too large together.
    pub(super) fn new(forms: &[&Hir], asked: Asked) -> Result<Self, TooLarge> {
        let kind = match asked {
            Asked::Where => MatchKind::LeftmostFirst,
            Asked::Which => MatchKind::All,
        };
        // All patterns of a line are asked for: no beginning of one can be left out.
        let prefilter = match asked {
            Asked::Where => Prefilter::from_hirs_prefix(kind, forms),
            Asked::Which => None,
        };
        let config = usual()
            .match_kind(kind)
            .specialize_start_states(prefilter.is_some())
            .prefilter(prefilter)
            .minimum_cache_clear_count(Some(CLEARED))
            .minimum_bytes_per_state(Some(BYTES_A_STATE));
        let dfa = build(config, compile(forms, asked)?)?;
        Ok(Self { cache: dfa.create_cache(), dfa, looked: 0, asked: 0, failed: 0, slow: None })
    }

    /// Returns where the first match ends that is found from `at` on; `at` is within the buffer. Where it
    /// gives up, but not often, it returns `at`, as if the line there had one.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        let input = Input::new(buffer).range(at..).earliest(true);
        self.asked = self.asked.saturating_add(1);
        match self.dfa.try_search_fwd(&mut self.cache, &input) {
            Ok(found) => {
                let found = found.map(|found| found.offset());
                self.looked += found.unwrap_or(buffer.len()) - at;
                return found;
            }
            Err(error) if is_given_up(&error) => {
                let is_too_often = self.is_of_no_use();
                self.failed = self.failed.saturating_add(1);
                if !is_too_often {
                    return Some(at);
                }
            }
            Err(_) => {}
        }
        let (slow, cache) = self.slow()?;
        let mut ends = [None; 2];
        slow.search_slots(cache, &input, &mut ends)?;
        ends[1].map(NonMaxUsize::get)
    }

    /// Adds to `found` which patterns are in `text`.
    pub(super) fn which(&mut self, text: &[u8], found: &mut PatternSet) {
        let input = Input::new(text);
        let done = self.dfa.try_which_overlapping_matches(&mut self.cache, &input, found);
        self.looked += text.len();
        self.asked = self.asked.saturating_add(1);
        let has_failed = done.as_ref().is_err_and(is_given_up);
        self.failed = self.failed.saturating_add(u32::from(has_failed));
        if done.is_err()
            && let Some((slow, cache)) = self.slow()
        {
            slow.which_overlapping_matches(cache, &input, found);
        }
    }

    /// Whether its states were of no use so often that most of the text goes by the slower simulation.
    pub(super) fn is_of_no_use(&self) -> bool {
        self.failed >= FAILURES && self.failed >= self.asked / OFTEN
    }

    /// Whether another way to look for its patterns would be better.
    pub(super) fn is_dear(&self) -> bool {
        let tries = self.cache.clear_count();
        self.is_of_no_use() || (tries >= TRIES && self.looked < tries * WORTH)
    }

    /// Whether it ever said of a line that it may have a match since it did not know.
    pub(super) fn has_guessed(&self) -> bool {
        self.failed > 0
    }

    fn slow(&mut self) -> Option<(&PikeVM, &mut pikevm::Cache)> {
        if self.slow.is_none() {
            let kind = self.dfa.get_config().get_match_kind();
            let mut builder = PikeVM::builder();
            builder.configure(PikeVM::config().match_kind(kind));
            // Whatever is no automaton at all is one of these.
            let slow = builder.build_from_nfa(self.dfa.get_nfa().clone()).ok()?;
            let cache = slow.create_cache();
            self.slow = Some(Box::new((slow, cache)));
        }
        self.slow.as_deref_mut().map(|(slow, cache)| (&*slow, cache))
    }

    /// Gives back the memory of its states.
    pub(super) fn forget(&mut self) {
        self.cache = self.dfa.create_cache();
        self.slow = None;
        (self.looked, self.asked, self.failed) = (0, 0, 0);
    }

    /// Returns the bytes that it holds now.
    pub(super) fn memory(&self) -> usize {
        let slow = self.slow.as_ref().map_or(0, |slow| slow.1.memory_usage());
        let (dfa, nfa) = (self.dfa.memory_usage(), self.dfa.get_nfa().memory_usage());
        dfa + nfa + self.cache.memory_usage() + slow
    }
}

/// Returns an automaton of all patterns, for one who goes through its states.
///
/// # Errors
/// If they are too large together.
pub(super) fn of_all(forms: &[&Hir]) -> Result<NFA, TooLarge> {
    compile(forms, Asked::Which)
}

/// Returns true if that is so because of how many states there were.
fn is_given_up(error: &MatchError) -> bool {
    matches!(error.kind(), MatchErrorKind::GaveUp { .. })
}

fn usual() -> dfa::Config {
    DFA::config().unicode_word_boundary(true).cache_capacity(CACHE).skip_cache_capacity_check(true)
}

fn build(config: dfa::Config, nfa: NFA) -> Result<DFA, TooLarge> {
    let made = DFA::builder().configure(config).build_from_nfa(nfa);
    made.map_err(|error: BuildError| TooLarge(error.to_string()))
}

fn compile(forms: &[&Hir], asked: Asked) -> Result<NFA, TooLarge> {
    let config = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(MAX_COMPILED))
        .which_captures(match asked {
            // The slower simulation tells where by them.
            Asked::Where => WhichCaptures::Implicit,
            Asked::Which => WhichCaptures::None,
        });
    let compiled = thompson::Compiler::new().configure(config).build_many_from_hir(forms);
    compiled.map_err(|error| {
        let limit = error.size_limit();
        TooLarge(limit.map_or_else(
            || error.to_string(),
            |limit| format!("more than {limit} bytes when compiled"),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn automaton(patterns: &[&str], asked: Asked) -> Automaton {
        let patterns: Vec<Pattern> =
            patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
        let forms: Vec<&Hir> = patterns.iter().map(Pattern::hir).collect();
        Automaton::new(&forms, asked).unwrap()
    }

    fn which(automaton: &mut Automaton, text: &str) -> Vec<usize> {
        let mut found = PatternSet::new(automaton.dfa.pattern_len());
        automaton.which(text.as_bytes(), &mut found);
        found.iter().map(|id| id.as_usize()).collect()
    }

    #[test]
    fn where_states_are_of_no_use_the_simulation_finds_the_same() {
        let mut one = automaton(&[r"(?u)\bdisk\b"], Asked::Where);
        assert_eq!(one.find(b"a disk", 0), Some(6));
        assert!(one.slow.is_none(), "plain text needs no simulation");
        assert_eq!(one.find("größe: disk ".as_bytes(), 0), Some(13));
        assert_eq!(one.find("größe: diskö ".as_bytes(), 0), None);
        assert!(one.slow.is_some());
        let mut two = automaton(&[r"(?u)\bdisk\b", "full"], Asked::Which);
        assert_eq!(which(&mut two, "ö disk full"), [0, 1]);
        assert_eq!(which(&mut two, "ödisk full"), [1]);
        assert!(two.slow.is_some());
    }

    #[test]
    fn twenty_patterns_take_some_kilobytes() {
        let words: Vec<String> =
            (0..20).map(|n| format!("worker {n} (exited|died) [0-9]+")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut automaton = automaton(&words, Asked::Which);
        assert_eq!(which(&mut automaton, "the worker 7 died 12 times"), [7]);
        assert!(automaton.memory() < 100 * 1024, "{}", automaton.memory());
    }
}
