//! The same samples are given to Prometheus and to this crate, and the same questions asked of both.
//!
//! `expressions.txt` has the questions; those with an `!` are refused by both, for the same reason.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod samples;
mod server;

use std::fmt::Write as _;

use hark_query::{Answer, Grid, Labels, Limits, Line, Query, QueryError};
use serde_json::Value;

use self::samples::{END, Memory, START};
use self::server::Prometheus;

const EXPRESSIONS: &str = include_str!("expressions.txt");

/// Floats are added in another order where groups are.
const TOLERANCE: f64 = 1e-9;

/// An answer of either side: lines of labels and points, or why there is none.
#[derive(Debug)]
enum Told {
    Lines { kind: &'static str, lines: Vec<(Labels, Vec<(i64, f64)>)> },
    Text(String),
    Error(String, String),
}

#[test]
fn questions_are_answered_as_prometheus_answers_them() {
    let memory = samples::all();
    let prometheus = Prometheus::start(&memory);
    let grids = [
        Grid::instant(START + 1_800_000),
        Grid::instant(START + 5_437_123),
        Grid::instant(END + 240_000),
        Grid::range(START - 600_000, START + 1_800_000, 60_000).unwrap(),
        Grid::range(START + 3_600_007, END + 400_000, 97_000).unwrap(),
    ];
    let (mut wrong, mut asked, mut empty) = (String::new(), 0, 0);
    for line in EXPRESSIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, is_refused) = match line.strip_prefix('!') {
            Some(text) => (text.trim(), true),
            None => (line, false),
        };
        let (mut refused, mut filled) = (0, 0);
        for grid in grids {
            let ours = ask(text, &memory, grid);
            let theirs = prometheus.ask(text, grid);
            asked += 1;
            refused += usize::from(matches!(theirs, Told::Error(..)));
            filled +=
                usize::from(!matches!(&theirs, Told::Lines { lines, .. } if lines.is_empty()));
            if let Some(difference) = difference(&ours, &theirs) {
                let _written = writeln!(wrong, "{text}\n  at {grid:?}: {difference}");
            }
        }
        if is_refused != (refused > 0) {
            let _written = writeln!(wrong, "{text}: refused {refused} times");
        }
        empty += usize::from(filled == 0);
    }
    assert!(wrong.is_empty(), "of {asked} answers these differ:\n{wrong}");
    assert!(asked > 1000, "only {asked} were asked");
    assert!(empty < 25, "{empty} questions have no answer at any time: they prove little");
}

fn ask(text: &str, memory: &Memory, grid: Grid) -> Told {
    let answer = Query::parse(text).and_then(|query| query.run(memory, grid, &Limits::USUAL));
    let lines = |kind, lines: Vec<Line>| {
        let lines = lines.into_iter().map(|line| (line.labels, line.points)).collect();
        Told::Lines { kind, lines }
    };
    match answer {
        Ok(Answer::Scalar(points)) if grid.start() == grid.end() => {
            Told::Lines { kind: "scalar", lines: vec![(Labels::default(), points)] }
        }
        Ok(Answer::Scalar(points)) => {
            Told::Lines { kind: "matrix", lines: vec![(Labels::default(), points)] }
        }
        Ok(Answer::Vector(all)) if grid.start() == grid.end() => lines("vector", all),
        Ok(Answer::Vector(all) | Answer::Matrix(all)) => lines("matrix", all),
        Ok(Answer::Text(_, text)) => Told::Text(text),
        Err(error) => Told::Error(error.kind().to_owned(), error.to_string()),
    }
}

fn read(answer: &Value) -> Told {
    if answer["status"] == "error" {
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        return Told::Error(text("errorType"), text("error"));
    }
    let (kind, result) = (&answer["data"]["resultType"], &answer["data"]["result"]);
    match kind.as_str().unwrap() {
        "scalar" => {
            Told::Lines { kind: "scalar", lines: vec![(Labels::default(), vec![point(result)])] }
        }
        "string" => Told::Text(result[1].as_str().unwrap().to_owned()),
        kind => {
            let kind = if kind == "vector" { "vector" } else { "matrix" };
            let of = |line: &Value| {
                let metric = line["metric"].as_object().unwrap().iter();
                let labels = metric.map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned()));
                let points = match line.get("values") {
                    Some(values) => values.as_array().unwrap().iter().map(point).collect(),
                    None => vec![point(&line["value"])],
                };
                (labels.collect(), points)
            };
            Told::Lines { kind, lines: result.as_array().unwrap().iter().map(of).collect() }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds")]
fn point(pair: &Value) -> (i64, f64) {
    let value = pair[1].as_str().unwrap();
    let at = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
    (at, value.parse().unwrap())
}

fn difference(ours: &Told, theirs: &Told) -> Option<String> {
    match (ours, theirs) {
        (
            Told::Lines { kind: our_kind, lines: ours },
            Told::Lines { kind: their_kind, lines: theirs },
        ) => {
            if our_kind != their_kind {
                return Some(format!("{our_kind} for {their_kind}"));
            }
            lines_differ(ours, theirs)
        }
        (Told::Text(ours), Told::Text(theirs)) if ours == theirs => None,
        (Told::Error(ours, our_text), Told::Error(theirs, their_text)) => {
            (ours != theirs).then(|| format!("{ours} ({our_text}) for {theirs} ({their_text})"))
        }
        _ => Some(format!("{} for {}", short(ours), short(theirs))),
    }
}

fn short(told: &impl std::fmt::Debug) -> String {
    let mut text = format!("{told:?}");
    text.truncate(text.floor_char_boundary(300));
    text
}

fn lines_differ(
    ours: &[(Labels, Vec<(i64, f64)>)],
    theirs: &[(Labels, Vec<(i64, f64)>)],
) -> Option<String> {
    // The order of an instant vector is a part of the answer only where it was asked for; the values
    // tell that, where labels are sorted first.
    let (mut ours, mut theirs) = (ours.to_vec(), theirs.to_vec());
    ours.sort_by(|a, b| a.0.cmp(&b.0));
    theirs.sort_by(|a, b| a.0.cmp(&b.0));
    if ours.len() != theirs.len() {
        let (n_ours, n_theirs) = (ours.len(), theirs.len());
        let (ours, theirs) = (short(&ours), short(&theirs));
        return Some(format!("{n_ours} lines for {n_theirs}: {ours} for {theirs}"));
    }
    for (our, their) in ours.iter().zip(&theirs) {
        if our.0 != their.0 {
            return Some(format!("{} for {}", our.0, their.0));
        }
        let same = |(a, b): (&(i64, f64), &(i64, f64))| a.0 == b.0 && is_near(a.1, b.1);
        if our.1.len() != their.1.len() || !our.1.iter().zip(&their.1).all(same) {
            return Some(format!("{}: {} for {}", our.0, short(&our.1), short(&their.1)));
        }
    }
    None
}

#[expect(clippy::float_cmp, reason = "infinities, and what is exactly so")]
fn is_near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
}

#[test]
fn the_order_that_is_asked_for_is_kept() {
    let memory = samples::all();
    let at = Grid::instant(START + 1_800_000);
    for (text, falling) in [
        ("sort(node_load1)", false),
        ("sort_desc(node_load1)", true),
        ("topk(2, node_load1)", true),
    ] {
        let Ok(Answer::Vector(lines)) =
            Query::parse(text).unwrap().run(&memory, at, &Limits::USUAL)
        else {
            panic!("{text} is a vector")
        };
        let mut values: Vec<f64> = lines.iter().map(|line| line.points[0].1).collect();
        let found = values.clone();
        values.sort_by(f64::total_cmp);
        if falling {
            values.reverse();
        }
        assert_eq!(found, values, "{text}");
        assert!(found.len() > 1);
    }
}

#[test]
fn a_series_that_has_ended_is_gone_at_once() {
    let mut memory = Memory::default();
    memory.push("a{}", vec![(0, 1.0), (15_000, hark_query::ABSENT), (60_000, 2.0)]);
    let ask = |text: &str, at| match Query::parse(text).unwrap().run(
        &memory,
        Grid::instant(at),
        &Limits::USUAL,
    ) {
        Ok(Answer::Vector(lines)) => lines.first().map(|line| line.points[0].1),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask("a", 14_999), Some(1.0));
    assert_eq!(ask("a", 15_000), None, "it is not looked for before its end");
    assert_eq!(ask("a", 360_000), Some(2.0));
    assert_eq!(ask("a", 360_001), None);
    assert_eq!(ask("count_over_time(a[1m])", 60_000), Some(2.0));
    assert_eq!(ask("absent(a)", 20_000), Some(1.0));
}

#[test]
fn every_bound_says_that_it_is_one() {
    let memory = samples::all();
    let grid = Grid::range(START, END, 15_000).unwrap();
    let run = |limits: &Limits<'_>, text: &str| {
        Query::parse(text).unwrap().run(&memory, grid, limits).unwrap_err()
    };
    let few = Limits { series: 3, ..Limits::USUAL };
    assert!(run(&few, "node_cpu_seconds_total").to_string().contains("more than 3 series"));
    let few = Limits { samples: 100, ..Limits::USUAL };
    let error = run(&few, "rate(node_load1[5m])");
    assert!(error.to_string().contains("too many samples"), "{error}");
    let few = Limits { values: 1000, ..Limits::USUAL };
    for text in ["node_load1", "count_over_time(vector(1)[1y:1ms])", "sum(up)", "up or up"] {
        assert!(run(&few, text).to_string().contains("values at a time"), "{text}");
    }
    let late = Limits { is_over: &|| Some(QueryError::Timeout), ..Limits::USUAL };
    assert_eq!(run(&late, "sum(rate(node_cpu_seconds_total[10m]))"), QueryError::Timeout);
    for (start, end, step) in [(0, 11_001, 1), (1, 0, 1), (0, 1, 0), (0, 1, -1)] {
        assert_eq!(Grid::range(start, end, step).unwrap_err().kind(), "bad_data");
    }
    assert!(Grid::range(i64::MIN, i64::MAX, i64::MAX).is_ok());
}

#[test]
fn buckets_give_functions_what_they_need() {
    let mut memory = Memory::default();
    // A counter over four buckets of five minutes, of which one is missing.
    let run = |end: i64| end * 300_000;
    memory.push_buckets("grown{}", &[(run(0), 0.0), (run(1), 300.0), (run(2), 900.0)], &[]);
    memory.push_buckets(
        "gap{}",
        &[(0, 0.0), (run(1), 300.0), (run(2), 300.0), (run(3), 600.0)],
        &[],
    );
    memory.push_buckets("level{}", &[(run(1), 30.0), (run(2), 50.0)], &[10.0, 40.0]);
    let ask = |text: &str, at| match Query::parse(text).unwrap().run(
        &memory,
        Grid::instant(at),
        &Limits::USUAL,
    ) {
        Ok(Answer::Vector(lines)) => lines.first().map(|line| line.points[0].1),
        other => panic!("{other:?}"),
    };
    assert_eq!(ask("rate(grown[5m])", run(1)), Some(1.0));
    assert_eq!(ask("rate(grown[5m])", run(2)), Some(2.0));
    assert_eq!(ask("rate(grown[10m])", run(2)), Some(1.5));
    assert_eq!(ask("increase(grown[10m])", run(2)), Some(900.0));
    assert_eq!(ask("rate(grown[1m])", run(1) + 60_000), Some(2.0), "a part of a bucket");
    assert_eq!(ask("rate(grown[5m])", run(1) + 150_000), Some(1.5), "parts of two");
    assert_eq!(ask("rate(grown[5m])", run(3)), None, "nothing is known of it");
    assert_eq!(ask("avg_over_time(level[10m])", run(2)), Some(80.0 / 50.0));
    assert_eq!(ask("sum_over_time(level[10m])", run(2)), Some(80.0));
    assert_eq!(ask("count_over_time(level[10m])", run(2)), Some(50.0));
    assert_eq!(ask("level", run(2) + 299_999), Some(50.0));
    assert_eq!(ask("rate(gap[15m])", run(3)), Some(600.0 / 900.0));
}

#[test]
fn smoothing_follows_the_trend() {
    // Prometheus 2.42 knows it by another name, the grammar only by the new one.
    let mut memory = Memory::default();
    memory.push(
        "line{}",
        (0..100).map(|n| (n * 1000, 10.0 + f64::from(i32::try_from(n).unwrap()))).collect(),
    );
    let ask = |text: &str| {
        Query::parse(text).unwrap().run(&memory, Grid::instant(99_000), &Limits::USUAL)
    };
    let Ok(Answer::Vector(lines)) = ask("double_exponential_smoothing(line[5m], 0.3, 0.6)") else {
        panic!("a vector")
    };
    assert!((lines[0].points[0].1 - 109.0).abs() < 1e-9, "{lines:?}");
    for wrong in ["0, 0.5", "0.5, 1", "NaN, 0.5"] {
        let text = format!("double_exponential_smoothing(line[5m], {wrong})");
        assert_eq!(ask(&text).unwrap_err().kind(), "execution", "{text}");
    }
}
