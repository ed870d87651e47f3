//! A step of a [`Recipe`](super::Recipe): how a set is made of others.

/// Bits of a byte, which are the first sets.
pub(in super::super) const BITS: usize = 8;

/// Bound on bytes that a step goes back in the text: eight words, of which one is looked at in part. More are several
/// steps.
pub(in super::super) const MOST_BACK: usize = 511;

/// Bound on distances of one step.
pub(super) const TERMS: usize = 4;

/// Stands for a set: the place of the step that makes it, behind the bits. A recipe has fewer than this has room for,
/// and steps that are small are asked for faster.
pub(in super::super) type SetNumber = u16;

/// Stands for the bits of bytes, which are the first sets.
pub(super) fn bit(bit: usize) -> SetNumber {
    SetNumber::try_from(bit).unwrap_or_default()
}

/// So many bytes.
pub(in super::super) type Distance = u16;

/// Some distances, and what is asked for there. The last ones may be missing.
pub(in super::super) type Terms = [Option<(Distance, SetNumber)>; TERMS];

/// Makes a set from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) enum Step {
    Not(SetNumber),
    Both(SetNumber, SetNumber),
    Either(SetNumber, SetNumber),
    /// The first without the second.
    Without(SetNumber, SetNumber),
    /// The first, and all that is not in the second.
    OrNot(SetNumber, SetNumber),
    Choose {
        by: SetNumber,
        one: SetNumber,
        zero: SetNumber,
    },
    /// Those of `among` that are so far after one of `of`.
    After {
        of: SetNumber,
        by: Distance,
        among: SetNumber,
    },
    /// These and `of`.
    OrAfter {
        of: SetNumber,
        by: Distance,
        among: SetNumber,
    },
    /// Those that are so far after one of `of`, each among some.
    AfterAny {
        of: SetNumber,
        terms: Terms,
    },
    /// Those of `of`, and all of `among` that follow one of them without a gap.
    Through {
        of: SetNumber,
        among: SetNumber,
    },
}

impl Step {
    /// Returns the same of other sets.
    pub(in super::super) fn map(self, set: impl Fn(SetNumber) -> SetNumber) -> Self {
        match self {
            Self::Not(a) => Self::Not(set(a)),
            Self::Both(a, b) => Self::Both(set(a), set(b)),
            Self::Either(a, b) => Self::Either(set(a), set(b)),
            Self::Without(a, b) => Self::Without(set(a), set(b)),
            Self::OrNot(a, b) => Self::OrNot(set(a), set(b)),
            Self::Choose { by, one, zero } => {
                Self::Choose { by: set(by), one: set(one), zero: set(zero) }
            }
            Self::After { of, by, among } => Self::After { of: set(of), by, among: set(among) },
            Self::OrAfter { of, by, among } => Self::OrAfter { of: set(of), by, among: set(among) },
            Self::AfterAny { of, terms } => {
                let terms = terms.map(|term| term.map(|(by, among)| (by, set(among))));
                Self::AfterAny { of: set(of), terms }
            }
            Self::Through { of, among } => Self::Through { of: set(of), among: set(among) },
        }
    }

    /// Returns the sets that it is made of.
    pub(in super::super) fn operands(self) -> impl Iterator<Item = SetNumber> {
        let (first, others) = match self {
            Self::Not(a) => (a, [None; TERMS]),
            Self::Both(a, b) | Self::Either(a, b) | Self::Without(a, b) | Self::OrNot(a, b) => {
                (a, [Some(b), None, None, None])
            }
            Self::Choose { by, one, zero } => (by, [Some(one), Some(zero), None, None]),
            Self::After { of, among, .. }
            | Self::OrAfter { of, among, .. }
            | Self::Through { of, among } => (of, [Some(among), None, None, None]),
            Self::AfterAny { of, terms } => (of, terms.map(|term| term.map(|(_, among)| among))),
        };
        std::iter::once(first).chain(others.into_iter().flatten())
    }

    /// Returns the set of which the text before the present one is asked for, if any is, and how far back.
    pub(in super::super) fn before(self) -> Option<(SetNumber, Distance)> {
        match self {
            Self::Not(_)
            | Self::Both(..)
            | Self::Either(..)
            | Self::Without(..)
            | Self::OrNot(..)
            | Self::Choose { .. } => None,
            Self::After { of, by, .. } | Self::OrAfter { of, by, .. } => Some((of, by)),
            Self::AfterAny { of, terms } => {
                Some((of, terms.iter().flatten().map(|(by, _)| *by).max().unwrap_or(1)))
            }
            Self::Through { of, .. } => Some((of, 1)),
        }
    }
}
