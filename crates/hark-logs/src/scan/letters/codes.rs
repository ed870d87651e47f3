//! Which letter has which code, so that all classes of some patterns can be told by codes.

use std::collections::{BTreeMap, BTreeSet};

use regex_syntax::hir::{
    Capture, Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind,
    Literal, Look, Repetition,
};

use crate::scan::borders::{has_unicode_borders, is_word, unicode_words};
use crate::scan::positions::{Bytes, Unsuitable, has, put};
use crate::scan::which::numbers;

/// Bound on classes that are told apart.
const MOST_CLASSES: usize = u128::BITS as usize;

/// The codes that are not ASCII.
const CODES: u32 = 128;
const FIRST_CODE: u8 = 0x80;

/// No letter has this code: so it stands for what is no letter, or not yet known.
pub(super) const NO_CODE: u8 = 0;

/// What of the classes a letter is in, by bits. The first class is the highest bit.
type Signs = u128;

/// Which letter has which code.
#[derive(Debug)]
pub(super) struct Codes {
    /// Where letters begin that have a code, in their order, to where the next ones begin.
    pub(super) ranges: Vec<(u32, u8)>,
    pub(super) broken: Broken,
    pub(super) borders: Option<Borders>,
}

/// Codes of bytes that are no part of a letter, by what stands before what is behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) no_letter: u8,
    pub(super) word: u8,
    pub(super) other: u8,
}

/// What codes are where borders of words of Unicode are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Borders {
    /// A letter of a word is before what is behind them.
    pub(in super::super) ends_word: Bytes,
    /// No letter is.
    pub(in super::super) ends_broken: Bytes,
    /// They are a letter of a word.
    pub(in super::super) begins_word: Bytes,
    /// They are no letter.
    pub(in super::super) begins_broken: Bytes,
}

impl Borders {
    /// What bytes are where borders of ASCII words are asked for.
    pub(in super::super) fn ascii() -> Self {
        let mut words = Bytes::default();
        (0..=u8::MAX).filter(|byte| is_word(*byte)).for_each(|b| put(&mut words, usize::from(b)));
        Self { ends_word: words, begins_word: words, ..Self::default() }
    }

    pub(in super::super) fn begins_word(&self, byte: u8) -> bool {
        has(&self.begins_word, usize::from(byte))
    }

    /// Whether no word ends with the byte, and if that is asked, whether a letter does, or a line.
    pub(in super::super) fn ends_no_word(&self, byte: u8, with_letter: bool) -> bool {
        let has = |bytes| has(bytes, usize::from(byte));
        !(has(&self.ends_word) || with_letter && has(&self.ends_broken))
    }

    /// Whether no word begins with the byte, and if that is asked, whether a letter does, or the end of the line.
    pub(in super::super) fn begins_no_word(&self, byte: u8, with_letter: bool) -> bool {
        let has = |bytes| has(bytes, usize::from(byte));
        !(has(&self.begins_word) || with_letter && has(&self.begins_broken))
    }
}

/// Returns true if the pattern has letters that are not ASCII, or borders beside them, and asks for no single bytes of
/// them.
pub(in super::super) fn has_letters(hir: &Hir) -> bool {
    let mut classes = Classes::default();
    let is_of_letters = classes.add_form(hir).is_ok();
    let has_any = |(class, _): &(ClassUnicode, usize)| !class.ranges().is_empty();
    is_of_letters && (classes.0.iter().any(has_any) || has_unicode_borders(hir))
}

/// Whether [`is_any_letters`] holds of some part of a pattern.
fn has_any_letters(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            is_any_letters(repetition) || has_any_letters(&repetition.sub)
        }
        HirKind::Capture(Capture { sub, .. }) => has_any_letters(sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_any_letters),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// Whether it is any number of bytes, and any of those that are not ASCII: then that is any number of letters, too, between
/// others and at the ends of a pattern.
fn is_any_letters(Repetition { min, max, sub, .. }: &Repetition) -> bool {
    let HirKind::Class(Class::Bytes(class)) = sub.kind() else { return false };
    let high = class
        .ranges()
        .last()
        .is_some_and(|last| last.start() <= FIRST_CODE && last.end() == u8::MAX);
    high && *min == 0 && max.is_none()
}

/// The classes that patterns tell apart, without ASCII, each with how often it is asked for.
#[derive(Default)]
struct Classes(Vec<(ClassUnicode, usize)>);

impl Classes {
    fn add(&mut self, mut class: ClassUnicode) {
        class.intersect(&ClassUnicode::new([ClassUnicodeRange::new('\u{80}', char::MAX)]));
        match self.0.iter_mut().find(|(known, _)| *known == class) {
            Some((_, times)) => *times += 1,
            None => self.0.push((class, 1)),
        }
    }

    /// Adds those of a pattern.
    ///
    /// # Errors
    /// If it asks for single bytes that are not ASCII.
    fn add_form(&mut self, form: &Hir) -> Result<(), Unsuitable> {
        // Between two bytes of a letter there is a border that asks for none of a word.
        let is_border = |look: Look| {
            !matches!(look, Look::Start | Look::StartLF | Look::End | Look::EndLF | Look::EndCRLF)
        };
        if has_any_letters(form) && form.properties().look_set().iter().any(is_border) {
            return Err(Unsuitable);
        }
        self.add_all(form)
    }

    fn add_all(&mut self, hir: &Hir) -> Result<(), Unsuitable> {
        match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => self.add(class.clone()),
            HirKind::Class(Class::Bytes(class)) if !class.is_ascii() => return Err(Unsuitable),
            HirKind::Repetition(repetition) if is_any_letters(repetition) => {}
            HirKind::Literal(Literal(bytes)) => {
                let letters = std::str::from_utf8(bytes).map_err(|_| Unsuitable)?;
                for letter in letters.chars().filter(|letter| !letter.is_ascii()) {
                    self.add(ClassUnicode::new([ClassUnicodeRange::new(letter, letter)]));
                }
            }
            HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => {}
            HirKind::Repetition(Repetition { sub, .. }) | HirKind::Capture(Capture { sub, .. }) => {
                self.add_all(sub)?;
            }
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().try_for_each(|part| self.add_all(part))?;
            }
        }
        Ok(())
    }

    /// Returns where letters begin that are in the same of the classes, in their order.
    fn kinds(&self) -> Vec<(u32, Signs)> {
        let mut changes: BTreeMap<u32, Signs> = BTreeMap::from([(u32::from(FIRST_CODE), 0)]);
        for ((class, _), bit) in self.0.iter().zip(bits()) {
            for range in class.ranges() {
                *changes.entry(u32::from(range.start())).or_default() ^= bit;
                *changes.entry(u32::from(range.end()) + 1).or_default() ^= bit;
            }
        }
        let mut kind = 0;
        let at = changes.into_iter().map(|(from, change)| {
            kind ^= change;
            (from, kind)
        });
        at.collect()
    }
}

/// Returns the bit of each class.
fn bits() -> impl Iterator<Item = Signs> + Clone {
    (0..MOST_CLASSES).map(|class| 1 << (MOST_CLASSES - 1 - class))
}

/// Gives codes from `from` on to letters of these kinds, so that a bit of the code tells a class where that can be: then
/// it is fewer steps to know it. There are at most `room` kinds, a power of two.
fn give(kinds: &[(Signs, u8)], from: u32, room: u32, codes: &mut BTreeMap<(Signs, u8), u8>) {
    let half = room / 2;
    let fits = |kinds: &[_]| !kinds.is_empty() && kinds.len() <= half as usize;
    for bit in bits().take_while(|_| kinds.len() > 1) {
        let (others, these): (Vec<(Signs, u8)>, Vec<_>) =
            kinds.iter().partition(|(kind, _)| kind & bit == 0);
        if fits(&others) && fits(&these) {
            give(&others, from, half, codes);
            give(&these, from + half, half, codes);
            return;
        }
    }
    let free = (from..).map_while(|code| u8::try_from(code).ok());
    codes.extend(kinds.iter().copied().zip(free));
}

impl Codes {
    /// Makes them for patterns, and returns these, with codes instead of letters.
    pub(super) fn new(forms: &[&Hir]) -> Result<(Self, Vec<Hir>), Unsuitable> {
        let mut classes = Classes::default();
        forms.iter().try_for_each(|form| classes.add_form(form))?;
        let has_borders = forms.iter().any(|form| has_unicode_borders(form));
        let words = if has_borders { Some(unicode_words().ok_or(Unsuitable)?) } else { None };
        if let Some(words) = &words {
            classes.add(words.clone());
        }
        if classes.0.len() > MOST_CLASSES {
            return Err(Unsuitable);
        }
        classes.0.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        let kinds = classes.kinds();
        // Letters, and three kinds of bytes that are none.
        let n_broken = if has_borders { 3 } else { 1 };
        let mut all: BTreeSet<(Signs, u8)> = kinds.iter().map(|(_, kind)| (*kind, 0)).collect();
        all.extend((1..=n_broken).map(|broken| (0, broken)));
        if all.len() > CODES as usize {
            return Err(Unsuitable);
        }
        let mut given = BTreeMap::new();
        let all: Vec<(Signs, u8)> = all.into_iter().collect();
        give(&all, u32::from(FIRST_CODE), CODES, &mut given);
        let code = |kind, broken| given.get(&(kind, broken)).copied().unwrap_or(NO_CODE);
        let broken = |number: u8| code(0, number.min(n_broken));
        let broken = Broken { no_letter: broken(1), word: broken(2), other: broken(3) };
        let mut ranges: Vec<(u32, u8)> =
            kinds.iter().map(|(from, kind)| (*from, code(*kind, 0))).collect();
        ranges.dedup_by_key(|(_, code)| *code);
        let mut codes = Self { ranges, broken, borders: None };
        if let Some(words) = words {
            codes.borders = Some(codes.borders(&words));
        }
        let forms = forms.iter().map(|form| codes.write(form)).collect();
        Ok((codes, forms))
    }

    fn borders(&self, words: &ClassUnicode) -> Borders {
        let Broken { no_letter, word, other } = self.broken;
        let mut all = Borders::default();
        let words = self.class(words);
        for code in words.ranges().iter().flat_map(|range| range.start()..=range.end()) {
            put(&mut all.begins_word, usize::from(code));
        }
        all.ends_word = all.begins_word;
        put(&mut all.ends_word, usize::from(word));
        put(&mut all.ends_broken, usize::from(no_letter));
        for code in [no_letter, word, other] {
            put(&mut all.begins_broken, usize::from(code));
        }
        all
    }

    pub(super) fn of(&self, letter: u32) -> u8 {
        let next = self.ranges.partition_point(|(from, _)| *from <= letter);
        next.checked_sub(1).and_then(|at| self.ranges.get(at)).map_or(NO_CODE, |(_, code)| *code)
    }

    /// Returns the codes of a class, which is one that tells letters apart.
    fn class(&self, class: &ClassUnicode) -> ClassBytes {
        let mut all = Bytes::default();
        for range in class.ranges() {
            let (start, end) = (u32::from(range.start()), u32::from(range.end()));
            if let Ok(from) = u8::try_from(start)
                && from.is_ascii()
            {
                let to = u8::try_from(end).ok().filter(u8::is_ascii).unwrap_or(FIRST_CODE - 1);
                (from..=to).for_each(|byte| put(&mut all, usize::from(byte)));
            }
            if end < u32::from(FIRST_CODE) {
                continue;
            }
            let first = start.max(u32::from(FIRST_CODE));
            put(&mut all, usize::from(self.of(first)));
            let inside = self.ranges.partition_point(|(from, _)| *from <= first);
            let inside = self.ranges.get(inside..).unwrap_or_default().iter();
            for (_, code) in inside.take_while(|(from, _)| *from <= end) {
                put(&mut all, usize::from(*code));
            }
        }
        let codes = numbers(all).filter_map(|code| u8::try_from(code).ok());
        ClassBytes::new(codes.map(|code| ClassBytesRange::new(code, code)))
    }

    /// Returns a pattern with codes instead of letters.
    fn write(&self, hir: &Hir) -> Hir {
        match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => Hir::class(Class::Bytes(self.class(class))),
            HirKind::Literal(Literal(bytes)) => {
                let letters = std::str::from_utf8(bytes).unwrap_or_default();
                let code = |letter: char| match u8::try_from(letter) {
                    Ok(byte) if byte.is_ascii() => byte,
                    Ok(_) | Err(_) => self.of(u32::from(letter)),
                };
                Hir::literal(letters.chars().map(code).collect::<Vec<u8>>())
            }
            HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
            HirKind::Repetition(repetition) => {
                Hir::repetition(repetition.with(self.write(&repetition.sub)))
            }
            HirKind::Capture(Capture { sub, .. }) => self.write(sub),
            HirKind::Concat(parts) => {
                Hir::concat(parts.iter().map(|part| self.write(part)).collect())
            }
            HirKind::Alternation(parts) => {
                Hir::alternation(parts.iter().map(|part| self.write(part)).collect())
            }
        }
    }
}
