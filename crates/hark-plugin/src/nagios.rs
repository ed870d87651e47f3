//! The contract of Nagios plugins: an exit code, a line, further lines, and performance data.
//!
//! ```text
//! DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968
//! / 15272 MB (77%);
//! /home 69357 MB (27%); | /boot=68MB;88;93;0;98
//! /home=69357MB;253404;253409;0;253414
//! ```
//!
//! What follows the first `|` of the first line is performance data; the lines after it are text up to
//! the next `|`, and all after that is performance data again. A value is
//! `'label'=value[unit];[warning];[critical];[min];[max]`, and the two limits are ranges: see [`range`].

use hark_model::check::{CheckResult, Range};
use hark_model::{MetricKind, Status};

use crate::measure::{self, Limits, Measured};
use crate::runner::{Exit, Finished};
use crate::text::clean;

/// Bound on the values of one plugin: with more it wants to be an exporter.
pub const MAX_VALUES: usize = 512;

/// What a plugin said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// What it found.
    pub status: Status,
    /// Its first line; its further lines after a line feed. At most [`CheckResult::MAX_TEXT`] bytes.
    pub text: String,
    /// Its performance data.
    pub values: Vec<Measured>,
    /// Words of its performance data that are none; at most one is kept, to be shown.
    pub nonsense: Option<String>,
}

/// Reads how a plugin ended and what it printed.
pub fn read(finished: &Finished) -> Said {
    let mut said = output(&finished.output);
    let (status, note) = status(&finished.exit);
    said.status = status;
    if said.text.is_empty() {
        said.text = clean(finished.errors.trim_ascii(), CheckResult::MAX_TEXT);
    }
    said.text = match (said.text.is_empty(), note) {
        (true, None) => "the plugin said nothing".to_owned(),
        (false, None) => said.text,
        (true, Some(note)) => note,
        (false, Some(note)) => bounded(format!("{note}: {}", said.text)),
    };
    said
}

/// Returns the status of an exit, and what is to be said if it is no plugin's.
fn status(exit: &Exit) -> (Status, Option<String>) {
    let unknown = |note: String| (Status::Unknown, Some(note));
    match exit {
        Exit::Code(0) => (Status::Ok, None),
        Exit::Code(1) => (Status::Warning, None),
        Exit::Code(2) => (Status::Critical, None),
        Exit::Code(3) => (Status::Unknown, None),
        Exit::Code(code) => unknown(format!("exit code {code}, which no plugin has")),
        Exit::Signal(signal) => unknown(format!("ended by signal {signal}")),
        Exit::TimedOut(limit) => {
            unknown(format!("did not end within {}", hark_config::duration::format(*limit)))
        }
        Exit::Flooded => unknown("printed without end and was killed".to_owned()),
        Exit::Stopped => unknown("was stopped".to_owned()),
    }
}

/// Returns the exit code as a number that can be watched: of those that we ended 3, as their status.
pub fn exit_code(exit: &Exit) -> u8 {
    match exit {
        Exit::Code(code) => *code,
        // As a shell counts.
        Exit::Signal(signal) => u8::try_from(*signal).map_or(u8::MAX, |n| n.saturating_add(128)),
        Exit::TimedOut(_) | Exit::Flooded | Exit::Stopped => 3,
    }
}

/// Reads what a plugin printed; the status is unknown.
pub fn output(bytes: &[u8]) -> Said {
    // Perfdata may be longer than the text that is shown.
    let whole = clean(bytes, bytes.len().saturating_mul(3));
    let mut lines = whole.lines();
    let (first, mut data) = cut(lines.next().unwrap_or_default());
    let mut text = first.trim().to_owned();
    let mut in_data = false;
    for line in lines {
        if in_data {
            data.push(' ');
            data.push_str(line);
            continue;
        }
        let (more, more_data) = cut(line);
        in_data = more.len() < line.len();
        text.push('\n');
        text.push_str(more.trim_end());
        data.push(' ');
        data.push_str(&more_data);
    }
    let (values, nonsense) = performance_data(&data);
    let text = bounded(text.trim_end().to_owned());
    Said { status: Status::Unknown, text, values, nonsense }
}

/// Cuts a line into text and performance data. A `|` without any `=` after it is part of the text, as
/// in the `[-4|-6]` of plugins that say how they are used.
fn cut(line: &str) -> (&str, String) {
    match line.split_once('|') {
        Some((text, data)) if data.contains('=') => (text, data.to_owned()),
        _ => (line, String::new()),
    }
}

fn bounded(mut text: String) -> String {
    let end = text.floor_char_boundary(CheckResult::MAX_TEXT.min(text.len()));
    text.truncate(end);
    text
}

/// Reads performance data: the values, and the first word that is none.
pub fn performance_data(data: &str) -> (Vec<Measured>, Option<String>) {
    let mut values = Vec::new();
    let mut nonsense = None;
    let mut rest = data.trim_start();
    while !rest.is_empty() && values.len() < MAX_VALUES {
        let (label, after) = label(rest);
        let (word, after) = split_word(after);
        match label.and_then(|label| value(&label, word)) {
            Some(value) => values.push(value),
            None => {
                nonsense.get_or_insert_with(|| {
                    let length = rest.len() - after.len();
                    clean(rest.get(..length).unwrap_or(rest).trim().as_bytes(), measure::MAX_NAME)
                });
            }
        }
        rest = after.trim_start();
    }
    (values, nonsense)
}

/// Takes `label=` or `'label'=`; in quotes two are one.
fn label(text: &str) -> (Option<String>, &str) {
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut label = String::new();
        let mut rest = quoted;
        while let Some((before, after)) = rest.split_once('\'') {
            label.push_str(before);
            match after.strip_prefix('\'') {
                Some(more) => {
                    label.push('\'');
                    rest = more;
                }
                None => {
                    return match after.strip_prefix('=') {
                        Some(value) => (measure::name(&label), value),
                        None => (None, after),
                    };
                }
            }
        }
    }
    let (word, _) = split_word(text);
    match word.split_once('=') {
        Some((label, _)) => {
            let value = text.get(label.len() + 1..).unwrap_or_default();
            (measure::name(label), value)
        }
        None => (None, text),
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn value(label: &str, word: &str) -> Option<Measured> {
    let mut fields = word.split(';');
    let first = fields.next()?;
    // `U`: the plugin could not find the value out.
    let (value, unit) = if first == "U" { (f64::NAN, "") } else { measure::number(first)? };
    let (unit, kind, factor) = measure::unit(unit.trim());
    let mut next = || fields.next().map(str::trim).filter(|field| !field.is_empty());
    let (warning, critical) = (next().and_then(range), next().and_then(range));
    let (min, max) = (next().and_then(plain), next().and_then(plain));
    let scaled =
        |range: Range| Range { low: range.low * factor, high: range.high * factor, ..range };
    let limits = Limits {
        warning: warning.map(scaled),
        critical: critical.map(scaled),
        min: min.map(|value| value * factor),
        max: max.map(|value| value * factor),
    };
    Some(Measured {
        instance: String::new(),
        metric: label.to_owned(),
        value: value * factor,
        unit,
        kind: if kind == MetricKind::Counter { kind } else { MetricKind::Gauge },
        limits: (limits != Limits::default()).then(|| Box::new(limits)),
    })
}

/// A bound with or without its unit.
fn plain(text: &str) -> Option<f64> {
    measure::number(text).map(|(value, _)| value)
}

/// Reads a range: `10` is 0 to 10, `10:` from 10 on, `~:10` up to 10, `10:20`, and `@10:20` means that
/// it is bad *inside*.
pub fn range(text: &str) -> Option<Range> {
    let (inside, text) = match text.strip_prefix('@') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (low, high) = match text.split_once(':') {
        None => (0.0, plain(text)?),
        Some((low, high)) => {
            let low = match low {
                "~" => f64::NEG_INFINITY,
                "" => 0.0,
                low => plain(low)?,
            };
            (low, if high.is_empty() { f64::INFINITY } else { plain(high)? })
        }
    };
    (low <= high).then_some(Range { low, high, inside })
}

#[cfg(test)]
mod tests;
