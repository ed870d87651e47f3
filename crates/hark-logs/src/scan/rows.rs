//! All patterns as one automaton of lines, in a table of its own.
//!
//! The library's automaton asks of each state whether it is a special one. Here each set of states that
//! text comes to ([`Subset`]) is a row of a table, and a step is one look into the row for where it
//! leads, and one for what is found by it, whatever the set. The end of a line is a byte as any other:
//! it leads to the row where a line begins, and what is found by that is what the end itself finds.
//!
//! Rows are made when they are first reached, within bounds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};

use super::TooLarge;
use super::automaton;
use super::borders::{has_unicode_borders, without_borders_in_text};
use super::machine::{add, meets};
use super::plain::plain;
use super::positions::put;
use super::subsets::{Subset, Subsets, Unknown};
use crate::pattern::Pattern;

/// Bound on patterns: the bits of so many words, but for the two below and the one that says that text is
/// text.
pub(super) const fn most(words: usize) -> usize {
    words * 64 - 3
}

/// Stands among the patterns, in the last word, for a line that has to be looked at in another way: it is
/// no text where that makes a difference, or has letters that the automaton cannot tell borders beside.
pub(super) const UNSURE: u64 = 1 << 63;

/// Stands there for a line that ends with `\r\n`.
pub(super) const CARRIAGE: u64 = 1 << 62;

/// What is found: a bit for each pattern.
pub(super) type Found<const W: usize> = [u64; W];

/// Entries of the table: as many as a number can name, so that no number has to be compared with that. What
/// is not used of it takes no memory.
const ENTRIES: usize = 1 << 16;

/// First in the table stands the class of each byte.
const CLASSES: usize = 256;

/// First in what is found stands what is kept of it after each byte.
const KEPT: usize = 256;

/// Bound on those that are used, which are 128 kilobytes then: where and what.
const USED: usize = 1 << 15;

/// The binary logarithm of the shortest row that there is, which bounds the number of rows.
const LEAST_SHIFT: u32 = 4;

/// Bound on different things that are found by a step: most patterns have a few more than themselves.
const OUTS: usize = 1024;

/// Bound on the bytes of sets: usual patterns need a tenth, and those that rows are of no use for are to be
/// known soon.
const SETS: usize = 512 * 1024;

/// Rows that were full before so many bytes were looked at cost more than they were worth.
const WORTH: usize = 1 << 20;

/// So many times in a row, and they are of no use.
const TRIES: u32 = 2;

/// Where a row begins in the table. Zero is the row of what is not known, which leads to itself.
type Number = u16;

/// There is no room for more.
#[derive(Debug)]
pub(super) struct Full;

/// See the module's text. What is found is in so many words.
#[derive(Debug)]
pub(super) struct Rows<const W: usize> {
    subsets: Subsets,
    /// The bit that stands for "all of the line is UTF-8", if that is asked.
    valid: Option<Found<W>>,
    /// The binary logarithm of a row's length.
    shift: u32,
    /// Bytes that always lead to the same are one class. After the class of each byte, the rows: for each
    /// class, where it leads. Then the same rows again: for each class, the place in `outs` of what is found
    /// by that.
    table: Box<[Number; CLASSES + 2 * ENTRIES]>,
    /// After what is kept of it, each thing that is found by a step.
    outs: Box<[Found<W>; KEPT + ENTRIES]>,
    outs_made: HashMap<Found<W>, Number>,
    /// By their places in the table.
    made: Vec<Row<W>>,
    numbers: HashMap<Row<W>, Number>,
    sets: Vec<Subset>,
    sets_made: HashMap<Subset, SetNumber>,
    sets_bytes: usize,
    /// Bytes that were looked at with these rows.
    used: usize,
    /// How often they were full too early.
    full_early: u32,
}

/// What is asked for each byte.
pub(super) struct Tables<'r, const W: usize> {
    table: &'r [Number; CLASSES + 2 * ENTRIES],
    outs: &'r [Found<W>; KEPT + ENTRIES],
}

/// Where a byte leads.
pub(super) struct Step<'r, const W: usize> {
    /// Zero if that is not known.
    pub(super) row: usize,
    pub(super) found: &'r Found<W>,
    /// What is kept of what was found so far: all bits, or none if the line ends.
    pub(super) kept: &'r Found<W>,
}

impl<'r, const W: usize> Tables<'r, W> {
    #[expect(clippy::inline_always, reason = "a call for each byte would cost more than it")]
    #[inline(always)]
    pub(super) fn step(&self, row: usize, byte: u8) -> Step<'r, W> {
        let byte = usize::from(byte);
        let entry = (row | usize::from(self.table[byte])) % ENTRIES;
        let row = usize::from(self.table[CLASSES + entry]);
        let out = usize::from(self.table[CLASSES + ENTRIES + entry]);
        Step { row, found: &self.outs[KEPT + out], kept: &self.outs[byte] }
    }
}

type SetNumber = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row<const W: usize> {
    /// `None` once the line is known to be one for which another way has to be gone.
    set: Option<SetNumber>,
    /// What was found here if the line goes on with this: it may be that a `\r` is not part of it.
    found: Found<W>,
    /// What is found if the line ends here. A `\r` before the end is no part of the line.
    at_end: Found<W>,
}

impl<const W: usize> Rows<W> {
    /// Compiles patterns.
    ///
    /// # Errors
    /// If they are too many, or too large together.
    pub(super) fn new(patterns: &[Pattern]) -> Result<Self, TooLarge> {
        if patterns.len() > most(W) {
            return Err(TooLarge(format!("more than {} patterns", most(W))));
        }
        let alone: Vec<Hir> = patterns.iter().map(|pattern| plain(pattern.hir())).collect();
        let mut forms: Vec<Hir> = alone.iter().map(without_borders_in_text).collect();
        let differ = alone.iter().any(has_unicode_borders);
        let valid = differ.then(|| bit(forms.len()));
        if differ {
            forms.push(text());
        }
        let subsets = Subsets::new(automaton::of_all(&forms.iter().collect::<Vec<_>>())?);
        let mut kinds = HashMap::new();
        let mut table: Box<[Number; CLASSES + 2 * ENTRIES]> = boxed(0);
        for byte in 0..=u8::MAX {
            let fresh = Number::try_from(kinds.len());
            let fresh = fresh.map_err(|error| TooLarge(error.to_string()))?;
            table[usize::from(byte)] = *kinds.entry(subsets.class(byte)).or_insert(fresh);
        }
        let mut outs: Box<[Found<W>; KEPT + ENTRIES]> = boxed([0; W]);
        outs[..KEPT].fill([u64::MAX; W]);
        outs[usize::from(b'\n')] = [0; W];
        let mut rows = Self {
            subsets,
            valid,
            shift: kinds.len().next_power_of_two().ilog2().max(LEAST_SHIFT),
            table,
            outs,
            outs_made: HashMap::new(),
            made: Vec::new(),
            numbers: HashMap::new(),
            sets: Vec::new(),
            sets_made: HashMap::new(),
            sets_bytes: 0,
            used: 0,
            full_early: 0,
        };
        rows.clear();
        Ok(rows)
    }

    /// Forgets all rows.
    fn clear(&mut self) {
        let used = self.made.len() << self.shift;
        for begin in [CLASSES, CLASSES + ENTRIES] {
            self.table.iter_mut().skip(begin).take(used).for_each(|entry| *entry = 0);
        }
        self.made.clear();
        self.numbers.clear();
        self.sets.clear();
        self.sets_made.clear();
        self.sets_bytes = 0;
        self.outs_made.clear();
        self.outs_made.insert([0; W], 0);
        // The row of what is not known.
        self.made.push(Row { set: None, found: [0; W], at_end: [0; W] });
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
        let row = self.row_of_start()?;
        self.number(row).map(usize::from)
    }

    pub(super) fn tables(&self) -> Tables<'_, W> {
        Tables { table: &self.table, outs: &self.outs }
    }

    /// Returns the row that `byte` leads to, a new one if need be, and what is found by that.
    pub(super) fn step(&mut self, at: usize, byte: u8) -> Result<(usize, Found<W>), Full> {
        let known = self.tables().step(at, byte);
        if known.row != 0 {
            return Ok((known.row, *known.found));
        }
        let row = *self.made.get(at >> self.shift).ok_or(Full)?;
        let (next, found) = match byte {
            b'\n' => (self.row_of_start()?, row.at_end),
            _ => self.row_after(&row, byte)?,
        };
        let next = self.number(next)?;
        let out = self.out(found)?;
        let entry = (at | usize::from(self.table[usize::from(byte)])) % ENTRIES;
        self.table[CLASSES + entry] = next;
        self.table[CLASSES + ENTRIES + entry] = out;
        Ok((usize::from(next), found))
    }

    /// Returns the row where a line begins.
    fn row_of_start(&mut self) -> Result<Row<W>, Full> {
        let mut found = [0; W];
        let set = self.subsets.start(|number| put(&mut found, number));
        let at_end = with(self.at_end(&set), &found);
        Ok(Row { set: Some(self.set(set)?), found, at_end })
    }

    /// Returns the row after `byte`, which is no end of a line, and what is found by it.
    fn row_after(&mut self, row: &Row<W>, byte: u8) -> Result<(Row<W>, Found<W>), Full> {
        let set = row.set.and_then(|number| self.sets.get(usize::try_from(number).ok()?));
        // The rest of the line makes no difference, but for its end.
        let carriage = if byte == b'\r' { flag(CARRIAGE) } else { [0; W] };
        let unsure = Row { set: None, found: [0; W], at_end: carriage };
        let Some(set) = set else { return Ok((unsure, row.found)) };
        let (mut before, mut found) = (row.found, [0; W]);
        let subsets = &mut self.subsets;
        let next = subsets.step(
            set,
            byte,
            |number| put(&mut before, number),
            |number| put(&mut found, number),
        );
        let Ok(next) = next else { return Ok((unsure, flag(UNSURE))) };
        let after = if byte == b'\r' {
            let set = set.clone();
            let at_end = with(self.at_end(&set), &carriage);
            (Row { set: Some(self.set(next)?), found, at_end }, before)
        } else {
            let at_end = self.at_end(&next);
            (Row { set: Some(self.set(next)?), found: [0; W], at_end }, with(before, &found))
        };
        Ok(after)
    }

    /// Returns what is found if the line ends at `set`.
    fn at_end(&mut self, set: &Subset) -> Found<W> {
        let mut found = [0; W];
        let known = self.subsets.at_end(set, |number| put(&mut found, number));
        match (known, self.valid) {
            (Err(Unknown), _) => flag(UNSURE),
            (Ok(()), Some(valid)) if !meets(&found, &valid) => with(found, &flag(UNSURE)),
            (Ok(()), Some(valid)) => without(found, &valid),
            (Ok(()), None) => found,
        }
    }

    /// Returns the number of a row, a new one if need be.
    fn number(&mut self, row: Row<W>) -> Result<Number, Full> {
        if let Some(number) = self.numbers.get(&row) {
            return Ok(*number);
        }
        let place = self.made.len() << self.shift;
        if place >= USED {
            return Err(Full);
        }
        let number = Number::try_from(place).map_err(|_| Full)?;
        self.made.push(row);
        self.numbers.insert(row, number);
        Ok(number)
    }

    fn set(&mut self, set: Subset) -> Result<SetNumber, Full> {
        let fresh = SetNumber::try_from(self.sets.len()).map_err(|_| Full)?;
        match self.sets_made.entry(set) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(entry) => {
                // It is kept twice: by its number, and to be known again.
                self.sets_bytes += 2 * entry.key().memory();
                if self.sets_bytes > SETS {
                    return Err(Full);
                }
                self.sets.push(entry.key().clone());
                Ok(*entry.insert(fresh))
            }
        }
    }

    /// Returns the place of what is found.
    fn out(&mut self, found: Found<W>) -> Result<Number, Full> {
        let fresh = self.outs_made.len();
        match self.outs_made.entry(found) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(_) if fresh >= OUTS => Err(Full),
            Entry::Vacant(entry) => {
                self.outs[KEPT + fresh] = found;
                Ok(*entry.insert(Number::try_from(fresh).map_err(|_| Full)?))
            }
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let entries = CLASSES + 2 * (self.made.len() << self.shift);
        let number = size_of::<Number>() + 1;
        self.subsets.memory()
            + self.sets_bytes
            + entries * size_of::<Number>()
            + self.outs_made.len() * size_of::<Found<W>>()
            + self.outs_made.capacity() * (size_of::<Found<W>>() + number)
            + self.made.capacity() * size_of::<Row<W>>()
            + self.numbers.capacity() * (size_of::<Row<W>>() + number)
            + size_of::<Self>()
    }
}

/// Returns what stands for this pattern.
fn bit<const W: usize>(number: usize) -> Found<W> {
    let mut found = [0; W];
    put(&mut found, number);
    found
}

/// Returns what stands for [`UNSURE`] or [`CARRIAGE`].
pub(super) fn flag<const W: usize>(flag: u64) -> Found<W> {
    std::array::from_fn(|word| if word + 1 == W { flag } else { 0 })
}

fn with<const W: usize>(mut found: Found<W>, more: &Found<W>) -> Found<W> {
    add(&mut found, more);
    found
}

fn without<const W: usize>(found: Found<W>, less: &Found<W>) -> Found<W> {
    std::array::from_fn(|word| found[word] & !less[word])
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
