//! What a line must have before patterns with much text are looked for in it.
//!
//! A pattern of hundreds of positions costs several times as much for each byte as a usual one, and most
//! lines are too short for it. Of the others many lack a byte that each match has (`[QZ]`, `!`), at
//! least so far from where the line begins and from where it ends: looking for one byte is thirty times
//! as fast.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::literals::frequency;

/// Bound on the bytes that are looked for at once, as the library has it.
const MOST: usize = 3;

/// What a line has that has a match of one pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    /// So many bytes.
    least: usize,
    byte: Option<Byte>,
}

/// One of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Byte {
    /// Between one and [`MOST`].
    any: Vec<u8>,
    /// So many bytes of the line are before it, and so many after it.
    before: usize,
    after: usize,
}

impl Gate {
    /// Makes one for a pattern, whose matches have so many bytes at least.
    pub(super) fn new(form: &Hir, least: usize) -> Self {
        let mut rarest = None;
        look_for_byte(form, 0, 0, &mut rarest);
        Self { least, byte: rarest.map(|(byte, _)| byte) }
    }

    /// So many bytes a line has at least that has a match.
    pub(super) fn least(&self) -> usize {
        self.least
    }

    /// Returns bytes of which the line has one, if that is known.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.byte.as_ref().map(|byte| &*byte.any)
    }

    /// Whether all that `other` lets in is let in.
    fn is_passed_by(&self, other: &Self) -> bool {
        let has_byte = match (&self.byte, &other.byte) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(byte), Some(other)) => {
                byte.before <= other.before
                    && byte.after <= other.after
                    && other.any.iter().all(|one| byte.any.contains(one))
            }
        };
        has_byte && self.least <= other.least
    }

    /// Returns true if the line may have a match. It is given without its end.
    pub(super) fn lets_in(&self, line: &[u8]) -> bool {
        line.len() >= self.least && self.byte.as_ref().is_none_or(|byte| byte.is_in(line))
    }
}

/// Leaves out what lets in no line that another does not. A line is let in by any of them.
pub(super) fn without_the_stricter(gates: Vec<Gate>) -> Vec<Gate> {
    let mut kept: Vec<Gate> = Vec::new();
    for gate in gates {
        if !kept.iter().any(|other| other.is_passed_by(&gate)) {
            kept.retain(|other| !gate.is_passed_by(other));
            kept.push(gate);
        }
    }
    kept
}

impl Byte {
    fn is_in(&self, line: &[u8]) -> bool {
        let end = line.len().saturating_sub(self.after);
        has_any(line.get(self.before..end).unwrap_or_default(), &self.any)
    }
}

/// Whether `text` has any of some bytes, which are as many as a gate has.
pub(super) fn has_any(text: &[u8], bytes: &[u8]) -> bool {
    let place = match *bytes {
        [a] => memchr::memchr(a, text),
        [a, b] => memchr::memchr2(a, b, text),
        [a, b, c] => memchr::memchr3(a, b, c, text),
        _ => return true,
    };
    place.is_some()
}

/// Looks for the rarest of the bytes that each match of `hir` has, which has so many before and after it.
/// `rarest` is what was found so far, and how often it is in logs.
fn look_for_byte(hir: &Hir, before: usize, after: usize, rarest: &mut Option<(Byte, f64)>) {
    let mut take = |any: Vec<u8>, before, after| {
        let often = any.iter().map(|byte| frequency(*byte)).sum();
        if !any.is_empty() && rarest.as_ref().is_none_or(|(_, least)| often < *least) {
            *rarest = Some((Byte { any, before, after }, often));
        }
    };
    match hir.kind() {
        HirKind::Literal(literal) => {
            let bytes = &literal.0;
            for (at, byte) in bytes.iter().enumerate() {
                take(vec![*byte], before + at, after + bytes.len() - 1 - at);
            }
        }
        HirKind::Class(class) => take(few_bytes(class), before, after),
        HirKind::Capture(capture) => look_for_byte(&capture.sub, before, after, rarest),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            let others = usize::try_from(repetition.min - 1).unwrap_or(0);
            let others = others.saturating_mul(least(&repetition.sub));
            look_for_byte(&repetition.sub, before, after.saturating_add(others), rarest);
        }
        HirKind::Concat(parts) => {
            let mut after: usize = parts.iter().map(least).fold(after, usize::saturating_add);
            let mut before = before;
            for part in parts {
                after = after.saturating_sub(least(part));
                look_for_byte(part, before, after, rarest);
                before = before.saturating_add(least(part));
            }
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => {}
    }
}

/// Returns the bytes that the class has, if they are few; none otherwise.
fn few_bytes(class: &Class) -> Vec<u8> {
    let class = match class {
        Class::Bytes(class) => Some(class.clone()),
        Class::Unicode(class) => class.to_byte_class(),
    };
    let Some(class) = class else { return Vec::new() };
    let all = class.ranges().iter().flat_map(|range| range.start()..=range.end());
    let bytes: Vec<u8> = all.take(MOST + 1).collect();
    if bytes.len() > MOST { Vec::new() } else { bytes }
}

fn least(hir: &Hir) -> usize {
    hir.properties().minimum_len().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    fn gate(pattern: &str) -> Gate {
        let pattern = Pattern::new(pattern).unwrap();
        Gate::new(pattern.hir(), least(pattern.hir()))
    }

    fn byte(pattern: &str) -> Option<(String, usize, usize)> {
        let byte = gate(pattern).byte?;
        Some((String::from_utf8(byte.any).unwrap(), byte.before, byte.after))
    }

    #[test]
    fn the_rarest_byte_of_each_match_is_asked_for_where_it_can_be() {
        let some = |any: &str, before, after| Some((any.to_owned(), before, after));
        assert_eq!(byte("[0-9][^#]{150}[QZ][a-z]"), some("QZ", 151, 1));
        assert_eq!(byte("[a-z ]{40}[0-9.]{40}[^0-9]{40}!"), some("!", 120, 0));
        assert_eq!(byte("a{20}(e~e){3}b?"), some("~", 21, 7));
        assert_eq!(byte("(ab?|[^x]{3}#{2,}y)z+$"), some("z", 1, 0));
        assert_eq!(byte("(?i)q.*[0-9]{30}"), some("Qq", 0, 30));
        assert_eq!(byte("[a-z]{200}"), None);
        assert_eq!(byte("(#|%)?x*"), None);
    }

    #[test]
    fn what_lets_in_all_that_another_does_is_enough() {
        let kept = |patterns: &[&str]| {
            let kept = without_the_stricter(patterns.iter().map(|pattern| gate(pattern)).collect());
            let number = |one: &Gate| patterns.iter().position(|p| gate(p) == *one).unwrap();
            kept.iter().map(number).collect::<Vec<_>>()
        };
        assert_eq!(kept(&["a{20}x", "a{10}x", "a{15}x", "xa{5}"]), [1, 3]);
        assert_eq!(kept(&["[xyz]a{9}", "za{9}", "za{8}"]), [0, 2]);
        assert_eq!(kept(&["xa{9}", "[a-f]{10}", "xa{8}", "[a-f]{9}"]), [3]);
        assert_eq!(kept(&["xa{9}", "[a-f]{11}"]), [0, 1]);
    }

    #[test]
    fn a_line_is_let_in_if_it_is_long_enough_and_has_the_byte_there() {
        let gate = gate("[a-f]{3}[XYZ][a-f]{3}");
        for (line, is_let_in) in [
            ("abcYdef", true),
            ("abcYde", false),
            ("XbcadefZ", false),
            ("XbcadeZef", false),
            ("XbcadeXZefa", true),
            ("abcdefabcdef", false),
        ] {
            assert_eq!(gate.lets_in(line.as_bytes()), is_let_in, "{line}");
        }
    }
}
