//! Whether a buffer is searched for the few lines that have a hit, or looked at as a whole.
//!
//! Which is faster is a matter of how many lines have hits, and is estimated from what there was in the
//! text before. Both ways find the same.

use super::widths::{MOST, Widths};
use crate::pattern::Pattern;

/// Bytes after which is asked anew which way is the faster one, if so many lines were cut out. Few and
/// long ones tell little.
const WINDOW: usize = 64 * 1024;
pub(super) const LINES: usize = 64;

/// Bytes after which it is asked in any case.
const LARGE_WINDOW: usize = 1024 * 1024;

/// What it costs to look at a byte as [`Dense`](super::dense::Dense) does, with the unit of all costs half of that.
const DENSE: usize = 2;

/// What it costs to cut out a line and to tell it.
const LINE: usize = 80;

/// What it costs more to look at a byte of it again.
const AGAIN: usize = 3;

/// Bound on windows with few hits before it is tried whether a search is faster: it may not be,
/// where much looks like a hit and is none.
const MOST_PATIENT: u32 = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Choice {
    way: Way,
    /// All patterns as they are written: whole, they would be memory that hardly any file needs.
    patterns: Vec<String>,
    counted: Counted,
    /// Windows with few hits that it takes to go back to a search.
    patience: u32,
    has_given_up: bool,
}

#[derive(Debug)]
enum Way {
    /// A search, for so many windows.
    Sparse(u32),
    /// All of the text; so many windows of it in a row had few hits.
    Dense(Widths, u32),
    /// A search, since the other way is of no use for these patterns.
    OnlySparse,
}

/// What there was in some text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) bytes: usize,
    /// Lines that are cut out in a search.
    pub(super) lines: usize,
    /// Bytes of those that are looked at again.
    pub(super) again: usize,
}

impl Choice {
    pub(super) fn new(patterns: &[&Pattern]) -> Self {
        let of = |pattern: &&Pattern| pattern.as_str().to_owned();
        let way = if patterns.len() > MOST { Way::OnlySparse } else { Way::Sparse(0) };
        let patterns = patterns.iter().map(of).collect();
        Self { way, patterns, counted: Counted::default(), patience: 1, has_given_up: false }
    }

    /// Returns what looks at all of the text, if that is the way to go.
    pub(super) fn dense(&mut self) -> Option<&mut Widths> {
        match &mut self.way {
            Way::Dense(dense, _) => Some(dense),
            Way::Sparse(_) | Way::OnlySparse => None,
        }
    }

    /// Returns all patterns, made anew.
    pub(super) fn patterns(&self) -> Option<Vec<Pattern>> {
        self.patterns.iter().map(|text| Pattern::new(text).ok()).collect()
    }

    /// From now on there is only one way.
    pub(super) fn give_up(&mut self) {
        self.way = Way::OnlySparse;
        self.has_given_up = true;
    }

    /// Whether so many lines have hits that it were better to look at all of the text, and that is of no use.
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// Notes what there was in a buffer. Returns true if the next one is looked at as a whole where this
    /// one was searched.
    pub(super) fn note(&mut self, counted: Counted) -> bool {
        self.counted.bytes += counted.bytes;
        self.counted.lines += counted.lines;
        self.counted.again += counted.again;
        let enough = if self.counted.lines < LINES { LARGE_WINDOW } else { WINDOW };
        if self.counted.bytes < enough {
            return false;
        }
        let Counted { bytes, lines, again } = std::mem::take(&mut self.counted);
        let (sparse, dense) = (lines * LINE + again * AGAIN, bytes * DENSE);
        match &mut self.way {
            Way::Sparse(windows) if sparse > dense / 8 * 9 => {
                let soon = *windows == 0;
                self.patience = if soon { MOST_PATIENT.min(self.patience * 2) } else { 1 };
                return self.begin_dense();
            }
            Way::Sparse(windows) => *windows = windows.saturating_add(1),
            Way::Dense(_, few) if sparse > dense / 4 * 3 => *few = 0,
            Way::Dense(_, few) if *few + 1 < self.patience => *few += 1,
            Way::Dense(..) => self.way = Way::Sparse(0),
            Way::OnlySparse => {}
        }
        false
    }

    fn begin_dense(&mut self) -> bool {
        let dense = self.patterns().and_then(|patterns| Widths::new(&patterns).ok());
        match dense {
            Some(dense) => self.way = Way::Dense(dense, 0),
            None => self.give_up(),
        }
        self.dense().is_some()
    }

    /// Looks at all of the text from now on, whatever it has, if that can be.
    #[cfg(test)]
    pub(super) fn force(&mut self) -> bool {
        self.patience = u32::MAX;
        !matches!(self.way, Way::OnlySparse) && self.begin_dense()
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let texts: usize = self.patterns.iter().map(String::capacity).sum();
        let dense = match &self.way {
            Way::Dense(dense, _) => dense.memory(),
            Way::Sparse(_) | Way::OnlySparse => 0,
        };
        texts + dense
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice() -> Choice {
        Choice::new(&[&Pattern::new("a[0-9]").unwrap()])
    }

    /// A window in which so many of a hundred lines are looked at again.
    fn window(percent: usize) -> Counted {
        let lines = LARGE_WINDOW / 100 * percent / 100;
        Counted { bytes: LARGE_WINDOW, lines, again: lines * 100 }
    }

    #[test]
    fn text_full_of_hits_is_looked_at_as_a_whole_until_they_are_rare() {
        let mut choice = choice();
        assert!(!choice.note(window(10)) && choice.dense().is_none());
        assert!(choice.note(window(80)) && choice.dense().is_some());
        assert!(!choice.note(window(80)) && choice.dense().is_some());
        assert!(!choice.note(window(45)) && choice.dense().is_some(), "no back and forth");
        assert!(!choice.note(window(10)) && choice.dense().is_none());
        // Lines that are told without another look cost only where they are short.
        let told = Counted { bytes: WINDOW, lines: WINDOW / 100, again: 0 };
        assert!(!choice.note(told));
        assert!(choice.note(Counted { lines: WINDOW / 3, ..told }));
    }

    #[test]
    fn a_part_of_a_window_decides_nothing() {
        let mut choice = choice();
        let part = Counted { bytes: WINDOW / 4, lines: LINES, again: WINDOW / 4 };
        assert!(!choice.note(part) && !choice.note(part) && !choice.note(part));
        assert!(choice.note(part));
        // Few lines decide after more bytes.
        let mut choice = self::choice();
        let part = Counted { bytes: LARGE_WINDOW / 4, lines: 4, again: LARGE_WINDOW / 4 };
        assert!(!choice.note(part) && !choice.note(part) && !choice.note(part));
        assert!(choice.note(part));
    }

    #[test]
    fn where_much_looks_like_a_hit_and_is_none_a_search_is_tried_ever_more_seldom() {
        let mut choice = choice();
        let mut searched = Vec::new();
        for number in 0..2000 {
            // What a search would look at again is no hit.
            if choice.dense().is_some() {
                choice.note(window(0));
            } else {
                searched.push(number);
                choice.note(window(100));
            }
        }
        assert!(searched.len() > 20 && searched.len() < 50, "{}", searched.len());
        // And if it was of use for longer than that, as in the beginning.
        while choice.dense().is_some() {
            choice.note(window(0));
        }
        choice.note(window(0));
        choice.note(window(100));
        choice.note(window(0));
        assert!(choice.dense().is_none());
    }

    #[test]
    fn more_patterns_than_there_are_bits_for_are_only_searched_for() {
        let patterns: Vec<Pattern> =
            (0..=MOST).map(|n| Pattern::new(&n.to_string()).unwrap()).collect();
        let all: Vec<&Pattern> = patterns.iter().collect();
        assert!(!Choice::new(&all).note(window(100)));
        assert!(Choice::new(&all[1..]).note(window(100)));
    }
}
