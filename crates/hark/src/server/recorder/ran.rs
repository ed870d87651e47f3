//! When the server ran, as far as it is shown: what was in between nobody knows.

use std::time::Duration;

use hark_model::Unix;
use hark_report::{Span, Spans};

use super::LOOK;

/// Under which name it is kept in `state`.
pub(super) const KEY: &str = "recorder.ran";

/// Two looks that are further apart than this have a time between them in which nobody looked: the machine
/// slept, or the server did not run.
const GAP: Duration = Duration::from_mins(1);

/// The most spans that are kept: one for each quarter of an hour. A server that starts more often than that loses
/// the shortest, which then count as unknown.
const MAX_SPANS: usize = 96;

/// The times in which the server ran, in order and apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran(Vec<Span>);

impl Ran {
    /// Reads what [`Ran::text`] has written; what is not of that form is left out.
    pub(super) fn read(text: &str) -> Self {
        let span = |part: &str| {
            let (from, until) = part.split_once("..")?;
            let span = Span { from: Unix(from.parse().ok()?), until: Unix(until.parse().ok()?) };
            (!span.is_empty()).then_some(span)
        };
        Self(text.split_whitespace().take(MAX_SPANS).filter_map(span).collect())
    }

    /// Returns it as one line: milliseconds since 1970.
    pub(super) fn text(&self) -> String {
        let spans = self.0.iter().map(|span| format!("{}..{}", span.from.0, span.until.0));
        spans.collect::<Vec<_>>().join(" ")
    }

    /// Notes that it is looked at `at`, which is once in a [`LOOK`], and forgets what was before `oldest`.
    pub(super) fn look(&mut self, at: Unix, oldest: Unix) {
        match self.0.last_mut() {
            // A clock that went back makes no second span of a time that has one.
            Some(last) if at <= last.until + GAP => last.until = last.until.max(at),
            _ => self.0.push(Span { from: at - LOOK, until: at }),
        }
        self.0.retain(|span| span.until >= oldest);
        if self.0.len() > MAX_SPANS {
            // The last one is the present.
            let past = self.0.iter().enumerate().take(MAX_SPANS);
            if let Some((shortest, _)) = past.min_by_key(|(_, span)| span.length()) {
                self.0.remove(shortest);
            }
        }
    }

    /// Takes on what was before the first look of this start.
    pub(super) fn before(&mut self, past: &Self) {
        let Some(first) = self.0.first().map(|span| span.from) else {
            self.0.clone_from(&past.0);
            return;
        };
        let past = past.0.iter().map(|span| Span { until: span.until.min(first), ..*span });
        self.0.splice(0..0, past.filter(|span| !span.is_empty()));
    }

    /// Returns those within `period`.
    pub(super) fn within(&self, period: Span) -> Spans {
        Spans::of(self.0.iter().copied()).within(period)
    }

    /// Returns the first moment within `period`.
    pub(super) fn first(&self, period: Span) -> Option<Unix> {
        let inside = self.0.iter().map(|span| span.within(period));
        inside.filter(|span| span.until >= span.from).map(|span| span.from).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Unix {
        Unix(seconds * 1000)
    }

    fn looked(times: impl IntoIterator<Item = i64>) -> Ran {
        let mut ran = Ran::default();
        times.into_iter().for_each(|seconds| ran.look(at(seconds), at(0)));
        ran
    }

    #[test]
    fn looks_make_one_span_until_nobody_looked() {
        let ran = looked([10, 15, 20, 75, 200, 205, 180]);
        assert_eq!(ran.text(), "5000..75000 195000..205000");
        assert_eq!(Ran::read(&ran.text()), ran);
        assert_eq!(Ran::read("x 5..4 7.. 1000..2000 ..3").text(), "1000..2000");
    }

    #[test]
    fn what_is_older_than_a_day_goes_and_of_too_many_the_shortest() {
        let mut ran = looked([10, 15, 200, 205]);
        ran.look(at(206), at(100));
        assert_eq!(ran.text(), "195000..206000");
        let mut often = looked((0..100).flat_map(|n| [n * 1000, n * 1000 + 50 - n % 50]));
        assert_eq!(often.0.len(), MAX_SPANS);
        let past = &often.0[..MAX_SPANS - 1];
        assert!(past.iter().all(|span| span.length() > Duration::from_secs(7)), "{past:?}");
        often.look(at(500_000), at(0));
        assert_eq!(often.0.last().map(|span| span.until), Some(at(500_000)), "the present stays");
    }

    #[test]
    fn what_was_before_the_start_ends_where_it_begins() {
        let mut ran = looked([100, 105]);
        ran.before(&Ran::read("1000..2000 90000..101000 103000..104000"));
        assert_eq!(ran.text(), "1000..2000 90000..95000 95000..105000");
        let all = Span { from: at(50), until: at(200) };
        assert_eq!(ran.within(all).length(), Duration::from_secs(15));
        assert_eq!(ran.first(all), Some(at(90)));
    }
}
