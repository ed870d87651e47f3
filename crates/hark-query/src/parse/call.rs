//! Functions by their names.

use promql_parser::parser::{Call, Expr};

use super::{Result, is_label, node, unfit, unwrapped, window, wrong};
use crate::labels::{Labels, NAME};
use crate::matcher::{Matcher, Test};
use crate::node::{Map, Node, Over, Relabel, Select, Windowed};

type OfNumber = fn(f64) -> f64;
type OfTime = fn(i64) -> i64;

/// Functions of one number and nothing else.
const PLAIN: &[(&str, OfNumber)] = &[
    ("abs", f64::abs),
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("ceil", f64::ceil),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("deg", f64::to_degrees),
    ("exp", f64::exp),
    ("floor", f64::floor),
    ("ln", f64::ln),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("rad", f64::to_radians),
    ("sgn", sgn),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
];

/// Functions of a time.
const DATES: &[(&str, OfTime)] = &[
    ("day_of_month", |at| date(at).2),
    ("day_of_week", |at| (at.div_euclid(86_400) + 4).rem_euclid(7)),
    ("day_of_year", |at| at.div_euclid(86_400) - days_before(date(at).0, 1) + 1),
    ("days_in_month", |at| {
        let (year, month, _) = date(at);
        let next =
            if month == 12 { days_before(year + 1, 1) } else { days_before(year, month + 1) };
        next - days_before(year, month)
    }),
    ("hour", |at| at.rem_euclid(86_400) / 3600),
    ("minute", |at| at.rem_euclid(3600) / 60),
    ("month", |at| date(at).1),
    ("year", |at| date(at).0),
];

/// Functions of a window: where the window stands among the arguments, and how many there are.
const OVER: &[(&str, Over, usize, usize)] = &[
    ("avg_over_time", Over::Avg, 0, 1),
    ("changes", Over::Changes, 0, 1),
    ("count_over_time", Over::Count, 0, 1),
    ("delta", Over::Delta, 0, 1),
    ("deriv", Over::Deriv, 0, 1),
    ("double_exponential_smoothing", Over::HoltWinters, 0, 3),
    ("idelta", Over::Idelta, 0, 1),
    ("increase", Over::Increase, 0, 1),
    ("irate", Over::Irate, 0, 1),
    ("last_over_time", Over::Last, 0, 1),
    ("max_over_time", Over::Max, 0, 1),
    ("min_over_time", Over::Min, 0, 1),
    ("predict_linear", Over::PredictLinear, 0, 2),
    ("present_over_time", Over::Present, 0, 1),
    ("quantile_over_time", Over::Quantile, 1, 2),
    ("rate", Over::Rate, 0, 1),
    ("resets", Over::Resets, 0, 1),
    ("stddev_over_time", Over::Stddev, 0, 1),
    ("stdvar_over_time", Over::Stdvar, 0, 1),
    ("sum_over_time", Over::Sum, 0, 1),
];

/// As Go has it: zero and NaN are themselves.
fn sgn(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// Returns year, month and day of a time: Howard Hinnant's way, years that begin in March.
fn date(at: i64) -> (i64, i64, i64) {
    let days = at.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, of_month)
}

/// Returns the days from 1970 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Makes the tree of a call. The grammar has checked number and types of the arguments.
pub(super) fn call(call: &Call, depth: usize) -> Result<Node> {
    let (name, args) = (call.func.name, &call.args.args);
    let argument = |n: usize| match args.get(n) {
        Some(arg) => Ok(&**arg),
        None => Err(wrong(&format!("too few arguments in call to '{name}'"))),
    };
    let vector = |n: usize| Ok(Box::new(node(argument(n)?, depth)?));
    if let Some((_, plain)) = PLAIN.iter().find(|(known, _)| *known == name) {
        return Ok(Node::Map { map: Map::Plain(*plain), of: vector(0)?, with: Vec::new() });
    }
    if let Some((_, date)) = DATES.iter().find(|(known, _)| *known == name) {
        let of =
            if args.is_empty() { Node::Vector(Box::new(Node::Time)).into() } else { vector(0)? };
        return Ok(Node::Map { map: Map::Date(*date), of, with: Vec::new() });
    }
    if let Some((_, over, at, _)) = OVER.iter().find(|(known, ..)| *known == name) {
        let others = (0..args.len()).filter(|n| n != at);
        let with = others.map(|n| node(argument(n)?, depth)).collect::<Result<_>>()?;
        return Ok(Node::Over { over: *over, window: window(argument(*at)?, depth)?, with });
    }
    let map = |map| {
        let with = (1..args.len()).map(|n| node(argument(n)?, depth)).collect::<Result<_>>()?;
        Ok(Node::Map { map, of: vector(0)?, with })
    };
    match name {
        "round" => map(Map::Round),
        "clamp" => map(Map::Clamp),
        "clamp_min" => map(Map::ClampMin),
        "clamp_max" => map(Map::ClampMax),
        "timestamp" => timestamp(argument(0)?, depth),
        "time" => Ok(Node::Time),
        "pi" => Ok(Node::Pi),
        "vector" => Ok(Node::Vector(vector(0)?)),
        "scalar" => Ok(Node::Scalar(vector(0)?)),
        "sort" => Ok(Node::Sort { of: vector(0)?, falling: false }),
        "sort_desc" => Ok(Node::Sort { of: vector(0)?, falling: true }),
        "absent" => {
            let of = vector(0)?;
            let labels = if let Node::Select(select) = &*of {
                told(&select.matchers)
            } else {
                Labels::default()
            };
            Ok(Node::Absent { of, labels })
        }
        "absent_over_time" => {
            let window = window(argument(0)?, depth)?;
            let labels =
                if let Windowed::Select(all) = &window.of { told(all) } else { Labels::default() };
            Ok(Node::AbsentOver { window, labels })
        }
        "histogram_quantile" => {
            Ok(Node::HistogramQuantile { quantile: vector(0)?, of: vector(1)? })
        }
        "label_replace" => replace(call, vector(0)?),
        "label_join" => join(call, vector(0)?),
        _ => Err(wrong(&format!("the function `{name}` is not supported"))),
    }
}

/// A sample's own time is that of what is selected, all else is as old as the question.
fn timestamp(arg: &Expr, depth: usize) -> Result<Node> {
    let of = node(unwrapped(arg), depth)?;
    Ok(if let Node::Select(select) = of {
        Node::Select(Select { times: true, ..select })
    } else {
        Node::Map { map: Map::Timestamp, of: Box::new(of), with: Vec::new() }
    })
}

/// Returns the labels that series which are not there would have for certain.
fn told(matchers: &[Matcher]) -> Labels {
    let mut labels = Labels::default();
    let mut seen = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != NAME) {
        match &matcher.test {
            Test::Is(value) if !seen.contains(&&matcher.name) => {
                labels.set(&matcher.name, value);
                seen.push(&matcher.name);
            }
            Test::Is(_) | Test::IsNot(_) | Test::Like(_) | Test::Unlike(_) => {
                labels.set(&matcher.name, "");
            }
        }
    }
    labels
}

fn text(call: &Call, n: usize) -> Result<String> {
    match call.args.args.get(n).map(|arg| unwrapped(arg)) {
        Some(Expr::StringLiteral(text)) => Ok(text.val.clone()),
        _ => Err(wrong(&format!("expected a text in call to '{}'", call.func.name))),
    }
}

/// Returns a name of a label, of which the message says what it is for.
fn label(call: &Call, n: usize, role: &str) -> Result<String> {
    let name = text(call, n)?;
    if is_label(&name) {
        Ok(name)
    } else {
        Err(unfit(format!("invalid {role} label name in {}(): {name}", call.func.name)))
    }
}

fn replace(call: &Call, of: Box<Node>) -> Result<Node> {
    let pattern = text(call, 4)?;
    let pattern = regex::Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|_| unfit(format!("invalid regular expression in label_replace(): {pattern}")))?;
    // The name of what is read need not be one: it is empty then.
    let (to, template, from) = (label(call, 1, "destination")?, text(call, 2)?, text(call, 3)?);
    Ok(Node::Relabel { relabel: Relabel::Replace { to, template, from, pattern }, of })
}

fn join(call: &Call, of: Box<Node>) -> Result<Node> {
    let (to, between) = (label(call, 1, "destination")?, text(call, 2)?);
    let from =
        (3..call.args.args.len()).map(|n| label(call, n, "source")).collect::<Result<_>>()?;
    Ok(Node::Relabel { relabel: Relabel::Join { to, between, from }, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (at, expected) in [
            (0, (1970, 1, 1)),
            (951_782_400, (2000, 2, 29)),
            (4_107_542_399, (2100, 2, 28)),
            (4_107_542_400, (2100, 3, 1)),
            (-1, (1969, 12, 31)),
        ] {
            assert_eq!(date(at), expected);
            let (year, month, day) = expected;
            assert_eq!(days_before(year, month) + day - 1, at.div_euclid(86_400));
        }
        let of = |name: &str, at| DATES.iter().find(|(n, _)| *n == name).map(|(_, f)| f(at));
        // A Thursday, the 366th day of a leap year in its last hour.
        let end = 1_735_689_599;
        assert_eq!(of("day_of_week", end), Some(2));
        assert_eq!(of("day_of_year", end), Some(366));
        assert_eq!(of("days_in_month", end), Some(31));
        assert_eq!(of("days_in_month", 951_782_400), Some(29));
        assert_eq!((of("hour", end), of("minute", end)), (Some(23), Some(59)));
        assert_eq!(of("day_of_week", -1), Some(3));
    }

    #[test]
    fn no_name_is_there_twice_and_the_grammar_knows_each() {
        let names = PLAIN.iter().map(|f| f.0).chain(DATES.iter().map(|f| f.0));
        let mut names: Vec<_> = names.chain(OVER.iter().map(|f| f.0)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        for name in names {
            let text = match OVER.iter().find(|f| f.0 == name) {
                Some((_, _, 1, _)) => format!("{name}(1, a[1m])"),
                Some((_, _, _, n)) => format!("{name}(a[1m]{})", ", 1".repeat(n - 1)),
                None => format!("{name}(a)"),
            };
            super::super::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        }
    }
}
