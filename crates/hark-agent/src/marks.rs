//! The limits that the server has on what this host's processors and memory are measured by.
//!
//! They come with what the server gives, so that who uses most is looked up in the very look that crosses
//! one: a server that asked afterwards would be told of the moment after it. Nobody writes them; the server
//! makes them of its `thresholds`, and what is not understood of them is left out: nobody here could mend it.

use std::collections::BTreeMap;

use hark_config::{Key, Kind, Section};
use hark_model::SeriesName;

/// What the server gives: by the path of a series its limits, `"> 60 54"`: how values are compared, where the
/// limit is crossed, and where that is over. Without an instance they are for all that have none of their own.
pub(crate) const MARKS: Key = Key::new(
    "marks",
    Kind::Any,
    "Limits on processors and memory by series: made of the server's `thresholds`.",
);

/// Bound on series with limits; a server gives no more.
const MAX_SERIES: usize = 64;

/// Bound on the limits of one: a server has two.
const MAX_LIMITS: usize = 4;

/// Limits by their series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    by_series: BTreeMap<SeriesName, Vec<Mark>>,
}

/// A limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    compare: Compare,
    raise: f64,
    clear: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
    Other,
}

impl Marks {
    /// Reads them.
    pub(crate) fn read(section: &Section<'_>) -> Self {
        let given = section.value(MARKS.name).map(|given| given.to_json());
        let given = given.as_ref().and_then(|given| given.as_object());
        let mut by_series = BTreeMap::new();
        for (path, limits) in given.into_iter().flatten() {
            let limits = limits.as_array().into_iter().flatten();
            let limits = limits.filter_map(|limit| Mark::parse(limit.as_str()?));
            let limits: Vec<Mark> = limits.take(MAX_LIMITS).collect();
            let series = series_of(path).filter(|_| !limits.is_empty());
            if let Some(series) = series.filter(|_| by_series.len() < MAX_SERIES) {
                by_series.insert(series, limits);
            }
        }
        Self { by_series }
    }

    /// Returns true if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_series.is_empty()
    }

    /// Returns those of a series, and for what they are.
    pub(crate) fn of(&self, series: &SeriesName) -> Option<(Of, &[Mark])> {
        if let Some(marks) = self.by_series.get(series) {
            return Some((Of::One(series.clone()), marks));
        }
        if series.instance.is_empty() {
            return None;
        }
        let all = SeriesName::plain(&series.collector, &series.metric);
        self.by_series.get(&all).map(|marks| (Of::Each(all), &**marks))
    }
}

/// For what a limit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// For this series.
    One(SeriesName),
    /// For all instances of a metric that have none of their own: crossed while one of them is.
    Each(SeriesName),
}

fn series_of(path: &str) -> Option<SeriesName> {
    let (collector, rest) = path.split_once('.')?;
    let (instance, metric) = rest.rsplit_once('.').unwrap_or(("", rest));
    Some(SeriesName::of(collector, instance, metric))
}

impl Mark {
    /// Makes one that is crossed from a value on.
    pub(crate) fn from(raise: f64, clear: f64) -> Self {
        Self { compare: Compare::AtLeast, raise, clear }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let compare = match words.next()? {
            ">" => Compare::Above,
            ">=" => Compare::AtLeast,
            "<" => Compare::Below,
            "<=" => Compare::AtMost,
            "==" => Compare::Equal,
            "!=" => Compare::Other,
            _ => return None,
        };
        let mut number = || words.next()?.parse::<f64>().ok().filter(|number| number.is_finite());
        Some(Self { compare, raise: number()?, clear: number()? })
    }

    /// Returns true if `value` has crossed it.
    #[expect(clippy::float_cmp, reason = "limits on being equal mean exactly that")]
    pub(crate) fn is_crossed(self, value: f64) -> bool {
        let Self { compare, raise, .. } = self;
        match compare {
            Compare::Above => value > raise,
            Compare::AtLeast => value >= raise,
            Compare::Below => value < raise,
            Compare::AtMost => value <= raise,
            Compare::Equal => value == raise,
            Compare::Other => !value.is_nan() && value != raise,
        }
    }

    /// Returns true if it is crossed, or was before and `value` has not come back far enough.
    pub(crate) fn is_held(self, value: f64) -> bool {
        let back = match self.compare {
            Compare::Above | Compare::AtLeast => value > self.clear,
            Compare::Below | Compare::AtMost => value < self.clear,
            Compare::Equal | Compare::Other => false,
        };
        back || self.is_crossed(value)
    }
}

#[cfg(test)]
mod tests {
    use hark_config::{Document, NoSecrets};

    use super::*;

    fn read(text: &str) -> Marks {
        let document = Document::single(text);
        let marks = Marks::read(&document.root(&NoSecrets));
        assert!(!document.has_errors());
        marks
    }

    #[test]
    fn what_is_not_understood_is_left_out() {
        let marks = read(
            "marks: {a.b: ['> 60 54', '~ 3 4', '> x 4', '> 3', 7], c: ['> 1 1'], d.e: [], f.g: ['< 1 inf'], e.f: 5, \
             h.i: ['== 2 2']}\n",
        );
        let paths: Vec<String> = marks.by_series.keys().map(SeriesName::path).collect();
        assert_eq!(paths, ["a.b", "h.i"]);
        assert_eq!(marks.by_series[&SeriesName::plain("a", "b")].len(), 1);
        assert!(read("{}\n").is_empty() && read("marks: [1]\n").is_empty());
        let many = (0..100).map(|n| format!("a.m{n}: ['> 1 1']")).collect::<Vec<_>>().join(", ");
        assert_eq!(read(&format!("marks: {{{many}}}\n")).by_series.len(), MAX_SERIES);
    }

    #[test]
    fn limits_of_one_go_before_those_of_each() {
        let marks = read("marks: {a.m: ['> 1 1'], a.x.m: ['> 2 2']}\n");
        let plain = SeriesName::plain("a", "m");
        let of = |series: &SeriesName| marks.of(series).map(|(of, marks)| (of, marks[0].raise));
        assert_eq!(of(&plain), Some((Of::One(plain.clone()), 1.0)));
        let x = SeriesName::of("a", "x", "m");
        assert_eq!(of(&x), Some((Of::One(x.clone()), 2.0)));
        assert_eq!(of(&SeriesName::of("a", "y", "m")), Some((Of::Each(plain), 1.0)));
        assert_eq!(of(&SeriesName::plain("a", "n")), None);
        assert_eq!(of(&SeriesName::of("b", "y", "m")), None);
    }

    #[test]
    fn each_comparison_is_crossed_and_held_as_the_servers_are() {
        for (text, crossed, held, free) in [
            ("> 60 54", 60.1, 60.0, 54.0),
            (">= 60 54", 60.0, 54.1, 54.0),
            ("< 10 11", 9.9, 10.9, 11.0),
            ("<= 10 11", 10.0, 10.9, 11.0),
        ] {
            let mark = Mark::parse(text).unwrap();
            assert!(mark.is_crossed(crossed) && mark.is_held(crossed), "{text}");
            assert!(!mark.is_crossed(held) && mark.is_held(held), "{text}");
            assert!(!mark.is_held(free) && !mark.is_held(f64::NAN), "{text}");
        }
        for (text, crossed, free) in [("== 2 2", 2.0, 2.1), ("!= 2 2", 2.1, 2.0)] {
            let mark = Mark::parse(text).unwrap();
            assert!(mark.is_held(crossed) && !mark.is_held(free), "{text}");
            assert!(!mark.is_held(f64::NAN), "{text}");
        }
    }
}
