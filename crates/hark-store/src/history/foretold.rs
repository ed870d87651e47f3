//! Integers as what is left of them when each is foretold by those before it.
//!
//! What all distances from the first value are multiples of is divided out, a straight line is taken away if that
//! leaves less, and each value is foretold in one of a few ways, the one that leaves least. What is left is coded
//! by the chances that its size and its upper bits had so far after neighbours as large (asymmetric numerals,
//! rANS). They are learned on the way, so no table is written, which for a thousand numbers of some bits is a good
//! part of what other codecs write; and they follow a series that is calm in one hour and wild in the next. What a
//! busy machine measured takes half as much as by pco, for 37 ns a number instead of 17 to write and 30 instead of
//! 5 to read; what does not change from frame to frame costs nothing in either.
//!
//! The bytes are: way (1 byte), first value (zigzag varint), divisor (varint), slope of the line (zigzag varint),
//! length of what is coded (varint), that, then the low bits of large numbers as they are, low ones first. All
//! that says how values are foretold and chances learned belongs to the form: another number needs another kind of
//! column.

use super::bytes::{Reader, put_signed, put_varint};

/// Distances from the first value above this are left to another codec: below it nothing here overflows.
const MOST: u64 = 1 << 48;

/// Fractional bits of a mean.
const FRACTION: u32 = 8;

/// How a value is foretold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// As the mean of long: noise about a level.
    Level,
    /// As the mean of the last few.
    Smooth,
    /// As the one before.
    Last,
    /// As the one before, and half as much on as that was from the one before it.
    HalfStep,
    /// On the line through the two before.
    Line,
}

impl Way {
    const ALL: [Self; 5] = [Self::Level, Self::Smooth, Self::Last, Self::HalfStep, Self::Line];

    /// Returns by how much the mean follows what is new: a `1 << n`th of it.
    #[inline]
    fn pace(self) -> u32 {
        if self == Self::Level { 4 } else { 2 }
    }
}

/// What is foretold next. Damaged bytes may make anything of it, so it wraps around.
#[derive(Clone, Copy, Debug)]
struct Foretelling {
    way: Way,
    last: i64,
    before: i64,
    /// Of the values, with [`FRACTION`] fractional bits.
    mean: i64,
}

impl Foretelling {
    /// The first value is always zero: the others are its distances.
    fn new(way: Way) -> Self {
        Self { way, last: 0, before: 0, mean: 0 }
    }

    #[inline]
    fn next(&self) -> i64 {
        let step = || self.last.wrapping_sub(self.before);
        match self.way {
            Way::Level | Way::Smooth => self.mean.wrapping_add(1 << (FRACTION - 1)) >> FRACTION,
            Way::Last => self.last,
            Way::HalfStep => self.last.wrapping_add(step() / 2),
            Way::Line => self.last.wrapping_add(step()),
        }
    }

    #[inline]
    fn learn(&mut self, value: i64) {
        let off = value.wrapping_shl(FRACTION).wrapping_sub(self.mean);
        self.mean = self.mean.wrapping_add(off >> self.way.pace());
        self.before = self.last;
        self.last = value;
    }
}

/// Returns how many bits a number has without its sign.
#[inline]
fn size(number: i64) -> u32 {
    64 - number.unsigned_abs().leading_zeros()
}

/// Symbols of which one is coded at once.
const SYMBOLS: usize = 16;

/// What is shared out among the symbols is `1 << SHARE`.
const SHARE: u32 = 15;

/// What is shared out by what was seen; each symbol has one more, so that none is impossible.
const SEEN_SHARE: i16 = i16::MAX - 15;

/// From so many on what is new counts as much as before: chances follow what changes.
const SEEN: u16 = 100;

/// For how many symbols that were seen the chances of the beginning count.
const ASSUMED: u16 = 5;

/// How likely each symbol is, by what there was so far.
#[derive(Clone, Copy, Debug)]
struct Chances {
    /// How much of [`SEEN_SHARE`] is of the symbols before each.
    before: [i16; SYMBOLS],
    seen: u16,
}

impl Chances {
    /// Returns those of `n` symbols that are as likely each; others are not expected.
    fn even(n: i16) -> Self {
        let mut before = [SEEN_SHARE; SYMBOLS];
        for (place, before) in (0..n).zip(&mut before) {
            *before = place * (SEEN_SHARE / n);
        }
        Self { before, seen: 0 }
    }

    /// Returns where the share of a symbol begins, and how large it is.
    #[inline]
    fn share(&self, symbol: u32) -> (u32, u32) {
        let begin = |symbol: u32| match self.before.get(symbol as usize) {
            Some(before) => u32::from(before.unsigned_abs()) + symbol,
            None => 1 << SHARE,
        };
        let from = begin(symbol);
        (from, begin(symbol + 1) - from)
    }

    /// Returns the symbol in whose share a place lies.
    #[inline]
    fn symbol(&self, place: u32) -> u32 {
        let place = i16::try_from(place).unwrap_or(i16::MAX);
        let begins = self.before.iter().zip(0i16..).map(|(before, n)| *before + n);
        // The first begins at zero.
        u32::from(begins.map(|begin| u16::from(begin <= place)).sum::<u16>()) - 1
    }

    /// Learns that a symbol was there. All of it is some vector instructions.
    #[inline]
    fn learn(&mut self, symbol: u32) {
        // Below 2^15, so that a processor multiplies all of them at once.
        let weight = i16::try_from(65_536 / u32::from(self.seen + ASSUMED)).unwrap_or(i16::MAX);
        let symbol = i16::try_from(symbol).unwrap_or(0);
        for (before, n) in self.before.iter_mut().zip(0i16..) {
            let goal = if n > symbol { SEEN_SHARE } else { 0 };
            *before += ((i32::from(goal - *before) * i32::from(weight)) >> 16) as i16;
        }
        self.seen = (self.seen + 1).min(SEEN);
    }
}

/// Writes symbols, or reads them: what is to be written is given to both, and only one of them looks at it. So
/// their order stands in one place.
trait Coder {
    /// Codes a symbol; returns it.
    fn symbol(&mut self, chances: &Chances, symbol: u32) -> u32;

    /// Codes the lowest `n` bits of a number as they are; returns them.
    fn plain(&mut self, n: u32, bits: u64) -> u64;
}

/// The least that the state of the coder is between two symbols: two bytes come and go at once.
const LEAST: u32 = 1 << 16;

/// Writes. What is read first must be coded last, so the shares are gathered.
#[derive(Debug)]
struct Encoder {
    shares: Vec<(u32, u32)>,
    plain: Vec<u8>,
    /// Plain bits that are no whole byte yet.
    gathered: u64,
    n_gathered: u32,
}

impl Coder for Encoder {
    #[inline]
    fn symbol(&mut self, chances: &Chances, symbol: u32) -> u32 {
        self.shares.push(chances.share(symbol));
        symbol
    }

    #[inline]
    fn plain(&mut self, n: u32, bits: u64) -> u64 {
        // Fewer than 8 are gathered, and fewer than 56 come.
        self.gathered |= bits << self.n_gathered;
        self.n_gathered += n;
        while self.n_gathered >= 8 {
            self.plain.push(self.gathered.to_le_bytes()[0]);
            self.gathered >>= 8;
            self.n_gathered -= 8;
        }
        bits
    }
}

impl Encoder {
    fn new(n: usize) -> Self {
        let (shares, plain) = (Vec::with_capacity(2 * n), Vec::new());
        Self { shares, plain, gathered: 0, n_gathered: 0 }
    }

    /// Returns what was coded, and the plain bits.
    fn end(mut self) -> (Vec<u8>, Vec<u8>) {
        let mut state = LEAST;
        let mut backwards = Vec::with_capacity(self.shares.len() + 4);
        for (from, share) in self.shares.iter().rev() {
            if state >= share << (32 - SHARE) {
                let [low, high, ..] = state.to_le_bytes();
                backwards.extend([high, low]);
                state >>= 16;
            }
            state = ((state / share) << SHARE) + state % share + from;
        }
        backwards.extend(state.to_be_bytes());
        backwards.reverse();
        if self.n_gathered > 0 {
            self.plain.push(self.gathered.to_le_bytes()[0]);
        }
        (backwards, self.plain)
    }
}

/// Reads. What is read behind the end is zeros.
#[derive(Debug)]
struct Decoder<'a> {
    state: u32,
    coded: Reader<'a>,
    plain: Reader<'a>,
    gathered: u64,
    n_gathered: u32,
}

impl<'a> Decoder<'a> {
    fn new(coded: &'a [u8], plain: &'a [u8]) -> Self {
        let (mut coded, plain) = (Reader::new(coded), Reader::new(plain));
        let state = coded.u32().unwrap_or(LEAST);
        Self { state, coded, plain, gathered: 0, n_gathered: 0 }
    }
}

impl Coder for Decoder<'_> {
    #[inline]
    fn symbol(&mut self, chances: &Chances, _: u32) -> u32 {
        let place = self.state & ((1 << SHARE) - 1);
        let symbol = chances.symbol(place);
        let (from, share) = chances.share(symbol);
        // Below 2^32: a share is at most 2^15, and the rest has 17 bits.
        self.state = share * (self.state >> SHARE) + (place - from);
        if self.state < LEAST {
            self.state = (self.state << 16) | self.coded.u16().map_or(0, u32::from);
        }
        symbol
    }

    #[inline]
    fn plain(&mut self, n: u32, _: u64) -> u64 {
        while self.n_gathered < n {
            self.gathered |= self.plain.u8().map_or(0, u64::from) << self.n_gathered;
            self.n_gathered += 8;
        }
        let bits = self.gathered & !(u64::MAX << n);
        self.gathered >>= n;
        self.n_gathered -= n;
        bits
    }
}

/// The largest size: what is left is never larger than [`MOST`] by more than four bits.
const MOST_SIZE: u32 = 52;

/// Sizes of which one symbol tells, about as large as the neighbours; others follow as they are.
const NEAR: u32 = 14;

/// Says that the size is none of these.
const FAR: u32 = 15;

/// Bits that a far size takes.
const FAR_BITS: u32 = 6;

/// Bits below the highest one that are coded with the sign; those below them are as good as even.
const TOP: u32 = 2;

/// What was learned of the numbers so far.
#[derive(Debug)]
struct Model {
    /// Of sizes, by those of the neighbours.
    sizes: Vec<Chances>,
    /// Of sign and upper bits, by size.
    tops: Vec<Chances>,
    last_size: u32,
    size_before: u32,
}

/// Codes a symbol by its chances, which learn of it.
#[inline]
fn coded(coder: &mut impl Coder, chances: Option<&mut Chances>, symbol: u32) -> u32 {
    let Some(chances) = chances else { return 0 };
    let symbol = coder.symbol(chances, symbol);
    chances.learn(symbol);
    symbol
}

impl Model {
    fn new() -> Self {
        let sizes = (0..=MOST_SIZE).map(|_| Chances::even(16)).collect();
        let tops = (0..=MOST_SIZE).map(|size| Chances::even(2 << size.saturating_sub(1).min(TOP)));
        Self { sizes, tops: tops.collect(), last_size: 0, size_before: 0 }
    }

    /// Codes a number; returns it.
    #[inline]
    fn number(&mut self, coder: &mut impl Coder, number: i64) -> i64 {
        let near = (2 * self.last_size + self.size_before + 1) / 3;
        let size = self.size(coder, near, size(number));
        self.size_before = std::mem::replace(&mut self.last_size, size);
        if size == 0 {
            return 0;
        }
        let n_top = (size - 1).min(TOP);
        let n_plain = size - 1 - n_top;
        let amount = number.unsigned_abs();
        // The sign, then the bits below the highest one.
        let highest = 1u32 << n_top;
        let top = u32::try_from((amount >> n_plain) & u64::from(highest - 1)).unwrap_or(0);
        let symbol = if number < 0 { highest | top } else { top };
        let symbol = coded(coder, self.tops.get_mut(size as usize), symbol);
        let top = u64::from(highest | (symbol & (highest - 1)));
        let plain = coder.plain(n_plain, amount & !(u64::MAX << n_plain));
        let amount = ((top << n_plain) | plain).cast_signed();
        if symbol & highest == 0 { amount } else { -amount }
    }

    /// Codes the size of a number after neighbours of about the size `near`; returns it.
    #[inline]
    fn size(&mut self, coder: &mut impl Coder, near: u32, size: u32) -> u32 {
        let above = near.saturating_sub(NEAR / 2 + 2);
        let symbol = match size.checked_sub(above) {
            _ if size == 0 => 0,
            Some(place @ 1..=NEAR) => place,
            _ => FAR,
        };
        match coded(coder, self.sizes.get_mut(near as usize), symbol) {
            0 => 0,
            FAR => {
                let size = coder.plain(FAR_BITS, u64::from(size));
                u32::try_from(size).map_or(MOST_SIZE, |size| size.min(MOST_SIZE))
            }
            place => (above + place).min(MOST_SIZE),
        }
    }
}

/// Appends `values`, of which not all are the same; false if they lie too far apart for it.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) -> bool {
    let Some((small, first, divisor)) = small(values) else { return false };
    let (way, slope) = best(&small);
    let mut coder = Encoder::new(small.len());
    let mut model = Model::new();
    let mut foretelling = Foretelling::new(way);
    let mut line = 0;
    for value in small.iter().skip(1) {
        line += slope;
        let value = value - line;
        model.number(&mut coder, value - foretelling.next());
        foretelling.learn(value);
    }
    let (coded, plain) = coder.end();
    out.push(way as u8);
    put_signed(out, first);
    put_varint(out, divisor);
    put_signed(out, slope);
    put_varint(out, coded.len() as u64);
    out.extend_from_slice(&coded);
    out.extend_from_slice(&plain);
    true
}

/// Reads `n` values, which are all that is left; `None` if they are not.
pub(super) fn decode(reader: &mut Reader<'_>, n: usize) -> Option<Vec<i64>> {
    let way = *Way::ALL.get(usize::from(reader.u8()?))?;
    let first = reader.signed()?;
    let divisor = reader.varint()?.cast_signed();
    let slope = reader.signed()?;
    let len = reader.count()?;
    let coded = reader.bytes(len)?;
    let mut coder = Decoder::new(coded, reader.bytes(reader.len())?);
    let mut model = Model::new();
    let mut foretelling = Foretelling::new(way);
    let mut line = 0i64;
    let mut values = Vec::with_capacity(n);
    values.extend((n > 0).then_some(first));
    for _ in 1..n {
        line = line.wrapping_add(slope);
        let value = foretelling.next().wrapping_add(model.number(&mut coder, 0));
        foretelling.learn(value);
        values.push(first.wrapping_add(value.wrapping_add(line).wrapping_mul(divisor)));
    }
    Some(values)
}

/// Returns the distances of the values from the first one by what they are all multiples of, with both.
fn small(values: &[i64]) -> Option<(Vec<i64>, i64, u64)> {
    let first = *values.first()?;
    let mut small = Vec::with_capacity(values.len());
    let mut divisor = 0;
    for value in values {
        let distance = value.checked_sub(first).filter(|d| d.unsigned_abs() <= MOST)?;
        divisor = common(distance.unsigned_abs(), divisor);
        small.push(distance);
    }
    let by = divisor.max(1).cast_signed();
    if by > 1 {
        for distance in &mut small {
            *distance /= by;
        }
    }
    Some((small, first, divisor.max(1)))
}

/// Returns the greatest number that divides both.
fn common(mut a: u64, mut b: u64) -> u64 {
    if b == 1 {
        return 1;
    }
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// So many values at the beginning, in the middle and at the end are looked at to find the best way: to look at
/// all of them in each way costs more than to code them.
const LOOKED_AT: usize = 128;

/// Returns how the values are foretold best, and the slope of the line that is taken away first.
fn best(small: &[i64]) -> (Way, i64) {
    let parts = parts(small);
    // Of those that are as good the first is taken: where the parts are still the rest may not be.
    let ways = [Way::Last, Way::HalfStep, Way::Line, Way::Level, Way::Smooth];
    let slope = usual_step(&parts);
    let sloped = [Way::Level, Way::Smooth].into_iter().map(|way| (way, slope));
    let sloped = sloped.filter(|_| slope != 0 && fits(small, slope));
    let all = ways.into_iter().map(|way| (way, 0)).chain(sloped);
    let all = all.map(|(way, slope)| (cost(&parts, way, slope), way, slope));
    let best = all.min_by(|(a, ..), (b, ..)| a.total_cmp(b));
    best.map_or((Way::Last, 0), |(_, way, slope)| (way, slope))
}

/// Returns what is looked at, in three parts; all of it if it is little.
fn parts(small: &[i64]) -> Vec<&[i64]> {
    let last = small.len().saturating_sub(LOOKED_AT);
    if last <= 2 * LOOKED_AT {
        return vec![small];
    }
    let part = |begin: usize| small.get(begin..begin + LOOKED_AT).unwrap_or_default();
    vec![part(0), part(last / 2), part(last)]
}

/// Returns true if nothing is too far from the line.
fn fits(small: &[i64], slope: i64) -> bool {
    let far = |(n, value): (i64, &i64)| {
        slope.checked_mul(n).and_then(|line| value.checked_sub(line)).map(i64::unsigned_abs)
    };
    (0..).zip(small).all(|place| far(place).is_some_and(|far| far <= MOST))
}

/// Returns the middle one of all steps.
fn usual_step(parts: &[&[i64]]) -> i64 {
    let pairs = parts.iter().flat_map(|part| part.iter().zip(part.iter().skip(1)));
    let mut steps: Vec<i64> = pairs.map(|(a, b)| b - a).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() { 0 } else { *steps.select_nth_unstable(middle).1 }
}

/// Returns about how many bits are needed for what is left.
fn cost(parts: &[&[i64]], way: Way, slope: i64) -> f64 {
    let mut n_of = [0u32; 65];
    for part in parts {
        let mut foretelling = Foretelling::new(way);
        let mut line = part.first().copied().unwrap_or(0);
        for value in part.iter().skip(1) {
            line += slope;
            let value = value - line;
            let size = size(value - foretelling.next());
            if let Some(n) = n_of.get_mut(size as usize) {
                *n += 1;
            }
            foretelling.learn(value);
        }
    }
    let all = f64::from(n_of.iter().sum::<u32>());
    let bits = |(size, n): (u32, &u32)| {
        let n = f64::from(*n);
        if n > 0.0 { n * ((all / n).log2() + f64::from(size)) } else { 0.0 }
    };
    (0..).zip(&n_of).map(bits).sum()
}

#[cfg(test)]
mod tests;
