//! Text of which many lines have hits.
//!
//! Where hits are rare, the fast way is to pass over lines (`part`); each one that may have a hit
//! is then cut out and looked at alone, which is dear where that is nearly every line. Here nothing is
//! passed over: all of the text goes through one table ([`Rows`]) without a branch, not even where a
//! line ends. What was found in a line so far is written down at every byte, to the same place, and what
//! is written at its end stays. Two streams of text go side by side, since each step waits for the one
//! before it.

use std::ops::Range;

use super::rows::{CARRIAGE, CLASSES, ENTRIES, Full, LEAST_SHIFT, ROWS, Rows, Tables, boxed};

/// Streams that go side by side: two have the registers of the processor for themselves.
const STREAMS: usize = 2;

/// Bytes of each of them, if it is not one long line, and lines at most.
const STREAM: usize = 2048;

/// Bytes that are looked at before anybody asks whether all was known.
const PIECE: usize = 128;

/// Lines of which those that have hits are chosen at once.
const SOME: usize = 64;

/// Where a line ends in its stream, and what was found in it.
type Line = (usize, u64);

/// The lines of the first stream, and then those of the second.
type Lines = [Line; STREAMS * STREAM];

/// See the module's text.
#[derive(Debug)]
pub(super) struct Dense {
    rows: Rows,
    lines: Box<Lines>,
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
struct Lane {
    /// Its row.
    at: usize,
    /// What was found in the line so far.
    seen: u64,
    /// Lines that have ended.
    count: usize,
}

impl Dense {
    pub(super) fn new(rows: Rows) -> Self {
        Self { rows, lines: boxed((0, 0)) }
    }

    /// Looks through `buffer`, which holds whole lines (the last one's end may be missing), from `from`
    /// on, where one begins. Calls `hit` for each line that has any of the patterns, with its place without
    /// its end, and what it has; one with [`UNSURE`](super::rows::UNSURE) may have any of them or none.
    /// Those that have some of `looked_for` are counted.
    pub(super) fn lines(
        &mut self,
        buffer: &[u8],
        mut from: usize,
        looked_for: u64,
        mut hit: impl FnMut(Range<usize>, u64),
    ) -> Looked {
        let looked_for = looked_for & !CARRIAGE;
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
            for ((stream, lines), count) in
                streams.into_iter().zip(self.lines.chunks(STREAM)).zip(counts)
            {
                let mut start = from;
                for some in lines.get(..count).unwrap_or_default().chunks(SOME) {
                    // Chosen without a branch: which lines have hits nobody can foretell.
                    let mut chosen = [(0, 0, 0); SOME];
                    let mut n_chosen = 0;
                    for (end, seen) in some {
                        let end = from + end;
                        chosen[n_chosen % SOME] = (start, end, *seen);
                        n_chosen += usize::from(seen & !CARRIAGE != 0);
                        start = end + 1;
                    }
                    for (start, end, seen) in chosen.iter().take(n_chosen) {
                        let is_loud = seen & looked_for != 0;
                        looked.loud_lines += usize::from(is_loud);
                        looked.loud_bytes += if is_loud { end - start } else { 0 };
                        let carriage = usize::from(seen & CARRIAGE != 0);
                        hit(*start..end - carriage, seen & !CARRIAGE);
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
        let mut lanes = [Lane { at: start, seen: 0, count: 0 }; STREAMS];
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
                lane.at = self.rows.step(lane.at, b'\n')?;
                lane.seen |= self.rows.outs(lane.at);
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
        lane: &mut Lane,
        text: &[u8],
        from: usize,
    ) -> Result<(), Full> {
        for (place, byte) in text.iter().enumerate().skip(from) {
            lane.at = self.rows.step(lane.at, *byte)?;
            lane.seen |= self.rows.outs(lane.at);
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
fn side_by_side(
    tables: &Tables<'_>,
    lanes: [Lane; STREAMS],
    texts: [&[u8]; STREAMS],
    from: usize,
    lines: &mut Lines,
) -> [Lane; STREAMS] {
    match tables.shift {
        ..=LEAST_SHIFT => go_on::<LEAST_SHIFT>(tables, lanes, texts, from, lines),
        5 => go_on::<5>(tables, lanes, texts, from, lines),
        6 => go_on::<6>(tables, lanes, texts, from, lines),
        7 => go_on::<7>(tables, lanes, texts, from, lines),
        8.. => go_on::<8>(tables, lanes, texts, from, lines),
    }
}

#[inline(never)] // Its loop has the registers for itself.
fn go_on<const SHIFT: u32>(
    tables: &Tables<'_>,
    [mut one, mut two]: [Lane; STREAMS],
    [first, second]: [&[u8]; STREAMS],
    from: usize,
    lines: &mut Lines,
) -> [Lane; STREAMS] {
    let length = first.len().min(second.len());
    let (first, second) = (first.split_at(length).0, second.split_at(length).0);
    for place in from..length {
        one.step::<SHIFT, 0>(tables, first[place], place, lines);
        two.step::<SHIFT, STREAM>(tables, second[place], place, lines);
    }
    [one, two]
}

impl Lane {
    #[expect(clippy::inline_always, reason = "a call for each byte would cost more than it")]
    #[inline(always)]
    fn step<const SHIFT: u32, const LINES: usize>(
        &mut self,
        tables: &Tables<'_>,
        byte: u8,
        place: usize,
        lines: &mut Lines,
    ) {
        let Tables { next, outs, .. } = tables;
        let class = usize::from(next[usize::from(byte)]);
        self.at = usize::from(next[CLASSES + (self.at | class) % ENTRIES]);
        self.seen |= outs[(self.at >> SHIFT) % ROWS];
        lines[LINES + self.count % STREAM] = (place, self.seen);
        let is_end = byte == b'\n';
        self.count += usize::from(is_end);
        self.seen = if is_end { 0 } else { self.seen };
    }

    /// The line ends at `place`; it is of the stream with this number.
    fn end(&mut self, place: usize, number: usize, lines: &mut Lines) {
        lines[number * STREAM + self.count % STREAM] = (place, self.seen);
        self.count += 1;
        self.seen = 0;
    }
}

/// Cuts `text` after the first line that ends behind so many bytes.
fn whole_lines(text: &[u8], length: usize) -> (&[u8], &[u8]) {
    let after = text.get(length..).unwrap_or_default();
    let end = memchr::memchr(b'\n', after).map_or(text.len(), |at| length + at + 1);
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::super::rows::UNSURE;
    use super::*;
    use crate::pattern::Pattern;

    fn dense(patterns: &[&str]) -> Dense {
        let patterns: Vec<Pattern> =
            patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Dense::new(Rows::new(&patterns).unwrap())
    }

    fn told(dense: &mut Dense, buffer: &[u8]) -> Vec<(Vec<u8>, u64)> {
        let mut told = Vec::new();
        let looked = dense.lines(buffer, 0, u64::MAX, |line, seen| {
            told.push((buffer[line].to_vec(), seen));
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
        let expected: Vec<(Vec<u8>, u64)> = lines
            .iter()
            .map(|line| {
                (line.clone(), if line.is_empty() { 4 } else { 2 | u64::from(line.len() > 1) })
            })
            .collect();
        for ends in ["\n", "\r\n"] {
            let buffer = lines.join(ends.as_bytes());
            let whole = [&buffer, ends.as_bytes()].concat();
            // The last line is empty, and is one only if it ends.
            assert!(told(&mut dense, &buffer) == expected[..expected.len() - 1]);
            assert!(told(&mut dense, &whole) == expected);
        }
        assert_eq!(told(&mut dense, b"xy"), [(b"xy".to_vec(), 3)]);
        assert_eq!(told(&mut dense, b"xy\r"), [(b"xy".to_vec(), 3)]);
        assert_eq!(told(&mut dense, b"xy\r\r\n"), [(b"xy\r".to_vec(), 1)]);
        assert_eq!(told(&mut dense, b""), []);
    }

    #[test]
    fn a_line_that_rows_do_not_know_is_unsure() {
        let mut one = dense(&[r"(?u)\bdisk\b", "full"]);
        assert_eq!(told(&mut one, "ö disk full\nödisk full\n".as_bytes())[1].1, 2);
        let found = told(&mut one, b"disk\n\xff disk\ndisk full\nnothing\n\xff\n");
        let unsure: Vec<bool> = found.iter().map(|(_, seen)| seen & UNSURE != 0).collect();
        assert_eq!(unsure, [false, true, false, true]);
        // Bytes that are no text make no difference to these.
        let mut two = dense(&["disk", "[^a]full"]);
        assert_eq!(told(&mut two, b"\xff disk\xfffull\n")[0].1, 3);
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
        let stopped = dense.lines(&buffer, 0, u64::MAX, |line, seen| told.push((line, seen))).until;
        assert_eq!(buffer[stopped - 1], b'\n');
        assert!(told.len() >= 2000 && told.iter().all(|(line, _)| line.end < stopped));
        assert!(told.iter().take(2000).all(|(_, seen)| *seen == 2));
        assert!(dense.memory() < 1_300_000, "{}", dense.memory());
    }
}
