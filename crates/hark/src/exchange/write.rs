//! Samples, written one series after the other: nothing is gathered but a day of one series.
//!
//! `OpenMetrics` wants all series of a metric together, so there a metric is gone through for all hosts before
//! the next; in the other forms a host is gone through before the next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::ops::ControlFlow;

use hark_api::Timestamp;
use hark_model::labels::{Identity, Labels};
use hark_model::{HostId, HostName, MetricKind, SeriesDef, Unix};
use hark_store::history::View;

use super::{Form, fits};

/// Bytes that are gathered before they are handed on.
const PIECE: usize = 64 * 1024;

/// The head of the table.
pub(super) const COLUMNS: [&str; 8] =
    ["time", "host", "collector", "instance", "metric", "unit", "kind", "value"];

/// What is written.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Of which hosts, in the order in which they are written.
    pub(crate) hosts: Vec<(HostId, HostName)>,
    /// Patterns of which one must fit `collector.metric`, the whole path, or the name for Prometheus; none
    /// for all.
    pub(crate) metrics: Vec<String>,
    /// From when.
    pub(crate) from: Unix,
    /// Until before when.
    pub(crate) to: Unix,
}

impl Wanted {
    /// Returns whether a series is to be written.
    pub(crate) fn fits(&self, def: &SeriesDef) -> bool {
        if self.metrics.is_empty() {
            return true;
        }
        self.metrics.iter().any(|pattern| means(pattern, def))
    }
}

/// Returns true if a pattern fits a series: its `collector.metric`, its path, or its name for Prometheus.
pub(crate) fn means(pattern: &str, def: &SeriesDef) -> bool {
    let name = &def.name;
    fits(pattern, &format!("{}.{}", name.collector, name.metric))
        || fits(pattern, &name.path())
        || fits(pattern, &Identity::of(name, def.kind).metric)
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Series with samples.
    pub(crate) series: u64,
    /// Samples.
    pub(crate) samples: u64,
    /// Whether it is all.
    pub(crate) is_whole: bool,
}

/// Takes pieces of the text, and how much was written with them; it may end the writing.
pub(crate) type Out<'o> = &'o mut dyn FnMut(&str, Written) -> ControlFlow<()>;

/// Writes what is wanted of a history.
///
/// # Errors
/// If the disk fails.
pub(crate) fn write(
    view: &mut View,
    wanted: &Wanted,
    form: Form,
    out: Out<'_>,
) -> io::Result<Written> {
    let mut writer = Writer { view, wanted, out, text: String::new(), written: Written::default() };
    let ended = match form {
        Form::Csv => writer.table()?,
        Form::Jsonl => writer.by_host(json_line)?,
        Form::Openmetrics => writer.metrics()?,
    };
    let ended = if ended.is_continue() { writer.hand_on() } else { ended };
    writer.written.is_whole = ended.is_continue();
    Ok(writer.written)
}

struct Writer<'w> {
    view: &'w mut View,
    wanted: &'w Wanted,
    out: Out<'w>,
    text: String,
    written: Written,
}

/// Writes a sample of a series of a host.
type Line = fn(&mut String, &HostName, &SeriesDef, Unix, f64);

impl Writer<'_> {
    fn hand_on(&mut self) -> ControlFlow<()> {
        let ended = (self.out)(&self.text, self.written);
        self.text.clear();
        ended
    }

    fn table(&mut self) -> io::Result<ControlFlow<()>> {
        self.text.push_str(&COLUMNS.join(","));
        self.text.push_str("\r\n");
        self.by_host(csv_line)
    }

    fn by_host(&mut self, line: Line) -> io::Result<ControlFlow<()>> {
        for (id, host) in &self.wanted.hosts {
            for def in self.view.series_of(*id) {
                if !self.wanted.fits(&def) {
                    continue;
                }
                let each = |text: &mut String, at, value| line(text, host, &def, at, value);
                if self.series(*id, &def, each)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Writes the samples of one series.
    fn series(
        &mut self,
        host: HostId,
        def: &SeriesDef,
        mut line: impl FnMut(&mut String, Unix, f64),
    ) -> io::Result<ControlFlow<()>> {
        let (text, out, written) = (&mut self.text, &mut self.out, &mut self.written);
        let mut is_new = true;
        let times = (self.wanted.from, self.wanted.to);
        self.view.samples(host, &def.name, times, &mut |samples| {
            written.series += u64::from(std::mem::take(&mut is_new));
            written.samples += samples.len() as u64;
            for (at, value) in samples {
                line(text, *at, *value);
                if text.len() >= PIECE {
                    let ended = out(text, *written);
                    text.clear();
                    if ended.is_break() {
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn metrics(&mut self) -> io::Result<ControlFlow<()>> {
        // What each metric is; where hosts differ, nobody knows.
        let mut kinds: BTreeMap<String, Option<MetricKind>> = BTreeMap::new();
        for (id, _) in &self.wanted.hosts {
            for def in self.view.series_of(*id).iter().filter(|def| self.wanted.fits(def)) {
                let known = kinds.entry(metric_of(def)).or_insert(Some(def.kind));
                if *known != Some(def.kind) {
                    *known = None;
                }
            }
        }
        for (metric, kind) in &kinds {
            let (family, word) = family(metric, *kind, &kinds);
            // Writing to a text cannot fail.
            let _written = writeln!(self.text, "# TYPE {family} {word}");
            for (id, host) in &self.wanted.hosts {
                for def in self.view.series_of(*id) {
                    if metric_of(&def) != *metric || !self.wanted.fits(&def) {
                        continue;
                    }
                    let head = head(metric, &Identity::of(&def.name, def.kind).labels_on(host));
                    let ended = self.series(*id, &def, |text, at, value| {
                        text.push_str(&head);
                        let seconds = at.0.div_euclid(1000);
                        let _written = writeln!(
                            text,
                            "{} {seconds}.{:03}",
                            number(value),
                            at.0.rem_euclid(1000)
                        );
                    })?;
                    if ended.is_break() {
                        return Ok(ended);
                    }
                }
            }
        }
        self.text.push_str("# EOF\n");
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns what a series is called outside, in letters that `OpenMetrics` knows.
fn metric_of(def: &SeriesDef) -> String {
    let metric = Identity::of(&def.name, def.kind).metric;
    sound(&metric, |c| c == ':')
}

/// Replaces what cannot be in a name.
fn sound(name: &str, also: impl Fn(char) -> bool) -> String {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || also(c);
    let mut text: String = name.chars().map(|c| if is_sound(c) { c } else { '_' }).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    text
}

/// Returns the name and the type of the family of a metric: that of a counter has no `_total`.
fn family<'m>(
    metric: &'m str,
    kind: Option<MetricKind>,
    kinds: &BTreeMap<String, Option<MetricKind>>,
) -> (&'m str, &'static str) {
    match kind {
        Some(MetricKind::Gauge) => (metric, "gauge"),
        Some(MetricKind::Counter) => match metric.strip_suffix("_total") {
            Some(family) if !kinds.contains_key(family) => (family, "counter"),
            _ => (metric, "unknown"),
        },
        None => (metric, "unknown"),
    }
}

/// Returns what stands before the value: the metric and its labels.
fn head(metric: &str, labels: &Labels) -> String {
    let mut text = format!("{metric}{{");
    for (n, (name, value)) in labels.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _written = write!(text, "{}=\"{value}\"", sound(name, |_| false));
    }
    text.push_str("} ");
    text
}

/// Writes a value so that it is read back as the same.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-7..1e21).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Gauge => "gauge",
        MetricKind::Counter => "counter",
    }
}

fn csv_line(text: &mut String, host: &HostName, def: &SeriesDef, at: Unix, value: f64) {
    let name = &def.name;
    let _written = write!(text, "{},{},", Timestamp(at), cell(host.as_str()));
    for part in [&name.collector, &name.instance, &name.metric] {
        text.push_str(&cell(part));
        text.push(',');
    }
    let _written = write!(text, "{},{},{}\r\n", def.unit.word(), word(def.kind), number(value));
}

/// Writes a text as one cell. One that a table program would take for a formula has a mark before it: names
/// come from agents.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

fn json_line(text: &mut String, host: &HostName, def: &SeriesDef, at: Unix, value: f64) {
    let name = &def.name;
    // What is no number in JSON is a text.
    let value = if value.is_finite() { serde_json::json!(value) } else { number(value).into() };
    let line = serde_json::json!({
        "time": Timestamp(at), "host": host.as_str(), "collector": name.collector,
        "instance": name.instance, "metric": name.metric, "unit": def.unit.word(),
        "kind": word(def.kind), "value": value,
    });
    let _written = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use hark_model::{SeriesName, Unit};

    use super::*;

    fn def(collector: &str, instance: &str, metric: &str, kind: MetricKind) -> SeriesDef {
        let name = SeriesName::of(collector, instance, metric);
        SeriesDef { name, unit: Unit::None, kind, decimals: 1 }
    }

    #[test]
    fn a_counter_is_a_family_without_its_ending_unless_another_has_that_name() {
        let of = |names: &[(&str, MetricKind)]| {
            names.iter().map(|(n, k)| ((*n).to_owned(), Some(*k))).collect::<BTreeMap<_, _>>()
        };
        let alone = of(&[("a_total", MetricKind::Counter)]);
        assert_eq!(family("a_total", Some(MetricKind::Counter), &alone), ("a", "counter"));
        let beside = of(&[("a_total", MetricKind::Counter), ("a", MetricKind::Gauge)]);
        assert_eq!(family("a_total", Some(MetricKind::Counter), &beside), ("a_total", "unknown"));
        assert_eq!(family("b", Some(MetricKind::Counter), &alone), ("b", "unknown"));
        assert_eq!(family("c", None, &alone), ("c", "unknown"));
    }

    #[test]
    fn values_are_read_back_as_they_were() {
        for value in [0.0, 1.5, -2.25, 1e300, 5e-324, 0.1, 1.0 / 3.0, 1e21, 123_456_789.0] {
            assert_eq!(number(value).parse::<f64>().unwrap().to_bits(), f64::to_bits(value));
        }
        assert_eq!([number(f64::INFINITY), number(-f64::INFINITY)], ["+Inf", "-Inf"]);
    }

    #[test]
    fn names_of_others_are_written_in_letters_that_are_known() {
        assert_eq!(
            metric_of(&def("graphite", "x", "9web.load-1", MetricKind::Gauge)),
            "_9web_load_1"
        );
        let labels = Labels::new([("a.b".to_owned(), "c\"d\\e\nf".to_owned())]);
        assert_eq!(head("m", &labels), "m{a_b=\"c\\\"d\\\\e\\nf\"} ");
    }

    #[test]
    fn what_a_table_program_would_run_is_a_text() {
        let mut text = String::new();
        let host = HostName::new("web1").unwrap();
        csv_line(
            &mut text,
            &host,
            &def("disk_monitor", "=x,\"y\"", "percent", MetricKind::Gauge),
            Unix(0),
            1.5,
        );
        assert_eq!(
            text,
            "1970-01-01T00:00:00Z,web1,disk_monitor,\"'=x,\"\"y\"\"\",percent,,gauge,1.5\r\n"
        );
    }
}
