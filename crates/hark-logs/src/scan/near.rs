//! Patterns that find more than others, and can be looked for along the text.
//!
//! Sets of places in the text (`recipe`) cannot say `(ab|cd*)+`: from the end of one round there is a way back to
//! the beginning of the next. That it is some bytes of these in a row they can say, and few lines have so many of
//! them. Only these lines are then asked in the way that is dear.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look, Repetition};

/// How much of a pattern is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All but ways back, and letters that are written in many ways.
    Most,
    /// No round of more than one byte either: they can be many steps.
    Runs,
}

/// What stands around a part: nothing of the pattern before it, nothing after it.
#[derive(Clone, Copy, Debug)]
struct Around {
    starts: bool,
    ends: bool,
}

/// Returns a pattern that finds whatever `hir` does, in its form for a buffer of many lines.
pub(super) fn near(hir: &Hir, kept: Kept) -> Hir {
    part(hir, kept, Around { starts: true, ends: true })
}

/// Returns a pattern that finds whatever `hir` does, and counts no bytes that may be parts of letters: so it can be looked
/// for where each letter is one byte.
pub(super) fn uncounted(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Class(Class::Bytes(class)) if !class.is_ascii() => {
            let mut class = class.clone();
            class.push(ClassBytesRange::new(0x80, 0xff));
            let sub = Box::new(Hir::class(Class::Bytes(class)));
            Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub })
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
        HirKind::Repetition(repetition) => {
            let sub = uncounted(&repetition.sub);
            if is_any_number(&sub) { sub } else { Hir::repetition(repetition.with(sub)) }
        }
        HirKind::Capture(capture) => uncounted(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(uncounted).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(uncounted).collect()),
    }
}

/// Whether it is any number of a byte: so is any number of that.
fn is_any_number(hir: &Hir) -> bool {
    let HirKind::Repetition(Repetition { min: 0, max: None, sub, .. }) = hir.kind() else {
        return false;
    };
    matches!(sub.kind(), HirKind::Class(Class::Bytes(_)))
}

fn part(hir: &Hir, kept: Kept, around: Around) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) => hir.clone(),
        HirKind::Class(_) if hir.properties().maximum_len() == Some(1) => hir.clone(),
        HirKind::Class(_) => run(hir, 1, Some(1)),
        HirKind::Look(Look::Start | Look::StartLF) if around.starts => hir.clone(),
        HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) if around.ends => hir.clone(),
        HirKind::Look(_) => Hir::empty(),
        HirKind::Capture(capture) => part(&capture.sub, kept, around),
        HirKind::Repetition(Repetition { min, max, greedy, sub }) => {
            let is_byte = sub.properties().maximum_len() == Some(1);
            if !is_byte && (max.is_none() || kept == Kept::Runs) {
                return run(sub, *min, *max);
            }
            let sub = Box::new(part(sub, kept, Around { starts: false, ends: false }));
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greedy, sub })
        }
        HirKind::Concat(parts) => {
            let last = parts.len().saturating_sub(1);
            let each = parts.iter().enumerate().map(|(at, one)| {
                let starts = around.starts && at == 0;
                part(one, kept, Around { starts, ends: around.ends && at == last })
            });
            Hir::concat(each.collect())
        }
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(|one| part(one, kept, around)).collect())
        }
    }
}

/// Returns as many bytes in a row as so many rounds of `sub` have, of those that it has anywhere.
fn run(sub: &Hir, min: u32, max: Option<u32>) -> Hir {
    let mut bytes = ClassBytes::empty();
    add_bytes(sub, &mut bytes);
    if bytes.ranges().is_empty() {
        return Hir::empty();
    }
    let length = |bytes: Option<usize>| bytes.and_then(|bytes| u32::try_from(bytes).ok());
    let least = length(sub.properties().minimum_len()).unwrap_or(0).saturating_mul(min);
    let most = length(sub.properties().maximum_len()).zip(max);
    let most = most.and_then(|(bytes, rounds)| bytes.checked_mul(rounds));
    let sub = Box::new(Hir::class(Class::Bytes(bytes)));
    Hir::repetition(Repetition { min: least, max: most, greedy: true, sub })
}

/// Adds all bytes that what `hir` finds may have.
fn add_bytes(hir: &Hir, bytes: &mut ClassBytes) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            literal.0.iter().for_each(|byte| bytes.push(ClassBytesRange::new(*byte, *byte)));
        }
        HirKind::Class(Class::Bytes(class)) => bytes.union(class),
        HirKind::Class(Class::Unicode(class)) => {
            for range in class.ranges() {
                let ascii = |letter: char| u8::try_from(letter).ok().filter(u8::is_ascii);
                if let Some(start) = ascii(range.start()) {
                    let end = ascii(range.end()).unwrap_or(0x7f);
                    bytes.push(ClassBytesRange::new(start, end));
                }
                if !range.end().is_ascii() {
                    bytes.push(ClassBytesRange::new(0x80, 0xff));
                }
            }
        }
        HirKind::Repetition(repetition) => add_bytes(&repetition.sub, bytes),
        HirKind::Capture(capture) => add_bytes(&capture.sub, bytes),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            for part in parts {
                add_bytes(part, bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plain::plain;
    use super::*;
    use crate::pattern::Pattern;

    fn of(pattern: &str, kept: Kept) -> String {
        near(&plain(Pattern::new(pattern).unwrap().hir()), kept).to_string()
    }

    #[test]
    fn ways_back_are_runs_of_bytes() {
        let most = |pattern| of(pattern, Kept::Most);
        let runs = |pattern| of(pattern, Kept::Runs);
        let same = |one: &str, other: &str| {
            assert_eq!(one, plain(Pattern::new(other).unwrap().hir()).to_string());
        };
        same(&most("x(a|b|cd)+z"), "x[a-d]+z");
        same(&most("x((ab)+c?){3}z$"), "x([ab]{2,}c?){3}z$");
        same(&runs("x((ab)+c?){3}z$"), "x[a-c]{6,}z$");
        same(&runs("^(abc?){2}x[0-9]{4}z"), "^[a-c]{4,6}x[0-9]{4}z");
        same(&most("x(abc?){2,3}z"), "x(abc?){2,3}z");
        same(&most(r"xa\bbz"), "xabz");
        same(&most("(?u)x[à-ö]z"), r"x[\x80-\xff]{2}z");
    }

    #[test]
    fn bytes_that_may_be_of_letters_are_not_counted() {
        let same = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| plain(Pattern::new(text).unwrap().hir()));
            assert_eq!(uncounted(&one).to_string(), other.to_string());
        };
        same("ä.{3,20}[a-c]{2}я", "ä.*[a-c]{2}я");
        same("^ä(.x){2}[^y]+$", "^ä(.*x){2}[^y]*$");
        same(r"ä[\x80-\x8f]b|c", r"ä[\x80-\xff]*b|c");
        same("(?u)ä.{3}я", "(?u)ä.{3}я");
    }

    proptest! {
        #[test]
        fn what_a_pattern_finds_is_found(
            text in "[abc1é ]{0,14}",
            pattern in prop::sample::select(vec![
                "(a|bc)+1", "((ab)+c?){2}", "^(a|bb)*c$", r"\b(ab?|1)+\b", "(?u)é+(aé)*1", "(a.c)+|1(b1)*c",
                "(?u)[a-ö]{3}1", "(^|c)(ab|1)+($|c)", "(a*b|c){2,3}1", "(aé|[^c]1){2,}",
            ]),
        ) {
            let pattern = Pattern::new(pattern).unwrap();
            let finds = |hir: &Hir| {
                let machine = regex_automata::meta::Builder::new()
                    .configure(regex_automata::meta::Config::new().utf8_empty(false))
                    .build_from_hir(hir)
                    .unwrap();
                machine.is_match(text.as_bytes())
            };
            if finds(pattern.hir()) {
                prop_assert!(finds(&near(pattern.hir(), Kept::Most)));
                prop_assert!(finds(&near(pattern.hir(), Kept::Runs)));
                prop_assert!(finds(&uncounted(pattern.hir())));
            }
        }
    }
}
