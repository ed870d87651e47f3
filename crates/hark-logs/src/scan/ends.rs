//! Where lines end in a buffer.
//!
//! Looked for one by one each end costs a call, which is as much as looking through the text of the line. Here
//! the ends of some thousand bytes are looked for at once, and kept as bits.

use crate::sys::vectors::{BYTES, Kind, Vectors, Work};

/// Words of bits: the ends of four kilobytes, which stay near.
const WORDS: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Ends {
    vectors: Vectors,
    /// Where in the buffer the bits begin, and for how many bytes they are known.
    begin: usize,
    known: usize,
    words: [u64; WORDS],
}

impl Ends {
    pub(super) fn new(vectors: Vectors) -> Self {
        Self { vectors, begin: 0, known: 0, words: [0; WORDS] }
    }

    /// Another buffer comes.
    pub(super) fn begin(&mut self) {
        (self.begin, self.known) = (0, 0);
    }

    /// Returns where the line ends that `from` is in, or the length of the buffer. Within one buffer `from` never
    /// goes back.
    #[inline]
    pub(super) fn after(&mut self, buffer: &[u8], mut from: usize) -> usize {
        while from < buffer.len() {
            if from >= self.begin + self.known {
                self.look(buffer, from);
            }
            let at = from - self.begin;
            let mut number = at / BYTES;
            let mut ends = self.words[number % WORDS] >> (at % BYTES) << (at % BYTES);
            while ends == 0 && number + 1 < WORDS {
                number += 1;
                ends = self.words[number % WORDS];
            }
            if ends != 0 {
                return self.begin + number * BYTES + ends.trailing_zeros() as usize;
            }
            from = self.begin + self.known;
        }
        buffer.len()
    }

    fn look(&mut self, buffer: &[u8], from: usize) {
        let text = buffer.get(from..).unwrap_or_default();
        let text = text.get(..WORDS * BYTES).unwrap_or(text);
        (self.begin, self.known) = (from, text.len());
        self.words = self.vectors.run(Look { text });
    }
}

struct Look<'t> {
    text: &'t [u8],
}

impl Work for Look<'_> {
    type Done = [u64; WORDS];

    const WIDEST: bool = true;

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run<K: Kind>(self, kind: K) -> Self::Done {
        let mut words = [0; WORDS];
        let (blocks, rest) = self.text.as_chunks::<BYTES>();
        let mut put = |at: usize| {
            if let Some(word) = words.get_mut(at / BYTES) {
                *word |= 1 << (at % BYTES);
            }
        };
        if K::LOOKS_UP {
            memchr::memchr_iter(b'\n', rest).for_each(|at| put(blocks.len() * BYTES + at));
            for (word, block) in words.iter_mut().zip(blocks) {
                *word = kind.which_are(block, b'\n');
            }
        } else {
            memchr::memchr_iter(b'\n', self.text).for_each(put);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_line_ends_where_it_does(
            lengths in vec(prop_oneof![0..4_usize, 50..150_usize, 4000..9000_usize], 0..40),
            rest in 0..200_usize,
        ) {
            let mut buffer = Vec::new();
            for length in &lengths {
                buffer.extend(b"x".repeat(*length));
                buffer.push(b'\n');
            }
            buffer.extend(b"x".repeat(rest));
            let expected: Vec<usize> = memchr::memchr_iter(b'\n', &buffer).collect();
            for vectors in Vectors::all() {
                let mut ends = Ends::new(vectors);
                for _ in 0..2 {
                    ends.begin();
                    let (mut found, mut from) = (Vec::new(), 0);
                    while from < buffer.len() {
                        let end = ends.after(&buffer, from);
                        found.push(end);
                        from = end + 1;
                    }
                    found.retain(|end| *end < buffer.len());
                    prop_assert_eq!(&found, &expected, "{:?}", vectors);
                }
            }
        }
    }
}
