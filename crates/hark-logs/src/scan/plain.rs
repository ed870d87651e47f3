//! A pattern without what makes no difference to whether a line has it.
//!
//! Nobody asks here where a match begins or ends. So what may be there or not at the beginning and at
//! the end of a pattern is left out: `.*error.*` is `error`, `[0-9]+ms` is `[0-9]ms`, `(.*,)+x` is `,x`,
//! `(ab?){2,9}` is `ab?a`. People write much of that, and it is what makes automata large: such
//! a pattern begins anew at every byte and never lets go of what it has begun.

use regex_syntax::hir::{
    Capture, Class, ClassBytes, ClassBytesRange, Hir, HirKind, Literal, Repetition,
};

/// Returns a pattern that is found in the same lines as `hir`, and is often smaller.
pub(super) fn plain(hir: &Hir) -> Hir {
    let hir = within(hir);
    shorten(&shorten(&hir, Side::Begin), Side::End)
}

/// An end of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Begin,
    End,
}

/// Writes the whole pattern in fewer words: no groups, one class instead of single letters side by side,
/// one repetition instead of two, one inside the other.
fn within(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Capture(Capture { sub, .. }) => within(sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(within).collect()),
        HirKind::Alternation(parts) => alternation(parts.iter().map(within)),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            let sub = within(sub);
            let again = match sub.kind() {
                // `(x+){2,}` is `x{2,}`, and `(x*)+` is `x*`.
                HirKind::Repetition(inner) if max.or(inner.max).is_none() && inner.min <= 1 => {
                    Some((*min * inner.min, &inner.sub))
                }
                HirKind::Repetition(_)
                | HirKind::Empty
                | HirKind::Literal(_)
                | HirKind::Class(_)
                | HirKind::Look(_)
                | HirKind::Capture(_)
                | HirKind::Concat(_)
                | HirKind::Alternation(_) => None,
            };
            let (min, sub) = match again {
                Some((min, inner)) => (min, inner.clone()),
                None => (*min, Box::new(sub)),
            };
            Hir::repetition(Repetition { min, max: *max, greedy: *greedy, sub })
        }
    }
}

/// The order of alternatives says which of them is found, not whether one is.
fn alternation(parts: impl Iterator<Item = Hir>) -> Hir {
    let mut letters = ClassBytes::empty();
    let mut longer = Vec::new();
    for part in parts {
        match letter(&part) {
            Some(class) => letters.union(&class),
            None => longer.push(part),
        }
    }
    if !letters.ranges().is_empty() {
        longer.push(Hir::class(Class::Bytes(letters)));
    }
    Hir::alternation(longer)
}

/// Returns the bytes that a part finds, if it finds one of some bytes and nothing else.
fn letter(part: &Hir) -> Option<ClassBytes> {
    match part.kind() {
        HirKind::Literal(Literal(bytes)) => match **bytes {
            [byte] => Some(ClassBytes::new([ClassBytesRange::new(byte, byte)])),
            _ => None,
        },
        HirKind::Class(Class::Bytes(class)) if !class.ranges().is_empty() => Some(class.clone()),
        HirKind::Class(Class::Unicode(class)) if !class.ranges().is_empty() => {
            class.to_byte_class()
        }
        HirKind::Class(_)
        | HirKind::Empty
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Capture(_)
        | HirKind::Concat(_)
        | HirKind::Alternation(_) => None,
    }
}

/// Leaves out what is not needed at one end: whatever `hir` finds begins (or ends) with what the
/// result finds, and what the result finds `hir` finds as well.
fn shorten(hir: &Hir, side: Side) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Capture(Capture { sub, .. }) => shorten(sub, side),
        HirKind::Repetition(Repetition { min, greedy, sub, .. }) => {
            let short = shorten(sub, side);
            if *min == 0 || is_empty(&short) {
                return Hir::empty();
            }
            let others = min - 1;
            let sub =
                Repetition { min: others, max: Some(others), greedy: *greedy, sub: sub.clone() };
            if short == *sub.sub {
                return Hir::repetition(Repetition { min: *min, max: Some(*min), ..sub });
            }
            let mut parts = vec![short, Hir::repetition(sub)];
            if side == Side::End {
                parts.reverse();
            }
            Hir::concat(parts)
        }
        HirKind::Concat(parts) => {
            let mut parts = parts.clone();
            if side == Side::Begin {
                parts.reverse();
            }
            while let Some(part) = parts.pop() {
                let short = shorten(&part, side);
                if !is_empty(&short) {
                    parts.push(short);
                    break;
                }
            }
            if side == Side::Begin {
                parts.reverse();
            }
            Hir::concat(parts)
        }
        HirKind::Alternation(parts) => {
            let parts: Vec<Hir> = parts.iter().map(|part| shorten(part, side)).collect();
            if parts.iter().any(is_empty) { Hir::empty() } else { alternation(parts.into_iter()) }
        }
    }
}

fn is_empty(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn parsed(text: &str) -> Hir {
        Pattern::new(text).unwrap().hir().clone()
    }

    #[test]
    fn what_makes_no_difference_to_a_line_is_left_out() {
        for (pattern, short) in [
            (".*error.*", "error"),
            ("[0-9]+ms", "[0-9]ms"),
            ("took [0-9]+", "took [0-9]"),
            ("(.*,)+(x|yy|zzz)$", ",(yy|zzz|x)$"),
            ("(ab?){2,9}", "ab?a"),
            ("(x*y?)+z", "z"),
            ("((a+)+b)+c", "abc"),
            ("a(b|c|de)f", "a(de|[bc])f"),
            (r"\b\w+\b", r"\b\w+\b"),
            ("^.*x", "^.*x"),
            ("(a|b*|c)", ""),
            (".*", ""),
        ] {
            assert_eq!(plain(&parsed(pattern)), within(&parsed(short)), "{pattern}");
        }
    }
}
