//! The borders of words, written as what stands beside them.
//!
//! `\bdisk\b` asks for something that is before and after what it finds. In a line that is the same as
//! `(^|\W)disk(\W|$)`, and within a pattern it is mostly known (`\bdisk\b full` has one after a
//! letter and before a space). So written, bits and automata find exactly what the pattern says, where they
//! otherwise find more and every line has to be looked at again.
//!
//! Words of Unicode have borders that an automaton of bytes cannot know where letters are not ASCII. What
//! stands beside them it can, in text that is UTF-8 throughout: elsewhere `\W` is no broken byte, which
//! a border is beside.

use regex_syntax::hir::{
    Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Literal,
    Look,
};

/// Bound on letters of a pattern that are told apart by being a word's for the sake of a border.
const SPLITS: usize = 3;

/// Returns a pattern that is found in the same lines as `hir`, with as few borders of ASCII words as
/// possible.
pub(super) fn without_borders(hir: &Hir) -> Hir {
    without(hir, &Words::Ascii, SPLITS)
}

/// As [`without_borders`], of Unicode words as well, for text that is UTF-8.
pub(super) fn without_borders_in_text(hir: &Hir) -> Hir {
    let hir = without_borders(hir);
    if has_unicode_borders(&hir) { without(&hir, &Words::unicode(), SPLITS) } else { hir }
}

/// Returns a pattern that finds whatever `hir` does, and has no borders of Unicode words.
pub(super) fn without_unicode_borders(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) if is_unicode(*look) => Hir::empty(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Capture(capture) => without_unicode_borders(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = Box::new(without_unicode_borders(&repetition.sub));
            Hir::repetition(repetition.with(*sub))
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_unicode_borders).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(without_unicode_borders).collect())
        }
    }
}

/// Returns true if a border of Unicode words is in the pattern.
pub(super) fn has_unicode_borders(hir: &Hir) -> bool {
    hir.properties().look_set().contains_word_unicode()
}

fn is_unicode(look: Look) -> bool {
    matches!(
        look,
        Look::WordUnicode
            | Look::WordUnicodeNegate
            | Look::WordStartUnicode
            | Look::WordEndUnicode
            | Look::WordStartHalfUnicode
            | Look::WordEndHalfUnicode
    )
}

/// What words are made of.
#[derive(Debug)]
enum Words {
    Ascii,
    Unicode(ClassUnicode),
}

fn without(hir: &Hir, words: &Words, splits: usize) -> Hir {
    match hir.kind() {
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|part| without(part, words, splits)).collect())
        }
        HirKind::Capture(capture) => without(&capture.sub, words, splits),
        HirKind::Concat(parts) => {
            let mut done = Vec::with_capacity(parts.len());
            for (at, part) in parts.iter().enumerate() {
                let HirKind::Look(look) = part.kind() else {
                    done.push(part.clone());
                    continue;
                };
                let (before, after) = (parts.iter().take(at).rev(), parts.iter().skip(at + 1));
                let (before, after) =
                    (words.beside(before, Side::End), words.beside(after, Side::Begin));
                match words.instead(*look, before, after) {
                    Some(instead) => done.push(instead),
                    None if words.are_of(*look) && splits > 0 => match words.split(parts, at) {
                        Some(ways) => {
                            let way = |way: &Hir| without(way, words, splits - 1);
                            return Hir::alternation(ways.iter().map(way).collect());
                        }
                        None => done.push(part.clone()),
                    },
                    None => done.push(part.clone()),
                }
            }
            Hir::concat(done)
        }
        HirKind::Empty
        | HirKind::Literal(_)
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_) => hir.clone(),
    }
}

/// An end of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Begin,
    End,
}

/// What a part may have at one end.
#[derive(Clone, Copy, Debug, Default)]
struct Edge {
    /// A byte of a word.
    word: bool,
    /// Another byte, or an end of the line.
    other: bool,
    /// The part may be nothing.
    empty: bool,
}

impl Edge {
    fn or(self, other: Self) -> Self {
        Self {
            word: self.word || other.word,
            other: self.other || other.other,
            empty: self.empty || other.empty,
        }
    }

    /// Whether it is a word's, in each way that it can be.
    fn kinds(self) -> impl Iterator<Item = bool> + Clone {
        [(self.word, true), (self.other, false)].into_iter().filter(|(may, _)| *may).map(|(_, k)| k)
    }
}

/// What stands beside a border.
#[derive(Clone, Copy, Debug)]
enum Beside {
    /// Nothing of the pattern.
    Nothing,
    /// One of these in any case.
    Known(Edge),
    Unknown,
}

/// Returns the letters that words of Unicode are made of.
pub(super) fn unicode_words() -> Option<ClassUnicode> {
    let parsed = regex_syntax::parse(r"\w");
    match parsed.as_ref().map(Hir::kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => Some(class.clone()),
        // Never: the library has its tables.
        Ok(_) | Err(_) => None,
    }
}

impl Words {
    fn unicode() -> Self {
        unicode_words().map_or(Self::Ascii, Self::Unicode)
    }

    /// Whether `look` is a border of these words.
    fn are_of(&self, look: Look) -> bool {
        match self {
            Self::Ascii => holds(look, true, true).is_some() && !is_unicode(look),
            Self::Unicode(_) => is_unicode(look),
        }
    }

    /// Returns what stands beside a border on the side where `parts` are, the next one first.
    fn beside<'h>(&self, parts: impl IntoIterator<Item = &'h Hir>, side: Side) -> Beside {
        let mut all = Edge::default();
        let mut parts = parts.into_iter().peekable();
        if parts.peek().is_none() {
            return Beside::Nothing;
        }
        for part in parts {
            let Some(edge) = self.edge(part, side) else { return Beside::Unknown };
            all = all.or(Edge { empty: false, ..edge });
            if !edge.empty {
                return Beside::Known(all);
            }
        }
        Beside::Unknown
    }

    /// Returns what `hir` may have at one end; none if that is not known.
    fn edge(&self, hir: &Hir, side: Side) -> Option<Edge> {
        match hir.kind() {
            HirKind::Empty => Some(Edge { empty: true, ..Edge::default() }),
            HirKind::Literal(Literal(bytes)) => self.edge_of_literal(bytes, side),
            HirKind::Class(class) => self.edge_of_class(class),
            HirKind::Look(look) => {
                // Beyond it on this side there is nothing.
                let is_end = match side {
                    Side::Begin => matches!(look, Look::End | Look::EndLF | Look::EndCRLF),
                    Side::End => matches!(look, Look::Start | Look::StartLF),
                };
                is_end.then_some(Edge { word: false, other: true, empty: false })
            }
            HirKind::Repetition(repetition) => {
                let edge = self.edge(&repetition.sub, side)?;
                Some(Edge { empty: edge.empty || repetition.min == 0, ..edge })
            }
            HirKind::Capture(capture) => self.edge(&capture.sub, side),
            HirKind::Concat(parts) => {
                let mut all = Edge::default();
                let mut from_begin = parts.iter();
                let mut from_end = parts.iter().rev();
                let mut next = || match side {
                    Side::Begin => from_begin.next(),
                    Side::End => from_end.next(),
                };
                while let Some(part) = next() {
                    let edge = self.edge(part, side)?;
                    all = all.or(Edge { empty: false, ..edge });
                    if !edge.empty {
                        return Some(all);
                    }
                }
                Some(Edge { empty: true, ..all })
            }
            HirKind::Alternation(parts) => {
                let none = Edge::default();
                parts.iter().try_fold(none, |all, part| Some(all.or(self.edge(part, side)?)))
            }
        }
    }

    fn edge_of_literal(&self, bytes: &[u8], side: Side) -> Option<Edge> {
        let word = match self {
            Self::Ascii => is_word(*match side {
                Side::Begin => bytes.first()?,
                Side::End => bytes.last()?,
            }),
            Self::Unicode(words) => {
                let mut letters = std::str::from_utf8(bytes).ok()?.chars();
                let letter = match side {
                    Side::Begin => letters.next()?,
                    Side::End => letters.next_back()?,
                };
                words.ranges().iter().any(|r| (r.start()..=r.end()).contains(&letter))
            }
        };
        Some(Edge { word, other: !word, empty: false })
    }

    fn edge_of_class(&self, class: &Class) -> Option<Edge> {
        let (word, other) = self.apart(class)?;
        let some = |class: &Class| match class {
            Class::Bytes(class) => !class.ranges().is_empty(),
            Class::Unicode(class) => !class.ranges().is_empty(),
        };
        Some(Edge { word: some(&word), other: some(&other), empty: false })
    }

    /// Returns what of a class is a word's, and what is not; none if that cannot be said.
    fn apart(&self, class: &Class) -> Option<(Class, Class)> {
        match (self, class) {
            (Self::Ascii, Class::Bytes(class)) => {
                let (mut word, mut other) = (class.clone(), class.clone());
                let words = ClassBytes::new(bytes_of(true));
                word.intersect(&words);
                other.difference(&words);
                Some((Class::Bytes(word), Class::Bytes(other)))
            }
            // Each byte of what is not ASCII is no word's.
            (Self::Ascii, Class::Unicode(class)) => {
                let ascii = bytes_of(true).map(|range| {
                    ClassUnicodeRange::new(char::from(range.start()), char::from(range.end()))
                });
                Some(divided(class, &ClassUnicode::new(ascii)))
            }
            (Self::Unicode(words), Class::Unicode(class)) => Some(divided(class, words)),
            // A byte that is not ASCII may be a part of any letter.
            (Self::Unicode(_), Class::Bytes(bytes)) if bytes.is_ascii() => {
                Self::Ascii.apart(&Class::Bytes(bytes.clone()))
            }
            (Self::Unicode(_), Class::Bytes(_)) => None,
        }
    }

    /// Writes a pattern in two ways, with what stands before or after the border at `at` a word's and
    /// not, if that is one letter.
    fn split(&self, parts: &[Hir], at: usize) -> Option<[Hir; 2]> {
        let beside = [at.wrapping_sub(1), at + 1];
        beside.into_iter().find_map(|beside| {
            let HirKind::Class(class) = parts.get(beside)?.kind() else { return None };
            let edge = self.edge_of_class(class)?;
            if !(edge.word && edge.other) {
                return None;
            }
            let (word, other) = self.apart(class)?;
            let way = |class: Class| {
                let mut parts = parts.to_vec();
                *parts.get_mut(beside)? = Hir::class(class);
                Some(Hir::concat(parts))
            };
            Some([way(word)?, way(other)?])
        })
    }

    /// Returns what may stand instead of a border of words between `before` and `after`.
    fn instead(&self, look: Look, before: Beside, after: Beside) -> Option<Hir> {
        if !self.are_of(look) {
            return None;
        }
        match (before, after) {
            (Beside::Known(before), Beside::Known(after)) => {
                let fits =
                    |before| after.kinds().all(|after| holds(look, before, after) == Some(true));
                before.kinds().all(fits).then(Hir::empty)
            }
            (Beside::Nothing, Beside::Known(after)) => {
                let fits = |before| same(after.kinds().map(|after| holds(look, before, after)));
                self.one_of(fits(true)?, fits(false)?, Look::StartLF)
            }
            (Beside::Known(before), Beside::Nothing) => {
                let fits = |after| same(before.kinds().map(|before| holds(look, before, after)));
                self.one_of(fits(true)?, fits(false)?, Look::EndCRLF)
            }
            (Beside::Unknown, _) | (_, Beside::Unknown) | (Beside::Nothing, Beside::Nothing) => {
                None
            }
        }
    }

    /// Returns what stands for the border at an end of the pattern, beyond which there must be a letter
    /// of a word, or none, or either.
    fn one_of(&self, word: bool, other: bool, end: Look) -> Option<Hir> {
        let letters = |wanted: bool| {
            Hir::class(match self {
                Self::Ascii => Class::Bytes(ClassBytes::new(bytes_of(wanted))),
                Self::Unicode(words) => {
                    let mut class = words.clone();
                    if !wanted {
                        class.negate();
                        class.difference(&ClassUnicode::new([ClassUnicodeRange::new('\n', '\n')]));
                    }
                    Class::Unicode(class)
                }
            })
        };
        match (word, other) {
            (true, true) => Some(Hir::empty()),
            (true, false) => Some(letters(true)),
            (false, true) => Some(Hir::alternation(vec![Hir::look(end), letters(false)])),
            (false, false) => None,
        }
    }
}

fn divided(class: &ClassUnicode, words: &ClassUnicode) -> (Class, Class) {
    let (mut word, mut other) = (class.clone(), class.clone());
    word.intersect(words);
    other.difference(words);
    (Class::Unicode(word), Class::Unicode(other))
}

/// Whether a border is between a word (or not) and a word (or not); none if it is another one.
fn holds(look: Look, before: bool, after: bool) -> Option<bool> {
    match look {
        Look::WordAscii | Look::WordUnicode => Some(before != after),
        Look::WordAsciiNegate | Look::WordUnicodeNegate => Some(before == after),
        Look::WordStartAscii | Look::WordStartUnicode => Some(!before && after),
        Look::WordEndAscii | Look::WordEndUnicode => Some(before && !after),
        Look::WordStartHalfAscii | Look::WordStartHalfUnicode => Some(!before),
        Look::WordEndHalfAscii | Look::WordEndHalfUnicode => Some(!after),
        Look::Start | Look::End | Look::StartLF | Look::EndLF | Look::StartCRLF | Look::EndCRLF => {
            None
        }
    }
}

/// Returns what all of them are, if they are the same and known.
fn same(mut all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// Returns the bytes that are an ASCII word's, or those that are not, but for the end of a line.
fn bytes_of(word: bool) -> impl Iterator<Item = ClassBytesRange> {
    let all = (0..=u8::MAX).filter(move |byte| is_word(*byte) == word && *byte != b'\n');
    all.map(|byte| ClassBytesRange::new(byte, byte))
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use regex_syntax::ParserBuilder;

    use super::*;
    use crate::pattern::within_line;

    fn parsed(text: &str) -> Hir {
        ParserBuilder::new().utf8(false).unicode(false).build().parse(text).unwrap()
    }

    #[test]
    fn a_border_whose_sides_are_known_is_written_as_what_stands_there() {
        for (pattern, instead) in [
            (r"\bdisk\b full\b", r"(?:(?m:^)|[^\w\n])disk full(?:(?mR:$)|[^\w\n])"),
            (r"\Bdisk", r"\wdisk"),
            (r"\b[0-9]{3}\b,", r"(?:(?m:^)|[^\w\n])[0-9]{3},"),
            (r"[.]\b(a|b*c)", r"[.](a|b*c)"),
            (r"^\ba|b\B\W", r"(?m:^)a|b\B\W"),
            // What is on one side of it may be either.
            (r"\b.x", r"(?:(?m:^)|[^\w\n])\wx|\w[^\w\n]x"),
            (r"a*\bx", r"a*\bx"),
        ] {
            let (form, wanted) = (within_line(parsed(pattern)), within_line(parsed(instead)));
            assert_eq!(without_borders(&form), wanted, "{pattern}");
        }
    }
}
