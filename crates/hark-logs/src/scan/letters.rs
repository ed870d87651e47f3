//! Letters that are not ASCII, as one byte each.
//!
//! A class of letters is many sequences of bytes (`\w` a thousand), of up to four lengths: counted, that is a hundred steps
//! along the text where one of ASCII is a few. So the text is written anew before it is looked at: ASCII as it is, and
//! each other letter as one byte above it, its code. Letters that no class of the patterns tells apart have the same
//! one. In the codes a letter is a byte, whatever its class is, and so is the border of a word.
//!
//! A byte that is no part of a letter has a code as well, which no class has. What stands before a border then depends on
//! the bytes before it, exactly as the library has it: of `a\x80` it sees the `a`.

mod codes;

use regex_syntax::hir::Hir;

pub(super) use self::codes::{Borders, has_letters};
use self::codes::{Broken, Codes, NO_CODE};
use super::borders::is_word;
use super::positions::{Unsuitable, has};
use super::which::numbers;
use crate::sys::vectors::{BYTES, Kind, Vectors, Work};

/// Letters whose codes stand side by side: all that differ in their last byte alone.
const PAGE: u32 = 64;

/// Pages of all letters.
const PAGES: usize = 0x11_0000 / PAGE as usize;

/// Letters of one byte and of two, by pages, and those that are no letters: halves of pairs.
const ASCII_PAGES: usize = 2;
const SHORT_PAGES: usize = 0x800 / PAGE as usize;
const MIDDLE_PAGES: usize = 0x1_0000 / PAGE as usize;

/// Bytes that are written at once.
const AT_ONCE: usize = 8;

/// The highest bit of each of them.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// ASCII in a row that is looked for at once.
const PLAIN: usize = 32;

/// A letter has at most so many bytes.
const LONGEST: usize = 4;

/// So many simple steps for each word of text take as long as to write it anew: between what ASCII costs and what text
/// costs that has other letters only.
pub(super) const COST: usize = 128;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Letters {
    codes: Codes,
    /// For each page of letters its place in `pages`; zero if that is not yet known.
    places: Box<[u16; PAGES]>,
    /// Codes of letters. The first page has none.
    pages: Vec<[u8; PAGE as usize]>,
    /// Codes of letters of two bytes, which most are, if their page is known.
    short: Box<[u8; SHORT_PAGES * PAGE as usize]>,
}

impl Letters {
    /// Makes codes for patterns, in their form for a buffer of many lines, and returns these, with codes instead of
    /// letters.
    ///
    /// # Errors
    /// If they ask for single bytes that are not ASCII, or tell too many letters apart.
    pub(super) fn new(forms: &[&Hir]) -> Result<(Self, Vec<Hir>), Unsuitable> {
        let (codes, forms) = Codes::new(forms)?;
        let letters = Self {
            codes,
            places: super::rows::boxed(0),
            pages: vec![[NO_CODE; PAGE as usize]],
            short: Box::new([NO_CODE; SHORT_PAGES * PAGE as usize]),
        };
        Ok((letters, forms))
    }

    /// Returns what codes are where borders of words of Unicode are asked for, if they are.
    pub(super) fn borders(&self) -> Option<&Borders> {
        self.codes.borders.as_ref()
    }

    /// Writes a line anew, from `from` on, or lines with their ends, as far as there is room. Returns how much of it was
    /// written, and to how many bytes.
    pub(super) fn write(
        &mut self,
        vectors: Vectors,
        line: &[u8],
        from: usize,
        into: &mut [u8],
    ) -> (usize, usize) {
        let way = Way { at: from, done: 0 };
        let Way { at, done } = vectors.run(Write { letters: self, line, into, way });
        (at - from, done)
    }

    /// Writes a line anew, letter by letter, until some place in it was reached or there is no more room.
    fn write_slowly(&mut self, line: &[u8], into: &mut [u8], mut way: Way, until: usize) -> Way {
        while way.at < until && way.done < into.len() {
            let rest = line.get(way.at..).unwrap_or_default();
            way.go(copy_plain(rest, into.get_mut(way.done..).unwrap_or_default()));
            while let Some(place) = into.get_mut(way.done)
                && let Some(rest @ [0x80..=0xff, ..]) = line.get(way.at..)
            {
                let short = match *rest {
                    [first @ 0xc2..0xe0, second @ 0x80..0xc0, ..] => self.short(first, second),
                    _ => NO_CODE,
                };
                let (code, length) = match short {
                    NO_CODE => self.any_letter(line, way.at),
                    known => (known, 2),
                };
                *place = code;
                way = Way { at: way.at + length, done: way.done + 1 };
            }
        }
        way
    }

    /// Returns what stands in a block with codes in the place of the first bytes of its letters, if it is text and their
    /// pages are known.
    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn codes(&self, block: &[u8; BYTES], kinds: &Kinds) -> Option<[u8; BYTES]> {
        let mut codes = *block;
        let mut are_known = kinds.are_letters;
        for at in numbers([kinds.short]) {
            let second = block.get(at + 1).copied().unwrap_or_default();
            let code = self.short(block[at % BYTES], second);
            codes[at % BYTES] = code;
            are_known &= code != NO_CODE;
        }
        for at in numbers([kinds.long]) {
            let (code, _) = self.letter(some_bytes(block, at));
            codes[at % BYTES] = code;
            are_known &= code != NO_CODE;
        }
        are_known.then_some(codes)
    }

    /// As above, for all letters of a page at once, of a block with so many bytes behind it as letters that begin in it
    /// may have there.
    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn codes_by_pages<K: Kind>(
        &self,
        kind: K,
        text: &[u8; BYTES + LONGEST - 2],
        kinds: &Kinds,
    ) -> Option<[u8; BYTES]> {
        let block: &[u8; BYTES] = text.first_chunk()?;
        let second: &[u8; BYTES] = text.get(1..)?.first_chunk()?;
        let third: &[u8; BYTES] = text.get(2..)?.first_chunk()?;
        let mut codes = *block;
        let mut rest = kinds.short;
        while let Some(at) = numbers([rest]).next() {
            let first = block[at % BYTES];
            let page = self.page(usize::from(first & 0x1f))?;
            let these = kind.which_are(block, first) & rest;
            kind.look_up(&mut codes, these, page, second);
            rest &= !these;
        }
        let mut rest = kinds.long & !kinds.longest;
        while let Some(at) = numbers([rest]).next() {
            let (first, next) = (block[at % BYTES], second[at % BYTES]);
            let page = self.page(usize::from(first & 0x0f) << 6 | usize::from(next & 0x3f))?;
            let these = kind.which_are(block, first) & kind.which_are(second, next) & rest;
            kind.look_up(&mut codes, these, page, third);
            rest &= !these;
        }
        for at in numbers([kinds.longest]) {
            codes[at % BYTES] = match self.letter(some_bytes(block, at)) {
                (NO_CODE, _) => return None,
                (code, _) => code,
            };
        }
        Some(codes)
    }

    /// Returns the codes of a page, if it is known.
    #[inline]
    fn page(&self, number: usize) -> Option<&[u8; PAGE as usize]> {
        let place = self.places.get(number).filter(|place| **place != 0)?;
        self.pages.get(usize::from(*place))
    }

    /// Returns the code of a letter of two bytes, if its page is known.
    #[inline]
    fn short(&self, first: u8, second: u8) -> u8 {
        self.short[usize::from(first & 0x1f) << 6 | usize::from(second & 0x3f)]
    }

    /// Returns the code of what stands there in the line, and its length.
    fn any_letter(&mut self, line: &[u8], at: usize) -> (u8, usize) {
        match self.letter(some_bytes(line, at)) {
            (NO_CODE, 1) => (self.broken(line, at), 1),
            (NO_CODE, _) => self.other(line, at),
            known => known,
        }
    }

    /// Returns the code of a letter and its length, if these bytes begin with one and its page is known; the length is
    /// one if they begin with none in any case.
    #[inline]
    fn letter(&self, bytes: [u8; LONGEST]) -> (u8, usize) {
        let [first, others @ ..] = bytes.map(usize::from);
        // Zero in all bits that are not the letter's, if these bytes are of one.
        let [a, b, c] = others.map(|byte| byte ^ 0x80);
        let (page, last, is_whole, length) = match first {
            0xc0..0xe0 => (first & 0x1f, a, a < 0x40, 2),
            0xe0..0xf0 => ((first & 0x0f) << 6 | a, b, a | b < 0x40, 3),
            0xf0..0xf8 => ((first & 0x07) << 12 | a << 6 | b, c, a | b | c < 0x40, 4),
            _ => (0, 0, false, 1),
        };
        // It is not written with more bytes than it needs.
        let least = [0, 0, ASCII_PAGES, SHORT_PAGES, MIDDLE_PAGES][length];
        if !is_whole || page < least {
            return (NO_CODE, 1);
        }
        let Some(place) = self.places.get(page) else { return (NO_CODE, 1) };
        let page = self.pages.get(usize::from(*place));
        (page.and_then(|page| page.get(last)).copied().unwrap_or(NO_CODE), length)
    }

    /// Returns the code of what stands there in the line, and its length: of a letter whose page was not known, or of a
    /// byte that is no part of a letter.
    #[cold]
    fn other(&mut self, line: &[u8], at: usize) -> (u8, usize) {
        if let Some(letter) = first_letter(some_bytes(line, at)) {
            self.learn(u32::from(letter) / PAGE);
            return (self.codes.of(u32::from(letter)), letter.len_utf8());
        }
        (self.broken(line, at), 1)
    }

    fn learn(&mut self, page: u32) {
        let code = |at: usize| {
            let letter = u32::try_from(at).ok().and_then(|at| char::from_u32(page * PAGE + at));
            letter.map_or(NO_CODE, |letter| self.codes.of(u32::from(letter)))
        };
        let codes = std::array::from_fn(code);
        let number = usize::try_from(page).unwrap_or(PAGES);
        if let Some(short) = self.short.as_chunks_mut().0.get_mut(number) {
            *short = codes;
        }
        // Most are one of a few: all of their letters are words', or none is.
        let known = self.pages.iter().position(|page| *page == codes);
        let place = known.unwrap_or_else(|| {
            self.pages.push(codes);
            self.pages.len() - 1
        });
        // There are fewer pages than that has room for.
        if let (Some(known), Ok(place)) = (self.places.get_mut(number), u16::try_from(place)) {
            *known = place;
        }
    }

    /// Returns the code of a byte that is no part of a letter: what is behind it sees the letter before it, if one
    /// begins at most so far back and all that is between are bytes that letters go on with.
    fn broken(&self, line: &[u8], at: usize) -> u8 {
        let Broken { no_letter, word, other } = self.codes.broken;
        let Some(borders) = &self.codes.borders else { return no_letter };
        let goes_on = |byte: &u8| byte & 0xc0 == 0x80;
        let before = (0..LONGEST).filter_map(|by| at.checked_sub(by));
        let first = before.map_while(|at| Some((at, line.get(at)?))).find(|(_, b)| !goes_on(b));
        // What is before a line is no part of it.
        let first = first.filter(|(_, byte)| **byte != b'\n');
        let seen = first.and_then(|(first, _)| first_letter(some_bytes(line.get(..=at)?, first)));
        match seen {
            None => no_letter,
            Some(letter) if self.is_word(letter, borders) => word,
            Some(_) => other,
        }
    }

    fn is_word(&self, letter: char, borders: &Borders) -> bool {
        match u8::try_from(letter) {
            Ok(byte) if byte.is_ascii() => is_word(byte),
            Ok(_) | Err(_) => {
                has(&borders.begins_word, usize::from(self.codes.of(u32::from(letter))))
            }
        }
    }

    /// Returns the bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        let ranges = self.codes.ranges.capacity() * size_of::<(u32, u8)>();
        let pages = self.pages.capacity() * PAGE as usize;
        size_of::<Self>() + ranges + pages + size_of_val(&*self.places) + size_of_val(&*self.short)
    }
}

/// How far a line was written.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// So much of it.
    at: usize,
    /// To so many bytes.
    done: usize,
}

impl Way {
    /// Goes on by so many bytes that are ASCII.
    fn go(&mut self, plain: usize) {
        *self = Self { at: self.at + plain, done: self.done + plain };
    }
}

/// What the bytes of a block are, which begins with a letter: a bit for each.
#[derive(Clone, Copy, Debug)]
struct Kinds {
    /// So many are before a letter that is not there as a whole.
    length: u32,
    /// First bytes of letters of two bytes, and of those that have more.
    short: u64,
    long: u64,
    /// Of the latter, those of letters of four bytes.
    longest: u64,
    /// Those that are behind the first byte of a letter.
    behind: u64,
    /// Whether all are of letters, each written with as few bytes as it needs.
    are_letters: bool,
}

impl Kinds {
    /// Says that of bytes of which the bits are these.
    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn of([b0, b1, b2, b3, b4, b5, b6, b7]: [u64; 8]) -> Self {
        let (first, behind) = (b7 & b6, b7 & !b6);
        let (short, long) = (first & !b5, first & b5);
        let four = long & b4;
        let length = if first >> 63 == 1 {
            63
        } else if long >> 62 & 1 == 1 {
            62
        } else if four >> 61 & 1 == 1 {
            61
        } else {
            64
        };
        // Those that stand for nothing: 0xc0, 0xc1, 0xf5 and more.
        let none = short & !(b4 | b3 | b2 | b1) | four & (b3 | b2 & (b1 | b0));
        // Those that some bytes may not follow: fewer would do, or it were a half of a pair, or beyond all letters.
        let low = b3 | b2 | b1 | b0;
        let (least, pairs) = (long & !b4 & !low, long & !b4 & b3 & b2 & !b1 & b0);
        let (four_least, most) = (four & !low, four & b2);
        let high = b5 | b4;
        let wrong = none
            | (least << 1 & !b5)
            | (pairs << 1 & b5)
            | (four_least << 1 & !high)
            | (most << 1 & high);
        let whole = u64::MAX >> (64 - length);
        // All that is expected behind a letter's first byte, and nothing else.
        let expected = (first & whole) << 1 | (long & whole) << 2 | (four & whole) << 3;
        Self {
            length,
            short: short & whole,
            long: long & whole,
            longest: four & whole,
            behind,
            are_letters: (wrong & whole) | (expected ^ (behind & whole)) == 0,
        }
    }
}

/// Writes a line anew, by blocks.
struct Write<'w> {
    letters: &'w mut Letters,
    line: &'w [u8],
    into: &'w mut [u8],
    way: Way,
}

impl Work for Write<'_> {
    type Done = Way;

    const WIDEST: bool = true;

    #[expect(clippy::inline_always, reason = "see `Work`")]
    #[inline(always)]
    fn run<K: Kind>(self, kind: K) -> Way {
        let Self { letters, line, into, mut way } = self;
        while way.at < line.len() && way.done < into.len() {
            let rest = line.get(way.at..).unwrap_or_default();
            // What is behind the line is ASCII.
            let mut block = [b'\n'; BYTES];
            match rest.first_chunk() {
                Some(whole) => block = *whole,
                None => block.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte),
            }
            let place = into.get_mut(way.done..).and_then(<[u8]>::first_chunk_mut::<BYTES>);
            let Some(place) = place else {
                return letters.write_slowly(line, into, way, line.len());
            };
            let is_plain = if K::LOOKS_UP { kind.bits(&block)[7] == 0 } else { block.is_ascii() };
            if is_plain {
                *place = block;
                way.go(rest.len().min(BYTES));
                continue;
            }
            let kinds = Kinds::of(kind.bits(&block));
            let length = rest.len().min(kinds.length as usize);
            let codes = match rest.first_chunk() {
                Some(text) if K::LOOKS_UP && kinds.are_letters => {
                    letters.codes_by_pages(kind, text, &kinds)
                }
                _ => letters.codes(&block, &kinds),
            };
            let Some(codes) = codes else {
                let until = way.at + length;
                way = letters.write_slowly(line, into, way, until);
                continue;
            };
            let kept = !kinds.behind & u64::MAX >> (BYTES - length);
            *place = kind.pack(&codes, kept);
            way = Way { at: way.at + length, done: way.done + kept.count_ones() as usize };
        }
        way
    }
}

/// Copies what a text begins with that is ASCII, as far as there is room. What is behind that may be written over.
#[inline]
fn copy_plain(text: &[u8], into: &mut [u8]) -> usize {
    let mut done = 0;
    while let Some(eight) = text.get(done..).and_then(<[u8]>::first_chunk::<AT_ONCE>)
        && let Some(place) = into.get_mut(done..).and_then(<[u8]>::first_chunk_mut)
    {
        *place = *eight;
        let plain = (u64::from_le_bytes(*eight) & HIGH).trailing_zeros() as usize / AT_ONCE;
        done += plain;
        if plain < AT_ONCE {
            return done;
        }
        while let Some(many) = text.get(done..).and_then(<[u8]>::first_chunk::<PLAIN>)
            && many.is_ascii()
            && let Some(place) = into.get_mut(done..).and_then(<[u8]>::first_chunk_mut)
        {
            *place = *many;
            done += PLAIN;
        }
    }
    let rest = text.get(done..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii());
    for (place, byte) in into.get_mut(done..).unwrap_or_default().iter_mut().zip(rest) {
        *place = *byte;
        done += 1;
    }
    done
}

/// Returns as many bytes from `at` on as the longest letter has, with ends of lines behind the text.
#[inline]
fn some_bytes(text: &[u8], at: usize) -> [u8; LONGEST] {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    std::array::from_fn(|at| rest.get(at).copied().unwrap_or(b'\n'))
}

fn first_letter(bytes: [u8; LONGEST]) -> Option<char> {
    let valid = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
    };
    valid.chars().next()
}

#[cfg(test)]
mod tests;
