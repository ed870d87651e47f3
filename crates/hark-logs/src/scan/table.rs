//! Sets of positions that were reached before, by number: a byte takes one to the next by a look into
//! a table.
//!
//! A step with bits costs the more the more ways there are between positions; a look into a table
//! always costs the same. So where there are such ways, what a step leads to is written down, as long as
//! that is little: most patterns reach a few dozen sets, whatever the text. Those that reach thousands
//! would fill the table again and again. They do without it: bits are never slow, only slower.

use std::collections::HashMap;
use std::ops::Range;

use super::machine::{Machine, meets, widen};
use super::positions::Set;

/// Bound on the entries of a table: 64 kilobytes, and what a number has room for.
const MOST_ENTRIES: usize = 1 << 15;

/// Bound on sets that have numbers.
const MOST_SETS: usize = 512;

/// A table that was full before so many bytes were looked at cost more than it was worth.
const WORTH: usize = 1 << 20;

/// So many of them in a row, and there are no more.
const TRIES: u32 = 2;

/// Says that one of the last positions is in the set.
const HIT: u16 = 1 << 15;

/// Bytes that are looked at side by side before anybody asks what was found.
const PIECE: usize = 32;

/// A set's number, which is where its row in the table begins; zero is no set, and leads nowhere else.
/// [`HIT`] is part of it.
type Number = u16;

/// Where each byte leads from each set.
#[derive(Debug)]
pub(super) struct Table<const W: usize> {
    /// Bytes that always lead to the same are one class.
    classes: [u8; 256],
    /// Classes in a row of the table, a power of two.
    width: usize,
    next: Vec<Number>,
    /// By the place of their rows.
    sets: Vec<Entry<W>>,
    numbers: HashMap<[u64; W], Number>,
    /// Bytes that were looked at with this table.
    used: usize,
    /// How often it was full too early.
    full_early: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry<const W: usize> {
    set: [u64; W],
    /// Which of the last positions are reached if the line ends here.
    at_end: [u64; W],
}

/// There is no room for more.
#[derive(Debug)]
pub(super) struct Full;

impl<const W: usize> Table<W> {
    /// Makes an empty one for a machine. None if its rows would be too long.
    pub(super) fn new(machine: &Machine<W>) -> Option<Self> {
        let mut kinds: HashMap<[u64; W], u8> = HashMap::new();
        let mut classes = [0; 256];
        let mut last: Option<(&[u64; W], u8)> = None;
        for (class, enter) in classes.iter_mut().zip(machine.enter()) {
            // Most bytes lead to the same as the one before.
            *class = match last {
                Some((before, class)) if before == enter => class,
                _ => {
                    let fresh = u8::try_from(kinds.len()).ok()?;
                    *kinds.entry(*enter).or_insert(fresh)
                }
            };
            last = Some((enter, *class));
        }
        let width = kinds.len().next_power_of_two();
        let mut table = Self {
            classes,
            width,
            next: Vec::new(),
            sets: Vec::new(),
            numbers: HashMap::new(),
            used: 0,
            full_early: 0,
        };
        table.clear();
        Some(table)
    }

    fn clear(&mut self) {
        self.next.clear();
        self.next.resize(self.width, 0);
        self.sets.clear();
        self.sets.push(Entry { set: [0; W], at_end: [0; W] });
        self.numbers.clear();
        self.used = 0;
    }

    /// Notes that it is full and empties it. Returns true if it is of no use.
    pub(super) fn renew(&mut self) -> bool {
        self.full_early = if self.used < WORTH { self.full_early + 1 } else { 0 };
        self.clear();
        self.full_early >= TRIES
    }

    /// Finds the lines of `streams`, which stand one behind the other in `buffer` and are whole lines, in
    /// which any of the last positions is reached. Adds where each of them ends and what is reached in it.
    pub(super) fn hits<const K: usize>(
        &mut self,
        machine: &Machine<W>,
        buffer: &[u8],
        streams: &[Range<usize>; K],
        hits: &mut Vec<(usize, Set)>,
    ) -> Result<(), Full> {
        let start = self.number(machine, machine.start())?;
        let shortest = streams.iter().map(ExactSizeIterator::len).min().unwrap_or(0);
        // Where the last hit of each stream is in `hits`.
        let mut last = [usize::MAX; K];
        let mut hit = |stream: usize, at: usize, set: &[u64; W]| {
            let Some(last) = last.get_mut(stream) else { return };
            if let Some((_, all)) = hits.get_mut(*last).filter(|(end, _)| at <= *end) {
                for (all, new) in all.iter_mut().zip(set) {
                    *all |= new;
                }
                return;
            }
            let rest = buffer.get(at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(buffer.len(), |len| at + len);
            *last = hits.len();
            hits.push((end, widen(set)));
        };
        let mut at = [start; K];
        let mut done = 0;
        while done < shortest {
            let length = (shortest - done).min(PIECE);
            let piece = |stream: &Range<usize>| {
                let begin = stream.start + done;
                buffer.get(begin..begin + length).unwrap_or_default()
            };
            let (after, ever) = self.side_by_side(at, streams.each_ref().map(piece));
            for (number, (stream, at)) in streams.iter().zip(&mut at).enumerate() {
                if after[number] != 0 && ever[number] & HIT == 0 {
                    *at = after[number];
                    continue;
                }
                let begin = stream.start + done;
                let hit = |place, set: &_| hit(number, begin + place, set);
                *at = self.learn(machine, *at, piece(stream), hit)?;
            }
            done += length;
        }
        for (number, (stream, at)) in streams.iter().zip(at).enumerate() {
            let begin = stream.start + done;
            let rest = buffer.get(begin..stream.end).unwrap_or_default();
            let at = self.learn(machine, at, rest, |place, set| hit(number, begin + place, set))?;
            // The last line may have no end.
            let is_open = stream.end == buffer.len() && !stream.is_empty();
            let at_end = self.entry(at).at_end;
            if is_open && buffer.last() != Some(&b'\n') && meets(&at_end, &machine.last) {
                hit(number, stream.end, &at_end);
            }
            self.used += stream.len();
        }
        hits.sort_unstable_by_key(|(end, _)| *end);
        Ok(())
    }

    /// Returns where some texts of the same length lead, and the hits on the way. Zero if that is not
    /// known.
    #[inline(never)] // Its loop has the registers for itself.
    fn side_by_side<const K: usize>(
        &self,
        mut at: [Number; K],
        texts: [&[u8]; K],
    ) -> ([Number; K], [Number; K]) {
        let mut ever = [0; K];
        let length = texts.iter().map(|text| text.len()).min().unwrap_or(0);
        for place in 0..length {
            for ((at, ever), text) in at.iter_mut().zip(&mut ever).zip(texts) {
                let byte = text.get(place).copied().unwrap_or_default();
                *at = self.step(*at, byte);
                *ever |= *at;
            }
        }
        (at, ever)
    }

    #[expect(clippy::inline_always, reason = "a call for each byte would cost more than it")]
    #[inline(always)]
    fn step(&self, at: Number, byte: u8) -> Number {
        let class = self.classes[usize::from(byte)];
        self.next.get(usize::from(at & !HIT) + usize::from(class)).copied().unwrap_or_default()
    }

    /// Goes through `text` and learns what is not known; `hit` is told what is reached where it is one
    /// of the last positions. Returns where that leads.
    fn learn(
        &mut self,
        machine: &Machine<W>,
        mut at: Number,
        text: &[u8],
        mut hit: impl FnMut(usize, &[u64; W]),
    ) -> Result<Number, Full> {
        for (place, byte) in text.iter().enumerate() {
            let mut next = self.step(at, *byte);
            if next == 0 {
                let set = self.entry(at).set;
                next = self.number(machine, machine.step(&set, *byte))?;
                let class = self.classes[usize::from(*byte)];
                if let Some(known) = self.next.get_mut(usize::from(at & !HIT) + usize::from(class))
                {
                    *known = next;
                }
            }
            at = next;
            if at & HIT != 0 {
                hit(place, &self.entry(at).set);
            }
        }
        Ok(at)
    }

    fn entry(&self, at: Number) -> Entry<W> {
        let none = Entry { set: [0; W], at_end: [0; W] };
        self.sets.get(usize::from(at & !HIT) / self.width).copied().unwrap_or(none)
    }

    /// Returns the number of a set, a new one if need be.
    fn number(&mut self, machine: &Machine<W>, set: [u64; W]) -> Result<Number, Full> {
        if let Some(number) = self.numbers.get(&set) {
            return Ok(*number);
        }
        let begin = self.next.len();
        if begin + self.width > MOST_ENTRIES || self.sets.len() >= MOST_SETS {
            return Err(Full);
        }
        let number = u16::try_from(begin).map_err(|_| Full)?;
        let number = if meets(&set, &machine.last) { number | HIT } else { number };
        self.next.resize(begin + self.width, 0);
        self.sets.push(Entry { set, at_end: machine.at_end(&set) });
        self.numbers.insert(set, number);
        Ok(number)
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let number = size_of::<[u64; W]>() + size_of::<Number>() + 1;
        self.next.capacity() * size_of::<Number>()
            + self.sets.capacity() * size_of::<Entry<W>>()
            + self.numbers.capacity() * number
            + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::MOST_JUMPS;
    use super::super::positions::{Positions, Room};
    use super::*;
    use crate::pattern::{Pattern, within_line};

    fn machine<const W: usize>(pattern: &str) -> Machine<W> {
        let form = within_line(Pattern::new(pattern).unwrap().hir().clone());
        let mut positions = Positions::new();
        let whole = positions.add_whole(&form, Room::Close).unwrap();
        Machine::new(&positions, &whole.part.first, &whole.part.last, &[whole.part.last]).unwrap()
    }

    /// Text by chance, in lines of some hundred bytes.
    fn text(length: usize) -> Vec<u8> {
        let mut seed = 0x5eed_u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed.to_le_bytes()[3]
        };
        (0..length).map(|_| if next() == 0 { b'\n' } else { b'a' + next() % 26 }).collect()
    }

    #[test]
    fn what_is_reached_by_the_table_is_what_bits_reach() {
        let machine = machine::<1>("(ab|c[d-f]+)+g|x(y|zz)*[a-d]$|^q");
        let mut table = Table::new(&machine).unwrap();
        let mut text = text(200_000);
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').unwrap() + 1);
        for end in [&b""[..], b"xyyd", b"q"] {
            let buffer = [&text[..], end].concat();
            let lines: Vec<&[u8]> = buffer.split(|byte| *byte == b'\n').collect();
            let mut expected = Vec::new();
            machine.lines::<4, MOST_JUMPS>(&lines, |line, ever| {
                if meets(ever, &machine.last) && !(end.is_empty() && line == lines.len() - 1) {
                    let end = lines.iter().take(line + 1).map(|line| line.len() + 1).sum::<usize>();
                    expected.push(end - 1);
                }
            });
            expected.sort_unstable();
            let middle = text[..100_000].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
            let mut hits = Vec::new();
            table.hits(&machine, &buffer, &[0..middle, middle..buffer.len()], &mut hits).unwrap();
            let ends: Vec<usize> = hits.iter().map(|(end, _)| *end).collect();
            assert_eq!(ends, expected);
            assert!(ends.len() > 10 && ends.len() < lines.len());
        }
        assert!(table.memory() < 20_000, "{}", table.memory());
    }

    #[test]
    fn a_table_that_is_full_again_and_again_is_given_up_and_was_never_large() {
        let machine = machine::<4>("[a-q][^u-z]{100}x");
        let mut table = Table::new(&machine).unwrap();
        let text = text(WORTH);
        let streams = [0..WORTH / 2, WORTH / 2..WORTH];
        for tries in 1..=TRIES {
            assert!(table.hits(&machine, &text, &streams, &mut Vec::new()).is_err());
            assert!(table.memory() < 160_000, "{}", table.memory());
            assert_eq!(table.renew(), tries == TRIES);
        }
    }

    #[test]
    fn wide_vectors_reach_what_usual_ones_reach() {
        let mut machine = machine::<4>("[a-q][^u-z]{100}[a-x]|([a-k]{3}[^z]?)+q");
        let text = text(50_000);
        let streams: [&[u8]; 2] = text.split_at(24_000).into();
        let best = machine.ever::<2, MOST_JUMPS>(streams);
        machine.use_usual_vectors();
        assert_eq!(machine.ever::<2, MOST_JUMPS>(streams), best);
        assert!(best.iter().any(|word| *word != 0));
    }
}
