//! The replay window: which of the last 1024 counters were received.

/// How far behind the newest counter a datagram may come. Networks reorder by tens; 1024 leaves
/// room for a burst of backlog that overtakes.
pub const WINDOW: u64 = 1024;

/// One word more than the window needs: the newest word is filled only partly, and the oldest must
/// still be whole.
const WORDS: usize = 17;

/// What is known of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not received.
    No,
    /// Received.
    Yes,
    /// Too far behind to tell: to be treated as received.
    TooOld,
}

/// Which counters were received: tested before decryption, marked only after it succeeded. 144
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    newest: u64,
    /// A ring: bit `c % 64` of word `(c / 64) % WORDS` stands for counter `c`.
    words: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// Makes a window that has received nothing. Counters begin at 1.
    pub fn new() -> Self {
        // Counter 0 is never sent: marking it keeps it refused.
        let mut words = [0; WORDS];
        words[0] = 1;
        Self { newest: 0, words }
    }

    /// Returns the newest counter received, 0 if none.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Returns whether `counter` was received.
    pub fn seen(&self, counter: u64) -> Seen {
        if counter > self.newest {
            return Seen::No;
        }
        if self.newest - counter >= WINDOW {
            return Seen::TooOld;
        }
        let (word, bit) = place(counter);
        match self.words.get(word) {
            Some(bits) if bits & bit == 0 => Seen::No,
            _ => Seen::Yes,
        }
    }

    /// Marks `counter` as received; returns false if it already was or is too old.
    pub fn mark(&mut self, counter: u64) -> bool {
        if self.seen(counter) != Seen::No {
            return false;
        }
        if counter > self.newest {
            // Clear the words that are entered; more than all of them need not be cleared twice.
            let entered = (counter / 64 - self.newest / 64).min(WORDS as u64);
            for step in 0..entered {
                let (word, _) = place(counter - step * 64);
                if let Some(bits) = self.words.get_mut(word) {
                    *bits = 0;
                }
            }
            self.newest = counter;
        }
        let (word, bit) = place(counter);
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= bit;
        }
        true
    }
}

fn place(counter: u64) -> (usize, u64) {
    (((counter / 64) % WORDS as u64) as usize, 1 << (counter % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The slow truth.
    #[derive(Default)]
    struct Model {
        marked: BTreeSet<u64>,
    }

    impl Model {
        fn seen(&self, counter: u64) -> Seen {
            let newest = self.marked.last().copied().unwrap_or(0);
            if counter + WINDOW <= newest {
                Seen::TooOld
            } else if counter == 0 || self.marked.contains(&counter) {
                Seen::Yes
            } else {
                Seen::No
            }
        }
    }

    #[test]
    fn takes_each_once_and_the_last_1024_in_any_order() {
        let mut window = Window::new();
        assert!(!window.mark(0), "counters begin at 1");
        assert!(window.mark(2000));
        assert!(!window.mark(2000));
        assert_eq!(window.seen(2000 - WINDOW), Seen::TooOld);
        assert!(window.mark(2000 - WINDOW + 1));
        for counter in (978..2000).rev() {
            assert!(window.mark(counter), "{counter}");
            assert!(!window.mark(counter), "{counter}");
        }
    }

    #[test]
    fn the_largest_counters_do_not_overflow() {
        let mut window = Window::new();
        assert!(window.mark(u64::MAX - 1));
        assert!(window.mark(u64::MAX));
        assert!(!window.mark(u64::MAX));
        assert_eq!(window.seen(1), Seen::TooOld);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(
            steps in prop::collection::vec((0u8..4, 0u64..3000, -1200i64..1200), 1..400),
        ) {
            let mut window = Window::new();
            let mut model = Model::default();
            for (how, absolute, relative) in steps {
                let counter = match how {
                    0 => absolute,
                    1 => window.newest() + 1,
                    _ => window.newest().saturating_add_signed(relative),
                };
                prop_assert_eq!(window.seen(counter), model.seen(counter), "{}", counter);
                let fresh = model.seen(counter) == Seen::No;
                prop_assert_eq!(window.mark(counter), fresh);
                if fresh {
                    model.marked.insert(counter);
                }
            }
        }
    }
}
