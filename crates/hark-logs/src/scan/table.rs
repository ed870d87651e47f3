//! Sets of positions that were reached before, by number: a byte takes one to the next by a look into
//! a table.
//!
//! A step with bits costs the more the more ways there are between positions; a look into a table
//! always costs the same. So where there are such ways, what a step leads to is written down, as long as
//! that is little: most patterns reach a few dozen sets, whatever the text. Those that reach thousands
//! would fill the table again and again. They do without it: bits are never slow, only slower.

use std::collections::HashMap;

use super::machine::{Machine, add, meets};

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

/// Bytes of a line that are looked at before anybody asks what was found.
const PIECE: usize = 16;

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

/// A line on its way.
#[derive(Clone, Copy)]
struct Lane<'l, const W: usize> {
    line: usize,
    rest: &'l [u8],
    at: Number,
    ever: [u64; W],
}

impl<const W: usize> Table<W> {
    /// Makes an empty one for a machine. None if its rows would be too long.
    pub(super) fn new(machine: &Machine<W>) -> Option<Self> {
        let mut kinds: HashMap<[u64; W], u8> = HashMap::new();
        let mut classes = [0; 256];
        for (class, enter) in classes.iter_mut().zip(machine.enter()) {
            let fresh = u8::try_from(kinds.len()).ok()?;
            *class = *kinds.entry(*enter).or_insert(fresh);
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

    /// Tells whether any of the last positions is ever reached in `streams`, each of which begins
    /// with a line.
    pub(super) fn any<const K: usize>(
        &mut self,
        machine: &Machine<W>,
        streams: [&[u8]; K],
    ) -> Result<bool, Full> {
        let start = self.number(machine, machine.start())?;
        let shortest = streams.iter().map(|stream| stream.len()).min().unwrap_or(0);
        let parts = streams.map(|stream| stream.split_at(shortest));
        let (at, ever) = self.side_by_side([start; K], parts.map(|(head, _)| head));
        let mut any = false;
        for ((stream, (_, tail)), (at, ever)) in
            streams.into_iter().zip(parts).zip(at.into_iter().zip(ever))
        {
            let (begin, rest) = if at == 0 { (start, stream) } else { (at, tail) };
            any |= ever & HIT != 0 || self.learn(machine, begin, rest, |_| ())? & HIT != 0;
            self.used += stream.len();
        }
        Ok(any)
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
    /// of the last positions. Returns where that leads, with [`HIT`] if there was any hit.
    fn learn(
        &mut self,
        machine: &Machine<W>,
        mut at: Number,
        text: &[u8],
        mut hit: impl FnMut(&[u64; W]),
    ) -> Result<Number, Full> {
        let mut ever = 0;
        for byte in text {
            let mut next = self.step(at, *byte);
            if next == 0 {
                let set = self.entry(at).set;
                next = self.number(machine, machine.step(&set, *byte))?;
                let class = self.classes[usize::from(*byte)];
                if let Some(place) = self.next.get_mut(usize::from(at & !HIT) + usize::from(class))
                {
                    *place = next;
                }
            }
            at = next;
            if at & HIT != 0 {
                ever = HIT;
                hit(&self.entry(at).set);
            }
        }
        Ok(at | ever)
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

    /// Looks at some lines, which are given without their ends: `found` is told what is reached in each
    /// of them, in no order.
    pub(super) fn lines<const K: usize>(
        &mut self,
        machine: &Machine<W>,
        lines: &[&[u8]],
        mut found: impl FnMut(usize, &[u64; W]),
    ) -> Result<(), Full> {
        let start = self.number(machine, machine.start())?;
        let begin = |line: usize| {
            let rest = lines.get(line)?;
            Some(Lane { line, rest, at: start, ever: [0; W] })
        };
        let mut begun = K.min(lines.len());
        let mut lanes: [Option<Lane<'_, W>>; K] = std::array::from_fn(begin);
        loop {
            self.piece(machine, &mut lanes)?;
            let mut any = false;
            for place in &mut lanes {
                let Some(lane) = place else { continue };
                any = true;
                if lane.rest.is_empty() || machine.is_enough(&lane.ever) {
                    if lane.rest.is_empty() {
                        add(&mut lane.ever, &self.entry(lane.at).at_end);
                    }
                    found(lane.line, &lane.ever);
                    *place = begin(begun);
                    begun += 1;
                }
            }
            if !any {
                return Ok(());
            }
        }
    }

    /// Takes each lane a piece further.
    fn piece<const K: usize>(
        &mut self,
        machine: &Machine<W>,
        lanes: &mut [Option<Lane<'_, W>>; K],
    ) -> Result<(), Full> {
        let rest = lanes.each_ref().map(|lane| lane.as_ref().map_or(&[][..], |lane| lane.rest));
        // Lanes that have come to an end have nothing to wait for: they go along with another one.
        let some = rest.iter().filter(|rest| !rest.is_empty());
        let shortest = some.min_by_key(|rest| rest.len()).copied().unwrap_or_default();
        let along = shortest.get(..PIECE).unwrap_or(shortest);
        let heads = rest.map(|rest| rest.get(..along.len()).unwrap_or(along));
        let before = lanes.each_ref().map(|lane| lane.as_ref().map_or(0, |lane| lane.at));
        let (after, ever) = self.side_by_side(before, heads);
        for (lane, (head, (after, ever))) in
            lanes.iter_mut().zip(heads.into_iter().zip(after.into_iter().zip(ever)))
        {
            let Some(lane) = lane.as_mut().filter(|lane| !lane.rest.is_empty()) else { continue };
            self.used += head.len();
            lane.rest = lane.rest.get(head.len()..).unwrap_or_default();
            if after != 0 && ever & HIT == 0 {
                lane.at = after;
                continue;
            }
            let all = &mut lane.ever;
            lane.at = self.learn(machine, lane.at, head, |set| add(all, set))?;
        }
        Ok(())
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
    use super::super::positions::{Positions, Room, Set};
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
        let machine = machine::<1>("(ab|c[d-f]+)+g|x(y|zz)*[a-d]$");
        let mut table = Table::new(&machine).unwrap();
        let text = text(200_000);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let (mut by_bits, mut by_table) = (vec![[0; 1]; lines.len()], vec![[0; 1]; lines.len()]);
        machine.lines::<4, MOST_JUMPS>(&lines, |line, ever| by_bits[line] = *ever);
        table.lines::<4>(&machine, &lines, |line, ever| by_table[line] = *ever).unwrap();
        let hits = |all: &[[u64; 1]]| -> Vec<bool> {
            all.iter().map(|ever| meets(ever, &machine.last)).collect()
        };
        assert_eq!(hits(&by_table), hits(&by_bits));
        assert!(hits(&by_bits).iter().any(|hit| *hit) && !hits(&by_bits).iter().all(|hit| *hit));
        let streams = text.split_at(text.len() / 2);
        assert!(table.any(&machine, [streams.0, streams.1]).unwrap());
        assert!(table.memory() < 20_000, "{}", table.memory());
    }

    #[test]
    fn a_table_that_is_full_again_and_again_is_given_up_and_was_never_large() {
        let machine = machine::<4>("[a-q][^u-z]{100}x");
        let mut table = Table::new(&machine).unwrap();
        let text = text(WORTH);
        for tries in 1..=TRIES {
            assert!(table.any(&machine, [&text]).is_err());
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
        let set: Set = best;
        assert!(set.iter().any(|word| *word != 0));
    }
}
