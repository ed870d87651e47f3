//! Lines with a word that some patterns have, looked at many at once.
//!
//! Patterns of very many positions are told along the text (`along`), of which a line alone is only a
//! few words: as much work as for some dozens of lines. So the search for words goes on until it has found
//! some lines, and all of them are looked at side by side before the first is told.

use std::ops::Range;

use super::line_around;
use super::literals::Finder;
use super::sets::TEXT;
use super::teller::Teller;

/// Bounds on lines that are looked at together, and on their bytes: with the last line they are usually what fits side
/// by side, and not a little more.
const LINES: usize = 192;
const BYTES: usize = TEXT - 256;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    stops: Vec<Stop>,
    /// How many of these were told.
    told: usize,
    /// The rest of the buffer has no words.
    is_over: bool,
}

/// Where a word was found.
#[derive(Debug)]
struct Stop {
    at: usize,
    line: Range<usize>,
    /// Where the next line begins.
    after: usize,
}

impl Ahead {
    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        self.stops.clear();
        (self.told, self.is_over) = (0, false);
    }

    /// Returns a place in the first line that has a word, from `at` on, where a line begins. The tellers
    /// that go along the text have looked at that line then.
    pub(super) fn find(
        &mut self,
        finder: &mut Finder,
        tellers: &mut [Teller],
        buffer: &[u8],
        at: usize,
    ) -> Option<usize> {
        loop {
            while let Some(stop) = self.stops.get(self.told) {
                self.told += 1;
                if stop.at >= at {
                    tellers.iter_mut().filter_map(Teller::along).for_each(|a| a.choose(stop.after));
                    return Some(stop.at);
                }
            }
            if self.is_over {
                return None;
            }
            self.look_for_more(finder, buffer, at);
            for along in tellers.iter_mut().filter_map(Teller::along) {
                let text = |stop: &Stop| buffer.get(stop.line.clone()).unwrap_or_default();
                along.look_at_all(self.stops.iter().map(|stop| (text(stop), stop.after)));
            }
        }
    }

    fn look_for_more(&mut self, finder: &mut Finder, buffer: &[u8], at: usize) {
        self.stops.clear();
        self.told = 0;
        let (mut from, mut bytes) = (at, 0);
        while self.stops.len() < LINES && bytes < BYTES {
            let Some(at) = finder.find(buffer, from) else {
                self.is_over = true;
                return;
            };
            let (line, after) = line_around(buffer, from, at);
            bytes += line.len();
            self.stops.push(Stop { at, line, after });
            from = after;
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        self.stops.capacity() * size_of::<Stop>()
    }
}
