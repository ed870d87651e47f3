//! Text of which many lines have hits.
//!
//! Where hits are rare, the fast way is to pass over lines (`part`); each one that may have a hit
//! is then cut out and looked at alone, which is dear where that is nearly every line. Here nothing is
//! passed over: all of the text goes through one table ([`Rows`]) without a branch, not even where a
//! line ends. What was found in a line so far is written down at every byte, to the same place, and what
//! is written at its end stays. Two streams of text go side by side, since each step waits for the one
//! before it.

use std::ops::Range;

use super::machine::add;
use super::rows::{CARRIAGE, Found, Full, Rows, Step, Tables, UNSURE, boxed, flag};
use super::which::Which;

/// Streams that go side by side: two have the registers of the processor for themselves.
const STREAMS: usize = 2;

/// Bytes of each of them, if it is not one long line, and lines at most.
const STREAM: usize = 2048;

/// Bytes that are looked at before anybody asks whether all was known.
const PIECE: usize = 128;

/// Lines of which those that have hits are chosen at once: the bits of a word.
const SOME: usize = 64;

/// Where a line ends in its stream, and what was found in it.
type Line<const W: usize> = (usize, Found<W>);

/// The lines of the first stream, and then those of the second.
type Lines<const W: usize> = [Line<W>; STREAMS * STREAM];

/// See the module's text. What is found is in so many words.
#[derive(Debug)]
pub(super) struct Dense<const W: usize> {
    rows: Rows<W>,
    lines: Box<Lines<W>>,
}

/// What was found in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen<'l> {
    /// A bit for each pattern that it has.
    pub(super) patterns: &'l [u64],
    /// It has to be looked at in another way: it may have any of the patterns, or none.
    pub(super) is_unsure: bool,
}

/// What was looked at of a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looked {
    /// Where the lines end that were told: before the buffer's end if rows are of no use for these patterns.
    pub(super) until: usize,
    pub(super) lines: usize,
    /// Lines that have some of what was looked for, and their bytes.
    pub(super) loud_lines: usize,
    pub(super) loud_bytes: usize,
}

/// A stream on its way.
#[derive(Clone, Copy, Debug)]
struct Lane<const W: usize> {
    /// Its row.
    at: usize,
    /// What was found in the line so far.
    seen: Found<W>,
    /// Lines that have ended.
    count: usize,
}

impl<const W: usize> Dense<W> {
    pub(super) fn new(rows: Rows<W>) -> Self {
        Self { rows, lines: boxed((0, [0; W])) }
    }

    /// Looks through `buffer`, which holds whole lines (the last one's end may be missing), from `from`
    /// on, where one begins. Calls `hit` for each line that has any of the patterns, with its place without
    /// its end, and what it has. Those that have others than `everywhere` are counted.
    pub(super) fn lines(
        &mut self,
        buffer: &[u8],
        mut from: usize,
        everywhere: &Which,
        mut hit: impl FnMut(Range<usize>, Seen<'_>),
    ) -> Looked {
        let carriage = flag(CARRIAGE);
        let is_any_everywhere = !everywhere.is_empty();
        let mut expected = carriage;
        for (word, bits) in expected.iter_mut().zip(everywhere.words()) {
            *word |= bits;
        }
        let mut looked = Looked::default();
        while from < buffer.len() {
            let rest = buffer.get(from..).unwrap_or_default();
            let half = (rest.len() / STREAMS).min(STREAM - 1);
            let (first, others) = whole_lines(rest, half);
            let (second, _) = whole_lines(others, half);
            let streams = [first, second];
            let counts = match self.go(streams) {
                Ok(counts) => counts,
                Err(Full) if self.rows.renew() => break,
                Err(Full) => continue,
            };
            let lines = self.lines.chunks(STREAM);
            for ((stream, lines), count) in streams.into_iter().zip(lines).zip(counts) {
                let mut start = from;
                for some in lines.get(..count).unwrap_or_default().chunks(SOME) {
                    // Chosen without a branch: which lines have hits nobody can foretell.
                    let mut chosen = 0;
                    for (_, seen) in some {
                        chosen = chosen >> 1 | top_if_any(beyond(seen, &carriage));
                    }
                    chosen >>= SOME - some.len();
                    let before = start;
                    start = some.last().map_or(start, |(end, _)| from + end + 1);
                    while chosen != 0 {
                        let number = chosen.trailing_zeros() as usize;
                        chosen &= chosen - 1;
                        let (end, mut patterns) = some[number];
                        let end = from + end;
                        let first = number.checked_sub(1).map(|before| some[before].0);
                        let start = first.map_or(before, |end| from + end + 1);
                        let is_loud = !is_any_everywhere || beyond(&patterns, &expected) != 0;
                        looked.loud_lines += usize::from(is_loud);
                        looked.loud_bytes += if is_loud { end - start } else { 0 };
                        let last = &mut patterns[W - 1];
                        let is_unsure = *last & UNSURE != 0;
                        let before_end = end - usize::from(*last & CARRIAGE != 0);
                        *last &= !(CARRIAGE | UNSURE);
                        hit(start..before_end, Seen { patterns: &patterns, is_unsure });
                    }
                }
                looked.lines += count;
                from += stream.len();
            }
        }
        looked.until = from;
        looked
    }

    /// Takes all streams to their ends. Returns how many lines they have.
    fn go(&mut self, streams: [&[u8]; STREAMS]) -> Result<[usize; STREAMS], Full> {
        let start = self.rows.start()?;
        let mut lanes = [Lane { at: start, seen: [0; W], count: 0 }; STREAMS];
        let shortest = streams.iter().map(|stream| stream.len()).min().unwrap_or(0);
        let mut done = 0;
        while done < shortest {
            let until = shortest.min(done + PIECE);
            let pieces = streams.map(|stream| stream.get(..until).unwrap_or_default());
            let after = side_by_side(&self.rows.tables(), lanes, pieces, done, &mut self.lines);
            for (number, (lane, after)) in lanes.iter_mut().zip(after).enumerate() {
                if after.at == 0 {
                    self.learn(number, lane, pieces[number], done)?;
                } else {
                    *lane = after;
                }
            }
            done = until;
        }
        for (number, (lane, stream)) in lanes.iter_mut().zip(streams).enumerate() {
            self.learn(number, lane, stream, done)?;
            // The last line may have no end.
            if stream.last().is_some_and(|byte| *byte != b'\n') {
                lane.step_and_learn(&mut self.rows, b'\n')?;
                lane.end(stream.len(), number, &mut self.lines);
            }
            self.rows.note(stream.len());
        }
        Ok(lanes.map(|lane| lane.count))
    }

    /// Takes the stream with this number further, from `from` on, and learns what is not known.
    fn learn(
        &mut self,
        number: usize,
        lane: &mut Lane<W>,
        text: &[u8],
        from: usize,
    ) -> Result<(), Full> {
        for (place, byte) in text.iter().enumerate().skip(from) {
            lane.step_and_learn(&mut self.rows, *byte)?;
            if *byte == b'\n' {
                lane.end(place, number, &mut self.lines);
            }
        }
        Ok(())
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        self.rows.memory() + size_of_val(&*self.lines)
    }
}

/// Takes some texts, which are of the same length, from `from` on to their ends. A lane whose row is
/// zero then has come to what is not known.
#[inline(never)] // Its loop has the registers for itself.
fn side_by_side<const W: usize>(
    tables: &Tables<'_, W>,
    [mut one, mut two]: [Lane<W>; STREAMS],
    [first, second]: [&[u8]; STREAMS],
    from: usize,
    lines: &mut Lines<W>,
) -> [Lane<W>; STREAMS] {
    let length = first.len().min(second.len());
    let (first, second) = (first.split_at(length).0, second.split_at(length).0);
    for place in from..length {
        one.step::<0>(tables, first[place], place, lines);
        two.step::<STREAM>(tables, second[place], place, lines);
    }
    [one, two]
}

impl<const W: usize> Lane<W> {
    #[expect(clippy::inline_always, reason = "a call for each byte would cost more than it")]
    #[expect(clippy::cast_possible_truncation, reason = "all bits are all bits of less, too")]
    #[inline(always)]
    fn step<const LINES: usize>(
        &mut self,
        tables: &Tables<'_, W>,
        byte: u8,
        place: usize,
        lines: &mut Lines<W>,
    ) {
        let Step { row, found, kept } = tables.step(self.at, byte);
        self.at = row;
        add(&mut self.seen, found);
        lines[LINES + self.count % STREAM] = (place, self.seen);
        for (word, kept) in self.seen.iter_mut().zip(kept) {
            *word &= kept;
        }
        // What is kept is all bits, which is one less than zero, or none.
        self.count = self.count.wrapping_add(1).wrapping_add(kept[0] as usize);
    }

    fn step_and_learn(&mut self, rows: &mut Rows<W>, byte: u8) -> Result<(), Full> {
        let (at, found) = rows.step(self.at, byte)?;
        self.at = at;
        add(&mut self.seen, &found);
        Ok(())
    }

    /// The line ends at `place`; it is of the stream with this number.
    fn end(&mut self, place: usize, number: usize, lines: &mut Lines<W>) {
        let line = number * STREAM + self.count % STREAM;
        lines[line] = (place, self.seen);
        self.count += 1;
        self.seen = [0; W];
    }
}

/// Returns some bit if there is anything in `found` but for `these`.
fn beyond<const W: usize>(found: &Found<W>, these: &Found<W>) -> u64 {
    found.iter().zip(these).fold(0, |others, (found, these)| others | (found & !these))
}

/// Returns the highest bit if there is any, without a branch.
fn top_if_any(bits: u64) -> u64 {
    (bits | bits.wrapping_neg()) & (1 << 63)
}

/// Cuts `text` after the first line that ends behind so many bytes.
fn whole_lines(text: &[u8], length: usize) -> (&[u8], &[u8]) {
    let after = text.get(length..).unwrap_or_default();
    let end = memchr::memchr(b'\n', after).map_or(text.len(), |at| length + at + 1);
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn dense(patterns: &[&str]) -> Dense<1> {
        let patterns: Vec<Pattern> =
            patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Dense::new(Rows::new(&patterns).unwrap())
    }

    /// What is told of each line; `None` is unsure.
    fn told<const W: usize>(
        dense: &mut Dense<W>,
        buffer: &[u8],
    ) -> Vec<(Vec<u8>, Option<[u64; W]>)> {
        let mut told = Vec::new();
        let looked = dense.lines(buffer, 0, &Which::none_of(W * 64), |line, seen| {
            let patterns = (!seen.is_unsure).then(|| seen.patterns.try_into().unwrap());
            told.push((buffer[line].to_vec(), patterns));
        });
        assert_eq!(looked.until, buffer.len());
        told
    }

    #[test]
    fn lines_are_told_in_their_order_whatever_their_lengths() {
        let mut dense = dense(&["^x", "y$", "^$"]);
        let lengths = [0, 0, 1, 5, STREAM - 1, STREAM, STREAM + 1, 0, 70_000, 3, 0];
        // First many short ones, as many as a stream can have.
        let lines: Vec<Vec<u8>> = std::iter::repeat_n(0, 3 * STREAM)
            .chain(lengths)
            .map(|length: usize| [&b"x".repeat(length)[..], b"y"].concat())
            .chain([b"".to_vec()].into_iter().cycle().take(5 * STREAM))
            .collect();
        let expected: Vec<(Vec<u8>, Option<[u64; 1]>)> = lines
            .iter()
            .map(|line| {
                let seen = if line.is_empty() { 4 } else { 2 | u64::from(line.len() > 1) };
                (line.clone(), Some([seen]))
            })
            .collect();
        for ends in ["\n", "\r\n"] {
            let buffer = lines.join(ends.as_bytes());
            let whole = [&buffer, ends.as_bytes()].concat();
            // The last line is empty, and is one only if it ends.
            assert!(told(&mut dense, &buffer) == expected[..expected.len() - 1]);
            assert!(told(&mut dense, &whole) == expected);
        }
        assert_eq!(told(&mut dense, b"xy"), [(b"xy".to_vec(), Some([3]))]);
        assert_eq!(told(&mut dense, b"xy\r"), [(b"xy".to_vec(), Some([3]))]);
        assert_eq!(told(&mut dense, b"xy\r\r\n"), [(b"xy\r".to_vec(), Some([1]))]);
        assert_eq!(told(&mut dense, b""), []);
    }

    #[test]
    fn a_line_that_rows_do_not_know_is_unsure() {
        let mut one = dense(&[r"(?u)\bdisk\b", "full"]);
        assert_eq!(told(&mut one, "ö disk full\nödisk full\n".as_bytes())[1].1, Some([2]));
        let found = told(&mut one, b"disk\n\xff disk\ndisk full\nnothing\n\xff\n");
        let unsure: Vec<bool> = found.iter().map(|(_, seen)| seen.is_none()).collect();
        assert_eq!(unsure, [false, true, false, true]);
        // Bytes that are no text make no difference to these.
        let mut two = dense(&["disk", "[^a]full"]);
        assert_eq!(told(&mut two, b"\xff disk\xfffull\n")[0].1, Some([3]));
    }

    #[test]
    fn what_is_found_makes_no_rows_of_its_own() {
        let pairs: Vec<String> = ('a'..='t')
            .flat_map(|a| ["a-m", "n-z", "0-9", " ~", "A-Z"].map(|b| format!("{a}[{b}]")))
            .collect();
        let mut dense: Dense<2> = {
            let patterns: Vec<Pattern> =
                pairs.iter().map(|text| Pattern::new(text).unwrap()).collect();
            Dense::new(Rows::new(&patterns).unwrap())
        };
        let line = |a: u8, b: u8| [b'x', a, b, a, b'A', b'+', b'\n'];
        let buffer: Vec<u8> =
            (b'a'..=b't').flat_map(|a| (b' '..=b'~').flat_map(move |b| line(a, b))).collect();
        let told = told(&mut dense, &buffer);
        assert_eq!(told.len(), 20 * 95);
        // The first line is `xa aA+`.
        assert_eq!(told[0].1, Some([1 << 3 | 1 << 4, 0]));
        // The last is `xt~tA+`.
        assert_eq!(told[20 * 95 - 1].1, Some([0, 1 << (98 - 64) | 1 << (99 - 64)]));
        let table = dense.memory() - size_of_val(&*dense.lines);
        assert!(table < 100_000, "{table}");
    }

    #[test]
    fn rows_that_are_full_too_early_twice_are_given_up_where_a_line_begins() {
        let mut dense = dense(&["[a-q][^u-z]{13}x", "^abc"]);
        let mut seed = 0x5eed_u64;
        let mut buffer: Vec<u8> = b"abc\n".repeat(2000);
        buffer.extend((0..300_000).map(|n| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            if n % 100 == 99 { b'\n' } else { b'a' + seed.to_le_bytes()[3] % 26 }
        }));
        let mut told = Vec::new();
        let none = Which::none_of(2);
        let looked =
            dense.lines(&buffer, 0, &none, |line, seen| told.push((line, seen.patterns[0])));
        let stopped = looked.until;
        assert_eq!(buffer[stopped - 1], b'\n');
        assert!(told.len() >= 2000 && told.iter().all(|(line, _)| line.end < stopped));
        assert!(told.iter().take(2000).all(|(_, seen)| *seen == 2));
        assert!(dense.memory() < 1_300_000, "{}", dense.memory());
    }
}
