//! Lines as Graphite takes them: `servers.web1.cpu.load;rack=a 0.5 1700000000`.
//!
//! A [`Template`] says which part of a path is the host, what is the metric, and what else is a label:
//! `servers.host.measurement*`. Without one the whole path is the metric, and a tag tells the host.

use std::borrow::Cow;
use std::fmt;

use hark_model::Unix;
use hark_model::labels::Foreign;
use thiserror::Error;

use crate::gather::{Found, MAX_LABELS_READ};
use crate::{Batch, Gather, Naming, Unreadable, Why};

/// Bound on the parts of a template.
const MAX_PARTS: usize = 32;

/// What each part of a path is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Must stand there just so, and says nothing.
    Word(String),
    /// The host.
    Host,
    /// A part of the metric's name.
    Measurement,
    /// This part and all that follow are the metric's name.
    Rest,
    /// The value of a label.
    Label(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// It has an empty part.
    #[error("a template has no empty parts")]
    Empty,
    /// Too many parts.
    #[error("a template has at most {MAX_PARTS} parts")]
    Long,
    /// Something follows `measurement*`.
    #[error("`measurement*` takes all that follows: it stands at the end")]
    Behind,
    /// Nothing is the metric.
    #[error("a template says what the metric is: `measurement`, or at its end `measurement*`")]
    Metric,
    /// Two hosts.
    #[error("a template has one `host`")]
    Hosts,
}

impl Template {
    /// Reads a template. `host`, `measurement` and `measurement*` are what they say, `LABEL=` is a label of
    /// that name, `*` is anything that is not kept, and other words must stand there.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let part = |word: &str| match word {
            "" => Err(TemplateError::Empty),
            "host" => Ok(Part::Host),
            "measurement" => Ok(Part::Measurement),
            "measurement*" => Ok(Part::Rest),
            word => Ok(match word.strip_suffix('=') {
                Some("") => return Err(TemplateError::Empty),
                Some(label) => Part::Label(label.to_owned()),
                None => Part::Word(word.to_owned()),
            }),
        };
        let parts = text.split('.').map(part).collect::<Result<Vec<_>, _>>()?;
        let is_last = |at: usize| at + 1 == parts.len();
        if parts.len() > MAX_PARTS {
            return Err(TemplateError::Long);
        }
        if parts.iter().enumerate().any(|(at, part)| *part == Part::Rest && !is_last(at)) {
            return Err(TemplateError::Behind);
        }
        if !parts.iter().any(|part| matches!(part, Part::Rest | Part::Measurement)) {
            return Err(TemplateError::Metric);
        }
        if parts.iter().filter(|part| **part == Part::Host).count() > 1 {
            return Err(TemplateError::Hosts);
        }
        Ok(Self { parts })
    }

    /// Lays the template over a path; false if it does not fit.
    fn lay<'a>(&'a self, path: &'a str, found: &mut Found<'a>) -> bool {
        let mut rest = Some(path);
        let mut metric = String::new();
        for part in &self.parts {
            let Some(text) = rest else { return false };
            let (word, after) = match text.split_once('.') {
                Some((word, after)) => (word, Some(after)),
                None => (text, None),
            };
            let mut named = |text: &str| {
                if !metric.is_empty() {
                    metric.push('.');
                }
                metric.push_str(text);
            };
            rest = after;
            match part {
                Part::Word(wanted) if wanted == "*" || wanted == word => {}
                Part::Word(_) => return false,
                Part::Host => found.host = Some(word.into()),
                Part::Measurement => named(word),
                Part::Label(name) => found.labels.push((name.into(), word.into())),
                Part::Rest => {
                    named(text);
                    rest = None;
                }
            }
        }
        found.metric = metric.into();
        rest.is_none()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "." })?;
            match part {
                Part::Word(word) => f.write_str(word)?,
                Part::Host => f.write_str("host")?,
                Part::Measurement => f.write_str("measurement")?,
                Part::Rest => f.write_str("measurement*")?,
                Part::Label(name) => write!(f, "{name}=")?,
            }
        }
        Ok(())
    }
}

/// Reads lines. Of several templates the first that fits counts; what none fits is the metric as it is.
///
/// # Errors
/// If there are more than a request may have.
pub fn read(text: &[u8], templates: &[Template], naming: &Naming) -> Result<Batch, Unreadable> {
    let mut gather = Gather::new(Foreign::Graphite, naming);
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let read = std::str::from_utf8(line).ok().and_then(|line| one(line, templates));
        match read {
            Some((found, at, value)) if !value.is_nan() => gather.take(&found, &[(at, value)])?,
            Some((found, ..)) => gather.refuse(Why::Value, 1, || found.metric.into_owned()),
            None => gather.refuse(Why::Line, 1, || String::from_utf8_lossy(line).into_owned()),
        }
    }
    Ok(gather.finish())
}

fn one<'a>(line: &'a str, templates: &'a [Template]) -> Option<(Found<'a>, Option<Unix>, f64)> {
    let mut words = line.split_ascii_whitespace();
    let (path, value) = (words.next()?, words.next()?.parse::<f64>().ok()?);
    let at = match words.next() {
        None | Some("-1" | "N") => None,
        Some(seconds) => Some(time(seconds.parse().ok()?)?),
    };
    if words.next().is_some() {
        return None;
    }
    let mut parts = path.split(';');
    let path = parts.next().filter(|path| !path.is_empty())?;
    let mut tags: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for tag in parts {
        let (name, value) = tag.split_once('=')?;
        if name.is_empty() || value.is_empty() || tags.len() > MAX_LABELS_READ {
            return None;
        }
        tags.push((name.into(), value.into()));
    }
    let laid = templates.iter().find_map(|template| {
        let mut found = Found::default();
        template.lay(path, &mut found).then_some(found)
    });
    let mut found = laid.unwrap_or_else(|| Found { metric: path.into(), ..Found::default() });
    found.labels.append(&mut tags);
    Some((found, at, value))
}

fn time(seconds: f64) -> Option<Unix> {
    // The year 9999: beyond it nothing can be shown.
    const LATEST: f64 = 253_402_300_799.0;
    #[expect(clippy::cast_possible_truncation, reason = "at most some 2^48 after the check")]
    (0.0..=LATEST).contains(&seconds).then(|| Unix((seconds * 1000.0).round() as i64))
}

#[cfg(test)]
mod tests {
    use hark_model::HostName;
    use proptest::prelude::*;

    use super::*;

    fn naming() -> Naming {
        Naming::new(HostName::new("carbon").unwrap(), "graphite")
    }

    fn shown(text: &str, templates: &[&str]) -> Vec<String> {
        let templates: Vec<_> = templates.iter().map(|t| Template::parse(t).unwrap()).collect();
        read(text.as_bytes(), &templates, &naming()).unwrap().lines()
    }

    #[test]
    fn a_template_says_which_part_is_the_host() {
        for (line, templates, expected) in [
            (
                "servers.web1.cpu-0.cpu-idle 99.5 1700000000",
                &["servers.host.measurement*"][..],
                "web1 graphite.graphite.cpu-0.cpu-idle 99.5 1700000000000",
            ),
            (
                "eu.web1.disk.root.used 5 1700000000.5",
                &["other.host.measurement*", "region=.host.measurement.mount=.measurement"],
                "web1 graphite.graphite.mount=root,region=eu.disk.used 5 1700000000500",
            ),
            ("a.b 1 -1", &["host.x.measurement"], "carbon graphite.graphite.a.b 1 now"),
            ("a.b.c 1 N", &["*.host.measurement"], "b graphite.graphite.c 1 now"),
            ("load;host=db1;rack=a 1", &[], "db1 graphite.graphite.rack=a.load 1 now"),
            ("load 1 1 1", &[], "1 line load 1 1 1"),
            ("load one", &[], "1 line load one"),
            ("load;host 1", &[], "1 line load;host 1"),
            ("load 1 1e300", &[], "1 line load 1 1e300"),
            ("load nan 1", &[], "1 value load"),
        ] {
            assert_eq!(shown(line, templates), [expected], "{line}");
        }
    }

    #[test]
    fn a_template_is_shown_as_it_was_written() {
        let text = "*.eu.host.rack=.measurement.measurement*";
        assert_eq!(Template::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_way_out() {
        for (text, error) in [
            ("host..measurement", TemplateError::Empty),
            ("host", TemplateError::Metric),
            ("host.measurement*.x", TemplateError::Behind),
            ("host.host.measurement", TemplateError::Hosts),
        ] {
            assert_eq!(Template::parse(text), Err(error), "{text}");
        }
        assert_eq!(
            Template::parse("measurement.".repeat(40).trim_end_matches('.')),
            Err(TemplateError::Long)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let templates = [Template::parse("a.host.l=.measurement*").unwrap()];
            let _read = read(&bytes, &templates, &naming());
        }
    }
}
