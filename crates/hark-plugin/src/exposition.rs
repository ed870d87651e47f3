//! Metrics as Prometheus and `OpenMetrics` write them.
//!
//! ```text
//! # TYPE node_cpu_seconds_total counter
//! node_cpu_seconds_total{cpu="0",mode="idle"} 362812.75
//! ```
//!
//! A sample becomes a series: its name is the metric, its labels are the instance (`cpu=0,mode=idle`,
//! as [`hark_model::labels`] writes them, so that they can be read again). Its time stamp is passed
//! over: it is as old as the page. The buckets of histograms are left out unless they are asked for:
//! they are many, and what they say is said by sum and count for most purposes.

use std::collections::HashMap;

use hark_model::labels::{self, Labels};
use hark_model::{MetricKind, Unit};
use regex::RegexSet;

use crate::measure::{self, Measured};

/// Bound on the samples of one page, as many as a host may have series.
pub const MAX_SAMPLES: usize = hark_model::frame::MAX_SERIES;

/// Bound on the bytes of a sample's labels as text: with the names around it a series must stay below
/// what a check may be called, or no threshold can be set on it. Nothing is cut, as two series would
/// become one.
const MAX_LABELS: usize = 200;

/// Bound on the metrics whose types are remembered.
const MAX_TYPES: usize = 8192;

/// What is kept of a page.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// Patterns, of which one must be found in `name{labels}`; all are kept if there are none.
    pub keep: Option<RegexSet>,
    /// Patterns, of which none may be found in it.
    pub leave: Option<RegexSet>,
    /// Whether the buckets of histograms are kept.
    pub buckets: bool,
}

/// A page, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Its samples.
    pub samples: Vec<Measured>,
    /// Samples beyond [`MAX_SAMPLES`], and those whose name or labels are too long.
    pub left_out: usize,
    /// The first line that is none, and its number.
    pub nonsense: Option<(usize, String)>,
}

impl Keep {
    fn is_kept(&self, path: &str) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep.is_match(path))
            && !self.leave.as_ref().is_some_and(|leave| leave.is_match(path))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Counter,
    Histogram,
    Other,
}

/// Reads a page. A line that is wrong is passed over, and the first one is told.
pub fn read(text: &str, keep: &Keep) -> Page {
    let mut page = Page::default();
    let mut types: HashMap<&str, Type> = HashMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            if let Some((name, kind)) = type_of(comment)
                && types.len() < MAX_TYPES
            {
                types.insert(name, kind);
            }
            if comment.trim() == "EOF" {
                break;
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let Some(sample) = Sample::read(line) else {
            page.nonsense.get_or_insert_with(|| {
                (number, crate::text::clean(line.as_bytes(), measure::MAX_NAME))
            });
            continue;
        };
        let kind = sample.kind(&types);
        if (kind == Type::Histogram && sample.name.ends_with("_bucket") && !keep.buckets)
            || !keep.is_kept(sample.path)
        {
            continue;
        }
        if page.samples.len() >= MAX_SAMPLES {
            page.left_out += 1;
            continue;
        }
        match sample.measured(kind) {
            Some(measured) => page.samples.push(measured),
            None => page.left_out += 1,
        }
    }
    page
}

fn type_of(comment: &str) -> Option<(&str, Type)> {
    let mut words = comment.split_ascii_whitespace();
    if words.next()? != "TYPE" {
        return None;
    }
    let name = words.next()?;
    let kind = match words.next()? {
        "counter" => Type::Counter,
        "histogram" | "gaugehistogram" => Type::Histogram,
        _ => Type::Other,
    };
    Some((name, kind))
}

/// A line.
struct Sample<'a> {
    name: &'a str,
    /// The name with its labels, as on the page.
    path: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

impl<'a> Sample<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let end = line.find(|c: char| !is_name(c)).unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(end)?;
        let mut rest = rest.trim_start();
        let mut labels = Vec::new();
        let mut name = name;
        if let Some(inside) = rest.strip_prefix('{') {
            rest = read_labels(inside, &mut name, &mut labels)?;
        }
        let is_sound =
            !name.starts_with(|c: char| c.is_ascii_digit()) && !name.chars().any(labels::is_hidden);
        if name.is_empty() || !is_sound {
            return None;
        }
        let path = line.get(..line.len() - rest.len())?.trim_end();
        // An exemplar follows a `#`, a time stamp the value.
        let value = number(rest.split_ascii_whitespace().next()?)?;
        Some(Self { name, path, labels, value })
    }

    /// The type is told of the family: without the ending of counters, sums, counts and buckets.
    fn kind(&self, types: &HashMap<&str, Type>) -> Type {
        if let Some(kind) = types.get(self.name) {
            return *kind;
        }
        let family =
            |ending| self.name.strip_suffix(ending).and_then(|family| types.get(family)).copied();
        if family("_bucket").is_some() {
            return Type::Histogram;
        }
        if family("_total") == Some(Type::Counter)
            || family("_sum").is_some_and(|kind| kind == Type::Histogram)
            || family("_count").is_some()
        {
            return Type::Counter;
        }
        Type::Other
    }

    /// Returns its value; `None` if its name or its labels are too long.
    fn measured(self, kind: Type) -> Option<Measured> {
        let labels = self.labels.into_iter().map(|(name, value)| (name.to_owned(), value));
        let instance = labels::text_of(Labels::new(labels).iter());
        let fits = instance.len() <= MAX_LABELS && self.name.len() <= measure::MAX_NAME;
        fits.then(|| Measured {
            instance,
            metric: self.name.to_owned(),
            value: self.value,
            unit: unit(self.name),
            kind: if kind == Type::Counter { MetricKind::Counter } else { MetricKind::Gauge },
            limits: None,
        })
    }
}

/// Reads labels up to the closing brace; returns what follows it. A text alone is the metric's name.
fn read_labels<'a>(
    mut rest: &'a str,
    name: &mut &'a str,
    labels: &mut Vec<(&'a str, String)>,
) -> Option<&'a str> {
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after.trim_start());
        }
        if rest.starts_with('"') && name.is_empty() {
            // The name in quotes, where it has signs that names did not have before.
            let inner = rest.get(1..)?;
            let (quoted, after) = inner.split_once('"')?;
            *name = quoted;
            rest = after;
        } else {
            let (label, after) = rest.split_once('=')?;
            let inner = after.trim_start().strip_prefix('"')?;
            let (value, after) = unescaped(inner)?;
            labels.push((label.trim().trim_matches('"'), value));
            rest = after;
        }
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
        } else if !rest.starts_with('}') {
            return None;
        }
    }
}

/// Reads a text up to its closing quote.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                c => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

/// Reads a value. What is not a number (or one without end) is absent, as everywhere here.
fn number(word: &str) -> Option<f64> {
    match word {
        "NaN" | "+Inf" | "-Inf" | "Inf" => Some(f64::NAN),
        word => match measure::number(word)? {
            (value, "") => Some(value),
            _ => None,
        },
    }
}

fn unit(name: &str) -> Unit {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let name = name.strip_suffix("_sum").unwrap_or(name);
    if name.ends_with("_bytes") {
        Unit::Bytes
    } else if name.ends_with("_seconds") {
        Unit::Seconds
    } else if name.ends_with("_percent") {
        Unit::Percent
    } else if name.ends_with("_celsius") {
        Unit::Celsius
    } else {
        Unit::None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = r#"# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
"#;

    fn found(page: &Page) -> Vec<(String, f64, MetricKind)> {
        let path = |m: &Measured| m.series("x", "").name.path();
        page.samples.iter().map(|m| (path(m), m.value, m.kind)).collect()
    }

    #[test]
    fn the_page_of_the_documentation_is_read() {
        use MetricKind::{Counter, Gauge};
        let page = read(PAGE, &Keep::default());
        assert_eq!((page.left_out, &page.nonsense), (0, &None));
        let mut found = found(&page);
        assert!(found.remove(4).1.is_nan(), "what is infinite is absent");
        let expected = [
            ("x.code=200,method=post.http_requests_total", 1027.0, Counter),
            ("x.code=400,method=post.http_requests_total", 3.0, Counter),
            (
                r#"x.error=Cannot find file:\n"FILE.TXT",path=C:\\DIR\\FILE.TXT.msdos_file_access_time_seconds"#,
                1.458_255_915e9,
                Gauge,
            ),
            ("x.metric_without_timestamp_and_labels", 12.47, Gauge),
            ("x.http_request_duration_seconds_sum", 53423.0, Counter),
            ("x.http_request_duration_seconds_count", 144_320.0, Counter),
            ("x.quantile=0.01.rpc_duration_seconds", 3102.0, Gauge),
            ("x.rpc_duration_seconds_sum", 1.756_047_3e7, Gauge),
            ("x.rpc_duration_seconds_count", 2693.0, Counter),
        ];
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!((found.0.as_str(), found.1, found.2), expected);
        }
        assert_eq!(found.len(), 9);
        assert_eq!(page.samples[5].unit, Unit::Seconds);
    }

    #[test]
    fn open_metrics_ends_at_its_end_and_may_have_exemplars() {
        let text = "# TYPE foo counter\nfoo_total 17.0 1520879607.789 # {trace_id=\"a\"} 0.5\n\
                    {\"with.dots\",a=\"b\"} 3\n# EOF\nlate 1\n";
        let page = read(text, &Keep::default());
        let found = found(&page);
        assert_eq!(found[0], ("x.foo_total".into(), 17.0, MetricKind::Counter));
        assert_eq!(found[1], ("x.a=b.with.dots".into(), 3.0, MetricKind::Gauge));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn patterns_choose() {
        let set = |patterns: &[&str]| Some(RegexSet::new(patterns).unwrap());
        let keep = Keep {
            keep: set(&["^http_", "quantile"]),
            leave: set(&["code=\"400\""]),
            buckets: true,
        };
        let names: Vec<String> =
            read(PAGE, &keep).samples.into_iter().map(|sample| sample.metric).collect();
        let expected = [
            "http_requests_total",
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_sum",
            "http_request_duration_seconds_count",
            "rpc_duration_seconds",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn wrong_lines_are_passed_over_and_the_first_is_told() {
        let text = "a 1\nb{ 2\nc\nd{x=\"y} 3\n9e 4\ne{x=\"1\" y=\"2\"} 1\nf 1x\ng 5\n";
        let page = read(text, &Keep::default());
        assert_eq!(page.samples.iter().map(|s| s.value).collect::<Vec<_>>(), [1.0, 5.0]);
        assert_eq!(page.nonsense, Some((2, "b{ 2".to_owned())));
    }

    #[test]
    fn a_page_has_a_bound_and_says_what_is_left_out() {
        let lines: Vec<_> = (0..MAX_SAMPLES + 7).map(|n| format!("a{{n=\"{n}\"}} 1")).collect();
        let page = read(&lines.join("\n"), &Keep::default());
        assert_eq!((page.samples.len(), page.left_out), (MAX_SAMPLES, 7));
    }

    #[test]
    fn labels_can_be_read_again() {
        let host = hark_model::HostName::new("web1").unwrap();
        let page = read(PAGE, &Keep::default());
        let (metric, labels) = labels::to_labels(
            &host,
            &page.samples[2].series("exporter", "dos").name,
            MetricKind::Gauge,
        );
        assert_eq!(metric, "msdos_file_access_time_seconds");
        let expected = [
            ("error", "Cannot find file:\n\"FILE.TXT\""),
            ("host", "web1"),
            ("instance", "web1"),
            ("job", "dos"),
            ("path", "C:\\DIR\\FILE.TXT"),
        ];
        assert_eq!(labels.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nothing_is_cut_so_that_no_two_become_one() {
        let long = "x".repeat(MAX_LABELS);
        let name = "n".repeat(measure::MAX_NAME + 1);
        let text = format!("a{{b=\"{long}1\"}} 1\na{{b=\"{long}2\"}} 2\n{name} 3\nc 4\n");
        let page = read(&text, &Keep::default());
        assert_eq!((page.samples.len(), page.left_out, page.nonsense), (1, 3, None));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ab_{}=\"\\\\,# 0-9.\nTYPE]{0,120}") {
            let page = read(&text, &Keep::default());
            prop_assert!(page.samples.iter().all(|sample| !sample.metric.is_empty()));
        }
    }
}
