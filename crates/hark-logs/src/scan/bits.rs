//! Many patterns at once as bits of a few machine words.
//!
//! An automaton of states can be exponentially larger than its patterns (`[a-q][^u-z]{13}x` has
//! thousands of them), and made lazily it is then made anew all the time. Here each position of each
//! pattern is a bit, all positions that text may have reached are one set, and a byte takes the set
//! to the next with the same few operations whatever the patterns and the text: a shift for those that
//! stand in a row, a mask for those that repeat, and one step for each other kind of way
//! ([`Jump`]). It takes some kilobytes, always the same.
//!
//! Each step waits for the one before, so several lines' worth of text are searched side by side: a
//! processor does them in the time of one. Where text has hits its lines are looked at one by one, again
//! some side by side, and each only as far as until all that can be found in it is found.

use regex_syntax::hir::Hir;

use super::positions::{MOST, Positions, Room, Set, Unsuitable, has, put};

/// Bound on ways that are neither a shift nor a repetition: each costs a step for every byte.
const MOST_JUMPS: usize = 24;

/// Stands for no ways but those that leave one position out.
const SKIPS: usize = 1;

/// So many are done without a loop, and so many if all bits are in one word.
const FEW: usize = 3;
const SOME: usize = 7;

/// Bytes of each of the streams that are searched side by side before anybody looks at what was
/// found: small enough that a hit is not searched for twice over much text, large enough that
/// the different lengths of lines do not matter.
const STREAM: usize = 2048;

/// One line in so many with a hit is often: then looking ahead only costs.
const BUSY: usize = 8;

/// Lines that are looked at before the first of their hits is told.
const LINES: usize = 32;

/// Bytes of a line after which it is asked whether all is found in it that can be.
const PIECE: usize = 16;

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
    /// Of the text before `until`.
    lines: usize,
    lines_with_hits: usize,
}

#[derive(Debug)]
enum Words {
    One(Box<Machine<1>>),
    Two(Box<Machine<2>>),
    Four(Box<Machine<4>>),
}

/// A way from some positions to some others.
#[derive(Clone, Copy, Debug)]
struct Jump<const W: usize> {
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
struct Machine<const W: usize> {
    /// For each byte, the positions that it may be consumed at.
    enter: [[u64; W]; 256],
    /// Where a match may begin: anywhere in the text.
    first: [u64; W],
    /// Positions that the next one follows.
    step: [u64; W],
    /// Positions that the one after the next follows, as around `.*` or `x?`.
    skip: [u64; W],
    /// Positions that may follow themselves.
    stay: [u64; W],
    jumps: Vec<Jump<W>>,
    /// The first of them, for when there are no more: written out they are twice as fast.
    few: [Jump<W>; SOME],
    last: [u64; W],
    /// A line that has reached some of each of these need not be looked at any further.
    enough: Vec<[u64; W]>,
    /// What is reached where a line begins.
    start: [u64; W],
    /// What the `\r` of a line's end leads to.
    carriages: [u64; W],
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
            _ => Words::Four(Box::new(Machine::new(&positions, &first, &last, enough)?)),
        };
        Ok(Self { words, ends, exact, reached: Set::default(), known: Known::default() })
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        let mut hits = std::mem::take(&mut self.known.hits);
        hits.clear();
        self.known = Known { busy: self.known.busy, hits, ..Known::default() };
    }

    /// Finds the first line from `at` on that has any of the patterns; `at` is where a line begins.
    /// Returns the place of its end.
    pub(super) fn find(&mut self, buffer: &[u8], at: usize) -> Option<usize> {
        let Self { words, reached, known, .. } = self;
        match words {
            Words::One(machine) => machine.find::<4>(buffer, at, known, reached),
            Words::Two(machine) => machine.find::<3>(buffer, at, known, reached),
            Words::Four(machine) => machine.find::<2>(buffer, at, known, reached),
        }
    }

    /// Looks at one line, which is given without its end.
    pub(super) fn look(&mut self, line: &[u8]) {
        self.reached = match &self.words {
            Words::One(machine) => machine.look(line),
            Words::Two(machine) => machine.look(line),
            Words::Four(machine) => machine.look(line),
        };
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
        };
        let machine = words * 8 * (256 + 6 + 2 * MOST_JUMPS + self.ends.len());
        let hits = self.known.hits.capacity() * size_of::<(usize, Set)>();
        machine + self.ends.len() * size_of::<Set>() + hits
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
    fn new(
        positions: &Positions,
        first: &Set,
        last: &Set,
        enough: &[Set],
    ) -> Result<Self, Unsuitable> {
        let mut enter = [[0; W]; 256];
        let mut step = Set::default();
        let mut skip = Set::default();
        let mut stay = Set::default();
        let mut jumps: Vec<(Set, Set)> = Vec::new();
        for (at, position) in positions.all.iter().enumerate() {
            for (byte, set) in enter.iter_mut().enumerate() {
                if has(&position.bytes, byte)
                    && let Some(word) = set.get_mut(at / 64)
                {
                    *word |= 1 << (at % 64);
                }
            }
            let mut others = Set::default();
            for to in (0..MOST).filter(|to| has(&position.follow, *to)) {
                if to == at {
                    put(&mut stay, at);
                } else if to == at + 1 && to / 64 == at / 64 {
                    put(&mut step, at);
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
        Ok(Self {
            enter,
            first,
            step: cut(&step),
            skip: cut(&skip),
            stay: cut(&stay),
            jumps,
            few,
            last,
            enough: enough.iter().map(cut).collect(),
            start,
            carriages,
        })
    }

    fn has_skips(&self) -> bool {
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
        if J <= SKIPS {
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
    fn ever<const K: usize, const J: usize>(&self, streams: [&[u8]; K]) -> [u64; W] {
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

    fn look(&self, line: &[u8]) -> Set {
        widen(&match self.jumps.len() {
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
    fn is_enough(&self, ever: &[u64; W]) -> bool {
        self.enough.iter().all(|some| meets(ever, some))
    }

    /// Looks at some lines, which are given without their ends: `found` is told what is reached in each
    /// of them, in no order. A lane that has come to the end of its line takes the next one.
    fn lines<const K: usize, const J: usize>(
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

    /// Looks at the next text, several streams of it at once.
    fn look_ahead<const K: usize, const J: usize>(
        &self,
        buffer: &[u8],
        at: usize,
        known: &mut Known,
    ) {
        known.busy = known.lines_with_hits * BUSY > known.lines;
        (known.lines, known.lines_with_hits) = (0, 0);
        let mut from = at;
        let streams = [(); K].map(|()| {
            let stream = stream(buffer.get(from..).unwrap_or_default());
            from += stream.len();
            stream
        });
        known.until = from;
        let ends = from < buffer.len() || buffer.ends_with(b"\n");
        known.may_hit = known.busy || !ends || meets(&self.ever::<K, J>(streams), &self.last);
    }

    fn find<const K: usize>(
        &self,
        buffer: &[u8],
        at: usize,
        known: &mut Known,
        found: &mut Set,
    ) -> Option<usize> {
        // Measured: written out, jumps of four words need more registers than there are.
        match self.jumps.len() {
            0 if self.has_skips() => self.find_with::<K, SKIPS>(buffer, at, known, found),
            0 => self.find_with::<K, 0>(buffer, at, known, found),
            1..=FEW if W < 4 => self.find_with::<K, FEW>(buffer, at, known, found),
            4..=SOME if W == 1 => self.find_with::<K, SOME>(buffer, at, known, found),
            _ => self.find_with::<K, MOST_JUMPS>(buffer, at, known, found),
        }
    }

    fn find_with<const K: usize, const J: usize>(
        &self,
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
        let Known { looked, hits, told, lines: n_lines, lines_with_hits, .. } = known;
        hits.clear();
        *told = 0;
        *looked = at;
        let mut lines: [&[u8]; LINES] = [&[]; LINES];
        let mut ends = [0; LINES];
        let mut count = 0;
        for (line, end) in lines.iter_mut().zip(&mut ends) {
            let rest = buffer.get(*looked..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let text = rest.get(..len).unwrap_or_default();
            (*line, *end) = (text.strip_suffix(b"\r").unwrap_or(text), *looked + len);
            *looked += len + 1;
            count += 1;
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

/// Returns the beginning of `text`: whole lines, about [`STREAM`] bytes.
fn stream(text: &[u8]) -> &[u8] {
    let after = text.get(STREAM..).unwrap_or_default();
    let end = memchr::memchr(b'\n', after).map_or(text.len(), |at| STREAM + at + 1);
    text.get(..end).unwrap_or(text)
}

fn add<const W: usize>(set: &mut [u64; W], other: &[u64; W]) {
    for (word, other) in set.iter_mut().zip(other) {
        *word |= other;
    }
}

fn meets<const W: usize>(set: &[u64; W], other: &[u64; W]) -> bool {
    set.iter().zip(other).any(|(word, other)| word & other != 0)
}

fn cut<const W: usize>(set: &Set) -> [u64; W] {
    std::array::from_fn(|word| set.get(word).copied().unwrap_or_default())
}

fn widen<const W: usize>(set: &[u64; W]) -> Set {
    std::array::from_fn(|word| set.get(word).copied().unwrap_or_default())
}
