//! The text of an event: a template with the line and its parts.

use std::fmt::Write;

use hark_model::Event;
use thiserror::Error;

/// A text with places for what was found: `{line}`, `{file}`, `{watch}`, `{match}`, `{1}` to `{9}`,
/// `{count}`. Braces themselves are written twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Line,
    File,
    Watch,
    Group(usize),
    Count,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A place that nothing stands for.
    #[error(
        "{{{0}}} stands for nothing: there are {{line}}, {{file}}, {{watch}}, {{match}}, {{1}} to {{9}}, {{count}}"
    )]
    Place(String),
    /// A brace without its other half.
    #[error("a brace alone: write {{{{ or }}}} for the sign itself")]
    Brace,
}

/// What a template is filled with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found<'a> {
    pub(crate) watch: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: &'a [u8],
    /// What the pattern found: all of it, then its groups.
    pub(crate) groups: &'a [&'a [u8]],
    pub(crate) count: u64,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, found) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = found.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = found.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else {
                let inner = found.strip_prefix('{').ok_or(TemplateError::Brace)?;
                let (name, after) = inner.split_once('}').ok_or(TemplateError::Brace)?;
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(place(name)?);
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// Returns the template that is this text.
    pub(crate) fn plain(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// Returns the template of the line alone.
    pub fn line() -> Self {
        Self(vec![Part::Line])
    }

    /// Returns true if it needs to know where in the line the pattern was.
    pub(crate) fn has_groups(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Group(_)))
    }

    /// Returns the text, without control characters, at most [`Event::MAX_TEXT`] bytes.
    pub(crate) fn fill(&self, found: &Found<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Line => text.push_str(&shown(found.line)),
                Part::File => text.push_str(found.file),
                Part::Watch => text.push_str(found.watch),
                Part::Group(number) => {
                    text.push_str(&shown(found.groups.get(*number).copied().unwrap_or_default()));
                }
                Part::Count => {
                    let written = write!(text, "{}", found.count);
                    written.expect("writing to memory does not fail");
                }
            }
        }
        text.truncate(text.floor_char_boundary(Event::MAX_TEXT.min(text.len())));
        text
    }
}

fn place(name: &str) -> Result<Part, TemplateError> {
    Ok(match name {
        "line" => Part::Line,
        "file" => Part::File,
        "watch" => Part::Watch,
        "match" => Part::Group(0),
        "count" => Part::Count,
        _ => match name.parse() {
            Ok(number @ 1..=9) => Part::Group(number),
            Ok(_) | Err(_) => return Err(TemplateError::Place(name.to_owned())),
        },
    })
}

/// Makes text of a line: without white space at both ends, as the older tool did, and without what
/// a terminal would obey.
fn shown(line: &[u8]) -> String {
    // Far more than is kept; a line may be very long.
    let line = line.get(..4 * Event::MAX_TEXT).unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let visible = |c: char| match c {
        '\t' => Some(' '),
        '\n' => Some('\n'),
        c if c.is_control() => None,
        c => Some(c),
    };
    text.trim().chars().filter_map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_what_was_found() {
        let found = Found {
            watch: "app",
            file: "/var/log/app.log",
            line: b"  2026 ERROR \x1b[1mdisk\tfull\xff ",
            groups: &[b"ERROR disk", b"disk"],
            count: 7,
        };
        for (template, text) in [
            ("{line}", "2026 ERROR [1mdisk full\u{fffd}"),
            ("{watch}: {1} in {file}", "app: disk in /var/log/app.log"),
            ("{match}{2} {{{count}}}", "ERROR disk {7}"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(Template::new(template).unwrap().fill(&found), text);
        }
        let long = "é".repeat(3000);
        let text = Template::line().fill(&Found { line: long.as_bytes(), ..found });
        assert_eq!(text.len(), Event::MAX_TEXT);
    }

    #[test]
    fn says_what_a_template_cannot_have() {
        for text in ["{lien}", "{0}", "{10}", "{}", "{line", "a}", "{{line}"] {
            assert!(Template::new(text).is_err(), "{text}");
        }
        assert!(Template::new("{lien}").unwrap_err().to_string().contains("{line}"));
    }
}
