//! Code that is compiled for the vectors of the processor at hand.
//!
//! Most of it is plain code, which the compiler writes with whatever vectors it may use. What it does not write
//! well stands here as functions of a [`Kind`] of processor, in two forms.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512i, _mm512_add_epi8, _mm512_add_epi64, _mm512_cmpeq_epi64_mask, _mm512_cmplt_epu64_mask,
    _mm512_mask_sub_epi64, _mm512_movepi8_mask, _mm512_set1_epi64, _mm512_test_epi64_mask,
};

/// Words of the widest vectors.
pub(crate) const LANES: usize = 8;

/// So many words.
pub(crate) type Words = [u64; LANES];

/// Bytes of the widest vectors.
const BYTES: usize = 64;

/// Work that is worth being compiled for the wide vectors that most processors have.
pub(crate) trait Work {
    type Done;

    /// Whether it is worth being compiled for those of 64 bytes as well, which fewer have.
    const WIDEST: bool = false;

    /// Does it. Must be inlined always: only then is it compiled for what calls it.
    fn run<K: Kind>(self, kind: K) -> Self::Done;
}

/// What code is compiled for.
pub(crate) trait Kind: Copy {
    /// Adds two numbers, whose lowest words come first, and `carry`. Returns whether that carried.
    fn add(self, one: &Words, other: &Words, carry: bool) -> (Words, bool);

    /// Returns each of the eight bits of some bytes.
    fn bits(self, bytes: &[u8; BYTES]) -> Words;

    /// Returns which of the words have a bit of `bits`.
    fn which_meet(self, words: &Words, bits: u64) -> u8;
}

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Any;

/// One that has vectors of 64 bytes: there is one of these only where that was asked.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widest(());

/// What the processor is asked for. Only ever true if it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vectors {
    /// 32 bytes.
    wide: bool,
    /// 64 bytes, and masks.
    widest: bool,
}

impl Vectors {
    /// What every processor of this kind has.
    pub(crate) const USUAL: Self = Self { wide: false, widest: false };

    /// The best that this one has.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn best() -> Self {
        let wide = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2");
        let widest = wide
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        Self { wide, widest }
    }

    /// The best that this one has.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn best() -> Self {
        Self::USUAL
    }

    /// All that this one has.
    #[cfg(test)]
    pub(crate) fn all() -> [Self; 3] {
        let best = Self::best();
        [Self::USUAL, Self { widest: false, ..best }, best]
    }

    /// Does `work` with them.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Done {
        if W::WIDEST && self.widest {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor was asked for exactly these, see `best`.
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
    work.run(Widest(()))
}

impl Kind for Any {
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[inline(always)]
    fn add(self, one: &Words, other: &Words, mut carry: bool) -> (Words, bool) {
        let mut sums = [0; LANES];
        for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
            (*sum, carry) = one.carrying_add(*other, carry);
        }
        (sums, carry)
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
}

#[cfg(target_arch = "x86_64")]
impl Kind for Widest {
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn add(self, one: &Words, other: &Words, carry: bool) -> (Words, bool) {
        // SAFETY: the processor has them, or there were no `self`.
        unsafe { add_widest(one, other, carry) }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn bits(self, bytes: &[u8; BYTES]) -> Words {
        // SAFETY: as above.
        unsafe { bits_widest(bytes) }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn which_meet(self, words: &Words, bits: u64) -> u8 {
        // SAFETY: as above.
        unsafe { which_meet_widest(words, bits) }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn add_widest(one: &Words, other: &Words, carry: bool) -> (Words, bool) {
    let one = vector(*one);
    let sums = _mm512_add_epi64(one, vector(*other));
    let all = _mm512_set1_epi64(-1);
    // What is carried from one word to the next is itself a sum, of a bit for each word: one that has carried, and one
    // that is full and passes on what it gets.
    let over = u32::from(_mm512_cmplt_epu64_mask(sums, one));
    let full = u32::from(_mm512_cmpeq_epi64_mask(sums, all));
    let carried = (over << 1 | u32::from(carry)) + full;
    let [into, beyond, ..] = (carried ^ full).to_le_bytes();
    let sums = _mm512_mask_sub_epi64(sums, into, sums, all);
    (words(sums), beyond & 1 == 1)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bits_widest(bytes: &[u8; BYTES]) -> Words {
    let eights = bytes.as_chunks::<8>().0;
    let mut bytes =
        vector(std::array::from_fn(|at| eights.get(at).copied().map_or(0, u64::from_le_bytes)));
    let mut sets = [0; LANES];
    for set in sets.iter_mut().rev() {
        *set = _mm512_movepi8_mask(bytes);
        bytes = _mm512_add_epi8(bytes, bytes);
    }
    sets
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn which_meet_widest(words: &Words, bits: u64) -> u8 {
    _mm512_test_epi64_mask(vector(*words), _mm512_set1_epi64(bits.cast_signed()))
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn vector(words: Words) -> __m512i {
    // SAFETY: both are 64 bytes, and any of these are one of the other.
    unsafe { std::mem::transmute(words) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn words(vector: __m512i) -> Words {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_word() -> impl Strategy<Value = u64> {
        let few = [0, 1, 1 << 63, u64::MAX, u64::MAX - 1, u64::MAX >> 1];
        prop_oneof![4 => prop::sample::select(few.to_vec()), 1 => any::<u64>()]
    }

    fn some_words() -> impl Strategy<Value = Words> {
        std::array::from_fn(|_| some_word())
    }

    /// What is asked of a kind of processor.
    struct Asked<'a> {
        one: Words,
        other: Words,
        carry: bool,
        bytes: &'a [u8; BYTES],
    }

    impl Work for Asked<'_> {
        type Done = ((Words, bool), Words, u8);

        const WIDEST: bool = true;

        fn run<K: Kind>(self, kind: K) -> Self::Done {
            let Self { one, other, carry, bytes } = self;
            (kind.add(&one, &other, carry), kind.bits(bytes), kind.which_meet(&one, other[0]))
        }
    }

    proptest! {
        #[test]
        fn every_kind_of_processor_says_the_same(
            one in some_words(),
            other in some_words(),
            carry: bool,
            bytes in prop::array::uniform::<_, BYTES>(any::<u8>()),
        ) {
            let mut goes_on = u128::from(carry);
            let mut sums = [0; LANES];
            for (at, sum) in sums.iter_mut().enumerate() {
                goes_on += u128::from(one[at]) + u128::from(other[at]);
                *sum = u64::try_from(goes_on & u128::from(u64::MAX)).unwrap();
                goes_on >>= 64;
            }
            let mut bits = [0; LANES];
            for (at, byte) in bytes.iter().enumerate() {
                for (bit, set) in bits.iter_mut().enumerate() {
                    *set |= u64::from(byte >> bit & 1) << at;
                }
            }
            let meet = (0..LANES).filter(|at| one[*at] & other[0] != 0).map(|at| 1 << at).sum();
            for vectors in Vectors::all() {
                let said = vectors.run(Asked { one, other, carry, bytes: &bytes });
                prop_assert_eq!(said, ((sums, goes_on == 1), bits, meet), "{:?}", vectors);
            }
        }
    }
}
