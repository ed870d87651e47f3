//! One step of the bits for each byte, and how often it is taken.

use super::positions::{Positions, Set, Unsuitable, put};
use super::table::Table;
use super::which::numbers;
use crate::sys::vectors::{Kind, Vectors, Work};

/// Bound on ways that are neither a shift nor a repetition: each costs a step for every byte.
pub(super) const MOST_JUMPS: usize = 24;

/// Stands for no ways but those that leave one position out.
pub(super) const SKIPS: usize = 1;

/// Stands for those, and steps from one word to the next.
pub(super) const CARRIES: usize = 2;

/// So many are done without a loop, and so many if all bits are in one word.
pub(super) const FEW: usize = 3;
pub(super) const SOME: usize = 7;

/// So many words are worth wide vectors.
const WIDE: usize = 4;

/// Bytes of a line after which it is asked whether all is found in it that can be.
const PIECE: usize = 16;

/// A way from some positions to some others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jump<const W: usize> {
    from: [u64; W],
    to: [u64; W],
}

impl<const W: usize> Jump<W> {
    #[expect(clippy::inline_always, reason = "measured: a call for each byte halves the speed")]
    #[inline(always)]
    fn take(&self, reached: &[u64; W], next: &mut [u64; W]) {
        let taken = u64::from(meets(reached, &self.from)).wrapping_neg();
        for (next, to) in next.iter_mut().zip(self.to) {
            *next |= to & taken;
        }
    }
}

/// A line on its way through the machine.
#[derive(Clone, Copy)]
struct Lane<'l, const W: usize> {
    /// Which of the lines.
    line: usize,
    rest: &'l [u8],
    reached: [u64; W],
    ever: [u64; W],
}

#[derive(Debug)]
pub(super) struct Machine<const W: usize> {
    vectors: Vectors,
    /// For each byte, the positions that it may be consumed at.
    enter: [[u64; W]; 256],
    /// Where a match may begin: anywhere in the text.
    first: [u64; W],
    /// Positions that the next one follows.
    step: [u64; W],
    /// Positions that the one after the next follows, as around `.*` or `x?`.
    skip: [u64; W],
    /// Positions at the end of a word that the first one of the next follows.
    carry: [u64; W],
    /// Positions that may follow themselves.
    stay: [u64; W],
    pub(super) jumps: Vec<Jump<W>>,
    /// The first of them, for when there are no more: written out they are twice as fast.
    few: [Jump<W>; SOME],
    /// For as long as it is of use.
    pub(super) table: Option<Box<Table<W>>>,
    pub(super) last: [u64; W],
    /// A line that has reached some of each of these need not be looked at any further.
    enough: Vec<[u64; W]>,
    /// What is reached where a line begins.
    start: [u64; W],
    /// What the `\r` of a line's end leads to.
    carriages: [u64; W],
}

impl<const W: usize> Machine<W> {
    pub(super) fn new(
        positions: &Positions,
        first: &Set,
        last: &Set,
        enough: &[Set],
    ) -> Result<Self, Unsuitable> {
        let mut enter = [[0; W]; 256];
        let mut step = Set::default();
        let mut skip = Set::default();
        let mut carry = Set::default();
        let mut stay = Set::default();
        let mut jumps: Vec<(Set, Set)> = Vec::new();
        for (at, position) in positions.all.iter().enumerate() {
            for byte in numbers(position.bytes) {
                put(&mut enter[byte], at);
            }
            let mut others = Set::default();
            for to in numbers(position.follow) {
                if to == at {
                    put(&mut stay, at);
                } else if to == at + 1 && to / 64 == at / 64 {
                    put(&mut step, at);
                } else if to == at + 1 && W >= WIDE {
                    put(&mut carry, at);
                } else if to == at + 2 && to / 64 == at / 64 {
                    put(&mut skip, at);
                } else {
                    put(&mut others, to);
                }
            }
            if others == Set::default() {
                continue;
            }
            let known = jumps.iter_mut().find(|(_, to)| *to == others);
            if let Some((from, _)) = known {
                put(from, at);
            } else {
                let mut from = Set::default();
                put(&mut from, at);
                jumps.push((from, others));
            }
        }
        if jumps.len() > MOST_JUMPS {
            return Err(Unsuitable);
        }
        let jumps: Vec<Jump<W>> =
            jumps.iter().map(|(from, to)| Jump { from: cut(from), to: cut(to) }).collect();
        let none = Jump { from: [0; W], to: [0; W] };
        let few = std::array::from_fn(|at| jumps.get(at).copied().unwrap_or(none));
        let (first, last, start) = (cut(first), cut(last), cut(&positions.starts));
        let carriages = cut(&positions.carriages);
        let mut machine = Self {
            vectors: if W >= WIDE { Vectors::best() } else { Vectors::USUAL },
            table: None,
            enter,
            first,
            step: cut(&step),
            skip: cut(&skip),
            carry: cut(&carry),
            stay: cut(&stay),
            jumps,
            few,
            last,
            enough: enough.iter().map(cut).collect(),
            start,
            carriages,
        };
        machine.table = Table::new(&machine).map(Box::new);
        Ok(machine)
    }

    /// Whether a step is dear, so that the table is faster also where many lines have hits. Where it
    /// is cheap, bits are, since they end with a line once all is found in it.
    pub(super) fn is_dear(&self) -> bool {
        W >= WIDE || self.jumps.len() > 1
    }

    #[cfg(test)]
    pub(super) fn use_usual_vectors(&mut self) {
        self.vectors = Vectors::USUAL;
    }

    /// For each byte, the positions that it may be consumed at.
    pub(super) fn enter(&self) -> &[[u64; W]; 256] {
        &self.enter
    }

    /// Returns what is reached where a line begins.
    pub(super) fn start(&self) -> [u64; W] {
        self.start
    }

    /// Returns what is reached with `byte`.
    pub(super) fn step(&self, reached: &[u64; W], byte: u8) -> [u64; W] {
        self.next::<MOST_JUMPS>(reached, byte)
    }

    /// Returns which of the last positions are reached if the line ends where `reached` is.
    pub(super) fn at_end(&self, reached: &[u64; W]) -> [u64; W] {
        let mut reached = *reached;
        for (word, carriages) in reached.iter_mut().zip(self.carriages) {
            *word &= !carriages;
        }
        let mut reached = self.step(&reached, b'\n');
        for (word, last) in reached.iter_mut().zip(self.last) {
            *word &= last;
        }
        reached
    }

    pub(super) fn has_carries(&self) -> bool {
        self.carry.iter().any(|word| *word != 0)
    }

    pub(super) fn has_skips(&self) -> bool {
        self.skip.iter().any(|word| *word != 0)
    }

    /// Returns what is reached with `byte`.
    #[expect(clippy::inline_always, reason = "measured: a call for each byte halves the speed")]
    #[inline(always)]
    fn next<const J: usize>(&self, reached: &[u64; W], byte: u8) -> [u64; W] {
        let enter = &self.enter[usize::from(byte)];
        let mut next: [u64; W] = std::array::from_fn(|word| {
            // No bit goes from one word to the next here, which keeps them in one register of vectors.
            let step = (reached[word] & self.step[word]) << 1;
            let next = step | (reached[word] & self.stay[word]) | self.first[word];
            if J == 0 { next } else { next | (reached[word] & self.skip[word]) << 2 }
        });
        if J >= CARRIES && W >= WIDE {
            let mut before = 0;
            for (next, (reached, carry)) in next.iter_mut().zip(reached.iter().zip(self.carry)) {
                *next |= before;
                before = (reached & carry) >> 63;
            }
        }
        if J <= CARRIES {
            // There are none.
        } else if J <= SOME {
            for jump in self.few.iter().take(J) {
                jump.take(reached, &mut next);
            }
        } else {
            for jump in &self.jumps {
                jump.take(reached, &mut next);
            }
        }
        for (next, enter) in next.iter_mut().zip(enter) {
            *next &= enter;
        }
        next
    }

    /// Returns all that is ever reached in `streams`, each of which begins with a line.
    #[inline(never)] // Its loop has the registers for itself.
    pub(super) fn ever<const K: usize, const J: usize>(&self, streams: [&[u8]; K]) -> [u64; W] {
        self.vectors.run(Ever::<'_, W, K, J> { machine: self, streams })
    }

    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    fn ever_in<const K: usize, const J: usize>(&self, streams: [&[u8]; K]) -> [u64; W] {
        let shortest = streams.iter().map(|stream| stream.len()).min().unwrap_or(0);
        let parts = streams.map(|stream| stream.split_at(shortest));
        let mut reached = [self.start; K];
        let mut ever = [0; W];
        for at in 0..shortest {
            for (reached, (head, _)) in reached.iter_mut().zip(parts) {
                // The lengths are equal, which the compiler does not see.
                let byte = head.get(at).copied().unwrap_or_default();
                *reached = self.next::<J>(reached, byte);
                add(&mut ever, reached);
            }
        }
        for (mut reached, (_, tail)) in reached.into_iter().zip(parts) {
            for byte in tail {
                reached = self.next::<J>(&reached, *byte);
                add(&mut ever, &reached);
            }
        }
        ever
    }

    pub(super) fn look(&self, line: &[u8]) -> Set {
        widen(&match self.jumps.len() {
            0 if self.has_carries() => self.line::<CARRIES>(line),
            0 if self.has_skips() => self.line::<SKIPS>(line),
            0 => self.line::<0>(line),
            1..=FEW => self.line::<FEW>(line),
            4..=SOME if W == 1 => self.line::<SOME>(line),
            _ => self.line::<MOST_JUMPS>(line),
        })
    }

    /// Returns all that is ever reached in one line, which is given without its end.
    fn line<const J: usize>(&self, line: &[u8]) -> [u64; W] {
        self.end::<J>(&self.begin(0, line))
    }

    /// Returns all that is ever reached in the line of `lane`, which is on its way.
    #[inline(never)] // As above.
    fn end<const J: usize>(&self, lane: &Lane<'_, W>) -> [u64; W] {
        self.vectors.run(End::<'_, W, J> { machine: self, lane })
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn end_in<const J: usize>(&self, lane: &Lane<'_, W>) -> [u64; W] {
        let Lane { rest, mut reached, mut ever, .. } = *lane;
        for piece in rest.chunks(PIECE) {
            if self.is_enough(&ever) {
                return ever;
            }
            for byte in piece {
                reached = self.next::<J>(&reached, *byte);
                add(&mut ever, &reached);
            }
        }
        // A `\r` that is left belongs to the line.
        for (word, carriages) in reached.iter_mut().zip(self.carriages) {
            *word &= !carriages;
        }
        reached = self.next::<J>(&reached, b'\n');
        add(&mut ever, &reached);
        ever
    }

    /// Returns true if whatever else is in a line would tell nothing more.
    #[inline]
    pub(super) fn is_enough(&self, ever: &[u64; W]) -> bool {
        self.enough.iter().all(|some| meets(ever, some))
    }

    /// Looks at some lines, which are given without their ends: `found` is told what is reached in each
    /// of them, in no order. A lane that has come to the end of its line takes the next one.
    pub(super) fn lines<const K: usize, const J: usize>(
        &self,
        lines: &[&[u8]],
        mut found: impl FnMut(usize, &[u64; W]),
    ) {
        let mut begun = K.min(lines.len());
        let mut lanes: [Option<Lane<'_, W>>; K] =
            std::array::from_fn(|line| Some(self.begin(line, lines.get(line)?)));
        while lanes.iter().all(Option::is_some) {
            self.go_on::<K, J>(&mut lanes);
            for place in &mut lanes {
                let Some(lane) = place else { continue };
                if lane.rest.is_empty() || self.is_enough(&lane.ever) {
                    found(lane.line, &self.end::<J>(lane));
                    *place = lines.get(begun).map(|line| self.begin(begun, line));
                    begun += 1;
                }
            }
        }
        for lane in lanes.iter().flatten() {
            found(lane.line, &self.end::<J>(lane));
        }
    }

    fn begin<'l>(&self, line: usize, rest: &'l [u8]) -> Lane<'l, W> {
        Lane { line, rest, reached: self.start, ever: [0; W] }
    }

    /// Takes each lane a piece further.
    #[inline(never)] // As above.
    fn go_on<const K: usize, const J: usize>(&self, lanes: &mut [Option<Lane<'_, W>>; K]) {
        self.vectors.run(GoOn::<'_, '_, W, K, J> { machine: self, lanes });
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn go_on_in<const K: usize, const J: usize>(&self, lanes: &mut [Option<Lane<'_, W>>; K]) {
        let rest = lanes.each_ref().map(|lane| lane.as_ref().map_or(&[][..], |lane| lane.rest));
        let length = rest.iter().map(|rest| rest.len()).min().unwrap_or(0).min(PIECE);
        let parts = rest.map(|rest| rest.split_at(length));
        let mut reached = lanes.each_ref().map(|lane| lane.map_or([0; W], |lane| lane.reached));
        let mut ever = lanes.each_ref().map(|lane| lane.map_or([0; W], |lane| lane.ever));
        for at in 0..length {
            for ((reached, ever), (head, _)) in reached.iter_mut().zip(&mut ever).zip(parts) {
                // The lengths are equal, which the compiler does not see.
                let byte = head.get(at).copied().unwrap_or_default();
                *reached = self.next::<J>(reached, byte);
                add(ever, reached);
            }
        }
        for (at, lane) in lanes.iter_mut().enumerate() {
            if let (Some(lane), Some((_, rest))) = (lane, parts.get(at)) {
                (lane.rest, lane.reached, lane.ever) = (rest, reached[at], ever[at]);
            }
        }
    }
}

struct Ever<'m, const W: usize, const K: usize, const J: usize> {
    machine: &'m Machine<W>,
    streams: [&'m [u8]; K],
}

impl<const W: usize, const K: usize, const J: usize> Work for Ever<'_, W, K, J> {
    type Done = [u64; W];

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run<A: Kind>(self, _: A) -> [u64; W] {
        self.machine.ever_in::<K, J>(self.streams)
    }
}

struct End<'m, const W: usize, const J: usize> {
    machine: &'m Machine<W>,
    lane: &'m Lane<'m, W>,
}

impl<const W: usize, const J: usize> Work for End<'_, W, J> {
    type Done = [u64; W];

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run<A: Kind>(self, _: A) -> [u64; W] {
        self.machine.end_in::<J>(self.lane)
    }
}

struct GoOn<'m, 'l, const W: usize, const K: usize, const J: usize> {
    machine: &'m Machine<W>,
    lanes: &'m mut [Option<Lane<'l, W>>; K],
}

impl<const W: usize, const K: usize, const J: usize> Work for GoOn<'_, '_, W, K, J> {
    type Done = ();

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run<A: Kind>(self, _: A) {
        self.machine.go_on_in::<K, J>(self.lanes);
    }
}

pub(super) fn add<const W: usize>(set: &mut [u64; W], other: &[u64; W]) {
    for (word, other) in set.iter_mut().zip(other) {
        *word |= other;
    }
}

pub(super) fn meets<const W: usize>(set: &[u64; W], other: &[u64; W]) -> bool {
    set.iter().zip(other).any(|(word, other)| word & other != 0)
}

pub(super) fn cut<const W: usize>(set: &Set) -> [u64; W] {
    std::array::from_fn(|word| set.get(word).copied().unwrap_or_default())
}

pub(super) fn widen<const W: usize>(set: &[u64; W]) -> Set {
    std::array::from_fn(|word| set.get(word).copied().unwrap_or_default())
}
