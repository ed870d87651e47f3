//! Sets of spans of time: what was bad, what was planned, what counts.

use std::time::Duration;

use hark_model::Unix;

/// From a moment to a later one, which is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Unix,
    /// The first moment after it.
    pub until: Unix,
}

impl Span {
    /// Returns how long it is; zero if it ends before it begins.
    pub fn length(self) -> Duration {
        self.until.since(self.from)
    }

    /// Returns true if no moment is in it.
    pub fn is_empty(self) -> bool {
        self.until <= self.from
    }

    /// Returns the part of it that is in `other` as well; empty if there is none.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

/// Moments as spans: in order, apart from each other, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Returns the moments that are in at least one of `spans`.
    pub fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut all: Vec<Span> = spans.into_iter().filter(|span| !span.is_empty()).collect();
        all.sort_by_key(|span| span.from);
        let mut union: Vec<Span> = Vec::new();
        for span in all {
            match union.last_mut() {
                Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
                _ => union.push(span),
            }
        }
        Self(union)
    }

    /// Returns those moments that are in `span`.
    #[must_use]
    pub fn within(&self, span: Span) -> Self {
        Self(self.0.iter().map(|s| s.within(span)).filter(|s| !s.is_empty()).collect())
    }

    /// Returns those moments that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for span in &self.0 {
            let mut from = span.from;
            for hole in other.0.iter().filter(|hole| hole.until > span.from) {
                if hole.from >= span.until {
                    break;
                }
                left.push(Span { from, until: hole.from });
                from = hole.until;
            }
            left.push(Span { from, until: span.until });
        }
        left.retain(|span| !span.is_empty());
        Self(left)
    }

    /// Returns the moments that are in at least one of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(self.0.iter().chain(&other.0).copied())
    }

    /// Returns true if there is no moment.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how long they are together.
    pub fn length(&self) -> Duration {
        self.0.iter().map(|span| span.length()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const END: usize = 40;

    fn moments(spans: &[(usize, usize)]) -> [bool; END] {
        let mut all = [false; END];
        for (from, until) in spans {
            for moment in all.iter_mut().take(*until).skip(*from) {
                *moment = true;
            }
        }
        all
    }

    fn spans(spans: &[(usize, usize)]) -> Spans {
        let unix = |n: usize| Unix(i64::try_from(n).unwrap());
        Spans::of(spans.iter().map(|(from, until)| Span { from: unix(*from), until: unix(*until) }))
    }

    fn read(spans: &Spans) -> [bool; END] {
        let place = |at: Unix| usize::try_from(at.0).unwrap();
        let pairs: Vec<_> = spans.0.iter().map(|s| (place(s.from), place(s.until))).collect();
        moments(&pairs)
    }

    proptest! {
        #[test]
        fn sets_of_spans_are_sets_of_moments(
            one in prop::collection::vec((0..END, 0..END), 0..6),
            two in prop::collection::vec((0..END, 0..END), 0..6),
            from in 0..END,
            until in 0..END,
        ) {
            let (a, b) = (moments(&one), moments(&two));
            prop_assert_eq!(read(&spans(&one)), a);
            let without: Vec<bool> = a.iter().zip(b).map(|(a, b)| *a && !b).collect();
            let left = spans(&one).without(&spans(&two));
            prop_assert_eq!(read(&left).to_vec(), without.clone());
            let count = without.iter().filter(|m| **m).count();
            prop_assert_eq!(left.length().as_millis(), count as u128);
            let either: Vec<bool> = a.iter().zip(b).map(|(a, b)| *a || b).collect();
            let union = spans(&one).union(&spans(&two));
            prop_assert_eq!(read(&union).to_vec(), either.clone());
            prop_assert_eq!(union.is_empty(), !either.contains(&true));
            let cut = moments(&[(from, until)]);
            let within: Vec<bool> = a.iter().zip(cut).map(|(a, c)| *a && c).collect();
            let unix = |n: usize| Unix(i64::try_from(n).unwrap());
            let part = spans(&one).within(Span { from: unix(from), until: unix(until) });
            prop_assert_eq!(read(&part).to_vec(), within);
        }
    }
}
