//! All patterns as one automaton of lines, in a table of its own.
//!
//! The library's automaton asks of each state whether it is a special one. Here each state that text
//! comes to is a row of a table, with what is found where it is reached, and what is found if the line
//! ends there; a step is one look into the row, whatever the state. The end of a line is a byte as any
//! other: it leads to a row with all that the end itself finds, from which the next line goes on.
//!
//! Rows are made when they are first reached, within bounds.

use std::collections::HashMap;

use regex_automata::Anchored;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{self, DFA};
use regex_automata::util::start;
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};

use super::TooLarge;
use super::automaton;
use super::borders::{has_unicode_borders, without_borders_in_text};
use super::plain::plain;
use crate::pattern::Pattern;

/// Bound on patterns: the bits of a word, but for the two below and the one that says that text is text.
pub(super) const MOST: usize = 61;

/// Stands among the patterns for a line that has to be looked at in another way: it is no text where
/// that makes a difference, or has letters that the automaton cannot tell borders beside.
pub(super) const UNSURE: u64 = 1 << 63;

/// Stands among the patterns for a line that ends with `\r\n`.
pub(super) const CARRIAGE: u64 = 1 << 62;

/// Entries of the table: as many as a number can name, 128 kilobytes if all are used.
pub(super) const ENTRIES: usize = 1 << 16;

/// Before them stands the class of each byte.
pub(super) const CLASSES: usize = 256;

/// The binary logarithm of the shortest row that there is.
pub(super) const LEAST_SHIFT: u32 = 4;

/// Bound on rows: usual patterns have some dozens to two hundred, and those that are of no use are to
/// be known soon.
pub(super) const ROWS: usize = 1024;

/// Rows that were full before so many bytes were looked at cost more than they were worth.
const WORTH: usize = 1 << 20;

/// So many times in a row, and they are of no use.
const TRIES: u32 = 2;

/// Where a row begins in the table. Zero is the row of what is not known, which leads to itself.
type Number = u16;

/// There is no room for more.
#[derive(Debug)]
pub(super) struct Full;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Rows {
    dfa: DFA,
    cache: dfa::Cache,
    /// The bit that stands for "all of the line is UTF-8", if that is asked.
    valid: Option<u64>,
    /// The binary logarithm of a row's length.
    shift: u32,
    /// Bytes that always lead to the same are one class. After the class of each byte, the rows: for each
    /// class, where it leads.
    next: Box<[Number; CLASSES + ENTRIES]>,
    /// What is found where each row is reached.
    outs: Box<[u64; ROWS]>,
    /// By their places in the table.
    made: Vec<Row>,
    numbers: HashMap<Row, Number>,
    /// Bytes that were looked at with these rows.
    used: usize,
    /// How often they were full too early.
    full_early: u32,
}

/// What is asked for each byte.
pub(super) struct Tables<'r> {
    pub(super) shift: u32,
    pub(super) next: &'r [Number; CLASSES + ENTRIES],
    pub(super) outs: &'r [u64; ROWS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    state: LazyStateID,
    /// What is found where it is reached.
    outs: u64,
    /// What is found if the line ends here. A `\r` before the end is no part of the line.
    at_end: u64,
}

impl Rows {
    /// Compiles patterns.
    ///
    /// # Errors
    /// If they are too many, or too large together.
    pub(super) fn new(patterns: &[Pattern]) -> Result<Self, TooLarge> {
        if patterns.len() > MOST {
            return Err(TooLarge(format!("more than {MOST} patterns")));
        }
        let alone: Vec<Hir> = patterns.iter().map(|pattern| plain(pattern.hir())).collect();
        let mut forms: Vec<Hir> = alone.iter().map(without_borders_in_text).collect();
        let differ = alone.iter().any(has_unicode_borders);
        let valid = differ.then_some(1 << forms.len());
        if differ {
            forms.push(text());
        }
        let dfa = automaton::of_all(&forms.iter().collect::<Vec<_>>())?;
        let mut kinds = HashMap::new();
        let mut next: Box<[Number; CLASSES + ENTRIES]> = boxed(0);
        for byte in 0..=u8::MAX {
            let fresh = kinds.len();
            let kind = (dfa.byte_classes().get(byte), byte == b'\n', byte == b'\r');
            let class = *kinds.entry(kind).or_insert(fresh);
            next[usize::from(byte)] =
                Number::try_from(class).map_err(|error| TooLarge(error.to_string()))?;
        }
        let mut rows = Self {
            cache: dfa.create_cache(),
            dfa,
            valid,
            shift: kinds.len().next_power_of_two().ilog2().max(LEAST_SHIFT),
            next,
            outs: boxed(0),
            made: Vec::new(),
            numbers: HashMap::new(),
            used: 0,
            full_early: 0,
        };
        rows.clear();
        Ok(rows)
    }

    /// Forgets all rows.
    fn clear(&mut self) {
        let used = self.made.len() << self.shift;
        self.next.iter_mut().skip(CLASSES).take(used).for_each(|entry| *entry = 0);
        self.made.clear();
        self.numbers.clear();
        // The row of what is not known.
        self.made.push(Row { state: LazyStateID::default(), outs: 0, at_end: 0 });
        self.cache.reset(&self.dfa);
        self.used = 0;
    }

    /// Notes that there is no room and makes all rows anew. Returns true if they are of no use.
    pub(super) fn renew(&mut self) -> bool {
        self.full_early = if self.used < WORTH { self.full_early + 1 } else { 0 };
        self.clear();
        self.full_early >= TRIES
    }

    /// Notes that so many bytes were looked at.
    pub(super) fn note(&mut self, bytes: usize) {
        self.used += bytes;
    }

    /// Returns the row where a line begins.
    pub(super) fn start(&mut self) -> Result<usize, Full> {
        let row = self.row_of_start(0)?;
        self.number(row).map(usize::from)
    }

    /// Returns what is found where a row is reached.
    pub(super) fn outs(&self, at: usize) -> u64 {
        self.outs.get(at >> self.shift).copied().unwrap_or_default()
    }

    pub(super) fn tables(&self) -> Tables<'_> {
        Tables { shift: self.shift, next: &self.next, outs: &self.outs }
    }

    /// Returns the row that `byte` leads to, a new one if need be.
    pub(super) fn step(&mut self, at: usize, byte: u8) -> Result<usize, Full> {
        let class = self.next[usize::from(byte)];
        let entry = CLASSES + (at | usize::from(class)) % ENTRIES;
        let known = self.next[entry];
        if known != 0 {
            return Ok(usize::from(known));
        }
        let row = *self.made.get(at >> self.shift).ok_or(Full)?;
        let row = match byte {
            b'\n' => self.row_of_start(row.at_end)?,
            // The rest of the line makes no difference, but for its end.
            b'\r' if row.state.is_quit() => Row { at_end: CARRIAGE, ..row },
            _ if row.state.is_quit() => Row { at_end: 0, ..row },
            _ => {
                let state =
                    self.dfa.next_state(&mut self.cache, row.state, byte).map_err(|_| Full)?;
                let outs = self.outs_of(state);
                let at_end = match byte {
                    b'\r' => self.at_end(row.state)? | CARRIAGE,
                    _ => self.at_end(state)?,
                };
                Row { state, outs, at_end }
            }
        };
        // States that were thrown away are other ones now, by the same names.
        if self.cache.clear_count() > 0 {
            return Err(Full);
        }
        let next = self.number(row)?;
        self.next[entry] = next;
        Ok(usize::from(next))
    }

    /// Returns the row where a line begins, after one whose end has found `outs`.
    fn row_of_start(&mut self, outs: u64) -> Result<Row, Full> {
        let config = start::Config::new().anchored(Anchored::No);
        let state = self.dfa.start_state(&mut self.cache, &config).map_err(|_| Full)?;
        Ok(Row { state, outs, at_end: self.at_end(state)? })
    }

    fn outs_of(&self, state: LazyStateID) -> u64 {
        if state.is_quit() { UNSURE } else { self.matches(state) }
    }

    /// Returns what is found if the line ends at `state`.
    fn at_end(&mut self, state: LazyStateID) -> Result<u64, Full> {
        if state.is_quit() {
            return Ok(0);
        }
        let end = self.dfa.next_eoi_state(&mut self.cache, state).map_err(|_| Full)?;
        let found = self.matches(end);
        Ok(match self.valid {
            Some(valid) if found & valid == 0 => found | UNSURE,
            Some(valid) => found & !valid,
            None => found,
        })
    }

    fn matches(&self, state: LazyStateID) -> u64 {
        if !state.is_match() {
            return 0;
        }
        let patterns = 0..self.dfa.match_len(&self.cache, state);
        let bits =
            patterns.map(|at| 1 << self.dfa.match_pattern(&self.cache, state, at).as_usize());
        bits.fold(0, |all, bit: u64| all | bit)
    }

    /// Returns the number of a row, a new one if need be.
    fn number(&mut self, row: Row) -> Result<Number, Full> {
        if let Some(number) = self.numbers.get(&row) {
            return Ok(*number);
        }
        let place = self.made.len();
        let number = Number::try_from(place << self.shift).map_err(|_| Full)?;
        *self.outs.get_mut(place).ok_or(Full)? = row.outs;
        self.made.push(row);
        self.numbers.insert(row, number);
        Ok(number)
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let automaton =
            self.dfa.memory_usage() + self.dfa.get_nfa().memory_usage() + self.cache.memory_usage();
        let number = size_of::<Row>() + size_of::<Number>() + 1;
        let entries = CLASSES + (self.made.len() << self.shift);
        automaton
            + entries * size_of::<Number>()
            + self.made.len() * size_of::<u64>()
            + self.made.capacity() * size_of::<Row>()
            + self.numbers.capacity() * number
            + size_of::<Self>()
    }
}

/// Returns a pattern that is found in a line that is UTF-8 throughout.
fn text() -> Hir {
    let letter = Hir::class(Class::Unicode(ClassUnicode::new([ClassUnicodeRange::new(
        char::MIN,
        char::MAX,
    )])));
    let sub = Box::new(letter);
    let all = Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub });
    Hir::concat(vec![Hir::look(Look::Start), all, Hir::look(Look::End)])
}

/// Returns zeros, of which only what is used takes memory.
pub(super) fn boxed<T: Clone, const N: usize>(one: T) -> Box<[T; N]> {
    let all = vec![one; N].into_boxed_slice();
    all.try_into().unwrap_or_else(|_| unreachable!("a vector of N has N"))
}
