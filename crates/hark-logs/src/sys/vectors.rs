//! Code that is compiled for the vectors of the processor at hand.
//!
//! Most of it is plain code, which the compiler writes with whatever vectors it may use. What it does not write
//! well stands here as functions of a [`Kind`] of processor: plain code again, and the widest vectors that there
//! are (`widest`).

#[cfg(target_arch = "x86_64")]
mod widest;

#[cfg(target_arch = "x86_64")]
use self::widest::Widest;

/// Words of the widest vectors.
pub(crate) const LANES: usize = 8;

/// So many words.
pub(crate) type Words = [u64; LANES];

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Bytes of the widest vectors.
pub(crate) const BYTES: usize = 64;

/// Work that is worth being compiled for the wide vectors that most processors have.
pub(crate) trait Work {
    type Done;

    /// Whether it is worth being compiled for those of 64 bytes as well, which fewer have.
    const WIDEST: bool = false;

    /// Does it. Must be inlined always: only then is it compiled for what calls it.
    fn run<K: Kind>(self, kind: K) -> Self::Done;
}

/// What is asked for so many bits further on, of fewer than eight words.
pub(crate) type Term<'w> = (usize, &'w [Words]);

/// What code is compiled for.
pub(crate) trait Kind: Copy {
    /// Makes words of what is so far behind some bit of `of`, and has the bit that is asked for there: all that any
    /// of the terms says, and `of` itself if that is wanted `with_of`. Before the words of `of` there is one vector
    /// more, of what comes before them.
    fn after<const N: usize>(
        self,
        made: &mut [Words],
        of: &[Words],
        terms: [Term<'_>; N],
        with_of: bool,
    );

    /// Makes words of `of`, which has one vector more as above, and of all bits of `among` that follow one of these
    /// without a gap. Returns whether that goes on in the next word, as it did before the first.
    fn through(self, made: &mut [Words], of: &[Words], among: &[Words], goes_on: bool) -> bool;

    /// Returns each of the eight bits of some bytes.
    fn bits(self, bytes: &[u8; BYTES]) -> Words;

    /// Returns which of the words have a bit of `bits`.
    fn which_meet(self, words: &Words, bits: u64) -> u8;

    /// Whether this is less work for all bytes at once than for one after the other: [`Kind::look_up`].
    const LOOKS_UP: bool;

    /// Returns which of some bytes are `one`.
    fn which_are(self, bytes: &[u8; BYTES], one: u8) -> u64;

    /// Puts in place of those bytes that `which` has a bit for what the table has for the lower six bits of others.
    fn look_up(self, bytes: &mut [u8; BYTES], which: u64, table: &[u8; BYTES], of: &[u8; BYTES]);

    /// Returns those bytes side by side that `which` has a bit for; what is behind them is anything.
    fn pack(self, bytes: &[u8; BYTES], which: u64) -> [u8; BYTES];
}

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Any;

/// What the processor is asked for. Only ever true if it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// 32 bytes.
    wide: bool,
    /// 64 bytes, and masks.
    widest: bool,
    /// Of these, shifts of two words as one, and bytes that are looked up.
    funnels: bool,
}

impl Vectors {
    /// What every processor of this kind has.
    pub(crate) const USUAL: Self = Self { wide: false, widest: false, funnels: false };

    /// The best that this one has.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn best() -> Self {
        let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2");
        let widest = wide
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        let funnels = widest
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2");
        Self { wide, widest, funnels }
    }

    /// The best that this one has.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn best() -> Self {
        Self::USUAL
    }

    /// All that this one has.
    #[cfg(test)]
    pub(crate) fn all() -> [Self; 4] {
        let best = Self::best();
        let widest = Self { funnels: false, ..best };
        [Self::USUAL, Self { widest: false, ..widest }, widest, best]
    }

    /// Does `work` with them.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Done {
        if W::WIDEST && self.funnels {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor was asked for exactly these, see `best`.
            return unsafe { with_funnels(work) };
        }
        if W::WIDEST && self.widest {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            return unsafe { with_widest(work) };
        }
        if self.wide {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            return unsafe { with_wide(work) };
        }
        work.run(Any)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2")]
fn with_wide<W: Work>(work: W) -> W::Done {
    work.run(Any)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl")]
fn with_widest<W: Work>(work: W) -> W::Done {
    work.run(Widest::without_funnels())
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")]
fn with_funnels<W: Work>(work: W) -> W::Done {
    work.run(Widest::with_funnels())
}

/// Returns as many words as are behind the first eight, shifted by so many bits of all of them.
#[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
#[inline(always)]
fn shifted(of: &[Words], by: usize) -> impl Iterator<Item = u64> {
    let of = of.as_flattened();
    let begin = LANES - by / WORD % LANES;
    let by = by % WORD;
    let mut earlier = of.get(begin - 1).copied().unwrap_or_default();
    let words = of.get(begin..of.len() + begin - LANES).unwrap_or_default();
    words.iter().map(move |word| {
        let shifted = word << by | earlier >> 1 >> (WORD - 1 - by);
        earlier = *word;
        shifted
    })
}

impl Kind for Any {
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn after<'w, const N: usize>(
        self,
        made: &mut [Words],
        of: &[Words],
        terms: [Term<'w>; N],
        with_of: bool,
    ) {
        let made = made.as_flattened_mut();
        let now = of.get(1..).unwrap_or_default().as_flattened();
        let term = |(by, among): Term<'w>| shifted(of, by).zip(among.as_flattened());
        // Written out and not in a loop, whose body would not be compiled for the vectors of the caller.
        match terms[..] {
            // Most are of this kind, and a shift that is known when it is compiled is faster.
            [(1, among)] if !with_of => {
                made.iter_mut().zip(term((1, among))).for_each(|(m, (a, b))| *m = a & b);
            }
            [one] if !with_of => {
                made.iter_mut().zip(term(one)).for_each(|(m, (a, b))| *m = a & b);
            }
            [one] => {
                for (made, (of, (a, b))) in made.iter_mut().zip(now.iter().zip(term(one))) {
                    *made = of | (a & b);
                }
            }
            [one, two] if !with_of => {
                for (made, ((a, b), (c, d))) in made.iter_mut().zip(term(one).zip(term(two))) {
                    *made = (a & b) | (c & d);
                }
            }
            [one, two, three, four] if !with_of => {
                let all = term(one).zip(term(two)).zip(term(three).zip(term(four)));
                for (made, ((a, b), (c, d))) in made.iter_mut().zip(all) {
                    *made = (a.0 & a.1) | (b.0 & b.1) | (c.0 & c.1) | (d.0 & d.1);
                }
            }
            ref terms => {
                if with_of {
                    made.iter_mut().zip(now).for_each(|(made, of)| *made = *of);
                } else {
                    made.fill(0);
                }
                for one in terms {
                    made.iter_mut().zip(term(*one)).for_each(|(m, (a, b))| *m |= a & b);
                }
            }
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn through(self, made: &mut [Words], of: &[Words], among: &[Words], mut goes_on: bool) -> bool {
        for ((made, of), among) in made.iter_mut().zip(of.array_windows()).zip(among) {
            let [before, of] = of;
            let mut earlier = before[LANES - 1];
            let mut first = [0; LANES];
            for (first, (of, among)) in first.iter_mut().zip(of.iter().zip(among)) {
                *first = (of << 1 | earlier >> (WORD - 1)) & among;
                earlier = *of;
            }
            let mut sums = [0; LANES];
            for (sum, (first, among)) in sums.iter_mut().zip(first.iter().zip(among)) {
                // What is carried goes through all that are in a row, and ends behind the last.
                (*sum, goes_on) = among.carrying_add(*first, goes_on);
            }
            *made = std::array::from_fn(|at| of[at] | first[at] | (among[at] & !sums[at]));
        }
        goes_on
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn bits(self, bytes: &[u8; BYTES]) -> Words {
        let eights = bytes.as_chunks::<8>().0;
        let mut words: Words =
            std::array::from_fn(|at| eights.get(at).copied().map_or(0, u64::from_le_bytes));
        // Within each word rows of eight bits become columns, and then the same is done with bytes of words.
        for (by, mask) in
            [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
        {
            for word in &mut words {
                let differ = (*word ^ (*word >> by)) & mask;
                *word ^= differ ^ (differ << by);
            }
        }
        for (apart, by, mask) in [
            (4, 32, 0x0000_0000_ffff_ffff),
            (2, 16, 0x0000_ffff_0000_ffff),
            (1, 8, 0x00ff_00ff_00ff_00ff),
        ] {
            for one in (0..LANES).filter(|at| at & apart == 0) {
                let differ = ((words[one] >> by) ^ words[one + apart]) & mask;
                words[one + apart] ^= differ;
                words[one] ^= differ << by;
            }
        }
        words
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn which_meet(self, words: &Words, bits: u64) -> u8 {
        let mut which = 0;
        for (number, word) in words.iter().enumerate() {
            which |= u8::from(word & bits != 0) << number;
        }
        which
    }

    const LOOKS_UP: bool = false;

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn which_are(self, bytes: &[u8; BYTES], one: u8) -> u64 {
        let are = bytes.iter().enumerate().map(|(at, byte)| u64::from(*byte == one) << at);
        are.fold(0, |all, one| all | one)
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn look_up(self, bytes: &mut [u8; BYTES], which: u64, table: &[u8; BYTES], of: &[u8; BYTES]) {
        for (at, (byte, of)) in bytes.iter_mut().zip(of).enumerate() {
            if which >> at & 1 == 1 {
                *byte = table[usize::from(*of) % BYTES];
            }
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn pack(self, bytes: &[u8; BYTES], which: u64) -> [u8; BYTES] {
        let mut packed = [0; BYTES];
        let mut done = 0;
        for (at, byte) in bytes.iter().enumerate() {
            // Nobody can foretell which are left out.
            packed[done % BYTES] = *byte;
            done += usize::from(which >> at & 1 == 1);
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn some_word() -> impl Strategy<Value = u64> {
        let few = [0, 1, 1 << 63, u64::MAX, u64::MAX - 1, u64::MAX >> 1];
        prop_oneof![4 => prop::sample::select(few.to_vec()), 1 => any::<u64>()]
    }

    fn some_words() -> impl Strategy<Value = Words> {
        std::array::from_fn(|_| some_word())
    }

    /// Those in which much goes through.
    fn many_bits() -> impl Strategy<Value = Words> {
        std::array::from_fn(|_| prop_oneof![4 => Just(u64::MAX), 2 => some_word()])
    }

    fn has(words: &[Words], at: usize) -> bool {
        let word = words.as_flattened().get(at / WORD);
        word.is_some_and(|word| word >> (at % WORD) & 1 == 1)
    }

    fn of_bits(eights: usize, mut has: impl FnMut(usize) -> bool) -> Vec<Words> {
        let mut words = vec![[0; LANES]; eights];
        for (at, word) in words.as_flattened_mut().iter_mut().enumerate() {
            for bit in 0..WORD {
                *word |= u64::from(has(at * WORD + bit)) << bit;
            }
        }
        words
    }

    /// What is asked of a kind of processor.
    #[derive(Clone, Debug)]
    struct Asked {
        of: Vec<Words>,
        among: [Vec<Words>; 4],
        by: [usize; 4],
        n_terms: usize,
        with_of: bool,
        goes_on: bool,
        bytes: [u8; BYTES],
        table: [u8; BYTES],
    }

    #[derive(Debug, PartialEq)]
    struct Said {
        after: Vec<Words>,
        through: (Vec<Words>, bool),
        bits: Words,
        which: u8,
        are: u64,
        looked_up: [u8; BYTES],
        packed: Vec<u8>,
    }

    fn asked() -> impl Strategy<Value = Asked> {
        let by = || prop_oneof![Just(1), 1..WORD, 1..LANES * WORD, Just(LANES * WORD - 1)];
        let among = |eights| vec(many_bits(), eights);
        (1..4_usize).prop_flat_map(move |eights| {
            (
                vec(some_words(), eights + 1),
                std::array::from_fn(|_| among(eights)),
                prop_oneof![
                    std::array::from_fn::<_, 4, _>(|_| by()),
                    std::array::from_fn::<_, 4, _>(|_| 1..WORD)
                ],
                1..5_usize,
                any::<bool>(),
                any::<bool>(),
                [prop::array::uniform(any::<u8>()), prop::array::uniform(any::<u8>())],
            )
                .prop_map(
                    |(of, among, by, n_terms, with_of, goes_on, [bytes, table])| Asked {
                        of,
                        among,
                        by,
                        n_terms,
                        with_of,
                        goes_on,
                        bytes,
                        table,
                    },
                )
        })
    }

    impl Asked {
        /// Says it bit by bit.
        fn plainly(&self) -> Said {
            let Self { of, among, by, n_terms, with_of, mut goes_on, bytes, table } = self.clone();
            let eights = of.len() - 1;
            let before = LANES * WORD;
            let after = |at: usize| {
                let is_after = |(by, among): (usize, &Vec<Words>)| {
                    has(&of, before + at - by) && has(among, at)
                };
                let terms = by.into_iter().zip(&among).take(n_terms);
                terms.into_iter().any(is_after) || with_of && has(&of, before + at)
            };
            let mut is_behind = has(&of, before - 1);
            let through = of_bits(eights, |at| {
                goes_on = (goes_on || is_behind) && has(&among[0], at);
                is_behind = has(&of, before + at);
                goes_on || is_behind
            });
            let bit = |bit: usize, byte: usize| bytes[byte] >> bit & 1 == 1;
            let bits = of_bits(1, |at| bit(at / WORD, at % WORD))[0];
            let meets = |at: &usize| of[0][*at] & among[0][0][0] != 0;
            let which = (0..LANES).filter(meets).map(|at| 1 << at).sum();
            let kept = |at: &usize| among[0][0][0] >> at & 1 == 1;
            let packed = (0..BYTES).filter(kept).map(|at| bytes[at]).collect();
            let are = (0..BYTES).filter(|at| table[*at] == bytes[0]).map(|at| 1 << at).sum();
            let looked_up = std::array::from_fn(|at| {
                if kept(&at) { table[usize::from(bytes[at] & 0x3f)] } else { bytes[at] }
            });
            let after = of_bits(eights, after);
            Said { after, through: (through, goes_on), bits, which, are, looked_up, packed }
        }
    }

    impl Work for &Asked {
        type Done = Said;

        const WIDEST: bool = true;

        fn run<K: Kind>(self, kind: K) -> Said {
            let Asked { of, among, by, n_terms, with_of, goes_on, bytes, table } = self;
            let mut after = vec![[u64::MAX; LANES]; of.len() - 1];
            let mut through = after.clone();
            let term = |at: usize| (by[at], &among[at][..]);
            match n_terms {
                1 => kind.after(&mut after, of, [0].map(term), *with_of),
                2 => kind.after(&mut after, of, [0, 1].map(term), *with_of),
                3 => kind.after(&mut after, of, [0, 1, 2].map(term), *with_of),
                _ => kind.after(&mut after, of, [0, 1, 2, 3].map(term), *with_of),
            }
            let goes_on = kind.through(&mut through, of, &among[0], *goes_on);
            let which = kind.which_meet(&of[0], among[0][0][0]);
            let kept = among[0][0][0];
            let packed = kind.pack(bytes, kept)[..kept.count_ones() as usize].to_vec();
            let mut looked_up = *bytes;
            kind.look_up(&mut looked_up, kept, table, bytes);
            let (bits, are) = (kind.bits(bytes), kind.which_are(table, bytes[0]));
            Said { after, through: (through, goes_on), bits, which, are, looked_up, packed }
        }
    }

    proptest! {
        #[test]
        fn every_kind_of_processor_says_the_same(asked in asked()) {
            let expected = asked.plainly();
            for vectors in Vectors::all() {
                prop_assert_eq!(&vectors.run(&asked), &expected, "{:?}", vectors);
            }
        }
    }
}
