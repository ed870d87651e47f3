//! Which patterns are in a line.

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Numbers of patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// The first of them, without another place to look at: hardly any file has more patterns.
    first: u64,
    more: Vec<u64>,
}

impl Which {
    /// None of so many patterns.
    pub(super) fn none_of(n_patterns: usize) -> Self {
        Self { first: 0, more: vec![0; n_patterns.div_ceil(WORD).saturating_sub(1)] }
    }

    pub(super) fn clear(&mut self) {
        self.set(&[]);
    }

    /// Takes those that are in `words`, and no others.
    pub(super) fn set(&mut self, words: &[u64]) {
        let mut words = words.iter().copied();
        self.first = words.next().unwrap_or_default();
        for word in &mut self.more {
            *word = words.next().unwrap_or_default();
        }
    }

    /// Adds those that are in `words`.
    pub(super) fn add(&mut self, words: &[u64]) {
        let own = std::iter::once(&mut self.first).chain(&mut self.more);
        own.zip(words).for_each(|(own, word)| *own |= word);
    }

    /// Returns a bit for each number, in words.
    pub(super) fn words(&self) -> impl Iterator<Item = &u64> {
        std::iter::once(&self.first).chain(&self.more)
    }

    pub(super) fn insert(&mut self, number: usize) {
        if number < WORD {
            self.first |= 1 << number;
        } else if let Some(word) = self.more.get_mut(number / WORD - 1) {
            *word |= 1 << (number % WORD);
        }
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.first == 0 && self.more.iter().all(|word| *word == 0)
    }

    /// Returns their numbers, from the lowest on.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        numbers(self.words().copied())
    }
}

/// Returns the numbers that have a bit in some words, from the lowest on.
pub(super) fn numbers(words: impl IntoIterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.into_iter().enumerate().flat_map(|(place, word)| {
        let mut left = word;
        std::iter::from_fn(move || {
            let at = left.trailing_zeros() as usize;
            left &= left.checked_sub(1)?;
            Some(place * WORD + at)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_in_their_order() {
        let mut which = Which::none_of(200);
        assert!(which.is_empty());
        for number in [130, 0, 63, 64, 199, 63] {
            which.insert(number);
        }
        assert!(!which.is_empty());
        assert_eq!(which.iter().collect::<Vec<_>>(), [0, 63, 64, 130, 199]);
        which.set(&[1 << 5 | 1]);
        assert_eq!(which.iter().collect::<Vec<_>>(), [0, 5]);
        which.set(&[1, 2, 4, 8]);
        assert_eq!(which.iter().collect::<Vec<_>>(), [0, 65, 130, 195]);
        which.add(&[1 << 7, 2, 1]);
        assert_eq!(which.iter().collect::<Vec<_>>(), [0, 7, 65, 128, 130, 195]);
        which.clear();
        assert!(which.is_empty());
    }
}
