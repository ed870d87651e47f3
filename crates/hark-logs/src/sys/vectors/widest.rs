//! The widest vectors that there are, of eight words.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi8, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512,
    _mm512_andnot_si512, _mm512_cmpeq_epi8_mask, _mm512_cmpeq_epi64_mask, _mm512_cmplt_epu64_mask,
    _mm512_mask_permutexvar_epi8, _mm512_mask_sub_epi64, _mm512_maskz_compress_epi8,
    _mm512_movepi8_mask, _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_set1_epi8,
    _mm512_set1_epi64, _mm512_shldv_epi64, _mm512_sllv_epi64, _mm512_srlv_epi64, _mm512_sub_epi64,
    _mm512_test_epi64_mask,
};

use super::{Any, BYTES, Kind, LANES, Term, WORD, Words};

/// A processor that has these vectors, and if it has `FUNNELS`, shifts of two of their words as one and what came with
/// them: there is one of these only where it was asked for that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widest<const FUNNELS: bool>(());

impl Widest<false> {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn without_funnels() -> Self {
        Self(())
    }
}

impl Widest<true> {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")]
    pub(super) fn with_funnels() -> Self {
        Self(())
    }
}

/// One of the terms, for some vectors.
#[derive(Clone, Copy)]
struct Near<'w> {
    by: __m512i,
    among: &'w [Words],
}

/// One that may be more than a word away, and where the words are that come in: the eight before and those at hand
/// are one row.
#[derive(Clone, Copy)]
struct Far<'w> {
    near: Near<'w>,
    high: __m512i,
    low: __m512i,
}

impl<const FUNNELS: bool> Widest<FUNNELS> {
    /// Returns a number, in each word.
    #[expect(clippy::inline_always, reason = "the work is compiled for the vectors of its caller")]
    #[expect(clippy::unused_self, reason = "only who has one may do this")]
    #[inline(always)]
    fn all(self, number: usize) -> __m512i {
        // SAFETY: the processor has these vectors, or there were no `self`.
        unsafe { _mm512_set1_epi64(i64::try_from(number).unwrap_or_default()) }
    }

    /// Returns numbers in a row.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn row(self, first: usize) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_add_epi64(self.all(first), vector([0, 1, 2, 3, 4, 5, 6, 7])) }
    }

    /// Returns the words before some, the first of which is the last of those `before` them.
    #[expect(clippy::inline_always, reason = "as above")]
    #[expect(clippy::unused_self, reason = "as above")]
    #[inline(always)]
    fn lower(self, before: __m512i, now: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_alignr_epi64::<7>(now, before) }
    }

    /// Returns the higher words, shifted, with what comes in from the lower ones.
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn shifted(self, high: __m512i, low: __m512i, by: __m512i) -> __m512i {
        // SAFETY: the processor has these vectors, and funnels if it says so, or there were no `self`.
        unsafe {
            if FUNNELS {
                return _mm512_shldv_epi64(high, low, by);
            }
            // What is shifted by a whole word is nothing.
            let rest = _mm512_sub_epi64(self.all(WORD), by);
            _mm512_or_si512(_mm512_sllv_epi64(high, by), _mm512_srlv_epi64(low, rest))
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn after_near<const N: usize>(
        self,
        made: &mut [Words],
        of: &[Words],
        terms: [Near<'_>; N],
        with_of: bool,
    ) {
        let mut before = vector(of[0]);
        for (at, made) in made.iter_mut().enumerate() {
            let now = vector(of[at + 1]);
            let low = self.lower(before, now);
            let mut any = if with_of { now } else { self.all(0) };
            for Near { by, among } in terms {
                // SAFETY: as above.
                any = unsafe {
                    let among = _mm512_and_si512(self.shifted(now, low, by), vector(among[at]));
                    _mm512_or_si512(any, among)
                };
            }
            *made = words(any);
            before = now;
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn after_far<const N: usize>(
        self,
        made: &mut [Words],
        of: &[Words],
        terms: [Far<'_>; N],
        with_of: bool,
    ) {
        let mut before = vector(of[0]);
        for (at, made) in made.iter_mut().enumerate() {
            let now = vector(of[at + 1]);
            let mut any = if with_of { now } else { self.all(0) };
            for Far { near: Near { by, among }, high, low } in terms {
                // SAFETY: as above.
                any = unsafe {
                    let high = _mm512_permutex2var_epi64(before, high, now);
                    let low = _mm512_permutex2var_epi64(before, low, now);
                    let among = _mm512_and_si512(self.shifted(high, low, by), vector(among[at]));
                    _mm512_or_si512(any, among)
                };
            }
            *made = words(any);
            before = now;
        }
    }
}

impl<const FUNNELS: bool> Kind for Widest<FUNNELS> {
    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn after<const N: usize>(
        self,
        made: &mut [Words],
        of: &[Words],
        terms: [Term<'_>; N],
        with_of: bool,
    ) {
        // All are of one length, which is asked once and not for each vector.
        let n = made.len();
        let of = &of[..=n];
        let mut near = [Near { by: self.all(0), among: &[] }; N];
        for (near, (by, among)) in near.iter_mut().zip(terms) {
            *near = Near { by: self.all(by % WORD), among: &among[..n] };
        }
        if terms.iter().all(|(by, _)| *by < WORD) {
            self.after_near(made, of, near, with_of);
            return;
        }
        let none = Near { by: self.all(0), among: &[] };
        let mut far = [Far { near: none, high: none.by, low: none.by }; N];
        for (far, (near, (by, _))) in far.iter_mut().zip(near.into_iter().zip(terms)) {
            let back = by / WORD % LANES;
            *far = Far { near, high: self.row(LANES - back), low: self.row(LANES - 1 - back) };
        }
        self.after_far(made, of, far, with_of);
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn through(self, made: &mut [Words], of: &[Words], among: &[Words], mut goes_on: bool) -> bool {
        let ones = vector([u64::MAX; LANES]);
        let n = made.len();
        let (of, among) = (&of[..=n], &among[..n]);
        let mut before = vector(of[0]);
        for (at, made) in made.iter_mut().enumerate() {
            let (now, among) = (vector(of[at + 1]), vector(among[at]));
            // SAFETY: as above.
            unsafe {
                let first = self.shifted(now, self.lower(before, now), self.all(1));
                let first = _mm512_and_si512(first, among);
                let sums = _mm512_add_epi64(among, first);
                // What is carried from one word to the next is itself a sum, of a bit for each word: one that has
                // carried, and one that is full and passes on what it gets.
                let over = u32::from(_mm512_cmplt_epu64_mask(sums, among));
                let full = u32::from(_mm512_cmpeq_epi64_mask(sums, ones));
                let carried = (over << 1 | u32::from(goes_on)) + full;
                let [into, beyond, ..] = (carried ^ full).to_le_bytes();
                goes_on = beyond & 1 == 1;
                // It goes through all that are in a row, and ends behind the last.
                let sums = _mm512_mask_sub_epi64(sums, into, sums, ones);
                let gone = _mm512_andnot_si512(sums, among);
                *made = words(_mm512_or_si512(_mm512_or_si512(now, first), gone));
            }
            before = now;
        }
        goes_on
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn bits(self, bytes: &[u8; BYTES]) -> Words {
        let mut bytes = of_bytes(bytes);
        let mut sets = [0; LANES];
        for set in sets.iter_mut().rev() {
            // SAFETY: as above.
            unsafe {
                *set = _mm512_movepi8_mask(bytes);
                bytes = _mm512_add_epi8(bytes, bytes);
            }
        }
        sets
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn which_meet(self, words: &Words, bits: u64) -> u8 {
        // SAFETY: as above.
        unsafe { _mm512_test_epi64_mask(vector(*words), _mm512_set1_epi64(bits.cast_signed())) }
    }

    const LOOKS_UP: bool = FUNNELS;

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn which_are(self, bytes: &[u8; BYTES], one: u8) -> u64 {
        // SAFETY: as above.
        unsafe {
            let one = _mm512_set1_epi8(one.cast_signed());
            _mm512_cmpeq_epi8_mask(of_bytes(bytes), one)
        }
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn look_up(self, bytes: &mut [u8; BYTES], which: u64, table: &[u8; BYTES], of: &[u8; BYTES]) {
        if !FUNNELS {
            Any.look_up(bytes, which, table, of);
            return;
        }
        let [now, table, of] = [&*bytes, table, of].map(of_bytes);
        // SAFETY: the processor has these vectors, and what came with funnels if it says so, or there were no `self`.
        *bytes = as_bytes(unsafe { _mm512_mask_permutexvar_epi8(now, which, of, table) });
    }

    #[expect(clippy::inline_always, reason = "as above")]
    #[inline(always)]
    fn pack(self, bytes: &[u8; BYTES], which: u64) -> [u8; BYTES] {
        if !FUNNELS {
            return Any.pack(bytes, which);
        }
        // SAFETY: as above.
        as_bytes(unsafe { _mm512_maskz_compress_epi8(which, of_bytes(bytes)) })
    }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn of_bytes(bytes: &[u8; BYTES]) -> __m512i {
    // SAFETY: both are 64 bytes, and any of these are one of the other.
    unsafe { std::mem::transmute(*bytes) }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn as_bytes(vector: __m512i) -> [u8; BYTES] {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn vector(words: Words) -> __m512i {
    // SAFETY: as above.
    unsafe { std::mem::transmute(words) }
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn words(vector: __m512i) -> Words {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}
