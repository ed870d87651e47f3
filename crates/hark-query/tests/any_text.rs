//! Whatever is asked: nothing panics, and every question ends within its bounds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::cell::Cell;

use hark_query::{
    Answer, Grid, LOOK_BACK_MS, Labels, Limits, Query, QueryError, Samples, Selection, Sink,
    Source, parse_selector,
};
use proptest::prelude::*;

/// Parts of questions, so that many of them are some.
const PARTS: &str = "a|b|{c=\"d\"}|{c=~\"d.*\",e!=\"\"}|[5m]|[1h:1m]|[1y:1ms]|(|)|,| + | - | * | / | % | ^ | \
    == | == bool | > | < bool | and | or | unless | on(c) | ignoring(e) | group_left | group_right(c) | \
    offset 5m | offset -1y | @ 5 | @ end() | @ -1e300|1|0|-1|1e308|NaN|Inf|\"c\"|'$1'|sum|sum by (c)|\
    topk|quantile|count_values|rate(|irate(|increase(|deriv(|predict_linear(|max_over_time(|\
    quantile_over_time(|double_exponential_smoothing(|absent(|absent_over_time(|histogram_quantile(|\
    label_replace(|label_join(|clamp(|round(|scalar(|vector(|time()|timestamp(|hour(|year(|sort(|ln(|\
    stddev_over_time(|[|]|{|}|\\|\u{e9}|#\n";

struct Few;

impl Source for Few {
    fn read(&self, selection: &Selection<'_>, sink: &mut Sink<'_>) -> Result<(), QueryError> {
        for (name, c, width_ms) in [("a", "d", 0), ("a", "e", 0), ("b", "d", 300_000)] {
            let labels: Labels = [("__name__", name), ("c", c), ("le", "+Inf")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into_iter()
                .collect();
            if !selection.matchers.iter().all(|m| m.fits(labels.get(&m.name))) {
                continue;
            }
            let times: Vec<i64> = (0..50).map(|n| n * 60_000).collect();
            let values =
                times.iter().map(|at| f64::from(i32::try_from(at % 7).unwrap()) - 3.0).collect();
            let weights = if width_ms > 0 { vec![3.0; times.len()] } else { Vec::new() };
            sink(labels, &Samples { times, values, weights, width_ms })?;
        }
        Ok(())
    }
}

fn ask(text: &str, grid: Grid) -> Option<Result<Answer, QueryError>> {
    let query = Query::parse(text).ok()?;
    // A question that goes on and on is ended by the clock, which is asked often enough.
    let turns = Cell::new(0);
    let is_over = || {
        turns.set(turns.get() + 1);
        (turns.get() > 2000).then_some(QueryError::Timeout)
    };
    Some(query.run(
        &Few,
        grid,
        &Limits { series: 1000, samples: 100_000, values: 100_000, is_over: &is_over },
    ))
}

fn parts() -> impl Strategy<Value = String> {
    let part = prop::sample::select(PARTS.split('|').collect::<Vec<_>>());
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

/// Questions that are right.
fn questions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "a{c=\"d\"}",
        "a offset 7m",
        "b @ 600",
        "vector(time())",
        "nothing",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 24, 2, |inner| {
        let operator = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            ">",
            "== bool",
            "and",
            "or",
            "unless",
            "+ on(c)",
            "* on(c) group_left ()",
            "/ ignoring(le) group_right(c)",
            "> bool on()",
        ]);
        let function = prop::sample::select(vec![
            "abs(X)",
            "-X",
            "sum(X)",
            "sum by (c) (X)",
            "topk(2, X)",
            "count_values('v', X)",
            "quantile(0.3, X)",
            "rate(X[7m:1m])",
            "max_over_time(X[1h:])",
            "X + 1",
            "2 > X",
            "stddev_over_time(X[9m:30s] offset 1m)",
            "histogram_quantile(0.9, X)",
            "absent(X)",
            "label_replace(X, 'c', '$1x', 'c', '(.*)')",
            "scalar(X) + X",
            "sort(X)",
            "timestamp(X)",
            "predict_linear(X[20m:2m], 60)",
            "avg without (c) (X)",
            "clamp(X, 0, scalar(X))",
            "double_exponential_smoothing(X[20m:1m], 0.3, 0.6)",
            "hour(X)",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (function, inner).prop_map(|(f, x)| format!("({})", f.replace('X', &format!("({x})")))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _read = (Query::parse(&text).is_ok(), parse_selector(&text).is_ok());
    }

    #[test]
    fn any_parts_are_answered_or_refused(text in parts(), at in -1_000_000i64..4_000_000) {
        let _answer = ask(&text, Grid::instant(at));
        let _selector = parse_selector(&text);
        let _answer = ask(&text, Grid::range(at, at + LOOK_BACK_MS, 17_000).unwrap());
    }

    #[test]
    fn a_range_is_its_instants(text in questions(), start in 0i64..3_000_000) {
        let grid = Grid::range(start, start + 600_000, 150_000).unwrap();
        let Some(range) = ask(&text, grid) else { panic!("{text} is a question") };
        for at in [start, start + 300_000, start + 600_000] {
            let Some(instant) = ask(&text, Grid::instant(at)) else { panic!("{text} is a question") };
            let (Ok(range), Ok(instant)) = (&range, &instant) else {
                // One of its times may be refused alone; none of them may be where all are answered.
                prop_assert!(range.is_err(), "{}: {:?}", text, instant);
                continue;
            };
            prop_assert_eq!(points(range, at), points(instant, at), "{}", text);
        }
    }
}

/// Returns what is answered at a time.
fn points(answer: &Answer, at: i64) -> Vec<(Labels, u64)> {
    // A NaN has many forms and one meaning.
    let bits = |value: f64| if value.is_nan() { u64::MAX } else { value.to_bits() };
    let of = |points: &[(i64, f64)]| points.iter().find(|(t, _)| *t == at).map(|(_, v)| bits(*v));
    let mut points: Vec<(Labels, u64)> = match answer {
        Answer::Scalar(all) => {
            of(all).map(|value| (Labels::default(), value)).into_iter().collect()
        }
        Answer::Vector(lines) | Answer::Matrix(lines) => {
            lines.iter().filter_map(|line| Some((line.labels.clone(), of(&line.points)?))).collect()
        }
        Answer::Text(..) => Vec::new(),
    };
    points.sort();
    points
}
