//! Many patterns at once as bits of a few machine words.
//!
//! An automaton of states can be exponentially larger than its patterns (`[a-q][^u-z]{13}x` has
//! thousands of them), and made lazily it is then made anew all the time. Here each position of each
//! pattern is a bit, all positions that text may have reached are one set, and a byte takes the set
//! to the next with the same few operations whatever the patterns and the text: a shift for those that
//! stand in a row, a mask for those that repeat, and one step for each other kind of way
//! ([`Jump`](super::machine::Jump)). It takes some kilobytes, always the same.
//!
//! Each step waits for the one before, so several lines' worth of text are searched side by side: a
//! processor does them in the time of one. Where text has hits its lines are looked at one by one, again
//! some side by side, and each only as far as until all that can be found in it is found.

use regex_syntax::hir::Hir;

use super::gates::Gate;
use super::machine::{CARRIES, FEW, MOST_JUMPS, Machine, SKIPS, SOME, meets, widen};
use super::positions::{Positions, Room, Set, Unsuitable};
use super::table::{Full, Table};

/// Bytes of each of the streams that are searched side by side before anybody looks at what was
/// found: small enough that a hit is not searched for twice over much text, large enough that
/// the different lengths of lines do not matter.
const STREAM: usize = 2048;

/// One line in so many with a hit is often: then looking ahead only costs, since there are as many lines
/// in what is looked at ahead.
const BUSY: usize = 64;

/// One line in so many with a hit is so often that bits, which end with a line once all is found in it,
/// are faster than the table.
const CROWDED: usize = 4;

/// Bytes of a line, by a guess that is only needed for [`CROWDED`].
const LINE: usize = 100;

/// Lines that are looked at before the first of their hits is told.
const LINES: usize = 32;

/// So much text in a match is more than many lines have: the shorter ones are left out.
pub(super) const LONG: usize = 64;

/// Streams that are searched side by side where that is by the table.
const TABLE_STREAMS: usize = 4;

/// Patterns as bits.
#[derive(Debug)]
pub(super) struct Bits {
    words: Words,
    /// The last positions of each pattern.
    ends: Vec<Set>,
    /// Whether it finds exactly what the patterns say, and not more.
    exact: bool,
    /// The patterns' last positions that were reached in the line that was found.
    reached: Set,
    /// What is known of the buffer.
    known: Known,
}

/// What is known of the buffer.
#[derive(Debug, Default)]
struct Known {
    /// What a line has for each of the patterns that has a match of it, if that is much.
    gates: Vec<Gate>,
    /// Where the text ends that was looked at.
    until: usize,
    /// Whether its lines have to be looked at one by one.
    may_hit: bool,
    /// Where those lines end that were looked at one by one.
    looked: usize,
    /// What was found in them: where a line ends, and what was reached in it.
    hits: Vec<(usize, Set)>,
    /// How many of these were told.
    told: usize,
    /// Hits are in so many lines that looking ahead is of no use.
    busy: bool,
    /// Hits are in so many that the table is of no use.
    crowded: bool,
    /// Of the text before `until`.
    lines: usize,
    lines_with_hits: usize,
}

#[derive(Debug)]
enum Words {
    One(Box<Machine<1>>),
    Two(Box<Machine<2>>),
    Four(Box<Machine<4>>),
    Eight(Box<Machine<8>>),
}

impl Bits {
    /// Compiles patterns, in their form for a buffer of many lines.
    ///
    /// # Errors
    /// If they need too many positions or ways, or one of them finds something in every line.
    pub(super) fn new<'h>(forms: impl IntoIterator<Item = &'h Hir>) -> Result<Self, Unsuitable> {
        let forms: Vec<&Hir> = forms.into_iter().collect();
        // A way from one word into the next is more work than two words more.
        let apart = Placed::new(&forms, Room::Words);
        let placed = apart.or_else(|Unsuitable| Placed::new(&forms, Room::Close))?;
        let Placed { positions, first, last, ends, exact } = placed;
        // Where something else tells which patterns there are, one of them is enough.
        let enough = if exact { ends.as_slice() } else { &[last] };
        let words = match positions.all.len().div_ceil(64) {
            0 | 1 => Words::One(Box::new(Machine::new(&positions, &first, &last, enough)?)),
            2 => Words::Two(Box::new(Machine::new(&positions, &first, &last, enough)?)),
            3 | 4 => Words::Four(Box::new(Machine::new(&positions, &first, &last, enough)?)),
            _ => Words::Eight(Box::new(Machine::new(&positions, &first, &last, enough)?)),
        };
        Ok(Self { words, ends, exact, reached: Set::default(), known: Known::default() })
    }

    /// Says what a line has for each of the patterns, which is [`LONG`] or more bytes.
    pub(super) fn leave_out_lines(&mut self, gates: Vec<Gate>) {
        self.known.gates = gates;
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        let Known { gates, mut hits, busy, crowded, .. } = std::mem::take(&mut self.known);
        hits.clear();
        self.known = Known { gates, hits, busy, crowded, ..Known::default() };
    }

    /// Finds the first line from `at` on that has any of the patterns; `at` is where a line begins.
    /// Returns the place of its end.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        let Self { words, reached, known, .. } = self;
        match words {
            Words::One(machine) => machine.find::<4>(buffer, at, known, reached),
            Words::Two(machine) => machine.find::<3>(buffer, at, known, reached),
            Words::Four(machine) => machine.find::<2>(buffer, at, known, reached),
            Words::Eight(machine) => machine.find::<2>(buffer, at, known, reached),
        }
    }

    /// Looks at one line, which is given without its end.
    pub(super) fn look(&mut self, line: &[u8]) {
        self.reached = match &self.words {
            Words::One(machine) => machine.look(line),
            Words::Two(machine) => machine.look(line),
            Words::Four(machine) => machine.look(line),
            Words::Eight(machine) => machine.look(line),
        };
    }

    /// Whether it needs several words for each byte.
    pub(super) fn is_wide(&self) -> bool {
        matches!(self.words, Words::Four(_) | Words::Eight(_))
    }

    /// Whether it does several words of work for each byte, since there is no table that spares it that.
    pub(super) fn has_given_up(&self) -> bool {
        match &self.words {
            Words::One(_) | Words::Two(_) => false,
            Words::Four(machine) => machine.table.is_none(),
            Words::Eight(machine) => machine.table.is_none(),
        }
    }

    /// Whether it finds exactly what the patterns say, and not more.
    pub(super) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Returns which patterns the line has that was found or looked at last.
    pub(super) fn which(&self) -> impl Iterator<Item = usize> {
        let reached = |ends: &Set| ends.iter().zip(&self.reached).any(|(a, b)| a & b != 0);
        self.ends.iter().enumerate().filter(move |(_, ends)| reached(ends)).map(|(at, _)| at)
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let words = match &self.words {
            Words::One(_) => 1,
            Words::Two(_) => 2,
            Words::Four(_) => 4,
            Words::Eight(_) => 8,
        };
        let machine = words * 8 * (256 + 6 + 2 * MOST_JUMPS + self.ends.len());
        let table = match &self.words {
            Words::One(machine) => machine.table.as_ref().map_or(0, |table| table.memory()),
            Words::Two(machine) => machine.table.as_ref().map_or(0, |table| table.memory()),
            Words::Four(machine) => machine.table.as_ref().map_or(0, |table| table.memory()),
            Words::Eight(machine) => machine.table.as_ref().map_or(0, |table| table.memory()),
        };
        let hits = self.known.hits.capacity() * size_of::<(usize, Set)>();
        machine + table + self.ends.len() * size_of::<Set>() + hits
    }
}

/// Patterns at their places.
struct Placed {
    positions: Positions,
    first: Set,
    last: Set,
    ends: Vec<Set>,
    exact: bool,
}

impl Placed {
    fn new(forms: &[&Hir], room: Room) -> Result<Self, Unsuitable> {
        let mut positions = Positions::new();
        let (mut first, mut last) = (Set::default(), Set::default());
        let mut ends = Vec::new();
        let mut exact = true;
        for form in forms {
            let whole = positions.add_whole(form, room)?;
            exact &= whole.exact;
            for (word, from) in first.iter_mut().zip(whole.part.first) {
                *word |= from;
            }
            for (word, from) in last.iter_mut().zip(whole.part.last) {
                *word |= from;
            }
            ends.push(whole.part.last);
        }
        Ok(Self { positions, first, last, ends, exact })
    }
}

impl<const W: usize> Machine<W> {
    /// Does something by the table, if there is one and it has room.
    fn with_table<T>(
        &mut self,
        with: impl FnOnce(&mut Table<W>, &Self) -> Result<T, Full>,
    ) -> Option<T> {
        let mut table = self.table.take()?;
        let done = with(&mut table, self).ok();
        if done.is_some() || !table.renew() {
            self.table = Some(table);
        }
        done
    }

    /// Looks at the next text, several streams of it at once.
    fn look_ahead<const K: usize, const J: usize>(
        &self,
        buffer: &[u8],
        at: usize,
        known: &mut Known,
    ) {
        known.busy = known.lines_with_hits * BUSY > known.lines || !known.gates.is_empty();
        known.crowded = known.lines_with_hits * CROWDED > known.lines;
        (known.lines, known.lines_with_hits) = (0, 0);
        let mut from = at;
        let streams = [(); K].map(|()| {
            let stream = stream(buffer.get(from..).unwrap_or_default(), STREAM);
            from += stream.len();
            stream
        });
        known.until = from;
        let ends = from < buffer.len() || buffer.ends_with(b"\n");
        known.may_hit = known.busy || !ends || meets(&self.ever::<K, J>(streams), &self.last);
    }

    /// Finds the next hits by the table; false if that does not work.
    fn look_by_table(&mut self, buffer: &[u8], at: usize, known: &mut Known) -> bool {
        if self.table.is_none() || !known.gates.is_empty() || (known.crowded && !self.is_dear()) {
            return false;
        }
        // The last line's end may be missing, but for its `\r`.
        let whole = buffer;
        let buffer = whole.strip_suffix(b"\r").unwrap_or(whole);
        if at >= buffer.len() {
            return false;
        }
        known.hits.clear();
        known.told = 0;
        let mut from = at;
        let streams = [(); TABLE_STREAMS].map(|()| {
            let begin = from;
            from += stream(buffer.get(from..).unwrap_or_default(), STREAM / 2).len();
            begin..from
        });
        let hits = &mut known.hits;
        if self.with_table(|table, machine| table.hits(machine, buffer, &streams, hits)).is_none() {
            known.hits.clear();
            return false;
        }
        // The `\r` of a line's end is no part of the line, but was looked at as such.
        known.hits.retain_mut(|(end, reached)| {
            let text = buffer.get(..*end).unwrap_or_default();
            let is_open = *end == buffer.len();
            let Some(text) = text.strip_suffix(b"\r").filter(|_| !is_open) else { return true };
            let start = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
            *reached = self.look(text.get(start..).unwrap_or_default());
            meets(reached, &widen(&self.last))
        });
        let is_last = from == buffer.len() && !buffer.ends_with(b"\n");
        known.looked = if is_last { whole.len() } else { from };
        // Streams that are longer than they would have to be are a line each.
        let usual = from - at <= TABLE_STREAMS * STREAM;
        let lines = if usual { (from - at) / LINE } else { TABLE_STREAMS };
        known.crowded = known.hits.len() * CROWDED > lines;
        true
    }

    fn find<const K: usize>(
        &mut self,
        buffer: &[u8],
        at: usize,
        known: &mut Known,
        found: &mut Set,
    ) -> Option<usize> {
        // Measured: written out, jumps of four words need more registers than there are.
        match self.jumps.len() {
            0 if self.has_carries() => self.find_with::<K, CARRIES>(buffer, at, known, found),
            0 if self.has_skips() => self.find_with::<K, SKIPS>(buffer, at, known, found),
            0 => self.find_with::<K, 0>(buffer, at, known, found),
            1..=FEW if W < 4 => self.find_with::<K, FEW>(buffer, at, known, found),
            4..=SOME if W == 1 => self.find_with::<K, SOME>(buffer, at, known, found),
            _ => self.find_with::<K, MOST_JUMPS>(buffer, at, known, found),
        }
    }

    fn find_with<const K: usize, const J: usize>(
        &mut self,
        buffer: &[u8],
        mut at: usize,
        known: &mut Known,
        found: &mut Set,
    ) -> Option<usize> {
        loop {
            while let Some((end, reached)) = known.hits.get(known.told) {
                known.told += 1;
                if *end >= at {
                    *found = *reached;
                    return Some(*end);
                }
            }
            at = at.max(known.looked);
            if at >= buffer.len() {
                return None;
            }
            if self.look_by_table(buffer, at, known) {
                continue;
            }
            if at >= known.until {
                self.look_ahead::<K, J>(buffer, at, known);
            }
            if known.may_hit {
                self.look_at_lines::<K, J>(buffer, at, known);
            } else {
                at = known.until;
                known.looked = at;
            }
        }
    }

    /// Looks at the next lines, one by one.
    fn look_at_lines<const K: usize, const J: usize>(
        &self,
        buffer: &[u8],
        at: usize,
        known: &mut Known,
    ) {
        let Known { gates, looked, hits, told, lines: n_lines, lines_with_hits, .. } = known;
        hits.clear();
        *told = 0;
        *looked = at;
        let mut lines: [&[u8]; LINES] = [&[]; LINES];
        let mut ends = [0; LINES];
        let mut count = 0;
        while let Some((line, end)) = lines.get_mut(count).zip(ends.get_mut(count)) {
            let rest = buffer.get(*looked..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let text = rest.get(..len).unwrap_or_default();
            (*line, *end) = (text.strip_suffix(b"\r").unwrap_or(text), *looked + len);
            *looked += len + 1;
            let is_let_in = gates.is_empty() || gates.iter().any(|gate| gate.lets_in(line));
            count += usize::from(is_let_in);
        }
        let mut reached = [[0; W]; LINES];
        // Lanes end in no order.
        self.lines::<K, J>(lines.get(..count).unwrap_or_default(), |line, ever| {
            if let Some(reached) = reached.get_mut(line) {
                *reached = *ever;
            }
        });
        let lines = ends.iter().zip(&reached).take(count);
        let with_hits = lines.filter(|(_, reached)| meets(reached, &self.last));
        hits.extend(with_hits.map(|(end, reached)| (*end, widen(reached))));
        *n_lines += count;
        *lines_with_hits += hits.len();
    }
}

/// Returns the beginning of `text`: whole lines, about `length` bytes.
fn stream(text: &[u8], length: usize) -> &[u8] {
    let after = text.get(length..).unwrap_or_default();
    let end = memchr::memchr(b'\n', after).map_or(text.len(), |at| length + at + 1);
    text.get(..end).unwrap_or(text)
}
