//! Text of which many lines have hits, of as many patterns as there are.
//!
//! What [`Dense`] has found in a line so far is written down at every byte, so it is as narrow as can be:
//! one word for most files, and only for those with very many patterns two or four.

use std::ops::Range;

use super::TooLarge;
use super::dense::{Dense, Looked, Seen};
use super::rows::{Rows, most};
use super::which::Which;
use crate::pattern::Pattern;

/// Bound on patterns. A watch may have 200; what several watches of one file have beyond this is searched for.
pub(super) const MOST: usize = most(4);

/// See the module's text.
#[derive(Debug)]
pub(super) enum Widths {
    One(Box<Dense<1>>),
    Two(Box<Dense<2>>),
    Four(Box<Dense<4>>),
}

impl Widths {
    /// Compiles patterns.
    ///
    /// # Errors
    /// If they are too many, or too large together.
    pub(super) fn new(patterns: &[Pattern]) -> Result<Self, TooLarge> {
        let n_patterns = patterns.len();
        Ok(if n_patterns <= most(1) {
            Self::One(Box::new(Dense::new(Rows::new(patterns)?)))
        } else if n_patterns <= most(2) {
            Self::Two(Box::new(Dense::new(Rows::new(patterns)?)))
        } else {
            Self::Four(Box::new(Dense::new(Rows::new(patterns)?)))
        })
    }

    /// See [`Dense::lines`].
    pub(super) fn lines(
        &mut self,
        buffer: &[u8],
        from: usize,
        everywhere: &Which,
        hit: impl FnMut(Range<usize>, Seen<'_>),
    ) -> Looked {
        match self {
            Self::One(dense) => dense.lines(buffer, from, everywhere, hit),
            Self::Two(dense) => dense.lines(buffer, from, everywhere, hit),
            Self::Four(dense) => dense.lines(buffer, from, everywhere, hit),
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::One(dense) => dense.memory(),
            Self::Two(dense) => dense.memory(),
            Self::Four(dense) => dense.memory(),
        }
    }
}
