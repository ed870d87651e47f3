//! The borders of words, written as what stands beside them.
//!
//! `\bdisk\b` asks for something that is before and after what it finds. In a line that is the same as
//! `(^|\W)disk(\W|$)`, and within a pattern it is mostly known (`\bdisk\b full` has one after a
//! letter and before a space). So written, bits and automata find exactly what the pattern says, where they
//! otherwise find more and every line has to be looked at again.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Literal, Look};

/// Returns a pattern that is found in the same lines as `hir`, with as few borders of words as
/// possible; both in the form for a buffer of many lines.
pub(super) fn without_borders(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(without_borders).collect())
        }
        HirKind::Capture(capture) => without_borders(&capture.sub),
        HirKind::Concat(parts) => {
            let with = |at: usize| {
                let (before, rest) = parts.split_at(at);
                let (part, after) = rest.split_first()?;
                let HirKind::Look(look) = part.kind() else { return None };
                instead(*look, beside(before.iter().rev(), Side::End), beside(after, Side::Begin))
            };
            let part = |(at, part): (usize, &Hir)| with(at).unwrap_or_else(|| part.clone());
            Hir::concat(parts.iter().enumerate().map(part).collect())
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

/// Returns what stands beside a border on the side where `parts` are, the next one first.
fn beside<'h>(parts: impl IntoIterator<Item = &'h Hir>, side: Side) -> Beside {
    let mut all = Edge::default();
    let mut parts = parts.into_iter().peekable();
    if parts.peek().is_none() {
        return Beside::Nothing;
    }
    for part in parts {
        let Some(edge) = edge(part, side) else { return Beside::Unknown };
        all = all.or(Edge { empty: false, ..edge });
        if !edge.empty {
            return Beside::Known(all);
        }
    }
    Beside::Unknown
}

/// Returns what `hir` may have at one end; none if that is not known.
fn edge(hir: &Hir, side: Side) -> Option<Edge> {
    match hir.kind() {
        HirKind::Empty => Some(Edge { empty: true, ..Edge::default() }),
        HirKind::Literal(Literal(bytes)) => {
            let byte = match side {
                Side::Begin => bytes.first()?,
                Side::End => bytes.last()?,
            };
            let word = is_word(*byte);
            Some(Edge { word, other: !word, empty: false })
        }
        HirKind::Class(class) => {
            let mut edge = Edge::default();
            let mut add = |from: u8, to: u8| {
                edge.word |= (from..=to).any(is_word);
                edge.other |= !(from..=to).all(is_word);
            };
            match class {
                Class::Bytes(class) => class.ranges().iter().for_each(|r| add(r.start(), r.end())),
                // Each byte of what is not ASCII is no word's.
                Class::Unicode(class) => class.ranges().iter().for_each(|range| {
                    let byte = |letter| u8::try_from(u32::from(letter)).unwrap_or(u8::MAX);
                    add(byte(range.start()), byte(range.end()));
                }),
            }
            Some(edge)
        }
        HirKind::Look(look) => {
            // Beyond it on this side there is nothing.
            let end = match side {
                Side::Begin => Look::EndCRLF,
                Side::End => Look::StartLF,
            };
            (*look == end).then_some(Edge { word: false, other: true, empty: false })
        }
        HirKind::Repetition(repetition) => {
            let edge = edge(&repetition.sub, side)?;
            Some(Edge { empty: edge.empty || repetition.min == 0, ..edge })
        }
        HirKind::Capture(capture) => edge(&capture.sub, side),
        HirKind::Concat(parts) => {
            let mut all = Edge::default();
            let mut from_begin = parts.iter();
            let mut from_end = parts.iter().rev();
            let mut next = || match side {
                Side::Begin => from_begin.next(),
                Side::End => from_end.next(),
            };
            while let Some(part) = next() {
                let edge = edge(part, side)?;
                all = all.or(Edge { empty: false, ..edge });
                if !edge.empty {
                    return Some(all);
                }
            }
            Some(Edge { empty: true, ..all })
        }
        HirKind::Alternation(parts) => {
            let none = Edge::default();
            parts.iter().try_fold(none, |all, part| Some(all.or(edge(part, side)?)))
        }
    }
}

/// Returns what may stand instead of a border of words between `before` and `after`.
fn instead(look: Look, before: Beside, after: Beside) -> Option<Hir> {
    match (before, after) {
        (Beside::Known(before), Beside::Known(after)) => {
            let fits = |before| after.kinds().all(|after| holds(look, before, after) == Some(true));
            before.kinds().all(fits).then(Hir::empty)
        }
        (Beside::Nothing, Beside::Known(after)) => {
            let fits = |before| same(after.kinds().map(|after| holds(look, before, after)));
            one_of(fits(true)?, fits(false)?, Look::StartLF)
        }
        (Beside::Known(before), Beside::Nothing) => {
            let fits = |after| same(before.kinds().map(|before| holds(look, before, after)));
            one_of(fits(true)?, fits(false)?, Look::EndCRLF)
        }
        (Beside::Unknown, _) | (_, Beside::Unknown) | (Beside::Nothing, Beside::Nothing) => None,
    }
}

/// Whether a border is between a word (or not) and a word (or not); none if it is another one.
fn holds(look: Look, before: bool, after: bool) -> Option<bool> {
    match look {
        Look::WordAscii => Some(before != after),
        Look::WordAsciiNegate => Some(before == after),
        Look::WordStartAscii => Some(!before && after),
        Look::WordEndAscii => Some(before && !after),
        Look::WordStartHalfAscii => Some(!before),
        Look::WordEndHalfAscii => Some(!after),
        Look::Start
        | Look::End
        | Look::StartLF
        | Look::EndLF
        | Look::StartCRLF
        | Look::EndCRLF
        | Look::WordUnicode
        | Look::WordUnicodeNegate
        | Look::WordStartUnicode
        | Look::WordEndUnicode
        | Look::WordStartHalfUnicode
        | Look::WordEndHalfUnicode => None,
    }
}

/// Returns what all of them are, if they are the same and known.
fn same(mut all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// Returns what stands for the border at an end of the pattern, beyond which there must be a byte of a
/// word, or none, or either.
fn one_of(word: bool, other: bool, end: Look) -> Option<Hir> {
    let bytes = |wanted: bool| {
        let all = (0..=u8::MAX).filter(|byte| is_word(*byte) == wanted && *byte != b'\n');
        Hir::class(Class::Bytes(ClassBytes::new(all.map(|b| ClassBytesRange::new(b, b)))))
    };
    match (word, other) {
        (true, true) => Some(Hir::empty()),
        (true, false) => Some(bytes(true)),
        (false, true) => Some(Hir::alternation(vec![Hir::look(end), bytes(false)])),
        (false, false) => None,
    }
}

fn is_word(byte: u8) -> bool {
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
            (r"\b.x", r"\b[^\n]x"),
            (r"a*\bx", r"a*\bx"),
        ] {
            let (form, wanted) = (within_line(parsed(pattern)), within_line(parsed(instead)));
            assert_eq!(without_borders(&form), wanted, "{pattern}");
        }
    }
}
